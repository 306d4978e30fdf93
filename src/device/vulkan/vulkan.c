#include "vulkan.h"

#include "ranges.c"          // what an op reads and writes: barriers follow from it
#include "grids.c"           // how many workgroups an op takes
#include "commands.c"        // memory, recorded commands
#include "pipeline_cache.c"  // compiled pipelines on the disk
#include "open.c"            // finding, opening and closing devices
