#include "platform.h"

/* Windows: threads, processors, memory, Vulkan; signals and crashes; a child. */

/* ---- processors: Windows keeps more than 64 of them in groups ---- */

static uint64_t processors_mask(void)
{
    DWORD_PTR own = 0, all = 0;
    return GetProcessAffinityMask(GetCurrentProcess(), &own, &all) && own != all ? own : 0;
}

/* Several groups, and nobody has bound this process to some processors: its threads may be in all of them. */
static bool processors_grouped(void) { return GetActiveProcessorGroupCount() > 1 && !processors_mask(); }

/* Of `count`, those whose time a job leaves to this process, rounded up. */
static int processors_of_job(int count)
{
    JOBOBJECT_CPU_RATE_CONTROL_INFORMATION rate;
    const DWORD capped = JOB_OBJECT_CPU_RATE_CONTROL_ENABLE | JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP;
    if (!QueryInformationJobObject(NULL, JobObjectCpuRateControlInformation, &rate, sizeof rate, NULL) ||
        (rate.ControlFlags & capped) != capped || rate.CpuRate >= 10000)
        return count;
    const uint64_t all = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS), whole = (rate.CpuRate * all + 9999) / 10000;
    return whole < (uint64_t)count ? (int)whole : count;
}

int processors_available(void)
{
    const uint64_t mask = processors_mask();
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    int count = mask ? __builtin_popcountll(mask) : (int)system.dwNumberOfProcessors; /* of this group */
    if (processors_grouped()) count = (int)GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    count = processors_of_job(count);
    return count < 1 ? 1 : count;
}

/* The processor groups are filled one after another, and again from the first. The first place is the main thread's. */
static void thread_place(HANDLE thread)
{
    static volatile LONG started;
    const DWORD all = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    if (!processors_grouped() || !all) return;
    DWORD place = (DWORD)InterlockedIncrement(&started) % all;
    for (WORD group = 0; group < GetActiveProcessorGroupCount(); group++) {
        const DWORD count = GetActiveProcessorCount(group);
        const GROUP_AFFINITY affinity = {.Group = group, .Mask = count < 64 ? (1ull << count) - 1 : ~0ull};
        if (place < count) {
            SetThreadGroupAffinity(thread, &affinity, NULL);
            return;
        }
        place -= count;
    }
}

/* ---- threads ---- */

static DWORD WINAPI thread_body(void *argument)
{
    const SysThread *thread = argument;
    ULONG reserve = 1 << 14; /* so that a crash for want of stack can still be reported */
    SetThreadStackGuarantee(&reserve);
    thread->body(thread->context);
    return 0;
}

bool sys_thread_start(SysThread *thread, void (*body)(void *context), void *context)
{
    thread->body = body;
    thread->context = context;
    const HANDLE handle =
        CreateThread(NULL, SYS_STACK_BYTES, thread_body, thread, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    if (!handle) return false;
    thread_place(handle);
    thread->handle = (uintptr_t)handle;
    return true;
}

void sys_thread_join(SysThread *thread)
{
    WaitForSingleObject((HANDLE)thread->handle, INFINITE);
    CloseHandle((HANDLE)thread->handle);
}

void sys_thread_yield(void) { SwitchToThread(); }
void sys_sleep(int milliseconds) { Sleep((DWORD)milliseconds); }

void stack_run(void (*body)(void *context), void *context)
{
    ULONG_PTR low, high;
    SysThread thread;
    GetCurrentThreadStackLimits(&low, &high);
    if (high - low < SYS_STACK_BYTES && sys_thread_start(&thread, body, context))
        sys_thread_join(&thread);
    else
        body(context);
}

typedef struct WindowsMonitor {
    SRWLOCK lock;
    CONDITION_VARIABLE condition;
} WindowsMonitor;
_Static_assert(sizeof(WindowsMonitor) <= sizeof(SysMonitor), "the room for a monitor is large enough");

static WindowsMonitor *monitor_in(SysMonitor *monitor) { return (WindowsMonitor *)(void *)monitor->room; }

void sys_monitor_open(SysMonitor *monitor)
{
    InitializeSRWLock(&monitor_in(monitor)->lock);
    InitializeConditionVariable(&monitor_in(monitor)->condition);
}

void sys_monitor_enter(SysMonitor *monitor) { AcquireSRWLockExclusive(&monitor_in(monitor)->lock); }
void sys_monitor_leave(SysMonitor *monitor) { ReleaseSRWLockExclusive(&monitor_in(monitor)->lock); }
void sys_monitor_wake(SysMonitor *monitor) { WakeAllConditionVariable(&monitor_in(monitor)->condition); }
void sys_monitor_wait(SysMonitor *monitor)
{
    SleepConditionVariableSRW(&monitor_in(monitor)->condition, &monitor_in(monitor)->lock, INFINITE, 0);
}

/* ---- memory, the clock, Vulkan ---- */

static uint64_t least_of(uint64_t a, uint64_t b) { return a < b ? a : b; }

uint64_t memory_available_bytes(void)
{
    MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION job;
    PROCESS_MEMORY_COUNTERS_EX used = {0};
    uint64_t least = UINT64_MAX, limit = UINT64_MAX;
    if (GlobalMemoryStatusEx(&memory))
        least = least_of(memory.ullAvailPhys, least_of(memory.ullAvailPageFile, memory.ullAvailVirtual));
    if (!QueryInformationJobObject(NULL, JobObjectExtendedLimitInformation, &job, sizeof job, NULL)) return least;
    if (job.BasicLimitInformation.LimitFlags & JOB_OBJECT_LIMIT_PROCESS_MEMORY) limit = job.ProcessMemoryLimit;
    if (job.BasicLimitInformation.LimitFlags & JOB_OBJECT_LIMIT_JOB_MEMORY) limit = least_of(limit, job.JobMemoryLimit);
    GetProcessMemoryInfo(GetCurrentProcess(), (PROCESS_MEMORY_COUNTERS *)&used, sizeof used);
    return limit == UINT64_MAX ? least : least_of(least, limit > used.PrivateUsage ? limit - used.PrivateUsage : 0);
}

uint64_t memory_peak_bytes(void)
{
    PROCESS_MEMORY_COUNTERS used = {0};
    return GetProcessMemoryInfo(GetCurrentProcess(), &used, sizeof used) ? used.PeakWorkingSetSize : 0;
}

void memory_want_huge_pages(void *at, size_t size) /* they need a privilege that users do not have */
{
    (void)at;
    (void)size;
}

void memory_want_small_pages(void *at, size_t size)
{
    (void)at;
    (void)size;
}

double clock_seconds(void)
{
    LARGE_INTEGER ticks, a_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&a_second);
    return (double)ticks.QuadPart / (double)a_second.QuadPart;
}

SysCall sys_vulkan(const char **missing)
{
    *missing = "no Vulkan loader (vulkan-1.dll) on this machine; it comes with the graphics driver";
    const HMODULE library = LoadLibraryExW(L"vulkan-1.dll", NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
    return library ? (SysCall)(void (*)(void))GetProcAddress(library, "vkGetInstanceProcAddr") : NULL;
}

/* ---- signals and crashes ---- */

static volatile LONG interrupt_flag;

/* On a thread of its own. When the console closes, or the user logs off, Windows ends the process once this returns, or
 * some seconds later: as long as it waits, what runs can save. */
static BOOL WINAPI interrupt_handle(DWORD event)
{
    const bool asks = event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT;
    if (InterlockedExchange(&interrupt_flag, 1) && asks) process_end(128 + SIGINT);
    if (!asks) Sleep(INFINITE);
    return TRUE;
}

/* A process without this console hears no Ctrl-C of it: it is asked by an event that has its number in its name. */
static void interrupt_event_name(DWORD process, wchar_t name[48])
{
    _snwprintf(name, 48, L"Local\\lethe-interrupt-%lu", (unsigned long)process);
}

static void CALLBACK interrupt_asked(void *context, BOOLEAN timed_out)
{
    (void)context;
    if (!timed_out) interrupt_handle(CTRL_C_EVENT);
}

void interrupt_install(void)
{
    wchar_t name[48];
    HANDLE waits;
    interrupt_event_name(GetCurrentProcessId(), name);
    const HANDLE asked = CreateEventW(NULL, FALSE, FALSE, name); /* both live as long as the process */
    if (asked) RegisterWaitForSingleObject(&waits, asked, interrupt_asked, NULL, INFINITE, WT_EXECUTEDEFAULT);
    SetConsoleCtrlHandler(interrupt_handle, TRUE);
    SetConsoleCtrlHandler(NULL, FALSE); /* a child is started without Ctrl-C, until it listens */
}

bool interrupted(void) { return interrupt_flag != 0; }

static char crash_line[512];
static LPTOP_LEVEL_EXCEPTION_FILTER crash_before;
static void(__cdecl *crash_abort_before)(int);
static bool crash_is_watched; /* by the parent of this child, which reports it */

static LONG WINAPI crash_handle(EXCEPTION_POINTERS *what)
{
    DWORD put;
    (void)what;
    WriteFile(GetStdHandle(STD_ERROR_HANDLE), crash_line, (DWORD)strlen(crash_line), &put, NULL);
    process_end(EXIT_FAILURE);
}

static void __cdecl crash_abort(int signal_number)
{
    (void)signal_number;
    crash_handle(NULL);
}

void crash_says(const char *line)
{
    if (crash_is_watched) return;
    if (line) snprintf(crash_line, sizeof crash_line, "lethe: %s\n", line);
    if (line) {
        crash_before = SetUnhandledExceptionFilter(crash_handle);
        crash_abort_before = signal(SIGABRT, crash_abort);
    } else {
        SetUnhandledExceptionFilter(crash_before);
        signal(SIGABRT, crash_abort_before);
    }
}

/* ---- a child ---- */

static const char child_mark[8] = "begins:"; /* a child that ends before has never been this program at work */

/* A command line from which Windows' own rules make the same words again. Every word is in quotation marks: backslashes
 * in front of one count double. */
static wchar_t *command_line(const char *const *words)
{
    size_t most = 16;
    for (size_t i = 0; words[i]; i++) most += 2 * strlen(words[i]) + 3;
    wchar_t *line = malloc(most * sizeof *line), *word = malloc(most * sizeof *word), *to = line;
    if (!line || !word) {
        free(line);
        free(word);
        return NULL;
    }
    wcscpy(line, L"lethe");
    to += wcslen(line);
    for (size_t i = 0; words[i]; i++) {
        size_t slashes = 0;
        if (!MultiByteToWideChar(CP_UTF8, 0, words[i], -1, word, (int)most)) *word = 0;
        *to++ = L' ';
        *to++ = L'"';
        for (const wchar_t *from = word; *from; from++) {
            for (size_t k = 0; *from == L'"' && k < slashes + 1; k++) *to++ = L'\\';
            slashes = *from == L'\\' ? slashes + 1 : 0;
            *to++ = *from;
        }
        for (size_t k = 0; k < slashes; k++) *to++ = L'\\';
        *to++ = L'"';
    }
    *to = 0;
    free(word);
    return line;
}

/* The child's streams are these; it inherits them and nothing else of this process. */
static bool child_create(wchar_t *line, HANDLE input, HANDLE output, HANDLE errors, DWORD more,
                         PROCESS_INFORMATION *child)
{
    static wchar_t program[WIDE_PATH];
    HANDLE handed[] = {input, output, errors};
    const SIZE_T handed_bytes = errors == input ? 2 * sizeof *handed : sizeof handed; /* none of them twice */
    SIZE_T size = 0;
    STARTUPINFOEXW start = {.StartupInfo = {.cb = sizeof start,
                                            .dwFlags = STARTF_USESTDHANDLES,
                                            .hStdInput = input,
                                            .hStdOutput = output,
                                            .hStdError = errors}};
    const DWORD length = GetModuleFileNameW(NULL, program, WIDE_PATH);
    if (!length || length == WIDE_PATH) return false;
    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    start.lpAttributeList = malloc(size);
    if (!start.lpAttributeList || !InitializeProcThreadAttributeList(start.lpAttributeList, 1, 0, &size)) {
        free(start.lpAttributeList);
        return false;
    }
    /* No window of its own; and Ctrl-C waits until the child listens to it. */
    const DWORD flags = EXTENDED_STARTUPINFO_PRESENT | CREATE_NEW_PROCESS_GROUP | more;
    const bool ok = UpdateProcThreadAttribute(start.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handed,
                                              handed_bytes, NULL, NULL) &&
                    CreateProcessW(program, line, NULL, NULL, TRUE, flags, NULL, NULL, &start.StartupInfo, child);
    DeleteProcThreadAttributeList(start.lpAttributeList);
    free(start.lpAttributeList);
    return ok;
}

/* *from: where its answer can be read. */
static bool child_start(const char *const *words, HANDLE *from, PROCESS_INFORMATION *child)
{
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    HANDLE to = NULL;
    wchar_t *line = command_line(words);
    const HANDLE nowhere = CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                                       &inherited, OPEN_EXISTING, 0, NULL);
    bool ok = line && nowhere != INVALID_HANDLE_VALUE && CreatePipe(from, &to, NULL, 0);
    if (ok) {
        ok = SetHandleInformation(to, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) &&
             child_create(line, nowhere, to, nowhere, console.there ? 0 : CREATE_NO_WINDOW, child);
        CloseHandle(to);
        if (!ok) CloseHandle(*from);
    }
    if (nowhere != INVALID_HANDLE_VALUE) CloseHandle(nowhere);
    free(line);
    return ok;
}

static void child_ended(DWORD code, char ended[64])
{
    static const struct {
        DWORD code;
        const char *text;
    } causes[] = {{EXCEPTION_ACCESS_VIOLATION, "access violation"},
                  {EXCEPTION_ILLEGAL_INSTRUCTION, "illegal instruction"},
                  {EXCEPTION_INT_DIVIDE_BY_ZERO, "division by zero"},
                  {EXCEPTION_STACK_OVERFLOW, "stack overflow"},
                  {EXCEPTION_IN_PAGE_ERROR, "page error"},
                  {(DWORD)STATUS_CONTROL_C_EXIT, "Ctrl-C"},
                  {0xc0000374, "heap corruption"},
                  {0xc0000409, "stack overrun or abort"}};
    snprintf(ended, 64, "it ended the process");
    if (code >= 0xc0000000) snprintf(ended, 64, "exception 0x%08lx", code);
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (causes[i].code == code) snprintf(ended, 64, "%s", causes[i].text);
}

SysChild sys_child_run(const char *const *words, void *answer, size_t size, char ended[64])
{
    PROCESS_INFORMATION child;
    HANDLE from;
    DWORD code = 0;
    const size_t all = sizeof child_mark + size;
    char *bytes = malloc(all);
    if (!bytes || !child_start(words, &from, &child)) {
        free(bytes);
        return SYS_CHILD_NONE;
    }
    size_t count = 0, got = 1;
    while (got && count < all && !sys_read((SysFile)from, bytes + count, all - count, &got)) count += got;
    CloseHandle(from);
    WaitForSingleObject(child.hProcess, INFINITE);
    GetExitCodeProcess(child.hProcess, &code);
    CloseHandle(child.hProcess);
    CloseHandle(child.hThread);
    const bool begun = count >= sizeof child_mark && memcmp(bytes, child_mark, sizeof child_mark) == 0;
    if (begun && count == all)
        memcpy(answer, bytes + sizeof child_mark, size);
    else
        child_ended(code, ended);
    free(bytes);
    return !begun ? SYS_CHILD_NONE : count == all ? SYS_CHILD_ANSWERED : SYS_CHILD_DIED;
}

SysFile sys_child_begin(void)
{
    HANDLE to = INVALID_HANDLE_VALUE;
    const HANDLE process = GetCurrentProcess();
    DuplicateHandle(process, GetStdHandle(STD_OUTPUT_HANDLE), process, &to, 0, FALSE, DUPLICATE_SAME_ACCESS);
    const int nowhere = _open("NUL", _O_WRONLY | _O_BINARY);
    if (nowhere >= 0) {
        _dup2(nowhere, 1);
        _close(nowhere);
    }
    SetErrorMode(SetErrorMode(0) | SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
    _set_abort_behavior(0, _WRITE_ABORT_MSG | _CALL_REPORTFAULT);
    crash_is_watched = true;
    sys_write((SysFile)to, child_mark, sizeof child_mark);
    return (SysFile)to;
}

_Noreturn void sys_child_answer(SysFile to, const void *answer, size_t size)
{
    const bool ok = !sys_write(to, answer, size);
    process_end(ok ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- a process of its own ---- */

static HANDLE process_stream(const char *path)
{
    wchar_t wide[WIDE_PATH];
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    if (!path)
        return CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0,
                           NULL);
    if (path_wide(path, wide)) return INVALID_HANDLE_VALUE;
    return CreateFileW(wide, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, &inherited,
                       CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
}

/* A console that nobody sees is its own: what happens to this one does not reach it. */
SysError sys_process_start(const char *const *words, const char *out, const char *errors, SysProcess *process)
{
    PROCESS_INFORMATION child;
    wchar_t *line = command_line(words);
    HANDLE streams[] = {process_stream(NULL), process_stream(out), process_stream(errors)};
    SysError error = 0;
    *process = (SysProcess){0};
    for (int i = 0; i < 3; i++)
        if (streams[i] == INVALID_HANDLE_VALUE) error = error_last();
    if (!line) error = ERROR_NOT_ENOUGH_MEMORY;
    if (!error && !child_create(line, streams[0], streams[1], streams[2], CREATE_NO_WINDOW, &child))
        error = error_last();
    for (int i = 0; i < 3; i++)
        if (streams[i] != INVALID_HANDLE_VALUE) CloseHandle(streams[i]);
    free(line);
    if (error) return error;
    CloseHandle(child.hThread);
    *process = (SysProcess){(intptr_t)child.hProcess, child.dwProcessId};
    return 0;
}

bool sys_process_ended(SysProcess *process, int *code)
{
    DWORD ended = 0;
    if (!process->id || WaitForSingleObject((HANDLE)process->handle, 0) != WAIT_OBJECT_0) return !process->id;
    GetExitCodeProcess((HANDLE)process->handle, &ended);
    *code = (int)ended;
    sys_process_leave(process);
    return true;
}

void sys_process_interrupt(const SysProcess *process)
{
    wchar_t name[48];
    interrupt_event_name(process->id, name);
    /* it may just have been started, and not listen yet */
    for (int tries = 0; process->id && tries < 40; tries++) {
        const HANDLE asked = OpenEventW(EVENT_MODIFY_STATE, FALSE, name);
        if (asked) {
            SetEvent(asked);
            CloseHandle(asked);
            return;
        }
        if (WaitForSingleObject((HANDLE)process->handle, 50) == WAIT_OBJECT_0) return;
    }
}

void sys_process_leave(SysProcess *process)
{
    if (process->id) CloseHandle((HANDLE)process->handle);
    *process = (SysProcess){0};
}

void sys_process_yield(const SysProcess *process)
{
    if (process->id) SetPriorityClass((HANDLE)process->handle, BELOW_NORMAL_PRIORITY_CLASS);
}

/* ---- the desktop ---- */

bool sys_browse(const char *address)
{
    wchar_t wide[512];
    return MultiByteToWideChar(CP_UTF8, 0, address, -1, wide, 512) > 0 &&
           (INT_PTR)ShellExecuteW(NULL, L"open", wide, NULL, NULL, SW_SHOWNORMAL) > 32;
}

/* A console that was made for this process alone. */
bool sys_started_by_click(void)
{
    DWORD all[2];
    return console.there && GetConsoleProcessList(all, 2) == 1 && terminal_is(stdin) && terminal_is(stdout);
}

BOOLEAN NTAPI SystemFunction036(void *bytes, ULONG size); /* RtlGenRandom, by the name that it has in its library */
bool sys_random(void *bytes, size_t size) { return SystemFunction036(bytes, (ULONG)size); }
