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

/* Words of others, as text or as the value of an attribute in quotes. */
static void markup_text(Markup *m, const char *text)
{
    const char *safe = text_for(m->arena, MEDIUM_HTML, text);
    markup_bytes(m, safe, strlen(safe));
}

static Str markup_str(const Markup *m) { return (Str){m->text.at ? m->text.at : "", m->text.count}; }
