#include "state.h"

#include <civetweb.h>
#include <stdlib.h>
#include <string.h>

/* Sockets: civetweb reads requests and starts a thread for each; it answers none by itself. */

static const char page_policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                                  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const char *status_words(int status)
{
    switch (status) {
    case 200: return "OK";
    case 302: return "Found";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 429: return "Too Many Requests";
    default: return status < 500 ? "Bad Request" : "Internal Server Error";
    }
}

static bool send_all(struct mg_connection *c, const char *bytes, size_t size)
{
    enum { PIECE = 1 << 20 };
    for (size_t at = 0; at < size;) {
        const size_t piece = size - at < PIECE ? size - at : PIECE;
        if (mg_write(c, bytes + at, piece) != (int)piece) return false;
        at += piece;
    }
    return true;
}

static bool send_head(struct mg_connection *c, Arena *arena, const ServeAnswer *answer, const char *type)
{
    const char *head = arena_printf(
        arena,
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\nContent-Security-Policy: %s\r\n"
        "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\n"
        "Cross-Origin-Resource-Policy: same-origin\r\nCross-Origin-Opener-Policy: same-origin\r\nConnection: close\r\n",
        answer->status, status_words(answer->status), type, answer->policy ? answer->policy : page_policy);
    if (answer->location) head = arena_printf(arena, "%sLocation: %s\r\n", head, answer->location);
    if (!answer->stream) head = arena_printf(arena, "%sContent-Length: %zu\r\n", head, answer->body.size);
    head = arena_printf(arena, "%s\r\n", head);
    return send_all(c, head, strlen(head));
}

static bool send_stream(void *to, Str text) { return send_all(to, text.at, text.size); }

static void send_answer(Server *s, struct mg_connection *c, Arena *arena, const ServeAnswer *answer)
{
    if (answer->stream) {
        if (send_head(c, arena, answer, "text/event-stream")) stream_run(s, answer, send_stream, c);
        return;
    }
    if (send_head(c, arena, answer, answer->type ? answer->type : "application/json"))
        send_all(c, answer->body.at, answer->body.size);
}

/* The body of a POST. civetweb waits ten seconds for each piece that it is asked for, however slowly it comes: where a
 * stranger may ask, a piece is a byte, and of files it is so small that nobody feels a wait. */
static bool read_body(struct mg_connection *c, Arena *arena, size_t size, size_t most, Str *body)
{
    enum { SECONDS = 10, SMALL = 1 << 16 };
    const size_t piece = most <= SMALL ? 1 : SMALL;
    char *at = arena_new(arena, char, size + 1);
    size_t used = 0;
    int got = 1;
    for (double until = clock_seconds() + SECONDS; used < size && got > 0; used += got > 0 ? (size_t)got : 0) {
        got = clock_seconds() > until ? 0 : mg_read(c, at + used, size - used < piece ? size - used : piece);
        if (piece > 1) until = clock_seconds() + SECONDS;
    }
    *body = (Str){at, used};
    return used == size;
}

static int header_count(const struct mg_request_info *info, const char *name)
{
    int count = 0;
    for (int i = 0; i < info->num_headers; i++) count += str_equal_as(str(info->http_headers[i].name), str(name));
    return count;
}

/* What two readers could take for two things: an address with a host of its own, or a header twice. */
static bool request_is_plain(const struct mg_request_info *info)
{
    static const char *const once[] = {"Host", "X-Lethe-Token", "Content-Length", "Last-Event-ID"};
    for (size_t i = 0; i < COUNT(once); i++)
        if (header_count(info, once[i]) > 1) return false;
    return info->request_uri && *info->request_uri == '/';
}

static int listen_request(struct mg_connection *c)
{
    const struct mg_request_info *info = mg_get_request_info(c);
    Server *s = mg_get_user_data(mg_get_context(c));
    Arena arena = {0};
    ServeAnswer answer = {0};
    const bool post = strcmp(info->request_method, "POST") == 0;
    ServeRequest request = {.post = post,
                            .path = info->local_uri_raw ? info->local_uri_raw : "",
                            .query = info->query_string,
                            .host = request_is_plain(info) ? mg_get_header(c, "Host") : NULL,
                            .token = mg_get_header(c, "X-Lethe-Token"),
                            .last_event = mg_get_header(c, "Last-Event-ID"),
                            .peer = info->remote_addr};
    const ServeRoute *route = NULL;
    if (!host_is_ours(s, request.host) || post || strcmp(info->request_method, "GET") == 0)
        route = route_find(s, &arena, &request, &answer);
    else
        answer_error(&arena, &answer, 405, NULL, "asked in the wrong way");
    if (route && post) {
        const size_t size = info->content_length < 0 ? 0 : (size_t)info->content_length;
        if (header_count(info, "Transfer-Encoding") || !header_count(info, "Content-Length")) {
            answer_error(&arena, &answer, 411, NULL, "a request with a body has to say its length");
            route = NULL;
        } else if (size > route->body_bytes || !read_body(c, &arena, size, route->body_bytes, &request.body)) {
            answer_error(&arena, &answer, 413, NULL, "the request is too large, or was cut short");
            route = NULL;
        }
    }
    if (route) route_answer(s, &arena, route, &request, &answer);
    const int status = answer.status;
    send_answer(s, c, &arena, &answer);
    arena_free(&arena);
    return status ? status : 500;
}

static int listen_silently(const struct mg_connection *c, const char *message)
{
    (void)c;
    (void)message;
    return 1; /* said */
}

static struct mg_context *listen_at(Server *s, const char *ports)
{
    char threads[16];
    snprintf(threads, sizeof threads, "%d", SERVE_THREADS);
    const char *options[] = {"listening_ports",
                             ports,
                             "num_threads",
                             threads,
                             "request_timeout_ms",
                             "10000",
                             "max_request_size",
                             "16384",
                             "enable_keep_alive",
                             "no",
                             "tcp_nodelay",
                             "1",
                             "decode_url",
                             "no",
                             "enable_auth_domain_check",
                             "no",
                             NULL};
    const struct mg_callbacks callbacks = {.begin_request = listen_request, .log_message = listen_silently};
    return mg_start(&callbacks, s, options);
}

/* Listens on this machine and, when there is a room, at its address, both with one port. Each has threads of its own,
 * so that the room cannot take all those that its owner needs. */
static bool listen_start(Server *s, struct mg_context *out[2], Err *err)
{
    enum { TRIES = 20 };
    const ServePlan *plan = s->plan;
    char address[160];
    for (int i = 0; i < (plan->listen && !plan->port ? TRIES : 1); i++) {
        struct mg_server_port there[4] = {0};
        snprintf(address, sizeof address, "127.0.0.1:%d", plan->port);
        out[0] = listen_at(s, address);
        if (!out[0])
            return plan->port ? fail(err, "port %d is taken; choose another with --port, or leave it out", plan->port)
                              : fail(err, "no port can be opened on 127.0.0.1");
        if (mg_get_server_ports(out[0], 4, there) > 0) s->port = there[0].port;
        if (!plan->listen) return true;
        snprintf(address, sizeof address, strchr(plan->listen, ':') ? "[%s]:%d" : "%s:%d", plan->listen, s->port);
        out[1] = listen_at(s, address);
        if (out[1]) return true;
        mg_stop(out[0]);
        out[0] = NULL;
    }
    return plan->port ? fail(err,
                             "port %d is taken at --listen %s, or that is no address of this machine; choose another "
                             "with --port, or leave it out",
                             plan->port, plan->listen)
                      : fail(err, "--listen %s: not an address of this machine", str_show(str(plan->listen)));
}
