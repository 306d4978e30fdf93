/* model and training; gradients by finite differences are in gradients_test.c, the numbers of Hugging Face in
 * golden_test.c. */
#include <sys/wait.h>
#include <unistd.h>

#include "indices.h"
#include "tiny_model.h"

/* The gradient of a part is the same whether or not the others are asked for. */
static void test_frozen_parts_change_no_gradient(void **state)
{
    (void)state;
    TinyModel t;
    tiny_open(&t, "cpu", &family_roberta, true, 0.1f);
    const PassOptions options = {.dropout = true, .seed = 1, .step = 2};
    tiny_loss(&t, &options);
    model_backward(t.workspace, &t.weights, &t.grads, &t.head, &t.batch, &options);
    const Weights some = {.adapter = device_f32(&t.memory, t.lora.layout.floats),
                          .head = device_f32(&t.memory, t.head.layout.floats)};
    tiny_loss(&t, &options);
    model_backward(t.workspace, &t.weights, &some, &t.head, &t.batch, &options);
    assert_memory_equal(some.adapter, t.grads.adapter, t.lora.layout.floats * sizeof(float));
    assert_memory_equal(some.head, t.grads.head, t.head.layout.floats * sizeof(float));
    tiny_close(&t);
}

/* Evaluation shares one set of buffers between the layers; training keeps them all: the logits are the same bits. */
static void test_inference_equals_training_pass(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * family_count; i++) {
        const int with_lora = i % 2;
        TinyModel t;
        tiny_open(&t, "cpu", family_rows[i / 2], with_lora, 0.1f);
        Workspace *lean = workspace_new(&t.arena, &t.memory, &t.model, with_lora ? &t.lora : NULL, 15, 4, 6, 3, false);
        f32p a = model_forward(t.workspace, &t.weights, &t.head, &t.batch, &(PassOptions){0});
        f32p b = model_forward(lean, &t.weights, &t.head, &t.batch, &(PassOptions){0});
        assert_memory_equal(a, b, 12 * sizeof(float));
        tiny_close(&t);
    }
}

/* The kept states, made again one layer after another: an encoder of fewer layers ends where theirs are. Training and
 * lean passes keep the same bits, and keeping them changes no logit. */
static void test_states_of_every_layer(void **state)
{
    (void)state;
    for (int f = 0; f < 2 * family_count; f++) {
        const int with_lora = f % 2;
        TinyModel t;
        tiny_open(&t, "cpu", family_rows[f / 2], with_lora, 0.1f);
        const PassOptions options = {0};
        const size_t n = 4 * 12;
        Workspace *lean = workspace_new(&t.arena, &t.memory, &t.model, with_lora ? &t.lora : NULL, 15, 4, 6, 3, false);
        float logits[12];
        memcpy(logits, model_forward(lean, &t.weights, &t.head, &t.batch, &options), sizeof logits);
        f32p states = device_f32(&t.memory, 2 * n), again = device_f32(&t.memory, 2 * n);
        workspace_keep_states(lean, states);
        workspace_keep_states(t.workspace, again);
        assert_memory_equal(model_forward(lean, &t.weights, &t.head, &t.batch, &options), logits, sizeof logits);
        model_forward(t.workspace, &t.weights, &t.head, &t.batch, &options);
        assert_memory_equal(states, again, 2 * n * sizeof(float));
        f32p last = model_first_states(lean, &t.weights, &t.batch, &options);
        assert_memory_equal(states + n, last, n * sizeof(float));
        Model shorter = t.model; /* its only layer is its last, which computes first tokens alone */
        shorter.config.layers = 1;
        Workspace *one = workspace_new(&t.arena, &t.memory, &shorter, with_lora ? &t.lora : NULL, 15, 4, 6, 3, false);
        last = model_first_states(one, &t.weights, &t.batch, &options);
        if (t.model.config.family->norm_first) last = one->layer[0].sum2; /* kept states come before the LayerNorm */
        for (size_t i = 0; i < n; i++)
            if (!(fabsf(states[i] - last[i]) < 1e-5f))
                fail_msg("%s: number %zu: %g, and as the last layer %g", family_rows[f / 2]->title, i, states[i],
                         last[i]);
        workspace_keep_states(lean, NULL);
        memset(states, 0, 2 * n * sizeof(float));
        model_forward(lean, &t.weights, &t.head, &t.batch, &options);
        for (size_t i = 0; i < 2 * n; i++) assert_true(states[i] == 0);
        tiny_close(&t);
    }
}

/* The buckets of the distances -600 .. 600, as transformers has them: MPNetEncoder.relative_position_bucket, and
 * make_log_bucket_position clamped to its table. The hashes are of its numbers. */
static void test_buckets_of_distances(void **state)
{
    (void)state;
    static const struct {
        const Family *family;
        uint32_t buckets, reach;
        uint64_t hash;
    } tables[] = {
        {&family_mpnet, 32, 128, 0x098e71f7cb1091cb},       {&family_deberta_v2, 512, 512, 0xcd973fd6a40a2b74},
        {&family_deberta_v2, 256, 512, 0xe815119884c7a81e}, {&family_deberta_v2, 16, 24, 0x70377fc5b18bb02a},
        {&family_deberta_v2, 8, 64, 0xb9914c8d81f2eaaa},    {&family_deberta_v2, 12, 600, 0x76ed6e3828c19782},
    };
    for (size_t i = 0; i < COUNT(tables); i++) {
        const ModelConfig c = {.family = tables[i].family, .buckets = tables[i].buckets, .reach = tables[i].reach};
        uint64_t hash = 1;
        for (int64_t d = -600; d <= 600; d++) hash = (hash ^ relative_bucket(&c, d)) * 0x100000001b3u;
        if (hash != tables[i].hash) fail_msg("buckets %u, reach %u: they differ", c.buckets, c.reach);
    }
}

static bool tiny_on_step(void *context, const StepRecord *record, Err *err)
{
    (void)err;
    double **at = context;
    *(*at)++ = record->loss;
    return true;
}
static bool tiny_on_eval(void *context, const EvalRecord *record, Err *err)
{
    return (void)context, (void)record, err->code == 0;
}

static Training tiny_training(TinyModel *t)
{
    return (Training){
        .model = &t->model,
        .lora = t->with_lora ? &t->lora : NULL,
        .head = &t->head,
        .weights = t->weights,
        .train_encoder = !t->with_lora,
        .train = &t->split,
        .eval = &t->split,
        .choose = &t->split,
        .seed = 42,
        .hyper = {.epochs = 4, .batch_size = 3, .eval_batch_size = 2, .learning_rate = 1e-2f, .weight_decay = 0.1f}};
}

/* Rows of the word table that never have a gradient are only decayed, and lazily: the result must be the very bits that
 * multiplying at every step gives. */
static void test_unused_words_are_decayed_exactly(void **state)
{
    (void)state;
    TinyModel t;
    tiny_open(&t, "cpu", &family_bert, false, 0.1f);
    Training training = tiny_training(&t);
    training.hyper.epochs = 1; /* the end state is then the last step's, whichever epoch is best */
    float expected[12];
    memcpy(expected, t.weights.encoder + 20 * 12, sizeof expected); /* word 20 does not occur */
    const uint32_t steps = train_steps(&training.hyper, 4);
    for (uint32_t k = 0; k < steps; k++) {
        const float rate = (float)((double)training.hyper.learning_rate * (double)(steps - k) / (double)steps);
        for (int i = 0; i < 12; i++) expected[i] *= adamw_shrink(rate, training.hyper.weight_decay);
    }
    double losses[16], *at = losses;
    Err err = {0};
    assert_true(train_task(&t.device, &training, &(TrainObserver){&at, tiny_on_step, tiny_on_eval, NULL}, NULL, &err));
    assert_memory_equal(expected, t.weights.encoder + 20 * 12, sizeof expected);
    tiny_close(&t);
}

static void test_training_is_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    double losses[3][16];
    for (int f = 0; f < 2 * family_count; f++) {
        const int with_lora = f % 2;
        if (family_repeats(f / 2)) continue;
        float *result[3];
        TinyModel t[3];
        for (int i = 0; i < 3; i++) {
            Err err = {0};
            tiny_open(&t[i], "cpu", family_rows[f / 2], with_lora, 0.1f);
            threads_start(1 << i);
            double *at = losses[i];
            const Training training = tiny_training(&t[i]);
            assert_true(train_task(&t[i].device, &training, &(TrainObserver){&at, tiny_on_step, tiny_on_eval, NULL},
                                   NULL, &err));
            result[i] = with_lora ? t[i].weights.adapter : t[i].weights.encoder;
            assert_int_equal(at - losses[i], 8);
        }
        const size_t n = with_lora ? t[0].lora.layout.floats : t[0].model.encoder.floats;
        for (int i = 1; i < 3; i++) {
            assert_memory_equal(losses[0], losses[i], 8 * sizeof(double));
            assert_memory_equal(result[0], result[i], n * sizeof(float));
        }
        for (int i = 0; i < 3; i++) tiny_close(&t[i]);
    }
}

/* Fine-tuning with LoRA must not touch the shared encoder. */
static void test_lora_leaves_the_encoder_alone(void **state)
{
    (void)state;
    TinyModel t;
    Err err = {0};
    tiny_open(&t, "cpu", &family_bert, true, 0.1f);
    const size_t n = t.model.encoder.floats;
    float *before = arena_new(&t.arena, float, n);
    memcpy(before, t.weights.encoder, n * sizeof *before);
    double losses[16], *at = losses;
    const Training training = tiny_training(&t);
    assert_true(train_task(&t.device, &training, &(TrainObserver){&at, tiny_on_step, tiny_on_eval, NULL}, NULL, &err));
    assert_memory_equal(before, t.weights.encoder, n * sizeof *before);
    tiny_close(&t);
}

static void test_divergence_is_told(void **state)
{
    (void)state;
    TinyModel t;
    Err err = {0};
    tiny_open(&t, "cpu", &family_bert, false, 0);
    Training training = tiny_training(&t);
    t.weights.head[0] = NAN;
    double losses[16], *at = losses;
    assert_false(train_task(&t.device, &training, &(TrainObserver){&at, tiny_on_step, tiny_on_eval, NULL}, NULL, &err));
    assert_non_null(strstr(err.text, "training diverged: at step 1"));
    tiny_close(&t);
}

/* What PEFT and transformers report for roberta-base and MiniLM. */
static void test_trainable_parameters(void **state)
{
    (void)state;
    Arena arena = {0};
    const ModelConfig roberta = {.family = &family_roberta,
                                 .layers = 12,
                                 .hidden = 768,
                                 .embedding = 768,
                                 .heads = 12,
                                 .inner = 3072,
                                 .vocab = 50265,
                                 .positions = 514,
                                 .types = 1};
    const ModelConfig minilm = {.family = &family_bert,
                                .layers = 6,
                                .hidden = 384,
                                .embedding = 384,
                                .heads = 12,
                                .inner = 1536,
                                .vocab = 30522,
                                .positions = 512,
                                .types = 2};
    Head head2, head3, small;
    Lora lora = {.r = 8, .targets = LORA_QUERY | LORA_KEY | LORA_VALUE};
    Model model;
    head_layout(&arena, &roberta, 2, &head2);
    head_layout(&arena, &roberta, 3, &head3);
    head_layout(&arena, &minilm, 2, &small);
    lora_layout(&arena, &roberta, &lora);
    model_layout(&arena, &minilm, &model);
    assert_int_equal(lora.layout.floats, 442368);
    assert_int_equal(lora.layout.floats + head2.layout.floats, 1034498);
    assert_int_equal(lora.layout.floats + head3.layout.floats, 1035267);
    assert_int_equal(model.encoder.floats + small.layout.floats, 22713986);
    arena_free(&arena);
}

/* Indices beyond their tables are seen before anything is read by them. */
static void test_indices_are_checked(void **state)
{
    (void)state;
    const ModelConfig config = {.vocab = 10, .positions = 8, .types = 1};
    const DeviceBatch good = {.most_id = 9, .most_position = 7, .most_type = 0};
    DeviceBatch bad[] = {good, good, good};
    bad[0].most_id = 10;
    bad[1].most_position = 8;
    bad[2].most_type = 1;
    assert_null(batch_problem(&good, &config));
    for (size_t i = 0; i < COUNT(bad); i++) assert_non_null(batch_problem(&bad[i], &config));

    Device device;
    Err err = {0};
    assert_true(device_open(&device, "cpu", 1, &err));
    indices_expect(&device);
    /* ops are not run then */
    uint32_t stamp[] = {0, 8}, labels[] = {0, 2};
    const struct wake_rows_args late = {.stamp = stamp, .rows = 2, .step = 7};
    assert_string_equal(op_index_problem(OP_wake_rows, &late), "wake_rows: stamp: later than the step");
    const pid_t child = fork();
    if (child == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        RUN(&device, cross_entropy, .labels = labels, .rows = 2, .classes = 2);
        _exit(0);
    }
    int status = 0;
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
    device_close(&device);
}

/* docs/model-folders.md says of every key what the program's table says, and of no other. */
static void test_keys_are_documented(void **state)
{
    (void)state;
    static const FileKeys *const shared[] = {&config_keys,         &adapter_keys,        &tokenizer_config_keys,
                                             &special_map_keys,    &tokenizer_json_keys, &tokenizer_model_keys,
                                             &tokenizer_part_keys, &added_token_keys};
    static const char *const rules[] = {"applied", "harmless", "only ", "refused when set"};
    Arena arena = {0};
    Err err = {0};
    Str page;
    if (!file_read(&arena, "docs/model-folders.md", 1 << 20, &page, &err)) fail_msg("%s", err.text);
    for (size_t t = 0; t < COUNT(shared) + (size_t)family_count; t++) {
        const FileKeys *keys = t < COUNT(shared) ? shared[t] : &family_rows[t - COUNT(shared)]->config->keys;
        const char *heading = arena_printf(&arena, "\n## %s\n", keys->file), *at = strstr(page.at, heading);
        size_t rows = 0;
        if (!at) fail_msg("no section \"%s\"", keys->file);
        const char *end = strstr(at + 4, "\n## ");
        for (; (at = strstr(at, "\n| `")) && (!end || at < end); rows++, at++) {
            const char *name = arena_copy(&arena, at + 4, strcspn(at + 4, "`"));
            const FileKey *key = keys_find(keys, name);
            if (!key) fail_msg("%s: \"%s\" is in the page, not in the program", keys->file, name);
            const char *wanted = arena_printf(&arena, "\n| `%s` | %s%s |", name, rules[key->rule],
                                              key->rule == KEY_ONLY ? key->only : "");
            if (strncmp(at, wanted, strlen(wanted)) != 0) fail_msg("%s: the page lacks %s", keys->file, wanted + 1);
        }
        assert_int_equal(rows, keys->count);
    }
    arena_free(&arena);
}

/* Keys of config.json that would change what is computed are refused by name; a note is not. */
static void test_config_keys(void **state)
{
    (void)state;
    static const struct {
        const char *more, *message; /* NULL: legal */
    } cases[] = {
        {"\"is_decoder\": true", "\"is_decoder\" is true, which lethe does not support; it may be: false"},
        {"\"add_cross_attention\": true", "\"add_cross_attention\" is true"},
        {"\"is_encoder_decoder\": true", "\"is_encoder_decoder\" is true"},
        {"\"hidden_act\": \"relu\"", "\"hidden_act\" is \"relu\""},
        {"\"hidden_act\": \"gelu_new\"", "\"hidden_act\" is \"gelu_new\""},
        {"\"hidden_act\": \"gel\"", "\"hidden_act\" is \"gel\""},
        {"\"position_embedding_type\": \"relative_key\"", "\"position_embedding_type\" is \"relative_key\""},
        {"\"quantization_config\": {\"bits\": 8}", "\"quantization_config\" is set ({\"bits\":8})"},
        {"\"pruned_heads\": {\"0\": [1]}", "\"pruned_heads\" is set"},
        {"\"auto_map\": {\"AutoModel\": \"x.Y\"}", "\"auto_map\" is set"},
        {"\"rotary_dim\": 64", "\"rotary_dim\" is set (64), a key that lethe does not know"},
        {"\"some_switch\": true", "\"some_switch\" is set (true), a key that lethe does not know"},
        {"\"my_note\": \"trained on a Sunday\", \"some_switch\": false, \"some_list\": [], "
         "\"chunk_size_feed_forward\": 4",
         NULL},
        {"\"is_decoder\": null, \"hidden_act\": \"gelu\", \"pruned_heads\": {}, \"temperature\": 0.5", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Err err = {0};
        char json[1024];
        ModelConfig config;
        snprintf(json, sizeof json,
                 "{\"model_type\": \"bert\", \"num_hidden_layers\": 1, \"hidden_size\": 8, \"num_attention_heads\": 2, "
                 "\"intermediate_size\": 12, \"vocab_size\": 20, \"max_position_embeddings\": 16, %s}",
                 cases[i].more);
        const bool ok = model_config_parse(str(json), "config.json", &config, &err);
        if (ok != !cases[i].message || (!ok && !strstr(err.text, cases[i].message)))
            fail_msg("%s: %s", cases[i].more, ok ? "accepted" : err.text);
    }
}

/* F64 weights are rounded once, as a conversion to float does. */
static void test_wide_weights(void **state)
{
    (void)state;
    const double wide[] = {1, -0.1, 1e300, 0x1p-149};
    float out[4];
    const Tensor tensor = {.type = TENSOR_F64, .count = 4, .data = (const uint8_t *)wide};
    assert_true(tensor_is_float(&tensor));
    tensor_to_f32(&tensor, out);
    assert_true(out[0] == 1 && out[1] == -0.1f && isinf(out[2]) && out[3] == 0x1p-149f);
}

static const struct CMUnitTest model_tests[] = {
    cmocka_unit_test(test_frozen_parts_change_no_gradient),
    cmocka_unit_test(test_inference_equals_training_pass),
    cmocka_unit_test(test_buckets_of_distances),
    cmocka_unit_test(test_states_of_every_layer),
    cmocka_unit_test(test_unused_words_are_decayed_exactly),
    cmocka_unit_test(test_training_is_the_same_for_any_number_of_threads),
    cmocka_unit_test(test_lora_leaves_the_encoder_alone),
    cmocka_unit_test(test_divergence_is_told),
    cmocka_unit_test(test_trainable_parameters),
    cmocka_unit_test(test_indices_are_checked),
    cmocka_unit_test(test_keys_are_documented),
    cmocka_unit_test(test_config_keys),
    cmocka_unit_test(test_wide_weights),
};
