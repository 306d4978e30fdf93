#include "experiment.h"

#include "journal.c"        // the files of OUT while a run writes them
#include "journal_whole.c"  // whether they are those that it wrote
#include "journal_order.c"  // and when it was added to
#include "state.h"          // what a run holds in memory

#include "load.c"      // tasks, tokenizer and weights
#include "training.c"  // what a method trains; events
#include "shared.c"    // trainings that methods have in common
#include "evaluations.c"
#include "snapshots.c"  // OUT/snapshots: trainings that go on
#include "row_outcomes.c"
#include "probe.c"
#include "diagnose.c"
#include "keep_models.c"  // OUT/models, OUT/epochs
#include "outlook.c"      // what a run says of itself while it goes on
#include "method.c"       // one method with one seed
#include "run_options.c"
#include "adding.c"    // a plan beside the run that OUT holds
#include "describe.c"  // a plan in words and events; what it needs
#include "whole_run.c"
#include "bench.c"
