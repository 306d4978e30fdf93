/* The CPU engine: plain versions of all ops, and fast ones, compiled for each instruction set, that override them. */
#include "../device.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "plain.c"

/* ---- What fast.c needs ---- */

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define TARGET_BEGIN(features) PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define TARGET_END PRAGMA(clang attribute pop)
#else
#define UNROLL _Pragma("GCC unroll 16")
#define TARGET_BEGIN(features) PRAGMA(GCC push_options) PRAGMA(GCC target(features))
#define TARGET_END PRAGMA(GCC pop_options)
#endif
#define PRAGMA(text) _Pragma(#text)
#define foreach(i, count) UNROLL for (int i = 0; i < (count); i++)

/* The factors of a matrix product a b. Row r of a's i-th panel of ROWS rows: a[r][l] = at[i * panel + r * row + l * k].
 * b's j-th panel of columns: b[l][c] = at[j * panel + l * k + c]; its rows are filled up to whole vectors. */
typedef struct CpuLeft {
    const f32 *at;
    size_t row, k, panel;
} CpuLeft;
typedef struct CpuRight {
    const f32 *at;
    size_t k, panel;
} CpuRight;

/* Where a matrix product goes: c = alpha * product + bias + (add ? c : 0); gelu, if not null, gets the GELU of c. With
 * power not 0 the product's absolute value is raised to it first: see V(power_of). */
typedef struct CpuOutput {
    f32 *c, *gelu;
    const f32 *bias;
    size_t ldc;
    f32 alpha;
    bool add;
    u32 power;
} CpuOutput;

/* A dropout site with one head's key: a word that is at least `threshold` keeps its element. */
typedef struct CpuSite {
    u32 key[2], step, site, threshold;
    f32 scale;
} CpuSite;

static CpuSite cpu_site(f32 drop, u32 seed, u32 head, u32 step, u32 site)
{
    const plain_Mask mask = plain_mask(drop, seed, head, step, site);
    return (CpuSite){.key = {mask.key[0], mask.key[1]},
                     .step = step,
                     .site = site,
                     .threshold = (u32)ceil(mask.threshold),
                     .scale = mask.scale};
}

/* ---- One copy of fast.c for each instruction set ---- */

#if defined(__x86_64__)
TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi,bmi2")
#define V(name) v16_##name
#define LANES 16
#define ROWS 8
#define VECTORS 3
#include "fast.c"
#undef V
#undef LANES
#undef ROWS
#undef VECTORS
TARGET_END

TARGET_BEGIN("avx2,fma,bmi,bmi2")
#define V(name) v8_##name
#define LANES 8
#define ROWS 6
#define VECTORS 2
#include "fast.c"
#undef V
#undef LANES
#undef ROWS
#undef VECTORS

#ifdef LETHE_CHECK_INDICES /* the first copy again, see HALVES */
#define V(name) halves_##name
#define HALVES
#define LANES 16
#define ROWS 8
#define VECTORS 3
#include "fast.c"
#undef V
#undef HALVES
#undef LANES
#undef ROWS
#undef VECTORS
#endif
TARGET_END
#endif

#define V(name) v4_##name
#define LANES 4
#if defined(__x86_64__) /* has 16 vector registers; others have 32 */
#define ROWS 6
#define VECTORS 2
#else
#define ROWS 8
#define VECTORS 3
#endif
#include "fast.c"
#undef V
#undef LANES
#undef ROWS
#undef VECTORS

#undef INLINE
#undef UNROLL
#undef TARGET_BEGIN
#undef TARGET_END
#undef PRAGMA
#undef foreach

/* ---- The choice ---- */

typedef struct CpuEngine {
    const char *name, *word; /* for people; for LETHE_CPU */
    bool usable;
    void (*const *fast)(const void *args); /* [OP_COUNT], null: plain */
} CpuEngine;

enum { CPU_ENGINES = 4 };

#if defined(__x86_64__)
/* What the processor has and the system saves. CPUID is asked here, since the compilers' own builtin says no to
 * everything where the compiler's runtime does not fill it in (zig's). */
static void cpu_features(bool *avx2, bool *avx512)
{
    enum { STATE_AVX = 0x06, STATE_AVX512 = 0xe6 }; /* registers that the system saves, bits of XCR0 */
    const unsigned wanted2 = bit_AVX2 | bit_BMI | bit_BMI2,
                   wanted512 = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    unsigned a, b, c, d, saved, high;
    *avx2 = *avx512 = false;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_FMA)) return;
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    *avx2 = (saved & STATE_AVX) == STATE_AVX && (b & wanted2) == wanted2;
    *avx512 = *avx2 && (saved & STATE_AVX512) == STATE_AVX512 && (b & wanted512) == wanted512;
}
#endif

/* Best first; those that this architecture does not have are 0. Only tests have the one without a word. */
static void cpu_engines(CpuEngine engines[CPU_ENGINES])
{
    memset(engines, 0, CPU_ENGINES * sizeof *engines);
#if defined(__x86_64__)
    bool avx2, avx512;
    cpu_features(&avx2, &avx512);
    engines[0] = (CpuEngine){"AVX-512", "avx512", avx512, v16_ops};
    engines[1] = (CpuEngine){"AVX2", "avx2", avx2, v8_ops};
    engines[2] = (CpuEngine){"SSE", "v2", true, v4_ops};
#ifdef LETHE_CHECK_INDICES
    engines[3] = (CpuEngine){"AVX-512 in halves", NULL, avx2, halves_ops};
#endif
#elif defined(__aarch64__)
    engines[0] = (CpuEngine){"NEON", "neon", true, v4_ops};
#else
    engines[0] = (CpuEngine){"128-bit vectors", "v2", true, v4_ops};
#endif
}

/* table[op]: the engine's fast version, else the plain one. */
static void cpu_table(const CpuEngine *engine, void (*table[OP_COUNT])(const void *args))
{
    for (int op = 0; op < OP_COUNT; op++) table[op] = engine->fast[op] ? engine->fast[op] : plain_ops[op];
}

/* What the environment variable LETHE_CPU says; NULL: nothing. */
static const char *cpu_word(void)
{
    const char *word = getenv("LETHE_CPU");
    return word && *word ? word : NULL;
}

/* The engine that LETHE_CPU names, else the best of this processor. */
static bool cpu_choose(CpuEngine *engine, Err *err)
{
    CpuEngine engines[CPU_ENGINES];
    const char *word = cpu_word();
    char words[64] = "";
    int best = 0, i = 0;
    cpu_engines(engines);
    while (!engines[best].usable) best++;
    *engine = engines[best];
    if (!word) return true;
    for (i = 0; i < CPU_ENGINES && engines[i].word; i++) {
        if (strcmp(engines[i].word, word) != 0) {
            snprintf(words + strlen(words), sizeof words - strlen(words), "%s%s", *words ? ", " : "", engines[i].word);
            continue;
        }
        *engine = engines[i];
        return engine->usable || fail(err, "LETHE_CPU=%s: this processor has no %s; use LETHE_CPU=%s", word,
                                      engine->name, engines[best].word);
    }
    return fail_usage(err, "LETHE_CPU=%s: unknown instruction set; use %s", str_show(str(word)), words);
}
