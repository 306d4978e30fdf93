/* Test cases: arguments for every op at many odd sizes, empty ones included, with guards around every buffer. The
 * self-test, the tests and `lethe bench ops` run the ops on them.
 *
 * To add the cases of an op (cases_model.c: what a model is made of, cases_attention.c: attention; cases_training.c: the
 * rest):
 *  1. make_NAME fills the op's struct: numbers as they are given, buffers from case_floats, case_words, case_indices.
 *     Which of them the op may write to follows from ops.h.
 *  2. tested_NAME lists what every engine is compared on: CASE(NAME, what make_NAME is given), in loops.
 *  3. timed_cases in perf.c lists the sizes of training.
 *  4. quick_cases in selftest.c, when no other op of its shader's file stands there.
 * A case needs no name: op_text prints its op and all its numbers; make_NAME adds a note where these are not all. */
#include "selftest.h"

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
        bool read, written; /* by the op: both where it works in place */
        bool whole;         /* whole numbers */
    } buffers[DEVICE_BUFFERS];
    int count;
    const char *note; /* what its arguments do not say; NULL: nothing */
    unsigned shift;   /* of all addresses on the device, in floats: 1 takes them away from multiples of 16 bytes */
} DeviceCase;

static f32 *case_floats(DeviceCase *c, size_t count)
{
    ASSERT(c->count < DEVICE_BUFFERS);
    f32 *all = arena_new(&c->arena, f32, count + 2 * DEVICE_GUARD), *at = all + DEVICE_GUARD;
    for (size_t i = 0; i < DEVICE_GUARD; i++) all[i] = at[count + i] = DEVICE_GUARD_VALUE;
    for (size_t i = 0; i < count; i++) at[i] = device_number((uint64_t)c->op * DEVICE_BUFFERS + (uint64_t)c->count, i);
    c->buffers[c->count].at = at;
    c->buffers[c->count].before = arena_new(&c->arena, f32, count);
    c->buffers[c->count].count = count;
    c->count++;
    return at;
}

static u32 *case_words(DeviceCase *c, size_t count) { return (u32 *)case_floats(c, count); }

/* Whole numbers below `limit`; `distinct`: a shuffled run of different ones. */
static u32 *case_indices(DeviceCase *c, size_t count, u32 limit, bool distinct)
{
    u32 *at = case_words(c, count);
    u32 *order = arena_new(&c->arena, u32, limit);
    random_permutation(3, limit, order);
    for (size_t i = 0; i < count; i++) at[i] = distinct ? order[i] : order[(i * i) % limit];
    return at;
}

/* The number of the buffer that `at` points into; -1: none. */
static int case_buffer(const DeviceCase *c, const void *at)
{
    for (int b = 0; b < c->count; b++)
        if ((const f32 *)at >= c->buffers[b].at - DEVICE_GUARD &&
            (const f32 *)at <= c->buffers[b].at + c->buffers[b].count)
            return b;
    return -1;
}

/* What the op does to each buffer, from ops.h. Where an op has `accumulate` and that is 0, what is io is not read. */
static void case_directions(DeviceCase *c)
{
    bool adds = true;
    for (const OpArg *arg = op_args(c->op); arg->name; arg++)
        if (strcmp(arg->name, "accumulate") == 0)
            adds = *(const u32 *)(const void *)((const char *)&c->args + arg->offset);
    for (const OpArg *arg = op_args(c->op); arg->name; arg++) {
        const int b = arg->pointer ? case_buffer(c, op_pointer(arg, &c->args)) : -1;
        if (b < 0) continue;
        c->buffers[b].read |= arg->read && (adds || !arg->written);
        c->buffers[b].written |= arg->written;
        c->buffers[b].whole |= arg->whole;
    }
}

/* For people; the case keeps it. */
static const char *case_text(DeviceCase *c)
{
    char text[OP_TEXT], shift[32] = "";
    op_text(c->op, &c->args, text);
    if (c->shift) snprintf(shift, sizeof shift, " shift=%u", c->shift);
    return arena_printf(&c->arena, "%s%s%s%s", text, c->note ? " " : "", c->note ? c->note : "", shift);
}

/* The first argument that points into a buffer. */
static const char *case_argument(const DeviceCase *c, int buffer)
{
    const OpArg *arg = op_args(c->op);
    while (arg->name && !(arg->pointer && case_buffer(c, op_pointer(arg, &c->args)) == buffer)) arg++;
    return arg->name ? arg->name : "nothing";
}

/* ---- Lists of cases ---- */

/* A walk along a list up to the wanted case, which is made. */
typedef struct DeviceCases {
    DeviceCase *made;
    Op only;  /* OP_COUNT: cases of any op */
    int left; /* so many come before the wanted one */
    bool found;
} DeviceCases;
typedef void CaseList(DeviceCases *cases);

static bool case_wanted(DeviceCases *cases, Op op)
{
    if (cases->found || (cases->only != OP_COUNT && cases->only != op) || cases->left-- > 0) return false;
    *cases->made = (DeviceCase){.op = op};
    return cases->found = true;
}

/* In a CaseList: one case more. */
#define CASE(op, ...)                                                         \
    do {                                                                      \
        if (case_wanted(cases, OP_##op)) make_##op(cases->made, __VA_ARGS__); \
    } while (0)
#define foreach(item, array) for (__typeof__(&(array)[0]) item = (array); item < (array) + COUNT(array); item++)

static bool case_of_op(DeviceCase *c, CaseList *list, Op only, int index)
{
    DeviceCases cases = {.made = c, .only = only, .left = index};
    list(&cases);
    if (cases.found) case_directions(c);
    return cases.found;
}

/* Makes the list's case number `index`, from 0; false after the last one. arena_free(&c->arena) frees it. */
static bool case_make(DeviceCase *c, CaseList *list, int index) { return case_of_op(c, list, OP_COUNT, index); }

/* ---- What is expected of an op ---- */

static void case_remember(DeviceCase *c)
{
    for (int b = 0; b < c->count; b++)
        if (c->buffers[b].count) memcpy(c->buffers[b].before, c->buffers[b].at, c->buffers[b].count * sizeof(f32));
}

/* What an op did to memory that is not its own; NULL when all is well. The case keeps it. */
static const char *case_damage(DeviceCase *c)
{
    for (int b = 0; b < c->count; b++) {
        const f32 *at = c->buffers[b].at;
        const size_t count = c->buffers[b].count;
        for (size_t i = 0; i < DEVICE_GUARD; i++)
            if (at[-1 - (long)i] != DEVICE_GUARD_VALUE || at[count + i] != DEVICE_GUARD_VALUE)
                return arena_printf(&c->arena, "it wrote outside of %s", case_argument(c, b));
        if (!c->buffers[b].written && count && memcmp(at, c->buffers[b].before, count * sizeof(f32)) != 0)
            return arena_printf(&c->arena, "it changed its input %s", case_argument(c, b));
    }
    return NULL;
}

/* The worst normalised mean squared error of a buffer: sum of (expected - got)^2 / sum of expected^2. */
static double case_difference(const DeviceCase *expected, const DeviceCase *got)
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

/* ---- Sizes that many ops are tested on ---- */

typedef struct CaseShape {
    u32 rows, cols;
} CaseShape;

static const u32 case_lengths[] = {0, 1, 3, 7, 15, 16, 17, 33, 65, 127, 129, 16384, 50001};
static const CaseShape case_shapes[] = {
    {0, 5},     {5, 0},    {1, 1},    {7, 3},    {33, 65}, {3, 384},  {65, 33},
    {129, 127}, {2, 1000}, {300, 96}, {40, 768}, {1, 4},   {2, 5000}, {3, 4099}}; /* longer than a row in registers */
