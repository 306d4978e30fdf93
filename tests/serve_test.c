/* serve: build/lethe serve as a browser meets it: over sockets, with a small client of the test's own. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* ---- the server ---- */

typedef struct Serving {
    pid_t pid;
    int port;
    char token[SERVE_TOKEN + 1], code[8], here[SYS_PATH_BYTES];
} Serving;

/* Starts lethe serve in the folder `name` below build/test-tmp, with what `more` (NULL: nothing) names beside. */
static Serving serve_begin(const char *name, const char *more, const char *value)
{
    Serving s = {0};
    char program[SYS_PATH_BYTES], golden[SYS_PATH_BYTES], line[1024] = "";
    int out[2];
    assert_int_equal(sys_path_real("build/lethe", program), 0);
    assert_int_equal(sys_path_real("tests/golden", golden), 0);
    mkdir(tmp_path(name), 0777);
    assert_int_equal(sys_path_real(tmp_path(name), s.here), 0);
    assert_int_equal(pipe(out), 0);
    fflush(NULL);
    s.pid = fork();
    if (s.pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* also when a test fails */
        close(out[0]);
        close(out[1]);
        if (chdir(s.here) != 0) _exit(99);
        setenv("XDG_CACHE_HOME", s.here, true);
        setenv("LETHE_DEVICE", "cpu", true);
        execl(program, "lethe", "serve", "--no-browser", "--files", golden, more, value, NULL);
        _exit(99);
    }
    close(out[1]);
    FILE *said = fdopen(out[0], "r");
    while (fgets(line, sizeof line, said) && !strstr(line, "Ctrl-C")) {
        sscanf(line, "lethe serves this page, to you alone: http://127.0.0.1:%d/%32[0-9a-f]/", &s.port, s.token);
        char *code = strstr(line, "with the code ");
        if (code) snprintf(s.code, sizeof s.code, "%.3s%.3s", code + 14, code + 18);
    }
    fclose(said);
    assert_true(s.port > 0 && strlen(s.token) == SERVE_TOKEN);
    return s;
}

static void serve_end(const Serving *s)
{
    int status = -1;
    kill(s->pid, SIGINT);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- the client ---- */

static int serve_connect(const Serving *s, const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)};
    inet_pton(AF_INET, address, &to.sin_addr);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct timeval limit = {.tv_sec = 30};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static char serve_text[1 << 20]; /* the latest answer, with its head */

/* Sends bytes as they are, and takes the whole answer; its status. */
static int serve_raw(const Serving *s, const char *address, const char *request)
{
    const int fd = serve_connect(s, address);
    const size_t size = strlen(request);
    assert_int_equal(send(fd, request, size, MSG_NOSIGNAL), (ssize_t)size);
    size_t used = 0;
    for (ssize_t got; (got = recv(fd, serve_text + used, sizeof serve_text - 1 - used, 0)) > 0;) used += (size_t)got;
    serve_text[used] = 0;
    close(fd);
    int status = 0;
    sscanf(serve_text, "HTTP/1.1 %d", &status);
    return status;
}

static const char *serve_body(void)
{
    const char *end = strstr(serve_text, "\r\n\r\n");
    return end ? end + 4 : "";
}

static int serve_get(const Serving *s, const char *format, ...) PRINTF(2, 3);
static int serve_get(const Serving *s, const char *format, ...)
{
    char path[512], request[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    snprintf(request, sizeof request, "GET /%s/%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", s->token, path, s->port);
    return serve_raw(s, "127.0.0.1", request);
}

static int serve_post_as(const Serving *s, const char *token, const char *header, const char *path, const char *body)
{
    static char request[1 << 16];
    snprintf(request, sizeof request, "POST /%s/%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%sContent-Length: %zu\r\n\r\n%s",
             token, path, s->port, header, strlen(body), body);
    return serve_raw(s, "127.0.0.1", request);
}

static int serve_post(const Serving *s, const char *path, const char *body)
{
    char header[64];
    snprintf(header, sizeof header, "X-Lethe-Token: %s\r\n", s->token);
    return serve_post_as(s, s->token, header, path, body);
}

/* The text of a key in the latest answer, as JSON writes it; "" where it is not. */
static const char *serve_value(const char *key, const char *body)
{
    static char value[256];
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":\"", key);
    const char *at = strstr(body, wanted);
    *value = 0;
    if (at) sscanf(at + strlen(wanted), "%255[^\"]", value);
    return value;
}

/* Until the folder has this state; the words that say it. */
static void serve_await(const Serving *s, const char *id, const char *state)
{
    char wanted[128];
    snprintf(wanted, sizeof wanted, "\"id\":\"%s\"", id);
    for (int tries = 0; tries < 600; tries++) {
        assert_int_equal(serve_get(s, "api/folders"), 200);
        const char *entry = strstr(serve_body(), wanted);
        if (entry && strcmp(serve_value("state", entry), state) == 0) return;
        sys_sleep(50);
    }
    fail_msg("never %s: %s", state, serve_body());
}

/* A run of a tiny encoder. */
static const char *serve_setup(const char *out, const char *methods, int epochs)
{
    static char text[1024];
    char golden[SYS_PATH_BYTES];
    assert_int_equal(sys_path_real("tests/golden", golden), 0);
    snprintf(text, sizeof text,
             "{\"tasks\":[{\"builtin\":\"sentiment\"},{\"builtin\":\"nli\"}],\"methods\":[%s],\"seeds\":[1],"
             "\"model\":\"%s/interchange/bert\",\"options\":{\"epochs\":\"%d\",\"max-length\":\"16\",\"threads\":\"1\","
             "\"train-rows\":\"64\",\"eval-rows\":\"40\"},\"out\":\"%s\"}",
             methods, golden, epochs, out);
    return text;
}

static char *serve_start(const Serving *s, const char *out, const char *methods, int epochs)
{
    static char id[32];
    if (serve_post(s, "api/run", serve_setup(out, methods, epochs)) != 200) fail_msg("%s", serve_body());
    snprintf(id, sizeof id, "%s", serve_value("id", serve_body()));
    assert_int_equal(strlen(id), 12);
    return id;
}

/* ---- tests ---- */

static void test_serve_safe(void **state)
{
    (void)state;
    const Serving s = serve_begin("serve-safe", NULL, NULL);
    char request[1024];
    char hosts[6][64] = {"evil.example", "127.0.0.1", "127.0.0.1:1"};
    snprintf(hosts[3], sizeof hosts[3], "evil.example:%d", s.port);
    snprintf(hosts[4], sizeof hosts[4], "localhost.evil.example:%d", s.port);
    snprintf(hosts[5], sizeof hosts[5], "127.0.0.1:%d.evil.example", s.port);
    for (size_t i = 0; i < COUNT(hosts); i++) { /* before anything else: a right token changes nothing */
        snprintf(request, sizeof request, "GET /%s/ HTTP/1.1\r\nHost: %s\r\n\r\n", s.token, hosts[i]);
        assert_int_equal(serve_raw(&s, "127.0.0.1", request), 403);
        assert_null(strstr(serve_text, "<html"));
    }
    snprintf(request, sizeof request, "GET /%s/ HTTP/1.1\r\n\r\n", s.token);
    assert_true(serve_raw(&s, "127.0.0.1", request) != 200);
    static const char *const ours[] = {"127.0.0.1", "localhost", "[::1]", "LOCALHOST"};
    for (size_t i = 0; i < COUNT(ours); i++) {
        snprintf(request, sizeof request, "GET /%s/ HTTP/1.1\r\nHost: %s:%d\r\n\r\n", s.token, ours[i], s.port);
        assert_int_equal(serve_raw(&s, "127.0.0.1", request), 200);
    }
    assert_non_null(strstr(serve_text,
                           "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src "
                           "'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                           "frame-ancestors 'none'\r\n"));
    assert_non_null(strstr(serve_text, "X-Content-Type-Options: nosniff"));
    assert_null(strstr(serve_text, "Access-Control-"));
    /* no token, a wrong one, half of one */
    static const char *const paths[] = {
        "/", "/api/folders", "/00000000000000000000000000000000/", "/page.js", "//", "/..%2f", "/code"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", paths[i], s.port);
        assert_int_equal(serve_raw(&s, "127.0.0.1", request), 403);
    }
    snprintf(request, sizeof request, "GET /%.31s/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", s.token, s.port);
    assert_int_equal(serve_raw(&s, "127.0.0.1", request), 403);
    /* nothing but what is listed; the address of the token alone leads to its folder */
    static const char *const missing[] = {"../",      "api",      "api/", "api/view/..", "page.c", "../../etc/passwd",
                                          "%2e%2e/x", "index.htm"};
    for (size_t i = 0; i < COUNT(missing); i++) assert_int_equal(serve_get(&s, "%s", missing[i]), 404);
    snprintf(request, sizeof request, "GET /%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", s.token, s.port);
    assert_int_equal(serve_raw(&s, "127.0.0.1", request), 302);
    /* POST: the token in a header, too */
    assert_int_equal(serve_post_as(&s, s.token, "", "api/stop", "{}"), 403);
    assert_int_equal(
        serve_post_as(&s, s.token, "X-Lethe-Token: 00000000000000000000000000000000\r\n", "api/stop", "{}"), 403);
    assert_int_equal(serve_post(&s, "api/stop", "{\"id\":\"no\"}"), 404);
    assert_int_equal(serve_post(&s, "api/stop", "{"), 400);
    assert_int_equal(serve_post(&s, "api/folders", "{}"), 405);
    assert_int_equal(serve_get(&s, "api/run"), 405);
    snprintf(request, sizeof request,
             "OPTIONS /%s/api/run HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nOrigin: "
             "http://evil\r\nAccess-Control-Request-Method: POST\r\n\r\n",
             s.token, s.port);
    assert_int_equal(serve_raw(&s, "127.0.0.1", request), 405);
    assert_null(strstr(serve_text, "Access-Control-Allow"));
    snprintf(
        request, sizeof request,
        "POST /%s/api/run HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Lethe-Token: %s\r\nContent-Length: 99999999999\r\n\r\n",
        s.token, s.port, s.token);
    assert_int_equal(serve_raw(&s, "127.0.0.1", request), 413);
    /* files outside of the folders that were named */
    assert_int_equal(
        serve_post(&s, "api/check",
                   "{\"tasks\":[{\"name\":\"a\",\"train\":\"/etc/passwd\",\"eval\":\"20%\"}],\"out\":\"o\"}"),
        200);
    assert_non_null(strstr(serve_body(), "lies outside of the folders"));
    assert_string_equal(serve_value("field", serve_body()), "tasks.0");
    assert_int_equal(serve_post(&s, "api/run", "{\"out\":\"../../elsewhere\"}"), 400);
    assert_int_equal(serve_post(&s, "api/run", "{\"out\":\"o\",\"options\":{\"config\":\"/etc/passwd\"}}"), 400);
    serve_end(&s);
}

/* What could be read in two ways is refused, with the right token and all. */
static void test_serve_reads_a_request_one_way(void **state)
{
    (void)state;
    const Serving s = serve_begin("serve-safe", NULL, NULL);
    char request[1024], ours[64], token[64];
    snprintf(ours, sizeof ours, "Host: 127.0.0.1:%d\r\n", s.port);
    snprintf(token, sizeof token, "X-Lethe-Token: %s\r\n", s.token);
    snprintf(request, sizeof request, "GET /%s/ HTTP/1.1\r\n%sHost: evil\r\n\r\n", s.token, ours);
    assert_int_equal(serve_raw(&s, "127.0.0.1", request), 403);
    snprintf(request, sizeof request, "GET http://evil:%d/%s/ HTTP/1.1\r\n%s\r\n", s.port, s.token, ours);
    assert_int_equal(serve_raw(&s, "127.0.0.1", request), 403);
    static const struct {
        const char *headers, *body;
        int status;
    } posts[] = {{"Content-Length: 11\r\n", "{\"id\":\"no\"}", 404},
                 {"Content-Length: 11\r\nContent-Length: 2\r\n", "{\"id\":\"no\"}", 403},
                 {"X-Lethe-Token: no\r\nContent-Length: 11\r\n", "{\"id\":\"no\"}", 403},
                 {"Transfer-Encoding: chunked\r\n", "b\r\n{\"id\":\"no\"}\r\n0\r\n\r\n", 411},
                 {"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "b\r\n{\"id\":\"no\"}\r\n0\r\n\r\n", 411},
                 {"", "{\"id\":\"no\"}", 411}};
    for (size_t i = 0; i < COUNT(posts); i++) {
        snprintf(request, sizeof request, "POST /%s/api/stop HTTP/1.1\r\n%s%s%s\r\n%s", s.token, ours, token,
                 posts[i].headers, posts[i].body);
        assert_int_equal(serve_raw(&s, "127.0.0.1", request), posts[i].status);
    }
    /* what follows a body is no second request */
    snprintf(request, sizeof request,
             "POST /%s/api/stop HTTP/1.1\r\n%s%sContent-Length: 2\r\n\r\n{}GET /%s/ HTTP/1.1\r\n%s\r\n", s.token, ours,
             token, s.token, ours);
    assert_int_equal(serve_raw(&s, "127.0.0.1", request), 404);
    assert_null(strstr(serve_body(), "HTTP/1.1"));
    serve_end(&s);
}

/* Who may ask what, by token and by the machine that the request comes from. */
static void test_serve_rights(void **state)
{
    static ServePlan plan = {.listen = "10.0.0.1", .port = 80};
    static Server s = {.plan = &plan, .port = 80, .token = "00000000000000000000000000000000"};
    static const struct {
        const char *peer;
        char token;
        const char *path;
        bool post;
        int status; /* 0: it is answered by a handler */
    } asked[] = {
        {"127.0.0.1", '0', "api/start", false, 0},   {"::1", '0', "api/run", true, 0},
        {"10.0.0.7", '0', "api/start", false, 403},  {"10.0.0.7", '0', "api/run", true, 403},
        {"127.0.0.11", '0', "api/run", true, 403},   {"::ffff:127.0.0.1", '0', "api/run", true, 403},
        {"10.0.0.7", '1', "api/start", false, 0},    {"10.0.0.7", '1', "api/ask", true, 0},
        {"10.0.0.7", '1', "api/run", true, 403},     {"127.0.0.1", '1', "api/upload", true, 403},
        {"127.0.0.1", '2', "api/start", false, 403},
    };
    Arena arena = {0};
    (void)state;
    snprintf(s.view_token, sizeof s.view_token, "11111111111111111111111111111111");
    for (size_t i = 0; i < COUNT(asked); i++) {
        char token[SERVE_TOKEN + 1] = "";
        memset(token, asked[i].token, SERVE_TOKEN);
        const ServeRequest request = {.post = asked[i].post,
                                      .path = arena_printf(&arena, "/%s/%s", token, asked[i].path),
                                      .host = "10.0.0.1:80",
                                      .token = token,
                                      .peer = asked[i].peer};
        ServeAnswer answer;
        const ServeRoute *route = route_find(&s, &arena, &request, &answer);
        assert_int_equal(route ? 0 : answer.status, asked[i].status);
    }
    arena_free(&arena);
}

static void test_serve_upload(void **state)
{
    (void)state;
    const Serving s = serve_begin("serve-upload", NULL, NULL);
    const char *rows =
        "sentence,label\na good film,1\nbad,0\nfine,1\nawful,0\ngreat,1\npoor,0\nnice,1\nsad,0\nfun,1\ndull,0\n";
    assert_int_equal(serve_post(&s, "api/upload?name=..%2F..%2Fmy%20rows.csv", rows), 200);
    assert_string_equal(serve_value("path", serve_body()), "lethe-files/_.._my_rows.csv");
    assert_int_equal(serve_post(&s, "api/upload?name=..%2F..%2Fmy%20rows.csv", rows), 200);
    assert_string_equal(serve_value("path", serve_body()), "lethe-files/_.._my_rows.csv"); /* the same file */
    assert_int_equal(serve_post(&s, "api/upload?name=x.exe", rows), 400);
    assert_int_equal(serve_post(&s, "api/upload?name=x.csv", ""), 400);
    char golden[SYS_PATH_BYTES], setup[2048];
    assert_int_equal(sys_path_real("tests/golden", golden), 0);
    snprintf(
        setup, sizeof setup,
        "{\"tasks\":[{\"name\":\"mine\",\"train\":\"lethe-files/"
        "_.._my_rows.csv\",\"eval\":\"20%%\"}],\"methods\":[\"full\"],"
        "\"model\":\"%s/interchange/bert\",\"options\":{\"threads\":\"1\",\"max-length\":\"16\"},\"out\":\"mine\"}",
        golden);
    assert_int_equal(serve_post(&s, "api/check", setup), 200);
    assert_non_null(strstr(serve_body(), "\"ok\":true"));
    assert_non_null(strstr(serve_body(), "\"text\":\"sentence\""));
    assert_non_null(strstr(serve_body(), "\"seconds\":"));
    serve_end(&s);
}

/* Reads until `wanted` has come. */
static void serve_read_until(int fd, const char *wanted)
{
    size_t used = 0;
    *serve_text = 0;
    while (!strstr(serve_text, wanted)) {
        const ssize_t got = recv(fd, serve_text + used, sizeof serve_text - 1 - used, 0);
        assert_true(got > 0);
        used += (size_t)got;
        serve_text[used] = 0;
    }
}

/* Reads a stream until it holds `wanted`, from after the given lines on ("": from the beginning). */
static void serve_follow(const Serving *s, const char *id, const char *after, const char *wanted)
{
    char request[512];
    snprintf(request, sizeof request, "GET /%s/api/events?folder=%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s%s\r\n",
             s->token, id, s->port, *after ? "Last-Event-ID: " : "", after, *after ? "\r\n" : "");
    const int fd = serve_connect(s, "127.0.0.1");
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    serve_read_until(fd, wanted);
    close(fd);
}

/* results.jsonl as others write it: in halves, over what was there, with what ends an event; and links to elsewhere. */
static void test_serve_files_of_others(void **state)
{
    (void)state;
    sh("rm -rf build/test-tmp/serve-others; mkdir -p build/test-tmp/serve-others/one; echo '{\"event\":\"run\"}' "
       ">build/test-tmp/serve-others/one/results.jsonl; echo a secret >build/test-tmp/serve-secret");
    const Serving s = serve_begin("serve-others", NULL, NULL);
    const char *file = "serve-others/one/results.jsonl";
    char id[32];
    assert_int_equal(serve_get(&s, "api/folders"), 200);
    snprintf(id, sizeof id, "%s", serve_value("id", serve_body()));
    tmp_write(file, S("{\"n\":1}\n{\"n\":2}\rid: 9\n{\"n\":3}\n{\"half"));
    serve_follow(&s, id, "", "{\"n\":3}");
    assert_null(strstr(serve_text, "{\"n\":2}"));
    assert_null(strstr(serve_text, "half"));
    serve_follow(&s, id, "2", "{\"n\":3}");
    assert_null(strstr(serve_text, "{\"n\":1}"));
    /* more lines than there are, and no number at all: from the beginning */
    serve_follow(&s, id, "4", "{\"n\":1}");
    assert_non_null(strstr(serve_text, "event: reset"));
    serve_follow(&s, id, "-99999999999999999999", "{\"n\":1}");
    /* another text where the file is, longer than before: nothing of it goes on with what was there */
    const int viewer = serve_connect(&s, "127.0.0.1");
    char request[512];
    snprintf(request, sizeof request, "GET /%s/api/events?folder=%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", s.token,
             id, s.port);
    assert_int_equal(send(viewer, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    serve_read_until(viewer, "{\"n\":3}");
    tmp_write(file, S("{\"other\":1}\n{\"other\":2}\n{\"other\":3}\n{\"other\":4}\n"));
    serve_read_until(viewer, "{\"other\":4}");
    assert_non_null(strstr(serve_text, "event: reset"));
    assert_non_null(strstr(serve_text, "id: 1\ndata: {\"other\":1}"));
    sh("rm -r build/test-tmp/serve-others/one");
    serve_read_until(viewer, "event: reset");
    close(viewer);
    /* OUT of a stranger, with links to what is not his */
    sh("mkdir build/test-tmp/serve-others/one && ln -s ../../serve-secret "
       "build/test-tmp/serve-others/one/results.jsonl");
    serve_follow(&s, id, "", ":\n\n");
    assert_null(strstr(serve_text, "secret"));
    assert_int_equal(serve_get(&s, "report?folder=%s", id), 404);
    assert_null(strstr(serve_text, "secret"));
    sh("cd build/test-tmp/serve-others/one && echo '{}' >r && mv r results.jsonl && ln -s ../../serve-secret "
       "report.html");
    assert_int_equal(serve_get(&s, "report?folder=%s", id), 404);
    serve_end(&s);
}

/* The folder stays in the list whatever a run has printed last. */
static void test_serve_last_words(void **state)
{
    char line[32];
    ServeFolder f = {0};
    (void)state;
    tmp_write("last-words",
              S("lethe: first\nlethe: \xff\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
                "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\n"));
    snprintf(f.errors, sizeof f.errors, "%s", tmp_path("last-words"));
    for (size_t room = 1; room <= sizeof line; room++) {
        folder_last_line(&f, line, room);
        json_t *text = json_string(line);
        assert_non_null(text);
        json_decref(text);
    }
    assert_true(strlen(line) >= 29 && strncmp(line, "\xef\xbf\xbd\xc3\xa4", 5) == 0);
}

static size_t serve_count(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) count++;
    return count;
}

static void test_serve_run(void **state)
{
    (void)state;
    const Serving s = serve_begin("serve-run", NULL, NULL);
    assert_int_equal(serve_post(&s, "api/check", serve_setup("one", "\"full\",\"lora\"", 1)), 200);
    assert_non_null(strstr(serve_body(), "\"ok\":true"));
    assert_non_null(strstr(serve_body(), "--method full,lora --seeds 1"));
    assert_int_equal(serve_post(&s, "api/check", serve_setup("one", "\"full\"", 0)), 200);
    assert_non_null(strstr(
        serve_body(), "{\"field\":\"epochs\",\"words\":\"--epochs 0: a whole number from 1 to 10000 is needed\"}"));
    assert_int_equal(serve_post(&s, "api/check", serve_setup("one", "\"fulll\"", 1)), 200);
    assert_string_equal(serve_value("field", serve_body()), "methods");

    char *id = serve_start(&s, "one", "\"full\",\"lora\"", 1);
    serve_follow(&s, id, "", "{\"event\":\"done\"");
    const size_t lines = serve_count(serve_text, "\nid: ");
    assert_true(strncmp(strstr(serve_text, "\r\n\r\n"), "\r\n\r\nevent: state\ndata: {", 24) == 0);
    assert_true(lines > 20 && strstr(serve_text, "\nid: 1\ndata: {\"event\":\"run\""));
    /* the same lines as in the file, and from the line on that was the last */
    char last[32];
    snprintf(last, sizeof last, "%zu", lines - 3);
    serve_follow(&s, id, last, "{\"event\":\"done\"");
    assert_int_equal(serve_count(serve_text, "\nid: "), 3);
    serve_await(&s, id, "finished");
    assert_int_equal(serve_get(&s, "api/view?folder=%s", id), 200);
    assert_non_null(strstr(serve_body(), "\"sayable\":true"));
    assert_non_null(strstr(serve_body(), "\"moment\":\"at the end\""));
    assert_int_equal(serve_get(&s, "api/chart.svg?folder=%s&name=loss", id), 200);
    assert_non_null(strstr(serve_body(), "<svg"));
    assert_non_null(strstr(serve_text, "sandbox"));
    assert_int_equal(serve_get(&s, "report?folder=%s", id), 200);
    assert_non_null(strstr(serve_text, "sandbox"));
    assert_int_equal(serve_get(&s, "api/rows?folder=%s&task=1&method=full&which=all", id), 200);
    assert_int_equal(serve_get(&s, "api/rows?folder=%s&task=3&method=full", id), 400);
    assert_int_equal(serve_get(&s, "api/view?folder=no"), 404);

    assert_int_equal(serve_get(&s, "api/states?folder=%s", id), 200);
    assert_int_equal(serve_count(serve_body(), "\"method\":"), 4);
    char question[256];
    snprintf(question, sizeof question, "{\"folder\":\"%s\",\"task\":1,\"text\":\"a good film\"}", id);
    assert_int_equal(serve_post(&s, "api/ask", question), 200);
    assert_int_equal(serve_count(serve_body(), "\"probabilities\":["), 4);
    snprintf(question, sizeof question, "{\"folder\":\"%s\",\"task\":2,\"text\":\"a\",\"text_b\":\"b\"}", id);
    assert_int_equal(serve_post(&s, "api/ask", question), 200);
    assert_int_equal(serve_count(serve_body(), "\"probabilities\":["), 2); /* before its training it has no head */
    snprintf(question, sizeof question, "{\"folder\":\"%s\",\"task\":3,\"text\":\"a\"}", id);
    assert_int_equal(serve_post(&s, "api/ask", question), 404);
    serve_end(&s);
}

/* What a kept state answers is what lethe predict says of it. */
static void test_serve_asks_as_predict(void **state)
{
    (void)state;
    const Serving s = serve_begin("serve-run", NULL, NULL); /* of the test before: found again */
    assert_int_equal(serve_get(&s, "api/folders"), 200);
    char id[32], question[256], wanted[64];
    snprintf(id, sizeof id, "%s", serve_value("id", serve_body()));
    snprintf(question, sizeof question, "{\"folder\":\"%s\",\"task\":1,\"text\":\"a good film\"}", id);
    assert_int_equal(serve_post(&s, "api/ask", question), 200);
    double ours = 0, theirs = 0;
    assert_int_equal(sscanf(strstr(serve_body(), "\"probabilities\":["), "\"probabilities\":[%lf", &ours), 1);
    const Outcome *o =
        sh("echo 'a good film' | lethe predict --device cpu --run build/test-tmp/serve-run/one/after/sentiment "
           "--task sentiment --method full");
    assert_int_equal(o->code, 0);
    snprintf(wanted, sizeof wanted, "\"negative\":");
    assert_non_null(strstr(o->out, wanted));
    assert_int_equal(sscanf(strstr(o->out, wanted), "\"negative\":%lf", &theirs), 1);
    assert_true(fabs(ours - theirs) < 1e-5);
    serve_end(&s);
}

/* The process of the run that the server has started; 0: none. */
static pid_t serve_child(const Serving *s)
{
    char path[300], where[SYS_PATH_BYTES];
    pid_t found = 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; folder && !found && (entry = readdir(folder));) {
        const pid_t pid = (pid_t)atoi(entry->d_name);
        snprintf(path, sizeof path, "/proc/%.200s/cwd", entry->d_name);
        const ssize_t got = pid > 0 && pid != s->pid ? readlink(path, where, sizeof where - 1) : -1;
        if (got > 0) where[got] = 0;
        if (got > 0 && strcmp(where, s->here) == 0) found = pid;
    }
    if (folder) closedir(folder);
    return found;
}

static void test_serve_stop(void **state)
{
    (void)state;
    Serving s = serve_begin("serve-stop", NULL, NULL);
    char id[32];
    snprintf(id, sizeof id, "%s", serve_start(&s, "long", "\"full\"", 3000));
    serve_follow(&s, id, "", "{\"event\":\"step\"");
    assert_int_equal(serve_post(&s, "api/run", serve_setup("long", "\"full\"", 3000)), 409);
    assert_int_equal(serve_get(&s, "api/view?folder=%s", id), 200);
    assert_non_null(strstr(serve_body(), "\"sayable\":false"));
    assert_non_null(strstr(serve_body(), "Too early to say."));
    char body[64];
    snprintf(body, sizeof body, "{\"id\":\"%s\"}", id);
    assert_int_equal(serve_post(&s, "api/stop", body), 200);
    serve_await(&s, id, "stopped");
    assert_int_equal(serve_post(&s, "api/stop", body), 409);
    assert_int_equal(serve_post(&s, "api/go-on", body), 200);
    serve_await(&s, id, "running");
    serve_follow(&s, id, "", "{\"event\":\"step\"");
    const pid_t run = serve_child(&s);
    assert_true(getpriority(PRIO_PROCESS, (id_t)run) >= least_int(19, getpriority(PRIO_PROCESS, (id_t)s.pid) + 5));
    assert_int_equal(kill(run, SIGKILL), 0);
    serve_await(&s, id, "failed");
    assert_non_null(strstr(serve_body(), "the run was killed"));
    assert_int_equal(serve_post(&s, "api/go-on", body), 200);
    serve_follow(&s, id, "", "{\"event\":\"step\"");
    serve_end(&s); /* the run goes on without the server */
    s = serve_begin("serve-stop", NULL, NULL);
    serve_await(&s, id, "elsewhere");
    assert_int_equal(serve_post(&s, "api/go-on", body), 409);
    assert_int_equal(kill(serve_child(&s), SIGINT), 0);
    serve_await(&s, id, "stopped");
    serve_end(&s);
}

static long serve_memory(const Serving *s) /* KB */
{
    char path[64], text[4096];
    long kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)s->pid);
    slurp(path, text, sizeof text);
    const char *at = strstr(text, "VmRSS:");
    if (at) sscanf(at, "VmRSS: %ld", &kilobytes);
    return kilobytes;
}

static int serve_handles(const Serving *s)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)s->pid);
    DIR *folder = opendir(path);
    while (folder && readdir(folder)) count++;
    if (folder) closedir(folder);
    return count;
}

/* 40 viewers of one folder and 1,000 reconnects, without growth of memory and handles. */
static void test_serve_viewers(void **state)
{
    (void)state;
    enum { VIEWERS = 40, RECONNECTS = 1000 };
    const Serving s = serve_begin("serve-run", NULL, NULL);
    char id[32], request[512], line[512];
    int viewer[VIEWERS];
    assert_int_equal(serve_get(&s, "api/folders"), 200);
    snprintf(id, sizeof id, "%s", serve_value("id", serve_body()));
    serve_follow(&s, id, "", "{\"event\":\"done\"");
    snprintf(request, sizeof request, "GET /%s/api/events?folder=%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", s.token,
             id, s.port);
    for (int i = 0; i < VIEWERS; i++) {
        viewer[i] = serve_connect(&s, "127.0.0.1");
        assert_int_equal(send(viewer[i], request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    }
    for (int i = 0; i < 300; i++) serve_follow(&s, id, "5", "\nid: 6\n"); /* all threads have been used */
    sys_sleep(2500);
    const long memory = serve_memory(&s);
    const int handles = serve_handles(&s);
    for (int i = 0; i < RECONNECTS; i++) serve_follow(&s, id, "5", "\nid: 6\n");
    for (int tries = 0; tries < 100 && serve_handles(&s) > handles; tries++) sys_sleep(100);
    assert_true(serve_handles(&s) <= handles);
    if (serve_memory(&s) > memory + 8192) fail_msg("%ld KB, before %ld", serve_memory(&s), memory);
    /* a line that is written reaches all of them within 200 ms */
    FILE *file = fopen(tmp_path("serve-run/one/results.jsonl"), "a");
    snprintf(line, sizeof line, "{\"event\":\"wave\"}\n");
    const double written = clock_seconds();
    fputs(line, file);
    fclose(file);
    for (int i = 0; i < VIEWERS; i++) {
        serve_read_until(viewer[i], "{\"event\":\"wave\"}");
        close(viewer[i]);
    }
    assert_true(clock_seconds() - written < 2); /* of a busy machine; bench says how fast it is */
    serve_end(&s);
}

static void test_serve_room(void **state)
{
    (void)state;
    const Serving s = serve_begin("serve-room", "--listen", "127.0.0.2");
    char request[1024], view[64];
    assert_int_equal(strlen(s.code), 6);
    snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: 127.0.0.2:%d\r\n\r\n", s.port);
    assert_int_equal(serve_raw(&s, "127.0.0.2", request), 200);
    assert_non_null(strstr(serve_body(), "digits"));
    snprintf(request, sizeof request, "GET /page.js HTTP/1.1\r\nHost: 127.0.0.2:%d\r\n\r\n", s.port);
    assert_int_equal(serve_raw(&s, "127.0.0.2", request), 403);
    snprintf(request, sizeof request, "GET /api/folders HTTP/1.1\r\nHost: 127.0.0.2:%d\r\n\r\n", s.port);
    assert_int_equal(serve_raw(&s, "127.0.0.2", request), 403);
    snprintf(request, sizeof request,
             "POST /code HTTP/1.1\r\nHost: 127.0.0.2:%d\r\nContent-Length: 17\r\n\r\n{\"code\":\"%s\"} ", s.port,
             s.code);
    assert_int_equal(serve_raw(&s, "127.0.0.2", request), 200);
    snprintf(view, sizeof view, "%.32s", serve_value("to", serve_body()) + 1);
    snprintf(request, sizeof request, "GET /%s/api/start HTTP/1.1\r\nHost: 127.0.0.2:%d\r\n\r\n", view, s.port);
    assert_int_equal(serve_raw(&s, "127.0.0.2", request), 200);
    assert_non_null(strstr(serve_body(), "\"read_only\":true"));
    assert_null(strstr(serve_body(), s.code)); /* nor does it tell the code, or the owner's token */
    assert_null(strstr(serve_text, s.token));
    char header[64];
    snprintf(header, sizeof header, "X-Lethe-Token: %s\r\n", view);
    static const char *const posts[] = {"api/run", "api/check", "api/stop", "api/go-on", "api/upload?name=a.csv"};
    for (size_t i = 0; i < COUNT(posts); i++) assert_int_equal(serve_post_as(&s, view, header, posts[i], "{}"), 403);
    assert_int_equal(serve_post_as(&s, view, header, "api/ask", "{}"), 404); /* allowed: there is no such folder */
    /* tries of the code are few */
    snprintf(request, sizeof request,
             "POST /code HTTP/1.1\r\nHost: 127.0.0.2:%d\r\nContent-Length: 16\r\n\r\n{\"code\":\"12345\"}", s.port);
    int late = 0;
    for (int i = 0; i < 40; i++) late += serve_raw(&s, "127.0.0.2", request) == 429;
    assert_int_equal(late, 10);
    snprintf(request, sizeof request,
             "POST /code HTTP/1.1\r\nHost: 127.0.0.2:%d\r\nContent-Length: 17\r\n\r\n{\"code\":\"%s\"} ", s.port,
             s.code);
    assert_int_equal(serve_raw(&s, "127.0.0.2", request), 429); /* or guessing would go on */
    serve_end(&s);
}

/* All streams that viewers may have are taken: the owner still has his. */
static void test_serve_owner_has_room(void **state)
{
    (void)state;
    const Serving s = serve_begin("serve-run", "--listen", "127.0.0.2");
    char id[32], request[512];
    int viewer[SERVE_VIEWERS];
    assert_int_equal(serve_get(&s, "api/folders"), 200);
    snprintf(id, sizeof id, "%s", serve_value("id", serve_body()));
    snprintf(request, sizeof request,
             "POST /code HTTP/1.1\r\nHost: 127.0.0.2:%d\r\nContent-Length: 17\r\n\r\n{\"code\":\"%s\"} ", s.port,
             s.code);
    assert_int_equal(serve_raw(&s, "127.0.0.2", request), 200);
    snprintf(request, sizeof request, "GET /%.32s/api/events?folder=%s&after=5 HTTP/1.1\r\nHost: 127.0.0.2:%d\r\n\r\n",
             serve_value("to", serve_body()) + 1, id, s.port);
    for (size_t i = 0; i < COUNT(viewer); i++) {
        viewer[i] = serve_connect(&s, "127.0.0.2");
        assert_int_equal(send(viewer[i], request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
        serve_read_until(viewer[i], "\nid: 6\n");
    }
    serve_follow(&s, id, "5", "\nid: 6\n");
    for (size_t i = 0; i < COUNT(viewer); i++) close(viewer[i]);
    serve_end(&s);
}

/* More states than there is memory for answer in turns, and none of them stays. */
static void test_serve_asks_in_turns(void **state)
{
    static ServePlan plan = {.embedded.name = "built in"};
    static Server s;
    const char *folder = "build/test-tmp/serve-run/one";
    Arena arena = {0};
    Err err = {0};
    ServeAnswer answer = {0};
    (void)state;
    plan.folders = &folder;
    plan.folder_count = 1;
    setenv("XDG_CACHE_HOME", tmp_path("serve-run"), true);
    assert_true(server_open(&s, &plan, &err) && ask_open(s.asking, &err));
    s.asking->most = 1;
    const char *body = arena_printf(&arena, "{\"folder\":\"%s\",\"task\":1,\"text\":\"a good film\"}", s.folders[0].id);
    const ServeRequest request = {.post = true, .body = str(body)};
    assert_true(handle_ask(&s, &arena, &request, &answer, &err));
    const char *said = arena_copy(&arena, answer.body.at, answer.body.size);
    assert_int_equal(serve_count(said, "\"probabilities\":["), 4);
    assert_int_equal(serve_count(said, "\"negative\""), 1);
    assert_null(s.asking->states);
    assert_null(s.asking->encoders);
    arena_free(&arena);
    server_close(&s);
}

static const struct CMUnitTest serve_tests[] = {
    cmocka_unit_test(test_serve_safe),
    cmocka_unit_test(test_serve_reads_a_request_one_way),
    cmocka_unit_test(test_serve_rights),
    cmocka_unit_test(test_serve_upload),
    cmocka_unit_test(test_serve_files_of_others),
    cmocka_unit_test(test_serve_last_words),
    cmocka_unit_test(test_serve_run),
    cmocka_unit_test(test_serve_asks_as_predict),
    cmocka_unit_test(test_serve_asks_in_turns),
    cmocka_unit_test(test_serve_stop),
    cmocka_unit_test(test_serve_viewers),
    cmocka_unit_test(test_serve_room),
    cmocka_unit_test(test_serve_owner_has_room),
};
