#pragma once
/* A tiny model of a family with random weights and a batch of four examples, and a gradient checked by finite
 * differences. */

typedef struct TinyModel {
    Arena arena;
    Device device;
    DeviceArena memory;
    Model model;
    Head head;
    Lora lora;
    Weights weights, grads;
    Split split;
    DeviceBatch batch;
    Workspace *workspace;
    f32p losses;
    bool with_lora;
} TinyModel;

static void tiny_fill(f32p w, size_t n, uint64_t stream)
{
    for (size_t i = 0; i < n; i++) w[i] = 0.3f * random_normal(1, stream, i);
}

static uint32_t tiny_ids[] = {3, 5, 7, 1, 2, 9, 9, 30, 41, 3, 5, 6, 1, 1, 0}, tiny_labels[] = {0, 2, 1, 1};
static uint8_t tiny_types[] = {0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1}, tiny_no_types[15];
static uint64_t tiny_starts[] = {0, 4, 5, 11, 15};

/* targets: of the adapter; 0: there is none. variant, of a family with local attention: its second and last layer is
 * local (1, 3), the head reads means (2, 3). */
static void tiny_open_targets(TinyModel *t, const char *engine, const Family *family, uint32_t targets, float drop,
                              uint32_t variant)
{
    const bool with_lora = targets != 0;
    Err err = {0};
    *t = (TinyModel){.with_lora = with_lora};
    assert_true(device_open(&t->device, engine, 2, &err));
    t->memory.device = &t->device;
    const FamilyRelative *relative = family->relative;
    const bool after_pad = family->positions == POSITIONS_AFTER_PAD;
    const ModelConfig config = {.family = family,
                                .layers = 2,
                                .hidden = 12,
                                .embedding = family->embedding ? 7 : 12,
                                .heads = 3,
                                .inner = 20,
                                .vocab = 50,
                                .positions = 20,
                                .types = family->types,
                                .buckets = !relative                 ? 0
                                           : relative->usual_buckets ? relative->usual_buckets
                                                                     : 8,
                                .reach = !relative               ? 0
                                         : relative->usual_reach ? relative->usual_reach
                                                                 : 20,
                                .position_base = after_pad ? family->pad + 1 : 0,
                                .shared = family->config->shared ? 1 : 0,
                                .gelu_tanh = family->gelu_tanh,
                                .mean = variant / 2,
                                .window = family->config->rotary ? 1 : 0,
                                .every = family->config->rotary ? 1 + (variant & 1) : 0,
                                .rotary_base = {50, 10},
                                .inner_drop = family->config->inner_drop ? drop : 0,
                                .eps = 1e-5f,
                                .hidden_drop = drop,
                                .attention_drop = 1.5f * drop,
                                .classifier_drop = drop / 2};
    model_layout(&t->arena, &config, &t->model);
    head_layout(&t->arena, &config, 3, &t->head);
    t->lora = (Lora){.r = 2, .targets = targets, .alpha = 4, .drop = drop};
    lora_layout(&t->arena, &config, &t->lora);
    const size_t sizes[3] = {t->model.encoder.floats, t->lora.layout.floats, t->head.layout.floats};
    t->weights = (Weights){device_f32(&t->memory, sizes[0]), with_lora ? device_f32(&t->memory, sizes[1]) : NULL,
                           device_f32(&t->memory, sizes[2])};
    t->grads = (Weights){device_f32(&t->memory, sizes[0]), with_lora ? device_f32(&t->memory, sizes[1]) : NULL,
                         device_f32(&t->memory, sizes[2])};
    tiny_fill(t->weights.encoder, sizes[0], 1);
    if (with_lora) tiny_fill(t->weights.adapter, sizes[1], 2);
    tiny_fill(t->weights.head, sizes[2], 3);
    t->split = (Split){.rows = 4,
                       .labels = tiny_labels,
                       .starts = tiny_starts,
                       .ids = tiny_ids,
                       .types = family->types > 1 ? tiny_types : tiny_no_types};
    const uint32_t rows[] = {0, 1, 2, 3};
    Batch batch;
    batch_pack(&t->arena, &t->split, rows, 4, config.position_base, &batch);
    const BatchBuffer buffer = batch_buffer(&t->memory, batch.tokens, batch.examples);
    device_batch_write(&t->device, &buffer, &t->arena, &batch, &t->batch);
    t->workspace = workspace_new(&t->arena, &t->memory, &t->model, with_lora ? &t->lora : NULL, 15, 4, 6, 3, true);
    t->losses = device_f32(&t->memory, 4);
}

static void tiny_open_variant(TinyModel *t, const char *engine, const Family *family, bool with_lora, float drop,
                              uint32_t variant)
{
    tiny_open_targets(t, engine, family, with_lora ? family->lora_targets : 0, drop, variant);
}

static void tiny_open(TinyModel *t, const char *engine, const Family *family, bool with_lora, float drop)
{
    tiny_open_variant(t, engine, family, with_lora, drop, 0);
}

/* How many variants of a family there are. */
static uint32_t tiny_variants(const Family *family) { return family->config->rotary ? 4 : 1; }

static void tiny_close(TinyModel *t)
{
    device_arena_free(&t->memory);
    arena_free(&t->arena);
    device_close(&t->device);
}

static double tiny_loss(TinyModel *t, const PassOptions *options)
{
    f32p logits = model_forward(t->workspace, &t->weights, &t->head, &t->batch, options);
    RUN(&t->device, cross_entropy, .logits = logits, .labels = t->batch.labels, .loss = t->losses,
        .dlogits = workspace_dlogits(t->workspace), .rows = 4, .classes = 3, .scale = 0.25f);
    float loss[4];
    device_read(&t->device, loss, t->losses, sizeof loss);
    return ((double)loss[0] + (double)loss[1] + (double)loss[2] + (double)loss[3]) / 4;
}

/* |finite differences - gradient| / |gradient| over every so many numbers of a flat array, by steps of h. */
static double tiny_error_every(TinyModel *t, f32p w, f32p g, size_t n, size_t every, float h,
                               const PassOptions *options)
{
    double wrong = 0, all = 0;
    for (size_t i = 0; i < n; i += every) {
        const float old = w[i];
        w[i] = old + h;
        const double up = tiny_loss(t, options), w_up = (double)w[i];
        w[i] = old - h;
        const double down = tiny_loss(t, options), slope = (up - down) / (w_up - (double)w[i]);
        w[i] = old;
        wrong += (slope - (double)g[i]) * (slope - (double)g[i]);
        all += slope * slope;
    }
    return sqrt(wrong / all);
}

static double tiny_error(TinyModel *t, f32p w, f32p g, size_t n, float h, const PassOptions *options)
{
    return tiny_error_every(t, w, g, n, 1, h, options);
}

/* Whether an earlier row computes the same: XLM-RoBERTa and CamemBERT are RoBERTa by other names. */
static bool family_repeats(int f)
{
    bool repeats = false;
    for (int k = 0; k < f; k++) repeats = repeats || family_rows[k]->modules == family_rows[f]->modules;
    return repeats;
}
