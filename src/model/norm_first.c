#include "workspace.h"

#include <math.h>
#include <string.h>

/* Layers that normalise first (FamilyModules.before, norm1), with positions that turn, a gated GELU and no biases: for
 * encoder.c. With x [T][H] what comes in, normalised, and stream [T][H] the residual stream, which in the first
 * layer is x itself: stream <- stream + Wo attention(turned Wqkv x); stream <- stream + W2 geglu(W1 LayerNorm(stream));
 * what goes out is LayerNorm(stream) by the next layer's gamma, or by the last LayerNorm's. */

/* The residual stream that a layer adds to. */
static f32p norm_first_stream(const Workspace *ws, uint32_t l) { return l ? ws->layer[l - 1].sum2 : ws->layer[0].x; }

/* Turns the queries and keys of a layer, or their gradients back. q, kv: neighbours unless `first`; then the queries
 * are first tokens', of position 0, which does not turn. */
static void norm_first_turn(const Workspace *ws, uint32_t l, bool first, f32p q, f32p kv, const DeviceBatch *batch,
                            bool back)
{
    const ModelConfig *c = &ws->model->config;
    RUN(ws->device, rope, .x = first ? kv : q, .table = ws->turn[layer_is_local(c, l)], .positions = batch->positions,
        .rows = batch->tokens, .heads = first ? c->heads : 2 * c->heads, .head_dim = c->hidden / c->heads,
        .ld = (first ? 2 : 3) * c->hidden, .back = back);
}

/* Whether a layer's window leaves out any token of the batch. */
static bool norm_first_is_near(const ModelConfig *c, uint32_t l, const DeviceBatch *batch)
{
    return layer_is_local(c, l) && batch->longest > c->window + 1;
}

/* The one linear layer of query, key and value, for its adapter, which has one dropout. q, kv: as above. */
static LoraUse norm_first_use(const Workspace *ws, uint32_t l, bool first, f32p q, f32p kv, const DeviceBatch *batch)
{
    return (LoraUse){.l = l,
                     .among = LORA_QUERY,
                     .of = OF_TOKENS,
                     .x = ws->layer[l].x,
                     .rows = batch->tokens,
                     .y = first ? kv : q,
                     .ldy = (first ? 2 : 3) * (size_t)ws->model->config.hidden,
                     .first = first ? q : NULL,
                     .batch = batch};
}

/* ---- forward ---- */

static void norm_first_attention(const Workspace *ws, uint32_t l, bool first, const DeviceBatch *batch,
                                 const PassOptions *o)
{
    const ModelConfig *c = &ws->model->config;
    const LayerState *s = &ws->layer[l];
    const u32 h = c->hidden, size = h / c->heads, ldq = first ? h : 3 * h, ldkv = first ? 2 * h : 3 * h;
    const float scale = 1 / sqrtf((float)size), drop = o->dropout ? c->attention_drop : 0;
    if (norm_first_is_near(c, l, batch))
        RUN(ws->device, attention_local, .q = s->q, .kv = s->kv, .context = s->context, .lse = s->lse,
            .offsets = batch->offsets, .examples = batch->examples, .heads = c->heads, .head_dim = size, .ldq = ldq,
            .ldkv = ldkv, .window = c->window, .longest = batch->longest, .scale = scale, .drop = drop, .seed = o->seed,
            .step = o->step, .site = layer_site(l, SITE_ATTENTION));
    else
        RUN(ws->device, attention, .q = s->q, .kv = s->kv, .context = s->context, .lse = s->lse,
            .offsets = batch->offsets, .examples = batch->examples, .heads = c->heads, .head_dim = size, .ldq = ldq,
            .ldkv = ldkv, .first_only = first, .longest = batch->longest, .scale = scale, .drop = drop, .seed = o->seed,
            .step = o->step, .site = layer_site(l, SITE_ATTENTION));
}

static void norm_first_forward(const Workspace *ws, uint32_t l, const Weights *weights, const DeviceBatch *batch,
                               const PassOptions *o)
{
    Device *d = ws->device;
    const ModelConfig *c = &ws->model->config;
    const LayerState *s = &ws->layer[l];
    const LayerAt *at = &ws->model->layer[l];
    const bool first = layer_ends(c, l);
    const size_t h = c->hidden, inner = c->inner, tokens = batch->tokens, rows = first ? batch->examples : tokens;
    f32p w = weights->encoder, stream = norm_first_stream(ws, l);
    const float drop = o->dropout ? c->attention_drop : 0, inner_drop = o->dropout ? c->inner_drop : 0;

    if (first) {
        RUN(d, gather_rows, .x = s->x, .index = batch->first, .y = ws->first, .rows = (u32)rows, .cols = (u32)h,
            .ldx = (u32)h);
        RUN(d, gather_rows, .x = stream, .index = batch->first, .y = ws->first_stream, .rows = (u32)rows,
            .cols = (u32)h, .ldx = (u32)h);
        stream = ws->first_stream;
        linear(d, ws->first, rows, h, w + at->qkv_w, NULL, h, s->q, h, NULL);
        linear(d, s->x, tokens, h, w + at->qkv_w + h * h, NULL, 2 * h, s->kv, 2 * h, NULL);
    } else {
        linear(d, s->x, tokens, h, w + at->qkv_w, NULL, 3 * h, s->q, 3 * h, NULL);
    }
    lora_forward(ws, weights->adapter, norm_first_use(ws, l, first, s->q, s->kv, batch), o);
    norm_first_turn(ws, l, first, s->q, s->kv, batch, false);
    norm_first_attention(ws, l, first, batch, o);
    target_forward(ws, weights, l, TARGET_CONTEXT, rows, s->sum1, NULL, o);
    RUN(d, layernorm, .x = s->sum1, .residual = stream, .gamma = w + at->norm1, .beta = ws->zeros, .y = s->norm1,
        .mean = s->mean1, .rstd = s->rstd1, .rows = (u32)rows, .cols = (u32)h, .eps = c->eps, .drop = drop,
        .seed = o->seed, .step = o->step, .site = layer_site(l, SITE_CONTEXT));
    target_forward(ws, weights, l, TARGET_UP, rows, s->up, NULL, o);
    RUN(d, geglu, .x = s->up, .y = s->act, .rows = (u32)rows, .cols = (u32)inner);
    if (inner_drop > 0)
        RUN(d, dropout, .x = s->act, .y = s->act, .rows = (u32)rows, .cols = (u32)inner, .drop = inner_drop,
            .seed = o->seed, .step = o->step, .site = layer_site(l, SITE_DOWN));
    target_forward(ws, weights, l, TARGET_DOWN, rows, s->sum2, NULL, o);
    RUN(d, layernorm, .x = s->sum2, .residual = s->sum1, .gamma = w + at->norm2, .beta = ws->zeros, .y = s->norm2,
        .mean = s->mean2, .rstd = s->rstd2, .rows = (u32)rows, .cols = (u32)h, .eps = c->eps);
}

/* ---- backward: d_state carries the gradient with respect to the stream, d_branch that of what is normalised ---- */

/* Through y = LayerNorm(stream): dy becomes the gradient of the stream by this way, and is added to d_state, unless it
 * is d_state. */
static void norm_first_norm(const Workspace *ws, f32p dy, f32p stream, f32p mean, f32p rstd, f32p gamma, f32p d_gamma,
                            bool first, size_t rows, const PassOptions *o)
{
    const u32 h = ws->model->config.hidden;
    if (d_gamma) norm_dw(ws, o, first, dy, stream, mean, rstd, rows, h, d_gamma);
    RUN(ws->device, layernorm_dx, .x = stream, .gamma = gamma, .mean = mean, .rstd = rstd, .dy = dy, .dsum = dy,
        .rows = (u32)rows, .cols = h);
    if (dy != ws->d_state)
        RUN(ws->device, axpby, .x = dy, .y = ws->d_state, .n = (u32)(rows * h), .alpha = 1, .beta = 1);
}

static void norm_first_attention_grad(const Workspace *ws, uint32_t l, bool first, f32p dq, f32p dkv,
                                      const DeviceBatch *batch, const PassOptions *o)
{
    const ModelConfig *c = &ws->model->config;
    const LayerState *s = &ws->layer[l];
    const u32 h = c->hidden, size = h / c->heads, ldq = first ? h : 3 * h, ldkv = first ? 2 * h : 3 * h;
    const float scale = 1 / sqrtf((float)size), drop = o->dropout ? c->attention_drop : 0;
    if (norm_first_is_near(c, l, batch))
        RUN(ws->device, attention_local_grad, .q = s->q, .kv = s->kv, .context = s->context, .lse = s->lse,
            .dcontext = ws->d_context, .dq = dq, .dkv = dkv, .offsets = batch->offsets, .examples = batch->examples,
            .heads = c->heads, .head_dim = size, .ldq = ldq, .ldkv = ldkv, .window = c->window,
            .longest = batch->longest, .scale = scale, .drop = drop, .seed = o->seed, .step = o->step,
            .site = layer_site(l, SITE_ATTENTION));
    else
        RUN(ws->device, attention_grad, .q = s->q, .kv = s->kv, .context = s->context, .lse = s->lse,
            .dcontext = ws->d_context, .dq = dq, .dkv = dkv, .offsets = batch->offsets, .examples = batch->examples,
            .heads = c->heads, .head_dim = size, .ldq = ldq, .ldkv = ldkv, .first_only = first,
            .longest = batch->longest, .scale = scale, .drop = drop, .seed = o->seed, .step = o->step,
            .site = layer_site(l, SITE_ATTENTION));
    norm_first_turn(ws, l, first, dq, dkv, batch, true);
}

/* From the gradient of what the layer's normalised result is, in d_branch, of the last layer in d_state, to d_state,
 * that of the stream after the attention. */
static void norm_first_inner_backward(const Workspace *ws, uint32_t l, const LayerWay *way)
{
    Device *d = ws->device;
    const PassOptions *o = way->o;
    f32p w = way->w, g = way->g;
    const ModelConfig *c = &ws->model->config;
    const LayerState *s = &ws->layer[l];
    const LayerAt *at = &ws->model->layer[l];
    const bool last = l + 1 == c->layers, first = layer_ends(c, l);
    const bool further = layer_wants(ws, way, LORA_ATTENTION | LORA_CONTEXT),
               up = further || layer_wants(ws, way, LORA_UP);
    const size_t inner = c->inner, rows = way->rows;
    const float inner_drop = o->dropout ? c->inner_drop : 0;
    norm_first_norm(ws, last ? ws->d_state : ws->d_branch, s->sum2, s->mean2, s->rstd2, w + at->norm2,
                    g ? g + at->norm2 : NULL, first, rows, o);
    target_backward(ws, l, way, TARGET_DOWN, ws->d_state, up ? ws->d_act : NULL, false);
    if (!up) return;
    if (inner_drop > 0)
        RUN(d, dropout, .x = ws->d_act, .y = ws->d_act, .rows = (u32)rows, .cols = (u32)inner, .drop = inner_drop,
            .seed = o->seed, .step = o->step, .site = layer_site(l, SITE_DOWN));
    RUN(d, geglu_grad, .x = s->up, .dy = ws->d_act, .dx = ws->d_up, .rows = (u32)rows, .cols = (u32)inner);
    target_backward(ws, l, way, TARGET_UP, ws->d_up, further ? ws->d_branch : NULL, false);
    if (!further) return;
    norm_first_norm(ws, ws->d_branch, s->sum1, s->mean1, s->rstd1, w + at->norm1, g ? g + at->norm1 : NULL, first, rows,
                    o);
}

/* From there to d_context, that of what the attention makes. */
static void norm_first_context_backward(const Workspace *ws, uint32_t l, const LayerWay *way)
{
    const ModelConfig *c = &ws->model->config;
    const PassOptions *o = way->o;
    const float drop = o->dropout ? c->attention_drop : 0;
    f32p dx = ws->d_state;
    if (drop > 0) {
        dx = ws->d_branch;
        RUN(ws->device, dropout, .x = ws->d_state, .y = dx, .rows = (u32)way->rows, .cols = c->hidden, .drop = drop,
            .seed = o->seed, .step = o->step, .site = layer_site(l, SITE_CONTEXT));
    }
    target_backward(ws, l, way, TARGET_CONTEXT, dx, layer_wants(ws, way, LORA_ATTENTION) ? ws->d_context : NULL, false);
}

/* From there to the gradient of the layer's x in d_branch, and that of the stream it adds to in d_state; of the first
 * layer both in d_state. */
static void norm_first_attention_backward(const Workspace *ws, uint32_t l, const LayerWay *way)
{
    Device *d = ws->device;
    const ModelConfig *c = &ws->model->config;
    const LayerState *s = &ws->layer[l];
    const LayerAt *at = &ws->model->layer[l];
    const DeviceBatch *batch = way->batch;
    const PassOptions *o = way->o;
    const bool first = layer_ends(c, l), below = way->below;
    const size_t h = c->hidden, tokens = batch->tokens, rows = way->rows;
    f32p w = way->w, g = way->g;

    f32p dq = first ? ws->d_q : ws->d_kv, dkv = first ? ws->d_kv : ws->d_kv + h;
    norm_first_attention_grad(ws, l, first, dq, dkv, batch, o);
    if (g && first) {
        linear_dw(d, o, true, dq, h, rows, h, ws->first, h, g + at->qkv_w, NULL);
        linear_dw(d, o, false, dkv, 2 * h, tokens, 2 * h, s->x, h, g + at->qkv_w + h * h, NULL);
    } else if (g) {
        linear_dw(d, o, false, dq, 3 * h, tokens, 3 * h, s->x, h, g + at->qkv_w, NULL);
    }
    if (below && first) { /* that of the first tokens' queries in d_context, then where they belong */
        linear_dx(d, dq, h, rows, h, w + at->qkv_w, h, ws->d_context, false);
        linear_dx(d, dkv, 2 * h, tokens, 2 * h, w + at->qkv_w + h * h, h, ws->d_branch, false);
        RUN(d, scatter_rows, .x = ws->d_context, .index = batch->first, .y = ws->d_branch, .rows = (u32)rows,
            .cols = (u32)h, .ldy = (u32)h);
    } else if (below) {
        linear_dx(d, dq, 3 * h, tokens, 3 * h, w + at->qkv_w, h, ws->d_branch, false);
    }
    lora_backward(ws, way->adapter, way->d_adapter, norm_first_use(ws, l, first, dq, dkv, batch),
                  below ? ws->d_branch : NULL, o);
    if (!below) return;
    if (first) { /* the stream's, of first tokens, becomes that of all */
        RUN(d, fill, .x = ws->d_context, .n = (u32)(tokens * h));
        RUN(d, scatter_rows, .x = ws->d_state, .index = batch->first, .y = ws->d_context, .rows = (u32)rows,
            .cols = (u32)h, .ldy = (u32)h);
        RUN(d, copy, .x = ws->d_context, .y = ws->d_state, .n = (u32)(tokens * h));
    }
    if (l == 0) RUN(d, axpby, .x = ws->d_branch, .y = ws->d_state, .n = (u32)(tokens * h), .alpha = 1, .beta = 1);
}

static void norm_first_backward(const Workspace *ws, uint32_t l, const LayerWay *way)
{
    norm_first_inner_backward(ws, l, way);
    if (layer_wants(ws, way, LORA_ATTENTION | LORA_CONTEXT)) norm_first_context_backward(ws, l, way);
    if (layer_wants(ws, way, LORA_ATTENTION)) norm_first_attention_backward(ws, l, way);
}
