/* bits: the same numbers from every compiler, at every level of optimisation and on every system, for each instruction
 * set that the machine has; processors with AVX2 compute those of AVX-512 too, in halves. tests/bits.h holds what they
 * are. A change of an op's arithmetic changes them: each message of a failed test names a number to put there. */

#include "bits.h"

static int bits_wrong;

static uint64_t bits_hash(uint64_t hash, const void *from, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        uint32_t word;
        memcpy(&word, (const char *)from + 4 * i, 4);
        hash = (hash ^ word) * 0x100000001b3u;
    }
    return hash;
}

static void bits_expect(const char *what, const char *engine, uint64_t got, uint64_t recorded)
{
    if (got == recorded) return;
    print_error("%s of %s: 0x%016llx, but bits.h has 0x%016llx\n", what, engine, (unsigned long long)got,
                (unsigned long long)recorded);
    bits_wrong++;
}

/* The column of bits.h for an engine; -1: none. */
static int bits_column(const CpuEngine *engine)
{
    for (int c = 0; c < BITS_ENGINES; c++)
        if (engine->usable && strcmp(engine->word ? engine->word : "avx512", bits_engines[c]) == 0) return c;
    return -1;
}

static void test_bits_ops(void **state)
{
    (void)state;
    CpuEngine engines[CPU_ENGINES];
    cpu_engines(engines);
    threads_start(2);
    bits_wrong = 0;
    for (int e = 0; e < CPU_ENGINES; e++) {
        const int column = bits_column(&engines[e]);
        if (column < 0) continue;
        void (*table[OP_COUNT])(const void *);
        cpu_table(&engines[e], table);
        for (int op = 0; op < OP_COUNT; op++) {
            DeviceCase c;
            uint64_t hash = 1;
            for (int i = 0; case_make(&c, tested_cases[op], i); i++) {
                table[op](&c.args);
                for (int b = 0; b < c.count; b++) hash = bits_hash(hash, c.buffers[b].at, c.buffers[b].count);
                arena_free(&c.arena);
            }
            assert_string_equal(bits_ops[op].name, op_names[op]);
            bits_expect(op_names[op], engines[e].name, hash, bits_ops[op].of[column]);
        }
    }
    threads_stop();
    assert_int_equal(bits_wrong, 0);
}

/* ---- The functions of base ---- */

static double bits_cos(double turn) { return math_cos_turn((uint32_t)(int64_t)turn); }
static double bits_log_factorial(double n) { return math_log_factorial(floor(n)); }
static double bits_power(double n) { return math_power((double)0.999f, (uint32_t)n); }
static double bits_one_minus(double a) { return (double)math_one_minus((float)a, (float)(3 * a)); }

static const struct {
    const char *name;
    double (*of)(double x), (*libm)(double x);
    double low, high, ulps; /* ulps: how far libm may be from it */
} bits_ranges[] = {
    {"exp", math_exp, exp, -1, 1, 2},        {"exp", math_exp, exp, -700, 700, 2},
    {"log", math_log, log, 0.5, 2, 2},       {"log", math_log, log, 1e-30, 1000, 2},
    {"erf", math_erf, erf, -1, 1, 3},        {"erf", math_erf, erf, -6.5, 6.5, 3},
    {"tanh", math_tanh, tanh, -0.5, 0.5, 4}, {"tanh", math_tanh, tanh, -21, 21, 4},
    {"atan", math_atan, atan, -1, 1, 6},     {"atan", math_atan, atan, -1000, 1000, 6},
    {"cos", bits_cos, NULL, 0, 0x1p32, 0},   {"log_factorial", bits_log_factorial, NULL, 0, 1e5, 0},
    {"power", bits_power, NULL, 0, 1e5, 0},  {"one_minus", bits_one_minus, NULL, -0.1, 0.1, 0},
};

/* Points in [low, high), spread evenly but for their last digits. */
static double bits_point(double low, double high, int i, int count)
{
    const uint32_t digits = (uint32_t)i * 2654435769u;
    return low + (high - low) * ((double)i + (double)digits * 0x1p-32) / count;
}

static void test_bits_functions(void **state)
{
    (void)state;
    enum { POINTS = 500000 };
    bits_wrong = 0;
    for (size_t k = 0; k < COUNT(bits_ranges); k++) {
        uint64_t hash = 1;
        for (int i = 0; i < POINTS; i++) {
            const double x = bits_point(bits_ranges[k].low, bits_ranges[k].high, i, POINTS), y = bits_ranges[k].of(x);
            hash = bits_hash(hash, &y, 2);
            if (!bits_ranges[k].libm) continue;
            const double wanted = bits_ranges[k].libm(x), ulp = nextafter(fabs(wanted), INFINITY) - fabs(wanted);
            if (!(fabs(y - wanted) <= bits_ranges[k].ulps * ulp))
                fail_msg("%s(%.17g) = %.17g, libm has %.17g", bits_ranges[k].name, x, y, wanted);
        }
        bits_expect(bits_ranges[k].name, "every processor", hash, bits_functions[k]);
    }
    assert_int_equal(bits_wrong, 0);
}

/* What has no function of the same kind in libm, and where functions end. */
static void test_bits_functions_ends(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000000; i++) {
        const uint32_t turn = i * 2654435769u, a = turn & 0xbfffffffu, b = (turn * 69069u + 1) & 0xbfffffffu;
        assert_true(fabs(math_cos_turn(turn) - cos(2 * M_PI * 0x1p-32 * (double)turn)) < 2e-15);
        float x, y;
        memcpy(&x, &a, 4), memcpy(&y, &b, 4); /* below 2 */
        const float once = fmaf(-x, y, 1), got = math_one_minus(x, y);
        if (once != got) fail_msg("1 - %a * %a = %a, not %a", (double)x, (double)y, (double)once, (double)got);
        const float rate = 1e-4f * (1 + fabsf(x)), decay = 0.01f * (1 + fabsf(y));
        assert_true(math_one_minus(rate, decay) == fmaf(-rate, decay, 1));
    }
    for (int n = 0; n < 100000; n += 1 + n / 20)
        assert_true(fabs(math_log_factorial(n) - lgamma(n + 1.0)) <= 1e-15 * (1 + lgamma(n + 1.0)));
    for (uint32_t n = 0; n < 60000; n = n * 2 + 1)
        assert_true(fabs(math_power((double)0.999f, n) / pow((double)0.999f, n) - 1) <= 1e-16 * (n + 1));
    assert_true(math_exp(-INFINITY) == 0 && math_exp(INFINITY) == INFINITY && math_exp(709.7) < INFINITY &&
                math_exp(709.8) == INFINITY && math_exp(0) == 1 && math_exp(-708.5) == 0 && isnan(math_exp(NAN)));
    assert_true(math_log(0) == -INFINITY && math_log(INFINITY) == INFINITY && math_log(1) == 0);
    assert_true(isnan(math_log(-1)) && isnan(math_log(NAN)) && fabs(math_log(0x1p-1000) + 1000 * M_LN2) < 1e-12);
    assert_true(math_erf(INFINITY) == 1 && math_erf(-7) == -1 && math_erf(0) == 0 && isnan(math_erf(NAN)));
    assert_true(math_tanh(INFINITY) == 1 && math_tanh(-30) == -1 && math_tanh(0) == 0 && isnan(math_tanh(NAN)));
    assert_true(math_atan(INFINITY) == M_PI_2 && math_atan(0) == 0 && isnan(math_atan(NAN)));
    assert_true(math_cos_turn(0) == 1 && math_cos_turn(1u << 30) == 0 && math_cos_turn(1u << 31) == -1);
}

/* ---- A short training ---- */

typedef struct BitsTraining {
    const char *engine;
    uint64_t hash;
    const float *wanted; /* [BITS_STEPS] */
} BitsTraining;

static bool bits_on_step(void *context, const StepRecord *record, Err *err)
{
    BitsTraining *t = context;
    const float loss = (float)record->loss, norm = (float)record->grad_norm;
    t->hash = bits_hash(bits_hash(t->hash, &loss, 1), &norm, 1);
    if (record->step > BITS_STEPS) return true;
    const float wanted = t->wanted[record->step - 1];
    if (!(fabsf(loss - wanted) <= 1e-4f * wanted)) {
        print_error("step %u of %s: loss %af, but bits.h has %af\n", record->step, t->engine, (double)loss,
                    (double)wanted);
        bits_wrong++;
    }
    return err->code == 0;
}

static bool bits_on_eval(void *context, const EvalRecord *record, Err *err)
{
    BitsTraining *t = context;
    t->hash = bits_hash(t->hash, record->logits, (size_t)record->rows * record->classes);
    return err->code == 0;
}

static void bits_train(const CpuEngine *engine, int column, int kind)
{
    static void (*table[OP_COUNT])(const void *);
    Golden g;
    Err err = {0};
    golden_open(&g, "cpu", kind ? "tests/golden/roberta_lora.json" : "tests/golden/roberta_full.json",
                "tests/golden/tiny-roberta", NULL, kind ? "tests/golden/tiny-roberta-lora" : NULL);
    cpu_table(engine, table);
    g.device.ops = table;
    g.model.config.hidden_drop = g.model.config.attention_drop = g.model.config.classifier_drop = 0.1f;
    if (kind) g.lora.drop = 0.1f;
    const Training t = {.model = &g.model,
                        .lora = kind ? &g.lora : NULL,
                        .head = &g.head,
                        .weights = g.weights,
                        .train_encoder = !kind,
                        .train = &g.split,
                        .eval = &g.split,
                        .choose = &g.split,
                        .hyper = {.order = ORDER_HF,
                                  .epochs = 10,
                                  .batch_size = 16,
                                  .eval_batch_size = 32,
                                  .learning_rate = kind ? 1e-3f : 1e-4f,
                                  .weight_decay = 0.01f},
                        .seed = 42};
    BitsTraining trained = {engine->name, 1, bits_losses[kind]};
    assert_true(train_steps(&t.hyper, g.split.rows) >= BITS_STEPS);
    const TrainObserver observer = {&trained, bits_on_step, bits_on_eval, NULL};
    if (!train_task(&g.device, &t, &observer, NULL, &err)) fail_msg("%s", err.text);
    bits_expect(kind ? "a training with LoRA" : "a training", engine->name, trained.hash, bits_trainings[kind][column]);
    golden_close(&g);
}

static void test_bits_training(void **state)
{
    (void)state;
    CpuEngine engines[CPU_ENGINES];
    cpu_engines(engines);
    bits_wrong = 0;
    for (int e = 0; e < CPU_ENGINES; e++)
        for (int kind = 0; kind < 2 && bits_column(&engines[e]) >= 0; kind++)
            bits_train(&engines[e], bits_column(&engines[e]), kind);
    assert_int_equal(bits_wrong, 0);
}

/* LETHE_CPU caps the instruction set; what is not there is refused in one line. */
static void test_bits_cap(void **state)
{
    (void)state;
    CpuEngine engines[CPU_ENGINES];
    Device device;
    cpu_engines(engines);
    for (int e = 0; e < CPU_ENGINES; e++) {
        if (!engines[e].word) continue;
        Err err = {0};
        char engine[64];
        snprintf(engine, sizeof engine, "CPU (%s)", engines[e].name);
        setenv("LETHE_CPU", engines[e].word, true);
        assert_true(device_open(&device, "cpu", 1, &err) == engines[e].usable);
        if (engines[e].usable) {
            assert_string_equal(device.engine, engine);
        } else {
            snprintf(engine, sizeof engine, "LETHE_CPU=%s: this processor has no %s; use LETHE_CPU=", engines[e].word,
                     engines[e].name);
            assert_true(strncmp(err.text, engine, strlen(engine)) == 0 && err.code == EXIT_WORLD);
        }
        device_close(&device);
    }
    setenv("LETHE_CPU", "sse9", true);
    Err err = {0};
    assert_false(device_open(&device, "cpu", 1, &err));
    assert_true(err.code == EXIT_USAGE && strncmp(err.text, "LETHE_CPU=sse9: unknown instruction set; use ", 45) == 0);
    device_close(&device);
    setenv("LETHE_CPU", "", true);
    err = (Err){0};
    assert_true(device_open(&device, "cpu", 1, &err));
    device_close(&device);
    unsetenv("LETHE_CPU");
}

static const struct CMUnitTest bits_tests[] = {
    cmocka_unit_test(test_bits_ops),
    cmocka_unit_test(test_bits_functions),
    cmocka_unit_test(test_bits_functions_ends),
    cmocka_unit_test(test_bits_training),
    cmocka_unit_test(test_bits_cap),
};
