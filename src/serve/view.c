#include "state.h"

#include <stdlib.h>
#include <string.h>

/* What a run shows: views, charts, rows and the report, by the report's own code. */

static void view_close(LiveView *v)
{
    if (v->reader) report_reader_close(v->reader);
    free(v->text);
    arena_free(&v->arena);
    *v = (LiveView){0};
}

/* Whether a line changes more than a loss: a look at an earlier task, too, is the bar that falls. */
static bool view_is_urgent(Str line)
{
    static const char *const kinds[] = {"{\"event\":\"eval\"", "{\"event\":\"method\"", "{\"event\":\"done\"",
                                        "{\"event\":\"curve\"", "{\"event\":\"run\""};
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (line.size > strlen(kinds[i]) && memcmp(line.at, kinds[i], strlen(kinds[i])) == 0) return true;
    return false;
}

/* Reads the lines that have come: copies them within server->room, parses them outside. Within view_room. */
static void view_read(Server *s, ServeFolder *f, Arena *arena)
{
    LiveView *v = &f->view;
    sys_monitor_enter(&s->room);
    tail_want(s, f);
    const Tail *tail = &f->tail;
    if (v->changes != tail->changes) {
        view_close(v);
        v->changes = tail->changes;
    }
    const size_t whole = tail_whole(tail), size = whole - v->taken;
    char *lines = arena_copy(arena, tail->at ? tail->at + v->taken : "", size);
    v->lines = tail->lines;
    v->taken = whole;
    sys_monitor_leave(&s->room);
    if (!size || *v->fault) return;
    if (!v->reader) v->reader = report_reader_open(&v->arena, arena_printf(arena, "%s/results.jsonl", f->shown));
    for (size_t at = 0; at < size && !v->urgent; at += strcspn(lines + at, "\n") + 1)
        v->urgent = view_is_urgent((Str){lines + at, size - at});
    Err err = {0};
    v->results = report_reader_take(v->reader, (Str){lines, size}, &err);
    if (!v->results) snprintf(v->fault, sizeof v->fault, "%s", err.text);
}

/* Those of folders that nobody looks at go. */
static void views_forget(Server *s, const ServeFolder *but)
{
    sys_monitor_enter(&s->room);
    for (int i = 0; i < s->folder_count; i++)
        if (&s->folders[i] != but && !s->folders[i].tail.open && s->folders[i].view.reader)
            view_close(&s->folders[i].view);
    sys_monitor_leave(&s->room);
}

/* Makes the view anew when that is worth its cost: to a machine that trains it may be a hundredth of the time. */
static bool view_make(Server *s, ServeFolder *f, ServeAnswer *answer, Err *err)
{
    LiveView *v = &f->view;
    Arena scratch = {0};
    views_forget(s, f);
    view_read(s, f, &scratch);
    arena_free(&scratch);
    if (*v->fault) return fail(err, "%s", v->fault);
    if (!v->results) return answer_refused(answer, 404, err, "there are no results here yet");
    const double now = clock_seconds(), pause = v->cost * 100 < 0.3 ? 0.3 : v->cost * 100;
    const bool resting = f->process.id && !v->urgent && now - v->made < pause;
    if (v->text && (v->text_lines == v->lines || resting)) return true;
    json_t *view = report_view(v->results);
    json_object_set_new(view, "line", json_integer((json_int_t)v->lines));
    free(v->text);
    v->text = json_dumps(view, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(7));
    json_decref(view);
    ASSERT(v->text);
    v->text_lines = v->lines;
    v->made = clock_seconds();
    v->cost = v->made - now;
    v->urgent = false;
    return true;
}

static bool handle_view(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    ServeFolder *f;
    if (!folder_named(s, query_text(arena, request->query, "folder"), answer, &f, err)) return false;
    sys_monitor_enter(&s->view_room);
    const bool ok = view_make(s, f, answer, err);
    if (ok) answer->body = (Str){arena_copy(arena, f->view.text, strlen(f->view.text)), strlen(f->view.text)};
    sys_monitor_leave(&s->view_room);
    answer->status = ok ? 200 : answer->status;
    return ok;
}

static bool handle_chart(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    ServeFolder *f;
    int64_t width = 0, narrow = 0;
    if (!folder_named(s, query_text(arena, request->query, "folder"), answer, &f, err) ||
        !query_number(arena, request->query, "width", 0, 100000, 1600, &width, err) ||
        !query_number(arena, request->query, "narrow", 0, 1, width < 700, &narrow, err))
        return false;
    sys_monitor_enter(&s->view_room);
    bool ok =
        view_make(s, f, answer, err) && report_svg(arena, f->view.results, query_text(arena, request->query, "name"),
                                                   narrow, s->plan->font, &answer->body, err);
    sys_monitor_leave(&s->view_room);
    answer->type = "image/svg+xml";
    answer->policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
    answer->status = ok ? 200 : answer->status ? answer->status : 404;
    return ok;
}

static bool rows_find_method(const Results *r, const char *name, int *method, Err *err)
{
    *method = 0;
    while (*method < r->method_count && strcmp(r->methods[*method], name) != 0) ++*method;
    return *method < r->method_count || fail(err, "method: none of this run's is called %s", str_show(str(name)));
}

static bool handle_rows(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    ServeFolder *f;
    int method;
    int64_t task, from;
    json_t *rows = NULL;
    const char *which = query_text(arena, request->query, "which");
    const ReportRows kind = strcmp(which, "lost") == 0  ? REPORT_ROWS_LOST
                            : strcmp(which, "won") == 0 ? REPORT_ROWS_WON
                                                        : REPORT_ROWS_ALL;
    if (!folder_named(s, query_text(arena, request->query, "folder"), answer, &f, err) ||
        !query_number(arena, request->query, "task", 1, PLAN_MAX_TASKS, 1, &task, err) ||
        !query_number(arena, request->query, "from", 0, INT32_MAX, 0, &from, err))
        return false;
    sys_monitor_enter(&s->view_room);
    bool ok = view_make(s, f, answer, err);
    const Results *r = ok ? f->view.results : NULL;
    ok = ok && (task <= r->task_count || fail(err, "task: this run has %d", r->task_count)) &&
         rows_find_method(r, query_text(arena, request->query, "method"), &method, err);
    if (ok) rows = report_rows(r, (int)task - 1, method, kind, (size_t)from, SERVE_ROWS);
    sys_monitor_leave(&s->view_room);
    return ok && answer_json(arena, answer, rows);
}

/* A file as it is: file_read takes no page for data. */
static bool report_bytes(Arena *arena, const char *path, Str *bytes, Err *err)
{
    SysInfo info;
    SysFile file;
    size_t used = 0, got = 1;
    if (sys_info(path, &info) || info.kind != SYS_FILE || info.size > SERVE_FILE_BYTES ||
        sys_open(path, SYS_READ, &file))
        return fail(err, "%s: cannot be read", path);
    char *at = arena_new(arena, char, info.size + 1);
    while (used < info.size && got && !sys_read_at(file, used, at + used, info.size - used, &got)) used += got;
    sys_close(file, false);
    *bytes = (Str){at, used};
    return used == info.size || fail(err, "%s: reading failed", path);
}

/* The page that the run has written: it stands alone, and here it is kept from doing anything but being read. */
static bool handle_report(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    ServeFolder *f;
    char results_path[SYS_PATH_BYTES], page[SYS_PATH_BYTES];
    if (!folder_named(s, query_text(arena, request->query, "folder"), answer, &f, err)) return false;
    if (!path_in_folder(s, f->path, "results.jsonl", results_path) || !path_in_folder(s, f->path, "report.html", page))
        return answer_refused(answer, 404, err, "a link in this folder leads out of the folders that may be read");
    const char *path = page;
    if (!file_exists(path)) { /* unfinished: a page of what there is, beside the run's folder */
        Results results = {0};
        const char *folders[] = {f->path}, *out = arena_printf(arena, "%s/report-%s", s->session, f->id);
        sys_monitor_enter(&s->view_room);
        bool ok = report_load(arena, folders, 1, &results, err);
        if (ok) report_judge(arena, &results);
        ok = ok && report_write(&results, out, s->plan->font, err);
        sys_monitor_leave(&s->view_room);
        if (!ok) return false;
        path = arena_printf(arena, "%s/report.html", out);
    }
    answer->type = "text/html; charset=utf-8";
    answer->policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups";
    answer->status = 200;
    return report_bytes(arena, path, &answer->body, err);
}
