/* Vectors of LANES floats: loads, sums, transposes, functions, dropout masks.
 *
 * This file and the others that fast.c includes are compiled once for each instruction set; V(name) gives each copy
 * names of its own. They are plain C on GCC's vector types, which clang understands too, and intrinsics where there is
 * no operator or compilers do not find the instruction. Other architectures go without. */

typedef f32 V(f32) __attribute__((vector_size(4 * LANES)));
typedef u32 V(u32) __attribute__((vector_size(4 * LANES)));
typedef int32_t V(i32) __attribute__((vector_size(4 * LANES)));
typedef uint64_t V(u64) __attribute__((vector_size(4 * LANES))); /* LANES / 2 of them */
typedef f32 V(unaligned) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* X86(name): the intrinsic for this width; NEON: there are those of NEON. With HALVES (in tests) 16 lanes are two
 * registers of AVX2: so every processor with AVX2 tells what those with AVX-512 compute. */
#if !defined(__x86_64__) || defined(HALVES)
#elif LANES == 16
#define X86(name) _mm512_##name
#elif LANES == 8
#define X86(name) _mm256_##name
#else
#define X86(name) _mm_##name
#endif
#if defined(__aarch64__)
#define NEON
#endif

/* Indices of the lower and upper half of two vectors, interleaved. */
#if LANES == 16
#define LOG_LANES 4
#define LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define LOW_U64 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH_U64 4, 12, 5, 13, 6, 14, 7, 15
#define COUNT_UP                                             \
    {                                                        \
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 \
    }
#define COUNT_UP_U64           \
    {                          \
        0, 1, 2, 3, 4, 5, 6, 7 \
    }
#elif LANES == 8
#define LOG_LANES 3
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define LOW_U64 0, 4, 1, 5
#define HIGH_U64 2, 6, 3, 7
#define COUNT_UP               \
    {                          \
        0, 1, 2, 3, 4, 5, 6, 7 \
    }
#define COUNT_UP_U64 \
    {                \
        0, 1, 2, 3   \
    }
#else
#define LOG_LANES 2
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#define LOW_U64 0, 2
#define HIGH_U64 1, 3
#define COUNT_UP   \
    {              \
        0, 1, 2, 3 \
    }
#define COUNT_UP_U64 \
    {                \
        0, 1         \
    }
#endif

/* ---- Lanes ---- */

INLINE V(f32) V(splat)(f32 x)
{
#if defined(X86)
    return X86(set1_ps)(x);
#elif defined(NEON)
    return (V(f32))vdupq_n_f32(x);
#else
    V(f32) all = {0};
    foreach (i, LANES) all[i] = x;
    return all;
#endif
}

/* *p in all lanes, for the products of a tile. NEON multiplies by one lane of a register; a load that fills all lanes
 * would take a cycle of the units that multiply, so the compiler must not see that one is possible. */
INLINE V(f32) V(factor)(const f32 *p)
{
    f32 x = *p;
#if defined(NEON)
    __asm__("" : "+w"(x));
#endif
    return V(splat)(x);
}

INLINE V(f32) V(load)(const f32 *p) { return *(const V(unaligned) *)p; }
INLINE void V(store)(f32 *p, V(f32) x) { *(V(unaligned) *)p = x; }

/* a b + c, rounded once, where the instruction set has an instruction for it; else rounded twice. The compiler itself
 * may never fuse (-ffp-contract=off): each would choose other products, and give other bits. */
INLINE V(f32) V(fma)(V(f32) a, V(f32) b, V(f32) c)
{
#if defined(HALVES)
    union {
        V(f32) whole;
        v8_f32 half[2];
    } x = {a}, y = {b}, z = {c};
    foreach (i, 2) z.half[i] = v8_fma(x.half[i], y.half[i], z.half[i]);
    return z.whole;
#elif defined(X86) && LANES > 4
    return X86(fmadd_ps)(a, b, c);
#elif defined(NEON)
    return (V(f32))vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* c - a b, likewise */
INLINE V(f32) V(fnma)(V(f32) a, V(f32) b, V(f32) c)
{
#if defined(X86) && LANES > 4
    return X86(fnmadd_ps)(a, b, c);
#elif defined(NEON)
    return (V(f32))vfmsq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return V(fma)(-a, b, c);
#endif
}

/* Only the first `left` floats of p exist, when fewer than LANES; the other lanes are 0 and are not stored. */
INLINE V(f32) V(load_part)(const f32 *p, size_t left)
{
    if (left >= LANES) return V(load)(p);
#if defined(X86) && LANES == 16
    return (V(f32))_mm512_maskz_loadu_ps((__mmask16)((1u << left) - 1), p);
#elif defined(NEON)
    if (left < 2) return (V(f32))vld1q_lane_f32(p, vdupq_n_f32(0), 0);
    const float32x4_t two = vcombine_f32(vld1_f32(p), vdup_n_f32(0));
    return (V(f32))(left > 2 ? vld1q_lane_f32(p + 2, two, 2) : two);
#else
    f32 lanes[LANES] = {0};
    for (size_t i = 0; i < left; i++) lanes[i] = p[i];
    return V(load)(lanes);
#endif
}

INLINE void V(store_part)(f32 *p, V(f32) x, size_t left)
{
    if (left >= LANES) {
        V(store)(p, x);
        return;
    }
#if defined(X86) && LANES == 16
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << left) - 1), (__m512)x);
#elif defined(NEON)
    if (left >= 2) vst1_f32(p, vget_low_f32((float32x4_t)x));
    if (left == 3) p[2] = x[2];
    if (left == 1) p[0] = x[0];
#else
    f32 lanes[LANES];
    V(store)(lanes, x);
    for (size_t i = 0; i < left; i++) p[i] = lanes[i];
#endif
}

/* mask: all bits of a lane set or none, as comparisons give. */
INLINE V(f32) V(select)(V(i32) mask, V(f32) yes, V(f32) no)
{
#if defined(NEON)
    return (V(f32))vbslq_f32((uint32x4_t)mask, (float32x4_t)yes, (float32x4_t)no);
#else
    return (V(f32))((mask & (V(i32))yes) | (~mask & (V(i32))no));
#endif
}

/* a > b ? a : b; of a NaN and a number, NEON gives the number. */
INLINE V(f32) V(max)(V(f32) a, V(f32) b)
{
#if defined(X86)
    return X86(max_ps)(a, b);
#elif defined(NEON)
    return (V(f32))vmaxnmq_f32((float32x4_t)a, (float32x4_t)b);
#else
    return V(select)(a > b, a, b);
#endif
}

/* Lanes from `left` on become `other`. */
INLINE V(f32) V(limit)(V(f32) x, size_t left, f32 other)
{
    if (left >= LANES) return x;
    return V(select)((V(i32))COUNT_UP < (int32_t)left, x, V(splat)(other));
}

/* |x|^power, power 1 or 2. */
INLINE V(f32) V(power_of)(V(f32) x, u32 power) { return power == 1 ? (V(f32))((V(u32))x & 0x7fffffffu) : x * x; }

INLINE V(f32) V(low)(V(f32) a, V(f32) b) { return __builtin_shufflevector(a, b, LOW); }
INLINE V(f32) V(high)(V(f32) a, V(f32) b) { return __builtin_shufflevector(a, b, HIGH); }

INLINE f32 V(sum)(V(f32) x)
{
    foreach (round, LOG_LANES) x = V(low)(x, x) + V(high)(x, x);
    return x[0];
}

INLINE f32 V(largest)(V(f32) x)
{
    foreach (round, LOG_LANES) x = V(max)(V(low)(x, x), V(high)(x, x));
    return x[0];
}

/* x[i][j] <-> x[j][i]: log2(LANES) perfect shuffles of all LANES^2 numbers. */
INLINE void V(transpose)(V(f32) x[LANES])
{
    foreach (round, LOG_LANES) {
        V(f32) y[LANES];
        foreach (i, LANES / 2) {
            y[2 * i] = V(low)(x[i], x[i + LANES / 2]);
            y[2 * i + 1] = V(high)(x[i], x[i + LANES / 2]);
        }
        foreach (i, LANES) x[i] = y[i];
    }
}

/* to[r][c] = from[c][r], r < rows, c < cols. The columns that fill up the last vector of each row repeat the last. */
static void V(transpose_matrix)(const f32 *from, size_t ld_from, size_t rows, size_t cols, f32 *to, size_t ld_to)
{
    for (size_t c = 0; c < cols; c += LANES)
        for (size_t r = 0; r < rows; r += LANES) {
            V(f32) x[LANES];
            foreach (i, LANES) x[i] = V(load_part)(from + least_size(c + i, cols - 1) * ld_from + r, rows - r);
            V(transpose)(x);
            f32 *corner = to + r * ld_to + c;
            if (rows - r >= LANES)
                foreach (i, LANES) V(store)(corner + i * ld_to, x[i]);
            else
                for (size_t i = 0; i < rows - r; i++) V(store)(corner + i * ld_to, x[i]);
        }
}

/* ---- Functions (minimax polynomials; the errors stated are of the approximation, before rounding) ---- */

INLINE V(f32) V(sqrt)(V(f32) x)
{
#if defined(X86)
    return X86(sqrt_ps)(x);
#elif defined(NEON)
    return (V(f32))vsqrtq_f32((float32x4_t)x);
#else
    foreach (i, LANES) x[i] = sqrtf(x[i]);
    return x;
#endif
}

/* For x < 88; relative error 3e-9. What is less than 2^-126 becomes 0. NaN stays NaN. */
INLINE V(f32) V(exp)(V(f32) x)
{
    const f32 magic = 0x1.8p23f; /* adding it rounds to an integer, which then stands in the lowest bits */
    const V(f32) shifted = V(fma)(x, V(splat)((f32)M_LOG2E), V(splat)(magic)), n = shifted - magic;
    V(f32) r = V(fnma)(n, V(splat)(0x1.62ep-1f), x); /* ln 2 in two parts; the first product is exact */
    r = V(fnma)(n, V(splat)(0x1.0bfbe8p-15f), r);
    V(f32) p = V(fma)(V(splat)(0.00138121705f), r, V(splat)(0.00836873529f));
    p = V(fma)(p, r, V(splat)(0.0416684208f));
    p = V(fma)(p, r, V(splat)(0.166665205f));
    p = V(fma)(p, r, V(splat)(0.499999934f));
    p = V(fma)(p * r, r, r) + 1;
    const V(f32) power = (V(f32))(((V(u32))shifted << 23) + (127u << 23)); /* 2^n */
    return V(select)(x < -126 * (f32)M_LN2, V(splat)(0), p * power);
}

/* Phi(x), the normal distribution function, and its density phi(x). With a = |x| and t = 1 / (1 + 0.225 a):
 * Phi(-a) / phi(a) is t times a polynomial in t, to a relative error of 7e-8 for a < 9. */
INLINE V(f32) V(normal)(V(f32) x, V(f32) * density)
{
    const V(f32) a = (V(f32))((V(u32))x & 0x7fffffffu);
    const V(f32) t = 1 / V(fma)(V(splat)(0.225f), a, V(splat)(1)), e = V(exp)(-0.5f * x * x);
    V(f32) p = V(splat)(-0.0883772483f);
    p = V(fma)(p, t, V(splat)(0.357363160f));
    p = V(fma)(p, t, V(splat)(-0.387836272f));
    p = V(fma)(p, t, V(splat)(0.395571077f));
    p = V(fma)(p, t, V(splat)(-0.0787995571f));
    p = V(fma)(p, t, V(splat)(0.128986741f));
    p = V(fma)(p, t, V(splat)(0.0828644553f));
    p = V(fma)(p, t, V(splat)(0.0902276788f));
    const V(f32) tail = p * t * e;
    *density = e * 0.398942280f;
    return V(select)(x > 0, 1 - tail, tail);
}

INLINE V(f32) V(gelu_of)(V(f32) x)
{
    V(f32) density;
    return x * V(normal)(x, &density);
}

/* Below 0.6 an odd polynomial, relative error 3e-9; above, (1 - exp(-2 a)) / (1 + exp(-2 a)). */
INLINE V(f32) V(tanh_of)(V(f32) x)
{
    const V(u32) sign = (V(u32))x & 0x80000000u;
    const V(f32) a = (V(f32))((V(u32))x & 0x7fffffffu), square = x * x;
    V(f32) p = V(splat)(-0.00590586851f);
    p = V(fma)(p, square, V(splat)(0.0208053847f));
    p = V(fma)(p, square, V(splat)(-0.0537866837f));
    p = V(fma)(p, square, V(splat)(0.133319582f));
    p = V(fma)(p, square, V(splat)(-0.333332993f));
    const V(f32) e = V(exp)(-2 * a), far = (1 - e) / (1 + e);
    return V(select)(a < 0.6f, V(fma)(x, square * p, x), (V(f32))((V(u32))far | sign));
}

/* GELU by tanh is x s(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3), s(y) = 1 / (1 + exp(-y)). Returns s(2 u); *slope is
 * its derivative in x. */
INLINE V(f32) V(gelu_tanh)(V(f32) x, V(f32) * slope)
{
    const V(f32) square = x * x, twice = x * 1.59576912f * V(fma)(square, V(splat)(0.044715f), V(splat)(1));
    const V(f32) a = (V(f32))((V(u32))twice & 0x7fffffffu), e = V(exp)(-a), near = 1 / (1 + e), far = e * near;
    *slope = near * far * 1.59576912f * V(fma)(square, V(splat)(0.134145f), V(splat)(1));
    return V(select)(twice > 0, near, far);
}

/* ---- Dropout masks ---- */

/* The products of the lower halves. */
INLINE V(u64) V(multiply_low)(V(u64) a, u32 b)
{
#if defined(X86) && LANES == 16
    return (V(u64))_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
#elif defined(X86) && LANES == 8
    return (V(u64))_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
#elif defined(X86)
    return (V(u64))_mm_mul_epu32((__m128i)a, _mm_set1_epi64x(b));
#elif defined(NEON)
    return (V(u64))vmull_u32(vmovn_u64((uint64x2_t)a), vdup_n_u32(b));
#else
    return (a & 0xffffffffu) * b;
#endif
}

/* The mask's values for LANES / 2 groups of four columns, lane by lane: 2 * LANES values in the order of the columns.
 * As philox4x32; the upper halves of all lanes are of no meaning. */
INLINE void V(keep)(const CpuSite *site, V(u64) group, V(u64) row, V(f32) keep[2])
{
    V(u64) c0 = group, c1 = row, c2 = site->step + (V(u64)){0}, c3 = site->site + (V(u64)){0};
    u32 k0 = site->key[0], k1 = site->key[1];
    foreach (round, 10) {
        const V(u64) p0 = V(multiply_low)(c0, 0xD2511F53u), p1 = V(multiply_low)(c2, 0xCD9E8D57u);
        c0 = (p1 >> 32) ^ c1 ^ k0;
        c1 = p1;
        c2 = (p0 >> 32) ^ c3 ^ k1;
        c3 = p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    const V(u64) words01 = (c0 & 0xffffffffu) | c1 << 32, words23 = (c2 & 0xffffffffu) | c3 << 32;
    const V(u32) low = (V(u32))__builtin_shufflevector(words01, words23, LOW_U64);
    const V(u32) high = (V(u32))__builtin_shufflevector(words01, words23, HIGH_U64);
    const V(f32) scale = V(splat)(site->scale), zero = V(splat)(0);
    keep[0] = V(select)((V(i32))(low >= site->threshold), scale, zero);
    keep[1] = V(select)((V(i32))(high >= site->threshold), scale, zero);
}

/* Columns col .. col + 2 * LANES - 1 of one row; col is a multiple of four. Without dropout all ones. */
INLINE void V(keep_row)(const CpuSite *site, u32 row, u32 col, V(f32) keep[2])
{
    keep[0] = keep[1] = V(splat)(1);
    if (site->threshold) V(keep)(site, (V(u64))COUNT_UP_U64 + (uint64_t)(col / 4), (uint64_t)row + (V(u64)){0}, keep);
}

/* A block of the mask: out[r][c], r < rows, c < cols, row distance 4 * ceil(cols / 4); 2 * LANES floats after its end
 * may be written. col is a multiple of four. */
static void V(keep_block)(const CpuSite *site, u32 row, u32 rows, u32 col, u32 cols, f32 *out)
{
    const uint64_t groups = (cols + 3) / 4, total = rows * groups;
    V(u64) r = (uint64_t)row + (V(u64)){0}, g = COUNT_UP_U64;
    for (uint64_t done = 0; done < total; done += LANES / 2) {
        V(u64) over = (V(u64))(g >= groups); /* all bits set: -1 */
        for (uint64_t n = 0; n < LANES / 2; n += groups) {
            r -= over;
            g -= over & groups;
            over = (V(u64))(g >= groups);
        }
        V(f32) keep[2];
        V(keep)(site, g + (uint64_t)(col / 4), r, keep);
        V(store)(out + done * 4, keep[0]);
        V(store)(out + done * 4 + LANES, keep[1]);
        g += LANES / 2;
    }
}
