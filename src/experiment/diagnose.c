#include "state.h"

#include <math.h>
#include <string.h>

/* Why a method forgets: an old task's accuracy while a new one trains, whether the states still hold what the old head
 * needs, how far each layer has moved and how much each accounts for. Everything here only looks: the training's bits
 * are the same with and without it. Methods that cannot forget by construction have nothing to look at.
 *
 * Subsets of the evaluation rows are the first so many of one random order that depends on nothing but their number, so
 * they are the same for all methods and seeds. */

enum { SWAP_ROWS = 200 };
enum { CURVE_ROWS = 200, CURVE_LEAST_POINTS = 3, CURVE_MOST_POINTS = 48 };
/* Of a training, that the curve may cost: a look costs a pass of its rows. Where that pays for fewer looks than
 * CURVE_LEAST_POINTS, so many are made all the same: fewer than CURVE_ROWS rows a look would say nothing. */
static const double CURVE_SHARE = 0.05;

/* What a training step costs in forward passes of its rows: one forward, one backward for the gradients of activations,
 * and one for those of weights; an adapter's own are next to nothing. */
enum { ENCODER_PASSES = 3, ADAPTER_PASSES = 2 };
static int step_passes(const Method *method)
{
    return method->trains == TRAINS_ENCODER ? ENCODER_PASSES : ADAPTER_PASSES;
}

static bool diagnosing(const MethodRun *m) { return experiment_diagnoses(m->x) && can_forget(m->method); }

static double tokens_per_row(const Split *split) { return (double)split->starts[split->rows] / split->rows; }

/* Tokens that a training on a split passes through. */
static double training_tokens(const Split *train, const Hyper *hyper)
{
    return (double)train_steps(hyper, train->rows) * least_u32(train->rows, hyper->batch_size) * tokens_per_row(train);
}

/* An event about task `task` after training task `after` (both from 0; after -1: before the first). */
static json_t *diagnosis_event(const Experiment *x, const char *event, int after, int task)
{
    return json_pack("{s:s, s:i, s:i, s:s}", "event", event, "after_task", after + 1, "task", task + 1, "name",
                     x->tasks[task].data.name);
}

static void set_counts(json_t *event, uint32_t rows, uint32_t correct)
{
    json_object_set_new(event, "rows", json_integer(rows));
    json_object_set_new(event, "correct", json_integer(correct));
}

/* The first rows of a task's random order, as a split. */
static void subset_of(Arena *arena, const TaskState *state, uint32_t rows, Split *out)
{
    split_subset(arena, &state->data.eval, state->order, least_u32(state->data.eval.rows, rows), out);
}

/* ---- curve: old tasks while a new one trains ---- */

/* How the old tasks are watched while a task trains: the same rows for all methods, at as many steps as a training of
 * so many passes a step allows. Before the first step and after the last nothing is looked at: there the final
 * evaluations say what all rows do. */
typedef struct CurvePlan {
    uint32_t rows, looks; /* rows of each old task, and looks, at most */
} CurvePlan;

static CurvePlan curve_plan(const TaskState *tasks, int task, const Hyper *hyper, int passes)
{
    const double budget = CURVE_SHARE * training_tokens(&tasks[task].data.train, hyper); /* for each of the passes */
    double row = 0; /* tokens of a row of every old task */
    uint32_t most = 0;
    for (int j = 0; j < task; j++) {
        const Split *eval = &tasks[j].data.eval;
        row += tokens_per_row(eval);
        if (eval->rows > most) most = eval->rows;
    }
    const double rows = fmax(CURVE_ROWS, ADAPTER_PASSES * budget / (CURVE_MOST_POINTS * row));
    CurvePlan plan = {.rows = rows < most ? (uint32_t)rows : most};
    const double looks = fmin(CURVE_MOST_POINTS, passes * budget / (plan.rows * row));
    plan.looks = looks < CURVE_LEAST_POINTS ? CURVE_LEAST_POINTS : (uint32_t)looks;
    return plan;
}

/* The steps `first`, doubling below `stride`, and its multiples, before the last step. Returns how many; at: [count],
 * may be null. */
static uint32_t curve_steps(uint32_t steps, uint32_t first, uint32_t stride, uint32_t *at)
{
    uint32_t count = 0;
    for (uint32_t step = first; step < steps; count++) {
        if (at) at[count] = step;
        const uint32_t doubled = 2 * step;
        step = step >= stride ? step + stride : doubled < stride ? doubled : stride;
    }
    return count;
}

/* At most `looks` (>= 1) of them: 1, 2, 4, ... and then as closely as that allows; where it does not allow so dense a
 * beginning, a sparser one. Returns how many; at: [looks]. */
static uint32_t curve_choose(uint32_t steps, uint32_t looks, uint32_t *at)
{
    uint32_t first = 1, stride = 1;
    while (curve_steps(steps, first, stride, NULL) > looks) {
        if (stride < steps)
            stride += stride < TRAIN_READ_STEPS ? stride : TRAIN_READ_STEPS;
        else
            stride = first *= 2;
    }
    return curve_steps(steps, first, stride, at);
}

/* A look at a subset of an old task's rows: of which (hex, as "right" in evaluations), and which of these are right. */
static void set_look(json_t *event, const Experiment *x, int task, const Split *looked, const EvalRecord *r,
                     Arena *arena)
{
    const TaskState *state = &x->tasks[task];
    const uint32_t rows = state->data.eval.rows;
    bool *of = arena_new(arena, bool, rows), *right = arena_new(arena, bool, rows);
    char *hex = arena_new(arena, char, rows_right_digits(rows) + 1);
    for (uint32_t i = 0; i < looked->rows; i++) {
        of[state->order[i]] = true;
        right[state->order[i]] = r->prediction[i] == looked->labels[i];
    }
    set_counts(event, looked->rows, r->correct);
    rows_right_print(of, rows, hex);
    json_object_set_new(event, "looked", json_string(hex));
    rows_right_print(right, rows, hex);
    json_object_set_new(event, "right", json_string(hex));
}

static json_t *curve_event(const MethodRun *m, int task, uint32_t step, const EvalRecord *r, Arena *arena)
{
    json_t *event = diagnosis_event(m->x, "curve", m->task, task);
    json_object_set_new(event, "step", json_integer(step));
    set_look(event, m->x, task, &m->diagnosis.curve[task], r, arena);
    return event;
}

static bool on_look(void *context, uint32_t step, Err *err)
{
    MethodRun *m = context;
    const double begun = clock_seconds();
    bool ok = true;
    for (int j = 0; j < m->task && ok; j++) {
        const Training t = training_of(m->x, m->method, m->seed, j);
        Arena scratch = {0};
        EvalRecord r;
        ok = evaluate(&m->x->device, &scratch, t.model, t.lora, t.head, &t.weights, &m->diagnosis.curve[j],
                      t.hyper.eval_batch_size, &r, err) &&
             emit(m, curve_event(m, j, step, &r, &scratch), err);
        arena_free(&scratch);
    }
    m->diagnosis.curve_seconds += clock_seconds() - begun;
    return ok;
}

/* Has the training of the current task show its weights at the curve's steps. */
static void diagnose_curve(MethodRun *m, Training *t)
{
    if (!m->task || !diagnosing(m)) return;
    const CurvePlan plan = curve_plan(m->x->tasks, m->task, &t->hyper, step_passes(m->method));
    uint32_t *at = arena_new(&m->arena, uint32_t, plan.looks);
    const uint32_t count = curve_choose(train_total_steps(t), plan.looks, at);
    if (!count) return;
    m->diagnosis.looks = (TrainLooks){.at = at, .count = count, .context = m, .look = on_look};
    t->looks = &m->diagnosis.looks;
    for (int j = 0; j < m->task; j++) subset_of(&m->arena, &m->x->tasks[j], plan.rows, &m->diagnosis.curve[j]);
}

/* ---- drift: how far each layer's states of an old task have moved ---- */

/* "embeddings" for 0, "layer N" up to the last layer, or, where layers share what is put back, "layers N to M"; then
 * "pooler", or "final norm" of a family that has none. */
static const char *block_name(Arena *arena, const Model *model, uint32_t block, bool shared)
{
    const ModelConfig *c = &model->config;
    if (block > c->layers) return c->family->modules->pooler ? "pooler" : "final norm";
    if (!block) return "embeddings";
    const uint32_t last = shared ? model_last_sharing(c, block - 1) + 1 : block;
    return last > block ? arena_printf(arena, "layers %u to %u", block, last) : arena_printf(arena, "layer %u", block);
}

/* Remembers the states of the task just trained; of an older one says how far they have moved since. */
static bool diagnose_drift(MethodRun *m, int task, const EvalRecord *r, Err *err)
{
    if (!diagnosing(m)) return true;
    const double begun = clock_seconds();
    TaskProgress *progress = &m->tasks[task];
    const uint32_t h = m->x->model.config.hidden, n = least_u32(r->rows, STATE_ROWS);
    progress->last_states = r->last_states;
    if (task == m->task) {
        progress->learned_states = r->states;
        return true;
    }
    json_t *event = diagnosis_event(m->x, "drift", m->task, task), *names = json_array(), *cka = json_array(),
           *errors = json_array();
    Arena scratch = {0};
    for (uint32_t l = 1; l <= m->x->model.config.layers; l++) { /* before, the first token is the same in every row */
        const size_t at = (size_t)(l - 1) * n * h;
        const Cka alike = measure_cka(progress->learned_states + at, r->states + at, n, h);
        json_array_append_new(names, json_string(block_name(&scratch, &m->x->model, l, false)));
        /* unknown where all rows have the same state */
        json_array_append_new(cka, isnan(alike.value) ? json_null() : json_real(alike.value));
        json_array_append_new(errors, isnan(alike.error) ? json_null() : json_real(alike.error));
    }
    arena_free(&scratch);
    json_object_set_new(event, "rows", json_integer(n));
    json_object_set_new(event, "layers", names);
    json_object_set_new(event, "cka", cka);
    json_object_set_new(event, "error", errors);
    m->diagnosis.seconds += clock_seconds() - begun;
    return emit(m, event, err);
}

/* ---- swap: one part of the encoder back as it was ---- */

/* Copies the views of a block (View.block); false when the layout has none. */
static bool copy_block(Experiment *x, const Layout *layout, uint32_t block, f32p from, f32p to)
{
    bool any = false;
    for (int i = 0; i < layout->count; i++) {
        const View *view = &layout->views[i];
        if (view->block != block) continue;
        floats_copy(&x->device, from + view->at, to + view->at, (size_t)view->rows * view->cols);
        any = true;
    }
    return any;
}

/* The weights that a method changes from task to task, beside the heads; null where it changes none. */
static Weights shared_weights(const Method *method, const Training *t)
{
    const bool encoder = t->train_encoder || method->fresh; /* fresh: adapters are merged into it */
    return (Weights){.encoder = encoder ? t->weights.encoder : NULL, .adapter = t->weights.adapter};
}

static f32p floats_kept(MethodRun *m, f32p w, const Layout *layout)
{
    if (!w) return NULL;
    f32p kept = device_f32(&m->diagnosis.memory, layout->floats);
    floats_copy(&m->x->device, w, kept, layout->floats);
    return kept;
}

static Weights weights_kept(MethodRun *m, const Weights *w)
{
    return (Weights){.encoder = floats_kept(m, w->encoder, &m->x->model.encoder),
                     .adapter = floats_kept(m, w->adapter, &m->x->lora.layout)};
}

/* Copies a part of the weights; false when it is none that changes. */
static bool weights_copy_block(Experiment *x, uint32_t block, const Weights *from, const Weights *to)
{
    const bool encoder = to->encoder && copy_block(x, &x->model.encoder, block, from->encoder, to->encoder);
    return to->adapter ? copy_block(x, &x->lora.layout, block, from->adapter, to->adapter) : encoder;
}

/* Keeps the weights as the first task left them; methods that share its training have them already. */
static void diagnose_keep(MethodRun *m)
{
    if (m->task || !diagnosing(m)) return;
    const Training t = training_of(m->x, m->method, m->seed, 0);
    Weights w = shared_weights(m->method, &t);
    const SharedTask *shared = m->passing;
    m->diagnosis.first = (Weights){0};
    if (shared && w.encoder && shared->encoder) m->diagnosis.first.encoder = shared->encoder, w.encoder = NULL;
    if (shared && w.adapter && shared->adapter) m->diagnosis.first.adapter = shared->adapter, w.adapter = NULL;
    const Weights kept = weights_kept(m, &w);
    if (kept.encoder) m->diagnosis.first.encoder = kept.encoder;
    if (kept.adapter) m->diagnosis.first.adapter = kept.adapter;
}

static bool diagnose_swap(MethodRun *m, Err *err)
{
    const TaskState *state = &m->x->tasks[0];
    const Training t = training_of(m->x, m->method, m->seed, 0);
    const Weights w = shared_weights(m->method, &t), now = weights_kept(m, &w);
    Arena scratch = {0};
    Split split;
    uint32_t without = 0;
    subset_of(&scratch, state, SWAP_ROWS, &split);
    for (uint32_t i = 0; i < split.rows; i++) without += m->tasks[0].latest.right[state->order[i]];
    bool ok = true;
    for (uint32_t block = 0; block <= m->x->model.config.layers + 1 && ok; block++) {
        if (!weights_copy_block(m->x, block, &m->diagnosis.first, &w)) continue;
        EvalRecord r;
        ok = evaluate(&m->x->device, &scratch, t.model, t.lora, t.head, &t.weights, &split, t.hyper.eval_batch_size, &r,
                      err);
        weights_copy_block(m->x, block, &now, &w);
        if (!ok) break;
        json_t *event = diagnosis_event(m->x, "swap", m->task, 0);
        json_object_set_new(event, "block", json_string(block_name(&scratch, &m->x->model, block, true)));
        set_look(event, m->x, 0, &split, &r, &scratch);
        json_object_set_new(event, "correct_without", json_integer(without));
        ok = emit(m, event, err);
    }
    arena_free(&scratch);
    return ok;
}

/* ---- when ---- */

/* After a task's training and the evaluations after it. */
static bool diagnose_task(MethodRun *m, Err *err)
{
    const double begun = clock_seconds();
    diagnose_keep(m);
    progress_say(&m->progress, "probes what the encoder holds");
    bool ok = probe_task(m, err);
    if (ok && diagnosing(m) && m->task + 1 == m->x->plan->task_count) {
        progress_say(&m->progress, "puts parts of the encoder back");
        ok = diagnose_swap(m, err);
    }
    m->diagnosis.seconds += clock_seconds() - begun;
    return ok;
}

/* Floats on the device that are kept while the later tasks train. */
static size_t diagnosis_floats(const Experiment *x, const Method *method)
{
    const Training t = training_of(x, method, 0, 0);
    const Weights w = shared_weights(method, &t);
    if (!experiment_diagnoses(x) || !can_forget(method)) return 0;
    return (w.encoder ? x->model.encoder.floats : 0) + (w.adapter ? x->lora.layout.floats : 0);
}

/* Tokens that go forward for a probe: the states that it trains on, and those that it is evaluated on. */
static double probe_tokens(const Experiment *x, int task)
{
    const TaskData *data = &x->tasks[task].data;
    return (double)data->train.starts[data->train.rows] + (double)data->eval.starts[data->eval.rows];
}

/* Tokens that go forward for the diagnostics of a task's training, at most; with the first task's, for the probes of
 * the pretrained encoder. */
static double diagnosis_tokens(const Experiment *x, const Method *method, int task)
{
    if (!experiment_diagnoses(x) || !can_forget(method)) return 0;
    const Split *train = &x->tasks[task].data.train, *first = &x->tasks[0].data.eval;
    const Hyper h = hyper_of(x->plan, task);
    double tokens = task ? CURVE_SHARE * step_passes(method) * training_tokens(train, &h) : 0;
    for (int j = 1; j < x->plan->task_count && !task; j++) tokens += probe_tokens(x, j);
    if (task + 1 < x->plan->task_count) return tokens + probe_tokens(x, task) + probe_tokens(x, task + 1);
    for (int j = 0; j < task; j++) tokens += probe_tokens(x, j);
    return tokens + (x->model.config.layers + 2) * least_u32(first->rows, SWAP_ROWS) * tokens_per_row(first);
}
