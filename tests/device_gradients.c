/* The gradients of the plain ops against central differences in double precision. */

/* ---- The plain ops once more with f32 = double, for finite differences ---- */

#define ARGS(op) struct op##_args64 {
#define in_f32(name) const double *name;
#define out_f32(name) double *name;
#define over_f32(name, input) double *name;
#define io_f32(name) double *name;
#define in_u32(name) const uint32_t *name;
#define io_u32(name) uint32_t *name;
#define u32(name) uint32_t name;
#define f32(name) double name;
#define END \
    }       \
    ;
#include "../shaders/ops.h"

#undef PLAIN
#undef PLAIN_ARGS
#define PLAIN(name) plain64_##name
#define PLAIN_ARGS(op) struct op##_args64
#define float double
#define f32 double
#define f32p double *
#include "../src/device/cpu/plain.c"
#undef float
#undef f32
#undef f32p

/* Runs a plain op in double: RUN64(gelu, .x = x, .y = y, .n = n). */
#define RUN64(op, ...) plain64_ops[OP_##op](&(struct op##_args64){__VA_ARGS__})

/* ---- Gradients of the plain versions against central differences, in double precision ---- */

/* The loss is sum of weight * y after the op has run; `start` is copied to `io` before, for ops that change an input.
 */
typedef struct DeviceGradient {
    Arena arena;
    Op op;
    const void *args;
    const double *y, *weight, *start;
    double *io;
    size_t count, io_count;
} DeviceGradient;

static double *device_gradient_numbers(DeviceGradient *g, size_t count, uint64_t stream)
{
    double *x = arena_new(&g->arena, double, count);
    for (size_t i = 0; i < count; i++) x[i] = (double)device_number(stream, i);
    return x;
}

static double device_gradient_loss(const DeviceGradient *g)
{
    if (g->io) memcpy(g->io, g->start, g->io_count * sizeof(double));
    plain64_ops[g->op](g->args);
    double loss = 0;
    for (size_t i = 0; i < g->count; i++) loss += g->weight[i] * g->y[i];
    return loss;
}

/* dx: the gradient of the loss with respect to x, as the op under test has it. The error of a central difference is of
 * the order of step^2 = 1e-10 and of rounding / step = 1e-11, both relative. */
static void device_gradient_check(const DeviceGradient *g, const char *what, double *x, const double *dx, size_t count)
{
    const double step = 1e-5;
    double largest = 0;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs(dx[i]));
    assert_true(largest > 1e-3);
    for (size_t i = 0; i < count; i++) {
        const double at = x[i];
        x[i] = at + step;
        const double above = device_gradient_loss(g);
        x[i] = at - step;
        const double below = device_gradient_loss(g);
        x[i] = at;
        const double difference = (above - below) / (2 * step);
        if (!(fabs(difference - dx[i]) <= 1e-7 * largest))
            DEVICE_FAIL("gradient of %s, element %zu: %.12g, but the difference quotient is %.12g", what, i, dx[i],
                        difference);
    }
    device_gradient_loss(g);
}

static void test_device_gradient_gemm(void **state)
{
    (void)state;
    enum { M = 3, N = 4, K = 5 };
    for (u32 variant = 0; variant < 4; variant++) {
        const u32 ta = variant & 1, tb = variant >> 1, lda = ta ? M : K, ldb = tb ? K : N;
        DeviceGradient g = {.op = OP_gemm, .count = M * N};
        double *a = device_gradient_numbers(&g, M * K, 1), *b = device_gradient_numbers(&g, K * N, 2);
        double *bias = device_gradient_numbers(&g, N, 3), *c = device_gradient_numbers(&g, M * N, 4);
        double *dc = device_gradient_numbers(&g, M * N, 5), *d = device_gradient_numbers(&g, M * K + K * N + N, 6);
        g.y = c, g.weight = dc;
        g.args = &(struct gemm_args64){.a = a,
                                       .b = b,
                                       .bias = bias,
                                       .c = c,
                                       .m = M,
                                       .n = N,
                                       .k = K,
                                       .lda = lda,
                                       .ldb = ldb,
                                       .ldc = N,
                                       .ta = ta,
                                       .tb = tb,
                                       .alpha = 0.7};
        double *da = d, *db = d + M * K, *dbias = d + M * K + K * N;
        if (ta) /* a is [k][m]: op(b) dc^T */
            RUN64(gemm, .a = b, .b = dc, .c = da, .m = K, .n = M, .k = N, .lda = ldb, .ldb = N, .ldc = M, .ta = tb,
                  .tb = 1, .alpha = 0.7);
        else /* dc op(b)^T */
            RUN64(gemm, .a = dc, .b = b, .c = da, .m = M, .n = K, .k = N, .lda = N, .ldb = ldb, .ldc = K, .tb = !tb,
                  .alpha = 0.7);
        if (tb) /* b is [n][k]: dc^T op(a) */
            RUN64(gemm, .a = dc, .b = a, .c = db, .m = N, .n = K, .k = M, .lda = N, .ldb = lda, .ldc = K, .ta = 1,
                  .tb = ta, .alpha = 0.7);
        else /* op(a)^T dc */
            RUN64(gemm, .a = a, .b = dc, .c = db, .m = K, .n = N, .k = M, .lda = lda, .ldb = N, .ldc = N, .ta = !ta,
                  .alpha = 0.7);
        RUN64(column_sum, .x = dc, .y = dbias, .rows = M, .cols = N, .ld = N);
        device_gradient_check(&g, "gemm, a", a, da, M * K);
        device_gradient_check(&g, "gemm, b", b, db, K * N);
        device_gradient_check(&g, "gemm, bias", bias, dbias, N);
        arena_free(&g.arena);
    }
}

/* y_t += alpha B_t A_t dropout_t(x): of x, A_t and B_t. */
static void test_device_gradient_lora(void **state)
{
    (void)state;
    enum { ROWS_ = 5, COLS_ = 6, R = 2, TARGETS = 3, WEIGHTS = R * COLS_, NEXT = 2 * WEIGHTS, LD = TARGETS * COLS_ };
    DeviceGradient g = {.op = OP_lora_down, .count = TARGETS * ROWS_ * R};
    double *x = device_gradient_numbers(&g, ROWS_ * COLS_, 1), *w = device_gradient_numbers(&g, TARGETS * NEXT, 2);
    double *low = device_gradient_numbers(&g, TARGETS * ROWS_ * R, 3), *y = device_gradient_numbers(&g, ROWS_ * LD, 4);
    double *dlow = device_gradient_numbers(&g, TARGETS * ROWS_ * R, 5),
           *dy = device_gradient_numbers(&g, ROWS_ * LD, 6);
    double *dx = arena_new(&g.arena, double, ROWS_ *COLS_), *dw = arena_new(&g.arena, double, TARGETS *NEXT);
    g.y = low, g.weight = dlow;
    g.args = &(struct lora_down_args64){.x = x,
                                        .a = w,
                                        .low = low,
                                        .rows = ROWS_,
                                        .cols = COLS_,
                                        .r = R,
                                        .targets = TARGETS,
                                        .next = NEXT,
                                        .drop = 0.25,
                                        .seed = 4,
                                        .step = 5,
                                        .site = 6,
                                        .next_site = 1};
    device_gradient_loss(&g); /* fills low */
    RUN64(lora_dx, .dlow = dlow, .a = w, .dx = dx, .rows = ROWS_, .cols = COLS_, .r = R, .targets = TARGETS,
          .next = NEXT, .drop = 0.25, .seed = 4, .step = 5, .site = 6, .next_site = 1);
    RUN64(lora_dw, .x = x, .dy = dy, .low = low, .dlow = dlow, .da = dw, .db = dw + WEIGHTS, .rows = ROWS_,
          .cols = COLS_, .wide = COLS_, .r = R, .targets = TARGETS, .next = NEXT, .lddy = LD, .next_dy = COLS_, .alpha = 0.7,
          .drop = 0.25, .seed = 4, .step = 5, .site = 6, .next_site = 1);
    device_gradient_check(&g, "lora, x", x, dx, ROWS_ * COLS_);
    for (int t = 0; t < TARGETS; t++) device_gradient_check(&g, "lora, A", w + t * NEXT, dw + t * NEXT, WEIGHTS);

    g.op = OP_gemm, g.count = ROWS_ * LD, g.y = y, g.weight = dy;
    g.args = &(struct gemm_args64){.a = low,
                                   .b = w + WEIGHTS,
                                   .c = y,
                                   .m = ROWS_,
                                   .n = COLS_,
                                   .k = R,
                                   .lda = R,
                                   .ldb = R,
                                   .ldc = LD,
                                   .tb = 1,
                                   .alpha = 0.7,
                                   .more = TARGETS - 1,
                                   .stride_a = ROWS_ * R,
                                   .stride_b = NEXT,
                                   .stride_c = COLS_};
    for (int t = 0; t < TARGETS; t++) {
        const int at = t * NEXT + WEIGHTS;
        device_gradient_check(&g, "lora, B", w + at, dw + at, WEIGHTS);
    }
    arena_free(&g.arena);
}

static void test_device_gradient_activations(void **state)
{
    (void)state;
    enum { N = 40 };
    DeviceGradient g = {.count = N};
    double *x = device_gradient_numbers(&g, N, 1), *y = device_gradient_numbers(&g, N, 2),
           *dx = device_gradient_numbers(&g, N, 4);
    double *dy = device_gradient_numbers(&g, N, 3);
    g.y = y, g.weight = dy;
    g.op = OP_gelu;
    g.args = &(struct gelu_args64){.x = x, .y = y, .n = N};
    RUN64(gelu_grad, .x = x, .dy = dy, .dx = dx, .n = N);
    device_gradient_check(&g, "gelu", x, dx, N);
    g.args = &(struct gelu_args64){.x = x, .y = y, .n = N, .by_tanh = 1};
    RUN64(gelu_grad, .x = x, .dy = dy, .dx = dx, .n = N, .by_tanh = 1);
    device_gradient_check(&g, "gelu by tanh", x, dx, N);

    double *wide = device_gradient_numbers(&g, 2 * N, 6), *dwide = device_gradient_numbers(&g, 2 * N, 7);
    g.op = OP_geglu;
    g.args = &(struct geglu_args64){.x = wide, .y = y, .rows = 5, .cols = N / 5};
    RUN64(geglu_grad, .x = wide, .dy = dy, .dx = dwide, .rows = 5, .cols = N / 5);
    device_gradient_check(&g, "geglu", wide, dwide, 2 * N);

    g.op = OP_tanh;
    g.args = &(struct tanh_args64){.x = x, .y = y, .n = N};
    device_gradient_loss(&g);
    RUN64(tanh_grad, .y = y, .dy = dy, .dx = dx, .n = N);
    device_gradient_check(&g, "tanh", x, dx, N);

    g.op = OP_relu;
    g.args = &(struct relu_args64){.x = x, .y = y, .n = N};
    device_gradient_loss(&g);
    RUN64(relu_grad, .y = y, .dy = dy, .dx = dx, .n = N);
    device_gradient_check(&g, "relu", x, dx, N);

    g.op = OP_dropout;
    g.args =
        &(struct dropout_args64){.x = x, .y = y, .rows = 5, .cols = 8, .drop = 0.25, .seed = 4, .step = 5, .site = 6};
    RUN64(dropout, .x = dy, .y = dx, .rows = 5, .cols = 8, .drop = 0.25, .seed = 4, .step = 5, .site = 6);
    device_gradient_check(&g, "dropout", x, dx, N);

    g.op = OP_axpby; /* y += alpha x */
    g.args = &(struct axpby_args64){.x = x, .y = y, .n = N, .alpha = -0.3, .beta = 1};
    g.io = y, g.start = device_gradient_numbers(&g, N, 5), g.io_count = N;
    for (int i = 0; i < N; i++) dx[i] = -0.3 * dy[i];
    device_gradient_check(&g, "axpby", x, dx, N);
    arena_free(&g.arena);
}

static void test_device_gradient_layernorm(void **state)
{
    (void)state;
    enum { ROWS_ = 4, COLS_ = 9, ALL = ROWS_ * COLS_ };
    for (int variant = 0; variant < 3; variant++) { /* alone, with residual, with residual and dropout */
        DeviceGradient g = {.op = OP_layernorm, .count = ALL, .io_count = ALL};
        double *start = device_gradient_numbers(&g, ALL, 1), *x = device_gradient_numbers(&g, ALL, 2);
        double *residual = variant ? device_gradient_numbers(&g, ALL, 3) : NULL, drop = variant == 2 ? 0.25 : 0;
        double *gamma = device_gradient_numbers(&g, COLS_, 4), *beta = device_gradient_numbers(&g, COLS_, 5);
        double *mean = device_gradient_numbers(&g, ROWS_, 6), *rstd = device_gradient_numbers(&g, ROWS_, 7);
        double *dsum = device_gradient_numbers(&g, ALL, 8), *dx = device_gradient_numbers(&g, ALL, 9),
               *y = device_gradient_numbers(&g, ALL, 10);
        double *dgamma = device_gradient_numbers(&g, COLS_, 11), *dbeta = device_gradient_numbers(&g, COLS_, 12);
        double *dy = device_gradient_numbers(&g, ALL, 13);
        g.y = y, g.weight = dy, g.start = start, g.io = x;
        g.args = &(struct layernorm_args64){.x = x,
                                            .residual = residual,
                                            .gamma = gamma,
                                            .beta = beta,
                                            .y = y,
                                            .mean = mean,
                                            .rstd = rstd,
                                            .rows = ROWS_,
                                            .cols = COLS_,
                                            .eps = 1e-5,
                                            .drop = drop,
                                            .seed = 4,
                                            .step = 5,
                                            .site = 6};
        device_gradient_loss(&g);
        RUN64(layernorm_dx, .x = x, .gamma = gamma, .mean = mean, .rstd = rstd, .dy = dy, .dsum = dsum, .dx = dx,
              .rows = ROWS_, .cols = COLS_, .drop = drop, .seed = 4, .step = 5, .site = 6);
        RUN64(layernorm_dw, .x = x, .mean = mean, .rstd = rstd, .dy = dy, .dgamma = dgamma, .dbeta = dbeta,
              .rows = ROWS_, .cols = COLS_);
        device_gradient_check(&g, "layernorm, x", start, dx, ALL);
        if (residual) device_gradient_check(&g, "layernorm, residual", residual, dsum, ALL);
        device_gradient_check(&g, "layernorm, gamma", gamma, dgamma, COLS_);
        device_gradient_check(&g, "layernorm, beta", beta, dbeta, COLS_);
        arena_free(&g.arena);
    }
}

static void test_device_gradient_attention(void **state)
{
    (void)state;
    enum { HEADS = 2, SIZE = 4, WIDTH = HEADS * SIZE, TOKENS = 9, EXAMPLES = 4 };
    u32 offsets[EXAMPLES + 1] = {0, 3, 3, 4, TOKENS};
    for (u32 variant = 0; variant < 4; variant++) {
        const u32 first_only = variant & 1, queries = first_only ? EXAMPLES : TOKENS;
        const double drop = variant >> 1 ? 0.25 : 0;
        DeviceGradient g = {.op = OP_attention, .count = queries * WIDTH};
        double *q = device_gradient_numbers(&g, queries * WIDTH, 1),
               *kv = device_gradient_numbers(&g, TOKENS * 2 * WIDTH, 2);
        double *context = device_gradient_numbers(&g, queries * WIDTH, 3),
               *lse = device_gradient_numbers(&g, HEADS * queries, 4);
        double *dq = device_gradient_numbers(&g, queries * WIDTH, 5),
               *dkv = device_gradient_numbers(&g, TOKENS * 2 * WIDTH, 6);
        double *dcontext = device_gradient_numbers(&g, queries * WIDTH, 7);
        g.y = context, g.weight = dcontext;
        g.args = &(struct attention_args64){.q = q,
                                            .kv = kv,
                                            .context = context,
                                            .lse = lse,
                                            .offsets = offsets,
                                            .examples = EXAMPLES,
                                            .heads = HEADS,
                                            .head_dim = SIZE,
                                            .ldq = WIDTH,
                                            .ldkv = 2 * WIDTH,
                                            .first_only = first_only,
                                            .longest = 5,
                                            .scale = 0.5,
                                            .drop = drop,
                                            .seed = 4,
                                            .step = 5,
                                            .site = 6};
        device_gradient_loss(&g);
        RUN64(attention_grad, .q = q, .kv = kv, .context = context, .lse = lse, .dcontext = dcontext, .dq = dq,
              .dkv = dkv, .offsets = offsets, .examples = EXAMPLES, .heads = HEADS, .head_dim = SIZE, .ldq = WIDTH,
              .ldkv = 2 * WIDTH, .first_only = first_only, .longest = 5, .scale = 0.5, .drop = drop, .seed = 4,
              .step = 5, .site = 6);
        device_gradient_check(&g, "attention, q", q, dq, queries * WIDTH);
        device_gradient_check(&g, "attention, kv", kv, dkv, TOKENS * 2 * WIDTH);
        arena_free(&g.arena);
    }
}

/* A bias by buckets of distances and the attention that adds it: through two ops, by all that goes in. */
static void test_device_gradient_relative(void **state)
{
    (void)state;
    enum { HEADS = 2, SIZE = 4, WIDTH = HEADS * SIZE, TOKENS = 9, EXAMPLES = 4, LONGEST = 5, REACH = 6, BUCKETS = 4 };
    u32 offsets[EXAMPLES + 1] = {0, 3, 3, 4, TOKENS};
    u32 bucket[2 * REACH - 1] = {1, 1, 1, 2, 2, 3,
                                 4, 4, 4, 4, 4}; /* of distances -5 .. 5; one more comes before them */
    u32 span[2 * (BUCKETS + 1)] = {0, 0, 0, 3, 3, 5, 5, 6, 6, 11};
    for (u32 variant = 0; variant < 8; variant++) {
        const u32 first_only = variant & 1, shared = variant >> 2, queries = first_only ? EXAMPLES : TOKENS;
        const double drop = variant >> 1 & 1 ? 0.25 : 0;
        const u32 tables = (shared ? 1 : TOKENS) * HEADS * BUCKETS, ld = 3 * WIDTH + 1;
        DeviceGradient g = {.op = OP_relative_bias, .count = TOKENS * HEADS * LONGEST};
        double *a = device_gradient_numbers(&g, tables, 1), *b = device_gradient_numbers(&g, tables, 2);
        double *bias = arena_new(&g.arena, double, TOKENS *HEADS *LONGEST);
        double *d_bias = device_gradient_numbers(&g, TOKENS * HEADS * LONGEST, 3);
        double *da = arena_new(&g.arena, double, TOKENS *HEADS *BUCKETS), *db = arena_new(&g.arena, double, tables);
        for (u32 t = 0; t < TOKENS; t++) /* where there is no key there is no bias */
            for (u32 i = 0; i < HEADS * LONGEST; i++)
                if (i % LONGEST >= (t < 3 ? 3 : t < 4 ? 1 : 5)) d_bias[t * HEADS * LONGEST + i] = 0;
        const u32 next_head = shared ? 1 : BUCKETS, next_bucket = shared ? HEADS : 1;
        g.y = bias, g.weight = d_bias;
        g.args = &(struct relative_bias_args64){.a = a,
                                                .b = shared ? NULL : b,
                                                .bucket = bucket,
                                                .offsets = offsets,
                                                .bias = bias,
                                                .examples = EXAMPLES,
                                                .heads = HEADS,
                                                .longest = LONGEST,
                                                .buckets = BUCKETS,
                                                .base = 1,
                                                .reach = REACH,
                                                .lda = shared ? 0 : HEADS * BUCKETS,
                                                .next_head = next_head,
                                                .next_bucket = next_bucket};
        device_gradient_loss(&g);
        RUN64(relative_bias_grad, .dbias = d_bias, .span = span, .offsets = offsets, .da = da, .db = shared ? NULL : db,
              .examples = EXAMPLES, .heads = HEADS, .longest = LONGEST, .buckets = BUCKETS, .base = 1, .reach = REACH,
              .by_example = shared, .accumulate = shared, .next_head = next_head, .next_bucket = next_bucket);
        for (u32 e = 1; e < EXAMPLES && shared; e++)
            for (u32 i = 0; i < tables; i++) da[i] += da[e * tables + i];
        device_gradient_check(&g, "relative_bias, queries", a, da, tables);
        if (!shared) device_gradient_check(&g, "relative_bias, keys", b, db, tables);

        double *qkv = device_gradient_numbers(&g, TOKENS * ld, 4),
               *lse = device_gradient_numbers(&g, HEADS * queries, 5);
        double *context = device_gradient_numbers(&g, queries * WIDTH, 6);
        double *dcontext = device_gradient_numbers(&g, queries * WIDTH, 7),
               *dqkv = arena_new(&g.arena, double, TOKENS *ld);
        memset(d_bias, 0, TOKENS * HEADS * LONGEST * sizeof *d_bias);
        g.op = OP_relative_attention, g.count = queries * WIDTH, g.y = context, g.weight = dcontext;
        g.args = &(struct relative_attention_args64){.qkv = qkv,
                                                     .bias = bias,
                                                     .context = context,
                                                     .lse = lse,
                                                     .offsets = offsets,
                                                     .examples = EXAMPLES,
                                                     .heads = HEADS,
                                                     .head_dim = SIZE,
                                                     .ld = ld,
                                                     .first_only = first_only,
                                                     .longest = LONGEST,
                                                     .scale = 0.5,
                                                     .drop = drop,
                                                     .seed = 4,
                                                     .step = 5,
                                                     .site = 6};
        device_gradient_loss(&g);
        RUN64(relative_attention_grad, .qkv = qkv, .bias = bias, .context = context, .lse = lse, .dcontext = dcontext,
              .dqkv = dqkv, .dbias = d_bias, .offsets = offsets, .examples = EXAMPLES, .heads = HEADS, .head_dim = SIZE,
              .ld = ld, .first_only = first_only, .longest = LONGEST, .scale = 0.5, .drop = drop, .seed = 4, .step = 5,
              .site = 6);
        device_gradient_check(&g, "relative_attention, qkv", qkv, dqkv, TOKENS * ld);
        device_gradient_check(&g, "relative_attention, bias", bias, d_bias, TOKENS * HEADS * LONGEST);
        arena_free(&g.arena);
    }
}

static void test_device_gradient_attention_local(void **state)
{
    (void)state;
    enum { HEADS = 2, SIZE = 4, WIDTH = HEADS * SIZE, TOKENS = 11, EXAMPLES = 4 };
    u32 offsets[EXAMPLES + 1] = {0, 3, 3, 4, TOKENS};
    for (u32 variant = 0; variant < 4; variant++) {
        const u32 window = variant & 1 ? 2 : 1;
        const double drop = variant >> 1 ? 0.25 : 0;
        DeviceGradient g = {.op = OP_attention_local, .count = TOKENS * WIDTH};
        double *q = device_gradient_numbers(&g, TOKENS * WIDTH, 1),
               *kv = device_gradient_numbers(&g, TOKENS * 2 * WIDTH, 2);
        double *context = device_gradient_numbers(&g, TOKENS * WIDTH, 3),
               *lse = device_gradient_numbers(&g, HEADS * TOKENS, 4);
        double *dq = device_gradient_numbers(&g, TOKENS * WIDTH, 5),
               *dkv = device_gradient_numbers(&g, TOKENS * 2 * WIDTH, 6);
        double *dcontext = device_gradient_numbers(&g, TOKENS * WIDTH, 7);
        g.y = context, g.weight = dcontext;
        g.args = &(struct attention_local_args64){.q = q,
                                                  .kv = kv,
                                                  .context = context,
                                                  .lse = lse,
                                                  .offsets = offsets,
                                                  .examples = EXAMPLES,
                                                  .heads = HEADS,
                                                  .head_dim = SIZE,
                                                  .ldq = WIDTH,
                                                  .ldkv = 2 * WIDTH,
                                                  .window = window,
                                                  .longest = 7,
                                                  .scale = 0.5,
                                                  .drop = drop,
                                                  .seed = 4,
                                                  .step = 5,
                                                  .site = 6};
        device_gradient_loss(&g);
        RUN64(attention_local_grad, .q = q, .kv = kv, .context = context, .lse = lse, .dcontext = dcontext, .dq = dq,
              .dkv = dkv, .offsets = offsets, .examples = EXAMPLES, .heads = HEADS, .head_dim = SIZE, .ldq = WIDTH,
              .ldkv = 2 * WIDTH, .window = window, .longest = 7, .scale = 0.5, .drop = drop, .seed = 4, .step = 5,
              .site = 6);
        device_gradient_check(&g, "attention_local, q", q, dq, TOKENS * WIDTH);
        device_gradient_check(&g, "attention_local, kv", kv, dkv, TOKENS * 2 * WIDTH);
        arena_free(&g.arena);
    }
}

/* A window that reaches over all tokens: attention's own bits of the plain version. */
static void test_device_local_is_attention(void **state)
{
    (void)state;
    DeviceCase a, b;
    for (int i = 0; case_make(&a, tested_attention, i); i++) {
        if (!a.args.attention.first_only && a.args.attention.examples) {
            const struct attention_args *x = &a.args.attention;
            b = (DeviceCase){.op = OP_attention};
            const u32 tokens = x->offsets[x->examples], width = x->heads * x->head_dim;
            f32 *context = case_floats(&b, (size_t)tokens * width), *lse = case_floats(&b, (size_t)tokens * x->heads);
            plain_attention(x);
            plain_attention_local(&(struct attention_local_args){.q = x->q,
                                                                 .kv = x->kv,
                                                                 .context = context,
                                                                 .lse = lse,
                                                                 .offsets = x->offsets,
                                                                 .examples = x->examples,
                                                                 .heads = x->heads,
                                                                 .head_dim = x->head_dim,
                                                                 .ldq = x->ldq,
                                                                 .ldkv = x->ldkv,
                                                                 .window = x->longest,
                                                                 .longest = x->longest,
                                                                 .scale = x->scale,
                                                                 .drop = x->drop,
                                                                 .seed = x->seed,
                                                                 .step = x->step,
                                                                 .site = x->site});
            assert_memory_equal(context, x->context, (size_t)tokens * width * sizeof(f32));
            assert_memory_equal(lse, x->lse, (size_t)tokens * x->heads * sizeof(f32));
            arena_free(&b.arena);
        }
        arena_free(&a.arena);
    }
}

static void test_device_gradient_turns_and_means(void **state)
{
    (void)state;
    enum { ROWS_ = 5, HEADS = 2, SIZE = 6, LD = HEADS * SIZE + 1, ALL = ROWS_ * LD, COLS_ = 3, EXAMPLES = 3 };
    u32 positions[ROWS_] = {0, 1, 2, 0, 3}, offsets[EXAMPLES + 1] = {0, 2, 2, ROWS_};
    DeviceGradient g = {.op = OP_rope, .count = ALL};
    double *x = device_gradient_numbers(&g, ALL, 1), *io = device_gradient_numbers(&g, ALL, 2),
           *table = device_gradient_numbers(&g, 4 * SIZE, 3);
    double *weight = device_gradient_numbers(&g, ALL, 4), *dx = device_gradient_numbers(&g, ALL, 4); /* the same */
    g.y = io, g.weight = weight, g.io = io, g.start = x, g.io_count = ALL;
    g.args = &(struct rope_args64){
        .x = io, .table = table, .positions = positions, .rows = ROWS_, .heads = HEADS, .head_dim = SIZE, .ld = LD};
    RUN64(rope, .x = dx, .table = table, .positions = positions, .rows = ROWS_, .heads = HEADS, .head_dim = SIZE,
          .ld = LD, .back = 1);
    device_gradient_check(&g, "rope", x, dx, ALL);

    double *y = device_gradient_numbers(&g, EXAMPLES * COLS_, 5),
           *dy = device_gradient_numbers(&g, EXAMPLES * COLS_, 6);
    g = (DeviceGradient){.arena = g.arena, .op = OP_average, .y = y, .weight = dy, .count = EXAMPLES * COLS_};
    g.args = &(struct average_args64){.x = x, .offsets = offsets, .y = y, .examples = EXAMPLES, .cols = COLS_};
    RUN64(average_grad, .dy = dy, .offsets = offsets, .dx = dx, .examples = EXAMPLES, .cols = COLS_);
    device_gradient_check(&g, "average", x, dx, ROWS_ * COLS_);
    for (int c = 0; c < COLS_; c++) assert_true(y[COLS_ + c] == 0); /* of no rows */
    arena_free(&g.arena);
}

static void test_device_gradient_tables(void **state)
{
    (void)state;
    enum { ROWS_ = 5, COLS_ = 3, WORDS = 6 };
    u32 ids[ROWS_] = {4, 1, 4, 0, 4}, positions[ROWS_] = {0, 1, 2, 3, 4}, types[ROWS_] = {0, 1, 1, 0, 1};
    DeviceGradient g = {.op = OP_embed, .count = ROWS_ * COLS_};
    double *word = device_gradient_numbers(&g, WORDS * COLS_, 1),
           *position = device_gradient_numbers(&g, ROWS_ * COLS_, 2);
    double *type = device_gradient_numbers(&g, 2 * COLS_, 3), *y = device_gradient_numbers(&g, ROWS_ * COLS_, 4);
    double *dy = device_gradient_numbers(&g, ROWS_ * COLS_, 5), *dword = arena_new(&g.arena, double, WORDS *COLS_);
    double *dtype = device_gradient_numbers(&g, 2 * COLS_, 6);
    g.y = y, g.weight = dy;
    g.args = &(struct embed_args64){.word = word,
                                    .position = position,
                                    .type = type,
                                    .ids = ids,
                                    .positions = positions,
                                    .types = types,
                                    .y = y,
                                    .rows = ROWS_,
                                    .cols = COLS_};
    RUN64(embed_grad, .dy = dy, .row = (u32[]){0, 1, 4}, .starts = (u32[]){0, 1, 2, 5}, .order = (u32[]){3, 1, 0, 2, 4},
          .dtable = dword, .unique = 3, .cols = COLS_);
    RUN64(embed_grad, .dy = dy, .row = (u32[]){0, 1}, .starts = (u32[]){0, 2, 5}, .order = (u32[]){0, 3, 1, 2, 4},
          .dtable = dtype, .unique = 2, .cols = COLS_);
    device_gradient_check(&g, "embed, word", word, dword, WORDS * COLS_);
    device_gradient_check(&g, "embed, position", position, dy, ROWS_ * COLS_);
    device_gradient_check(&g, "embed, type", type, dtype, 2 * COLS_);
    g.args = &(struct embed_args64){
        .word = word, .position = position, .ids = ids, .positions = positions, .y = y, .rows = ROWS_, .cols = COLS_};
    device_gradient_check(&g, "embed without types, word", word, dword, WORDS * COLS_);

    u32 index[3] = {4, 0, 2};
    double *x = device_gradient_numbers(&g, WORDS * COLS_, 7), *dx = arena_new(&g.arena, double, WORDS *COLS_);
    g.op = OP_gather_rows, g.count = 3 * COLS_;
    g.args = &(struct gather_rows_args64){.x = x, .index = index, .y = y, .rows = 3, .cols = COLS_, .ldx = COLS_};
    RUN64(scatter_rows, .x = dy, .index = index, .y = dx, .rows = 3, .cols = COLS_, .ldy = COLS_);
    device_gradient_check(&g, "gather_rows", x, dx, WORDS * COLS_);
    arena_free(&g.arena);
}

static void test_device_gradient_cross_entropy(void **state)
{
    (void)state;
    enum { ROWS_ = 5, CLASSES = 3 };
    u32 labels[ROWS_] = {2, 0, 1, 1, 0};
    DeviceGradient g = {.op = OP_cross_entropy, .count = ROWS_};
    double *logits = device_gradient_numbers(&g, ROWS_ * CLASSES, 1),
           *dlogits = device_gradient_numbers(&g, ROWS_ * CLASSES, 2);
    double *loss = device_gradient_numbers(&g, ROWS_, 3), *weight = device_gradient_numbers(&g, ROWS_, 4);
    for (int i = 0; i < ROWS_; i++) weight[i] = 0.2;
    g.y = loss, g.weight = weight;
    g.args = &(struct cross_entropy_args64){
        .logits = logits, .labels = labels, .loss = loss, .rows = ROWS_, .classes = CLASSES};
    RUN64(cross_entropy, .logits = logits, .labels = labels, .loss = loss, .dlogits = dlogits, .rows = ROWS_,
          .classes = CLASSES, .scale = 0.2);
    device_gradient_check(&g, "cross_entropy", logits, dlogits, ROWS_ * CLASSES);
    arena_free(&g.arena);
}

/* distill and mse: the loss's gradient, with what was in dlogits before kept when it accumulates. */
static void test_device_gradient_logit_losses(void **state)
{
    (void)state;
    enum { ROWS_ = 5, CLASSES = 3, ALL = ROWS_ * CLASSES };
    DeviceGradient g = {.op = OP_distill, .count = ROWS_};
    double *logits = device_gradient_numbers(&g, ALL, 1), *other = device_gradient_numbers(&g, ALL, 2);
    double *loss = device_gradient_numbers(&g, ROWS_, 3), *weight = device_gradient_numbers(&g, ROWS_, 4);
    double *dlogits = device_gradient_numbers(&g, ALL, 5), *unused = device_gradient_numbers(&g, ALL, 6);
    for (int i = 0; i < ROWS_; i++) weight[i] = 0.2;
    g.y = loss, g.weight = weight;
    g.args = &(struct distill_args64){.logits = logits,
                                      .teacher = other,
                                      .loss = loss,
                                      .dlogits = unused,
                                      .rows = ROWS_,
                                      .classes = CLASSES,
                                      .temperature = 2};
    RUN64(distill, .logits = logits, .teacher = other, .loss = loss, .dlogits = dlogits, .rows = ROWS_,
          .classes = CLASSES, .temperature = 2, .scale = 0.2);
    device_gradient_check(&g, "distill", logits, dlogits, ALL);

    g.op = OP_mse;
    g.args = &(struct mse_args64){
        .logits = logits, .target = other, .loss = loss, .dlogits = unused, .rows = ROWS_, .classes = CLASSES};
    for (int i = 0; i < ALL; i++) dlogits[i] = i;
    RUN64(mse, .logits = logits, .target = other, .loss = loss, .dlogits = dlogits, .rows = ROWS_, .classes = CLASSES,
          .accumulate = 1, .scale = 0.2);
    for (int i = 0; i < ALL; i++) dlogits[i] -= i;
    device_gradient_check(&g, "mse", logits, dlogits, ALL);
    arena_free(&g.arena);
}

/* The gradient of strength / 2 * sum of part. */
static void test_device_gradient_quadratic_penalty(void **state)
{
    (void)state;
    enum { N = 20, BLOCK = 6, PARTS = 4 };
    for (int variant = 0; variant < 2; variant++) {
        DeviceGradient g = {.op = OP_quadratic_penalty, .count = PARTS};
        double *w = device_gradient_numbers(&g, N, 1), *anchor = device_gradient_numbers(&g, N, 2);
        double *importance = variant ? device_gradient_numbers(&g, N, 3) : NULL;
        double *part = device_gradient_numbers(&g, PARTS, 4), *weight = device_gradient_numbers(&g, PARTS, 5);
        double *dw = device_gradient_numbers(&g, N, 6), *unused = device_gradient_numbers(&g, N, 7);
        for (int i = 0; i < PARTS; i++) weight[i] = 0.5 * 0.3;
        for (int i = 0; i < N; i++) dw[i] = 0;
        struct quadratic_penalty_args64 args = {.w = w,
                                                .anchor = anchor,
                                                .importance = importance,
                                                .g = dw,
                                                .part = part,
                                                .n = N,
                                                .block = BLOCK,
                                                .strength = 0.3};
        plain64_ops[OP_quadratic_penalty](&args);
        args.g = unused;
        g.y = part, g.weight = weight, g.args = &args;
        device_gradient_check(&g, "quadratic_penalty", w, dw, N);
        arena_free(&g.arena);
    }
}

/* After the projection g no longer opposes r, and a g that does not oppose it is left alone. */
static void test_device_projection(void **state)
{
    (void)state;
    enum { N = 10 };
    for (int sign = -1; sign <= 1; sign += 2) {
        f32 g[N], before[N], r[N], g_r, r_r, result[2];
        for (u32 i = 0; i < N; i++) {
            r[i] = device_number(1, i);
            before[i] = g[i] = device_number(2, i) + (f32)sign * 2 * r[i];
        }
        plain_ops[OP_dot](&(struct dot_args){.x = g, .y = r, .part = &g_r, .n = N, .block = N});
        plain_ops[OP_dot](&(struct dot_args){.x = r, .y = r, .part = &r_r, .n = N, .block = N});
        assert_true(g_r * (f32)sign > 0);
        plain_ops[OP_projection](&(struct projection_args){.g_r = &g_r, .r_r = &r_r, .result = result, .parts = 1});
        plain_ops[OP_axpby](&(struct axpby_args){.x = r, .scale = result, .y = g, .n = N, .alpha = 1, .beta = 1});
        assert_true(result[1] == g_r);
        plain_ops[OP_dot](&(struct dot_args){.x = g, .y = r, .part = &g_r, .n = N, .block = N});
        if (sign > 0) assert_memory_equal(g, before, sizeof g);
        if (sign < 0) assert_true(fabsf(g_r) < 1e-5f * r_r);
    }
}
