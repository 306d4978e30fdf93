#include "family.h"

/* ModernBERT (Warner et al. 2024, arXiv:2412.13663): ModernBertModel and ModernBertForSequenceClassification of
 * transformers. LayerNorm before the attention and before the linear layers, not after them, and none before the first
 * attention; one more after the last layer. One linear layer for query, key and value; positions that turn queries and
 * keys (RoPE); attention to near tokens alone in all but every n-th layer, which has a base of positions of its own; a
 * gated GELU; nowhere a bias but in the classifier. The head reads the first token's state or the mean of all.
 *
 * Sources of the keys: ModernBertConfig of transformers 4.48 to 5, the configs of the hub's most used models. */

static const FileKey modernbert_key_list[] = {
    {"num_hidden_layers", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"hidden_size", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"num_attention_heads", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"intermediate_size", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"norm_eps", KEY_APPLIED, TYPE_NUMBER, NULL},
    {"embedding_dropout", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"attention_dropout", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"mlp_dropout", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"classifier_dropout", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"classifier_pooling", KEY_ONLY, 0, "\"cls\" \"mean\""},
    {"local_attention", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"global_attn_every_n_layers", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"layer_types", KEY_APPLIED, TYPE_LIST | TYPE_NULL, NULL},
    {"global_rope_theta", KEY_APPLIED, TYPE_NUMBER, NULL},
    {"local_rope_theta", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"rope_parameters", KEY_APPLIED, TYPE_OBJECT | TYPE_NULL, NULL},
    {"hidden_activation", KEY_ONLY, 0, "\"gelu\""},
    {"classifier_activation", KEY_ONLY, 0, "\"gelu\""},
    {"attention_bias", KEY_ONLY, 0, "false"},
    {"mlp_bias", KEY_ONLY, 0, "false"},
    {"norm_bias", KEY_ONLY, 0, "false"},
    {"classifier_bias", KEY_ONLY, 0, "false"},
    {"layer_norm_eps", KEY_HARMLESS, 0, NULL}, /* transformers reads norm_eps */
    {"position_embedding_type", KEY_HARMLESS, 0, NULL},
    {"initializer_cutoff_factor", KEY_HARMLESS, 0, NULL},
    {"decoder_bias", KEY_HARMLESS, 0, NULL}, /* of the head for masked words, as the next two */
    {"sparse_prediction", KEY_HARMLESS, 0, NULL},
    {"sparse_pred_ignore_index", KEY_HARMLESS, 0, NULL},
    {"deterministic_flash_attn", KEY_HARMLESS, 0, NULL},
    {"reference_compile", KEY_HARMLESS, 0, NULL},
    {"repad_logits_with_grad", KEY_HARMLESS, 0, NULL},
};

static const FamilyRotary modernbert_rotary = {
    .window = "local_attention",
    .every = "global_attn_every_n_layers",
    .kinds = "layer_types",
    .parameters = "rope_parameters",
    .base = {"global_rope_theta", "local_rope_theta"},
    .kind = {"full_attention", "sliding_attention"},
    .usual_window = 128,
    .usual_every = 3,
    .usual_base = {160000, 10000},
};

static const FamilyConfig modernbert_config = {
    .keys = {"config.json, modernbert", modernbert_key_list, COUNT(modernbert_key_list), true, &config_keys},
    .layers = "num_hidden_layers",
    .hidden = "hidden_size",
    .heads = "num_attention_heads",
    .inner = "intermediate_size",
    .rotary = &modernbert_rotary,
    .pooling = "classifier_pooling",
    .eps = "norm_eps",
    .hidden_drop = "embedding_dropout",
    .attention_drop = "attention_dropout",
    .inner_drop = "mlp_dropout",
    .classifier_drop = "classifier_dropout",
};

static const FamilyModules modernbert_modules = {
    .word = "embeddings.tok_embeddings",
    .norm = "embeddings.norm",
    .layer = "layers.",
    .projection = {"attn.Wqkv"},
    .context = "attn.Wo",
    .up = "mlp.Wi",
    .down = "mlp.Wo",
    .before = "attn_norm",
    .norm1 = "mlp_norm",
    .norm2 = "final_norm",
};

static const Family family_modernbert = {
    .type = "modernbert",
    .title = "ModernBERT",
    .prefix = "model.",
    .classifier = "ModernBertForSequenceClassification",
    .tokenizer = "PreTrainedTokenizerFast",
    .config = &modernbert_config,
    .modules = &modernbert_modules,
    .head = {.dense = "head.dense", .norm = "head.norm", .out = "classifier", .activation = ACTIVATION_GELU},
    .positions = POSITIONS_FROM_ZERO,
    .norm_first = true,
    .no_drop = true,
    .eps = 1e-5f,
    .classifier_drop = 0,
    .lora_targets = LORA_QUERY,
};
