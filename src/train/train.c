#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRAIN_READ_STEPS = 8 }; /* losses are read back once in so many steps */
enum { NORM_BLOCK = 16384 };   /* elements of one partial sum of the gradient norm */
static const float BETA1 = 0.9f, BETA2 = 0.999f, ADAM_EPS = 1e-8f, MAX_GRAD_NORM = 1;

static uint32_t train_min(uint32_t a, uint32_t b) { return a < b ? a : b; }

uint32_t train_steps(const Hyper *hyper, uint32_t rows)
{
    uint64_t all = (uint64_t)((rows + hyper->batch_size - 1) / hyper->batch_size) * hyper->epochs;
    return hyper->max_steps && hyper->max_steps < all ? hyper->max_steps : (uint32_t)all;
}

size_t train_trainable(const Training *t)
{
    return (t->train_encoder ? t->model->encoder.floats : 0) + (t->lora ? t->lora->layout.floats : 0) +
           t->head->layout.floats;
}

static int train_compare_down(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x < y) - (x > y);
}

/* The most tokens that `count` rows of a split can have together. */
static uint32_t split_most_tokens(const Split *split, uint32_t count)
{
    Arena scratch = {0};
    uint32_t *sizes = arena_new(&scratch, uint32_t, split->rows);
    for (uint32_t i = 0; i < split->rows; i++) sizes[i] = (uint32_t)(split->starts[i + 1] - split->starts[i]);
    qsort(sizes, split->rows, sizeof *sizes, train_compare_down);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < train_min(count, split->rows); i++) sum += sizes[i];
    arena_free(&scratch);
    return (uint32_t)sum;
}

/* ---- evaluation ---- */

static void record_score(EvalRecord *record, const Split *split)
{
    double loss = 0;
    record->correct = 0;
    for (uint32_t i = 0; i < record->rows; i++) {
        const float *z = record->logits + (size_t)i * record->classes;
        uint32_t best = 0;
        double sum = 0;
        for (uint32_t c = 1; c < record->classes; c++)
            if (z[c] > z[best]) best = c;
        for (uint32_t c = 0; c < record->classes; c++) sum += exp((double)z[c] - (double)z[best]);
        loss += log(sum) + (double)z[best] - (double)z[split->labels[i]];
        record->prediction[i] = best;
        record->correct += best == split->labels[i];
    }
    record->loss = record->rows ? loss / record->rows : 0;
}

bool evaluate(Device *device, Arena *arena, const Model *model, const Lora *lora, const Head *head,
              const Weights *weights, const Split *split, uint32_t batch_size, EvalRecord *record, Err *err)
{
    const uint32_t rows = split->rows, classes = head->classes, size = train_min(batch_size, rows);
    const uint32_t tokens = split_most_tokens(split, size);
    *record = (EvalRecord){.rows = rows, .classes = classes};
    record->prediction = arena_new(arena, uint32_t, rows);
    record->logits = arena_new(arena, float, (size_t)rows *classes);
    Arena own = {0};
    DeviceArena memory = {.device = device};
    Workspace *ws = workspace_new(&own, &memory, model, lora, tokens, size, classes, false);
    const BatchBuffer buffer = batch_buffer(&memory, tokens, size);
    uint32_t *index = arena_new(&own, uint32_t, size);
    bool ok = true;
    for (uint32_t at = 0; ok && at < rows; at += size) {
        const uint32_t count = train_min(size, rows - at);
        for (uint32_t i = 0; i < count; i++) index[i] = at + i;
        Arena scratch = {0};
        Batch batch;
        DeviceBatch on_device;
        batch_pack(&scratch, split, index, count, model->config.position_base, &batch);
        device_batch_write(device, &buffer, &scratch, &batch, &on_device);
        f32p logits = model_forward(ws, weights, head, &on_device, &(PassOptions){0});
        device_read(device, record->logits + (size_t)at * classes, logits, (size_t)count * classes * sizeof(float));
        arena_free(&scratch);
        ok = device_ok(device, err);
        if (ok && interrupted()) ok = fail_interrupted(err);
    }
    device_arena_free(&memory);
    arena_free(&own);
    if (ok) record_score(record, split);
    return ok;
}

/* ---- one flat array under AdamW ---- */

typedef struct Params {
    const Layout *layout;
    f32p w, g, m, v, best;
    u32p stamp;                /* [table_rows], see wake_rows; null when the layout has no table */
    uint32_t parts, row_parts; /* partial sums of squares: of all but the table, and of the batch's table rows */
} Params;

static size_t params_table(const Layout *layout) { return (size_t)layout->table_rows * layout->table_cols; }

static Params params_new(DeviceArena *memory, const Layout *layout, f32p w, bool keep_best)
{
    Params p = {.layout = layout, .w = w};
    p.g = device_f32(memory, layout->floats);
    p.m = device_f32(memory, layout->floats);
    p.v = device_f32(memory, layout->floats);
    if (keep_best) p.best = device_f32(memory, layout->floats);
    if (layout->table_rows) p.stamp = device_u32(memory, layout->table_rows);
    p.parts = (uint32_t)((layout->floats - params_table(layout) + NORM_BLOCK - 1) / NORM_BLOCK);
    return p;
}

/* ops count with 32 bits: longer arrays go in pieces. */
enum { OP_CHUNK = 1 << 30 };

static void params_copy(Device *device, f32p from, f32p to, size_t floats)
{
    for (size_t at = 0; at < floats; at += OP_CHUNK)
        RUN(device, copy, .x = from + at, .y = to + at, .n = (u32)(floats - at < OP_CHUNK ? floats - at : OP_CHUNK));
}

/* Partial sums of squares of the gradient at part; returns how many. */
static uint32_t params_squares(Device *device, const Params *p, const DeviceRows *word, f32p part)
{
    const size_t table = params_table(p->layout);
    uint32_t count = 0;
    if (p->stamp) {
        RUN(device, square_sum, .x = p->g, .row = word->row, .part = part, .n = word->unique * p->layout->table_cols,
            .block = p->layout->table_cols);
        count += word->unique;
    }
    RUN(device, square_sum, .x = p->g + table, .part = part + count, .n = (u32)(p->layout->floats - table),
        .block = NORM_BLOCK);
    return count + p->parts;
}

typedef struct AdamStep {
    float lr, decay, fix1, fix2;
    f32p scale;
} AdamStep;

static void params_adamw(Device *device, const Params *p, const AdamStep *s, size_t from, size_t to, float decay)
{
    for (size_t at = from; at < to; at += OP_CHUNK)
        RUN(device, adamw, .w = p->w + at, .g = p->g + at, .m = p->m + at, .v = p->v + at, .scale = s->scale,
            .n = (u32)(to - at < OP_CHUNK ? to - at : OP_CHUNK), .lr = s->lr, .beta1 = BETA1, .beta2 = BETA2,
            .eps = ADAM_EPS, .shrink = adamw_shrink(s->lr, decay), .fix1 = s->fix1, .fix2 = s->fix2);
}

static void params_step(Device *device, const Params *p, const AdamStep *s, const DeviceRows *word)
{
    const Layout *layout = p->layout;
    if (p->stamp) {
        RUN(device, adamw_rows, .w = p->w, .g = p->g, .m = p->m, .v = p->v, .scale = s->scale, .stamp = p->stamp,
            .rows = layout->table_rows, .cols = layout->table_cols, .lr = s->lr, .beta1 = BETA1, .beta2 = BETA2,
            .eps = ADAM_EPS, .shrink = adamw_shrink(s->lr, s->decay), .fix1 = s->fix1, .fix2 = s->fix2);
        RUN(device, zero_rows, .x = p->g, .row = word->row, .rows = word->unique, .cols = layout->table_cols);
    }
    params_adamw(device, p, s, params_table(layout), layout->decay_floats, s->decay);
    params_adamw(device, p, s, layout->decay_floats, layout->floats, 0);
}

/* ---- the training loop ---- */

typedef struct Run {
    Device *device;
    const Training *training;
    const TrainObserver *observer;
    Arena arena;
    DeviceArena memory;
    Workspace *ws;
    BatchBuffer buffer;
    Params params[3];
    int params_count;
    Weights grads;
    f32p part, clip; /* partial sums of squares; clip: [steps][2] scale and norm */
    f32p losses;     /* [rows of one epoch]: loss of every example, in the order of training */
    f32p factors;    /* [steps]: what decay alone does to a weight in a step */
    uint32_t steps, step;
    /* steps whose losses have not been read back */
    struct {
        uint32_t step, epoch, first, rows, tokens;
    } pending[TRAIN_READ_STEPS];
    int pending_count;
    double pending_since;
} Run;

static double run_rate(const Run *run, uint32_t step) /* step from 0 */
{
    return (double)run->training->hyper.learning_rate * (double)(run->steps - step) / (double)run->steps;
}

static void run_open(Run *run)
{
    const Training *t = run->training;
    const uint32_t rows = t->train->rows, size = train_min(t->hyper.batch_size, rows);
    const uint32_t tokens = split_most_tokens(t->train, size);
    const bool keep_best = t->hyper.epochs > 1;
    DeviceArena *memory = &run->memory;
    run->steps = train_steps(&t->hyper, rows);
    run->ws = workspace_new(&run->arena, memory, t->model, t->lora, tokens, size, t->head->classes, true);
    run->buffer = batch_buffer(memory, tokens, size);
    const Weights *w = &t->weights;
    if (t->train_encoder)
        run->params[run->params_count++] = params_new(memory, &t->model->encoder, w->encoder, keep_best);
    if (t->lora) run->params[run->params_count++] = params_new(memory, &t->lora->layout, w->adapter, keep_best);
    run->params[run->params_count++] = params_new(memory, &t->head->layout, w->head, keep_best);
    int i = 0;
    if (t->train_encoder) run->grads.encoder = run->params[i++].g;
    if (t->lora) run->grads.adapter = run->params[i++].g;
    run->grads.head = run->params[i].g;

    size_t parts = tokens; /* at most so many rows of the word table */
    for (i = 0; i < run->params_count; i++) parts += run->params[i].parts;
    run->part = device_f32(memory, parts);
    run->clip = device_f32(memory, 2 * (size_t)run->steps);
    run->losses = device_f32(memory, rows);
    run->factors = device_f32(memory, run->steps);
    float *factors = arena_new(&run->arena, float, run->steps);
    for (uint32_t k = 0; k < run->steps; k++) factors[k] = adamw_shrink((float)run_rate(run, k), t->hyper.weight_decay);
    device_write(run->device, run->factors, factors, run->steps * sizeof *factors);
}

/* Makes up for the decay that rows of the word table without a gradient have missed. */
static void run_wake(Run *run, const DeviceRows *rows)
{
    const Params *p = &run->params[0];
    if (!p->stamp) return;
    RUN(run->device, wake_rows, .w = p->w, .stamp = p->stamp, .row = rows ? rows->row : NULL, .factors = run->factors,
        .rows = rows ? rows->unique : p->layout->table_rows, .cols = p->layout->table_cols, .step = run->step,
        .awake = rows != NULL);
}

static bool run_flush(Run *run, Err *err)
{
    const int count = run->pending_count;
    if (!count) return true;
    float losses[4096], clip[2 * TRAIN_READ_STEPS];
    const uint32_t first_step = run->pending[0].step;
    device_read(run->device, clip, run->clip + 2 * (size_t)first_step, 2 * sizeof(float) * (size_t)count);
    const double seconds = (clock_seconds() - run->pending_since) / count;
    run->pending_count = 0;
    if (!device_ok(run->device, err)) return false;
    for (int i = 0; i < count; i++) {
        const uint32_t rows = run->pending[i].rows;
        double sum = 0;
        for (uint32_t at = 0; at < rows; at += COUNT(losses)) {
            const uint32_t n = train_min(COUNT(losses), rows - at);
            device_read(run->device, losses, run->losses + run->pending[i].first + at, n * sizeof *losses);
            for (uint32_t j = 0; j < n; j++) sum += (double)losses[j];
        }
        StepRecord record = {.step = run->pending[i].step + 1,
                             .epoch = run->pending[i].epoch,
                             .loss = sum / rows,
                             .grad_norm = (double)clip[2 * i + 1],
                             .learning_rate = run_rate(run, run->pending[i].step),
                             .tokens = run->pending[i].tokens,
                             .seconds = seconds};
        if (!isfinite(record.loss) || !isfinite(record.grad_norm))
            return fail(err,
                        "training diverged: at step %u the loss is %g and the gradient norm %g; try a lower learning "
                        "rate than %g",
                        record.step, record.loss, record.grad_norm, (double)run->training->hyper.learning_rate);
        if (!run->observer->step(run->observer->context, &record, err)) return false;
    }
    return true;
}

static void run_step(Run *run, uint32_t epoch, const uint32_t *rows, uint32_t count, uint32_t first)
{
    const Training *t = run->training;
    Device *device = run->device;
    Arena scratch = {0};
    Batch batch;
    DeviceBatch on_device;
    batch_pack(&scratch, t->train, rows, count, t->model->config.position_base, &batch);
    device_batch_write(device, &run->buffer, &scratch, &batch, &on_device);
    arena_free(&scratch);
    run_wake(run, &on_device.word);

    const PassOptions options = {.dropout = true, .seed = t->seed, .step = (t->task << 24) + run->step};
    f32p logits = model_forward(run->ws, &t->weights, t->head, &on_device, &options);
    RUN(device, cross_entropy, .logits = logits, .labels = on_device.labels, .loss = run->losses + first,
        .dlogits = workspace_dlogits(run->ws), .rows = count, .classes = t->head->classes, .scale = 1 / (float)count);
    model_backward(run->ws, &t->weights, &run->grads, t->head, &on_device, &options);

    uint32_t parts = 0;
    for (int i = 0; i < run->params_count; i++)
        parts += params_squares(device, &run->params[i], &on_device.word, run->part + parts);
    f32p clip = run->clip + 2 * (size_t)run->step;
    RUN(device, clip, .part = run->part, .result = clip, .parts = parts, .max_norm = MAX_GRAD_NORM);
    const double t1 = (double)run->step + 1;
    const AdamStep adam = {.lr = (float)run_rate(run, run->step),
                           .decay = t->hyper.weight_decay,
                           .scale = clip,
                           .fix1 = (float)(1 - pow((double)BETA1, t1)),
                           .fix2 = (float)sqrt(1 - pow((double)BETA2, t1))};
    for (int i = 0; i < run->params_count; i++) params_step(device, &run->params[i], &adam, &on_device.word);

    if (!run->pending_count) run->pending_since = run->pending_since > 0 ? run->pending_since : clock_seconds();
    run->pending[run->pending_count].step = run->step;
    run->pending[run->pending_count].epoch = epoch;
    run->pending[run->pending_count].first = first;
    run->pending[run->pending_count].rows = count;
    run->pending[run->pending_count++].tokens = on_device.tokens;
    run->step++;
}

static bool run_epoch(Run *run, uint32_t epoch, uint32_t *order, Err *err)
{
    const Training *t = run->training;
    const uint32_t rows = t->train->rows;
    random_permutation(t->seed + epoch, rows, order);
    run->pending_since = clock_seconds();
    for (uint32_t at = 0; at < rows && run->step < run->steps; at += t->hyper.batch_size) {
        run_step(run, epoch, order + at, train_min(t->hyper.batch_size, rows - at), at);
        if (run->pending_count == TRAIN_READ_STEPS) {
            if (!run_flush(run, err)) return false;
            run->pending_since = clock_seconds();
        }
        if (interrupted()) return fail_interrupted(err);
    }
    return run_flush(run, err);
}

static bool run_all(Run *run, Err *err)
{
    const Training *t = run->training;
    uint32_t *order = arena_new(&run->arena, uint32_t, t->train->rows);
    double lowest = INFINITY;
    bool best_is_kept = false; /* in params[].best; else the current weights are the best */
    for (uint32_t epoch = 0; epoch < t->hyper.epochs && run->step < run->steps; epoch++) {
        if (!run_epoch(run, epoch, order, err)) return false;
        run_wake(run, NULL);
        Arena scratch = {0};
        EvalRecord record;
        bool ok = evaluate(run->device, &scratch, t->model, t->lora, t->head, &t->weights, t->eval,
                           t->hyper.eval_batch_size, &record, err);
        record.epoch = epoch;
        record.step = run->step;
        ok = ok && run->observer->eval(run->observer->context, &record, err);
        arena_free(&scratch);
        if (!ok) return false;
        const bool more = run->step < run->steps;
        if (record.loss < lowest) {
            lowest = record.loss;
            best_is_kept = more;
            for (int i = 0; i < run->params_count && more; i++)
                params_copy(run->device, run->params[i].w, run->params[i].best, run->params[i].layout->floats);
        }
    }
    for (int i = 0; i < run->params_count && best_is_kept; i++)
        params_copy(run->device, run->params[i].best, run->params[i].w, run->params[i].layout->floats);
    return true;
}

bool train_task(Device *device, const Training *training, const TrainObserver *observer, Err *err)
{
    ASSERT(training->train->rows && training->eval->rows && training->hyper.batch_size &&
           training->hyper.eval_batch_size);
    Run run = {.device = device, .training = training, .observer = observer, .memory = {.device = device}};
    run_open(&run);
    bool ok = run_all(&run, err);
    device_arena_free(&run.memory);
    arena_free(&run.arena);
    return ok;
}

uint64_t train_memory_bytes(const Device *device, const Training *t)
{
    const uint32_t size = train_min(t->hyper.batch_size, t->train->rows);
    const uint32_t eval_size = train_min(t->hyper.eval_batch_size, t->eval->rows);
    uint64_t floats =
        workspace_floats(t->model, t->lora, split_most_tokens(t->train, size), size, t->head->classes, true) +
        workspace_floats(t->model, t->lora, split_most_tokens(t->eval, eval_size), eval_size, t->head->classes, false);
    uint64_t trained = train_trainable(t);
    /* The word table's gradient and moments are touched only where its words occur, a huge page at a time. */
    if (t->train_encoder && device_memory_is_lazy(device)) {
        const uint64_t table = params_table(&t->model->encoder);
        uint64_t touched = t->train->starts[t->train->rows] * (HUGE_PAGE_BYTES / sizeof(float));
        if (touched > table) touched = table;
        floats += 3 * (trained - table + touched);
    } else {
        floats += 3 * trained;
    }
    if (t->hyper.epochs > 1) floats += trained; /* the best epoch's weights */
    return floats * sizeof(float);
}
