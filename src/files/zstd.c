#include "files.h"

#include <string.h>
#include <zstd.h>

bool zstd_expand(Arena *arena, Str compressed, size_t limit_bytes, const char *what, Str *out, Err *err)
{
    enum { FIRST_BYTES = 1 << 16 };
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (!stream) return fail(err, "%s: out of memory", what);
    /* A frame may state its size: a good first guess, but never trusted beyond the limit and what data can make. */
    unsigned long long stated = ZSTD_getFrameContentSize(compressed.at, compressed.size);
    size_t capacity = FIRST_BYTES;
    if (stated < limit_bytes && stated / 10000 < compressed.size) capacity = (size_t)stated + 1;
    char *at = arena_alloc(arena, capacity + 1, 1);
    ZSTD_inBuffer in = {compressed.at, compressed.size, 0};
    size_t used = 0, hint = 0;
    bool ok = true;
    while (ok) {
        if (used == capacity) {
            size_t more = capacity < limit_bytes / 2 ? capacity * 2 : limit_bytes + 1;
            char *larger = arena_alloc(arena, more + 1, 1);
            memcpy(larger, at, used);
            at = larger;
            capacity = more;
        }
        ZSTD_outBuffer to = {at, capacity, used};
        size_t before = in.pos;
        hint = ZSTD_decompressStream(stream, &to, &in);
        bool moved = to.pos > used || in.pos > before;
        used = to.pos;
        if (ZSTD_isError(hint))
            ok = fail(err, "%s: damaged zstd data: %s", what, ZSTD_getErrorName(hint));
        else if (used > limit_bytes)
            ok = fail(err, "%s: expands to more than %zu bytes", what, limit_bytes);
        else if ((in.pos == in.size && (hint == 0 || used < capacity)) || (!moved && used < capacity))
            break;
    }
    if (ok && (hint != 0 || compressed.size == 0)) ok = fail(err, "%s: the zstd data is cut off", what);
    ZSTD_freeDStream(stream);
    if (!ok) return false;
    at[used] = 0;
    *out = (Str){at, used};
    return true;
}
