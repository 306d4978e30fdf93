#include "files.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats go to the file as they lie in memory");

/* The header, padded with spaces so that the data after it is aligned to 8 bytes. Takes over the reference to
 * `metadata`, an object of texts. */
static Str safetensors_header_text(Arena *arena, json_t *metadata, const Tensor *tensors, size_t count)
{
    json_t *header = json_pack("{s:o}", "__metadata__", metadata);
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        json_t *shape = json_array();
        for (int d = 0; d < tensors[i].rank; d++)
            json_array_append_new(shape, json_integer((json_int_t)tensors[i].shape[d]));
        const uint64_t end = at + tensors[i].count * TENSOR_WORD_BYTES;
        ASSERT(!json_object_get(header, tensors[i].name));
        json_object_set_new(header, tensors[i].name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensors[i].type == TENSOR_U32 ? "U32" : "F32",
                                      "shape", shape, "data_offsets", (json_int_t)at, (json_int_t)end));
        at = end;
    }
    char *text = json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(header);
    ASSERT(text);
    const size_t size = strlen(text), padded = ceil_div(size, 8) * 8;
    char *bytes = arena_new(arena, char, 8 + padded);
    for (int i = 0; i < 8; i++) bytes[i] = (char)((uint64_t)padded >> 8 * i);
    memset(bytes + 8, ' ', padded);
    memcpy(bytes + 8, text, size);
    free(text);
    return (Str){bytes, 8 + padded};
}

bool safetensors_write(const char *path, const Tensor *tensors, size_t count, Err *err)
{
    Arena arena = {0};
    Str *parts = arena_new(&arena, Str, count + 1);
    parts[0] = safetensors_header_text(&arena, json_pack("{s:s}", "format", "pt"), tensors, count);
    for (size_t i = 0; i < count; i++)
        parts[i + 1] = (Str){(const char *)tensors[i].data, tensors[i].count * TENSOR_WORD_BYTES};
    const bool ok = file_write_parts(path, parts, count + 1, err);
    arena_free(&arena);
    return ok;
}
