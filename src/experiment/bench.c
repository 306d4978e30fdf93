#include "experiment.h"

#include <stdlib.h>
#include <string.h>

/* lethe bench: what a training step costs, and which ops it goes to. The engine's table is replaced by one that times
 * every op on its way to the real one. */

typedef struct BenchClock {
    double seconds[OP_COUNT], flops;
    uint64_t calls[OP_COUNT];
} BenchClock;

static void (*const *bench_real)(const void *args); /* the engine's table */
static BenchClock bench_clock, bench_steps_only;    /* all that ran so far; the same at the end of the last step */

#define X(op)                                                              \
    static void bench_timed_##op(const void *args)                         \
    {                                                                      \
        const double begun = clock_seconds();                              \
        bench_real[OP_##op](args);                                         \
        bench_clock.seconds[OP_##op] += clock_seconds() - begun;           \
        bench_clock.calls[OP_##op]++;                                      \
        if (OP_##op == OP_gemm) {                                          \
            const struct gemm_args *g = args;                              \
            bench_clock.flops += 2.0 * g->m * g->n * g->k * (g->more + 1); \
        }                                                                  \
    }
OPS(X)
#undef X

static void (*const bench_table[OP_COUNT])(const void *args) = {
#define X(op) [OP_##op] = bench_timed_##op,
    OPS(X)
#undef X
};

typedef struct BenchSteps {
    DYN(double) seconds;
    Arena arena;
    uint64_t tokens;
} BenchSteps;

static bool bench_on_step(void *context, const StepRecord *r, Err *err)
{
    BenchSteps *steps = context;
    steps->tokens += r->tokens;
    if (r->step <= 8) { /* the first steps meet cold caches and fresh pages */
        bench_clock = (BenchClock){0};
        steps->tokens = 0;
    } else {
        *dyn_push(&steps->arena, &steps->seconds) = r->seconds;
    }
    bench_steps_only = bench_clock;
    return err->code == 0;
}

/* An evaluation is no part of a step. */
static bool bench_on_eval(void *context, const EvalRecord *r, Err *err)
{
    (void)context, (void)r, (void)err;
    bench_clock = bench_steps_only;
    return true;
}

static int bench_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void bench_print(const char *method, const char *task, BenchSteps *steps)
{
    const size_t n = steps->seconds.count;
    double total = 0, other = 0;
    uint64_t calls = 0;
    if (!n) return;
    qsort(steps->seconds.at, n, sizeof(double), bench_compare);
    for (size_t i = 0; i < n; i++) total += steps->seconds.at[i];
    for (int op = 0; op < OP_COUNT; op++) {
        other += op == OP_gemm ? 0 : bench_clock.seconds[op];
        calls += bench_clock.calls[op];
    }
    printf("step %s %s %.4f s (median of %zu), %.0f tokens a step\n", task, method, steps->seconds.at[n / 2], n,
           (double)steps->tokens / (double)n);
    if (!bench_real) return;
    printf("  products %.1f%% of the time at %.0f GFLOPS, other ops %.1f%%, host %.1f%%; %llu ops, %llu of them "
           "products\n",
           100 * bench_clock.seconds[OP_gemm] / total, bench_clock.flops / bench_clock.seconds[OP_gemm] * 1e-9,
           100 * other / total, 100 * (1 - (other + bench_clock.seconds[OP_gemm]) / total),
           (unsigned long long)(calls / n), (unsigned long long)(bench_clock.calls[OP_gemm] / n));
    for (int op = 0; op < OP_COUNT; op++)
        if (op != OP_gemm && bench_clock.seconds[op] > 0.005 * total)
            printf("  %-16s %5.1f%%  %7.3f ms a step, %llu calls\n", op_names[op],
                   100 * bench_clock.seconds[op] / total, 1e3 * bench_clock.seconds[op] / (double)n,
                   (unsigned long long)(bench_clock.calls[op] / n));
}

bool experiment_bench(const Plan *plan, Err *err)
{
    Experiment *x = &(Experiment){.plan = plan, .started = clock_seconds(), .journal.log = LOG_CLOSED};
    bool ok = experiment_open(x, err);
    bench_real = x->device.ops;
    if (bench_real) x->device.ops = bench_table; /* a GPU works while the host goes on: only whole steps are timed */
    for (int m = 0; m < plan->method_count && ok; m++)
        for (int i = 0; i < plan->task_count && ok; i++) {
            Training t = training_of(x, plan->methods[m], plan->seeds[0], i);
            BenchSteps steps = {0};
            Split few = *t.eval;
            if (few.rows > plan->hyper.eval_batch_size) few.rows = plan->hyper.eval_batch_size;
            t.eval = &few;
            ok = experiment_weights(x, plan->seeds[0], err);
            if (t.train_encoder) x->encoder_is_base = false;
            if (t.lora) start_adapter(x, t.weights.adapter, plan->seeds[0], i);
            ok = ok && train_task(&x->device, &t, &(TrainObserver){&steps, bench_on_step, bench_on_eval}, err);
            if (ok) bench_print(plan->methods[m]->name, plan->tasks[i].name, &steps);
            arena_free(&steps.arena);
        }
    printf("peak memory %.2f GB\n", (double)memory_peak_bytes() * 1e-9);
    experiment_close(x);
    return ok;
}
