#include "strategy.h"

/* O-LoRA (Wang et al. 2023, arXiv:2310.14152): a fresh adapter for each task; those of earlier tasks are merged into
 * the encoder (W += alpha / r B A), and lambda sum over layers and earlier tasks of ||A_earlier A^T||^2 keeps the new A
 * orthogonal to theirs (equation 8 of the paper). Form "authors" is that of the authors' code instead: the sum of the
 * absolute values of A_earlier A^T, under which the same lambda means another strength. */

typedef struct OLora {
    Own base;
    f32p *earlier;      /* [layers * LORA_TARGETS]: [tasks * r][in], the A of earlier tasks below each other; null where
                           there is no adapter */
    f32p overlap, sign; /* [r][tasks * r], while a task trains */
    uint32_t kept;      /* earlier tasks */
} OLora;

enum { O_LORA_LAMBDA, O_LORA_FORM };
static const char *const o_lora_forms[] = {"paper", "authors", NULL};
static const Option o_lora_options[] = {
    [O_LORA_LAMBDA] =
        STRATEGY_REAL("o-lora-lambda", "0.5", 0, 1e6, "weight of orthogonality to the adapters of earlier tasks"),
    [O_LORA_FORM] = STRATEGY_CHOICE("o-lora-form", "paper", o_lora_forms, "squared products, or their absolute values"),
};

/* The next adapter from place *i of [layers * LORA_TARGETS] on, of layer *l and its target *t; false after the last. */
static bool o_lora_next(const Training *training, uint32_t *i, uint32_t *l, uint32_t *t)
{
    const ModelConfig *c = &training->model->config;
    for (; *i < c->layers * LORA_TARGETS; ++*i) {
        *l = *i / LORA_TARGETS;
        *t = *i % LORA_TARGETS;
        if (lora_has(c, training->lora, *l, *t)) return true;
    }
    return false;
}

static bool o_lora_end(void *own, const Moment *at, Err *err)
{
    (void)err;
    OLora *o = own;
    const Training *t = at->training;
    const Lora *lora = t->lora;
    const uint32_t layers = t->model->config.layers;
    if (!at->more) return true;
    if (!o->earlier) o->earlier = arena_new(o->base.arena, f32p, LORA_TARGETS * (size_t)layers);
    for (uint32_t i = 0, l, target; o_lora_next(t, &i, &l, &target); i++) {
        const size_t a_floats = (size_t)lora->r * lora_in(&t->model->config, target);
        f32p a = at->w + lora->a[l][target];
        f32p all = device_f32(o->base.memory, (o->kept + 1) * a_floats);
        if (o->kept) floats_copy(at->device, o->earlier[i], all, o->kept * a_floats);
        floats_copy(at->device, a, all + o->kept * a_floats, a_floats);
        o->earlier[i] = all;
    }
    o->kept++;
    return true;
}

/* Before the next task: the adapter goes into the encoder, and a fresh one takes its place. */
static bool o_lora_begin(void *own, TrainState *t, Err *err)
{
    (void)err;
    OLora *o = own;
    const Training *training = t->training;
    const Lora *lora = training->lora;
    Arena scratch = {0};
    for (uint32_t i = 0, l, target; o_lora_next(training, &i, &l, &target); i++) {
        const u32 in = lora_in(&training->model->config, target);
        RUN(t->device, gemm, .a = t->w + lora->b[l][target], .b = t->w + lora->a[l][target],
            .c = training->weights.encoder + lora_weight(training->model, l, target),
            .m = lora_out(&training->model->config, target), .n = in, .k = lora->r, .lda = lora->r, .ldb = in,
            .ldc = in, .accumulate = 1, .alpha = lora->alpha / (float)lora->r);
    }
    float *fresh = arena_new(&scratch, float, lora->layout.floats);
    lora_initialise(lora, training->seed, LORA_STREAM + training->task, fresh);
    device_write(t->device, t->w, fresh, lora->layout.floats * sizeof *fresh);
    arena_free(&scratch);
    o->overlap = device_f32(t->memory, (size_t)lora->r * lora->r * o->kept);
    o->sign = device_f32(t->memory, (size_t)lora->r * lora->r * o->kept);
    train_reserve_terms(t, (uint32_t)lora->layout.count / 2);
    return true;
}

static void o_lora_add(void *own, TrainState *t)
{
    const OLora *o = own;
    const Lora *lora = t->training->lora;
    const u32 r = lora->r, others = o->kept * r;
    const double lambda = o->base.option[O_LORA_LAMBDA];
    const bool squared = o->base.option[O_LORA_FORM] == 0;
    f32p slope = squared ? o->overlap : o->sign; /* of the penalty, but for the factor 2 of a square */
    for (uint32_t i = 0, l, target; o_lora_next(t->training, &i, &l, &target); i++) {
        const size_t a = lora->a[l][target];
        const u32 in = lora_in(&t->training->model->config, target);
        RUN(t->device, gemm, .a = t->w + a, .b = o->earlier[i], .c = o->overlap, .m = r, .n = others, .k = in,
            .lda = in, .ldb = in, .ldc = others, .tb = 1, .alpha = 1);
        if (!squared) RUN(t->device, sign, .x = o->overlap, .y = o->sign, .n = r * others);
        RUN(t->device, dot, .x = o->overlap, .y = slope, .part = train_terms(t, 1, lambda), .n = r * others,
            .block = r * others);
        RUN(t->device, gemm, .a = slope, .b = o->earlier[i], .c = t->g + a, .m = r, .n = in, .k = others, .lda = others,
            .ldb = in, .ldc = in, .accumulate = 1, .alpha = (float)(squared ? 2 * lambda : lambda));
    }
}

static const Citation citation_o_lora = {
    .key = "wang2023olora",
    .type = "inproceedings",
    .author = "Wang, Xiao and Chen, Tianze and Ge, Qiming and Xia, Han and Bao, Rong and Zheng, Rui and Zhang, Qi and "
              "Gui, Tao and Huang, Xuanjing",
    .title = "Orthogonal Subspace Learning for Language Model Continual Learning",
    .booktitle = "Findings of the Association for Computational Linguistics: EMNLP 2023",
    .pages = "10658--10671",
    .year = "2023",
    .doi = "10.18653/v1/2023.findings-emnlp.715",
    .arxiv = "2310.14152",
};

static const Strategy strategy_o_lora = {
    .name = "o-lora",
    .about = "a fresh LoRA adapter for each task, kept orthogonal to those of earlier tasks, which are merged into the "
             "encoder",
    .cite = "Wang et al. 2023, arXiv:2310.14152",
    .citation = &citation_o_lora,
    .departs = "The products are squared, as in the paper's equation 8; the authors' code adds up their absolute "
               "values, under which the same lambda means another strength: --o-lora-form authors.",
    .kind = "method",
    .trains = TRAINS_ADAPTER,
    .fresh = true,
    .options = o_lora_options,
    .option_count = COUNT(o_lora_options),
    .own_bytes = sizeof(OLora),
    .hooks = {.begin = o_lora_begin, .add = o_lora_add},
    .end = o_lora_end,
};
