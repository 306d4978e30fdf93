#include "measures.h"

#include <math.h>

static const double MEASURE_Z = 1.959963984540054; /* 97.5% quantile of the normal distribution */

Interval measure_wilson(uint32_t correct, uint32_t rows)
{
    ASSERT(rows > 0 && correct <= rows);
    const double n = rows, p = correct / n, z2 = MEASURE_Z * MEASURE_Z;
    const double middle = (p + z2 / (2 * n)) / (1 + z2 / n);
    const double half = MEASURE_Z / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n));
    return (Interval){correct == 0 ? 0 : middle - half, correct == rows ? 1 : middle + half}; /* exact at the ends */
}

bool measure_learned(uint32_t correct, uint32_t rows, double majority_rate)
{
    return measure_wilson(correct, rows).low > majority_rate;
}

double measure_mcnemar(uint64_t lost, uint64_t gained)
{
    const uint64_t fewer = lost < gained ? lost : gained;
    const double n = (double)lost + (double)gained;
    if (lost == gained) return 1;
    /* 2 P(X <= fewer), X binomial(n, 1/2): from the largest term down, until the rest no longer counts. */
    double k = (double)fewer, tail = 0;
    double term = exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * M_LN2);
    for (; term > tail * 1e-17; k--) {
        tail += term;
        if (k < 1) break;
        term *= k / (n - k + 1);
    }
    return fmin(1, 2 * tail);
}

Interval measure_mcnemar_bounds(uint32_t correct_before, uint32_t correct_after, uint32_t rows)
{
    ASSERT(correct_before <= rows && correct_after <= rows);
    const bool fell = correct_after < correct_before;
    const uint32_t high = fell ? correct_before : correct_after, low = fell ? correct_after : correct_before;
    const uint32_t difference = high - low;
    /* At most so many rows changed in the direction of the fewer: those right at the lower count, and no more than were
     * wrong at the higher one. */
    const uint32_t against = low < rows - high ? low : rows - high;
    return (Interval){measure_mcnemar(difference, 0), measure_mcnemar((uint64_t)difference + against, against)};
}

/* P(-t < T < t) for Student's t: exact finite sums for whole degrees of freedom (Abramowitz and Stegun 26.7.3-4). */
static double measure_t_inside(double t, uint32_t degrees)
{
    const double theta = atan(t / sqrt(degrees)), c = cos(theta), s = sin(theta);
    const bool odd = degrees % 2;
    double term = odd ? c : 1, sum = 0;
    for (uint32_t k = odd ? 3 : 2; k <= degrees; k += 2) {
        sum += term;
        term *= c * c * (k - 1) / k;
    }
    return odd ? M_2_PI * (theta + s * sum) : s * sum;
}

double measure_t_quantile(uint32_t degrees)
{
    ASSERT(degrees > 0);
    if (degrees > 100000) return MEASURE_Z; /* differs in the fifth digit */
    double low = MEASURE_Z, high = 13;
    for (int i = 0; i < 60; i++) {
        const double middle = (low + high) / 2;
        if (measure_t_inside(middle, degrees) < 0.95)
            low = middle;
        else
            high = middle;
    }
    return low;
}

MeanOver measure_mean(const double *values, int count)
{
    ASSERT(count > 0);
    double sum = 0, squares = 0;
    for (int i = 0; i < count; i++) sum += values[i];
    const double mean = sum / count;
    if (count == 1) return (MeanOver){1, mean, {NAN, NAN}};
    for (int i = 0; i < count; i++) squares += (values[i] - mean) * (values[i] - mean);
    const double half = measure_t_quantile((uint32_t)count - 1) * sqrt(squares / (count - 1) / count);
    return (MeanOver){count, mean, {mean - half, mean + half}};
}

double measure_average_accuracy(const double *r, int tasks)
{
    double sum = 0;
    for (int j = 0; j < tasks; j++) sum += r[(tasks - 1) * tasks + j];
    return sum / tasks;
}

double measure_learning_accuracy(const double *r, int tasks)
{
    double sum = 0;
    for (int j = 0; j < tasks; j++) sum += r[j * tasks + j];
    return sum / tasks;
}

double measure_backward_transfer(const double *r, int tasks)
{
    return -measure_forgetting(r, tasks, FORGETTING_FIRST_LAST);
}

double measure_forgetting_of(const double *r, int tasks, int task, Forgetting convention)
{
    ASSERT(task >= 0 && task < tasks - 1);
    const double last = r[(tasks - 1) * tasks + task];
    double best = r[task * tasks + task];
    if (convention == FORGETTING_FIRST_LAST) return best - last;
    const int end = convention == FORGETTING_MAX_BEFORE_LAST ? tasks - 1 : tasks;
    for (int l = task + 1; l < end; l++) {
        const double x = r[l * tasks + task];
        if (x > best || isnan(x)) best = x; /* one unknown makes the maximum unknown */
        if (isnan(x)) break;
    }
    return best - last;
}

double measure_forgetting(const double *r, int tasks, Forgetting convention)
{
    if (tasks < 2) return NAN;
    double sum = 0;
    for (int j = 0; j < tasks - 1; j++) sum += measure_forgetting_of(r, tasks, j, convention);
    return sum / (tasks - 1);
}
