/* See faults.h. A file of its own: it replaces functions of libc, whose headers would like to see them inlined. System
 * calls are made directly, and memory comes from glibc's own names, so that nothing here calls what it replaces. */
#undef _FORTIFY_SOURCE
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

Faults *faults;
static bool faults_begun;

static const int fault_errors[FAULT_KINDS] = {ENOMEM, ENOSPC, EIO, ENOSPC, EMFILE, EACCES, ENOLCK, ENOSPC, EIO, EIO};

void faults_plan(FaultKind kind, long at, FaultAction action)
{
    if (!faults) faults = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (faults == MAP_FAILED) abort();
    memset(faults, 0, sizeof *faults);
    faults->kind = kind;
    faults->at = at;
    faults->action = action;
}

void faults_begin(void) { faults_begun = true; }

static void fault_kill(void)
{
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

/* Whether this call fails; *half: it is a write that first gets half through. */
static bool fault_now(FaultKind kind, bool *half)
{
    *half = false;
    if (!faults_begun) return false;
    const long nth = ++faults->count[kind], any = ++faults->all;
    if (faults->action == FAULT_NONE || (faults->kind != FAULT_ANY && faults->kind != kind)) return false;
    const bool now = (faults->kind == FAULT_ANY ? any : nth) == faults->at;
    const FaultAction action = faults->action;
    if (now && (action == FAULT_KILL || (action == FAULT_TEAR && kind != FAULT_WRITE))) fault_kill();
    *half = now && (action == FAULT_HALF || action == FAULT_TEAR);
    if (now && (action == FAULT_STUCK || action == FAULT_HALF)) faults->stuck = true;
    if (now || faults->stuck) errno = fault_errors[kind];
    return now || faults->stuck;
}

static bool fault_fails(FaultKind kind)
{
    bool half;
    return fault_now(kind, &half);
}

/* ---- memory ---- */

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ /* which have a malloc of their own */

void *malloc(size_t size) { return fault_fails(FAULT_ALLOC) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fault_fails(FAULT_ALLOC) ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fault_fails(FAULT_ALLOC) ? NULL : __libc_realloc(old, size); }

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fault_fails(FAULT_ALLOC)) return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}
#endif

/* ---- files ---- */

ssize_t write(int fd, const void *bytes, size_t size)
{
    bool half;
    const bool fails = fault_now(FAULT_WRITE, &half);
    const int code = errno;
    if (!fails) return syscall(SYS_write, fd, bytes, size);
    const ssize_t put = half && size > 1 ? syscall(SYS_write, fd, bytes, size / 2) : -1;
    if (half && faults->action == FAULT_TEAR) fault_kill();
    if (put < 0) errno = code;
    return put;
}

ssize_t read(int fd, void *bytes, size_t size)
{
    return fault_fails(FAULT_READ) ? -1 : syscall(SYS_read, fd, bytes, size);
}

/* What a killed process has written is there all the same: waiting for the disk would only take the tests' time. */
int fsync(int fd)
{
    if (fault_fails(FAULT_FSYNC)) return -1;
    return faults_begun ? 0 : (int)syscall(SYS_fsync, fd);
}
int flock(int fd, int operation) { return fault_fails(FAULT_FLOCK) ? -1 : (int)syscall(SYS_flock, fd, operation); }

int rename(const char *from, const char *to)
{
    return fault_fails(FAULT_RENAME) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fault_fails(FAULT_OPEN) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int unlink(const char *path) { return fault_fails(FAULT_UNLINK) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0); }

int mkdir(const char *path, mode_t mode)
{
    return fault_fails(FAULT_MKDIR) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

/* As on Linux, what fails has been closed all the same. */
int close(int fd)
{
    const bool fails = fault_fails(FAULT_CLOSE);
    const int code = errno, result = (int)syscall(SYS_close, fd);
    if (fails) errno = code;
    return fails ? -1 : result;
}
