/* Tests of the device layer: every op of every CPU engine against the plain versions, the plain versions' gradients
 * against finite differences in double precision, the same bits for any number of threads, dropout masks, AdamW's lazy
 * decay, numbers that are not finite. */
#include "../src/device/device.h"
#include <math.h>
#include <string.h>

#define DEVICE_FAIL fail_msg

#include "device_gradients.c"

/* ---- Every op of every engine against the plain version ---- */

static void device_expect_no_damage(DeviceCase *c, const char *engine)
{
    const char *damage = case_damage(c);
    if (damage) DEVICE_FAIL("%s, %s: %s", case_text(c), engine, damage);
}

static void test_device_ops_match_plain(void **state)
{
    (void)state;
    CpuEngine engines[CPU_ENGINES];
    cpu_engines(engines);
    threads_start(3);
    for (int op = 0; op < OP_COUNT; op++) {
        DeviceCase expected, got;
        for (int i = 0; case_make(&expected, tested_cases[op], i); i++) {
            case_remember(&expected);
            plain_ops[op](&expected.args);
            device_expect_no_damage(&expected, "plain");
            for (int e = 0; e < CPU_ENGINES; e++) {
                if (!engines[e].usable) continue;
                void (*table[OP_COUNT])(const void *);
                cpu_table(&engines[e], table);
                case_make(&got, tested_cases[op], i);
                case_remember(&got);
                table[op](&got.args);
                device_expect_no_damage(&got, engines[e].name);
                const double nmse = case_difference(&expected, &got);
                if (!(nmse <= 1e-11))
                    DEVICE_FAIL("%s, %s: normalised mean squared error %.3g", case_text(&got), engines[e].name, nmse);
                arena_free(&got.arena);
            }
            arena_free(&expected.arena);
        }
    }
    threads_stop();
}

/* The text that names a case: its op, all numbers, what is null and what is in place. No two cases of an op have the
 * same. */
static void test_device_cases_have_names(void **state)
{
    (void)state;
    enum { CASES = 256 };
    f32 x[4] = {0};
    char text[OP_TEXT];
    op_text(OP_gemm, &(struct gemm_args){.a = x, .b = x + 1, .c = x + 2, .m = 16, .n = 1, .tb = 1, .alpha = -0.75f},
            text);
    assert_string_equal(text, "gemm m=16 n=1 k=0 lda=0 ldb=0 ldc=0 ta=0 tb=1 accumulate=0 alpha=-0.75 more=0 "
                              "stride_a=0 stride_b=0 stride_c=0 bias=null gelu=null");
    op_text(OP_gelu, &(struct gelu_args){.x = x, .y = x, .n = 4294967295u}, text);
    assert_string_equal(text, "gelu n=4294967295 by_tanh=0 y=x");
    for (int op = 0; op < OP_COUNT; op++) {
        DeviceCase cases[CASES];
        int count = 0;
        while (case_make(&cases[count], tested_cases[op], count)) {
            const char *name = case_text(&cases[count]);
            assert_true(strlen(name) < OP_TEXT - 20);
            for (int i = 0; i < count; i++)
                if (strcmp(case_text(&cases[i]), name) == 0) DEVICE_FAIL("cases %d and %d: %s", i, count, name);
            assert_true(++count < CASES);
        }
        for (int i = 0; i < count; i++) arena_free(&cases[i].arena);
    }
}

/* The guards know from ops.h what an op may write to. */
static void test_device_guards(void **state)
{
    (void)state;
    DeviceCase c;
    case_make(&c, tested_cases[OP_layernorm], 14); /* residual, dropout */
    case_remember(&c);
    c.args.layernorm.x[3] = c.args.layernorm.y[3] = c.args.layernorm.rstd[3] = 8;
    assert_null(case_damage(&c));
    f32 *beta = c.buffers[3].at, was = beta[7];
    beta[7] = 8;
    assert_string_equal(case_damage(&c), "it changed its input beta");
    beta[7] = was;
    c.args.layernorm.mean[c.args.layernorm.rows] = 8;
    assert_string_equal(case_damage(&c), "it wrote outside of mean");
    arena_free(&c.arena);
    case_make(&c, tested_cases[OP_tanh], 4); /* not in place: x is an input */
    case_remember(&c);
    c.buffers[0].at[0] = 8;
    assert_string_equal(case_damage(&c), "it changed its input x");
    arena_free(&c.arena);
}

/* The same bits from one, two and four threads, and again on a second run. */
static void test_device_ops_same_bits(void **state)
{
    (void)state;
    enum { CASES = 256 };
    static const int threads[] = {1, 3, 4};
    static uint64_t expected[CPU_ENGINES][OP_COUNT][CASES];
    CpuEngine engines[CPU_ENGINES];
    cpu_engines(engines);
    for (size_t t = 0; t < COUNT(threads); t++) {
        threads_start(threads[t]);
        for (int e = 0; e < CPU_ENGINES; e++) {
            if (!engines[e].usable || !engines[e].word) continue; /* AVX-512 in halves is slow */
            void (*table[OP_COUNT])(const void *);
            cpu_table(&engines[e], table);
            for (int op = 0; op < OP_COUNT; op++) {
                DeviceCase c;
                for (int i = 0; case_make(&c, tested_cases[op], i); i++) {
                    assert_true(i < CASES);
                    table[op](&c.args);
                    uint64_t hash = 1;
                    for (int b = 0; b < c.count; b++)
                        for (size_t k = 0; k < c.buffers[b].count; k++) {
                            u32 bits;
                            memcpy(&bits, &c.buffers[b].at[k], sizeof bits);
                            hash = (hash ^ bits) * 0x100000001b3u;
                        }
                    if (t == 0) expected[e][op][i] = hash;
                    if (hash != expected[e][op][i])
                        DEVICE_FAIL("%s, %s: %d threads give other bits than one", case_text(&c), engines[e].name,
                                    threads[t]);
                    arena_free(&c.arena);
                }
            }
        }
    }
    threads_stop();
}

/* NaN in any input reaches the same outputs as in the plain version, and so does infinity, as something not finite.
 * Local attention multiplies what lies beyond the window by 0 where a block reaches over it, and 0 times NaN is NaN:
 * there it may reach more of them. */
static void test_device_ops_not_finite(void **state)
{
    (void)state;
    CpuEngine engines[CPU_ENGINES];
    cpu_engines(engines);
    threads_start(1);
    for (int op = 0; op < OP_COUNT; op++)
        for (int i = 0;; i++) {
            DeviceCase expected, got;
            if (!case_make(&expected, tested_cases[op], i)) break;
            const int buffers = expected.count;
            const bool spreads = op == OP_attention_local || op == OP_attention_local_grad;
            bool small = true;
            for (int b = 0; b < buffers; b++) small &= expected.buffers[b].count < 3500;
            arena_free(&expected.arena);
            for (int poison = 0; poison < 2 * buffers && small; poison++) {
                const f32 value = poison % 2 ? INFINITY : NAN;
                case_make(&expected, tested_cases[op], i);
                const size_t at = expected.buffers[poison / 2].count / 2;
                const bool possible = expected.buffers[poison / 2].count && !expected.buffers[poison / 2].whole;
                if (possible) {
                    expected.buffers[poison / 2].at[at] = value;
                    plain_ops[op](&expected.args);
                }
                for (int e = 0; e < CPU_ENGINES && possible; e++) {
                    if (!engines[e].usable || !engines[e].word) continue;
                    void (*table[OP_COUNT])(const void *);
                    cpu_table(&engines[e], table);
                    case_make(&got, tested_cases[op], i);
                    got.buffers[poison / 2].at[at] = value;
                    table[op](&got.args);
                    for (int b = 0; b < buffers; b++)
                        for (size_t k = 0; k < expected.buffers[b].count; k++) {
                            const f32 x = expected.buffers[b].at[k], y = got.buffers[b].at[k];
                            if (spreads && (poison % 2 ? isfinite(x) : !isnan(x))) continue;
                            if (poison % 2 ? !isfinite(x) != !isfinite(y) : !isnan(x) != !isnan(y))
                                DEVICE_FAIL("%s, %s: %g in %s gives %g at %zu of %s, not %g", case_text(&got),
                                            engines[e].name, (double)value, case_argument(&got, poison / 2), (double)y,
                                            k, case_argument(&got, b), (double)x);
                        }
                    arena_free(&got.arena);
                }
                arena_free(&expected.arena);
            }
        }
    threads_stop();
}

/* ---- Functions against libm in double precision ---- */

static void device_check_function(const char *name, f32 x, double got, double exact, double tolerance)
{
    const double error = fabs(got - exact);
    if (isnan(exact) ? !isnan(got) : isinf(exact) ? got != exact : !(error <= tolerance))
        DEVICE_FAIL("%s(%.9g) = %.9g instead of %.9g (tolerance %.3g)", name, (double)x, got, exact, tolerance);
}

static void test_device_functions(void **state)
{
    (void)state;
    enum { N = 40000 + 600 + 5 };
    static f32 x[N], one[N], y[N];
    size_t n = 0;
    for (int i = 0; i < 40000; i++) x[n++] = (f32)(i - 20000) * 0.00071f; /* -14.2 to 14.2 */
    for (int i = 0; i < 300; i++) {
        x[n++] = ldexpf(1.37f, i / 2 - 100); /* up to 1e15 */
        x[n++] = -ldexpf(1.73f, i / 2 - 100);
    }
    x[n++] = INFINITY, x[n++] = -INFINITY, x[n++] = NAN, x[n++] = 0.0f, x[n++] = -0.0f;
    for (size_t i = 0; i < n; i++) one[i] = 1;
    CpuEngine engines[CPU_ENGINES];
    cpu_engines(engines);
    threads_start(1);
    for (int e = 0; e < CPU_ENGINES; e++) {
        if (!engines[e].usable) continue;
        void (*table[OP_COUNT])(const void *);
        cpu_table(&engines[e], table);
        table[OP_gelu](&(struct gelu_args){.x = x, .y = y, .n = (u32)n});
        for (size_t i = 0; i < n; i++) {
            /* erfc keeps its precision where 1 + erf loses it. In the tail exp(-x^2 / 2) multiplies the rounding error
             * of its argument by the argument. */
            const double exact = x[i] * 0.5 * erfc(-(double)x[i] * M_SQRT1_2);
            const double relative = (x[i] < -9 ? 1e-4 : 6e-7) + (x[i] < 0 ? 6e-8 * x[i] * x[i] : 0);
            device_check_function("gelu", x[i], (double)y[i], exact, relative * fabs(exact) + 2e-37);
        }
        table[OP_gelu_grad](&(struct gelu_grad_args){.x = x, .dy = one, .dx = y, .n = (u32)n});
        for (size_t i = 0; i < n; i++) {
            const double density = exp(-0.5 * (double)x[i] * x[i]) * 0.3989422804014327;
            const double exact = 0.5 * erfc(-(double)x[i] * M_SQRT1_2) + x[i] * density;
            device_check_function("gelu'", x[i], (double)y[i], exact, 3e-7);
        }
        table[OP_tanh](&(struct tanh_args){.x = x, .y = y, .n = (u32)n});
        for (size_t i = 0; i < n; i++)
            device_check_function("tanh", x[i], (double)y[i], tanh((double)x[i]),
                                  2.5e-7 * fabs(tanh((double)x[i])) + 2e-38);
    }
    threads_stop();
}

/* ---- Dropout masks ---- */

/* Masks of `count` elements as -1 and +1, so that a mean of products is a correlation. */
static void device_mask_signs(f32 drop, u32 seed, u32 head, u32 step, u32 site, u32 row, u32 col, u32 rows, u32 cols,
                              int8_t *sign)
{
    const plain_Mask mask = plain_mask(drop, seed, head, step, site);
    for (u32 r = 0; r < rows; r++)
        for (u32 c = 0; c < cols; c++) sign[(size_t)r * cols + c] = plain_keep(&mask, row + r, col + c) != 0 ? 1 : -1;
}

static void test_device_dropout_masks(void **state)
{
    (void)state;
    enum { ROWS_ = 100, COLS_ = 384, ALL = ROWS_ * COLS_ };
    static int8_t base[ALL], other[ALL];
    static const f32 drops[] = {0.05f, 0.1f, 0.5f, 0.9f};
    for (size_t d = 0; d < COUNT(drops); d++) {
        device_mask_signs(drops[d], 42, 0, 1, 2, 0, 0, ROWS_, COLS_, base);
        int dropped = 0;
        for (int i = 0; i < ALL; i++) dropped += base[i] < 0;
        const double p = (double)drops[d];
        assert_true(fabs(dropped - ALL * p) < 5 * sqrt(ALL * p * (1 - p)));
    }
    /* seed, head, step, site, row, col: each change alone gives an independent mask */
    static const u32 changes[][6] = {{43, 0, 1, 2, 0, 0}, {42, 1, 1, 2, 0, 0},   {42, 11, 1, 2, 0, 0},
                                     {42, 0, 2, 2, 0, 0}, {42, 0, 1, 3, 0, 0},   {42, 0, 1, 2, 1, 0},
                                     {42, 0, 1, 2, 0, 1}, {42, 0, 1, 2, 0, 4},   {42, 0, 1, 2, 1000, 0},
                                     {42, 0, 2, 1, 0, 0}, {42, 0, 1, 2, 0, 1024}};
    device_mask_signs(0.5f, 42, 0, 1, 2, 0, 0, ROWS_, COLS_, base);
    for (size_t i = 0; i < COUNT(changes); i++) {
        const u32 *k = changes[i];
        device_mask_signs(0.5f, k[0], k[1], k[2], k[3], k[4], k[5], ROWS_, COLS_, other);
        int sum = 0;
        for (int j = 0; j < ALL; j++) sum += base[j] * other[j];
        if (abs(sum) > 5 * sqrt(ALL)) DEVICE_FAIL("mask %zu correlates: %d of %d", i, sum, ALL);
    }
    device_mask_signs(0.5f, 42, 0, 1, 2, 0, 0, ROWS_, COLS_, other);
    assert_memory_equal(base, other, sizeof base);
}

/* The mask that layernorm put on x is the one that layernorm_dx puts on its gradient. */
static void test_device_dropout_forward_backward(void **state)
{
    (void)state;
    enum { ROWS_ = 37, COLS_ = 100, ALL = ROWS_ * COLS_ };
    static f32 x[ALL], gamma[COLS_], beta[COLS_], y[ALL], mean[ROWS_], rstd[ROWS_], dy[ALL], dsum[ALL], dx[ALL];
    CpuEngine engines[CPU_ENGINES];
    cpu_engines(engines);
    threads_start(2);
    for (int e = 0; e < CPU_ENGINES; e++) {
        if (!engines[e].usable) continue;
        void (*table[OP_COUNT])(const void *);
        cpu_table(&engines[e], table);
        for (int i = 0; i < ALL; i++) x[i] = 2, dy[i] = device_number(1, (uint64_t)i);
        for (int i = 0; i < COLS_; i++) gamma[i] = 1;
        table[OP_layernorm](&(struct layernorm_args){.x = x,
                                                     .gamma = gamma,
                                                     .beta = beta,
                                                     .y = y,
                                                     .mean = mean,
                                                     .rstd = rstd,
                                                     .rows = ROWS_,
                                                     .cols = COLS_,
                                                     .eps = 1e-5f,
                                                     .drop = 0.2f,
                                                     .seed = 4,
                                                     .step = 5,
                                                     .site = 6});
        table[OP_layernorm_dx](&(struct layernorm_dx_args){.x = x,
                                                           .gamma = gamma,
                                                           .mean = mean,
                                                           .rstd = rstd,
                                                           .dy = dy,
                                                           .dsum = dsum,
                                                           .dx = dx,
                                                           .rows = ROWS_,
                                                           .cols = COLS_,
                                                           .drop = 0.2f,
                                                           .seed = 4,
                                                           .step = 5,
                                                           .site = 6});
        int kept = 0;
        for (int i = 0; i < ALL; i++) {
            assert_true(x[i] == 0 || x[i] == 2.5f);
            assert_true(dx[i] == (x[i] == 0 ? 0 : dsum[i] * 1.25f));
            kept += x[i] != 0;
        }
        assert_true(kept > ALL / 2 && kept < ALL);
    }
    threads_stop();
}

/* ---- Lazy decay: bit for bit what AdamW does to every row ---- */

enum { LAZY_ROWS = 21, LAZY_COLS = 37, LAZY_ALL = LAZY_ROWS * LAZY_COLS, LAZY_STEPS = 12 };
static f32 lazy_eager[4][LAZY_ALL], lazy_rows[4][LAZY_ALL]; /* w, m, v, g */

/* A step of AdamW for all weights, and one for the rows that are awake: row r has its first gradient at step r. */
static void lazy_step(void (*const *table)(const void *), u32 step, u32 *stamp, f32 *factors, double *power1,
                      double *power2)
{
    const f32 lr = 0.37f * (f32)(LAZY_STEPS - step) / LAZY_STEPS, scale = 0.7f;
    table[OP_wake_rows](&(struct wake_rows_args){.w = lazy_rows[0],
                                                 .stamp = stamp,
                                                 .row = &(const u32){step},
                                                 .factors = factors,
                                                 .rows = 1,
                                                 .cols = LAZY_COLS,
                                                 .step = step,
                                                 .awake = 1});
    factors[step] = adamw_shrink(lr, 0.013f);
    for (u32 i = 0; i < (step + 1) * LAZY_COLS; i++) lazy_eager[3][i] = lazy_rows[3][i] = device_number(step + 3, i);
    *power1 *= 0.9, *power2 *= 0.999;
    const f32 fix1 = (f32)(1 - *power1), fix2 = (f32)sqrt(1 - *power2);
    table[OP_adamw](&(struct adamw_args){.w = lazy_eager[0],
                                         .m = lazy_eager[1],
                                         .v = lazy_eager[2],
                                         .g = lazy_eager[3],
                                         .scale = &scale,
                                         .n = LAZY_ALL,
                                         .lr = lr,
                                         .beta1 = 0.9f,
                                         .beta2 = 0.999f,
                                         .eps = 1e-8f,
                                         .shrink = factors[step],
                                         .fix1 = fix1,
                                         .fix2 = fix2});
    table[OP_adamw_rows](&(struct adamw_rows_args){.w = lazy_rows[0],
                                                   .m = lazy_rows[1],
                                                   .v = lazy_rows[2],
                                                   .g = lazy_rows[3],
                                                   .scale = &scale,
                                                   .stamp = stamp,
                                                   .rows = LAZY_ROWS,
                                                   .cols = LAZY_COLS,
                                                   .lr = lr,
                                                   .beta1 = 0.9f,
                                                   .beta2 = 0.999f,
                                                   .eps = 1e-8f,
                                                   .shrink = factors[step],
                                                   .fix1 = fix1,
                                                   .fix2 = fix2});
}

/* Rows that sleep are brought up to date, as an evaluation needs them. */
static void lazy_wake(void (*const *table)(const void *), u32 step, u32 *stamp, const f32 *factors)
{
    table[OP_wake_rows](&(struct wake_rows_args){
        .w = lazy_rows[0], .stamp = stamp, .factors = factors, .rows = LAZY_ROWS, .cols = LAZY_COLS, .step = step});
}

static void test_device_wake_rows_is_adamw(void **state)
{
    (void)state;
    CpuEngine engines[CPU_ENGINES];
    cpu_engines(engines);
    threads_start(2);
    for (int e = -1; e < CPU_ENGINES; e++) { /* -1: the plain versions */
        void (*table[OP_COUNT])(const void *);
        if (e >= 0 && !engines[e].usable) continue;
        if (e >= 0) cpu_table(&engines[e], table);
        if (e < 0) memcpy(table, plain_ops, sizeof table);
        memset(lazy_eager, 0, sizeof lazy_eager);
        for (int i = 0; i < LAZY_ALL; i++) lazy_eager[0][i] = device_number(2, (uint64_t)i);
        memcpy(lazy_rows, lazy_eager, sizeof lazy_eager);
        u32 stamp[LAZY_ROWS] = {0};
        f32 factors[LAZY_STEPS];
        double power1 = 1, power2 = 1;
        for (u32 step = 0; step < LAZY_STEPS; step++) {
            lazy_step(table, step, stamp, factors, &power1, &power2);
            if (step != LAZY_STEPS / 2) continue;
            lazy_wake(table, step + 1, stamp, factors);
            assert_memory_equal(lazy_eager[0], lazy_rows[0], sizeof lazy_eager[0]);
        }
        assert_memory_not_equal(lazy_eager[0], lazy_rows[0], sizeof lazy_eager[0]);
        lazy_wake(table, LAZY_STEPS, stamp, factors);
        assert_memory_equal(lazy_eager, lazy_rows, sizeof lazy_eager);
        for (u32 r = 0; r < LAZY_ROWS; r++) assert_int_equal(stamp[r], r < LAZY_STEPS ? ROW_AWAKE : LAZY_STEPS);
    }
    threads_stop();
}

/* ---- What ops are said to read and write: barriers on GPUs rest on it ---- */

static bool device_in_range(const Ranges *ranges, const f32 *at, bool write)
{
    for (int i = 0; i < ranges->count; i++)
        if ((uintptr_t)at >= ranges->at[i].begin && (uintptr_t)at < ranges->at[i].end &&
            (ranges->at[i].write || !write))
            return true;
    return false;
}

/* Nothing outside of an op's ranges matters to it, and nothing outside of its written ranges changes. */
static void test_device_ranges(void **state)
{
    (void)state;
    for (int op = 0; op < OP_COUNT; op++) {
        DeviceCase expected, got;
        for (int i = 0; case_make(&expected, tested_cases[op], i); i++) {
            plain_ops[op](&expected.args);
            case_make(&got, tested_cases[op], i);
            Ranges ranges;
            op_ranges((Op)op, &got.args, &ranges);
            for (int k = 0; k < ranges.count; k++) /* "to the end" means of the buffer */
                for (int b = 0; b < got.count && ranges.at[k].end == UINTPTR_MAX; b++)
                    if (ranges.at[k].begin >= (uintptr_t)got.buffers[b].at &&
                        ranges.at[k].begin <= (uintptr_t)(got.buffers[b].at + got.buffers[b].count))
                        ranges.at[k].end = (uintptr_t)(got.buffers[b].at + got.buffers[b].count);
            for (int b = 0; b < got.count; b++)
                for (size_t k = 0; k < got.buffers[b].count; k++)
                    if (!device_in_range(&ranges, &got.buffers[b].at[k], false)) got.buffers[b].at[k] = NAN;
            case_remember(&got);
            plain_ops[op](&got.args);
            for (int b = 0; b < got.count; b++)
                for (size_t k = 0; k < got.buffers[b].count; k++) {
                    const bool written = device_in_range(&ranges, &got.buffers[b].at[k], true);
                    const f32 *wanted = written ? &expected.buffers[b].at[k] : &got.buffers[b].before[k];
                    if (memcmp(&got.buffers[b].at[k], wanted, sizeof(f32)) != 0)
                        fail_msg("%s: element %zu of %s is not what its ranges say", case_text(&got), k,
                                 case_argument(&got, b));
                }
            arena_free(&got.arena);
            arena_free(&expected.arena);
        }
    }
}

/* ---- The device's own functions ---- */

static void test_device_open(void **state)
{
    (void)state;
    static const char *const good[] = {"cpu", "auto", "plain"};
    for (size_t i = 0; i < COUNT(good); i++) {
        Device device;
        Err err = {0};
        assert_true(device_open(&device, good[i], 2, &err));
        assert_int_equal(threads_count(), 2);
        assert_true(device.name[0]);

        DeviceArena arena = {.device = &device};
        f32p x = device_f32(&arena, 5), y = device_f32(&arena, 5), none = device_f32(&arena, 0);
        u32p z = device_u32(&arena, 1000);
        assert_non_null(none);
        assert_int_equal((uintptr_t)x % 256 + (uintptr_t)y % 256 + (uintptr_t)z % 256, 0);
        f32 host[5] = {1, 2, 3, 4, 5}, back[5];
        device_read(&device, back, x, sizeof back);
        for (int j = 0; j < 5; j++) assert_true(back[j] == 0);
        device_write(&device, x, host, sizeof host);
        RUN(&device, copy, .x = x, .y = y, .n = 5);
        RUN(&device, axpby, .x = x, .y = y, .n = 4, .alpha = 2, .beta = 1);
        device_read(&device, back, y, sizeof back);
        for (int j = 0; j < 5; j++) assert_true(back[j] == host[j] * (j < 4 ? 3 : 1));
        device_arena_free(&arena);
        device_close(&device);
        device_close(&device); /* closed: does nothing */
    }
    static const struct {
        const char *what;
        int code;
    } bad[] = {{"gpu:15", EXIT_WORLD}, {"gpu:x", EXIT_USAGE}, {"gpu:", EXIT_USAGE},
               {"gpux", EXIT_USAGE},   {"", EXIT_USAGE},      {"CPU", EXIT_USAGE}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        Device device;
        Err err = {0};
        assert_false(device_open(&device, bad[i].what, 0, &err));
        assert_int_equal(err.code, bad[i].code);
        assert_true(strlen(err.text) > 20);
        device_close(&device);
    }
    assert_string_equal(op_names[OP_gemm], "gemm");
    assert_string_equal(op_names[OP_COUNT - 1], "relative_attention_grad");
}

static const struct CMUnitTest device_tests[] = {
    cmocka_unit_test(test_device_open),
    cmocka_unit_test(test_device_cases_have_names),
    cmocka_unit_test(test_device_guards),
    cmocka_unit_test(test_device_ops_match_plain),
    cmocka_unit_test(test_device_ranges),
    cmocka_unit_test(test_device_ops_same_bits),
    cmocka_unit_test(test_device_ops_not_finite),
    cmocka_unit_test(test_device_functions),
    cmocka_unit_test(test_device_gradient_gemm),
    cmocka_unit_test(test_device_gradient_lora),
    cmocka_unit_test(test_device_gradient_activations),
    cmocka_unit_test(test_device_gradient_layernorm),
    cmocka_unit_test(test_device_gradient_attention),
    cmocka_unit_test(test_device_gradient_relative),
    cmocka_unit_test(test_device_gradient_attention_local),
    cmocka_unit_test(test_device_local_is_attention),
    cmocka_unit_test(test_device_gradient_turns_and_means),
    cmocka_unit_test(test_device_gradient_tables),
    cmocka_unit_test(test_device_gradient_cross_entropy),
    cmocka_unit_test(test_device_gradient_logit_losses),
    cmocka_unit_test(test_device_gradient_quadratic_penalty),
    cmocka_unit_test(test_device_projection),
    cmocka_unit_test(test_device_dropout_masks),
    cmocka_unit_test(test_device_dropout_forward_backward),
    cmocka_unit_test(test_device_wake_rows_is_adamw),
};
