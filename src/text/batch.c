#include "text.h"

#include <string.h>

/* Examples side by side, and who uses which row of the embedding tables. */

/* Sorts token indices by key, keeping the order of equal keys: a radix sort by bytes. order holds 0 .. tokens - 1. */
static void rows_sort(Arena *arena, const uint32_t *keys, uint32_t tokens, uint32_t *order)
{
    uint32_t *from = order, *to = arena_new(arena, uint32_t, tokens), highest = 0;
    for (uint32_t t = 0; t < tokens; t++)
        if (keys[t] > highest) highest = keys[t];
    for (uint32_t shift = 0; shift < 32 && highest >> shift; shift += 8) {
        uint32_t starts[257] = {0};
        for (uint32_t i = 0; i < tokens; i++) starts[(keys[from[i]] >> shift & 255) + 1]++;
        for (uint32_t k = 1; k < 257; k++) starts[k] += starts[k - 1];
        for (uint32_t i = 0; i < tokens; i++) to[starts[keys[from[i]] >> shift & 255]++] = from[i];
        uint32_t *swapped = from;
        from = to;
        to = swapped;
    }
    if (from != order) memcpy(order, from, tokens * sizeof *order);
}

/* keys: [tokens], the table row that each token uses. */
static RowIndex rows_index(Arena *arena, const uint32_t *keys, uint32_t tokens)
{
    RowIndex index = {.row = arena_new(arena, uint32_t, tokens),
                      .starts = arena_new(arena, uint32_t, (size_t)tokens + 1),
                      .order = arena_new(arena, uint32_t, tokens)};
    for (uint32_t t = 0; t < tokens; t++) index.order[t] = t;
    rows_sort(arena, keys, tokens, index.order);
    for (uint32_t i = 0; i < tokens; i++) {
        const uint32_t key = keys[index.order[i]];
        if (index.unique && index.row[index.unique - 1] == key) continue;
        index.row[index.unique] = key;
        index.starts[index.unique++] = i;
    }
    index.starts[index.unique] = tokens;
    return index;
}

void batch_pack(Arena *arena, const Split *split, const uint32_t *rows, uint32_t count, uint32_t position_base,
                Batch *out)
{
    uint64_t tokens = 0;
    for (uint32_t e = 0; e < count; e++) {
        ASSERT(rows[e] < split->rows);
        tokens += split->starts[rows[e] + 1] - split->starts[rows[e]];
    }
    ASSERT(tokens < UINT32_MAX);
    *out = (Batch){.examples = count, .tokens = (uint32_t)tokens};
    out->ids = arena_new(arena, uint32_t, tokens);
    out->positions = arena_new(arena, uint32_t, tokens);
    out->types = arena_new(arena, uint32_t, tokens);
    out->offsets = arena_new(arena, uint32_t, (size_t)count + 1);
    out->first = arena_new(arena, uint32_t, count);
    out->labels = arena_new(arena, uint32_t, count);
    uint32_t at = 0;
    for (uint32_t e = 0; e < count; e++) {
        const uint64_t start = split->starts[rows[e]];
        const uint32_t size = (uint32_t)(split->starts[rows[e] + 1] - start);
        out->offsets[e] = out->first[e] = at;
        out->labels[e] = split->labels[rows[e]];
        if (size > out->longest) out->longest = size;
        uint32_t position = position_base;
        for (uint32_t i = 0; i < size; i++, at++) {
            const uint32_t id = out->ids[at] = split->ids[start + i];
            /* RoBERTa: the pad token (position_base - 1) stays on its own position and is not counted, as in
             * transformers' create_position_ids_from_input_ids */
            out->positions[at] = position_base && id == position_base - 1 ? id : position++;
            out->types[at] = split->types[start + i];
        }
    }
    out->offsets[count] = at;
    out->word = rows_index(arena, out->ids, at);
    out->position = rows_index(arena, out->positions, at);
    out->type = rows_index(arena, out->types, at);
}
