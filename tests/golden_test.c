/* golden: lethe against the numbers of Hugging Face transformers and PEFT (tests/golden/make.py), dropout 0: logits,
 * gradients, and the loss of every training step, to 1e-4 relative. */

typedef struct Golden {
    Arena arena;
    Device device;
    DeviceArena memory;
    json_t *json;
    Model model;
    Head head;
    Lora lora;
    bool with_lora;
    Weights weights;
    Split split;
    const char *prefix; /* of HF's names */
} Golden;

static Str golden_file(Golden *g, const char *path)
{
    Err err = {0};
    Str bytes;
    if (!file_read(&g->arena, path, 1 << 28, &bytes, &err)) fail_msg("%s", err.text);
    return bytes;
}

static json_t *golden_json(Golden *g, const char *path)
{
    Err err = {0};
    json_t *json = NULL;
    if (!json_parse(golden_file(g, path), path, &json, &err)) fail_msg("%s", err.text);
    return json;
}

static void golden_rows(Golden *g)
{
    const char *other = json_string_value(json_object_get(g->json, "rows_of"));
    json_t *from = other ? golden_json(g, arena_printf(&g->arena, "tests/golden/%s", other)) : json_incref(g->json);
    const json_t *rows = json_object_get(from, "rows");
    const size_t count = json_array_size(rows);
    Split *s = &g->split;
    *s = (Split){.rows = (uint32_t)count,
                 .labels = arena_new(&g->arena, uint32_t, count),
                 .starts = arena_new(&g->arena, uint64_t, count + 1)};
    s->ids = arena_new(&g->arena, uint32_t, count * 64);
    s->types = arena_new(&g->arena, uint8_t, count * 64);
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *row = json_array_get(rows, i), *ids = json_object_get(row, "ids"),
                     *types = json_object_get(row, "types");
        for (size_t j = 0; j < json_array_size(ids); j++, at++) {
            s->ids[at] = (uint32_t)json_integer_value(json_array_get(ids, j));
            s->types[at] = (uint8_t)json_integer_value(json_array_get(types, j));
        }
        s->labels[i] = (uint32_t)json_integer_value(json_object_get(row, "label"));
        s->starts[i + 1] = at;
    }
    json_decref(from);
}

static void golden_upload(Golden *g, const Layout *layout, const float *w, f32p *to)
{
    *to = device_f32(&g->memory, layout->floats);
    device_write(&g->device, *to, w, layout->floats * sizeof *w);
}

/* folder: the model; head: a file with the head, or NULL when the model holds it; adapter: a PEFT folder. */
static void golden_open(Golden *g, const char *device, const char *json, const char *folder, const char *head,
                        const char *adapter)
{
    Err err = {0};
    *g = (Golden){.with_lora = adapter != NULL};
    g->json = golden_json(g, json);
    golden_rows(g);
    if (strcmp(device, "gpu") == 0)
        g->device = *vulkan_test_device();
    else if (!device_open(&g->device, device, 2, &err))
        fail_msg("%s", err.text);
    g->memory.device = &g->device;
    ModelConfig config;
    const char *path = arena_printf(&g->arena, "%s/config.json", folder);
    if (!model_config_parse(golden_file(g, path), path, &config, &err)) fail_msg("%s", err.text);
    config.hidden_drop = config.attention_drop = config.classifier_drop = 0;
    g->prefix = config.family->prefix;
    model_layout(&g->arena, &config, &g->model);
    head_layout(&g->arena, &config, (uint32_t)json_integer_value(json_object_get(g->json, "classes")), &g->head);

    Safetensors file, head_file, lora_file;
    bool fresh = true;
    float *w = arena_new(&g->arena, float, g->model.encoder.floats),
          *h = arena_new(&g->arena, float, g->head.layout.floats);
    if (!safetensors_open(&g->arena, arena_printf(&g->arena, "%s/model.safetensors", folder), &file, &err) ||
        !model_load_encoder(&g->model, &file, 0, w, &fresh, &err) ||
        (head && !safetensors_open(&g->arena, head, &head_file, &err)))
        fail_msg("%s", err.text);
    assert_false(fresh);
    assert_true(model_load_head(&g->model, &g->head, head ? &head_file : &file, h));
    golden_upload(g, &g->model.encoder, w, &g->weights.encoder);
    safetensors_close(&file);
    if (head) safetensors_close(&head_file);
    if (adapter) {
        bool has_head = false;
        path = arena_printf(&g->arena, "%s/adapter_config.json", adapter);
        const uint32_t targets = strstr(json, "_all.json") ? family_linear(config.family) : config.family->lora_targets;
        const char *weights = arena_printf(&g->arena, "%s/adapter_model.safetensors", adapter);
        if (!safetensors_open(&g->arena, weights, &lora_file, &err) ||
            !peft_config_parse(golden_file(g, path), path, config.family, &lora_file, &g->lora, &err))
            fail_msg("%s", err.text);
        assert_true(g->lora.drop == 0 && g->lora.targets == targets);
        lora_layout(&g->arena, &config, &g->lora);
        float *a = arena_new(&g->arena, float, g->lora.layout.floats);
        if (!peft_load(config.family, &g->lora, &g->head, &lora_file, false, a, h, &has_head, &err))
            fail_msg("%s", err.text);
        assert_true(has_head);
        safetensors_close(&lora_file);
        golden_upload(g, &g->lora.layout, a, &g->weights.adapter);
    }
    golden_upload(g, &g->head.layout, h, &g->weights.head);
}

static void golden_close(Golden *g)
{
    json_decref(g->json);
    device_arena_free(&g->memory);
    arena_free(&g->arena);
    if (!g->device.vulkan) device_close(&g->device);
}

static void golden_near(double got, double wanted, double scale, const char *what)
{
    const double tolerance = 1e-4 * (fabs(wanted) > scale ? fabs(wanted) : scale);
    if (!(fabs(got - wanted) <= tolerance)) fail_msg("%s: got %.9g, wanted %.9g", what, got, wanted);
}

/* The first rows' logits against a matrix of the golden. */
static void golden_logits(const Golden *g, const float *logits, const char *key)
{
    const json_t *wanted = json_object_get(g->json, key);
    for (size_t i = 0; i < json_array_size(wanted); i++)
        for (uint32_t c = 0; c < g->head.classes; c++)
            golden_near((double)logits[i * g->head.classes + c],
                        json_number_value(json_array_get(json_array_get(wanted, i), c)), 1, key);
}

static void golden_forward(Golden *g)
{
    Err err = {0};
    EvalRecord record;
    assert_true(evaluate(&g->device, &g->arena, &g->model, g->with_lora ? &g->lora : NULL, &g->head, &g->weights,
                         &g->split, 8, &record, &err));
    golden_logits(g, record.logits, "logits");
}

/* Norm, sum and first element of the gradient of every trained tensor. */
static int golden_gradient_views(Golden *g, const Layout *layout, f32p grad, bool prefixed)
{
    const json_t *all = json_object_get(g->json, "gradients");
    for (int i = 0; i < layout->count; i++) {
        const View *view = &layout->views[i];
        const char *name = prefixed ? arena_printf(&g->arena, "%s%s", g->prefix, view->name) : view->name;
        const json_t *wanted = json_object_get(all, name);
        if (!wanted) fail_msg("no gradient of %s in the golden", name);
        const size_t n = (size_t)view->rows * view->cols;
        double squares = 0, sum = 0;
        for (size_t k = view->at; k < view->at + n; k++) {
            squares += (double)grad[k] * (double)grad[k];
            sum += (double)grad[k];
        }
        const double norm = json_number_value(json_array_get(wanted, 0));
        /* Tensors whose true gradient is zero (key biases: softmax does not see them) hold rounding noise only. */
        const double noise = 1e-3;
        golden_near(sqrt(squares), norm, noise, name);
        golden_near(sum, json_number_value(json_array_get(wanted, 1)), noise + norm * sqrt((double)n), name);
        golden_near((double)grad[view->at], json_number_value(json_array_get(wanted, 2)),
                    noise + norm / sqrt((double)n), name);
    }
    return layout->count;
}

static void golden_gradients(Golden *g)
{
    uint32_t rows[16];
    const json_t *order = json_object_get(g->json, "order");
    for (size_t i = 0; i < 16; i++) rows[i] = (uint32_t)json_integer_value(json_array_get(order, i));
    Batch batch;
    DeviceBatch on_device;
    batch_pack(&g->arena, &g->split, rows, 16, g->model.config.position_base, &batch);
    const BatchBuffer buffer = batch_buffer(&g->memory, batch.tokens, 16);
    device_batch_write(&g->device, &buffer, &g->arena, &batch, &on_device);
    Workspace *ws = workspace_new(&g->arena, &g->memory, &g->model, g->with_lora ? &g->lora : NULL, batch.tokens, 16,
                                  batch.longest, g->head.classes, true);
    Weights grads = {.head = device_f32(&g->memory, g->head.layout.floats)};
    if (g->with_lora) grads.adapter = device_f32(&g->memory, g->lora.layout.floats);
    if (!g->with_lora) grads.encoder = device_f32(&g->memory, g->model.encoder.floats);
    const PassOptions options = {.dropout = true};
    f32p logits = model_forward(ws, &g->weights, &g->head, &on_device, &options), loss = device_f32(&g->memory, 16);
    RUN(&g->device, cross_entropy, .logits = logits, .labels = on_device.labels, .loss = loss,
        .dlogits = workspace_dlogits(ws), .rows = 16, .classes = g->head.classes, .scale = 1.0f / 16);
    model_backward(ws, &g->weights, &grads, &g->head, &on_device, &options);
    int count = golden_gradient_views(g, &g->head.layout, grads.head, false);
    if (g->with_lora) count += golden_gradient_views(g, &g->lora.layout, grads.adapter, true);
    if (!g->with_lora) count += golden_gradient_views(g, &g->model.encoder, grads.encoder, true);
    assert_int_equal(count, json_object_size(json_object_get(g->json, "gradients")));
}

static bool golden_on_step(void *context, const StepRecord *record, Err *err)
{
    const Golden *g = context;
    const json_t *wanted = json_array_get(json_object_get(g->json, "steps"), record->step - 1);
    golden_near(record->loss, json_number_value(json_array_get(wanted, 0)), 0, "loss");
    golden_near(record->learning_rate, json_number_value(json_array_get(wanted, 2)), 0, "learning rate");
    /* PyTorch sums the squares of 23 million gradients in single precision, in another order. */
    const double norm = json_number_value(json_array_get(wanted, 1));
    if (fabs(record->grad_norm - norm) > 1e-3 * norm)
        fail_msg("step %u: gradient norm %.9g, wanted %.9g", record->step, record->grad_norm, norm);
    return err->code == 0;
}

static bool golden_on_eval(void *context, const EvalRecord *record, Err *err)
{
    const Golden *g = context;
    if (record->step == json_array_size(json_object_get(g->json, "steps")))
        golden_logits(g, record->logits, "logits_after");
    return err->code == 0;
}

static void golden_training(Golden *g)
{
    Err err = {0};
    const Hyper hyper = {.order = ORDER_HF,
                         .epochs = (uint32_t)json_integer_value(json_object_get(g->json, "epochs")),
                         .batch_size = 16,
                         .eval_batch_size = 32,
                         .learning_rate = (float)json_number_value(json_object_get(g->json, "learning_rate")),
                         .weight_decay = 0.01f};
    const Training t = {.model = &g->model,
                        .lora = g->with_lora ? &g->lora : NULL,
                        .head = &g->head,
                        .weights = g->weights,
                        .train_encoder = !g->with_lora,
                        .train = &g->split,
                        .eval = &g->split,
                        .choose = &g->split,
                        .hyper = hyper,
                        .seed = 42};
    const size_t steps = json_array_size(json_object_get(g->json, "steps"));
    assert_true(steps >= 40);
    assert_int_equal(train_steps(&hyper, g->split.rows), steps);
    const size_t decayed =
        (g->with_lora ? g->lora.layout.decay_floats : g->model.encoder.decay_floats) + g->head.layout.decay_floats;
    assert_int_equal(decayed, json_integer_value(json_object_get(g->json, "decayed")));
    assert_int_equal(train_trainable(&t) - decayed, json_integer_value(json_object_get(g->json, "undecayed")));

    uint32_t *order = arena_new(&g->arena, uint32_t, g->split.rows);
    for (uint32_t e = 0; e < hyper.epochs; e++) {
        random_permutation(42 + e, g->split.rows, order);
        for (uint32_t i = 0; i < g->split.rows; i++)
            assert_int_equal(
                order[i], json_integer_value(json_array_get(json_object_get(g->json, "order"), e * g->split.rows + i)));
    }
    const TrainObserver observer = {g, golden_on_step, golden_on_eval, NULL};
    if (!train_task(&g->device, &t, &observer, NULL, &err)) fail_msg("%s", err.text);
}

static void golden_case(const char *json, const char *folder, const char *head, const char *adapter)
{
    Golden g;
    golden_open(&g, "cpu", json, folder, head, adapter);
    golden_forward(&g);
    golden_gradients(&g);
    golden_training(&g);
    golden_close(&g);
}

#define MINILM_FOLDER "build/encoder" /* where build.sh leaves the model that it embeds */

static void test_golden_roberta_full(void **state)
{
    (void)state;
    golden_case("tests/golden/roberta_full.json", "tests/golden/tiny-roberta", NULL, NULL);
}
static void test_golden_roberta_lora(void **state)
{
    (void)state;
    golden_case("tests/golden/roberta_lora.json", "tests/golden/tiny-roberta", NULL, "tests/golden/tiny-roberta-lora");
}
static void test_golden_electra_full(void **state)
{
    (void)state;
    golden_case("tests/golden/electra_full.json", "tests/golden/tiny-electra", NULL, NULL);
}
static void test_golden_electra_lora(void **state)
{
    (void)state;
    golden_case("tests/golden/electra_lora.json", "tests/golden/tiny-electra", NULL, "tests/golden/tiny-electra-lora");
}
static void test_golden_mpnet_full(void **state)
{
    (void)state;
    golden_case("tests/golden/mpnet_full.json", "tests/golden/tiny-mpnet", NULL, NULL);
}
static void test_golden_mpnet_lora(void **state)
{
    (void)state;
    golden_case("tests/golden/mpnet_lora.json", "tests/golden/tiny-mpnet", NULL, "tests/golden/tiny-mpnet-lora");
}
static void test_golden_deberta_full(void **state)
{
    (void)state;
    golden_case("tests/golden/deberta_full.json", "tests/golden/tiny-deberta", NULL, NULL);
}
static void test_golden_deberta_lora(void **state)
{
    (void)state;
    golden_case("tests/golden/deberta_lora.json", "tests/golden/tiny-deberta", NULL, "tests/golden/tiny-deberta-lora");
}
static void test_golden_albert_full(void **state)
{
    (void)state;
    golden_case("tests/golden/albert_full.json", "tests/golden/tiny-albert", NULL, NULL);
}
static void test_golden_albert_lora(void **state)
{
    (void)state;
    golden_case("tests/golden/albert_lora.json", "tests/golden/tiny-albert", NULL, "tests/golden/tiny-albert-lora");
}
static void test_golden_modernbert_full(void **state)
{
    (void)state;
    golden_case("tests/golden/modernbert_full.json", "tests/golden/tiny-modernbert", NULL, NULL);
    golden_case("tests/golden/modernbert_mean_full.json", "tests/golden/tiny-modernbert-mean", NULL, NULL);
}
static void test_golden_modernbert_lora(void **state)
{
    (void)state;
    golden_case("tests/golden/modernbert_lora.json", "tests/golden/tiny-modernbert", NULL,
                "tests/golden/tiny-modernbert-lora");
    golden_case("tests/golden/modernbert_mean_lora.json", "tests/golden/tiny-modernbert-mean", NULL,
                "tests/golden/tiny-modernbert-mean-lora");
}
static void test_golden_distilbert_full(void **state)
{
    (void)state;
    golden_case("tests/golden/distilbert_full.json", "tests/golden/tiny-distilbert", NULL, NULL);
}
static void test_golden_distilbert_lora(void **state)
{
    (void)state;
    golden_case("tests/golden/distilbert_lora.json", "tests/golden/tiny-distilbert", NULL,
                "tests/golden/tiny-distilbert-lora");
}
static void test_golden_minilm_full(void **state)
{
    (void)state;
    golden_case("tests/golden/minilm_full.json", MINILM_FOLDER, "tests/golden/minilm-head.safetensors", NULL);
}
static void test_golden_minilm_lora(void **state)
{
    (void)state;
    golden_case("tests/golden/minilm_lora.json", MINILM_FOLDER, "tests/golden/minilm-head.safetensors",
                "tests/golden/minilm-lora");
}

/* Adapters on all linear layers but the head's, of each family. */
static void test_golden_all_linear(void **state)
{
    (void)state;
    static const char *const of[][2] = {
        {"bert", "bert"},       {"roberta", "roberta"},       {"distilbert", "distilbert"},
        {"electra", "electra"}, {"mpnet", "mpnet"},           {"deberta", "deberta"},
        {"albert", "albert"},   {"modernbert", "modernbert"}, {"modernbert_mean", "modernbert-mean"}};
    char json[100], folder[100], adapter[100];
    for (size_t i = 0; i < COUNT(of); i++) {
        snprintf(json, sizeof json, "tests/golden/%s_all.json", of[i][0]);
        snprintf(folder, sizeof folder, "tests/golden/tiny-%s", of[i][1]);
        snprintf(adapter, sizeof adapter, "tests/golden/tiny-%s-all", of[i][1]);
        golden_case(json, folder, NULL, adapter);
    }
}

/* A model with the names of old files, in F16. */
static void test_golden_old_names(void **state)
{
    (void)state;
    Golden g;
    golden_open(&g, "cpu", "tests/golden/tiny_bert.json", "tests/golden/tiny-bert", NULL, NULL);
    golden_forward(&g);
    golden_close(&g);
}

static const struct CMUnitTest golden_tests[] = {
    cmocka_unit_test(test_golden_old_names),       cmocka_unit_test(test_golden_roberta_full),
    cmocka_unit_test(test_golden_roberta_lora),    cmocka_unit_test(test_golden_minilm_full),
    cmocka_unit_test(test_golden_minilm_lora),     cmocka_unit_test(test_golden_distilbert_full),
    cmocka_unit_test(test_golden_distilbert_lora), cmocka_unit_test(test_golden_electra_full),
    cmocka_unit_test(test_golden_electra_lora),    cmocka_unit_test(test_golden_mpnet_full),
    cmocka_unit_test(test_golden_mpnet_lora),      cmocka_unit_test(test_golden_deberta_full),
    cmocka_unit_test(test_golden_deberta_lora),    cmocka_unit_test(test_golden_albert_full),
    cmocka_unit_test(test_golden_albert_lora),     cmocka_unit_test(test_golden_modernbert_full),
    cmocka_unit_test(test_golden_modernbert_lora), cmocka_unit_test(test_golden_all_linear),
};
