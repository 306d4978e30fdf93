#include "text.h"

#include <math.h>
#include <string.h>

/* What a folder's files say of its tokenizer besides its vocabulary, resolved as AutoTokenizer of transformers 5 does:
 * tokenizer_config.json; without added_tokens_decoder in it special_tokens_map.json, added_tokens.json and the
 * added_tokens of tokenizer.json, too; config.json for the class. */

enum { TOKENIZER_FILE_LIMIT_BYTES = 1 << 28, ADDED_MOST = 10000 };

/* transformers' SPECIAL_TOKENS_ATTRIBUTES, in this order. */
enum { SPECIAL_BOS, SPECIAL_EOS, SPECIAL_UNK, SPECIAL_SEP, SPECIAL_PAD, SPECIAL_CLS, SPECIAL_MASK, SPECIAL_COUNT };
static const char *const special_names[SPECIAL_COUNT] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                         "pad_token", "cls_token", "mask_token"};

/* What makes the tokenizer: transformers' classes, a row each. AS_IT_STANDS takes tokenizer.json alone; the others
 * build their own pipeline around its vocabulary, whatever else it says. */
typedef enum TokenizerClass {
    CLASS_NONE,
    CLASS_BERT,
    CLASS_DISTILBERT,
    CLASS_MPNET,
    CLASS_ROBERTA,
    CLASS_XLM_ROBERTA,
    CLASS_CAMEMBERT,
    CLASS_ALBERT,
    CLASS_DEBERTA,
    CLASS_AS_IT_STANDS,
    CLASS_COUNT
} TokenizerClass;

enum { CLASS_MAX_EXTRA = 3 };
typedef struct ClassRow {
    const char *name; /* transformers'; with Fast after it the same */
    const char *special[SPECIAL_COUNT]; /* where no file names them */
    const char *extra[CLASS_MAX_EXTRA]; /* further special tokens, where no file has a list of them */
    TokenizerKind kind;
    int first, last;                    /* the special tokens around a text */
    int unknown;                        /* Unigram: the place of the unknown token, or UNKNOWN_BY_NAME */
    bool last_twice;                    /* between two texts */
    uint8_t second_type;                /* token type of the second text */
    bool types;                         /* the model is given them unless a file says otherwise */
    bool cased;                         /* do_lower_case is false where no file says it */
    bool mask_before;                   /* a mask that is given as a text takes the white space before it */
    bool own_template;                  /* tokenizer.json's post_processor counts when it has one */
} ClassRow;
enum { UNKNOWN_BY_NAME = -1, UNKNOWN_BY_SCORE = -2 }; /* the token's place; by its text, or its text with score 0 */

#define BERT_SPECIAL                                             \
    {                                                            \
        NULL, NULL, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]" \
    }
#define ROBERTA_SPECIAL                                          \
    {                                                            \
        "<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>" \
    }
static const ClassRow class_rows[CLASS_COUNT] = {
    [CLASS_NONE] = {.name = "", .types = true},
    [CLASS_BERT] = {"BertTokenizer", BERT_SPECIAL, .kind = TOKENIZER_WORDPIECE, .first = SPECIAL_CLS, .last = SPECIAL_SEP,
                    .second_type = 1, .types = true},
    [CLASS_DISTILBERT] = {"DistilBertTokenizer", BERT_SPECIAL, .kind = TOKENIZER_WORDPIECE, .first = SPECIAL_CLS,
                          .last = SPECIAL_SEP, .second_type = 1},
    [CLASS_MPNET] = {"MPNetTokenizer",
                     {"<s>", "</s>", "[UNK]", "</s>", "<pad>", "<s>", "<mask>"},
                     .kind = TOKENIZER_WORDPIECE,
                     .first = SPECIAL_CLS,
                     .last = SPECIAL_SEP,
                     .last_twice = true,
                     .mask_before = true},
    [CLASS_ROBERTA] = {"RobertaTokenizer", ROBERTA_SPECIAL, .kind = TOKENIZER_BPE, .first = SPECIAL_CLS, .last = SPECIAL_SEP,
                       .last_twice = true},
    [CLASS_XLM_ROBERTA] = {"XLMRobertaTokenizer", ROBERTA_SPECIAL, .kind = TOKENIZER_UNIGRAM, .first = SPECIAL_BOS,
                           .last = SPECIAL_EOS, .last_twice = true, .unknown = 3},
    [CLASS_CAMEMBERT] = {"CamembertTokenizer",
                         ROBERTA_SPECIAL,
                         {"<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"},
                         .kind = TOKENIZER_UNIGRAM,
                         .first = SPECIAL_BOS,
                         .last = SPECIAL_EOS,
                         .last_twice = true,
                         .mask_before = true,
                         .unknown = UNKNOWN_BY_NAME},
    [CLASS_ALBERT] = {"AlbertTokenizer",
                      {"[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"},
                      .kind = TOKENIZER_UNIGRAM,
                      .first = SPECIAL_CLS,
                      .last = SPECIAL_SEP,
                      .second_type = 1,
                      .own_template = true,
                      .unknown = 1},
    [CLASS_DEBERTA] = {"DebertaV2Tokenizer",
                       {"[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"},
                       .kind = TOKENIZER_UNIGRAM,
                       .first = SPECIAL_CLS,
                       .last = SPECIAL_SEP,
                       .second_type = 1,
                       .types = true,
                       .cased = true,
                       .unknown = UNKNOWN_BY_SCORE},
    [CLASS_AS_IT_STANDS] = {.name = "PreTrainedTokenizerFast", .types = true},
};
#undef BERT_SPECIAL
#undef ROBERTA_SPECIAL

typedef struct TokenizerSettings {
    TokenizerClass class;
    bool lower_case, strip_accents, ideographs, prefix_space, cut_left, types;
    bool keep_accents, extra_given; /* extra_given: a file has a list of further special tokens */
    double max_length;              /* 0: not said */
    int64_t unknown;                /* the place of the unknown token, where a class looks for it in vain */
    struct {
        bool given, none; /* in a file; and null there */
        AddedSpec spec;
    } special[SPECIAL_COUNT];
    bool decoder_given;
    AddedSpecs decoder, extra; /* decoder: ascending by id */
} TokenizerSettings;

/* ---- The class ---- */

static bool settings_class(const char *name, const char *what, TokenizerSettings *s, Err *err)
{
    static const struct {
        const char *name;
        TokenizerClass class;
    } also[] = {{"ElectraTokenizer", CLASS_BERT},
                {"PreTrainedTokenizer", CLASS_AS_IT_STANDS},
                {"TokenizersBackend", CLASS_AS_IT_STANDS}};
    const size_t size = strlen(name);
    const bool fast = size > 4 && strcmp(name + size - 4, "Fast") == 0;
    for (int i = CLASS_BERT; i < CLASS_COUNT; i++) {
        const size_t own = strlen(class_rows[i].name);
        if (strcmp(class_rows[i].name, name) == 0 ||
            (fast && own == size - 4 && strncmp(class_rows[i].name, name, own) == 0)) {
            s->class = (TokenizerClass)i;
            return true;
        }
    }
    for (size_t i = 0; i < COUNT(also); i++) {
        const size_t own = strlen(also[i].name);
        if (strncmp(also[i].name, name, own) == 0 && (!name[own] || strcmp(name + own, "Fast") == 0)) {
            s->class = also[i].class;
            return true;
        }
    }
    char list[512];
    size_t used = 0;
    for (int i = CLASS_BERT; i < CLASS_AS_IT_STANDS; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s, ", class_rows[i].name);
    return fail(err,
                "%s: tokenizer_class \"%s\" is not supported; %sElectraTokenizer (with or without Fast), "
                "PreTrainedTokenizerFast and TokenizersBackend are",
                what, str_show(str(name)), list);
}

static bool settings_class_key(const json_t *root, const char *what, TokenizerSettings *s, Err *err)
{
    const json_t *name = json_object_get(root, "tokenizer_class");
    if (!name || json_is_null(name)) return true;
    return json_is_string(name) ? settings_class(json_string_value(name), what, s, err)
                                : fail(err, "%s: \"tokenizer_class\" must be a text", what);
}

/* config.json: its tokenizer_class, or the model_type's. */
static bool settings_model(const json_t *root, const char *what, TokenizerSettings *s, Err *err)
{
    const char *type = json_string_value(json_object_get(root, "model_type"));
    char types[FAMILY_TEXT];
    if (s->class != CLASS_NONE) return true;
    if (!settings_class_key(root, what, s, err)) return false;
    if (s->class != CLASS_NONE || !type) return true;
    const Family *family = family_find(type);
    return family ? settings_class(family->tokenizer, what, s, err)
                  : fail(err, "%s: model_type \"%s\" has a tokenizer that is not supported; those of %s are", what,
                         str_show(str(type)), family_types_text(types));
}

/* ---- Special and added tokens ---- */

static bool settings_special(Arena *arena, const json_t *value, const char *key, bool plain_object, const char *what,
                             AddedSpec *out, Err *err)
{
    const bool typed = json_is_string(json_object_get(value, "__type"));
    if (json_string_length(value)) {
        *out = added_plain(arena, value, what);
        return true;
    }
    if (json_is_object(value) && (typed || plain_object)) {
        /* without "normalized" the map's tokens are special ones, which are not */
        return added_object(arena, value, typed, what, out, err);
    }
    return fail(err, "%s: \"%s\" must be a text or an added token", what, key);
}

/* The special tokens of tokenizer_config.json, or of special_tokens_map.json (map), which overrides them. */
static bool settings_specials(Arena *arena, const json_t *root, bool map, const char *what, TokenizerSettings *s,
                              Err *err)
{
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        const json_t *value = json_object_get(root, special_names[i]);
        if (!value) continue;
        s->special[i].given = true;
        s->special[i].none = json_is_null(value);
        if (!s->special[i].none &&
            !settings_special(arena, value, special_names[i], map, what, &s->special[i].spec, err))
            return false;
    }
    const json_t *more = json_object_get(root, "additional_special_tokens"),
                 *extra = json_object_get(root, "extra_special_tokens"), *item;
    const bool has_more = json_array_size(more), has_extra = json_array_size(extra);
    s->extra_given = s->extra_given || json_is_array(more) || json_is_array(extra);
    size_t i;
    if ((more && !json_is_null(more) && !json_is_array(more)) ||
        (extra && !json_is_null(extra) && !json_is_array(extra) && json_object_size(extra)))
        return fail(err, "%s: \"additional_special_tokens\" and \"extra_special_tokens\" must be lists", what);
    if ((has_more && has_extra) || (map && s->extra.count && (has_more || has_extra)))
        return fail(err,
                    "%s: special tokens are given twice, as additional_special_tokens and as extra_special_tokens or "
                    "in two files; one list is supported",
                    what);
    if (json_array_size(more) > ADDED_MOST || json_array_size(extra) > ADDED_MOST)
        return fail(err, "%s: over %d special tokens", what, ADDED_MOST);
    json_array_foreach(has_extra ? extra : more, i, item)
    {
        if (!settings_special(arena, item, "additional_special_tokens", map && has_extra, what,
                              dyn_push(arena, &s->extra), err))
            return false;
    }
    return true;
}

/* One entry of the tokens that have ids; of two with one id the later counts. */
static bool settings_decoder_add(Arena *arena, TokenizerSettings *s, AddedSpec spec, Err *err)
{
    for (size_t i = 0; i < s->decoder.count; i++)
        if (s->decoder.at[i].token.id == spec.token.id) {
            if (!str_equal(s->decoder.at[i].token.text, spec.token.text))
                return fail(err, "%s: the added tokens \"%s\" and \"%s\" have the same id %u", spec.what,
                            str_show(s->decoder.at[i].token.text), str_show(spec.token.text), spec.token.id);
            s->decoder.at[i] = spec;
            return true;
        }
    if (s->decoder.count >= ADDED_MOST) return fail(err, "%s: over %d added tokens", spec.what, ADDED_MOST);
    *dyn_push(arena, &s->decoder) = spec;
    return true;
}

static bool settings_decoder(Arena *arena, const json_t *decoder, const char *what, TokenizerSettings *s, Err *err)
{
    const char *key;
    json_t *value;
    if (!decoder) return true;
    if (!json_is_object(decoder)) return fail(err, "%s: \"added_tokens_decoder\" is not an object", what);
    s->decoder_given = true;
    json_object_foreach((json_t *)decoder, key, value)
    {
        AddedSpec spec;
        char *end;
        const unsigned long id = strtoul(key, &end, 10);
        if (*key < '0' || *key > '9' || *end || id >= (1 << 24) || json_object_get(value, "id"))
            return fail(err, "%s: added_tokens_decoder: \"%s\" is not a token's id", what, str_show(str(key)));
        if (!added_object(arena, value, true, what, &spec, err)) return false;
        spec.token.id = (uint32_t)id;
        if (!settings_decoder_add(arena, s, spec, err)) return false;
    }
    return true;
}

/* added_tokens.json: {"token": id}. Those that are special tokens are not normalised. */
static bool settings_added_file(Arena *arena, const json_t *root, const char *what, TokenizerSettings *s, Err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)root, key, value)
    {
        int64_t id;
        AddedSpec spec = {.token.text = {arena_copy(arena, key, strlen(key)), strlen(key)}, .what = what};
        if (!json_get_int(root, what, key, 0, (1 << 24) - 1, &id, err)) return false;
        if (!*key) return fail(err, "%s: a token without text", what);
        bool special = added_find(&s->extra, spec.token.text) != NULL;
        for (int i = 0; i < SPECIAL_COUNT; i++)
            special = special || (s->special[i].given && !s->special[i].none &&
                                  str_equal(s->special[i].spec.token.text, spec.token.text));
        spec.token.id = (uint32_t)id;
        spec.normalized = !special;
        if (!settings_decoder_add(arena, s, spec, err)) return false;
    }
    return true;
}

/* tokenizer.json's added_tokens. */
static bool settings_added_list(Arena *arena, const json_t *list, const char *what, AddedSpecs *out, Err *err)
{
    const json_t *entry;
    size_t i;
    if (list && !json_is_array(list)) return fail(err, "%s: \"added_tokens\" is not a list", what);
    if (json_array_size(list) > ADDED_MOST) return fail(err, "%s: over %d added tokens", what, ADDED_MOST);
    json_array_foreach(list, i, entry)
    {
        int64_t id;
        if (!added_object(arena, entry, false, what, dyn_push(arena, out), err) ||
            !json_get_int(entry, what, "id", 0, (1 << 24) - 1, &id, err))
            return false;
    }
    return true;
}

static int settings_by_id(const void *a, const void *b)
{
    const AddedSpec *x = a, *y = b;
    return (x->token.id > y->token.id) - (x->token.id < y->token.id);
}

/* A special token that is also among the tokens with ids is that one, with its white space and its normalising. */
static void settings_join(TokenizerSettings *s)
{
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        if (!s->special[i].given || s->special[i].none) continue;
        const AddedSpec *known = added_find(&s->decoder, s->special[i].spec.token.text);
        if (known) s->special[i].spec = *known;
    }
    if (s->decoder.count) qsort(s->decoder.at, s->decoder.count, sizeof *s->decoder.at, settings_by_id);
}

/* ---- The files ---- */

/* "side" or "direction". */
static bool settings_side(const json_t *object, const char *key, const char *left, const char *right, const char *what,
                          TokenizerSettings *s, Err *err)
{
    const json_t *value = json_object_get(object, key);
    const char *side = json_string_value(value);
    if (!value || json_is_null(value)) return true;
    if (!side || (strcmp(side, left) != 0 && strcmp(side, right) != 0))
        return fail(err, "%s: \"%s\" must be \"%s\" or \"%s\"", what, key, left, right);
    s->cut_left = strcmp(side, left) == 0;
    return true;
}

static bool settings_input_names(const json_t *names, const char *what, TokenizerSettings *s, Err *err)
{
    const json_t *name;
    size_t i;
    if (!names || json_is_null(names)) return true;
    if (!json_is_array(names)) return fail(err, "%s: \"model_input_names\" is not a list", what);
    s->types = false;
    json_array_foreach(names, i, name)
    {
        const char *text = json_string_value(name);
        if (text && strcmp(text, "token_type_ids") == 0) s->types = true;
    }
    return true;
}

/* tokenizer_config.json, all but its class. Fields that it does not name stay. */
static bool settings_config(Arena *arena, const json_t *root, const char *path, TokenizerSettings *s, Err *err)
{
    static const char *const lengths[] = {"max_len", "model_max_length"};
    static const char *const flags[] = {"do_lower_case", "tokenize_chinese_chars", "add_prefix_space"};
    if (!keys_check(&tokenizer_config_keys, root, path, err)) return false;
    for (size_t i = 0; i < COUNT(flags); i++)
        if (json_is_null(json_object_get(root, flags[i])))
            return fail(err, "%s: \"%s\" must be true or false", path, flags[i]);
    if (json_is_integer(json_object_get(root, "unk_id")) &&
        !json_get_int(root, path, "unk_id", 0, (1 << 24) - 1, &s->unknown, err))
        return false;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        const json_t *value = json_object_get(root, lengths[i]);
        if (!value || json_is_null(value)) continue;
        if (!json_get_double(root, path, lengths[i], 1, INFINITY, &s->max_length, err)) return false;
    }
    return tokjson_flag(root, path, "do_lower_case", s->lower_case, &s->lower_case, err) &&
           tokjson_flag(root, path, "strip_accents", s->lower_case, &s->strip_accents, err) &&
           tokjson_flag(root, path, "tokenize_chinese_chars", true, &s->ideographs, err) &&
           tokjson_flag(root, path, "add_prefix_space", s->prefix_space, &s->prefix_space, err) &&
           tokjson_flag(root, path, "keep_accents", false, &s->keep_accents, err) &&
           settings_input_names(json_object_get(root, "model_input_names"), path, s, err) &&
           settings_side(root, "truncation_side", "left", "right", path, s, err) &&
           settings_specials(arena, root, false, path, s, err) &&
           settings_decoder(arena, json_object_get(root, "added_tokens_decoder"), path, s, err);
}

static TokenizerSettings settings_defaults(TokenizerClass class)
{
    const ClassRow *row = &class_rows[class];
    return (TokenizerSettings){.class = class,
                               .lower_case = !row->cased,
                               .strip_accents = !row->cased,
                               .ideographs = true,
                               .unknown = 1,
                               .prefix_space = row->kind == TOKENIZER_UNIGRAM,
                               .types = row->types};
}

static bool tokenizer_config_parse(Arena *arena, Str text, const char *path, TokenizerSettings *s, Err *err)
{
    json_t *root = NULL;
    *s = settings_defaults(CLASS_NONE);
    /* HF writes 1000000000000000019884624838656 for "no limit" */
    if (!json_parse_wide(text, path, &root, err)) return false;
    const bool ok = settings_config(arena, root, path, s, err);
    json_decref(root);
    return ok;
}

/* *out: NULL when there is no such file. The caller owns it. */
static bool settings_file(Arena *arena, const char *folder, const char *name, const char **path, json_t **out, Err *err)
{
    Str text;
    *out = NULL;
    *path = arena_printf(arena, "%s/%s", folder, name);
    return !file_exists(*path) ||
           (file_read(arena, *path, TOKENIZER_FILE_LIMIT_BYTES, &text, err) && json_parse_wide(text, *path, out, err));
}

/* The class: of tokenizer_config.json, or of config.json; CLASS_NONE when there are neither. */
static bool settings_find_class(const json_t *config, const char *config_path, const json_t *model,
                                const char *model_path, TokenizerSettings *s, Err *err)
{
    *s = settings_defaults(CLASS_NONE);
    if (!settings_class_key(config, config_path, s, err) || (model && !settings_model(model, model_path, s, err)))
        return false;
    *s = settings_defaults(s->class);
    if (s->class == CLASS_AS_IT_STANDS) s->types = false; /* TokenizersBackend passes types on only when asked to */
    return true;
}

/* The files besides the vocabulary. root: NULL when there is no such file. */
enum { FILE_CONFIG, FILE_MODEL, FILE_MAP, FILE_ADDED, FILE_JSON, SETTINGS_FILES };
typedef struct SettingsFile {
    const char *path;
    json_t *root;
} SettingsFile;

/* otherwise: the class when no file says one. */
static bool settings_resolve(Arena *arena, const SettingsFile files[SETTINGS_FILES], TokenizerClass otherwise,
                             TokenizerSettings *s, Err *err)
{
    const SettingsFile *config = &files[FILE_CONFIG], *model = &files[FILE_MODEL], *map = &files[FILE_MAP],
                       *added = &files[FILE_ADDED], *json = &files[FILE_JSON];
    if (!settings_find_class(config->root, config->path, model->root, model->path, s, err)) return false;
    if (s->class == CLASS_NONE) *s = settings_defaults(otherwise);
    if (!settings_side(json_object_get(json->root, "truncation"), "direction", "Left", "Right", json->path, s, err) ||
        (config->root && !settings_config(arena, config->root, config->path, s, err)))
        return false;
    if (!s->decoder_given) {
        AddedSpecs list = {0};
        if ((map->root && (!keys_check(&special_map_keys, map->root, map->path, err) ||
                           !settings_specials(arena, map->root, true, map->path, s, err))) ||
            (added->root && !settings_added_file(arena, added->root, added->path, s, err)) ||
            !settings_added_list(arena, json_object_get(json->root, "added_tokens"), json->path, &list, err))
            return false;
        for (size_t i = 0; i < list.count; i++)
            if (!settings_decoder_add(arena, s, list.at[i], err)) return false;
    }
    settings_join(s);
    return true;
}

/* json: tokenizer.json's, which the caller owns. */
static bool settings_read(Arena *arena, const char *folder, SettingsFile json, TokenizerClass otherwise,
                          TokenizerSettings *s, Err *err)
{
    static const char *const names[] = {"tokenizer_config.json", "config.json", "special_tokens_map.json",
                                        "added_tokens.json"};
    SettingsFile files[SETTINGS_FILES] = {[FILE_JSON] = json};
    bool ok = true;
    for (size_t i = 0; i < COUNT(names) && ok; i++)
        ok = settings_file(arena, folder, names[i], &files[i].path, &files[i].root, err);
    ok = ok && settings_resolve(arena, files, otherwise, s, err);
    for (size_t i = 0; i < COUNT(names); i++) json_decref(files[i].root);
    return ok;
}

/* The class's own special tokens where no file names them. */
static void settings_fill(Arena *arena, TokenizerSettings *s)
{
    const ClassRow *row = &class_rows[s->class];
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        if (s->special[i].given || !row->special[i]) continue;
        s->special[i].given = true;
        s->special[i].spec =
            (AddedSpec){.token = {.text = str(row->special[i]), .id = ADDED_NO_ID}, .plain = true, .what = ""};
    }
    AddedSpec *mask = &s->special[SPECIAL_MASK].spec;
    if (row->mask_before && mask->plain) mask->token.lstrip = true;
    for (int i = 0; i < CLASS_MAX_EXTRA && row->extra[i] && !s->extra_given; i++)
        *dyn_push(arena, &s->extra) = (AddedSpec){.token = {.text = str(row->extra[i]), .id = ADDED_NO_ID}, .what = ""};
}

/* The second call of add_tokens: tokens with ids, then special ones that are not among them, then the extra ones. */
static bool settings_put(Arena *arena, const TokenizerSettings *s, AddedVocabulary *v, Err *err)
{
    AddedSpecs tokens = {0};
    for (size_t i = 0; i < s->decoder.count; i++) *dyn_push(arena, &tokens) = s->decoder.at[i];
    for (size_t i = 0; i < SPECIAL_COUNT + s->extra.count; i++) {
        const AddedSpec *spec = i < SPECIAL_COUNT ? &s->special[i].spec : &s->extra.at[i - SPECIAL_COUNT];
        if (i < SPECIAL_COUNT && (!s->special[i].given || s->special[i].none)) continue;
        if (added_find(&v->list, spec->token.text) || added_find(&s->decoder, spec->token.text)) continue;
        *dyn_push(arena, &tokens) = *spec;
    }
    return added_put(arena, v, &tokens, err);
}

/* The id of a special token that stands around texts: it must be in the vocabulary, or a file must give it its id. */
static bool settings_need(const TokenizerSettings *s, int special, const AddedVocabulary *v, const char *what,
                          uint32_t *id, Err *err)
{
    if (s->special[special].none) return fail(err, "%s: \"%s\" is null", what, special_names[special]);
    const Str text = s->special[special].spec.token.text;
    const AddedSpec *known = added_find(&v->list, text);
    *id = known ? known->token.id : VOCAB_NONE;
    return (known && !known->token.appended) || fail(err, "%s: the token \"%s\" is missing", what, str_show(text));
}

/* What the settings say of encoding, whatever the class. */
static void tokenizer_apply(Tokenizer *t, const TokenizerSettings *s)
{
    t->types = s->types;
    t->cut_left = s->cut_left;
    t->class = class_rows[s->class].name;
}
