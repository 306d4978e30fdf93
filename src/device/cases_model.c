/* Cases of the ops that a model is made of, forward and backward. */

/* extra: rows lie apart, a GELU, what is there is added to, alpha. */
static void make_gemm(DeviceCase *c, u32 m, u32 n, u32 k, u32 ta, u32 tb, u32 more, bool extra)
{
    const u32 pad = extra ? 5 : 0;
    const u32 lda = (ta ? m : k) + pad, ldb = (tb ? k : n) + pad, ldc = n + pad;
    const u32 stride_a = lda * (ta ? k : m), stride_b = ldb * (tb ? n : k), stride_c = ldc * m + pad;
    c->args.gemm = (struct gemm_args){.a = case_floats(c, (size_t)stride_a * (more + 1)),
                                      .b = case_floats(c, (size_t)stride_b * (more + 1)),
                                      .c = case_floats(c, (size_t)stride_c * (more + 1)),
                                      .bias = extra || tb ? case_floats(c, n) : NULL,
                                      .gelu = extra && !ta ? case_floats(c, (size_t)stride_c * (more + 1)) : NULL,
                                      .m = m,
                                      .n = n,
                                      .k = k,
                                      .lda = lda,
                                      .ldb = ldb,
                                      .ldc = ldc,
                                      .ta = ta,
                                      .tb = tb,
                                      .accumulate = extra && !tb,
                                      .alpha = extra ? -0.75f : 1,
                                      .more = more,
                                      .stride_a = stride_a,
                                      .stride_b = stride_b,
                                      .stride_c = stride_c};
}

static void tested_gemm(DeviceCases *cases)
{
    static const u32 sizes[][4] = {/* m n k more */
                                   {0, 3, 4},       {3, 0, 4},    {3, 4, 0},       {1, 1, 1},      {7, 33, 5},
                                   {33, 7, 65},     {65, 8, 384}, {64, 384, 8},    {8, 129, 127},  {129, 48, 400},
                                   {127, 100, 33},  {16, 2, 96},  {212, 200, 130}, {50, 400, 800}, {300, 17, 1000},
                                   {48, 40, 2000},  {0, 3, 4, 2}, {33, 7, 65, 1},  {65, 96, 8, 2}, {7, 129, 33, 2},
                                   {127, 8, 800, 2}};
    foreach (s, sizes)
        for (u32 extra = 0; extra < 2; extra++)
            for (u32 tb = 0; tb < 2; tb++)
                for (u32 ta = 0; ta < 2; ta++) CASE(gemm, (*s)[0], (*s)[1], (*s)[2], ta, tb, (*s)[3], extra);
}

/* The sizes of LoRA's ops; next: from one target's weights to the next one's. */
typedef struct CaseLora {
    u32 rows, cols, wide, r, targets, next, lddy;
    f32 drop;
} CaseLora;

/* extra: no vectors are aligned, and dropout; else B lies after A, as models have it. */
static CaseLora lora_case(u32 rows, u32 cols, u32 r, u32 targets, bool extra)
{
    return (CaseLora){.rows = rows,
                      .cols = cols,
                      .wide = cols,
                      .r = r,
                      .targets = targets,
                      .next = cols * r + (extra ? 5 : cols * r),
                      .lddy = targets * cols + (extra ? 3 : 0),
                      .drop = extra ? 0.3f : 0};
}

static const u32 lora_tested[][4] = {{0, 5, 2, 1},     {5, 0, 2, 2},     {3, 4, 0, 2},    {4, 5, 3, 0},
                                     {1, 1, 1, 1},     {7, 33, 3, 3},    {33, 65, 8, 2},  {65, 384, 8, 3},
                                     {129, 127, 7, 3}, {2, 1000, 16, 1}, {40, 768, 9, 2}, {400, 50, 4, 2},
                                     {3, 20, 400, 1}};
#define EACH_LORA(op)        \
    foreach (s, lora_tested) \
        for (int extra = 0; extra < 2; extra++) CASE(op, lora_case((*s)[0], (*s)[1], (*s)[2], (*s)[3], extra))

static size_t case_lora_weights(const CaseLora *l, u32 side)
{
    return l->targets ? (size_t)(l->targets - 1) * l->next + (size_t)l->r * side : 0;
}

static void make_lora_down(DeviceCase *c, CaseLora l)
{
    c->args.lora_down = (struct lora_down_args){.x = case_floats(c, (size_t)l.rows * l.cols),
                                                .a = case_floats(c, case_lora_weights(&l, l.cols)),
                                                .low = case_floats(c, (size_t)l.targets * l.rows * l.r),
                                                .rows = l.rows,
                                                .cols = l.cols,
                                                .r = l.r,
                                                .targets = l.targets,
                                                .next = l.next,
                                                .drop = l.drop,
                                                .seed = 42,
                                                .step = 3,
                                                .site = 9,
                                                .next_site = 2};
}
static void tested_lora_down(DeviceCases *cases) { EACH_LORA(lora_down); }

static void make_lora_dx(DeviceCase *c, CaseLora l)
{
    c->args.lora_dx = (struct lora_dx_args){.dlow = case_floats(c, (size_t)l.targets * l.rows * l.r),
                                            .a = case_floats(c, case_lora_weights(&l, l.cols)),
                                            .dx = case_floats(c, (size_t)l.rows * l.cols),
                                            .rows = l.rows,
                                            .cols = l.cols,
                                            .r = l.r,
                                            .targets = l.targets,
                                            .next = l.next,
                                            .drop = l.drop,
                                            .seed = 42,
                                            .step = 3,
                                            .site = 9,
                                            .next_site = 2};
}
static void tested_lora_dx(DeviceCases *cases) { EACH_LORA(lora_dx); }

static void make_lora_dw(DeviceCase *c, CaseLora l)
{
    c->args.lora_dw = (struct lora_dw_args){.x = case_floats(c, (size_t)l.rows * l.cols),
                                            .dy = case_floats(c, (size_t)l.rows * l.lddy),
                                            .low = case_floats(c, (size_t)l.targets * l.rows * l.r),
                                            .dlow = case_floats(c, (size_t)l.targets * l.rows * l.r),
                                            .da = case_floats(c, case_lora_weights(&l, l.cols)),
                                            .db = case_floats(c, case_lora_weights(&l, l.wide)),
                                            .rows = l.rows,
                                            .cols = l.cols,
                                            .wide = l.wide,
                                            .r = l.r,
                                            .targets = l.targets,
                                            .next = l.next,
                                            .lddy = l.lddy,
                                            .next_dy = l.wide,
                                            .alpha = 0.75f,
                                            .drop = l.drop,
                                            .seed = 42,
                                            .step = 3,
                                            .site = 9,
                                            .next_site = 2};
}
static void tested_lora_dw(DeviceCases *cases)
{
    static const u32 wide[][2] = {{33, 129}, {65, 16}, {48, 96}, {7, 0}, {0, 7}}; /* columns of x and of dy */
    EACH_LORA(lora_dw);
    foreach (s, wide)
        for (int extra = 0; extra < 2; extra++) {
            CaseLora l = lora_case(37, (*s)[0] + (*s)[1], 5, 2, extra); /* rows and weights apart, for either */
            l.cols = (*s)[0];
            l.wide = (*s)[1];
            CASE(lora_dw, l);
        }
}

static void make_gelu(DeviceCase *c, u32 n, bool in_place, bool by_tanh)
{
    f32 *x = case_floats(c, n);
    for (u32 i = 0; i < n; i++) x[i] *= 3;
    c->args.gelu = (struct gelu_args){.x = x, .y = in_place ? x : case_floats(c, n), .n = n, .by_tanh = by_tanh};
}

static void tested_gelu(DeviceCases *cases)
{
    foreach (n, case_lengths)
        for (int in_place = 0; in_place < 2; in_place++) CASE(gelu, *n, in_place, false);
    foreach (n, case_lengths) CASE(gelu, *n, false, true);
}

static void make_gelu_grad(DeviceCase *c, u32 n, bool in_place, bool by_tanh)
{
    f32 *dy = case_floats(c, n), *x = case_floats(c, n);
    for (u32 i = 0; i < n; i++) x[i] *= 3;
    c->args.gelu_grad =
        (struct gelu_grad_args){.x = x, .dy = dy, .dx = in_place ? dy : case_floats(c, n), .n = n, .by_tanh = by_tanh};
}

static void tested_gelu_grad(DeviceCases *cases)
{
    foreach (n, case_lengths)
        for (int in_place = 0; in_place < 2; in_place++) CASE(gelu_grad, *n, in_place, false);
    foreach (n, case_lengths) CASE(gelu_grad, *n, true, true);
}

static void make_geglu(DeviceCase *c, CaseShape s)
{
    const size_t all = (size_t)s.rows * s.cols;
    f32 *x = case_floats(c, 2 * all);
    for (size_t i = 0; i < 2 * all; i++) x[i] *= 3;
    c->args.geglu = (struct geglu_args){.x = x, .y = case_floats(c, all), .rows = s.rows, .cols = s.cols};
}

static void tested_geglu(DeviceCases *cases)
{
    foreach (s, case_shapes) CASE(geglu, *s);
}

static void make_geglu_grad(DeviceCase *c, CaseShape s)
{
    const size_t all = (size_t)s.rows * s.cols;
    f32 *x = case_floats(c, 2 * all);
    for (size_t i = 0; i < 2 * all; i++) x[i] *= 3;
    c->args.geglu_grad = (struct geglu_grad_args){
        .x = x, .dy = case_floats(c, all), .dx = case_floats(c, 2 * all), .rows = s.rows, .cols = s.cols};
}

static void tested_geglu_grad(DeviceCases *cases)
{
    foreach (s, case_shapes) CASE(geglu_grad, *s);
}

static void make_tanh(DeviceCase *c, u32 n, bool in_place)
{
    f32 *x = case_floats(c, n);
    c->args.tanh = (struct tanh_args){.x = x, .y = in_place ? x : case_floats(c, n), .n = n};
}

static void tested_tanh(DeviceCases *cases)
{
    for (size_t i = 0; i < COUNT(case_lengths); i++) CASE(tanh, case_lengths[i], i % 2);
}

static void make_tanh_grad(DeviceCase *c, u32 n, bool in_place)
{
    f32 *dy = case_floats(c, n);
    c->args.tanh_grad =
        (struct tanh_grad_args){.y = case_floats(c, n), .dy = dy, .dx = in_place ? dy : case_floats(c, n), .n = n};
}

static void tested_tanh_grad(DeviceCases *cases)
{
    for (size_t i = 0; i < COUNT(case_lengths); i++) CASE(tanh_grad, case_lengths[i], i % 2);
}

static void make_relu(DeviceCase *c, u32 n, bool in_place)
{
    f32 *x = case_floats(c, n);
    c->args.relu = (struct relu_args){.x = x, .y = in_place ? x : case_floats(c, n), .n = n};
}

static void tested_relu(DeviceCases *cases)
{
    for (size_t i = 0; i < COUNT(case_lengths); i++) CASE(relu, case_lengths[i], i % 2);
}

static void make_relu_grad(DeviceCase *c, u32 n, bool in_place)
{
    f32 *dy = case_floats(c, n), *y = case_floats(c, n);
    for (u32 i = 0; i < n; i++) y[i] = y[i] < 0 ? 0 : y[i];
    c->args.relu_grad = (struct relu_grad_args){.y = y, .dy = dy, .dx = in_place ? dy : case_floats(c, n), .n = n};
}

static void tested_relu_grad(DeviceCases *cases)
{
    for (size_t i = 0; i < COUNT(case_lengths); i++) CASE(relu_grad, case_lengths[i], i % 2);
}

static void make_layernorm(DeviceCase *c, CaseShape s, bool residual, f32 drop)
{
    const u32 rows = s.rows, cols = s.cols;
    const size_t all = (size_t)rows * cols;
    c->args.layernorm = (struct layernorm_args){.x = case_floats(c, all),
                                                .residual = residual ? case_floats(c, all) : NULL,
                                                .gamma = case_floats(c, cols),
                                                .beta = case_floats(c, cols),
                                                .y = case_floats(c, all),
                                                .mean = case_floats(c, rows),
                                                .rstd = case_floats(c, rows),
                                                .rows = rows,
                                                .cols = cols,
                                                .eps = 1e-5f,
                                                .drop = drop,
                                                .seed = 42,
                                                .step = 3,
                                                .site = 9};
    for (size_t i = 0; i < all; i++) c->args.layernorm.x[i] += 5; /* a mean to be subtracted */
}

static void tested_layernorm(DeviceCases *cases)
{
    foreach (s, case_shapes) {
        CASE(layernorm, *s, false, 0);
        CASE(layernorm, *s, true, 0);
        CASE(layernorm, *s, true, 0.1f);
    }
}

static void make_layernorm_dx(DeviceCase *c, CaseShape s, bool in_place, bool with_dx, f32 drop)
{
    const u32 rows = s.rows, cols = s.cols;
    const size_t all = (size_t)rows * cols;
    f32 *dy = case_floats(c, all), *mean = case_floats(c, rows), *rstd = case_floats(c, rows);
    for (u32 r = 0; r < rows; r++) { /* x stays away from its mean, or a row of one number is all cancellation */
        mean[r] += 4;
        rstd[r] = 0.5f + fabsf(rstd[r]);
    }
    c->args.layernorm_dx = (struct layernorm_dx_args){.x = case_floats(c, all),
                                                      .gamma = case_floats(c, cols),
                                                      .mean = mean,
                                                      .rstd = rstd,
                                                      .dy = dy,
                                                      .dsum = in_place ? dy : case_floats(c, all),
                                                      .dx = with_dx ? case_floats(c, all) : NULL,
                                                      .rows = rows,
                                                      .cols = cols,
                                                      .drop = drop,
                                                      .seed = 42,
                                                      .step = 3,
                                                      .site = 9};
}

static void tested_layernorm_dx(DeviceCases *cases)
{
    foreach (s, case_shapes) {
        CASE(layernorm_dx, *s, false, false, 0.1f);
        CASE(layernorm_dx, *s, true, true, 0);
        CASE(layernorm_dx, *s, false, true, 0.1f);
    }
}

static void make_layernorm_dw(DeviceCase *c, CaseShape s)
{
    const u32 rows = s.rows, cols = s.cols;
    const size_t all = (size_t)rows * cols;
    c->args.layernorm_dw = (struct layernorm_dw_args){.x = case_floats(c, all),
                                                      .mean = case_floats(c, rows),
                                                      .rstd = case_floats(c, rows),
                                                      .dy = case_floats(c, all),
                                                      .dgamma = case_floats(c, cols),
                                                      .dbeta = case_floats(c, cols),
                                                      .rows = rows,
                                                      .cols = cols};
}

static void tested_layernorm_dw(DeviceCases *cases)
{
    foreach (s, case_shapes) CASE(layernorm_dw, *s);
}

static void make_column_sum(DeviceCase *c, CaseShape s, u32 pad)
{
    const u32 rows = s.rows, cols = s.cols;
    const u32 ld = cols + pad;
    c->args.column_sum = (struct column_sum_args){
        .x = case_floats(c, (size_t)rows * ld), .y = case_floats(c, cols), .rows = rows, .cols = cols, .ld = ld};
}

static void tested_column_sum(DeviceCases *cases)
{
    foreach (s, case_shapes)
        for (u32 pad = 0; pad <= 7; pad += 7) CASE(column_sum, *s, pad);
}

static void make_embed(DeviceCase *c, CaseShape s, bool types, bool positions)
{
    const u32 rows = s.rows, cols = s.cols;
    c->args.embed = (struct embed_args){.word = case_floats(c, (size_t)50 * cols),
                                        .position = positions ? case_floats(c, (size_t)20 * cols) : NULL,
                                        .type = types ? case_floats(c, (size_t)2 * cols) : NULL,
                                        .ids = case_indices(c, rows, 50, false),
                                        .positions = case_indices(c, rows, 20, false),
                                        .types = case_indices(c, rows, 2, false),
                                        .y = case_floats(c, (size_t)rows * cols),
                                        .rows = rows,
                                        .cols = cols};
}

static void tested_embed(DeviceCases *cases)
{
    foreach (s, case_shapes) {
        CASE(embed, *s, true, true);
        CASE(embed, *s, false, true);
        CASE(embed, *s, false, false);
    }
}

static void make_embed_grad(DeviceCase *c, CaseShape s)
{
    const u32 unique = s.rows, cols = s.cols;
    u32 *starts = case_words(c, unique + 1);
    starts[0] = 0;
    for (u32 u = 0; u < unique; u++) starts[u + 1] = starts[u] + u % 5;
    const u32 rows = starts[unique];
    c->args.embed_grad = (struct embed_grad_args){.dy = case_floats(c, (size_t)rows * cols),
                                                  .row = case_indices(c, unique, unique + 7, true),
                                                  .starts = starts,
                                                  .order = case_indices(c, rows, rows ? rows : 1, true),
                                                  .dtable = case_floats(c, (size_t)(unique + 7) * cols),
                                                  .unique = unique,
                                                  .cols = cols};
}

static void tested_embed_grad(DeviceCases *cases)
{
    foreach (s, case_shapes) CASE(embed_grad, *s);
}

static void make_gather_rows(DeviceCase *c, CaseShape s)
{
    const u32 rows = s.rows, cols = s.cols;
    c->args.gather_rows = (struct gather_rows_args){.x = case_floats(c, (size_t)40 * (cols + 3)),
                                                    .index = case_indices(c, rows, 40, false),
                                                    .y = case_floats(c, (size_t)rows * cols),
                                                    .rows = rows,
                                                    .cols = cols,
                                                    .ldx = cols + 3};
}

static void tested_gather_rows(DeviceCases *cases)
{
    foreach (s, case_shapes) CASE(gather_rows, *s);
}

static void make_scatter_rows(DeviceCase *c, CaseShape s)
{
    const u32 rows = s.rows, cols = s.cols;
    c->args.scatter_rows = (struct scatter_rows_args){.x = case_floats(c, (size_t)rows * cols),
                                                      .index = case_indices(c, rows, rows + 9, true),
                                                      .y = case_floats(c, (size_t)(rows + 9) * (cols + 3)),
                                                      .rows = rows,
                                                      .cols = cols,
                                                      .ldy = cols + 3};
}

static void tested_scatter_rows(DeviceCases *cases)
{
    foreach (s, case_shapes) CASE(scatter_rows, *s);
}

static void make_dropout(DeviceCase *c, CaseShape s, bool in_place, f32 drop)
{
    const u32 rows = s.rows, cols = s.cols;
    f32 *x = case_floats(c, (size_t)rows * cols);
    c->args.dropout = (struct dropout_args){.x = x,
                                            .y = in_place ? x : case_floats(c, (size_t)rows * cols),
                                            .rows = rows,
                                            .cols = cols,
                                            .drop = drop,
                                            .seed = 1,
                                            .step = 2,
                                            .site = 3};
}

static void tested_dropout(DeviceCases *cases)
{
    foreach (s, case_shapes) {
        CASE(dropout, *s, false, 0.3f);
        CASE(dropout, *s, true, 0.3f);
        CASE(dropout, *s, false, 0);
    }
}

static void make_axpby(DeviceCase *c, u32 n, bool scaled, f32 beta)
{
    c->args.axpby = (struct axpby_args){.x = case_floats(c, n),
                                        .scale = scaled ? case_floats(c, 1) : NULL,
                                        .y = case_floats(c, n),
                                        .n = n,
                                        .alpha = -0.3f,
                                        .beta = beta};
}

static void tested_axpby(DeviceCases *cases)
{
    for (size_t i = 0; i < COUNT(case_lengths); i++) CASE(axpby, case_lengths[i], i % 2, i % 3 ? 1 : 0.7f);
}

static void make_copy(DeviceCase *c, u32 n)
{
    c->args.copy = (struct copy_args){.x = case_floats(c, n), .y = case_floats(c, n), .n = n};
}

static void tested_copy(DeviceCases *cases)
{
    foreach (n, case_lengths) CASE(copy, *n);
}

static void make_sign(DeviceCase *c, u32 n)
{
    f32 *x = case_floats(c, n);
    for (u32 i = 0; i < n; i += 3) x[i] = i % 2 ? 0 : -x[i];
    c->args.sign = (struct sign_args){.x = x, .y = case_floats(c, n), .n = n};
}

static void tested_sign(DeviceCases *cases)
{
    foreach (n, case_lengths) CASE(sign, *n);
}

static void make_fill(DeviceCase *c, u32 n)
{
    c->args.fill = (struct fill_args){.x = case_floats(c, n), .n = n, .value = -2.5f};
}

static void tested_fill(DeviceCases *cases)
{
    foreach (n, case_lengths) CASE(fill, *n);
}

static void make_zero_rows(DeviceCase *c, CaseShape s)
{
    const u32 rows = s.rows, cols = s.cols;
    c->args.zero_rows = (struct zero_rows_args){.x = case_floats(c, (size_t)(rows + 9) * cols),
                                                .row = case_indices(c, rows, rows + 9, true),
                                                .rows = rows,
                                                .cols = cols};
}

static void tested_zero_rows(DeviceCases *cases)
{
    foreach (s, case_shapes) CASE(zero_rows, *s);
}
