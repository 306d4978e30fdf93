#include "strategy.h"

/* L2-SP (Li, Grandvalet and Davoine 2018, arXiv:1802.01483): (a / 2) sum (theta - theta_0)^2, where theta_0 are the
 * weights before the first task: the pre-trained ones. From the second task on; the first is plain training. */

typedef struct L2sp {
    Own base;
    f32p start;
} L2sp;

enum { L2SP_ALPHA };
static const Option l2sp_options[] = {
    [L2SP_ALPHA] = STRATEGY_REAL("l2sp-alpha", "0.01", 0, 1e6, "pull towards the pre-trained weights"),
};

static bool l2sp_start(void *own, const Moment *at, Err *err)
{
    (void)err;
    L2sp *l2sp = own;
    pull_remember(l2sp->base.memory, at, &l2sp->start);
    return true;
}

static void l2sp_add(void *own, TrainState *t)
{
    const L2sp *l2sp = own;
    pull_add(t, l2sp->start, NULL, l2sp->base.option[L2SP_ALPHA]);
}

static const Citation citation_l2sp = {
    .key = "li2018l2sp",
    .type = "inproceedings",
    .author = "Li, Xuhong and Grandvalet, Yves and Davoine, Franck",
    .title = "Explicit Inductive Bias for Transfer Learning with Convolutional Networks",
    .booktitle = "International Conference on Machine Learning",
    .year = "2018",
    .arxiv = "1802.01483",
};

static const Strategy strategy_l2sp = {
    .name = "l2sp",
    .about = "pulls the weights towards the pre-trained ones",
    .cite = "Li, Grandvalet and Davoine 2018, arXiv:1802.01483",
    .citation = &citation_l2sp,
    .kind = "method",
    .anchors = true,
    .arrays = 1,
    .options = l2sp_options,
    .option_count = COUNT(l2sp_options),
    .own_bytes = sizeof(L2sp),
    .hooks = {.dense = true, .begin = pull_begin, .add = l2sp_add},
    .start = l2sp_start,
};
