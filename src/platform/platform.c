#include "platform.h"

#if defined(__linux__)
#include "posix.c"
#include "linux.c"
#elif defined(__APPLE__)
#include "posix.c"
#include "macos.c"
#elif defined(_WIN32)
#include "windows.c"
#include "windows_process.c"
#include "windows_machine.c"
#else
#error "no file of src/platform is for this system"
#endif
