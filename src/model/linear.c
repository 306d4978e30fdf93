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

/* ---- LoRA: all targets that read the same rows at once ---- */

/* What the ops and products of a group share: where its weights lie, and what its dropout is. */
typedef struct LoraAt {
    LoraGroup group;
    size_t a, b;   /* of its first target */
    u32 next;      /* from one target's weights to the next one's */
    u32 y, next_y; /* the first target's columns of a matrix that begins with those of `among`; to the next one's */
    u32 site;
    float drop, scale;
    f32p low;
} LoraAt;

/* among: the targets that the caller's matrix has columns for. count is 0 when none of them has an adapter. */
static LoraAt lora_at(const Workspace *ws, f32p adapter, uint32_t l, uint32_t among, const PassOptions *o)
{
    const Lora *lora = ws->lora;
    if (!adapter) return (LoraAt){0};
    const LoraGroup group = lora_group(lora, among);
    const u32 h = ws->model->config.hidden;
    return (LoraAt){.group = group,
                    .a = lora->a[l][group.first],
                    .b = lora->b[l][group.first],
                    .next = 2 * lora->r * h,
                    .y = (group.first - (among & LORA_QUERY ? 0 : 1)) * h,
                    .next_y = group.step * h,
                    .site = layer_site(l, SITE_LORA + group.first),
                    .drop = o->dropout ? lora->drop : 0,
                    .scale = lora->alpha / (float)lora->r,
                    .low = among == LORA_QUERY ? ws->layer[l].low_q : ws->layer[l].low};
}

/* y_t [rows][H] += alpha / r * B_t A_t dropout_t(x). y: columns of `among`, row distance ldy. */
static void lora_forward(const Workspace *ws, f32p adapter, uint32_t l, uint32_t among, f32p x, size_t rows, f32p y,
                         size_t ldy, const PassOptions *o)
{
    const LoraAt at = lora_at(ws, adapter, l, among, o);
    if (!at.group.count) return;
    const u32 h = ws->model->config.hidden, r = ws->lora->r, n = (u32)rows;
    RUN(ws->device, lora_down, .x = x, .a = adapter + at.a, .low = at.low, .rows = n, .cols = h, .r = r,
        .targets = at.group.count, .next = at.next, .drop = at.drop, .seed = o->seed, .step = o->step, .site = at.site,
        .next_site = at.group.step);
    RUN(ws->device, gemm, .a = at.low, .b = adapter + at.b, .c = y + at.y, .m = n, .n = h, .k = r, .lda = r, .ldb = r,
        .ldc = (u32)ldy, .tb = 1, .accumulate = 1, .alpha = at.scale, .more = at.group.count - 1, .stride_a = n * r,
        .stride_b = at.next, .stride_c = at.next_y);
}

/* Gradients of A and B, and dx += through the adapters unless dx is null. dy: as lora_forward's y. */
static void lora_backward(const Workspace *ws, f32p adapter, f32p grad, uint32_t l, uint32_t among, f32p x, size_t rows,
                          f32p dy, size_t lddy, f32p dx, const PassOptions *o)
{
    const LoraAt at = lora_at(ws, adapter, l, among, o);
    if (!at.group.count) return;
    Device *d = ws->device;
    const u32 h = ws->model->config.hidden, r = ws->lora->r, n = (u32)rows;
    dy += at.y;
    RUN(d, gemm, .a = dy, .b = adapter + at.b, .c = ws->d_low, .m = n, .n = r, .k = h, .lda = (u32)lddy, .ldb = r,
        .ldc = r, .alpha = at.scale, .more = at.group.count - 1, .stride_a = at.next_y, .stride_b = at.next,
        .stride_c = n * r);
    for (u32 t = 0; t < at.group.count && grad && o->importance; t++) { /* by example; without dropout */
        const int of = among == LORA_QUERY ? OF_FIRST : OF_INPUTS;
        const size_t weights = (size_t)t * at.next, low = (size_t)t * n * r;
        weight_dw(d, o, of, dy + t * at.next_y, lddy, n, h, at.low + low, r, at.scale, grad + at.b + weights);
        weight_dw(d, o, of, ws->d_low + low, r, n, r, x, h, 1, grad + at.a + weights);
    }
    if (grad && !o->importance)
        RUN(d, lora_dw, .x = x, .dy = dy, .low = at.low, .dlow = ws->d_low, .da = grad + at.a, .db = grad + at.b,
            .rows = n, .cols = h, .r = r, .targets = at.group.count, .next = at.next, .lddy = (u32)lddy,
            .next_dy = at.next_y, .alpha = at.scale, .drop = at.drop, .seed = o->seed, .step = o->step, .site = at.site,
            .next_site = at.group.step);
    if (dx)
        RUN(d, lora_dx, .dlow = ws->d_low, .a = adapter + at.a, .dx = dx, .rows = n, .cols = h, .r = r,
            .targets = at.group.count, .next = at.next, .drop = at.drop, .seed = o->seed, .step = o->step,
            .site = at.site, .next_site = at.group.step);
}
