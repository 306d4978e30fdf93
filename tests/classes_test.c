/* classes: what a table of true and predicted classes says, against scikit-learn's numbers, and how often its intervals
 * hold the truth. */

static void test_scores_of_classes(void **state)
{
    (void)state;
    Arena arena = {0};
    const uint32_t label[12] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2}, said[12] = {0, 1, 0, 2, 1, 1, 0, 0, 1, 0, 2, 1};
    /* sklearn.metrics.precision_recall_fscore_support, f1_score(average="macro"), matthews_corrcoef */
    static const double precision[] = {0.4, 0.4, 0.5}, recall[] = {0.5, 2.0 / 3, 0.2}, f1[] = {4.0 / 9, 0.5, 2.0 / 7};
    static const uint32_t confusion[] = {2, 1, 1, 1, 2, 0, 2, 2, 1};
    const ClassScore *scores = measure_classes(&arena, label, said, 12, 4);
    for (int c = 0; c < 3; c++) {
        expect_near(scores[c].precision, precision[c]);
        expect_near(scores[c].recall, recall[c]);
        expect_near(scores[c].f1, f1[c]);
    }
    assert_true(isnan(scores[3].precision) && isnan(scores[3].recall) && isnan(scores[3].f1));
    assert_memory_equal(measure_confusion(&arena, label, said, 12, 3), confusion, sizeof confusion);
    expect_near(measure_metric(METRIC_ACCURACY, label, said, 12, 3), 5 / 12.0);
    expect_near(measure_metric(METRIC_MACRO_F1, label, said, 12, 3), 0.41005291005291006);
    expect_near(measure_metric(METRIC_MCC, label, said, 12, 3), 0.16308201826336055);
    /* a class that is there and never said counts with F1 0; one that neither is nor is said does not count */
    const uint32_t never[6] = {0, 0, 1, 1, 2, 2}, said_never[6] = {0, 0, 0, 1, 0, 0};
    expect_near(measure_metric(METRIC_MACRO_F1, never, said_never, 6, 4), 0.41269841269841273);
    expect_near(measure_metric(METRIC_MCC, never, said_never, 6, 4), 0.3872983346207417);
    assert_true(isnan(measure_classes(&arena, never, said_never, 6, 4)[2].precision));
    const uint32_t odd[4] = {0, 0, 1, 1}, said_odd[4] = {0, 0, 2, 1}, one[4] = {0, 0, 0, 0};
    expect_near(measure_metric(METRIC_MACRO_F1, odd, said_odd, 4, 3), 5.0 / 9);
    expect_near(measure_metric(METRIC_MCC, odd, said_odd, 4, 3), 0.6708203932499369);
    expect_near(measure_metric(METRIC_MCC, odd, one, 4, 2), 0);
    expect_near(measure_metric(METRIC_MACRO_F1, odd, one, 4, 2), 1.0 / 3);
    arena_free(&arena);
}

static void test_values_of_rows(void **state)
{
    (void)state;
    const uint32_t values[4] = {0, 9, 15, 16};
    uint32_t back[4];
    char hex[16];
    static const char *const bad[] = {"0009101", "000910100", "0009101G", "0009101F", "00091011", ""};
    assert_int_equal(rows_values_width(0), 1);
    assert_int_equal(rows_values_width(15), 1);
    assert_int_equal(rows_values_width(16), 2);
    assert_int_equal(rows_values_width(CONFIDENCE_STEPS), 3);
    rows_values_print(values, 4, 2, hex);
    assert_string_equal(hex, "00090f10");
    assert_true(rows_values_parse(S("00090f10"), 4, 16, back));
    assert_memory_equal(back, values, sizeof values);
    for (size_t i = 0; i < COUNT(bad); i++) assert_false(rows_values_parse(str(bad[i]), 4, 16, back));
}

static void test_calibration(void **state)
{
    (void)state;
    /* bins (9/15, 10/15], (12/15, 13/15], (14/15, 1]; 1/15 itself belongs to the first */
    const float confidence[6] = {0.62f, 0.66f, 0.81f, 0.85f, 0.99f, 1};
    const bool right[6] = {true, false, true, true, true, false};
    CalibrationBin bins[CALIBRATION_BINS];
    const double error = measure_calibration(confidence, right, 6, bins);
    assert_int_equal(bins[9].rows, 2);
    assert_int_equal(bins[12].correct, 2);
    assert_int_equal(bins[14].rows, 2);
    assert_true(fabs(bins[9].confidence - 0.64) < 1e-6);
    assert_true(fabs(error - (fabs(1 - 1.28) + fabs(2 - 1.66) + fabs(1 - 1.99)) / 6) < 1e-6);
    const float edge[2] = {(float)(1.0 / 15), 0};
    measure_calibration(edge, right, 2, bins);
    assert_int_equal(bins[0].rows + bins[1].rows, 2);
    assert_true(bins[0].rows >= 1);
}

/* ---- how often an interval holds the truth ---- */

enum { BOOT_ROWS = 200, BOOT_TRIALS = 150 };

/* Three classes, 50, 30 and 20% of the rows; class c has its own label with chance own[c], else the next one. */
static void boot_rows(uint32_t trial, uint32_t which, const double own[3], uint32_t *label, uint32_t *said)
{
    for (uint32_t r = 0; r < BOOT_ROWS; r++) {
        const double a = made_random(r, trial, 900, 0), b = made_random(r, trial, 901 + which, 1);
        label[r] = a < 0.5 ? 0 : a < 0.8 ? 1 : 2;
        said[r] = b < own[label[r]] ? label[r] : (label[r] + 1) % 3;
    }
}

static double boot_truth(const double own[3])
{
    const double share[3] = {0.5, 0.3, 0.2};
    double sum = 0;
    for (int c = 0; c < 3; c++) {
        const int before = (c + 2) % 3;
        const double right = share[c] * own[c], predicted = right + share[before] * (1 - own[before]);
        sum += 2 * right / (share[c] + predicted) / 3;
    }
    return sum;
}

/* The interval of a macro-F1, and of the difference of two evaluations of the same rows. */
static void test_bootstrap_holds_the_truth(void **state)
{
    (void)state;
    static const double own[2][3] = {{0.8, 0.7, 0.4}, {0.6, 0.7, 0.5}};
    const double truth = boot_truth(own[0]), fell = boot_truth(own[1]) - truth;
    int held = 0, held_change = 0;
    Arena arena = {0};
    uint32_t label[BOOT_ROWS], said[2][BOOT_ROWS];
    const uint32_t *const both[2] = {said[0], said[1]};
    double *draws = arena_new(&arena, double, 2 * METRICS * BOOTSTRAP_DRAWS);
    for (uint32_t trial = 0; trial < BOOT_TRIALS; trial++) {
        for (uint32_t k = 0; k < 2; k++) boot_rows(trial, k, own[k], label, said[k]);
        measure_bootstrap(label, BOOT_ROWS, 3, both, 2, 0, draws);
        double *first = draws + METRIC_MACRO_F1 * BOOTSTRAP_DRAWS, *second = first + METRICS * BOOTSTRAP_DRAWS;
        const Interval one = measure_bootstrap_interval(first);
        held += one.low <= truth && truth <= one.high;
        for (int d = 0; d < BOOTSTRAP_DRAWS; d++) second[d] -= first[d];
        const Interval change = measure_bootstrap_interval(second);
        held_change += change.low <= fell && fell <= change.high;
    }
    if (held < 0.9 * BOOT_TRIALS || held > 0.99 * BOOT_TRIALS || held_change < 0.9 * BOOT_TRIALS)
        fail_msg("of %d intervals %d hold the truth, of differences %d", BOOT_TRIALS, held, held_change);
    arena_free(&arena);
}

/* The same rows in each draw, whatever stands beside; another stream, other rows; no width, no interval. */
static void test_bootstrap_is_paired(void **state)
{
    (void)state;
    Arena arena = {0};
    uint32_t label[BOOT_ROWS], said[2][BOOT_ROWS];
    static const double own[3] = {0.8, 0.7, 0.4};
    double *alone = arena_new(&arena, double, METRICS *BOOTSTRAP_DRAWS),
           *two = arena_new(&arena, double, 2 * METRICS * BOOTSTRAP_DRAWS);
    for (uint32_t k = 0; k < 2; k++) boot_rows(7, k, own, label, said[k]);
    const uint32_t *const both[2] = {said[0], said[1]};
    measure_bootstrap(label, BOOT_ROWS, 1000000, both + 1, 1, 3, alone); /* many classes that do not occur */
    measure_bootstrap(label, BOOT_ROWS, 3, both, 2, 3, two);
    assert_memory_equal(alone, two + METRICS * BOOTSTRAP_DRAWS, METRICS * BOOTSTRAP_DRAWS * sizeof *alone);
    int same = 0; /* each draw is another */
    for (int d = 1; d < BOOTSTRAP_DRAWS; d++)
        same += alone[METRIC_MCC * BOOTSTRAP_DRAWS + d] == alone[METRIC_MCC * BOOTSTRAP_DRAWS + d - 1];
    assert_true(same < 10);
    measure_bootstrap(label, BOOT_ROWS, 3, both + 1, 1, 4, two);
    assert_memory_not_equal(alone, two, BOOTSTRAP_DRAWS * sizeof *alone);
    const uint32_t *const right[1] = {label};
    measure_bootstrap(label, BOOT_ROWS, 3, right, 1, 0, alone);
    assert_true(isnan(measure_bootstrap_interval(alone).low));
    arena_free(&arena);
}

static const struct CMUnitTest classes_tests[] = {
    cmocka_unit_test(test_scores_of_classes),   cmocka_unit_test(test_values_of_rows),
    cmocka_unit_test(test_calibration),         cmocka_unit_test(test_bootstrap_holds_the_truth),
    cmocka_unit_test(test_bootstrap_is_paired),
};
