/* A device is one of two engines: opening it, its memory, and running an op on it. */
#include "device.h"

#include <stdlib.h>
#include <string.h>

#include "choose.h"
#include "vulkan/vulkan.h"

/* ---- Opening ---- */

static bool device_open_cpu(Device *device, bool plain, const CpuEngine *engine)
{
    static void (*table[OP_COUNT])(const void *args); /* the same for every device that is opened */
    cpu_table(engine, table);
    device->ops = plain ? plain_ops : table;
    const char *name = plain ? "plain" : engine->name;
    snprintf(device->engine, sizeof device->engine, "CPU (%s)", name);
    snprintf(device->name, sizeof device->name, "CPU (%s, %d %s)", name, threads_count(),
             plural((uint64_t)threads_count(), "thread", "threads"));
    return true;
}

static bool device_open_gpu(Device *device, int number, Err *err)
{
    char line[128];
    snprintf(line, sizeof line, "gpu:%d: " DEVICE_CRASHED, number, "as it was opened");
    crash_says(line);
    bool ok = vulkan_open(number, &device->vulkan, err);
    if (ok) {
        snprintf(device->name, sizeof device->name, "%s", vulkan_info(device->vulkan)->name);
        memcpy(device->engine, device->name, sizeof device->engine);
        ok = device_quick_check(device, err);
    }
    crash_says(NULL);
    return ok;
}

bool device_open(Device *device, const char *what, int threads, Err *err)
{
    *device = (Device){0};
    int gpu = CHOSE_CPU;
    CpuEngine cpu;
    const char *override = getenv("LETHE_DEVICE");
    if (strcmp(what, "auto") == 0 && override && *override) what = override;
    const bool plain = strcmp(what, "plain") == 0, chosen = strcmp(what, "auto") == 0;
    if (threads < 1) threads = processors_available();
    if (!cpu_choose(&cpu, err)) return false;
    if (chosen)
        gpu = choose_fastest(threads, NULL);
    else if (!plain && strcmp(what, "cpu") != 0 && !choose_named(what, &gpu, err))
        return false;
    threads_start(threads);
    if (gpu == CHOSE_CPU) return device_open_cpu(device, plain, &cpu);
    if (device_open_gpu(device, gpu, err)) return true;
    if (!chosen) return false;
    /* a GPU that nobody asked for by name, and that does not work: the CPU does */
    fprintf(stderr, "lethe: %s; the CPU takes over\n", err->text);
    device_close(device);
    *err = (Err){0};
    threads_start(threads);
    return device_open_cpu(device, false, &cpu);
}

void device_close(Device *device)
{
    if (device->vulkan) vulkan_close(device->vulkan);
    if (device->vulkan || device->ops) threads_stop();
    *device = (Device){0};
}

bool device_ok(Device *device, Err *err) { return !device->vulkan || vulkan_ok(device->vulkan, err); }

/* ---- Memory and ops ---- */

uint64_t device_memory_bytes(const Device *device)
{
    const uint64_t host = memory_available_bytes();
    if (!device->vulkan) return host;
    const VulkanInfo *info = vulkan_info(device->vulkan);
    uint64_t free_bytes = info->free_bytes ? info->free_bytes : info->memory_bytes / 10 * 9;
    if (info->software && host < free_bytes) free_bytes = host;
    return free_bytes > VULKAN_OWN_BYTES ? free_bytes - VULKAN_OWN_BYTES : 0;
}

bool device_memory_is_lazy(const Device *device) { return !device->vulkan; }

static void *device_alloc(DeviceArena *arena, size_t count, bool words)
{
    enum { ALIGN = 256 };
    char *at;
    if (arena->device->vulkan) {
        at = vulkan_alloc(arena->device->vulkan, &arena->blocks, count * 4);
    } else {
        at = arena_alloc(&arena->host, count + ALIGN / 4, 4);
        at += (ALIGN - (uintptr_t)at % ALIGN) % ALIGN;
    }
#ifdef LETHE_CHECK_INDICES
    if (!check_failed(arena->device)) check_take(arena, at, count, words && arena->device->vulkan);
#endif
    (void)words;
    return at;
}

f32p device_f32(DeviceArena *arena, size_t count) { return device_alloc(arena, count, false); }
u32p device_u32(DeviceArena *arena, size_t count) { return device_alloc(arena, count, true); }

void device_arena_free(DeviceArena *arena)
{
#ifdef LETHE_CHECK_INDICES
    check_free(arena);
#endif
    if (arena->blocks) vulkan_free(arena->device->vulkan, &arena->blocks);
    arena_free(&arena->host);
}

void device_write(Device *device, void *to, const void *from, size_t bytes)
{
#ifdef LETHE_CHECK_INDICES
    check_write(to, from, bytes);
#endif
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
    const double begun = device->profile ? clock_seconds() : 0;
#ifdef LETHE_CHECK_INDICES
    const char *problem = check_failed(device) ? NULL : op_index_problem(op, args);
    char text[OP_TEXT];
    if (problem) op_text(op, args, text), fprintf(stderr, "lethe: %s, in %s\n", problem, text);
    ASSERT(!problem);
#endif
    if (device->vulkan)
        vulkan_run(device->vulkan, op, args);
    else
        device->ops[op](args);
    if (device->profile) profile_add(device, op, args, clock_seconds() - begun);
}
