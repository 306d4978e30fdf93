#include "report.h"

#include <math.h>
#include <stdlib.h>

/* Which methods keep more of the first task than others, at matched learning; and which end higher, matched or not. */

typedef enum MatchState {
    MATCH_EQUAL,   /* the 90% interval of the difference lies within the margin */
    MATCH_MORE,    /* one learned more, by the tests */
    MATCH_TOO_FEW, /* too few rows, or seeds, to decide */
    MATCH_UNKNOWN, /* not recorded which rows were right; or no seed in common */
} MatchState;

/* How two methods learned a task: a minus b, right after its training. */
typedef struct Match {
    MatchState state;
    double difference;
    Interval close, interval; /* 90%, 95% */
    double p;
} Match;

typedef enum PairState {
    PAIR_COMPARED,  /* every task was learned equally well */
    PAIR_UNMATCHED, /* one learned some task more than the other */
    PAIR_TOO_FEW,   /* neither can be decided */
    PAIR_UNKNOWN,
} PairState;

typedef struct Pair {
    int a, b; /* methods, a before b */
    PairState state;
    int seeds;          /* in common */
    Match *tasks;       /* [task_count] */
    double left;        /* a minus b: accuracy on the first task at the end */
    Interval interval;  /* of that, 95% */
    double p, adjusted; /* of that; adjusted: Holm, over the pairs compared */
} Pair;

/* Where two methods end: a minus b, average accuracy over all tasks after the last. */
typedef struct End {
    int a, b, seeds;
    double difference;
    Interval interval;  /* 95% */
    double p, adjusted; /* NAN: not recorded; adjusted: Holm, over all that are known */
} End;

typedef struct Comparison {
    int *methods; /* that can be ranked */
    int method_count;
    Pair *pairs; /* every two of them */
    int pair_count, compared;
    End *ends; /* every two methods of all that are finished with a seed in common */
    int end_count, tested;
} Comparison;

static double compare_margin(const Results *r) { return r->match_margin > 0 ? r->match_margin : VERDICT_MARGIN; }

static const ResultRun *compare_run(const Results *r, int method, uint32_t seed)
{
    for (size_t i = 0; i < r->runs.count; i++)
        if (r->runs.at[i].method == method && r->runs.at[i].seed == seed) return &r->runs.at[i];
    return NULL;
}

/* Everything that a comparison needs is there. */
static bool compare_is_complete(const Results *r, const ResultRun *run)
{
    bool complete = run != NULL;
    for (int j = 0; complete && j < r->task_count; j++)
        complete = verdict_cell(r, run, j, j)->rows && verdict_cell(r, run, r->task_count - 1, j)->rows;
    return complete;
}

/* a minus b over the seeds in common: on a task, right after its own training or `at_end`. */
static Differences compare_differences(Arena *arena, const Results *r, int a, int b, int task, bool at_end)
{
    Differences d = differences_new(arena, r->tasks[task].eval_rows, r->runs.count);
    const int after = at_end ? r->task_count - 1 : task;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *x = &r->runs.at[i], *y = x->method == a ? compare_run(r, b, x->seed) : NULL;
        if (!y || !compare_is_complete(r, x) || !compare_is_complete(r, y)) continue;
        Evaluation first = *verdict_cell(r, y, after, task), second = *verdict_cell(r, x, after, task);
        first.paired = second.paired = false; /* lost and gained are of something else */
        differences_add(arena, &d, &first, &second);
    }
    return d;
}

static Match compare_learning(Arena *arena, const Results *r, const Pair *pair, int task)
{
    const Differences d = compare_differences(arena, r, pair->a, pair->b, task, false);
    Match m = {.state = MATCH_UNKNOWN, .p = differences_p_both(&d)};
    if (isnan(m.p)) return m;
    m.difference = differences_mean(&d);
    m.close = differences_interval(&d, 0.9);
    m.interval = differences_interval(&d, INTERVAL_INSIDE);
    const double margin = compare_margin(r);
    if (m.close.low >= -margin && m.close.high <= margin)
        m.state = MATCH_EQUAL;
    else
        m.state = m.p < TEST_LEVEL && (m.interval.low > 0 || m.interval.high < 0) ? MATCH_MORE : MATCH_TOO_FEW;
    return m;
}

/* Fills in all but `adjusted`. */
static void compare_pair(Arena *arena, const Results *r, Pair *pair)
{
    const Differences left = compare_differences(arena, r, pair->a, pair->b, 0, true);
    int states[MATCH_UNKNOWN + 1] = {0};
    pair->tasks = arena_new(arena, Match, (size_t)r->task_count);
    for (int j = 0; j < r->task_count; j++) {
        pair->tasks[j] = compare_learning(arena, r, pair, j);
        states[pair->tasks[j].state]++;
    }
    pair->seeds = left.seeds;
    pair->p = differences_p_both(&left);
    pair->left = differences_mean(&left);
    pair->interval = left.seeds ? differences_interval(&left, INTERVAL_INSIDE) : (Interval){NAN, NAN};
    pair->state = states[MATCH_UNKNOWN] || isnan(pair->p) ? PAIR_UNKNOWN
                  : states[MATCH_MORE]                    ? PAIR_UNMATCHED
                  : states[MATCH_TOO_FEW]                 ? PAIR_TOO_FEW
                                                          : PAIR_COMPARED;
}

/* By how much a row of a task counts in the average over tasks: whole numbers, in proportion to an eighth, from 1 up.
 */
static int32_t compare_weight(const Results *r, int task)
{
    uint32_t most = 0;
    bool same = true;
    for (int j = 0; j < r->task_count; j++) {
        most = r->tasks[j].eval_rows > most ? r->tasks[j].eval_rows : most;
        same = same && r->tasks[j].eval_rows == r->tasks[0].eval_rows;
    }
    return same ? 1 : (int32_t)fmin(400, round(8.0 * most / r->tasks[task].eval_rows));
}

/* Fills in all but `adjusted`; the rows of all tasks are one set for the test. */
static void compare_end(Arena *arena, const Results *r, End *end)
{
    const int tasks = r->task_count;
    DYN(int32_t) sums = {0};
    double *values = arena_new(arena, double, r->runs.count + 1), error = 0, rows = 0;
    bool known = true;
    for (int j = 0; j < tasks; j++) {
        const Differences d = compare_differences(arena, r, end->a, end->b, j, true);
        end->seeds = d.seeds;
        if (!d.seeds) return;
        const Paired paired = differences_rows(&d);
        known = known && d.sums;
        rows += paired.difference / tasks;
        error += paired.error * paired.error / tasks / tasks;
        for (int i = 0; i < d.seeds; i++) values[i] += d.values[i] / tasks;
        for (uint32_t k = 0; known && k < d.rows; k++) *dyn_push(arena, &sums) = d.sums[k] * compare_weight(r, j);
    }
    end->difference = measure_mean(values, end->seeds).mean;
    end->interval = measure_over_seeds(
        values, end->seeds, measure_paired_interval((Paired){rows, sqrt(error)}, INTERVAL_INSIDE), INTERVAL_INSIDE);
    if (!known) return;
    end->p = measure_sign_flips(sums.at, (uint32_t)sums.count);
    if (end->seeds > 1) end->p = fmax(end->p, measure_t_test(values, end->seeds));
}

static void compare_ends(Arena *arena, const Results *r, Comparison *c)
{
    const size_t most = (size_t)r->method_count * (size_t)r->method_count / 2 + 1;
    double *p = arena_new(arena, double, most), *adjusted = arena_new(arena, double, most);
    c->ends = arena_new(arena, End, most);
    for (int a = 0; a < r->method_count; a++)
        for (int b = a + 1; b < r->method_count; b++) {
            Arena scratch = {0};
            End end = {.a = a, .b = b, .p = NAN, .adjusted = NAN};
            compare_end(&scratch, r, &end);
            arena_free(&scratch);
            if (!end.seeds) continue;
            if (!isnan(end.p)) p[c->tested++] = end.p;
            c->ends[c->end_count++] = end;
        }
    measure_holm(p, c->tested, adjusted);
    for (int i = 0, k = 0; i < c->end_count; i++)
        if (!isnan(c->ends[i].p)) c->ends[i].adjusted = adjusted[k++];
}

/* Of two and more tasks. */
static Comparison compare_all(Arena *arena, const Results *r)
{
    Comparison c = {.methods = arena_new(arena, int, (size_t)r->method_count)};
    if (r->task_count < 2) return c;
    for (int m = 0; m < r->method_count; m++)
        if (verdict_can_be_ranked(r, m)) c.methods[c.method_count++] = m;
    const size_t most = (size_t)c.method_count * (size_t)c.method_count / 2 + 1;
    c.pairs = arena_new(arena, Pair, most);
    double *p = arena_new(arena, double, most), *adjusted = arena_new(arena, double, most);
    for (int x = 0; x < c.method_count; x++)
        for (int y = x + 1; y < c.method_count; y++) {
            Pair *pair = &c.pairs[c.pair_count++];
            *pair = (Pair){.a = c.methods[x], .b = c.methods[y], .adjusted = NAN};
            compare_pair(arena, r, pair);
            if (pair->state == PAIR_COMPARED) p[c.compared++] = pair->p;
        }
    measure_holm(p, c.compared, adjusted);
    for (int i = 0, k = 0; i < c.pair_count; i++)
        if (c.pairs[i].state == PAIR_COMPARED) c.pairs[i].adjusted = adjusted[k++];
    compare_ends(arena, r, &c);
    return c;
}

/* What report_judge found; of results that nobody has judged it is found now. */
static Comparison compare_methods(Arena *arena, const Results *r)
{
    return r->comparison ? *r->comparison : compare_all(arena, r);
}

/* The method that ends higher, or -1. */
static int compare_higher(const End *end)
{
    if (!(end->adjusted < TEST_LEVEL)) return -1;
    return end->difference > 0 ? end->a : end->b;
}

/* The pair's winner, or -1. */
static int compare_winner(const Pair *pair)
{
    if (pair->state != PAIR_COMPARED || !(pair->adjusted < TEST_LEVEL)) return -1;
    return pair->left > 0 ? pair->a : pair->b;
}

/* How many pairs differ beyond chance. */
static int compare_different(const Comparison *c)
{
    int different = 0;
    for (int i = 0; i < c->pair_count; i++) different += compare_winner(&c->pairs[i]) >= 0;
    return different;
}

/* How a method stands against the others. */
typedef struct Standing {
    int won, lost, even, unmatched, too_few, unknown;
} Standing;

static Standing compare_standing(const Comparison *c, int method)
{
    Standing s = {0};
    for (int i = 0; i < c->pair_count; i++) {
        const Pair *pair = &c->pairs[i];
        if (pair->a != method && pair->b != method) continue;
        const int winner = compare_winner(pair);
        s.unmatched += pair->state == PAIR_UNMATCHED;
        s.too_few += pair->state == PAIR_TOO_FEW;
        s.unknown += pair->state == PAIR_UNKNOWN;
        s.won += winner == method;
        s.lost += winner >= 0 && winner != method;
        s.even += pair->state == PAIR_COMPARED && winner < 0;
    }
    return s;
}

/* Keeps more than somebody, beyond noise; of the methods it is compared with none has more left, beyond noise or not.
 * Of several such the one with most left. -1: none. */
static int compare_leader(const Results *r, const Comparison *c)
{
    int leader = -1;
    double most = -1;
    for (int x = 0; x < c->method_count; x++) {
        const int method = c->methods[x];
        const double left = verdict_score(r, method, r->task_count - 1, 0).mean;
        bool tops = compare_standing(c, method).won > 0;
        for (int i = 0; i < c->pair_count && tops; i++) {
            const Pair *pair = &c->pairs[i];
            if (pair->state == PAIR_COMPARED)
                tops = !(pair->a == method && pair->left < 0) && !(pair->b == method && pair->left > 0);
        }
        if (!tops || left <= most) continue;
        leader = method;
        most = left;
    }
    return leader;
}
