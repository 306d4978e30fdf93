#include "report.h"

#include <stdlib.h>
#include <string.h>

/* The settings of a run, and folders of different settings as a sweep: one method a value. */

static const ResultSetting *load_setting(const ResultMethodInfo *info, const char *name)
{
    for (int i = 0; i < info->setting_count; i++)
        if (strcmp(info->settings[i].name, name) == 0) return &info->settings[i];
    return NULL;
}

/* Evaluation rows are compared by their number and data: "all" of 500 rows are the first 500. */
static bool load_setting_is_compared(const ResultSetting *s)
{
    const Option *row = option_find(run_options(), s->name);
    return !row || row->changes != CHANGES_EVALUATED;
}

static bool load_settings_of(Loader *l, const json_t *object, ResultMethodInfo *info, Err *err)
{
    const char *name;
    json_t *value, *entry;
    json_object_foreach((json_t *)object, name, value)
    {
        size_t i;
        json_t *key = json_string(name);
        ResultSetting *s = &info->settings[info->setting_count];
        *s = (ResultSetting){load_name(l, key, "a setting", err), load_name(l, value, "a setting's value", err), false};
        json_array_foreach(json_object_get(l->run, "beside_preset"), i, entry) if (json_equal(entry, key)) s->beside =
            true;
        json_decref(key);
        if (!s->name || !s->value) return false;
        if (load_setting(info, name)) return fail(err, "%s: setting %s is recorded twice", l->what, s->name);
        info->setting_count++;
    }
    return true;
}

/* What the method is apart from its kind: nobody else asks for its name. */
static void load_properties(Arena *arena, ResultMethodInfo *info)
{
    Method m;
    Err unknown = {0};
    if (!method_parse(arena, str(info->base), &m, &unknown)) return; /* of another version */
    const bool plain = m.plain && !m.fresh && !m.changes_result;
    info->full = plain && m.trains == TRAINS_ENCODER;
    info->one_adapter = plain && m.trains == TRAINS_ADAPTER;
}

/* "settings" of all methods and "options" of each; a run of an older version has none. */
static bool load_settings(Loader *l, Err *err)
{
    enum { MOST = 200 };
    const json_t *common = json_object_get(l->run, "settings");
    for (int m = 0; m < l->out->method_count; m++) {
        l->out->method_info[m].asked = l->out->methods[m];
        const char *name = l->out->methods[m], *own = strchr(name, '@'); /* ewc@ewc-lambda=100: see method_parse */
        l->out->method_info[m].base = own ? arena_copy(l->arena, name, (size_t)(own - name)) : name;
        load_properties(l->arena, &l->out->method_info[m]);
    }
    if (!common) return true;
    if (!json_is_object(common)) return fail(err, "%s: \"settings\" must be an object", l->what);
    for (int m = 0; m < l->out->method_count; m++) {
        ResultMethodInfo *info = &l->out->method_info[m];
        const json_t *own =
            json_object_get(json_array_get(json_object_get(l->run, "method_info"), (size_t)m), "options");
        const size_t count = json_object_size(own) + json_object_size(common);
        if (count > MOST) return fail(err, "%s: more than %d settings of a method", l->what, MOST);
        info->settings = arena_new(l->arena, ResultSetting, count);
        if (!load_settings_of(l, own, info, err) || !load_settings_of(l, common, info, err)) return false;
    }
    return true;
}

/* Whether a setting is one task's own: "nli:epochs". Without it the task has what all tasks have. */
static bool load_setting_is_of_task(const ResultSetting *s) { return strchr(s->name, ':') != NULL; }

/* Whether b has all that single tasks have in a. */
static bool load_tasks_agree(const ResultMethodInfo *a, const ResultMethodInfo *b)
{
    for (int i = 0; i < a->setting_count; i++)
        if (load_setting_is_of_task(&a->settings[i]) && !load_setting(b, a->settings[i].name)) return false;
    return true;
}

/* Whether no setting that two methods share differs. */
static bool load_settings_agree(const ResultMethodInfo *a, const ResultMethodInfo *b)
{
    if (!load_tasks_agree(a, b) || !load_tasks_agree(b, a)) return false;
    for (int i = 0; i < a->setting_count; i++) {
        const ResultSetting *s = &a->settings[i], *other = load_setting(b, s->name);
        if (other && load_setting_is_compared(s) && strcmp(s->value, other->value) != 0) return false;
    }
    return true;
}

static bool load_method_is_same(const ResultMethodInfo *a, const ResultMethodInfo *b)
{
    if (strcmp(a->base, b->base) != 0 || !load_settings_agree(a, b)) return false;
    for (int i = 0; i < a->setting_count; i++)
        if (!load_setting(b, a->settings[i].name)) return false;
    return a->setting_count == b->setting_count;
}

/* Full fine-tuning with the settings of another method where the two share them; -1: there is none. */
static int load_find_full(const Results *r, int method)
{
    for (int i = 0; i < r->method_count; i++)
        if (r->method_info[i].full && load_settings_agree(&r->method_info[i], &r->method_info[method])) return i;
    return -1;
}

/* What the methods of a kind are called, whatever their settings; NULL: there is none. */
static const char *load_kind_name(const Results *r, MethodKind kind)
{
    for (int m = 0; m < r->method_count; m++)
        if (r->method_info[m].kind == kind) return r->method_info[m].base;
    return NULL;
}

/* Whether methods have other values of a setting. */
static bool load_setting_varies(const Results *r, const ResultSetting *s)
{
    for (int m = 0; m < r->method_count && load_setting_is_compared(s); m++) {
        const ResultSetting *other = load_setting(&r->method_info[m], s->name);
        if (other ? strcmp(other->value, s->value) != 0 : load_setting_is_of_task(s)) return true;
    }
    return false;
}

/* The value of a setting for all methods that have it; NULL: none has it, or they differ. */
static const char *load_common_setting(const Results *r, const char *name)
{
    const char *value = NULL;
    for (int m = 0; m < r->method_count; m++) {
        const ResultSetting *s = load_setting(&r->method_info[m], name);
        if (s && value && strcmp(s->value, value) != 0) return NULL;
        if (s) value = s->value;
    }
    return value;
}

/* Below zero: method a comes first. Methods keep their order, the values of one ascend. */
static int load_compare_lines(const Results *r, int a, int b)
{
    int first_a = 0, first_b = 0;
    const ResultMethodInfo *x = &r->method_info[a], *y = &r->method_info[b];
    while (strcmp(r->method_info[first_a].base, x->base) != 0) first_a++;
    while (strcmp(r->method_info[first_b].base, y->base) != 0) first_b++;
    if (first_a != first_b) return first_a - first_b;
    for (int i = 0; i < x->setting_count; i++) {
        const ResultSetting *s = &x->settings[i], *t = load_setting(y, s->name);
        double p, q;
        if (!t || strcmp(s->value, t->value) == 0 || !load_setting_is_compared(s)) continue;
        if (parse_double(str(s->value), &p) && parse_double(str(t->value), &q) && p != q) return p < q ? -1 : 1;
        return strcmp(s->value, t->value);
    }
    return a - b;
}

/* Names each method by the settings that vary, and puts the values of a sweep in order. */
static void load_name_sweep(Arena *arena, Results *r)
{
    const size_t count = (size_t)r->method_count;
    int *order = arena_new(arena, int, count), *place = arena_new(arena, int, count);
    const char **names = arena_new(arena, const char *, count);
    ResultMethodInfo *info = arena_new(arena, ResultMethodInfo, count);
    for (int m = 0; m < r->method_count; m++) {
        int at = m;
        for (; at > 0 && load_compare_lines(r, order[at - 1], m) > 0; at--) order[at] = order[at - 1];
        order[at] = m;
    }
    for (int i = 0; i < r->method_count; i++) {
        const char *varied = "";
        info[i] = r->method_info[order[i]];
        place[order[i]] = i;
        for (int k = 0; k < info[i].setting_count; k++) {
            const ResultSetting *s = &info[i].settings[k];
            if (load_setting_varies(r, s))
                varied = text_join(arena, varied, ", ", arena_printf(arena, "%s %s", s->name, s->value));
        }
        names[i] = *varied ? arena_printf(arena, "%s (%s)", info[i].base, varied) : info[i].base;
    }
    for (size_t i = 0; i < r->runs.count; i++) r->runs.at[i].method = place[r->runs.at[i].method];
    r->methods = names;
    r->method_info = info;
}

/* "ewc-lambda 100, epochs 5": what differs from the preset and stands in no method's name; "": nothing. */
static const char *load_beside_preset(Arena *arena, const Results *r)
{
    const char *text = "";
    for (int m = 0; m < r->method_count; m++)
        for (int k = 0; k < r->method_info[m].setting_count; k++) {
            const ResultSetting *s = &r->method_info[m].settings[k];
            bool said = !s->beside || load_setting_varies(r, s);
            for (int i = 0; i < m && !said; i++) said = load_setting(&r->method_info[i], s->name) != NULL;
            if (!said) text = text_join(arena, text, ", ", arena_printf(arena, "%s %s", s->name, s->value));
        }
    return text;
}

/* ---- what makes rows incomparable ---- */

static bool load_same_value(const json_t *a, const json_t *b, const char *key, const char *of, const char *path_a,
                            const char *path_b, Err *err)
{
    json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
    if ((!x && !y) || json_equal(x, y)) return true;
    char *shown_x = json_dumps(x, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)),
         *shown_y = json_dumps(y, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    Arena scratch = {0};
    const char *first = arena_printf(&scratch, "%s", str_show(str(shown_x ? shown_x : "none")));
    fail(err, "%s and %s differ in %s of %s, %s and %s: their rows cannot be compared", path_a, path_b, key, of, first,
         str_show(str(shown_y ? shown_y : "none")));
    arena_free(&scratch);
    free(shown_x);
    free(shown_y);
    return false;
}

static bool load_same_experiment(const json_t *a, const json_t *b, const char *path_a, const char *path_b, Err *err)
{
    static const char *const keys[] = {"name",        "classes", "class_names", "train_sha256",
                                       "eval_sha256", "rows",    "eval_rows",   "majority_rate"};
    const json_t *x = json_object_get(a, "tasks"), *y = json_object_get(b, "tasks");
    const json_t *model_x = json_object_get(a, "model"), *model_y = json_object_get(b, "model");
    const char *known = json_object_get(model_x, "sha256") || json_object_get(model_y, "sha256") ? "sha256" : "name";
    if (!json_object_get(a, "settings") || !json_object_get(b, "settings"))
        return fail(err, "%s does not record its settings, so it cannot be joined with others",
                    json_object_get(a, "settings") ? path_b : path_a);
    if (json_array_size(x) != json_array_size(y))
        return fail(err, "%s and %s differ in their tasks: %zu and %zu", path_a, path_b, json_array_size(x),
                    json_array_size(y));
    if (!load_same_value(model_x, model_y, known, "the model", path_a, path_b, err)) return false;
    for (size_t i = 0; i < json_array_size(x); i++)
        for (size_t k = 0; k < COUNT(keys); k++) {
            char of[80];
            snprintf(of, sizeof of, "task %s", json_string_value(json_object_get(json_array_get(x, i), "name")));
            if (!load_same_value(json_array_get(x, i), json_array_get(y, i), keys[k], of, path_a, path_b, err))
                return false;
        }
    return true;
}
