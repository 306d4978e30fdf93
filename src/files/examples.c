#include "files.h"

#include <string.h>

enum { EXAMPLES_NONE = -1 };

static int examples_column(const Table *table, const char *name)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (str_equal(table->columns[i], str(name))) return (int)i;
    return EXAMPLES_NONE;
}

/* "a, b, c" for messages. */
static const char *examples_header(Arena *arena, const Table *table)
{
    const char *all = "";
    for (size_t i = 0; i < table->column_count && i < 12; i++)
        all = arena_printf(arena, "%s%s%s", all, i ? ", " : "", str_show(table->columns[i]));
    return table->column_count > 12 ? arena_printf(arena, "%s, ...", all) : all;
}

static bool examples_from(Arena *arena, const Table *table, bool need_labels, ExampleFile *out, Err *err)
{
    static const char *const pairs[][2] = {
        {"sentence1", "sentence2"}, {"premise", "hypothesis"}, {"question", "sentence"}};
    static const char *const singles[] = {"sentence", "text", "question"};
    int text = EXAMPLES_NONE, pair = EXAMPLES_NONE, label = examples_column(table, "label");
    if (label == EXAMPLES_NONE) label = examples_column(table, "gold_label");
    for (size_t i = 0; i < COUNT(pairs) && pair == EXAMPLES_NONE; i++) {
        text = examples_column(table, pairs[i][0]);
        pair = text == EXAMPLES_NONE ? EXAMPLES_NONE : examples_column(table, pairs[i][1]);
    }
    if (pair == EXAMPLES_NONE) {
        text = EXAMPLES_NONE;
        for (size_t i = 0; i < COUNT(singles) && text == EXAMPLES_NONE; i++) text = examples_column(table, singles[i]);
    }
    if (text == EXAMPLES_NONE)
        return fail(err,
                    "%s: no text column (sentence, text or question; for pairs sentence1 and sentence2, premise and "
                    "hypothesis, or question and sentence); the columns here are: %s",
                    table->path, examples_header(arena, table));
    if (need_labels && label == EXAMPLES_NONE)
        return fail(err, "%s: no label column (label or gold_label); the columns here are: %s", table->path,
                    examples_header(arena, table));

    out->path = table->path;
    out->pairs = pair != EXAMPLES_NONE;
    out->rows = arena_new(arena, Example, table->row_count);
    for (size_t r = 0; r < table->row_count; r++) {
        const Str *cells = table->cells + r * table->column_count;
        Example e = {.text = cells[text], .line = table->lines[r]};
        if (pair != EXAMPLES_NONE) e.pair = cells[pair];
        if (label != EXAMPLES_NONE) e.label = cells[label];
        if (!e.text.at || (pair != EXAMPLES_NONE && !e.pair.at))
            return fail(err, "%s, line %llu: \"%s\" is missing or no text", table->path, (unsigned long long)e.line,
                        str_show(table->columns[!e.text.at ? text : pair]));
        if (e.label.at && str_equal(e.label, S("-"))) {
            out->skipped_rows++;
            continue;
        }
        if (need_labels && e.label.size == 0)
            return fail(err, "%s, line %llu: the row has no label", table->path, (unsigned long long)e.line);
        out->rows[out->row_count++] = e;
    }
    if (!out->row_count) return fail(err, "%s: every row is labelled '-'; nothing is left", table->path);
    return true;
}

bool examples_parse(Arena *arena, Str bytes, const char *name, bool need_labels, ExampleFile *out, Err *err)
{
    Table table;
    *out = (ExampleFile){0};
    sha256_hex(bytes, out->sha256);
    return table_parse(arena, bytes, name, &table, err) && examples_from(arena, &table, need_labels, out, err);
}

bool examples_read(Arena *arena, const char *path, bool need_labels, ExampleFile *out, Err *err)
{
    Str bytes;
    return file_read(arena, path, UINT32_MAX, &bytes, err) && examples_parse(arena, bytes, path, need_labels, out, err);
}
