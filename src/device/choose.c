#include "choose.h"

#include "trial.h"

/* Which device "auto" and "gpu" take. */

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
    CpuEngine cpu;
    if (!cpu_choose(&cpu, &(Err){0})) return NULL;
    char *key = arena_printf(arena, "lethe %s\n%s %d\n", LETHE_VERSION, cpu.name, threads);
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
        snprintf(best.why, sizeof best.why, "the fastest, %s GFLOPS in a trial", format_decimal(&arena, fastest, 0));
        if (path)
            file_write(path, str(best.number == CHOSE_CPU ? "c" : arena_printf(&arena, "g%d", best.number)), &ignored);
    }
    arena_free(&arena);
    if (choice) *choice = best;
    return best.number;
}
