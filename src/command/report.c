#include "command.h"

/* lethe report OUT...: table and charts again from results.jsonl; several runs are joined over their seeds. */
bool command_report(int argc, char **argv, Err *err)
{
    if (argc < 2) return fail_usage(err, "report: name the folder of a run, as in: lethe report lethe-out");
    for (int i = 1; i < argc; i++)
        if (argv[i][0] == '-')
            return fail_usage(err, "%s: unknown option; see lethe help report", str_show(str(argv[i])));
    Arena arena = {0};
    Results results;
    Str font;
    bool ok = asset_expand(&arena, "DejaVuSans.ttf", &font, err) &&
              report_load(&arena, (const char *const *)(argv + 1), argc - 1, &results, err) &&
              report_table(&results, stdout);
    if (ok && argc == 2) ok = report_write(&results, argv[1], font, err);
    arena_free(&arena);
    return ok;
}
