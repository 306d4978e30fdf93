/* Reading results.jsonl: made-up files with every kind of event, damaged ones, and several folders as one experiment.
 */

#include "report_data.h"

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

static const struct CMUnitTest load_tests[] = {
    cmocka_unit_test(test_made_results),
    cmocka_unit_test(test_damaged_results),
};
