/* The implementations of header-only libraries, compiled apart from lethe and with their own warnings. */
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>
#define STB_TRUETYPE_IMPLEMENTATION
#include <stb/stb_truetype.h>
#define VOLK_IMPLEMENTATION
#include <volk.h>
