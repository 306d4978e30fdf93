/* train: one training of one task, as Hugging Face's Trainer does it, and evaluation. */
#ifndef LETHE_TRAIN_H
#define LETHE_TRAIN_H

#include "../model/model.h"

typedef struct Hyper {
    uint32_t epochs, batch_size, eval_batch_size;
    uint32_t max_steps;  /* 0: no limit; else training (and its schedule) ends after so many steps */
    float learning_rate; /* of the first step; falls linearly to 0 */
    float weight_decay;
} Hyper;

/* One training: which weights, on which rows. The weights are changed in place. */
typedef struct Training {
    const Model *model;
    const Lora *lora; /* null: no adapter */
    const Head *head;
    Weights weights;    /* on the device; adapter null without lora */
    bool train_encoder; /* else the encoder is frozen */
    const Split *train, *eval;
    Hyper hyper;
    uint32_t seed, task; /* task: from 0; keeps the dropout masks of different tasks apart */
} Training;

typedef struct StepRecord {
    uint32_t step, epoch; /* step from 1, epoch from 0 */
    double loss, grad_norm, learning_rate;
    uint32_t tokens;
    double seconds; /* wall time a step, averaged over the few steps that were read back together */
} StepRecord;

typedef struct EvalRecord {
    uint32_t rows, classes, correct;
    double loss;          /* mean cross-entropy */
    uint32_t *prediction; /* [rows] */
    float *logits;        /* [rows][classes] */
    uint32_t epoch, step; /* when; filled in by train_task */
} EvalRecord;

/* Called as results arrive; returning false ends the training. */
typedef struct TrainObserver {
    void *context;
    bool (*step)(void *context, const StepRecord *record, Err *err);
    bool (*eval)(void *context, const EvalRecord *record, Err *err); /* after each epoch */
} TrainObserver;

uint32_t train_steps(const Hyper *hyper, uint32_t rows); /* in all */
size_t train_trainable(const Training *training);        /* parameters */
/* Bytes that train_task and evaluate take of the device beyond the weights themselves. */
uint64_t train_memory_bytes(const Device *device, const Training *training);

/* Fails when the loss is no longer finite, when the observer says so, and on Ctrl-C. At the end the weights are those
 * of the epoch with the lowest loss on the eval rows (strictly lower wins). */
bool train_task(Device *device, const Training *training, const TrainObserver *observer, Err *err);

/* Predictions of `weights` on all rows of a split; the record's arrays live in `arena`. Fails on Ctrl-C. */
bool evaluate(Device *device, Arena *arena, const Model *model, const Lora *lora, const Head *head,
              const Weights *weights, const Split *split, uint32_t batch_size, EvalRecord *record, Err *err);

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
