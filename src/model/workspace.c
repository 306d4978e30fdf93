#include "workspace.h"

#include <math.h>
#include <string.h>

/* The memory of the passes. */

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

/* Of the adapters on the targets `among`. */
static void take_low(Planner *planner, const Lora *lora, uint32_t among, size_t rows, LayerState *s)
{
    const LoraGroup group = lora_group(lora, among);
    if (group.count) s->low[group.first] = take(planner, group.count * rows, lora->r);
}

/* Of a layer's adapters; arguments as below. */
static void workspace_lows(Planner *planner, const Model *model, const Lora *lora, size_t inputs, size_t rows,
                           bool split, LayerState *s)
{
    const bool one = model->config.family->norm_first; /* for all three; of first tokens its rows are gathered */
    if (split && !one) {
        take_low(planner, lora, LORA_KEY | LORA_VALUE, inputs, s);
        take_low(planner, lora, LORA_QUERY, rows, s);
    } else {
        take_low(planner, lora, LORA_ATTENTION, inputs, s);
        if (split) s->low_first = take(planner, rows, lora->r);
    }
    take_low(planner, lora, LORA_CONTEXT, rows, s);
    take_low(planner, lora, LORA_UP, rows, s);
    take_low(planner, lora, LORA_DOWN, rows, s);
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
    if (lora) workspace_lows(planner, model, lora, inputs, rows, split, s);
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

/* inputs: rows of a layer's input. */
static void workspace_gradients(Workspace *ws, Planner *planner, size_t classes, size_t inputs)
{
    const Model *model = ws->model;
    const size_t h = model->config.hidden, e = model->config.embedding, t = ws->max_tokens, b = ws->max_examples;
    const bool norm_first = model->config.family->norm_first, project = model_projects(&model->config);
    ws->d_logits = take(planner, b, classes);
    ws->d_dense = take(planner, b, h);
    ws->d_state = take(planner, inputs, h);
    ws->d_branch = take(planner, inputs, h);
    ws->d_context = take(planner, t, ws->lora && ws->lora->r > h ? ws->lora->r : h); /* see lora_backward */
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
    if (!ws->lora) return;
    const size_t together = lora_group(ws->lora, LORA_ATTENTION).count;
    ws->d_low = take(planner, (together ? together : 1) * inputs, ws->lora->r);
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
    if (ws->lora) {
        take_low(planner, ws->lora, LORA_PROJECT, t, &ws->layer[0]);
        take_low(planner, ws->lora, LORA_POOLER, b, &ws->layer[layers - 1]);
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
    if (ws->training) workspace_gradients(ws, planner, classes, inputs);
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
