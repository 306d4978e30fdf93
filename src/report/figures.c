#include "report.h"

#include <math.h>
#include <string.h>

/* The measures of a run, by name: what summary.json holds and docs/measures.md explains. */

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
    const int cells = (r->task_count + 1) * r->task_count;
    double *probe = arena_new(arena, double, (size_t)cells);
    for (int i = 0; i < cells; i++) probe[i] = figure_share(&run->probe[i]);
    return measure_forward_transfer(probe, r->task_count);
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

/* The run of the ceiling with the same seed and settings; NULL: there is none, or several that differ in settings which
 * the run does not have. */
static const ResultRun *figure_ceiling(const Results *r, const ResultRun *run)
{
    const ResultRun *found = NULL;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *ceiling = &r->runs.at[i];
        if (ceiling->seed != run->seed || verdict_kind(r, ceiling->method) != METHOD_CEILING ||
            !load_settings_agree(&r->method_info[run->method], &r->method_info[ceiling->method]))
            continue;
        if (found) return NULL;
        found = ceiling;
    }
    return found;
}

static double figure_intransigence(Arena *arena, const Results *r, const ResultRun *run)
{
    const ResultRun *ceiling = figure_ceiling(r, run);
    if (!ceiling || verdict_kind(r, run->method) == METHOD_CEILING) return NAN;
    return measure_intransigence(figure_matrix(arena, r, run), figure_matrix(arena, r, ceiling), r->task_count);
}

/* The looks at an old task while a later one trains, and whether it dipped; false: there are none, or it is not
 * recorded which rows were right before and after. */
static bool figure_dip_of(Arena *arena, const Results *r, const ResultRun *run, int after, int task, Dip *dip)
{
    const ResultOld *old = run->old[after * r->task_count + task];
    const Evaluation *start = verdict_cell(r, run, after - 1, task), *end = verdict_cell(r, run, after, task);
    if (!old || !old->curve.count || !start->right || !end->right) return false;
    Look *looks = arena_new(arena, Look, old->curve.count);
    for (size_t i = 0; i < old->curve.count; i++) looks[i] = old->curve.at[i].look;
    *dip = measure_dip(looks, (int)old->curve.count, start->right, end->right, end->rows);
    return true;
}

/* The accuracy of a probe of a task (from 0) after so many tasks; NAN: not recorded. */
static double figure_probe_of(const Results *r, const ResultRun *run, int after, int task)
{
    return figure_share(&run->probe[after * r->task_count + task]);
}

/* Of one earlier task: what a head refitted on the last encoder reaches beyond the old head. */
static double figure_recovery_of(const Results *r, const ResultRun *run, int task)
{
    const Evaluation *last = verdict_cell(r, run, r->task_count - 1, task);
    return last->rows ? figure_probe_of(r, run, r->task_count, task) - verdict_share(last) : NAN;
}

/* Of one earlier task: how much less its probe reaches at the end than right after its own training. */
static double figure_lost_of(const Results *r, const ResultRun *run, int task)
{
    return figure_probe_of(r, run, task + 1, task) - figure_probe_of(r, run, r->task_count, task);
}

static double figure_churn_of(const Results *r, const ResultRun *run, int task)
{
    const Evaluation *last = verdict_cell(r, run, r->task_count - 1, task);
    return last->has_changed ? measure_churn(last->changed, last->rows) : NAN;
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

static double figure_representation_lost(Arena *arena, const Results *r, const ResultRun *run)
{
    (void)arena;
    return figure_mean_over_earlier(r, run, figure_lost_of);
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
     "what training the tasks before it gave a task in advance: a probe on the encoder just before its training, minus "
     "the same on the pretrained encoder.",
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
    {"probe_recovery", "probe recovery",
     "what a head refitted on the final encoder reaches beyond the old head: how much was only the head no longer "
     "fitting.",
     figure_probe_recovery},
    {"representation_lost", "representation lost",
     "what a refitted head reached right after the task's own training, minus what one reaches at the end: how much "
     "the "
     "encoder's states no longer hold.",
     figure_representation_lost},
    {"churn", "churn",
     "share of the rows whose prediction is another than right after the task's own training, either way.",
     figure_churn},
};

/* Standard error that the rows alone leave to a measure of one run; 0: not known for this one. */
static double figure_rows_error(Arena *arena, const Results *r, const ResultRun *run, Figure *of)
{
    const int last = r->task_count - 1;
    const bool ends = of == figure_average_accuracy, change = of == figure_first_last || of == figure_backward_transfer;
    const int tasks = change ? last : r->task_count;
    double variance = 0;
    if (!ends && !change && of != figure_learning_accuracy) return 0;
    for (int j = 0; j < tasks; j++) {
        const Evaluation *own = verdict_cell(r, run, j, j), *now = verdict_cell(r, run, last, j);
        const Evaluation *cell = ends ? now : own;
        if (!cell->rows || (change && !now->rows)) return 0;
        const double p = verdict_share(cell);
        double error = sqrt(p * (1 - p) / cell->rows);
        if (change) {
            Differences d = differences_new(arena, own->rows, 1);
            differences_add(arena, &d, own, now);
            error = differences_rows(&d).error;
        }
        variance += error * error / tasks / tasks;
    }
    return sqrt(variance);
}

/* A measure over the seeds that have it, its interval never narrower than the rows allow; count 0: none has. */
static MeanOver figure_over_seeds(const Results *r, int method, Figure *figure)
{
    Arena scratch = {0};
    double *values = arena_new(&scratch, double, r->runs.count + 1);
    double error = 0;
    int count = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        if (r->runs.at[i].method != method) continue;
        const double value = figure(&scratch, r, &r->runs.at[i]);
        if (isnan(value)) continue;
        values[count++] = value;
        error += figure_rows_error(&scratch, r, &r->runs.at[i], figure);
    }
    MeanOver mean = count ? measure_mean(values, count) : (MeanOver){0};
    if (count > 1) {
        const double half = measure_z_within(INTERVAL_INSIDE) * error / count;
        mean.interval =
            measure_over_seeds(values, count, (Interval){mean.mean - half, mean.mean + half}, INTERVAL_INSIDE);
    }
    arena_free(&scratch);
    return mean;
}

/* ---- by part of the encoder ---- */

/* "layer 3" and what the runs say of it. */
typedef struct FigureBlock {
    const char *name;
    DYN(double) values; /* of the runs that have one */
    double error;       /* of CKA: sum of the standard errors of these; NAN: not recorded */
    uint32_t looked;    /* of a swap: rows looked at */
    Differences back;   /* swap: right with the block put back minus right without */
} FigureBlock;
typedef DYN(FigureBlock) FigureBlocks;

/* Accuracy that comes back with one part of the encoder. */
static double figure_swap_returns(const ResultSwap *s) { return ((double)s->correct - s->correct_without) / s->rows; }

static FigureBlock *figure_blocks_add(Arena *arena, FigureBlocks *blocks, const char *name, double value)
{
    size_t i = 0;
    while (i < blocks->count && strcmp(blocks->at[i].name, name) != 0) i++;
    if (i == blocks->count) *dyn_push(arena, blocks) = (FigureBlock){.name = name};
    /* CKA is not defined where all rows have the same state */
    if (!isnan(value)) *dyn_push(arena, &blocks->at[i].values) = value;
    return &blocks->at[i];
}

/* Adds what a swap changed; `end`: the evaluation at the end. A row that was not looked at did not change. */
static void figure_swap_add(Arena *arena, FigureBlock *block, const Results *r, const ResultSwap *s,
                            const Evaluation *end)
{
    Evaluation without = {.rows = s->rows, .correct = s->correct_without},
               with = {.rows = s->rows, .correct = s->correct};
    if (end->right) {
        bool *right = arena_new(arena, bool, end->rows);
        without = *end;
        with = (Evaluation){.rows = end->rows, .right = right};
        for (uint32_t k = 0; k < end->rows; k++) {
            right[k] = s->look.of[k] ? s->look.right[k] : end->right[k];
            with.correct += right[k];
        }
    }
    block->looked = s->rows;
    if (!block->back.values) block->back = differences_new(arena, r->tasks[0].eval_rows, r->runs.count);
    differences_add(arena, &block->back, &without, &with);
}

/* Exact sign-flip test of the rows' sums over seeds (with one seed McNemar's) that putting the block back changes
 * nothing; NAN: not recorded. */
static double figure_block_p(const FigureBlock *block)
{
    return block->back.sums ? differences_p(&block->back).high : NAN;
}

/* 95% interval of what a block returns, or of its CKA: by the rows, over several seeds by these, too. Both ends NAN:
 * not recorded. */
static Interval figure_block_interval(const FigureBlock *block, bool swap)
{
    const int count = (int)block->values.count;
    if (swap) {
        if (!block->back.sums || !block->looked) return (Interval){NAN, NAN};
        const double share = (double)block->back.rows / block->looked; /* what was not looked at did not change */
        const Interval all = differences_interval(&block->back, INTERVAL_INSIDE);
        return (Interval){fmax(-1, share * all.low), fmin(1, share * all.high)};
    }
    const double mean = measure_mean(block->values.at, count).mean,
                 half = measure_z_within(INTERVAL_INSIDE) * block->error / count;
    if (isnan(half)) return (Interval){NAN, NAN};
    const Interval of =
        measure_over_seeds(block->values.at, count, (Interval){mean - half, mean + half}, INTERVAL_INSIDE);
    return (Interval){fmax(-1, of.low), fmin(1, of.high)};
}

/* Of the first task after the last, over a method's runs: what putting each block back returns, or how alike each
 * layer's states still are (CKA). */
static FigureBlocks figure_blocks(Arena *arena, const Results *r, int method, bool swap)
{
    FigureBlocks blocks = {0};
    for (size_t i = 0; i < r->runs.count && r->task_count > 1; i++) {
        const ResultOld *old = r->runs.at[i].old[(r->task_count - 1) * r->task_count];
        if (r->runs.at[i].method != method || !old) continue;
        for (int k = 0; k < old->layer_count && !swap; k++)
            figure_blocks_add(arena, &blocks, old->layers[k], old->cka[k])->error += old->cka_error[k];
        for (size_t k = 0; k < old->swaps.count && swap; k++) {
            const ResultSwap *s = &old->swaps.at[k];
            figure_swap_add(arena, figure_blocks_add(arena, &blocks, s->block, figure_swap_returns(s)), r, s,
                            verdict_cell(r, &r->runs.at[i], r->task_count - 1, 0));
        }
    }
    return blocks;
}
