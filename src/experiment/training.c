#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a method trains, and the events that a method's run leaves. */

/* Of plain training of a task. */
static Hyper hyper_of(const Plan *plan, int task)
{
    Hyper h = plan->hyper;
    if (!plan->task_value_count) return h;
    h.epochs = (uint32_t)plan_task_value(plan, task, "epochs");
    h.max_steps = (uint32_t)plan_task_value(plan, task, "max-steps");
    h.learning_rate = (float)plan_task_value(plan, task, "learning-rate");
    return h;
}

static Training training_of(const Experiment *x, const Method *method, uint32_t seed, int task)
{
    const TaskState *state = &x->tasks[task];
    Training t = {.model = &x->model, .head = &state->head, .train = &state->data.train, .eval = &state->data.eval};
    t.choose = state->choose;
    t.hyper = hyper_of(x->plan, task);
    t.seed = seed;
    t.task = (uint32_t)task;
    t.earlier = x->earlier;
    t.joint = method->joint;
    t.train_encoder = method->trains == TRAINS_ENCODER;
    t.weights = (Weights){.encoder = x->encoder, .head = state->head_w};
    if (method->own_rate)
        t.hyper.learning_rate = (float)method_value(method, &x->plan->values, &method->own_rate->options[0]);
    if (method_has_adapter(method)) {
        t.lora = &x->lora;
        t.hyper.learning_rate = (float)plan_task_value(x->plan, task, "lora-learning-rate");
        t.weights.adapter = method->trains == TRAINS_ADAPTER ? x->shared_adapter : state->adapter_w;
    }
    return t;
}

/* Events of a training are kept as lines: as trees, one for every step, they would take five times the memory. */
static json_t *recorded_line(const json_t *event)
{
    char *text = json_dumps(event, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_t *line = json_string(text);
    free(text);
    return line;
}

static json_t *recorded_event(const json_t *line)
{
    return json_loadb(json_string_value(line), json_string_length(line), 0, NULL);
}

/* Writes an event for the current method, and keeps a copy while a training is recorded. */
static bool emit(MethodRun *m, json_t *body, Err *err)
{
    if (m->recording) json_array_append_new(m->recording, recorded_line(body));
    json_t *event = json_pack("{s:O, s:s, s:I}", "event", json_object_get(body, "event"), "method", m->method->name,
                              "seed", (json_int_t)m->seed);
    json_object_update_missing(event, body);
    json_decref(body);
    return journal_event(&m->x->journal, event, err);
}

/* Events of a training as they were recorded. */
static bool emit_again(MethodRun *m, const json_t *lines, Err *err)
{
    size_t i;
    const json_t *line;
    json_array_foreach(lines, i, line)
    {
        json_t *event = recorded_event(line);
        m->step += strcmp(json_string_value(json_object_get(event, "event")), "step") == 0;
        if (!emit(m, event, err)) return false;
    }
    return true;
}

static json_t *eval_event(const MethodRun *m, const EvalRecord *r, int task, bool final)
{
    return json_pack("{s:s, s:i, s:i, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:b}", "event", "eval", "after_task",
                     m->task + 1, "task", task + 1, "name", m->x->tasks[task].data.name, "epoch", (json_int_t)r->epoch,
                     "step", (json_int_t)r->step, "rows", (json_int_t)r->rows, "correct", (json_int_t)r->correct,
                     "accuracy", (double)r->correct / r->rows, "loss", r->loss, "final", final);
}

/* ---- what the diagnostics ask of every method ---- */

/* Whether later trainings can change what a method says of earlier tasks. */
static bool can_forget(const Method *method)
{
    return method->trains == TRAINS_ENCODER || method->trains == TRAINS_ADAPTER;
}

static bool experiment_diagnoses(const Experiment *x) { return !x->plan->no_diagnostics && x->plan->task_count > 1; }
