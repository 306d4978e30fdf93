#include "text.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* vocab.txt, vocab.json with merges.txt, and the folder they lie in. */

enum { TOKENIZER_FILE_LIMIT_BYTES = 1 << 28 };

static const char *const tokenizer_file_names[] = {
    "tokenizer_config.json",   "tokenizer.json",    "vocab.txt", "vocab.json", "merges.txt",
    "special_tokens_map.json", "added_tokens.json", NULL};

/* What tokenizer_config.json says, or HF's defaults. */
typedef struct TokenizerConfig {
    bool lower_case, strip_accents, ideographs, prefix_space;
    double max_length; /* 0: not told */
} TokenizerConfig;

/* Tokens that the text may hold as they are, where the vocabulary has them. Not normalised, no white space swallowed.
 */
static void tokenizer_add_special(Arena *arena, const Vocab *vocab, const char *const *names, size_t count,
                                  Tokenizer *t)
{
    t->raw.at = arena_new(arena, AddedToken, count);
    for (size_t i = 0; i < count; i++) {
        const uint32_t id = vocab_find(vocab, str(names[i]));
        if (id != VOCAB_NONE) t->raw.at[t->raw.count++] = (AddedToken){.text = str(names[i]), .id = id};
    }
    added_prepare(&t->raw);
}

static bool tokenizer_bert(Arena *arena, Str text, const TokenizerConfig *config, const char *what, Tokenizer **out,
                           Err *err)
{
    static const char *const special[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    Tokenizer *t = arena_new(arena, Tokenizer, 1);
    TokenList tokens;
    uint32_t first, last;
    text.at = arena_copy(arena, text.at, text.size);
    if (!tokens_from_lines(arena, text, what, &tokens, err) ||
        !wordpiece_build(arena, &tokens, S("[UNK]"), S("##"), 100, SPLIT_BERT, what, &t->wordpiece, err) ||
        !tokens_need(&t->wordpiece.words, S("[CLS]"), what, &first, err) ||
        !tokens_need(&t->wordpiece.words, S("[SEP]"), what, &last, err))
        return false;
    t->kind = TOKENIZER_WORDPIECE;
    t->vocab_size = tokens.count;
    const struct {
        bool wanted;
        NormalStep step;
    } steps[] = {{true, NORMAL_CLEAN},
                 {config->ideographs, NORMAL_IDEOGRAPHS},
                 {config->strip_accents, NORMAL_DECOMPOSE},
                 {config->strip_accents, NORMAL_ACCENTS},
                 {config->lower_case, NORMAL_LOWER}};
    for (size_t i = 0; i < COUNT(steps); i++)
        if (steps[i].wanted) t->normalizer.steps[t->normalizer.step_count++] = steps[i].step;
    template_usual(t, first, last, false, 1);
    tokenizer_add_special(arena, &t->wordpiece.words, special, COUNT(special), t);
    *out = t;
    return true;
}

bool tokenizer_from_vocab(Arena *arena, Str vocab, bool lower_case, const char *what, Tokenizer **out, Err *err)
{
    const TokenizerConfig config = {.lower_case = lower_case, .strip_accents = lower_case, .ideographs = true};
    return tokenizer_bert(arena, vocab, &config, what, out, err);
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

static bool tokenizer_roberta(Arena *arena, Str vocab_json, Str merges, const TokenizerConfig *config,
                              const char *vocab_what, const char *merges_what, Tokenizer **out, Err *err)
{
    static const char *const special[] = {"<s>", "<pad>", "</s>", "<unk>", "<mask>"};
    Tokenizer *t = arena_new(arena, Tokenizer, 1);
    TokenList tokens;
    MergeRule *rules = NULL;
    size_t rule_count = 0;
    json_t *root = NULL;
    if (!merges_from_lines(arena, merges, merges_what, &rules, &rule_count, err) ||
        !json_parse(vocab_json, vocab_what, &root, err))
        return false;
    const bool read = tokens_from_json(arena, root, 0, vocab_what, &tokens, err);
    json_decref(root);
    if (!read) return false;
    const Vocab vocab = tokens_index(arena, &tokens);
    const char *rules_what = arena_printf(arena, "%s, line", merges_what);
    uint32_t first, last;
    if (!bpe_build(arena, &vocab, rules, rule_count, rules_what, &t->bpe, err) ||
        !tokens_need(&vocab, S("<s>"), vocab_what, &first, err) ||
        !tokens_need(&vocab, S("</s>"), vocab_what, &last, err))
        return false;
    t->kind = TOKENIZER_BPE;
    t->vocab_size = tokens.count;
    t->bpe.prefix_space = config->prefix_space;
    template_usual(t, first, last, true, 0);
    tokenizer_add_special(arena, &vocab, special, COUNT(special), t);
    *out = t;
    return true;
}

static bool tokenizer_config_parse(Str text, const char *path, TokenizerConfig *config, Err *err)
{
    json_t *root = NULL;
    /* HF writes 1000000000000000019884624838656 for "no limit" */
    if (!json_parse_wide(text, path, &root, err)) return false;
    const bool limited = json_is_number(json_object_get(root, "model_max_length"));
    const bool ok =
        (!limited || json_get_double(root, path, "model_max_length", 1, INFINITY, &config->max_length, err)) &&
        tokjson_flag(root, path, "do_lower_case", true, &config->lower_case, err) &&
        tokjson_flag(root, path, "strip_accents", config->lower_case, &config->strip_accents, err) &&
        tokjson_flag(root, path, "tokenize_chinese_chars", true, &config->ideographs, err) &&
        tokjson_flag(root, path, "add_prefix_space", false, &config->prefix_space, err);
    json_decref(root);
    return ok;
}

static bool tokenizer_config_read(Arena *arena, const char *path, TokenizerConfig *config, Err *err)
{
    Str text;
    *config = (TokenizerConfig){.lower_case = true, .strip_accents = true, .ideographs = true};
    return access(path, F_OK) != 0 || (file_read(arena, path, TOKENIZER_FILE_LIMIT_BYTES, &text, err) &&
                                       tokenizer_config_parse(text, path, config, err));
}

bool tokenizer_max_length(const char *folder, uint32_t *length, Err *err)
{
    Arena arena = {0};
    TokenizerConfig config;
    const char *path = arena_printf(&arena, "%s/tokenizer_config.json", folder);
    const bool ok = tokenizer_config_read(&arena, path, &config, err);
    *length = !ok || config.max_length > UINT32_MAX ? 0 : (uint32_t)config.max_length;
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
        if (access(source, F_OK) != 0) continue;
        ok = file_read(&arena, source, TOKENIZER_FILE_LIMIT_BYTES, &bytes, err) &&
             file_write(arena_printf(&arena, "%s/%s", to, tokenizer_file_names[i]), bytes, err);
    }
    arena_free(&arena);
    return ok;
}

bool tokenizer_config_write(const char *folder, bool roberta, uint32_t max_length, Err *err)
{
    Arena arena = {0};
    Str text;
    json_t *root = NULL;
    const char *path = arena_printf(&arena, "%s/tokenizer_config.json", folder);
    bool ok = true;
    if (access(path, F_OK) == 0)
        ok = file_read(&arena, path, TOKENIZER_FILE_LIMIT_BYTES, &text, err) && json_parse_wide(text, path, &root, err);
    else
        root = roberta ? json_pack("{s:s}", "tokenizer_class", "RobertaTokenizer")
                       : json_pack("{s:s, s:b}", "tokenizer_class", "BertTokenizer", "do_lower_case", 1);
    if (ok) json_object_set_new(root, "model_max_length", json_integer(max_length));
    ok = ok && json_write(path, root, err);
    json_decref(root);
    arena_free(&arena);
    return ok;
}

bool tokenizer_load(Arena *arena, const char *folder, Tokenizer **out, Err *err)
{
    const char *json = arena_printf(arena, "%s/tokenizer.json", folder),
               *vocab = arena_printf(arena, "%s/vocab.txt", folder);
    const char *tokens = arena_printf(arena, "%s/vocab.json", folder),
               *merges = arena_printf(arena, "%s/merges.txt", folder);
    TokenizerConfig config;
    Str text, rules;
    if (access(json, F_OK) == 0)
        return file_read(arena, json, TOKENIZER_FILE_LIMIT_BYTES, &text, err) &&
               tokenizer_from_json(arena, text, json, out, err);
    if (!tokenizer_config_read(arena, arena_printf(arena, "%s/tokenizer_config.json", folder), &config, err))
        return false;
    if (access(vocab, F_OK) == 0)
        return file_read(arena, vocab, TOKENIZER_FILE_LIMIT_BYTES, &text, err) &&
               tokenizer_bert(arena, text, &config, vocab, out, err);
    if (access(tokens, F_OK) == 0)
        return file_read(arena, tokens, TOKENIZER_FILE_LIMIT_BYTES, &text, err) &&
               file_read(arena, merges, TOKENIZER_FILE_LIMIT_BYTES, &rules, err) &&
               tokenizer_roberta(arena, text, rules, &config, tokens, merges, out, err);
    return fail(err, "%s: no tokenizer; tokenizer.json, or vocab.txt, or vocab.json with merges.txt is needed there",
                folder);
}
