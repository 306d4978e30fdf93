#include "state.h"

#include <string.h>

/* What several methods train alike is trained once, recorded for each of them, and evaluated once: the first task, by
 * all that train the same weights; the second, by those that are plain training there too. */

static bool training_is_shared(const Method *a, const Method *b, int task)
{
    if (a != b && (a->own_rate || b->own_rate)) return false; /* at rates of their own */
    if (task == 0) return method_has_adapter(a) ? method_has_adapter(b) : a->trains == b->trains;
    return task == 1 && a->trains == TRAINS_ENCODER && b->trains == TRAINS_ENCODER && a->plain && b->plain;
}

/* Whether a method that comes after the current one shares a training of `method`. */
static bool shared_is_wanted(const MethodRun *m, const Method *method, int task)
{
    bool after = false;
    for (int i = 0; i < m->x->plan->method_count; i++) {
        const Method *other = m->x->plan->methods[i];
        if (after && training_is_shared(method, other, task)) return true;
        if (other == m->method) after = true;
    }
    return false;
}

static void shared_clear(SharedTask *shared)
{
    if (!shared->method) return;
    json_decref(shared->events);
    shelf_clear(&shared->shelf);
    device_arena_free(&shared->memory);
    *shared = (SharedTask){0};
}

/* Gives back what no later method wants. */
static void shared_forget(MethodRun *m)
{
    for (int i = 0; i < SHARED_MAX_TASKS; i++) {
        SharedTask *shared = &m->x->shared[i];
        if (shared->method && !shared_is_wanted(m, shared->method, shared->task)) shared_clear(shared);
    }
}

static f32p shared_copy(Experiment *x, SharedTask *shared, f32p w, size_t floats)
{
    f32p copy = device_f32(&shared->memory, floats);
    floats_copy(&x->device, w, copy, floats);
    return copy;
}

static SharedTask *shared_keep(MethodRun *m, const Training *t)
{
    SharedTask *shared = m->x->shared;
    while (shared->method) shared++;
    ASSERT(shared < m->x->shared + SHARED_MAX_TASKS);
    *shared = (SharedTask){.method = m->method, .seed = m->seed, .task = m->task, .events = json_incref(m->recording)};
    shared->kept = m->kept;
    shared->memory.device = shared->shelf.memory.device = &m->x->device;
    shared->weights = m->weights;
    shared->head = shared_copy(m->x, shared, t->weights.head, t->head->layout.floats);
    if (t->lora) shared->adapter = shared_copy(m->x, shared, t->weights.adapter, t->lora->layout.floats);
    if (t->train_encoder) shared->encoder = shared_copy(m->x, shared, t->weights.encoder, t->model->encoder.floats);
    return shared;
}

static SharedTask *shared_find(MethodRun *m)
{
    for (int i = 0; i < SHARED_MAX_TASKS; i++) {
        SharedTask *shared = &m->x->shared[i];
        if (shared->method && shared->seed == m->seed && shared->task == m->task &&
            training_is_shared(shared->method, m->method, m->task))
            return shared;
    }
    return NULL;
}

/* Takes over a training; its events are recorded again. */
static bool shared_restore(MethodRun *m, const SharedTask *shared, const Training *t, Err *err)
{
    floats_copy(&m->x->device, shared->head, t->weights.head, t->head->layout.floats);
    if (t->lora) floats_copy(&m->x->device, shared->adapter, t->weights.adapter, t->lora->layout.floats);
    if (t->train_encoder) floats_copy(&m->x->device, shared->encoder, t->weights.encoder, t->model->encoder.floats);
    m->kept = shared->kept;
    return emit_again(m, shared->events, err);
}
