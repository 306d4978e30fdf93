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

static const char *const label_glue[] = {"entailment", "neutral",
                                         "contradiction"}; /* 0, 1, 2 in GLUE's MNLI and SNLI */

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
        return fail(err, "%s, line %llu: the label %s is not within 0 to %d", file->path,
                    (unsigned long long)file->rows[row].line, str_show(file->rows[row].label), TASK_MAX_CLASSES - 1);
    *class = (uint32_t)value;
    return true;
}

/* Fails unless all labels of a file are numbers, or none is; `others` names those that this was learned from. */
static bool label_kind(const ExampleFile *file, bool numbers, const char *others, Err *err)
{
    for (size_t i = 0; i < file->row_count; i++)
        if (label_is_number(file->rows[i].label) != numbers)
            return fail(err,
                        "%s, line %llu: the label \"%s\" is %s, but %s are %s; labels are either all whole numbers or "
                        "all names",
                        file->path, (unsigned long long)file->rows[i].line, str_show(file->rows[i].label),
                        numbers ? "no whole number" : "a number", others, numbers ? "numbers" : "names");
    return true;
}

static bool label_set_of_numbers(const ExampleFile *file, LabelSet *out, Err *err)
{
    bool several = false;
    uint32_t class = 0, first = 0;
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
        ok = fail(err, "%s: every row has the label \"%s\"; at least two classes are needed", file->path,
                  str_show(all[0]));
    else if (count > TASK_MAX_CLASSES)
        ok = fail(err, "%s: %zu different labels (such as \"%s\"); at most %d are possible", file->path, count,
                  str_show(all[0]), TASK_MAX_CLASSES);
    if (ok) {
        out->classes = (uint32_t)count;
        out->names = arena_new(arena, Str, count);
        out->sorted = arena_new(arena, uint32_t, count);
        bool glue = count == COUNT(label_glue);
        for (size_t i = 0; glue && i < count; i++) glue = str_equal(all[i], str(label_glue[(i + 2) % 3]));
        for (size_t i = 0; i < count; i++) {
            out->sorted[i] = (uint32_t)(glue ? (i + 2) % 3 : i);
            out->names[out->sorted[i]] = all[i];
        }
    }
    arena_free(&scratch);
    return ok;
}

/* The class of a row's label; `train` is the file that the set is from. */
static bool label_class(const LabelSet *set, const ExampleFile *file, size_t row, const char *train, uint32_t *class,
                        Err *err)
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
    return fail(err, "%s, line %llu: the label \"%s\" does not occur in %s", file->path,
                (unsigned long long)file->rows[row].line, str_show(label), train);
}

/* ---- Rows ---- */

enum { SPLIT_SCRATCH_BYTES = 1 << 22 };

/* Tokenises the first `rows` rows. */
static void split_load(Arena *arena, const Tokenizer *tokenizer, const ExampleFile *file, uint32_t rows,
                       uint32_t max_length, Split *out)
{
    Arena scratch = {0}, growing = {0};
    DYN(uint32_t) ids = {0};
    DYN(uint8_t) types = {0};
    uint32_t *row_ids = arena_new(&growing, uint32_t, max_length);
    uint8_t *row_types = arena_new(&growing, uint8_t, max_length);
    *out = (Split){.rows = rows, .skipped = file->skipped_rows};
    out->labels = arena_new(arena, uint32_t, rows);
    out->starts = arena_new(arena, uint64_t, (size_t)rows + 1);
    out->lines = arena_new(arena, uint64_t, rows);
    out->text = arena_new(arena, Str, rows);
    out->pair = arena_new(arena, Str, rows);
    for (uint32_t r = 0; r < rows; r++) {
        const Example *row = &file->rows[r];
        const uint32_t count =
            tokenizer_encode(tokenizer, &scratch, row->text, row->pair, max_length, row_ids, row_types);
        for (uint32_t i = 0; i < count; i++) {
            *dyn_push(&growing, &ids) = row_ids[i];
            *dyn_push(&growing, &types) = row_types[i];
        }
        out->starts[r + 1] = ids.count;
        out->lines[r] = row->line;
        out->text[r] = row->text;
        out->pair[r] = row->pair;
        out->any_pair |= row->pair.at != NULL;
        if (count > out->longest) out->longest = count;
        if (scratch.total_bytes > SPLIT_SCRATCH_BYTES) arena_free(&scratch);
    }
    out->ids = arena_new(arena, uint32_t, ids.count);
    out->types = arena_new(arena, uint8_t, types.count);
    if (ids.count) memcpy(out->ids, ids.at, ids.count * sizeof *ids.at), memcpy(out->types, types.at, types.count);
    arena_free(&growing);
    arena_free(&scratch);
}

static uint32_t split_rows(const ExampleFile *file, uint32_t wanted)
{
    return wanted && wanted < file->row_count ? wanted : (uint32_t)file->row_count;
}

bool task_data_load(Arena *arena, const Tokenizer *tokenizer, const char *name, const ExampleFile *train,
                    const ExampleFile *eval, uint32_t train_rows, uint32_t eval_rows, uint32_t max_length,
                    TaskData *out, Err *err)
{
    const ExampleFile *files[2] = {train, eval};
    LabelSet labels = {0};
    uint32_t class;
    for (size_t i = 0; i < COUNT(files); i++)
        if (!files[i]->row_count || files[i]->row_count >= UINT32_MAX)
            return fail(err, "%s: %s rows", files[i]->path, files[i]->row_count ? "too many" : "no");
    if (train->pairs != eval->pairs)
        return fail(err, "%s has %s, but %s has %s; both need the same columns", train->path,
                    train->pairs ? "pairs of texts" : "single texts", eval->path,
                    eval->pairs ? "pairs of texts" : "single texts");

    labels.numbers = label_is_number(train->rows[0].label);
    const char *others = arena_printf(arena, "the labels of %s", train->path);
    if (!label_kind(train, labels.numbers, "those before it", err) || !label_kind(eval, labels.numbers, others, err) ||
        !(labels.numbers ? label_set_of_numbers(train, &labels, err) : label_set_of_names(arena, train, &labels, err)))
        return false;
    for (size_t i = 0; i < eval->row_count; i++)
        if (!label_class(&labels, eval, i, train->path, &class, err)) return false;

    *out = (TaskData){.name = name, .classes = labels.classes};
    memcpy(out->train_sha256, train->sha256, sizeof out->train_sha256);
    memcpy(out->eval_sha256, eval->sha256, sizeof out->eval_sha256);
    out->class_names = arena_new(arena, const char *, labels.classes);
    for (uint32_t c = 0; c < labels.classes; c++)
        out->class_names[c] =
            labels.numbers ? arena_printf(arena, "%u", c) : arena_copy(arena, labels.names[c].at, labels.names[c].size);
    Split *splits[2] = {&out->train, &out->eval};
    for (size_t i = 0; i < COUNT(files); i++) {
        split_load(arena, tokenizer, files[i], split_rows(files[i], i ? eval_rows : train_rows), max_length, splits[i]);
        for (uint32_t r = 0; r < splits[i]->rows; r++)
            if (!label_class(&labels, files[i], r, train->path, &splits[i]->labels[r], err)) return false;
    }
    return true;
}

void split_subset(Arena *arena, const Split *split, const uint32_t *rows, uint32_t count, Split *out)
{
    uint64_t tokens = 0;
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(rows[i] < split->rows);
        tokens += split->starts[rows[i] + 1] - split->starts[rows[i]];
    }
    *out = (Split){.rows = count, .skipped = split->skipped};
    out->labels = arena_new(arena, uint32_t, count);
    out->starts = arena_new(arena, uint64_t, (size_t)count + 1);
    out->ids = arena_new(arena, uint32_t, tokens);
    out->types = arena_new(arena, uint8_t, tokens);
    out->text = arena_new(arena, Str, count);
    out->pair = arena_new(arena, Str, count);
    out->lines = arena_new(arena, uint64_t, count);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t row = rows[i];
        const uint64_t from = split->starts[row], size = split->starts[row + 1] - from, to = out->starts[i];
        memcpy(out->ids + to, split->ids + from, size * sizeof *out->ids);
        memcpy(out->types + to, split->types + from, size);
        out->starts[i + 1] = to + size;
        out->labels[i] = split->labels[row];
        out->text[i] = split->text[row];
        out->pair[i] = split->pair[row];
        out->lines[i] = split->lines[row];
        out->any_pair |= split->pair[row].at != NULL;
        if (size > out->longest) out->longest = (uint32_t)size;
    }
}

double split_majority_rate(const Split *split, uint32_t classes)
{
    Arena scratch = {0};
    uint32_t *counts = arena_new(&scratch, uint32_t, classes), most = 0;
    for (uint32_t r = 0; r < split->rows; r++) {
        ASSERT(split->labels[r] < classes);
        const uint32_t count = ++counts[split->labels[r]];
        if (count > most) most = count;
    }
    arena_free(&scratch);
    return split->rows ? (double)most / split->rows : 0;
}

void split_hold_out(Arena *arena, const Split *split, Split *rest, Split *held)
{
    static const uint64_t STREAM = 0x68656c64;
    const uint32_t count = split->rows < 20 ? 1 : split->rows / 10;
    Arena scratch = {0};
    uint32_t *order = arena_new(&scratch, uint32_t, split->rows), *rows = arena_new(&scratch, uint32_t, split->rows);
    bool *chosen = arena_new(&scratch, bool, split->rows);
    random_order(0, STREAM, split->rows, order);
    for (uint32_t i = 0; i < count; i++) chosen[order[i]] = true;
    uint32_t first = 0, second = split->rows - count; /* both as they came */
    for (uint32_t r = 0; r < split->rows; r++) rows[chosen[r] ? second++ : first++] = r;
    split_subset(arena, split, rows, first, rest);
    split_subset(arena, split, rows + first, count, held);
    arena_free(&scratch);
}
