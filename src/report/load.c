#include "report.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* results.jsonl -> Results. The file may be damaged: nothing in it is believed before it is checked. */

enum { LOAD_LIMIT_BYTES = 1 << 30, LOAD_MAX_NAMES = 1000, LOAD_MAX_NAME = 64 };

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

/* A name is shown in a terminal, in Markdown and in pictures: no control characters, and not endless. */
static const char *load_name(Loader *l, const json_t *value, const char *key, Err *err)
{
    const char *text = json_string_value(value);
    const size_t size = text ? strlen(text) : 0;
    bool plain = size > 0 && size <= LOAD_MAX_NAME;
    for (size_t i = 0; i < size && plain; i++) plain = (unsigned char)text[i] >= ' ' && text[i] != 127;
    if (plain) return arena_copy(l->arena, text, size);
    fail(err, "%s: %s must be a name of 1 to %d bytes", l->what, key, LOAD_MAX_NAME);
    return NULL;
}

/* Text for people, which may be missing; control characters are shown as '?'. */
static const char *load_text(Loader *l, const json_t *value)
{
    const char *text = json_string_value(value);
    char *copy = text ? arena_copy(l->arena, text, strlen(text)) : "";
    for (char *p = copy; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127) *p = '?';
    return copy;
}

static bool load_count(Loader *l, const json_t *event, const char *key, uint32_t low, uint32_t high, uint32_t *value, Err *err)
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

static bool load_task(Loader *l, const json_t *entry, ResultTask *task, Err *err)
{
    if (!json_is_object(entry)) return fail(err, "%s: \"tasks\" must hold objects", l->what);
    task->name = load_name(l, json_object_get(entry, "name"), "a task's \"name\"", err);
    task->train = load_text(l, json_object_get(entry, "train"));
    task->eval = load_text(l, json_object_get(entry, "eval"));
    return task->name && load_count(l, entry, "classes", 1, 1000000, &task->classes, err) &&
           load_count(l, entry, "train_rows", 1, UINT32_MAX, &task->train_rows, err) &&
           load_count(l, entry, "eval_rows", 1, UINT32_MAX, &task->eval_rows, err) &&
           json_get_double(entry, l->what, "majority_rate", 0, 1, &task->majority_rate, err);
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
        const char *name = load_name(l, json_array_get(json_object_get(l->run, "methods"), i), "a method", err);
        if (!name) return false;
        if (load_find_method(l->out, name) >= 0) return fail(err, "%s: method %s is named twice", l->what, name);
        l->out->methods[l->out->method_count++] = name;
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
    }
    l->out->seed_count = (int)count;
    return true;
}

/* A hyperparameter is told for people: one that is missing or strange is left out. */
static double load_optional(const Loader *l, const char *key)
{
    const double x = json_number_value(json_object_get(l->run, key));
    return x > 0 && x <= UINT32_MAX ? x : 0;
}

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
    out->epochs = (uint32_t)load_optional(l, "epochs");
    out->batch_size = (uint32_t)load_optional(l, "batch_size");
    out->learning_rate = load_optional(l, "learning_rate");
    out->lora_learning_rate = load_optional(l, "lora_learning_rate");
    return load_tasks(l, err) && load_methods(l, err) && load_seeds(l, err);
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
    run->matrix = arena_new(l->arena, ResultCell, tasks * tasks);
    run->curves = arena_new(l->arena, ResultCurve, tasks);
    l->last = out->runs.count - 1;
    return run;
}

static bool load_step_event(Loader *l, const json_t *event, Err *err)
{
    ResultStep step;
    uint32_t task;
    ResultRun *run = load_run_of(l, event, err);
    if (!run || !load_count(l, event, "task", 1, (uint32_t)l->out->task_count, &task, err) ||
        !load_count(l, event, "step", 1, UINT32_MAX, &step.step, err) ||
        !json_get_double(event, l->what, "loss", -1e9, 1e9, &step.loss, err))
        return false;
    ResultCurve *curve = &run->curves[task - 1];
    if (curve->count && step.step <= curve->at[curve->count - 1].step)
        return fail(err, "%s: step %u follows step %u of the same training", l->what, step.step, curve->at[curve->count - 1].step);
    *dyn_push(l->arena, curve) = step;
    return true;
}

/* "lost" and "gained", when an evaluation tells them: they must lead from the first count to this one. */
static bool load_paired(Loader *l, const json_t *event, const ResultRun *run, uint32_t task, ResultCell *cell, Err *err)
{
    if (!json_object_get(event, "lost") && !json_object_get(event, "gained")) return true;
    if (!load_count(l, event, "lost", 0, cell->rows, &cell->lost, err) ||
        !load_count(l, event, "gained", 0, cell->rows, &cell->gained, err))
        return false;
    const ResultCell *own = &run->matrix[(task - 1) * (uint32_t)l->out->task_count + task - 1];
    cell->paired = own->rows != 0;
    if (cell->paired && (int64_t)own->correct - cell->lost + cell->gained != cell->correct)
        return fail(err, "%s: \"lost\" and \"gained\" do not lead from %u to %u correct rows", l->what, own->correct, cell->correct);
    return true;
}

static bool load_eval_event(Loader *l, const json_t *event, Err *err)
{
    ResultCell cell = {0};
    uint32_t task, after;
    const uint32_t tasks = (uint32_t)l->out->task_count;
    const json_t *final = json_object_get(event, "final"), *told = json_object_get(event, "accuracy");
    ResultRun *run = load_run_of(l, event, err);
    if (!run || !load_count(l, event, "after_task", 1, tasks, &after, err) || !load_count(l, event, "task", 1, tasks, &task, err) ||
        !load_count(l, event, "rows", 1, UINT32_MAX, &cell.rows, err) || !load_count(l, event, "correct", 0, cell.rows, &cell.correct, err))
        return false;
    if (told && !(fabs(json_number_value(told) - (double)cell.correct / cell.rows) < 1e-4))
        return fail(err, "%s: \"accuracy\" is not \"correct\" divided by \"rows\"", l->what);
    if (!json_is_boolean(final)) return fail(err, "%s: \"final\" must be true or false", l->what);
    if (!json_is_true(final)) return true;
    ResultCell *place = &run->matrix[(after - 1) * tasks + task - 1];
    if (cell.rows != l->out->tasks[task - 1].eval_rows)
        return fail(err, "%s: \"rows\" is %u, but task %u has %u evaluation rows", l->what, cell.rows, task, l->out->tasks[task - 1].eval_rows);
    if (place->rows) return fail(err, "%s: a second final evaluation of task %u after task %u", l->what, task, after);
    if (!load_paired(l, event, run, task, &cell, err)) return false;
    *place = cell;
    return true;
}

static bool load_method_event(Loader *l, const json_t *event, Err *err)
{
    int64_t trainable;
    ResultRun *run = load_run_of(l, event, err);
    if (!run || !json_get_int(event, l->what, "trainable", 0, INT64_MAX, &trainable, err) ||
        !json_get_double(event, l->what, "seconds", 0, 1e12, &run->seconds, err))
        return false;
    if (run->finished) return fail(err, "%s: a second \"method\" event of the same method and seed", l->what);
    run->trainable = (uint64_t)trainable;
    run->finished = true;
    return true;
}

static bool load_done_event(Loader *l, const json_t *event, Err *err)
{
    int64_t peak;
    if (!json_get_double(event, l->what, "seconds", 0, 1e12, &l->out->seconds, err) ||
        !json_get_int(event, l->what, "peak_bytes", 0, INT64_MAX, &peak, err))
        return false;
    l->out->peak_bytes = (uint64_t)peak;
    l->done = true;
    return true;
}

static bool load_event(Loader *l, json_t *event, Err *err)
{
    const char *kind = json_string_value(json_object_get(event, "event"));
    if (!kind) return fail(err, "%s: an object with an \"event\" is needed", l->what);
    if (strcmp(kind, "run") == 0) return load_run_event(l, event, err);
    if (!l->run) return fail(err, "%s: the first event must be \"run\"", l->what);
    if (l->done) return fail(err, "%s: an event behind \"done\"", l->what);
    if (strcmp(kind, "step") == 0) return load_step_event(l, event, err);
    if (strcmp(kind, "eval") == 0) return load_eval_event(l, event, err);
    if (strcmp(kind, "method") == 0) return load_method_event(l, event, err);
    if (strcmp(kind, "done") == 0) return load_done_event(l, event, err);
    return true; /* of a newer version */
}

static bool load_line(Loader *l, Str line, bool complete, Err *err)
{
    json_error_t problem;
    l->line++;
    snprintf(l->what, sizeof l->what, "%s: line %zu", l->path, l->line);
    json_t *event = json_loadb(line.at, line.size, JSON_REJECT_DUPLICATES, &problem);
    if (!event && !complete) return true; /* the run was killed while it wrote */
    if (!event) return fail(err, "%s is not valid JSON: %s", l->what, str_show(str(problem.text)));
    const bool ok = load_event(l, event, err);
    json_decref(event);
    return ok;
}

static int load_compare_runs(const void *a, const void *b)
{
    const ResultRun *x = a, *y = b;
    if (x->method != y->method) return x->method < y->method ? -1 : 1;
    return (x->seed > y->seed) - (x->seed < y->seed);
}

static bool load_text_of_run(Loader *l, Str text, Err *err)
{
    for (size_t at = 0; at < text.size;) {
        const char *end = memchr(text.at + at, '\n', text.size - at);
        const size_t size = end ? (size_t)(end - text.at) - at : text.size - at;
        if (!load_line(l, (Str){text.at + at, size}, end != NULL, err)) return false;
        at += size + 1;
    }
    if (!l->run) return fail(err, "%s: holds no event yet; the run has just begun or the file is damaged", l->path);
    l->out->finished = l->done;
    if (l->out->runs.count) qsort(l->out->runs.at, l->out->runs.count, sizeof *l->out->runs.at, load_compare_runs);
    return true;
}

bool report_parse(Arena *arena, Str text, const char *what, Results *out, Err *err)
{
    Loader loader = {.arena = arena, .path = what, .out = out};
    *out = (Results){0};
    const bool ok = load_text_of_run(&loader, text, err);
    json_decref(loader.run);
    return ok;
}

/* ---- several folders ---- */

/* What does not change the numbers, or is what the folders are there to vary. */
static json_t *load_identity(const json_t *run)
{
    static const char *const free_keys[] = {"event", "seeds", "threads", "device", "version"};
    json_t *identity = json_deep_copy(run), *task;
    size_t i;
    for (i = 0; i < COUNT(free_keys); i++) json_object_del(identity, free_keys[i]);
    json_array_foreach(json_object_get(identity, "tasks"), i, task)
    {
        json_object_del(task, "train"); /* paths; rows, classes and rates say whether the data are the same */
        json_object_del(task, "eval");
    }
    return identity;
}

static bool load_same_experiment(const json_t *a, const json_t *b, const char *path_a, const char *path_b, Err *err)
{
    json_t *x = load_identity(a), *y = load_identity(b), *value;
    const char *key;
    bool ok = true;
    json_object_update_missing(x, y);
    json_object_foreach(x, key, value)
    {
        if (json_equal(json_object_get(a, key) ? value : NULL, json_object_get(y, key))) continue;
        ok = fail(err, "%s and %s differ in \"%s\"; only runs of the same experiment with different seeds can be joined", path_a,
                  path_b, str_show(str(key)));
        break;
    }
    json_decref(x);
    json_decref(y);
    return ok;
}

static bool load_join(Arena *arena, Results *all, const Results *more, const char *path, Err *err)
{
    for (size_t i = 0; i < more->runs.count; i++) {
        const ResultRun *run = &more->runs.at[i];
        for (size_t k = 0; k < all->runs.count; k++)
            if (all->runs.at[k].method == run->method && all->runs.at[k].seed == run->seed)
                return fail(err, "%s: method %s with seed %u is also in another of the folders", path, all->methods[run->method], run->seed);
        *dyn_push(arena, &all->runs) = *run;
    }
    all->seed_count += more->seed_count;
    all->finished = all->finished && more->finished;
    all->seconds = all->finished ? all->seconds + more->seconds : 0;
    if (more->peak_bytes > all->peak_bytes) all->peak_bytes = more->peak_bytes;
    return true;
}

static bool load_folder(Arena *arena, const char *folder, Loader *loader, Err *err)
{
    Str text;
    Arena scratch = {0};
    loader->path = arena_printf(arena, "%s/results.jsonl", folder);
    if (access(loader->path, F_OK) != 0)
        return fail(err, "%s: no such file; name the folder that lethe run wrote", loader->path);
    const bool ok = file_read(&scratch, loader->path, LOAD_LIMIT_BYTES, &text, err) && load_text_of_run(loader, text, err);
    arena_free(&scratch);
    return ok;
}

bool report_load(Arena *arena, const char *const *folders, int folder_count, Results *out, Err *err)
{
    ASSERT(folder_count > 0);
    Loader first = {.arena = arena, .out = out};
    *out = (Results){0};
    bool ok = load_folder(arena, folders[0], &first, err);
    for (int i = 1; i < folder_count && ok; i++) {
        Results more = {0};
        Loader next = {.arena = arena, .out = &more};
        ok = load_folder(arena, folders[i], &next, err) && load_same_experiment(first.run, next.run, first.path, next.path, err) &&
             load_join(arena, out, &more, next.path, err);
        json_decref(next.run);
    }
    if (ok && out->runs.count) qsort(out->runs.at, out->runs.count, sizeof *out->runs.at, load_compare_runs);
    json_decref(first.run);
    return ok;
}
