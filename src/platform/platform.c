#include "platform.h"

#if defined(__linux__)
#include "posix.c"
#include "linux.c"
#else
#error "no file of src/platform is for this system"
#endif
