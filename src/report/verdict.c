#include "report.h"

#include <math.h>
#include <string.h>

/* What can be said of each method, by fixed rules: these, in words for people, and below them as code. */
static const char *const verdict_rules[] = {
    "A method learned a task when, with every seed, the 95% Wilson interval of its accuracy right after training the "
    "task lies above the rate of always answering the most frequent class.",
    "It forgot a task when it had learned it and the drop from then to the end is more than chance explains. One seed: "
    "an exact McNemar test on the same rows, with p below 0.05 (when it is not recorded which rows changed, whichever "
    "they "
    "were). Several seeds: they are evaluated on the same rows, so a row counts once, by its sum over seeds of (right "
    "at the end minus right before); an exact sign-flip test of these sums with p below 0.05, and a 95% interval of "
    "the "
    "drop that lies below zero. When only one of the two holds, it is not decided. Each method and task is tested "
    "alone.",
    "The interval over seeds is Student's t, and never narrower than what the rows alone leave open: equal seeds do "
    "not "
    "make it narrow.",
    "\"No drop shown\" is not \"did not forget\": beside it stands the largest drop that the 95% interval leaves "
    "possible.",
    "It re-learned a task when the end shows no such drop but, with every seed, the way there did: of the looks at the "
    "task between its own training and the end (the curve's, and the evaluations after other tasks) one lies below "
    "both, "
    "by exact McNemar tests on the rows looked at, the larger p of the two below 0.05 after Holm's correction over the "
    "looks.",
    "Where a task was not learned, nothing can be seen to be forgotten: \"did not learn\" is never \"did not forget\".",
    "Whether the intervals of two accuracies overlap decides nothing, either way: tests on the same rows do.",
    "Two methods are compared in what is left of the first task only when both learned every task, and each task "
    "equally well: right after its training the 90% interval of the difference, by rows and by seeds, lies within the "
    "match margin. Otherwise one learned more, when the same two tests as above say so, or there are too few rows to "
    "tell.",
    "Of two methods so matched one keeps more when their accuracies on the first task at the end differ with p below "
    "0.05 after Holm's correction over the family of all matched pairs: exact McNemar test on the same rows with one "
    "seed; with several the sign-flip test of the rows' sums over seeds and a paired t test over seeds, the larger p "
    "of "
    "the two.",
    "Every two methods are also compared in where they end, the average accuracy over all tasks after the last, which "
    "needs no matching: the same tests on the rows of all tasks, with Holm's correction over the family of all pairs.",
    "Methods that cannot forget by construction, the floor, the ceiling and averages made after the fact are called "
    "what they are and never ranked.",
    "A strategy held nothing back when, with every seed, the very same rows as with full are right in every evaluation "
    "after the first training.",
};

/* of matched learning, unless another is asked */
static const double VERDICT_MARGIN = MATCH_MARGIN_POINTS / 100.0;

typedef enum Verdict {
    VERDICT_UNFINISHED,
    VERDICT_NOT_LEARNED, /* with no seed, or only with some */
    VERDICT_BY_CONSTRUCTION,
    VERDICT_CEILING,
    VERDICT_FORGOT,
    VERDICT_RELEARNED,
    VERDICT_GAINED,
    VERDICT_NOT_SHOWN, /* neither a drop nor a gain: not the same as none */
    VERDICT_UNCLEAR,   /* cannot be decided from counts alone, or rows and seeds do not agree */
    VERDICT_KINDS
} Verdict;

static const char *const verdict_words[VERDICT_KINDS] = {
    "unfinished", "did not learn", "cannot forget", "ceiling",     "forgot",
    "re-learned", "gained",        "no drop shown", "not decided",
};

/* An accuracy over the seeds that have it. */
typedef struct Score {
    int seeds; /* 0: not known */
    double mean;
    Interval interval; /* 95%. One seed: Wilson; more: t over seeds, never narrower than Wilson, cut to [0, 1] */
} Score;

/* What became of a task between its own training and the last one. */
typedef struct Change {
    Verdict verdict;
    int seeds, learned,
        dipped;        /* with both evaluations; of these, learned the task; dropped beyond chance on the way */
    double mean;       /* last minus own */
    Interval interval; /* 95%, by rows and seeds */
    Interval p;        /* by rows: lowest and highest possible */
    double lowest;     /* dipped: the lowest accuracy on the way, over all seeds */
} Change;

static const Evaluation *verdict_cell(const Results *r, const ResultRun *run, int after, int task)
{
    return &run->matrix[after * r->task_count + task];
}

static double verdict_share(const Evaluation *cell) { return (double)cell->correct / cell->rows; }

static MethodKind verdict_kind(const Results *r, int method) { return r->method_info[method].kind; }

/* ---- learned ---- */

static bool verdict_run_learned(const Results *r, const ResultRun *run, int task)
{
    const Evaluation *own = verdict_cell(r, run, task, task);
    return own->rows && measure_learned(own->correct, own->rows, r->tasks[task].majority_rate);
}

/* With how many of the seeds that were trained on it a method learned a task. */
static int verdict_learned(const Results *r, int method, int task, int *seeds)
{
    int learned = 0;
    *seeds = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        if (run->method != method || !verdict_cell(r, run, task, task)->rows) continue;
        ++*seeds;
        learned += verdict_run_learned(r, run, task);
    }
    return learned;
}

/* Trained on the task, and did not learn it with every seed. */
static bool verdict_missed(const Results *r, int method, int task)
{
    int seeds;
    return verdict_learned(r, method, task, &seeds) < seeds;
}

/* Trained on every task, and learned each with every seed. */
static bool verdict_learned_all(const Results *r, int method)
{
    for (int j = 0; j < r->task_count; j++) {
        int seeds;
        const int learned = verdict_learned(r, method, j, &seeds);
        if (!seeds || learned < seeds) return false;
    }
    return true;
}

/* An ordinary method that learned every task. */
static bool verdict_can_be_ranked(const Results *r, int method)
{
    return verdict_kind(r, method) == METHOD_ORDINARY && verdict_learned_all(r, method);
}

static Score verdict_score(const Results *r, int method, int after, int task)
{
    Arena scratch = {0};
    double *values = arena_new(&scratch, double, r->runs.count + 1);
    Score score = {0};
    uint32_t rows = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        const Evaluation *cell = verdict_cell(r, &r->runs.at[i], after, task);
        if (r->runs.at[i].method != method || !cell->rows) continue;
        rows = cell->rows;
        values[score.seeds++] = verdict_share(cell);
    }
    if (score.seeds > 0) {
        score.mean = fmax(0, fmin(1, measure_mean(values, score.seeds).mean));
        const Interval all =
            measure_over_seeds(values, score.seeds, measure_wilson_share(score.mean, rows), INTERVAL_INSIDE);
        score.interval = (Interval){fmax(0, all.low), fmin(1, all.high)};
    }
    arena_free(&scratch);
    return score;
}

/* ---- forgot ---- */

/* Every look at an old task between its own training and the end: by the curves, and by evaluations after other tasks.
 */
static int verdict_looks(Arena *arena, const Results *r, const ResultRun *run, int task, Look **looks)
{
    DYN(Look) all = {0};
    for (int i = task + 1; i < r->task_count; i++) {
        const Evaluation *now = verdict_cell(r, run, i, task);
        const ResultOld *old = run->old[i * r->task_count + task];
        for (size_t k = 0; old && k < old->curve.count; k++) *dyn_push(arena, &all) = old->curve.at[k].look;
        if (i == r->task_count - 1 || !now->right) continue;
        bool *of = arena_new(arena, bool, now->rows);
        memset(of, true, now->rows * sizeof *of);
        *dyn_push(arena, &all) = (Look){of, now->right};
    }
    *looks = all.at;
    return (int)all.count;
}

/* Did the task dip below where it began and where it ends, beyond chance? *lowest: the accuracy there, when lower. */
static bool verdict_run_dipped(const Results *r, const ResultRun *run, int task, double *lowest)
{
    const Evaluation *own = verdict_cell(r, run, task, task), *end = verdict_cell(r, run, r->task_count - 1, task);
    if (!own->right || !end->right) return false;
    Arena scratch = {0};
    Look *looks;
    const int count = verdict_looks(&scratch, r, run, task, &looks);
    const Dip dip = measure_dip(looks, count, own->right, end->right, own->rows);
    arena_free(&scratch);
    if (dip.look >= 0) *lowest = fmin(*lowest, dip.lowest);
    return dip.look >= 0;
}

/* Why a method cannot forget; NULL: it can. */
static const char *verdict_construction(const Results *r, int method)
{
    switch (verdict_kind(r, method)) {
    case METHOD_SEPARATE: return "weights of its own for each task: no forgetting by construction";
    case METHOD_FLOOR: return "the encoder is never trained: the floor, no forgetting by construction";
    default: return NULL;
    }
}

static Verdict verdict_of_change(const Results *r, int method, const Change *c)
{
    if (!c->seeds) return VERDICT_UNFINISHED;
    if (c->learned < c->seeds) return VERDICT_NOT_LEARNED;
    if (verdict_kind(r, method) == METHOD_CEILING) return VERDICT_CEILING;
    if (verdict_construction(r, method) && c->mean == 0) return VERDICT_BY_CONSTRUCTION;
    const bool rows = c->p.high < TEST_LEVEL, seeds = c->seeds < 2 || c->interval.high < 0 || c->interval.low > 0;
    if (rows && seeds) return c->mean < 0 ? VERDICT_FORGOT : VERDICT_GAINED;
    if (c->p.low < TEST_LEVEL || (c->seeds > 1 && seeds)) return VERDICT_UNCLEAR;
    return c->dipped == c->seeds ? VERDICT_RELEARNED : VERDICT_NOT_SHOWN;
}

static Change verdict_change(const Results *r, int method, int task)
{
    Arena scratch = {0};
    Differences differences = differences_new(&scratch, r->tasks[task].eval_rows, r->runs.count);
    Change change = {.lowest = 1};
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        const Evaluation *own = verdict_cell(r, run, task, task), *last = verdict_cell(r, run, r->task_count - 1, task);
        if (run->method != method || !own->rows || !last->rows) continue;
        change.learned += verdict_run_learned(r, run, task);
        change.dipped += verdict_run_dipped(r, run, task, &change.lowest);
        differences_add(&scratch, &differences, own, last);
    }
    change.seeds = differences.seeds;
    if (change.seeds > 0) {
        change.mean = differences_mean(&differences);
        change.interval = differences_interval(&differences, INTERVAL_INSIDE);
        change.p = differences_p(&differences);
    }
    arena_free(&scratch);
    change.verdict = verdict_of_change(r, method, &change);
    return change;
}
