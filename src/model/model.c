#include "model.h"

#include "config_keys.c"

#include "batch_device.c"
#include "pretrained.c"
#include "relative.c"

#include "workspace.h"  // of the passes:
#include "pool.c"
#include "workspace.c"
#include "linear.c"
#include "norm_first.c"
#include "encoder.c"

#include "labels.c"
#include "layout.c"
#include "peft.c"
