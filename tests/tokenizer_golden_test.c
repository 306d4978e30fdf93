/* Token ids against Hugging Face's fast tokenizers: tests/golden/tokenizers.txt, made by tests/golden/tokenizers.py
 * (which describes its lines), and the reference tokenisations in the shared data. */
#include <unistd.h>

static uint64_t fnv(uint64_t value, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) value = (value ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return value;
}
static const uint64_t fnv_start = UINT64_C(0xcbf29ce484222325);

/* ---- The tokenizers by the names that the golden file gives them ---- */

/* A folder with vocab.json and merges.txt alone: beside a tokenizer.json they are not read. */
static const char *folder_without_json(Arena *arena, const char *folder)
{
    char *here = realpath(folder, NULL);
    const char *link = arena_copy(arena, tmp_path("bpe"), strlen(tmp_path("bpe")));
    assert_non_null(here);
    mkdir(link, 0777);
    for (size_t i = 0; i < 2; i++) {
        const char *name = i ? "merges.txt" : "vocab.json", *to = arena_printf(arena, "%s/%s", link, name);
        unlink(to);
        assert_int_equal(symlink(arena_printf(arena, "%s/%s", here, name), to), 0);
    }
    free(here);
    return link;
}

/* NULL: it needs the shared data, and they are not here. */
static const Tokenizer *golden_tokenizer(Arena *arena, const char *name)
{
    static struct {
        char name[32];
        Tokenizer *tokenizer;
    } known[16];
    size_t i = 0;
    for (; known[i].tokenizer; i++)
        if (strcmp(known[i].name, name) == 0) return known[i].tokenizer;
    assert_true(i + 1 < COUNT(known));
    snprintf(known[i].name, sizeof known[i].name, "%s", name);
    const char *folder = arena_printf(arena, "tests/golden/tokenizers/%s", name);
    const bool large = strstr(name, "-base") != NULL;
    if (large) {
        if (!have_shared_data()) return NULL;
        folder = arena_printf(arena, SHARED_DATA "/tokenizers/%s", name);
        if (strcmp(name, "roberta-base") == 0) folder = folder_without_json(arena, folder);
        if (strcmp(name, "roberta-base-json") == 0) folder = SHARED_DATA "/tokenizers/roberta-base";
    }
    Err err = {0};
    Str vocab;
    const bool ok = strcmp(name, "bert-cased") == 0
                        ? file_read(arena, "tests/golden/tokenizers/bert/vocab.txt", 1 << 20, &vocab, &err) &&
                              tokenizer_from_vocab(arena, vocab, false, "vocab.txt", &known[i].tokenizer, &err)
                        : tokenizer_load(arena, folder, &known[i].tokenizer, &err);
    if (!ok) fail_msg("%s: %s", name, err.text);
    return known[i].tokenizer;
}

/* ---- Lines of the golden file ---- */

static Str from_hex(Arena *arena, const char *hex)
{
    char *bytes = arena_new(arena, char, strlen(hex) / 2 + 1);
    size_t size = 0;
    for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2) bytes[size++] = (char)byte;
    return (Str){bytes, size};
}

enum { GOLDEN_STRINGS = 400, GOLDEN_LENGTH = 128 };
typedef struct GoldenString {
    Str text, pair;
    uint32_t length;
} GoldenString;

/* Calls line(words, count) for the golden file's lines of a kind; words end with the line. */
static void golden_lines(Arena *arena, const char *kind, void (*line)(Arena *, char **, size_t, void *), void *context)
{
    Err err = {0};
    Str bytes;
    if (!file_read(arena, "tests/golden/tokenizers.txt", 1 << 24, &bytes, &err)) fail_msg("%s", err.text);
    char *rest = (char *)bytes.at;
    for (char *text; (text = strsep(&rest, "\n"));) {
        char *words[GOLDEN_LENGTH + 8];
        size_t count = 0;
        for (char *word; (word = strsep(&text, " ")) && count < COUNT(words);) words[count++] = word;
        if (strcmp(words[0], kind) == 0) line(arena, words, count, context);
    }
}

typedef struct GoldenStrings {
    GoldenString at[GOLDEN_STRINGS];
    size_t count, compared, skipped;
} GoldenStrings;

static void golden_string(Arena *arena, char **words, size_t count, void *context)
{
    GoldenStrings *strings = context;
    assert_int_equal(count, 5);
    assert_int_equal(strings->count, atoi(words[1]));
    assert_true(strings->count < GOLDEN_STRINGS);
    strings->at[strings->count++] = (GoldenString){.text = from_hex(arena, words[3]),
                                                   .pair = *words[4] == '-' ? (Str){0} : from_hex(arena, words[4]),
                                                   .length = (uint32_t)atoi(words[2])};
}

static void golden_ids(Arena *arena, char **words, size_t count, void *context)
{
    GoldenStrings *strings = context;
    const Tokenizer *tokenizer = golden_tokenizer(arena, words[1]);
    if (!tokenizer) {
        strings->skipped++;
        return;
    }
    const GoldenString *string = &strings->at[atoi(words[2])];
    uint32_t ids[GOLDEN_LENGTH];
    uint8_t types[GOLDEN_LENGTH];
    const uint32_t got = tokenizer_encode(tokenizer, arena, string->text, string->pair, string->length, ids, types);
    const size_t wanted = count - 5; /* ids NAME N ... | TYPES */
    bool same = got == wanted;
    for (uint32_t i = 0; same && i < got; i++)
        same = ids[i] == (uint32_t)atoi(words[3 + i]) && types[i] == words[count - 1][i] - '0';
    if (!same) {
        print_error("%s, string %s (%s):\n", words[1], words[2], str_show(string->text));
        for (uint32_t i = 0; i < got; i++) print_error(" %u", ids[i]);
        print_error("\n");
        for (size_t i = 0; i < wanted; i++) print_error(" %s", words[3 + i]);
        fail_msg("\nthe first are lethe's ids, the second HF's");
    }
    strings->compared++;
}

static void test_strings_against_hf(void **state)
{
    (void)state;
    Arena arena = {0};
    GoldenStrings *strings = arena_new(&arena, GoldenStrings, 1);
    golden_lines(&arena, "string", golden_string, strings);
    golden_lines(&arena, "ids", golden_ids, strings);
    print_message("%zu strings, %zu tokenisations the same, %zu need the shared data\n", strings->count,
                  strings->compared, strings->skipped);
    assert_true(strings->count > 150 && strings->compared > 900);
}

/* Every row of the shared data sets, by checksum. */
static void golden_file_rows(Arena *arena, char **words, size_t count, void *context)
{
    (void)context;
    Arena scratch = {0};
    Err err = {0};
    ExampleFile file;
    assert_int_equal(count, 7);
    const Tokenizer *tokenizer = golden_tokenizer(arena, words[1]);
    const uint32_t length = (uint32_t)atoi(words[3]);
    if (!examples_read(&scratch, arena_printf(&scratch, SHARED_DATA "/%s", words[2]), NULL, true, &file, &err))
        fail_msg("%s", err.text);
    assert_int_equal(file.row_count, atoi(words[4]));
    uint32_t ids[GOLDEN_LENGTH];
    uint8_t types[GOLDEN_LENGTH];
    uint64_t total = 0, sum = fnv_start;
    Arena row = {0};
    for (size_t i = 0; i < file.row_count; i++) {
        const uint32_t got =
            tokenizer_encode(tokenizer, &row, file.rows[i].text, file.rows[i].pair, length, ids, types);
        total += got;
        sum = fnv(fnv(sum, ids, got * sizeof *ids), types, got);
        if (row.total_bytes > 1 << 20) arena_free(&row);
    }
    if (total != strtoull(words[5], NULL, 10) || sum != strtoull(words[6], NULL, 16))
        fail_msg("%s on %s at %u: %llu ids, checksum %016llx; HF has %s, %s", words[1], words[2], length,
                 (unsigned long long)total, (unsigned long long)sum, words[5], words[6]);
    arena_free(&row);
    arena_free(&scratch);
}

static void test_rows_against_hf(void **state)
{
    (void)state;
    Arena arena = {0};
    if (!have_shared_data()) skip();
    golden_lines(&arena, "rows", golden_file_rows, NULL);
}

/* ---- Every code point ---- */

typedef struct CodeCheck {
    const char *name;
    Normalizer normalizer;
    WordSplit split;
    enum { CODE_NORMALIZE, CODE_WORDS, CODE_BPE, CODE_CLUSTERS } kind;
} CodeCheck;

/* A map whose keys are the bytes that begin a character: each cluster that is looked up whole becomes one X. */
static CharMap first_bytes(void)
{
    enum { ROOT = 512, LEAF = 256 };
    static uint32_t units[1024];
    units[0] = ROOT << 10;
    for (uint32_t byte = 1; byte < 0xf5; byte++) {
        if (byte >= 0x80 && byte < 0xc2) continue;
        units[ROOT ^ byte] = (ROOT ^ LEAF) << 10 | 1 << 8 | byte;
        units[LEAF ^ byte] = 1U << 31;
    }
    return (CharMap){units, COUNT(units), S("X")};
}

static uint64_t code_check(const CodeCheck *check, Arena *scratch, uint32_t code, uint64_t sum)
{
    char c[5] = {0}, text[128];
    c[unicode_encode(code, c)] = 0;
    const size_t size = unicode_encode(code, c);
    Str s = {text, 0}, word;
    const char *parts_normalize[] = {"a",
                                     c,
                                     "\xcc\x81",
                                     c,
                                     "\xcc\xa7"
                                     "b \xcd\x85",
                                     c,
                                     NULL};
    const char *parts_clusters[] = {"a",
                                    c,
                                    "\xcc\x81",
                                    c,
                                    "a\xc2\xa9\xe2\x80\x8d",
                                    c,
                                    "\xe0\xa4\x95\xe0\xa5\x8d",
                                    c,
                                    "\xcc\x81\xe1\x84\x80",
                                    c,
                                    "\xcc\x81",
                                    c,
                                    "\xe1\x86\xa8\xcc\x81\xe0\xa4\x95",
                                    c,
                                    "\xe0\xa4\x95\xcc\x81\r",
                                    c,
                                    "\n",
                                    NULL};
    const char *parts_words[] = {"a", c, "1 ", c, "2", c, c, "!", c, NULL};
    for (const char **part = check->kind == CODE_CLUSTERS    ? parts_clusters
                             : check->kind == CODE_NORMALIZE ? parts_normalize
                                                             : parts_words;
         *part; part++) {
        const size_t n = *part == c ? size : strlen(*part); /* U+0000 too */
        memcpy(text + s.size, *part, n);
        s.size += n;
    }
    if (check->kind == CODE_CLUSTERS) {
        const Normalizer clusters = {{{.kind = NORMAL_MAP, .map = first_bytes()}}, 1};
        const Str out = normalize(&clusters, scratch, s);
        return fnv(fnv(sum, out.at, out.size), "\xff", 1);
    }
    if (check->kind == CODE_NORMALIZE) {
        const Str out = normalize(&check->normalizer, scratch, s);
        return fnv(fnv(sum, out.at, out.size), "\xff", 1);
    }
    size_t at = 0, length;
    while (check->kind == CODE_WORDS && word_next(check->split, s, &at, &word, &length))
        sum = fnv(fnv(sum, word.at, word.size), "\xff", 1);
    while (check->kind == CODE_BPE && at < s.size) {
        const size_t end = bpe_word_end(s, at);
        sum = fnv(fnv(sum, s.at + at, end - at), "\xff", 1);
        at = end;
    }
    return sum;
}

static void golden_unicode(Arena *arena, char **words, size_t count, void *context)
{
    (void)context;
    static const CodeCheck checks[] = {
        {.name = "lower",
         .normalizer = {{{.kind = NORMAL_CLEAN},
                         {.kind = NORMAL_IDEOGRAPHS},
                         {.kind = NORMAL_NFD},
                         {.kind = NORMAL_ACCENTS},
                         {.kind = NORMAL_LOWER}},
                        5}},
        {.name = "cased", .normalizer = {{{.kind = NORMAL_CLEAN}, {.kind = NORMAL_IDEOGRAPHS}}, 2}},
        {.name = "marks", .normalizer = {{{.kind = NORMAL_LOWER}, {.kind = NORMAL_MARKS}}, 2}},
        {.name = "nfc", .normalizer = {{{.kind = NORMAL_NFC}}, 1}},
        {.name = "nfkc", .normalizer = {{{.kind = NORMAL_NFKC}}, 1}},
        {.name = "nfkd", .normalizer = {{{.kind = NORMAL_NFKD}}, 1}},
        {.name = "nmt", .normalizer = {{{.kind = NORMAL_NMT}}, 1}},
        {.name = "spaces", .normalizer = {{{.kind = NORMAL_SPACES, .to = S(" ")}}, 1}},
        {.name = "clusters", .kind = CODE_CLUSTERS},
        {.name = "bert", .split = SPLIT_BERT, .kind = CODE_WORDS},
        {.name = "class", .split = SPLIT_WORD_CLASS, .kind = CODE_WORDS},
        {.name = "gpt2", .kind = CODE_BPE},
    };
    static const uint32_t ranges[][2] = {{0, 0xd800}, {0xe000, 0x32000}, {0xe0000, 0xe0200}, {0xf0000, 0xf0010}};
    const CodeCheck *check = checks;
    Arena scratch = {0};
    uint64_t sum = fnv_start;
    assert_int_equal(count, 3);
    while (strcmp(check->name, words[1]) != 0) assert_true(++check < checks + COUNT(checks));
    for (size_t i = 0; i < COUNT(ranges); i++)
        for (uint32_t c = ranges[i][0]; c < ranges[i][1]; c++) {
            sum = code_check(check, &scratch, c, sum);
            if (scratch.total_bytes > 1 << 20) arena_free(&scratch);
        }
    arena_free(&scratch);
    (void)arena;
    if (sum != strtoull(words[2], NULL, 16))
        fail_msg("%s: checksum %016llx, HF's is %s", words[1], (unsigned long long)sum, words[2]);
}

static void test_every_code_point_against_hf(void **state)
{
    (void)state;
    Arena arena = {0};
    golden_lines(&arena, "unicode", golden_unicode, NULL);
    arena_free(&arena);
}

/* ---- llama.cpp's reference tokenisations ---- */

static void compare_fixture(Arena *arena, const char *tokenizer_name, const char *fixture)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    Err err = {0};
    Str in, out;
    const Tokenizer *tokenizer = golden_tokenizer(arena, tokenizer_name);
    if (!file_read(arena, arena_printf(arena, SHARED_DATA "/fixtures/%s.inp", fixture), 1 << 20, &in, &err) ||
        !file_read(arena, arena_printf(arena, SHARED_DATA "/fixtures/%s.out", fixture), 1 << 20, &out, &err))
        fail_msg("%s", err.text);
    char *lines = (char *)out.at;
    size_t cases = 0;
    for (char *at = (char *)in.at, *end = at + in.size, *next; at; at = next, cases++) {
        char *stop = memmem(at, (size_t)(end - at), mark, strlen(mark));
        next = stop ? stop + strlen(mark) : NULL;
        const Str text = {at, (size_t)((stop ? stop : end) - at)};
        char *line = strsep(&lines, "\n");
        uint32_t ids[512];
        uint8_t types[512];
        const uint32_t got = tokenizer_encode(tokenizer, arena, text, (Str){0}, COUNT(ids), ids, types) -
                             1; /* without the special tokens */
        uint32_t i = 1;
        for (char *id; (id = strsep(&line, " "));)
            if (*id && (i >= got || ids[i++] != (uint32_t)atoi(id)))
                fail_msg("%s, case %zu (%s): the id at %u differs", fixture, cases + 1, str_show(text), i);
        assert_int_equal(i, got);
    }
    assert_int_equal(cases, 47);
}

static void test_fixtures(void **state)
{
    (void)state;
    Arena arena = {0};
    if (!have_shared_data()) skip();
    compare_fixture(&arena, "bert-base-uncased", "bert-bge");
    compare_fixture(&arena, "roberta-base", "roberta-bpe");
    compare_fixture(&arena, "roberta-base-json", "roberta-bpe");
}

/* ---- The grid of a folder's settings, made by tests/golden/tokenizers_grid.py ---- */

/* RFC 7386; "NULL" stands for null, which merge patches cannot say. The caller owns what is returned. */
static json_t *grid_merge(const json_t *target, const json_t *patch)
{
    const char *key;
    json_t *value;
    if (json_is_string(patch) && strcmp(json_string_value(patch), "NULL") == 0) return json_null();
    if (!json_is_object(patch)) return json_deep_copy(patch);
    json_t *out = json_is_object(target) ? json_deep_copy(target) : json_object();
    json_object_foreach((json_t *)patch, key, value)
    {
        if (json_is_null(value))
            json_object_del(out, key);
        else
            json_object_set_new(out, key, grid_merge(json_object_get(target, key), value));
    }
    return out;
}

static void grid_file(Arena *arena, const char *base, const char *folder, const char *name, const json_t *patch)
{
    Err err = {0};
    Str bytes = S("{}");
    const char *from = arena_printf(arena, "%s/%s", base, name), *to = arena_printf(arena, "%s/%s", folder, name);
    json_t *before = NULL;
    if (json_is_null(patch)) return;
    if (access(from, F_OK) == 0 && !file_read(arena, from, 1 << 24, &bytes, &err)) fail_msg("%s", err.text);
    if (json_is_string(patch)) bytes = (Str){json_string_value(patch), json_string_length(patch)};
    if (json_object_size(patch)) {
        if (!json_parse(bytes, from, &before, &err)) fail_msg("%s", err.text);
        json_t *after = grid_merge(before, patch);
        char *text = json_dumps(after, JSON_COMPACT);
        bytes = (Str){arena_copy(arena, text, strlen(text)), strlen(text)};
        free(text);
        json_decref(after);
        json_decref(before);
    }
    if (!file_write(to, bytes, &err)) fail_msg("%s", err.text);
}

static const char *grid_folder(Arena *arena, const json_t *one)
{
    static const char *const names[] = {"tokenizer.json",    "vocab.txt",
                                        "vocab.json",        "merges.txt",
                                        "config.json",       "tokenizer_config.json",
                                        "added_tokens.json", "special_tokens_map.json"};
    const char *base =
        arena_printf(arena, "tests/golden/tokenizers/%s", json_string_value(json_object_get(one, "base")));
    const char *folder = arena_printf(arena, "%s", tmp_path("grid"));
    const json_t *patch = json_object_get(one, "patch");
    mkdir(folder, 0777);
    for (size_t i = 0; i < COUNT(names); i++) {
        const json_t *own = json_object_get(patch, names[i]);
        unlink(arena_printf(arena, "%s/%s", folder, names[i]));
        if (own || access(arena_printf(arena, "%s/%s", base, names[i]), F_OK) == 0)
            grid_file(arena, base, folder, names[i], own);
    }
    return folder;
}

static uint64_t grid_sum(const Tokenizer *tokenizer, const json_t *rows, uint32_t length)
{
    uint64_t sum = fnv_start;
    const json_t *row;
    size_t i;
    Arena scratch = {0};
    json_array_foreach(rows, i, row)
    {
        const json_t *text = json_array_get(row, 0), *pair = json_array_get(row, 1);
        uint32_t ids[GOLDEN_LENGTH];
        uint8_t types[GOLDEN_LENGTH];
        const uint32_t count =
            tokenizer_encode(tokenizer, &scratch, (Str){json_string_value(text), json_string_length(text)},
                             (Str){json_string_value(pair), json_string_length(pair)}, length, ids, types);
        sum = fnv(fnv(sum, ids, count * sizeof *ids), types, count);
        if (scratch.total_bytes > 1 << 20) arena_free(&scratch);
    }
    arena_free(&scratch);
    return sum;
}

/* The ids of every folder are AutoTokenizer's, or it is refused. */
static void test_grid_against_hf(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    Str bytes;
    json_t *grid, *one;
    size_t i, same = 0;
    const char *path = "tests/golden/tokenizers_grid.json";
    if (!file_read(&arena, path, 1 << 24, &bytes, &err) || !json_parse(bytes, path, &grid, &err))
        fail_msg("%s", err.text);
    const json_t *cases = json_object_get(grid, "cases"), *rows = json_object_get(grid, "rows");
    assert_true(json_array_size(cases) >= 300 && json_array_size(rows) == 500);
    json_array_foreach(cases, i, one)
    {
        Arena own = {0};
        Tokenizer *tokenizer;
        const char *wanted = json_string_value(json_object_get(one, "sum"));
        err = (Err){0};
        if (tokenizer_load(&own, grid_folder(&own, one), &tokenizer, &err)) {
            const uint64_t sum =
                grid_sum(tokenizer, rows, (uint32_t)json_integer_value(json_object_get(one, "length")));
            if (!wanted || strtoull(wanted, NULL, 16) != sum)
                fail_msg("case %zu: checksum %016llx, HF's is %s", i, (unsigned long long)sum,
                         wanted ? wanted : "none");
            same++;
        } else {
            assert_int_equal(err.code, EXIT_WORLD);
        }
        arena_free(&own);
    }
    print_message("%zu folders, %zu with HF's ids, the others refused\n", i, same);
    assert_int_equal(same, json_integer_value(json_object_get(grid, "same")));
    json_decref(grid);
    arena_free(&arena);
}

static const struct CMUnitTest tokenizer_golden_tests[] = {
    cmocka_unit_test(test_strings_against_hf),
    cmocka_unit_test(test_rows_against_hf),
    cmocka_unit_test(test_every_code_point_against_hf),
    cmocka_unit_test(test_fixtures),
    cmocka_unit_test(test_grid_against_hf),
};
