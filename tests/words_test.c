/* words: numbers and words for people. */

static void test_counts(void **state)
{
    (void)state;
    Arena arena = {0};
    static const struct {
        uint64_t count;
        const char *text, *rows;
    } counts[] = {{0, "0", "0 rows"},
                  {1, "1", "1 row"},
                  {2, "2", "2 rows"},
                  {999, "999", "999 rows"},
                  {1000, "1000", "1000 rows"},
                  {9999, "9999", "9999 rows"},
                  {10000, "10,000", "10,000 rows"},
                  {123456, "123,456", "123,456 rows"},
                  {1234567, "1,234,567", "1,234,567 rows"},
                  {22713986, "22,713,986", "22,713,986 rows"},
                  {UINT64_MAX, "18,446,744,073,709,551,615", "18,446,744,073,709,551,615 rows"}};
    for (size_t i = 0; i < COUNT(counts); i++) {
        assert_string_equal(format_count(&arena, counts[i].count), counts[i].text);
        assert_string_equal(format_counted(&arena, counts[i].count, "row", "rows"), counts[i].rows);
    }
    assert_string_equal(plural(0, "is", "are"), "are");
    assert_string_equal(plural(1, "is", "are"), "is");
    arena_free(&arena);
}

/* No number is "-0.0", one that is not known is a dash, and none is rounded twice. */
static void test_numbers(void **state)
{
    (void)state;
    Arena *arena = &(Arena){0};
    assert_string_equal(format_decimal(arena, 0.934, 2), "0.93");
    assert_string_equal(format_decimal(arena, 12.4, 0), "12");
    assert_string_equal(format_decimal(arena, -0.0, 1), "0.0");
    assert_string_equal(format_decimal(arena, -0.04, 1), "0.0");
    assert_string_equal(format_decimal(arena, -0.4, 0), "0");
    assert_string_equal(format_decimal(arena, -0.06, 1), "-0.1");
    assert_string_equal(format_decimal(arena, NAN, 1), "–");
    assert_string_equal(format_decimal(arena, -INFINITY, 1), "-inf");
    assert_string_equal(format_short(arena, 5e-5), "5e-05");
    assert_string_equal(format_short(arena, 0.25), "0.25");
    assert_string_equal(format_short(arena, -0.0), "0");
    assert_string_equal(format_short(arena, NAN), "–");
    assert_string_equal(format_exponent(arena, 3.21e-8), "3.2e-08");
    assert_string_equal(format_minus(arena, "-9.8"), "−9.8");
    assert_string_equal(format_minus(arena, "+9.8"), "+9.8");
    assert_string_equal(format_minus(arena, ""), "");
    assert_string_equal(format_megabytes(arena, 91.27e6, 1), "91.3 MB");
    assert_string_equal(format_megabytes(arena, 0, 0), "0 MB");
    assert_string_equal(format_gigabytes(arena, 1.386e9, 2), "1.39 GB");
    arena_free(arena);
}

static void test_shares(void **state)
{
    (void)state;
    Arena *arena = &(Arena){0};
    assert_string_equal(format_share(arena, 0.8172), "81.7");
    assert_string_equal(format_share(arena, 1), "100.0");
    assert_string_equal(format_share(arena, -0.0), "0.0");
    assert_string_equal(format_share(arena, NAN), "–");
    assert_string_equal(format_percent(arena, 0.8172), "81.7%");
    assert_string_equal(format_percents(arena, 0.6, 0), "60%");
    assert_string_equal(format_cell(arena, 0.99994), "100.0");
    assert_string_equal(format_cell(arena, 0.99995), "100");
    assert_string_equal(format_cell(arena, NAN), "–");
    assert_string_equal(format_interval(arena, (Interval){0.736, 0.834}), "[74–83]");
    assert_string_equal(format_interval(arena, (Interval){NAN, NAN}), "[–]");
    assert_string_equal(format_half_width(arena, (Interval){0.70, 0.80}), "5.0");
    assert_string_equal(format_points(arena, 0.0149), "+1.5"); /* by the tenth of a point, then by the text */
    assert_string_equal(format_points(arena, -0.23), "-23.0");
    assert_string_equal(format_points(arena, -0.0), "0.0");
    assert_string_equal(format_points(arena, -0.0004), "0.0");
    assert_string_equal(format_points(arena, NAN), "–");
    assert_string_equal(format_range(arena, (Interval){-0.273, 0.046}), "-27.3 to +4.6 points");
    arena_free(arena);
}

static void test_durations(void **state)
{
    (void)state;
    Arena arena = {0};
    static const struct {
        double seconds;
        const char *text;
    } durations[] = {{0, "0.0 s"},
                     {-0.0, "0.0 s"},
                     {-1, "0.0 s"},
                     {NAN, "0.0 s"},
                     {0.42, "0.4 s"},
                     {9.94, "9.9 s"},
                     {9.96, "10 s"},
                     {59.4, "59 s"},
                     {59.95, "1 min"},
                     {333, "5 min 33 s"},
                     {3599.4, "59 min 59 s"},
                     {3599.6, "1 h"},
                     {3600, "1 h"},
                     {7530, "2 h 6 min"},
                     {7.2e6, "2000 h"},
                     {7.2e7, "20,000 h"},
                     {INFINITY, "277,777,777,777 h"}};
    for (size_t i = 0; i < COUNT(durations); i++)
        if (strncmp(format_duration(&arena, durations[i].seconds), durations[i].text, strlen(durations[i].text)) != 0)
            fail_msg("%g: %s", durations[i].seconds, format_duration(&arena, durations[i].seconds));
    arena_free(&arena);
}

/* A p that counts is cut, not rounded, and one that does not is never printed below 0.05. */
static void test_p(void **state)
{
    (void)state;
    Arena *arena = &(Arena){0};
    static const struct {
        double p;
        const char *text;
    } cases[] = {{1e-300, "p < 0.0001"}, {0, "p < 0.0001"},      {0.0001, "p = 0.0001"}, {0.00999, "p = 0.0099"},
                 {0.0312, "p = 0.031"},  {0.04996, "p = 0.049"}, {0.0499, "p = 0.049"},  {0.05, "p = 0.050"},
                 {0.0512, "p = 0.051"},  {0.1, "p = 0.10"},      {0.999, "p = 1.00"},    {1, "p = 1.00"},
                 {NAN, "p = –"}};
    for (size_t i = 0; i < COUNT(cases); i++) assert_string_equal(format_p(arena, cases[i].p), cases[i].text);
    assert_string_equal(format_p_bound(arena, (Interval){0.02, 0.02}, true), "p = 0.020");
    assert_string_equal(format_p_bound(arena, (Interval){1e-9, 0.0312}, true), "p ≤ 0.031");
    assert_string_equal(format_p_bound(arena, (Interval){1e-9, 0.0312}, false), "p ≥ 0.0001");
    assert_string_equal(format_p_bound(arena, (Interval){1e-300, 1e-9}, true), "p < 0.0001");
    assert_string_equal(format_p_bound(arena, (Interval){0.06, 0.9}, false), "p ≥ 0.060");
    arena_free(arena);
}

static void test_lists(void **state)
{
    (void)state;
    Arena *arena = &(Arena){0};
    static const char *const names[] = {"a", "b", "c"}, *const lists[] = {"", "a", "a and b", "a, b and c"};
    for (int i = 0; i < 4; i++) assert_string_equal(format_list(arena, names, i), lists[i]);
    assert_string_equal(format_list(arena, names, -1), "");
    assert_string_equal(text_join(arena, "", "; ", ""), "");
    assert_string_equal(text_join(arena, "a", "; ", ""), "a");
    assert_string_equal(text_join(arena, "", "; ", "b"), "b");
    assert_string_equal(text_join(arena, "a", "; ", "b"), "a; b");
    arena_free(arena);
}

/* One text for all media. */
static void test_media(void **state)
{
    (void)state;
    Arena *arena = &(Arena){0};
    const char *text = "a–b → <p> ≤ \"5\" & *no* −1 ± 2…";
    assert_string_equal(text_for(arena, MEDIUM_UTF8, text), text);
    assert_string_equal(text_for(arena, MEDIUM_ASCII, text), "a-b > <p> <= \"5\" & *no* -1 +- 2~");
    assert_string_equal(text_for(arena, MEDIUM_MARKDOWN, text), "a–b → \\<p\\> ≤ \"5\" \\& \\*no\\* −1 ± 2…");
    assert_string_equal(text_for(arena, MEDIUM_HTML, text), "a–b → &lt;p&gt; ≤ &quot;5&quot; &amp; *no* −1 ± 2…");
    assert_string_equal(text_for(arena, MEDIUM_HTML, "it's\x01\xff\xed\xa0\x80.\t\n"),
                        "it&#39;s\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd.\t\n");
    assert_string_equal(text_for(arena, MEDIUM_HTML, "\xef\xbf\xbe\xef\xb7\x90"), "\xef\xbf\xbd\xef\xbf\xbd");
    assert_string_equal(text_for(arena, MEDIUM_ASCII,
                                 "\xe4\xb8\xad"
                                 "z\xc3"),
                        "?z?");
    arena_free(arena);
}

/* A locale that is not there leaves the one that is. */
static void test_locale(void **state)
{
    (void)state;
    Arena arena = {0};
    assert_int_equal(medium_of_terminal(), MEDIUM_ASCII); /* the C locale */
    assert_null(setlocale(LC_CTYPE, "xx_BROKEN.UTF-8"));
    assert_int_equal(medium_of_terminal(), MEDIUM_ASCII);
    if (setlocale(LC_CTYPE, "C.UTF-8")) {
        assert_int_equal(medium_of_terminal(), MEDIUM_UTF8);
        assert_null(setlocale(LC_CTYPE, "xx_BROKEN.UTF-8"));
        assert_int_equal(medium_of_terminal(), MEDIUM_UTF8);
        assert_string_equal(format_share(&arena, 0.5), "50.0");
        setlocale(LC_CTYPE, "C");
    }
    arena_free(&arena);
}

static const char *wrapped(Arena *arena, const char *text, int column, int indent, int columns, int *end)
{
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);
    *end = text_wrap(f, text, column, indent, columns);
    fclose(f);
    const char *copy = arena_copy(arena, out, size);
    free(out);
    return copy;
}

static void test_columns(void **state)
{
    (void)state;
    Arena *arena = &(Arena){0};
    int end;
    assert_int_equal(text_width("a–é"), 3);
    assert_string_equal(text_shorten(arena, "naïveté", 7), "naïveté");
    assert_string_equal(text_shorten(arena, "naïveté", 4), "naï…");
    /* Chinese letters take two columns, a mark on a letter none, a byte that is no UTF-8 one */
    assert_int_equal(text_width("情感x"), 5);
    assert_int_equal(text_width("e\xcc\x81\xff"), 2);
    assert_string_equal(text_shorten(arena, "情感分析", 8), "情感分析");
    assert_string_equal(text_shorten(arena, "情感分析", 7), "情感分…");
    assert_string_equal(text_shorten(arena, "情感分析", 6), "情感…");
    assert_string_equal(text_for(arena, MEDIUM_LATEX, "\"a\" (\"b\")"), "``a'' (``b'')");
    assert_string_equal(wrapped(arena, "one two  three\nfour", 0, 2, 8, &end), "one two\n  three\n  four");
    assert_int_equal(end, 6);
    assert_string_equal(wrapped(arena, "ééé ééé", 4, 0, 11, &end), "ééé ééé");
    assert_int_equal(end, 11);
    assert_string_equal(wrapped(arena, "ééé ééé", 4, 0, 10, &end), "ééé\nééé");
    assert_string_equal(wrapped(arena, "情感 分析", 0, 0, 8, &end), "情感\n分析");
    assert_int_equal(end, 4);
    assert_string_equal(wrapped(arena, "unbreakable x", 0, 1, 5, &end), "unbreakable\n x");
    assert_string_equal(wrapped(arena, " ", 3, 1, 5, &end), "");
    assert_int_equal(end, 3);
    arena_free(arena);
}

/* The line of a terminal: what is left of all, and what goes first where it does not fit. */
static void test_progress_line(void **state)
{
    (void)state;
    char line[512];
    Progress p = {.label = "full (1 of 3), nli:", .total = 630, .done = 315, .terminal = true, .left = -1};
    progress_line(&p, 63, "loss 0.71", 200, line, sizeof line);
    assert_string_equal(line, "full (1 of 3), nli:  ###############............... 315/630  5.0/s  1 min 3 s left  "
                              "loss 0.71");
    progress_leave(&p, 300);
    progress_line(&p, 63, "loss 0.71, sentiment 67.2%", 80, line, sizeof line);
    assert_string_equal(line, "full (1 of 3), nli: 315/630  5 min left for all  loss 0.71, sentiment 67.2%");
    progress_line(&p, 63, "loss 0.71, sentiment 67.2%", 40, line, sizeof line);
    assert_string_equal(line, "full (1 of 3), nli: 315/630  5 min left");
    progress_leave(&p, NAN);
    progress_line(&p, 63, "loss 0.71", 60, line, sizeof line);
    assert_string_equal(line, "full (1 of 3), nli:  315/630  5.0/s  loss 0.71");
}

static const struct CMUnitTest words_tests[] = {
    cmocka_unit_test(test_progress_line), cmocka_unit_test(test_counts),    cmocka_unit_test(test_numbers),
    cmocka_unit_test(test_shares),        cmocka_unit_test(test_durations), cmocka_unit_test(test_p),
    cmocka_unit_test(test_lists),         cmocka_unit_test(test_media),     cmocka_unit_test(test_locale),
    cmocka_unit_test(test_columns),
};
