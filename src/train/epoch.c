/* The batches of an epoch, in their order. */
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A batch of an epoch: rows order[at .. at + count - 1] of a part. */
typedef struct EpochBatch {
    uint32_t part, at, count;
} EpochBatch;

/* The rows of a part of an epoch in the order of training, or (part ORDER_OF_BATCHES) the batches of several parts. */
enum { ORDER_OF_BATCHES = 64 };
static void epoch_order(const Training *t, uint32_t part, uint32_t epoch, uint32_t count, uint32_t *order)
{
    static const uint64_t STREAM = 0x6f726472; /* apart from every other use of the seed */
    if (t->hyper.order == ORDER_HF)
        random_permutation(t->seed + epoch, count, order);
    else
        random_order(t->seed, STREAM << 32 | t->task << 21 | part << 14 | epoch, count, order); /* epochs: to 10,000 */
}

/* The batches of one epoch in the order of training; those of several tasks are shuffled. */
static uint32_t epoch_batches(const Run *run, Arena *arena, uint32_t epoch, uint32_t *const *order, EpochBatch **out)
{
    const Training *t = run->state.training;
    DYN(EpochBatch) batches = {0};
    for (uint32_t i = run->first_part; i <= t->task; i++) {
        const uint32_t rows = run->parts[i].train->rows;
        epoch_order(t, i, epoch, rows, order[i]);
        for (uint32_t at = 0; at < rows; at += t->hyper.batch_size)
            *dyn_push(arena, &batches) = (EpochBatch){i, at, least_u32(t->hyper.batch_size, rows - at)};
    }
    const uint32_t count = (uint32_t)batches.count;
    *out = batches.at;
    if (run->first_part == t->task) return count;
    uint32_t *shuffle = arena_new(arena, uint32_t, count);
    EpochBatch *shuffled = arena_new(arena, EpochBatch, count);
    epoch_order(t, ORDER_OF_BATCHES, epoch, count, shuffle);
    for (uint32_t i = 0; i < count; i++) shuffled[i] = batches.at[shuffle[i]];
    *out = shuffled;
    return count;
}
