#include "report.h"

#include <math.h>
#include <string.h>

/* What happens to the first task while the later ones train: its accuracy on all rows before and after each of them,
 * and on a fixed subset of rows every few steps between. The band is what the rows of each point leave open. */

typedef struct CurveLine {
    DYN(float) points; /* [count] step over all later tasks, accuracy: mean over seeds */
    DYN(float) band;   /* [count] Wilson interval of that accuracy on so many rows: low, high */
    size_t count;
    int dip;      /* index of the look that lies below start and end beyond chance, with every seed; -1: none */
    double depth; /* dip: how far it lies below the end, on the same rows; mean over seeds */
} CurveLine;

/* The curve of the first task while task `after` (from 0) trains; NULL: not recorded. */
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
        const ResultCurve *loss = &run->curves[after];
        const uint32_t last = old->curve.at[old->curve.count - 1].step,
                       end = loss->count ? loss->at[loss->count - 1].step : 0;
        most = end > most ? end : last > most ? last : most;
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

static void curve_add(Arena *arena, CurveLine *line, double step, double accuracy, uint32_t rows)
{
    const Interval interval = measure_wilson((uint32_t)lrint(accuracy * rows), rows);
    *dyn_push(arena, &line->points) = (float)step;
    *dyn_push(arena, &line->points) = (float)accuracy;
    *dyn_push(arena, &line->band) = (float)interval.low;
    *dyn_push(arena, &line->band) = (float)interval.high;
    line->count++;
}

/* Looks by their place: all seeds are evaluated at the same steps. false: not all seeds have so many. */
static bool curve_mean_of_look(const Results *r, int method, int after, size_t k, double *accuracy, uint32_t *rows,
                               uint32_t *step)
{
    double sum = 0;
    int seeds = 0, all = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultOld *old = curve_of(r, &r->runs.at[i], after);
        if (r->runs.at[i].method != method || !old) continue;
        all++;
        if (k >= old->curve.count) continue;
        sum += (double)old->curve.at[k].correct / old->curve.at[k].rows;
        *rows = old->curve.at[k].rows;
        *step = old->curve.at[k].step;
        seeds++;
    }
    *accuracy = seeds ? sum / seeds : 0;
    return all > 0 && seeds == all;
}

/* Marks the place of a dip that every seed shows: the same look, or, where they differ, the first seed's. */
static void curve_find_dip(Arena *arena, const Results *r, int method, int after, size_t first, CurveLine *line)
{
    double depth = 0;
    int shown = 0, seeds = 0, look = -1;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        Dip dip;
        if (run->method != method || !figure_dip_of(arena, r, run, after, 0, &dip)) continue;
        seeds++;
        if (dip.look < 0) continue;
        shown++;
        if (look < 0) look = dip.look;
        depth += dip.end - dip.lowest;
    }
    if (!seeds || shown < seeds || (line->dip >= 0 && line->depth > depth / seeds)) return;
    line->dip = (int)first + look;
    line->depth = depth / seeds;
}

/* The accuracies before and after a later task, on all rows, and the looks between. */
static void curve_add_task(Arena *arena, const Results *r, int method, int after, double offset, CurveLine *line)
{
    const Score before = verdict_score(r, method, after - 1, 0), end = verdict_score(r, method, after, 0);
    const double stretch = curve_stretch(r, method, after);
    const uint32_t all = r->tasks[0].eval_rows;
    uint32_t rows, step;
    double accuracy;
    if (!curve_mean_of_look(r, method, after, 0, &accuracy, &rows, &step) || !before.seeds) return;
    if (!line->count) curve_add(arena, line, offset, before.mean, all);
    const size_t first = line->count;
    for (size_t k = 0; curve_mean_of_look(r, method, after, k, &accuracy, &rows, &step); k++)
        curve_add(arena, line, offset + stretch * step, accuracy, rows);
    if (!end.seeds) return;
    curve_add(arena, line, offset + curve_width(r, after), end.mean, all);
    curve_find_dip(arena, r, method, after, first, line);
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
    CurveLine line = {.dip = -1};
    for (int b = 0; b < chart->band_count; b++)
        curve_add_task(arena, r, method, chart->bands[b].task - 1, chart->bands[b].from, &line);
    return line;
}

/* Whether some method has a look at the first task, and the accuracy that it starts from. */
static bool curve_shown(const Results *r)
{
    double accuracy;
    uint32_t rows, step;
    for (int m = 0; m < r->method_count; m++)
        for (int after = 1; after < r->task_count; after++)
            if (verdict_score(r, m, after - 1, 0).seeds && curve_mean_of_look(r, m, after, 0, &accuracy, &rows, &step))
                return true;
    return false;
}

static double curve_start(const CurveLine *line) { return panels_number(line->points.at[1]); }
static double curve_end(const CurveLine *line) { return panels_number(line->points.at[2 * line->count - 1]); }

/* "from 81.7% to 60.3%" */
static const char *curve_ends(Arena *arena, const CurveLine *line)
{
    return arena_printf(arena, "from %s to %s", format_percent(arena, curve_start(line)),
                        format_percent(arena, curve_end(line)));
}

/* "5.2 points with a, 7.1 points with b"; "": no dip is shown. */
static const char *curve_dips(Arena *arena, const Results *r, const CurveLine *lines)
{
    const char *list = "";
    for (int m = 0; m < r->method_count; m++)
        if (lines[m].count && lines[m].dip >= 0)
            list =
                text_join(arena, list, ", ",
                          arena_printf(arena, "%s points with %s", format_share(arena, lines[m].depth), r->methods[m]));
    return list;
}

static const char *curve_train(int tasks) { return plural((uint64_t)tasks, "trains", "train"); }

static void curve_tell(Arena *arena, const Results *r, const CurveLine *lines, Canvas *canvas)
{
    int lowest = -1, watched;
    const char *alt = "", *task = r->tasks[0].name, *later = curve_tasks(arena, r, true, &watched);
    for (int m = 0; m < r->method_count; m++) {
        const CurveLine *line = &lines[m];
        if (!line->count) continue;
        alt = text_join(arena, alt, "; ", arena_printf(arena, "%s %s", r->methods[m], curve_ends(arena, line)));
        if (lowest < 0 || curve_end(line) < curve_end(&lines[lowest])) lowest = m;
    }
    const char *dips = curve_dips(arena, r, lines);
    canvas->alt = arena_printf(arena, "%s while %s %s: %s.", task, later, curve_train(watched), alt);
    canvas->see = arena_printf(arena, "%s ends lowest with %s: %s, from %s. %s", task, r->methods[lowest],
                               format_percent(arena, curve_end(&lines[lowest])),
                               format_percent(arena, curve_start(&lines[lowest])),
                               *dips ? arena_printf(arena,
                                                    "On the way it lies lower than at both ends, beyond chance; below "
                                                    "where it ends by %s.",
                                                    dips)
                                     : "No look between lies below both ends beyond chance.");
}

static bool chart_curve(Arena *arena, const Results *r, Str font, Canvas *canvas, Err *err)
{
    double low = 1, high = 0;
    uint32_t rows = 0;
    PanelBand *bands = arena_new(arena, PanelBand, (size_t)r->task_count);
    PanelChart chart = {.canvas = canvas, .results = r, .level = r->tasks[0].majority_rate, .bands = bands};
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
    const char *pale_name = NULL; /* full of the same settings: what the others are there to improve on */
    for (int m = 0; m < r->method_count; m++) {
        lines[m] = curve_collect(arena, r, m, &chart);
        shown += lines[m].count > 0;
        const int full = lines[m].count ? load_find_full(r, m) : -1;
        if (full >= 0) pale_name = r->method_info[full].base;
        for (int after = 1; after < r->task_count && lines[m].count; after++)
            if (curve_stretch(r, m, after) < 1) squeezed = m;
        for (size_t k = 0; k < lines[m].count; k++) {
            low = fmin(low, (double)lines[m].band.at[2 * k]);
            high = fmax(high, (double)lines[m].band.at[2 * k + 1]);
        }
    }
    for (size_t i = 0; i < r->runs.count && !rows; i++)
        for (int after = 1; after < r->task_count && !rows; after++)
            if (curve_of(r, &r->runs.at[i], after)) rows = curve_of(r, &r->runs.at[i], after)->curve.at[0].rows;
    int watched, unwatched;
    const char *later = curve_tasks(arena, r, true, &watched), *others = curve_tasks(arena, r, false, &unwatched);
    const char *title = arena_printf(arena, "%s while %s %s", r->tasks[0].name, later, curve_train(watched));
    const bool together = panels_together(shown);
    if (!chart_open(canvas, arena, r, panels_least(r, together ? 1 : shown), font, err)) return false;
    const char *numbers = panels_number_bands(canvas, &chart, bands, together ? 1 : shown);
    const char *subtitle = arena_printf(
        arena,
        "accuracy: at both ends on all %u rows, between on the same %u%s; band: 95%% interval of the rows; dashed: "
        "majority class, %s%s%s%s%s",
        r->tasks[0].eval_rows, rows, verdict_most_seeds(r) > 1 ? ", mean over seeds" : "",
        format_percent(arena, r->tasks[0].majority_rate),
        !together && pale_name ? arena_printf(arena, "; grey: %s", pale_name) : "",
        squeezed >= 0 ? arena_printf(arena, "; %s: more steps in the same width", r->methods[squeezed]) : "",
        others ? arena_printf(arena, "; not looked at during %s", others) : "", numbers);
    const float y = chart_title(canvas, title, subtitle);
    chart.panels = arena_new(arena, Panel, (size_t)r->method_count + 1);
    chart.count = together;
    for (int m = 0; m < r->method_count; m++) {
        if (!lines[m].count || chart.count == PANELS_MOST) continue;
        Panel *panel = &chart.panels[together ? 0 : chart.count++];
        PanelLine line = panels_line_of(r, m, together);
        line.points = lines[m].points.at;
        line.count = lines[m].count;
        line.band = lines[m].band.at;
        line.dot = lines[m].dip;
        if (line.dot >= 0) chart.dot = "lowest look, below both ends beyond chance";
        if (together) {
            line.value = format_percent(arena, curve_end(&lines[m]));
        } else {
            const int pale = load_find_full(r, m);
            if (pale >= 0 && pale != m)
                *dyn_push(arena, &panel->lines) = (PanelLine){.points = lines[pale].points.at,
                                                              .count = lines[pale].count,
                                                              .colour = COLOUR_PALE,
                                                              .width = 2.5f,
                                                              .dot = -1};
            panel->title = r->methods[m];
            panel->note = curve_ends(arena, &lines[m]);
        }
        *dyn_push(arena, &panel->lines) = line;
    }
    panels_share_axis(&chart, low, high);
    panels_layout(&chart, y);
    panels_draw(&chart);
    curve_tell(arena, r, lines, canvas);
    return true;
}
