#include "measures.h"

#include <math.h>

/* How two evaluations of the same rows differ, over seeds. */

/* Exact McNemar of a change, lowest and highest possible. */
static Interval differences_p_of_counts(const Evaluation *own, const Evaluation *now)
{
    if (!now->paired) return measure_mcnemar_bounds(own->correct, now->correct, own->rows);
    const double p = measure_mcnemar(now->lost, now->gained);
    return (Interval){p, p};
}

Differences differences_new(Arena *arena, uint32_t rows, size_t most_seeds)
{
    return (Differences){.rows = rows, .values = arena_new(arena, double, most_seeds + 1)};
}

void differences_add(Arena *arena, Differences *d, const Evaluation *first, const Evaluation *second)
{
    const bool known = first->right && second->right && first->rows == d->rows && second->rows == d->rows;
    const uint32_t low = least_u32(first->correct, second->correct), high = first->correct + second->correct - low;
    const uint32_t against = least_u32(low, first->rows - high);
    /* rows that changed, at most */
    const double changed = second->paired ? (double)second->lost + second->gained : high - low + 2.0 * against;
    const double difference = (double)second->correct - first->correct;
    if (known && !d->seeds) d->sums = arena_new(arena, int32_t, d->rows);
    if (!known) d->sums = NULL;
    for (uint32_t k = 0; d->sums && k < d->rows; k++) d->sums[k] += second->right[k] - first->right[k];
    d->values[d->seeds++] = difference / first->rows;
    d->error += measure_paired(difference, changed, first->rows).error;
    d->p_high += differences_p_of_counts(first, second).high;
    d->firsts += first->correct;
    d->seconds += second->correct;
    d->paired = second->paired;
    d->lost = second->lost;
    d->gained = second->gained;
}

double differences_mean(const Differences *d)
{
    double sum = 0;
    for (int i = 0; i < d->seeds; i++) sum += d->values[i] / d->seeds;
    return sum;
}

/* Without sums: as if all seeds agreed on every row, the widest. */
Paired differences_rows(const Differences *d)
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

/* One seed: McNemar. Several: sign flips of the rows' sums. Where the
 * rows of several seeds are not known, twice the mean of their p holds whatever they have in common (Rueschendorf 1982;
 * Vovk and Wang 2020, doi:10.1093/biomet/asaa027), and at least that many rows must have changed as the counts differ
 * by. */
Interval differences_p(const Differences *d)
{
    if (d->sums) {
        const double p = measure_sign_flips(d->sums, d->rows);
        return (Interval){p, p};
    }
    if (d->seeds == 1) {
        const Evaluation first = {.rows = d->rows, .correct = (uint32_t)d->firsts},
                         second = {.rows = d->rows,
                                   .correct = (uint32_t)d->seconds,
                                   .paired = d->paired,
                                   .lost = d->lost,
                                   .gained = d->gained};
        return differences_p_of_counts(&first, &second);
    }
    const uint64_t apart = d->firsts > d->seconds ? d->firsts - d->seconds : d->seconds - d->firsts;
    const double high = fmin(1, 2 * d->p_high / d->seeds);
    return (Interval){fmin(high, measure_mcnemar(apart, 0)), high};
}

double differences_p_both(const Differences *d)
{
    if (!d->seeds || !d->sums) return NAN;
    const double rows = differences_p(d).high;
    return d->seeds < 2 ? rows : fmax(rows, measure_t_test(d->values, d->seeds));
}

Interval differences_interval(const Differences *d, double inside)
{
    return measure_over_seeds(d->values, d->seeds, measure_paired_interval(differences_rows(d), inside), inside);
}
