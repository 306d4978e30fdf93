/* Tests of the device layer: every op of every CPU engine against the plain versions, the plain versions' gradients
 * against finite differences in double precision, the same bits for any number of threads, dropout masks, AdamW's lazy
 * decay, numbers that are not finite. */
#include "../src/device/device.h"
#include <math.h>
#include <string.h>

/* cmocka's fail_msg needs its macro `fail`, which would hide the base layer's function. */
#define FAIL(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

/* ---- The plain ops once more with f32 = double, for finite differences ---- */

#undef LETHE_OPS_H
#undef PLAIN
#define PLAIN(name) plain64_##name
#define float double
#define f32 f64
#define f32p f64p
#define gemm_args gemm_args64
#define gelu_args gelu_args64
#define gelu_grad_args gelu_grad_args64
#define tanh_args tanh_args64
#define tanh_grad_args tanh_grad_args64
#define layernorm_args layernorm_args64
#define layernorm_dx_args layernorm_dx_args64
#define layernorm_dw_args layernorm_dw_args64
#define column_sum_args column_sum_args64
#define attention_args attention_args64
#define attention_grad_args attention_grad_args64
#define embed_args embed_args64
#define embed_grad_args embed_grad_args64
#define gather_rows_args gather_rows_args64
#define scatter_rows_args scatter_rows_args64
#define dropout_args dropout_args64
#define add_args add_args64
#define copy_args copy_args64
#define fill_args fill_args64
#define zero_rows_args zero_rows_args64
#define cross_entropy_args cross_entropy_args64
#define square_sum_args square_sum_args64
#define clip_args clip_args64
#define adamw_args adamw_args64
#define adamw_rows_args adamw_rows_args64
#define wake_rows_args wake_rows_args64
#include "../shaders/ops.h"
#include "../src/device/cpu/plain.c"
#undef float
#undef f32
#undef f32p
#undef gemm_args
#undef gelu_args
#undef gelu_grad_args
#undef tanh_args
#undef tanh_grad_args
#undef layernorm_args
#undef layernorm_dx_args
#undef layernorm_dw_args
#undef column_sum_args
#undef attention_args
#undef attention_grad_args
#undef embed_args
#undef embed_grad_args
#undef gather_rows_args
#undef scatter_rows_args
#undef dropout_args
#undef add_args
#undef copy_args
#undef fill_args
#undef zero_rows_args
#undef cross_entropy_args
#undef square_sum_args
#undef clip_args
#undef adamw_args
#undef adamw_rows_args
#undef wake_rows_args

/* Runs a plain op in double: RUN64(gelu, .x = x, .y = y, .n = n). */
#define RUN64(op, ...) plain64_ops[OP_##op](&(struct op##_args64){__VA_ARGS__})

/* ---- A case: one op's arguments with guarded buffers, filled from a seed ---- */

enum { GUARD = 64, BUFFERS = 16 };
#define GUARD_VALUE 12345.678f

typedef struct Case {
    Arena arena;
    Op op;
    union {
#define X(op) struct op##_args op;
        OPS(X)
#undef X
    } args;
    struct {
        f32 *at, *before; /* before: a copy, for what is only read */
        size_t count;
        bool written;
    } buffers[BUFFERS];
    int count;
} Case;

static f32 *case_buffer(Case *c, size_t count, bool written)
{
    assert_true(c->count < BUFFERS);
    f32 *all = arena_new(&c->arena, f32, count + 2 * GUARD), *at = all + GUARD;
    for (size_t i = 0; i < GUARD; i++) all[i] = at[count + i] = GUARD_VALUE;
    for (size_t i = 0; i < count; i++) at[i] = random_normal(7, (uint64_t)c->op * BUFFERS + (uint64_t)c->count, i);
    c->buffers[c->count].at = at;
    c->buffers[c->count].before = arena_new(&c->arena, f32, count);
    c->buffers[c->count].count = count;
    c->buffers[c->count].written = written;
    c->count++;
    return at;
}

static f32 *case_in(Case *c, size_t count) { return case_buffer(c, count, false); }
static f32 *case_out(Case *c, size_t count) { return case_buffer(c, count, true); } /* written, or read and written */

/* Whole numbers below `limit`; `distinct`: a shuffled run of different ones. */
static u32 *case_indices(Case *c, size_t count, u32 limit, bool distinct)
{
    u32 *at = (u32 *)case_in(c, count);
    u32 *order = arena_new(&c->arena, u32, limit);
    random_permutation(3, limit, order);
    for (size_t i = 0; i < count; i++) at[i] = distinct ? order[i] : order[(i * i) % limit];
    return at;
}

static void case_remember(Case *c)
{
    for (int b = 0; b < c->count; b++)
        if (c->buffers[b].count) memcpy(c->buffers[b].before, c->buffers[b].at, c->buffers[b].count * sizeof(f32));
}

static void case_check_guards(const Case *c)
{
    for (int b = 0; b < c->count; b++) {
        const f32 *at = c->buffers[b].at;
        const size_t count = c->buffers[b].count;
        for (size_t i = 0; i < GUARD; i++)
            if (at[-1 - (long)i] != GUARD_VALUE || at[count + i] != GUARD_VALUE)
                FAIL("%s wrote outside of buffer %d", op_names[c->op], b);
        if (!c->buffers[b].written && count && memcmp(at, c->buffers[b].before, count * sizeof(f32)) != 0)
            FAIL("%s changed its input %d", op_names[c->op], b);
    }
}

/* ---- The cases of each op. Each builder takes a variant from 0 and returns false behind the last one. ---- */

static const u32 lengths[] = {0, 1, 3, 7, 15, 16, 17, 33, 65, 127, 129, 16384, 50001};
static const u32 shapes[][2] = {{0, 5},  {5, 0},   {1, 1},  {7, 3},    {33, 65},  {3, 384},
                                {65, 33}, {129, 127}, {2, 1000}, {300, 96}, {40, 768}, {1, 4}};

static bool case_length(int variant, u32 *n)
{
    if (variant >= (int)COUNT(lengths)) return false;
    *n = lengths[variant];
    return true;
}

static bool case_shape(int variant, u32 *rows, u32 *cols)
{
    if (variant >= (int)COUNT(shapes)) return false;
    *rows = shapes[variant][0], *cols = shapes[variant][1];
    return true;
}

static bool case_gemm(Case *c, int variant)
{
    static const u32 sizes[][3] = {{0, 3, 4},  {3, 0, 4},   {3, 4, 0},     {1, 1, 1},     {7, 33, 5},      {33, 7, 65},
                                   {65, 8, 384}, {64, 384, 8}, {8, 129, 127}, {129, 48, 400}, {127, 100, 33}, {16, 2, 96},
                                   {212, 200, 130}, {50, 400, 800}, {300, 17, 1000}};
    if (variant >= (int)COUNT(sizes) * 8) return false;
    const u32 m = sizes[variant / 8][0], n = sizes[variant / 8][1], k = sizes[variant / 8][2];
    const u32 ta = variant & 1, tb = variant >> 1 & 1, extra = variant >> 2 & 1, pad = extra ? 5 : 0;
    const u32 lda = (ta ? m : k) + pad, ldb = (tb ? k : n) + pad, ldc = n + pad;
    c->args.gemm = (struct gemm_args){.a = case_in(c, (size_t)lda * (ta ? k : m)),
                                      .b = case_in(c, (size_t)ldb * (tb ? n : k)),
                                      .c = case_out(c, (size_t)ldc * m),
                                      .bias = extra || ta ? case_in(c, n) : NULL,
                                      .gelu = extra && !ta ? case_out(c, (size_t)ldc * m) : NULL,
                                      .m = m,
                                      .n = n,
                                      .k = k,
                                      .lda = lda,
                                      .ldb = ldb,
                                      .ldc = ldc,
                                      .ta = ta,
                                      .tb = tb,
                                      .accumulate = extra && !tb,
                                      .alpha = extra ? -0.75f : 1};
    return true;
}

static bool case_gelu(Case *c, int variant)
{
    u32 n;
    if (!case_length(variant / 2, &n)) return false;
    f32 *x = variant % 2 ? case_out(c, n) : case_in(c, n);
    for (u32 i = 0; i < n; i++) x[i] *= 3;
    c->args.gelu = (struct gelu_args){.x = x, .y = variant % 2 ? x : case_out(c, n), .n = n};
    return true;
}

static bool case_gelu_grad(Case *c, int variant)
{
    u32 n;
    if (!case_length(variant / 2, &n)) return false;
    f32 *dy = variant % 2 ? case_out(c, n) : case_in(c, n), *x = case_in(c, n);
    for (u32 i = 0; i < n; i++) x[i] *= 3;
    c->args.gelu_grad = (struct gelu_grad_args){.x = x, .dy = dy, .dx = variant % 2 ? dy : case_out(c, n), .n = n};
    return true;
}

static bool case_tanh(Case *c, int variant)
{
    u32 n;
    if (!case_length(variant, &n)) return false;
    f32 *x = case_out(c, n);
    c->args.tanh = (struct tanh_args){.x = x, .y = variant % 2 ? x : case_out(c, n), .n = n};
    return true;
}

static bool case_tanh_grad(Case *c, int variant)
{
    u32 n;
    if (!case_length(variant, &n)) return false;
    f32 *dy = case_out(c, n);
    c->args.tanh_grad =
        (struct tanh_grad_args){.y = case_in(c, n), .dy = dy, .dx = variant % 2 ? dy : case_out(c, n), .n = n};
    return true;
}

static bool case_layernorm(Case *c, int variant)
{
    u32 rows, cols;
    if (!case_shape(variant / 3, &rows, &cols)) return false;
    const size_t all = (size_t)rows * cols;
    c->args.layernorm = (struct layernorm_args){.x = case_out(c, all),
                                                .residual = variant % 3 ? case_in(c, all) : NULL,
                                                .gamma = case_in(c, cols),
                                                .beta = case_in(c, cols),
                                                .y = case_out(c, all),
                                                .mean = case_out(c, rows),
                                                .rstd = case_out(c, rows),
                                                .rows = rows,
                                                .cols = cols,
                                                .eps = 1e-5f,
                                                .drop = variant % 3 == 2 ? 0.1f : 0,
                                                .seed = 42,
                                                .step = 3,
                                                .site = 9};
    for (size_t i = 0; i < all; i++) c->args.layernorm.x[i] += 5; /* a mean to be subtracted */
    return true;
}

static bool case_layernorm_dx(Case *c, int variant)
{
    u32 rows, cols;
    if (!case_shape(variant / 3, &rows, &cols)) return false;
    const size_t all = (size_t)rows * cols;
    f32 *dy = case_out(c, all);
    c->args.layernorm_dx = (struct layernorm_dx_args){.x = case_in(c, all),
                                                      .gamma = case_in(c, cols),
                                                      .mean = case_in(c, rows),
                                                      .rstd = case_in(c, rows),
                                                      .dy = dy,
                                                      .dsum = variant % 3 == 1 ? dy : case_out(c, all),
                                                      .dx = variant % 3 == 0 ? NULL : case_out(c, all),
                                                      .rows = rows,
                                                      .cols = cols,
                                                      .drop = variant % 3 == 1 ? 0 : 0.1f,
                                                      .seed = 42,
                                                      .step = 3,
                                                      .site = 9};
    return true;
}

static bool case_layernorm_dw(Case *c, int variant)
{
    u32 rows, cols;
    if (!case_shape(variant, &rows, &cols)) return false;
    const size_t all = (size_t)rows * cols;
    c->args.layernorm_dw = (struct layernorm_dw_args){.x = case_in(c, all),
                                                      .mean = case_in(c, rows),
                                                      .rstd = case_in(c, rows),
                                                      .dy = case_in(c, all),
                                                      .dgamma = case_out(c, cols),
                                                      .dbeta = case_out(c, cols),
                                                      .rows = rows,
                                                      .cols = cols};
    return true;
}

static bool case_column_sum(Case *c, int variant)
{
    u32 rows, cols;
    if (!case_shape(variant / 2, &rows, &cols)) return false;
    const u32 ld = cols + (variant % 2) * 7;
    c->args.column_sum = (struct column_sum_args){
        .x = case_in(c, (size_t)rows * ld), .y = case_out(c, cols), .rows = rows, .cols = cols, .ld = ld};
    return true;
}

static const struct {
    u32 heads, size, tokens[6]; /* tokens of up to six examples, ended by NONE */
} attention_cases[] = {
#define NONE 0xffffu
    {1, 32, {13, NONE}},
    {3, 32, {13, 1, 40, 7, 0, 16}},
    {2, 64, {33, 128, 5, NONE}},
    {2, 16, {129, 65, NONE}},
    {1, 64, {300, 2, NONE}},
    {2, 128, {20, NONE}},
    {2, 20, {7, 33, NONE}},
    {1, 160, {9, NONE}},
    {12, 32, {0, 0, NONE}},
};

static u32 *case_offsets(Case *c, int which, u32 *examples, u32 *longest)
{
    const u32 *tokens = attention_cases[which].tokens;
    for (*examples = *longest = 0; *examples < 6 && tokens[*examples] != NONE; ++*examples)
        if (tokens[*examples] > *longest) *longest = tokens[*examples];
    u32 *offsets = (u32 *)case_in(c, *examples + 1);
    offsets[0] = 0;
    for (u32 e = 0; e < *examples; e++) offsets[e + 1] = offsets[e] + tokens[e];
    return offsets;
}

static bool case_attention(Case *c, int variant)
{
    if (variant >= (int)COUNT(attention_cases) * 4) return false;
    u32 examples, longest;
    u32 *offsets = case_offsets(c, variant / 4, &examples, &longest);
    const u32 heads = attention_cases[variant / 4].heads, size = attention_cases[variant / 4].size;
    const u32 width = heads * size, first_only = variant & 1, drop = variant >> 1 & 1, pad = drop * 3;
    const u32 tokens = offsets[examples], queries = first_only ? examples : tokens;
    c->args.attention = (struct attention_args){.q = case_in(c, (size_t)queries * (width + pad)),
                                                .kv = case_in(c, (size_t)tokens * (2 * width + pad)),
                                                .context = case_out(c, (size_t)queries * (width + 2 * pad)),
                                                .lse = case_out(c, (size_t)heads * queries),
                                                .offsets = offsets,
                                                .examples = examples,
                                                .heads = heads,
                                                .size = size,
                                                .ldq = width + pad,
                                                .ldkv = 2 * width + pad,
                                                .ldc = width + 2 * pad,
                                                .first_only = first_only,
                                                .longest = longest,
                                                .scale = 1 / sqrtf((f32)size),
                                                .drop = drop ? 0.1f : 0,
                                                .seed = 42,
                                                .step = 3,
                                                .site = 9};
    return true;
}

static bool case_attention_grad(Case *c, int variant)
{
    if (variant >= (int)COUNT(attention_cases) * 4) return false;
    u32 examples, longest;
    u32 *offsets = case_offsets(c, variant / 4, &examples, &longest);
    const u32 heads = attention_cases[variant / 4].heads, size = attention_cases[variant / 4].size;
    const u32 width = heads * size, first_only = variant & 1, drop = variant >> 1 & 1, pad = drop * 3;
    const u32 tokens = offsets[examples], queries = first_only ? examples : tokens;
    struct attention_grad_args a = {.q = case_in(c, (size_t)queries * (width + pad)),
                                    .kv = case_in(c, (size_t)tokens * (2 * width + pad)),
                                    .context = case_in(c, (size_t)queries * (width + 2 * pad)),
                                    .lse = case_in(c, (size_t)heads * queries),
                                    .dcontext = case_in(c, (size_t)queries * (width + 2 * pad)),
                                    .dq = case_out(c, (size_t)queries * (width + pad)),
                                    .dkv = case_out(c, (size_t)tokens * (2 * width + pad)),
                                    .offsets = offsets,
                                    .examples = examples,
                                    .heads = heads,
                                    .size = size,
                                    .ldq = width + pad,
                                    .ldkv = 2 * width + pad,
                                    .ldc = width + 2 * pad,
                                    .first_only = first_only,
                                    .longest = longest,
                                    .scale = 1 / sqrtf((f32)size),
                                    .drop = drop ? 0.1f : 0,
                                    .seed = 42,
                                    .step = 3,
                                    .site = 9};
    c->args.attention_grad = a;
    plain_attention(&(struct attention_args){.q = a.q,
                                             .kv = a.kv,
                                             .context = a.context,
                                             .lse = a.lse,
                                             .offsets = offsets,
                                             .examples = examples,
                                             .heads = heads,
                                             .size = size,
                                             .ldq = a.ldq,
                                             .ldkv = a.ldkv,
                                             .ldc = a.ldc,
                                             .first_only = first_only,
                                             .longest = longest,
                                             .scale = a.scale,
                                             .drop = a.drop,
                                             .seed = a.seed,
                                             .step = a.step,
                                             .site = a.site});
    return true;
}

static bool case_embed(Case *c, int variant)
{
    u32 rows, cols;
    if (!case_shape(variant, &rows, &cols)) return false;
    c->args.embed = (struct embed_args){.word = case_in(c, (size_t)50 * cols),
                                        .position = case_in(c, (size_t)20 * cols),
                                        .type = case_in(c, (size_t)2 * cols),
                                        .ids = case_indices(c, rows, 50, false),
                                        .positions = case_indices(c, rows, 20, false),
                                        .types = case_indices(c, rows, 2, false),
                                        .y = case_out(c, (size_t)rows * cols),
                                        .rows = rows,
                                        .cols = cols};
    return true;
}

static bool case_embed_grad(Case *c, int variant)
{
    u32 unique, cols;
    if (!case_shape(variant, &unique, &cols)) return false;
    u32 *starts = (u32 *)case_in(c, unique + 1);
    starts[0] = 0;
    for (u32 u = 0; u < unique; u++) starts[u + 1] = starts[u] + u % 5;
    const u32 rows = starts[unique];
    c->args.embed_grad = (struct embed_grad_args){.dy = case_in(c, (size_t)rows * cols),
                                                  .row = case_indices(c, unique, unique + 7, true),
                                                  .starts = starts,
                                                  .order = case_indices(c, rows, rows ? rows : 1, true),
                                                  .dtable = case_out(c, (size_t)(unique + 7) * cols),
                                                  .unique = unique,
                                                  .cols = cols};
    return true;
}

static bool case_gather_rows(Case *c, int variant)
{
    u32 rows, cols;
    if (!case_shape(variant, &rows, &cols)) return false;
    c->args.gather_rows = (struct gather_rows_args){.x = case_in(c, (size_t)40 * (cols + 3)),
                                                    .index = case_indices(c, rows, 40, false),
                                                    .y = case_out(c, (size_t)rows * cols),
                                                    .rows = rows,
                                                    .cols = cols,
                                                    .ldx = cols + 3};
    return true;
}

static bool case_scatter_rows(Case *c, int variant)
{
    u32 rows, cols;
    if (!case_shape(variant, &rows, &cols)) return false;
    c->args.scatter_rows = (struct scatter_rows_args){.x = case_in(c, (size_t)rows * cols),
                                                      .index = case_indices(c, rows, rows + 9, true),
                                                      .y = case_out(c, (size_t)(rows + 9) * (cols + 3)),
                                                      .rows = rows,
                                                      .cols = cols,
                                                      .ldy = cols + 3};
    return true;
}

static bool case_dropout(Case *c, int variant)
{
    u32 rows, cols;
    if (!case_shape(variant / 4, &rows, &cols)) return false;
    f32 *x = case_out(c, (size_t)rows * cols);
    c->args.dropout = (struct dropout_args){.x = x,
                                            .y = variant % 4 == 1 ? x : case_out(c, (size_t)rows * cols),
                                            .rows = rows,
                                            .cols = cols,
                                            .accumulate = variant % 4 == 2,
                                            .drop = variant % 4 == 3 ? 0 : 0.3f,
                                            .seed = 1,
                                            .step = 2,
                                            .site = 3};
    return true;
}

static bool case_add(Case *c, int variant)
{
    u32 n;
    if (!case_length(variant, &n)) return false;
    c->args.add = (struct add_args){.x = case_in(c, n), .y = case_out(c, n), .n = n, .alpha = -0.3f};
    return true;
}

static bool case_copy(Case *c, int variant)
{
    u32 n;
    if (!case_length(variant, &n)) return false;
    c->args.copy = (struct copy_args){.x = case_in(c, n), .y = case_out(c, n), .n = n};
    return true;
}

static bool case_fill(Case *c, int variant)
{
    u32 n;
    if (!case_length(variant, &n)) return false;
    c->args.fill = (struct fill_args){.x = case_out(c, n), .n = n, .value = -2.5f};
    return true;
}

static bool case_zero_rows(Case *c, int variant)
{
    u32 rows, cols;
    if (!case_shape(variant, &rows, &cols)) return false;
    c->args.zero_rows = (struct zero_rows_args){.x = case_out(c, (size_t)(rows + 9) * cols),
                                                .row = case_indices(c, rows, rows + 9, true),
                                                .rows = rows,
                                                .cols = cols};
    return true;
}

static bool case_cross_entropy(Case *c, int variant)
{
    static const u32 sizes[][2] = {{0, 3}, {1, 1}, {16, 2}, {33, 3}, {7, 129}};
    if (variant >= (int)COUNT(sizes) * 2) return false;
    const u32 rows = sizes[variant / 2][0], classes = sizes[variant / 2][1];
    c->args.cross_entropy =
        (struct cross_entropy_args){.logits = case_in(c, (size_t)rows * classes),
                                    .labels = case_indices(c, rows, classes, false),
                                    .loss = case_out(c, rows),
                                    .dlogits = variant % 2 ? case_out(c, (size_t)rows * classes) : NULL,
                                    .rows = rows,
                                    .classes = classes,
                                    .scale = 0.25f};
    return true;
}

static bool case_square_sum(Case *c, int variant)
{
    static const u32 sizes[][2] = {{0, 7}, {1, 1}, {7, 7}, {127, 64}, {50001, 4096}, {384, 128}, {6500, 65}};
    if (variant >= (int)COUNT(sizes) * 2) return false;
    const u32 n = sizes[variant / 2][0], block = sizes[variant / 2][1], part_count = (n + block - 1) / block;
    const bool by_row = variant % 2 && n % block == 0;
    c->args.square_sum = (struct square_sum_args){
        .x = case_in(c, n + (size_t)(by_row ? 5 * block : 0)),
        .row = by_row ? case_indices(c, part_count, part_count + 5, true) : NULL,
        .part = case_out(c, part_count),
        .n = n,
        .block = block};
    return true;
}

static bool case_clip(Case *c, int variant)
{
    u32 n;
    if (!case_length(variant / 2, &n)) return false;
    f32 *part = case_in(c, n);
    for (u32 i = 0; i < n; i++) part[i] = fabsf(part[i]);
    c->args.clip = (struct clip_args){
        .part = part, .result = case_out(c, 2), .parts = n, .max_norm = variant % 2 ? 1.0f : 1e6f};
    return true;
}

static bool case_adamw(Case *c, int variant)
{
    u32 n;
    if (!case_length(variant, &n)) return false;
    c->args.adamw = (struct adamw_args){.w = case_out(c, n),
                                        .g = case_in(c, n),
                                        .m = case_out(c, n),
                                        .v = case_out(c, n),
                                        .scale = variant % 2 ? case_in(c, 1) : NULL,
                                        .n = n,
                                        .lr = 1e-3f,
                                        .beta1 = 0.9f,
                                        .beta2 = 0.999f,
                                        .eps = 1e-8f,
                                        .decay = 0.01f,
                                        .fix1 = 1 - 0.9f * 0.9f,
                                        .fix2 = 0.0447f};
    for (u32 i = 0; i < n; i++) c->args.adamw.v[i] = fabsf(c->args.adamw.v[i]);
    return true;
}

static bool case_adamw_rows(Case *c, int variant)
{
    u32 rows, cols;
    if (!case_shape(variant, &rows, &cols)) return false;
    const size_t n = (size_t)rows * cols;
    c->args.adamw_rows = (struct adamw_rows_args){.w = case_out(c, n),
                                                  .g = case_in(c, n),
                                                  .m = case_out(c, n),
                                                  .v = case_out(c, n),
                                                  .scale = variant % 2 ? case_in(c, 1) : NULL,
                                                  .stamp = case_indices(c, rows, 3, false),
                                                  .rows = rows,
                                                  .cols = cols,
                                                  .lr = 1e-3f,
                                                  .beta1 = 0.9f,
                                                  .beta2 = 0.999f,
                                                  .eps = 1e-8f,
                                                  .decay = 0.01f,
                                                  .fix1 = 1 - 0.9f * 0.9f,
                                                  .fix2 = 0.0447f};
    for (size_t i = 0; i < n; i++) c->args.adamw_rows.v[i] = fabsf(c->args.adamw_rows.v[i]);
    for (u32 r = 0; r < rows; r++)
        if (c->args.adamw_rows.stamp[r] == 1) c->args.adamw_rows.stamp[r] = ROW_AWAKE;
    return true;
}

static bool case_wake_rows(Case *c, int variant)
{
    u32 rows, cols;
    if (!case_shape(variant / 4, &rows, &cols)) return false;
    u32 *stamp = (u32 *)case_out(c, rows + 9);
    for (u32 r = 0; r < rows + 9; r++) stamp[r] = r % 4 == 3 ? ROW_AWAKE : r % 10;
    f32 *factors = case_in(c, 10);
    for (int k = 0; k < 10; k++) factors[k] = 1 - 0.01f * fabsf(factors[k]);
    c->args.wake_rows = (struct wake_rows_args){.w = case_out(c, (size_t)(rows + 9) * cols),
                                                .stamp = stamp,
                                                .row = variant & 1 ? case_indices(c, rows, rows + 9, true) : NULL,
                                                .factors = factors,
                                                .rows = rows,
                                                .cols = cols,
                                                .step = 10,
                                                .awake = variant >> 1 & 1};
    return true;
}

static bool (*const case_builders[OP_COUNT])(Case *c, int variant) = {
#define X(op) [OP_##op] = case_##op,
    OPS(X)
#undef X
};

static bool case_build(Case *c, Op op, int variant)
{
    *c = (Case){.op = op};
    const bool exists = case_builders[op](c, variant);
    if (!exists) arena_free(&c->arena);
    return exists;
}

/* ---- Every op of every engine against the plain version ---- */

static const f32 *case_difference(const Case *expected, const Case *got, double *nmse)
{
    const f32 *where = NULL;
    *nmse = 0;
    for (int b = 0; b < expected->count; b++) {
        double error = 0, power = 0;
        for (size_t i = 0; i < expected->buffers[b].count; i++) {
            const double x = expected->buffers[b].at[i], y = got->buffers[b].at[i];
            if (memcmp(&expected->buffers[b].at[i], &got->buffers[b].at[i], sizeof(f32)) == 0) continue;
            error += (x - y) * (x - y);
        }
        for (size_t i = 0; i < expected->buffers[b].count && error != 0; i++)
            power += expected->buffers[b].at[i] * (double)expected->buffers[b].at[i];
        const double ratio = error == 0 ? 0 : error / power;
        if (!(ratio <= *nmse)) *nmse = ratio, where = got->buffers[b].at;
    }
    return where;
}

static void test_ops_match_plain(void **state)
{
    (void)state;
    CpuEngine engines[CPU_ENGINES];
    cpu_engines(engines);
    threads_start(3);
    for (int op = 0; op < OP_COUNT; op++) {
        Case expected, got;
        for (int variant = 0; case_build(&expected, (Op)op, variant); variant++) {
            case_remember(&expected);
            plain_ops[op](&expected.args);
            case_check_guards(&expected);
            for (int e = 0; e < CPU_ENGINES; e++) {
                if (!engines[e].usable) continue;
                void (*table[OP_COUNT])(const void *);
                cpu_table(&engines[e], table);
                case_build(&got, (Op)op, variant);
                case_remember(&got);
                table[op](&got.args);
                case_check_guards(&got);
                double nmse;
                case_difference(&expected, &got, &nmse);
                if (!(nmse <= 1e-11))
                    FAIL("%s, variant %d, %s: normalised mean squared error %.3g", op_names[op], variant,
                             engines[e].name, nmse);
                arena_free(&got.arena);
            }
            arena_free(&expected.arena);
        }
    }
    threads_stop();
}

/* The same bits from one, two and four threads, and again on a second run. */
static void test_ops_same_bits(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 4, 4};
    CpuEngine engines[CPU_ENGINES];
    cpu_engines(engines);
    for (int e = 0; e < CPU_ENGINES; e++) {
        if (!engines[e].usable) continue;
        void (*table[OP_COUNT])(const void *);
        cpu_table(&engines[e], table);
        for (int op = 0; op < OP_COUNT; op++) {
            Case runs[COUNT(threads)];
            for (int variant = 0; case_build(&runs[0], (Op)op, variant); variant++) {
                for (size_t t = 0; t < COUNT(threads); t++) {
                    if (t) case_build(&runs[t], (Op)op, variant);
                    if (threads_count() != threads[t]) threads_start(threads[t]);
                    table[op](&runs[t].args);
                    for (int b = 0; b < runs[0].count; b++)
                        if (runs[0].buffers[b].count && memcmp(runs[0].buffers[b].at, runs[t].buffers[b].at,
                                                               runs[0].buffers[b].count * sizeof(f32)) != 0)
                            FAIL("%s, variant %d, %s: %d threads give other bits than one", op_names[op], variant,
                                     engines[e].name, threads[t]);
                }
                for (size_t t = 0; t < COUNT(threads); t++) arena_free(&runs[t].arena);
            }
        }
    }
    threads_stop();
}

static const struct CMUnitTest device_tests[] = {
    cmocka_unit_test(test_ops_match_plain),
    cmocka_unit_test(test_ops_same_bits),
};
