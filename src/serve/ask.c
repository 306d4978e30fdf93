#include "state.h"

#include <stdlib.h>
#include <string.h>

/* Models that answer. What a run keeps is loaded once, and the least used goes when they are too many. All of it within
 * server->ask_room. */

enum { ASK_TOKENS = 512, ASK_TEXT_BYTES = 20000 };

/* The weights of an encoder on the device: those of one state, or the pretrained ones that several have in common. */
typedef struct AskEncoder {
    struct AskEncoder *next;
    char key[SYS_PATH_BYTES + 32];
    DeviceArena memory;
    f32p w;
    uint64_t bytes;
    int users;
} AskEncoder;

/* A state with one of its heads. */
struct AskState {
    AskState *next;
    char folder[SYS_PATH_BYTES];
    const char *task;
    Arena arena;
    Classifier classifier;
    DeviceArena memory;
    Weights weights;
    AskEncoder *encoder;
    uint64_t bytes;
    double used;
};

typedef struct Asking {
    Device device;
    bool open;
    AskState *states;
    AskEncoder *encoders;
    uint64_t bytes, most;
    SysThread loader;
    bool loader_runs, loader_ended;
    char loading[SYS_PATH_BYTES]; /* the folder whose states are loaded now */
} Asking;

static bool ask_open(Asking *a, Err *err)
{
    if (a->open) return true;
    if (!device_open(&a->device, "cpu", 1, err)) return false;
    const uint64_t free_bytes = memory_available_bytes();
    a->most = free_bytes / 4 < (3ull << 30) ? free_bytes / 4 : 3ull << 30;
    a->open = true;
    return true;
}

/* ---- loading ---- */

static void encoder_leave(Asking *a, AskEncoder *encoder)
{
    if (!encoder || --encoder->users) return;
    for (AskEncoder **at = &a->encoders; *at; at = &(*at)->next)
        if (*at == encoder) {
            *at = encoder->next;
            break;
        }
    a->bytes -= encoder->bytes;
    device_arena_free(&encoder->memory);
    free(encoder);
}

static void state_close(Asking *a, AskState *state)
{
    for (AskState **at = &a->states; *at; at = &(*at)->next)
        if (*at == state) {
            *at = state->next;
            break;
        }
    a->bytes -= state->bytes;
    encoder_leave(a, state->encoder);
    classifier_close(&state->classifier);
    device_arena_free(&state->memory);
    arena_free(&state->arena);
    free(state);
}

/* Makes room, but not by closing what was used since `since`. */
static void ask_make_room(Asking *a, double since)
{
    while (a->bytes > a->most) {
        AskState *oldest = NULL;
        for (AskState *state = a->states; state; state = state->next)
            if (state->used < since && (!oldest || state->used < oldest->used)) oldest = state;
        if (!oldest) return;
        state_close(a, oldest);
    }
}

static f32p ask_upload(Asking *a, DeviceArena *memory, const float *w, size_t floats, uint64_t *bytes)
{
    memory->device = &a->device;
    f32p there = device_f32(memory, floats);
    device_write(&a->device, there, w, floats * sizeof *w);
    *bytes += floats * sizeof *w;
    return there;
}

static AskEncoder *encoder_find(Asking *a, const char *key)
{
    for (AskEncoder *encoder = a->encoders; encoder; encoder = encoder->next)
        if (strcmp(encoder->key, key) == 0) return encoder;
    return NULL;
}

static AskEncoder *encoder_add(Asking *a, const char *key, const Classifier *c)
{
    AskEncoder *encoder = memory_need(NULL, sizeof *encoder);
    *encoder = (AskEncoder){.next = a->encoders};
    snprintf(encoder->key, sizeof encoder->key, "%s", key);
    encoder->w = ask_upload(a, &encoder->memory, c->encoder, c->model.encoder.floats, &encoder->bytes);
    a->encoders = encoder;
    a->bytes += encoder->bytes;
    return encoder;
}

/* The state with the head of a task; NULL: it cannot be read. */
static AskState *state_load(Server *s, const char *out, const KeptState *kept, const char *task, Err *err)
{
    Asking *a = s->asking;
    char key[SYS_PATH_BYTES + 32];
    for (AskState *state = a->states; state; state = state->next)
        if (strcmp(state->folder, kept->folder) == 0 && strcmp(state->task, task) == 0) return state;
    if (kept->own_encoder)
        snprintf(key, sizeof key, "%s", kept->folder);
    else
        snprintf(key, sizeof key, "%s pretrained %u", out, kept->seed);
    AskEncoder *encoder = encoder_find(a, key);
    AskState *state = memory_need(NULL, sizeof *state);
    *state = (AskState){.used = clock_seconds()};
    snprintf(state->folder, sizeof state->folder, "%s", kept->folder);
    state->task = arena_copy(&state->arena, task, strlen(task));
    const ClassifierSource source = {.run = kept->run,
                                     .task = task,
                                     .method = kept->method,
                                     .seed = kept->seed,
                                     .embedded = s->plan->embedded,
                                     .without_encoder = encoder != NULL};
    Classifier *c = &state->classifier;
    if (!classifier_open(&state->arena, &source, c, err)) {
        classifier_close(c);
        arena_free(&state->arena);
        free(state);
        return NULL;
    }
    if (!encoder) encoder = encoder_add(a, key, c);
    encoder->users++;
    state->encoder = encoder;
    state->weights.encoder = encoder->w;
    state->weights.head = ask_upload(a, &state->memory, c->head_w, c->head.layout.floats, &state->bytes);
    if (c->adapted)
        state->weights.adapter = ask_upload(a, &state->memory, c->adapter, c->lora.layout.floats, &state->bytes);
    arena_free(&c->weights);
    a->bytes += state->bytes;
    state->next = a->states;
    a->states = state;
    return state;
}

/* In the background: all states of a folder, one by one. */
static void ask_loader(void *context)
{
    Server *s = context;
    Asking *a = s->asking;
    Arena arena = {0};
    KeptList list;
    const double since = clock_seconds();
    kept_list(&arena, a->loading, &list);
    for (int task = 0; task < PLAN_MAX_TASKS; task++)
        for (size_t i = 0; i < list.count && !s->ending; i++) {
            Err ignored = {0}; /* it is reported when it is asked */
            if (task >= list.at[i].task_count) continue;
            sys_monitor_enter(&s->ask_room);
            if (ask_open(a, &ignored) && a->bytes <= a->most)
                state_load(s, a->loading, &list.at[i], list.at[i].tasks[task], &ignored);
            ask_make_room(a, since);
            sys_monitor_leave(&s->ask_room);
        }
    arena_free(&arena);
    sys_monitor_enter(&s->ask_room);
    a->loader_ended = true;
    sys_monitor_leave(&s->ask_room);
}

static void ask_load(Server *s, const char *folder)
{
    Asking *a = s->asking;
    sys_monitor_enter(&s->ask_room);
    if (a->loader_runs && a->loader_ended) {
        sys_thread_join(&a->loader);
        a->loader_runs = a->loader_ended = false;
    }
    if (!a->loader_runs) {
        snprintf(a->loading, sizeof a->loading, "%s", folder);
        a->loader_runs = sys_thread_start(&a->loader, ask_loader, s);
    }
    sys_monitor_leave(&s->ask_room);
}

static void ask_close(Server *s)
{
    Asking *a = s->asking;
    if (a->loader_runs) sys_thread_join(&a->loader);
    while (a->states) state_close(a, a->states);
    if (a->open) device_close(&a->device);
    *a = (Asking){0};
}

/* ---- answering ---- */

static const char *state_words(Arena *arena, const KeptState *kept)
{
    return (int)kept->after_task <= kept->task_count
               ? arena_printf(arena, "after %s", kept->tasks[kept->after_task - 1])
               : arena_printf(arena, "after task %u", kept->after_task);
}

/* A text that a state answers, on a thread whose stack is large enough. */
typedef struct Question {
    Server *server;
    const KeptState *kept;
    AskState *state;
    Str text, pair;
    json_t *probabilities;
    Err err;
} Question;

static void question_answer(void *context)
{
    Question *q = context;
    AskState *state = q->state;
    Classifier *c = &state->classifier;
    Arena arena = {0};
    EvalRecord record;
    const uint32_t most = c->max_length;
    Split split = {.rows = 1,
                   .labels = arena_new(&arena, uint32_t, 1),
                   .starts = arena_new(&arena, uint64_t, 2),
                   .ids = arena_new(&arena, uint32_t, most),
                   .types = arena_new(&arena, uint8_t, most)};
    const bool single = c->pairs == PAIRS_NO || (c->pairs == PAIRS_UNKNOWN && !q->pair.size);
    const Str none = {0}, pair = single ? none : q->pair;
    split.starts[1] = tokenizer_encode(c->tokenizer, &arena, q->text, pair, most, split.ids, split.types);
    if (evaluate(&q->server->asking->device, &arena, &c->model, c->adapted ? &c->lora : NULL, &c->head, &state->weights,
                 &split, 1, &record, &q->err) &&
        device_ok(&q->server->asking->device, &q->err)) {
        double *share = arena_new(&arena, double, record.classes);
        softmax(record.logits, record.classes, share);
        q->probabilities = json_array();
        for (uint32_t i = 0; i < record.classes; i++) json_array_append_new(q->probabilities, json_real(share[i]));
    }
    arena_free(&arena);
}

enum { ASK_THREADS = 2 };

/* Every second question, from the first or the second on. */
typedef struct AskShare {
    Question *questions;
    size_t count, from, step;
} AskShare;

static void share_answer(void *context)
{
    const AskShare *share = context;
    for (size_t i = share->from; i < share->count; i += share->step) question_answer(&share->questions[i]);
}

/* Answers all. Each has one thread: where a run is at work, threads that wait for each other wait for the run, too. */
static bool questions_answer(Question *questions, size_t count, Err *err)
{
    SysThread thread[ASK_THREADS];
    AskShare share[ASK_THREADS];
    const size_t threads = processors_available() < ASK_THREADS ? 1 : ASK_THREADS;
    size_t started = 0;
    for (; started < threads; started++) {
        share[started] = (AskShare){questions, count, started, threads};
        if (!sys_thread_start(&thread[started], share_answer, &share[started])) break;
    }
    for (size_t i = 0; i < started; i++) sys_thread_join(&thread[i]);
    return started == threads || fail(err, "there is no room for another thread");
}

static bool kept_has_task(const KeptState *kept, const char *task)
{
    for (int i = 0; i < kept->task_count; i++)
        if (strcmp(kept->tasks[i], task) == 0) return true;
    return false;
}

/* The name of a task by its number, by what is kept: a state has all tasks so far. */
static const char *ask_task(const KeptList *list, const json_t *body)
{
    const json_t *task = json_object_get(body, "task");
    if (json_is_string(task)) return json_string_value(task);
    const json_int_t number = json_integer_value(task);
    for (size_t i = 0; i < list->count; i++)
        if (number >= 1 && number <= list->at[i].task_count) return list->at[i].tasks[number - 1];
    return NULL;
}

static void answer_add(Arena *arena, json_t *answers, const Question *q, Err *first)
{
    if (!q->probabilities) {
        fail(first, "%s", q->err.text);
        return;
    }
    json_array_append_new(answers, json_pack("{s:s, s:I, s:I, s:s, s:o}", "method", q->kept->method, "seed",
                                             (json_int_t)q->kept->seed, "after_task", (json_int_t)q->kept->after_task,
                                             "words", state_words(arena, q->kept), "probabilities", q->probabilities));
}

typedef struct Asked {
    Question *questions;
    size_t count;
    json_t *names; /* of the classes */
    Err first;     /* a state that is damaged leaves the others their answer */
} Asked;

/* Asks all states that know the task, as many at a time as there is memory for. Within server->ask_room. */
static bool ask_states(Server *s, const ServeFolder *f, const KeptList *list, const char *task,
                       const Question *question, Asked *asked, Err *err)
{
    Asking *a = s->asking;
    size_t answered = 0;
    bool ok = ask_open(a, err);
    for (size_t i = 0; i < list->count && ok; i++) {
        if (!kept_has_task(&list->at[i], task)) continue;
        AskState *state = state_load(s, f->path, &list->at[i], task, &asked->first);
        if (!state) continue;
        const Labels *labels = &state->classifier.labels;
        for (uint32_t k = 0; k < labels->classes && !asked->count; k++)
            json_array_append_new(asked->names, json_string(labels->names[k]));
        state->used = clock_seconds();
        Question *q = &asked->questions[asked->count++];
        *q = *question;
        q->kept = &list->at[i];
        q->state = state;
        if (a->bytes <= a->most) continue;
        ok = questions_answer(asked->questions + answered, asked->count - answered, err);
        answered = asked->count;
        ask_make_room(a, clock_seconds());
    }
    return ok && questions_answer(asked->questions + answered, asked->count - answered, err);
}

static bool ask_all(Server *s, Arena *arena, const ServeFolder *f, const json_t *body, ServeAnswer *answer, Err *err)
{
    const char *text = json_string_value(json_object_get(body, "text")),
               *pair = json_string_value(json_object_get(body, "text_b"));
    KeptList list;
    if (!text || !*text) return fail(err, "text: a text is needed");
    if (strlen(text) > ASK_TEXT_BYTES || (pair && strlen(pair) > ASK_TEXT_BYTES))
        return fail(err, "text: at most %d bytes", ASK_TEXT_BYTES);
    kept_list(arena, f->path, &list);
    const char *task = ask_task(&list, body);
    if (!list.count || !task)
        return answer_refused(answer, 404, err,
                              list.count ? "task: no model that is kept knows it"
                                         : "no model is kept in this folder yet");
    const Question question = {.server = s, .text = str(text), .pair = str(pair ? pair : "")};
    Asked asked = {.questions = arena_new(arena, Question, list.count), .names = json_array()};
    json_t *answers = json_array();
    const double began = clock_seconds();
    sys_monitor_enter(&s->ask_room);
    bool ok = ask_states(s, f, &list, task, &question, &asked, err);
    sys_monitor_leave(&s->ask_room);
    for (size_t i = 0; i < asked.count; i++) answer_add(arena, answers, &asked.questions[i], &asked.first);
    if (ok && !json_array_size(answers)) ok = fail(err, "%s", asked.first.code ? asked.first.text : "no model answers");
    if (!ok) {
        json_decref(answers);
        json_decref(asked.names);
        return false;
    }
    return answer_json(arena, answer,
                       json_pack("{s:o, s:o, s:f}", "answers", answers, "class_names", asked.names, "ms",
                                 1000 * (clock_seconds() - began)));
}

static bool handle_ask(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    json_t *body = NULL;
    ServeFolder *f;
    const bool ok = body_json(request, &body, err) &&
                    folder_named(s, json_string_value(json_object_get(body, "folder")), answer, &f, err) &&
                    ask_all(s, arena, f, body, answer, err);
    json_decref(body);
    return ok;
}

static bool handle_states(Server *s, Arena *arena, const ServeRequest *request, ServeAnswer *answer, Err *err)
{
    ServeFolder *f;
    KeptList list;
    if (!folder_named(s, query_text(arena, request->query, "folder"), answer, &f, err)) return false;
    kept_list(arena, f->path, &list);
    json_t *states = json_array();
    for (size_t i = 0; i < list.count; i++) {
        const KeptState *kept = &list.at[i];
        json_t *tasks = json_array();
        for (int k = 0; k < kept->task_count; k++) json_array_append_new(tasks, json_string(kept->tasks[k]));
        json_array_append_new(
            states, json_pack("{s:s, s:s, s:I, s:I, s:s, s:o}", "state",
                              arena_printf(arena, "%s-%u-%u", kept->method, kept->seed, kept->after_task), "method",
                              kept->method, "seed", (json_int_t)kept->seed, "after_task", (json_int_t)kept->after_task,
                              "words", state_words(arena, kept), "tasks", tasks));
    }
    if (list.count) ask_load(s, f->path);
    return answer_json(arena, answer, states);
}
