#include "text.h"

#include <string.h>

/* The normalizer and the pre_tokenizer of a tokenizer.json. */

/* ---- Normalizer ---- */

static bool tokjson_add_step(Normalizer *normalizer, const char *what, NormalStep step, Err *err)
{
    if (normalizer->step_count == NORMALIZER_MAX_STEPS) return fail(err, "%s: normalizer: too many steps", what);
    normalizer->steps[normalizer->step_count++] = step;
    return true;
}

static bool tokjson_add_plain(Normalizer *normalizer, const char *what, NormalKind kind, Err *err)
{
    return tokjson_add_step(normalizer, what, (NormalStep){.kind = kind}, err);
}

static bool tokjson_bert_normalizer(const json_t *part, const char *what, Normalizer *out, Err *err)
{
    bool clean = true, ideographs = true, lower = true, strip = true;
    if (!tokjson_flag(part, what, "clean_text", true, &clean, err) ||
        !tokjson_flag(part, what, "handle_chinese_chars", true, &ideographs, err) ||
        !tokjson_flag(part, what, "lowercase", true, &lower, err) ||
        !tokjson_flag(part, what, "strip_accents", lower, &strip, err))
        return false;
    return (!clean || tokjson_add_plain(out, what, NORMAL_CLEAN, err)) &&
           (!ideographs || tokjson_add_plain(out, what, NORMAL_IDEOGRAPHS, err)) &&
           (!strip ||
            (tokjson_add_plain(out, what, NORMAL_NFD, err) && tokjson_add_plain(out, what, NORMAL_ACCENTS, err))) &&
           (!lower || tokjson_add_plain(out, what, NORMAL_LOWER, err));
}

/* The bytes of a text in base64 (RFC 4648, with its padding). */
static bool tokjson_base64(Arena *arena, Str text, Str *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t value[256];
    if (text.size % 4) return false;
    while (text.size && text.at[text.size - 1] == '=' && text.size % 4 != 2) text.size--;
    memset(value, 0xff, sizeof value);
    for (uint8_t i = 0; i < 64; i++) value[(uint8_t)digits[i]] = i;
    char *bytes = arena_alloc(arena, text.size + 1, 1);
    size_t size = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (value[(uint8_t)text.at[i]] == 0xff) return false;
        bits = bits << 6 | value[(uint8_t)text.at[i]];
        if (i % 4) bytes[size++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    *out = (Str){bytes, size};
    return true;
}

static bool tokjson_charmap(Arena *arena, const json_t *part, const char *what, NormalStep *step, Err *err)
{
    const json_t *map = json_object_get(part, "precompiled_charsmap");
    Str bytes;
    step->kind = NORMAL_MAP;
    if (!tokjson_base64(arena, (Str){json_string_value(map), json_string_length(map)}, &bytes))
        return fail(err, "%s: normalizer: \"precompiled_charsmap\" is not base64", what);
    return charmap_read(arena, bytes, what, &step->map, err);
}

/* {"pattern": {"String": ...} or {"Regex": ...}, "content"}; of regular expressions the two that are in use. */
static bool tokjson_replace(Arena *arena, const json_t *part, const char *what, NormalStep *step, Err *err)
{
    static const struct {
        const char *pattern;
        NormalStep step;
    } known[] = {{" {2,}", {.kind = NORMAL_RUNS, .from = {" ", 1}}}, {"\\s{2,}|[\\n\\r\\t]", {.kind = NORMAL_SPACES}}};
    const json_t *pattern = json_object_get(part, "pattern"), *text = json_object_get(pattern, "String"),
                 *regex = json_object_get(pattern, "Regex"), *content = json_object_get(part, "content");
    if (!json_is_string(content) || (!json_is_string(text) && !json_is_string(regex)))
        return fail(err, "%s: normalizer: Replace needs a \"pattern\" and a \"content\"", what);
    if (json_is_string(text) && !json_string_length(text))
        return fail(err, "%s: normalizer: Replace of an empty text is not supported", what);
    if (json_is_string(text)) *step = (NormalStep){.kind = NORMAL_REPLACE, .from = added_text(arena, text)};
    bool found = json_is_string(text);
    for (size_t i = 0; i < COUNT(known) && !found; i++)
        if (strcmp(known[i].pattern, json_string_value(regex)) == 0) *step = known[i].step, found = true;
    if (!found)
        return fail(err,
                    "%s: normalizer: Replace by the regular expression \"%s\" is not supported; texts and the "
                    "expression \" {2,}\" are",
                    what, str_show(str(json_string_value(regex))));
    step->to = added_text(arena, content);
    return true;
}

typedef enum StepKind { STEP_PLAIN, STEP_BERT, STEP_LIST, STEP_MAP, STEP_REPLACE, STEP_STRIP, STEP_PREPEND } StepKind;
typedef struct NormalizerType {
    const char *type;
    StepKind part;
    NormalKind kind; /* of STEP_PLAIN */
} NormalizerType;
static const NormalizerType normalizer_types[] = {{"BertNormalizer", STEP_BERT, 0},
                                                  {"Sequence", STEP_LIST, 0},
                                                  {"Precompiled", STEP_MAP, 0},
                                                  {"Replace", STEP_REPLACE, 0},
                                                  {"Strip", STEP_STRIP, 0},
                                                  {"Prepend", STEP_PREPEND, 0},
                                                  {"Lowercase", STEP_PLAIN, NORMAL_LOWER},
                                                  {"StripAccents", STEP_PLAIN, NORMAL_MARKS},
                                                  {"NFD", STEP_PLAIN, NORMAL_NFD},
                                                  {"NFKD", STEP_PLAIN, NORMAL_NFKD},
                                                  {"NFC", STEP_PLAIN, NORMAL_NFC},
                                                  {"NFKC", STEP_PLAIN, NORMAL_NFKC},
                                                  {"Nmt", STEP_PLAIN, NORMAL_NMT}};

/* A part that is one step. */
static bool tokjson_step(Arena *arena, const NormalizerType *type, const json_t *part, const char *what,
                         Normalizer *out, Err *err)
{
    NormalStep step = {.kind = type->kind};
    bool ok = true;
    if (type->part == STEP_MAP) ok = tokjson_charmap(arena, part, what, &step, err);
    if (type->part == STEP_REPLACE) ok = tokjson_replace(arena, part, what, &step, err);
    if (type->part == STEP_STRIP && (!json_is_boolean(json_object_get(part, "strip_left")) ||
                                     !json_is_boolean(json_object_get(part, "strip_right"))))
        return fail(err, "%s: normalizer: Strip needs \"strip_left\" and \"strip_right\", true or false", what);
    if (type->part == STEP_STRIP)
        step = (NormalStep){.kind = NORMAL_STRIP,
                            .left = json_is_true(json_object_get(part, "strip_left")),
                            .right = json_is_true(json_object_get(part, "strip_right"))};
    if (type->part == STEP_PREPEND) {
        const json_t *text = json_object_get(part, "prepend");
        if (!json_is_string(text)) return fail(err, "%s: normalizer: Prepend needs \"prepend\"", what);
        step = (NormalStep){.kind = NORMAL_PREPEND, .to = added_text(arena, text)};
    }
    return ok && tokjson_add_step(out, what, step, err);
}

static bool tokjson_normalizer(Arena *arena, const json_t *part, const char *what, Normalizer *out, Err *err)
{
    const char *name = tokjson_type(part);
    const NormalizerType *type = normalizer_types, *end = normalizer_types + COUNT(normalizer_types);
    if (!part || json_is_null(part)) return true;
    while (type < end && strcmp(name, type->type) != 0) type++;
    if (type == end) /* before its keys, which are those of its type */
        return fail(err,
                    "%s: a normalizer of type \"%s\" is not supported; BertNormalizer, Precompiled, Replace, Strip, "
                    "Prepend, Lowercase, StripAccents, NFC, NFD, NFKC, NFKD and Nmt are",
                    what, str_show(str(name)));
    if (!keys_check(&tokenizer_part_keys, part, what, err)) return false;
    if (type->part == STEP_BERT) return tokjson_bert_normalizer(part, what, out, err);
    if (type->part != STEP_LIST) return tokjson_step(arena, type, part, what, out, err);
    const json_t *list = json_object_get(part, "normalizers"), *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        if (strcmp(tokjson_type(item), "Sequence") == 0)
            return fail(err, "%s: normalizer: a Sequence in a Sequence", what);
        if (!tokjson_normalizer(arena, item, what, out, err)) return false;
    }
    return true;
}

/* ---- Pre-tokenizer ---- */

static const struct {
    const char *type;
    WordSplit split;
} word_splits[] = {
    {"BertPreTokenizer", SPLIT_BERT}, {"Whitespace", SPLIT_WORD_CLASS}, {"WhitespaceSplit", SPLIT_SPACES}};

/* false: it is none. */
static bool tokjson_is_word_split(const json_t *part, WordSplit *out)
{
    for (size_t i = 0; i < COUNT(word_splits); i++)
        if (strcmp(tokjson_type(part), word_splits[i].type) == 0) {
            *out = word_splits[i].split;
            return true;
        }
    return false;
}

static bool tokjson_word_split(const json_t *part, const char *what, WordSplit *out, Err *err)
{
    *out = SPLIT_NOTHING;
    if (!part || json_is_null(part)) return true;
    if (tokjson_is_word_split(part, out)) return keys_check(&tokenizer_part_keys, part, what, err);
    return fail(err,
                "%s: a pre_tokenizer of type \"%s\" is not supported with WordPiece; BertPreTokenizer, Whitespace and "
                "WhitespaceSplit are",
                what, str_show(str(tokjson_type(part))));
}

static bool tokjson_metaspace(Arena *arena, const json_t *part, const char *what, Metaspace *out, Err *err)
{
    static const struct {
        const char *name;
        MetaspaceScheme scheme;
    } schemes[] = {{"always", PREPEND_ALWAYS}, {"first", PREPEND_FIRST}, {"never", PREPEND_NEVER}};
    const json_t *mark = json_object_get(part, "replacement"), *old = json_object_get(part, "add_prefix_space");
    const char *scheme = json_string_value(json_object_get(part, "prepend_scheme"));
    size_t size = 0, i = 0;
    if (!keys_check(&tokenizer_part_keys, part, what, err)) return false;
    *out = (Metaspace){.used = true, .prepend = PREPEND_ALWAYS};
    if (json_string_length(mark)) out->mark = added_text(arena, mark), unicode_next(out->mark, &size);
    if (!out->mark.size || size != out->mark.size)
        return fail(err, "%s: pre_tokenizer: Metaspace's \"replacement\" must be one character", what);
    while (scheme && i < COUNT(schemes) && strcmp(scheme, schemes[i].name) != 0) i++;
    if (i == COUNT(schemes))
        return fail(err, "%s: pre_tokenizer: \"prepend_scheme\" must be \"always\", \"first\" or \"never\"", what);
    if (scheme) out->prepend = schemes[i].scheme;
    if (json_is_false(old) && out->prepend != PREPEND_NEVER) /* the library does not load it either */
        return fail(
            err,
            "%s: pre_tokenizer: \"add_prefix_space\" is false, but \"prepend_scheme\" is not \"never\" (without "
            "it, \"always\")",
            what);
    return tokjson_flag(part, what, "split", true, &out->split, err);
}

static bool tokjson_fail_unigram_split(const json_t *part, const char *what, Err *err)
{
    return fail(err,
                "%s: a pre_tokenizer of type \"%s\" is not supported there with Unigram; Metaspace, WhitespaceSplit, "
                "Whitespace and BertPreTokenizer are, and a Sequence of one of the last three and Metaspace",
                what, str_show(str(tokjson_type(part))));
}

/* Metaspace, a split into words, or both in this order. */
static bool tokjson_unigram_split(Arena *arena, const json_t *part, const char *what, Unigram *out, Err *err)
{
    const json_t *list = json_object_get(part, "pretokenizers"), *item;
    const bool sequence = strcmp(tokjson_type(part), "Sequence") == 0;
    size_t i;
    bool split = false;
    out->split = SPLIT_NOTHING;
    out->metaspace = (Metaspace){0};
    if (!part || json_is_null(part)) return true;
    if (sequence && !keys_check(&tokenizer_part_keys, part, what, err)) return false;
    for (i = 0; i < (sequence ? json_array_size(list) : 1); i++) {
        item = sequence ? json_array_get(list, i) : part;
        if (out->metaspace.used) return tokjson_fail_unigram_split(item, what, err);
        if (strcmp(tokjson_type(item), "Metaspace") == 0) {
            if (!tokjson_metaspace(arena, item, what, &out->metaspace, err)) return false;
            continue;
        }
        if (split || !tokjson_is_word_split(item, &out->split)) return tokjson_fail_unigram_split(item, what, err);
        if (!keys_check(&tokenizer_part_keys, item, what, err)) return false;
        split = true;
    }
    return true;
}
