#include "device.h"
#include <math.h>
#include <string.h>

#include "cpu/cpu.c"
#include "vulkan/vulkan.h"

#define X(op) _Static_assert(sizeof(struct op##_args) <= 128, #op "_args must fit into Vulkan's push constants");
OPS(X)
#undef X

const char *const op_names[OP_COUNT] = {
#define X(op) [OP_##op] = #op,
    OPS(X)
#undef X
};

float adamw_shrink(float lr, float decay) { return fmaf(-lr, decay, 1.0f); }

#include "vulkan/vulkan.c"

/* ---- Choosing ---- */

static bool device_open_cpu(Device *device, bool plain)
{
    static void (*table[OP_COUNT])(const void *args); /* the same for every device that is opened */
    const CpuEngine engine = cpu_choose();
    cpu_table(&engine, table);
    device->ops = plain ? plain_ops : table;
    snprintf(device->name, sizeof device->name, "CPU (%s, %d thread%s)", plain ? "plain" : engine.name, threads_count(),
             threads_count() == 1 ? "" : "s");
    return true;
}

/* The GPU that "gpu" means: the first discrete one, else integrated, virtual, software. */
static bool device_choose_gpu(int *number, Err *err)
{
    static const char *const order[] = {"discrete", "integrated", "virtual", "other", "software"};
    VulkanInfo info[VULKAN_MOST_DEVICES];
    char why[256];
    const int count = vulkan_list(info, why);
    for (size_t kind = 0; kind < COUNT(order); kind++)
        for (*number = 0; *number < count; ++*number)
            if (strcmp(info[*number].kind, order[kind]) == 0 && !info[*number].missing[0]) return true;
    if (!count) return fail(err, "--device gpu: %s; use --device cpu", why);
    return fail(err, "--device gpu: %s: %s; use --device cpu", info[0].name, info[0].missing);
}

static bool device_open_gpu(Device *device, const char *what, Err *err)
{
    int number = 0;
    int64_t wanted = 0;
    if (what[3] && !parse_int(str(what + 4), 0, VULKAN_MOST_DEVICES - 1, &wanted))
        return fail_usage(err, "--device %s: gpu:N needs a number N from 0; lethe devices lists them",
                          str_show(str(what)));
    number = (int)wanted;
    if (!what[3] && !device_choose_gpu(&number, err)) return false;
    if (!vulkan_open(number, &device->vulkan, err)) return false;
    snprintf(device->name, sizeof device->name, "%s", vulkan_info(device->vulkan)->name);
    return true;
}

bool device_open(Device *device, const char *what, int threads, Err *err)
{
    *device = (Device){0};
    const bool plain = strcmp(what, "plain") == 0,
               gpu = strncmp(what, "gpu", 3) == 0 && (what[3] == 0 || what[3] == ':');
    if (!gpu && !plain && strcmp(what, "cpu") != 0 && strcmp(what, "auto") != 0)
        return fail_usage(err, "--device %s: unknown device; use auto, cpu, gpu or gpu:N", str_show(str(what)));
    threads_start(threads > 0 ? threads : processors_available());
    return gpu ? device_open_gpu(device, what, err) : device_open_cpu(device, plain);
}

void device_close(Device *device)
{
    if (device->vulkan) vulkan_close(device->vulkan);
    if (device->vulkan || device->ops) threads_stop();
    *device = (Device){0};
}

bool device_ok(Device *device, Err *err) { return !device->vulkan || vulkan_ok(device->vulkan, err); }

/* ---- Memory and ops ---- */

static void *device_alloc(DeviceArena *arena, size_t count)
{
    enum { ALIGN = 256 };
    if (arena->device->vulkan) return vulkan_alloc(arena->device->vulkan, &arena->blocks, count * 4);
    char *bytes = arena_alloc(&arena->host, count + ALIGN / 4, 4);
    return bytes + (ALIGN - (uintptr_t)bytes % ALIGN) % ALIGN;
}

f32p device_f32(DeviceArena *arena, size_t count) { return device_alloc(arena, count); }
u32p device_u32(DeviceArena *arena, size_t count) { return device_alloc(arena, count); }

void device_arena_free(DeviceArena *arena)
{
    if (arena->blocks) vulkan_free(arena->device->vulkan, &arena->blocks);
    arena_free(&arena->host);
}

void device_write(Device *device, void *to, const void *from, size_t bytes)
{
    if (device->vulkan)
        vulkan_write(device->vulkan, to, from, bytes);
    else if (bytes)
        memcpy(to, from, bytes);
}

void device_read(Device *device, void *to, const void *from, size_t bytes)
{
    if (device->vulkan)
        vulkan_read(device->vulkan, to, from, bytes);
    else if (bytes)
        memcpy(to, from, bytes);
}

void device_run(Device *device, Op op, const void *args)
{
    if (device->vulkan)
        vulkan_run(device->vulkan, op, args);
    else
        device->ops[op](args);
}
