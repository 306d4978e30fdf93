#include "strategy.h"

/* A-GEM (Chaudhry et al. 2019, arXiv:1812.00420): when the gradient g would raise the loss on a batch of stored rows,
 * whose gradient is g_ref (g . g_ref < 0), its part along g_ref is taken out: g -= (g . g_ref / g_ref . g_ref) g_ref.
 * In the shared weights; heads of earlier tasks stay as they are. */

typedef struct Agem {
    Own base;
    Buffer buffer;
    f32p reference, products, result,
        losses; /* while a task trains: g_ref; partial sums of g . g_ref and g_ref . g_ref */
} Agem;

enum { AGEM_FRACTION };
static const Option agem_options[] = {
    [AGEM_FRACTION] = STRATEGY_REAL("agem-fraction", "0.05", 0, 1, "share of each earlier task's rows that is kept"),
};

static bool agem_begin(void *own, TrainState *t, Err *err)
{
    (void)err;
    Agem *agem = own;
    agem->reference = device_f32(t->memory, t->layout->floats);
    agem->products = device_f32(t->memory, 2 * (size_t)pull_parts(t->layout));
    agem->result = device_f32(t->memory, 2);
    agem->losses = device_f32(t->memory, t->training->hyper.batch_size);
    return true;
}

static void agem_project(void *own, TrainState *t)
{
    enum { STREAM = 0x6167656d };
    const Agem *agem = own;
    Arena scratch = {0};
    const size_t floats = t->layout->floats;
    const uint32_t parts = pull_parts(t->layout);
    const Draw d =
        buffer_draw(&scratch, &agem->buffer, t->training->seed, STREAM + t->training->task, t->step, t->count);
    floats_fill(t->device, agem->reference, floats, 0);
    for (uint32_t at = 0, count, task; at < d.count; at += count) {
        u32p labels;
        count = draw_group(&d, &agem->buffer, at, &task);
        const EarlierTask *earlier = &t->training->earlier[task];
        f32p logits = train_pass(t, earlier->train, task, d.row + at, count, STREAM, &labels);
        RUN(t->device, cross_entropy, .logits = logits, .labels = labels, .loss = agem->losses,
            .dlogits = train_dlogits(t), .rows = count, .classes = earlier->head->classes, .scale = 1 / (float)d.count);
        train_pass_backward(t, agem->reference, false);
    }
    RUN(t->device, dot, .x = t->g, .y = agem->reference, .part = agem->products, .n = (u32)floats, .block = PULL_BLOCK);
    RUN(t->device, dot, .x = agem->reference, .y = agem->reference, .part = agem->products + parts, .n = (u32)floats,
        .block = PULL_BLOCK);
    RUN(t->device, projection, .g_r = agem->products, .r_r = agem->products + parts, .result = agem->result,
        .parts = parts);
    floats_axpby(t->device, agem->reference, agem->result, t->g, floats, 1, 1);
    arena_free(&scratch);
}

static bool agem_end(void *own, const Moment *at, Err *err)
{
    (void)err;
    Agem *agem = own;
    const Training *t = at->training;
    buffer_sample(agem->base.arena, &agem->buffer, t->seed, t->task, t->train->rows, agem->base.option[AGEM_FRACTION]);
    return true;
}

static const Citation citation_agem = {
    .key = "chaudhry2019agem",
    .type = "inproceedings",
    .author = "Chaudhry, Arslan and Ranzato, Marc'Aurelio and Rohrbach, Marcus and Elhoseiny, Mohamed",
    .title = "Efficient Lifelong Learning with {A-GEM}",
    .booktitle = "International Conference on Learning Representations",
    .year = "2019",
    .arxiv = "1812.00420",
};

static const Strategy strategy_agem = {
    .name = "agem",
    .about = "takes out of each step what would raise the loss on stored rows of earlier tasks",
    .cite = "Chaudhry et al. 2019, arXiv:1812.00420",
    .citation = &citation_agem,
    .departs = "Only the gradient of the shared weights is corrected; heads of earlier tasks are not trained.",
    .kind = "method",
    .arrays = 1,
    .passes = 1,
    .options = agem_options,
    .option_count = COUNT(agem_options),
    .own_bytes = sizeof(Agem),
    .hooks = {.earlier = true, .begin = agem_begin, .project = agem_project},
    .end = agem_end,
};
