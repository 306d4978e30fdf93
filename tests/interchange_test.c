/* interchange: what lethe writes for Hugging Face's libraries and PEFT, and what it reads of theirs, piece by piece;
 * interchange_command_test.c has the commands. */

static void test_safetensors_are_read_as_written(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    Safetensors file;
    const float a[6] = {1, -2, 0x1p-149f, 3.5f, -0.0f, 6}, b[1] = {7};
    const Tensor tensors[] = {
        {.name = "second.weight", .rank = 2, .shape = {2, 3}, .count = 6, .data = (const uint8_t *)a},
        {.name = "first \"bias\"", .rank = 1, .shape = {1}, .count = 1, .data = (const uint8_t *)b},
        {.name = "none", .rank = 2, .shape = {0, 4}, .count = 0, .data = NULL},
    };
    const char *path = tmp_path("written.safetensors");
    assert_true(safetensors_write(path, tensors, COUNT(tensors), &err));
    assert_true(safetensors_open(&arena, path, &file, &err));
    assert_int_equal(file.count, 3);
    uint64_t header;
    memcpy(&header, file.bytes.at, 8);
    assert_int_equal(header % 8, 0);
    assert_non_null(strstr(file.bytes.at + 8, "\"__metadata__\":{\"format\":\"pt\"}"));
    for (size_t i = 0; i < COUNT(tensors); i++) {
        const Tensor *t = safetensors_find(&file, tensors[i].name);
        assert_non_null(t);
        assert_int_equal(t->type, TENSOR_F32);
        assert_int_equal(t->rank, tensors[i].rank);
        for (int d = 0; d < t->rank; d++) assert_int_equal(t->shape[d], tensors[i].shape[d]);
        if (t->count) assert_memory_equal(t->data, tensors[i].data, t->count * 4);
    }
    safetensors_close(&file);
    assert_false(safetensors_write("build/test-tmp/no-folder/x", tensors, 1, &err));
    assert_non_null(strstr(err.text, "build/test-tmp/no-folder/x: cannot be written"));
    arena_free(&arena);
}

/* Whole numbers beyond 64 bits, as HF writes them, and all others as they were. */
static void test_wide_json(void **state)
{
    (void)state;
    Err err = {0};
    json_t *o;
    assert_true(json_parse_wide(S("{\"a\": 1000000000000000019884624838656, \"b\": [128, {\"c\": -3}], \"d\": 0.5}"),
                                "x", &o, &err));
    assert_true(json_is_real(json_object_get(o, "a")));
    char *text = json_dumps(json_object_get(o, "b"), JSON_COMPACT);
    assert_string_equal(text, "[128,{\"c\":-3}]");
    free(text);
    assert_true(json_real_value(json_object_get(o, "d")) == 0.5);
    json_decref(o);
    assert_false(json_parse_wide(S("[1]"), "x", &o, &err));
    assert_string_equal(err.text, "x: not a JSON object");
}

typedef struct Parts {
    Arena arena;
    Model model;
    Head head;
    Lora lora;
    float *adapter, *head_w, *adapter_back, *head_back;
} Parts;

static void parts_make(Parts *p, const char *config, uint32_t r, uint32_t targets)
{
    Err err = {0};
    ModelConfig c;
    *p = (Parts){.lora = {.r = r, .targets = targets, .alpha = 3, .drop = 0.1f}};
    if (!model_config_parse(str(config), "config.json", &c, &err)) fail_msg("%s", err.text);
    model_layout(&p->arena, &c, &p->model);
    head_layout(&p->arena, &c, 3, &p->head);
    lora_layout(&p->arena, &c, &p->lora);
    p->adapter = arena_new(&p->arena, float, p->lora.layout.floats);
    p->adapter_back = arena_new(&p->arena, float, p->lora.layout.floats);
    p->head_w = arena_new(&p->arena, float, p->head.layout.floats);
    p->head_back = arena_new(&p->arena, float, p->head.layout.floats);
    for (size_t i = 0; i < p->lora.layout.floats; i++) p->adapter[i] = random_normal(1, 2, i);
    for (size_t i = 0; i < p->head.layout.floats; i++) p->head_w[i] = random_normal(3, 4, i);
}

#define TINY_CONFIG(type, extra)                                                                                \
    "{\"model_type\": \"" type "\", \"num_hidden_layers\": 1, \"hidden_size\": 8, \"num_attention_heads\": 2, " \
    "\"intermediate_size\": 12, \"vocab_size\": 20, \"max_position_embeddings\": 16" extra "}"

/* The name and shape of every tensor of an adapter, as PEFT 0.21 has them, and the same bits back. */
static void test_adapters_are_read_as_written(void **state)
{
    (void)state;
    static const char *const bert[] = {"base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight 1 8",
                                       "base_model.model.bert.encoder.layer.0.attention.self.query.lora_B.weight 8 1",
                                       "base_model.model.bert.encoder.layer.0.attention.self.value.lora_A.weight 1 8",
                                       "base_model.model.bert.encoder.layer.0.attention.self.value.lora_B.weight 8 1",
                                       "base_model.model.classifier.bias 3",
                                       "base_model.model.classifier.weight 3 8"};
    static const char *const roberta[] = {
        "base_model.model.classifier.dense.bias 8",
        "base_model.model.classifier.dense.weight 8 8",
        "base_model.model.classifier.out_proj.bias 3",
        "base_model.model.classifier.out_proj.weight 3 8",
        "base_model.model.roberta.encoder.layer.0.attention.self.key.lora_A.weight 2 8",
        "base_model.model.roberta.encoder.layer.0.attention.self.key.lora_B.weight 8 2"};
    for (int turn = 0; turn < 2; turn++) {
        Parts p;
        Err err = {0};
        Safetensors file;
        bool has_head;
        const char *path = tmp_path("adapter.safetensors");
        const char *const *wanted = turn ? roberta : bert;
        parts_make(&p, turn ? TINY_CONFIG("roberta", ", \"type_vocab_size\": 1") : TINY_CONFIG("bert", ""),
                   turn ? 2 : 1, turn ? LORA_KEY : LORA_QUERY | LORA_VALUE);
        assert_true(peft_write(path, p.model.config.family, &p.lora, &p.head, p.adapter, p.head_w, &err));
        assert_true(safetensors_open(&p.arena, path, &file, &err));
        assert_int_equal(file.count, 6);
        for (size_t i = 0; i < file.count; i++) { /* by name */
            char text[200];
            int used = snprintf(text, sizeof text, "%s", file.tensors[i].name);
            for (int d = 0; d < file.tensors[i].rank; d++)
                used += snprintf(text + used, sizeof text - (size_t)used, " %d", (int)file.tensors[i].shape[d]);
            assert_string_equal(text, wanted[i]);
        }
        assert_int_equal(peft_classes(&file, p.model.config.family), 3);
        assert_true(peft_load(p.model.config.family, &p.lora, &p.head, &file, false, p.adapter_back, p.head_back,
                              &has_head, &err));
        assert_true(has_head);
        assert_memory_equal(p.adapter, p.adapter_back, p.lora.layout.floats * 4);
        assert_memory_equal(p.head_w, p.head_back, p.head.layout.floats * 4);
        /* an adapter of less, and of more, than the config says */
        Lora less = p.lora, more = p.lora;
        less.targets = LORA_QUERY;
        more.targets = 7;
        lora_layout(&p.arena, &p.model.config, &less);
        lora_layout(&p.arena, &p.model.config, &more);
        float *room = arena_new(&p.arena, float, more.layout.floats);
        assert_false(
            peft_load(p.model.config.family, &more, &p.head, &file, false, room, p.head_back, &has_head, &err));
        assert_non_null(strstr(err.text, "is missing"));
        err = (Err){0};
        assert_false(
            peft_load(p.model.config.family, &less, &p.head, &file, false, room, p.head_back, &has_head, &err));
        assert_non_null(strstr(err.text, turn ? "query.lora_A.weight\" is missing"
                                              : "value.lora_A.weight\" is of no use to lethe"));
        safetensors_close(&file);
        arena_free(&p.arena);
    }
}

/* token_type_embeddings has one row in RoBERTa: a matrix [1][H] all the same. */
static void test_vectors_and_matrices(void **state)
{
    (void)state;
    Parts p;
    parts_make(&p, TINY_CONFIG("roberta", ", \"type_vocab_size\": 1"), 1, 7);
    Tensor *tensors = arena_new(&p.arena, Tensor, p.model.encoder.count);
    layout_tensors(&p.arena, &p.model.encoder, "roberta.", arena_new(&p.arena, float, p.model.encoder.floats), tensors);
    for (int i = 0; i < p.model.encoder.count; i++) {
        const Str name = str(tensors[i].name);
        const bool vector = str_ends(name, S(".bias")) || strstr(name.at, "LayerNorm");
        assert_int_equal(tensors[i].rank, vector ? 1 : 2);
        if (str_ends(name, S("token_type_embeddings.weight"))) assert_int_equal(tensors[i].shape[0], 1);
    }
    arena_free(&p.arena);
}

#define PEFT(more) \
    "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 8, \"target_modules\": [\"query\", \"value\"]" more "}"

static void test_adapter_configs(void **state)
{
    (void)state;
    static const struct {
        const char *json, *message;
    } bad[] = {
        {"{}", "peft_type \"\" is not supported"},
        {"{\"peft_type\": \"LOHA\"}", "peft_type \"LOHA\" is not supported"},
        {"{\"peft_type\": \"LORA\", \"lora_alpha\": 1, \"target_modules\": [\"query\"]}", "\"r\" is missing"},
        {"{\"peft_type\": \"LORA\", \"r\": 0, \"lora_alpha\": 1}", "\"r\" is 0, outside 1 to 1024"},
        {"{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 1, \"target_modules\": 3}",
         "\"target_modules\" must be a text or a list"},
        {"{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 1, \"target_modules\": [\"query\", \"LayerNorm\"]}",
         "holds \"LayerNorm\""},
        {PEFT(", \"init_lora_weights\": \"pissa\""),
         "\"init_lora_weights\" is \"pissa\", which lethe does not support"},
        {PEFT(", \"init_lora_weights\": \"pissa_niter_4\""), "\"init_lora_weights\" is \"pissa_niter_4\""},
        {PEFT(", \"init_lora_weights\": \"olora\""), "\"init_lora_weights\" is \"olora\""},
        {PEFT(", \"init_lora_weights\": \"corda\""), "\"init_lora_weights\" is \"corda\""},
        {PEFT(", \"init_lora_weights\": \"lora_ga\""), "\"init_lora_weights\" is \"lora_ga\""},
        {PEFT(", \"init_lora_weights\": \"loftq\""), "\"init_lora_weights\" is \"loftq\""},
        {PEFT(", \"init_lora_weights\": \"gauss\""), "\"init_lora_weights\" is \"gauss\""},
        {PEFT(", \"fan_in_fan_out\": true"), "\"fan_in_fan_out\" is true"},
        {PEFT(", \"trainable_token_indices\": [1]"), "\"trainable_token_indices\" is set ([1])"},
        {PEFT(", \"lora_bias\": true"), "\"lora_bias\" is true"},
        {PEFT(", \"something_new\": 0.5"), "\"something_new\" is set (0.5), a key that lethe does not know"},
        {PEFT(", \"something_new\": \"fancy\""), "\"something_new\" is set (\"fancy\"), a key that"},
        {PEFT(", \"use_dora\": true"), "\"use_dora\" is true, which lethe does not support; it may be: false"},
        {PEFT(", \"use_something_new\": {\"x\": 1}"), "\"use_something_new\" is set"},
        {PEFT(", \"rank_pattern\": {\"query\": 2}"), "\"rank_pattern\" is set"},
        {PEFT(", \"layers_to_transform\": [0]"), "\"layers_to_transform\" is set"},
        {PEFT(", \"bias\": \"all\""), "\"bias\" is \"all\", which lethe does not support; it may be: \"none\""},
        {"[]", "not a JSON object"},
    };
    Lora lora;
    for (size_t i = 0; i < COUNT(bad); i++) {
        Err err = {0};
        assert_false(peft_config_parse(str(bad[i].json), "adapter_config.json", &family_bert, NULL, &lora, &err));
        if (!strstr(err.text, bad[i].message)) fail_msg("%s\nwanted: %s", err.text, bad[i].message);
    }
    static const char *const inits[] = {"true", "false", "null", "\"gaussian\"", "\"orthogonal\"", "\"eva\""};
    for (size_t i = 0; i < COUNT(inits); i++) {
        Err none = {0};
        char json[256];
        snprintf(json, sizeof json, PEFT(", \"init_lora_weights\": %s, \"something_new\": {\"a\": [null, false]}"),
                 inits[i]);
        if (!peft_config_parse(str(json), "x", &family_bert, NULL, &lora, &none)) fail_msg("%s", none.text);
    }
    Err err = {0};
    assert_true(peft_config_parse(
        S(PEFT(", \"use_dora\": false, \"rank_pattern\": {}, \"exclude_modules\": null, \"lora_dropout\": 0.1")), "x",
        &family_bert, NULL, &lora, &err));
    assert_true(lora.r == 4 && lora.alpha == 8 && lora.drop == 0.1f && lora.targets == (LORA_QUERY | LORA_VALUE));
    assert_true(peft_config_parse(S(PEFT(", \"use_rslora\": true")), "x", &family_bert, NULL, &lora, &err));
    assert_true(lora.alpha == 16); /* 8 / sqrt(4) = 16 / 4 */

    const Lora written = {.r = 8, .targets = LORA_KEY, .alpha = 16.25f, .drop = 0.1f};
    json_t *config = peft_config(&family_bert, &written, NULL);
    char *text = json_dumps(config, JSON_COMPACT | JSON_REAL_PRECISION(9));
    assert_non_null(strstr(text, "\"lora_dropout\":0.1,"));
    assert_true(peft_config_parse(str(text), "x", &family_bert, NULL, &lora, &err));
    assert_true(lora.r == 8 && lora.alpha == 16.25f && lora.drop == 0.1f && lora.targets == LORA_KEY);
    free(text);
    json_decref(config);
}

static void test_class_names(void **state)
{
    (void)state;
    static const struct {
        const char *json, *message;
    } bad[] = {
        {"{\"id2label\": {\"0\": \"a\"}}", "a classifier of 1 classes; 2 to 1000 are possible"},
        {"{\"id2label\": {\"0\": \"a\", \"2\": \"b\"}}", "has no name for class 1 of 2"},
        {"{\"id2label\": {\"0\": \"a\", \"1\": \"a\"}}", "two classes have the name \"a\""},
        {"{\"id2label\": [\"a\", \"b\"]}", "\"id2label\" is not an object"},
        {"{\"num_labels\": 5000000000}", "\"num_labels\" is 5000000000"},
        {"{\"problem_type\": \"multi_label_classification\"}",
         "problem_type \"multi_label_classification\" is not supported"},
    };
    Arena arena = {0};
    Labels labels;
    for (size_t i = 0; i < COUNT(bad); i++) {
        Err err = {0};
        assert_false(labels_parse(&arena, str(bad[i].json), "config.json", &labels, &err));
        if (!strstr(err.text, bad[i].message)) fail_msg("%s\nwanted: %s", err.text, bad[i].message);
    }
    Err err = {0};
    assert_true(labels_parse(&arena, S("{}"), "x", &labels, &err));
    assert_int_equal(labels.classes, 2);
    assert_string_equal(labels.names[1], "LABEL_1");
    assert_true(
        labels_parse(&arena, S("{\"id2label\": {\"1\": \"b\", \"0\": \"a\", \"2\": \"c\"}}"), "x", &labels, &err));
    assert_int_equal(labels.classes, 3);
    assert_string_equal(labels.names[0], "a");

    json_t *encoder =
        json_loads("{\"model_type\": \"bert\", \"dtype\": \"float16\", \"num_labels\": 7, \"vocab_size\": 9}", 0, NULL);
    json_t *config = labels_config(encoder, &family_bert, &labels);
    char *text = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text,
                        "{\"architectures\":[\"BertForSequenceClassification\"],"
                        "\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"},\"label2id\":{\"a\":0,\"b\":1,\"c\":2},"
                        "\"model_type\":\"bert\",\"problem_type\":\"single_label_classification\","
                        "\"torch_dtype\":\"float32\",\"vocab_size\":9}");
    free(text);
    json_decref(encoder);
    json_decref(config);
    arena_free(&arena);
}

#define KEPT(tasks)                                                                                            \
    "{\"seed\": 1, \"max_length\": 16, \"own_encoder\": true, \"pretrained\": {\"folder\": null, \"sha256\": " \
    "\"0123456789012345678901234567890123456789012345678901234567890123\"}, \"tasks\": " tasks "}"

static void test_kept_models(void **state)
{
    (void)state;
    static const struct {
        const char *json, *message;
        int code;
    } bad[] = {
        {"{}", "\"seed\" is missing", 1},
        {"{\"seed\": 1, \"max_length\": 16}", "\"own_encoder\" is missing; is this a file that lethe wrote?", 1},
        {KEPT("[]"), "--task a: not a task of this run, which has none", 2},
        {KEPT("[{\"name\": \"b\", \"class_names\": [\"x\", \"y\"]}]"), "--task a: not a task of this run, which has b",
         2},
        {KEPT("[{\"name\": \"../a\", \"class_names\": [\"x\", \"y\"]}]"), "task 1 has no usable name", 1},
        {KEPT("[{\"name\": \"a\", \"class_names\": [\"x\"]}]"), "task 1 has no usable name or class_names", 1},
        {KEPT("[{\"name\": \"a\", \"class_names\": [\"x\", 1]}]"), "a class of task \"a\" has no name", 1},
        {KEPT("[{\"name\": \"a\", \"class_names\": [\"x\", \"x\"]}]"), "two classes have the name \"x\"", 1},
    };
    Arena arena = {0};
    KeptModel kept;
    for (size_t i = 0; i < COUNT(bad); i++) {
        Err err = {0};
        assert_false(kept_parse(&arena, str(bad[i].json), "model.json", "a", &kept, &err));
        if (!strstr(err.text, bad[i].message)) fail_msg("%s\nwanted: %s", err.text, bad[i].message);
        assert_int_equal(err.code, bad[i].code);
    }
    Err err = {0};
    assert_true(kept_parse(&arena,
                           S(KEPT("[{\"name\": \"b\", \"class_names\": [\"x\", \"y\"]}, {\"name\": \"a\", "
                                  "\"class_names\": [\"1\", \"2\", \"3\"]}]")),
                           "model.json", "a", &kept, &err));
    assert_int_equal(kept.labels.classes, 3);
    assert_true(kept.own_encoder && kept.seed == 1 && kept.max_length == 16 && !kept.pretrained);
    static const char *const plain[] = {"full", "ewc+replay", "a.b-c_D9"}, *const wild[] = {"",    ".",       "..",
                                                                                            "a/b", ".hidden", "a b",
                                                                                            "a\n"};
    for (size_t i = 0; i < COUNT(plain); i++) assert_true(kept_name_is_plain(plain[i]));
    for (size_t i = 0; i < COUNT(wild); i++) assert_false(kept_name_is_plain(wild[i]));
    arena_free(&arena);
}

/* ---- rows ---- */

static void rows_want(RowReader *r, const char *text, const char *pair)
{
    Err err = {0};
    Example row;
    RowState state;
    if (!rows_next(r, true, &row, &state, &err)) fail_msg("%s", err.text);
    assert_int_equal(state, text ? ROW_READ : ROW_ENDED);
    if (!text) return;
    assert_true(str_equal(row.text, str(text)));
    assert_int_equal(row.pair.at != NULL, pair != NULL);
    if (pair) assert_true(str_equal(row.pair, str(pair)));
}

static void test_rows(void **state)
{
    (void)state;
    RowReader r;
    Err err = {0};
    Example row;
    RowState at;
    tmp_write("rows", S("one\ntwo\tpair of it\r\n\n\t\nlast"));
    assert_true(rows_open(&r, tmp_path("rows"), false, &err));
    rows_want(&r, "one", NULL);
    rows_want(&r, "two", "pair of it");
    rows_want(&r, "", NULL);
    rows_want(&r, "", "");
    rows_want(&r, "last", NULL);
    rows_want(&r, NULL, NULL);
    rows_close(&r);
    assert_false(rows_open(&r, "tests", false, &err));
    assert_string_equal(err.text, "tests: this is a folder, a file is needed");
    rows_close(&r);
    assert_false(rows_open(&r, "no-such-file", false, &(Err){0}));
    rows_close(&r);

    /* one line of the most bytes, one of one byte more */
    Arena arena = {0};
    char *bytes = arena_new(&arena, char, 2 * ROW_MOST_BYTES + 10);
    memset(bytes, 'x', 2 * ROW_MOST_BYTES + 10);
    memcpy(bytes + ROW_MOST_BYTES, "\r\n", 2);
    bytes[2 * ROW_MOST_BYTES + 3] = '\n';
    tmp_write("rows", (Str){bytes, 2 * ROW_MOST_BYTES + 10});
    assert_true(rows_open(&r, tmp_path("rows"), false, &(Err){0}));
    err = (Err){0};
    assert_true(rows_next(&r, true, &row, &at, &err));
    assert_int_equal(row.text.size, ROW_MOST_BYTES);
    assert_false(rows_next(&r, true, &row, &at, &err));
    assert_non_null(strstr(err.text, "rows, line 2: longer than 1048576 bytes"));
    rows_close(&r);
    arena_free(&arena);

    tmp_write(
        "rows",
        S("{\"text\": \"a\\n\", \"pair\": \"\\u00e9\"}\n{\"text\": \"b\", \"pair\": null}\n{\"text\": 1}\n{\"text\": "
          "[1]}\n"));
    assert_true(rows_open(&r, tmp_path("rows"), true, &(Err){0}));
    rows_want(&r, "a\n", "\u00e9");
    rows_want(&r, "b", NULL);
    rows_want(&r, "1", NULL); /* as in a table */
    err = (Err){0};
    assert_false(rows_next(&r, true, &row, &at, &err));
    assert_non_null(strstr(err.text, "rows, line 4: an object"));
    rows_close(&r);
}

/* From a pipe: what has arrived is there without waiting, and no more. */
static void test_rows_as_they_come(void **state)
{
    (void)state;
    int ends[2];
    RowReader r;
    Err err = {0};
    Example row;
    RowState at;
    assert_int_equal(pipe(ends), 0);
    assert_true(rows_open(&r, tmp_path("rows"), false, &err));
    assert_int_equal(dup2(ends[0], (int)r.file), r.file);
    assert_int_equal(write(ends[1], "a\nb\nc", 5), 5);
    rows_want(&r, "a", NULL);
    assert_true(rows_next(&r, false, &row, &at, &err));
    assert_true(at == ROW_READ && str_equal(row.text, S("b")));
    assert_true(rows_next(&r, false, &row, &at, &err));
    assert_int_equal(at, ROW_NOT_YET);
    assert_int_equal(write(ends[1], "d\n", 2), 2);
    rows_want(&r, "cd", NULL);
    assert_int_equal(write(ends[1], "e", 1), 1);
    close(ends[1]);
    rows_want(&r, "e", NULL);
    rows_want(&r, NULL, NULL);
    close(ends[0]);
    rows_close(&r);
}

static const char *only_method(const char *out, const char *const *kept, Err *err)
{
    static Arena arena;
    *err = (Err){0};
    arena_free(&arena);
    for (int i = 0; i < 3 && kept[i]; i++) {
        const char *folder = arena_printf(&arena, "%s/models/%s", tmp_path(out), kept[i]);
        if (!folder_make(folder, err) || !file_write(arena_printf(&arena, "%s/model.json", folder), S("{}"), err))
            fail_msg("%s", err->text);
    }
    return kept_only_method(&arena, tmp_path(out), err);
}

/* Which method is meant when none is named does not depend on the order in which the folder is read, nor on a name that
 * is part of another. */
static void test_the_method_that_is_kept(void **state)
{
    (void)state;
    static const char *const several[][3] = {{"lora", "lora-seq"}, {"ewc+replay", "ewc"}, {"lwf", "lwf+replay"},
                                             {"si+replay", "si"},  {"mas", "mas+replay"}, {"l2sp+replay", "l2sp"}};
    Err err;
    for (size_t i = 0; i < COUNT(several); i++) {
        char out[32];
        snprintf(out, sizeof out, "several-%zu", i);
        const char *method = only_method(out, several[i], &err);
        if (method) fail_msg("%s and %s: %s was chosen", several[i][0], several[i][1], method);
        assert_int_equal(err.code, EXIT_USAGE);
        assert_non_null(strstr(err.text, "keeps several methods: choose with --method one of "));
    }
    assert_string_equal(only_method("seeds", (const char *[3]){"ewc-seed1", "ewc-seed2"}, &err), "ewc");
    assert_string_equal(only_method("with-full", (const char *[3]){"ewc", "full-seed1", "lora"}, &err), "full");
    assert_null(only_method("none", (const char *[3]){NULL}, &err));
    assert_non_null(strstr(err.text, "keeps no trained models"));
}

/* A name stands for what PEFT takes it for: every module that ends in it. */
static void test_target_names(void **state)
{
    (void)state;
    static const struct {
        const Family *family;
        const char *name;
        uint32_t targets;
    } named[] = {
        {&family_bert, "query", LORA_QUERY},
        {&family_bert, "dense", LORA_CONTEXT | LORA_UP | LORA_DOWN | LORA_POOLER},
        {&family_bert, "output.dense", LORA_CONTEXT | LORA_DOWN},
        {&family_bert, "attention.output.dense", LORA_CONTEXT},
        {&family_bert, "bert.encoder.layer.3.output.dense", LORA_DOWN},
        {&family_bert, "bert.encoder.layer.3.attention.output.dense", LORA_CONTEXT},
        {&family_bert, "bert.pooler.dense", LORA_POOLER},
        {&family_bert, "ense", 0},
        {&family_bert, "", 0},
        {&family_roberta, "classifier.dense", 0},
        {&family_electra, "embeddings_project", LORA_PROJECT},
        {&family_albert, "albert.pooler", LORA_POOLER},
        {&family_albert, "ffn", LORA_UP},
        {&family_deberta_v2, "pooler.dense", 0},
        {&family_mpnet, "o", LORA_CONTEXT},
        {&family_modernbert, "Wo", LORA_CONTEXT | LORA_DOWN},
    };
    static const char *const names[] = {
        "query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense", NULL, "pooler.dense"};
    for (size_t i = 0; i < COUNT(named); i++)
        if (family_named(named[i].family, str(named[i].name)) != named[i].targets) fail_msg("%s", named[i].name);
    for (int t = 0; t < LORA_TARGETS; t++) {
        if (names[t]) assert_string_equal(family_target(&family_bert, t), names[t]);
        if (!names[t]) assert_null(family_target(&family_bert, t));
    }
    Lora lora; /* what PEFT saves of a RoBERTa's all-linear; and of one module of each layer that no name tells apart */
    Err err = {0};
    Parts p;
    assert_true(peft_config_parse(S("{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 2, \"target_modules\": "
                                    "[\"dense\", \"key\", \"out_proj\", \"query\", \"value\"]}"),
                                  "x", &family_roberta, NULL, &lora, &err));
    assert_int_equal(lora.targets, family_linear(&family_roberta));
    parts_make(&p, TINY_CONFIG("bert", ""), 1, LORA_DOWN);
    json_t *config = peft_config(&family_bert, &p.lora, NULL);
    assert_string_equal(json_string_value(json_array_get(json_object_get(config, "target_modules"), 0)),
                        "bert.encoder.layer.0.output.dense");
    json_decref(config);
    arena_free(&p.arena);
}

/* An adapter's targets are those of its tensors, however target_modules spells them. */
static void test_adapter_targets(void **state)
{
    (void)state;
#define LAYER "bert.encoder.layer.0.attention.self."
    static const struct {
        const char *targets, *message; /* NULL: fits query and value */
    } cases[] = {
        {"[\"query\", \"value\"]", NULL},
        {"[\"attention.self.query\", \"self.value\"]", NULL},
        {"[\"" LAYER "query\", \"" LAYER "value\"]", NULL},
        {"\".*(query|value)\"", NULL},
        {"\"all-linear\"", NULL},
        {"[\"query\"]", "target_modules does not name \"" LAYER "value\""},
        {"[\"query\", \"value\", \"key\"]", "target_modules names \"key\", for which"},
        {"[\"query\", \"bert.encoder.layer.1.attention.self.value\"]", "does not name \"" LAYER "value\""},
        {"[\"xquery\", \"value\"]", "holds \"xquery\""},
        {"[]", "neither a list of names nor a text"},
        {"\"\"", "neither a list of names nor a text"},
    };
#undef LAYER
    Parts p;
    Err err = {0};
    Safetensors file;
    const char *path = tmp_path("targets.safetensors");
    parts_make(&p, TINY_CONFIG("bert", ""), 1, LORA_QUERY | LORA_VALUE);
    assert_true(peft_write(path, p.model.config.family, &p.lora, &p.head, p.adapter, p.head_w, &err));
    assert_true(safetensors_open(&p.arena, path, &file, &err));
    for (size_t i = 0; i < COUNT(cases); i++) {
        char json[512];
        Lora lora;
        err = (Err){0};
        snprintf(json, sizeof json, "{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 2, \"target_modules\": %s}",
                 cases[i].targets);
        const bool ok = peft_config_parse(str(json), "adapter_config.json", &family_bert, &file, &lora, &err);
        if (ok != !cases[i].message || (!ok && !strstr(err.text, cases[i].message)))
            fail_msg("%s: %s", cases[i].targets, ok ? "accepted" : err.text);
        if (ok) assert_int_equal(lora.targets, LORA_QUERY | LORA_VALUE);
    }
    safetensors_close(&file);
    arena_free(&p.arena);
}

static const struct CMUnitTest interchange_tests[] = {
    cmocka_unit_test(test_target_names),
    cmocka_unit_test(test_safetensors_are_read_as_written),
    cmocka_unit_test(test_wide_json),
    cmocka_unit_test(test_adapters_are_read_as_written),
    cmocka_unit_test(test_vectors_and_matrices),
    cmocka_unit_test(test_adapter_configs),
    cmocka_unit_test(test_class_names),
    cmocka_unit_test(test_kept_models),
    cmocka_unit_test(test_rows),
    cmocka_unit_test(test_rows_as_they_come),
    cmocka_unit_test(test_the_method_that_is_kept),
    cmocka_unit_test(test_adapter_targets),
};
