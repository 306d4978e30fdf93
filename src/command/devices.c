#include "command.h"

#include <stdlib.h>
#include <string.h>

/* lethe devices, lethe selftest, and lethe bench of ops. */

static void devices_print(const char *name, const VulkanInfo *info)
{
    Arena arena = {0};
    DeviceTrial trial;
    device_try(name, 0, &trial);
    printf("%-7s %s\n", name, info ? info->name : trial.name);
    if (info) {
        printf("        %s, driver %s\n", info->kind, info->driver);
        printf("        ");
        if (info->processors) printf("%u processors, ", info->processors);
        printf("workgroups of %u threads and %u KiB; %s an allocation\n", info->group_threads, info->group_bytes / 1024,
               format_gigabytes(&arena, (double)info->largest_bytes, 1));
    }
    if (trial.err.code) {
        printf("        cannot be used: %s\n", info && info->missing[0] ? info->missing : trial.err.text);
        arena_free(&arena);
        return;
    }
    printf("        memory: ");
    if (info) printf("%s, of which ", format_gigabytes(&arena, (double)info->memory_bytes, 1));
    printf("%s are free%s\n", format_gigabytes(&arena, (double)trial.memory_bytes, 1),
           info && !info->free_bytes ? " (a guess: the driver does not say)" : "");
    printf("        %s GFLOPS in matrix products, %s GB/s copying\n", format_decimal(&arena, trial.speed.gflops, 0),
           format_decimal(&arena, trial.speed.gbps, 0));
    arena_free(&arena);
}

static bool command_devices(int argc, char **argv, Err *err)
{
    if (argc > 1) return fail_usage(err, "%s: unexpected argument; see lethe help devices", str_show(str(argv[1])));
    DeviceList list;
    char name[16];
    CpuEngine cpu;
    if (!cpu_choose(&cpu, err)) return false;
    devices_list(&list);
    devices_print("cpu", NULL);
    for (int i = 0; i < list.count; i++) {
        snprintf(name, sizeof name, "gpu:%d", i);
        devices_print(name, &list.info[i]);
    }
    if (!list.count) printf("no gpu  %s\n", list.why);
    DeviceChoice choice;
    const int chosen = choose_fastest(processors_available(), &choice);
    snprintf(name, sizeof name, chosen == CHOSE_CPU ? "cpu" : "gpu:%d", chosen);
    printf("\n--device auto takes %s: %s\n", name, choice.why);
    const char *override = getenv("LETHE_DEVICE");
    if (override && *override) printf("LETHE_DEVICE is set: %s is taken instead\n", str_show(str(override)));
    if (cpu_word()) printf("LETHE_CPU is set: the CPU computes with %s\n", cpu.name);
    return true;
}

static bool selftest_device(const char *name, Err *err)
{
    DeviceTest test;
    device_test(name, &test);
    *err = test.err;
    if (err->code) return false;
    Arena scratch = {0};
    printf("%-7s %s: %d cases of %d ops right, worst normalised mean squared error %s; opened in %s\n", name, test.name,
           test.cases, OP_COUNT, format_exponent(&scratch, test.worst), format_duration(&scratch, test.opened_seconds));
    arena_free(&scratch);
    return true;
}

static bool command_selftest(int argc, char **argv, Err *err)
{
    if (argc > 1) return fail_usage(err, "%s: unexpected argument; see lethe help selftest", str_show(str(argv[1])));
    DeviceList list;
    char name[16];
    devices_list(&list);
    bool ok = selftest_device("cpu", err);
    for (int i = 0; i < list.count && ok; i++) {
        snprintf(name, sizeof name, "gpu:%d", i);
        if (list.info[i].missing[0])
            printf("%-7s %s: not tested: %s\n", name, list.info[i].name, list.info[i].missing);
        else
            ok = selftest_device(name, err);
    }
    if (!list.count) printf("no gpu  %s\n", list.why);
    return ok;
}

/* lethe bench ops|gemm [--device NAME] [--threads N] */
static bool bench_ops(const char *word, int argc, char **argv, Err *err)
{
    static const char *const names[] = {"device", "threads"}; /* of the options of a run */
    Arena arena = {0};
    OptionRows rows = {0};
    Plan plan = {0};
    json_t *given = json_object();
    Device device = {0};
    for (size_t i = 0; i < COUNT(names); i++) option_rows_add(&rows, option_find(run_options(), names[i]), 1);
    const bool ok = options_parse(&rows, argc, argv, 0, given, NULL, err) &&
                    options_set(&rows, given, &plan, &arena, err) &&
                    device_open(&device, plan.device, plan.threads, err) &&
                    perf_ops(&device, strcmp(word, "gemm") == 0 ? "gemm" : NULL, err);
    device_close(&device);
    json_decref(given);
    arena_free(&arena);
    return ok;
}
