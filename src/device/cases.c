/* Arguments for every op at many odd sizes, empty ones included, with guards around every buffer: what the self-test
 * and the tests run the ops on. */
#include "device.h"

#include <math.h>
#include <string.h>

/* About N(0, 1), and cheap: the sum of the four bytes of a hash. */
static f32 device_number(uint64_t stream, uint64_t index)
{
    uint64_t x = (stream << 40 | index) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
    x ^= x >> 32;
    return (f32)((x & 255) + (x >> 8 & 255) + (x >> 16 & 255) + (x >> 24 & 255) + 0.5 - 510) / 148;
}

/* ---- A case: one op's arguments with guarded buffers, filled from a seed ---- */

enum { DEVICE_GUARD = 64, DEVICE_BUFFERS = 16 };
#define DEVICE_GUARD_VALUE 12345.678f

typedef struct DeviceCase {
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
        bool written, whole; /* whole: whole numbers */
    } buffers[DEVICE_BUFFERS];
    int count;
} DeviceCase;

static f32 *device_case_buffer(DeviceCase *c, size_t count, bool written)
{
    ASSERT(c->count < DEVICE_BUFFERS);
    f32 *all = arena_new(&c->arena, f32, count + 2 * DEVICE_GUARD), *at = all + DEVICE_GUARD;
    for (size_t i = 0; i < DEVICE_GUARD; i++) all[i] = at[count + i] = DEVICE_GUARD_VALUE;
    for (size_t i = 0; i < count; i++) at[i] = device_number((uint64_t)c->op * DEVICE_BUFFERS + (uint64_t)c->count, i);
    c->buffers[c->count].at = at;
    c->buffers[c->count].before = arena_new(&c->arena, f32, count);
    c->buffers[c->count].count = count;
    c->buffers[c->count].written = written;
    c->count++;
    return at;
}

static f32 *device_case_in(DeviceCase *c, size_t count) { return device_case_buffer(c, count, false); }
static f32 *device_case_out(DeviceCase *c, size_t count)
{
    return device_case_buffer(c, count, true);
} /* written, or read and written */

static u32 *device_case_whole(DeviceCase *c, size_t count, bool written)
{
    f32 *at = device_case_buffer(c, count, written);
    c->buffers[c->count - 1].whole = true;
    return (u32 *)at;
}

/* Whole numbers below `limit`; `distinct`: a shuffled run of different ones. */
static u32 *device_case_indices(DeviceCase *c, size_t count, u32 limit, bool distinct)
{
    u32 *at = device_case_whole(c, count, false);
    u32 *order = arena_new(&c->arena, u32, limit);
    random_permutation(3, limit, order);
    for (size_t i = 0; i < count; i++) at[i] = distinct ? order[i] : order[(i * i) % limit];
    return at;
}

static void device_case_remember(DeviceCase *c)
{
    for (int b = 0; b < c->count; b++)
        if (c->buffers[b].count) memcpy(c->buffers[b].before, c->buffers[b].at, c->buffers[b].count * sizeof(f32));
}

/* What an op did to memory that is not its own; NULL when all is well. Static text. */
static const char *device_case_damage(const DeviceCase *c)
{
    for (int b = 0; b < c->count; b++) {
        const f32 *at = c->buffers[b].at;
        const size_t count = c->buffers[b].count;
        for (size_t i = 0; i < DEVICE_GUARD; i++)
            if (at[-1 - (long)i] != DEVICE_GUARD_VALUE || at[count + i] != DEVICE_GUARD_VALUE)
                return "it wrote outside of its buffers";
        if (!c->buffers[b].written && count && memcmp(at, c->buffers[b].before, count * sizeof(f32)) != 0)
            return "it changed an input";
    }
    return NULL;
}

/* The worst normalised mean squared error of a buffer: sum of (expected - got)^2 / sum of expected^2. */
static double device_case_difference(const DeviceCase *expected, const DeviceCase *got)
{
    double worst = 0;
    for (int b = 0; b < expected->count; b++) {
        const f32 *x = expected->buffers[b].at, *y = got->buffers[b].at;
        const size_t count = expected->buffers[b].count;
        if (count == 0 || memcmp(x, y, count * sizeof *x) == 0) continue;
        double error = 0, power = 0;
        for (size_t i = 0; i < count; i++) {
            if (memcmp(&x[i], &y[i], sizeof *x) == 0) continue; /* whole numbers may look like NaN */
            error += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
            power += (double)x[i] * x[i];
        }
        if (!(error / power <= worst)) worst = error / power;
    }
    return worst;
}

/* ---- The cases of each op. Each builder takes a variant from 0 and returns false behind the last one. ---- */

static const u32 device_lengths[] = {0, 1, 3, 7, 15, 16, 17, 33, 65, 127, 129, 16384, 50001};
static const u32 device_shapes[][2] = {{0, 5},   {5, 0},     {1, 1},    {7, 3},    {33, 65},  {3, 384},
                                       {65, 33}, {129, 127}, {2, 1000}, {300, 96}, {40, 768}, {1, 4}};

static bool device_case_length(int variant, u32 *n)
{
    if (variant >= (int)COUNT(device_lengths)) return false;
    *n = device_lengths[variant];
    return true;
}

static bool device_case_shape(int variant, u32 *rows, u32 *cols)
{
    if (variant >= (int)COUNT(device_shapes)) return false;
    *rows = device_shapes[variant][0], *cols = device_shapes[variant][1];
    return true;
}

static bool device_case_gemm(DeviceCase *c, int variant)
{
    static const u32 sizes[][3] = {{0, 3, 4},      {3, 0, 4},    {3, 4, 0},       {1, 1, 1},      {7, 33, 5},
                                   {33, 7, 65},    {65, 8, 384}, {64, 384, 8},    {8, 129, 127},  {129, 48, 400},
                                   {127, 100, 33}, {16, 2, 96},  {212, 200, 130}, {50, 400, 800}, {300, 17, 1000}};
    if (variant >= (int)COUNT(sizes) * 8) return false;
    const u32 m = sizes[variant / 8][0], n = sizes[variant / 8][1], k = sizes[variant / 8][2];
    const u32 ta = variant & 1, tb = variant >> 1 & 1, extra = variant >> 2 & 1, pad = extra ? 5 : 0;
    const u32 lda = (ta ? m : k) + pad, ldb = (tb ? k : n) + pad, ldc = n + pad;
    c->args.gemm = (struct gemm_args){.a = device_case_in(c, (size_t)lda * (ta ? k : m)),
                                      .b = device_case_in(c, (size_t)ldb * (tb ? n : k)),
                                      .c = device_case_out(c, (size_t)ldc * m),
                                      .bias = extra || ta ? device_case_in(c, n) : NULL,
                                      .gelu = extra && !ta ? device_case_out(c, (size_t)ldc * m) : NULL,
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

static bool device_case_gelu(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant / 2, &n)) return false;
    f32 *x = variant % 2 ? device_case_out(c, n) : device_case_in(c, n);
    for (u32 i = 0; i < n; i++) x[i] *= 3;
    c->args.gelu = (struct gelu_args){.x = x, .y = variant % 2 ? x : device_case_out(c, n), .n = n};
    return true;
}

static bool device_case_gelu_grad(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant / 2, &n)) return false;
    f32 *dy = variant % 2 ? device_case_out(c, n) : device_case_in(c, n), *x = device_case_in(c, n);
    for (u32 i = 0; i < n; i++) x[i] *= 3;
    c->args.gelu_grad =
        (struct gelu_grad_args){.x = x, .dy = dy, .dx = variant % 2 ? dy : device_case_out(c, n), .n = n};
    return true;
}

static bool device_case_tanh(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant, &n)) return false;
    f32 *x = device_case_out(c, n);
    c->args.tanh = (struct tanh_args){.x = x, .y = variant % 2 ? x : device_case_out(c, n), .n = n};
    return true;
}

static bool device_case_tanh_grad(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant, &n)) return false;
    f32 *dy = device_case_out(c, n);
    c->args.tanh_grad = (struct tanh_grad_args){
        .y = device_case_in(c, n), .dy = dy, .dx = variant % 2 ? dy : device_case_out(c, n), .n = n};
    return true;
}

static bool device_case_layernorm(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant / 3, &rows, &cols)) return false;
    const size_t all = (size_t)rows * cols;
    c->args.layernorm = (struct layernorm_args){.x = device_case_out(c, all),
                                                .residual = variant % 3 ? device_case_in(c, all) : NULL,
                                                .gamma = device_case_in(c, cols),
                                                .beta = device_case_in(c, cols),
                                                .y = device_case_out(c, all),
                                                .mean = device_case_out(c, rows),
                                                .rstd = device_case_out(c, rows),
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

static bool device_case_layernorm_dx(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant / 3, &rows, &cols)) return false;
    const size_t all = (size_t)rows * cols;
    f32 *dy = device_case_out(c, all);
    c->args.layernorm_dx = (struct layernorm_dx_args){.x = device_case_in(c, all),
                                                      .gamma = device_case_in(c, cols),
                                                      .mean = device_case_in(c, rows),
                                                      .rstd = device_case_in(c, rows),
                                                      .dy = dy,
                                                      .dsum = variant % 3 == 1 ? dy : device_case_out(c, all),
                                                      .dx = variant % 3 == 0 ? NULL : device_case_out(c, all),
                                                      .rows = rows,
                                                      .cols = cols,
                                                      .drop = variant % 3 == 1 ? 0 : 0.1f,
                                                      .seed = 42,
                                                      .step = 3,
                                                      .site = 9};
    return true;
}

static bool device_case_layernorm_dw(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant, &rows, &cols)) return false;
    const size_t all = (size_t)rows * cols;
    c->args.layernorm_dw = (struct layernorm_dw_args){.x = device_case_in(c, all),
                                                      .mean = device_case_in(c, rows),
                                                      .rstd = device_case_in(c, rows),
                                                      .dy = device_case_in(c, all),
                                                      .dgamma = device_case_out(c, cols),
                                                      .dbeta = device_case_out(c, cols),
                                                      .rows = rows,
                                                      .cols = cols};
    return true;
}

static bool device_case_column_sum(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant / 2, &rows, &cols)) return false;
    const u32 ld = cols + (variant % 2) * 7;
    c->args.column_sum = (struct column_sum_args){
        .x = device_case_in(c, (size_t)rows * ld), .y = device_case_out(c, cols), .rows = rows, .cols = cols, .ld = ld};
    return true;
}

static const struct {
    u32 heads, size, tokens[6]; /* tokens of up to six examples, ended by DEVICE_NO_MORE */
} device_attention_cases[] = {
#define DEVICE_NO_MORE 0xffffu
    {1, 32, {13, DEVICE_NO_MORE}},      {3, 32, {13, 1, 40, 7, 0, 16}},    {2, 64, {33, 128, 5, DEVICE_NO_MORE}},
    {2, 16, {129, 65, DEVICE_NO_MORE}}, {1, 64, {300, 2, DEVICE_NO_MORE}}, {2, 128, {20, DEVICE_NO_MORE}},
    {2, 20, {7, 33, DEVICE_NO_MORE}},   {1, 160, {9, DEVICE_NO_MORE}},     {12, 32, {0, 0, DEVICE_NO_MORE}},
};

static u32 *device_case_offsets(DeviceCase *c, int which, u32 *examples, u32 *longest)
{
    const u32 *tokens = device_attention_cases[which].tokens;
    for (*examples = *longest = 0; *examples < 6 && tokens[*examples] != DEVICE_NO_MORE; ++*examples)
        if (tokens[*examples] > *longest) *longest = tokens[*examples];
    u32 *offsets = device_case_whole(c, *examples + 1, false);
    offsets[0] = 0;
    for (u32 e = 0; e < *examples; e++) offsets[e + 1] = offsets[e] + tokens[e];
    return offsets;
}

static bool device_case_attention(DeviceCase *c, int variant)
{
    if (variant >= (int)COUNT(device_attention_cases) * 4) return false;
    u32 examples, longest;
    u32 *offsets = device_case_offsets(c, variant / 4, &examples, &longest);
    const u32 heads = device_attention_cases[variant / 4].heads, size = device_attention_cases[variant / 4].size;
    const u32 width = heads * size, first_only = variant & 1, drop = variant >> 1 & 1, pad = drop * 3;
    const u32 tokens = offsets[examples], queries = first_only ? examples : tokens;
    c->args.attention = (struct attention_args){.q = device_case_in(c, (size_t)queries * (width + pad)),
                                                .kv = device_case_in(c, (size_t)tokens * (2 * width + pad)),
                                                .context = device_case_out(c, (size_t)queries * (width + 2 * pad)),
                                                .lse = device_case_out(c, (size_t)heads * queries),
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

static bool device_case_attention_grad(DeviceCase *c, int variant)
{
    if (variant >= (int)COUNT(device_attention_cases) * 4) return false;
    u32 examples, longest;
    u32 *offsets = device_case_offsets(c, variant / 4, &examples, &longest);
    const u32 heads = device_attention_cases[variant / 4].heads, size = device_attention_cases[variant / 4].size;
    const u32 width = heads * size, first_only = variant & 1, drop = variant >> 1 & 1, pad = drop * 3;
    const u32 tokens = offsets[examples], queries = first_only ? examples : tokens;
    struct attention_grad_args a = {.q = device_case_in(c, (size_t)queries * (width + pad)),
                                    .kv = device_case_in(c, (size_t)tokens * (2 * width + pad)),
                                    .context = device_case_in(c, (size_t)queries * (width + 2 * pad)),
                                    .lse = device_case_in(c, (size_t)heads * queries),
                                    .dcontext = device_case_in(c, (size_t)queries * (width + 2 * pad)),
                                    .dq = device_case_out(c, (size_t)queries * (width + pad)),
                                    .dkv = device_case_out(c, (size_t)tokens * (2 * width + pad)),
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

static bool device_case_embed(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant, &rows, &cols)) return false;
    c->args.embed = (struct embed_args){.word = device_case_in(c, (size_t)50 * cols),
                                        .position = device_case_in(c, (size_t)20 * cols),
                                        .type = device_case_in(c, (size_t)2 * cols),
                                        .ids = device_case_indices(c, rows, 50, false),
                                        .positions = device_case_indices(c, rows, 20, false),
                                        .types = device_case_indices(c, rows, 2, false),
                                        .y = device_case_out(c, (size_t)rows * cols),
                                        .rows = rows,
                                        .cols = cols};
    return true;
}

static bool device_case_embed_grad(DeviceCase *c, int variant)
{
    u32 unique, cols;
    if (!device_case_shape(variant, &unique, &cols)) return false;
    u32 *starts = device_case_whole(c, unique + 1, false);
    starts[0] = 0;
    for (u32 u = 0; u < unique; u++) starts[u + 1] = starts[u] + u % 5;
    const u32 rows = starts[unique];
    c->args.embed_grad = (struct embed_grad_args){.dy = device_case_in(c, (size_t)rows * cols),
                                                  .row = device_case_indices(c, unique, unique + 7, true),
                                                  .starts = starts,
                                                  .order = device_case_indices(c, rows, rows ? rows : 1, true),
                                                  .dtable = device_case_out(c, (size_t)(unique + 7) * cols),
                                                  .unique = unique,
                                                  .cols = cols};
    return true;
}

static bool device_case_gather_rows(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant, &rows, &cols)) return false;
    c->args.gather_rows = (struct gather_rows_args){.x = device_case_in(c, (size_t)40 * (cols + 3)),
                                                    .index = device_case_indices(c, rows, 40, false),
                                                    .y = device_case_out(c, (size_t)rows * cols),
                                                    .rows = rows,
                                                    .cols = cols,
                                                    .ldx = cols + 3};
    return true;
}

static bool device_case_scatter_rows(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant, &rows, &cols)) return false;
    c->args.scatter_rows = (struct scatter_rows_args){.x = device_case_in(c, (size_t)rows * cols),
                                                      .index = device_case_indices(c, rows, rows + 9, true),
                                                      .y = device_case_out(c, (size_t)(rows + 9) * (cols + 3)),
                                                      .rows = rows,
                                                      .cols = cols,
                                                      .ldy = cols + 3};
    return true;
}

static bool device_case_dropout(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant / 4, &rows, &cols)) return false;
    f32 *x = device_case_out(c, (size_t)rows * cols);
    c->args.dropout = (struct dropout_args){.x = x,
                                            .y = variant % 4 == 1 ? x : device_case_out(c, (size_t)rows * cols),
                                            .rows = rows,
                                            .cols = cols,
                                            .accumulate = variant % 4 == 2,
                                            .drop = variant % 4 == 3 ? 0 : 0.3f,
                                            .seed = 1,
                                            .step = 2,
                                            .site = 3};
    return true;
}

static bool device_case_axpby(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant, &n)) return false;
    c->args.axpby = (struct axpby_args){.x = device_case_in(c, n),
                                        .scale = variant % 2 ? device_case_in(c, 1) : NULL,
                                        .y = device_case_out(c, n),
                                        .n = n,
                                        .alpha = -0.3f,
                                        .beta = variant % 3 ? 1 : 0.7f};
    return true;
}

static bool device_case_copy(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant, &n)) return false;
    c->args.copy = (struct copy_args){.x = device_case_in(c, n), .y = device_case_out(c, n), .n = n};
    return true;
}

static bool device_case_fill(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant, &n)) return false;
    c->args.fill = (struct fill_args){.x = device_case_out(c, n), .n = n, .value = -2.5f};
    return true;
}

static bool device_case_zero_rows(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant, &rows, &cols)) return false;
    c->args.zero_rows = (struct zero_rows_args){.x = device_case_out(c, (size_t)(rows + 9) * cols),
                                                .row = device_case_indices(c, rows, rows + 9, true),
                                                .rows = rows,
                                                .cols = cols};
    return true;
}

static bool device_case_logits(int variant, u32 *rows, u32 *classes)
{
    static const u32 sizes[][2] = {{0, 3}, {1, 1}, {16, 2}, {33, 3}, {7, 129}};
    if (variant >= (int)COUNT(sizes)) return false;
    *rows = sizes[variant][0], *classes = sizes[variant][1];
    return true;
}

static bool device_case_cross_entropy(DeviceCase *c, int variant)
{
    u32 rows, classes;
    if (!device_case_logits(variant / 2, &rows, &classes)) return false;
    c->args.cross_entropy =
        (struct cross_entropy_args){.logits = device_case_in(c, (size_t)rows * classes),
                                    .labels = device_case_indices(c, rows, classes, false),
                                    .loss = device_case_out(c, rows),
                                    .dlogits = variant % 2 ? device_case_out(c, (size_t)rows * classes) : NULL,
                                    .rows = rows,
                                    .classes = classes,
                                    .scale = 0.25f};
    return true;
}

static bool device_case_distill(DeviceCase *c, int variant)
{
    u32 rows, classes;
    if (!device_case_logits(variant / 2, &rows, &classes)) return false;
    const size_t all = (size_t)rows * classes;
    c->args.distill = (struct distill_args){.logits = device_case_in(c, all),
                                            .teacher = device_case_in(c, all),
                                            .loss = device_case_out(c, rows),
                                            .dlogits = device_case_out(c, all),
                                            .rows = rows,
                                            .classes = classes,
                                            .accumulate = variant % 2,
                                            .temperature = variant % 2 ? 2 : 0.7f,
                                            .scale = 0.25f};
    return true;
}

static bool device_case_mse(DeviceCase *c, int variant)
{
    u32 rows, classes;
    if (!device_case_logits(variant / 2, &rows, &classes)) return false;
    const size_t all = (size_t)rows * classes;
    c->args.mse = (struct mse_args){.logits = device_case_in(c, all),
                                    .target = device_case_in(c, all),
                                    .loss = device_case_out(c, rows),
                                    .dlogits = device_case_out(c, all),
                                    .rows = rows,
                                    .classes = classes,
                                    .accumulate = variant % 2,
                                    .scale = 0.25f};
    return true;
}

static const u32 device_blocks[][2] = {{0, 7}, {1, 1}, {7, 7}, {127, 64}, {50001, 4096}, {384, 128}, {6500, 65}};

static bool device_case_dot(DeviceCase *c, int variant)
{
    if (variant >= (int)COUNT(device_blocks) * 4) return false;
    const u32 n = device_blocks[variant / 4][0], block = device_blocks[variant / 4][1], parts = (n + block - 1) / block;
    const bool by_row = variant & 1 && n % block == 0, square = variant >> 1 & 1;
    const size_t size = n + (size_t)(by_row ? 5 * block : 0);
    f32 *x = device_case_in(c, size), *y = square ? x : device_case_in(c, size);
    for (size_t i = 0; i < size && !square; i++) x[i] += y[i]; /* not near 0 in the sum */
    c->args.dot = (struct dot_args){.x = x,
                                    .y = y,
                                    .row = by_row ? device_case_indices(c, parts, parts + 5, true) : NULL,
                                    .part = device_case_out(c, parts),
                                    .n = n,
                                    .block = block};
    return true;
}

static bool device_case_clip(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant / 2, &n)) return false;
    f32 *part = device_case_in(c, n);
    for (u32 i = 0; i < n; i++) part[i] = fabsf(part[i]);
    c->args.clip = (struct clip_args){
        .part = part, .result = device_case_out(c, 2), .parts = n, .max_norm = variant % 2 ? 1.0f : 1e6f};
    return true;
}

static bool device_case_projection(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant / 2, &n)) return false;
    c->args.projection = (struct projection_args){
        .g_r = device_case_in(c, n), .r_r = device_case_in(c, n), .result = device_case_out(c, 2), .parts = n};
    for (u32 i = 0; i < n; i++) {
        c->args.projection.g_r[i] += variant % 2 ? 2 : -2;
        c->args.projection.r_r[i] = fabsf(c->args.projection.r_r[i]);
    }
    return true;
}

static bool device_case_quadratic_penalty(DeviceCase *c, int variant)
{
    if (variant >= (int)COUNT(device_blocks) * 2) return false;
    const u32 n = device_blocks[variant / 2][0], block = device_blocks[variant / 2][1];
    f32 *importance = variant % 2 ? device_case_in(c, n) : NULL;
    for (u32 i = 0; i < n && importance; i++) importance[i] = fabsf(importance[i]);
    c->args.quadratic_penalty = (struct quadratic_penalty_args){.w = device_case_in(c, n),
                                                                .anchor = device_case_in(c, n),
                                                                .importance = importance,
                                                                .g = device_case_out(c, n),
                                                                .part = device_case_out(c, (n + block - 1) / block),
                                                                .n = n,
                                                                .block = block,
                                                                .strength = 0.3f};
    return true;
}

static bool device_case_path_integral(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant, &n)) return false;
    c->args.path_integral = (struct path_integral_args){.g = device_case_in(c, n),
                                                        .w = device_case_in(c, n),
                                                        .before = device_case_out(c, n),
                                                        .path = device_case_out(c, n),
                                                        .n = n};
    return true;
}

static bool device_case_consolidate(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant, &n)) return false;
    c->args.consolidate = (struct consolidate_args){.path = device_case_in(c, n),
                                                    .w = device_case_in(c, n),
                                                    .anchor = device_case_in(c, n),
                                                    .importance = device_case_out(c, n),
                                                    .n = n,
                                                    .damping = 0.1f};
    return true;
}

/* The examples of device_attention_cases, and one that is longer than what the CPU engine packs at once. */
static u32 *device_case_groups(DeviceCase *c, int variant, u32 *examples)
{
    u32 longest, *offsets;
    if (variant < (int)COUNT(device_attention_cases)) return device_case_offsets(c, variant, examples, &longest);
    *examples = 3;
    offsets = device_case_whole(c, 4, false);
    offsets[0] = 0, offsets[1] = 7, offsets[2] = 7 + 800, offsets[3] = 7 + 800 + 30;
    return offsets;
}

static bool device_case_gemm_importance(DeviceCase *c, int variant)
{
    static const u32 sizes[][2] = {{33, 70}, {8, 129}, {130, 2}, {1, 1}, {0, 5}, {5, 0}, {100, 200}};
    const int groups = (int)COUNT(device_attention_cases) + 1;
    if (variant >= 2 * groups) return false;
    const u32 m = sizes[variant % (int)COUNT(sizes)][0], n = sizes[variant % (int)COUNT(sizes)][1], pad = variant % 3;
    u32 examples, *offsets = device_case_groups(c, variant % groups, &examples);
    const u32 rows = offsets[examples], lda = m + pad, ldb = n + 2 * pad, ldc = n + pad;
    c->args.gemm_importance = (struct gemm_importance_args){.a = device_case_in(c, (size_t)rows * lda),
                                                            .b = device_case_in(c, (size_t)rows * ldb),
                                                            .c = device_case_out(c, (size_t)m * ldc),
                                                            .offsets = offsets,
                                                            .examples = examples,
                                                            .rows = rows,
                                                            .m = m,
                                                            .n = n,
                                                            .lda = lda,
                                                            .ldb = ldb,
                                                            .ldc = ldc,
                                                            .power = variant >= groups ? 1 : 2,
                                                            .scale = 0.3f};
    return true;
}

static bool device_case_column_importance(DeviceCase *c, int variant)
{
    static const u32 columns[] = {384, 33, 1, 0, 129};
    const int groups = (int)COUNT(device_attention_cases) + 1;
    if (variant >= 2 * groups) return false;
    const u32 cols = columns[variant % (int)COUNT(columns)], ld = cols + variant % 3;
    u32 examples, *offsets = device_case_groups(c, variant / 2, &examples);
    const u32 rows = offsets[examples];
    const bool norm = variant % 2;
    c->args.column_importance =
        (struct column_importance_args){.dy = device_case_in(c, (size_t)rows * ld),
                                        .x = norm ? device_case_in(c, (size_t)rows * cols) : NULL,
                                        .mean = norm ? device_case_in(c, rows) : NULL,
                                        .rstd = norm ? device_case_in(c, rows) : NULL,
                                        .gamma = norm ? device_case_out(c, cols) : NULL,
                                        .beta = device_case_out(c, cols),
                                        .offsets = offsets,
                                        .examples = examples,
                                        .rows = rows,
                                        .cols = cols,
                                        .ld = ld,
                                        .power = variant % 4 < 2 ? 2 : 1,
                                        .scale = 0.3f};
    return true;
}

/* Token t uses row t % unique, so that examples share rows and have tokens of the same row. */
static bool device_case_embed_importance(DeviceCase *c, int variant)
{
    static const u32 columns[] = {33, 384, 1};
    const int groups = (int)COUNT(device_attention_cases) + 1;
    if (variant >= 2 * groups) return false;
    const u32 cols = columns[variant % 3];
    u32 examples, *offsets = device_case_groups(c, variant / 2, &examples);
    const u32 rows = offsets[examples], unique = rows < 5 ? rows : 5;
    u32 *starts = device_case_whole(c, unique + 1, false), *order = device_case_whole(c, rows, false), at = 0;
    for (u32 u = 0; u < unique; u++) {
        starts[u] = at;
        for (u32 t = u; t < rows; t += unique) order[at++] = t;
    }
    starts[unique] = at;
    c->args.embed_importance = (struct embed_importance_args){.dy = device_case_in(c, (size_t)rows * cols),
                                                              .row = device_case_indices(c, unique, unique + 7, true),
                                                              .starts = starts,
                                                              .order = order,
                                                              .offsets = offsets,
                                                              .table = device_case_out(c, (size_t)(unique + 7) * cols),
                                                              .unique = unique,
                                                              .examples = examples,
                                                              .rows = rows,
                                                              .cols = cols,
                                                              .power = variant % 2 ? 1 : 2,
                                                              .scale = 0.3f};
    return true;
}

static bool device_case_adamw(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant, &n)) return false;
    c->args.adamw = (struct adamw_args){.w = device_case_out(c, n),
                                        .g = device_case_in(c, n),
                                        .m = device_case_out(c, n),
                                        .v = device_case_out(c, n),
                                        .scale = variant % 2 ? device_case_in(c, 1) : NULL,
                                        .n = n,
                                        .lr = 1e-3f,
                                        .beta1 = 0.9f,
                                        .beta2 = 0.999f,
                                        .eps = 1e-8f,
                                        .shrink = 0.99f,
                                        .fix1 = 1 - 0.9f * 0.9f,
                                        .fix2 = 0.0447f};
    for (u32 i = 0; i < n; i++) c->args.adamw.v[i] = fabsf(c->args.adamw.v[i]);
    return true;
}

static bool device_case_adamw_rows(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant, &rows, &cols)) return false;
    const size_t n = (size_t)rows * cols;
    c->args.adamw_rows = (struct adamw_rows_args){.w = device_case_out(c, n),
                                                  .g = device_case_in(c, n),
                                                  .m = device_case_out(c, n),
                                                  .v = device_case_out(c, n),
                                                  .scale = variant % 2 ? device_case_in(c, 1) : NULL,
                                                  .stamp = device_case_indices(c, rows, 3, false),
                                                  .rows = rows,
                                                  .cols = cols,
                                                  .lr = 1e-3f,
                                                  .beta1 = 0.9f,
                                                  .beta2 = 0.999f,
                                                  .eps = 1e-8f,
                                                  .shrink = 0.99f,
                                                  .fix1 = 1 - 0.9f * 0.9f,
                                                  .fix2 = 0.0447f};
    for (size_t i = 0; i < n; i++) c->args.adamw_rows.v[i] = fabsf(c->args.adamw_rows.v[i]);
    for (u32 r = 0; r < rows; r++)
        if (c->args.adamw_rows.stamp[r] == 1) c->args.adamw_rows.stamp[r] = ROW_AWAKE;
    return true;
}

static bool device_case_wake_rows(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant / 4, &rows, &cols)) return false;
    u32 *stamp = device_case_whole(c, rows + 9, true);
    for (u32 r = 0; r < rows + 9; r++) stamp[r] = r % 4 == 3 ? ROW_AWAKE : r % 10;
    f32 *factors = device_case_in(c, 10);
    for (int k = 0; k < 10; k++) factors[k] = 1 - 0.01f * fabsf(factors[k]);
    c->args.wake_rows =
        (struct wake_rows_args){.w = device_case_out(c, (size_t)(rows + 9) * cols),
                                .stamp = stamp,
                                .row = variant & 1 ? device_case_indices(c, rows, rows + 9, true) : NULL,
                                .factors = factors,
                                .rows = rows,
                                .cols = cols,
                                .step = 10,
                                .awake = variant >> 1 & 1};
    return true;
}

static bool (*const device_case_builders[OP_COUNT])(DeviceCase *c, int variant) = {
#define X(op) [OP_##op] = device_case_##op,
    OPS(X)
#undef X
};

static bool device_case_build(DeviceCase *c, Op op, int variant)
{
    *c = (DeviceCase){.op = op};
    const bool exists = device_case_builders[op](c, variant);
    if (!exists) arena_free(&c->arena);
    return exists;
}

/* ---- A case on a device ---- */

/* A copy of a case's arguments for the device: whatever points into a buffer points into the device's copy of it. */
static void device_case_run(Device *device, DeviceCase *c)
{
    DeviceArena memory = {.device = device};
    char *on_device[DEVICE_BUFFERS];
    for (int b = 0; b < c->count; b++) {
        const size_t count = c->buffers[b].count + 2 * DEVICE_GUARD;
        on_device[b] = (char *)device_f32(&memory, count);
        device_write(device, on_device[b], c->buffers[b].at - DEVICE_GUARD, count * sizeof(f32));
    }
    _Alignas(8) char args[sizeof c->args];
    memcpy(args, &c->args, sizeof args);
    for (size_t at = 0; at + sizeof(char *) <= sizeof args; at += sizeof(char *)) {
        char *pointer;
        memcpy(&pointer, args + at, sizeof pointer);
        for (int b = 0; b < c->count; b++) {
            char *begin = (char *)(c->buffers[b].at - DEVICE_GUARD);
            if (pointer < begin || pointer > (char *)(c->buffers[b].at + c->buffers[b].count)) continue;
            pointer = on_device[b] + (pointer - begin);
            memcpy(args + at, &pointer, sizeof pointer);
            break;
        }
    }
    device_run(device, c->op, args);
    for (int b = 0; b < c->count; b++)
        device_read(device, c->buffers[b].at - DEVICE_GUARD, on_device[b],
                    (c->buffers[b].count + 2 * DEVICE_GUARD) * sizeof(f32));
    device_arena_free(&memory);
}

/* Runs a case on the device and with the plain version; *nmse is the worst difference. *exists is false behind the last
 * variant. Fails when the device does, when memory is damaged, and when nmse is above 1e-9. */
static bool device_case_compare(Device *device, Op op, int variant, bool *exists, double *nmse, Err *err)
{
    DeviceCase expected, got;
    *nmse = 0;
    *exists = device_case_build(&expected, op, variant);
    if (!*exists) return true;
    plain_ops[op](&expected.args);
    device_case_build(&got, op, variant);
    device_case_remember(&got);
    device_case_run(device, &got);
    bool ok = device_ok(device, err);
    const char *damage = ok ? device_case_damage(&got) : NULL;
    if (damage)
        ok = fail(err, "%s: the op %s (case %d) is wrong: %s; this driver cannot be trusted, use --device cpu",
                  device->name, op_names[op], variant, damage);
    if (ok) *nmse = device_case_difference(&expected, &got);
    if (ok && !(*nmse <= 1e-9))
        ok = fail(err,
                  "%s: the op %s (case %d) is wrong: normalised mean squared error %.2g; this driver cannot be "
                  "trusted, use --device cpu",
                  device->name, op_names[op], variant, *nmse);
    arena_free(&got.arena);
    arena_free(&expected.arena);
    return ok;
}

/* One case for each kind of kernel: a driver that computes nonsense is found before it trains a model. */
static bool device_quick_check(Device *device, Err *err)
{
    static const struct {
        Op op;
        int variant;
    } cases[] = {{OP_gemm, 82},     {OP_gemm, 81},          {OP_layernorm, 14},    {OP_layernorm_dw, 4},
                 {OP_attention, 2}, {OP_attention_grad, 2}, {OP_cross_entropy, 4}, {OP_adamw, 6}};
    double nmse;
    bool exists, ok = true;
    for (size_t i = 0; i < COUNT(cases) && ok; i++)
        ok = device_case_compare(device, cases[i].op, cases[i].variant, &exists, &nmse, err);
    return ok;
}
