/* traps: files that look well and would be read as something else, through the command line. The BERT of
 * tests/golden/interchange, whose classes are no, perhaps and yes, is the model. */

#define TRAP T "traps/"
#define TRAP_PREDICT "lethe predict --device cpu --threads 1 --model "

/* A copy of the model in TRAP x, changed by a shell line in which $d is its folder. */
static void trap_model(const char *change)
{
    expect(sh("rm -rf " TRAP "x; mkdir -p " TRAP "; cp -r " HF "bert " TRAP "x; d=" TRAP "x; %s", change), 0, "");
}

/* -1 and - are a class where the model has one; rows without a label are counted. */
static void test_labels_of_minus_one(void **state)
{
    (void)state;
    trap_model("sed -i 's/\"0\": \"no\"/\"0\": \"-1\"/; s/\"no\": 0/\"-1\": 0/' $d/config.json; printf "
               "'text,label\\na film,-1\\na good one,perhaps\\na bad one,-\\n,yes\\n' >$d/x.csv");
    const Outcome *o = sh(TRAP_PREDICT TRAP "x --with label " TRAP "x/x.csv");
    expect(o, 0, "of 3 rows are labelled as in the file");
    expect(o, 0, "x.csv: 1 row has no label and is not counted in the accuracy\n");
    o = sh(TRAP_PREDICT HF "bert --with label " TRAP "x/x.csv");
    expect(o, 0, "of 2 rows are labelled as in the file");
    expect(o, 0, "x.csv: 2 rows have no label and are not counted in the accuracy\n");
}

#define TRAP_BAD(message, change)                                             \
    do {                                                                      \
        trap_model(change);                                                   \
        expect(sh("echo a film | build/" TRAP_PREDICT TRAP "x"), 1, message); \
    } while (0)
#define TRAP_BAD_ADAPTER(message, change)                                                         \
    do {                                                                                          \
        trap_model("cp " HF "bert-lora/* $d; " change);                                           \
        expect(sh("echo a film | build/" TRAP_PREDICT TRAP "x --adapter " TRAP "x"), 1, message); \
    } while (0)
/* A key in a JSON file that no longer has it. */
#define TRAP_KEY(file, key, value) "sed -i '/\"" key "\":/d; s/^{/{\\n  \"" key "\": " value ",/' $d/" file

/* A value of another type than its key has is never taken for something else. */
static void test_types_of_keys(void **state)
{
    (void)state;
    TRAP_BAD_ADAPTER("adapter_config.json: \"use_rslora\" must be true or false",
                     TRAP_KEY("adapter_config.json", "use_rslora", "1"));
    TRAP_BAD_ADAPTER("adapter_config.json: \"use_rslora\" must be true or false",
                     TRAP_KEY("adapter_config.json", "use_rslora", "\"true\""));
    TRAP_BAD_ADAPTER("adapter_config.json: \"r\" must be a whole number",
                     TRAP_KEY("adapter_config.json", "r", "\"4\""));
    TRAP_BAD("config.json: \"hidden_dropout_prob\" must be a number",
             TRAP_KEY("config.json", "hidden_dropout_prob", "\"0.1\""));
    TRAP_BAD("config.json: \"pad_token_id\" must be a whole number", TRAP_KEY("config.json", "pad_token_id", "[0]"));
    TRAP_BAD("tokenizer_config.json: \"do_lower_case\" must be true or false",
             TRAP_KEY("tokenizer_config.json", "do_lower_case", "1"));
    TRAP_BAD("tokenizer_config.json: \"cls_token\" must be a text or an object",
             TRAP_KEY("tokenizer_config.json", "cls_token", "5"));
}

/* Each key that is read has a type, in all tables. */
static void test_all_keys_have_types(void **state)
{
    static const FileKeys *const tables[] = {&config_keys,         &adapter_keys,        &tokenizer_config_keys,
                                             &special_map_keys,    &tokenizer_json_keys, &tokenizer_model_keys,
                                             &tokenizer_part_keys, &added_token_keys};
    (void)state;
    for (size_t t = 0; t < COUNT(tables); t++)
        for (size_t i = 0; i < tables[t]->count; i++) {
            const FileKey *key = &tables[t]->at[i];
            if (key->rule == KEY_APPLIED && !key->types) fail_msg("%s: %s has no type", tables[t]->file, key->name);
            for (int type = 0; type < 7 && key->types; type++) {
                static const char *const values[] = {"true", "1", "0.5", "\"x\"", "[]", "{}", "null"};
                Err err = {0};
                char json[128];
                snprintf(json, sizeof json, "{\"%s\": %s}", key->name, values[type]);
                json_t *object = json_loads(json, 0, NULL);
                const unsigned passes = key->types & (1u << type | (type == 1 ? TYPE_NUMBER : 0));
                if (keys_check(tables[t], object, "x.json", &err) != (passes != 0))
                    fail_msg("%s: %s: %s", tables[t]->file, json, err.text);
                json_decref(object);
            }
        }
}

/* A file of tensors without those that have `without` in their names; the one named `twice`, scaled, once more `as`. */
static void trap_tensors(const char *path, const char *without, const char *twice, const char *as)
{
    Arena arena = {0};
    Err err = {0};
    Safetensors old;
    size_t count = 0;
    if (!safetensors_open(&arena, path, &old, &err)) fail_msg("%s", err.text);
    Tensor *tensors = arena_new(&arena, Tensor, old.count + 1);
    for (size_t i = 0; i < old.count; i++) {
        Tensor t = old.tensors[i];
        if (without && strstr(t.name, without)) continue;
        float *data = arena_new(&arena, float, t.count);
        tensor_to_f32(&t, data);
        t.data = (const uint8_t *)data;
        t.type = TENSOR_F32;
        tensors[count++] = t;
        if (!twice || strcmp(t.name, twice) != 0) continue;
        float *other = arena_new(&arena, float, t.count);
        for (size_t k = 0; k < t.count; k++) other[k] = 2 * data[k];
        t.name = as;
        t.data = (const uint8_t *)other;
        tensors[count++] = t;
    }
    safetensors_close(&old);
    if (!safetensors_write(path, tensors, count, &err)) fail_msg("%s", err.text);
    arena_free(&arena);
}

/* One weight under two names: either may be meant. */
static void test_one_tensor_for_a_weight(void **state)
{
    static const char *const twice[][2] = {
        {"bert.embeddings.LayerNorm.weight", "bert.embeddings.LayerNorm.gamma"},
        {"bert.encoder.layer.0.output.LayerNorm.bias", "bert.encoder.layer.0.output.LayerNorm.beta"},
        {"bert.encoder.layer.0.output.dense.bias", "encoder.layer.0.output.dense.bias"},
        {"bert.pooler.dense.weight", "roberta.pooler.dense.weight"}};
    (void)state;
    for (size_t i = 0; i < COUNT(twice); i++) {
        trap_model("true");
        trap_tensors(TRAP "x/model.safetensors", NULL, twice[i][0], twice[i][1]);
        const Outcome *o = sh("echo a film | build/" TRAP_PREDICT TRAP "x");
        expect(o, 1, "are two tensors for one weight; take out");
        assert_non_null(strstr(o->err, twice[i][0]));
        assert_non_null(strstr(o->err, twice[i][1]));
    }
    trap_model("cp " HF "bert-lora/* $d");
    trap_tensors(TRAP "x/adapter_model.safetensors", NULL, "base_model.model.classifier.weight",
                 "base_model.model.bert.classifier.weight");
    expect(sh("echo a film | build/" TRAP_PREDICT TRAP "x --adapter " TRAP "x"), 1, "are two tensors for one weight");
}

/* A head that belongs to an adapter is in its file. */
static void test_saved_modules(void **state)
{
    (void)state;
    trap_model("cp " HF "bert-lora/* $d");
    trap_tensors(TRAP "x/adapter_model.safetensors", "classifier", NULL, NULL);
    expect(sh("echo a film | build/" TRAP_PREDICT TRAP "x --adapter " TRAP "x"), 1,
           "adapter_config.json: modules_to_save names \"classifier\", for which " TRAP
           "x/adapter_model.safetensors has no tensors");
    expect(sh("tr -d '\n' <" TRAP "x/adapter_config.json | sed 's/\"classifier\",  *//' >" TRAP "y && mv " TRAP
              "y " TRAP "x/adapter_config.json; echo a film | build/" TRAP_PREDICT TRAP "x --adapter " TRAP "x"),
           0, "");
}

/* What a tokenizer.json holds that is not BERT's or RoBERTa's is named by its type. */
static void test_tokenizer_parts_are_named(void **state)
{
#define TRAP_PIPELINE "{\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"u\", \"vocab\": {\"u\": 0, \"c\": 1}}"
    static const struct {
        const char *json, *message;
    } cases[] = {
        {TRAP_PIPELINE ", \"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}}}",
         "a normalizer of type \"Replace\" is not supported"},
        {TRAP_PIPELINE ", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", "
                       "\"prepend\": \"a\"}]}}",
         "a normalizer of type \"Prepend\" is not supported"},
        {TRAP_PIPELINE ", \"normalizer\": {\"type\": \"Strip\", \"strip_left\": true}}",
         "a normalizer of type \"Strip\" is not supported"},
        {TRAP_PIPELINE ", \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \"a\"}}}",
         "a pre_tokenizer of type \"Split\" is not supported"},
        {TRAP_PIPELINE ", \"post_processor\": {\"type\": \"Other\", \"x\": 1}}",
         "a post_processor of type \"Other\" is not supported"},
        {TRAP_PIPELINE ", \"post_processor\": {\"type\": \"RobertaProcessing\", \"cls\": [\"c\", 1], \"sep\": [\"c\", "
                       "1], \"trim_offsets\": true}}",
         "a RobertaProcessing needs \"trim_offsets\" and \"add_prefix_space\""},
        {TRAP_PIPELINE ", \"post_processor\": {\"type\": \"RobertaProcessing\", \"cls\": [\"c\", 1], \"sep\": [\"c\", "
                       "1], \"add_prefix_space\": true}}",
         "a RobertaProcessing needs \"trim_offsets\" and \"add_prefix_space\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = {0};
        Err err = {0};
        Tokenizer *tokenizer;
        if (tokenizer_from_json(&arena, str(cases[i].json), "t.json", &tokenizer, &err) ||
            !strstr(err.text, cases[i].message))
            fail_msg("case %zu: \"%s\", not \"%s\"", i, err.text, cases[i].message);
        arena_free(&arena);
    }
}

static const struct CMUnitTest traps_tests[] = {
    cmocka_unit_test(test_labels_of_minus_one), cmocka_unit_test(test_types_of_keys),
    cmocka_unit_test(test_all_keys_have_types), cmocka_unit_test(test_one_tensor_for_a_weight),
    cmocka_unit_test(test_saved_modules),       cmocka_unit_test(test_tokenizer_parts_are_named),
};
