/* train: one training of one task, as Hugging Face's Trainer does it, and evaluation. */
#ifndef LETHE_TRAIN_H
#define LETHE_TRAIN_H

#include "../model/model.h"

/* By what the rows of an epoch are ordered. */
typedef enum RowOrder {
    ORDER_INDEPENDENT, /* (seed, task, epoch): no two seeds and no two tasks share an order */
    ORDER_HF, /* torch.randperm of seed + epoch, as Hugging Face's Trainer: seed 1's second epoch is seed 2's first */
} RowOrder;

typedef struct Hyper {
    uint32_t epochs, batch_size, eval_batch_size;
    RowOrder order;
    uint32_t max_steps;  /* 0: no limit; else training (and its schedule) ends after so many steps */
    float learning_rate; /* of the first step; falls linearly to 0 */
    float weight_decay;
    uint32_t patience; /* ends when so many epochs in a row have not lowered the loss to choose by; 0: it does not */
} Hyper;

/* What no option changes: AdamW (Loshchilov and Hutter 2019) after clipping the norm of all trained weights' gradient,
 * and a rate that begins at its highest and falls by the same amount each step. */
typedef struct TrainFixed {
    double beta1, beta2, epsilon, clip_norm;
    uint32_t warmup_steps;
    const char *optimizer, *schedule;
} TrainFixed;
extern const TrainFixed train_fixed;

/* ---- hooks: what a strategy adds to plain training ---- */

typedef struct Training Training;

/* What hooks see of a running training. */
typedef struct TrainState {
    Device *device;
    const Training *training;
    Arena *arena; /* these two end with the training */
    DeviceArena *memory;
    const Layout *layout; /* of the weights that all tasks share: the encoder's, or the adapter's */
    f32p w, g;            /* those weights, and the gradient of the step */
    uint32_t steps, step; /* step: the current one, from 0 */
    const uint32_t *rows; /* the batch: rows of training->train */
    uint32_t count;
} TrainState;

/* Each may be null. Nothing here may wait for the device, except begin. */
typedef struct TrainHooks {
    bool earlier; /* goes through the heads of earlier tasks (train_answer, train_pass), which are then trained along */
    bool dense;   /* its gradient reaches rows of the word table that no batch of the step uses */
    bool (*begin)(void *own, TrainState *t, Err *err); /* the training begins */
    void (*answer)(void *own, TrainState *t);          /* adds losses of the same batch through other heads */
    void (*gradient)(void *own, TrainState *t);        /* t->g is the gradient of the task's own loss, and no more */
    void (*add)(void *own, TrainState *t);             /* adds to t->g, or makes passes that do */
    void (*project)(void *own, TrainState *t);         /* t->g is complete: may change it */
    void (*moved)(void *own, TrainState *t);           /* the optimiser has made its step */
} TrainHooks;

typedef struct TrainHook {
    const TrainHooks *hooks;
    void *own; /* handed to each of them */
} TrainHook;

/* Room on the device for up to `count` terms of the strategy's own loss in every step; only in begin. */
void train_reserve_terms(TrainState *t, uint32_t count);
/* `count` numbers that the hook is to write in this step: their sum, times scale, is part of the step's penalty. They
 * are read back with the losses. */
f32p train_terms(TrainState *t, uint32_t count, double scale);

/* An array of the hook's that changes while the training runs, [floats] on the device: it is part of the
 * training's snapshots, under this name. What stays as `begin` made it need not be. Only in begin. */
void train_keep(TrainState *t, const char *name, f32p at, size_t floats);

/* The batch's rows through the head of an earlier task, by the pass that the step makes anyway: logits [count][C]. Only
 * in `answer`; needs hooks.earlier. */
f32p train_answer(TrainState *t, uint32_t task);
/* Adds what train_dlogits holds now to the step's gradients, the head's too. */
void train_answer_backward(TrainState *t);

/* A further pass: rows of a split (at most hyper.batch_size) through the head of an earlier task. Returns its logits
 * [count][C]; *labels: the rows' labels. mask: which dropout masks: 0 those of the task's own pass, else others. Needs
 * hooks.earlier. */
f32p train_pass(TrainState *t, const Split *split, uint32_t task, const uint32_t *rows, uint32_t count, uint32_t mask,
                u32p *labels);
/* To be filled by the hook after train_answer or train_pass: the gradient with respect to the logits. */
f32p train_dlogits(TrainState *t);
/* Adds the pass's gradient to g (t->g, or an array of that size) and, when `head`, to that of the head it went through.
 */
void train_pass_backward(TrainState *t, f32p g, bool head);

/* ops count with 32 bits: these take longer arrays in pieces. */
void floats_copy(Device *device, f32p from, f32p to, size_t count);
void floats_fill(Device *device, f32p x, size_t count, float value);
/* y = alpha x + beta y, alpha scaled by scale[0] first (null: 1) */
void floats_axpby(Device *device, f32p x, f32p scale, f32p y, size_t count, float alpha, float beta);

/* Moments at which the weights are shown while they train: `look` is called when at[i] steps are done (ascending, from
 * 0), the losses of those steps reported and all weights current. It may evaluate them, and must not change them. */
typedef struct TrainLooks {
    const uint32_t *at; /* [count] */
    uint32_t count;
    void *context;
    bool (*look)(void *context, uint32_t step, Err *err); /* false ends the training */
} TrainLooks;
enum { TRAIN_READ_STEPS = 8 }; /* losses are read back once in so many steps: looks at its multiples cost the least */

/* A file in which a training's state is kept while it trains, so that one that was cut off goes on from there, to
 * the same bits. When it is written changes no bit either. */
typedef struct TrainStore {
    const char *path;
    const char *identity; /* a file of another identity is not gone on from */
    void *context;
    bool (*due)(void *context, bool ended); /* whether to write it now; asked now and then, and at the end */
    void (*written)(void *context, bool ended, double seconds); /* what that has cost */
    json_t *(*recorded)(void *context); /* what the observer has been given so far: lines of JSON in an array */
    /* The training resumes after `step` steps: gives the observer again what it had been given. */
    bool (*replay)(void *context, const json_t *recorded, uint32_t step, Err *err);
} TrainStore;

/* ---- one training ---- */

/* A task that was trained before this one. */
typedef struct EarlierTask {
    const Head *head;
    f32p head_w;
    const Split *train, *choose; /* as in Training */
} EarlierTask;

/* After which epoch (from 0) and step (from 1) a training's weights are those that it leaves. */
typedef struct TrainKept {
    uint32_t epoch, step;
} TrainKept;

/* Which weights, on which rows. The weights are changed in place. With neither encoder nor adapter to train, the
 * encoder's first-token states are computed once, without dropout, and the head is trained on them. */
struct Training {
    const Model *model;
    const Lora *lora; /* null: no adapter */
    const Head *head;
    Weights weights;    /* on the device; adapter null without lora */
    bool train_encoder; /* else the encoder is frozen */
    const Split *train, *eval;
    const Split *choose; /* evaluated after each epoch, of which the one with the lowest loss is kept; null: the last */
    Hyper hyper;
    uint32_t seed, task; /* task: from 0; keeps the dropout masks of different tasks apart */
    /* Tasks 0 .. task - 1: needed by `joint` and by hooks with `earlier`. */
    const EarlierTask *earlier;
    bool joint; /* trains on the earlier tasks' rows too: each batch of one task, the batches of all tasks shuffled */
    const TrainHook *hooks; /* [hook_count] */
    int hook_count;
    /* With neither encoder nor adapter to train: split_states of train and choose when the caller has them; else null.
     */
    f32p train_states, choose_states;
    const TrainLooks *looks; /* null: none */
    const TrainStore *store; /* null: none */
};

typedef struct StepRecord {
    uint32_t step, epoch; /* step from 1, epoch from 0 */
    double loss, grad_norm, learning_rate;
    double penalty; /* what the strategy's own loss came to; NAN: there is none */
    uint32_t tokens;
    double seconds; /* wall time a step, averaged over the few steps that were read back together */
} StepRecord;

typedef struct EvalRecord {
    uint32_t rows, classes, correct;
    double loss;                 /* mean cross-entropy */
    uint32_t *prediction;        /* [rows] */
    float *logits;               /* [rows][classes] */
    float *states, *last_states; /* evaluate_layers only, else null */
    uint32_t task, epoch, step;  /* which task and when; filled in by train_task */
} EvalRecord;

/* Called as results arrive; returning false ends the training. */
typedef struct TrainObserver {
    void *context;
    bool (*step)(void *context, const StepRecord *record, Err *err);
    /* After each epoch, of each task trained on, where there are rows to choose by. */
    bool (*eval)(void *context, const EvalRecord *record, Err *err);
    /* After each epoch (from 0), with its weights on the device; after a training that resumes, perhaps again. May be
     * null. */
    bool (*epoch)(void *context, uint32_t epoch, Err *err);
} TrainObserver;

uint32_t train_epoch_steps(const Hyper *hyper, uint32_t rows); /* of one epoch on so many rows of one task */
uint32_t train_steps(const Hyper *hyper, uint32_t rows);       /* of a training on so many rows of one task */
uint32_t train_total_steps(const Training *training);
size_t train_trainable(const Training *training); /* parameters */
/* Whether an earlier task comes again later, with the same head, as a later one of the earlier tasks or as this one. */
bool train_comes_again(const Training *training, uint32_t task);
/* Bytes that train_task and evaluate take of the device beyond the weights themselves and what hooks allocate. */
uint64_t train_memory_bytes(const Device *device, const Training *training);

/* Bytes of a snapshot, at most: of a running training, or of one that has ended; without what hooks keep. */
uint64_t train_store_bytes(const Training *training, bool ended);

/* Fails when the loss is no longer finite, when the observer says so, when its state cannot be stored, and on Ctrl-C,
 * with its state stored. A stored state that is of no use is reported in one line on stderr, and the training begins
 * anew. At the end the weights are those of the epoch with the lowest loss on the rows to choose by (strictly lower
 * wins; the mean over the tasks when joint), or of the last epoch where there are none. *kept: of which; may be null.
 */
bool train_task(Device *device, const Training *training, const TrainObserver *observer, TrainKept *kept, Err *err);

/* Predictions of `weights` on all rows of a split; the record's arrays live in `arena`. Fails on Ctrl-C. */
bool evaluate(Device *device, Arena *arena, const Model *model, const Lora *lora, const Head *head,
              const Weights *weights, const Split *split, uint32_t batch_size, EvalRecord *record, Err *err);
/* The same on training->eval, with states of the rows' first tokens: after each layer of the `count` rows `rows`,
 * record->states [layers][count][H]; after the last layer of all rows, record->last_states [rows][H]. Host memory. */
bool evaluate_layers(Device *device, Arena *arena, const Training *training, const uint32_t *rows, uint32_t count,
                     EvalRecord *record, Err *err);
/* The final state of every row's first token, [rows][H] on the device, in `memory`; dropout off. */
bool split_states(Device *device, DeviceArena *memory, const Model *model, const Lora *lora, const Weights *weights,
                  const Split *split, uint32_t batch_size, f32p *states, Err *err);

/* Logits [count][classes] of some rows of a split (rows null: all) with the training's weights and any head; without
 * dropout. Host memory. states: split_states of these rows when the caller has them; else null. */
bool train_logits(Device *device, const Training *training, const Head *head, f32p head_w, const Split *split,
                  const uint32_t *rows, uint32_t count, f32p states, float *logits, Err *err);

/* ---- How much each parameter matters to what a model has learned ----
 * Per-example quantities over the first `rows` rows, without dropout; p(c | x) is the model's own probability. */
typedef enum ImportanceKind {
    FISHER_EXACT,     /* mean over rows of sum over c of p(c | x) (d log p(c | x) / d w)^2 */
    FISHER_SAMPLED,   /* mean over rows of (d log p(c | x) / d w)^2, c drawn from p with the seed */
    FISHER_EMPIRICAL, /* the same with c the row's label */
    FISHER_BATCHED,   /* mean over batches of (d mean loss / d w)^2: what many libraries call the empirical Fisher */
    MAS,              /* mean over rows of |d (sum of squared logits) / d w| (Aljundi et al. 2018, arXiv:1711.09601) */
} ImportanceKind;

/* Writes the importance of every parameter to the arrays of `out` that are not null; rows of the word table that no
 * token used get 0. batch_size matters to FISHER_BATCHED alone, but for speed; 1 <= rows <= split->rows. Fails when the
 * device does and on Ctrl-C. */
bool importance(Device *device, ImportanceKind kind, const Model *model, const Lora *lora, const Head *head,
                const Weights *weights, const Split *split, uint32_t rows, uint32_t batch_size, uint32_t seed,
                const Weights *out, Err *err);

#endif
