#version 460
/* OP_gemm: a workgroup computes a tile of BM x BN numbers of c, each thread TM x TN of them in registers, as blocks of
 * 4 x 4 that lie apart, so that neighbouring threads read and write neighbouring vectors. Slices of a and b, BK deep,
 * pass through shared memory, which holds two of each: while one is multiplied, the next is on its way. */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(local_size_x_id = 0) in; /* THREADS */
layout(constant_id = 1) const uint BM = 64; /* these three: powers of 2 from 8 on, BM and BN from 64 on where T is 8 */
layout(constant_id = 2) const uint BN = 64;
layout(constant_id = 3) const uint BK = 16;
layout(constant_id = 4) const uint TM = 4; /* 4 or 8 */
layout(constant_id = 5) const uint TN = 4;
layout(constant_id = 6) const bool TA = false; /* a is [k][m] */
layout(constant_id = 7) const bool TB = false; /* b is [n][k] */
layout(constant_id = 8) const bool ALIGNED_IN = false; /* rows that are read along are whole vectors of 16 bytes */
layout(constant_id = 9) const bool ALIGNED_OUT = false; /* rows of c and gelu begin at multiples of 16 bytes */
/* k is cut into so many; c is then [PARTS][more + 1][m][n], and what it holds is to be added up. */
layout(constant_id = 10) const uint PARTS = 1;

const uint WIDE = BN / TN, THREADS = BM / TM * WIDE;
const uint ROW_A = BM / 4, ROW_B = BN / 4;
const uint FOURS_A = BM * BK / 4, FOURS_B = BN * BK / 4; /* of a slice; at most four for each thread */
shared vec4 slice_a[2 * BK * ROW_A]; /* [2][k][m / 4] */
shared vec4 slice_b[2 * BK * ROW_B]; /* [2][k][n / 4] */

/* Vector i of row k of a slice lies where this says: one column is written by neighbouring threads, and so its rows lie in
 * different banks. */
#define BANK(i, k, row) ((i) ^ ((k) & (min(row, 8) - 1)))

/* Where the e-th four numbers of a slice begin: k and i, the row or column of c. The four are neighbours in i. Threads
 * that are neighbours read what is neighbours in memory: along i or along k. */
uvec2 place(uint e, bool along, uint block)
{
    return along ? uvec2(e / (block / 4), e % (block / 4) * 4) : uvec2(e % BK, e / BK * 4);
}

/* These four of op(x), 0 behind k_end. Behind the last i they may be any: they stay in rows and columns of c that are not
 * stored. */
vec4 fetch(f32p x, uint from, uint ld, bool along, uint k, uint i, uint k_end, uint width)
{
    if (k >= k_end) return vec4(0);
    if (along && ALIGNED_IN) return f32x4p(x).v[(from + k * ld + min(i, width - 4)) / 4];
    const uint far = along ? 1 : ld;
    from += along ? k * ld : k;
    return vec4(x.v[from + min(i, width - 1) * far], x.v[from + min(i + 1, width - 1) * far],
                x.v[from + min(i + 2, width - 1) * far], x.v[from + min(i + 3, width - 1) * far]);
}

/* Four vectors are a mat4, and all indices into them are written out, so that they stay in registers whatever loops a
 * compiler unrolls. */
#define FOUR_TIMES(DO) DO(0) DO(1) DO(2) DO(3)

/* The thread's j-th four of a slice, from the matrix and to shared memory. */
#define FETCH(j, next, fours, matrix, from, ld, along, block, i0, width)                  \
    if (j * THREADS < fours) {                                                            \
        const uvec2 at = place(gl_LocalInvocationIndex + j * THREADS, along, block);      \
        next[j] = fetch(matrix, from, ld, along, k0 + at.x, i0 + at.y, k_end, width);     \
    }
#define FETCH_A(j) FETCH(j, next_a, FOURS_A, a.a, from_a, a.lda, TA, BM, m0, a.m)
#define FETCH_B(j) FETCH(j, next_b, FOURS_B, a.b, from_b, a.ldb, !TB, BN, n0, a.n)
#define STORE(j, next, fours, slice, row, along, block)                                   \
    if ((j + 1) * THREADS <= fours || gl_LocalInvocationIndex + j * THREADS < fours) {    \
        const uvec2 at = place(gl_LocalInvocationIndex + j * THREADS, along, block);      \
        slice[(to + at.x) * row + BANK(at.y / 4, at.x, row)] = next[j];                   \
    }
#define STORE_A(j) STORE(j, next_a, FOURS_A, slice_a, ROW_A, TA, BM)
#define STORE_B(j) STORE(j, next_b, FOURS_B, slice_b, ROW_B, !TB, BN)

/* sum[i][j] += left[i] right[j] */
#define ADD_OUTER(sum, left, right) \
    sum[0] += left.x * right, sum[1] += left.y * right, sum[2] += left.z * right, sum[3] += left.w * right

/* Column k of a's slice times row k of b's. Only the large blocks gain from unrolling its loop. */
#define MULTIPLY                                                                                            \
    {                                                                                                       \
        const uint a_k = at_a + k * ROW_A + BANK(ty, k, ROW_A), b_k = at_b + k * ROW_B + BANK(tx, k, ROW_B);  \
        const vec4 x0 = slice_a[a_k], y0 = slice_b[b_k];                                                    \
        const vec4 x1 = TM > 4 ? slice_a[a_k + BM / 8] : vec4(0), y1 = TN > 4 ? slice_b[b_k + BN / 8] : vec4(0); \
        ADD_OUTER(sum00, x0, y0);                                                                           \
        if (TN > 4) ADD_OUTER(sum01, x0, y1);                                                               \
        if (TM > 4) ADD_OUTER(sum10, x1, y0);                                                               \
        if (TM > 4 && TN > 4) ADD_OUTER(sum11, x1, y1);                                                     \
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

void put_block(uint part, uint product, uint m, uint n, mat4 sum)
{
    if (n >= a.n) return;
    if (m < a.m) put(part, product, m, n, a.alpha * sum[0]);
    if (m + 1 < a.m) put(part, product, m + 1, n, a.alpha * sum[1]);
    if (m + 2 < a.m) put(part, product, m + 2, n, a.alpha * sum[2]);
    if (m + 3 < a.m) put(part, product, m + 3, n, a.alpha * sum[3]);
}

void tile(uint m0, uint n0, uint part, uint product)
{
    const uint tx = gl_LocalInvocationIndex % WIDE, ty = gl_LocalInvocationIndex / WIDE;
    const uint deep = (a.k + PARTS * BK - 1) / (PARTS * BK) * BK, k_begin = part * deep, k_end = min(a.k, k_begin + deep);
    const uint from_a = product * a.stride_a, from_b = product * a.stride_b;
    mat4 sum00 = mat4(0), sum01 = mat4(0), sum10 = mat4(0), sum11 = mat4(0), next_a, next_b;
    uint k0 = k_begin, to = 0; /* to: where in shared memory the next slice goes */
    FOUR_TIMES(FETCH_A)
    FOUR_TIMES(FETCH_B)
    FOUR_TIMES(STORE_A)
    FOUR_TIMES(STORE_B)
    barrier();
    while (k0 < k_end) {
        const uint at_a = to * ROW_A, at_b = to * ROW_B;
        k0 += BK;
        to = BK - to;
        if (k0 < k_end) {
            FOUR_TIMES(FETCH_A)
            FOUR_TIMES(FETCH_B)
        }
        if (TM * TN > 16) {
            [[unroll]] for (uint k = 0; k < BK; k++) MULTIPLY
        } else {
            for (uint k = 0; k < BK; k++) MULTIPLY
        }
        if (k0 < k_end) {
            FOUR_TIMES(STORE_A)
            FOUR_TIMES(STORE_B)
        }
        barrier();
    }
    const uint m = m0 + 4 * ty, n = n0 + 4 * tx;
    put_block(part, product, m, n, sum00);
    if (TN > 4) put_block(part, product, m, n + BN / 2, sum01);
    if (TM > 4) put_block(part, product, m + BM / 2, n, sum10);
    if (TM > 4 && TN > 4) put_block(part, product, m + BM / 2, n + BN / 2, sum11);
}

void main()
{
    const uint high = (a.m + BM - 1) / BM, wide = (a.n + BN - 1) / BN, products = a.more + 1;
    for EACH_GROUP(i, PARTS * products * high * wide) {
        /* Tiles go down bands of 8 rows of tiles: what runs at the same time shares rows and columns in the cache. */
        const uint t = i % (high * wide), which = i / (high * wide);
        const uint top = t / (8 * wide) * 8, rows = min(8, high - top), in_band = t - top * wide;
        tile((top + in_band % rows) * BM, in_band / rows * BN, which / products, which % products);
    }
}
