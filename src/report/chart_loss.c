#include "report.h"

#include <math.h>
#include <string.h>

/* Training loss, task after task along x, a line for each method: mean over seeds, smoothed by a moving mean. */

/* A method's smoothed loss on one task. */
typedef struct LossLine {
    float *values; /* [count] one for each step */
    size_t count;
    int twins, twin; /* methods before and with this one that have the very same line: drawn in turn, as dashes */
} LossLine;

typedef struct LossChart {
    Canvas *canvas;
    const Results *results;
    LossLine *lines; /* [method][task] */
    size_t *lengths; /* [task] steps */
    size_t total;
    double high, step; /* of the loss axis */
    Box plot;
} LossChart;

static const Colour *loss_colour(int method)
{
    static const Colour *const colours[] = {&COLOUR_BLUE, &COLOUR_ORANGE, &COLOUR_GREEN, &COLOUR_VERMILLION, &COLOUR_PURPLE, &COLOUR_SKY, &COLOUR_BLACK};
    return colours[method % (int)COUNT(colours)];
}

/* Seven colours: further methods are dashed, and dashed more finely. */
static Dash loss_dash(int method)
{
    static const Dash dashes[] = {{0, 0, 0}, {16, 28, 0}, {4, 14, 0}};
    return dashes[method / 7 % (int)COUNT(dashes)];
}

/* Steps are counted by their place in the curve: they are whole from 1 on except in damaged files. */
static LossLine loss_mean_of_seeds(Arena *arena, const Results *r, int method, int task)
{
    LossLine line = {0};
    for (size_t i = 0; i < r->runs.count; i++)
        if (r->runs.at[i].method == method && r->runs.at[i].curves[task].count > line.count) line.count = r->runs.at[i].curves[task].count;
    line.values = arena_new(arena, float, line.count + 1);
    for (size_t s = 0; s < line.count; s++) {
        double sum = 0;
        int seeds = 0;
        for (size_t i = 0; i < r->runs.count; i++) {
            const ResultCurve *curve = &r->runs.at[i].curves[task];
            if (r->runs.at[i].method != method || s >= curve->count) continue;
            sum += curve->at[s].loss;
            seeds++;
        }
        line.values[s] = (float)(sum / seeds);
    }
    return line;
}

static void loss_smooth(Arena *arena, LossLine *line, size_t reach)
{
    float *out = arena_new(arena, float, line->count + 1);
    double sum = 0;
    size_t from = 0, to = 0; /* the window is [from, to) */
    for (size_t i = 0; i < line->count; i++) {
        const size_t low = i > reach ? i - reach : 0, high = i + reach + 1 < line->count ? i + reach + 1 : line->count;
        for (; to < high; to++) sum += (double)line->values[to];
        for (; from < low; from++) sum -= (double)line->values[from];
        out[i] = (float)(sum / (double)(to - from));
    }
    line->values = out;
}

static void loss_find_twins(LossChart *chart)
{
    const Results *r = chart->results;
    for (int j = 0; j < r->task_count; j++)
        for (int m = 0; m < r->method_count; m++) {
            LossLine *line = &chart->lines[m * r->task_count + j];
            for (int k = 0; k < r->method_count; k++) {
                const LossLine *other = &chart->lines[k * r->task_count + j];
                if (!line->count || other->count != line->count || memcmp(other->values, line->values, line->count * sizeof *line->values) != 0) continue;
                line->twins++;
                line->twin += k < m;
            }
        }
}

/* The window of the moving mean: 2 reach + 1 steps. */
static size_t loss_reach(const LossChart *chart)
{
    size_t longest = 0;
    for (int j = 0; j < chart->results->task_count; j++)
        if (chart->lengths[j] > longest) longest = chart->lengths[j];
    const size_t reach = longest / 40;
    return reach > 25 ? 25 : reach;
}

static void loss_collect(Arena *arena, LossChart *chart)
{
    const Results *r = chart->results;
    chart->lines = arena_new(arena, LossLine, (size_t)r->method_count * (size_t)r->task_count);
    chart->lengths = arena_new(arena, size_t, (size_t)r->task_count);
    for (int m = 0; m < r->method_count; m++)
        for (int j = 0; j < r->task_count; j++) {
            LossLine *line = &chart->lines[m * r->task_count + j];
            *line = loss_mean_of_seeds(arena, r, m, j);
            if (line->count > chart->lengths[j]) chart->lengths[j] = line->count;
        }
    const size_t reach = loss_reach(chart);
    chart->high = 0;
    for (int i = 0; i < r->method_count * r->task_count; i++) {
        loss_smooth(arena, &chart->lines[i], reach);
        for (size_t s = 0; s < chart->lines[i].count; s++)
            if ((double)chart->lines[i].values[s] > chart->high) chart->high = (double)chart->lines[i].values[s];
    }
    for (int j = 0; j < r->task_count; j++) chart->total += chart->lengths[j];
    if (chart->high < 1e-6) chart->high = 1;
    chart->step = chart_nice_step(chart->high, 6);
    chart->high = ceil(chart->high / chart->step * 1.02) * chart->step;
    loss_find_twins(chart);
}

/* Where task j begins and ends along x. Tasks without a step yet have a narrow strip. */
static void loss_strip(const LossChart *chart, int task, float *x0, float *x1)
{
    const Results *r = chart->results;
    double before = 0, all = 0, own = 0;
    for (int j = 0; j < r->task_count; j++) {
        const double width = fmax((double)chart->lengths[j], (double)chart->total * 0.05 + 1);
        if (j < task) before += width;
        if (j == task) own = width;
        all += width;
    }
    const double scale = (double)(chart->plot.x1 - chart->plot.x0) / all;
    *x0 = chart->plot.x0 + (float)(before * scale);
    *x1 = *x0 + (float)(own * scale);
}

static float loss_y(const LossChart *chart, double loss)
{
    const Box p = chart->plot;
    return p.y1 - (float)(fmax(loss, 0) / chart->high) * (p.y1 - p.y0);
}

static void loss_draw_axis(const LossChart *chart)
{
    Canvas *canvas = chart->canvas;
    const Box p = chart->plot;
    for (int j = 1; j < chart->results->task_count; j += 2) {
        float x0, x1;
        loss_strip(chart, j, &x0, &x1);
        canvas_rect(canvas, (Box){x0, p.y0 - 50, x1, p.y1}, COLOUR_BAND, 1);
    }
    for (int i = 0; (double)i * chart->step <= chart->high * 1.0001; i++) {
        const double loss = (double)i * chart->step;
        const float y = loss_y(chart, loss);
        canvas_rect(canvas, (Box){p.x0, y - 1, p.x1, y + 1}, i ? COLOUR_GRID : COLOUR_SOFT, 1);
        canvas_text(canvas, p.x0 - 14, y + 9, ALIGN_RIGHT, arena_printf(canvas->arena, "%g", loss), 25, COLOUR_SOFT);
    }
    for (int j = 0; j < chart->results->task_count; j++) {
        float x0, x1;
        loss_strip(chart, j, &x0, &x1);
        const char *name = chart->results->tasks[j].name;
        const float size = canvas_fit(canvas, name, x1 - x0 - 12, 16, 32);
        canvas_text(canvas, (x0 + x1) / 2, p.y0 - 16, ALIGN_CENTRE, canvas_shorten(canvas, name, size, x1 - x0 - 12), size, COLOUR_TEXT);
        if (!chart->lengths[j]) continue;
        const char *steps = arena_printf(canvas->arena, "%zu", chart->lengths[j]);
        const char *full = arena_printf(canvas->arena, "%s steps", steps);
        const char *text = canvas_text_width(canvas, full, 25) < x1 - x0 - 20 ? full : steps;
        if (canvas_text_width(canvas, text, 25) < x1 - x0 - 20) canvas_text(canvas, (x0 + x1) / 2, p.y1 + 38, ALIGN_CENTRE, text, 25, COLOUR_SOFT);
    }
}

static void loss_draw_line(const LossChart *chart, int method, int task, const LossLine *line)
{
    enum { TWIN_DASH = 26 };
    float x0, x1;
    Arena scratch = {0};
    float *points = arena_new(&scratch, float, 2 * (line->count + 1));
    loss_strip(chart, task, &x0, &x1);
    for (size_t i = 0; i < line->count; i++) {
        points[2 * i] = x0 + 4 + (x1 - x0 - 8) * ((float)i + 0.5f) / (float)chart->lengths[task];
        points[2 * i + 1] = loss_y(chart, (double)line->values[i]);
    }
    const Dash twin = {TWIN_DASH - 5, (float)(TWIN_DASH * line->twins), (float)(TWIN_DASH * (line->twins - line->twin))};
    canvas_polyline(chart->canvas, points, line->count, 4.5f, *loss_colour(method), line->twins > 1 ? twin : loss_dash(method));
    arena_free(&scratch);
}

static bool chart_loss(Arena *arena, const Results *r, Str font, Canvas *canvas, Err *err)
{
    LossChart chart = {.canvas = canvas, .results = r};
    float y;
    bool twins = false;
    loss_collect(arena, &chart);
    const size_t window = 2 * loss_reach(&chart) + 1;
    for (int i = 0; i < r->method_count * r->task_count; i++) twins = twins || chart.lines[i].twins > 1;
    const char *subtitle = arena_printf(arena, "%s%s%s%s", chart_setting(arena, r), verdict_most_seeds(r) > 1 ? "; mean over seeds" : "",
                                        window > 1 ? arena_printf(arena, "; smoothed over %zu steps", window) : "",
                                        twins ? "; dashes in turn: methods with the very same line" : "");
    if (!chart_open(canvas, arena, CHART_HEIGHT, font, r->task_count > 1 ? "Training loss, task after task" : "Training loss", subtitle, &y, err)) return false;
    Swatch *swatches = arena_new(arena, Swatch, (size_t)r->method_count);
    const int named = r->method_count < 40 ? r->method_count : 40;
    for (int m = 0; m < named; m++) swatches[m] = (Swatch){SWATCH_LINE, *loss_colour(m), loss_dash(m), r->methods[m]};
    y = chart_legend(canvas, swatches, named, y);
    chart.plot = (Box){CHART_MARGIN + 85, y + 70, CHART_WIDTH - CHART_MARGIN, CHART_HEIGHT - 70};
    loss_draw_axis(&chart);
    for (int j = 0; j < r->task_count; j++)
        for (int m = r->method_count - 1; m >= 0; m--)
            if (chart.lines[m * r->task_count + j].count) loss_draw_line(&chart, m, j, &chart.lines[m * r->task_count + j]);
    return true;
}
