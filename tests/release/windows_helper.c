/* What windows.sh needs of a second program on Windows:
 *   helper until FILE MILLISECONDS PROGRAM WORD...   starts PROGRAM in this console, waits until FILE exists and so
 * long after it, sends Ctrl-C, and returns what the program returns helper hold FILE PROGRAM WORD...   has FILE open,
 * as a virus scanner does, while the program runs (Wine knows neither Ctrl-Break nor a console's window that closes.)
 */
#include <corecrt_startup.h>
#include <stdio.h>
#include <stdlib.h>
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

static PROCESS_INFORMATION start(wchar_t **words)
{
    static wchar_t line[32768];
    STARTUPINFOW info = {.cb = sizeof info};
    PROCESS_INFORMATION process;
    for (size_t at = 0; *words; words++) {
        if (at + wcslen(*words) + 4 > sizeof line / sizeof *line) exit(125);
        at += (size_t)swprintf(line + at, sizeof line / sizeof *line - at, L"\"%ls\" ", *words);
    }
    if (!CreateProcessW(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &info, &process)) {
        fprintf(stderr, "helper: the program cannot be started (%lu)\n", GetLastError());
        exit(126);
    }
    return process;
}

static int finish(PROCESS_INFORMATION process)
{
    DWORD code = 127;
    if (WaitForSingleObject(process.hProcess, 120000) == WAIT_OBJECT_0) GetExitCodeProcess(process.hProcess, &code);
    return (int)code;
}

static BOOL WINAPI stay(DWORD event) { return event == CTRL_C_EVENT; }

int main(void)
{
    if (_configure_wide_argv(_crt_argv_unexpanded_arguments) != 0) return 121;
    const int argc = __argc;
    wchar_t **argv = __wargv;
    if (argc > 3 && wcscmp(argv[1], L"hold") == 0) {
        const HANDLE file =
            CreateFileW(argv[2], GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
        return file == INVALID_HANDLE_VALUE ? 125 : finish(start(argv + 3));
    }
    if (argc < 5 || wcscmp(argv[1], L"until") != 0) return 124;
    FreeConsole(); /* Ctrl-C goes to all in a console: one of our own */
    if (!AllocConsole()) return 123;
    SetConsoleCtrlHandler(stay, TRUE);
    const PROCESS_INFORMATION process = start(argv + 4);
    for (int i = 0; GetFileAttributesW(argv[2]) == INVALID_FILE_ATTRIBUTES && i < 60000; i += 10)
        if (WaitForSingleObject(process.hProcess, 10) == WAIT_OBJECT_0) break;
    Sleep((DWORD)_wtoi(argv[3]));
    if (!GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0)) return 122;
    return finish(process);
}
