/* The rules of the verdict on constructed runs. */

static void test_verdicts(void **state)
{
    (void)state;
    static const struct {
        Story story;
        Verdict verdict;
    } cases[] = {
        {{"full", 150, 120, 120, 40, 10}, VERDICT_FORGOT},
        {{"full", 150, 144, 120, 6, 0}, VERDICT_FORGOT},     /* p = 0.031 */
        {{"full", 150, 145, 120, 5, 0}, VERDICT_NOT_SHOWN},  /* p = 0.063 */
        {{"full", 150, 142, 120, 10, 2}, VERDICT_FORGOT},    /* p = 0.039 */
        {{"full", 150, 143, 120, 10, 3}, VERDICT_NOT_SHOWN}, /* p = 0.092 */
        {{"full", 150, 156, 120, 0, 6}, VERDICT_GAINED},
        {{"full", 150, 150, 120, 20, 20}, VERDICT_NOT_SHOWN},
        {{"full", 150, 140, 120, -1, -1}, VERDICT_UNCLEAR},   /* 10 lost, or 60 lost and 50 gained */
        {{"full", 150, 90, 120, -1, -1}, VERDICT_FORGOT},     /* whatever the rows */
        {{"full", 100, 100, 120, 0, 0}, VERDICT_NOT_LEARNED}, /* exactly the majority rate */
        {{"full", 107, 107, 120, 0, 0}, VERDICT_NOT_LEARNED}, /* 53.5%: not above 50% */
        {{"full", 107, 60, 120, 47, 0}, VERDICT_NOT_LEARNED}, /* even with a drop */
        {{"lora", 150, 150, 120, 0, 0}, VERDICT_BY_CONSTRUCTION},
        {{"lora", 107, 107, 120, 0, 0}, VERDICT_NOT_LEARNED}, /* not learned comes first */
        {{"lora-seq", 150, 150, 120, 0, 0}, VERDICT_NOT_SHOWN},
        {{"lora", 150, 120, 120, 30, 0}, VERDICT_FORGOT}, /* the numbers are believed, not the name */
        {{"frozen", 150, 150, 120, 0, 0}, VERDICT_BY_CONSTRUCTION},
        {{"joint", 150, 120, 120, 30, 0}, VERDICT_CEILING},
        {{"joint", 107, 107, 120, 0, 0}, VERDICT_NOT_LEARNED},
        {{"wise-ft", 150, 120, 120, 30, 0}, VERDICT_FORGOT},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = {0};
        const Results *r = story_results(&arena, &cases[i].story, 1, "1");
        const Verdict got = verdict_change(r, 0, 0).verdict;
        if (got != cases[i].verdict)
            fail_msg("case %zu: %s, wanted %s", i, verdict_words[got], verdict_words[cases[i].verdict]);
        arena_free(&arena);
    }
    /* the border of "learned": the Wilson interval of 114 of 200 begins at 0.5006, that of 113 at 0.4956 */
    assert_true(measure_learned(114, 200, 0.5));
    assert_false(measure_learned(113, 200, 0.5));
}

static void test_verdicts_over_seeds(void **state)
{
    (void)state;
    Arena arena = {0};
    const Story sure[] = {
        {"full", 150, 120, 120, 40, 10}, {"full", 152, 121, 120, 40, 9}, {"full", 149, 120, 120, 40, 11}};
    const Story noise[] = {{"full", 150, 120, 120, 40, 10},
                           {"full", 150, 155, 120, 5, 10},
                           {"full", 150, 149, 120, 2, 1}}; /* 47 lost, 21 gained: the rows say so, the seeds do not */
    const Story little[] = {
        {"full", 150, 147, 120, 8, 5}, {"full", 150, 155, 120, 5, 10}, {"full", 150, 149, 120, 2, 1}};
    const Story missed[] = {
        {"full", 150, 120, 120, 40, 10}, {"full", 101, 101, 120, 0, 0}, {"full", 149, 120, 120, 40, 11}};
    /* a row or two with every seed: no variation over seeds, but a row counts once, however many seeds agree on it */
    const Story one_row[] = {
        {"full", 150, 149, 120, 1, 0}, {"full", 150, 149, 120, 1, 0}, {"full", 150, 149, 120, 1, 0}};
    const Story two_rows[] = {
        {"full", 150, 148, 120, 2, 0}, {"full", 150, 148, 120, 2, 0}, {"full", 150, 148, 120, 2, 0}};
    assert_int_equal(verdict_change(story_results(&arena, one_row, 3, "1,2,3"), 0, 0).verdict, VERDICT_NOT_SHOWN);
    assert_int_equal(verdict_change(story_results(&arena, two_rows, 3, "1,2,3"), 0, 0).verdict, VERDICT_NOT_SHOWN);
    assert_int_equal(verdict_change(story_results(&arena, sure, 3, "1,2,3"), 0, 0).verdict, VERDICT_FORGOT);
    assert_int_equal(verdict_change(story_results(&arena, noise, 3, "1,2,3"), 0, 0).verdict, VERDICT_UNCLEAR);
    assert_int_equal(verdict_change(story_results(&arena, little, 3, "1,2,3"), 0, 0).verdict, VERDICT_NOT_SHOWN);
    assert_int_equal(verdict_change(story_results(&arena, missed, 3, "1,2,3"), 0, 0).verdict, VERDICT_NOT_LEARNED);
    arena_free(&arena);
}

/* One method on three tasks of 200 rows: which of the first task's rows are right after each, and in looks at the first
 * 100 rows while the second trains. */
typedef struct Chained {
    ResultTask tasks[3];
    Evaluation matrix[9];
    ResultOld before, *old[9];
    ResultPoint looks[3];
    ResultMethodInfo info;
    ResultRun run;
    Results results;
    bool right[4][200], of[200], seen[3][200];
} Chained;

static Evaluation chained_cell(bool *right, uint32_t correct)
{
    for (uint32_t r = 0; r < 200; r++) right[r] = r < correct;
    return (Evaluation){.rows = 200, .correct = correct, .right = right};
}

/* own, between and last: right rows of task 1 after each task; lowest: of the 100 rows in the second of three looks. */
static Results *chained(Chained *c, int tasks, uint32_t own, uint32_t between, uint32_t last, uint32_t lowest)
{
    static const char *const names[] = {"a", "b", "c"};
    static const char *method = "full";
    *c = (Chained){.info = {.base = method}, .run = {.seed = 1, .finished = true}};
    for (int j = 0; j < 3; j++)
        c->tasks[j] = (ResultTask){.name = names[j], .majority_rate = 0.5, .eval_rows = 200, .classes = 2};
    const uint32_t rows[3] = {own, tasks == 3 ? between : last, last};
    for (int i = 0; i < tasks; i++)
        for (int j = 0; j <= i; j++)
            c->matrix[i * tasks + j] = j ? chained_cell(c->right[3], 150) : chained_cell(c->right[i], rows[i]);
    for (int i = 1; i < tasks; i++) {
        Evaluation *cell = &c->matrix[i * tasks];
        cell->paired = true;
        cell->lost = own > rows[i] ? own - rows[i] : 0;
        cell->gained = rows[i] > own ? rows[i] - own : 0;
    }
    for (uint32_t r = 0; r < 200; r++) c->of[r] = r < 100;
    for (int k = 0; k < 3; k++) {
        const uint32_t correct = k == 1 ? lowest : 100;
        chained_cell(c->seen[k], correct);
        c->looks[k] = (ResultPoint){.step = 10 * (uint32_t)(k + 1), .rows = 100, .correct = correct};
        c->looks[k].look = (Look){c->of, c->seen[k]};
    }
    c->before.curve.at = c->looks;
    c->before.curve.count = c->before.curve.capacity = 3;
    c->old[tasks] = &c->before;
    c->run.matrix = c->matrix;
    c->run.old = c->old;
    c->results = (Results){.tasks = c->tasks,
                           .task_count = tasks,
                           .methods = &method,
                           .method_info = &c->info,
                           .method_count = 1,
                           .seed_count = 1,
                           .finished = true,
                           .runs = {&c->run, 1, 1}};
    return &c->results;
}

/* A method that fell and came back is not one that never fell; one that did not come back forgot. */
static void test_forgot_and_relearned(void **state)
{
    (void)state;
    Arena arena = {0};
    Chained c;
    const Results *r = chained(&c, 2, 150, 0, 149, 60);
    const Change deep = verdict_change(r, 0, 0);
    assert_int_equal(deep.verdict, VERDICT_RELEARNED);
    assert_true(fabs(deep.lowest - 0.6) < 1e-9);
    assert_string_equal(verdict_short(&arena, r, 0), "re-learned");
    assert_non_null(strstr(verdict_remark(&arena, r, 0), "forgot on the way, down to 60.0%, and re-learned"));
    assert_int_equal(verdict_change(chained(&c, 2, 150, 0, 149, 99), 0, 0).verdict, VERDICT_NOT_SHOWN);
    assert_int_equal(verdict_change(chained(&c, 2, 150, 0, 90, 60), 0, 0).verdict, VERDICT_FORGOT);
    /* the border: the smallest p of three looks, times three */
    uint32_t border = 99;
    while (3 * measure_mcnemar(100 - border, 0) >= 0.05) border--;
    assert_int_equal(verdict_change(chained(&c, 2, 150, 0, 149, border), 0, 0).verdict, VERDICT_RELEARNED);
    assert_int_equal(verdict_change(chained(&c, 2, 150, 0, 149, border + 1), 0, 0).verdict, VERDICT_NOT_SHOWN);
    /* it is not recorded which rows were right at the end */
    r = chained(&c, 2, 150, 0, 149, 60);
    c.matrix[2].right = NULL;
    assert_int_equal(verdict_change(r, 0, 0).verdict, VERDICT_NOT_SHOWN);
    arena_free(&arena);
}

/* The same by the matrix of three tasks: 150, then 110, then 149 of 200. */
static void test_relearned_in_a_chain(void **state)
{
    (void)state;
    Chained c;
    const Change fell = verdict_change(chained(&c, 3, 150, 110, 149, 100), 0, 0);
    assert_int_equal(fell.verdict, VERDICT_RELEARNED);
    assert_true(fabs(fell.lowest - 110.0 / 200) < 1e-9);
    assert_int_equal(verdict_change(chained(&c, 3, 150, 147, 149, 100), 0, 0).verdict, VERDICT_NOT_SHOWN);
}

/* ---- Comparing methods ---- */

static Comparison story_comparison(Arena *arena, const Story *stories, int count, const char *seeds)
{
    return compare_methods(arena, story_results(arena, stories, count, seeds));
}

/* Two methods that learned alike, and a third number of rows right at the end. */
static void test_matched_pairs(void **state)
{
    (void)state;
    static const struct {
        Story a, b;
        PairState state;
        int winner; /* -1: none */
    } cases[] = {
        {{"full", 150, 120, 120, 30, 0}, {"ewc", 150, 126, 120, 24, 0}, PAIR_COMPARED, 1},   /* 6 rows, p = 0.031 */
        {{"full", 150, 120, 120, 30, 0}, {"ewc", 150, 125, 120, 25, 0}, PAIR_COMPARED, -1},  /* 5 rows, p = 0.063 */
        {{"full", 150, 120, 120, 30, 0}, {"ewc", 150, 120, 120, 30, 0}, PAIR_COMPARED, -1},  /* identical */
        {{"full", 150, 140, 120, 10, 0}, {"ewc", 150, 100, 125, 50, 0}, PAIR_COMPARED, 0},   /* b: 5 rows, p = 0.063 */
        {{"full", 150, 140, 120, 10, 0}, {"ewc", 150, 100, 126, 50, 0}, PAIR_UNMATCHED, -1}, /* b: 6 rows, p = 0.031 */
        {{"full", 150, 140, 120, 10, 0}, {"ewc", 156, 100, 120, 56, 0}, PAIR_UNMATCHED, -1}, /* a: 6 rows */
        {{"full", 150, 140, 120, 10, 0}, {"ewc", 150, 100, 120, -1, -1}, PAIR_UNKNOWN, -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = {0};
        const Story two[] = {cases[i].a, cases[i].b};
        const Comparison c = story_comparison(&arena, two, 2, "1");
        assert_int_equal(c.pair_count, 1);
        if (c.pairs[0].state != cases[i].state || compare_winner(&c.pairs[0]) != cases[i].winner)
            fail_msg("case %zu: state %d, winner %d, p %g", i, c.pairs[0].state, compare_winner(&c.pairs[0]),
                     c.pairs[0].p);
        arena_free(&arena);
    }
}

/* What did not learn, cannot forget, or is a bound takes no part, whatever its numbers. */
static void test_who_is_ranked(void **state)
{
    (void)state;
    Arena arena = {0};
    const Story stories[] = {{"full", 150, 100, 120, 50, 0},  {"lora", 150, 150, 120, 0, 0},
                             {"ewc", 107, 107, 120, 0, 0},    {"replay", 150, 149, 68, 1, 0},
                             {"lwf", 150, 140, 120, 10, 0},   {"joint", 150, 160, 120, 0, 10},
                             {"frozen", 150, 150, 120, 0, 0}, {"wise-ft", 150, 148, 120, 2, 0}};
    const Results *r = story_results(&arena, stories, COUNT(stories), "1");
    const Comparison c = compare_methods(&arena, r);
    assert_int_equal(c.method_count, 2);
    assert_int_equal(c.methods[0], 0);
    assert_int_equal(c.methods[1], 4);
    assert_int_equal(compare_leader(r, &c), 4);
    static const char *const words[] = {"forgot", "cannot forget", "not learned", "not learned",
                                        "forgot", "ceiling",       "floor",       "no drop shown"};
    for (int m = 0; m < r->method_count; m++) assert_string_equal(verdict_short(&arena, r, m), words[m]);
    const char *sentences[VERDICT_SENTENCES], *all = "";
    for (int i = 0, n = verdict_sentences(&arena, r, sentences); i < n; i++)
        all = arena_printf(&arena, "%s%s\n", all, sentences[i]);
    static const char *const wanted[] = {
        "25.0 points with full and 5.0 points with lwf",
        ("At matched learning lwf leads: 70.0% of a is right at the end, beyond chance more than with full (one pair, "
         "so no correction)"),
        "lora cannot forget",
        "frozen is the floor",
        "joint is the ceiling",
        "wise-ft averages the weights",
        "ewc did not learn a",
        "replay did not learn b: what is kept beside a task that was not learned proves little.",
    };
    for (size_t i = 0; i < COUNT(wanted); i++)
        if (!strstr(all, wanted[i])) fail_msg("\"%s\" is missing in\n%s", wanted[i], all);
    assert_null(strstr(all, "did not forget"));
    assert_null(strstr(all, "replay the change")); /* no praise for what learned nothing new */
    arena_free(&arena);
}

/* Of 15 methods all but one are alike; the one keeps `more` rows more. 14 of 105 pairs are its own, and Holm asks of
 * the smallest p that it be below 0.05 / 105: 12 rows (p = 0.00049) are too few, 13 (0.00024) suffice. */
static void test_fifteen_methods(void **state)
{
    (void)state;
    for (int more = 6; more <= 13; more++) {
        Arena arena = {0};
        Story stories[15];
        for (int m = 0; m < 15; m++) stories[m] = (Story){arena_printf(&arena, "m%d", m), 150, 120, 120, 30, 0};
        stories[7].kept += more;
        stories[7].lost -= more;
        const Results *r = story_results(&arena, stories, 15, "1");
        const Comparison c = compare_methods(&arena, r);
        assert_int_equal(c.pair_count, 105);
        assert_int_equal(c.compared, 105);
        assert_int_equal(compare_leader(r, &c), more < 13 ? -1 : 7);
        assert_int_equal(compare_standing(&c, 7).won, more < 13 ? 0 : 14);
        const char *words = verdict_ranking(&arena, r, &c);
        if (!strstr(words, more < 13
                               ? "No ranking is possible: of 105 pairs"
                               : "m7 leads: 66.5% of a is right at the end, beyond chance more than with 14 methods"))
            fail_msg("%s", words);
        arena_free(&arena);
    }
}

static void test_pairs_over_seeds(void **state)
{
    (void)state;
    Arena arena = {0};
    /* differences of 10, 11 and 12 points: t = 19.05 with 2 degrees, p = 0.0027 */
    const Story sure[] = {{"full", 150, 120, 120, 30, 0}, {"full", 150, 122, 120, 28, 0},
                          {"full", 150, 118, 120, 32, 0}, {"ewc", 150, 140, 120, 10, 0},
                          {"ewc", 150, 144, 120, 6, 0},   {"ewc", 150, 142, 120, 8, 0}};
    Comparison c = story_comparison(&arena, sure, 6, "1,2,3");
    assert_int_equal(compare_winner(&c.pairs[0]), 1);
    assert_int_equal(c.pairs[0].seeds, 3);
    assert_true(fabs(c.pairs[0].p - 0.002745) < 1e-5);
    /* 3, 11 and 19 points: p = 0.14 */
    Story noise[6];
    memcpy(noise, sure, sizeof noise);
    noise[3] = (Story){"ewc", 150, 126, 120, 24, 0};
    noise[5] = (Story){"ewc", 150, 156, 120, 0, 6};
    c = story_comparison(&arena, noise, 6, "1,2,3");
    assert_int_equal(c.pairs[0].state, PAIR_COMPARED);
    assert_int_equal(compare_winner(&c.pairs[0]), -1);
    /* ewc learns b better with every seed: by 1, 2 and 3 rows within the margin; by 11, 12 and 13 rows, more; by 12, 24
     * and 36 rows, 6 to 18 points, where the seeds alone have p = 0.074, neither */
    static const struct {
        int least, step;
        PairState state;
    } steps[] = {{1, 1, PAIR_COMPARED}, {11, 1, PAIR_UNMATCHED}, {12, 12, PAIR_TOO_FEW}};
    for (size_t k = 0; k < COUNT(steps); k++) {
        Story better[6];
        memcpy(better, sure, sizeof better);
        for (int i = 0; i < 3; i++) better[3 + i].second += steps[k].least + i * steps[k].step;
        c = story_comparison(&arena, better, 6, "1,2,3");
        assert_int_equal(c.pairs[0].state, steps[k].state);
    }
    /* one row more with every seed, another each time: not beyond chance */
    Story row[6];
    memcpy(row, sure, sizeof row);
    for (int i = 0; i < 3; i++) row[3 + i] = (Story){"ewc", 150, row[i].kept + 1, 120, row[i].lost - 1, 0};
    c = story_comparison(&arena, row, 6, "1,2,3");
    assert_true(c.pairs[0].state == PAIR_COMPARED && fabs(c.pairs[0].p - 0.25) < 1e-9);
    /* one of three seeds did not learn: out */
    Story missed[6];
    memcpy(missed, sure, sizeof missed);
    missed[4] = (Story){"ewc", 107, 107, 120, 0, 0};
    const Results *r = story_results(&arena, missed, 6, "1,2,3");
    assert_int_equal(compare_methods(&arena, r).method_count, 1);
    assert_string_equal(verdict_short(&arena, r, 1), "not learned");
    assert_non_null(strstr(verdict_remark(&arena, r, 1), "did not learn a with 1 of 3 seeds"));
    arena_free(&arena);
}

/* ---- A strategy that has changed nothing ---- */

static void test_idle_strategies(void **state)
{
    (void)state;
    Arena arena = {0};
    /* two seeds each: si as full with both, mas with one, l2sp but for one row; a bound is no strategy */
    const Story stories[] = {{"full", 150, 120, 120, 40, 10},    {"full", 152, 121, 120, 40, 9},
                             {"si", 150, 120, 120, 40, 10},      {"si", 152, 121, 120, 40, 9},
                             {"mas", 150, 120, 120, 40, 10},     {"mas", 152, 121, 121, 40, 9},
                             {"l2sp", 150, 120, 120, 40, 10},    {"l2sp", 152, 121, 120, 41, 10},
                             {"wise-ft", 150, 120, 120, 40, 10}, {"wise-ft", 152, 121, 120, 40, 9}};
    const char *said = verdict_idle(&arena, story_results(&arena, stories, COUNT(stories), "1,2"));
    assert_string_equal(said, "si had the very same rows right as full: at its strength it held nothing back.");
    assert_null(verdict_idle(&arena, story_results(&arena, stories + 4, COUNT(stories) - 4, "1,2"))); /* without full */
    const Story untold[] = {{"full", 150, 120, 120, -1, -1}, {"si", 150, 120, 120, -1, -1}};
    assert_null(verdict_idle(&arena, story_results(&arena, untold, COUNT(untold), "1")));
    arena_free(&arena);
}

/* ---- What is forgotten ---- */

static void test_forgotten_rows(void **state)
{
    (void)state;
    Arena arena = {0};
    const Story stories[] = {{"full", 150, 120, 120, 40, 10},
                             {"lora", 150, 150, 120, 0, 0},
                             {"ewc", 150, 145, 120, 5, 0},
                             {"lwf", 107, 60, 120, 47, 0}};
    const Results *r = story_results(&arena, stories, COUNT(stories), "1");
    const Forgotten all = report_forgotten(&arena, r, -1, 0), one = report_forgotten(&arena, r, 0, 0),
                    none = report_forgotten(&arena, r, 3, 0);
    assert_int_equal(all.methods, 2); /* lora cannot forget, lwf did not learn */
    assert_int_equal(all.row_count, 40);
    assert_int_equal(all.by_all, 5);
    for (int i = 0; i < 40; i++) assert_int_equal(all.rows[i].methods, i < 5 ? 2 : 1);
    assert_int_equal(all.rows[4].row, 5);
    assert_int_equal(one.row_count, 40);
    assert_int_equal(none.runs, 0);
    arena_free(&arena);
}

static const struct CMUnitTest verdict_tests[] = {
    cmocka_unit_test(test_verdicts),
    cmocka_unit_test(test_verdicts_over_seeds),
    cmocka_unit_test(test_forgot_and_relearned),
    cmocka_unit_test(test_relearned_in_a_chain),
    cmocka_unit_test(test_matched_pairs),
    cmocka_unit_test(test_who_is_ranked),
    cmocka_unit_test(test_fifteen_methods),
    cmocka_unit_test(test_pairs_over_seeds),
    cmocka_unit_test(test_idle_strategies),
    cmocka_unit_test(test_forgotten_rows),
};
