#include "device.h"

#include "ops.c"  // the ops as data
#include "cpu/cpu.c"
#include "vulkan/vulkan.c"
#include "check.c"  // ranges of indices, in tests
#include "cases.c"  // arguments for every op: what self-test and tests run
#include "cases_model.c"
#include "cases_attention.c"
#include "cases_training.c"
#include "selftest.c"
#include "trial.c"   // what a device can do, in a process of its own
#include "choose.c"  // which one "auto" takes
#include "perf.c"
#include "engines.c"
