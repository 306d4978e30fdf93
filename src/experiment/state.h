/* What a run holds in memory: the Experiment, which all of its methods use, and the MethodRun, one method with one
 * seed. */
#ifndef LETHE_EXPERIMENT_STATE_H
#define LETHE_EXPERIMENT_STATE_H

#include "experiment.h"

_Static_assert(SHELF_MAX_ARRAYS >= PLAN_MAX_METHODS + 8, "each method may ask for a Fisher matrix of its own");

/* A task with its head and adapter on the device. */
typedef struct TaskState {
    TaskData data;
    const Split *choose; /* rows by which an epoch is chosen, see KeepEpoch; null: none */
    Split held_out;      /* [a tenth of the training rows], when that is what chooses */
    Head head;
    Split probe_rest, probe_held; /* of the training rows; no rows: not asked for yet */
    float *head_start;            /* the head before any training, for the current seed */
    uint32_t *order;              /* [eval rows]: subsets of the evaluation rows are its first so many */
    f32p head_w, adapter_w;       /* adapter_w: of methods with an adapter for each task */
} TaskState;

/* Names a state of the trained weights: two equal ones are the same weights, to the bit. 0: none. */
typedef uint64_t WeightsId;

/* What certain weights make of a task's evaluation rows: see evaluations.c. */
typedef struct KeptEvaluation {
    struct KeptEvaluation *next;
    WeightsId weights;
    int task;
    Arena arena;       /* where all of it lives */
    EvalRecord record; /* logits null: not evaluated yet */
    bool *probe;       /* [eval rows] on which a fresh head is right: see probe.c; null: not made yet */
} KeptEvaluation;

/* A training that several methods have in common, as it ended: see shared.c. */
typedef struct SharedTask {
    const Method *method; /* that trained it; null: an empty place */
    uint32_t seed;
    int task;
    WeightsId weights;
    DeviceArena memory;
    f32p encoder, adapter, head; /* null where not trained */
    json_t *events;              /* step and eval events, without the method's name: see recorded_line */
    TrainKept kept;
    Shelf shelf;
} SharedTask;
enum { SHARED_MAX_TASKS = 4 }; /* the first task of the encoder, of an adapter, of a head; the second of the encoder */

/* OUT/snapshots: see snapshots.c. */
typedef struct SnapshotFolder {
    const char *path;  /* null: nothing is kept */
    char identity[65]; /* of the run, the version and what decides on the bits */
    double last;       /* when the last one was written; at first: when the run began */
    double byte_cost;  /* seconds that a byte of the last large one took */
} SnapshotFolder;

/* How far the run is: see outlook.c. Work is counted in tokens that a training step takes. */
typedef struct Outlook {
    Progress progress;               /* before the first method */
    double begun, total, done, work; /* work: of the current task of the current method */
    uint32_t before;                 /* steps of the method before that task */
    char accuracy[96];               /* of the first task, as it was last seen; "": not yet */
} Outlook;

/* The plan, the device, the model, the tasks, and what methods hand on to each other. */
typedef struct Experiment {
    const Plan *plan;
    double started;
    Device device;
    Arena arena;        /* data and model, for the whole run */
    DeviceArena memory; /* weights */
    Journal journal;
    SnapshotFolder snapshots;
    Model model;
    Lora lora;
    char model_sha256[65];
    const char *model_name;
    bool fresh_pooler;
    TaskState tasks[PLAN_MAX_TASKS];
    EarlierTask earlier[PLAN_MAX_TASKS];
    f32p encoder, shared_adapter;
    bool encoder_is_base;   /* the encoder's weights are the pretrained ones */
    WeightsId weights_made; /* the last one that was given out */
    WeightsId base;         /* the pretrained encoder and the heads as they start with base_seed; 0: not loaded yet */
    uint32_t base_seed;
    KeptEvaluation *evaluations;
    SharedTask shared[SHARED_MAX_TASKS];
    Outlook outlook;
} Experiment;

/* What a method says to a task's evaluation rows. */
typedef struct Predictions {
    bool *right;      /* [rows] */
    uint32_t *answer; /* [rows] */
    double *p;        /* [rows]: probability of the true label */
    double *sure;     /* [rows]: probability of the answer */
} Predictions;

/* What a method has made of a task so far. */
typedef struct TaskProgress {
    Predictions learned, latest; /* right after training this task, and by the last evaluation */
    float *learned_states;       /* of some rows, all layers, right after training this task: see diagnose_drift */
    float *last_states;          /* of all rows, the last layer, by the last evaluation */
} TaskProgress;

/* What is known about why the method forgets. */
typedef struct Diagnosis {
    double seconds, curve_seconds;
    DeviceArena memory;
    Weights first;               /* those that change from task to task, as the first task left them */
    Split curve[PLAN_MAX_TASKS]; /* the rows by which the curve watches each old task */
    TrainLooks looks;
} Diagnosis;

/* How the method's trainings are kept: see snapshots.c. */
typedef struct Snapshots {
    TrainStore store; /* of the current training */
    double seconds;   /* that restored trainings of this method had taken */
    double spent;     /* seconds that writing has taken */
    bool went_on;     /* a training has been restored, and this has not been said yet */
    /* the current training */
    const Method *owner;
    uint32_t step, steps; /* step: after which it went on */
    uint64_t bytes[2];    /* of its file: while it trains, and when it has ended */
    bool stored;          /* its file is there */
} Snapshots;

/* One method with one seed. */
typedef struct MethodRun {
    Experiment *x;
    const Method *method;
    uint32_t seed;
    int task; /* the current one */
    Arena arena;
    DeviceArena memory;
    void *own[METHOD_MAX_COMPONENTS]; /* what its strategies keep: see Own */
    WeightsId weights;                /* the current ones */
    WeightsId changed;                /* what they will be when the strategies have changed them: see change_weights */
    Shelf shelf;                      /* of the current weights, when no other method shares them */
    SharedTask *passing;              /* the shared training whose result the weights are, or null */
    TaskProgress tasks[PLAN_MAX_TASKS];
    double lowest;     /* loss of the current task so far, where an epoch is chosen */
    TrainKept kept;    /* of the training of the current task */
    json_t *recording; /* events of the current training, without the method's name: see recorded_line */
    Progress progress;
    uint32_t step, steps;
    DYN(char) predictions; /* lines of predictions.tsv */
    Diagnosis diagnosis;
    Snapshots snapshots;
} MethodRun;

#endif
