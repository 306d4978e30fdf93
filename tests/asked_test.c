/* asked: what an experiment asks for beside the usual: values of one task alone, patience, weights after every epoch.
 * Uses resume_test.c's model and rows. */

#define ASKED_RUN                                                                                                  \
    "run --threads 1 --epochs 2 --batch-size 4 --keep-models all --task a=" R "rows.tsv," R "eval.tsv --task b=" R \
    "other.tsv," R "rows.tsv" RESUME_MODEL

/* Of the steps of a method's training of a task: how many, and the rate of the first. */
static int asked_steps(const char *out, const char *method, int task, double *rate)
{
    Arena arena = {0};
    Err err = {0};
    Str text;
    int steps = 0;
    assert_true(file_read(&arena, arena_printf(&arena, "%s/results.jsonl", out), 1 << 28, &text, &err));
    for (Str line; journal_line(&text, &line);) {
        json_t *event = json_loadb(line.at, line.size, 0, NULL);
        const char *owner = json_string_value(json_object_get(event, "method"));
        if (owner && strcmp(owner, method) == 0 && json_integer_value(json_object_get(event, "task")) == task &&
            strcmp(json_string_value(json_object_get(event, "event")), "step") == 0 && steps++ == 0)
            *rate = json_number_value(json_object_get(event, "learning_rate"));
        json_decref(event);
    }
    arena_free(&arena);
    return steps;
}

static void test_values_of_one_task(void **state)
{
    double rate;
    (void)state;
    resume_files();
    fine(child_run, ASKED_RUN "--method full,lora --task-option b:epochs=3 --task-option b:learning-rate=2e-4 "
                              "--task-option b:train-rows=8 --task-option b:lora-learning-rate=5e-4 --out " R "own");
    assert_int_equal(asked_steps(R "own", "full", 1, &rate), 2 * 5);
    assert_true(fabs(rate - 1e-3) < 1e-9);
    assert_int_equal(asked_steps(R "own", "full", 2, &rate), 3 * 2);
    assert_true(fabs(rate - 2e-4) < 1e-9);
    assert_int_equal(asked_steps(R "own", "lora", 2, &rate), 3 * 2);
    assert_true(fabs(rate - 5e-4) < 1e-9);
    /* a value that is the common one changes nothing but the run's settings */
    fine(child_run, ASKED_RUN "--method full --task-option a:epochs=2 --task-option a:max-steps=0 --out " R "same");
    fine(child_run, ASKED_RUN "--method full --out " R "plain");
    sh("for d in " R "same " R "plain; do sed -i 's/\"a:[^,]*\",*//g; s/,\\]/]/' $d/results.jsonl; done");
    sh("sed -i '1d' " R "same/results.jsonl " R "plain/results.jsonl");
    expect_same_run(R "same", R "plain");
    /* it is part of what the run is: refused beside another one, by its name */
    expect_line(
        child(child_run, ASKED_RUN "--method si --task-option a:epochs=1 --out " R "plain", FAULT_ANY, 0, FAULT_NONE),
        "--task-option a:epochs=1 only here");
    fine(child_run, "run --config " R "own/config.json --out " R "again");
    expect_same_run(R "own", R "again");
}

static void test_each_epoch_is_kept(void **state)
{
    (void)state;
    resume_files();
    fine(child_run, ASKED_RUN "--method full,lora --out " R "plain");
    fine(child_run, ASKED_RUN "--method full,lora --keep-each-epoch --out " R "whole");
    sh("cp -r " R "whole " R "less; rm -r " R "less/epochs");
    expect_same_run(R "plain", R "less"); /* looking changes nothing */
    const Outcome *o = sh(
        "cd " R "whole/epochs && test \"$(echo *)\" = 'a-epoch1 a-epoch2 b-epoch1 b-epoch2' && diff -r b-epoch2/models "
        "../models && ! cmp -s b-epoch1/models/full/encoder.safetensors b-epoch2/models/full/encoder.safetensors && "
        "test -d a-epoch2/models/full/a && ! test -e a-epoch2/models/full/b");
    if (o->code != 0) fail_msg("%s%s", o->out, o->err);
    sh("rm -rf " R "killed");
    child(child_run, ASKED_RUN "--method full,lora --keep-each-epoch --out " R "killed", FAULT_RENAME, 40, FAULT_KILL);
    fine(child_run, ASKED_RUN "--method full,lora --keep-each-epoch --out " R "killed");
    expect_same_run(R "whole", R "killed");
    o = sh("diff -r " R "whole/epochs " R "killed/epochs");
    if (o->code != 0) fail_msg("%s%s", o->out, o->err);
    /* with a second seed they are named after theirs, as the kept models are */
    fine(child_run, ASKED_RUN "--method full,lora --seeds 1,2 --keep-each-epoch --out " R "whole");
    assert_true(exists(R "whole/epochs/a-epoch1/models/full-seed1/model.json") &&
                exists(R "whole/epochs/b-epoch2/models/lora-seed2/model.json") &&
                !exists(R "whole/epochs/a-epoch1/models/full"));
}

static void test_each_task_is_kept(void **state)
{
    (void)state;
    resume_files();
    fine(child_run, ASKED_RUN "--method full,lora --out " R "plain");
    fine(child_run, ASKED_RUN "--method full,lora --keep-each-task --keep-each-epoch --out " R "whole");
    sh("cp -r " R "whole " R "less; rm -r " R "less/after " R "less/epochs");
    expect_same_run(R "plain", R "less"); /* looking changes nothing */
    /* after the first task it is what its last epoch left; after the last it is the run's own */
    const Outcome *o =
        sh("cd " R "whole && test \"$(echo after/*)\" = after/a && diff -r after/a/models epochs/a-epoch2/models && "
           "grep -q '\"after_task\": 1' after/a/models/lora/model.json && "
           "grep -q '\"after_task\": 2' models/lora/model.json");
    if (o->code != 0) fail_msg("%s%s", o->out, o->err);
    /* of what leaves the encoder as it was alone, with a second seed named after theirs; another run's go */
    fine(child_run,
         ASKED_RUN "--method full,lora --seeds 1,2 --keep-models adapters --keep-each-task --force --out " R "whole");
    assert_true(exists(R "whole/after/a/models/lora-seed2/model.json") && !exists(R "whole/after/a/models/lora") &&
                !exists(R "whole/after/a/models/full-seed1"));
}

/* Killed and resumed, a training ends where patience ended it. */
static void test_patience_resumes(void **state)
{
    static const char *const line =
        ASKED_RUN "--method full,si --keep-epoch held-out --patience 1 --epochs 8 --learning-rate 0.05 --out " R;
    double rate;
    Arena arena = {0};
    (void)state;
    resume_files();
    fine(child_run, arena_printf(&arena, "%swhole", line));
    const long calls = faults->count[FAULT_RENAME];
    const int steps = asked_steps(R "whole", "full", 1, &rate) + asked_steps(R "whole", "full", 2, &rate);
    assert_true(steps < 2 * 8 * 5);
    for (long part = 1; part < 6; part++) {
        sh("rm -rf " R "killed");
        child(child_run, arena_printf(&arena, "%skilled", line), FAULT_RENAME, calls * part / 6, FAULT_KILL);
        fine(child_run, arena_printf(&arena, "%skilled", line));
        expect_same_run(R "whole", R "killed");
    }
    arena_free(&arena);
}

/* ---- a task that comes again ---- */

#define AGAIN_RUN                                                                                                  \
    "run --threads 1 --epochs 2 --batch-size 4 --keep-models all --task a=" R "rows.tsv," R "eval.tsv --task b=" R \
    "other.tsv," R "rows.tsv --task a" RESUME_MODEL

/* The lines of predictions.tsv of a method, a moment and a task, without these three. */
static const char *again_lines(Arena *arena, const char *out, const char *method, int after, int task)
{
    return arena_printf(arena, "%s",
                        sh("awk -F'\t' '$1==\"%s\" && $3==%d && $4==%d {print $5,$6,$7,$8}' %s/predictions.tsv", method,
                           after, task, out)
                            ->out);
}

/* It has the head (and adapter) that it had: a training that moves nothing leaves its answers as they were. */
static void test_a_task_comes_again(void **state)
{
    static const char *const methods[] = {"full", "lora", "lora-seq", "replay", "lwf", "der++", "o-lora", "frozen"};
    Arena arena = {0};
    (void)state;
    resume_files();
    fine(child_run, AGAIN_RUN "--method full,lora,lora-seq,replay,lwf,der++,o-lora,frozen --out " R "again");
    fine(child_run,
         AGAIN_RUN "--method full,lora --task-option a-again:learning-rate=1e-12 --weight-decay 0 --task-option "
                   "a-again:lora-learning-rate=1e-12 --out " R "still");
    for (size_t i = 0; i < COUNT(methods); i++) {
        const char *first = again_lines(&arena, R "again", methods[i], 3, 1);
        assert_true(strlen(first) > 100);
        assert_string_equal(first, again_lines(&arena, R "again", methods[i], 3, 3)); /* one task, asked twice */
        assert_string_not_equal(first, again_lines(&arena, R "again", methods[i], 2, 1));
    }
    for (size_t i = 0; i < 2; i++) {
        const Outcome *o =
            sh("awk -F'\t' '$1==\"%s\" && $4==1 && $3>1 {split($8,z,\" \"); if (!($5 in old)) old[$5]=z[1];"
               " else if ((old[$5]-z[1])^2 > 1e-8) {print; exit 1}}' " R "still/predictions.tsv",
               methods[i]);
        if (o->code != 0) fail_msg("%s began anew: %s", methods[i], o->out);
    }
    assert_true(exists(R "again/models/full/a/head.safetensors") && !exists(R "again/models/full/a-again"));
    /* what asks for nothing leaves what full leaves, through the heads of one task that stands twice among the earlier
     */
    fine(child_run, AGAIN_RUN
         "--task b --method full,replay@replay-fraction=0,lwf@lwf-alpha=0,der++@der-alpha=0@der-beta=0 --out " R
         "four");
    for (int task = 1; task <= 4; task++) {
        const char *full = again_lines(&arena, R "four", "full", 4, task);
        assert_string_equal(full, again_lines(&arena, R "four", "replay@replay-fraction=0", 4, task));
        assert_string_equal(full, again_lines(&arena, R "four", "lwf@lwf-alpha=0", 4, task));
        assert_string_equal(full, again_lines(&arena, R "four", "der++@der-alpha=0@der-beta=0", 4, task));
    }
    arena_free(&arena);
}

static void test_a_task_that_comes_again_resumes(void **state)
{
    static const char *const line = AGAIN_RUN "--method lora,lwf,replay --out " R;
    Arena arena = {0};
    (void)state;
    resume_files();
    fine(child_run, arena_printf(&arena, "%swhole", line));
    const long calls = faults->count[FAULT_RENAME];
    for (long part = 1; part < 5; part++) {
        sh("rm -rf " R "killed");
        child(child_run, arena_printf(&arena, "%skilled", line), FAULT_RENAME, calls * part / 5, FAULT_KILL);
        fine(child_run, arena_printf(&arena, "%skilled", line));
        expect_same_run(R "whole", R "killed");
    }
    const Child *c = child(child_run, AGAIN_RUN "--task c --out " R "none", FAULT_ANY, 0, FAULT_NONE);
    assert_true(c->code == 2 && strstr(c->err, "--task c: write NAME=TRAIN,EVAL"));
    c = child(child_run, AGAIN_RUN "--task-option a-again:train-rows=5 --out " R "none", FAULT_ANY, 0, FAULT_NONE);
    assert_true(c->code == 2 && strstr(c->err, "a task that comes again has the rows that it had"));
    arena_free(&arena);
}

static const struct CMUnitTest asked_tests[] = {
    cmocka_unit_test(test_a_task_comes_again), cmocka_unit_test(test_a_task_that_comes_again_resumes),
    cmocka_unit_test(test_values_of_one_task), cmocka_unit_test(test_each_epoch_is_kept),
    cmocka_unit_test(test_each_task_is_kept),  cmocka_unit_test(test_patience_resumes),
};
