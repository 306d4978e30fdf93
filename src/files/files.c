#include "files.h"

#include "file.c"
#include "sha256.c"
#include "zstd.c"
#include "json.c"
#include "safetensors.c"
#include "table.c"
#include "examples.c"
