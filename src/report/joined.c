#include "report.h"

#include <string.h>

/* A joined folder holds no results of its own: joined.json lists the folders of the runs, so that it can be drawn
 * again, and joined again. */

enum { JOINED_LIMIT_BYTES = 1 << 20, JOINED_MOST = 10000 };
typedef DYN(const char *) FolderList;

/* {"folders": ["/path/of/a/run", ...]} */
static bool joined_parse(Arena *arena, Str text, const char *what, FolderList *out, Err *err)
{
    size_t i;
    json_t *object = NULL, *folder;
    if (!json_parse_object(text, what, &object, err)) return false;
    const json_t *folders = json_object_get(object, "folders");
    bool ok = (json_is_array(folders) && json_array_size(folders) > 0 && json_array_size(folders) <= JOINED_MOST) ||
              fail(err, "%s: \"folders\" must be a list of 1 to %d folders", what, JOINED_MOST);
    json_array_foreach(folders, i, folder)
    {
        const char *path = json_string_value(folder);
        if (ok && (!path || !*path)) ok = fail(err, "%s: \"folders\" must hold texts", what);
        if (ok) *dyn_push(arena, out) = arena_copy(arena, path, strlen(path));
    }
    json_decref(object);
    return ok;
}

/* Adds a folder, once: by two names it is the same one. */
static void joined_add(Arena *arena, FolderList *list, const char *folder)
{
    SysInfo a, b;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i], folder) == 0 ||
            (!sys_info(list->at[i], &a) && !sys_info(folder, &b) && sys_same(&a, &b)))
            return;
    *dyn_push(arena, list) = folder;
}

static const char *joined_path(Arena *arena, const char *folder)
{
    return arena_printf(arena, "%s/joined.json", folder);
}

bool report_has_run(Arena *arena, const char *folder)
{
    return file_exists(arena_printf(arena, "%s/results.jsonl", folder));
}

bool report_is_folder(Arena *arena, const char *folder)
{
    return report_has_run(arena, folder) || file_exists(joined_path(arena, folder));
}

bool report_folders(Arena *arena, const char *const *given, int count, const char *const **folders, int *folder_count,
                    Err *err)
{
    FolderList all = {0};
    for (int i = 0; i < count; i++) {
        Str text;
        FolderList joined = {0};
        const char *path = joined_path(arena, given[i]);
        if (report_has_run(arena, given[i]) || !file_exists(path)) {
            /* the same run named twice is a mistake, which joining reports */
            *dyn_push(arena, &all) = given[i];
            continue;
        }
        if (!file_read(arena, path, JOINED_LIMIT_BYTES, &text, err) || !joined_parse(arena, text, path, &joined, err))
            return false;
        for (size_t k = 0; k < joined.count; k++) {
            if (!report_has_run(arena, joined.at[k]))
                return fail(err, "%s: %s, which it joins, holds no results.jsonl any more; join the folders again",
                            path, str_show(str(joined.at[k])));
            joined_add(arena, &all, joined.at[k]);
        }
    }
    *folders = all.at;
    *folder_count = (int)all.count;
    return true;
}

bool report_write_joined(const char *out_dir, const char *const *folders, int count, Err *err)
{
    Arena arena = {0};
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        char path[SYS_PATH_BYTES];
        json_array_append_new(list, json_string(sys_path_real(folders[i], path) ? folders[i] : path));
    }
    json_t *joined = json_pack("{s:o}", "folders", list);
    const bool ok = json_write(joined_path(&arena, out_dir), joined, err);
    json_decref(joined);
    arena_free(&arena);
    return ok;
}
