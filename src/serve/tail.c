#include "state.h"

#include <stdlib.h>
#include <string.h>

/* results.jsonl, followed as it grows. All of it within server->room. */

static void tail_close(Tail *tail)
{
    free(tail->at);
    free(tail->ends);
    *tail = (Tail){.viewers = tail->viewers, .changes = tail->changes + 1};
}

static void tail_begin(Tail *tail, const SysInfo *info)
{
    tail->size = tail->lines = 0;
    tail->changes++;
    tail->volume = info->volume;
    tail->id[0] = info->id[0];
    tail->id[1] = info->id[1];
}

static void tail_index(Tail *tail, size_t from)
{
    for (const char *end; from < tail->size && (end = memchr(tail->at + from, '\n', tail->size - from));) {
        from = (size_t)(end - tail->at) + 1;
        if (tail->lines == tail->line_room) {
            tail->line_room = 2 * tail->line_room + 256;
            tail->ends = memory_need(tail->ends, tail->line_room * sizeof *tail->ends);
        }
        tail->ends[tail->lines++] = from;
    }
}

static size_t tail_whole(const Tail *tail) { return tail->lines ? tail->ends[tail->lines - 1] : 0; }

/* Whether a file still holds what was read last: one that is written anew where it is keeps its id. */
static bool tail_goes_on(const Tail *tail, SysFile file)
{
    enum { LAST = 256 };
    char there[LAST];
    const size_t size = tail->size < LAST ? tail->size : LAST;
    size_t got = 0;
    return !size || (!sys_read_at(file, tail->size - size, there, size, &got) && got == size &&
                     memcmp(there, tail->at + tail->size - size, size) == 0);
}

static void tail_read(Tail *tail, const char *path, const SysInfo *info)
{
    SysFile file;
    if (sys_open(path, SYS_READ, &file)) return;
    if (!tail_goes_on(tail, file)) tail_begin(tail, info);
    if (info->size > tail->room) {
        tail->room = info->size + info->size / 2 + 4096;
        tail->at = memory_need(tail->at, tail->room);
    }
    size_t got = 1;
    const size_t before = tail->size;
    while (tail->size < info->size && got &&
           !sys_read_at(file, tail->size, tail->at + tail->size, info->size - tail->size, &got))
        tail->size += got;
    sys_close(file, false);
    tail_index(tail, before);
}

/* Reads what is new. Whether there is a new line, or another file. */
static bool tail_poll(Server *s, const char *folder, Tail *tail)
{
    enum { LIMIT = 1 << 30 };
    char path[SYS_PATH_BYTES];
    SysInfo info;
    const size_t lines = tail->lines;
    const unsigned changes = tail->changes;
    if (snprintf(path, sizeof path, "%s/results.jsonl", folder) >= (int)sizeof path) return false;
    if (sys_info(path, &info) || info.kind != SYS_FILE || info.size > LIMIT) info = (SysInfo){0};
    bool other = info.volume != tail->volume || info.id[0] != tail->id[0] || info.id[1] != tail->id[1];
    if (other && info.kind == SYS_FILE && !path_in_folder(s, folder, "results.jsonl", path)) {
        info = (SysInfo){0};
        other = tail->size > 0;
    }
    if ((other && (tail->size || info.kind == SYS_FILE)) || info.size < tail->size) tail_begin(tail, &info);
    if (info.size > tail->size) tail_read(tail, path, &info);
    return tail->lines != lines || tail->changes != changes;
}

/* A folder that somebody looks at is followed; one that nobody has looked at for a while is forgotten. */
static void tail_want(Server *s, ServeFolder *f)
{
    f->tail.asked = clock_seconds();
    if (f->tail.open) return;
    f->tail.open = true;
    tail_poll(s, f->path, &f->tail);
}
