#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Evaluation, and an encoder's states for training a head on them. */

static uint32_t train_min(uint32_t a, uint32_t b) { return a < b ? a : b; }

static int train_compare_down(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x < y) - (x > y);
}

/* The most tokens that `count` rows of a split can have together. */
static uint32_t split_most_tokens(const Split *split, uint32_t count)
{
    Arena scratch = {0};
    uint32_t *sizes = arena_new(&scratch, uint32_t, split->rows);
    for (uint32_t i = 0; i < split->rows; i++) sizes[i] = (uint32_t)(split->starts[i + 1] - split->starts[i]);
    qsort(sizes, split->rows, sizeof *sizes, train_compare_down);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < train_min(count, split->rows); i++) sum += sizes[i];
    arena_free(&scratch);
    return (uint32_t)sum;
}

static void record_score(EvalRecord *record, const Split *split)
{
    double loss = 0;
    record->correct = 0;
    for (uint32_t i = 0; i < record->rows; i++) {
        const float *z = record->logits + (size_t)i * record->classes;
        uint32_t best = 0;
        double sum = 0;
        for (uint32_t c = 1; c < record->classes; c++)
            if (z[c] > z[best]) best = c;
        for (uint32_t c = 0; c < record->classes; c++) sum += exp((double)z[c] - (double)z[best]);
        loss += log(sum) + (double)z[best] - (double)z[split->labels[i]];
        record->prediction[i] = best;
        record->correct += best == split->labels[i];
    }
    record->loss = record->rows ? loss / record->rows : 0;
}

/* Forward passes over all rows of a split, without dropout. */
typedef struct Sweep {
    Arena arena;
    DeviceArena memory;
    Workspace *ws;
    BatchBuffer buffer;
    const Split *split;
    uint32_t size, position_base, at, count; /* the batch at work: rows at .. at + count - 1 */
    uint32_t *index;
    DeviceBatch batch;
} Sweep;

static void sweep_open(Sweep *s, Device *device, const Model *model, const Lora *lora, const Split *split,
                       uint32_t batch_size, uint32_t classes)
{
    *s = (Sweep){.memory = {.device = device}, .split = split, .position_base = model->config.position_base};
    s->size = train_min(batch_size, split->rows);
    const uint32_t tokens = split_most_tokens(split, s->size);
    s->ws = workspace_new(&s->arena, &s->memory, model, lora, tokens, s->size, classes, false);
    s->buffer = batch_buffer(&s->memory, tokens, s->size);
    s->index = arena_new(&s->arena, uint32_t, s->size);
}

/* Puts the next batch on the device; false when there is none. */
static bool sweep_next(Sweep *s)
{
    Arena scratch = {0};
    Batch batch;
    s->at += s->count;
    s->count = train_min(s->size, s->split->rows - s->at);
    if (!s->count) return false;
    for (uint32_t i = 0; i < s->count; i++) s->index[i] = s->at + i;
    batch_pack(&scratch, s->split, s->index, s->count, s->position_base, &batch);
    device_batch_write(s->memory.device, &s->buffer, &scratch, &batch, &s->batch);
    arena_free(&scratch);
    return true;
}

static void sweep_close(Sweep *s)
{
    device_arena_free(&s->memory);
    arena_free(&s->arena);
}

bool split_states(Device *device, DeviceArena *memory, const Model *model, const Lora *lora, const Weights *weights,
                  const Split *split, uint32_t batch_size, f32p *states, Err *err)
{
    const uint32_t h = model->config.hidden;
    Sweep s;
    bool ok = true;
    *states = device_f32(memory, (size_t)split->rows * h);
    sweep_open(&s, device, model, lora, split, batch_size, 1);
    while (ok && sweep_next(&s)) {
        f32p first = model_first_states(s.ws, weights, &s.batch, &(PassOptions){0});
        RUN(device, copy, .x = first, .y = *states + (size_t)s.at * h, .n = s.count * h);
        ok = !interrupted() || fail_interrupted(err);
    }
    sweep_close(&s);
    return ok && device_ok(device, err);
}

/* Brings the states that a sweep's last pass kept to their rows in `states` [slices][rows][h]. */
static void sweep_read_states(Sweep *s, f32p kept, uint32_t slices, uint32_t h, float *states)
{
    Arena scratch = {0};
    const size_t n = (size_t)s->count * h;
    float *read = arena_new(&scratch, float, slices *n);
    device_read(s->memory.device, read, kept, slices * n * sizeof *read);
    for (uint32_t l = 0; l < slices; l++)
        memcpy(states + ((size_t)l * s->split->rows + s->at) * h, read + l * n, n * sizeof *read);
    arena_free(&scratch);
}

/* states: of all rows, when they are known already; else null. layers: whether those of all layers are wanted. */
static bool evaluate_rows(Device *device, Arena *arena, const Model *model, const Lora *lora, const Head *head,
                          const Weights *weights, const Split *split, uint32_t batch_size, f32p states, bool layers,
                          EvalRecord *record, Err *err)
{
    const uint32_t rows = split->rows, classes = head->classes, h = model->config.hidden;
    const uint32_t slices = layers ? model->config.layers + 1 : 0;
    *record = (EvalRecord){.rows = rows, .classes = classes};
    record->prediction = arena_new(arena, uint32_t, rows);
    record->logits = arena_new(arena, float, (size_t)rows *classes);
    Sweep s;
    f32p kept = NULL;
    bool ok = true;
    sweep_open(&s, device, model, lora, split, batch_size, classes);
    if (layers) {
        record->states = arena_new(arena, float, (size_t)slices *rows *h);
        kept = device_f32(&s.memory, (size_t)slices * s.size * h);
        workspace_keep_states(s.ws, kept);
    }
    while (ok && sweep_next(&s)) {
        const PassOptions options = {.states = states ? states + (size_t)s.at * h : NULL};
        f32p logits = model_forward(s.ws, weights, head, &s.batch, &options);
        device_read(device, record->logits + (size_t)s.at * classes, logits, (size_t)s.count * classes * sizeof(float));
        if (layers) sweep_read_states(&s, kept, slices, h, record->states);
        ok = device_ok(device, err) && (!interrupted() || fail_interrupted(err));
    }
    sweep_close(&s);
    if (ok) record_score(record, split);
    return ok;
}

bool evaluate(Device *device, Arena *arena, const Model *model, const Lora *lora, const Head *head,
              const Weights *weights, const Split *split, uint32_t batch_size, EvalRecord *record, Err *err)
{
    return evaluate_rows(device, arena, model, lora, head, weights, split, batch_size, NULL, false, record, err);
}

bool evaluate_layers(Device *device, Arena *arena, const Model *model, const Lora *lora, const Head *head,
                     const Weights *weights, const Split *split, uint32_t batch_size, EvalRecord *record, Err *err)
{
    return evaluate_rows(device, arena, model, lora, head, weights, split, batch_size, NULL, true, record, err);
}
