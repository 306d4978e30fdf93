#include "strategy.h"

/* A buffer of rows of earlier tasks, for replay, DER++ and A-GEM: of each task a share of its rows, chosen by reservoir
 * sampling (Vitter 1985, doi:10.1145/3147.3165, Algorithm R) as they come by, so that every row of every earlier task
 * is in it with the same probability. */

typedef struct BufferRow {
    uint32_t task, row;
} BufferRow;
typedef struct Buffer {
    BufferRow *row; /* by task */
    uint32_t count;
} Buffer;

static uint32_t buffer_share(uint32_t rows, double fraction)
{
    const uint32_t share = (uint32_t)(rows * fraction + 0.5);
    return share == 0 && fraction > 0 && rows > 0 ? 1 : share;
}

static uint32_t buffer_random(uint32_t seed, uint32_t stream, uint64_t index, uint32_t below)
{
    return (uint32_t)((double)random_uniform(seed, stream, index) * below);
}

/* Adds the share of a task's rows 0 .. rows - 1. */
static void buffer_sample(Arena *arena, Buffer *buffer, uint32_t seed, uint32_t task, uint32_t rows, double fraction)
{
    enum { STREAM = 0x72657376 };
    const uint32_t share = buffer_share(rows, fraction);
    BufferRow *all = arena_new(arena, BufferRow, (size_t)buffer->count + share), *own = all + buffer->count;
    for (uint32_t i = 0; i < buffer->count; i++) all[i] = buffer->row[i];
    for (uint32_t r = 0; r < rows; r++) {
        const uint32_t place = r < share ? r : buffer_random(seed, STREAM + task, r, r + 1);
        if (place < share) own[place] = (BufferRow){task, r};
    }
    *buffer = (Buffer){all, buffer->count + share};
}

/* Draws of different steps and streams are independent. */
typedef struct Draw {
    uint32_t count, *index, *row; /* [count]: place in the buffer, row of the task; by task */
} Draw;

/* `count` rows without one twice, or all when there are fewer. */
static Draw buffer_draw(Arena *arena, const Buffer *buffer, uint32_t seed, uint32_t stream, uint32_t step,
                        uint32_t count)
{
    Draw d = {least_u32(count, buffer->count), NULL, NULL};
    uint32_t *place = arena_new(arena, uint32_t, buffer->count);
    bool *chosen = arena_new(arena, bool, buffer->count);
    d.index = arena_new(arena, uint32_t, d.count);
    d.row = arena_new(arena, uint32_t, d.count);
    for (uint32_t i = 0; i < buffer->count; i++) place[i] = i;
    for (uint32_t i = 0; i < d.count; i++) { /* Fisher and Yates, as far as needed */
        const uint32_t j = i + buffer_random(seed, stream, ((uint64_t)step << 32) + i, buffer->count - i),
                       swap = place[i];
        chosen[place[j]] = true;
        place[i] = place[j];
        place[j] = swap;
    }
    for (uint32_t i = 0, k = 0; i < buffer->count; i++)
        if (chosen[i]) {
            d.row[k] = buffer->row[i].row;
            d.index[k++] = i;
        }
    return d;
}

/* The rows of a draw, from `from` on, that belong to one task. */
static uint32_t draw_group(const Draw *d, const Buffer *buffer, uint32_t from, uint32_t *task)
{
    uint32_t end = from + 1;
    *task = buffer->row[d->index[from]].task;
    while (end < d->count && buffer->row[d->index[end]].task == *task) end++;
    return end - from;
}
