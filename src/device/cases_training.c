/* Cases of the ops of training: losses, sums, what strategies add, importance, the optimiser. */

static bool device_case_logits(int variant, u32 *rows, u32 *classes)
{
    static const u32 sizes[][2] = {{0, 3}, {1, 1}, {16, 2}, {33, 3}, {7, 129}};
    *rows = 32, *classes = 3;
    if (variant >= DEVICE_PERF_LEAST) return true;
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

static bool device_case_blocks(int variant, u32 *n, u32 *block)
{
    static const u32 sizes[][2] = {{0, 7}, {1, 1}, {7, 7}, {127, 64}, {50001, 4096}, {384, 128}, {6500, 65}};
    *n = 8000000, *block = 16384;
    if (variant >= DEVICE_PERF_LEAST) return true;
    if (variant >= (int)COUNT(sizes)) return false;
    *n = sizes[variant][0], *block = sizes[variant][1];
    return true;
}

static bool device_case_dot(DeviceCase *c, int variant)
{
    u32 n, block;
    if (!device_case_blocks(variant / 4, &n, &block)) return false;
    const u32 parts = (n + block - 1) / block;
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
    if (variant >= DEVICE_PERF) n = 8192; /* of 134 million gradients */
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
    if (variant >= DEVICE_PERF) n = 8192;
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
    u32 n, block;
    if (!device_case_blocks(variant / 2, &n, &block)) return false;
    f32 *importance = variant % 2 ? device_case_in(c, n) : NULL;
    for (u32 i = 0; i < n && importance; i++) importance[i] = fabsf(importance[i]);
    c->args.quadratic_penalty = (struct quadratic_penalty_args){.w = device_case_in(c, n),
                                                                .anchor = device_case_in(c, n),
                                                                .importance = importance,
                                                                .g = device_case_io(c, n),
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
                                                        .before = device_case_io(c, n),
                                                        .path = device_case_io(c, n),
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
                                                    .importance = device_case_io(c, n),
                                                    .n = n,
                                                    .damping = 0.1f};
    return true;
}

/* The examples of device_attention_cases, and one that is longer than what the CPU engine packs at once. */
static u32 *device_case_groups(DeviceCase *c, int variant, u32 *examples)
{
    u32 longest, *offsets;
    if (variant >= DEVICE_PERF_LEAST) return device_case_offsets(c, &device_attention_timed[1], examples, &longest);
    if (variant < (int)COUNT(device_attention_cases))
        return device_case_offsets(c, &device_attention_cases[variant], examples, &longest);
    *examples = 3;
    offsets = device_case_whole(c, 4, false);
    offsets[0] = 0, offsets[1] = 7, offsets[2] = 7 + 800, offsets[3] = 7 + 800 + 30;
    return offsets;
}

static bool device_case_gemm_importance(DeviceCase *c, int variant)
{
    static const u32 sizes[][2] = {{33, 70}, {8, 129}, {130, 2}, {1, 1}, {0, 5}, {5, 0}, {100, 200}};
    const int groups = (int)COUNT(device_attention_cases) + 1;
    const bool perf = variant >= DEVICE_PERF;
    if (variant >= 2 * groups && !perf) return false;
    const u32 *size = perf ? (const u32[]){768, 768} : sizes[variant % (int)COUNT(sizes)], m = size[0], n = size[1];
    const u32 pad = perf ? 0 : variant % 3;
    u32 examples, *offsets = device_case_groups(c, perf ? variant : variant % groups, &examples);
    const u32 rows = offsets[examples], lda = m + pad, ldb = n + 2 * pad, ldc = n + pad;
    c->args.gemm_importance = (struct gemm_importance_args){.a = device_case_in(c, (size_t)rows * lda),
                                                            .b = device_case_in(c, (size_t)rows * ldb),
                                                            .c = device_case_io(c, (size_t)m * ldc),
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
    if (variant >= 2 * groups && variant < DEVICE_PERF) return false;
    const u32 cols = variant >= DEVICE_PERF ? 768 : columns[variant % (int)COUNT(columns)], ld = cols + variant % 3;
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
    if (variant >= 2 * groups && variant < DEVICE_PERF) return false;
    const u32 cols = variant >= DEVICE_PERF ? 768 : columns[variant % 3];
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
                                                              .table = device_case_io(c, (size_t)(unique + 7) * cols),
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
    c->args.adamw = (struct adamw_args){.w = device_case_io(c, n),
                                        .g = device_case_in(c, n),
                                        .m = device_case_io(c, n),
                                        .v = device_case_io(c, n),
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
    c->args.adamw_rows = (struct adamw_rows_args){.w = device_case_io(c, n),
                                                  .g = device_case_in(c, n),
                                                  .m = device_case_io(c, n),
                                                  .v = device_case_io(c, n),
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
        (struct wake_rows_args){.w = device_case_io(c, (size_t)(rows + 9) * cols),
                                .stamp = stamp,
                                .row = variant & 1 ? device_case_indices(c, rows, rows + 9, true) : NULL,
                                .factors = factors,
                                .rows = rows,
                                .cols = cols,
                                .step = 10,
                                .awake = variant >> 1 & 1};
    return true;
}
