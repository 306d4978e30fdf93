/* Cases of the ops that a model is made of, forward and backward. */

static bool device_case_gemm(DeviceCase *c, int variant)
{
    static const u32 sizes[][4] = {/* m n k more */
                                   {0, 3, 4},       {3, 0, 4},    {3, 4, 0},       {1, 1, 1},      {7, 33, 5},
                                   {33, 7, 65},     {65, 8, 384}, {64, 384, 8},    {8, 129, 127},  {129, 48, 400},
                                   {127, 100, 33},  {16, 2, 96},  {212, 200, 130}, {50, 400, 800}, {300, 17, 1000},
                                   {48, 40, 2000},  {0, 3, 4, 2}, {33, 7, 65, 1},  {65, 96, 8, 2}, {7, 129, 33, 2},
                                   {127, 8, 800, 2}};
    static const u32 timed[][6] = {/* m n k ta tb more: MiniLM and RoBERTa, 640 tokens; 2048; a card's; LoRA; a head */
                                   {640, 1536, 384, 0, 1},  {640, 384, 1536, 0, 0},  {384, 1536, 640, 1, 0},
                                   {640, 3072, 768, 0, 1},  {640, 768, 3072, 0, 0},  {768, 3072, 640, 1, 0},
                                   {2048, 3072, 768, 0, 1}, {2048, 768, 3072, 0, 0}, {768, 3072, 2048, 1, 0},
                                   {8192, 3072, 768, 0, 1}, {8192, 768, 3072, 0, 0}, {768, 3072, 8192, 1, 0},
                                   {640, 768, 8, 0, 1, 2},  {640, 8, 768, 0, 0, 2},  {16, 768, 768, 0, 1}};
    const bool perf = variant >= DEVICE_PERF;
    if (perf ? variant >= DEVICE_PERF + (int)COUNT(timed) : variant >= (int)COUNT(sizes) * 8) return false;
    const u32 *size = perf ? timed[variant - DEVICE_PERF] : sizes[variant / 8], m = size[0], n = size[1], k = size[2];
    const u32 ta = perf ? size[3] : variant & 1u, tb = perf ? size[4] : variant >> 1 & 1u;
    const u32 extra = perf ? 0 : variant >> 2 & 1u, pad = extra ? 5 : 0, more = perf ? size[5] : size[3];
    const u32 lda = (ta ? m : k) + pad, ldb = (tb ? k : n) + pad, ldc = n + pad;
    const u32 stride_a = lda * (ta ? k : m), stride_b = ldb * (tb ? n : k), stride_c = ldc * m + pad;
    c->args.gemm = (struct gemm_args){.a = device_case_in(c, (size_t)stride_a * (more + 1)),
                                      .b = device_case_in(c, (size_t)stride_b * (more + 1)),
                                      .c = device_case_out(c, (size_t)stride_c * (more + 1)),
                                      .bias = extra || tb ? device_case_in(c, n) : NULL,
                                      .gelu = extra && !ta ? device_case_out(c, (size_t)stride_c * (more + 1)) : NULL,
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
    return true;
}

/* The sizes of LoRA's ops; next: from one target's weights to the next one's. */
typedef struct DeviceLora {
    u32 rows, cols, r, targets, next;
    f32 drop;
} DeviceLora;

static bool device_case_lora(int variant, DeviceLora *lora)
{
    static const u32 sizes[][4] = {{0, 5, 2, 1},     {5, 0, 2, 2},     {3, 4, 0, 2},    {4, 5, 3, 0},
                                   {1, 1, 1, 1},     {7, 33, 3, 3},    {33, 65, 8, 2},  {65, 384, 8, 3},
                                   {129, 127, 7, 3}, {2, 1000, 16, 1}, {40, 768, 9, 2}, {400, 50, 4, 2},
                                   {3, 20, 400, 1}};
    static const u32 timed[4] = {640, 768, 8, 3};
    const bool perf = variant >= DEVICE_PERF_LEAST;
    if (!perf && variant >= 2 * (int)COUNT(sizes)) return false;
    const u32 *size = perf ? timed : sizes[variant / 2], weights = size[1] * size[2];
    *lora = (DeviceLora){.rows = size[0], .cols = size[1], .r = size[2], .targets = size[3]};
    lora->next =
        weights + (variant % 2 ? 5 : weights); /* so that no vectors are aligned; or B behind A, as models have it */
    lora->drop = perf || variant % 2 ? 0.3f : 0;
    return true;
}

static size_t device_lora_weights(const DeviceLora *l)
{
    return l->targets ? (size_t)(l->targets - 1) * l->next + (size_t)l->r * l->cols : 0;
}

static bool device_case_lora_down(DeviceCase *c, int variant)
{
    DeviceLora l;
    if (!device_case_lora(variant, &l)) return false;
    c->args.lora_down = (struct lora_down_args){.x = device_case_in(c, (size_t)l.rows * l.cols),
                                                .a = device_case_in(c, device_lora_weights(&l)),
                                                .low = device_case_out(c, (size_t)l.targets * l.rows * l.r),
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
    return true;
}

static bool device_case_lora_dx(DeviceCase *c, int variant)
{
    DeviceLora l;
    if (!device_case_lora(variant, &l)) return false;
    c->args.lora_dx = (struct lora_dx_args){.dlow = device_case_in(c, (size_t)l.targets * l.rows * l.r),
                                            .a = device_case_in(c, device_lora_weights(&l)),
                                            .dx = device_case_io(c, (size_t)l.rows * l.cols),
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
    return true;
}

static bool device_case_lora_dw(DeviceCase *c, int variant)
{
    DeviceLora l;
    if (!device_case_lora(variant, &l)) return false;
    const u32 lddy = l.targets * l.cols + (variant % 2 ? 3 : 0);
    c->args.lora_dw = (struct lora_dw_args){.x = device_case_in(c, (size_t)l.rows * l.cols),
                                            .dy = device_case_in(c, (size_t)l.rows * lddy),
                                            .low = device_case_in(c, (size_t)l.targets * l.rows * l.r),
                                            .dlow = device_case_in(c, (size_t)l.targets * l.rows * l.r),
                                            .da = device_case_out(c, device_lora_weights(&l)),
                                            .db = device_case_out(c, device_lora_weights(&l)),
                                            .rows = l.rows,
                                            .cols = l.cols,
                                            .r = l.r,
                                            .targets = l.targets,
                                            .next = l.next,
                                            .lddy = lddy,
                                            .next_dy = l.cols,
                                            .alpha = 0.75f,
                                            .drop = l.drop,
                                            .seed = 42,
                                            .step = 3,
                                            .site = 9,
                                            .next_site = 2};
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

static bool device_case_relu(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant, &n)) return false;
    f32 *x = device_case_out(c, n);
    c->args.relu = (struct relu_args){.x = x, .y = variant % 2 ? x : device_case_out(c, n), .n = n};
    return true;
}

static bool device_case_relu_grad(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant, &n)) return false;
    f32 *dy = device_case_out(c, n), *y = device_case_in(c, n);
    for (u32 i = 0; i < n; i++) y[i] = y[i] < 0 ? 0 : y[i];
    c->args.relu_grad =
        (struct relu_grad_args){.y = y, .dy = dy, .dx = variant % 2 ? dy : device_case_out(c, n), .n = n};
    return true;
}

static bool device_case_layernorm(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant / 3, &rows, &cols)) return false;
    const size_t all = (size_t)rows * cols;
    c->args.layernorm = (struct layernorm_args){.x = device_case_io(c, all),
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

static const struct DeviceAttention {
    u32 heads, size, tokens[16]; /* tokens of up to 16 examples, ended by DEVICE_NO_MORE */
} device_attention_cases[] =
    {
#define DEVICE_NO_MORE 0xffffu
        {1, 32, {13, DEVICE_NO_MORE}},
        {3, 32, {13, 1, 40, 7, 0, 16, DEVICE_NO_MORE}},
        {2, 64, {33, 128, 5, 64, 31, DEVICE_NO_MORE}},
        {2, 16, {129, 65, 63, 32, DEVICE_NO_MORE}},
        {1, 64, {300, 2, DEVICE_NO_MORE}},
        {2, 128, {20, 65, DEVICE_NO_MORE}},
        {2, 20, {7, 33, DEVICE_NO_MORE}},
        {1, 160, {9, 33, DEVICE_NO_MORE}},
        {12, 32, {0, 0, DEVICE_NO_MORE}},
        {3, 26, {17, 0, 40, DEVICE_NO_MORE}},
        {1, 520, {9, 5, DEVICE_NO_MORE}},
},
  device_attention_timed[] = {
      {12, 32, {40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40}},
      {12, 64, {128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128}},
      {12, 64, {512, 512, DEVICE_NO_MORE}},
};

/* How far rows lie apart beyond their length: vectors stay aligned for the usual sizes of heads. */
static u32 device_case_pad(int variant, u32 size) { return variant >= DEVICE_PERF ? 0 : size % 32 ? 3 : 4; }

/* Sets the flags of the variant, too. NULL behind the last one. */
static const struct DeviceAttention *device_case_heads(int variant, u32 *first_only, u32 *drop)
{
    *first_only = variant & 1, *drop = variant >> 1 & 1;
    if (variant < DEVICE_PERF)
        return variant < (int)COUNT(device_attention_cases) * 4 ? &device_attention_cases[variant / 4] : NULL;
    *first_only = 0, *drop = 1;
    variant -= DEVICE_PERF;
    return variant < (int)COUNT(device_attention_timed) ? &device_attention_timed[variant] : NULL;
}

static u32 *device_case_offsets(DeviceCase *c, const struct DeviceAttention *which, u32 *examples, u32 *longest)
{
    const u32 *tokens = which->tokens;
    for (*examples = *longest = 0; *examples < COUNT(which->tokens) && tokens[*examples] != DEVICE_NO_MORE; ++*examples)
        if (tokens[*examples] > *longest) *longest = tokens[*examples];
    u32 *offsets = device_case_whole(c, *examples + 1, false);
    offsets[0] = 0;
    for (u32 e = 0; e < *examples; e++) offsets[e + 1] = offsets[e] + tokens[e];
    return offsets;
}

static bool device_case_attention(DeviceCase *c, int variant)
{
    u32 examples, longest, first_only, drop;
    const struct DeviceAttention *which = device_case_heads(variant, &first_only, &drop);
    if (!which) return false;
    u32 *offsets = device_case_offsets(c, which, &examples, &longest);
    const u32 heads = which->heads, size = which->size, width = heads * size,
              pad = drop * device_case_pad(variant, size);
    const u32 tokens = offsets[examples], queries = first_only ? examples : tokens;
    c->args.attention = (struct attention_args){.q = device_case_in(c, (size_t)queries * (width + pad)),
                                                .kv = device_case_in(c, (size_t)tokens * (2 * width + pad)),
                                                .context = device_case_out(c, (size_t)queries * width),
                                                .lse = device_case_out(c, (size_t)heads * queries),
                                                .offsets = offsets,
                                                .examples = examples,
                                                .heads = heads,
                                                .size = size,
                                                .ldq = width + pad,
                                                .ldkv = 2 * width + pad,
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
    u32 examples, longest, first_only, drop;
    const struct DeviceAttention *which = device_case_heads(variant, &first_only, &drop);
    if (!which) return false;
    u32 *offsets = device_case_offsets(c, which, &examples, &longest);
    const u32 heads = which->heads, size = which->size, width = heads * size,
              pad = drop * device_case_pad(variant, size);
    const u32 tokens = offsets[examples], queries = first_only ? examples : tokens;
    struct attention_grad_args a = {.q = device_case_in(c, (size_t)queries * (width + pad)),
                                    .kv = device_case_in(c, (size_t)tokens * (2 * width + pad)),
                                    .context = device_case_in(c, (size_t)queries * width),
                                    .lse = device_case_in(c, (size_t)heads * queries),
                                    .dcontext = device_case_in(c, (size_t)queries * width),
                                    .dq = device_case_out(c, (size_t)queries * (width + pad)),
                                    .dkv = device_case_out(c, (size_t)tokens * (2 * width + pad)),
                                    .offsets = offsets,
                                    .examples = examples,
                                    .heads = heads,
                                    .size = size,
                                    .ldq = width + pad,
                                    .ldkv = 2 * width + pad,
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
                                             .first_only = first_only,
                                             .longest = longest,
                                             .scale = a.scale,
                                             .drop = a.drop,
                                             .seed = a.seed,
                                             .step = a.step,
                                             .site = a.site});
    return true;
}

/* variant: twice the shape's, + 1 without a table of types. */
static bool device_case_embed(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant / 2, &rows, &cols)) return false;
    c->args.embed = (struct embed_args){.word = device_case_in(c, (size_t)50 * cols),
                                        .position = device_case_in(c, (size_t)20 * cols),
                                        .type = variant % 2 ? NULL : device_case_in(c, (size_t)2 * cols),
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
                                                      .y = device_case_io(c, (size_t)(rows + 9) * (cols + 3)),
                                                      .rows = rows,
                                                      .cols = cols,
                                                      .ldy = cols + 3};
    return true;
}

static bool device_case_dropout(DeviceCase *c, int variant)
{
    u32 rows, cols;
    if (!device_case_shape(variant / 3, &rows, &cols)) return false;
    f32 *x = device_case_out(c, (size_t)rows * cols);
    c->args.dropout = (struct dropout_args){.x = x,
                                            .y = variant % 3 == 1 ? x : device_case_out(c, (size_t)rows * cols),
                                            .rows = rows,
                                            .cols = cols,
                                            .drop = variant % 3 == 2 ? 0 : 0.3f,
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
                                        .y = device_case_io(c, n),
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

static bool device_case_sign(DeviceCase *c, int variant)
{
    u32 n;
    if (!device_case_length(variant, &n)) return false;
    f32 *x = device_case_in(c, n);
    for (u32 i = 0; i < n; i += 3) x[i] = i % 2 ? 0 : -x[i];
    c->args.sign = (struct sign_args){.x = x, .y = device_case_out(c, n), .n = n};
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
