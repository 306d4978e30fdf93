#include "family.h"

/* DistilBERT (Sanh et al. 2019, arXiv:1910.01108): DistilBertModel and DistilBertForSequenceClassification of
 * transformers: BERT without token types and pooler, without dropout after the attention, and with a head of its own.
 *
 * Positions are a table in any case: with sinusoidal_pos_embds transformers fills it once with sines, and trains it as
 * any other.
 *
 * Sources of the keys: DistilBertConfig of transformers 2 to 5, the configs of the hub's most used models. */

static const FileKey distilbert_key_list[] = {
    {"n_layers", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"dim", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"n_heads", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"hidden_dim", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"dropout", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"attention_dropout", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"seq_classif_dropout", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"activation", KEY_ONLY, 0, "\"gelu\" \"gelu_python\""},
    {"sinusoidal_pos_embds", KEY_HARMLESS, 0, NULL},
    {"qa_dropout", KEY_HARMLESS, 0, NULL},
    {"tie_weights_", KEY_HARMLESS, 0, NULL},
};

static const FamilyConfig distilbert_config = {
    .keys = {"config.json, distilbert", distilbert_key_list, COUNT(distilbert_key_list), true, &config_keys},
    .layers = "n_layers",
    .hidden = "dim",
    .heads = "n_heads",
    .inner = "hidden_dim",
    .hidden_drop = "dropout",
    .attention_drop = "attention_dropout",
    .classifier_drop = "seq_classif_dropout",
};

static const FamilyModules distilbert_modules = {
    .word = "embeddings.word_embeddings",
    .position = "embeddings.position_embeddings",
    .norm = "embeddings.LayerNorm",
    .layer = "transformer.layer.",
    .projection = {"attention.q_lin", "attention.k_lin", "attention.v_lin"},
    .context = "attention.out_lin",
    .up = "ffn.lin1",
    .down = "ffn.lin2",
    .norm1 = "sa_layer_norm",
    .norm2 = "output_layer_norm",
};

static const Family family_distilbert = {
    .type = "distilbert",
    .title = "DistilBERT",
    .prefix = "distilbert.",
    .classifier = "DistilBertForSequenceClassification",
    .tokenizer = "DistilBertTokenizer",
    .config = &distilbert_config,
    .modules = &distilbert_modules,
    .head = {.dense = "pre_classifier", .out = "classifier", .activation = ACTIVATION_RELU},
    .positions = POSITIONS_FROM_ZERO,
    .eps = 1e-12f,
    .classifier_drop = 0.2f,
    .lora_targets = LORA_ATTENTION,
};
