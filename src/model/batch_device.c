#include "model.h"

#include <string.h>

/* A batch is a handful of u32 arrays; they travel to the device as one block. */

BatchBuffer batch_buffer(DeviceArena *arena, uint32_t max_tokens, uint32_t max_examples)
{
    /* 3 arrays and 3 row indices of up to [tokens] row, starts, order; offsets, first and labels of examples */
    size_t capacity = 12 * ((size_t)max_tokens + 1) + 3 * ((size_t)max_examples + 1);
    return (BatchBuffer){device_u32(arena, capacity), capacity};
}

typedef struct BatchWriter {
    uint32_t *host;
    u32p device;
    size_t used, capacity;
} BatchWriter;

static u32p batch_put(BatchWriter *writer, const uint32_t *values, size_t count)
{
    ASSERT(writer->used + count <= writer->capacity);
    u32p at = writer->device + writer->used;
    if (count) memcpy(writer->host + writer->used, values, count * sizeof *values);
    writer->used += count;
    return at;
}

static DeviceRows batch_put_rows(BatchWriter *writer, const RowIndex *index, uint32_t tokens)
{
    DeviceRows rows = {.unique = index->unique};
    rows.row = batch_put(writer, index->row, index->unique);
    rows.starts = batch_put(writer, index->starts, index->unique + 1);
    rows.order = batch_put(writer, index->order, tokens);
    return rows;
}

/* Its rows ascend. */
static uint32_t rows_highest(const RowIndex *index) { return index->unique ? index->row[index->unique - 1] : 0; }

const char *batch_problem(const DeviceBatch *batch, const ModelConfig *config)
{
    return batch->most_id >= config->vocab                      ? "a token id beyond the vocabulary"
           : batch->most_position >= config->positions          ? "a position beyond the model's last"
           : config->types && batch->most_type >= config->types ? "a token type beyond the model's last"
                                                                : NULL;
}

void device_batch_write(Device *device, const BatchBuffer *buffer, Arena *scratch, const Batch *batch, DeviceBatch *out)
{
    BatchWriter w = {arena_new(scratch, uint32_t, buffer->capacity), buffer->at, 0, buffer->capacity};
    *out = (DeviceBatch){.examples = batch->examples, .tokens = batch->tokens, .longest = batch->longest};
    out->most_id = rows_highest(&batch->word);
    out->most_position = rows_highest(&batch->position);
    out->most_type = rows_highest(&batch->type);
    out->ids = batch_put(&w, batch->ids, batch->tokens);
    out->positions = batch_put(&w, batch->positions, batch->tokens);
    out->types = batch_put(&w, batch->types, batch->tokens);
    out->offsets = batch_put(&w, batch->offsets, batch->examples + 1);
    out->first = batch_put(&w, batch->first, batch->examples);
    out->labels = batch_put(&w, batch->labels, batch->examples);
    out->word = batch_put_rows(&w, &batch->word, batch->tokens);
    out->position = batch_put_rows(&w, &batch->position, batch->tokens);
    out->type = batch_put_rows(&w, &batch->type, batch->tokens);
    device_write(device, buffer->at, w.host, w.used * sizeof *w.host);
}
