/* limits: what the table of limits in docs/running.md says happens beyond each. */

#include <fcntl.h>

static void expect_limit(bool ok, Err *err, int code, const char *message)
{
    if (ok || err->code != code || !strstr(err->text, message))
        fail_msg("%s\nwanted: %s", ok ? "no error" : err->text, message);
    *err = (Err){0};
}

/* "PREFIX0,PREFIX1,..." */
static char *limits_list(Arena *arena, const char *prefix, int count)
{
    char *list = arena_new(arena, char, (size_t)count *(strlen(prefix) + 12)), *at = list;
    for (int i = 0; i < count; i++) at += sprintf(at, "%s%s%d", i ? "," : "", prefix, i);
    return list;
}

static void test_more_than_a_run_can_have(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    Plan *plan = arena_new(&arena, Plan, 1);
    for (int i = 0; i < PLAN_MAX_TASKS; i++)
        assert_true(run_set(plan, &arena, "task", arena_printf(&arena, "t%d=a.tsv,b.tsv", i), &err));
    expect_limit(run_set(plan, &arena, "task", "more=a.tsv,b.tsv", &err), &err, EXIT_USAGE, "--task: at most 64 tasks");
    assert_true(run_set(plan, &arena, "seeds", limits_list(&arena, "", 100), &err));
    expect_limit(run_set(plan, &arena, "seeds", limits_list(&arena, "", 101), &err), &err, EXIT_USAGE,
                 "--seeds: at most 100 seeds");
    static const struct {
        const char *name, *value, *message;
    } numbers[] = {
        {"threads", "257", "--threads 257: a whole number from 1 to 256 is needed"},
        {"batch-size", "4097", "--batch-size 4097: a whole number from 1 to 4096 is needed"},
        {"epochs", "10001", "--epochs 10001: a whole number from 1 to 10000 is needed"},
        {"lora-r", "1025", "--lora-r 1025: a whole number from 1 to 1024 is needed"},
        {"seed", "4294967295", "a seed is a whole number from 0 to 4294867295"},
    };
    for (size_t i = 0; i < COUNT(numbers); i++)
        expect_limit(run_set(plan, &arena, numbers[i].name, numbers[i].value, &err), &err, EXIT_USAGE,
                     numbers[i].message);

    /* combinations of three or fewer strategies, of which there are enough */
    static const char *const parts[] = {"", "ewc", "si", "mas", "l2sp", "lwf", "replay", "der++", "agem", "lora-seq"};
    const char *methods = "full", *longer = methods;
    int count = 1;
    for (size_t i = 1; i < COUNT(parts); i++)
        for (size_t k = 0; k < i; k++)
            for (size_t m = 0; m < (k ? k : 1) && count <= PLAN_MAX_METHODS; m++) {
                Method method;
                const char *name =
                    arena_printf(&arena, "%s%s%s%s%s", parts[m], m ? "+" : "", parts[k], k ? "+" : "", parts[i]);
                if (!method_parse(&arena, str(name), &method, &err)) {
                    err = (Err){0};
                    continue;
                }
                methods = longer;
                longer = arena_printf(&arena, "%s,%s", longer, name);
                count++;
            }
    assert_int_equal(count, PLAN_MAX_METHODS + 1);
    assert_true(run_set(plan, &arena, "method", methods, &err));
    expect_limit(run_set(plan, &arena, "method", longer, &err), &err, EXIT_USAGE,
                 arena_printf(&arena, "--method: at most %d methods", PLAN_MAX_METHODS));

    Axis axis = {.option = "epochs", .count = 1000};
    JobGrid grid = {.arena = &arena, .axes = {axis, axis}, .axis_count = 2, .target = "parallel"};
    expect_limit(plan_jobs(&grid, NULL, "out", "lethe", &err), &err, EXIT_USAGE, "--grid: more than 100000 jobs");
    arena_free(&arena);
}

static void test_more_steps_than_can_be_counted(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    Plan *plan = arena_new(&arena, Plan, 1);
    Experiment *x = arena_new(&arena, Experiment, 1);
    plan->task_count = 1;
    plan->hyper = (Hyper){.epochs = 10000, .batch_size = 1};
    x->plan = plan;
    x->tasks[0].data.train.rows = 429496; /* 4294960000 steps */
    assert_true(check_steps(x, &err));
    x->tasks[0].data.train.rows = 429497;
    expect_limit(check_steps(x, &err), &err, EXIT_USAGE, "4294970000 training steps; at most 4294967295 are possible");
    plan->hyper.max_steps = 10;
    assert_true(check_steps(x, &err));
    arena_free(&arena);
}

static void test_models_that_are_too_large(void **state)
{
    (void)state;
    static const struct {
        const char *changed, *message;
    } cases[] = {
        {"\"num_hidden_layers\": 1001", "\"num_hidden_layers\" is 1001, outside 1 to 1000"},
        {"\"hidden_size\": 65538", "\"hidden_size\" is 65538, outside 1 to 65536"},
        {"\"vocab_size\": 16777217", "\"vocab_size\" is 16777217, outside 1 to 16777216"},
        {"\"vocab_size\": 16777216, \"hidden_size\": 1024", "a matrix of over 4,294,967,295 values"},
    };
    Arena arena = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        Err err = {0};
        ModelConfig config;
        json_t *object = json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i}", "model_type", "bert", "num_hidden_layers", 2,
                                   "hidden_size", 16, "num_attention_heads", 2, "intermediate_size", 32, "vocab_size",
                                   100, "max_position_embeddings", 40);
        json_t *changed = json_loads(arena_printf(&arena, "{%s}", cases[i].changed), 0, NULL);
        json_object_update(object, changed);
        char *text = json_dumps(object, 0);
        expect_limit(model_config_parse(str(text), "config.json", &config, &err), &err, EXIT_WORLD, cases[i].message);
        free(text);
        json_decref(changed);
        json_decref(object);
    }
    arena_free(&arena);
}

/* A table of `classes` classes, named PREFIX0, PREFIX1, ... */
static bool limits_classes(Arena *arena, const char *prefix, int classes, Err *err)
{
    ExampleFile file;
    Tokenizer *tokenizer;
    TaskData task;
    char *text = arena_new(arena, char, 100 + (size_t)classes * 20), *at = text + sprintf(text, "text\tlabel\n");
    for (int i = 0; i < classes; i++) at += sprintf(at, "a\t%s%d\n", prefix, i);
    return tokenizer_from_vocab(arena, S("[UNK]\n[CLS]\n[SEP]\na\n"), true, "vocab.txt", &tokenizer, err) &&
           examples_parse(arena, (Str){text, (size_t)(at - text)}, "a.tsv", NULL, true, &file, err) &&
           task_data_load(arena, tokenizer, "a", &file, &file, 0, 0, false, 16, &task, err) &&
           task.classes == (uint32_t)classes;
}

static void test_data_that_are_too_much(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    assert_true(limits_classes(&arena, "", 1000, &err) && limits_classes(&arena, "x", 1000, &err));
    expect_limit(limits_classes(&arena, "", 1001, &err), &err, EXIT_WORLD,
                 "a.tsv: 1001 different labels (such as \"0\"); at most 1000 are possible");
    expect_limit(limits_classes(&arena, "x", 1001, &err), &err, EXIT_WORLD,
                 "1001 different labels (such as \"x0\"); at most 1000 are possible");

    /* a file of over 4 GB, without a byte of it on the disk: its size is looked at before anything is read */
    ExampleFile file;
    const char *path = tmp_path("large.tsv");
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_true(fd >= 0 && ftruncate(fd, 5000000000) == 0 && close(fd) == 0);
    expect_limit(examples_read(&arena, path, NULL, true, &file, &err), &err, EXIT_WORLD,
                 "large.tsv: 5000000000 bytes; at most 4294967295 are read");
    unlink(path);

    Table table;
    const int most = 4096;
    char *line = arena_new(&arena, char, (size_t)most * 20 + 100), *at = line;
    for (int i = 0; i <= most; i++) at += sprintf(at, "%s\"k%d\": 1", i ? ", " : "{", i);
    at += sprintf(at, "}\n");
    expect_limit(table_parse(&arena, (Str){line, (size_t)(at - line)}, "a.jsonl", &table, &err), &err, EXIT_WORLD,
                 "a.jsonl, line 1: more than 4096 different keys");
    at = line;
    for (int i = 0; i <= most; i++) at += sprintf(at, "%sk%d", i ? "\t" : "", i);
    expect_limit(table_parse(&arena, (Str){line, (size_t)(at - line)}, "a.tsv", &table, &err), &err, EXIT_WORLD,
                 "a.tsv, line 1: more than 4096 columns");
    arena_free(&arena);
}

static const struct CMUnitTest limits_tests[] = {
    cmocka_unit_test(test_more_than_a_run_can_have),
    cmocka_unit_test(test_more_steps_than_can_be_counted),
    cmocka_unit_test(test_models_that_are_too_large),
    cmocka_unit_test(test_data_that_are_too_much),
};
