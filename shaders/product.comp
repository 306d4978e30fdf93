#version 460
/* OP_gemm: a workgroup computes a tile of BM x BN numbers of c, each thread TM x TN of them in registers, as blocks of
 * 4 x 4 that lie apart, so that neighbouring threads read and write neighbouring vectors. Slices of a and b, BK deep,
 * pass through shared memory, which holds two of each: while one is multiplied, the next is on its way. */
#extension GL_GOOGLE_include_directive : require
/* k is cut into so many parts; c is then [k_parts][more + 1][m][n], and the sum over its parts is what was asked for. */
#define ENGINE_OWN uint k_parts
#include "common.glsl"

layout(local_size_x_id = 0) in; /* THREADS */
layout(constant_id = 1) const uint BM = 64; /* these three: powers of 2 from 8 on */
layout(constant_id = 2) const uint BN = 64;
layout(constant_id = 3) const uint BK = 16;
layout(constant_id = 4) const uint TM = 4; /* 4 or 8 */
layout(constant_id = 5) const uint TN = 4;
layout(constant_id = 6) const bool TA = false; /* a is [k][m] */
layout(constant_id = 7) const bool TB = false; /* b is [n][k] */
layout(constant_id = 8) const bool ALIGNED_IN = false; /* rows of a and b are whole vectors of 16 bytes */
layout(constant_id = 9) const bool ALIGNED_OUT = false; /* rows of c and gelu begin at multiples of 16 bytes */

const uint WIDE = BN / TN, THREADS = BM / TM * WIDE;
/* Neighbouring threads may write to different rows of a slice: a vector more than a row needs leads to other banks. */
const uint ROW_A = BM / 4 + 1, ROW_B = BN / 4 + 1;
const uint FOURS_A = BM * BK / 4, FOURS_B = BN * BK / 4; /* of a slice; at most four for each thread */
shared vec4 slice_a[2 * BK * ROW_A]; /* [2][k][m / 4] */
shared vec4 slice_b[2 * BK * ROW_B]; /* [2][k][n / 4] */

/* Where the e-th four numbers of a slice begin: k and i, the row or column of c. They are neighbours in memory, along i
 * or along k, and so are those of neighbouring threads. */
uvec2 place(uint e, bool along, uint block)
{
    return along ? uvec2(e / (block / 4), e % (block / 4) * 4) : uvec2(e % (BK / 4) * 4, e / (BK / 4));
}

/* Where in memory they begin. What is read in place of rows and columns after the last may be any numbers: they stay in
 * rows and columns of c that are not stored. */
uint first(uint e, bool along, uint block, uint from, uint ld, uint i0, uint width)
{
    const uvec2 at = place(e, along, block);
    if (!along) return from + min(i0 + at.y, width - 1) * ld + at.x;
    return from + at.x * ld + (ALIGNED_IN ? min(i0 + at.y, width - 4) : i0 + at.y);
}

/* The four numbers from x[from] on, of which the matrix has `left`; 0 after k_end. */
vec4 fetch(f32p x, uint from, uint k, uint k_end, int left)
{
    if (k >= k_end) return vec4(0);
    if (ALIGNED_IN) return f32x4p(x).v[from / 4];
    vec4 four = vec4(0);
    [[unroll]] for (int j = 0; j < 4; j++)
        if (j < left) four[j] = x.v[from + j];
    return four;
}

/* Four vectors are a mat4, and all indices into them are written out, so that they stay in registers whatever loops a
 * compiler unrolls. */
#define FOUR_TIMES(DO) DO(0) DO(1) DO(2) DO(3)

/* The thread's j-th four of a slice: where it begins, from there to registers, and on to shared memory. What lies along k
 * is a column there. */
#define FIRST(j, firsts, from, ld, along, block, i0, width) \
    firsts[j] = first(gl_LocalInvocationIndex + j * THREADS, along, block, from, ld, i0, width);
#define FETCH(j, next, firsts, fours, matrix, ld, along, block, i0, width)                   \
    if (j * THREADS < fours) {                                                               \
        const uvec2 at = place(gl_LocalInvocationIndex + j * THREADS, along, block);         \
        const uint k = k0 + at.x;                                                            \
        next[j] = fetch(matrix, firsts[j], k, k_end, int(along ? width - i0 - at.y : k_end - k)); \
        firsts[j] += along ? BK * ld : BK;                                                   \
    }
#define STORE(j, next, fours, slice, row, along, block)                                   \
    if ((j + 1) * THREADS <= fours || gl_LocalInvocationIndex + j * THREADS < fours) {    \
        const uvec2 at = place(gl_LocalInvocationIndex + j * THREADS, along, block);      \
        const uint low = (to + at.x) * row + at.y / 4;                                    \
        if (along) slice[low] = next[j];                                                  \
        else {                                                                            \
            slice[low][at.y % 4] = next[j].x;                                             \
            slice[low + row][at.y % 4] = next[j].y;                                       \
            slice[low + 2 * row][at.y % 4] = next[j].z;                                   \
            slice[low + 3 * row][at.y % 4] = next[j].w;                                   \
        }                                                                                 \
    }
#define FIRST_A(j) FIRST(j, first_a, from_a, a.lda, TA, BM, m0, a.m)
#define FIRST_B(j) FIRST(j, first_b, from_b, a.ldb, !TB, BN, n0, a.n)
#define FETCH_A(j) FETCH(j, next_a, first_a, FOURS_A, a.a, a.lda, TA, BM, m0, a.m)
#define FETCH_B(j) FETCH(j, next_b, first_b, FOURS_B, a.b, a.ldb, !TB, BN, n0, a.n)
#define STORE_A(j) STORE(j, next_a, FOURS_A, slice_a, ROW_A, TA, BM)
#define STORE_B(j) STORE(j, next_b, FOURS_B, slice_b, ROW_B, !TB, BN)

/* sum[i][j] += left[i] right[j] */
#define ADD_OUTER(sum, left, right) \
    sum[0] += left.x * right, sum[1] += left.y * right, sum[2] += left.z * right, sum[3] += left.w * right

/* Column k of a's slice times row k of b's. Only large blocks gain from unrolling its loop. */
#define MULTIPLY                                                                                              \
    {                                                                                                         \
        const uint a_k = at_a + k * ROW_A, b_k = at_b + k * ROW_B;                                            \
        const vec4 x0 = slice_a[a_k], y0 = slice_b[b_k];                                                      \
        const vec4 x1 = TM > 4 ? slice_a[a_k + BM / 8] : vec4(0), y1 = TN > 4 ? slice_b[b_k + BN / 8] : vec4(0); \
        ADD_OUTER(sum00, x0, y0);                                                                             \
        if (TN > 4) ADD_OUTER(sum01, x0, y1);                                                                 \
        if (TM > 4) ADD_OUTER(sum10, x1, y0);                                                                 \
        if (TM > 4 && TN > 4) ADD_OUTER(sum11, x1, y1);                                                       \
    }

/* c[m][n .. n + 3], the first at `at`, from alpha times the sum and the bias. */
void put(uint at, uint n, vec4 c)
{
    if (ALIGNED_OUT && n + 3 < a.n) {
        if (a.accumulate != 0) c += f32x4p(a.c).v[at / 4];
        f32x4p(a.c).v[at / 4] = c;
        if (!IS_NULL(a.gelu)) f32x4p(a.gelu).v[at / 4] = vec4(gelu_of(c.x), gelu_of(c.y), gelu_of(c.z), gelu_of(c.w));
        return;
    }
    [[unroll]] for (uint j = 0; j < 4; j++)
        if (n + j < a.n) {
            const float one = a.accumulate != 0 ? c[j] + a.c.v[at + j] : c[j];
            a.c.v[at + j] = one;
            if (!IS_NULL(a.gelu)) a.gelu.v[at + j] = gelu_of(one);
        }
}

void put_block(uint part, uint product, uint m, uint n, mat4 sum)
{
    if (n >= a.n) return;
    const uint at = part * (a.more + 1) * a.m * a.n + product * a.stride_c + m * a.ldc + n;
    vec4 bias = vec4(0);
    if (!IS_NULL(a.bias))
        [[unroll]] for (uint j = 0; j < 4; j++)
            bias[j] = a.bias.v[min(n + j, a.n - 1)];
    [[unroll]] for (uint i = 0; i < 4; i++)
        if (m + i < a.m) put(at + i * a.ldc, n, a.alpha * sum[i] + bias);
}

void tile(uint m0, uint n0, uint part, uint product)
{
    const uint tx = gl_LocalInvocationIndex % WIDE, ty = gl_LocalInvocationIndex / WIDE;
    const uint deep = (a.k + k_parts * BK - 1) / (k_parts * BK) * BK, k_begin = part * deep;
    const uint k_end = min(a.k, k_begin + deep);
    const uint from_a = product * a.stride_a + k_begin * (TA ? a.lda : 1);
    const uint from_b = product * a.stride_b + k_begin * (TB ? 1 : a.ldb);
    mat4 sum00 = mat4(0), sum01 = mat4(0), sum10 = mat4(0), sum11 = mat4(0), next_a, next_b;
    uvec4 first_a, first_b;
    uint k0 = k_begin, to = 0; /* to: where in shared memory the next slice goes */
    FOUR_TIMES(FIRST_A)
    FOUR_TIMES(FIRST_B)
    FOUR_TIMES(FETCH_A)
    FOUR_TIMES(FETCH_B)
    FOUR_TIMES(STORE_A)
    FOUR_TIMES(STORE_B)
    barrier();
    while (k0 < k_end) {
        const uint at_a = to * ROW_A + ty, at_b = to * ROW_B + tx;
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
    for EACH_GROUP(i, k_parts * products * high * wide) {
        /* Tiles go down bands of 8 rows of tiles: what runs at the same time shares rows and columns in the cache. */
        const uint t = i % (high * wide), which = i / (high * wide);
        const uint top = t / (8 * wide) * 8, rows = min(8, high - top), in_band = t - top * wide;
        tile((top + in_band % rows) * BM, in_band / rows * BN, which / products, which % products);
    }
}
