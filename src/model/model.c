#include "model.h"

#include "batch_device.c"
#include "checkpoint.c"
#include "encoder.c"
#include "layout.c"
