#include "base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arena.c"
#include "functions.c"
#include "random.c"
#include "threads.c"
#include "nearest.c"
#include "numbers.c"
#include "utf8.c"

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

bool str_holds(Str s, Str wanted)
{
    for (size_t i = 0; i + wanted.size <= s.size; i++)
        if (memcmp(s.at + i, wanted.at, wanted.size) == 0) return true;
    return false;
}

int str_compare(Str a, Str b)
{
    size_t least = a.size < b.size ? a.size : b.size;
    int order = least ? memcmp(a.at, b.at, least) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

bool str_equal_as(Str a, Str b)
{
    if (a.size != b.size) return false;
    for (size_t i = 0; i < a.size; i++)
        if (ascii_lower(a.at[i]) != ascii_lower(b.at[i])) return false;
    return true;
}

bool str_ends_as(Str s, Str end)
{
    return s.size >= end.size && str_equal_as((Str){s.at + s.size - end.size, end.size}, end);
}

const char *str_show(Str s)
{
    enum { BUFFERS = 4, WIDTH = 80 }; /* WIDTH: columns; what is not ASCII counts as two */
    static _Thread_local char ring[BUFFERS][2 * WIDTH + 8];
    static _Thread_local unsigned turn;
    char *out = ring[turn++ % BUFFERS];
    const bool utf8 = terminal_is_utf8();
    size_t used = 0, columns = 0, n;
    uint32_t code;
    for (size_t i = 0; i < s.size; i += n) {
        n = utf8_decode(s.at + i, s.size - i, &code);
        const bool plain = code != UTF8_INVALID && (n == 1 || utf8) && !code_is_hidden(code);
        if (!plain) n = 1;
        columns += !plain ? 4 : n == 1 ? 1 : 2;
        if (columns > WIDTH) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        if (plain)
            memcpy(out + used, s.at + i, n), used += n;
        else
            used += (size_t)snprintf(out + used, 5, "\\x%02x", (unsigned char)s.at[i]);
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
