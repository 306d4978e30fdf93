#include "experiment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One method with one seed: its trainings, evaluations and events. */

static Training training_of(const Experiment *x, const Method *method, uint32_t seed, int task)
{
    const TaskState *state = &x->tasks[task];
    Training t = {.model = &x->model, .head = &state->head, .train = &state->data.train, .eval = &state->data.eval};
    t.choose = state->choose;
    t.hyper = x->plan->hyper;
    t.seed = seed;
    t.task = (uint32_t)task;
    t.earlier = x->earlier;
    t.joint = method->joint;
    t.train_encoder = method->trains == TRAINS_ENCODER;
    t.weights = (Weights){.encoder = x->encoder, .head = state->head_w};
    if (method->own_rate) t.hyper.learning_rate = (float)*strategy_values(&x->plan->values, method->own_rate);
    if (method->trains == TRAINS_ADAPTER || method->trains == TRAINS_ADAPTER_EACH) {
        t.lora = &x->lora;
        t.hyper.learning_rate = x->plan->lora_learning_rate;
        t.weights.adapter = method->trains == TRAINS_ADAPTER ? x->shared_adapter : state->adapter_w;
    }
    return t;
}

/* Writes an event for the method at work, and keeps a copy while a training is recorded. */
static bool emit(Experiment *x, json_t *body, Err *err)
{
    if (x->recording) json_array_append(x->recording, body);
    json_t *event = json_pack("{s:O, s:s, s:I}", "event", json_object_get(body, "event"), "method", x->method->name,
                              "seed", (json_int_t)x->seed);
    json_object_update_missing(event, body);
    json_decref(body);
    return journal_event(&x->journal, event, err);
}

/* Events of a training as they were recorded. */
static bool tell_again(Experiment *x, const json_t *events, Err *err)
{
    size_t i;
    json_t *event;
    json_array_foreach(events, i, event)
    {
        if (!emit(x, json_incref(event), err)) return false;
        x->method_step += strcmp(json_string_value(json_object_get(event, "event")), "step") == 0;
    }
    return true;
}

#include "shared.c"
#include "checkpoint.c"

static bool on_step(void *context, const StepRecord *r, Err *err)
{
    Experiment *x = context;
    checkpoint_say(x);
    Arena scratch = {0};
    progress_step(&x->progress, ++x->method_step, "loss %s", format_decimal(&scratch, r->loss, 3));
    arena_free(&scratch);
    json_t *event = json_pack("{s:s, s:i, s:s, s:I, s:I, s:f, s:f, s:f, s:I, s:f}", "event", "step", "task",
                              x->task + 1, "name", x->tasks[x->task].data.name, "step", (json_int_t)r->step, "epoch",
                              (json_int_t)r->epoch, "loss", r->loss, "grad_norm", r->grad_norm, "learning_rate",
                              r->learning_rate, "tokens", (json_int_t)r->tokens, "seconds", r->seconds);
    if (!isnan(r->penalty)) json_object_set_new(event, "penalty", json_real(r->penalty));
    return emit(x, event, err);
}

static json_t *eval_event(const Experiment *x, const EvalRecord *r, int task, bool final)
{
    return json_pack("{s:s, s:i, s:i, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:b}", "event", "eval", "after_task",
                     x->task + 1, "task", task + 1, "name", x->tasks[task].data.name, "epoch", (json_int_t)r->epoch,
                     "step", (json_int_t)r->step, "rows", (json_int_t)r->rows, "correct", (json_int_t)r->correct,
                     "accuracy", (double)r->correct / r->rows, "loss", r->loss, "final", final);
}

/* Keeps the evaluation of the epoch whose weights train_task will leave, so that it need not be made again. A joint
 * training's best epoch is not the one that is best on the new task. */
static void best_eval_keep(Experiment *x, const EvalRecord *r)
{
    if ((int)r->task != x->task || x->plan->keep_epoch != KEEP_EPOCH_EVAL || x->method->joint ||
        !(r->loss < x->best.loss))
        return;
    const size_t logits = (size_t)r->rows * r->classes;
    x->best = *r;
    x->best.prediction = arena_new(&x->method_arena, uint32_t, r->rows);
    x->best.logits = arena_new(&x->method_arena, float, logits);
    memcpy(x->best.prediction, r->prediction, r->rows * sizeof *r->prediction);
    memcpy(x->best.logits, r->logits, logits * sizeof *r->logits);
}

/* Whether that is all there is to know of task j with the weights at hand: states matter only to later tasks. */
static bool best_eval_tells(const Experiment *x, int j)
{
    return j == x->task && x->best.logits && (x->plan->no_diagnostics || x->task + 1 == x->plan->task_count);
}

static bool on_eval(void *context, const EvalRecord *r, Err *err)
{
    Experiment *x = context;
    json_t *event = eval_event(x, r, (int)r->task, false);
    if (x->plan->keep_epoch == KEEP_EPOCH_HELD_OUT) json_object_set_new(event, "held_out", json_true());
    best_eval_keep(x, r);
    return emit(x, event, err);
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

/* Predictions on the evaluation rows of task j, with its own head (and adapter). */
static bool evaluate_one(Experiment *x, Arena *arena, int j, EvalRecord *r, Err *err)
{
    const Training t = training_of(x, x->method, x->seed, j);
    return evaluate(&x->device, arena, &x->model, t.lora, t.head, &t.weights, t.eval, t.hyper.eval_batch_size, r, err);
}

#include "row_outcomes.c"
#include "diagnose.c"

/* The row of the accuracy matrix: every task seen so far. */
static bool evaluate_all(Experiment *x, Err *err)
{
    for (int j = 0; j <= x->task; j++) {
        const TaskData *data = &x->tasks[j].data;
        SharedTask *shared = x->passing;
        const bool known = shared && shared->final[j].logits;
        /* what the diagnostics come back to stays until the method is done */
        const bool kept = j == x->task || x->task + 1 == x->plan->task_count;
        Arena scratch = {0}, *arena = shared ? &shared->arena : kept ? &x->method_arena : &scratch;
        EvalRecord r;
        const bool told = !shared && best_eval_tells(x, j); /* what is shared outlives the method */
        const bool swept = x->swept[j].logits != NULL;
        if (known) r = shared->final[j];
        if (told) r = x->best;
        if (swept) r = x->swept[j];
        bool ok = known || told || swept || diagnose_evaluate(x, arena, j, &r, err);
        if (ok && shared) shared->final[j] = r;
        r.step = x->kept.step;
        r.epoch = x->kept.epoch;
        ok = ok && tell_final(x, j, &r, err) && diagnose_drift(x, j, &r, err);
        for (uint32_t i = 0; i < r.rows && ok; i++) {
            predictions_print(x, "%s\t%u\t%d\t%d\t%u\t%u\t%u\t", x->method->name, x->seed, x->task + 1, j + 1, i + 1,
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

/* Whether a sweep's first and last point have been evaluated before: old tasks by the weights before the training, all
 * by those behind it when another method has come there. */
static bool sweep_knows(const Experiment *x, int j, double alpha, EvalRecord *r)
{
    const TaskState *state = &x->tasks[j];
    *r = (EvalRecord){.rows = state->data.eval.rows};
    for (uint32_t i = 0; i < r->rows && alpha == 0 && j < x->task; i++) r->correct += state->latest.right[i];
    if (alpha == 1 && x->passing && x->passing->final[j].logits) *r = x->passing->final[j];
    return (alpha == 0 && j < x->task) || r->logits;
}

/* A point of a sweep: every task seen so far, with the weights as they are. */
static bool on_sweep(void *context, double alpha, bool stays, Err *err)
{
    Experiment *x = context;
    for (int j = 0; j <= x->task; j++) {
        Arena scratch = {0};
        EvalRecord r;
        bool ok = sweep_knows(x, j, alpha, &r) ||
                  (stays ? diagnose_evaluate(x, &x->method_arena, j, &r, err) : evaluate_one(x, &scratch, j, &r, err));
        if (ok && stays && r.logits) x->swept[j] = r;
        ok = ok && emit(x,
                        json_pack("{s:s, s:i, s:i, s:s, s:f, s:I, s:I}", "event", "sweep", "after_task", x->task + 1,
                                  "task", j + 1, "name", x->tasks[j].data.name, "alpha", alpha, "rows",
                                  (json_int_t)r.rows, "correct", (json_int_t)r.correct),
                        err);
        arena_free(&scratch);
        if (!ok) return false;
    }
    return true;
}

#include "models.c"

/* ---- strategies at work ---- */

static void *own_new(const Experiment *x, const Strategy *strategy, Arena *arena, DeviceArena *memory)
{
    void *own = arena_alloc(arena, 1, strategy->own_bytes > sizeof(Own) ? strategy->own_bytes : sizeof(Own));
    *(Own *)own = (Own){strategy_values(&x->plan->values, strategy), arena, memory};
    return own;
}

static Moment moment_of(Experiment *x, const Training *t, Shelf *shelf)
{
    Moment at = {.device = &x->device, .training = t, .more = x->task + 1 < x->plan->task_count, .shelf = shelf};
    at.layout = t->train_encoder ? &t->model->encoder : t->lora ? &t->lora->layout : NULL;
    at.w = t->train_encoder ? t->weights.encoder : t->weights.adapter;
    at.sweep = on_sweep;
    at.context = x;
    return at;
}

/* Strategies of this method and of those that will share its first task, which want to watch it. */
static int watchers_of(const Experiment *x, const Strategy **watch)
{
    int count = 0;
    for (int s = 0; s < strategy_count; s++) {
        bool wanted = false, here = false;
        for (int m = 0; m < x->plan->method_count; m++) {
            const Method *method = x->plan->methods[m];
            here = here || method == x->method;
            for (int p = 0; p < method->parts && here && training_is_shared(x->method, method, 0); p++)
                wanted = wanted || method->part[p] == strategies[s];
        }
        if (wanted && strategies[s]->watched) watch[count++] = strategies[s];
    }
    return count;
}

/* Trains the first task with every watcher, and puts what they saw on the shelf. */
static bool train_watched(Experiment *x, Training *t, const TrainObserver *observer, Err *err)
{
    const Strategy *watch[STRATEGY_MAX];
    TrainHook hook[STRATEGY_MAX];
    const int count = watchers_of(x, watch);
    Arena arena = {0};
    DeviceArena memory = {.device = &x->device};
    for (int i = 0; i < count; i++) hook[i] = (TrainHook){&watch[i]->watch, own_new(x, watch[i], &arena, &memory)};
    t->hooks = hook;
    t->hook_count = count;
    bool ok = train_task(&x->device, t, observer, &x->kept, err);
    if (ok && shared_is_wanted(x, x->method, x->task)) x->passing = shared_keep(x, t);
    const Moment at = moment_of(x, t, x->passing ? &x->passing->shelf : &x->shelf);
    for (int i = 0; i < count && ok; i++) ok = watch[i]->watched(hook[i].own, &at, err);
    device_arena_free(&memory);
    arena_free(&arena);
    return ok;
}

static bool train_hooked(Experiment *x, Training *t, const TrainObserver *observer, Err *err)
{
    TrainHook hook[METHOD_MAX_PARTS];
    for (int i = 0; i < x->method->parts; i++) hook[i] = (TrainHook){&x->method->part[i]->hooks, x->own[i]};
    t->hooks = hook;
    t->hook_count = x->method->parts;
    if (!train_task(&x->device, t, observer, &x->kept, err)) return false;
    if (shared_is_wanted(x, x->method, x->task)) x->passing = shared_keep(x, t);
    return true;
}

static bool train_new(Experiment *x, Training *t, Err *err)
{
    const TrainObserver observer = {x, on_step, on_eval};
    if (!checkpoint_attach(x, t, err)) return false;
    x->recording = json_array();
    diagnose_curve(x, t);
    const bool ok = x->task == 0 ? train_watched(x, t, &observer, err) : train_hooked(x, t, &observer, err);
    json_decref(x->recording);
    x->recording = NULL;
    return ok;
}

/* What a training has left may be changed before anything remembers it. The weights are then the method's own. */
static bool change_weights(Experiment *x, const Training *t, Err *err)
{
    const Moment at = moment_of(x, t, NULL);
    if (!x->method->changes_result || x->task == 0) return true;
    for (int i = 0; i < x->method->parts; i++)
        if (x->method->part[i]->change && !x->method->part[i]->change(x->own[i], &at, err)) return false;
    x->passing = NULL;
    x->best = (EvalRecord){0};
    return true;
}

static bool remember_weights(Experiment *x, const Training *t, Err *err)
{
    const Moment at = moment_of(x, t, x->passing ? &x->passing->shelf : &x->shelf);
    for (int i = 0; i < x->method->parts; i++)
        if (x->method->part[i]->end && !x->method->part[i]->end(x->own[i], &at, err)) return false;
    return true;
}

static bool train_one(Experiment *x, Err *err)
{
    Training t = training_of(x, x->method, x->seed, x->task);
    const Method *method = x->method;
    shelf_clear(&x->shelf);
    x->best = (EvalRecord){.loss = INFINITY};
    memset(x->swept, 0, sizeof x->swept);
    if (t.joint && x->task > 0 && !experiment_weights(x, x->seed, err)) return false;
    if (t.lora && (x->task == 0 || method->trains == TRAINS_ADAPTER_EACH))
        start_adapter(x, t.weights.adapter, x->seed, x->task);
    const Moment before = moment_of(x, &t, NULL);
    for (int i = 0; i < method->parts && x->task == 0; i++)
        if (method->part[i]->start && !method->part[i]->start(x->own[i], &before, err)) return false;
    x->passing = shared_find(x);
    if (method->changes_encoder) x->encoder_is_base = false;
    if (x->passing ? !shared_restore(x, x->passing, &t, err) : !train_new(x, &t, err)) return false;
    return change_weights(x, &t, err) && remember_weights(x, &t, err);
}

static bool run_method(Experiment *x, const Method *method, uint32_t seed, Err *err)
{
    const Plan *plan = x->plan;
    const double begun = clock_seconds();
    x->method = method;
    x->seed = seed;
    x->method_step = x->method_steps = 0;
    for (int i = 0; i < plan->task_count; i++) {
        const Training t = training_of(x, method, seed, i);
        x->method_steps += train_total_steps(&t);
    }
    for (int i = 0; i < method->parts; i++)
        x->own[i] = own_new(x, method->part[i], &x->method_arena, &x->method_memory);
    progress_begin(&x->progress, plan->quiet, x->method_steps, plan->seed_count > 1 ? "%s, seed %u" : "%s",
                   method->name, seed);
    x->diagnosis.seconds = x->diagnosis.curve_seconds = x->checkpoint.seconds = x->checkpoint.spent = 0;
    bool ok = experiment_weights(x, seed, err) && probe_checkpoint(x, err);
    for (x->task = 0; x->task < plan->task_count && ok; x->task++) {
        ok = train_one(x, err) && evaluate_all(x, err) && diagnose_task(x, err);
    }
    progress_end(&x->progress);
    if (ok) {
        const Training t = training_of(x, method, seed, 0);
        const double seconds = clock_seconds() - begun + x->checkpoint.seconds;
        ok = models_keep(x, err) &&
             journal_predictions(&x->journal, (Str){x->predictions.at, x->predictions.count}, err) &&
             journal_event(&x->journal,
                           json_pack("{s:s, s:s, s:I, s:I, s:f, s:f, s:f, s:f}", "event", "method", "method",
                                     method->name, "seed", (json_int_t)seed, "trainable",
                                     (json_int_t)train_trainable(&t), "curve_seconds", x->diagnosis.curve_seconds,
                                     "diagnostics_seconds", x->diagnosis.seconds, "checkpoint_seconds",
                                     x->checkpoint.spent, "seconds", seconds),
                           err);
        if (ok) journal_finish(&x->journal, method->name, seed);
        if (ok && !plan->quiet)
            fprintf(stderr, "%-10s seed %u  %u steps, %s\n", method->name, seed, x->method_steps,
                    format_duration(&x->method_arena, seconds));
    }
    x->predictions.at = NULL;
    x->predictions.count = x->predictions.capacity = 0;
    device_arena_free(&x->diagnosis.memory);
    arena_free(&x->method_arena);
    device_arena_free(&x->method_memory);
    shared_forget(x, false);
    if (ok && x->checkpoint.folder) checkpoint_tidy(x, false);
    return ok;
}
