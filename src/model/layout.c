#include "model.h"

#include <math.h>
#include <string.h>

const View *layout_find(const Layout *layout, const char *name)
{
    for (int i = 0; i < layout->count; i++)
        if (strcmp(layout->views[i].name, name) == 0) return &layout->views[i];
    return NULL;
}

static size_t layout_add(Layout *layout, const char *name, size_t rows, size_t cols)
{
    size_t at = layout->floats;
    layout->views[layout->count++] = (View){name, at, (uint32_t)rows, (uint32_t)cols};
    layout->floats += rows * cols;
    return at;
}

void model_layout(Arena *arena, const ModelConfig *config, Model *model)
{
    const size_t h = config->hidden, inner = config->inner, layers = config->layers;
    *model = (Model){.config = *config, .layer = arena_new(arena, LayerAt, layers)};
    Layout *all = &model->encoder;
    all->views = arena_new(arena, View, 7 + 16 * layers);
#define NAME(suffix) arena_printf(arena, "encoder.layer.%zu." suffix, l)
    model->word = layout_add(all, "embeddings.word_embeddings.weight", config->vocab, h);
    all->table_rows = config->vocab;
    all->table_cols = config->hidden;
    model->position = layout_add(all, "embeddings.position_embeddings.weight", config->positions, h);
    model->type = layout_add(all, "embeddings.token_type_embeddings.weight", config->types, h);
    for (size_t l = 0; l < layers; l++) {
        LayerAt *at = &model->layer[l];
        at->qkv_w = layout_add(all, NAME("attention.self.query.weight"), h, h);
        layout_add(all, NAME("attention.self.key.weight"), h, h);
        layout_add(all, NAME("attention.self.value.weight"), h, h);
        at->context_w = layout_add(all, NAME("attention.output.dense.weight"), h, h);
        at->up_w = layout_add(all, NAME("intermediate.dense.weight"), inner, h);
        at->down_w = layout_add(all, NAME("output.dense.weight"), h, inner);
    }
    const bool pooler = config->family == FAMILY_BERT;
    if (pooler) model->pooler_w = layout_add(all, "pooler.dense.weight", h, h);
    all->decay_floats = all->floats;

    model->norm = layout_add(all, "embeddings.LayerNorm.weight", 1, h);
    layout_add(all, "embeddings.LayerNorm.bias", 1, h);
    for (size_t l = 0; l < layers; l++) {
        LayerAt *at = &model->layer[l];
        at->qkv_b = layout_add(all, NAME("attention.self.query.bias"), 1, h);
        layout_add(all, NAME("attention.self.key.bias"), 1, h);
        layout_add(all, NAME("attention.self.value.bias"), 1, h);
        at->context_b = layout_add(all, NAME("attention.output.dense.bias"), 1, h);
        at->norm1 = layout_add(all, NAME("attention.output.LayerNorm.weight"), 1, h);
        layout_add(all, NAME("attention.output.LayerNorm.bias"), 1, h);
        at->up_b = layout_add(all, NAME("intermediate.dense.bias"), 1, inner);
        at->down_b = layout_add(all, NAME("output.dense.bias"), 1, h);
        at->norm2 = layout_add(all, NAME("output.LayerNorm.weight"), 1, h);
        layout_add(all, NAME("output.LayerNorm.bias"), 1, h);
    }
    if (pooler) model->pooler_b = layout_add(all, "pooler.dense.bias", 1, h);
#undef NAME
}

void head_layout(Arena *arena, const ModelConfig *config, uint32_t classes, Head *head)
{
    const size_t h = config->hidden;
    *head = (Head){.classes = classes};
    Layout *all = &head->layout;
    all->views = arena_new(arena, View, 4);
    if (config->family == FAMILY_BERT) {
        head->out_w = layout_add(all, "classifier.weight", classes, h);
        all->decay_floats = all->floats;
        head->out_b = layout_add(all, "classifier.bias", 1, classes);
    } else {
        head->dense_w = layout_add(all, "classifier.dense.weight", h, h);
        head->out_w = layout_add(all, "classifier.out_proj.weight", classes, h);
        all->decay_floats = all->floats;
        head->dense_b = layout_add(all, "classifier.dense.bias", 1, h);
        head->out_b = layout_add(all, "classifier.out_proj.bias", 1, classes);
    }
}

void head_initialise(const Head *head, uint64_t seed, uint64_t stream, float *w)
{
    for (size_t i = 0; i < head->layout.floats; i++)
        w[i] = i < head->layout.decay_floats ? 0.02f * random_normal(seed, stream, i) : 0;
}

void lora_layout(Arena *arena, const ModelConfig *config, Lora *lora)
{
    static const char *const target[3] = {"query", "key", "value"};
    const size_t layers = config->layers;
    Layout *all = &lora->layout;
    *all = (Layout){.views = arena_new(arena, View, 6 * layers)};
    lora->a = arena_alloc(arena, layers, sizeof *lora->a);
    lora->b = arena_alloc(arena, layers, sizeof *lora->b);
    for (size_t l = 0; l < layers; l++)
        for (int t = 0; t < 3; t++) {
            if (!(lora->targets >> t & 1)) continue;
            const char *stem = arena_printf(arena, "encoder.layer.%zu.attention.self.%s", l, target[t]);
            lora->a[l][t] = layout_add(all, arena_printf(arena, "%s.lora_A.weight", stem), lora->r, config->hidden);
            lora->b[l][t] = layout_add(all, arena_printf(arena, "%s.lora_B.weight", stem), config->hidden, lora->r);
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
