#include "state.h"

#include <math.h>
#include <stdlib.h>

/* One method with one seed: its trainings, evaluations and events. */

static bool on_step(void *context, const StepRecord *r, Err *err)
{
    MethodRun *m = context;
    snapshot_say(m);
    Arena scratch = {0};
    progress_leave(&m->progress, outlook_left(m));
    progress_step(&m->progress, ++m->step, "loss %s%s", format_decimal(&scratch, r->loss, 2), m->x->outlook.accuracy);
    arena_free(&scratch);
    json_t *event = json_pack("{s:s, s:i, s:s, s:I, s:I, s:f, s:f, s:f, s:I, s:f}", "event", "step", "task",
                              m->task + 1, "name", m->x->tasks[m->task].data.name, "step", (json_int_t)r->step, "epoch",
                              (json_int_t)r->epoch, "loss", r->loss, "grad_norm", r->grad_norm, "learning_rate",
                              r->learning_rate, "tokens", (json_int_t)r->tokens, "seconds", r->seconds);
    if (!isnan(r->penalty)) json_object_set_new(event, "penalty", json_real(r->penalty));
    return emit(m, event, err);
}

/* Keeps the evaluation of the epoch whose weights train_task will leave, where it is all there is to know of them:
 * states matter only to later tasks. A joint training's best epoch is not the one that is best on the new task. */
static void chosen_epoch_keep(MethodRun *m, const EvalRecord *r)
{
    if ((int)r->task != m->task || !(r->loss < m->lowest)) return;
    m->lowest = r->loss;
    const bool last = m->task + 1 == m->x->plan->task_count;
    if (m->x->plan->keep_epoch == KEEP_EPOCH_EVAL && !m->method->joint && (last || !experiment_diagnoses(m->x)))
        evaluation_keep(m, m->task, r);
}

static bool on_eval(void *context, const EvalRecord *r, Err *err)
{
    MethodRun *m = context;
    json_t *event = eval_event(m, r, (int)r->task, false);
    if (m->x->plan->keep_epoch == KEEP_EPOCH_HELD_OUT) json_object_set_new(event, "held_out", json_true());
    chosen_epoch_keep(m, r);
    return emit(m, event, err);
}

static void predictions_print(MethodRun *m, const char *format, ...) PRINTF(2, 3);
static void predictions_print(MethodRun *m, const char *format, ...)
{
    char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (const char *p = text; *p; p++) *dyn_push(&m->arena, &m->predictions) = *p;
}

/* One line for each row: what the method says to a task's evaluation rows. */
static void predictions_add(MethodRun *m, int task, const EvalRecord *r)
{
    const Split *eval = &m->x->tasks[task].data.eval;
    for (uint32_t i = 0; i < r->rows; i++) {
        predictions_print(m, "%s\t%u\t%d\t%d\t%u\t%u\t%u\t", m->method->name, m->seed, m->task + 1, task + 1, i + 1,
                          eval->labels[i], r->prediction[i]);
        for (uint32_t c = 0; c < r->classes; c++)
            predictions_print(m, "%s%.7g", c ? " " : "", (double)r->logits[(size_t)i * r->classes + c]);
        predictions_print(m, "\n");
    }
}

/* The row of the accuracy matrix: every task seen so far. */
static bool evaluate_all(MethodRun *m, Err *err)
{
    for (int j = 0; j <= m->task; j++) {
        EvalRecord r;
        progress_say(&m->progress, "evaluates %s", m->x->tasks[j].data.name);
        if (!evaluate_kept(m, m->weights, j, &r, err)) return false;
        r.step = m->kept.step;
        r.epoch = m->kept.epoch;
        if (!emit_final(m, j, &r, err) || !diagnose_drift(m, j, &r, err)) return false;
        outlook_accuracy(m, j, r.correct, r.rows);
        predictions_add(m, j, &r);
        /* what the diagnostics come back to stays until the method is done */
        if (j < m->task && m->task + 1 < m->x->plan->task_count) evaluation_forget(m->x, m->weights, j);
    }
    return true;
}

/* What is known of an interpolation's point: its first one is the weights before the training, of which the last
 * evaluation of every old task is there; its last one the weights that the training has left. */
static bool interpolation_knows(const MethodRun *m, int task, double alpha, EvalRecord *r)
{
    *r = (EvalRecord){.rows = m->x->tasks[task].data.eval.rows};
    if (alpha != 0 || task == m->task) return false;
    for (uint32_t i = 0; i < r->rows; i++) r->correct += m->tasks[task].latest.right[i];
    return true;
}

/* A point of an interpolation: every task seen so far, with the weights as they are. The last point are the weights
 * that the training has left; those that stay are evaluated as whatever is final. */
static bool on_interpolation(void *context, double alpha, bool stays, Err *err)
{
    MethodRun *m = context;
    if (alpha == 1 && stays) m->changed = m->weights;
    const bool kept = stays || (alpha == 1 && weights_are_shared(m->x, m->weights));
    const WeightsId weights = alpha == 1 ? m->weights : m->changed;
    for (int j = 0; j <= m->task; j++) {
        Arena scratch = {0};
        EvalRecord r;
        const bool ok = (interpolation_knows(m, j, alpha, &r) ||
                         (kept ? evaluate_kept(m, weights, j, &r, err) : evaluate_once(m, &scratch, j, &r, err))) &&
                        emit(m,
                             json_pack("{s:s, s:i, s:i, s:s, s:f, s:I, s:I}", "event", "interpolation", "after_task",
                                       m->task + 1, "task", j + 1, "name", m->x->tasks[j].data.name, "alpha", alpha,
                                       "rows", (json_int_t)r.rows, "correct", (json_int_t)r.correct),
                             err);
        arena_free(&scratch);
        if (!ok) return false;
    }
    return true;
}

/* ---- its strategies ---- */

static void *own_new(const Experiment *x, const Method *method, const Strategy *strategy, Arena *arena,
                     DeviceArena *memory)
{
    void *own = arena_alloc(arena, 1, strategy->own_bytes > sizeof(Own) ? strategy->own_bytes : sizeof(Own));
    double *values = arena_new(arena, double, STRATEGY_MAX_OPTIONS);
    method_values(method, &x->plan->values, strategy, values);
    *(Own *)own = (Own){values, arena, memory};
    return own;
}

static Moment moment_of(MethodRun *m, const Training *t, Shelf *shelf)
{
    Moment at = {.device = &m->x->device, .training = t, .more = m->task + 1 < m->x->plan->task_count, .shelf = shelf};
    at.layout = t->train_encoder ? &t->model->encoder : t->lora ? &t->lora->layout : NULL;
    at.w = t->train_encoder ? t->weights.encoder : t->weights.adapter;
    at.interpolation = on_interpolation;
    at.context = m;
    return at;
}

/* Strategies of this method and of those that will share its first task, which want to watch it. */
static int watchers_of(const MethodRun *m, const Strategy **watch)
{
    int count = 0;
    for (int s = 0; s < strategy_count; s++) {
        bool wanted = false, here = false;
        for (int i = 0; i < m->x->plan->method_count; i++) {
            const Method *method = m->x->plan->methods[i];
            here = here || method == m->method;
            for (int p = 0; p < method->component_count && here && training_is_shared(m->method, method, 0); p++)
                wanted = wanted || method->component[p] == strategies[s];
        }
        if (wanted && strategies[s]->watched) watch[count++] = strategies[s];
    }
    return count;
}

/* Trains the first task with every watcher, and puts what they saw on the shelf. No watcher goes by its options, which
 * may differ between the methods that share what it sees. */
static bool train_watched(MethodRun *m, Training *t, const TrainObserver *observer, Err *err)
{
    const Strategy *watch[STRATEGY_MAX];
    TrainHook hook[STRATEGY_MAX];
    const int count = watchers_of(m, watch);
    Arena arena = {0};
    DeviceArena memory = {.device = &m->x->device};
    for (int i = 0; i < count; i++)
        hook[i] = (TrainHook){&watch[i]->watch, own_new(m->x, m->method, watch[i], &arena, &memory)};
    t->hooks = hook;
    t->hook_count = count;
    bool ok = train_task(&m->x->device, t, observer, &m->kept, err);
    if (ok && shared_is_wanted(m, m->method, m->task)) m->passing = shared_keep(m, t);
    const Moment at = moment_of(m, t, m->passing ? &m->passing->shelf : &m->shelf);
    for (int i = 0; i < count && ok; i++) ok = watch[i]->watched(hook[i].own, &at, err);
    device_arena_free(&memory);
    arena_free(&arena);
    return ok;
}

static bool train_hooked(MethodRun *m, Training *t, const TrainObserver *observer, Err *err)
{
    TrainHook hook[METHOD_MAX_COMPONENTS];
    for (int i = 0; i < m->method->component_count; i++)
        hook[i] = (TrainHook){&m->method->component[i]->hooks, m->own[i]};
    t->hooks = hook;
    t->hook_count = m->method->component_count;
    if (!train_task(&m->x->device, t, observer, &m->kept, err)) return false;
    if (shared_is_wanted(m, m->method, m->task)) m->passing = shared_keep(m, t);
    return true;
}

static bool train_new(MethodRun *m, Training *t, Err *err)
{
    const TrainObserver observer = {m, on_step, on_eval, m->x->plan->keep_each_epoch ? models_keep_epoch : NULL};
    if (!snapshot_attach(m, t, err)) return false;
    m->recording = json_array();
    diagnose_curve(m, t);
    const bool ok = m->task == 0 ? train_watched(m, t, &observer, err) : train_hooked(m, t, &observer, err);
    json_decref(m->recording);
    m->recording = NULL;
    return ok;
}

/* What a training has left may be changed before anything remembers it. The weights are then the method's own. */
static bool change_weights(MethodRun *m, const Training *t, Err *err)
{
    const Moment at = moment_of(m, t, NULL);
    if (!m->method->changes_result || m->task == 0) return true;
    m->changed = weights_new(m->x);
    for (int i = 0; i < m->method->component_count; i++)
        if (m->method->component[i]->change && !m->method->component[i]->change(m->own[i], &at, err)) return false;
    m->passing = NULL;
    m->weights = m->changed;
    return true;
}

static bool remember_weights(MethodRun *m, const Training *t, Err *err)
{
    const Moment at = moment_of(m, t, m->passing ? &m->passing->shelf : &m->shelf);
    for (int i = 0; i < m->method->component_count; i++)
        if (m->method->component[i]->end && !m->method->component[i]->end(m->own[i], &at, err)) return false;
    return true;
}

static bool train_one(MethodRun *m, Err *err)
{
    Training t = training_of(m->x, m->method, m->seed, m->task);
    const Method *method = m->method;
    shelf_clear(&m->shelf);
    m->lowest = INFINITY;
    progress_say(&m->progress, "trains");
    if (t.joint && m->task > 0 && !experiment_weights(m->x, m->seed, err)) return false;
    const bool again = m->x->plan->tasks[m->task].again; /* then it has its own adapter */
    if (t.lora && (m->task == 0 || (method->trains == TRAINS_ADAPTER_EACH && !again)))
        start_adapter(m->x, t.weights.adapter, m->seed, m->task);
    const Moment before = moment_of(m, &t, NULL);
    for (int i = 0; i < method->component_count && m->task == 0; i++)
        if (method->component[i]->start && !method->component[i]->start(m->own[i], &before, err)) return false;
    m->passing = shared_find(m);
    m->weights = m->passing ? m->passing->weights : weights_new(m->x);
    if (method->changes_encoder) m->x->encoder_is_base = false;
    if (m->passing ? !shared_restore(m, m->passing, &t, err) : !train_new(m, &t, err)) return false;
    return change_weights(m, &t, err) && remember_weights(m, &t, err);
}

/* What is left to do when a method has ended: its models, predictions and last event. */
static bool method_finish(MethodRun *m, double begun, Err *err)
{
    Experiment *x = m->x;
    const Training t = training_of(x, m->method, m->seed, 0);
    const double seconds = clock_seconds() - begun + m->snapshots.seconds;
    if (!models_keep(m, err) ||
        !journal_predictions(&x->journal, (Str){m->predictions.at, m->predictions.count}, err) ||
        !journal_event(&x->journal,
                       json_pack("{s:s, s:s, s:I, s:I, s:f, s:f, s:f, s:f}", "event", "method", "method",
                                 m->method->name, "seed", (json_int_t)m->seed, "trainable",
                                 (json_int_t)train_trainable(&t), "curve_seconds", m->diagnosis.curve_seconds,
                                 "diagnostics_seconds", m->diagnosis.seconds, "snapshot_seconds", m->snapshots.spent,
                                 "seconds", seconds),
                       err))
        return false;
    journal_finish(&x->journal, m->method->name, m->seed);
    progress_end(&m->progress);
    if (!x->plan->quiet)
        fprintf(stderr, "%-10s seed %u  %s: %s\n", m->method->name, m->seed, format_duration(&m->arena, seconds),
                outlook_result(m));
    return true;
}

static void method_close(MethodRun *m)
{
    shelf_clear(&m->shelf);
    device_arena_free(&m->diagnosis.memory);
    device_arena_free(&m->memory);
    arena_free(&m->arena);
    shared_forget(m);
    evaluations_forget(m->x, false);
}

static bool run_method(Experiment *x, const Method *method, uint32_t seed, Err *err)
{
    const Plan *plan = x->plan;
    const double begun = clock_seconds();
    MethodRun *m = &(MethodRun){.x = x, .method = method, .seed = seed};
    m->memory.device = m->shelf.memory.device = m->diagnosis.memory.device = &x->device;
    for (int i = 0; i < plan->task_count; i++) {
        const Training t = training_of(x, method, seed, i);
        m->steps += train_total_steps(&t);
    }
    for (int i = 0; i < method->component_count; i++)
        m->own[i] = own_new(x, method, method->component[i], &m->arena, &m->memory);
    progress_begin(&m->progress, plan->quiet, m->steps, "%s", "");
    outlook_task(m);
    progress_say(&m->progress, "looks at the encoder as it is");
    bool ok = experiment_weights(x, seed, err) && probe_pretrained(m, err);
    x->outlook.accuracy[0] = 0;
    for (m->task = 0; m->task < plan->task_count && ok; m->task++) {
        outlook_task(m);
        ok = train_one(m, err) && models_keep_task(m, err) && evaluate_all(m, err) && diagnose_task(m, err);
        outlook_task_done(m);
    }
    if (ok) progress_say(&m->progress, "writes its models");
    ok = ok && method_finish(m, begun, err);
    progress_end(&m->progress);
    method_close(m);
    if (ok && x->snapshots.path) snapshot_tidy(x, false);
    return ok;
}
