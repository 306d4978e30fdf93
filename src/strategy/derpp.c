#include "strategy.h"

/* DER++ (Buzzega et al. 2020, arXiv:2004.07211): alpha MSE(z, z_buffer) + beta CE on two independent draws from a
 * buffer that also holds logits. In the paper the logits are those of the moment in training at which a row came by;
 * here those of the end of its task, without dropout. The heads of earlier tasks are trained along. */

typedef struct Derpp {
    Own base;
    Buffer buffer;
    float **logits; /* [buffer.count]: [classes] */
    f32p target;    /* [batch][classes], while a task trains */
} Derpp;

enum { DERPP_ALPHA, DERPP_BETA, DERPP_FRACTION };
static const Option derpp_options[] = {
    [DERPP_ALPHA] = STRATEGY_REAL("der-alpha", "0.5", 0, 1e6, "weight of the stored logits"),
    [DERPP_BETA] = STRATEGY_REAL("der-beta", "0.5", 0, 1e6, "weight of the stored labels"),
    [DERPP_FRACTION] = STRATEGY_REAL("der-fraction", "0.05", 0, 1, "share of each earlier task's rows that is kept"),
};

static bool derpp_begin(void *own, TrainState *t, Err *err)
{
    (void)err;
    Derpp *der = own;
    const Training *training = t->training;
    uint32_t classes = 0;
    for (uint32_t i = 0; i < training->task; i++)
        if (training->earlier[i].head->classes > classes) classes = training->earlier[i].head->classes;
    der->target = device_f32(t->memory, (size_t)training->hyper.batch_size * classes);
    train_reserve_terms(t, 2 * training->hyper.batch_size);
    return true;
}

/* alpha MSE to the logits that were stored. */
static void derpp_logits_pass(TrainState *t, const Derpp *der)
{
    enum { STREAM = 0x6465726c };
    const double alpha = der->base.option[DERPP_ALPHA];
    Arena scratch = {0};
    const Draw d =
        buffer_draw(&scratch, &der->buffer, t->training->seed, STREAM + t->training->task, t->step, t->count);
    for (uint32_t at = 0, count, task; at < d.count; at += count) {
        u32p labels;
        count = draw_group(&d, &der->buffer, at, &task);
        const EarlierTask *earlier = &t->training->earlier[task];
        const uint32_t classes = earlier->head->classes;
        float *stored = arena_new(&scratch, float, (size_t)count *classes);
        for (uint32_t i = 0; i < count; i++)
            memcpy(stored + (size_t)i * classes, der->logits[d.index[at + i]], classes * sizeof *stored);
        device_write(t->device, der->target, stored, (size_t)count * classes * sizeof *stored);
        f32p logits = train_pass(t, earlier->train, task, d.row + at, count, STREAM, &labels);
        RUN(t->device, mse, .logits = logits, .target = der->target, .loss = train_terms(t, count, alpha / d.count),
            .dlogits = train_dlogits(t), .rows = count, .classes = classes, .scale = (float)(alpha / d.count));
        train_pass_backward(t, t->g, true);
    }
    arena_free(&scratch);
}

static void derpp_add(void *own, TrainState *t)
{
    const Derpp *der = own;
    derpp_logits_pass(t, der);
    replay_pass(t, &der->buffer, 0x64657263, der->base.option[DERPP_BETA]);
}

static bool derpp_end(void *own, const Moment *at, Err *err)
{
    Derpp *der = own;
    const Training *t = at->training;
    Arena *arena = der->base.arena;
    const uint32_t before = der->buffer.count, classes = t->head->classes;
    if (!at->more) return true;
    buffer_sample(arena, &der->buffer, t->seed, t->task, t->train->rows, der->base.option[DERPP_FRACTION]);
    const uint32_t count = der->buffer.count - before;
    float **logits = arena_new(arena, float *, der->buffer.count), *z = arena_new(arena, float, (size_t)count *classes);
    uint32_t *rows = arena_new(arena, uint32_t, count);
    for (uint32_t i = 0; i < before; i++) logits[i] = der->logits[i];
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = der->buffer.row[before + i].row;
        logits[before + i] = z + (size_t)i * classes;
    }
    der->logits = logits;
    return !count || train_logits(at->device, t, t->head, t->weights.head, t->train, rows, count, NULL, z, err);
}

static const Citation citation_derpp = {
    .key = "buzzega2020dark",
    .type = "inproceedings",
    .author = "Buzzega, Pietro and Boschini, Matteo and Porrello, Angelo and Abati, Davide and Calderara, Simone",
    .title = "Dark Experience for General Continual Learning: a Strong, Simple Baseline",
    .booktitle = "Advances in Neural Information Processing Systems",
    .volume = "33",
    .pages = "15920--15930",
    .year = "2020",
    .arxiv = "2004.07211",
};

static const Strategy strategy_derpp = {
    .name = "der++",
    .about = "replays stored rows of earlier tasks with their labels and with the logits they had then",
    .cite = "Buzzega et al. 2020, arXiv:2004.07211",
    .citation = &citation_derpp,
    .departs = "The stored logits are those of the end of a task, not of the moment at which a row came by; their "
               "squared error is a mean over the classes.",
    .kind = "method",
    .passes = 2,
    .options = derpp_options,
    .option_count = COUNT(derpp_options),
    .own_bytes = sizeof(Derpp),
    .hooks = {.earlier = true, .begin = derpp_begin, .add = derpp_add},
    .end = derpp_end,
};
