#include "report.h"

#include <math.h>
#include <string.h>

/* Averaging the weights before and after the last task (WiSE-FT; Wortsman et al. 2022, arXiv:2109.01903): accuracy on
 * the earlier tasks, on the last one and on average, along the way from the old weights (0) to the new (1). */

typedef struct InterpolationLines {
    float *earlier, *last, *both; /* [count] alpha, accuracy: mean over seeds and tasks */
    size_t count;
    size_t best; /* of both */
} InterpolationLines;

static const ResultOld *interpolation_of(const Results *r, const ResultRun *run, int task)
{
    const ResultOld *old = run->old[(r->task_count - 1) * r->task_count + task];
    return old && old->interpolation.count ? old : NULL;
}

/* A run whose interpolation is recorded for all tasks, at as many points each as `like`. */
static const ResultRun *interpolation_run(const Results *r, int method, size_t from)
{
    for (size_t i = from; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        size_t known = 0, points = 0;
        if (run->method != method) continue;
        for (int j = 0; j < r->task_count; j++) {
            const ResultOld *old = interpolation_of(r, run, j);
            if (old && (!points || old->interpolation.count == points)) known++;
            if (old) points = old->interpolation.count;
        }
        if (known == (size_t)r->task_count) return run;
    }
    return NULL;
}

static bool interpolation_shown(const Results *r)
{
    for (int m = 0; m < r->method_count && r->task_count > 1; m++)
        if (interpolation_run(r, m, 0)) return true;
    return false;
}

static void interpolation_collect(Arena *arena, const Results *r, int method, InterpolationLines *lines)
{
    const ResultRun *first = interpolation_run(r, method, 0), *run = first;
    if (!first) return;
    const int last = r->task_count - 1;
    const size_t count = lines->count = interpolation_of(r, first, 0)->interpolation.count;
    int seeds = 0;
    lines->earlier = arena_new(arena, float, 2 * count);
    lines->last = arena_new(arena, float, 2 * count);
    lines->both = arena_new(arena, float, 2 * count);
    for (; run; run = interpolation_run(r, method, (size_t)(run - r->runs.at) + 1)) {
        if (interpolation_of(r, run, 0)->interpolation.count != count) continue;
        seeds++;
        for (int j = 0; j <= last; j++)
            for (size_t k = 0; k < count; k++) {
                const ResultInterpolation *point = &interpolation_of(r, run, j)->interpolation.at[k];
                float *to = j < last ? lines->earlier : lines->last;
                to[2 * k + 1] += (float)point->correct / (float)point->rows / (j < last ? (float)last : 1);
            }
    }
    for (size_t k = 0; k < count; k++) {
        lines->earlier[2 * k] = lines->last[2 * k] = lines->both[2 * k] =
            (float)interpolation_of(r, first, 0)->interpolation.at[k].alpha;
        lines->earlier[2 * k + 1] /= (float)seeds;
        lines->last[2 * k + 1] /= (float)seeds;
        lines->both[2 * k + 1] = ((float)last * lines->earlier[2 * k + 1] + lines->last[2 * k + 1]) / (float)(last + 1);
        if (lines->both[2 * k + 1] > lines->both[2 * lines->best + 1]) lines->best = k;
    }
}

static void interpolation_add(Arena *arena, Panel *panel, const float *points, size_t count, Colour colour, Dash dash,
                              int dot)
{
    *dyn_push(arena, &panel->lines) =
        (PanelLine){.points = points, .count = count, .colour = colour, .width = 5, .dash = dash, .dot = dot};
}

static double interpolation_at(const float *line, size_t k) { return panels_number(line[2 * k + 1]); }

/* How far from the old weights (0) to the new (1) the best average lies. */
static const char *interpolation_place(Arena *arena, const InterpolationLines *l)
{
    return format_short(arena, round((double)l->both[2 * l->best] * 100) / 100);
}

static void interpolation_caption(Arena *arena, const Results *r, const InterpolationLines *lines, Canvas *canvas)
{
    int best = -1;
    const char *alt = "";
    for (int m = 0; m < r->method_count; m++) {
        const InterpolationLines *l = &lines[m];
        if (!l->count) continue;
        const size_t end = l->count - 1;
        alt = text_join(arena, alt, "; ",
                        arena_printf(arena, "%s: average %s with the old weights, %s with the new, best %s at %s",
                                     r->methods[m], format_percent(arena, interpolation_at(l->both, 0)),
                                     format_percent(arena, interpolation_at(l->both, end)),
                                     format_percent(arena, interpolation_at(l->both, l->best)),
                                     interpolation_place(arena, l)));
        if (best < 0 || l->both[2 * l->best + 1] > lines[best].both[2 * lines[best].best + 1]) best = m;
    }
    const InterpolationLines *l = &lines[best];
    const double gain = interpolation_at(l->both, l->best) - interpolation_at(l->both, l->count - 1);
    canvas->alt = arena_printf(arena, "%s.", alt);
    const char *place =
        l->best ? arena_printf(arena, "%s of the way from the old weights to the new", interpolation_place(arena, l))
                : "with the old weights, before the last task";
    canvas->see = gain < 0.0005
                      ? arena_printf(arena, "Averaging does not beat the new weights of %s.", r->methods[best])
                      : arena_printf(arena,
                                     "%s, %s, has the best average: %s, %s points above the new weights alone. "
                                     "The place was chosen on the rows it is judged by: a little optimistic.",
                                     r->methods[best], place, format_percent(arena, interpolation_at(l->both, l->best)),
                                     format_share(arena, gain));
}

static bool chart_interpolation(Arena *arena, const Results *r, Str font, Canvas *canvas, Err *err)
{
    static const double ticks[] = {0, 0.25, 0.5, 0.75, 1};
    PanelChart chart = {
        .canvas = canvas, .results = r, .x_high = 1, .level = NAN, .ticks = ticks, .tick_count = COUNT(ticks)};
    InterpolationLines *lines = arena_new(arena, InterpolationLines, (size_t)r->method_count);
    double low = 1, high = 0;
    const int last = r->task_count - 1;
    const bool two = last == 1;
    chart.panels = arena_new(arena, Panel, (size_t)r->method_count);
    for (int m = 0; m < r->method_count && chart.count < PANELS_MOST; m++) {
        InterpolationLines *l = &lines[m];
        interpolation_collect(arena, r, m, l);
        if (!l->count) continue;
        for (size_t k = 0; k < l->count; k++) {
            low = fmin(low, (double)fminf(l->earlier[2 * k + 1], l->last[2 * k + 1]));
            high = fmax(high, (double)fmaxf(l->earlier[2 * k + 1], l->last[2 * k + 1]));
        }
        Panel *panel = &chart.panels[chart.count++];
        panel->title = r->methods[m];
        panel->note =
            arena_printf(arena, "best average %s at %s", format_percent(arena, interpolation_at(l->both, l->best)),
                         interpolation_place(arena, l));
        interpolation_add(arena, panel, l->earlier, l->count, COLOUR_BLUE, (Dash){0}, -1);
        interpolation_add(arena, panel, l->last, l->count, COLOUR_ORANGE, (Dash){0}, -1);
        interpolation_add(arena, panel, l->both, l->count, COLOUR_TEXT, (Dash){14, 24, 0}, (int)l->best);
    }
    const char *title =
        arena_printf(arena, "WiSE-FT: between the weights before %s (0) and after it (1)", r->tasks[last].name);
    if (!chart_open(canvas, arena, r, panels_least(r, chart.count), font, err)) return false;
    float y = chart_title(canvas, title, chart_setting(arena, r));
    const Swatch swatches[] = {
        {SWATCH_LINE, COLOUR_BLUE, {0, 0, 0}, two ? r->tasks[0].name : "earlier tasks, on average"},
        {SWATCH_LINE, COLOUR_ORANGE, {0, 0, 0}, r->tasks[last].name},
        {SWATCH_LINE, COLOUR_TEXT, {14, 24, 0}, two ? "average of both" : "average of all tasks"},
        {SWATCH_DOT, COLOUR_TEXT, {0, 0, 0}, "best average"}};
    y = chart_legend(canvas, swatches, COUNT(swatches), y);
    panels_share_axis(&chart, low, high);
    panels_layout(&chart, y + 10);
    panels_draw(&chart);
    interpolation_caption(arena, r, lines, canvas);
    return true;
}
