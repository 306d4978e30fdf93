#include "report.h"

#include <math.h>
#include <string.h>

/* The measures of a run, by name: what summary.json holds and README explains. */

/* The accuracies of one run, NAN where not known: [after task][task]. */
static double *figure_matrix(Arena *arena, const Results *r, const ResultRun *run)
{
    const int cells = r->task_count * r->task_count;
    double *matrix = arena_new(arena, double, (size_t)cells);
    for (int i = 0; i < cells; i++) matrix[i] = run->matrix[i].rows ? verdict_share(&run->matrix[i]) : NAN;
    return matrix;
}

static double figure_share(const ResultShare *share)
{
    return share->rows ? (double)share->correct / share->rows : NAN;
}

static double figure_average_accuracy(Arena *arena, const Results *r, const ResultRun *run)
{
    return measure_average_accuracy(figure_matrix(arena, r, run), r->task_count);
}

static double figure_learning_accuracy(Arena *arena, const Results *r, const ResultRun *run)
{
    return measure_learning_accuracy(figure_matrix(arena, r, run), r->task_count);
}

static double figure_backward_transfer(Arena *arena, const Results *r, const ResultRun *run)
{
    return measure_backward_transfer(figure_matrix(arena, r, run), r->task_count);
}

static double figure_forward_transfer(Arena *arena, const Results *r, const ResultRun *run)
{
    const int tasks = r->task_count;
    double *matrix = figure_matrix(arena, r, run), *untrained = arena_new(arena, double, (size_t)tasks);
    for (int j = 0; j < tasks; j++) {
        untrained[j] = figure_share(&run->transfer[j]);
        if (j > 0) matrix[(j - 1) * tasks + j] = figure_share(&run->transfer[j * tasks + j]);
    }
    return measure_forward_transfer(matrix, untrained, tasks);
}

static double figure_first_last(Arena *arena, const Results *r, const ResultRun *run)
{
    return measure_forgetting(figure_matrix(arena, r, run), r->task_count, FORGETTING_FIRST_LAST);
}

static double figure_max_before_last(Arena *arena, const Results *r, const ResultRun *run)
{
    return measure_forgetting(figure_matrix(arena, r, run), r->task_count, FORGETTING_MAX_BEFORE_LAST);
}

static double figure_max_including_last(Arena *arena, const Results *r, const ResultRun *run)
{
    return measure_forgetting(figure_matrix(arena, r, run), r->task_count, FORGETTING_MAX_INCLUDING_LAST);
}

/* The run of the ceiling with the same seed and settings; NULL: there is none. */
static const ResultRun *figure_ceiling(const Results *r, const ResultRun *run)
{
    for (size_t i = 0; i < r->runs.count; i++)
        if (r->runs.at[i].seed == run->seed && verdict_kind(r, r->runs.at[i].method) == METHOD_CEILING &&
            load_settings_agree(&r->method_info[run->method], &r->method_info[r->runs.at[i].method]))
            return &r->runs.at[i];
    return NULL;
}

static double figure_intransigence(Arena *arena, const Results *r, const ResultRun *run)
{
    const ResultRun *ceiling = figure_ceiling(r, run);
    if (!ceiling || verdict_kind(r, run->method) == METHOD_CEILING) return NAN;
    return measure_intransigence(figure_matrix(arena, r, run), figure_matrix(arena, r, ceiling), r->task_count);
}

/* The fall of an old task while a later one trains; false: no curve. */
static bool figure_gap_of(Arena *arena, const ResultOld *old, StabilityGap *gap)
{
    if (!old || !old->curve.count) return false;
    const int points = (int)old->curve.count;
    uint32_t *steps = arena_new(arena, uint32_t, old->curve.count),
             *correct = arena_new(arena, uint32_t, old->curve.count);
    for (int i = 0; i < points; i++) {
        steps[i] = old->curve.at[i].step;
        correct[i] = old->curve.at[i].correct;
    }
    *gap = measure_stability_gap(steps, correct, points, old->curve.at[0].rows);
    return true;
}

static double figure_stability_gap(Arena *arena, const Results *r, const ResultRun *run)
{
    double sum = 0;
    int count = 0;
    for (int i = 1; i < r->task_count; i++)
        for (int j = 0; j < i; j++) {
            StabilityGap gap;
            if (!figure_gap_of(arena, run->old[i * r->task_count + j], &gap)) continue;
            sum += gap.gap;
            count++;
        }
    return count ? sum / count : NAN;
}

/* Of one earlier task: what a head refitted on the last encoder reaches beyond the old head. */
static double figure_recovery_of(const Results *r, const ResultRun *run, int task)
{
    const ResultCell *last = verdict_cell(r, run, r->task_count - 1, task);
    return last->rows ? figure_share(&run->probe[task]) - verdict_share(last) : NAN;
}

static double figure_churn_of(const Results *r, const ResultRun *run, int task)
{
    const ResultCell *last = verdict_cell(r, run, r->task_count - 1, task);
    return last->told_changed ? measure_churn(last->changed, last->rows) : NAN;
}

typedef double FigureOfTask(const Results *r, const ResultRun *run, int task);
static double figure_mean_over_earlier(const Results *r, const ResultRun *run, FigureOfTask *of)
{
    double sum = 0;
    for (int j = 0; j < r->task_count - 1; j++) sum += of(r, run, j);
    return r->task_count > 1 ? sum / (r->task_count - 1) : NAN;
}

static double figure_probe_recovery(Arena *arena, const Results *r, const ResultRun *run)
{
    (void)arena;
    return figure_mean_over_earlier(r, run, figure_recovery_of);
}

static double figure_churn(Arena *arena, const Results *r, const ResultRun *run)
{
    (void)arena;
    return figure_mean_over_earlier(r, run, figure_churn_of);
}

typedef double Figure(Arena *arena, const Results *r, const ResultRun *run);
static const struct {
    const char *name, *title, *about; /* in summary.json; for people, and what it is */
    Figure *of;                       /* of one run; NAN: not known */
} figures[] = {
    {"average_accuracy", "average accuracy", "mean over all tasks after the last one; higher is better.",
     figure_average_accuracy},
    {"learning_accuracy", "learning accuracy",
     "mean over all tasks, each right after its own training: plasticity; higher is better.", figure_learning_accuracy},
    {"backward_transfer", "backward transfer",
     "how much the earlier tasks changed from their own training to the end, on average; negative is forgetting "
     "(Lopez-Paz and Ranzato 2017).",
     figure_backward_transfer},
    {"forward_transfer", "forward transfer",
     "what training the tasks before it gave a task in advance, with its head untrained, against the fresh encoder; "
     "near zero unless tasks share labels.",
     figure_forward_transfer},
    {"forgetting_first_last", "forgetting, first–last",
     "accuracy right after a task's own training minus that at the end: backward transfer with the sign turned.",
     figure_first_last},
    {"forgetting_max_before_last", "forgetting, max before last",
     "the best accuracy reached before the last task minus that at the end (Chaudhry et al. 2018).",
     figure_max_before_last},
    {"forgetting_max_including_last", "forgetting, max including last",
     "the same with the end among the candidates for the best: never negative.", figure_max_including_last},
    {"intransigence", "intransigence",
     "how far the accuracy right after a task's training stays below the ceiling's, joint training: what holding on to "
     "the old costs the new.",
     figure_intransigence},
    {"stability_gap", "stability gap",
     "how far an old task falls at its lowest while a later one trains (De Lange et al. 2023).", figure_stability_gap},
    {"probe_recovery", "probe recovery",
     "what a head refitted on the final encoder reaches beyond the old head: how much was only the head no longer "
     "fitting.",
     figure_probe_recovery},
    {"churn", "churn",
     "share of the rows whose prediction is another than right after the task's own training, either way.",
     figure_churn},
};

/* A measure over the seeds that have it; count 0: none has. */
static MeanOver figure_over_seeds(const Results *r, int method, Figure *figure)
{
    Arena scratch = {0};
    double *values = arena_new(&scratch, double, r->runs.count + 1);
    int count = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        if (r->runs.at[i].method != method) continue;
        const double value = figure(&scratch, r, &r->runs.at[i]);
        if (!isnan(value)) values[count++] = value;
    }
    const MeanOver mean = count ? measure_mean(values, count) : (MeanOver){0};
    arena_free(&scratch);
    return mean;
}

/* ---- by part of the encoder ---- */

/* "layer 3" and what the runs say of it. */
typedef struct FigurePart {
    const char *name;
    DYN(double) values; /* of the runs that have one */
} FigurePart;
typedef DYN(FigurePart) FigureParts;

/* Accuracy that comes back with one part of the encoder. */
static double figure_swap_returns(const ResultSwap *s) { return ((double)s->correct - s->correct_without) / s->rows; }

static void figure_parts_add(Arena *arena, FigureParts *parts, const char *name, double value)
{
    size_t i = 0;
    while (i < parts->count && strcmp(parts->at[i].name, name) != 0) i++;
    if (i == parts->count) *dyn_push(arena, parts) = (FigurePart){.name = name};
    /* CKA is not defined where all rows have the same state */
    if (!isnan(value)) *dyn_push(arena, &parts->at[i].values) = value;
}

/* Of the first task after the last, over a method's runs: what putting each part back returns, or how alike each
 * layer's states still are (CKA). */
static FigureParts figure_parts(Arena *arena, const Results *r, int method, bool swap)
{
    FigureParts parts = {0};
    for (size_t i = 0; i < r->runs.count && r->task_count > 1; i++) {
        const ResultOld *old = r->runs.at[i].old[(r->task_count - 1) * r->task_count];
        if (r->runs.at[i].method != method || !old) continue;
        for (int k = 0; k < old->layer_count && !swap; k++)
            figure_parts_add(arena, &parts, old->layers[k], old->cka[k]);
        for (size_t k = 0; k < old->swaps.count && swap; k++)
            figure_parts_add(arena, &parts, old->swaps.at[k].part, figure_swap_returns(&old->swaps.at[k]));
    }
    return parts;
}
