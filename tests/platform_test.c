/* platform: what every system must do behind platform.h, and what linux.c reads. windows_test.c takes this file, too.
 */
#include <fcntl.h>
#include <signal.h>
#ifdef _WIN32
#define pipe(ends) _pipe(ends, 1 << 16, _O_BINARY | _O_NOINHERIT)
#define pipe_file(end) _get_osfhandle(end)
#else
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#define pipe_file(end) (end)
#endif

static void put(const char *path, const char *text)
{
    SysFile file;
    assert_int_equal(sys_open(path, SYS_WRITE, &file), 0);
    assert_int_equal(sys_write(file, text, strlen(text)), 0);
    assert_int_equal(sys_close(file, false), 0);
}

static void expect_text(const char *path, const char *text)
{
    SysFile file;
    char bytes[256];
    size_t got = 0;
    if (sys_open(path, SYS_READ, &file) || sys_read(file, bytes, sizeof bytes, &got)) fail_msg("%s is not there", path);
    assert_int_equal(got, strlen(text));
    assert_memory_equal(bytes, text, got);
    sys_close(file, false);
}

static void remove_tree(const char *path)
{
    char inner[SYS_PATH_BYTES];
    SysError error;
    SysFolder *folder = sys_folder_open(path, &error);
    for (const char *name; (name = sys_folder_next(folder));) {
        snprintf(inner, sizeof inner, "%s/%s", path, name);
        if (sys_kind(inner) == SYS_FOLDER)
            remove_tree(inner);
        else
            assert_int_equal(sys_remove(inner), 0);
    }
    sys_folder_close(folder);
    assert_int_equal(sys_folder_remove(path), 0);
}

/* build/test-tmp/platform, empty. */
static void fresh_folder(void)
{
    char failed[SYS_PATH_BYTES];
    if (sys_kind("build/test-tmp/platform") != SYS_NOTHING) remove_tree("build/test-tmp/platform");
    assert_int_equal(sys_folder_make("build/test-tmp/platform", failed), 0);
}
#define P "build/test-tmp/platform/"

/* ---- files ---- */

static void test_a_file_is_replaced_whole_or_not_at_all(void **state)
{
    (void)state;
    SysFile file;
    fresh_folder();
    put(P "name", "old");
    assert_int_equal(sys_open(P "name.tmp", SYS_WRITE, &file), 0);
    assert_int_equal(sys_write(file, "new", 3), 0);
    expect_text(P "name", "old");
    assert_int_equal(sys_publish(file, P "name.tmp", P "name"), 0);
    expect_text(P "name", "new");
    assert_int_equal(sys_kind(P "name.tmp"), SYS_NOTHING);

    /* a folder has the name, or its folder is missing: what was written goes */
    static const char *const impossible[] = {"build/test-tmp/platform", P "missing/name"};
    for (size_t i = 0; i < COUNT(impossible); i++) {
        assert_int_equal(sys_open(P "name.tmp", SYS_WRITE, &file), 0);
        const SysError error = sys_publish(file, P "name.tmp", impossible[i]);
        assert_int_not_equal(error, 0);
        if (i == 1) assert_int_equal(error, sys_missing);
        assert_true(*sys_error_text(error) != 0);
        assert_int_equal(sys_kind(P "name.tmp"), SYS_NOTHING);
    }
    assert_int_equal(sys_open(P "name.tmp", SYS_WRITE, &file), 0);
    assert_int_equal(sys_remove(P "name.tmp"), 0); /* somebody else removes it: the old file stays */
    assert_int_equal(sys_publish(file, P "name.tmp", P "name"), sys_missing);
    expect_text(P "name", "new");
    assert_int_equal(sys_open(P "name.tmp", SYS_WRITE, &file), 0);
    sys_discard(file, P "name.tmp");
    assert_int_equal(sys_kind(P "name.tmp"), SYS_NOTHING);
    expect_text(P "name", "new");
}

static void test_what_lies_there(void **state)
{
    (void)state;
    SysInfo file, folder, other;
    SysFile opened;
    fresh_folder();
    put(P "file", "12345");
    put(P "second", "12345");
    assert_int_equal(sys_info(P "file", &file), 0);
    assert_int_equal(file.kind, SYS_FILE);
    assert_int_equal(file.size, 5);
    assert_int_equal(sys_info(P, &folder), 0);
    assert_int_equal(folder.kind, SYS_FOLDER);
    assert_int_equal(sys_info(P "none", &other), sys_missing);
    assert_int_equal(other.kind, SYS_NOTHING);
    assert_int_equal(sys_info(P "second", &other), 0);
    assert_false(sys_same(&file, &other));
    assert_int_equal(sys_info(P "file", &other), 0);
    assert_true(sys_same(&file, &other));
#ifndef _WIN32
    assert_int_equal(symlink("file", P "link"), 0);
    assert_int_equal(sys_info(P "link", &other), 0);
    assert_true(sys_same(&file, &other));
    assert_int_equal(sys_kind(P "link"), SYS_OTHER);
#endif
    assert_int_equal(sys_kind(P "file"), SYS_FILE);
    assert_int_equal(sys_kind(P), SYS_FOLDER);
    assert_int_equal(sys_kind(P "none"), SYS_NOTHING);
    /* an opened file stays the same one when it has another name, and its name may come to mean another */
    assert_int_equal(sys_open(P "file", SYS_APPEND, &opened), 0);
    assert_int_equal(rename(P "file", P "moved"), 0);
    put(P "file", "other");
    assert_int_equal(sys_file_info(opened, &other), 0);
    assert_true(sys_same(&file, &other));
    assert_int_equal(sys_info(P "file", &other), 0);
    assert_false(sys_same(&file, &other));
    assert_int_equal(sys_write(opened, "6", 1), 0);
    assert_int_equal(sys_close(opened, true), 0);
    expect_text(P "moved", "123456");
    /* a pipe that nobody writes is no reason to wait */
#ifndef _WIN32
    assert_int_equal(mkfifo(P "pipe", 0666), 0);
    assert_int_equal(sys_open(P "pipe", SYS_READ, &opened), 0);
    assert_int_equal(sys_file_info(opened, &other), 0);
    assert_int_equal(other.kind, SYS_OTHER);
    sys_close(opened, false);
#endif
}

static void test_a_file_is_mapped(void **state)
{
    (void)state;
    SysFile file;
    void *at;
    fresh_folder();
    put(P "map", "mapped");
    assert_int_equal(sys_open(P "map", SYS_READ, &file), 0);
    assert_int_equal(sys_map(file, 6, &at), 0);
    sys_close(file, false);
    assert_memory_equal(at, "mapped", 6);
    sys_unmap(at, 6);
    assert_int_not_equal(sys_map(SYS_NO_FILE, 6, &at), 0);
    assert_null(at);
}

static void test_text_in_memory(void **state)
{
    (void)state;
    SysText text;
    assert_true(sys_text_open(&text));
    for (int i = 0; i < 3000; i++) fprintf(text.stream, "%d\n", i % 10);
    assert_true(sys_text_close(&text));
    assert_int_equal(text.size, 6000);
    assert_int_equal(strlen(text.at), 6000);
    assert_memory_equal(text.at + 5996, "8\n9\n", 4);
    free(text.at);
}

/* ---- rows as they arrive ---- */

static void test_what_has_arrived_is_read(void **state)
{
    (void)state;
    static const char line[] = "one \xe4\xb8\xad\r\ntwo\n";
    char bytes[64];
    size_t got;
    SysArrival arrival;
    for (size_t place = 1; place < sizeof line; place++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(sys_read_within(pipe_file(ends[0]), 0, bytes, sizeof bytes, &got, &arrival), 0);
        assert_true(got == 0 && arrival == SYS_NOT_YET);
        const double begun = clock_seconds();
        assert_int_equal(sys_read_within(pipe_file(ends[0]), 5, bytes, sizeof bytes, &got, &arrival), 0);
        assert_true(got == 0 && arrival == SYS_NOT_YET && clock_seconds() - begun >= 0.004);
        assert_int_equal(sys_write(pipe_file(ends[1]), line, place), 0);
        assert_int_equal(sys_read_within(pipe_file(ends[0]), 1000, bytes, sizeof bytes, &got, &arrival), 0);
        assert_true(got == place && arrival == SYS_ARRIVED);
        assert_int_equal(sys_write(pipe_file(ends[1]), line + place, sizeof line - place), 0);
        close(ends[1]);
        assert_int_equal(sys_read_within(pipe_file(ends[0]), 1000, bytes + got, sizeof bytes - got, &got, &arrival), 0);
        assert_true(got == sizeof line - place && arrival == SYS_ARRIVED);
        assert_memory_equal(bytes, line, sizeof line);
        assert_int_equal(sys_read_within(pipe_file(ends[0]), 1000, bytes, sizeof bytes, &got, &arrival), 0);
        assert_true(got == 0 && arrival == SYS_ENDED);
        close(ends[0]);
    }
}

static void test_nobody_reads(void **state)
{
    (void)state;
    int ends[2];
#ifndef _WIN32
    struct sigaction before;
    sigaction(SIGPIPE, NULL, &before);
#endif
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    sys_unread_is_error();
    assert_int_equal(sys_write(pipe_file(ends[1]), "text", 4), sys_unread);
    close(ends[1]);
#ifndef _WIN32
    sigaction(SIGPIPE, &before, NULL);
#endif
}

/* ---- folders and paths ---- */

static void test_folders(void **state)
{
    (void)state;
    char failed[SYS_PATH_BYTES];
    int files = 0, folders = 0;
    SysError error;
    uint64_t bytes;
    fresh_folder();
    assert_int_equal(sys_folder_make(P "a/b/c", failed), 0);
    assert_int_equal(sys_folder_make(P "a/b/c/", failed), 0);
    put(P "a/file", "");
    assert_int_not_equal(sys_folder_make(P "a/file/c/d", failed), 0);
    assert_string_equal(failed, P "a/file/c");
    assert_int_equal(sys_folder_usable(P "a"), 0);
    SysFolder *folder = sys_folder_open(P "a", &error);
    for (const char *name; (name = sys_folder_next(folder));) {
        files += strcmp(name, "file") == 0;
        folders += strcmp(name, "b") == 0;
        assert_int_not_equal(*name, '.');
    }
    sys_folder_close(folder);
    assert_int_equal(files + folders, 2);
    assert_null(sys_folder_open(P "none", &error));
    assert_int_equal(error, sys_missing);
    assert_null(sys_folder_next(NULL));
    assert_int_not_equal(sys_folder_remove(P "a"), 0); /* it has files */
    assert_int_equal(sys_folder_move(P "a/b", P "to"), 0);
    assert_int_equal(sys_folder_make(P "empty", failed), 0);
    assert_int_equal(sys_folder_move(P "to", P "empty"), 0);
    assert_int_equal(sys_kind(P "empty/c"), SYS_FOLDER);
    assert_int_not_equal(sys_folder_move(P "a", P "empty"), 0); /* it is not */
    assert_int_equal(sys_folder_remove(P "empty/c"), 0);
    assert_int_equal(sys_remove(P "a/file"), 0);
    assert_int_equal(sys_remove(P "a/file"), sys_missing);
    assert_true(sys_disk_free(P, &bytes) && bytes > 0);
    assert_false(sys_disk_free(P "none", &bytes));
}

static void test_paths(void **state)
{
    (void)state;
    char real[SYS_PATH_BYTES], whole[SYS_PATH_BYTES];
    fresh_folder();
    put(P "file", "");
#ifdef _WIN32
    assert_int_equal(sys_path_real(P "file", real), 0);
#else
    assert_int_equal(symlink("file", P "link"), 0);
    assert_int_equal(sys_path_real(P "link", real), 0);
#endif
    assert_int_equal(sys_path_whole(P "file", whole), 0);
    assert_true(str_ends(str(whole), S("/" P "file")));
    assert_true(str_ends(str(real), S("/" P "file")));
    assert_int_equal(sys_path_real(P "none", real), sys_missing);
    assert_false(sys_name_may_have('/') || sys_name_may_have(0));
    assert_true(sys_name_may_have('.') && sys_name_may_have('\xe4'));
    assert_true(sys_program(real) && sys_kind(real) == SYS_FILE);

    assert_true(sys_name_is_usable("a.b") && sys_name_is_usable("\xc3\xa4") && !sys_name_is_usable(".."));
}

#ifndef _WIN32
static void test_places(void **state)
{
    (void)state;
    char whole[SYS_PATH_BYTES], cache[SYS_PATH_BYTES];
    assert_int_equal(sys_path_whole("/none", whole), 0);
    assert_string_equal(whole, "/none");
    char *home = getenv("HOME"), *before = home ? strdup(home) : NULL;
    setenv("XDG_CACHE_HOME", "/caches", true);
    assert_true(sys_cache_folder(cache));
    assert_string_equal(cache, "/caches/lethe");
    setenv("XDG_CACHE_HOME", "not/from/the/root", true);
    setenv("HOME", "/home/me", true);
    assert_true(sys_cache_folder(cache));
    assert_string_equal(cache, "/home/me/.cache/lethe");
    setenv("HOME", "", true);
    assert_false(sys_cache_folder(cache));
    assert_null(sys_home());
    unsetenv("XDG_CACHE_HOME");
    if (before) setenv("HOME", before, true);
    free(before);
}
#endif

/* ---- a child ---- */

#define PLATFORM_CHILD "platform-child"

/* As an argument it must arrive as it is. */
static const char child_words[] = "a \"b\\\" c:\\d\\ \\\\ \xc3\xa4\xf0\x9f\x99\x82 '%PATH%' ^&|\\";

/* The test program as a child of its own: see sys_child_run. */
static int platform_child(int argc, char **argv)
{
    static const char answer[] = "answer!";
    const char *what = argc > 2 ? argv[2] : "";
    if (strcmp(what, "unannounced") == 0) return puts("a program that knows nothing of children"), 0;
    const SysFile to = sys_child_begin();
    crash_says("the parent reports it");
    printf("what a driver prints\n");
    fflush(stdout);
    fprintf(stderr, "nobody sees this\n");
#ifdef _WIN32
    if (strcmp(what, "killed") == 0) *(volatile int *)0 = 1;
#else
    if (strcmp(what, "killed") == 0) raise(SIGKILL);
#endif
    if (strcmp(what, "exit") == 0) exit(0);
    if (strcmp(what, "half") == 0) sys_child_answer(to, answer, sizeof answer / 2);
    if (strcmp(what, "lock") == 0) {
        SysFile lock;
        bool is_free;
        const SysError error = sys_lock(argv[3], &lock, &is_free);
        sys_child_answer(to, error ? "failed!" : is_free ? "taken.." : "refused", sizeof answer);
    }
    if (strcmp(what, "words") == 0) sys_child_answer(to, strcmp(argv[3], child_words) ? "others" : "same", 8);
    sys_child_answer(to, answer, sizeof answer);
}

static SysChild ask_child(const char *what, const char *more, char answer[8], char ended[64])
{
    const char *const words[] = {PLATFORM_CHILD, what, more, NULL};
    memcpy(answer, "nothing", 8);
    *ended = 0;
    return sys_child_run(words, answer, 8, ended);
}

static void test_a_child_answers_or_dies(void **state)
{
    (void)state;
    char answer[8], ended[64];
    SysInfo printed;
    fresh_folder();
    fflush(NULL);
    const int out = dup(1), error = dup(2), file = open(P "printed", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    dup2(file, 1);
    dup2(file, 2);
    const SysChild answered = ask_child("answer", NULL, answer, ended);
    dup2(out, 1);
    dup2(error, 2);
    close(out);
    close(error);
    close(file);
    assert_int_equal(answered, SYS_CHILD_ANSWERED);
    assert_string_equal(answer, "answer!");
    assert_int_equal(sys_info(P "printed", &printed), 0);
    assert_int_equal(printed.size, 0);
    assert_int_equal(ask_child("words", child_words, answer, ended), SYS_CHILD_ANSWERED);
    assert_string_equal(answer, "same");
    threads_start(3); /* whatever threads this process has */
    static const struct {
        const char *what, *ended;
    } deaths[] = {{"killed", NULL},
                  {"exit", "it ended the process"},
                  {"half", "it ended the process"}};
    for (size_t i = 0; i < COUNT(deaths); i++) {
        assert_int_equal(ask_child(deaths[i].what, NULL, answer, ended), SYS_CHILD_DIED);
        assert_string_equal(answer, "nothing");
#ifdef _WIN32
        assert_string_equal(ended, i ? deaths[i].ended : "access violation");
#else
        assert_string_equal(ended, i ? deaths[i].ended : strsignal(SIGKILL));
#endif
    }
    assert_int_equal(ask_child("unannounced", NULL, answer, ended), SYS_CHILD_NONE);
    assert_string_equal(answer, "nothing");
    assert_int_equal(ask_child("answer", NULL, answer, ended), SYS_CHILD_ANSWERED);
    threads_stop();
}

/* ---- locks ---- */

static void test_a_lock_is_held_once(void **state)
{
    (void)state;
    SysFile one, two;
    bool is_free;
    char answer[8], ended[64];
    fresh_folder();
    assert_int_equal(sys_lock(P "lock", &one, &is_free), 0);
    assert_true(is_free);
    assert_int_equal(sys_lock(P "lock", &two, &is_free), 0);
    assert_false(is_free);
    assert_int_equal(two, SYS_NO_FILE);
    assert_int_equal(ask_child("lock", P "lock", answer, ended), SYS_CHILD_ANSWERED);
    assert_string_equal(answer, "refused");
    sys_unlock(one, P "lock");
    assert_int_equal(sys_kind(P "lock"), SYS_NOTHING);
    assert_int_equal(ask_child("lock", P "lock", answer, ended), SYS_CHILD_ANSWERED);
    assert_string_equal(answer, "taken..");
    /* it ended while it held the lock */
    assert_int_equal(sys_kind(P "lock"), SYS_FILE);
    assert_int_equal(sys_lock(P "lock", &two, &is_free), 0);
    assert_true(is_free);
    sys_unlock(two, P "lock");
    assert_int_equal(sys_lock(P "none/lock", &two, &is_free), sys_missing);
    assert_false(is_free);
}

/* ---- threads, the machine, the terminal ---- */

typedef struct Handshake {
    SysMonitor monitor;
    int turn; /* under the monitor */
    size_t bytes;
} Handshake;

static void handshake_thread(void *context)
{
    Handshake *h = context;
    volatile char large[SYS_STACK_BYTES / 4 * 3]; /* there is room */
    for (size_t i = 0; i < sizeof large; i += 4096) large[i] = 1;
    for (size_t i = 0; i < sizeof large; i += 4096) h->bytes += large[i] * 4096u;
    sys_monitor_enter(&h->monitor);
    for (int turn = 1; turn < 200; turn += 2) {
        while (h->turn != turn) sys_monitor_wait(&h->monitor);
        h->turn++;
        sys_monitor_wake(&h->monitor);
    }
    sys_monitor_leave(&h->monitor);
}

static void test_threads_take_turns(void **state)
{
    (void)state;
    static Handshake h;
    SysThread thread;
    sys_monitor_open(&h.monitor);
    assert_true(sys_thread_start(&thread, handshake_thread, &h));
    sys_monitor_enter(&h.monitor);
    for (int turn = 0; turn < 200; turn += 2) {
        while (h.turn != turn) sys_monitor_wait(&h.monitor);
        h.turn++;
        sys_monitor_wake(&h.monitor);
    }
    sys_monitor_leave(&h.monitor);
    sys_thread_join(&thread);
    assert_int_equal(h.turn, 200);
    assert_int_equal(h.bytes, SYS_STACK_BYTES / 4 * 3);
}

static void test_the_machine(void **state)
{
    (void)state;
    assert_true(processors_available() >= 1 && memory_available_bytes() > 0 && memory_peak_bytes() > 1 << 20);
    const double before = clock_seconds();
    assert_true(clock_seconds() >= before);
}

#ifdef __linux__
static void test_what_linux_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int count;
    } quotas[] = {{"max 100000\n", 8},
                  {"150000 100000\n", 2},
                  {"100000 100000\n", 1},
                  {"1 100000\n", 1},
                  {"900000 100000\n", 8},
                  {"-1 100000\n", 8},
                  {"100000 0\n", 8},
                  {"", 8},
                  {"99999999999999999999 1\n", 8}};
    fresh_folder();
    for (size_t i = 0; i < COUNT(quotas); i++) {
        put(P "cpu.max", quotas[i].text);
        assert_int_equal(processors_of_quota(P "cpu.max", 8), quotas[i].count);
    }
    assert_int_equal(processors_of_quota(P "none", 8), 8);
    put(P "meminfo", "MemTotal: 5 kB\nMemAvailable:   5000000000 kB\n");
    assert_int_equal(number_in_file(P "meminfo", "MemAvailable:", 7), 5000000000);
    assert_int_equal(number_in_file(P "meminfo", "Swap:", 7), 7);
    assert_int_equal(number_in_file(P "none", NULL, 7), 7);
    put(P "max", "max\n");
    assert_int_equal(number_in_file(P "max", NULL, 7), 7);
}
#endif

#ifndef _WIN32
static void test_the_terminal(void **state)
{
    (void)state;
    const int host = posix_openpt(O_RDWR | O_NOCTTY);
    if (host < 0 || grantpt(host) != 0 || unlockpt(host) != 0) skip();
    FILE *terminal = fopen(ptsname(host), "r+"), *file = fopen(tmp_path("no-terminal"), "w");
    assert_true(terminal && file);
    const struct winsize size = {.ws_col = 63, .ws_row = 10};
    assert_int_equal(ioctl(host, TIOCSWINSZ, &size), 0);
    assert_true(terminal_is(terminal) && terminal_has_colours(terminal));
    assert_int_equal(terminal_width(terminal), 63);
    assert_false(terminal_is(file) || terminal_has_colours(file));
    assert_int_equal(terminal_width(file), 0);
    unsetenv("COLUMNS");
    assert_int_equal(terminal_columns(terminal), 63);
    assert_int_equal(terminal_columns(file), 80);
    setenv("COLUMNS", "40", true);
    assert_int_equal(terminal_columns(terminal), 40);
    setenv("COLUMNS", "5", true);
    assert_int_equal(terminal_columns(terminal), 20);
    unsetenv("COLUMNS");
    fclose(terminal);
    fclose(file);
    close(host);
}

static void test_a_crash_says_its_line(void **state)
{
    (void)state;
    char text[64];
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        crash_says("one line");
        raise(SIGSEGV);
        _exit(7);
    }
    close(ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_WORLD);
    const ssize_t got = read(ends[0], text, sizeof text);
    assert_int_equal(got, strlen("lethe: one line\n"));
    assert_memory_equal(text, "lethe: one line\n", (size_t)got);
    close(ends[0]);
}
#endif

static const struct CMUnitTest platform_tests[] = {
    cmocka_unit_test(test_a_file_is_replaced_whole_or_not_at_all),
    cmocka_unit_test(test_what_lies_there),
    cmocka_unit_test(test_a_file_is_mapped),
    cmocka_unit_test(test_text_in_memory),
    cmocka_unit_test(test_what_has_arrived_is_read),
    cmocka_unit_test(test_nobody_reads),
    cmocka_unit_test(test_folders),
    cmocka_unit_test(test_paths),
    cmocka_unit_test(test_a_child_answers_or_dies),
    cmocka_unit_test(test_a_lock_is_held_once),
    cmocka_unit_test(test_threads_take_turns),
    cmocka_unit_test(test_the_machine),
#ifndef _WIN32
    cmocka_unit_test(test_places),
    cmocka_unit_test(test_the_terminal),
    cmocka_unit_test(test_a_crash_says_its_line),
#endif
#ifdef __linux__
    cmocka_unit_test(test_what_linux_says),
#endif
};
