/* The charts as pictures: for any number of methods and tasks, and for long names, nothing covers anything and nothing
 * leaves the picture. The canvas tells what it has drawn. */

static int charts_wrong; /* what was wrong so far: all of it is told before a test fails */
#define CHARTS_WRONG(...) (charts_wrong++, print_error(__VA_ARGS__), print_error("\n"))

static Str charts_font(Arena *arena)
{
    Str font;
    Err err = {0};
    if (!asset_expand(arena, "DejaVuSans.ttf", &font, &err)) fail_msg("%s", err.text);
    return font;
}

static bool charts_meet(Box a, Box b) { return a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1; }

static void charts_expect_apart(const Canvas *canvas, const char *what)
{
    const Mark *marks = canvas->marks.at;
    for (size_t i = 0; i < canvas->marks.count; i++) {
        const Box a = marks[i].box;
        if (marks[i].kind != MARK_TEXT && marks[i].kind != MARK_LEGEND) continue;
        if (a.x0 < 0 || a.y0 < 0 || a.x1 > (float)canvas->width || a.y1 > (float)canvas->height)
            CHARTS_WRONG("%s: \"%s\" leaves the picture", what, marks[i].text);
        for (size_t k = 0; k < i; k++)
            if ((marks[k].kind == MARK_TEXT || marks[k].kind == MARK_LEGEND) && charts_meet(a, marks[k].box))
                CHARTS_WRONG("%s: \"%s\" covers \"%s\"", what, marks[i].text, marks[k].text);
    }
}

/* Whether anything but paper, grid and bands is in a row (or a column) of pixels. */
static bool charts_ink(const Canvas *canvas, int at, bool column)
{
    const int count = column ? canvas->pixel_height : canvas->pixel_width;
    for (int i = 0; i < count; i++) {
        const size_t x = (size_t)(column ? at : i), y = (size_t)(column ? i : at);
        const uint8_t *p = canvas->pixels + 3 * (y * (size_t)canvas->pixel_width + x);
        if (p[0] < COLOUR_GRID.r || p[1] < COLOUR_GRID.g || p[2] < COLOUR_GRID.b) return true;
    }
    return false;
}

/* No third of a picture is blank, neither across nor down. */
static void charts_expect_full(const Canvas *canvas, const char *what)
{
    for (int column = 0; column < 2; column++) {
        const int size = column ? canvas->pixel_width : canvas->pixel_height;
        for (int i = 0, blank = 0; i < size; i++) {
            blank = charts_ink(canvas, i, column) ? 0 : blank + 1;
            if (3 * blank <= size) continue;
            CHARTS_WRONG("%s: a third is blank, up to %s %d", what, column ? "column" : "row", i);
            break;
        }
    }
}

static void charts_draw_one(const Results *r, size_t chart, Str font, const char *what)
{
    Arena arena = {0};
    Canvas canvas;
    Err err = {0};
    if (!report_charts[chart].draw(&arena, r, font, &canvas, &err)) fail_msg("%s: %s", what, err.text);
    const char *where = arena_printf(&arena, "%s of %s", report_charts[chart].file, what);
    charts_expect_apart(&canvas, where);
    charts_expect_full(&canvas, where);
    if (!*canvas.title || !*canvas.see || !*canvas.alt) fail_msg("%s: says nothing", where);
    arena_free(&arena);
}

/* Every chart that these results have, for a page, a telephone and a talk. Returns how many. */
static int charts_draw_all(const Results *r, Str font, const char *what)
{
    int drawn = 0;
    for (size_t i = 0; i < COUNT(report_charts); i++) {
        Arena arena = {0};
        Results narrow = *r, talk = *r;
        narrow.look = (ReportLook){.narrow = true, .pixels = 1};
        talk.look.text = 36;
        if (report_charts[i].shown && !report_charts[i].shown(r)) continue;
        charts_draw_one(r, i, font, what);
        charts_draw_one(&narrow, i, font, arena_printf(&arena, "%s, narrow", what));
        charts_draw_one(&talk, i, font, arena_printf(&arena, "%s, for a talk", what));
        drawn++;
        arena_free(&arena);
    }
    return drawn;
}

static const Results *charts_results(Arena *arena, Str text)
{
    Results *results = arena_new(arena, Results, 1);
    Err err = {0};
    if (!report_parse(arena, text, "r.jsonl", results, &err)) fail_msg("%s", err.text);
    return results;
}

/* A copy in which every `from` is `to`. */
static Str charts_replace(Arena *arena, Str text, const char *from, const char *to)
{
    char *out = NULL;
    size_t size = 0;
    const char *at = arena_copy(arena, text.at, text.size);
    FILE *f = open_memstream(&out, &size);
    for (const char *hit; (hit = strstr(at, from)); at = hit + strlen(from)) {
        fwrite(at, 1, (size_t)(hit - at), f);
        fputs(to, f);
    }
    fputs(at, f);
    fclose(f);
    const Str replaced = {arena_copy(arena, out, size), size};
    free(out);
    return replaced;
}

static void test_labels_apart(void **state)
{
    (void)state;
    static const struct {
        int tasks, methods, seeds;
    } cases[] = {{1, 1, 1},  {2, 1, 10}, {1, 5, 3},  {1, 15, 1}, {2, 2, 1}, {2, 3, 3},  {2, 4, 1},
                 {2, 5, 1},  {2, 6, 1},  {2, 7, 3},  {2, 8, 1},  {2, 9, 1}, {2, 11, 1}, {2, 13, 1},
                 {2, 15, 3}, {3, 2, 1},  {3, 15, 1}, {4, 6, 1},  {5, 3, 1}, {5, 15, 3}};
    Arena outer = {0};
    const Str font = charts_font(&outer);
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = {0};
        const Made made = {.tasks = cases[i].tasks, .methods = cases[i].methods, .seeds = cases[i].seeds};
        const char *what = arena_printf(&arena, "%d methods, %d tasks, %d seeds", made.methods, made.tasks, made.seeds);
        const int drawn = charts_draw_all(charts_results(&arena, made_results(&arena, &made)), font, what);
        /* an interpolation is shown for the methods it can be made with, a sweep where there is one */
        if (made.tasks > 1 ? drawn < (int)COUNT(report_charts) - 2 : drawn != 3) fail_msg("%s: %d charts", what, drawn);
        arena_free(&arena);
    }
    assert_int_equal(charts_wrong, 0);
    arena_free(&outer);
}

/* Bars that reach 100%, points in a corner: their values have room beside them. */
static void test_all_rows_right(void **state)
{
    (void)state;
    static const int methods[] = {1, 3, 8, 15};
    Arena outer = {0};
    const Str font = charts_font(&outer);
    for (size_t i = 0; i < COUNT(methods); i++) {
        Arena arena = {0};
        const Made made = {.tasks = 2, .methods = methods[i], .seeds = 1};
        Results r = *charts_results(&arena, made_results(&arena, &made));
        for (size_t k = 0; k < r.runs.count; k++)
            for (int cell = 0; cell < r.task_count * r.task_count; cell++) {
                Evaluation *e = &r.runs.at[k].matrix[cell];
                *e = (Evaluation){.rows = e->rows, .correct = e->rows, .paired = e->paired};
            }
        charts_draw_all(&r, font, arena_printf(&arena, "%d methods, all right", methods[i]));
        arena_free(&arena);
    }
    assert_int_equal(charts_wrong, 0);
    arena_free(&outer);
}

static void test_long_names(void **state)
{
    (void)state;
    Arena arena = {0};
    const Str font = charts_font(&arena);
    static const char *const names[][2] = {
        {"\"sentiment\"", "\"a-task-whose-name-is-as-long-as-names-may-be-sixty-four-bytes-or\""},
        {"\"nli\"", "\"WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW\""},
        {"\"full\"", "\"lora-seq+replay+ewc+lwf+l2sp+si+mas+der++agem+o-lora+replay+ewc1\""},
        {"\"ewc\"", "\"WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW\""},
    };
    for (int methods = 4; methods <= 15; methods += 11)
        for (int tasks = 2; tasks <= 5; tasks += 3) {
            const Made made = {.tasks = tasks, .methods = methods, .seeds = 1};
            Str text = made_results(&arena, &made);
            for (size_t k = 0; k < COUNT(names); k++) text = charts_replace(&arena, text, names[k][0], names[k][1]);
            charts_draw_all(charts_results(&arena, text), font,
                            arena_printf(&arena, "long names, %d methods, %d tasks", methods, tasks));
        }
    assert_int_equal(charts_wrong, 0);
    arena_free(&arena);
}

/* What stands below a title is all there, however long a model's folder is called. */
static void test_no_words_are_cut(void **state)
{
    (void)state;
    Arena arena = {0};
    const Made made = {.tasks = 3, .methods = 4, .seeds = 1};
    const Str font = charts_font(&arena);
    Results r = *charts_results(&arena, made_results(&arena, &made));
    r.model = "/home/somebody/models/of-a-very-long-name-that-goes-on-and-on-without-any-space-at-all/checkpoint-2000/"
              "and/below/that/one-more-folder-for-the-best-of-them/whose-name-is-long-as-well-so-that-it-takes-lines";
    for (int form = 0; form < 3; form++) {
        Canvas canvas;
        Err err = {0};
        const char *words = "";
        r.look = (ReportLook){.narrow = form == 1, .pixels = form == 1, .text = form == 2 ? 36 : 0};
        if (!chart_loss(&arena, &r, font, &canvas, &err)) fail_msg("%s", err.text);
        for (size_t i = 0; i < canvas.marks.count; i++)
            words = arena_printf(&arena, "%s %s", words, canvas.marks.at[i].text);
        if (!strstr(words, "takes-lines, ") || !strstr(words, "smoothed over") || strstr(words, "…"))
            fail_msg("form %d: %s", form, words);
        charts_expect_apart(&canvas, r.model);
    }
    assert_int_equal(charts_wrong, 0);
    arena_free(&arena);
}

/* A PNG has no boxes in place of letters: it calls what is named so by its number, and that is said. */
static void test_letters(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool drawn;
    } names[] = {{"情感", false},  {"العربية", false}, {"שלום", false},
                 {"naÃ¯ve", true}, {"Ελληνικά", true}, {"a<b>&", true}};
    Arena arena = {0};
    const Made made = {.tasks = 2, .methods = 2, .seeds = 1};
    const Str font = charts_font(&arena);
    for (size_t i = 0; i < COUNT(names); i++) {
        Letters letters;
        Results r = *charts_results(&arena, made_results(&arena, &made));
        r.tasks[1].name = names[i].name;
        assert_true(letters_begin(&letters, &arena, font));
        const Results png = letters_replace(&letters, &r);
        assert_string_equal(png.tasks[1].name, names[i].drawn ? names[i].name : "task 2");
        assert_ptr_equal(png.tasks[0].name, r.tasks[0].name);
        const char *said = report_letters(&arena, &r, font);
        assert_int_equal(!*said, names[i].drawn);
        if (*said) assert_non_null(strstr(said, arena_printf(&arena, "task 2 for %s,", names[i].name)));
    }
    arena_free(&arena);
}

/* What the events do not tell is not drawn: no empty pictures. */
static void test_missing_events(void **state)
{
    (void)state;
    Arena arena = {0};
    const Str font = charts_font(&arena);
    const Made bare = {.tasks = 2, .methods = 5, .seeds = 2, .bare = true},
               cut = {.tasks = 3, .methods = 6, .seeds = 1, .cut = 3};
    assert_int_equal(charts_draw_all(charts_results(&arena, made_results(&arena, &bare)), font, "bare"), 4);
    charts_draw_all(charts_results(&arena, made_results(&arena, &cut)), font, "unfinished");
    /* where all rows have the same state, CKA is not defined: first in one run's last layer, then everywhere */
    const Made whole = {.tasks = 2, .methods = 5, .seeds = 1};
    const Results *r = charts_results(&arena, made_results(&arena, &whole));
    const int all = charts_draw_all(r, font, "whole");
    ResultOld *first = r->runs.at[0].old[2];
    first->cka[first->layer_count - 1] = NAN;
    assert_int_equal(charts_draw_all(r, font, "one CKA undefined"), all);
    for (size_t i = 0; i < r->runs.count; i++)
        for (int k = 0; r->runs.at[i].old[2] && k < r->runs.at[i].old[2]->layer_count; k++)
            r->runs.at[i].old[2]->cka[k] = NAN;
    assert_int_equal(charts_draw_all(r, font, "no CKA"), all - 1);
    arena_free(&arena);
}

/* All that a report says and draws, for nothing but to see that it can. */
static void charts_say_all(Arena *arena, Results *r, Str font)
{
    report_judge(arena, r);
    r->look.narrow = true;
    for (size_t i = 0; i < COUNT(report_charts); i++) {
        Canvas canvas;
        Err err = {0};
        if (report_charts[i].shown && !report_charts[i].shown(r)) continue;
        if (!report_charts[i].draw(arena, r, font, &canvas, &err)) fail_msg("%s", err.text);
    }
    html_page(arena, r, &(HtmlCharts){0});
    summary_text(arena, r);
    FILE *nowhere = fopen("/dev/null", "w");
    report_table(r, nowhere);
    report_next(r, nowhere);
    report_markdown(r, nowhere);
    changes_write(r, nowhere);
    paper_latex_tables(r, nowhere);
    paper_csv(r, nowhere);
    fclose(nowhere);
}

/* A file that lacks any one event, or all of a kind, is refused or drawn. */
static void test_any_event_may_be_missing(void **state)
{
    (void)state;
    static const char *const kinds[] = {"eval", "curve", "method", "probe", "lost", "won", "text", "drift", "swap"};
    Arena outer = {0};
    const Str font = charts_font(&outer);
    int drawn = 0, tried = 0;
    for (int tasks = 2; tasks <= 3; tasks++) {
        const Made made = {.tasks = tasks, .methods = 2, .seeds = 1};
        const Str all = made_results(&outer, &made);
        int lines = 0;
        for (size_t i = 0; i < all.size; i++) lines += all.at[i] == '\n';
        for (int without = 1; without < lines + (int)COUNT(kinds); without++) {
            Arena arena = {0};
            Results r;
            Err err = {0};
            const char *kind =
                without < lines ? NULL : arena_printf(&arena, "{\"event\":\"%s\",", kinds[without - lines]);
            char *text = arena_new(&arena, char, all.size + 1), *to = text;
            int number = 0;
            bool passed = false;
            for (const char *at = all.at, *end; at < all.at + all.size; at = end + 1, number++) {
                end = memchr(at, '\n', (size_t)(all.at + all.size - at));
                if (number == without) /* of the many steps some, of three tasks every third event */
                    passed = strncmp(at, "{\"event\":\"step\"", 15) == 0 ? number % 64 != 0 : tasks == 3 && number % 3;
                if (number == without || (kind && strncmp(at, kind, strlen(kind)) == 0)) continue;
                memcpy(to, at, (size_t)(end + 1 - at));
                to += end + 1 - at;
            }
            if (!passed && ++tried && report_parse(&arena, (Str){text, (size_t)(to - text)}, "r.jsonl", &r, &err)) {
                charts_say_all(&arena, &r, font);
                drawn++;
            }
            arena_free(&arena);
        }
    }
    print_message("%d of %d are drawn\n", drawn, tried);
    assert_true(drawn > 50);
    arena_free(&outer);
}

/* In short trainings there is no time to look at the first task: the chart shows the others alone. */
static void test_curve_of_some_tasks(void **state)
{
    (void)state;
    Arena arena = {0};
    Canvas canvas;
    Err err = {0};
    const Str font = charts_font(&arena);
    const Made chain = {.tasks = 5, .methods = 6, .seeds = 1};
    const Results *r = charts_results(&arena, made_results(&arena, &chain));
    const int all = charts_draw_all(r, font, "whole");
    for (size_t i = 0; i < r->runs.count; i++)
        for (int after = 2; after < r->task_count; after++)
            if (r->runs.at[i].old[after * r->task_count]) r->runs.at[i].old[after * r->task_count]->curve.count = 0;
    assert_int_equal(charts_draw_all(r, font, "the curve of one task"), all);
    assert_true(chart_curve(&arena, r, font, &canvas, &err));
    const char *begin = arena_printf(&arena, "%s while %s trains: ", r->tasks[0].name, r->tasks[1].name);
    if (strncmp(canvas.alt, begin, strlen(begin)) != 0) fail_msg("%s", canvas.alt);
    arena_free(&arena);
}

/* Whatever the shade, what is written on it stands out by 4.5 to 1. */
static void test_contrast_on_shades(void **state)
{
    (void)state;
    for (int i = -1000; i <= 1000; i++) {
        const Colour fill = heat_colour(i / 1000.0), ink = heat_ink(fill);
        const double a = heat_luminance(fill) + 0.05, b = heat_luminance(ink) + 0.05;
        if (fmax(a, b) / fmin(a, b) < 4.5) fail_msg("share %g: %g to 1", i / 1000.0, fmax(a, b) / fmin(a, b));
    }
}

static const char *charts_svg(Arena *arena, const Results *r, Str font, const char **title)
{
    Canvas canvas;
    Err err = {0};
    if (!chart_plane(arena, r, font, &canvas, &err)) fail_msg("%s", err.text);
    *title = canvas.title;
    const Str svg = markup_str(&canvas.svg);
    return arena_copy(arena, svg.at, svg.size);
}

/* A figure needs no editing afterwards. */
static void test_look(void **state)
{
    (void)state;
    static const struct {
        const char *what, *value, *words;
    } wrong[] = {
        {"order", "full,full", "names full twice"},
        {"order", "full,nobody", "no method of this report is called nobody; there are "},
        {"rename", "full", "METHOD=NAME is needed"},
        {"rename", "=x", "METHOD=NAME is needed"},
        {"rename", "nobody=x", "no method of this report is called nobody"},
        {"rename", "full=", "a name has 1 to 64 bytes"},
        {"rename", "full=a\tb", "a name has 1 to 64 bytes"},
        {"rename", "full=lora", "another method is called so"},
        {"colours", "#12345", "#12345 is no colour such as #0072b2"},
        {"colours", "#00000g", "is no colour"},
        {"colours", "", "is no colour"},
        {"colours", "#000000,#000000,#000000,#000000,#000000,#000000", "there are 5 at most"},
        {"title", "plane", "CHART=TEXT is needed"},
        {"title", "pie=x", "one of all, before_after, plane"},
    };
    Arena arena = {0};
    const Str font = charts_font(&arena);
    const Made made = {.tasks = 2, .methods = 4, .seeds = 2};
    Results r = *charts_results(&arena, made_results(&arena, &made));
    const double before = verdict_score(&r, 2, 1, 0).mean;
    const char *third = r.methods[2], *first = r.methods[0], *title;
    Err err = {0};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        Results copy = r;
        Err no = {0};
        const char *what = wrong[i].what, *value = wrong[i].value;
        const bool done = strcmp(what, "order") == 0     ? report_order(&arena, &copy, value, &no)
                          : strcmp(what, "rename") == 0  ? report_rename(&arena, &copy, value, &no)
                          : strcmp(what, "colours") == 0 ? look_colours(&copy.look, value, &no)
                                                         : look_title(value, &no);
        if (done || no.code != EXIT_USAGE || !strstr(no.text, wrong[i].words))
            fail_msg("%s %s: %s", what, value, no.text);
    }
    assert_true(report_order(&arena, &r, third, &err));
    assert_string_equal(r.methods[0], third);
    assert_string_equal(r.methods[1], first);
    assert_true(verdict_score(&r, 0, 1, 0).mean == before);
    for (size_t i = 1; i < r.runs.count; i++) assert_true(r.runs.at[i].method >= r.runs.at[i - 1].method);
    assert_true(report_rename(&arena, &r, arena_printf(&arena, "%s=My own name", third), &err));
    assert_string_equal(verdict_score(&r, 0, 1, 0).mean == before ? r.methods[0] : "", "My own name");
    assert_true(strstr(charts_svg(&arena, &r, font, &title), "var(--blue)") != NULL);
    assert_true(look_colours(&r.look, "#AB12cd,#000001", &err) && r.look.colour_count == 2);
    r.look.title = "Another title";
    const char *svg = charts_svg(&arena, &r, font, &title);
    assert_true(strstr(svg, "#ab12cd") && !strstr(svg, "var(--blue)") && !strstr(svg, "var(--orange)"));
    assert_true(strstr(svg, "My own name") && strstr(svg, "Another title"));
    const char *const titles[] = {"all=A", "plane=B=C", "loss=", NULL};
    r.look.titles = titles;
    assert_string_equal(report_title(&r, "plane"), "B=C");
    assert_string_equal(report_title(&r, "loss"), "");
    assert_string_equal(report_title(&r, "swap"), "A");
    arena_free(&arena);
}

/* The values of a sweep, and the front of those that no other value beats, by another way. */
static void test_a_sweep(void **state)
{
    static const char *const lambdas[] = {"1", "10", "100", "1000", "10000", NULL}, *const shares[] = {"0.01", "0.05",
                                                                                                       "0.2", NULL};
    Arena outer = {0};
    const Str font = charts_font(&outer);
    (void)state;
    for (int seeds = 1; seeds <= 3; seeds += 2)
        for (int tasks = 2; tasks <= 4; tasks++) {
            Arena arena = {0};
            const Made made = {.tasks = tasks, .methods = 10, .seeds = seeds};
            Results *r = (Results *)charts_results(&arena, made_results(&arena, &made));
            for (int m = 0; m < r->method_count; m++) r->method_info[m].setting_count = 0;
            assert_int_equal(report_sweeps(&arena, r).count, 0);
            made_sweep(&arena, r, 1, "ewc", "ewc-lambda", lambdas);
            made_sweep(&arena, r, 6, "replay", "replay-fraction", shares);
            const SweepList sweeps = report_sweeps(&arena, r);
            assert_int_equal(sweeps.count, 2); /* replay's share first */
            assert_true(sweeps.at[0].count == 3 && strcmp(sweeps.at[0].option, "replay-fraction") == 0);
            assert_true(sweeps.at[1].count == 5 && strcmp(sweeps.at[1].values[4], "10000") == 0);
            assert_true(sweep_shown(r) && charts_draw_all(r, font, "a sweep") >= (int)COUNT(report_charts) - 1);
            json_t *list = summary_sweeps(&arena, r), *values;
            size_t i, k, n;
            json_t *sweep, *a, *b;
            json_array_foreach(list, i, sweep)
            {
                values = json_object_get(sweep, "values");
                assert_int_equal(json_array_size(values), sweeps.at[i].count);
                json_array_foreach(values, k, a)
                {
                    bool beaten = false;
                    const double x = json_number_value(json_object_get(a, "learned")),
                                 y = json_number_value(json_object_get(a, "kept"));
                    json_array_foreach(values, n, b)
                    {
                        const double p = json_number_value(json_object_get(b, "learned")),
                                     q = json_number_value(json_object_get(b, "kept"));
                        beaten = beaten || (p >= x && q >= y && (p > x || q > y));
                    }
                    assert_int_equal(json_is_true(json_object_get(a, "front")), !beaten);
                }
            }
            json_decref(list);
            arena_free(&arena);
        }
    arena_free(&outer);
}

static const struct CMUnitTest charts_tests[] = {
    cmocka_unit_test(test_contrast_on_shades),
    cmocka_unit_test(test_look),
    cmocka_unit_test(test_a_sweep),
    cmocka_unit_test(test_labels_apart),
    cmocka_unit_test(test_all_rows_right),
    cmocka_unit_test(test_long_names),
    cmocka_unit_test(test_no_words_are_cut),
    cmocka_unit_test(test_letters),
    cmocka_unit_test(test_missing_events),
    cmocka_unit_test(test_any_event_may_be_missing),
    cmocka_unit_test(test_curve_of_some_tasks),
};
