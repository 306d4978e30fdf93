#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "load_run.c"
#include "load_setup.c"
#include "load_settings.c"
#include "load_events.c"
#include "load_files.c"
#include "look.c"
#include "letters.c"
#include "joined.c"
#include "verdict.c"
#include "verdict_compare.c"
#include "figures.c"
#include "metrics.c"
#include "forgotten.c"
#include "changes.c"
#include "verdict_words.c"
#include "verdict_sentences.c"
#include "verdict_plain.c"
#include "advice.c"
#include "result_table.c"
#include "cite.c"
#include "setup.c"
#include "paper.c"
#include "markdown.c"
#include "summary_metrics.c"
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
#include "glossary.c"
#include "html_style.c"
#include "html_parts.c"
#include "html_changes.c"
#include "html_paper.c"
#include "html.c"

void report_judge(Arena *arena, Results *r)
{
    Comparison *comparison = arena_new(arena, Comparison, 1);
    AdviceList *advice = arena_new(arena, AdviceList, 1);
    SweepList *sweeps = arena_new(arena, SweepList, 1);
    *comparison = compare_all(arena, r);
    r->comparison = comparison; /* what to do next goes by it */
    *advice = advice_find(arena, r);
    *sweeps = sweeps_find(arena, r);
    r->advice = advice;
    r->sweeps = sweeps;
}

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

static void report_markdown(const Results *results, FILE *out)
{
    Arena arena = {0};
    markdown_write(results, out);
    markdown_sweeps(&arena, results, out);
    arena_free(&arena);
    for (size_t i = 0; i < COUNT(report_charts); i++)
        if (!report_charts[i].shown || report_charts[i].shown(results))
            fprintf(out, "\n![%s](charts/%s.png)\n", report_charts[i].name, report_charts[i].file);
}

/* What `print` prints, as a file. */
static bool report_write_text(const Results *results, void (*print)(const Results *, FILE *), const char *path,
                              Err *err)
{
    SysText text;
    if (!sys_text_open(&text)) return fail(err, "%s: out of memory", path);
    print(results, text.stream);
    const bool ok =
        sys_text_close(&text) ? file_write(path, (Str){text.at, text.size}, err) : fail(err, "%s: out of memory", path);
    free(text.at);
    return ok;
}

/* What --chart-title says of a picture; NULL: nothing. The last of several counts. */
static const char *report_title(const Results *r, const char *file)
{
    const char *title = NULL;
    for (const char *const *t = r->look.titles; t && *t; t++) {
        const size_t size = strcspn(*t, "=");
        if ((strlen(file) == size && memcmp(*t, file, size) == 0) || (size == 3 && memcmp(*t, "all", 3) == 0))
            title = *t + size + 1;
    }
    return title;
}

bool look_title(const char *assignment, Err *err)
{
    size_t size;
    const char *list = "all";
    Arena scratch = {0};
    bool known = look_assignment(assignment, &size) && size == 3 && memcmp(assignment, "all", 3) == 0;
    for (size_t i = 0; i < COUNT(report_charts); i++) {
        const char *file = report_charts[i].file;
        known = known ||
                (look_assignment(assignment, &size) && strlen(file) == size && memcmp(assignment, file, size) == 0);
        list = arena_printf(&scratch, "%s, %s", list, file);
    }
    if (!known)
        fail_usage(err, "--chart-title %s: CHART=TEXT is needed, CHART one of %s", str_show(str(assignment)), list);
    arena_free(&scratch);
    return known;
}

static HtmlPicture report_picture(Arena *arena, const Canvas *canvas)
{
    const Str svg = markup_str(&canvas->svg);
    return (HtmlPicture){canvas->width, canvas->height, {arena_copy(arena, svg.at, svg.size), svg.size}};
}

/* What a report writes when it is asked to. */
static bool report_write_papers(Arena *arena, const Results *r, const char *out_dir, Err *err)
{
    static const struct {
        unsigned file;
        const char *name;
        void (*print)(const Results *, FILE *);
    } files[] = {{REPORT_LATEX, "tables.tex", paper_latex_tables},
                 {REPORT_LATEX, "setup.tex", paper_latex_setup},
                 {REPORT_LATEX, "references.bib", cite_results},
                 {REPORT_CSV, "tables.csv", paper_csv}};
    for (size_t i = 0; i < COUNT(files); i++)
        if (r->files & files[i].file &&
            !report_write_text(r, files[i].print, arena_printf(arena, "%s/%s", out_dir, files[i].name), err))
            return false;
    return true;
}

/* The picture that `canvas` is; where its font lacks letters, drawn again with other names. */
static bool report_write_png(Arena *arena, const Results *r, size_t chart, Canvas *canvas, Str font, const char *path,
                             Err *err)
{
    Letters letters;
    Canvas plain;
    if (!letters_begin(&letters, arena, font)) return canvas_write(canvas, path, err);
    const Results named = letters_replace(&letters, r);
    if (!letters.replaced.count && named.look.title == r->look.title) return canvas_write(canvas, path, err);
    return report_charts[chart].draw(arena, &named, font, &plain, err) && canvas_write(&plain, path, err);
}

/* Draws a chart, writes it, and keeps its SVG for the page, with that of its narrow form. The pixels live no longer
 * than the picture is written. */
static bool report_write_chart(Arena *arena, const Results *r, size_t chart, const char *folder, Str font,
                               HtmlCharts *charts, Err *err)
{
    Arena picture = {0};
    Canvas canvas, narrow;
    Results own = *r, small = *r;
    own.look.title = small.look.title = report_title(r, report_charts[chart].file);
    small.look.narrow = true;
    const bool ok =
        report_charts[chart].draw(&picture, &own, font, &canvas, err) &&
        report_write_png(&picture, &own, chart, &canvas, font,
                         arena_printf(&picture, "%s/%s.png", folder, report_charts[chart].file), err) &&
        (!(r->files & REPORT_SVG) ||
         file_write(arena_printf(&picture, "%s/%s.svg", folder, report_charts[chart].file),
                    svg_file(&picture, markup_str(&canvas.svg), canvas.width, canvas.height, canvas.title, canvas.alt),
                    err)) &&
        report_charts[chart].draw(&picture, &small, font, &narrow, err);
    if (ok)
        *dyn_push(arena, charts) = (HtmlChart){.name = report_charts[chart].name,
                                               .see = arena_printf(arena, "%s", canvas.see),
                                               .alt = arena_printf(arena, "%s", canvas.alt),
                                               .wide = report_picture(arena, &canvas),
                                               .narrow = report_picture(arena, &narrow)};
    arena_free(&picture);
    return ok;
}

bool report_write(const Results *results, const char *out_dir, Str font, Err *err)
{
    Arena arena = {0};
    HtmlCharts charts = {0};
    const char *folder = arena_printf(&arena, "%s/charts", out_dir);
    bool ok = folder_make(folder, err) &&
              report_write_text(results, report_markdown, arena_printf(&arena, "%s/table.md", out_dir), err) &&
              (results->task_count == 1 ||
               report_write_text(results, changes_write, arena_printf(&arena, "%s/" CHANGES_FILE, out_dir), err)) &&
              report_write_papers(&arena, results, out_dir, err) &&
              file_write(arena_printf(&arena, "%s/summary.json", out_dir), summary_text(&arena, results), err);
    for (size_t i = 0; i < COUNT(report_charts) && ok; i++)
        if (!report_charts[i].shown || report_charts[i].shown(results))
            ok = report_write_chart(&arena, results, i, folder, font, &charts, err);
    ok = ok && file_write(arena_printf(&arena, "%s/report.html", out_dir), html_page(&arena, results, &charts), err);
    arena_free(&arena);
    return ok;
}

#include "live.c"
