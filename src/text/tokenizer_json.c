#include "text.h"

#include <math.h>
#include <string.h>

/* tokenizer.json, as the tokenizers library writes it: model, post-processor, and the whole. Only what the tokenizers
 * of encoders use is supported; anything else is refused by name rather than ignored. */

typedef struct TokJson {
    Arena *arena;
    const json_t *root;
    const char *what;
    Tokenizer *tokenizer;
    TokenList tokens;      /* of the model */
    double *scores;        /* of Unigram's */
    Vocab vocab;           /* of the model */
    AddedVocabulary added; /* once they are in place */
} TokJson;

/* ---- Post-processor ---- */

static bool tokjson_token_id(const TokJson *j, const json_t *value, uint32_t *id, Err *err)
{
    const json_int_t n = json_is_integer(value) ? json_integer_value(value) : -1;
    if (n < 0 || n >= j->tokenizer->vocab_size)
        return fail(err, "%s: post_processor: a token id must be a whole number from 0 to %u", j->what,
                    j->tokenizer->vocab_size - 1);
    *id = (uint32_t)n;
    return true;
}

/* {"SpecialToken": {"id", "type_id"}} or {"Sequence": {"id": "A" or "B", "type_id"}}. */
static bool tokjson_template_part(const TokJson *j, const json_t *special, const json_t *part, Template *out, Err *err)
{
    const json_t *token = json_object_get(part, "SpecialToken"), *text = json_object_get(part, "Sequence");
    const json_t *body = token ? token : text;
    const char *name = json_string_value(json_object_get(body, "id"));
    int64_t type;
    if (!name)
        return fail(err, "%s: post_processor: a part of the template is neither SpecialToken nor Sequence with an id",
                    j->what);
    if (!json_get_int(body, j->what, "type_id", 0, 1, &type, err)) return false;
    const json_t *ids = json_object_get(json_object_get(special, name), "ids"), *value;
    if (out->count + (token ? json_array_size(ids) : 1) > TEMPLATE_MAX_PARTS)
        return fail(err, "%s: post_processor: a template with more than %d parts is not supported", j->what,
                    TEMPLATE_MAX_PARTS);
    if (!token) {
        template_add(out, strcmp(name, "A") == 0 ? PART_TEXT : PART_PAIR, 0, (uint8_t)type);
        return true;
    }
    if (!json_array_size(ids))
        return fail(err, "%s: post_processor: the template's token \"%s\" is not in special_tokens", j->what,
                    str_show(str(name)));
    size_t i;
    json_array_foreach(ids, i, value)
    {
        uint32_t id;
        if (!tokjson_token_id(j, value, &id, err)) return false;
        template_add(out, PART_TOKEN, id, (uint8_t)type);
    }
    return true;
}

static bool tokjson_template(const TokJson *j, const json_t *processor, const char *key, bool pair, Template *out,
                             Err *err)
{
    const json_t *parts = json_object_get(processor, key), *part;
    uint32_t texts[3] = {0};
    size_t i;
    *out = (Template){0};
    json_array_foreach(parts, i, part)
    {
        if (!tokjson_template_part(j, json_object_get(processor, "special_tokens"), part, out, err)) return false;
    }
    for (i = 0; i < out->count; i++) texts[out->parts[i].kind]++;
    if (texts[PART_TEXT] == 1 && texts[PART_PAIR] == pair && out->parts[0].kind == PART_TOKEN) return true;
    return fail(err, "%s: post_processor: the template \"%s\" must begin with a special token and have %s once",
                j->what, key, pair ? "the texts A and B" : "the text A");
}

/* "cls": ["<s>", 0] */
static bool tokjson_named_token(const TokJson *j, const json_t *processor, const char *key, uint32_t *id, Err *err)
{
    const json_t *both = json_object_get(processor, key);
    return json_array_size(both) == 2 ? tokjson_token_id(j, json_array_get(both, 1), id, err)
                                      : fail(err, "%s: post_processor: \"%s\" must be [token, id]", j->what, key);
}

static bool tokjson_fail_processor(const TokJson *j, const char *type, Err *err)
{
    return fail(err,
                "%s: a post_processor of type \"%s\" is not supported; TemplateProcessing, BertProcessing and "
                "RobertaProcessing are",
                j->what, str_show(str(type)));
}

static bool tokjson_post_processor(const TokJson *j, const json_t *part, Err *err)
{
    const char *type = tokjson_type(part);
    const bool template = strcmp(type, "TemplateProcessing") == 0, roberta = strcmp(type, "RobertaProcessing") == 0,
               bert = strcmp(type, "BertProcessing") == 0, sequence = strcmp(type, "Sequence") == 0,
               bytes = strcmp(type, "ByteLevel") == 0;
    if (!part || json_is_null(part))
        return fail(err,
                    "%s: no post_processor: rows would have no special tokens, by whose first one rows are classified",
                    j->what);
    if (!template && !roberta && !bert && !sequence && !bytes) return tokjson_fail_processor(j, type, err);
    if (!keys_check(&tokenizer_part_keys, part, j->what, err)) return false;
    if (template)
        return tokjson_template(j, part, "single", false, &j->tokenizer->single, err) &&
               tokjson_template(j, part, "pair", true, &j->tokenizer->pair, err);
    if (roberta || bert) {
        uint32_t first, last;
        /* without them the library takes it for a BertProcessing: one token between two texts, not two */
        if (roberta && !(json_is_boolean(json_object_get(part, "trim_offsets")) &&
                         json_is_boolean(json_object_get(part, "add_prefix_space"))))
            return fail(err,
                        "%s: post_processor: a RobertaProcessing needs \"trim_offsets\" and \"add_prefix_space\", true "
                        "or false: without them the tokenizers library does what BertProcessing does",
                        j->what);
        if (!tokjson_named_token(j, part, "cls", &first, err) || !tokjson_named_token(j, part, "sep", &last, err))
            return false;
        template_usual(j->tokenizer, first, last, roberta, !roberta);
        return true;
    }
    const json_t *list = json_object_get(part, "processors"), *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        /* a Sequence; ByteLevel is about offsets only */
        if (strcmp(tokjson_type(item), "ByteLevel") != 0 && !json_object_get(item, "processors"))
            return tokjson_post_processor(j, item, err);
    }
    return tokjson_fail_processor(j, type, err);
}

/* ---- Models ---- */

static bool tokjson_wordpiece(TokJson *j, const json_t *model, Err *err)
{
    Str unknown, prefix;
    int64_t max_word = 100;
    WordSplit split;
    return tokjson_text(model, j->what, "unk_token", S("[UNK]"), &unknown, err) &&
           tokjson_text(model, j->what, "continuing_subword_prefix", S("##"), &prefix, err) &&
           (!json_object_get(model, "max_input_chars_per_word") ||
            json_get_int(model, j->what, "max_input_chars_per_word", 1, WORDPIECE_MAX_WORD, &max_word, err)) &&
           tokjson_word_split(json_object_get(j->root, "pre_tokenizer"), j->what, &split, err) &&
           wordpiece_build(j->arena, &j->tokens, unknown, prefix, (uint32_t)max_word, split, j->what,
                           &j->tokenizer->wordpiece, err);
}

/* "left right" or ["left", "right"]. */
static bool tokjson_merge(const json_t *entry, MergeRule *rule)
{
    const json_t *left = json_array_get(entry, 0), *right = json_array_get(entry, 1);
    if (json_array_size(entry) == 2 && json_is_string(left) && json_is_string(right)) {
        rule->left = (Str){json_string_value(left), json_string_length(left)};
        rule->right = (Str){json_string_value(right), json_string_length(right)};
        return true;
    }
    return json_is_string(entry) && merge_split((Str){json_string_value(entry), json_string_length(entry)}, rule);
}

static bool tokjson_merges(const TokJson *j, const json_t *merges, Bpe *bpe, Err *err)
{
    const size_t count = json_array_size(merges);
    if (!json_is_array(merges) || count > TOKENS_MAX)
        return fail(err, "%s: model.merges must be a list of merges", j->what);
    MergeRule *rules = arena_new(j->arena, MergeRule, count);
    const json_t *entry;
    size_t i;
    json_array_foreach(merges, i, entry)
    {
        rules[i].number = i + 1;
        if (!tokjson_merge(entry, &rules[i]))
            return fail(err, "%s: model.merges, entry %zu: must be two tokens", j->what, i + 1);
    }
    const char *rules_what = arena_printf(j->arena, "%s: model.merges, entry", j->what);
    return bpe_build(j->arena, &j->vocab, rules, count, rules_what, bpe, err);
}

static bool tokjson_bpe(TokJson *j, const json_t *model, Err *err)
{
    Bpe *bpe = &j->tokenizer->bpe;
    const json_t *pre = json_object_get(j->root, "pre_tokenizer");
    const json_t *dropout = json_object_get(model, "dropout");
    Str unknown, prefix, suffix;
    bool fuse, fallback, ignore, use_regex, prefix_space;
    if (strcmp(tokjson_type(pre), "ByteLevel") != 0)
        return fail(err, "%s: a pre_tokenizer of type \"%s\" is not supported with BPE; ByteLevel is", j->what,
                    str_show(str(tokjson_type(pre))));
    if (!keys_check(&tokenizer_part_keys, pre, j->what, err) ||
        !tokjson_text(model, j->what, "unk_token", (Str){0}, &unknown, err) ||
        !tokjson_text(model, j->what, "continuing_subword_prefix", (Str){0}, &prefix, err) ||
        !tokjson_text(model, j->what, "end_of_word_suffix", (Str){0}, &suffix, err) ||
        !tokjson_flag(model, j->what, "fuse_unk", false, &fuse, err) ||
        !tokjson_flag(model, j->what, "byte_fallback", false, &fallback, err) ||
        !tokjson_flag(model, j->what, "ignore_merges", false, &ignore, err) ||
        !tokjson_flag(pre, j->what, "use_regex", true, &use_regex, err) ||
        !tokjson_flag(pre, j->what, "add_prefix_space", true, &prefix_space, err))
        return false;
    if (!use_regex)
        return fail(err, "%s: a pre_tokenizer of type ByteLevel without its pattern is not supported", j->what);
    if (prefix.size || suffix.size || fallback || ignore ||
        (json_is_number(dropout) && json_number_value(dropout) != 0))
        return fail(err,
                    "%s: a BPE model with continuing_subword_prefix, end_of_word_suffix, byte_fallback, ignore_merges "
                    "or dropout is not supported",
                    j->what);
    if (!tokjson_merges(j, json_object_get(model, "merges"), bpe, err)) return false;
    bpe->fuse_unknown = fuse;
    bpe->prefix_space = prefix_space;
    return !unknown.size || tokens_need(&j->vocab, unknown, j->what, &bpe->unknown, err);
}

/* The number that serde_json makes of a decimal number, which is off by one bit now and then: its digits as a whole
 * number, rounded, times or over a power of ten. The tokenizers library reads scores so. */
static double tokjson_serde_number(double value)
{
    char text[40], digits[24] = "";
    size_t count = 0;
    int places = 14;
    do snprintf(text, sizeof text, "%.*e", places, fabs(value));
    while (strtod(text, NULL) != fabs(value) && ++places < 17);
    const char *e = strchr(text, 'e');
    for (const char *at = text; at < e; at++)
        if (*at != '.') digits[count++] = *at;
    int power = (int)strtol(e + 1, NULL, 10) - places;
    while (count > 1 && digits[count - 1] == '0') count--, power++;
    digits[count] = 0;
    snprintf(text, sizeof text, "1e%d", power < 0 ? -power : power);
    const double whole = (double)strtoull(digits, NULL, 10), ten = strtod(text, NULL);
    const double size = power < 0 ? whole / ten : whole * ten;
    return value < 0 ? -size : size;
}

/* [["token", score], ...]: Unigram's. exact: scores are those of the file, not the library's reading of them. */
static bool tokjson_scored(TokJson *j, const json_t *vocab, const char *what, bool exact, Err *err)
{
    const size_t count = json_array_size(vocab);
    size_t i;
    const json_t *entry;
    if (!count || count > TOKENS_MAX) return fail(err, "%s: a list of 1 to %d tokens is needed", what, TOKENS_MAX);
    j->tokens = (TokenList){arena_new(j->arena, Str, count), arena_new(j->arena, uint32_t, count), (uint32_t)count,
                            (uint32_t)count, (uint32_t)count};
    j->scores = arena_new(j->arena, double, count);
    json_array_foreach(vocab, i, entry)
    {
        const json_t *token = json_array_get(entry, 0), *score = json_array_get(entry, 1);
        if (json_array_size(entry) != 2 || !json_is_string(token) || !json_is_number(score))
            return fail(err, "%s, entry %zu: must be a token and its score", what, i + 1);
        j->tokens.at[i] = added_text(j->arena, token);
        j->tokens.ids[i] = (uint32_t)i;
        j->scores[i] = json_number_value(score);
        if (!exact) j->scores[i] = tokjson_serde_number(j->scores[i]);
    }
    return true;
}

static bool tokjson_kind(const json_t *model, const char *what, TokenizerKind *kind, Err *err)
{
    const char *type = tokjson_type(model);
    const bool merges = json_object_get(model, "merges"), words = json_object_get(model, "max_input_chars_per_word");
    if (strcmp(type, "BPE") == 0 || (!*type && merges)) /* old files have no type */
        *kind = TOKENIZER_BPE;
    else if (strcmp(type, "WordPiece") == 0 || (!*type && words))
        *kind = TOKENIZER_WORDPIECE;
    else if (strcmp(type, "Unigram") == 0 || (!*type && json_is_array(json_object_get(model, "vocab"))))
        *kind = TOKENIZER_UNIGRAM;
    else
        return fail(err,
                    "%s: a model of type \"%s\" is not supported; WordPiece (BERT), BPE (RoBERTa) and Unigram "
                    "(XLM-RoBERTa) are",
                    what, str_show(str(type)));
    return true;
}

/* The vocabulary, and whose it is. exact_scores: see tokjson_scored. */
static bool tokjson_vocab(TokJson *j, bool exact_scores, Err *err)
{
    const json_t *model = json_object_get(j->root, "model"), *vocab = json_object_get(model, "vocab");
    if (!model)
        return fail(err, "%s: \"model\" is missing; is this a tokenizer.json of the tokenizers library?", j->what);
    if (!keys_check(&tokenizer_json_keys, j->root, j->what, err) ||
        !keys_check(&tokenizer_model_keys, model, j->what, err) ||
        !tokjson_kind(model, j->what, &j->tokenizer->kind, err))
        return false;
    const char *vocab_what = arena_printf(j->arena, "%s: model.vocab", j->what);
    if (!(j->tokenizer->kind == TOKENIZER_UNIGRAM ? tokjson_scored(j, vocab, vocab_what, exact_scores, err)
                                                  : tokens_from_json(j->arena, vocab, vocab_what, &j->tokens, err)))
        return false;
    j->vocab = tokens_index(j->arena, &j->tokens);
    j->tokenizer->vocab_size = j->tokenizer->model_size = j->tokens.limit;
    return true;
}

static bool tokjson_unigram(TokJson *j, const json_t *model, Err *err)
{
    const json_t *unknown = json_object_get(model, "unk_id");
    int64_t id;
    bool fallback;
    Unigram *unigram = &j->tokenizer->unigram;
    if (json_is_null(json_object_get(model, "byte_fallback"))) /* the library does not load it either */
        return fail(err, "%s: model.byte_fallback must be true or false", j->what);
    if (!unknown || json_is_null(unknown))
        return fail(err, "%s: model.unk_id is missing: what no token covers would have no id", j->what);
    if (!json_get_int(model, j->what, "unk_id", 0, TOKENS_MAX - 1, &id, err) ||
        !tokjson_flag(model, j->what, "byte_fallback", false, &fallback, err) ||
        !unigram_build(j->arena, &j->tokens, j->scores, (uint32_t)id, fallback, j->what, unigram, err) ||
        !tokjson_unigram_split(j->arena, json_object_get(j->root, "pre_tokenizer"), j->what, unigram, err))
        return false;
    if (unigram->metaspace.used && unigram->metaspace.prepend == PREPEND_FIRST &&
        normalizer_drops(&j->tokenizer->normalizer))
        return fail(err,
                    "%s: a Metaspace with prepend_scheme \"first\" and a normalizer that may drop a text's beginning "
                    "are not supported together",
                    j->what);
    return true;
}

/* What tokenizers' Tokenizer.from_file and then transformers' TokenizersBackend make of it. */
static bool tokjson_as_it_stands(TokJson *j, TokenizerSettings *s, Err *err)
{
    const json_t *model = json_object_get(j->root, "model"),
                 *pad = json_object_get(json_object_get(j->root, "padding"), "pad_token");
    AddedSpecs own = {0};
    if (!tokjson_vocab(j, false, err) ||
        !tokjson_normalizer(j->arena, json_object_get(j->root, "normalizer"), j->what, &j->tokenizer->normalizer,
                            err) ||
        !(j->tokenizer->kind == TOKENIZER_BPE       ? tokjson_bpe(j, model, err)
          : j->tokenizer->kind == TOKENIZER_UNIGRAM ? tokjson_unigram(j, model, err)
                                                    : tokjson_wordpiece(j, model, err)) ||
        !settings_added_list(j->arena, json_object_get(j->root, "added_tokens"), j->what, &own, err))
        return false;
    if (json_string_length(pad) && !s->special[SPECIAL_PAD].given) {
        s->special[SPECIAL_PAD].given = true;
        s->special[SPECIAL_PAD].spec = added_plain(j->arena, pad, j->what);
    }
    j->added = (AddedVocabulary){.model = &j->vocab, .model_count = j->tokens.distinct};
    return added_put(j->arena, &j->added, &own, err) && settings_put(j->arena, s, &j->added, err) &&
           added_finish(j->arena, &j->added, j->tokenizer, err) &&
           tokjson_post_processor(j, json_object_get(j->root, "post_processor"), err);
}

bool tokenizer_from_json(Arena *arena, Str json, const char *what, Tokenizer **out, Err *err)
{
    json_t *root = NULL;
    TokenizerSettings settings = settings_defaults(CLASS_AS_IT_STANDS);
    if (!json_parse(json, what, &root, err)) return false;
    TokJson j = {.arena = arena, .root = root, .what = what, .tokenizer = arena_new(arena, Tokenizer, 1)};
    const bool ok =
        settings_side(json_object_get(root, "truncation"), "direction", "Left", "Right", what, &settings, err) &&
        tokjson_as_it_stands(&j, &settings, err);
    json_decref(root);
    if (ok) tokenizer_apply(j.tokenizer, &settings);
    if (ok) *out = j.tokenizer;
    return ok;
}
