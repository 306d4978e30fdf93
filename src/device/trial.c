#include "trial.h"

#include <limits.h>

/* Seconds of one run of an op, the best of a few measurements. A GPU that was idle runs at a fraction of its clock
 * until it has worked for a while. */
static double speed_seconds(Device *device, Op op, const void *args, const void *result)
{
    enum { TURNS = 3 };
    const double warm = device->vulkan ? 0.3 : 0, enough = device->vulkan ? 0.02 : 0.002, begun = clock_seconds();
    double best = INFINITY;
    f32 number;
    device_run(device, op, args); /* the first run compiles */
    device_read(device, &number, result, sizeof number);
    for (int turns = 0, count = 1; turns < TURNS && device_ok(device, &(Err){0});) {
        const double start = clock_seconds();
        for (int i = 0; i < count; i++) device_run(device, op, args);
        device_read(device, &number, result, sizeof number);
        const double batch = clock_seconds() - start, seconds = batch / count;
        if (batch < enough) {
            count *= 2; /* so that waiting for the result counts little */
        } else if (clock_seconds() - begun >= warm || batch > 0.1) {
            if (seconds < best) best = seconds;
            turns++;
            if (batch > 0.1) break;
        }
    }
    return best;
}

static DeviceSpeed device_speed(Device *device)
{
    enum { M = 640, N = 1536, K = 384, COPY = 1 << 23 };
    DeviceArena memory = {.device = device};
    f32p a = device_f32(&memory, M * K), b = device_f32(&memory, N * K), c = device_f32(&memory, M * N);
    f32p from = device_f32(&memory, COPY), to = device_f32(&memory, COPY);
    const struct gemm_args product = {
        .a = a, .b = b, .c = c, .m = M, .n = N, .k = K, .lda = K, .ldb = K, .ldc = N, .tb = 1, .alpha = 1};
    const struct copy_args copy = {.x = from, .y = to, .n = COPY};
    const DeviceSpeed speed = {.gflops = 2.0 * M * N * K / speed_seconds(device, OP_gemm, &product, c) * 1e-9,
                               .gbps = 8.0 * COPY / speed_seconds(device, OP_copy, &copy, to) * 1e-9};
    device_arena_free(&memory);
    return speed;
}

/* ---- What trials do ---- */

static void trial_list(const char *what, int threads, void *result)
{
    DeviceList *list = result;
    (void)what, (void)threads;
    list->count = vulkan_list(list->info, list->why);
}

static void trial_speed(const char *what, int threads, void *result)
{
    DeviceTrial *trial = result;
    Device device;
    if (device_open(&device, what, threads, &trial->err)) {
        memcpy(trial->name, device.name, sizeof trial->name);
        trial->memory_bytes = device_memory_bytes(&device);
        trial->speed = device_speed(&device);
        device_ok(&device, &trial->err);
    }
    device_close(&device);
}

static void trial_test(const char *what, int threads, void *result)
{
    DeviceTest *test = result;
    Device device;
    const double begun = clock_seconds();
    bool ok = device_open(&device, what, threads, &test->err); /* checks a GPU, as at every start */
    test->opened_seconds = clock_seconds() - begun;
    memcpy(test->name, device.name, sizeof test->name);
    for (int op = 0; op < OP_COUNT && ok; op++) {
        ok = device_selftest(&device, (Op)op, 1, &test->cases, &test->worst, &test->err);
        if (interrupted()) ok = fail_interrupted(&test->err);
    }
    device_close(&device);
}

typedef enum TrialKind { TRIAL_LIST, TRIAL_SPEED, TRIAL_TEST, TRIAL_KINDS } TrialKind;
static const struct {
    const char *name;
    void (*work)(const char *what, int threads, void *result);
    size_t bytes; /* of the result */
} trials[TRIAL_KINDS] = {{"list", trial_list, sizeof(DeviceList)},
                         {"speed", trial_speed, sizeof(DeviceTrial)},
                         {"test", trial_test, sizeof(DeviceTest)}};
enum { TRIAL_WORDS = 4 };

void trial_answer(int argc, char **argv)
{
    int64_t threads;
    if (argc != TRIAL_WORDS + 1 || strcmp(argv[1], TRIAL_WORD) != 0 || !parse_int(str(argv[4]), 0, INT_MAX, &threads))
        return;
    for (int kind = 0; kind < TRIAL_KINDS; kind++) {
        if (strcmp(argv[2], trials[kind].name) != 0) continue;
        const SysFile answer = sys_child_begin();
        void *result = memory_need(NULL, trials[kind].bytes);
        memset(result, 0, trials[kind].bytes);
        trials[kind].work(argv[3], (int)threads, result);
        sys_child_answer(answer, result, trials[kind].bytes);
    }
}

/* Fills the result of a trial; false when its process ended before: `ended` says by what. In this process where no
 * other can be had, and where Vulkan is loaded: then its drivers have shown that they can be. */
static bool trial_run(TrialKind kind, const char *what, int threads, void *result, char ended[64])
{
    char number[16];
    snprintf(number, sizeof number, "%d", threads);
    const char *const words[TRIAL_WORDS + 1] = {TRIAL_WORD, trials[kind].name, what, number, NULL};
    const SysChild child = vulkan_loaded() ? SYS_CHILD_NONE : sys_child_run(words, result, trials[kind].bytes, ended);
    if (child == SYS_CHILD_NONE) trials[kind].work(what, threads, result);
    return child != SYS_CHILD_DIED;
}

/* ---- What others ask for ---- */

void devices_list(DeviceList *list)
{
    char ended[64];
    *list = (DeviceList){0};
    if (!trial_run(TRIAL_LIST, "all", 0, list, ended))
        snprintf(list->why, sizeof list->why, "a Vulkan driver crashed when it was loaded (%s)", ended);
}

void device_try(const char *what, int threads, DeviceTrial *trial)
{
    char ended[64];
    *trial = (DeviceTrial){0};
    if (!trial_run(TRIAL_SPEED, what, threads, trial, ended)) fail(&trial->err, DEVICE_CRASHED, ended);
}

void device_test(const char *what, DeviceTest *test)
{
    char ended[64];
    *test = (DeviceTest){0};
    if (!trial_run(TRIAL_TEST, what, 0, test, ended)) fail(&test->err, "%s: " DEVICE_CRASHED, what, ended);
}
