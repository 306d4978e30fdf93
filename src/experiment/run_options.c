#include "experiment.h"

#include <stddef.h>
#include <string.h>

#include "task_option.c"

/* The options of a run, whose values are a Plan: `lethe run`, `plan` and `bench` take them. The run event, the identity
 * in config.json, the joining of folders and the page go by these rows. */

/* ---- values that are taken apart ---- */

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

static bool run_read_task(const Option *row, void *target, Arena *arena, const char *value, Err *err)
{
    Plan *plan = target;
    TaskSource task = {.name = value};
    (void)row;
    if (plan->task_count == PLAN_MAX_TASKS) return fail_usage(err, "--task: at most %d tasks", PLAN_MAX_TASKS);
    if (run_name_is_plain(str(value))) { /* a name alone: see run_named_tasks */
        plan->tasks[plan->task_count++] = task;
        return true;
    }
    if (!task_parse(arena, value, &task, err)) return false;
    if (!run_name_is_plain(str(task.name)))
        return fail_usage(err, "--task %s: a task's name has 1 to 40 letters, digits, '-', '_' or '.'",
                          str_show(str(value)));
    if (!sys_name_is_usable(task.name))
        return fail_usage(err, "--task %s: no folder can have this task's name here", str_show(str(value)));
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
        if (plan->method_count == PLAN_MAX_METHODS)
            return fail_usage(err, "--method: at most %d methods", PLAN_MAX_METHODS);
        plan->methods[plan->method_count++] = method;
    }
    return true;
}

/* NAME:OPTION=VALUE. Whether there is such a task is known when all options are: see plan_check. */
static bool run_read_task_option(const Option *row, void *target, Arena *arena, const char *value, Err *err)
{
    Plan *plan = target;
    const char *colon = strchr(value, ':'), *equals = colon ? strchr(colon, '=') : NULL, *all = "";
    TaskValue *own = &plan->task_value[plan->task_value_count];
    const OptionRows *rows = run_options();
    if (!equals)
        return fail_usage(err, "--%s %s: write NAME:OPTION=VALUE, as in --%s nli:epochs=8", row->name,
                          str_show(str(value)), row->name);
    const char *name = arena_copy(arena, colon + 1, (size_t)(equals - colon - 1));
    if (plan->task_value_count == PLAN_MAX_TASK_VALUES)
        return fail_usage(err, "--%s: at most %d values", row->name, PLAN_MAX_TASK_VALUES);
    *own = (TaskValue){.task = arena_copy(arena, value, (size_t)(colon - value))};
    for (size_t i = 0; i < rows->count; i++) {
        if (!rows->at[i]->by_task) continue;
        all = text_join(arena, all, ", ", rows->at[i]->name);
        if (strcmp(rows->at[i]->name, name) == 0) own->row = rows->at[i];
    }
    if (!own->row) return fail_usage(err, "--%s %s: a task may have its own %s", row->name, str_show(str(value)), all);
    for (int i = 0; i < plan->task_value_count; i++)
        if (plan->task_value[i].row == own->row && strcmp(plan->task_value[i].task, own->task) == 0)
            return fail_usage(err, "--%s: %s of task %s is given twice", row->name, name, str_show(str(own->task)));
    plan->task_value_count++;
    Err wrong = {0};
    return option_number(own->row, equals + 1, &own->value, &wrong) ||
           fail_usage(err, "--%s %.*s:%s", row->name, (int)(colon - value), value, wrong.text + strlen("--"));
}

static bool plan_has_task(const Plan *plan, const char *name)
{
    for (int i = 0; i < plan->task_count; i++)
        if (strcmp(plan->tasks[i].name, name) == 0) return true;
    return false;
}

static bool plan_has_value(const Plan *plan, int task, const char *option)
{
    for (int i = 0; i < plan->task_value_count; i++)
        if (strcmp(plan->task_value[i].row->name, option) == 0 &&
            strcmp(plan->task_value[i].task, plan->tasks[task].name) == 0)
            return true;
    return false;
}

bool plan_check(const Plan *plan, Err *err)
{
    for (int i = 0; i < plan->method_count; i++)
        for (int k = 0; k < i; k++)
            if (method_same(plan->methods[i], plan->methods[k], &plan->values))
                return fail_usage(err, "--method: %s is named twice", plan->methods[i]->name);
    for (int i = 0; i < plan->task_value_count; i++)
        if (!plan_has_task(plan, plan->task_value[i].task))
            return fail_usage(err, "--task-option %s:%s: there is no task of this name",
                              str_show(str(plan->task_value[i].task)), plan->task_value[i].row->name);
    for (int i = 0; i < plan->task_count; i++)
        if (plan->tasks[i].again && (plan_has_value(plan, i, "train-rows") || plan_has_value(plan, i, "eval-rows")))
            return fail_usage(err, "--task-option %s: a task that comes again has the rows that it had",
                              plan->tasks[i].name);
    return !plan->hyper.patience || plan->keep_epoch != KEEP_EPOCH_LAST ||
           fail_usage(err, "--patience %u: it goes by the loss that chooses an epoch; add --keep-epoch held-out",
                      plan->hyper.patience);
}

double plan_task_value(const Plan *plan, int task, const char *option)
{
    for (int i = 0; i < plan->task_value_count; i++)
        if (strcmp(plan->task_value[i].row->name, option) == 0 &&
            strcmp(plan->task_value[i].task, plan->tasks[task].name) == 0)
            return plan->task_value[i].value;
    return option_get(option_find(run_options(), option), plan);
}

static bool run_read_methods(const Option *row, void *target, Arena *arena, const char *value, Err *err)
{
    Plan *plan = target;
    (void)row;
    plan->method_count = 0;
    return run_add_methods(plan, arena, str(value), err);
}

static bool run_read_seeds(const Option *row, void *target, Arena *arena, const char *value, Err *err)
{
    Plan *plan = target;
    (void)arena;
    plan->seed_count = 0;
    for (Str rest = str(value), item; list_next(&rest, &item);) {
        int64_t seed;
        if (!parse_int(item, (int64_t)row->low, (int64_t)row->high, &seed))
            return fail_usage(err, "--%s %s: a seed is a whole number from %.0f to %.0f", row->name,
                              str_show(str(value)), row->low, row->high);
        for (int i = 0; i < plan->seed_count; i++)
            if (plan->seeds[i] == seed)
                return fail_usage(err, "--%s: seed %u is named twice", row->name, (uint32_t)seed);
        if (plan->seed_count == PLAN_MAX_SEEDS)
            return fail_usage(err, "--%s: at most %d seeds", row->name, PLAN_MAX_SEEDS);
        plan->seeds[plan->seed_count++] = (uint32_t)seed;
    }
    return true;
}

static bool run_read_preset(const Option *row, void *target, Arena *arena, const char *value, Err *err)
{
    Plan *plan = target;
    double place;
    (void)arena;
    if (!option_number(row, value, &place, err)) return false;
    plan->preset = row->choices[(int)place];
    return true;
}

/* ---- the rows ----
 * notebook: the hyperparameters of the experiment that lethe grew out of, exactly, and Hugging Face's order of rows and
 * choice of an epoch. default: rates that learn, docs/speed.md says how they were measured; nothing that is reported
 * chooses.
 */

static const char *const run_presets[] = {"default", "notebook", NULL};
static const char *const run_orders[] = {[ORDER_INDEPENDENT] = "independent", [ORDER_HF] = "hf", NULL};
static const char *const run_epochs[] = {
    [KEEP_EPOCH_LAST] = "last", [KEEP_EPOCH_HELD_OUT] = "held-out", [KEEP_EPOCH_EVAL] = "eval", NULL};
/* Of the built-in encoder; see run_row. */
static const char *const run_targets[] = {
    "query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense", "pooler.dense",
    "all-linear", NULL};
static const uint32_t run_target_bits[] = {
    LORA_QUERY, LORA_KEY, LORA_VALUE, LORA_CONTEXT, LORA_UP, LORA_CONTEXT | LORA_DOWN, LORA_POOLER,
    LORA_LAYER | LORA_POOLER};
static const char *const run_keep_models[] = {
    [KEEP_ALL] = "all", [KEEP_ADAPTERS] = "adapters", [KEEP_NONE] = "none", NULL};

#define TO(field) .target = offsetof(Plan, field)
#define DEFAULT(value) .default_value = value
#define NOTEBOOK(value) .notebook_value = value
#define CHANGES(what) .changes = CHANGES_##what
static const Option run_rows[] = {
    {"task", OPTION_LIST, 0, 0, "NAME=TRAIN,EVAL",
     "a task, in training order; repeat for each (.tsv .csv .jsonl .json, also .zst);\nNAME=FILE,20% splits one file; "
     "text=COLUMN, pair=COLUMN, label=COLUMN may follow;\nNAME alone: an earlier task comes again, or sentiment or "
     "nli, "
     "which are built in\nand which are the tasks without it",
     CHANGES(RUN), .read = run_read_task},
    {"task-option", OPTION_LIST, 0, 0, "NAME:OPTION=VALUE",
     "a value for this task alone; repeat for each: train-rows, eval-rows, epochs,\nmax-steps, learning-rate, "
     "lora-learning-rate",
     CHANGES(RUN), .read = run_read_task_option},
    {"model", OPTION_TEXT, 0, 0, "DIR",
     "a Hugging Face model folder (config.json,\nmodel.safetensors[.zst], tokenizer files) of BERT, RoBERTa, "
     "DistilBERT,\n"
     "XLM-RoBERTa, CamemBERT, ELECTRA, MPNet, DeBERTa-v3, ALBERT or ModernBERT,\nsee lethe help model;\n"
     "without it: MiniLM-L6, built in",
     CHANGES(RUN), TO(model.folder)},
    {"method", OPTION_TEXT, 0, 0, "LIST", "methods, as listed below, or all of them", DEFAULT("full,lora,lora-seq"),
     CHANGES(RUN), .read = run_read_methods},
    {"preset", OPTION_CHOICE, 0, 0, "NAME",
     "default: rates that learn; notebook: Hugging Face's, as it was: 3e-5,\n3 epochs, 200 eval rows, --row-order hf, "
     "--keep-epoch eval",
     DEFAULT("default"), .default_words = "", .choices = run_presets, CHANGES(RUN), .read = run_read_preset},
    {"train-rows", OPTION_INT, 0, 4e9, "N",
     "N rows of each training file, drawn at random; 0 = all [{}]\n(notebook, built-in data: the first N)",
     DEFAULT("1000"), .unit = "rows", .by_task = true, CHANGES(ALL), TO(train_rows)},
    {"eval-rows", OPTION_INT, 0, 4e9, "N", "N rows of each evaluation file, likewise; 0 = all", DEFAULT("500"),
     NOTEBOOK("200"), .unit = "rows", .by_task = true, CHANGES(EVALUATED), TO(eval_rows)},
    {"max-length", OPTION_INT, 8, 100000, "N", "tokens a row at most; longer rows are cut", DEFAULT("128"),
     .unit = "tokens", CHANGES(ALL), TO(max_length)},
    {"epochs", OPTION_INT, 1, 10000, "N", "passes over the rows of each task", DEFAULT("5"), NOTEBOOK("3"),
     .title = "epochs a task", .by_task = true, CHANGES(ALL), TO(hyper.epochs)},
    {"max-steps", OPTION_INT, 0, 2e9, "N", "end each training after N steps; 0 = no limit", DEFAULT("0"),
     .unit = "steps", .by_task = true, CHANGES(ALL), TO(hyper.max_steps)},
    {"batch-size", OPTION_INT, 1, 4096, "N", "rows a training step", DEFAULT("16"), .unit = "rows",
     .title = "batch size", CHANGES(ALL), TO(hyper.batch_size)},
    {"eval-batch-size", OPTION_INT, 1, 4096, "N", "rows an evaluation step", DEFAULT("32"), .unit = "rows",
     CHANGES(ALL), TO(hyper.eval_batch_size)},
    {"weight-decay", OPTION_REAL, 0, 10, "X", "of AdamW", DEFAULT("0.01"), CHANGES(ALL), TO(hyper.weight_decay)},
    {"row-order", OPTION_CHOICE, 0, 0, "NAME",
     "independent: drawn from seed, task and epoch; hf: as Hugging Face, by\nseed + epoch, so that seeds share orders",
     DEFAULT("independent"), NOTEBOOK("hf"), .choices = run_orders, CHANGES(ALL), TO(hyper.order)},
    {"keep-epoch", OPTION_CHOICE, 0, 0, "WHICH",
     "of each training: last; held-out: the lowest loss on a tenth of the\ntraining rows; eval: on the evaluation "
     "rows, which then are no longer\nunseen, as Hugging Face",
     DEFAULT("last"), NOTEBOOK("eval"), .choices = run_epochs, CHANGES(ALL), TO(keep_epoch)},
    {"patience", OPTION_INT, 0, 10000, "N",
     "end a training when N epochs in a row have not lowered the loss that\nchooses an epoch; 0 = train them all",
     DEFAULT("0"), .unit = "epochs", CHANGES(ALL), TO(hyper.patience)},
    {"learning-rate", OPTION_REAL, 1e-12, 100, "X", "of full fine-tuning", DEFAULT("5e-5"), .large_value = "3e-5",
     NOTEBOOK("3e-5"), .title = "learning rate", .by_task = true, CHANGES(ENCODER), TO(hyper.learning_rate)},
    {"lora-learning-rate", OPTION_REAL, 1e-12, 100, "X", "of LoRA", DEFAULT("2e-3"), .large_value = "5e-4",
     NOTEBOOK("3e-5"), .title = "learning rate of adapters", .by_task = true, CHANGES(ADAPTER), TO(lora_learning_rate)},
    {"lora-r", OPTION_INT, 1, 1024, "N", "rank of the adapters", DEFAULT("8"), CHANGES(ADAPTER), TO(lora_r)},
    {"lora-alpha", OPTION_REAL, 1e-6, 1e6, "X", "scale: alpha / r", DEFAULT("16"), CHANGES(ADAPTER), TO(lora_alpha)},
    {"lora-dropout", OPTION_REAL, 0, 0.999, "X", "dropout in front of the adapters", DEFAULT("0.1"), CHANGES(ADAPTER),
     TO(lora_drop)},
    {"lora-targets", OPTION_CHOICES, 0, 0, "LIST",
     "linear layers that have an adapter, by PEFT's names: of query, key, value,\nattention.output.dense, "
     "intermediate.dense, output.dense, pooler.dense;\nor all-linear. Other families' names: lethe help model",
     DEFAULT("query,key,value"), .default_words = "query, key and value", .choices = run_targets, .bits = run_target_bits,
     .unit = "targets", CHANGES(ADAPTER), TO(lora_targets)},
    {"seed", OPTION_INT, 0, OPTION_SEED_HIGH, "N", "of row order, dropout and new weights", DEFAULT("1"),
     NOTEBOOK("42"), CHANGES(RUN), .read = run_read_seeds},
    {"seeds", OPTION_TEXT, 0, OPTION_SEED_HIGH, "LIST", "several, as in 1,2,3: mean and interval over seeds",
     CHANGES(RUN), .read = run_read_seeds},
    OPTION_DEVICE(offsetof(Plan, device)),
    OPTION_THREADS("threads of the CPU engine", offsetof(Plan, threads)),
    {"out", OPTION_TEXT, 0, 0, "DIR", "folder for results [{}]; an unfinished run in it goes on", DEFAULT("lethe-out"),
     TO(out)},
    {"snapshot-seconds", OPTION_INT, 0, 1e9, "N",
     "between two snapshots at least; they cost at most 2% of the time [{};\n0 = as often as can be, whatever it "
     "costs]",
     DEFAULT("30"), .unit = "seconds", TO(snapshot_seconds)},
    {"keep-models", OPTION_CHOICE, 0, 0, "WHAT",
     "of the trained models, for predict and export: all; adapters: only what\nleaves the encoder as it was; none",
     DEFAULT("all"), .default_words = "all; with several seeds adapters", .choices = run_keep_models, TO(keep)},
    {"keep-each-task", OPTION_FLAG, 0, 0, NULL,
     "keep what --keep-models keeps after every task, too, in OUT/after/TASK", TO(keep_each_task)},
    {"keep-each-epoch", OPTION_FLAG, 0, 0, NULL,
     "keep the weights after every epoch of every training, too, in OUT/epochs", TO(keep_each_epoch)},
    OPTION_MATCH_MARGIN("two methods learned a task equally well when the 90% interval of their\ndifference lies "
                        "within this many points; of the report alone, lethe\nreport has it, too",
                        offsetof(Plan, match_margin)),
    {"config", OPTION_TEXT, 0, 0, "FILE", "repeat the run of an OUT/config.json; further options change it",
     .passing = true, TO(repeats_path)},
    {"no-diagnostics", OPTION_FLAG, 0, 0, NULL, "only the accuracies: no curve, probes, drift and swap", CHANGES(RUN),
     TO(no_diagnostics)},
    {"force", OPTION_FLAG, 0, 0, NULL, "start anew even when DIR holds another run", .passing = true, TO(force)},
    OPTION_WORDS_CHOICE(offsetof(Plan, expert)),
    {"quiet", OPTION_FLAG, 0, 0, NULL, "no progress, no table", .passing = true, TO(quiet)},
    {"json", OPTION_FLAG, 0, 0, NULL, "events on stdout as they happen, one JSON object a line", .passing = true,
     TO(json)},
    {"dry-run", OPTION_FLAG, 0, 0, NULL, "print the plan, the memory and the time it will need; train nothing",
     .passing = true, TO(dry_run)},
};
#undef TO
#undef DEFAULT
#undef NOTEBOOK
#undef CHANGES

const OptionRows *run_options(void)
{
    static OptionRows rows;
    if (rows.count) return &rows;
    option_rows_add(&rows, run_rows, COUNT(run_rows));
    for (int s = 0; s < strategy_count; s++)
        option_rows_add(&rows, strategies[s]->options, (size_t)strategies[s]->option_count);
    return &rows;
}

/* What a family calls the targets of adapters: the choices of --lora-targets, and its default. */
typedef struct TargetNames {
    const char *choices[LORA_TARGETS + 2];
    uint32_t bits[LORA_TARGETS + 1];
    char usual[FAMILY_TEXT];
} TargetNames;

/* The row as it is for the plan's model. names: where what it then points at lives. */
static Option run_row(const Plan *plan, const Option *row, TargetNames *names)
{
    Option own = *row;
    size_t used = 0;
    int count = 0;
    if (row->choices != run_targets) return own;
    const Family *family = plan->family ? plan->family : family_rows[0]; /* a plan without a model: the built-in one */
    *names = (TargetNames){0};
    for (int t = 0; t < LORA_TARGETS; t++) {
        const char *name = family_target(family, t);
        if (!name) continue;
        names->choices[count] = name;
        names->bits[count++] = family_named(family, str(name));
        if (family->lora_targets >> t & 1)
            used += (size_t)snprintf(names->usual + used, sizeof names->usual - used, "%s%s", used ? "," : "", name);
        ASSERT(used < sizeof names->usual);
    }
    names->choices[count] = "all-linear";
    names->bits[count] = family_linear(family);
    own.choices = names->choices;
    own.bits = names->bits;
    own.default_value = names->usual;
    return own;
}

bool plan_set(Plan *plan, Arena *arena, const Option *row, const char *value, Err *err)
{
    double *own = strategy_value(&plan->values, row);
    TargetNames names;
    const Option here = run_row(plan, row, &names);
    return own ? option_number(row, value, own, err) : option_set(&here, plan, arena, value, err);
}

bool plan_defaults(Plan *plan, Arena *arena, OptionPreset preset, const Family *family, Err *err)
{
    const OptionRows *rows = run_options();
    *plan = (Plan){.family = family};
    for (size_t i = 0; i < rows->count; i++) {
        TargetNames names;
        const Option row = run_row(plan, rows->at[i], &names);
        const char *value = option_default(&row, preset);
        if (value && !plan_set(plan, arena, rows->at[i], value, err)) return false;
    }
    plan->preset = run_presets[preset.notebook];
    plan->first_rows = preset.notebook;
    plan->defaults = preset;
    return true;
}

/* ---- which of them change what is computed ---- */

static bool run_option_changes(const Option *row, const Method *method)
{
    if (!method) return row->changes == CHANGES_ALL || row->changes == CHANGES_EVALUATED;
    const bool adapter = method_has_adapter(method);
    if (row->changes == CHANGES_ADAPTER) return adapter;
    return row->changes == CHANGES_ENCODER && !adapter && !method->own_rate;
}

bool plan_option_changes(const Option *row, const Method *method)
{
    if (row->changes == CHANGES_ADAPTER || row->changes == CHANGES_ENCODER) return run_option_changes(row, method);
    if (row->changes != CHANGES_OWN) return true;
    for (int p = 0; p < method->component_count; p++)
        for (int k = 0; k < method->component[p]->option_count; k++)
            if (&method->component[p]->options[k] == row) return true;
    return false;
}

/* Adds a setting, and its name to `beside` when its value is not the preset's. */
static void plan_add_setting(const Plan *plan, json_t *settings, json_t *beside, const Option *row, double number,
                             bool single)
{
    Arena scratch = {0};
    Err err = {0};
    double usual = 0;
    TargetNames names;
    const Option here = run_row(plan, row, &names);
    if (!option_number(&here, option_default(&here, plan->defaults), &usual, &err)) ASSERT(!"a default is a value");
    const char *value = option_show(&scratch, &here, number, single);
    if (strcmp(value, option_show(&scratch, &here, usual, single)) != 0)
        json_array_append_new(beside, json_string(row->name));
    json_object_set_new(settings, row->name, json_string(value));
    arena_free(&scratch);
}

/* "nli:epochs", "8": of all methods, as --task-option takes it. */
static void plan_add_task_value(json_t *settings, json_t *beside, const TaskValue *own)
{
    Arena scratch = {0};
    const char *name = arena_printf(&scratch, "%s:%s", own->task, own->row->name);
    json_object_set_new(settings, name, json_string(option_show(&scratch, own->row, own->value, true)));
    json_array_append_new(beside, json_string(name));
    arena_free(&scratch);
}

json_t *plan_settings_of(const Plan *plan, const Method *method, json_t *beside)
{
    json_t *settings = json_object();
    for (int i = 0; i < plan->task_value_count && !method; i++)
        plan_add_task_value(settings, beside, &plan->task_value[i]);
    for (size_t i = 0; i < COUNT(run_rows); i++)
        if (run_option_changes(&run_rows[i], method))
            plan_add_setting(plan, settings, beside, &run_rows[i], option_get(&run_rows[i], plan), true);
    for (int p = 0; method && p < method->component_count; p++) {
        const Strategy *s = method->component[p];
        for (int k = 0; k < s->option_count; k++)
            plan_add_setting(plan, settings, beside, &s->options[k],
                             method_value(method, &plan->values, &s->options[k]), false);
    }
    return settings;
}
