/* strategy: how a method trains the second and later tasks. A strategy is one file of hooks and one row in strategy.c;
 * the training loop names none of them. A method is a strategy, or several that go together: "ewc+replay".
 *
 * A strategy protects the weights that tasks share (the encoder, or one adapter), never a head. theta* below: these
 * weights as the previous task left them. On the first task every strategy is plain training. */
#ifndef LETHE_STRATEGY_H
#define LETHE_STRATEGY_H

#include "../options/options.h"
#include "../train/train.h"

enum {
    STRATEGY_MAX_OPTIONS = 6,
    STRATEGY_MAX = 32,
    METHOD_MAX_COMPONENTS = 4,
    METHOD_MAX_VALUES = METHOD_MAX_COMPONENTS * STRATEGY_MAX_OPTIONS,
    METHOD_MAX_NAME = 120, /* bytes: files are named after it */
    SHELF_MAX_ARRAYS = 160 /* one for each Fisher matrix that the methods of a run ask for, and some more */
};

/* Which weights a method trains beside the heads. */
typedef enum Trains {
    TRAINS_ENCODER,      /* the whole encoder */
    TRAINS_ADAPTER_EACH, /* a fresh LoRA adapter for each task; the encoder is frozen */
    TRAINS_ADAPTER,      /* one LoRA adapter trained on task after task; the encoder is frozen */
    TRAINS_HEAD,         /* nothing */
} Trains;

/* Rows of a strategy's own options. Its value is a number, or the place of a choice; help calls both by the default. */
#define STRATEGY_REAL(name_, default_, low_, high_, about_)                                             \
    {                                                                                                   \
        name_, OPTION_REAL, low_, high_, "X", about_, .default_value = default_, .changes = CHANGES_OWN \
    }
#define STRATEGY_INT(name_, default_, low_, high_, about_)                                             \
    {                                                                                                  \
        name_, OPTION_INT, low_, high_, "N", about_, .default_value = default_, .changes = CHANGES_OWN \
    }
#define STRATEGY_CHOICE(name_, default_, choices_, about_)                                          \
    {                                                                                               \
        name_, OPTION_CHOICE, 0, 0, "NAME", about_, .default_value = default_, .choices = choices_, \
                                                    .changes = CHANGES_OWN                          \
    }

/* Arrays over the shared weights that say something about a state of the weights, not about a method (a Fisher matrix,
 * a path integral): methods that pass through the same state share them. */
typedef struct Shelf {
    DeviceArena memory;
    struct {
        const char *name;
        uint64_t made; /* by which settings: 0 when none matters */
        f32p at;
    } array[SHELF_MAX_ARRAYS];
    int count;
} Shelf;
f32p shelf_find(const Shelf *shelf, const char *name, uint64_t made); /* null: not there */
f32p shelf_add(Shelf *shelf, const char *name, uint64_t made, size_t floats);
void shelf_clear(Shelf *shelf);

/* First member of what a strategy keeps while a method runs; the rest is zeroed before the first task. */
typedef struct Own {
    const double *option; /* values, in the order of the strategy's options */
    Arena *arena;         /* these two end with the method's run */
    DeviceArena *memory;
} Own;

/* A moment between trainings. */
typedef struct Moment {
    Device *device;
    const Training *training; /* of the task that is about to be trained (start) or was just trained (end) */
    const Layout *layout;     /* of the shared weights */
    f32p w;                   /* the shared weights */
    bool more;                /* another task follows */
    Shelf *shelf;             /* what belongs to these weights */
    /* Evaluates all tasks so far with the weights as they are, and records it as a point of an interpolation from those
     * before the training (alpha 0) to those after it (1). stays: the method goes on with these. */
    bool (*interpolation)(void *context, double alpha, bool stays, Err *err);
    void *context;
} Moment;

/* A publication, as BibTeX names its fields. What is NULL is left out; TeX's own signs stand as BibTeX wants them. */
typedef struct Citation {
    const char *key, *type; /* type: "article", "inproceedings", ... */
    const char *author, *title, *journal, *booktitle, *volume, *number, *pages, *year;
    const char *doi, *arxiv; /* arxiv: its number */
} Citation;

typedef struct Strategy {
    const char *name, *about, *cite;
    const Citation *citation; /* the publication that `cite` names in short */
    const char *departs;      /* sentences: where it departs from its paper, or what that leaves open; null: nowhere */
    const char *kind;         /* "method", "separate", "floor", "ceiling", "after": see docs/events.md */
    const char *alone;        /* why it goes with no other strategy; null: it does */
    Trains trains;
    bool own_rate; /* its first option is the learning rate */
    bool joint;    /* trains on all tasks so far, from the pretrained encoder */
    bool fresh;    /* starts a fresh adapter for each task and merges the one before into the encoder */
    bool anchors;  /* holds the shared weights near earlier values of theirs */
    /* arrays of the size of the shared weights: that it holds during a run, puts on the shelf, and keeps (train_keep)
     */
    int arrays, shelved, kept;
    /* Beyond plain training's, for estimates: passes in each step and evaluations at the end of each later task; and
     * passes over a task's rows after its training, when another task follows, each as long as training on them. */
    int passes, evaluations, surveys;
    const Option *options;
    int option_count;
    size_t own_bytes;
    TrainHooks watch; /* while the first task trains; they change nothing, so all methods share that training */
    TrainHooks hooks; /* while later tasks train */
    bool (*start)(void *own, const Moment *at, Err *err);   /* before the first task, with the weights it starts from */
    bool (*watched)(void *own, const Moment *at, Err *err); /* puts what `watch` saw on the shelf */
    /* After the second and each later task, before any `end`: changes the shared weights. */
    bool (*change)(void *own, const Moment *at, Err *err);
    bool (*end)(void *own, const Moment *at,
                Err *err); /* after each task: sees the weights that training goes on from */
} Strategy;

extern const Strategy *const strategies[];
extern const int strategy_count;

/* Values of all strategies' options: [strategy][option]. */
typedef struct StrategyValues {
    double at[STRATEGY_MAX][STRATEGY_MAX_OPTIONS];
} StrategyValues;
void strategy_defaults(StrategyValues *values);
/* The value of this row; null: it is no strategy's. */
double *strategy_value(StrategyValues *values, const Option *row);

/* A value of a strategy's own option that a method has for itself. */
typedef struct MethodValue {
    const Option *row;
    double value;
} MethodValue;

/* One method of a run: the strategies it is made of. What it consists of has no order: a+b computes what b+a does, to
 * the bit. Nothing asks a part by its position; what the parts mean together stands here. */
typedef struct Method {
    const char *name; /* as the user wrote it, and its own values after it: see method_parse */
    const char *base; /* without these */
    const Strategy *component[METHOD_MAX_COMPONENTS]; /* in the order of `strategies` */
    int component_count;
    MethodValue value[METHOD_MAX_VALUES]; /* in the order of its strategies' options */
    int value_count;
    Trains trains;
    const Strategy *own_rate; /* whose first option is the learning rate; null: none */
    bool joint, fresh;        /* as the parts are */
    bool plain;               /* nothing but the choice of weights sets its trainings apart from plain training */
    bool changes_encoder;     /* its encoder does not stay the pretrained one */
    bool changes_result;      /* a part changes the weights after a training */
    const char *about, *cite, *kind; /* joined */
} Method;

/* "NAME" or "NAME+NAME+...", and after it "@OPTION=VALUE" for each option of these strategies that is to have another
 * value than in other methods, as in ewc@ewc-lambda=100. Fails (exit code 2) on unknown names and values, and on
 * strategies that do not go together. */
bool method_parse(Arena *arena, Str name, Method *out, Err *err);
/* The names that --method all stands for, separated by commas: every strategy by itself. */
const char *method_all(Arena *arena);
/* Whether it trains LoRA adapters: one for all tasks, or one for each. */
bool method_has_adapter(const Method *method);
/* Whether two methods consist of the same strategies with the same values, where `common` holds those of all methods.
 */
bool method_same(const Method *a, const Method *b, const StrategyValues *common);
/* Of an option of one of its strategies, or of any other. */
double method_value(const Method *method, const StrategyValues *common, const Option *row);
/* The method's values of all options of a strategy: [STRATEGY_MAX_OPTIONS]. */
void method_values(const Method *method, const StrategyValues *common, const Strategy *strategy, double *values);
/* Gives the method other values of its own, and the name that says so. */
void method_set_values(Arena *arena, Method *method, const MethodValue *value, int count);

#endif
