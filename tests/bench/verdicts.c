/* How often the report says what is not so, and finds what is: simulated results through the report's own functions.
 *
 *     verdicts [DRAWS]
 *
 * Prints the tables of docs/measures.md. 25% of the rows change between two evaluations; the first evaluation is right
 * on 75%. All draws are counter-based: the same numbers each time. */
#define main lethe_main
#include "../../main.c"
#undef main

#include "../simulate.h"

static const uint32_t verdicts_rows[] = {200, 500, 2000};
static const int verdicts_seeds[] = {1, 3, 5, 10, 20};
static const double verdicts_correlations[] = {0, 0.15, 0.5};

static Simulation verdicts_at(size_t place, double drop)
{
    const size_t correlations = COUNT(verdicts_correlations), seeds = COUNT(verdicts_seeds);
    return (Simulation){.rows = verdicts_rows[place / correlations / seeds],
                        .seeds = verdicts_seeds[place / correlations % seeds],
                        .correlation = verdicts_correlations[place % correlations],
                        .churn = 0.25,
                        .drop = drop};
}

enum {
    VERDICTS_PLACES = COUNT(verdicts_rows) * COUNT(verdicts_seeds) * COUNT(verdicts_correlations),
    VERDICTS_COLUMNS = 8
};

typedef struct VerdictsTable {
    uint32_t draws;
    double share[VERDICTS_PLACES][VERDICTS_COLUMNS];
} VerdictsTable;

static bool verdicts_skipped(const Simulation *s) { return s->seeds == 1 && s->correlation > 0; }

static void verdicts_fill(void *context, size_t item, int thread)
{
    VerdictsTable *t = context;
    static const double drops[] = {0, 0.02, 0.05, 0.1};
    const size_t place = VERDICTS_PLACES - 1 - item; /* the longest first */
    (void)thread;
    const Simulation even = verdicts_at(place, 0), apart = verdicts_at(place, 0.05);
    if (verdicts_skipped(&even)) return;
    double *to = t->share[place], none;
    for (size_t d = 0; d < COUNT(drops); d++) {
        const Simulation s = verdicts_at(place, drops[d]);
        to[d] = simulate_forgot(&s, t->draws);
    }
    simulate_pairs(&even, SIMULATE_KEEPS, t->draws, &to[4], &to[5], &none);
    simulate_pairs(&apart, SIMULATE_LEARNING, t->draws, &none, &none, &to[6]);
    simulate_pairs(&even, SIMULATE_LEARNING, t->draws, &none, &none, &to[7]);
}

int main(int argc, char **argv)
{
    static VerdictsTable table;
    int64_t draws = 2000;
    if (argc > 2 || (argc > 1 && !parse_int(str(argv[1]), 1, 1000000, &draws))) {
        fprintf(stderr, "verdicts: a number of draws from 1 to 1000000 is needed\n");
        return EXIT_USAGE;
    }
    table.draws = (uint32_t)draws;
    threads_start(processors_available());
    parallel(VERDICTS_PLACES, verdicts_fill, &table);
    threads_stop();
    printf(
        "In %% of %lld draws. \"forgot\" where the true drop is 0, 2, 5 and 10 points; of two methods alike that one "
        "keeps more, and that one ends higher; \"matched\" where the true difference is 5 points, and where it is "
        "0.\n\n",
        (long long)draws);
    printf(
        "| rows | seeds | correlation | forgot at 0 | at 2 | at 5 | at 10 | keeps more | ends higher | matched at 5 | "
        "at 0 |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    for (size_t i = 0; i < VERDICTS_PLACES; i++) {
        const Simulation s = verdicts_at(i, 0);
        if (verdicts_skipped(&s)) continue;
        printf("| %u | %d | %g |", s.rows, s.seeds, s.correlation);
        for (int c = 0; c < VERDICTS_COLUMNS; c++) printf(" %.1f |", 100 * table.share[i][c]);
        printf("\n");
    }
    return EXIT_OK;
}
