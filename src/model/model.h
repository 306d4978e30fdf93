/* model: encoders, classification heads and LoRA, forward and backward written out over ops.
 *
 * Formulas: the classes ...ForSequenceClassification of Hugging Face's transformers and PEFT's lora.Linear; what
 * differs between families stands in their rows, see family.h. T: tokens of a batch, packed without padding; B: its
 * examples; H: hidden; I: inner; A: heads; C: classes. */
#ifndef LETHE_MODEL_H
#define LETHE_MODEL_H

#include "../device/device.h"
#include "../family/family.h"
#include "../files/files.h"
#include "../text/text.h"

/* ---- What a model is ---- */

typedef struct ModelConfig {
    const Family *family;
    uint32_t layers, hidden, heads, inner, vocab, positions, types; /* types 0: none, and no table */
    uint32_t embedding; /* E: columns of the tables of embeddings; where it is not hidden, a linear layer follows */
    uint32_t buckets,
        reach;              /* of a family with relative positions: rows of their table; where its last bucket begins */
    uint32_t position_base; /* position of an example's first token: see FamilyPositions */
    uint32_t shared;        /* layers that have weights of their own, the others use theirs; 0: all have */
    uint32_t window;        /* local attention reaches so many tokens to either side, in layers that are no ... */
    uint32_t every;         /* ... multiple of this, from 0; 0: attention is never local */
    double rotary_base[2];  /* of positions that turn: of layers without a window, of those with one */
    bool gelu_tanh, mean;   /* GELU by tanh; the head reads the mean of all states, not the first token's */
    float eps;              /* of LayerNorm */
    float hidden_drop, attention_drop, classifier_drop;
    float first_drop; /* before the head's dense layer, of a family with a key for it */
    float inner_drop; /* of norm_first: of what the activation gives */
} ModelConfig;

/* Whether layer l > 0 has the weights of the layer below it; whether any has. */
bool model_layer_shares(const ModelConfig *config, uint32_t l);
bool model_shares(const ModelConfig *config);
/* The last layer, from 0, that has the weights of layer l, which is the first of those. */
uint32_t model_last_sharing(const ModelConfig *config, uint32_t l);

/* Reads HF's config.json; `what` names it in errors. */
bool model_config_parse(Str json, const char *what, ModelConfig *config, Err *err);

/* A named matrix [rows][cols] (vectors: one row) inside a flat array of floats. */
typedef struct View {
    const char *name; /* as in HF model files, without the family's prefix */
    size_t at;
    uint32_t rows, cols;
    uint32_t block; /* of an encoder and its adapter: 0 embeddings, 1 .. layers the layers, of which the first of those
                       that share weights stands for all, layers + 1 the pooler or the last LayerNorm */
} View;

/* How a flat array of parameters (and its gradient, and its moments) is laid out: first a table whose rows are updated
 * one by one (the word embedding; may be empty), then what weight decay applies to, then what it does not. */
typedef struct Layout {
    View *views;
    int count;
    uint32_t table_rows, table_cols;
    size_t decay_floats; /* the table and all other decayed views */
    size_t floats;
} Layout;

/* Where a layer's parameters lie in the encoder's array. Query, key and value are neighbours, so are gamma and beta. Of
 * norm_first there are no biases and no betas: up_w is [2I][H], norm1 the LayerNorm [H] before it, norm2 that of the
 * next layer's attention, or the last one; `before` that of the own attention, which the first layer has not. */
typedef struct LayerAt {
    size_t qkv_w, context_w, up_w, down_w;               /* [3H][H] [H][H] [I][H] [H][I] */
    size_t qkv_b, context_b, norm1, up_b, down_b, norm2; /* [3H] [H] [2][H] [I] [H] [2][H], one after the other */
    size_t before;
} LayerAt;

typedef struct Model {
    ModelConfig config;
    Layout encoder;
    size_t word, position, type, norm; /* [vocab][E] [positions][E] [types][E], which two may be missing, [2][E] */
    size_t project_w, project_b;       /* where E is not H: [H][E] [H] */
    size_t relative, relative_norm; /* of a family with relative positions: [buckets][A], or [buckets][H] and [2][H] */
    size_t pooler_w, pooler_b;      /* of a family with a pooler: [H][H] [H] */
    LayerAt *layer;                 /* [layers] */
} Model;
void model_layout(Arena *arena, const ModelConfig *config, Model *model);
bool model_projects(const ModelConfig *config); /* whether a linear layer follows the embeddings */

/* A task's head: dense [H][H] and out [C][H]; of a family with a pooler, which is its dense layer, out only. norm:
 * gamma [H] of a head with a LayerNorm, which has no dense_b then. */
typedef struct Head {
    uint32_t classes;
    Layout layout;
    size_t dense_w, out_w, dense_b, norm, out_b;
} Head;
void head_layout(Arena *arena, const ModelConfig *config, uint32_t classes, Head *head);
/* Weights N(0, 0.02), biases 0, from (seed, stream): host memory. */
void head_initialise(const Head *head, uint64_t seed, uint64_t stream, float *w);

/* Low-rank adapters on linear layers (Hu et al. 2021, arXiv:2106.09685): of every layer its targets; the first has that
 * of the embeddings' linear layer, too, and the last the pooler's. Layers that share weights share their adapters. */
typedef struct Lora {
    uint32_t r, targets; /* targets: LORA_* bits */
    float alpha, drop;
    Layout layout;
    size_t (*a)[LORA_TARGETS], (*b)[LORA_TARGETS]; /* [layers][target]: A [r][in], B [out][r]; 0 where there is none */
} Lora;
/* Fills layout, a, b from the other fields; targets that this model has not are taken away. */
void lora_layout(Arena *arena, const ModelConfig *config, Lora *lora);
uint32_t model_linear(const ModelConfig *config); /* the targets that the model has: all-linear */
/* Whether layer l has an adapter on target t, and not that of a layer below, which it shares. */
bool lora_has(const ModelConfig *config, const Lora *lora, uint32_t l, uint32_t t);
uint32_t lora_in(const ModelConfig *config, uint32_t t), lora_out(const ModelConfig *config, uint32_t t);
size_t lora_weight(const Model *model, uint32_t l, uint32_t t); /* where the weights [out][in] lie in the encoder */
/* A ~ U(-1/sqrt(in), 1/sqrt(in)), B = 0. stream: LORA_STREAM + task, so that each task's adapter starts differently. */
enum { LORA_STREAM = 0x6c6f7261 };
void lora_initialise(const Lora *lora, uint64_t seed, uint64_t stream, float *w);

/* ---- Pretrained weights ---- */

/* Copies a pretrained encoder into w [model->encoder.floats], F64 rounded, F16 and BF16 widened. Names with and
 * without prefix, old and new LayerNorm names. Fails on missing or wrongly shaped tensors and on values that are not
 * finite. A missing pooler is initialised from `seed`, and *fresh_pooler says so. */
bool model_load_encoder(const Model *model, const Safetensors *file, uint64_t seed, float *w, bool *fresh_pooler,
                        Err *err);
/* Whether a head's view is of its last layer, and not of what encoders come with. */
bool head_view_is_last(const Family *family, const View *view);
/* Copies all views of a layout from a file into w; the names there are `stem`, perhaps a family's prefix, and the
 * view's. Fails as model_load_encoder does. */
bool layout_load(const Layout *layout, const Safetensors *file, const char *stem, float *w, Err *err);
/* The other way round: the views of w as tensors to be written, out[0 .. layout->count - 1], named `stem` and the
 * view's name. Biases and LayerNorms are vectors, all else matrices, as in HF model files. */
void layout_tensors(Arena *arena, const Layout *layout, const char *stem, float *w, Tensor *out);
/* When the file holds a head of this shape, copies it to w and returns true. Else false; of a family whose encoders
 * come with the head's dense layer and LayerNorm (FamilyHead.norm) these are copied nonetheless. */
bool model_load_head(const Model *model, const Head *head, const Safetensors *file, float *w);

/* ---- Classes, as HF's config.json has them ---- */

typedef struct Labels {
    uint32_t classes;
    const char *const *names; /* [classes], UTF-8 */
} Labels;
/* `classes` classes named as HF names what has no name: LABEL_0, LABEL_1, ... */
Labels labels_unnamed(Arena *arena, uint32_t classes);
/* The classes of a classifier's config.json: id2label; without it num_labels unnamed ones (2 when missing). Fails on
 * what does not end in a softmax over at least two classes, and when two classes have the same name. */
bool labels_parse(Arena *arena, Str json, const char *what, Labels *out, Err *err);
bool labels_distinct(const Labels *labels, const char *what, Err *err); /* no two classes have the same name */
json_t *labels_json(const Labels *labels); /* {"id2label": ...}, which labels_parse reads; the caller owns it */
/* The config.json of a classifier with the encoder that `encoder` (HF's config.json) describes, weights in fp32. The
 * caller owns it. */
json_t *labels_config(const json_t *encoder, const Family *family, const Labels *labels);

/* ---- Adapters, as PEFT saves them ---- */

/* adapter_config.json: fills r, targets, alpha and drop of *lora. file: adapter_model.safetensors, whose tensors say
 * what the targets are, and must be those that target_modules names when it is a list; NULL: the list alone (of a text,
 * none). Fails, by name, on whatever a lethe adapter cannot do. */
bool peft_config_parse(Str json, const char *what, const Family *family, const Safetensors *file, Lora *lora, Err *err);
/* The config of an adapter whose base lies in the folder `base` (NULL: not known). The caller owns it. */
json_t *peft_config(const Family *family, const Lora *lora, const char *base);
/* adapter_model.safetensors. *has_head: it holds the head, too, and head_w was filled. begun: head_w holds the base's
 * dense layer and LayerNorm (FamilyHead.norm) already; then the last layer alone is a head, too: PEFT saves no more
 * unless it is asked to. Fails on tensors that are missing, wrongly shaped, or of no use to lethe: an adapter that does
 * more than lethe's can. */
bool peft_load(const Family *family, const Lora *lora, const Head *head, const Safetensors *file, bool begun,
               float *adapter, float *head_w, bool *has_head, Err *err);
uint32_t peft_classes(const Safetensors *file, const Family *family); /* of the head in the file; 0: there is none */
bool peft_write(const char *path, const Family *family, const Lora *lora, const Head *head, float *adapter,
                float *head_w, Err *err);

/* ---- One pass over a batch ---- */

/* A batch on the device; see Batch. */
typedef struct DeviceRows {
    uint32_t unique;
    u32p row, starts, order;
} DeviceRows;
typedef struct DeviceBatch {
    uint32_t examples, tokens, longest;
    u32p ids, positions, types, offsets, first, labels;
    DeviceRows word, position, type;
    uint32_t most_id, most_position, most_type; /* the highest of each */
} DeviceBatch;
/* What lies beyond a model's tables in a batch, or NULL. */
const char *batch_problem(const DeviceBatch *batch, const ModelConfig *config);
/* Room for batches of up to max_tokens and max_examples; device_batch_write fills it. */
typedef struct BatchBuffer {
    u32p at;
    size_t capacity;
} BatchBuffer;
BatchBuffer batch_buffer(DeviceArena *arena, uint32_t max_tokens, uint32_t max_examples);
void device_batch_write(Device *device, const BatchBuffer *buffer, Arena *scratch, const Batch *batch,
                        DeviceBatch *out);

/* Flat arrays on the device: the weights, or their gradients. adapter null: no LoRA. As gradients, null means "not
 * wanted": nothing is computed for it, nor below it. */
typedef struct Weights {
    f32p encoder, adapter, head;
} Weights;

/* How much each parameter matters, by example instead of by batch: scale * sum over groups of |gradient of the group's
 * examples|^power, where a group is one example as a rule. See gemm_importance in ops.h. */
typedef struct Importance {
    uint32_t groups, power; /* power: 1 or 2 */
    u32p tokens, examples;  /* [groups + 1]: group g owns the tokens tokens[g] .. tokens[g + 1] - 1; so its examples */
    u32p inputs;            /* of model_shared_rows: one group's {0, tokens and these rows}; else null */
    u32p shared, one;       /* {0, these rows}, {0, 1} */
    float scale;
} Importance;

typedef struct PassOptions {
    bool dropout; /* training: masks from seed and step */
    uint32_t seed, step;
    f32p states; /* [B][H]: the batch's first-token states, when they are known: the encoder is not run. Else null */
    const Importance *importance; /* backward: null for gradients; not for layers that share weights */
    bool more;                    /* the backward pass's own: weights have a gradient already, which is added to */
} PassOptions;

/* The rows beside its tokens that a batch with so long an example has in each layer's linear layers: the embeddings of
 * the distances in it, of a family with disentangled attention; else 0. All examples share them, so that importance
 * takes one group in a pass. */
uint32_t model_shared_rows(const ModelConfig *config, uint32_t longest);

/* Activations and scratch of one pass. */
typedef struct Workspace Workspace;
/* longest: the most tokens of one example. training: keeps what the backward pass needs; otherwise the layers share one
 * set of buffers. lora may be null. */
Workspace *workspace_new(Arena *arena, DeviceArena *memory, const Model *model, const Lora *lora, uint32_t max_tokens,
                         uint32_t max_examples, uint32_t longest, uint32_t max_classes, bool training);
size_t workspace_floats(const Model *model, const Lora *lora, uint32_t max_tokens, uint32_t max_examples,
                        uint32_t longest, uint32_t max_classes,
                        bool training); /* what workspace_new takes from the device */

/* From now on each forward pass also writes the first tokens' states (or the means: ModelConfig.mean) after each layer
 * to `states` [layers][B][H] on the device. B is that of the pass: there are no gaps. Null: no longer. */
void workspace_keep_states(Workspace *ws, f32p states);

/* Logits [B][C] on the device, in the workspace until its next pass. */
f32p model_forward(Workspace *ws, const Weights *weights, const Head *head, const DeviceBatch *batch,
                   const PassOptions *options);
/* Runs the encoder alone: the final states [B][H] of the examples' first tokens (or the means of all their tokens'), in
 * the workspace until its next pass. */
f32p model_first_states(Workspace *ws, const Weights *weights, const DeviceBatch *batch, const PassOptions *options);
/* The scratch array [B][C] for the gradient of the loss with respect to the logits. */
f32p workspace_dlogits(Workspace *ws);
/* Writes (never adds) the gradients that `grads` asks for; same arguments as the forward pass just before. Rows of the
 * word table that the batch does not use are left alone: the caller keeps them 0. With options->importance adds to
 * `grads` the importance of every parameter instead; the gradient of the logits may differ from pass to pass.
 * After a forward pass with options->states only the head has gradients. */
void model_backward(Workspace *ws, const Weights *weights, const Weights *grads, const Head *head,
                    const DeviceBatch *batch, const PassOptions *options);

/* The same in parts, for losses through several heads on one pass of the encoder: model_forward, then
 * model_head_backward with more = false; for every further head model_head_forward and model_head_backward with more;
 * at last model_encoder_backward. Each head has gradients of its own. */
f32p model_head_forward(Workspace *ws, const Weights *weights, const Head *head, const DeviceBatch *batch,
                        const PassOptions *options);
void model_head_backward(Workspace *ws, const Weights *weights, const Weights *grads, const Head *head,
                         const DeviceBatch *batch, const PassOptions *options, bool more);
void model_encoder_backward(Workspace *ws, const Weights *weights, const Weights *grads, const DeviceBatch *batch,
                            const PassOptions *options);

#endif
