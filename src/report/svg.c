#include "report.h"

#include <math.h>
#include <string.h>

/* What a picture consists of, and the picture as SVG: everything that the canvas paints is also written down here, so
 * that the report's page shows it sharp at any size and in the colours of its own scheme. */

typedef struct Colour {
    uint8_t r, g, b;
} Colour;

typedef struct Box {
    float x0, y0, x1, y1; /* x0 <= x1, y0 <= y1 */
} Box;

/* Which part of a line is drawn: `on` pixels of every `period`, from `phase` on. period 0: all of it. */
typedef struct Dash {
    float on, period, phase;
} Dash;

/* The palette of Okabe and Ito (2008): distinguished with any kind of colour vision. */
static const Colour COLOUR_BLACK = {0, 0, 0}, COLOUR_ORANGE = {230, 159, 0}, COLOUR_GREEN = {0, 158, 115},
                    COLOUR_BLUE = {0, 114, 178}, COLOUR_VERMILLION = {213, 94, 0}, COLOUR_PURPLE = {204, 121, 167};
static const Colour COLOUR_WHITE = {255, 255, 255}, COLOUR_TEXT = {30, 30, 30}, COLOUR_SOFT = {95, 95, 95},
                    COLOUR_GRID = {224, 224, 224}, COLOUR_BAND = {244, 244, 244}, COLOUR_PALE = {160, 160, 160};
/* For text: vermillion darkened until it can be read on white (5.2 to 1). */
static const Colour COLOUR_ALARM = {178, 72, 0};

/* The colours that the page may change with its scheme, by the names of its variables. All others stay what they are.
 */
static const struct {
    const Colour *colour;
    const char *name;
} svg_palette[] = {
    {&COLOUR_BLACK, "black"},
    {&COLOUR_ORANGE, "orange"},
    {&COLOUR_GREEN, "green"},
    {&COLOUR_BLUE, "blue"},
    {&COLOUR_VERMILLION, "vermillion"},
    {&COLOUR_PURPLE, "purple"},
    {&COLOUR_WHITE, "paper"},
    {&COLOUR_TEXT, "ink"},
    {&COLOUR_SOFT, "soft"},
    {&COLOUR_GRID, "grid"},
    {&COLOUR_BAND, "band"},
    {&COLOUR_PALE, "pale"},
    {&COLOUR_ALARM, "alarm"},
};

static double svg_round(float x) { return round(10 * (double)x) / 10; }

static void svg_colour(Markup *m, const char *attribute, Colour c)
{
    for (size_t i = 0; i < COUNT(svg_palette); i++) {
        const Colour *p = svg_palette[i].colour;
        if (p->r != c.r || p->g != c.g || p->b != c.b) continue;
        markup_put(m, " %s=\"var(--%s)\"", attribute, svg_palette[i].name);
        return;
    }
    markup_put(m, " %s=\"#%02x%02x%02x\"", attribute, c.r, c.g, c.b);
}

static void svg_rect(Markup *m, Box box, Colour colour, float alpha)
{
    markup_put(m, "<rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\"", svg_round(box.x0), svg_round(box.y0),
               svg_round(box.x1 - box.x0), svg_round(box.y1 - box.y0));
    svg_colour(m, "fill", colour);
    if (alpha < 1) markup_put(m, " fill-opacity=\"%g\"", (double)alpha);
    markup_put(m, "/>\n");
}

/* Between two lines over the same x: [count] x, top, bottom. */
static void svg_band(Markup *m, const float *points, size_t count, Colour colour, float alpha)
{
    if (count < 2) return;
    markup_put(m, "<path stroke=\"none\" d=\"");
    for (size_t i = 0; i < count; i++)
        markup_put(m, "%s%g %g", i ? "L" : "M", svg_round(points[3 * i]), svg_round(points[3 * i + 1]));
    for (size_t i = count; i-- > 0;) markup_put(m, "L%g %g", svg_round(points[3 * i]), svg_round(points[3 * i + 2]));
    markup_put(m, "Z\"");
    svg_colour(m, "fill", colour);
    markup_put(m, " fill-opacity=\"%g\"/>\n", (double)alpha);
}

static void svg_pen(Markup *m, float width, Colour colour, Dash dash)
{
    svg_colour(m, "stroke", colour);
    markup_put(m, " stroke-width=\"%g\"", (double)width);
    if (dash.period > 0) {
        markup_put(m, " stroke-dasharray=\"%g %g\"", svg_round(dash.on), svg_round(dash.period - dash.on));
        if (dash.phase != 0) markup_put(m, " stroke-dashoffset=\"%g\"", svg_round(dash.phase));
    }
    markup_put(m, "/>\n");
}

/* points: x, y pairs. */
static void svg_polyline(Markup *m, const float *points, size_t count, float width, Colour colour, Dash dash)
{
    if (count == 0) return;
    markup_put(m, "<path d=\"M%g %g", svg_round(points[0]), svg_round(points[1]));
    for (size_t i = 1; i < count; i++) markup_put(m, "L%g %g", svg_round(points[2 * i]), svg_round(points[2 * i + 1]));
    markup_put(m, "\"");
    svg_pen(m, width, colour, dash);
}

/* Stripes along which x + y is a multiple of `period`, cut to the box. */
static void svg_hatch(Markup *m, Box box, Colour colour, float period, float width)
{
    markup_put(m, "<path stroke-linecap=\"butt\" d=\"M%g %g", svg_round(box.x0), svg_round(box.y0));
    for (float sum = ceilf((box.x0 + box.y0) / period) * period; sum < box.x1 + box.y1; sum += period) {
        const float left = fmaxf(box.x0, sum - box.y1), right = fminf(box.x1, sum - box.y0);
        markup_put(m, "M%g %gL%g %g", svg_round(left), svg_round(sum - left), svg_round(right), svg_round(sum - right));
    }
    markup_put(m, "\"");
    svg_pen(m, width, colour, (Dash){0});
}

static void svg_disc(Markup *m, float x, float y, float radius, Colour colour)
{
    markup_put(m, "<circle cx=\"%g\" cy=\"%g\" r=\"%g\" stroke=\"none\"", svg_round(x), svg_round(y),
               svg_round(radius));
    svg_colour(m, "fill", colour);
    markup_put(m, "/>\n");
}

/* width: what the text takes in the font of the PNG; another font is stretched to it, so that nothing runs into its
 * neighbour. */
static void svg_text(Markup *m, float x, float y, float width, const char *text, float size, Colour colour, bool bold)
{
    if (!*text || width <= 0) return;
    markup_put(m, "<text x=\"%g\" y=\"%g\" font-size=\"%g\" textLength=\"%g\" lengthAdjust=\"spacingAndGlyphs\"",
               svg_round(x), svg_round(y), (double)size, svg_round(width));
    svg_colour(m, "fill", colour);
    if (bold) {
        svg_colour(m, "stroke", colour);
        markup_put(m, " stroke-width=\"%g\"", (double)size * 0.028);
    }
    markup_put(m, ">");
    markup_text(m, text);
    markup_put(m, "</text>\n");
}

/* ---- as a file of its own ---- */

/* The colour of a variable of the palette. */
static Colour svg_named(Str name)
{
    for (size_t i = 0; i < COUNT(svg_palette); i++)
        if (str_equal(name, str(svg_palette[i].name))) return *svg_palette[i].colour;
    return COLOUR_BLACK;
}

/* What the canvas has drawn as an SVG file on white. Its colours are numbers: the programs that put a picture into a
 * paper know no variables. */
static Str svg_file(Arena *arena, Str drawn, int width, int height, const char *title, const char *alt)
{
    static const char variable[] = "=\"var(--"; /* words of others hold no plain quote: see markup_text */
    Markup m = {.arena = arena};
    markup_put(&m,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
               "fill=\"none\" stroke-linecap=\"round\" stroke-linejoin=\"round\" font-family=\"DejaVu Sans, Verdana, "
               "sans-serif\">\n<title>",
               width, height, width, height);
    markup_text(&m, title);
    markup_put(&m, "</title>\n<desc>");
    markup_text(&m, alt);
    markup_put(&m, "</desc>\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", width, height);
    const size_t size = sizeof variable - 1;
    for (size_t at = 0; at < drawn.size;) {
        if (drawn.size - at < size || memcmp(drawn.at + at, variable, size) != 0) {
            markup_bytes(&m, drawn.at + at++, 1);
            continue;
        }
        at += size;
        Str name = {drawn.at + at, 0};
        while (at + name.size < drawn.size && name.at[name.size] != ')') name.size++;
        const Colour c = svg_named(name);
        markup_put(&m, "=\"#%02x%02x%02x", c.r, c.g, c.b);
        at += name.size + 1;
    }
    markup_put(&m, "</svg>\n");
    return markup_str(&m);
}
