#include "report.h"

#include <math.h>
#include <string.h>

/* Training loss, task after task along x: mean over seeds, smoothed by a moving mean. */

enum { LOSS_REACH = 25 }; /* at most */
#define LOSS_NEAR 0.15

/* A method's smoothed loss on one task. */
typedef struct LossLine {
    float *points; /* [count] step over all tasks, loss */
    size_t count;
    int twins, twin; /* methods before and with this one that have the very same line: drawn in turn, as dashes */
} LossLine;

typedef struct LossCurves {
    LossLine *lines;   /* [method][task] */
    size_t *lengths;   /* [task] steps of all methods but the ceiling, which has more of them as tasks add up */
    double *stretches; /* [task] what a step of the ceiling is drawn as */
    double high;
    size_t reach, ceiling_reach; /* the moving mean takes 2 reach + 1 steps; the ceiling's batches are of all tasks */
} LossCurves;

/* Steps are counted by their place in the curve: they are whole from 1 on except in damaged files. */
static double *loss_mean_of_seeds(Arena *arena, const Results *r, int method, int task, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < r->runs.count; i++)
        if (r->runs.at[i].method == method && r->runs.at[i].curves[task].count > *count)
            *count = r->runs.at[i].curves[task].count;
    double *values = arena_new(arena, double, *count + 1);
    for (size_t s = 0; s < *count; s++) {
        int seeds = 0;
        for (size_t i = 0; i < r->runs.count; i++) {
            const ResultCurve *curve = &r->runs.at[i].curves[task];
            if (r->runs.at[i].method != method || s >= curve->count) continue;
            values[s] += curve->at[s].loss;
            seeds++;
        }
        values[s] /= seeds;
    }
    return values;
}

static LossLine loss_smooth(Arena *arena, const double *values, size_t count, size_t reach, double offset,
                            double stretch)
{
    LossLine line = {.points = arena_new(arena, float, 2 * count + 1), .count = count};
    double sum = 0;
    size_t from = 0, to = 0; /* the window is [from, to) */
    for (size_t i = 0; i < count; i++) {
        const size_t low = i > reach ? i - reach : 0, high = i + reach + 1 < count ? i + reach + 1 : count;
        for (; to < high; to++) sum += values[to];
        for (; from < low; from++) sum -= values[from];
        line.points[2 * i] = (float)(offset + stretch * ((double)i + 0.5));
        line.points[2 * i + 1] = (float)(sum / (double)(to - from));
    }
    return line;
}

static void loss_find_twins(const Results *r, LossLine *lines)
{
    for (int j = 0; j < r->task_count; j++)
        for (int m = 0; m < r->method_count; m++) {
            LossLine *line = &lines[m * r->task_count + j];
            for (int k = 0; k < r->method_count; k++) {
                const LossLine *other = &lines[k * r->task_count + j];
                if (!line->count || other->count != line->count ||
                    memcmp(other->points, line->points, 2 * line->count * sizeof *line->points) != 0)
                    continue;
                line->twins++;
                line->twin += k < m;
            }
        }
}

static bool loss_is_ceiling(const Results *r, int method) { return r->method_info[method].kind == METHOD_CEILING; }

/* The most steps on a task of the ceiling, or of the other methods. */
static size_t loss_longest(const Results *r, int task, bool ceiling)
{
    size_t longest = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        if (loss_is_ceiling(r, run->method) == ceiling && run->curves[task].count > longest)
            longest = run->curves[task].count;
    }
    return longest;
}

static LossCurves loss_collect(Arena *arena, const Results *r)
{
    LossCurves curves = {.lines = arena_new(arena, LossLine, (size_t)r->method_count * (size_t)r->task_count),
                         .lengths = arena_new(arena, size_t, (size_t)r->task_count),
                         .stretches = arena_new(arena, double, (size_t)r->task_count)};
    size_t longest = 0, longest_ceiling = 0;
    double offset = 0;
    for (int j = 0; j < r->task_count; j++) {
        const size_t others = loss_longest(r, j, false), ceiling = loss_longest(r, j, true);
        curves.lengths[j] = others ? others : ceiling;
        curves.stretches[j] = others && ceiling ? (double)others / (double)ceiling : 1;
        if (curves.lengths[j] > longest) longest = curves.lengths[j];
        if (ceiling > longest_ceiling) longest_ceiling = ceiling;
    }
    curves.reach = longest / 40 > LOSS_REACH ? LOSS_REACH : longest / 40;
    curves.ceiling_reach = longest_ceiling / 10 > LOSS_REACH ? LOSS_REACH : longest_ceiling / 10;
    for (int j = 0; j < r->task_count; j++) {
        for (int m = 0; m < r->method_count; m++) {
            size_t count;
            const double *values = loss_mean_of_seeds(arena, r, m, j, &count);
            const bool ceiling = loss_is_ceiling(r, m);
            const LossLine line = loss_smooth(arena, values, count, ceiling ? curves.ceiling_reach : curves.reach,
                                              offset, ceiling ? curves.stretches[j] : 1);
            curves.lines[m * r->task_count + j] = line;
            for (size_t s = 0; s < count; s++) curves.high = fmax(curves.high, (double)line.points[2 * s + 1]);
        }
        offset += (double)curves.lengths[j];
    }
    loss_find_twins(r, curves.lines);
    return curves;
}

static bool loss_shown(const Results *r)
{
    for (size_t i = 0; i < r->runs.count; i++)
        for (int j = 0; j < r->task_count; j++)
            if (r->runs.at[i].curves[j].count) return true;
    return false;
}

static PanelBand *loss_bands(Arena *arena, const Results *r, const LossCurves *curves, bool steps, PanelChart *chart)
{
    PanelBand *bands = arena_new(arena, PanelBand, (size_t)r->task_count);
    for (int j = 0; j < r->task_count; j++) {
        if (!curves->lengths[j]) continue; /* not trained yet */
        const double from = chart->x_high;
        chart->x_high += (double)curves->lengths[j];
        const char *name = steps && r->task_count <= 2
                               ? arena_printf(arena, "%s, %zu steps", r->tasks[j].name, curves->lengths[j])
                               : r->tasks[j].name;
        bands[chart->band_count++] = (PanelBand){from, chart->x_high, name, j + 1};
    }
    chart->bands = bands;
    return bands;
}

static void loss_add(Arena *arena, const Results *r, const LossCurves *curves, int method, bool together, Panel *panel)
{
    enum { TWIN_DASH = 26 };
    for (int j = 0; j < r->task_count; j++) {
        const LossLine *line = &curves->lines[method * r->task_count + j];
        PanelLine shown = panels_line_of(r, method, together);
        if (!line->count) continue;
        shown.points = line->points;
        shown.count = line->count;
        if (j < r->task_count - 1) shown.label = NULL;
        if (together && line->twins > 1)
            shown.dash = (Dash){TWIN_DASH - 5, (float)(TWIN_DASH * line->twins),
                                (float)(TWIN_DASH * (line->twins - line->twin))};
        *dyn_push(arena, &panel->lines) = shown;
    }
}

/* The mean of the last tenth of the steps. */
static double loss_end(const LossLine *line)
{
    const size_t from = line->count - (line->count + 9) / 10;
    double sum = 0;
    for (size_t i = from; i < line->count; i++) sum += (double)line->points[2 * i + 1];
    return sum / (double)(line->count - from);
}

/* Whether the lines of a task begin near ln of its classes, as an untrained head's do; the ceiling's is of all tasks.
 */
static bool loss_starts_untrained(const Results *r, const LossCurves *curves, int task)
{
    bool known = false;
    for (int m = 0; m < r->method_count; m++) {
        const LossLine *line = &curves->lines[m * r->task_count + task];
        if (!line->count || loss_is_ceiling(r, m)) continue;
        if (fabs((double)line->points[1] - math_log((double)r->tasks[task].classes)) > LOSS_NEAR) return false;
        known = true;
    }
    return known;
}

/* Why a loss is where it is when a task begins: it jumps up from where the task before has ended. */
static const char *loss_starts(Arena *arena, const Results *r, const LossCurves *curves)
{
    const char *starts = "";
    for (int j = 0; j < r->task_count; j++) {
        if (!loss_starts_untrained(r, curves, j)) continue;
        const char *start = format_decimal(arena, math_log((double)r->tasks[j].classes), 2);
        starts = text_join(
            arena, starts, ", ",
            arena_printf(arena, "%s with the %u classes of %s", start, r->tasks[j].classes, r->tasks[j].name));
    }
    return *starts ? arena_printf(arena,
                                  " A task begins with a new head, which knows nothing yet: its loss is near "
                                  "the logarithm of the number of classes, %s.",
                                  starts)
                   : "";
}

static void loss_tell(Arena *arena, const Results *r, const LossCurves *curves, Canvas *canvas)
{
    const char *alt = "", *see = "";
    for (int j = 0; j < r->task_count; j++) {
        int low = -1, high = -1;
        for (int m = 0; m < r->method_count; m++) {
            const LossLine *line = &curves->lines[m * r->task_count + j];
            if (!line->count) continue;
            alt = text_join(arena, alt, "; ",
                            arena_printf(arena, "%s on %s from %s to %s", r->methods[m], r->tasks[j].name,
                                         format_decimal(arena, (double)line->points[1], 2),
                                         format_decimal(arena, loss_end(line), 2)));
            if (low < 0 || loss_end(line) < loss_end(&curves->lines[low * r->task_count + j])) low = m;
            if (high < 0 || loss_end(line) > loss_end(&curves->lines[high * r->task_count + j])) high = m;
        }
        if (low < 0) continue;
        const double least = loss_end(&curves->lines[low * r->task_count + j]),
                     most = loss_end(&curves->lines[high * r->task_count + j]);
        const char *from = format_decimal(arena, least, 2), *to = format_decimal(arena, most, 2);
        see =
            text_join(arena, see, "; ",
                      most - least < 0.005 ? arena_printf(arena, "on %s %s", r->tasks[j].name, from)
                                           : arena_printf(arena, "on %s between %s (%s) and %s (%s)", r->tasks[j].name,
                                                          from, r->methods[low], to, r->methods[high]));
    }
    canvas->see =
        arena_printf(arena, "The mean loss of the last tenth of the steps: %s.%s", see, loss_starts(arena, r, curves));
    canvas->alt = arena_printf(arena, "%s.", alt);
}

static bool chart_loss(Arena *arena, const Results *r, Str font, Canvas *canvas, Err *err)
{
    PanelChart chart = {.canvas = canvas, .results = r, .level = NAN};
    const LossCurves curves = loss_collect(arena, r);
    const bool together = panels_together(r->method_count);
    bool twins = false, squeezed = false;
    for (int j = 0; j < r->task_count; j++) squeezed = squeezed || curves.stretches[j] != 1;
    for (int i = 0; i < r->method_count * r->task_count; i++) twins = twins || (together && curves.lines[i].twins > 1);
    if (!chart_open(canvas, arena, r, panels_least(r, together ? 1 : r->method_count), font, err)) return false;
    PanelBand *bands = loss_bands(arena, r, &curves, together, &chart);
    const char *numbers = panels_number_bands(canvas, &chart, bands, together ? 1 : r->method_count);
    const char *subtitle = arena_printf(
        arena, "%s%s%s%s%s%s", chart_setting(arena, r), verdict_most_seeds(r) > 1 ? "; mean over seeds" : "",
        curves.reach ? arena_printf(arena, "; smoothed over %zu steps", 2 * curves.reach + 1) : "",
        squeezed ? arena_printf(arena, "; %s: all its steps in the same width, smoothed over %zu",
                                load_kind_name(r, METHOD_CEILING), 2 * curves.ceiling_reach + 1)
                 : "",
        twins ? "; dashes in turn: methods with the very same line" : "", numbers);
    const float y =
        chart_title(canvas, r->task_count > 1 ? "Training loss, task after task" : "Training loss", subtitle);
    chart.panels = arena_new(arena, Panel, (size_t)r->method_count + 1);
    chart.count = together;
    for (int m = 0; m < r->method_count; m++) {
        bool known = false;
        for (int j = 0; j < r->task_count; j++) known = known || curves.lines[m * r->task_count + j].count;
        if (r->method_info[m].kind == METHOD_AFTER && !together)
            continue; /* averages weights; trains nothing of its own */
        if (!known || chart.count == PANELS_MOST) continue;
        Panel *panel = &chart.panels[together ? 0 : chart.count++];
        if (!together) panel->title = r->methods[m];
        loss_add(arena, r, &curves, m, together, panel);
    }
    chart.y_high = curves.high < 1e-6 ? 1 : curves.high;
    chart.y_step = chart_nice_step(chart.y_high, together ? 6 : 4);
    chart.y_high = ceil(chart.y_high / chart.y_step * 1.02) * chart.y_step;
    panels_layout(&chart, y);
    panels_draw(&chart);
    loss_tell(arena, r, &curves, canvas);
    return true;
}
