#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#ifndef ARCHIVE_PIECE_BYTES /* the fuzzer has pieces so small that each file comes in several */
#define ARCHIVE_PIECE_BYTES (1 << 20)
#endif
enum { ARCHIVE_LEVEL = 1, ARCHIVE_MAX_HEADER = 64 << 20 };
static const uint64_t ARCHIVE_MAX_BYTES = (uint64_t)1 << 42;

/* ---- writing ---- */

typedef struct ArchiveWriter {
    Draft draft;
    ZSTD_CCtx *zstd;
    char *packed; /* [ARCHIVE_PIECE_BYTES] */
} ArchiveWriter;

static bool archive_pack(ArchiveWriter *w, Str bytes, bool last, Err *err)
{
    ZSTD_inBuffer in = {bytes.at, bytes.size, 0};
    for (bool done = false; !done;) {
        ZSTD_outBuffer out = {w->packed, ARCHIVE_PIECE_BYTES, 0};
        const size_t rest = ZSTD_compressStream2(w->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(rest)) return fail(err, "%s: zstd: %s", w->draft.path, ZSTD_getErrorName(rest));
        if (!draft_write(&w->draft, (Str){w->packed, out.pos}, err)) return false;
        done = last ? rest == 0 : in.pos == in.size;
    }
    return true;
}

static bool archive_write_tensors(Arena *arena, ArchiveWriter *w, const Tensor *tensors, size_t count,
                                  ArchiveMove *fill, void *context, Err *err)
{
    char *piece = arena_new(arena, char, ARCHIVE_PIECE_BYTES);
    for (size_t i = 0; i < count; i++) {
        const uint64_t bytes = tensors[i].count * TENSOR_WORD_BYTES;
        for (uint64_t at = 0, size; at < bytes; at += size) {
            size = bytes - at < ARCHIVE_PIECE_BYTES ? bytes - at : ARCHIVE_PIECE_BYTES;
            fill(context, &tensors[i], at, piece, size);
            if (!archive_pack(w, (Str){piece, size}, false, err)) return false;
        }
    }
    return archive_pack(w, (Str){piece, 0}, true, err);
}

bool archive_write(const char *path, json_t *metadata, const Tensor *tensors, size_t count, ArchiveMove *fill,
                   void *context, Err *err)
{
    Arena arena = {0};
    ArchiveWriter w = {.packed = arena_new(&arena, char, ARCHIVE_PIECE_BYTES)};
    const Str header = safetensors_header_text(&arena, metadata, tensors, count);
    uint64_t bytes = header.size;
    for (size_t i = 0; i < count; i++) bytes += tensors[i].count * TENSOR_WORD_BYTES;
    bool ok = draft_open(&w.draft, path, err);
    if (ok && !(w.zstd = ZSTD_createCCtx())) ok = fail(err, "%s: out of memory", path);
    if (ok) {
        ZSTD_CCtx_setParameter(w.zstd, ZSTD_c_compressionLevel, ARCHIVE_LEVEL);
        ZSTD_CCtx_setParameter(w.zstd, ZSTD_c_checksumFlag, 1);
        ZSTD_CCtx_setPledgedSrcSize(w.zstd, bytes);
        ok = archive_pack(&w, header, false, err) &&
             archive_write_tensors(&arena, &w, tensors, count, fill, context, err);
    }
    ok = draft_close(&w.draft, ok, err);
    ZSTD_freeCCtx(w.zstd);
    arena_free(&arena);
    return ok;
}

/* ---- reading ---- */

/* Calls take for every piece that the frame expands to; false when it is damaged, cut off, or not alone. */
typedef bool ArchiveTake(void *context, uint64_t at, Str piece, Err *err);
static bool archive_expand(Str packed, const char *what, ArchiveTake *take, void *context, Err *err)
{
    Arena arena = {0};
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    char *piece = arena_new(&arena, char, ARCHIVE_PIECE_BYTES);
    ZSTD_inBuffer in = {packed.at, packed.size, 0};
    uint64_t at = 0;
    size_t hint = 1;
    bool ok = zstd || fail(err, "%s: out of memory", what);
    while (ok && hint) {
        ZSTD_outBuffer out = {piece, ARCHIVE_PIECE_BYTES, 0};
        const size_t before = in.pos;
        hint = ZSTD_decompressStream(zstd, &out, &in);
        if (ZSTD_isError(hint))
            ok = fail(err, "%s: damaged zstd data: %s", what, ZSTD_getErrorName(hint));
        else if (hint && in.pos == before && out.pos == 0)
            ok = fail(err, "%s: the zstd data is cut off", what);
        else if (at + out.pos > ARCHIVE_MAX_BYTES)
            ok = fail(err, "%s: expands to more than %llu bytes", what, (unsigned long long)ARCHIVE_MAX_BYTES);
        ok = ok && take(context, at, (Str){piece, out.pos}, err);
        at += out.pos;
    }
    if (ok && in.pos != in.size) ok = fail(err, "%s: %zu bytes after the end", what, in.size - in.pos);
    ZSTD_freeDCtx(zstd);
    arena_free(&arena);
    return ok;
}

/* The header, as it comes out of the frame, and how much follows it. */
typedef struct ArchiveHeader {
    Arena *arena;
    const char *what;
    uint8_t size_bytes[8];
    uint64_t size, total;
    char *text;
} ArchiveHeader;

static bool archive_take_header(void *context, uint64_t at, Str piece, Err *err)
{
    ArchiveHeader *h = context;
    for (size_t i = 0; i < piece.size && at + i < 8; i++) {
        h->size_bytes[at + i] = (uint8_t)piece.at[i];
        h->size |= (uint64_t)h->size_bytes[at + i] << 8 * (at + i);
    }
    h->total = at + piece.size;
    if (h->total < 8) return true;
    if (h->size > ARCHIVE_MAX_HEADER)
        return fail(err, "%s: the header claims %llu bytes", h->what, (unsigned long long)h->size);
    if (!h->text) h->text = arena_new(h->arena, char, h->size + 1);
    const uint64_t from = at < 8 ? 8 : at, to = h->total < 8 + h->size ? h->total : 8 + h->size;
    if (from < to) memcpy(h->text + (from - 8), piece.at + (from - at), to - from);
    return true;
}

bool archive_parse(Arena *arena, Str packed, const char *what, Archive *out, Err *err)
{
    ArchiveHeader h = {.arena = arena, .what = what};
    json_t *header = NULL;
    *out = (Archive){.file = {.path = what}, .packed = packed};
    if (!archive_expand(packed, what, archive_take_header, &h, err)) return false;
    if (h.total < 8 || h.size > h.total - 8) return fail(err, "%s: the header is cut off", what);
    if (!json_parse_object((Str){h.text, h.size}, what, &header, err)) return false;
    bool ok = safetensors_header(arena, header, &out->file, (Str){NULL, h.total - 8 - h.size}, err);
    out->metadata = json_incref(json_object_get(header, "__metadata__"));
    json_decref(header);
    if (ok && !json_is_object(out->metadata)) ok = fail(err, "%s: its header has no __metadata__", what);
    if (ok) {
        Tensor *in_order = arena_new(arena, Tensor, out->file.count);
        if (out->file.count) memcpy(in_order, out->file.tensors, out->file.count * sizeof *in_order);
        if (out->file.count) qsort(in_order, out->file.count, sizeof *in_order, tensor_by_begin);
        out->in_order = in_order;
        out->data_at = 8 + h.size;
    } else {
        archive_close(out);
    }
    return ok;
}

bool archive_open(Arena *arena, const char *path, Archive *out, Err *err)
{
    Str packed;
    *out = (Archive){0};
    if (!file_map(path, &packed, err)) return false;
    const bool ok = archive_parse(arena, packed, path, out, err);
    if (ok)
        out->file.map = (void *)(uintptr_t)packed.at;
    else
        file_unmap(packed);
    return ok;
}

typedef struct ArchiveReader {
    const Archive *archive;
    ArchiveMove *take;
    void *context;
    size_t tensor; /* the next one */
} ArchiveReader;

static bool archive_take_data(void *context, uint64_t at, Str piece, Err *err)
{
    ArchiveReader *r = context;
    (void)err;
    for (; r->tensor < r->archive->file.count; r->tensor++) {
        const Tensor *t = &r->archive->in_order[r->tensor];
        const uint64_t begin = r->archive->data_at + t->begin, end = r->archive->data_at + t->end;
        const uint64_t from = at > begin ? at : begin, to = at + piece.size < end ? at + piece.size : end;
        if (from < to) r->take(r->context, t, from - begin, (char *)(uintptr_t)piece.at + (from - at), to - from);
        if (end > at + piece.size) break;
    }
    return true;
}

bool archive_read(const Archive *archive, ArchiveMove *take, void *context, Err *err)
{
    ArchiveReader r = {.archive = archive, .take = take, .context = context};
    return archive_expand(archive->packed, archive->file.path, archive_take_data, &r, err);
}

void archive_close(Archive *archive)
{
    json_decref(archive->metadata);
    if (archive->file.map) sys_unmap(archive->file.map, archive->packed.size);
    *archive = (Archive){0};
}
