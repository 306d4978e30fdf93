/* The compiled shaders that build.sh left in build/shaders, as one object, compiled apart from lethe from the root of
 * the sources. */
#include "vulkan.h"

#define EMBED(op)                                         \
    extern const char shader_##op[], shader_##op##_end[]; \
    __asm__(".section .rodata\n"                          \
            ".balign 4\n"                                 \
            "shader_" #op ":\n"                           \
            ".incbin \"build/shaders/" #op ".spv\"\n"     \
            "shader_" #op "_end:\n"                       \
            ".previous\n");
OPS(EMBED)

#define ROW(op) {shader_##op, shader_##op##_end},
const VulkanShader vulkan_shaders[OP_COUNT] = {OPS(ROW)};
