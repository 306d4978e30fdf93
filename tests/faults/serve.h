/* What lethe serve answers while the world fails: its requests one after another, without sockets. */
#ifndef FAULTS_SERVE_H
#define FAULTS_SERVE_H

#include "children.h"

typedef struct FaultsAsked {
    const char *path, *query, *body; /* body NULL: a GET. In query and body, %s is the folder's id */
    bool half;                       /* of the folder whose run has not ended */
} FaultsAsked;

static const FaultsAsked faults_asked[] = {
    {"api/start", NULL, NULL, false},
    {"api/folders", NULL, NULL, false},
    {"api/view", "folder=%s", NULL, false},
    {"api/view", "folder=%s", NULL, true},
    {"api/chart.svg", "folder=%s&name=loss", NULL, false},
    {"api/rows", "folder=%s&task=1&method=full&which=all", NULL, false},
    {"api/events", "folder=%s", NULL, false},
    {"report", "folder=%s", NULL, false},
    {"api/upload", "name=rows.csv", "text,label\na,0\nb,1\n", false},
    {"api/ask", NULL, "{\"folder\":\"%s\",\"task\":1,\"text\":\"a good film\"}", false},
    {"api/states", "folder=%s", NULL, false},
};

static int faults_answer(Server *s, const FaultsAsked *asked)
{
    Arena arena = {0};
    ServeAnswer answer;
    const char *id = s->folders[asked->half].id;
    ServeRequest request = {.post = asked->body != NULL,
                            .path = arena_printf(&arena, "/%s/%s", s->token, asked->path),
                            .query = asked->query ? arena_printf(&arena, asked->query, id) : NULL,
                            .host = arena_printf(&arena, "127.0.0.1:%d", s->port),
                            .token = s->token,
                            .peer = "127.0.0.1",
                            .body = str(asked->body ? arena_printf(&arena, asked->body, id) : "")};
    const ServeRoute *route = route_find(s, &arena, &request, &answer);
    ASSERT(route);
    watch_once(s);
    route_answer(s, &arena, route, &request, &answer);
    if (answer.status != 200) {
        json_t *said = json_loadb(answer.body.at, answer.body.size, 0, NULL);
        const char *words = json_string_value(json_object_get(said, "error"));
        ASSERT(answer.status >= 400 && words && *words && !strchr(words, '\n'));
        json_decref(said);
    } else if (answer.stream) {
        Stream stream = {.folder = answer.stream, .line = answer.from};
        ASSERT(stream_next(&arena, &stream, 1).size > 0);
    }
    arena_free(&arena);
    return answer.status;
}

static ServePlan faults_serve_plan = {.listen = "10.0.0.1", .embedded.name = "built in", .port = 80};

/* All requests, of which one may fail; after that each has its answer as if nothing had been. The folders OUT and
 * another, unfinished one are named below the folder FROM: FROM OUT HALF. */
static int child_serve(int argc, char **argv)
{
    static Server s;
    Err err = {0};
    if (argc != 4 || chdir(argv[1]) != 0) return 99;
    setenv("XDG_CACHE_HOME", "cache", true);
    interrupt_install();
    json_start();
    faults_serve_plan.folders = (const char *const *)(argv + 2);
    faults_serve_plan.folder_count = 2;
    if (!server_open(&s, &faults_serve_plan, &err)) {
        fprintf(stderr, "lethe: %s\n", err.text);
    } else {
        for (int again = 0; again < 2; again++)
            for (size_t i = 0; i < COUNT(faults_asked); i++) {
                if (again && i == 0) faults->action = FAULT_NONE;
                if (faults_answer(&s, &faults_asked[i]) != 200 && again) ASSERT(!"an answer after the failure");
            }
    }
    server_close(&s);
    return err.code;
}

#endif
