#include "report.h"

#include <math.h>
#include <string.h>

/* Lines over the same axes: all in one panel with their names at their ends while they are few, a small panel for each
 * method when they would only cross. */

typedef struct PanelLine {
    const float *points; /* [count] x, y pairs in the units of the axes */
    size_t count;
    Colour colour;
    float width;
    Dash dash;
    const char *label, *value; /* at the right end; NULL: none */
    int dot;                   /* index of a point that is marked; -1: none */
    const float *band;         /* [count] low and high around each point; NULL: none */
} PanelLine;

typedef struct Panel {
    const char *title, *note; /* NULL: none */
    DYN(PanelLine) lines;
} Panel;

/* A stretch of the x axis with a name below it. */
typedef struct PanelBand {
    double from, to;
    const char *name;
    int task; /* from 1 */
} PanelBand;

typedef struct PanelChart {
    Canvas *canvas;
    const Results *results;
    Panel *panels;
    int count;
    double x_high, y_low, y_high, y_step; /* x begins at 0 */
    bool percent;                         /* y are shares, shown in % */
    double level;                         /* a dashed line across; NAN: none */
    const char *dot;                      /* what a dot means; NULL: there is none */
    const PanelBand *bands;
    int band_count;
    const double *ticks; /* of x, where there are no bands */
    int tick_count;
    int columns, rows;
    float left, top, pitch_x, pitch_y; /* of the plot of the first panel; from one to the next */
    float plot_width, plot_height, title_size, tick_size;
} PanelChart;

enum { PANELS_TOGETHER = 5, PANELS_MOST = 60, PANELS_LABEL = 26 };

/* A point's number as the table has it: a float's last digits would round another way. */
static double panels_number(float x) { return round(1e6 * (double)x) / 1e6; }

/* ---- layout ---- */

static int panels_columns(const Results *r, int count)
{
    static const int columns[] = {1, 1, 2, 3, 2, 3, 3, 4, 4, 3, 4, 4, 4, 5, 5, 5};
    const int wide = count < (int)COUNT(columns) ? columns[count] : count <= 24 ? 6 : 8;
    if (r->look.narrow) return least_int(wide, 2);
    return r->look.text > LOOK_TEXT ? least_int(wide, 4) : wide;
}

/* The height that so many panels need. */
static int panels_least(const Results *r, int count)
{
    const int rows = (int)ceil_div((size_t)count, (size_t)panels_columns(r, count));
    if (r->look.narrow) return rows == 1 ? 900 : 440 + 250 * rows;
    return r->look.text > LOOK_TEXT ? 320 + 190 * rows : 0;
}

/* Calls the bands by their tasks' numbers when their names cannot stand below them side by side. Returns what the
 * subtitle must then say; "" when it need not. */
static const char *panels_number_bands(Canvas *canvas, const PanelChart *chart, PanelBand *bands, int panels)
{
    const float width =
        ((float)canvas->width - 2 * CHART_MARGIN - 80) / (float)panels_columns(chart->results, panels) - 30;
    const char *list = "";
    bool crowded = false;
    for (int b = 0; b < chart->band_count; b++) {
        const float room = width * (float)((bands[b].to - bands[b].from) / chart->x_high) - 10;
        crowded = crowded || canvas_text_width(canvas, bands[b].name, 20) > room;
    }
    for (int b = 0; b < chart->band_count && crowded; b++) {
        list = arena_printf(canvas->arena, "%s%s %d %s", list, b ? "," : ";", bands[b].task, bands[b].name);
        bands[b].name = arena_printf(canvas->arena, "%d", bands[b].task);
    }
    return list;
}

static const char *panels_label(const PanelChart *chart, const PanelLine *line)
{
    return line->value ? arena_printf(chart->canvas->arena, "%s %s", line->label, line->value) : line->label;
}

static float panels_label_room(const PanelChart *chart)
{
    float widest = 0;
    if (chart_is_narrow(chart->canvas)) return 0; /* a legend says it */
    for (int i = 0; i < chart->count; i++)
        for (size_t k = 0; k < chart->panels[i].lines.count; k++) {
            const PanelLine *line = &chart->panels[i].lines.at[k];
            if (line->label)
                widest = fmaxf(widest, canvas_text_width(chart->canvas, panels_label(chart, line), PANELS_LABEL));
        }
    return widest > 0 ? fminf(widest, 420) + 46 : 0;
}

/* On a narrow picture the names of the lines stand above, and what a dot means on every one. Returns the y below. */
static float panels_draw_legend(const PanelChart *chart, float y)
{
    Swatch swatches[PANELS_TOGETHER + 1];
    int count = 0;
    for (int i = 0; i < chart->count && chart_is_narrow(chart->canvas); i++)
        for (size_t k = 0; k < chart->panels[i].lines.count && count < PANELS_TOGETHER; k++) {
            const PanelLine *line = &chart->panels[i].lines.at[k];
            if (line->label)
                swatches[count++] = (Swatch){SWATCH_LINE, line->colour, line->dash, panels_label(chart, line)};
        }
    if (chart->dot) swatches[count++] = (Swatch){SWATCH_DOT, COLOUR_SOFT, {0, 0, 0}, chart->dot};
    return count ? chart_legend(chart->canvas, swatches, count, y) : y;
}

/* y: where the panels may begin. */
static void panels_layout(PanelChart *chart, float y)
{
    y = panels_draw_legend(chart, y);
    const float gap = 30, below = 64, right = (float)chart->canvas->width - CHART_MARGIN - panels_label_room(chart);
    chart->columns = panels_columns(chart->results, chart->count);
    chart->rows = (int)ceil_div((size_t)chart->count, (size_t)chart->columns);
    chart->left = CHART_MARGIN + 80;
    chart->pitch_x = (right - chart->left + gap) / (float)chart->columns;
    chart->plot_width = chart->pitch_x - gap;
    chart->pitch_y = ((float)chart->canvas->height - below - y) / (float)chart->rows;
    chart->title_size = canvas_clamp(chart->pitch_y * 0.13f, 20, 32);
    chart->tick_size = chart->rows == 1 ? 25 : 21;
    bool titled = false, noted = false;
    for (int i = 0; i < chart->count; i++) {
        titled = titled || chart->panels[i].title;
        noted = noted || chart->panels[i].note;
    }
    const float head =
        (titled ? chart->title_size * 1.35f : 0) + (noted ? chart->title_size * 1.05f : 0) + (titled ? 14 : 24);
    chart->top = y + head;
    chart->plot_height = chart->pitch_y - head - (chart->rows > 1 ? 10 : 0);
}

static Box panels_plot(const PanelChart *chart, int panel)
{
    const float x = chart->left + (float)(panel % chart->columns) * chart->pitch_x;
    const float y = chart->top + (float)(panel / chart->columns) * chart->pitch_y;
    return (Box){x, y, x + chart->plot_width, y + chart->plot_height};
}

static float panels_x(const PanelChart *chart, Box plot, double x)
{
    return plot.x0 + (float)(x / chart->x_high) * (plot.x1 - plot.x0);
}

static float panels_y(const PanelChart *chart, Box plot, double y)
{
    const double share = (y - chart->y_low) / (chart->y_high - chart->y_low);
    return plot.y1 - (float)fmin(fmax(share, 0), 1) * (plot.y1 - plot.y0);
}

/* Sets the y axis for accuracies between `low` and `high`: wide enough, and from a round number to a round number. */
static void panels_share_axis(PanelChart *chart, double low, double high)
{
    low -= 0.01;
    high += 0.01;
    if (!isnan(chart->level)) {
        low = fmin(low, chart->level);
        high = fmax(high, chart->level);
    }
    chart->percent = true;
    chart->y_step = high - low > 0.65 ? 0.2 : high - low > 0.15 ? 0.1 : 0.05;
    chart->y_low = fmax(0, floor(low / chart->y_step + 1e-9) * chart->y_step);
    chart->y_high = fmin(1, ceil(high / chart->y_step - 1e-9) * chart->y_step);
    if (chart->y_high <= chart->y_low) chart->y_low = chart->y_high - chart->y_step;
}

/* ---- drawing ---- */

static void panels_draw_frame(const PanelChart *chart, int panel)
{
    Canvas *canvas = chart->canvas;
    const Box plot = panels_plot(chart, panel);
    for (int b = 1; b < chart->band_count; b += 2)
        canvas_rect(canvas,
                    (Box){panels_x(chart, plot, chart->bands[b].from), plot.y0,
                          panels_x(chart, plot, chart->bands[b].to), plot.y1},
                    COLOUR_BAND, 1);
    const int steps = (int)lrint((chart->y_high - chart->y_low) / chart->y_step);
    for (int i = 0; i <= steps; i++) {
        const double value = chart->y_low + i * chart->y_step;
        const float y = panels_y(chart, plot, value);
        canvas_rect(canvas, (Box){plot.x0, y - 1, plot.x1, y + 1}, i ? COLOUR_GRID : COLOUR_SOFT, 1);
        if (panel % chart->columns) continue;
        const float room = chart->plot_height / (float)steps;
        if (room < chart->tick_size * 1.3f && i % 2) continue;
        const char *text = chart->percent ? format_percents(canvas->arena, value, 0)
                                          : format_short(canvas->arena, round(value * 1e9) / 1e9);
        canvas_text(canvas, plot.x0 - 12, y + chart->tick_size * 0.36f, ALIGN_RIGHT, text, chart->tick_size,
                    COLOUR_SOFT);
    }
    for (int t = 0; t < chart->tick_count; t++) {
        const float x = panels_x(chart, plot, chart->ticks[t]);
        canvas_rect(canvas, (Box){x - 1, plot.y0, x + 1, plot.y1}, COLOUR_GRID, 1);
    }
    if (!isnan(chart->level)) {
        const float y = panels_y(chart, plot, chart->level);
        canvas_dashed(canvas, plot.x0, y, plot.x1, y, 3, COLOUR_BLACK);
    }
}

/* Below the last panel of a column: the names of the bands, or the ticks. */
static void panels_draw_below(const PanelChart *chart, int panel)
{
    Canvas *canvas = chart->canvas;
    const Box plot = panels_plot(chart, panel);
    const float y = plot.y1 + chart->tick_size + 12;
    if (panel + chart->columns < chart->count) return;
    for (int t = 0; t < chart->tick_count; t++)
        canvas_text(canvas, panels_x(chart, plot, chart->ticks[t]), y,
                    t == 0                       ? ALIGN_LEFT
                    : t == chart->tick_count - 1 ? ALIGN_RIGHT
                                                 : ALIGN_CENTRE,
                    format_short(canvas->arena, chart->ticks[t]), chart->tick_size, COLOUR_SOFT);
    float size = chart->tick_size + 3; /* the same for all bands */
    for (int b = 0; b < chart->band_count; b++) {
        const float width =
            panels_x(chart, plot, chart->bands[b].to) - panels_x(chart, plot, chart->bands[b].from) - 10;
        size = fminf(size, canvas_fit(canvas, chart->bands[b].name, width, 13, size));
    }
    for (int b = 0; b < chart->band_count; b++) {
        const float from = panels_x(chart, plot, chart->bands[b].from), to = panels_x(chart, plot, chart->bands[b].to);
        canvas_text(canvas, (from + to) / 2, y, ALIGN_CENTRE,
                    canvas_shorten(canvas, chart->bands[b].name, size, to - from - 10), size, COLOUR_SOFT);
    }
}

static void panels_draw_head(const PanelChart *chart, int panel)
{
    Canvas *canvas = chart->canvas;
    const Box plot = panels_plot(chart, panel);
    const Panel *p = &chart->panels[panel];
    const float width = chart->plot_width, size = chart->title_size, small = size * 0.76f;
    float y = plot.y0 - 14;
    if (p->note) {
        const float fit = canvas_fit(canvas, p->note, width, 12, small);
        canvas_text(canvas, plot.x0, y, ALIGN_LEFT, canvas_shorten(canvas, p->note, fit, width), fit, COLOUR_SOFT);
        y -= size * 1.05f;
    }
    if (!p->title) return;
    const float fit = canvas_fit(canvas, p->title, width, 14, size);
    canvas_text(canvas, plot.x0, y, ALIGN_LEFT, canvas_shorten(canvas, p->title, fit, width), fit, COLOUR_TEXT);
}

static void panels_draw_band(const PanelChart *chart, Box plot, const PanelLine *line)
{
    Arena scratch = {0};
    float *points = arena_new(&scratch, float, 3 * line->count + 1);
    for (size_t i = 0; i < line->count && line->band; i++) {
        points[3 * i] = panels_x(chart, plot, (double)line->points[2 * i]);
        points[3 * i + 1] = panels_y(chart, plot, (double)line->band[2 * i + 1]);
        points[3 * i + 2] = panels_y(chart, plot, (double)line->band[2 * i]);
    }
    if (line->band) canvas_band(chart->canvas, points, line->count, line->colour, 0.13f);
    arena_free(&scratch);
}

static void panels_draw_line(const PanelChart *chart, Box plot, const PanelLine *line)
{
    Arena scratch = {0};
    /* No more points than can be distinguished. */
    const size_t most = (size_t)(plot.x1 - plot.x0) / 2 + 2,
                 stride = line->count > most ? ceil_div(line->count, most) : 1;
    float *points = arena_new(&scratch, float, 2 * (line->count / stride + 2));
    size_t count = 0;
    for (size_t i = 0; i < line->count; i += stride) {
        const size_t at = i + stride >= line->count ? line->count - 1 : i;
        points[2 * count] = panels_x(chart, plot, (double)line->points[2 * at]);
        points[2 * count++ + 1] = panels_y(chart, plot, (double)line->points[2 * at + 1]);
    }
    canvas_polyline(chart->canvas, points, count, line->width, line->colour, line->dash);
    if (line->dot >= 0 && line->count) {
        const float *dot = line->points + 2 * line->dot;
        const float x = panels_x(chart, plot, (double)dot[0]), y = panels_y(chart, plot, (double)dot[1]);
        canvas_disc(chart->canvas, x, y, line->width + 6, COLOUR_WHITE);
        canvas_disc(chart->canvas, x, y, line->width + 3.5f, line->colour);
    }
    arena_free(&scratch);
}

static void panels_draw_label(const PanelChart *chart, const PanelLine *line, float x, float y, float room)
{
    Canvas *canvas = chart->canvas;
    float size = PANELS_LABEL;
    const char *value = line->value ? arena_printf(canvas->arena, " %s", line->value) : "",
               *text = chart_around(canvas, "", line->label, value, room, 18, &size);
    canvas_text(canvas, x, y + size * 0.36f, ALIGN_LEFT, text, size, COLOUR_TEXT);
}

/* Names at the right ends, pushed apart until none covers another. */
static void panels_draw_labels(const PanelChart *chart, int panel)
{
    Canvas *canvas = chart->canvas;
    const Box plot = panels_plot(chart, panel);
    const Panel *p = &chart->panels[panel];
    const PanelLine *lines[PANELS_TOGETHER];
    float ends[PANELS_TOGETHER], places[PANELS_TOGETHER];
    const float pitch = PANELS_LABEL * 1.3f, room = canvas->width - CHART_MARGIN - plot.x1 - 46;
    int count = 0;
    if (chart_is_narrow(canvas)) return;
    for (size_t i = 0; i < p->lines.count; i++) {
        const PanelLine *line = &p->lines.at[i];
        if (!line->label || !line->count || count == PANELS_TOGETHER) continue;
        const float end = panels_y(chart, plot, (double)line->points[2 * line->count - 1]);
        int place = count++;
        for (; place > 0 && ends[place - 1] > end; place--) {
            ends[place] = ends[place - 1];
            lines[place] = lines[place - 1];
        }
        ends[place] = end;
        lines[place] = line;
    }
    for (int i = 0; i < count; i++) places[i] = i && places[i - 1] + pitch > ends[i] ? places[i - 1] + pitch : ends[i];
    for (int i = count - 1; i >= 0; i--) { /* half way back up, and never below the plot */
        const float below = i == count - 1 ? plot.y1 : places[i + 1] - pitch;
        places[i] = fminf(places[i] - (places[count - 1] - ends[count - 1]) / 2, below);
    }
    for (int i = 0; i < count; i++) places[i] = fmaxf(places[i], i ? places[i - 1] + pitch : plot.y0);
    for (int i = 0; i < count; i++) {
        const float from = panels_x(chart, plot, (double)lines[i]->points[2 * lines[i]->count - 2]);
        /* dotted where the line ends early, so that nobody takes the way to its name for a flat line */
        canvas_polyline(canvas, (const float[]){from, ends[i], plot.x1, ends[i]}, 2, 2.5f, lines[i]->colour,
                        (Dash){3, 16, 0});
        canvas_line(canvas, plot.x1, ends[i], plot.x1 + 34, places[i], 2.5f, lines[i]->colour);
        panels_draw_label(chart, lines[i], plot.x1 + 44, places[i], room);
    }
}

static void panels_draw(const PanelChart *chart)
{
    for (int i = 0; i < chart->count; i++) {
        const Panel *panel = &chart->panels[i];
        panels_draw_frame(chart, i);
        for (size_t k = 0; k < panel->lines.count; k++)
            panels_draw_band(chart, panels_plot(chart, i), &panel->lines.at[k]);
        for (size_t k = 0; k < panel->lines.count; k++)
            panels_draw_line(chart, panels_plot(chart, i), &panel->lines.at[k]);
        panels_draw_labels(chart, i);
        panels_draw_head(chart, i);
        panels_draw_below(chart, i);
    }
}

/* Methods share one panel while they are few. Which panel a method is in, and how its line looks there. */
static bool panels_together(int methods) { return methods <= PANELS_TOGETHER; }

static PanelLine panels_line_of(const Results *r, int method, bool together)
{
    static const Colour *const colours[PANELS_TOGETHER] = {&COLOUR_BLUE, &COLOUR_ORANGE, &COLOUR_GREEN,
                                                           &COLOUR_VERMILLION, &COLOUR_PURPLE};
    PanelLine line = {
        .colour = together ? *colours[method % PANELS_TOGETHER] : COLOUR_BLUE, .width = together ? 5 : 4, .dot = -1};
    if (together) line.label = r->methods[method];
    return line;
}
