/* Cases of the ops of training: losses, sums, what strategies add, importance, the optimiser. */

static const CaseShape case_logits[] = {{0, 3}, {1, 1}, {16, 2}, {33, 3}, {7, 129}};

static void make_cross_entropy(DeviceCase *c, CaseShape s, bool with_dlogits)
{
    const u32 rows = s.rows, classes = s.cols;
    c->args.cross_entropy =
        (struct cross_entropy_args){.logits = case_floats(c, (size_t)rows * classes),
                                    .labels = case_indices(c, rows, classes, false),
                                    .loss = case_floats(c, rows),
                                    .dlogits = with_dlogits ? case_floats(c, (size_t)rows * classes) : NULL,
                                    .rows = rows,
                                    .classes = classes,
                                    .scale = 0.25f};
}

static void tested_cross_entropy(DeviceCases *cases)
{
    foreach (s, case_logits) {
        CASE(cross_entropy, *s, false);
        CASE(cross_entropy, *s, true);
    }
}

static void make_distill(DeviceCase *c, CaseShape s, bool accumulate, f32 temperature)
{
    const u32 rows = s.rows, classes = s.cols;
    const size_t all = (size_t)rows * classes;
    c->args.distill = (struct distill_args){.logits = case_floats(c, all),
                                            .teacher = case_floats(c, all),
                                            .loss = case_floats(c, rows),
                                            .dlogits = case_floats(c, all),
                                            .rows = rows,
                                            .classes = classes,
                                            .accumulate = accumulate,
                                            .temperature = temperature,
                                            .scale = 0.25f};
}

static void tested_distill(DeviceCases *cases)
{
    foreach (s, case_logits) {
        CASE(distill, *s, false, 0.7f);
        CASE(distill, *s, true, 2);
    }
}

static void make_mse(DeviceCase *c, CaseShape s, bool accumulate)
{
    const u32 rows = s.rows, classes = s.cols;
    const size_t all = (size_t)rows * classes;
    c->args.mse = (struct mse_args){.logits = case_floats(c, all),
                                    .target = case_floats(c, all),
                                    .loss = case_floats(c, rows),
                                    .dlogits = case_floats(c, all),
                                    .rows = rows,
                                    .classes = classes,
                                    .accumulate = accumulate,
                                    .scale = 0.25f};
}

static void tested_mse(DeviceCases *cases)
{
    foreach (s, case_logits) {
        CASE(mse, *s, false);
        CASE(mse, *s, true);
    }
}

static const struct {
    u32 n, block;
} case_blocks[] = {{0, 7}, {1, 1}, {7, 7}, {127, 64}, {50001, 4096}, {384, 128}, {6500, 65}};

/* by_row: n is a multiple of block. square: of x with itself. */
static void make_dot(DeviceCase *c, u32 n, u32 block, bool by_row, bool square)
{
    const u32 parts = (n + block - 1) / block;
    const size_t size = n + (size_t)(by_row ? 5 * block : 0);
    f32 *x = case_floats(c, size), *y = square ? x : case_floats(c, size);
    for (size_t i = 0; i < size && !square; i++) x[i] += y[i]; /* not near 0 in the sum */
    c->args.dot = (struct dot_args){.x = x,
                                    .y = y,
                                    .row = by_row ? case_indices(c, parts, parts + 5, true) : NULL,
                                    .part = case_floats(c, parts),
                                    .n = n,
                                    .block = block};
}

static void tested_dot(DeviceCases *cases)
{
    foreach (b, case_blocks)
        for (int square = 0; square < 2; square++) {
            CASE(dot, b->n, b->block, false, square);
            if (b->n % b->block == 0) CASE(dot, b->n, b->block, true, square);
        }
}

static void make_clip(DeviceCase *c, u32 n, f32 max_norm)
{
    f32 *part = case_floats(c, n);
    for (u32 i = 0; i < n; i++) part[i] = fabsf(part[i]);
    c->args.clip = (struct clip_args){.part = part, .result = case_floats(c, 2), .parts = n, .max_norm = max_norm};
}

static void tested_clip(DeviceCases *cases)
{
    foreach (n, case_lengths) {
        CASE(clip, *n, 1e6f);
        CASE(clip, *n, 1);
    }
}

/* about: what each part of g.r is near to. */
static void make_projection(DeviceCase *c, u32 n, f32 about)
{
    c->note = about < 0 ? "g.r<0" : "g.r>0";
    f32 *g_r = case_floats(c, n), *r_r = case_floats(c, n);
    for (u32 i = 0; i < n; i++) {
        g_r[i] += about;
        r_r[i] = fabsf(r_r[i]);
    }
    c->args.projection = (struct projection_args){.g_r = g_r, .r_r = r_r, .result = case_floats(c, 2), .parts = n};
}

static void tested_projection(DeviceCases *cases)
{
    foreach (n, case_lengths) {
        CASE(projection, *n, -2);
        CASE(projection, *n, 2);
    }
}

static void make_quadratic_penalty(DeviceCase *c, u32 n, u32 block, bool weighted)
{
    f32 *importance = weighted ? case_floats(c, n) : NULL;
    for (u32 i = 0; i < n && importance; i++) importance[i] = fabsf(importance[i]);
    c->args.quadratic_penalty = (struct quadratic_penalty_args){.w = case_floats(c, n),
                                                                .anchor = case_floats(c, n),
                                                                .importance = importance,
                                                                .g = case_floats(c, n),
                                                                .part = case_floats(c, (n + block - 1) / block),
                                                                .n = n,
                                                                .block = block,
                                                                .strength = 0.3f};
}

static void tested_quadratic_penalty(DeviceCases *cases)
{
    foreach (b, case_blocks) {
        CASE(quadratic_penalty, b->n, b->block, false);
        CASE(quadratic_penalty, b->n, b->block, true);
    }
}

static void make_path_integral(DeviceCase *c, u32 n)
{
    c->args.path_integral = (struct path_integral_args){
        .g = case_floats(c, n), .w = case_floats(c, n), .before = case_floats(c, n), .path = case_floats(c, n), .n = n};
}

static void tested_path_integral(DeviceCases *cases)
{
    foreach (n, case_lengths) CASE(path_integral, *n);
}

static void make_consolidate(DeviceCase *c, u32 n)
{
    c->args.consolidate = (struct consolidate_args){.path = case_floats(c, n),
                                                    .w = case_floats(c, n),
                                                    .anchor = case_floats(c, n),
                                                    .importance = case_floats(c, n),
                                                    .n = n,
                                                    .damping = 0.1f};
}

static void tested_consolidate(DeviceCases *cases)
{
    foreach (n, case_lengths) CASE(consolidate, *n);
}

/* Examples for importance: those of attention's cases, and one that is longer than what the CPU engine packs at once.
 */
enum { CASE_GROUPS = COUNT(attention_tested) + 1 };
static const u32 *case_group(int i)
{
    static const u32 long_one[CASE_EXAMPLES] = {7, 800, 30, CASE_NO_MORE};
    return i < CASE_GROUPS - 1 ? attention_tested[i].tokens : long_one;
}

static void make_gemm_importance(DeviceCase *c, const u32 *tokens, u32 m, u32 n, u32 pad, u32 power)
{
    u32 examples, longest;
    const u32 *offsets = case_offsets(c, tokens, &examples, &longest);
    const u32 rows = offsets[examples], lda = m + pad, ldb = n + 2 * pad, ldc = n + pad;
    c->args.gemm_importance = (struct gemm_importance_args){.a = case_floats(c, (size_t)rows * lda),
                                                            .b = case_floats(c, (size_t)rows * ldb),
                                                            .c = case_floats(c, (size_t)m * ldc),
                                                            .offsets = offsets,
                                                            .examples = examples,
                                                            .rows = rows,
                                                            .m = m,
                                                            .n = n,
                                                            .lda = lda,
                                                            .ldb = ldb,
                                                            .ldc = ldc,
                                                            .power = power,
                                                            .scale = 0.3f};
}

static void tested_gemm_importance(DeviceCases *cases)
{
    static const CaseShape sizes[] = {{33, 70}, {8, 129}, {130, 2}, {1, 1}, {0, 5}, {5, 0}, {100, 200}};
    for (int i = 0; i < 2 * CASE_GROUPS; i++) {
        const CaseShape s = sizes[i % (int)COUNT(sizes)];
        CASE(gemm_importance, case_group(i % CASE_GROUPS), s.rows, s.cols, (u32)i % 3, i < CASE_GROUPS ? 2 : 1);
    }
}

/* norm: of a layernorm; else of a bias alone. */
static void make_column_importance(DeviceCase *c, const u32 *tokens, u32 cols, u32 ld, bool norm, u32 power)
{
    u32 examples, longest;
    const u32 *offsets = case_offsets(c, tokens, &examples, &longest);
    const u32 rows = offsets[examples];
    c->args.column_importance = (struct column_importance_args){.dy = case_floats(c, (size_t)rows * ld),
                                                                .x = norm ? case_floats(c, (size_t)rows * cols) : NULL,
                                                                .mean = norm ? case_floats(c, rows) : NULL,
                                                                .rstd = norm ? case_floats(c, rows) : NULL,
                                                                .gamma = norm ? case_floats(c, cols) : NULL,
                                                                .beta = case_floats(c, cols),
                                                                .offsets = offsets,
                                                                .examples = examples,
                                                                .rows = rows,
                                                                .cols = cols,
                                                                .ld = ld,
                                                                .power = power,
                                                                .scale = 0.3f};
}

static void tested_column_importance(DeviceCases *cases)
{
    static const u32 columns[] = {384, 33, 1, 0, 129};
    for (int i = 0; i < 2 * CASE_GROUPS; i++) {
        const u32 cols = columns[i % (int)COUNT(columns)];
        CASE(column_importance, case_group(i / 2), cols, cols + (u32)i % 3, i % 2, i % 4 < 2 ? 2 : 1);
    }
}

/* Token t uses row t % unique, so that examples share rows and have tokens of the same row. */
static void make_embed_importance(DeviceCase *c, const u32 *tokens, u32 cols, u32 power)
{
    u32 examples, longest;
    const u32 *offsets = case_offsets(c, tokens, &examples, &longest);
    const u32 rows = offsets[examples], unique = rows < 5 ? rows : 5;
    u32 *starts = case_words(c, unique + 1), *order = case_words(c, rows), at = 0;
    for (u32 u = 0; u < unique; u++) {
        starts[u] = at;
        for (u32 t = u; t < rows; t += unique) order[at++] = t;
    }
    starts[unique] = at;
    c->args.embed_importance = (struct embed_importance_args){.dy = case_floats(c, (size_t)rows * cols),
                                                              .row = case_indices(c, unique, unique + 7, true),
                                                              .starts = starts,
                                                              .order = order,
                                                              .offsets = offsets,
                                                              .table = case_floats(c, (size_t)(unique + 7) * cols),
                                                              .unique = unique,
                                                              .examples = examples,
                                                              .rows = rows,
                                                              .cols = cols,
                                                              .power = power,
                                                              .scale = 0.3f};
}

static void tested_embed_importance(DeviceCases *cases)
{
    static const u32 columns[] = {33, 384, 1};
    for (int i = 0; i < 2 * CASE_GROUPS; i++)
        CASE(embed_importance, case_group(i / 2), columns[i % (int)COUNT(columns)], i % 2 ? 1 : 2);
}

static void make_adamw(DeviceCase *c, u32 n, bool scaled)
{
    c->args.adamw = (struct adamw_args){.w = case_floats(c, n),
                                        .g = case_floats(c, n),
                                        .m = case_floats(c, n),
                                        .v = case_floats(c, n),
                                        .scale = scaled ? case_floats(c, 1) : NULL,
                                        .n = n,
                                        .lr = 1e-3f,
                                        .beta1 = 0.9f,
                                        .beta2 = 0.999f,
                                        .eps = 1e-8f,
                                        .shrink = 0.99f,
                                        .fix1 = 1 - 0.9f * 0.9f,
                                        .fix2 = 0.0447f};
    for (u32 i = 0; i < n; i++) c->args.adamw.v[i] = fabsf(c->args.adamw.v[i]);
}

static void tested_adamw(DeviceCases *cases)
{
    for (size_t i = 0; i < COUNT(case_lengths); i++) CASE(adamw, case_lengths[i], i % 2);
}

static void make_adamw_rows(DeviceCase *c, CaseShape s, bool scaled)
{
    const u32 rows = s.rows, cols = s.cols;
    const size_t n = (size_t)rows * cols;
    u32 *const stamp = case_indices(c, rows, 3, false);
    c->args.adamw_rows = (struct adamw_rows_args){.w = case_floats(c, n),
                                                  .g = case_floats(c, n),
                                                  .m = case_floats(c, n),
                                                  .v = case_floats(c, n),
                                                  .scale = scaled ? case_floats(c, 1) : NULL,
                                                  .stamp = stamp,
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
        if (stamp[r] == 1) stamp[r] = ROW_AWAKE;
}

static void tested_adamw_rows(DeviceCases *cases)
{
    for (size_t i = 0; i < COUNT(case_shapes); i++) CASE(adamw_rows, case_shapes[i], i % 2);
}

static void make_wake_rows(DeviceCase *c, CaseShape s, bool some, bool awake)
{
    const u32 rows = s.rows, cols = s.cols;
    u32 *stamp = case_words(c, rows + 9);
    for (u32 r = 0; r < rows + 9; r++) stamp[r] = r % 4 == 3 ? ROW_AWAKE : r % 10;
    f32 *factors = case_floats(c, 10);
    for (int k = 0; k < 10; k++) factors[k] = 1 - 0.01f * fabsf(factors[k]);
    c->args.wake_rows = (struct wake_rows_args){.w = case_floats(c, (size_t)(rows + 9) * cols),
                                                .stamp = stamp,
                                                .row = some ? case_indices(c, rows, rows + 9, true) : NULL,
                                                .factors = factors,
                                                .rows = rows,
                                                .cols = cols,
                                                .step = 10,
                                                .awake = awake};
}

static void tested_wake_rows(DeviceCases *cases)
{
    foreach (s, case_shapes)
        for (int awake = 0; awake < 2; awake++)
            for (int some = 0; some < 2; some++) CASE(wake_rows, *s, some, awake);
}
