/* measures: how sure an accuracy is, whether a change is more than chance, and what a matrix of accuracies says about
 * forgetting. Pure functions of numbers. */
#ifndef LETHE_MEASURES_H
#define LETHE_MEASURES_H

#include "../base/base.h"

typedef struct Interval {
    double low, high;
} Interval;

/* What the report judges by: a p below this is more than chance explains; intervals hold the truth so often. */
#define TEST_LEVEL 0.05
#define INTERVAL_INSIDE 0.95

/* An evaluation of a task. rows == 0: not evaluated (yet). */
typedef struct Evaluation {
    uint32_t rows, correct;
    bool paired;                /* lost and gained are known */
    uint32_t lost, gained;      /* rows right after the task's own training and wrong now; the other way round */
    bool has_changed;           /* changed is known */
    uint32_t changed;           /* rows whose prediction is another than after the task's own training */
    const bool *right;          /* [rows]; NULL: not known */
    const uint32_t *prediction; /* [rows] classes; NULL: not known */
    const float *confidence;    /* [rows] the probability of the predicted class; NULL: not known */
} Evaluation;

/* ---- one accuracy ---- */

/* 95% interval of a share, correct <= rows, rows >= 1 (Wilson 1927, doi:10.1080/01621459.1927.10502953). Unlike
 * "share +- 2 standard errors" it stays within [0, 1] and is right near 0 and 1. */
Interval measure_wilson(uint32_t correct, uint32_t rows);
Interval measure_wilson_share(double share, uint32_t rows); /* the same of a mean over evaluations of the same rows */
/* Learned: the whole interval lies above what always answering the most frequent class would reach. */
bool measure_learned(uint32_t correct, uint32_t rows, double majority_rate);

/* ---- two accuracies on the same rows ---- */

/* Two-sided exact McNemar test (McNemar 1947, doi:10.1007/BF02295996): `lost` rows were right and are now wrong,
 * `gained` rows the other way round. The probability of a split at least as uneven if either way were equally likely.
 */
double measure_mcnemar(uint64_t lost, uint64_t gained);
/* The lowest and the highest p of measure_mcnemar that fit the two counts, for when it is not known which rows changed:
 * lowest when all changes went one way, highest when as many rows as possible changed. */
Interval measure_mcnemar_bounds(uint32_t correct_before, uint32_t correct_after, uint32_t rows);

/* Which rows of an evaluation were right, as results.jsonl keeps it: row r (from 0) is bit 3 - r % 4 of hex digit r /
 * 4, ceil(rows / 4) digits, unused bits 0. rows_right_print ends `hex` with a 0 byte. rows_right_parse is false when
 * the digits are not such a text for so many rows. */
size_t rows_right_digits(uint32_t rows);
void rows_right_print(const bool *right, uint32_t rows, char *hex);
bool rows_right_parse(Str hex, uint32_t rows, bool *right);

/* How two evaluations of the same rows differ: rows right in the first alone, and in the second alone. Before and
 * after: lost and gained. measure_mcnemar(d.first, d.second) says whether two methods, or two moments, differ beyond
 * chance. */
typedef struct Disagreement {
    uint32_t first, second;
} Disagreement;
Disagreement measure_disagreement(const bool *first, const bool *second, uint32_t rows);
/* How far two evaluations differ, as far as rows drawn anew would let it: rows[i] the difference on row i (right in the
 * second minus right in the first: -1, 0 or 1; over several seeds their mean), given by its sum and the sum of its
 * squares. One row each way is added, so that rows that all agree leave room for what others would do (Bonett and Price
 * 2012, doi:10.3102/1076998611411915). error: standard error; rows >= 1. */
typedef struct Paired {
    double difference, error;
} Paired;
Paired measure_paired(double sum, double squares, uint32_t rows);
Interval measure_paired_interval(Paired paired, double inside); /* inside: 0.95, 0.9; cut to [-1, 1] */

/* Two-sided p of the sign-flip test (Fisher 1935, "The Design of Experiments", section 21): sums[i], a row's sum over
 * seeds of (right in the second - right in the first). If either sign of each sum were equally likely: the probability
 * that their total lies at least as far from 0. The rows are the same in all seeds, so that a row counts once, however
 * many seeds agree on it; of one seed this is measure_mcnemar. Exact for any number of rows: the distribution is the
 * convolution of a binomial one for each size of sum. What is below 1e-30 is given as 1e-30. */
double measure_sign_flips(const int32_t *sums, uint32_t rows);

/* A whole number for each row, as results.jsonl keeps classes and confidences: `width` hex digits a row, enough for
 * `most`, the highest first. rows_values_print ends `hex` with a 0 byte. rows_values_parse is false when the digits are
 * not such a text for so many rows, or a number lies above `most`. */
enum { CONFIDENCE_STEPS = 4095 }; /* a confidence is kept in three digits: to 0.00012 */
uint32_t rows_values_width(uint32_t most);
void rows_values_print(const uint32_t *values, uint32_t rows, uint32_t width, char *hex);
bool rows_values_parse(Str hex, uint32_t rows, uint32_t most, uint32_t *values);

/* Churn: share of rows whose prediction is another one, right or wrong (Milani Fard et al. 2016, "Launch and iterate:
 * reducing prediction churn"). rows >= 1. */
uint32_t measure_changed(const uint32_t *before, const uint32_t *after, uint32_t rows); /* in rows */
double measure_churn(uint32_t changed, uint32_t rows);

/* ---- by class ---- label, prediction: [rows], classes from 0 */

/* How well one class is found. NAN: not defined. */
typedef struct ClassScore {
    uint32_t rows, predicted, right; /* of this class; said to be of it; both */
    double precision;                /* right / predicted; NAN when it is never predicted */
    double recall;                   /* right / rows; NAN when no row is of it */
    double f1; /* 2 right / (rows + predicted): their harmonic mean, and 0 for a class that is there and never said */
} ClassScore;
ClassScore *measure_classes(Arena *arena, const uint32_t *label, const uint32_t *prediction, uint32_t rows,
                            uint32_t classes); /* [classes] */

/* What a cell of the matrix may be given in. */
typedef enum Metric {
    METRIC_ACCURACY,
    METRIC_MACRO_F1, /* mean of the classes' F1, over those that occur as a label or as a prediction (as scikit-learn)
                      */
    METRIC_MCC,      /* Matthews' correlation of label and prediction, for any number of classes: R_K (Gorodkin 2004,
                        doi:10.1016/j.compbiolchem.2004.09.006); -1 to 1, and 0 when all labels, or all predictions, are the
                        same */
    METRICS
} Metric;
double measure_metric(Metric metric, const uint32_t *label, const uint32_t *prediction, uint32_t rows,
                      uint32_t classes); /* rows >= 1 */

/* [classes][classes]: rows of the first class that are said to be of the second. */
uint32_t *measure_confusion(Arena *arena, const uint32_t *label, const uint32_t *prediction, uint32_t rows,
                            uint32_t classes);

/* Rows whose confidence lies in one of CALIBRATION_BINS bins of equal width, (b / 15, (b + 1) / 15]; confidence:
 * their mean. */
enum { CALIBRATION_BINS = 15 };
typedef struct CalibrationBin {
    uint32_t rows, correct;
    double confidence;
} CalibrationBin;
/* The expected calibration error: mean over the rows of |accuracy - mean confidence| of their bin (Naeini et al. 2015;
 * Guo et al. 2017, arXiv:1706.04599, with their 15 bins). confidence: of the predicted class. */
double measure_calibration(const float *confidence, const bool *right, uint32_t rows,
                           CalibrationBin bins[CALIBRATION_BINS]);

/* How far a metric moves when rows are drawn anew (Efron 1979, doi:10.1214/aos/1176344552): each draw takes as many
 * rows as there are, with replacement, by Philox from `stream` and the draw alone. The same draw of one stream takes
 * the same rows, whatever is predicted: differences of draws are paired. predictions: `count` evaluations of the rows;
 * draws: [count][METRICS][BOOTSTRAP_DRAWS]. */
enum { BOOTSTRAP_DRAWS = 1000 };
void measure_bootstrap(const uint32_t *label, uint32_t rows, uint32_t classes, const uint32_t *const *predictions,
                       int count, uint32_t stream, double *draws);
/* The 95% percentile interval of BOOTSTRAP_DRAWS values. Both ends NAN when it has no width: rows that all agree say
 * nothing about others. */
Interval measure_bootstrap_interval(const double *draws);

/* ---- over seeds ---- */

/* The 97.5% quantile of Student's t with `degrees` >= 1 degrees of freedom: 12.706 for 1, 1.960 for very many. */
double measure_t_quantile(uint32_t degrees);
double measure_t_within(uint32_t degrees, double inside); /* P(-t < T < t) = inside, 0.5 <= inside < 1 */
double measure_z_within(double inside);                   /* the same of the normal distribution */
typedef struct MeanOver {
    int count; /* of values */
    double mean;
    Interval interval; /* 95%, by Student's t; count 1: unknown, both ends NAN */
} MeanOver;
MeanOver measure_mean(const double *values, int count); /* count >= 1 */
/* The interval of a mean over seeds: Student's t, and never narrower than what the rows, which are the same in all
 * seeds, leave open: it holds `rows`, the interval of a single set of rows, too. Of one value: `rows`. */
Interval measure_over_seeds(const double *values, int count, Interval rows, double inside);
/* Two-sided p of Student's t test that the values' mean is 0; of differences: the paired t test (Student 1908,
 * doi:10.2307/2331554). count >= 2. Values that are all the same: 1 when they are 0, else 0. */
double measure_t_test(const double *values, int count);

/* ---- two evaluations of the same rows, over seeds ---- Two moments of a method, or two methods at one moment: which
 * test, which interval. See differences.c for what is done where it is not known which rows were right. */

/* The difference, second minus first, of a task's rows with every seed. */
typedef struct Differences {
    uint32_t rows;
    int seeds;
    double *values;           /* [seeds] the difference of the accuracies */
    int32_t *sums;            /* [rows] over seeds; NULL: of some seed it is not known which rows were right */
    double error;             /* without sums: standard errors by the rows of each seed, added up */
    double p_high;            /* without sums: the highest possible McNemar p of each seed, added up */
    uint64_t firsts, seconds; /* right rows of all seeds, before and after */
    bool paired;              /* one seed: lost and gained are known */
    uint32_t lost, gained;
} Differences;
Differences differences_new(Arena *arena, uint32_t rows, size_t most_seeds);
/* Adds a seed. `second` may know lost and gained where neither knows its rows. */
void differences_add(Arena *arena, Differences *d, const Evaluation *first, const Evaluation *second);
double differences_mean(const Differences *d);
Paired differences_rows(const Differences *d); /* what the rows leave open; seeds >= 1 */
Interval differences_p(const Differences *d);  /* lowest and highest possible, by the rows; seeds >= 1 */
/* The larger p of the rows' and, of several seeds, the t test over seeds; NAN: not known which rows were right. */
double differences_p_both(const Differences *d);
Interval differences_interval(const Differences *d, double inside); /* of the mean, by rows and seeds; seeds >= 1 */

/* ---- how much more would decide ---- As if the size and the spread of a difference were in truth what they are here:
 * with so many rows, or seeds, the test is decided in four of five tries. */

/* Rows for the test of a difference: McNemar of one seed, sign flips of several, both by their normal approximation
 * (Connor 1987, doi:10.2307/2531961), and a step of the test more, since it is exact. difference: of the accuracies;
 * square: mean over rows of the squared mean over seeds of a row's difference. INFINITY: there is no difference. */
double measure_rows_to_show(double difference, double square, int seeds);
/* Rows with which the 90% interval of the difference lies within +-margin. INFINITY: the difference does not. */
double measure_rows_to_match(double difference, double square, double margin);
/* Seeds for Student's t test of the values' mean; 0: more than `most`, or not known. */
int measure_seeds_to_show(const double *values, int count, int most);

/* ---- several tests ---- */

/* adjusted[i]: p[i] after Holm's step-down correction: calling different what lies below 0.05 is wrong once in twenty
 * such families at most, however the tests depend on each other (Holm 1979, "A simple sequentially rejective multiple
 * test procedure", Scandinavian Journal of Statistics 6). count may be 0. */
void measure_holm(const double *p, int count, double *adjusted);

/* ---- the matrix ----
 * r[i * tasks + j]: accuracy on task j after training on task i, NAN when not known. Results are NAN when a number they
 * need is not known, or when they need two tasks and there is one. */

double measure_average_accuracy(const double *r, int tasks);  /* mean of the last row */
double measure_learning_accuracy(const double *r, int tasks); /* mean of the diagonal */
/* Mean of last minus own, over all tasks but the last; negative: forgetting (Lopez-Paz and Ranzato 2017,
 * arXiv:1706.08840). */
double measure_backward_transfer(const double *r, int tasks);

typedef enum Forgetting {
    FORGETTING_FIRST_LAST,         /* r[j][j] - r[T][j]: the negative of backward transfer */
    FORGETTING_MAX_BEFORE_LAST,    /* max over j <= l < T of r[l][j], minus r[T][j] (Chaudhry et al. 2018,
                                      arXiv:1801.10112) */
    FORGETTING_MAX_INCLUDING_LAST, /* the same with l <= T: never negative */
} Forgetting;
double measure_forgetting_of(const double *r, int tasks, int task,
                             Forgetting convention);                          /* of one task, not the last */
double measure_forgetting(const double *r, int tasks, Forgetting convention); /* mean over them */

/* What training on earlier tasks does for a later one before that one is trained: mean over j > 1 of probe[j-1][j] -
 * probe[0][j], where probe[i][j], i from 0 to tasks, is the accuracy of a probe of task j after i tasks (Lopez-Paz and
 * Ranzato 2017, arXiv:1706.08840, with a probe where they have the task's own head, which is not trained yet). */
double measure_forward_transfer(const double *probe, int tasks);
/* What a method fails to learn: mean over j > 1 of joint_j - r[j][j], where joint_j is r[j][j] of a training on tasks 1
 * to j together (Chaudhry et al. 2018, arXiv:1801.10112). Task 1 is left out: alone it is joint training. */
double measure_intransigence(const double *r, const double *joint_r, int tasks);

/* ---- an old task's curve ---- */

/* A look at some rows of an old task: which, and which of these are right, both [rows]. */
typedef struct Look {
    const bool *of, *right;
} Look;

/* The fall and the recovery of an old task while a new one trains (De Lange et al. 2023, "Continual evaluation for
 * lifelong learning: identifying the stability gap", arXiv:2205.13452), as far as it is more than the minimum of noisy
 * looks. What is lost for good is no dip. */
typedef struct Dip {
    int look;                  /* the lowest of those that lie below start and end beyond chance; -1: none does */
    double start, lowest, end; /* accuracies on the rows looked at; of the lowest look when none is beyond chance */
    double p;                  /* of that look, after Holm's correction over the looks; NAN: there are none */
} Dip;
/* start, end: [rows], which rows are right before and after. Each look is tested against both by exact McNemar tests on
 * the rows looked at, of which the larger p counts; one that is not below both has p 1. */
Dip measure_dip(const Look *looks, int count, const bool *start, const bool *end, uint32_t rows);

/* ---- representations ---- */

/* Centred kernel alignment of two sets of states of the same examples, x and y [rows][cols], with linear kernels
 * (Kornblith et al. 2019, arXiv:1905.00414), debiased: by the unbiased estimator of HSIC (Song et al. 2012, "Feature
 * selection via dependence maximization", JMLR 13, equation 5; Nguyen et al. 2021, arXiv:2010.15327). 1 for states that
 * are equal up to rotation, one scale and a shift; around 0 for unrelated ones, also with fewer rows than columns,
 * where the plain estimator is far above; it may come out below 0. rows >= 4. NAN when all rows of x, or of y, are the
 * same. error: its standard error over rows, by the jackknife (Efron and Stein 1981, doi:10.1214/aos/1176345462); NAN
 * where one left out makes it undefined, or rows < 5. */
typedef struct Cka {
    double value, error;
} Cka;
Cka measure_cka(const float *x, const float *y, uint32_t rows, uint32_t cols);

#endif
