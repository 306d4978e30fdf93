#pragma once
/* Simulated results, in memory: one or two methods on two tasks, with rows that flip between two moments, or differ
 * between two methods, in a known way. The same numbers each time: all draws are counter-based. */

/* How rows differ between two evaluations of a seed: `churn` of them, and the second is lower by `drop` on average. A
 * row's difference is that of the row in all seeds with probability sqrt(correlation), for each seed apart, else the
 * seed's own: differences correlate by `correlation` between seeds. */
typedef struct Simulation {
    uint32_t rows;
    int seeds;
    double correlation, churn, drop;
} Simulation;

static const double SIMULATE_ACCURACY = 0.75; /* of the first evaluation */

/* first, second [rows] of a seed in draw number `number`. */
static void simulate_rows(const Simulation *s, uint32_t number, int seed, bool *first, bool *second)
{
    const double lost = (s->churn + s->drop) / 2, gained = (s->churn - s->drop) / 2, follows = sqrt(s->correlation);
    for (uint32_t r = 0; r < s->rows; r++) {
        const uint32_t counter[4] = {r, number, (uint32_t)seed + 1, 0}, common[4] = {r, number, 0, 0},
                       key[2] = {2026, 11};
        uint32_t own[4], row[4];
        philox4x32(counter, key, own);
        philox4x32(common, key, row);
        const double x = (own[0] < follows * 4294967296.0 ? row[0] : own[1]) / 4294967296.0;
        const bool stays = own[2] < (SIMULATE_ACCURACY - lost) / (1 - s->churn) * 4294967296.0;
        first[r] = x < lost || (x >= lost + gained && stays);
        second[r] = x >= lost && (x < lost + gained || stays);
    }
}

static Evaluation simulate_cell(Arena *arena, const bool *right, uint32_t rows)
{
    Evaluation cell = {.rows = rows, .right = (const bool *)arena_copy(arena, right, rows * sizeof *right)};
    for (uint32_t r = 0; r < rows; r++) cell.correct += right[r];
    return cell;
}

typedef enum SimulateKind {
    SIMULATE_FORGETS,  /* one method: the first task, right after its training and at the end */
    SIMULATE_KEEPS,    /* two that learned alike: they differ on the first task at the end */
    SIMULATE_LEARNING, /* two that differ on the second task, right after its training */
} SimulateKind;

/* Draw number `number`; lives in the arena. */
static Results simulate(Arena *arena, const Simulation *s, SimulateKind kind, uint32_t number)
{
    static const char *methods[] = {"a", "b"};
    static ResultMethodInfo infos[2] = {{.base = "a", .about = "", .cite = ""}, {.base = "b", .about = "", .cite = ""}};
    ResultTask *tasks = arena_new(arena, ResultTask, 2);
    for (int j = 0; j < 2; j++)
        tasks[j] = (ResultTask){.name = j ? "second" : "first",
                                .train = "",
                                .eval = "",
                                .classes = 2,
                                .eval_rows = s->rows,
                                .majority_rate = 0.4};
    Results r = {.version = "0",
                 .preset = "",
                 .device = "",
                 .model = "m",
                 .acquaintance = "",
                 .tasks = tasks,
                 .methods = methods,
                 .method_info = infos,
                 .task_count = 2,
                 .method_count = kind == SIMULATE_FORGETS ? 1 : 2,
                 .seed_count = s->seeds,
                 .finished = true};
    bool *first = arena_new(arena, bool, s->rows), *second = arena_new(arena, bool, s->rows);
    for (int m = 0; m < r.method_count; m++)
        for (int seed = 0; seed < s->seeds; seed++) {
            ResultRun *run = dyn_push(arena, &r.runs);
            *run = (ResultRun){.method = m,
                               .seed = (uint32_t)seed + 1,
                               .finished = true,
                               .matrix = arena_new(arena, Evaluation, 4),
                               .curves = arena_new(arena, ResultCurve, 2),
                               .old = arena_new(arena, ResultOld *, 4),
                               .probe = arena_new(arena, ResultShare, 6)};
            simulate_rows(s, number, seed, first, second);
            const Evaluation before = simulate_cell(arena, first, s->rows),
                             after = simulate_cell(arena, second, s->rows);
            run->matrix[0] = before;
            run->matrix[2] = kind == SIMULATE_FORGETS || (kind == SIMULATE_KEEPS && m) ? after : before;
            run->matrix[3] = kind == SIMULATE_LEARNING && m ? after : before;
        }
    return r;
}

/* Of `draws` the share in which it is said: "forgot"; that one method keeps more; that one ends higher; "matched". */
static double simulate_forgot(const Simulation *s, uint32_t draws)
{
    uint32_t said = 0;
    for (uint32_t i = 0; i < draws; i++) {
        Arena arena = {0};
        const Results r = simulate(&arena, s, SIMULATE_FORGETS, i);
        said += verdict_change(&r, 0, 0).verdict == VERDICT_FORGOT;
        arena_free(&arena);
    }
    return (double)said / draws;
}

static void simulate_pairs(const Simulation *s, SimulateKind kind, uint32_t draws, double *keeps, double *ends,
                           double *matched)
{
    uint32_t said[3] = {0};
    for (uint32_t i = 0; i < draws; i++) {
        Arena arena = {0};
        const Results r = simulate(&arena, s, kind, i);
        const Comparison c = compare_methods(&arena, &r);
        said[0] += c.pair_count && compare_winner(&c.pairs[0]) >= 0;
        said[1] += compare_higher(&c.ends[0]) >= 0;
        said[2] += c.pair_count && c.pairs[0].state == PAIR_COMPARED;
        arena_free(&arena);
    }
    *keeps = (double)said[0] / draws;
    *ends = (double)said[1] / draws;
    *matched = (double)said[2] / draws;
}
