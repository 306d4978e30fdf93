/* What is printed for shells and for man is complete, and a real bash completes with it. */

static const char *const completion_shells[] = {"completion bash", "completion zsh", "completion fish",
                                                "completion powershell"};

/* Whether `text` has the option after `dashes`, and no letter of a longer name after it. */
static bool names_option(const char *text, const char *dashes, const char *name)
{
    char wanted[80];
    snprintf(wanted, sizeof wanted, "%s%s", dashes, name);
    for (const char *at = text; (at = strstr(at, wanted)); at++) {
        const char next = at[strlen(wanted)];
        if (!((next >= 'a' && next <= 'z') || next == '-' || next == '\\') ||
            strncmp(at + strlen(wanted), "\\fR", 3) == 0)
            return true;
    }
    return false;
}

/* Every command, and every option of every command among those of that command. */
static void test_completions_are_complete(void **state)
{
    static const char *const ends[] = {"\n        esac ;;", "'*:file:_files' ;;", NULL, "\n        }\n"};
    static char text[1 << 17];
    (void)state;
    for (size_t s = 0; s < COUNT(completion_shells); s++) {
        const Outcome *o = sh("lethe %s", completion_shells[s]);
        expect(o, 0, "");
        assert_true(strlen(o->out) + 1 < sizeof o->out);
        snprintf(text, sizeof text, "%s", o->out);
        for (const Command *c = commands; c->name; c++) {
            OptionRows rows;
            char begins[4][64], *at = NULL;
            snprintf(begins[0], sizeof begins[0], "\n    %s)\n", c->name);
            snprintf(begins[1], sizeof begins[1], "\n    %s)\n", c->name);
            snprintf(begins[2], sizeof begins[2], "-a %s ", c->name);
            snprintf(begins[3], sizeof begins[3], "\n        '%s' = [", c->name);
            if (!(at = strstr(text, begins[s]))) fail_msg("%s has no command %s", completion_shells[s], c->name);
            char *end = ends[s] ? strstr(at + 1, ends[s]) : NULL;
            if (end) *end = 0;
            command_rows(c, &rows);
            for (size_t i = 0; i < rows.count; i++) {
                char line[128];
                snprintf(line, sizeof line, "__lethe_in %s%s' -l ", c->name, c == commands ? " \\'\\'" : "");
                if (!names_option(at, s == 2 ? line : "--", rows.at[i]->name))
                    fail_msg("%s: %s has no --%s", completion_shells[s], c->name, rows.at[i]->name);
            }
            if (end) *end = ' ';
        }
    }
}

static void test_manual_is_complete(void **state)
{
    char head[64];
    const Outcome *o = sh("lethe manual");
    (void)state;
    expect(o, 0, "");
    for (const Command *c = commands; c->name; c++) {
        OptionRows rows;
        snprintf(head, sizeof head, "\n.SS %s\n", c->name);
        if (!strstr(o->out, head)) fail_msg("the manual has no command %s", c->name);
        command_rows(c, &rows);
        for (size_t i = 0; i < rows.count; i++) {
            char name[80], *to = name; /* as roff has it */
            for (const char *from = rows.at[i]->name; *from; from++)
                to += sprintf(to, *from == '-' ? "\\-" : "%c", *from);
            if (!names_option(o->out, "\\-\\-", name)) fail_msg("the manual has no --%s", rows.at[i]->name);
        }
    }
    for (int s = 0; s < strategy_count; s++) {
        char name[80], *to = name + sprintf(name, ".TP\n\\fB");
        for (const char *from = strategies[s]->name; *from; from++)
            to += sprintf(to, *from == '-' ? "\\-" : "%c", *from);
        if (!strstr(o->out, name)) fail_msg("the manual has no method %s", strategies[s]->name);
    }
    for (const char *line = o->out; line; line = strchr(line, '\n')) { /* no text begins as a request does */
        line += *line == '\n';
        if (*line == '.' && !strchr("STPBnf\\", line[1])) fail_msg("%.40s", line);
        assert_true(*line != '\'');
    }
}

static void test_completion_in_bash(void **state)
{
    static const struct {
        const char *words, *wanted;
    } cases[] = {
        {"\"\"", "run predict export tokenize report serve cite plan devices bench selftest licenses completion manual help "
                 "version "},
        {"pre", "predict "},
        {"run --ep", "--epochs "},
        {"--ep", "--epochs "},
        {"predict --ep", ""},
        {"run --row-order \"\"", "independent hf "},
        {"run --row-order i", "independent "},
        {"run --row-order = h", "hf "},
        {"run --row-order =", "independent hf "},
        {"run --method full,lora-", "full,lora-seq "},
        {"run --epochs \"\"", ""},
        {"help exp", "export "},
        {"export some --me", "--method "},
        {"report o", ""},
    };
    (void)state;
    if (sh("bash -c 'exit 0'")->code != 0) skip();
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Outcome *o = sh("bash -c 'set -u; source <(build/lethe completion bash); complete -p lethe >/dev/null; "
                              "COMP_WORDS=(lethe %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _lethe; "
                              "for word in \"${COMPREPLY[@]}\"; do printf \"%%s \" \"$word\"; done'",
                              cases[i].words);
        if (o->code != 0 || o->err[0] || strcmp(o->out, cases[i].wanted) != 0)
            fail_msg("lethe %s: '%s', not '%s'; %s", cases[i].words, o->out, cases[i].wanted, o->err);
    }
}

static void test_completion_of_bad_words(void **state)
{
    (void)state;
    expect(sh("lethe completion"), 2, "completion: a shell is missing: bash, zsh, fish, powershell");
    expect(sh("lethe completion tcsh"), 2, "tcsh: no shell of bash, zsh, fish, powershell");
    expect(sh("lethe completion bash zsh"), 2, "zsh: unexpected argument; see lethe help completion");
    expect(sh("lethe manual 2"), 2, "2: unexpected argument; see lethe help manual");
}

static const struct CMUnitTest completion_tests[] = {
    cmocka_unit_test(test_completions_are_complete),
    cmocka_unit_test(test_manual_is_complete),
    cmocka_unit_test(test_completion_in_bash),
    cmocka_unit_test(test_completion_of_bad_words),
};
