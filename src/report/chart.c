#include "report.h"

#include <math.h>
#include <string.h>

/* What all charts share: size, title, legend, axis. */

enum { CHART_PIXELS = 1600, CHART_NARROW = 720, CHART_MARGIN = 50, CHART_HIGHEST = 30000, CHART_LINES = 8 };

static const float CHART_PITCH = 1.26f; /* from line to line, of the size of the text */

/* Wide pictures are 8 to 5 and CHART_PIXELS wide; larger text means less room, so that all else is laid out for it. A
 * narrow one is as high as what is in it. least: that the content needs. */
static bool chart_open(Canvas *canvas, Arena *arena, const Results *r, int least, Str font, Err *err)
{
    const ReportLook *look = &r->look;
    const float text = look->text > 0 ? look->text : LOOK_TEXT;
    const int width = look->narrow ? CHART_NARROW : (int)lrintf(CHART_PIXELS * LOOK_TEXT / text),
              usual = look->narrow ? 0 : width * 5 / 8,
              height = least_int(least > usual ? least : usual, CHART_HIGHEST);
    const float narrow = look->pixels > 0 ? look->pixels : 0.125f,
                scale = look->narrow ? narrow : (float)CHART_PIXELS / (float)width;
    return canvas_open(canvas, arena, width, height, scale, look, font, err);
}

static bool chart_is_narrow(const Canvas *canvas) { return canvas->look->narrow; }

/* A text that is wider than `width` in as many lines as it takes, so that no word of it is lost. What even these do not
 * hold ends in "…". Returns how many; lines has room for CHART_LINES. */
static int chart_break(Canvas *canvas, const char *text, float size, float width, const char **lines)
{
    const int count = canvas_break(canvas, text, size, width, BREAK_ANYWHERE, lines, CHART_LINES);
    if (count <= CHART_LINES) return count;
    const char *cut = arena_printf(canvas->arena, "%s…", lines[CHART_LINES - 1]);
    lines[CHART_LINES - 1] = canvas_shorten(canvas, cut, size, width);
    return CHART_LINES;
}

/* before, name and after in one line, from *size down to `low` as large as fits. A name that is too long even so is
 * cut, the words around it are not. */
static const char *chart_around(Canvas *canvas, const char *before, const char *name, const char *after, float room,
                                float low, float *size)
{
    const char *text = arena_printf(canvas->arena, "%s%s%s", before, name, after);
    *size = canvas_fit(canvas, text, room, low, *size);
    if (canvas_text_width(canvas, text, *size) <= room) return text;
    const float rest = canvas_text_width(canvas, before, *size) + canvas_text_width(canvas, after, *size);
    return arena_printf(canvas->arena, "%s%s%s", before, canvas_shorten(canvas, name, *size, room - rest), after);
}

/* At most `most` lines, as large as fits between `low` and `high`; more of them only where it does not fit at all, and
 * the picture grows by these. Returns the y below them. */
static float chart_paragraph(Canvas *canvas, const char *text, float y, int most, float low, float high, Colour colour,
                             bool bold)
{
    const char *lines[CHART_LINES];
    const float width = (float)canvas->width - 2 * CHART_MARGIN;
    float size = high;
    ASSERT(most <= CHART_LINES);
    const float alone = canvas_fit(canvas, text, width, 1, high);
    if (alone >= 0.8f * high) size = alone; /* one line, when it is not much smaller */
    while (size > low && canvas_break(canvas, text, size, width, BREAK_SPACES, lines, most) > most) size -= 1;
    int count = canvas_break(canvas, text, size, width, BREAK_SPACES, lines, most);
    if (count > most) {
        count = chart_break(canvas, text, size, width, lines);
        if (count > most) canvas_grow(canvas, (float)(count - most) * size * CHART_PITCH);
    }
    for (int i = 0; i < count; i++) {
        y += size * 1.02f;
        canvas_write_text(canvas, CHART_MARGIN, y, ALIGN_LEFT, lines[i], size, colour, bold);
        y += size * (CHART_PITCH - 1.02f);
    }
    return y;
}

/* Returns the y below them. */
static float chart_title(Canvas *canvas, const char *title, const char *subtitle)
{
    const int lines = canvas->width < CHART_PIXELS ? 4 : 2;
    canvas->title = canvas->look->title ? canvas->look->title : title;
    float y = 28;
    if (*canvas->title) y = chart_paragraph(canvas, canvas->title, y, lines, 26, 46, COLOUR_TEXT, true);
    return chart_paragraph(canvas, subtitle, y + 6, lines, 20, 26, COLOUR_SOFT, false);
}

/* Model, rows, seeds: what every chart says below its title. */
static const char *chart_setting(Arena *arena, const Results *r)
{
    const ResultTask *t = &r->tasks[0];
    bool same = true;
    for (int j = 1; j < r->task_count; j++)
        same = same && r->tasks[j].train_rows == t->train_rows && r->tasks[j].eval_rows == t->eval_rows;
    const char *rows =
        same ? arena_printf(arena, "%s training and %s evaluation rows%s", format_count(arena, t->train_rows),
                            format_count(arena, t->eval_rows), r->task_count > 1 ? " a task" : "")
             : arena_printf(arena, "%s: %s training and %s evaluation rows", t->name,
                            format_count(arena, t->train_rows), format_count(arena, t->eval_rows));
    return arena_printf(arena, "%s%s, %s", r->finished ? "" : "UNFINISHED RUN. ",
                        text_join(arena, r->model, ", ", rows), table_seeds(arena, r));
}

static const char *chart_whiskers(const Results *r)
{
    return verdict_most_seeds(r) > 1 ? "whiskers: 95% interval over seeds" : "whiskers: 95% interval";
}

/* ---- legend ---- */

typedef enum SwatchKind { SWATCH_FILLED, SWATCH_HATCHED, SWATCH_LINE, SWATCH_DOT } SwatchKind;
typedef struct Swatch {
    SwatchKind kind;
    Colour colour;
    Dash dash; /* of SWATCH_LINE */
    const char *text;
} Swatch;

static void chart_draw_swatch(Canvas *canvas, const Swatch *s, float x, float y)
{
    const Box box = {x, y - 20, x + 34, y + 2};
    const float middle = y - 9;
    if (s->kind == SWATCH_FILLED) canvas_rect(canvas, box, s->colour, 1);
    if (s->kind == SWATCH_HATCHED) {
        canvas_rect(canvas, box, s->colour, 0.25f);
        canvas_hatch(canvas, box, s->colour, 14, 4);
    }
    if (s->kind == SWATCH_LINE)
        canvas_polyline(canvas, (const float[]){x, middle, x + 40, middle}, 2, 6, s->colour, s->dash);
    if (s->kind == SWATCH_DOT) canvas_disc(canvas, x + 17, middle, 8.5f, s->colour);
    canvas_mark(canvas, MARK_LEGEND, box, s->text);
}

/* Swatches with their texts from left to right, in as many rows as it takes. A text that is longer than a row takes
 * several, and the picture grows by these. Returns the y below. */
static float chart_legend(Canvas *canvas, const Swatch *swatches, int count, float y)
{
    enum { ROW = 40, GAP = 38, TEXT_AT = 50, SIZE = 25, SMALL = 20 };
    const char *lines[CHART_LINES];
    const float right = (float)canvas->width - CHART_MARGIN, room = right - CHART_MARGIN - TEXT_AT;
    float x = CHART_MARGIN;
    y += ROW;
    for (int i = 0; i < count; i++) {
        const float size = canvas_fit(canvas, swatches[i].text, room, SMALL, SIZE);
        const int rows = chart_break(canvas, swatches[i].text, size, room, lines);
        const float width = TEXT_AT + (rows > 1 ? room : canvas_text_width(canvas, swatches[i].text, size));
        if (x > CHART_MARGIN && x + width > right) {
            x = CHART_MARGIN;
            y += ROW;
        }
        chart_draw_swatch(canvas, &swatches[i], x, y);
        if (rows > 1) canvas_grow(canvas, (float)(rows - 1) * size * CHART_PITCH);
        for (int k = 0; k < rows; k++) {
            if (k) y += size * CHART_PITCH;
            canvas_text(canvas, x + TEXT_AT, y, ALIGN_LEFT, lines[k], size, COLOUR_TEXT);
        }
        x += width + GAP;
    }
    return y + 14;
}

/* ---- scale ---- */

/* A step of 1, 2 or 5 times a power of ten that cuts [0, high] into at most `most` parts. */
static double chart_nice_step(double high, int most)
{
    double power = 1, step; /* the power of ten below high / most: a whole one, or one by a whole one */
    if (high / most >= 1)
        while (10 * power <= high / most) power *= 10;
    else
        while (1 / power > high / most) power *= 10;
    step = high / most >= 1 ? power : 1 / power;
    while (high / step > most) {
        static const double factors[] = {2, 2.5, 2}; /* 1, 2, 5, 10 */
        for (int i = 0; i < 3 && high / step > most; i++) step *= factors[i];
    }
    return step;
}
