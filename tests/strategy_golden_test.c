/* strategy_golden: whole runs of strategies and of compositions against an independent reference in double
 * precision (tests/golden/strategies.py): each step's loss, penalty and gradient norm, and after each task the logits
 * of all tasks' evaluation rows, to 1e-4 relative. Uses strategy_test.c's chains. */

static double sg_number(const json_t *from, const char *key) { return json_number_value(json_object_get(from, key)); }

static void sg_open(Chain *c, const json_t *golden, const json_t *what)
{
    const char *method = json_string_value(json_object_get(what, "method")), *option;
    const json_t *value;
    *c = (Chain){0};
    c->plan = (Plan){.device = "cpu",
                     .preset = "default",
                     .quiet = true,
                     .no_diagnostics = true,
                     .force = true,
                     .threads = 2,
                     .max_length = 32,
                     .seeds = {(uint32_t)sg_number(golden, "seed")},
                     .seed_count = 1,
                     .task_count = CHAIN_TASKS,
                     .lora_r = (uint32_t)sg_number(golden, "r"),
                     .lora_alpha = (float)sg_number(golden, "alpha"),
                     .family = &family_bert,
                     .lora_targets = 7,
                     .lora_learning_rate = (float)sg_number(golden, "lora_rate"),
                     .keep_epoch = KEEP_EPOCH_LAST};
    c->plan.hyper = (Hyper){.epochs = (uint32_t)sg_number(golden, "epochs"),
                            .batch_size = (uint32_t)sg_number(golden, "batch"),
                            .eval_batch_size = 8,
                            .order = ORDER_HF,
                            .learning_rate = (float)sg_number(golden, "rate"),
                            .weight_decay = (float)sg_number(golden, "decay")};
    c->plan.model = (ModelSource){.folder = tmp_path("chain"), .name = "tiny"};
    c->plan.out = arena_printf(&c->arena, "%s%d", tmp_path("strategy-golden-out"), chains_open++);
    for (size_t i = 0; i < CHAIN_TASKS; i++)
        c->plan.tasks[i] =
            (TaskSource){.name = arena_printf(&c->arena, "task%zu", i),
                         .train = "t.tsv",
                         .eval = "e.tsv",
                         .train_bytes = str(json_string_value(json_array_get(json_object_get(golden, "train"), i))),
                         .eval_bytes = str(json_string_value(json_array_get(json_object_get(golden, "eval"), i)))};
    strategy_defaults(&c->plan.values);
    json_object_foreach((json_t *)json_object_get(what, "options"), option, value)
        set_option(&c->plan.values, option, json_number_value(value));
    for (int s = 0; s < strategy_count; s++) /* a quarter of 24 rows of each task: two tasks' are one batch */
        for (int k = 0; k < strategies[s]->option_count; k++)
            if (strstr(strategies[s]->options[k].name, "-fraction")) c->plan.values.at[s][k] = 0.25;
    chain_begin(c, method);
}

/* Relative to the value, or to `scale` where that is larger; the largest difference is counted, not the first. */
static void sg_near(double got, double wanted, double scale, double *worst)
{
    const double off = fabs(got - wanted) / (fabs(wanted) > scale ? fabs(wanted) : scale);
    if (!(off <= *worst)) *worst = isnan(off) ? INFINITY : off;
}

static void sg_steps(Chain *c, const json_t *steps, double worst[3])
{
    static const char *const keys[] = {"loss", "penalty", "grad_norm"};
    static const double scale[] = {0.1, 1e-3, 1e-2}; /* below, a difference of single-precision sums */
    Err err = {0};
    Str text;
    size_t step = 0;
    assert_true(file_read(&c->arena, arena_printf(&c->arena, "%s/results.jsonl", c->plan.out), 1 << 26, &text, &err));
    for (Str line; journal_line(&text, &line);) {
        json_t *event = json_loadb(line.at, line.size, 0, NULL);
        if (strcmp(json_string_value(json_object_get(event, "event")), "step") == 0) {
            const json_t *wanted = json_array_get(steps, step++);
            for (size_t k = 0; k < COUNT(keys); k++) {
                const json_t *got = json_object_get(event, keys[k]), *number = json_array_get(wanted, k);
                if (json_is_null(number)) assert_true(!got || json_number_value(got) == 0);
                if (!json_is_null(number))
                    sg_near(got ? json_number_value(got) : 0, json_number_value(number), scale[k], &worst[k]);
            }
        }
        json_decref(event);
    }
    assert_int_equal(step, json_array_size(steps));
}

/* predictions.tsv as a run writes it: after each task the rows of all tasks so far, the logits in the last column. */
static void sg_logits(Chain *c, const json_t *logits, double *worst)
{
    size_t table = 0, row = 0;
    Err err = {0};
    Str rest;
    assert_true(file_read(&c->arena, arena_printf(&c->arena, "%s/predictions.tsv", c->plan.out), 1 << 26, &rest, &err));
    for (Str line; journal_line(&rest, &line);) {
        if (memcmp(line.at, "method\t", 7) == 0) continue; /* the names of the columns */
        if (row == json_array_size(json_array_get(logits, table))) table++, row = 0;
        const json_t *wanted = json_array_get(json_array_get(logits, table), row);
        const char *at = line.at + line.size;
        while (at[-1] != '\t') at--;
        for (size_t k = 0; k < json_array_size(wanted); k++) {
            char *end;
            sg_near(strtod(at, &end), json_number_value(json_array_get(wanted, k)), 0.1, worst);
            at = end;
        }
        row++;
    }
    assert_int_equal(table + 1, json_array_size(logits));
    assert_int_equal(row, json_array_size(json_array_get(logits, table)));
}

static void test_strategies_against_the_reference(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    Str bytes;
    int wrong = 0;
    size_t i;
    json_t *golden = NULL, *what;
    chain_model(0);
    assert_true(file_read(&arena, "tests/golden/strategies.json", 1 << 24, &bytes, &err));
    assert_true(json_parse(bytes, "strategies.json", &golden, &err));
    json_array_foreach(json_object_get(golden, "cases"), i, what)
    {
        Chain c;
        double worst[4] = {0};
        sg_open(&c, golden, what);
        if (!run_method(&c.x, c.plan.methods[0], c.plan.seeds[0], &err)) fail_msg("%s", err.text);
        sg_steps(&c, json_object_get(what, "steps"), worst);
        sg_logits(&c, json_object_get(what, "logits"), &worst[3]);
        bool bad = false;
        /* The true gradient of a key's bias is 0. In single precision rounding takes its place, Adam makes steps of
         * that, and of all penalties only l2sp's, which is alike everywhere, sees where they lead. */
        const bool noise = strstr(c.plan.methods[0]->name, "l2sp") != NULL;
        for (int k = 0; k < 4; k++) bad = bad || worst[k] > (noise && (k == 1 || k == 2) ? 2e-3 : 1e-4);
        if (bad || getenv("LETHE_TEST_SHOW"))
            print_message("%s (case %zu): off by loss %.1e, penalty %.1e, gradient norm %.1e, logits %.1e\n",
                          c.plan.methods[0]->name, i, worst[0], worst[1], worst[2], worst[3]);
        wrong += bad;
        chain_close(&c);
    }
    json_decref(golden);
    arena_free(&arena);
    if (wrong) fail_msg("%d methods differ from the reference", wrong);
}

static const struct CMUnitTest strategy_golden_tests[] = {
    cmocka_unit_test(test_strategies_against_the_reference),
};
