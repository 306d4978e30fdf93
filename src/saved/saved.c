#include "saved.h"

#include "source.c"        // pretrained models
#include "saved_models.c"  // OUT/models
#include "classifier.c"    // models that label rows
