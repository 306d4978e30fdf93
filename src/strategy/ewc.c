#include "strategy.h"

/* Elastic Weight Consolidation (Kirkpatrick et al. 2017, arXiv:1612.00796): (lambda / 2) sum F (theta - theta*)^2, F
 * the diagonal of the Fisher information on the earlier task's rows. For three and more tasks online (Schwarz et al.
 * 2018, arXiv:1805.06370): one F and one theta*, F <- gamma F + F_new. Form "notebook" has no 1/2: twice the penalty.
 */

typedef struct Ewc {
    Own base;
    f32p anchor, fisher;
} Ewc;

enum { EWC_LAMBDA, EWC_FISHER, EWC_FORM, EWC_GAMMA, EWC_ROWS };
static const char *const ewc_fishers[] = {"exact", "sampled", "empirical", "batched",
                                          NULL}; /* in ImportanceKind's order */
static const char *const ewc_forms[] = {"paper", "notebook", NULL};
static const Option ewc_options[] = {
    [EWC_LAMBDA] = STRATEGY_REAL("ewc-lambda", "1000", 0, 1e15, "weight of the penalty"),
    [EWC_FISHER] = STRATEGY_CHOICE("ewc-fisher", "exact", ewc_fishers, "kind of Fisher information"),
    [EWC_FORM] = STRATEGY_CHOICE("ewc-form", "paper", ewc_forms, "notebook: without the 1/2, twice as strong"),
    [EWC_GAMMA] = STRATEGY_REAL("ewc-gamma", "1", 0, 1, "what is left of older tasks' Fisher at each new task"),
    [EWC_ROWS] = STRATEGY_INT("ewc-rows", "0", 0, 4e9, "rows that the Fisher is computed on, 0 = all"),
};

static bool ewc_end(void *own, const Moment *at, Err *err)
{
    Ewc *ewc = own;
    const double *option = ewc->base.option;
    if (!at->more) return true;
    f32p fisher = pull_importance(at, "Fisher", (ImportanceKind)option[EWC_FISHER], (uint32_t)option[EWC_ROWS], err);
    if (!fisher) return false;
    if (!ewc->fisher) ewc->fisher = device_f32(ewc->base.memory, at->layout->floats);
    floats_axpby(at->device, fisher, NULL, ewc->fisher, at->layout->floats, 1, (float)option[EWC_GAMMA]);
    pull_remember(ewc->base.memory, at, &ewc->anchor);
    return true;
}

static void ewc_add(void *own, TrainState *t)
{
    const Ewc *ewc = own;
    const double *option = ewc->base.option;
    pull_add(t, ewc->anchor, ewc->fisher, option[EWC_LAMBDA] * (option[EWC_FORM] > 0 ? 2 : 1));
}

static const Citation citation_ewc = {
    .key = "kirkpatrick2017overcoming",
    .type = "article",
    .author = "Kirkpatrick, James and Pascanu, Razvan and Rabinowitz, Neil and Veness, Joel and Desjardins, Guillaume "
              "and Rusu, Andrei A. and Milan, Kieran and Quan, John and Ramalho, Tiago and Grabska-Barwinska, "
              "Agnieszka and Hassabis, Demis and Clopath, Claudia and Kumaran, Dharshan and Hadsell, Raia",
    .title = "Overcoming catastrophic forgetting in neural networks",
    .journal = "Proceedings of the National Academy of Sciences",
    .volume = "114",
    .number = "13",
    .pages = "3521--3526",
    .year = "2017",
    .doi = "10.1073/pnas.1611835114",
    .arxiv = "1612.00796",
};

static const Strategy strategy_ewc = {
    .name = "ewc",
    .about = "Elastic Weight Consolidation: holds on to weights by their Fisher information",
    .cite = "Kirkpatrick et al. 2017, arXiv:1612.00796",
    .citation = &citation_ewc,
    .departs = "For three and more tasks online (Schwarz et al. 2018): one Fisher matrix, one anchor.",
    .kind = "method",
    .anchors = true,
    .arrays = 2,
    .shelved = 1,
    .surveys = 1,
    .options = ewc_options,
    .option_count = COUNT(ewc_options),
    .own_bytes = sizeof(Ewc),
    .hooks = {.dense = true, .begin = pull_begin, .add = ewc_add},
    .end = ewc_end,
};
