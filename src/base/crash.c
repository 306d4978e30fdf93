#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bool crash_is_watched; /* this process is one of isolated's, which tells of it */

bool isolated(void (*work)(const void *context, void *result), const void *context, void *result, size_t bytes,
              char crash[64])
{
    const size_t all = bytes + 1; /* the last says that the work was done: a library may also end its process */
    char *shared = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const pid_t child = shared == MAP_FAILED || threads_count() > 1 ? -1 : fork();
    if (child == 0) {
        /* A crash that is told of says nothing more, and leaves no file. */
        const int nowhere = open("/dev/null", O_WRONLY);
        if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        crash_is_watched = true;
        work(context, shared);
        shared[bytes] = true;
        _exit(0);
    }
    bool done = true;
    if (child < 0) {
        work(context, result);
    } else {
        int status = 0;
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
        done = shared[bytes];
        if (done)
            memcpy(result, shared, bytes);
        else
            snprintf(crash, 64, "%s", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it ended the process");
    }
    if (shared != MAP_FAILED) munmap(shared, all);
    return done;
}

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
static char crash_line[512];
static struct sigaction crash_before[COUNT(crash_signals)];

static void crash_handle(int signal_number)
{
    (void)signal_number;
    const ssize_t told = write(STDERR_FILENO, crash_line, strlen(crash_line));
    (void)told; /* there is nobody left to say it to */
    _exit(EXIT_WORLD);
}

void crash_says(const char *line)
{
    if (crash_is_watched) return;
    const struct sigaction action = {.sa_handler = crash_handle};
    if (line) snprintf(crash_line, sizeof crash_line, "lethe: %s\n", line);
    for (size_t i = 0; i < COUNT(crash_signals); i++)
        sigaction(crash_signals[i], line ? &action : &crash_before[i], line ? &crash_before[i] : NULL);
}
