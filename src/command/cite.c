#include "command.h"

#include <string.h>

/* lethe cite [METHODS|OUT]: BibTeX for a paper. What names a folder is one; anything else is a list of methods. */
bool command_cite(int argc, char **argv, Err *err)
{
    json_t *given = json_object();
    int count = 0;
    OptionRows rows = {0};
    Arena arena = {0};
    bool ok = options_parse(&rows, argc, argv, argc, given, &count, err);
    if (ok && count > 1) ok = fail_usage(err, "cite: name one folder, or methods with commas between, as full,ewc");
    const char *what = ok && count ? argv[1] : NULL;
    if (ok && what && report_is_folder(&arena, what)) {
        Results results = {0};
        const char *const *folders = &what;
        int folder_count = 1;
        ok = report_folders(&arena, folders, 1, &folders, &folder_count, err) &&
             report_load(&arena, folders, folder_count, &results, err);
        if (ok) cite_results(&results, stdout);
    } else if (ok && what && file_exists(what)) {
        ok = fail(err, "%s holds no results.jsonl; name the folder that lethe run wrote", str_show(str(what)));
    } else if (ok && what && strchr(what, '/')) {
        ok = fail(err, "%s: no such folder", str_show(str(what)));
    } else if (ok) {
        ok = cite_methods(what, stdout, err);
    }
    json_decref(given);
    arena_free(&arena);
    return ok;
}
