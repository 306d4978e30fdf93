#include "text.h"

#include <string.h>

/* Added tokens: what their entries say, and the ids that the tokenizers library gives them (AddedVocabulary.add_tokens
 * of tokenizers 0.23): a token of the model keeps its id, any other gets the next one, whatever its entry says. Where
 * an entry says something else the files contradict themselves, and the folder is refused. */

#define ADDED_NO_ID UINT32_MAX

typedef struct AddedSpec {
    AddedToken token; /* token.id: what its entry says, or ADDED_NO_ID */
    bool normalized;
    bool plain;       /* given as a text, which says nothing but the token */
    const char *what; /* where the entry stands */
} AddedSpec;
typedef DYN(AddedSpec) AddedSpecs;

/* The tokens that are in place, in no order; text and id are unique. */
typedef struct AddedVocabulary {
    AddedSpecs list;
    const Vocab *model;
    uint32_t model_count; /* different tokens of the model */
} AddedVocabulary;

static Str added_text(Arena *arena, const json_t *text)
{
    return (Str){arena_copy(arena, json_string_value(text), json_string_length(text)), json_string_length(text)};
}

/* A token that stands as a text: as it is, not normalised. */
static AddedSpec added_plain(Arena *arena, const json_t *text, const char *what)
{
    return (AddedSpec){.token = {.text = added_text(arena, text), .id = ADDED_NO_ID}, .plain = true, .what = what};
}

/* {"content", "lstrip", ...}; normalized: what holds of a token that is not special when its entry does
 * not say. */
static bool added_object(Arena *arena, const json_t *o, bool normalized, const char *what, AddedSpec *out, Err *err)
{
    const json_t *content = json_object_get(o, "content"), *id = json_object_get(o, "id");
    *out = (AddedSpec){.token.id = ADDED_NO_ID, .what = what};
    if (!json_string_length(content)) return fail(err, "%s: added_tokens: a token without \"content\"", what);
    int64_t n = ADDED_NO_ID;
    if (!keys_check(&added_token_keys, o, what, err) ||
        (id && !json_get_int(o, what, "id", 0, TOKENS_MAX - 1, &n, err)) ||
        !tokjson_flag(o, what, "single_word", false, &out->token.single_word, err) ||
        !tokjson_flag(o, what, "lstrip", false, &out->token.lstrip, err) ||
        !tokjson_flag(o, what, "rstrip", false, &out->token.rstrip, err) ||
        !tokjson_flag(o, what, "normalized", normalized && !json_is_true(json_object_get(o, "special")),
                      &out->normalized, err))
        return fail_within(err, "added token \"%s\"",
                           str_show((Str){json_string_value(content), json_string_length(content)}));
    out->token.id = (uint32_t)n;
    out->token.text = added_text(arena, content);
    return true;
}

static AddedSpec *added_find(const AddedSpecs *list, Str text)
{
    for (size_t i = list->count; i--;)
        if (str_equal(list->at[i].token.text, text)) return &list->at[i];
    return NULL;
}

/* The id of a token, added or the model's, or VOCAB_NONE. */
static uint32_t added_id(const AddedVocabulary *v, Str text)
{
    const AddedSpec *known = added_find(&v->list, text);
    return known ? known->token.id : vocab_find(v->model, text);
}

/* One call of add_tokens. */
static bool added_put(Arena *arena, AddedVocabulary *v, const AddedSpecs *tokens, Err *err)
{
    uint32_t next = v->model_count;
    for (size_t i = 0; i < v->list.count; i++)
        if (v->list.at[i].token.id >= next) next = v->list.at[i].token.id + 1;
    for (size_t i = 0; i < tokens->count; i++) {
        AddedSpec spec = tokens->at[i];
        const uint32_t said = spec.token.id, known = added_id(v, spec.token.text);
        spec.token.id = known != VOCAB_NONE ? known : next;
        if (said != ADDED_NO_ID && said != spec.token.id)
            return fail(err, "%s: added_tokens: \"%s\" has id %u, but the tokenizers library gives it %u%s", spec.what,
                        str_show(spec.token.text), said, spec.token.id,
                        known != VOCAB_NONE ? ", its place in the vocabulary" : "");
        if (known == VOCAB_NONE) {
            spec.token.appended = said == ADDED_NO_ID;
            next++;
        }
        AddedSpec *place = NULL; /* the library keeps one token for each id */
        for (size_t k = 0; k < v->list.count && !place; k++)
            if (v->list.at[k].token.id == spec.token.id) place = &v->list.at[k];
        if (!place)
            *dyn_push(arena, &v->list) = spec;
        else if (str_equal(place->token.text, spec.token.text))
            spec.token.appended = place->token.appended, *place = spec;
        else
            return fail(err, "%s: added_tokens: \"%s\" and \"%s\" get the same id %u", spec.what,
                        str_show(place->token.text), str_show(spec.token.text), spec.token.id);
    }
    return true;
}

/* Hands the tokens to the tokenizer, whose normalizer must be in place. */
static bool added_finish(Arena *arena, const AddedVocabulary *v, Tokenizer *t, Err *err)
{
    t->raw.at = arena_new(arena, AddedToken, v->list.count);
    t->normalized.at = arena_new(arena, AddedToken, v->list.count);
    for (size_t i = 0; i < v->list.count; i++) {
        const AddedSpec *spec = &v->list.at[i];
        AddedToken token = spec->token;
        if (token.id >= t->vocab_size) t->vocab_size = token.id + 1;
        if (spec->normalized) token.text = normalize(&t->normalizer, arena, token.text);
        AddedTokens *list = spec->normalized ? &t->normalized : &t->raw;
        if (!token.text.size)
            return fail(err, "%s: added_tokens: nothing is left of \"%s\" when it is normalized", spec->what,
                        str_show(spec->token.text));
        for (size_t k = 0; k < list->count; k++)
            if (str_equal(list->at[k].text, token.text))
                return fail(err, "%s: added_tokens: two tokens read \"%s\" when they are normalized", spec->what,
                            str_show(token.text));
        list->at[list->count++] = token;
    }
    added_prepare(&t->raw);
    added_prepare(&t->normalized);
    return true;
}
