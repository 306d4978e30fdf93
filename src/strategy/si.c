#include "strategy.h"

/* Synaptic Intelligence (Zenke, Poole and Ganguli 2017, arXiv:1703.04200): c sum Omega (theta - theta*)^2, with
 * omega = sum over steps of -g dtheta (g: gradient of the task's own loss, before clipping; dtheta: what the optimiser
 * did, decay included) and Omega += omega / (D^2 + xi), where D is how far the task took a weight in all. The path goes
 * over all steps of a training, also those after the epoch whose weights are kept. */

typedef struct Si {
    Own base;
    f32p before, gradient, path; /* of the current training: weights before the step, its gradient, omega */
    f32p anchor, importance;     /* theta*, Omega */
} Si;

enum { SI_C, SI_XI };
static const Option si_options[] = {
    [SI_C] = STRATEGY_REAL("si-c", "0.1", 0, 1e12, "weight of the penalty"),
    [SI_XI] = STRATEGY_REAL("si-xi", "0.1", 1e-12, 1e6, "damping of the importances"),
};

static const char si_shelf[] = "si: path of the first task";

static bool si_watch_begin(void *own, TrainState *t, Err *err)
{
    (void)err;
    Si *si = own;
    const size_t floats = t->layout->floats;
    si->before = device_f32(t->memory, floats);
    si->gradient = device_f32(t->memory, floats);
    if (!si->path) si->path = device_f32(si->base.memory, floats);
    floats_fill(t->device, si->path, floats, 0);
    train_keep(t, "si: path", si->path, floats);
    return true;
}

static bool si_begin(void *own, TrainState *t, Err *err)
{
    return pull_begin(own, t, err) && si_watch_begin(own, t, err);
}

static void si_gradient(void *own, TrainState *t)
{
    const Si *si = own;
    floats_copy(t->device, t->g, si->gradient, t->layout->floats);
    floats_copy(t->device, t->w, si->before, t->layout->floats);
}

static void si_add(void *own, TrainState *t)
{
    const Si *si = own;
    pull_add(t, si->anchor, si->importance, 2 * si->base.option[SI_C]);
}

static void si_moved(void *own, TrainState *t)
{
    const Si *si = own;
    RUN(t->device, path_integral, .g = si->gradient, .w = t->w, .before = si->before, .path = si->path,
        .n = (u32)t->layout->floats);
}

static bool si_watched(void *own, const Moment *at, Err *err)
{
    (void)err;
    const Si *si = own;
    floats_copy(at->device, si->path, shelf_add(at->shelf, si_shelf, 0, at->layout->floats), at->layout->floats);
    return true;
}

static bool si_start(void *own, const Moment *at, Err *err)
{
    (void)err;
    Si *si = own;
    pull_remember(si->base.memory, at, &si->anchor);
    si->importance = device_f32(si->base.memory, at->layout->floats);
    return true;
}

static bool si_end(void *own, const Moment *at, Err *err)
{
    (void)err;
    Si *si = own;
    f32p path = at->training->task ? si->path : shelf_find(at->shelf, si_shelf, 0);
    RUN(at->device, consolidate, .path = path, .w = at->w, .anchor = si->anchor, .importance = si->importance,
        .n = (u32)at->layout->floats, .damping = (float)si->base.option[SI_XI]);
    pull_remember(si->base.memory, at, &si->anchor);
    return true;
}

static const Citation citation_si = {
    .key = "zenke2017si",
    .type = "inproceedings",
    .author = "Zenke, Friedemann and Poole, Ben and Ganguli, Surya",
    .title = "Continual Learning Through Synaptic Intelligence",
    .booktitle = "International Conference on Machine Learning",
    .year = "2017",
    .arxiv = "1703.04200",
};

static const Strategy strategy_si = {
    .name = "si",
    .about = "Synaptic Intelligence: holds on to weights by how much their way has lowered the loss",
    .cite = "Zenke, Poole and Ganguli 2017, arXiv:1703.04200",
    .citation = &citation_si,
    .departs = "Importances below 0 stay as they are; the authors' code clips them at 0.",
    .kind = "method",
    .anchors = true,
    .arrays = 5,
    .shelved = 1,
    .kept = 1,
    .options = si_options,
    .option_count = COUNT(si_options),
    .own_bytes = sizeof(Si),
    .watch = {.begin = si_watch_begin, .gradient = si_gradient, .moved = si_moved},
    .hooks = {.dense = true, .begin = si_begin, .gradient = si_gradient, .add = si_add, .moved = si_moved},
    .start = si_start,
    .watched = si_watched,
    .end = si_end,
};
