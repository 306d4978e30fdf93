/* platform: the only room that speaks to the operating system. Above this header nothing includes a system's header or
 * calls a system; below it lies one file for each system: posix.c for what Unix systems share, linux.c and macos.c for
 * what is their own, windows.c (files), windows_process.c (streams, the console) and windows_machine.c. `./build.sh
 * check` looks for calls and headers elsewhere.
 *
 * It is the lowest layer and uses nothing else of lethe. Texts and paths are UTF-8 and end with a 0 byte, on every
 * system. What can fail returns a SysError; the layers above make a message of it. */
#ifndef LETHE_PLATFORM_H
#define LETHE_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Once, before all else: standard streams that were closed when the program began (>&-) become files that cannot be
 * read or written, so that no file that is opened later takes their place; text is in the user's character set. */
void sys_start(void);
/* The words of the command line in UTF-8, of which argv need not be; they live as long as the program. Where no shell
 * replaces * and ? by the names of files, this does. */
char **sys_arguments(int *argc, char **argv);

/* ---- Errors ---- */

typedef int SysError;                       /* 0: none; else the system's own number */
extern const SysError sys_missing;          /* there is no such file or folder */
extern const SysError sys_unread;           /* nobody reads the other end of the pipe any more */
const char *sys_error_text(SysError error); /* "Permission denied"; lives until the next call */

/* ---- Files ---- */

typedef intptr_t SysFile; /* an open file, pipe or terminal */
#define SYS_NO_FILE ((SysFile)-1)
enum { SYS_PATH_BYTES = 4096 }; /* of the longest path, with its 0 byte */

typedef enum SysKind { SYS_NOTHING, SYS_FILE, SYS_FOLDER, SYS_OTHER } SysKind; /* SYS_OTHER: a pipe, a device, a link */
typedef struct SysInfo {
    SysKind kind;
    uint64_t size;          /* of a file, in bytes */
    uint64_t volume, id[2]; /* see sys_same */
} SysInfo;

typedef enum SysOpen {
    SYS_READ,        /* does not wait for the writer of a named pipe */
    SYS_READ_STREAM, /* waits for it */
    SYS_WRITE,       /* a new file, or an old one from its beginning, empty */
    SYS_APPEND,      /* each write goes to the end; a new file when there is none */
} SysOpen;
SysError sys_open(const char *path, SysOpen how, SysFile *file);
/* What is there, as far as it fits; *got = 0: the end. */
SysError sys_read(SysFile file, void *bytes, size_t size, size_t *got);
SysError sys_read_at(SysFile file, uint64_t at, void *bytes, size_t size,
                     size_t *got);                                /* of a file, from byte `at` on */
SysError sys_write(SysFile file, const void *bytes, size_t size); /* all of it */
/* sync: what was written reaches the disk first. The file is closed whatever is returned. */
SysError sys_close(SysFile file, bool sync);
/* The last step of a file that is written under a temporary name: its bytes reach the disk, it is closed, and takes the
 * name `path`, whatever had that name before. When that fails it is closed, and removed, and `path` is what it was. */
SysError sys_publish(SysFile file, const char *temporary, const char *path);
void sys_discard(SysFile file, const char *temporary); /* closes and removes it */
SysError sys_remove(const char *path);                 /* a file */
SysError sys_info(const char *path, SysInfo *info);    /* of a link: what it leads to; a failure: SYS_NOTHING */
SysError sys_file_info(SysFile file, SysInfo *info);
SysKind sys_kind(const char *path);                     /* of a link: SYS_OTHER */
bool sys_same(const SysInfo *a, const SysInfo *b);      /* one file by two names, or by a name and opened */
SysError sys_map(SysFile file, size_t size, void **at); /* its first `size` > 0 bytes, to be read */
void sys_unmap(void *at, size_t size);
SysFile sys_stream_file(FILE *stream);   /* what stdin, stdout and stderr read and write */
SysError sys_stream_flush(FILE *stream); /* an error of an earlier write counts */
void sys_unread_is_error(void);          /* from now on a write that nobody reads fails and ends nothing */
/* A stream whose bytes are gathered in memory. Once it is closed, `at` is the caller's, who frees it; a 0 byte follows
 * its `size` bytes. Both functions fail when there is no memory. */
typedef struct SysText {
    FILE *stream;
    char *at;
    size_t size;
} SysText;
bool sys_text_open(SysText *text);
bool sys_text_close(SysText *text);

/* ---- Rows as they arrive ---- */

typedef enum SysArrival { SYS_ARRIVED, SYS_NOT_YET, SYS_ENDED } SysArrival;
/* Reads what has arrived, at most `size` bytes, and waits at most so long for it; a signal may end the wait. *got is 0
 * unless something has arrived. */
SysError sys_read_within(SysFile file, int milliseconds, void *bytes, size_t size, size_t *got, SysArrival *arrival);
extern const char sys_end_of_input[]; /* "Ctrl-D ends": what somebody types at the end of all rows */

/* ---- Locks: a file that one process holds at a time, until it ends, however it ends ---- */

/* *free: whether it was; then *lock holds it. Where the file system knows no locks, everything is free. */
SysError sys_lock(const char *path, SysFile *lock, bool *free);
void sys_unlock(SysFile lock, const char *path); /* and removes the file */

/* ---- Folders ---- */

/* With its parents; fine when it exists. failed: the part of the path that could not be made. */
SysError sys_folder_make(const char *path, char failed[SYS_PATH_BYTES]);
SysError sys_folder_usable(const char *path);               /* whether files can be made in it */
SysError sys_folder_remove(const char *path);               /* an empty one */
SysError sys_folder_move(const char *from, const char *to); /* to: nothing, or an empty folder */
/* for (SysFolder *f = sys_folder_open(path, &error); (name = sys_folder_next(f));) ...; sys_folder_close(f);
 * NULL cannot be read, and has no entries. A name lives until the next call; "." and ".." are none. */
typedef struct SysFolder SysFolder;
SysFolder *sys_folder_open(const char *path, SysError *error);
const char *sys_folder_next(SysFolder *folder);
void sys_folder_close(SysFolder *folder);
bool sys_disk_free(const char *path, uint64_t *bytes); /* of the disk on which `path` lies, for this user */

/* ---- Paths: '/' separates on every system ---- */

bool sys_is_separator(char c);                                       /* '/', and what else separates here */
bool sys_name_may_have(char c);                                      /* whether the name of a file can */
bool sys_name_is_usable(const char *name);                           /* for a file: CON, say, means others somewhere */
SysError sys_path_real(const char *path, char out[SYS_PATH_BYTES]);  /* from the root, without links; it must exist */
SysError sys_path_whole(const char *path, char out[SYS_PATH_BYTES]); /* from the root; it need not exist */
const char *sys_home(void);                                          /* the user's own folder; NULL: none */
bool sys_cache_folder(char out[SYS_PATH_BYTES]);                     /* lethe's own among the user's caches; not made */
bool sys_program(char out[SYS_PATH_BYTES]);                          /* the path of this program */
unsigned sys_process_id(void);

/* ---- Threads ---- */

enum { SYS_STACK_BYTES = 8 << 20 }; /* of every thread: the matrix product keeps its panels on the stack */
typedef struct SysThread {          /* stays where it is until it is joined */
    void (*body)(void *context);
    void *context;
    uintptr_t handle;
} SysThread;
bool sys_thread_start(SysThread *thread, void (*body)(void *context), void *context);
void sys_thread_join(SysThread *thread);
void sys_thread_yield(void);
void sys_sleep(int milliseconds);
/* Calls body(context), on a thread with SYS_STACK_BYTES where this one has fewer. */
void stack_run(void (*body)(void *context), void *context);

/* A mutex and a condition variable. */
typedef struct SysMonitor {
    _Alignas(16) unsigned char room[128];
} SysMonitor;
void sys_monitor_open(SysMonitor *monitor); /* one lives as long as the program */
void sys_monitor_enter(SysMonitor *monitor);
void sys_monitor_leave(SysMonitor *monitor);
void sys_monitor_wait(SysMonitor *monitor); /* entered: until sys_monitor_wake, or earlier */
void sys_monitor_wake(SysMonitor *monitor); /* all who wait */

/* ---- The machine ---- */

int processors_available(void); /* by affinity mask and quota; at least 1 */
/* Bytes of memory that this process may still use: the least of free memory and the limits that it is under. */
uint64_t memory_available_bytes(void);
uint64_t memory_peak_bytes(void); /* highest resident size of this process so far */
enum { HUGE_PAGE_BYTES = 2 << 20 };
void memory_want_huge_pages(void *at, size_t size); /* only a wish */
/* The other way round, for what is used here and there: memory is then taken SMALL_PAGE_BYTES at most at a time. */
enum { SMALL_PAGE_BYTES = 16 << 10 };
void memory_want_small_pages(void *at, size_t size);
double clock_seconds(void); /* monotonic */
/* vkGetInstanceProcAddr of the machine's Vulkan loader, which stays loaded. NULL: there is none; *missing says what
 * was looked for and where it comes from. */
typedef void (*SysCall)(void);
SysCall sys_vulkan(const char **missing);

/* ---- Signals and crashes ---- */

/* Ctrl-C, and being asked to end, set the flag; the second time ends the process at once, with 128 + the signal. */
void interrupt_install(void);
bool interrupted(void);
/* From now on a crash of this process prints "lethe: ", this line and exits 1; NULL: no longer. */
void crash_says(const char *line);

/* ---- A child: this program, started again ---- */

/* NONE: could not be started; a loader or an emulator may find that only in the child, which then never begins. */
typedef enum SysChild { SYS_CHILD_ANSWERED, SYS_CHILD_DIED, SYS_CHILD_NONE } SysChild;
/* Runs this program with the arguments `words` (NULL ends them), waits for its end, and takes its answer, exactly
 * `size` bytes. What it prints is dropped. SYS_CHILD_DIED: it began and ended before it had answered,
 * `answer` is as it was, and `ended` says by what ("Segmentation fault"). */
SysChild sys_child_run(const char *const *words, void *answer, size_t size, char ended[64]);
/* In the child, first: from now on what is printed is dropped, and a crash says nothing and leaves no file. Returns
 * where the answer goes. */
SysFile sys_child_begin(void);
_Noreturn void sys_child_answer(SysFile to, const void *answer, size_t size); /* and ends the process */

/* ---- A process of its own: this program, started again, that goes on when this one ends ---- */

typedef struct SysProcess {
    intptr_t handle;
    unsigned id; /* 0: none */
} SysProcess;
/* Starts this program with the arguments `words` (NULL ends them), without input; what it prints goes to the files
 * `out` and `errors`, empty before. Ctrl-C of this terminal does not reach it. */
SysError sys_process_start(const char *const *words, const char *out, const char *errors, SysProcess *process);
/* Whether it has ended; then *code is its exit code, 128 + N by signal N, and it is none any more. */
bool sys_process_ended(SysProcess *process, int *code);
void sys_process_interrupt(const SysProcess *process); /* as Ctrl-C in its own terminal */
void sys_process_leave(SysProcess *process);           /* it goes on alone */
void sys_process_yield(const SysProcess *process);     /* this program, where it has work, goes first */

/* ---- The desktop ---- */

/* Opens an address in the user's browser; false: there is none to be seen. Does not wait for it. */
bool sys_browse(const char *address);
/* Whether the program was started by a double click: on a desktop, and from no terminal. */
bool sys_started_by_click(void);
bool sys_random(void *bytes, size_t size); /* that nobody can guess */

/* ---- The terminal ---- */

bool terminal_is(FILE *stream);
int terminal_width(FILE *stream);        /* columns; 0: unknown */
bool terminal_has_colours(FILE *stream); /* whether it is one, and follows escape sequences */
bool terminal_is_utf8(void);             /* what is printed may be more than ASCII */

#endif
