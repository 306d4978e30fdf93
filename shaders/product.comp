#version 460
/* OP_gemm: a workgroup computes a tile of BM x BN numbers of c, each thread TM x TN of them in registers, as blocks of
 * 4 x 4 that lie apart, so that neighbouring threads read and write neighbouring vectors. Slices of a and b, BK deep,
 * pass through shared memory, which holds two of each: while one is multiplied, the next is on its way. */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(local_size_x_id = 0) in; /* THREADS */
layout(constant_id = 1) const uint BM = 64; /* these five: multiples of 4 */
layout(constant_id = 2) const uint BN = 64;
layout(constant_id = 3) const uint BK = 16;
layout(constant_id = 4) const uint TM = 4;
layout(constant_id = 5) const uint TN = 4;
layout(constant_id = 6) const bool TA = false; /* a is [k][m] */
layout(constant_id = 7) const bool TB = false; /* b is [n][k] */
layout(constant_id = 8) const bool ALIGNED_IN = false; /* rows that are read along begin at multiples of 16 bytes */
layout(constant_id = 9) const bool ALIGNED_OUT = false; /* so do those of c and gelu */
/* k is cut into so many; c is then [PARTS][more + 1][m][n], and what it holds is to be added up. */
layout(constant_id = 10) const uint PARTS = 1;


const uint THREADS = BM / TM * BN / TN;
const uint ROW_A = BM / 4 + 1, ROW_B = BN / 4 + 1; /* + 1: against bank conflicts */
const uint EACH_A = (BM * BK / 4 + THREADS - 1) / THREADS, EACH_B = (BN * BK / 4 + THREADS - 1) / THREADS;
shared vec4 slice_a[2 * BK * ROW_A]; /* [2][k][m / 4] */
shared vec4 slice_b[2 * BK * ROW_B]; /* [2][k][n / 4] */

/* The numbers i .. i + 3 of row k of op(x), which begins at `from`, 0 beyond the matrix; `along`: they are neighbours in
 * memory. */
vec4 fetch(f32p x, uint from, uint ld, bool along, uint i, uint k, uint width, uint k_end)
{
    vec4 four = vec4(0);
    if (k >= k_end) return four;
    if (along && ALIGNED_IN && i + 3 < width) return f32x4p(x).v[(from + k * ld + i) / 4];
    [[unroll]] for (uint j = 0; j < 4; j++)
        if (i + j < width) four[j] = x.v[from + (along ? k * ld + i + j : (i + j) * ld + k)];
    return four;
}

/* Where vector e of a slice lies: k and i / 4. Threads that are neighbours read what is neighbours in memory. */
uvec2 place(uint e, bool along, uint vectors) { return along ? uvec2(e / vectors, e % vectors) : uvec2(e % BK, e / BK); }

void fetch_slices(uint product, uint m0, uint n0, uint k0, uint k_end, out vec4 next_a[EACH_A], out vec4 next_b[EACH_B])
{
    [[unroll]] for (uint j = 0; j < EACH_A; j++) {
        const uvec2 at = place(gl_LocalInvocationIndex + j * THREADS, TA, BM / 4);
        next_a[j] = fetch(a.a, product * a.stride_a, a.lda, TA, m0 + 4 * at.y, k0 + at.x, a.m, k_end);
    }
    [[unroll]] for (uint j = 0; j < EACH_B; j++) {
        const uvec2 at = place(gl_LocalInvocationIndex + j * THREADS, !TB, BN / 4);
        next_b[j] = fetch(a.b, product * a.stride_b, a.ldb, !TB, n0 + 4 * at.y, k0 + at.x, a.n, k_end);
    }
}

void store_slices(uint buffer_, vec4 next_a[EACH_A], vec4 next_b[EACH_B])
{
    [[unroll]] for (uint j = 0; j < EACH_A; j++) {
        const uint e = gl_LocalInvocationIndex + j * THREADS;
        const uvec2 at = place(e, TA, BM / 4);
        if (e < BM * BK / 4) slice_a[(buffer_ * BK + at.x) * ROW_A + at.y] = next_a[j];
    }
    [[unroll]] for (uint j = 0; j < EACH_B; j++) {
        const uint e = gl_LocalInvocationIndex + j * THREADS;
        const uvec2 at = place(e, !TB, BN / 4);
        if (e < BN * BK / 4) slice_b[(buffer_ * BK + at.x) * ROW_B + at.y] = next_b[j];
    }
}

/* c[m][n .. n + 3] from alpha times the sum. */
void put(uint part, uint product, uint m, uint n, vec4 c)
{
    const uint at = part * (a.more + 1) * a.m * a.n + product * a.stride_c + m * a.ldc + n, count = min(4, a.n - n);
    const bool aligned = ALIGNED_OUT && count == 4;
    vec4 gelu;
    if (a.accumulate != 0 && aligned) {
        c += f32x4p(a.c).v[at / 4];
    } else if (a.accumulate != 0) {
        for (uint j = 0; j < count; j++) c[j] += a.c.v[at + j];
    }
    for (uint j = 0; j < count; j++) {
        if (!IS_NULL(a.bias)) c[j] += a.bias.v[n + j];
        if (!IS_NULL(a.gelu)) gelu[j] = gelu_of(c[j]);
    }
    if (aligned) {
        f32x4p(a.c).v[at / 4] = c;
        if (!IS_NULL(a.gelu)) f32x4p(a.gelu).v[at / 4] = gelu;
    } else {
        for (uint j = 0; j < count; j++) {
            a.c.v[at + j] = c[j];
            if (!IS_NULL(a.gelu)) a.gelu.v[at + j] = gelu[j];
        }
    }
}

void tile(uint m0, uint n0, uint part, uint product)
{
    const uint tx = gl_LocalInvocationIndex % (BN / TN), ty = gl_LocalInvocationIndex / (BN / TN);
    const uint deep = (a.k + PARTS * BK - 1) / (PARTS * BK) * BK, k_begin = part * deep, k_end = min(a.k, k_begin + deep);
    vec4 sum[TM * TN / 4], next_a[EACH_A], next_b[EACH_B];
    [[unroll]] for (uint i = 0; i < TM * TN / 4; i++) sum[i] = vec4(0);
    fetch_slices(product, m0, n0, k_begin, k_end, next_a, next_b);
    store_slices(0, next_a, next_b);
    barrier();
    for (uint k0 = k_begin, now = 0; k0 < k_end; k0 += BK, now = 1 - now) {
        const bool more = k0 + BK < k_end;
        if (more) fetch_slices(product, m0, n0, k0 + BK, k_end, next_a, next_b);
        for (uint k = 0; k < BK; k++) {
            vec4 y[TN / 4];
            [[unroll]] for (uint j = 0; j < TN / 4; j++) y[j] = slice_b[(now * BK + k) * ROW_B + j * (BN / TN) + tx];
            [[unroll]] for (uint i = 0; i < TM / 4; i++) {
                const vec4 x = slice_a[(now * BK + k) * ROW_A + i * (BM / TM) + ty];
                [[unroll]] for (uint r = 0; r < 4; r++)
                    [[unroll]] for (uint j = 0; j < TN / 4; j++) sum[(4 * i + r) * (TN / 4) + j] += x[r] * y[j];
            }
        }
        if (more) store_slices(1 - now, next_a, next_b);
        barrier();
    }
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN / 4; j++) {
            const uint m = m0 + (i / 4 * (BM / TM) + ty) * 4 + i % 4, n = n0 + (j * (BN / TN) + tx) * 4;
            if (m < a.m && n < a.n) put(part, product, m, n, a.alpha * sum[i * (TN / 4) + j]);
        }
}

void main()
{
    const uint high = (a.m + BM - 1) / BM, wide = (a.n + BN - 1) / BN, products = a.more + 1;
    for EACH_GROUP(i, PARTS * products * high * wide) {
        /* Tiles go down bands of 8 rows of tiles: what runs at the same time shares rows and columns in the cache. */
        const uint t = i % (high * wide), which = i / (high * wide), top = t / (8 * wide) * 8, rows = min(8, high - top), in_band = t - top * wide;
        tile((top + in_band % rows) * BM, in_band / rows * BN, which / products, which % products);
    }
}
