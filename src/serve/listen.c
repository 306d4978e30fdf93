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
        if (send_head(c, arena, answer, "text/event-stream"))
            stream_run(s, answer->stream, answer->from, send_stream, c);
        return;
    }
    if (send_head(c, arena, answer, answer->type ? answer->type : "application/json"))
        send_all(c, answer->body.at, answer->body.size);
}

/* The body of a POST, at most `most` bytes; false: it is longer, or was cut short. */
static bool read_body(struct mg_connection *c, Arena *arena, long long promised, size_t most, Str *body)
{
    DYN(char) bytes = {0};
    char piece[16384];
    *body = (Str){"", 0};
    if (promised > (long long)most) return false;
    if (promised >= 0) {
        char *at = arena_new(arena, char, (size_t)promised + 1);
        size_t used = 0;
        for (int got = 1; used < (size_t)promised && got > 0; used += got > 0 ? (size_t)got : 0)
            got = mg_read(c, at + used, (size_t)promised - used);
        *body = (Str){at, used};
        return used == (size_t)promised;
    }
    for (int got; (got = mg_read(c, piece, sizeof piece)) > 0;) {
        if (bytes.count + (size_t)got > most) return false;
        for (int i = 0; i < got; i++) *dyn_push(arena, &bytes) = piece[i];
    }
    *dyn_push(arena, &bytes) = 0;
    *body = (Str){bytes.at, bytes.count - 1};
    return true;
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
                            .host = mg_get_header(c, "Host"),
                            .token = mg_get_header(c, "X-Lethe-Token"),
                            .last_event = mg_get_header(c, "Last-Event-ID"),
                            .peer = info->remote_addr};
    const ServeRoute *route = NULL;
    if (!host_is_ours(s, request.host) || post || strcmp(info->request_method, "GET") == 0)
        route = route_find(s, &arena, &request, &answer);
    else
        answer_error(&arena, &answer, 405, NULL, "asked in the wrong way");
    if (route && post && !read_body(c, &arena, info->content_length, route->body_bytes, &request.body)) {
        answer_error(&arena, &answer, 413, NULL, "the request is too large, or was cut short");
        route = NULL;
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

/* Listens on this machine and, when there is a room, at its address, both with one port. */
static bool listen_start(Server *s, struct mg_context **out, Err *err)
{
    enum { TRIES = 20 };
    const ServePlan *plan = s->plan;
    char ports[160];
    int port = plan->port;
    for (int i = 0; i < TRIES; i++) {
        struct mg_server_port there[4] = {0};
        snprintf(ports, sizeof ports, "127.0.0.1:%d", port);
        if (port && plan->listen)
            snprintf(ports, sizeof ports, strchr(plan->listen, ':') ? "127.0.0.1:%d,[%s]:%d" : "127.0.0.1:%d,%s:%d",
                     port, plan->listen, port);
        *out = listen_at(s, ports);
        if (!*out && plan->port)
            return fail(err, "port %d is taken%s; choose another with --port, or leave it out", plan->port,
                        plan->listen ? ", or --listen names no address of this machine" : "");
        if (!*out && port) { /* the room's address is the trouble, or the port there */
            port = 0;
            continue;
        }
        if (!*out) return fail(err, "no port can be opened on 127.0.0.1");
        if (mg_get_server_ports(*out, 4, there) > 0) s->port = there[0].port;
        if (port || !plan->listen) return true;
        port = s->port; /* a free one, for both */
        mg_stop(*out);
    }
    *out = NULL;
    return fail(err, "--listen %s: not an address of this machine", str_show(str(plan->listen)));
}
