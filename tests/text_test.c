/* text: broken vocabularies and labels have their message, any bytes are legal text, batches are packed right. */

/* ---- Vocabularies ---- */

#define BERT_START "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

static const Tokenizer *small_bert(Arena *arena, bool lower)
{
    Err err = {0};
    Tokenizer *t;
    if (!tokenizer_from_vocab(arena, S(BERT_START "a\nb\n##b\n##c\n!\n\xc3\xa9\nab\n"), lower, "vocab.txt", &t, &err))
        fail_msg("%s", err.text);
    return t;
}

static void expect_err(bool ok, const Err *err, const char *message)
{
    assert_false(ok);
    if (!strstr(err->text, message)) fail_msg("got:    %s\nwanted: %s", err->text, message);
    assert_int_equal(err->code, EXIT_WORLD);
    assert_null(strchr(err->text, '\n'));
}

static void test_broken_vocab_txt(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "v.txt: empty; one token a line is needed"},
        {"[UNK]\n\xff\n", "v.txt, line 2: not valid UTF-8"},
        {"[CLS]\n[SEP]\na\n", "v.txt: the token \"[UNK]\" is missing"},
        {"[UNK]\n[SEP]\na\n", "v.txt: the token \"[CLS]\" is missing"},
        {"[UNK]\n[CLS]\na\n", "v.txt: the token \"[SEP]\" is missing"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = {0};
        Err err = {0};
        Tokenizer *t;
        expect_err(tokenizer_from_vocab(&arena, str(cases[i].text), true, "v.txt", &t, &err), &err, cases[i].message);
        arena_free(&arena);
    }
}

/* A folder build/test-tmp/tok with exactly these files; NULL: not there. */
static const char *tokenizer_folder(const char *config, const char *vocab_json, const char *merges,
                                    const char *tokenizer_json)
{
    static const char *const names[] = {"tok/tokenizer_config.json", "tok/vocab.json", "tok/merges.txt",
                                        "tok/tokenizer.json"};
    const char *texts[] = {config, vocab_json, merges, tokenizer_json};
    mkdir(tmp_path("tok"), 0777);
    for (size_t i = 0; i < COUNT(names); i++) {
        unlink(tmp_path(names[i]));
        if (texts[i]) tmp_write(names[i], str(texts[i]));
    }
    return tmp_path("tok");
}

static void test_broken_tokenizer_folders(void **state)
{
    (void)state;
#define BPE_VOCAB "{\"<s>\":0,\"</s>\":1,\"a\":2,\"b\":3,\"ab\":4}"
    static const struct {
        const char *config, *vocab, *merges, *json, *message;
    } cases[] = {
        {.message = "tok: no tokenizer; tokenizer.json, or vocab.txt, or vocab.json with merges.txt is needed there"},
        {.config = "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}",
         .message = "tok/tokenizer_config.json: tokenizer_class \"BertJapaneseTokenizer\" is not supported"},
        {.config = "{\"tokenizer_class\": \"BertTokenizer\"}",
         .vocab = BPE_VOCAB,
         .merges = "a b\n",
         .message = "tok: no tokenizer; tokenizer.json or vocab.txt (for a BertTokenizer) is needed there"},
        {.config = "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}",
         .vocab = BPE_VOCAB,
         .merges = "a b\n",
         .message = "tok: no tokenizer; tokenizer.json is needed there"},
        {.config = "{\"never_split\": [\"x\"]}",
         .vocab = BPE_VOCAB,
         .merges = "",
         .message = "tok/tokenizer_config.json: \"never_split\" is set ([\"x\"]), which lethe does not support"},
        {.config = "{\"image_token\": \"<i>\"}",
         .vocab = BPE_VOCAB,
         .merges = "",
         .message = "\"image_token\" is set (\"<i>\"), a key that lethe does not know"},
        {.config = "{\"added_tokens_decoder\": {\"9\": {\"content\": \"new\"}}}",
         .vocab = BPE_VOCAB,
         .merges = "a b\n",
         .message = "\"new\" has id 9, but the tokenizers library gives it 5"},
        {.config = "{\"truncation_side\": \"middle\"}",
         .vocab = BPE_VOCAB,
         .merges = "",
         .message = "\"truncation_side\" must be \"left\" or \"right\""},
        {.config = "{\"cls_token\": \"<none>\"}",
         .vocab = BPE_VOCAB,
         .merges = "a b\n",
         .message = "the token \"<none>\" is missing"},
        {.json = "{\"version\":\"2.0\",\"model\":{\"type\":\"WordPiece\"}}",
         .message = "\"version\" is \"2.0\", which lethe does not support; it may be: \"1.0\""},
        {.vocab = BPE_VOCAB, .message = "merges.txt"},
        {.vocab = "", .merges = "a b\n", .message = "tok/vocab.json"},
        {.vocab = "[]", .merges = "a b\n", .message = "tok/vocab.json: an object {\"token\": id, ...} is needed"},
        {.vocab = "{}", .merges = "a b\n", .message = "tok/vocab.json: no tokens"},
        {.vocab = "{\"<s>\":0,\"</s>\":16777216}",
         .merges = "",
         .message = "the id of token \"</s>\" must be a whole number from 0 to 16777215"},
        {.vocab = "{\"<s>\":0,\"</s>\":0}", .merges = "", .message = "have the same id 0"},
        {.vocab = "{\"<s>\":0,\"x\":1}", .merges = "#version: 0.2\n", .message = "the token \"</s>\" is missing"},
        {.vocab = BPE_VOCAB,
         .merges = "#version: 0.2\na b\nab\n",
         .message = "merges.txt, line 3: two tokens with a space between them"},
        {.vocab = BPE_VOCAB,
         .merges = "a b\nb b\n",
         .message = "merges.txt, line 2: the merge of \"b\" and \"b\" needs the token \"bb\""},
        {.config = "{\"add_prefix_space\": 3}",
         .vocab = BPE_VOCAB,
         .merges = "a b\n",
         .message = "\"add_prefix_space\" must be true or false"},
        {.json = "", .message = "tok/tokenizer.json"},
        {.json = "{}", .message = "\"model\" is missing; is this a tokenizer.json of the tokenizers library?"},
        {.json = "{\"model\":{\"type\":\"WordLevel\"}}", .message = "a model of type \"WordLevel\" is not supported"},
        {.json = "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0,\"b\":-5}}}",
         .message = "the id of token \"b\""},
        {.json = "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0}}}", .message = "no post_processor"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = {0};
        Err err = {0};
        Tokenizer *t;
        const char *folder = tokenizer_folder(cases[i].config, cases[i].vocab, cases[i].merges, cases[i].json);
        expect_err(tokenizer_load(&arena, folder, &t, &err), &err, cases[i].message);
        arena_free(&arena);
    }
}

static void test_broken_unigram_folders(void **state)
{
    (void)state;
#define UNIGRAM(more) "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",0]]}" more "}"
    static const struct {
        const char *config, *json, *message;
    } cases[] = {
        {.json = "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[]}}",
         .message = "model.vocab: a list of 1 to 16777216 tokens is needed"},
        {.json = "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",0],[\"b\"]]}}",
         .message = "model.vocab, entry 2: must be a token and its score"},
        {.json = "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]]}}", .message = "model.unk_id is missing"},
        {.json = "{\"model\":{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"a\",0]]}}",
         .message = "model.unk_id must be the number of a token, from 0 to 0"},
        {.json = UNIGRAM(",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"A!==\"}"),
         .message = "\"precompiled_charsmap\" is not base64"},
        {.json = UNIGRAM(",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAAAA==\"}"),
         .message = "\"precompiled_charsmap\" is damaged"},
        {.json = UNIGRAM(",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a+\"},\"content\":\"\"}"),
         .message = "Replace by the regular expression \"a+\" is not supported"},
        {.json = UNIGRAM(",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"x\"}"),
         .message = "Replace of an empty text is not supported"},
        {.json = UNIGRAM(",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"__\"}"),
         .message = "\"replacement\" must be one character"},
        {.json =
             UNIGRAM(",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"add_prefix_space\":false}"),
         .message = "\"add_prefix_space\" is false, but \"prepend_scheme\" is not \"never\""},
        {.json =
             UNIGRAM(",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"first\"},"
                     "\"normalizer\":{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}"),
         .message = "prepend_scheme \"first\" and a normalizer that may drop a text's beginning"},
        {.json = UNIGRAM(",\"pre_tokenizer\":{\"type\":\"Digits\"}"),
         .message = "a pre_tokenizer of type \"Digits\" is not supported there with Unigram"},
        {.config = "{\"tokenizer_class\": \"XLMRobertaTokenizer\"}",
         .json = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}",
         .message = "its model is BPE, but the tokenizer's class is XLMRobertaTokenizer"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = {0};
        Err err = {0};
        Tokenizer *t;
        const char *folder = tokenizer_folder(cases[i].config, NULL, NULL, cases[i].json);
        expect_err(tokenizer_load(&arena, folder, &t, &err), &err, cases[i].message);
        arena_free(&arena);
    }
    Arena arena = {0}; /* SentencePiece's own file: the way out is in the message */
    Err err = {0};
    Tokenizer *t;
    const char *folder = tokenizer_folder("{\"tokenizer_class\": \"XLMRobertaTokenizer\"}", NULL, NULL, NULL);
    tmp_write("tok/sentencepiece.bpe.model", S("\n\x0e"));
    expect_err(tokenizer_load(&arena, folder, &t, &err), &err,
               "lethe reads tokenizer.json, not sentencepiece.bpe.model; make it with Python");
    unlink(tmp_path("tok/sentencepiece.bpe.model"));
    arena_free(&arena);
}

/* Ids, types and special tokens against a model's tables. */
static void test_tokenizers_fit_their_model(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    Tokenizer *t;
    uint32_t ids[16];
    uint8_t types[16];
    /* [PAD] and [MASK] are not in the vocabulary: transformers puts them after it, as 5 and 6 */
    const Str vocab = S("[UNK]\n[CLS]\n[SEP]\na\nb\n"), text = S("a[MASK]b");
    assert_true(tokenizer_from_vocab(&arena, vocab, true, "v.txt", &t, &err));
    assert_int_equal(tokenizer_vocab_size(t), 7);
    assert_int_equal(tokenizer_encode(t, &arena, text, (Str){0}, 16, ids, types), 5);
    assert_int_equal(ids[2], 6);
    assert_false(tokenizer_fit(t, "model", 4, 2, &err));
    assert_non_null(strstr(err.text, "model: the tokenizer has 5 tokens, but config.json's vocab_size is 4"));
    assert_true(tokenizer_from_vocab(&arena, vocab, true, "v.txt", &t, &err));
    assert_true(tokenizer_fit(t, "model", 5, 2, &err));
    assert_int_equal(tokenizer_vocab_size(t), 5);
    assert_null(tokenizer_note(t));
    const uint32_t cut = tokenizer_encode(t, &arena, text, (Str){0}, 16, ids, types);
    for (uint32_t i = 0; i < cut; i++) assert_true(ids[i] < 5);
    /* one token type */
    assert_int_equal(tokenizer_type_count(t), 2);
    assert_true(tokenizer_fit(t, "model", 5, 1, &err));
    assert_int_equal(tokenizer_type_count(t), 1);
    assert_non_null(tokenizer_note(t));
    const uint32_t pair = tokenizer_encode(t, &arena, S("a"), S("b"), 16, ids, types);
    assert_int_equal(pair, 5);
    for (uint32_t i = 0; i < pair; i++) assert_int_equal(types[i], 0);
    arena_free(&arena);
}

/* ---- Texts ---- */

static void expect_tokens(const Tokenizer *t, Str text, Str pair, uint32_t max_length, const char *wanted)
{
    Arena scratch = {0};
    uint32_t ids[64];
    uint8_t types[64];
    char got[512] = "";
    const uint32_t count = tokenizer_encode(t, &scratch, text, pair, max_length, ids, types);
    for (uint32_t i = 0; i < count; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), i ? " %u" : "%u", ids[i] + 100 * types[i]);
    assert_string_equal(got, wanted);
    arena_free(&scratch);
}

static void test_texts(void **state)
{
    (void)state;
    Arena arena = {0};
    const Tokenizer *lower = small_bert(&arena, true), *cased = small_bert(&arena, false);
    const Str none = {0};
    assert_int_equal(tokenizer_vocab_size(lower), 12);
    assert_int_equal(tokenizer_type_count(lower), 2);
    assert_int_equal(tokenizer_least_length(lower), 3);
    expect_tokens(lower, S(""), none, 64, "2 3");
    expect_tokens(lower, S("ABC a!"), none, 64, "2 11 8 5 9 3");
    expect_tokens(cased, S("ABC a!"), none, 64, "2 1 5 9 3");
    expect_tokens(cased, S("\xc3\xa9"), none, 64, "2 10 3");
    expect_tokens(lower, S("\xc3\xa9"), none, 64, "2 1 3"); /* without the accent it is an e, which is unknown */
    expect_tokens(lower, S("a[SEP]b \xff"), none, 64,
                  "2 5 3 6 3"); /* what is not UTF-8 becomes U+FFFD, and that is dropped */
    expect_tokens(lower, S("a"), S("b"), 64, "2 5 3 106 103");
    expect_tokens(lower, S("a"), S(""), 64, "2 5 3 103");
    expect_tokens(lower, S("a a a"), none, 3, "2 5 3");
    expect_tokens(lower, S("a a a"), none, 2, "2 3");
    expect_tokens(lower, S("a a a a"), S("b b"), 7, "2 5 5 3 106 106 103");
    expect_tokens(lower, S("a a a"), S("b b b"), 3, "2 3 103");
    arena_free(&arena);
}

/* Hostile texts take linear time and stay below max_length: this test would not end otherwise. */
static void test_long_texts(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "a", "!", "\xcc\x81\xcc\xa7", "\xff", " ", "[SEP]", "\xe4\xb8\xad", "\xf0\x9f\x91\x8d", "ab"};
    Arena arena = {0};
    Err err = {0};
    Tokenizer *bpe;
    const Tokenizer *bert = small_bert(&arena, true);
    if (!tokenizer_load(&arena, "tests/golden/tokenizers/roberta", &bpe, &err)) fail_msg("%s", err.text);
    const size_t size = 1 << 20;
    char *text = arena_new(&arena, char, size + 8);
    for (size_t i = 0; i < COUNT(pieces); i++) {
        const size_t step = strlen(pieces[i]);
        for (size_t at = 0; at < size; at += step) memcpy(text + at, pieces[i], step);
        for (int k = 0; k < 2; k++) {
            Arena scratch = {0};
            uint32_t ids[32];
            uint8_t types[32];
            assert_in_range(tokenizer_encode(k ? bpe : bert, &scratch, (Str){text, size}, (Str){0}, 32, ids, types), 2,
                            32);
            arena_free(&scratch);
        }
    }
    arena_free(&arena);
}

/* ---- Labels ---- */

static bool load_rows(Arena *arena, const char *train, const char *eval, uint32_t train_rows, TaskData *out, Err *err)
{
    ExampleFile files[2];
    if (!examples_parse(arena, str(train), "train.tsv", NULL, true, &files[0], err) ||
        !examples_parse(arena, str(eval), "eval.tsv", NULL, true, &files[1], err))
        return false;
    return task_data_load(arena, small_bert(arena, true), "task", &files[0], &files[1], train_rows, 0, true, 16, out,
                          err);
}

#define ROWS_HEAD "text\tlabel\n"

static void test_broken_labels(void **state)
{
    (void)state;
    static const struct {
        const char *train, *eval, *message;
    } cases[] = {
        {"x\t0\nx\tgood\n", "x\t0\n",
         "train.tsv, line 3: the label \"good\" is no number, but those before it are numbers"},
        {"x\tgood\nx\t1\n", "x\tgood\n",
         "train.tsv, line 3: the label \"1\" is a number, but those before it are names"},
        {"x\t0\nx\t0\n", "x\t0\n", "train.tsv: every row has the label \"0\"; at least two classes are needed"},
        {"x\tno\n", "x\tno\n", "train.tsv: every row has the label \"no\"; at least two classes are needed"},
        {"x\t0\nx\t-3\n", "x\t0\n", "train.tsv, line 3: the label -3 is negative; -1 stands for rows without a label"},
        {"x\t-1\nx\t1\nx\t-1.0\n", "x\t1\n",
         "every row has the label \"1\", and those with -1 count as rows without one; at least two classes are needed"},
        {"x\tpos\nx\tneg\n", "x\tPOS \n",
         "eval.tsv, line 2: the label \"POS\" does not occur in train.tsv; \"pos\" there differs from it only in case"},
        {"x\t0.5\nx\t1.5\nx\t2.25\nx\t3.5\nx\t4.5\nx\t5.5\nx\t6.5\nx\t7.5\nx\t8.5\nx\t9.5\nx\t10.5\n"
         "x\t11.5\nx\t12.5\nx\t13.5\nx\t14.5\nx\t15.5\nx\t16.5\nx\t17.5\nx\t18.5\nx\t19.5\nx\t20.5\n",
         "x\t1.5\n",
         "train.tsv: the labels are 21 different numbers with fractions (such as 0.5): this is a regression"},
        {"x\t0.3333333333333333\nx\t0.6666666666666666\nx\t0.1111111111111111\nx\t0.14285714285714285\n"
         "x\t0.2222222222222222\nx\t0.2857142857142857\nx\t0.4444444444444444\nx\t0.42857142857142855\n"
         "x\t0.5555555555555556\nx\t0.5714285714285714\nx\t0.7777777777777778\nx\t0.7142857142857143\n"
         "x\t0.8888888888888888\nx\t0.8571428571428571\nx\t0.09090909090909091\nx\t0.18181818181818182\n"
         "x\t0.2727272727272727\nx\t0.36363636363636365\nx\t0.45454545454545453\nx\t0.5454545454545454\n"
         "x\t0.6363636363636364\n",
         "x\t0.3333333333333333\n",
         "the labels are 21 different numbers with fractions (such as 0.09090909090909091): this is a regression"},
        {"x\t0\nx\t1\n", "x\t2\n",
         "eval.tsv, line 2: the label 2 does not occur in train.tsv, whose labels are 0 to 1"},
        {"x\tno\nx\tyes\n", "x\tmaybe\n", "eval.tsv, line 2: the label \"maybe\" does not occur in train.tsv"},
        {"x\tno\nx\tyes\n", "x\t1\n",
         "eval.tsv, line 2: the label \"1\" is a number, but the labels of train.tsv are names"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = {0};
        Err err = {0};
        TaskData task;
        const char *train = arena_printf(&arena, ROWS_HEAD "%s", cases[i].train),
                   *eval = arena_printf(&arena, ROWS_HEAD "%s", cases[i].eval);
        expect_err(load_rows(&arena, train, eval, 0, &task, &err), &err, cases[i].message);
        arena_free(&arena);
    }
    Arena arena = {0};
    Err err = {0};
    TaskData task;
    expect_err(load_rows(&arena, ROWS_HEAD "x\t0\nx\t1\n", "sentence1\tsentence2\tlabel\na\tb\t0\n", 0, &task, &err),
               &err, "train.tsv has single texts, but eval.tsv has pairs of texts");
    arena_free(&arena);
}

static void test_labels(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    TaskData task;
    /* numbers: the values of the whole file, also of rows that are not taken; 5 and 5.0 are one */
    if (!load_rows(&arena, ROWS_HEAD "a\t0\na\t2.0\na\t5\n", ROWS_HEAD "b\t5.0\n", 2, &task, &err))
        fail_msg("%s", err.text);
    assert_int_equal(task.classes, 3);
    assert_int_equal(task.train.rows, 2);
    assert_int_equal(task.train.file_rows, 3);
    assert_int_equal(task.eval.labels[0], 2);
    assert_string_equal(task.class_names[2], "5");
    assert_int_equal(task.eval.lines[0], 2);
    /* stars, as integers and as floats */
    if (!load_rows(&arena, ROWS_HEAD "a\t5.0\na\t1.0\na\t3.0\na\t2.0\na\t4.0\n", ROWS_HEAD "b\t3\n", 0, &task, &err))
        fail_msg("%s", err.text);
    assert_int_equal(task.classes, 5);
    assert_string_equal(task.class_names[0], "1");
    assert_int_equal(task.eval.labels[0], 2);
    /* 0.10 and 0.1; any number of digits */
    if (!load_rows(&arena, ROWS_HEAD "a\t0.10\na\t0.5\n", ROWS_HEAD "b\t0.1\n", 0, &task, &err))
        fail_msg("%s", err.text);
    assert_string_equal(task.class_names[0], "0.1");
    if (!load_rows(&arena,
                   ROWS_HEAD "a\t20000000000000000001\na\t9007199254740993\na\t9007199254740992\na\t4111111111111111\n"
                             "a\t4111111111111112.0\na\t20000000000000000002\na\t0.3333333333333333\n",
                   ROWS_HEAD "b\t9007199254740993\nb\t4111111111111112\nb\t0.33333333333333330\n", 0, &task, &err))
        fail_msg("%s", err.text);
    static const char *const ascending[] = {"0.3333333333333333",  "4111111111111111", "4111111111111112",
                                            "9007199254740992",    "9007199254740993", "20000000000000000001",
                                            "20000000000000000002"};
    assert_int_equal(task.classes, COUNT(ascending));
    for (size_t i = 0; i < COUNT(ascending); i++) assert_string_equal(task.class_names[i], ascending[i]);
    assert_int_equal(task.eval.labels[0], 4);
    assert_int_equal(task.eval.labels[1], 2);
    assert_int_equal(task.eval.labels[2], 0);
    /* names: in bytewise order */
    if (!load_rows(&arena, ROWS_HEAD "a\tpear\na\tZoo\na\tapple\n", ROWS_HEAD "b\tapple\n", 0, &task, &err))
        fail_msg("%s", err.text);
    assert_int_equal(task.classes, 3);
    assert_string_equal(task.class_names[0], "Zoo");
    assert_int_equal(task.train.labels[0], 2);
    assert_int_equal(task.eval.labels[0], 1);
    /* but GLUE's order for GLUE's names */
    if (!load_rows(&arena, ROWS_HEAD "a\tcontradiction\na\tneutral\na\tentailment\n", ROWS_HEAD "b\tneutral\nb\t-\n", 0,
                   &task, &err))
        fail_msg("%s", err.text);
    assert_string_equal(task.class_names[0], "entailment");
    assert_int_equal(task.train.labels[0], 2);
    assert_int_equal(task.eval.labels[0], 1);
    assert_int_equal(task.eval.skipped, 1);
    assert_true(fabs(split_majority_rate(&task.train, 3) - 1.0 / 3) < 1e-12);
    arena_free(&arena);
}

/* ---- Which rows, and what is said of them ---- */

static void expect_warning(const TaskData *task, const char *wanted)
{
    for (size_t i = 0; i < task->warnings.count; i++)
        if (strstr(task->warnings.at[i], wanted)) return;
    for (size_t i = 0; i < task->warnings.count; i++) print_error("said: %s\n", task->warnings.at[i]);
    fail_msg("wanted: %s", wanted);
}

/* `rows` rows in order of their classes, texts PREFIX0, PREFIX1, ... */
static const char *rows_sorted(Arena *arena, const char *prefix, int rows, int classes)
{
    char *text = arena_new(arena, char, 64 + (size_t)rows * 32), *at = text + sprintf(text, ROWS_HEAD);
    for (int i = 0; i < rows; i++) at += sprintf(at, "%s%d\t%d\n", prefix, i, i * classes / rows);
    return text;
}

static bool load_drawn(Arena *arena, const char *train, const char *eval, uint32_t rows, bool first, TaskData *out,
                       Err *err)
{
    ExampleFile files[2];
    return examples_parse(arena, str(train), "train.tsv", NULL, true, &files[0], err) &&
           examples_parse(arena, str(eval), "eval.tsv", NULL, true, &files[1], err) &&
           task_data_load(arena, small_bert(arena, true), "task", &files[0], &files[1], rows, 0, first, 16, out, err);
}

static void test_rows_are_drawn(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    TaskData task, again;
    const char *train = rows_sorted(&arena, "t", 400, 2), *eval = rows_sorted(&arena, "e", 40, 2);
    if (!load_drawn(&arena, train, eval, 100, false, &task, &err) ||
        !load_drawn(&arena, train, rows_sorted(&arena, "x", 60, 2), 100, false, &again, &err))
        fail_msg("%s", err.text);
    const uint32_t *counts = split_class_counts(&arena, &task.train, 2);
    assert_in_range(counts[0], 35, 65);
    assert_int_equal(task.train.rows, 100);
    assert_int_equal(task.train.file_rows, 400);
    for (uint32_t r = 0; r < 100; r++) { /* each row once, in the file's order, whatever the other file */
        if (r) assert_true(task.train.lines[r] > task.train.lines[r - 1]);
        assert_int_equal(task.train.lines[r], again.train.lines[r]);
    }
    uint64_t sum = 0;
    for (uint32_t r = 0; r < 100; r++) sum += task.train.lines[r] * task.train.lines[r];
    assert_int_equal(sum, 4924231);
    assert_int_equal(task.train.lines[0], 2); /* the draw is a constant of lethe */
    assert_int_equal(task.train.lines[99], 401);
    expect_warning(&task, "train.tsv: its first 100 rows are all of class \"0\"; the 100 are drawn from all 400");
    assert_int_equal(task.common_rows, 0);
    /* the first rows, as the notebook takes them, are of one class here */
    expect_err(load_drawn(&arena, train, eval, 100, true, &task, &err), &err,
               "train.tsv: the first 100 of 400 rows are all of class \"0\" (of 2 classes); --train-rows 0 takes all");
    err = (Err){0};
    assert_true(load_drawn(&arena, train, eval, 250, true, &task, &err));
    assert_int_equal(task.train.lines[249], 251);
    arena_free(&arena);
}

static void test_what_is_said_of_rows(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    TaskData task;
    /* classes without rows in one of the files */
    if (!load_drawn(&arena, rows_sorted(&arena, "t", 90, 3), rows_sorted(&arena, "e", 10, 2), 0, false, &task, &err))
        fail_msg("%s", err.text);
    expect_warning(&task, "1 of 3 classes is missing in all 10 rows of eval.tsv: \"2\"");
    /* labels, and rows in both files */
    if (!load_drawn(&arena, ROWS_HEAD "a\tpos\nb\tneg\nc\tpos \nd\tPos\ne\tvery good\nf\tvery\xc2\xa0 Good\ng\t-1\n",
                    ROWS_HEAD "a\tpos\nx\tneg\nd\tneg\n", 0, false, &task, &err))
        fail_msg("%s", err.text);
    assert_int_equal(task.classes, 5);
    expect_warning(&task,
                   "train.tsv: the labels \"Pos\" (line 5) and \"pos\" (line 2) are two classes, but differ only in");
    expect_warning(&task, "\"very good\" (line 6) and \"very\\xc2\\xa0 Good\" (line 7) are two classes");
    expect_warning(&task, "train.tsv: 1 rows labelled -1 count as rows without a label");
    expect_warning(&task, "2 of 3 rows to evaluate are also among the rows to train (line 2 of eval.tsv is line 2 of");
    assert_int_equal(task.common_rows, 2);
    assert_true(load_drawn(&arena, ROWS_HEAD "a\tNone\nb\tx\n", ROWS_HEAD "c\tx\n", 0, false, &task, &err));
    expect_warning(&task,
                   "train.tsv: the label \"None\" (line 2) is a class; where it stands for rows without a label");
    const char *same = rows_sorted(&arena, "t", 10, 2);
    assert_true(load_drawn(&arena, same, same, 0, false, &task, &err));
    expect_warning(&task, "train.tsv and eval.tsv are the same file: 10 of 10 rows to evaluate are trained on");
    arena_free(&arena);
}

static void test_one_file_is_split(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    ExampleFile all, train, eval;
    TaskData task;
    assert_true(examples_parse(&arena, str(rows_sorted(&arena, "t", 101, 2)), "a.tsv", NULL, true, &all, &err));
    assert_true(examples_split(&arena, &all, 20, &train, &eval, &err));
    assert_int_equal(eval.row_count, 20);
    assert_int_equal(train.row_count, 81);
    size_t t = 0, e = 0;
    for (size_t i = 0; i < 101; i++)
        if (t < 81 && train.rows[t].line == all.rows[i].line)
            t++;
        else
            assert_int_equal(eval.rows[e++].line, all.rows[i].line);
    assert_true(task_data_load(&arena, small_bert(&arena, true), "task", &train, &eval, 0, 0, false, 16, &task, &err));
    for (size_t i = 0; i < task.warnings.count; i++) assert_null(strstr(task.warnings.at[i], "same file"));
    assert_true(examples_split(&arena, &all, 0.1, &train, &eval, &err) && eval.row_count == 1);
    all.row_count = 1;
    expect_err(examples_split(&arena, &all, 20, &train, &eval, &err), &err, "a.tsv: too few rows to split");
    arena_free(&arena);
}

/* ---- Batches ---- */

static void test_batches(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    TaskData task;
    if (!load_rows(&arena, "sentence1\tsentence2\tlabel\na b\tb\t0\n\t\t1\na\t!\t1\n",
                   "sentence1\tsentence2\tlabel\na\tb\t1\n", 0, &task, &err))
        fail_msg("%s", err.text);
    const uint32_t rows[] = {2, 0};
    Batch batch;
    batch_pack(&arena, &task.train, rows, 2, 10, &batch);
    static const uint32_t ids[] = {2, 5, 3, 9, 3, 2, 5, 6, 3, 6, 3}, types[] = {0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1};
    assert_int_equal(batch.examples, 2);
    assert_int_equal(batch.tokens, COUNT(ids));
    assert_int_equal(batch.longest, 6);
    assert_memory_equal(batch.ids, ids, sizeof ids);
    assert_memory_equal(batch.types, types, sizeof types);
    assert_int_equal(batch.offsets[1], 5);
    assert_int_equal(batch.offsets[2], 11);
    assert_int_equal(batch.first[1], 5);
    assert_int_equal(batch.labels[0], 1);
    assert_int_equal(batch.labels[1], 0);
    /* 9 is the pad token of a model whose positions begin at 10: it is not counted */
    static const uint32_t positions[] = {10, 11, 12, 9, 13, 10, 11, 12, 13, 14, 15};
    assert_memory_equal(batch.positions, positions, sizeof positions);
    Batch plain;
    batch_pack(&arena, &task.train, rows, 2, 0, &plain);
    for (uint32_t t = 0; t < plain.tokens; t++) assert_int_equal(plain.positions[t], t < 5 ? t : t - 5);
    /* each row's tokens, ascending, and all of them */
    const RowIndex *indices[] = {&batch.word, &batch.position, &batch.type};
    const uint32_t *keys[] = {batch.ids, batch.positions, batch.types};
    for (size_t k = 0; k < COUNT(indices); k++) {
        uint32_t seen = 0;
        for (uint32_t u = 0; u < indices[k]->unique; u++) {
            if (u) assert_true(indices[k]->row[u] > indices[k]->row[u - 1]);
            assert_true(indices[k]->starts[u] < indices[k]->starts[u + 1]);
            for (uint32_t i = indices[k]->starts[u]; i < indices[k]->starts[u + 1]; i++, seen++) {
                assert_int_equal(keys[k][indices[k]->order[i]], indices[k]->row[u]);
                if (i > indices[k]->starts[u]) assert_true(indices[k]->order[i] > indices[k]->order[i - 1]);
            }
        }
        assert_int_equal(seen, batch.tokens);
    }
    /* the same rows as a split of their own give the same batch */
    Split some;
    Batch again;
    const uint32_t all[] = {0, 1};
    split_subset(&arena, &task.train, rows, 2, &some);
    batch_pack(&arena, &some, all, 2, 10, &again);
    assert_int_equal(again.tokens, batch.tokens);
    assert_memory_equal(again.ids, ids, sizeof ids);
    assert_memory_equal(again.types, types, sizeof types);
    assert_memory_equal(again.offsets, batch.offsets, 3 * sizeof(uint32_t));
    assert_memory_equal(again.labels, batch.labels, 2 * sizeof(uint32_t));
    assert_int_equal(some.longest, 6);
    assert_int_equal(some.lines[0], 4);
    assert_true(some.any_pair && str_equal(some.pair[1], S("b")) && str_equal(some.text[0], S("a")));
    arena_free(&arena);
}

static const struct CMUnitTest text_tests[] = {
    cmocka_unit_test(test_broken_vocab_txt),
    cmocka_unit_test(test_broken_tokenizer_folders),
    cmocka_unit_test(test_broken_unigram_folders),
    cmocka_unit_test(test_tokenizers_fit_their_model),
    cmocka_unit_test(test_texts),
    cmocka_unit_test(test_long_texts),
    cmocka_unit_test(test_broken_labels),
    cmocka_unit_test(test_labels),
    cmocka_unit_test(test_rows_are_drawn),
    cmocka_unit_test(test_what_is_said_of_rows),
    cmocka_unit_test(test_one_file_is_split),
    cmocka_unit_test(test_batches),
};
