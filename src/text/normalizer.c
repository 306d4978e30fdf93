#include "text.h"

#include <string.h>

/* What becomes of a text before it is split: steps on its code points, each as the tokenizers library's normalizer of
 * that name. */

typedef enum NormalKind {
    NORMAL_CLEAN,      /* drop control characters and U+FFFD, white space becomes ' ' */
    NORMAL_IDEOGRAPHS, /* spaces around each */
    NORMAL_NFD,
    NORMAL_NFKD,
    NORMAL_NFC,
    NORMAL_NFKC,
    NORMAL_ACCENTS, /* drop non-spacing marks */
    NORMAL_MARKS,   /* drop marks of all kinds */
    NORMAL_LOWER,
    NORMAL_NMT,     /* drop control characters, kinds of space become ' ' (SentencePiece's nmt) */
    NORMAL_REPLACE, /* `from` becomes `to` everywhere */
    NORMAL_RUNS,    /* two or more of `from`, one character, become `to` */
    NORMAL_SPACES,  /* two or more of white space, or one tab or end of a line, become `to` */
    NORMAL_STRIP,   /* white space at the ends */
    NORMAL_PREPEND, /* `to` before a text that is not empty */
    NORMAL_MAP,     /* clusters of up to five bytes, and single characters, by a map (SentencePiece's Precompiled) */
} NormalKind;

/* SentencePiece's character map: a trie of byte strings as a double array (Yata, darts-clone), whose values are places
 * in a text of replacements, each up to a byte 0. */
typedef struct CharMap {
    const uint32_t *units;
    size_t count;
    Str texts; /* valid UTF-8 */
} CharMap;

typedef struct NormalStep {
    NormalKind kind;
    Str from, to;
    bool left, right; /* of NORMAL_STRIP: which ends */
    CharMap map;
} NormalStep;

enum { NORMALIZER_MAX_STEPS = 24 };

typedef struct Normalizer {
    NormalStep steps[NORMALIZER_MAX_STEPS];
    uint32_t step_count;
} Normalizer;

/* ---- Character maps ---- */

/* The replacement of the shortest beginning of `key` that the map has: false when it has none. */
static bool charmap_find(const CharMap *map, Str key, Str *out)
{
    size_t at = 0;
    uint32_t unit = map->units[0];
    for (size_t i = 0; i <= key.size; i++) {
        at ^= (size_t)(unit >> 10) << ((unit & 1 << 9) >> 6);
        if (at >= map->count) return false;
        if (i && unit >> 8 & 1) {
            const size_t start = map->units[at] & 0x7fffffff;
            if (start > map->texts.size || (start < map->texts.size && utf8_continues(map->texts.at[start])))
                return false;
            const char *from = map->texts.at + start, *end = memchr(from, 0, map->texts.size - start);
            *out = (Str){from, end ? (size_t)(end - from) : map->texts.size - start};
            return true;
        }
        if (i == key.size || !key.at[i]) return false;
        at ^= (uint8_t)key.at[i];
        if (at >= map->count) return false;
        unit = map->units[at];
        if ((unit & (1U << 31 | 0xff)) != (uint8_t)key.at[i]) return false;
    }
    return false;
}

/* The bytes of a map: the size of the double array, the array, the texts. */
static bool charmap_read(Arena *arena, Str bytes, const char *what, CharMap *out, Err *err)
{
    const uint8_t *b = (const uint8_t *)bytes.at;
    const size_t size = bytes.size < 4 ? 0 : b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
    if (bytes.size < 8 || size < 4 || size % 4 || size > bytes.size - 4)
        return fail(err, "%s: normalizer: \"precompiled_charsmap\" is damaged", what);
    uint32_t *units = arena_new(arena, uint32_t, size / 4);
    for (size_t i = 0; i < size / 4; i++)
        units[i] =
            b[4 + 4 * i] | (uint32_t)b[5 + 4 * i] << 8 | (uint32_t)b[6 + 4 * i] << 16 | (uint32_t)b[7 + 4 * i] << 24;
    *out = (CharMap){
        units, size / 4, {arena_copy(arena, bytes.at + 4 + size, bytes.size - 4 - size), bytes.size - 4 - size}};
    return !unicode_count_errors(out->texts) ||
           fail(err, "%s: normalizer: the texts of \"precompiled_charsmap\" are not valid UTF-8", what);
}

enum { CHARMAP_CLUSTER_BYTES = 6 }; /* clusters below this are looked up whole, though their beginning may be found */

static CodePoints charmap_apply(Arena *scratch, const CharMap *map, CodePoints in)
{
    CodePoints out = {arena_new(scratch, uint32_t, in.count), 0, in.count};
    for (size_t i = 0, end; i < in.count; i = end) {
        char bytes[8];
        Str cluster = {bytes, 0}, to;
        size_t last = i;
        end = unicode_cluster_end(in, i);
        for (; last < end && cluster.size < CHARMAP_CLUSTER_BYTES; last++) {
            char one[4];
            const size_t size = unicode_encode(in.at[last], one);
            if (cluster.size + size >= CHARMAP_CLUSTER_BYTES) break;
            memcpy(bytes + cluster.size, one, size);
            cluster.size += size;
        }
        const bool whole = last == end && charmap_find(map, cluster, &to);
        if (whole)
            for (size_t k = 0; k < to.size;) *dyn_push(scratch, &out) = unicode_next(to, &k);
        for (size_t k = i; k < end && !whole; k++) {
            const Str one = {bytes, unicode_encode(in.at[k], bytes)};
            if (!charmap_find(map, one, &to))
                *dyn_push(scratch, &out) = in.at[k];
            else
                for (size_t m = 0; m < to.size;) *dyn_push(scratch, &out) = unicode_next(to, &m);
        }
    }
    return out;
}

/* ---- Steps on single code points ---- */

/* SentencePiece's own list. 0: dropped. */
static uint32_t normal_nmt(uint32_t c)
{
    if ((c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f) return 0;
    const bool space = c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == 0x1680 ||
                       (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff ||
                       c == UNICODE_REPLACEMENT;
    return space ? ' ' : c;
}

static void normal_one(Arena *scratch, NormalKind kind, uint32_t c, CodePoints *out)
{
    uint32_t lower[2];
    switch (kind) {
    case NORMAL_CLEAN:
        if (c == '\t' || c == '\n' || c == '\r') c = ' ';
        if (c == UNICODE_REPLACEMENT || (unicode_bits(c) & UNICODE_CONTROL)) return;
        *dyn_push(scratch, out) = unicode_is_space(c) ? ' ' : c;
        return;
    case NORMAL_IDEOGRAPHS:
        if (unicode_is_ideograph(c)) *dyn_push(scratch, out) = ' ';
        *dyn_push(scratch, out) = c;
        if (unicode_is_ideograph(c)) *dyn_push(scratch, out) = ' ';
        return;
    case NORMAL_ACCENTS:
    case NORMAL_MARKS:
        if (!(unicode_bits(c) & (kind == NORMAL_ACCENTS ? UNICODE_ACCENT : UNICODE_MARK))) *dyn_push(scratch, out) = c;
        return;
    case NORMAL_LOWER:
        for (size_t k = 0, n = unicode_lower(c, lower); k < n; k++) *dyn_push(scratch, out) = lower[k];
        return;
    case NORMAL_NMT:
        if (!c || normal_nmt(c)) *dyn_push(scratch, out) = normal_nmt(c);
        return;
    default: ASSERT(!"a step on single code points");
    }
}

/* ---- Steps on the whole ---- */

static bool codes_begin(CodePoints in, size_t at, CodePoints with)
{
    return with.count <= in.count - at && memcmp(in.at + at, with.at, with.count * sizeof *in.at) == 0;
}

static CodePoints normal_replace(Arena *scratch, const NormalStep *step, CodePoints in)
{
    const CodePoints from = unicode_decode(scratch, step->from), to = unicode_decode(scratch, step->to);
    const size_t least = step->kind == NORMAL_RUNS ? 2 : 1;
    CodePoints out = {0};
    if (!from.count) return in;
    for (size_t i = 0; i < in.count;) {
        size_t end = i, times = 0;
        while ((times < least || least == 2) && end < in.count && codes_begin(in, end, from))
            end += from.count, times++;
        if (times < least) {
            *dyn_push(scratch, &out) = in.at[i++];
            continue;
        }
        for (size_t k = 0; k < to.count; k++) *dyn_push(scratch, &out) = to.at[k];
        i = end;
    }
    return out;
}

static CodePoints normal_spaces(Arena *scratch, const NormalStep *step, CodePoints in)
{
    const CodePoints to = unicode_decode(scratch, step->to);
    CodePoints out = {0};
    for (size_t i = 0, end; i < in.count; i = end) {
        const uint32_t c = in.at[i];
        for (end = i; end < in.count && unicode_is_space(in.at[end]);) end++;
        const bool matches = end - i >= 2 || c == '\n' || c == '\r' || c == '\t';
        if (end == i) end++;
        if (!matches) *dyn_push(scratch, &out) = c;
        for (size_t k = 0; k < to.count && matches; k++) *dyn_push(scratch, &out) = to.at[k];
    }
    return out;
}

static CodePoints normal_step(Arena *scratch, const NormalStep *step, CodePoints in)
{
    CodePoints out = {0};
    switch (step->kind) {
    case NORMAL_NFD: return unicode_decompose(scratch, in, false);
    case NORMAL_NFKD: return unicode_decompose(scratch, in, true);
    case NORMAL_NFC: return unicode_compose(unicode_decompose(scratch, in, false));
    case NORMAL_NFKC: return unicode_compose(unicode_decompose(scratch, in, true));
    case NORMAL_MAP: return charmap_apply(scratch, &step->map, in);
    case NORMAL_REPLACE:
    case NORMAL_RUNS: return normal_replace(scratch, step, in);
    case NORMAL_SPACES: return normal_spaces(scratch, step, in);
    case NORMAL_STRIP:
        while (step->right && in.count && unicode_is_space(in.at[in.count - 1])) in.count--;
        while (step->left && in.count && unicode_is_space(in.at[0])) in.at++, in.count--;
        return in;
    case NORMAL_PREPEND:
        if (in.count) out = unicode_decode(scratch, step->to);
        for (size_t i = 0; i < in.count; i++) *dyn_push(scratch, &out) = in.at[i];
        return out;
    default:
        for (size_t i = 0; i < in.count; i++) normal_one(scratch, step->kind, in.at[i], &out);
        return out;
    }
}

static Str normalize(const Normalizer *normalizer, Arena *scratch, Str text)
{
    if (!normalizer->step_count) return text;
    CodePoints codes = unicode_decode(scratch, text);
    for (uint32_t i = 0; i < normalizer->step_count; i++) codes = normal_step(scratch, &normalizer->steps[i], codes);
    return unicode_encode_all(scratch, codes);
}

/* Whether the steps may drop what a text begins with. */
static bool normalizer_drops(const Normalizer *normalizer)
{
    for (uint32_t i = 0; i < normalizer->step_count; i++) switch (normalizer->steps[i].kind) {
        case NORMAL_CLEAN:
        case NORMAL_ACCENTS:
        case NORMAL_MARKS:
        case NORMAL_NMT:
        case NORMAL_STRIP:
        case NORMAL_MAP: return true;
        case NORMAL_REPLACE:
            if (!normalizer->steps[i].to.size) return true;
            break;
        default: break;
        }
    return false;
}
