#include "family.h"

/* BERT (Devlin et al. 2019, arXiv:1810.04805): BertModel and BertForSequenceClassification of transformers. Its config
 * and its modules are those of most families after it.
 *
 * Sources of the keys: BertConfig and RobertaConfig of transformers 2 to 5, the configs of the hub's most used BERT and
 * RoBERTa models. */

static const FileKey bert_key_list[] = {
    {"num_hidden_layers", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"hidden_size", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"num_attention_heads", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"intermediate_size", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"type_vocab_size", KEY_APPLIED, TYPE_WHOLE, NULL},
    {"layer_norm_eps", KEY_APPLIED, TYPE_NUMBER, NULL},
    {"hidden_dropout_prob", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"attention_probs_dropout_prob", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"classifier_dropout", KEY_APPLIED, TYPE_NUMBER | TYPE_NULL, NULL},
    {"hidden_act", KEY_ONLY, 0, "\"gelu\" \"gelu_python\""},
    {"position_embedding_type", KEY_ONLY, 0, "\"absolute\""},
    {"directionality", KEY_HARMLESS, 0, NULL},
    {"pooler_type", KEY_HARMLESS, 0, NULL},
    {"pooler_fc_size", KEY_HARMLESS, 0, NULL},
    {"pooler_num_attention_heads", KEY_HARMLESS, 0, NULL},
    {"pooler_num_fc_layers", KEY_HARMLESS, 0, NULL},
    {"pooler_size_per_head", KEY_HARMLESS, 0, NULL},
};

static const FamilyConfig bert_config = {
    .keys = {"config.json, bert and roberta", bert_key_list, COUNT(bert_key_list), true, &config_keys},
    .layers = "num_hidden_layers",
    .hidden = "hidden_size",
    .heads = "num_attention_heads",
    .inner = "intermediate_size",
    .types = "type_vocab_size",
    .eps = "layer_norm_eps",
    .hidden_drop = "hidden_dropout_prob",
    .attention_drop = "attention_probs_dropout_prob",
    .classifier_drop = "classifier_dropout",
};

#define BERT_MODULES                                                                                       \
    .word = "embeddings.word_embeddings", .position = "embeddings.position_embeddings",                    \
    .type = "embeddings.token_type_embeddings", .norm = "embeddings.LayerNorm", .layer = "encoder.layer.", \
    .projection = {"attention.self.query", "attention.self.key", "attention.self.value"},                  \
    .context = "attention.output.dense", .up = "intermediate.dense", .down = "output.dense",               \
    .norm1 = "attention.output.LayerNorm", .norm2 = "output.LayerNorm"
static const FamilyModules bert_modules = {BERT_MODULES, .pooler = "pooler.dense"};

static const Family family_bert = {
    .type = "bert",
    .title = "BERT",
    .prefix = "bert.",
    .classifier = "BertForSequenceClassification",
    .tokenizer = "BertTokenizer",
    .config = &bert_config,
    .modules = &bert_modules,
    .head = {.out = "classifier"},
    .positions = POSITIONS_FROM_ZERO,
    .drop_context = true,
    .types = 2,
    .eps = 1e-12f,
    .classifier_drop = -1,
    .lora_targets = LORA_ATTENTION,
};
