#include "experiment.h"

#include <string.h>

/* OUT holds a run, and another plan is to go on in it: what lies there stays, and what is new comes beside it. Together
 * they are one run, of every method with every seed, as if it had been asked for at once. */

/* The run that OUT holds, as its config.json records it. */
typedef struct Held {
    const json_t *settings;             /* of all methods */
    Method method[PLAN_MAX_METHODS];    /* their own values are those that their names say */
    const json_t *of[PLAN_MAX_METHODS]; /* settings of each beyond the common ones */
    uint32_t seed[PLAN_MAX_SEEDS];
    int methods, seeds;
    StrategyValues values;                           /* of all methods that have no others in their names */
    bool stands[STRATEGY_MAX][STRATEGY_MAX_OPTIONS]; /* that value is known: a method has it */
} Held;

/* The values that stand for all methods of the run: those of a method that names no other. */
static void held_stand(Held *held, const Method *m, const json_t *settings)
{
    for (int s = 0; s < strategy_count; s++)
        for (int k = 0; k < strategies[s]->option_count; k++) {
            const Option *row = &strategies[s]->options[k];
            const char *text = json_string_value(json_object_get(settings, row->name));
            bool own = false;
            Err ignored = {0};
            for (int i = 0; i < m->value_count; i++) own = own || m->value[i].row == row;
            if (text && !own) held->stands[s][k] = option_number(row, text, &held->values.at[s][k], &ignored);
        }
}

/* False: it is no run that this version can go on with. */
static bool held_read(Arena *arena, const json_t *identity, Held *held)
{
    size_t i;
    const json_t *entry, *methods = json_object_get(identity, "methods"), *seeds = json_object_get(identity, "seeds");
    *held = (Held){.settings = json_object_get(identity, "settings")};
    if (!json_is_object(held->settings) || json_array_size(methods) > PLAN_MAX_METHODS ||
        json_array_size(seeds) > PLAN_MAX_SEEDS)
        return false;
    json_array_foreach(methods, i, entry)
    {
        const char *name = json_string_value(json_array_get(entry, 0));
        Err unknown = {0};
        if (!name || !method_parse(arena, str(name), &held->method[i], &unknown)) return false;
        held->of[i] = json_array_get(entry, 1);
        held_stand(held, &held->method[i], held->of[i]);
    }
    json_array_foreach(seeds, i, entry) { held->seed[i] = (uint32_t)json_integer_value(entry); }
    held->methods = (int)json_array_size(methods);
    held->seeds = (int)json_array_size(seeds);
    return held->methods > 0 && held->seeds > 0;
}

/* ---- what may not change ---- */

static const char *held_differs(Arena *arena, const char *all, const char *name, const char *then, const char *now)
{
    const char *known = arena_printf(arena, "--%s ", name);
    if (strstr(all, known)) return all; /* of another method */
    return text_join(arena, all, ", ", arena_printf(arena, "--%s %s there, %s here", name, then, now));
}

/* Adds what only one of them gives a task for itself. */
static const char *held_compare_tasks(Arena *arena, const char *all, const json_t *a, const json_t *b, bool there)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)a, name, value)
    {
        if (strchr(name, ':') && !json_object_get(b, name))
            all = text_join(arena, all, ", ",
                            arena_printf(arena, "--task-option %s=%s only %s", name, json_string_value(value),
                                         there ? "there" : "here"));
    }
    return all;
}

/* Adds the settings of `then` whose values are others in `now`; those of a strategy may be. */
static const char *held_compare(Arena *arena, const char *all, const json_t *then, const json_t *now)
{
    const char *name;
    json_t *value;
    all = held_compare_tasks(arena, held_compare_tasks(arena, all, then, now, true), now, then, false);
    json_object_foreach((json_t *)then, name, value)
    {
        const Option *row = option_find(run_options(), name);
        const char *a = json_string_value(value), *b = json_string_value(json_object_get(now, name));
        if (a && b && strcmp(a, b) != 0 && (!row || row->changes != CHANGES_OWN))
            all = held_differs(arena, all, name, a, b);
    }
    return all;
}

/* "--epochs 5 there, 3 here": what the run in OUT was given otherwise and all of its results depend on; "": nothing. */
static const char *held_changed(Arena *arena, const Plan *plan, const json_t *identity, const Held *held)
{
    static const char *const flag[] = {"not given", "given"};
    const char *all = "", *preset = json_string_value(json_object_get(identity, "preset"));
    const char *model = json_string_value(json_object_get(identity, "model"));
    const json_t *tasks = json_object_get(identity, "tasks");
    const bool bare = json_is_true(json_object_get(identity, "no-diagnostics"));
    const char *then = "", *now = "";
    for (size_t i = 0; i < json_array_size(tasks); i++) {
        const char *name = json_string_value(json_array_get(json_array_get(tasks, i), 0));
        then = text_join(arena, then, ",", name ? name : "?");
    }
    for (int i = 0; i < plan->task_count; i++) now = text_join(arena, now, ",", plan->tasks[i].name);
    if (strcmp(then, now) != 0) all = held_differs(arena, all, "task", then, now);
    if (model && strcmp(model, plan->model.name) != 0) all = held_differs(arena, all, "model", model, plan->model.name);
    if (preset && strcmp(preset, plan->preset) != 0) all = held_differs(arena, all, "preset", preset, plan->preset);
    if (bare != plan->no_diagnostics)
        all = held_differs(arena, all, "no-diagnostics", flag[bare], flag[plan->no_diagnostics]);
    json_t *beside = json_array(), *common = plan_settings_of(plan, NULL, beside);
    all = held_compare(arena, all, held->settings, common);
    for (int i = 0; i < held->methods; i++) {
        json_t *own = plan_settings_of(plan, &held->method[i], beside);
        all = held_compare(arena, all, held->of[i], own);
        json_decref(own);
    }
    json_decref(common);
    json_decref(beside);
    return all;
}

/* ---- one list of two ---- */

/* Finds the held method that computes what `method` does with the plan's values; -1: none. */
static int held_find(const Held *held, const StrategyValues *standing, const Method *method,
                     const StrategyValues *values)
{
    for (int i = 0; i < held->methods; i++) {
        const Method *old = &held->method[i];
        bool same = old->component_count == method->component_count;
        for (int p = 0; p < old->component_count && same; p++) {
            const Strategy *s = old->component[p];
            same = s == method->component[p];
            for (int k = 0; k < s->option_count && same; k++)
                same = method_value(old, standing, &s->options[k]) == method_value(method, values, &s->options[k]);
        }
        if (same) return i;
    }
    return -1;
}

/* The method with the plan's values, named for a run whose values are `standing`. */
static const Method *held_named(Arena *arena, const Method *method, const StrategyValues *values,
                                const StrategyValues *standing)
{
    MethodValue own[METHOD_MAX_VALUES];
    int count = 0;
    Method *named = arena_new(arena, Method, 1);
    *named = *method;
    for (int p = 0; p < method->component_count; p++)
        for (int k = 0; k < method->component[p]->option_count; k++) {
            const Option *row = &method->component[p]->options[k];
            const double value = method_value(method, values, row);
            if (value != *strategy_value((StrategyValues *)standing, row)) own[count++] = (MethodValue){row, value};
        }
    method_set_values(arena, named, own, count);
    return named;
}

/* The held methods first, unless the plan names all of them: then they stand in its order. */
static bool held_join_methods(Plan *plan, Arena *arena, const Held *held, const StrategyValues *standing, Err *err)
{
    const Method *asked[PLAN_MAX_METHODS], *joined[PLAN_MAX_METHODS];
    int found = 0, count = 0;
    for (int m = 0; m < plan->method_count; m++) {
        const int at = held_find(held, standing, plan->methods[m], &plan->values);
        asked[m] = at < 0 ? held_named(arena, plan->methods[m], &plan->values, standing) : &held->method[at];
        found += at >= 0;
    }
    for (int i = 0; i < held->methods && found < held->methods; i++) joined[count++] = &held->method[i];
    for (int m = 0; m < plan->method_count; m++) {
        bool there = false;
        for (int i = 0; i < count; i++) there = there || joined[i] == asked[m];
        if (there) continue;
        if (count == PLAN_MAX_METHODS)
            return fail_usage(err, "--method: %s would hold more than %d methods", plan->out, PLAN_MAX_METHODS);
        joined[count++] = asked[m];
    }
    memcpy(plan->methods, joined, (size_t)count * sizeof *joined);
    plan->method_count = count;
    plan->values = *standing;
    return true;
}

static bool held_join_seeds(Plan *plan, const Held *held, Err *err)
{
    uint32_t joined[PLAN_MAX_SEEDS];
    int found = 0, count = 0;
    for (int s = 0; s < plan->seed_count; s++)
        for (int i = 0; i < held->seeds; i++) found += held->seed[i] == plan->seeds[s];
    for (int i = 0; i < held->seeds && found < held->seeds; i++) joined[count++] = held->seed[i];
    for (int s = 0; s < plan->seed_count; s++) {
        bool there = false;
        for (int i = 0; i < count; i++) there = there || joined[i] == plan->seeds[s];
        if (there) continue;
        if (count == PLAN_MAX_SEEDS)
            return fail_usage(err, "--seeds: %s would hold more than %d seeds", plan->out, PLAN_MAX_SEEDS);
        joined[count++] = plan->seeds[s];
    }
    memcpy(plan->seeds, joined, (size_t)count * sizeof *joined);
    plan->seed_count = count;
    return true;
}

/* ---- the options that repeat the whole ---- */

static void held_write_values(const Plan *plan, Arena *arena, json_t *options)
{
    for (int s = 0; s < strategy_count; s++)
        for (int k = 0; k < strategies[s]->option_count; k++) {
            const Option *row = &strategies[s]->options[k];
            double usual = 0, given = 0;
            Err ignored = {0};
            const char *text = option_text(options, row->name);
            option_number(row, row->default_value, &usual, &ignored);
            if (!text || !option_number(row, text, &given, &ignored)) given = usual;
            const double value = plan->values.at[s][k];
            if (given == value) continue;
            json_object_del(options, row->name);
            if (value != usual)
                json_object_set_new(options, row->name, json_string(option_show(arena, row, value, false)));
        }
}

static const char *held_methods(const Plan *plan, Arena *arena)
{
    const char *list = "";
    for (int m = 0; m < plan->method_count; m++) list = text_join(arena, list, ",", plan->methods[m]->name);
    return list;
}

static const char *held_seeds(const Plan *plan, Arena *arena)
{
    const char *list = "";
    for (int s = 0; s < plan->seed_count; s++)
        list = text_join(arena, list, ",", arena_printf(arena, "%u", plan->seeds[s]));
    return list;
}

/* The plan becomes the one run. */
static bool held_join(Plan *plan, Arena *arena, const Held *held, json_t *options, Err *err)
{
    StrategyValues standing = plan->values;
    const char *methods = held_methods(plan, arena), *seeds = held_seeds(plan, arena);
    for (int s = 0; s < strategy_count; s++)
        for (int k = 0; k < strategies[s]->option_count; k++)
            if (held->stands[s][k]) standing.at[s][k] = held->values.at[s][k];
    if (!held_join_methods(plan, arena, held, &standing, err) || !held_join_seeds(plan, held, err)) return false;
    const char *all_methods = held_methods(plan, arena), *all_seeds = held_seeds(plan, arena);
    if (strcmp(methods, all_methods) != 0) json_object_set_new(options, "method", json_string(all_methods));
    if (strcmp(seeds, all_seeds) != 0) {
        json_object_del(options, "seed");
        json_object_set_new(options, "seeds", json_string(all_seeds));
    }
    held_write_values(plan, arena, options);
    if (!option_text(options, "keep-models") && plan->seed_count > 1) plan->keep = KEEP_ADAPTERS;
    return true;
}

bool plan_join_out(Plan *plan, Arena *arena, json_t *options, Err *err)
{
    Str text;
    json_t *config = NULL;
    Err damaged = {0};
    const char *path = arena_printf(arena, "%s/config.json", plan->out);
    if (plan->force || !file_exists(path)) return true;
    if (!file_read(arena, path, 1 << 24, &text, err)) return false;
    if (!json_parse(text, path, &config, &damaged))
        return fail(err, "%s; choose another folder with --out or start anew with --force", damaged.text);
    Held *held = arena_new(arena, Held, 1);
    bool ok = true;
    const json_t *identity = json_object_get(config, "identity");
    if (held_read(arena, identity, held)) {
        const char *changed = held_changed(arena, plan, identity, held);
        ok = *changed ? fail(err,
                             "%s holds a run of another configuration: %s; add to it with what it has, choose another "
                             "folder with --out or start anew with --force",
                             plan->out, changed)
                      : held_join(plan, arena, held, options, err);
    }
    json_decref(config);
    return ok;
}
