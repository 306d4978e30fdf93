#include "base.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arena.c"
#include "progress.c"
#include "random.c"
#include "threads.c"
#include "crash.c"

/* ---- errors ---- */

_Noreturn void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "lethe: internal error at %s:%d: %s does not hold; please report this\n", file, line, condition);
    abort();
}

static void err_format(Err *err, int code, const char *format, va_list args)
{
    if (err->code) return;
    err->code = code;
    vsnprintf(err->text, sizeof err->text, format, args);
}

bool fail(Err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err_format(err, EXIT_WORLD, format, args);
    va_end(args);
    return false;
}

bool fail_usage(Err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err_format(err, EXIT_USAGE, format, args);
    va_end(args);
    return false;
}

bool fail_interrupted(Err *err)
{
    if (!err->code) *err = (Err){EXIT_INTERRUPTED, "interrupted"};
    return false;
}

bool fail_within(Err *err, const char *format, ...)
{
    if (err->code == EXIT_INTERRUPTED) return false;
    char context[512], old[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    memcpy(old, err->text, sizeof old);
    size_t head = strlen(context);
    memcpy(err->text, context, head);
    memcpy(err->text + head, ": ", 2);
    size_t room = sizeof err->text - head - 3, body = strlen(old);
    if (body > room) body = room;
    memcpy(err->text + head + 2, old, body);
    err->text[head + 2 + body] = 0;
    return false;
}

/* ---- strings ---- */

Str str(const char *zero_terminated) { return (Str){zero_terminated, strlen(zero_terminated)}; }
bool str_equal(Str a, Str b) { return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0); }
bool str_ends(Str s, Str end)
{
    return s.size >= end.size && str_equal((Str){s.at + s.size - end.size, end.size}, end);
}

int str_compare(Str a, Str b)
{
    size_t least = a.size < b.size ? a.size : b.size;
    int order = least ? memcmp(a.at, b.at, least) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

const char *str_show(Str s)
{
    enum { BUFFERS = 4, WIDTH = 80 };
    static _Thread_local char ring[BUFFERS][WIDTH + 8];
    static _Thread_local unsigned turn;
    char *out = ring[turn++ % BUFFERS];
    size_t used = 0;
    for (size_t i = 0; i < s.size; i++) {
        unsigned char c = (unsigned char)s.at[i];
        bool plain = c >= 0x20 && c < 0x7f;
        if (used + (plain ? 1 : 4) > WIDTH) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        if (plain)
            out[used++] = (char)c;
        else
            used += (size_t)snprintf(out + used, 5, "\\x%02x", c);
    }
    out[used] = 0;
    return out;
}

bool parse_int(Str s, int64_t low, int64_t high, int64_t *value)
{
    bool negative = s.size && s.at[0] == '-';
    size_t i = negative;
    if (i == s.size || s.size - i > 18) return false;
    int64_t n = 0;
    for (; i < s.size; i++) {
        if (s.at[i] < '0' || s.at[i] > '9') return false;
        n = n * 10 + (s.at[i] - '0');
    }
    if (negative) n = -n;
    if (n < low || n > high) return false;
    *value = n;
    return true;
}

bool parse_double(Str s, double *value)
{
    /* lethe never calls setlocale(LC_NUMERIC), so strtod reads '.' */
    char buffer[64], *end;
    if (s.size == 0 || s.size >= sizeof buffer) return false;
    for (size_t i = 0; i < s.size; i++) /* no "0x", "nan", "inf", spaces */
        if (!strchr("0123456789+-.eE", s.at[i]) || !s.at[i]) return false;
    memcpy(buffer, s.at, s.size);
    buffer[s.size] = 0;
    double x = strtod(buffer, &end);
    if (*end || end == buffer || !isfinite(x)) return false;
    *value = x;
    return true;
}

/* ---- numbers for people ---- */

const char *format_count(Arena *arena, uint64_t count)
{
    char digits[24];
    const int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    char *out = arena_new(arena, char, 2 * sizeof digits), *to = out;
    for (int i = 0; i < size; i++) {
        if (i && size > 4 && (size - i) % 3 == 0) *to++ = ',';
        *to++ = digits[i];
    }
    return out;
}

const char *format_duration(Arena *arena, double seconds)
{
    if (!(seconds > 0)) seconds = 0; /* a NaN, too */
    if (seconds < 9.95) return arena_printf(arena, "%.1f s", seconds);
    const uint64_t s = seconds < 1e15 ? (uint64_t)(seconds + 0.5) : (uint64_t)1e15, minutes = (s + 30) / 60;
    if (s < 60) return arena_printf(arena, "%d s", (int)s);
    if (s < 3600)
        return s % 60 ? arena_printf(arena, "%d min %d s", (int)(s / 60), (int)(s % 60))
                      : arena_printf(arena, "%d min", (int)(s / 60));
    const char *hours = format_count(arena, minutes / 60);
    return minutes % 60 ? arena_printf(arena, "%s h %d min", hours, (int)(minutes % 60))
                        : arena_printf(arena, "%s h", hours);
}

const char *format_list(Arena *arena, const char *const *items, int count)
{
    const char *text = count ? items[0] : "";
    for (int i = 1; i < count; i++)
        text = arena_printf(arena, "%s%s%s", text, i == count - 1 ? " and " : ", ", items[i]);
    return text;
}

/* ---- clock, Ctrl-C ---- */

double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static volatile sig_atomic_t interrupt_flag;

static void interrupt_handle(int signal_number)
{
    if (interrupt_flag) _exit(128 + signal_number);
    interrupt_flag = 1;
}

void interrupt_install(void)
{
    struct sigaction action = {.sa_handler = interrupt_handle};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool interrupted(void) { return interrupt_flag != 0; }
