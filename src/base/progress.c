#include "base.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PROGRESS_LINE_SECONDS = 15 }; /* between two lines when stderr is no terminal */

int terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

static void progress_duration(double seconds, char text[16])
{
    int s = (int)(seconds + 0.5);
    if (s < 0 || s > 359999) s = 359999;
    if (s < 3600)
        snprintf(text, 16, "%d:%02d", s / 60, s % 60);
    else
        snprintf(text, 16, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
}

static void progress_show(Progress *p, double now, const char *note)
{
    char left[16], line[320], bar[41] = "";
    double elapsed = now - p->started, rate = p->done && elapsed > 0 ? (double)p->done / elapsed : 0;
    progress_duration(rate > 0 ? (double)(p->total - p->done) / rate : 0, left);
    int columns = terminal_columns();
    if (p->terminal) {
        int width = columns >= 100 ? 30 : columns >= 70 ? 20 : 0;
        int full = p->total ? (int)(p->done * (uint64_t)width / p->total) : width;
        for (int i = 0; i < width; i++) bar[i] = i < full ? '#' : '.';
        bar[width] = 0;
    }
    int size = snprintf(line, sizeof line, "%-20s %s%s%llu/%llu  %.1f/s  %s left%s%s", p->label, bar, *bar ? " " : "",
                        (unsigned long long)p->done, (unsigned long long)p->total, rate, left, *note ? "  " : "", note);
    if (size < 0) return;
    if (p->terminal && size > columns - 1 && columns > 1) line[columns - 1] = 0;
    if (p->terminal)
        fprintf(stderr, "\r%s\033[K", line);
    else
        fprintf(stderr, "%s\n", line);
    fflush(stderr);
    p->shown = now;
    p->drawn = true;
}

void progress_begin(Progress *progress, bool quiet, uint64_t total, const char *label_format, ...)
{
    *progress = (Progress){.total = total, .quiet = quiet, .terminal = isatty(STDERR_FILENO) != 0};
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

void progress_end(Progress *progress)
{
    if (progress->drawn && progress->terminal) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
    }
    progress->drawn = false;
}
