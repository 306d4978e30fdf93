#include "command.h"

#include <stdlib.h>
#include <string.h>

/* Where predict's answers go: JSON lines on stdout, or a table that appears as --to FILE, whole or not at all. */

typedef enum LabelledForm { LABELLED_JSONL, LABELLED_CSV, LABELLED_TSV } LabelledForm;
enum { WITH_ROW = 1, WITH_TEXT = 2, WITH_PAIR = 4, WITH_LABEL = 8 }; /* in the order of labelled_withs */
static const char *const labelled_withs[] = {"row", "text", "pair", "label", NULL};

typedef struct Labelled {
    const char *path; /* NULL: stdout */
    LabelledForm form;
    unsigned with;
    bool logits, header_done, pairs; /* pairs: the table has a column for them */
    const Labels *labels;
    Output out;
    Draft draft;
    uint64_t rows;
} Labelled;

/* One row's answer. */
typedef struct Answer {
    const Example *row;
    uint64_t number; /* of the row, from 1 */
    uint32_t label;
    const double *logits, *shares; /* [classes] */
} Answer;

/* The draft in the making: running out of memory ends the program. */
static Draft *labelled_draft;
static void labelled_drop(void)
{
    if (labelled_draft) draft_close(labelled_draft, false, &(Err){0});
    labelled_draft = NULL;
}

static bool labelled_form(const char *path, LabelledForm *form, Err *err)
{
    static const char *const ends[] = {".jsonl", ".csv", ".tsv"};
    for (size_t i = 0; i < COUNT(ends); i++)
        if (str_ends_as(str(path), str(ends[i]))) {
            *form = (LabelledForm)i;
            return true;
        }
    return fail_usage(err, "--to %s: the name must end in .csv, .tsv or .jsonl, which says what is written",
                      str_show(str(path)));
}

/* What --with, --to and --logits say. */
static bool labelled_read(const char *to, unsigned with, bool logits, Labelled *l, Err *err)
{
    *l = (Labelled){.path = to, .with = with | (to ? WITH_TEXT | WITH_PAIR : 0), .logits = logits};
    if (to && !labelled_form(to, &l->form, err)) return false;
    return !logits || l->form == LABELLED_JSONL ||
           fail_usage(err, "--logits are written to .jsonl, not to %s", str_show(str(to)));
}

/* from: what rows come from; of a table that is `input`, its name. */
static bool labelled_check(const char *path, SysFile from, const char *input, Err *err)
{
    SysInfo there, here;
    if (sys_info(path, &there)) return true;
    if (there.kind == SYS_FOLDER) return fail(err, "%s: this is a folder, a file is needed", path);
    if (!(input ? sys_info(input, &here) : sys_file_info(from, &here)) && sys_same(&there, &here))
        return fail_usage(err, "--to %s: this is the file that the rows come from; choose another name",
                          str_show(str(path)));
    return true;
}

static bool labelled_open(Labelled *l, const Labels *labels, Err *err)
{
    l->out = output_open();
    l->labels = labels;
    if (!l->path) return true;
    if (!draft_open(&l->draft, l->path, err)) return false;
    l->out.file = l->draft.file;
    l->out.what = "writing the table failed";
    labelled_draft = &l->draft;
    (void)atexit(labelled_drop);
    return true;
}

/* ok: all rows are answered, and the table takes its name. */
static bool labelled_close(Labelled *l, bool ok, Err *err)
{
    if (labelled_draft) {
        Arena scratch = {0};
        const char *rows = format_counted(&scratch, l->rows, "row", "rows"); /* what may fail comes before the table */
        if (ok) ok = output_flush(&l->out, err);
        labelled_draft = NULL;
        ok = draft_close(&l->draft, ok, err);
        if (ok) printf("%s: %s labelled\n", l->path, rows);
        arena_free(&scratch);
    }
    output_close(&l->out);
    return ok;
}

/* ---- JSON lines ---- */

static json_t *labelled_by_name(const Labels *labels, const double *values)
{
    json_t *object = json_object();
    for (uint32_t c = 0; c < labels->classes; c++) json_object_set_new(object, labels->names[c], json_real(values[c]));
    return object;
}

static void labelled_set(Arena *scratch, json_t *line, const char *key, Str text)
{
    const Str valid = unicode_repair(scratch, text);
    json_object_set_new(line, key, json_stringn(valid.at, valid.size));
}

static void labelled_json(Labelled *l, Arena *scratch, const Answer *a)
{
    json_t *line = json_object();
    if (l->with & WITH_ROW) json_object_set_new(line, "row", json_integer((json_int_t)a->number));
    if (l->with & WITH_TEXT) labelled_set(scratch, line, "text", a->row->text);
    if (l->with & WITH_PAIR && a->row->pair.at) labelled_set(scratch, line, "pair", a->row->pair);
    if (l->with & WITH_LABEL && a->row->label.at) labelled_set(scratch, line, "gold_label", a->row->label);
    json_object_set_new(line, "label", json_string(l->labels->names[a->label]));
    json_object_set_new(line, "probabilities", labelled_by_name(l->labels, a->shares));
    if (l->logits) json_object_set_new(line, "logits", labelled_by_name(l->labels, a->logits));
    char *text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    ASSERT(text);
    output_text(&l->out, text);
    output_text(&l->out, "\n");
    free(text);
    json_decref(line);
}

/* ---- tables ---- */

/* A cell as lethe run reads it: in CSV quoted where it must be (RFC 4180); TSV has no quoting, so some texts have no
 * place in it. */
static bool labelled_cell(Output *out, LabelledForm form, bool first, Str text, Err *err)
{
    if (!first) output_text(out, form == LABELLED_CSV ? "," : "\t");
    bool special = false;
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.at[i];
        if (!c) return fail(err, "a NUL character, which a table cannot hold; --to FILE.jsonl can");
        if (form == LABELLED_TSV && (c == '\t' || c == '\n' || c == '\r'))
            return fail(err, "a tab or a line break in the text, which TSV cannot hold; --to FILE.csv or .jsonl can");
        special = special || c == ',' || c == '"' || c == '\n' || c == '\r' || c == ';' || c == '\t';
    }
    if (form == LABELLED_TSV || !special) {
        output_bytes(out, text.at, text.size);
        return true;
    }
    output_text(out, "\"");
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '"') output_text(out, "\"");
        output_bytes(out, text.at + i, 1);
    }
    output_text(out, "\"");
    return true;
}

static bool labelled_header(Labelled *l, bool pairs, Err *err)
{
    const struct {
        bool wanted;
        Str name;
    } columns[] = {{l->with & WITH_ROW, S("row")},
                   {true, S("text")},
                   {pairs, S("pair")},
                   {true, S("label")},
                   {true, S("probability")},
                   {l->with & WITH_LABEL, S("gold_label")}};
    bool first = true, ok = true;
    l->header_done = true;
    l->pairs = pairs;
    for (size_t i = 0; i < COUNT(columns) && ok; i++) {
        if (!columns[i].wanted) continue;
        ok = labelled_cell(&l->out, l->form, first, columns[i].name, err);
        first = false;
    }
    output_text(&l->out, "\n");
    return ok;
}

static bool labelled_row(Labelled *l, Arena *scratch, const Answer *a, Err *err)
{
    const Example *row = a->row;
    const bool pair = row->pair.at != NULL, numbered = l->with & WITH_ROW;
    if (!l->header_done && !labelled_header(l, pair, err)) return false;
    if (pair != l->pairs)
        return fail(err, "a %s among %s; --to FILE.jsonl holds both", pair ? "pair" : "single text",
                    l->pairs ? "pairs" : "single texts");
    const Str texts[] = {str(arena_printf(scratch, "%llu", (unsigned long long)a->number)),
                         unicode_repair(scratch, row->text),
                         unicode_repair(scratch, row->pair),
                         str(l->labels->names[a->label]),
                         str(arena_printf(scratch, "%.9g", a->shares[a->label])),
                         row->label.at ? unicode_repair(scratch, row->label) : S("")};
    const bool wanted[] = {numbered, true, pair, true, true, l->with & WITH_LABEL};
    bool first = true;
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (!wanted[i]) continue;
        if (!labelled_cell(&l->out, l->form, first, texts[i], err)) return false;
        first = false;
    }
    output_text(&l->out, "\n");
    return true;
}

/* what: the input, for errors. */
static bool labelled_add(Labelled *l, Arena *scratch, const Answer *a, const char *what, Err *err)
{
    bool ok = true;
    if (l->form == LABELLED_JSONL)
        labelled_json(l, scratch, a);
    else if (!labelled_row(l, scratch, a, err))
        ok = fail_within(err, "--to %s: %s, line %llu", l->path, what, (unsigned long long)a->row->line);
    l->rows++;
    return ok;
}
