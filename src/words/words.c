#include "words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media.c"
#include "progress.c"

/* ---- numbers ---- */

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

const char *format_decimal(Arena *arena, double x, int digits)
{
    if (isnan(x)) return "–";
    const char *text = arena_printf(arena, "%.*f", digits, x);
    return *text == '-' && !text[strcspn(text, "123456789i")] ? text + 1 : text; /* i: of inf */
}

const char *format_short(Arena *arena, double x) { return isnan(x) ? "–" : arena_printf(arena, "%g", x + 0.0); }
const char *format_exponent(Arena *arena, double x) { return isnan(x) ? "–" : arena_printf(arena, "%.1e", x + 0.0); }

const char *format_minus(Arena *arena, const char *number)
{
    return *number == '-' ? arena_printf(arena, "−%s", number + 1) : number;
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

const char *format_megabytes(Arena *arena, double bytes, int digits)
{
    return arena_printf(arena, "%s MB", format_decimal(arena, bytes * 1e-6, digits));
}

const char *format_gigabytes(Arena *arena, double bytes, int digits)
{
    return arena_printf(arena, "%s GB", format_decimal(arena, bytes * 1e-9, digits));
}

/* ---- shares ---- */

const char *format_share(Arena *arena, double share) { return format_decimal(arena, 100 * share, 1); }

const char *format_percents(Arena *arena, double share, int digits)
{
    return arena_printf(arena, "%s%%", format_decimal(arena, 100 * share, digits));
}

const char *format_percent(Arena *arena, double share) { return format_percents(arena, share, 1); }

const char *format_cell(Arena *arena, double share)
{
    return share >= 0.99995 ? "100" : format_share(arena, share); /* no wider than the others */
}

const char *format_interval(Arena *arena, Interval interval)
{
    if (isnan(interval.low) || isnan(interval.high)) return "[–]";
    const char *between = interval.low < 0 ? ", " : "–"; /* a dash before a minus would be two */
    return arena_printf(arena, "[%ld%s%ld]", lround(100 * interval.low), between, lround(100 * interval.high));
}

const char *format_half_width(Arena *arena, Interval interval)
{
    return format_decimal(arena, 50 * (interval.high - interval.low), 1);
}

const char *format_points(Arena *arena, double difference)
{
    const double points = round(1000 * difference) / 10;
    if (isnan(points)) return "–";
    return points == 0 ? "0.0" : arena_printf(arena, "%+.1f", points);
}

const char *format_range(Arena *arena, Interval interval)
{
    return arena_printf(arena, "%s to %s points", format_points(arena, interval.low),
                        format_points(arena, interval.high));
}

/* ---- p ---- */

static const char *format_p_number(Arena *arena, double p)
{
    if (!(p < 0.1)) return format_decimal(arena, p, 2);
    const int digits = p < 0.01 ? 4 : 3;
    const bool crosses = p < TEST_LEVEL && round(p * 1000) >= TEST_LEVEL * 1000;
    const double unit = crosses ? 1000 : 10000;
    return format_decimal(arena, p < TEST_LEVEL ? floor(p * unit) / unit : p, digits);
}

const char *format_p(Arena *arena, double p)
{
    return p < 0.0001 ? "p < 0.0001" : arena_printf(arena, "p = %s", format_p_number(arena, p));
}

const char *format_p_bound(Arena *arena, Interval p, bool at_most)
{
    const double end = at_most ? p.high : p.low;
    if (p.low == p.high || (at_most && end < 0.0001)) return format_p(arena, end);
    return arena_printf(arena, "p %s %s", at_most ? "≤" : "≥", format_p_number(arena, end < 0.0001 ? 0.0001 : end));
}

/* ---- words ---- */

const char *plural(uint64_t count, const char *one, const char *many) { return count == 1 ? one : many; }

const char *format_counted(Arena *arena, uint64_t count, const char *one, const char *many)
{
    return arena_printf(arena, "%s %s", format_count(arena, count), plural(count, one, many));
}

const char *format_list(Arena *arena, const char *const *items, int count)
{
    const char *text = count > 0 ? items[0] : "";
    for (int i = 1; i < count; i++)
        text = arena_printf(arena, "%s%s%s", text, i == count - 1 ? " and " : ", ", items[i]);
    return text;
}

const char *text_join(Arena *arena, const char *a, const char *separator, const char *b)
{
    return *a && *b ? arena_printf(arena, "%s%s%s", a, separator, b) : *a ? a : b;
}
