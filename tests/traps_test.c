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
    static const FileKeys *const shared[] = {&config_keys,         &adapter_keys,        &tokenizer_config_keys,
                                             &special_map_keys,    &tokenizer_json_keys, &tokenizer_model_keys,
                                             &tokenizer_part_keys, &added_token_keys};
    (void)state;
    for (size_t t = 0; t < COUNT(shared) + (size_t)family_count; t++) {
        const FileKeys *keys = t < COUNT(shared) ? shared[t] : &family_rows[t - COUNT(shared)]->config->keys;
        for (size_t i = 0; i < keys->count; i++) {
            const FileKey *key = &keys->at[i];
            if (key->rule == KEY_APPLIED && !key->types) fail_msg("%s: %s has no type", keys->file, key->name);
            for (int type = 0; type < 7 && key->types; type++) {
                static const char *const values[] = {"true", "1", "0.5", "\"x\"", "[]", "{}", "null"};
                Err err = {0};
                char json[128];
                snprintf(json, sizeof json, "{\"%s\": %s}", key->name, values[type]);
                json_t *object = json_loads(json, 0, NULL);
                const unsigned passes = key->types & (1u << type | (type == 1 ? TYPE_NUMBER : 0));
                if (keys_check(keys, object, "x.json", &err) != (passes != 0))
                    fail_msg("%s: %s: %s", keys->file, json, err.text);
                json_decref(object);
            }
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
         "Replace needs a \"pattern\" and a \"content\""},
        {TRAP_PIPELINE ", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Other\", "
                       "\"prepend\": \"a\"}]}}",
         "a normalizer of type \"Other\" is not supported"},
        {TRAP_PIPELINE ", \"normalizer\": {\"type\": \"Strip\", \"strip_left\": true}}",
         "Strip needs \"strip_left\" and \"strip_right\""},
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

/* ---- what a run repeats ---- */

#define TRAP_RUN \
    "lethe run --quiet --device cpu --threads 1 --method full --max-length 16 --no-diagnostics --keep-models none "

static void trap_task(const char *train)
{
    expect(sh("mkdir -p " TRAP "; for i in 1 2 3 4 5 6; do echo \"%s $i,$((i%%2))\"; done | sed '1i text,label' >" TRAP
              "tr.csv; sed 's/%s/bad/' " TRAP "tr.csv >" TRAP "ev.csv",
              train, train),
           0, "");
}

static void test_repeated_runs(void **state)
{
    (void)state;
    trap_model("rm -rf build/test-tmp/traps/o1 build/test-tmp/traps/o2");
    trap_task("good");
    expect(sh(TRAP_RUN "--epochs 1 --model " TRAP "x --out " TRAP "o1 --task a=" TRAP "tr.csv," TRAP "ev.csv"), 0, "");
    expect(sh(TRAP_RUN "--config " TRAP "o1/config.json --out " TRAP "o2"), 0, "");
    trap_task("other");
#define TRAP_CHANGED \
    TRAP "o1/config.json: " TRAP "tr.csv is not the file that it was for task a; leave --config out, or name it"
    expect(sh(TRAP_RUN "--config " TRAP "o1/config.json --out " TRAP "o3"), 1, TRAP_CHANGED);
    expect(sh(TRAP_RUN "--dry-run --config " TRAP "o1/config.json --out " TRAP "o3"), 1, TRAP_CHANGED);
    expect(sh(TRAP_RUN "--epochs 1 --model " TRAP "x --out " TRAP "o1 --task a=" TRAP "tr.csv," TRAP "ev.csv"), 1,
           "o1 holds a run of another configuration: " TRAP "tr.csv is not the file that it was for task a; choose");
    expect(sh(TRAP_RUN "--dry-run --config " TRAP "o1/config.json --out " TRAP "o3 --task a=" TRAP "tr.csv," TRAP
                       "ev.csv"),
           0, "");
    trap_task("good");
    trap_tensors(TRAP "x/model.safetensors", "pooler", NULL, NULL);
    expect(sh(TRAP_RUN "--config " TRAP "o1/config.json --out " TRAP "o3"), 1,
           "config.json: the weights of " TRAP "x are not those that they were; leave --config out");
    expect(sh(TRAP_RUN "--dry-run --config " TRAP "o1/config.json --out " TRAP "o3 --model " TRAP "x"), 0, "");
    /* people write numbers as numbers */
    trap_model("sed 's/\"epochs\": \"1\"/\"epochs\": 2/' build/test-tmp/traps/o1/config.json >$d/c.json");
    const Outcome *o = sh(TRAP_RUN "--dry-run --config " TRAP "x/c.json");
    expect(o, 0, "");
    assert_non_null(strstr(o->out, "2 epochs of"));
    expect(sh("sed -i 's/\"epochs\": 2/\"epochs\": [2]/' " TRAP "x/c.json; " TRAP_RUN "--config " TRAP "x/c.json"), 1,
           "option \"epochs\" must be a text or a number");
}

/* ---- rows ---- */

static void test_rows_are_counted(void **state)
{
    (void)state;
    trap_model("printf 'text\na\n\"\"\n\nb\n' >$d/one.csv; printf '{\"text\":\"a\\u0000b\"}\n\n{\"text\":\"c "
               "\\ud83d\"}\n{\"text\": 7}\n' >$d/x.jsonl");
#define TRAP_TOKENS "lethe tokenize --model " TRAP "x "
    const Outcome *o = sh(TRAP_PREDICT TRAP "x --with row,text " TRAP "x/one.csv");
    expect(o, 0, "");
    assert_int_equal(lines_of(o->out), 3);
    assert_non_null(strstr(o->out, "{\"row\":2,\"text\":\"\","));
    assert_int_equal(lines_of(sh(TRAP_TOKENS TRAP "x/one.csv")->out), 3);
    /* JSON lines are what a table of them is */
    assert_string_equal(sh(TRAP_PREDICT TRAP "x --with row,text " TRAP "x/x.jsonl >" TRAP "y; build/" TRAP_PREDICT TRAP
                                             "x --with row,text --jsonl <" TRAP "x/x.jsonl | diff - " TRAP
                                             "y; wc -l <" TRAP "y")
                            ->out,
                        "3\n");
    assert_string_equal(sh(TRAP_TOKENS TRAP "x/x.jsonl >" TRAP "y; build/" TRAP_TOKENS "--jsonl <" TRAP
                                            "x/x.jsonl | diff - " TRAP "y; wc -l <" TRAP "y")
                            ->out,
                        "3\n");
    /* lines that were converted twice; texts that begin like other files; a NUL is no UTF-16 */
    assert_string_equal(sh("printf 'a\r\r\nb\r\n' | build/" TRAP_PREDICT TRAP "x --with text | cut -d, -f1")->out,
                        "{\"text\":\"a\"\n{\"text\":\"b\"\n");
    static const char *const texts[] = {
        "GGUF is good",     "SQLite format 3 is good", "PAR1 is good",  "ARROW1",   "FEA1 x",
        "%PDF-1.4 is good", "<html> is a tag",         "<?xml is good", "a\\000bc", "ab\\000"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        o = sh("printf '%%b\\n' '%s' | build/" TRAP_PREDICT TRAP "x", texts[i]);
        expect(o, 0, "");
        assert_int_equal(lines_of(o->out), 1);
    }
    expect(sh("printf 'text,label\na\\000b,1\n' >" TRAP "x/n.csv; " TRAP_PREDICT TRAP "x " TRAP "x/n.csv"), 1,
           "n.csv, line 2: a NUL byte; is this a text file?");
    /* two tables in one file; the answers of predict --to beside the file's own labels */
    expect(
        sh("printf 'text,label\na,1\ntext,label\nb,0\n' >" TRAP "x/two.csv; " TRAP_PREDICT TRAP "x " TRAP "x/two.csv"),
        1, "two.csv, line 3: the header once more; are these two tables in one file?");
    expect(sh("printf 'text,label,probability,gold_label\na,no,1,yes\n' >" TRAP "x/g.csv; " TRAP_PREDICT TRAP
              "x --with label " TRAP "x/g.csv"),
           0, "");
    assert_non_null(strstr(sh(TRAP_PREDICT TRAP "x --with label " TRAP "x/g.csv")->out, "\"gold_label\":\"yes\""));
}

/* ---- limits of the system ---- */

static void test_small_limits(void **state)
{
    (void)state;
    trap_model("for i in $(seq 300); do echo good $i; done >$d/many");
    trap_task("good");
    expect(sh("ulimit -s 256; echo good | build/" TRAP_PREDICT TRAP "x"), 0, "");
    expect(
        sh("ulimit -s 256; " TRAP_RUN "--threads 2 --dry-run --model " TRAP "x --task a=" TRAP "tr.csv," TRAP "ev.csv"),
        0, "");
    expect(sh("ulimit -f 2; " TRAP_PREDICT TRAP "x " TRAP "x/many >" TRAP "big"), 1,
           "writing to stdout failed: File too large");
}

/* ---- plans ---- */

static void test_grids(void **state)
{
    (void)state;
    trap_task("good");
#define TRAP_PLAN "lethe plan --for parallel --task a=" TRAP "tr.csv," TRAP "ev.csv "
    expect(sh(TRAP_PLAN "--grid seed=1,1"), 2, "--grid seed=1,1: 1 is named twice");
    expect(sh(TRAP_PLAN "--grid learning-rate=1e-5,0.00001"), 2, "0.00001 is named twice");
    expect(sh(TRAP_PLAN "--grid seed=1,2 --seeds 3,4"), 2, "--seeds and --grid seed= say the same; give one of them");
    expect(sh(TRAP_PLAN "--grid seed=1,2 --seed 3"), 2, "--seed and --grid seed= say the same");
    expect(sh(TRAP_PLAN "--grid ewc-lambda=5,6 --method full,ewc@ewc-lambda=5"), 2,
           "--grid ewc-lambda: ewc@ewc-lambda=5 has a value of its own");
    expect(sh(TRAP_PLAN "--grid method=full,lora --method ewc"), 2, "--method and --grid method= say the same");
    expect(sh(TRAP_PLAN "--grid epochs=1,2 --epochs 3"), 2, "--epochs and --grid epochs= say the same");
    assert_int_equal(lines_of(sh(TRAP_PLAN "--method full --grid epochs=1,2 --seeds 3,4")->out), 4);
}

static const struct CMUnitTest traps_tests[] = {
    cmocka_unit_test(test_labels_of_minus_one), cmocka_unit_test(test_types_of_keys),
    cmocka_unit_test(test_all_keys_have_types), cmocka_unit_test(test_one_tensor_for_a_weight),
    cmocka_unit_test(test_saved_modules),       cmocka_unit_test(test_tokenizer_parts_are_named),
    cmocka_unit_test(test_repeated_runs),       cmocka_unit_test(test_rows_are_counted),
    cmocka_unit_test(test_small_limits),        cmocka_unit_test(test_grids),
};
