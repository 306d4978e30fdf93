#include "state.h"

#include <math.h>
#include <stdio.h>

/* The plan in words: the run event, config.json, what a dry run prints, and whether the memory is there. */

/* What decides on the rows of a task beside its files and their number, in words. */
static json_t *task_rows(const Plan *plan, const TaskSource *source)
{
    const ColumnNames *c = &source->columns;
    return json_sprintf("%s, %g%% split off, columns %s, %s, %s",
                        experiment_takes_first(plan, source) ? "the first" : "drawn", source->percent,
                        c->text ? c->text : "-", c->pair ? c->pair : "-", c->label ? c->label : "-");
}

static json_t *task_event(const Plan *plan, const TaskState *state, const TaskSource *source)
{
    const TaskData *data = &state->data;
    json_t *names = json_array();
    for (uint32_t c = 0; c < data->classes; c++) json_array_append_new(names, json_string(data->class_names[c]));
    json_t *event = json_pack(
        "{s:s, s:I, s:o, s:I, s:I, s:I, s:f, s:f, s:s, s:s}", "name", data->name, "classes", (json_int_t)data->classes,
        "class_names", names, "train_rows", (json_int_t)data->train.rows, "eval_rows", (json_int_t)data->eval.rows,
        "skipped_rows", (json_int_t)data->train.skipped + (json_int_t)data->eval.skipped, "majority_rate",
        split_majority_rate(&data->eval, data->classes), "tokens_per_row",
        (double)data->train.starts[data->train.rows] / data->train.rows, "train", source->train, "eval", source->eval);
    json_object_set_new(event, "labels", rows_values_json(data->eval.labels, data->eval.rows, data->classes - 1));
    json_object_set_new(event, "train_sha256", json_string(data->train_sha256));
    json_object_set_new(event, "eval_sha256", json_string(data->eval_sha256));
    json_object_set_new(event, "train_file_rows", json_integer(data->train.file_rows));
    json_object_set_new(event, "eval_file_rows", json_integer(data->eval.file_rows));
    json_object_set_new(event, "common_rows", json_integer((json_int_t)data->common_rows));
    if (source->again) json_object_set_new(event, "again", json_integer(source->again));
    if (source->percent > 0) json_object_set_new(event, "split_percent", json_real(source->percent));
    json_object_set_new(event, "rows", task_rows(plan, source));
    return event;
}

/* What is known of a method before it runs; "options": what changes its results beyond the run's "settings". */
static json_t *method_info(const Plan *plan, const Method *method, json_t *beside)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "method", method->name, "kind", method->kind, "about", method->about,
                     "cite", method->cite, "options", plan_settings_of(plan, method, beside));
}

/* Whether two of the methods train their first task alike. */
static bool plan_shares_first(const Plan *plan)
{
    for (int i = 0; i < plan->method_count; i++)
        for (int k = 0; k < i; k++)
            if (training_is_shared(plan->methods[i], plan->methods[k], 0)) return true;
    return false;
}

/* What every training has that no option says: the optimiser's numbers, and the encoder's dropout. */
static json_t *training_event(const ModelConfig *c)
{
    const TrainFixed *f = &train_fixed;
    /* of single precision: rounded to what config.json says */
    const double hidden = round((double)c->hidden_drop * 1e6) / 1e6,
                 attention = round((double)c->attention_drop * 1e6) / 1e6;
    return json_pack("{s:s, s:f, s:f, s:f, s:s, s:I, s:f, s:f, s:f}", "optimizer", f->optimizer, "beta1", f->beta1,
                     "beta2", f->beta2, "epsilon", f->epsilon, "schedule", f->schedule, "warmup_steps",
                     (json_int_t)f->warmup_steps, "clip_norm", f->clip_norm, "hidden_dropout", hidden,
                     "attention_dropout", attention);
}

static json_t *run_event(const Experiment *x)
{
    const Plan *plan = x->plan;
    const ModelConfig *c = &x->model.config;
    json_t *tasks = json_array(), *methods = json_array(), *infos = json_array(), *seeds = json_array(),
           *beside = json_array();
    json_t *settings = plan_settings_of(plan, NULL, beside);
    for (int i = 0; i < plan->task_count; i++)
        json_array_append_new(tasks, task_event(plan, &x->tasks[i], &plan->tasks[i]));
    for (int i = 0; i < plan->method_count; i++) {
        json_array_append_new(methods, json_string(plan->methods[i]->name));
        json_array_append_new(infos, method_info(plan, plan->methods[i], beside));
    }
    for (int i = 0; i < plan->seed_count; i++) json_array_append_new(seeds, json_integer(plan->seeds[i]));
    json_t *model =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:b}", "name", x->model_name, "family", c->family->type, "layers",
                  (json_int_t)c->layers, "hidden", (json_int_t)c->hidden, "parameters",
                  (json_int_t)x->model.encoder.floats, "sha256", x->model_sha256, "fresh_pooler", x->fresh_pooler);
    if (plan->model.acquaintance) json_object_set_new(model, "acquaintance", json_string(plan->model.acquaintance));
    json_t *event = json_pack("{s:s, s:s, s:o, s:o, s:o, s:s, s:o, s:s, s:i}", "event", "run", "version", LETHE_VERSION,
                              "tasks", tasks, "methods", methods, "seeds", seeds, "preset", plan->preset, "model",
                              model, "device", x->device.name, "threads", threads_count());
    json_object_set_new(event, "training", training_event(c));
    json_object_set_new(event, "settings", settings);
    json_object_set_new(event, "beside_preset", beside);
    json_object_set_new(event, "method_info", infos);
    if (plan_shares_first(plan)) json_object_set_new(event, "shared_first", json_true());
    if (plan->match_margin > 0) json_object_set_new(event, "match_margin", json_real((double)plan->match_margin));
    return event;
}

/* Whatever the run's results depend on, resolved, so that a default that changes makes another run. */
static json_t *run_identity(const Experiment *x)
{
    const Plan *plan = x->plan;
    json_t *tasks = json_array(), *methods = json_array(), *seeds = json_array(), *beside = json_array();
    for (int i = 0; i < plan->task_count; i++)
        json_array_append_new(tasks, json_pack("[s, s, s, o]", plan->tasks[i].name, x->tasks[i].data.train_sha256,
                                               x->tasks[i].data.eval_sha256, task_rows(plan, &plan->tasks[i])));
    for (int i = 0; i < plan->method_count; i++)
        json_array_append_new(
            methods, json_pack("[s, o]", plan->methods[i]->name, plan_settings_of(plan, plan->methods[i], beside)));
    for (int i = 0; i < plan->seed_count; i++) json_array_append_new(seeds, json_integer(plan->seeds[i]));
    json_t *identity =
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:s}", "model", x->model_name, "model_sha256", x->model_sha256,
                  "tasks", tasks, "methods", methods, "seeds", seeds, "settings", plan_settings_of(plan, NULL, beside),
                  "no-diagnostics", plan->no_diagnostics, "preset", plan->preset);
    json_decref(beside);
    return identity;
}

/* Fails when a run that is repeated had other files. */
static bool run_check_repeated(const Experiment *x, Err *err)
{
    const Plan *plan = x->plan;
    if (!plan->repeats) return true;
    Arena scratch = {0};
    json_t *now = run_identity(x), *then = json_loads(plan->repeats, 0, NULL);
    const char *changed = journal_changed_file(&scratch, plan, then, now);
    if (changed)
        fail(err,
             "%s: %s; leave --config out, or name it on the command line (--task, --model), to train with what lies "
             "there now",
             str_show(str(plan->repeats_path)), changed);
    json_decref(now);
    json_decref(then);
    arena_free(&scratch);
    return !changed;
}

/* config.json: `options` repeats the run; `identity` is what makes two runs the same run. */
static json_t *run_config(const Experiment *x, const json_t *options)
{
    return json_pack("{s:s, s:O, s:o, s:s, s:s, s:i}", "version", LETHE_VERSION, "options", options, "identity",
                     run_identity(x), "device", x->device.name, "engine", x->device.engine, "threads", threads_count());
}

/* What the trainings of a method take beyond the encoder, and what its strategies hold. */
static uint64_t method_bytes(const Experiment *x, const Method *method)
{
    uint64_t most = 0;
    for (int i = 0; i < x->plan->task_count; i++) {
        Training t = training_of(x, method, 0, i);
        TrainHook hook[METHOD_MAX_COMPONENTS];
        const size_t shared = t.train_encoder ? t.model->encoder.floats : t.lora ? t.lora->layout.floats : 0;
        uint64_t arrays = 0;
        for (int p = 0; p < method->component_count; p++) {
            const Strategy *s = method->component[p];
            hook[p] = (TrainHook){i ? &s->hooks : &s->watch, NULL};
            arrays += (uint64_t)(s->arrays + s->shelved);
        }
        t.hooks = hook;
        t.hook_count = method->component_count;
        const uint64_t bytes = train_memory_bytes(&x->device, &t) +
                               (arrays * shared + (i ? diagnosis_floats(x, method) : 0)) * sizeof(float);
        if (bytes > most) most = bytes;
    }
    return most;
}

/* method null: all that are planned, with what they share. */
static uint64_t memory_needed(const Experiment *x, const Method *method)
{
    const Plan *plan = x->plan;
    const uint64_t encoder = (uint64_t)x->model.encoder.floats * sizeof(float);
    uint64_t most = 2 * encoder; /* a model that is loaded stands beside the encoder, and so does its widened copy */
    uint64_t shared = 0;
    for (int m = 0; m < plan->method_count; m++) {
        const uint64_t bytes = !method || method == plan->methods[m] ? method_bytes(x, plan->methods[m]) : 0;
        if (bytes > most) most = bytes;
    }
    for (int task = 0; task < 2 && !method;
         task++) { /* trainings of the whole encoder that are kept for another method */
        bool kept = false;
        for (int m = 0; m < plan->method_count; m++)
            for (int k = 0; k < m; k++)
                kept = kept || (plan->methods[m]->trains == TRAINS_ENCODER &&
                                training_is_shared(plan->methods[m], plan->methods[k], task));
        shared += kept ? encoder : 0;
    }
    return encoder + most + shared;
}

/* The largest batch, halved again and again, with which the whole run fits; 0: none does. */
static uint32_t batch_that_fits(const Experiment *x, uint64_t have)
{
    Plan smaller = *x->plan;
    Experiment other = *x;
    other.plan = &smaller;
    while ((smaller.hyper.batch_size /= 2) > 0) {
        if (smaller.hyper.eval_batch_size > smaller.hyper.batch_size)
            smaller.hyper.eval_batch_size = smaller.hyper.batch_size;
        if (memory_needed(&other, NULL) <= have) break;
    }
    return smaller.hyper.batch_size;
}

/* Steps are counted in 32 bits; `joint` has those of all tasks. */
static bool check_steps(const Experiment *x, Err *err)
{
    const Hyper *h = &x->plan->hyper;
    uint64_t steps = 0, epochs = 0;
    for (int i = 0; i < x->plan->task_count; i++) {
        const uint64_t own = hyper_of(x->plan, i).epochs;
        if (own > epochs) epochs = own;
    }
    for (int i = 0; i < x->plan->task_count; i++)
        steps += (uint64_t)train_epoch_steps(h, x->tasks[i].data.train.rows) * epochs;
    return h->max_steps || steps <= UINT32_MAX ||
           fail_usage(err, "%llu training steps; at most %u are possible: use a smaller --epochs or --max-steps",
                      (unsigned long long)steps, UINT32_MAX);
}

static bool check_memory(const Experiment *x, Err *err)
{
    const uint64_t need = memory_needed(x, NULL), have = device_memory_bytes(&x->device);
    if (need <= have) return true;
    Arena arena = {0};
    const char *fit = "", *what = "";
    for (int m = 0; m < x->plan->method_count; m++)
        if (memory_needed(x, x->plan->methods[m]) <= have) fit = text_join(&arena, fit, ",", x->plan->methods[m]->name);
    if (*fit) what = arena_printf(&arena, "only --method %s (each fits alone), ", fit);
    const uint32_t batch = batch_that_fits(x, have);
    if (batch) what = arena_printf(&arena, "%s--batch-size %u --eval-batch-size %u, ", what, batch, batch);
    fail(err, "this run needs about %s of memory, but %s are free%s%s; use %sa smaller --max-length or model%s",
         format_gigabytes(&arena, (double)need, 1), format_gigabytes(&arena, (double)have, 1),
         x->device.vulkan ? " on " : "", x->device.vulkan ? x->device.name : "", what,
         x->device.vulkan ? ", or --device cpu" : "");
    arena_free(&arena);
    return false;
}

/* A row as the model gets it. */
static void print_row(const Split *split, uint32_t row)
{
    enum { COLUMNS = 66 };
    const Str pair = split->pair[row];
    char ids[COLUMNS + 16] = "";
    size_t used = 0;
    for (uint64_t t = split->starts[row]; t < split->starts[row + 1] && used < COLUMNS; t++)
        used += (size_t)snprintf(ids + used, sizeof ids - used, "%s%u", used ? " " : "", split->ids[t]);
    printf("           line %llu: \"%s\"%s%s%s\n             ids %s%s\n", (unsigned long long)split->lines[row],
           str_show(split->text[row]), pair.at ? " | \"" : "", pair.at ? str_show(pair) : "", pair.at ? "\"" : "", ids,
           used < COLUMNS ? "" : " ...");
}

/* first: the rows are the first of their file. */
static void print_split(const Split *split, const TaskData *data, const char *what, bool first)
{
    enum { MOST_CLASSES = 20 };
    Arena arena = {0};
    const uint32_t *counts = split_class_counts(&arena, split, data->classes);
    printf("  %-8s %s of %s rows%s%s\n", what, format_count(&arena, split->rows),
           format_count(&arena, split->file_rows),
           split->rows == split->file_rows ? ""
           : first                         ? ", the first"
                                           : ", drawn at random",
           split->skipped ? arena_printf(&arena, "; %s more have no label", format_count(&arena, split->skipped)) : "");
    printf("           columns: %s\n           classes:", split->columns);
    for (uint32_t c = 0; c < data->classes && c < MOST_CLASSES; c++)
        printf("%s \"%s\" %s", c ? "," : "", str_show(str(data->class_names[c])), format_count(&arena, counts[c]));
    printf(data->classes > MOST_CLASSES ? ", and %u more\n" : "\n", data->classes - MOST_CLASSES);
    arena_free(&arena);
}

static void print_task(const Plan *plan, const TaskData *data, int task)
{
    const bool first = experiment_takes_first(plan, &plan->tasks[task]);
    Arena arena = {0};
    printf("task %-3d %s: %u classes, %u rows to train, %u to evaluate, %s tokens a row, majority class %s\n", task + 1,
           data->name, data->classes, data->train.rows, data->eval.rows,
           format_decimal(&arena, (double)data->train.starts[data->train.rows] / data->train.rows, 1),
           format_percent(&arena, split_majority_rate(&data->eval, data->classes)));
    arena_free(&arena);
    print_split(&data->train, data, "train", first);
    for (uint32_t r = 0; r < 2 && r < data->train.rows; r++) print_row(&data->train, r);
    print_split(&data->eval, data, "evaluate", first);
}

static void print_plan(const Experiment *x)
{
    const Plan *plan = x->plan;
    Arena arena = {0};
    printf("model    %s: %s, %u layers, hidden %u, %s M parameters\n", x->model_name, x->model.config.family->title,
           x->model.config.layers, x->model.config.hidden,
           format_decimal(&arena, (double)x->model.encoder.floats * 1e-6, 1));
    printf("device   %s\n", x->device.name);
    for (int i = 0; i < plan->task_count; i++) print_task(plan, &x->tasks[i].data, i);
    for (int m = 0; m < plan->method_count; m++) {
        const Training t = training_of(x, plan->methods[m], 0, 0);
        printf("method   %-15s %zu trainable parameters, learning rate %s, %u epochs of batches of %u\n",
               plan->methods[m]->name, train_trainable(&t), format_short(&arena, (double)t.hyper.learning_rate),
               t.hyper.epochs, t.hyper.batch_size);
    }
    printf("memory   %s needed, %s free\n", format_gigabytes(&arena, (double)memory_needed(x, NULL), 2),
           format_gigabytes(&arena, (double)device_memory_bytes(&x->device), 1));
    arena_free(&arena);
    models_print(x);
}

/* How long the run will take: a few real steps of the first task, in the plan's own sizes. */
static bool on_trial_step(void *context, const StepRecord *r, Err *err)
{
    (void)err;
    double *seconds_per_token = context;
    *seconds_per_token = r->seconds / r->tokens;
    return true;
}

/* Seconds a token that a plain training step of such weights takes; *seconds_per_token is 0 when the trial failed. */
static bool time_trial(Experiment *x, const Method *method, double *seconds_per_token, Err *err)
{
    const TrainObserver observer = {.context = seconds_per_token, .step = on_trial_step};
    Training t = training_of(x, method, 0, 0);
    t.choose = NULL;
    t.hyper.max_steps = 8;
    if (!experiment_weights(x, 0, err)) return false;
    if (t.lora) start_adapter(x, t.weights.adapter, 0, 0);
    if (t.train_encoder) x->encoder_is_base = false;
    return train_task(&x->device, &t, &observer, NULL, err);
}

/* Tokens that a method's strategies look at after the training of a task. */
static double survey_tokens(const Experiment *x, const Method *method, int task)
{
    const Split *train = &x->tasks[task].data.train;
    int surveys = 0;
    for (int p = 0; p < method->component_count && task + 1 < x->plan->task_count; p++)
        surveys += method->component[p]->surveys;
    return surveys * (double)train->starts[train->rows];
}

/* Tokens of a method's trainings and evaluations of one task, as if all were training; a forward pass is a third of
 * that. */
static double time_tokens(const Experiment *x, const Method *method, int task)
{
    const Plan *plan = x->plan;
    const Hyper h = hyper_of(plan, task);
    double tokens = 0, passes = 1, evaluations = 1;
    for (int p = 0; p < method->component_count && task > 0; p++) passes += method->component[p]->passes;
    for (int i = method->joint ? 0 : task; i <= task; i++) {
        const Split *train = &x->tasks[i].data.train;
        tokens +=
            passes * train_steps(&h, train->rows) * h.batch_size / train->rows * (double)train->starts[train->rows];
        const Split *choose = x->tasks[i].choose;
        if (choose) tokens += h.epochs * (double)choose->starts[choose->rows] / 3;
    }
    for (int p = 0; p < method->component_count && task > 0; p++) evaluations += method->component[p]->evaluations;
    for (int i = 0; i <= task; i++)
        tokens += evaluations * (double)x->tasks[i].data.eval.starts[x->tasks[i].data.eval.rows] / 3;
    return tokens + diagnosis_tokens(x, method, task) / 3;
}

/* Seconds that the whole run will take. */
static bool time_estimate(Experiment *x, double *seconds, Err *err)
{
    const Plan *plan = x->plan;
    double total = 0, seconds_per_token[PLAN_MAX_METHODS];
    for (int m = 0; m < plan->method_count; m++) {
        const Method *method = plan->methods[m];
        int like = 0; /* the first method that trains the same weights */
        while (!training_is_shared(plan->methods[like], method, 0)) like++;
        if (like == m && !time_trial(x, method, &seconds_per_token[m], err)) return false;
        for (int i = 0; i < plan->task_count; i++) {
            bool shared = false;
            for (int k = 0; k < m; k++) shared = shared || training_is_shared(plan->methods[k], method, i);
            total += seconds_per_token[like] * survey_tokens(x, method, i);
            if (!shared) total += seconds_per_token[like] * time_tokens(x, method, i);
        }
    }
    *seconds = total * plan->seed_count;
    return true;
}

static bool print_time(Experiment *x, Err *err)
{
    double seconds;
    Arena scratch = {0};
    if (!time_estimate(x, &seconds, err)) return false;
    printf("time     about %s, by eight trial steps of each kind of training\n", format_duration(&scratch, seconds));
    arena_free(&scratch);
    return true;
}

/* ---- the same for programs: --dry-run --json ---- */

static json_t *plan_row(const Split *split, const TaskData *data, uint32_t row)
{
    Arena scratch = {0};
    enum { MOST_BYTES = 1000 };
    const Str cut[] = {utf8_cut(split->text[row], MOST_BYTES),
                       split->pair[row].at ? utf8_cut(split->pair[row], MOST_BYTES) : (Str){0}};
    json_t *text = json_stringn(cut[0].at, cut[0].size),
           *pair = cut[1].at ? json_stringn(cut[1].at, cut[1].size) : NULL;
    if (!text) text = json_string(str_show(cut[0])); /* not UTF-8 */
    if (!pair && cut[1].at) pair = json_string(str_show(cut[1]));
    json_t *o = json_pack("{s:o, s:o, s:s, s:I}", "text", text, "text_b", pair ? pair : json_null(), "label",
                          data->class_names[split->labels[row]], "line", (json_int_t)split->lines[row]);
    arena_free(&scratch);
    return o;
}

static json_t *plan_task(const TaskData *data)
{
    enum { FIRST_ROWS = 5 };
    const Split *train = &data->train;
    Arena scratch = {0};
    json_t *classes = json_array(), *rows = json_array(), *notes = json_array();
    const uint32_t *counts = split_class_counts(&scratch, train, data->classes);
    for (uint32_t c = 0; c < data->classes; c++)
        json_array_append_new(classes,
                              json_pack("{s:s, s:I}", "name", data->class_names[c], "rows", (json_int_t)counts[c]));
    for (uint32_t r = 0; r < train->rows && r < FIRST_ROWS; r++) json_array_append_new(rows, plan_row(train, data, r));
    for (size_t k = 0; k < data->warnings.count; k++) json_array_append_new(notes, json_string(data->warnings.at[k]));
    arena_free(&scratch);
    return json_pack("{s:s, s:I, s:I, s:I, s:{s:s?, s:s?, s:s?}, s:o, s:o, s:o}", "name", data->name, "train_rows",
                     (json_int_t)train->rows, "eval_rows", (json_int_t)data->eval.rows, "train_file_rows",
                     (json_int_t)train->file_rows, "columns", "text", train->read.text, "text_b", train->read.pair,
                     "label", train->read.label, "classes", classes, "first_rows", rows, "notes", notes);
}

/* One JSON object: tasks as they were read, and what the run will need. */
static bool print_plan_json(Experiment *x, Err *err)
{
    const Plan *plan = x->plan;
    double seconds;
    Arena scratch = {0};
    if (!time_estimate(x, &seconds, err)) return false;
    json_t *tasks = json_array();
    for (int i = 0; i < plan->task_count; i++) json_array_append_new(tasks, plan_task(&x->tasks[i].data));
    const double memory = (double)memory_needed(x, NULL), disk = (double)models_bytes(x);
    const char *words =
        arena_printf(&scratch, "about %s, %s of memory, %s on the disk for models", format_duration(&scratch, seconds),
                     format_gigabytes(&scratch, memory, 1), format_gigabytes(&scratch, disk, 2));
    json_t *o =
        json_pack("{s:s, s:s, s:o, s:{s:s, s:f, s:f, s:f, s:f}}", "model", x->model_name, "device", x->device.name,
                  "tasks", tasks, "estimate", "words", words, "seconds", seconds, "memory_bytes", memory, "free_bytes",
                  (double)device_memory_bytes(&x->device), "disk_bytes", disk);
    char *text = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    if (text) printf("%s\n", text);
    const bool ok = text || fail(err, "a name of the plan is not UTF-8");
    free(text);
    json_decref(o);
    arena_free(&scratch);
    return ok;
}
