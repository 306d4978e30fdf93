#version 460
/* OP_gemm: a workgroup computes a tile of BM x BN numbers of c, each thread TM x TN of them in registers; slices of a and b,
 * BK deep, pass through shared memory. */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(local_size_x_id = 0) in; /* BM / TM * BN / TN */
layout(constant_id = 1) const uint BM = 64;
layout(constant_id = 2) const uint BN = 64;
layout(constant_id = 3) const uint BK = 16;
layout(constant_id = 4) const uint TM = 4;
layout(constant_id = 5) const uint TN = 4;
layout(constant_id = 6) const bool TA = false; /* a is [k][m] */
layout(constant_id = 7) const bool TB = false; /* b is [n][k] */
layout(constant_id = 8) const bool VECTORS = false; /* rows of a and b begin at multiples of 16 bytes */

layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer f32x4p { vec4 v[]; };

const uint LDA = BM + 4, LDB = BN + 4; /* against bank conflicts */
shared float slice_a[BK * LDA]; /* [k][m] */
shared float slice_b[BK * LDB]; /* [k][n] */

/* What lies beyond the matrix is 0. */
void load_a(uint m0, uint k0)
{
    const uint threads = gl_WorkGroupSize.x, t = gl_LocalInvocationIndex;
    if (VECTORS) {
        [[unroll]] for (uint e = t; e < BM * BK / 4; e += threads) {
            const uint i = TA ? e % (BM / 4) * 4 : e / (BK / 4), k = TA ? e / (BM / 4) : e % (BK / 4) * 4;
            const uint row = TA ? k0 + k : m0 + i, col = TA ? m0 + i : k0 + k, rows = TA ? a.k : a.m, cols = TA ? a.m : a.k;
            vec4 x = vec4(0);
            if (row < rows && col + 3 < cols)
                x = f32x4p(a.a).v[(row * a.lda + col) / 4];
            else if (row < rows)
                for (uint j = 0; j < 4 && col + j < cols; j++) x[j] = a.a.v[row * a.lda + col + j];
            [[unroll]] for (uint j = 0; j < 4; j++)
                if (TA) slice_a[k * LDA + i + j] = x[j];
                else slice_a[(k + j) * LDA + i] = x[j];
        }
    } else {
        [[unroll]] for (uint e = t; e < BM * BK; e += threads) {
            const uint i = TA ? e % BM : e / BK, k = TA ? e / BM : e % BK;
            const bool inside = m0 + i < a.m && k0 + k < a.k;
            slice_a[k * LDA + i] = inside ? a.a.v[TA ? (k0 + k) * a.lda + m0 + i : (m0 + i) * a.lda + k0 + k] : 0;
        }
    }
}

void load_b(uint n0, uint k0)
{
    const uint threads = gl_WorkGroupSize.x, t = gl_LocalInvocationIndex;
    if (VECTORS) {
        [[unroll]] for (uint e = t; e < BN * BK / 4; e += threads) {
            const uint i = TB ? e / (BK / 4) : e % (BN / 4) * 4, k = TB ? e % (BK / 4) * 4 : e / (BN / 4);
            const uint row = TB ? n0 + i : k0 + k, col = TB ? k0 + k : n0 + i, rows = TB ? a.n : a.k, cols = TB ? a.k : a.n;
            vec4 x = vec4(0);
            if (row < rows && col + 3 < cols)
                x = f32x4p(a.b).v[(row * a.ldb + col) / 4];
            else if (row < rows)
                for (uint j = 0; j < 4 && col + j < cols; j++) x[j] = a.b.v[row * a.ldb + col + j];
            [[unroll]] for (uint j = 0; j < 4; j++)
                if (TB) slice_b[(k + j) * LDB + i] = x[j];
                else slice_b[k * LDB + i + j] = x[j];
        }
    } else {
        [[unroll]] for (uint e = t; e < BN * BK; e += threads) {
            const uint i = TB ? e / BK : e % BN, k = TB ? e % BK : e / BN;
            const bool inside = n0 + i < a.n && k0 + k < a.k;
            slice_b[k * LDB + i] = inside ? a.b.v[TB ? (n0 + i) * a.ldb + k0 + k : (k0 + k) * a.ldb + n0 + i] : 0;
        }
    }
}

void tile(uint m0, uint n0)
{
    const uint t = gl_LocalInvocationIndex, tx = t % (BN / TN), ty = t / (BN / TN);
    float sum[TM * TN];
    [[unroll]] for (uint i = 0; i < TM * TN; i++) sum[i] = 0;
    for (uint k0 = 0; k0 < a.k; k0 += BK) {
        load_a(m0, k0);
        load_b(n0, k0);
        barrier();
        for (uint k = 0; k < BK; k++) {
            float x[TM];
            [[unroll]] for (uint i = 0; i < TM; i++) x[i] = slice_a[k * LDA + ty * TM + i];
            [[unroll]] for (uint j = 0; j < TN; j++) {
                const float y = slice_b[k * LDB + tx + j * (BN / TN)];
                [[unroll]] for (uint i = 0; i < TM; i++) sum[i * TN + j] += x[i] * y;
            }
        }
        barrier();
    }
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++) {
            const uint m = m0 + ty * TM + i, n = n0 + tx + j * (BN / TN), at = m * a.ldc + n;
            if (m >= a.m || n >= a.n) continue;
            float c = a.k > 0 ? a.alpha * sum[i * TN + j] : 0;
            if (!IS_NULL(a.bias)) c += a.bias.v[n];
            if (a.accumulate != 0) c += a.c.v[at];
            a.c.v[at] = c;
            if (!IS_NULL(a.gelu)) a.gelu.v[at] = gelu_of(c);
        }
}

void main()
{
    for (uint y = gl_WorkGroupID.y; y < (a.m + BM - 1) / BM; y += gl_NumWorkGroups.y)
        for (uint x = gl_WorkGroupID.x; x < (a.n + BN - 1) / BN; x += gl_NumWorkGroups.x) tile(y * BM, x * BN);
}
