#version 460
/* OP_gemm_importance: a workgroup computes a tile of TILE x TILE numbers of c, each thread EACH x EACH of them, as the
 * products of product.comp are made; the rows of an example end a slice, so that its sum is known by itself. */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

#define TILE 64
#define SLICE 16
#define EACH 4
#define THREADS (TILE / EACH)
layout(local_size_x = THREADS * THREADS) in;
shared float slice_a[SLICE * TILE], slice_b[SLICE * TILE]; /* [row][column] */

/* What lies beyond the example or the matrix is 0. */
void load(uint from, uint to, uint m0, uint n0)
{
    for (uint x = gl_LocalInvocationIndex; x < SLICE * TILE; x += THREADS * THREADS) {
        const uint r = from + x / TILE, m = m0 + x % TILE, n = n0 + x % TILE;
        slice_a[x] = r < to && m < a.m ? a.a.v[r * a.lda + m] : 0;
        slice_b[x] = r < to && n < a.n ? a.b.v[r * a.ldb + n] : 0;
    }
}

void tile(uint m0, uint n0)
{
    const uint tx = gl_LocalInvocationIndex % THREADS, ty = gl_LocalInvocationIndex / THREADS;
    float total[EACH * EACH], sum[EACH * EACH];
    [[unroll]] for (uint i = 0; i < EACH * EACH; i++) total[i] = 0;
    for (uint e = 0; e < a.examples; e++) {
        const uint end = a.offsets.v[e + 1];
        [[unroll]] for (uint i = 0; i < EACH * EACH; i++) sum[i] = 0;
        for (uint from = a.offsets.v[e]; from < end; from += SLICE) {
            load(from, end, m0, n0);
            barrier();
            for (uint k = 0; k < SLICE; k++) {
                float x[EACH];
                [[unroll]] for (uint i = 0; i < EACH; i++) x[i] = slice_a[k * TILE + ty * EACH + i];
                [[unroll]] for (uint j = 0; j < EACH; j++) {
                    const float y = slice_b[k * TILE + tx + j * THREADS];
                    [[unroll]] for (uint i = 0; i < EACH; i++) sum[i * EACH + j] += x[i] * y;
                }
            }
            barrier();
        }
        [[unroll]] for (uint i = 0; i < EACH * EACH; i++) total[i] += a.power == 1 ? abs(sum[i]) : sum[i] * sum[i];
    }
    [[unroll]] for (uint i = 0; i < EACH; i++)
        [[unroll]] for (uint j = 0; j < EACH; j++) {
            const uint m = m0 + ty * EACH + i, n = n0 + tx + j * THREADS;
            if (m < a.m && n < a.n) a.c.v[m * a.ldc + n] += a.scale * total[i * EACH + j];
        }
}

void main()
{
    for (uint y = gl_WorkGroupID.y; y < (a.m + TILE - 1) / TILE; y += gl_NumWorkGroups.y)
        for (uint x = gl_WorkGroupID.x; x < (a.n + TILE - 1) / TILE; x += gl_NumWorkGroups.x) tile(y * TILE, x * TILE);
}
