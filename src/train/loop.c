/* A training from its first step to the weights that it leaves. */
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Shows the weights when this is a moment for it. What that costs is no step's time. */
static bool run_look(Run *run, Err *err)
{
    const TrainLooks *looks = run->state.training->looks;
    if (!looks || run->looked == looks->count || looks->at[run->looked] != run->state.step) return true;
    run->looked++;
    if (!run_flush(run, err)) return false;
    run_wake(run, NULL);
    const bool ok = looks->look(looks->context, run->state.step, err);
    run->pending_since = clock_seconds();
    return ok;
}

static bool run_epoch(Run *run, uint32_t *const *order, Err *err)
{
    Arena scratch = {0};
    EpochBatch *batches;
    const uint32_t count = epoch_batches(run, &scratch, run->epoch, order, &batches);
    bool ok = true;
    run->pending_since = clock_seconds();
    for (uint32_t i = run->state.step - run->epoch * count; i < count && run->state.step < run->state.steps && ok;
         i++) {
        const EpochBatch *batch = &batches[i];
        const TaskPart *part = &run->parts[batch->part];
        ok = run_look(run, err);
        if (!ok) break;
        run_step(run, run->epoch, part, order[batch->part] + batch->at, batch->count, part->losses + batch->at);
        if (run->pending_count == TRAIN_READ_STEPS) {
            ok = run_flush(run, err) && run_store(run, err);
            run->pending_since = clock_seconds();
        }
        ok = ok && (!interrupted() || run_interrupted(run, err));
    }
    arena_free(&scratch);
    return ok && run_flush(run, err) && run_look(run, err);
}

/* Evaluates the tasks that are trained on by the rows to choose by; *loss: the mean of their losses. */
static bool run_evaluate(Run *run, uint32_t epoch, double *loss, Err *err)
{
    const Training *t = run->state.training;
    *loss = 0;
    for (uint32_t i = run->first_part; i <= t->task; i++) {
        const TaskPart *part = &run->parts[i];
        const Weights weights = {t->weights.encoder, t->weights.adapter, part->head_w};
        Arena scratch = {0};
        EvalRecord record;
        bool ok = evaluate_states(run->state.device, &scratch, t->model, t->lora, part->head, &weights, part->choose,
                                  t->hyper.eval_batch_size, part->choose_states, &record, err);
        record.task = i;
        record.epoch = epoch;
        record.step = run->state.step;
        *loss += record.loss / (t->task + 1 - run->first_part);
        ok = ok && run->observer->eval(run->observer->context, &record, err);
        arena_free(&scratch);
        if (!ok) return false;
    }
    return true;
}

/* Ctrl-C in an evaluation: it is made again when the training goes on from here, unless a part of it has been reported.
 */
static bool run_evaluate_later(Run *run, Err *err)
{
    Err ignored = {0}; /* of a file that cannot be written: the one before it is there */
    if (err->code == EXIT_INTERRUPTED && run->state.training->store && run->first_part == run->state.training->task)
        (void)run_store_now(run, &ignored);
    return false;
}

/* Whether the last epochs have not lowered the loss to choose by for as long as patience lasts. */
static bool run_is_stale(const Run *run)
{
    const Training *t = run->state.training;
    return t->hyper.patience && t->choose && run->epoch > run->kept_at.epoch + t->hyper.patience;
}

static bool run_all(Run *run, Err *err)
{
    const Training *t = run->state.training;
    Device *device = run->state.device;
    uint32_t **order = arena_new(&run->arena, uint32_t *, t->task + 1), epoch_steps = 0;
    for (uint32_t i = run->first_part; i <= t->task; i++) {
        order[i] = arena_new(&run->arena, uint32_t, run->parts[i].train->rows);
        epoch_steps += train_epoch_steps(&t->hyper, run->parts[i].train->rows);
    }
    while (run->epoch < t->hyper.epochs && (uint64_t)run->epoch * epoch_steps < run->state.steps &&
           !run_is_stale(run)) {
        double loss = run->lowest;
        if (!run_epoch(run, order, err)) return false;
        run_wake(run, NULL);
        if (run->observer->epoch && !run->observer->epoch(run->observer->context, run->epoch, err)) return false;
        if (t->choose && !run_evaluate(run, run->epoch, &loss, err)) return run_evaluate_later(run, err);
        const bool more = run->state.step < run->state.steps;
        if (!t->choose || loss < run->lowest) run->kept_at = (TrainKept){run->epoch, run->state.step};
        run->epoch++;
        if (loss < run->lowest) {
            run->lowest = loss;
            run->best_is_kept = more && training_chooses(t);
            for (int i = 0; i < run->params_count && run->best_is_kept; i++)
                floats_copy(device, run->params[i].w, run->params[i].best, run->params[i].layout->floats);
        }
        if (more && !run_store(run, err)) return false;
    }
    for (int i = 0; i < run->params_count && run->best_is_kept; i++)
        floats_copy(device, run->params[i].best, run->params[i].w, run->params[i].layout->floats);
    run->ended = true;
    return run_store(run, err);
}

bool train_task(Device *device, const Training *training, const TrainObserver *observer, TrainKept *kept, Err *err)
{
    ASSERT(training->train->rows && (!training->choose || training->choose->rows) && training->hyper.batch_size &&
           training->hyper.eval_batch_size);
    ASSERT(!training->task || !training_goes_back(training) || training->earlier);
    Run run = {.observer = observer, .memory = {.device = device}, .lowest = INFINITY};
    run.state = (TrainState){.device = device, .training = training, .arena = &run.arena, .memory = &run.memory};
    bool ok = run_open(&run, err) && run_restore(&run, err) && (run.ended || run_all(&run, err));
    if (kept) *kept = run.kept_at;
    device_arena_free(&run.memory);
    arena_free(&run.arena);
    return ok;
}

/* ---- memory ---- */

uint64_t train_memory_bytes(const Device *device, const Training *t)
{
    const uint32_t size = t->hyper.batch_size, eval_size = least_u32(t->hyper.eval_batch_size, t->eval->rows);
    const uint32_t chosen_by = t->choose ? t->choose->rows : 0;
    uint32_t classes, longest;
    const uint32_t tokens = training_most_tokens(t, &longest, &classes);
    const bool back = training_goes_back(t), passes = training_has_passes(t);
    uint64_t floats = workspace_floats(t->model, t->lora, tokens, size, longest, classes, true) +
                      workspace_floats(t->model, t->lora, split_most_tokens(t->eval, eval_size), eval_size,
                                       split_most_tokens(t->eval, 1), t->head->classes, false);
    uint64_t trained = train_trainable(t);
    for (uint32_t i = 0; i < t->task && back; i++) trained += t->earlier[i].head->layout.floats;
    /* The word table's gradient and moments are touched only where its words occur, a page or two for each. */
    if (t->train_encoder && device_memory_is_lazy(device) && !training_is_dense(t) && !t->joint) {
        const uint64_t table = params_table(&t->model->encoder);
        const uint64_t row = t->model->encoder.table_cols + 2 * (SMALL_PAGE_BYTES / sizeof(float));
        uint64_t touched = t->train->starts[t->train->rows] * row;
        if (touched > table) touched = table;
        floats += 3 * (trained - table + touched);
    } else {
        floats += 3 * trained;
    }
    if (training_chooses(t)) floats += trained; /* the best epoch's weights */
    if (passes) floats += trained;              /* the gradient of a further pass */
    if (!t->train_encoder && !t->lora) floats += ((uint64_t)t->train->rows + chosen_by) * t->model->config.hidden;
    return floats * sizeof(float);
}
