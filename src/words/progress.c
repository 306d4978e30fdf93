#include "words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PROGRESS_LINE_SECONDS = 15 }; /* between two lines when stderr is no terminal */

int terminal_columns(FILE *stream)
{
    enum { LEAST = 20, MOST = 1000, USUAL = 80 };
    const char *said = getenv("COLUMNS");
    int64_t columns = 0;
    if (!said || !parse_int(str(said), 1, 1 << 20, &columns)) columns = terminal_width(stream);
    if (!columns) columns = USUAL;
    return columns < LEAST ? LEAST : columns > MOST ? MOST : (int)columns;
}

/* The bytes of the first `columns` code points of UTF-8. */
static size_t progress_fit(const char *text, int columns)
{
    size_t size = 0;
    while (text[size] && (columns > 0 || utf8_continues(text[size]))) columns -= !utf8_continues(text[size++]);
    return size;
}

/* What of the line fits: without room first the bar goes, then the rate, then the note, then the rest's end. */
static void progress_line(const Progress *p, double now, const char *note, int columns, char *line, size_t room)
{
    enum { WITH_BAR, WITH_RATE, WITH_NOTE, PLAIN };
    Arena scratch = {0};
    const double elapsed = now - p->started, rate = p->done && elapsed > 0 ? (double)p->done / elapsed : 0;
    const double seconds = p->left >= 0 ? p->left : rate > 0 ? (double)(p->total - p->done) / rate : 0;
    const char *left = isnan(p->left) ? ""
                                      : arena_printf(&scratch, "  %s left%s", format_duration(&scratch, seconds),
                                                     p->left >= 0 ? " for all" : "");
    const char *all = "";
    for (int form = p->terminal ? WITH_BAR : WITH_RATE; form <= PLAIN; form++) {
        char bar[32] = "";
        const int width = columns >= 100 ? 30 : 20;
        const int full = p->total ? (int)(p->done * (uint64_t)width / p->total) : width;
        for (int i = 0; i < width && form == WITH_BAR; i++) bar[i] = i < full ? '#' : '.';
        const char *speed =
            form <= WITH_RATE ? arena_printf(&scratch, "  %s/s", format_decimal(&scratch, rate, 1)) : "";
        all = arena_printf(&scratch, "%-*s %s%s%llu/%llu%s%s%s%s", form <= WITH_RATE ? 20 : 0, p->label, bar,
                           *bar ? " " : "", (unsigned long long)p->done, (unsigned long long)p->total, speed, left,
                           *note && form < PLAIN ? "  " : "", form < PLAIN ? note : "");
        if (!p->terminal || !all[progress_fit(all, columns - 1)]) break;
    }
    snprintf(line, room, "%.*s", (int)(p->terminal ? progress_fit(all, columns - 1) : strlen(all)), all);
    arena_free(&scratch);
}

static void progress_show(Progress *p, double now, const char *note)
{
    char line[512];
    progress_line(p, now, note, terminal_columns(stderr), line, sizeof line);
    fprintf(stderr, p->terminal ? "\r%s\033[K" : "%s\n", line);
    fflush(stderr);
    p->shown = now;
    p->drawn = true;
}

void progress_begin(Progress *progress, bool quiet, uint64_t total, const char *label_format, ...)
{
    *progress = (Progress){.total = total, .quiet = quiet, .terminal = terminal_is(stderr), .left = -1};
    va_list args;
    va_start(args, label_format);
    vsnprintf(progress->label, sizeof progress->label, label_format, args);
    va_end(args);
    progress->started = clock_seconds();
    progress->shown = progress->terminal ? 0 : progress->started;
}

void progress_step(Progress *progress, uint64_t done, const char *note_format, ...)
{
    progress->done = done;
    if (progress->quiet) return;
    double now = clock_seconds();
    if (now - progress->shown < (progress->terminal ? 0.1 : PROGRESS_LINE_SECONDS)) return;
    char note[96];
    va_list args;
    va_start(args, note_format);
    vsnprintf(note, sizeof note, note_format, args);
    va_end(args);
    progress_show(progress, now, note);
}

void progress_leave(Progress *progress, double seconds) { progress->left = seconds; }

void progress_say(Progress *progress, const char *format, ...)
{
    char what[96], line[192];
    const double now = clock_seconds();
    if (progress->quiet || (!progress->terminal && now - progress->shown < PROGRESS_LINE_SECONDS)) return;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(line, sizeof line, "%s%s%s ...", progress->label, *progress->label ? " " : "", what);
    const int columns = progress->terminal ? terminal_columns(stderr) - 1 : (int)sizeof line;
    fprintf(stderr, progress->terminal ? "\r%.*s\033[K" : "%.*s\n", (int)progress_fit(line, columns), line);
    fflush(stderr);
    progress->drawn = true;
    progress->shown = progress->terminal ? 0 : now;
}

void progress_end(Progress *progress)
{
    if (progress->drawn && progress->terminal) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
    }
    progress->drawn = false;
}
