#include "command.h"

#include <string.h>

/* lethe devices, and lethe selftest. */

static void devices_print(const char *name, const VulkanInfo *info, Err *err)
{
    Device device;
    *err = (Err){0};
    if (info) printf("%-7s %s\n        %s, %s", name, info->name, info->kind, info->driver);
    if (!device_open(&device, name, 0, err)) {
        printf("\n        cannot be used: %s\n", info && info->missing[0] ? info->missing : err->text);
    } else {
        const DeviceSpeed speed = device_speed(&device);
        if (!info) printf("%-7s %s\n       ", name, device.name);
        printf("%s %.1f GB free, %.0f GFLOPS in matrix products, %.0f GB/s copying\n", info ? "\n       " : "",
               (double)device_memory_bytes(&device) * 1e-9, speed.gflops, speed.gbps);
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
    if (chosen == CHOSE_CPU)
        printf("\n--device auto takes cpu: %s\n", choice.why);
    else
        printf("\n--device auto takes gpu:%d: %s\n", chosen, choice.why);
    return true;
}

static bool selftest_device(const char *name, Err *err)
{
    Device device;
    double worst = 0;
    int cases = 0;
    bool ok = device_open(&device, name, 0, err);
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
        printf("%-7s %s: %d cases of %d ops right, worst normalised mean squared error %.1e\n", name, device.name,
               cases, OP_COUNT, worst);
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
