#include "text.h"

#include <string.h>
#include <utf8proc.h>

#include "unicode_table.c"

/* Text as the tokenizers see it. What a code point counts as comes from our own table (see there); utf8proc gives the
 * decompositions and lower case, which Unicode never changes once it has assigned them. */

enum { UNICODE_REPLACEMENT = 0xfffd };

static uint32_t unicode_find(const uint32_t *table, size_t count, int shift, uint32_t code)
{
    size_t low = 0, high = count; /* the entry is in [low, high) */
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (table[middle] >> shift <= code)
            low = middle;
        else
            high = middle;
    }
    return table[low] & ((1U << shift) - 1);
}

static uint32_t unicode_bits(uint32_t code)
{
    return unicode_find(unicode_table, COUNT(unicode_table), UNICODE_SHIFT, code);
}

static uint32_t cluster_bits(uint32_t code)
{
    return unicode_find(cluster_table, COUNT(cluster_table), CLUSTER_SHIFT, code);
}

/* White_Space of Unicode; also what \s means in the patterns. */
static bool unicode_is_space(uint32_t c)
{
    return c == ' ' || (c >= 0x09 && c <= 0x0d) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* The ideographs that BERT's normalizer surrounds with spaces: its own list of blocks, not a property. */
static bool unicode_is_ideograph(uint32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

/* ---- UTF-8 ---- */

/* The code point at s.at[at]; s is valid UTF-8. Moves `at` after it. */
static uint32_t unicode_next(Str s, size_t *at)
{
    uint32_t code;
    *at += utf8_decode(s.at + *at, s.size - *at, &code);
    return code;
}

/* The code point that ends at s.at[at - 1]; s is valid UTF-8, at > 0. Moves `at` to its start. */
static uint32_t unicode_previous(Str s, size_t *at)
{
    do --*at;
    while (*at && utf8_continues(s.at[*at]));
    size_t start = *at;
    return unicode_next(s, &start);
}

static size_t unicode_encode(uint32_t code, char *out)
{
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)code, (utf8proc_uint8_t *)out);
}

/* How many maximal subparts are not UTF-8. */
static size_t unicode_count_errors(Str s)
{
    size_t errors = 0;
    uint32_t code;
    for (size_t i = 0; i < s.size; errors += code == UTF8_INVALID) i += utf8_decode(s.at + i, s.size - i, &code);
    return errors;
}

/* The text itself when it is valid UTF-8, else a copy with U+FFFD in place of what is not. */
static Str unicode_repair(Arena *arena, Str s)
{
    const Str mark = S("\xef\xbf\xbd");
    const size_t errors = unicode_count_errors(s);
    uint32_t code;
    if (!errors) return s;
    char *copy = arena_alloc(arena, s.size + errors * mark.size, 1), *to = copy;
    for (size_t i = 0, n; i < s.size; i += n) {
        n = utf8_decode(s.at + i, s.size - i, &code);
        const Str from = code == UTF8_INVALID ? mark : (Str){s.at + i, n};
        memcpy(to, from.at, from.size);
        to += from.size;
    }
    return (Str){copy, (size_t)(to - copy)};
}

/* ---- Normal forms, on code points ---- */

typedef DYN(uint32_t) CodePoints;

static CodePoints unicode_decode(Arena *arena, Str s)
{
    CodePoints out = {arena_new(arena, uint32_t, s.size), 0, s.size};
    for (size_t i = 0; i < s.size;) out.at[out.count++] = unicode_next(s, &i);
    return out;
}

static Str unicode_encode_all(Arena *arena, CodePoints codes)
{
    char *bytes = arena_alloc(arena, codes.count, 4), *to = bytes;
    for (size_t i = 0; i < codes.count; i++) to += unicode_encode(codes.at[i], to);
    return (Str){bytes, (size_t)(to - bytes)};
}

/* Lower case without context (no final sigma), as Rust's char::to_lowercase. Writes one or two code points. */
static size_t unicode_lower(uint32_t c, uint32_t out[2])
{
    /* what Unicode 15 to 17 added, for a utf8proc that is older; ascending */
    static const struct UnicodeCase {
        uint32_t first, last, step;
        int32_t distance;
    } newer[] = {{0x1c89, 0x1c89, 1, 1},       {0xa7cb, 0xa7cb, 1, -0xa567}, {0xa7cc, 0xa7da, 2, 1},
                 {0xa7dc, 0xa7dc, 1, -0xa641}, {0x10d50, 0x10d65, 1, 0x20},  {0x16ea0, 0x16eb8, 1, 0x1b}};
    out[0] = c;
    if (c < 0x80) {
        if (c >= 'A' && c <= 'Z') out[0] = c + ('a' - 'A');
        return 1;
    }
    if (c == 0x130) { /* I with a dot: the only one that becomes two */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    if (out[0] == c && c >= newer[0].first)
        for (size_t i = 0; i < COUNT(newer); i++)
            if (c >= newer[i].first && c <= newer[i].last && (c - newer[i].first) % newer[i].step == 0)
                out[0] = (uint32_t)((int32_t)c + newer[i].distance);
    return 1;
}

static uint8_t unicode_combining_class(uint32_t c)
{
    if (c < 0x300 || !(unicode_bits(c) & UNICODE_COMBINES)) return 0;
    return (uint8_t)utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
}

/* Sorts a run of combining marks by class, keeping the order within a class; in linear time, for a text may be one long
 * run of marks. */
static void unicode_sort_marks(Arena *scratch, uint32_t *codes, size_t count)
{
    size_t starts[257] = {0};
    bool sorted = true;
    for (size_t i = 0; i < count; i++) {
        starts[unicode_combining_class(codes[i]) + 1]++;
        if (i && unicode_combining_class(codes[i]) < unicode_combining_class(codes[i - 1])) sorted = false;
    }
    if (sorted) return;
    uint32_t *copy = (uint32_t *)(void *)arena_copy(scratch, codes, count * sizeof *codes);
    for (size_t k = 1; k < 257; k++) starts[k] += starts[k - 1];
    for (size_t i = 0; i < count; i++) codes[starts[unicode_combining_class(copy[i])]++] = copy[i];
}

/* Canonical decomposition (NFD, UAX 15); compatible: NFKD. */
static CodePoints unicode_decompose(Arena *scratch, CodePoints in, bool compatible)
{
    CodePoints out = {0};
    for (size_t i = 0; i < in.count; i++) {
        const uint32_t c = in.at[i];
        utf8proc_int32_t parts[32] = {(utf8proc_int32_t)c};
        utf8proc_ssize_t count = 1;
        int boundary = 0;
        const bool compat = compatible && c >= 0x80 && cluster_bits(c) & CLUSTER_COMPATIBLE;
        if (compat || (c >= 0xc0 && (c <= 0xffff || unicode_bits(c) & UNICODE_DECOMPOSES)))
            count = utf8proc_decompose_char(parts[0], parts, COUNT(parts),
                                            UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0), &boundary);
        ASSERT(count >= 0 && count <= (utf8proc_ssize_t)COUNT(parts));
        for (utf8proc_ssize_t k = 0; k < count; k++) *dyn_push(scratch, &out) = (uint32_t)parts[k];
    }
    for (size_t i = 0, end; i < out.count; i = end) {
        end = i + 1;
        if (!unicode_combining_class(out.at[i])) continue;
        while (end < out.count && unicode_combining_class(out.at[end])) end++;
        if (end - i > 1) unicode_sort_marks(scratch, out.at + i, end - i);
    }
    return out;
}

/* Whether nothing composes over this: marks that are younger than the Unicode of the tokenizers library, which takes
 * them for letters, and U+11930, whose composition is younger. */
static bool unicode_breaks_composition(uint32_t c)
{
    return c == 0x11930 || (c >= 0x300 && !(unicode_bits(c) & UNICODE_COMBINES) &&
                            utf8proc_get_property((utf8proc_int32_t)c)->combining_class);
}

/* Canonical composition of what is decomposed (NFC, NFKC), in place. */
static CodePoints unicode_compose(CodePoints in)
{
    size_t kept = 0;
    for (size_t i = 0, end; i < in.count; i = end) {
        for (end = i + 1; end < in.count && !unicode_breaks_composition(in.at[end]);) end++;
        const utf8proc_ssize_t count = utf8proc_normalize_utf32(
            (utf8proc_int32_t *)(void *)(in.at + i), (utf8proc_ssize_t)(end - i), UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        ASSERT(count >= 0 && (size_t)count <= end - i);
        memmove(in.at + kept, in.at + i, (size_t)count * sizeof *in.at);
        kept += (size_t)count;
    }
    in.count = kept;
    return in;
}

/* ---- Clusters: what a reader takes for one character (UAX 29, extended grapheme clusters) ---- */

/* Hangul syllables are made of leading consonants, vowels (Kirat Rai's count as such) and trailing consonants. */
typedef enum HangulClass { HANGUL_NONE, HANGUL_L, HANGUL_V, HANGUL_T, HANGUL_LV, HANGUL_LVT } HangulClass;

static HangulClass hangul_class(uint32_t c)
{
    if (c >= 0x1100 && c <= 0x11ff) return c < 0x1160 ? HANGUL_L : c < 0x11a8 ? HANGUL_V : HANGUL_T;
    if (c >= 0xa960 && c <= 0xa97c) return HANGUL_L;
    if (c >= 0xac00 && c <= 0xd7a3) return (c - 0xac00) % 28 ? HANGUL_LVT : HANGUL_LV;
    if ((c >= 0xd7b0 && c <= 0xd7c6) || c == 0x16d63 || (c >= 0x16d67 && c <= 0x16d6a)) return HANGUL_V;
    return c >= 0xd7cb && c <= 0xd7fb ? HANGUL_T : HANGUL_NONE;
}

static bool hangul_joins(HangulClass left, HangulClass right)
{
    if (left == HANGUL_L) return right == HANGUL_L || right == HANGUL_V || right == HANGUL_LV || right == HANGUL_LVT;
    if (left == HANGUL_LV || left == HANGUL_V) return right == HANGUL_V || right == HANGUL_T;
    return (left == HANGUL_LVT || left == HANGUL_T) && right == HANGUL_T;
}

/* Where the cluster that begins at `at` ends. */
static size_t unicode_cluster_end(CodePoints codes, size_t at)
{
    uint32_t before = codes.at[at], bits = cluster_bits(before);
    bool picture = bits & CLUSTER_PICTURE;     /* a picture and what attaches to it */
    bool consonant = bits & CLUSTER_CONSONANT; /* a consonant and what stands inside conjuncts */
    bool linked = false, flag = before >= 0x1f1e6 && before <= 0x1f1ff;
    for (size_t i = at + 1; i < codes.count; i++) {
        const uint32_t c = codes.at[i], next = cluster_bits(c);
        const bool alone = bits & CLUSTER_STANDS_ALONE || before == '\r' || before == '\n' ||
                           next & CLUSTER_STANDS_ALONE || c == '\r' || c == '\n';
        const bool second = flag && c >= 0x1f1e6 && c <= 0x1f1ff; /* two letters make a flag */
        const bool joins = alone ? before == '\r' && c == '\n'
                                 : next & CLUSTER_ATTACHES || bits & CLUSTER_PREPENDS ||
                                       hangul_joins(hangul_class(before), hangul_class(c)) || second ||
                                       (picture && before == 0x200d && next & CLUSTER_PICTURE) ||
                                       (consonant && linked && next & CLUSTER_CONSONANT);
        if (!joins) return i;
        const bool attaches = next & CLUSTER_ATTACHES;
        picture = next & CLUSTER_PICTURE || (picture && attaches);
        linked = consonant && next & CLUSTER_INSIDE && (linked || next & CLUSTER_LINKER);
        consonant = next & CLUSTER_CONSONANT || (consonant && next & CLUSTER_INSIDE);
        flag = !second && c >= 0x1f1e6 && c <= 0x1f1ff;
        before = c;
        bits = next;
    }
    return codes.count;
}
