#include "command.h"

#include <stdlib.h>
#include <string.h>

/* lethe devices, lethe selftest, and lethe bench of ops. */

static void devices_print(const char *name, const VulkanInfo *info, Err *err)
{
    Device device;
    *err = (Err){0};
    const bool ok = device_open(&device, name, 0, err);
    printf("%-7s %s\n", name, info ? info->name : device.name);
    if (info) {
        printf("        %s, driver %s\n", info->kind, info->driver);
        printf("        ");
        if (info->processors) printf("%u processors, ", info->processors);
        printf("workgroups of %u threads and %u KiB; %.1f GB an allocation\n", info->group_threads,
               info->group_bytes / 1024, (double)info->largest_bytes * 1e-9);
    }
    if (!ok) {
        printf("        cannot be used: %s\n", info && info->missing[0] ? info->missing : err->text);
    } else {
        const DeviceSpeed speed = device_speed(&device);
        printf("        memory: ");
        if (info) printf("%.1f GB, of which ", (double)info->memory_bytes * 1e-9);
        printf("%.1f GB are free%s\n", (double)device_memory_bytes(&device) * 1e-9,
               info && !info->free_bytes ? " (a guess: the driver does not say)" : "");
        printf("        %.0f GFLOPS in matrix products, %.0f GB/s copying\n", speed.gflops, speed.gbps);
    }
    device_close(&device);
}

static bool command_devices(int argc, char **argv, Err *err)
{
    if (argc > 1) return fail_usage(err, "%s: unexpected argument; see lethe help devices", str_show(str(argv[1])));
    VulkanInfo info[VULKAN_MOST_DEVICES];
    char why[256], name[16];
    Err each;
    const int count = vulkan_list(info, why);
    devices_print("cpu", NULL, &each);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "gpu:%d", i);
        devices_print(name, &info[i], &each);
    }
    if (!count) printf("no gpu  %s\n", why);
    DeviceChoice choice;
    threads_start(processors_available());
    const int chosen = choose_fastest(&choice);
    threads_stop();
    snprintf(name, sizeof name, chosen == CHOSE_CPU ? "cpu" : "gpu:%d", chosen);
    printf("\n--device auto takes %s: %s\n", name, choice.why);
    const char *override = getenv("LETHE_DEVICE");
    if (override && *override) printf("LETHE_DEVICE is set: %s is taken instead\n", str_show(str(override)));
    return true;
}

static bool selftest_device(const char *name, Err *err)
{
    Device device;
    double worst = 0;
    int cases = 0;
    const double begun = clock_seconds();
    bool ok = device_open(&device, name, 0, err); /* checks a GPU, as at every start */
    const double opened = clock_seconds() - begun;
    for (int op = 0; op < OP_COUNT && ok; op++) {
        bool exists = true;
        double nmse;
        for (int variant = 0; exists && ok; variant++) {
            ok = device_case_compare(&device, (Op)op, variant, &exists, &nmse, err);
            cases += exists;
            if (nmse > worst) worst = nmse;
        }
        if (interrupted()) ok = fail_interrupted(err);
    }
    if (ok)
        printf("%-7s %s: %d cases of %d ops right, worst normalised mean squared error %.1e; opened in %.2f s\n", name,
               device.name, cases, OP_COUNT, worst, opened);
    device_close(&device);
    return ok;
}

static bool command_selftest(int argc, char **argv, Err *err)
{
    if (argc > 1) return fail_usage(err, "%s: unexpected argument; see lethe help selftest", str_show(str(argv[1])));
    VulkanInfo info[VULKAN_MOST_DEVICES];
    char why[256], name[16];
    const int count = vulkan_list(info, why);
    bool ok = selftest_device("cpu", err);
    for (int i = 0; i < count && ok; i++) {
        snprintf(name, sizeof name, "gpu:%d", i);
        if (info[i].missing[0])
            printf("%-7s %s: not tested: %s\n", name, info[i].name, info[i].missing);
        else
            ok = selftest_device(name, err);
    }
    if (!count) printf("no gpu  %s\n", why);
    return ok;
}

static const Option bench_ops_options[] = {
    {"device", OPTION_TEXT, 0, 0, "NAME", NULL},
    {"threads", OPTION_INT, 1, 256, "N", NULL},
};

/* lethe bench ops|gemm [--device NAME] [--threads N] */
static bool bench_ops(const char *word, int argc, char **argv, Err *err)
{
    json_t *options = json_object();
    int64_t threads = 0;
    Device device = {0};
    bool ok = options_parse(bench_ops_options, COUNT(bench_ops_options), argc, argv, 0, options, err) &&
              option_whole(bench_ops_options, COUNT(bench_ops_options), options, "threads", &threads, err);
    const char *name = option_text(options, "device");
    ok = ok && device_open(&device, name ? name : "auto", (int)threads, err) &&
         perf_ops(&device, strcmp(word, "gemm") == 0 ? "gemm" : NULL, err);
    device_close(&device);
    json_decref(options);
    return ok;
}
