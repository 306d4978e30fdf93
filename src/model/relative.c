#include "model.h"

#include <math.h>
#include <string.h>

/* Relative positions: what families with a FamilyRelative add to the scores of attention. Each pass lays the terms out,
 * [T][A][longest], for the op that attends.
 *
 * A bias (MPNet): a table [buckets][A] that all layers share, so the terms are laid out once a pass; its gradient is
 * kept by example, [B][buckets][A], over all layers, and added up at the end.
 *
 * Disentangled (DeBERTa): score = scale (q_i k_j + q_i K(r) + k_j Q(r)), r the embedding of the bucket of i - j after
 * its LayerNorm, K and Q the layer's linear layers for keys and queries. Those embeddings that a batch's distances
 * meet, W rows of the table, stand after the tokens in each layer's input, so that what its linear layers and adapters
 * do with tokens, forward and backward, they do with these. */

typedef struct Relative {
    u32p bucket, span;     /* as relative_bias and relative_bias_grad take them */
    uint32_t reach;        /* of these two */
    f32p bias, d_bias;     /* [T][A][longest] */
    f32p d_table;          /* of a bias: [B][buckets][A] */
    f32p rows, norm;       /* disentangled: [W][H] of the table; after LayerNorm */
    f32p mean, rstd;       /* [W] */
    f32p of_query, of_key; /* [T][A][W]: the two terms by bucket, backward their gradients */
    f32p d_rows;           /* [W][H], over all layers */
} Relative;

static bool relative_disentangled(const ModelConfig *c)
{
    return c->family->relative && c->family->relative->disentangled;
}

/* The bucket of the distance query - key. transformers computes in single precision, and rounds down or up. */
static uint32_t relative_bucket(const ModelConfig *c, int64_t distance)
{
    const int64_t half = c->buckets / 2, far = distance < 0 ? -distance : distance;
    if (relative_disentangled(c)) {
        const int64_t middle = half / 2;
        int64_t place = far;
        if (far > middle) {
            const float ratio = (float)far / (float)middle, last = (float)((double)(c->reach - 1) / (double)middle);
            const float part = (float)math_log((double)ratio) / (float)math_log((double)last);
            place = (int64_t)ceilf(part * (float)(middle - 1)) + middle;
        }
        place = (distance < 0 ? -place : place) + half;
        return (uint32_t)(place < 0 ? 0 : place > 2 * half - 1 ? 2 * half - 1 : place);
    }
    const int64_t exact = half / 2;
    int64_t place = far;
    if (far >= exact) {
        const float part =
            (float)math_log((double)((float)far / (float)exact)) / (float)math_log((double)c->reach / (double)exact);
        place = exact + (int64_t)(part * (float)(half - exact));
        if (place > half - 1) place = half - 1;
    }
    return (uint32_t)(place + (distance < 0 ? half : 0));
}

/* The buckets that a batch meets, in a row: how many, from *base on. */
static uint32_t relative_window(const ModelConfig *c, uint32_t longest, uint32_t *base)
{
    *base = 0;
    if (!relative_disentangled(c) || !longest) return c->buckets;
    *base = relative_bucket(c, 1 - (int64_t)longest);
    return relative_bucket(c, (int64_t)longest - 1) - *base + 1;
}

uint32_t model_shared_rows(const ModelConfig *c, uint32_t longest)
{
    uint32_t base;
    return relative_disentangled(c) ? relative_window(c, longest, &base) : 0;
}

/* Lets r know the buckets of all distances below `longest`. */
static void relative_tables(Relative *r, DeviceArena *memory, const ModelConfig *c, uint32_t longest)
{
    Arena scratch = {0};
    r->reach = longest ? longest : 1;
    const size_t distances = 2 * (size_t)r->reach - 1, spans = 2 * (size_t)c->buckets;
    uint32_t *bucket = arena_new(&scratch, uint32_t, distances), *span = arena_new(&scratch, uint32_t, spans);
    for (size_t d = distances; d-- > 0;) { /* a bucket's distances stand in a row */
        bucket[d] = relative_bucket(c, (int64_t)d - r->reach + 1);
        span[2 * bucket[d]] = (uint32_t)d;
        if (!span[2 * bucket[d] + 1]) span[2 * bucket[d] + 1] = (uint32_t)d + 1;
    }
    r->bucket = device_u32(memory, distances);
    r->span = device_u32(memory, spans);
    device_write(memory->device, r->bucket, bucket, distances * sizeof *bucket);
    device_write(memory->device, r->span, span, spans * sizeof *span);
    arena_free(&scratch);
}

static float relative_scale(const ModelConfig *c)
{
    return 1 / sqrtf((float)(c->hidden / c->heads * (relative_disentangled(c) ? 3 : 1)));
}

/* ---- forward ---- */

/* From two terms by bucket, or the table of a bias, to terms by key. */
static void relative_lay_out(const Relative *r, Device *d, const ModelConfig *c, const DeviceBatch *batch, f32p table)
{
    uint32_t base;
    const u32 window = relative_window(c, batch->longest, &base), row = c->heads * window;
    RUN(d, relative_bias, .a = table ? table : r->of_query, .b = table ? NULL : r->of_key, .bucket = r->bucket,
        .offsets = batch->offsets, .bias = r->bias, .examples = batch->examples, .heads = c->heads,
        .longest = batch->longest, .buckets = window, .base = base, .reach = r->reach, .lda = table ? 0 : row,
        .next_head = table ? 1 : window, .next_bucket = table ? c->heads : 1);
}

/* Before the first layer. */
static void relative_begin(const Relative *r, Device *d, const Model *m, f32p w, const DeviceBatch *batch)
{
    const ModelConfig *c = &m->config;
    uint32_t base;
    const u32 h = c->hidden, window = relative_window(c, batch->longest, &base);
    if (!relative_disentangled(c)) {
        relative_lay_out(r, d, c, batch, w + m->relative);
        return;
    }
    RUN(d, copy, .x = w + m->relative + (size_t)base * h, .y = r->rows, .n = window * h);
    RUN(d, layernorm, .x = r->rows, .gamma = w + m->relative_norm, .beta = w + m->relative_norm + h, .y = r->norm,
        .mean = r->mean, .rstd = r->rstd, .rows = window, .cols = h, .eps = c->eps);
}

/* Disentangled: the two terms of a layer. qkv: its [T + W][3H]. */
static void relative_scores(const Relative *r, Device *d, const ModelConfig *c, f32p qkv, const DeviceBatch *batch)
{
    const u32 h = c->hidden, size = h / c->heads, window = model_shared_rows(c, batch->longest), tokens = batch->tokens;
    f32p shared = qkv + (size_t)tokens * 3 * h;
    for (int of_key = 0; of_key < 2; of_key++)
        RUN(d, gemm, .a = of_key ? qkv + h : qkv, .b = of_key ? shared : shared + h,
            .c = of_key ? r->of_key : r->of_query, .m = tokens, .n = window, .k = size, .lda = 3 * h, .ldb = 3 * h,
            .ldc = c->heads * window, .tb = 1, .alpha = relative_scale(c), .more = c->heads - 1, .stride_a = size,
            .stride_b = size, .stride_c = window);
    relative_lay_out(r, d, c, batch, NULL);
}

/* ---- backward ---- */

/* Before the last layer: what gradients are added to. */
static void relative_clear(const Relative *r, Device *d, const ModelConfig *c, const DeviceBatch *batch)
{
    if (relative_disentangled(c))
        RUN(d, fill, .x = r->d_rows, .n = model_shared_rows(c, batch->longest) * c->hidden);
    else
        RUN(d, fill, .x = r->d_table, .n = batch->examples * c->buckets * c->heads);
}

/* After a layer's attention: from d_bias to the table of a bias, or to the rows of qkv. dqkv: [T + W][3H]. */
static void relative_backward(const Relative *r, Device *d, const ModelConfig *c, f32p qkv, f32p dqkv,
                              const DeviceBatch *batch)
{
    const bool disentangled = relative_disentangled(c);
    uint32_t base;
    const u32 h = c->hidden, size = h / c->heads, window = relative_window(c, batch->longest, &base);
    const u32 tokens = batch->tokens;
    RUN(d, relative_bias_grad, .dbias = r->d_bias, .span = r->span, .offsets = batch->offsets,
        .da = disentangled ? r->of_query : r->d_table, .db = disentangled ? r->of_key : NULL,
        .examples = batch->examples, .heads = c->heads, .longest = batch->longest, .buckets = window, .base = base,
        .reach = r->reach, .by_example = !disentangled, .accumulate = !disentangled,
        .next_head = disentangled ? window : 1, .next_bucket = disentangled ? 1 : c->heads);
    if (!disentangled) return;
    f32p shared = qkv + (size_t)tokens * 3 * h, d_shared = dqkv + (size_t)tokens * 3 * h;
    RUN(d, fill, .x = d_shared, .n = window * 3 * h); /* their values are of no use */
    for (int of_key = 0; of_key < 2; of_key++) {
        const u32 from = of_key ? h : 0, to = of_key ? 0 : h; /* a key's term meets the rows' queries */
        f32p terms = of_key ? r->of_key : r->of_query;
        RUN(d, gemm, .a = terms, .b = shared + to, .c = dqkv + from, .m = tokens, .n = size, .k = window,
            .lda = c->heads * window, .ldb = 3 * h, .ldc = 3 * h, .accumulate = 1, .alpha = relative_scale(c),
            .more = c->heads - 1, .stride_a = window, .stride_b = size, .stride_c = size);
        RUN(d, gemm, .a = terms, .b = qkv + from, .c = d_shared + to, .m = window, .n = size, .k = tokens,
            .lda = c->heads * window, .ldb = 3 * h, .ldc = 3 * h, .ta = 1, .alpha = relative_scale(c),
            .more = c->heads - 1, .stride_a = window, .stride_b = size, .stride_c = size);
    }
}

/* After the first layer: writes the gradients of the table and its LayerNorm, or adds their importance. */
static void relative_end(const Relative *r, Device *d, const Model *m, f32p w, f32p g, const DeviceBatch *batch,
                         const PassOptions *o)
{
    const ModelConfig *c = &m->config;
    const Importance *i = o->importance;
    uint32_t base;
    const u32 h = c->hidden, window = relative_window(c, batch->longest, &base), cols = c->buckets * c->heads;
    if (!relative_disentangled(c)) {
        if (i)
            RUN(d, column_importance, .dy = r->d_table, .beta = g + m->relative, .offsets = i->examples,
                .examples = i->groups, .rows = batch->examples, .cols = cols, .ld = cols, .power = i->power,
                .scale = i->scale);
        else
            RUN(d, column_sum, .x = r->d_table, .y = g + m->relative, .rows = batch->examples, .cols = cols,
                .ld = cols);
        return;
    }
    f32p d_norm = g + m->relative_norm, d_table = g + m->relative + (size_t)base * h;
    if (i)
        RUN(d, column_importance, .dy = r->d_rows, .x = r->rows, .mean = r->mean, .rstd = r->rstd, .gamma = d_norm,
            .beta = d_norm + h, .offsets = i->shared, .examples = 1, .rows = window, .cols = h, .ld = h,
            .power = i->power, .scale = i->scale);
    else
        RUN(d, layernorm_dw, .x = r->rows, .mean = r->mean, .rstd = r->rstd, .dy = r->d_rows, .dgamma = d_norm,
            .dbeta = d_norm + h, .rows = window, .cols = h);
    if (!i) RUN(d, fill, .x = g + m->relative, .n = c->buckets * h);
    RUN(d, layernorm_dx, .x = r->rows, .gamma = w + m->relative_norm, .mean = r->mean, .rstd = r->rstd, .dy = r->d_rows,
        .dsum = i ? r->d_rows : d_table, .rows = window, .cols = h);
    if (i)
        RUN(d, column_importance, .dy = r->d_rows, .beta = d_table, .offsets = i->one, .examples = 1, .rows = 1,
            .cols = window * h, .ld = window * h, .power = i->power, .scale = i->scale);
}
