#include "text.h"

#include <string.h>

/* Lists of tokens and merges, wherever they come from, become the tables of a tokenizer. Each step checks what the next
 * one relies on. */

enum { WORDPIECE_MAX_WORD = 10000 };

/* A merge rule as its file has it. */
typedef struct MergeRule {
    Str left, right;
    uint64_t number; /* line of the file, or place in the list; from 1 */
} MergeRule;

/* "left right" */
static bool merge_split(Str text, MergeRule *rule)
{
    const char *space = text.size ? memchr(text.at, ' ', text.size) : NULL;
    if (!space) return false;
    rule->left = (Str){text.at, (size_t)(space - text.at)};
    rule->right = (Str){space + 1, text.size - rule->left.size - 1};
    return rule->left.size && rule->right.size && !memchr(rule->right.at, ' ', rule->right.size);
}

/* Without the white space at its end, of all kinds: HF reads vocab.txt so. */
static Str tokens_trim_end(Str s)
{
    for (size_t at = s.size; at && unicode_is_space(unicode_previous(s, &at));) s.size = at;
    return s;
}

/* One token a line; the first one has id 0, and of equal ones the last counts. The text must live as long as the list.
 */
static bool tokens_from_lines(Arena *arena, Str text, const char *what, TokenList *out, Err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) count += text.at[i] == '\n' || i + 1 == text.size;
    if (!count) return fail(err, "%s: empty; one token a line is needed", what);
    if (count > TOKENS_MAX) return fail(err, "%s: %zu tokens; at most %d are possible", what, count, TOKENS_MAX);
    *out = (TokenList){arena_new(arena, Str, count), arena_new(arena, uint32_t, count), (uint32_t)count,
                       (uint32_t)count, 0};
    Vocab seen = vocab_new(arena, count);
    for (uint32_t id = 0; id < count; id++) {
        const char *end = memchr(text.at, '\n', text.size);
        const size_t size = end ? (size_t)(end - text.at) : text.size;
        if (unicode_count_errors((Str){text.at, size})) return fail(err, "%s, line %u: not valid UTF-8", what, id + 1);
        out->at[id] = tokens_trim_end((Str){text.at, size});
        out->ids[id] = id;
        out->distinct += vocab_put(&seen, out->at[id], id) == VOCAB_NONE;
        if (end) text = (Str){end + 1, text.size - size - 1};
    }
    return true;
}

static int tokens_by_id(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* No two tokens have the same id. */
static bool tokens_differ(Arena *arena, const TokenList *tokens, const char *what, Err *err)
{
    uint32_t *sorted = (uint32_t *)(void *)arena_copy(arena, tokens->ids, tokens->count * sizeof *tokens->ids);
    qsort(sorted, tokens->count, sizeof *sorted, tokens_by_id);
    for (uint32_t i = 0; i + 1 < tokens->count; i++) {
        Str pair[2] = {0};
        size_t found = 0;
        if (sorted[i] != sorted[i + 1]) continue;
        for (uint32_t k = 0; k < tokens->count && found < 2; k++)
            if (tokens->ids[k] == sorted[i]) pair[found++] = tokens->at[k];
        return fail(err, "%s: the tokens \"%s\" and \"%s\" have the same id %u", what, str_show(pair[0]),
                    str_show(pair[1]), sorted[i]);
    }
    return true;
}

/* {"token": id, ...} */
static bool tokens_from_json(Arena *arena, const json_t *vocab, const char *what, TokenList *out, Err *err)
{
    const char *token;
    json_t *value;
    size_t bytes = 0;
    const size_t count = json_object_size(vocab);
    if (!json_is_object(vocab)) return fail(err, "%s: an object {\"token\": id, ...} is needed", what);
    if (!count) return fail(err, "%s: no tokens", what);
    if (count > TOKENS_MAX) return fail(err, "%s: %zu tokens; at most %d are possible", what, count, TOKENS_MAX);
    json_object_foreach((json_t *)vocab, token, value) { bytes += strlen(token); }
    char *text = arena_alloc(arena, bytes + 1, 1);
    *out = (TokenList){arena_new(arena, Str, count), arena_new(arena, uint32_t, count), 0, 0, (uint32_t)count};
    json_object_foreach((json_t *)vocab, token, value)
    {
        const json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id >= TOKENS_MAX)
            return fail(err, "%s: the id of token \"%s\" must be a whole number from 0 to %d", what,
                        str_show(str(token)), TOKENS_MAX - 1);
        const Str own = {text, strlen(token)};
        memcpy(text, token, own.size);
        text += own.size;
        out->at[out->count] = own;
        out->ids[out->count++] = (uint32_t)id;
        if (id >= out->limit) out->limit = (uint32_t)id + 1;
    }
    return tokens_differ(arena, out, what, err);
}

/* The tokens of a list that are not empty, by their text. */
static Vocab tokens_index(Arena *arena, const TokenList *tokens)
{
    Vocab vocab = vocab_new(arena, tokens->count);
    for (uint32_t i = 0; i < tokens->count; i++)
        if (tokens->at[i].size) vocab_put(&vocab, tokens->at[i], tokens->ids[i]);
    return vocab;
}

/* The id of a token that must be there. */
static bool tokens_need(const Vocab *vocab, Str token, const char *what, uint32_t *id, Err *err)
{
    *id = vocab_find(vocab, token);
    return *id != VOCAB_NONE || fail(err, "%s: the token \"%s\" is missing", what, str_show(token));
}

static bool wordpiece_build(Arena *arena, const TokenList *tokens, Str unknown, Str prefix, uint32_t max_word,
                            WordSplit split, const char *what, WordPiece *out, Err *err)
{
    const size_t most_bytes = 4 * (size_t)max_word; /* longer tokens can never be part of a word */
    const Vocab all = tokens_index(arena, tokens);
    *out = (WordPiece){.words = vocab_new(arena, tokens->count), .max_word = max_word, .split = split};
    out->pieces = vocab_new(arena, tokens->count);
    for (uint32_t i = 0; i < tokens->count; i++) {
        const Str token = tokens->at[i];
        const uint32_t id = tokens->ids[i];
        if (token.size && token.size <= most_bytes) vocab_put(&out->words, token, id);
        if (token.size <= prefix.size || token.size - prefix.size > most_bytes) continue;
        if (prefix.size && memcmp(token.at, prefix.at, prefix.size) != 0) continue;
        vocab_put(&out->pieces, (Str){token.at + prefix.size, token.size - prefix.size}, id);
    }
    return tokens_need(&all, unknown, what, &out->unknown, err);
}

/* vocab: of all tokens. rules_what: what stands before a rule's number in errors. */
static bool bpe_build(Arena *arena, const Vocab *vocab, const MergeRule *rules, size_t rule_count,
                      const char *rules_what, Bpe *out, Err *err)
{
    bpe_new(arena, rule_count, out);
    for (uint32_t byte = 0; byte < 256; byte++) {
        char code[4];
        const size_t size = unicode_encode(bpe_byte_code((uint8_t)byte), code);
        out->byte_token[byte] = vocab_find(vocab, (Str){code, size});
    }
    for (size_t i = 0; i < rule_count; i++) {
        const Str left = rules[i].left, right = rules[i].right;
        char *joined = arena_alloc(arena, left.size + right.size + 1, 1);
        memcpy(joined, left.at, left.size);
        memcpy(joined + left.size, right.at, right.size);
        const Str parts[3] = {left, right, {joined, left.size + right.size}};
        uint32_t ids[3];
        for (size_t k = 0; k < COUNT(parts); k++) {
            ids[k] = vocab_find(vocab, parts[k]);
            if (ids[k] == VOCAB_NONE)
                return fail(
                    err,
                    "%s %llu: the merge of \"%s\" and \"%s\" needs the token \"%s\", which is not in the vocabulary",
                    rules_what, (unsigned long long)rules[i].number, str_show(left), str_show(right),
                    str_show(parts[k]));
        }
        *bpe_find(out, ids[0], ids[1]) = (BpeMerge){ids[0], ids[1], (uint32_t)i, ids[2], true};
    }
    return true;
}
