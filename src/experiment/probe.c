#include "state.h"

#include <math.h>
#include <string.h>

/* Probes: what an encoder's states still say of a task, whatever its old head makes of them (Davari et al. 2022,
 * "Probing representation forgetting in supervised and unsupervised continual learning", arXiv:2203.13381). A fresh
 * head is trained on the frozen states of the task's training rows. Its epoch and its rate are chosen on a tenth of
 * these rows, so that the evaluation rows only measure.
 *
 * Each task is probed right after its own training and at the end: the difference is what the representation has lost.
 * Each later task is probed just before its training and on the pretrained encoder: the difference is what training on
 * the earlier tasks does for it (forward transfer). */

/* A probe's training is its own, whatever the run's is: so few epochs as a run may have teach a head nothing. At an
 * encoder's rate a head hardly leaves where it starts; the middle one is the rate of `frozen`. */
enum { PROBE_EPOCHS = 5 };
static const float PROBE_RATES[] = {3e-3f, 1e-2f, 3e-2f};

typedef struct ProbeHead {
    const Split *rest, *held; /* nine tenths and a tenth of the training rows */
    f32p rest_states, held_states, eval_states;
    double lowest; /* loss on `held`, of the heads so far */
} ProbeHead;

static bool on_probe_step(void *context, const StepRecord *r, Err *err)
{
    (void)context, (void)r;
    return err->code == 0;
}

static bool on_probe_eval(void *context, const EvalRecord *r, Err *err)
{
    double *lowest = context;
    *lowest = fmin(*lowest, r->loss);
    return err->code == 0;
}

/* Trains a head at one rate; when it is the best so far, *right gets its answers on the evaluation rows. */
static bool probe_at_rate(Experiment *x, Training t, const ProbeHead *probe, float rate, double *lowest, bool *right,
                          Err *err)
{
    const TaskState *state = &x->tasks[t.task];
    DeviceArena memory = {.device = &x->device};
    const TrainObserver observer = {.context = lowest, .step = on_probe_step, .eval = on_probe_eval};
    const double before = *lowest;
    t.hyper.learning_rate = rate;
    t.weights.head = device_f32(&memory, t.head->layout.floats);
    device_write(&x->device, t.weights.head, state->head_start, t.head->layout.floats * sizeof(float));
    bool ok = train_task(&x->device, &t, &observer, NULL, err);
    if (ok && *lowest < before) {
        Arena scratch = {0};
        EvalRecord r = {.rows = t.eval->rows, .classes = t.head->classes};
        r.logits = arena_new(&scratch, float, (size_t)r.rows *r.classes);
        r.prediction = arena_new(&scratch, uint32_t, r.rows);
        ok = train_logits(&x->device, &t, t.head, t.weights.head, t.eval, NULL, r.rows, probe->eval_states, r.logits,
                          err);
        if (ok) record_score(&r, t.eval);
        for (uint32_t i = 0; i < r.rows && ok; i++) right[i] = r.prediction[i] == t.eval->labels[i];
        arena_free(&scratch);
    }
    device_arena_free(&memory);
    return ok;
}

static bool probe_states(Experiment *x, DeviceArena *memory, const Training *t, const float *known, ProbeHead *probe,
                         Err *err)
{
    const uint32_t batch = t->hyper.eval_batch_size;
    const size_t floats = (size_t)t->eval->rows * x->model.config.hidden;
    if (known) {
        probe->eval_states = device_f32(memory, floats);
        device_write(&x->device, probe->eval_states, known, floats * sizeof *known);
    }
    return (known || split_states(&x->device, memory, t->model, t->lora, &t->weights, t->eval, batch,
                                  &probe->eval_states, err)) &&
           split_states(&x->device, memory, t->model, t->lora, &t->weights, probe->rest, batch, &probe->rest_states,
                        err) &&
           split_states(&x->device, memory, t->model, t->lora, &t->weights, probe->held, batch, &probe->held_states,
                        err);
}

/* Which evaluation rows of task `task` a head is right on that has been trained on the states that `weights` give.
 * known: the states of the evaluation rows, [rows][H], when they are there. */
static bool probe_right(Experiment *x, int task, const Training *weights, const float *known, bool *right, Err *err)
{
    TaskState *state = &x->tasks[task];
    DeviceArena memory = {.device = &x->device};
    Training t = *weights;
    ProbeHead probe = {.rest = &state->probe_rest, .held = &state->probe_held};
    if (!state->probe_rest.rows) split_hold_out(&x->arena, &state->data.train, &state->probe_rest, &state->probe_held);
    bool ok = probe_states(x, &memory, &t, known, &probe, err);
    t.train = probe.rest;
    t.train_states = probe.rest_states;
    t.choose = probe.held;
    t.choose_states = probe.held_states;
    t.hyper = x->plan->hyper;
    t.hyper.epochs = PROBE_EPOCHS;
    t.hyper.patience = 0;
    t.train_encoder = t.joint = false;
    t.lora = NULL;
    t.weights.adapter = NULL;
    double lowest = INFINITY;
    for (size_t i = 0; i < COUNT(PROBE_RATES) && ok; i++)
        ok = probe_at_rate(x, t, &probe, PROBE_RATES[i], &lowest, right, err);
    device_arena_free(&memory);
    return ok;
}

/* after: 0 for the pretrained encoder, else the number of tasks trained; task from 0. */
static bool emit_probe(MethodRun *m, int after, int task, const bool *right, Err *err)
{
    const uint32_t rows = m->x->tasks[task].data.eval.rows;
    Arena scratch = {0};
    char *hex = arena_new(&scratch, char, rows_right_digits(rows) + 1);
    uint32_t correct = 0;
    for (uint32_t i = 0; i < rows; i++) correct += right[i];
    rows_right_print(right, rows, hex);
    json_t *event = json_pack("{s:s, s:i, s:i, s:s, s:I, s:I, s:s}", "event", "probe", "after_task", after, "task",
                              task + 1, "name", m->x->tasks[task].data.name, "rows", (json_int_t)rows, "correct",
                              (json_int_t)correct, "right", hex);
    arena_free(&scratch);
    return emit(m, event, err);
}

static bool probes_are_wanted(const Experiment *x)
{
    for (int i = 0; i < x->plan->task_count; i++)
        if (x->tasks[i].data.train.rows < 2) return false;
    return experiment_diagnoses(x);
}

/* A probe of `task` with certain weights, those on the device; it is made once. known: as in probe_right. */
static bool probe_kept(MethodRun *m, WeightsId weights, int task, const Training *t, const float *known, Err *err)
{
    KeptEvaluation *e = evaluation_at(m->x, weights, task);
    if (!e->probe) {
        bool *right = arena_new(&e->arena, bool, t->eval->rows);
        if (!probe_right(m->x, task, t, known, right, err)) return false;
        e->probe = right;
    }
    return emit_probe(m, weights == m->x->base ? 0 : m->task + 1, task, e->probe, err);
}

/* The later tasks on the pretrained encoder: the same for all methods of a seed. */
static bool probe_pretrained(MethodRun *m, Err *err)
{
    Experiment *x = m->x;
    if (!probes_are_wanted(x)) return true;
    const double begun = clock_seconds();
    bool ok = true;
    for (int j = 1; j < x->plan->task_count && ok; j++) {
        Training t = training_of(x, m->method, m->seed, j);
        t.lora = NULL;
        t.weights.adapter = NULL;
        ok = probe_kept(m, x->base, j, &t, NULL, err);
    }
    m->diagnosis.seconds += clock_seconds() - begun;
    return ok;
}

static bool probe_now(MethodRun *m, int task, const float *known, Err *err)
{
    const Training t = training_of(m->x, m->method, m->seed, task);
    return probe_kept(m, m->weights, task, &t, known, err);
}

/* After a training: the task itself (of those that a later one can change), the next one, and at the end the old ones.
 */
static bool probe_task(MethodRun *m, Err *err)
{
    const int next = m->task + 1;
    const bool changes = can_forget(m->method);
    bool ok = true;
    if (!probes_are_wanted(m->x)) return true;
    if (next < m->x->plan->task_count && !changes)
        return emit_probe(m, next, next, evaluation_at(m->x, m->x->base, next)->probe, err);
    if (next < m->x->plan->task_count)
        return probe_now(m, m->task, m->tasks[m->task].last_states, err) && probe_now(m, next, NULL, err);
    for (int j = 0; j < m->task && ok && changes; j++) ok = probe_now(m, j, m->tasks[j].last_states, err);
    return ok;
}
