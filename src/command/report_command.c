#include "command.h"

#include <stddef.h>

/* lethe report [--out DIR] OUT...: table, charts and page again from results.jsonl; several folders are joined. */

/* A folder to write to must not be another run's: its report would be overwritten. */
static bool report_check_out(Arena *arena, const char *out, Err *err)
{
    if (!file_exists(arena_printf(arena, "%s/results.jsonl", out))) return true;
    return fail(err, "%s holds a run of its own; choose another folder with --out", out);
}

typedef struct ReportOptions {
    const char *out;
    float match_margin; /* in points; 0: what the runs say */
    unsigned expert, metric;
    bool svg, latex, csv;
} ReportOptions;

static const char *const report_metrics[] = {
    [METRIC_ACCURACY] = "accuracy", [METRIC_MACRO_F1] = "macro-f1", [METRIC_MCC] = "mcc", NULL};

static const Option report_options[] = {
    {"out", OPTION_TEXT, 0, 0, "DIR", "folder for what is joined", .target = offsetof(ReportOptions, out)},
    OPTION_MATCH_MARGIN("two methods learned a task equally well when the 90% interval of their\ndifference lies "
                        "within this many points",
                        offsetof(ReportOptions, match_margin)),
    OPTION_WORDS_CHOICE(offsetof(ReportOptions, expert)),
    {"metric", OPTION_CHOICE, 0, 0, "NAME",
     "of the tables' numbers: accuracy, macro-f1, or mcc (Matthews correlation);\nwhat is forgotten is decided by "
     "accuracy all the same",
     .default_value = "accuracy", .choices = report_metrics, .target = offsetof(ReportOptions, metric)},
    {"latex", OPTION_FLAG, 0, 0, NULL, "write tables.tex (booktabs), setup.tex and references.bib, too",
     .target = offsetof(ReportOptions, latex)},
    {"csv", OPTION_FLAG, 0, 0, NULL, "write tables.csv, too", .target = offsetof(ReportOptions, csv)},
    {"svg", OPTION_FLAG, 0, 0, NULL, "write charts/*.svg, too", .target = offsetof(ReportOptions, svg)},
};

/* What the options ask of the results. */
static bool report_apply(Results *r, const ReportOptions *options, bool writes, Err *err)
{
    if (options->match_margin > 0) r->match_margin = (double)options->match_margin / 100;
    r->expert = options->expert;
    r->metric = (Metric)options->metric;
    r->files = (options->svg ? REPORT_SVG : 0) | (options->latex ? REPORT_LATEX : 0) | (options->csv ? REPORT_CSV : 0);
    if (r->files && !writes)
        return fail_usage(err, "report: --latex, --csv and --svg write files; name a folder for them with --out");
    return metric_is_there(r, r->metric) || r->metric == METRIC_ACCURACY ||
           fail(err, "--metric %s: these results do not record what was predicted; run again, or use --metric accuracy",
                report_metrics[r->metric]);
}

bool command_report(int argc, char **argv, Err *err)
{
    Arena arena = {0};
    Results results = {0};
    Str font;
    json_t *given = json_object();
    int count = 0;
    OptionRows rows = {0};
    ReportOptions options = {0};
    option_rows_add(&rows, report_options, COUNT(report_options));
    bool ok =
        options_parse(&rows, argc, argv, argc, given, &count, err) && options_set(&rows, given, &options, &arena, err);
    const char *out = options.out;
    const char *const *folders = (const char *const *)(argv + 1);
    if (ok && count < 1) ok = fail_usage(err, "report: name the folder of a run, as in: lethe report lethe-out");
    ok = ok && (!out || report_check_out(&arena, out, err)) && asset_expand(&arena, "DejaVuSans.ttf", &font, err) &&
         report_load(&arena, folders, count, &results, err);
    if (!out && count == 1) out = folders[0];
    ok = ok && report_apply(&results, &options, out != NULL, err) && report_table(&results, stdout);
    if (ok && out) ok = report_write(&results, out, font, err);
    json_decref(given);
    arena_free(&arena);
    return ok;
}
