#include "platform.h"

#include <inttypes.h>
#include <poll.h>

/* What is Linux's own: /proc, cgroups, affinity, huge pages, the places of libraries and caches. */

static const char *program_again(void) { return "/proc/self/exe"; } /* also when its file has been replaced */

static int wait_to_read(int fd, int milliseconds)
{
    struct pollfd input = {.fd = fd, .events = POLLIN};
    return poll(&input, 1, milliseconds);
}

static int disk_sync(int fd) { return fsync(fd); }

static const char desktop_open[] = "xdg-open";
static bool desktop_is_there(void)
{
    const char *display = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    return (display && *display) || (wayland && *wayland);
}

bool sys_program(char out[SYS_PATH_BYTES])
{
    const ssize_t size = readlink("/proc/self/exe", out, SYS_PATH_BYTES - 1);
    if (size <= 0) return false;
    out[size] = 0;
    return true;
}

bool sys_cache_folder(char out[SYS_PATH_BYTES])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = sys_home();
    int size = SYS_PATH_BYTES;
    if (cache && cache[0] == '/')
        size = snprintf(out, SYS_PATH_BYTES, "%s/lethe", cache);
    else if (home && home[0] == '/')
        size = snprintf(out, SYS_PATH_BYTES, "%s/.cache/lethe", home);
    return size < SYS_PATH_BYTES;
}

/* The least of `count` and the processors' time that a cgroup has ("quota period", or "max period"), rounded up. */
static int processors_of_quota(const char *path, int count)
{
    FILE *file = fopen(path, "r");
    int64_t quota, period;
    if (file && fscanf(file, "%" SCNd64 " %" SCNd64, &quota, &period) == 2 && period > 0 && quota > 0) {
        const int64_t whole = quota / period + (quota % period > 0);
        if (whole < count) count = (int)whole;
    }
    if (file) fclose(file);
    return count;
}

int processors_available(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    count = processors_of_quota("/sys/fs/cgroup/cpu.max", count);
    return count < 1 ? 1 : count;
}

/* The number on the first line of a file (or following `key` on any line), or `otherwise`. */
static uint64_t number_in_file(const char *path, const char *key, uint64_t otherwise)
{
    FILE *file = fopen(path, "r");
    char line[256];
    uint64_t value = otherwise;
    while (file && fgets(line, sizeof line, file)) {
        const size_t skip = key ? strlen(key) : 0;
        if (key && strncmp(line, key, skip) != 0) continue;
        if (sscanf(line + skip, "%" SCNu64, &value) != 1) value = otherwise;
        break;
    }
    if (file) fclose(file);
    return value;
}

uint64_t memory_available_bytes(void)
{
    uint64_t least = number_in_file("/proc/meminfo", "MemAvailable:", UINT64_MAX / 1024) * 1024;
    const uint64_t limit = number_in_file("/sys/fs/cgroup/memory.max", NULL, UINT64_MAX);
    const uint64_t used = number_in_file("/sys/fs/cgroup/memory.current", NULL, 0);
    if (limit != UINT64_MAX && (limit > used ? limit - used : 0) < least) least = limit > used ? limit - used : 0;
    struct rlimit space;
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) {
        const uint64_t size = number_in_file("/proc/self/statm", NULL, 0) * (uint64_t)sysconf(_SC_PAGESIZE);
        const uint64_t rest = space.rlim_cur > size ? space.rlim_cur - size : 0;
        if (rest < least) least = rest;
    }
    return least;
}

uint64_t memory_peak_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

void memory_want_huge_pages(void *at, size_t size) { (void)madvise(at, size, MADV_HUGEPAGE); }

void memory_want_small_pages(void *at, size_t size)
{
    const size_t page = SMALL_PAGE_BYTES, skip = -(uintptr_t)at & (page - 1);
    if (size > skip) (void)madvise((char *)at + skip, (size - skip) & ~(page - 1), MADV_NOHUGEPAGE);
}

SysCall sys_vulkan(const char **missing)
{
    static const char *const names[] = {"libvulkan.so.1", "libvulkan.so"};
    *missing = "no Vulkan loader (libvulkan.so.1) on this machine; it comes with the graphics driver or the package "
               "libvulkan1";
    return vulkan_of(names, sizeof names / sizeof *names);
}
