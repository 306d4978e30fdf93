/* measures: how sure an accuracy is, whether a change is more than chance, and what a matrix of accuracies says about
 * forgetting. Pure functions of numbers. */
#ifndef LETHE_MEASURES_H
#define LETHE_MEASURES_H

#include "../base/base.h"

typedef struct Interval {
    double low, high;
} Interval;

/* ---- one accuracy ---- */

/* 95% interval of a share, correct <= rows, rows >= 1 (Wilson 1927, doi:10.1080/01621459.1927.10502953). Unlike
 * "share +- 2 standard errors" it stays within [0, 1] and is right near 0 and 1. */
Interval measure_wilson(uint32_t correct, uint32_t rows);
/* Learned: the whole interval lies above what always answering the most frequent class would reach. */
bool measure_learned(uint32_t correct, uint32_t rows, double majority_rate);

/* ---- two accuracies on the same rows ---- */

/* Two-sided exact McNemar test (McNemar 1947, doi:10.1007/BF02295996): `lost` rows were right and are now wrong, `gained`
 * rows the other way round. The probability of a split at least as uneven if either way were equally likely. */
double measure_mcnemar(uint64_t lost, uint64_t gained);
/* The lowest and the highest p of measure_mcnemar that fit the two counts, for when it is not known which rows changed:
 * lowest when all changes went one way, highest when as many rows as possible changed. */
Interval measure_mcnemar_bounds(uint32_t correct_before, uint32_t correct_after, uint32_t rows);

/* ---- over seeds ---- */

/* The 97.5% quantile of Student's t with `degrees` >= 1 degrees of freedom: 12.706 for 1, 1.960 for very many. */
double measure_t_quantile(uint32_t degrees);
typedef struct MeanOver {
    int count; /* of values */
    double mean;
    Interval interval; /* 95%, by Student's t; count 1: unknown, both ends NAN */
} MeanOver;
MeanOver measure_mean(const double *values, int count); /* count >= 1 */

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
    FORGETTING_MAX_BEFORE_LAST,    /* max over j <= l < T of r[l][j], minus r[T][j] (Chaudhry et al. 2018, arXiv:1801.10112) */
    FORGETTING_MAX_INCLUDING_LAST, /* the same with l <= T: never negative */
} Forgetting;
double measure_forgetting_of(const double *r, int tasks, int task, Forgetting convention); /* of one task, not the last */
double measure_forgetting(const double *r, int tasks, Forgetting convention);              /* mean over them */

#endif
