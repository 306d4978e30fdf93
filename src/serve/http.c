#include "state.h"

#include <stdlib.h>
#include <string.h>

/* What a request asks for, and whether it may. Nothing here knows sockets. */

/* ---- answers ---- */

static bool answer_json(Arena *arena, ServeAnswer *answer, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9) | JSON_ENCODE_ANY);
    json_decref(value);
    ASSERT(text);
    answer->status = 200;
    answer->body = (Str){arena_copy(arena, text, strlen(text)), strlen(text)};
    free(text);
    return true;
}

static void answer_error(Arena *arena, ServeAnswer *answer, int status, const char *field, const char *words)
{
    *answer = (ServeAnswer){0};
    json_t *text = json_string(words); /* NULL: not UTF-8 */
    answer_json(arena, answer,
                json_pack("{s:o, s:s?}", "error", text ? text : json_string(str_show(str(words))), "field", field));
    answer->status = status;
}

static bool answer_refused(ServeAnswer *answer, int status, Err *err, const char *words)
{
    answer->status = status;
    return fail(err, "%s", words);
}

/* ---- queries ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The value of a name in a query; "" when it is not there or is no text. */
static const char *query_text(Arena *arena, const char *query, const char *name)
{
    enum { MOST = 4096 };
    const size_t name_size = strlen(name);
    for (const char *at = query; at && *at; at += strcspn(at, "&"), at += *at == '&') {
        const size_t size = strcspn(at, "&");
        if (size <= name_size || size > MOST || memcmp(at, name, name_size) != 0 || at[name_size] != '=') continue;
        char *text = arena_new(arena, char, size + 1);
        size_t used = 0;
        for (size_t i = name_size + 1; i < size; i++) {
            const int high = at[i] == '%' && i + 2 < size ? hex_digit(at[i + 1]) : -1,
                      low = high >= 0 ? hex_digit(at[i + 2]) : -1;
            text[used++] = low >= 0 ? (char)(high * 16 + low) : at[i] == '+' ? ' ' : at[i];
            if (low >= 0) i += 2;
        }
        if (strlen(text) != used) return "";
        for (size_t i = 0, n; i < used; i += n)
            if (!(n = utf8_length(text + i, used - i))) return "";
        return text;
    }
    return "";
}

static bool query_number(Arena *arena, const char *query, const char *name, int64_t low, int64_t high,
                         int64_t otherwise, int64_t *value, Err *err)
{
    const char *text = query_text(arena, query, name);
    *value = otherwise;
    return !*text || parse_int(str(text), low, high, value) ||
           fail(err, "%s: a whole number from %lld to %lld is needed", name, (long long)low, (long long)high);
}

/* The body as a JSON object, which the caller owns. */
static bool body_json(const ServeRequest *request, json_t **out, Err *err)
{
    return json_parse_object(request->body, "the request", out, err);
}

/* ---- safety ---- */

/* Whoever compares learns nothing from how long it takes. */
static bool token_same(const char *a, const char *b)
{
    unsigned differs = strlen(a) != SERVE_TOKEN || strlen(b) != SERVE_TOKEN;
    if (differs) return false;
    for (int i = 0; i < SERVE_TOKEN; i++) differs |= (unsigned)(a[i] ^ b[i]);
    return !differs;
}

static bool token_make(char *token, size_t digits)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t bytes[SERVE_TOKEN];
    ASSERT(digits <= SERVE_TOKEN);
    if (!sys_random(bytes, digits)) return false;
    for (size_t i = 0; i < digits; i++) token[i] = hex[bytes[i] & 15];
    token[digits] = 0;
    return true;
}

/* A page of a stranger may make the browser ask 127.0.0.1 under its own name (DNS rebinding): only our names are heard.
 */
static bool host_is_ours(const Server *s, const char *host)
{
    const char *const names[] = {"localhost", "127.0.0.1", "[::1]", s->plan->listen};
    char wanted[128];
    for (size_t i = 0; i < COUNT(names); i++) {
        if (!names[i]) continue;
        snprintf(wanted, sizeof wanted, strchr(names[i], ':') && *names[i] != '[' ? "[%s]:%d" : "%s:%d", names[i],
                 s->port);
        if (host && str_equal_as(str(host), str(wanted))) return true;
    }
    return false;
}

static bool peer_is_here(const ServeRequest *request)
{
    return request->peer && (strcmp(request->peer, "127.0.0.1") == 0 || strcmp(request->peer, "::1") == 0);
}

/* ---- routes ---- */

static const ServeRoute serve_routes[];
static const size_t serve_route_count;

/* The part of a path after "/TOKEN/"; NULL: that is not how it begins. right: what the token is good for. */
static const char *route_rest(const Server *s, const ServeRequest *request, ServeRight *right)
{
    char token[SERVE_TOKEN + 1] = "";
    const char *path = request->path;
    *right = RIGHT_ANYONE;
    if (path[0] != '/' || strcspn(path + 1, "/") != SERVE_TOKEN) return NULL;
    memcpy(token, path + 1, SERVE_TOKEN);
    /* Who looks on from elsewhere has no use for the owner's token: it never has to travel. */
    if (token_same(token, s->token) && peer_is_here(request)) *right = RIGHT_OWNER;
    if (s->plan->listen && token_same(token, s->view_token)) *right = RIGHT_VIEWER;
    if (*right == RIGHT_ANYONE) return NULL;
    if (request->post && (!request->token || !token_same(request->token, token))) {
        *right = RIGHT_ANYONE;
        return NULL;
    }
    return path + 1 + SERVE_TOKEN;
}

/* Before its body is read: the route of a request. NULL: *answer is what there is to be said. */
static const ServeRoute *route_find(const Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer)
{
    ServeRight right;
    *answer = (ServeAnswer){0};
    if (!host_is_ours(s, request->host)) {
        answer_error(arena, answer, 403, NULL, "lethe is asked under a name that is not its own");
        return NULL;
    }
    const char *rest = route_rest(s, request, &right);
    const bool door = !rest && s->plan->listen && request->path[0] == '/';
    if (!rest && !door) {
        answer_error(arena, answer, 403, NULL, "the address lacks the token that lethe serve has printed");
        return NULL;
    }
    if (rest && !*rest) { /* names on the page are beside it */
        *answer =
            (ServeAnswer){.status = 302, .type = "text/plain", .location = arena_printf(arena, "%s/", request->path)};
        return NULL;
    }
    const char *name = rest ? rest + 1 : request->path + 1;
    if (!request->post && page_find(name, door, answer)) return NULL;
    bool other_method = false;
    for (size_t i = 0; i < serve_route_count; i++) {
        const ServeRoute *route = &serve_routes[i];
        if (strcmp(route->path, name) != 0 || (route->right == RIGHT_ANYONE) != door) continue;
        other_method = route->post != request->post;
        if (other_method) continue;
        if (route->right <= right) return route;
        answer_error(arena, answer, 403, NULL, "who looks on can change nothing");
        return NULL;
    }
    if (door)
        answer_error(arena, answer, 403, NULL, "the address lacks the token that lethe serve has printed");
    else
        answer_error(arena, answer, other_method ? 405 : 404, NULL,
                     other_method ? "asked in the wrong way" : "there is no such page");
    return NULL;
}

static void route_answer(Server *s, Arena *arena, const ServeRoute *route, const ServeRequest *request,
                         ServeAnswer *answer)
{
    Err err = {0};
    *answer = (ServeAnswer){0};
    if (route->handle(s, arena, request, answer, &err)) return;
    const int status = answer->status ? answer->status : 400;
    answer_error(arena, answer, status, answer->saved_as, err.text);
}
