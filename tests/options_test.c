/* options: what the rows say is what the program does, row by row. */

/* Of one row, a value that is not its default. */
static const char *options_other(Arena *arena, const Option *row)
{
    static const char *const texts[][2] = {{"task", "b=t.tsv,e.tsv"},
                                           {"method", "ewc"},
                                           {"model", "folder"},
                                           {"seed", "7"},
                                           {"seeds", "7,8"},
                                           {"device", "cpu"},
                                           {"out", "elsewhere"},
                                           {"config", "c.json"},
                                           {"task-option", "nli:epochs=3"}};
    const char *usual = row->default_value ? row->default_value : "";
    for (size_t i = 0; i < COUNT(texts); i++)
        if (strcmp(texts[i][0], row->name) == 0) return texts[i][1];
    if (row->choices) return row->choices[strcmp(row->choices[0], usual) == 0];
    if (row->type == OPTION_FLAG) return NULL;
    assert_true(row->type == OPTION_INT || row->type == OPTION_REAL);
    const char *high = option_show(arena, row, row->high, false);
    return strcmp(high, usual) == 0 ? option_show(arena, row, row->low, false) : high;
}

/* Given options as JSON: all texts but flags and lists. */
static void options_give(Arena *arena, json_t *given, const Option *row)
{
    const char *value = options_other(arena, row);
    json_t *text = value ? json_string(value) : json_true();
    json_object_set_new(given, row->name, row->type == OPTION_LIST ? json_pack("[o]", text) : text);
}

/* ---- ranges ---- */

static bool options_try(const Command *command, const Option *row, Plan *target, Arena *arena, const char *value,
                        Err *err)
{
    return command->takes_run && option_find(run_options(), row->name) == row
               ? plan_set(target, arena, row, value, err)
               : option_set(row, target, arena, value, err);
}

static void options_expect(const Command *command, const Option *row, const char *value, bool accepted)
{
    Arena arena = {0};
    Err err = {0};
    Plan *target = arena_new(&arena, Plan, 1); /* larger than what other commands have */
    char name[64];
    snprintf(name, sizeof name, "--%s", row->name);
    if (options_try(command, row, target, &arena, value, &err) != accepted)
        fail_msg("lethe %s: %s %s: %s", command->name, name, value, accepted ? err.text : "accepted");
    if (!accepted && (err.code != EXIT_USAGE || strncmp(err.text, name, strlen(name)) != 0 || !strstr(err.text, ": ")))
        fail_msg("lethe %s: %s %s: %s", command->name, name, value, err.text);
    double number, stored;
    if (accepted && !row->read && !strategy_value(&target->values, row) && row->type != OPTION_TEXT) {
        assert_true(option_number(row, value, &number, &err));
        stored = option_get(row, target);
        assert_true(row->type == OPTION_REAL ? (float)number == (float)stored : number == stored);
    }
    arena_free(&arena);
}

/* The next number, of those that count where what is too small for a normal number is 0: so it is once a device is
 * open. */
static double options_next(double x, double towards)
{
    return x == 0 ? copysign(1e-300, towards) : nextafter(x, towards);
}

/* Both ends of a range and every choice are accepted; one beyond is refused, and the message names the row. */
static void test_ranges_of_all_options(void **state)
{
    (void)state;
    for (const Command *c = commands; c->name; c++) {
        OptionRows rows;
        Arena arena = {0};
        command_rows(c, &rows);
        for (size_t i = 0; i < rows.count; i++) {
            const Option *row = rows.at[i];
            assert_true(option_find(&rows, row->name) == row); /* no command has a name twice */
            for (size_t k = 0; row->choices && row->choices[k]; k++) options_expect(c, row, row->choices[k], true);
            if (row->choices) options_expect(c, row, "nothing", false);
            if (row->type != OPTION_INT && row->type != OPTION_REAL) continue;
            const bool whole = row->type == OPTION_INT;
            assert_true(row->low < row->high);
            options_expect(c, row, arena_printf(&arena, "%.17g", row->low), true);
            options_expect(c, row, arena_printf(&arena, whole ? "%.0f" : "%.17g", row->high), true);
            options_expect(
                c, row, arena_printf(&arena, "%.17g", whole ? row->low - 1 : options_next(row->low, -INFINITY)), false);
            options_expect(c, row,
                           arena_printf(&arena, whole ? "%.0f" : "%.17g",
                                        whole ? row->high + 1 : options_next(row->high, INFINITY)),
                           false);
            options_expect(c, row, "many", false);
        }
        arena_free(&arena);
    }
}

/* ---- defaults ---- */

static void options_expect_settings(const char *given, const Plan *plan, const Method *method, const char *wanted)
{
    json_t *beside = json_array(), *settings = plan_settings_of(plan, method, beside);
    char *text = json_dumps(settings, JSON_COMPACT);
    if (strcmp(text, wanted) != 0 || json_array_size(beside)) fail_msg("%s:\n%s\nwanted\n%s", given, text, wanted);
    free(text);
    json_decref(settings);
    json_decref(beside);
}

/* A plan of these options; false with an error. */
static bool options_plan(Arena *arena, const char *given, Plan *plan, Err *err)
{
    json_t *options = json_loads(given, 0, NULL);
    assert_non_null(options);
    const bool ok = run_plan(plan, arena, options, err);
    json_decref(options); /* texts that the plan points to are not looked at by those who call this */
    return ok;
}

/* What a run does when nothing is given, with each preset and size of a model. */
static void test_defaults_of_a_run(void **state)
{
#define COMMON(eval_rows, epochs, order, epoch)                                                                \
    "{\"train-rows\":\"1000\",\"eval-rows\":\"" eval_rows "\",\"max-length\":\"128\",\"epochs\":\"" epochs     \
    "\",\"max-steps\":\"0\",\"batch-size\":\"16\",\"eval-batch-size\":\"32\",\"weight-decay\":\"0.01\",\"row-" \
    "order\":\"" order "\",\"keep-epoch\":\"" epoch "\",\"patience\":\"0\"}"
#define LORA(rate)                                                                                                 \
    "{\"lora-learning-rate\":\"" rate "\",\"lora-r\":\"8\",\"lora-alpha\":\"16\",\"lora-dropout\":\"0.1\",\"lora-" \
    "targets\":\"query,key,value\"}"
    static const struct {
        const char *given;
        OptionPreset preset;
        uint32_t seed;
        const char *common, *full, *lora;
    } cases[] = {
        {"{}", {0}, 1, COMMON("500", "5", "independent", "last"), "{\"learning-rate\":\"5e-5\"}", LORA("0.002")},
        {"{\"preset\":\"notebook\"}",
         {.notebook = true},
         42,
         COMMON("200", "3", "hf", "eval"),
         "{\"learning-rate\":\"3e-5\"}",
         LORA("3e-5")},
        {NULL,
         {.large = true},
         1,
         COMMON("500", "5", "independent", "last"),
         "{\"learning-rate\":\"3e-5\"}",
         LORA("0.0005")},
        {NULL,
         {.notebook = true, .large = true},
         42,
         COMMON("200", "3", "hf", "eval"),
         "{\"learning-rate\":\"3e-5\"}",
         LORA("3e-5")},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = {0};
        Err err = {0};
        Plan *plan = arena_new(&arena, Plan, 1);
        if (!(cases[i].given ? options_plan(&arena, cases[i].given, plan, &err)
                             : plan_defaults(plan, &arena, cases[i].preset, family_rows[0], &err)))
            fail_msg("%s", err.text);
        options_expect_settings("all", plan, NULL, cases[i].common);
        assert_int_equal(plan->method_count, 3);
        options_expect_settings("full", plan, plan->methods[0], cases[i].full);
        options_expect_settings("lora", plan, plan->methods[1], cases[i].lora);
        assert_string_equal(plan->preset, cases[i].preset.notebook ? "notebook" : "default");
        assert_int_equal(plan->first_rows, cases[i].preset.notebook);
        assert_true(plan->seed_count == 1 && plan->seeds[0] == cases[i].seed);
        assert_true(plan->snapshot_seconds == 30 && plan->keep == KEEP_ALL && !plan->match_margin && !plan->threads);
        assert_string_equal(plan->out, "lethe-out");
        assert_string_equal(plan->device, "auto");
        assert_true(!plan->no_diagnostics && !plan->force && !plan->quiet && !plan->json && !plan->dry_run);
        arena_free(&arena);
    }
    assert_true(compare_margin(&(Results){0}) == 0.05);
#undef COMMON
#undef LORA
}

/* Each default is a value that the row accepts, in the form in which the program writes it; and it is stored. */
static void test_defaults_are_values(void **state)
{
    (void)state;
    for (const Command *c = commands; c->name; c++) {
        OptionRows rows;
        command_rows(c, &rows);
        for (size_t i = 0; i < rows.count; i++) {
            const Option *row = rows.at[i];
            const char *const values[] = {row->default_value, row->large_value, row->notebook_value};
            for (size_t k = 0; k < COUNT(values); k++) {
                Arena arena = {0};
                Err err = {0};
                double number, again;
                if (values[k]) options_expect(c, row, values[k], true);
                if (values[k] && row->type != OPTION_TEXT) {
                    assert_true(option_number(row, values[k], &number, &err));
                    assert_true(option_number(row, option_show(&arena, row, number, false), &again, &err));
                    assert_true(number == again);
                }
                arena_free(&arena);
            }
        }
    }
    StrategyValues values;
    strategy_defaults(&values);
    for (size_t i = 0; i < run_options()->count; i++) {
        const Option *row = run_options()->at[i];
        const double *own = strategy_value(&values, row);
        double number;
        assert_int_equal(own != NULL, row->changes == CHANGES_OWN);
        if (own) assert_true(option_number(row, row->default_value, &number, &(Err){0}) && number == *own);
    }
}

/* ---- config.json, resume, joined reports ---- */

/* A run that has been opened, as far as its run event and identity go. */
static void options_open(Arena *arena, const json_t *given, Plan *plan, Experiment *x)
{
    static uint64_t starts[] = {0, 4};
    static uint32_t labels[] = {0};
    static const char *names[] = {"no", "yes"};
    Err err = {0};
    if (!run_plan(plan, arena, given, &err)) fail_msg("%s", err.text);
    *x = (Experiment){.plan = plan, .model_name = plan->model.name, .device.name = "CPU"};
    x->model.config.family = plan->family;
    for (int i = 0; i < plan->task_count; i++) {
        const Split split = {.rows = 1, .file_rows = 1, .starts = starts, .labels = labels};
        x->tasks[i].data =
            (TaskData){.name = plan->tasks[i].name, .classes = 2, .class_names = names, .train = split, .eval = split};
    }
}

/* What an option needs beside it: for those of a strategy, that its method is run. */
static json_t *options_base(const Option *row)
{
    for (int s = 0; s < strategy_count; s++)
        for (int k = 0; k < strategies[s]->option_count; k++)
            if (&strategies[s]->options[k] == row) return json_pack("{s:s}", "method", strategies[s]->name);
    if (strcmp(row->name, "patience") == 0) return json_pack("{s:s}", "keep-epoch", "held-out");
    return json_object();
}

/* A run with another value of an option is another run when the row says so, and only then. */
static void test_options_of_the_identity(void **state)
{
    (void)state;
    for (size_t i = 0; i < run_options()->count; i++) {
        const Option *row = run_options()->at[i];
        Arena arena = {0};
        Plan *plans = arena_new(&arena, Plan, 2);
        Experiment *x = arena_new(&arena, Experiment, 2);
        json_t *base = options_base(row), *other = json_copy(base);
        options_give(&arena, other, row);
        options_open(&arena, base, &plans[0], &x[0]);
        options_open(&arena, other, &plans[1], &x[1]);
        json_t *before = run_identity(&x[0]), *after = run_identity(&x[1]);
        if (json_equal(before, after) == (row->changes != CHANGES_NOTHING)) fail_msg("--%s and identity", row->name);
        json_decref(before);
        json_decref(after);
        json_decref(base);
        json_decref(other);
        arena_free(&arena);
    }
}

/* config.json keeps what is given, and --config makes the same plan of it; what steers one call is not kept. */
static void test_options_that_are_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < run_options()->count; i++) {
        const Option *row = run_options()->at[i];
        Arena arena = {0};
        Err err = {0};
        const char *repeats;
        Plan *plans = arena_new(&arena, Plan, 2);
        Experiment *x = arena_new(&arena, Experiment, 2);
        json_t *given = options_base(row), *read = json_object();
        options_give(&arena, given, row);
        json_t *kept = run_kept(given);
        assert_int_equal(json_object_get(kept, row->name) == NULL, row->passing);
        options_open(&arena, given, &plans[0], &x[0]);
        json_t *config = run_config(&x[0], kept);
        char *text = json_dumps(config, JSON_INDENT(1));
        if (!run_merge_config(str(text), "config.json", read, &arena, &repeats, &err)) fail_msg("%s", err.text);
        assert_true(json_equal(read, kept));
        options_open(&arena, read, &plans[1], &x[1]);
        json_t *again = run_identity(&x[1]);
        if (!json_equal(again, json_object_get(config, "identity"))) fail_msg("--%s: %s", row->name, text);
        if (!row->passing && !row->read && row->type != OPTION_TEXT && row->changes != CHANGES_OWN)
            assert_true(option_get(row, &plans[0]) == option_get(row, &plans[1]));
        json_decref(again);
        json_decref(config);
        json_decref(kept);
        json_decref(read);
        json_decref(given);
        free(text);
        arena_free(&arena);
    }
}

static const char *options_results(Arena *arena, const char *name, const Experiment *x)
{
    const char *folder = arena_printf(arena, "%s", tmp_path(name));
    Err err = {0};
    json_t *event = run_event(x);
    char *line = json_dumps(event, JSON_COMPACT);
    if (!folder_make(folder, &err)) fail_msg("%s", err.text);
    tmp_write(arena_printf(arena, "%s/results.jsonl", name), str(arena_printf(arena, "%s\n", line)));
    free(line);
    json_decref(event);
    return folder;
}

/* Two runs that differ in an option that changes results are a sweep of it: a method for each value. */
static void test_options_that_make_a_sweep(void **state)
{
    (void)state;
    for (size_t i = 0; i < run_options()->count; i++) {
        const Option *row = run_options()->at[i];
        if (row->changes == CHANGES_RUN) continue;
        Arena arena = {0};
        Err err = {0};
        Results r;
        Plan *plans = arena_new(&arena, Plan, 2);
        Experiment *x = arena_new(&arena, Experiment, 2);
        json_t *base = options_base(row), *other = json_copy(base);
        options_give(&arena, other, row);
        options_open(&arena, base, &plans[0], &x[0]);
        options_open(&arena, other, &plans[1], &x[1]);
        const char *folders[] = {options_results(&arena, "options-1", &x[0]),
                                 options_results(&arena, "options-2", &x[1])};
        if (!report_load(&arena, folders, 2, &r, &err)) fail_msg("--%s: %s", row->name, err.text);
        int named = 0;
        for (int m = 0; m < r.method_count; m++)
            named += strstr(r.methods[m], arena_printf(&arena, "(%s ", row->name)) != NULL;
        const int methods[] = {[CHANGES_ALL] = 6, [CHANGES_ENCODER] = 2, [CHANGES_ADAPTER] = 4, [CHANGES_OWN] = 2};
        const int wanted = row->changes == CHANGES_EVALUATED ? 0 : methods[row->changes];
        if (named != wanted) fail_msg("--%s: %d methods are named after it, not %d", row->name, named, wanted);
        /* and what is not the preset's is said */
        if (!row->changes) assert_string_equal(load_beside_preset(&arena, &r), "");
        json_decref(base);
        json_decref(other);
        arena_free(&arena);
    }
}

static const struct CMUnitTest options_tests[] = {
    cmocka_unit_test(test_ranges_of_all_options), cmocka_unit_test(test_defaults_of_a_run),
    cmocka_unit_test(test_defaults_are_values),   cmocka_unit_test(test_options_of_the_identity),
    cmocka_unit_test(test_options_that_are_kept), cmocka_unit_test(test_options_that_make_a_sweep),
};
