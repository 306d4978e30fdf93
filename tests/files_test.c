/* files: every message about a broken file, and that good ones are read as they are. */

static void expect_table_error(const char *name, Str bytes, const char *message)
{
    Arena arena = {0};
    Err err = {0};
    ExampleFile file;
    assert_false(examples_parse(&arena, bytes, name, NULL, true, &file, &err));
    if (!strstr(err.text, message)) print_error("got:    %s\nwanted: %s\n", err.text, message);
    assert_non_null(strstr(err.text, message));
    assert_int_equal(err.code, EXIT_WORLD);
    arena_free(&arena);
}

static void test_tables_that_are_broken(void **state)
{
    (void)state;
    expect_table_error("a.tsv", S(""), "a.tsv: the file is empty");
    expect_table_error("a.tsv", S("sentence\tlabel\n"), "a.tsv: only a header, no rows");
    expect_table_error("a.tsv", S("sentence\tlabel\nx\t1\ny\n"), "a.tsv, line 3: 1 columns, but the header has 2");
    expect_table_error("a.tsv", S("words\tlabel\nx\t1\n"), "no text column (sentence, text or question; ");
    expect_table_error("a.tsv", S("words\tlabel\nx\t1\n"), "the columns here are: words, label");
    expect_table_error("a.tsv", S("sentence\tanswer\nx\t1\n"),
                       "a.tsv: no label column (label or gold_label); the columns here are: sentence, answer");
    expect_table_error("a.tsv", S("sentence\tlabel\nx\t\n"), "a.tsv, line 2: the row has no label");
    expect_table_error("a.tsv", S("sentence\tlabel\nx\xff\t1\n"), "a.tsv, line 2: not valid UTF-8 (byte \\xff)");
    expect_table_error("a.tsv", S("sentence\tlabel\nx\xed\xa0\x80\t1\n"), "a.tsv, line 2: not valid UTF-8");
    expect_table_error("a.tsv", S("sentence\tlabel\nx\0y\t1\n"), "a.tsv, line 2: a NUL byte");
    expect_table_error("a.tsv", S("sentence\tlabel\nx\t-\n"), "every row is labelled '-' or -1");
    expect_table_error("a.csv", S("text,label\n\"open,1\nmore,2\n"),
                       "a.csv, line 2: the quotation mark that opens here is never closed");
    expect_table_error("a.csv", S("text,label\n\"a\"b,1\n"), "text after a closing quotation mark");
    expect_table_error("a.jsonl", S(""), "a.jsonl: the file is empty");
    expect_table_error("a.jsonl", S("{\"text\": \"a\", \"label\": 1}\n{\"text\": \n"),
                       "a.jsonl, line 2: not a JSON object");
    expect_table_error("a.jsonl", S("[1]\n"), "a.jsonl, line 1: not a JSON object");
    expect_table_error("a.jsonl", S("{\"text\": \"a\", \"label\": 1}\n{\"label\": 1}\n"),
                       "a.jsonl, line 2: \"text\" is missing or no text");
    expect_table_error("a.txt", S("x"), "a.txt: unknown format; the name must end in .tsv, .csv, .jsonl or .json");
}

static void test_a_line_that_is_too_long(void **state)
{
    (void)state;
    Arena arena = {0};
    const size_t size = 1200000;
    char *text = arena_new(&arena, char, size + 20);
    memcpy(text, "text\tlabel\n", 11);
    memset(text + 11, 'x', size);
    expect_table_error("a.tsv", (Str){text, size + 11}, "a.tsv, line 2: longer than 1048576 bytes");
    arena_free(&arena);
}

static void test_tables_that_are_fine(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"a.tsv", "\xef\xbb\xbfsentence\tlabel\textra\r\nsay \"hi\"\t1\tx\r\n\r\n\t0\ty"},
        {"a.csv", "id,sentence,label\n1,\"say \"\"hi\"\"\",1\n2,,0\n"},
        {"a.jsonl", "{\"sentence\": \"say \\\"hi\\\"\", \"label\": 1}\n\n{\"label\": 0, \"sentence\": \"\"}"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = {0};
        Err err = {0};
        ExampleFile file;
        assert_true(examples_parse(&arena, str(cases[i].text), cases[i].name, NULL, true, &file, &err));
        assert_int_equal(file.row_count, 2);
        assert_false(file.pairs);
        assert_true(str_equal(file.rows[0].text, S("say \"hi\"")));
        assert_true(str_equal(file.rows[1].text, S("")));
        assert_true(str_equal(file.rows[0].label, S("1")) && str_equal(file.rows[1].label, S("0")));
        arena_free(&arena);
    }
}

static void test_pairs_quotes_and_skipped_rows(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    ExampleFile file;
    assert_true(examples_parse(
        &arena,
        S("index,premise,hypothesis,gold_label\n1,\"two\nlines, one cell\",b,neutral\n2,c,d,-\n3,e,f,entailment\n"),
        "a.csv", NULL, true, &file, &err));
    assert_true(file.pairs);
    assert_int_equal(file.row_count, 2);
    assert_int_equal(file.skipped_rows, 1);
    assert_true(str_equal(file.rows[0].text, S("two\nlines, one cell")));
    assert_int_equal(file.rows[0].line, 2);
    assert_int_equal(file.rows[1].line, 5);
    /* QNLI: the question comes first, and an unlabelled file is fine where labels are not needed */
    assert_true(examples_parse(&arena, S("index\tquestion\tsentence\n0\tq\ts\n"), "a.tsv", NULL, false, &file, &err));
    assert_true(str_equal(file.rows[0].text, S("q")) && str_equal(file.rows[0].pair, S("s")) && !file.rows[0].label.at);
    arena_free(&arena);
}

/* "text|pair|label" of each row, a line each. */
static const char *examples_text(Arena *arena, const char *name, Str bytes, const ColumnNames *names)
{
    Err err = {0};
    ExampleFile file;
    const char *all = "";
    if (!examples_parse(arena, bytes, name, names, true, &file, &err)) fail_msg("%s: %s", name, err.text);
    for (size_t i = 0; i < file.row_count; i++)
        all = arena_printf(arena, "%s%.*s|%.*s|%.*s\n", all, STR_ARG(file.rows[i].text), STR_ARG(file.rows[i].pair),
                           STR_ARG(file.rows[i].label));
    return all;
}

static void test_formats_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *rows;
    } cases[] = {
        {"A.CSV", "Text,Label\na,1\nb,0\n", "a||1\nb||0\n"},
        {"a.Tsv", "SENTENCE\tLabel\na,b\t1\n", "a,b||1\n"},
        {"a.csv", "text;label\na, b;1\n\"c;d\";0\n", "a, b||1\nc;d||0\n"}, /* Excel, where the comma is decimal */
        {"a.csv", "sep=;\r\ntext,x;label\r\na;1\r\n", NULL},
        {"a.csv", "sep=;\r\ntext;label\r\na;1\r\n", "a||1\n"},
        {"a.csv", "text\tlabel\n\"a\tb\"\t1\n", "a\tb||1\n"},
        {"a.csv", " text , label \na, x\n", "a||x\n"},
        {"mac.csv", "text,label\ra,1\r\"b\nc\",0\r", "a||1\nb\nc||0\n"}, /* CR alone ends lines */
        {"mac.tsv", "text\tlabel\ra\t1\rb\t0", "a||1\nb||0\n"},
        {"a.csv", "text,label\r\na\rb,1\r\n", "a\rb||1\n"}, /* but not where lines end with LF */
        {"a.json", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\", \"label\": 0}\n", "a||1\nb||0\n"},
        {"a.json",
         " [\n {\"text\": \"a}\\\"\", \"label\": \"x\"},\n {\"text\": \"b\", \"label\": \"y\", \"n\": {}} ]\n",
         "a}\"||x\nb||y\n"},
        {"a.JSONL", "[{\"text\": \"a\", \"label\": 1.0}]", "a||1.0\n"},
        {"a.ndjson", "{\"text\": \"a\", \"label\": true}\n \n", "a||true\n"},
        /* numbers that are not read need not be sound, and half a surrogate pair is one bad character */
        {"a.jsonl",
         "{\"text\": \"a\", \"id\": 18446744073709551615, \"x\": NaN, \"y\": -Infinity, \"z\": 1e999, \"label\": 1}\n",
         "a||1\n"},
        {"a.jsonl", "{\"text\": \"\\ud800x \\ud83d\\ude00\", \"label\": 12345678901234567890123}\n",
         "\xef\xbf\xbdx \xf0\x9f\x98\x80||12345678901234567890123\n"},
        /* GLUE's own */
        {"train.tsv", "ab01\t1\t\tThis is good.\nab01\t0\t*\tGood this.\n", "This is good.||1\nGood this.||0\n"},
        {"msr.tsv", "\xef\xbb\xbfQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\ta \"b\tc\n", "a \"b|c|1\n"},
        {"qqp.tsv",
         "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\ta\tb\t1\n2\t3\t4\tcut\n3\t4\t5\tc\td\t0\n",
         "a|b|1\nc|d|0\n"},
        {"mnli.tsv",
         "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
         "sentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label\n0\t1\t2\tg\t( a )\t( b "
         ")\t(A)\t(B)\ta\tb\tneutral\t"
         "entailment\n",
         "a|b|entailment\n"},
        {"qnli.tsv", "index\tquestion\tsentence\tlabel\n0\tq\ts\tentailment\n", "q|s|entailment\n"},
        {"rte.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n", "a|b|not_entailment\n"},
        {"sst2.tsv", "sentence\tlabel\nit 's \t1\n", "it 's ||1\n"},
        {"boolq.jsonl", "{\"question\": \"q\", \"passage\": \"p\", \"idx\": 0, \"label\": true}\n", "q|p|true\n"},
        {"cb.jsonl", "{\"premise\": \"p\", \"hypothesis\": \"h\", \"label\": \"neutral\", \"idx\": 0}\n",
         "p|h|neutral\n"},
        {"trec.csv", "text,coarse_label,fine_label\na,3,17\n", "a||3\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = {0};
        if (cases[i].rows)
            assert_string_equal(examples_text(&arena, cases[i].name, str(cases[i].text), NULL), cases[i].rows);
        else
            expect_table_error(cases[i].name, str(cases[i].text), "no text column");
        arena_free(&arena);
    }
    Arena arena = {0};
    Err err = {0};
    ExampleFile file;
    assert_true(
        examples_parse(&arena, S("{\"text\": \"a\\u0000b\", \"label\": 1}\n"), "a.jsonl", NULL, true, &file, &err));
    assert_true(str_equal(file.rows[0].text, S("a\0b")));
    arena_free(&arena);
}

static void test_columns_by_name(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    ExampleFile file;
    const Str text = S("id,Title,body,stars,topic\n1,a title of words,a body of some words,5,x\n");
    assert_string_equal(examples_text(&arena, "a.csv", text, &(ColumnNames){"title", NULL, "stars"}),
                        "a title of words||5\n");
    assert_string_equal(examples_text(&arena, "a.csv", text, &(ColumnNames){"Title", "body", "topic"}),
                        "a title of words|a body of some words|x\n");
    assert_true(examples_parse(&arena, text, "a.csv", &(ColumnNames){"title", NULL, "stars"}, true, &file, &err));
    assert_string_equal(file.text_column, "Title");
    assert_string_equal(file.label_column, "stars");
    assert_string_equal(file.unread, "\"body\"");
    static const struct {
        const char *name, *text, *message;
        ColumnNames columns;
    } cases[] = {
        {"a.csv",
         "text,label\na,1\n",
         "a.csv: no column \"words\" (text=); the columns here are: text, label",
         {"words", NULL, NULL}},
        {"a.csv", "text,label\na,1\n", "pair=text names the second text", {NULL, "text", NULL}},
        {"a.csv", "text,label\na,1\n", "the column \"text\" is named twice", {"text", "text", NULL}},
        {"a.csv", "text,label,label\na,1,2\n", "two columns are named \"label\"", {0}},
        {"a.csv", "review,content,label\na,b,1\n", "both \"review\" and \"content\" may be the text; name one", {0}},
        {"a.csv", "text,category,sentiment\na,b,1\n", "both \"category\" and \"sentiment\" may be the label", {0}},
        {"test.tsv", "index\tsentence\n0\ta\n", "is it a test file, whose labels are not public?", {0}},
        {"sts.tsv",
         "index\tsentence1\tsentence2\tscore\n0\ta\tb\t2.5\n",
         "a regression, with scores and not classes",
         {0}},
        {"copa.jsonl",
         "{\"premise\":\"a\",\"choice1\":\"b\",\"choice2\":\"c\",\"question\":\"cause\",\"label\":0}\n",
         "SuperGLUE's COPA",
         {0}},
        {"wic.jsonl",
         "{\"word\":\"a\",\"sentence1\":\"b\",\"sentence2\":\"c\",\"label\":true}\n",
         "SuperGLUE's WiC",
         {0}},
        {"wsc.jsonl",
         "{\"text\":\"a\",\"target\":{\"span1_index\":0},\"label\":true,\"idx\":0}\n",
         "SuperGLUE's WSC",
         {0}},
        {"multirc.jsonl", "{\"idx\":0,\"version\":1,\"passage\":{\"text\":\"a\"}}\n", "SuperGLUE's MultiRC", {0}},
        {"a.json", "{\n\"text\": \"a\"}\n", "a.json, line 1: an object over several lines", {0}},
        {"a.json", "[{\"text\": \"a\", \"label\": 1}", "the file ends within its array", {0}},
        {"a.json",
         "[{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\", \"label\": 1}]",
         "a.json, line 2: not a JSON object, a comma or the end of the array",
         {0}},
        {"a.json", "[{\"text\": \"a\", \"label\": 1},]", "a.json, line 1: not a JSON object, although an array", {0}},
        {"a.json", "[{\"text\": \"a\", \"lab", "the object that begins here is never closed", {0}},
        {"a.json", "[{\"text\": \"a\", \"label\": 1}] x", "text after the end of the array", {0}},
        {"a.json", "[]", "an empty array", {0}},
        {"a.tsv", "text,label\na,1\n", "commas separate them, so the name must end in .csv", {0}},
        {"a.jsonl", "{\"text\": \"a\", \"label\": [1]}\n", "no label, or one that is no single value (a list, ", {0}},
        {"a.jsonl", "{\"text\": 1 2}\n", "a.jsonl, line 1: not a JSON object", {0}},
        {"a.jsonl", "{1: \"x\"}\n", "a.jsonl, line 1: not a JSON object", {0}},
        {"a.jsonl", "{\"text\": 01}\n", "a.jsonl, line 1: not a JSON object", {0}},
        {"a.jsonl", "{\"text\": \"a\", \"label\": NaN}\n", "a.jsonl, line 1: the row has no label", {0}},
        {"a.csv",
         "text;label\na;b;1\n",
         "3 columns, but the header has 2; a cell that holds the separator stands in",
         {0}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        err = (Err){0};
        if (examples_parse(&arena, str(cases[i].text), cases[i].name, &cases[i].columns, true, &file, &err) ||
            !strstr(err.text, cases[i].message))
            fail_msg("%s\nwanted: %s", err.text, cases[i].message);
    }
    arena_free(&arena);
}

/* ---- what a file is, when it is not what its name says ---- */

static void test_kinds_of_files(void **state)
{
    (void)state;
    static const struct {
        Str bytes;
        const char *what;
    } cases[] = {
        {{"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", 56}, "a Git LFS pointer, not the file itself"},
        {{"\n <!DOCTYPE html><html>", 23}, "an HTML page, not the file"},
        {{"\xef\xbb\xbf<html>", 9}, "an HTML page"},
        {{"<?xml version", 13}, "an XML file"},
        {{"\x1f\x8b\x08\0\0\0\0\0\0\x03", 10}, "gzip data"},
        {{"\xfd"
          "7zXZ\0\0",
          7},
         "xz data"},
        {{"BZh91AY&SY", 10}, "bzip2 data"},
        {{"7z\xbc\xaf\x27\x1c", 6}, "a 7z archive"},
        {{"PK\3\4\x14\0\0\0xl/workbook.xml", 23}, "an Excel workbook"},
        {{"PK\3\4\x14\0\0\0archive/data.pkl", 24}, "a PyTorch pickle"},
        {{"PK\3\4\x14\0\0\0train.csv", 17}, "a zip archive"},
        {{"\x80\x02}q\0", 5}, "a Python pickle"},
        {{"\x80\x04\x95\0\0\0\0\0\0\0", 10}, "a Python pickle"},
        {{"\xff\xfet\0e\0", 6}, "UTF-16 text"},
        {{"\xfe\xff\0t\0e", 6}, "UTF-16 text"},
        {{"t\0e\0x\0t\0", 8}, "UTF-16 text"},
        {{"\0t\0e\0x\0t", 8}, "UTF-16 text"},
        {{"\xff\xfe\0\0t\0\0\0", 8}, "UTF-32 text"},
        {{"t\0\0\0e\0\0\0x\0\0\0", 12}, "UTF-32 text"},
        {{"%PDF-1.4\n", 9}, "a PDF document"},
        {{"PAR1\x15\4", 6}, "a Parquet file"},
        {{"ARROW1\0\0", 8}, "an Arrow file"},
        {{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8}, "an old Excel or Word file"},
        {{"GGUF\3\0\0\0", 8}, "a GGUF model"},
        {{"", 0}, NULL},
        {{"text,label\n", 11}, NULL},
        {{"BZh,label\n", 10}, NULL},
        {{"\x1f\x8b\x08\0\0\0\0\0{\"a\"", 12}, NULL}, /* the length of a safetensors header */
        {{"\x80\x02\0\0\0\0\0\0{\"a\"", 12}, NULL},
        {{"\x28\xb5\x2f\xfd\x20", 5}, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *what = file_kind(cases[i].bytes);
        if (!cases[i].what != !what || (what && strncmp(what, cases[i].what, strlen(cases[i].what)) != 0))
            fail_msg("case %zu: %s\nwanted: %s", i, what, cases[i].what);
        if (!what) continue;
        expect_table_error("a.csv", cases[i].bytes, what);
        Arena arena = {0};
        Err err = {0};
        Str bytes;
        Safetensors file;
        tmp_write("kind", cases[i].bytes);
        assert_false(file_read(&arena, tmp_path("kind"), 100, &bytes, &err));
        assert_non_null(strstr(err.text, what));
        err = (Err){0};
        assert_false(safetensors_open(&arena, tmp_path("kind"), &file, &err));
        assert_non_null(strstr(err.text, what));
        arena_free(&arena);
    }
    expect_table_error("a.csv", S("\x28\xb5\x2f\xfd\x20"), "a.csv: this is zstd data; its name must end in .zst");
}

/* ---- whole files and zstd ---- */

static void test_files_that_cannot_be_read(void **state)
{
    (void)state;
    Arena arena = {0};
    Str bytes;
    Err err = {0};
    assert_false(file_read(&arena, "build/no-such-file", 100, &bytes, &err));
    assert_string_equal(err.text, "build/no-such-file: the file does not exist");
    err = (Err){0};
    assert_false(file_read(&arena, "tests", 100, &bytes, &err));
    assert_string_equal(err.text, "tests: this is a folder, a file is needed");
    tmp_write("big", S("0123456789"));
    err = (Err){0};
    assert_false(file_read(&arena, tmp_path("big"), 9, &bytes, &err));
    assert_non_null(strstr(err.text, "10 bytes; at most 9 are read"));
    arena_free(&arena);
}

static void test_files_appear_whole(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    Str bytes;
    const char *path = tmp_path("whole-file");
    assert_true(file_write(path, S("first"), &err));
    assert_true(file_write(path, S("second"), &err));
    assert_true(file_read(&arena, path, 100, &bytes, &err));
    assert_true(str_equal(bytes, S("second")));
    assert_false(file_write("build/no-such-folder/x", S("y"), &err));
    assert_string_equal(err.text, "build/no-such-folder/x: cannot be written: No such file or directory");
    err = (Err){0};
    assert_false(folder_make(path, &err));
    assert_non_null(strstr(err.text, "a folder is needed"));
    err = (Err){0};
    if (access("/dev/full", F_OK) == 0) {
        Log log;
        assert_true(log_open(&log, "/dev/full", &err));
        assert_false(log_append(&log, S("line"), &err));
        assert_string_equal(err.text, "/dev/full: cannot be written: No space left on device");
        log_close(&log, &(Err){0});
    }
    arena_free(&arena);
}

static void test_zstd_round_trip_and_damage(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    const size_t size = 3000000, bound = ZSTD_compressBound(size);
    char *data = arena_new(&arena, char, size);
    for (size_t i = 0; i < size; i++) data[i] = (char)(i * i >> 7);
    char *compressed = arena_new(&arena, char, bound);
    const Str packed = {compressed, ZSTD_compress(compressed, bound, data, size, 3)};
    Str back;
    assert_true(zstd_expand(&arena, packed, size, "x", &back, &err));
    assert_true(str_equal(back, (Str){data, size}));
    assert_false(zstd_expand(&arena, packed, size - 1, "x", &back, &err));
    assert_non_null(strstr(err.text, "x: expands to more than 2999999 bytes"));
    err = (Err){0};
    assert_false(zstd_expand(&arena, (Str){packed.at, packed.size / 2}, size, "x", &back, &err));
    assert_string_equal(err.text, "x: the zstd data is cut off");
    err = (Err){0};
    assert_false(zstd_expand(&arena, S("no zstd data at all"), size, "x", &back, &err));
    assert_non_null(strstr(err.text, "x: damaged zstd data"));
    err = (Err){0};
    assert_false(zstd_expand(&arena, S(""), size, "x", &back, &err));
    arena_free(&arena);
}

/* NIST's examples for SHA-256. */
static void test_sha256(void **state)
{
    (void)state;
    char hex[65];
    sha256_hex(S("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex(S(""), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex(S("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* ---- safetensors ---- */

static Str tensors_make(Arena *arena, const char *header, size_t data_bytes)
{
    const size_t size = strlen(header);
    char *at = arena_new(arena, char, 8 + size + data_bytes);
    for (int i = 0; i < 8; i++) at[i] = (char)(size >> 8 * i);
    memcpy(at + 8, header, size);
    return (Str){at, 8 + size + data_bytes};
}

static void test_safetensors_that_lie(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *message;
    } cases[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4,
         "ends at byte 8 of 4: the file is cut off"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
         "has 4 bytes of data, but its shape asks for 8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],"
         "\"data_offsets\":[2,6]}}",
         6, "overlaps another"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "leaves a hole in front of it"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, "4 bytes after the last tensor"},
        {"{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype \"F31\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "impossible shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4, "impossible shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "impossible data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "lacks dtype, shape or data_offsets"},
        {"{\"a\":1,\"a\":2}", 0, "not valid JSON"},
        {"{\"a\":", 0, "not valid JSON"},
        {"[]", 0, "the header is not a JSON object"},
    };
    Arena arena = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        Err err = {0};
        Safetensors file;
        assert_false(safetensors_parse(&arena, tensors_make(&arena, cases[i].header, cases[i].data), "m", &file, &err));
        if (!strstr(err.text, cases[i].message)) print_error("got:    %s\nwanted: %s\n", err.text, cases[i].message);
        assert_non_null(strstr(err.text, cases[i].message));
    }
    Err err = {0};
    Safetensors file;
    assert_false(safetensors_parse(&arena, S("\xff\xff\xff\xff\xff\xff\xff\x7f{}"), "m", &file, &err));
    assert_non_null(strstr(err.text, "the header claims 9223372036854775807 bytes of a file of 10"));
    err = (Err){0};
    assert_false(safetensors_parse(&arena, S("abc"), "m", &file, &err));
    assert_non_null(strstr(err.text, "3 bytes are too few"));
    arena_free(&arena);
}

/* ---- a model in several files ---- */

#define SHARDS "tests/golden/interchange/bert-shards/" /* as Hugging Face's save_pretrained wrote it */

static void test_shards_are_the_same_as_one_file(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    Safetensors one, many;
    if (!safetensors_open(&arena, "tests/golden/interchange/bert/model.safetensors", &one, &err) ||
        !safetensors_open_shards(&arena, SHARDS "model.safetensors.index.json", &many, &err))
        fail_msg("%s", err.text);
    assert_int_equal(many.shard_count, 2);
    assert_int_equal(many.count, one.count);
    for (size_t i = 0; i < one.count; i++) {
        const Tensor *tensor = safetensors_find(&many, one.tensors[i].name);
        assert_non_null(tensor);
        assert_int_equal(tensor->count, one.tensors[i].count);
        assert_memory_equal(tensor->data, one.tensors[i].data, tensor->count * sizeof(float));
    }
    char whole[65], again[65];
    safetensors_sha256(&one, whole);
    safetensors_sha256(&many, again);
    assert_string_not_equal(whole, again);
    safetensors_close(&one);
    safetensors_close(&many);
    arena_free(&arena);
}

static void test_shards_that_lie(void **state)
{
    (void)state;
    static const struct {
        const char *index, *message;
    } cases[] = {
        {"{\"weight_map\": {\"a\": \"there.safetensors\", \"b\": \"gone.safetensors\"}}",
         "gone.safetensors: the file does not exist"},
        {"{\"weight_map\": {\"b\": \"there.safetensors\"}}",
         "there.safetensors: tensor \"b\" is missing, which build/test-tmp/index.json says is there"},
        {"{\"weight_map\": {\"a\": \"../there.safetensors\"}}",
         "\"../there.safetensors\", which is not a .safetensors file beside the index"},
        {"{\"weight_map\": {\"a\": \"/there.safetensors\"}}", "not a .safetensors file beside the index"},
        {"{\"weight_map\": {\"a\": \".safetensors\"}}", "not a .safetensors file beside the index"},
        {"{\"weight_map\": {\"a\": \"index.json\"}}", "not a .safetensors file beside the index"},
        {"{\"weight_map\": {\"a\": 1}}", "not a .safetensors file beside the index"},
        {"{\"weight_map\": {}}", "\"weight_map\" is missing; is this an index?"},
        {"{}", "\"weight_map\" is missing"},
        {"[]", "index.json: not a JSON object"},
    };
    Arena arena = {0};
    tmp_write("there.safetensors",
              tensors_make(&arena, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4));
    for (size_t i = 0; i < COUNT(cases); i++) {
        Err err = {0};
        Safetensors file;
        tmp_write("index.json", str(cases[i].index));
        assert_false(safetensors_open_shards(&arena, tmp_path("index.json"), &file, &err));
        if (!strstr(err.text, cases[i].message)) print_error("got:    %s\nwanted: %s\n", err.text, cases[i].message);
        assert_non_null(strstr(err.text, cases[i].message));
        assert_int_equal(err.code, EXIT_WORLD);
    }
    arena_free(&arena);
}

/* Every half and bfloat16, against arithmetic on their fields. */
static void test_half_precision_is_widened_exactly(void **state)
{
    (void)state;
    enum { N = 65536 };
    Arena arena = {0};
    uint16_t *bits = arena_new(&arena, uint16_t, N);
    float *wide = arena_new(&arena, float, N);
    for (int i = 0; i < N; i++) bits[i] = (uint16_t)i;
    threads_start(1); /* flushes denormals, which must not reach the weights */
    tensor_to_f32(&(Tensor){.type = TENSOR_F16, .count = N, .data = (const uint8_t *)bits}, wide);
    for (int i = 0; i < N; i++) {
        const int exponent = i >> 10 & 31, mantissa = i & 1023;
        double value = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
        if (i & 0x8000) value = -value;
        if (exponent == 31)
            assert_true(mantissa ? isnan(wide[i]) : isinf(wide[i]));
        else
            assert_true((double)wide[i] == value);
    }
    tensor_to_f32(&(Tensor){.type = TENSOR_BF16, .count = N, .data = (const uint8_t *)bits}, wide);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t back;
        memcpy(&back, &wide[i], 4);
        assert_int_equal(back, i << 16);
    }
    threads_stop();
    arena_free(&arena);
}

/* ---- archives ---- */

static uint32_t archive_word(const Tensor *tensor, uint64_t at)
{
    return (uint32_t)(tensor->name[0] * 100003u + at / 4 * 2654435761u);
}

static void archive_test_fill(void *context, const Tensor *tensor, uint64_t at, void *bytes, size_t size)
{
    (void)context;
    for (size_t i = 0; i < size; i += 4) ((uint32_t *)bytes)[i / 4] = archive_word(tensor, at + i);
}

/* Pieces come in order and without a gap. context: how far, by the tensor's first letter. */
static void archive_test_take(void *context, const Tensor *tensor, uint64_t at, void *bytes, size_t size)
{
    uint64_t *taken = (uint64_t *)context + (tensor->name[0] - 'a');
    assert_int_equal(at, *taken);
    for (size_t i = 0; i < size; i++, ++*taken) {
        const uint32_t word = archive_word(tensor, at + i);
        if (((uint8_t *)bytes)[i] != (uint8_t)(word >> 8 * ((at + i) % 4))) fail_msg("%s: byte %zu", tensor->name, i);
    }
}

static void test_archive(void **state)
{
    static const Tensor tensors[] = {
        {.name = "c", .type = TENSOR_F32, .rank = 1, .shape = {700001}, .count = 700001}, /* more than a piece */
        {.name = "a", .type = TENSOR_U32, .rank = 1, .shape = {3}, .count = 3},
        {.name = "b", .type = TENSOR_F32, .rank = 2, .shape = {2, 5}, .count = 10},
    };
    Arena arena = {0};
    Err err = {0};
    Archive archive;
    uint64_t taken[3] = {0};
    Str packed;
    (void)state;
    const char *path = tmp_path("archive");
    assert_true(archive_write(path, json_pack("{s:s}", "about", "a \"test\""), tensors, COUNT(tensors),
                              archive_test_fill, NULL, &err));
    assert_true(archive_open(&arena, path, &archive, &err));
    assert_string_equal(json_string_value(json_object_get(archive.metadata, "about")), "a \"test\"");
    assert_int_equal(archive.file.count, 3);
    assert_int_equal(safetensors_find(&archive.file, "a")->type, TENSOR_U32);
    assert_true(archive_read(&archive, archive_test_take, taken, &err));
    assert_true(taken[0] == 12 && taken[1] == 40 && taken[2] == 4 * 700001);
    archive_close(&archive);
    /* whatever is wrong with it is seen before it is used */
    assert_true(file_read(&arena, path, 1 << 26, &packed, &err));
    char *damaged = arena_copy(&arena, packed.at, packed.size);
    for (size_t i = 0; i < 40; i++) {
        const size_t at = i < 20 ? i * packed.size / 20 : packed.size - 1 - (i - 20);
        damaged[at] ^= 0x10;
        Err why = {0};
        if (archive_parse(&arena, (Str){damaged, packed.size}, "damaged", &archive, &why))
            fail_msg("byte %zu of %zu is changed", at, packed.size);
        damaged[at] ^= 0x10;
        why = (Err){0};
        assert_false(archive_parse(&arena, (Str){damaged, at}, "cut", &archive, &why));
    }
    Err why = {0};
    assert_false(archive_parse(&arena, (Str){arena_copy(&arena, damaged, packed.size), packed.size + 1}, "long",
                               &archive, &why));
    assert_non_null(strstr(why.text, "1 bytes after the end"));
    arena_free(&arena);
}

static void test_lock_and_sweep(void **state)
{
    Err err = {0};
    FileLock one, two;
    bool free_one = false, free_two = true;
    (void)state;
    const char *path = tmp_path("lock");
    assert_true(lock_take(&one, path, &free_one, &err) && free_one);
    assert_true(lock_take(&two, path, &free_two, &err));
    assert_false(free_two);
    lock_release(&two);
    lock_release(&one);
    assert_int_equal(access(path, F_OK), -1);
    assert_true(lock_take(&two, path, &free_two, &err) && free_two);
    lock_release(&two);

    static const char *const names[] = {"drafts/a.json.123.tmp", "drafts/a.json", "drafts/b.tmp",
                                        "drafts/c.12x.tmp",      "drafts/12.tmp", "drafts/d..3.tmp"};
    assert_true(folder_make(tmp_path("drafts"), &err));
    for (size_t i = 0; i < COUNT(names); i++) tmp_write(names[i], S("x"));
    remove_temporaries(tmp_path("drafts"));
    for (size_t i = 0; i < COUNT(names); i++) assert_int_equal(access(tmp_path(names[i]), F_OK) != 0, i == 0 || i == 5);
}

static const struct CMUnitTest files_tests[] = {
    cmocka_unit_test(test_tables_that_are_broken),
    cmocka_unit_test(test_a_line_that_is_too_long),
    cmocka_unit_test(test_tables_that_are_fine),
    cmocka_unit_test(test_pairs_quotes_and_skipped_rows),
    cmocka_unit_test(test_formats_are_read_as_they_are_written),
    cmocka_unit_test(test_columns_by_name),
    cmocka_unit_test(test_kinds_of_files),
    cmocka_unit_test(test_files_that_cannot_be_read),
    cmocka_unit_test(test_files_appear_whole),
    cmocka_unit_test(test_zstd_round_trip_and_damage),
    cmocka_unit_test(test_sha256),
    cmocka_unit_test(test_shards_are_the_same_as_one_file),
    cmocka_unit_test(test_shards_that_lie),
    cmocka_unit_test(test_safetensors_that_lie),
    cmocka_unit_test(test_half_precision_is_widened_exactly),
    cmocka_unit_test(test_archive),
    cmocka_unit_test(test_lock_and_sweep),
};
