#include "report.h"

#include <math.h>
#include <string.h>

/* Cells and measures in macro-F1 and MCC beside accuracy, with their intervals. Tests and verdicts are of accuracy
 * alone: no paired test of the others is exact, and an interval is none. */

/* name: in summary.json and on the command line; 100 makes percent of a share, 1 leaves a correlation as it is. */
static const struct {
    const char *name, *title, *unit;
    double scale;
} metric_words[METRICS] = {
    [METRIC_ACCURACY] = {"accuracy", "accuracy", " in %", 100},
    [METRIC_MACRO_F1] = {"macro_f1", "macro-F1", " in %", 100},
    [METRIC_MCC] = {"mcc", "Matthews correlation (MCC)", ", times 100", 100},
};

/* The classes said of a cell's rows, where the true ones are known, too. */
static bool metric_is_known(const Results *r, const ResultRun *run, int after, int task)
{
    return verdict_cell(r, run, after, task)->prediction && r->tasks[task].labels;
}

/* A cell in a metric; NAN: not evaluated, or its predictions are not recorded. */
static double metric_of_run(const Results *r, const ResultRun *run, Metric metric, int after, int task)
{
    const Evaluation *cell = verdict_cell(r, run, after, task);
    if (metric == METRIC_ACCURACY) return cell->rows ? verdict_share(cell) : NAN;
    if (!metric_is_known(r, run, after, task)) return NAN;
    return measure_metric(metric, r->tasks[task].labels, cell->prediction, cell->rows, r->tasks[task].classes);
}

/* Draws all cells of a task that have not been drawn yet, the same rows for each. */
static void metric_draw_task(const Results *r, int task)
{
    Arena scratch = {0};
    DYN(double **) places = {0};
    DYN(const uint32_t *) predictions = {0};
    const size_t of_cell = (size_t)METRICS * BOOTSTRAP_DRAWS;
    for (size_t i = 0; i < r->runs.count; i++)
        for (int after = task; after < r->task_count; after++) {
            const ResultRun *run = &r->runs.at[i];
            double **place = &run->draws[after * r->task_count + task];
            if (*place || !metric_is_known(r, run, after, task)) continue;
            *dyn_push(&scratch, &places) = place;
            *dyn_push(&scratch, &predictions) = verdict_cell(r, run, after, task)->prediction;
        }
    if (places.count) {
        double *draws = arena_new(r->arena, double, places.count *of_cell);
        measure_bootstrap(r->tasks[task].labels, r->tasks[task].eval_rows, r->tasks[task].classes, predictions.at,
                          (int)places.count, (uint32_t)task, draws);
        for (size_t k = 0; k < places.count; k++) *places.at[k] = draws + k * of_cell;
    }
    arena_free(&scratch);
}

/* A cell's metric under each draw of its rows: [BOOTSTRAP_DRAWS]; NULL: its predictions are not recorded. */
static const double *metric_draws(const Results *r, const ResultRun *run, Metric metric, int after, int task)
{
    double *const *draws = &run->draws[after * r->task_count + task];
    if (!metric_is_known(r, run, after, task)) return NULL;
    if (!*draws) metric_draw_task(r, task);
    return *draws + (size_t)metric * BOOTSTRAP_DRAWS;
}

/* 95%, by the rows: Wilson's of an accuracy, else the bootstrap's; both ends NAN: not known. */
static Interval metric_interval_of_run(const Results *r, const ResultRun *run, Metric metric, int after, int task)
{
    const Evaluation *cell = verdict_cell(r, run, after, task);
    if (metric == METRIC_ACCURACY && cell->rows) return measure_wilson(cell->correct, cell->rows);
    const double *draws = metric == METRIC_ACCURACY ? NULL : metric_draws(r, run, metric, after, task);
    return draws ? measure_bootstrap_interval(draws) : (Interval){NAN, NAN};
}

/* Adds a run to a mean over seeds under each draw. */
static void metric_add_draws(double *sum, const double *draws, double times)
{
    for (int d = 0; d < BOOTSTRAP_DRAWS; d++) sum[d] += times * draws[d];
}

/* Values of seeds and the sum of their draws: mean and interval, by rows and by seeds. */
static Score metric_over_seeds(const double *values, int count, double *sum)
{
    Score score = {.seeds = count, .interval = {NAN, NAN}};
    if (!count) return score;
    for (int d = 0; d < BOOTSTRAP_DRAWS; d++) sum[d] /= count;
    score.mean = measure_mean(values, count).mean;
    score.interval = measure_over_seeds(values, count, measure_bootstrap_interval(sum), INTERVAL_INSIDE);
    if (!(score.interval.high > score.interval.low)) score.interval = (Interval){NAN, NAN};
    return score;
}

/* A cell over the seeds of a method that have it. from: minus that cell of the same task, by after; -1: the cell. */
static Score metric_difference(const Results *r, Metric metric, int method, int after, int from, int task)
{
    Arena scratch = {0};
    double *values = arena_new(&scratch, double, r->runs.count + 1),
           *sum = arena_new(&scratch, double, BOOTSTRAP_DRAWS);
    int count = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        const double value = metric_of_run(r, run, metric, after, task),
                     other = from < 0 ? 0 : metric_of_run(r, run, metric, from, task);
        if (run->method != method || isnan(value) || isnan(other)) continue;
        values[count++] = value - other;
        metric_add_draws(sum, metric_draws(r, run, metric, after, task), 1);
        if (from >= 0) metric_add_draws(sum, metric_draws(r, run, metric, from, task), -1);
    }
    const Score score = metric_over_seeds(values, count, sum);
    arena_free(&scratch);
    return score;
}

/* Over seeds. Of accuracies as the verdicts have it. */
static Score metric_score(const Results *r, Metric metric, int method, int after, int task)
{
    if (metric == METRIC_ACCURACY) return verdict_score(r, method, after, task);
    Score score = metric_difference(r, metric, method, after, -1, task);
    const double least = metric == METRIC_MCC ? -1 : 0;
    if (!isnan(score.interval.low))
        score.interval = (Interval){fmax(least, score.interval.low), fmin(1, score.interval.high)};
    return score;
}

/* What became of an earlier task: last minus own. */
static Score metric_change(const Results *r, Metric metric, int method, int task)
{
    if (metric != METRIC_ACCURACY) return metric_difference(r, metric, method, r->task_count - 1, task, task);
    const Change change = verdict_change(r, method, task);
    return (Score){change.seeds, change.mean, change.seeds ? change.interval : (Interval){NAN, NAN}};
}

/* ---- measures of the matrix ---- */

static double matrix_first_last(const double *m, int tasks)
{
    return measure_forgetting(m, tasks, FORGETTING_FIRST_LAST);
}
static double matrix_max_before(const double *m, int tasks)
{
    return measure_forgetting(m, tasks, FORGETTING_MAX_BEFORE_LAST);
}
static double matrix_max_including(const double *m, int tasks)
{
    return measure_forgetting(m, tasks, FORGETTING_MAX_INCLUDING_LAST);
}

/* Those measures that follow from the matrix alone, in any metric. drawn: the bootstrap's interval holds; of a maximum
 * it does not, since that of noisy cells is too high by itself. */
typedef double MatrixMeasure(const double *matrix, int tasks);
static const struct {
    const char *name;
    MatrixMeasure *of;
    Figure *figure; /* the same of accuracies */
    bool drawn;
} matrix_measures[] = {
    {"average", measure_average_accuracy, figure_average_accuracy, true},
    {"learning", measure_learning_accuracy, figure_learning_accuracy, true},
    {"backward_transfer", measure_backward_transfer, figure_backward_transfer, true},
    {"forgetting_first_last", matrix_first_last, figure_first_last, true},
    {"forgetting_max_before_last", matrix_max_before, figure_max_before_last, false},
    {"forgetting_max_including_last", matrix_max_including, figure_max_including_last, false},
};
enum { MATRIX_AVERAGE, MATRIX_LEARNING, MATRIX_BACKWARD, MATRIX_FIRST_LAST };

/* The measure of a run under each draw, added to `sum`. */
static void matrix_add_draws(const Results *r, const ResultRun *run, Metric metric, MatrixMeasure *of, double *matrix,
                             double *sum)
{
    const int tasks = r->task_count;
    Arena scratch = {0};
    const double **draws = arena_new(&scratch, const double *, (size_t)tasks *tasks);
    for (int i = 0; i < tasks; i++)
        for (int j = 0; j <= i; j++) draws[i * tasks + j] = metric_draws(r, run, metric, i, j);
    for (int d = 0; d < BOOTSTRAP_DRAWS; d++) {
        for (int i = 0; i < tasks; i++)
            for (int j = 0; j <= i; j++) matrix[i * tasks + j] = draws[i * tasks + j] ? draws[i * tasks + j][d] : NAN;
        sum[d] += of(matrix, tasks);
    }
    arena_free(&scratch);
}

/* A measure over the seeds that have it. Of accuracies as the page has it: no interval with one seed. */
static Score metric_measure(const Results *r, Metric metric, int method, size_t which)
{
    if (metric == METRIC_ACCURACY) {
        const MeanOver mean = figure_over_seeds(r, method, matrix_measures[which].figure);
        return (Score){mean.count, mean.mean, mean.count > 1 ? mean.interval : (Interval){NAN, NAN}};
    }
    Arena scratch = {0};
    const int tasks = r->task_count;
    double *values = arena_new(&scratch, double, r->runs.count + 1),
           *sum = arena_new(&scratch, double, BOOTSTRAP_DRAWS),
           *matrix = arena_new(&scratch, double, (size_t)tasks *tasks);
    int count = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        if (run->method != method) continue;
        for (int k = 0; k < tasks * tasks; k++)
            matrix[k] = k % tasks <= k / tasks ? metric_of_run(r, run, metric, k / tasks, k % tasks) : NAN;
        const double value = matrix_measures[which].of(matrix, tasks);
        if (isnan(value)) continue;
        values[count++] = value;
        if (matrix_measures[which].drawn) matrix_add_draws(r, run, metric, matrix_measures[which].of, matrix, sum);
    }
    Score score = metric_over_seeds(values, count, sum);
    if (!matrix_measures[which].drawn)
        score.interval = count > 1 ? measure_mean(values, count).interval : (Interval){NAN, NAN};
    arena_free(&scratch);
    return score;
}

/* What always answering the most frequent class reaches; NAN: not known. */
static double metric_of_majority(const Results *r, Metric metric, int task)
{
    const ResultTask *t = &r->tasks[task];
    if (metric == METRIC_ACCURACY) return t->majority_rate;
    if (!t->labels) return NAN;
    Arena scratch = {0};
    uint32_t *counts = arena_new(&scratch, uint32_t, t->classes), best = 0;
    uint32_t *answer = arena_new(&scratch, uint32_t, t->eval_rows);
    for (uint32_t k = 0; k < t->eval_rows; k++) counts[t->labels[k]]++;
    for (uint32_t c = 1; c < t->classes; c++)
        if (counts[c] > counts[best]) best = c;
    for (uint32_t k = 0; k < t->eval_rows; k++) answer[k] = best;
    const double value = measure_metric(metric, t->labels, answer, t->eval_rows, t->classes);
    arena_free(&scratch);
    return value;
}

/* Whether a result records what the metric needs: the predictions of some cell. */
static bool metric_is_there(const Results *r, Metric metric)
{
    for (size_t i = 0; i < r->runs.count; i++)
        for (int j = 0; j < r->task_count; j++)
            if (!isnan(metric_of_run(r, &r->runs.at[i], metric, j, j))) return true;
    return false;
}
