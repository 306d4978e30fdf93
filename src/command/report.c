#include "command.h"

#include <getopt.h>
#include <unistd.h>

/* lethe report [--out DIR] OUT...: table, charts and page again from results.jsonl; several folders are joined. */

/* A folder to write to must not be another run's: its report would be overwritten. */
static bool report_check_out(Arena *arena, const char *out, Err *err)
{
    if (access(arena_printf(arena, "%s/results.jsonl", out), F_OK) != 0) return true;
    return fail(err, "%s holds a run of its own; choose another folder with --out", out);
}

bool command_report(int argc, char **argv, Err *err)
{
    static const struct option longs[] = {{"out", required_argument, NULL, 'o'}, {0}};
    const char *out = NULL;
    Arena arena = {0};
    Results results;
    Str font;
    opterr = 0;
    optind = 1;
    for (int code; (code = getopt_long(argc, argv, ":", longs, NULL)) != -1;) {
        if (code != 'o')
            return fail_usage(err, "%s: unknown option, or its value is missing; see lethe help report",
                              str_show(str(argv[optind - 1])));
        out = optarg;
    }
    const char *const *folders = (const char *const *)(argv + optind);
    const int count = argc - optind;
    if (count < 1) return fail_usage(err, "report: name the folder of a run, as in: lethe report lethe-out");
    bool ok = (!out || report_check_out(&arena, out, err)) && asset_expand(&arena, "DejaVuSans.ttf", &font, err) &&
              report_load(&arena, folders, count, &results, err) && report_table(&results, stdout);
    if (!out && count == 1) out = folders[0];
    if (ok && out) ok = report_write(&results, out, font, err);
    arena_free(&arena);
    return ok;
}
