#include "report.h"

#include <math.h>
#include <string.h>

/* report.html: everything on one page that needs nothing else. Well-formed XML, so that tests can check it as such. */

/* A picture as SVG. */
typedef struct HtmlPicture {
    int width, height;
    Str svg;
} HtmlPicture;

/* A chart for the page: a picture for a desk and one for a telephone. */
typedef struct HtmlChart {
    const char *name, *see, *alt;
    HtmlPicture wide, narrow;
} HtmlChart;
typedef DYN(HtmlChart) HtmlCharts;

static void html_write_head(Html *h, const Results *r, const char *title)
{
    html_raw(h, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta "
                "name=\"color-scheme\" content=\"light dark\"/>\n"
                /* nothing may run and nothing may be fetched, whatever a results.jsonl holds */
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
                "img-src data:\"/>\n"
                "<link rel=\"icon\" href=\"data:,\"/>\n");
    html_tag(h, "title", "", title);
    html_raw(h, "<style>\n");
    html_raw(h, html_style);
    html_changes_style(h, r);
    html_raw(h, "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#verdict\">Skip to the verdict</a>\n");
}

static void html_write_nav(Html *h, const Results *r)
{
    bool forgotten = false;
    for (int j = 0; j < r->task_count - 1; j++) forgotten = forgotten || html_has_changes(h, r, j);
    html_raw(h, "<nav aria-label=\"On this page\"><ul>\n<li><a href=\"#verdict\">Verdict</a></li>\n<li><a "
                "href=\"#table\">Table</a></li>\n"
                "<li><a href=\"#charts\">Charts</a></li>\n");
    if (forgotten) html_raw(h, "<li><a href=\"#forgotten\">Forgotten examples</a></li>\n");
    if (html_has_any_classes(r)) html_raw(h, "<li><a href=\"#classes\">Class by class</a></li>\n");
    html_raw(h, "<li><a href=\"#measures\">Measures</a></li>\n<li><a href=\"#made\">How it was made</a></li>\n<li><a "
                "href=\"#words\">Words</a></li>\n</ul></nav>\n");
}

/* The tables of sweeps. */
static void html_write_sweeps(Html *h, const Results *r)
{
    const SweepList sweeps = report_sweeps(h->arena, r);
    for (size_t i = 0; i < sweeps.count; i++) {
        const Sweep *sweep = &sweeps.at[i];
        PlaneChart chart = {.results = r};
        sweep_collect(h->arena, r, sweep, &chart);
        html_raw(h, "<table class=\"sweep\">\n");
        html_tag(h, "caption", "", sweep_caption(h->arena, r, sweep));
        html_raw(h, "<tr>");
        for (int c = 0; c < SWEEP_COLUMNS; c++) html_tag(h, "th", " scope=\"col\"", c ? sweep_heads[c] : sweep->option);
        html_raw(h, "</tr>\n");
        for (int k = 0; k < sweep->count; k++) {
            const char *cells[SWEEP_COLUMNS];
            sweep_row(h->arena, sweep, &chart, k, cells);
            html_raw(h, "<tr>");
            for (int c = 0; c < SWEEP_COLUMNS; c++) html_tag(h, c ? "td" : "th", c ? "" : " scope=\"row\"", cells[c]);
            html_raw(h, "</tr>\n");
        }
        html_raw(h, "</table>\n");
    }
}

static void html_write_advice(Html *h, const Results *r)
{
    const AdviceList advice = report_advice(h->arena, r);
    if (!advice.count) return;
    html_tag(h, "h3", "", "What to do next");
    html_raw(h, "<ul class=\"next\">\n");
    for (size_t i = 0; i < advice.count; i++) {
        html_raw(h, "<li>");
        html_text(h, advice.at[i].sentence);
        if (advice.at[i].command) html_command(h, advice.at[i].command);
        html_raw(h, "</li>\n");
    }
    html_raw(h, "</ul>\n");
}

static void html_write_verdict(Html *h, const Results *r)
{
    const char *sentences[VERDICT_SENTENCES];
    const int count = verdict_sentences(h->arena, r, sentences);
    html_section(h, "verdict", "What can be said");
    const char *plain[PLAIN_SENTENCES];
    const int plain_count = r->expert ? 0 : plain_sentences(h->arena, r, plain);
    if (plain_count) {
        html_raw(h, "<ul class=\"lead\">\n");
        for (int i = 0; i < plain_count; i++) html_explained(h, "li", plain[i]);
        html_raw(h, "</ul>\n<details><summary>In detail, with the tests</summary>\n<ul>\n");
    } else
        html_raw(h, "<ul class=\"lead\">\n");
    for (int i = 0; i < count; i++) html_explained(h, "li", sentences[i]);
    if (!count) html_tag(h, "li", "", "Nothing yet: no evaluation has been written.");
    html_raw(h, plain_count ? "</ul></details>\n" : "</ul>\n");
    html_write_advice(h, r);
    html_raw(h, "<details><summary>The rules these words follow</summary>\n<ul>\n");
    for (size_t i = 0; i < COUNT(verdict_rules); i++) html_explained(h, "li", verdict_rules[i]);
    html_raw(h, "</ul></details>\n");
    html_section_end(h);
}

static void html_write_table(Html *h, const Results *r)
{
    TableGrid grid = {.arena = h->arena};
    table_grid(r, &grid);
    html_section(h, "table", "Results");
    html_grid(h, &grid, arena_printf(h->arena, "Results: %s", table_legend(h->arena, r)));
    for (int from = 0; r->task_count > 2 && from < r->task_count; from += TABLE_TASKS) {
        TableGrid tasks = {.arena = h->arena};
        table_grid_tasks(r, from, &tasks);
        html_grid(h, &tasks,
                  arena_printf(
                      h->arena,
                      "Each task right after its own training → after the last task, in %%; * did not learn the task"));
    }
    html_raw(h, "<h3>Method by method</h3>\n<dl>\n");
    for (int m = 0; m < r->method_count; m++) {
        const char *remark = verdict_remark(h->arena, r, m);
        html_tag(h, "dt", "", r->methods[m]);
        html_explained(h, "dd", *remark ? remark : "nothing to be said yet");
    }
    html_raw(h, "</dl>\n");
    html_write_sweeps(h, r);
    html_section_end(h);
}

static void html_picture(Html *h, const HtmlPicture *picture, const char *class, const char *alt)
{
    markup_put(&h->out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" "
               "fill=\"none\" stroke-linecap=\"round\" stroke-linejoin=\"round\" aria-label=\"",
               class, picture->width, picture->height);
    html_text(h, alt);
    html_raw(h, "\">\n");
    markup_bytes(&h->out, picture->svg.at, picture->svg.size);
    html_raw(h, "</svg>\n");
}

static void html_write_charts(Html *h, const HtmlCharts *charts)
{
    html_section(h, "charts", "Charts");
    for (size_t i = 0; i < charts->count; i++) {
        const HtmlChart *c = &charts->at[i];
        html_tag(h, "h3", "", c->name);
        html_raw(h, "<figure>\n<figcaption>");
        html_explained(h, "p", c->see);
        html_raw(h, "</figcaption>\n");
        html_picture(h, &c->wide, "wide", c->alt);
        html_picture(h, &c->narrow, "narrow", c->alt);
        html_raw(h, "</figure>\n");
    }
    html_section_end(h);
}

/* ---- how it was made ---- */

static void html_fact(Html *h, const char *name, const char *value)
{
    if (!*value) return;
    html_raw(h, "<tr>");
    html_tag(h, "th", " scope=\"row\"", name);
    html_tag(h, "td", " class=\"words\"", value);
    html_raw(h, "</tr>\n");
}

static void html_write_facts(Html *h, const Results *r)
{
    Arena *arena = h->arena;
    html_table(h, "facts", "The run");
    html_raw(h, "<tbody>\n");
    html_fact(h, "lethe", r->version);
    html_fact(h, "encoder", r->model);
    html_fact(h, "what it had seen before", r->acquaintance);
    html_fact(h, "device", r->device);
    html_fact(h, "seeds", table_seeds(arena, r));
    html_fact(h, "preset", r->preset);
    html_fact(h, "settings beside the default", load_beside_preset(arena, r));
    for (size_t i = 0; i < run_options()->count; i++) {
        const Option *row = run_options()->at[i];
        const char *value = row->title ? load_common_setting(r, row->name) : NULL;
        if (value) html_fact(h, row->title, value);
    }
    if (r->shared_first) html_fact(h, "first task", "trained once for all methods that train it alike");
    if (r->seconds > 0) html_fact(h, "time", format_duration(arena, r->seconds));
    if (r->peak_bytes) html_fact(h, "highest memory", format_megabytes(arena, (double)r->peak_bytes, 0));
    html_raw(h, "</tbody>\n");
    html_table_end(h);
}

static void html_write_tasks(Html *h, const Results *r)
{
    static const char *const columns[] = {"task",           "classes", "rows to train", "rows to evaluate",
                                          "majority class", "files"};
    html_table(h, "tasks", "The tasks, in the order of training");
    html_raw(h, "<thead><tr>");
    for (size_t c = 0; c < COUNT(columns); c++) html_column(h, columns[c], c == COUNT(columns) - 1);
    html_raw(h, "</tr></thead>\n<tbody>\n");
    for (int j = 0; j < r->task_count; j++) {
        const ResultTask *t = &r->tasks[j];
        html_raw(h, "<tr>");
        html_tag(h, "th", " scope=\"row\"", t->name);
        const char *cells[] = {"",
                               arena_printf(h->arena, "%u", t->classes),
                               format_count(h->arena, t->train_rows),
                               format_count(h->arena, t->eval_rows),
                               format_percent(h->arena, t->majority_rate),
                               arena_printf(h->arena, "%s, %s", t->train, t->eval)};
        for (size_t c = 1; c < COUNT(columns); c++) html_cell(h, c == 5 ? "words" : "", columns[c], cells[c]);
        html_raw(h, "</tr>\n");
    }
    html_raw(h, "</tbody>\n");
    html_table_end(h);
}

static void html_write_methods(Html *h, const Results *r)
{
    static const char *const kinds[METHOD_KINDS] = {"", "cannot forget: separate weights. ",
                                                    "the floor: encoder never trained. ",
                                                    "the ceiling: all tasks at once. ", "after the fact. "};
    html_raw(h, "<h3>The methods</h3>\n<dl>\n");
    for (int m = 0; m < r->method_count; m++) {
        const ResultMethodInfo *info = &r->method_info[m];
        html_tag(h, "dt", "", r->methods[m]);
        const char *own = info->about ? info->about : "",
                   *cite = info->cite ? info->cite : ""; /* older runs have neither */
        const char *about = arena_printf(h->arena, "%s%s", kinds[info->kind], text_join(h->arena, own, ". ", cite));
        html_explained(h, "dd", *about ? about : "not described in this run");
    }
    html_raw(h, "</dl>\n");
}

static void html_write_made(Html *h, const Results *r)
{
    html_section(h, "made", "How it was made");
    html_write_facts(h, r);
    html_write_tasks(h, r);
    html_write_methods(h, r);
    html_write_setup(h, r);
    html_raw(h, "<h3>To repeat it</h3>\n<p>In the folder of this page, with the whole configuration in config.json; "
                "the same seed on the same device gives the same numbers:</p>\n");
    html_command(h, "lethe run --config config.json --out again");
    html_raw(h, "<p>To draw this page and its charts again from results.jsonl alone:</p>\n");
    html_command(h, "lethe report .");
    html_section_end(h);
}

/* The page, in the arena. */
static Str html_page(Arena *arena, const Results *r, const HtmlCharts *charts)
{
    Html h = {.arena = arena, .out = {.arena = arena}, .results = r};
    const char *headline = verdict_headline(arena, r);
    html_write_head(&h, r, arena_printf(arena, "%s – lethe", headline));
    html_raw(&h, "<header>\n");
    html_tag(&h, "h1", "", headline);
    html_tag(&h, "p", " class=\"soft\"", table_setting(arena, r));
    html_raw(&h, "</header>\n");
    html_write_nav(&h, r);
    html_raw(&h, "<main>\n");
    html_write_examples(&h, r);
    html_write_verdict(&h, r);
    html_write_table(&h, r);
    html_write_charts(&h, charts);
    html_write_forgotten(&h, r);
    html_write_measures(&h, r);
    html_write_classes(&h, r);
    html_write_made(&h, r);
    html_write_glossary(&h);
    html_raw(&h, "</main>\n<footer><p>Drawn by lethe from results.jsonl alone. Charts as PNG: the folder charts beside "
                 "this page.</p></footer>\n</body>\n</html>\n");
    return markup_str(&h.out);
}
