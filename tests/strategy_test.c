/* strategies: what they must leave as it is, to the bit; their gradients by finite differences; and what they compute
 * against short, independent references in double precision. Uses model_test.c's tiny models and, for whole runs, the
 * golden model with three made-up tasks. */

/* ---- whole runs in memory ---- */

enum { CHAIN_TASKS = 3, CHAIN_ROWS = 24 };

typedef struct Chain {
    Arena arena;
    Plan plan;
    Experiment x;
} Chain;

/* Rows of few words whose label is easy to see; from, classes: which. */
static Str chain_table(Arena *arena, uint32_t task, uint32_t classes)
{
    char *text = "sentence\tlabel\n";
    for (uint32_t r = 0; r < CHAIN_ROWS; r++) {
        const uint32_t label = (r * 7 + task) % classes;
        text = arena_printf(arena, "%sw%u w%u w%u%s\t%u\n", text, 10 * task + label, 40 + r % 11, 60 + (r * r) % 13,
                            r % 3 ? "" : " w90 w91", label);
    }
    return str(text);
}

/* The golden model with a vocabulary, and dropout of so many tenths. */
static void chain_model(int tenths)
{
    Arena arena = {0};
    Err err = {0};
    Str config, weights;
    mkdir(tmp_path("chain"), 0777);
    assert_true(file_read(&arena, "tests/golden/tiny-bert/config.json", 1 << 20, &config, &err));
    assert_true(file_read(&arena, "tests/golden/tiny-bert/model.safetensors", 1 << 24, &weights, &err));
    char *text = arena_copy(&arena, config.at, config.size);
    for (char *p = text; (p = strstr(p, "dropout")) && (p = strstr(p, ": 0.0"));) p[4] = (char)('0' + tenths);
    tmp_write("chain/config.json", str(text));
    tmp_write("chain/model.safetensors", weights);
    char *vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    for (int i = 0; i < 100; i++) vocab = arena_printf(&arena, "%sw%d\n", vocab, i);
    tmp_write("chain/vocab.txt", str(vocab));
    arena_free(&arena);
}

static int chains_open;
static KeepEpoch chain_keep_epoch; /* of the chains that are opened; and their evaluation rows, unless they are the */
static const char *chain_eval;     /* training rows, too */

/* The plan's methods, and the run opened. */
static void chain_begin(Chain *c, const char *methods)
{
    Err err = {0};
    for (Str rest = str(methods), item; list_next(&rest, &item);) {
        Method *method = arena_new(&c->arena, Method, 1);
        if (!method_parse(&c->arena, item, method, &err)) fail_msg("%s", err.text);
        c->plan.methods[c->plan.method_count++] = method;
    }
    bool done, fresh;
    c->x = (Experiment){.plan = &c->plan, .journal.log = LOG_CLOSED};
    json_t *config = json_object(), *run = json_object();
    if (!experiment_open(&c->x, &err) || !journal_open(&c->x.journal, &c->plan, config, run, &done, &fresh, &err))
        fail_msg("%s", err.text);
    json_decref(config);
    json_decref(run);
}

static void chain_open(Chain *c, const char *methods, int tasks)
{
    static const uint32_t classes[CHAIN_TASKS] = {2, 3, 2};
    *c = (Chain){0};
    chain_model(1);
    c->plan = (Plan){.device = "cpu",
                     .preset = "default",
                     .quiet = true,
                     .threads = 2,
                     .max_length = 32,
                     .seeds = {7},
                     .seed_count = 1,
                     .lora_r = 4,
                     .lora_alpha = 8,
                     .lora_drop = 0.1f,
                     .family = &family_bert,
                     .lora_targets = 7,
                     .lora_learning_rate = 1e-2f};
    c->plan.hyper =
        (Hyper){.epochs = 2, .batch_size = 10, .eval_batch_size = 8, .learning_rate = 2e-3f, .weight_decay = 0.1f};
    c->plan.model = (ModelSource){.folder = tmp_path("chain"), .name = "tiny"};
    c->plan.out = arena_printf(&c->arena, "%s%d", tmp_path("chain-out"), chains_open++); /* each is locked */
    for (uint32_t i = 0; i < (uint32_t)tasks; i++) {
        const Str rows = chain_table(&c->arena, i, classes[i]);
        c->plan.tasks[i] = (TaskSource){.name = arena_printf(&c->arena, "task%u", i),
                                        .train = "t.tsv",
                                        .eval = "e.tsv",
                                        .train_bytes = rows,
                                        .eval_bytes = chain_eval ? str(chain_eval) : rows};
    }
    c->plan.task_count = tasks;
    c->plan.keep_epoch = chain_keep_epoch;
    c->plan.force = true;
    strategy_defaults(&c->plan.values);
    chain_begin(c, methods);
}

static void chain_close(Chain *c)
{
    experiment_close(&c->x);
    arena_free(&c->arena);
    chains_open--;
}

static void set_option(StrategyValues *values, const char *option, double value)
{
    for (int s = 0; s < strategy_count; s++)
        for (int k = 0; k < strategies[s]->option_count; k++)
            if (strcmp(strategies[s]->options[k].name, option) == 0) {
                values->at[s][k] = value;
                return;
            }
    fail_msg("no option %s", option);
}

/* What a method left: encoder, adapter, all heads. */
typedef struct Left {
    size_t count;
    float *w;
} Left;

static void left_add(Chain *c, Left *left, f32p w, size_t floats)
{
    float *all = arena_new(&c->arena, float, left->count + floats);
    if (left->count) memcpy(all, left->w, left->count * sizeof *all);
    memcpy(all + left->count, w, floats * sizeof *all);
    *left = (Left){left->count + floats, all};
}

static Left chain_run(Chain *c, int method)
{
    Err err = {0};
    Left left = {0};
    Experiment *x = &c->x;
    if (!run_method(x, c->plan.methods[method], c->plan.seeds[0], &err)) fail_msg("%s", err.text);
    left_add(c, &left, x->encoder, x->model.encoder.floats);
    if (c->plan.methods[method]->trains == TRAINS_ADAPTER) left_add(c, &left, x->shared_adapter, x->lora.layout.floats);
    for (int i = 0; i < c->plan.task_count; i++) left_add(c, &left, x->tasks[i].head_w, x->tasks[i].head.layout.floats);
    return left;
}

static bool left_same(const Left *a, const Left *b)
{
    return a->count == b->count && memcmp(a->w, b->w, a->count * sizeof *a->w) == 0;
}

/* A strategy of no strength is plain training, through all of its code. With its own strength
 * it is not. The methods of one run share the first task's training; `full` alone, in a run of its own, does not. */
static void test_no_strength_is_plain_training(void **state)
{
    (void)state;
    static const char all[] = "ewc,replay,lwf,l2sp,si,mas,der++,agem,wise-ft,ewc+replay,si+lwf,der+++agem+mas";
    static const struct {
        const char *option;
        double value;
    } none[] = {{"ewc-lambda", 0},    {"replay-fraction", 0}, {"lwf-alpha", 0}, {"l2sp-alpha", 0},
                {"si-c", 0},          {"mas-lambda", 0},      {"der-alpha", 0}, {"der-beta", 0},
                {"agem-fraction", 0}, {"wise-ft-alpha", 1}};
    Chain plain, weak, strong;
    chain_open(&plain, "full", CHAIN_TASKS);
    const Left full = chain_run(&plain, 0);
    chain_open(&weak, all, CHAIN_TASKS);
    chain_open(&strong, all, CHAIN_TASKS);
    for (size_t i = 0; i < COUNT(none); i++) set_option(&weak.plan.values, none[i].option, none[i].value);
    for (int m = 0; m < weak.plan.method_count; m++) {
        const Left none_left = chain_run(&weak, m), left = chain_run(&strong, m);
        if (!left_same(&full, &none_left))
            fail_msg("%s without strength differs from full", weak.plan.methods[m]->name);
        if (left_same(&full, &left)) fail_msg("%s changes nothing", weak.plan.methods[m]->name);
    }
    chain_close(&plain);
    chain_close(&weak);
    chain_close(&strong);
}

static void test_no_strength_is_plain_training_of_an_adapter(void **state)
{
    (void)state;
    Chain plain, weak;
    chain_open(&plain, "lora-seq", CHAIN_TASKS);
    const Left seq = chain_run(&plain, 0);
    chain_open(&weak, "lora-seq+replay,lora-seq+ewc,lora-seq+si,wise-ft+lora-seq,lora-seq+l2sp", CHAIN_TASKS);
    set_option(&weak.plan.values, "replay-fraction", 0);
    set_option(&weak.plan.values, "ewc-lambda", 0);
    set_option(&weak.plan.values, "si-c", 0);
    set_option(&weak.plan.values, "l2sp-alpha", 0);
    set_option(&weak.plan.values, "wise-ft-alpha", 1);
    for (int m = 0; m < weak.plan.method_count; m++) {
        const Left left = chain_run(&weak, m);
        if (!left_same(&seq, &left)) fail_msg("%s without strength differs from lora-seq", weak.plan.methods[m]->name);
    }
    chain_close(&plain);
    chain_close(&weak);
}

/* Trained by itself, not shared, the first task is plain training for every method. */
static void test_first_task_is_plain_training(void **state)
{
    (void)state;
    for (int s = 0; s < strategy_count; s++) {
        const Strategy *strategy = strategies[s];
        if (strategy->trains == TRAINS_HEAD || strategy->trains == TRAINS_ADAPTER_EACH) continue;
        Chain plain, other;
        chain_open(&plain, strategy->trains == TRAINS_ENCODER ? "full" : "lora-seq", 1);
        chain_open(&other, strategy->name, 1);
        const Left a = chain_run(&plain, 0), b = chain_run(&other, 0);
        if (!left_same(&a, &b)) fail_msg("%s trains the first task unlike plain training", strategy->name);
        chain_close(&plain);
        chain_close(&other);
    }
}

/* The correct rows that an event of a kind tells for a task after a training (from 1); -1: there is none. */
static long chain_correct(const json_t *events, const char *kind, const char *method, int after, int task, double alpha)
{
    size_t i;
    const json_t *event;
    json_array_foreach(events, i, event)
    {
        const bool right_kind = strcmp(json_string_value(json_object_get(event, "event")), kind) == 0 &&
                                (strcmp(kind, "interpolation") == 0 || json_is_true(json_object_get(event, "final")));
        if (right_kind && strcmp(json_string_value(json_object_get(event, "method")), method) == 0 &&
            json_integer_value(json_object_get(event, "after_task")) == after &&
            json_integer_value(json_object_get(event, "task")) == task &&
            json_number_value(json_object_get(event, "alpha")) == alpha)
            return (long)json_integer_value(json_object_get(event, "correct"));
    }
    return -1;
}

/* A interpolation begins at the weights before the training, passes those that are chosen, and ends at plain
 * training's. */
static void expect_sweep(const json_t *events)
{
    for (int after = 2; after <= CHAIN_TASKS; after++)
        for (int task = 1; task <= after; task++) {
            const long first = chain_correct(events, "interpolation", "wise-ft", after, task, 0),
                       before = chain_correct(events, "eval", "wise-ft", after - 1, task, 0);
            assert_true(first >= 0 && (task == after || first == before));
            assert_int_equal(chain_correct(events, "interpolation", "wise-ft", after, task, 0.5),
                             chain_correct(events, "eval", "wise-ft", after, task, 0));
            if (after == 2)
                assert_int_equal(chain_correct(events, "interpolation", "wise-ft", after, task, 1),
                                 chain_correct(events, "eval", "full", after, task, 0));
        }
}

/* Every method runs through a chain of three tasks; what methods share is trained once and recorded for each. */
static void test_every_method_in_a_chain(void **state)
{
    (void)state;
    Chain c;
    Arena arena = {0};
    Err err = {0};
    chain_open(&c, arena_printf(&arena, "%s,ewc+replay,lora-seq+replay", method_all(&arena)), CHAIN_TASKS);
    for (int m = 0; m < c.plan.method_count; m++) {
        const Left left = chain_run(&c, m);
        for (size_t i = 0; i < left.count; i++) assert_true(isfinite(left.w[i]));
    }
    for (int i = 0; i < SHARED_MAX_TASKS; i++) assert_null(c.x.shared[i].method); /* nobody wants them any more */
    Str text;
    uint32_t finals = 0, interpolations = 0, penalties = 0, first_steps = 0, distinct = 0;
    json_t *events = json_array();
    double seconds[64];
    assert_true(file_read(&arena, tmp_path("chain-out0/results.jsonl"), 1 << 26, &text, &err));
    for (const char *line = text.at; *line; line = strchr(line, '\n') + 1) {
        json_t *event = json_loadb(line, (size_t)(strchr(line, '\n') - line), 0, NULL);
        const char *name = json_string_value(json_object_get(event, "event"));
        finals += json_is_true(json_object_get(event, "final"));
        interpolations += strcmp(name, "interpolation") == 0;
        penalties += json_object_get(event, "penalty") != NULL;
        if (strcmp(name, "step") == 0 && json_integer_value(json_object_get(event, "task")) == 1 &&
            json_integer_value(json_object_get(event, "step")) ==
                1) { /* recorded again: the same seconds of the first time */
            const double s = json_real_value(json_object_get(event, "seconds"));
            bool known = false;
            for (uint32_t i = 0; i < distinct; i++) known = known || seconds[i] == s;
            if (!known) seconds[distinct++] = s;
            first_steps++;
        }
        json_array_append_new(events, event);
    }
    expect_sweep(events);
    json_decref(events);
    const uint32_t methods = (uint32_t)c.plan.method_count;
    assert_int_equal(finals, methods * 6); /* 1 + 2 + 3 */
    assert_int_equal(interpolations, 11 * 2 + 11 * 3);
    assert_int_equal(first_steps, methods);
    assert_true(distinct == 3);              /* whole encoder, adapter, frozen encoder */
    assert_int_equal(penalties, 10 * 2 * 6); /* ten methods have one, in six steps of two tasks */
    chain_close(&c);
    arena_free(&arena);
}

/* ---- one strategy in the third task of a tiny model ---- */

enum { LAB_TASK = 2, LAB_COUNT = 3, LAB_STEP = 5 };

typedef struct Lab {
    TinyModel t;
    const Strategy *strategy;
    StrategyValues values;
    EarlierTask earlier[LAB_TASK];
    Split split[LAB_TASK];
    Arena arena;
    DeviceArena memory;
    Shelf shelf;
    void *own;
    TrainHook hook;
    Training training;
    Run run;
} Lab;

static uint32_t lab_labels[LAB_TASK][4] = {{1, 0, 1, 0}, {2, 2, 0, 1}}, lab_rows[LAB_COUNT] = {3, 1, 2};

static void lab_move(Lab *l, uint64_t stream)
{
    const Layout *layout = l->training.lora ? &l->t.lora.layout : &l->t.model.encoder;
    f32p w = l->training.lora ? l->t.weights.adapter : l->t.weights.encoder;
    for (size_t i = 0; i < layout->floats; i++) w[i] += 0.1f * random_normal(3, stream, i);
}

/* A moment of an earlier task. */
static Moment lab_moment(Lab *l, Training *t, uint32_t task)
{
    *t = l->training;
    t->task = task;
    t->head = l->earlier[task].head;
    t->weights.head = l->earlier[task].head_w;
    t->train = t->eval = &l->split[task];
    return (Moment){.device = &l->t.device,
                    .training = t,
                    .layout = t->lora ? &l->t.lora.layout : &l->t.model.encoder,
                    .w = t->lora ? t->weights.adapter : t->weights.encoder,
                    .more = true,
                    .shelf = &l->shelf};
}

/* Two tasks have passed, and the third is in the middle of a step. */
static void lab_open_family(Lab *l, const char *name, const Family *family, float drop)
{
    Err err = {0};
    Training before;
    *l = (Lab){.strategy = strategy_find(str(name))};
    strategy_defaults(&l->values);
    tiny_open(&l->t, "plain", family, l->strategy->trains == TRAINS_ADAPTER, drop);
    l->memory.device = l->shelf.memory.device = &l->t.device;
    for (uint32_t i = 0; i < LAB_TASK; i++) {
        Head *head = arena_new(&l->arena, Head, 1);
        head_layout(&l->arena, &l->t.model.config, 2 + i, head);
        f32p w = device_f32(&l->memory, head->layout.floats);
        tiny_fill(w, head->layout.floats, 20 + i);
        l->split[i] = l->t.split;
        l->split[i].labels = lab_labels[i];
        l->earlier[i] = (EarlierTask){head, w, &l->split[i], &l->split[i]};
    }
    l->training = tiny_training(&l->t);
    l->training.task = LAB_TASK;
    l->training.earlier = l->earlier;
    l->own = arena_alloc(&l->arena, 1, l->strategy->own_bytes);
    for (int s = 0; s < strategy_count; s++) /* buffers with more than one row of each task */
        for (int k = 0; k < strategies[s]->option_count; k++)
            if (strstr(strategies[s]->options[k].name, "-fraction")) l->values.at[s][k] = 0.5;
    *(Own *)l->own = (Own){l->strategy->option_count ? strategy_value(&l->values, &l->strategy->options[0]) : NULL,
                           &l->arena, &l->memory};
    Moment at = lab_moment(l, &before, 0);
    if (l->strategy->start) assert_true(l->strategy->start(l->own, &at, &err));
    for (uint32_t i = 0; i < LAB_TASK; i++) {
        lab_move(l, i);
        at = lab_moment(l, &before, i);
        if (l->strategy == &strategy_si) { /* what watching would have seen */
            Si *si = l->own;
            si->path = i ? si->path : device_f32(&l->memory, at.layout->floats);
            tiny_fill(si->path, at.layout->floats, 30 + i);
            if (i == 0) assert_true(si_watched(si, &at, &err));
        }
        if (l->strategy->end) assert_true(l->strategy->end(l->own, &at, &err));
        shelf_clear(&l->shelf);
    }
    l->hook = (TrainHook){&l->strategy->hooks, l->own};
    l->training.hooks = &l->hook;
    l->training.hook_count = 1;
    l->run.memory.device = &l->t.device;
    l->run.state = (TrainState){
        .device = &l->t.device, .training = &l->training, .arena = &l->run.arena, .memory = &l->run.memory};
    assert_true(run_open(&l->run, &err));
    lab_move(l, 9);
    l->run.state.step = LAB_STEP;
    l->run.state.rows = lab_rows;
    l->run.state.count = LAB_COUNT;
}

static void lab_open(Lab *l, const char *name, float drop) { lab_open_family(l, name, &family_roberta, drop); }

static void lab_close(Lab *l)
{
    device_arena_free(&l->run.memory);
    arena_free(&l->run.arena);
    device_arena_free(&l->memory);
    arena_free(&l->arena);
    tiny_close(&l->t);
}

/* The penalty, as a step tells it; its gradient is left in the run. */
static double lab_penalty(Lab *l)
{
    Run *run = &l->run;
    double sum = 0;
    run->touched.count = run->term_used = 0;
    run->term.count = 0;
    for (int i = 0; i < run->params_count; i++)
        memset(run->params[i].g, 0, run->params[i].layout->floats * sizeof(float));
    run_pass(run, &run->parts[LAB_TASK], 0, 0); /* nothing but what `answer` says */
    if (l->strategy->hooks.add) l->strategy->hooks.add(l->own, &run->state);
    for (size_t k = 0; k < run->term.count; k++)
        for (uint32_t i = 0; i < run->term.at[k].count; i++)
            sum += run->term.at[k].scale * (double)run->terms[run->term.at[k].at + i];
    return sum;
}

/* |difference quotients - gradient| / |gradient| over every few of an array's weights. */
static double lab_error(Lab *l, const Params *p, const float *gradient)
{
    double wrong = 0, all = 0;
    for (size_t i = 0; i < p->layout->floats; i += 1 + p->layout->floats / 150) {
        const float old = p->w[i], h = 4e-3f;
        p->w[i] = old + h;
        const double up = lab_penalty(l), w_up = (double)p->w[i];
        p->w[i] = old - h;
        const double down = lab_penalty(l), slope = (up - down) / (w_up - (double)p->w[i]);
        p->w[i] = old;
        wrong += (slope - (double)gradient[i]) * (slope - (double)gradient[i]);
        all += slope * slope;
    }
    return all > 0 ? sqrt(wrong / all) : INFINITY;
}

static void test_penalty_gradients_by_finite_differences(void **state)
{
    (void)state;
    /* lwf with both families: BERT's heads share the pooler */
    static const char *const names[] = {"ewc", "si", "mas", "l2sp", "lwf", "replay", "der++", "o-lora", "lwf"};
    for (size_t n = 0; n < COUNT(names); n++) {
        Lab l;
        lab_open_family(&l, names[n], n + 1 < COUNT(names) ? &family_roberta : &family_bert, 0.2f);
        assert_true(lab_penalty(&l) != 0);
        float *gradient[4] = {0};
        for (int i = 0; i < l.run.params_count; i++) {
            const size_t floats = l.run.params[i].layout->floats;
            gradient[i] = arena_new(&l.arena, float, floats);
            memcpy(gradient[i], l.run.params[i].g, floats * sizeof(float));
        }
        /* the shared weights, and the heads that the loss goes through; not the new task's head */
        for (int i = 0; i < l.run.params_count; i++) {
            const Params *p = &l.run.params[i];
            if (p == l.run.parts[LAB_TASK].params) continue;
            const double error = lab_error(&l, p, gradient[i]);
            if (!(error < 3e-3)) fail_msg("%s: array %d is off by %g", names[n], i, error);
        }
        lab_close(&l);
    }
}

#include "strategy_values.c"

/* ---- the buffer ---- */

static void test_reservoir(void **state)
{
    (void)state;
    enum { ROWS = 40, SHARE = 8, SEEDS = 4000 };
    uint32_t chosen[ROWS] = {0}, drawn[SHARE] = {0};
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        Arena arena = {0};
        Buffer buffer = {0};
        buffer_sample(&arena, &buffer, seed, 0, ROWS, 0.2);
        assert_int_equal(buffer.count, SHARE);
        uint32_t place[SHARE]; /* Algorithm R again, the other way round: who is thrown out by whom */
        for (uint32_t r = 0; r < SHARE; r++) place[r] = r;
        for (uint32_t r = SHARE; r < ROWS; r++) {
            const double u = (double)random_uniform(seed, 0x72657376, r) * (r + 1);
            if (u < SHARE) place[(int)u] = r;
        }
        for (uint32_t i = 0; i < SHARE; i++) {
            assert_int_equal(buffer.row[i].row, place[i]);
            chosen[place[i]]++;
        }
        const Draw d = buffer_draw(&arena, &buffer, seed, 1, 2, 3);
        assert_int_equal(d.count, 3);
        for (uint32_t i = 0; i < 3; i++) {
            assert_true(i == 0 || d.index[i] > d.index[i - 1]); /* none twice */
            assert_int_equal(d.row[i], buffer.row[d.index[i]].row);
            drawn[d.index[i]]++;
        }
        arena_free(&arena);
    }
    for (int r = 0; r < ROWS; r++) assert_true(fabs(chosen[r] - 0.2 * SEEDS) < 5 * sqrt(0.2 * 0.8 * SEEDS));
    for (int i = 0; i < SHARE; i++) assert_true(fabs(drawn[i] - 0.375 * SEEDS) < 5 * sqrt(0.375 * 0.625 * SEEDS));
    /* several tasks: a share of each, in the order of tasks; groups of a draw */
    Arena arena = {0};
    Buffer buffer = {0};
    for (uint32_t task = 0; task < 3; task++) buffer_sample(&arena, &buffer, 1, task, 10 * (task + 1), 0.1);
    assert_int_equal(buffer.count, 6);
    const Draw d = buffer_draw(&arena, &buffer, 1, 1, 1, 100);
    uint32_t task, at = 0;
    for (uint32_t i = 0; i < 3; i++) {
        const uint32_t count = draw_group(&d, &buffer, at, &task);
        assert_int_equal(count, i + 1);
        assert_int_equal(task, i);
        at += count;
    }
    assert_int_equal(at, d.count);
    assert_int_equal(buffer_share(1000, 0.05), 50);
    assert_int_equal(buffer_share(3, 0.05), 1);
    assert_int_equal(buffer_share(1000, 0), 0);
    arena_free(&arena);
}

/* ---- methods ---- */

static void test_methods_are_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *name, *error;
    } bad[] = {
        {"foo", "unknown method 'foo'"},
        {"ewc+", "unknown method ''"},
        {"", "unknown method ''"},
        {"ewc+replay+ewc", "ewc is named twice"},
        {"lora+ewc", "lora goes with no other method"},
        {"full+ewc", "full goes with no other method"},
        {"replay+joint", "joint goes with no other method"},
        {"frozen+replay", "frozen goes with no other method"},
        {"lora-seq+o-lora", "lora-seq and o-lora each say which weights are trained"},
        {"si+o-lora", "o-lora starts a fresh adapter for each task, so there is nothing for si to hold on to"},
        {"ewc+si+mas+l2sp+lwf", "at most 4"},
    };
    Arena arena = {0};
    Method m;
    for (size_t i = 0; i < COUNT(bad); i++) {
        Err err = {0};
        assert_false(method_parse(&arena, str(bad[i].name), &m, &err));
        if (err.code != EXIT_USAGE || !strstr(err.text, bad[i].error)) fail_msg("%s: %s", bad[i].name, err.text);
    }
    Err err = {0};
    assert_true(method_parse(&arena, S("der+++ewc"), &m, &err));
    assert_ptr_equal(m.component[0], &strategy_ewc);
    assert_ptr_equal(m.component[1], &strategy_derpp);
    assert_string_equal(m.name, "der+++ewc");
    assert_true(method_parse(&arena, S("ewc+der++"), &m, &err) && m.component[1] == &strategy_derpp);
    assert_true(method_parse(&arena, S("replay+lora-seq"), &m, &err) && m.trains == TRAINS_ADAPTER);
    assert_string_equal(m.kind, "method");
    assert_true(method_parse(&arena, S("wise-ft+ewc"), &m, &err));
    assert_string_equal(m.kind, "after");
    arena_free(&arena);
}

static const struct CMUnitTest strategy_tests[] = {
    cmocka_unit_test(test_no_strength_is_plain_training),
    cmocka_unit_test(test_no_strength_is_plain_training_of_an_adapter),
    cmocka_unit_test(test_first_task_is_plain_training),
    cmocka_unit_test(test_every_method_in_a_chain),
    cmocka_unit_test(test_penalty_gradients_by_finite_differences),
    cmocka_unit_test(test_quadratic_penalties),
    cmocka_unit_test(test_importances_of_two_tasks),
    cmocka_unit_test(test_replay_and_derpp_against_a_reference),
    cmocka_unit_test(test_distillation_against_a_reference),
    cmocka_unit_test(test_agem_against_a_reference),
    cmocka_unit_test(test_o_lora_merges),
    cmocka_unit_test(test_words_of_further_passes),
    cmocka_unit_test(test_si_against_a_reference),
    cmocka_unit_test(test_reservoir),
    cmocka_unit_test(test_methods_are_parsed),
};
