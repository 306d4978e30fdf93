/* strategy: how a method trains the second and later tasks. Every method is one row of data; the training loop names
 * none of them. */
#ifndef LETHE_STRATEGY_H
#define LETHE_STRATEGY_H

#include "../train/train.h"

/* Which weights a method trains beside the task's own head. */
typedef enum Adapters {
    ADAPTERS_NONE,     /* the whole encoder */
    ADAPTERS_PER_TASK, /* a fresh LoRA adapter for each task; the encoder is frozen */
    ADAPTERS_SHARED,   /* one LoRA adapter trained on task after task; the encoder is frozen */
} Adapters;

typedef struct Strategy {
    const char *name, *about, *cite;
    Adapters adapters;
} Strategy;

extern const Strategy strategies[];
extern const int strategy_count;
const Strategy *strategy_find(Str name); /* NULL when there is none */

#endif
