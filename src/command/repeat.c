#include "command.h"

#include <stdlib.h>
#include <string.h>

/* lethe run --config: the options of an OUT/config.json, to repeat its run. */

/* An option of a config.json: as lethe writes it, or as people do: a number as a number. */
static bool run_check_config_option(const char *path, json_t *old, const char *name, json_t *value, Err *err)
{
    const Option *row = option_find(run_options(), name);
    if (!row || strcmp(name, "config") == 0)
        return fail(err, "%s: option \"%s\" is not one that lethe writes", path, str_show(str(name)));
    const bool list = row->type == OPTION_LIST, flag = row->type == OPTION_FLAG;
    if (json_is_number(value) && !list && !flag) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
        json_object_set_new(old, name, json_string(text));
        free(text);
        return true;
    }
    return (list   ? json_is_array(value)
            : flag ? json_is_true(value)
                   : json_is_string(value)) ||
           fail(err, "%s: option \"%s\" must be %s", path, name,
                list   ? "a list of texts"
                : flag ? "true"
                       : "a text or a number");
}

/* What the run to repeat was made of, but for what the command line names anew, as JSON text; NULL: it is not recorded.
 */
static const char *run_repeated(const json_t *config, const json_t *options, Arena *arena)
{
    json_t *identity = json_copy(json_object_get(config, "identity"));
    if (json_object_get(options, "task")) json_object_del(identity, "tasks");
    if (json_object_get(options, "model")) json_object_del(identity, "model_sha256");
    char *text = json_is_object(identity) ? json_dumps(identity, JSON_COMPACT) : NULL;
    const char *copy = text ? arena_copy(arena, text, strlen(text)) : NULL;
    free(text);
    json_decref(identity);
    return copy;
}

/* Adds what a config.json gives single tasks and the command line does not. */
static void run_merge_task_options(json_t *options, const json_t *old)
{
    size_t i, k;
    json_t *value, *given, *list = json_object_get(options, "task-option");
    const size_t count = json_array_size(list);
    json_array_foreach(json_object_get(old, "task-option"), i, value)
    {
        const char *text = json_string_value(value), *equals = text ? strchr(text, '=') : NULL;
        bool known = !equals;
        json_array_foreach(list, k, given)
        {
            known = known || (k < count && strncmp(json_string_value(given), text, (size_t)(equals - text) + 1) == 0);
        }
        if (list && !known) json_array_append(list, value);
    }
}

/* Adds the options of a config.json that are not given. *repeats: as of run_repeated. */
static bool run_merge_config(Str text, const char *path, json_t *options, Arena *arena, const char **repeats, Err *err)
{
    json_t *config = NULL;
    if (!json_parse(text, path, &config, err)) return false;
    json_t *old = json_object_get(config, "options"), *value;
    const char *name;
    bool ok =
        json_is_object(old) || fail(err, "%s: \"options\" is missing; is this a config.json that lethe wrote?", path);
    if (ok && (json_object_get(options, "seed") || json_object_get(options, "seeds"))) {
        json_object_del(old, "seed");
        json_object_del(old, "seeds");
    }
    void *next;
    json_object_foreach_safe(old, next, name, value) ok = ok && run_check_config_option(path, old, name, value, err);
    if (ok) *repeats = run_repeated(config, options, arena);
    if (ok) run_merge_task_options(options, old);
    if (ok) json_object_update_missing(options, old);
    json_decref(config);
    return ok;
}
