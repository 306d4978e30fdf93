#include "experiment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal.c"
#include "measures.c"

enum { FILE_LIMIT_BYTES = 1 << 30 };

/* ---- what a run holds in memory ---- */

/* A task with its head and adapter on the device, and what a method left in them. */
typedef struct TaskState {
    TaskData data;
    Head head;
    f32p head_w, adapter_w; /* adapter_w: of methods with an adapter for each task */
    bool *right;            /* [eval rows]: which rows the method at work had right after training this task */
} TaskState;

/* The first task's training, kept for methods that train it in the same way. */
typedef struct FirstTask {
    const Strategy *strategy;
    uint32_t seed;
    f32p encoder, adapter, head;
    json_t *events; /* step and eval events, without the method's name */
} FirstTask;

typedef struct Experiment {
    const Plan *plan;
    Device device;
    Arena arena;        /* data and model, for the whole run */
    DeviceArena memory; /* weights */
    Journal journal;
    Model model;
    Lora lora;
    uint64_t encoder_parameters;
    char model_sha256[65];
    const char *model_name;
    bool fresh_pooler;
    TaskState tasks[PLAN_MAX_TASKS];
    f32p encoder, shared_adapter;
    bool encoder_is_base; /* the encoder's weights are those of the checkpoint */
    FirstTask first;
    DeviceArena first_memory;
    double started;
    /* the method at work */
    const Strategy *strategy;
    uint32_t seed;
    int task;
    json_t *recording; /* events of the first task, when another method will want them */
    Progress progress;
    uint32_t method_step, method_steps;
    DYN(char) predictions;
    Arena method_arena;
} Experiment;

/* ---- loading ---- */

static bool experiment_examples(Arena *arena, const char *path, Str embedded, ExampleFile *file, Err *err)
{
    return embedded.at ? examples_parse(arena, embedded, path, true, file, err)
                       : examples_read(arena, path, true, file, err);
}

static bool experiment_tasks(Experiment *x, const Tokenizer *tokenizer, Err *err)
{
    const Plan *plan = x->plan;
    for (int i = 0; i < plan->task_count; i++) {
        const TaskSource *source = &plan->tasks[i];
        ExampleFile train, eval;
        if (!experiment_examples(&x->arena, source->train, source->train_bytes, &train, err) ||
            !experiment_examples(&x->arena, source->eval, source->eval_bytes, &eval, err) ||
            !task_data_load(&x->arena, tokenizer, source->name, &train, &eval, plan->train_rows, plan->eval_rows,
                            plan->max_length, &x->tasks[i].data, err))
            return false;
        head_layout(&x->arena, &x->model.config, x->tasks[i].data.classes, &x->tasks[i].head);
    }
    return true;
}

static bool source_config(Arena *arena, const ModelSource *source, ModelConfig *config, Err *err)
{
    if (!source->folder) return model_config_parse(source->config, "the embedded config.json", config, err);
    Str json;
    const char *path = arena_printf(arena, "%s/config.json", source->folder);
    return file_read(arena, path, 1 << 24, &json, err) && model_config_parse(json, path, config, err);
}

bool model_source_tokenizer(Arena *arena, const ModelSource *source, Tokenizer **out, Err *err)
{
    return source->folder ? tokenizer_load(arena, source->folder, out, err)
                          : tokenizer_from_vocab(arena, source->vocab, true, "the embedded vocab.txt", out, err);
}

static bool source_weights(Arena *arena, const ModelSource *source, Safetensors *file, Err *err)
{
    if (!source->folder) {
        Str bytes;
        return zstd_expand(arena, source->weights, FILE_LIMIT_BYTES, "the embedded encoder", &bytes, err) &&
               safetensors_parse(arena, bytes, "the embedded encoder", file, err);
    }
    const char *plain = arena_printf(arena, "%s/model.safetensors", source->folder);
    const char *packed = arena_printf(arena, "%s.zst", plain);
    return safetensors_open(arena, access(plain, F_OK) != 0 && access(packed, F_OK) == 0 ? packed : plain, file, err);
}

/* The checkpoint's weights on the device again, and the heads of the tasks as they start. */
static bool experiment_weights(Experiment *x, uint32_t seed, Err *err)
{
    Arena scratch = {0};
    Safetensors file = {0};
    bool ok = source_weights(&scratch, &x->plan->model, &file, err);
    if (x->fresh_pooler) x->encoder_is_base = false; /* it depends on the seed */
    if (ok && !x->encoder_is_base) {
        float *w = arena_new(&scratch, float, x->model.encoder.floats);
        ok = model_load_encoder(&x->model, &file, seed, w, &x->fresh_pooler, err);
        if (ok) device_write(&x->device, x->encoder, w, x->model.encoder.floats * sizeof *w);
        x->encoder_is_base = ok;
    }
    for (int i = 0; i < x->plan->task_count && ok; i++) {
        const Head *head = &x->tasks[i].head;
        float *w = arena_new(&scratch, float, head->layout.floats);
        if (!model_load_head(&x->model, head, &file, w)) head_initialise(head, seed, 0x68656164 + (uint64_t)i, w);
        device_write(&x->device, x->tasks[i].head_w, w, head->layout.floats * sizeof *w);
    }
    safetensors_close(&file);
    arena_free(&scratch);
    return ok;
}

static void start_adapter(Experiment *x, f32p adapter, uint32_t seed, int task)
{
    Arena scratch = {0};
    float *w = arena_new(&scratch, float, x->lora.layout.floats);
    lora_initialise(&x->lora, seed, 0x6c6f7261 + (uint64_t)task, w);
    device_write(&x->device, adapter, w, x->lora.layout.floats * sizeof *w);
    arena_free(&scratch);
}

/* ---- the training of one method ---- */

static Training training_of(const Experiment *x, const Strategy *strategy, uint32_t seed, int task)
{
    const TaskState *state = &x->tasks[task];
    Training t = {.model = &x->model, .head = &state->head, .train = &state->data.train, .eval = &state->data.eval};
    t.hyper = x->plan->hyper;
    t.seed = seed;
    t.task = (uint32_t)task;
    t.train_encoder = strategy->adapters == ADAPTERS_NONE;
    t.weights = (Weights){.encoder = x->encoder, .head = state->head_w};
    if (!t.train_encoder) {
        t.lora = &x->lora;
        t.hyper.learning_rate = x->plan->lora_learning_rate;
        t.weights.adapter = strategy->adapters == ADAPTERS_SHARED ? x->shared_adapter : state->adapter_w;
    }
    return t;
}

/* Writes an event for the method at work, and keeps a copy when the first task is being recorded. */
static bool emit(Experiment *x, json_t *body, Err *err)
{
    if (x->recording) json_array_append(x->recording, body);
    json_t *event = json_pack("{s:O, s:s, s:I}", "event", json_object_get(body, "event"), "method", x->strategy->name,
                              "seed", (json_int_t)x->seed);
    json_object_update_missing(event, body);
    json_decref(body);
    return journal_event(&x->journal, event, err);
}

static bool on_step(void *context, const StepRecord *r, Err *err)
{
    Experiment *x = context;
    progress_step(&x->progress, ++x->method_step, "loss %.3f", r->loss);
    return emit(x,
                json_pack("{s:s, s:i, s:s, s:I, s:I, s:f, s:f, s:f, s:I, s:f}", "event", "step", "task", x->task + 1,
                          "name", x->tasks[x->task].data.name, "step", (json_int_t)r->step, "epoch",
                          (json_int_t)r->epoch, "loss", r->loss, "grad_norm", r->grad_norm, "learning_rate",
                          r->learning_rate, "tokens", (json_int_t)r->tokens, "seconds", r->seconds),
                err);
}

static json_t *eval_event(const Experiment *x, const EvalRecord *r, int task, bool final)
{
    return json_pack("{s:s, s:i, s:i, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:b}", "event", "eval", "after_task",
                     x->task + 1, "task", task + 1, "name", x->tasks[task].data.name, "epoch", (json_int_t)r->epoch,
                     "step", (json_int_t)r->step, "rows", (json_int_t)r->rows, "correct", (json_int_t)r->correct,
                     "accuracy", (double)r->correct / r->rows, "loss", r->loss, "final", final);
}

/* A final evaluation. From the second on it also tells how many rows changed sides since the task's own training. */
static json_t *final_event(Experiment *x, const EvalRecord *r, int task)
{
    TaskState *state = &x->tasks[task];
    json_t *event = eval_event(x, r, task, true);
    uint32_t lost = 0, gained = 0;
    if (task == x->task) state->right = arena_new(&x->method_arena, bool, r->rows);
    for (uint32_t i = 0; i < r->rows; i++) {
        const bool right = r->prediction[i] == state->data.eval.labels[i];
        if (task == x->task) state->right[i] = right;
        lost += state->right[i] && !right;
        gained += !state->right[i] && right;
    }
    if (task != x->task) {
        json_object_set_new(event, "lost", json_integer(lost));
        json_object_set_new(event, "gained", json_integer(gained));
    }
    return event;
}

static bool on_eval(void *context, const EvalRecord *r, Err *err)
{
    Experiment *x = context;
    return emit(x, eval_event(x, r, x->task, false), err);
}

static void predictions_print(Experiment *x, const char *format, ...) PRINTF(2, 3);
static void predictions_print(Experiment *x, const char *format, ...)
{
    char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (const char *p = text; *p; p++) *dyn_push(&x->method_arena, &x->predictions) = *p;
}

/* The row of the accuracy matrix: every task seen so far, with its own head (and adapter). */
static bool evaluate_all(Experiment *x, uint32_t step, Err *err)
{
    for (int j = 0; j <= x->task; j++) {
        const Training t = training_of(x, x->strategy, x->seed, j);
        const TaskData *data = &x->tasks[j].data;
        Arena scratch = {0};
        EvalRecord r;
        bool ok = evaluate(&x->device, &scratch, &x->model, t.lora, t.head, &t.weights, &data->eval,
                           t.hyper.eval_batch_size, &r, err);
        r.step = step;
        r.epoch = t.hyper.epochs - 1;
        ok = ok && emit(x, final_event(x, &r, j), err);
        for (uint32_t i = 0; i < r.rows && ok; i++) {
            predictions_print(x, "%s\t%u\t%d\t%d\t%u\t%u\t%u\t", x->strategy->name, x->seed, x->task + 1, j + 1, i + 1,
                              data->eval.labels[i], r.prediction[i]);
            for (uint32_t c = 0; c < r.classes; c++)
                predictions_print(x, "%s%.7g", c ? " " : "", (double)r.logits[(size_t)i * r.classes + c]);
            predictions_print(x, "\n");
        }
        arena_free(&scratch);
        if (!ok) return false;
    }
    return true;
}

static bool first_task_is_shared(const Strategy *a, const Strategy *b)
{
    return (a->adapters == ADAPTERS_NONE) == (b->adapters == ADAPTERS_NONE);
}

/* Whether a method that comes after the one at work trains the first task in the same way. */
static bool first_task_is_wanted(const Experiment *x)
{
    bool after = false;
    for (int i = 0; i < x->plan->method_count; i++) {
        const Strategy *other = x->plan->methods[i];
        if (after && first_task_is_shared(x->strategy, other)) return true;
        if (other == x->strategy) after = true;
    }
    return false;
}

static void copy_floats(Experiment *x, f32p from, f32p to, size_t floats)
{
    RUN(&x->device, copy, .x = from, .y = to, .n = (u32)floats);
}

static void first_task_forget(Experiment *x)
{
    json_decref(x->first.events);
    x->first = (FirstTask){0};
    device_arena_free(&x->first_memory);
    x->first_memory.device = &x->device;
}

static void first_task_keep(Experiment *x, const Training *t)
{
    first_task_forget(x);
    x->first = (FirstTask){.strategy = x->strategy, .seed = x->seed, .events = json_incref(x->recording)};
    x->first.head = device_f32(&x->first_memory, t->head->layout.floats);
    copy_floats(x, t->weights.head, x->first.head, t->head->layout.floats);
    if (t->lora) {
        x->first.adapter = device_f32(&x->first_memory, t->lora->layout.floats);
        copy_floats(x, t->weights.adapter, x->first.adapter, t->lora->layout.floats);
    }
    if (t->train_encoder) {
        x->first.encoder = device_f32(&x->first_memory, t->model->encoder.floats);
        copy_floats(x, t->weights.encoder, x->first.encoder, t->model->encoder.floats);
    }
}

/* Takes over the first task's training from an earlier method of the same seed; its events are told again. */
static bool first_task_reuse(Experiment *x, const Training *t, bool *reused, Err *err)
{
    *reused = x->first.strategy && x->first.seed == x->seed && first_task_is_shared(x->first.strategy, x->strategy);
    if (!*reused) return true;
    copy_floats(x, x->first.head, t->weights.head, t->head->layout.floats);
    if (t->lora) copy_floats(x, x->first.adapter, t->weights.adapter, t->lora->layout.floats);
    if (t->train_encoder) {
        copy_floats(x, x->first.encoder, t->weights.encoder, t->model->encoder.floats);
        x->encoder_is_base = false;
    }
    size_t i;
    json_t *event;
    json_array_foreach(x->first.events, i, event)
    {
        if (!emit(x, json_incref(event), err)) return false;
        x->method_step += strcmp(json_string_value(json_object_get(event, "event")), "step") == 0;
    }
    return true;
}

static bool train_one(Experiment *x, Err *err)
{
    const Training t = training_of(x, x->strategy, x->seed, x->task);
    const TrainObserver observer = {x, on_step, on_eval};
    bool reused = false;
    if (t.lora && (x->task == 0 || x->strategy->adapters == ADAPTERS_PER_TASK))
        start_adapter(x, t.weights.adapter, x->seed, x->task);
    if (x->task == 0 && !first_task_reuse(x, &t, &reused, err)) return false;
    if (reused) return true;
    if (x->task == 0 && first_task_is_wanted(x)) x->recording = json_array();
    if (t.train_encoder) x->encoder_is_base = false;
    bool ok = train_task(&x->device, &t, &observer, err);
    if (ok && x->recording) first_task_keep(x, &t);
    json_decref(x->recording);
    x->recording = NULL;
    return ok;
}

static bool run_method(Experiment *x, const Strategy *strategy, uint32_t seed, Err *err)
{
    const Plan *plan = x->plan;
    const double begun = clock_seconds();
    x->strategy = strategy;
    x->seed = seed;
    x->method_step = x->method_steps = 0;
    for (int i = 0; i < plan->task_count; i++)
        x->method_steps += train_steps(&plan->hyper, x->tasks[i].data.train.rows);
    progress_begin(&x->progress, plan->quiet, x->method_steps, plan->seed_count > 1 ? "%s, seed %u" : "%s",
                   strategy->name, seed);
    bool ok = experiment_weights(x, seed, err);
    for (x->task = 0; x->task < plan->task_count && ok; x->task++)
        ok = train_one(x, err) && evaluate_all(x, train_steps(&plan->hyper, x->tasks[x->task].data.train.rows), err);
    progress_end(&x->progress);
    if (ok) {
        const Training t = training_of(x, strategy, seed, 0);
        const double seconds = clock_seconds() - begun;
        ok =
            journal_predictions(&x->journal, (Str){x->predictions.at, x->predictions.count}, err) &&
            journal_event(&x->journal,
                          json_pack("{s:s, s:s, s:I, s:I, s:f}", "event", "method", "method", strategy->name, "seed",
                                    (json_int_t)seed, "trainable", (json_int_t)train_trainable(&t), "seconds", seconds),
                          err);
        if (ok && !plan->quiet)
            fprintf(stderr, "%-10s %s%u  %u steps, %.0f s\n", strategy->name, "seed ", seed, x->method_steps, seconds);
    }
    x->predictions.at = NULL;
    x->predictions.count = x->predictions.capacity = 0;
    arena_free(&x->method_arena);
    return ok;
}

/* ---- the plan in words ---- */

static json_t *task_event(const TaskState *state, const TaskSource *source)
{
    const TaskData *data = &state->data;
    json_t *names = json_array();
    for (uint32_t c = 0; c < data->classes; c++) json_array_append_new(names, json_string(data->class_names[c]));
    return json_pack(
        "{s:s, s:I, s:o, s:I, s:I, s:I, s:f, s:f, s:s, s:s}", "name", data->name, "classes", (json_int_t)data->classes,
        "class_names", names, "train_rows", (json_int_t)data->train.rows, "eval_rows", (json_int_t)data->eval.rows,
        "skipped_rows", (json_int_t)(data->train.skipped + data->eval.skipped), "majority_rate",
        split_majority_rate(&data->eval, data->classes), "tokens_per_row",
        (double)data->train.starts[data->train.rows] / data->train.rows, "train", source->train, "eval", source->eval);
}

static json_t *run_event(const Experiment *x, const json_t *options)
{
    const Plan *plan = x->plan;
    const ModelConfig *c = &x->model.config;
    json_t *tasks = json_array(), *methods = json_array(), *seeds = json_array();
    for (int i = 0; i < plan->task_count; i++) json_array_append_new(tasks, task_event(&x->tasks[i], &plan->tasks[i]));
    for (int i = 0; i < plan->method_count; i++) json_array_append_new(methods, json_string(plan->methods[i]->name));
    for (int i = 0; i < plan->seed_count; i++) json_array_append_new(seeds, json_integer(plan->seeds[i]));
    json_t *model = json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:b}", "name", x->model_name, "family",
                              c->family == FAMILY_BERT ? "bert" : "roberta", "layers", (json_int_t)c->layers, "hidden",
                              (json_int_t)c->hidden, "parameters", (json_int_t)x->model.encoder.floats, "sha256",
                              x->model_sha256, "fresh_pooler", x->fresh_pooler);
    const Hyper *h = &plan->hyper;
    json_t *event = json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:s, s:o, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:I, s:f, s:f}", "event",
        "run", "version", LETHE_VERSION, "tasks", tasks, "methods", methods, "seeds", seeds, "preset", plan->preset,
        "model", model, "device", x->device.name, "threads", threads_count(), "epochs", (json_int_t)h->epochs,
        "batch_size", (json_int_t)h->batch_size, "eval_batch_size", (json_int_t)h->eval_batch_size, "max_steps",
        (json_int_t)h->max_steps, "max_length", (json_int_t)plan->max_length, "learning_rate", (double)h->learning_rate,
        "lora_learning_rate", (double)plan->lora_learning_rate, "weight_decay", (double)h->weight_decay, "lora_r",
        (json_int_t)plan->lora_r, "lora_alpha", (double)plan->lora_alpha, "lora_drop", (double)plan->lora_drop);
    (void)options;
    return event;
}

/* config.json: `options` repeats the run; `identity` is what makes two runs the same run. */
static json_t *run_config(const Experiment *x, const json_t *options)
{
    json_t *identity = json_deep_copy(options);
    static const char *const beside[] = {"threads", "device", "out"}; /* do not change what is computed */
    for (size_t i = 0; i < COUNT(beside); i++) json_object_del(identity, beside[i]);
    json_t *data = json_array();
    for (int i = 0; i < x->plan->task_count; i++) {
        json_array_append_new(data, json_string(x->tasks[i].data.train_sha256));
        json_array_append_new(data, json_string(x->tasks[i].data.eval_sha256));
    }
    json_object_set_new(identity, "model_sha256", json_string(x->model_sha256));
    json_object_set_new(identity, "data_sha256", data);
    return json_pack("{s:s, s:O, s:o, s:s, s:i}", "version", LETHE_VERSION, "options", options, "identity", identity,
                     "device", x->device.name, "threads", threads_count());
}

static uint64_t memory_needed(const Experiment *x, uint64_t *largest_training)
{
    uint64_t most = 0;
    for (int m = 0; m < x->plan->method_count; m++)
        for (int i = 0; i < x->plan->task_count; i++) {
            const Training t = training_of(x, x->plan->methods[m], 0, i);
            const uint64_t bytes = train_memory_bytes(&x->device, &t);
            if (bytes > most) most = bytes;
        }
    *largest_training = most;
    /* While a checkpoint is loaded, it stands in memory beside the encoder, and so does its widened copy. */
    const uint64_t encoder = (uint64_t)x->model.encoder.floats * sizeof(float), loading = 2 * encoder;
    return encoder + (most > loading ? most : loading);
}

static bool check_memory(const Experiment *x, Err *err)
{
    uint64_t training, need = memory_needed(x, &training), have = device_memory_bytes(&x->device);
    if (need <= have) return true;
    return fail(err,
                "this run needs about %.1f GB of memory, but %.1f GB are free%s%s; use a smaller --batch-size or "
                "--max-length, --method lora, or a smaller model%s",
                (double)need * 1e-9, (double)have * 1e-9, x->device.vulkan ? " on " : "",
                x->device.vulkan ? x->device.name : "", x->device.vulkan ? ", or --device cpu" : "");
}

static void print_plan(const Experiment *x)
{
    const Plan *plan = x->plan;
    uint64_t training;
    printf("model    %s: %s, %u layers, hidden %u, %.1f M parameters\n", x->model_name,
           x->model.config.family == FAMILY_BERT ? "BERT" : "RoBERTa", x->model.config.layers, x->model.config.hidden,
           (double)x->model.encoder.floats * 1e-6);
    printf("device   %s\n", x->device.name);
    for (int i = 0; i < plan->task_count; i++) {
        const TaskData *data = &x->tasks[i].data;
        printf("task %-3d %s: %u classes, %u rows to train, %u to evaluate, %.1f tokens a row, majority class %.1f%%\n",
               i + 1, data->name, data->classes, data->train.rows, data->eval.rows,
               (double)data->train.starts[data->train.rows] / data->train.rows,
               100 * split_majority_rate(&data->eval, data->classes));
    }
    for (int m = 0; m < plan->method_count; m++) {
        const Training t = training_of(x, plan->methods[m], 0, 0);
        printf("method   %-9s %zu trainable parameters, learning rate %g, %u epochs of batches of %u\n",
               plan->methods[m]->name, train_trainable(&t), (double)t.hyper.learning_rate, t.hyper.epochs,
               t.hyper.batch_size);
    }
    printf("memory   %.2f GB needed, %.1f GB free\n", (double)memory_needed(x, &training) * 1e-9,
           (double)device_memory_bytes(&x->device) * 1e-9);
}

/* How long the run will take: a few real steps of the first task, in the plan's own sizes. */
static bool on_trial_step(void *context, const StepRecord *r, Err *err)
{
    (void)err;
    double *seconds_per_token = context;
    *seconds_per_token = r->seconds / r->tokens;
    return true;
}
static bool on_trial_eval(void *context, const EvalRecord *r, Err *err)
{
    (void)context, (void)r, (void)err;
    return true;
}

static bool print_time(Experiment *x, Err *err)
{
    const Plan *plan = x->plan;
    double total = 0;
    for (int m = 0; m < plan->method_count; m++) {
        Training t = training_of(x, plan->methods[m], 0, 0);
        double seconds_per_token = 0;
        const TrainObserver observer = {&seconds_per_token, on_trial_step, on_trial_eval};
        Split few = *t.eval;
        if (few.rows > 32) few.rows = 32;
        t.eval = &few;
        t.hyper.max_steps = 8;
        if (!experiment_weights(x, 0, err)) return false;
        if (t.lora) start_adapter(x, t.weights.adapter, 0, 0);
        if (t.train_encoder) x->encoder_is_base = false;
        if (!train_task(&x->device, &t, &observer, err)) return false;
        for (int i = 0; i < plan->task_count; i++) {
            const TaskData *data = &x->tasks[i].data;
            const double passes =
                (double)train_steps(&plan->hyper, data->train.rows) * plan->hyper.batch_size / data->train.rows;
            const double evals = (double)(plan->hyper.epochs + (uint32_t)(plan->task_count - i)) / 3; /* forward only */
            total += seconds_per_token * (passes * (double)data->train.starts[data->train.rows] +
                                          evals * (double)data->eval.starts[data->eval.rows]);
        }
    }
    printf("time     about %.0f s, by eight trial steps of each method\n", total * plan->seed_count);
    return true;
}

/* ---- the run ---- */

static bool model_sha256(Experiment *x, Err *err)
{
    const ModelSource *source = &x->plan->model;
    Arena scratch = {0};
    Safetensors file = {0};
    bool ok = true;
    if (!source->folder) {
        sha256_hex(source->weights, x->model_sha256);
    } else if ((ok = source_weights(&scratch, source, &file, err))) {
        sha256_hex(file.bytes, x->model_sha256);
        safetensors_close(&file);
    }
    arena_free(&scratch);
    return ok;
}

static bool experiment_open(Experiment *x, Err *err)
{
    const Plan *plan = x->plan;
    Tokenizer *tokenizer = NULL;
    ModelConfig config;
    x->model_name = plan->model.name;
    if (!device_open(&x->device, plan->device, plan->threads, err)) return false;
    x->memory.device = x->first_memory.device = &x->device;
    if (!source_config(&x->arena, &plan->model, &config, err) ||
        !model_source_tokenizer(&x->arena, &plan->model, &tokenizer, err))
        return false;
    if (tokenizer_vocab_size(tokenizer) > config.vocab)
        return fail(
            err,
            "%s: the tokenizer has %u tokens, but config.json's vocab_size is %u; the files do not belong together",
            plan->model.name, tokenizer_vocab_size(tokenizer), config.vocab);
    if (plan->max_length > config.positions - config.position_base)
        return fail_usage(err, "--max-length %u: this model takes at most %u tokens", plan->max_length,
                          config.positions - config.position_base);
    model_layout(&x->arena, &config, &x->model);
    x->lora =
        (Lora){.r = plan->lora_r, .targets = plan->lora_targets, .alpha = plan->lora_alpha, .drop = plan->lora_drop};
    lora_layout(&x->arena, &config, &x->lora);
    if (!experiment_tasks(x, tokenizer, err) || !check_memory(x, err) || !model_sha256(x, err)) return false;

    x->encoder = device_f32(&x->memory, x->model.encoder.floats);
    x->shared_adapter = device_f32(&x->memory, x->lora.layout.floats);
    for (int i = 0; i < plan->task_count; i++) {
        x->tasks[i].head_w = device_f32(&x->memory, x->tasks[i].head.layout.floats);
        x->tasks[i].adapter_w = device_f32(&x->memory, x->lora.layout.floats);
    }
    return experiment_weights(x, plan->seeds[0],
                              err); /* before anything is written: a damaged checkpoint leaves nothing behind */
}

static bool run_everything(Experiment *x, const json_t *options, Err *err)
{
    const Plan *plan = x->plan;
    bool done = false, fresh = true;
    json_t *config = run_config(x, options);
    bool ok = journal_open(&x->journal, plan, config, &done, &fresh, err);
    json_decref(config);
    if (ok && done) {
        if (!plan->quiet) fprintf(stderr, "%s holds this very run, finished; --force would do it again\n", plan->out);
        return true;
    }
    if (ok && fresh) ok = journal_event(&x->journal, run_event(x, options), err);
    for (int s = 0; s < plan->seed_count && ok; s++)
        for (int m = 0; m < plan->method_count && ok; m++)
            if (!journal_is_finished(&x->journal, plan->methods[m]->name, plan->seeds[s]))
                ok = run_method(x, plan->methods[m], plan->seeds[s], err);
    if (ok)
        ok = journal_event(&x->journal,
                           json_pack("{s:s, s:f, s:I}", "event", "done", "seconds", clock_seconds() - x->started,
                                     "peak_bytes", (json_int_t)memory_peak_bytes()),
                           err);
    return ok;
}

static void experiment_close(Experiment *x)
{
    journal_close(&x->journal);
    first_task_forget(x);
    device_arena_free(&x->memory);
    arena_free(&x->method_arena);
    arena_free(&x->arena);
    device_close(&x->device);
}

bool experiment_run(const Plan *plan, const json_t *options, Err *err)
{
    Experiment *x = &(Experiment){.plan = plan, .started = clock_seconds(), .journal.log = LOG_CLOSED};
    bool ok = experiment_open(x, err);
    if (ok && plan->dry_run) {
        print_plan(x);
        ok = print_time(x, err);
    } else if (ok) {
        ok = run_everything(x, options, err);
    }
    experiment_close(x);
    return ok;
}

#include "bench.c"
