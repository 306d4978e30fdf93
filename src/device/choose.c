/* Which device "auto" and "gpu" take. */

/* What a device can do, as `lethe devices` shows it. */
typedef struct DeviceSpeed {
    double gflops; /* a matrix product of a training step's shape */
    double gbps;   /* copying */
} DeviceSpeed;

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

#define DEVICE_CRASHED "its driver crashed (%s); a newer one may work, --device cpu needs none"

/* ---- Trials. A driver that crashes takes its process with it: so each has one of its own. ---- */

/* Not where Vulkan is at work already: another process would have the drivers without their threads. */
static bool trial_isolated(void (*work)(const void *context, void *result), const void *context, void *result,
                           size_t bytes, char crash[64])
{
    if (!vulkan_loaded()) return isolated(work, context, result, bytes, crash);
    work(context, result);
    return true;
}

typedef struct DeviceList {
    VulkanInfo info[VULKAN_MOST_DEVICES];
    int count;
    char why[256]; /* there is none */
} DeviceList;

static void list_work(const void *context, void *result)
{
    (void)context;
    DeviceList *list = result;
    list->count = vulkan_list(list->info, list->why);
}

static void devices_list(DeviceList *list)
{
    char crash[64];
    *list = (DeviceList){0};
    if (!trial_isolated(list_work, NULL, list, sizeof *list, crash))
        snprintf(list->why, sizeof list->why, "a Vulkan driver crashed when it was loaded (%s)", crash);
}

typedef struct DeviceTrial {
    char name[256];
    uint64_t memory_bytes;
    DeviceSpeed speed;
    Err err; /* why it cannot be used */
} DeviceTrial;

typedef struct DeviceAsk {
    const char *what; /* as device_open has it */
    int threads;
} DeviceAsk;

static void trial_work(const void *context, void *result)
{
    const DeviceAsk *ask = context;
    DeviceTrial *trial = result;
    Device device;
    if (device_open(&device, ask->what, ask->threads, &trial->err)) {
        memcpy(trial->name, device.name, sizeof trial->name);
        trial->memory_bytes = device_memory_bytes(&device);
        trial->speed = device_speed(&device);
        device_ok(&device, &trial->err);
    }
    device_close(&device);
}

static void device_try(const char *what, int threads, DeviceTrial *trial)
{
    const DeviceAsk ask = {what, threads};
    char crash[64];
    *trial = (DeviceTrial){0};
    if (!trial_isolated(trial_work, &ask, trial, sizeof *trial, crash)) fail(&trial->err, DEVICE_CRASHED, crash);
}

static bool choose_fail(const char *what, Err *err)
{
    static const char *const names[] = {"auto", "cpu", "gpu", "gpu:0"};
    Nearest near = nearest_to(str(what));
    for (size_t i = 0; i < COUNT(names); i++) nearest_offer(&near, names[i]);
    return fail_usage(err, "--device %s: unknown device; use auto, cpu, gpu or gpu:N%s", str_show(str(what)),
                      nearest_hint(&near, ""));
}

/* "gpu" or "gpu:N" as a number of vulkan_list. "gpu": the first discrete one, else integrated, virtual, software. */
static bool choose_named(const char *what, int *number, Err *err)
{
    static const char *const order[] = {"discrete", "integrated", "virtual", "other", "software"};
    int64_t wanted = 0;
    if (strncmp(what, "gpu", 3) != 0 || (what[3] && what[3] != ':')) return choose_fail(what, err);
    if (what[3] && !parse_int(str(what + 4), 0, VULKAN_MOST_DEVICES - 1, &wanted))
        return fail_usage(err, "--device %s: gpu:N needs a number N from 0; lethe devices lists them",
                          str_show(str(what)));
    *number = (int)wanted;
    if (what[3]) return true;
    DeviceList list;
    devices_list(&list);
    for (size_t kind = 0; kind < COUNT(order); kind++)
        for (*number = 0; *number < list.count; ++*number)
            if (strcmp(list.info[*number].kind, order[kind]) == 0 && !list.info[*number].missing[0]) return true;
    if (!list.count) return fail(err, "--device gpu: %s; use --device cpu", list.why);
    return fail(err, "--device gpu: %s: %s; use --device cpu", list.info[0].name, list.info[0].missing);
}

/* ---- auto ---- */

/* Where the choice is remembered, by everything that it depends on. NULL: nowhere. */
static const char *choose_memory(Arena *arena, const DeviceList *list, int threads)
{
    const char *folder = cache_folder(arena);
    char hex[65];
    char *key = arena_printf(arena, "lethe %s\n%s %d\n", LETHE_VERSION, cpu_choose().name, threads);
    for (int i = 0; i < list->count; i++)
        key = arena_printf(arena, "%s%s %s\n", key, list->info[i].name, list->info[i].driver);
    sha256_hex(str(key), hex);
    return folder ? arena_printf(arena, "%s/device-%.16s", folder, hex) : NULL;
}

static double choose_gflops(int number, int threads)
{
    DeviceTrial trial;
    char what[16] = "cpu";
    if (number != CHOSE_CPU) snprintf(what, sizeof what, "gpu:%d", number);
    device_try(what, threads, &trial);
    return trial.err.code ? 0 : trial.speed.gflops;
}

/* What an earlier trial has found, as far as that device is still there and can be used. */
static bool choose_remembered(const char *path, const DeviceList *list, int *number)
{
    Arena arena = {0};
    Str text;
    Err ignored = {0};
    int64_t gpu = CHOSE_CPU;
    const bool known =
        path && file_read(&arena, path, 64, &text, &ignored) &&
        (str_equal(text, S("c")) ||
         (text.size && text.at[0] == 'g' && parse_int((Str){text.at + 1, text.size - 1}, 0, list->count - 1, &gpu) &&
          !list->info[gpu].missing[0]));
    arena_free(&arena);
    *number = (int)gpu;
    return known;
}

int choose_fastest(int threads, DeviceChoice *choice)
{
    Arena arena = {0};
    DeviceList list;
    DeviceChoice best = {CHOSE_CPU, ""};
    devices_list(&list);
    int hardware = 0;
    for (int i = 0; i < list.count; i++) hardware += !list.info[i].software && !list.info[i].missing[0];
    const char *path = hardware ? choose_memory(&arena, &list, threads) : NULL;
    Err ignored = {0};
    if (!hardware) {
        snprintf(best.why, sizeof best.why, "%s",
                 list.count ? "no GPU here is more than software" : "there is no GPU with Vulkan here");
    } else if (choose_remembered(path, &list, &best.number)) {
        snprintf(best.why, sizeof best.why, "the fastest in an earlier trial");
    } else {
        double fastest = choose_gflops(CHOSE_CPU, threads);
        best.number = CHOSE_CPU;
        for (int i = 0; i < list.count; i++) {
            const double gflops = list.info[i].software || list.info[i].missing[0] ? 0 : choose_gflops(i, threads);
            if (gflops <= fastest) continue;
            fastest = gflops;
            best.number = i;
        }
        snprintf(best.why, sizeof best.why, "the fastest, %.0f GFLOPS in a trial", fastest);
        if (path)
            file_write(path, str(best.number == CHOSE_CPU ? "c" : arena_printf(&arena, "g%d", best.number)), &ignored);
    }
    arena_free(&arena);
    if (choice) *choice = best;
    return best.number;
}
