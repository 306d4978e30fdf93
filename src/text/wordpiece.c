#include "text.h"

/* WordPiece (Schuster and Nakajima 2012, as in BERT): split into words, take the longest known pieces. */

typedef enum WordSplit {
    SPLIT_BERT,       /* at white space; each punctuation mark is a word */
    SPLIT_WORD_CLASS, /* runs of \w, and runs of what is neither \w nor white space */
    SPLIT_SPACES,     /* at white space only */
    SPLIT_NOTHING,
} WordSplit;

typedef struct WordPiece {
    Vocab words, pieces; /* tokens that begin a word, and those inside one, without their prefix "##" */
    uint32_t unknown;
    uint32_t max_word; /* code points; longer words are unknown */
    WordSplit split;
} WordPiece;

/* ---- Words ---- */

/* A word is a run of code points of one class; none is in it that is a space, and one that stands alone is a word. */
typedef enum WordClass { WORD_SPACE, WORD_INNER, WORD_OTHER, WORD_ALONE } WordClass;

static WordClass word_class(WordSplit split, uint32_t c)
{
    if (split == SPLIT_NOTHING) return WORD_INNER;
    if (unicode_is_space(c)) return WORD_SPACE;
    if (split == SPLIT_BERT) return unicode_bits(c) & UNICODE_PUNCTUATION ? WORD_ALONE : WORD_INNER;
    if (split == SPLIT_WORD_CLASS) return unicode_bits(c) & UNICODE_WORD ? WORD_INNER : WORD_OTHER;
    return WORD_INNER;
}

/* The next word of `text` at or after *at, and its length in code points; false when there is none. */
static bool word_next(WordSplit split, Str text, size_t *at, Str *word, size_t *length)
{
    while (*at < text.size) {
        const size_t begin = *at;
        const WordClass class = word_class(split, unicode_next(text, at));
        *length = 1;
        if (class == WORD_SPACE) continue;
        for (size_t next = *at; class != WORD_ALONE && *at < text.size; *at = next, ++*length)
            if (word_class(split, unicode_next(text, &next)) != class) break;
        *word = (Str){text.at + begin, *at - begin};
        return true;
    }
    return false;
}

/* ---- Pieces ---- */

typedef DYN(uint32_t) Ids;

/* The longest token that `rest` begins with: its size in bytes, 0 when there is none. hashes: [vocab->longest + 1]. */
static size_t wordpiece_longest(const Vocab *vocab, Str rest, uint64_t *hashes, uint32_t *id)
{
    size_t size = least_size(rest.size, vocab->longest);
    hashes[0] = VOCAB_HASH_START;
    for (size_t i = 0; i < size; i++) hashes[i + 1] = vocab_hash_byte(hashes[i], rest.at[i]);
    for (; size; size--) {
        if (size < rest.size && utf8_continues(rest.at[size])) continue; /* inside a code point */
        *id = vocab_find_hashed(vocab, (Str){rest.at, size}, hashes[size]);
        if (*id != VOCAB_NONE) return size;
    }
    return 0;
}

static void wordpiece_word(const WordPiece *model, Arena *scratch, Str word, size_t length, uint64_t *hashes, Ids *ids)
{
    const size_t before = ids->count;
    bool known = length <= model->max_word;
    for (size_t at = 0, size; known && at < word.size; at += size) {
        uint32_t id;
        size = wordpiece_longest(at ? &model->pieces : &model->words, (Str){word.at + at, word.size - at}, hashes, &id);
        known = size > 0;
        if (known) *dyn_push(scratch, ids) = id;
    }
    if (known) return;
    ids->count = before;
    *dyn_push(scratch, ids) = model->unknown;
}

/* text: normalised. hashes: [wordpiece_longest_token(model) + 1]. */
static void wordpiece_encode(const WordPiece *model, Arena *scratch, Str text, uint64_t *hashes, Ids *ids)
{
    Str word;
    size_t length;
    for (size_t at = 0; word_next(model->split, text, &at, &word, &length);)
        wordpiece_word(model, scratch, word, length, hashes, ids);
}

static size_t wordpiece_longest_token(const WordPiece *model)
{
    return model->words.longest > model->pieces.longest ? model->words.longest : model->pieces.longest;
}
