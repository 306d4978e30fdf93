#include "saved.h"

#include <stdlib.h>
#include <string.h>

/* OUT/models: what a run keeps of each method.
 *
 *   encoder/                     config.json and the tokenizer of the pretrained model
 *   METHOD[-seedN]/model.json    which tasks, and which encoder: its own, or the pretrained one; written last
 *                 /encoder.safetensors        its own
 *                 /TASK/head.safetensors      or, with an adapter:
 *                 /TASK/adapter_config.json, adapter_model.safetensors       as PEFT saves them, the head among them */

typedef struct KeptTask {
    const char *name;
    Labels labels;
    bool pairs; /* its rows are pairs of texts */
    const Head *head;
    float *head_w;
    const Lora *lora; /* NULL: no adapter */
    float *adapter;
} KeptTask;

typedef struct Kept {
    const char *method;
    uint32_t seed, max_length, after_task; /* after_task: tasks that were trained */
    const char *pretrained, *sha256;       /* the folder, NULL: built in; and the hash of its weights */
    const Model *model;
    float *encoder; /* NULL: the pretrained one */
    const KeptTask *tasks;
    int task_count;
} Kept;

/* A name that stays in its folder: letters, digits, '-', '_', '.', '+', '@' and '=', not a dot first. */
static bool kept_name_is_plain(const char *name)
{
    return *name && *name != '.' && strlen(name) <= 200 &&
           !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+@=")];
}

/* ---- writing ---- */

/* Only what lethe writes: whatever else lies in a folder stays, and the folder with it. */
static bool kept_is_ours(const char *name)
{
    static const char *const names[] = {"model.json",        "config.json",         "encoder.safetensors",
                                        "head.safetensors",  "adapter_config.json", "adapter_model.safetensors",
                                        "model.safetensors", "labels.json"};
    bool ours = str_ends(str(name), S(".tmp"));
    for (size_t i = 0; i < COUNT(names); i++) ours |= strcmp(name, names[i]) == 0;
    for (size_t i = 0; tokenizer_file_names[i]; i++) ours |= strcmp(name, tokenizer_file_names[i]) == 0;
    return ours;
}

static void kept_remove(const char *folder)
{
    char path[SYS_PATH_BYTES]; /* no arena: it may be for lack of memory that a folder goes */
    SysError ignored;
    SysFolder *entries = sys_kind(folder) == SYS_FOLDER ? sys_folder_open(folder, &ignored) : NULL;
    for (const char *name; (name = sys_folder_next(entries));) {
        if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) continue;
        if (sys_kind(path) == SYS_FOLDER)
            kept_remove(path);
        else if (kept_is_ours(name))
            sys_remove(path);
    }
    sys_folder_close(entries);
    sys_folder_remove(folder);
}

/* The pretrained model's config.json and tokenizer. */
static bool kept_write_encoder(const char *out, const ModelSource *source, Err *err)
{
    Arena arena = {0};
    const char *folder = arena_printf(&arena, "%s/models/encoder", out);
    const char *config = arena_printf(&arena, "%s/config.json", folder);
    Str text = source->config;
    bool ok = folder_make(folder, err);
    if (source->folder)
        ok =
            ok &&
            file_read(&arena, arena_printf(&arena, "%s/config.json", source->folder), CONFIG_LIMIT_BYTES, &text, err) &&
            tokenizer_files_copy(source->folder, folder, err);
    else
        ok = ok && file_write(arena_printf(&arena, "%s/vocab.txt", folder), source->vocab, err);
    ok = ok && file_write(config, text, err);
    arena_free(&arena);
    return ok;
}

static bool kept_write_task(Arena *arena, const char *folder, const Family *family, const KeptTask *task, Err *err)
{
    const char *path = arena_printf(arena, "%s/%s", folder, task->name);
    if (!folder_make(path, err)) return false;
    if (!task->lora) {
        Tensor *tensors = arena_new(arena, Tensor, task->head->layout.count);
        layout_tensors(arena, &task->head->layout, "", task->head_w, tensors);
        return safetensors_write(arena_printf(arena, "%s/head.safetensors", path), tensors,
                                 (size_t)task->head->layout.count, err);
    }
    json_t *config = peft_config(family, task->lora, NULL);
    const bool ok = json_write(arena_printf(arena, "%s/adapter_config.json", path), config, err) &&
                    peft_write(arena_printf(arena, "%s/adapter_model.safetensors", path), family, task->lora,
                               task->head, task->adapter, task->head_w, err);
    json_decref(config);
    return ok;
}

static json_t *kept_json(const Kept *kept)
{
    json_t *tasks = json_array();
    for (int i = 0; i < kept->task_count; i++) {
        json_t *names = json_array();
        for (uint32_t c = 0; c < kept->tasks[i].labels.classes; c++)
            json_array_append_new(names, json_string(kept->tasks[i].labels.names[c]));
        json_array_append_new(tasks, json_pack("{s:s, s:b, s:o}", "name", kept->tasks[i].name, "pairs",
                                               kept->tasks[i].pairs, "class_names", names));
    }
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:{s:s?, s:s}, s:b, s:o}", "version", LETHE_VERSION, "method",
                     kept->method, "seed", (json_int_t)kept->seed, "after_task", (json_int_t)kept->after_task,
                     "max_length", (json_int_t)kept->max_length, "pretrained", "folder", kept->pretrained, "sha256",
                     kept->sha256, "own_encoder", kept->encoder != NULL, "tasks", tasks);
}

/* folder: OUT/models/METHOD[-seedN]; what lies there of an earlier attempt goes. */
static bool kept_write(const char *folder, const Kept *kept, Err *err)
{
    Arena arena = {0};
    kept_remove(folder);
    bool ok = folder_make(folder, err);
    if (kept->encoder) {
        Tensor *tensors = arena_new(&arena, Tensor, kept->model->encoder.count);
        layout_tensors(&arena, &kept->model->encoder, "", kept->encoder, tensors);
        ok = ok && safetensors_write(arena_printf(&arena, "%s/encoder.safetensors", folder), tensors,
                                     (size_t)kept->model->encoder.count, err);
    }
    for (int i = 0; i < kept->task_count && ok; i++)
        ok = kept_write_task(&arena, folder, kept->model->config.family, &kept->tasks[i], err);
    json_t *description = kept_json(kept);
    ok = ok && json_write(arena_printf(&arena, "%s/model.json", folder), description, err);
    json_decref(description);
    arena_free(&arena);
    return ok;
}

/* ---- reading ---- */

/* model.json, as far as one task needs it. */
typedef struct KeptModel {
    uint32_t seed, max_length;
    const char *pretrained, *sha256;
    bool own_encoder;
    Labels labels;
    PairKind pairs; /* unknown: kept by a lethe that did not note it */
} KeptModel;

static bool kept_read_task(Arena *arena, const json_t *tasks, const char *what, const char *task, KeptModel *out,
                           Err *err)
{
    size_t i, c;
    json_t *entry, *name;
    char all[256] = "";
    Nearest near = nearest_to(str(task));
    json_array_foreach(tasks, i, entry)
    {
        const char *at = json_string_value(json_object_get(entry, "name"));
        const json_t *names = json_object_get(entry, "class_names");
        if (!at || !kept_name_is_plain(at) || json_array_size(names) < 2 || json_array_size(names) > TASK_MAX_CLASSES)
            return fail(err, "%s: task %zu has no usable name or class_names", what, i + 1);
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", at);
        if (strcmp(at, task) != 0) {
            nearest_offer(&near, arena_copy(arena, at, strlen(at)));
            continue;
        }
        const char **list = arena_new(arena, const char *, json_array_size(names));
        const json_t *pairs = json_object_get(entry, "pairs");
        if (pairs && !json_is_boolean(pairs))
            return fail(err, "%s: task \"%s\": \"pairs\" must be true or false", what, task);
        out->pairs = !pairs ? PAIRS_UNKNOWN : json_is_true(pairs) ? PAIRS_YES : PAIRS_NO;
        out->labels = (Labels){(uint32_t)json_array_size(names), list};
        json_array_foreach(names, c, name)
        {
            if (!json_is_string(name)) return fail(err, "%s: a class of task \"%s\" has no name", what, task);
            list[c] = arena_copy(arena, json_string_value(name), json_string_length(name));
        }
        return labels_distinct(&out->labels, what, err);
    }
    return fail_usage(err, "--task %s: not a task of this run, which has %s%s", str_show(str(task)),
                      *all ? all : "none", nearest_hint(&near, ""));
}

static bool kept_parse(Arena *arena, Str json, const char *what, const char *task, KeptModel *out, Err *err)
{
    json_t *o = NULL;
    int64_t seed = 0, max_length = 0;
    *out = (KeptModel){0};
    if (!json_parse_object(json, what, &o, err)) return false;
    const json_t *pretrained = json_object_get(o, "pretrained"), *own = json_object_get(o, "own_encoder");
    const char *folder = json_string_value(json_object_get(pretrained, "folder")),
               *sha256 = json_string_value(json_object_get(pretrained, "sha256"));
    bool ok = json_get_int(o, what, "seed", 0, UINT32_MAX, &seed, err) &&
              json_get_int(o, what, "max_length", 8, 1 << 20, &max_length, err);
    if (ok && (!sha256 || strlen(sha256) != 64 || !json_is_boolean(own)))
        ok = fail(err, "%s: \"pretrained\" or \"own_encoder\" is missing; is this a file that lethe wrote?", what);
    if (ok) {
        out->seed = (uint32_t)seed;
        out->max_length = (uint32_t)max_length;
        out->own_encoder = json_is_true(own);
        out->sha256 = arena_copy(arena, sha256, 64);
        out->pretrained = folder ? arena_copy(arena, folder, strlen(folder)) : NULL;
        ok = kept_read_task(arena, json_object_get(o, "tasks"), what, task, out, err);
    }
    json_decref(o);
    return ok;
}

static bool kept_exists(Arena *arena, const char *out, const char *name)
{
    return file_exists(arena_printf(arena, "%s/models/%s/model.json", out, name));
}

/* The part of a folder's name in OUT/models that is the method's; 0 when no model is kept there. */
static size_t kept_method_size(Arena *arena, const char *out, const char *name)
{
    if (!kept_name_is_plain(name) || !kept_exists(arena, out, name)) return 0;
    const char *seed = strstr(name, "-seed");
    return seed ? (size_t)(seed - name) : strlen(name);
}

/* The method that is meant when none is named: full, or the only one. */
static const char *kept_only_method(Arena *arena, const char *out, Err *err)
{
    DYN(const char *) methods = {0};
    const char *all = "";
    bool full = false;
    SysError ignored;
    SysFolder *folder = sys_folder_open(arena_printf(arena, "%s/models", out), &ignored);
    for (const char *name; (name = sys_folder_next(folder));) {
        const size_t size = kept_method_size(arena, out, name);
        if (!size) continue;
        const char *method = arena_copy(arena, name, size);
        bool known = false; /* with another seed */
        for (size_t i = 0; i < methods.count; i++) known = known || strcmp(methods.at[i], method) == 0;
        if (known) continue;
        *dyn_push(arena, &methods) = method;
        all = text_join(arena, all, ", ", method);
        full = full || strcmp(method, "full") == 0;
    }
    sys_folder_close(folder);
    if (full) return "full";
    if (methods.count == 1) return methods.at[0];
    if (methods.count)
        fail_usage(err, "%s keeps several methods: choose with --method one of %s", out, all);
    else
        fail(err, "%s keeps no trained models; lethe run --keep-models all keeps them", out);
    return NULL;
}

/* OUT/models/METHOD[-seedN] of what is asked for. */
static const char *kept_find(Arena *arena, const ClassifierSource *source, Err *err)
{
    const char *out = source->run, *method = source->method;
    if (!file_exists(out)) {
        fail(err, "%s: there is no such folder; the folder of a run is needed", out);
        return NULL;
    }
    if (method && !kept_name_is_plain(method)) {
        fail_usage(err, "--method %s: not the name of a method", str_show(str(method)));
        return NULL;
    }
    if (!method && !(method = kept_only_method(arena, out, err))) return NULL;
    if (source->seed >= 0) {
        const char *name = arena_printf(arena, "%s-seed%lld", method, (long long)source->seed);
        if (kept_exists(arena, out, name)) return arena_printf(arena, "%s/models/%s", out, name);
    }
    if (kept_exists(arena, out, method)) return arena_printf(arena, "%s/models/%s", out, method);
    bool several = false;
    SysError ignored;
    SysFolder *folder = sys_folder_open(arena_printf(arena, "%s/models", out), &ignored);
    for (const char *name; (name = sys_folder_next(folder));)
        several |= kept_method_size(arena, out, name) == strlen(method) && strncmp(name, method, strlen(method)) == 0;
    sys_folder_close(folder);
    if (several && source->seed < 0)
        fail_usage(err, "%s keeps %s with several seeds: choose with --seed", out, method);
    else if (several)
        fail(err, "%s keeps no model of %s with seed %lld", out, method, (long long)source->seed);
    else if (!file_exists(arena_printf(arena, "%s/models", out)) &&
             !file_exists(arena_printf(arena, "%s/results.jsonl", out)))
        fail(err, "%s is no folder of a run; name OUT, or OUT/after/TASK of a run with --keep-each-task", out);
    else
        fail(err, "%s keeps no trained model of %s; lethe run --keep-models all keeps every method's", out, method);
    return NULL;
}

/* ---- all that a run keeps ---- */

/* The models of OUT, or of OUT/after/TASK. What is damaged, or half written, is left out. */
static void kept_list_of(Arena *arena, const char *run, KeptList *states)
{
    SysError ignored;
    SysFolder *folder = sys_folder_open(arena_printf(arena, "%s/models", run), &ignored);
    for (const char *name; (name = sys_folder_next(folder));) {
        const size_t size = kept_method_size(arena, run, name);
        Str text;
        Err err = {0};
        json_t *o = NULL;
        int64_t seed = 0, after;
        const char *path = arena_printf(arena, "%s/models/%s/model.json", run, name);
        if (!size || !file_read(arena, path, CONFIG_LIMIT_BYTES, &text, &err) ||
            !json_parse_object(text, path, &o, &err))
            continue;
        const json_t *tasks = json_object_get(o, "tasks");
        after = (int64_t)json_array_size(tasks);
        if (json_get_int(o, path, "seed", 0, UINT32_MAX, &seed, &err) &&
            (!json_object_get(o, "after_task") || json_get_int(o, path, "after_task", 1, 1 << 16, &after, &err))) {
            KeptState state = {.run = arena_copy(arena, run, strlen(run)),
                               .method = arena_copy(arena, name, size),
                               .folder = arena_printf(arena, "%s/models/%s", run, name),
                               .seed = (uint32_t)seed,
                               .after_task = (uint32_t)after,
                               .own_encoder = json_is_true(json_object_get(o, "own_encoder"))};
            state.tasks = arena_new(arena, const char *, json_array_size(tasks) + 1);
            for (size_t i = 0; i < json_array_size(tasks); i++) {
                const char *task = json_string_value(json_object_get(json_array_get(tasks, i), "name"));
                if (task) state.tasks[state.task_count++] = arena_copy(arena, task, strlen(task));
            }
            *dyn_push(arena, states) = state;
        }
        json_decref(o);
    }
    sys_folder_close(folder);
}

static int kept_compare(const void *a, const void *b)
{
    const KeptState *x = a, *y = b;
    const int methods = strcmp(x->method, y->method);
    if (methods || x->seed != y->seed) return methods ? methods : x->seed < y->seed ? -1 : 1;
    return (x->after_task > y->after_task) - (x->after_task < y->after_task);
}

void kept_list(Arena *arena, const char *out, KeptList *states)
{
    SysError ignored;
    *states = (KeptList){0};
    kept_list_of(arena, out, states);
    SysFolder *after = sys_folder_open(arena_printf(arena, "%s/after", out), &ignored);
    for (const char *name; (name = sys_folder_next(after));)
        if (kept_name_is_plain(name)) kept_list_of(arena, arena_printf(arena, "%s/after/%s", out, name), states);
    sys_folder_close(after);
    if (states->count) qsort(states->at, states->count, sizeof *states->at, kept_compare);
}
