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
    unsigned expert;
} ReportOptions;

static const Option report_options[] = {
    {"out", OPTION_TEXT, 0, 0, "DIR", "folder for what is joined", .target = offsetof(ReportOptions, out)},
    OPTION_MATCH_MARGIN("two methods learned a task equally well when the 90% interval of their\ndifference lies "
                        "within this many points",
                        offsetof(ReportOptions, match_margin)),
    OPTION_WORDS_CHOICE(offsetof(ReportOptions, expert)),
};

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
    if (ok && count < 1) ok = fail_usage(err, "report: name the folder of a run, as in: lethe report lethe-out");
    if (!out && count == 1 && ok) joined = folders[0];
    ok = ok && (!out || report_check_out(&arena, out, err)) &&
         report_folders(&arena, folders, count, &folders, &count, err) &&
         asset_expand(&arena, "DejaVuSans.ttf", &font, err) && report_load(&arena, folders, count, &results, err);
    if (options.match_margin > 0) results.match_margin = (double)options.match_margin / 100;
    results.expert = options.expert;
    ok = ok && report_table(&results, stdout);
    if (!out) out = joined;
    if (ok && out) ok = report_write(&results, out, font, err);
    if (ok && out && (count > 1 || !file_exists(arena_printf(&arena, "%s/results.jsonl", out))))
        ok = report_write_joined(out, folders, count, err);
    json_decref(given);
    arena_free(&arena);
    return ok;
}
