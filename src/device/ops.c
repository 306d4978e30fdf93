/* The ops as data: their names, and what ops.h says of their arguments. */
#include "device.h"

#include <stddef.h>
#include <string.h>

#define X(op) \
    _Static_assert(sizeof(struct op##_args) <= OP_ARGS_MOST, #op "_args must fit into Vulkan's push constants");
OPS(X)
#undef X

const char *const op_names[OP_COUNT] = {
#define X(op) [OP_##op] = #op,
    OPS(X)
#undef X
};

/* ---- What ops.h says of arguments ---- */

// clang-format off
#define ARGS(op) static const OpArg *op##_arg_table(void) { \
    typedef struct op##_args Args; static const OpArg table[] = {
#define END {0}}; return table; }
// clang-format on
#define ARG(what, ...) {.name = #what, .offset = offsetof(Args, what), __VA_ARGS__},
#define in_f32(what) ARG(what, .pointer = true, .read = true)
#define out_f32(what) ARG(what, .pointer = true, .written = true)
#define over_f32(what, input) ARG(what, .pointer = true, .written = true, .over = #input)
#define io_f32(what) ARG(what, .pointer = true, .read = true, .written = true)
#define in_u32(what) ARG(what, .pointer = true, .whole = true, .read = true)
#define io_u32(what) ARG(what, .pointer = true, .whole = true, .read = true, .written = true)
#define u32(what) ARG(what, .whole = true)
#define f32(what) ARG(what, .pointer = false)
#include "../../shaders/ops.h"
#undef ARG

const OpArg *op_args(Op op)
{
    switch (op) {
#define X(name) \
    case OP_##name: return name##_arg_table();
        OPS(X)
#undef X
    case OP_COUNT: break;
    }
    ASSERT(false);
    return NULL;
}

void *op_pointer(const OpArg *arg, const void *args)
{
    void *pointer;
    memcpy(&pointer, (const char *)args + arg->offset, sizeof pointer);
    return pointer;
}

/* Adds to a text as long as there is room. */
__attribute__((format(printf, 2, 3))) static void op_text_add(char text[OP_TEXT], const char *format, ...)
{
    const size_t used = strlen(text);
    va_list list;
    va_start(list, format);
    vsnprintf(text + used, OP_TEXT - used, format, list);
    va_end(list);
}

void op_text(Op op, const void *args, char text[OP_TEXT])
{
    const OpArg *const all = op_args(op);
    text[0] = 0;
    op_text_add(text, "%s", op_names[op]);
    for (const OpArg *arg = all; arg->name; arg++) {
        const void *at = (const char *)args + arg->offset;
        if (arg->pointer) continue;
        if (arg->whole)
            op_text_add(text, " %s=%u", arg->name, *(const u32 *)at);
        else
            op_text_add(text, " %s=%g", arg->name, (double)*(const f32 *)at);
    }
    for (const OpArg *arg = all; arg->name; arg++) {
        const void *at = arg->pointer ? op_pointer(arg, args) : NULL;
        const OpArg *same = all;
        if (!arg->pointer) continue;
        while (same != arg && !(same->pointer && op_pointer(same, args) == at)) same++;
        if (!at || same != arg) op_text_add(text, " %s=%s", arg->name, at ? same->name : "null");
    }
}

float adamw_shrink(float lr, float decay) { return math_one_minus(lr, decay); }
