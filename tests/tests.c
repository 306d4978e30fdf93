/* All tests in one program: the whole of lethe, then a file for each layer. Built twice: with sanitizers for the
 * layers, and optimised (LETHE_TESTS_FAST) for the long ones: goldens, real data, the command line. An argument runs
 * only the groups whose name contains it, -NAME all others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* cmocka's macro; base has a function of this name */

#define main lethe_main
#define LETHE_CHECK_INDICES
#include "../main.c"
#undef main

#include "tests.h"
#include "report_data.h"

#ifdef LETHE_TESTS_FAST
#include "gradients_test.c"
#include "sentences_test.c"
#include "vulkan_layer.c"
#include "golden_test.c"
#include "bits_test.c"
#include "tokenizer_golden_test.c"
#include "command_test.c"
#include "manners_test.c"
#include "serve_test.c"
#include "completion_test.c"
#include "resume_test.c"
#include "composition_test.c"
#include "adding_test.c"
#include "asked_test.c"
#include "interchange_command_test.c"
#include "traps_test.c"
#include "vulkan_test.c"
#include "charts_test.c"
#include "captions_test.c"
#include "page_test.c"
#include "vulkan_failure_test.c"
#else
#include "platform_test.c"
#include "base_test.c"
#include "words_test.c"
#include "files_test.c"
#include "text_test.c"
#include "device_test.c"
#include "model_test.c"
#include "importance_test.c"
#include "strategy_test.c"
#include "strategy_golden_test.c"
#include "choice_test.c"
#include "measures_test.c"
#include "classes_test.c"
#include "load_test.c"
#include "verdict_test.c"
#include "experiment_test.c"
#include "leaks_test.c"
#include "report_test.c"
#include "papers_test.c"
#include "fuzz_test.c"
#include "interchange_test.c"
#include "limits_test.c"
#include "rows_test.c"
#include "glue_test.c"
#include "options_test.c"
#endif

#define GROUP(name)                              \
    {                                            \
#name, name##_tests, COUNT(name##_tests) \
    }
static const struct {
    const char *name;
    const struct CMUnitTest *tests;
    size_t count;
} groups[] = {
#ifdef LETHE_TESTS_FAST
    /* First what forks: a child hangs in a graphics driver whose threads its parent has started. */
    GROUP(resume),   GROUP(faults),     GROUP(composition),     GROUP(adding),           GROUP(asked),
    GROUP(golden),   GROUP(command),    GROUP(manners),         GROUP(tokenizer_golden), GROUP(interchange_command),
    GROUP(traps),    GROUP(vulkan_ops), GROUP(vulkan_training), GROUP(vulkan_failure),   GROUP(charts),
    GROUP(page),     GROUP(bits),       GROUP(completion),      GROUP(gradients),        GROUP(sentences),
    GROUP(captions), GROUP(serve),
#else
    GROUP(base),       GROUP(words),       GROUP(files),
    GROUP(text),       GROUP(device),      GROUP(model),
    GROUP(importance), GROUP(strategy),    GROUP(strategy_golden),
    GROUP(choice),     GROUP(measures),    GROUP(load),
    GROUP(verdict),    GROUP(report),      GROUP(fuzz),
    GROUP(experiment), GROUP(interchange), GROUP(limits),
    GROUP(leaks),      GROUP(rows),        GROUP(glue),
    GROUP(platform),   GROUP(options),     GROUP(classes),
    GROUP(papers),
#endif
};

#ifdef __SANITIZE_ADDRESS__
/* gcc 13 aligns frames that are kept after their return to less than AVX-512 needs (gcc bug 110027). */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_stack_use_after_return=0"; }
#endif

int main(int argc, char **argv)
{
    int failed = 0;
    if (argc > 1 && strcmp(argv[1], TRIAL_WORD) == 0) return lethe_main(argc, argv);
#ifndef LETHE_TESTS_FAST
    if (argc > 1 && strcmp(argv[1], PLATFORM_CHILD) == 0) return platform_child(argc, argv);
    setenv("VK_DRIVER_FILES", "/dev/null", true); /* graphics drivers leak, and the leak checker would tell of it */
#endif
    const char *word = argc < 2 ? "" : argv[1];
    const bool others = word[0] == '-';
    for (size_t i = 0; i < COUNT(groups); i++)
        if (!strstr(groups[i].name, word + others) == others)
            failed += _cmocka_run_group_tests(groups[i].name, groups[i].tests, groups[i].count, NULL, NULL);
    return failed != 0;
}
