#include "command.h"

/* lethe licenses: what build.sh collected from the packages that went into the binary. */
bool command_licenses(int argc, char **argv, Err *err)
{
    if (argc > 1) return fail_usage(err, "%s: unexpected argument; see lethe help licenses", str_show(str(argv[1])));
    Arena arena = {0};
    Str text;
    const bool ok = asset_expand(&arena, "licenses.txt", &text, err);
    if (ok) fwrite(text.at, 1, text.size, stdout);
    arena_free(&arena);
    return ok;
}
