#include "state.h"

#include <string.h>

enum { STATE_ROWS = 256 }; /* whose states of all layers an evaluation keeps */

/* Evaluations by weights and task: whoever wants one again (another method with the same training, a strategy that has
 * tried these weights, the choice of an epoch) finds it here, and it is made once. */

static WeightsId weights_new(Experiment *x) { return ++x->weights_made; }

/* The place of an evaluation, which is added when it is not there. */
static KeptEvaluation *evaluation_at(Experiment *x, WeightsId weights, int task)
{
    for (KeptEvaluation *e = x->evaluations; e; e = e->next)
        if (e->weights == weights && e->task == task) return e;
    Arena arena = {0};
    KeptEvaluation *e = arena_new(&arena, KeptEvaluation, 1);
    *e = (KeptEvaluation){.next = x->evaluations, .weights = weights, .task = task, .arena = arena};
    x->evaluations = e;
    return e;
}

/* Whether weights outlive the method that made them: other methods begin with them or share them. */
static bool weights_are_shared(const Experiment *x, WeightsId weights)
{
    bool shared = weights == x->base;
    for (int i = 0; i < SHARED_MAX_TASKS; i++) shared |= x->shared[i].method && x->shared[i].weights == weights;
    return shared;
}

/* Removes it from the list; returns the place of the next one. */
static KeptEvaluation **evaluation_remove(KeptEvaluation **at)
{
    Arena arena = (*at)->arena; /* it lives in that */
    *at = (*at)->next;
    arena_free(&arena);
    return at;
}

/* Forgets a task's evaluation, unless other methods may want it. */
static void evaluation_forget(Experiment *x, WeightsId weights, int task)
{
    for (KeptEvaluation **at = &x->evaluations; *at && !weights_are_shared(x, weights);)
        at = (*at)->weights == weights && (*at)->task == task ? evaluation_remove(at) : &(*at)->next;
}

/* Forgets what no other method may want; all: everything. */
static void evaluations_forget(Experiment *x, bool all)
{
    for (KeptEvaluation **at = &x->evaluations; *at;)
        at = all || !weights_are_shared(x, (*at)->weights) ? evaluation_remove(at) : &(*at)->next;
}

/* Predictions of the weights on the device for the evaluation rows of a task, with its own head (and adapter). */
static bool evaluate_once(MethodRun *m, Arena *arena, int task, EvalRecord *r, Err *err)
{
    const Training t = training_of(m->x, m->method, m->seed, task);
    return evaluate(&m->x->device, arena, t.model, t.lora, t.head, &t.weights, t.eval, t.hyper.eval_batch_size, r, err);
}

/* The same, kept under a name: with states when there are diagnostics, whoever of the methods that share the weights
 * wants them. */
static bool evaluate_kept(MethodRun *m, WeightsId weights, int task, EvalRecord *r, Err *err)
{
    Experiment *x = m->x;
    KeptEvaluation *e = evaluation_at(x, weights, task);
    if (!e->record.logits) {
        const TaskState *state = &x->tasks[task];
        const Training t = training_of(x, m->method, m->seed, task);
        const bool ok = !experiment_diagnoses(x)
                            ? evaluate_once(m, &e->arena, task, &e->record, err)
                            : evaluate_layers(&x->device, &e->arena, &t, state->order,
                                              least_u32(t.eval->rows, STATE_ROWS), &e->record, err);
        if (!ok) return false;
    }
    *r = e->record;
    return true;
}

/* An evaluation that a training has made on its way, by the weights that it will leave, replaces an earlier one. */
static void evaluation_keep(MethodRun *m, int task, const EvalRecord *r)
{
    const size_t logits = (size_t)r->rows * r->classes;
    KeptEvaluation *e = evaluation_at(m->x, m->weights, task);
    const bool again = e->record.logits != NULL;
    uint32_t *prediction = again ? e->record.prediction : arena_new(&e->arena, uint32_t, r->rows);
    float *kept = again ? e->record.logits : arena_new(&e->arena, float, logits);
    memcpy(prediction, r->prediction, r->rows * sizeof *prediction);
    memcpy(kept, r->logits, logits * sizeof *kept);
    e->record = *r;
    e->record.prediction = prediction;
    e->record.logits = kept;
}
