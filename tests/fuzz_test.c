/* A short pass of every fuzz target without a fuzzer: the seeds in tests/fuzz/NAME, each as it is, cut short, and with
 * damage that is the same in every run. `./build.sh fuzz` searches further. */
#include <dirent.h>

#include "fuzz/targets.h"

enum { FUZZ_DAMAGES = 300 };

static uint32_t fuzz_random(uint64_t stream, uint32_t index, uint32_t below)
{
    const uint32_t counter[4] = {index, (uint32_t)stream, (uint32_t)(stream >> 32), 0}, key[2] = {1, 2};
    uint32_t out[4];
    philox4x32(counter, key, out);
    return (uint32_t)((uint64_t)out[0] * below >> 32);
}

/* A copy with a few bytes overwritten, removed, or repeated, in a block of its own size, so that the sanitizer sees a
 * read past its end. */
static char *fuzz_damage(Str seed, uint64_t stream, size_t *size)
{
    static const char bytes[] = "\0\xff\x80\n\t\"{}[]:,-0 19\\";
    char *copy = malloc(2 * seed.size + 1);
    memcpy(copy, seed.at, *size = seed.size);
    for (uint32_t k = 0, i = 0, changes = 1 + fuzz_random(stream, i++, 4); k < changes && *size; k++) {
        const size_t at = fuzz_random(stream, i++, (uint32_t)*size),
                     some = 1 + fuzz_random(stream, i++, (uint32_t)(*size - at));
        const uint32_t kind = fuzz_random(stream, i++, 5);
        if (kind == 0) {
            memmove(copy + at, copy + at + some, *size - at - some);
            *size -= some;
        } else if (kind == 1 && *size + some <= 2 * seed.size) {
            memmove(copy + at + some, copy + at, *size - at);
            *size += some;
        } else if (kind == 2) {
            copy[at] = (char)fuzz_random(stream, i++, 256);
        } else {
            copy[at] = bytes[fuzz_random(stream, i++, sizeof bytes - 1)];
        }
    }
    return realloc(copy, *size ? *size : 1);
}

static void test_every_target(void **state)
{
    (void)state;
    size_t inputs = 0;
    for (size_t t = 0; t < COUNT(fuzz_targets); t++) {
        Arena arena = {0};
        Err err = {0};
        DIR *folder = opendir(arena_printf(&arena, "tests/fuzz/%s", fuzz_targets[t].name));
        size_t seeds = 0;
        if (!folder) fail_msg("tests/fuzz/%s: no seeds", fuzz_targets[t].name);
        for (struct dirent *entry; (entry = readdir(folder));) {
            /* no ".zst" is expanded here: the name keeps file_read from it */
            const char *path = arena_printf(&arena, "tests/fuzz/%s/%s", fuzz_targets[t].name, entry->d_name);
            Str seed;
            if (entry->d_name[0] == '.') continue;
            if (!file_read(&arena, path, 1 << 20, &seed, &err)) fail_msg("%s", err.text);
            seeds++;
            for (uint32_t d = 0; d < FUZZ_DAMAGES; d++, inputs++) {
                size_t size = d ? 0 : seed.size;
                char *bytes = d ? fuzz_damage(seed, (uint64_t)seed.size << 32 | d, &size)
                                : memcpy(malloc(size + 1), seed.at, size);
                fuzz_one(fuzz_targets[t].run, (Str){bytes, size});
                free(bytes);
            }
        }
        closedir(folder);
        assert_true(seeds > 0);
        arena_free(&arena);
    }
    print_message("%zu inputs\n", inputs);
}

static const struct CMUnitTest fuzz_tests[] = {cmocka_unit_test(test_every_target)};
