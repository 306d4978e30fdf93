/* The compiled shaders that build.sh left in build/shaders, as one object, compiled apart from lethe from the root of
 * the sources. */
#include "vulkan.h"

#define EMBED(op) EMBED_FILE(shader_##op, "build/shaders/" #op ".spv")
OPS(EMBED)

#define ROW(op) EMBEDDED(shader_##op),
const Embedded vulkan_shaders[OP_COUNT] = {OPS(ROW)};
