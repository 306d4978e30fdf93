#include "family.h"

/* RoBERTa (Liu et al. 2019, arXiv:1907.11692): RobertaModel and RobertaForSequenceClassification of transformers. Its
 * config is BERT's; the dense layer on the first token's state belongs to the head. */

static const FamilyModules roberta_modules = {BERT_MODULES};

static const Family family_roberta = {
    .type = "roberta",
    .title = "RoBERTa",
    .prefix = "roberta.",
    .classifier = "RobertaForSequenceClassification",
    .tokenizer = "RobertaTokenizer",
    .config = &bert_config,
    .modules = &roberta_modules,
    .head = {.dense = "classifier.dense", .out = "classifier.out_proj", .drop_first = true},
    .positions = POSITIONS_AFTER_PAD,
    .drop_context = true,
    .pad = 1,
    .types = 1,
    .eps = 1e-12f,
    .classifier_drop = -1,
    .lora_targets = LORA_ATTENTION,
};
