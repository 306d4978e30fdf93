#include "workspace.h"

#include <math.h>
#include <string.h>

/* An encoder, forward and backward, written out. */

static void embedding_forward(const Workspace *ws, const Weights *weights, const DeviceBatch *batch,
                              const PassOptions *o)
{
    const Model *m = ws->model;
    f32p w = weights->encoder;
    const u32 e = m->config.embedding, h = m->config.hidden, tokens = batch->tokens;
    f32p x = ws->embedded_norm;
    RUN(ws->device, embed, .word = w + m->word,
        .position = m->config.family->modules->position ? w + m->position : NULL,
        .type = m->config.types ? w + m->type : NULL, .ids = batch->ids, .positions = batch->positions,
        .types = batch->types, .y = ws->embedded, .rows = tokens, .cols = e);
    RUN(ws->device, layernorm, .x = ws->embedded, .gamma = w + m->norm, .beta = beta_of(ws, w + m->norm, e), .y = x,
        .mean = ws->embedded_mean, .rstd = ws->embedded_rstd, .rows = tokens, .cols = e, .eps = m->config.eps);
    if (o->dropout && m->config.hidden_drop > 0)
        RUN(ws->device, dropout, .x = x, .y = x, .rows = tokens, .cols = e, .drop = m->config.hidden_drop,
            .seed = o->seed, .step = o->step, .site = SITE_EMBEDDING);
    if (!model_projects(&m->config)) return;
    linear(ws->device, x, tokens, e, w + m->project_w, w + m->project_b, h, ws->layer[0].x, h, NULL);
    lora_forward(ws, weights->adapter, lora_use(ws, 0, TARGET_PROJECT, tokens, ws->layer[0].x), o);
}

static void relative_attend(const Workspace *ws, uint32_t l, const DeviceBatch *batch, const PassOptions *o)
{
    const ModelConfig *c = &ws->model->config;
    const LayerState *s = &ws->layer[l];
    if (relative_disentangled(c)) relative_scores(&ws->relative, ws->device, c, s->q, batch);
    RUN(ws->device, relative_attention, .qkv = s->q, .bias = ws->relative.bias, .context = s->context, .lse = s->lse,
        .offsets = batch->offsets, .examples = batch->examples, .heads = c->heads, .head_dim = c->hidden / c->heads,
        .ld = 3 * c->hidden, .first_only = l + 1 == c->layers, .longest = batch->longest, .scale = relative_scale(c),
        .drop = o->dropout ? c->attention_drop : 0, .seed = o->seed, .step = o->step,
        .site = layer_site(l, SITE_ATTENTION));
}

/* The adapters that the rows of a layer's input pass: on key and value where the query is of first tokens alone, see
 * query_use; else on all three. y: of the first of these, [rows][2H] or [rows][3H]. */
static LoraUse input_use(const Workspace *ws, uint32_t l, bool split, size_t rows, f32p y)
{
    return (LoraUse){.l = l,
                     .among = split ? LORA_KEY | LORA_VALUE : LORA_ATTENTION,
                     .of = OF_INPUTS,
                     .x = ws->layer[l].x,
                     .rows = rows,
                     .y = y,
                     .ldy = (split ? 2 : 3) * (size_t)ws->model->config.hidden};
}

static LoraUse query_use(const Workspace *ws, uint32_t l, size_t rows, f32p y)
{
    const size_t h = ws->model->config.hidden;
    return (LoraUse){.l = l, .among = LORA_QUERY, .of = OF_FIRST, .x = ws->first, .rows = rows, .y = y, .ldy = h};
}

static void layer_forward(const Workspace *ws, uint32_t l, const Weights *weights, const DeviceBatch *batch,
                          const PassOptions *o)
{
    Device *d = ws->device;
    const Model *m = ws->model;
    const ModelConfig *c = &m->config;
    const LayerState *s = &ws->layer[l];
    const LayerAt *at = &m->layer[l];
    const bool last = l + 1 == c->layers, relative = c->family->relative, split = last && !relative;
    const size_t h = c->hidden, tokens = batch->tokens, rows = last ? batch->examples : tokens;
    const size_t inputs = tokens + model_shared_rows(c, batch->longest);
    const size_t ldq = split ? h : 3 * h, ldkv = split ? 2 * h : 3 * h;
    f32p w = weights->encoder, x = s->x, stream = x; /* stream: the residual stream of the rows that go on */
    const float hidden_drop = o->dropout ? c->hidden_drop : 0, attention_drop = o->dropout ? c->attention_drop : 0;
    const float context_drop = c->family->drop_context ? hidden_drop : 0;

    if (last) {
        stream = ws->first;
        RUN(d, gather_rows, .x = x, .index = batch->first, .y = stream, .rows = (u32)rows, .cols = (u32)h,
            .ldx = (u32)h);
    }
    if (inputs > tokens)
        RUN(d, dropout, .x = ws->relative.norm, .y = x + tokens * h, .rows = (u32)(inputs - tokens), .cols = (u32)h,
            .drop = hidden_drop, .seed = o->seed, .step = o->step, .site = layer_site(l, SITE_RELATIVE));
    if (split) {
        linear(d, stream, rows, h, w + at->qkv_w, w + at->qkv_b, h, s->q, h, NULL);
        linear(d, x, tokens, h, w + at->qkv_w + h * h, w + at->qkv_b + h, 2 * h, s->kv, 2 * h, NULL);
        lora_forward(ws, weights->adapter, query_use(ws, l, rows, s->q), o);
    } else {
        linear(d, x, inputs, h, w + at->qkv_w, w + at->qkv_b, 3 * h, s->q, 3 * h, NULL);
    }
    lora_forward(ws, weights->adapter, input_use(ws, l, split, inputs, split ? s->kv : s->q), o);

    if (relative)
        relative_attend(ws, l, batch, o);
    else
        RUN(d, attention, .q = s->q, .kv = s->kv, .context = s->context, .lse = s->lse, .offsets = batch->offsets,
            .examples = batch->examples, .heads = c->heads, .head_dim = c->hidden / c->heads, .ldq = (u32)ldq,
            .ldkv = (u32)ldkv, .first_only = last, .longest = batch->longest,
            .scale = 1 / sqrtf((float)(c->hidden / c->heads)), .drop = attention_drop, .seed = o->seed, .step = o->step,
            .site = layer_site(l, SITE_ATTENTION));
    target_forward(ws, weights, l, TARGET_CONTEXT, rows, s->sum1, NULL, o);
    RUN(d, layernorm, .x = s->sum1, .residual = stream, .gamma = w + at->norm1, .beta = w + at->norm1 + h,
        .y = s->norm1, .mean = s->mean1, .rstd = s->rstd1, .rows = (u32)rows, .cols = (u32)h, .eps = c->eps,
        .drop = context_drop, .seed = o->seed, .step = o->step, .site = layer_site(l, SITE_CONTEXT));
    const bool apart = c->gelu_tanh || (weights->adapter && ws->lora->targets & LORA_UP); /* GELU, after the product */
    target_forward(ws, weights, l, TARGET_UP, rows, s->up, apart ? NULL : s->act, o);
    if (apart) RUN(d, gelu, .x = s->up, .y = s->act, .n = (u32)(rows * c->inner), .by_tanh = c->gelu_tanh);
    target_forward(ws, weights, l, TARGET_DOWN, rows, s->sum2, NULL, o);
    RUN(d, layernorm, .x = s->sum2, .residual = s->norm1, .gamma = w + at->norm2, .beta = w + at->norm2 + h,
        .y = s->norm2, .mean = s->mean2, .rstd = s->rstd2, .rows = (u32)rows, .cols = (u32)h, .eps = c->eps,
        .drop = c->family->no_drop_down ? 0 : hidden_drop, .seed = o->seed, .step = o->step,
        .site = layer_site(l, SITE_DOWN));
}

/* Whether the dense layer on the first tokens' states is the head's; else it is the encoder's pooler. */
static bool head_has_dense(const Model *m) { return m->config.family->head.dense != NULL; }

/* head may be null when the dense layer is the pooler. */
static f32p dense_at(const Model *m, const Head *head, f32p encoder, f32p head_w, bool bias)
{
    if (!head_has_dense(m)) return encoder ? encoder + (bias ? m->pooler_b : m->pooler_w) : NULL;
    if (bias && m->config.family->head.norm) return NULL; /* there is none */
    return head_w ? head_w + (bias ? head->dense_b : head->dense_w) : NULL;
}

static float head_in_drop(const Model *m, const PassOptions *o)
{
    const Family *family = m->config.family;
    if (!o->dropout || !family->head.drop_first) return 0;
    return family->config->first_drop ? m->config.first_drop : m->config.classifier_drop;
}

/* The dense layer between the first tokens' states and the last layer of a head, with the dropout around it. */
static void dense_forward(const Workspace *ws, const Weights *w, const Head *head, u32 examples, const PassOptions *o)
{
    Device *d = ws->device;
    const ModelConfig *c = &ws->model->config;
    const u32 h = c->hidden;
    f32p activated = ws->act;
    RUN(d, dropout, .x = ws->final, .y = ws->head_in, .rows = examples, .cols = h, .drop = head_in_drop(ws->model, o),
        .seed = o->seed, .step = o->step, .site = SITE_HEAD_IN);
    linear(d, ws->head_in, examples, h, dense_at(ws->model, head, w->encoder, w->head, false),
           dense_at(ws->model, head, w->encoder, w->head, true), h, ws->dense, h,
           c->family->head.activation == ACTIVATION_GELU ? ws->act : NULL);
    lora_forward(ws, w->adapter, lora_use(ws, c->layers - 1, TARGET_POOLER, examples, ws->dense), o);
    switch (c->family->head.activation) {
    case ACTIVATION_TANH: RUN(d, tanh, .x = ws->dense, .y = ws->act, .n = examples * h); break;
    case ACTIVATION_RELU: RUN(d, relu, .x = ws->dense, .y = ws->act, .n = examples * h); break;
    case ACTIVATION_GELU: break;
    }
    if (c->family->head.norm) {
        activated = ws->head_norm;
        RUN(d, layernorm, .x = ws->act, .gamma = w->head + head->norm, .beta = ws->zeros, .y = activated,
            .mean = ws->head_mean, .rstd = ws->head_rstd, .rows = examples, .cols = h, .eps = c->eps);
    }
    RUN(d, dropout, .x = activated, .y = ws->head_out, .rows = examples, .cols = h,
        .drop = o->dropout ? c->classifier_drop : 0, .seed = o->seed, .step = o->step, .site = SITE_HEAD_OUT);
}

f32p model_first_states(Workspace *ws, const Weights *weights, const DeviceBatch *batch, const PassOptions *options)
{
    const ModelConfig *c = &ws->model->config;
    f32p states = ws->final, last = ws->layer[c->layers - 1].norm2;
    ASSERT(batch->tokens <= ws->max_tokens && batch->examples <= ws->max_examples && batch->longest <= ws->longest);
    ASSERT(!batch_problem(batch, c));
    if (options->states) {
        RUN(ws->device, copy, .x = options->states, .y = states, .n = batch->examples * c->hidden);
        return states;
    }
    embedding_forward(ws, weights, batch, options);
    if (c->family->relative) relative_begin(&ws->relative, ws->device, ws->model, weights->encoder, batch);
    for (uint32_t l = 0; l < c->layers; l++) {
        if (c->family->norm_first)
            norm_first_forward(ws, l, weights, batch, options);
        else
            layer_forward(ws, l, weights, batch, options);
        if (l + 1 == c->layers && last != states) pool_states(ws, last, batch, states);
        keep_states(ws, l, l + 1 == c->layers ? states : layer_result(ws, l), batch);
    }
    return states;
}

f32p model_head_forward(Workspace *ws, const Weights *weights, const Head *head, const DeviceBatch *batch,
                        const PassOptions *options)
{
    const u32 h = ws->model->config.hidden;
    dense_forward(ws, weights, head, batch->examples, options);
    linear(ws->device, ws->head_out, batch->examples, h, weights->head + head->out_w, weights->head + head->out_b,
           head->classes, ws->logits, head->classes, NULL);
    return ws->logits;
}

f32p model_forward(Workspace *ws, const Weights *weights, const Head *head, const DeviceBatch *batch,
                   const PassOptions *options)
{
    model_first_states(ws, weights, batch, options);
    return model_head_forward(ws, weights, head, batch, options);
}

/* ---- backward: d_state carries the gradient with respect to the residual stream ---- */

/* From d_dense, the gradient of what dense_forward has made, to that of the states, in d_state; only where it is
 * wanted. more: adds to what is there. */
static void dense_backward(const Workspace *ws, const Weights *w, const Weights *g, const Head *head, u32 examples,
                           const PassOptions *o, bool below, bool more)
{
    Device *d = ws->device;
    const ModelConfig *c = &ws->model->config;
    const u32 h = c->hidden;
    RUN(d, dropout, .x = ws->d_dense, .y = ws->d_dense, .rows = examples, .cols = h,
        .drop = o->dropout ? c->classifier_drop : 0, .seed = o->seed, .step = o->step, .site = SITE_HEAD_OUT);
    f32p dx = ws->d_dense;
    if (c->family->head.norm) {
        if (g->head) norm_dw(ws, o, true, dx, ws->act, ws->head_mean, ws->head_rstd, examples, h, g->head + head->norm);
        RUN(d, layernorm_dx, .x = ws->act, .gamma = w->head + head->norm, .mean = ws->head_mean, .rstd = ws->head_rstd,
            .dy = dx, .dsum = dx, .rows = examples, .cols = h);
    }
    switch (c->family->head.activation) {
    case ACTIVATION_TANH: RUN(d, tanh_grad, .y = ws->act, .dy = dx, .dx = dx, .n = examples * h); break;
    case ACTIVATION_RELU: RUN(d, relu_grad, .y = ws->act, .dy = dx, .dx = dx, .n = examples * h); break;
    case ACTIVATION_GELU: RUN(d, gelu_grad, .x = ws->dense, .dy = dx, .dx = dx, .n = examples * h); break;
    }
    f32p dense_dw = dense_at(ws->model, head, g->encoder, g->head, false);
    if (dense_dw)
        linear_dw(d, o, OF_FIRST, ws->d_dense, h, examples, h, ws->head_in, h, dense_dw,
                  dense_at(ws->model, head, g->encoder, g->head, true));
    f32p to = more ? ws->d_context : ws->d_state; /* its dropout is of this gradient alone */
    if (below)
        linear_dx(d, ws->d_dense, h, examples, h, dense_at(ws->model, head, w->encoder, w->head, false), h, to, false);
    lora_backward(ws, w->adapter, g->adapter, lora_use(ws, c->layers - 1, TARGET_POOLER, examples, ws->d_dense),
                  below ? to : NULL, o);
    if (!below) return;
    RUN(d, dropout, .x = to, .y = to, .rows = examples, .cols = h, .drop = head_in_drop(ws->model, o), .seed = o->seed,
        .step = o->step, .site = SITE_HEAD_IN);
    if (more) RUN(d, axpby, .x = to, .y = ws->d_state, .n = examples * h, .alpha = 1, .beta = 1);
}

void model_head_backward(Workspace *ws, const Weights *weights, const Weights *grads, const Head *head,
                         const DeviceBatch *batch, const PassOptions *options, bool more)
{
    Device *d = ws->device;
    const u32 h = ws->model->config.hidden, examples = batch->examples, classes = head->classes;
    const bool own = head_has_dense(ws->model), below = grads->encoder || grads->adapter;
    ASSERT(ws->training);
    if (grads->head)
        linear_dw(d, options, OF_FIRST, ws->d_logits, classes, examples, classes, ws->head_out, h,
                  grads->head + head->out_w, grads->head + head->out_b);
    if (!below && !(own && grads->head)) return;
    linear_dx(d, ws->d_logits, classes, examples, classes, weights->head + head->out_w, h, ws->d_dense, more && !own);
    if (own) dense_backward(ws, weights, grads, head, examples, options, below, more);
}

/* Through y = LayerNorm(sum), sum = residual + dropout(x): d_state becomes the gradient of sum; returns that of x. */
static f32p norm_backward(const Workspace *ws, f32p sum, f32p mean, f32p rstd, f32p gamma, f32p d_gamma, int of,
                          size_t rows, const PassOptions *o, float drop, uint32_t site)
{
    const u32 h = ws->model->config.hidden;
    if (d_gamma) norm_dw(ws, o, of, ws->d_state, sum, mean, rstd, rows, h, d_gamma);
    RUN(ws->device, layernorm_dx, .x = sum, .gamma = gamma, .mean = mean, .rstd = rstd, .dy = ws->d_state,
        .dsum = ws->d_state, .dx = drop > 0 ? ws->d_branch : NULL, .rows = (u32)rows, .cols = h, .drop = drop,
        .seed = o->seed, .step = o->step, .site = site);
    return drop > 0 ? ws->d_branch : ws->d_state;
}

/* From d_context to d_kv [S][3H]. wanted: the gradient of the table of relative positions. */
static void relative_attend_backward(const Workspace *ws, uint32_t l, const DeviceBatch *batch, const PassOptions *o,
                                     bool wanted)
{
    Device *d = ws->device;
    const ModelConfig *c = &ws->model->config;
    const LayerState *s = &ws->layer[l];
    const Relative *r = &ws->relative;
    const u32 h = c->hidden;
    const bool last = l + 1 == c->layers, terms = wanted || relative_disentangled(c);
    if (relative_disentangled(c)) relative_scores(r, d, c, s->q, batch);
    if (last) RUN(d, fill, .x = ws->d_kv, .n = batch->tokens * 3 * h);
    if (last && terms) RUN(d, fill, .x = r->d_bias, .n = batch->tokens * c->heads * batch->longest);
    RUN(d, relative_attention_grad, .qkv = s->q, .bias = r->bias, .context = s->context, .lse = s->lse,
        .dcontext = ws->d_context, .dqkv = ws->d_kv, .dbias = terms ? r->d_bias : NULL, .offsets = batch->offsets,
        .examples = batch->examples, .heads = c->heads, .head_dim = h / c->heads, .ld = 3 * h, .first_only = last,
        .longest = batch->longest, .scale = relative_scale(c), .drop = o->dropout ? c->attention_drop : 0,
        .seed = o->seed, .step = o->step, .site = layer_site(l, SITE_ATTENTION));
    if (terms) relative_backward(r, d, c, s->q, ws->d_kv, batch);
}

/* The gradient of a layer's rows beside its tokens, which is left in dx. */
static void relative_rows_backward(const Workspace *ws, uint32_t l, f32p dx, u32 rows, const PassOptions *o)
{
    const ModelConfig *c = &ws->model->config;
    RUN(ws->device, dropout, .x = dx, .y = dx, .rows = rows, .cols = c->hidden, .drop = o->dropout ? c->hidden_drop : 0,
        .seed = o->seed, .step = o->step, .site = layer_site(l, SITE_RELATIVE));
    RUN(ws->device, axpby, .x = dx, .y = ws->relative.d_rows, .n = rows * c->hidden, .alpha = 1, .beta = 1);
}

/* Adds what a layer that shares weights has made apart to their gradients. */
static void layer_add(const Workspace *ws, uint32_t l, f32p g, f32p adapter)
{
    const ModelConfig *c = &ws->model->config;
    const Lora *lora = ws->lora;
    u32 n = 0;
    if (g)
        RUN(ws->device, axpby, .x = ws->d_vectors, .y = g + ws->model->layer[l].qkv_b,
            .n = (u32)layer_vectors(ws->model), .alpha = 1, .beta = 1);
    if (!adapter || !(lora->targets & LORA_LAYER)) return;
    const size_t at = lora->a[l][lora_group(lora, LORA_LAYER).first]; /* the layer's A and B lie one after the other */
    for (u32 t = 0; t < TARGET_PROJECT; t++)
        n += lora->targets >> t & 1 ? lora->r * (lora_in(c, t) + lora_out(c, t)) : 0;
    RUN(ws->device, axpby, .x = ws->d_adapter + at, .y = adapter + at, .n = n, .alpha = 1, .beta = 1);
}

/* From the gradient of the layer's result to that of the attention's, LayerNorm included, both in d_state. */
static void layer_inner_backward(const Workspace *ws, uint32_t l, const LayerWay *way)
{
    const ModelConfig *c = &ws->model->config;
    const LayerState *s = &ws->layer[l];
    const LayerAt *at = &ws->model->layer[l];
    const int of = l + 1 == c->layers ? OF_FIRST : OF_TOKENS;
    const float drop = way->o->dropout && !c->family->no_drop_down ? c->hidden_drop : 0;
    const bool further = layer_wants(ws, way, LORA_ATTENTION | LORA_CONTEXT),
               up = further || layer_wants(ws, way, LORA_UP);

    f32p dx = norm_backward(ws, s->sum2, s->mean2, s->rstd2, way->w + at->norm2,
                            way->g ? way->v + (at->norm2 - at->qkv_b) : NULL, of, way->rows, way->o, drop,
                            layer_site(l, SITE_DOWN));
    target_backward(ws, l, way, TARGET_DOWN, dx, up ? ws->d_up : NULL, false);
    if (!up) return;
    RUN(ws->device, gelu_grad, .x = s->up, .dy = ws->d_up, .dx = ws->d_up, .n = (u32)(way->rows * c->inner),
        .by_tanh = c->gelu_tanh);
    target_backward(ws, l, way, TARGET_UP, ws->d_up, further ? ws->d_state : NULL, true);
}

/* From there to d_context. */
static void layer_context_backward(const Workspace *ws, uint32_t l, const LayerWay *way)
{
    const ModelConfig *c = &ws->model->config;
    const LayerState *s = &ws->layer[l];
    const LayerAt *at = &ws->model->layer[l];
    const int of = l + 1 == c->layers ? OF_FIRST : OF_TOKENS;
    const float drop = way->o->dropout && c->family->drop_context ? c->hidden_drop : 0;

    f32p dx = norm_backward(ws, s->sum1, s->mean1, s->rstd1, way->w + at->norm1,
                            way->g ? way->v + (at->norm1 - at->qkv_b) : NULL, of, way->rows, way->o, drop,
                            layer_site(l, SITE_CONTEXT));
    target_backward(ws, l, way, TARGET_CONTEXT, dx, layer_wants(ws, way, LORA_ATTENTION) ? ws->d_context : NULL, false);
}

/* From d_context to the gradient of the layer's x in d_state, where it is wanted below. */
static void layer_attention_backward(const Workspace *ws, uint32_t l, const LayerWay *way)
{
    Device *d = ws->device;
    const ModelConfig *c = &ws->model->config;
    const LayerState *s = &ws->layer[l];
    const LayerAt *at = &ws->model->layer[l];
    const DeviceBatch *batch = way->batch;
    const PassOptions *o = way->o;
    const bool last = l + 1 == c->layers, relative = c->family->relative, split = last && !relative;
    const bool below = way->below;
    const size_t h = c->hidden, tokens = batch->tokens, rows = way->rows;
    const size_t inputs = tokens + model_shared_rows(c, batch->longest);
    const size_t ldq = split ? h : 3 * h, ldkv = split ? 2 * h : 3 * h;
    f32p w = way->w, g = way->g, v = way->v, stream = last ? ws->first : s->x;

    f32p dq = split ? ws->d_q : ws->d_kv, dkv = split ? ws->d_kv : ws->d_kv + h;
    if (relative)
        relative_attend_backward(ws, l, batch, o, g != NULL);
    else
        RUN(d, attention_grad, .q = s->q, .kv = s->kv, .context = s->context, .lse = s->lse, .dcontext = ws->d_context,
            .dq = dq, .dkv = dkv, .offsets = batch->offsets, .examples = batch->examples, .heads = c->heads,
            .head_dim = c->hidden / c->heads, .ldq = (u32)ldq, .ldkv = (u32)ldkv, .first_only = last,
            .longest = batch->longest, .scale = 1 / sqrtf((float)(c->hidden / c->heads)),
            .drop = o->dropout ? c->attention_drop : 0, .seed = o->seed, .step = o->step,
            .site = layer_site(l, SITE_ATTENTION));
    if (g && split) {
        linear_dw(d, o, OF_FIRST, dq, h, rows, h, stream, h, g + at->qkv_w, v);
        linear_dw(d, o, OF_TOKENS, dkv, 2 * h, tokens, 2 * h, s->x, h, g + at->qkv_w + h * h, v + h);
    } else if (g) {
        linear_dw(d, o, OF_INPUTS, dq, 3 * h, inputs, 3 * h, s->x, h, g + at->qkv_w, v);
    }
    /* The last layer's queries and residual stream belong to the first tokens only: their part of the gradient is
     * gathered in d_state [B][H], that of the keys and values in d_branch [T][H], and then they are joined. */
    f32p dx_q = below ? ws->d_state : NULL, dx_kv = below ? ws->d_branch : NULL, dx_all = last ? dx_kv : dx_q;
    if (below && split) {
        linear_dx(d, dq, h, rows, h, w + at->qkv_w, h, dx_q, true);
        linear_dx(d, dkv, 2 * h, tokens, 2 * h, w + at->qkv_w + h * h, h, dx_kv, false);
    } else if (below) {
        if (inputs > tokens) RUN(d, fill, .x = dx_all + tokens * h, .n = (u32)((inputs - tokens) * h));
        linear_dx(d, dq, 3 * h, inputs, 3 * h, w + at->qkv_w, h, dx_all, !last);
    }
    if (split) lora_backward(ws, way->adapter, way->d_adapter, query_use(ws, l, rows, dq), dx_q, o);
    lora_backward(ws, way->adapter, way->d_adapter, input_use(ws, l, split, inputs, split ? dkv : dq), dx_all, o);
    if (g && inputs > tokens) relative_rows_backward(ws, l, dx_all + tokens * h, (u32)(inputs - tokens), o);
    if (below && last) {
        RUN(d, scatter_rows, .x = ws->d_state, .index = batch->first, .y = ws->d_branch, .rows = (u32)rows,
            .cols = (u32)h, .ldy = (u32)h);
        RUN(d, copy, .x = ws->d_branch, .y = ws->d_state, .n = (u32)(tokens * h));
    }
}

/* below: whether anything under this layer wants its gradient. */
static void layer_backward(const Workspace *ws, uint32_t l, const Weights *weights, const Weights *grads,
                           const DeviceBatch *batch, const PassOptions *options, bool below)
{
    const ModelConfig *c = &ws->model->config;
    /* A layer above has made a gradient of the same weights already: to that of matrices products add, the others are
     * made apart first. */
    const bool more = l + 1 < c->layers && model_layer_shares(c, l + 1);
    f32p g = grads->encoder, own_vectors = g ? g + ws->model->layer[l].qkv_b : NULL;
    PassOptions own = *options;
    own.more = more;
    ASSERT(!options->importance || !model_shares(c));
    const LayerWay way = {.w = weights->encoder,
                          .g = g,
                          .v = more ? ws->d_vectors : own_vectors,
                          .adapter = weights->adapter,
                          .d_adapter = more && grads->adapter ? ws->d_adapter : grads->adapter,
                          .batch = batch,
                          .o = &own,
                          .rows = layer_ends(c, l) ? batch->examples : batch->tokens,
                          .below = below};
    if (c->family->norm_first) {
        norm_first_backward(ws, l, &way);
        return;
    }
    layer_inner_backward(ws, l, &way);
    if (layer_wants(ws, &way, LORA_ATTENTION | LORA_CONTEXT)) layer_context_backward(ws, l, &way);
    if (layer_wants(ws, &way, LORA_ATTENTION)) layer_attention_backward(ws, l, &way);
    if (more) layer_add(ws, l, g, grads->adapter);
}

/* Of the embeddings, and of the linear layer after them. */
static void embedding_backward(const Workspace *ws, const Weights *weights, const Weights *grads,
                               const DeviceBatch *batch, const PassOptions *o)
{
    Device *d = ws->device;
    const Model *m = ws->model;
    f32p w = weights->encoder, g = grads->encoder;
    const u32 e = m->config.embedding, h = m->config.hidden, tokens = batch->tokens;
    f32p dx = ws->d_embedded;
    if (g && model_projects(&m->config)) {
        linear_dw(d, o, OF_TOKENS, ws->d_state, h, tokens, h, ws->embedded_norm, e, g + m->project_w, g + m->project_b);
        linear_dx(d, ws->d_state, h, tokens, h, w + m->project_w, e, dx, false);
    }
    lora_backward(ws, weights->adapter, grads->adapter, lora_use(ws, 0, TARGET_PROJECT, tokens, ws->d_state),
                  g ? dx : NULL, o);
    if (!g) return;
    if (o->dropout && m->config.hidden_drop > 0)
        RUN(d, dropout, .x = dx, .y = dx, .rows = tokens, .cols = e, .drop = m->config.hidden_drop, .seed = o->seed,
            .step = o->step, .site = SITE_EMBEDDING);
    norm_dw(ws, o, OF_TOKENS, dx, ws->embedded, ws->embedded_mean, ws->embedded_rstd, tokens, e, g + m->norm);
    RUN(d, layernorm_dx, .x = ws->embedded, .gamma = w + m->norm, .mean = ws->embedded_mean, .rstd = ws->embedded_rstd,
        .dy = dx, .dsum = dx, .rows = tokens, .cols = e);
    table_dw(d, o, dx, &batch->word, tokens, e, g + m->word);
    const bool positions = m->config.family->modules->position;
    if (!o->importance && (positions || m->config.types)) /* neighbours */
        RUN(d, fill, .x = g + (positions ? m->position : m->type),
            .n = ((positions ? m->config.positions : 0) + m->config.types) * e);
    if (positions) table_dw(d, o, dx, &batch->position, tokens, e, g + m->position);
    if (m->config.types) table_dw(d, o, dx, &batch->type, tokens, e, g + m->type);
}

void model_encoder_backward(Workspace *ws, const Weights *weights, const Weights *grads, const DeviceBatch *batch,
                            const PassOptions *options)
{
    const bool embeddings = grads->encoder != NULL;
    const uint32_t targets = grads->adapter ? ws->lora->targets : 0;
    const bool layers = embeddings || targets & ~(uint32_t)LORA_POOLER, project = embeddings || targets & LORA_PROJECT;
    if (!embeddings && !grads->adapter) return;
    ASSERT(!options->states);
    if (!head_has_dense(ws->model)) dense_backward(ws, weights, grads, NULL, batch->examples, options, layers, false);
    if (!layers) return;
    if (!layer_ends(&ws->model->config, ws->model->config.layers - 1)) pool_backward(ws, batch);
    const bool relative = embeddings && ws->model->config.family->relative;
    if (relative) relative_clear(&ws->relative, ws->device, &ws->model->config, batch);
    for (uint32_t l = ws->model->config.layers; l-- > 0;)
        layer_backward(ws, l, weights, grads, batch, options, l > 0 || project);
    if (relative) relative_end(&ws->relative, ws->device, ws->model, weights->encoder, grads->encoder, batch, options);
    if (project) embedding_backward(ws, weights, grads, batch, options);
}

void model_backward(Workspace *ws, const Weights *weights, const Weights *grads, const Head *head,
                    const DeviceBatch *batch, const PassOptions *options)
{
    model_head_backward(ws, weights, grads, head, batch, options, false);
    model_encoder_backward(ws, weights, grads, batch, options);
}
