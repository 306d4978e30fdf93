#include "files.h"

#include <string.h>

/* Tables become examples: which columns are the text, its pair and the label. docs/data.md lists the names. */

enum { COLUMN_NONE = -1, COLUMN_SEVERAL = -2 };

static int column_find(const Table *table, Str name)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (str_equal(table->columns[i], name)) return (int)i;
    for (size_t i = 0; i < table->column_count; i++)
        if (str_equal_as(table->columns[i], name)) return (int)i;
    return COLUMN_NONE;
}

static int column_of(const Table *table, const char *name) { return column_find(table, str(name)); }

/* "a, b, c" for messages. */
static const char *column_list(Arena *arena, const Table *table)
{
    const char *all = "";
    for (size_t i = 0; i < table->column_count && i < 12; i++)
        all = arena_printf(arena, "%s%s%s", all, i ? ", " : "", str_show(table->columns[i])); /* which may be empty */
    return table->column_count > 12 ? arena_printf(arena, "%s, ...", all) : all;
}

typedef struct Columns {
    int text, pair, label;
} Columns;

/* The only column that has one of the names; *two: the first two when there are several. */
static int column_only(const Table *table, const char *const *names, size_t count, int two[2])
{
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        const int column = column_of(table, names[i]);
        if (column == COLUMN_NONE) continue;
        if (found < 2) two[found] = column;
        found++;
    }
    return !found ? COLUMN_NONE : found == 1 ? two[0] : COLUMN_SEVERAL;
}

static bool fail_several(const Table *table, const int two[2], const char *what, const char *key, Err *err)
{
    const Str *names = table->columns;
    return fail(err, "%s: both \"%s\" and \"%s\" may be the %s; name one of them, as in --task NAME=TRAIN,EVAL,%s=%s",
                table->path, str_show(names[two[0]]), str_show(names[two[1]]), what, key, str_show(names[two[0]]));
}

/* First the names that GLUE uses, in this order, and what predict --to writes; then others, of which there must be only
 * one. */
static bool columns_find_text(Arena *arena, const Table *table, Columns *c, Err *err)
{
    static const char *const pairs[][2] = {
        {"sentence1", "sentence2"},   {"premise", "hypothesis"}, {"question", "sentence"}, {"question1", "question2"},
        {"#1 String", "#2 String"},   {"question", "passage"},   {"text1", "text2"},       {"text_a", "text_b"},
        {"sentence_a", "sentence_b"}, {"text", "text_pair"},     {"text", "pair"},
    };
    static const char *const singles[] = {"sentence", "text", "question"};
    static const char *const others[] = {"review",       "review_text", "reviewText", "content",  "comment",
                                         "comment_text", "tweet",       "utterance",  "document", "phrase"};
    int two[2];
    for (size_t i = 0; i < COUNT(pairs); i++) {
        const int text = column_of(table, pairs[i][0]), pair = column_of(table, pairs[i][1]);
        if (text == COLUMN_NONE || pair == COLUMN_NONE) continue;
        c->text = text;
        c->pair = pair;
        return true;
    }
    for (size_t i = 0; i < COUNT(singles) && c->text == COLUMN_NONE; i++) c->text = column_of(table, singles[i]);
    if (c->text == COLUMN_NONE) c->text = column_only(table, others, COUNT(others), two);
    if (c->text == COLUMN_SEVERAL) return fail_several(table, two, "text", "text", err);
    return c->text != COLUMN_NONE ||
           fail(err,
                "%s: no text column (sentence, text or question; for pairs sentence1 and sentence2, premise and "
                "hypothesis, or question and sentence; docs/data.md lists all); the columns here are: %s; %s",
                table->path, column_list(arena, table),
                table->column_count == 1 && memchr(table->columns[0].at, ',', table->columns[0].size)
                    ? "commas separate them, so the name must end in .csv"
                    : "text=COLUMN after the files names one");
}

/* A column of another name is taken as the label when it is the only one that may be. */
static bool columns_find_label(Arena *arena, const Table *table, bool need, Columns *c, Err *err)
{
    /* beside a gold_label, label is what predict --to has answered */
    static const char *const names[] = {"gold_label", "label"};
    static const char *const others[] = {"labels",   "is_duplicate", "Quality", "coarse_label",
                                         "category", "sentiment",    "class",   "target"};
    int two[2];
    for (size_t i = 0; i < COUNT(names) && c->label == COLUMN_NONE; i++) c->label = column_of(table, names[i]);
    if (c->label == COLUMN_NONE) c->label = column_only(table, others, COUNT(others), two);
    if (c->label == COLUMN_SEVERAL) return fail_several(table, two, "label", "label", err);
    if (c->label != COLUMN_NONE || !need) return true;
    const bool test = column_of(table, "index") != COLUMN_NONE || column_of(table, "id") != COLUMN_NONE ||
                      column_of(table, "idx") != COLUMN_NONE;
    return fail(err, "%s: no label column (label or gold_label); the columns here are: %s; %s", table->path,
                column_list(arena, table),
                test ? "is it a test file, whose labels are not public? label=COLUMN after the files names the label"
                     : "label=COLUMN after the files names it");
}

/* Sets whose rows are no text or pair with a class: taken for one, they would be trained on as something else. */
static bool columns_refuse(const Table *table, Err *err)
{
    static const struct {
        const char *columns[4], *what;
    } refused[] = {
        {{"choice1", "choice2"}, "a choice between two texts (SuperGLUE's COPA)"},
        {{"word", "sentence1", "sentence2"}, "a word in two sentences (SuperGLUE's WiC)"},
        {{"sentence1", "sentence2", "score"}, "a regression, with scores and not classes (GLUE's STS-B)"},
        {{"span1_text", "span2_text"}, "two places in a text (SuperGLUE's WSC)"},
        {{"target", "text", "idx"}, "two places in a text (SuperGLUE's WSC)"},
        {{"passage", "qas"}, "questions on a passage (SuperGLUE's ReCoRD)"},
        {{"passage", "idx", "version"}, "several answers to questions on a passage (SuperGLUE's MultiRC)"},
        {{"ending0", "ending1"}, "a choice between several texts (SWAG, HellaSwag)"},
        {{"context", "answers"}, "the answer's place in a text (SQuAD)"},
        {{"tokens", "ner_tags"}, "a label for each word"},
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        bool all = true;
        for (size_t k = 0; k < 4 && refused[i].columns[k] && all; k++)
            all = column_of(table, refused[i].columns[k]) != COLUMN_NONE;
        if (all && str_equal_as(str(refused[i].columns[0]), S("target"))) { /* an object, not a class */
            all = !table->cells[column_of(table, "target")].at;
        }
        if (all && str_equal(str(refused[i].columns[2] ? refused[i].columns[2] : ""), S("score")))
            all = column_of(table, "label") == COLUMN_NONE;
        if (all)
            return fail(err,
                        "%s: the columns are those of %s, which is not what lethe trains: a class for each text or "
                        "pair; text=, pair= and label= after the files name columns that are",
                        table->path, refused[i].what);
    }
    return true;
}

static bool column_named(Arena *arena, const Table *table, const char *key, const char *name, int *column, Err *err)
{
    if (!name) return true;
    *column = column_of(table, name);
    return *column != COLUMN_NONE || fail(err, "%s: no column \"%s\" (%s=); the columns here are: %s", table->path,
                                          str_show(str(name)), key, column_list(arena, table));
}

static bool columns_find(Arena *arena, const Table *table, const ColumnNames *names, bool need, Columns *c, Err *err)
{
    *c = (Columns){COLUMN_NONE, COLUMN_NONE, COLUMN_NONE};
    if (!column_named(arena, table, "text", names->text, &c->text, err) ||
        !column_named(arena, table, "pair", names->pair, &c->pair, err) ||
        !column_named(arena, table, "label", names->label, &c->label, err))
        return false;
    if (c->pair != COLUMN_NONE && c->text == COLUMN_NONE)
        return fail(err, "%s: pair=%s names the second text of a pair; text=COLUMN must name the first", table->path,
                    str_show(str(names->pair)));
    if (c->text == COLUMN_NONE && (!columns_refuse(table, err) || !columns_find_text(arena, table, c, err)))
        return false;
    if (c->label == COLUMN_NONE && !columns_find_label(arena, table, need, c, err)) return false;
    if (c->text == c->pair || (c->label != COLUMN_NONE && (c->label == c->text || c->label == c->pair)))
        return fail(err, "%s: the column \"%s\" is named twice, as text, pair or label", table->path,
                    str_show(table->columns[c->text == c->pair || c->text == c->label ? c->text : c->pair]));
    const int used[] = {c->text, c->pair, c->label};
    for (size_t i = 0; i < COUNT(used); i++)
        for (size_t k = 0; used[i] >= 0 && k < table->column_count; k++)
            if ((int)k != used[i] && str_equal(table->columns[k], table->columns[used[i]]))
                return fail(err, "%s: two columns are named \"%s\"", table->path, str_show(table->columns[k]));
    return true;
}

/* Whether most cells of a column hold several words. */
static bool column_is_text(const Table *table, size_t column)
{
    enum { SAMPLE = 50 };
    size_t rows = least_size(table->row_count, SAMPLE), words = 0, bytes = 0;
    if (str_ends_as(table->columns[column], S("_parse"))) return false; /* trees, of MNLI and SNLI */
    for (size_t r = 0; r < rows; r++) {
        const Str cell = table->cells[r * table->column_count + column];
        words += cell.size && memchr(cell.at, ' ', cell.size);
        bytes += cell.size;
    }
    return words * 2 > rows && bytes >= 12 * rows;
}

static void examples_note_columns(Arena *arena, const Table *table, const Columns *c, ExampleFile *out)
{
    const int used[] = {c->text, c->pair, c->label};
    const char **names[] = {&out->text_column, &out->pair_column, &out->label_column};
    for (size_t i = 0; i < COUNT(used); i++)
        if (used[i] != COLUMN_NONE)
            *names[i] = arena_copy(arena, table->columns[used[i]].at, table->columns[used[i]].size);
    for (size_t i = 0; i < table->column_count; i++)
        if ((int)i != c->text && (int)i != c->pair && (int)i != c->label && column_is_text(table, i))
            out->unread = text_join(arena, out->unread ? out->unread : "", ", ",
                                    arena_printf(arena, "\"%s\"", str_show(table->columns[i])));
}

static bool examples_from(Arena *arena, const Table *table, const ColumnNames *names, bool need_labels,
                          ExampleFile *out, Err *err)
{
    static const ColumnNames none = {0};
    Columns c;
    if (!columns_find(arena, table, names ? names : &none, need_labels, &c, err)) return false;
    examples_note_columns(arena, table, &c, out);
    out->path = table->path;
    out->layout = table->layout;
    out->pairs = c.pair != COLUMN_NONE;
    out->cut_rows = out->skipped_rows = table->cut_rows;
    out->rows = arena_new(arena, Example, table->row_count);
    for (size_t r = 0; r < table->row_count; r++) {
        const Str *cells = table->cells + r * table->column_count;
        Example e = {.text = cells[c.text], .line = table->lines[r]};
        if (out->pairs) e.pair = cells[c.pair];
        if (c.label != COLUMN_NONE) e.label = str_trim(cells[c.label]);
        if (!e.text.at || (out->pairs && !e.pair.at))
            return fail(err, "%s, line %llu: \"%s\" is missing or no text", table->path, (unsigned long long)e.line,
                        str_show(table->columns[!e.text.at ? c.text : c.pair]));
        const bool minus = str_equal(e.label, S("-1")) || str_equal(e.label, S("-1.0"));
        if (need_labels && e.label.at && (minus || str_equal(e.label, S("-")))) {
            out->minus_rows += minus;
            out->skipped_rows++;
            continue;
        }
        if (need_labels && e.label.size == 0)
            return fail(err, "%s, line %llu: the row has no label%s", table->path, (unsigned long long)e.line,
                        e.label.at ? "" : ", or one that is no single value (a list, an object, null)");
        if (e.label.size && memchr(e.label.at, 0, e.label.size))
            return fail(err, "%s, line %llu: the label holds a NUL character", table->path, (unsigned long long)e.line);
        out->rows[out->row_count++] = e;
    }
    if (!out->row_count)
        return fail(err, "%s: every row is labelled '-' or -1, as in files without public labels; nothing is left",
                    table->path);
    return true;
}

bool examples_parse(Arena *arena, Str bytes, const char *name, const ColumnNames *names, bool need_labels,
                    ExampleFile *out, Err *err)
{
    Table table;
    *out = (ExampleFile){0};
    sha256_hex(bytes, out->sha256);
    return table_parse(arena, bytes, name, &table, err) && examples_from(arena, &table, names, need_labels, out, err);
}

bool examples_read(Arena *arena, const char *path, const ColumnNames *names, bool need_labels, ExampleFile *out,
                   Err *err)
{
    Str bytes;
    return file_read(arena, path, UINT32_MAX, &bytes, err) &&
           examples_parse(arena, bytes, path, names, need_labels, out, err);
}

bool examples_split(Arena *arena, const ExampleFile *all, double percent, ExampleFile *train, ExampleFile *eval,
                    Err *err)
{
    enum { SPLIT_STREAM = 0x73706c69 };
    if (all->row_count < 2 || all->row_count >= UINT32_MAX)
        return fail(err, "%s: %s rows to split", all->path, all->row_count < 2 ? "too few" : "too many");
    const uint32_t rows = (uint32_t)all->row_count;
    uint32_t count = (uint32_t)(percent / 100 * rows + 0.5), *order = arena_new(arena, uint32_t, rows);
    bool *chosen = arena_new(arena, bool, rows);
    if (count < 1) count = 1;
    if (count > rows - 1) count = rows - 1;
    random_order(0, SPLIT_STREAM, rows, order);
    for (uint32_t i = 0; i < count; i++) chosen[order[i]] = true;
    *train = *eval = *all;
    train->row_count = eval->row_count = 0;
    train->rows = arena_new(arena, Example, rows - count);
    eval->rows = arena_new(arena, Example, count);
    for (uint32_t i = 0; i < rows; i++) {
        ExampleFile *half = chosen[i] ? eval : train;
        half->rows[half->row_count++] = all->rows[i];
    }
    eval->skipped_rows = eval->minus_rows = eval->cut_rows = 0; /* counted once, with the training rows */
    return true;
}
