#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where a run is and how long it will take, by the events that it writes. Within server->room. */

/* A number among the run's settings; of a task alone before that of all. */
static double where_setting(const Whereabouts *w, const char *task, const char *name)
{
    char own[160];
    double value = 0;
    const json_t *settings = json_object_get(w->run, "settings");
    snprintf(own, sizeof own, "%s:%s", task, name);
    const json_t *text = json_object_get(settings, own);
    if (!text) text = json_object_get(settings, name);
    return json_string_value(text) && parse_double(str(json_string_value(text)), &value) ? value : 0;
}

static uint64_t where_steps(const Whereabouts *w, size_t task)
{
    const json_t *entry = json_array_get(json_object_get(w->run, "tasks"), task);
    const char *name = json_string_value(json_object_get(entry, "name"));
    const double rows = json_number_value(json_object_get(entry, "train_rows")),
                 batch = where_setting(w, name ? name : "", "batch-size"),
                 epochs = where_setting(w, name ? name : "", "epochs"),
                 most = where_setting(w, name ? name : "", "max-steps");
    if (!(rows >= 1 && rows < 1e10 && batch >= 1 && epochs >= 1 && epochs < 1e6)) return 0;
    const double steps = ceil(rows / batch) * epochs;
    return (uint64_t)(most > 0 && most < steps ? most : steps);
}

/* Methods with an adapter share one first training, and those without another. */
static bool where_has_adapter(const Whereabouts *w, size_t method)
{
    const json_t *info = json_array_get(json_object_get(w->run, "method_info"), method);
    return json_object_get(json_object_get(info, "options"), "lora-r") != NULL;
}

/* Whether a method's first training is one that an earlier method has made. */
static bool where_is_shared(const Whereabouts *w, size_t method)
{
    bool shared = false;
    for (size_t m = 0; m < method && json_is_true(json_object_get(w->run, "shared_first")); m++)
        shared = shared || where_has_adapter(w, m) == where_has_adapter(w, method);
    return shared;
}

static void where_begin(Whereabouts *w, json_t *run)
{
    json_decref(w->run);
    *w = (Whereabouts){.run = json_incref(run), .left_seconds = NAN, .stamp = w->stamp + 1};
    const size_t methods = json_array_size(json_object_get(run, "methods")),
                 tasks = json_array_size(json_object_get(run, "tasks")),
                 seeds = json_array_size(json_object_get(run, "seeds"));
    w->methods = (int)(methods * seeds);
    for (size_t m = 0; m < methods && m < PLAN_MAX_METHODS; m++)
        for (size_t j = where_is_shared(w, m); j < tasks && j < PLAN_MAX_TASKS; j++) w->all += where_steps(w, j);
    w->all *= seeds < PLAN_MAX_SEEDS ? seeds : PLAN_MAX_SEEDS;
}

/* The place of a text or a number in a list of the run event. */
static size_t where_place(const Whereabouts *w, const char *list, const json_t *wanted)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(w->run, list), i, entry)
    {
        if (json_equal(entry, wanted)) return i;
    }
    return 0;
}

static void where_step(Whereabouts *w, const json_t *event)
{
    const char *method = json_string_value(json_object_get(event, "method")),
               *task = json_string_value(json_object_get(event, "name"));
    const json_int_t number = json_integer_value(json_object_get(event, "task")),
                     step = json_integer_value(json_object_get(event, "step"));
    const size_t methods = json_array_size(json_object_get(w->run, "methods")),
                 place = where_place(w, "methods", json_object_get(event, "method"));
    if (!method || !task || number < 1 || number > PLAN_MAX_TASKS || step < 1) return;
    snprintf(w->method, sizeof w->method, "%s", method);
    snprintf(w->task, sizeof w->task, "%.*s", (int)utf8_cut(str(task), sizeof w->task - 1).size, task);
    w->method_number = (int)(where_place(w, "seeds", json_object_get(event, "seed")) * methods + place) + 1;
    w->task_number = (int)number;
    w->step = (uint64_t)step;
    w->steps = where_steps(w, (size_t)number - 1);
    if (number > 1 || !where_is_shared(w, place)) w->done++;
    w->stamp++;
}

static void where_take(Whereabouts *w, Str line)
{
    json_t *event = json_loadb(line.at, line.size, 0, NULL);
    const char *kind = json_string_value(json_object_get(event, "event"));
    if (kind && strcmp(kind, "run") == 0) where_begin(w, event);
    if (kind && strcmp(kind, "step") == 0 && w->run) where_step(w, event);
    json_decref(event);
}

/* Takes the events that have come. */
static void where_follow(ServeFolder *f)
{
    Whereabouts *w = &f->where;
    const Tail *tail = &f->tail;
    if (f->where_changes != tail->changes) {
        json_decref(w->run);
        *w = (Whereabouts){.left_seconds = NAN, .stamp = w->stamp + 1};
        f->where_lines = 0;
        f->where_changes = tail->changes;
    }
    for (; f->where_lines < tail->lines; f->where_lines++) {
        const size_t from = f->where_lines ? tail->ends[f->where_lines - 1] : 0;
        where_take(w, (Str){tail->at + from, tail->ends[f->where_lines] - from});
    }
    const double now = clock_seconds();
    if (!w->began && w->done) {
        w->began = now;
        w->before = w->done;
    }
    const uint64_t since = w->done - w->before;
    w->left_seconds = since >= 5 && w->all >= w->done && now - w->began > 2
                          ? (now - w->began) / (double)since * (double)(w->all - w->done)
                          : NAN;
}

static json_t *where_json(const Whereabouts *w)
{
    Arena scratch = {0};
    const char *of = w->steps ? arena_printf(&scratch, " of %s", format_count(&scratch, w->steps)) : "",
               *words = w->method_number
                            ? arena_printf(&scratch, "%s (%d of %d), %s: step %s%s", w->method, w->method_number,
                                           w->methods, w->task, format_count(&scratch, w->step), of)
                            : "looks at the encoder as it is";
    json_t *o = json_pack("{s:s, s:i, s:i, s:s, s:i, s:o, s:s}", "method", w->method, "method_number", w->method_number,
                          "methods", w->methods, "task", w->task, "task_number", w->task_number, "left_seconds",
                          isfinite(w->left_seconds) ? json_real(w->left_seconds) : json_null(), "words", words);
    arena_free(&scratch);
    return o;
}
