#include "base.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* One job at a time. A new job is announced by `generation`; workers look for it for a short while before they sleep,
 * because the ops of a training step follow each other within microseconds. */
static struct {
    pthread_t threads[256];
    int count; /* the caller included; 0: not started */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    _Atomic uint64_t generation;
    _Atomic int sleeping; /* workers that wait on `wake` */
    _Atomic int busy;     /* workers that have not finished the current job */
    _Atomic bool stop;
    void (*work)(void *, size_t, int);
    void *context;
    size_t items;
    _Atomic size_t next;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void thread_relax(void)
{
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Adam's moments decay into denormal numbers, which slow many processors down by a factor of 100. */
static void thread_flush_denormals(void)
{
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero, denormals are zero */
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    __asm__ volatile("msr fpcr, %0" ::"r"(fpcr | (1u << 24)));
#endif
}

static void threads_take_items(int thread)
{
    for (size_t i; (i = atomic_fetch_add_explicit(&pool.next, 1, memory_order_relaxed)) < pool.items;)
        pool.work(pool.context, i, thread);
}

static void *threads_worker(void *argument)
{
    int thread = (int)(intptr_t)argument;
    thread_flush_denormals();
    uint64_t seen = 0;
    for (;;) {
        int patience = 4000;
        while (atomic_load_explicit(&pool.generation, memory_order_acquire) == seen && --patience) thread_relax();
        if (!patience) {
            pthread_mutex_lock(&pool.lock);
            atomic_fetch_add(&pool.sleeping, 1);
            while (atomic_load(&pool.generation) == seen) pthread_cond_wait(&pool.wake, &pool.lock);
            atomic_fetch_sub(&pool.sleeping, 1);
            pthread_mutex_unlock(&pool.lock);
        }
        seen++;
        if (atomic_load(&pool.stop)) return NULL;
        threads_take_items(thread);
        atomic_fetch_sub_explicit(&pool.busy, 1, memory_order_release);
    }
}

static void threads_announce(void)
{
    atomic_fetch_add(&pool.generation, 1);
    /* A worker counts itself as sleeping before it looks at the generation for the last time, so none is missed. */
    if (atomic_load(&pool.sleeping)) {
        pthread_mutex_lock(&pool.lock);
        pthread_cond_broadcast(&pool.wake);
        pthread_mutex_unlock(&pool.lock);
    }
}

/* The matrix product keeps its panels on the stack. */
enum { STACK_BYTES = 8 << 20 };

static bool thread_start(pthread_t *thread, void *(*body)(void *), void *context)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    const bool ok = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 &&
                    pthread_create(thread, &attributes, body, context) == 0;
    pthread_attr_destroy(&attributes);
    return ok;
}

typedef struct StackCall {
    void (*body)(void *context);
    void *context;
} StackCall;

static void *stack_call(void *context)
{
    const StackCall *call = context;
    call->body(call->context);
    return NULL;
}

void stack_run(void (*body)(void *context), void *context)
{
    struct rlimit limit;
    pthread_t thread;
    StackCall call = {body, context};
    const bool is_small = getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < STACK_BYTES;
    if (is_small && thread_start(&thread, stack_call, &call))
        pthread_join(thread, NULL);
    else
        body(context);
}

void threads_start(int count)
{
    ASSERT(count >= 1);
    if (count > (int)COUNT(pool.threads)) count = COUNT(pool.threads);
    threads_stop();
    thread_flush_denormals();
    atomic_store(&pool.generation, 0);
    atomic_store(&pool.stop, false);
    pool.count = 1;
    for (int i = 1; i < count; i++) {
        if (!thread_start(&pool.threads[i], threads_worker, (void *)(intptr_t)i)) break; /* fewer will do */
        pool.count++;
    }
}

void threads_stop(void)
{
    if (pool.count > 1) {
        atomic_store(&pool.stop, true);
        threads_announce();
        for (int i = 1; i < pool.count; i++) pthread_join(pool.threads[i], NULL);
    }
    pool.count = 0;
}

int threads_count(void) { return pool.count ? pool.count : 1; }

void parallel(size_t items, void (*work)(void *context, size_t item, int thread), void *context)
{
    if (pool.count <= 1 || items <= 1) {
        for (size_t i = 0; i < items; i++) work(context, i, 0);
        return;
    }
    pool.work = work;
    pool.context = context;
    pool.items = items;
    atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.busy, pool.count - 1, memory_order_relaxed);
    threads_announce();
    threads_take_items(0);
    for (int patience = 0; atomic_load_explicit(&pool.busy, memory_order_acquire); patience++)
        patience < 4000 ? thread_relax() : (void)sched_yield();
}

int processors_available(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r"); /* "quota period" or "max period" */
    long quota, period;
    if (file && fscanf(file, "%ld %ld", &quota, &period) == 2 && period > 0 && quota > 0) {
        long whole = (quota + period - 1) / period;
        if (whole < count) count = (int)whole;
    }
    if (file) fclose(file);
    return count < 1 ? 1 : count;
}
