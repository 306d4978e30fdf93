/* The implementations of header-only libraries, compiled apart from lethe and with their own warnings. */
#include <math.h>
#include <stdlib.h>
void *memory_need(void *old, size_t size); /* of base */
#define STBIW_MALLOC(size) memory_need(NULL, size)
#define STBIW_REALLOC(old, size) memory_need(old, size)
#define STBIW_FREE free
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>
#define STBTT_malloc(size, context) ((void)(context), memory_need(NULL, size))
#define STBTT_free(at, context) ((void)(context), free(at))
/* lethe draws no distance fields, for which these would come from libm (see build.sh). */
#define STBTT_sqrt(x) sqrt(x)
#define STBTT_pow(x, y) (abort(), (x) + (y))
#define STBTT_cos(x) (abort(), (x))
#define STBTT_acos(x) (abort(), (x))
#define STB_TRUETYPE_IMPLEMENTATION
#include <stb/stb_truetype.h>
#define VOLK_IMPLEMENTATION
#include <volk.h>
