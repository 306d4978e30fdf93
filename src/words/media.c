#include "words.h"

#include <string.h>
#include <utf8proc.h>

/* A text for the medium that shows it, and in the columns that are there. */

Medium medium_of_terminal(void) { return terminal_is_utf8() ? MEDIUM_UTF8 : MEDIUM_ASCII; }

/* Code points of our own sentences and what stands for them; of others '?'. */
static const char *media_ascii(uint32_t code)
{
    static const struct {
        uint32_t code;
        const char *ascii;
    } signs[] = {{0x2013 /* – */, "-"},  {0x2192 /* → */, ">"}, {0x2026 /* … */, "~"}, {0x2264 /* ≤ */, "<="},
                 {0x2265 /* ≥ */, ">="}, {0xb1 /* ± */, "+-"},  {0x2500 /* ─ */, "-"}, {0x2212 /* − */, "-"}};
    for (size_t i = 0; i < COUNT(signs); i++)
        if (code == signs[i].code) return signs[i].ascii;
    return "?";
}

/* May stand in a document: no control characters, no half of a surrogate pair, no non-character. */
static bool media_may_stand(uint32_t code)
{
    if (code == '\t' || code == '\n') return true;
    if (code < ' ' || (code >= 127 && code < 160) || code == UTF8_INVALID) return false;
    return (code & 0xfffe) != 0xfffe && !(code >= 0xfdd0 && code < 0xfdf0);
}

/* Signs that mean something to TeX, those of our own sentences, and what may not stand in a document. */
static const char *media_latex(uint32_t code)
{
    static const struct {
        uint32_t code;
        const char *latex;
    } signs[] = {{'\\', "\\textbackslash{}"},
                 {'{', "\\{"},
                 {'}', "\\}"},
                 {'$', "\\$"},
                 {'&', "\\&"},
                 {'#', "\\#"},
                 {'%', "\\%"},
                 {'_', "\\_"},
                 {'^', "\\textasciicircum{}"},
                 {'~', "\\textasciitilde{}"},
                 {'<', "\\textless{}"},
                 {'>', "\\textgreater{}"},
                 {'|', "\\textbar{}"},
                 {'"', "''"},
                 {'[', "{[}"},
                 {']', "{]}"},
                 {0x2013 /* – */, "--"},
                 {0x2192 /* → */, "$\\to$"},
                 {0x2026 /* … */, "\\dots{}"},
                 {0x2264 /* ≤ */, "$\\leq$"},
                 {0x2265 /* ≥ */, "$\\geq$"},
                 {0xb1 /* ± */, "$\\pm$"},
                 {0x2212 /* − */, "$-$"},
                 {0x2019 /* ’ */, "'"}};
    for (size_t i = 0; i < COUNT(signs); i++)
        if (code == signs[i].code) return signs[i].latex;
    return code == '\n' || code == '\t' ? " " : media_may_stand(code) ? NULL : "?";
}

/* What a medium puts for a code point; NULL: the code point itself. */
static const char *media_put(Medium medium, uint32_t code)
{
    switch (medium) {
    case MEDIUM_UTF8: return NULL;
    case MEDIUM_ASCII: return code < 128 ? NULL : media_ascii(code);
    case MEDIUM_MARKDOWN: return NULL; /* text_for puts a backslash before its signs */
    case MEDIUM_LATEX: return media_latex(code);
    case MEDIUM_HTML: break;
    }
    return code == '&'              ? "&amp;"
           : code == '<'            ? "&lt;"
           : code == '>'            ? "&gt;"
           : code == '"'            ? "&quot;"
           : code == '\''           ? "&#39;"
           : !media_may_stand(code) ? "\xef\xbf\xbd"
                                    : NULL;
}

const char *text_for(Arena *arena, Medium medium, const char *text)
{
    enum { LONGEST = 18 }; /* bytes for one: "\\textasciicircum{}" */
    const size_t size = strlen(text);
    if (medium == MEDIUM_UTF8) return text;
    char *out = arena_new(arena, char, LONGEST *size + 1), *to = out;
    for (size_t at = 0, n; at < size; at += n) {
        uint32_t code;
        n = utf8_decode(text + at, size - at, &code);
        const char *put = media_put(medium, code);
        if (medium == MEDIUM_LATEX && code == '"' && (!at || strchr(" \t\n(", text[at - 1]))) put = "``";
        if (medium == MEDIUM_MARKDOWN && code < 128 && strchr("\\`*_[]<>|#&~", (int)code)) *to++ = '\\';
        const size_t bytes = put ? strlen(put) : n;
        memcpy(to, put ? put : text + at, bytes);
        to += bytes;
    }
    return out;
}

/* Columns of the code point at `text`, which is *bytes long: Chinese letters take two, marks on letters none. */
static int text_columns(const char *text, size_t *bytes)
{
    uint32_t code;
    size_t left = 1;
    while (left < 4 && text[left]) left++;
    *bytes = utf8_decode(text, left, &code);
    return code == UTF8_INVALID ? 1 : utf8proc_charwidth((utf8proc_int32_t)code);
}

int text_width(const char *text)
{
    int width = 0;
    for (size_t bytes; *text; text += bytes) width += text_columns(text, &bytes);
    return width;
}

const char *text_shorten(Arena *arena, const char *text, int columns)
{
    if (text_width(text) <= columns) return text;
    int width = 0;
    const char *end = text;
    for (size_t bytes; *end; end += bytes) {
        width += text_columns(end, &bytes);
        if (width > columns - 1) break;
    }
    return arena_printf(arena, "%.*s…", (int)(end - text), text);
}

int text_wrap(FILE *out, const char *text, int column, int indent, int columns)
{
    for (bool first = true;; first = false) {
        text += strspn(text, " \n");
        const int size = (int)strcspn(text, " \n");
        int width = 0;
        if (!size) return column;
        for (size_t i = 0, bytes; i < (size_t)size; i += bytes) width += text_columns(text + i, &bytes);
        const bool breaks = !first && column + 1 + width > columns;
        if (breaks) fprintf(out, "\n%*s", indent, "");
        fprintf(out, "%s%.*s", first || breaks ? "" : " ", size, text);
        column = (breaks ? indent : first ? column : column + 1) + width;
        text += size;
    }
}

const char *shell_word(Arena *arena, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
    if (*word && strspn(word, plain) == strlen(word)) return word;
    const char *quoted = "'";
    for (const char *p = word; *p;) {
        const size_t size = strcspn(p, "'");
        quoted = arena_printf(arena, "%s%.*s%s", quoted, (int)size, p, p[size] ? "'\\''" : "");
        p += size + (p[size] != 0);
    }
    return arena_printf(arena, "%s'", quoted);
}
