#include "report.h"

#include <math.h>

/* How two evaluations of the same rows differ, over seeds: which test, which interval. Two moments of a method, or two
 * methods at the same moment. */

/* The difference, second minus first, of a task's rows with every seed. */
typedef struct Differences {
    uint32_t rows;
    int seeds;
    double *values;           /* [seeds] the difference of the accuracies */
    int32_t *sums;            /* [rows] over seeds; NULL: some seed does not tell which rows were right */
    double error;             /* without sums: standard errors by the rows of each seed, added up */
    double p_high;            /* without sums: the highest possible McNemar p of each seed, added up */
    uint64_t firsts, seconds; /* right rows of all seeds, before and after */
    bool paired;              /* one seed: lost and gained are known */
    uint32_t lost, gained;
} Differences;

/* Exact McNemar of a change, lowest and highest possible. */
static Interval verdict_change_p(const ResultCell *own, const ResultCell *now)
{
    if (!now->paired) return measure_mcnemar_bounds(own->correct, now->correct, own->rows);
    const double p = measure_mcnemar(now->lost, now->gained);
    return (Interval){p, p};
}

static Differences differences_new(Arena *arena, uint32_t rows, size_t most_seeds)
{
    return (Differences){.rows = rows, .values = arena_new(arena, double, most_seeds + 1)};
}

/* Adds a seed. `second` may tell lost and gained where the rows are not told. */
static void differences_add(Arena *arena, Differences *d, const ResultCell *first, const ResultCell *second)
{
    const bool told = first->right && second->right && first->rows == d->rows && second->rows == d->rows;
    const uint32_t high = first->correct > second->correct ? first->correct : second->correct,
                   low = first->correct > second->correct ? second->correct : first->correct;
    const uint32_t against = low < first->rows - high ? low : first->rows - high;
    /* rows that changed, at most */
    const double changed = second->paired ? (double)second->lost + second->gained : high - low + 2.0 * against;
    const double difference = (double)second->correct - first->correct;
    if (told && !d->seeds) d->sums = arena_new(arena, int32_t, d->rows);
    if (!told) d->sums = NULL;
    for (uint32_t k = 0; d->sums && k < d->rows; k++) d->sums[k] += second->right[k] - first->right[k];
    d->values[d->seeds++] = difference / first->rows;
    d->error += measure_paired(difference, changed, first->rows).error;
    d->p_high += verdict_change_p(first, second).high;
    d->firsts += first->correct;
    d->seconds += second->correct;
    d->paired = second->paired;
    d->lost = second->lost;
    d->gained = second->gained;
}

static double differences_mean(const Differences *d)
{
    double sum = 0;
    for (int i = 0; i < d->seeds; i++) sum += d->values[i] / d->seeds;
    return sum;
}

/* What the rows leave open. Without sums: as if all seeds agreed on every row, the widest. seeds >= 1. */
static Paired differences_rows(const Differences *d)
{
    double sum = 0, squares = 0;
    if (!d->sums) return (Paired){differences_mean(d), d->error / d->seeds};
    for (uint32_t k = 0; k < d->rows; k++) {
        const double mean = (double)d->sums[k] / d->seeds;
        sum += mean;
        squares += mean * mean;
    }
    return measure_paired(sum, squares, d->rows);
}

/* Lowest and highest p by the rows. One seed: McNemar. Several: sign flips of the rows' sums. When several seeds do not
 * tell their rows, twice the mean of their p holds whatever they have in common (Rueschendorf 1982; Vovk and Wang 2020,
 * doi:10.1093/biomet/asaa027), and at least that many rows must have changed as the counts differ by. */
static Interval differences_p(const Differences *d)
{
    if (d->sums) {
        const double p = measure_sign_flips(d->sums, d->rows);
        return (Interval){p, p};
    }
    if (d->seeds == 1) {
        const ResultCell first = {.rows = d->rows, .correct = (uint32_t)d->firsts},
                         second = {.rows = d->rows,
                                   .correct = (uint32_t)d->seconds,
                                   .paired = d->paired,
                                   .lost = d->lost,
                                   .gained = d->gained};
        return verdict_change_p(&first, &second);
    }
    const uint64_t apart = d->firsts > d->seconds ? d->firsts - d->seconds : d->seconds - d->firsts;
    const double high = fmin(1, 2 * d->p_high / d->seeds);
    return (Interval){fmin(high, measure_mcnemar(apart, 0)), high};
}
