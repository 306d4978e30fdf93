#include "report.h"

#include <string.h>
#include <utf8proc.h>

#include <stb/stb_truetype.h>

/* Names in letters that the pictures' font does not have, or cannot set from right to left: Chinese, Arabic. The
 * browser draws the text of SVG with fonts of its own; a PNG would show boxes, and calls what is named so by its
 * number. */

static bool letters_are_there(const stbtt_fontinfo *font, const char *text)
{
    while (*text) {
        uint32_t code;
        text += utf8_decode(text, strlen(text), &code);
        if (code == UTF8_INVALID || !stbtt_FindGlyphIndex(font, (int)code)) return false;
        const unsigned way = utf8proc_get_property((utf8proc_int32_t)code)->bidi_class;
        if (way == UTF8PROC_BIDI_CLASS_R || way == UTF8PROC_BIDI_CLASS_AL) return false;
    }
    return true;
}

typedef struct Letters {
    Arena *arena;
    stbtt_fontinfo font;
    DYN(const char *) replaced; /* "task 1 for NAME" */
} Letters;

static const char *letters_plain(Letters *l, const char *name, const char *plain)
{
    if (letters_are_there(&l->font, name)) return name;
    *dyn_push(l->arena, &l->replaced) = arena_printf(l->arena, "%s for %s", plain, name);
    return plain;
}

/* The results as a PNG shows them. */
static Results letters_replace(Letters *l, const Results *r)
{
    Results out = *r;
    out.tasks = (ResultTask *)arena_copy(l->arena, r->tasks, (size_t)r->task_count * sizeof *r->tasks);
    out.methods = (const char **)arena_copy(l->arena, r->methods, (size_t)r->method_count * sizeof *r->methods);
    for (int j = 0; j < r->task_count; j++)
        out.tasks[j].name = letters_plain(l, r->tasks[j].name, arena_printf(l->arena, "task %d", j + 1));
    for (int m = 0; m < r->method_count; m++)
        out.methods[m] = letters_plain(l, r->methods[m], arena_printf(l->arena, "method %d", m + 1));
    out.model = letters_plain(l, r->model, "the model");
    const char *title = r->look.title;
    if (title && !letters_are_there(&l->font, title)) out.look.title = NULL;
    return out;
}

/* A font that is none is reported where it is drawn with. */
static bool letters_begin(Letters *l, Arena *arena, Str font)
{
    const unsigned char *bytes = (const unsigned char *)font.at;
    *l = (Letters){.arena = arena};
    return font.size >= 12 && stbtt_GetFontOffsetForIndex(bytes, 0) == 0 && stbtt_InitFont(&l->font, bytes, 0);
}

const char *report_letters(Arena *arena, const Results *r, Str font)
{
    Letters l;
    if (!letters_begin(&l, arena, font)) return "";
    letters_replace(&l, r);
    for (const char *const *t = r->look.titles; t && *t; t++)
        if (!letters_are_there(&l.font, *t))
            *dyn_push(arena, &l.replaced) = arena_printf(arena, "a title of their own for %s", *t);
    if (!l.replaced.count) return "";
    return arena_printf(
        arena,
        "The PNG pictures say %s, whose letters their font does not have. report.html shows them, and so "
        "do the SVG files that lethe report --svg writes.",
        format_list(arena, l.replaced.at, (int)l.replaced.count));
}
