/* libFuzzer's entry. The environment variable LETHE_FUZZ names the target; without it all names are printed. */
#define main lethe_main
#include "../../main.c"
#undef main

#include "targets.h"

static FuzzTarget *fuzz_chosen;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *name = getenv("LETHE_FUZZ");
    (void)argc, (void)argv;
    for (size_t i = 0; i < COUNT(fuzz_targets); i++) {
        if (!name) puts(fuzz_targets[i].name);
        if (name && strcmp(fuzz_targets[i].name, name) == 0) fuzz_chosen = fuzz_targets[i].run;
    }
    if (!fuzz_chosen) exit(name ? 2 : 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_one(fuzz_chosen, (Str){(const char *)data, size});
    return 0;
}
