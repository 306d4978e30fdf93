#include "text.h"

#include <string.h>

/* Byte-level byte pair encoding (GPT-2, RoBERTa): split into words by a pattern, then merge neighbouring tokens, the
 * merge of the lowest rank first and of equal ones the leftmost, until none is left. */

typedef struct BpeMerge {
    uint32_t left, right; /* token ids */
    uint32_t rank, merged;
    bool used;
} BpeMerge;

typedef struct Bpe {
    BpeMerge *merges; /* a hash table by (left, right) */
    size_t mask;
    uint32_t byte_token[256]; /* VOCAB_NONE: not in the vocabulary */
    uint32_t unknown;         /* for such bytes; VOCAB_NONE: they are dropped */
    bool fuse_unknown;        /* neighbouring ones become one */
    bool prefix_space;        /* a space in front of a text that does not begin with one */
} Bpe;

/* ---- The table of merges ---- */

static void bpe_new(Arena *arena, size_t merges, Bpe *bpe)
{
    size_t slots = 16;
    while (slots < 2 * merges) slots *= 2;
    *bpe = (Bpe){.merges = arena_new(arena, BpeMerge, slots), .mask = slots - 1, .unknown = VOCAB_NONE};
    memset(bpe->byte_token, 0xff, sizeof bpe->byte_token);
}

/* The merge of a pair, or the free slot where it belongs. */
static BpeMerge *bpe_find(const Bpe *bpe, uint32_t left, uint32_t right)
{
    const uint64_t hash = ((uint64_t)left << 32 | right) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 32) & bpe->mask;
    while (bpe->merges[at].used && (bpe->merges[at].left != left || bpe->merges[at].right != right))
        at = (at + 1) & bpe->mask;
    return &bpe->merges[at];
}

/* The printable code point that stands for a byte in vocabularies (GPT-2's bytes_to_unicode): printable Latin-1 for
 * itself, the others in order from U+0100. */
static uint32_t bpe_byte_code(uint8_t byte)
{
    uint32_t shifted = 0x100;
    for (uint32_t b = 0; b < 256; b++) {
        const bool printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
        const uint32_t code = printable ? b : shifted++;
        if (b == byte) return code;
    }
    return 0;
}

/* ---- Words ---- */

typedef enum BpeClass { BPE_SPACE, BPE_LETTER, BPE_NUMBER, BPE_OTHER } BpeClass;

static BpeClass bpe_class(uint32_t c)
{
    if (unicode_is_space(c)) return BPE_SPACE;
    const uint32_t bits = unicode_bits(c);
    return bits & UNICODE_LETTER ? BPE_LETTER : bits & UNICODE_NUMBER ? BPE_NUMBER : BPE_OTHER;
}

/* Bytes of a contraction ('s 't 're 've 'm 'll 'd) at the start of s, or 0. */
static size_t bpe_contraction(Str s)
{
    static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    for (size_t i = 0; i < COUNT(endings) && s.at[0] == '\''; i++) {
        const size_t size = strlen(endings[i]);
        if (s.size > size && memcmp(s.at + 1, endings[i], size) == 0) return size + 1;
    }
    return 0;
}

/* End of the run of one class that holds the code point at `at`; *last is where its last code point begins. */
static size_t bpe_run(Str text, size_t at, BpeClass class, size_t *last)
{
    size_t next = at;
    while (next < text.size && bpe_class(unicode_next(text, &next)) == class) *last = at, at = next;
    return at;
}

/* End of the word that begins at `at`, by the pattern
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t bpe_word_end(Str text, size_t at)
{
    const size_t contraction = bpe_contraction((Str){text.at + at, text.size - at});
    if (contraction) return at + contraction;
    size_t start = at + (text.at[at] == ' '), next = start, last = at;
    if (start < text.size) {
        const BpeClass class = bpe_class(unicode_next(text, &next));
        if (class != BPE_SPACE) return bpe_run(text, start, class, &last);
    }
    /* white space: all of it at the end of the text, else all but the last, which belongs to what follows */
    const size_t end = bpe_run(text, at, BPE_SPACE, &last);
    return end < text.size && last > at ? last : end;
}

/* ---- Merging ---- */

enum { BPE_END = -1 };

typedef struct BpeSymbol {
    uint32_t token;
    int64_t previous, next; /* BPE_END: none; a symbol that was merged into its left neighbour has previous = itself */
} BpeSymbol;

typedef struct BpeCandidate {
    uint32_t rank, merged;
    int64_t at; /* of the left one */
} BpeCandidate;

/* Memory that is used again for each word. */
typedef struct BpeWork {
    DYN(BpeSymbol) symbols;
    DYN(BpeCandidate) heap; /* the first comes first */
} BpeWork;

static bool bpe_before(BpeCandidate a, BpeCandidate b) { return a.rank != b.rank ? a.rank < b.rank : a.at < b.at; }

static void bpe_push(Arena *scratch, BpeWork *work, const Bpe *bpe, int64_t at)
{
    const BpeSymbol *symbols = work->symbols.at;
    if (at == BPE_END || symbols[at].next == BPE_END) return;
    const BpeMerge *merge = bpe_find(bpe, symbols[at].token, symbols[symbols[at].next].token);
    if (!merge->used) return;
    const BpeCandidate candidate = {merge->rank, merge->merged, at};
    dyn_push(scratch, &work->heap);
    size_t i = work->heap.count - 1;
    for (; i && bpe_before(candidate, work->heap.at[(i - 1) / 2]); i = (i - 1) / 2)
        work->heap.at[i] = work->heap.at[(i - 1) / 2];
    work->heap.at[i] = candidate;
}

static BpeCandidate bpe_pop(BpeWork *work)
{
    BpeCandidate *heap = work->heap.at, top = heap[0], moved = heap[--work->heap.count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < work->heap.count; i = child) {
        if (child + 1 < work->heap.count && bpe_before(heap[child + 1], heap[child])) child++;
        if (!bpe_before(heap[child], moved)) break;
        heap[i] = heap[child];
    }
    heap[i] = moved;
    return top;
}

/* Merges symbol i with the one to its right, when they still are the pair that the candidate was made for. */
static bool bpe_merge(const Bpe *bpe, BpeSymbol *symbols, BpeCandidate candidate)
{
    BpeSymbol *left = &symbols[candidate.at];
    if (left->previous == candidate.at || left->next == BPE_END) return false;
    BpeSymbol *right = &symbols[left->next];
    const BpeMerge *merge = bpe_find(bpe, left->token, right->token);
    if (!merge->used || merge->merged != candidate.merged) return false;
    right->previous = left->next;
    left->token = candidate.merged;
    left->next = right->next;
    if (left->next != BPE_END) symbols[left->next].previous = candidate.at;
    return true;
}

static void bpe_word(const Bpe *bpe, Arena *scratch, Str word, BpeWork *work, Ids *ids)
{
    work->symbols.count = work->heap.count = 0;
    bool unknown_before = false;
    for (size_t i = 0; i < word.size; i++) {
        uint32_t token = bpe->byte_token[(uint8_t)word.at[i]];
        const bool unknown = token == VOCAB_NONE;
        if (unknown) token = unknown_before && bpe->fuse_unknown ? VOCAB_NONE : bpe->unknown;
        unknown_before = unknown;
        if (token == VOCAB_NONE) continue;
        const int64_t at = (int64_t)work->symbols.count;
        *dyn_push(scratch, &work->symbols) = (BpeSymbol){token, at - 1, at + 1};
    }
    const int64_t count = (int64_t)work->symbols.count;
    if (!count) return;
    BpeSymbol *symbols = work->symbols.at;
    symbols[count - 1].next = BPE_END;
    for (int64_t i = 0; i + 1 < count; i++) bpe_push(scratch, work, bpe, i);
    while (work->heap.count) {
        const BpeCandidate candidate = bpe_pop(work);
        if (!bpe_merge(bpe, symbols, candidate)) continue;
        bpe_push(scratch, work, bpe, symbols[candidate.at].previous);
        bpe_push(scratch, work, bpe, candidate.at);
    }
    for (int64_t i = 0; i != BPE_END; i = symbols[i].next) *dyn_push(scratch, ids) = symbols[i].token;
}

static void bpe_encode(const Bpe *bpe, Arena *scratch, Str text, BpeWork *work, Ids *ids)
{
    if (bpe->prefix_space && text.size && text.at[0] != ' ') {
        char *copy = arena_alloc(scratch, text.size + 1, 1);
        copy[0] = ' ';
        memcpy(copy + 1, text.at, text.size);
        text = (Str){copy, text.size + 1};
    }
    for (size_t at = 0, end; at < text.size; at = end) {
        end = bpe_word_end(text, at);
        bpe_word(bpe, scratch, (Str){text.at + at, end - at}, work, ids);
    }
}
