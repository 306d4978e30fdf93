/* adding: a run in a folder that holds one goes on beside it: what two commands leave is what one leaves, to the bit,
 * killed or not; what would change what is there is refused by name. Uses composition_test.c's runs and sums. */

#define ADDING_RUN                                                                                                 \
    "run --threads 1 --epochs 1 --batch-size 4 --keep-models all --task a=" R "rows.tsv," R "eval.tsv --task b=" R \
    "other.tsv," R "rows.tsv" RESUME_MODEL
#define ADDING_WHOLE "--method full,ewc,si,ewc@ewc-lambda=10 --seeds 1,2 --out " R "whole"

static json_t *adding_identity(const char *out)
{
    Arena arena = {0};
    Err err = {0};
    Str text;
    json_t *config = NULL;
    if (!file_read(&arena, arena_printf(&arena, "%s/config.json", out), 1 << 20, &text, &err) ||
        !json_parse(text, out, &config, &err))
        fail_msg("%s", err.text);
    json_t *identity = json_incref(json_object_get(config, "identity"));
    json_decref(config);
    arena_free(&arena);
    return identity;
}

static void expect_same_identity(const char *a, const char *b)
{
    json_t *x = adding_identity(a), *y = adding_identity(b);
    if (!json_equal(x, y)) fail_msg("%s and %s are not the same run", a, b);
    json_decref(x);
    json_decref(y);
}

static void adding_same(void)
{
    expect_same_run(R "whole", R "steps");
    expect_same_identity(R "whole", R "steps");
}

static void test_two_steps_leave_what_one_leaves(void **state)
{
    (void)state;
    resume_files();
    fine(child_run, ADDING_RUN ADDING_WHOLE);
    /* methods, seeds and a value of a method's own option, each by itself */
    fine(child_run, ADDING_RUN "--method full,ewc --out " R "steps");
    fine(child_run, ADDING_RUN "--method full,ewc,si --seed 1 --out " R "steps");
    fine(child_run, ADDING_RUN "--method ewc --ewc-lambda 1e1 --seed 1 --out " R "steps");
    assert_true(exists(R "steps/models/ewc@ewc-lambda=10/model.json"));
    fine(child_run, ADDING_RUN "--method full --seeds 1,2 --out " R "steps");
    adding_same();
    /* what is there by now is shown again, whichever of the commands asks for it */
    const Child *c = fine(child_run, ADDING_RUN "--method ewc --seed 2 --out " R "steps");
    assert_non_null(strstr(c->err, "holds this very run, finished"));
    adding_same();
    /* the options that are kept repeat all of it */
    fine(child_run, "run --config " R "steps/config.json --out " R "again");
    expect_same_run(R "whole", R "again");
    expect_same_identity(R "whole", R "again");
    /* all at once, the second seed before the first, and the methods in another order, which a last command puts right
     */
    sh("rm -rf " R "steps");
    fine(child_run, ADDING_RUN "--method si --seed 2 --out " R "steps");
    fine(child_run, ADDING_RUN "--method ewc@ewc-lambda=10,full --seeds 1 --out " R "steps");
    fine(child_run, ADDING_RUN "--method full,ewc,si,ewc@ewc-lambda=10 --seeds 1,2 --out " R "steps");
    adding_same();
}

/* What the run that began had for a method without a value in its name stands: others are named by theirs. */
static void test_values_that_stand(void **state)
{
    (void)state;
    resume_files();
    fine(child_run, ADDING_RUN "--method ewc --ewc-lambda 10 --si-c 3 --out " R "steps");
    fine(child_run, ADDING_RUN "--method ewc,si,ewc+si --si-c 2 --out " R "steps");
    fine(child_run, ADDING_RUN
         "--method ewc,ewc@ewc-lambda=1000,si,ewc+si@ewc-lambda=1000 --ewc-lambda 10 --si-c 2 --out " R "whole");
    adding_same();
    /* the same values once more, in other words */
    const Child *c = fine(child_run, ADDING_RUN "--method si@si-c=2,si+ewc@ewc-lambda=1000@si-c=2 --out " R "steps");
    assert_non_null(strstr(c->err, "holds this very run, finished"));
}

static void test_a_killed_addition_goes_on(void **state)
{
    enum { KILLS = 24, STREAM = 0x61646473 };
    static const FaultKind kinds[] = {FAULT_RENAME, FAULT_WRITE, FAULT_FSYNC};
    int killed = 0;
    (void)state;
    resume_files();
    fine(child_run, ADDING_RUN ADDING_WHOLE);
    fine(child_run, ADDING_RUN "--method full,ewc --out " R "begun");
    sh("cp -r " R "begun " R "steps");
    fine(child_run, ADDING_RUN "--method si,ewc@ewc-lambda=10 --seeds 1,2 --out " R "steps");
    const Faults counts = *faults;
    for (uint32_t i = 0; i < KILLS; i++) {
        const FaultKind kind = kinds[i % COUNT(kinds)];
        /* the first ones where OUT is being taken over, the last ones where it is put in order */
        const double share = i < 6            ? 0.05 * i / 6
                             : i >= KILLS - 6 ? 1 - 0.02 * (KILLS - i) / 6
                                              : (double)random_uniform(STREAM, 0, i);
        sh("rm -rf " R "steps; cp -r " R "begun " R "steps");
        const Child *c = child(child_run, ADDING_RUN "--method si,ewc@ewc-lambda=10 --seeds 1,2 --out " R "steps", kind,
                               1 + (long)(share * (double)counts.count[kind]), FAULT_KILL);
        if (c->code != 0 && c->code != -SIGKILL) fail_msg("kill %u: exit %d: %s", i, c->code, c->err);
        killed += c->code == -SIGKILL;
        if (i % 4 == 0) fine(child_run, ADDING_RUN "--method full,ewc --out " R "steps"); /* the first command again */
        fine(child_run, ADDING_RUN "--method si,ewc@ewc-lambda=10 --seeds 1,2 --out " R "steps");
        adding_same();
    }
    print_message("%d additions killed\n", killed);
    assert_true(killed >= KILLS / 2);
}

static void test_what_would_change_is_refused_by_name(void **state)
{
    static const char *const refused[][2] = {
        {"--epochs 2", "--epochs 1 there, 2 here"},
        {"--batch-size 2 --weight-decay 0", "--batch-size 4 there, 2 here, --weight-decay 0.01 there, 0 here"},
        {"--learning-rate 2e-3", "--learning-rate 0.001 there, 0.002 here"},
        {"--lora-r 4", "--lora-r 8 there, 4 here"},
        {"--no-diagnostics", "--no-diagnostics not given there, given here"},
        {"--preset notebook", "--preset default there, notebook here"},
        {"--task c=" R "rows.tsv," R "eval.tsv", "--task a,b there, a,b,c here"},
    };
    (void)state;
    resume_files();
    fine(child_run, ADDING_RUN "--method full,lora --out " R "steps");
    sh("cp -r " R "steps " R "before");
    for (size_t i = 0; i < COUNT(refused); i++) {
        Arena arena = {0};
        expect_line(child(child_run, arena_printf(&arena, ADDING_RUN "--method si %s --out " R "steps", refused[i][0]),
                          FAULT_ANY, 0, FAULT_NONE),
                    refused[i][1]);
        arena_free(&arena);
    }
    /* the data is another */
    sh("cp " R "eval.tsv " R "kept.tsv; sed -i '$d' " R "eval.tsv");
    expect_line(child(child_run, ADDING_RUN "--quiet --method si --out " R "steps", FAULT_ANY, 0, FAULT_NONE),
                "eval.tsv is not the file that it was for task a");
    sh("mv " R "kept.tsv " R "eval.tsv");
    assert_int_equal(sh("diff -r " R "steps " R "before")->code, 0);
    const Child *wrong =
        child(child_run, ADDING_RUN "--method si --task-option a:epochs=0 --out " R "steps", FAULT_ANY, 0, FAULT_NONE);
    assert_true(wrong->code == EXIT_USAGE && strstr(wrong->err, "--task-option a:epochs 0: a whole number"));
    sh("echo '{' >" R "steps/config.json");
    expect_line(child(child_run, ADDING_RUN "--quiet --method si --out " R "steps", FAULT_ANY, 0, FAULT_NONE),
                "steps/config.json");
    /* what is there was damaged */
    static const char *const damage[][2] = {
        {"rm " R "steps/predictions.tsv", "predictions.tsv holds none of the predictions of "},
        {"sed -i '$d' " R "steps/predictions.tsv",
         "predictions.tsv holds 59 of 60 of the predictions of lora (seed 1)"},
        {"sed -i '3s/^/x/' " R "steps/results.jsonl", "results.jsonl: line 3 is no event"},
        {"sed -i '5s/^.*$/[]/' " R "steps/results.jsonl", "results.jsonl: line 5 is no event"},
    };
    for (size_t i = 0; i < COUNT(damage); i++) {
        sh("rm -rf " R "steps; cp -r " R "before " R "steps");
        assert_int_equal(sh("%s", damage[i][0])->code, 0);
        sh("rm -rf " R "whole; cp -r " R "steps " R "whole");
        expect_line(child(child_run, ADDING_RUN "--quiet --method si --out " R "steps", FAULT_ANY, 0, FAULT_NONE),
                    damage[i][1]);
        assert_int_equal(sh("diff -r " R "steps " R "whole")->code, 0); /* nothing was trained or changed */
    }
    /* what was not kept is said */
    sh("rm -rf " R "whole " R "steps; cp -r " R "before " R "steps");
    const Child *said = fine(child_run, ADDING_RUN "--method full,lora --keep-each-epoch --out " R "steps");
    assert_non_null(strstr(said->err, "models that --keep-each-epoch asks for are not there"));
    sh("rm -rf " R "steps/models/lora");
    said = fine(child_run, ADDING_RUN "--method full,lora --out " R "steps");
    assert_non_null(strstr(said->err, "models that --keep-models asks for are not there"));
    /* an option of methods that are not there yet is free */
    sh("rm -rf " R "steps");
    fine(child_run, ADDING_RUN "--method full --out " R "steps");
    fine(child_run, ADDING_RUN "--method lora --lora-r 4 --out " R "steps");
    fine(child_run, ADDING_RUN "--method full,lora --lora-r 4 --out " R "whole");
    adding_same();
}

/* A value in a method's name does what it does for all methods, whatever stands beside it: a Fisher matrix of other
 * rows, a head at another rate. */
static void test_values_in_names(void **state)
{
    static const struct {
        const char *strategy, *option, *value;
    } own[] = {{"ewc", "ewc-fisher", "empirical"},
               {"ewc", "ewc-rows", "5"},
               {"si", "si-xi", "1"},
               {"replay", "replay-fraction", "0.5"},
               {"wise-ft", "wise-ft-alpha", "0.3"},
               {"frozen", "frozen-learning-rate", "0.02"}};
    Arena arena = {0};
    const char *all = "full,ewc,si,replay,wise-ft,frozen";
    (void)state;
    resume_files();
    for (size_t i = 0; i < COUNT(own); i++)
        all = arena_printf(&arena, "%s,%s@%s=%s", all, own[i].strategy, own[i].option, own[i].value);
    composition_run(all, R "among");
    for (size_t i = 0; i < COUNT(own); i++) {
        char sum[65];
        composition_run(arena_printf(&arena, "%s --%s %s", own[i].strategy, own[i].option, own[i].value), R "alone");
        leavings_sum(R "alone", own[i].strategy, sum);
        expect_leavings(R "among", arena_printf(&arena, "%s@%s=%s", own[i].strategy, own[i].option, own[i].value), sum,
                        "with a value of its own");
    }
    arena_free(&arena);
}

static const struct CMUnitTest adding_tests[] = {
    cmocka_unit_test(test_two_steps_leave_what_one_leaves),
    cmocka_unit_test(test_values_that_stand),
    cmocka_unit_test(test_a_killed_addition_goes_on),
    cmocka_unit_test(test_what_would_change_is_refused_by_name),
    cmocka_unit_test(test_values_in_names),
};
