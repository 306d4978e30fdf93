#include "base.h"

#include <math.h>

double softmax(const float *z, uint32_t classes, double *p)
{
    double largest = (double)z[0], sum = 0;
    for (uint32_t c = 1; c < classes; c++) largest = fmax(largest, (double)z[c]);
    for (uint32_t c = 0; c < classes; c++) {
        const double part = math_exp((double)z[c] - largest);
        if (p) p[c] = part;
        sum += part;
    }
    for (uint32_t c = 0; c < classes && p; c++) p[c] /= sum;
    return math_log(sum) + largest;
}
