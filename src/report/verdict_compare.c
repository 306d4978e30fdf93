#include "report.h"

#include <math.h>
#include <stdlib.h>

/* Which methods keep more of the first task than others, at matched learning. */

typedef enum PairState {
    PAIR_COMPARED,
    PAIR_UNMATCHED, /* one learned a task better than the other */
    PAIR_UNKNOWN,   /* one seed, and it is not told which rows were right; or no seed in common */
} PairState;

typedef struct Pair {
    int a, b; /* methods, a before b */
    PairState state;
    int seeds;          /* in common */
    double first, rest; /* p of the difference right after training: the first task; the later tasks together */
    double left;        /* a minus b: accuracy on the first task at the end */
    double p, adjusted; /* of that; adjusted: Holm, over the pairs compared */
} Pair;

typedef struct Comparison {
    int *methods; /* that can be ranked */
    int method_count;
    Pair *pairs; /* every two of them */
    int pair_count, compared;
} Comparison;

static const ResultRun *compare_run(const Results *r, int method, uint32_t seed)
{
    for (size_t i = 0; i < r->runs.count; i++)
        if (r->runs.at[i].method == method && r->runs.at[i].seed == seed) return &r->runs.at[i];
    return NULL;
}

/* Everything that a comparison needs is there. */
static bool compare_is_complete(const Results *r, const ResultRun *run)
{
    bool complete = run && verdict_cell(r, run, r->task_count - 1, 0)->rows;
    for (int j = 0; complete && j < r->task_count; j++) complete = verdict_cell(r, run, j, j)->rows;
    return complete;
}

/* Whether two methods differ on some evaluations: a minus b of each seed, and the rows of all seeds together. */
typedef struct CompareTest {
    double *differences; /* [seeds] mean accuracy */
    int seeds;
    bool untold; /* which rows were right, by some evaluation */
    uint64_t only_a, only_b;
} CompareTest;

/* Adds a seed: tasks [from, to), each right after its own training, or `at_end`. */
static void compare_add(const Results *r, const ResultRun *a, const ResultRun *b, int from, int to, bool at_end,
                        CompareTest *test)
{
    double sum = 0;
    for (int j = from; j < to; j++) {
        const int after = at_end ? r->task_count - 1 : j;
        const ResultCell *x = verdict_cell(r, a, after, j), *y = verdict_cell(r, b, after, j);
        sum += verdict_share(x) - verdict_share(y);
        test->untold = test->untold || !x->right || !y->right;
        if (test->untold) continue;
        const Disagreement d = measure_disagreement(x->right, y->right, x->rows);
        test->only_a += d.first;
        test->only_b += d.second;
    }
    test->differences[test->seeds++] = sum / (to - from);
}

/* By the rules; NAN: cannot be told. */
static double compare_p(const CompareTest *test)
{
    const double rows = test->untold ? NAN : measure_mcnemar(test->only_a, test->only_b);
    if (test->seeds < 2) return test->seeds ? rows : NAN;
    return fmax(measure_t_test(test->differences, test->seeds), rows); /* fmax: without rows the seeds alone */
}

/* Fills in all but `adjusted`. */
static void compare_pair(const Results *r, Pair *pair)
{
    Arena scratch = {0};
    CompareTest first = {.differences = arena_new(&scratch, double, r->runs.count)}, rest = first, left = first;
    rest.differences = arena_new(&scratch, double, r->runs.count);
    left.differences = arena_new(&scratch, double, r->runs.count);
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *a = &r->runs.at[i], *b = a->method == pair->a ? compare_run(r, pair->b, a->seed) : NULL;
        if (!b || !compare_is_complete(r, a) || !compare_is_complete(r, b)) continue;
        compare_add(r, a, b, 0, 1, false, &first);
        compare_add(r, a, b, 1, r->task_count, false, &rest);
        compare_add(r, a, b, 0, 1, true, &left);
    }
    pair->seeds = left.seeds;
    for (int i = 0; i < left.seeds; i++) pair->left += left.differences[i] / left.seeds;
    pair->first = compare_p(&first);
    pair->rest = compare_p(&rest);
    pair->p = compare_p(&left);
    if (isnan(pair->first) || isnan(pair->rest) || isnan(pair->p))
        pair->state = PAIR_UNKNOWN;
    else
        pair->state = pair->first < VERDICT_P || pair->rest < VERDICT_P ? PAIR_UNMATCHED : PAIR_COMPARED;
    arena_free(&scratch);
}

/* Of two and more tasks. */
static Comparison compare_methods(Arena *arena, const Results *r)
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
            compare_pair(r, pair);
            if (pair->state == PAIR_COMPARED) p[c.compared++] = pair->p;
        }
    measure_holm(p, c.compared, adjusted);
    for (int i = 0, k = 0; i < c.pair_count; i++)
        if (c.pairs[i].state == PAIR_COMPARED) c.pairs[i].adjusted = adjusted[k++];
    return c;
}

/* The pair's winner, or -1. */
static int compare_winner(const Pair *pair)
{
    if (pair->state != PAIR_COMPARED || !(pair->adjusted < VERDICT_P)) return -1;
    return pair->left > 0 ? pair->a : pair->b;
}

/* How a method stands against the others. */
typedef struct Standing {
    int won, lost, even, unmatched, unknown;
} Standing;

static Standing compare_standing(const Comparison *c, int method)
{
    Standing s = {0};
    for (int i = 0; i < c->pair_count; i++) {
        const Pair *pair = &c->pairs[i];
        if (pair->a != method && pair->b != method) continue;
        const int winner = compare_winner(pair);
        s.unmatched += pair->state == PAIR_UNMATCHED;
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
