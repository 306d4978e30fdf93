#include "selftest.h"

#include <string.h>

static CaseList *const tested_cases[OP_COUNT] = {
#define X(op) [OP_##op] = tested_##op,
    OPS(X)
#undef X
};

/* ---- A case on a device ---- */

/* A case's buffers in a device's memory, and its arguments, in which whatever points into a buffer points there. */
typedef struct DeviceCaseCopy {
    DeviceArena memory;
    char *buffers[DEVICE_BUFFERS]; /* with their guards */
    _Alignas(8) char args[sizeof((DeviceCase *)0)->args];
} DeviceCaseCopy;

static void case_upload(Device *device, const DeviceCase *c, DeviceCaseCopy *copy)
{
    const unsigned shift = c->shift;
    copy->memory = (DeviceArena){.device = device};
    for (int b = 0; b < c->count; b++) {
        const size_t count = c->buffers[b].count + 2 * DEVICE_GUARD;
        copy->buffers[b] = c->buffers[b].whole ? (char *)(device_u32(&copy->memory, count + shift) + shift)
                                               : (char *)(device_f32(&copy->memory, count + shift) + shift);
        device_write(device, copy->buffers[b], c->buffers[b].at - DEVICE_GUARD, count * sizeof(f32));
    }
    memcpy(copy->args, &c->args, sizeof copy->args);
    for (const OpArg *arg = op_args(c->op); arg->name; arg++) {
        const char *at = arg->pointer ? op_pointer(arg, &c->args) : NULL;
        if (!at) continue;
        const int b = case_buffer(c, at);
        at = copy->buffers[b] + (at - (const char *)(c->buffers[b].at - DEVICE_GUARD));
        memcpy(copy->args + arg->offset, &at, sizeof at);
    }
}

static void case_run(Device *device, DeviceCase *c)
{
    DeviceCaseCopy copy;
    case_upload(device, c, &copy);
    device_run(device, c->op, copy.args);
    for (int b = 0; b < c->count; b++)
        device_read(device, c->buffers[b].at - DEVICE_GUARD, copy.buffers[b],
                    (c->buffers[b].count + 2 * DEVICE_GUARD) * sizeof(f32));
    device_arena_free(&copy.memory);
}

/* Runs a case on the device and with the plain version; *nmse is the worst difference. *exists is false after the last
 * case of the list. Fails when the device does, when memory is damaged, and when nmse is above 1e-9. */
static bool case_compare(Device *device, CaseList *list, int index, unsigned shift, bool *exists, double *nmse,
                         Err *err)
{
    DeviceCase expected, got;
    *nmse = 0;
    *exists = case_make(&expected, list, index);
    if (!*exists) return true;
    plain_ops[expected.op](&expected.args);
    case_make(&got, list, index);
    got.shift = shift;
    case_remember(&got);
    case_run(device, &got);
    bool ok = device_ok(device, err);
    const char *damage = ok ? case_damage(&got) : NULL;
    if (damage)
        ok = fail(err, "%s: the op %s is wrong: %s; this driver cannot be trusted, use --device cpu", device->name,
                  case_text(&got), damage);
    if (ok) *nmse = case_difference(&expected, &got);
    if (ok && !(*nmse <= 1e-9))
        ok = fail(err,
                  "%s: the op %s is wrong: normalised mean squared error %.2g; this driver cannot be trusted, use "
                  "--device cpu",
                  device->name, case_text(&got), *nmse);
    arena_free(&got.arena);
    arena_free(&expected.arena);
    return ok;
}

bool device_selftest(Device *device, Op op, int stride, int *cases, double *worst, Err *err)
{
    bool ok = true, exists = true;
    double nmse;
    for (int i = 0; exists && ok; i += stride) {
        ok = case_compare(device, tested_cases[op], i, i % 4 == 3, &exists, &nmse, err);
        *cases += exists;
        if (nmse > *worst) *worst = nmse;
    }
    return ok;
}

/* At least one case of each file of shaders. */
static void quick_cases(DeviceCases *cases)
{
    CASE(gemm, 127, 100, 33, 0, 1, 0, false);
    CASE(gemm, 127, 100, 33, 1, 0, 0, false);
    CASE(gemm, 300, 17, 1000, 0, 0, 0, false);
    CASE(gelu, 33, false, false);
    CASE(layernorm, (CaseShape){33, 65}, true, 0.1f);
    CASE(layernorm_dx, (CaseShape){33, 65}, false, true, 0.1f);
    CASE(layernorm_dw, (CaseShape){33, 65});
    CASE(attention, &attention_tested[0], false, 0.1f, true);
    CASE(attention_grad, &attention_tested[0], false, 0.1f, true);
    CASE(relative_bias_grad, &attention_tested[0], true, true);
    CASE(attention_local, &attention_tested[1], 9, 0.1f, true);
    CASE(attention_local_grad, &attention_tested[1], 9, 0.1f, true);
    CASE(embed, (CaseShape){33, 65}, true, true);
    CASE(embed_grad, (CaseShape){33, 65});
    CASE(cross_entropy, (CaseShape){16, 2}, true);
    CASE(dot, 127, 64, false, false);
    CASE(clip, 16, 1e6f);
    CASE(lora_down, lora_case(33, 65, 8, 2, true));
    CASE(lora_dw, lora_case(33, 65, 8, 2, true));
    CASE(adamw, 17, false);
    CASE(gemm_importance, attention_tested[1].tokens, 8, 129, 1, 2);
    CASE(wake_rows, (CaseShape){33, 65}, false, true);
}

bool device_quick_check(Device *device, Err *err)
{
    double nmse;
    bool exists = true, ok = true;
    for (int i = 0; exists && ok; i++) ok = case_compare(device, quick_cases, i, 0, &exists, &nmse, err);
    return ok;
}
