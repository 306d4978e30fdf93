#include "text.h"

#include <math.h>
#include <string.h>

/* vocab.txt, vocab.json with merges.txt, and the folder they lie in. */

static const char *const tokenizer_file_names[] = {
    "tokenizer_config.json",   "tokenizer.json",    "vocab.txt", "vocab.json", "merges.txt",
    "special_tokens_map.json", "added_tokens.json", NULL};

/* transformers' BertTokenizer around a vocabulary. */
static bool tokenizer_bert(Arena *arena, const TokenList *tokens, TokenizerSettings *s, const char *what,
                           Tokenizer **out, Err *err)
{
    Tokenizer *t = arena_new(arena, Tokenizer, 1);
    uint32_t first, last;
    const Vocab vocab = tokens_index(arena, tokens);
    AddedVocabulary added = {.model = &vocab, .model_count = tokens->distinct};
    settings_fill(s);
    if (s->special[SPECIAL_UNK].none) return fail(err, "%s: \"unk_token\" is null", what);
    if (!wordpiece_build(arena, tokens, s->special[SPECIAL_UNK].spec.token.text, S("##"), 100, SPLIT_BERT, what,
                         &t->wordpiece, err))
        return false;
    t->kind = TOKENIZER_WORDPIECE;
    t->vocab_size = t->model_size = tokens->limit;
    const struct {
        bool wanted;
        NormalStep step;
    } steps[] = {{true, NORMAL_CLEAN},
                 {s->ideographs, NORMAL_IDEOGRAPHS},
                 {s->strip_accents, NORMAL_DECOMPOSE},
                 {s->strip_accents, NORMAL_ACCENTS},
                 {s->lower_case, NORMAL_LOWER}};
    for (size_t i = 0; i < COUNT(steps); i++)
        if (steps[i].wanted) t->normalizer.steps[t->normalizer.step_count++] = steps[i].step;
    if (!settings_put(arena, s, &added, err) || !added_finish(arena, &added, t, err) ||
        !settings_need(s, SPECIAL_CLS, &added, what, &first, err) ||
        !settings_need(s, SPECIAL_SEP, &added, what, &last, err))
        return false;
    template_usual(t, first, last, false, 1);
    tokenizer_apply(t, s);
    *out = t;
    return true;
}

static bool tokenizer_bert_lines(Arena *arena, Str text, TokenizerSettings *s, const char *what, Tokenizer **out,
                                 Err *err)
{
    TokenList tokens;
    text.at = arena_copy(arena, text.at, text.size);
    return tokens_from_lines(arena, text, what, &tokens, err) && tokenizer_bert(arena, &tokens, s, what, out, err);
}

bool tokenizer_from_vocab(Arena *arena, Str vocab, bool lower_case, const char *what, Tokenizer **out, Err *err)
{
    TokenizerSettings settings = settings_defaults(CLASS_BERT);
    settings.lower_case = settings.strip_accents = lower_case;
    return tokenizer_bert_lines(arena, vocab, &settings, what, out, err);
}

/* One merge a line, "left right"; lines that begin with #version are none. */
static bool merges_from_lines(Arena *arena, Str text, const char *what, MergeRule **out, size_t *count, Err *err)
{
    DYN(MergeRule) rules = {0};
    for (uint64_t line = 1; text.size; line++) {
        const char *end = memchr(text.at, '\n', text.size);
        Str row = {text.at, end ? (size_t)(end - text.at) : text.size};
        text = end ? (Str){end + 1, text.size - row.size - 1} : (Str){0};
        if (row.size && row.at[row.size - 1] == '\r') row.size--;
        if (!row.size || (row.size >= 8 && memcmp(row.at, "#version", 8) == 0)) continue;
        MergeRule rule = {.number = line};
        if (!merge_split(row, &rule))
            return fail(err, "%s, line %llu: two tokens with a space between them are needed, not \"%s\"", what,
                        (unsigned long long)line, str_show(row));
        *dyn_push(arena, &rules) = rule;
    }
    *out = rules.at;
    *count = rules.count;
    return true;
}

/* transformers' RobertaTokenizer around a vocabulary; t->bpe is in place. */
static bool tokenizer_roberta(Arena *arena, Tokenizer *t, const TokenList *tokens, const Vocab *vocab,
                              TokenizerSettings *s, const char *what, Err *err)
{
    uint32_t first, last;
    AddedVocabulary added = {.model = vocab, .model_count = tokens->distinct};
    settings_fill(s);
    t->kind = TOKENIZER_BPE;
    t->vocab_size = t->model_size = tokens->limit;
    t->bpe.prefix_space = s->prefix_space;
    if (!settings_put(arena, s, &added, err) || !added_finish(arena, &added, t, err) ||
        !settings_need(s, SPECIAL_CLS, &added, what, &first, err) ||
        !settings_need(s, SPECIAL_SEP, &added, what, &last, err))
        return false;
    template_usual(t, first, last, true, 0);
    tokenizer_apply(t, s);
    return true;
}

/* vocab.json and merges.txt. */
static bool tokenizer_roberta_files(Arena *arena, Str vocab_json, Str merges, TokenizerSettings *s,
                                    const char *vocab_what, const char *merges_what, Tokenizer **out, Err *err)
{
    Tokenizer *t = arena_new(arena, Tokenizer, 1);
    TokenList tokens;
    MergeRule *rules = NULL;
    size_t rule_count = 0;
    json_t *root = NULL;
    if (!merges_from_lines(arena, merges, merges_what, &rules, &rule_count, err) ||
        !json_parse(vocab_json, vocab_what, &root, err))
        return false;
    const bool read = tokens_from_json(arena, root, vocab_what, &tokens, err);
    json_decref(root);
    if (!read) return false;
    const Vocab vocab = tokens_index(arena, &tokens);
    const char *rules_what = arena_printf(arena, "%s, line", merges_what);
    *out = t;
    return bpe_build(arena, &vocab, rules, rule_count, rules_what, &t->bpe, err) &&
           tokenizer_roberta(arena, t, &tokens, &vocab, s, vocab_what, err);
}

/* tokenizer.json: as it stands, or its vocabulary in the pipeline of the class. */
static bool tokenizer_of_json(Arena *arena, const json_t *root, const char *what, TokenizerSettings *s, Tokenizer **out,
                              Err *err)
{
    TokJson j = {.arena = arena, .root = root, .what = what, .tokenizer = arena_new(arena, Tokenizer, 1)};
    bool bpe = false;
    if (s->class == CLASS_AS_IT_STANDS) {
        *out = j.tokenizer;
        if (!tokjson_as_it_stands(&j, s, err)) return false;
        tokenizer_apply(j.tokenizer, s);
        return true;
    }
    if (!tokjson_vocab(&j, &bpe, err)) return false;
    if (bpe != (s->class == CLASS_ROBERTA))
        return fail(err, "%s: its model is %s, but the tokenizer's class is %s; the files do not belong together", what,
                    bpe ? "BPE" : "WordPiece", tokenizer_class_names[s->class]);
    if (!bpe) return tokenizer_bert(arena, &j.tokens, s, what, out, err);
    *out = j.tokenizer;
    return tokjson_merges(&j, json_object_get(json_object_get(root, "model"), "merges"), &j.tokenizer->bpe, err) &&
           tokenizer_roberta(arena, j.tokenizer, &j.tokens, &j.vocab, s, what, err);
}

bool tokenizer_max_length(const char *folder, uint32_t *length, Err *err)
{
    Arena arena = {0};
    TokenizerSettings s = settings_defaults(CLASS_NONE);
    Str text;
    const char *path = arena_printf(&arena, "%s/tokenizer_config.json", folder);
    const bool ok = !file_exists(path) || (file_read(&arena, path, TOKENIZER_FILE_LIMIT_BYTES, &text, err) &&
                                           tokenizer_config_parse(&arena, text, path, &s, err));
    *length = !ok || s.max_length > UINT32_MAX ? 0 : (uint32_t)s.max_length;
    arena_free(&arena);
    return ok;
}

bool tokenizer_files_copy(const char *from, const char *to, Err *err)
{
    Arena arena = {0};
    bool ok = true;
    for (int i = 0; tokenizer_file_names[i] && ok; i++) {
        const char *source = arena_printf(&arena, "%s/%s", from, tokenizer_file_names[i]);
        Str bytes;
        if (!file_exists(source)) continue;
        ok = file_read(&arena, source, TOKENIZER_FILE_LIMIT_BYTES, &bytes, err) &&
             file_write(arena_printf(&arena, "%s/%s", to, tokenizer_file_names[i]), bytes, err);
    }
    arena_free(&arena);
    return ok;
}

bool tokenizer_config_write(const char *folder, const Tokenizer *tokenizer, uint32_t max_length, Err *err)
{
    Arena arena = {0};
    Str text;
    json_t *root = NULL;
    const char *path = arena_printf(&arena, "%s/tokenizer_config.json", folder);
    bool ok = true;
    if (file_exists(path))
        ok = file_read(&arena, path, TOKENIZER_FILE_LIMIT_BYTES, &text, err) && json_parse_wide(text, path, &root, err);
    else
        root = json_pack("{s:s}", "tokenizer_class", tokenizer->class);
    if (ok) json_object_set_new(root, "model_max_length", json_integer(max_length));
    ok = ok && json_write(path, root, err);
    json_decref(root);
    arena_free(&arena);
    return ok;
}

static bool tokenizer_of_vocab(Arena *arena, const char *folder, TokenizerSettings *s, Tokenizer **out, Err *err)
{
    const char *vocab = arena_printf(arena, "%s/vocab.txt", folder),
               *tokens = arena_printf(arena, "%s/vocab.json", folder);
    const char *merges = arena_printf(arena, "%s/merges.txt", folder);
    Str text, rules;
    if (class_is_wordpiece(s->class) && file_exists(vocab))
        return file_read(arena, vocab, TOKENIZER_FILE_LIMIT_BYTES, &text, err) &&
               tokenizer_bert_lines(arena, text, s, vocab, out, err);
    if (s->class == CLASS_ROBERTA && file_exists(tokens))
        return file_read(arena, tokens, TOKENIZER_FILE_LIMIT_BYTES, &text, err) &&
               file_read(arena, merges, TOKENIZER_FILE_LIMIT_BYTES, &rules, err) &&
               tokenizer_roberta_files(arena, text, rules, s, tokens, merges, out, err);
    return fail(err, "%s: no tokenizer; %s is needed there", folder,
                class_is_wordpiece(s->class) ? "tokenizer.json or vocab.txt (for a BertTokenizer)"
                : s->class == CLASS_ROBERTA  ? "tokenizer.json, or vocab.json with merges.txt (for a RobertaTokenizer)"
                : s->class == CLASS_AS_IT_STANDS ? "tokenizer.json"
                                                 : "tokenizer.json, or vocab.txt, or vocab.json with merges.txt");
}

bool tokenizer_load(Arena *arena, const char *folder, Tokenizer **out, Err *err)
{
    const char *path = arena_printf(arena, "%s/tokenizer.json", folder);
    const bool has_json = file_exists(path), has_vocab = file_exists(arena_printf(arena, "%s/vocab.txt", folder)),
               has_bpe = file_exists(arena_printf(arena, "%s/vocab.json", folder));
    json_t *json = NULL;
    Str text;
    TokenizerSettings settings;
    const TokenizerClass otherwise = has_json    ? CLASS_AS_IT_STANDS
                                     : has_vocab ? CLASS_BERT
                                     : has_bpe   ? CLASS_ROBERTA
                                                 : CLASS_NONE;
    bool ok = !has_json || (file_read(arena, path, TOKENIZER_FILE_LIMIT_BYTES, &text, err) &&
                            json_parse_object(text, path, &json, err));
    ok = ok && settings_read(arena, folder, (SettingsFile){path, json}, otherwise, &settings, err) &&
         (json ? tokenizer_of_json(arena, json, path, &settings, out, err)
               : tokenizer_of_vocab(arena, folder, &settings, out, err));
    json_decref(json);
    return ok;
}
