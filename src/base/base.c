#include "base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arena.c"
#include "progress.c"
#include "random.c"
#include "threads.c"
#include "nearest.c"

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

size_t utf8_length(const char *at, size_t size)
{
    const uint8_t *s = (const uint8_t *)at;
    if (!size) return 0;
    if (s[0] < 0x80) return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    const size_t n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (size < n) return 0;
    const uint8_t low = s[0] == 0xe0   ? 0xa0
                        : s[0] == 0xf0 ? 0x90
                                       : 0x80,
                  high = s[0] == 0xed   ? 0x9f
                         : s[0] == 0xf4 ? 0x8f
                                        : 0xbf;
    if (s[1] < low || s[1] > high) return 0;
    for (size_t i = 2; i < n; i++)
        if (s[i] < 0x80 || s[i] > 0xbf) return 0;
    return n;
}

/* The code point of a valid sequence of n bytes. */
static uint32_t utf8_code(const char *at, size_t n)
{
    uint32_t code = (uint8_t)at[0] & (n == 1 ? 0x7f : 0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) code = code << 6 | ((uint8_t)at[i] & 0x3f);
    return code;
}

static bool code_is_space(uint32_t c)
{
    return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200b) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000 || c == 0xfeff;
}

Str str_trim(Str s)
{
    size_t n;
    while (s.size && (n = utf8_length(s.at, s.size)) && code_is_space(utf8_code(s.at, n)))
        s = (Str){s.at + n, s.size - n};
    while (s.size) {
        for (n = 1; n < 4 && n < s.size && ((uint8_t)s.at[s.size - n] & 0xc0) == 0x80;) n++;
        const char *last = s.at + s.size - n;
        if (utf8_length(last, n) != n || !code_is_space(utf8_code(last, n))) break;
        s.size -= n;
    }
    return s;
}

/* Characters that print nothing, or change how what follows them is printed. */
static bool code_is_hidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xe0000 && c < 0xe1000);
}

const char *str_show(Str s)
{
    enum { BUFFERS = 4, WIDTH = 80 }; /* WIDTH: columns; what is not ASCII counts as two */
    static _Thread_local char ring[BUFFERS][2 * WIDTH + 8];
    static _Thread_local unsigned turn;
    char *out = ring[turn++ % BUFFERS];
    const bool utf8 = terminal_is_utf8();
    size_t used = 0, columns = 0, n;
    for (size_t i = 0; i < s.size; i += n) {
        n = utf8_length(s.at + i, s.size - i);
        const bool plain = n && (n == 1 || utf8) && !code_is_hidden(utf8_code(s.at + i, n));
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

const char *count_text(Arena *arena, uint64_t n)
{
    return n < 1000 ? arena_printf(arena, "%u", (unsigned)n)
                    : arena_printf(arena, "%s,%03u", count_text(arena, n / 1000), (unsigned)(n % 1000));
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
