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

/* The names of the next views begin with layer l's. */
static void layout_enter_layer(LayoutWriter *to, const FamilyModules *names, size_t l)
{
    to->stem = arena_printf(to->arena, "%s%zu.", names->layer, l);
    to->block = (uint32_t)l + 1;
}

void model_layout(Arena *arena, const ModelConfig *config, Model *model)
{
    const size_t h = config->hidden, inner = config->inner, layers = config->layers, e = config->embedding;
    const FamilyModules *names = config->family->modules;
    const bool project = e != h;
    ASSERT(!project || names->project);
    *model = (Model){.config = *config, .layer = arena_new(arena, LayerAt, layers)};
    Layout *all = &model->encoder;
    all->views = arena_new(arena, View, 12 + 16 * layers);
    const LayoutWriter embeddings = {arena, all, "", 0}, pooler = {arena, all, "", (uint32_t)layers + 1};
    LayoutWriter layer = {arena, all, "", 0};
    model->word = layout_add(&embeddings, names->word, "weight", config->vocab, e);
    all->table_rows = config->vocab;
    all->table_cols = config->embedding;
    if (names->position) model->position = layout_add(&embeddings, names->position, "weight", config->positions, e);
    if (names->type && config->types) model->type = layout_add(&embeddings, names->type, "weight", config->types, e);
    if (names->relative_norm) model->relative = layout_add(&embeddings, names->relative, "weight", config->buckets, h);
    if (project) model->project_w = layout_add(&embeddings, names->project, "weight", h, e);
    for (size_t l = 0; l < layers; l++) {
        LayerAt *at = &model->layer[l];
        layout_enter_layer(&layer, names, l);
        at->qkv_w = layout_add(&layer, names->projection[0], "weight", h, h);
        for (int t = 1; t < LORA_TARGETS; t++) layout_add(&layer, names->projection[t], "weight", h, h);
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
    for (size_t l = 0; l < layers; l++) {
        LayerAt *at = &model->layer[l];
        layout_enter_layer(&layer, names, l);
        at->qkv_b = layout_add(&layer, names->projection[0], "bias", 1, h);
        for (int t = 1; t < LORA_TARGETS; t++) layout_add(&layer, names->projection[t], "bias", 1, h);
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
    all->views = arena_new(arena, View, 4);
    const LayoutWriter to = {arena, all, "", 0};
    if (names->dense) head->dense_w = layout_add(&to, names->dense, "weight", h, h);
    head->out_w = layout_add(&to, names->out, "weight", classes, h);
    all->decay_floats = all->floats;
    if (names->dense) head->dense_b = layout_add(&to, names->dense, "bias", 1, h);
    head->out_b = layout_add(&to, names->out, "bias", 1, classes);
}

void head_initialise(const Head *head, uint64_t seed, uint64_t stream, float *w)
{
    for (size_t i = 0; i < head->layout.floats; i++)
        w[i] = i < head->layout.decay_floats ? 0.02f * random_normal(seed, stream, i) : 0;
}

void lora_layout(Arena *arena, const ModelConfig *config, Lora *lora)
{
    const size_t layers = config->layers;
    const FamilyModules *names = config->family->modules;
    Layout *all = &lora->layout;
    *all = (Layout){.views = arena_new(arena, View, 2 * LORA_TARGETS * layers)};
    lora->a = arena_alloc(arena, layers, sizeof *lora->a);
    lora->b = arena_alloc(arena, layers, sizeof *lora->b);
    LayoutWriter to = {arena, all, "", 0};
    for (size_t l = 0; l < layers; l++) {
        layout_enter_layer(&to, names, l);
        for (int t = 0; t < LORA_TARGETS; t++) {
            if (!(lora->targets >> t & 1)) continue;
            lora->a[l][t] = layout_add(&to, names->projection[t], "lora_A.weight", lora->r, config->hidden);
            lora->b[l][t] = layout_add(&to, names->projection[t], "lora_B.weight", config->hidden, lora->r);
        }
    }
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
