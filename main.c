/* lethe: fine-tunes a text encoder on one task after another and shows what it forgets.
 *
 * This file is the table of contents. The program is one translation unit: every layer is included here, bottom-up, its
 * header before its sources, so a layer can only use what stands above it in this list. */
#define LETHE_VERSION "0.1"

#include "src/platform/platform.h"  // the operating system: files, locks, threads, signals, the terminal
#include "src/platform/platform.c"
#include "src/base/base.h"  // errors, arenas, strings, UTF-8, random numbers, the pool of threads
#include "src/base/base.c"
#include "src/measures/measures.h"  // how sure an accuracy is, whether a change is chance, what was forgotten
#include "src/measures/measures.c"
#include "src/words/words.h"  // numbers and words for people; progress
#include "src/words/words.c"
#include "src/files/files.h"  // whole files, zstd, safetensors, tables, JSON
#include "src/files/files.c"
#include "src/family/family.h"  // what differs between encoder families, a row each
#include "src/family/family.c"
#include "src/options/options.h"  // a row for each option of the command line
#include "src/options/options.c"
#include "src/text/text.h"  // tokenizers; rows -> examples -> packed batches
#include "src/text/text.c"
#include "src/device/device.h"  // the op list and the engine that runs it
#include "src/device/device.c"
#include "src/model/model.h"  // encoder, heads, LoRA: forward and backward
#include "src/model/model.c"
#include "src/train/train.h"  // the training loop and evaluation
#include "src/train/train.c"
#include "src/saved/saved.h"  // models on disk: checkpoints, what runs keep, classifiers
#include "src/saved/saved.c"
#include "src/strategy/strategy.h"  // the methods that are compared
#include "src/strategy/strategy.c"
#include "src/experiment/experiment.h"  // the plan and the run
#include "src/experiment/experiment.c"
#include "src/report/report.h"  // table and charts, from results.jsonl
#include "src/report/report.c"
#include "src/serve/serve.h"  // runs in the browser
#include "src/serve/serve.c"
#include "src/command/command.h"  // one file for each subcommand
#include "src/command/command.c"

typedef struct MainCall {
    int argc;
    char **argv;
    Err err;
} MainCall;

static void main_call(void *context)
{
    MainCall *call = context;
    if (!command_dispatch(call->argc, call->argv, &call->err)) fprintf(stderr, "lethe: %s\n", call->err.text);
}

int main(int argc, char **argv)
{
    MainCall call = {.argc = argc};
    sys_start();
    call.argv = sys_arguments(&call.argc, argv);
    interrupt_install();
    json_start();
    stack_run(main_call, &call);
    return call.err.code;
}
