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

/* The difference of two runs on some of the evaluations: those of tasks [from, to) after themselves, or with last of
 * task `from` at the end. */
typedef struct CompareSum {
    double difference; /* mean accuracy, a minus b */
    bool told;         /* which rows were right */
    Disagreement rows; /* right with one alone */
} CompareSum;

static CompareSum compare_sum(const Results *r, const ResultRun *a, const ResultRun *b, int from, int to, bool last)
{
    CompareSum sum = {.told = true};
    for (int j = from; j < to; j++) {
        const int after = last ? r->task_count - 1 : j;
        const ResultCell *x = verdict_cell(r, a, after, j), *y = verdict_cell(r, b, after, j);
        sum.difference += (verdict_share(x) - verdict_share(y)) / (to - from);
        sum.told = sum.told && x->right && y->right;
        if (!sum.told) continue;
        const Disagreement d = measure_disagreement(x->right, y->right, x->rows);
        sum.rows.first += d.first;
        sum.rows.second += d.second;
    }
    return sum;
}

static double compare_p(const CompareSum *sums, const double *differences, int seeds)
{
    return seeds > 1 ? measure_t_test(differences, seeds) : measure_mcnemar(sums[0].rows.first, sums[0].rows.second);
}

/* Fills in all but `adjusted`. */
static void compare_pair(const Results *r, Pair *pair)
{
    enum { FIRST, REST, LEFT, SUMS };
    Arena scratch = {0};
    double *differences[SUMS], p[SUMS];
    CompareSum one[SUMS] = {0}; /* of the last seed: the only one that is used when there is one */
    bool told = true;
    for (int k = 0; k < SUMS; k++) differences[k] = arena_new(&scratch, double, r->runs.count);
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *a = &r->runs.at[i], *b = a->method == pair->a ? compare_run(r, pair->b, a->seed) : NULL;
        if (!b || !compare_is_complete(r, a) || !compare_is_complete(r, b)) continue;
        one[FIRST] = compare_sum(r, a, b, 0, 1, false);
        one[REST] = compare_sum(r, a, b, 1, r->task_count, false);
        one[LEFT] = compare_sum(r, a, b, 0, 1, true);
        for (int k = 0; k < SUMS; k++) {
            differences[k][pair->seeds] = one[k].difference;
            told = told && one[k].told;
        }
        pair->left += one[LEFT].difference;
        pair->seeds++;
    }
    pair->state = !pair->seeds || (pair->seeds == 1 && !told) ? PAIR_UNKNOWN : PAIR_COMPARED;
    if (pair->state == PAIR_COMPARED) {
        for (int k = 0; k < SUMS; k++) p[k] = compare_p(&one[k], differences[k], pair->seeds);
        pair->first = p[FIRST];
        pair->rest = p[REST];
        pair->p = p[LEFT];
        pair->left /= pair->seeds;
        if (pair->first < VERDICT_P || pair->rest < VERDICT_P) pair->state = PAIR_UNMATCHED;
    }
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
            *pair = (Pair){.a = c.methods[x], .b = c.methods[y], .first = NAN, .rest = NAN, .p = NAN, .adjusted = NAN};
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
