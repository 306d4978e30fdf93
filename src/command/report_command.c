#include "command.h"

#include <stddef.h>

/* lethe report [--out DIR] OUT...: table, charts and page again from results.jsonl; several folders are joined. */

/* A folder to write to must not be another run's: its report would be overwritten. */
static bool report_check_out(Arena *arena, const char *out, Err *err)
{
    if (!report_has_run(arena, out)) return true;
    return fail(err, "%s holds a run of its own; choose another folder with --out", out);
}

typedef struct ReportOptions {
    const char *out;
    float match_margin; /* in points; 0: what the runs say */
    unsigned expert, talk, metric;
    bool svg, latex, csv, next;
    float text;
    const char *order, *colours;
} ReportOptions;

/* Text of a picture for a room: so large that the last row reads it. */
enum { REPORT_TALK_TEXT = 36 };

static const char *const report_sizes[] = {"page", "talk", NULL};
static const char *const report_metrics[] = {
    [METRIC_ACCURACY] = "accuracy", [METRIC_MACRO_F1] = "macro-f1", [METRIC_MCC] = "mcc", NULL};

static const Option report_options[] = {
    {"out", OPTION_TEXT, 0, 0, "DIR", "folder for what is joined", .target = offsetof(ReportOptions, out)},
    OPTION_MATCH_MARGIN("two methods learned a task equally well when the 90% interval of their\ndifference lies "
                        "within this many points",
                        offsetof(ReportOptions, match_margin)),
    OPTION_WORDS_CHOICE(offsetof(ReportOptions, expert)),
    {"next", OPTION_FLAG, 0, 0, NULL, "print what to do next, with commands to copy, and nothing else",
     .target = offsetof(ReportOptions, next)},
    {"order", OPTION_TEXT, 0, 0, "LIST", "methods that come first, in this order",
     .target = offsetof(ReportOptions, order)},
    {"rename", OPTION_LIST, 0, 0, "METHOD=NAME", "what a method is called in table, page and pictures; repeat for each",
     .passing = true},
    {"chart-size", OPTION_CHOICE, 0, 0, "WHICH", "of what pictures say: page, or talk, for a screen in a room",
     .default_value = "page", .choices = report_sizes, .target = offsetof(ReportOptions, talk)},
    {"chart-text", OPTION_REAL, 14, 48, "PIXELS", "size of text in pictures, which are 1600 wide",
     .default_words = "25; 36 for a talk", .unit = "pixels", .target = offsetof(ReportOptions, text)},
    {"chart-title", OPTION_LIST, 0, 0, "CHART=TEXT",
     "of a picture, by the name of its file, or of all; no TEXT: no title;\nrepeat for each", .passing = true},
    {"chart-colours", OPTION_TEXT, 0, 0, "LIST", "in place of blue, orange, ..., as in \"#0072b2,#e69f00\"",
     .target = offsetof(ReportOptions, colours)},
    {"metric", OPTION_CHOICE, 0, 0, "NAME",
     "of the tables' numbers: accuracy, macro-f1, or mcc (Matthews correlation);\nwhat is forgotten is decided by "
     "accuracy all the same",
     .default_value = "accuracy", .choices = report_metrics, .target = offsetof(ReportOptions, metric)},
    {"latex", OPTION_FLAG, 0, 0, NULL, "write tables.tex (booktabs), setup.tex and references.bib, too",
     .target = offsetof(ReportOptions, latex)},
    {"csv", OPTION_FLAG, 0, 0, NULL, "write tables.csv, too", .target = offsetof(ReportOptions, csv)},
    {"svg", OPTION_FLAG, 0, 0, NULL, "write charts/*.svg, too", .target = offsetof(ReportOptions, svg)},
};

/* The texts that were given for an option that may be repeated; NULL after the last. */
static const char *const *report_given(Arena *arena, const json_t *given, const char *name)
{
    const json_t *list = json_object_get(given, name);
    const char **texts = arena_new(arena, const char *, json_array_size(list) + 1);
    for (size_t i = 0; i < json_array_size(list); i++) texts[i] = json_string_value(json_array_get(list, i));
    return texts;
}

/* How the report looks: colours and titles, before anything is read. */
static bool report_look(Arena *arena, const json_t *given, const ReportOptions *options, ReportLook *look, Err *err)
{
    *look = (ReportLook){.text = options->text > 0 ? options->text : options->talk ? REPORT_TALK_TEXT : LOOK_TEXT};
    look->titles = report_given(arena, given, "chart-title");
    for (const char *const *title = look->titles; *title; title++)
        if (!look_title(*title, err)) return false;
    return !options->colours || look_colours(look, options->colours, err);
}

/* Order and names of methods. */
static bool report_arrange(Arena *arena, const json_t *given, const ReportOptions *options, Results *r, Err *err)
{
    if (options->order && !report_order(arena, r, options->order, err)) return false;
    for (const char *const *name = report_given(arena, given, "rename"); *name; name++)
        if (!report_rename(arena, r, *name, err)) return false;
    return true;
}

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

/* Where the report lies, and what its pictures could not show. */
static void report_say_written(Arena *arena, const Results *r, const char *out, Str font)
{
    const char *letters = report_letters(arena, r, font);
    if (*letters) {
        text_wrap(stdout, text_for(arena, medium_of_terminal(), letters), 0, 0, 80);
        printf("\n");
    }
    printf("To open in a browser: %s/report.html\n", out);
}

/* The files of the report, in out. */
static bool report_leave(Arena *arena, const Results *r, const char *out, const char *const *folders, int count,
                         Str font, Err *err)
{
    const bool joined = count > 1 || !report_has_run(arena, out);
    if (!report_write(r, out, font, err) || (joined && !report_write_joined(out, folders, count, err))) return false;
    report_say_written(arena, r, out, font);
    return true;
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
    const char *const *folders = (const char *const *)(argv + 1), *joined = NULL;
    ReportLook look = {0};
    if (ok && count < 1) ok = fail_usage(err, "report: name the folder of a run, as in: lethe report lethe-out");
    if (!out && count == 1 && ok) joined = folders[0];
    ok = ok && (!out || report_check_out(&arena, out, err)) && report_look(&arena, given, &options, &look, err) &&
         report_folders(&arena, folders, count, &folders, &count, err) &&
         asset_expand(&arena, "DejaVuSans.ttf", &font, err) && report_load(&arena, folders, count, &results, err) &&
         report_arrange(&arena, given, &options, &results, err);
    results.look = look;
    if (!out) out = joined;
    ok = ok && report_apply(&results, &options, out != NULL, err);
    if (ok) report_judge(&arena, &results);
    ok = ok && (options.next ? report_next(&results, stdout) : report_table(&results, stdout));
    if (ok && out && !options.next) ok = report_leave(&arena, &results, out, folders, count, font, err);
    json_decref(given);
    arena_free(&arena);
    return ok;
}
