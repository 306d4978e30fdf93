#include "experiment.h"

#include <stdio.h>

/* The plan in words: the run event, config.json, what a dry run prints, and whether the memory is there. */

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
    static const char *const beside[] = {"threads", "device", "out", "keep-models"}; /* do not change what is computed */
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
