#include "experiment.h"

#include <stdlib.h>
#include <string.h>

/* One method with one seed: its trainings, evaluations and events. */

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

#include "first_task.c"
#include "models.c"

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
            models_keep(x, err) && journal_predictions(&x->journal, (Str){x->predictions.at, x->predictions.count}, err) &&
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
