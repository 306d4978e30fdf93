#include "text.h"

#include <stdlib.h>
#include <string.h>

/* Files of examples become tasks: labels as class numbers, texts as token ids. */

/* ---- Labels ---- */

/* The labels of a train file: numbers below `classes`, or names. */
typedef struct LabelSet {
    bool numbers;
    uint32_t classes;
    Str *names;       /* [classes], in class order; of names only */
    uint32_t *sorted; /* [classes]: classes by name, bytewise */
} LabelSet;

static const char *const label_glue[] = {"entailment", "neutral", "contradiction"}; /* 0, 1, 2 in GLUE's MNLI and SNLI */

/* -12 and 3, but not 3.5, 03 or "positive". */
static bool label_is_number(Str label)
{
    const size_t sign = label.size && label.at[0] == '-', digits = label.size - sign;
    if (!digits || (digits > 1 && label.at[sign] == '0')) return false;
    for (size_t i = sign; i < label.size; i++)
        if (label.at[i] < '0' || label.at[i] > '9') return false;
    return true;
}

static int label_compare(const void *a, const void *b) { return str_compare(*(const Str *)a, *(const Str *)b); }

static bool label_number(const ExampleFile *file, size_t row, uint32_t *class, Err *err)
{
    int64_t value;
    if (!parse_int(file->rows[row].label, 0, TASK_MAX_CLASSES - 1, &value))
        return fail(err, "%s, line %llu: the label %s is not within 0 to %d", file->path, (unsigned long long)file->rows[row].line,
                    str_show(file->rows[row].label), TASK_MAX_CLASSES - 1);
    *class = (uint32_t)value;
    return true;
}

/* All labels of a file are numbers, or none is. */
static bool label_kind(const ExampleFile *file, bool numbers, Err *err)
{
    for (size_t i = 0; i < file->row_count; i++)
        if (label_is_number(file->rows[i].label) != numbers)
            return fail(err, "%s, line %llu: the label \"%s\" is %s, but those before it are %s; labels are either all whole numbers or all names",
                        file->path, (unsigned long long)file->rows[i].line, str_show(file->rows[i].label),
                        numbers ? "a name" : "a number", numbers ? "numbers" : "names");
    return true;
}

static bool label_set_of_numbers(const ExampleFile *file, LabelSet *out, Err *err)
{
    bool several = false;
    uint32_t class, first;
    for (size_t i = 0; i < file->row_count; i++) {
        if (!label_number(file, i, &class, err)) return false;
        if (!i) first = class;
        several |= class != first;
        if (class >= out->classes) out->classes = class + 1;
    }
    return several || fail(err, "%s: every row has the label %u; at least two classes are needed", file->path, first);
}

static bool label_set_of_names(Arena *arena, const ExampleFile *file, LabelSet *out, Err *err)
{
    Arena scratch = {0};
    Str *all = arena_new(&scratch, Str, file->row_count);
    for (size_t i = 0; i < file->row_count; i++) all[i] = file->rows[i].label;
    qsort(all, file->row_count, sizeof *all, label_compare);
    size_t count = 0;
    for (size_t i = 0; i < file->row_count; i++)
        if (!count || !str_equal(all[i], all[count - 1])) all[count++] = all[i];
    bool ok = true;
    if (count == 1)
        ok = fail(err, "%s: every row has the label \"%s\"; at least two classes are needed", file->path, str_show(all[0]));
    else if (count > TASK_MAX_CLASSES)
        ok = fail(err, "%s: %zu different labels (such as \"%s\"); at most %d are possible", file->path, count, str_show(all[0]), TASK_MAX_CLASSES);
    if (ok) {
        out->classes = (uint32_t)count;
        out->names = arena_new(arena, Str, count);
        out->sorted = arena_new(arena, uint32_t, count);
        const size_t order[] = {1, 2, 0}; /* contradiction, entailment, neutral */
        bool glue = count == COUNT(label_glue);
        for (size_t i = 0; glue && i < count; i++) glue = str_equal(all[i], str(label_glue[(i + 2) % 3]));
        for (size_t i = 0; i < count; i++) {
            out->sorted[i] = glue ? (uint32_t)((order[i] + 1) % 3) : (uint32_t)i;
            out->names[out->sorted[i]] = all[i];
        }
    }
    arena_free(&scratch);
    return ok;
}

/* The class of a row's label; `train` is the file that the set is from. */
static bool label_class(const LabelSet *set, const ExampleFile *file, size_t row, const char *train, uint32_t *class, Err *err)
{
    const Str label = file->rows[row].label;
    if (set->numbers) {
        if (!label_number(file, row, class, err)) return false;
        if (*class < set->classes) return true;
        return fail(err, "%s, line %llu: the label %u does not occur in %s, whose labels are 0 to %u", file->path,
                    (unsigned long long)file->rows[row].line, *class, train, set->classes - 1);
    }
    for (uint32_t low = 0, high = set->classes; low < high;) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = str_compare(label, set->names[set->sorted[middle]]);
        *class = set->sorted[middle];
        if (!order) return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return fail(err, "%s, line %llu: the label \"%s\" does not occur in %s", file->path, (unsigned long long)file->rows[row].line,
                str_show(label), train);
}
