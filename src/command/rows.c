#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What commands that work row by row read and write. A row is a line: text, or text<TAB>text for a pair; or, as JSON
 * lines, {"text": "...", "pair": "..."}. Any bytes are legal text. */

enum { ROW_MOST_BYTES = 1 << 20, ROW_WAIT_MS = 250 };

typedef struct RowReader {
    int fd;
    const char *what; /* for errors */
    bool jsonl;
    Arena arena, row; /* row: what the last row is made of */
    char *bytes;      /* [ROW_MOST_BYTES + 2]: lines that have arrived, from begin to end */
    size_t begin, end, searched;
    uint64_t line;
    bool ended;
} RowReader;

/* path: "-" or NULL is stdin. */
static bool rows_open(RowReader *r, const char *path, bool jsonl, Err *err)
{
    struct stat st;
    const bool from_stdin = !path || strcmp(path, "-") == 0;
    *r = (RowReader){.fd = STDIN_FILENO, .what = from_stdin ? "stdin" : path, .jsonl = jsonl};
    if (!from_stdin && (r->fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return fail(err, "%s: %s", path, strerror(errno));
    if (fstat(r->fd, &st) == 0 && S_ISDIR(st.st_mode))
        return fail(err, "%s: this is a folder, a file is needed", r->what);
    r->bytes = arena_new(&r->arena, char, ROW_MOST_BYTES + 2);
    return true;
}

static void rows_close(RowReader *r)
{
    if (r->fd > STDIN_FILENO) close(r->fd);
    arena_free(&r->row);
    arena_free(&r->arena);
}

/* Waits for more input; Ctrl-C ends the wait. */
static bool rows_fill(RowReader *r, Err *err)
{
    memmove(r->bytes, r->bytes + r->begin, r->end - r->begin);
    r->searched -= r->begin;
    r->end -= r->begin;
    r->begin = 0;
    if (r->end == ROW_MOST_BYTES + 2)
        return fail(err, "%s, line %llu: longer than %d bytes", r->what, (unsigned long long)r->line + 1,
                    ROW_MOST_BYTES);
    for (;;) {
        struct pollfd input = {.fd = r->fd, .events = POLLIN};
        const int ready = poll(&input, 1, ROW_WAIT_MS);
        if (interrupted()) return fail_interrupted(err);
        if (ready <= 0) continue;
        const ssize_t got = read(r->fd, r->bytes + r->end, ROW_MOST_BYTES + 2 - r->end);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) return fail(err, "%s: reading failed: %s", r->what, strerror(errno));
        r->end += (size_t)got;
        r->ended = got == 0;
        return true;
    }
}

/* A line that has arrived as a whole, without its end. */
static bool rows_line(RowReader *r, Str *line)
{
    const char *at = r->bytes + r->begin,
               *end = r->end > r->searched ? memchr(r->bytes + r->searched, '\n', r->end - r->searched) : NULL;
    r->searched = r->end;
    if (!end && (!r->ended || r->begin == r->end)) return false;
    *line = (Str){at, end ? (size_t)(end - at) : r->end - r->begin};
    r->begin = r->searched = end ? (size_t)(end + 1 - r->bytes) : r->end;
    if (line->size && line->at[line->size - 1] == '\r') line->size--;
    r->line++;
    return true;
}

static bool rows_parse_json(RowReader *r, Str line, Example *row, Err *err)
{
    json_t *object = NULL;
    const char *what = arena_printf(&r->row, "%s, line %llu", r->what, (unsigned long long)r->line);
    if (!json_parse(line, what, &object, err)) return false;
    const json_t *a = json_object_get(object, "text"), *b = json_object_get(object, "pair");
    const bool ok = json_is_string(a) && (!b || json_is_string(b) || json_is_null(b));
    if (ok) {
        row->text = (Str){arena_copy(&r->row, json_string_value(a), json_string_length(a)), json_string_length(a)};
        if (json_is_string(b))
            row->pair = (Str){arena_copy(&r->row, json_string_value(b), json_string_length(b)), json_string_length(b)};
    }
    json_decref(object);
    return ok ||
           fail(err, "%s: an object {\"text\": \"...\"} or {\"text\": \"...\", \"pair\": \"...\"} is needed", what);
}

/* What rows_next comes to. */
typedef enum RowState {
    ROW_READ,
    ROW_NOT_YET, /* its line has not arrived: only when not asked to wait */
    ROW_ENDED,   /* the input is at its end */
} RowState;

/* The next row. Its texts live until the next call. */
static bool rows_next(RowReader *r, bool wait, Example *row, RowState *state, Err *err)
{
    Str line;
    bool got;
    arena_free(&r->row);
    *row = (Example){0};
    while (!(got = rows_line(r, &line)) && wait && !r->ended)
        if (!rows_fill(r, err)) return false;
    *state = got ? ROW_READ : r->ended ? ROW_ENDED : ROW_NOT_YET;
    if (!got) return true;
    row->line = r->line;
    if (line.size > ROW_MOST_BYTES)
        return fail(err, "%s, line %llu: longer than %d bytes", r->what, (unsigned long long)r->line, ROW_MOST_BYTES);
    if (r->jsonl) return rows_parse_json(r, line, row, err);
    const char *tab = line.size ? memchr(line.at, '\t', line.size) : NULL;
    row->text = (Str){line.at, tab ? (size_t)(tab - line.at) : line.size};
    if (tab) row->pair = (Str){tab + 1, line.size - row->text.size - 1};
    return true;
}

/* ---- answers ---- */

/* Text for stdout. When nobody reads it any more (head, less), `gone` becomes true, which is no error. */
typedef struct Output {
    Arena arena;
    DYN(char) text;
    bool gone;
} Output;

static Output output_open(void)
{
    signal(SIGPIPE, SIG_IGN); /* a write says it instead */
    return (Output){0};
}

static void output_text(Output *o, const char *text)
{
    for (; *text; text++) *dyn_push(&o->arena, &o->text) = *text;
}

/* Hands over what has been gathered, so that the reader has it now. */
static bool output_flush(Output *o, Err *err)
{
    const bool ok = !o->text.count || file_write_all(STDOUT_FILENO, (Str){o->text.at, o->text.count});
    const int code = errno;
    o->text.at = NULL;
    o->text.count = o->text.capacity = 0;
    arena_free(&o->arena);
    o->gone = !ok && code == EPIPE;
    return ok || o->gone || fail(err, "writing to stdout failed: %s", strerror(code));
}
