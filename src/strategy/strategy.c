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

const double *strategy_values(const StrategyValues *values, const Strategy *strategy)
{
    return values->at[strategy_place(strategy)];
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

bool method_parse(Arena *arena, Str name, Method *out, Err *err)
{
    *out = (Method){
        .name = arena_copy(arena, name.at, name.size), .plain = true, .about = "", .cite = "", .kind = "method"};
    for (Str rest = name; rest.at;)
        if (!method_add(arena, out, name, method_next(&rest), err)) return false;
    const char *objection = method_objection(arena, out);
    if (objection) return fail_usage(err, "--method %s: %s", str_show(name), objection);
    for (int i = 0; i < out->component_count; i++) method_take(arena, out, out->component[i]);
    out->changes_encoder = out->trains == TRAINS_ENCODER || out->fresh;
    return true;
}

bool method_has_adapter(const Method *method)
{
    return method->trains == TRAINS_ADAPTER || method->trains == TRAINS_ADAPTER_EACH;
}

bool method_same(const Method *a, const Method *b)
{
    for (int i = 0; i < a->component_count && i < b->component_count; i++)
        if (a->component[i] != b->component[i]) return false;
    return a->component_count == b->component_count;
}

const char *method_all(Arena *arena)
{
    const char *all = "";
    for (int i = 0; i < strategy_count; i++) all = text_join(arena, all, ",", strategies[i]->name);
    return all;
}

/* ---- shelves ---- */

f32p shelf_find(const Shelf *shelf, const char *name)
{
    for (int i = 0; i < shelf->count; i++)
        if (strcmp(shelf->array[i].name, name) == 0) return shelf->array[i].at;
    return NULL;
}

f32p shelf_add(Shelf *shelf, const char *name, size_t floats)
{
    ASSERT(shelf->count < SHELF_MAX_ARRAYS);
    shelf->array[shelf->count].name = name;
    return shelf->array[shelf->count++].at = device_f32(&shelf->memory, floats);
}

void shelf_clear(Shelf *shelf)
{
    Device *device = shelf->memory.device;
    device_arena_free(&shelf->memory);
    *shelf = (Shelf){.memory = {.device = device}};
}
