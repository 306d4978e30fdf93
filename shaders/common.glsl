/* What every shader needs: the arguments of its op, and how work is spread.
 *
 * A file holds a family of ops and is compiled once for each with -DOP_name -DOP=name. The op's struct is the push
 * constant `a`. A file to whose op the engine adds an argument of its own defines that as ENGINE_OWN before it includes
 * this one; vulkan.c's VulkanPush has the same.
 *
 * Work is spread over workgroups by EACH_GROUP or EACH_ELEMENT, with strides of all of the op's workgroups, so that any
 * number of them is right (Vulkan promises no more than 65,535), and so is any cut into several dispatches (one that
 * took too long would be ended by a watchdog). */
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_buffer_reference_uvec2 : require
#include "ops.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
layout(push_constant) uniform Arguments
{
    JOIN(OP, _args) a;
#ifdef ENGINE_OWN
    layout(offset = OP_ARGS_MOST) ENGINE_OWN;
#endif
    layout(offset = OP_ARGS_MOST + 8) uint first_group; /* of the op's workgroups, the first that this dispatch has */
    uint all_groups;
};

/* An f32p whose vectors of four numbers are read at multiples of 16 bytes. */
layout(buffer_reference, std430, buffer_reference_align = 16) buffer f32x4p { vec4 v[]; };

#define IS_NULL(pointer) (uvec2(pointer) == uvec2(0))

/* Mesa's software driver (25.2) reads what all threads read from one place even where a test or the end of a loop keeps
 * them from it: such places must be readable. x, or `other` where x is null. To be read before any test for null, not
 * after it: there a compiler knows the answer and takes x. */
#define READABLE(x, other) mix(uvec2(x), uvec2(other), bvec2(IS_NULL(x)))
/* Number i of x, or `instead` where x is null; `other` has at least i + 1 numbers. */
float optional(f32p x, uint i, f32p other, float instead)
{
    const float number = f32p(READABLE(x, other)).v[i];
    return IS_NULL(x) ? instead : number;
}
uint optional(u32p x, uint i, u32p other, uint instead)
{
    const uint number = u32p(READABLE(x, other)).v[i];
    return IS_NULL(x) ? instead : number;
}

/* ---- Dropout (see ops.h) ---- */

uvec4 philox4x32(uvec4 c, uvec2 key)
{
    [[unroll]] for (int round = 0; round < 10; round++) {
        uint high0, low0, high1, low1;
        umulExtended(0xD2511F53u, c.x, high0, low0);
        umulExtended(0xCD9E8D57u, c.z, high1, low1);
        c = uvec4(high1 ^ c.y ^ key.x, low1, high0 ^ c.w ^ key.y, low0);
        key += uvec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

/* drop * 2^32 rounded up, exactly: drop's mantissa is shifted into place. */
uint drop_threshold(float drop)
{
    const uint bits = floatBitsToUint(drop), mantissa = (bits & 0x7fffffu) | 0x800000u;
    const int shift = int(bits >> 23) - 127 - 23 + 32;
    if (bits == 0) return 0;
    if (shift >= 0) return mantissa << shift;
    if (shift <= -24) return 1;
    return (mantissa + (1u << -shift) - 1) >> -shift;
}

/* 0 or 1 / (1 - drop), for the four columns from `col` on, a multiple of 4. */
vec4 drop_keep4(float drop, uint seed, uint head, uint step, uint site, uint row, uint col)
{
    if (drop == 0) return vec4(1);
    const uvec4 words = philox4x32(uvec4(col / 4, row, step, site), uvec2(seed, DROPOUT_KEY + head));
    return mix(vec4(0), vec4(1 / (1 - drop)), greaterThanEqual(words, uvec4(drop_threshold(drop))));
}

/* ---- Functions ---- */

/* exp, also where it is too small for a normal number: then 0. NaN stays NaN. */
float exp_of(float x) { return x < -87.33654 ? 0 : exp(x); }

/* Phi(x), the normal distribution function. With t = 1 / (1 + 0.225 |x|): Phi(-|x|) / phi(|x|) is t times a polynomial
 * in t, to a relative error of 7e-8 for |x| < 9; the CPU engine uses the same. */
float normal_of(float x, out float density)
{
    const float t = 1 / (1 + 0.225 * abs(x)), e = exp_of(-0.5 * x * x);
    float p = -0.0883772483;
    p = p * t + 0.357363160;
    p = p * t - 0.387836272;
    p = p * t + 0.395571077;
    p = p * t - 0.0787995571;
    p = p * t + 0.128986741;
    p = p * t + 0.0828644553;
    p = p * t + 0.0902276788;
    const float tail = p * t * e;
    density = e * 0.398942280;
    return x > 0 ? 1 - tail : tail;
}

float gelu_of(float x)
{
    float density;
    return x * normal_of(x, density);
}

/* ---- Workgroups of one dimension: GROUP threads, a power of 2, at least 16 ---- */

#ifdef GROUP_ID
layout(local_size_x_id = GROUP_ID) in;
layout(constant_id = GROUP_ID) const uint GROUP = 64;
#elif defined GROUP
layout(local_size_x = GROUP) in;
#endif
#if defined GROUP_ID || defined GROUP

/* Vectors of four neighbouring numbers. 0: they are moved number by number. 1: they lie at multiples of 16 bytes.
 * 2: and none reaches over the end of its row. */
layout(constant_id = 0) const uint ALIGNED = 0;

/* The numbers c .. c + 3 of a row of `cols` numbers that begins at x.v[from]; 0 after its end. */
vec4 load4(f32p x, uint from, uint c, uint cols)
{
    if (ALIGNED == 2 || ALIGNED == 1 && c + 3 < cols) return f32x4p(x).v[(from + c) / 4];
    vec4 four = vec4(0);
    [[unroll]] for (uint i = 0; i < 4; i++)
        if (c + i < cols) four[i] = x.v[from + c + i];
    return four;
}

void store4(f32p x, uint from, uint c, uint cols, vec4 four)
{
    if (ALIGNED == 2 || ALIGNED == 1 && c + 3 < cols) f32x4p(x).v[(from + c) / 4] = four;
    else
        [[unroll]] for (uint i = 0; i < 4; i++)
            if (c + i < cols) x.v[from + c + i] = four[i];
}

/* ---- Sums over a workgroup, in a fixed order ---- */

shared vec2 group_numbers[GROUP], group_parts[16];

vec2 group_sum(vec2 x)
{
    const uint t = gl_LocalInvocationIndex;
    group_numbers[t] = x;
    barrier();
    if (t < 16) {
        for (uint i = t + 16; i < GROUP; i += 16) x += group_numbers[i];
        group_parts[t] = x;
    }
    barrier();
    vec2 sum = group_parts[0];
    [[unroll]] for (uint i = 1; i < 16; i++) sum += group_parts[i];
    return sum;
}

/* NaN counts as larger than all: the sum of exponentials then carries it on. */
float group_largest(float x)
{
    const uint t = gl_LocalInvocationIndex;
    group_numbers[t].x = x;
    for (uint half_size = GROUP / 2; half_size > 0; half_size /= 2) {
        barrier();
        if (t < half_size && !(group_numbers[t].x >= group_numbers[t + half_size].x))
            group_numbers[t].x = group_numbers[t + half_size].x;
    }
    barrier();
    const float largest = group_numbers[0].x;
    barrier();
    return largest;
}
#endif

#define EACH_GROUP(i, n) (uint i = first_group + gl_WorkGroupID.x; i < (n); i += all_groups)
#define EACH_ELEMENT(i, n) \
    (uint i = (first_group + gl_WorkGroupID.x) * GROUP + gl_LocalInvocationIndex; i < (n); i += all_groups * GROUP)
#define EACH_LANE(i, n) (uint i = gl_LocalInvocationIndex; i < (n); i += GROUP)
/* The first of each four of n numbers. Four rounds are laid out, so that their reads are on the way together. */
#define EACH_FOUR(c, n) \
    (uint from_##c = 4 * gl_LocalInvocationIndex; from_##c < (n); from_##c += 16 * GROUP) \
        [[unroll]] for (uint k_##c = 0, c = from_##c; k_##c < 4; k_##c++, c += 4 * GROUP) if (c < (n))
