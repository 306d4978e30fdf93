#include "strategy.h"

/* Memory Aware Synapses (Aljundi et al. 2018, arXiv:1711.09601): lambda sum Omega (theta - theta*)^2, Omega the mean
 * over the rows of an earlier task of |d (squared norm of the logits) / d theta|, added up over tasks. */

typedef struct Mas {
    Own base;
    f32p anchor, omega;
} Mas;

enum { MAS_LAMBDA };
static const Option mas_options[] = {
    [MAS_LAMBDA] = STRATEGY_REAL("mas-lambda", "1", 0, 1e15, "weight of the penalty"),
};

static bool mas_end(void *own, const Moment *at, Err *err)
{
    Mas *mas = own;
    if (!at->more) return true;
    f32p omega = pull_importance(at, "MAS", MAS, 0, err);
    if (!omega) return false;
    if (!mas->omega) mas->omega = device_f32(mas->base.memory, at->layout->floats);
    floats_axpby(at->device, omega, NULL, mas->omega, at->layout->floats, 1, 1);
    pull_remember(mas->base.memory, at, &mas->anchor);
    return true;
}

static void mas_add(void *own, TrainState *t)
{
    const Mas *mas = own;
    pull_add(t, mas->anchor, mas->omega, 2 * mas->base.option[MAS_LAMBDA]);
}

static const Citation citation_mas = {
    .key = "aljundi2018mas",
    .type = "inproceedings",
    .author =
        "Aljundi, Rahaf and Babiloni, Francesca and Elhoseiny, Mohamed and Rohrbach, Marcus and Tuytelaars, Tinne",
    .title = "Memory Aware Synapses: Learning what (not) to forget",
    .booktitle = "European Conference on Computer Vision",
    .year = "2018",
    .arxiv = "1711.09601",
};

static const Strategy strategy_mas = {
    .name = "mas",
    .about = "Memory Aware Synapses: holds on to weights by how much they move the logits",
    .cite = "Aljundi et al. 2018, arXiv:1711.09601",
    .citation = &citation_mas,
    .kind = "method",
    .anchors = true,
    .arrays = 2,
    .shelved = 1,
    .surveys = 1,
    .options = mas_options,
    .option_count = COUNT(mas_options),
    .own_bytes = sizeof(Mas),
    .hooks = {.dense = true, .begin = pull_begin, .add = mas_add},
    .end = mas_end,
};
