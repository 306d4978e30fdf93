#include "files.h"

#include <string.h>

/* JSON tables: an object a line, or one array of objects. */

enum { TABLE_MAX_LINE_BYTES = 1 << 20, TABLE_MAX_COLUMNS = 4096 };

typedef struct TableReader {
    Arena *arena;
    const char *name;
    Str rest;       /* what has not been read */
    uint64_t line;  /* of the first byte of rest, from 1 */
    char separator; /* of cells */
    DYN(Str) cells; /* of the row being read */
    bool quoted;    /* its first cell, in CSV: then it is a row even when nothing is in it */
    Err *err;
} TableReader;

typedef DYN(Str) StrArray;
typedef DYN(uint64_t) LineArray;

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

/* Length of the JSON number at the beginning of s (RFC 8259), or 0. */
static size_t json_number_size(Str s)
{
    size_t i = s.size && s.at[0] == '-', digits = i;
    while (i < s.size && s.at[i] >= '0' && s.at[i] <= '9') i++;
    if (i == digits || (s.at[digits] == '0' && i > digits + 1)) return 0;
    if (i < s.size && s.at[i] == '.') {
        digits = ++i;
        while (i < s.size && s.at[i] >= '0' && s.at[i] <= '9') i++;
        if (i == digits) return 0;
    }
    if (i < s.size && (s.at[i] == 'e' || s.at[i] == 'E')) {
        i++;
        i += i < s.size && (s.at[i] == '+' || s.at[i] == '-');
        digits = i;
        while (i < s.size && s.at[i] >= '0' && s.at[i] <= '9') i++;
        if (i == digits) return 0;
    }
    return i;
}

/* The code unit of the escape \uXXXX at the beginning of s, or -1. */
static int json_escape_unit(Str s)
{
    int unit = 0;
    if (s.size < 6 || s.at[0] != '\\' || s.at[1] != 'u') return -1;
    for (int i = 2; i < 6; i++) {
        const char c = s.at[i], low = (char)(c | 0x20);
        if (!((c >= '0' && c <= '9') || (low >= 'a' && low <= 'f'))) return -1;
        unit = unit * 16 + (c <= '9' ? c - '0' : low - 'a' + 10);
    }
    return unit;
}

/* Copies the string at the beginning of `in` (its opening quotation mark) to `out`; half a surrogate pair, which is no
 * character, becomes U+FFFD, as Python prints it with errors="replace". Returns the bytes read; *used grows. */
static size_t json_copy_string(Str in, char *out, size_t *used)
{
    size_t i = 1, n;
    out[(*used)++] = '"';
    for (; i < in.size && in.at[i] != '"'; i += n) {
        const Str rest = {in.at + i, in.size - i};
        const int unit = json_escape_unit(rest);
        n = rest.at[0] != '\\' || rest.size < 2 ? 1 : unit < 0 ? 2 : 6;
        if (unit >= 0xd800 && unit < 0xdc00) {
            const int next = json_escape_unit((Str){rest.at + 6, rest.size - 6});
            if (next >= 0xdc00 && next < 0xe000) n = 12;
        }
        if (n == 6 && unit >= 0xd800 && unit < 0xe000)
            memcpy(out + *used, "\\ufffd", 6);
        else
            memcpy(out + *used, rest.at, n);
        *used += n;
    }
    if (i < in.size) out[(*used)++] = in.at[i++];
    return i;
}

/* Length of NaN, Infinity or -Infinity at the beginning of s, which Python and pandas write although JSON has no such
 * numbers; or 0. */
static size_t json_no_number_size(Str s)
{
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    for (size_t i = 0; i < COUNT(words); i++)
        if (s.size >= strlen(words[i]) && memcmp(s.at, words[i], strlen(words[i])) == 0) return strlen(words[i]);
    return 0;
}

/* Whether a colon comes next: a number before it would be a key, which JSON does not allow. */
static bool json_is_key(Str rest)
{
    size_t i = 0;
    while (i < rest.size && (rest.at[i] == ' ' || rest.at[i] == '\t' || rest.at[i] == '\r' || rest.at[i] == '\n')) i++;
    return i < rest.size && rest.at[i] == ':';
}

/* The text with every number as a string, so that it keeps its spelling and its size does not matter, and null for what
 * is no number. It is JSON when `text` is, and where `text` breaks JSON's rules it still does. */
static Str json_with_plain_numbers(Arena *arena, Str text)
{
    char *out = arena_alloc(arena, 3 * text.size + 1, 1); /* "1" for 1, and a comma between two */
    size_t used = 0;
    for (size_t i = 0, n; i < text.size; i += n) {
        const Str rest = {text.at + i, text.size - i};
        if (rest.at[0] == '"') {
            n = json_copy_string(rest, out, &used);
        } else if ((n = json_no_number_size(rest))) {
            memcpy(out + used, "null", 4);
            used += 4;
        } else if ((n = json_number_size(rest)) && !json_is_key((Str){rest.at + n, rest.size - n})) {
            out[used++] = '"';
            memcpy(out + used, rest.at, n);
            used += n;
            out[used++] = '"';
        } else {
            if (!n) n = 1;
            memcpy(out + used, rest.at, n);
            used += n;
        }
    }
    return (Str){out, used};
}

static Str table_json_cell(Arena *arena, const json_t *value)
{
    if (json_is_string(value))
        return (Str){arena_copy(arena, json_string_value(value), json_string_length(value)), json_string_length(value)};
    if (json_is_boolean(value)) return json_is_true(value) ? S("true") : S("false");
    return (Str){0}; /* null, arrays and objects are no cells */
}

bool json_row_parse(Arena *arena, Str line, const char *what, json_t **out, Err *err)
{
    json_error_t problem;
    const Str plain = json_with_plain_numbers(arena, line);
    *out = json_loadb(plain.at, plain.size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &problem);
    return *out || fail(err, "%s: not valid JSON: %s", what, str_show(str(problem.text)));
}

static size_t table_column(const StrArray *columns, Str name)
{
    size_t i = 0;
    while (i < columns->count && !str_equal(columns->at[i], name)) i++;
    return i;
}

typedef struct Field {
    size_t row, column;
    Str cell;
} Field;

typedef struct JsonRows {
    StrArray columns;
    LineArray lines;
    DYN(Field) fields;
} JsonRows;

/* One object, which begins on line `at`. */
static bool table_json_object(TableReader *r, Str text, uint64_t at, JsonRows *rows)
{
    Arena scratch = {0};
    json_error_t problem;
    const Str plain = json_with_plain_numbers(&scratch, text);
    json_t *object = json_loadb(plain.at, plain.size, JSON_ALLOW_NUL, &problem), *value;
    arena_free(&scratch);
    if (!json_is_object(object)) {
        json_decref(object);
        return fail(r->err, "%s, line %llu: not a JSON object%s%s", r->name, (unsigned long long)at, object ? "" : ": ",
                    object ? "" : str_show(str(problem.text)));
    }
    const char *key;
    json_object_foreach(object, key, value)
    {
        size_t column = table_column(&rows->columns, str(key));
        if (column == TABLE_MAX_COLUMNS) {
            json_decref(object);
            return fail(r->err, "%s, line %llu: more than %d different keys so far", r->name, (unsigned long long)at,
                        TABLE_MAX_COLUMNS);
        }
        if (column == rows->columns.count)
            *dyn_push(r->arena, &rows->columns) = str(arena_copy(r->arena, key, strlen(key)));
        *dyn_push(r->arena, &rows->fields) = (Field){rows->lines.count, column, table_json_cell(r->arena, value)};
    }
    *dyn_push(r->arena, &rows->lines) = at;
    json_decref(object);
    return true;
}

static void table_skip_space(TableReader *r)
{
    while (r->rest.size && strchr(" \t\r\n", r->rest.at[0])) {
        r->line += r->rest.at[0] == '\n';
        r->rest = (Str){r->rest.at + 1, r->rest.size - 1};
    }
}

/* Takes the object at the beginning of r->rest, up to the brace that closes it. */
static bool table_take_object(TableReader *r, Str *object)
{
    size_t depth = 0, i = 0;
    bool quoted = false;
    for (; i < r->rest.size; i++) {
        const char c = r->rest.at[i];
        r->line += c == '\n';
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{') {
            depth++;
        } else if (c == '}' && --depth == 0) {
            *object = (Str){r->rest.at, i + 1};
            r->rest = (Str){r->rest.at + i + 1, r->rest.size - i - 1};
            return true;
        }
    }
    return false;
}

/* [{...}, {...}], as pandas writes it with orient="records". */
static bool table_json_array(TableReader *r, JsonRows *rows)
{
    r->rest = (Str){r->rest.at + 1, r->rest.size - 1}; /* the bracket */
    table_skip_space(r);
    bool comma = false;
    while (r->rest.size && r->rest.at[0] == '{') {
        const uint64_t at = r->line;
        Str object;
        if (!table_take_object(r, &object))
            return fail(r->err, "%s, line %llu: the object that begins here is never closed; the file is cut off",
                        r->name, (unsigned long long)at);
        if (!table_json_object(r, object, at, rows)) return false;
        table_skip_space(r);
        comma = r->rest.size && r->rest.at[0] == ',';
        if (!comma) break;
        r->rest = (Str){r->rest.at + 1, r->rest.size - 1};
        table_skip_space(r);
    }
    if (!r->rest.size) return fail(r->err, "%s: the file ends within its array; it is cut off", r->name);
    if (comma || r->rest.at[0] != ']')
        return fail(r->err, "%s, line %llu: not a JSON object%s, although an array of objects begins the file", r->name,
                    (unsigned long long)r->line, comma ? "" : ", a comma or the end of the array");
    r->rest = (Str){r->rest.at + 1, r->rest.size - 1};
    table_skip_space(r);
    return !r->rest.size ||
           fail(r->err, "%s, line %llu: text after the end of the array", r->name, (unsigned long long)r->line);
}

static bool table_json_lines(TableReader *r, JsonRows *rows)
{
    Str line;
    while (table_line(r, &line)) {
        const uint64_t at = r->line - 1;
        if (str_trim(line).size == 0) continue;
        if (!rows->lines.count && str_equal(str_trim(line), S("{")))
            return fail(r->err,
                        "%s, line %llu: an object over several lines; one object a line, or one array of objects is "
                        "needed",
                        r->name, (unsigned long long)at);
        if (!table_json_object(r, line, at, rows)) return false;
    }
    return true;
}

static bool table_json_is_array(Str bytes)
{
    const Str start = str_trim(bytes);
    return start.size && start.at[0] == '[';
}

static bool table_json(TableReader *r, Table *out)
{
    JsonRows rows = {0};
    const bool array = table_json_is_array(r->rest);
    if (array) table_skip_space(r);
    if (!(array ? table_json_array(r, &rows) : table_json_lines(r, &rows))) return false;
    if (!rows.lines.count)
        return fail(r->err, "%s: %s; one JSON object a line is needed", r->name,
                    array ? "an empty array" : "the file is empty");
    const size_t width = rows.columns.count;
    *out = (Table){.path = r->name,
                   .columns = rows.columns.at,
                   .column_count = width,
                   .lines = rows.lines.at,
                   .row_count = rows.lines.count};
    if ((uint64_t)rows.lines.count * width > (1ull << 28)) return fail(r->err, "%s: too many different keys", r->name);
    out->cells = arena_alloc(r->arena, rows.lines.count * width, sizeof(Str));
    for (size_t i = 0; i < rows.fields.count; i++)
        out->cells[rows.fields.at[i].row * width + rows.fields.at[i].column] = rows.fields.at[i].cell;
    return true;
}
