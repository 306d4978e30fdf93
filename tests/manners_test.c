/* manners: the command line helps those who mistype, and keeps to what a terminal or a pipe can show. */

/* ---- did you mean? ---- */

static void test_nearest_names(void **state)
{
    static const char *const names[] = {"epochs", "eval-rows", "lora-seq", "lora", "seed", "seeds", "ewc+replay"};
    static const struct {
        const char *word, *nearest;
    } cases[] = {{"epcohs", "epochs"},
                 {"EPOCHS", "epochs"},
                 {"eval_rows", "eval-rows"},
                 {"evalrows", "eval-rows"},
                 {"lora-sq", "lora-seq"},
                 {"lora-s", "lora-seq"},
                 {"sede", "seed"},
                 {"seedss", "seeds"},
                 {"ewc-replay", "ewc+replay"},
                 {"ewc", "ewc+replay"},
                 {"loar", "lora"},
                 {"epoch", "epochs"},
                 {"x", NULL},
                 {"", NULL},
                 {"colour", NULL},
                 {"learning-rate", NULL},
                 {"se", NULL},
                 {"\xff\xff\xff", NULL}};
    char longer[2 * NEAREST_MOST_BYTES + 1];
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        Nearest near = nearest_to(str(cases[i].word));
        char wanted[64] = "";
        for (size_t k = 0; k < COUNT(names); k++) nearest_offer(&near, names[k]);
        if (cases[i].nearest) snprintf(wanted, sizeof wanted, "; did you mean --%s?", cases[i].nearest);
        if (strcmp(nearest_hint(&near, "--"), wanted) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].word, nearest_hint(&near, "--"), wanted);
    }
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = 0;
    Nearest near = nearest_to(str(longer));
    nearest_offer(&near, longer);
    assert_string_equal(nearest_hint(&near, ""), "");
}

static void test_mistyped_words(void **state)
{
    (void)state;
#define MEANT(line, message) expect(sh("lethe " line), 2, message)
    MEANT("rnu", "rnu: unknown command; did you mean run?");
    MEANT("Predict", "Predict: unknown command; did you mean predict?");
    MEANT("help tokenise", "tokenise: unknown command; did you mean tokenize?");
    MEANT("fly", "fly: unknown command; see lethe help");
    MEANT("--epcohs 3", "--epcohs: unknown option; did you mean --epochs?");
    MEANT("run --EPOCHS=3", "--EPOCHS: unknown option; did you mean --epochs?");
    MEANT("run --eval_rows 3", "--eval_rows: unknown option; did you mean --eval-rows?");
    MEANT("run -epochs 3", "-epochs: unknown option; did you mean --epochs?");
    MEANT("run epochs=3", "epochs=3: unexpected argument; did you mean --epochs?");
    MEANT("run \xe2\x80\x93"
          "epochs 3",
          "unknown option; did you mean --epochs?");
    MEANT("predict --metod full", "--metod: unknown option; did you mean --method?");
    MEANT("tokenize --jsonlines", "--jsonlines: unknown option; see lethe help tokenize");
    MEANT("tokenize --json", "--json: unknown option; did you mean --jsonl?");
    MEANT("report --outt x", "--outt: unknown option; did you mean --out?");
    MEANT("export x --taks y", "--taks: unknown option; did you mean --task?");
    MEANT("run --method lora-sq", "unknown method 'lora-sq'; did you mean lora-seq?");
    MEANT("run --preset notebok", "--preset notebok: there are default and notebook; did you mean notebook?");
    MEANT("run --keep-models adapter", "there are all, adapters and none; did you mean adapters?");
    MEANT("run --device gpuu", "unknown device; use auto, cpu, gpu or gpu:N; did you mean gpu?");
    MEANT("run --lora-targets qeury", "and all-linear; did you mean query?");
    MEANT("plan --for slrum", "--for slrum: there are parallel and slurm; did you mean slurm?");
    MEANT("plan --for slurm --grid epoch=1", "did you mean epochs?");
    MEANT("predict --model x --with rwo", "--with rwo: there are row, text, pair and label; did you mean row?");
#undef MEANT
}

/* ---- options ---- */

static void test_options_are_read(void **state)
{
    static const Option table[] = {{"rows", OPTION_INT, 0, 99, "N", "", .target = 0},
                                   {"task", OPTION_LIST, 0, 0, "T", "", .target = 0},
                                   {"quiet", OPTION_FLAG, 0, 0, NULL, "", .target = 0}};
    OptionRows rows = {0};
    static const struct {
        const char *words, *options; /* what is read, or what is said */
        int rest;
    } cases[] = {
        {"x --rows 1 --rows=2", "{\"rows\":\"2\"}", 0}, /* the last one counts */
        {"x --rows=2 --rows 1", "{\"rows\":\"1\"}", 0},
        {"x --task a --task=b", "{\"task\":[\"a\",\"b\"]}", 0},
        {"x --quiet --quiet a", "{\"quiet\":true}", 1},
        {"x a --rows 1 b", "{\"rows\":\"1\"}", 2},
        {"x -- --rows -", "{}", 2},
        {"x - -1", "-1: unknown option; see lethe help x", 0},
        {"x --rows=a=b", "{\"rows\":\"a=b\"}", 0},
        {"x --rows=--quiet", "{\"rows\":\"--quiet\"}", 0},
        {"x --rows --quiet", "--rows: a value is missing before --quiet; one that begins so is written --rows=--quiet",
         0},
        {"x --rows", "--rows: a value is missing; see lethe help x", 0},
        {"x --rows=", "--rows: the value is empty", 0},
        {"x --quiet=1", "--quiet=1: --quiet takes no value", 0},
        {"x -rows 1", "-rows: unknown option; did you mean --rows?", 0},
        {"x --row=1", "--row: unknown option; did you mean --rows?", 0},
        {"x a b c", "c: unexpected argument; see lethe help x", 0},
        {"x a b rows", "rows: unexpected argument; did you mean --rows?", 0},
    };
    (void)state;
    option_rows_add(&rows, table, COUNT(table));
    for (size_t i = 0; i < COUNT(cases); i++) {
        char copy[200], *words[9], *rest_of = copy;
        int count = 0, rest = 0;
        Err err = {0};
        snprintf(copy, sizeof copy, "%s", cases[i].words);
        while ((words[count] = strsep(&rest_of, " "))) count++;
        json_t *options = json_object();
        const bool ok = options_parse(&rows, count, words, 2, options, &rest, &err);
        char *text = json_dumps(options, JSON_COMPACT | JSON_SORT_KEYS);
        if (strcmp(ok ? text : err.text, cases[i].options) != 0 || (ok && rest != cases[i].rest))
            fail_msg("%s: %s %s, %d", cases[i].words, text, err.text, rest);
        assert_true(ok || err.code == EXIT_USAGE);
        free(text);
        json_decref(options);
    }
    /* as a user sees it */
    const Outcome *o = sh("lethe plan --for slurm --seed 1 --for parallel --method full --seed=7");
    assert_int_equal(o->code, 0);
    assert_non_null(strstr(o->out, " --seed 7"));
    assert_int_equal(lines_of(o->out), 1);
}

/* ---- help ---- */

/* Nothing steers a terminal, and no line is wider but by one word that is. */
static void expect_narrow(const char *what, const char *text, int columns)
{
    assert_null(strchr(text, '\033'));
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        const int size = (int)strcspn(line, "\n"), start = (int)strspn(line, " ");
        if (size > columns && memchr(line + start, ' ', (size_t)(size - start)))
            fail_msg("%s: %d columns: %.*s", what, columns, size, line);
    }
}

/* Runs of white space become a blank. */
static void squeeze(char *text)
{
    char *out = text;
    for (const char *p = text; *p; p++)
        if (!strchr(" \n", *p) || (p > text && !strchr(" \n", p[-1]))) *out++ = (char)(*p == '\n' ? ' ' : *p);
    *out = 0;
}

static void expect_option(const char *command, const char *help, const Option *row)
{
    Arena arena = {0};
    char *wanted = arena_printf(&arena, "--%s%s%s %s ", row->name, row->argument ? " " : "",
                                row->argument ? row->argument : "", option_about(&arena, row));
    squeeze(wanted);
    if (!strstr(help, wanted)) fail_msg("lethe help %s: %s", command, wanted);
    if (row->large_value) assert_non_null(strstr(wanted, row->large_value));
    if (row->notebook_value) assert_non_null(strstr(wanted, row->notebook_value));
    for (size_t k = 0; row->choices && row->choices[k]; k++) assert_non_null(strstr(help, row->choices[k]));
    arena_free(&arena);
}

/* Every row stands in the help of its command, with its default. */
static void test_help_of_every_option(void **state)
{
    static char text[1 << 16];
    (void)state;
    for (const Command *c = commands; c->name; c++) {
        const bool run = strcmp(c->name, "run") == 0;
        snprintf(text, sizeof text, "%s", sh("lethe help %s", c->name)->out);
        squeeze(text);
        for (size_t i = 0; i < c->option_count; i++) expect_option(c->name, text, &c->options[i]);
        for (size_t i = 0; run && i < run_options()->count; i++) expect_option(c->name, text, run_options()->at[i]);
    }
}

static void test_help_of_every_command(void **state)
{
    static const char *const worlds[] = {"COLUMNS=40", "NO_COLOR=1", "LC_ALL=C", "LC_ALL=C.UTF-8 TERM=dumb"};
    char text[1 << 16];
    (void)state;
    for (const Command *c = commands; c->name; c++) {
        char usage[64];
        snprintf(usage, sizeof usage, "usage: lethe %s", c->name);
        for (size_t w = 0; w < COUNT(worlds); w++) {
            const Outcome *o = sh("export %s; lethe help %s", worlds[w], c->name);
            expect(o, 0, "");
            if (strncmp(o->out, usage, strlen(usage)) != 0 || o->err[0]) fail_msg("%s: %s%s", usage, o->err, o->out);
            expect_narrow(c->name, o->out, w ? 80 : 40);
            snprintf(text, sizeof text, "%s", o->out);
            assert_string_equal(sh("export %s; lethe %s -h | cat", worlds[w], c->name)->out, text);
            assert_string_equal(sh("export %s; lethe %s x --help --y", worlds[w], c->name)->out, text);
        }
    }
    snprintf(text, sizeof text, "%s", sh("lethe help")->out);
    expect_narrow("help", text, 80);
    assert_string_equal(sh("lethe -h")->out, text);
    assert_string_equal(sh("lethe --help")->out, text);
    expect_narrow("help", sh("COLUMNS=40 build/lethe help")->out, 40);
    assert_string_equal(sh("for v in -v -V --version version; do lethe $v | head -n 1; done | sort -u")->out,
                        "lethe " LETHE_VERSION "\n");
    expect(sh("lethe help run plan"), 2, "plan: unexpected argument; see lethe help help");
    expect(sh("lethe version 2"), 2, "2: unexpected argument; see lethe help version");
}

/* A message is one line whatever the locale and the width; a reader that goes away is no error of tokenize's. */
static void test_messages_in_all_worlds(void **state)
{
    static const char *const worlds[] = {"COLUMNS=40", "NO_COLOR=1", "LC_ALL=C", "LC_ALL=C.UTF-8 TERM=xterm-256color"};
    (void)state;
    for (size_t w = 0; w < COUNT(worlds); w++) {
        const Outcome *o =
            sh("export %s; lethe run --method '\xe4\xb8\xad\033[1m\n' | cat; lethe run --epcohs", worlds[w]);
        assert_int_equal(o->code, 2);
        assert_int_equal(lines_of(o->err), 2);
        assert_null(strchr(o->err, '\033'));
        if (w >= 2) assert_int_equal(strstr(o->err, "\xe4\xb8\xad") != NULL, w == 3);
    }
    const Outcome *o =
        sh("{ sleep 0.3; yes 'a film' | head -n 30000 | build/lethe tokenize; echo code $? >&2; } | true");
    assert_string_equal(o->err, "code 0\n");
    o = sh("{ trap '' PIPE; sleep 0.3; build/lethe help run; echo code $? >&2; } | true");
    assert_string_equal(o->err, "lethe: writing to stdout failed: Broken pipe\ncode 1\n");
    o = sh("{ sleep 0.3; build/lethe help run; echo code $? >&2; } | true");
    assert_string_equal(o->err, "code 141\n");
    o = sh("yes 'a film' | head -n 30000 | build/lethe tokenize | head -n 1");
    assert_string_equal(o->out, "101 1037 2143 102\n");
    assert_string_equal(o->err, "");
}

static const struct CMUnitTest manners_tests[] = {
    cmocka_unit_test(test_nearest_names),        cmocka_unit_test(test_mistyped_words),
    cmocka_unit_test(test_options_are_read),     cmocka_unit_test(test_help_of_every_command),
    cmocka_unit_test(test_help_of_every_option), cmocka_unit_test(test_messages_in_all_worlds),
};
