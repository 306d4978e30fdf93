#include "options.h"

#include "option_line.c"
#include "option_value.c"
