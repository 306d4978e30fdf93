/* report: the rules of the verdict on constructed runs, damaged files, and what the table and the charts look like from
 * outside. */

#include "report_data.h"

/* ---- Constructed runs ---- */

typedef struct Story { /* one method's numbers of correct rows: on task 1 when learned and at the end, on task 2 */
    const char *method;
    int first, kept, second;
    int lost, gained; /* -1: not told */
} Story;

enum { STORY_ROWS = 200 };

/* The lines of a run of two tasks: a with 2 classes (50%), b with 3 (34%). */
static Str story_lines(Arena *arena, const Story *stories, int count, const char *seeds, bool done)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    fprintf(f,
            "{\"event\":\"run\",\"version\":\"0\",\"tasks\":[{\"name\":\"a\",\"classes\":2,\"train_rows\":9,\"eval_"
            "rows\":%d,\"majority_rate\":0.5,\"train\":\"t\",\"eval\":\"e\"},"
            "{\"name\":\"b\",\"classes\":3,\"train_rows\":9,\"eval_rows\":%d,\"majority_rate\":0.34,\"train\":\"t\","
            "\"eval\":\"e\"}],\"seeds\":[%s],\"preset\":\"default\","
            "\"model\":{\"name\":\"m\"},\"methods\":[",
            STORY_ROWS, STORY_ROWS, seeds);
    for (int i = 0; i < count; i++)
        if (!i || strcmp(stories[i].method, stories[i - 1].method) != 0)
            fprintf(f, "%s\"%s\"", i ? "," : "", stories[i].method);
    fprintf(f, "]}\n");
    for (int i = 0, seed = 0; i < count; i++) {
        const Story *s = &stories[i];
        seed = i && strcmp(s->method, stories[i - 1].method) == 0 ? seed + 1 : 1;
        const struct {
            int after, task, correct;
        } evals[] = {{1, 1, s->first}, {2, 1, s->kept}, {2, 2, s->second}};
        fprintf(f,
                "{\"event\":\"step\",\"method\":\"%s\",\"seed\":%d,\"task\":1,\"name\":\"a\",\"step\":1,\"epoch\":0,"
                "\"loss\":0.7}\n",
                s->method, seed);
        for (size_t k = 0; k < COUNT(evals); k++) {
            fprintf(f,
                    "{\"event\":\"eval\",\"method\":\"%s\",\"seed\":%d,\"after_task\":%d,\"task\":%d,\"name\":\"%c\","
                    "\"rows\":%d,\"correct\":%d,\"accuracy\":%.3f,\"loss\":0.5,\"final\":true",
                    s->method, seed, evals[k].after, evals[k].task, "ab"[evals[k].task - 1], STORY_ROWS,
                    evals[k].correct, evals[k].correct / (double)STORY_ROWS);
            if (k == 1 && s->lost >= 0) fprintf(f, ",\"lost\":%d,\"gained\":%d", s->lost, s->gained);
            fprintf(f, "}\n");
        }
        fprintf(f, "{\"event\":\"method\",\"method\":\"%s\",\"seed\":%d,\"trainable\":10,\"seconds\":1.5}\n", s->method,
                seed);
    }
    if (done) fprintf(f, "{\"event\":\"done\",\"seconds\":3,\"peak_bytes\":1000}\n");
    fclose(f);
    const Str lines = {arena_copy(arena, text, size), size};
    free(text);
    return lines;
}

static const Results *story_results(Arena *arena, const Story *stories, int count, const char *seeds)
{
    Results *results = arena_new(arena, Results, 1);
    Err err = {0};
    if (!report_parse(arena, story_lines(arena, stories, count, seeds, true), "r.jsonl", results, &err))
        fail_msg("%s", err.text);
    return results;
}

static const char *table_text(Arena *arena, const Results *results)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    report_table(results, f);
    fclose(f);
    const char *copy = arena_copy(arena, text, size);
    free(text);
    return copy;
}

static void test_verdicts(void **state)
{
    (void)state;
    static const struct {
        Story story;
        Verdict verdict;
    } cases[] = {
        {{"full", 150, 120, 120, 40, 10}, VERDICT_FORGOT},
        {{"full", 150, 144, 120, 6, 0}, VERDICT_FORGOT},         /* p = 0.031 */
        {{"full", 150, 145, 120, 5, 0}, VERDICT_WITHIN_CHANCE},  /* p = 0.063 */
        {{"full", 150, 142, 120, 10, 2}, VERDICT_FORGOT},        /* p = 0.039 */
        {{"full", 150, 143, 120, 10, 3}, VERDICT_WITHIN_CHANCE}, /* p = 0.092 */
        {{"full", 150, 156, 120, 0, 6}, VERDICT_GAINED},
        {{"full", 150, 150, 120, 20, 20}, VERDICT_WITHIN_CHANCE},
        {{"full", 150, 140, 120, -1, -1}, VERDICT_UNCLEAR},   /* 10 lost, or 60 lost and 50 gained */
        {{"full", 150, 90, 120, -1, -1}, VERDICT_FORGOT},     /* whatever the rows */
        {{"full", 107, 107, 120, 0, 0}, VERDICT_NOT_LEARNED}, /* 53.5%: not above 50% */
        {{"full", 107, 60, 120, 47, 0}, VERDICT_NOT_LEARNED}, /* even with a drop */
        {{"lora", 150, 150, 120, 0, 0}, VERDICT_BY_CONSTRUCTION},
        {{"lora", 107, 107, 120, 0, 0}, VERDICT_NOT_LEARNED}, /* not learned comes first */
        {{"lora-seq", 150, 150, 120, 0, 0}, VERDICT_WITHIN_CHANCE},
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
    const Story noise[] = {
        {"full", 150, 120, 120, 40, 10}, {"full", 150, 155, 120, 5, 10}, {"full", 150, 149, 120, 2, 1}};
    const Story missed[] = {
        {"full", 150, 120, 120, 40, 10}, {"full", 101, 101, 120, 0, 0}, {"full", 149, 120, 120, 40, 11}};
    assert_int_equal(verdict_change(story_results(&arena, sure, 3, "1,2,3"), 0, 0).verdict, VERDICT_FORGOT);
    assert_int_equal(verdict_change(story_results(&arena, noise, 3, "1,2,3"), 0, 0).verdict, VERDICT_WITHIN_CHANCE);
    assert_int_equal(verdict_change(story_results(&arena, missed, 3, "1,2,3"), 0, 0).verdict, VERDICT_NOT_LEARNED);
    arena_free(&arena);
}

static void test_what_the_table_says(void **state)
{
    (void)state;
    Arena arena = {0};
    const Story stories[] = {
        {"full", 150, 120, 120, 40, 10}, {"lora", 107, 107, 69, 0, 0}, {"lora-seq", 150, 148, 120, 4, 2}};
    const char *text = table_text(&arena, story_results(&arena, stories, 3, "1"));
    static const char *const wanted[] = {"75.0",
                                         "60.0",
                                         "-15.0",
                                         "forgot",
                                         "lora did not learn a",
                                         "did not learn a and b",
                                         "no change beyond chance",
                                         "majority class"};
    for (size_t i = 0; i < COUNT(wanted); i++)
        if (!strstr(text, wanted[i])) fail_msg("\"%s\" is missing in\n%s", wanted[i], text);
    assert_null(strstr(text, "did not forget"));
    /* 80 columns: bytes that continue a code point take none */
    size_t columns = 0;
    for (const char *p = text; *p; p++) {
        columns = *p == '\n' ? 0 : columns + ((*p & 0xc0) != 0x80);
        if (columns > 80) fail_msg("more than 80 columns:\n%s", text);
    }
    arena_free(&arena);
}

/* ---- Made-up files with every kind of event ---- */

static void test_made_results(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(made_files); i++) {
        Arena arena = {0};
        Err err = {0};
        Results r;
        const Made *made = &made_files[i].made;
        const char *folder = made_write(i);
        if (!report_load(&arena, &folder, 1, &r, &err)) fail_msg("%s: %s", made_files[i].name, err.text);
        assert_int_equal(r.runs.count, (size_t)((made->methods - made->cut) * made->seeds));
        assert_int_equal(r.finished, !made->cut);
        const ResultRun *run = &r.runs.at[0];
        const ResultOld *old = run->old[(r.task_count - 1) * r.task_count];
        const ResultCell *own = &run->matrix[0], *last = &run->matrix[(r.task_count - 1) * r.task_count];
        assert_int_equal(old != NULL, !made->bare);
        if (!made->bare) {
            assert_string_equal(r.tasks[1].class_names[2], "contradiction");
            assert_true(r.shared_first && strstr(r.acquaintance, "nli"));
            assert_int_equal(r.method_info[1].kind, METHOD_SEPARATE);
            assert_int_equal(old->curve.count, MADE_STEPS / 6 + 1);
            assert_int_equal(old->swaps.count, MADE_LAYERS + 2);
            assert_int_equal(old->layer_count, MADE_LAYERS + 1);
            assert_int_equal(old->lost_count, last->lost);
            assert_true(run->probe[0].rows && run->transfer[r.task_count + 1].rows);
            for (int k = 0; k < old->lost_count; k++) {
                const ResultText *text = result_text(&r.tasks[0], old->lost[k].row);
                assert_true(text && text->row == old->lost[k].row);
                assert_true(own->right[text->row - 1] && !last->right[text->row - 1]);
            }
        }
        arena_free(&arena);
    }
}

/* ---- Damaged files ---- */

static void test_damaged_results(void **state)
{
    (void)state;
    Arena arena = {0};
    const Story story = {"full", 150, 120, 120, 40, 10};
    const Str good = story_lines(&arena, &story, 1, "1", true);
    const char *lines = good.at, *rest = strchr(lines, '\n') + 1;
    const Str head = {lines, (size_t)(rest - lines)};
    static const struct {
        const char *line, *message;
    } cases[] = {
        {"{\"event\":\"eval\"", "r.jsonl: line 2 is not valid JSON"},
        {"[]", "r.jsonl: line 2: "},
        {"{\"event\":\"eval\",\"method\":\"other\",\"seed\":1}", "r.jsonl: line 2: "},
        {"{\"event\":\"eval\",\"method\":\"full\",\"seed\":9}", "r.jsonl: line 2: "},
        {"{\"event\":\"eval\",\"method\":\"full\",\"seed\":1,\"after_task\":3,\"task\":1,\"rows\":200,\"correct\":1,"
         "\"final\":true}",
         "r.jsonl: line 2: \"after_task\""},
        {"{\"event\":\"eval\",\"method\":\"full\",\"seed\":1,\"after_task\":1,\"task\":1,\"rows\":200,\"correct\":201,"
         "\"final\":true}",
         "r.jsonl: line 2: \"correct\""},
        {"{\"event\":\"eval\",\"method\":\"full\",\"seed\":1,\"after_task\":1,\"task\":1,\"rows\":-1,\"correct\":0,"
         "\"final\":true}",
         "r.jsonl: line 2: \"rows\""},
        {"{\"event\":\"step\",\"method\":\"full\",\"seed\":1,\"task\":1,\"step\":1,\"loss\":\"NaN\"}",
         "r.jsonl: line 2: \"loss\""},
        {"{\"event\":\"run\"}", "r.jsonl: line 2: a second \"run\" event"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Results results;
        Err err = {0};
        const char *text = arena_printf(&arena, "%.*s%s\n%s", STR_ARG(head), cases[i].line, rest);
        assert_false(report_parse(&arena, str(text), "r.jsonl", &results, &err));
        if (!strstr(err.text, cases[i].message)) fail_msg("got:    %s\nwanted: %s", err.text, cases[i].message);
    }
    Results results;
    Err err = {0};
    assert_false(report_parse(&arena, S(""), "r.jsonl", &results, &err));
    /* a last line cut short, and events of a kind not known, are passed over */
    const char *more = arena_printf(&arena, "%.*s{\"event\":\"weather\"}\n%s{\"event\":\"ev", STR_ARG(head), rest);
    err = (Err){0};
    if (!report_parse(&arena, str(more), "r.jsonl", &results, &err)) fail_msg("%s", err.text);
    assert_int_equal(results.runs.at[0].matrix[2].correct, 120);
    const char *folders[] = {"build/test-tmp/no-such-folder"};
    assert_false(report_load(&arena, folders, 1, &results, &err));
    assert_non_null(strstr(err.text, "no-such-folder"));
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
    for (size_t i = 0; i < 3; i++) { /* a PNG: its signature, sound chunks, 1600 x 1000 */
        const Str png = first[i];
        assert_memory_equal(png.at, "\x89PNG\r\n\x1a\n", 8);
        assert_int_equal(big_endian(png.at + 16), 1600);
        assert_int_equal(big_endian(png.at + 20), 1000);
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
    cmocka_unit_test(test_verdicts),
    cmocka_unit_test(test_verdicts_over_seeds),
    cmocka_unit_test(test_what_the_table_says),
    cmocka_unit_test(test_made_results),
    cmocka_unit_test(test_damaged_results),
    cmocka_unit_test(test_files),
};
