#include "model.h"

#include <math.h>
#include <string.h>

/* Dropout sites: every place that draws a mask has its own number. */
enum { SITE_EMBEDDING = 1, SITE_HEAD_IN, SITE_HEAD_OUT, SITE_LAYERS = 16, SITES_PER_LAYER = 8 };
enum { SITE_ATTENTION, SITE_CONTEXT, SITE_DOWN, SITE_LORA, SITE_RELATIVE = 6 }; /* in a layer; LORA: for q, k, v */
static uint32_t layer_site(uint32_t layer, uint32_t which) { return SITE_LAYERS + layer * SITES_PER_LAYER + which; }

/* What a layer computes on the way forward. R: rows that go on after the attention: T, but B in a layer that ends in
 * first tokens: see layer_ends. S: T, and with disentangled attention W more: see relative.c. Of norm_first sum1 and
 * sum2 are the residual stream, and up is [R][2I]. */
typedef struct LayerState {
    f32p x;                         /* input [S][H] */
    f32p q, kv;                     /* [R][H], [T][2H] in the last layer without relative positions; else neighbours in
                                       one [S][3H] */
    f32p context, lse;              /* [R][H], [R][A] */
    f32p sum1, norm1, mean1, rstd1; /* [R][H] [R][H] [R] [R] */
    f32p up, act;                   /* [R][I]: before and after GELU */
    f32p sum2, norm2, mean2, rstd2;
    f32p low;   /* LoRA's A x: [targets][S][r]; in the last layer of k and v only ... */
    f32p low_q; /* ... and of q, [R][r]; elsewhere null */
} LayerState;

struct Workspace {
    Device *device;
    const Model *model;
    const Lora *lora;
    uint32_t max_tokens, max_examples, longest;
    bool training;
    f32p embedded, embedded_mean, embedded_rstd; /* [T][E]: sum of the three embeddings, before LayerNorm */
    f32p embedded_norm;                          /* [T][E]: after it; where E is H, the first layer's input */
    f32p first;                                  /* [B][H] input of the last layer, first tokens only */
    f32p first_stream;                           /* the same of the residual stream; of norm_first */
    f32p zeros;                                  /* [H] where LayerNorms have no beta; else null */
    f32p turn[2];                                /* of positions that turn: rope's table, by ModelConfig.rotary_base */
    f32p final;                                  /* [B][H]: what the head reads */
    LayerState *layer;
    f32p head_in, dense, act, head_out, logits; /* [B][H] .. [B][C]; act: of the dense layer, which it may replace */
    f32p head_norm, head_mean, head_rstd;       /* [B][H] [B] [B] of a head with a LayerNorm */
    f32p states;                                /* the caller's, see workspace_keep_states */
    Relative relative;
    /* gradients; training only */
    f32p d_logits, d_dense, d_state, d_branch, d_context, d_up, d_q, d_kv, d_low;
    f32p d_embedded; /* [T][E]; where E is H, d_state */
    f32p d_act;      /* [T][I] of norm_first */
    f32p d_beta;     /* [H]: of the betas that there are not */
    /* of a layer that shares weights, before they are added to the gradient: of its biases and LayerNorms, and of its
     * adapter, a whole one's room */
    f32p d_vectors, d_adapter;
};

/* Those of the targets `among` that have adapters: every step-th from target `first` on, which any choice of three
 * targets is. Their adapters are neighbours: see lora_layout. */
typedef struct LoraGroup {
    u32 first, count, step;
} LoraGroup;
enum { LORA_ALL = LORA_QUERY | LORA_KEY | LORA_VALUE };

static LoraGroup lora_group(const Lora *lora, uint32_t among)
{
    LoraGroup group = {.step = 1};
    for (u32 t = 0; t < 3; t++) {
        if (!(lora->targets & among & 1u << t)) continue;
        if (group.count == 0) group.first = t;
        if (group.count == 1) group.step = t - group.first;
        group.count++;
    }
    return group;
}

/* Whether attention in this layer sees near tokens alone. */
static bool layer_is_local(const ModelConfig *c, uint32_t l) { return c->every && l % c->every; }

/* Whether only first tokens go on after a layer's attention: in the last layer, since the head reads no other. */
static bool layer_ends(const ModelConfig *c, uint32_t l)
{
    return l + 1 == c->layers && !c->mean && !layer_is_local(c, l);
}

static bool model_projects(const ModelConfig *c) { return c->embedding != c->hidden || c->family->project_always; }

#include "pool.c"

/* ---- memory ---- */

/* Either counts floats (memory NULL) or takes them. */
typedef struct Planner {
    DeviceArena *memory;
    size_t floats;
} Planner;

static f32p take(Planner *planner, size_t rows, size_t cols)
{
    planner->floats += (rows * cols + 63) & ~(size_t)63;
    return planner->memory ? device_f32(planner->memory, rows * cols) : NULL;
}

/* Floats of a layer's biases and LayerNorms, which lie one after the other. */
static size_t layer_vectors(const Model *model)
{
    return model->layer[0].norm2 + 2 * (size_t)model->config.hidden - model->layer[0].qkv_b;
}

/* inputs: rows of the layer's input; rows: that go on after the attention; out: of its output's memory. */
static void workspace_layer(Planner *planner, const Model *model, const Lora *lora, size_t inputs, size_t rows,
                            size_t out, bool split, LayerState *s)
{
    const size_t h = model->config.hidden, inner = model->config.inner;
    if (split) {
        s->q = take(planner, rows, h);
        s->kv = take(planner, inputs, 2 * h);
    } else {
        s->q = take(planner, inputs, 3 * h);
        s->kv = s->q ? s->q + h : NULL;
    }
    s->context = take(planner, rows, h);
    s->lse = take(planner, rows, model->config.heads);
    s->sum1 = take(planner, rows, h);
    s->norm1 = take(planner, rows, h);
    s->mean1 = take(planner, rows, 1);
    s->rstd1 = take(planner, rows, 1);
    s->up = take(planner, rows, model->config.family->norm_first ? 2 * inner : inner);
    s->act = take(planner, rows, inner);
    s->sum2 = take(planner, rows, h);
    s->norm2 = take(planner, out, h);
    s->mean2 = take(planner, rows, 1);
    s->rstd2 = take(planner, rows, 1);
    if (!lora) return;
    if (model->config.family->norm_first) { /* one adapter for all three; of first inputs its rows are gathered */
        s->low = take(planner, inputs, lora->r);
        if (split) s->low_q = take(planner, rows, lora->r);
        return;
    }
    s->low = take(planner, lora_group(lora, split ? LORA_KEY | LORA_VALUE : LORA_ALL).count * inputs, lora->r);
    if (split) s->low_q = take(planner, lora_group(lora, LORA_QUERY).count * rows, lora->r);
}

static void workspace_relative(Relative *r, Planner *planner, const ModelConfig *c, size_t tokens, size_t examples,
                               uint32_t longest, bool training)
{
    const size_t h = c->hidden, heads = c->heads, shared = model_shared_rows(c, longest);
    r->bias = take(planner, tokens, heads * longest);
    if (training) r->d_bias = take(planner, tokens, heads * longest);
    if (training && !shared) r->d_table = take(planner, examples, heads * c->buckets);
    if (!shared) return;
    r->rows = take(planner, shared, h);
    r->norm = take(planner, shared, h);
    r->mean = take(planner, shared, 1);
    r->rstd = take(planner, shared, 1);
    r->of_query = take(planner, tokens, heads * shared);
    r->of_key = take(planner, tokens, heads * shared);
    if (training) r->d_rows = take(planner, shared, h);
}

static void workspace_take(Workspace *ws, Planner *planner, size_t classes)
{
    const Model *model = ws->model;
    const size_t h = model->config.hidden, layers = model->config.layers, t = ws->max_tokens, b = ws->max_examples;
    const bool relative = model->config.family->relative != NULL;
    const size_t inputs = t + model_shared_rows(&model->config, ws->longest);
    const size_t e = model->config.embedding;
    const bool norm_first = model->config.family->norm_first, project = model_projects(&model->config);
    ws->embedded = take(planner, t, e);
    ws->embedded_mean = take(planner, t, 1);
    ws->embedded_rstd = take(planner, t, 1);
    f32p x = take(planner, inputs, h);
    ws->embedded_norm = project ? take(planner, t, e) : x;
    ws->first = take(planner, b, h);
    if (norm_first) {
        ws->first_stream = take(planner, b, h);
        ws->zeros = take(planner, 1, h);
        for (int k = 0; k < 2; k++) ws->turn[k] = take(planner, turn_rows(ws), h / model->config.heads);
    }
    for (uint32_t l = 0; l < layers; l++) {
        const bool last = layer_ends(&model->config, l);
        LayerState *s = &ws->layer[l];
        if (!ws->training && l > 0 && !last)
            *s = ws->layer[0]; /* every layer's input and output are then the same array */
        else
            workspace_layer(planner, model, ws->lora, inputs, last ? b : t, last ? b : inputs, last && !relative, s);
        if (!ws->training && !last) s->norm2 = x;
        s->x = x;
        x = s->norm2;
    }
    ws->final = layer_ends(&model->config, (uint32_t)layers - 1) ? x : take(planner, b, h);
    ws->head_in = take(planner, b, h);
    ws->dense = take(planner, b, h);
    ws->act = model->config.family->head.activation == ACTIVATION_GELU ? take(planner, b, h) : ws->dense;
    ws->head_out = take(planner, b, h);
    if (model->config.family->head.norm) {
        ws->head_norm = take(planner, b, h);
        ws->head_mean = take(planner, b, 1);
        ws->head_rstd = take(planner, b, 1);
    }
    ws->logits = take(planner, b, classes);
    if (relative) workspace_relative(&ws->relative, planner, &model->config, t, b, ws->longest, ws->training);
    if (!ws->training) return;
    ws->d_logits = take(planner, b, classes);
    ws->d_dense = take(planner, b, h);
    ws->d_state = take(planner, inputs, h);
    ws->d_branch = take(planner, inputs, h);
    ws->d_context = take(planner, t, ws->lora && ws->lora->r > h ? ws->lora->r : h); /* see norm_first_lora_backward */
    ws->d_up = take(planner, t, (norm_first ? 2 : 1) * (size_t)model->config.inner);
    ws->d_q = take(planner, b, h);
    ws->d_kv = take(planner, inputs, 3 * h);
    ws->d_embedded = project ? take(planner, t, e) : ws->d_state;
    if (norm_first) {
        ws->d_act = take(planner, t, model->config.inner);
        ws->d_beta = take(planner, 1, h);
    }
    if (model_shares(&model->config)) {
        ws->d_vectors = take(planner, 1, layer_vectors(model));
        if (ws->lora) ws->d_adapter = take(planner, 1, ws->lora->layout.floats);
    }
    if (ws->lora) ws->d_low = take(planner, lora_group(ws->lora, LORA_ALL).count * inputs, ws->lora->r);
}

Workspace *workspace_new(Arena *arena, DeviceArena *memory, const Model *model, const Lora *lora, uint32_t max_tokens,
                         uint32_t max_examples, uint32_t longest, uint32_t max_classes, bool training)
{
    Workspace *ws = arena_new(arena, Workspace, 1);
    *ws = (Workspace){.device = memory->device, .model = model, .lora = lora, .training = training};
    ws->max_tokens = max_tokens;
    ws->max_examples = max_examples;
    ws->longest = longest;
    ws->layer = arena_new(arena, LayerState, model->config.layers);
    workspace_take(ws, &(Planner){.memory = memory}, max_classes);
    if (model->config.family->relative) relative_tables(&ws->relative, memory, &model->config, longest);
    if (ws->zeros) RUN(ws->device, fill, .x = ws->zeros, .n = model->config.hidden);
    if (ws->turn[0]) workspace_turns(ws);
    return ws;
}

size_t workspace_floats(const Model *model, const Lora *lora, uint32_t max_tokens, uint32_t max_examples,
                        uint32_t longest, uint32_t max_classes, bool training)
{
    Arena arena = {0};
    Workspace ws = {.model = model, .lora = lora, .training = training};
    ws.max_tokens = max_tokens;
    ws.max_examples = max_examples;
    ws.longest = longest;
    ws.layer = arena_new(&arena, LayerState, model->config.layers);
    Planner planner = {0};
    workspace_take(&ws, &planner, max_classes);
    arena_free(&arena);
    return planner.floats;
}

f32p workspace_dlogits(Workspace *ws) { return ws->d_logits; }

void workspace_keep_states(Workspace *ws, f32p states) { ws->states = states; }

/* The states that a layer leaves: of norm_first the residual stream. */
static f32p layer_result(const Workspace *ws, uint32_t l)
{
    return ws->model->config.family->norm_first ? ws->layer[l].sum2 : ws->layer[l].norm2;
}

/* x: what a layer has made; of the last one what the head reads. */
static void keep_states(const Workspace *ws, uint32_t layer, f32p x, const DeviceBatch *batch)
{
    if (!ws->states) return;
    const u32 h = ws->model->config.hidden, examples = batch->examples;
    f32p y = ws->states + (size_t)layer * examples * h;
    if (layer + 1 == ws->model->config.layers)
        RUN(ws->device, copy, .x = x, .y = y, .n = examples * h);
    else
        pool_states(ws, x, batch, y);
}

/* ---- linear layers ---- */

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

#include "norm_first.c"

/* ---- forward ---- */

static void embedding_forward(const Workspace *ws, f32p w, const DeviceBatch *batch, const PassOptions *o)
{
    const Model *m = ws->model;
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
    if (model_projects(&m->config))
        linear(ws->device, x, tokens, e, w + m->project_w, w + m->project_b, h, ws->layer[0].x, h, NULL);
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
        lora_forward(ws, weights->adapter, l, LORA_QUERY, stream, rows, s->q, ldq, o);
        lora_forward(ws, weights->adapter, l, LORA_KEY | LORA_VALUE, x, tokens, s->kv, ldkv, o);
    } else {
        linear(d, x, inputs, h, w + at->qkv_w, w + at->qkv_b, 3 * h, s->q, 3 * h, NULL);
        lora_forward(ws, weights->adapter, l, LORA_ALL, x, inputs, s->q, ldq, o);
    }

    if (relative)
        relative_attend(ws, l, batch, o);
    else
        RUN(d, attention, .q = s->q, .kv = s->kv, .context = s->context, .lse = s->lse, .offsets = batch->offsets,
            .examples = batch->examples, .heads = c->heads, .head_dim = c->hidden / c->heads, .ldq = (u32)ldq,
            .ldkv = (u32)ldkv, .first_only = last, .longest = batch->longest,
            .scale = 1 / sqrtf((float)(c->hidden / c->heads)), .drop = attention_drop, .seed = o->seed, .step = o->step,
            .site = layer_site(l, SITE_ATTENTION));
    linear(d, s->context, rows, h, w + at->context_w, w + at->context_b, h, s->sum1, h, NULL);
    RUN(d, layernorm, .x = s->sum1, .residual = stream, .gamma = w + at->norm1, .beta = w + at->norm1 + h,
        .y = s->norm1, .mean = s->mean1, .rstd = s->rstd1, .rows = (u32)rows, .cols = (u32)h, .eps = c->eps,
        .drop = context_drop, .seed = o->seed, .step = o->step, .site = layer_site(l, SITE_CONTEXT));
    linear(d, s->norm1, rows, h, w + at->up_w, w + at->up_b, c->inner, s->up, c->inner, c->gelu_tanh ? NULL : s->act);
    if (c->gelu_tanh) RUN(d, gelu, .x = s->up, .y = s->act, .n = (u32)(rows * c->inner), .by_tanh = 1);
    linear(d, s->act, rows, c->inner, w + at->down_w, w + at->down_b, h, s->sum2, h, NULL);
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
    embedding_forward(ws, weights->encoder, batch, options);
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
    if (!below) return;
    f32p to = more ? ws->d_context : ws->d_state; /* its dropout is of this gradient alone */
    linear_dx(d, ws->d_dense, h, examples, h, dense_at(ws->model, head, w->encoder, w->head, false), h, to, false);
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
    const Lora *lora = ws->lora;
    const LoraGroup group = adapter ? lora_group(lora, LORA_ALL) : (LoraGroup){0};
    if (g)
        RUN(ws->device, axpby, .x = ws->d_vectors, .y = g + ws->model->layer[l].qkv_b,
            .n = (u32)layer_vectors(ws->model), .alpha = 1, .beta = 1);
    if (!adapter) return;
    const size_t at = lora->a[l][group.first]; /* the layer's A and B lie one after the other */
    RUN(ws->device, axpby, .x = ws->d_adapter + at, .y = adapter + at,
        .n = 2 * group.count * lora->r * ws->model->config.hidden, .alpha = 1, .beta = 1);
}

/* below: whether anything under this layer wants its gradient. */
static void layer_backward(const Workspace *ws, uint32_t l, const Weights *weights, const Weights *grads,
                           const DeviceBatch *batch, const PassOptions *options, bool below)
{
    Device *d = ws->device;
    const Model *m = ws->model;
    const ModelConfig *c = &m->config;
    const LayerState *s = &ws->layer[l];
    const LayerAt *at = &m->layer[l];
    const bool last = l + 1 == c->layers, relative = c->family->relative, split = last && !relative;
    const int of = last ? OF_FIRST : OF_TOKENS;
    const size_t h = c->hidden, inner = c->inner, tokens = batch->tokens, rows = last ? batch->examples : tokens;
    const size_t inputs = tokens + model_shared_rows(c, batch->longest);
    const size_t ldq = split ? h : 3 * h, ldkv = split ? 2 * h : 3 * h;
    f32p w = weights->encoder, g = grads->encoder, stream = last ? ws->first : s->x;
    const float hidden_drop = options->dropout ? c->hidden_drop : 0;
    const float context_drop = c->family->drop_context ? hidden_drop : 0;
    /* A layer above has made a gradient of the same weights already: to that of matrices products add, the others are
     * made apart first. v: of biases and LayerNorms, as they lie from qkv_b on. */
    const bool more = l + 1 < c->layers && model_layer_shares(c, l + 1);
    const size_t from = at->qkv_b;
    f32p v = more ? ws->d_vectors
             : g  ? g + from
                  : NULL,
         d_adapter = more && grads->adapter ? ws->d_adapter : grads->adapter;
    PassOptions own = *options;
    const PassOptions *o = &own;
    own.more = more;
    ASSERT(!options->importance || !model_shares(c));

    f32p dx = norm_backward(ws, s->sum2, s->mean2, s->rstd2, w + at->norm2, g ? v + (at->norm2 - from) : NULL, of, rows,
                            o, c->family->no_drop_down ? 0 : hidden_drop, layer_site(l, SITE_DOWN));
    linear_dx(d, dx, h, rows, h, w + at->down_w, inner, ws->d_up, false);
    if (g) linear_dw(d, o, of, dx, h, rows, h, s->act, inner, g + at->down_w, v + (at->down_b - from));
    RUN(d, gelu_grad, .x = s->up, .dy = ws->d_up, .dx = ws->d_up, .n = (u32)(rows * inner), .by_tanh = c->gelu_tanh);
    if (g) linear_dw(d, o, of, ws->d_up, inner, rows, inner, s->norm1, h, g + at->up_w, v + (at->up_b - from));
    linear_dx(d, ws->d_up, inner, rows, inner, w + at->up_w, h, ws->d_state, true);

    dx = norm_backward(ws, s->sum1, s->mean1, s->rstd1, w + at->norm1, g ? v + (at->norm1 - from) : NULL, of, rows, o,
                       context_drop, layer_site(l, SITE_CONTEXT));
    linear_dx(d, dx, h, rows, h, w + at->context_w, h, ws->d_context, false);
    if (g) linear_dw(d, o, of, dx, h, rows, h, s->context, h, g + at->context_w, v + (at->context_b - from));

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
    if (split) {
        lora_backward(ws, weights->adapter, d_adapter, l, LORA_QUERY, stream, rows, dq, ldq, dx_q, o);
        lora_backward(ws, weights->adapter, d_adapter, l, LORA_KEY | LORA_VALUE, s->x, tokens, dkv, ldkv, dx_kv, o);
    } else {
        lora_backward(ws, weights->adapter, d_adapter, l, LORA_ALL, s->x, inputs, dq, ldq, dx_all, o);
    }
    if (g && inputs > tokens) relative_rows_backward(ws, l, dx_all + tokens * h, (u32)(inputs - tokens), o);
    if (below && last) {
        RUN(d, scatter_rows, .x = ws->d_state, .index = batch->first, .y = ws->d_branch, .rows = (u32)rows,
            .cols = (u32)h, .ldy = (u32)h);
        RUN(d, copy, .x = ws->d_branch, .y = ws->d_state, .n = (u32)(tokens * h));
    }
    if (more) layer_add(ws, l, g, grads->adapter);
}

static void embedding_backward(const Workspace *ws, f32p w, f32p g, const DeviceBatch *batch, const PassOptions *o)
{
    Device *d = ws->device;
    const Model *m = ws->model;
    const u32 e = m->config.embedding, h = m->config.hidden, tokens = batch->tokens;
    f32p dx = ws->d_embedded;
    if (model_projects(&m->config)) {
        linear_dw(d, o, OF_TOKENS, ws->d_state, h, tokens, h, ws->embedded_norm, e, g + m->project_w, g + m->project_b);
        linear_dx(d, ws->d_state, h, tokens, h, w + m->project_w, e, dx, false);
    }
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
    if (!embeddings && !grads->adapter) return;
    ASSERT(!options->states);
    if (!head_has_dense(ws->model)) dense_backward(ws, weights, grads, NULL, batch->examples, options, true, false);
    if (!layer_ends(&ws->model->config, ws->model->config.layers - 1)) pool_backward(ws, batch);
    const bool relative = embeddings && ws->model->config.family->relative;
    if (relative) relative_clear(&ws->relative, ws->device, &ws->model->config, batch);
    for (uint32_t l = ws->model->config.layers; l-- > 0;)
        if (ws->model->config.family->norm_first)
            norm_first_backward(ws, l, weights, grads, batch, options, l > 0 || embeddings);
        else
            layer_backward(ws, l, weights, grads, batch, options, l > 0 || embeddings);
    if (relative) relative_end(&ws->relative, ws->device, ws->model, weights->encoder, grads->encoder, batch, options);
    if (embeddings) embedding_backward(ws, weights->encoder, grads->encoder, batch, options);
}

void model_backward(Workspace *ws, const Weights *weights, const Weights *grads, const Head *head,
                    const DeviceBatch *batch, const PassOptions *options)
{
    model_head_backward(ws, weights, grads, head, batch, options, false);
    model_encoder_backward(ws, weights, grads, batch, options);
}
