#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A regular file's descriptor and size, or -1 with a message. */
static int file_open_regular(const char *path, uint64_t *size, Err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0) {
        fail(err, "%s: %s", path, errno == ENOENT ? "the file does not exist" : strerror(errno));
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        fail(err, "%s: %s", path, S_ISDIR(st.st_mode) ? "this is a folder, a file is needed" : "not a regular file");
        close(fd);
        return -1;
    }
    *size = (uint64_t)st.st_size;
    return fd;
}

bool file_read(Arena *arena, const char *path, size_t limit_bytes, Str *bytes, Err *err)
{
    uint64_t size;
    int fd = file_open_regular(path, &size, err);
    if (fd < 0) return false;
    if (size > limit_bytes) {
        close(fd);
        return fail(err, "%s: %llu bytes; at most %zu are read", path, (unsigned long long)size, limit_bytes);
    }
    char *at = arena_alloc(arena, size + 1, 1);
    size_t used = 0;
    ssize_t got = 0;
    while (used < size && (got = read(fd, at + used, size - used)) > 0) used += (size_t)got;
    int code = errno;
    close(fd);
    if (got < 0) return fail(err, "%s: reading failed: %s", path, strerror(code));
    at[used] = 0;
    *bytes = (Str){at, used};
    if (!file_kind_check(*bytes, path, err)) return false;
    return !str_ends_as(str(path), S(".zst")) ||
           (zstd_expand(arena, *bytes, limit_bytes, path, bytes, err) && file_kind_check(*bytes, path, err));
}

bool file_write_all(int fd, Str bytes)
{
    while (bytes.size) {
        ssize_t put = write(fd, bytes.at, bytes.size);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        bytes.at += put;
        bytes.size -= (size_t)put;
    }
    return true;
}

/* Maps a whole file; of an empty one the address is null. */
static bool file_map(const char *path, Str *bytes, Err *err)
{
    uint64_t size;
    int fd = file_open_regular(path, &size, err);
    if (fd < 0) return false;
    void *map = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    int code = errno;
    close(fd);
    if (map == MAP_FAILED) return fail(err, "%s: cannot be read: %s", path, strerror(code));
    *bytes = (Str){map, size};
    if (file_kind_check(*bytes, path, err)) return true;
    if (map) munmap(map, size);
    return false;
}

static void file_sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    int fd = open(*folder ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)!fsync(fd); /* not every file system can; the rename itself is atomic all the same */
    close(fd);
}

/* A file in the making: whatever goes wrong, its name never stands for half of it. */
typedef struct Draft {
    int fd;
    const char *path; /* kept, not copied */
    char temporary[PATH_MAX];
} Draft;

static bool draft_open(Draft *draft, const char *path, Err *err)
{
    *draft = (Draft){.fd = -1, .path = path};
    if (snprintf(draft->temporary, sizeof draft->temporary, "%s.%d.tmp", path, (int)getpid()) >=
        (int)sizeof draft->temporary)
        return fail(err, "%s: the name is too long", path);
    draft->fd = open(draft->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return draft->fd >= 0 || fail(err, "%s: cannot be written: %s", path, strerror(errno));
}

static bool draft_write(Draft *draft, Str bytes, Err *err)
{
    return file_write_all(draft->fd, bytes) || fail(err, "%s: cannot be written: %s", draft->path, strerror(errno));
}

/* ok: all has been written, and the file takes its name; else it goes. Returns whether it has its name. */
static bool draft_close(Draft *draft, bool ok, Err *err)
{
    if (draft->fd < 0) return false;
    bool done = ok && fsync(draft->fd) == 0;
    int code = errno;
    if (close(draft->fd) != 0 && done) done = false, code = errno;
    if (done && rename(draft->temporary, draft->path) != 0) done = false, code = errno;
    if (!done) {
        unlink(draft->temporary);
        return ok ? fail(err, "%s: cannot be written: %s", draft->path, strerror(code)) : false;
    }
    file_sync_folder(draft->path);
    return true;
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
    char part[PATH_MAX];
    size_t size = strlen(path);
    struct stat st;
    if (size == 0 || size >= sizeof part) return fail(err, "%s: not a usable folder name", str_show(str(path)));
    memcpy(part, path, size + 1);
    for (size_t i = 1; i <= size; i++) {
        if (part[i] != '/' && part[i] != 0) continue;
        part[i] = 0;
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return fail(err, "%s: cannot be made: %s", part, strerror(errno));
        part[i] = path[i];
    }
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) return fail(err, "%s: this is a file, a folder is needed", path);
    if (access(path, W_OK | X_OK) != 0) return fail(err, "%s: cannot be written: %s", path, strerror(errno));
    return true;
}

const char *cache_folder(Arena *arena)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME"), *path = NULL;
    Err ignored = {0};
    if (cache && cache[0] == '/')
        path = arena_printf(arena, "%s/lethe", cache);
    else if (home && home[0] == '/')
        path = arena_printf(arena, "%s/.cache/lethe", home);
    return path && folder_make(path, &ignored) ? path : NULL;
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

void folder_sweep(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (draft_is_one(str(entry->d_name))) unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder) closedir(folder);
}

bool lock_take(FileLock *lock, const char *path, bool *free, Err *err)
{
    *lock = (FileLock){.fd = -1};
    for (;;) {
        struct stat held, there;
        const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0) return fail(err, "%s: cannot be written: %s", path, strerror(errno));
        *free = flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
        /* The one who held it may have removed it in between: then what is locked is not what others will find. */
        if (*free && (fstat(fd, &held) != 0 || stat(path, &there) != 0 || held.st_ino != there.st_ino)) {
            close(fd);
            continue;
        }
        if (*free)
            *lock = (FileLock){fd, path};
        else
            close(fd);
        return true;
    }
}

void lock_release(FileLock *lock)
{
    if (!lock->path) return;
    unlink(lock->path); /* while it is held: nobody else's is removed */
    close(lock->fd);
    *lock = (FileLock){.fd = -1};
}

bool log_open(Log *log, const char *path, Err *err)
{
    *log = (Log){open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666), path};
    return log->fd >= 0 || fail(err, "%s: cannot be written: %s", path, strerror(errno));
}

bool log_append(Log *log, Str line, Err *err)
{
    /* The line and its end go out in one write, so that a reader (or a kill) never meets half of it in between. */
    char small[4096];
    struct stat held, there;
    bool ok;
    if (fstat(log->fd, &held) != 0 || stat(log->path, &there) != 0 || held.st_ino != there.st_ino)
        return fail(err, "%s: cannot be written: the file was moved or removed in the meantime", log->path);
    if (line.size < sizeof small && !str_ends(line, S("\n"))) {
        memcpy(small, line.at, line.size);
        small[line.size] = '\n';
        ok = file_write_all(log->fd, (Str){small, line.size + 1});
    } else {
        ok = file_write_all(log->fd, line) && (str_ends(line, S("\n")) || file_write_all(log->fd, S("\n")));
    }
    return ok || fail(err, "%s: cannot be written: %s", log->path, strerror(errno));
}

bool log_close(Log *log, Err *err)
{
    if (log->fd < 0) return true;
    bool ok = fsync(log->fd) == 0 || errno == EINVAL || errno == EROFS;
    int code = errno;
    if (close(log->fd) != 0 && ok) ok = false, code = errno;
    log->fd = -1;
    return ok || fail(err, "%s: cannot be written: %s", log->path, strerror(code));
}
