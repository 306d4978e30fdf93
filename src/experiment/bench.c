#include "state.h"

#include <stdlib.h>
#include <string.h>

/* lethe bench: what a training step costs, and which ops it goes to. */

typedef struct BenchSteps {
    DYN(double) seconds;
    Arena arena;
    OpTimes ops;
    uint64_t tokens;
} BenchSteps;

static bool bench_on_step(void *context, const StepRecord *r, Err *err)
{
    BenchSteps *steps = context;
    steps->tokens += r->tokens;
    if (r->step <= 8) { /* the first steps meet cold caches and fresh pages */
        steps->ops = (OpTimes){0};
        steps->tokens = 0;
    } else {
        *dyn_push(&steps->arena, &steps->seconds) = r->seconds;
    }
    return err->code == 0;
}

static int bench_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void bench_print(const char *method, const char *task, BenchSteps *steps)
{
    const size_t n = steps->seconds.count;
    const OpTimes *ops = &steps->ops;
    double total = 0, other = 0;
    uint64_t calls = 0;
    if (!n) return;
    qsort(steps->seconds.at, n, sizeof(double), bench_compare);
    for (size_t i = 0; i < n; i++) total += steps->seconds.at[i];
    for (int op = 0; op < OP_COUNT; op++) {
        other += op == OP_gemm ? 0 : ops->seconds[op];
        calls += ops->calls[op];
    }
    printf("step %s %s %.4f s (median of %zu), %.0f tokens a step\n", task, method, steps->seconds.at[n / 2], n,
           (double)steps->tokens / (double)n);
    if (ops->seconds[OP_gemm] == 0) return; /* a GPU without a clock */
    printf("  products %.1f%% of the time at %.0f GFLOPS, other ops %.1f%%, host %.1f%%; %llu ops, %llu of them "
           "products\n",
           100 * ops->seconds[OP_gemm] / total, ops->flops / ops->seconds[OP_gemm] * 1e-9, 100 * other / total,
           100 * (1 - (other + ops->seconds[OP_gemm]) / total), (unsigned long long)(calls / n),
           (unsigned long long)(ops->calls[OP_gemm] / n));
    for (int op = 0; op < OP_COUNT; op++)
        if (op != OP_gemm && ops->seconds[op] > 0.005 * total)
            printf("  %-16s %5.1f%%  %7.3f ms a step, %llu calls\n", op_names[op], 100 * ops->seconds[op] / total,
                   1e3 * ops->seconds[op] / (double)n, (unsigned long long)(ops->calls[op] / n));
}

bool experiment_bench(const Plan *plan, Err *err)
{
    Experiment *x = &(Experiment){.plan = plan, .started = clock_seconds(), .journal.log = LOG_CLOSED};
    bool ok = experiment_open(x, err);
    for (int m = 0; m < plan->method_count && ok; m++)
        for (int i = 0; i < plan->task_count && ok; i++) {
            Training t = training_of(x, plan->methods[m], plan->seeds[0], i);
            BenchSteps steps = {0};
            t.choose = NULL;
            ok = experiment_weights(x, plan->seeds[0], err);
            if (t.train_encoder) x->encoder_is_base = false;
            if (t.lora) start_adapter(x, t.weights.adapter, plan->seeds[0], i);
            device_profile(&x->device, &steps.ops);
            ok =
                ok && train_task(&x->device, &t, &(TrainObserver){.context = &steps, .step = bench_on_step}, NULL, err);
            device_profile(&x->device, NULL);
            if (ok) bench_print(plan->methods[m]->name, plan->tasks[i].name, &steps);
            arena_free(&steps.arena);
        }
    printf("peak memory %.2f GB\n", (double)memory_peak_bytes() * 1e-9);
    experiment_close(x);
    return ok;
}
