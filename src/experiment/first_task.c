#include "experiment.h"

#include <string.h>

/* The first task is trained once for all methods that train it alike. */

static bool first_task_is_shared(const Strategy *a, const Strategy *b)
{
    return (a->adapters == ADAPTERS_NONE) == (b->adapters == ADAPTERS_NONE);
}

/* Whether a method that comes after the one at work trains the first task in the same way. */
static bool first_task_is_wanted(const Experiment *x)
{
    bool after = false;
    for (int i = 0; i < x->plan->method_count; i++) {
        const Strategy *other = x->plan->methods[i];
        if (after && first_task_is_shared(x->strategy, other)) return true;
        if (other == x->strategy) after = true;
    }
    return false;
}

static void copy_floats(Experiment *x, f32p from, f32p to, size_t floats)
{
    RUN(&x->device, copy, .x = from, .y = to, .n = (u32)floats);
}

static void first_task_forget(Experiment *x)
{
    json_decref(x->first.events);
    x->first = (FirstTask){0};
    device_arena_free(&x->first_memory);
    x->first_memory.device = &x->device;
}

static void first_task_keep(Experiment *x, const Training *t)
{
    first_task_forget(x);
    x->first = (FirstTask){.strategy = x->strategy, .seed = x->seed, .events = json_incref(x->recording)};
    x->first.head = device_f32(&x->first_memory, t->head->layout.floats);
    copy_floats(x, t->weights.head, x->first.head, t->head->layout.floats);
    if (t->lora) {
        x->first.adapter = device_f32(&x->first_memory, t->lora->layout.floats);
        copy_floats(x, t->weights.adapter, x->first.adapter, t->lora->layout.floats);
    }
    if (t->train_encoder) {
        x->first.encoder = device_f32(&x->first_memory, t->model->encoder.floats);
        copy_floats(x, t->weights.encoder, x->first.encoder, t->model->encoder.floats);
    }
}

/* Takes over the first task's training from an earlier method of the same seed; its events are told again. */
static bool first_task_reuse(Experiment *x, const Training *t, bool *reused, Err *err)
{
    *reused = x->first.strategy && x->first.seed == x->seed && first_task_is_shared(x->first.strategy, x->strategy);
    if (!*reused) return true;
    copy_floats(x, x->first.head, t->weights.head, t->head->layout.floats);
    if (t->lora) copy_floats(x, x->first.adapter, t->weights.adapter, t->lora->layout.floats);
    if (t->train_encoder) {
        copy_floats(x, x->first.encoder, t->weights.encoder, t->model->encoder.floats);
        x->encoder_is_base = false;
    }
    size_t i;
    json_t *event;
    json_array_foreach(x->first.events, i, event)
    {
        if (!emit(x, json_incref(event), err)) return false;
        x->method_step += strcmp(json_string_value(json_object_get(event, "event")), "step") == 0;
    }
    return true;
}
