#include "family.h"

/* MPNet (Song et al. 2020, arXiv:2004.09297): MPNetModel and MPNetForSequenceClassification of transformers: RoBERTa
 * with WordPiece and without token types, and with a bias of each head in the scores, by the distance of query and key,
 * which all layers share. transformers counts 32 buckets and takes 1 for the padding, whatever config.json says. The
 * head's dropout is the encoder's.
 *
 * Sources of the keys: MPNetConfig of transformers 4 and 5, the configs of the hub's most used models. */

static const FileKey mpnet_key_list[] = {
    {"num_hidden_layers", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"hidden_size", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"num_attention_heads", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"intermediate_size", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"layer_norm_eps", KEY_APPLIED, TYPE_NUMBER, NULL},
    {"hidden_dropout_prob", KEY_APPLIED, TYPE_NUMBER, NULL},
    {"attention_probs_dropout_prob", KEY_APPLIED, TYPE_NUMBER, NULL},
    {"classifier_dropout", KEY_HARMLESS, 0, NULL}, /* RoBERTa's: MPNet's head does not read it */
    {"relative_attention_num_buckets", KEY_ONLY, 0, "32"},
    {"pad_token_id", KEY_ONLY, 0, "1"},
    {"hidden_act", KEY_ONLY, 0, "\"gelu\" \"gelu_python\""},
};

static const FamilyConfig mpnet_config = {
    .keys = {"config.json, mpnet", mpnet_key_list, COUNT(mpnet_key_list), true, &config_keys},
    .layers = "num_hidden_layers",
    .hidden = "hidden_size",
    .heads = "num_attention_heads",
    .inner = "intermediate_size",
    .eps = "layer_norm_eps",
    .hidden_drop = "hidden_dropout_prob",
    .attention_drop = "attention_probs_dropout_prob",
};

static const FamilyModules mpnet_modules = {
    .word = "embeddings.word_embeddings",
    .position = "embeddings.position_embeddings",
    .norm = "embeddings.LayerNorm",
    .layer = "encoder.layer.",
    .projection = {"attention.attn.q", "attention.attn.k", "attention.attn.v"},
    .context = "attention.attn.o",
    .up = "intermediate.dense",
    .down = "output.dense",
    .norm1 = "attention.LayerNorm",
    .norm2 = "output.LayerNorm",
    .relative = "encoder.relative_attention_bias",
};

static const FamilyRelative mpnet_relative = {.usual_buckets = 32, .usual_reach = 128};

static const Family family_mpnet = {
    .type = "mpnet",
    .title = "MPNet",
    .prefix = "mpnet.",
    .classifier = "MPNetForSequenceClassification",
    .tokenizer = "MPNetTokenizer",
    .config = &mpnet_config,
    .modules = &mpnet_modules,
    .head = {.dense = "classifier.dense", .out = "classifier.out_proj", .drop_first = true},
    .positions = POSITIONS_AFTER_PAD,
    .relative = &mpnet_relative,
    .drop_context = true,
    .pad = 1,
    .eps = 1e-12f,
    .classifier_drop = -1,
    .lora_targets = LORA_ATTENTION,
};
