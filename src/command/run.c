#include "command.h"

#include <string.h>

static bool run_set(Plan *plan, Arena *arena, const char *name, const char *value, Err *err)
{
    const Option *row = option_find(run_options(), name);
    return row ? plan_set(plan, arena, row, value, err) : fail_usage(err, "--%s: unknown option", name);
}

/* The hidden size decides on the default's rates, the family on the adapters' targets; those of the built-in encoder
 * without a folder, and for a broken config.json, which is reported later. */
static ModelConfig run_model(const char *folder)
{
    Arena arena = {0};
    Err ignored = {0};
    ModelConfig config = {0};
    Str json;
    const char *path = arena_printf(&arena, "%s/config.json", folder ? folder : "");
    const bool ok = folder && file_read(&arena, path, 1 << 24, &json, &ignored) &&
                    model_config_parse(json, path, &config, &ignored);
    arena_free(&arena);
    return ok ? config : (ModelConfig){.family = family_rows[0]};
}

static const char *const run_built_in[] = {"sentiment", "nli"};

static bool run_embedded_task(TaskSource *task, Arena *arena, const char *name, Err *err)
{
    *task = (TaskSource){.name = name};
    task->train = arena_printf(arena, "%s_train.tsv", name);
    task->eval = arena_printf(arena, "%s_eval.tsv", name);
    return asset_expand(arena, task->train, &task->train_bytes, err) &&
           asset_expand(arena, task->eval, &task->eval_bytes, err);
}

/* The task of a name that stands before `at`; -1: none. */
static int run_find_task(const Plan *plan, int at, const char *name)
{
    for (int i = 0; i < at; i++)
        if (strcmp(plan->tasks[i].name, name) == 0) return i;
    return -1;
}

/* Task `at` is task `first` again: NAME-again, NAME-again-2 and so on. */
static bool run_task_again(Plan *plan, Arena *arena, int at, int first, Err *err)
{
    const char *name = arena_printf(arena, "%s-again", plan->tasks[first].name);
    for (int times = 2; run_find_task(plan, at, name) >= 0 && plan->tasks[run_find_task(plan, at, name)].again; times++)
        name = arena_printf(arena, "%s-again-%d", plan->tasks[first].name, times);
    plan->tasks[at] = plan->tasks[first];
    plan->tasks[at].name = name;
    plan->tasks[at].again = first + 1;
    for (int i = 0; i < plan->task_count; i++)
        if (i != at && strcmp(plan->tasks[i].name, name) == 0)
            return fail_usage(err, "--task %s: as it comes again it is called %s, and another task has this name",
                              plan->tasks[first].name, name);
    return true;
}

/* Tasks that are given by their names alone: an earlier one that comes again, or one that is built in. */
static bool run_named_tasks(Plan *plan, Arena *arena, Err *err)
{
    for (int i = 0; i < plan->task_count; i++) {
        const char *name = arena_printf(arena, "%s", plan->tasks[i].name);
        const int first = run_find_task(plan, i, name);
        bool built_in = false;
        if (plan->tasks[i].train) continue;
        for (size_t k = 0; k < COUNT(run_built_in); k++) built_in = built_in || strcmp(run_built_in[k], name) == 0;
        if (first < 0 && !built_in)
            return fail_usage(err,
                              "--task %s: write NAME=TRAIN,EVAL, as in --task mine=train.tsv,eval.tsv; a name alone is "
                              "that of an earlier task, or of one that is built in: sentiment or nli",
                              str_show(str(name)));
        if (first >= 0 ? !run_task_again(plan, arena, i, first, err)
                       : !run_embedded_task(&plan->tasks[i], arena, name, err))
            return false;
    }
    return true;
}

/* ---- command line and config.json give the same: a JSON object of option: value ---- */

/* `own`: options of the command beside those of run. */
static bool run_parse(int argc, char **argv, const Option *own, size_t own_count, json_t *options, Err *err)
{
    OptionRows rows = *run_options();
    option_rows_add(&rows, own, own_count);
    if (!options_parse(&rows, argc, argv, 0, options, NULL, err)) return false;
    return !option_text(options, "seed") || !option_text(options, "seeds") ||
           fail_usage(err, "--seed and --seeds say the same; give one of them");
}

static bool run_set_all(Plan *plan, Arena *arena, const json_t *options, Err *err)
{
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)options, name, value)
    {
        size_t i;
        const json_t *item;
        json_array_foreach(value, i, item)
        {
            const char *text = json_string_value(item);
            if (!text) return fail(err, "config.json: \"%s\" holds something else than text", name);
            if (!run_set(plan, arena, name, text, err)) return false;
        }
        if (!json_is_array(value) && !run_set(plan, arena, name, json_string_value(value), err)) return false;
    }
    return true;
}

static bool run_plan(Plan *plan, Arena *arena, const json_t *options, Err *err)
{
    const char *preset = option_text(options, "preset"), *folder = option_text(options, "model");
    double notebook = 0;
    if (preset && !option_number(option_find(run_options(), "preset"), preset, &notebook, err)) return false;
    const ModelConfig model = run_model(folder);
    const OptionPreset standing = {.notebook = notebook > 0, .large = model.hidden >= LARGE_HIDDEN};
    if (!plan_defaults(plan, arena, standing, model.family, err) || !run_set_all(plan, arena, options, err))
        return false;
    const bool named = plan->task_count > 0;
    if (!json_object_get(options, "keep-models") && plan->seed_count > 1) plan->keep = KEEP_ADAPTERS;
    if (folder)
        plan->model = (ModelSource){.folder = folder, .name = folder};
    else if (!asset_model(arena, &plan->model, err))
        return false;
    else
        plan->model.acquaintance =
            named ? "MiniLM-L6's pre-training saw natural-language-inference pairs: tasks of that kind are not wholly "
                    "new to it."
                  : "MiniLM-L6's pre-training saw natural-language-inference pairs, so nli is not wholly new to it.";
    for (size_t i = 0; i < COUNT(run_built_in) && !named; i++)
        plan->tasks[plan->task_count++] = (TaskSource){.name = run_built_in[i]};
    return run_named_tasks(plan, arena, err) && plan_check(plan, err);
}

static bool run_show(const Plan *plan, Err *err)
{
    Arena arena = {0};
    Results results = {0};
    Progress progress;
    Str font;
    bool ok = asset_expand(&arena, "DejaVuSans.ttf", &font, err) && report_load(&arena, &plan->out, 1, &results, err);
    if (plan->match_margin > 0) results.match_margin = (double)plan->match_margin / 100;
    results.expert = plan->expert;
    if (ok) report_judge(&arena, &results);
    progress_begin(&progress, plan->quiet, 0, "%s", "");
    if (ok) progress_say(&progress, "draws the report");
    ok = ok && report_write(&results, plan->out, font, err);
    progress_end(&progress);
    if (ok && !plan->quiet && !plan->json) {
        ok = report_table(&results, stdout);
        report_say_written(&arena, &results, plan->out, font);
    }
    arena_free(&arena);
    return ok;
}

/* The plan that the arguments make, with those of --config after them. It lives as long as `options`, an empty object,
 * and the arena. */
static bool run_read(int argc, char **argv, Arena *arena, json_t *options, Plan *plan, Err *err)
{
    bool ok = run_parse(argc, argv, NULL, 0, options, err);
    const char *config = option_text(options, "config"), *repeats = NULL;
    if (ok && config) {
        Str text = {0};
        config = arena_copy(arena, config, strlen(config)); /* options, which own it, will change */
        ok = file_read(arena, config, 1 << 24, &text, err) &&
             run_merge_config(text, config, options, arena, &repeats, err);
        json_object_del(options, "config");
    }
    ok = ok && run_plan(plan, arena, options, err);
    plan->repeats = repeats;
    plan->repeats_path = config;
    return ok;
}

/* The options that config.json keeps. */
static json_t *run_kept(const json_t *options)
{
    const OptionRows *rows = run_options();
    json_t *kept = json_copy((json_t *)options);
    for (size_t i = 0; i < rows->count; i++)
        if (rows->at[i]->passing) json_object_del(kept, rows->at[i]->name);
    return kept;
}

/* All of lethe run but its report; the plan as of run_read. */
static bool run_train(int argc, char **argv, Arena *arena, json_t *options, Plan *plan, Err *err)
{
    bool ok =
        run_read(argc, argv, arena, options, plan, err) && (plan->dry_run || plan_join_out(plan, arena, options, err));
    json_t *kept = run_kept(options);
    ok = ok && experiment_run(plan, kept, err);
    json_decref(kept);
    return ok;
}

bool command_run(int argc, char **argv, Err *err)
{
    Arena arena = {0};
    Plan plan;
    json_t *options = json_object();
    const bool ok = run_train(argc, argv, &arena, options, &plan, err) && (plan.dry_run || run_show(&plan, err));
    if (err->code == EXIT_INTERRUPTED)
        snprintf(err->text, sizeof err->text,
                 "interrupted; what was finished is on disk, the same command goes on from it");
    json_decref(options);
    arena_free(&arena);
    return ok;
}

/* lethe bench: the options of run; 40 steps of each training unless --max-steps says otherwise. */
bool command_bench(int argc, char **argv, Err *err)
{
    const char *word = argc > 1 ? argv[1] : "";
    const bool ops = strcmp(word, "ops") == 0 || strcmp(word, "gemm") == 0;
    if (ops || strcmp(word, "step") == 0) { /* the options follow the word */
        argv[1] = argv[0];
        argc--, argv++;
    }
    if (ops) return bench_ops(word, argc, argv, err);
    Arena arena = {0};
    Plan plan;
    json_t *options = json_object();
    bool ok = run_read(argc, argv, &arena, options, &plan, err);
    if (ok && !plan.hyper.max_steps) plan.hyper.max_steps = 40;
    ok = ok && experiment_bench(&plan, err);
    json_decref(options);
    arena_free(&arena);
    return ok;
}
