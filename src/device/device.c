#include "device.h"
#include <math.h>
#include <string.h>

#include "cpu/cpu.c"

#define X(op) _Static_assert(sizeof(struct op##_args) <= 128, #op "_args must fit into Vulkan's push constants");
OPS(X)
#undef X

const char *const op_names[OP_COUNT] = {
#define X(op) [OP_##op] = #op,
    OPS(X)
#undef X
};

float adamw_shrink(float lr, float decay) { return fmaf(-lr, decay, 1.0f); }

bool device_open(Device *device, const char *what, int threads, Err *err)
{
    static void (*table[OP_COUNT])(const void *args); /* the same for every device that is opened */
    *device = (Device){0};
    const bool plain = strcmp(what, "plain") == 0;
    if (strncmp(what, "gpu", 3) == 0 && (what[3] == 0 || what[3] == ':'))
        return fail(err, "--device %s: this build has no Vulkan engine yet; use --device cpu", str_show(str(what)));
    if (!plain && strcmp(what, "cpu") != 0 && strcmp(what, "auto") != 0)
        return fail_usage(err, "--device %s: unknown device; use auto, cpu, gpu or gpu:N", str_show(str(what)));
    const CpuEngine engine = cpu_choose();
    cpu_table(&engine, table);
    threads_start(threads > 0 ? threads : processors_available());
    device->ops = plain ? plain_ops : table;
    snprintf(device->name, sizeof device->name, "CPU (%s, %d thread%s)", plain ? "plain" : engine.name, threads_count(),
             threads_count() == 1 ? "" : "s");
    return true;
}

void device_close(Device *device)
{
    if (device->ops) threads_stop();
    *device = (Device){0};
}

static void *device_alloc(DeviceArena *arena, size_t count)
{
    enum { ALIGN = 256 };
    char *bytes = arena_alloc(&arena->host, count + ALIGN / 4, 4);
    return bytes + (ALIGN - (uintptr_t)bytes % ALIGN) % ALIGN;
}

f32p device_f32(DeviceArena *arena, size_t count) { return device_alloc(arena, count); }
u32p device_u32(DeviceArena *arena, size_t count) { return device_alloc(arena, count); }
void device_arena_free(DeviceArena *arena) { arena_free(&arena->host); }

void device_write(Device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    if (bytes) memcpy(to, from, bytes);
}

void device_read(Device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    if (bytes) memcpy(to, from, bytes);
}

void device_run(Device *device, Op op, const void *args) { device->ops[op](args); }
