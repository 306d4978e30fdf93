/* pack IN.safetensors OUT: the encoder's tensors as F16, for embedding. Part of the build, not of lethe. */
#include "../src/base/base.h"
#include "../src/base/base.c"
#include "../src/files/files.h"
#include "../src/files/files.c"

/* Rounds to nearest, ties to even; values beyond F16's range become infinite and fail the check behind. */
static uint16_t half_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const uint32_t sign = bits >> 16 & 0x8000;
    bits &= 0x7fffffff;
    if (bits >= 0x47800000) return (uint16_t)(sign | 0x7c00);
    if (bits < 0x38800000) { /* below the smallest normal half: a multiple of 2^-24 */
        float size;
        memcpy(&size, &bits, 4);
        return (uint16_t)(sign | (uint32_t)lrintf(size * 0x1p24f));
    }
    bits += 0xfff + (bits >> 13 & 1);
    return (uint16_t)(sign | (bits - 0x38000000) >> 13);
}

static bool pack(const char *in, const char *out, Err *err)
{
    Arena arena = {0};
    Safetensors file;
    if (!safetensors_open(&arena, in, &file, err)) return false;
    json_t *header = json_object();
    size_t total = 0;
    for (size_t i = 0; i < file.count; i++) total += file.tensors[i].count * 2;
    char *data = arena_alloc(&arena, total, 1), *at = data;
    for (size_t i = 0; i < file.count; i++) {
        const Tensor *t = &file.tensors[i];
        if (!tensor_is_float(t)) continue; /* position_ids */
        float *values = arena_new(&arena, float, t->count);
        tensor_to_f32(t, values);
        json_t *shape = json_array();
        for (int d = 0; d < t->rank; d++) json_array_append_new(shape, json_integer((json_int_t)t->shape[d]));
        const size_t begin = (size_t)(at - data);
        for (uint64_t k = 0; k < t->count; k++, at += 2) {
            const uint16_t half = half_from_float(values[k]);
            if ((half & 0x7c00) == 0x7c00) return fail(err, "%s: a value of %s does not fit into F16", in, t->name);
            at[0] = (char)half;
            at[1] = (char)(half >> 8);
        }
        json_object_set_new(header, t->name, json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F16", "shape", shape, "data_offsets",
                                                       (json_int_t)begin, (json_int_t)(at - data)));
    }
    char *text = json_dumps(header, JSON_COMPACT);
    const size_t size = (strlen(text) + 7) & ~(size_t)7;
    char *all = arena_alloc(&arena, 8 + size + (size_t)(at - data), 1);
    for (int i = 0; i < 8; i++) all[i] = (char)(size >> 8 * i);
    memset(all + 8, ' ', size);
    memcpy(all + 8, text, strlen(text));
    memcpy(all + 8 + size, data, (size_t)(at - data));
    return file_write(out, (Str){all, 8 + size + (size_t)(at - data)}, err);
}

int main(int argc, char **argv)
{
    Err err = {0};
    if (argc != 3) return EXIT_USAGE;
    if (!pack(argv[1], argv[2], &err)) fprintf(stderr, "pack: %s\n", err.text);
    return err.code;
}
