#include "experiment.h"

#include <string.h>

/* What several methods train alike is trained once, told for each of them, and evaluated once: the first task, by all
 * that train the same weights; the second, by those that are plain training there too. */

static bool training_is_shared(const Method *a, const Method *b, int task)
{
    const bool adapters = a->trains == TRAINS_ADAPTER || a->trains == TRAINS_ADAPTER_EACH;
    if (task == 0)
        return adapters ? b->trains == TRAINS_ADAPTER || b->trains == TRAINS_ADAPTER_EACH : a->trains == b->trains;
    return task == 1 && a->trains == TRAINS_ENCODER && b->trains == TRAINS_ENCODER && a->plain && b->plain;
}

/* Whether a method that comes after the one at work shares a training of `method`. */
static bool shared_is_wanted(const Experiment *x, const Method *method, int task)
{
    bool after = false;
    for (int i = 0; i < x->plan->method_count; i++) {
        const Method *other = x->plan->methods[i];
        if (after && training_is_shared(method, other, task)) return true;
        if (other == x->method) after = true;
    }
    return false;
}

static void shared_clear(SharedTask *shared)
{
    json_decref(shared->events);
    if (shared->method) {
        shelf_clear(&shared->shelf);
        device_arena_free(&shared->memory);
    }
    arena_free(&shared->arena);
    *shared = (SharedTask){0};
}

/* Gives back what no later method wants. */
static void shared_forget(Experiment *x, bool all)
{
    for (int i = 0; i < SHARED_MAX_TASKS; i++)
        if (all || (x->shared[i].method && !shared_is_wanted(x, x->shared[i].method, x->shared[i].task)))
            shared_clear(&x->shared[i]);
}

static f32p shared_copy(Experiment *x, SharedTask *shared, f32p w, size_t floats)
{
    f32p copy = device_f32(&shared->memory, floats);
    floats_copy(&x->device, w, copy, floats);
    return copy;
}

static SharedTask *shared_keep(Experiment *x, const Training *t)
{
    SharedTask *shared = x->shared;
    while (shared->method) shared++;
    ASSERT(shared < x->shared + SHARED_MAX_TASKS);
    *shared = (SharedTask){.method = x->method, .seed = x->seed, .task = x->task, .events = json_incref(x->recording)};
    shared->kept = x->kept;
    shared->memory.device = shared->shelf.memory.device = &x->device;
    shared->final = arena_new(&shared->arena, EvalRecord, x->task + 1);
    shared->head = shared_copy(x, shared, t->weights.head, t->head->layout.floats);
    if (t->lora) shared->adapter = shared_copy(x, shared, t->weights.adapter, t->lora->layout.floats);
    if (t->train_encoder) shared->encoder = shared_copy(x, shared, t->weights.encoder, t->model->encoder.floats);
    return shared;
}

static SharedTask *shared_find(Experiment *x)
{
    for (int i = 0; i < SHARED_MAX_TASKS; i++) {
        SharedTask *shared = &x->shared[i];
        if (shared->method && shared->seed == x->seed && shared->task == x->task &&
            training_is_shared(shared->method, x->method, x->task))
            return shared;
    }
    return NULL;
}

/* Takes over a training; its events are told again. */
static bool shared_restore(Experiment *x, const SharedTask *shared, const Training *t, Err *err)
{
    floats_copy(&x->device, shared->head, t->weights.head, t->head->layout.floats);
    if (t->lora) floats_copy(&x->device, shared->adapter, t->weights.adapter, t->lora->layout.floats);
    if (t->train_encoder) floats_copy(&x->device, shared->encoder, t->weights.encoder, t->model->encoder.floats);
    x->kept = shared->kept;
    return tell_again(x, shared->events, err);
}
