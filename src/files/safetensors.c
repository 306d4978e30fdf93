#include "files.h"

#include <stdlib.h>
#include <string.h>

enum { SAFETENSORS_MAX_HEADER = 100 << 20, SAFETENSORS_LIMIT_GB = 64 };

static const struct {
    const char *name;
    TensorType type;
    unsigned bytes;
} tensor_types[] = {
    {"F32", TENSOR_F32, 4},    {"F16", TENSOR_F16, 2},       {"BF16", TENSOR_BF16, 2},     {"F64", TENSOR_F64, 8},
    {"I64", TENSOR_OTHER, 8},  {"I32", TENSOR_OTHER, 4},     {"I16", TENSOR_OTHER, 2},     {"I8", TENSOR_OTHER, 1},
    {"U64", TENSOR_OTHER, 8},  {"U32", TENSOR_U32, 4},       {"U16", TENSOR_OTHER, 2},     {"U8", TENSOR_OTHER, 1},
    {"BOOL", TENSOR_OTHER, 1}, {"F8_E4M3", TENSOR_OTHER, 1}, {"F8_E5M2", TENSOR_OTHER, 1},
};

/* One entry of the header: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}. */
static bool tensor_parse(const json_t *entry, const char *what, Tensor *t, uint64_t data_bytes, Err *err)
{
    const char *shown = str_show(str(t->name)), *dtype = json_string_value(json_object_get(entry, "dtype"));
    const json_t *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");
    if (!dtype || !json_is_array(shape) || !json_is_array(offsets) || json_array_size(offsets) != 2)
        return fail(err, "%s: tensor \"%s\" lacks dtype, shape or data_offsets", what, shown);
    size_t kind = 0;
    while (kind < COUNT(tensor_types) && strcmp(tensor_types[kind].name, dtype) != 0) kind++;
    if (kind == COUNT(tensor_types))
        return fail(err, "%s: tensor \"%s\" has the unknown dtype \"%s\"", what, shown, str_show(str(dtype)));
    if (json_array_size(shape) > TENSOR_MAX_RANK)
        return fail(err, "%s: tensor \"%s\" has more than %d dimensions", what, shown, TENSOR_MAX_RANK);
    t->type = tensor_types[kind].type;
    t->rank = (int)json_array_size(shape);
    t->count = 1;
    for (int i = 0; i < t->rank; i++) {
        const json_t *size = json_array_get(shape, (size_t)i);
        if (!json_is_integer(size) || json_integer_value(size) < 0 ||
            __builtin_mul_overflow(t->count, (uint64_t)json_integer_value(size), &t->count) || t->count > INT64_MAX / 8)
            return fail(err, "%s: tensor \"%s\" has an impossible shape", what, shown);
        t->shape[i] = (uint64_t)json_integer_value(size);
    }
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (!json_is_integer(begin) || !json_is_integer(end) || json_integer_value(begin) < 0 ||
        json_integer_value(end) < json_integer_value(begin))
        return fail(err, "%s: tensor \"%s\" has impossible data_offsets", what, shown);
    t->begin = (uint64_t)json_integer_value(begin);
    t->end = (uint64_t)json_integer_value(end);
    if (t->end > data_bytes)
        return fail(err, "%s: tensor \"%s\" ends at byte %llu of %llu: the file is cut off, or its header lies", what,
                    shown, (unsigned long long)t->end, (unsigned long long)data_bytes);
    if (t->end - t->begin != t->count * tensor_types[kind].bytes)
        return fail(err, "%s: tensor \"%s\" has %llu bytes of data, but its shape asks for %llu", what, shown,
                    (unsigned long long)(t->end - t->begin), (unsigned long long)(t->count * tensor_types[kind].bytes));
    return true;
}

static int tensor_by_begin(const void *a, const void *b)
{
    const Tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}
static int tensor_by_name(const void *a, const void *b)
{
    return strcmp(((const Tensor *)a)->name, ((const Tensor *)b)->name);
}

/* data.at null: the data is elsewhere, and so many bytes. */
static bool safetensors_header(Arena *arena, const json_t *header, Safetensors *file, Str data, Err *err)
{
    const char *name, *what = file->path;
    json_t *entry;
    file->tensors = arena_new(arena, Tensor, json_object_size(header));
    json_object_foreach((json_t *)header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) continue;
        Tensor *t = &file->tensors[file->count++];
        t->name = arena_copy(arena, name, strlen(name));
        if (!tensor_parse(entry, what, t, data.size, err)) return false;
        if (data.at) t->data = (const uint8_t *)data.at + t->begin;
    }
    qsort(file->tensors, file->count, sizeof *file->tensors, tensor_by_begin);
    uint64_t at = 0;
    for (size_t i = 0; i < file->count; i++) {
        const Tensor *t = &file->tensors[i];
        if (t->begin != at)
            return fail(err, "%s: tensor \"%s\" %s; the file is damaged", what, str_show(str(t->name)),
                        t->begin < at ? "overlaps another" : "leaves a hole in front of it");
        at = t->end;
    }
    if (at != data.size)
        return fail(err, "%s: %llu bytes after the last tensor; the file is damaged", what,
                    (unsigned long long)(data.size - at));
    qsort(file->tensors, file->count, sizeof *file->tensors, tensor_by_name);
    return true;
}

bool safetensors_parse(Arena *arena, Str bytes, const char *what, Safetensors *out, Err *err)
{
    *out = (Safetensors){.path = what, .bytes = bytes};
    if (bytes.size < 8) return fail(err, "%s: %zu bytes are too few for a safetensors file", what, bytes.size);
    uint64_t size = 0;
    for (int i = 7; i >= 0; i--) size = size << 8 | (uint8_t)bytes.at[i];
    if (size > bytes.size - 8 || size > SAFETENSORS_MAX_HEADER)
        return fail(err, "%s: the header claims %llu bytes of a file of %zu: no safetensors file, or cut off", what,
                    (unsigned long long)size, bytes.size);
    const Str text = {bytes.at + 8, (size_t)size};
    json_t *header = NULL;
    if (!json_parse(text, what, &header, err)) return fail_within(err, "safetensors header");
    bool ok = json_is_object(header)
                  ? safetensors_header(arena, header, out, (Str){text.at + size, bytes.size - 8 - size}, err)
                  : fail(err, "%s: the header is not a JSON object", what);
    json_decref(header);
    return ok;
}

bool safetensors_open(Arena *arena, const char *path, Safetensors *out, Err *err)
{
    Str bytes;
    *out = (Safetensors){.path = path};
    if (str_ends(str(path), S(".zst")))
        return file_read(arena, path, (size_t)SAFETENSORS_LIMIT_GB << 30, &bytes, err) &&
               safetensors_parse(arena, bytes, path, out, err);
    if (!file_map(path, &bytes, err)) return false;
    void *map = (void *)(uintptr_t)bytes.at;
    if (!safetensors_parse(arena, bytes, path, out, err)) {
        file_unmap(bytes);
        *out = (Safetensors){.path = path};
        return false;
    }
    out->map = map;
    return true;
}

void safetensors_close(Safetensors *file)
{
    for (size_t i = 0; i < file->shard_count; i++) safetensors_close(&file->shards[i]);
    if (file->map) sys_unmap(file->map, file->bytes.size);
    *file = (Safetensors){0};
}

const Tensor *safetensors_find(const Safetensors *file, const char *name)
{
    const Tensor key = {.name = name};
    return file->count ? bsearch(&key, file->tensors, file->count, sizeof key, tensor_by_name) : NULL;
}

bool tensor_is_float(const Tensor *tensor) { return tensor->type <= TENSOR_F64; }

/* IEEE half to single. Denormal halves are built from their integer: no float on the way is denormal, because the
 * threads may flush those to zero. */
static float half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 0x3ff;
    const float small = (float)mantissa * 0x1p-24f;
    uint32_t bits, normal = (exponent + 112) << 23 | mantissa << 13;
    memcpy(&bits, &small, 4);
    bits = exponent == 0 ? bits : exponent == 31 ? 0x7f800000u | mantissa << 13 : normal;
    bits |= sign;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

void tensor_to_f32(const Tensor *tensor, float *out)
{
    const uint8_t *p = tensor->data;
    ASSERT(tensor_is_float(tensor));
    if (tensor->type == TENSOR_F32) {
        if (tensor->count) memcpy(out, p, tensor->count * 4);
    } else if (tensor->type == TENSOR_F64) {
        for (uint64_t i = 0; i < tensor->count; i++) {
            double wide;
            memcpy(&wide, p + 8 * i, sizeof wide);
            out[i] = (float)wide;
        }
    } else {
        for (uint64_t i = 0; i < tensor->count; i++) {
            const uint16_t bits = (uint16_t)(p[2 * i] | p[2 * i + 1] << 8);
            const uint32_t wide = (uint32_t)bits << 16;
            if (tensor->type == TENSOR_F16)
                out[i] = half_to_float(bits);
            else
                memcpy(&out[i], &wide, 4);
        }
    }
}
