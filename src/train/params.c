#include "train.h"

/* Flat arrays of parameters under AdamW, with the norm of their gradients. */

enum { NORM_BLOCK = 16384 }; /* elements of one partial sum of the gradient norm */
const TrainFixed train_fixed = {.beta1 = 0.9,
                                .beta2 = 0.999,
                                .epsilon = 1e-8,
                                .clip_norm = 1,
                                .warmup_steps = 0,
                                .optimizer = "AdamW",
                                .schedule = "linear to 0"};

enum { OP_CHUNK = 1 << 30 };
static u32 op_chunk(size_t rest) { return (u32)least_size(rest, OP_CHUNK); }

void floats_copy(Device *device, f32p from, f32p to, size_t count)
{
    for (size_t at = 0; at < count; at += OP_CHUNK)
        RUN(device, copy, .x = from + at, .y = to + at, .n = op_chunk(count - at));
}

void floats_fill(Device *device, f32p x, size_t count, float value)
{
    for (size_t at = 0; at < count; at += OP_CHUNK)
        RUN(device, fill, .x = x + at, .n = op_chunk(count - at), .value = value);
}

void floats_axpby(Device *device, f32p x, f32p scale, f32p y, size_t count, float alpha, float beta)
{
    for (size_t at = 0; at < count; at += OP_CHUNK)
        RUN(device, axpby, .x = x + at, .scale = scale, .y = y + at, .n = op_chunk(count - at), .alpha = alpha,
            .beta = beta);
}

typedef struct Params {
    const Layout *layout;
    f32p w, g, m, v, best;
    u32p stamp;       /* [table_rows], see wake_rows; null when there is no table, or when all its rows are awake */
    uint32_t parts;   /* partial sums of squares of all but the table, which has one for each row */
    uint32_t updates; /* steps that the optimiser has made */
    bool moves;       /* whether it makes one now: a head that a step does not pass through stands still */
    float decay;
} Params;

static size_t params_table(const Layout *layout) { return (size_t)layout->table_rows * layout->table_cols; }

static Params params_new(DeviceArena *memory, const Layout *layout, f32p w, bool keep_best, bool dense, float decay)
{
    Params p = {.layout = layout, .w = w, .decay = decay};
    p.g = device_f32(memory, layout->floats);
    p.m = device_f32(memory, layout->floats);
    p.v = device_f32(memory, layout->floats);
    if (keep_best) p.best = device_f32(memory, layout->floats);
    if (layout->table_rows && !dense) p.stamp = device_u32(memory, layout->table_rows);
    if (p.stamp && device_memory_is_lazy(memory->device)) { /* only rows that are used take memory */
        f32p const by_row[] = {p.g, p.m, p.v};
        for (size_t i = 0; i < COUNT(by_row); i++)
            memory_want_small_pages(by_row[i], params_table(layout) * sizeof(float));
    }
    p.parts = (uint32_t)ceil_div(layout->floats - params_table(layout), NORM_BLOCK);
    return p;
}

/* Rows of the word table with a gradient in this step. */
typedef struct Touched {
    uint32_t count;
    u32p row;
    f32p part; /* scratch: a partial sum for each */
} Touched;

/* Partial sums of squares of the gradient at part, which is 0 where the table's rows go; returns how many. The table
 * has one for each row, used or not, so that they add up in the same order whichever rows have a gradient. */
static uint32_t params_squares(Device *device, const Params *p, const Touched *touched, f32p part)
{
    const size_t table = params_table(p->layout);
    if (p->stamp) {
        RUN(device, dot, .x = p->g, .y = p->g, .row = touched->row, .part = touched->part,
            .n = touched->count * p->layout->table_cols, .block = p->layout->table_cols);
        RUN(device, scatter_rows, .x = touched->part, .index = touched->row, .y = part, .rows = touched->count,
            .cols = 1, .ldy = 1);
    } else if (table) {
        RUN(device, dot, .x = p->g, .y = p->g, .part = part, .n = (u32)table, .block = p->layout->table_cols);
    }
    RUN(device, dot, .x = p->g + table, .y = p->g + table, .part = part + p->layout->table_rows,
        .n = (u32)(p->layout->floats - table), .block = NORM_BLOCK);
    return p->layout->table_rows + p->parts;
}

typedef struct AdamStep {
    float lr, fix1, fix2;
    f32p scale;
} AdamStep;

static void params_adamw(Device *device, const Params *p, const AdamStep *s, size_t from, size_t to, float decay)
{
    for (size_t at = from; at < to; at += OP_CHUNK)
        RUN(device, adamw, .w = p->w + at, .g = p->g + at, .m = p->m + at, .v = p->v + at, .scale = s->scale,
            .n = op_chunk(to - at), .lr = s->lr, .beta1 = (float)train_fixed.beta1, .beta2 = (float)train_fixed.beta2,
            .eps = (float)train_fixed.epsilon, .shrink = adamw_shrink(s->lr, decay), .fix1 = s->fix1, .fix2 = s->fix2);
}

/* One step of AdamW; afterwards the table's gradient is 0 again. */
static void params_step(Device *device, Params *p, float lr, f32p scale, const Touched *touched)
{
    const Layout *layout = p->layout;
    const size_t table = params_table(layout);
    if (!p->moves) return;
    const uint32_t t = ++p->updates;
    const AdamStep s = {lr, (float)(1 - math_power((double)(float)train_fixed.beta1, t)),
                        (float)sqrt(1 - math_power((double)(float)train_fixed.beta2, t)), scale};
    if (p->stamp) {
        RUN(device, adamw_rows, .w = p->w, .g = p->g, .m = p->m, .v = p->v, .scale = scale, .stamp = p->stamp,
            .rows = layout->table_rows, .cols = layout->table_cols, .lr = lr, .beta1 = (float)train_fixed.beta1,
            .beta2 = (float)train_fixed.beta2, .eps = (float)train_fixed.epsilon, .shrink = adamw_shrink(lr, p->decay),
            .fix1 = s.fix1, .fix2 = s.fix2);
        RUN(device, zero_rows, .x = p->g, .row = touched->row, .rows = touched->count, .cols = layout->table_cols);
    } else {
        params_adamw(device, p, &s, 0, table, p->decay);
        floats_fill(device, p->g, table, 0);
    }
    params_adamw(device, p, &s, table, layout->decay_floats, p->decay);
    params_adamw(device, p, &s, layout->decay_floats, layout->floats, 0);
}
