#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>

#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#include <shellapi.h>

/* names that windows.h takes from everybody else */
#undef near
#undef far
#undef IN
#undef OUT
#undef ERROR

/* Windows 10 and later: paths, files, locks, folders. A SysFile is a HANDLE; windows_process.c has the rest. */

static HANDLE handle_of(SysFile file) { return (HANDLE)file; }

/* ---- errors ---- */

const SysError sys_missing = ERROR_FILE_NOT_FOUND;
const SysError sys_unread = ERROR_BROKEN_PIPE;

/* A system's number that stands for itself; several that mean the same become one. */
static SysError error_of_code(DWORD code)
{
    switch (code) {
    case ERROR_SUCCESS: return ERROR_GEN_FAILURE;
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_DRIVE:
    case ERROR_DELETE_PENDING: return ERROR_FILE_NOT_FOUND;
    case ERROR_NO_DATA:
    case ERROR_PIPE_NOT_CONNECTED: return ERROR_BROKEN_PIPE;
    case ERROR_HANDLE_DISK_FULL: return ERROR_DISK_FULL;
    default: return (SysError)code;
    }
}

static SysError error_last(void) { return error_of_code(GetLastError()); }

/* Of a call that returns other than 0 when it works. */
static SysError error_of(BOOL worked) { return worked ? 0 : error_last(); }

/* The frequent ones, as other systems say them; Windows has texts of its own in the user's language, not always in
 * English. */
static const struct {
    DWORD code;
    const char *text;
} error_texts[] = {
    {ERROR_FILE_NOT_FOUND, "No such file or directory"},
    {ERROR_ACCESS_DENIED, "Permission denied"},
    {ERROR_WRITE_PROTECT, "the disk is write-protected"},
    {ERROR_DISK_FULL, "No space left on device"},
    {ERROR_SHARING_VIOLATION, "another program has this file open; close it there, or wait for the virus scanner"},
    {ERROR_LOCK_VIOLATION, "another program has locked this file"},
    {ERROR_USER_MAPPED_FILE, "another program has this file open; close it there"},
    {ERROR_ALREADY_EXISTS, "File exists"},
    {ERROR_DIR_NOT_EMPTY, "Directory not empty"},
    {ERROR_DIRECTORY, "Not a directory"},
    {ERROR_INVALID_NAME, "Windows allows no such name (none of < > : \" | ? *, no dot or space at the end, not CON, "
                         "NUL, COM1 and their like)"},
    {ERROR_FILENAME_EXCED_RANGE, "File name too long"},
    {ERROR_BROKEN_PIPE, "Broken pipe"},
    {ERROR_NOT_ENOUGH_MEMORY, "Cannot allocate memory"},
    {ERROR_INVALID_HANDLE, "Bad file descriptor"},
};

const char *sys_error_text(SysError error)
{
    static char text[512];
    wchar_t wide[256];
    for (size_t i = 0; i < sizeof error_texts / sizeof *error_texts; i++)
        if (error_texts[i].code == (DWORD)error) return error_texts[i].text;
    const DWORD flags = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS,
                english = MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US);
    int size = (int)FormatMessageW(flags, NULL, (DWORD)error, english, wide, 256, NULL);
    if (!size) size = (int)FormatMessageW(flags, NULL, (DWORD)error, 0, wide, 256, NULL);
    size = size ? WideCharToMultiByte(CP_UTF8, 0, wide, size, text, sizeof text - 1, NULL, NULL) : 0;
    while (size && strchr("\r\n .", text[size - 1])) size--; /* the caller's line goes on */
    text[size] = 0;
    if (!size) snprintf(text, sizeof text, "Windows error %d", error);
    return text;
}

/* Virus scanners, indexers and backups open what has just been written, and hold it for a moment. Whether a call that
 * failed so is worth another try: it waits, longer each time, two seconds in all. */
static bool patience(SysError error, int *tries)
{
    enum { TRIES = 15, LONGEST_MS = 256 }; /* 1 + 2 + 4 + ... + 128 + 7 * 256 ms */
    if (error != ERROR_SHARING_VIOLATION && error != ERROR_LOCK_VIOLATION && error != ERROR_ACCESS_DENIED &&
        error != ERROR_USER_MAPPED_FILE)
        return false;
    if (*tries == TRIES || interrupted()) return false;
    Sleep(*tries < 8 ? 1u << *tries : LONGEST_MS);
    ++*tries;
    return true;
}

/* ---- paths ---- */

enum { WIDE_PATH = SYS_PATH_BYTES + 16 }; /* with "\\?\UNC\" before it */

bool sys_is_separator(char c) { return c == '/' || c == '\\'; }
bool sys_name_may_have(char c) { return (unsigned char)c >= ' ' && !strchr("<>:\"/\\|?*", c); }

static bool wide_is_separator(wchar_t c) { return c == L'/' || c == L'\\'; }

/* CON, NUL, COM1 and their like mean devices, in every folder, in any case, and with any ending. */
static bool name_is_device(const char *name, size_t size)
{
    static const char *const devices[] = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"};
    size_t base = 0;
    while (base < size && name[base] != '.') base++;
    while (base && name[base - 1] == ' ') base--;
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (base == strlen(devices[i]) && _strnicmp(name, devices[i], base) == 0) return true;
    const bool port = base > 3 && (_strnicmp(name, "COM", 3) == 0 || _strnicmp(name, "LPT", 3) == 0);
    if (port && base == 4) return name[3] >= '1' && name[3] <= '9';
    /* COM and a superscript 1, 2 or 3 */
    return port && base == 5 && name[3] == '\xc2' && (name[4] == '\xb9' || name[4] == '\xb2' || name[4] == '\xb3');
}

static bool name_is_usable(const char *name, size_t size)
{
    if (!size || (size == 1 && *name == '.') || (size == 2 && memcmp(name, "..", 2) == 0)) return true;
    for (size_t i = 0; i < size; i++)
        if (!sys_name_may_have(name[i])) return false;
    return name[size - 1] != '.' && name[size - 1] != ' ' && !name_is_device(name, size);
}

bool sys_name_is_usable(const char *name)
{
    return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && name_is_usable(name, strlen(name));
}

/* "C:" in front of a path: its size. */
static size_t path_drive(const char *path)
{
    const char letter = (char)(*path | 0x20);
    return letter >= 'a' && letter <= 'z' && path[1] == ':' ? 2 : 0;
}

/* "\\?\..." and "\\.\...": Windows takes them as they are. */
static bool path_is_raw(const char *path)
{
    return sys_is_separator(path[0]) && sys_is_separator(path[1]) && (path[2] == '?' || path[2] == '.') &&
           sys_is_separator(path[3]);
}

/* A path for Windows' calls: from the root and with "\\?\" before it, so that it may have more than 260 characters.
 * Names that Windows would silently change to others, or take for devices, are errors. */
static SysError path_wide(const char *path, wchar_t out[WIDE_PATH])
{
    wchar_t plain[SYS_PATH_BYTES];
    const bool raw = path_is_raw(path);
    if (!*path) return sys_missing;
    if (strlen(path) >= SYS_PATH_BYTES) return ERROR_FILENAME_EXCED_RANGE;
    for (const char *at = path + (raw ? strlen(path) : path_drive(path)); *at;) {
        size_t size = 0;
        while (at[size] && !sys_is_separator(at[size])) size++;
        if (!name_is_usable(at, size)) return ERROR_INVALID_NAME;
        at += size + (at[size] != 0);
    }
    if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, plain, SYS_PATH_BYTES)) return ERROR_INVALID_NAME;
    for (wchar_t *at = plain; *at; at++)
        if (*at == L'/') *at = L'\\';
    if (raw) {
        wcscpy(out, plain);
        return 0;
    }
    wchar_t *full = out + 8;
    DWORD size = GetFullPathNameW(plain, WIDE_PATH - 8, full, NULL);
    if (!size) return error_last();
    if (size >= WIDE_PATH - 8) return ERROR_FILENAME_EXCED_RANGE;
    while (size > 3 && wide_is_separator(full[size - 1])) full[--size] = 0;
    const bool shared = wide_is_separator(full[0]) && wide_is_separator(full[1]); /* \\server\share */
    const wchar_t *prefix = shared ? L"\\\\?\\UNC\\" : L"\\\\?\\";
    const size_t skip = shared ? 2 : 0;
    memmove(out + wcslen(prefix), full + skip, (size + 1 - skip) * sizeof *out);
    memcpy(out, prefix, wcslen(prefix) * sizeof *out);
    return 0;
}

/* The other way round: UTF-8, '/' between names, without "\\?\". */
static SysError path_utf8(const wchar_t *wide, char out[SYS_PATH_BYTES])
{
    const bool shared = wcsncmp(wide, L"\\\\?\\UNC\\", 8) == 0;
    if (shared)
        wide += 6; /* the second of the two separators follows */
    else if (wcsncmp(wide, L"\\\\?\\", 4) == 0)
        wide += 4;
    if (!WideCharToMultiByte(CP_UTF8, 0, wide, -1, out, SYS_PATH_BYTES, NULL, NULL)) return ERROR_FILENAME_EXCED_RANGE;
    if (shared) out[0] = out[1] == '\\' ? '/' : out[0];
    for (char *at = out; *at; at++)
        if (*at == '\\') *at = '/';
    return 0;
}

static SysError handle_open(const char *path, DWORD access, DWORD flags, HANDLE *file)
{
    wchar_t wide[WIDE_PATH];
    const SysError error = path_wide(path, wide);
    const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    *file = INVALID_HANDLE_VALUE;
    if (error) return error;
    *file = CreateFileW(wide, access, share, NULL, OPEN_EXISTING, flags | FILE_FLAG_BACKUP_SEMANTICS, NULL);
    return *file == INVALID_HANDLE_VALUE ? error_last() : 0;
}

SysError sys_path_real(const char *path, char out[SYS_PATH_BYTES])
{
    wchar_t wide[WIDE_PATH];
    HANDLE file;
    const SysError error = handle_open(path, 0, 0, &file);
    if (error) return error;
    const DWORD size = GetFinalPathNameByHandleW(file, wide, WIDE_PATH, FILE_NAME_NORMALIZED | VOLUME_NAME_DOS);
    CloseHandle(file);
    /* Some file systems in memory cannot say it. */
    return size && size < WIDE_PATH ? path_utf8(wide, out) : sys_path_whole(path, out);
}

SysError sys_path_whole(const char *path, char out[SYS_PATH_BYTES])
{
    wchar_t wide[WIDE_PATH];
    const SysError error = path_wide(path, wide);
    return error ? error : path_utf8(wide, out);
}

static const char *environment_path(const wchar_t *name, char out[SYS_PATH_BYTES])
{
    wchar_t wide[WIDE_PATH];
    const DWORD size = GetEnvironmentVariableW(name, wide, WIDE_PATH);
    return size && size < WIDE_PATH && !path_utf8(wide, out) ? out : NULL;
}

const char *sys_home(void)
{
    static char home[SYS_PATH_BYTES];
    return environment_path(L"USERPROFILE", home);
}

bool sys_cache_folder(char out[SYS_PATH_BYTES])
{
    char local[SYS_PATH_BYTES];
    const char *folder = environment_path(L"LOCALAPPDATA", local), *home = folder ? NULL : sys_home();
    if (!folder && !home) return false;
    const int size = folder ? snprintf(out, SYS_PATH_BYTES, "%s/lethe/cache", folder)
                            : snprintf(out, SYS_PATH_BYTES, "%s/AppData/Local/lethe/cache", home);
    return size < SYS_PATH_BYTES;
}

bool sys_program(char out[SYS_PATH_BYTES])
{
    wchar_t wide[WIDE_PATH];
    const DWORD size = GetModuleFileNameW(NULL, wide, WIDE_PATH);
    return size && size < WIDE_PATH && !path_utf8(wide, out);
}

/* ---- files ---- */

SysError sys_open(const char *path, SysOpen how, SysFile *file)
{
    static const struct {
        DWORD access, creation;
    } ways[] = {[SYS_READ] = {GENERIC_READ, OPEN_EXISTING},
                [SYS_READ_STREAM] = {GENERIC_READ, OPEN_EXISTING},
                [SYS_WRITE] = {GENERIC_WRITE, CREATE_ALWAYS},
                [SYS_APPEND] = {FILE_APPEND_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE, OPEN_ALWAYS}};
    /* Others may read, move and remove what is open here, as on other systems. A folder can be opened, to be told. */
    const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    wchar_t wide[WIDE_PATH];
    SysError error = path_wide(path, wide);
    *file = SYS_NO_FILE;
    for (int tries = 0; !error;) {
        *file = (SysFile)CreateFileW(wide, ways[how].access, share, NULL, ways[how].creation,
                                     FILE_ATTRIBUTE_NORMAL | FILE_FLAG_BACKUP_SEMANTICS, NULL);
        if (*file != SYS_NO_FILE) break;
        error = error_last();
        if (error == ERROR_SHARING_VIOLATION && patience(error, &tries)) error = 0;
    }
    return error;
}

static SysError console_read(HANDLE console, void *bytes, size_t size, size_t *got);
static bool handle_is_console(HANDLE file);
static void arrivals_end(SysFile file);

SysError sys_read(SysFile file, void *bytes, size_t size, size_t *got)
{
    const HANDLE handle = handle_of(file);
    DWORD count = 0;
    *got = 0;
    if (handle_is_console(handle)) return console_read(handle, bytes, size, got);
    if (!ReadFile(handle, bytes, size < 1 << 30 ? (DWORD)size : 1 << 30, &count, NULL)) {
        const DWORD code = GetLastError();
        return code == ERROR_BROKEN_PIPE || code == ERROR_HANDLE_EOF ? 0 : error_of_code(code);
    }
    *got = count;
    return 0;
}

SysError sys_read_at(SysFile file, uint64_t at, void *bytes, size_t size, size_t *got)
{
    OVERLAPPED place = {.Offset = (DWORD)at, .OffsetHigh = (DWORD)(at >> 32)};
    DWORD count = 0;
    *got = 0;
    if (!ReadFile(handle_of(file), bytes, size < 1 << 30 ? (DWORD)size : 1 << 30, &count, &place)) {
        const DWORD code = GetLastError();
        return code == ERROR_HANDLE_EOF ? 0 : error_of_code(code);
    }
    *got = count;
    return 0;
}

SysError sys_write(SysFile file, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size) {
        DWORD put = 0;
        if (!WriteFile(handle_of(file), at, size < 1 << 30 ? (DWORD)size : 1 << 30, &put, NULL)) return error_last();
        if (!put) return ERROR_WRITE_FAULT;
        at += put;
        size -= put;
    }
    return 0;
}

SysError sys_close(SysFile file, bool sync)
{
    SysError error = 0;
    arrivals_end(file);
    if (sync && GetFileType(handle_of(file)) == FILE_TYPE_DISK) error = error_of(FlushFileBuffers(handle_of(file)));
    if (!CloseHandle(handle_of(file)) && !error) error = error_last();
    return error;
}

/* A name that cannot be replaced, refused without a reason: who has it open, if somebody has? */
static SysError replace_error(const char *path, SysError error)
{
    HANDLE file;
    if (error != ERROR_ACCESS_DENIED) return error;
    const SysError reason = handle_open(path, DELETE, 0, &file);
    if (!reason) CloseHandle(file);
    return reason == ERROR_SHARING_VIOLATION ? reason : error;
}

static SysError path_move(const char *from, const char *to, DWORD flags)
{
    wchar_t wide_from[WIDE_PATH], wide_to[WIDE_PATH];
    SysError error = path_wide(from, wide_from);
    if (!error) error = path_wide(to, wide_to);
    for (int tries = 0; !error;) {
        if (MoveFileExW(wide_from, wide_to, flags | MOVEFILE_WRITE_THROUGH)) return 0;
        error = error_last();
        const DWORD there = GetFileAttributesW(wide_to);
        if (there != INVALID_FILE_ATTRIBUTES && there & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_READONLY)) break;
        if (patience(error, &tries)) error = 0;
    }
    return replace_error(to, error);
}

static SysError path_delete(const char *path)
{
    wchar_t wide[WIDE_PATH];
    SysError error = path_wide(path, wide);
    for (int tries = 0; !error;) {
        if (DeleteFileW(wide)) return 0;
        error = error_last();
        const DWORD there = GetFileAttributesW(wide);
        if (there != INVALID_FILE_ATTRIBUTES && there & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_READONLY)) break;
        if (patience(error, &tries)) error = 0;
    }
    return replace_error(path, error);
}

SysError sys_publish(SysFile file, const char *temporary, const char *path)
{
    SysError error = sys_close(file, true);
    if (!error) error = path_move(temporary, path, MOVEFILE_REPLACE_EXISTING);
    if (error) path_delete(temporary);
    return error;
}

void sys_discard(SysFile file, const char *temporary)
{
    CloseHandle(handle_of(file));
    path_delete(temporary);
}

SysError sys_remove(const char *path) { return path_delete(path); }

SysError sys_file_info(SysFile file, SysInfo *info)
{
    const HANDLE handle = handle_of(file);
    BY_HANDLE_FILE_INFORMATION plain;
    FILE_ID_INFO id;
    *info = (SysInfo){0};
    const DWORD type = GetFileType(handle);
    if (type == FILE_TYPE_UNKNOWN) return error_last();
    info->kind = SYS_OTHER;
    if (type != FILE_TYPE_DISK) return 0;
    if (!GetFileInformationByHandle(handle, &plain)) {
        *info = (SysInfo){0};
        return error_last();
    }
    info->kind = plain.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY ? SYS_FOLDER : SYS_FILE;
    info->size = (uint64_t)plain.nFileSizeHigh << 32 | plain.nFileSizeLow;
    info->volume = plain.dwVolumeSerialNumber;
    info->id[0] = (uint64_t)plain.nFileIndexHigh << 32 | plain.nFileIndexLow;
    if (GetFileInformationByHandleEx(handle, FileIdInfo, &id, sizeof id)) { /* 128 bits: ReFS needs them */
        info->volume = id.VolumeSerialNumber;
        memcpy(info->id, &id.FileId, sizeof info->id);
    }
    return 0;
}

SysError sys_info(const char *path, SysInfo *info)
{
    HANDLE file;
    *info = (SysInfo){0};
    SysError error = handle_open(path, FILE_READ_ATTRIBUTES, 0, &file);
    if (error) return error;
    error = sys_file_info((SysFile)file, info);
    CloseHandle(file);
    return error;
}

SysKind sys_kind(const char *path)
{
    FILE_ATTRIBUTE_TAG_INFO tag;
    HANDLE file;
    SysInfo info;
    if (handle_open(path, FILE_READ_ATTRIBUTES, FILE_FLAG_OPEN_REPARSE_POINT, &file)) return SYS_NOTHING;
    const bool link = GetFileInformationByHandleEx(file, FileAttributeTagInfo, &tag, sizeof tag) &&
                      tag.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT && IsReparseTagNameSurrogate(tag.ReparseTag);
    sys_file_info((SysFile)file, &info);
    CloseHandle(file);
    return link ? SYS_OTHER : info.kind; /* what a cloud service keeps elsewhere is a file */
}

bool sys_same(const SysInfo *a, const SysInfo *b)
{
    return (a->id[0] || a->id[1]) && a->volume == b->volume && a->id[0] == b->id[0] && a->id[1] == b->id[1];
}

SysError sys_map(SysFile file, size_t size, void **at)
{
    *at = NULL;
    if (file == SYS_NO_FILE) return ERROR_INVALID_HANDLE;
    const HANDLE mapping = CreateFileMappingW(handle_of(file), NULL, PAGE_READONLY, 0, 0, NULL);
    if (!mapping) return error_last();
    *at = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, size);
    const SysError error = *at ? 0 : error_last();
    CloseHandle(mapping);
    return error;
}

void sys_unmap(void *at, size_t size)
{
    (void)size;
    UnmapViewOfFile(at);
}

/* ---- locks ---- */

SysError sys_lock(const char *path, SysFile *lock, bool *free)
{
    const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    wchar_t wide[WIDE_PATH];
    SysError error = path_wide(path, wide);
    *free = false;
    *lock = SYS_NO_FILE;
    for (int tries = 0; !error;) {
        SysInfo held, there;
        OVERLAPPED all = {0};
        const HANDLE file = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE | DELETE, share, NULL, OPEN_ALWAYS,
                                        FILE_ATTRIBUTE_NORMAL, NULL);
        if (file == INVALID_HANDLE_VALUE) { /* also while the one who held it removes it */
            error = error_last();
            if (GetFileAttributesW(wide) == INVALID_FILE_ATTRIBUTES && error == sys_missing) break;
            if (patience(error, &tries)) error = 0;
            continue;
        }
        const bool taken = LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &all);
        const DWORD code = taken ? 0 : GetLastError();
        *free = taken || (code != ERROR_LOCK_VIOLATION && code != ERROR_IO_PENDING);
        /* The one who held it may have removed it in between: then what is locked is not what others will find. */
        if (*free && (sys_file_info((SysFile)file, &held) || sys_info(path, &there) || !sys_same(&held, &there))) {
            CloseHandle(file);
            *free = false;
            if (!patience(ERROR_SHARING_VIOLATION, &tries)) error = ERROR_SHARING_VIOLATION;
            continue;
        }
        if (*free)
            *lock = (SysFile)file;
        else
            CloseHandle(file);
        return 0;
    }
    return error;
}

void sys_unlock(SysFile lock, const char *path)
{
    FILE_DISPOSITION_INFO gone = {.DeleteFile = TRUE};
    (void)path; /* it may have come to mean another file */
    SetFileInformationByHandle(handle_of(lock), FileDispositionInfo, &gone, sizeof gone);
    CloseHandle(handle_of(lock));
}

/* ---- folders ---- */

/* Where the first folder's name begins: after "C:\", "\\server\share\" or "\". */
static size_t path_root(const char *path)
{
    size_t at = path_drive(path);
    if (!at && sys_is_separator(path[0]) && sys_is_separator(path[1])) {
        at = path_is_raw(path) ? 4 + path_drive(path + 4) : 2;
        for (int names = path_is_raw(path) ? 0 : 2; names && path[at]; names--) {
            while (path[at] && !sys_is_separator(path[at])) at++;
            at += path[at] != 0;
        }
    }
    while (sys_is_separator(path[at])) at++;
    return at;
}

SysError sys_folder_make(const char *path, char failed[SYS_PATH_BYTES])
{
    wchar_t wide[WIDE_PATH];
    const size_t size = strlen(path);
    snprintf(failed, SYS_PATH_BYTES, "%s", path);
    if (size >= SYS_PATH_BYTES) return ERROR_FILENAME_EXCED_RANGE;
    for (size_t i = path_root(path) + 1; i <= size; i++) {
        if (path[i] && !sys_is_separator(path[i])) continue;
        failed[i] = 0;
        SysError error = path_wide(failed, wide);
        if (!error && !CreateDirectoryW(wide, NULL)) error = error_last();
        /* A disk's own folder is refused in other words than one that exists. */
        if (error && error != ERROR_ALREADY_EXISTS && GetFileAttributesW(wide) == INVALID_FILE_ATTRIBUTES) return error;
        failed[i] = path[i];
    }
    return 0;
}

SysError sys_folder_usable(const char *path)
{
    char trial[SYS_PATH_BYTES];
    wchar_t wide[WIDE_PATH];
    if (snprintf(trial, sizeof trial, "%s/.%lu.tmp", path, GetCurrentProcessId()) >= (int)sizeof trial)
        return ERROR_FILENAME_EXCED_RANGE;
    const SysError error = path_wide(trial, wide);
    if (error) return error;
    const HANDLE file = CreateFileW(wide, GENERIC_WRITE | DELETE, FILE_SHARE_DELETE, NULL, CREATE_ALWAYS,
                                    FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, NULL);
    if (file == INVALID_HANDLE_VALUE) return error_last();
    CloseHandle(file);
    return 0;
}

SysError sys_folder_remove(const char *path)
{
    wchar_t wide[WIDE_PATH];
    const SysError error = path_wide(path, wide);
    return error ? error : error_of(RemoveDirectoryW(wide));
}

SysError sys_folder_move(const char *from, const char *to)
{
    if (sys_kind(from) == SYS_NOTHING) return sys_missing;
    const SysError error = sys_folder_remove(to); /* an empty one is replaced */
    return error && error != sys_missing ? error : path_move(from, to, 0);
}

struct SysFolder {
    HANDLE search; /* INVALID_HANDLE_VALUE: nothing is left */
    WIN32_FIND_DATAW entry;
    bool taken; /* the entry has been given out */
    char name[3 * MAX_PATH + 1];
};

SysFolder *sys_folder_open(const char *path, SysError *error)
{
    wchar_t wide[WIDE_PATH + 2];
    if ((*error = path_wide(path, wide))) return NULL;
    SysFolder *folder = calloc(1, sizeof *folder);
    if (!folder) {
        *error = ERROR_NOT_ENOUGH_MEMORY;
        return NULL;
    }
    const size_t size = wcslen(wide);
    wcscpy(wide + size, wide_is_separator(wide[size - 1]) ? L"*" : L"\\*");
    folder->search = FindFirstFileExW(wide, FindExInfoBasic, &folder->entry, FindExSearchNameMatch, NULL, 0);
    if (folder->search != INVALID_HANDLE_VALUE) return folder;
    *error = error_last();
    SysInfo info;
    if (*error == sys_missing && !sys_info(path, &info)) { /* an empty disk's own folder has not even "." */
        *error = info.kind == SYS_FOLDER ? 0 : ERROR_DIRECTORY;
        if (!*error) return folder;
    }
    free(folder);
    return NULL;
}

const char *sys_folder_next(SysFolder *folder)
{
    while (folder && folder->search != INVALID_HANDLE_VALUE) {
        if (folder->taken && !FindNextFileW(folder->search, &folder->entry)) return NULL;
        folder->taken = true;
        const wchar_t *name = folder->entry.cFileName;
        if (wcscmp(name, L".") == 0 || wcscmp(name, L"..") == 0) continue;
        if (WideCharToMultiByte(CP_UTF8, 0, name, -1, folder->name, sizeof folder->name, NULL, NULL))
            return folder->name;
    }
    return NULL;
}

void sys_folder_close(SysFolder *folder)
{
    if (folder && folder->search != INVALID_HANDLE_VALUE) FindClose(folder->search);
    free(folder);
}

bool sys_disk_free(const char *path, uint64_t *bytes)
{
    wchar_t wide[WIDE_PATH];
    ULARGE_INTEGER free_bytes;
    if (path_wide(path, wide) || !GetDiskFreeSpaceExW(wide, &free_bytes, NULL, NULL)) return false;
    *bytes = free_bytes.QuadPart;
    return true;
}
