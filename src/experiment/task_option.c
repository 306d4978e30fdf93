#include "experiment.h"

#include <stdlib.h>
#include <string.h>

/* --task NAME=TRAIN,EVAL or NAME=FILE,20%, each also with text=COLUMN, pair=COLUMN, label=COLUMN after it. A comma
 * within a path or a column's name is written "\,". */

/* Cuts the next item off; false at the end. The item is a copy, in which "\," is a comma. */
static bool task_item(Arena *arena, const char **rest, char **item)
{
    const char *p = *rest;
    if (!p) return false;
    char *out = *item = arena_new(arena, char, strlen(p) + 1);
    for (; *p && *p != ','; p++) {
        if (p[0] == '\\' && p[1] == ',') p++;
        *out++ = *p;
    }
    *rest = *p ? p + 1 : NULL;
    return true;
}

/* "~" and "~/..." as a shell would have it where it does not look: after a comma or an equals sign. */
static const char *task_path(Arena *arena, const char *path)
{
    const char *home = path[0] == '~' && (!path[1] || sys_is_separator(path[1])) ? sys_home() : NULL;
    return home ? arena_printf(arena, "%s%s", home, path + 1) : path;
}

/* "20%" as 20; false: it is none. */
static bool task_percent(const char *item, double *percent)
{
    const Str text = str(item);
    return text.size > 1 && str_ends(text, S("%")) && parse_double((Str){item, text.size - 1}, percent);
}

static bool task_column(const char *option, const char *item, ColumnNames *names, bool *is, Err *err)
{
    const struct {
        const char *key, **name;
    } keys[] = {{"text=", &names->text}, {"pair=", &names->pair}, {"label=", &names->label}};
    *is = false;
    for (size_t i = 0; i < COUNT(keys); i++) {
        const size_t size = strlen(keys[i].key);
        if (strncmp(item, keys[i].key, size) != 0) continue;
        if (!item[size] || *keys[i].name)
            return fail_usage(err, "--task %s: %s %s", str_show(str(option)), keys[i].key,
                              item[size] ? "is given twice" : "needs a column's name");
        *keys[i].name = item + size;
        *is = true;
    }
    return true;
}

static bool task_parse(Arena *arena, const char *value, TaskSource *out, Err *err)
{
    const char *equals = strchr(value, '='), *rest = equals ? equals + 1 : NULL, *files[2] = {0};
    const char *shown = str_show(str(value));
    size_t count = 0;
    char *item;
    *out = (TaskSource){0};
    while (task_item(arena, &rest, &item)) {
        bool column;
        if (!task_column(value, item, &out->columns, &column, err)) return false;
        if (column) continue;
        if (count == 2 || out->columns.text || out->columns.pair || out->columns.label)
            return fail_usage(
                err,
                "--task %s: \"%s\" is one file too many; after TRAIN,EVAL only text=, pair= and label= may "
                "stand, and a comma within a name is written \\,",
                shown, str_show(str(item)));
        files[count++] = item;
    }
    if (count != 2 || !*files[0] || !*files[1])
        return fail_usage(
            err,
            "--task %s: write NAME=TRAIN,EVAL, as in --task mine=train.tsv,eval.tsv, or NAME=FILE,20%% to "
            "split one file",
            shown);
    out->name = arena_copy(arena, value, (size_t)(equals - value));
    out->train = out->eval = task_path(arena, files[0]);
    if (!task_percent(files[1], &out->percent))
        out->eval = task_path(arena, files[1]);
    else if (out->percent < 0.1 || out->percent > 90)
        return fail_usage(err, "--task %s: from 0.1%% to 90%% of a file's rows can be set aside to evaluate", shown);
    return true;
}
