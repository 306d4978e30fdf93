#include "report.h"

#include <math.h>
#include <string.h>

/* A sweep: one method with several values of one option, all else alike. What each value learned and what it kept. */

typedef struct Sweep {
    const char *method, *option; /* the method without its settings */
    int *methods;                /* [count] of the results, by ascending value */
    const char **values;         /* [count] */
    int count;
} Sweep;
typedef struct SweepList {
    Sweep *at;
    size_t count, capacity;
} SweepList;

/* Whether two methods are one but for this option, of which both have a value. */
static bool sweep_alike(const ResultMethodInfo *a, const ResultMethodInfo *b, const char *option)
{
    if (strcmp(a->base, b->base) != 0 || a->setting_count != b->setting_count) return false;
    for (int i = 0; i < a->setting_count; i++) {
        const ResultSetting *s = &a->settings[i], *other = load_setting(b, s->name);
        if (!other) return false;
        if (strcmp(s->name, option) != 0 && load_setting_is_compared(s) && strcmp(s->value, other->value) != 0)
            return false;
    }
    return load_setting(a, option) != NULL;
}

/* The methods that are `first` with other values of an option; they stand in the order of their values. */
static Sweep sweep_from(Arena *arena, const Results *r, int first, const char *option)
{
    Sweep sweep = {.method = r->method_info[first].base, .option = option};
    sweep.methods = arena_new(arena, int, (size_t)r->method_count);
    sweep.values = arena_new(arena, const char *, (size_t)r->method_count);
    for (int m = first; m < r->method_count; m++) {
        const ResultSetting *value = load_setting(&r->method_info[m], option);
        bool known = false;
        if (!value || !sweep_alike(&r->method_info[first], &r->method_info[m], option)) continue;
        for (int i = 0; i < sweep.count; i++) known = known || strcmp(sweep.values[i], value->value) == 0;
        if (known) continue;
        sweep.methods[sweep.count] = m;
        sweep.values[sweep.count++] = value->value;
    }
    return sweep;
}

/* Replay's share and EWC's lambda first, then as they come. */
static int sweep_rank(const char *option)
{
    return strcmp(option, "replay-fraction") == 0 ? 0 : strcmp(option, "ewc-lambda") == 0 ? 1 : 2;
}

/* Every sweep of two and more values. Of several options that vary, each makes its own, with the others alike. */
static SweepList sweeps_find(Arena *arena, const Results *r)
{
    SweepList sweeps = {0};
    for (int rank = 0; rank < 3 && r->task_count > 1; rank++)
        for (int m = 0; m < r->method_count; m++)
            for (int k = 0; k < r->method_info[m].setting_count; k++) {
                const ResultSetting *s = &r->method_info[m].settings[k];
                if (sweep_rank(s->name) != rank || !load_setting_varies(r, s)) continue;
                const Sweep sweep = sweep_from(arena, r, m, s->name);
                bool known = sweep.count < 2; /* or a part of one that is there */
                for (size_t i = 0; i < sweeps.count && !known; i++)
                    for (int n = 0; n < sweeps.at[i].count; n++)
                        known = known || (sweeps.at[i].methods[n] == m && strcmp(sweeps.at[i].option, s->name) == 0);
                if (!known) *dyn_push(arena, &sweeps) = sweep;
            }
    return sweeps;
}

/* What report_judge found; of results that nobody has judged it is found now. */
static SweepList report_sweeps(Arena *arena, const Results *r)
{
    return r->sweeps ? *r->sweeps : sweeps_find(arena, r);
}

/* An interval of accuracies ends where accuracies do. */
static Interval sweep_interval(const MeanOver *mean)
{
    return (Interval){fmax(0, mean->interval.low), fmin(1, mean->interval.high)};
}

static const char *sweep_share(Arena *arena, const MeanOver *mean)
{
    return mean->count ? arena_printf(arena, "%s %s", format_share(arena, mean->mean),
                                      format_interval(arena, sweep_interval(mean)))
                       : "–";
}
