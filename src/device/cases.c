/* Arguments for every op at many odd sizes, empty ones included, with guards around every buffer: what the self-test
 * and the tests run the ops on; and, from variant DEVICE_PERF on, at the sizes of training, for lethe bench ops. */
#include "device.h"

#include <math.h>
#include <string.h>

/* About N(0, 1), and cheap: the sum of the four bytes of a hash. */
static f32 device_number(uint64_t stream, uint64_t index)
{
    uint64_t x = (stream << 40 | index) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
    x ^= x >> 32;
    return (f32)((x & 255) + (x >> 8 & 255) + (x >> 16 & 255) + (x >> 24 & 255) + 0.5 - 510) / 148;
}

/* ---- A case: one op's arguments with guarded buffers, filled from a seed ---- */

enum { DEVICE_GUARD = 64, DEVICE_BUFFERS = 16 };
#define DEVICE_GUARD_VALUE 12345.678f

typedef struct DeviceCase {
    Arena arena;
    Op op;
    union {
#define X(op) struct op##_args op;
        OPS(X)
#undef X
    } args;
    struct {
        f32 *at, *before; /* before: a copy, for what is only read */
        size_t count;
        bool written, read; /* both: changed in place */
        bool whole;         /* whole numbers */
    } buffers[DEVICE_BUFFERS];
    int count;
} DeviceCase;

static f32 *device_case_buffer(DeviceCase *c, size_t count, bool written)
{
    ASSERT(c->count < DEVICE_BUFFERS);
    f32 *all = arena_new(&c->arena, f32, count + 2 * DEVICE_GUARD), *at = all + DEVICE_GUARD;
    for (size_t i = 0; i < DEVICE_GUARD; i++) all[i] = at[count + i] = DEVICE_GUARD_VALUE;
    for (size_t i = 0; i < count; i++) at[i] = device_number((uint64_t)c->op * DEVICE_BUFFERS + (uint64_t)c->count, i);
    c->buffers[c->count].at = at;
    c->buffers[c->count].before = arena_new(&c->arena, f32, count);
    c->buffers[c->count].count = count;
    c->buffers[c->count].written = written;
    c->buffers[c->count].read = !written;
    c->count++;
    return at;
}

static f32 *device_case_in(DeviceCase *c, size_t count) { return device_case_buffer(c, count, false); }
static f32 *device_case_out(DeviceCase *c, size_t count) { return device_case_buffer(c, count, true); }
static f32 *device_case_io(DeviceCase *c, size_t count)
{
    f32 *at = device_case_buffer(c, count, true);
    c->buffers[c->count - 1].read = true;
    return at;
}

static u32 *device_case_whole(DeviceCase *c, size_t count, bool written)
{
    f32 *at = device_case_buffer(c, count, written);
    c->buffers[c->count - 1].whole = true;
    return (u32 *)at;
}

/* Whole numbers below `limit`; `distinct`: a shuffled run of different ones. */
static u32 *device_case_indices(DeviceCase *c, size_t count, u32 limit, bool distinct)
{
    u32 *at = device_case_whole(c, count, false);
    u32 *order = arena_new(&c->arena, u32, limit);
    random_permutation(3, limit, order);
    for (size_t i = 0; i < count; i++) at[i] = distinct ? order[i] : order[(i * i) % limit];
    return at;
}

static void device_case_remember(DeviceCase *c)
{
    for (int b = 0; b < c->count; b++)
        if (c->buffers[b].count) memcpy(c->buffers[b].before, c->buffers[b].at, c->buffers[b].count * sizeof(f32));
}

/* What an op did to memory that is not its own; NULL when all is well. Static text. */
static const char *device_case_damage(const DeviceCase *c)
{
    for (int b = 0; b < c->count; b++) {
        const f32 *at = c->buffers[b].at;
        const size_t count = c->buffers[b].count;
        for (size_t i = 0; i < DEVICE_GUARD; i++)
            if (at[-1 - (long)i] != DEVICE_GUARD_VALUE || at[count + i] != DEVICE_GUARD_VALUE)
                return "it wrote outside of its buffers";
        if (!c->buffers[b].written && count && memcmp(at, c->buffers[b].before, count * sizeof(f32)) != 0)
            return "it changed an input";
    }
    return NULL;
}

/* The worst normalised mean squared error of a buffer: sum of (expected - got)^2 / sum of expected^2. */
static double device_case_difference(const DeviceCase *expected, const DeviceCase *got)
{
    double worst = 0;
    for (int b = 0; b < expected->count; b++) {
        const f32 *x = expected->buffers[b].at, *y = got->buffers[b].at;
        const size_t count = expected->buffers[b].count;
        if (count == 0 || memcmp(x, y, count * sizeof *x) == 0) continue;
        double error = 0, power = 0;
        for (size_t i = 0; i < count; i++) {
            if (memcmp(&x[i], &y[i], sizeof *x) == 0) continue; /* NOLINT: whole numbers may look like NaN */
            error += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
            power += (double)x[i] * x[i];
        }
        if (!(error / power <= worst)) worst = error / power;
    }
    return worst;
}

/* ---- The cases of each op. Each builder takes a variant from 0 and returns false behind the last one. ---- */

static const u32 device_lengths[] = {0, 1, 3, 7, 15, 16, 17, 33, 65, 127, 129, 16384, 50001};
static const u32 device_shapes[][2] = {{0, 5},    {5, 0},   {1, 1},     {7, 3},    {33, 65},
                                       {3, 384},  {65, 33}, {129, 127}, {2, 1000}, {300, 96},
                                       {40, 768}, {1, 4},   {2, 5000},  {3, 4099}}; /* longer than a row in registers */

/* A multiple of all that builders divide a variant by, so that DEVICE_PERF + v has the flags of variant v; what is left
 * after the division is far above all other variants. */
enum { DEVICE_PERF = 720720, DEVICE_PERF_LEAST = DEVICE_PERF / 16 };

static bool device_case_length(int variant, u32 *n)
{
    *n = 32000000; /* more than any cache holds, and so are the rows below */
    if (variant >= DEVICE_PERF_LEAST) return true;
    if (variant >= (int)COUNT(device_lengths)) return false;
    *n = device_lengths[variant];
    return true;
}

static bool device_case_shape(int variant, u32 *rows, u32 *cols)
{
    *rows = 16384, *cols = 768;
    if (variant >= DEVICE_PERF_LEAST) return true;
    if (variant >= (int)COUNT(device_shapes)) return false;
    *rows = device_shapes[variant][0], *cols = device_shapes[variant][1];
    return true;
}

#include "cases_model.c"
#include "cases_training.c"

static bool (*const device_case_builders[OP_COUNT])(DeviceCase *c, int variant) = {
#define X(op) [OP_##op] = device_case_##op,
    OPS(X)
#undef X
};

static bool device_case_build(DeviceCase *c, Op op, int variant)
{
    *c = (DeviceCase){.op = op};
    const bool exists = device_case_builders[op](c, variant);
    if (!exists) arena_free(&c->arena);
    return exists;
}

/* ---- A case on a device ---- */

/* A case's buffers in a device's memory, and its arguments, in which whatever points into a buffer points there. */
typedef struct DeviceCaseCopy {
    DeviceArena memory;
    char *buffers[DEVICE_BUFFERS]; /* with their guards */
    _Alignas(8) char args[sizeof((DeviceCase *)0)->args];
} DeviceCaseCopy;

/* shift: of all addresses, in floats: 1 takes them away from multiples of 16 bytes. */
static void device_case_upload(Device *device, const DeviceCase *c, size_t shift, DeviceCaseCopy *copy)
{
    copy->memory = (DeviceArena){.device = device};
    for (int b = 0; b < c->count; b++) {
        const size_t count = c->buffers[b].count + 2 * DEVICE_GUARD;
        copy->buffers[b] = c->buffers[b].whole ? (char *)(device_u32(&copy->memory, count + shift) + shift)
                                               : (char *)(device_f32(&copy->memory, count + shift) + shift);
        device_write(device, copy->buffers[b], c->buffers[b].at - DEVICE_GUARD, count * sizeof(f32));
    }
    memcpy(copy->args, &c->args, sizeof copy->args);
    for (size_t at = 0; at + sizeof(char *) <= sizeof copy->args; at += sizeof(char *)) {
        char *pointer;
        memcpy(&pointer, copy->args + at, sizeof pointer);
        for (int b = 0; b < c->count; b++) {
            char *begin = (char *)(c->buffers[b].at - DEVICE_GUARD);
            if (pointer < begin || pointer > (char *)(c->buffers[b].at + c->buffers[b].count)) continue;
            pointer = copy->buffers[b] + (pointer - begin);
            memcpy(copy->args + at, &pointer, sizeof pointer);
            break;
        }
    }
}

static void device_case_run(Device *device, DeviceCase *c, size_t shift)
{
    DeviceCaseCopy copy;
    device_case_upload(device, c, shift, &copy);
    device_run(device, c->op, copy.args);
    for (int b = 0; b < c->count; b++)
        device_read(device, c->buffers[b].at - DEVICE_GUARD, copy.buffers[b],
                    (c->buffers[b].count + 2 * DEVICE_GUARD) * sizeof(f32));
    device_arena_free(&copy.memory);
}

/* Runs a case on the device and with the plain version; *nmse is the worst difference. *exists is false behind the last
 * variant. Fails when the device does, when memory is damaged, and when nmse is above 1e-9. */
static bool device_case_compare(Device *device, Op op, int variant, bool *exists, double *nmse, Err *err)
{
    DeviceCase expected, got;
    *nmse = 0;
    *exists = device_case_build(&expected, op, variant);
    if (!*exists) return true;
    plain_ops[op](&expected.args);
    device_case_build(&got, op, variant);
    device_case_remember(&got);
    device_case_run(device, &got, variant % 4 == 3);
    bool ok = device_ok(device, err);
    const char *damage = ok ? device_case_damage(&got) : NULL;
    if (damage)
        ok = fail(err, "%s: the op %s (case %d) is wrong: %s; this driver cannot be trusted, use --device cpu",
                  device->name, op_names[op], variant, damage);
    if (ok) *nmse = device_case_difference(&expected, &got);
    if (ok && !(*nmse <= 1e-9))
        ok = fail(err,
                  "%s: the op %s (case %d) is wrong: normalised mean squared error %.2g; this driver cannot be "
                  "trusted, use --device cpu",
                  device->name, op_names[op], variant, *nmse);
    arena_free(&got.arena);
    arena_free(&expected.arena);
    return ok;
}

/* At least one case of each file of shaders: a driver that computes nonsense is found before it trains a model. */
static const struct {
    Op op;
    int variant;
} device_quick_cases[] = {
    {OP_gemm, 82},          {OP_gemm, 81},           {OP_gemm, 112},       {OP_gelu, 14},
    {OP_layernorm, 14},     {OP_layernorm_dx, 14},   {OP_layernorm_dw, 4}, {OP_attention, 2},
    {OP_attention_grad, 2}, {OP_embed, 8},           {OP_embed_grad, 4},   {OP_cross_entropy, 5},
    {OP_dot, 12},           {OP_clip, 10},           {OP_lora_down, 13},   {OP_lora_dw, 13},
    {OP_adamw, 6},          {OP_gemm_importance, 1}, {OP_wake_rows, 18},
};

static bool device_quick_check(Device *device, Err *err)
{
    double nmse;
    bool exists, ok = true;
    for (size_t i = 0; i < COUNT(device_quick_cases) && ok; i++) {
        ok = device_case_compare(device, device_quick_cases[i].op, device_quick_cases[i].variant, &exists, &nmse, err);
        ASSERT(exists);
    }
    return ok;
}
