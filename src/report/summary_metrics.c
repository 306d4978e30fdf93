#include "report.h"

#include <math.h>

/* The flat lists of summary.json: a record for each cell of each run, for each cell over seeds, for each measure in
 * each metric; what is listed per class and per bin lies one level below. */

enum { SUMMARY_CLASSES = 100 }; /* more classes have no table of their own */

static json_t *summary_number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static json_t *summary_interval(Interval interval)
{
    return json_pack("[o, o]", summary_number(interval.low), summary_number(interval.high));
}

/* "macro_f1", "macro_f1_low", "macro_f1_high" */
static void summary_set_metric(Arena *arena, json_t *record, Metric metric, double value, Interval interval)
{
    const char *name = metric_words[metric].name;
    json_object_set_new(record, name, summary_number(value));
    json_object_set_new(record, arena_printf(arena, "%s_low", name), summary_number(interval.low));
    json_object_set_new(record, arena_printf(arena, "%s_high", name), summary_number(interval.high));
}

static json_t *summary_classes(Arena *arena, const ResultTask *task, const Evaluation *cell)
{
    json_t *classes = json_array();
    const ClassScore *scores = measure_classes(arena, task->labels, cell->prediction, cell->rows, task->classes);
    for (uint32_t c = 0; c < task->classes; c++)
        json_array_append_new(
            classes, json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "class", task_class(arena, task, c), "rows",
                               (json_int_t)scores[c].rows, "predicted", (json_int_t)scores[c].predicted, "right",
                               (json_int_t)scores[c].right, "precision", summary_number(scores[c].precision), "recall",
                               summary_number(scores[c].recall), "f1", summary_number(scores[c].f1)));
    return classes;
}

static json_t *summary_confusion(Arena *arena, const ResultTask *task, const Evaluation *cell)
{
    const uint32_t *counts = measure_confusion(arena, task->labels, cell->prediction, cell->rows, task->classes);
    json_t *matrix = json_array();
    for (uint32_t i = 0; i < task->classes; i++) {
        json_t *row = json_array();
        for (uint32_t j = 0; j < task->classes; j++)
            json_array_append_new(row, json_integer(counts[i * task->classes + j]));
        json_array_append_new(matrix, row);
    }
    return matrix;
}

/* "ece", "mean_confidence" and the bins that hold rows. */
static void summary_set_calibration(json_t *record, const Evaluation *cell)
{
    CalibrationBin bins[CALIBRATION_BINS];
    json_t *list = json_array();
    double sure = 0;
    const bool known = cell->confidence && cell->right;
    const double error = known ? measure_calibration(cell->confidence, cell->right, cell->rows, bins) : NAN;
    for (int b = 0; b < CALIBRATION_BINS && known; b++) {
        if (!bins[b].rows) continue;
        sure += bins[b].confidence * bins[b].rows / cell->rows;
        json_array_append_new(list, json_pack("{s:f, s:f, s:I, s:I, s:f}", "low", (double)b / CALIBRATION_BINS, "high",
                                              (b + 1.0) / CALIBRATION_BINS, "rows", (json_int_t)bins[b].rows, "correct",
                                              (json_int_t)bins[b].correct, "confidence", bins[b].confidence));
    }
    json_object_set_new(record, "ece", summary_number(error));
    json_object_set_new(record, "mean_confidence", known ? json_real(sure) : json_null());
    json_object_set_new(record, "calibration", list);
}

static json_t *summary_cell_record(Arena *arena, const Results *r, const ResultRun *run, int after, int task)
{
    const ResultTask *t = &r->tasks[task];
    const Evaluation *cell = verdict_cell(r, run, after, task);
    const bool known = metric_is_known(r, run, after, task) && t->classes <= SUMMARY_CLASSES;
    json_t *record = json_pack("{s:s, s:I, s:s, s:s, s:s, s:i, s:i, s:I, s:I}", "method", r->methods[run->method],
                               "seed", (json_int_t)run->seed, "kind", load_kinds[verdict_kind(r, run->method)], "after",
                               r->tasks[after].name, "task", t->name, "after_number", after + 1, "task_number",
                               task + 1, "rows", (json_int_t)cell->rows, "correct", (json_int_t)cell->correct);
    for (int m = 0; m < METRICS; m++)
        summary_set_metric(arena, record, (Metric)m, metric_of_run(r, run, (Metric)m, after, task),
                           metric_interval_of_run(r, run, (Metric)m, after, task));
    summary_set_calibration(record, cell);
    json_object_set_new(record, "classes", known ? summary_classes(arena, t, cell) : json_array());
    json_object_set_new(record, "confusion", known ? summary_confusion(arena, t, cell) : json_array());
    return record;
}

/* Every cell of every run. */
static json_t *summary_cells(Arena *arena, const Results *r)
{
    json_t *cells = json_array();
    for (size_t i = 0; i < r->runs.count; i++)
        for (int after = 0; after < r->task_count; after++)
            for (int task = 0; task <= after; task++)
                if (verdict_cell(r, &r->runs.at[i], after, task)->rows)
                    json_array_append_new(cells, summary_cell_record(arena, r, &r->runs.at[i], after, task));
    return cells;
}

/* Every cell over the seeds of a method. */
static json_t *summary_cells_over_seeds(Arena *arena, const Results *r)
{
    json_t *cells = json_array();
    for (int method = 0; method < r->method_count; method++)
        for (int after = 0; after < r->task_count; after++)
            for (int task = 0; task <= after; task++) {
                const Score accuracy = metric_score(r, METRIC_ACCURACY, method, after, task);
                if (!accuracy.seeds) continue;
                json_t *record = json_pack("{s:s, s:s, s:s, s:i, s:i, s:i}", "method", r->methods[method], "after",
                                           r->tasks[after].name, "task", r->tasks[task].name, "after_number", after + 1,
                                           "task_number", task + 1, "seeds", accuracy.seeds);
                for (int m = 0; m < METRICS; m++) {
                    const Score score = metric_score(r, (Metric)m, method, after, task);
                    summary_set_metric(arena, record, (Metric)m, score.seeds ? score.mean : NAN, score.interval);
                }
                json_array_append_new(cells, record);
            }
    return cells;
}

static json_t *summary_measure_record(const Results *r, int method, Metric metric, const char *measure,
                                      const char *task, Score score)
{
    return json_pack("{s:s, s:s, s:s, s:s?, s:i, s:o, s:o, s:o}", "method", r->methods[method], "metric",
                     metric_words[metric].name, "measure", measure, "task", task, "seeds", score.seeds, "mean",
                     summary_number(score.seeds ? score.mean : NAN), "low",
                     summary_number(score.seeds ? score.interval.low : NAN), "high",
                     summary_number(score.seeds ? score.interval.high : NAN));
}

/* Every measure of the matrix, and what became of each earlier task, in every metric. */
static json_t *summary_measures(const Results *r)
{
    json_t *list = json_array();
    for (int method = 0; method < r->method_count; method++)
        for (int m = 0; m < METRICS; m++) {
            for (size_t k = 0; k < COUNT(matrix_measures); k++)
                json_array_append_new(list, summary_measure_record(r, method, (Metric)m, matrix_measures[k].name, NULL,
                                                                   metric_measure(r, (Metric)m, method, k)));
            for (int j = 0; j < r->task_count - 1; j++)
                json_array_append_new(list, summary_measure_record(r, method, (Metric)m, "change", r->tasks[j].name,
                                                                   metric_change(r, (Metric)m, method, j)));
        }
    return list;
}
