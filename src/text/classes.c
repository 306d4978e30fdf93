#include "text.h"

#include <stdlib.h>
#include <string.h>

/* The labels of a train file as classes: the values that are there, whether numbers or names. */

typedef struct LabelSet {
    bool numbers;
    uint32_t classes;
    const char **names; /* [classes], in class order; of numbers: ascending */
    uint32_t *sorted;   /* [classes]: classes by name, bytewise; of names only */
} LabelSet;

static const char *const label_glue[] = {"entailment", "neutral",
                                         "contradiction"}; /* 0, 1, 2 in GLUE's MNLI and SNLI */

/* A decimal number by its digits, however many: a double would merge numbers that differ after the 16th. */
typedef struct LabelNumber {
    bool negative; /* 0 never is */
    Str whole;     /* without leading zeros, but at least one digit */
    Str fraction;  /* without trailing zeros */
} LabelNumber;

/* -12, 3 and 4.0, but not 03, 1e5 and "positive". */
static bool label_parse_number(Str label, LabelNumber *out)
{
    size_t i = label.size && label.at[0] == '-';
    *out = (LabelNumber){.negative = i};
    const size_t digits = i;
    while (i < label.size && label.at[i] >= '0' && label.at[i] <= '9') i++;
    if (i == digits || (i - digits > 1 && label.at[digits] == '0')) return false;
    out->whole = (Str){label.at + digits, i - digits};
    if (i < label.size && label.at[i] == '.') {
        const size_t fraction = ++i;
        while (i < label.size && label.at[i] >= '0' && label.at[i] <= '9') i++;
        if (i == fraction) return false;
        out->fraction = (Str){label.at + fraction, i - fraction};
        while (out->fraction.size && out->fraction.at[out->fraction.size - 1] == '0') out->fraction.size--;
    }
    if (!out->fraction.size && str_equal(out->whole, S("0"))) out->negative = false;
    return i == label.size;
}

static bool label_is_number(Str label)
{
    LabelNumber number;
    return label_parse_number(label, &number);
}

static int label_number_compare(const void *a, const void *b)
{
    const LabelNumber *x = a, *y = b;
    if (x->negative != y->negative) return x->negative ? -1 : 1;
    int order =
        x->whole.size != y->whole.size ? (x->whole.size > y->whole.size ? 1 : -1) : str_compare(x->whole, y->whole);
    if (!order) order = str_compare(x->fraction, y->fraction);
    return x->negative ? -order : order;
}

/* "4" of 4.0: a class's name. */
static const char *label_number_text(Arena *arena, const LabelNumber *x)
{
    return arena_printf(arena, "%s%.*s%s%.*s", x->negative ? "-" : "", (int)x->whole.size, x->whole.at,
                        x->fraction.size ? "." : "", (int)x->fraction.size, x->fraction.size ? x->fraction.at : "");
}

bool labels_same_number(Str a, Str b)
{
    LabelNumber x, y;
    return label_parse_number(a, &x) && label_parse_number(b, &y) && !label_number_compare(&x, &y);
}

static bool label_number(const ExampleFile *file, size_t row, LabelNumber *value, Err *err)
{
    if (label_parse_number(file->rows[row].label, value) && !value->negative) return true;
    return fail(err,
                "%s, line %llu: the label %s is negative; -1 stands for rows without a label, so negative numbers "
                "are no classes: write them as names",
                file->path, (unsigned long long)file->rows[row].line, str_show(file->rows[row].label));
}

/* Fails unless all labels of a file are numbers, or none is; `others` names those that this was learned from. */
static bool label_kind(const ExampleFile *file, bool numbers, const char *others, Err *err)
{
    for (size_t i = 0; i < file->row_count; i++)
        if (label_is_number(file->rows[i].label) != numbers)
            return fail(
                err, "%s, line %llu: the label \"%s\" is %s, but %s are %s; labels are either all numbers or all names",
                file->path, (unsigned long long)file->rows[i].line, str_show(file->rows[i].label),
                numbers ? "no number" : "a number", others, numbers ? "numbers" : "names");
    return true;
}

static bool label_set_fail(const ExampleFile *file, size_t count, const char *first, Err *err)
{
    if (count > TASK_MAX_CLASSES)
        return fail(err, "%s: %zu different labels (such as \"%s\"); at most %d are possible", file->path, count, first,
                    TASK_MAX_CLASSES);
    return fail(err, "%s: every row has the label \"%s\"%s; at least two classes are needed", file->path, first,
                file->minus_rows ? ", and those with -1 count as rows without one" : "");
}

static bool label_set_of_numbers(Arena *arena, const ExampleFile *file, LabelSet *out, Err *err)
{
    enum { MOST_FRACTIONS = 20 }; /* half stars make ten classes; more are measurements */
    Arena scratch = {0};
    LabelNumber *all = arena_new(&scratch, LabelNumber, file->row_count);
    size_t count = 0;
    bool ok = true, fractions = false;
    for (size_t i = 0; i < file->row_count && ok; i++) ok = label_number(file, i, &all[i], err);
    if (ok) {
        qsort(all, file->row_count, sizeof *all, label_number_compare);
        for (size_t i = 0; i < file->row_count; i++) {
            fractions |= all[i].fraction.size > 0;
            if (!count || label_number_compare(&all[i], &all[count - 1])) all[count++] = all[i];
        }
        const char *first = str_show(str(label_number_text(&scratch, &all[0])));
        if (fractions && count > MOST_FRACTIONS)
            ok = fail(err,
                      "%s: the labels are %zu different numbers with fractions (such as %s): this is a regression, "
                      "and lethe trains classes",
                      file->path, count, first);
        else if (count < 2 || count > TASK_MAX_CLASSES)
            ok = label_set_fail(file, count, first, err);
    }
    if (ok) {
        out->classes = (uint32_t)count;
        out->names = arena_new(arena, const char *, count);
        for (size_t i = 0; i < count; i++) out->names[i] = label_number_text(arena, &all[i]);
    }
    arena_free(&scratch);
    return ok;
}

static int label_compare(const void *a, const void *b) { return str_compare(*(const Str *)a, *(const Str *)b); }

static bool label_set_of_names(Arena *arena, const ExampleFile *file, LabelSet *out, Err *err)
{
    Arena scratch = {0};
    Str *all = arena_new(&scratch, Str, file->row_count);
    for (size_t i = 0; i < file->row_count; i++) all[i] = file->rows[i].label;
    qsort(all, file->row_count, sizeof *all, label_compare);
    size_t count = 0;
    for (size_t i = 0; i < file->row_count; i++)
        if (!count || !str_equal(all[i], all[count - 1])) all[count++] = all[i];
    const bool ok = (count >= 2 && count <= TASK_MAX_CLASSES) || label_set_fail(file, count, str_show(all[0]), err);
    if (ok) {
        out->classes = (uint32_t)count;
        out->names = arena_new(arena, const char *, count);
        out->sorted = arena_new(arena, uint32_t, count);
        bool glue = count == COUNT(label_glue);
        for (size_t i = 0; glue && i < count; i++) glue = str_equal(all[i], str(label_glue[(i + 2) % 3]));
        for (size_t i = 0; i < count; i++) {
            out->sorted[i] = (uint32_t)(glue ? (i + 2) % 3 : i);
            out->names[out->sorted[i]] = arena_copy(arena, all[i].at, all[i].size);
        }
    }
    arena_free(&scratch);
    return ok;
}

/* Whether two labels are the same but for case and white space. */
static bool label_is_like(Str a, Str b)
{
    const char *p = a.at, *q = b.at, *p_end = a.at + a.size, *q_end = b.at + b.size;
    for (;;) {
        uint32_t code[2] = {0};
        const char **at[2] = {&p, &q}, *end[2] = {p_end, q_end};
        for (int i = 0; i < 2; i++)
            while (*at[i] < end[i]) {
                const Str one = {*at[i], utf8_decode(*at[i], (size_t)(end[i] - *at[i]), &code[i])};
                *at[i] += one.size;
                if (!str_trim(one).size) {
                    code[i] = 0; /* white space */
                    continue;
                }
                if (code[i] == UTF8_INVALID) code[i] = (uint8_t)one.at[0];
                code[i] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)code[i]);
                break;
            }
        if (code[0] != code[1]) return false;
        if (!code[0]) return true;
    }
}

/* Where a label stands against a class's name in the order in which the set is searched. */
static int label_order(const LabelSet *set, Str label, Str name)
{
    LabelNumber x, y;
    if (!set->numbers || !label_parse_number(label, &x) || !label_parse_number(name, &y))
        return str_compare(label, name);
    return label_number_compare(&x, &y);
}

/* The class of a row's label; `train` is the file that the set is from. */
static bool label_class(const LabelSet *set, const ExampleFile *file, size_t row, const char *train, uint32_t *class,
                        Err *err)
{
    const Str label = file->rows[row].label;
    LabelNumber value;
    if (set->numbers && !label_number(file, row, &value, err)) return false;
    for (uint32_t low = 0, high = set->classes; low < high;) {
        const uint32_t middle = low + (high - low) / 2;
        *class = set->numbers ? middle : set->sorted[middle];
        const int order = label_order(set, label, str(set->names[*class]));
        if (!order) return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    const char *like = NULL;
    for (uint32_t c = 0; c < set->classes && !like; c++)
        if (label_is_like(label, str(set->names[c]))) like = set->names[c];
    if (like)
        return fail(err,
                    "%s, line %llu: the label \"%s\" does not occur in %s; \"%s\" there differs from it only in case "
                    "or white space",
                    file->path, (unsigned long long)file->rows[row].line, str_show(label), train, str_show(str(like)));
    return fail(err, "%s, line %llu: the label %s%s%s does not occur in %s, whose labels are %s to %s", file->path,
                (unsigned long long)file->rows[row].line, set->numbers ? "" : "\"", str_show(label),
                set->numbers ? "" : "\"", train, str_show(str(set->names[0])),
                str_show(str(set->names[set->classes - 1])));
}

static bool label_set(Arena *arena, const ExampleFile *train, const ExampleFile *eval, LabelSet *out, Err *err)
{
    *out = (LabelSet){.numbers = label_is_number(train->rows[0].label)};
    const char *others = arena_printf(arena, "the labels of %s", train->path);
    uint32_t class;
    if (!label_kind(train, out->numbers, "those before it", err) || !label_kind(eval, out->numbers, others, err) ||
        !(out->numbers ? label_set_of_numbers(arena, train, out, err) : label_set_of_names(arena, train, out, err)))
        return false;
    for (size_t i = 0; i < eval->row_count; i++)
        if (!label_class(out, eval, i, train->path, &class, err)) return false;
    return true;
}
