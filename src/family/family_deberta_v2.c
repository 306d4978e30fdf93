#include "family.h"

/* DeBERTa-v3 (He et al. 2023, arXiv:2111.09543; the attention: He et al. 2021, arXiv:2006.03654): DebertaV2Model and
 * DebertaV2ForSequenceClassification of transformers. BERT without positions: each score has two more terms, of the
 * query with an embedding of the distance and of the key with one, which pass through the layer's own linear layers
 * for keys and queries (share_att_key). The head has a dense layer, pooler, with GELU, and dropout of its own before
 * it. What DeBERTa-v2 has and v3 has not is refused by its key: the convolution, positions in the embeddings.
 *
 * Sources of the keys: DebertaV2Config of transformers 4 and 5, the configs of deberta-v3 and mdeberta-v3. */

static const FileKey deberta_v2_key_list[] = {
    {"type_vocab_size", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"position_buckets", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"max_relative_positions", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"cls_dropout", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"pooler_dropout", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"relative_attention", KEY_ONLY, 0, "true"},
    {"share_att_key", KEY_ONLY, 0, "true"},
    {"pos_att_type", KEY_APPLIED, TYPE_TEXT | TYPE_LIST, NULL},
    {"norm_rel_ebd", KEY_ONLY, 0, "\"layer_norm\""},
    {"position_biased_input", KEY_ONLY, 0, "false"},
    {"conv_kernel_size", KEY_ONLY, 0, "0"},
    {"pooler_hidden_act", KEY_ONLY, 0, "\"gelu\""},
    {"hidden_act", KEY_ONLY, 0, "\"gelu\" \"gelu_python\""},
    {"attention_head_size", KEY_EMPTY, 0, NULL},
    {"pooler_hidden_size", KEY_HARMLESS, 0, NULL}, /* the dense layer's size: its tensor says it, too */
    {"classifier_dropout", KEY_HARMLESS, 0, NULL},
    {"conv_act", KEY_HARMLESS, 0, NULL},
    {"conv_groups", KEY_HARMLESS, 0, NULL},
    {"legacy", KEY_HARMLESS, 0, NULL}, /* of the head that guesses words */
};

static const FamilyConfig deberta_v2_config = {
    .keys = {"config.json, deberta-v2", deberta_v2_key_list, COUNT(deberta_v2_key_list), true, &bert_config.keys},
    .layers = "num_hidden_layers",
    .hidden = "hidden_size",
    .heads = "num_attention_heads",
    .inner = "intermediate_size",
    .types = "type_vocab_size",
    .eps = "layer_norm_eps",
    .hidden_drop = "hidden_dropout_prob",
    .attention_drop = "attention_probs_dropout_prob",
    .classifier_drop = "cls_dropout",
    .first_drop = "pooler_dropout",
    .needed = {"position_buckets", "relative_attention", "share_att_key", "pos_att_type", "norm_rel_ebd",
               "position_biased_input"},
};

static const FamilyModules deberta_v2_modules = {
    .word = "embeddings.word_embeddings",
    .type = "embeddings.token_type_embeddings",
    .norm = "embeddings.LayerNorm",
    .layer = "encoder.layer.",
    .projection = {"attention.self.query_proj", "attention.self.key_proj", "attention.self.value_proj"},
    .context = "attention.output.dense",
    .up = "intermediate.dense",
    .down = "output.dense",
    .norm1 = "attention.output.LayerNorm",
    .norm2 = "output.LayerNorm",
    .relative = "encoder.rel_embeddings",
    .relative_norm = "encoder.LayerNorm",
};

static const FamilyRelative deberta_v2_relative = {
    .disentangled = true, .terms = "pos_att_type", .buckets = "position_buckets", .reach = "max_relative_positions"};

static const Family family_deberta_v2 = {
    .type = "deberta-v2",
    .title = "DeBERTa-v3",
    .prefix = "deberta.",
    .classifier = "DebertaV2ForSequenceClassification",
    .tokenizer = "DebertaV2Tokenizer",
    .config = &deberta_v2_config,
    .modules = &deberta_v2_modules,
    .head = {.dense = "pooler.dense", .out = "classifier", .activation = ACTIVATION_GELU, .drop_first = true},
    .positions = POSITIONS_FROM_ZERO,
    .relative = &deberta_v2_relative,
    .drop_context = true,
    .eps = 1e-7f,
    .classifier_drop = -1,
    .lora_targets = LORA_ATTENTION,
};
