#include "text.h"

#include <math.h>
#include <string.h>

/* vocab.txt, vocab.json with merges.txt, and the folder they lie in. */

static const char *const tokenizer_file_names[] = {
    "tokenizer_config.json",   "tokenizer.json",    "vocab.txt", "vocab.json", "merges.txt",
    "special_tokens_map.json", "added_tokens.json", NULL};

/* What all classes end with: added tokens, the special tokens around texts, the settings. */
static bool tokenizer_finish(Arena *arena, Tokenizer *t, const Vocab *vocab, const TokenList *tokens,
                             TokenizerSettings *s, const char *what, AddedVocabulary *added, Err *err)
{
    const ClassRow *row = &class_rows[s->class];
    uint32_t first, last;
    *added = (AddedVocabulary){.model = vocab, .model_count = tokens->distinct};
    t->kind = row->kind;
    t->vocab_size = t->model_size = tokens->limit;
    if (!settings_put(arena, s, added, err) || !added_finish(arena, added, t, err) ||
        !settings_need(s, row->first, added, what, &first, err) ||
        !settings_need(s, row->last, added, what, &last, err))
        return false;
    template_usual(t, first, last, row->last_twice, row->second_type);
    tokenizer_apply(t, s);
    return true;
}

static void normalizer_add(Normalizer *to, bool wanted, NormalStep step)
{
    if (wanted) to->steps[to->step_count++] = step;
}

/* transformers' BertTokenizer, and those that differ from it in settings, around a vocabulary. */
static bool tokenizer_bert(Arena *arena, const TokenList *tokens, TokenizerSettings *s, const char *what,
                           Tokenizer **out, Err *err)
{
    Tokenizer *t = arena_new(arena, Tokenizer, 1);
    const Vocab vocab = tokens_index(arena, tokens);
    AddedVocabulary added;
    settings_fill(arena, s);
    if (s->special[SPECIAL_UNK].none) return fail(err, "%s: \"unk_token\" is null", what);
    if (!wordpiece_build(arena, tokens, s->special[SPECIAL_UNK].spec.token.text, S("##"), 100, SPLIT_BERT, what,
                         &t->wordpiece, err))
        return false;
    normalizer_add(&t->normalizer, true, (NormalStep){.kind = NORMAL_CLEAN});
    normalizer_add(&t->normalizer, s->ideographs, (NormalStep){.kind = NORMAL_IDEOGRAPHS});
    normalizer_add(&t->normalizer, s->strip_accents, (NormalStep){.kind = NORMAL_NFD});
    normalizer_add(&t->normalizer, s->strip_accents, (NormalStep){.kind = NORMAL_ACCENTS});
    normalizer_add(&t->normalizer, s->lower_case, (NormalStep){.kind = NORMAL_LOWER});
    *out = t;
    return tokenizer_finish(arena, t, &vocab, tokens, s, what, &added, err);
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
    AddedVocabulary added;
    settings_fill(arena, s);
    t->bpe.prefix_space = s->prefix_space;
    return tokenizer_finish(arena, t, vocab, tokens, s, what, &added, err);
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

/* The character map of tokenizer.json's normalizer, which classes around a Unigram vocabulary keep. false: none. */
static bool tokenizer_map(const TokJson *j, NormalStep *step, bool *has, Err *err)
{
    const json_t *part = json_object_get(j->root, "normalizer"), *list = json_object_get(part, "normalizers");
    *has = false;
    for (size_t i = 0; i < (json_is_array(list) ? json_array_size(list) : 1) && !*has; i++) {
        const json_t *one = json_is_array(list) ? json_array_get(list, i) : part;
        *has = strcmp(tokjson_type(one), "Precompiled") == 0;
        if (*has && !tokjson_charmap(j->arena, one, j->what, step, err)) return false;
    }
    return true;
}

/* What stands before the model in each class around a Unigram vocabulary. */
static bool tokenizer_unigram_normalizer(const TokJson *j, const TokenizerSettings *s, Normalizer *out, Err *err)
{
    const bool albert = s->class == CLASS_ALBERT, deberta = s->class == CLASS_DEBERTA;
    NormalStep map;
    bool has_map;
    if (!tokenizer_map(j, &map, &has_map, err)) return false;
    normalizer_add(out, deberta && s->lower_case, (NormalStep){.kind = NORMAL_LOWER});
    normalizer_add(out, albert, (NormalStep){.kind = NORMAL_REPLACE, .from = S("``"), .to = S("\"")});
    normalizer_add(out, albert, (NormalStep){.kind = NORMAL_REPLACE, .from = S("''"), .to = S("\"")});
    normalizer_add(out, albert && !s->keep_accents, (NormalStep){.kind = NORMAL_NFKD});
    normalizer_add(out, albert && !s->keep_accents, (NormalStep){.kind = NORMAL_MARKS});
    normalizer_add(out, albert && s->lower_case, (NormalStep){.kind = NORMAL_LOWER});
    normalizer_add(out, deberta, (NormalStep){.kind = NORMAL_SPACES, .to = S(" ")});
    normalizer_add(out, deberta, (NormalStep){.kind = NORMAL_NFC});
    normalizer_add(out, deberta, (NormalStep){.kind = NORMAL_STRIP, .right = true});
    normalizer_add(out, !deberta && has_map, map);
    return true;
}

/* The number of the unknown token, as the class finds it. */
static uint32_t tokenizer_unknown(const TokJson *j, const TokenizerSettings *s)
{
    const ClassRow *row = &class_rows[s->class];
    const Str text = s->special[SPECIAL_UNK].spec.token.text;
    for (uint32_t i = 0; i < j->tokens.count && row->unknown < 0; i++)
        if (str_equal(j->tokens.at[i], text) && (row->unknown == UNKNOWN_BY_NAME || j->scores[i] == 0)) return i;
    return row->unknown == UNKNOWN_BY_SCORE ? (uint32_t)s->unknown : row->unknown < 0 ? 0 : (uint32_t)row->unknown;
}

/* XLMRobertaTokenizer, CamembertTokenizer, AlbertTokenizer, DebertaV2Tokenizer. */
static bool tokenizer_unigram(TokJson *j, TokenizerSettings *s, Err *err)
{
    Tokenizer *t = j->tokenizer;
    const json_t *processor = json_object_get(j->root, "post_processor");
    const bool deberta = s->class == CLASS_DEBERTA;
    settings_fill(j->arena, s);
    if (s->special[SPECIAL_UNK].none) return fail(err, "%s: \"unk_token\" is null", j->what);
    if (!unigram_build(j->arena, &j->tokens, j->scores, tokenizer_unknown(j, s), false, j->what, &t->unigram, err) ||
        !tokenizer_unigram_normalizer(j, s, &t->normalizer, err))
        return false;
    t->unigram.split = deberta ? SPLIT_NOTHING : SPLIT_SPACES;
    t->unigram.metaspace = (Metaspace){.used = true,
                                       .mark = S("\xe2\x96\x81"),
                                       .prepend = s->prefix_space ? PREPEND_ALWAYS
                                                  : deberta       ? PREPEND_FIRST
                                                                  : PREPEND_NEVER,
                                       .split = true};
    if (!tokenizer_finish(j->arena, t, &j->vocab, &j->tokens, s, j->what, &j->added, err)) return false;
    return !class_rows[s->class].own_template || !processor || json_is_null(processor) ||
           tokjson_post_processor(j, processor, err);
}

/* tokenizer.json: as it stands, or its vocabulary in the pipeline of the class. */
static bool tokenizer_of_json(Arena *arena, const json_t *root, const char *what, TokenizerSettings *s, Tokenizer **out,
                              Err *err)
{
    static const char *const kinds[] = {
        [TOKENIZER_WORDPIECE] = "WordPiece", [TOKENIZER_BPE] = "BPE", [TOKENIZER_UNIGRAM] = "Unigram"};
    TokJson j = {.arena = arena, .root = root, .what = what, .tokenizer = arena_new(arena, Tokenizer, 1)};
    *out = j.tokenizer;
    if (s->class == CLASS_AS_IT_STANDS) {
        if (!tokjson_as_it_stands(&j, s, err)) return false;
        tokenizer_apply(j.tokenizer, s);
        return true;
    }
    if (!tokjson_vocab(&j, true, err)) return false;
    const ClassRow *row = &class_rows[s->class];
    if (j.tokenizer->kind != row->kind)
        return fail(err, "%s: its model is %s, but the tokenizer's class is %s; the files do not belong together", what,
                    kinds[j.tokenizer->kind], row->name);
    switch (row->kind) {
    case TOKENIZER_WORDPIECE: return tokenizer_bert(arena, &j.tokens, s, what, out, err);
    case TOKENIZER_UNIGRAM: return tokenizer_unigram(&j, s, err);
    case TOKENIZER_BPE: break;
    }
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

/* A vocabulary of SentencePiece without a tokenizer.json. */
static bool tokenizer_fail_sentencepiece(const char *folder, const char *name, Err *err)
{
    return fail(err,
                "%s: lethe reads tokenizer.json, not %s; make it with Python (pip install transformers sentencepiece): "
                "from transformers import AutoTokenizer; "
                "AutoTokenizer.from_pretrained(\"%s\").save_pretrained(\"%s\")",
                folder, name, folder, folder);
}

static bool tokenizer_of_vocab(Arena *arena, const char *folder, TokenizerSettings *s, Tokenizer **out, Err *err)
{
    static const char *const sentencepiece[] = {"sentencepiece.bpe.model", "spiece.model", "spm.model",
                                                "tokenizer.model"};
    const char *vocab = arena_printf(arena, "%s/vocab.txt", folder),
               *tokens = arena_printf(arena, "%s/vocab.json", folder);
    const char *merges = arena_printf(arena, "%s/merges.txt", folder);
    const bool any = s->class == CLASS_NONE || s->class == CLASS_AS_IT_STANDS;
    const TokenizerKind kind = class_rows[s->class].kind;
    Str text, rules;
    if (!any && kind == TOKENIZER_WORDPIECE && file_exists(vocab))
        return file_read(arena, vocab, TOKENIZER_FILE_LIMIT_BYTES, &text, err) &&
               tokenizer_bert_lines(arena, text, s, vocab, out, err);
    if (!any && kind == TOKENIZER_BPE && file_exists(tokens))
        return file_read(arena, tokens, TOKENIZER_FILE_LIMIT_BYTES, &text, err) &&
               file_read(arena, merges, TOKENIZER_FILE_LIMIT_BYTES, &rules, err) &&
               tokenizer_roberta_files(arena, text, rules, s, tokens, merges, out, err);
    for (size_t i = 0; i < COUNT(sentencepiece); i++)
        if (file_exists(arena_printf(arena, "%s/%s", folder, sentencepiece[i])))
            return tokenizer_fail_sentencepiece(folder, sentencepiece[i], err);
    return fail(err, "%s: no tokenizer; %s is needed there", folder,
                s->class == CLASS_NONE             ? "tokenizer.json, or vocab.txt, or vocab.json with merges.txt"
                : any || kind == TOKENIZER_UNIGRAM ? "tokenizer.json"
                : kind == TOKENIZER_BPE
                    ? "tokenizer.json, or vocab.json with merges.txt (for a RobertaTokenizer)"
                    : arena_printf(arena, "tokenizer.json or vocab.txt (for a %s)", class_rows[s->class].name));
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
