#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "page.c"      // the files of the page
#include "http.c"      // what a request asks for, and whether it may
#include "paths.c"     // which files may be reached
#include "tail.c"      // results.jsonl as it grows
#include "progress.c"  // where a run is
#include "folders.c"   // OUT folders
#include "view.c"      // what a run shows
#include "events.c"    // server-sent events
#include "runs.c"      // set-up, starting, stopping
#include "ask.c"       // models that answer
#include "start.c"     // what the page needs to know at first
#include "listen.c"    // sockets

static const ServeRoute serve_routes[] = {
    {"api/start", handle_start, 0, RIGHT_VIEWER, false},
    {"api/folders", handle_folders, 0, RIGHT_VIEWER, false},
    {"api/events", handle_events, 0, RIGHT_VIEWER, false},
    {"api/view", handle_view, 0, RIGHT_VIEWER, false},
    {"api/chart.svg", handle_chart, 0, RIGHT_VIEWER, false},
    {"api/rows", handle_rows, 0, RIGHT_VIEWER, false},
    {"api/states", handle_states, 0, RIGHT_VIEWER, false},
    {"report", handle_report, 0, RIGHT_VIEWER, false},
    {"api/ask", handle_ask, 1 << 16, RIGHT_VIEWER, true},
    {"api/check", handle_check, SERVE_BODY_BYTES, RIGHT_OWNER, true},
    {"api/run", handle_run, SERVE_BODY_BYTES, RIGHT_OWNER, true},
    {"api/stop", handle_stop, SERVE_BODY_BYTES, RIGHT_OWNER, true},
    {"api/go-on", handle_go_on, SERVE_BODY_BYTES, RIGHT_OWNER, true},
    {"api/upload", handle_upload, SERVE_FILE_BYTES, RIGHT_OWNER, true},
    {"code", handle_code, 1 << 12, RIGHT_ANYONE, true},
};
static const size_t serve_route_count = COUNT(serve_routes);

/* A folder of this process for what runs print; a run that goes on keeps what it has there. */
static bool serve_session(Server *s, Arena *arena, Err *err)
{
    const char *cache = cache_folder(arena);
    snprintf(s->session, sizeof s->session, "%.*s/serve-%u", SYS_PATH_BYTES - 40, cache ? cache : s->here,
             sys_process_id());
    return folder_make(s->session, err);
}

static void serve_session_end(const Server *s)
{
    char path[SYS_PATH_BYTES];
    const char *folders[] = {"/charts", ""};
    SysError ignored;
    SysFolder *reports = sys_folder_open(s->session, &ignored);
    for (const char *name; (name = sys_folder_next(reports));) {
        if (strncmp(name, "report-", 7) != 0) {
            if (snprintf(path, sizeof path, "%s/%s", s->session, name) < (int)sizeof path) sys_remove(path);
            continue;
        }
        for (size_t k = 0; k < COUNT(folders); k++) {
            char inner[SYS_PATH_BYTES], file[SYS_PATH_BYTES];
            snprintf(inner, sizeof inner, "%.*s/%.100s%s", SYS_PATH_BYTES - 200, s->session, name, folders[k]);
            SysFolder *files = sys_folder_open(inner, &ignored);
            for (const char *one; (one = sys_folder_next(files));)
                if (snprintf(file, sizeof file, "%s/%s", inner, one) < (int)sizeof file) sys_remove(file);
            sys_folder_close(files);
            sys_folder_remove(inner);
        }
    }
    sys_folder_close(reports);
    sys_folder_remove(s->session);
}

/* All but the sockets. */
static bool server_open(Server *s, const ServePlan *plan, Err *err)
{
    uint8_t digits[6];
    *s = (Server){.plan = plan, .port = plan->port};
    SysMonitor *monitors[] = {&s->room, &s->view_room, &s->ask_room, &s->check_room};
    for (size_t i = 0; i < COUNT(monitors); i++) sys_monitor_open(monitors[i]);
    s->folders = memory_need(NULL, SERVE_FOLDERS * sizeof *s->folders);
    s->asking = memory_need(NULL, sizeof *s->asking);
    *s->asking = (Asking){0};
    (void)run_options(); /* made once, before there are threads */
    const SysError error = sys_path_real(".", s->here);
    if (error) return fail(err, "the current folder cannot be read: %s", sys_error_text(error));
    if (!token_make(s->token, SERVE_TOKEN) || !token_make(s->view_token, SERVE_TOKEN) || !sys_random(digits, 6))
        return fail(err, "the system gives no random numbers, which keep others out");
    for (int i = 0; i < 6; i++) s->code[i] = (char)('0' + digits[i] % 10);
    if (!serve_session(s, &s->arena, err)) return false;
    folders_scan(s);
    return true;
}

static void server_close(Server *s)
{
    ask_close(s);
    for (int i = 0; i < s->folder_count; i++) {
        ServeFolder *f = &s->folders[i];
        sys_process_leave(&f->process);
        tail_close(&f->tail);
        view_close(&f->view);
        json_decref(f->where.run);
    }
    if (*s->session) serve_session_end(s);
    free(s->folders);
    free(s->asking);
    arena_free(&s->arena);
}

static void serve_say(const Server *s)
{
    const ServePlan *plan = s->plan;
    char address[160];
    snprintf(address, sizeof address, "http://127.0.0.1:%d/%s/", s->port, s->token);
    printf("lethe serves this page, to you alone: %s\n", address);
    if (plan->listen)
        printf("The room looks on at http://%s:%d/ with the code %.3s %.3s\n", plan->listen, s->port, s->code,
               s->code + 3);
    printf("Ctrl-C ends it; runs that it has started go on.\n");
    sys_stream_flush(stdout);
    if (plan->browser && !sys_browse(address)) printf("No browser was found to open: copy the address into yours.\n");
    sys_stream_flush(stdout);
}

bool serve_run(const ServePlan *plan, Err *err)
{
    static Server server;
    struct mg_context *contexts[2] = {NULL, NULL};
    mg_init_library(0);
    bool ok = server_open(&server, plan, err) && listen_start(&server, contexts, err);
    if (ok) serve_say(&server);
    while (ok && !interrupted()) {
        watch_once(&server);
        sys_sleep(SERVE_TICK_MS);
    }
    sys_monitor_enter(&server.room);
    server.ending = true;
    sys_monitor_wake(&server.room);
    sys_monitor_leave(&server.room);
    for (size_t i = 0; i < COUNT(contexts); i++)
        if (contexts[i]) mg_stop(contexts[i]);
    server_close(&server);
    mg_exit_library();
    return ok;
}
