#include "strategy.h"

/* Replay (Robins 1995, doi:10.1080/09540099550039318; Chaudhry et al. 2019, arXiv:1902.10486): each batch of the new
 * task comes with as many rows of a buffer of earlier tasks, each through its own task's head: loss = CE_new + CE_old.
 * Those heads are trained along. */

typedef struct Replay {
    Own base;
    Buffer buffer;
} Replay;

enum { REPLAY_FRACTION };
static const Option replay_options[] = {
    [REPLAY_FRACTION] =
        STRATEGY_REAL("replay-fraction", "0.05", 0, 1, "share of each earlier task's rows that is kept"),
};

/* Cross-entropy of buffer rows through their heads, times weight, for replay and DER++. */
static void replay_pass(TrainState *t, const Buffer *buffer, uint32_t stream, double weight)
{
    Arena scratch = {0};
    const Draw d = buffer_draw(&scratch, buffer, t->training->seed, stream + t->training->task, t->step, t->count);
    for (uint32_t at = 0, count, task; at < d.count; at += count) {
        u32p labels;
        count = draw_group(&d, buffer, at, &task);
        const EarlierTask *earlier = &t->training->earlier[task];
        f32p logits = train_pass(t, earlier->train, task, d.row + at, count, stream, &labels);
        RUN(t->device, cross_entropy, .logits = logits, .labels = labels,
            .loss = train_terms(t, count, weight / d.count), .dlogits = train_dlogits(t), .rows = count,
            .classes = earlier->head->classes, .scale = (float)(weight / d.count));
        train_pass_backward(t, t->g, true);
    }
    arena_free(&scratch);
}

static bool replay_begin(void *own, TrainState *t, Err *err)
{
    (void)own, (void)err;
    train_reserve_terms(t, t->training->hyper.batch_size);
    return true;
}

static void replay_add(void *own, TrainState *t)
{
    const Replay *replay = own;
    replay_pass(t, &replay->buffer, 0x72706c79, 1);
}

static bool replay_end(void *own, const Moment *at, Err *err)
{
    (void)err;
    Replay *replay = own;
    const Training *t = at->training;
    buffer_sample(replay->base.arena, &replay->buffer, t->seed, t->task, t->train->rows,
                  replay->base.option[REPLAY_FRACTION]);
    return true;
}

static const Citation citation_replay = {
    .key = "chaudhry2019tiny",
    .type = "misc",
    .author = "Chaudhry, Arslan and Rohrbach, Marcus and Elhoseiny, Mohamed and Ajanthan, Thalaiyasingam and Dokania, "
              "Puneet K. and Torr, Philip H. S. and Ranzato, Marc'Aurelio",
    .title = "On Tiny Episodic Memories in Continual Learning",
    .year = "2019",
    .arxiv = "1902.10486",
};

static const Strategy strategy_replay = {
    .name = "replay",
    .about = "each batch comes with as many stored rows of earlier tasks",
    .cite = "Chaudhry et al. 2019, arXiv:1902.10486",
    .citation = &citation_replay,
    .kind = "method",
    .passes = 1,
    .options = replay_options,
    .option_count = COUNT(replay_options),
    .own_bytes = sizeof(Replay),
    .hooks = {.earlier = true, .begin = replay_begin, .add = replay_add},
    .end = replay_end,
};
