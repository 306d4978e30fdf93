#include "family.h"

/* XLM-RoBERTa (Conneau et al. 2020, arXiv:1911.02116) and CamemBERT (Martin et al. 2020, arXiv:1911.03894): RoBERTa's
 * encoder and head, with a Unigram tokenizer. transformers' classes of both write RoBERTa's names. */

#define ROBERTA_ROW                                                                              \
    .prefix = "roberta.", .config = &bert_config, .modules = &roberta_modules,                   \
    .head = {.dense = "classifier.dense", .out = "classifier.out_proj", .drop_first = true},     \
    .positions = POSITIONS_AFTER_PAD, .drop_context = true, .pad = 1, .types = 2, .eps = 1e-12f, \
    .classifier_drop = -1, .lora_targets = LORA_ATTENTION

static const Family family_xlm_roberta = {
    .type = "xlm-roberta",
    .title = "XLM-RoBERTa",
    .classifier = "XLMRobertaForSequenceClassification",
    .tokenizer = "XLMRobertaTokenizer",
    ROBERTA_ROW,
};

static const Family family_camembert = {
    .type = "camembert",
    .title = "CamemBERT",
    .classifier = "CamembertForSequenceClassification",
    .tokenizer = "CamembertTokenizer",
    ROBERTA_ROW,
};
#undef ROBERTA_ROW
