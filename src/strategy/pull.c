#include "strategy.h"

/* What EWC, SI, MAS and L2-SP share: strength / 2 * sum of importance (w - anchor)^2 over the shared weights. */

enum { PULL_BLOCK = 16384 };

static uint32_t pull_parts(const Layout *layout) { return (uint32_t)ceil_div(layout->floats, PULL_BLOCK); }

static bool pull_begin(void *own, TrainState *t, Err *err)
{
    (void)own, (void)err;
    train_reserve_terms(t, pull_parts(t->layout));
    return true;
}

/* importance null: 1 everywhere. */
static void pull_add(TrainState *t, f32p anchor, f32p importance, double strength)
{
    f32p part = train_terms(t, pull_parts(t->layout), strength / 2);
    RUN(t->device, quadratic_penalty, .w = t->w, .anchor = anchor, .importance = importance, .g = t->g, .part = part,
        .n = (u32)t->layout->floats, .block = PULL_BLOCK, .strength = (float)strength);
}

/* A copy of the shared weights in *anchor, which is made when it is null. */
static void pull_remember(DeviceArena *memory, const Moment *at, f32p *anchor)
{
    if (!*anchor) *anchor = device_f32(memory, at->layout->floats);
    floats_copy(at->device, at->w, *anchor, at->layout->floats);
}

/* The importance of the shared weights for the task that has ended, from the shelf when another method has computed it
 * for the same weights. */
static f32p pull_importance(const Moment *at, const char *name, ImportanceKind kind, uint32_t rows, Err *err)
{
    const Training *t = at->training;
    const uint64_t made = (uint64_t)kind << 32 | rows;
    f32p array = shelf_find(at->shelf, name, made);
    if (array) return array;
    array = shelf_add(at->shelf, name, made, at->layout->floats);
    const Weights out = {.encoder = t->train_encoder ? array : NULL, .adapter = t->train_encoder ? NULL : array};
    if (rows == 0 || rows > t->train->rows) rows = t->train->rows;
    return importance(at->device, kind, t->model, t->lora, t->head, &t->weights, t->train, rows, t->hyper.batch_size,
                      t->seed, &out, err)
               ? array
               : NULL;
}
