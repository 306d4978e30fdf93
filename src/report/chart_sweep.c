#include "report.h"

#include <math.h>
#include <string.h>

/* A sweep on the plane of what is learned and what is kept: a point for each value of its option, in the order of the
 * values on a line, and the front of those that no other value beats on both. Other methods are marks to measure by. */

/* What the values of a sweep come to; the points of the plane, those of the sweep ranked. */
static void sweep_collect(Arena *arena, const Results *r, const Sweep *sweep, PlaneChart *chart)
{
    plane_points(arena, r, chart);
    for (int i = 0; i < chart->count; i++) {
        PlanePoint *p = &chart->points[i];
        p->ranked = false;
        for (int k = 0; k < sweep->count; k++)
            if (sweep->methods[k] == p->method) {
                p->ranked = true;
                p->says = sweep->values[k];
            }
    }
    plane_mark_front(chart);
}

static const PlanePoint *sweep_point(const PlaneChart *chart, int method)
{
    for (int i = 0; i < chart->count; i++)
        if (chart->points[i].method == method) return &chart->points[i];
    return NULL;
}

static bool sweep_shown(const Results *r)
{
    Arena scratch = {0};
    bool shown = false;
    const SweepList sweeps = plane_shown(r) ? report_sweeps(&scratch, r) : (SweepList){0};
    for (int k = 0; sweeps.count && k < sweeps.at[0].count; k++)
        shown = shown || figure_over_seeds(r, sweeps.at[0].methods[k], plane_kept).count;
    arena_free(&scratch);
    return shown;
}

static void sweep_tell(Arena *arena, const Sweep *sweep, const PlaneChart *chart, Canvas *canvas)
{
    const char **front = arena_new(arena, const char *, (size_t)sweep->count + 1), *alt = "";
    int count = 0;
    for (int k = 0; k < sweep->count; k++) {
        const PlanePoint *p = sweep_point(chart, sweep->methods[k]);
        if (!p) continue;
        if (p->front) front[count++] = sweep->values[k];
        alt = text_join(arena, alt, "; ",
                        arena_printf(arena, "%s %s learned %s, kept %s", sweep->option, sweep->values[k],
                                     format_percent(arena, p->learned.mean), format_percent(arena, p->kept.mean)));
    }
    canvas->see =
        arena_printf(arena,
                     "On the front, where no other value has more of both: %s %s. Where whiskers overlap, the "
                     "order is not sure.",
                     sweep->option, format_list(arena, front, count));
    canvas->alt = arena_printf(arena, "%s.", alt);
}

static void sweep_draw_line(Arena *arena, const Sweep *sweep, const PlaneChart *chart)
{
    float *line = arena_new(arena, float, 2 * (size_t)sweep->count), *to = line;
    for (int k = 0; k < sweep->count; k++) {
        const PlanePoint *p = sweep_point(chart, sweep->methods[k]);
        if (p) *to++ = plane_x(chart, p->learned.mean), *to++ = plane_y(chart, p->kept.mean);
    }
    canvas_polyline(chart->canvas, line, (size_t)(to - line) / 2, 3, COLOUR_PALE, (Dash){0});
}

/* The first sweep; its table and those of the others stand beside it. */
static bool chart_sweep(Arena *arena, const Results *r, Str font, Canvas *canvas, Err *err)
{
    PlaneChart chart = {.canvas = canvas, .results = r};
    const SweepList sweeps = report_sweeps(arena, r);
    const Sweep *sweep = &sweeps.at[0];
    const char *title = arena_printf(arena, "%s: what each %s learns and keeps", sweep->method, sweep->option);
    sweep_collect(arena, r, sweep, &chart);
    if (!plane_open(&chart, arena, title, font, err)) return false;
    sweep_draw_line(arena, sweep, &chart);
    plane_draw_points(&chart);
    sweep_tell(arena, sweep, &chart, canvas);
    return true;
}

/* ---- the same as a table, of every sweep ---- */

enum { SWEEP_COLUMNS = 4 };
static const char *const sweep_heads[SWEEP_COLUMNS] = {NULL, "learned", "kept", "on the front"}; /* the first: option */

/* Of one value: itself, what it learned and kept in %, with intervals, and whether no other value has more of both. */
static void sweep_row(Arena *arena, const Sweep *sweep, const PlaneChart *chart, int k,
                      const char *cells[SWEEP_COLUMNS])
{
    const PlanePoint *p = sweep_point(chart, sweep->methods[k]);
    cells[0] = sweep->values[k];
    cells[1] = p ? sweep_share(arena, &p->learned) : "–";
    cells[2] = p ? sweep_share(arena, &p->kept) : "–";
    cells[3] = p && p->front ? "yes" : "";
}

static const char *sweep_caption(Arena *arena, const Results *r, const Sweep *sweep)
{
    return arena_printf(arena,
                        "%s over %s: accuracy in %% on the later tasks right after training each (learned) and on the "
                        "earlier ones at the end (kept), in brackets the 95%% interval%s",
                        sweep->method, sweep->option, verdict_most_seeds(r) > 1 ? " over seeds" : "");
}

static void markdown_sweeps(Arena *arena, const Results *r, FILE *out)
{
    const SweepList sweeps = report_sweeps(arena, r);
    for (size_t i = 0; i < sweeps.count; i++) {
        const Sweep *sweep = &sweeps.at[i];
        PlaneChart chart = {.results = r};
        sweep_collect(arena, r, sweep, &chart);
        fprintf(out, "%s\n\n| %s | %s | %s | %s |\n|---|---|---|---|\n",
                markdown_safe(arena, sweep_caption(arena, r, sweep)), markdown_safe(arena, sweep->option),
                sweep_heads[1], sweep_heads[2], sweep_heads[3]);
        for (int k = 0; k < sweep->count; k++) {
            const char *cells[SWEEP_COLUMNS];
            sweep_row(arena, sweep, &chart, k, cells);
            for (int c = 0; c < SWEEP_COLUMNS; c++) fprintf(out, "| %s ", markdown_safe(arena, cells[c]));
            fprintf(out, "|\n");
        }
        fputc('\n', out);
    }
}

static json_t *summary_sweeps(Arena *arena, const Results *r)
{
    json_t *list = json_array();
    const SweepList sweeps = report_sweeps(arena, r);
    for (size_t i = 0; i < sweeps.count; i++) {
        const Sweep *sweep = &sweeps.at[i];
        PlaneChart chart = {.results = r};
        json_t *values = json_array();
        sweep_collect(arena, r, sweep, &chart);
        for (int k = 0; k < sweep->count; k++) {
            const PlanePoint *p = sweep_point(&chart, sweep->methods[k]);
            if (p)
                json_array_append_new(
                    values, json_pack("{s:s, s:s, s:f, s:[f, f], s:f, s:[f, f], s:b}", "value", sweep->values[k],
                                      "method", r->methods[sweep->methods[k]], "learned", p->learned.mean,
                                      "learned_interval", sweep_interval(&p->learned).low,
                                      sweep_interval(&p->learned).high, "kept", p->kept.mean, "kept_interval",
                                      sweep_interval(&p->kept).low, sweep_interval(&p->kept).high, "front", p->front));
        }
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:o}", "method", sweep->method, "option", sweep->option, "values", values));
    }
    return list;
}
