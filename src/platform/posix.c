#include "platform.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What Unix systems share. A file of the system itself (linux.c, macos.c) follows, and gives this: */
static const char *program_again(void);            /* what starts this program once more; NULL: unknown */
static int wait_to_read(int fd, int milliseconds); /* > 0: something has arrived, or the end */
static int disk_sync(int fd);                      /* as fsync */
static bool desktop_is_there(void);
static const char desktop_open[]; /* the program that opens an address */

extern char **environ;

void sys_start(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) /* the lowest free number is taken: this one */
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    setlocale(LC_CTYPE, ""); /* whether the terminal speaks UTF-8; numbers keep their '.' */
}

char **sys_arguments(int *argc, char **argv)
{
    (void)argc;
    return argv;
}

/* ---- errors ---- */

const SysError sys_missing = ENOENT;
const SysError sys_unread = EPIPE;

const char *sys_error_text(SysError error) { return strerror(error); }

/* Of a call that returns 0 when it works. */
static SysError error_of(int result) { return result == 0 ? 0 : errno; }

/* ---- files ---- */

SysError sys_open(const char *path, SysOpen how, SysFile *file)
{
    static const int flags[] = {[SYS_READ] = O_RDONLY | O_NONBLOCK,
                                [SYS_READ_STREAM] = O_RDONLY,
                                [SYS_WRITE] = O_WRONLY | O_CREAT | O_TRUNC,
                                [SYS_APPEND] = O_WRONLY | O_CREAT | O_APPEND};
    *file = open(path, flags[how] | O_CLOEXEC, 0666);
    return *file < 0 ? errno : 0;
}

SysError sys_read(SysFile file, void *bytes, size_t size, size_t *got)
{
    ssize_t count;
    while ((count = read((int)file, bytes, size)) < 0 && errno == EINTR) continue;
    *got = count < 0 ? 0 : (size_t)count;
    return count < 0 ? errno : 0;
}

SysError sys_read_at(SysFile file, uint64_t at, void *bytes, size_t size, size_t *got)
{
    ssize_t count;
    while ((count = pread((int)file, bytes, size, (off_t)at)) < 0 && errno == EINTR) continue;
    *got = count < 0 ? 0 : (size_t)count;
    return count < 0 ? errno : 0;
}

SysError sys_write(SysFile file, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size) {
        const ssize_t put = write((int)file, at, size);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return put < 0 ? errno : EIO;
        at += put;
        size -= (size_t)put;
    }
    return 0;
}

SysError sys_close(SysFile file, bool sync)
{
    /* What has no disk behind it, a pipe or a device, is as safe as it can be. */
    SysError error = sync && disk_sync((int)file) != 0 && errno != EINVAL && errno != EROFS ? errno : 0;
    if (close((int)file) != 0 && !error) error = errno;
    return error;
}

/* The folder of a file: only then is a new name sure to be there after a loss of power. */
static void sync_folder_of(const char *path)
{
    char folder[SYS_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    const int fd = open(*folder ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)!fsync(fd); /* not every file system can; the rename itself is atomic all the same */
    close(fd);
}

SysError sys_publish(SysFile file, const char *temporary, const char *path)
{
    SysError error = sys_close(file, true);
    if (!error) error = error_of(rename(temporary, path));
    if (error)
        unlink(temporary);
    else
        sync_folder_of(path);
    return error;
}

void sys_discard(SysFile file, const char *temporary)
{
    close((int)file);
    unlink(temporary);
}

SysError sys_remove(const char *path) { return error_of(unlink(path)); }

static SysError info_of(int result, const struct stat *st, SysInfo *info)
{
    *info = (SysInfo){0};
    if (result != 0) return errno;
    info->kind = S_ISREG(st->st_mode) ? SYS_FILE : S_ISDIR(st->st_mode) ? SYS_FOLDER : SYS_OTHER;
    info->size = (uint64_t)st->st_size;
    info->volume = (uint64_t)st->st_dev;
    info->id[0] = (uint64_t)st->st_ino;
    return 0;
}

SysError sys_info(const char *path, SysInfo *info)
{
    struct stat st;
    return info_of(stat(path, &st), &st, info);
}

SysError sys_file_info(SysFile file, SysInfo *info)
{
    struct stat st;
    return info_of(fstat((int)file, &st), &st, info);
}

SysKind sys_kind(const char *path)
{
    struct stat st;
    SysInfo info;
    info_of(lstat(path, &st), &st, &info);
    return info.kind;
}

bool sys_same(const SysInfo *a, const SysInfo *b)
{
    return a->volume == b->volume && a->id[0] == b->id[0] && a->id[1] == b->id[1];
}

SysError sys_map(SysFile file, size_t size, void **at)
{
    *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE, (int)file, 0);
    if (*at != MAP_FAILED) return 0;
    *at = NULL;
    return errno;
}

void sys_unmap(void *at, size_t size) { munmap(at, size); }

SysFile sys_stream_file(FILE *stream) { return fileno(stream); }

SysError sys_stream_flush(FILE *stream)
{
    static SysError first; /* later on errno is another call's */
    if (fflush(stream) == 0 && !ferror(stream)) return 0;
    if (!first) first = errno ? errno : EIO;
    return first;
}

void sys_unread_is_error(void) { signal(SIGPIPE, SIG_IGN); }

bool sys_text_open(SysText *text)
{
    *text = (SysText){0};
    text->stream = open_memstream(&text->at, &text->size);
    return text->stream != NULL;
}

bool sys_text_close(SysText *text)
{
    const bool whole = !ferror(text->stream), ok = fclose(text->stream) == 0 && whole;
    text->stream = NULL;
    return ok;
}

SysError sys_read_within(SysFile file, int milliseconds, void *bytes, size_t size, size_t *got, SysArrival *arrival)
{
    *got = 0;
    *arrival = SYS_NOT_YET;
    if (wait_to_read((int)file, milliseconds) <= 0) return 0;
    const ssize_t count = read((int)file, bytes, size);
    if (count < 0) return errno == EINTR || errno == EAGAIN ? 0 : errno;
    *got = (size_t)count;
    *arrival = count ? SYS_ARRIVED : SYS_ENDED;
    return 0;
}

const char sys_end_of_input[] = "Ctrl-D ends";

/* ---- locks ---- */

SysError sys_lock(const char *path, SysFile *lock, bool *free)
{
    *free = false;
    for (*lock = SYS_NO_FILE;;) {
        SysInfo held, there;
        const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0) return errno;
        *free = flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
        /* The one who held it may have removed it in between: then what is locked is not what others will find. */
        if (*free && (sys_file_info(fd, &held) || sys_info(path, &there) || !sys_same(&held, &there))) {
            close(fd);
            continue;
        }
        if (*free)
            *lock = fd;
        else
            close(fd);
        return 0;
    }
}

void sys_unlock(SysFile lock, const char *path)
{
    unlink(path); /* while it is held: nobody else's is removed */
    close((int)lock);
}

/* ---- folders ---- */

SysError sys_folder_make(const char *path, char failed[SYS_PATH_BYTES])
{
    const size_t size = strlen(path);
    snprintf(failed, SYS_PATH_BYTES, "%s", path);
    if (size >= SYS_PATH_BYTES) return ENAMETOOLONG;
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        failed[i] = 0;
        if (mkdir(failed, 0777) != 0 && errno != EEXIST) return errno;
        failed[i] = path[i];
    }
    return 0;
}

SysError sys_folder_usable(const char *path) { return error_of(access(path, W_OK | X_OK)); }
SysError sys_folder_remove(const char *path) { return error_of(rmdir(path)); }
SysError sys_folder_move(const char *from, const char *to) { return error_of(rename(from, to)); }

SysFolder *sys_folder_open(const char *path, SysError *error)
{
    DIR *folder = opendir(path);
    *error = folder ? 0 : errno;
    return (SysFolder *)folder;
}

const char *sys_folder_next(SysFolder *folder)
{
    struct dirent *entry = NULL;
    while (folder && (entry = readdir((DIR *)folder)) &&
           (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0))
        continue;
    return entry ? entry->d_name : NULL;
}

void sys_folder_close(SysFolder *folder)
{
    if (folder) closedir((DIR *)folder);
}

bool sys_disk_free(const char *path, uint64_t *bytes)
{
    struct statvfs disk;
    if (statvfs(path, &disk) != 0) return false;
    *bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    return true;
}

/* ---- paths ---- */

bool sys_is_separator(char c) { return c == '/'; }
bool sys_name_may_have(char c) { return c && c != '/'; }
bool sys_name_is_usable(const char *name) { return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0; }

SysError sys_path_real(const char *path, char out[SYS_PATH_BYTES])
{
    char *real = realpath(path, NULL);
    if (!real) return errno;
    const bool fits = snprintf(out, SYS_PATH_BYTES, "%s", real) < SYS_PATH_BYTES;
    free(real);
    return fits ? 0 : ENAMETOOLONG;
}

SysError sys_path_whole(const char *path, char out[SYS_PATH_BYTES])
{
    char here[SYS_PATH_BYTES] = "";
    if (*path != '/' && !getcwd(here, sizeof here)) return errno;
    const int size = snprintf(out, SYS_PATH_BYTES, "%s%s%s", here, *path == '/' ? "" : "/", path);
    return size < SYS_PATH_BYTES ? 0 : ENAMETOOLONG;
}

const char *sys_home(void)
{
    const char *home = getenv("HOME");
    return home && *home ? home : NULL;
}

unsigned sys_process_id(void) { return (unsigned)getpid(); }

/* ---- threads ---- */

static void *thread_body(void *argument)
{
    const SysThread *thread = argument;
    thread->body(thread->context);
    return NULL;
}

bool sys_thread_start(SysThread *thread, void (*body)(void *context), void *context)
{
    pthread_attr_t attributes;
    pthread_t handle;
    if (pthread_attr_init(&attributes) != 0) return false;
    thread->body = body;
    thread->context = context;
    const bool ok = pthread_attr_setstacksize(&attributes, SYS_STACK_BYTES) == 0 &&
                    pthread_create(&handle, &attributes, thread_body, thread) == 0;
    pthread_attr_destroy(&attributes);
    if (ok) thread->handle = (uintptr_t)handle;
    return ok;
}

void sys_thread_join(SysThread *thread) { pthread_join((pthread_t)thread->handle, NULL); }
void sys_thread_yield(void) { sched_yield(); }

void sys_sleep(int milliseconds)
{
    const struct timespec rest = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&rest, NULL); /* a signal ends it early */
}

void stack_run(void (*body)(void *context), void *context)
{
    struct rlimit limit;
    SysThread thread;
    const bool is_small = getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < SYS_STACK_BYTES;
    if (is_small && sys_thread_start(&thread, body, context))
        sys_thread_join(&thread);
    else
        body(context);
}

typedef struct PosixMonitor {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
} PosixMonitor;
_Static_assert(sizeof(PosixMonitor) <= sizeof(SysMonitor), "the room for a monitor is large enough");

static PosixMonitor *monitor_in(SysMonitor *monitor) { return (PosixMonitor *)(void *)monitor->room; }

void sys_monitor_open(SysMonitor *monitor)
{
    pthread_mutex_init(&monitor_in(monitor)->mutex, NULL);
    pthread_cond_init(&monitor_in(monitor)->condition, NULL);
}

void sys_monitor_enter(SysMonitor *monitor) { pthread_mutex_lock(&monitor_in(monitor)->mutex); }
void sys_monitor_leave(SysMonitor *monitor) { pthread_mutex_unlock(&monitor_in(monitor)->mutex); }
void sys_monitor_wake(SysMonitor *monitor) { pthread_cond_broadcast(&monitor_in(monitor)->condition); }
void sys_monitor_wait(SysMonitor *monitor)
{
    pthread_cond_wait(&monitor_in(monitor)->condition, &monitor_in(monitor)->mutex);
}

double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* vkGetInstanceProcAddr of the first library that there is. */
static SysCall vulkan_of(const char *const *names, size_t count)
{
    void *library = NULL;
    for (size_t i = 0; i < count && !library; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    return library ? (SysCall)dlsym(library, "vkGetInstanceProcAddr") : NULL;
}

/* ---- signals and crashes ---- */

static volatile sig_atomic_t interrupt_flag;

static void interrupt_handle(int signal_number)
{
    if (interrupt_flag) _exit(128 + signal_number);
    interrupt_flag = 1;
}

static void interrupt_signals(sigset_t *set)
{
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

void interrupt_install(void)
{
    struct sigaction action = {.sa_handler = interrupt_handle};
    sigset_t held;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigemptyset(&held); /* as sys_child_run has them, until somebody listens */
    interrupt_signals(&held);
    sigprocmask(SIG_UNBLOCK, &held, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit on a file's size then fails, which is reported */
}

bool interrupted(void) { return interrupt_flag != 0; }

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
enum { CRASH_SIGNALS = sizeof crash_signals / sizeof *crash_signals };
static char crash_line[512];
static struct sigaction crash_before[CRASH_SIGNALS];
static bool crash_is_watched; /* by the parent of this child, which reports it */

static void crash_handle(int signal_number)
{
    (void)signal_number;
    const ssize_t put = write(STDERR_FILENO, crash_line, strlen(crash_line));
    (void)put; /* there is nobody left to say it to */
    _exit(EXIT_FAILURE);
}

void crash_says(const char *line)
{
    if (crash_is_watched) return;
    const struct sigaction action = {.sa_handler = crash_handle};
    if (line) snprintf(crash_line, sizeof crash_line, "lethe: %s\n", line);
    for (size_t i = 0; i < CRASH_SIGNALS; i++)
        sigaction(crash_signals[i], line ? &action : &crash_before[i], line ? &crash_before[i] : NULL);
}

/* ---- a child ---- */

static const char child_mark[8] = "begins:"; /* a child that ends before has never been this program at work */

/* The child's stdout is `answers`. Ctrl-C waits until the child listens to it. */
static bool child_spawn(const char *const *words, int answers, pid_t *child)
{
    enum { MOST_WORDS = 16 };
    const char *program = program_again();
    char *argv[MOST_WORDS + 2] = {"lethe"};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t blocked;
    for (int i = 0; i < MOST_WORDS && words[i]; i++) argv[i + 1] = (char *)(uintptr_t)words[i];
    if (!program || posix_spawn_file_actions_init(&files) != 0) return false;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return false;
    }
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    interrupt_signals(&blocked);
    const bool ok = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
                    posix_spawn_file_actions_adddup2(&files, answers, STDOUT_FILENO) == 0 &&
                    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
                    posix_spawnattr_setsigmask(&attributes, &blocked) == 0 &&
                    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK) == 0 &&
                    posix_spawn(child, program, &files, &attributes, argv, environ) == 0;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return ok;
}

SysChild sys_child_run(const char *const *words, void *answer, size_t size, char ended[64])
{
    int ends[2], status = 0;
    pid_t child;
    const size_t all = sizeof child_mark + size;
    char *bytes = malloc(all);
    if (!bytes) return SYS_CHILD_NONE;
    if (pipe(ends) != 0) {
        free(bytes);
        return SYS_CHILD_NONE;
    }
    for (int i = 0; i < 2; i++) fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    const bool started = child_spawn(words, ends[1], &child);
    close(ends[1]);
    size_t count = 0, got = 1;
    while (started && got && count < all && !sys_read(ends[0], bytes + count, all - count, &got)) count += got;
    close(ends[0]);
    while (started && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    const bool begun = count >= sizeof child_mark && memcmp(bytes, child_mark, sizeof child_mark) == 0;
    if (begun && count == all)
        memcpy(answer, bytes + sizeof child_mark, size);
    else if (started)
        snprintf(ended, 64, "%s", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it ended the process");
    free(bytes);
    return !begun ? SYS_CHILD_NONE : count == all ? SYS_CHILD_ANSWERED : SYS_CHILD_DIED;
}

SysFile sys_child_begin(void)
{
    const int to = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0) {
        dup2(nowhere, STDOUT_FILENO);
        close(nowhere);
    }
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    crash_is_watched = true;
    sys_write(to, child_mark, sizeof child_mark);
    return to;
}

_Noreturn void sys_child_answer(SysFile to, const void *answer, size_t size)
{
    const bool ok = !sys_write(to, answer, size);
    _exit(ok ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- a process of its own ---- */

/* A group of its own, which the terminal's Ctrl-C and its end do not reach. It holds Ctrl-C until it listens. */
static SysError process_spawn(const char *program, bool search, char *const *argv, const char *out, const char *errors,
                              pid_t *child)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t blocked, usual;
    sigemptyset(&blocked);
    interrupt_signals(&blocked);
    if (search) sigemptyset(&blocked); /* another program: it does not know */
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    int error = posix_spawn_file_actions_init(&files);
    if (error) return error;
    error = posix_spawnattr_init(&attributes);
    if (error) {
        posix_spawn_file_actions_destroy(&files);
        return error;
    }
    const int write_new = O_WRONLY | O_CREAT | O_TRUNC;
    error = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!error) error = posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out, write_new, 0666);
    if (!error) error = posix_spawn_file_actions_addopen(&files, STDERR_FILENO, errors, write_new, 0666);
    if (!error) error = posix_spawnattr_setsigmask(&attributes, &blocked);
    if (!error) error = posix_spawnattr_setsigdefault(&attributes, &usual);
    if (!error) error = posix_spawnattr_setpgroup(&attributes, 0);
    if (!error)
        error = posix_spawnattr_setflags(&attributes,
                                         POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    if (!error)
        error = search ? posix_spawnp(child, program, &files, &attributes, argv, environ)
                       : posix_spawn(child, program, &files, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

SysError sys_process_start(const char *const *words, const char *out, const char *errors, SysProcess *process)
{
    size_t count = 0;
    pid_t child = 0;
    const char *program = program_again();
    *process = (SysProcess){0};
    while (words[count]) count++;
    char **argv = calloc(count + 2, sizeof *argv);
    if (!argv) return ENOMEM;
    argv[0] = "lethe";
    for (size_t i = 0; i < count; i++) argv[i + 1] = (char *)(uintptr_t)words[i];
    const SysError error = program ? process_spawn(program, false, argv, out, errors, &child) : ENOENT;
    free(argv);
    if (!error) *process = (SysProcess){child, (unsigned)child};
    return error;
}

bool sys_process_ended(SysProcess *process, int *code)
{
    int status = 0;
    const pid_t ended = process->id ? waitpid((pid_t)process->handle, &status, WNOHANG) : 0;
    if (!process->id || ended == 0 || (ended < 0 && errno == EINTR)) return !process->id;
    *code = ended < 0 ? EXIT_FAILURE : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    *process = (SysProcess){0};
    return true;
}

void sys_process_interrupt(const SysProcess *process)
{
    if (process->id) kill((pid_t)process->handle, SIGINT);
}

void sys_process_leave(SysProcess *process) { *process = (SysProcess){0}; }

void sys_process_yield(const SysProcess *process)
{
    enum { STEPS = 5 }; /* of "nice": about a quarter of a processor that both want */
    if (process->id) setpriority(PRIO_PGRP, process->id, getpriority(PRIO_PROCESS, 0) + STEPS);
}

/* ---- the desktop ---- */

static void browser_wait(void *context) /* for the program that hands the address to the browser */
{
    const pid_t child = *(const pid_t *)context;
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
}

bool sys_browse(const char *address)
{
    static SysThread waiting;
    static pid_t child;
    char *const argv[] = {(char *)(uintptr_t)desktop_open, (char *)(uintptr_t)address, NULL};
    return desktop_is_there() && !process_spawn(desktop_open, true, argv, "/dev/null", "/dev/null", &child) &&
           sys_thread_start(&waiting, browser_wait, &child);
}

bool sys_started_by_click(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (isatty(fd)) return false;
    const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal >= 0) close(terminal);
    return terminal < 0 && desktop_is_there();
}

bool sys_random(void *bytes, size_t size)
{
    SysFile file;
    size_t got = 0, more = 1;
    if (sys_open("/dev/urandom", SYS_READ, &file)) return false;
    while (got < size && more && !sys_read(file, (char *)bytes + got, size - got, &more)) got += more;
    sys_close(file, false);
    return got == size;
}

/* ---- the terminal ---- */

bool terminal_is(FILE *stream) { return isatty(fileno(stream)) != 0; }

int terminal_width(FILE *stream)
{
    struct winsize size;
    return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool terminal_has_colours(FILE *stream) { return terminal_is(stream); }
bool terminal_is_utf8(void) { return strcmp(nl_langinfo(CODESET), "UTF-8") == 0; }
