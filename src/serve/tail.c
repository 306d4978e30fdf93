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

/* Reads what is new. Whether there is a new line, or another file. */
static bool tail_poll(const char *folder, Tail *tail)
{
    enum { LIMIT = 1 << 30 };
    char path[SYS_PATH_BYTES];
    SysInfo info;
    SysFile file;
    const size_t lines = tail->lines;
    const unsigned changes = tail->changes;
    if (snprintf(path, sizeof path, "%s/results.jsonl", folder) >= (int)sizeof path) return false;
    if (sys_info(path, &info) || info.kind != SYS_FILE || info.size > LIMIT) info = (SysInfo){0};
    const bool other = info.volume != tail->volume || info.id[0] != tail->id[0] || info.id[1] != tail->id[1];
    if ((other && (tail->size || info.kind == SYS_FILE)) || info.size < tail->size) tail_begin(tail, &info);
    if (info.size > tail->size && !sys_open(path, SYS_READ, &file)) {
        if (info.size > tail->room) {
            tail->room = info.size + info.size / 2 + 4096;
            tail->at = memory_need(tail->at, tail->room);
        }
        size_t got = 1;
        const size_t before = tail->size;
        while (tail->size < info.size && got &&
               !sys_read_at(file, tail->size, tail->at + tail->size, info.size - tail->size, &got))
            tail->size += got;
        sys_close(file, false);
        tail_index(tail, before);
    }
    return tail->lines != lines || tail->changes != changes;
}

/* A folder that somebody looks at is followed; one that nobody has looked at for a while is forgotten. */
static void tail_want(ServeFolder *f)
{
    f->tail.asked = clock_seconds();
    if (f->tail.open) return;
    f->tail.open = true;
    tail_poll(f->path, &f->tail);
}
