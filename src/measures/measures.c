#include "measures.h"

#include <math.h>
#include <stdlib.h>

#include "differences.c"
#include "classes.c"
#include "power.c"

static const double MEASURE_Z = 1.959963984540054; /* 97.5% quantile of the normal distribution */

Interval measure_wilson_share(double share, uint32_t rows)
{
    ASSERT(rows > 0 && share >= 0 && share <= 1);
    const double n = rows, z2 = MEASURE_Z * MEASURE_Z;
    const double middle = (share + z2 / (2 * n)) / (1 + z2 / n);
    const double half = MEASURE_Z / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n));
    return (Interval){share == 0 ? 0 : middle - half, share == 1 ? 1 : middle + half}; /* exact at the ends */
}

Interval measure_wilson(uint32_t correct, uint32_t rows)
{
    ASSERT(rows > 0 && correct <= rows);
    return measure_wilson_share((double)correct / rows, rows);
}

bool measure_learned(uint32_t correct, uint32_t rows, double majority_rate)
{
    return measure_wilson(correct, rows).low > majority_rate;
}

double measure_mcnemar(uint64_t lost, uint64_t gained)
{
    const uint64_t fewer = least_size(lost, gained);
    const double n = (double)lost + (double)gained;
    if (lost == gained) return 1;
    /* 2 P(X <= fewer), X binomial(n, 1/2): from the largest term down, until the rest no longer counts. */
    double k = (double)fewer, tail = 0;
    double term = math_exp(math_log_factorial(n) - math_log_factorial(k) - math_log_factorial(n - k) - n * M_LN2);
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
    const uint32_t against = least_u32(low, rows - high);
    return (Interval){measure_mcnemar(difference, 0), measure_mcnemar((uint64_t)difference + against, against)};
}

size_t rows_right_digits(uint32_t rows) { return ((size_t)rows + 3) / 4; }

void rows_right_print(const bool *right, uint32_t rows, char *hex)
{
    for (uint32_t d = 0; d < rows_right_digits(rows); d++) {
        unsigned digit = 0;
        for (uint32_t r = 4 * d; r < 4 * d + 4 && r < rows; r++) digit |= (unsigned)right[r] << (3 - r % 4);
        hex[d] = "0123456789abcdef"[digit];
    }
    hex[rows_right_digits(rows)] = 0;
}

bool rows_right_parse(Str hex, uint32_t rows, bool *right)
{
    if (hex.size != rows_right_digits(rows)) return false;
    for (size_t d = 0; d < hex.size; d++) {
        const char c = hex.at[d];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else
            return false;
        for (uint32_t bit = 0; bit < 4; bit++) {
            const bool one = digit >> (3 - bit) & 1;
            if (4 * d + bit < rows)
                right[4 * d + bit] = one;
            else if (one)
                return false;
        }
    }
    return true;
}

Disagreement measure_disagreement(const bool *first, const bool *second, uint32_t rows)
{
    Disagreement d = {0};
    for (uint32_t r = 0; r < rows; r++) {
        d.first += first[r] && !second[r];
        d.second += second[r] && !first[r];
    }
    return d;
}

Paired measure_paired(double sum, double squares, uint32_t rows)
{
    ASSERT(rows > 0);
    const double n = rows + 2.0, difference = sum / n;
    return (Paired){difference, sqrt(fmax(0, (squares + 2) / n - difference * difference) / n)};
}

Interval measure_paired_interval(Paired paired, double inside)
{
    const double half = measure_z_within(inside) * paired.error;
    return (Interval){fmax(-1, paired.difference - half), fmin(1, paired.difference + half)};
}

/* ---- sign flips ---- */

/* chance[i], i <= *reach: that n fair signs sum to +-(n % 2 + 2 i), either of the two. What is too improbable to count
 * is left out. */
static double *measure_signs(Arena *arena, uint32_t n, uint32_t *reach)
{
    const uint32_t odd = n % 2, least = (n + 1) / 2; /* plus signs */
    const uint32_t most = (uint32_t)fmin(n - least, 6.5 * sqrt(n) + 10);
    double *chance = arena_new(arena, double, (size_t)most + 1), weight = 1, total = 0;
    for (*reach = 0;; ++*reach) {
        const double plus = (double)least + *reach;
        chance[*reach] = weight;
        total += (*reach || odd ? 2 : 1) * weight;
        if (*reach == most) break;
        weight *= (n - plus) / (plus + 1);
    }
    for (uint32_t i = 0; i <= most; i++) chance[i] /= total;
    return chance;
}

/* The distribution of a sum, at [-reach, reach]. */
typedef struct SignSum {
    double *at; /* [2 reach + 1] */
    size_t reach;
    double variance;
} SignSum;

/* Adds n fair signs times `step`. What lies beyond 13 standard deviations of the sum is dropped: less than 1e-36. */
static SignSum measure_add_signs(Arena *arena, SignSum old, uint32_t step, uint32_t n)
{
    uint32_t most;
    const double *chance = measure_signs(arena, n, &most);
    SignSum sum = {.reach = old.reach + (size_t)step * (n % 2 + 2 * (size_t)most),
                   .variance = old.variance + (double)step * step * n};
    sum.at = arena_new(arena, double, 2 * sum.reach + 1);
    for (uint32_t i = 0; i <= most; i++) {
        const size_t shift = (size_t)step * (n % 2 + 2 * (size_t)i), middle = sum.reach - old.reach;
        for (int side = 0; side < (shift ? 2 : 1); side++) {
            double *to = sum.at + (side ? middle - shift : middle + shift);
            for (size_t k = 0; k <= 2 * old.reach; k++) to[k] += chance[i] * old.at[k];
        }
    }
    const double far = ceil(13 * sqrt(sum.variance));
    if (far < (double)sum.reach) {
        sum.at += sum.reach - (size_t)far;
        sum.reach = (size_t)far;
    }
    return sum;
}

static int measure_compare_sums(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

double measure_sign_flips(const int32_t *sums, uint32_t rows)
{
    Arena arena = {0};
    uint32_t *sizes = arena_new(&arena, uint32_t, (size_t)rows + 1);
    size_t count = 0;
    int64_t total = 0;
    for (uint32_t i = 0; i < rows; i++) {
        total += sums[i];
        if (sums[i]) sizes[count++] = (uint32_t)(sums[i] < 0 ? -(int64_t)sums[i] : sums[i]);
    }
    qsort(sizes, count, sizeof *sizes, measure_compare_sums);
    double one = 1, p = 0;
    SignSum sum = {&one, 0, 0};
    for (size_t i = 0, k; i < count; i = k) {
        for (k = i; k < count && sizes[k] == sizes[i];) k++;
        sum = measure_add_signs(&arena, sum, sizes[i], (uint32_t)(k - i));
    }
    const uint64_t far = (uint64_t)(total < 0 ? -total : total);
    for (size_t k = far; k <= sum.reach; k++) p += (k ? 2 : 1) * sum.at[sum.reach + k];
    arena_free(&arena);
    return fmin(1, fmax(1e-30, p));
}

uint32_t measure_changed(const uint32_t *before, const uint32_t *after, uint32_t rows)
{
    uint32_t changed = 0;
    for (uint32_t r = 0; r < rows; r++) changed += before[r] != after[r];
    return changed;
}

double measure_churn(uint32_t changed, uint32_t rows)
{
    ASSERT(rows > 0 && changed <= rows);
    return (double)changed / rows;
}

/* P(-t < T < t) for Student's t: exact finite sums for whole degrees of freedom (Abramowitz and Stegun 26.7.3-4). */
static double measure_t_inside(double t, uint32_t degrees)
{
    const double x = t / sqrt(degrees), c = 1 / sqrt(1 + x * x), s = x * c;
    const bool odd = degrees % 2;
    double term = odd ? c : 1, sum = 0;
    for (uint32_t k = odd ? 3 : 2; k <= degrees; k += 2) {
        sum += term;
        term *= c * c * (k - 1) / k;
    }
    return odd ? M_2_PI * (math_atan(x) + s * sum) : s * sum;
}

double measure_z_within(double inside)
{
    double low = 0, high = 40;
    for (int i = 0; i < 60; i++) {
        const double middle = (low + high) / 2;
        if (math_erf(middle * M_SQRT1_2) < inside)
            low = middle;
        else
            high = middle;
    }
    return low;
}

double measure_t_within(uint32_t degrees, double inside)
{
    ASSERT(degrees > 0 && inside >= 0.5 && inside < 1);
    if (degrees > 100000) return measure_z_within(inside); /* differs in the fifth digit */
    double low = 0, high = 4 / (1 - inside);               /* above the one of a single degree */
    for (int i = 0; i < 70; i++) {
        const double middle = (low + high) / 2;
        if (measure_t_inside(middle, degrees) < inside)
            low = middle;
        else
            high = middle;
    }
    return low;
}

double measure_t_quantile(uint32_t degrees) { return measure_t_within(degrees, 0.95); }

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

Interval measure_over_seeds(const double *values, int count, Interval rows, double inside)
{
    if (count < 2) return rows;
    const MeanOver mean = measure_mean(values, count);
    const uint32_t degrees = (uint32_t)count - 1;
    const double half =
        (mean.interval.high - mean.mean) * measure_t_within(degrees, inside) / measure_t_quantile(degrees);
    return (Interval){fmin(rows.low, mean.mean - half), fmax(rows.high, mean.mean + half)};
}

double measure_t_test(const double *values, int count)
{
    ASSERT(count > 1);
    const MeanOver mean = measure_mean(values, count);
    double squares = 0;
    for (int i = 0; i < count; i++) squares += (values[i] - mean.mean) * (values[i] - mean.mean);
    const double error = sqrt(squares / (count - 1) / count);
    if (!(error > 1e-12)) return fabs(mean.mean) > 1e-12 ? 0 : 1; /* but for rounding all the same */
    return fmax(0, 1 - measure_t_inside(fabs(mean.mean) / error, (uint32_t)count - 1));
}

typedef struct RankedP {
    double p;
    int place;
} RankedP;

static int measure_compare_p(const void *a, const void *b)
{
    const RankedP *x = a, *y = b;
    if (x->p != y->p) return x->p < y->p ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

void measure_holm(const double *p, int count, double *adjusted)
{
    Arena scratch = {0};
    RankedP *ranked = arena_new(&scratch, RankedP, (size_t)count + 1);
    double least = 0; /* no p comes before a smaller one */
    for (int i = 0; i < count; i++) ranked[i] = (RankedP){p[i], i};
    qsort(ranked, (size_t)count, sizeof *ranked, measure_compare_p);
    for (int i = 0; i < count; i++) {
        least = fmax(least, fmin(1, (count - i) * ranked[i].p));
        adjusted[ranked[i].place] = least;
    }
    arena_free(&scratch);
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
    return 0 - measure_forgetting(r, tasks, FORGETTING_FIRST_LAST); /* not -x: no change is 0, never -0 */
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

double measure_forward_transfer(const double *probe, int tasks)
{
    if (tasks < 2) return NAN;
    double sum = 0;
    for (int j = 1; j < tasks; j++) sum += probe[j * tasks + j] - probe[j];
    return sum / (tasks - 1);
}

double measure_intransigence(const double *r, const double *joint_r, int tasks)
{
    if (tasks < 2) return NAN;
    double sum = 0;
    for (int j = 1; j < tasks; j++) sum += joint_r[j * tasks + j] - r[j * tasks + j];
    return sum / (tasks - 1);
}

/* A look beside what was right before, or after: rows right in one and not in the other. */
static Disagreement dip_against(const Look *look, const bool *other, uint32_t rows)
{
    Disagreement d = {0};
    for (uint32_t r = 0; r < rows; r++) {
        d.first += look->of[r] && look->right[r] && !other[r];
        d.second += look->of[r] && !look->right[r] && other[r];
    }
    return d;
}

static double dip_p(const Look *look, const bool *start, const bool *end, uint32_t rows)
{
    const Disagreement a = dip_against(look, start, rows), b = dip_against(look, end, rows);
    if (a.second <= a.first || b.second <= b.first) return 1; /* not below both */
    return fmax(measure_mcnemar(a.second, a.first), measure_mcnemar(b.second, b.first));
}

static double dip_share(const Look *look, const bool *right, uint32_t rows)
{
    uint32_t of = 0, correct = 0;
    for (uint32_t r = 0; r < rows; r++) {
        of += look->of[r];
        correct += look->of[r] && right[r];
    }
    return of ? (double)correct / of : NAN;
}

Dip measure_dip(const Look *looks, int count, const bool *start, const bool *end, uint32_t rows)
{
    Dip dip = {.look = -1, .start = NAN, .lowest = NAN, .end = NAN, .p = NAN};
    Arena scratch = {0};
    double *p = arena_new(&scratch, double, (size_t)count + 1),
           *adjusted = arena_new(&scratch, double, (size_t)count + 1);
    int lowest = -1;
    for (int i = 0; i < count; i++) p[i] = dip_p(&looks[i], start, end, rows);
    measure_holm(p, count, adjusted);
    for (int i = 0; i < count; i++) {
        const bool shown = adjusted[i] < TEST_LEVEL, better = lowest < 0 || (shown && dip.look < 0),
                   lower = lowest >= 0 && dip_share(&looks[i], looks[i].right, rows) <
                                              dip_share(&looks[lowest], looks[lowest].right, rows);
        if (!better && !(lower && shown == (dip.look >= 0))) continue;
        lowest = i;
        if (shown) dip.look = i;
    }
    if (lowest >= 0) dip.p = adjusted[lowest];
    arena_free(&scratch);
    if (lowest < 0) return dip;
    dip.start = dip_share(&looks[lowest], start, rows);
    dip.lowest = dip_share(&looks[lowest], looks[lowest].right, rows);
    dip.end = dip_share(&looks[lowest], end, rows);
    return dip;
}

/* gram [rows][rows]: inner products of the rows of x, 0 on the diagonal. Counted from the first row, which HSIC does
 * not see, so that rows that are all the same give exactly 0. */
static void measure_gram(const float *x, uint32_t rows, uint32_t cols, double *gram)
{
    for (uint32_t a = 0; a < rows; a++)
        for (uint32_t b = 0; b < a; b++) {
            const float *u = x + (size_t)a * cols, *v = x + (size_t)b * cols;
            double sum = 0;
            for (uint32_t c = 0; c < cols; c++) sum += ((double)u[c] - (double)x[c]) * ((double)v[c] - (double)x[c]);
            gram[(size_t)a * rows + b] = gram[(size_t)b * rows + a] = sum;
        }
}

/* What the unbiased HSIC of two symmetric kernels with 0 on their diagonals is made of. */
typedef struct Hsic {
    double rows, product, sum_k, sum_l, of_sums;
    double *k, *l; /* [rows] sums of the kernels' rows */
} Hsic;

/* Times rows (rows - 3). */
static double hsic_value(const Hsic *h)
{
    return h->product + h->sum_k * h->sum_l / ((h->rows - 1) * (h->rows - 2)) - 2 * h->of_sums / (h->rows - 2);
}

static Hsic measure_hsic(Arena *arena, const double *k, const double *l, uint32_t rows)
{
    Hsic h = {.rows = rows, .k = arena_new(arena, double, rows), .l = arena_new(arena, double, rows)};
    for (uint32_t a = 0; a < rows; a++) {
        for (uint32_t b = 0; b < rows; b++) {
            const size_t at = (size_t)a * rows + b;
            h.product += k[at] * l[at];
            h.k[a] += k[at];
            h.l[a] += l[at];
        }
        h.sum_k += h.k[a];
        h.sum_l += h.l[a];
        h.of_sums += h.k[a] * h.l[a];
    }
    return h;
}

/* The same without row `out`: times (rows - 1) (rows - 4). */
static double hsic_without(const Hsic *h, const double *k, const double *l, uint32_t rows, uint32_t out)
{
    Hsic less = {.rows = h->rows - 1, .sum_k = h->sum_k - 2 * h->k[out], .sum_l = h->sum_l - 2 * h->l[out]};
    double product = 0, crossed = 0;
    for (uint32_t b = 0; b < rows; b++) {
        const size_t at = (size_t)out * rows + b;
        product += k[at] * l[at];
        crossed += k[at] * h->l[b] + l[at] * h->k[b];
    }
    less.product = h->product - 2 * product;
    less.of_sums = h->of_sums - h->k[out] * h->l[out] - crossed + product;
    return hsic_value(&less);
}

static double cka_of(double kl, double kk, double ll) { return kk > 0 && ll > 0 ? kl / (sqrt(kk) * sqrt(ll)) : NAN; }

Cka measure_cka(const float *x, const float *y, uint32_t rows, uint32_t cols)
{
    Cka cka = {NAN, NAN};
    if (rows < 4) return cka;
    Arena arena = {0};
    const size_t n = (size_t)rows * rows;
    double *k = arena_new(&arena, double, n), *l = arena_new(&arena, double, n), sum = 0, squares = 0;
    double *without = arena_new(&arena, double, rows);
    measure_gram(x, rows, cols, k);
    measure_gram(y, rows, cols, l);
    const Hsic kl = measure_hsic(&arena, k, l, rows), kk = measure_hsic(&arena, k, k, rows),
               ll = measure_hsic(&arena, l, l, rows);
    cka.value = cka_of(hsic_value(&kl), hsic_value(&kk), hsic_value(&ll));
    for (uint32_t i = 0; i < rows && rows > 4; i++) {
        without[i] = cka_of(hsic_without(&kl, k, l, rows, i), hsic_without(&kk, k, k, rows, i),
                            hsic_without(&ll, l, l, rows, i));
        sum += without[i] / rows;
    }
    for (uint32_t i = 0; i < rows; i++) squares += (without[i] - sum) * (without[i] - sum);
    if (rows > 4 && !isnan(cka.value)) cka.error = sqrt((rows - 1.0) / rows * squares);
    arena_free(&arena);
    return cka;
}
