#include "text.h"

#include <stdlib.h>
#include <string.h>

/* Files of examples become tasks: labels as class numbers, texts as token ids. */

/* ---- Rows ---- */

enum { SPLIT_SCRATCH_BYTES = 1 << 22, ROWS_STREAM = 0x726f7773 }; /* streams of the draws: train, eval */

/* The rows that are taken of a file, ascending. `stream`: of the draw, which depends on nothing but the number of rows;
 * first: none is drawn, the file's first rows are taken. */
typedef struct RowChoice {
    uint32_t *rows, count;
} RowChoice;

static RowChoice rows_choose(Arena *arena, const ExampleFile *file, uint32_t wanted, bool first, uint64_t stream)
{
    const uint32_t all = (uint32_t)file->row_count;
    RowChoice choice = {.count = wanted && wanted < all ? wanted : all};
    choice.rows = arena_new(arena, uint32_t, choice.count);
    if (first || choice.count == all) {
        for (uint32_t i = 0; i < choice.count; i++) choice.rows[i] = i;
        return choice;
    }
    Arena scratch = {0};
    uint32_t *order = arena_new(&scratch, uint32_t, all), used = 0;
    bool *taken = arena_new(&scratch, bool, all);
    random_order(0, stream, all, order);
    for (uint32_t i = 0; i < choice.count; i++) taken[order[i]] = true;
    for (uint32_t i = 0; i < all; i++)
        if (taken[i]) choice.rows[used++] = i;
    arena_free(&scratch);
    return choice;
}

/* Tokenises the rows of a choice. */
static void split_load(Arena *arena, const Tokenizer *tokenizer, const ExampleFile *file, const RowChoice *choice,
                       uint32_t max_length, Split *out)
{
    Arena scratch = {0}, growing = {0};
    DYN(uint32_t) ids = {0};
    DYN(uint8_t) types = {0};
    const uint32_t rows = choice->count;
    uint32_t *row_ids = arena_new(&growing, uint32_t, max_length);
    uint8_t *row_types = arena_new(&growing, uint8_t, max_length);
    *out = (Split){.rows = rows, .skipped = file->skipped_rows, .file_rows = (uint32_t)file->row_count};
    out->labels = arena_new(arena, uint32_t, rows);
    out->starts = arena_new(arena, uint64_t, (size_t)rows + 1);
    out->lines = arena_new(arena, uint64_t, rows);
    out->text = arena_new(arena, Str, rows);
    out->pair = arena_new(arena, Str, rows);
    for (uint32_t r = 0; r < rows; r++) {
        const Example *row = &file->rows[choice->rows[r]];
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

/* ---- What is said of a task before it is trained ---- */

static void task_warn(Arena *arena, TaskData *task, const char *text) { *dyn_push(arena, &task->warnings) = text; }

/* "1000 of 30,000 rows", "the first 1000 of 30,000 rows", or "all 30,000 rows". */
static const char *rows_text(Arena *arena, const Split *split, bool first)
{
    const char *taken = format_count(arena, split->rows), *all = format_count(arena, split->file_rows);
    if (split->rows == split->file_rows) return arena_printf(arena, "all %s rows", all);
    return arena_printf(arena, "%s%s of %s rows", first ? "the first " : "", taken, all);
}

/* Classes of the train file that the rows taken do not have; at least two must be among those to train. */
static bool task_check_classes(Arena *arena, TaskData *task, const ExampleFile *files[2], bool first, Err *err)
{
    enum { MOST_NAMED = 5 };
    for (int i = 0; i < 2; i++) {
        const Split *split = i ? &task->eval : &task->train;
        uint32_t *counts = split_class_counts(arena, split, task->classes), missing = 0, only = 0;
        const char *names = "", *rows = rows_text(arena, split, first);
        for (uint32_t c = 0; c < task->classes; c++) {
            if (counts[c]) only = c;
            if (counts[c] || missing++ >= MOST_NAMED) continue;
            names = text_join(arena, names, ", ", arena_printf(arena, "\"%s\"", str_show(str(task->class_names[c]))));
        }
        if (missing > MOST_NAMED) names = arena_printf(arena, "%s, ...", names);
        if (missing == task->classes - 1 && i == 0)
            return fail(err, "%s: %s are all of class \"%s\" (of %u classes); --train-rows 0 takes all rows",
                        files[i]->path, rows, str_show(str(task->class_names[only])), task->classes);
        if (missing)
            task_warn(arena, task,
                      arena_printf(arena, "%u of %u classes %s in %s of %s: %s", missing, task->classes,
                                   plural(missing, "is missing", "are missing"), rows, files[i]->path, names));
    }
    return true;
}

/* A file sorted by class is drawn from as a whole; a user who knows it by its first rows is warned. */
static void task_note_order(Arena *arena, TaskData *task, const ExampleFile *file, const Split *split, bool first)
{
    if (first || split->rows == split->file_rows || split->rows < 2) return;
    for (uint32_t r = 1; r < split->rows; r++)
        if (!str_equal(file->rows[r].label, file->rows[0].label)) return;
    task_warn(arena, task,
              arena_printf(arena, "%s: its first %s rows are all of class \"%s\"; the %s are drawn from all %s",
                           file->path, format_count(arena, split->rows), str_show(file->rows[0].label),
                           format_count(arena, split->rows), format_count(arena, split->file_rows)));
}

static uint64_t line_of_label(const ExampleFile *file, const char *name)
{
    for (size_t i = 0; i < file->row_count; i++)
        if (str_equal(file->rows[i].label, str(name))) return file->rows[i].line;
    return 0;
}

static void task_warn_of_labels(Arena *arena, TaskData *task, const ExampleFile *files[2])
{
    for (int i = 0; i < 2; i++) {
        if (files[i]->minus_rows)
            task_warn(arena, task,
                      arena_printf(arena, "%s: %s rows labelled -1 count as rows without a label and are left out",
                                   files[i]->path, format_count(arena, files[i]->minus_rows)));
        if (files[i]->cut_rows)
            task_warn(arena, task,
                      arena_printf(arena, "%s: %s rows have too few columns, as in GLUE's own file, and are left out",
                                   files[i]->path, format_count(arena, files[i]->cut_rows)));
    }
    static const char *const nothing[] = {"nan", "none", "null", "na", "n/a", "undefined"};
    for (uint32_t c = 0; c < task->classes; c++)
        for (size_t k = 0; k < COUNT(nothing); k++)
            if (str_equal_as(str(task->class_names[c]), str(nothing[k])))
                task_warn(arena, task,
                          arena_printf(arena,
                                       "%s: the label \"%s\" (line %llu) is a class; where it stands for rows without "
                                       "a label, write '-' for it",
                                       files[0]->path, str_show(str(task->class_names[c])),
                                       (unsigned long long)line_of_label(files[0], task->class_names[c])));
    for (uint32_t c = 0; c < task->classes; c++)
        for (uint32_t k = 0; k < c; k++) {
            const char *a = task->class_names[k], *b = task->class_names[c];
            if (!label_is_like(str(a), str(b))) continue;
            task_warn(arena, task,
                      arena_printf(arena,
                                   "%s: the labels \"%s\" (line %llu) and \"%s\" (line %llu) are two classes, but "
                                   "differ only in case or white space",
                                   files[0]->path, str_show(str(a)), (unsigned long long)line_of_label(files[0], a),
                                   str_show(str(b)), (unsigned long long)line_of_label(files[0], b)));
        }
}

typedef struct RowText {
    Str text, pair;
    uint32_t row;
} RowText;

static int row_text_compare(const void *a, const void *b)
{
    const RowText *x = a, *y = b;
    const int order = str_compare(x->text, y->text);
    return order ? order : str_compare(x->pair, y->pair);
}

static int row_text_order(const void *a, const void *b) /* of equal ones the first row is first */
{
    const RowText *x = a, *y = b;
    const int order = row_text_compare(a, b);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

/* Rows to evaluate whose text (or pair) is also trained on. */
static void task_find_common(Arena *arena, TaskData *task, const ExampleFile *files[2])
{
    Arena scratch = {0};
    const Split *train = &task->train, *eval = &task->eval;
    RowText *rows = arena_new(&scratch, RowText, train->rows), *first = NULL;
    uint64_t line = 0;
    for (uint32_t r = 0; r < train->rows; r++) rows[r] = (RowText){train->text[r], train->pair[r], r};
    qsort(rows, train->rows, sizeof *rows, row_text_order);
    for (uint32_t r = 0; r < eval->rows; r++) {
        const RowText wanted = {eval->text[r], eval->pair[r], 0};
        RowText *found = bsearch(&wanted, rows, train->rows, sizeof *rows, row_text_compare);
        if (!found) continue;
        if (task->common_rows++) continue;
        while (found > rows && row_text_compare(found - 1, found) == 0) found--;
        first = found, line = eval->lines[r];
    }
    if (files[0]->path != files[1]->path && strcmp(task->train_sha256, task->eval_sha256) == 0)
        task_warn(arena, task,
                  arena_printf(arena,
                               "%s and %s are the same file: %s of %s rows to evaluate are trained on, and their "
                               "accuracy says nothing about new rows",
                               files[0]->path, files[1]->path, format_count(arena, task->common_rows),
                               format_count(arena, eval->rows)));
    else if (task->common_rows)
        task_warn(arena, task,
                  arena_printf(arena,
                               "%s of %s rows to evaluate are also among the rows to train (line %llu of %s is line "
                               "%llu of %s)",
                               format_count(arena, task->common_rows), format_count(arena, eval->rows),
                               (unsigned long long)line, files[1]->path, (unsigned long long)train->lines[first->row],
                               files[0]->path));
    arena_free(&scratch);
}

/* "sentence1 and sentence2, label gold_label" */
static const char *columns_text(Arena *arena, const ExampleFile *file)
{
    const char *text =
        arena_printf(arena, "text \"%s\"%s%s%s, label \"%s\"", str_show(str(file->text_column)),
                     file->pair_column ? ", pair \"" : "", file->pair_column ? str_show(str(file->pair_column)) : "",
                     file->pair_column ? "\"" : "", file->label_column ? str_show(str(file->label_column)) : "none");
    if (file->layout) text = arena_printf(arena, "%s (%s)", text, file->layout);
    return file->unread ? arena_printf(arena, "%s; not read, but looks like text: %s", text, file->unread) : text;
}

bool task_data_load(Arena *arena, const Tokenizer *tokenizer, const char *name, const ExampleFile *train,
                    const ExampleFile *eval, uint32_t train_rows, uint32_t eval_rows, bool first_rows,
                    uint32_t max_length, TaskData *out, Err *err)
{
    const ExampleFile *files[2] = {train, eval};
    LabelSet labels;
    for (size_t i = 0; i < COUNT(files); i++)
        if (!files[i]->row_count || files[i]->row_count >= UINT32_MAX)
            return fail(err, "%s: %s rows", files[i]->path, files[i]->row_count ? "too many" : "no");
    if (train->pairs != eval->pairs)
        return fail(err, "%s has %s, but %s has %s; both need the same columns", train->path,
                    train->pairs ? "pairs of texts" : "single texts", eval->path,
                    eval->pairs ? "pairs of texts" : "single texts");
    if (!label_set(arena, train, eval, &labels, err)) return false;

    *out = (TaskData){.name = name, .classes = labels.classes, .class_names = labels.names};
    memcpy(out->train_sha256, train->sha256, sizeof out->train_sha256);
    memcpy(out->eval_sha256, eval->sha256, sizeof out->eval_sha256);
    Split *splits[2] = {&out->train, &out->eval};
    for (size_t i = 0; i < COUNT(files); i++) {
        const RowChoice choice = rows_choose(arena, files[i], i ? eval_rows : train_rows, first_rows, ROWS_STREAM + i);
        split_load(arena, tokenizer, files[i], &choice, max_length, splits[i]);
        splits[i]->columns = columns_text(arena, files[i]);
        splits[i]->read = (ColumnNames){files[i]->text_column, files[i]->pair_column, files[i]->label_column};
        for (uint32_t r = 0; r < choice.count; r++)
            if (!label_class(&labels, files[i], choice.rows[r], train->path, &splits[i]->labels[r], err)) return false;
        if (files[i]->unread)
            task_warn(arena, out, arena_printf(arena, "%s: columns %s", files[i]->path, splits[i]->columns));
    }
    task_warn_of_labels(arena, out, files);
    for (size_t i = 0; i < COUNT(files); i++) task_note_order(arena, out, files[i], splits[i], first_rows);
    task_find_common(arena, out, files);
    return task_check_classes(arena, out, files, first_rows, err);
}

void split_subset(Arena *arena, const Split *split, const uint32_t *rows, uint32_t count, Split *out)
{
    uint64_t tokens = 0;
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(rows[i] < split->rows);
        tokens += split->starts[rows[i] + 1] - split->starts[rows[i]];
    }
    *out = (Split){.rows = count,
                   .skipped = split->skipped,
                   .file_rows = split->file_rows,
                   .columns = split->columns,
                   .read = split->read};
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

uint32_t *split_class_counts(Arena *arena, const Split *split, uint32_t classes)
{
    uint32_t *counts = arena_new(arena, uint32_t, classes);
    for (uint32_t r = 0; r < split->rows; r++) {
        ASSERT(split->labels[r] < classes);
        counts[split->labels[r]]++;
    }
    return counts;
}

double split_majority_rate(const Split *split, uint32_t classes)
{
    Arena scratch = {0};
    uint32_t *counts = split_class_counts(&scratch, split, classes), most = 0;
    for (uint32_t c = 0; c < classes; c++)
        if (counts[c] > most) most = counts[c];
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
