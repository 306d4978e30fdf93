#include "command.h"


/* lethe report [--out DIR] OUT...: table, charts and page again from results.jsonl; several folders are joined. */

/* A folder to write to must not be another run's: its report would be overwritten. */
static bool report_check_out(Arena *arena, const char *out, Err *err)
{
    if (!file_exists(arena_printf(arena, "%s/results.jsonl", out))) return true;
    return fail(err, "%s holds a run of its own; choose another folder with --out", out);
}

static const Option report_options[] = {
    {"out", OPTION_TEXT, 0, 0, "DIR", "folder for what is joined"},
    {"match-margin", OPTION_REAL, 0.1, 100, "POINTS",
     "two methods learned a task equally well when the 90% interval of their\ndifference lies within this many points "
     "[5]"},
};

bool command_report(int argc, char **argv, Err *err)
{
    Arena arena = {0};
    Results results = {0};
    Str font;
    json_t *options = json_object();
    int count = 0;
    bool ok = options_parse(report_options, COUNT(report_options), argc, argv, argc, options, &count, err);
    const char *out = option_text(options, "out"), *margin = option_text(options, "match-margin");
    double points = 0;
    if (ok && margin)
        ok = option_number(option_find(report_options, COUNT(report_options), "match-margin"), margin, NULL, &points,
                           err);
    const char *const *folders = (const char *const *)(argv + 1);
    if (ok && count < 1) ok = fail_usage(err, "report: name the folder of a run, as in: lethe report lethe-out");
    ok = ok && (!out || report_check_out(&arena, out, err)) && asset_expand(&arena, "DejaVuSans.ttf", &font, err) &&
         report_load(&arena, folders, count, &results, err);
    if (margin) results.match_margin = points / 100;
    ok = ok && report_table(&results, stdout);
    if (!out && count == 1) out = folders[0];
    if (ok && out) ok = report_write(&results, out, font, err);
    json_decref(options);
    arena_free(&arena);
    return ok;
}
