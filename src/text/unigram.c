#include "text.h"

#include <string.h>

/* Unigram (Kudo 2018, as in SentencePiece): of all ways to cut a word into tokens the one whose scores, logarithms of
 * probabilities, have the greatest sum (Viterbi 1967). As the tokenizers library does it, to the order of its additions
 * and the way it joins unknown characters. */

/* Spaces become a visible character, which also stands before the first word, and begins the pieces that are cut
 * (HF's pre_tokenizer Metaspace). */
typedef enum MetaspaceScheme { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } MetaspaceScheme;
typedef struct Metaspace {
    bool used;
    Str mark; /* one character */
    MetaspaceScheme prepend;
    bool split; /* before each mark */
} Metaspace;

typedef struct Unigram {
    Vocab tokens;        /* and all their beginnings, which have the id VOCAB_NONE */
    double *scores;      /* by id */
    uint32_t unknown;    /* the id of what no token covers */
    double least;        /* the lowest score */
    uint32_t bytes[256]; /* tokens that stand for a byte, <0x41>; VOCAB_NONE: none */
    bool byte_fallback;  /* unknown characters become their bytes, when all of these have tokens */
    WordSplit split;
    Metaspace metaspace;
} Unigram;

static const double unigram_unknown_penalty = 10;

/* ---- Making ---- */

/* scores: by place in the list. Of equal tokens the last counts. */
static bool unigram_build(Arena *arena, const TokenList *tokens, const double *scores, uint32_t unknown, bool fallback,
                          const char *what, Unigram *out, Err *err)
{
    size_t beginnings = 0;
    if (unknown >= tokens->count)
        return fail(err, "%s: model.unk_id must be the number of a token, from 0 to %u", what, tokens->count - 1);
    for (uint32_t i = 0; i < tokens->count; i++)
        for (size_t k = 1; k <= tokens->at[i].size; k++)
            beginnings += k == tokens->at[i].size || !utf8_continues(tokens->at[i].at[k]);
    *out = (Unigram){.tokens = vocab_new(arena, beginnings),
                     .scores = arena_new(arena, double, tokens->count),
                     .unknown = unknown,
                     .byte_fallback = fallback};
    out->least = scores[0];
    for (uint32_t i = 0; i < tokens->count; i++) {
        const Str token = tokens->at[i];
        out->scores[i] = scores[i];
        if (scores[i] < out->least) out->least = scores[i];
        for (size_t k = 1; k < token.size; k++)
            if (!utf8_continues(token.at[k])) vocab_reserve(&out->tokens, (Str){token.at, k});
        if (token.size) vocab_put(&out->tokens, token, i);
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", byte);
        out->bytes[byte] = vocab_find(&out->tokens, str(name));
    }
    return true;
}

/* ---- Encoding ---- */

/* The best way to reach a place of the word. */
typedef struct UnigramNode {
    double score;
    size_t start; /* of its last token; UNIGRAM_NONE: not reached */
    uint32_t id;
} UnigramNode;
#define UNIGRAM_NONE SIZE_MAX

typedef struct UnigramWork {
    DYN(UnigramNode) nodes; /* [size + 1] of a word */
    DYN(size_t) cuts;       /* where its tokens begin, from the last one on */
} UnigramWork;

static void unigram_reach(UnigramNode *node, double score, size_t start, uint32_t id)
{
    if (node->start == UNIGRAM_NONE || score > node->score) *node = (UnigramNode){score, start, id};
}

/* Fills in the nodes that one token leads to from `at`. */
static void unigram_step(const Unigram *model, Str word, size_t at, UnigramNode *nodes)
{
    const double here = nodes[at].score;
    uint64_t hash = VOCAB_HASH_START;
    size_t first = at + 1;
    bool single = false;
    while (first < word.size && utf8_continues(word.at[first])) first++;
    for (size_t end = at; end < word.size;) {
        do hash = vocab_hash_byte(hash, word.at[end++]);
        while (end < word.size && utf8_continues(word.at[end]));
        const VocabEntry *entry = vocab_entry(&model->tokens, (Str){word.at + at, end - at}, hash);
        if (!entry->used) break;
        if (entry->id == VOCAB_NONE) continue;
        unigram_reach(&nodes[end], model->scores[entry->id] + here, at, entry->id);
        single = single || end == first;
    }
    if (!single) unigram_reach(&nodes[first], model->least - unigram_unknown_penalty + here, at, model->unknown);
}

/* A stretch that became one token, or a run of unknown characters. */
static void unigram_emit(const Unigram *model, Arena *scratch, Str piece, Ids *ids)
{
    bool bytes = model->byte_fallback;
    const uint32_t id = vocab_find(&model->tokens, piece);
    if (id != VOCAB_NONE) {
        *dyn_push(scratch, ids) = id;
        return;
    }
    for (size_t i = 0; i < piece.size && bytes; i++) bytes = model->bytes[(uint8_t)piece.at[i]] != VOCAB_NONE;
    for (size_t i = 0; i < piece.size && bytes; i++) *dyn_push(scratch, ids) = model->bytes[(uint8_t)piece.at[i]];
    if (!bytes) *dyn_push(scratch, ids) = model->unknown;
}

static void unigram_word(const Unigram *model, Arena *scratch, Str word, UnigramWork *work, Ids *ids)
{
    work->nodes.count = work->cuts.count = 0;
    if (!word.size) return;
    for (size_t i = 0; i <= word.size; i++) *dyn_push(scratch, &work->nodes) = (UnigramNode){.start = UNIGRAM_NONE};
    UnigramNode *nodes = work->nodes.at;
    for (size_t at = 0; at < word.size; at++)
        if (!utf8_continues(word.at[at])) unigram_step(model, word, at, nodes);
    for (size_t end = word.size, start; end; end = start) {
        start = nodes[end].start;
        while (start && nodes[end].id == model->unknown && nodes[start].id == model->unknown)
            start = nodes[start].start;
        *dyn_push(scratch, &work->cuts) = start;
    }
    for (size_t i = work->cuts.count; i--;) {
        const size_t start = work->cuts.at[i], end = i ? work->cuts.at[i - 1] : word.size;
        unigram_emit(model, scratch, (Str){word.at + start, end - start}, ids);
    }
}

/* A word with its spaces marked, and cut before the marks. at_start: it is what the text begins with. */
static void unigram_marked(const Unigram *model, Arena *scratch, Str word, bool at_start, UnigramWork *work, Ids *ids)
{
    const Metaspace *m = &model->metaspace;
    const bool begins = word.size >= m->mark.size && memcmp(word.at, m->mark.at, m->mark.size) == 0;
    const bool prepend =
        word.at[0] != ' ' && !begins && (m->prepend == PREPEND_ALWAYS || (m->prepend == PREPEND_FIRST && at_start));
    size_t spaces = prepend;
    for (size_t i = 0; i < word.size; i++) spaces += word.at[i] == ' ';
    char *text = arena_alloc(scratch, word.size + spaces * m->mark.size + 1, 1), *to = text;
    if (prepend) memcpy(to, m->mark.at, m->mark.size), to += m->mark.size;
    for (size_t i = 0; i < word.size; i++) {
        const Str from = word.at[i] == ' ' ? m->mark : (Str){word.at + i, 1};
        memcpy(to, from.at, from.size);
        to += from.size;
    }
    const Str all = {text, (size_t)(to - text)};
    for (size_t at = 0, end; at < all.size; at = end) {
        for (end = at + 1; m->split && end < all.size; end++)
            if (all.size - end >= m->mark.size && memcmp(all.at + end, m->mark.at, m->mark.size) == 0) break;
        if (!m->split) end = all.size;
        unigram_word(model, scratch, (Str){all.at + at, end - at}, work, ids);
    }
}

/* text: normalised. at_start: nothing of the text stands before it. */
static void unigram_encode(const Unigram *model, Arena *scratch, Str text, bool at_start, UnigramWork *work, Ids *ids)
{
    Str word;
    size_t length;
    for (size_t at = 0; word_next(model->split, text, &at, &word, &length);)
        if (model->metaspace.used)
            unigram_marked(model, scratch, word, at_start && word.at == text.at, work, ids);
        else
            unigram_word(model, scratch, word, work, ids);
}
