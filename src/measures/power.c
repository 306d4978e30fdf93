#include "measures.h"

#include <math.h>

/* How much more would decide: from the size and the spread that are there, as if they were the truth. */

static const double POWER_INSIDE = 0.6; /* within +- the 80% quantile of the normal distribution */

double measure_rows_to_show(double difference, double square, int seeds)
{
    const double d = fabs(difference), z = measure_z_within(INTERVAL_INSIDE), power = measure_z_within(POWER_INSIDE);
    if (!(d > 0)) return INFINITY;
    const double root = z * sqrt(square) + power * sqrt(fmax(0, square - d * d));
    return ceil(root * root / (d * d) + 1 / (seeds * d));
}

double measure_rows_to_match(double difference, double square, double margin)
{
    const double d = fabs(difference), room = margin - d;
    if (!(room > 0)) return INFINITY;
    const double z = measure_z_within(0.9) + measure_z_within(POWER_INSIDE);
    return ceil(z * z * fmax(0, square - d * d) / (room * room));
}

int measure_seeds_to_show(const double *values, int count, int most)
{
    double mean = 0, squares = 0;
    for (int i = 0; i < count; i++) mean += values[i] / count;
    for (int i = 0; i < count; i++) squares += (values[i] - mean) * (values[i] - mean);
    if (count < 2 || mean == 0) return 0;
    const double spread = sqrt(squares / (count - 1)) / fabs(mean), power = measure_z_within(POWER_INSIDE);
    for (int n = 2; n <= most; n++) {
        const double t = (measure_t_quantile((uint32_t)n - 1) + power) * spread;
        if (t * t <= n) return n;
    }
    return 0;
}
