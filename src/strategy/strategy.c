#include "strategy.h"

const Strategy strategies[] = {
    {"full", "full fine-tuning: every weight of the encoder is trained on each task in turn",
     "McCloskey and Cohen 1989, doi:10.1016/S0079-7421(08)60536-8", ADAPTERS_NONE},
    {"lora", "a LoRA adapter and a head of its own for each task; the encoder never changes",
     "Hu et al. 2021, arXiv:2106.09685", ADAPTERS_PER_TASK},
    {"lora-seq", "one LoRA adapter trained on task after task, a head for each", "Hu et al. 2021, arXiv:2106.09685",
     ADAPTERS_SHARED},
};
const int strategy_count = COUNT(strategies);

const Strategy *strategy_find(Str name)
{
    for (int i = 0; i < strategy_count; i++)
        if (str_equal(str(strategies[i].name), name)) return &strategies[i];
    return NULL;
}
