#include "family.h"

/* ALBERT (Lan et al. 2020, arXiv:1909.11942): AlbertModel and AlbertForSequenceClassification of transformers. BERT,
 * but its layers share their weights, and its embeddings are narrower than the hidden states, which a linear layer
 * makes up for. No dropout after the second linear layer of a block (transformers declares one and does not call it).
 *
 * Sources of the keys: AlbertConfig of transformers 2 to 5, the configs of the hub's most used models. */

static const FileKey albert_key_list[] = {
    {"num_hidden_groups", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"inner_group_num", KEY_ONLY, 0, "1"},
    {"embedding_size", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"classifier_dropout_prob", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"hidden_act", KEY_ONLY, 0, "\"gelu\" \"gelu_python\" \"gelu_new\" \"gelu_pytorch_tanh\""},
    {"down_scale_factor", KEY_HARMLESS, 0, NULL}, /* of Google's own code; transformers does not read these */
    {"gap_size", KEY_HARMLESS, 0, NULL},
    {"net_structure_type", KEY_HARMLESS, 0, NULL},
    {"num_memory_blocks", KEY_HARMLESS, 0, NULL},
};

static const FamilyConfig albert_config = {
    .keys = {"config.json, albert", albert_key_list, COUNT(albert_key_list), true, &bert_config.keys},
    .layers = "num_hidden_layers",
    .hidden = "hidden_size",
    .heads = "num_attention_heads",
    .inner = "intermediate_size",
    .shared = "num_hidden_groups",
    .embedding = "embedding_size",
    .types = "type_vocab_size",
    .eps = "layer_norm_eps",
    .activation = "hidden_act",
    .hidden_drop = "hidden_dropout_prob",
    .attention_drop = "attention_probs_dropout_prob",
    .classifier_drop = "classifier_dropout_prob",
};

static const FamilyModules albert_modules = {
    .word = "embeddings.word_embeddings",
    .position = "embeddings.position_embeddings",
    .type = "embeddings.token_type_embeddings",
    .norm = "embeddings.LayerNorm",
    .project = "encoder.embedding_hidden_mapping_in",
    .layer = "encoder.albert_layer_groups.",
    .projection = {"albert_layers.0.attention.query", "albert_layers.0.attention.key",
                   "albert_layers.0.attention.value"},
    .context = "albert_layers.0.attention.dense",
    .up = "albert_layers.0.ffn",
    .down = "albert_layers.0.ffn_output",
    .norm1 = "albert_layers.0.attention.LayerNorm",
    .norm2 = "albert_layers.0.full_layer_layer_norm",
    .pooler = "pooler",
};

static const Family family_albert = {
    .type = "albert",
    .title = "ALBERT",
    .prefix = "albert.",
    .classifier = "AlbertForSequenceClassification",
    .tokenizer = "AlbertTokenizer",
    .config = &albert_config,
    .modules = &albert_modules,
    .head = {.out = "classifier"},
    .positions = POSITIONS_FROM_ZERO,
    .project_always = true,
    .gelu_tanh = true,
    .no_drop = true,
    .drop_context = true,
    .no_drop_down = true,
    .types = 2,
    .embedding = 128,
    .eps = 1e-12f,
    .classifier_drop = 0.1f,
    .lora_targets = LORA_ATTENTION,
};
