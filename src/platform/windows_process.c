#include "platform.h"

#include <corecrt_startup.h>
#include <signal.h>

#include <psapi.h>

/* Windows: what a process is and has: its streams, threads, memory, signals, children, its console. */

/* ---- the console ---- */

static struct {
    bool there, is_utf8;
    UINT code_page; /* what it had when the program began */
    struct {
        HANDLE handle; /* NULL: no console */
        DWORD mode;
    } outputs[2];
} console;

static bool handle_is_console(HANDLE file)
{
    DWORD mode;
    return GetFileType(file) == FILE_TYPE_CHAR && GetConsoleMode(file, &mode);
}

static void console_restore(void)
{
    for (int i = 0; i < 2; i++)
        if (console.outputs[i].handle) SetConsoleMode(console.outputs[i].handle, console.outputs[i].mode);
    if (console.is_utf8) SetConsoleOutputCP(console.code_page);
}

/* Ends the process at once: nothing that a driver or a library has left for the end runs. */
static _Noreturn void process_end(int code)
{
    console_restore();
    TerminateProcess(GetCurrentProcess(), (UINT)code);
    for (;;) Sleep(INFINITE);
}

static void console_open(void)
{
    static const DWORD streams[] = {STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    console.code_page = GetConsoleOutputCP();
    console.there = console.code_page != 0;
    console.is_utf8 = console.there && SetConsoleOutputCP(CP_UTF8);
    for (int i = 0; i < 2; i++) {
        const HANDLE handle = GetStdHandle(streams[i]);
        DWORD mode;
        if (GetFileType(handle) != FILE_TYPE_CHAR || !GetConsoleMode(handle, &mode) ||
            !SetConsoleMode(handle, mode | ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING))
            continue;
        console.outputs[i].handle = handle;
        console.outputs[i].mode = mode;
    }
    atexit(console_restore);
}

/* What was typed and has not been given out. */
static struct {
    char bytes[4096];
    size_t begin, end;
    wchar_t half; /* the first of two that make a character; its other one comes next */
    bool line_begins;
} console_line = {.line_begins = true};

/* Waits for a line, as UTF-8; none: Ctrl-Z at its beginning, or Ctrl-C. (ReadFile would give question marks.) */
static SysError console_read(HANDLE handle, void *bytes, size_t size, size_t *got)
{
    enum { UNITS = sizeof console_line.bytes / 3 - 1 };
    *got = 0;
    if (console_line.begin == console_line.end) {
        wchar_t wide[UNITS + 1];
        DWORD count = 0, held = console_line.half != 0;
        wide[0] = console_line.half;
        console_line.begin = console_line.end = 0;
        console_line.half = 0;
        if (!ReadConsoleW(handle, wide + held, UNITS, &count, NULL)) return error_last();
        const bool ends = console_line.line_begins && count && wide[held] == 0x1a;
        count += held;
        if (!count || ends) return 0;
        if (wide[count - 1] >= 0xd800 && wide[count - 1] < 0xdc00) console_line.half = wide[--count];
        console_line.line_begins = count && wide[count - 1] == L'\n';
        console_line.end = (size_t)WideCharToMultiByte(CP_UTF8, 0, wide, (int)count, console_line.bytes,
                                                       sizeof console_line.bytes, 0, 0);
    }
    *got = console_line.end - console_line.begin < size ? console_line.end - console_line.begin : size;
    memcpy(bytes, console_line.bytes + console_line.begin, *got);
    console_line.begin += *got;
    return 0;
}

/* Whether somebody has begun to type (`line`: has ended a line). What else a console reports, the mouse and the keys
 * that are let go, is dropped when nobody has. */
static bool console_has_typed(HANDLE handle, bool line)
{
    INPUT_RECORD records[256];
    DWORD count = 0;
    bool key = false, enter = false;
    if (!PeekConsoleInputW(handle, records, 256, &count)) return true; /* reading says why */
    for (DWORD i = 0; i < count; i++) {
        const KEY_EVENT_RECORD *event = &records[i].Event.KeyEvent;
        if (records[i].EventType != KEY_EVENT || !event->bKeyDown || !event->uChar.UnicodeChar) continue;
        key = true;
        enter = enter || event->uChar.UnicodeChar == L'\r';
    }
    if (!key && count) ReadConsoleInputW(handle, records, count, &count);
    return line ? enter : key;
}

static SysError console_read_within(HANDLE handle, int milliseconds, void *bytes, size_t size, size_t *got,
                                    SysArrival *arrival)
{
    const bool rest = console_line.begin < console_line.end || !console_line.line_begins;
    if (!rest && WaitForSingleObject(handle, (DWORD)milliseconds) != WAIT_OBJECT_0) return 0;
    /* What is typed shows once it is read for, and then the line must be waited for: not when there is work. */
    if (!rest && !console_has_typed(handle, milliseconds == 0)) return 0;
    const SysError error = console_read(handle, bytes, size, got);
    *arrival = error || *got ? SYS_ARRIVED : interrupted() ? SYS_NOT_YET : SYS_ENDED;
    return error;
}

const char sys_end_of_input[] = "Ctrl-Z and Enter end";

/* Windows has no wait for what arrives in a pipe: a thread reads it, one block ahead. */
static struct {
    SRWLOCK lock;
    CONDITION_VARIABLE changed;
    SysThread thread;
    SysFile file; /* SYS_NO_FILE: no thread */
    char bytes[1 << 16];
    size_t begin, end;
    SysError error;
    bool ended, stops;
} arrivals = {.lock = SRWLOCK_INIT, .changed = CONDITION_VARIABLE_INIT, .file = SYS_NO_FILE};

static void arrivals_read(void *context)
{
    (void)context;
    for (bool ended = false; !ended;) {
        size_t got = 0;
        const SysError error = sys_read(arrivals.file, arrivals.bytes, sizeof arrivals.bytes, &got);
        AcquireSRWLockExclusive(&arrivals.lock);
        arrivals.begin = 0;
        arrivals.end = got;
        arrivals.error = error;
        arrivals.ended = error || !got;
        WakeAllConditionVariable(&arrivals.changed);
        while (arrivals.begin < arrivals.end && !arrivals.stops)
            SleepConditionVariableSRW(&arrivals.changed, &arrivals.lock, INFINITE, 0);
        ended = arrivals.ended || arrivals.stops;
        ReleaseSRWLockExclusive(&arrivals.lock);
    }
}

/* Before a file is closed, or another one is read. */
static void arrivals_end(SysFile file)
{
    enum { TRIES = 100 };
    const HANDLE thread = (HANDLE)arrivals.thread.handle;
    if (file == SYS_NO_FILE || arrivals.file != file) return;
    AcquireSRWLockExclusive(&arrivals.lock);
    arrivals.stops = true;
    WakeAllConditionVariable(&arrivals.changed);
    ReleaseSRWLockExclusive(&arrivals.lock);
    for (int i = 0; i < TRIES && WaitForSingleObject(thread, 10) == WAIT_TIMEOUT; i++) CancelSynchronousIo(thread);
    CloseHandle(thread);
    arrivals.file = SYS_NO_FILE;
}

static bool arrivals_begin(SysFile file)
{
    if (arrivals.file == file) return true;
    arrivals_end(arrivals.file);
    arrivals.begin = arrivals.end = 0;
    arrivals.ended = arrivals.stops = false;
    arrivals.file = file;
    if (sys_thread_start(&arrivals.thread, arrivals_read, NULL)) return true;
    arrivals.file = SYS_NO_FILE;
    return false;
}

static SysError arrivals_take(int milliseconds, void *bytes, size_t size, size_t *got, SysArrival *arrival)
{
    const double until = clock_seconds() + milliseconds * 1e-3;
    AcquireSRWLockExclusive(&arrivals.lock);
    for (double rest; arrivals.begin == arrivals.end && !arrivals.ended && (rest = until - clock_seconds()) > 0;)
        SleepConditionVariableSRW(&arrivals.changed, &arrivals.lock, (DWORD)(rest * 1e3) + 1, 0);
    *got = arrivals.end - arrivals.begin < size ? arrivals.end - arrivals.begin : size;
    memcpy(bytes, arrivals.bytes + arrivals.begin, *got);
    arrivals.begin += *got;
    *arrival = *got ? SYS_ARRIVED : arrivals.ended ? SYS_ENDED : SYS_NOT_YET;
    const SysError error = *arrival == SYS_ENDED ? arrivals.error : 0;
    WakeAllConditionVariable(&arrivals.changed);
    ReleaseSRWLockExclusive(&arrivals.lock);
    return error;
}

SysError sys_read_within(SysFile file, int milliseconds, void *bytes, size_t size, size_t *got, SysArrival *arrival)
{
    const HANDLE handle = handle_of(file);
    *got = 0;
    *arrival = SYS_NOT_YET;
    /* First this question: every other one about a file waits for the thread that reads it. */
    if (arrivals.file != file || file == SYS_NO_FILE) {
        if (handle_is_console(handle)) return console_read_within(handle, milliseconds, bytes, size, got, arrival);
        if (GetFileType(handle) != FILE_TYPE_PIPE || !arrivals_begin(file)) {
            const SysError error = sys_read(file, bytes, size, got);
            *arrival = *got ? SYS_ARRIVED : SYS_ENDED;
            return error;
        }
    }
    const SysError error = arrivals_take(milliseconds, bytes, size, got, arrival);
    if (*arrival == SYS_ENDED) arrivals_end(file); /* its handle may come to mean another */
    return error;
}

/* A terminal of Cygwin or MSYS (Git Bash) is a pipe with a telling name. */
static bool handle_is_pty(HANDLE handle)
{
    struct {
        FILE_NAME_INFO info;
        wchar_t room[MAX_PATH];
    } name = {0};
    if (GetFileType(handle) != FILE_TYPE_PIPE ||
        !GetFileInformationByHandleEx(handle, FileNameInfo, &name, sizeof name - sizeof(wchar_t)))
        return false;
    const wchar_t *text = name.info.FileName;
    return (wcsncmp(text, L"\\msys-", 6) == 0 || wcsncmp(text, L"\\cygwin-", 8) == 0) && wcsstr(text, L"-pty") != NULL;
}

bool terminal_is(FILE *stream)
{
    const HANDLE handle = handle_of(sys_stream_file(stream));
    return handle_is_console(handle) || handle_is_pty(handle);
}

int terminal_width(FILE *stream)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    if (!GetConsoleScreenBufferInfo(handle_of(sys_stream_file(stream)), &info)) return 0;
    return info.srWindow.Right - info.srWindow.Left + 1;
}

bool terminal_has_colours(FILE *stream)
{
    const HANDLE handle = handle_of(sys_stream_file(stream));
    DWORD mode;
    return handle_is_pty(handle) || (GetFileType(handle) == FILE_TYPE_CHAR && GetConsoleMode(handle, &mode) &&
                                     mode & ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

bool terminal_is_utf8(void) { return console.is_utf8 || !console.there; }

/* ---- the beginning, and streams ---- */

void sys_start(void)
{
    for (int fd = 0; fd <= 2; fd++) _setmode(fd, _O_BINARY); /* "\n" is one byte, as on every system */
    SetErrorMode(SetErrorMode(0) | SEM_FAILCRITICALERRORS);  /* an empty drive is an error, not a window */
    console_open();
}

/* The words so far, with room for as many more. */
typedef struct Words {
    char **at;
    int count, room;
} Words;

static bool words_add(Words *words, const wchar_t *folder, int folder_size, const wchar_t *name)
{
    if (words->count + 1 >= words->room) {
        char **more = realloc(words->at, (size_t)(words->room * 2 + 16) * sizeof *more);
        if (!more) return false;
        words->at = more;
        words->room = words->room * 2 + 16;
    }
    const size_t most = 3 * ((size_t)folder_size + wcslen(name)) + 1;
    char *word = malloc(most);
    if (!word) return false;
    const int size =
        folder_size ? WideCharToMultiByte(CP_UTF8, 0, folder, folder_size, word, (int)most, NULL, NULL) : 0;
    WideCharToMultiByte(CP_UTF8, 0, name, -1, word + size, (int)most - size, NULL, NULL);
    words->at[words->count++] = word;
    words->at[words->count] = NULL;
    return true;
}

static int words_order(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* A word whose last name has * or ?: the files and folders that are meant, in order; itself when there are none. */
static bool words_expand(Words *words, const wchar_t *word)
{
    WIN32_FIND_DATAW entry;
    const int before = words->count;
    int folder = (int)wcslen(word); /* the size of its path */
    while (folder && !wide_is_separator(word[folder - 1]) && word[folder - 1] != L':') folder--;
    const bool pattern = *word != L'-' && wcspbrk(word + folder, L"*?") != NULL;
    const HANDLE search = pattern ? FindFirstFileW(word, &entry) : INVALID_HANDLE_VALUE;
    bool ok = true;
    for (bool more = search != INVALID_HANDLE_VALUE; more && ok; more = FindNextFileW(search, &entry))
        if (entry.cFileName[0] != L'.') ok = words_add(words, word, folder, entry.cFileName);
    if (search != INVALID_HANDLE_VALUE) FindClose(search);
    qsort(words->at + before, (size_t)(words->count - before), sizeof *words->at, words_order);
    return ok && (words->count > before || words_add(words, word, 0, word));
}

char **sys_arguments(int *argc, char **argv)
{
    Words words = {0};
    if (_configure_wide_argv(_crt_argv_unexpanded_arguments) != 0 || !__wargv) return argv;
    for (int i = 0; i < __argc; i++)
        if (!(i ? words_expand(&words, __wargv[i]) : words_add(&words, NULL, 0, __wargv[i]))) return argv;
    *argc = words.count;
    return words.at;
}

SysFile sys_stream_file(FILE *stream)
{
    const intptr_t file = _fileno(stream) < 0 ? -1 : _get_osfhandle(_fileno(stream));
    return file < 0 ? SYS_NO_FILE : file;
}

static bool unread_is_error;

void sys_unread_is_error(void) { unread_is_error = true; }

SysError sys_stream_flush(FILE *stream)
{
    static SysError first; /* later on errno is another call's */
    if (fflush(stream) == 0 && !ferror(stream)) return 0;
    if (first) return first;
    /* errno is the language's, _doserrno Windows' own, which a full disk does not set */
    first = errno == EPIPE    ? sys_unread
            : errno == ENOSPC ? ERROR_DISK_FULL
            : _doserrno       ? error_of_code(_doserrno)
            : errno == EBADF  ? ERROR_INVALID_HANDLE
                              : ERROR_WRITE_FAULT;
    if (first == sys_unread && !unread_is_error) process_end(128 + 13); /* as SIGPIPE does elsewhere */
    return first;
}

/* mingw's printf (its numbers are rounded as on other systems; Windows' own ones differ by version) writes byte by byte
 * into a stream without a buffer, as stderr is: a system's call for each, and torn characters. These stand in its place
 * when the program is linked. */
int __mingw_vfprintf(FILE *stream, const char *format, va_list arguments)
{
    char small_text[1024], *text = small_text;
    va_list again;
    va_copy(again, arguments);
    const int size = __mingw_vsnprintf(small_text, sizeof small_text, format, arguments);
    if (size >= (int)sizeof small_text) {
        text = malloc((size_t)size + 1);
        if (text) __mingw_vsnprintf(text, (size_t)size + 1, format, again);
    }
    va_end(again);
    const bool ok = text && size >= 0 && fwrite(text, 1, (size_t)size, stream) == (size_t)size;
    if (text != small_text) free(text);
    return ok ? size : -1;
}

int __mingw_fprintf(FILE *stream, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int size = __mingw_vfprintf(stream, format, arguments);
    va_end(arguments);
    return size;
}

int __mingw_printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int size = __mingw_vfprintf(stdout, format, arguments);
    va_end(arguments);
    return size;
}

/* Text in memory: the stream is a pipe, and a thread gathers what comes out of it. SysText's `at` holds this meanwhile.
 */
typedef struct Gathering {
    SysThread thread;
    SysFile from;
    char *at;
    size_t size, capacity;
    bool failed;
} Gathering;

static void gathering_run(void *context)
{
    Gathering *g = context;
    char drained[4096] = "";
    for (size_t got = 1; got;) {
        if (!g->failed && g->capacity - g->size < sizeof drained) {
            const size_t more = g->capacity * 2 + 2 * sizeof drained;
            char *at = realloc(g->at, more);
            g->failed = !at;
            if (at) g->at = at, g->capacity = more;
        }
        /* one byte is left for the 0 at the end; without memory the writer goes on all the same */
        char *to = g->failed ? drained : g->at + g->size;
        if (sys_read(g->from, to, sizeof drained - 1, &got)) g->failed = true, got = 0;
        if (!g->failed) g->size += got;
    }
    if (!g->failed) g->at[g->size] = 0;
}

bool sys_text_open(SysText *text)
{
    HANDLE from, to;
    *text = (SysText){0};
    Gathering *g = calloc(1, sizeof *g);
    if (!g || !CreatePipe(&from, &to, NULL, 1 << 16)) {
        free(g);
        return false;
    }
    g->from = (SysFile)from;
    const int fd = _open_osfhandle((intptr_t)to, _O_WRONLY | _O_BINARY);
    if (fd < 0)
        CloseHandle(to);
    else if (!(text->stream = _fdopen(fd, "wb")))
        _close(fd);
    if (text->stream && sys_thread_start(&g->thread, gathering_run, g)) {
        text->at = (char *)g;
        return true;
    }
    if (text->stream) fclose(text->stream);
    text->stream = NULL;
    CloseHandle(from);
    free(g);
    return false;
}

bool sys_text_close(SysText *text)
{
    Gathering *g = (Gathering *)(void *)text->at;
    const bool whole = !ferror(text->stream), ok = fclose(text->stream) == 0 && whole;
    sys_thread_join(&g->thread);
    CloseHandle(handle_of(g->from));
    const bool good = ok && !g->failed;
    *text = good ? (SysText){.at = g->at, .size = g->size} : (SysText){0};
    if (!good) free(g->at);
    free(g);
    return good;
}

unsigned sys_process_id(void) { return GetCurrentProcessId(); }
