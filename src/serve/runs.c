#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Set-up, and runs as processes of their own. */

/* ---- the words of a command line ---- */

typedef DYN(const char *) CommandLine;

/* value NULL: a flag. One that looks like an option stands in the same word. */
static void line_add(Arena *arena, CommandLine *words, const char *option, const char *value)
{
    const bool apart = value && *value != '-' && !option_begins(value);
    *dyn_push(arena, words) =
        arena_printf(arena, "--%s%s%s", option, value && !apart ? "=" : "", value && !apart ? value : "");
    if (apart) *dyn_push(arena, words) = value;
}

/* "a,b,c" of a list of texts or numbers. */
static const char *setup_list(Arena *arena, const json_t *list)
{
    const char *text = "";
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *word = json_string_value(item);
        if (json_is_integer(item)) word = arena_printf(arena, "%lld", (long long)json_integer_value(item));
        if (word) text = text_join(arena, text, ",", arena_copy(arena, word, strlen(word)));
    }
    return text;
}

static const char *setup_text(Arena *arena, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? arena_copy(arena, text, strlen(text)) : "";
}

static bool setup_task(Server *s, Arena *arena, const json_t *task, size_t number, CommandLine *words,
                       ServeAnswer *answer, Err *err)
{
    static const char *const columns[][2] = {
        {"text", "text"}, {"text_b", "pair"}, {"pair", "pair"}, {"label", "label"}};
    const char *field = arena_printf(arena, "tasks.%zu", number), *builtin = setup_text(arena, task, "builtin"),
               *name = setup_text(arena, task, "name"), *train = setup_text(arena, task, "train"),
               *eval = setup_text(arena, task, "eval");
    if (*builtin) {
        line_add(arena, words, "task", builtin);
        return true;
    }
    double share;
    const Str size = str_trim(str(eval));
    const bool is_share =
        size.size > 1 && size.at[size.size - 1] == '%' && parse_double(str_trim((Str){size.at, size.size - 1}), &share);
    if (!*name || !*train || !*eval || strpbrk(name, "=,")) {
        answer->saved_as = field;
        return fail(
            err, "a task needs a name without = and comma, a training file, and an evaluation file or a share as 20%%");
    }
    if (!path_check(s, train, field, answer, err) || (!is_share && !path_check(s, eval, field, answer, err)))
        return false;
    const char *value = arena_printf(arena, "%s=%s,%.*s", name, train, STR_ARG(size));
    const json_t *named = json_object_get(task, "columns");
    for (size_t i = 0; i < COUNT(columns); i++) {
        const char *column = setup_text(arena, named, columns[i][0]);
        if (*column) value = arena_printf(arena, "%s,%s=%s", value, columns[i][1], column);
    }
    line_add(arena, words, "task", value);
    return true;
}

/* The options that a set-up may give beside those that have fields of their own. */
static bool setup_options(Arena *arena, const json_t *options, CommandLine *words, ServeAnswer *answer, Err *err)
{
    static const char *const other[] = {"task", "model",   "method", "out",  "config",
                                        "json", "dry-run", "quiet",  "words"};
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)options, name, value)
    {
        const Option *row = option_find(run_options(), name);
        for (size_t i = 0; i < COUNT(other) && row; i++)
            if (strcmp(other[i], name) == 0) row = NULL;
        answer->saved_as = arena_copy(arena, name, strlen(name));
        if (!row || !json_is_string(value))
            return fail(err, "--%s: this is no option of a set-up", str_show(str(name)));
        const char *text = setup_text(arena, options, name);
        if (row->type == OPTION_FLAG) {
            if (strcmp(text, "true") == 0) line_add(arena, words, row->name, NULL);
        } else if (*text) {
            line_add(arena, words, row->name, text);
        }
    }
    answer->saved_as = NULL;
    return true;
}

/* The arguments of `lethe` that a set-up means, without --out; *out: its folder, as it was named. */
static bool setup_words(Server *s, Arena *arena, const json_t *setup, CommandLine *words, const char **out,
                        ServeAnswer *answer, Err *err)
{
    size_t i;
    const json_t *task, *options = json_object_get(setup, "options");
    const char *methods = setup_list(arena, json_object_get(setup, "methods")),
               *seeds = setup_list(arena, json_object_get(setup, "seeds")), *model = setup_text(arena, setup, "model");
    *dyn_push(arena, words) = "run";
    json_array_foreach(json_object_get(setup, "tasks"), i, task)
    {
        if (i >= PLAN_MAX_TASKS || !setup_task(s, arena, task, i, words, answer, err))
            return err->code ? false : fail(err, "too many tasks");
    }
    if (*model && !path_check(s, model, "model", answer, err)) return false;
    if (*model) line_add(arena, words, "model", model);
    if (*methods) line_add(arena, words, "method", methods);
    if (*seeds) line_add(arena, words, "seeds", seeds);
    if (!setup_options(arena, options, words, answer, err)) return false;
    if (!json_object_get(options, "keep-each-task")) line_add(arena, words, "keep-each-task", NULL);
    *out = setup_text(arena, setup, "out");
    if (!**out) *out = "lethe-out";
    return path_check(s, *out, "out", answer, err);
}

/* As a shell takes it. */
static const char *line_command(Arena *arena, const CommandLine *words)
{
    const char *line = "lethe";
    for (size_t i = 0; i < words->count; i++) line = text_join(arena, line, " ", shell_word(arena, words->at[i]));
    return line;
}

/* ---- starting and stopping ---- */

/* Starts `lethe WORDS`. Within server->room. */
static bool folder_start(Server *s, ServeFolder *f, Arena *arena, CommandLine *words, ServeAnswer *answer, Err *err)
{
    if (f->process.id) return answer_refused(answer, 409, err, "a run is going on in this folder");
    if (folder_is_held(f)) return answer_refused(answer, 409, err, "another process runs in this folder");
    const unsigned number = ++s->log_number;
    snprintf(f->errors, sizeof f->errors, "%s/run-%u.txt", s->session, number);
    const char *out = arena_printf(arena, "%s/run-%u.out", s->session, number);
    line_add(arena, words, "out", f->path);
    *dyn_push(arena, words) = NULL;
    const SysError error = sys_process_start(words->at, out, f->errors, &f->process);
    if (error) return fail(err, "lethe run cannot be started: %s", sys_error_text(error));
    sys_process_yield(&f->process); /* a page and a model answer at once, and take little of its time */
    json_decref(f->where.run);
    f->where = (Whereabouts){.left_seconds = NAN, .stamp = f->where.stamp + 1};
    f->where_lines = 0;
    f->was_started = true;
    f->stopping = false;
    f->stamp++;
    tail_want(s, f);
    folder_look(f, clock_seconds());
    return true;
}

static bool handle_run(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    json_t *setup = NULL;
    CommandLine words = {0};
    const char *out;
    ServeFolder *f = NULL;
    bool ok = body_json(request, &setup, err) && setup_words(s, arena, setup, &words, &out, answer, err);
    json_decref(setup);
    if (!ok) return false;
    sys_monitor_enter(&s->room);
    f = folder_add(s, out);
    ok = (f || fail(err, "too many folders")) && folder_start(s, f, arena, &words, answer, err);
    sys_monitor_leave(&s->room);
    return ok && answer_json(arena, answer, json_pack("{s:s}", "id", f->id));
}

/* The folder of a request's "id". */
static bool body_folder(Server *s, const ServeRequest *request, ServeAnswer *answer, ServeFolder **f, Err *err)
{
    json_t *body = NULL;
    const bool ok = body_json(request, &body, err) &&
                    folder_named(s, json_string_value(json_object_get(body, "id")), answer, f, err);
    json_decref(body);
    return ok;
}

static bool handle_stop(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    ServeFolder *f;
    if (!body_folder(s, request, answer, &f, err)) return false;
    sys_monitor_enter(&s->room);
    const bool runs = f->process.id != 0;
    if (runs && !f->stopping) {
        f->stopping = true;
        sys_process_interrupt(&f->process);
        folder_look(f, clock_seconds());
    }
    const FolderState state = f->state;
    sys_monitor_leave(&s->room);
    if (runs) return answer_json(arena, answer, json_pack("{s:s}", "id", f->id));
    return answer_refused(answer, 409, err,
                          state == FOLDER_ELSEWHERE ? "this run was not started here: stop it where it was started"
                                                    : "no run is going on in this folder");
}

static bool handle_go_on(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    ServeFolder *f;
    CommandLine words = {0};
    if (!body_folder(s, request, answer, &f, err)) return false;
    const char *config = arena_printf(arena, "%s/config.json", f->path);
    if (!file_exists(config))
        return answer_refused(answer, 409, err, "there is no run in this folder that could go on");
    *dyn_push(arena, &words) = "run";
    line_add(arena, &words, "config", config);
    sys_monitor_enter(&s->room);
    const bool ok = folder_start(s, f, arena, &words, answer, err);
    sys_monitor_leave(&s->room);
    return ok && answer_json(arena, answer, json_pack("{s:s}", "id", f->id));
}

/* ---- checking ---- */

/* Which field a message of lethe run is about: "--epochs 0: ...", "task mine: ...", or a path. NULL: none of them. */
static const char *check_field(Arena *arena, const json_t *setup, const char *message)
{
    size_t i;
    const json_t *task;
    json_array_foreach(json_object_get(setup, "tasks"), i, task)
    {
        const char *name = setup_text(arena, task, *setup_text(arena, task, "builtin") ? "builtin" : "name"),
                   *parts[] = {setup_text(arena, task, "train"), setup_text(arena, task, "eval"),
                               *name ? arena_printf(arena, "task %s:", name) : "",
                               *name ? arena_printf(arena, "--task %s", name) : ""};
        for (size_t k = 0; k < COUNT(parts); k++)
            if (*parts[k] && strncmp(message, parts[k], strlen(parts[k])) == 0)
                return arena_printf(arena, "tasks.%zu", i);
    }
    static const char *const fields[][2] = {{"model", "model"}, {"out", "out"}};
    for (size_t k = 0; k < COUNT(fields); k++) {
        const char *path = setup_text(arena, setup, fields[k][0]);
        if (*path && strncmp(message, path, strlen(path)) == 0) return fields[k][1];
    }
    if (strncmp(message, "--", 2) != 0) return NULL;
    const char *option = arena_printf(arena, "%.*s", (int)strcspn(message + 2, " :=,"), message + 2);
    if (strcmp(option, "method") == 0) return "methods";
    return strcmp(option, "task") == 0 ? "tasks" : option;
}

/* Waits for the process, unless a later check makes it needless. *code is its exit code. */
static bool check_wait(Server *s, unsigned number, SysProcess *process, int *code)
{
    enum { MOST_SECONDS = 120 };
    const double until = clock_seconds() + MOST_SECONDS;
    bool asked = false;
    while (!sys_process_ended(process, code)) {
        sys_monitor_enter(&s->check_room);
        const bool needless = s->check_number != number || s->ending || clock_seconds() > until;
        sys_monitor_leave(&s->check_room);
        if (needless && !asked) sys_process_interrupt(process);
        asked = asked || needless;
        sys_sleep(15);
    }
    return !asked;
}

/* What `lethe run --dry-run --json` says: its exit code, its answer (NULL: none) and its message ("": none). */
static bool check_run(Server *s, Arena *arena, const CommandLine *words, const char *out, int *code, json_t **answer,
                      const char **message, Err *err)
{
    CommandLine all = {0};
    SysProcess process;
    Str text = {0}, errors = {0};
    Err ignored = {0};
    sys_monitor_enter(&s->check_room);
    const unsigned number = ++s->check_number;
    sys_monitor_leave(&s->check_room);
    const char *answer_path = arena_printf(arena, "%s/check-%u.json", s->session, number),
               *errors_path = arena_printf(arena, "%s/check-%u.txt", s->session, number);
    for (size_t i = 0; i < words->count; i++) *dyn_push(arena, &all) = words->at[i];
    line_add(arena, &all, "out", out);
    line_add(arena, &all, "dry-run", NULL);
    line_add(arena, &all, "json", NULL);
    *dyn_push(arena, &all) = NULL;
    const SysError error = sys_process_start(all.at, answer_path, errors_path, &process);
    if (error) return fail(err, "lethe run cannot be started: %s", sys_error_text(error));
    const bool whole = check_wait(s, number, &process, code);
    if (whole && file_read(arena, answer_path, SERVE_FILE_BYTES, &text, &ignored) && text.size)
        *answer = json_loadb(text.at, text.size, 0, NULL);
    if (whole && file_read(arena, errors_path, SERVE_BODY_BYTES, &errors, &ignored)) {
        const Str line = str_trim(errors);
        const char *all_lines = arena_copy(arena, line.at ? line.at : "", line.size), *last = strrchr(all_lines, '\n');
        *message = last ? last + 1 : all_lines;
        if (strncmp(*message, "lethe: ", 7) == 0) *message += 7;
    }
    sys_remove(answer_path);
    sys_remove(errors_path);
    return whole || fail(err, "another question has come since");
}

static bool handle_check(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    json_t *setup = NULL, *said = NULL;
    CommandLine words = {0};
    const char *out, *message = "", *field = NULL;
    int code = 0;
    if (!body_json(request, &setup, err)) return false;
    Err refused = {0};
    bool ok = setup_words(s, arena, setup, &words, &out, answer, &refused);
    if (!ok) { /* a problem of the set-up as any other */
        message = refused.text;
        field = answer->saved_as;
        code = EXIT_USAGE;
        answer->saved_as = NULL;
    } else if (!check_run(s, arena, &words, out, &code, &said, &message, err)) {
        json_decref(setup);
        answer->status = 409;
        return false;
    } else if (code) {
        field = check_field(arena, setup, message);
    }
    if (ok) line_add(arena, &words, "out", out);
    json_t *problems = json_array(), *problem = NULL;
    if (code)
        problem = json_pack("{s:s?, s:s}", "field", field, "words", *message ? message : "lethe run cannot be started");
    if (problem) json_array_append_new(problems, problem);
    json_t *o = json_is_object(said) ? json_incref(said) : json_object();
    json_object_set_new(o, "ok", json_boolean(!code));
    json_t *command = json_string(line_command(arena, &words));
    json_object_set_new(o, "command", command ? command : json_string("lethe run"));
    json_object_set_new(o, "problems", problems);
    json_decref(said);
    json_decref(setup);
    return answer_json(arena, answer, o);
}

/* ---- files that are dropped on the page ---- */

/* A name without a folder: letters, digits and what is harmless of the rest. */
static const char *upload_name(Arena *arena, const char *given)
{
    char *name = arena_printf(arena, "%s", given);
    for (char *at = name; *at; at++)
        if ((unsigned char)*at < 0x80 &&
            !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+", *at))
            *at = '_';
    while (*name == '.') name++;
    return *name && strlen(name) < 200 && sys_name_is_usable(name) ? name : NULL;
}

/* Kept beside the runs, in lethe-files: a run that is stopped reads them again. */
static bool handle_upload(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    const char *name = upload_name(arena, query_text(arena, request->query, "name")),
               *folder = arena_printf(arena, "%s/lethe-files", s->here);
    char hash[65], other[65];
    Str before;
    if (!name || table_format(str(name)) == TABLE_NONE)
        return fail(err, "name: a file named .tsv, .csv, .jsonl or .json is needed, each also with .zst");
    if (!request->body.size) return fail(err, "%s: the file is empty", name);
    sha256_hex(request->body, hash);
    if (!folder_make(folder, err)) return false;
    const char *path = arena_printf(arena, "%s/%s", folder, name);
    SysFile there;
    char *bytes = arena_new(arena, char, request->body.size + 1);
    for (int again = 2; file_exists(path) && again < 1000; again++) { /* the same file keeps its name */
        SysInfo info;
        size_t got = 0;
        if (!sys_info(path, &info) && info.size == request->body.size && !sys_open(path, SYS_READ, &there)) {
            if (sys_read_at(there, 0, bytes, request->body.size, &got)) got = 0;
            sys_close(there, false);
            before = (Str){bytes, got};
            sha256_hex(before, other);
            if (strcmp(hash, other) == 0) break;
        }
        path = arena_printf(arena, "%s/%d-%s", folder, again, name);
    }
    if (!file_exists(path) && !file_write(path, request->body, err)) return false;
    const size_t here = strlen(s->here);
    return answer_json(arena, answer, json_pack("{s:s}", "path", path + here + 1));
}
