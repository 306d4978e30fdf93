/* choices: in which order rows are trained on, and after which epoch weights are kept. Neither may favour what is
 * reported. Uses strategy_test.c's chains. */

enum { CHOICE_ROWS = 50 };

static bool choice_same_order(RowOrder by, uint32_t seed, uint32_t task, uint32_t epoch, uint32_t seed2, uint32_t task2,
                              uint32_t epoch2)
{
    uint32_t a[CHOICE_ROWS], b[CHOICE_ROWS];
    const Training x = {.hyper.order = by, .seed = seed, .task = task},
                   y = {.hyper.order = by, .seed = seed2, .task = task2};
    epoch_order(&x, task, epoch, CHOICE_ROWS, a);
    epoch_order(&y, task2, epoch2, CHOICE_ROWS, b);
    return memcmp(a, b, sizeof a) == 0;
}

/* HF's order is that of seed + epoch; the other one is no other seed's, task's or epoch's. */
static void test_orders_are_not_shared(void **state)
{
    enum { SEEDS = 6, TASKS = 3, EPOCHS = 6, ALL = SEEDS * TASKS * EPOCHS };
    (void)state;
    assert_true(choice_same_order(ORDER_HF, 1, 0, 1, 2, 0, 0));
    assert_true(choice_same_order(ORDER_HF, 1, 0, 1, 1, 2, 1));
    for (uint32_t i = 0; i < ALL; i++)
        for (uint32_t k = 0; k < i; k++)
            if (choice_same_order(ORDER_INDEPENDENT, i % SEEDS, i / SEEDS % TASKS, i / SEEDS / TASKS, k % SEEDS,
                                  k / SEEDS % TASKS, k / SEEDS / TASKS))
                fail_msg("draws %u and %u are the same order", i, k);
    assert_true(choice_same_order(ORDER_INDEPENDENT, 1, 2, 3, 1, 2, 3));
}

typedef struct Choice {
    Chain chain;
    Left left;
    json_t *events;
} Choice;

static uint32_t choice_patience; /* of the runs to come */

static void choice_run(Choice *c, KeepEpoch keep, const char *eval, float rate)
{
    Arena arena = {0};
    Err err = {0};
    Str text;
    *c = (Choice){.events = json_array()};
    chain_keep_epoch = keep;
    chain_eval = eval;
    chain_open(&c->chain, "full", 1);
    chain_keep_epoch = KEEP_EPOCH_LAST;
    chain_eval = NULL;
    c->chain.plan.hyper.epochs = 6;
    c->chain.plan.hyper.patience = choice_patience;
    c->chain.plan.hyper.learning_rate = rate;
    c->left = chain_run(&c->chain, 0);
    assert_true(file_read(&arena, arena_printf(&arena, "%s/results.jsonl", c->chain.plan.out), 1 << 26, &text, &err));
    for (Str line; journal_line(&text, &line);)
        json_array_append_new(c->events, json_loadb(line.at, line.size, 0, NULL));
    arena_free(&arena);
}

static void choice_close(Choice *c)
{
    json_decref(c->events);
    chain_close(&c->chain);
}

/* Epoch and step of the final evaluation, and of the one with the lowest loss of those that choose; returns how many
 * do. */
static int choice_epochs(const Choice *c, TrainKept *final, TrainKept *lowest, double *final_loss, double *lowest_loss)
{
    size_t i;
    const json_t *event;
    int choosing = 0;
    *lowest_loss = INFINITY;
    json_array_foreach(c->events, i, event)
    {
        if (strcmp(json_string_value(json_object_get(event, "event")), "eval") != 0) continue;
        const double loss = json_number_value(json_object_get(event, "loss"));
        const TrainKept at = {(uint32_t)json_integer_value(json_object_get(event, "epoch")),
                              (uint32_t)json_integer_value(json_object_get(event, "step"))};
        if (json_is_true(json_object_get(event, "final"))) {
            *final = at;
            *final_loss = loss;
        } else {
            choosing++;
            if (loss < *lowest_loss) *lowest_loss = loss, *lowest = at;
        }
    }
    return choosing;
}

/* A final evaluation says after which epoch its weights were kept: not after the last one, when an earlier one is. */
static void test_the_kept_epoch_is_named(void **state)
{
    TrainKept final = {0}, lowest = {0};
    double loss = 0, least = 0;
    Choice c;
    (void)state;
    choice_run(&c, KEEP_EPOCH_EVAL, NULL, 0.1f); /* at such a rate later epochs are worse */
    assert_int_equal(choice_epochs(&c, &final, &lowest, &loss, &least), 6);
    assert_true(lowest.epoch < 5);
    assert_int_equal(final.epoch, lowest.epoch);
    assert_int_equal(final.step, lowest.step);
    assert_true(loss == least);
    choice_close(&c);
    choice_run(&c, KEEP_EPOCH_LAST, NULL, 0.3f);
    assert_int_equal(choice_epochs(&c, &final, &lowest, &loss, &least), 0); /* nothing is evaluated to choose by */
    assert_int_equal(final.epoch, 5);
    assert_int_equal(final.step, 6 * 3);
    choice_close(&c);
}

/* Patience ends a training so many epochs after the one that is kept; until then nothing is otherwise. */
static void test_patience(void **state)
{
    TrainKept final = {0}, lowest = {0};
    double loss = 0, least = 0;
    (void)state;
    for (uint32_t patience = 1; patience <= 2; patience++) {
        Choice patient, all;
        choice_run(&all, KEEP_EPOCH_EVAL, NULL, 0.1f);
        choice_patience = patience;
        choice_run(&patient, KEEP_EPOCH_EVAL, NULL, 0.1f);
        choice_patience = 0;
        const int epochs = choice_epochs(&patient, &final, &lowest, &loss, &least);
        assert_true(epochs < 6);
        assert_int_equal(epochs, lowest.epoch + 1 + patience);
        assert_int_equal(final.epoch, lowest.epoch);
        for (size_t i = 0, step = 0; i < json_array_size(patient.events) && step < 3 * (size_t)epochs; i++) {
            const json_t *event = json_array_get(patient.events, i);
            if (strcmp(json_string_value(json_object_get(event, "event")), "step") != 0) continue;
            step++;
            assert_true(
                json_equal(json_object_get(event, "loss"), json_object_get(json_array_get(all.events, i), "loss")));
        }
        choice_close(&patient);
        choice_close(&all);
    }
}

/* With other evaluation rows the same weights are left, unless these rows are asked to choose. */
static void test_what_is_reported_does_not_choose(void **state)
{
    /* what the training rows say, the other way round: the less is learned the better */
    static const char *const others = "sentence\tlabel\nw1 w40 w60\t0\nw0 w41 w61\t1\nw1 w43 w69\t0\nw0 w44 w60\t1\n";
    static const struct {
        KeepEpoch keep;
        bool same;
    } cases[] = {{KEEP_EPOCH_LAST, true}, {KEEP_EPOCH_HELD_OUT, true}, {KEEP_EPOCH_EVAL, false}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        Choice a, b;
        choice_run(&a, cases[i].keep, NULL, 2e-3f);
        choice_run(&b, cases[i].keep, others, 2e-3f);
        assert_int_equal(left_same(&a.left, &b.left), cases[i].same);
        if (cases[i].keep == KEEP_EPOCH_HELD_OUT) { /* a tenth of the rows, which are trained on no more */
            assert_int_equal(a.chain.x.tasks[0].held_out.rows, CHAIN_ROWS / 10);
            assert_int_equal(a.chain.x.tasks[0].data.train.rows, CHAIN_ROWS - CHAIN_ROWS / 10);
            size_t k;
            const json_t *event;
            json_array_foreach(a.events, k, event)
            {
                if (strcmp(json_string_value(json_object_get(event, "event")), "eval") != 0) continue;
                const bool held = json_is_true(json_object_get(event, "held_out"));
                assert_int_not_equal(held, json_is_true(json_object_get(event, "final")));
                assert_int_equal(json_integer_value(json_object_get(event, "rows")), held ? 2 : CHAIN_ROWS);
            }
        }
        choice_close(&a);
        choice_close(&b);
    }
}

static const struct CMUnitTest choice_tests[] = {
    cmocka_unit_test(test_orders_are_not_shared),
    cmocka_unit_test(test_the_kept_epoch_is_named),
    cmocka_unit_test(test_patience),
    cmocka_unit_test(test_what_is_reported_does_not_choose),
};
