#include "command.h"

#include <string.h>

/* What commands that work row by row read and write. A row is a line: text, or text<TAB>text for a pair; or, as JSON
 * lines, {"text": "...", "pair": "..."}. Any bytes are legal text. A file whose name says that it is a table is read as
 * lethe run reads it. */

enum { ROW_MOST_BYTES = 1 << 20, ROW_WAIT_MS = 250 };

/* What rows_next has found. */
typedef enum RowState {
    ROW_READ,
    ROW_NOT_YET, /* the next row has not arrived as a whole */
    ROW_ENDED    /* there are no more */
} RowState;

typedef struct RowReader {
    SysFile file; /* of a table SYS_NO_FILE */
    bool from_stdin;
    const char *what; /* for errors */
    bool jsonl;
    bool is_table;
    ExampleFile table;
    PairKind pairs;        /* what the rows must be */
    const char *pairs_why; /* "the model takes": who says so; NULL: the user, for whom a tab may be text */
    bool assumed;          /* that all are pairs, since the first one has a tab */
    bool alike;            /* lines are all single texts or all pairs, as the first one is */
    Arena arena, row;      /* row: what the last row is made of */
    char *bytes;           /* [ROW_MOST_BYTES + 2]: lines that have arrived, from begin to end */
    size_t begin, end, searched;
    uint64_t line, rows;                 /* read so far; of a table only rows count */
    uint64_t invalid_rows, invalid_line; /* those that are not UTF-8, and the first one's line */
    bool ended, prompts;                 /* prompts: somebody types the rows */
} RowReader;

/* "FILE,text=COLUMN,..." as a file and its columns; a file of that very name is itself. */
static bool rows_split_name(RowReader *r, const char *path, ColumnNames *names, Err *err)
{
    const char *rest = path;
    char *item;
    if (file_exists(path) || !task_item(&r->arena, &rest, &item)) return true;
    const char *file = item;
    while (task_item(&r->arena, &rest, &item)) {
        bool column;
        if (!task_column(path, item, names, &column, err)) return false;
        if (!column) return true; /* a comma of the name */
    }
    r->what = file;
    return true;
}

/* path: "-" or NULL is stdin. */
static bool rows_open(RowReader *r, const char *path, bool jsonl, Err *err)
{
    SysInfo info;
    SysError error = 0;
    ColumnNames names = {0};
    const bool from_stdin = !path || strcmp(path, "-") == 0;
    *r = (RowReader){.file = from_stdin ? sys_stream_file(stdin) : SYS_NO_FILE,
                     .from_stdin = from_stdin,
                     .what = from_stdin ? "stdin" : path,
                     .jsonl = jsonl};
    if (!from_stdin && !rows_split_name(r, path, &names, err)) return false;
    r->is_table = !from_stdin && !jsonl && table_format(str(r->what)) != TABLE_NONE;
    if (r->is_table) return examples_read(&r->arena, r->what, &names, false, &r->table, err);
    if (!from_stdin) error = sys_open(path, SYS_READ_STREAM, &r->file);
    if (error)
        return fail(err, "%s: %s%s", str_show(str(path)), sys_error_text(error),
                    error == sys_missing && strchr(path, ' ')
                        ? "; FILE is needed here, or rows on stdin: echo TEXT | lethe ..."
                        : "");
    if (sys_file_info(r->file, &info) == 0 && info.kind == SYS_FOLDER)
        return fail(err, "%s: this is a folder, a file is needed", r->what);
    if (str_ends_as(str(r->what), S(".zst")))
        return fail(err, "%s: only tables are read from .zst; zstd -dc %s | lethe ... gives lines", r->what, r->what);
    r->bytes = arena_new(&r->arena, char, ROW_MOST_BYTES + 2);
    return true;
}

/* On a terminal says what to type. */
static void rows_prompt(RowReader *r)
{
    r->prompts = r->from_stdin && terminal_is(stdin) && terminal_is(stdout);
    if (r->prompts)
        fprintf(stderr, "%s, then Enter; %s.\n",
                r->jsonl                ? "Type {\"text\": \"...\"} or {\"text\": \"...\", \"pair\": \"...\"}"
                : r->pairs == PAIRS_NO  ? "Type a text"
                : r->pairs == PAIRS_YES ? "Type a pair of texts with the Tab key between them"
                                        : "Type a text, or a pair of texts with the Tab key between them",
                sys_end_of_input);
}

static void rows_close(RowReader *r)
{
    if (r->file != SYS_NO_FILE && !r->from_stdin) sys_close(r->file, false);
    arena_free(&r->row);
    arena_free(&r->arena);
}

/* What the rows must be; why: as in RowReader. A table's are known at once. */
static bool rows_expect(RowReader *r, PairKind pairs, const char *why, Err *err)
{
    r->pairs = pairs;
    r->pairs_why = why;
    r->alike = pairs == PAIRS_UNKNOWN && !r->jsonl;
    if (!r->is_table || pairs == PAIRS_UNKNOWN || r->table.pairs == (pairs == PAIRS_YES)) return true;
    if (r->table.pairs)
        return fail(err,
                    "%s: the rows are pairs (columns %s and %s), but %s single texts; %s,text=COLUMN names one column",
                    r->what, str_show(str(r->table.text_column)), str_show(str(r->table.pair_column)),
                    why ? why : "--pairs no wants", r->what);
    return fail(err,
                "%s: the rows are single texts (column %s), but %s pairs; %s,text=COLUMN,pair=COLUMN names two columns",
                r->what, str_show(str(r->table.text_column)), why ? why : "--pairs yes wants", r->what);
}

static bool rows_fail(const RowReader *r, Err *err, const char *what)
{
    return fail(err, "%s, line %llu: %s", r->what, (unsigned long long)r->line, what);
}

static bool rows_fail_long(RowReader *r, Err *err)
{
    r->line++;
    if (memchr(r->bytes, '\r', r->end))
        return rows_fail(
            r, err, "no line ends within 1048576 bytes; lines that end in CR alone become others by tr '\\r' '\\n'");
    return fail(err, "%s, line %llu: longer than %d bytes", r->what, (unsigned long long)r->line, ROW_MOST_BYTES);
}

/* Reads what has arrived; `wait`: until something has. Ctrl-C ends the wait. */
static bool rows_fill(RowReader *r, bool wait, bool *arrived, Err *err)
{
    memmove(r->bytes, r->bytes + r->begin, r->end - r->begin);
    r->searched -= r->begin;
    r->end -= r->begin;
    r->begin = 0;
    *arrived = false;
    if (wait && r->prompts) fprintf(stderr, "> ");
    if (r->end == ROW_MOST_BYTES + 2) return rows_fail_long(r, err);
    for (;;) {
        size_t got;
        SysArrival arrival;
        const SysError error = sys_read_within(r->file, wait ? ROW_WAIT_MS : 0, r->bytes + r->end,
                                               ROW_MOST_BYTES + 2 - r->end, &got, &arrival);
        if (interrupted()) return fail_interrupted(err);
        if (error) return fail(err, "%s: reading failed: %s", r->what, sys_error_text(error));
        if (arrival == SYS_NOT_YET && wait) continue;
        r->end += got;
        r->ended = arrival == SYS_ENDED;
        *arrived = arrival != SYS_NOT_YET;
        return true;
    }
}

/* A line that has arrived as a whole, without its end. */
static bool rows_line(RowReader *r, Str *line)
{
    if (!r->line && r->end - r->begin >= 3 && memcmp(r->bytes + r->begin, "\xef\xbb\xbf", 3) == 0) {
        r->begin += 3; /* a byte order mark is no text */
        if (r->searched < r->begin) r->searched = r->begin;
    }
    const char *at = r->bytes + r->begin,
               *end = r->end > r->searched ? memchr(r->bytes + r->searched, '\n', r->end - r->searched) : NULL;
    r->searched = r->end;
    if (!end && (!r->ended || r->begin == r->end)) return false;
    *line = (Str){at, end ? (size_t)(end - at) : r->end - r->begin};
    r->begin = r->searched = end ? (size_t)(end + 1 - r->bytes) : r->end;
    while (line->size && line->at[line->size - 1] == '\r') line->size--; /* CRLF, or twice converted to it */
    r->line++;
    return true;
}

/* Whether a line names columns as the header of a table does: a text, and its pair or label. */
static bool rows_is_header(RowReader *r, Str line)
{
    static const char separators[] = "\t,;";
    enum { MOST_COLUMNS = 64 };
    Err ignored = {0};
    for (const char *separator = separators; *separator; separator++) {
        Str columns[MOST_COLUMNS], rest = line;
        Table table = {.path = r->what, .columns = columns};
        Columns c = {COLUMN_NONE, COLUMN_NONE, COLUMN_NONE};
        while (table.column_count < MOST_COLUMNS && rest.at) {
            const char *end = rest.size ? memchr(rest.at, *separator, rest.size) : NULL;
            const size_t size = end ? (size_t)(end - rest.at) : rest.size;
            columns[table.column_count++] = (Str){rest.at, size};
            rest = end ? (Str){end + 1, rest.size - size - 1} : (Str){0};
        }
        if (table.column_count > 1 && columns_find_text(&r->row, &table, &c, &ignored) &&
            columns_find_label(&r->row, &table, false, &c, &ignored) &&
            (c.pair != COLUMN_NONE || c.label != COLUMN_NONE))
            return true;
    }
    return false;
}

/* The first line says what the input is when it is not lines of text. */
static bool rows_check_first(RowReader *r, Str line, Err *err)
{
    const Str arrived = {line.at, (size_t)(r->bytes + r->end - line.at)};
    const char *kind = file_kind(arrived);
    if (kind) return fail(err, "%s: this is %s", r->what, kind);
    if (line.size >= 4 && memcmp(line.at, "\x28\xb5\x2f\xfd", 4) == 0)
        return fail(err, "%s: this is zstd data; unpack it first (zstd -dc)", r->what);
    if (r->jsonl) return true;
    if (r->ended && r->begin == r->end && line.size && memchr(line.at, '\r', line.size))
        return rows_fail(r, err, "lines end in CR alone; tr '\\r' '\\n' makes them lines");
    if (line.size && line.at[0] == '{') {
        Err ignored = {0};
        json_t *object = NULL;
        const bool is_json = json_parse_object(line, "", &object, &ignored);
        json_decref(object);
        if (is_json) return rows_fail(r, err, "a JSON object, not text; --jsonl reads such lines");
    }
    return !rows_is_header(r, line) ||
           rows_fail(r, err, "the header of a table, it seems; tables are read from files named .tsv, .csv or .jsonl");
}

static bool rows_parse_json(RowReader *r, Str line, Example *row, Err *err)
{
    json_t *object = NULL;
    const char *what = arena_printf(&r->row, "%s, line %llu", r->what, (unsigned long long)r->line);
    if (!json_row_parse(&r->row, line, what, &object, err)) return false;
    const json_t *a = json_object_get(object, "text"), *b = json_object_get(object, "pair");
    if (!b) b = json_object_get(object, "text_pair"); /* as Hugging Face's pipeline names it */
    const bool ok = json_is_string(a) && (!b || json_is_string(b) || json_is_null(b));
    if (ok) {
        row->text = (Str){arena_copy(&r->row, json_string_value(a), json_string_length(a)), json_string_length(a)};
        if (json_is_string(b))
            row->pair = (Str){arena_copy(&r->row, json_string_value(b), json_string_length(b)), json_string_length(b)};
    }
    json_decref(object);
    return ok ||
           fail(err, "%s: an object {\"text\": \"...\"} or {\"text\": \"...\", \"pair\": \"...\"} is needed", what);
}

static bool rows_parse_line(RowReader *r, Str line, Example *row, Err *err)
{
    const char *tab = line.size ? memchr(line.at, '\t', line.size) : NULL;
    if (r->pairs == PAIRS_NO && !r->pairs_why && !r->alike) tab = NULL; /* --pairs no */
    row->text = (Str){line.at, tab ? (size_t)(tab - line.at) : line.size};
    if (!tab) return true;
    row->pair = (Str){tab + 1, line.size - row->text.size - 1};
    return !row->pair.size || !memchr(row->pair.at, '\t', row->pair.size) ||
           rows_fail(r, err, "several tabs; a row is text, or text<TAB>text for a pair");
}

/* Pairs where single texts are wanted, and the other way round. */
static bool rows_check_pair(RowReader *r, const Example *row, Err *err)
{
    const bool pair = row->pair.at != NULL;
    if (r->alike && r->rows == 0) {
        r->pairs = pair ? PAIRS_YES : PAIRS_NO;
        r->assumed = pair;
    }
    if (r->pairs == PAIRS_UNKNOWN || pair == (r->pairs == PAIRS_YES)) return true;
    if (r->alike)
        return fail(err, "%s, line %llu: a %s, but the rows before it are %s; --pairs yes or no says what all are",
                    r->what, (unsigned long long)r->line, pair ? "pair (it has a tab)" : "single text (it has no tab)",
                    pair ? "single texts" : "pairs");
    const char *why = r->pairs_why ? r->pairs_why : pair ? "--pairs no wants" : "--pairs yes wants";
    return fail(err, "%s, line %llu: a %s, but %s %s", r->what, (unsigned long long)r->line,
                pair ? "pair" : "single text", why, pair ? "single texts" : "pairs, text<TAB>text");
}

static bool rows_next_of_table(RowReader *r, Example *row, RowState *state)
{
    *state = r->rows < r->table.row_count ? ROW_READ : ROW_ENDED;
    if (*state == ROW_ENDED) return true;
    *row = r->table.rows[r->rows++];
    r->line = row->line;
    return true;
}

/* The next row; `wait`: until it has arrived, so that there is none only at the end. Its texts live until the next
 * call. */
static bool rows_next(RowReader *r, bool wait, Example *row, RowState *state, Err *err)
{
    Str line;
    arena_clear(&r->row);
    *row = (Example){0};
    if (r->is_table) return rows_next_of_table(r, row, state);
    for (;;) {
        bool arrived;
        if (rows_line(r, &line)) {
            if (!r->jsonl || str_trim(line).size) break;
            continue; /* of JSON lines blank ones are no rows, as in a table */
        }
        *state = r->ended ? ROW_ENDED : ROW_NOT_YET;
        if (r->ended) return true;
        if (!rows_fill(r, wait, &arrived, err)) return false;
        if (!arrived) return true;
    }
    *state = ROW_READ;
    row->line = r->line;
    if (line.size > ROW_MOST_BYTES)
        return fail(err, "%s, line %llu: longer than %d bytes", r->what, (unsigned long long)r->line, ROW_MOST_BYTES);
    if (r->line == 1 && !rows_check_first(r, line, err)) return false;
    if (!(r->jsonl ? rows_parse_json(r, line, row, err) : rows_parse_line(r, line, row, err)) ||
        !rows_check_pair(r, row, err))
        return false;
    if (unicode_count_errors(line) && !r->invalid_rows++) r->invalid_line = r->line;
    r->rows++;
    return true;
}

/* What was not as it should be, yet has been answered. */
static void rows_note(const RowReader *r)
{
    Arena scratch = {0};
    if (r->table.unread)
        fprintf(stderr, "%s: read are the columns %s; not read: %s\n", r->what,
                format_list(&scratch, (const char *[]){r->table.text_column, r->table.pair_column},
                            r->table.pair_column ? 2 : 1),
                r->table.unread);
    if (r->table.cut_rows)
        fprintf(stderr, "%s: %s rows end early and are left out\n", r->what, format_count(&scratch, r->table.cut_rows));
    if (r->invalid_rows)
        fprintf(stderr,
                "%s: %s not valid UTF-8 (the first is line %llu): U+FFFD stands for what is not; is it "
                "Latin-1? iconv -f LATIN1 -t UTF-8 converts it\n",
                r->what, format_counted(&scratch, r->invalid_rows, "row is", "rows are"),
                (unsigned long long)r->invalid_line);
    arena_free(&scratch);
}

/* ---- answers ---- */

/* Text for stdout or a file. When nobody reads it any more (head, less), `gone` becomes true, which is no error. */
typedef struct Output {
    Arena arena;
    DYN(char) text;
    SysFile file;
    const char *what; /* for errors */
    bool gone;
} Output;

static Output output_open(void)
{
    sys_unread_is_error();
    return (Output){.file = sys_stream_file(stdout), .what = "writing to stdout failed"};
}

static void output_bytes(Output *o, const char *bytes, size_t size)
{
    if (!size) return;
    if (o->text.capacity - o->text.count < size) {
        const size_t most = o->text.count + size;
        while (o->text.capacity < most)
            o->text.at = arena_grow(&o->arena, o->text.at, o->text.capacity, &o->text.capacity, 1);
    }
    memcpy(o->text.at + o->text.count, bytes, size);
    o->text.count += size;
}

static void output_text(Output *o, const char *text) { output_bytes(o, text, strlen(text)); }

/* Hands over what has been gathered, so that the reader has it now. */
static bool output_flush(Output *o, Err *err)
{
    const SysError error = sys_write(o->file, o->text.at, o->text.count);
    o->text.count = 0;
    o->gone = error == sys_unread;
    return !error || o->gone || fail(err, "%s: %s", o->what, sys_error_text(error));
}

static void output_close(Output *o) { arena_free(&o->arena); }
