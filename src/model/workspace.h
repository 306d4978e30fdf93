#pragma once
/* What the passes of an encoder keep while they run: for the files that compute them. */
#include "model.h"

/* Dropout sites: every place that draws a mask has its own number. */
enum {
    SITE_EMBEDDING = 1,
    SITE_HEAD_IN,
    SITE_HEAD_OUT,
    SITE_LAYERS = 16,
    SITES_PER_LAYER = 8,
    SITE_ADAPTERS = 1 << 20
};
enum { SITE_ATTENTION, SITE_CONTEXT, SITE_DOWN, SITE_LORA, SITE_RELATIVE = 6 }; /* in a layer; LORA: for q, k, v */
static uint32_t layer_site(uint32_t layer, uint32_t which) { return SITE_LAYERS + layer * SITES_PER_LAYER + which; }
/* Of the adapter on a target, which has its own dropout. */
static uint32_t lora_site(uint32_t layer, uint32_t target)
{
    return target < LORA_PROJECTIONS ? layer_site(layer, SITE_LORA + target)
                                     : SITE_ADAPTERS + layer * LORA_TARGETS + target;
}

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
    f32p low[LORA_TARGETS]; /* LoRA's A x [rows][r] of a target, and then of those that follow in its group */
    f32p low_first;         /* of norm_first, where query is one with key and value: the first tokens' rows of it */
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

/* Those of the targets `among`, which read the same rows, that have adapters: every step-th from target `first` on,
 * which any choice of three targets is. Their adapters are neighbours: see lora_layout. */
typedef struct LoraGroup {
    u32 first, count, step;
} LoraGroup;
static LoraGroup lora_group(const Lora *lora, uint32_t among)
{
    LoraGroup group = {.step = 1};
    for (u32 t = 0; t < LORA_TARGETS; t++) {
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
