#include "files.h"

#include <string.h>

bool file_exists(const char *path)
{
    SysInfo info;
    return sys_info(path, &info) == 0;
}

/* Opens a regular file; of anything else a message says what it is. */
static bool file_open_regular(const char *path, SysFile *file, uint64_t *size, Err *err)
{
    SysInfo info;
    const SysError error = sys_open(path, SYS_READ, file);
    if (error)
        return fail(err, "%s: %s", path, error == sys_missing ? "the file does not exist" : sys_error_text(error));
    sys_file_info(*file, &info);
    *size = info.size;
    if (info.kind == SYS_FILE) return true;
    sys_close(*file, false);
    return fail(err, "%s: %s", path,
                info.kind == SYS_FOLDER ? "this is a folder, a file is needed" : "not a regular file");
}

bool file_read(Arena *arena, const char *path, size_t limit_bytes, Str *bytes, Err *err)
{
    uint64_t size;
    SysFile file;
    if (!file_open_regular(path, &file, &size, err)) return false;
    if (size > limit_bytes) {
        sys_close(file, false);
        return fail(err, "%s: %llu bytes; at most %zu are read", path, (unsigned long long)size, limit_bytes);
    }
    char *at = arena_alloc(arena, size + 1, 1);
    SysError error = 0;
    size_t used = 0;
    for (size_t got = 1; used < size && got && !error; used += got)
        error = sys_read(file, at + used, size - used, &got);
    sys_close(file, false);
    if (error) return fail(err, "%s: reading failed: %s", path, sys_error_text(error));
    at[used] = 0;
    *bytes = (Str){at, used};
    if (!file_kind_check(*bytes, path, err)) return false;
    return !str_ends_as(str(path), S(".zst")) ||
           (zstd_expand(arena, *bytes, limit_bytes, path, bytes, err) && file_kind_check(*bytes, path, err));
}

static void file_unmap(Str bytes)
{
    if (bytes.at) sys_unmap((void *)(uintptr_t)bytes.at, bytes.size);
}

/* Maps a whole file; of an empty one the address is null. */
static bool file_map(const char *path, Str *bytes, Err *err)
{
    uint64_t size;
    SysFile file;
    void *map = NULL;
    if (!file_open_regular(path, &file, &size, err)) return false;
    const SysError error = size ? sys_map(file, size, &map) : 0;
    sys_close(file, false);
    if (error) return fail(err, "%s: cannot be read: %s", path, sys_error_text(error));
    *bytes = (Str){map, size};
    if (file_kind_check(*bytes, path, err)) return true;
    file_unmap(*bytes);
    return false;
}

static bool file_fail_write(const char *path, SysError error, Err *err)
{
    return fail(err, "%s: cannot be written: %s", path, sys_error_text(error));
}

/* A file in the making: whatever goes wrong, its name never stands for half of it. */
typedef struct Draft {
    SysFile file;
    const char *path; /* kept, not copied */
    char temporary[SYS_PATH_BYTES];
} Draft;

static bool draft_open(Draft *draft, const char *path, Err *err)
{
    *draft = (Draft){.file = SYS_NO_FILE, .path = path};
    if (snprintf(draft->temporary, sizeof draft->temporary, "%s.%u.tmp", path, sys_process_id()) >=
        (int)sizeof draft->temporary)
        return fail(err, "%s: the name is too long", path);
    const SysError error = sys_open(draft->temporary, SYS_WRITE, &draft->file);
    return !error || file_fail_write(path, error, err);
}

static bool draft_write(Draft *draft, Str bytes, Err *err)
{
    const SysError error = sys_write(draft->file, bytes.at, bytes.size);
    return !error || file_fail_write(draft->path, error, err);
}

/* ok: all has been written, and the file takes its name; else it goes. Returns whether it has its name. */
static bool draft_close(Draft *draft, bool ok, Err *err)
{
    if (draft->file == SYS_NO_FILE) return false;
    if (!ok) {
        sys_discard(draft->file, draft->temporary);
        return false;
    }
    const SysError error = sys_publish(draft->file, draft->temporary, draft->path);
    return !error || file_fail_write(draft->path, error, err);
}

bool file_write_parts(const char *path, const Str *parts, size_t count, Err *err)
{
    Draft draft;
    bool ok = draft_open(&draft, path, err);
    for (size_t i = 0; i < count && ok; i++) ok = draft_write(&draft, parts[i], err);
    return draft_close(&draft, ok, err);
}

bool file_write(const char *path, Str bytes, Err *err) { return file_write_parts(path, &bytes, 1, err); }

bool folder_make(const char *path, Err *err)
{
    char failed[SYS_PATH_BYTES];
    SysInfo info;
    const size_t size = strlen(path);
    if (size == 0 || size >= sizeof failed) return fail(err, "%s: not a usable folder name", str_show(str(path)));
    SysError error = sys_folder_make(path, failed);
    if (error) return fail(err, "%s: cannot be made: %s", failed, sys_error_text(error));
    if (sys_info(path, &info) || info.kind != SYS_FOLDER)
        return fail(err, "%s: this is a file, a folder is needed", path);
    error = sys_folder_usable(path);
    return !error || file_fail_write(path, error, err);
}

const char *cache_folder(Arena *arena)
{
    char path[SYS_PATH_BYTES];
    Err ignored = {0};
    return sys_cache_folder(path) && folder_make(path, &ignored) ? arena_copy(arena, path, strlen(path)) : NULL;
}

/* The names that draft_open makes: NAME.PID.tmp. */
static bool draft_is_one(Str name)
{
    size_t digits = 0;
    if (!str_ends(name, S(".tmp"))) return false;
    name.size -= 4;
    while (digits < name.size && name.at[name.size - 1 - digits] >= '0' && name.at[name.size - 1 - digits] <= '9')
        digits++;
    return digits > 0 && digits < name.size && name.at[name.size - 1 - digits] == '.';
}

void remove_temporaries(const char *path)
{
    Arena scratch = {0};
    SysError ignored;
    SysFolder *folder = sys_folder_open(path, &ignored);
    for (const char *name; (name = sys_folder_next(folder));)
        if (draft_is_one(str(name))) sys_remove(arena_printf(&scratch, "%s/%s", path, name));
    sys_folder_close(folder);
    arena_free(&scratch);
}

bool lock_take(FileLock *lock, const char *path, bool *free, Err *err)
{
    *lock = (FileLock){.file = SYS_NO_FILE};
    const SysError error = sys_lock(path, &lock->file, free);
    if (error) return file_fail_write(path, error, err);
    if (*free) lock->path = path;
    return true;
}

void lock_release(FileLock *lock)
{
    if (!lock->path) return;
    sys_unlock(lock->file, lock->path);
    *lock = (FileLock){.file = SYS_NO_FILE};
}

bool log_open(Log *log, const char *path, Err *err)
{
    *log = (Log){SYS_NO_FILE, path};
    const SysError error = sys_open(path, SYS_APPEND, &log->file);
    return !error || file_fail_write(path, error, err);
}

bool log_append(Log *log, Str line, Err *err)
{
    /* The line and its end go out in one write, so that a reader (or a kill) never meets half of it in between. */
    char small[4096];
    SysInfo held, there;
    SysError error;
    if (sys_file_info(log->file, &held) || sys_info(log->path, &there) || !sys_same(&held, &there))
        return fail(err, "%s: cannot be written: the file was moved or removed in the meantime", log->path);
    const bool has_end = str_ends(line, S("\n"));
    if (line.size < sizeof small && !has_end) {
        memcpy(small, line.at, line.size);
        small[line.size] = '\n';
        error = sys_write(log->file, small, line.size + 1);
    } else {
        error = sys_write(log->file, line.at, line.size);
        if (!error && !has_end) error = sys_write(log->file, "\n", 1);
    }
    return !error || file_fail_write(log->path, error, err);
}

bool log_close(Log *log, Err *err)
{
    if (log->file == SYS_NO_FILE) return true;
    const SysError error = sys_close(log->file, true);
    log->file = SYS_NO_FILE;
    return !error || file_fail_write(log->path, error, err);
}
