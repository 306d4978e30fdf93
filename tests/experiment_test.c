/* experiment: what a whole run leaves in results.jsonl, on a tiny model with few rows: its events agree with each
 * other, and looking on changes nothing. */

#define TINY "build/test-tmp/tiny/"
enum { RUN_TRAIN_ROWS = 64, RUN_EVAL_ROWS = 45, RUN_EPOCHS = 12 };

/* A model and two tasks over its words: which of two words stands first, then how many there are. The second
 * unlearns much of the first. */
static void run_files(void)
{
    static const char *const tasks[] = {"order", "count"}, *const sets[] = {"train", "eval"};
    tmp_path("");
    assert_int_equal(system("rm -rf " TINY "; mkdir -p " TINY "; cp tests/golden/tiny-bert/*.* " TINY
                            "; chmod u+w " TINY
                            "*; { printf '[PAD]\\n[UNK]\\n[CLS]\\n[SEP]\\n[MASK]\\n'; for w in red blue old new film "
                            "book; do echo $w; done; } >" TINY "vocab.txt"),
                     0);
    for (uint64_t t = 0; t < 2; t++)
        for (uint64_t s = 0; s < 2; s++) {
            const uint32_t rows = s ? RUN_EVAL_ROWS : RUN_TRAIN_ROWS;
            char text[8192];
            size_t used =
                (size_t)snprintf(text, sizeof text, t ? "sentence1\tsentence2\tlabel\n" : "sentence\tlabel\n");
            for (uint32_t r = 0; r < rows; r++) {
                static const char *const words[] = {"red", "blue", "old", "new", "film", "book"};
                const unsigned draw = (unsigned)(random_uniform(7, 2 * t + s, r) * 4096);
                const char *a = words[draw % 2], *b = words[1 - draw % 2], *c = words[2 + draw / 2 % 4],
                           *d = words[2 + draw / 8 % 4];
                used +=
                    (size_t)(t ? snprintf(text + used, sizeof text - used,
                                          "%s film %s book new %s\t%s old red %s film %s\t%u\n", a, c, d, c, b, d,
                                          draw / 2 % 4 < 2)
                               : snprintf(text + used, sizeof text - used, "%s %s %s %s\t%u\n", c, a, d, b, draw % 2));
            }
            assert_true(used < sizeof text);
            char name[64];
            snprintf(name, sizeof name, "tiny/%s_%s.tsv", tasks[t], sets[s]);
            tmp_write(name, (Str){text, used});
        }
}

typedef struct Ran {
    json_t *events; /* array */
    Str predictions;
    Arena arena;
} Ran;

static void ran_free(Ran *ran)
{
    json_decref(ran->events);
    arena_free(&ran->arena);
}

/* Runs methods (separated by commas) on both tasks. */
static Ran run_tiny(const char *methods, const char *device, int threads, float learning_rate, bool diagnostics)
{
    Ran ran = {.events = json_array()};
    Err err = {0};
    Arena *arena = &ran.arena;
    Plan plan = {.tasks = {{.name = "order", .train = TINY "order_train.tsv", .eval = TINY "order_eval.tsv"},
                           {.name = "count", .train = TINY "count_train.tsv", .eval = TINY "count_eval.tsv"}},
                 .task_count = 2,
                 .seeds = {5},
                 .seed_count = 1,
                 .model = {.folder = TINY, .name = "tiny"},
                 .preset = "default",
                 .out = TINY "out",
                 .device = device,
                 .threads = threads,
                 .max_length = 32,
                 .hyper = {.epochs = RUN_EPOCHS,
                           .batch_size = 8,
                           .eval_batch_size = 16,
                           .learning_rate = learning_rate,
                           .weight_decay = 0.01f},
                 .lora_learning_rate = learning_rate,
                 .lora_r = 4,
                 .lora_alpha = 8,
                 .family = &family_bert,
                 .lora_targets = LORA_QUERY | LORA_KEY | LORA_VALUE,
                 .no_diagnostics = !diagnostics,
                 .force = true,
                 .quiet = true};
    strategy_defaults(&plan.values);
    for (Str rest = str(methods), item; list_next(&rest, &item);) {
        Method *method = arena_new(arena, Method, 1);
        if (!method_parse(arena, item, method, &err)) fail_msg("%s", err.text);
        plan.methods[plan.method_count++] = method;
    }
    json_t *options = json_object();
    if (!experiment_run(&plan, options, &err)) fail_msg("%s", err.text);
    json_decref(options);
    Str all;
    if (!file_read(arena, TINY "out/results.jsonl", 1 << 26, &all, &err) ||
        !file_read(arena, TINY "out/predictions.tsv", 1 << 26, &ran.predictions, &err))
        fail_msg("%s", err.text);
    for (size_t at = 0; at < all.size;) {
        const char *end = memchr(all.at + at, '\n', all.size - at);
        assert_non_null(end);
        json_t *event = json_loadb(all.at + at, (size_t)(end - all.at) - at, 0, NULL);
        assert_non_null(event);
        json_array_append_new(ran.events, event);
        at = (size_t)(end - all.at) + 1;
    }
    return ran;
}

static int64_t event_int(const json_t *event, const char *key)
{
    const json_t *value = json_object_get(event, key);
    if (!json_is_integer(value)) fail_msg("no \"%s\" in %s", key, json_dumps(event, 0));
    return json_integer_value(value);
}

static bool event_is(const json_t *event, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(event, key));
    return value && strcmp(value, text) == 0;
}

/* Events of a kind; method NULL: of any; after -1 and task 0: any. Borrowed. */
static size_t events_of(const Ran *ran, const char *kind, const char *method, int64_t after, int64_t task,
                        const json_t *found[512])
{
    size_t count = 0, i;
    const json_t *event;
    json_array_foreach(ran->events, i, event)
    {
        if (!event_is(event, "event", kind) || (method && !event_is(event, "method", method))) continue;
        if (after >= 0 && event_int(event, "after_task") != after) continue;
        if (task && event_int(event, "task") != task) continue;
        if (strcmp(kind, "eval") == 0 && !json_is_true(json_object_get(event, "final"))) continue;
        assert_true(count < 512);
        found[count++] = event;
    }
    return count;
}

static const json_t *event_of(const Ran *ran, const char *kind, const char *method, int64_t after, int64_t task)
{
    const json_t *found[512];
    const size_t count = events_of(ran, kind, method, after, task, found);
    if (count != 1) fail_msg("%zu events %s of %s after %d on %d", count, kind, method, (int)after, (int)task);
    return found[0];
}

static void rows_right(const Ran *ran, const char *method, int64_t after, int64_t task, bool right[RUN_EVAL_ROWS])
{
    const json_t *final = event_of(ran, "eval", method, after, task);
    uint32_t correct = 0;
    assert_true(rows_right_parse(str(json_string_value(json_object_get(final, "right"))), RUN_EVAL_ROWS, right));
    for (int i = 0; i < RUN_EVAL_ROWS; i++) correct += right[i];
    assert_int_equal(correct, event_int(final, "correct"));
}

/* How many of the first `rows` rows of the subsets' order are right. */
static uint32_t subset_right(const bool right[RUN_EVAL_ROWS], uint32_t rows)
{
    uint32_t order[RUN_EVAL_ROWS], correct = 0;
    random_permutation(0, RUN_EVAL_ROWS, order);
    for (uint32_t i = 0; i < rows; i++) correct += right[order[i]];
    return correct;
}

static void expect_curve(const Ran *ran, const char *method)
{
    const json_t *curve[512];
    const size_t points = events_of(ran, "curve", method, 2, 1, curve);
    const uint32_t steps = RUN_EPOCHS * RUN_TRAIN_ROWS / 8;
    assert_true(points >= CURVE_LEAST_POINTS);
    for (size_t i = 0; i < points; i++) {
        bool of[RUN_EVAL_ROWS], right[RUN_EVAL_ROWS];
        uint32_t looked = 0, correct = 0;
        assert_true(rows_right_parse(str(json_string_value(json_object_get(curve[i], "looked"))), RUN_EVAL_ROWS, of));
        assert_true(rows_right_parse(str(json_string_value(json_object_get(curve[i], "right"))), RUN_EVAL_ROWS, right));
        for (int r = 0; r < RUN_EVAL_ROWS; r++) {
            looked += of[r];
            correct += right[r];
            assert_true(of[r] || !right[r]);
        }
        assert_int_equal(event_int(curve[i], "rows"), looked);
        assert_int_equal(looked, RUN_EVAL_ROWS); /* all, where there are fewer than two hundred */
        assert_int_equal(event_int(curve[i], "correct"), correct);
        assert_in_range(event_int(curve[i], "step"), 1, steps - 1); /* at both ends the final evaluations stand */
        if (i) assert_true(event_int(curve[i], "step") > event_int(curve[i - 1], "step"));
    }
}

/* The forgotten rows: those of the bitmaps, the largest drops first, each with its words before it. */
static void expect_lost(const Ran *ran, const char *method)
{
    bool before[RUN_EVAL_ROWS], after[RUN_EVAL_ROWS];
    rows_right(ran, method, 1, 1, before);
    rows_right(ran, method, 2, 1, after);
    const Disagreement sides = measure_disagreement(before, after, RUN_EVAL_ROWS);
    const json_t *final = event_of(ran, "eval", method, 2, 1), *lost = event_of(ran, "lost", method, 2, 1), *row;
    assert_int_equal(event_int(final, "lost"), sides.first);
    assert_int_equal(event_int(final, "gained"), sides.second);
    assert_int_equal(event_int(final, "changed"), sides.first + sides.second); /* of two classes */
    const json_t *rows = json_object_get(lost, "rows"), *event;
    assert_int_equal(json_array_size(rows), sides.first);
    double drop = 1;
    size_t i, e;
    json_array_foreach(rows, i, row)
    {
        const size_t r = (size_t)json_integer_value(json_array_get(row, 0)) - 1;
        const double p = json_real_value(json_array_get(row, 1)), q = json_real_value(json_array_get(row, 2));
        assert_true(r < RUN_EVAL_ROWS && before[r] && !after[r]);
        assert_true(p >= 0.5 && q <= 0.5 && p - q <= drop + 2e-9); /* they are written with nine digits */
        drop = p - q;
        int texts = 0;
        json_array_foreach(ran->events, e, event)
        {
            if (event == lost) break;
            if (!event_is(event, "event", "text") || event_int(event, "task") != 1 ||
                event_int(event, "row") != (int64_t)r + 1)
                continue;
            texts++;
            assert_int_not_equal(event_int(event, "label"), json_integer_value(json_array_get(row, 3)));
            assert_true(json_string_length(json_object_get(event, "text")) > 10 && !json_object_get(event, "pair"));
        }
        assert_int_equal(texts, 1);
    }
}

/* Rows won back are told as those that were lost, and two rows of each task, of different classes, before all. */
static void expect_won_and_examples(const Ran *ran, const char *method)
{
    bool before[RUN_EVAL_ROWS], after[RUN_EVAL_ROWS];
    rows_right(ran, method, 1, 1, before);
    rows_right(ran, method, 2, 1, after);
    const json_t *won = event_of(ran, "won", method, 2, 1), *row;
    const Disagreement sides = measure_disagreement(before, after, RUN_EVAL_ROWS);
    size_t i;
    assert_int_equal(json_array_size(json_object_get(won, "rows")), sides.second);
    json_array_foreach(json_object_get(won, "rows"), i, row)
    {
        const size_t r = (size_t)json_integer_value(json_array_get(row, 0)) - 1;
        assert_true(r < RUN_EVAL_ROWS && !before[r] && after[r]);
        assert_true(json_real_value(json_array_get(row, 1)) <= 0.5 && json_real_value(json_array_get(row, 2)) >= 0.5);
    }
    for (size_t k = 0; k < 4; k++) {
        const json_t *text = json_array_get(ran->events, k + 1);
        assert_true(event_is(text, "event", "text") && event_int(text, "task") == (int64_t)k / 2 + 1);
        if (k % 2)
            assert_int_not_equal(event_int(text, "label"), event_int(json_array_get(ran->events, k), "label"));
        else
            assert_int_equal(event_int(text, "row"), 1);
    }
}

/* Returns whether a part that was put back changed a row. */
static bool expect_diagnoses(const Ran *ran, const char *method, bool encoder)
{
    bool after[RUN_EVAL_ROWS];
    const json_t *drift = event_of(ran, "drift", method, 2, 1), *swap[512];
    const json_t *layers = json_object_get(drift, "layers"), *cka = json_object_get(drift, "cka");
    assert_int_equal(json_array_size(layers), 2);
    assert_int_equal(json_array_size(cka), 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(json_real_value(json_array_get(json_object_get(drift, "error"), i)) >= 0);
    for (size_t i = 0; i < 2; i++) {
        const double similarity = json_real_value(json_array_get(cka, i));
        assert_true(strcmp(json_string_value(json_array_get(layers, i)), i ? "layer 2" : "layer 1") == 0);
        assert_true(similarity > 0.01 && similarity < (encoder ? 1 - 1e-8 : 1 + 1e-6));
    }
    const size_t parts = events_of(ran, "swap", method, 2, 1, swap);
    assert_int_equal(parts, encoder ? 4 : 2);
    assert_true(event_is(swap[0], "block", encoder ? "embeddings" : "layer 1"));
    assert_true(event_is(swap[parts - 1], "block", encoder ? "pooler" : "layer 2"));
    rows_right(ran, method, 2, 1, after);
    bool any = false;
    for (size_t i = 0; i < parts; i++) {
        assert_int_equal(event_int(swap[i], "rows"), RUN_EVAL_ROWS);
        assert_int_equal(event_int(swap[i], "correct_without"), subset_right(after, RUN_EVAL_ROWS));
        bool with[RUN_EVAL_ROWS]; /* which rows */
        assert_true(rows_right_parse(str(json_string_value(json_object_get(swap[i], "right"))), RUN_EVAL_ROWS, with));
        assert_int_equal(event_int(swap[i], "correct"), subset_right(with, RUN_EVAL_ROWS));
        any = any || event_int(swap[i], "correct") != event_int(swap[i], "correct_without");
    }
    for (int64_t when = 1; when <= 2; when++) { /* right after the task, and at the end */
        const json_t *probe = event_of(ran, "probe", method, when, 1);
        assert_int_equal(event_int(probe, "rows"), RUN_EVAL_ROWS);
        assert_true(event_int(probe, "correct") > RUN_EVAL_ROWS / 3);
    }
    return any;
}

static void test_diagnoses_agree_with_evaluations(void **state)
{
    (void)state;
    run_files();
    Ran ran = run_tiny("full,lora,lora-seq,replay,joint,frozen,o-lora,wise-ft", "cpu", 2, 1e-2f, true);
    static const char *const forgetful[] = {"full", "lora-seq", "replay", "joint", "o-lora", "wise-ft"};
    const json_t *none[512];
    int returned = 0; /* methods */
    for (size_t i = 0; i < COUNT(forgetful); i++) {
        const char *method = forgetful[i];
        if (strcmp(method, "joint") != 0) expect_curve(&ran, method); /* that begins anew */
        expect_lost(&ran, method);
        expect_won_and_examples(&ran, method);
        if (strcmp(method, "joint") != 0)
            returned += expect_diagnoses(&ran, method, strcmp(method, "lora-seq") && strcmp(method, "o-lora"));
        for (int64_t when = 0; when <= 1;
             when++) /* before its training: on the pretrained encoder, and on what was learned */
            assert_int_equal(event_int(event_of(&ran, "probe", method, when, 2), "rows"), RUN_EVAL_ROWS);
    }
    assert_true(event_int(event_of(&ran, "eval", "full", 2, 1), "lost") > 0 &&
                returned > 0); /* else the test shows little */
    static const char *const faithful[] = {"lora", "frozen"}, *const kinds[] = {"curve", "drift", "swap"};
    for (size_t i = 0; i < COUNT(faithful); i++) {
        for (size_t k = 0; k < COUNT(kinds); k++)
            assert_int_equal(events_of(&ran, kinds[k], faithful[i], -1, 0, none), 0);
        assert_int_equal(json_array_size(json_object_get(event_of(&ran, "lost", faithful[i], 2, 1), "rows")), 0);
        assert_int_equal(event_int(event_of(&ran, "eval", faithful[i], 2, 1), "changed"), 0);
        assert_int_equal(events_of(&ran, "probe", faithful[i], -1, 1, none), 0);
        assert_int_equal(event_int(event_of(&ran, "probe", faithful[i], 1, 2), "correct"),
                         event_int(event_of(&ran, "probe", "full", 0, 2), "correct"));
    }
    ran_free(&ran);
}

/* Where nothing is learned nothing moves, putting a part back changes nothing, and probes say the same throughout. */
static void test_diagnoses_of_weights_that_stay(void **state)
{
    (void)state;
    run_files();
    Ran ran = run_tiny("full,frozen", "cpu", 1, 1e-12f, true);
    const json_t *drift = event_of(&ran, "drift", "full", 2, 1), *swap[512], *curve[512];
    for (size_t i = 0; i < 2; i++) expect_near(json_real_value(json_array_get(json_object_get(drift, "cka"), i)), 1);
    const size_t parts = events_of(&ran, "swap", "full", 2, 1, swap);
    assert_int_equal(parts, 4);
    for (size_t i = 0; i < parts; i++)
        assert_int_equal(event_int(swap[i], "correct"), event_int(swap[i], "correct_without"));
    const size_t points = events_of(&ran, "curve", "full", 2, 1, curve);
    for (size_t i = 0; i < points; i++)
        assert_int_equal(event_int(curve[i], "correct"), event_int(curve[0], "correct"));
    const json_t *end = event_of(&ran, "eval", "full", 2, 1);
    assert_int_equal(event_int(end, "changed"), 0);
    const char *first = json_string_value(json_object_get(event_of(&ran, "probe", "full", 1, 1), "right"));
    assert_true(event_is(event_of(&ran, "probe", "full", 2, 1), "right", first));
    first = json_string_value(json_object_get(event_of(&ran, "probe", "full", 0, 2), "right"));
    assert_true(event_is(event_of(&ran, "probe", "full", 1, 2), "right", first));
    ran_free(&ran);
}

/* Events of one kind without what differs from run to run. */
static char *events_text(const Ran *ran, bool training_only)
{
    json_t *kept = json_array(), *event;
    size_t i;
    json_array_foreach(ran->events, i, event)
    {
        static const char *const of_training[] = {"step", "eval"};
        bool training = false;
        for (size_t k = 0; k < COUNT(of_training); k++) training = training || event_is(event, "event", of_training[k]);
        if ((training_only && !training) || event_is(event, "event", "run") || event_is(event, "event", "done"))
            continue;
        json_t *copy = json_copy(event);
        static const char *const timed[] = {"seconds", "curve_seconds", "diagnostics_seconds", "snapshot_seconds"};
        for (size_t k = 0; k < COUNT(timed); k++) json_object_del(copy, timed[k]);
        json_array_append_new(kept, copy);
    }
    char *text = json_dumps(kept, JSON_COMPACT);
    json_decref(kept);
    return text;
}

static void expect_same_events(const Ran *a, const Ran *b, bool training_only)
{
    char *x = events_text(a, training_only), *y = events_text(b, training_only);
    assert_string_equal(x, y);
    free(x);
    free(y);
    assert_true(str_equal(a->predictions, b->predictions));
}

static void test_looking_on_changes_nothing(void **state)
{
    (void)state;
    run_files();
    const char *methods = "full,lora-seq,ewc+replay,wise-ft";
    Ran with = run_tiny(methods, "cpu", 1, 1e-2f, true), without = run_tiny(methods, "cpu", 1, 1e-2f, false);
    const json_t *none[512];
    expect_same_events(&with, &without, true);
    assert_int_equal(events_of(&without, "curve", NULL, -1, 0, none) + events_of(&without, "probe", NULL, -1, 0, none),
                     0);
    ran_free(&without);
    Ran more_threads = run_tiny(methods, "cpu", 2, 1e-2f, true);
    expect_same_events(&with, &more_threads, false);
    ran_free(&more_threads);
    ran_free(&with);
}

/* results.jsonl records of each row what predictions.tsv does: label, answer, and how sure it is. */
static void test_predictions_are_recorded(void **state)
{
    (void)state;
    run_files();
    Ran ran = run_tiny("full", "cpu", 1, 1e-2f, false);
    Arena arena = {0};
    Results r;
    Err err = {0};
    const char *folder = TINY "out", *at = strchr(ran.predictions.at, '\n') + 1;
    if (!report_load(&arena, &folder, 1, &r, &err)) fail_msg("%s", err.text);
    uint32_t lines = 0;
    for (; at < ran.predictions.at + ran.predictions.size; at = strchr(at, '\n') + 1, lines++) {
        unsigned after, task, row, label, said;
        float logits[2];
        double p[2];
        assert_int_equal(sscanf(at, "full\t5\t%u\t%u\t%u\t%u\t%u\t%f %f", &after, &task, &row, &label, &said,
                                &logits[0], &logits[1]),
                         7);
        const Evaluation *cell = &r.runs.at[0].matrix[(after - 1) * 2 + task - 1];
        assert_int_equal(r.tasks[task - 1].labels[row - 1], label);
        assert_int_equal(cell->prediction[row - 1], said);
        softmax(logits, 2, p);
        assert_true(fabs((double)cell->confidence[row - 1] - p[said]) < 0.51 / CONFIDENCE_STEPS);
    }
    assert_int_equal(lines, 3 * RUN_EVAL_ROWS);
    assert_true(r.setup.beta1 == 0.9 && r.setup.epsilon == 1e-8 && r.setup.warmup_steps == 0);
    assert_string_equal(r.setup.optimizer, "AdamW");
    arena_free(&arena);
    ran_free(&ran);
}

static void test_curve_steps(void **state)
{
    (void)state;
    static const struct {
        uint32_t steps, points, count, at[10];
    } cases[] = {
        {20, 5, 5, {1, 2, 4, 8, 16}},
        {3, 10, 2, {1, 2}},
        {48, 6, 6, {1, 2, 4, 8, 16, 32}},
        {64, 7, 7, {1, 2, 4, 8, 16, 32, 48}},
        {64, 3, 3, {8, 16, 32}}, /* too few for so dense a beginning */
        {64, 1, 1, {32}},
        {2, 3, 1, {1}},
        {1, 3, 0, {0}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t at[10] = {0};
        assert_int_equal(curve_choose(cases[i].steps, cases[i].points, at), cases[i].count);
        assert_memory_equal(at, cases[i].at, cases[i].count * sizeof *at);
    }
}

/* 5% of three passes over 600 rows of 20 tokens in each of 5 epochs are 9,000 tokens: of an old task's rows of 3 tokens
 * 200 at each of 15 looks; with shorter rows more of them at more looks; with few steps as few as there must be. Steps
 * of two passes leave less: fewer looks at the same rows. */
static void test_curve_costs_what_it_may(void **state)
{
    (void)state;
    uint64_t train_starts[601], eval_starts[401];
    for (uint64_t i = 0; i < 601; i++) train_starts[i] = 20 * i;
    for (uint64_t i = 0; i < 401; i++) eval_starts[i] = 3 * i;
    TaskState tasks[2] = {{.data.eval = {.rows = 400, .starts = eval_starts}},
                          {.data.train = {.rows = 600, .starts = train_starts}}};
    Hyper hyper = {.epochs = 5, .batch_size = 20};
    CurvePlan plan = curve_plan(tasks, 1, &hyper, 3);
    assert_int_equal(plan.rows, 200);
    assert_int_equal(plan.looks, 15);
    plan = curve_plan(tasks, 1, &hyper, 2);
    assert_int_equal(plan.rows, 200);
    assert_int_equal(plan.looks, 10);
    for (uint64_t i = 0; i < 601; i++) train_starts[i] = 120 * i;
    plan = curve_plan(tasks, 1, &hyper, 3);
    assert_int_equal(plan.looks, CURVE_MOST_POINTS);
    assert_int_equal(plan.rows, 250); /* 36000 / (48 * 3) */
    assert_int_equal(curve_plan(tasks, 1, &hyper, 2).rows, 250);
    tasks[0].data.eval.rows = 30;
    plan = curve_plan(tasks, 1, &hyper, 3);
    assert_int_equal(plan.rows, 30);
    hyper.max_steps = 1;
    tasks[0].data.eval.rows = 400;
    assert_int_equal(curve_plan(tasks, 1, &hyper, 3).looks, CURVE_LEAST_POINTS);
}

static void test_texts_are_cut_between_characters(void **state)
{
    (void)state;
    assert_int_equal(utf8_cut(S("abc"), 3).size, 3);
    assert_int_equal(utf8_cut(S("abcd"), 3).size, 3);
    assert_int_equal(utf8_cut(S("ab\xc3\xa9"), 3).size, 2);
    assert_int_equal(utf8_cut(S("a\xe2\x82\xac"), 3).size, 1);
    assert_int_equal(utf8_cut(S("\xe2\x82\xac!"), 3).size, 3);
    assert_int_equal(utf8_cut(S("\xf0\x9f\x99\x82"), 3).size, 0);
    assert_null(utf8_cut((Str){0}, 3).at);
}

static const struct CMUnitTest experiment_tests[] = {
    cmocka_unit_test(test_curve_steps),
    cmocka_unit_test(test_curve_costs_what_it_may),
    cmocka_unit_test(test_texts_are_cut_between_characters),
    cmocka_unit_test(test_diagnoses_agree_with_evaluations),
    cmocka_unit_test(test_diagnoses_of_weights_that_stay),
    cmocka_unit_test(test_looking_on_changes_nothing),
    cmocka_unit_test(test_predictions_are_recorded),
};
