/* measures: figures against closed formulas, and against numbers worked out by hand on small cases. */

static void expect_near(double got, double wanted)
{
    if (!(fabs(got - wanted) < 1e-9)) fail_msg("got %.12g, wanted %.12g", got, wanted);
}

static void test_measures(void **state)
{
    (void)state;
    static const struct {
        uint32_t correct, rows;
        double low, high;
    } wilson[] = {
        {0, 10, 0, 0.2775327998628892},
        {10, 10, 0.7224672001371107, 1},
        {154, 200, 0.7069169563469642, 0.8229065674093119},
        {1, 3, 0.06149194472039615, 0.7923403991979523},
    };
    for (size_t i = 0; i < COUNT(wilson); i++) {
        const Interval got = measure_wilson(wilson[i].correct, wilson[i].rows);
        expect_near(got.low, wilson[i].low);
        expect_near(got.high, wilson[i].high);
    }
    static const struct {
        uint64_t lost, gained;
        double p;
    } mcnemar[] = {{0, 0, 1},       {5, 0, 0.0625},         {6, 0, 0.03125},
                   {0, 6, 0.03125}, {10, 2, 0.03857421875}, {15, 5, 0.04138946533203125},
                   {30, 30, 1}};
    for (size_t i = 0; i < COUNT(mcnemar); i++)
        expect_near(measure_mcnemar(mcnemar[i].lost, mcnemar[i].gained), mcnemar[i].p);
    assert_true(fabs(measure_t_quantile(1) - 12.706) < 1e-3 && fabs(measure_t_quantile(2) - 4.303) < 1e-3 &&
                fabs(measure_t_quantile(30) - 2.042) < 1e-3);
    /* three tasks: 0.9, then 0.5 0.8, then 0.6 0.7 0.95 */
    const double r[9] = {0.9, NAN, NAN, 0.5, 0.8, NAN, 0.6, 0.7, 0.95};
    expect_near(measure_average_accuracy(r, 3), 0.75);
    expect_near(measure_learning_accuracy(r, 3), (0.9 + 0.8 + 0.95) / 3);
    expect_near(measure_backward_transfer(r, 3), -0.2);
    expect_near(measure_forgetting(r, 3, FORGETTING_FIRST_LAST), 0.2);
    expect_near(measure_forgetting_of(r, 3, 0, FORGETTING_MAX_BEFORE_LAST), 0.3);
    assert_true(isnan(measure_backward_transfer(r, 1)));
}

static void test_rows_that_were_right(void **state)
{
    (void)state;
    const bool right[9] = {true, false, true, true, false, false, false, true, true};
    char hex[8];
    assert_int_equal(rows_right_digits(9), 3);
    assert_int_equal(rows_right_digits(8), 2);
    rows_right_print(right, 9, hex);
    assert_string_equal(hex, "b18"); /* 1011 0001 1000 */
    rows_right_print(right, 4, hex);
    assert_string_equal(hex, "b");
    bool back[9];
    assert_true(rows_right_parse(S("b18"), 9, back));
    assert_memory_equal(back, right, sizeof right);
    static const char *const bad[] = {"b1", "b180", "b1c", "b1g", "B18", "b1 ", ""};
    for (size_t i = 0; i < COUNT(bad); i++) assert_false(rows_right_parse(str(bad[i]), 9, back));
}

/* Ten rows: both right 2, both wrong 1, only the first 6, only the second 1. */
static void test_two_methods_on_the_same_rows(void **state)
{
    (void)state;
    bool a[10], b[10];
    assert_true(rows_right_parse(S("ff0"), 10, a) && rows_right_parse(S("c08"), 10, b));
    Disagreement d = measure_disagreement(a, b, 10);
    assert_int_equal(d.first, 6);
    assert_int_equal(d.second, 1);
    expect_near(measure_mcnemar(d.first, d.second), 0.125); /* 2 (1 + 7) / 2^7 */
    d = measure_disagreement(b, a, 10);
    assert_int_equal(d.first, 1);
    assert_int_equal(d.second, 6);
    d = measure_disagreement(a, a, 10);
    expect_near(measure_mcnemar(d.first, d.second), 1);
    const uint32_t before[5] = {0, 1, 2, 1, 0}, after[5] = {0, 2, 1, 1, 1};
    assert_int_equal(measure_changed(before, after, 5), 3);
    expect_near(measure_churn(3, 5), 0.6);
}

static void test_transfer_and_intransigence(void **state)
{
    (void)state;
    const double r[9] = {0.9, NAN, NAN, 0.5, 0.8, NAN, 0.6, 0.7, 0.95};
    /* probes: on the pretrained encoder, after one task, after two, after three */
    const double probe[12] = {NAN, 0.5, 0.33, 0.9, 0.45, NAN, NAN, 0.8, 0.38, 0.6, 0.7, NAN};
    const double joint[9] = {0.9, NAN, NAN, 0.9, 0.85, NAN, 0.9, 0.85, 0.9};
    expect_near(measure_forward_transfer(probe, 3), (-0.05 + 0.05) / 2);
    expect_near(measure_intransigence(r, joint, 3), (0.05 - 0.05) / 2);
    expect_near(measure_intransigence(joint, joint, 3), 0);
    const double two[4] = {0.9, NAN, 0.6, 0.7}, two_probe[6] = {NAN, 0.3, 0.9, 0.4, 0.6, NAN},
                 two_joint[4] = {0.9, NAN, 0.8, 0.75};
    expect_near(measure_forward_transfer(two_probe, 2), 0.1);
    expect_near(measure_intransigence(two, two_joint, 2), 0.05);
    const double unknown[4] = {0.9, NAN, 0.6, NAN}, unknown_probe[6] = {NAN, 0.3, 0.9, NAN, 0.6, 0.7};
    assert_true(isnan(measure_forward_transfer(unknown_probe, 2)));
    assert_true(isnan(measure_intransigence(unknown, two_joint, 2)));
    assert_true(isnan(measure_forward_transfer(two_probe, 1)) && isnan(measure_intransigence(two, two, 1)));
}

/* Rows 0 .. looked - 1 are looked at, of which the first `right` are right. */
static Look dip_look(bool of[200], bool right[200], uint32_t looked, uint32_t correct)
{
    for (uint32_t r = 0; r < 200; r++) {
        of[r] = r < looked;
        right[r] = r < correct;
    }
    return (Look){of, right};
}

/* A dip lies below where the task began and below where it ends. What is lost for good is none, and the lowest of many
 * looks is low by itself. */
static void test_dips(void **state)
{
    (void)state;
    enum { ROWS = 200, LOOKS = 5 };
    static bool of[LOOKS][ROWS], right[LOOKS][ROWS], start[ROWS], end[ROWS], low_end[ROWS];
    const uint32_t correct[LOOKS] = {85, 70, 60, 65, 80};
    Look looks[LOOKS];
    for (int i = 0; i < LOOKS; i++) looks[i] = dip_look(of[i], right[i], 100, correct[i]);
    for (uint32_t r = 0; r < ROWS; r++) {
        start[r] = r < 90 || r >= 150; /* 90 of the 100 rows looked at, and others */
        end[r] = r < 80;
        low_end[r] = r < 60;
    }
    const Dip dip = measure_dip(looks, LOOKS, start, end, ROWS);
    assert_int_equal(dip.look, 2);
    expect_near(dip.start, 0.9);
    expect_near(dip.lowest, 0.6);
    expect_near(dip.end, 0.8);
    expect_near(dip.p,
                LOOKS * measure_mcnemar(20, 0)); /* the larger of both tests, and Holm's factor of the smallest */
    const Dip none = measure_dip(looks, LOOKS, start, low_end, ROWS);
    assert_int_equal(none.look, -1);
    assert_true(none.p == 1);
    assert_int_equal(measure_dip(looks, LOOKS, low_end, end, ROWS).look, -1); /* nothing fell */
    /* 6 rows fewer are p = 0.03 alone, but not as the lowest of five looks */
    for (int i = 0; i < LOOKS; i++) looks[i] = dip_look(of[i], right[i], 100, i == 2 ? 74 : 80);
    assert_true(measure_mcnemar(6, 0) < 0.05);
    assert_int_equal(measure_dip(looks, LOOKS, start, end, ROWS).look, -1);
    assert_int_equal(measure_dip(looks + 2, 1, start, end, ROWS).look, 0);
    assert_true(isnan(measure_dip(looks, 0, start, end, ROWS).p));
}

/* By numpy: the mean over all distinct quadruples of rows of k(i,j) (l(i,j) + l(q,r) - 2 l(i,q)), which is what the
 * estimator is to come to (Song et al. 2012, equation 4), in its own loop. */
static void test_debiased_cka(void **state)
{
    (void)state;
    enum { ROWS = 256, COLS = 384 };
    const float x[10] = {1, 2, 3, 4, 5, 9, 0, 1, 2, -2}, y[10] = {2, 0, 0, 1, 1, 1, 3, 1, 0, 0};
    expect_near(measure_cka(x, y, 5, 2).value, -0.06224992908512811);
    expect_near(measure_cka(y, x, 5, 2).value, -0.06224992908512811);
    expect_near(measure_cka(x, x, 5, 2).value, 1);
    /* the jackknife's error: each row left out by hand */
    float u[16], v[16], few[2][14];
    double values[8], sum = 0, squares = 0;
    for (uint64_t i = 0; i < 16; i++) u[i] = random_normal(3, 1, i), v[i] = u[i] + random_normal(3, 2, i);
    for (int out = 0; out < 8; out++) {
        for (int i = 0, k = 0; i < 16; i++)
            if (i / 2 != out) few[0][k] = u[i], few[1][k++] = v[i];
        values[out] = measure_cka(few[0], few[1], 7, 2).value;
        sum += values[out] / 8;
    }
    for (int i = 0; i < 8; i++) squares += (values[i] - sum) * (values[i] - sum);
    expect_near(measure_cka(u, v, 8, 2).error, sqrt(7.0 / 8 * squares));
    assert_true(isnan(measure_cka(u, v, 4, 2).error));
    float moved[10], same[10]; /* turned, doubled, shifted */
    for (int r = 0; r < 5; r++) {
        moved[2 * r] = -2 * x[2 * r + 1] + 7;
        moved[2 * r + 1] = 2 * x[2 * r] - 1;
        same[2 * r] = 0.1f;
        same[2 * r + 1] = 0.7f;
    }
    expect_near(measure_cka(x, moved, 5, 2).value, 1);
    assert_true(isnan(measure_cka(x, same, 5, 2).value) && isnan(measure_cka(x, y, 3, 2).value));
    /* unrelated states: near 0, where the plain estimator gives 0.6 for so few rows */
    float *a = calloc((size_t)ROWS * COLS, sizeof *a), *b = calloc((size_t)ROWS * COLS, sizeof *b);
    for (uint64_t i = 0; i < ROWS * COLS; i++) a[i] = random_normal(1, 1, i), b[i] = random_normal(1, 2, i);
    assert_true(fabs(measure_cka(a, b, ROWS, COLS).value) < 0.02);
    free(a);
    free(b);
}

static void test_t_and_holm(void **state)
{
    (void)state;
    const double values[] = {1, 2, 3}, same[] = {0.1, 0.1, 0.1}, none[] = {0, 0}, two[] = {-1, 3};
    expect_near(measure_t_test(values, 3), 1 - sqrt(6.0 / 7));     /* t = 2 sqrt 3 with 2 degrees */
    expect_near(measure_t_test(two, 2), 1 - 2 / M_PI * atan(0.5)); /* t = 1/2 with 1 degree */
    assert_true(measure_t_test(same, 3) == 0 && measure_t_test(none, 2) == 1);
    /* 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which does not come before it */
    const double p[] = {0.01, 0.04, 0.03, 0.005}, wanted[] = {0.03, 0.06, 0.06, 0.02};
    double adjusted[4];
    measure_holm(p, 4, adjusted);
    for (int i = 0; i < 4; i++) expect_near(adjusted[i], wanted[i]);
    const double large[] = {0.9, 0.6};
    measure_holm(large, 2, adjusted);
    assert_true(adjusted[0] == 1 && adjusted[1] == 1);
    measure_holm(p, 0, adjusted);
}

/* Every sign of every sum, one after another. */
static double flips_by_hand(const int32_t *sums, uint32_t rows)
{
    int64_t total = 0, far = 0;
    for (uint32_t i = 0; i < rows; i++) total += sums[i];
    for (uint32_t signs = 0; signs < 1u << rows; signs++) {
        int64_t sum = 0;
        for (uint32_t i = 0; i < rows; i++) sum += signs >> i & 1 ? sums[i] : -sums[i];
        far += llabs(sum) >= llabs(total);
    }
    return (double)far / (1u << rows);
}

static void test_sign_flips(void **state)
{
    (void)state;
    for (uint32_t turn = 0; turn < 60; turn++) { /* sums of up to 5 seeds on 12 rows */
        int32_t sums[12];
        for (uint32_t i = 0; i < 12; i++) sums[i] = (int32_t)(random_uniform(1, turn, i) * 11) - 5 + (turn % 3 == 0);
        expect_near(measure_sign_flips(sums, 12), flips_by_hand(sums, 12));
    }
    /* one seed: McNemar; three seeds that agree on every row: the same p, not a smaller one */
    static int32_t one[100000], three[100000];
    static const struct {
        uint32_t lost, gained, rows;
    } cases[] = {{12, 5, 500}, {6, 0, 200}, {0, 0, 1}, {1, 0, 1}, {130, 80, 2000}, {30500, 30000, 100000}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (uint32_t r = 0; r < cases[i].rows; r++) {
            one[r] = r < cases[i].lost ? -1 : r < cases[i].lost + cases[i].gained;
            three[r] = 3 * one[r];
        }
        const double p = measure_mcnemar(cases[i].lost, cases[i].gained);
        assert_true(fabs(measure_sign_flips(one, cases[i].rows) - p) < 1e-9 * (1 + p));
        assert_true(measure_sign_flips(three, cases[i].rows) == measure_sign_flips(one, cases[i].rows));
    }
    for (uint32_t r = 0; r < 2000; r++) one[r] = -1;
    assert_true(measure_sign_flips(one, 2000) == 1e-30);
    assert_true(measure_sign_flips(one, 0) == 1);
}

static void test_paired_intervals(void **state)
{
    (void)state;
    /* 12 lost, 5 gained of 500: -7 / 502, variance (17 + 2) / 502 - (7 / 502)^2 */
    const Paired p = measure_paired(-7, 17, 500);
    expect_near(p.difference, -7 / 502.0);
    expect_near(p.error, sqrt((19 / 502.0 - 49 / 502.0 / 502.0) / 502));
    const Interval all = measure_paired_interval(p, 0.95), close = measure_paired_interval(p, 0.9);
    expect_near(all.high, p.difference + 1.959963984540054 * p.error);
    expect_near(close.low, p.difference - 1.6448536269514722 * p.error);
    /* nothing changed: what other rows would do is still not known */
    const Interval none = measure_paired_interval(measure_paired(0, 0, 500), 0.95);
    assert_true(none.low < -0.005 && none.low > -0.006 && none.high == -none.low);
    /* three equal seeds do not make a narrow interval, three that differ make a wide one */
    const double same[] = {-0.014, -0.014, -0.014}, apart[] = {-0.1, 0, 0.1};
    const Interval three = measure_over_seeds(same, 3, all, 0.95), wide = measure_over_seeds(apart, 3, all, 0.95),
                   wide90 = measure_over_seeds(apart, 3, all, 0.9);
    assert_true(three.low == all.low && three.high == all.high);
    assert_true(fabs(wide.high - 4.302652729749464 * 0.1 / sqrt(3)) < 1e-8);
    assert_true(fabs(wide90.high - 2.919985580355516 * 0.1 / sqrt(3)) < 1e-8);
    expect_near(measure_t_within(1, 0.5), 1);
    expect_near(measure_wilson_share(0.25, 200).low, measure_wilson(50, 200).low);
}

static const struct CMUnitTest measures_tests[] = {
    cmocka_unit_test(test_sign_flips),
    cmocka_unit_test(test_paired_intervals),
    cmocka_unit_test(test_measures),
    cmocka_unit_test(test_rows_that_were_right),
    cmocka_unit_test(test_two_methods_on_the_same_rows),
    cmocka_unit_test(test_transfer_and_intransigence),
    cmocka_unit_test(test_dips),
    cmocka_unit_test(test_debiased_cka),
    cmocka_unit_test(test_t_and_holm),
};
