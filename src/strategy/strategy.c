#include "strategy.h"

#include <math.h>
#include <string.h>

#include "baselines.c"
#include "pull.c"
#include "l2sp.c"
#include "ewc.c"
#include "mas.c"
#include "si.c"
#include "buffer.c"
#include "replay.c"
#include "derpp.c"
#include "agem.c"
#include "lwf.c"
#include "o_lora.c"
#include "wise_ft.c"

const Strategy *const strategies[] = {
    &strategy_full,  &strategy_lora, &strategy_lora_seq, &strategy_o_lora, &strategy_ewc,
    &strategy_si,    &strategy_mas,  &strategy_l2sp,     &strategy_lwf,    &strategy_replay,
    &strategy_derpp, &strategy_agem, &strategy_wise_ft,  &strategy_joint,  &strategy_frozen,
};
const int strategy_count = COUNT(strategies);
_Static_assert(COUNT(strategies) <= STRATEGY_MAX, "StrategyValues has a row for each");

double *strategy_value(StrategyValues *values, const Option *row)
{
    for (int i = 0; i < strategy_count; i++)
        for (int k = 0; k < strategies[i]->option_count; k++)
            if (&strategies[i]->options[k] == row) return &values->at[i][k];
    return NULL;
}

void strategy_defaults(StrategyValues *values)
{
    for (int i = 0; i < strategy_count; i++)
        for (int k = 0; k < strategies[i]->option_count; k++) {
            const Option *row = &strategies[i]->options[k];
            Err err = {0};
            if (!option_number(row, row->default_value, &values->at[i][k], &err)) ASSERT(!"a default is a value");
        }
}

static int strategy_place(const Strategy *strategy)
{
    int i = 0;
    while (strategies[i] != strategy) i++;
    return i;
}

/* ---- methods ---- */

static const Strategy *strategy_find(Str name)
{
    for (int i = 0; i < strategy_count; i++)
        if (str_equal(str(strategies[i]->name), name)) return strategies[i];
    return NULL;
}

static const char *strategy_names(Arena *arena)
{
    const char *names = "";
    for (int i = 0; i < strategy_count; i++) names = text_join(arena, names, ", ", strategies[i]->name);
    return names;
}

static bool method_add(Arena *arena, Method *m, Str whole, Str name, Err *err)
{
    const Strategy *s = strategy_find(name);
    Nearest near = nearest_to(name);
    for (int i = 0; i < strategy_count; i++) nearest_offer(&near, strategies[i]->name);
    if (!s && near.name)
        return fail_usage(err, "--method %s: unknown method '%s'%s", str_show(whole), str_show(name),
                          nearest_hint(&near, ""));
    if (!s)
        return fail_usage(err, "--method %s: unknown method '%s'; there are %s, and compositions such as ewc+replay",
                          str_show(whole), str_show(name), strategy_names(arena));
    for (int i = 0; i < m->component_count; i++)
        if (m->component[i] == s) return fail_usage(err, "--method %s: %s is named twice", str_show(whole), s->name);
    if (m->component_count == METHOD_MAX_COMPONENTS)
        return fail_usage(err, "--method %s: at most %d strategies go together", str_show(whole),
                          METHOD_MAX_COMPONENTS);
    int place = m->component_count++;
    for (; place > 0 && strategy_place(m->component[place - 1]) > strategy_place(s); place--)
        m->component[place] = m->component[place - 1];
    m->component[place] = s;
    return true;
}

/* Cuts the next strategy's name off "NAME+NAME"; a '+' may also belong to a name ("der++"): the longest wins. */
static Str method_next(Str *rest)
{
    const char *plus = rest->size ? memchr(rest->at, '+', rest->size) : NULL;
    Str name = {rest->at, plus ? (size_t)(plus - rest->at) : rest->size};
    for (int i = 0; i < strategy_count; i++) {
        const Str known = str(strategies[i]->name);
        if (known.size > name.size && known.size <= rest->size && memcmp(known.at, rest->at, known.size) == 0 &&
            (known.size == rest->size || rest->at[known.size] == '+'))
            name.size = known.size;
    }
    *rest = name.size < rest->size ? (Str){rest->at + name.size + 1, rest->size - name.size - 1} : (Str){0};
    return name;
}

/* NULL when the parts go together, else why not. */
static const char *method_objection(Arena *arena, const Method *m)
{
    const Strategy *carrier = NULL; /* says which weights are trained */
    for (int i = 0; i < m->component_count && m->component_count > 1; i++) {
        const Strategy *s = m->component[i];
        if (s->alone) return arena_printf(arena, "%s goes with no other method: %s", s->name, s->alone);
        if (s->trains == TRAINS_ENCODER) continue;
        if (carrier) return arena_printf(arena, "%s and %s each say which weights are trained", carrier->name, s->name);
        carrier = s;
    }
    for (int i = 0; i < m->component_count && carrier && carrier->fresh; i++)
        if (m->component[i]->anchors)
            return arena_printf(arena,
                                "%s starts a fresh adapter for each task, so there is nothing for %s to hold on to",
                                carrier->name, m->component[i]->name);
    return NULL;
}

static bool hooks_are_empty(const TrainHooks *h)
{
    return !h->begin && !h->answer && !h->gradient && !h->add && !h->project && !h->moved;
}

/* What a part means to the method. */
static void method_take(Arena *arena, Method *m, const Strategy *s)
{
    m->about = text_join(arena, m->about, "; ", s->about);
    m->cite = text_join(arena, m->cite, "; ", s->cite);
    if (strcmp(m->kind, "method") == 0) m->kind = s->kind;
    if (s->trains != TRAINS_ENCODER) m->trains = s->trains;
    if (s->own_rate) m->own_rate = s;
    m->joint |= s->joint;
    m->fresh |= s->fresh;
    m->plain &= !s->joint && hooks_are_empty(&s->hooks);
    m->changes_result |= s->change != NULL;
}

/* ---- values of its own ---- */

double method_value(const Method *method, const StrategyValues *common, const Option *row)
{
    for (int i = 0; i < method->value_count; i++)
        if (method->value[i].row == row) return method->value[i].value;
    return *strategy_value((StrategyValues *)common, row);
}

void method_values(const Method *method, const StrategyValues *common, const Strategy *strategy, double *values)
{
    for (int i = 0; i < strategy->option_count; i++) values[i] = method_value(method, common, &strategy->options[i]);
}

void method_set_values(Arena *arena, Method *method, const MethodValue *value, int count)
{
    const char *name = method->base;
    method->value_count = 0;
    for (int p = 0; p < method->component_count; p++)
        for (int k = 0; k < method->component[p]->option_count; k++)
            for (int i = 0; i < count; i++)
                if (value[i].row == &method->component[p]->options[k]) {
                    method->value[method->value_count++] = value[i];
                    name = arena_printf(arena, "%s@%s=%s", name, value[i].row->name,
                                        option_show(arena, value[i].row, value[i].value, false));
                }
    method->name = name;
}

/* "OPTION=VALUE" of a method whose strategies are known. */
static bool method_read_value(Arena *arena, const Method *m, Str whole, Str text, MethodValue *out, Err *err)
{
    const char *equals = text.size ? memchr(text.at, '=', text.size) : NULL;
    const Str name = {text.at, equals ? (size_t)(equals - text.at) : text.size};
    Nearest near = nearest_to(name);
    *out = (MethodValue){0};
    for (int p = 0; p < m->component_count; p++)
        for (int k = 0; k < m->component[p]->option_count; k++) {
            const Option *row = &m->component[p]->options[k];
            nearest_offer(&near, row->name);
            if (str_equal(str(row->name), name)) out->row = row;
        }
    if (!out->row || !equals)
        return fail_usage(err, "--method %s: '%s' is not OPTION=VALUE with an option of %s%s", str_show(whole),
                          str_show(text), m->base, out->row ? "" : nearest_hint(&near, ""));
    const char *value = arena_copy(arena, equals + 1, text.size - name.size - 1);
    return option_number(out->row, value, &out->value, err);
}

/* What follows a method's strategies: "OPTION=VALUE@OPTION=VALUE". */
static bool method_read_values(Arena *arena, Method *m, Str whole, Str rest, Err *err)
{
    MethodValue value[METHOD_MAX_VALUES];
    int count = 0;
    while (rest.at) {
        const char *end = rest.size ? memchr(rest.at, '@', rest.size) : NULL;
        const Str text = {rest.at, end ? (size_t)(end - rest.at) : rest.size};
        MethodValue read;
        rest = end ? (Str){end + 1, rest.size - text.size - 1} : (Str){0};
        if (!method_read_value(arena, m, whole, text, &read, err)) return false;
        for (int i = 0; i < count; i++)
            if (value[i].row == read.row)
                return fail_usage(err, "--method %s: %s is given twice", str_show(whole), read.row->name);
        value[count++] = read; /* no more than there are options */
    }
    method_set_values(arena, m, value, count);
    return strlen(m->name) <= METHOD_MAX_NAME ||
           fail_usage(err, "--method %s: a method's name has at most %d bytes", str_show(whole), METHOD_MAX_NAME);
}

bool method_parse(Arena *arena, Str name, Method *out, Err *err)
{
    const char *at = name.size ? memchr(name.at, '@', name.size) : NULL;
    const Str base = {name.at, at ? (size_t)(at - name.at) : name.size};
    *out = (Method){.plain = true, .about = "", .cite = "", .kind = "method"};
    out->name = out->base = arena_copy(arena, base.at, base.size);
    for (Str rest = base; rest.at;)
        if (!method_add(arena, out, name, method_next(&rest), err)) return false;
    const char *objection = method_objection(arena, out);
    if (objection) return fail_usage(err, "--method %s: %s", str_show(name), objection);
    for (int i = 0; i < out->component_count; i++) method_take(arena, out, out->component[i]);
    out->changes_encoder = out->trains == TRAINS_ENCODER || out->fresh;
    return method_read_values(arena, out, name, at ? (Str){at + 1, name.size - base.size - 1} : (Str){0}, err);
}

bool method_has_adapter(const Method *method)
{
    return method->trains == TRAINS_ADAPTER || method->trains == TRAINS_ADAPTER_EACH;
}

bool method_same(const Method *a, const Method *b, const StrategyValues *common)
{
    if (a->component_count != b->component_count) return false;
    for (int i = 0; i < a->component_count; i++) {
        const Strategy *s = a->component[i];
        if (s != b->component[i]) return false;
        for (int k = 0; k < s->option_count; k++)
            if (method_value(a, common, &s->options[k]) != method_value(b, common, &s->options[k])) return false;
    }
    return true;
}

const char *method_all(Arena *arena)
{
    const char *all = "";
    for (int i = 0; i < strategy_count; i++) all = text_join(arena, all, ",", strategies[i]->name);
    return all;
}

/* ---- shelves ---- */

f32p shelf_find(const Shelf *shelf, const char *name, uint64_t made)
{
    for (int i = 0; i < shelf->count; i++)
        if (strcmp(shelf->array[i].name, name) == 0 && shelf->array[i].made == made) return shelf->array[i].at;
    return NULL;
}

f32p shelf_add(Shelf *shelf, const char *name, uint64_t made, size_t floats)
{
    ASSERT(shelf->count < SHELF_MAX_ARRAYS);
    shelf->array[shelf->count].name = name;
    shelf->array[shelf->count].made = made;
    return shelf->array[shelf->count++].at = device_f32(&shelf->memory, floats);
}

void shelf_clear(Shelf *shelf)
{
    Device *device = shelf->memory.device;
    device_arena_free(&shelf->memory);
    *shelf = (Shelf){.memory = {.device = device}};
}
