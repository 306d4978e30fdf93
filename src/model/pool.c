#include "workspace.h"

#include <math.h>
#include <string.h>

/* What stands for an example among its tokens' states, and rope's tables: for workspace.c and encoder.c. */

/* Rows of rope's table: no position of a batch is higher. */
static uint32_t turn_rows(const Workspace *ws) { return least_u32(ws->max_tokens, ws->model->config.positions); }

/* Fills rope's tables: frequencies base^(-2 i / head_dim), each number rounded to a float where transformers rounds. */
static void workspace_turns(const Workspace *ws)
{
    const ModelConfig *c = &ws->model->config;
    const uint32_t rows = turn_rows(ws), size = c->hidden / c->heads, half = size / 2;
    Arena scratch = {0};
    float *table = arena_new(&scratch, float, (size_t)rows *size);
    for (int k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < half; i++) {
            const float share = (float)(2 * i) / (float)size;
            const float frequency = 1 / (float)math_exp((double)share * math_log(c->rotary_base[k]));
            for (uint32_t p = 0; p < rows; p++) {
                const double turns = (double)((float)p * frequency) / (2 * M_PI);
                const uint32_t turn = (uint32_t)(uint64_t)((turns - floor(turns)) * 0x1p32 + 0.5);
                table[(size_t)p * size + i] = (float)math_cos_turn(turn);
                table[(size_t)p * size + half + i] = (float)math_cos_turn(turn - (1u << 30)); /* the sine */
            }
        }
        device_write(ws->device, ws->turn[k], table, (size_t)rows * size * sizeof *table);
    }
    arena_free(&scratch);
}

/* y [B][H] = what stands for each example among the states x [T][H]: its first token's, or the mean of all. */
static void pool_states(const Workspace *ws, f32p x, const DeviceBatch *batch, f32p y)
{
    const u32 h = ws->model->config.hidden, examples = batch->examples;
    if (ws->model->config.mean)
        RUN(ws->device, average, .x = x, .offsets = batch->offsets, .y = y, .examples = examples, .cols = h);
    else
        RUN(ws->device, gather_rows, .x = x, .index = batch->first, .y = y, .rows = examples, .cols = h, .ldx = h);
}

/* Of d_state: from the gradient of what pool_states has made to that of all states. d_branch is written. */
static void pool_backward(const Workspace *ws, const DeviceBatch *batch)
{
    const u32 h = ws->model->config.hidden, examples = batch->examples, all = batch->tokens * h;
    if (ws->model->config.mean) {
        RUN(ws->device, average_grad, .dy = ws->d_state, .offsets = batch->offsets, .dx = ws->d_branch,
            .examples = examples, .cols = h);
    } else {
        RUN(ws->device, fill, .x = ws->d_branch, .n = all);
        RUN(ws->device, scatter_rows, .x = ws->d_state, .index = batch->first, .y = ws->d_branch, .rows = examples,
            .cols = h, .ldy = h);
    }
    RUN(ws->device, copy, .x = ws->d_branch, .y = ws->d_state, .n = all);
}
