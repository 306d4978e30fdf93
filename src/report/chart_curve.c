#include "report.h"

#include <math.h>
#include <string.h>

/* What happens to the first task while the later ones train: its accuracy on a fixed subset of rows, every few steps.
 * How deep it falls on the way is the stability gap (De Lange et al. 2023, arXiv:2205.13452). */

typedef struct CurveLine {
    float *points; /* [count] step over all later tasks, accuracy: mean over seeds */
    size_t count;
    size_t lowest; /* index */
} CurveLine;

/* The curve of the first task while task `after` (from 0) trains; NULL: not told. */
static const ResultOld *curve_of(const Results *r, const ResultRun *run, int after)
{
    const ResultOld *old = run->old[after * r->task_count];
    return old && old->curve.count ? old : NULL;
}

/* The most steps that the curves of the ceiling, or of the other methods, are long while task `after` trains. */
static uint32_t curve_longest(const Results *r, int after, bool ceiling)
{
    uint32_t most = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        const ResultOld *old = curve_of(r, run, after);
        if (!old || (r->method_info[run->method].kind == METHOD_CEILING) != ceiling) continue;
        const uint32_t last = old->curve.at[old->curve.count - 1].step;
        if (last > most) most = last;
    }
    return most;
}

/* How many steps the strip of a later task is wide. The ceiling has more of them, as tasks add up; they are shown in
 * the same width. */
static uint32_t curve_width(const Results *r, int after)
{
    const uint32_t others = curve_longest(r, after, false);
    return others ? others : curve_longest(r, after, true);
}

static double curve_stretch(const Results *r, int method, int after)
{
    const uint32_t own = curve_longest(r, after, true);
    return r->method_info[method].kind == METHOD_CEILING && own ? (double)curve_width(r, after) / own : 1;
}

static bool curve_shown(const Results *r)
{
    for (int after = 1; after < r->task_count; after++)
        if (curve_width(r, after)) return true;
    return false;
}

/* Points by their place in the curve: all seeds are evaluated at the same steps. */
static void curve_add_mean(Arena *arena, const Results *r, int method, int after, double offset, CurveLine *line)
{
    const ResultOld *longest = NULL;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultOld *old = curve_of(r, &r->runs.at[i], after);
        if (r->runs.at[i].method == method && old && (!longest || old->curve.count > longest->curve.count))
            longest = old;
    }
    if (!longest) return;
    const double stretch = curve_stretch(r, method, after);
    float *points = arena_new(arena, float, 2 * (line->count + longest->curve.count));
    memcpy(points, line->points, line->count ? 2 * line->count * sizeof *points : 0);
    for (size_t k = 0; k < longest->curve.count; k++) {
        double sum = 0;
        int seeds = 0;
        for (size_t i = 0; i < r->runs.count; i++) {
            const ResultOld *old = curve_of(r, &r->runs.at[i], after);
            if (r->runs.at[i].method != method || !old || k >= old->curve.count) continue;
            sum += (double)old->curve.at[k].correct / old->curve.at[k].rows;
            seeds++;
        }
        points[2 * line->count] = (float)(offset + stretch * longest->curve.at[k].step);
        points[2 * line->count++ + 1] = (float)(sum / seeds);
    }
    line->points = points;
}

/* The tasks that the first was watched in (or not), as a list; NULL: there is none. *count: how many. */
static const char *curve_tasks(Arena *arena, const Results *r, bool watched, int *count)
{
    enum { MOST = 4 };
    const char **names = arena_new(arena, const char *, (size_t)r->task_count);
    *count = 0;
    for (int after = 1; after < r->task_count; after++)
        if ((curve_width(r, after) > 0) == watched) names[(*count)++] = r->tasks[after].name;
    if (!*count) return NULL;
    return *count <= MOST && *count < r->task_count - 1 ? format_list(arena, names, *count)
           : *count == r->task_count - 1                ? verdict_later(arena, r)
                                                        : arena_printf(arena, "%d more tasks", *count);
}

static CurveLine curve_collect(Arena *arena, const Results *r, int method, const PanelChart *chart)
{
    CurveLine line = {.points = arena_new(arena, float, 1)};
    for (int b = 0; b < chart->band_count; b++)
        curve_add_mean(arena, r, method, chart->bands[b].task - 1, chart->bands[b].from, &line);
    for (size_t k = 0; k < line.count; k++)
        if (line.points[2 * k + 1] < line.points[2 * line.lowest + 1]) line.lowest = k;
    return line;
}

static double curve_start(const CurveLine *line) { return (double)line->points[1]; }
static double curve_lowest(const CurveLine *line) { return (double)line->points[2 * line->lowest + 1]; }
static double curve_end(const CurveLine *line) { return (double)line->points[2 * line->count - 1]; }

static void curve_tell(Arena *arena, const Results *r, const CurveLine *lines, Canvas *canvas)
{
    int worst = -1, gap = -1, watched;
    const char *alt = "";
    for (int m = 0; m < r->method_count; m++) {
        const CurveLine *line = &lines[m];
        if (!line->count) continue;
        alt = arena_printf(arena, "%s%s%s from %.1f%% to %.1f%%, lowest %.1f%%", alt, *alt ? "; " : "", r->methods[m],
                           100 * curve_start(line), 100 * curve_end(line), 100 * curve_lowest(line));
        if (worst < 0 || curve_lowest(line) < curve_lowest(&lines[worst])) worst = m;
        if (gap < 0 || curve_end(line) - curve_lowest(line) > curve_end(&lines[gap]) - curve_lowest(&lines[gap]))
            gap = m;
    }
    const char *task = r->tasks[0].name;
    const double deepest = 100 * (curve_end(&lines[gap]) - curve_lowest(&lines[gap]));
    const char *later = curve_tasks(arena, r, true, &watched);
    canvas->alt = arena_printf(arena, "%s while %s train%s: %s.", task, later, watched > 1 ? "" : "s", alt);
    canvas->see = arena_printf(arena, "%s falls lowest with %s: from %.1f%% to %.1f%% on the way, %.1f%% at the end. ",
                               task, r->methods[worst], 100 * curve_start(&lines[worst]),
                               100 * curve_lowest(&lines[worst]), 100 * curve_end(&lines[worst]));
    canvas->see = arena_printf(
        arena,
        deepest >= 0.05
            ? "%sThe deepest dip that is made good again is %.1f points, with %s: what only the end would not tell."
            : "%sNo method dips below where it ends by more than %.1f points (%s).",
        canvas->see, fmax(deepest, 0), r->methods[gap]);
}

static bool chart_curve(Arena *arena, const Results *r, Str font, Canvas *canvas, Err *err)
{
    double low = 1, high = 0;
    uint32_t rows = 0;
    PanelBand *bands = arena_new(arena, PanelBand, (size_t)r->task_count);
    PanelChart chart = {.canvas = canvas, .level = r->tasks[0].majority_rate, .bands = bands};
    for (int after = 1; after < r->task_count; after++) {
        const double from = chart.x_high;
        const uint32_t width = curve_width(r, after);
        if (!width) continue;
        chart.x_high += width;
        const char *name = r->task_count == 2 ? arena_printf(arena, "%s, %u steps", r->tasks[after].name, width)
                                              : r->tasks[after].name;
        bands[chart.band_count++] = (PanelBand){from, chart.x_high, name, after + 1};
    }
    CurveLine *lines = arena_new(arena, CurveLine, (size_t)r->method_count);
    int shown = 0, squeezed = -1;
    const int pale = load_find_method(r, "full"); /* what the others are there to improve on */
    for (int m = 0; m < r->method_count; m++) {
        lines[m] = curve_collect(arena, r, m, &chart);
        shown += lines[m].count > 0;
        for (int after = 1; after < r->task_count && lines[m].count; after++)
            if (curve_stretch(r, m, after) < 1) squeezed = m;
        for (size_t k = 0; k < lines[m].count; k++) {
            low = fmin(low, (double)lines[m].points[2 * k + 1]);
            high = fmax(high, (double)lines[m].points[2 * k + 1]);
        }
    }
    for (size_t i = 0; i < r->runs.count && !rows; i++)
        for (int after = 1; after < r->task_count && !rows; after++)
            if (curve_of(r, &r->runs.at[i], after)) rows = curve_of(r, &r->runs.at[i], after)->curve.at[0].rows;
    int watched, unwatched;
    const char *later = curve_tasks(arena, r, true, &watched), *others = curve_tasks(arena, r, false, &unwatched);
    const char *title = arena_printf(arena, "%s while %s train%s", r->tasks[0].name, later, watched == 1 ? "s" : "");
    const bool together = panels_together(shown);
    if (!canvas_open(canvas, arena, CHART_WIDTH, CHART_HEIGHT, font, err)) return false;
    const char *numbers = panels_number_bands(canvas, &chart, bands, together ? 1 : shown);
    const char *subtitle = arena_printf(
        arena, "accuracy on the same %u rows of %s%s; dashed: majority class, %.1f%%%s%s%s%s", rows, r->tasks[0].name,
        verdict_most_seeds(r) > 1 ? ", mean over seeds" : "", 100 * r->tasks[0].majority_rate,
        !together && pale >= 0 ? arena_printf(arena, "; grey: %s", r->methods[pale]) : "",
        squeezed >= 0 ? arena_printf(arena, "; %s: more steps in the same width", r->methods[squeezed]) : "",
        others ? arena_printf(arena, "; not looked at during %s", others) : "", numbers);
    const float y = chart_title(canvas, title, subtitle);
    chart.panels = arena_new(arena, Panel, (size_t)r->method_count + 1);
    chart.count = together;
    for (int m = 0; m < r->method_count; m++) {
        if (!lines[m].count || chart.count == PANELS_MOST) continue;
        Panel *panel = &chart.panels[together ? 0 : chart.count++];
        PanelLine line = panels_line_of(r, m, together);
        line.points = lines[m].points;
        line.count = lines[m].count;
        if (curve_lowest(&lines[m]) < fmin(curve_start(&lines[m]), curve_end(&lines[m])) - 0.005)
            line.dot = (int)lines[m].lowest;
        if (together) {
            line.label = arena_printf(arena, "%s %.1f%%", r->methods[m], 100 * curve_end(&lines[m]));
        } else {
            if (pale >= 0 && pale != m)
                *dyn_push(arena, &panel->lines) = (PanelLine){.points = lines[pale].points,
                                                              .count = lines[pale].count,
                                                              .colour = COLOUR_PALE,
                                                              .width = 2.5f,
                                                              .dot = -1};
            panel->title = r->methods[m];
            panel->note = arena_printf(arena, "lowest %.1f%%, end %.1f%%", 100 * curve_lowest(&lines[m]),
                                       100 * curve_end(&lines[m]));
        }
        *dyn_push(arena, &panel->lines) = line;
    }
    panels_share_axis(&chart, low, high);
    panels_layout(&chart, y);
    panels_draw(&chart);
    curve_tell(arena, r, lines, canvas);
    return true;
}
