/* saved: models on disk: the pretrained models that runs begin with, the models that a run keeps in OUT/models, and the
 * classifiers that predict and export make of either, or of a Hugging Face folder, perhaps with a PEFT adapter. */
#ifndef LETHE_SAVED_H
#define LETHE_SAVED_H

#include "../train/train.h"

/* A pretrained model: an HF folder, or files inside the binary. */
typedef struct ModelSource {
    const char *folder;         /* NULL: embedded */
    const char *name;           /* for people */
    Str config, vocab, weights; /* embedded: config.json, vocab.txt, safetensors as .zst */
    const char *acquaintance;   /* a sentence on what its pre-training is known to have seen of the data, or NULL */
} ModelSource;

/* The tokenizer of a model source. */
bool model_source_tokenizer(Arena *arena, const ModelSource *source, Tokenizer **out, Err *err);

/* Which classifier is meant: `run` and `task`, or else `model` and perhaps `adapter`. */
typedef struct ClassifierSource {
    const char *run, *task; /* OUT of a run, and the task whose head is wanted */
    const char *method;     /* NULL: full, or the only one that is kept */
    int64_t seed;           /* -1: the only one */
    /* An HF folder. Beside `run`: where the model that the run began with lies now. Beside `adapter`, NULL: in the
     * adapter's own subfolder base/. */
    const char *model;
    const char *adapter;  /* a PEFT folder */
    ModelSource embedded; /* what a run without --model began with */
    bool without_encoder; /* of a run: head and adapter alone; the encoder's weights are not read */
} ClassifierSource;

/* Whether a task's rows are pairs of texts. A Hugging Face folder does not say so. */
typedef enum PairKind { PAIRS_UNKNOWN, PAIRS_NO, PAIRS_YES } PairKind;

typedef struct Classifier {
    const char *folder; /* of config.json and the tokenizer's files */
    const char *base;   /* the model folder whose encoder this is, weight by weight; NULL: there is none */
    json_t *config;     /* HF's config.json of the encoder */
    Tokenizer *tokenizer;
    uint32_t max_length; /* tokens a row: what it was trained with, or the most it can take */
    Labels labels;
    PairKind pairs;
    Model model;
    Lora lora;
    bool adapted; /* with the adapter `lora` */
    Head head;
    float *encoder, *adapter, *head_w; /* host memory */
    Arena weights;                     /* where they live: may be freed when they are on a device */
} Classifier;

/* Opened or not, to be closed afterwards. All else but the weights lives in `arena`. */
bool classifier_open(Arena *arena, const ClassifierSource *source, Classifier *out, Err *err);
void classifier_close(Classifier *c);

/* Writes `folder`, which must be empty or not there yet. Without adapter: what HF's
 * AutoModelForSequenceClassification.from_pretrained loads. With an adapter: what PEFT's PeftModel.from_pretrained
 * loads, and, unless the encoder is that of a model folder, the encoder in the subfolder base/. */
bool classifier_export(const Classifier *c, const char *folder, Err *err);

/* A model that a run keeps: of a method with a seed, after so many tasks. */
typedef struct KeptState {
    const char *run, *method; /* as ClassifierSource names them: OUT, or OUT/after/TASK */
    const char *folder;       /* its own */
    uint32_t seed, after_task;
    bool own_encoder;   /* else the pretrained one */
    const char **tasks; /* [task_count] those that it has a head for */
    int task_count;
} KeptState;
typedef DYN(KeptState) KeptList;
/* All that is kept of a run, after each task (--keep-each-task) and at its end: by method, seed, tasks. */
void kept_list(Arena *arena, const char *out, KeptList *states);

#endif
