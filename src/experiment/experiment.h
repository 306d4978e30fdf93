/* experiment: the plan, the run, and the events it leaves in OUT/results.jsonl. */
#ifndef LETHE_EXPERIMENT_H
#define LETHE_EXPERIMENT_H

#include "../saved/saved.h"
#include "../strategy/strategy.h"

enum { PLAN_MAX_TASK_VALUES = 256, PLAN_MAX_TASKS = 64, PLAN_MAX_METHODS = 128, PLAN_MAX_SEEDS = 100 };

/* Where a task's rows come from: two files, or data inside the binary. */
typedef struct TaskSource {
    const char *name;
    const char *train, *eval;    /* paths, or names of the embedded files (their ending names the format) */
    Str train_bytes, eval_bytes; /* embedded: the files themselves */
    double percent;              /* of the file `train` that is set aside to evaluate; 0: `eval` is a file of its own */
    ColumnNames columns;         /* of both files */
    int again;                   /* a task that comes again: the number (from 1) of the one that it is; else 0 */
} TaskSource;

/* The value of an option (see Option.by_task) that one task has for itself. */
typedef struct TaskValue {
    const char *task;
    const Option *row;
    double value;
} TaskValue;

/* What a run leaves in OUT/models, for predict and export. */
typedef enum KeepModels {
    KEEP_ALL,      /* encoder, head, adapter of every method, as they are at its end */
    KEEP_ADAPTERS, /* only of methods that leave the encoder as it was: heads and adapters */
    KEEP_NONE,
} KeepModels;

/* After which epoch the weights of a training are kept. */
typedef enum KeepEpoch {
    KEEP_EPOCH_LAST,
    KEEP_EPOCH_HELD_OUT, /* the lowest loss on a tenth of the training rows, which is not trained on */
    KEEP_EPOCH_EVAL,     /* the lowest loss on the evaluation rows, as HF: the rows that are reported also choose */
} KeepEpoch;

typedef struct Plan {
    TaskSource tasks[PLAN_MAX_TASKS];
    const Method *methods[PLAN_MAX_METHODS];
    uint32_t seeds[PLAN_MAX_SEEDS];
    int task_count, method_count, seed_count;
    ModelSource model;
    const Family *family;                       /* of the model: names the targets of adapters */
    const char *preset, *out, *device;          /* preset: its name */
    int threads;                                /* 0: as many as there are processors */
    uint32_t train_rows, eval_rows, max_length; /* rows: 0 = all */
    bool first_rows;                            /* the first rows of each file, not rows drawn at random */
    Hyper hyper;                                /* learning_rate: of full fine-tuning */
    float lora_learning_rate;
    uint32_t lora_r, lora_targets;
    float lora_alpha, lora_drop;
    uint32_t snapshot_seconds; /* between two snapshots of a training, at least; 0: as often as can be */
    float match_margin;        /* of the report, in points; 0: its default */
    KeepModels keep;
    KeepEpoch keep_epoch;
    StrategyValues values; /* of the strategies' own options */
    TaskValue task_value[PLAN_MAX_TASK_VALUES];
    int task_value_count;
    bool keep_each_epoch;  /* the weights after every epoch, in OUT/epochs */
    bool keep_each_task;   /* what `keep` keeps, after every task, in OUT/after */
    OptionPreset defaults; /* decides on the defaults of all options */
    /* The identity in the config.json that is repeated (JSON text), and its path: its data and model must be as they
     * were, but for those that the command line names. NULL: nothing is repeated. */
    const char *repeats, *repeats_path;
    bool no_diagnostics; /* only what the accuracy matrix needs */
    unsigned expert;     /* the words of the report */
    bool force, quiet, json, dry_run;
} Plan;

/* The rows of the options of a run, whose values are a Plan, then those of the strategies, in the order of
 * `strategies`.
 */
const OptionRows *run_options(void);
/* Stores the value of one of them. Texts are not copied. Exit code 2. */
bool plan_set(Plan *plan, Arena *arena, const Option *row, const char *value, Err *err);
/* What a preset makes of such a model when nothing else is given: the defaults of all rows. No tasks and no model. */
bool plan_defaults(Plan *plan, Arena *arena, OptionPreset preset, const Family *family, Err *err);
/* Whether another value of an option may change what a run leaves of a method. */
bool plan_option_changes(const Option *row, const Method *method);
/* Name to value, a text as the command line takes it, of the options that change the results of every method (method
 * null), or of this one beyond that. beside: names of those that differ from the preset's defaults are added. */
json_t *plan_settings_of(const Plan *plan, const Method *method, json_t *beside);

/* Fails (exit code 2) when two methods of the plan are the same, when a value is for a task that the plan has not, or
 * when options do not go together. */
bool plan_check(const Plan *plan, Err *err);
/* A task's value of a number that is by_task. */
double plan_task_value(const Plan *plan, int task, const char *option);
/* When plan->out holds a run, the plan becomes that run and what it adds to it: every method of both with every seed of
 * both, and `options`, which config.json keeps, those of the whole. The run's methods come first, unless the plan names
 * all of them. A method that has other values of its own options than the run's of that name is another one, named
 * by them: see method_parse. Fails when another setting would change what is there, and names it. */
bool plan_join_out(Plan *plan, Arena *arena, json_t *options, Err *err);

/* Runs the plan and writes OUT/: config.json, results.jsonl, predictions.tsv. A finished run of the same configuration
 * is left as it is, an unfinished one goes on from its last snapshot, one with fewer methods or seeds is added to, one
 * of another configuration is refused unless plan->force, and so is one that another process is running. options: the
 * run's options as a JSON object, kept in config.json. With dry_run prints the plan and what it needs and trains
 * nothing. */
bool experiment_run(const Plan *plan, const json_t *options, Err *err);

/* Prints what a training step of each method and task costs, by kind of op; writes nothing. */
bool experiment_bench(const Plan *plan, Err *err);

#endif
