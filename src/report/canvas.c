#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <stb/stb_image_write.h>
#include <stb/stb_truetype.h>

/* A small drawing kit: a picture as RGB pixels and, at the same time, as SVG. Rectangles, lines, discs, hatching and
 * text, all anti-aliased. Coordinates are pixels, x to the right, y down, (0, 0) the outer corner of the first pixel.
 */

/* What was drawn where, so that tests can see that nothing covers anything. */
typedef enum MarkKind { MARK_TEXT, MARK_BAR, MARK_WHISKER, MARK_LEGEND } MarkKind;
typedef struct Mark {
    MarkKind kind;
    Box box; /* of text: of its ink */
    const char *text;
} Mark;

typedef struct Canvas {
    Arena *arena;
    int width, height;
    float scale;                   /* pixels of the PNG for one of the picture */
    int pixel_width, pixel_height; /* of the PNG */
    uint8_t *pixels;               /* [pixel_height][pixel_width][3] */
    const ReportLook *look;
    stbtt_fontinfo font;
    Markup svg; /* what has been drawn, without the <svg> around it */
    DYN(Mark) marks;
    const char *title;
    const char *see; /* a sentence or two: what is to be seen */
    const char *alt; /* the figures in words, for those who do not see them */
} Canvas;

typedef enum Align { ALIGN_LEFT, ALIGN_CENTRE, ALIGN_RIGHT } Align;

/* A white picture. font: a TrueType file that outlives the canvas, as does `look`. */
static bool canvas_open(Canvas *canvas, Arena *arena, int width, int height, float scale, const ReportLook *look,
                        Str font, Err *err)
{
    *canvas = (Canvas){.arena = arena,
                       .width = width,
                       .height = height,
                       .scale = scale,
                       .pixel_width = (int)lrintf((float)width * scale),
                       .pixel_height = (int)lrintf((float)height * scale),
                       .look = look,
                       .svg.arena = arena,
                       .title = "",
                       .see = "",
                       .alt = ""};
    const unsigned char *bytes = (const unsigned char *)font.at;
    if (font.size < 12 || stbtt_GetFontOffsetForIndex(bytes, 0) != 0 || !stbtt_InitFont(&canvas->font, bytes, 0))
        return fail(err, "the font for the charts is not a TrueType file");
    const size_t size = (size_t)canvas->pixel_width * (size_t)canvas->pixel_height * 3;
    canvas->pixels = arena_new(arena, uint8_t, size);
    memset(canvas->pixels, 255, size);
    return true;
}

/* Makes the picture so much higher, below what is drawn. */
static void canvas_grow(Canvas *canvas, float more)
{
    const size_t row = (size_t)canvas->pixel_width * 3, before = row * (size_t)canvas->pixel_height;
    canvas->height += (int)ceilf(more);
    canvas->pixel_height = (int)lrintf((float)canvas->height * canvas->scale);
    const size_t size = row * (size_t)canvas->pixel_height;
    uint8_t *pixels = arena_new(canvas->arena, uint8_t, size);
    memcpy(pixels, canvas->pixels, before);
    memset(pixels + before, 255, size - before);
    canvas->pixels = pixels;
}

/* Ends the picture at y = bottom, when it reaches farther down: its height follows what was drawn. */
static void canvas_crop(Canvas *canvas, float bottom)
{
    canvas->height = least_int(canvas->height, (int)ceilf(bottom));
    canvas->pixel_height = least_int(canvas->pixel_height, (int)lrintf((float)canvas->height * canvas->scale));
}

/* The colour that is asked for in place of one of the palette. */
static Colour canvas_colour(const Canvas *canvas, Colour colour)
{
    const Colour own[LOOK_COLOURS] = {COLOUR_BLUE, COLOUR_ORANGE, COLOUR_GREEN, COLOUR_VERMILLION, COLOUR_PURPLE};
    for (int i = 0; i < canvas->look->colour_count; i++)
        if (own[i].r == colour.r && own[i].g == colour.g && own[i].b == colour.b) {
            const uint32_t rgb = canvas->look->colours[i];
            return (Colour){(uint8_t)(rgb >> 16), (uint8_t)(rgb >> 8), (uint8_t)rgb};
        }
    return colour;
}

static Box canvas_scaled(const Canvas *canvas, Box box)
{
    const float s = canvas->scale;
    return (Box){s * box.x0, s * box.y0, s * box.x1, s * box.y1};
}

static void canvas_mark(Canvas *canvas, MarkKind kind, Box box, const char *text)
{
    *dyn_push(canvas->arena, &canvas->marks) = (Mark){kind, box, text};
}

static void canvas_blend(Canvas *canvas, int x, int y, Colour colour, float coverage)
{
    if (x < 0 || y < 0 || x >= canvas->pixel_width || y >= canvas->pixel_height || coverage <= 0) return;
    uint8_t *p = canvas->pixels + 3 * ((size_t)y * (size_t)canvas->pixel_width + (size_t)x);
    const float c = coverage < 1 ? coverage : 1;
    p[0] = (uint8_t)lrintf((float)p[0] + c * ((float)colour.r - (float)p[0]));
    p[1] = (uint8_t)lrintf((float)p[1] + c * ((float)colour.g - (float)p[1]));
    p[2] = (uint8_t)lrintf((float)p[2] + c * ((float)colour.b - (float)p[2]));
}

static float canvas_clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

/* How much of the pixel [i, i + 1) lies in [low, high). */
static float canvas_overlap(int i, float low, float high)
{
    const float from = fmaxf((float)i, low), to = fminf((float)i + 1, high);
    return to > from ? to - from : 0;
}

static void canvas_rect(Canvas *canvas, Box box, Colour colour, float alpha)
{
    colour = canvas_colour(canvas, colour);
    svg_rect(&canvas->svg, box, colour, alpha);
    box = canvas_scaled(canvas, box);
    for (int y = (int)floorf(box.y0); (float)y < box.y1; y++)
        for (int x = (int)floorf(box.x0); (float)x < box.x1; x++)
            canvas_blend(canvas, x, y, colour,
                         alpha * canvas_overlap(x, box.x0, box.x1) * canvas_overlap(y, box.y0, box.y1));
}

/* Between two lines over the same ascending x: [count] x, top, bottom. */
static void canvas_band(Canvas *canvas, const float *points, size_t count, Colour colour, float alpha)
{
    const float s = canvas->scale;
    colour = canvas_colour(canvas, colour);
    svg_band(&canvas->svg, points, count, colour, alpha);
    for (size_t i = 0; i + 1 < count; i++) {
        const float *p = points + 3 * i;
        const float a[] = {s * p[0], s * p[1], s * p[2]}, b[] = {s * p[3], s * p[4], s * p[5]};
        for (int x = (int)floorf(a[0]); (float)x < b[0]; x++) {
            const float share = canvas_overlap(x, a[0], b[0]), at = canvas_clamp((float)x + 0.5f, a[0], b[0]),
                        t = b[0] > a[0] ? (at - a[0]) / (b[0] - a[0]) : 0;
            const float top = a[1] + t * (b[1] - a[1]), bottom = a[2] + t * (b[2] - a[2]);
            for (int y = (int)floorf(top); (float)y < bottom; y++)
                canvas_blend(canvas, x, y, colour, alpha * share * canvas_overlap(y, top, bottom));
        }
    }
}

/* Diagonal stripes, `width` wide, one every `period` pixels along x. */
static void canvas_hatch(Canvas *canvas, Box box, Colour colour, float period, float width)
{
    colour = canvas_colour(canvas, colour);
    svg_hatch(&canvas->svg, box, colour, period, width);
    box = canvas_scaled(canvas, box);
    period *= canvas->scale;
    width *= canvas->scale;
    const float slope = (float)M_SQRT1_2; /* from x + y to the distance across the stripes */
    for (int y = (int)floorf(box.y0); (float)y < box.y1; y++)
        for (int x = (int)floorf(box.x0); (float)x < box.x1; x++) {
            const float along = (float)x + (float)y + 1, phase = along - period * floorf(along / period);
            const float distance = fminf(phase, period - phase) * slope; /* to the middle of the nearest stripe */
            const float inside = canvas_clamp(width / 2 - distance + 0.5f, 0, 1);
            canvas_blend(canvas, x, y, colour,
                         inside * canvas_overlap(x, box.x0, box.x1) * canvas_overlap(y, box.y0, box.y1));
        }
}

static float canvas_length(float dx, float dy)
{
    return (float)sqrt((double)dx * (double)dx + (double)dy * (double)dy);
}

/* With round ends; in pixels alone. */
static void canvas_stroke(Canvas *canvas, float x0, float y0, float x1, float y1, float width, Colour colour)
{
    const float s = canvas->scale;
    x0 *= s, y0 *= s, x1 *= s, y1 *= s, width *= s;
    const float reach = width / 2 + 1, dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
    const int left = (int)floorf(fminf(x0, x1) - reach), right = (int)ceilf(fmaxf(x0, x1) + reach);
    const int top = (int)floorf(fminf(y0, y1) - reach), bottom = (int)ceilf(fmaxf(y0, y1) + reach);
    for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++) {
            const float px = (float)x + 0.5f - x0, py = (float)y + 0.5f - y0;
            const float t = length2 > 0 ? canvas_clamp((px * dx + py * dy) / length2, 0, 1) : 0;
            const float distance = canvas_length(px - t * dx, py - t * dy);
            canvas_blend(canvas, x, y, colour, canvas_clamp(width / 2 - distance + 0.5f, 0, 1));
        }
}

/* points: x, y pairs. */
static void canvas_polyline(Canvas *canvas, const float *points, size_t count, float width, Colour colour, Dash dash)
{
    float walked = 0;
    colour = canvas_colour(canvas, colour);
    svg_polyline(&canvas->svg, points, count, width, colour, dash);
    for (size_t i = 0; i + 1 < count; i++) {
        const float x0 = points[2 * i], y0 = points[2 * i + 1], x1 = points[2 * i + 2], y1 = points[2 * i + 3];
        const float length = canvas_length(x1 - x0, y1 - y0);
        if (dash.period <= 0 || length <= 0) {
            canvas_stroke(canvas, x0, y0, x1, y1, width, colour);
            continue;
        }
        for (float at = 0; at < length;) {
            const float place = fmodf(walked + at + dash.phase, dash.period); /* within the pattern */
            const bool on = place < dash.on;
            float end = at + (on ? dash.on : dash.period) - place;
            if (end > length) end = length;
            if (end < at + 0.01f) end = at + 0.01f; /* rounding must not stop the walk */
            const float a = at / length, b = fminf(1, end / length);
            if (on)
                canvas_stroke(canvas, x0 + a * (x1 - x0), y0 + a * (y1 - y0), x0 + b * (x1 - x0), y0 + b * (y1 - y0),
                              width, colour);
            at = end;
        }
        walked += length;
    }
}

static void canvas_line(Canvas *canvas, float x0, float y0, float x1, float y1, float width, Colour colour)
{
    canvas_polyline(canvas, (const float[]){x0, y0, x1, y1}, 2, width, colour, (Dash){0});
}

static void canvas_disc(Canvas *canvas, float x, float y, float radius, Colour colour)
{
    colour = canvas_colour(canvas, colour);
    svg_disc(&canvas->svg, x, y, radius, colour);
    canvas_stroke(canvas, x, y, x, y, 2 * radius, colour);
}

static void canvas_dashed(Canvas *canvas, float x0, float y0, float x1, float y1, float width, Colour colour)
{
    canvas_polyline(canvas, (const float[]){x0, y0, x1, y1}, 2, width, colour, (Dash){14, 26, 0});
}

/* ---- text ---- */

/* Draws when `colour` is given; returns the width. size: of the em, in pixels. */
static float canvas_run(Canvas *canvas, float x, float y, const char *text, float size, const Colour *colour, Box *ink)
{
    const float scale = stbtt_ScaleForMappingEmToPixels(&canvas->font, size * canvas->scale);
    x *= canvas->scale, y *= canvas->scale;
    uint8_t bitmap[128 * 128];
    float at = x;
    int previous = 0;
    while (*text) {
        uint32_t code;
        text += utf8_decode(text, strlen(text), &code);
        const int glyph = stbtt_FindGlyphIndex(&canvas->font, code == UTF8_INVALID ? 0xfffd : (int)code);
        int advance, bearing, x0, y0, x1, y1;
        if (previous) at += scale * (float)stbtt_GetGlyphKernAdvance(&canvas->font, previous, glyph);
        stbtt_GetGlyphHMetrics(&canvas->font, glyph, &advance, &bearing);
        const float fx = at - floorf(at), fy = y - floorf(y);
        stbtt_GetGlyphBitmapBoxSubpixel(&canvas->font, glyph, scale, scale, fx, fy, &x0, &y0, &x1, &y1);
        const int w = x1 - x0, h = y1 - y0;
        if (colour && w > 0 && h > 0 && w <= 128 && h <= 128) {
            const int left = (int)floorf(at) + x0, top = (int)floorf(y) + y0;
            memset(bitmap, 0, (size_t)w * (size_t)h);
            stbtt_MakeGlyphBitmapSubpixel(&canvas->font, bitmap, w, h, w, scale, scale, fx, fy, glyph);
            for (int i = 0; i < h; i++)
                for (int j = 0; j < w; j++)
                    canvas_blend(canvas, left + j, top + i, *colour, (float)bitmap[i * w + j] / 255);
            const bool empty = ink->x1 <= ink->x0;
            *ink = (Box){empty ? (float)left : fminf(ink->x0, (float)left),
                         empty ? (float)top : fminf(ink->y0, (float)top),
                         empty ? (float)(left + w) : fmaxf(ink->x1, (float)(left + w)),
                         empty ? (float)(top + h) : fmaxf(ink->y1, (float)(top + h))};
        }
        at += scale * (float)advance;
        previous = glyph;
    }
    return (at - x) / canvas->scale;
}

static float canvas_text_width(Canvas *canvas, const char *text, float size)
{
    return canvas_run(canvas, 0, 0, text, size, NULL, NULL);
}

static void canvas_write_text(Canvas *canvas, float x, float y, Align align, const char *text, float size,
                              Colour colour, bool bold)
{
    const float width = canvas_text_width(canvas, text, size);
    Box ink = {0};
    const float left = align == ALIGN_LEFT ? x : align == ALIGN_CENTRE ? x - width / 2 : x - width;
    canvas_run(canvas, left, y, text, size, &colour, &ink);
    /* there is no bold face at hand: a second, slightly shifted stroke */
    if (bold) canvas_run(canvas, left + size * 0.028f, y, text, size, &colour, &ink);
    if (ink.x1 > ink.x0) {
        const float s = canvas->scale;
        canvas_mark(canvas, MARK_TEXT, (Box){ink.x0 / s, ink.y0 / s, ink.x1 / s, ink.y1 / s}, text);
    }
    svg_text(&canvas->svg, left, y, width, text, size, colour, bold);
}

/* y: the base line. size at most 90. */
static void canvas_text(Canvas *canvas, float x, float y, Align align, const char *text, float size, Colour colour)
{
    canvas_write_text(canvas, x, y, align, text, size, colour, false);
}

/* The largest size within [low, high] at which the text is at most `width` wide; low when it is wider even then. */
static float canvas_fit(Canvas *canvas, const char *text, float width, float low, float high)
{
    const float full = canvas_text_width(canvas, text, high);
    return full <= width ? high : canvas_clamp(floorf(high * width / full * 2) / 2, low, high);
}

/* The text itself, or its beginning and "…" when it is wider than `width`. */
static const char *canvas_shorten(Canvas *canvas, const char *text, float size, float width)
{
    if (canvas_text_width(canvas, text, size) <= width) return text;
    const char *best = "…";
    for (const char *end = text; *end;) {
        uint32_t code;
        end += utf8_decode(end, strlen(end), &code);
        const char *candidate = arena_printf(canvas->arena, "%.*s…", (int)(end - text), text);
        if (canvas_text_width(canvas, candidate, size) > width) break;
        best = candidate;
    }
    return best;
}

/* Where a text may be broken: at spaces; after '-' and '+', too; and, where a word is longer than a line, anywhere. */
typedef enum BreakAt { BREAK_SPACES, BREAK_INSIDE, BREAK_ANYWHERE } BreakAt;

static const char *canvas_next_break(const char *text, BreakAt where)
{
    uint32_t code;
    if (where == BREAK_ANYWHERE) return text + utf8_decode(text, strlen(text), &code);
    const char *end = text + (*text == ' ');
    while (*end && *end != ' ' && !(where == BREAK_INSIDE && end > text && (end[-1] == '-' || end[-1] == '+'))) end++;
    return end;
}

/* The end of the first line; NULL: not even the text before the first break fits. */
static const char *canvas_line_end(Canvas *canvas, const char *text, float size, float width, BreakAt where)
{
    const char *fits = NULL;
    for (const char *at = text; *at;) {
        at = canvas_next_break(at, where);
        const char *candidate = arena_printf(canvas->arena, "%.*s", (int)(at - text), text);
        if (canvas_text_width(canvas, candidate, size) > width) break;
        fits = at;
    }
    return fits;
}

/* Breaks a text into at most `most` lines no wider than `width`. Returns the number of lines, or most + 1 when it does
 * not fit; lines[] then hold what was found. */
static int canvas_break(Canvas *canvas, const char *text, float size, float width, BreakAt where, const char **lines,
                        int most)
{
    int count = 0;
    while (*text) {
        const char *end = canvas_line_end(canvas, text, size, width, where == BREAK_ANYWHERE ? BREAK_SPACES : where);
        for (int at = BREAK_INSIDE; where == BREAK_ANYWHERE && at <= BREAK_ANYWHERE && !end; at++)
            end = canvas_line_end(canvas, text, size, width, (BreakAt)at);
        if (!end || count == most) return most + 1;
        lines[count++] = arena_printf(canvas->arena, "%.*s", (int)(end - text), text);
        text = end;
        while (*text == ' ') text++;
    }
    return count;
}

/* The same with lines of about the same length: breaks inside words, too. */
static int canvas_balance(Canvas *canvas, const char *text, float size, float width, const char **lines, int most)
{
    const int count = canvas_break(canvas, text, size, width, BREAK_INSIDE, lines, most);
    if (count > most) return count;
    float narrow = width;
    while (narrow > 20 && canvas_break(canvas, text, size, narrow - 4, BREAK_INSIDE, lines, count) <= count)
        narrow -= 4;
    return canvas_break(canvas, text, size, narrow, BREAK_INSIDE, lines, count);
}

/* ---- the picture as a file ---- */

typedef struct CanvasBytes {
    Arena *arena;
    Str bytes;
} CanvasBytes;

static void canvas_take_bytes(void *context, void *data, int size)
{
    CanvasBytes *out = context;
    out->bytes = (Str){arena_copy(out->arena, data, (size_t)size), (size_t)size};
}

static bool canvas_write(Canvas *canvas, const char *path, Err *err)
{
    CanvasBytes png = {.arena = canvas->arena};
    if (!stbi_write_png_to_func(canvas_take_bytes, &png, canvas->pixel_width, canvas->pixel_height, 3, canvas->pixels,
                                canvas->pixel_width * 3))
        return fail(err, "%s: out of memory while compressing the picture", path);
    return file_write(path, png.bytes, err);
}
