/* A request to lethe serve, as text: "GET /path?query" or "POST ...", lines "host: ...", "token: ...", "last: ...", an
 * empty line, the body. In it OWNER and VIEWER stand for the tokens. Nothing is started and nothing written. */

static char *fuzz_serve_line(char **rest)
{
    char *line = *rest, *end = line ? strchr(line, '\n') : NULL;
    if (end) *end = 0;
    *rest = end ? end + 1 : NULL;
    return line;
}

/* One folder, whose results.jsonl is a seed of the report's target. */
static Server *fuzz_server(void)
{
    static Server s;
    static const char *const files[] = {"/dev"};
    static ServePlan plan = {.listen = "10.0.0.1", .embedded.name = "built in", .files = files, .file_count = 1};
    static Arena arena;
    Str text = {"", 0};
    Err err = {0};
    if (s.plan) return &s;
    if (!asset_expand(&arena, "DejaVuSans.ttf", &plan.font, &err)) ASSERT(!"the font is embedded");
    (void)file_read(&arena, "tests/fuzz/results/every_event", 1 << 20, &text, &err);
    s = (Server){.plan = &plan, .port = 80, .code = "123456", .token = "00000000000000000000000000000000"};
    snprintf(s.view_token, sizeof s.view_token, "11111111111111111111111111111111");
    SysMonitor *monitors[] = {&s.room, &s.view_room, &s.ask_room, &s.check_room};
    for (size_t i = 0; i < COUNT(monitors); i++) sys_monitor_open(monitors[i]);
    s.folders = memory_need(NULL, SERVE_FOLDERS * sizeof *s.folders);
    s.asking = memory_need(NULL, sizeof *s.asking);
    *s.asking = (Asking){0};
    snprintf(s.here, sizeof s.here, "/dev/null/here");
    ServeFolder *f = folder_add(&s, "/dev/null/here/out");
    snprintf(f->id, sizeof f->id, "a");
    f->tail = (Tail){.open = true, .at = memory_need(NULL, text.size + 1), .size = text.size, .changes = 1};
    memcpy(f->tail.at, text.at, text.size);
    tail_index(&f->tail, 0);
    return &s;
}

static void fuzz_serve_setup(Server *s, Arena *arena, const ServeRequest *request)
{
    CommandLine words = {0};
    ServeAnswer answer = {0};
    Err err = {0};
    json_t *setup = NULL;
    const char *out;
    if (!body_json(request, &setup, &err)) return;
    if (setup_words(s, arena, setup, &words, &out, &answer, &err))
        for (size_t i = 0; i < words.count; i++) ASSERT(words.at[i]);
    line_command(arena, &words);
    check_field(arena, setup, err.code ? err.text : "--epochs 0: no");
    json_decref(setup);
}

static void fuzz_serve(Arena *arena, Str bytes, Err *err)
{
    Server *s = fuzz_server();
    (void)err;
    ServeRequest request = {.peer = "127.0.0.1"};
    char *rest = arena_copy(arena, bytes.at, bytes.size), *line = fuzz_serve_line(&rest);
    if (!line) return;
    request.post = strncmp(line, "POST ", 5) == 0;
    char *path = strchr(line, ' ');
    path = path ? path + 1 : line;
    char *query = strchr(path, '?');
    if (query) *query++ = 0;
    request.query = query;
    if (strncmp(path, "/OWNER", 6) == 0) path = arena_printf(arena, "/%s%s", s->token, path + 6);
    if (strncmp(path, "/VIEWER", 7) == 0) path = arena_printf(arena, "/%s%s", s->view_token, path + 7);
    request.path = path;
    while ((line = fuzz_serve_line(&rest)) && *line) {
        if (strncmp(line, "host: ", 6) == 0) request.host = line + 6;
        if (strncmp(line, "last: ", 6) == 0) request.last_event = line + 6;
        if (strncmp(line, "token: ", 7) == 0)
            request.token = strcmp(line + 7, "OWNER") == 0    ? s->token
                            : strcmp(line + 7, "VIEWER") == 0 ? s->view_token
                                                              : line + 7;
    }
    request.body = str(rest ? rest : "");
    ServeAnswer answer;
    const ServeRoute *route = route_find(s, arena, &request, &answer);
    ASSERT((!route && answer.status != 200) || host_is_ours(s, request.host));
    if (!route) return;
    if (route->handle == handle_run || route->handle == handle_check) {
        fuzz_serve_setup(s, arena, &request);
        return;
    }
    route_answer(s, arena, route, &request, &answer);
    ASSERT(answer.status >= 200 && answer.status < 600);
    s->tries = 0;
    if (answer.stream) {
        Stream stream = {.folder = answer.stream, .line = answer.from};
        ASSERT(stream_next(arena, &stream, 1).size > 0);
    } else if (!answer.type) {
        json_t *parsed = json_loadb(answer.body.at, answer.body.size, 0, NULL);
        ASSERT(parsed);
        ASSERT(answer.status == 200 || json_is_string(json_object_get(parsed, "error")));
        json_decref(parsed);
    }
}

/* ---- a run as it grows ---- */

/* What a page gets of a results.jsonl that comes in so many pieces, each cut anywhere: the last view, or why there is
 * none. */
static const char *fuzz_live_view(Server *s, Arena *arena, Str bytes, size_t pieces)
{
    ServeFolder *f = folder_add(s, "/dev/null/here/live");
    Stream stream = {.folder = f};
    ServeAnswer answer = {0};
    Err err = {0};
    f->tail = (Tail){.open = true, .at = memory_need(NULL, bytes.size + 1), .changes = 1};
    for (size_t i = 1; i <= pieces; i++) {
        const size_t before = f->tail.size, size = bytes.size * i / pieces;
        memcpy(f->tail.at + before, bytes.at + before, size - before);
        f->tail.size = size;
        tail_index(&f->tail, before);
        where_follow(f);
        json_decref(where_json(&f->where));
        stream_next(arena, &stream, (double)i);
        err = (Err){0};
        view_make(s, f, &answer, &err);
    }
    ASSERT(stream.line == f->tail.lines);
    const Results *r = err.code ? NULL : f->view.results;
    for (int m = 0; r && m < r->method_count; m++)
        for (int j = 0; j < r->task_count; j++)
            for (ReportRows kind = REPORT_ROWS_LOST; kind <= REPORT_ROWS_ALL; kind++) {
                json_t *rows = report_rows(r, j, m, kind, 0, SERVE_ROWS);
                ASSERT(rows);
                json_decref(rows);
            }
    const char *text = err.code ? err.text : f->view.text;
    text = arena_copy(arena, text, strlen(text));
    view_close(&f->view);
    tail_close(&f->tail);
    json_decref(f->where.run);
    f->where = (Whereabouts){0};
    f->where_lines = 0;
    return text;
}

/* The first byte says in how many pieces the rest comes: a view is the same as of the whole at once. */
static void fuzz_live(Arena *arena, Str bytes, Err *err)
{
    Server *s = fuzz_server();
    (void)err;
    if (!bytes.size) return;
    const size_t pieces = (uint8_t)bytes.at[0] % 4 + 2;
    bytes = (Str){bytes.at + 1, bytes.size - 1};
    const char *grown = fuzz_live_view(s, arena, bytes, pieces), *whole = fuzz_live_view(s, arena, bytes, 1);
    ASSERT(strcmp(grown, whole) == 0);
}
