#include "command.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- presets ----
 * notebook: the hyperparameters of the experiment that lethe grew out of, exactly, and Hugging Face's order of rows and
 * choice of an epoch. default: rates that learn, README says how they were measured; nothing that is reported chooses.
 */
enum { LARGE_HIDDEN = 768 }; /* from here on a model counts as large */

static void preset_apply(Plan *plan, bool notebook, uint32_t hidden)
{
    plan->hyper = (Hyper){.epochs = 3,
                          .batch_size = 16,
                          .eval_batch_size = 32,
                          .order = ORDER_HF,
                          .learning_rate = 3e-5f,
                          .weight_decay = 0.01f};
    plan->keep_epoch = KEEP_EPOCH_EVAL;
    plan->train_rows = 1000;
    plan->eval_rows = 200;
    plan->max_length = 128;
    plan->lora_learning_rate = 3e-5f;
    plan->lora_r = 8;
    plan->lora_alpha = 16;
    plan->lora_drop = 0.1f;
    plan->lora_targets = plan->family->lora_targets;
    plan->first_rows = notebook;
    plan->seeds[0] = notebook ? 42 : 1;
    if (notebook) return;
    const bool large = hidden >= LARGE_HIDDEN;
    plan->eval_rows = 500;
    plan->keep_epoch = KEEP_EPOCH_LAST;
    plan->hyper.order = ORDER_INDEPENDENT;
    plan->hyper.epochs = 5;
    plan->hyper.learning_rate = large ? 3e-5f : 5e-5f;
    plan->lora_learning_rate = large ? 5e-4f : 2e-3f;
}

/* ---- options ---- */

static bool run_set(Plan *plan, Arena *arena, const char *name, const char *value, Err *err);

static const Option run_options[] = {
    {"task", OPTION_LIST, 0, 0, "NAME=TRAIN,EVAL",
     "a task, in training order; repeat for each (.tsv .csv .jsonl .json, also .zst);\nNAME=FILE,20% splits one file; "
     "text=COLUMN, pair=COLUMN, label=COLUMN may follow;\nwithout it: sentiment and nli, which are built in"},
    {"model", OPTION_TEXT, 0, 0, "DIR",
     "a Hugging Face checkpoint folder, BERT, RoBERTa or DistilBERT (config.json,\nmodel.safetensors[.zst], tokenizer files); "
     "without it: MiniLM-L6, built in"},
    {"method", OPTION_TEXT, 0, 0, "LIST", "methods, as listed below, or all of them [full,lora,lora-seq]"},
    {"preset", OPTION_TEXT, 0, 0, "NAME",
     "default: rates that learn; notebook: Hugging Face's, as it was: 3e-5,\n3 epochs, 200 eval rows, --row-order hf, "
     "--keep-epoch eval"},
    {"train-rows", OPTION_INT, 0, 4e9, "N",
     "N rows of each training file, drawn at random; 0 = all [1000]\n(notebook, built-in data: the first N)"},
    {"eval-rows", OPTION_INT, 0, 4e9, "N", "N rows of each evaluation file, likewise; 0 = all [500; notebook 200]"},
    {"learning-rate", OPTION_REAL, 1e-12, 100, "X",
     "of full fine-tuning [5e-5, from hidden size 768 on 3e-5; notebook 3e-5]"},
    {"lora-learning-rate", OPTION_REAL, 1e-12, 100, "X", "of LoRA [2e-3, from hidden size 768 on 5e-4; notebook 3e-5]"},
    {"epochs", OPTION_INT, 1, 10000, "N", "passes over the rows of each task [5; notebook 3]"},
    {"batch-size", OPTION_INT, 1, 4096, "N", "rows a training step [16]"},
    {"eval-batch-size", OPTION_INT, 1, 4096, "N", "rows an evaluation step [32]"},
    {"weight-decay", OPTION_REAL, 0, 10, "X", "of AdamW [0.01]"},
    {"row-order", OPTION_TEXT, 0, 0, "NAME",
     "independent: drawn from seed, task and epoch; hf: as Hugging Face, by\nseed + epoch, so that seeds share orders "
     "[independent; notebook hf]"},
    {"keep-epoch", OPTION_TEXT, 0, 0, "WHICH",
     "of each training: last; held-out: the lowest loss on a tenth of the\ntraining rows; eval: on the evaluation "
     "rows, "
     "which then are no longer\nunseen, as Hugging Face [last; notebook eval]"},
    {"max-length", OPTION_INT, 8, 100000, "N", "tokens a row at most; longer rows are cut [128]"},
    {"max-steps", OPTION_INT, 0, 2e9, "N", "end each training after N steps; 0 = no limit [0]"},
    {"lora-r", OPTION_INT, 1, 1024, "N", "rank of the adapters [8]"},
    {"lora-alpha", OPTION_REAL, 1e-6, 1e6, "X", "scale: alpha / r [16]"},
    {"lora-dropout", OPTION_REAL, 0, 0.999, "X", "dropout in front of the adapters [0.1]"},
    {"lora-targets", OPTION_TEXT, 0, 0, "LIST", "of query, key, value; of a DistilBERT q_lin, k_lin, v_lin [all three]"},
    {"seed", OPTION_TEXT, 0, 0, "N", "of row order, dropout and new weights [1; notebook 42]"},
    {"seeds", OPTION_TEXT, 0, 0, "LIST", "several, as in 1,2,3: mean and interval over seeds"},
    {"device", OPTION_TEXT, 0, 0, "NAME", "auto, cpu, gpu, gpu:N [auto]"},
    {"threads", OPTION_INT, 1, 256, "N", "threads of the CPU engine [one a processor]"},
    {"out", OPTION_TEXT, 0, 0, "DIR", "folder for results [lethe-out]; an unfinished run in it goes on"},
    {"checkpoint-seconds", OPTION_INT, 0, 1e9, "N",
     "between two checkpoints at least; they cost at most 2% of the time [30;\n0 = as often as can be, whatever it "
     "costs]"},
    {"keep-models", OPTION_TEXT, 0, 0, "WHAT",
     "of the trained models, for predict and export: all; adapters: only what\nleaves the encoder as it was; none "
     "[all; with several seeds adapters]"},
    {"match-margin", OPTION_REAL, 0.1, 100, "POINTS",
     "two methods learned a task equally well when the 90% interval of their\ndifference lies within this many points; "
     "of the report alone, lethe\nreport has it, too [5]"},
    {"config", OPTION_TEXT, 0, 0, "FILE", "repeat the run of an OUT/config.json; further options change it"},
    {"no-diagnostics", OPTION_FLAG, 0, 0, NULL, "only the accuracies: no curve, probes, drift and swap"},
    {"force", OPTION_FLAG, 0, 0, NULL, "start anew even when DIR holds another run"},
    {"quiet", OPTION_FLAG, 0, 0, NULL, "no progress, no table"},
    {"json", OPTION_FLAG, 0, 0, NULL, "events on stdout as they happen, one JSON object a line"},
    {"dry-run", OPTION_FLAG, 0, 0, NULL, "print the plan, the memory and the time it will need; train nothing"},
};

enum { RUN_MOST_OPTIONS = COUNT(run_options) + STRATEGY_MAX * STRATEGY_MAX_OPTIONS + 1, RUN_MOST_OWN = 4 };

/* Options of lethe run, then those of the strategies, in the order of `strategies`; false behind the last. strategy and
 * place: where the value of a strategy's option goes, strategy -1 for the others. */
static bool run_option_at(size_t at, Option *out, int *strategy, int *place)
{
    *strategy = -1;
    if (at < COUNT(run_options)) {
        *out = run_options[at];
        return true;
    }
    at -= COUNT(run_options);
    for (int s = 0; s < strategy_count; s++) {
        if (at < (size_t)strategies[s]->option_count) {
            const StrategyOption *o = &strategies[s]->options[at];
            *strategy = s;
            *place = (int)at;
            *out = (Option){o->name, o->choices ? OPTION_TEXT : OPTION_REAL, o->low, o->high, o->choices ? "NAME" : "X",
                            o->about};
            return true;
        }
        at -= (size_t)strategies[s]->option_count;
    }
    return false;
}

static bool run_option(const char *name, Option *out, int *strategy, int *place)
{
    for (size_t i = 0; run_option_at(i, out, strategy, place); i++)
        if (strcmp(out->name, name) == 0) return true;
    return false;
}

static bool run_name_is_plain(Str name)
{
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
              c == '.'))
            return false;
    }
    return name.size > 0 && name.size <= 40 && name.at[0] != '.';
}

static bool run_set_task(Plan *plan, Arena *arena, const char *value, Err *err)
{
    TaskSource task;
    if (!task_parse(arena, value, &task, err)) return false;
    if (!run_name_is_plain(str(task.name)))
        return fail_usage(err, "--task %s: a task's name has 1 to 40 letters, digits, '-', '_' or '.'",
                          str_show(str(value)));
    if (plan->task_count == PLAN_MAX_TASKS) return fail_usage(err, "--task: at most %d tasks", PLAN_MAX_TASKS);
    for (int i = 0; i < plan->task_count; i++)
        if (strcmp(plan->tasks[i].name, task.name) == 0)
            return fail_usage(err, "--task %s: two tasks have this name", task.name);
    plan->tasks[plan->task_count++] = task;
    return true;
}

static bool run_add_methods(Plan *plan, Arena *arena, Str list, Err *err)
{
    Str item;
    while (list_next(&list, &item)) {
        if (str_equal(item, S("all"))) {
            if (!run_add_methods(plan, arena, str(method_all(arena)), err)) return false;
            continue;
        }
        Method *method = arena_new(arena, Method, 1);
        if (!method_parse(arena, item, method, err)) return false;
        for (int i = 0; i < plan->method_count; i++)
            if (method_same(plan->methods[i], method))
                return fail_usage(err, "--method: %s is named twice", method->name);
        if (plan->method_count == PLAN_MAX_METHODS)
            return fail_usage(err, "--method: at most %d methods", PLAN_MAX_METHODS);
        plan->methods[plan->method_count++] = method;
    }
    return true;
}

static bool run_set_seeds(Plan *plan, const char *option, const char *value, Err *err)
{
    Str rest = str(value), item;
    plan->seed_count = 0;
    while (list_next(&rest, &item)) {
        int64_t seed;
        if (!parse_int(item, 0, UINT32_MAX - 100000, &seed))
            return fail_usage(err, "--%s %s: a seed is a whole number from 0 to 4294867295", option,
                              str_show(str(value)));
        for (int i = 0; i < plan->seed_count; i++)
            if (plan->seeds[i] == seed) return fail_usage(err, "--%s: seed %u is named twice", option, (uint32_t)seed);
        if (plan->seed_count == PLAN_MAX_SEEDS)
            return fail_usage(err, "--%s: at most %d seeds", option, PLAN_MAX_SEEDS);
        plan->seeds[plan->seed_count++] = (uint32_t)seed;
    }
    return true;
}

static bool run_set_targets(Plan *plan, const char *value, Err *err)
{
    Str rest = str(value), item;
    plan->lora_targets = 0;
    while (list_next(&rest, &item)) {
        int t = 0;
        char known[FAMILY_TEXT];
        Nearest near = nearest_to(item);
        for (; t < LORA_TARGETS && !str_equal(str(family_target(plan->family, t)), item); t++)
            nearest_offer(&near, family_target(plan->family, t));
        if (t == LORA_TARGETS)
            return fail_usage(err, "--lora-targets %s: targets are %s%s", str_show(item),
                              family_targets_text(plan->family, known), nearest_hint(&near, ""));
        plan->lora_targets |= 1u << t;
    }
    return true;
}

/* In the order of KeepModels; notebook is preset 1. */
static const char *const run_keep_models[] = {"all", "adapters", "none", NULL};
static const char *const run_presets[] = {"default", "notebook", NULL};

static bool run_set_strategy(Plan *plan, int strategy, int place, const char *value, Err *err)
{
    const StrategyOption *option = &strategies[strategy]->options[place];
    double x = 0;
    int choice = 0;
    if (option->choices) {
        if (!option_choice(option->name, option->choices, value, &choice, err)) return false;
        x = choice;
    } else if (!parse_double(str(value), &x) || x < option->low || x > option->high) {
        return fail_usage(err, "--%s %s: a number from %g to %g is needed", option->name, str_show(str(value)),
                          option->low, option->high);
    }
    plan->values.at[strategy][place] = x;
    return true;
}

static bool run_set_number(Plan *plan, const Option *option, const char *value, Err *err)
{
    double x = 0;
    int64_t n = 0;
    if (!option_number(option, value, &n, &x, err)) return false;
    const struct {
        const char *name;
        uint32_t *count;
        float *real;
    } targets[] = {
        {"train-rows", &plan->train_rows, NULL},
        {"eval-rows", &plan->eval_rows, NULL},
        {"learning-rate", NULL, &plan->hyper.learning_rate},
        {"lora-learning-rate", NULL, &plan->lora_learning_rate},
        {"epochs", &plan->hyper.epochs, NULL},
        {"batch-size", &plan->hyper.batch_size, NULL},
        {"eval-batch-size", &plan->hyper.eval_batch_size, NULL},
        {"weight-decay", NULL, &plan->hyper.weight_decay},
        {"max-length", &plan->max_length, NULL},
        {"max-steps", &plan->hyper.max_steps, NULL},
        {"lora-r", &plan->lora_r, NULL},
        {"lora-alpha", NULL, &plan->lora_alpha},
        {"lora-dropout", NULL, &plan->lora_drop},
        {"match-margin", NULL, &plan->match_margin},
        {"threads", (uint32_t *)&plan->threads, NULL},
        {"checkpoint-seconds", &plan->checkpoint_seconds, NULL},
    };
    for (size_t i = 0; i < COUNT(targets); i++)
        if (strcmp(targets[i].name, option->name) == 0) {
            if (targets[i].count) *targets[i].count = (uint32_t)n;
            if (targets[i].real) *targets[i].real = (float)x;
            return true;
        }
    ASSERT(!"every numeric option has a target");
    return false;
}

static bool run_set(Plan *plan, Arena *arena, const char *name, const char *value, Err *err)
{
    Option option;
    int strategy, place;
    if (!run_option(name, &option, &strategy, &place)) return fail_usage(err, "--%s: unknown option", name);
    if (strategy >= 0) return run_set_strategy(plan, strategy, place, value, err);
    if (option.kind == OPTION_INT || option.kind == OPTION_REAL) return run_set_number(plan, &option, value, err);
    if (strcmp(name, "task") == 0) return run_set_task(plan, arena, value, err);
    if (strcmp(name, "method") == 0) {
        plan->method_count = 0;
        return run_add_methods(plan, arena, str(value), err);
    }
    if (strcmp(name, "seed") == 0 || strcmp(name, "seeds") == 0) return run_set_seeds(plan, name, value, err);
    if (strcmp(name, "lora-targets") == 0) return run_set_targets(plan, value, err);
    int choice = 0;
    if (strcmp(name, "keep-models") == 0) {
        if (!option_choice(name, run_keep_models, value, &choice, err)) return false;
        plan->keep = (KeepModels)choice;
    }
    if (strcmp(name, "keep-epoch") == 0) {
        if (!option_choice(name, setting_epochs, value, &choice, err)) return false;
        plan->keep_epoch = (KeepEpoch)choice;
    }
    if (strcmp(name, "row-order") == 0) {
        if (!option_choice(name, setting_orders, value, &choice, err)) return false;
        plan->hyper.order = (RowOrder)choice;
    }
    if (strcmp(name, "device") == 0) plan->device = value;
    if (strcmp(name, "out") == 0) plan->out = value;
    if (strcmp(name, "out") == 0 && !*value) return fail_usage(err, "--out: the folder's name is empty");
    if (strcmp(name, "no-diagnostics") == 0) plan->no_diagnostics = true;
    if (strcmp(name, "force") == 0) plan->force = true;
    if (strcmp(name, "quiet") == 0) plan->quiet = true;
    if (strcmp(name, "json") == 0) plan->json = true;
    if (strcmp(name, "dry-run") == 0) plan->dry_run = true;
    return true; /* preset, model and config have been seen to before */
}

/* The hidden size decides on the default's rates, the family on the adapters' targets; those of the built-in encoder
 * without a folder, and for a broken config.json, which is told of later. */
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

static void run_embedded_tasks(Plan *plan, Arena *arena, Err *err)
{
    static const char *const names[] = {"sentiment", "nli"};
    for (size_t i = 0; i < COUNT(names); i++) {
        TaskSource *task = &plan->tasks[plan->task_count++];
        *task = (TaskSource){.name = names[i]};
        task->train = arena_printf(arena, "%s_train.tsv", names[i]);
        task->eval = arena_printf(arena, "%s_eval.tsv", names[i]);
        if (!asset_expand(arena, task->train, &task->train_bytes, err) ||
            !asset_expand(arena, task->eval, &task->eval_bytes, err))
            return;
    }
}

/* ---- command line and config.json give the same: a JSON object of option: value ---- */

/* `own`: options of the command beside those of run. */
static bool run_parse(int argc, char **argv, const Option *own, size_t own_count, json_t *options, Err *err)
{
    Option all[RUN_MOST_OPTIONS + RUN_MOST_OWN];
    size_t count = 0;
    int strategy, place;
    ASSERT(own_count <= RUN_MOST_OWN);
    while (run_option_at(count, &all[count], &strategy, &place)) count++;
    for (size_t i = 0; i < own_count; i++) all[count++] = own[i];
    if (!options_parse(all, count, argc, argv, 0, options, NULL, err)) return false;
    return !option_text(options, "seed") || !option_text(options, "seeds") ||
           fail_usage(err, "--seed and --seeds say the same; give one of them");
}

/* An option of a config.json: as lethe writes it, or as people do: a number as a number. */
static bool run_check_config_option(const char *path, json_t *old, const char *name, json_t *value, Err *err)
{
    Option option;
    int strategy, place;
    if (!run_option(name, &option, &strategy, &place) || strcmp(name, "config") == 0)
        return fail(err, "%s: option \"%s\" is not one that lethe writes", path, str_show(str(name)));
    const bool list = option.kind == OPTION_LIST, flag = option.kind == OPTION_FLAG;
    if (json_is_number(value) && !list && !flag) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
        json_object_set_new(old, name, json_string(text));
        free(text);
        return true;
    }
    return (list   ? json_is_array(value)
            : flag ? json_is_true(value)
                   : json_is_string(value)) ||
           fail(err, "%s: option \"%s\" must be %s", path, name,
                list   ? "a list of texts"
                : flag ? "true"
                       : "a text or a number");
}

/* What the run to repeat was made of, but for what the command line names anew, as JSON text; NULL: it is not told. */
static const char *run_repeated(const json_t *config, const json_t *options, Arena *arena)
{
    json_t *identity = json_copy(json_object_get(config, "identity"));
    if (json_object_get(options, "task")) json_object_del(identity, "tasks");
    if (json_object_get(options, "model")) json_object_del(identity, "model_sha256");
    char *text = json_is_object(identity) ? json_dumps(identity, JSON_COMPACT) : NULL;
    const char *copy = text ? arena_copy(arena, text, strlen(text)) : NULL;
    free(text);
    json_decref(identity);
    return copy;
}

/* Adds the options of a config.json that are not given. *repeats: as of run_repeated. */
static bool run_merge_config(Str text, const char *path, json_t *options, Arena *arena, const char **repeats, Err *err)
{
    json_t *config = NULL;
    if (!json_parse(text, path, &config, err)) return false;
    json_t *old = json_object_get(config, "options"), *value;
    const char *name;
    bool ok =
        json_is_object(old) || fail(err, "%s: \"options\" is missing; is this a config.json that lethe wrote?", path);
    if (ok && (json_object_get(options, "seed") || json_object_get(options, "seeds"))) {
        json_object_del(old, "seed");
        json_object_del(old, "seeds");
    }
    void *next;
    json_object_foreach_safe(old, next, name, value) ok = ok && run_check_config_option(path, old, name, value, err);
    if (ok) *repeats = run_repeated(config, options, arena);
    if (ok) json_object_update_missing(options, old);
    json_decref(config);
    return ok;
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
    *plan = (Plan){.preset = preset ? preset : "default",
                   .out = "lethe-out",
                   .device = "auto",
                   .seed_count = 1,
                   .checkpoint_seconds = 30};
    int notebook;
    if (!option_choice("preset", run_presets, plan->preset, &notebook, err)) return false;
    const ModelConfig model = run_model(folder);
    plan->family = model.family;
    preset_apply(plan, notebook, model.hidden);
    strategy_defaults(&plan->values);
    Plan *standard = arena_new(arena, Plan, 1);
    *standard = *plan;
    plan->standard = standard;
    if (!run_add_methods(plan, arena, S("full,lora,lora-seq"), err) || !run_set_all(plan, arena, options, err))
        return false;
    if (!json_object_get(options, "keep-models") && plan->seed_count > 1) plan->keep = KEEP_ADAPTERS;
    if (folder)
        plan->model = (ModelSource){.folder = folder, .name = folder};
    else if (!asset_model(arena, &plan->model, err))
        return false;
    else
        plan->model.acquaintance =
            plan->task_count
                ? "MiniLM-L6's pre-training saw natural-language-inference pairs: tasks of that kind are not wholly "
                  "new to it."
                : "MiniLM-L6's pre-training saw natural-language-inference pairs, so nli is not wholly new to it.";
    if (!plan->task_count) run_embedded_tasks(plan, arena, err);
    return err->code == 0;
}

static bool run_show(const Plan *plan, Err *err)
{
    Arena arena = {0};
    Results results = {0};
    Str font;
    bool ok = asset_expand(&arena, "DejaVuSans.ttf", &font, err) && report_load(&arena, &plan->out, 1, &results, err);
    if (plan->match_margin > 0) results.match_margin = (double)plan->match_margin / 100;
    ok = ok && report_write(&results, plan->out, font, err);
    if (ok && !plan->quiet && !plan->json) {
        ok = report_table(&results, stdout);
        printf("\nTable, charts and all numbers: %s/\n", plan->out);
    }
    arena_free(&arena);
    return ok;
}

/* The plan that the arguments make, with those of --config behind them. It lives as long as `options`, an empty object,
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

/* All of lethe run but its report; the plan as of run_read. */
static bool run_train(int argc, char **argv, Arena *arena, json_t *options, Plan *plan, Err *err)
{
    bool ok = run_read(argc, argv, arena, options, plan, err);
    /* What steers this call only is not part of the configuration. */
    static const char *const passing[] = {"force", "quiet", "json", "dry-run", "match-margin"};
    json_t *kept = json_copy(options);
    for (size_t i = 0; i < COUNT(passing); i++) json_object_del(kept, passing[i]);
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

/* "what it is [its default]" */
static const char *run_option_about(Arena *arena, const StrategyOption *o)
{
    if (!o->choices) return arena_printf(arena, "%s [%g]", o->about, o->standard);
    char *names = "";
    for (int i = 0; o->choices[i]; i++) names = arena_printf(arena, "%s%s%s", names, i ? ", " : "", o->choices[i]);
    return arena_printf(arena, "%s [%s]\none of %s", o->about, o->choices[(int)o->standard], names);
}

void run_print_options(void)
{
    enum { METHOD_INDENT = 12 };
    Arena arena = {0};
    options_print(run_options, COUNT(run_options));
    printf("\nMethods, and their options:\n");
    for (int s = 0; s < strategy_count; s++) {
        const Strategy *strategy = strategies[s];
        const int size = printf("  %-9s", strategy->name);
        help_wrap(arena_printf(&arena, "%s (%s)", strategy->about, strategy->cite), 1, size, METHOD_INDENT);
        if (strategy->departs) {
            printf("\n%*s", METHOD_INDENT, "");
            help_wrap(strategy->departs, 0, METHOD_INDENT, METHOD_INDENT);
        }
        printf("\n");
        for (int k = 0; k < strategy->option_count; k++)
            option_print(strategy->options[k].name, strategy->options[k].choices ? "NAME" : "X",
                         run_option_about(&arena, &strategy->options[k]));
    }
    help_text("\nMethods that go together are joined with +, as in ewc+replay,lora-seq+replay.\n");
    arena_free(&arena);
}

/* lethe bench: the options of run; 40 steps of each training unless --max-steps says otherwise. */
bool command_bench(int argc, char **argv, Err *err)
{
    const char *word = argc > 1 ? argv[1] : "";
    const bool ops = strcmp(word, "ops") == 0 || strcmp(word, "gemm") == 0;
    if (ops || strcmp(word, "step") == 0) { /* the options stand behind the word */
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
