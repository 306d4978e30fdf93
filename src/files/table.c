#include "files.h"

#include <string.h>

enum { TABLE_MAX_LINE_BYTES = 1 << 20, TABLE_MAX_COLUMNS = 4096 };

typedef struct TableReader {
    Arena *arena;
    const char *name;
    Str rest;       /* what has not been read */
    uint64_t line;  /* of the first byte of rest, from 1 */
    DYN(Str) cells; /* of the row being read */
    Err *err;
} TableReader;

/* Length of the valid UTF-8 sequence at s (Unicode 15, table 3-7), or 0. */
static size_t utf8_valid_length(const uint8_t *s, size_t size)
{
    if (s[0] < 0x80) return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    size_t n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (size < n) return 0;
    uint8_t low = s[0] == 0xe0   ? 0xa0
                  : s[0] == 0xf0 ? 0x90
                                 : 0x80,
            high = s[0] == 0xed   ? 0x9f
                   : s[0] == 0xf4 ? 0x8f
                                  : 0xbf;
    if (s[1] < low || s[1] > high) return 0;
    for (size_t i = 2; i < n; i++)
        if (s[i] < 0x80 || s[i] > 0xbf) return 0;
    return n;
}

/* Checks the whole file for UTF-8, NUL bytes and line length, so that the readers behind can be simple. */
static bool table_check_text(Str bytes, const char *name, Err *err)
{
    const uint8_t *s = (const uint8_t *)bytes.at;
    uint64_t line = 1;
    for (size_t i = 0, begin = 0, n; i < bytes.size; i += n) {
        n = utf8_valid_length(s + i, bytes.size - i);
        if (!n)
            return fail(err, "%s, line %llu: not valid UTF-8 (byte \\x%02x); convert the file to UTF-8", name,
                        (unsigned long long)line, s[i]);
        if (!s[i]) return fail(err, "%s, line %llu: a NUL byte; is this a text file?", name, (unsigned long long)line);
        if (s[i] == '\n')
            line++, begin = i + 1;
        else if (i - begin > TABLE_MAX_LINE_BYTES)
            return fail(err, "%s, line %llu: longer than %d bytes; is this a table?", name, (unsigned long long)line,
                        TABLE_MAX_LINE_BYTES);
    }
    return true;
}

/* Takes the next line without its end; false at the end of the file. */
static bool table_line(TableReader *r, Str *line)
{
    if (!r->rest.size) return false;
    const char *end = memchr(r->rest.at, '\n', r->rest.size);
    size_t size = end ? (size_t)(end - r->rest.at) : r->rest.size;
    *line = (Str){r->rest.at, size};
    if (size && line->at[size - 1] == '\r') line->size--;
    r->rest.at += size + (end != NULL);
    r->rest.size -= size + (end != NULL);
    r->line++;
    return true;
}

static void table_split(TableReader *r, Str line)
{
    r->cells.count = 0;
    for (;;) {
        const char *tab = line.size ? memchr(line.at, '\t', line.size) : NULL;
        size_t size = tab ? (size_t)(tab - line.at) : line.size;
        *dyn_push(r->arena, &r->cells) = (Str){line.at, size};
        if (!tab) return;
        line = (Str){tab + 1, line.size - size - 1};
    }
}

/* One CSV record (RFC 4180); it may span lines. false at the end of the file, or with an error. */
static bool table_csv_record(TableReader *r)
{
    const char *p = r->rest.at, *end = p + r->rest.size;
    const uint64_t first = r->line;
    r->cells.count = 0;
    if (p == end) return false;
    for (;;) {
        if (p < end && *p == '"') {
            const char *from = ++p;
            size_t quotes = 0;
            while (p < end && (*p != '"' || (p + 1 < end && p[1] == '"'))) {
                quotes += *p == '"';
                r->line += *p == '\n';
                p += *p == '"' ? 2 : 1;
            }
            if (p == end)
                return fail(r->err, "%s, line %llu: the quotation mark that opens here is never closed", r->name,
                            (unsigned long long)first);
            Str text = {from, (size_t)(p - from)};
            if (quotes) {
                char *cell = arena_alloc(r->arena, text.size - quotes + 1, 1);
                size_t used = 0;
                for (size_t i = 0; i < text.size; i++) {
                    cell[used++] = text.at[i];
                    i += text.at[i] == '"';
                }
                text = (Str){cell, used};
            }
            *dyn_push(r->arena, &r->cells) = text;
            p++;
            if (p < end && *p != ',' && *p != '\n' && !(*p == '\r' && (p + 1 == end || p[1] == '\n')))
                return fail(
                    r->err,
                    "%s, line %llu: text behind a closing quotation mark; double the quotation marks inside a cell",
                    r->name, (unsigned long long)r->line);
        } else {
            const char *from = p;
            while (p < end && *p != ',' && *p != '\n') p++;
            size_t size = (size_t)(p - from);
            if ((p == end || *p == '\n') && size && from[size - 1] == '\r') size--;
            *dyn_push(r->arena, &r->cells) = (Str){from, size};
        }
        if (p < end && *p == '\r') p++;
        if (p == end || *p == '\n') break;
        p++; /* the comma */
    }
    r->line++;
    p += p < end;
    r->rest = (Str){p, (size_t)(end - p)};
    return true;
}

typedef DYN(Str) StrArray;
typedef DYN(uint64_t) LineArray;

/* TSV and CSV: a header, then rows of as many cells. */
static bool table_delimited(TableReader *r, bool csv, Table *out)
{
    StrArray cells = {0};
    LineArray lines = {0};
    for (;;) {
        const uint64_t at = r->line;
        Str line = {0};
        if (csv ? !table_csv_record(r) : !table_line(r, &line)) break;
        if (!csv) table_split(r, line);
        if (r->cells.count == 1 && r->cells.at[0].size == 0) continue; /* an empty line */
        if (!out->columns) {
            if (r->cells.count > TABLE_MAX_COLUMNS)
                return fail(r->err, "%s, line %llu: more than %d columns", r->name, (unsigned long long)at,
                            TABLE_MAX_COLUMNS);
            out->column_count = r->cells.count;
            out->columns = arena_new(r->arena, Str, r->cells.count);
            memcpy(out->columns, r->cells.at, r->cells.count * sizeof(Str));
            continue;
        }
        if (r->cells.count != out->column_count)
            return fail(r->err, "%s, line %llu: %zu columns, but the header has %zu", r->name, (unsigned long long)at,
                        r->cells.count, out->column_count);
        for (size_t i = 0; i < r->cells.count; i++) *dyn_push(r->arena, &cells) = r->cells.at[i];
        *dyn_push(r->arena, &lines) = at;
    }
    if (r->err->code) return false;
    if (!out->columns) return fail(r->err, "%s: the file is empty; a header that names the columns is needed", r->name);
    if (!lines.count) return fail(r->err, "%s: only a header, no rows", r->name);
    out->cells = cells.at;
    out->lines = lines.at;
    out->row_count = lines.count;
    return true;
}

static Str table_json_cell(Arena *arena, const json_t *value)
{
    if (json_is_string(value))
        return (Str){arena_copy(arena, json_string_value(value), json_string_length(value)), json_string_length(value)};
    if (json_is_integer(value)) return str(arena_printf(arena, "%lld", (long long)json_integer_value(value)));
    if (json_is_real(value)) return str(arena_printf(arena, "%.9g", json_real_value(value)));
    if (json_is_boolean(value)) return json_is_true(value) ? S("true") : S("false");
    return (Str){0}; /* null, arrays and objects are no cells */
}

static size_t table_column(const StrArray *columns, Str name)
{
    size_t i = 0;
    while (i < columns->count && !str_equal(columns->at[i], name)) i++;
    return i;
}

static bool table_jsonl(TableReader *r, Table *out)
{
    StrArray columns = {0};
    typedef struct Field {
        size_t row, column;
        Str cell;
    } Field;
    DYN(Field) fields = {0};
    LineArray lines = {0};
    Str line;
    while (table_line(r, &line)) {
        const uint64_t at = r->line - 1;
        if (!line.size) continue;
        json_error_t problem;
        json_t *object = json_loadb(line.at, line.size, 0, &problem), *value;
        if (!json_is_object(object)) {
            json_decref(object);
            return fail(r->err, "%s, line %llu: not a JSON object%s%s", r->name, (unsigned long long)at,
                        object ? "" : ": ", object ? "" : str_show(str(problem.text)));
        }
        const char *key;
        json_object_foreach(object, key, value)
        {
            size_t column = table_column(&columns, str(key));
            if (column == TABLE_MAX_COLUMNS) {
                json_decref(object);
                return fail(r->err, "%s, line %llu: more than %d different keys so far", r->name,
                            (unsigned long long)at, TABLE_MAX_COLUMNS);
            }
            if (column == columns.count) *dyn_push(r->arena, &columns) = str(arena_copy(r->arena, key, strlen(key)));
            *dyn_push(r->arena, &fields) = (Field){lines.count, column, table_json_cell(r->arena, value)};
        }
        *dyn_push(r->arena, &lines) = at;
        json_decref(object);
    }
    if (!lines.count) return fail(r->err, "%s: the file is empty; one JSON object a line is needed", r->name);
    *out = (Table){.path = r->name,
                   .columns = columns.at,
                   .column_count = columns.count,
                   .lines = lines.at,
                   .row_count = lines.count};
    if ((uint64_t)lines.count * columns.count > (1ull << 28))
        return fail(r->err, "%s: too many different keys", r->name);
    out->cells = arena_alloc(r->arena, lines.count * columns.count, sizeof(Str));
    for (size_t i = 0; i < fields.count; i++)
        out->cells[fields.at[i].row * columns.count + fields.at[i].column] = fields.at[i].cell;
    return true;
}

bool table_parse(Arena *arena, Str bytes, const char *name, Table *out, Err *err)
{
    TableReader reader = {.arena = arena, .name = name, .rest = bytes, .line = 1, .err = err};
    Str format = str(name);
    *out = (Table){.path = name};
    if (str_ends(format, S(".zst"))) format.size -= 4;
    const bool tsv = str_ends(format, S(".tsv")), csv = str_ends(format, S(".csv")),
               jsonl = str_ends(format, S(".jsonl"));
    if (!tsv && !csv && !jsonl)
        return fail(err, "%s: unknown format; the name must end in .tsv, .csv or .jsonl, each also with .zst behind it",
                    name);
    if (bytes.size >= 3 && memcmp(bytes.at, "\xef\xbb\xbf", 3) == 0) reader.rest = (Str){bytes.at + 3, bytes.size - 3};
    if (!table_check_text(reader.rest, name, err)) return false;
    return jsonl ? table_jsonl(&reader, out) : table_delimited(&reader, csv, out);
}
