#pragma once
/* Random result sets, the degenerate ones too, by number: the same each time. */
#include <ctype.h>

#include "simulate.h"

static const char *const sentence_methods[] = {"full", "bravo", "charly", "delta", "echo", "golf"};

static uint32_t sentence_draw(uint32_t number, uint32_t place, uint32_t below)
{
    const uint32_t counter[4] = {number, place, 0, 0}, key[2] = {7, 16};
    uint32_t out[4];
    philox4x32(counter, key, out);
    return out[0] % below;
}

/* Result set `number`: 1 to 4 tasks, 1 to 6 methods of any kind, 1 to 20 seeds, 1 to 500 rows; some equal in all
 * seeds, some that learned nothing, some without recorded rows, some unfinished. */
static Results sentence_results(Arena *arena, uint32_t number)
{
    static const uint32_t rows[] = {1, 2, 20, 100, 200, 500};
    static const int seed_counts[] = {1, 1, 2, 3, 3, 20};
    const uint32_t n = rows[sentence_draw(number, 0, COUNT(rows))];
    const int tasks = 1 + (int)sentence_draw(number, 1, 4), methods = 1 + (int)sentence_draw(number, 2, 6),
              seeds = seed_counts[sentence_draw(number, 3, COUNT(seed_counts))];
    const bool equal = sentence_draw(number, 4, 4) == 0, untold = sentence_draw(number, 5, 6) == 0,
               cut = sentence_draw(number, 6, 6) == 0, one_class = sentence_draw(number, 7, 10) == 0,
               nothing = sentence_draw(number, 8, 8) == 0;
    static const char *const names[] = {"first", "second", "third", "fourth"};
    Results r = {.version = "0",
                 .preset = "",
                 .device = "",
                 .model = "m",
                 .acquaintance = "",
                 .task_count = tasks,
                 .method_count = methods,
                 .match_margin = (double[]){0, 0.02, 0.2}[sentence_draw(number, 9, 3)],
                 .seed_count = seeds,
                 .finished = !cut};
    r.tasks = arena_new(arena, ResultTask, (size_t)tasks);
    r.methods = (const char **)arena_copy(arena, sentence_methods, (size_t)methods * sizeof *sentence_methods);
    r.method_info = arena_new(arena, ResultMethodInfo, (size_t)methods);
    for (int j = 0; j < tasks; j++)
        r.tasks[j] = (ResultTask){.name = names[j],
                                  .train = "",
                                  .eval = "",
                                  .classes = one_class ? 1 : 2,
                                  .train_rows = 1234567,
                                  .eval_rows = n,
                                  .majority_rate = one_class ? 1 : 0.5};
    for (int m = 0; m < methods; m++) {
        const uint32_t kind = sentence_draw(number, 20 + (uint32_t)m, 12);
        const bool chosen = sentence_draw(number, 60 + (uint32_t)m, 3) == 0;
        static ResultSetting settings[] = {{"keep-epoch", "last", false}, {"keep-epoch", "eval", false}};
        r.method_info[m] = (ResultMethodInfo){.kind = kind < METHOD_KINDS ? (MethodKind)kind : METHOD_ORDINARY,
                                              .base = r.methods[m],
                                              .full = m == 0,
                                              .settings = &settings[chosen],
                                              .setting_count = 1,
                                              .about = "",
                                              .cite = ""};
    }
    for (int m = 0; m < methods; m++)
        for (int seed = 0; seed < seeds; seed++) {
            ResultRun *run = dyn_push(arena, &r.runs);
            *run = (ResultRun){.method = m,
                               .seed = (uint32_t)seed + 1,
                               .matrix = arena_new(arena, Evaluation, (size_t)(tasks * tasks)),
                               .curves = arena_new(arena, ResultCurve, (size_t)tasks),
                               .old = arena_new(arena, ResultOld *, (size_t)(tasks * tasks)),
                               .probe = arena_new(arena, ResultShare, (size_t)((tasks + 1) * tasks))};
            const bool stops = cut && m == methods - 1;
            const double drop = 0.05 * sentence_draw(number, 40 + (uint32_t)m, 5);
            for (int j = 0; j < tasks; j++) {
                const Simulation s = {n, seeds, 0.3, 0.25, drop};
                bool *first = arena_new(arena, bool, n), *second = arena_new(arena, bool, n);
                simulate_rows(&s, number * 100 + (uint32_t)(j ? m * 10 + j : 0), equal ? 0 : seed, first, second);
                for (int i = j; i < tasks && !(stops && i == tasks - 1); i++) {
                    bool *now = i > j && r.method_info[m].kind != METHOD_SEPARATE ? second : first;
                    for (uint32_t k = 0; k < n && nothing; k++) now[k] = k % 2;
                    Evaluation *cell = &run->matrix[i * tasks + j];
                    *cell = simulate_cell(arena, now, n);
                    if (untold) cell->right = NULL;
                }
            }
        }
    return r;
}

static bool sentence_names(const char *text, const char *name)
{
    for (const char *p = text; (p = strstr(p, name)); p++) {
        const char before = p > text ? p[-1] : ' ', after = p[strlen(name)];
        if (!isalnum((unsigned char)before) && !isalnum((unsigned char)after)) return true;
    }
    return false;
}
