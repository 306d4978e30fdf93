#include "base.h"

#include <stdatomic.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* One job at a time. A new job is announced by `generation`; workers look for it for a short while before they sleep,
 * because the ops of a training step follow each other within microseconds. */
static struct {
    SysThread threads[256];
    int count; /* the caller included; 0: not started */
    SysMonitor monitor;
    bool has_monitor;
    _Atomic uint64_t generation;
    _Atomic int sleeping; /* workers that wait */
    _Atomic int busy;     /* workers that have not finished the current job */
    _Atomic bool stop;
    void (*work)(void *, size_t, int);
    void *context;
    size_t items;
    _Atomic size_t next;
} pool;

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

static void threads_worker(void *argument)
{
    int thread = (int)(intptr_t)argument;
    thread_flush_denormals();
    uint64_t seen = 0;
    for (;;) {
        int patience = 4000;
        while (atomic_load_explicit(&pool.generation, memory_order_acquire) == seen && --patience) thread_relax();
        if (!patience) {
            sys_monitor_enter(&pool.monitor);
            atomic_fetch_add(&pool.sleeping, 1);
            while (atomic_load(&pool.generation) == seen) sys_monitor_wait(&pool.monitor);
            atomic_fetch_sub(&pool.sleeping, 1);
            sys_monitor_leave(&pool.monitor);
        }
        seen++;
        if (atomic_load(&pool.stop)) return;
        threads_take_items(thread);
        atomic_fetch_sub_explicit(&pool.busy, 1, memory_order_release);
    }
}

static void threads_announce(void)
{
    atomic_fetch_add(&pool.generation, 1);
    /* A worker counts itself as sleeping before it looks at the generation for the last time, so none is missed. */
    if (atomic_load(&pool.sleeping)) {
        sys_monitor_enter(&pool.monitor);
        sys_monitor_wake(&pool.monitor);
        sys_monitor_leave(&pool.monitor);
    }
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
    if (!pool.has_monitor) sys_monitor_open(&pool.monitor);
    pool.has_monitor = true;
    for (int i = 1; i < count; i++) {
        if (!sys_thread_start(&pool.threads[i], threads_worker, (void *)(intptr_t)i)) break; /* fewer will do */
        pool.count++;
    }
}

void threads_stop(void)
{
    if (pool.count > 1) {
        atomic_store(&pool.stop, true);
        threads_announce();
        for (int i = 1; i < pool.count; i++) sys_thread_join(&pool.threads[i]);
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
        patience < 4000 ? thread_relax() : sys_thread_yield();
}
