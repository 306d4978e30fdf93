#include "strategy.h"

/* WiSE-FT (Wortsman et al. 2021, arXiv:2109.01903): plain training, and then (1 - alpha) theta* + alpha theta, in the
 * shared weights. Every task is evaluated for alpha = 0, 0.1 .. 1; the option says with which one goes on. */

typedef struct WiseFt {
    Own base;
    f32p before, after;
} WiseFt;

enum { WISE_FT_ALPHA };
static const Option wise_ft_options[] = {
    [WISE_FT_ALPHA] = STRATEGY_REAL("wise-ft-alpha", "0.5", 0, 1, "share of the new weights in the average"),
};

static void wise_ft_average(const WiseFt *wise, const Moment *at, double alpha)
{
    floats_copy(at->device, wise->before, at->w, at->layout->floats);
    floats_axpby(at->device, wise->after, NULL, at->w, at->layout->floats, (float)alpha, (float)(1 - alpha));
}

static bool wise_ft_change(void *own, const Moment *at, Err *err)
{
    enum { POINTS = 10 };
    WiseFt *wise = own;
    const double chosen = wise->base.option[WISE_FT_ALPHA];
    pull_remember(wise->base.memory, at, &wise->after);
    for (int i = 0; i <= POINTS; i++) {
        const double alpha = (double)i / POINTS;
        wise_ft_average(wise, at, alpha);
        if (!at->interpolation(at->context, alpha, alpha == chosen, err)) return false;
    }
    wise_ft_average(wise, at, chosen);
    return true;
}

static bool wise_ft_end(void *own, const Moment *at, Err *err)
{
    WiseFt *wise = own;
    (void)err;
    pull_remember(wise->base.memory, at, &wise->before);
    return true;
}

static const Citation citation_wise_ft = {
    .key = "wortsman2022wiseft",
    .type = "inproceedings",
    .author = "Wortsman, Mitchell and Ilharco, Gabriel and Kim, Jong Wook and Li, Mike and Kornblith, Simon and "
              "Roelofs, Rebecca and Lopes, Raphael Gontijo and Hajishirzi, Hannaneh and Farhadi, Ali and Namkoong, "
              "Hongseok and Schmidt, Ludwig",
    .title = "Robust fine-tuning of zero-shot models",
    .booktitle = "Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition",
    .pages = "7959--7971",
    .year = "2022",
    .arxiv = "2109.01903",
};

static const Strategy strategy_wise_ft = {
    .name = "wise-ft",
    .about = "trains as full, then averages the weights before and after the task",
    .cite = "Wortsman et al. 2021, arXiv:2109.01903",
    .citation = &citation_wise_ft,
    .departs = "Of an adapter A and B are averaged each, which is not the average of what they do together.",
    .kind = "after",
    .anchors = true,
    .arrays = 2,
    .evaluations = 11,
    .options = wise_ft_options,
    .option_count = COUNT(wise_ft_options),
    .own_bytes = sizeof(WiseFt),
    .change = wise_ft_change,
    .end = wise_ft_end,
};
