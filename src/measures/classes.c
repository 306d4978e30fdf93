#include "measures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a table of true and predicted classes says beyond the share of right rows. */

ClassScore *measure_classes(Arena *arena, const uint32_t *label, const uint32_t *prediction, uint32_t rows,
                            uint32_t classes)
{
    ClassScore *scores = arena_new(arena, ClassScore, classes);
    for (uint32_t r = 0; r < rows; r++) {
        scores[label[r]].rows++;
        scores[prediction[r]].predicted++;
        scores[label[r]].right += label[r] == prediction[r];
    }
    for (uint32_t c = 0; c < classes; c++) {
        ClassScore *s = &scores[c];
        s->precision = s->predicted ? (double)s->right / s->predicted : NAN;
        s->recall = s->rows ? (double)s->right / s->rows : NAN;
        s->f1 = s->rows || s->predicted ? 2.0 * s->right / ((double)s->rows + s->predicted) : NAN;
    }
    return scores;
}

/* Of counts: [classes] rows, predictions, right rows. */
static double metric_macro_f1(const uint32_t *rows, const uint32_t *predicted, const uint32_t *right, uint32_t classes)
{
    double sum = 0;
    uint32_t count = 0;
    for (uint32_t c = 0; c < classes; c++) {
        const double both = (double)rows[c] + predicted[c];
        if (both <= 0) continue;
        sum += 2.0 * right[c] / both;
        count++;
    }
    return count ? sum / count : NAN;
}

static double metric_mcc(const uint32_t *rows, const uint32_t *predicted, const uint32_t *right, uint32_t classes)
{
    double all = 0, hits = 0, cross = 0, of_rows = 0, of_predicted = 0;
    for (uint32_t c = 0; c < classes; c++) {
        const double t = rows[c], p = predicted[c];
        all += t;
        hits += right[c];
        cross += t * p;
        of_rows += t * t;
        of_predicted += p * p;
    }
    const double spread = (all * all - of_rows) * (all * all - of_predicted);
    return spread > 0 ? (all * hits - cross) / sqrt(spread) : 0;
}

static double metric_of_counts(Metric metric, const uint32_t *rows, const uint32_t *predicted, const uint32_t *right,
                               uint32_t classes)
{
    double all = 0, hits = 0;
    switch (metric) {
    case METRIC_MACRO_F1: return metric_macro_f1(rows, predicted, right, classes);
    case METRIC_MCC: return metric_mcc(rows, predicted, right, classes);
    default: break;
    }
    for (uint32_t c = 0; c < classes; c++) {
        all += rows[c];
        hits += right[c];
    }
    return hits / all;
}

double measure_metric(Metric metric, const uint32_t *label, const uint32_t *prediction, uint32_t rows, uint32_t classes)
{
    ASSERT(rows > 0);
    Arena scratch = {0};
    uint32_t *true_rows = arena_new(&scratch, uint32_t, classes), *predicted = arena_new(&scratch, uint32_t, classes),
             *right = arena_new(&scratch, uint32_t, classes);
    for (uint32_t r = 0; r < rows; r++) {
        true_rows[label[r]]++;
        predicted[prediction[r]]++;
        right[label[r]] += label[r] == prediction[r];
    }
    const double value = metric_of_counts(metric, true_rows, predicted, right, classes);
    arena_free(&scratch);
    return value;
}

uint32_t *measure_confusion(Arena *arena, const uint32_t *label, const uint32_t *prediction, uint32_t rows,
                            uint32_t classes)
{
    uint32_t *counts = arena_new(arena, uint32_t, (size_t)classes * classes);
    for (uint32_t r = 0; r < rows; r++) counts[(size_t)label[r] * classes + prediction[r]]++;
    return counts;
}

double measure_calibration(const float *confidence, const bool *right, uint32_t rows,
                           CalibrationBin bins[CALIBRATION_BINS])
{
    double error = 0;
    memset(bins, 0, CALIBRATION_BINS * sizeof *bins);
    for (uint32_t r = 0; r < rows; r++) {
        const int place = (int)ceil((double)confidence[r] * CALIBRATION_BINS) - 1;
        CalibrationBin *bin = &bins[place < 0 ? 0 : least_int(place, CALIBRATION_BINS - 1)];
        bin->rows++;
        bin->correct += right[r];
        bin->confidence += (double)confidence[r];
    }
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        if (!bins[b].rows) continue;
        error += fabs(bins[b].correct - bins[b].confidence) / rows;
        bins[b].confidence /= bins[b].rows;
    }
    return error;
}

/* ---- a digit or more for each row ---- */

uint32_t rows_values_width(uint32_t most)
{
    uint32_t width = 1;
    while (most >>= 4) width++;
    return width;
}

void rows_values_print(const uint32_t *values, uint32_t rows, uint32_t width, char *hex)
{
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t d = 0; d < width; d++) *hex++ = "0123456789abcdef"[values[r] >> 4 * (width - 1 - d) & 15];
    *hex = 0;
}

bool rows_values_parse(Str hex, uint32_t rows, uint32_t most, uint32_t *values)
{
    const uint32_t width = rows_values_width(most);
    if (hex.size != (size_t)rows * width) return false;
    for (uint32_t r = 0; r < rows; r++) {
        uint32_t value = 0;
        for (uint32_t d = 0; d < width; d++) {
            const char c = hex.at[(size_t)r * width + d];
            const bool letter = c >= 'a' && c <= 'f';
            if (!letter && (c < '0' || c > '9')) return false;
            value = value << 4 | (uint32_t)(letter ? c - 'a' + 10 : c - '0');
        }
        if (value > most) return false;
        values[r] = value;
    }
    return true;
}

/* ---- bootstrap ---- */

/* Classes that occur, numbered from 0: of 1,000,000 that a file may name, those of its rows. */
static uint32_t bootstrap_slots(Arena *arena, const uint32_t *label, const uint32_t *const *predictions, int count,
                                uint32_t rows, uint32_t classes, uint32_t **slots)
{
    uint32_t used = 0;
    *slots = arena_new(arena, uint32_t, classes);
    for (int k = -1; k < count; k++)
        for (uint32_t r = 0; r < rows; r++) {
            uint32_t *slot = &(*slots)[k < 0 ? label[r] : predictions[k][r]];
            if (!*slot) *slot = ++used;
        }
    return used;
}

/* How often a draw takes each row: weight [rows]. */
static void bootstrap_weights(uint32_t rows, uint32_t stream, uint32_t draw, uint32_t *weight)
{
    const uint32_t key[2] = {0x626f6f74 /* "boot" */, stream};
    memset(weight, 0, rows * sizeof *weight);
    for (uint32_t r = 0; r < rows; r += 4) {
        const uint32_t counter[4] = {r / 4, draw, 0, 0};
        uint32_t out[4];
        philox4x32(counter, key, out);
        for (uint32_t k = 0; k < 4 && r + k < rows; k++) weight[(uint64_t)out[k] * rows >> 32]++;
    }
}

void measure_bootstrap(const uint32_t *label, uint32_t rows, uint32_t classes, const uint32_t *const *predictions,
                       int count, uint32_t stream, double *draws)
{
    Arena scratch = {0};
    uint32_t *slots;
    const uint32_t used = bootstrap_slots(&scratch, label, predictions, count, rows, classes, &slots);
    uint32_t *weight = arena_new(&scratch, uint32_t, rows), *true_rows = arena_new(&scratch, uint32_t, used),
             *predicted = arena_new(&scratch, uint32_t, used), *right = arena_new(&scratch, uint32_t, used);
    for (uint32_t d = 0; d < BOOTSTRAP_DRAWS; d++) {
        bootstrap_weights(rows, stream, d, weight);
        memset(true_rows, 0, used * sizeof *true_rows);
        for (uint32_t r = 0; r < rows; r++) true_rows[slots[label[r]] - 1] += weight[r];
        for (int k = 0; k < count; k++) {
            memset(predicted, 0, used * sizeof *predicted);
            memset(right, 0, used * sizeof *right);
            for (uint32_t r = 0; r < rows; r++) {
                const uint32_t p = predictions[k][r];
                predicted[slots[p] - 1] += weight[r];
                right[slots[p] - 1] += p == label[r] ? weight[r] : 0;
            }
            for (int m = 0; m < METRICS; m++)
                draws[((size_t)k * METRICS + (size_t)m) * BOOTSTRAP_DRAWS + d] =
                    metric_of_counts((Metric)m, true_rows, predicted, right, used);
        }
    }
    arena_free(&scratch);
}

static int bootstrap_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

Interval measure_bootstrap_interval(const double *draws)
{
    double sorted[BOOTSTRAP_DRAWS];
    memcpy(sorted, draws, sizeof sorted);
    qsort(sorted, BOOTSTRAP_DRAWS, sizeof *sorted, bootstrap_compare);
    const int cut = (int)((1 - INTERVAL_INSIDE) / 2 * BOOTSTRAP_DRAWS + 0.5);
    const Interval interval = {sorted[cut - 1], sorted[BOOTSTRAP_DRAWS - cut]};
    return interval.high > interval.low ? interval : (Interval){NAN, NAN};
}
