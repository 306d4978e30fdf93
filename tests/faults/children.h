/* lethe in children of the test program, for which the world fails: see faults.h. */
#ifndef CHILDREN_H
#define CHILDREN_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

#define CHILD_ERR "build/test-tmp/child.err"

static void slurp(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    size_t got = file ? fread(text, 1, size - 1, file) : 0;
    text[got] = 0;
    if (file) fclose(file);
}

typedef struct Child {
    int code; /* exit code; -signal */
    char err[8192];
} Child;

typedef int ChildBody(int argc, char **argv);

/* lethe run without its report, which would take most of the time. */
static int child_run(int argc, char **argv)
{
    Err err = {0};
    Arena arena = {0};
    Plan plan;
    interrupt_install();
    json_start();
    json_t *options = json_object();
    if (!run_train(argc - 1, argv + 1, &arena, options, &plan, &err)) fprintf(stderr, "lethe: %s\n", err.text);
    json_decref(options);
    arena_free(&arena);
    return err.code;
}

/* Starts body in a child, its arguments separated by spaces. */
static pid_t child_start(ChildBody *body, const char *line, const char *err)
{
    static char words[4096];
    static char *argv[128];
    int argc = 0;
    snprintf(words, sizeof words, "lethe %s", line);
    for (char *rest = words, *word; (word = strtok_r(rest, " ", &rest)) && argc < (int)COUNT(argv) - 1;)
        argv[argc++] = word;
    argv[argc] = NULL;
    fflush(NULL);
    const pid_t child = fork();
    if (child != 0) return child;
    alarm(120); /* a child that hangs ends by a signal, which no test takes for an answer */
    if (!freopen(err, "w", stderr) || !freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "r", stdin))
        _exit(99);
    faults_begin();
    const int code = body(argc, argv);
    fflush(NULL);
#ifdef __SANITIZE_ADDRESS__
    exit(code); /* under the eyes of the leak checker */
#endif
    _exit(code);
}

static const Child *child_end(pid_t child, const char *err)
{
    static Child c;
    int status = 0;
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    c.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    slurp(err, c.err, sizeof c.err);
    return &c;
}

static const Child *child(ChildBody *body, const char *line, FaultKind kind, long at, FaultAction action)
{
    faults_plan(kind, at, action);
    return child_end(child_start(body, line, CHILD_ERR), CHILD_ERR);
}

static const Child *fine(ChildBody *body, const char *line)
{
    const Child *c = child(body, line, FAULT_ANY, 0, FAULT_NONE);
    if (c->code != 0) fail_msg("%s: exit %d: %s", line, c->code, c->err);
    return c;
}

static int lines_of(const char *text)
{
    int lines = 0;
    for (; *text; text++) lines += *text == '\n';
    return lines;
}

/* It failed with one line that has `message` in it. */
static void expect_line(const Child *c, const char *message)
{
    if (c->code != 1 || lines_of(c->err) != 1 || strncmp(c->err, "lethe: ", 7) != 0 || !strstr(c->err, message))
        fail_msg("exit %d: %s\nwanted one line: %s", c->code, c->err, message);
}

static const char *const fault_names[FAULT_KINDS] = {"alloc",  "write", "fsync", "rename", "open",
                                                     "unlink", "flock", "mkdir", "read",   "close"};

/* Neither crash nor hang; when it fails, one line and exit code 1. */
static bool expect_clear(const Child *c, const char *kind, long at)
{
    const int lines = lines_of(c->err);
    const bool failed = c->code == EXIT_WORLD && lines == 1 && strncmp(c->err, "lethe: ", 7) == 0;
    if (!failed && (c->code != 0 || lines > 1)) fail_msg("%s %ld: exit %d: %s", kind, at, c->code, c->err);
    return failed;
}

#endif
