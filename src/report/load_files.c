#include "report.h"

#include <stdlib.h>
#include <string.h>

/* The lines of a results.jsonl, and several folders as one experiment. */

static bool load_event(Loader *l, json_t *event, Err *err)
{
    static const struct {
        const char *kind;
        bool (*load)(Loader *l, const json_t *event, Err *err);
    } kinds[] = {
        {"step", load_step_event},
        {"eval", load_eval_event},
        {"curve", load_curve_event},
        {"probe", load_probe_event},
        {"drift", load_drift_event},
        {"swap", load_swap_event},
        {"interpolation", load_interpolation_event},
        {"text", load_text_event},
        {"lost", load_lost_event},
        {"won", load_won_event},
        {"method", load_method_event},
        {"done", load_done_event},
    };
    const char *kind = json_string_value(json_object_get(event, "event"));
    if (!kind) return fail(err, "%s: an object with an \"event\" is needed", l->what);
    if (strcmp(kind, "run") == 0) return load_run_event(l, event, err);
    if (!l->run) return fail(err, "%s: the first event must be \"run\"", l->what);
    if (l->done) return fail(err, "%s: an event after \"done\"", l->what);
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(kind, kinds[i].kind) == 0) return kinds[i].load(l, event, err);
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

static int load_compare_texts(const void *a, const void *b)
{
    const ResultText *x = a, *y = b;
    if (x->row != y->row) return x->row < y->row ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

const ResultText *result_text(const ResultTask *task, uint32_t row)
{
    size_t low = 0, high = task->texts.count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (task->texts.at[middle].row < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low < task->texts.count && task->texts.at[low].row == row ? &task->texts.at[low] : NULL;
}

/* Puts a task's texts in order. */
static bool load_sort_texts(Loader *l, ResultTask *task, Err *err)
{
    if (task->texts.count) qsort(task->texts.at, task->texts.count, sizeof *task->texts.at, load_compare_texts);
    for (size_t i = 1; i < task->texts.count; i++)
        if (task->texts.at[i].row == task->texts.at[i - 1].row)
            return fail(err, "%s: line %zu: a second \"text\" of row %u of task %s", l->path, task->texts.at[i].line,
                        task->texts.at[i].row, task->name);
    return true;
}

/* Each method of the run with each of its seeds is finished. */
static bool load_is_whole(const Loader *l)
{
    const json_t *methods = json_object_get(l->run, "methods"), *seeds = json_object_get(l->run, "seeds");
    size_t finished = 0;
    for (size_t i = 0; i < l->out->runs.count; i++) finished += l->out->runs.at[i].finished;
    return !seeds || finished >= json_array_size(methods) * json_array_size(seeds);
}

static bool load_lines(Loader *l, Str text, Err *err)
{
    for (size_t at = 0; at < text.size;) {
        const char *end = memchr(text.at + at, '\n', text.size - at);
        const size_t size = end ? (size_t)(end - text.at) - at : text.size - at;
        if (!load_line(l, (Str){text.at + at, size}, end != NULL, err)) return false;
        at += size + 1;
    }
    return true;
}

/* What can be said when so many lines have been read. */
static bool load_settle(Loader *l, Err *err)
{
    if (!l->run) return fail(err, "%s: holds no event yet; the run has just begun or the file is damaged", l->path);
    l->out->finished = l->done && load_is_whole(l);
    for (int j = 0; j < l->out->task_count; j++)
        if (!load_sort_texts(l, &l->out->tasks[j], err)) return false;
    if (l->out->runs.count) qsort(l->out->runs.at, l->out->runs.count, sizeof *l->out->runs.at, load_compare_runs);
    l->last = 0;
    return true;
}

static bool load_text_of_run(Loader *l, Str text, Err *err) { return load_lines(l, text, err) && load_settle(l, err); }

struct ReportReader {
    Loader loader;
    Results results;
};

ReportReader *report_reader_open(Arena *arena, const char *what)
{
    ReportReader *reader = arena_new(arena, ReportReader, 1);
    reader->results = (Results){.arena = arena};
    reader->loader = (Loader){.arena = arena, .path = arena_copy(arena, what, strlen(what)), .out = &reader->results};
    return reader;
}

const Results *report_reader_take(ReportReader *reader, Str lines, Err *err)
{
    return load_lines(&reader->loader, lines, err) && load_settle(&reader->loader, err) ? &reader->results : NULL;
}

void report_reader_close(ReportReader *reader) { json_decref(reader->loader.run); }

bool report_parse(Arena *arena, Str text, const char *what, Results *out, Err *err)
{
    Loader loader = {.arena = arena, .path = what, .out = out};
    *out = (Results){.arena = arena};
    const bool ok = load_text_of_run(&loader, text, err);
    json_decref(loader.run);
    return ok;
}

/* ---- several folders ---- */

/* Adds the methods that are new in `more`; map[m]: the place of its method m in *all. */
static bool load_join_methods(Arena *arena, Results *all, const Results *more, int *map, const char *path, Err *err)
{
    const size_t most = (size_t)all->method_count + (size_t)more->method_count;
    const char **names = arena_new(arena, const char *, most);
    ResultMethodInfo *info = arena_new(arena, ResultMethodInfo, most);
    memcpy(names, all->methods, (size_t)all->method_count * sizeof *names);
    memcpy(info, all->method_info, (size_t)all->method_count * sizeof *info);
    all->methods = names;
    all->method_info = info;
    for (int m = 0; m < more->method_count; m++) {
        const ResultMethodInfo *found = &more->method_info[m];
        map[m] = -1;
        for (int i = 0; i < all->method_count; i++) {
            if (strcmp(info[i].base, found->base) == 0 && info[i].kind != found->kind)
                return fail(err, "%s: method %s is of another kind than in the other folders", path, found->base);
            if (load_method_is_same(&info[i], found)) map[m] = i;
        }
        if (map[m] >= 0) continue;
        map[m] = all->method_count++;
        names[map[m]] = found->base;
        info[map[m]] = *found;
    }
    return true;
}

/* The true classes of a task's rows, from whichever folder records them. */
static bool load_join_labels(ResultTask *all, const ResultTask *more, const char *path, Err *err)
{
    if (!all->labels) all->labels = more->labels;
    for (uint32_t i = 0; more->labels && i < all->eval_rows; i++)
        if (all->labels[i] != more->labels[i])
            return fail(err,
                        "%s: row %u of task %s has another label than in another of the folders: not the same data",
                        path, i + 1, all->name);
    return true;
}

static bool load_join_texts(Arena *arena, ResultTask *all, const ResultTask *more, const char *path, Err *err)
{
    const size_t before = all->texts.count;
    for (size_t i = 0; i < more->texts.count; i++) {
        const ResultText *text = &more->texts.at[i];
        const ResultTask known = {.texts = {all->texts.at, before, before}};
        const ResultText *same = result_text(&known, text->row);
        if (!same)
            *dyn_push(arena, &all->texts) = *text;
        else if (strcmp(same->text, text->text) != 0 || same->label != text->label)
            return fail(
                err,
                "%s: line %zu: row %u of task %s reads otherwise than in another of the folders: not the same data",
                path, text->line, text->row, all->name);
    }
    if (all->texts.count) qsort(all->texts.at, all->texts.count, sizeof *all->texts.at, load_compare_texts);
    return true;
}

static bool load_join(Arena *arena, Results *all, const Results *more, const char *path, Err *err)
{
    int *map = arena_new(arena, int, (size_t)more->method_count);
    if (!load_join_methods(arena, all, more, map, path, err)) return false;
    for (int j = 0; j < all->task_count; j++)
        if (!load_join_labels(&all->tasks[j], &more->tasks[j], path, err) ||
            !load_join_texts(arena, &all->tasks[j], &more->tasks[j], path, err))
            return false;
    for (size_t i = 0; i < more->setup.seeds.count; i++) {
        bool known = false;
        for (size_t k = 0; k < all->setup.seeds.count; k++)
            known = known || all->setup.seeds.at[k] == more->setup.seeds.at[i];
        if (!known) *dyn_push(arena, &all->setup.seeds) = more->setup.seeds.at[i];
    }
    const size_t before = all->runs.count;
    for (size_t i = 0; i < more->runs.count; i++) {
        ResultRun run = more->runs.at[i];
        run.method = map[run.method];
        for (size_t k = 0; k < before; k++)
            if (all->runs.at[k].method == run.method && all->runs.at[k].seed == run.seed)
                return fail(err, "%s: method %s with seed %u is also in another of the folders", path,
                            all->methods[run.method], run.seed);
        *dyn_push(arena, &all->runs) = run;
    }
    if (strcmp(all->preset, more->preset) != 0) all->preset = "";
    if (all->match_margin != more->match_margin) all->match_margin = 0;
    all->finished = all->finished && more->finished;
    all->shared_first = all->shared_first && more->shared_first;
    all->seconds = all->finished ? all->seconds + more->seconds : 0;
    if (more->peak_bytes > all->peak_bytes) all->peak_bytes = more->peak_bytes;
    return true;
}

/* The seeds that either of two run events plans, in `a`. */
static void load_join_seeds(json_t *a, const json_t *b)
{
    size_t i, k;
    json_t *seed, *known;
    json_array_foreach(b, i, seed)
    {
        bool is_known = false;
        json_array_foreach(a, k, known) { is_known = is_known || json_equal(known, seed); }
        if (!is_known) json_array_append(a, seed);
    }
}

static bool load_folder(Arena *arena, const char *folder, Loader *loader, Err *err)
{
    Str text;
    Arena scratch = {0};
    loader->path = arena_printf(arena, "%s/results.jsonl", folder);
    if (!file_exists(loader->path))
        return fail(err, "%s: no such file; name the folder that lethe run wrote", loader->path);
    const bool ok =
        file_read(&scratch, loader->path, LOAD_LIMIT_BYTES, &text, err) && load_text_of_run(loader, text, err);
    arena_free(&scratch);
    return ok;
}

bool report_load(Arena *arena, const char *const *folders, int folder_count, Results *out, Err *err)
{
    ASSERT(folder_count > 0);
    Loader first = {.arena = arena, .out = out};
    *out = (Results){.arena = arena};
    bool ok = load_folder(arena, folders[0], &first, err);
    for (int i = 1; i < folder_count && ok; i++) {
        Results more = {.arena = arena};
        Loader next = {.arena = arena, .out = &more};
        ok = load_folder(arena, folders[i], &next, err) &&
             load_same_experiment(first.run, next.run, first.path, next.path, err) &&
             load_join(arena, out, &more, next.path, err);
        if (ok) load_join_seeds(json_object_get(first.run, "seeds"), json_object_get(next.run, "seeds"));
        json_decref(next.run);
    }
    if (ok) out->seed_count = (int)json_array_size(json_object_get(first.run, "seeds"));
    size_t size = strlen(folders[0]);
    while (size > 1 && sys_is_separator(folders[0][size - 1])) size--;
    if (ok && folder_count == 1) out->folder = arena_copy(arena, folders[0], size);
    if (ok) load_name_sweep(arena, out);
    if (ok && out->runs.count) qsort(out->runs.at, out->runs.count, sizeof *out->runs.at, load_compare_runs);
    json_decref(first.run);
    return ok;
}
