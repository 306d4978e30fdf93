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
    Arena *arena = &steps->arena;
    printf("step %s %s %s s (median of %zu), %s tokens a step\n", task, method,
           format_decimal(arena, steps->seconds.at[n / 2], 4), n,
           format_decimal(arena, (double)steps->tokens / (double)n, 0));
    if (ops->seconds[OP_gemm] == 0) return; /* a GPU without a clock */
    printf("  products %s of the time at %s GFLOPS, other ops %s, host %s; %llu ops, %llu of them products\n",
           format_percent(arena, ops->seconds[OP_gemm] / total),
           format_decimal(arena, ops->flops / ops->seconds[OP_gemm] * 1e-9, 0), format_percent(arena, other / total),
           format_percent(arena, 1 - (other + ops->seconds[OP_gemm]) / total), (unsigned long long)(calls / n),
           (unsigned long long)(ops->calls[OP_gemm] / n));
    for (int op = 0; op < OP_COUNT; op++)
        if (op != OP_gemm && ops->seconds[op] > 0.005 * total)
            printf("  %-16s %6s  %7s ms a step, %llu calls\n", op_names[op],
                   format_percent(arena, ops->seconds[op] / total),
                   format_decimal(arena, 1e3 * ops->seconds[op] / (double)n, 3),
                   (unsigned long long)(ops->calls[op] / n));
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
    printf("peak memory %s\n", format_gigabytes(&x->arena, (double)memory_peak_bytes(), 2));
    experiment_close(x);
    return ok;
}
