#include "report.h"

#include <math.h>
#include <string.h>

/* results.jsonl -> Results. The file may be damaged: nothing in it is believed before it is checked. Here: what every
 * event needs, and the run event. */

enum { LOAD_LIMIT_BYTES = 1 << 30, LOAD_MAX_NAMES = 1000, LOAD_MAX_NAME = 64, LOAD_MAX_TEXT = 4096 };

typedef struct Loader {
    Arena *arena;
    const char *path;
    size_t line;
    char what[1100]; /* "path: line N", for errors */
    json_t *run;     /* the run event */
    bool done;
    size_t last; /* index of the run that the latest event belonged to */
    Results *out;
} Loader;

/* Bytes of the character at `p` that would act on a terminal or turn the text around instead of being shown: a control
 * character (C0, DEL, C1), a line separator or a direction override. 0: none. */
static size_t load_control(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    if (b[0] < ' ' || b[0] == 127) return 1;
    if (b[0] == 0xc2 && b[1] >= 0x80 && b[1] <= 0x9f) return 2;
    if (b[0] == 0xe2 && b[1] == 0x80 && b[2] >= 0xa8 && b[2] <= 0xae) return 3;
    return b[0] == 0xe2 && b[1] == 0x81 && b[2] >= 0xa6 && b[2] <= 0xa9 ? 3 : 0;
}

/* A name is shown in a terminal, in Markdown and in pictures: no control characters, and not endless. */
static const char *load_name_of(Loader *l, const json_t *value, const char *key, size_t most, Err *err)
{
    const char *text = json_string_value(value);
    const size_t size = text ? strlen(text) : 0;
    bool plain = size > 0 && size <= most;
    for (size_t i = 0; i < size && plain; i++) plain = !load_control(text + i);
    if (plain) return arena_copy(l->arena, text, size);
    fail(err, "%s: %s must be a name of 1 to %zu bytes", l->what, key, most);
    return NULL;
}

static const char *load_name(Loader *l, const json_t *value, const char *key, Err *err)
{
    return load_name_of(l, value, key, LOAD_MAX_NAME, err);
}

/* Text for people, which may be missing; a control character becomes a space. */
static const char *load_text(Loader *l, const json_t *value)
{
    const char *text = json_string_value(value);
    char *copy = text ? arena_copy(l->arena, text, strlen(text)) : "", *to = copy;
    for (const char *from = copy; *from;) {
        const size_t control = load_control(from);
        *to++ = control ? ' ' : *from;
        from += control ? control : 1;
    }
    if (text) *to = 0;
    return copy;
}

static bool load_count(Loader *l, const json_t *event, const char *key, uint32_t low, uint32_t high, uint32_t *value,
                       Err *err)
{
    int64_t n;
    if (!json_get_int(event, l->what, key, low, high, &n, err)) return false;
    *value = (uint32_t)n;
    return true;
}

static bool load_list(Loader *l, const json_t *event, const char *key, size_t most, size_t *count, Err *err)
{
    const json_t *list = json_object_get(event, key);
    *count = json_array_size(list);
    if (!json_is_array(list) || *count == 0 || *count > most)
        return fail(err, "%s: \"%s\" must be a list of 1 to %zu entries", l->what, key, most);
    return true;
}

/* The names of the classes, which may be missing. */
static bool load_class_names(Loader *l, const json_t *entry, ResultTask *task, Err *err)
{
    const json_t *names = json_object_get(entry, "class_names");
    if (!names) return true;
    if (json_array_size(names) != task->classes)
        return fail(err, "%s: \"class_names\" must name each of the %u classes", l->what, task->classes);
    task->class_names = arena_new(l->arena, const char *, task->classes);
    for (uint32_t c = 0; c < task->classes; c++) {
        if (!json_is_string(json_array_get(names, c))) return fail(err, "%s: \"class_names\" must hold texts", l->what);
        task->class_names[c] = load_text(l, json_array_get(names, c));
    }
    return true;
}

/* A whole number up to `most` for each of `rows` rows, which may be missing: then *values is NULL. */
static bool load_values(Loader *l, const json_t *object, const char *key, uint32_t rows, uint32_t most,
                        uint32_t **values, Err *err)
{
    const json_t *text = json_object_get(object, key);
    const Str hex = {json_string_value(text), json_string_length(text)};
    const size_t wanted = (size_t)rows * rows_values_width(most);
    *values = NULL;
    if (!text) return true;
    const bool fits = hex.at && hex.size == wanted; /* before so many rows are believed */
    *values = arena_new(l->arena, uint32_t, fits ? rows : 1);
    return (fits && rows_values_parse(hex, rows, most, *values)) ||
           fail(err, "%s: \"%s\" must hold %zu hexadecimal digits for %u rows, none above %x", l->what, key, wanted,
                rows, most);
}

static void load_task_facts(Loader *l, const json_t *entry, ResultTask *task); /* load_setup.c */

static bool load_labels(Loader *l, const json_t *entry, ResultTask *task, Err *err)
{
    uint32_t *labels;
    if (!load_values(l, entry, "labels", task->eval_rows, task->classes - 1, &labels, err)) return false;
    task->labels = labels;
    return true;
}

static bool load_task(Loader *l, const json_t *entry, ResultTask *task, Err *err)
{
    if (!json_is_object(entry)) return fail(err, "%s: \"tasks\" must hold objects", l->what);
    task->name = load_name(l, json_object_get(entry, "name"), "a task's \"name\"", err);
    task->train = load_text(l, json_object_get(entry, "train"));
    task->eval = load_text(l, json_object_get(entry, "eval"));
    load_task_facts(l, entry, task);
    const json_int_t file_rows = json_integer_value(json_object_get(entry, "eval_file_rows"));
    task->eval_file_rows = file_rows > 0 && file_rows <= UINT32_MAX ? (uint32_t)file_rows : 0;
    return task->name && load_count(l, entry, "classes", 1, 1000000, &task->classes, err) &&
           load_count(l, entry, "train_rows", 1, UINT32_MAX, &task->train_rows, err) &&
           load_count(l, entry, "eval_rows", 1, UINT32_MAX, &task->eval_rows, err) &&
           json_get_double(entry, l->what, "majority_rate", 0, 1, &task->majority_rate, err) &&
           load_class_names(l, entry, task, err) && load_labels(l, entry, task, err);
}

static bool load_tasks(Loader *l, Err *err)
{
    size_t count;
    if (!load_list(l, l->run, "tasks", 64, &count, err)) return false;
    l->out->task_count = (int)count;
    l->out->tasks = arena_new(l->arena, ResultTask, count);
    for (size_t i = 0; i < count; i++) {
        if (!load_task(l, json_array_get(json_object_get(l->run, "tasks"), i), &l->out->tasks[i], err)) return false;
        for (size_t j = 0; j < i; j++)
            if (strcmp(l->out->tasks[j].name, l->out->tasks[i].name) == 0)
                return fail(err, "%s: two tasks are called %s", l->what, l->out->tasks[i].name);
    }
    return true;
}

static int load_find_method(const Results *results, const char *name)
{
    for (int i = 0; i < results->method_count; i++)
        if (strcmp(results->methods[i], name) == 0) return i;
    return -1;
}

static bool load_methods(Loader *l, Err *err)
{
    size_t count;
    if (!load_list(l, l->run, "methods", LOAD_MAX_NAMES, &count, err)) return false;
    l->out->methods = arena_new(l->arena, const char *, count);
    for (size_t i = 0; i < count; i++) {
        const char *name =
            load_name_of(l, json_array_get(json_object_get(l->run, "methods"), i), "a method", METHOD_MAX_NAME, err);
        if (!name) return false;
        if (load_find_method(l->out, name) >= 0) return fail(err, "%s: method %s is named twice", l->what, name);
        l->out->methods[l->out->method_count++] = name;
    }
    return true;
}

static const char *const load_kinds[METHOD_KINDS] = {"method", "separate", "floor", "ceiling", "after"};

/* "method_info", in the order of "methods"; it may be missing. */
static bool load_method_info(Loader *l, Err *err)
{
    const json_t *list = json_object_get(l->run, "method_info");
    const int count = l->out->method_count;
    l->out->method_info = arena_new(l->arena, ResultMethodInfo, (size_t)count);
    for (int m = 0; m < count; m++) l->out->method_info[m] = (ResultMethodInfo){.about = "", .cite = ""};
    if (!list) return true;
    if (json_array_size(list) != (size_t)count)
        return fail(err, "%s: \"method_info\" must describe each of the %d methods", l->what, count);
    for (int m = 0; m < count; m++) {
        const json_t *entry = json_array_get(list, (size_t)m);
        const char *name = json_string_value(json_object_get(entry, "method"));
        const char *kind = json_string_value(json_object_get(entry, "kind"));
        if (!name || strcmp(name, l->out->methods[m]) != 0)
            return fail(err, "%s: entry %d of \"method_info\" must be that of method %s", l->what, m + 1,
                        l->out->methods[m]);
        int k = 0;
        while (k < METHOD_KINDS && (!kind || strcmp(kind, load_kinds[k]) != 0)) k++;
        if (k == METHOD_KINDS)
            return fail(err, "%s: the \"kind\" of method %s is none of method, separate, floor, ceiling, after",
                        l->what, name);
        l->out->method_info[m] = (ResultMethodInfo){.kind = (MethodKind)k,
                                                    .about = load_text(l, json_object_get(entry, "about")),
                                                    .cite = load_text(l, json_object_get(entry, "cite"))};
    }
    return true;
}

static bool load_has_seed(const Loader *l, json_int_t seed)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(l->run, "seeds"), i, entry)
    {
        if (json_is_integer(entry) && json_integer_value(entry) == seed) return true;
    }
    return false;
}

static bool load_seeds(Loader *l, Err *err)
{
    size_t count;
    if (!load_list(l, l->run, "seeds", LOAD_MAX_NAMES, &count, err)) return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *seed = json_array_get(json_object_get(l->run, "seeds"), i);
        const json_int_t n = json_integer_value(seed);
        if (!json_is_integer(seed) || n < 0 || n > UINT32_MAX)
            return fail(err, "%s: \"seeds\" must hold whole numbers from 0 to 4294967295", l->what);
        for (size_t k = 0; k < i; k++)
            if (json_integer_value(json_array_get(json_object_get(l->run, "seeds"), k)) == n)
                return fail(err, "%s: seed %u is named twice", l->what, (uint32_t)n);
    }
    l->out->seed_count = (int)count;
    return true;
}

/* A number for people: one that is missing or strange is left out. */
static double load_optional(const Loader *l, const char *key)
{
    const double x = json_number_value(json_object_get(l->run, key));
    return x > 0 && x <= UINT32_MAX ? x : 0;
}

static void load_setup(Loader *l);              /* load_setup.c */
static bool load_settings(Loader *l, Err *err); /* load_settings.c */

static bool load_run_event(Loader *l, json_t *event, Err *err)
{
    if (l->run) return fail(err, "%s: a second \"run\" event; a results.jsonl holds one run", l->what);
    l->run = json_incref(event);
    Results *out = l->out;
    const json_t *model = json_object_get(event, "model");
    out->version = load_text(l, json_object_get(event, "version"));
    out->preset = load_text(l, json_object_get(event, "preset"));
    out->device = load_text(l, json_object_get(event, "device"));
    out->model = load_text(l, json_is_object(model) ? json_object_get(model, "name") : NULL);
    out->acquaintance = load_text(l, json_is_object(model) ? json_object_get(model, "acquaintance") : NULL);
    out->shared_first = json_is_true(json_object_get(event, "shared_first"));
    out->match_margin = load_optional(l, "match_margin") / 100;
    if (out->match_margin > 1)
        return fail(err, "%s: \"match_margin\" is %g, outside 0 to 100", l->what, 100 * out->match_margin);
    if (!load_tasks(l, err) || !load_methods(l, err) || !load_method_info(l, err) || !load_settings(l, err) ||
        !load_seeds(l, err))
        return false;
    load_setup(l);
    return true;
}

/* The run that the event's method and seed belong to. */
static ResultRun *load_run_of(Loader *l, const json_t *event, Err *err)
{
    Results *out = l->out;
    const char *name = json_string_value(json_object_get(event, "method"));
    const int method = name ? load_find_method(out, name) : -1;
    const json_t *seed_value = json_object_get(event, "seed");
    const json_int_t seed = json_integer_value(seed_value);
    if (method < 0) {
        fail(err, "%s: \"method\" is none of the methods that the run event names", l->what);
        return NULL;
    }
    if (!json_is_integer(seed_value) || !load_has_seed(l, seed)) {
        fail(err, "%s: \"seed\" is none of the seeds that the run event names", l->what);
        return NULL;
    }
    for (size_t i = l->last; i < out->runs.count; i++)
        if (out->runs.at[i].method == method && out->runs.at[i].seed == seed) return &out->runs.at[l->last = i];
    for (size_t i = 0; i < l->last; i++)
        if (out->runs.at[i].method == method && out->runs.at[i].seed == seed) return &out->runs.at[l->last = i];
    ResultRun *run = dyn_push(l->arena, &out->runs);
    const size_t tasks = (size_t)out->task_count;
    *run = (ResultRun){.method = method, .seed = (uint32_t)seed};
    run->matrix = arena_new(l->arena, Evaluation, tasks * tasks);
    run->draws = arena_new(l->arena, double *, tasks *tasks);
    run->curves = arena_new(l->arena, ResultCurve, tasks);
    run->old = arena_new(l->arena, ResultOld *, tasks * tasks);
    run->probe = arena_new(l->arena, ResultShare, (tasks + 1) * tasks);
    l->last = out->runs.count - 1;
    return run;
}
