/* How this program was built. Compiled apart from lethe: a new commit compiles this file alone anew. The build writes
 * about_facts.h: LETHE_COMMIT, LETHE_TARGET, LETHE_COMPILER, and the versions of stb, which no macro of theirs has. */
#include "about.h"

#include <jansson.h>
#include <utf8proc.h>
#include <volk.h>
#include <zstd.h>

#include "about_facts.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

#define ABOUT_JANSSON "jansson " JANSSON_VERSION
#define ABOUT_UTF8PROC \
    "utf8proc " TEXT(UTF8PROC_VERSION_MAJOR) "." TEXT(UTF8PROC_VERSION_MINOR) "." TEXT(UTF8PROC_VERSION_PATCH)
#define ABOUT_STB "stb_image_write " LETHE_STB_IMAGE_WRITE ", stb_truetype " LETHE_STB_TRUETYPE

const char about_build[] = "commit: " LETHE_COMMIT "\n"
                           "target: " LETHE_TARGET "\n"
                           "compiler: " LETHE_COMPILER "\n"
                           "libraries: " ABOUT_JANSSON ", " ABOUT_UTF8PROC ", zstd " ZSTD_VERSION_STRING ", " ABOUT_STB
                           ", volk " TEXT(VOLK_HEADER_VERSION) ", Vulkan headers " TEXT(VK_HEADER_VERSION) "\n";
