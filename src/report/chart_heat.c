#include "report.h"

#include <math.h>
#include <string.h>

/* Cells whose shade is a number: what the accuracy matrix and the pictures of layers share. */

/* Ink on shades stays what it is in every scheme: the shades do, too. */
static const Colour HEAT_DARK_INK = {1, 1, 1}, HEAT_LIGHT_INK = {254, 254, 254};

static Colour heat_between(const Colour *stops, size_t count, double share)
{
    const double at = fmin(fmax(share, 0), 1) * (double)(count - 1);
    const size_t i = at >= (double)(count - 1) ? count - 2 : (size_t)at;
    const double f = at - (double)i;
    const Colour a = stops[i], b = stops[i + 1];
    return (Colour){(uint8_t)lrint(a.r + f * (b.r - a.r)), (uint8_t)lrint(a.g + f * (b.g - a.g)),
                    (uint8_t)lrint(a.b + f * (b.b - a.b))};
}

/* One hue, so that light and dark alone tell more from less: nearly white over sky to a dark blue. Below 0: orange. */
static Colour heat_colour(double share)
{
    static const Colour blues[] = {{247, 251, 254}, {198, 219, 239}, {107, 174, 214}, {33, 113, 181}, {8, 48, 107}};
    static const Colour oranges[] = {{247, 251, 254}, {253, 208, 162}, {230, 159, 0}};
    return share < 0 ? heat_between(oranges, COUNT(oranges), -share) : heat_between(blues, COUNT(blues), share);
}

static double heat_luminance(Colour c) /* relative, as in WCAG 2 */
{
    const double parts[] = {c.r / 255.0, c.g / 255.0, c.b / 255.0}, weights[] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (int i = 0; i < 3; i++)
        sum += weights[i] *
               (parts[i] <= 0.04045 ? parts[i] / 12.92 : math_exp(2.4 * math_log((parts[i] + 0.055) / 1.055)));
    return sum;
}

/* The ink that stands out more. */
static Colour heat_ink(Colour fill)
{
    const double l = heat_luminance(fill);
    return 1.05 / (l + 0.05) > (l + 0.05) / (heat_luminance(HEAT_DARK_INK) + 0.05) ? HEAT_LIGHT_INK : HEAT_DARK_INK;
}

/* A scale of shades from 0 to 1 with words at its ends, from x on. Returns the x after it. */
static float heat_draw_scale(Canvas *canvas, float x, float y, const char *low, const char *high)
{
    enum { STEP = 4 };
    canvas_text(canvas, x, y + 39, ALIGN_LEFT, low, 25, COLOUR_TEXT);
    x += canvas_text_width(canvas, low, 25) + 12;
    const float room = (float)canvas->width - CHART_MARGIN - x - 12 - canvas_text_width(canvas, high, 25),
                width = fminf(320, floorf(room / STEP) * STEP);
    canvas_rect(canvas, (Box){x - 1, y + 17, x + width + 1, y + 43}, COLOUR_SOFT, 1);
    for (int i = 0; (float)i < width; i += STEP) /* each reaches under the next, so that no seam shows */
        canvas_rect(canvas, (Box){x + (float)i, y + 18, fminf(x + (float)i + STEP + 1, x + width), y + 42},
                    heat_colour((i + STEP / 2.0) / (double)width), 1);
    canvas_text(canvas, x + width + 12, y + 39, ALIGN_LEFT, high, 25, COLOUR_TEXT);
    return x + width + 12 + canvas_text_width(canvas, high, 25);
}
