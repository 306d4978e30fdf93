/* report: what the table says, and what the files and charts look like from outside. */

static void expect_parts(const char *text, const char *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strstr(text, parts[i])) fail_msg("\"%s\" is missing in\n%s", parts[i], text);
    assert_null(strstr(text, "nan"));
}

/* Bytes that continue a code point take no column. */
static void expect_80_columns(const char *text)
{
    size_t columns = 0;
    if (strstr(text, " \n")) fail_msg("a line ends with a space:\n%s", text);
    for (const char *p = text; *p; p++) {
        columns = *p == '\n' ? 0 : columns + ((*p & 0xc0) != 0x80);
        if (columns > 80) fail_msg("more than 80 columns:\n%s", text);
    }
}

static void print_plain(const Results *results, FILE *f) { report_table(results, f); }

/* What a default run prints at its end, with the line after it and a prompt, fits a terminal of 24 lines; and one of 40
 * columns cuts nothing. */
static void test_the_end_fits_a_terminal(void **state)
{
    (void)state;
    Arena arena = {0};
    const Story stories[] = {
        {"full", 150, 120, 120, 40, 10}, {"lora", 150, 150, 130, 0, 0}, {"lora-seq", 150, 118, 120, 44, 12}};
    Results *r = (Results *)story_results(&arena, stories, 3, "1");
    r->folder = "lethe-out"; /* then it names what to do next */
    const char *before = getenv("COLUMNS"), *kept = before ? arena_printf(&arena, "%s", before) : NULL;
    setenv("COLUMNS", "80", true);
    const char *text = printed(&arena, r, print_plain), *rule = strstr(text, "majority");
    int lines = 0;
    for (const char *p = text; *p; p++) lines += *p == '\n';
    if (lines + 2 > 24) fail_msg("%d lines:\n%s", lines, text);
    assert_true(rule && strstr(rule, "accuracy in %") && strstr(text, "is not chance") < rule); /* the table is last */
    expect_80_columns(text);
    setenv("COLUMNS", "40", true);
    text = printed(&arena, r, print_plain);
    for (const char *p = text; *p; p += strcspn(p, "\n") + 1)
        if (text_width(arena_printf(&arena, "%.*s", (int)strcspn(p, "\n"), p)) > 40) fail_msg("too wide:\n%s", text);
    static const char *const parts[] = {"full: a when learned 75.0", "-15.0, forgot", "majority: "};
    expect_parts(text, parts, COUNT(parts));
    if (kept)
        setenv("COLUMNS", kept, true);
    else
        unsetenv("COLUMNS");
    arena_free(&arena);
}

static void test_what_the_table_says(void **state)
{
    (void)state;
    Arena arena = {0};
    const Story stories[] = {
        {"full", 150, 120, 120, 40, 10}, {"lora", 107, 107, 69, 0, 0}, {"lora-seq", 150, 148, 120, 4, 2}};
    const Results *r = story_results(&arena, stories, 3, "1");
    const char *text = table_text(&arena, r), *markdown = markdown_text(&arena, r);
    static const char *const on_terminal[] = {"75.0 [69-80]   60.0 [53-67]",
                                              "-15.0  forgot\n",
                                              "53.5* [47-60]",
                                              "(0.0)  not learned\n",
                                              "no drop shown\n",
                                              "majority ",
                                              "* not learned",
                                              "lora did not learn a (not surely above 50.0%"};
    static const char *const in_markdown[] = {"did not learn a and b: its change says nothing about forgetting",
                                              "no drop shown (p = 0.69); one of", "## The rules",
                                              "## Forgotten examples", "- full: 40 rows"};
    expect_parts(text, on_terminal, COUNT(on_terminal));
    expect_parts(markdown, in_markdown, COUNT(in_markdown));
    assert_null(strstr(text, "did not forget"));
    arena_free(&arena);
}

/* The shapes of real runs: 3 and 15 methods, five tasks, without the newer events, unfinished. */
static void test_tables_of_all_shapes(void **state)
{
    (void)state;
    static const Made wide = {.tasks = 4, .methods = 14, .seeds = 2}; /* two seeds: the widest intervals */
    static const char *const parts[][3] = {
        {"full  ", "lora cannot forget", "MiniLM-L6's pre-training saw"},
        {"No method leads", "joint is the ceiling", "With 3 seeds only large and steady differences"},
        {"below", "forgot 4 of 4", "At matched learning"},
        {"mean over 2 seeds", "No ranking is possible", "majority"},
        {"UNFINISHED", "forgot 2 of 2", "No ranking is possible yet"},
        {"seeds 1, 2", "+-", "first task shared"},
    };
    for (size_t i = 0; i < COUNT(parts); i++) {
        Arena arena = {0};
        Err err = {0};
        Results r;
        const Made *made = i < COUNT(made_files) ? &made_files[i].made : &wide;
        if (!report_parse(&arena, made_results(&arena, made), "r.jsonl", &r, &err)) fail_msg("%s", err.text);
        const char *text = table_text(&arena, &r), *row = strstr(text, "\nmethod ");
        expect_80_columns(text);
        expect_parts(text, parts[i], COUNT(parts[i]));
        const char *markdown = markdown_text(&arena, &r);
        assert_null(strstr(markdown, "nan"));
        assert_int_equal(strstr(markdown, "- full: the whole encoder, task after task (Author et al. 2020)") != NULL,
                         !made->bare);
        for (const char *p = text; *p; p++) assert_true((unsigned char)*p < 128); /* the locale of the tests is C */
        assert_non_null(row);
        for (int m = 0; m < r.method_count; m++) { /* one line a method, in the order planned */
            const char *next = strstr(row, arena_printf(&arena, "\n%s ", r.methods[m]));
            if (!next) fail_msg("no line of %s in\n%s", r.methods[m], text);
            assert_true(m == 0 || !memchr(row + 1, '\n', (size_t)(next - row - 1)));
            row = next;
        }
        arena_free(&arena);
    }
}

/* ---- summary.json ---- */

static double summary_cell(const json_t *run, const char *key, size_t i, size_t j)
{
    return json_number_value(json_array_get(json_array_get(json_object_get(run, key), i), j));
}

/* Every measure by name, from the numbers it is made of. */
static void test_summary(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    Results r;
    json_t *summary = NULL;
    const Made made = {.tasks = 2, .methods = 15, .seeds = 2};
    if (!report_parse(&arena, made_results(&arena, &made), "r.jsonl", &r, &err) ||
        !json_parse(summary_text(&arena, &r), "summary.json", &summary, &err))
        fail_msg("%s", err.text);
    const json_t *runs = json_object_get(summary, "methods"), *joint = NULL, *run,
                 *over = json_object_get(summary, "over_seeds");
    size_t i;
    assert_int_equal(json_array_size(runs), 30);
    json_array_foreach(runs, i, run)
    {
        if (strcmp(json_string_value(json_object_get(run, "method")), "joint") == 0 && !joint) joint = run;
    }
    run = json_array_get(runs, 0); /* full with seed 1, as is joint's first */
    const json_t *measures = json_object_get(run, "measures"),
                 *change = json_array_get(json_object_get(run, "changes"), 0);
    const double own = summary_cell(run, "matrix", 0, 0), end = summary_cell(run, "matrix", 1, 0),
                 second = summary_cell(run, "matrix", 1, 1);
    const struct {
        const char *name;
        double value;
    } wanted[] = {
        {"average_accuracy", (end + second) / 2},
        {"learning_accuracy", (own + second) / 2},
        {"backward_transfer", end - own},
        {"forward_transfer", summary_cell(run, "probes", 1, 1) - summary_cell(run, "probes", 0, 1)},
        {"forgetting_first_last", own - end},
        {"forgetting_max_before_last", own - end},
        {"forgetting_max_including_last", own - end},
        {"intransigence", summary_cell(joint, "matrix", 1, 1) - second},
        {"probe_recovery", summary_cell(run, "probes", 2, 0) - end},
        {"representation_lost", summary_cell(run, "probes", 1, 0) - summary_cell(run, "probes", 2, 0)},
        {"churn", json_number_value(json_object_get(change, "churn"))},
    };
    assert_int_equal(json_object_size(measures), COUNT(wanted));
    for (i = 0; i < COUNT(wanted); i++) {
        const json_t *value = json_object_get(measures, wanted[i].name);
        if (!json_is_number(value) || !(fabs(json_number_value(value) - wanted[i].value) < 1e-8))
            fail_msg("%s: %.9g, wanted %.9g", wanted[i].name, json_number_value(value), wanted[i].value);
    }
    assert_true(json_number_value(json_object_get(measures, "forgetting_first_last")) > 0.1);
    assert_true(json_is_null(json_object_get(json_object_get(joint, "measures"), "intransigence")));
    /* over seeds: the mean of the two */
    const json_t *mean = json_object_get(json_object_get(json_array_get(over, 0), "measures"), "churn");
    const json_t *other = json_object_get(json_array_get(runs, 1), "measures");
    assert_true(fabs(json_number_value(json_object_get(mean, "mean")) -
                     (wanted[10].value + json_number_value(json_object_get(other, "churn"))) / 2) < 1e-8);
    assert_int_equal(json_array_size(json_object_get(mean, "interval")), 2);
    static const char *const parts[] = {"drift_cka", "swap_returns"};
    for (size_t p = 0; p < COUNT(parts); p++) { /* and of each part of the encoder */
        const json_t *one[2], *of = json_object_get(json_object_get(json_array_get(over, 0), parts[p]), "layer 1");
        for (i = 0; i < 2; i++)
            one[i] =
                json_object_get(json_array_get(json_object_get(json_array_get(runs, i), "old_tasks"), 0), parts[p]);
        assert_true(fabs(json_number_value(json_object_get(of, "mean")) -
                         (json_number_value(json_object_get(one[0], "layer 1")) +
                          json_number_value(json_object_get(one[1], "layer 1"))) /
                             2) < 1e-8);
        assert_int_equal(json_integer_value(json_object_get(of, "seeds")), 2);
    }
    assert_string_equal(json_string_value(json_object_get(json_array_get(over, 12), "kind")), "ceiling");
    /* the rules stand beside what follows from them; of 10 methods that can be ranked every two are a pair */
    assert_int_equal(json_array_size(json_object_get(summary, "rules")), COUNT(verdict_rules));
    assert_int_equal(json_array_size(json_object_get(json_object_get(summary, "comparison"), "pairs")), 45);
    json_decref(summary);
    arena_free(&arena);
}

/* ---- Files ---- */

static Str report_font(Arena *arena)
{
    Str font;
    Err err = {0};
    if (!asset_expand(arena, "DejaVuSans.ttf", &font, &err)) fail_msg("%s", err.text);
    return font;
}

static uint32_t big_endian(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint32_t crc32_of(const char *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= (uint8_t)bytes[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void test_files(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    const Story stories[] = {
        {"full", 150, 120, 120, 40, 10}, {"lora", 107, 107, 69, 0, 0}, {"lora-seq", 150, 148, 120, 4, 2}};
    const Results *results = story_results(&arena, stories, 3, "1");
    const Str font = report_font(&arena);
    static const char *const names[] = {"charts/before_after.png", "charts/loss.png", "charts/matrix.png", "table.md",
                                        "summary.json"};
    Str first[COUNT(names)];
    for (int turn = 0; turn < 2; turn++) {
        if (!report_write(results, tmp_path("report"), font, &err)) fail_msg("%s", err.text);
        for (size_t i = 0; i < COUNT(names); i++) {
            Str bytes;
            if (!file_read(&arena, arena_printf(&arena, "%s/%s", tmp_path("report"), names[i]), 1 << 24, &bytes, &err))
                fail_msg("%s", err.text);
            if (turn) assert_true(str_equal(bytes, first[i])); /* drawn again: the same bytes */
            first[i] = bytes;
        }
    }
    for (size_t i = 0; i < 3; i++) { /* a PNG: its signature, sound chunks, 1600 wide, as high as it needs */
        const Str png = first[i];
        assert_memory_equal(png.at, "\x89PNG\r\n\x1a\n", 8);
        assert_int_equal(big_endian(png.at + 16), 1600);
        assert_in_range(big_endian(png.at + 20), 400, 1000);
        size_t at = 8;
        while (at < png.size) {
            const uint32_t size = big_endian(png.at + at);
            assert_true(at + 12 + size <= png.size);
            assert_int_equal(big_endian(png.at + at + 8 + size), crc32_of(png.at + at + 4, size + 4));
            at += 12 + size;
        }
        assert_int_equal(at, png.size);
    }
    json_t *summary = NULL;
    if (!json_parse(first[4], "summary.json", &summary, &err)) fail_msg("%s", err.text);
    const json_t *full = json_array_get(json_object_get(summary, "methods"), 0),
                 *matrix = json_object_get(full, "matrix");
    assert_string_equal(json_string_value(json_object_get(full, "method")), "full");
    assert_true(json_number_value(json_array_get(json_array_get(matrix, 0), 0)) == 0.75);
    assert_true(json_is_null(json_array_get(json_array_get(matrix, 0), 1)));
    assert_true(json_number_value(json_array_get(json_array_get(matrix, 1), 0)) == 0.6);
    json_decref(summary);
    /* a folder that cannot be written to: one error, no half of anything */
    tmp_write("not-a-folder", S("x"));
    assert_false(report_write(results, tmp_path("not-a-folder"), font, &err));
    assert_non_null(strstr(err.text, "not-a-folder"));
    arena_free(&arena);
}

static const struct CMUnitTest report_tests[] = {
    cmocka_unit_test(test_the_end_fits_a_terminal),
    cmocka_unit_test(test_what_the_table_says),
    cmocka_unit_test(test_tables_of_all_shapes),
    cmocka_unit_test(test_summary),
    cmocka_unit_test(test_files),
};
