#include "strategy.h"

/* Methods that differ in which weights are trained, and on what: no hooks. */

static const Citation citation_full = {
    .key = "mccloskey1989catastrophic",
    .type = "incollection",
    .author = "McCloskey, Michael and Cohen, Neal J.",
    .title = "Catastrophic Interference in Connectionist Networks: The Sequential Learning Problem",
    .booktitle = "Psychology of Learning and Motivation",
    .volume = "24",
    .pages = "109--165",
    .year = "1989",
    .doi = "10.1016/S0079-7421(08)60536-8",
};

static const Strategy strategy_full = {
    .name = "full",
    .about = "full fine-tuning: every weight of the encoder is trained on each task in turn",
    .cite = "McCloskey and Cohen 1989, doi:10.1016/S0079-7421(08)60536-8",
    .citation = &citation_full,
    .kind = "method",
    .alone = "it is what the others add to, so leave it out",
};

static const Citation citation_lora = {
    .key = "hu2022lora",
    .type = "inproceedings",
    .author = "Hu, Edward J. and Shen, Yelong and Wallis, Phillip and Allen-Zhu, Zeyuan and Li, Yuanzhi and Wang, "
              "Shean and Wang, Lu and Chen, Weizhu",
    .title = "{LoRA}: Low-Rank Adaptation of Large Language Models",
    .booktitle = "International Conference on Learning Representations",
    .year = "2022",
    .arxiv = "2106.09685",
};

static const Strategy strategy_lora = {
    .name = "lora",
    .about = "a LoRA adapter and a head of its own for each task; the encoder never changes",
    .cite = "Hu et al. 2021, arXiv:2106.09685",
    .citation = &citation_lora,
    .kind = "separate",
    .alone = "each task has an adapter of its own, which no later task touches",
    .trains = TRAINS_ADAPTER_EACH,
};

static const Strategy strategy_lora_seq = {
    .name = "lora-seq",
    .about = "one LoRA adapter trained on task after task, a head for each",
    .cite = "Hu et al. 2021, arXiv:2106.09685",
    .citation = &citation_lora,
    .kind = "method",
    .trains = TRAINS_ADAPTER,
};

/* Each batch is of one task, and the batches of all tasks are shuffled. */
static const Citation citation_joint = {
    .key = "liu2019mtdnn",
    .type = "inproceedings",
    .author = "Liu, Xiaodong and He, Pengcheng and Chen, Weizhu and Gao, Jianfeng",
    .title = "Multi-Task Deep Neural Networks for Natural Language Understanding",
    .booktitle = "Proceedings of the 57th Annual Meeting of the Association for Computational Linguistics",
    .pages = "4487--4496",
    .year = "2019",
    .doi = "10.18653/v1/P19-1441",
    .arxiv = "1901.11504",
};

static const Strategy strategy_joint = {
    .name = "joint",
    .about = "trains on the rows of all tasks so far together, from the pretrained encoder: the upper bound",
    .cite = "Liu et al. 2019 (MT-DNN), arXiv:1901.11504",
    .citation = &citation_joint,
    .kind = "ceiling",
    .alone = "it trains on all tasks at once, so there is nothing to protect",
    .joint = true,
};

static const Option frozen_options[] = {
    STRATEGY_REAL("frozen-learning-rate", "0.01", 1e-12, 100, "of the head on frozen features"),
};

static const Citation citation_frozen = {
    .key = "alain2016probes",
    .type = "misc",
    .author = "Alain, Guillaume and Bengio, Yoshua",
    .title = "Understanding intermediate layers using linear classifier probes",
    .year = "2016",
    .arxiv = "1610.01644",
};

static const Strategy strategy_frozen = {
    .name = "frozen",
    .about = "the encoder is never trained, only a head on its features (a linear probe): the floor",
    .cite = "Alain and Bengio 2016, arXiv:1610.01644",
    .citation = &citation_frozen,
    .kind = "floor",
    .alone = "its encoder never changes, so there is nothing to protect",
    .trains = TRAINS_HEAD,
    .own_rate = true,
    .options = frozen_options,
    .option_count = COUNT(frozen_options),
};
