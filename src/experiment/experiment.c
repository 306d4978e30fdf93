#include "experiment.h"

#include <string.h>

#include "journal.c"
#include "source.c"
#include "kept.c"
#include "classifier.c"

/* ---- what a run holds in memory ---- */

/* What a method says to a task's evaluation rows. */
typedef struct Predictions {
    bool *right;          /* [rows] */
    uint32_t *prediction; /* [rows] */
    double *p;            /* [rows]: probability of the true label */
} Predictions;

/* A task with its head and adapter on the device, and what the method at work left in them. */
typedef struct TaskState {
    TaskData data;
    const Split *choose; /* rows by which an epoch is chosen, see KeepEpoch; null: none */
    Split held_out;      /* [a tenth of the training rows], when that is what chooses */
    Head head;
    Split probe_rest, probe_held; /* of the training rows; no rows: not asked for yet */
    float *head_start;       /* the head before any training, for the seed at work */
    uint32_t *order;         /* [eval rows]: subsets of the evaluation rows are its first so many */
    f32p head_w, adapter_w;  /* adapter_w: of methods with an adapter for each task */
    Predictions learned, latest; /* right after training this task, and by the last evaluation */
    float *learned_states;   /* of some rows, all layers, right after training this task: see diagnose_drift */
    float *last_states;      /* of all rows, the last layer, by the last evaluation */
} TaskState;

/* A training that several methods have in common, as it ended: see shared.c. */
typedef struct SharedTask {
    const Method *method; /* that trained it; null: an empty place */
    uint32_t seed;
    int task;
    Arena arena;
    DeviceArena memory;
    f32p encoder, adapter, head; /* null where not trained */
    json_t *events;              /* step and eval events, without the method's name */
    TrainKept kept;
    EvalRecord *final; /* [task + 1]: its evaluations; logits null: not evaluated yet */
    bool *probe[2]; /* [eval rows] of its own task and of the next: see probe.c; null: not made yet */
    Shelf shelf;
} SharedTask;
enum { SHARED_MAX_TASKS = 4 }; /* the first task of the encoder, of an adapter, of a head; the second of the encoder */

/* What is known about why the method at work forgets. */
typedef struct Diagnosis {
    double seconds, curve_seconds;
    DeviceArena memory;
    Weights first;               /* those that change from task to task, as the first task left them */
    Split curve[PLAN_MAX_TASKS]; /* the rows by which the curve watches each old task */
    TrainLooks looks;
    bool base_known; /* for this seed: */
    uint32_t base_seed;
    bool *base[PLAN_MAX_TASKS]; /* [eval rows] of each later task, which rows a probe of the checkpoint has right */
} Diagnosis;

/* See checkpoint.c. */
typedef struct Checkpoint {
    const char *folder; /* null: nothing is kept */
    char identity[65];  /* of the run, the version and what decides on the bits */
    double last;        /* when the last one was written; at first: when the run began */
    double byte_cost;   /* seconds that a byte of the last large one took */
    TrainStore store;   /* of the training at work */
    double seconds;     /* that restored trainings of the method at work had taken */
    double spent;       /* seconds that writing has taken for the method at work */
    bool went_on;       /* a training has been restored, and this has not been said yet */
    /* the training at work */
    const Method *owner;
    uint32_t step, steps; /* step: behind which it went on */
    uint64_t bytes[2];    /* of its file: at work, ended */
    bool stored;          /* its file is there */
} Checkpoint;

typedef struct Experiment {
    const Plan *plan;
    Device device;
    Arena arena;        /* data and model, for the whole run */
    DeviceArena memory; /* weights */
    Journal journal;
    Model model;
    Lora lora;
    uint64_t encoder_parameters;
    char model_sha256[65];
    const char *model_name;
    bool fresh_pooler;
    TaskState tasks[PLAN_MAX_TASKS];
    f32p encoder, shared_adapter;
    bool encoder_is_base; /* the encoder's weights are those of the checkpoint */
    EarlierTask earlier[PLAN_MAX_TASKS];
    SharedTask shared[SHARED_MAX_TASKS];
    double started;
    /* the method at work */
    const Method *method;
    uint32_t seed;
    int task;
    void *own[METHOD_MAX_PARTS]; /* what its strategies keep: see Own */
    DeviceArena method_memory;
    Shelf shelf;                      /* of the weights at work, when no other method shares them */
    SharedTask *passing;              /* the shared training whose result the weights are, or null */
    EvalRecord swept[PLAN_MAX_TASKS]; /* by the weights that a sweep has chosen; logits null: not known */
    EvalRecord best;   /* of the task at work, by the epoch that is kept; logits null: its loss alone is known */
    TrainKept kept;    /* of the training of the task at work */
    json_t *recording; /* events of the training at work, without the method's name */
    Progress progress;
    uint32_t method_step, method_steps;
    DYN(char) predictions;
    Diagnosis diagnosis;
    Checkpoint checkpoint;
    Arena method_arena;
} Experiment;

#include "load.c"
#include "method.c"
#include "settings.c"
#include "plan.c"

static bool experiment_open(Experiment *x, Err *err)
{
    const Plan *plan = x->plan;
    Tokenizer *tokenizer = NULL;
    ModelConfig config;
    x->model_name = plan->model.name;
    if (!device_open(&x->device, plan->device, plan->threads, err)) return false;
    x->memory.device = x->method_memory.device = x->shelf.memory.device = &x->device;
    if (!source_config(&x->arena, &plan->model, &config, err) ||
        !model_source_tokenizer(&x->arena, &plan->model, &tokenizer, err))
        return false;
    if (!source_fit_tokenizer(tokenizer, &config, plan->model.name, err)) return false;
    if (tokenizer_note(tokenizer) && !plan->quiet)
        fprintf(stderr, "%s: %s\n", plan->model.name, tokenizer_note(tokenizer));
    if (plan->max_length > source_most_tokens(&config))
        return fail_usage(err, "--max-length %u: this model takes at most %u tokens", plan->max_length,
                          source_most_tokens(&config));
    model_layout(&x->arena, &config, &x->model);
    x->lora =
        (Lora){.r = plan->lora_r, .targets = plan->lora_targets, .alpha = plan->lora_alpha, .drop = plan->lora_drop};
    lora_layout(&x->arena, &config, &x->lora);
    if (!experiment_tasks(x, tokenizer, err) || !check_steps(x, err) || !check_memory(x, err) ||
        !source_sha256(&plan->model, x->model_sha256, err) || !run_check_repeated(x, err))
        return false;

    x->encoder = device_f32(&x->memory, x->model.encoder.floats);
    x->shared_adapter = device_f32(&x->memory, x->lora.layout.floats);
    for (int i = 0; i < plan->task_count; i++) {
        x->tasks[i].head_w = device_f32(&x->memory, x->tasks[i].head.layout.floats);
        x->tasks[i].adapter_w = device_f32(&x->memory, x->lora.layout.floats);
        x->earlier[i].head_w = x->tasks[i].head_w;
    }
    return experiment_weights(x, plan->seeds[0],
                              err); /* before anything is written: a damaged checkpoint leaves nothing behind */
}

static bool run_everything(Experiment *x, const json_t *options, Err *err)
{
    const Plan *plan = x->plan;
    bool done = false, fresh = true;
    json_t *config = run_config(x, options);
    bool ok = journal_open(&x->journal, plan, config, &done, &fresh, err);
    if (ok) checkpoint_begin(x, config);
    json_decref(config);
    if (ok && done) {
        if (!plan->quiet) fprintf(stderr, "%s holds this very run, finished; --force would do it again\n", plan->out);
        return true;
    }
    ok = ok && models_begin(x, fresh, err);
    if (ok && fresh) ok = journal_event(&x->journal, run_event(x), err);
    for (int s = 0; s < plan->seed_count && ok; s++)
        for (int m = 0; m < plan->method_count && ok; m++)
            if (!journal_is_finished(&x->journal, plan->methods[m]->name, plan->seeds[s]))
                ok = run_method(x, plan->methods[m], plan->seeds[s], err);
    if (ok) checkpoint_tidy(x, false);
    if (ok)
        ok = journal_event(&x->journal,
                           json_pack("{s:s, s:f, s:I}", "event", "done", "seconds", clock_seconds() - x->started,
                                     "peak_bytes", (json_int_t)memory_peak_bytes()),
                           err);
    return ok;
}

static void experiment_close(Experiment *x)
{
    journal_close(&x->journal);
    shared_forget(x, true);
    shelf_clear(&x->shelf);
    device_arena_free(&x->method_memory);
    device_arena_free(&x->memory);
    arena_free(&x->method_arena);
    arena_free(&x->arena);
    device_close(&x->device);
}

bool experiment_run(const Plan *plan, const json_t *options, Err *err)
{
    Experiment *x = &(Experiment){.plan = plan, .started = clock_seconds(), .journal.log = LOG_CLOSED};
    bool ok = experiment_open(x, err);
    if (ok && plan->dry_run) {
        print_plan(x);
        ok = print_time(x, err);
    } else if (ok) {
        ok = run_everything(x, options, err);
    }
    experiment_close(x);
    return ok;
}

#include "bench.c"
