/* leaks: a run that the world lets down gives back all it has taken. For the build with sanitizers, whose leak checker
 * makes a child that leaks end with an exit code of its own. Uses experiment_test.c's tiny model. */
#include "faults/children.h"

#define LEAKS_RUN                                                                                                   \
    "run --quiet --threads 1 --device cpu --model " TINY " --max-length 32 --method full,si --max-steps 3 "         \
    "--train-rows 8 --eval-rows 8 --no-diagnostics --snapshot-seconds 0 --task order=" TINY "order_train.tsv," TINY \
    "order_eval.tsv --task count=" TINY "count_train.tsv," TINY "count_eval.tsv --out " TINY "leaks"

static void test_failures_leak_nothing(void **state)
{
    enum { EACH = 4 };
    static const FaultKind kinds[] = {FAULT_WRITE, FAULT_FSYNC, FAULT_RENAME, FAULT_OPEN, FAULT_MKDIR, FAULT_READ};
    (void)state;
    run_files();
    fine(child_run, LEAKS_RUN);
    const Faults counts = *faults;
    int failed = 0;
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (long at = 1, calls = counts.count[kinds[k]]; at <= calls;
             at += every_failure() || calls < EACH ? 1 : calls / EACH) {
            assert_int_equal(system("rm -rf " TINY "leaks"), 0);
            failed += expect_clear(child(child_run, LEAKS_RUN, kinds[k], at, FAULT_FAIL), fault_names[kinds[k]], at);
        }
    assert_true(failed > EACH);
}

static const struct CMUnitTest leaks_tests[] = {cmocka_unit_test(test_failures_leak_nothing)};
