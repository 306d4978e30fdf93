#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Evaluation, and an encoder's states for training a head on them. */

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
    for (uint32_t i = 0; i < least_u32(count, split->rows); i++) sum += sizes[i];
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
        for (uint32_t c = 1; c < record->classes; c++)
            if (z[c] > z[best]) best = c;
        loss += softmax(z, record->classes, NULL) - (double)z[split->labels[i]];
        record->prediction[i] = best;
        record->correct += best == split->labels[i];
    }
    record->loss = record->rows ? loss / record->rows : 0;
}

/* Forward passes over all rows of a split, without dropout. */
typedef struct EvalPass {
    Arena arena;
    DeviceArena memory;
    Workspace *ws;
    BatchBuffer buffer;
    const Split *split;
    const uint32_t *rows; /* which rows of the split; null: all, as they come */
    uint32_t total, size, position_base;
    uint32_t at, count; /* the current batch: the rows at .. at + count - 1 of those */
    uint32_t *index;
    DeviceBatch batch;
} EvalPass;

static void eval_pass_open(EvalPass *s, Device *device, const Model *model, const Lora *lora, const Split *split,
                           const uint32_t *rows, uint32_t total, uint32_t batch_size, uint32_t classes)
{
    *s = (EvalPass){.memory = {.device = device}, .split = split, .rows = rows, .total = total};
    s->position_base = model->config.position_base;
    s->size = least_u32(batch_size, total);
    const uint32_t tokens = split_most_tokens(split, s->size);
    s->ws =
        workspace_new(&s->arena, &s->memory, model, lora, tokens, s->size, split_most_tokens(split, 1), classes, false);
    s->buffer = batch_buffer(&s->memory, tokens, s->size);
    s->index = arena_new(&s->arena, uint32_t, s->size);
}

/* Puts the next batch on the device; false when there is none. */
static bool eval_pass_next(EvalPass *s)
{
    Arena scratch = {0};
    Batch batch;
    s->at += s->count;
    s->count = least_u32(s->size, s->total - s->at);
    if (!s->count) return false;
    for (uint32_t i = 0; i < s->count; i++) s->index[i] = s->rows ? s->rows[s->at + i] : s->at + i;
    batch_pack(&scratch, s->split, s->index, s->count, s->position_base, &batch);
    device_batch_write(s->memory.device, &s->buffer, &scratch, &batch, &s->batch);
    arena_free(&scratch);
    return true;
}

static void eval_pass_close(EvalPass *s)
{
    device_arena_free(&s->memory);
    arena_free(&s->arena);
}

bool split_states(Device *device, DeviceArena *memory, const Model *model, const Lora *lora, const Weights *weights,
                  const Split *split, uint32_t batch_size, f32p *states, Err *err)
{
    const uint32_t h = model->config.hidden;
    EvalPass s;
    bool ok = true;
    *states = device_f32(memory, (size_t)split->rows * h);
    eval_pass_open(&s, device, model, lora, split, NULL, split->rows, batch_size, 1);
    while (ok && eval_pass_next(&s)) {
        f32p first = model_first_states(s.ws, weights, &s.batch, &(PassOptions){0});
        RUN(device, copy, .x = first, .y = *states + (size_t)s.at * h, .n = s.count * h);
        ok = !interrupted() || fail_interrupted(err);
    }
    eval_pass_close(&s);
    return ok && device_ok(device, err);
}

/* states: of these rows, when they are known already; else null. */
static bool rows_logits(Device *device, const Model *model, const Lora *lora, const Head *head, const Weights *weights,
                        const Split *split, const uint32_t *rows, uint32_t count, uint32_t batch_size, f32p states,
                        float *logits, Err *err)
{
    EvalPass s;
    bool ok = true;
    eval_pass_open(&s, device, model, lora, split, rows, count, batch_size, head->classes);
    while (ok && eval_pass_next(&s)) {
        const PassOptions options = {.states = states ? states + (size_t)s.at * model->config.hidden : NULL};
        f32p z = model_forward(s.ws, weights, head, &s.batch, &options);
        device_read(device, logits + (size_t)s.at * head->classes, z, (size_t)s.count * head->classes * sizeof *logits);
        ok = device_ok(device, err) && (!interrupted() || fail_interrupted(err));
    }
    eval_pass_close(&s);
    return ok;
}

bool train_logits(Device *device, const Training *t, const Head *head, f32p head_w, const Split *split,
                  const uint32_t *rows, uint32_t count, f32p states, float *logits, Err *err)
{
    const Weights weights = {t->weights.encoder, t->weights.adapter, head_w};
    return rows_logits(device, t->model, t->lora, head, &weights, split, rows, count, t->hyper.eval_batch_size, states,
                       logits, err);
}

static bool evaluate_states(Device *device, Arena *arena, const Model *model, const Lora *lora, const Head *head,
                            const Weights *weights, const Split *split, uint32_t batch_size, f32p states,
                            EvalRecord *record, Err *err)
{
    *record = (EvalRecord){.rows = split->rows, .classes = head->classes};
    record->prediction = arena_new(arena, uint32_t, split->rows);
    record->logits = arena_new(arena, float, (size_t)split->rows * head->classes);
    if (!rows_logits(device, model, lora, head, weights, split, NULL, split->rows, batch_size, states, record->logits,
                     err))
        return false;
    record_score(record, split);
    return true;
}

/* Which states of a split's rows are wanted, and where they go; host memory. */
typedef struct KeptStates {
    uint32_t layers, hidden, count;
    uint32_t *slot;       /* [rows]: 1 + its place among the rows whose states of all layers are kept; 0: none */
    float *states, *last; /* [layers][count][H], [rows][H] */
    f32p pass;            /* [layers][batch][H] on the device */
} KeptStates;

static void kept_read(const KeptStates *kept, Device *device, uint32_t at, uint32_t count)
{
    Arena scratch = {0};
    const size_t h = kept->hidden, n = count * h;
    float *read = arena_new(&scratch, float, kept->layers *n);
    device_read(device, read, kept->pass, kept->layers * n * sizeof *read);
    memcpy(kept->last + at * h, read + (kept->layers - 1) * n, n * sizeof *read);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t l = 0; l < kept->layers && kept->slot[at + i]; l++)
            memcpy(kept->states + ((size_t)l * kept->count + kept->slot[at + i] - 1) * h, read + l * n + i * h,
                   h * sizeof *read);
    arena_free(&scratch);
}

bool evaluate_layers(Device *device, Arena *arena, const Training *t, const uint32_t *rows, uint32_t count,
                     EvalRecord *record, Err *err)
{
    const Split *split = t->eval;
    const uint32_t classes = t->head->classes, h = t->model->config.hidden, layers = t->model->config.layers;
    KeptStates kept = {.layers = layers, .hidden = h, .count = count};
    *record = (EvalRecord){.rows = split->rows, .classes = classes};
    record->prediction = arena_new(arena, uint32_t, split->rows);
    record->logits = arena_new(arena, float, (size_t)split->rows *classes);
    record->states = kept.states = arena_new(arena, float, ((size_t)layers + 1) * count * h);
    record->last_states = kept.last = arena_new(arena, float, (size_t)split->rows *h);
    EvalPass s;
    bool ok = true;
    eval_pass_open(&s, device, t->model, t->lora, split, NULL, split->rows, t->hyper.eval_batch_size, classes);
    kept.slot = arena_new(&s.arena, uint32_t, split->rows);
    for (uint32_t i = 0; i < count; i++) kept.slot[rows[i]] = i + 1;
    kept.pass = device_f32(&s.memory, (size_t)layers * s.size * h);
    workspace_keep_states(s.ws, kept.pass);
    while (ok && eval_pass_next(&s)) {
        f32p z = model_forward(s.ws, &t->weights, t->head, &s.batch, &(PassOptions){0});
        device_read(device, record->logits + (size_t)s.at * classes, z, (size_t)s.count * classes * sizeof(float));
        kept_read(&kept, device, s.at, s.count);
        ok = device_ok(device, err) && (!interrupted() || fail_interrupted(err));
    }
    eval_pass_close(&s);
    if (ok) record_score(record, split);
    return ok;
}

bool evaluate(Device *device, Arena *arena, const Model *model, const Lora *lora, const Head *head,
              const Weights *weights, const Split *split, uint32_t batch_size, EvalRecord *record, Err *err)
{
    return evaluate_states(device, arena, model, lora, head, weights, split, batch_size, NULL, record, err);
}
