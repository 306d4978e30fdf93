#include "strategy.h"

/* Learning without Forgetting (Li and Hoiem 2016, arXiv:1606.09282): alpha T^2 KL(p_old / T, p_new / T) on the new
 * task's rows, through the head of each earlier task: p_old by the weights as they were before this task, without
 * dropout, computed once; p_new by the pass that the step makes anyway. The heads of earlier tasks are trained along.
 */

typedef struct Lwf {
    Own base;
    f32p *teacher; /* while a task trains: [task] of [rows][classes], the old logits of all rows */
    f32p target;   /* [batch][classes] */
    u32p index;    /* [batch] */
} Lwf;

enum { LWF_TEMPERATURE, LWF_ALPHA };
static const Option lwf_options[] = {
    [LWF_TEMPERATURE] = STRATEGY_REAL("lwf-temperature", "2", 1e-3, 1e3, "softens what is distilled"),
    [LWF_ALPHA] = STRATEGY_REAL("lwf-alpha", "1", 0, 1e6, "weight of distillation"),
};

static bool lwf_begin(void *own, TrainState *t, Err *err)
{
    Lwf *lwf = own;
    const Training *training = t->training;
    const uint32_t rows = training->train->rows, batch = training->hyper.batch_size;
    uint32_t most = 0;
    DeviceArena memory = {.device = t->device};
    f32p states;
    bool ok = split_states(t->device, &memory, training->model, training->lora, &training->weights, training->train,
                           training->hyper.eval_batch_size, &states, err);
    lwf->teacher = arena_new(t->arena, f32p, training->task);
    for (uint32_t i = 0; i < training->task && ok; i++) {
        const EarlierTask *earlier = &training->earlier[i];
        if (train_comes_again(training, i)) continue; /* the task itself, or one that a later one stands for */
        const size_t floats = (size_t)rows * earlier->head->classes;
        Arena scratch = {0};
        float *logits = arena_new(&scratch, float, floats);
        ok = train_logits(t->device, training, earlier->head, earlier->head_w, training->train, NULL, rows, states,
                          logits, err);
        lwf->teacher[i] = device_f32(t->memory, floats);
        if (ok) device_write(t->device, lwf->teacher[i], logits, floats * sizeof *logits);
        arena_free(&scratch);
        if (earlier->head->classes > most) most = earlier->head->classes;
    }
    device_arena_free(&memory);
    if (!ok) return false;
    lwf->target = device_f32(t->memory, (size_t)batch * most);
    lwf->index = device_u32(t->memory, batch);
    train_reserve_terms(t, batch * training->task);
    return true;
}

static void lwf_answer(void *own, TrainState *t)
{
    const Lwf *lwf = own;
    const double alpha = lwf->base.option[LWF_ALPHA] / t->count;
    device_write(t->device, lwf->index, t->rows, t->count * sizeof *t->rows);
    for (uint32_t task = 0; task < t->training->task; task++) {
        const uint32_t classes = t->training->earlier[task].head->classes;
        if (train_comes_again(t->training, task)) continue;
        f32p logits = train_answer(t, task);
        RUN(t->device, gather_rows, .x = lwf->teacher[task], .index = lwf->index, .y = lwf->target, .rows = t->count,
            .cols = classes, .ldx = classes);
        RUN(t->device, distill, .logits = logits, .teacher = lwf->target, .loss = train_terms(t, t->count, alpha),
            .dlogits = train_dlogits(t), .rows = t->count, .classes = classes,
            .temperature = (float)lwf->base.option[LWF_TEMPERATURE], .scale = (float)alpha);
        train_answer_backward(t);
    }
}

static const Citation citation_lwf = {
    .key = "li2016lwf",
    .type = "inproceedings",
    .author = "Li, Zhizhong and Hoiem, Derek",
    .title = "Learning without Forgetting",
    .booktitle = "European Conference on Computer Vision",
    .year = "2016",
    .arxiv = "1606.09282",
};

static const Strategy strategy_lwf = {
    .name = "lwf",
    .about = "Learning without Forgetting: distils the old model's answers to the new task's rows",
    .cite = "Li and Hoiem 2016, arXiv:1606.09282",
    .citation = &citation_lwf,
    .departs = "Distillation is scaled by T^2 (Hinton et al. 2015): at alpha 1 and T 2 four times as strong as in the "
               "paper, whose warm-up of the new head alone is left out.",
    .kind = "method",
    .options = lwf_options,
    .option_count = COUNT(lwf_options),
    .own_bytes = sizeof(Lwf),
    .hooks = {.earlier = true, .begin = lwf_begin, .answer = lwf_answer},
};
