#include "platform.h"

#include <mach-o/dyld.h>
#include <mach/mach.h>
#include <sys/select.h>
#include <sys/sysctl.h>

/* What is macOS's own: its calls for memory and processors, the places of libraries and caches. */

bool sys_program(char out[SYS_PATH_BYTES])
{
    char path[SYS_PATH_BYTES];
    uint32_t size = sizeof path;
    return _NSGetExecutablePath(path, &size) == 0 && sys_path_real(path, out) == 0;
}

static const char *program_again(void)
{
    static char path[SYS_PATH_BYTES];
    return sys_program(path) ? path : NULL;
}

/* poll knows no terminals here. */
static int wait_to_read(int fd, int milliseconds)
{
    fd_set set;
    struct timeval wait = {milliseconds / 1000, milliseconds % 1000 * 1000};
    if (fd < 0 || fd >= FD_SETSIZE) return 1; /* reading says why */
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return select(fd + 1, &set, NULL, NULL, &wait);
}

/* fsync leaves the bytes in the disk's own memory. */
static int disk_sync(int fd) { return fcntl(fd, F_FULLFSYNC) == 0 ? 0 : fsync(fd); }

static const char desktop_open[] = "open";
static bool desktop_is_there(void) { return !getenv("SSH_CONNECTION"); }

bool sys_cache_folder(char out[SYS_PATH_BYTES])
{
    const char *home = sys_home();
    return home && home[0] == '/' && snprintf(out, SYS_PATH_BYTES, "%s/Library/Caches/lethe", home) < SYS_PATH_BYTES;
}

/* A number that the kernel has under this name; 0: there is none. */
static int number_of_kernel(const char *name)
{
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, NULL, 0) == 0 && size == sizeof value && value > 0 ? value : 0;
}

/* The fast ones, where some are slow: every thread has the same share of a product, and all wait for the last. */
int processors_available(void)
{
    const int fast = number_of_kernel("hw.perflevel0.logicalcpu"),
              count = fast ? fast : number_of_kernel("hw.logicalcpu");
    return count ? count : 1;
}

uint64_t memory_available_bytes(void)
{
    vm_statistics64_data_t pages = {0};
    vm_size_t page_bytes;
    mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
    const mach_port_t host = mach_host_self();
    const bool known = host_page_size(host, &page_bytes) == KERN_SUCCESS &&
                       host_statistics64(host, HOST_VM_INFO64, (host_info64_t)&pages, &count) == KERN_SUCCESS;
    mach_port_deallocate(mach_task_self(), host);
    /* inactive: what files were read into, and what programs have not used for long */
    return known ? ((uint64_t)pages.free_count + pages.inactive_count) * page_bytes : UINT64_MAX;
}

uint64_t memory_peak_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss : 0; /* bytes here */
}

void memory_want_huge_pages(void *at, size_t size) /* the kernel has none for programs to ask for */
{
    (void)at;
    (void)size;
}

void memory_want_small_pages(void *at, size_t size)
{
    (void)at;
    (void)size;
}

SysCall sys_vulkan(const char **missing)
{
    static const char *const names[] = {
        "libvulkan.1.dylib", "/opt/homebrew/lib/libvulkan.1.dylib", "/usr/local/lib/libvulkan.1.dylib",
        "libMoltenVK.dylib", "/opt/homebrew/lib/libMoltenVK.dylib", "/usr/local/lib/libMoltenVK.dylib"};
    *missing = "no Vulkan loader (libvulkan.1.dylib, libMoltenVK.dylib) on this machine; it comes with the Vulkan SDK, "
               "or by brew install vulkan-loader molten-vk";
    return vulkan_of(names, sizeof names / sizeof *names);
}
