#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The labels of a train file as classes: the values that are there, whether numbers or names. */

typedef struct LabelSet {
    bool numbers;
    uint32_t classes;
    const char **names; /* [classes], in class order */
    double *values;     /* [classes], ascending; of numbers only */
    uint32_t *sorted;   /* [classes]: classes by name, bytewise; of names only */
} LabelSet;

static const char *const label_glue[] = {"entailment", "neutral",
                                         "contradiction"}; /* 0, 1, 2 in GLUE's MNLI and SNLI */

/* -12, 3 and 4.0, but not 03, 1e5, "positive", nor numbers that doubles do not hold. */
static bool label_is_number(Str label)
{
    enum { MOST_DIGITS = 15 };
    size_t i = label.size && label.at[0] == '-';
    const size_t digits = i;
    while (i < label.size && label.at[i] >= '0' && label.at[i] <= '9') i++;
    if (i == digits || (i - digits > 1 && label.at[digits] == '0')) return false;
    if (i < label.size && label.at[i] == '.') {
        const size_t fraction = ++i;
        while (i < label.size && label.at[i] >= '0' && label.at[i] <= '9') i++;
        if (i == fraction) return false;
    }
    return i == label.size && i - digits <= MOST_DIGITS + 1;
}

static bool label_number(const ExampleFile *file, size_t row, double *value, Err *err)
{
    if (!parse_double(file->rows[row].label, value) || *value < 0)
        return fail(err,
                    "%s, line %llu: the label %s is negative; -1 stands for rows without a label, so negative numbers "
                    "are no classes: write them as names",
                    file->path, (unsigned long long)file->rows[row].line, str_show(file->rows[row].label));
    *value += 0.0; /* no negative zero */
    return true;
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

static int value_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool label_set_of_numbers(Arena *arena, const ExampleFile *file, LabelSet *out, Err *err)
{
    enum { MOST_FRACTIONS = 20 }; /* half stars make ten classes; more are measurements */
    Arena scratch = {0};
    double *all = arena_new(&scratch, double, file->row_count);
    size_t count = 0;
    bool ok = true, fractions = false;
    for (size_t i = 0; i < file->row_count && ok; i++) ok = label_number(file, i, &all[i], err);
    if (ok) {
        qsort(all, file->row_count, sizeof *all, value_compare);
        for (size_t i = 0; i < file->row_count; i++) {
            fractions |= all[i] != trunc(all[i]);
            if (!count || all[i] != all[count - 1]) all[count++] = all[i];
        }
        if (fractions && count > MOST_FRACTIONS)
            ok = fail(err,
                      "%s: the labels are %zu different numbers with fractions (such as %.15g): this is a regression, "
                      "and lethe trains classes",
                      file->path, count, all[0]);
        else if (count < 2 || count > TASK_MAX_CLASSES)
            ok = label_set_fail(file, count, arena_printf(&scratch, "%.15g", all[0]), err);
    }
    if (ok) {
        out->classes = (uint32_t)count;
        out->values = arena_new(arena, double, count);
        out->names = arena_new(arena, const char *, count);
        memcpy(out->values, all, count * sizeof *all);
        for (size_t i = 0; i < count; i++) out->names[i] = arena_printf(arena, "%.15g", all[i]);
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
                const size_t n = utf8_length(*at[i], (size_t)(end[i] - *at[i]));
                const Str one = {*at[i], n ? n : 1};
                *at[i] += one.size;
                if (n && !str_trim(one).size) continue; /* white space */
                utf8proc_int32_t c = (uint8_t)one.at[0];
                if (n > 1) utf8proc_iterate((const uint8_t *)one.at, (utf8proc_ssize_t)n, &c);
                code[i] = (uint32_t)utf8proc_tolower(c);
                break;
            }
        if (code[0] != code[1]) return false;
        if (!code[0]) return true;
    }
}

/* The class of a row's label; `train` is the file that the set is from. */
static bool label_class(const LabelSet *set, const ExampleFile *file, size_t row, const char *train, uint32_t *class,
                        Err *err)
{
    const Str label = file->rows[row].label;
    double value = 0;
    if (set->numbers && !label_number(file, row, &value, err)) return false;
    for (uint32_t low = 0, high = set->classes; low < high;) {
        const uint32_t middle = low + (high - low) / 2;
        *class = set->numbers ? middle : set->sorted[middle];
        const int order =
            set->numbers ? value_compare(&value, &set->values[middle]) : str_compare(label, str(set->names[*class]));
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
