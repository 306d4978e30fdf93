#include "state.h"

#include <string.h>

/* What set-up and the door of a room need to know. */

static json_t *start_options(Arena *arena)
{
    static const char *const common[] = {"epochs",     "train-rows",    "eval-rows",          "max-length",
                                         "batch-size", "learning-rate", "lora-learning-rate", "device"};
    static const char *const left_out[] = {"task",   "model", "method",  "seed",  "out",
                                           "config", "json",  "dry-run", "quiet", "words"};
    static const char *const types[] = {
        [OPTION_TEXT] = "text",     [OPTION_LIST] = "text",    [OPTION_INT] = "integer", [OPTION_REAL] = "real",
        [OPTION_CHOICE] = "choice", [OPTION_CHOICES] = "text", [OPTION_FLAG] = "flag"};
    const OptionRows *rows = run_options();
    json_t *list = json_array();
    for (size_t i = 0; i < rows->count; i++) {
        const Option *row = rows->at[i];
        bool is_common = false, out = row->type == OPTION_LIST;
        for (size_t k = 0; k < COUNT(common); k++) is_common = is_common || strcmp(common[k], row->name) == 0;
        for (size_t k = 0; k < COUNT(left_out); k++) out = out || strcmp(left_out[k], row->name) == 0;
        if (out) continue;
        const char *usual = option_default(row, (OptionPreset){0}), *place = strstr(row->about, "{}");
        char *help = place ? arena_printf(arena, "%.*s%s%s", (int)(place - row->about), row->about,
                                          option_default_words(arena, row), place + 2)
                           : arena_printf(arena, "%s", row->about);
        for (char *at = help; *at; at++)
            if (*at == '\n') *at = ' ';
        json_t *o =
            json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s, s:b}", "name", row->name, "type", types[row->type], "default",
                      usual, "unit", row->unit, "title", row->title, "help", help, "common", is_common);
        if (row->type == OPTION_INT || row->type == OPTION_REAL) {
            json_object_set_new(o, "low", json_real(row->low));
            json_object_set_new(o, "high", json_real(row->high));
        }
        if (row->type == OPTION_CHOICE) {
            json_t *choices = json_array();
            for (int c = 0; row->choices[c]; c++) json_array_append_new(choices, json_string(row->choices[c]));
            json_object_set_new(o, "choices", choices);
        }
        json_array_append_new(list, o);
    }
    return list;
}

/* A name below the current folder that no folder has. */
static const char *start_out(Arena *arena)
{
    const char *name = "lethe-out";
    for (int i = 2; file_exists(name) && i < 10000; i++) name = arena_printf(arena, "lethe-out-%d", i);
    return name;
}

static bool handle_start(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    json_t *data = json_array(), *methods = json_array();
    (void)err;
    for (int i = 0; i < s->plan->data_count; i++) {
        const ServeData *d = &s->plan->data[i];
        json_array_append_new(data, json_pack("{s:s, s:s, s:I, s:I, s:I}", "name", d->name, "what", d->what, "classes",
                                              (json_int_t)d->classes, "train_rows", (json_int_t)d->train_rows,
                                              "eval_rows", (json_int_t)d->eval_rows));
    }
    for (int i = 0; i < strategy_count; i++)
        json_array_append_new(methods,
                              json_pack("{s:s, s:s}", "name", strategies[i]->name, "sentence", strategies[i]->about));
    ServeRight right;
    route_rest(s, request, &right);
    json_t *o = json_pack(
        "{s:s, s:b, s:i, s:o, s:[s], s:o, s:o, s:[{s:s, s:s}, {s:s, s:s}], s:s}", "version", LETHE_VERSION, "read_only",
        right != RIGHT_OWNER, "processors", processors_available(), "builtin_tasks", data, "builtin_models",
        s->plan->embedded.name, "methods", methods, "options", start_options(arena), "devices", "name", "auto", "words",
        "the fastest that there is", "name", "cpu", "words", "the processor", "out", start_out(arena));
    if (s->plan->listen && right == RIGHT_OWNER) /* for the front of the room */
        json_object_set_new(o, "room",
                            json_pack("{s:s, s:s}", "code", s->code, "address",
                                      arena_printf(arena, "http://%s:%d/", s->plan->listen, s->port)));
    return answer_json(arena, answer, o);
}

/* ---- the door: six digits ---- */

enum { CODE_TRIES = 30, CODE_SECONDS = 60 }; /* of the whole room: at this pace a guess takes weeks */

static bool handle_code(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    json_t *body = NULL;
    if (!body_json(request, &body, err)) return false;
    const char *code = json_string_value(json_object_get(body, "code"));
    const double now = clock_seconds();
    sys_monitor_enter(&s->room);
    if (now - s->tries_since > CODE_SECONDS) {
        s->tries = 0;
        s->tries_since = now;
    }
    const bool right = code && strcmp(code, s->code) == 0, late = s->tries >= CODE_TRIES;
    if (!right) s->tries++;
    sys_monitor_leave(&s->room);
    json_decref(body);
    if (late) return answer_refused(answer, 429, err, "too many wrong codes; wait a minute");
    if (!right) return answer_refused(answer, 403, err, "this is not the code");
    return answer_json(arena, answer, json_pack("{s:s}", "to", arena_printf(arena, "/%s/", s->view_token)));
}
