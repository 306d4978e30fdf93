/* Compiled by itself for the first x86-64 processors, and run before all else: the rest of the program is made for
 * x86-64-v2 (2009 and later), and would end with SIGILL on an older one. */
#if defined(__x86_64__)
#include <cpuid.h>
#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <unistd.h>
#endif

/* x86-64-v2 of the psABI: CMPXCHG16B, LAHF/SAHF, POPCNT, SSE3, SSSE3, SSE4.1, SSE4.2. */
enum { BASELINE_ECX = 1 << 0 | 1 << 9 | 1 << 13 | 1 << 19 | 1 << 20 | 1 << 23, BASELINE_LAHF = 1 };

static void baseline_end(const char *line, unsigned size)
{
#if defined(_WIN32)
    DWORD put;
    WriteFile(GetStdHandle(STD_ERROR_HANDLE), line, size, &put, NULL);
    TerminateProcess(GetCurrentProcess(), 1);
#else
    (void)!write(STDERR_FILENO, line, size);
    _exit(1);
#endif
}

__attribute__((constructor(101))) static void baseline_check(void)
{
    static const char line[] = "lethe: this processor is too old: x86-64-v2 is needed (SSE4.2 and POPCNT, since about "
                               "2009)\n";
    unsigned a, b, c = 0, d, extended = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & BASELINE_ECX) != BASELINE_ECX ||
        !__get_cpuid(0x80000001, &a, &b, &extended, &d) || !(extended & BASELINE_LAHF))
        baseline_end(line, sizeof line - 1);
}
#else
typedef int baseline_is_for_x86_64_only;
#endif
