#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* OUT folders: which there are, and what is going on in each. Within server->room. */

static const char *const folder_states[] = {
    [FOLDER_EMPTY] = "empty",       [FOLDER_RUNNING] = "running", [FOLDER_STOPPED] = "stopped",
    [FOLDER_FINISHED] = "finished", [FOLDER_FAILED] = "failed",   [FOLDER_ELSEWHERE] = "elsewhere"};

static ServeFolder *folder_find(Server *s, const char *id)
{
    for (int i = 0; i < s->folder_count; i++)
        if (strcmp(s->folders[i].id, id) == 0) return &s->folders[i];
    return NULL;
}

/* A folder by its path, which need not be there yet; NULL: there are too many. */
static ServeFolder *folder_add(Server *s, const char *path)
{
    char whole[SYS_PATH_BYTES], hex[65];
    if (sys_path_real(path, whole) && sys_path_whole(path, whole)) return NULL;
    for (int i = 0; i < s->folder_count; i++)
        if (strcmp(s->folders[i].path, whole) == 0) return &s->folders[i];
    if (s->folder_count == SERVE_FOLDERS) return NULL;
    ServeFolder *f = &s->folders[s->folder_count];
    *f = (ServeFolder){.where.left_seconds = NAN};
    sha256_hex(str(whole), hex);
    snprintf(f->id, sizeof f->id, "%.12s", hex);
    snprintf(f->path, sizeof f->path, "%s", whole);
    const size_t here = strlen(s->here);
    const bool below = strncmp(whole, s->here, here) == 0 && sys_is_separator(whole[here]);
    f->shown = arena_printf(&s->arena, "%s", below ? whole + here + 1 : whole);
    s->folder_count++;
    return f;
}

static bool folder_holds_run(const char *path)
{
    char file[SYS_PATH_BYTES];
    for (int i = 0; i < 2; i++)
        if (snprintf(file, sizeof file, "%s/%s", path, i ? "config.json" : "results.jsonl") < (int)sizeof file &&
            sys_kind(file) == SYS_FILE && (!i || str_ends(str(path), S("lethe-out"))))
            return true;
    return false;
}

/* The runs that lie in a folder. */
static void folder_scan(Server *s, const char *path)
{
    char inner[SYS_PATH_BYTES];
    SysError ignored;
    if (folder_holds_run(path)) {
        folder_add(s, path);
        return;
    }
    SysFolder *entries = sys_folder_open(path, &ignored);
    for (const char *name; (name = sys_folder_next(entries));)
        if (*name != '.' && snprintf(inner, sizeof inner, "%s/%s", path, name) < (int)sizeof inner &&
            sys_kind(inner) == SYS_FOLDER && folder_holds_run(inner))
            folder_add(s, inner);
    sys_folder_close(entries);
}

static void folders_scan(Server *s)
{
    const ServePlan *plan = s->plan;
    s->scanned = clock_seconds();
    for (int i = 0; i < plan->folder_count; i++) {
        if (sys_kind(plan->folders[i]) == SYS_FOLDER)
            folder_scan(s, plan->folders[i]);
        else
            folder_add(s, plan->folders[i]); /* for a run to come */
    }
    if (!plan->folder_count) folder_scan(s, s->here);
}

/* ---- what is going on ---- */

static void folder_say(ServeFolder *f, FolderState state, const char *words)
{
    if (f->state == state && strcmp(f->words, words) == 0) return;
    f->state = state;
    snprintf(f->words, sizeof f->words, "%s", words);
    f->stamp++;
}

/* The last line that a run printed, without "lethe: "; text that can stand in JSON. */
static void folder_last_line(const ServeFolder *f, char *line, size_t room)
{
    char text[2048];
    SysInfo info;
    SysFile file;
    size_t got = 0;
    *line = 0;
    if (sys_info(f->errors, &info) || sys_open(f->errors, SYS_READ, &file)) return;
    const uint64_t from = info.size > sizeof text - 1 ? info.size - (sizeof text - 1) : 0;
    if (sys_read_at(file, from, text, sizeof text - 1, &got)) got = 0;
    sys_close(file, false);
    text[got] = 0;
    while (got && (text[got - 1] == '\n' || text[got - 1] == '\r')) text[--got] = 0;
    const char *last = strrchr(text, '\n');
    last = last ? last + 1 : text;
    if (strncmp(last, "lethe: ", 7) == 0) last += 7;
    Arena scratch = {0};
    const Str shown = utf8_cut(unicode_repair(&scratch, str(last)), room - 1);
    snprintf(line, room, "%.*s", STR_ARG(shown));
    arena_free(&scratch);
}

/* The run event's counts, and whether the last line is "done": from the ends of the file alone. */
static void folder_facts(ServeFolder *f, bool *run, bool *done)
{
    enum { END_BYTES = 512 };
    char path[SYS_PATH_BYTES], end[END_BYTES + 1];
    Arena scratch = {0};
    SysInfo info;
    SysFile file;
    size_t got = 0;
    *run = *done = false;
    if (snprintf(path, sizeof path, "%s/results.jsonl", f->path) >= (int)sizeof path || sys_info(path, &info) ||
        info.kind != SYS_FILE || sys_open(path, SYS_READ, &file))
        return;
    const size_t most = info.size < (8u << 20) ? (size_t)info.size : 8u << 20;
    char *text = arena_new(&scratch, char, most + 1);
    if (sys_read_at(file, 0, text, most < 65536 ? most : 65536, &got)) got = 0;
    if (!memchr(text, '\n', got) && most > got) { /* labels of many rows */
        size_t more = 0;
        if (!sys_read_at(file, got, text + got, most - got, &more)) got += more;
    }
    const char *first = memchr(text, '\n', got);
    json_t *event = first ? json_loadb(text, (size_t)(first - text), 0, NULL) : NULL;
    const char *kind = json_string_value(json_object_get(event, "event"));
    *run = kind && strcmp(kind, "run") == 0;
    if (*run) {
        f->tasks = (int)json_array_size(json_object_get(event, "tasks"));
        f->methods = (int)json_array_size(json_object_get(event, "methods"));
        f->seeds = (int)json_array_size(json_object_get(event, "seeds"));
    }
    json_decref(event);
    const uint64_t from = info.size > END_BYTES ? info.size - END_BYTES : 0;
    if (sys_read_at(file, from, end, END_BYTES, &got)) got = 0;
    end[got] = 0;
    sys_close(file, false);
    const Str all = {end, got};
    *done = *run && str_ends(all, S("\n")) && str_holds(all, S("{\"event\":\"done\""));
    arena_free(&scratch);
}

/* Whether another process holds the folder's lock. */
static bool folder_is_held(const ServeFolder *f)
{
    char path[SYS_PATH_BYTES];
    SysFile lock = SYS_NO_FILE;
    bool free = true;
    if (snprintf(path, sizeof path, "%s/lock", f->path) >= (int)sizeof path || sys_kind(path) != SYS_FILE) return false;
    if (sys_lock(path, &lock, &free)) return false;
    if (free && lock != SYS_NO_FILE) sys_unlock(lock, path);
    return !free;
}

static void folder_ended(ServeFolder *f, int code)
{
    enum { KILLED = 128 + 9 };
    char line[300];
    bool run, done;
    folder_facts(f, &run, &done);
    folder_last_line(f, line, sizeof line);
    if (done)
        folder_say(f, FOLDER_FINISHED, "finished");
    else if (code == EXIT_INTERRUPTED || f->stopping)
        folder_say(f, run ? FOLDER_STOPPED : FOLDER_EMPTY, "stopped; it can go on where it was");
    else if (code == KILLED) /* its last line is of something else */
        folder_say(f, FOLDER_FAILED,
                   run ? "the run was killed, perhaps for want of memory; it can go on where it was"
                       : "the run was killed, perhaps for want of memory");
    else
        folder_say(f, FOLDER_FAILED, *line ? line : "the run has ended unexpectedly");
    f->stopping = false;
    f->stamp++;
}

/* Looks at a folder; now and then when nobody works in it. */
static void folder_look(ServeFolder *f, double now)
{
    int code = 0;
    bool run, done;
    if (f->process.id) {
        if (!f->tasks && f->where.run) folder_facts(f, &run, &done);
        if (sys_process_ended(&f->process, &code))
            folder_ended(f, code);
        else
            folder_say(f, FOLDER_RUNNING, f->stopping ? "stops: it writes down where it is" : "running");
        return;
    }
    if (now - f->looked < 2 && f->looked > 0) return;
    f->looked = now;
    char path[SYS_PATH_BYTES];
    SysInfo info = {0};
    snprintf(path, sizeof path, "%.*s/results.jsonl", SYS_PATH_BYTES - 20, f->path);
    const bool there = !sys_info(path, &info) && info.kind == SYS_FILE,
               same = info.size == f->seen_size && info.id[0] == f->seen_id && f->stamp > 0;
    const bool held = f->state != FOLDER_FINISHED || !same ? folder_is_held(f) : false;
    if (same && !held && f->state != FOLDER_ELSEWHERE && f->state != FOLDER_RUNNING) return;
    f->seen_size = info.size;
    f->seen_id = info.id[0];
    folder_facts(f, &run, &done);
    if (held)
        folder_say(f, FOLDER_ELSEWHERE, "another process runs in this folder");
    else if (done)
        folder_say(f, FOLDER_FINISHED, "finished");
    else if (f->state != FOLDER_FAILED)
        folder_say(f, there ? FOLDER_STOPPED : FOLDER_EMPTY,
                   there ? "stopped; it can go on where it was" : "no run yet");
    if (!f->stamp) f->stamp++;
}

static json_t *folder_json(const ServeFolder *f)
{
    const bool known = f->state == FOLDER_RUNNING && isfinite(f->where.left_seconds);
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:o}", "id", f->id, "path", f->shown, "state",
                     folder_states[f->state], "words", f->words, "tasks", f->tasks, "methods", f->methods, "seeds",
                     f->seeds, "left_seconds", known ? json_real(f->where.left_seconds) : json_null());
}

static bool handle_folders(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    (void)request;
    (void)err;
    json_t *list = json_array();
    sys_monitor_enter(&s->room);
    if (clock_seconds() - s->scanned > 2) folders_scan(s);
    for (int i = 0; i < s->folder_count; i++) {
        ServeFolder *f = &s->folders[i];
        folder_look(f, clock_seconds());
        json_t *entry = folder_json(f);
        if (entry) json_array_append_new(list, entry); /* NULL: a name that is not UTF-8 */
    }
    sys_monitor_leave(&s->room);
    return answer_json(arena, answer, list);
}

/* The folder of a query, or of a request's "id" or "folder"; not NULL when true. */
static bool folder_named(Server *s, const char *id, ServeAnswer *answer, ServeFolder **out, Err *err)
{
    sys_monitor_enter(&s->room);
    *out = id ? folder_find(s, id) : NULL; /* folders never go */
    sys_monitor_leave(&s->room);
    return *out || answer_refused(answer, 404, err, "there is no such folder here");
}
