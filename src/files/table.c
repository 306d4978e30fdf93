#include "files.h"

#include <string.h>

/* Tables of cells: TSV and CSV. */

/* Checks the whole file for UTF-8, NUL bytes and line length, so that the readers that follow can be simple. */
static bool table_check_text(Str bytes, const char *name, bool long_lines, Err *err)
{
    const char *s = bytes.at;
    uint64_t line = 1;
    for (size_t i = 0, begin = 0, n; i < bytes.size; i += n) {
        n = utf8_length(s + i, bytes.size - i);
        if (!n)
            return fail(err, "%s, line %llu: not valid UTF-8 (byte \\x%02x); convert the file to UTF-8", name,
                        (unsigned long long)line, (uint8_t)s[i]);
        if (!s[i]) return fail(err, "%s, line %llu: a NUL byte; is this a text file?", name, (unsigned long long)line);
        if (s[i] == '\n')
            line++, begin = i + 1;
        else if (!long_lines && i - begin > TABLE_MAX_LINE_BYTES)
            return fail(err, "%s, line %llu: longer than %d bytes; is this a table?", name, (unsigned long long)line,
                        TABLE_MAX_LINE_BYTES);
    }
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

/* One CSV record (RFC 4180, with r->separator); it may span lines. false at the end of the file, or with an error. */
static bool table_csv_record(TableReader *r)
{
    const char *p = r->rest.at, *end = p + r->rest.size;
    const uint64_t first = r->line;
    r->cells.count = 0;
    r->quoted = p < end && *p == '"';
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
            if (p < end && *p != r->separator && *p != '\n' && !(*p == '\r' && (p + 1 == end || p[1] == '\n')))
                return fail(
                    r->err,
                    "%s, line %llu: text after a closing quotation mark; double the quotation marks inside a cell",
                    r->name, (unsigned long long)r->line);
        } else {
            const char *from = p;
            while (p < end && *p != r->separator && *p != '\n') p++;
            size_t size = (size_t)(p - from);
            if ((p == end || *p == '\n') && size && from[size - 1] == '\r') size--;
            *dyn_push(r->arena, &r->cells) = (Str){from, size};
        }
        if (p < end && *p == '\r') p++;
        if (p == end || *p == '\n') break;
        p++; /* the separator */
    }
    r->line++;
    p += p < end;
    r->rest = (Str){p, (size_t)(end - p)};
    return true;
}

/* Whether the file's first line ends with CR alone, as Excel for Mac ends them. */
static bool table_ends_with_cr(Str bytes, bool csv)
{
    bool quoted = false;
    for (size_t i = 0; i < bytes.size; i++) {
        const char c = bytes.at[i];
        if (csv && c == '"') quoted = !quoted;
        if (quoted) continue;
        if (c == '\n') return false;
        if (c == '\r') return i + 1 == bytes.size || bytes.at[i + 1] != '\n';
    }
    return false;
}

static Str table_with_lf(Arena *arena, Str bytes)
{
    char *copy = arena_copy(arena, bytes.at, bytes.size);
    for (size_t i = 0; i < bytes.size; i++)
        if (copy[i] == '\r' && (i + 1 == bytes.size || copy[i + 1] != '\n')) copy[i] = '\n';
    return (Str){copy, bytes.size};
}

/* The one of comma, semicolon and tab that the header has most of, outside of quotation marks; Excel's own first line
 * "sep=;" decides when there is one, and is taken away. */
static void table_find_separator(TableReader *r)
{
    static const char separators[] = ",;\t";
    size_t most = 0;
    Str line = {0};
    TableReader ahead = *r;
    r->separator = ',';
    if (table_line(&ahead, &line) && line.size == 5 && str_equal_as((Str){line.at, 4}, S("sep=")) &&
        strchr(separators, line.at[4])) {
        r->rest = ahead.rest;
        r->line = ahead.line;
        r->separator = line.at[4];
        return;
    }
    for (const char *s = separators; *s; s++) {
        size_t count = 0;
        bool quoted = false;
        for (size_t i = 0; i < r->rest.size && (quoted || r->rest.at[i] != '\n'); i++) {
            quoted ^= r->rest.at[i] == '"';
            count += !quoted && r->rest.at[i] == *s;
        }
        if (count > most) most = count, r->separator = *s;
    }
}

static bool cells_are(const TableReader *r, const char *const *names, size_t count)
{
    if (r->cells.count != count) return false;
    for (size_t i = 0; i < count; i++)
        if (!str_equal_as(str_trim(r->cells.at[i]), str(names[i]))) return false;
    return true;
}

/* CoLA's files have no header: source, 0 or 1, nothing or "*", sentence. */
static bool cells_are_cola(const TableReader *r)
{
    const Str *cells = r->cells.at;
    return r->cells.count == 4 && (str_equal(cells[1], S("0")) || str_equal(cells[1], S("1"))) &&
           (!cells[2].size || str_equal(cells[2], S("*")));
}

/* Takes the row in r->cells as the header; *row: it is a row of data, since the file has no header. */
static bool table_header(TableReader *r, uint64_t at, Table *out, bool *row)
{
    static const char *const cola[] = {"source", "label", "mark", "sentence"};
    if (r->cells.count > TABLE_MAX_COLUMNS)
        return fail(r->err, "%s, line %llu: more than %d columns", r->name, (unsigned long long)at, TABLE_MAX_COLUMNS);
    *row = r->separator == '\t' && cells_are_cola(r);
    if (*row) out->layout = "CoLA, which has no header";
    out->column_count = r->cells.count;
    out->columns = arena_new(r->arena, Str, r->cells.count);
    for (size_t i = 0; i < r->cells.count; i++) out->columns[i] = *row ? str(cola[i]) : str_trim(r->cells.at[i]);
    return true;
}

/* Whether a row is the header of another table, appended to this one; a single word may be a text. */
static bool table_is_header_again(const TableReader *r, const Table *table)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (!str_equal(str_trim(r->cells.at[i]), table->columns[i])) return false;
    return table->column_count > 1;
}

/* TSV and CSV: a header, then rows of as many cells. */
static bool table_delimited(TableReader *r, bool csv, Table *out)
{
    static const char *const qqp[] = {"id", "qid1", "qid2", "question1", "question2", "is_duplicate"};
    StrArray cells = {0};
    LineArray lines = {0};
    bool is_qqp = false;
    for (;;) {
        const uint64_t at = r->line;
        Str line = {0};
        if (csv ? !table_csv_record(r) : !table_line(r, &line)) break;
        if (!csv) table_split(r, line);
        if (r->cells.count == 1 && r->cells.at[0].size == 0 && !r->quoted) continue; /* an empty line */
        if (!out->columns) {
            bool row;
            is_qqp = !csv && cells_are(r, qqp, COUNT(qqp));
            if (!table_header(r, at, out, &row)) return false;
            if (!row) continue;
        }
        if (is_qqp && r->cells.count < out->column_count) {
            out->cut_rows++;
            continue;
        }
        if (r->cells.count != out->column_count)
            return fail(r->err, "%s, line %llu: %zu columns, but the header has %zu%s", r->name, (unsigned long long)at,
                        r->cells.count, out->column_count,
                        csv ? "; a cell that holds the separator stands in quotation marks" : "");
        if (table_is_header_again(r, out))
            return fail(r->err,
                        "%s, line %llu: the header once more; are these two tables in one file? Take the line out",
                        r->name, (unsigned long long)at);
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

TableFormat table_format(Str name)
{
    static const struct {
        const char *ending;
        TableFormat format;
    } formats[] = {{".tsv", TABLE_TSV},
                   {".csv", TABLE_CSV},
                   {".jsonl", TABLE_JSON},
                   {".ndjson", TABLE_JSON},
                   {".json", TABLE_JSON}};
    if (str_ends_as(name, S(".zst"))) name.size -= 4;
    for (size_t i = 0; i < COUNT(formats); i++)
        if (str_ends_as(name, str(formats[i].ending))) return formats[i].format;
    return TABLE_NONE;
}

bool table_parse(Arena *arena, Str bytes, const char *name, Table *out, Err *err)
{
    const TableFormat format = table_format(str(name));
    const bool csv = format == TABLE_CSV, json = format == TABLE_JSON;
    TableReader reader = {.arena = arena, .name = name, .rest = bytes, .line = 1, .separator = '\t', .err = err};
    *out = (Table){.path = name};
    if (!file_kind_check(bytes, name, err)) return false;
    if (bytes.size >= 4 && memcmp(bytes.at, "\x28\xb5\x2f\xfd", 4) == 0)
        return fail(err, "%s: this is zstd data; its name must end in .zst", name);
    if (format == TABLE_NONE)
        return fail(
            err, "%s: unknown format; the name must end in .tsv, .csv, .jsonl or .json, each also with .zst after it",
            name);
    if (bytes.size >= 3 && memcmp(bytes.at, "\xef\xbb\xbf", 3) == 0) reader.rest = (Str){bytes.at + 3, bytes.size - 3};
    if (table_ends_with_cr(reader.rest, csv)) reader.rest = table_with_lf(arena, reader.rest);
    if (!table_check_text(reader.rest, name, json && table_json_is_array(reader.rest), err)) return false;
    if (json) return table_json(&reader, out);
    if (csv) table_find_separator(&reader);
    return table_delimited(&reader, csv, out);
}
