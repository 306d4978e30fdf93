/* Speed of the ops of each CPU engine at the shapes of a training step: GFLOPS of products and attention, GB/s of what
 * only moves memory, milliseconds a call of each. Compare numbers of one run only.
 *
 *     ./build.sh bench ops [THREADS [WORD]]    only what has WORD in its name
 *
 * Products stand beside those of a serial BLIS, told which kernel to take, and cut into slices for the threads. */
#define main lethe_main
#include "../../main.c"
#undef main
#include <blis.h>

enum { BENCH_ENGINES = CPU_ENGINES + 1 };
static struct {
    const char *name;
    void (*table[OP_COUNT])(const void *args);
} bench_engines[BENCH_ENGINES];
static int bench_engine_count;
static const char *bench_word = "";

static void bench_blis_slice(void *context, size_t item, int thread)
{
    (void)thread;
    const struct gemm_args *g = context;
    const size_t count = (size_t)threads_count(), whole = g->m >= g->n ? g->m : g->n;
    const size_t begin = least_size(whole, item * ceil_div(ceil_div(whole, count), 32) * 32);
    const size_t end = least_size(whole, (item + 1) * ceil_div(ceil_div(whole, count), 32) * 32);
    if (begin == end) return;
    const size_t m0 = g->m >= g->n ? begin : 0, n0 = g->m >= g->n ? 0 : begin;
    const size_t m = g->m >= g->n ? end - begin : g->m, n = g->m >= g->n ? g->n : end - begin;
    float one = 1, zero = 0;
    const inc_t a_row = g->ta ? 1 : g->lda, a_col = g->ta ? g->lda : 1, b_row = g->tb ? 1 : g->ldb,
                b_col = g->tb ? g->ldb : 1;
    bli_sgemm(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, (dim_t)m, (dim_t)n, g->k, &one, g->a + m0 * (size_t)a_row, a_row,
              a_col, g->b + n0 * (size_t)b_col, b_row, b_col, &zero, g->c + m0 * g->ldc + n0, g->ldc, 1);
}

static void bench_blis_gemm(const void *args)
{
    parallel((size_t)threads_count(), bench_blis_slice, (void *)(uintptr_t)args);
}

/* Seconds of one call, the best of many, the engines in turn so that they meet the same load. */
static void bench(const char *label, Op op, const void *args, double work, const char *unit)
{
    double best[BENCH_ENGINES], once[BENCH_ENGINES];
    if (!strstr(label, bench_word)) return;
    for (int e = 0; e < bench_engine_count; e++) {
        best[e] = 1e9, once[e] = 0;
        if (!bench_engines[e].table[op]) continue;
        bench_engines[e].table[op](args);
        const double start = clock_seconds();
        bench_engines[e].table[op](args);
        once[e] = clock_seconds() - start;
    }
    for (int turn = 0; turn < 15; turn++)
        for (int e = 0; e < bench_engine_count; e++) {
            if (!bench_engines[e].table[op]) continue;
            const int calls = 1 + (int)(0.002 / (once[e] + 1e-7));
            const double start = clock_seconds();
            for (int i = 0; i < calls; i++) bench_engines[e].table[op](args);
            const double seconds = (clock_seconds() - start) / calls;
            if (seconds < best[e]) best[e] = seconds;
        }
    printf("%-44s", label);
    for (int e = 0; e < bench_engine_count; e++) {
        if (bench_engines[e].table[op])
            printf(" %8.4f ms %6.1f", best[e] * 1e3, work / best[e] * 1e-9);
        else
            printf(" %18s", "");
    }
    printf("  %s\n", unit);
    fflush(stdout);
}
#define BENCH(label, op, work, unit, ...) bench(label, OP_##op, &(struct op##_args){__VA_ARGS__}, work, unit)

static Arena bench_arena;
static f32 *bench_numbers(size_t count)
{
    f32 *x = arena_new(&bench_arena, f32, count);
    for (size_t i = 0; i < count; i++) x[i] = (f32)((i * 2654435761u >> 8) % 2001) * 0.001f - 1;
    return x;
}

static void bench_gemm(const char *what, u32 m, u32 n, u32 k, u32 ta, u32 tb, bool gelu)
{
    char label[64];
    snprintf(label, sizeof label, "gemm %s %ux%ux%u%s%s%s", what, m, n, k, ta ? " ta" : "", tb ? " tb" : "",
             gelu ? " gelu" : "");
    f32 *c = bench_numbers((size_t)m * n);
    BENCH(label, gemm, 2.0 * m * n * k, "GFLOPS", .a = bench_numbers((size_t)m * k), .b = bench_numbers((size_t)n * k),
          .bias = gelu ? bench_numbers(n) : NULL, .c = c, .gelu = gelu ? bench_numbers((size_t)m * n) : NULL, .m = m,
          .n = n, .k = k, .lda = ta ? m : k, .ldb = tb ? k : n, .ldc = n, .ta = ta, .tb = tb, .alpha = 1);
    arena_free(&bench_arena);
}

/* The weights' importance by example, as bench_gemm's dw. */
static void bench_importance(u32 examples, u32 tokens, u32 m, u32 n)
{
    char label[64];
    const u32 rows = examples * tokens;
    u32 *offsets = arena_new(&bench_arena, u32, examples + 1);
    for (u32 e = 0; e <= examples; e++) offsets[e] = e * tokens;
    snprintf(label, sizeof label, "gemm_importance dw %ux%ux%ux%u", m, n, examples, tokens);
    BENCH(label, gemm_importance, 2.0 * m * n * rows, "GFLOPS", .a = bench_numbers((size_t)rows * m),
          .b = bench_numbers((size_t)rows * n), .c = bench_numbers((size_t)m * n), .offsets = offsets,
          .examples = examples, .rows = rows, .m = m, .n = n, .lda = m, .ldb = n, .ldc = n, .power = 2, .scale = 1e-9f);
    arena_free(&bench_arena);
}

static void bench_attention(u32 examples, u32 tokens, u32 heads, u32 size, f32 drop)
{
    char label[64];
    const u32 all = examples * tokens, width = heads * size;
    u32 *offsets = arena_new(&bench_arena, u32, examples + 1);
    for (u32 e = 0; e <= examples; e++) offsets[e] = e * tokens;
    f32 *q = bench_numbers((size_t)all * width), *kv = bench_numbers((size_t)all * 2 * width);
    f32 *context = bench_numbers((size_t)all * width), *lse = bench_numbers((size_t)all * heads);
    const double flops = 4.0 * examples * heads * tokens * tokens * size;
    snprintf(label, sizeof label, "attention %ux%u, %ux%u%s", examples, tokens, heads, size,
             drop > 0 ? ", dropout" : "");
    BENCH(label, attention, flops, "GFLOPS", .q = q, .kv = kv, .context = context, .lse = lse, .offsets = offsets,
          .examples = examples, .heads = heads, .size = size, .ldq = width, .ldkv = 2 * width, .longest = tokens,
          .scale = 0.18f, .drop = drop, .seed = 1);
    snprintf(label, sizeof label, "attention_grad %ux%u, %ux%u%s", examples, tokens, heads, size,
             drop > 0 ? ", dropout" : "");
    BENCH(label, attention_grad, 2.5 * flops, "GFLOPS", .q = q, .kv = kv, .context = context, .lse = lse,
          .offsets = offsets, .dcontext = q, .dq = bench_numbers((size_t)all * width),
          .dkv = bench_numbers((size_t)all * 2 * width), .examples = examples, .heads = heads, .size = size,
          .ldq = width, .ldkv = 2 * width, .longest = tokens, .scale = 0.18f, .drop = drop, .seed = 1);
    arena_free(&bench_arena);
}

static void bench_shape(u32 tokens, u32 hidden, u32 inner)
{
    printf("\n%u tokens, hidden %u\n", tokens, hidden);
    bench_gemm("qkv", tokens, 3 * hidden, hidden, 0, 1, false);
    bench_gemm("out", tokens, hidden, hidden, 0, 1, false);
    bench_gemm("up", tokens, inner, hidden, 0, 1, false);
    bench_gemm("up", tokens, inner, hidden, 0, 1, true);
    bench_gemm("down", tokens, hidden, inner, 0, 1, false);
    bench_gemm("dx", tokens, hidden, inner, 0, 0, false);
    bench_gemm("dx", tokens, inner, hidden, 0, 0, false);
    bench_gemm("dw", inner, hidden, tokens, 1, 0, false);
    bench_gemm("dw", hidden, inner, tokens, 1, 0, false);
    bench_gemm("head", 16, hidden, hidden, 0, 1, false);

    const size_t all = (size_t)tokens * hidden, wide = (size_t)tokens * inner;
    f32 *x = bench_numbers(wide), *y = bench_numbers(wide), *z = bench_numbers(wide), *g = bench_numbers(wide);
    const u32 n = (u32)all, n_wide = (u32)wide;
    BENCH("gelu_grad", gelu_grad, 12.0 * wide, "GB/s", .x = x, .dy = y, .dx = z, .n = n_wide);
    BENCH("layernorm", layernorm, 12.0 * all, "GB/s", .x = x, .gamma = y, .beta = y, .y = z, .mean = g, .rstd = g,
          .rows = tokens, .cols = hidden, .eps = 1e-5f);
    BENCH("layernorm, residual, dropout", layernorm, 16.0 * all, "GB/s", .x = x, .residual = y, .gamma = y, .beta = y,
          .y = z, .mean = g, .rstd = g, .rows = tokens, .cols = hidden, .eps = 1e-5f, .drop = 0.1f);
    BENCH("layernorm_dx, dropout", layernorm_dx, 16.0 * all, "GB/s", .x = y, .gamma = y, .mean = y, .rstd = y, .dy = y,
          .dsum = z, .dx = g, .rows = tokens, .cols = hidden, .drop = 0.1f);
    BENCH("layernorm_dw", layernorm_dw, 8.0 * all, "GB/s", .x = y, .mean = y, .rstd = y, .dy = y, .dgamma = z,
          .dbeta = g, .rows = tokens, .cols = hidden);
    BENCH("column_sum", column_sum, 4.0 * wide, "GB/s", .x = y, .y = z, .rows = tokens, .cols = inner, .ld = inner);
    BENCH("dropout", dropout, 8.0 * all, "GB/s", .x = y, .y = z, .rows = tokens, .cols = hidden, .drop = 0.1f);
    BENCH("lora_down, 3 x 8, dropout", lora_down, 48.0 * all, "GFLOPS", .x = y, .a = y, .low = z, .rows = tokens,
          .cols = hidden, .r = 8, .targets = 3, .next = 16 * hidden, .drop = 0.1f, .next_site = 1);
    BENCH("lora_dx, 3 x 8, dropout", lora_dx, 48.0 * all, "GFLOPS", .dlow = x, .a = y, .dx = z, .rows = tokens,
          .cols = hidden, .r = 8, .targets = 3, .next = 16 * hidden, .drop = 0.1f, .next_site = 1);
    BENCH("lora_dw, 3 x 8, dropout", lora_dw, 96.0 * all, "GFLOPS", .x = x, .dy = y, .low = x, .dlow = x, .da = z,
          .db = g, .rows = tokens, .cols = hidden, .wide = hidden, .r = 8, .targets = 3, .next = 16 * hidden,
          .lddy = 3 * hidden, .next_dy = hidden, .alpha = 1, .drop = 0.1f, .next_site = 1);
    BENCH("axpby", axpby, 12.0 * all, "GB/s", .x = y, .y = z, .n = n, .alpha = 1e-9f, .beta = 1);
    BENCH("copy", copy, 8.0 * all, "GB/s", .x = y, .y = z, .n = n);
    arena_free(&bench_arena);
}

int main(int argc, char **argv)
{
    CpuEngine engines[CPU_ENGINES];
    cpu_engines(engines);
    if (argc > 2) bench_word = argv[2];
    threads_start(argc > 1 ? atoi(argv[1]) : processors_available());
    for (int e = 0; e < CPU_ENGINES; e++)
        if (engines[e].usable) {
            cpu_table(&engines[e], bench_engines[bench_engine_count].table);
            bench_engines[bench_engine_count++].name = engines[e].name;
        }
    char type[16];
    snprintf(type, sizeof type, "%d", engines[0].usable ? BLIS_ARCH_SKX : BLIS_ARCH_HASWELL);
    setenv("BLIS_ARCH_TYPE", type, 0);
    bench_engines[bench_engine_count].table[OP_gemm] = bench_blis_gemm;
    bench_engines[bench_engine_count++].name = "BLIS";
    printf("%d threads\n%-44s", threads_count(), "");
    for (int e = 0; e < bench_engine_count; e++) printf(" %18s", bench_engines[e].name);
    printf("\n");

    bench_shape(212, 384, 1536);
    bench_shape(640, 384, 1536);
    bench_shape(212, 768, 3072);
    bench_shape(640, 768, 3072);

    printf("\n");
    bench_importance(16, 13, 1536, 384);
    bench_importance(16, 40, 1536, 384);
    bench_importance(16, 40, 3072, 768);
    bench_attention(16, 13, 12, 32, 0);
    bench_attention(16, 13, 12, 32, 0.1f);
    bench_attention(16, 40, 12, 32, 0);
    bench_attention(16, 40, 12, 32, 0.1f);
    bench_attention(16, 128, 12, 32, 0.1f);
    bench_attention(16, 40, 12, 64, 0.1f);
    bench_attention(16, 128, 12, 64, 0.1f);
    bench_attention(2, 512, 12, 64, 0.1f);

    const u32 n = 8000000;
    f32 *w = bench_numbers(n), *g = bench_numbers(n), *m = bench_numbers(n), *v = bench_numbers(n);
    for (u32 i = 0; i < n; i++) v[i] = v[i] * v[i] + 1e-3f;
    printf("\n");
    BENCH("adamw 8M", adamw, 28.0 * n, "GB/s", .w = w, .g = g, .m = m, .v = v, .n = n, .lr = 1e-9f, .beta1 = 0.9f,
          .beta2 = 0.999f, .eps = 1e-8f, .shrink = 0.9999f, .fix1 = 0.5f, .fix2 = 0.5f);
    BENCH("copy 8M", copy, 8.0 * n, "GB/s", .x = w, .y = g, .n = n);
    BENCH("axpby 8M", axpby, 12.0 * n, "GB/s", .x = w, .y = g, .n = n, .alpha = 1e-9f, .beta = 1);
    BENCH("fill 8M", fill, 4.0 * n, "GB/s", .x = w, .n = n);
    BENCH("dot 8M", dot, 4.0 * n, "GB/s", .x = w, .y = w, .part = m, .n = n, .block = 16384);
    BENCH("quadratic_penalty 8M", quadratic_penalty, 20.0 * n, "GB/s", .w = w, .anchor = m, .importance = v, .g = g,
          .part = bench_numbers(n / 16384 + 1), .n = n, .block = 16384, .strength = 1e-9f);
    BENCH("path_integral 8M", path_integral, 24.0 * n, "GB/s", .g = g, .w = w, .before = m, .path = v, .n = n);
    u32 *stamp = arena_new(&bench_arena, u32, n / 400);
    f32 *factors = bench_numbers(100);
    BENCH("wake_rows 20000x384, 10 steps each time", wake_rows, 8.0 * 20000 * 384, "GB/s", .w = w, .stamp = stamp,
          .factors = factors, .rows = 20000, .cols = 384, .step = 10);
    arena_free(&bench_arena);
    threads_stop();
    return 0;
}
