#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "load_run.c"
#include "load_settings.c"
#include "load_events.c"
#include "load_files.c"
#include "joined.c"
#include "verdict.c"
#include "verdict_compare.c"
#include "figures.c"
#include "forgotten.c"
#include "verdict_words.c"
#include "verdict_sentences.c"
#include "verdict_plain.c"
#include "advice.c"
#include "result_table.c"
#include "markdown.c"
#include "summary.c"
#include "markup.c"
#include "svg.c"
#include "canvas.c"
#include "chart.c"
#include "chart_bars.c"
#include "chart_heat.c"
#include "chart_matrix.c"
#include "chart_panels.c"
#include "chart_curve.c"
#include "chart_plane.c"
#include "sweep.c"
#include "chart_sweep.c"
#include "chart_loss.c"
#include "chart_interpolation.c"
#include "chart_layers.c"
#include "html_style.c"
#include "html_parts.c"
#include "html.c"

/* In the order in which the page shows them. */
typedef bool Chart(Arena *arena, const Results *r, Str font, Canvas *canvas, Err *err);
static const struct {
    const char *file, *name;
    Chart *draw;
    bool (*shown)(const Results *r); /* NULL: always; false: its events are missing */
} report_charts[] = {
    {"before_after", "Before and after", chart_before_after, NULL},
    {"plane", "Stability against plasticity", chart_plane, plane_shown},
    {"sweep", "What each value learns and keeps", chart_sweep, sweep_shown},
    {"curve", "The first task while the others train", chart_curve, curve_shown},
    {"matrix", "Every task after every training", chart_matrix, NULL},
    {"interpolation", "Between old and new weights", chart_interpolation, interpolation_shown},
    {"drift", "Drift of each layer", chart_drift, drift_shown},
    {"swap", "Putting one part back", chart_swap, swap_shown},
    {"loss", "Training loss", chart_loss, loss_shown},
};

static bool report_write_markdown(const Results *results, const char *path, Err *err)
{
    SysText text;
    if (!sys_text_open(&text)) return fail(err, "%s: out of memory", path);
    markdown_write(results, text.stream);
    Arena arena = {0};
    markdown_sweeps(&arena, results, text.stream);
    arena_free(&arena);
    for (size_t i = 0; i < COUNT(report_charts); i++)
        if (!report_charts[i].shown || report_charts[i].shown(results))
            fprintf(text.stream, "\n![%s](charts/%s.png)\n", report_charts[i].name, report_charts[i].file);
    const bool ok =
        sys_text_close(&text) ? file_write(path, (Str){text.at, text.size}, err) : fail(err, "%s: out of memory", path);
    free(text.at);
    return ok;
}

/* Draws a chart, writes it, and keeps its SVG for the page. The pixels live no longer than the picture is written. */
static bool report_write_chart(Arena *arena, const Results *r, size_t chart, const char *folder, Str font,
                               HtmlCharts *charts, Err *err)
{
    Arena picture = {0};
    Canvas canvas;
    const bool ok = report_charts[chart].draw(&picture, r, font, &canvas, err) &&
                    canvas_write(&canvas, arena_printf(&picture, "%s/%s.png", folder, report_charts[chart].file), err);
    if (ok) {
        const Str svg = markup_str(&canvas.svg);
        *dyn_push(arena, charts) = (HtmlChart){.name = report_charts[chart].name,
                                               .width = canvas.width,
                                               .height = canvas.height,
                                               .see = arena_printf(arena, "%s", canvas.see),
                                               .alt = arena_printf(arena, "%s", canvas.alt),
                                               .svg = {arena_copy(arena, svg.at, svg.size), svg.size}};
    }
    arena_free(&picture);
    return ok;
}

bool report_write(const Results *results, const char *out_dir, Str font, Err *err)
{
    Arena arena = {0};
    HtmlCharts charts = {0};
    const char *folder = arena_printf(&arena, "%s/charts", out_dir);
    bool ok = folder_make(folder, err) &&
              report_write_markdown(results, arena_printf(&arena, "%s/table.md", out_dir), err) &&
              file_write(arena_printf(&arena, "%s/summary.json", out_dir), summary_text(&arena, results), err);
    for (size_t i = 0; i < COUNT(report_charts) && ok; i++)
        if (!report_charts[i].shown || report_charts[i].shown(results))
            ok = report_write_chart(&arena, results, i, folder, font, &charts, err);
    ok = ok && file_write(arena_printf(&arena, "%s/report.html", out_dir), html_page(&arena, results, &charts), err);
    arena_free(&arena);
    return ok;
}
