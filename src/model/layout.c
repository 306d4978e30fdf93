#include "model.h"

#include <math.h>
#include <string.h>

/* Adds views to a layout, one after the other. */
typedef struct LayoutWriter {
    Arena *arena;
    Layout *layout;
    const char *stem; /* before the names of modules */
    uint32_t block;   /* see View */
} LayoutWriter;

/* A tensor `kind` ("weight") of a module. Returns where it lies. */
static size_t layout_add(const LayoutWriter *to, const char *module, const char *kind, size_t rows, size_t cols)
{
    Layout *layout = to->layout;
    const size_t at = layout->floats;
    layout->views[layout->count++] = (View){.name = arena_printf(to->arena, "%s%s.%s", to->stem, module, kind),
                                            .at = at,
                                            .rows = (uint32_t)rows,
                                            .cols = (uint32_t)cols,
                                            .block = to->block};
    layout->floats += rows * cols;
    return at;
}

static size_t layout_add_norm(const LayoutWriter *to, const char *module, size_t h)
{
    const size_t at = layout_add(to, module, "weight", 1, h);
    layout_add(to, module, "bias", 1, h);
    return at;
}

/* Which of the layers' weights layer l has: as transformers' AlbertTransformer reckons. */
static uint32_t model_weights_of(const ModelConfig *config, uint32_t l)
{
    return config->shared ? (uint32_t)(l / ((double)config->layers / config->shared)) : l;
}

bool model_layer_shares(const ModelConfig *config, uint32_t l)
{
    return l > 0 && model_weights_of(config, l) == model_weights_of(config, l - 1);
}

bool model_shares(const ModelConfig *config) { return config->shared && config->shared < config->layers; }

uint32_t model_last_sharing(const ModelConfig *config, uint32_t l)
{
    while (l + 1 < config->layers && model_layer_shares(config, l + 1)) l++;
    return l;
}

/* The names of the next views begin with layer l's, which does not share those of the layer below. */
static void layout_enter_layer(LayoutWriter *to, const ModelConfig *config, uint32_t l)
{
    to->stem = arena_printf(to->arena, "%s%u.", config->family->modules->layer, model_weights_of(config, l));
    to->block = l + 1;
}

bool model_projects(const ModelConfig *c) { return c->embedding != c->hidden || c->family->project_always; }

/* Linear layers without biases, and LayerNorms without betas. */
static void layout_norm_first(Arena *arena, Model *model)
{
    const ModelConfig *c = &model->config;
    const size_t h = c->hidden, inner = c->inner;
    const FamilyModules *names = c->family->modules;
    Layout *all = &model->encoder;
    const LayoutWriter embeddings = {arena, all, "", 0}, end = {arena, all, "", c->layers + 1};
    LayoutWriter layer = {arena, all, "", 0};
    model->word = layout_add(&embeddings, names->word, "weight", c->vocab, h);
    all->table_rows = c->vocab;
    all->table_cols = c->embedding;
    for (uint32_t l = 0; l < c->layers; l++) {
        LayerAt *at = &model->layer[l];
        layout_enter_layer(&layer, c, l);
        at->qkv_w = layout_add(&layer, names->projection[0], "weight", 3 * h, h);
        at->context_w = layout_add(&layer, names->context, "weight", h, h);
        at->up_w = layout_add(&layer, names->up, "weight", 2 * inner, h);
        at->down_w = layout_add(&layer, names->down, "weight", h, inner);
    }
    all->decay_floats = all->floats;
    model->norm = layout_add(&embeddings, names->norm, "weight", 1, h);
    for (uint32_t l = 0; l < c->layers; l++) {
        LayerAt *at = &model->layer[l];
        layout_enter_layer(&layer, c, l);
        if (l) at[-1].norm2 = at->before = layout_add(&layer, names->before, "weight", 1, h);
        at->norm1 = layout_add(&layer, names->norm1, "weight", 1, h);
    }
    model->layer[c->layers - 1].norm2 = layout_add(&end, names->norm2, "weight", 1, h);
}

void model_layout(Arena *arena, const ModelConfig *config, Model *model)
{
    const size_t h = config->hidden, inner = config->inner, layers = config->layers, e = config->embedding;
    const FamilyModules *names = config->family->modules;
    const bool project = model_projects(config);
    ASSERT(!project || names->project);
    ASSERT(!config->family->norm_first || !model_shares(config));
    *model = (Model){.config = *config, .layer = arena_new(arena, LayerAt, layers)};
    Layout *all = &model->encoder;
    all->views = arena_new(arena, View, 12 + 16 * layers);
    if (config->family->norm_first) {
        layout_norm_first(arena, model);
        return;
    }
    const LayoutWriter embeddings = {arena, all, "", 0}, pooler = {arena, all, "", (uint32_t)layers + 1};
    LayoutWriter layer = {arena, all, "", 0};
    model->word = layout_add(&embeddings, names->word, "weight", config->vocab, e);
    all->table_rows = config->vocab;
    all->table_cols = config->embedding;
    if (names->position) model->position = layout_add(&embeddings, names->position, "weight", config->positions, e);
    if (names->type && config->types) model->type = layout_add(&embeddings, names->type, "weight", config->types, e);
    if (names->relative_norm) model->relative = layout_add(&embeddings, names->relative, "weight", config->buckets, h);
    if (project) model->project_w = layout_add(&embeddings, names->project, "weight", h, e);
    for (uint32_t l = 0; l < layers; l++) {
        LayerAt *at = &model->layer[l];
        if (model_layer_shares(config, l)) continue;
        layout_enter_layer(&layer, config, l);
        at->qkv_w = layout_add(&layer, names->projection[0], "weight", h, h);
        for (int t = 1; t < LORA_PROJECTIONS; t++) layout_add(&layer, names->projection[t], "weight", h, h);
        at->context_w = layout_add(&layer, names->context, "weight", h, h);
        at->up_w = layout_add(&layer, names->up, "weight", inner, h);
        at->down_w = layout_add(&layer, names->down, "weight", h, inner);
    }
    if (names->pooler) model->pooler_w = layout_add(&pooler, names->pooler, "weight", h, h);
    all->decay_floats = all->floats;

    model->norm = layout_add_norm(&embeddings, names->norm, e);
    if (names->relative_norm) model->relative_norm = layout_add_norm(&embeddings, names->relative_norm, h);
    if (names->relative && !names->relative_norm) /* a bias by its name: it does not decay */
        model->relative = layout_add(&embeddings, names->relative, "weight", config->buckets, config->heads);
    if (project) model->project_b = layout_add(&embeddings, names->project, "bias", 1, h);
    for (uint32_t l = 0; l < layers; l++) {
        LayerAt *at = &model->layer[l];
        if (model_layer_shares(config, l)) {
            *at = at[-1];
            continue;
        }
        layout_enter_layer(&layer, config, l);
        at->qkv_b = layout_add(&layer, names->projection[0], "bias", 1, h);
        for (int t = 1; t < LORA_PROJECTIONS; t++) layout_add(&layer, names->projection[t], "bias", 1, h);
        at->context_b = layout_add(&layer, names->context, "bias", 1, h);
        at->norm1 = layout_add_norm(&layer, names->norm1, h);
        at->up_b = layout_add(&layer, names->up, "bias", 1, inner);
        at->down_b = layout_add(&layer, names->down, "bias", 1, h);
        at->norm2 = layout_add_norm(&layer, names->norm2, h);
    }
    if (names->pooler) model->pooler_b = layout_add(&pooler, names->pooler, "bias", 1, h);
}

void head_layout(Arena *arena, const ModelConfig *config, uint32_t classes, Head *head)
{
    const size_t h = config->hidden;
    const FamilyHead *names = &config->family->head;
    *head = (Head){.classes = classes};
    Layout *all = &head->layout;
    all->views = arena_new(arena, View, 5);
    const LayoutWriter to = {arena, all, "", 0};
    if (names->dense) head->dense_w = layout_add(&to, names->dense, "weight", h, h);
    head->out_w = layout_add(&to, names->out, "weight", classes, h);
    all->decay_floats = all->floats;
    if (names->dense && !names->norm) head->dense_b = layout_add(&to, names->dense, "bias", 1, h);
    if (names->norm) head->norm = layout_add(&to, names->norm, "weight", 1, h);
    head->out_b = layout_add(&to, names->out, "bias", 1, classes);
}

void head_initialise(const Head *head, uint64_t seed, uint64_t stream, float *w)
{
    for (size_t i = 0; i < head->layout.floats; i++)
        w[i] = i < head->layout.decay_floats ? 0.02f * random_normal(seed, stream, i) : 0;
    for (size_t i = head->norm; head->norm && i < head->out_b; i++) w[i] = 1;
}

uint32_t model_linear(const ModelConfig *config)
{
    return family_linear(config->family) & ~(model_projects(config) ? 0u : (uint32_t)LORA_PROJECT);
}

uint32_t lora_in(const ModelConfig *config, uint32_t t)
{
    return t == TARGET_DOWN ? config->inner : t == TARGET_PROJECT ? config->embedding : config->hidden;
}

uint32_t lora_out(const ModelConfig *config, uint32_t t)
{
    const bool all = !config->family->modules->projection[1];
    if (t == TARGET_UP) return (config->family->norm_first ? 2 : 1) * config->inner;
    return (t == TARGET_QUERY && all ? LORA_PROJECTIONS : 1) * config->hidden;
}

size_t lora_weight(const Model *model, uint32_t l, uint32_t t)
{
    const LayerAt *at = &model->layer[l];
    const size_t h = model->config.hidden;
    switch (t) {
    case TARGET_CONTEXT: return at->context_w;
    case TARGET_UP: return at->up_w;
    case TARGET_DOWN: return at->down_w;
    case TARGET_PROJECT: return model->project_w;
    case TARGET_POOLER: return model->pooler_w;
    default: return at->qkv_w + t * h * h;
    }
}

bool lora_has(const ModelConfig *config, const Lora *lora, uint32_t l, uint32_t t)
{
    if (!(lora->targets >> t & 1)) return false;
    if (t == TARGET_PROJECT) return l == 0;
    return t == TARGET_POOLER ? l + 1 == config->layers : !model_layer_shares(config, l);
}

/* The adapter of layer l on target t. */
static void lora_add(const LayoutWriter *to, const ModelConfig *config, Lora *lora, uint32_t l, uint32_t t)
{
    const char *module = family_module(config->family, (int)t);
    if (!lora_has(config, lora, l, t)) return;
    lora->a[l][t] = layout_add(to, module, "lora_A.weight", lora->r, lora_in(config, t));
    lora->b[l][t] = layout_add(to, module, "lora_B.weight", lora_out(config, t), lora->r);
}

void lora_layout(Arena *arena, const ModelConfig *config, Lora *lora)
{
    const uint32_t layers = config->layers;
    Layout *all = &lora->layout;
    *all = (Layout){.views = arena_new(arena, View, 2 * LORA_TARGETS * (size_t)layers)};
    lora->targets &= model_linear(config);
    lora->a = arena_alloc(arena, layers, sizeof *lora->a);
    lora->b = arena_alloc(arena, layers, sizeof *lora->b);
    const LayoutWriter embeddings = {arena, all, "", 0}, pooler = {arena, all, "", layers + 1};
    LayoutWriter to = {arena, all, "", 0};
    lora_add(&embeddings, config, lora, 0, TARGET_PROJECT);
    for (uint32_t l = 0; l < layers; l++) {
        if (model_layer_shares(config, l)) {
            memcpy(lora->a[l], lora->a[l - 1], sizeof *lora->a);
            memcpy(lora->b[l], lora->b[l - 1], sizeof *lora->b);
            continue;
        }
        layout_enter_layer(&to, config, l);
        for (uint32_t t = 0; t < TARGET_PROJECT; t++) lora_add(&to, config, lora, l, t);
    }
    lora_add(&pooler, config, lora, layers - 1, TARGET_POOLER);
    all->decay_floats = all->floats;
}

void lora_initialise(const Lora *lora, uint64_t seed, uint64_t stream, float *w)
{
    memset(w, 0, lora->layout.floats * sizeof *w);
    for (int i = 0; i < lora->layout.count; i += 2) { /* A, B, A, B, ... */
        const View *a = &lora->layout.views[i];
        const float bound = 1 / sqrtf((float)a->cols);
        for (size_t j = a->at; j < a->at + (size_t)a->rows * a->cols; j++)
            w[j] = bound * (2 * random_uniform(seed, stream, j) - 1);
    }
}
