#include "base.h"

#include <math.h>
#include <string.h>

/* Functions in double precision from sums, products, quotients and square roots, which IEEE 754 rounds in one way: the
 * same bits from every compiler and system, where every libm has its own. tests/bits_test.c compares them with libm. */

/* The number whose bits these are. */
static double math_of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2^n, -1022 <= n <= 1023. */
static double math_power_of_two(int n) { return math_of_bits((uint64_t)(n + 1023) << 52); }

/* sum of c[i] x^i, i < count. */
static double math_polynomial(double x, const double *c, int count)
{
    double sum = c[count - 1];
    for (int i = count - 2; i >= 0; i--) sum = sum * x + c[i];
    return sum;
}

/* ln 2 in two parts: the product of the first one and a number of up to 21 bits is exact (Cody and Waite 1980,
 * "Software manual for the elementary functions"). */
static const double MATH_LN2_HIGH = 0x1.62e42feep-1, MATH_LN2_LOW = 0x1.a39ef35793c76p-33;

/* exp(r) - 1 - r, |r| < 0.75: the Taylor series. */
static double math_exp_rest(double r)
{
    static const double c[] = {
        1 / 2.0,         1 / 6.0,          1 / 24.0,          1 / 120.0,           1 / 720.0,
        1 / 5040.0,      1 / 40320.0,      1 / 362880.0,      1 / 3628800.0,       1 / 39916800.0,
        1 / 479001600.0, 1 / 6227020800.0, 1 / 87178291200.0, 1 / 1307674368000.0, 1 / 20922789888000.0};
    return r * r * math_polynomial(r, c, COUNT(c));
}

double math_exp(double x)
{
    const double magic = 0x1.8p52; /* adding it rounds to a whole number */
    if (!(x > -708)) return isnan(x) ? x : 0;
    if (x > 709.79) return INFINITY;
    const double n = x * M_LOG2E + magic - magic, high = x - n * MATH_LN2_HIGH, low = n * MATH_LN2_LOW;
    const double y = 1 + (high + (math_exp_rest(high - low) - low));
    return n > 1023 ? y * 2 * math_power_of_two((int)n - 1) : y * math_power_of_two((int)n);
}

/* x = 2^n m with m from sqrt(1/2) to sqrt(2); with f = m - 1 and s = f / (2 + f),
 * log m = 2 artanh s = f - (f^2 / 2 - s (f^2 / 2 + rest)), rest = 2 (s^2 / 3 + s^4 / 5 + ...). */
double math_log(double x)
{
    static const double c[] = {2 / 3.0,  2 / 5.0,  2 / 7.0,  2 / 9.0,  2 / 11.0, 2 / 13.0,
                               2 / 15.0, 2 / 17.0, 2 / 19.0, 2 / 21.0, 2 / 23.0};
    if (!(x >= 0x1p-1022)) return x >= 0 ? -INFINITY : NAN;
    if (!(x < INFINITY)) return x;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t root = 0x3fe6a09e667f3bcd; /* the bits of sqrt(1/2) */
    const int n = (int)((bits - root + (UINT64_C(1024) << 52)) >> 52) - 1024;
    const double f = math_of_bits(bits - ((uint64_t)n << 52)) - 1;
    const double s = f / (2 + f), z = s * s, half = f * f / 2, rest = z * math_polynomial(z, c, COUNT(c));
    return n * MATH_LN2_HIGH - (half - (s * (half + rest) + n * MATH_LN2_LOW) - f);
}

/* Below 1 the Maclaurin series (Abramowitz and Stegun 7.1.5); above, 1 - exp(-x^2) t p(t), t = 1 / (1 + 0.45 x), where
 * p interpolates erfc(x) exp(x^2) / t at 15 Chebyshev points for x from 1 to 6, to a relative error of 2e-16. */
double math_erf(double x)
{
    static const double near[] = {-1 / 3.0,
                                  1 / 10.0,
                                  -1 / 42.0,
                                  1 / 216.0,
                                  -1 / 1320.0,
                                  1 / 9360.0,
                                  -1 / 75600.0,
                                  1 / 685440.0,
                                  -1 / 6894720.0,
                                  1 / 76204800.0,
                                  -1 / 918086400.0,
                                  1 / 11975040000.0,
                                  -1 / 168129561600.0,
                                  1 / 2528170444800.0,
                                  -1 / 40537905408000.0,
                                  1 / 690452066304000.0,
                                  -1 / 12449059983360000.0};
    static const double far[] = {0.45398066489655037,   0.6452283646599066,   0.6308337210250466,   0.34014237436420575,
                                 -0.02937326108523178,  -0.16310037466367283, -0.02167567418980515, 0.09443570438206361,
                                 0.010092473341304925,  -0.06842318984639593, 0.009997177352871698, 0.05167561106822329,
                                 -0.030626669363288544, -0.02983937145147388, 0.03944843322178491};
    const double a = fabs(x), z = x * x;
    if (isnan(x)) return x;
    if (a < 1) return x + x * (0.1283791670955126 + M_2_SQRTPI * (z * math_polynomial(z, near, COUNT(near))));
    const double t = 1 / (1 + 0.45 * a);
    const double y = a < 6 ? 1 - math_exp(-z) * (t * math_polynomial(t - 0.48, far, COUNT(far))) : 1;
    return x < 0 ? -y : y;
}

/* With u = exp(2 a) - 1: u / (u + 2); from 0.35 on without its cancellation. */
double math_tanh(double x)
{
    const double a = fabs(x);
    if (isnan(x)) return x;
    const double rest = a < 0.35 ? math_exp_rest(2 * a) : 0;
    const double y = a < 0.35 ? (2 * a + rest) / (2 + (2 * a + rest)) : a < 20 ? 1 - 2 / (math_exp(2 * a) + 1) : 1;
    return x < 0 ? -y : y;
}

/* atan x = 2 atan(x / (1 + sqrt(1 + x^2))), twice, then the Maclaurin series (Abramowitz and Stegun 4.4.42). */
double math_atan(double x)
{
    static const double c[] = {-1 / 3.0,  1 / 5.0,  -1 / 7.0,  1 / 9.0,  -1 / 11.0, 1 / 13.0,
                               -1 / 15.0, 1 / 17.0, -1 / 19.0, 1 / 21.0, -1 / 23.0};
    double y = fabs(x);
    if (isnan(x)) return x;
    const bool steep = y > 1;
    if (steep) y = 1 / y;
    for (int i = 0; i < 2; i++) y /= 1 + sqrt(1 + y * y);
    y = 4 * (y + y * (y * y * math_polynomial(y * y, c, COUNT(c))));
    if (steep) y = M_PI_2 - y;
    return x < 0 ? -y : y;
}

/* An eighth of a turn at most to either side of a quarter: Taylor series. */
double math_cos_turn(uint32_t turn)
{
    static const double sine[] = {-1 / 6.0,        1 / 120.0,        -1 / 5040.0,          1 / 362880.0,
                                  -1 / 39916800.0, 1 / 6227020800.0, -1 / 1307674368000.0, 1 / 355687428096000.0};
    static const double cosine[] = {1 / 24.0,        -1 / 720.0,         1 / 40320.0,          -1 / 3628800.0,
                                    1 / 479001600.0, -1 / 87178291200.0, 1 / 20922789888000.0, -1 / 6402373705728000.0};
    const uint32_t quarter = (turn + (1u << 29)) >> 30; /* the nearest one; the fourth is the first again */
    const double x = 2 * M_PI * 0x1p-32 * (double)(int32_t)(turn - (quarter << 30)), z = x * x;
    double y;
    if (quarter % 2)
        y = x + x * (z * math_polynomial(z, sine, COUNT(sine)));
    else
        y = 1 - (z / 2 - z * (z * math_polynomial(z, cosine, COUNT(cosine))));
    return quarter == 1 || quarter == 2 ? -y : y;
}

/* Up to 20! exact; above, Stirling's series (Abramowitz and Stegun 6.1.41). */
double math_log_factorial(double n)
{
    static const double c[] = {1 / 12.0, -1 / 360.0, 1 / 1260.0, -1 / 1680.0, 1 / 1188.0};
    double product = 1;
    if (n > 20) return n * math_log(n) - n + math_log(2 * M_PI * n) / 2 + math_polynomial(1 / (n * n), c, COUNT(c)) / n;
    for (int k = 2; k <= (int)n; k++) product *= k;
    return math_log(product);
}

double math_power(double x, uint32_t n)
{
    double power = 1;
    for (; n; n >>= 1, x *= x)
        if (n & 1) power *= x;
    return power;
}

/* The product has at most 48 bits: exact in double precision. The sum is rounded to odd there, so that rounding it
 * again, to single precision, gives what rounding once would have given (Boldo and Melquiond 2008, "Emulation of a FMA
 * and correctly rounded sums: proved algorithms using rounding to odd"). */
float math_one_minus(float a, float b)
{
    const double product = (double)a * (double)b, sum = 1 - product;
    const double larger = fabs(product) > 1 ? -product : 1, smaller = fabs(product) > 1 ? 1 : -product;
    const double error = smaller - (sum - larger);
    uint64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    if (error != 0 && error - error == 0 && !(bits & 1)) bits += (error > 0) == (sum > 0) ? 1 : (uint64_t)-1;
    return (float)math_of_bits(bits);
}
