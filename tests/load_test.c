/* Reading results.jsonl: made-up files with every kind of event, damaged ones, and several folders as one experiment.
 */

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
        const Evaluation *own = &run->matrix[0], *last = &run->matrix[(r.task_count - 1) * r.task_count];
        assert_int_equal(old != NULL, !made->bare);
        if (!made->bare) {
            assert_string_equal(r.tasks[1].class_names[2], "contradiction");
            assert_true(r.shared_first && strstr(r.acquaintance, "nli"));
            assert_int_equal(r.method_info[1].kind, METHOD_SEPARATE);
            assert_int_equal(old->curve.count, MADE_STEPS / 6 - 1);
            assert_int_equal(old->swaps.count, MADE_LAYERS + 2);
            assert_int_equal(old->layer_count, MADE_LAYERS + 1);
            assert_int_equal(old->lost.count, last->lost);
            assert_int_equal(old->won.count, last->gained);
            for (int k = 0; k < old->won.count; k++)
                assert_true(!own->right[old->won.at[k].row - 1] && last->right[old->won.at[k].row - 1]);
            assert_true(old->cka_error[2] == 0.02);
            for (int j = 0; j < r.task_count; j++) /* [pretrained, after 1, ...][task] */
                assert_true(!run->probe[j].rows == !j &&
                            run->probe[(j + 1) * r.task_count + j].rows * (uint32_t)(j < r.task_count - 1) ==
                                (j < r.task_count - 1 ? MADE_ROWS : 0u));
            for (int k = 0; k < old->lost.count; k++) {
                const ResultText *text = result_text(&r.tasks[0], old->lost.at[k].row);
                assert_true(text && text->row == old->lost.at[k].row);
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

/* `text` with the first `from` replaced. */
static Str load_replaced(Arena *arena, Str text, const char *from, const char *to)
{
    const char *at = strstr(text.at, from);
    if (!at) fail_msg("%s: not in the made-up results", from);
    return str(arena_printf(arena, "%.*s%s%s", (int)(at - text.at), text.at, to, at + strlen(from)));
}

/* Sound files with one thing changed: each is refused, with the line. */
static void test_damaged_events(void **state)
{
    (void)state;
    static const Made bases[] = {{.tasks = 3, .methods = 4, .seeds = 1},
                                 {.tasks = 2, .first_method = 14, .methods = 1, .seeds = 1}};
    static const struct {
        int base;
        const char *from, *to, *message;
    } cases[] = {
        {0, "\"kind\":\"separate\"", "\"kind\":\"odd\"", "the \"kind\" of method lora is none of"},
        {0, "{\"method\":\"lora\",\"kind\"", "{\"method\":\"full\",\"kind\"",
         "entry 2 of \"method_info\" must be that of method lora"},
        {0, "\"method_info\":[", "\"method_info\":[0,", "\"method_info\" must describe each of the 4 methods"},
        {0, "[\"negative\",", "[", "\"class_names\" must name each of the 2 classes"},
        {0, "\"seeds\":[1]", "\"seeds\":[1,1]", "seed 1 is named twice"},
        {0, "\"name\":\"nli\",\"classes\"", "\"name\":\"n\\u009bi\",\"classes\"", "must be a name"},
        {0, "\"task\":1,\"name\":\"sentiment\",\"step\":1,", "\"task\":1,\"name\":\"nli\",\"step\":1,",
         "task 1 is called sentiment, not nli"},
        {0, "\"shared_first\":true", "\"match_margin\":101", "\"match_margin\" is 101, outside"},
        {0, "\"penalty\":", "\"penalty\":\"much\",\"x\":", "\"penalty\" must be a number"},
        {0, "\"right\":\"", "\"right\":\"0", "\"right\" must hold 75 hexadecimal digits"},
        {0, "\"right\":\"", "\"right\":\"g", "\"right\" must hold 75 hexadecimal digits"},
        {0, ",\"changed\":", ",\"changed\":0,\"x\":", "\"changed\" is 0, outside"},
        {0, ",\"changed\":", ",\"changed\":300,\"x\":", "\"changed\" is 300, but \"predictions\" says"},
        {0, "\"labels\":\"0101", "\"labels\":\"010", "\"labels\" must hold 300 hexadecimal digits for 300 rows"},
        {0, "\"labels\":\"0101", "\"labels\":\"0121", "\"labels\" must hold 300 hexadecimal digits"},
        {0, "\"labels\":\"0101", "\"labels\":\"0111", "do not agree"},
        {0, "\"labels\":\"", "\"labels\":1,\"x\":\"", "\"labels\" must hold 300 hexadecimal digits"},
        {0, "\"predictions\":\"", "\"predictions\":\"0", "\"predictions\" must hold 300 hexadecimal digits"},
        {0, "\"predictions\":\"", "\"predictions\":\"\",\"x\":\"", "\"predictions\" must hold 300"},
        {0, "\"confidence\":\"", "\"confidence\":\"0", "\"confidence\" must hold 900 hexadecimal digits"},
        {0, "\"event\":\"curve\",\"method\":\"full\",\"seed\":1,\"after_task\":2,\"task\":1,\"name\":\"sentiment\"",
         "\"event\":\"curve\",\"method\":\"full\",\"seed\":1,\"after_task\":2,\"task\":2",
         "\"task\" is 2, outside 1 to 1"},
        {0, "\"step\":12,\"rows\":100", "\"step\":6,\"rows\":100", "step 6 follows step 6 of the same curve"},
        {0, "\"step\":12,\"rows\":100", "\"step\":12,\"rows\":99", "99 rows, but the curve began with 100"},
        {0, "\"step\":6,\"rows\":100", "\"step\":6,\"rows\":301", "\"rows\" is 301, outside"},
        {0, "\"step\":6,\"rows\":100", "\"step\":0,\"rows\":100", "\"step\" is 0, outside"},
        {0, "\"looked\":\"", "\"looked\":\"0", "\"looked\" and \"right\" must hold 75 hexadecimal digits"},
        {0, "\"looked\":\"f", "\"looked\":\"0", "\"right\" marks row"},
        {0, "0\",\"right\":\"", "f\",\"right\":\"", "\"looked\" marks 104 rows"},
        {0, "\"event\":\"probe\",\"method\":\"full\",\"seed\":1,\"after_task\":0,\"task\":3,\"name\":\"trec\"",
         "\"event\":\"probe\",\"method\":\"full\",\"seed\":1,\"after_task\":0,\"task\":2",
         "a second \"probe\" of task 2 after task 0"},
        {0, "\"event\":\"probe\",\"method\":\"full\",\"seed\":1,\"after_task\":3",
         "\"event\":\"probe\",\"method\":\"full\",\"seed\":1,\"after_task\":4", "\"after_task\" is 4, outside"},
        {0, "\"cka\":[1.000000,", "\"cka\":[1.5,", "\"cka\" must hold numbers from -1 to 1"},
        {0, "\"cka\":[", "\"cka\":[1,", "4 layers, but 5 values of \"cka\""},
        {0, "\"layers\":[\"embeddings\"", "\"layers\":[7", "a layer must be a name"},
        {0, "\"block\":\"layer 1\"", "\"block\":\"embeddings\"", "a second \"swap\" of embeddings"},
        {0, "\"correct_without\":", "\"correct_without\":301,\"x\":", "\"correct_without\" is 301, outside"},
        {1, "\"alpha\":0.2", "\"alpha\":0.1", "alpha 0.1 follows alpha 0.1 of the same interpolation"},
        {1, "\"alpha\":0.2", "\"alpha\":1.2", "\"alpha\" is 1.2, outside"},
        {0, "\"event\":\"text\",\"task\":1,\"row\":", "\"event\":\"text\",\"task\":1,\"row\":0,\"x\":",
         "\"row\" is 0, outside"},
        {0, "\"label\":", "\"label\":2,\"x\":", "\"label\" is 2, outside"},
        {0, "\"label\":0,\"text\":", "\"label\":0,\"text\":1,\"x\":", "\"text\" and \"pair\" must be texts"},
        {0, "\"rows\":[[", "\"rows\":[[301,0.5,0.1,1],[", "task sentiment has no row 301"},
        {0, "\"rows\":[[", "\"rows\":[[1,0.5,0.1,2],[", "task sentiment has no class 2"},
        {0, "\"rows\":[[", "\"rows\":[[1,1.5,0.1,1],[", "\"rows\" must hold numbers from 0 to 1"},
        {0, "\"rows\":[[", "\"rows\":[[1,0.5,0.1],[", "must be [row, p_before, p_after, prediction]"},
        {0, "{\"event\":\"lost\",\"method\":\"full\",\"seed\":1,\"after_task\":3,\"task\":2,\"name\":\"nli\"",
         "{\"event\":\"lost\",\"method\":\"full\",\"seed\":1,\"after_task\":3,\"task\":1",
         "a second \"lost\" of task 1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = {0};
        Results r;
        Err err = {0};
        const Str text = made_results(&arena, &bases[cases[i].base]);
        if (report_parse(&arena, load_replaced(&arena, text, cases[i].from, cases[i].to), "r.jsonl", &r, &err))
            fail_msg("case %zu: read without an error", i);
        if (strncmp(err.text, "r.jsonl: line ", 14) != 0 || !strstr(err.text, cases[i].message))
            fail_msg("got:    %s\nwanted: %s", err.text, cases[i].message);
        arena_free(&arena);
    }
}

/* Which rows are right follows from labels and predictions. */
static void test_right_follows_from_predictions(void **state)
{
    (void)state;
    Arena arena = {0};
    Results whole, r;
    Err err = {0};
    const Made made = {.tasks = 2, .methods = 1, .seeds = 1};
    const Str text = made_results(&arena, &made);
    if (!report_parse(&arena, text, "r.jsonl", &whole, &err) ||
        !report_parse(&arena, load_replaced(&arena, text, "\"right\":\"", "\"x\":\""), "r.jsonl", &r, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(r.runs.at[0].matrix[0].right, whole.runs.at[0].matrix[0].right, MADE_ROWS);
    arena_free(&arena);
}

/* What is recorded twice in an evaluation must agree; a row is recorded once; a row that was not lost is not listed. */
static void test_events_that_disagree(void **state)
{
    (void)state;
    Arena arena = {0};
    const Story story = {"full", 150, 120, 120, 40, 10};
    const char *row = "{\"event\":\"text\",\"task\":1,\"row\":7,\"label\":0,\"text\":\"x\"}\n";
    const Str good = story_lines(&arena, &story, 1, "1", false);
    const struct {
        Str text;
        const char *message;
    } cases[] = {
        {load_replaced(&arena, good, "\"correct\":150,\"accuracy\":0.750", "\"correct\":149,\"accuracy\":0.745"),
         "\"right\" marks 150 rows, but \"correct\" is 149"},
        {load_replaced(&arena, good, "\"lost\":40,\"gained\":10", "\"lost\":41,\"gained\":11"),
         "\"lost\" is 41 and \"gained\" 11, but \"right\" says 40 and 10"},
        {str(arena_printf(&arena,
                          "%s{\"event\":\"lost\",\"method\":\"full\",\"seed\":1,\"after_task\":2,\"task\":1,\"rows\":[["
                          "40,0.9,0.1,1],[41,0.9,0.1,1]]}\n",
                          good.at)),
         "row 41 was not lost, says \"right\""},
        {str(arena_printf(&arena,
                          "%s{\"event\":\"lost\",\"method\":\"full\",\"seed\":1,\"after_task\":2,\"task\":1,\"rows\":[["
                          "40,0.9,0.1,1],[40,0.9,0.1,1]]}\n",
                          good.at)),
         "row 40 is named twice"},
        {str(arena_printf(&arena, "%s%s%s", good.at, row, row)), "line 8: a second \"text\" of row 7 of task a"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Results r;
        Err err = {0};
        assert_false(report_parse(&arena, cases[i].text, "r.jsonl", &r, &err));
        if (strncmp(err.text, "r.jsonl: line ", 14) != 0 || !strstr(err.text, cases[i].message))
            fail_msg("got:    %s\nwanted: %s", err.text, cases[i].message);
    }
    arena_free(&arena);
}

/* What would act on a terminal or turn a line around does not come through. */
static void test_texts_are_made_plain(void **state)
{
    (void)state;
    Arena arena = {0};
    Results r;
    Err err = {0};
    const Story story = {"full", 150, 120, 120, 40, 10};
    const char *text = arena_printf(&arena,
                                    "%s{\"event\":\"text\",\"task\":1,\"row\":7,\"label\":0,\"text\":\"a\\u001b["
                                    "31mb\\nc\\u202ed\\u009be\\u2028f caf\u00e9 \u6771\"}\n",
                                    story_lines(&arena, &story, 1, "1", false).at);
    if (!report_parse(&arena, str(text), "r.jsonl", &r, &err)) fail_msg("%s", err.text);
    assert_string_equal(result_text(&r.tasks[0], 7)->text, "a [31mb c d e f caf\u00e9 \u6771");
    assert_null(result_text(&r.tasks[0], 6));
    arena_free(&arena);
}

/* ---- Several folders ---- */

static const char *load_write_made(Arena *arena, const char *name, const Made *made, const char *from, const char *to)
{
    Err err = {0};
    const char *folder = arena_printf(arena, "%s", tmp_path(name));
    const Str text = made_results(arena, made);
    if (!folder_make(folder, &err)) fail_msg("%s", err.text);
    tmp_write(arena_printf(arena, "%s/results.jsonl", name), from ? load_replaced(arena, text, from, to) : text);
    return folder;
}

/* Jobs of a grid: any cells of it make the same results as one run of all of them. */
static void test_joining_a_grid(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    Results joined, whole;
    const Made parts[] = {{.tasks = 2, .methods = 2, .seeds = 1},
                          {.tasks = 2, .methods = 2, .seeds = 1, .first_seed = 2},
                          {.tasks = 2, .methods = 2, .first_method = 2, .seeds = 2}},
               all = {.tasks = 2, .methods = 4, .seeds = 2};
    const char *folders[] = {load_write_made(&arena, "grid-1", &parts[0], NULL, NULL),
                             load_write_made(&arena, "grid-2", &parts[1], NULL, NULL),
                             load_write_made(&arena, "grid-3", &parts[2], NULL, NULL)};
    if (!report_load(&arena, folders, 3, &joined, &err) ||
        !report_parse(&arena, made_results(&arena, &all), "all", &whole, &err))
        fail_msg("%s", err.text);
    assert_int_equal(joined.runs.count, 8);
    assert_int_equal(joined.seed_count, 2);
    assert_true(joined.finished);
    assert_string_equal(table_text(&arena, &joined), table_text(&arena, &whole));
    for (int m = 0; m < 4; m++) assert_int_equal(joined.method_info[m].kind, whole.method_info[m].kind);
    for (int j = 0; j < 2; j++) assert_int_equal(joined.tasks[j].texts.count, whole.tasks[j].texts.count);
    /* a cell that is missing is no error */
    if (!report_load(&arena, folders + 1, 2, &joined, &err)) fail_msg("%s", err.text);
    assert_non_null(strstr(verdict_remark(&arena, &joined, 0), "1 of 2 seeds so far"));
    arena_free(&arena);
}

static void test_folders_that_do_not_join(void **state)
{
    (void)state;
    const Made a = {.tasks = 2, .methods = 2, .seeds = 1},
               other_seed = {.tasks = 2, .methods = 2, .seeds = 1, .first_seed = 2},
               longer = {.tasks = 3, .methods = 2, .seeds = 1, .first_seed = 2};
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"\"settings\":", "\"setting\":", "join-2/results.jsonl does not record its settings"},
        {"\"majority_rate\":0.5", "\"majority_rate\":0.6", "differ in majority_rate of task sentiment, 0.5 and 0.6"},
        {"\"eval_sha256\":\"2b", "\"eval_sha256\":\"2c", "differ in eval_sha256 of task sentiment, \"2b\" and \"2c\""},
        {"\"train_sha256\":\"1a", "\"train_sha256\":\"1c", "differ in train_sha256 of task sentiment"},
        {"\"name\":\"MiniLM", "\"name\":\"OtherLM", "differ in name of the model"},
        {"\"kind\":\"separate\"", "\"kind\":\"method\"", "join-2/results.jsonl: method lora is of another kind"},
    };
    Arena arena = {0};
    Results r;
    Err err = {0};
    const char *first = load_write_made(&arena, "join-1", &a, NULL, NULL);
    const char *twice[] = {first, first}, *more[] = {first, load_write_made(&arena, "join-3", &longer, NULL, NULL)};
    assert_false(report_load(&arena, twice, 2, &r, &err));
    assert_non_null(strstr(err.text, "method full with seed 1 is also in another of the folders"));
    err = (Err){0};
    assert_false(report_load(&arena, more, 2, &r, &err));
    assert_non_null(strstr(err.text, "differ in their tasks: 2 and 3"));
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *folders[] = {first, load_write_made(&arena, "join-2", &other_seed, cases[i].from, cases[i].to)};
        err = (Err){0};
        assert_false(report_load(&arena, folders, 2, &r, &err));
        if (!strstr(err.text, cases[i].message) || strchr(err.text, '\n'))
            fail_msg("got:    %s\nwanted: %s", err.text, cases[i].message);
    }
    Str text = made_results(&arena, &other_seed); /* the same rows with other words */
    while (strstr(text.at, "The film")) text = load_replaced(&arena, text, "The film", "Her film");
    tmp_write("join-2/results.jsonl", text);
    const char *folders[] = {first, arena_printf(&arena, "%s", tmp_path("join-2"))};
    err = (Err){0};
    assert_false(report_load(&arena, folders, 2, &r, &err));
    if (!strstr(err.text, "of task sentiment reads otherwise than in another of the folders")) fail_msg("%s", err.text);
    arena_free(&arena);
}

static void load_expect_methods(const Results *r, const char *const *names, int count)
{
    assert_int_equal(r->method_count, count);
    for (int m = 0; m < count; m++) assert_string_equal(r->methods[m], names[m]);
}

/* Other values of a method's own option: two values with two seeds each, beside a method that does not have it. */
static void test_own_options_make_a_sweep(void **state)
{
    (void)state;
    static const char *const names[] = {"lora-seq", "ewc (ewc-lambda 100)", "ewc (ewc-lambda 1000)"};
    Arena arena = {0};
    Err err = {0};
    Results r;
    const Made ewc[] = {{.tasks = 2, .first_method = 3, .methods = 1, .seeds = 1},
                        {.tasks = 2, .first_method = 3, .methods = 1, .seeds = 1, .first_seed = 2}},
               both = {.tasks = 2, .first_method = 2, .methods = 2, .seeds = 2};
    const char *from = "\"ewc-lambda\":\"100\"", *to = "\"ewc-lambda\":\"1000\"";
    const char *folders[] = {load_write_made(&arena, "sweep-1", &both, from, to),
                             load_write_made(&arena, "sweep-2", &ewc[0], NULL, NULL),
                             load_write_made(&arena, "sweep-3", &ewc[1], NULL, NULL)};
    if (!report_load(&arena, folders, 3, &r, &err)) fail_msg("%s", err.text);
    load_expect_methods(&r, names, 3);
    assert_int_equal(r.runs.count, 6);
    for (size_t i = 0; i < 6; i++) assert_int_equal(r.runs.at[i].method, i / 2);
    assert_false(load_settings_agree(&r.method_info[1], &r.method_info[2]));
    assert_true(load_settings_agree(&r.method_info[0], &r.method_info[2]));
    assert_string_equal(load_beside_preset(&arena, &r), "epochs 3");
    /* seed 1 with lambda 100, seed 2 with 1000: no mean over seeds */
    const char *two[] = {folders[1], load_write_made(&arena, "sweep-4", &ewc[1], from, to)};
    if (!report_load(&arena, two, 2, &r, &err)) fail_msg("%s", err.text);
    load_expect_methods(&r, names + 1, 2);
    assert_null(strstr(table_text(&arena, &r), "over 2 seeds"));
    assert_non_null(strstr(table_text(&arena, &r), "settings beside the default: epochs 3"));
    arena_free(&arena);
}

/* A setting of all methods names them all; a learning rate only those that use it. */
static void test_common_settings_make_a_sweep(void **state)
{
    (void)state;
    static const char *const epochs[] = {"full (epochs 3)", "full (epochs 5)", "lora (epochs 3)", "lora (epochs 5)"},
                             *const rates[] = {"full (learning-rate 1e-5)", "full (learning-rate 5e-5)", "lora"};
    Arena arena = {0};
    Err err = {0};
    Results r;
    const Made one = {.tasks = 2, .methods = 2, .seeds = 1},
               two = {.tasks = 2, .methods = 2, .seeds = 1, .first_seed = 2};
    const char *folders[] = {load_write_made(&arena, "sweep-1", &one, "\"epochs\":\"3\"", "\"epochs\":\"5\""),
                             load_write_made(&arena, "sweep-2", &two, NULL, NULL)};
    if (!report_load(&arena, folders, 2, &r, &err)) fail_msg("%s", err.text);
    load_expect_methods(&r, epochs, 4);
    assert_int_equal(load_find_full(&r, 3), 1);
    folders[0] = load_write_made(&arena, "sweep-1", &one, "\"learning-rate\":\"5e-5\"", "\"learning-rate\":\"1e-5\"");
    if (!report_load(&arena, folders, 2, &r, &err)) fail_msg("%s", err.text);
    load_expect_methods(&r, rates, 3);
    assert_int_equal(verdict_score(&r, 2, 0, 0).seeds, 2);
    /* the same number of evaluation rows, however asked for */
    folders[0] = load_write_made(&arena, "sweep-1", &one, "\"eval-rows\":\"300\"", "\"eval-rows\":\"0\"");
    if (!report_load(&arena, folders, 2, &r, &err)) fail_msg("%s", err.text);
    assert_int_equal(r.method_count, 2);
    arena_free(&arena);
}

static const struct CMUnitTest load_tests[] = {
    cmocka_unit_test(test_made_results),
    cmocka_unit_test(test_damaged_results),
    cmocka_unit_test(test_damaged_events),
    cmocka_unit_test(test_right_follows_from_predictions),
    cmocka_unit_test(test_events_that_disagree),
    cmocka_unit_test(test_texts_are_made_plain),
    cmocka_unit_test(test_joining_a_grid),
    cmocka_unit_test(test_folders_that_do_not_join),
    cmocka_unit_test(test_own_options_make_a_sweep),
    cmocka_unit_test(test_common_settings_make_a_sweep),
};
