/* What the hooks of a strategy may ask of a training: see train.h. */
#include "train.h"

static Run *run_of(TrainState *t) { return (Run *)t; } /* its first member */

void train_reserve_terms(TrainState *t, uint32_t count)
{
    ASSERT(!run_of(t)->terms);
    run_of(t)->term_capacity += count;
}

void train_keep(TrainState *t, const char *name, f32p at, size_t floats)
{
    Run *run = run_of(t);
    ASSERT(!run->terms);
    *dyn_push(&run->arena, &run->kept) = (Piece){name, TENSOR_F32, floats, at};
}

f32p train_terms(TrainState *t, uint32_t count, double scale)
{
    Run *run = run_of(t);
    const uint32_t at = (uint32_t)run->pending_count * run->term_capacity + run->term_used;
    run->term_used += count;
    ASSERT(run->term_used <= run->term_capacity);
    *dyn_push(&run->arena, &run->term) = (Term){(uint32_t)run->pending_count, at, count, scale};
    return run->terms + at;
}

static Weights pass_weights(const Run *run)
{
    const Weights *w = &run->state.training->weights;
    return (Weights){w->encoder, w->adapter, run->parts[run->pass_part].head_w};
}

/* Adds the gradient of the head that the pass went through. */
static void pass_add_head(Run *run)
{
    const TaskPart *part = &run->parts[run->pass_part];
    floats_axpby(run->state.device, run->more.head, NULL, part->params->g, part->head->layout.floats, 1, 1);
    part->params->moves = true;
}

f32p train_answer(TrainState *t, uint32_t task)
{
    Run *run = run_of(t);
    ASSERT(run->more.head && task < t->training->task);
    run->pass_part = task;
    const Weights weights = pass_weights(run);
    return model_head_forward(run->ws, &weights, run->parts[task].head, &run->pass, &run->pass_options);
}

void train_answer_backward(TrainState *t)
{
    Run *run = run_of(t);
    const Weights weights = pass_weights(run);
    const Weights more = {t->training->train_encoder ? t->g : NULL, t->training->lora ? t->g : NULL, run->more.head};
    model_head_backward(run->ws, &weights, &more, run->parts[run->pass_part].head, &run->pass, &run->pass_options,
                        run->answered);
    run->answered = true;
    pass_add_head(run);
}

f32p train_pass(TrainState *t, const Split *split, uint32_t task, const uint32_t *rows, uint32_t count, uint32_t mask,
                u32p *labels)
{
    static const uint32_t MASK_STRIDE = 0x9e3779b9; /* any odd number: seeds of other masks */
    Run *run = run_of(t);
    ASSERT(run->more_rows && task < t->training->task);
    run_batch(run, split, rows, count, &run->pass);
    run->pass_part = task;
    run->pass_options = (PassOptions){
        .dropout = true, .seed = t->training->seed + mask * MASK_STRIDE, .step = (t->training->task << 24) + t->step};
    *labels = run->pass.labels;
    const Weights weights = pass_weights(run);
    return model_forward(run->ws, &weights, run->parts[task].head, &run->pass, &run->pass_options);
}

f32p train_dlogits(TrainState *t) { return workspace_dlogits(run_of(t)->ws); }

void train_pass_backward(TrainState *t, f32p g, bool head)
{
    Run *run = run_of(t);
    const Weights weights = pass_weights(run);
    const Weights more = {run->more.encoder, run->more.adapter, head ? run->more.head : NULL};
    model_backward(run->ws, &weights, &more, run->parts[run->pass_part].head, &run->pass, &run->pass_options);
    run_add_more(run, g);
    if (head) pass_add_head(run);
}
