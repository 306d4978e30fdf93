#include "state.h"

#include <stdlib.h>
#include <string.h>

/* Server-sent events: the lines of results.jsonl as they are, and what the server knows beside them. */

/* What a viewer has been sent. */
typedef struct Stream {
    ServeFolder *folder;
    size_t line; /* lines sent */
    unsigned changes, stamp, where_stamp;
    double progress_sent, sent;
    bool begun;
} Stream;

typedef DYN(char) StreamText;

static void stream_put(Arena *arena, StreamText *text, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) *dyn_push(arena, text) = bytes[i];
}

static void stream_words(Arena *arena, StreamText *text, const char *words)
{
    stream_put(arena, text, words, strlen(words));
}

static void stream_event(Arena *arena, StreamText *text, const char *name, json_t *data)
{
    char *line = data ? json_dumps(data, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(data);
    if (line) stream_words(arena, text, arena_printf(arena, "event: %s\ndata: ", name));
    if (line) stream_words(arena, text, line);
    if (line) stream_words(arena, text, "\n\n");
    free(line);
}

static void stream_lines(Arena *arena, StreamText *text, Stream *stream)
{
    enum { MOST = 256 << 10, LINE_MOST = 16 << 20 };
    const Tail *tail = &stream->folder->tail;
    /* a viewer who comes back may have seen more lines than there are: of a file that was here before */
    if (stream->begun ? stream->changes != tail->changes : stream->line > tail->lines) {
        stream_words(arena, text, "event: reset\ndata: {}\n\n");
        stream->line = 0;
    }
    stream->changes = tail->changes;
    for (; stream->line < tail->lines && text->count < MOST; stream->line++) {
        const size_t from = stream->line ? tail->ends[stream->line - 1] : 0;
        size_t size = tail->ends[stream->line] - from - 1;
        if (size && tail->at[from + size - 1] == '\r') size--;
        /* not a line that lethe wrote: it would end the event, or take the memory of every viewer */
        if (memchr(tail->at + from, '\r', size) || size > LINE_MOST) continue;
        stream_words(arena, text, arena_printf(arena, "id: %zu\ndata: ", stream->line + 1));
        stream_put(arena, text, tail->at + from, size);
        stream_words(arena, text, "\n\n");
    }
}

/* What is new for this viewer; no text: nothing. Within server->room. */
static Str stream_next(Arena *arena, Stream *stream, double now)
{
    StreamText text = {0};
    ServeFolder *f = stream->folder;
    if (!stream->begun || stream->stamp != f->stamp) {
        stream->stamp = f->stamp;
        stream_event(arena, &text, "state", folder_json(f));
    }
    stream_lines(arena, &text, stream);
    stream->begun = true;
    const bool moved = stream->where_stamp != f->where.stamp && now - stream->progress_sent >= 1;
    if (f->state == FOLDER_RUNNING && moved) {
        stream->where_stamp = f->where.stamp;
        stream->progress_sent = now;
        stream_event(arena, &text, "progress", where_json(&f->where));
    }
    if (!text.count && now - stream->sent >= 0.4) stream_words(arena, &text, ":\n\n"); /* is anybody there? */
    if (text.count) stream->sent = now;
    return (Str){text.at, text.count};
}

/* Calls `put` with what happens until it says that nobody listens, or the server ends. */
static void stream_run(Server *s, const ServeAnswer *answer, bool put(void *to, Str text), void *to)
{
    ServeFolder *folder = answer->stream;
    int *count = &s->stream_count[answer->of_viewer];
    Stream stream = {.folder = folder, .line = answer->from, .sent = clock_seconds()};
    Arena arena = {0};
    bool listens = true;
    sys_monitor_enter(&s->room);
    /* those who have gone are noticed within a second */
    for (double until = clock_seconds() + 20; *count >= SERVE_VIEWERS && clock_seconds() < until && !s->ending;)
        sys_monitor_wait(&s->room);
    const bool room = *count < SERVE_VIEWERS;
    ++*count;
    folder->tail.viewers++;
    tail_want(s, folder);
    folder_look(folder, clock_seconds());
    while (listens && room && !s->ending) {
        const Str text = stream_next(&arena, &stream, clock_seconds());
        if (text.size) {
            sys_monitor_leave(&s->room);
            listens = put(to, text);
            arena_clear(&arena);
            sys_monitor_enter(&s->room);
        } else {
            sys_monitor_wait(&s->room);
        }
    }
    folder->tail.viewers--;
    folder->tail.asked = clock_seconds();
    --*count;
    sys_monitor_leave(&s->room);
    arena_free(&arena);
}

static bool handle_events(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    int64_t from = 0;
    ServeRight right;
    route_rest(s, request, &right);
    if (!folder_named(s, query_text(arena, request->query, "folder"), answer, &answer->stream, err) ||
        !query_number(arena, request->query, "after", 0, INT32_MAX, 0, &from, err))
        return false;
    if (request->last_event && !parse_int(str(request->last_event), 0, INT32_MAX, &from)) from = 0;
    answer->from = (size_t)from;
    answer->of_viewer = right != RIGHT_OWNER;
    answer->status = 200;
    return true;
}

/* One thread looks at the files of all runs, for everybody. */
static void watch_once(Server *s)
{
    enum { FORGET_SECONDS = 120 };
    const double now = clock_seconds();
    bool wake = false;
    sys_monitor_enter(&s->room);
    for (int i = 0; i < s->folder_count; i++) {
        ServeFolder *f = &s->folders[i];
        const unsigned stamp = f->stamp;
        if (f->process.id && !f->tail.open) tail_want(s, f);
        if (f->process.id || f->tail.viewers) folder_look(f, now);
        if (f->tail.open) {
            wake = tail_poll(s, f->path, &f->tail) || wake;
            if (f->process.id) where_follow(f);
            if (!f->process.id && !f->tail.viewers && now - f->tail.asked > FORGET_SECONDS) tail_close(&f->tail);
        }
        wake = wake || stamp != f->stamp;
    }
    if (now - s->beat >= 0.5) wake = true; /* so that a stream looks whether anybody is there */
    if (wake) s->beat = now;
    if (wake) sys_monitor_wake(&s->room);
    sys_monitor_leave(&s->room);
}
