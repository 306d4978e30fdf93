#include "options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const option_words_choices[] = {"plain", "expert", NULL};

/* From the text of a value to the number that is stored, and back. */

/* Cuts the next item off a comma-separated list; false at its end. */
bool list_next(Str *rest, Str *item)
{
    if (!rest->at) return false;
    const char *comma = rest->size ? memchr(rest->at, ',', rest->size) : NULL;
    item->at = rest->at;
    item->size = comma ? (size_t)(comma - rest->at) : rest->size;
    *rest = comma ? (Str){comma + 1, rest->size - item->size - 1} : (Str){0};
    return true;
}

/* *place: which of the row's choices it is. */
static bool option_choice(const Option *row, Str value, int *place, Err *err)
{
    Arena scratch = {0};
    Nearest near = nearest_to(value);
    for (*place = 0; row->choices[*place]; ++*place) {
        if (str_equal(str(row->choices[*place]), value)) return true;
        nearest_offer(&near, row->choices[*place]);
    }
    fail_usage(err, "--%s %s: %s are %s%s", row->name, str_show(value), row->unit ? row->unit : "there",
               format_list(&scratch, row->choices, *place), nearest_hint(&near, ""));
    arena_free(&scratch);
    return false;
}

static uint32_t option_bits(const Option *row, int place) { return row->bits ? row->bits[place] : 1u << place; }

static bool option_choices(const Option *row, const char *value, double *bits, Err *err)
{
    uint32_t all = 0;
    int place;
    for (Str rest = str(value), item; list_next(&rest, &item);) {
        if (!option_choice(row, item, &place, err)) return false;
        all |= option_bits(row, place);
    }
    *bits = all;
    return true;
}

/* A number in another spelling gets a hint that no number gets. */
static bool option_int(const Option *row, const char *value, double *number, Err *err)
{
    int64_t n = 0, any;
    const bool digits = strpbrk(value, "0123456789") != NULL;
    if (!parse_int(str(value), (int64_t)row->low, (int64_t)row->high, &n))
        return fail_usage(err, "--%s %s: a whole number from %.0f to %.0f is needed%s", row->name, str_show(str(value)),
                          row->low, row->high,
                          digits && !parse_int(str(value), INT64_MIN, INT64_MAX, &any) ? ", in digits alone, as in 1000"
                                                                                       : "");
    *number = (double)n;
    return true;
}

static bool option_real(const Option *row, const char *value, double *number, Err *err)
{
    double any;
    const bool digits = strpbrk(value, "0123456789") != NULL;
    return (parse_double(str(value), number) && *number >= row->low && *number <= row->high) ||
           fail_usage(err, "--%s %s: a number from %g to %g is needed%s", row->name, str_show(str(value)), row->low,
                      row->high, digits && !parse_double(str(value), &any) ? ", as in 0.01 or 1e-2" : "");
}

bool option_number(const Option *row, const char *value, double *number, Err *err)
{
    int place = 0;
    switch (row->type) {
    case OPTION_INT: return option_int(row, value, number, err);
    case OPTION_REAL: return option_real(row, value, number, err);
    case OPTION_CHOICES: return option_choices(row, value, number, err);
    case OPTION_CHOICE:
        if (!option_choice(row, str(value), &place, err)) return false;
        *number = place;
        return true;
    case OPTION_FLAG: *number = 1; return true;
    case OPTION_TEXT:
    case OPTION_LIST: break;
    }
    ASSERT(!"a text is no number");
    return false;
}

bool option_set(const Option *row, void *target, Arena *arena, const char *value, Err *err)
{
    void *at = (char *)target + row->target;
    double number = 0;
    if (row->read) return row->read(row, target, arena, value, err);
    if (row->type == OPTION_TEXT) {
        *(const char **)at = value;
        return *value || fail_usage(err, "--%s: the value is empty", row->name);
    }
    if (!option_number(row, value, &number, err)) return false;
    switch (row->type) {
    case OPTION_REAL: *(float *)at = (float)number; break;
    case OPTION_CHOICE: *(unsigned *)at = (unsigned)number; break;
    case OPTION_FLAG: *(bool *)at = true; break;
    default: *(uint32_t *)at = (uint32_t)number; break;
    }
    return true;
}

double option_get(const Option *row, const void *target)
{
    const void *at = (const char *)target + row->target;
    switch (row->type) {
    case OPTION_REAL: return (double)*(const float *)at;
    case OPTION_CHOICE: return *(const unsigned *)at;
    case OPTION_FLAG: return *(const bool *)at;
    default: return *(const uint32_t *)at;
    }
}

static const char *option_show_real(Arena *arena, double x, bool single)
{
    char text[40];
    if (x == floor(x) && fabs(x) < 1e7) return arena_printf(arena, "%.0f", x);
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (single ? strtof(text, NULL) == (float)x : strtod(text, NULL) == x) break;
    }
    char *zero = strstr(text, "e-0"); /* printf writes two digits of an exponent */
    if (zero) memmove(zero + 2, zero + 3, strlen(zero + 3) + 1);
    return arena_printf(arena, "%s", text);
}

/* Choices that stand for these bits: one that stands for all of them, or those that each add some. */
static const char *option_show_choices(Arena *arena, const Option *row, uint32_t bits)
{
    const char *text = "";
    uint32_t shown = 0;
    for (int i = 0; row->choices[i]; i++)
        if (option_bits(row, i) == bits) return row->choices[i];
    for (int i = 0; row->choices[i]; i++) {
        const uint32_t own = option_bits(row, i);
        if (own & ~bits || !(own & ~shown)) continue;
        text = text_join(arena, text, ",", row->choices[i]);
        shown |= own;
    }
    return text;
}

const char *option_show(Arena *arena, const Option *row, double number, bool single)
{
    if (row->type == OPTION_REAL) return option_show_real(arena, number, single);
    if (row->type == OPTION_CHOICE) return row->choices[(int)number];
    if (row->type != OPTION_CHOICES) return arena_printf(arena, "%.0f", number);
    return option_show_choices(arena, row, (uint32_t)number);
}

/* ---- defaults ---- */

const char *option_default(const Option *row, OptionPreset preset)
{
    if (preset.notebook && row->notebook_value) return row->notebook_value;
    return !preset.notebook && preset.large && row->large_value ? row->large_value : row->default_value;
}

bool options_set(const OptionRows *rows, const json_t *given, void *target, Arena *arena, Err *err)
{
    const char *name;
    json_t *value;
    for (size_t i = 0; i < rows->count; i++) {
        const char *standing = option_default(rows->at[i], (OptionPreset){0});
        if (standing && !option_set(rows->at[i], target, arena, standing, err)) return false;
    }
    json_object_foreach((json_t *)given, name, value)
    {
        const Option *row = option_find(rows, name);
        if (row && row->type != OPTION_LIST && !option_set(row, target, arena, json_string_value(value), err))
            return false;
    }
    return true;
}

const char *option_default_words(Arena *arena, const Option *row)
{
    const char *text = row->default_words ? row->default_words : row->default_value;
    if (!text) return "";
    if (row->default_words) return text;
    if (row->large_value)
        text = arena_printf(arena, "%s, from hidden size %d on %s", text, LARGE_HIDDEN, row->large_value);
    if (row->notebook_value) text = arena_printf(arena, "%s; notebook %s", text, row->notebook_value);
    return text;
}

const char *option_about(Arena *arena, const Option *row)
{
    const char *words = option_default_words(arena, row), *place = strstr(row->about, "{}");
    if (place) return arena_printf(arena, "%.*s%s%s", (int)(place - row->about), row->about, words, place + 2);
    return *words ? arena_printf(arena, "%s [%s]", row->about, words) : row->about;
}
