#include "text.h"

#include <string.h>

/* Lists of tokens; and tokens by their text: a hash table with open addressing that never grows. */

enum { TOKENS_MAX = 1 << 24 };

/* The tokens of a model, in the order of their file. An empty one is legal and never found; ids may have gaps. */
typedef struct TokenList {
    Str *at;
    uint32_t *ids;
    uint32_t count, limit; /* limit: every id is below it */
    uint32_t distinct;     /* where the tokenizers library gives the first new id: different texts, of Unigram all */
} TokenList;

#define VOCAB_NONE UINT32_MAX
#define VOCAB_HASH_START UINT64_C(0xcbf29ce484222325)

typedef struct VocabEntry {
    Str token;
    uint32_t id;
    bool used;
} VocabEntry;

typedef struct Vocab {
    VocabEntry *slots;
    size_t mask;    /* number of slots - 1 */
    size_t longest; /* bytes of the longest token */
} Vocab;

/* FNV-1a: the hash of a longer text goes on from that of its beginning. */
static uint64_t vocab_hash_byte(uint64_t hash, char byte) { return (hash ^ (uint8_t)byte) * UINT64_C(0x100000001b3); }

static Vocab vocab_new(Arena *arena, size_t tokens)
{
    size_t slots = 16;
    while (slots < 2 * tokens) slots *= 2;
    return (Vocab){arena_new(arena, VocabEntry, slots), slots - 1, 0};
}

/* The entry of a token, or the free one where it belongs. */
static VocabEntry *vocab_entry(const Vocab *vocab, Str token, uint64_t hash)
{
    size_t at = (size_t)(hash ^ hash >> 32) & vocab->mask;
    while (vocab->slots[at].used && !str_equal(vocab->slots[at].token, token)) at = (at + 1) & vocab->mask;
    return &vocab->slots[at];
}

/* The token's id, or VOCAB_NONE. */
static uint32_t vocab_find_hashed(const Vocab *vocab, Str token, uint64_t hash)
{
    const VocabEntry *entry = vocab_entry(vocab, token, hash);
    return entry->used ? entry->id : VOCAB_NONE;
}

static uint64_t vocab_hash(Str token)
{
    uint64_t hash = VOCAB_HASH_START;
    for (size_t i = 0; i < token.size; i++) hash = vocab_hash_byte(hash, token.at[i]);
    return hash;
}

static uint32_t vocab_find(const Vocab *vocab, Str token) { return vocab_find_hashed(vocab, token, vocab_hash(token)); }

/* Sets a token's id; its bytes must live as long as the vocabulary. Returns its old id, or VOCAB_NONE when it is new.
 */
static uint32_t vocab_put(Vocab *vocab, Str token, uint32_t id)
{
    VocabEntry *entry = vocab_entry(vocab, token, vocab_hash(token));
    const uint32_t old = entry->used ? entry->id : VOCAB_NONE;
    *entry = (VocabEntry){token, id, true};
    if (token.size > vocab->longest) vocab->longest = token.size;
    return old;
}

/* Makes a place for a text that is no token, unless it has one: its id is VOCAB_NONE. */
static void vocab_reserve(Vocab *vocab, Str token)
{
    VocabEntry *entry = vocab_entry(vocab, token, vocab_hash(token));
    if (!entry->used) *entry = (VocabEntry){token, VOCAB_NONE, true};
}
