/* base: errors, arenas, strings, random numbers, threads. */

static void test_first_error_wins(void **state)
{
    (void)state;
    Err err = {0};
    assert_false(fail(&err, "file %s", "a.tsv"));
    assert_false(fail_usage(&err, "another"));
    assert_string_equal(err.text, "file a.tsv");
    assert_int_equal(err.code, EXIT_WORLD);
    fail_within(&err, "task %d", 2);
    assert_string_equal(err.text, "task 2: file a.tsv");
}

static void test_arena_gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    Arena arena = {0};
    for (size_t size = 1; size < 3000000; size = size * 3 + 1) {
        unsigned char *at = arena_alloc(&arena, size, 1);
        assert_int_equal((uintptr_t)at % 64, 0);
        for (size_t i = 0; i < size; i++) assert_int_equal(at[i], 0);
        memset(at, 255, size);
    }
    arena_free(&arena);
    assert_int_equal(arena.total_bytes, 0);
}

static void test_dyn_grows(void **state)
{
    (void)state;
    Arena arena = {0};
    DYN(int) numbers = {0};
    for (int i = 0; i < 1000; i++) *dyn_push(&arena, &numbers) = i;
    for (int i = 0; i < 1000; i++) assert_int_equal(numbers.at[i], i);
    arena_free(&arena);
}

static void test_numbers_are_read_strictly(void **state)
{
    (void)state;
    int64_t n = 7;
    double x;
    assert_true(parse_int(S("-12"), -20, 20, &n));
    assert_int_equal(n, -12);
    static const char *const bad_ints[] = {"", "-", "1x", " 1", "1.0", "+1", "21", "99999999999999999999"};
    for (size_t i = 0; i < COUNT(bad_ints); i++) assert_false(parse_int(str(bad_ints[i]), -20, 20, &n));
    assert_true(parse_double(S("2e-5"), &x) && x == 2e-5);
    static const char *const bad_reals[] = {"", "nan", "inf", "1,5", "0x10", "1e999", "1 ", "e"};
    for (size_t i = 0; i < COUNT(bad_reals); i++) assert_false(parse_double(str(bad_reals[i]), &x));
}

static void test_str_show_is_printable(void **state)
{
    (void)state;
    assert_string_equal(str_show(S("a\tb\xff")), "a\\x09b\\xff");
    assert_string_equal(str_show(S("\xe4\xb8\xad")), "\\xe4\\xb8\\xad"); /* the C locale */
    if (setlocale(LC_CTYPE, "C.UTF-8")) { /* valid UTF-8 as it is, but nothing that steers a terminal */
        assert_string_equal(str_show(S("\xe4\xb8\xad\xc3\xa9\xf0\x9f\x98\x80")),
                            "\xe4\xb8\xad\xc3\xa9\xf0\x9f\x98\x80");
        assert_string_equal(str_show(S("\xff\xe4\xb8\xc2\x9b\x1b[2J")), "\\xff\\xe4\\xb8\\xc2\\x9b\\x1b[2J");
        assert_string_equal(str_show(S("a\xe2\x80\xae"
                                       "b\xef\xbb\xbf")),
                            "a\\xe2\\x80\\xae"
                            "b\\xef\\xbb\\xbf");
        char wide[400];
        for (size_t i = 0; i < sizeof wide; i += 4) memcpy(wide + i, "\xf0\x9f\x98\x80", 4);
        assert_int_equal(strlen(str_show((Str){wide, sizeof wide})), 40 * 4 + 3);
        setlocale(LC_CTYPE, "C");
    }
    Arena arena = {0};
    char *longer = arena_new(&arena, char, 500);
    memset(longer, 'x', 499);
    assert_true(strlen(str_show(str(longer))) < 90);
    arena_free(&arena);
}

static void test_trim_and_case(void **state)
{
    (void)state;
    assert_true(str_equal(str_trim(S(" \t a b\xc2\xa0\xe3\x80\x80\r\n")), S("a b")));
    assert_true(str_equal(str_trim(S("\xef\xbb\xbf\xff ")), S("\xff")));
    assert_true(str_equal(str_trim(S("\x80 \x80")), S("\x80 \x80")));
    assert_int_equal(str_trim(S("  ")).size, 0);
    assert_true(str_ends_as(S("A.CsV"), S(".csv")) && !str_ends_as(S("csv"), S(".csv")));
    assert_true(str_equal_as(S("Label"), S("lABEL")) && !str_equal_as(S("label"), S("labels")));
}

/* A softmax that does not overflow, and the logarithm of the sum under it. */
static void test_softmax(void **state)
{
    (void)state;
    const float z[3] = {1000, 1000, 999}, one = -7;
    double p[3];
    const double sum = softmax(z, 3, p), e = exp(-1);
    assert_true(fabs(sum - (1000 + log(2 + e))) < 1e-9);
    assert_true(fabs(p[0] - 1 / (2 + e)) < 1e-12 && p[0] == p[1] && fabs(p[2] - e / (2 + e)) < 1e-12);
    assert_true(softmax(&one, 1, NULL) == -7);
    assert_int_equal(ceil_div(0, 8), 0);
    assert_int_equal(ceil_div(8, 8), 1);
    assert_int_equal(ceil_div(9, 8), 2);
    assert_int_equal(least_int(-3, 2), -3);
}

/* Code points, and maximal invalid subparts, of what is UTF-8 and what is not. */
static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        uint32_t code;
    } cases[] = {
        {"a", 1, 'a'},
        {"\xc3\xa9", 2, 0xe9},
        {"\xe2\x88\x92", 3, 0x2212},
        {"\xf0\x9f\x98\x80", 4, 0x1f600},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
        {"\x80", 1, UTF8_INVALID},
        {"\xc1\x81", 1, UTF8_INVALID},         /* overlong */
        {"\xed\xa0\x80", 1, UTF8_INVALID},     /* a surrogate */
        {"\xf4\x90\x80\x80", 1, UTF8_INVALID}, /* above U+10FFFF */
        {"\xe2\x88", 2, UTF8_INVALID},         /* cut */
        {"\xf0\x9f\x98z", 3, UTF8_INVALID},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t code = 0;
        assert_int_equal(utf8_decode(cases[i].bytes, strlen(cases[i].bytes), &code), cases[i].size);
        assert_int_equal(code, cases[i].code);
        assert_int_equal(utf8_length(cases[i].bytes, strlen(cases[i].bytes)), code == UTF8_INVALID ? 0 : cases[i].size);
    }
    assert_int_equal(utf8_length("", 0), 0);
    assert_int_equal(utf8_cut(S("a\xc3\xa9z"), 2).size, 1);
    assert_int_equal(utf8_cut(S("a\xc3\xa9z"), 3).size, 3);
    assert_int_equal(utf8_cut(S("ab"), 9).size, 2);
}

/* Row orders, made with PyTorch. */
/* Each place holds each number about equally often, over streams as over seeds. */
static void test_order_is_uniform(void **state)
{
    (void)state;
    enum { N = 5, DRAWS = 20000 };
    for (int by_seed = 0; by_seed < 2; by_seed++) {
        uint32_t at[N][N] = {0}, order[N], same = 0, before[N] = {0};
        for (uint32_t k = 0; k < DRAWS; k++) {
            random_order(by_seed ? k : 7, by_seed ? 7 : k, N, order);
            uint32_t seen = 0;
            for (uint32_t i = 0; i < N; i++) at[i][order[i]]++, seen |= 1u << order[i];
            assert_int_equal(seen, (1u << N) - 1);
            same += memcmp(order, before, sizeof order) == 0;
            memcpy(before, order, sizeof order);
        }
        for (int i = 0; i < N; i++)
            for (int k = 0; k < N; k++) assert_in_range(at[i][k], DRAWS / N - 300, DRAWS / N + 300); /* 5 deviations */
        assert_in_range(same, 100, 240);                                                             /* 1 in 120 */
    }
}

static void test_permutation_is_torch_randperm(void **state)
{
    (void)state;
    static const struct {
        uint32_t seed, n, first[10];
        int count;
    } cases[] = {
        {42, 10, {2, 6, 1, 8, 4, 5, 0, 9, 3, 7}, 10},           {0, 10, {4, 1, 7, 5, 3, 9, 0, 8, 6, 2}, 10},
        {42, 1000, {542, 618, 816, 68, 94, 215, 60, 585}, 8},   {43, 1000, {588, 148, 223, 575, 689, 935, 932, 343}, 8},
        {44, 1000, {732, 96, 853, 374, 727, 124, 412, 868}, 8},
    };
    uint32_t order[1000];
    for (size_t c = 0; c < COUNT(cases); c++) {
        random_permutation(cases[c].seed, cases[c].n, order);
        for (int i = 0; i < cases[c].count; i++) assert_int_equal(order[i], cases[c].first[i]);
    }
}

/* Known answers of Random123 (kat_vectors, philox4x32 10). */
static void test_philox_known_answers(void **state)
{
    (void)state;
    static const uint32_t cases[][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
         0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
         0x24126ea1},
    };
    for (size_t c = 0; c < COUNT(cases); c++) {
        uint32_t out[4];
        philox4x32(cases[c], cases[c] + 4, out);
        assert_memory_equal(out, cases[c] + 6, sizeof out);
    }
}

static void test_normal_has_mean_0_and_deviation_1(void **state)
{
    (void)state;
    enum { N = 200000 };
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        double x = (double)random_normal(1, 2, (uint64_t)i);
        sum += x;
        squares += x * x;
    }
    assert_true(fabs(sum / N) < 5 / sqrt(N));
    assert_true(fabs(squares / N - 1) < 5 * sqrt(2.0 / N));
}

static void count_item(void *context, size_t item, int thread)
{
    assert_true(thread >= 0 && thread < threads_count());
    ((int *)context)[item]++;
}

static void test_parallel_does_each_item_once(void **state)
{
    (void)state;
    static int done[10000];
    for (int threads = 1; threads <= 5; threads++) {
        threads_start(threads);
        for (size_t items = 0; items <= COUNT(done); items = items * 3 + 1) {
            memset(done, 0, sizeof done);
            parallel(items, count_item, done);
            for (size_t i = 0; i < COUNT(done); i++) assert_int_equal(done[i], i < items);
        }
        for (int i = 0; i < 2000; i++) parallel(7, count_item, done); /* wakes sleeping and spinning workers */
    }
    threads_stop();
}

static const struct CMUnitTest base_tests[] = {
    cmocka_unit_test(test_first_error_wins),
    cmocka_unit_test(test_arena_gives_zeroed_aligned_memory),
    cmocka_unit_test(test_dyn_grows),
    cmocka_unit_test(test_numbers_are_read_strictly),
    cmocka_unit_test(test_softmax),
    cmocka_unit_test(test_utf8),
    cmocka_unit_test(test_str_show_is_printable),
    cmocka_unit_test(test_trim_and_case),
    cmocka_unit_test(test_permutation_is_torch_randperm),
    cmocka_unit_test(test_order_is_uniform),
    cmocka_unit_test(test_philox_known_answers),
    cmocka_unit_test(test_normal_has_mean_0_and_deviation_1),
    cmocka_unit_test(test_parallel_does_each_item_once),
};
