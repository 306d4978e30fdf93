#include "text.h"

#include <string.h>

/* tokenizer.json, as the tokenizers library writes it. Only what BERT and RoBERTa tokenizers use is supported; anything
 * else is refused by name rather than ignored. */

typedef struct TokJson {
    Arena *arena;
    const json_t *root;
    const char *what;
    Tokenizer *tokenizer;
    TokenList tokens;      /* of the model */
    Vocab vocab;           /* of the model */
    AddedVocabulary added; /* once they are in place */
} TokJson;

/* ---- Normalizer, pre-tokenizer ---- */

static bool tokjson_add_step(Normalizer *normalizer, const char *what, NormalStep step, Err *err)
{
    if (normalizer->step_count == WORDPIECE_MAX_STEPS) return fail(err, "%s: normalizer: too many steps", what);
    normalizer->steps[normalizer->step_count++] = step;
    return true;
}

static bool tokjson_bert_normalizer(const json_t *part, const char *what, Normalizer *out, Err *err)
{
    bool clean = true, ideographs = true, lower = true, strip = true;
    if (!tokjson_flag(part, what, "clean_text", true, &clean, err) ||
        !tokjson_flag(part, what, "handle_chinese_chars", true, &ideographs, err) ||
        !tokjson_flag(part, what, "lowercase", true, &lower, err) ||
        !tokjson_flag(part, what, "strip_accents", lower, &strip, err))
        return false;
    return (!clean || tokjson_add_step(out, what, NORMAL_CLEAN, err)) &&
           (!ideographs || tokjson_add_step(out, what, NORMAL_IDEOGRAPHS, err)) &&
           (!strip ||
            (tokjson_add_step(out, what, NORMAL_DECOMPOSE, err) && tokjson_add_step(out, what, NORMAL_ACCENTS, err))) &&
           (!lower || tokjson_add_step(out, what, NORMAL_LOWER, err));
}

static bool tokjson_normalizer(const json_t *part, const char *what, Normalizer *out, Err *err)
{
    static const struct {
        const char *type;
        NormalStep step;
    } known[] = {{"Lowercase", NORMAL_LOWER}, {"StripAccents", NORMAL_MARKS}, {"NFD", NORMAL_DECOMPOSE}};
    const char *type = tokjson_type(part);
    const bool bert = strcmp(type, "BertNormalizer") == 0, sequence = strcmp(type, "Sequence") == 0;
    size_t step = 0;
    if (!part || json_is_null(part)) return true;
    while (step < COUNT(known) && strcmp(type, known[step].type) != 0) step++;
    if (!bert && !sequence && step == COUNT(known)) /* before its keys, which are those of its type */
        return fail(
            err,
            "%s: a normalizer of type \"%s\" is not supported; BertNormalizer, Lowercase, StripAccents and NFD are",
            what, str_show(str(type)));
    if (!keys_check(&tokenizer_part_keys, part, what, err)) return false;
    if (bert) return tokjson_bert_normalizer(part, what, out, err);
    if (!sequence) return tokjson_add_step(out, what, known[step].step, err);
    const json_t *list = json_object_get(part, "normalizers"), *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        if (strcmp(tokjson_type(item), "Sequence") == 0)
            return fail(err, "%s: normalizer: a Sequence in a Sequence", what);
        if (!tokjson_normalizer(item, what, out, err)) return false;
    }
    return true;
}

static bool tokjson_word_split(const json_t *part, const char *what, WordSplit *out, Err *err)
{
    static const struct {
        const char *type;
        WordSplit split;
    } known[] = {{"BertPreTokenizer", SPLIT_BERT}, {"Whitespace", SPLIT_WORD_CLASS}, {"WhitespaceSplit", SPLIT_SPACES}};
    *out = SPLIT_NOTHING;
    if (!part || json_is_null(part)) return true;
    for (size_t i = 0; i < COUNT(known); i++)
        if (strcmp(tokjson_type(part), known[i].type) == 0) {
            *out = known[i].split;
            return keys_check(&tokenizer_part_keys, part, what, err);
        }
    return fail(err,
                "%s: a pre_tokenizer of type \"%s\" is not supported with WordPiece; BertPreTokenizer, Whitespace and "
                "WhitespaceSplit are",
                what, str_show(str(tokjson_type(part))));
}

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
    json_array_foreach(list, i, item) /* a Sequence; ByteLevel is about offsets only */
    {
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
    if (j->tokenizer->normalizer.step_count)
        return fail(err, "%s: a BPE model with a normalizer is not supported", j->what);
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

/* The vocabulary, and whether it is that of a BPE model. */
static bool tokjson_vocab(TokJson *j, bool *bpe, Err *err)
{
    const json_t *model = json_object_get(j->root, "model");
    const char *type = tokjson_type(model);
    if (!model)
        return fail(err, "%s: \"model\" is missing; is this a tokenizer.json of the tokenizers library?", j->what);
    if (!keys_check(&tokenizer_json_keys, j->root, j->what, err) ||
        !keys_check(&tokenizer_model_keys, model, j->what, err))
        return false;
    *bpe = strcmp(type, "BPE") == 0 || (!*type && json_object_get(model, "merges")); /* old files have no type */
    if (!*bpe && strcmp(type, "WordPiece") != 0 && !(!*type && json_object_get(model, "max_input_chars_per_word")))
        return fail(err, "%s: a model of type \"%s\" is not supported; WordPiece (BERT) and BPE (RoBERTa) are", j->what,
                    str_show(str(type)));
    const char *vocab_what = arena_printf(j->arena, "%s: model.vocab", j->what);
    if (!tokens_from_json(j->arena, json_object_get(model, "vocab"), vocab_what, &j->tokens, err)) return false;
    j->vocab = tokens_index(j->arena, &j->tokens);
    j->tokenizer->kind = *bpe ? TOKENIZER_BPE : TOKENIZER_WORDPIECE;
    j->tokenizer->vocab_size = j->tokenizer->model_size = j->tokens.limit;
    return true;
}

/* What tokenizers' Tokenizer.from_file and then transformers' TokenizersBackend make of it. */
static bool tokjson_as_it_stands(TokJson *j, TokenizerSettings *s, Err *err)
{
    const json_t *model = json_object_get(j->root, "model"),
                 *pad = json_object_get(json_object_get(j->root, "padding"), "pad_token");
    bool bpe = false;
    AddedSpecs own = {0};
    if (!tokjson_vocab(j, &bpe, err) ||
        !tokjson_normalizer(json_object_get(j->root, "normalizer"), j->what, &j->tokenizer->normalizer, err) ||
        !(bpe ? tokjson_bpe(j, model, err) : tokjson_wordpiece(j, model, err)) ||
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
