#include "model.h"

#include "keys.c"

#include "batch_device.c"
#include "checkpoint.c"
#include "encoder.c"
#include "labels.c"
#include "layout.c"
#include "peft.c"
