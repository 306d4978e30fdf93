#include "family.h"

/* ELECTRA (Clark et al. 2020, arXiv:2003.10555): ElectraModel and ElectraForSequenceClassification of transformers: the
 * discriminator. BERT, but its embeddings may be narrower than the hidden states (embedding_size), which a linear layer
 * without an activation makes up for; no pooler; a head of its own with GELU, and dropout around its dense layer.
 *
 * Sources of the keys: ElectraConfig of transformers 2 to 5, the configs of the hub's most used models. */

static const FileKey electra_key_list[] = {
    {"embedding_size", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"summary_type", KEY_HARMLESS, 0, NULL}, /* of the head for multiple choice */
    {"summary_use_proj", KEY_HARMLESS, 0, NULL},
    {"summary_activation", KEY_HARMLESS, 0, NULL},
    {"summary_last_dropout", KEY_HARMLESS, 0, NULL},
    {"summary_first_dropout", KEY_HARMLESS, 0, NULL},
    {"summary_proj_to_labels", KEY_HARMLESS, 0, NULL},
};

static const FamilyConfig electra_config = {
    .keys = {"config.json, electra", electra_key_list, COUNT(electra_key_list), true, &bert_config.keys},
    .layers = "num_hidden_layers",
    .hidden = "hidden_size",
    .heads = "num_attention_heads",
    .inner = "intermediate_size",
    .embedding = "embedding_size",
    .types = "type_vocab_size",
    .eps = "layer_norm_eps",
    .hidden_drop = "hidden_dropout_prob",
    .attention_drop = "attention_probs_dropout_prob",
    .classifier_drop = "classifier_dropout",
};

static const FamilyModules electra_modules = {BERT_MODULES, .project = "embeddings_project"};

static const Family family_electra = {
    .type = "electra",
    .title = "ELECTRA",
    .prefix = "electra.",
    .classifier = "ElectraForSequenceClassification",
    .tokenizer = "BertTokenizer",
    .config = &electra_config,
    .modules = &electra_modules,
    .head = {.dense = "classifier.dense",
             .out = "classifier.out_proj",
             .activation = ACTIVATION_GELU,
             .drop_first = true},
    .positions = POSITIONS_FROM_ZERO,
    .drop_context = true,
    .types = 2,
    .embedding = 128,
    .eps = 1e-12f,
    .classifier_drop = -1,
    .lora_targets = LORA_ATTENTION,
};
