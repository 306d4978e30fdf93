#include "workspace.h"

#include <math.h>
#include <string.h>

/* Linear layers, forward and backward, with their adapters; and what is written for a parameter. */

/* y [rows][out] (row distance ldy) = x [rows][in] w^T + b; w [out][in]. gelu: NULL, or also receives GELU(y). */
static void linear(Device *d, f32p x, size_t rows, size_t in, f32p w, f32p b, size_t out, f32p y, size_t ldy, f32p gelu)
{
    RUN(d, gemm, .a = x, .b = w, .bias = b, .c = y, .gelu = gelu, .m = (u32)rows, .n = (u32)out, .k = (u32)in,
        .lda = (u32)in, .ldb = (u32)in, .ldc = (u32)ldy, .tb = 1, .alpha = 1);
}

/* dx [rows][in] (+)= dy [rows][out] (row distance lddy) w */
static void linear_dx(Device *d, f32p dy, size_t lddy, size_t rows, size_t out, f32p w, size_t in, f32p dx, bool add)
{
    RUN(d, gemm, .a = dy, .b = w, .c = dx, .m = (u32)rows, .n = (u32)in, .k = (u32)out, .lda = (u32)lddy,
        .ldb = (u32)in, .ldc = (u32)in, .accumulate = add, .alpha = 1);
}

/* ---- what is written for a parameter: its gradient, or what importance adds up ----
 * of: what the rows stand for. */

enum { OF_TOKENS, OF_FIRST, OF_INPUTS }; /* all tokens; the examples, by their first tokens; S: see LayerState */

static u32p groups_of(const Importance *i, int of)
{
    return of == OF_FIRST ? i->examples : of == OF_INPUTS && i->inputs ? i->inputs : i->tokens;
}

/* dw [out][in] (o->more: +)= alpha dy^T x */
static void weight_dw(Device *d, const PassOptions *o, int of, f32p dy, size_t lddy, size_t rows, size_t out, f32p x,
                      size_t in, float alpha, f32p dw)
{
    const Importance *i = o->importance;
    if (i)
        RUN(d, gemm_importance, .a = dy, .b = x, .c = dw, .offsets = groups_of(i, of), .examples = i->groups,
            .rows = (u32)rows, .m = (u32)out, .n = (u32)in, .lda = (u32)lddy, .ldb = (u32)in, .ldc = (u32)in,
            .power = i->power, .scale = i->scale * (i->power == 1 ? fabsf(alpha) : alpha * alpha));
    else
        RUN(d, gemm, .a = dy, .b = x, .c = dw, .m = (u32)out, .n = (u32)in, .k = (u32)rows, .lda = (u32)lddy,
            .ldb = (u32)in, .ldc = (u32)in, .ta = 1, .accumulate = o->more, .alpha = alpha);
}

/* As weight_dw with alpha 1; db [out] = column sums of dy, unless it is null */
static void linear_dw(Device *d, const PassOptions *o, int of, f32p dy, size_t lddy, size_t rows, size_t out, f32p x,
                      size_t in, f32p dw, f32p db)
{
    const Importance *i = o->importance;
    weight_dw(d, o, of, dy, lddy, rows, out, x, in, 1, dw);
    if (!db) return;
    if (i)
        RUN(d, column_importance, .dy = dy, .beta = db, .offsets = groups_of(i, of), .examples = i->groups,
            .rows = (u32)rows, .cols = (u32)out, .ld = (u32)lddy, .power = i->power, .scale = i->scale);
    else
        RUN(d, column_sum, .x = dy, .y = db, .rows = (u32)rows, .cols = (u32)out, .ld = (u32)lddy);
}

/* Where a LayerNorm's beta lies. */
static f32p beta_of(const Workspace *ws, f32p gamma, size_t h) { return ws->zeros ? ws->zeros : gamma + h; }

/* d_gamma [2][h]: gamma's and beta's, if there is one; dy: gradient of the LayerNorm's output, x its input. */
static void norm_dw(const Workspace *ws, const PassOptions *o, int of, f32p dy, f32p x, f32p mean, f32p rstd,
                    size_t rows, u32 h, f32p d_gamma)
{
    const Importance *i = o->importance;
    Device *d = ws->device;
    f32p d_beta = ws->zeros ? ws->d_beta : d_gamma + h;
    if (i)
        RUN(d, column_importance, .dy = dy, .x = x, .mean = mean, .rstd = rstd, .gamma = d_gamma, .beta = d_beta,
            .offsets = groups_of(i, of), .examples = i->groups, .rows = (u32)rows, .cols = h, .ld = h,
            .power = i->power, .scale = i->scale);
    else
        RUN(d, layernorm_dw, .x = x, .mean = mean, .rstd = rstd, .dy = dy, .dgamma = d_gamma, .dbeta = d_beta,
            .rows = (u32)rows, .cols = h);
}

static void table_dw(Device *d, const PassOptions *o, f32p dy, const DeviceRows *rows, u32 tokens, u32 h, f32p d_table)
{
    const Importance *i = o->importance;
    if (i)
        RUN(d, embed_importance, .dy = dy, .row = rows->row, .starts = rows->starts, .order = rows->order,
            .offsets = i->tokens, .table = d_table, .unique = rows->unique, .examples = i->groups, .rows = tokens,
            .cols = h, .power = i->power, .scale = i->scale);
    else
        RUN(d, embed_grad, .dy = dy, .row = rows->row, .starts = rows->starts, .order = rows->order, .dtable = d_table,
            .unique = rows->unique, .cols = h);
}

/* ---- LoRA: of any linear layer, or of all at once that read the same rows ---- */

/* The linear layers that adapters add to. */
typedef struct LoraUse {
    uint32_t l, among; /* the layer, and those of its targets that `y` has columns for; see Lora */
    int of;            /* what the rows stand for */
    f32p x;            /* [rows][in] */
    size_t rows;
    f32p y;     /* [rows][out of each target]: what the layers made; backward its gradient */
    size_t ldy; /* its row distance */
    f32p first; /* [B][H]: the first H columns, which are wanted of first tokens alone, when they lie apart
                   from y; else null */
    const DeviceBatch *batch; /* with `first` */
} LoraUse;

/* The use of one target that is no part of the attention; y: what its layer makes, or the gradient of that. */
static LoraUse lora_use(const Workspace *ws, uint32_t l, uint32_t target, size_t rows, f32p y)
{
    const ModelConfig *c = &ws->model->config;
    const LayerState *s = &ws->layer[l];
    const bool first = target == TARGET_POOLER || (target != TARGET_PROJECT && layer_ends(c, l));
    const f32p x[LORA_TARGETS] = {[TARGET_CONTEXT] = s->context,
                                  [TARGET_UP] = s->norm1,
                                  [TARGET_DOWN] = s->act,
                                  [TARGET_PROJECT] = ws->embedded_norm,
                                  [TARGET_POOLER] = ws->head_in};
    return (LoraUse){.l = l,
                     .among = 1u << target,
                     .of = first ? OF_FIRST : OF_TOKENS,
                     .x = x[target],
                     .rows = rows,
                     .y = y,
                     .ldy = lora_out(c, target)};
}

/* What the ops and products of a group share: where its weights lie, and what its dropout is. */
typedef struct LoraAt {
    LoraGroup group;
    f32p low;
    size_t a, b;      /* of its first target */
    u32 in, out, r;   /* of each target; out: without what lies apart */
    u32 apart;        /* columns of `first` */
    u32 next, next_y; /* from one target's weights to the next one's; from its columns of y */
    u32 y;            /* the first target's columns of y */
    u32 site;
    float drop, scale;
} LoraAt;

/* group.count is 0 when none of the targets has an adapter. */
static LoraAt lora_at(const Workspace *ws, f32p adapter, LoraUse use, const PassOptions *o)
{
    const Lora *lora = ws->lora;
    const ModelConfig *c = &ws->model->config;
    if (!adapter) return (LoraAt){0};
    const LoraGroup group = lora_group(lora, use.among);
    const u32 in = lora_in(c, group.first), out = lora_out(c, group.first), apart = use.first ? c->hidden : 0;
    u32 before = 0; /* targets with columns of y, but without adapters */
    for (u32 t = 0; t < group.first; t++) before += use.among >> t & 1;
    return (LoraAt){.group = group,
                    .low = ws->layer[use.l].low[group.first],
                    .a = lora->a[use.l][group.first],
                    .b = lora->b[use.l][group.first],
                    .in = in,
                    .out = out - apart,
                    .r = lora->r,
                    .apart = apart,
                    .next = lora->r * (in + out),
                    .next_y = group.step * out,
                    .y = before * out,
                    .site = lora_site(use.l, group.first),
                    .drop = o->dropout ? lora->drop : 0,
                    .scale = lora->alpha / (float)lora->r};
}

/* y_t += alpha / r * B_t A_t dropout_t(x) */
static void lora_forward(const Workspace *ws, f32p adapter, LoraUse use, const PassOptions *o)
{
    const LoraAt at = lora_at(ws, adapter, use, o);
    if (!at.group.count) return;
    Device *d = ws->device;
    const u32 n = (u32)use.rows, r = at.r;
    f32p b = adapter + at.b, first = ws->layer[use.l].low_first;
    RUN(d, lora_down, .x = use.x, .a = adapter + at.a, .low = at.low, .rows = n, .cols = at.in, .r = r,
        .targets = at.group.count, .next = at.next, .drop = at.drop, .seed = o->seed, .step = o->step, .site = at.site,
        .next_site = at.group.step);
    if (at.apart) {
        const u32 examples = use.batch->examples;
        RUN(d, gather_rows, .x = at.low, .index = use.batch->first, .y = first, .rows = examples, .cols = r, .ldx = r);
        RUN(d, gemm, .a = first, .b = b, .c = use.first, .m = examples, .n = at.apart, .k = r, .lda = r, .ldb = r,
            .ldc = at.apart, .tb = 1, .accumulate = 1, .alpha = at.scale);
    }
    RUN(d, gemm, .a = at.low, .b = b + (size_t)at.apart * r, .c = use.y + at.y, .m = n, .n = at.out, .k = r, .lda = r,
        .ldb = r, .ldc = (u32)use.ldy, .tb = 1, .accumulate = 1, .alpha = at.scale, .more = at.group.count - 1,
        .stride_a = n * r, .stride_b = at.next, .stride_c = at.next_y);
}

/* Of A and B, by example; there is no dropout then. */
static void lora_importance(const Workspace *ws, f32p grad, LoraUse use, const LoraAt *at, const PassOptions *o)
{
    Device *d = ws->device;
    const u32 n = (u32)use.rows, r = at->r;
    for (u32 t = 0; t < at->group.count; t++) {
        const size_t weights = (size_t)t * at->next, low = (size_t)t * n * r;
        weight_dw(d, o, use.of, use.y + at->y + t * at->next_y, use.ldy, n, at->out, at->low + low, r, at->scale,
                  grad + at->b + (size_t)at->apart * r + weights);
        weight_dw(d, o, use.of, ws->d_low + low, r, n, r, use.x, at->in, 1, grad + at->a + weights);
    }
}

/* Gradients of A and B unless grad is null, and dx [rows][in] += through the adapters unless dx is. */
static void lora_backward(const Workspace *ws, f32p adapter, f32p grad, LoraUse use, f32p dx, const PassOptions *o)
{
    const LoraAt at = lora_at(ws, adapter, use, o);
    if (!at.group.count) return;
    Device *d = ws->device;
    const u32 n = (u32)use.rows, r = at.r;
    const size_t b = at.b + (size_t)at.apart * r;
    f32p dy = use.y + at.y;
    RUN(d, gemm, .a = dy, .b = adapter + b, .c = ws->d_low, .m = n, .n = r, .k = at.out, .lda = (u32)use.ldy, .ldb = r,
        .ldc = r, .alpha = at.scale, .more = at.group.count - 1, .stride_a = at.next_y, .stride_b = at.next,
        .stride_c = n * r);
    if (at.apart) { /* its part of d_low in d_context, which is free by then */
        const u32 examples = use.batch->examples;
        RUN(d, gemm, .a = use.first, .b = adapter + at.b, .c = ws->d_context, .m = examples, .n = r, .k = at.apart,
            .lda = at.apart, .ldb = r, .ldc = r, .alpha = at.scale);
        RUN(d, scatter_rows, .x = ws->d_context, .index = use.batch->first, .y = ws->d_low, .rows = examples, .cols = r,
            .ldy = r);
        if (grad)
            weight_dw(d, o, OF_FIRST, use.first, at.apart, examples, at.apart, ws->layer[use.l].low_first, r, at.scale,
                      grad + at.b);
    }
    if (grad && o->importance)
        lora_importance(ws, grad, use, &at, o);
    else if (grad)
        RUN(d, lora_dw, .x = use.x, .dy = dy, .low = at.low, .dlow = ws->d_low, .da = grad + at.a, .db = grad + b,
            .rows = n, .cols = at.in, .wide = at.out, .r = r, .targets = at.group.count, .next = at.next,
            .lddy = (u32)use.ldy, .next_dy = at.next_y, .alpha = at.scale, .drop = at.drop, .seed = o->seed,
            .step = o->step, .site = at.site, .next_site = at.group.step);
    if (dx)
        RUN(d, lora_dx, .dlow = ws->d_low, .a = adapter + at.a, .dx = dx, .rows = n, .cols = at.in, .r = r,
            .targets = at.group.count, .next = at.next, .drop = at.drop, .seed = o->seed, .step = o->step,
            .site = at.site, .next_site = at.group.step);
}

/* ---- a linear layer behind the attention, with its adapter ---- */

/* Where the bias of such a layer lies; 0: it has none. */
static size_t target_bias(const LayerAt *at, uint32_t target)
{
    return target == TARGET_CONTEXT ? at->context_b : target == TARGET_UP ? at->up_b : at->down_b;
}

/* y [rows][out] of layer l's target. gelu: as of `linear`, of y without an adapter. */
static void target_forward(const Workspace *ws, const Weights *weights, uint32_t l, uint32_t target, size_t rows,
                           f32p y, f32p gelu, const PassOptions *o)
{
    const Model *m = ws->model;
    const LoraUse use = lora_use(ws, l, target, rows, y);
    const size_t b = target_bias(&m->layer[l], target);
    f32p w = weights->encoder;
    linear(ws->device, use.x, rows, lora_in(&m->config, target), w + lora_weight(m, l, target), b ? w + b : NULL,
           use.ldy, y, use.ldy, gelu);
    lora_forward(ws, weights->adapter, use, o);
}

/* ---- a layer on its way back ---- */

/* Where a layer's gradients go, on its way back. */
typedef struct LayerWay {
    f32p w, g, v; /* the encoder; its gradient, and that of biases and LayerNorms as they lie from qkv_b on */
    f32p adapter, d_adapter; /* null, as g: none, or not wanted */
    const DeviceBatch *batch;
    const PassOptions *o;
    size_t rows; /* that go on after the attention */
    bool below;  /* whether anything under this layer wants its gradient */
} LayerWay;

/* Whether the gradient is wanted where one of these targets is, or below it. */
static bool layer_wants(const Workspace *ws, const LayerWay *way, uint32_t targets)
{
    return way->below || (way->d_adapter && ws->lora->targets & targets);
}

/* The gradients of layer l's target from dy, that of its y; dx [rows][in] = (add: +=) that of its x, unless it is null.
 */
static void target_backward(const Workspace *ws, uint32_t l, const LayerWay *way, uint32_t target, f32p dy, f32p dx,
                            bool add)
{
    const Model *m = ws->model;
    const LayerAt *at = &m->layer[l];
    const LoraUse use = lora_use(ws, l, target, way->rows, dy);
    const size_t in = lora_in(&m->config, target), w = lora_weight(m, l, target), b = target_bias(at, target);
    if (dx) linear_dx(ws->device, dy, use.ldy, way->rows, use.ldy, way->w + w, in, dx, add);
    if (way->g)
        linear_dw(ws->device, way->o, use.of, dy, use.ldy, way->rows, use.ldy, use.x, in, way->g + w,
                  b ? way->v + (b - at->qkv_b) : NULL);
    lora_backward(ws, way->adapter, way->d_adapter, use, dx, way->o);
}
