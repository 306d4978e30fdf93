#include "report.h"

#include <string.h>

/* Text that grows, for SVG and HTML: markup as it is, and words of others made harmless. */

typedef struct Markup {
    Arena *arena;
    DYN(char) text;
} Markup;

static void markup_bytes(Markup *m, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) *dyn_push(m->arena, &m->text) = bytes[i];
}

PRINTF(2, 3) static void markup_put(Markup *m, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    const int size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ASSERT(size >= 0 && size < (int)sizeof line); /* long words go through markup_text */
    markup_bytes(m, line, (size_t)size);
}

/* The next code point of UTF-8; a broken byte is U+FFFD. */
static int markup_next_char(const char **text)
{
    const unsigned char *s = (const unsigned char *)*text;
    const int extra = s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : s[0] >= 0xc0 ? 1 : 0;
    int code = extra == 3 ? s[0] & 7 : extra == 2 ? s[0] & 15 : extra == 1 ? s[0] & 31 : s[0];
    for (int i = 1; i <= extra; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            *text += i;
            return 0xfffd;
        }
        code = code << 6 | (s[i] & 63);
    }
    *text += extra + 1;
    return extra == 0 && s[0] >= 0x80 ? 0xfffd : code;
}

/* May stand in a document: no control characters, no half of a surrogate pair, no non-character, nothing too long. */
static bool markup_allowed(int code, size_t bytes)
{
    static const int first_of_bytes[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < first_of_bytes[bytes] || code > 0x10ffff) return false;
    if (code == '\t' || code == '\n') return true;
    if (code < ' ' || (code >= 127 && code < 160)) return false;
    return !(code >= 0xd800 && code < 0xe000) && (code & 0xfffe) != 0xfffe && !(code >= 0xfdd0 && code < 0xfdf0);
}

/* Words of others, as text or as the value of an attribute in quotes. What may not stand in a document is U+FFFD. */
static void markup_text(Markup *m, const char *text)
{
    while (*text) {
        const char *from = text;
        const int code = markup_next_char(&text);
        const size_t bytes = (size_t)(text - from);
        const char *entity = code == '&'    ? "&amp;"
                             : code == '<'  ? "&lt;"
                             : code == '>'  ? "&gt;"
                             : code == '"'  ? "&quot;"
                             : code == '\'' ? "&#39;"
                                            : NULL;
        if (code == 0xfffd || !markup_allowed(code, bytes)) entity = "\xef\xbf\xbd";
        if (entity)
            markup_bytes(m, entity, strlen(entity));
        else
            markup_bytes(m, from, bytes);
    }
}

static Str markup_str(const Markup *m) { return (Str){m->text.at ? m->text.at : "", m->text.count}; }
