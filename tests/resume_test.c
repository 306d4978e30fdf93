/* resume: a run that is killed at any moment, or meets a full disk, goes on to the bits of one that never was; and
 * whatever the world refuses, lethe says so in one line. */
#include "faults/children.h"
#include "faults/serve.h"

#define R "build/test-tmp/resume/"
#define RESUME_TASKS " --task a=" R "rows.tsv," R "eval.tsv --task b=" R "rows.tsv," R "eval.tsv "
#define RESUME_MODEL " --model " R "model --max-length 32 --device cpu --learning-rate 1e-3 --snapshot-seconds 0 "
/* One method for each way to train and each kind of state that is kept. */
#define RESUME_RUN                                                                                            \
    "run --threads 1 --method full,lora-seq,si,der++,agem,ewc+replay,wise-ft,o-lora --epochs 2 --batch-size " \
    "2" RESUME_TASKS RESUME_MODEL
/* As short as a run can be, for failures of every single call. */
#define SHORT_RUN \
    "run --quiet --threads 1 --method full,si --epochs 1 --batch-size 4 --no-diagnostics" RESUME_TASKS RESUME_MODEL

static void resume_files(void)
{
    char text[4096];
    fresh_model();
    sh("rm -rf " R "; mkdir -p " R "; cp -r build/test-tmp/model " R
       "model; sed -i 's/dropout_prob\": 0.0/dropout_prob\": "
       "0.1/' " R "model/config.json");
    static const char *const names[] = {"resume/rows.tsv", "resume/other.tsv", "resume/eval.tsv"};
    for (int file = 0; file < 3; file++) {
        size_t used = (size_t)snprintf(text, sizeof text, "sentence\tlabel\n");
        for (int i = 0; i < 20; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s film number %s%s\t%d\n",
                                     (i + file) % 3 ? "a good" : "a bad", i % 5 ? "a" : "film good",
                                     file == 2 ? " film film" : "", (i + file) % 3 != 0);
        tmp_write(names[file], (Str){text, used});
    }
}

/* What a run leaves but for wall times, and that it leaves nothing else. */
static void expect_same_run(const char *a, const char *b)
{
    const Outcome *o = sh(
        "for d in %s %s; do sed 's/,\"[a-z_]*seconds\":[^,}]*//g; s/,\"peak_bytes\":[0-9]*//; s/,\"threads\":[0-9]*//; "
        "s/, [0-9]* thread[s]*)//' $d/results.jsonl >$d.events; done; cmp %s.events %s.events && "
        "cmp %s/predictions.tsv %s/predictions.tsv && diff -r %s/models %s/models && "
        "test \"$(ls %s | sort)\" = \"$(ls %s | sort)\"",
        a, b, a, b, a, b, a, b, a, b);
    if (o->code != 0) fail_msg("%s and %s differ: %s%s", a, b, o->out, o->err);
}

/* ---- killed ---- */

static void test_killed_at_fifty_moments(void **state)
{
    enum { RUNS = 50, STREAM = 0x6b696c6c };
    static const struct {
        FaultKind kind;
        FaultAction action;
    } kills[] = {{FAULT_ANY, FAULT_KILL},    {FAULT_WRITE, FAULT_TEAR}, {FAULT_WRITE, FAULT_KILL},
                 {FAULT_RENAME, FAULT_KILL}, {FAULT_FSYNC, FAULT_KILL}, {FAULT_UNLINK, FAULT_KILL}};
    (void)state;
    resume_files();
    fine(child_run, RESUME_RUN "--out " R "whole");
    const Faults counts = *faults;
    int killed = 0, within = 0;
    for (uint32_t i = 0, draw = 0; i < RUNS; i++) {
        sh("rm -rf " R "killed");
        for (uint32_t again = 0; again < (i % 5 ? 1u : 3u); again++, draw++) {
            const FaultKind kind = kills[i % COUNT(kills)].kind;
            const long calls = kind == FAULT_ANY ? counts.all : counts.count[kind],
                       at = 1 + (long)((double)random_uniform(STREAM, 0, draw) * (double)calls);
            const Child *c = child(child_run, RESUME_RUN "--out " R "killed", kind, at, kills[i % COUNT(kills)].action);
            if (c->code != 0 && c->code != -SIGKILL) fail_msg("kill %u: exit %d: %s", i, c->code, c->err);
            killed += c->code == -SIGKILL;
        }
        const Child *c = fine(child_run, RESUME_RUN "--out " R "killed");
        within += strstr(c->err, "goes on: ") != NULL;
        if (strstr(c->err, "anew")) fail_msg("kill %u: %s", i, c->err);
        expect_same_run(R "whole", R "killed");
    }
    print_message("%d kills; %d runs went on within a training\n", killed, within);
    assert_true(killed >= RUNS && within >= RUNS / 3);
}

/* All that a run does is the same with four threads; begun by two threads, killed within a training, and ended by one.
 */
static void test_threads_may_change(void **state)
{
    (void)state;
    resume_files();
    fine(child_run, RESUME_RUN "--out " R "one");
    fine(child_run, RESUME_RUN "--threads 4 --out " R "four");
    expect_same_run(R "one", R "four");
    fine(child_run, RESUME_RUN "--method si --out " R "whole");
    const long calls = faults->count[FAULT_RENAME];
    const Child *c =
        child(child_run, RESUME_RUN "--method si --threads 2 --out " R "two", FAULT_RENAME, calls * 2 / 3, FAULT_KILL);
    assert_int_equal(c->code, -SIGKILL);
    c = fine(child_run, RESUME_RUN "--method si --out " R "two");
    assert_non_null(strstr(c->err, "goes on: si, task 2, step "));
    expect_same_run(R "whole", R "two");
}

/* On the Vulkan engine, whose memory is another; and nowhere else, since other engines round differently. */
static void test_goes_on_on_vulkan(void **state)
{
    static const char *const line = RESUME_RUN "--method lora-seq,ewc+replay --device gpu --no-diagnostics --out " R;
    Arena arena = {0};
    (void)state;
    resume_files();
    fine(child_run, arena_printf(&arena, "%swhole", line));
    const long calls = faults->count[FAULT_RENAME];
    int within = 0;
    for (long part = 1; part < 4; part++) {
        const Child *c = NULL;
        /* A run that is slow, since its driver compiles shaders, writes more snapshots than one that follows it. */
        for (long at = calls * part / 4; !c || c->code == 0; at = at * 3 / 4) {
            assert_true(at > 0);
            sh("rm -rf " R "gpu");
            c = child(child_run, arena_printf(&arena, "%sgpu", line), FAULT_RENAME, at, FAULT_KILL);
        }
        assert_int_equal(c->code, -SIGKILL);
        if (part == 3) /* one method is finished */
            expect_line(
                child(child_run, arena_printf(&arena, "%sgpu --device cpu --quiet", line), FAULT_ANY, 0, FAULT_NONE),
                "and would go on on CPU (");
        c = fine(child_run, arena_printf(&arena, "%sgpu", line));
        within += strstr(c->err, "goes on: ") != NULL;
        expect_same_run(R "whole", R "gpu");
    }
    assert_true(within > 0);
    arena_free(&arena);
}

/* Leaves OUT of a run that was killed within the second task. */
static void half_run(const char *out)
{
    Arena arena = {0};
    const char *line = arena_printf(&arena, RESUME_RUN "--method full --out %s", out);
    sh("rm -rf %s", out);
    fine(child_run, line);
    const long calls = faults->count[FAULT_RENAME];
    sh("rm -rf " R "whole; mv %s " R "whole", out);
    const char *second = arena_printf(&arena, "%s/snapshots/full-seed1-task2.safetensors.zst", out);
    for (long at = calls / 2; !exists(second); at++) {
        assert_true(at < calls);
        sh("rm -rf %s", out);
        assert_int_equal(child(child_run, line, FAULT_RENAME, at, FAULT_KILL)->code, -SIGKILL);
    }
    arena_free(&arena);
}

static void test_damaged_snapshots_begin_anew(void **state)
{
    static const char *const damages[] = {
        "truncate -s -1 $f",
        "truncate -s 100 $f",
        "truncate -s 0 $f",
        "printf x | dd of=$f bs=1 seek=9000 conv=notrunc status=none",
        "echo x >>$f",
        "zstd -qd $f -o $f.x; sed -i 's/seed1-task2/seed2-task2/' $f.x; zstd -qf --check $f.x -o $f; rm $f.x",
        "zstd -qd $f -o $f.x; sed -i 's/0: weights/1: weights/' $f.x; zstd -qf --check $f.x -o $f; rm $f.x",
        "zstd -qd $f -o $f.x; sed -i 's/ended/epoch/' $f.x; zstd -qf --check $f.x -o $f; rm $f.x",
        "cp " R "out/snapshots/full-seed1-task1.safetensors.zst $f",
    };
    (void)state;
    resume_files();
    half_run(R "half");
    for (size_t i = 0; i < COUNT(damages); i++) {
        sh("rm -rf " R "out; cp -r " R "half " R "out; f=" R "out/snapshots/full-seed1-task2.safetensors.zst; %s",
           damages[i]);
        const Child *c = fine(child_run, RESUME_RUN "--method full --out " R "out");
        if (!strstr(c->err, "task2.safetensors.zst: ") || !strstr(c->err, "; this training begins anew\n"))
            fail_msg("%s: %s", damages[i], c->err);
        expect_same_run(R "whole", R "out");
    }
}

/* Other versions, devices and configurations. */
static void test_what_a_run_does_not_go_on_from(void **state)
{
    (void)state;
    resume_files();
    half_run(R "out");
    fine(child_run, RESUME_RUN "--method full --force --out " R "out"); /* begins anew, and says nothing */
    expect_same_run(R "whole", R "out");
    fine(child_run, RESUME_RUN "--method full,si --out " R "two");
    sh("sed -i '/\"event\":\"method\",\"method\":\"si\"/d; /\"done\"/d' " R
       "two/results.jsonl; sed -i 's/\"engine\": .*/\"engine\": \"CPU "
       "(abacus)\",/' " R "two/config.json");
    expect_line(child(child_run, RESUME_RUN "--method full,si --out " R "two", FAULT_ANY, 0, FAULT_NONE),
                "two was begun on CPU (abacus) and would go on on CPU (");
    fine(child_run, RESUME_RUN "--method full,si --force --out " R "two");
}

/* ---- the disk ---- */

static void test_full_disk(void **state)
{
    (void)state;
    resume_files();
    fine(child_run, RESUME_RUN "--method full --out " R "whole");
    const long writes = faults->count[FAULT_WRITE];
    for (long at = writes / 8; at < writes; at += writes / 8) {
        sh("rm -rf " R "full");
        expect_line(child(child_run, RESUME_RUN "--quiet --method full --out " R "full", FAULT_WRITE, at, FAULT_HALF),
                    "cannot be written: No space left on device");
        fine(child_run, RESUME_RUN "--method full --out " R "full");
        expect_same_run(R "whole", R "full");
    }
}

/* The folder is taken away, or closed, while a run writes to it. */
#define LONG_CHILD RESUME_RUN "--quiet --method full --epochs 3000 --out " R "busy"
static void wait_for(const char *condition)
{
    expect(sh("i=0; until %s; do sleep 0.01; i=$((i+1)); test $i -lt 6000 || exit 9; done", condition), 0, "");
}

static pid_t busy_child(void)
{
    sh("rm -rf " R "busy");
    faults_plan(FAULT_ANY, 0, FAULT_NONE);
    const pid_t busy = child_start(child_run, LONG_CHILD, R "busy.err");
    wait_for("ls " R "busy/snapshots/*.zst >/dev/null 2>&1");
    return busy;
}

static void test_folder_vanishes(void **state)
{
    (void)state;
    resume_files();
    pid_t busy = busy_child();
    sh("mv " R "busy " R "elsewhere");
    expect_line(child_end(busy, R "busy.err"), "cannot be written: ");
    assert_true(exists(R "elsewhere/snapshots/full-seed1-task1.safetensors.zst"));
    busy = busy_child();
    sh("rm -rf " R "busy; rm -rf " R "busy");
    expect_line(child_end(busy, R "busy.err"), "cannot be written: ");
}

static void test_two_processes(void **state)
{
    (void)state;
    resume_files();
    const pid_t busy = busy_child();
    faults_plan(FAULT_ANY, 0, FAULT_NONE);
    const Child *second = child_end(child_start(child_run, LONG_CHILD, CHILD_ERR), CHILD_ERR);
    expect_line(second, "busy: another lethe is running in this folder");
    kill(busy, SIGKILL);
    child_end(busy, R "busy.err");
    /* the one that was killed holds it no longer; Ctrl-C stores where it stands */
    sh("rm " R "busy/snapshots/*");
    faults_plan(FAULT_ANY, 0, FAULT_NONE);
    const pid_t third = child_start(child_run, LONG_CHILD " --snapshot-seconds 1000", R "busy.err");
    /* in this order: the steps of the one that was killed go before config.json is written */
    wait_for("grep -q '\"snapshot-seconds\": \"1000\"' " R "busy/config.json && grep -q '\"event\":\"step\"' " R
             "busy/results.jsonl");
    kill(third, SIGINT);
    assert_int_equal(child_end(third, R "busy.err")->code, EXIT_INTERRUPTED);
    assert_false(exists(R "busy/lock"));
    assert_true(exists(R "busy/snapshots/full-seed1-task1.safetensors.zst"));
}

/* ---- every call fails once ---- */

/* The calls of a kind that are made to fail: each up to `every`, then some. */
static long fault_next(long at, long every, long calls)
{
    return at < every || every_failure() ? at + 1 : at + 1 + calls / 60;
}

static void test_every_call_fails_in_a_run(void **state)
{
    (void)state;
    resume_files();
    fine(child_run, SHORT_RUN "--out " R "whole");
    const Faults counts = *faults;
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        const long calls = counts.count[kind];
        long tried = 0, failed = 0;
        for (long at = 1; at <= calls; at = fault_next(at, kind == FAULT_ALLOC ? 200 : 1000, calls), tried++) {
            sh("rm -rf " R "failed");
            failed += expect_clear(child(child_run, SHORT_RUN "--out " R "failed", (FaultKind)kind, at, FAULT_FAIL),
                                   fault_names[kind], at);
            if (tried % 8) continue;
            fine(child_run, SHORT_RUN "--out " R "failed");
            expect_same_run(R "whole", R "failed");
        }
        print_message("%-6s %ld of %ld calls, %ld ended the run\n", fault_names[kind], tried, calls, failed);
    }
}

static int child_lethe(int argc, char **argv) { return lethe_main(argc, argv); }

/* predict --to: the file that was there before, or the whole new one. */
static void expect_old_or_whole(bool failed, const char *kind, long at)
{
    static char got[4096], whole[4096];
    slurp(R "answers.csv", got, sizeof got);
    slurp(R "whole.csv", whole, sizeof whole);
    if (!*whole || strcmp(got, failed ? "old" : whole) != 0)
        fail_msg("%s %ld %s, but the file is: %s", kind, at, failed ? "failed" : "did no harm", got);
}

static void test_calls_fail_in_other_commands(void **state)
{
    static const char *const lines[] = {
        "predict --run " R "made --task a --method full --device cpu --threads 1 " R "texts",
        "export " R "made --task a --method full --to " R "exported",
        "tokenize --model " R "model " R "texts",
        "report " R "made",
        "plan --for parallel --method full" RESUME_TASKS "--model " R "model",
        "predict --run " R "made --task a --method full --device cpu --threads 1 --with row,label --to " R
        "answers.csv " R "eval.tsv",
    };
    enum { TO_LINE = COUNT(lines) - 1 };
    (void)state;
    resume_files();
    tmp_write("resume/texts", S("a good film\na bad film\n"));
    fine(child_lethe, SHORT_RUN "--out " R "made");
    for (size_t i = 0; i < COUNT(lines); i++) {
        fine(child_lethe, lines[i]);
        const Faults counts = *faults;
        if (i == TO_LINE) sh("mv " R "answers.csv " R "whole.csv");
        const long most = every_failure() ? 3000 : i == 3 ? 2 : 20; /* of a kind: a report has 50,000 */
        long tried = 0, failed = 0;
        for (int kind = 0; kind < FAULT_KINDS; kind++)
            for (long at = 1, calls = counts.count[kind]; at <= calls; at += 1 + calls / most, tried++) {
                sh("rm -rf " R "exported; printf old >" R "answers.csv");
                const bool ended =
                    expect_clear(child(child_lethe, lines[i], (FaultKind)kind, at, FAULT_FAIL), fault_names[kind], at);
                failed += ended;
                if (i == TO_LINE) expect_old_or_whole(ended, fault_names[kind], at);
                assert_string_equal(sh("find " R " -name '*.tmp'")->out, "");
            }
        print_message("%.*s %ld of %ld calls, %ld ended it\n", (int)strcspn(lines[i], " "), lines[i], tried,
                      (long)counts.all, failed);
    }
}

/* lethe serve: a request that fails says so in a line, and the next ones have their answers. */
static void test_calls_fail_in_serve(void **state)
{
    static Arena font;
    Err err = {0};
    const char *line = "build/test-tmp/resume made half";
    (void)state;
    resume_files();
    if (!asset_expand(&font, "DejaVuSans.ttf", &faults_serve_plan.font, &err)) fail_msg("%s", err.text);
    fine(child_lethe, SHORT_RUN "--out " R "made");
    sh("mkdir " R "half; head -n 30 " R "made/results.jsonl >" R "half/results.jsonl");
    fine(child_serve, line);
    const Faults counts = *faults;
    const long most = every_failure() ? 3000 : 12; /* of a kind */
    long tried = 0, failed = 0;
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        for (long at = 1, calls = counts.count[kind]; at <= calls; at += 1 + calls / most, tried++) {
            sh("rm -rf " R "lethe-files");
            failed += expect_clear(child(child_serve, line, (FaultKind)kind, at, FAULT_FAIL), fault_names[kind], at);
            assert_string_equal(sh("find " R " -name '*.tmp'")->out, "");
        }
    print_message("serve %ld of %ld calls, %ld ended it\n", tried, (long)counts.all, failed);
}

static const struct CMUnitTest resume_tests[] = {
    cmocka_unit_test(test_threads_may_change),
    cmocka_unit_test(test_goes_on_on_vulkan),
    cmocka_unit_test(test_damaged_snapshots_begin_anew),
    cmocka_unit_test(test_what_a_run_does_not_go_on_from),
    cmocka_unit_test(test_full_disk),
    cmocka_unit_test(test_folder_vanishes),
    cmocka_unit_test(test_two_processes),
    cmocka_unit_test(test_killed_at_fifty_moments),
};
static const struct CMUnitTest faults_tests[] = {
    cmocka_unit_test(test_every_call_fails_in_a_run),
    cmocka_unit_test(test_calls_fail_in_other_commands),
    cmocka_unit_test(test_calls_fail_in_serve),
};
