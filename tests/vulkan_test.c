/* The Vulkan engine against the CPU engine: every op on all tested cases of src/device/cases.c, and whole trainings.
 * Runs on what `--device gpu` takes: without a GPU that is Mesa's software device, lavapipe. */

#include "indices.h"

static void test_vulkan_ops_match_plain(void **state)
{
    (void)state;
    Device *device = vulkan_test_device();
    /* Shaders that watch their addresses take minutes to compile on a processor: then every fifth case, which meets all
     * flags, since these go by powers of 2 and by 3. */
    const int stride = getenv("LETHE_VULKAN_SEPARATE") ? 5 : 1;
    int cases = 0;
    for (int op = 0; op < OP_COUNT; op++) {
        double worst = 0;
        Err err = {0};
        if (!device_selftest(device, (Op)op, stride, &cases, &worst, &err)) fail_msg("%s", err.text);
        if (!(worst <= 1e-11)) fail_msg("%s: normalised mean squared error %.3g", op_names[op], worst);
    }
    layer_expect_no_hazard();
    print_message("%d cases on %s\n", cases, device->name);
}

static void test_vulkan_indices_are_checked(void **state)
{
    (void)state;
    indices_expect(vulkan_test_device());
}

/* ---- Training with dropout: the same losses as on the CPU, and the same bits twice ---- */

enum { VULKAN_MOST_STEPS = 10 };
typedef struct VulkanRun {
    double loss[VULKAN_MOST_STEPS], norm[VULKAN_MOST_STEPS];
    uint32_t steps;
    float last_logits[64]; /* of the evaluation */
} VulkanRun;

static bool vulkan_on_step(void *context, const StepRecord *record, Err *err)
{
    VulkanRun *run = context;
    run->loss[run->steps] = record->loss;
    run->norm[run->steps++] = record->grad_norm;
    return err->code == 0;
}

static bool vulkan_on_eval(void *context, const EvalRecord *record, Err *err)
{
    VulkanRun *run = context;
    memcpy(run->last_logits, record->logits, 4 * record->classes * sizeof(float));
    return err->code == 0;
}

typedef struct VulkanTraining {
    const char *json, *folder, *head, *adapter;
    uint32_t batch_size, steps;
} VulkanTraining;

static VulkanRun vulkan_train(const VulkanTraining *which, const char *device)
{
    Golden g;
    Err err = {0};
    VulkanRun run = {0};
    layer_install();
    golden_open(&g, device, which->json, which->folder, which->head, which->adapter);
    g.model.config.hidden_drop = g.model.config.attention_drop = g.model.config.classifier_drop = g.lora.drop = 0.1f;
    Split few = g.split;
    few.rows = 4;
    const Training t = {.model = &g.model,
                        .lora = g.with_lora ? &g.lora : NULL,
                        .head = &g.head,
                        .weights = g.weights,
                        .train_encoder = !g.with_lora,
                        .train = &g.split,
                        .eval = &few,
                        .choose = &few,
                        .hyper = {.order = ORDER_HF,
                                  .epochs = which->steps,
                                  .batch_size = which->batch_size,
                                  .eval_batch_size = 4,
                                  .max_steps = which->steps,
                                  .learning_rate = 1e-3f,
                                  .weight_decay = 0.01f},
                        .seed = 7};
    if (!train_task(&g.device, &t, &(TrainObserver){&run, vulkan_on_step, vulkan_on_eval, NULL}, NULL, &err))
        fail_msg("%s", err.text);
    assert_int_equal(run.steps, which->steps);
    golden_close(&g);
    layer_expect_no_hazard();
    return run;
}

static void vulkan_compare(const VulkanTraining *which, bool twice)
{
    const VulkanRun cpu = vulkan_train(which, "cpu"), gpu = vulkan_train(which, "gpu");
    double worst = 0;
    for (uint32_t i = 0; i < which->steps; i++) {
        const double error = fabs(gpu.loss[i] / cpu.loss[i] - 1);
        if (!(error <= 1e-4)) fail_msg("step %u: the loss is %.9g, on the CPU %.9g", i + 1, gpu.loss[i], cpu.loss[i]);
        if (error > worst) worst = error;
    }
    print_message("losses differ by at most %.1e\n", worst);
    if (!twice) return;
    const VulkanRun again = vulkan_train(which, "gpu");
    assert_memory_equal(&gpu, &again, sizeof gpu);
}

static void test_vulkan_trains_roberta(void **state)
{
    (void)state;
    const VulkanTraining full = {"tests/golden/roberta_full.json", "tests/golden/tiny-roberta", NULL, NULL, 16, 10};
    const VulkanTraining lora = {
        "tests/golden/roberta_lora.json", "tests/golden/tiny-roberta", NULL, "tests/golden/tiny-roberta-lora", 16, 10};
    vulkan_compare(&full, true);
    vulkan_compare(&lora, true);
}

static void test_vulkan_trains_distilbert(void **state)
{
    (void)state;
    const VulkanTraining full = {
        "tests/golden/distilbert_full.json", "tests/golden/tiny-distilbert", NULL, NULL, 16, 10};
    const VulkanTraining lora = {"tests/golden/distilbert_lora.json",
                                 "tests/golden/tiny-distilbert",
                                 NULL,
                                 "tests/golden/tiny-distilbert-lora",
                                 16,
                                 10};
    vulkan_compare(&full, true);
    vulkan_compare(&lora, true);
}

static void test_vulkan_trains_electra(void **state)
{
    (void)state;
    const VulkanTraining full = {"tests/golden/electra_full.json", "tests/golden/tiny-electra", NULL, NULL, 16, 10};
    const VulkanTraining lora = {
        "tests/golden/electra_lora.json", "tests/golden/tiny-electra", NULL, "tests/golden/tiny-electra-lora", 16, 10};
    vulkan_compare(&full, true);
    vulkan_compare(&lora, true);
}

/* Adapters on all linear layers: the embeddings', wide ones, those that layers share, the pooler's, one for all three.
 */
static void test_vulkan_trains_all_linear(void **state)
{
    (void)state;
    static const VulkanTraining of[] = {
        {"tests/golden/electra_all.json", "tests/golden/tiny-electra", NULL, "tests/golden/tiny-electra-all", 16, 6},
        {"tests/golden/albert_all.json", "tests/golden/tiny-albert", NULL, "tests/golden/tiny-albert-all", 16, 6},
        {"tests/golden/modernbert_all.json", "tests/golden/tiny-modernbert", NULL, "tests/golden/tiny-modernbert-all",
         16, 6}};
    for (size_t i = 0; i < COUNT(of); i++) vulkan_compare(&of[i], false);
}

static void test_vulkan_trains_relative(void **state)
{
    (void)state;
    static const VulkanTraining of[] = {
        {"tests/golden/mpnet_full.json", "tests/golden/tiny-mpnet", NULL, NULL, 16, 10},
        {"tests/golden/mpnet_lora.json", "tests/golden/tiny-mpnet", NULL, "tests/golden/tiny-mpnet-lora", 16, 10},
        {"tests/golden/deberta_full.json", "tests/golden/tiny-deberta", NULL, NULL, 16, 10},
        {"tests/golden/deberta_lora.json", "tests/golden/tiny-deberta", NULL, "tests/golden/tiny-deberta-lora", 16,
         10}};
    for (size_t i = 0; i < COUNT(of); i++) vulkan_compare(&of[i], true);
}

static void test_vulkan_trains_albert(void **state)
{
    (void)state;
    const VulkanTraining full = {"tests/golden/albert_full.json", "tests/golden/tiny-albert", NULL, NULL, 16, 10};
    const VulkanTraining lora = {
        "tests/golden/albert_lora.json", "tests/golden/tiny-albert", NULL, "tests/golden/tiny-albert-lora", 16, 10};
    vulkan_compare(&full, true);
    vulkan_compare(&lora, true);
}

static void test_vulkan_trains_modernbert(void **state)
{
    (void)state;
    static const char *const json[][2] = {
        {"tests/golden/modernbert_full.json", "tests/golden/modernbert_lora.json"},
        {"tests/golden/modernbert_mean_full.json", "tests/golden/modernbert_mean_lora.json"}};
    static const char *const folder[][2] = {
        {"tests/golden/tiny-modernbert", "tests/golden/tiny-modernbert-lora"},
        {"tests/golden/tiny-modernbert-mean", "tests/golden/tiny-modernbert-mean-lora"}};
    for (size_t mean = 0; mean < 2; mean++) {
        const VulkanTraining full = {json[mean][0], folder[mean][0], NULL, NULL, 16, 10},
                             lora = {json[mean][1], folder[mean][0], NULL, folder[mean][1], 16, 10};
        vulkan_compare(&full, mean == 0);
        vulkan_compare(&lora, mean == 0);
    }
}

/* Real shapes; a software device takes seconds for a step. */
static void test_vulkan_trains_minilm(void **state)
{
    (void)state;
    const VulkanTraining full = {
        "tests/golden/minilm_full.json", MINILM_FOLDER, "tests/golden/minilm-head.safetensors", NULL, 1, 4};
    const VulkanTraining lora = {"tests/golden/minilm_lora.json",
                                 MINILM_FOLDER,
                                 "tests/golden/minilm-head.safetensors",
                                 "tests/golden/minilm-lora",
                                 1,
                                 4};
    vulkan_compare(&full, false);
    vulkan_compare(&lora, false);
}

/* ---- Importance: as on the CPU ---- */

/* Of the encoder or the adapter, and of the head: host memory. */
static void vulkan_importance(Golden *g, ImportanceKind kind, const f32p at[2], const size_t floats[2], float *host[2])
{
    Err err = {0};
    const bool lora = g->with_lora;
    const Weights out = {.encoder = lora ? NULL : at[0], .adapter = lora ? at[0] : NULL, .head = at[1]};
    if (!importance(&g->device, kind, &g->model, lora ? &g->lora : NULL, &g->head, &g->weights, &g->split, 12, 5, 3,
                    &out, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < 2; i++) device_read(&g->device, host[i], at[i], floats[i] * sizeof(float));
}

static void test_vulkan_importance(void **state)
{
    (void)state;
    layer_install();
    for (int lora = 0; lora < 2; lora++) {
        Golden g[2]; /* CPU, GPU */
        float *host[2][2];
        f32p at[2][2];
        layer_install();
        for (int d = 0; d < 2; d++)
            golden_open(&g[d], d ? "gpu" : "cpu",
                        lora ? "tests/golden/roberta_lora.json" : "tests/golden/roberta_full.json",
                        "tests/golden/tiny-roberta", NULL, lora ? "tests/golden/tiny-roberta-lora" : NULL);
        const size_t floats[2] = {lora ? g[0].lora.layout.floats : g[0].model.encoder.floats, g[0].head.layout.floats};
        for (int d = 0; d < 2; d++)
            for (int i = 0; i < 2; i++) {
                at[d][i] = device_f32(&g[d].memory, floats[i]);
                host[d][i] = arena_new(&g[d].arena, float, floats[i]);
            }
        for (int kind = FISHER_EXACT; kind <= MAS; kind++) {
            for (int d = 0; d < 2; d++) vulkan_importance(&g[d], (ImportanceKind)kind, at[d], floats, host[d]);
            for (int i = 0; i < 2; i++) {
                double wrong = 0, all = 0;
                for (size_t k = 0; k < floats[i]; k++) {
                    const double x = (double)host[0][i][k], difference = (double)host[1][i][k] - x;
                    assert_true(x != 0 || difference == 0); /* rows of words that do not occur */
                    wrong += difference * difference;
                    all += x * x;
                }
                if (!(all > 0 && sqrt(wrong / all) <= 1e-5))
                    fail_msg("kind %d, %s: %.3g off", kind, lora ? "LoRA" : "full", sqrt(wrong / all));
            }
        }
        for (int d = 0; d < 2; d++) golden_close(&g[d]);
        layer_expect_no_hazard();
    }
    layer_expect_no_hazard();
}

/* The size of submissions follows the device's speed, not the latency of short ones. */
static void test_vulkan_learns_submissions(void **state)
{
    (void)state;
    Vulkan vk = {.submit_work = 2e9};
    slot_learn(&vk, 2e6, 1e-4);
    assert_true(vk.submit_work == 2e9);
    slot_learn(&vk, 2e9, 1e-3);
    assert_true(vk.submit_work == 4e9);
    slot_learn(&vk, 4e9, 0.12);
    assert_true(fabs(vk.submit_work - 1e9) < 1);
}

static const struct CMUnitTest vulkan_ops_tests[] = {
    cmocka_unit_test(test_vulkan_learns_submissions),
    cmocka_unit_test(test_vulkan_indices_are_checked),
    cmocka_unit_test(test_vulkan_ops_match_plain),
};
/* ---- Strategies: all of them in whole runs of the program, as on the CPU ---- */

static json_t *vulkan_strategies(Arena *arena, const char *device)
{
    Err err = {0};
    Str text;
    const Outcome *o =
        sh("rm -rf build/test-tmp/strategies-%s; lethe run --quiet --device %s --model build/test-tmp/model "
           "--max-length 32 --method all,ewc+replay,lora-seq+replay --epochs 1 --batch-size 8 --train-rows 16 "
           "--eval-rows 16 --task a=" T "good.tsv," T "good.tsv --task b=" T "good.tsv," T
           "good.tsv --out build/test-tmp/strategies-%s",
           device, device, device);
    expect(o, 0, "");
    if (strstr(o->out, "VUID-") || strstr(o->out, "SYNC-HAZARD")) fail_msg("%s", o->out);
    json_t *events = json_array();
    assert_true(file_read(arena, arena_printf(arena, "build/test-tmp/strategies-%s/results.jsonl", device), 1 << 26,
                          &text, &err));
    for (const char *line = text.at, *end; (end = strchr(line, '\n')); line = end + 1)
        json_array_append_new(events, json_loadb(line, (size_t)(end - line), 0, NULL));
    return events;
}

static void test_vulkan_strategies(void **state)
{
    (void)state;
    static const char *const numbers[] = {"loss", "penalty", "grad_norm"};
    Arena arena = {0};
    write_good();
    fresh_model();
    json_t *cpu = vulkan_strategies(&arena, "cpu"), *gpu = vulkan_strategies(&arena, "gpu"), *event;
    size_t i, compared = 0;
    assert_int_equal(json_array_size(cpu), json_array_size(gpu));
    json_array_foreach(cpu, i, event)
    {
        const json_t *other = json_array_get(gpu, i);
        for (size_t k = 0; k < COUNT(numbers); k++) {
            const double a = json_number_value(json_object_get(event, numbers[k])),
                         b = json_number_value(json_object_get(other, numbers[k]));
            if (!(fabs(a - b) <= 1e-4 * fabs(a) + 1e-6))
                fail_msg("%s: %s is %.9g, on the CPU %.9g", json_string_value(json_object_get(event, "method")),
                         numbers[k], b, a);
            compared += a != 0;
        }
    }
    assert_true(compared > 100);
    json_decref(cpu);
    json_decref(gpu);
    arena_free(&arena);
}

static const struct CMUnitTest vulkan_training_tests[] = {
    cmocka_unit_test(test_vulkan_importance),        cmocka_unit_test(test_vulkan_trains_roberta),
    cmocka_unit_test(test_vulkan_trains_distilbert), cmocka_unit_test(test_vulkan_trains_electra),
    cmocka_unit_test(test_vulkan_trains_all_linear), cmocka_unit_test(test_vulkan_trains_relative),
    cmocka_unit_test(test_vulkan_trains_albert),     cmocka_unit_test(test_vulkan_trains_modernbert),
    cmocka_unit_test(test_vulkan_trains_minilm),     cmocka_unit_test(test_vulkan_strategies),
};
