/* Cases of the ops between tokens: attention with what is added to its scores, positions that turn, means. */

/* Heads, their size, and the tokens of up to 16 examples, ended by CASE_NO_MORE. */
enum { CASE_EXAMPLES = 16, CASE_NO_MORE = 0xffff };
typedef struct CaseAttention {
    u32 heads, size, tokens[CASE_EXAMPLES];
} CaseAttention;

static const CaseAttention attention_tested[] = {
    {1, 32, {13, CASE_NO_MORE}},
    {3, 32, {13, 1, 40, 7, 0, 16, CASE_NO_MORE}},
    {2, 64, {33, 128, 5, 64, 31, CASE_NO_MORE}},
    {2, 16, {129, 65, 63, 32, CASE_NO_MORE}},
    {1, 64, {300, 2, CASE_NO_MORE}},
    {2, 128, {20, 65, CASE_NO_MORE}},
    {2, 20, {7, 33, CASE_NO_MORE}},
    {1, 160, {9, 33, CASE_NO_MORE}},
    {12, 32, {0, 0, CASE_NO_MORE}},
    {3, 26, {17, 0, 40, CASE_NO_MORE}},
    {1, 520, {9, 5, CASE_NO_MORE}},
};

/* Where examples of so many tokens begin, and where the last one ends. */
static u32 *case_offsets(DeviceCase *c, const u32 *tokens, u32 *examples, u32 *longest)
{
    for (*examples = *longest = 0; *examples < CASE_EXAMPLES && tokens[*examples] != CASE_NO_MORE; ++*examples)
        if (tokens[*examples] > *longest) *longest = tokens[*examples];
    u32 *offsets = case_words(c, *examples + 1);
    offsets[0] = 0;
    for (u32 e = 0; e < *examples; e++) offsets[e + 1] = offsets[e] + tokens[e];
    return offsets;
}

/* How far rows lie apart beyond their length: vectors stay aligned for the usual sizes of heads. */
static u32 case_pad(u32 size) { return size % 32 ? 3 : 4; }

static struct attention_args case_attention(DeviceCase *c, const CaseAttention *of, bool first_only, f32 drop,
                                            bool apart)
{
    u32 examples, longest;
    const u32 *offsets = case_offsets(c, of->tokens, &examples, &longest);
    const u32 heads = of->heads, size = of->size, width = heads * size, pad = apart ? case_pad(size) : 0;
    const u32 tokens = offsets[examples], queries = first_only ? examples : tokens;
    return (struct attention_args){.q = case_floats(c, (size_t)queries * (width + pad)),
                                   .kv = case_floats(c, (size_t)tokens * (2 * width + pad)),
                                   .context = case_floats(c, (size_t)queries * width),
                                   .lse = case_floats(c, (size_t)heads * queries),
                                   .offsets = offsets,
                                   .examples = examples,
                                   .heads = heads,
                                   .head_dim = size,
                                   .ldq = width + pad,
                                   .ldkv = 2 * width + pad,
                                   .first_only = first_only,
                                   .longest = longest,
                                   .scale = 1 / sqrtf((f32)size),
                                   .drop = drop,
                                   .seed = 42,
                                   .step = 3,
                                   .site = 9};
}

static void make_attention(DeviceCase *c, const CaseAttention *of, bool first_only, f32 drop, bool apart)
{
    c->args.attention = case_attention(c, of, first_only, drop, apart);
}

static void tested_attention(DeviceCases *cases)
{
    foreach (of, attention_tested)
        for (int extra = 0; extra < 2; extra++)
            for (int first_only = 0; first_only < 2; first_only++)
                CASE(attention, of, first_only, extra ? 0.1f : 0, extra);
}

static void make_attention_grad(DeviceCase *c, const CaseAttention *of, bool first_only, f32 drop, bool apart)
{
    const struct attention_args a = case_attention(c, of, first_only, drop, apart);
    const u32 tokens = a.offsets[a.examples], queries = first_only ? a.examples : tokens;
    plain_attention(&a);
    c->args.attention_grad =
        (struct attention_grad_args){.q = a.q,
                                     .kv = a.kv,
                                     .context = a.context,
                                     .lse = a.lse,
                                     .dcontext = case_floats(c, (size_t)queries * a.heads * a.head_dim),
                                     .dq = case_floats(c, (size_t)queries * a.ldq),
                                     .dkv = case_floats(c, (size_t)tokens * a.ldkv),
                                     .offsets = a.offsets,
                                     .examples = a.examples,
                                     .heads = a.heads,
                                     .head_dim = a.head_dim,
                                     .ldq = a.ldq,
                                     .ldkv = a.ldkv,
                                     .first_only = a.first_only,
                                     .longest = a.longest,
                                     .scale = a.scale,
                                     .drop = a.drop,
                                     .seed = a.seed,
                                     .step = a.step,
                                     .site = a.site};
}

static void tested_attention_grad(DeviceCases *cases)
{
    foreach (of, attention_tested)
        for (int extra = 0; extra < 2; extra++)
            for (int first_only = 0; first_only < 2; first_only++)
                CASE(attention_grad, of, first_only, extra ? 0.1f : 0, extra);
}

/* Buckets of distances, the far ones wider: *buckets of them from `base` on. reach is longest + 3. spans: what
 * relative_bias_grad takes; else what relative_bias takes. */
static u32 *case_buckets(DeviceCase *c, u32 longest, u32 base, u32 *buckets, bool spans)
{
    const u32 reach = longest + 3, zero = reach - 1;
    u32 *bucket = arena_new(&c->arena, u32, 2 * (size_t)reach);
    for (u32 d = 0, next = base; d < 2 * reach - 1; d++) /* three distances each, but one each near 0 */
        bucket[d] = d && (d % 3 == 0 || (d + 4 > zero && d < zero + 5)) ? ++next : next;
    *buckets = bucket[2 * reach - 2] - base + 1;
    const size_t count = spans ? 2 * ((size_t)base + *buckets) : 2 * (size_t)reach - 1;
    u32 *out = case_words(c, count);
    if (!spans) memcpy(out, bucket, count * sizeof *out);
    for (u32 b = 0; b < base + *buckets && spans; b++) {
        out[2 * b] = 0;
        while (out[2 * b] < 2 * reach - 1 && bucket[out[2 * b]] < b) out[2 * b]++;
        out[2 * b + 1] = out[2 * b];
        while (out[2 * b + 1] < 2 * reach - 1 && bucket[out[2 * b + 1]] == b) out[2 * b + 1]++;
    }
    return out;
}

/* shared: one table for all tokens, a bucket's heads beside each other; else a row for each query and each key. */
static void make_relative_bias(DeviceCase *c, const CaseAttention *of, bool shared)
{
    u32 examples, longest, buckets;
    const u32 *offsets = case_offsets(c, of->tokens, &examples, &longest), tokens = offsets[examples], base = 2;
    const u32 *bucket = case_buckets(c, longest, base, &buckets, false);
    const size_t row = (size_t)of->heads * buckets, rows = shared ? 1 : tokens;
    c->args.relative_bias = (struct relative_bias_args){.a = case_floats(c, rows * row),
                                                        .b = shared ? NULL : case_floats(c, rows * row),
                                                        .bucket = bucket,
                                                        .offsets = offsets,
                                                        .bias = case_floats(c, (size_t)tokens * of->heads * longest),
                                                        .examples = examples,
                                                        .heads = of->heads,
                                                        .longest = longest,
                                                        .buckets = buckets,
                                                        .base = base,
                                                        .reach = longest + 3,
                                                        .lda = shared ? 0 : (u32)row,
                                                        .next_head = shared ? 1 : buckets,
                                                        .next_bucket = shared ? of->heads : 1};
}

static void make_relative_bias_grad(DeviceCase *c, const CaseAttention *of, bool shared, bool accumulate)
{
    u32 examples, longest, buckets;
    const u32 *offsets = case_offsets(c, of->tokens, &examples, &longest), tokens = offsets[examples], base = 1;
    const u32 *span = case_buckets(c, longest, base, &buckets, true);
    const size_t row = (size_t)of->heads * buckets;
    c->args.relative_bias_grad =
        (struct relative_bias_grad_args){.dbias = case_floats(c, (size_t)tokens * of->heads * longest),
                                         .span = span,
                                         .offsets = offsets,
                                         .da = case_floats(c, (shared ? examples : tokens) * row),
                                         .db = shared ? NULL : case_floats(c, tokens * row),
                                         .examples = examples,
                                         .heads = of->heads,
                                         .longest = longest,
                                         .buckets = buckets,
                                         .base = base,
                                         .reach = longest + 3,
                                         .by_example = shared,
                                         .accumulate = accumulate,
                                         .next_head = shared ? 1 : buckets,
                                         .next_bucket = shared ? of->heads : 1};
}

static struct relative_attention_args case_relative_attention(DeviceCase *c, const CaseAttention *of, bool first_only,
                                                              f32 drop, bool apart)
{
    u32 examples, longest;
    const u32 *offsets = case_offsets(c, of->tokens, &examples, &longest);
    const u32 width = of->heads * of->size, ld = 3 * width + (apart ? case_pad(of->size) : 0);
    const u32 tokens = offsets[examples], queries = first_only ? examples : tokens;
    return (struct relative_attention_args){.qkv = case_floats(c, (size_t)tokens * ld),
                                            .bias = case_floats(c, (size_t)tokens * of->heads * longest),
                                            .context = case_floats(c, (size_t)queries * width),
                                            .lse = case_floats(c, (size_t)of->heads * queries),
                                            .offsets = offsets,
                                            .examples = examples,
                                            .heads = of->heads,
                                            .head_dim = of->size,
                                            .ld = ld,
                                            .first_only = first_only,
                                            .longest = longest,
                                            .scale = 1 / sqrtf((f32)of->size),
                                            .drop = drop,
                                            .seed = 42,
                                            .step = 3,
                                            .site = 9};
}

static void make_relative_attention(DeviceCase *c, const CaseAttention *of, bool first_only, f32 drop, bool apart)
{
    c->args.relative_attention = case_relative_attention(c, of, first_only, drop, apart);
}

static void make_relative_attention_grad(DeviceCase *c, const CaseAttention *of, bool first_only, f32 drop, bool apart)
{
    const struct relative_attention_args a = case_relative_attention(c, of, first_only, drop, apart);
    const u32 tokens = a.offsets[a.examples], queries = first_only ? a.examples : tokens;
    plain_relative_attention(&a);
    c->args.relative_attention_grad = (struct relative_attention_grad_args){
        .qkv = a.qkv,
        .bias = a.bias,
        .context = a.context,
        .lse = a.lse,
        .dcontext = case_floats(c, (size_t)queries * a.heads * a.head_dim),
        .dqkv = case_floats(c, (size_t)tokens * a.ld),
        .dbias = drop > 0 && first_only ? NULL : case_floats(c, (size_t)tokens * a.heads * a.longest),
        .offsets = a.offsets,
        .examples = a.examples,
        .heads = a.heads,
        .head_dim = a.head_dim,
        .ld = a.ld,
        .first_only = a.first_only,
        .longest = a.longest,
        .scale = a.scale,
        .drop = a.drop,
        .seed = a.seed,
        .step = a.step,
        .site = a.site};
}

static void tested_relative_bias(DeviceCases *cases)
{
    foreach (of, attention_tested)
        for (int shared = 0; shared < 2; shared++) CASE(relative_bias, of, shared);
}

static void tested_relative_bias_grad(DeviceCases *cases)
{
    foreach (of, attention_tested)
        for (int shared = 0; shared < 2; shared++) CASE(relative_bias_grad, of, shared, shared);
}

static void tested_relative_attention(DeviceCases *cases)
{
    foreach (of, attention_tested)
        for (int extra = 0; extra < 2; extra++)
            for (int first_only = 0; first_only < 2; first_only++)
                CASE(relative_attention, of, first_only, extra ? 0.1f : 0, extra);
}

static void tested_relative_attention_grad(DeviceCases *cases)
{
    foreach (of, attention_tested)
        for (int extra = 0; extra < 2; extra++)
            for (int first_only = 0; first_only < 2; first_only++)
                CASE(relative_attention_grad, of, first_only, extra ? 0.1f : 0, extra);
}

static void make_attention_local(DeviceCase *c, const CaseAttention *of, u32 window, f32 drop, bool apart)
{
    const struct attention_args a = case_attention(c, of, false, drop, apart);
    c->args.attention_local = (struct attention_local_args){.q = a.q,
                                                            .kv = a.kv,
                                                            .context = a.context,
                                                            .lse = a.lse,
                                                            .offsets = a.offsets,
                                                            .examples = a.examples,
                                                            .heads = a.heads,
                                                            .head_dim = a.head_dim,
                                                            .ldq = a.ldq,
                                                            .ldkv = a.ldkv,
                                                            .window = window,
                                                            .longest = a.longest,
                                                            .scale = a.scale,
                                                            .drop = a.drop,
                                                            .seed = a.seed,
                                                            .step = a.step,
                                                            .site = a.site};
}

static const u32 windows_tested[] = {1, 5, 64, 400}; /* of 0 the gradients of queries and keys are 0 */

static void tested_attention_local(DeviceCases *cases)
{
    foreach (of, attention_tested)
        foreach (window, windows_tested)
            for (int extra = 0; extra < 2; extra++) CASE(attention_local, of, *window, extra ? 0.1f : 0, extra);
}

static void make_attention_local_grad(DeviceCase *c, const CaseAttention *of, u32 window, f32 drop, bool apart)
{
    make_attention_local(c, of, window, drop, apart);
    const struct attention_local_args a = c->args.attention_local;
    const u32 tokens = a.offsets[a.examples];
    plain_attention_local(&a);
    c->args.attention_local_grad =
        (struct attention_local_grad_args){.q = a.q,
                                           .kv = a.kv,
                                           .context = a.context,
                                           .lse = a.lse,
                                           .dcontext = case_floats(c, (size_t)tokens * a.heads * a.head_dim),
                                           .dq = case_floats(c, (size_t)tokens * a.ldq),
                                           .dkv = case_floats(c, (size_t)tokens * a.ldkv),
                                           .offsets = a.offsets,
                                           .examples = a.examples,
                                           .heads = a.heads,
                                           .head_dim = a.head_dim,
                                           .ldq = a.ldq,
                                           .ldkv = a.ldkv,
                                           .window = window,
                                           .longest = a.longest,
                                           .scale = a.scale,
                                           .drop = a.drop,
                                           .seed = a.seed,
                                           .step = a.step,
                                           .site = a.site};
}

static void tested_attention_local_grad(DeviceCases *cases)
{
    foreach (of, attention_tested)
        foreach (window, windows_tested)
            for (int extra = 0; extra < 2; extra++) CASE(attention_local_grad, of, *window, extra ? 0.1f : 0, extra);
}

/* pad: how far rows lie apart beyond their heads. */
static void make_rope(DeviceCase *c, u32 rows, u32 heads, u32 size, u32 pad, bool back)
{
    const u32 ld = heads * size + pad;
    c->args.rope = (struct rope_args){.x = case_floats(c, (size_t)rows * ld),
                                      .table = case_floats(c, (size_t)30 * size),
                                      .positions = case_indices(c, rows, 30, false),
                                      .rows = rows,
                                      .heads = heads,
                                      .head_dim = size,
                                      .ld = ld,
                                      .back = back};
}

static void tested_rope(DeviceCases *cases)
{
    static const u32 shapes[][3] = {{0, 2, 4}, {3, 0, 4}, {1, 1, 2}, {7, 3, 6}, {33, 2, 32}, {40, 24, 64}, {5, 1, 130}};
    foreach (s, shapes)
        for (u32 back = 0; back < 2; back++) CASE(rope, (*s)[0], (*s)[1], (*s)[2], back ? 3 : 0, back);
}

/* Of the examples of attention's cases. */
static void make_average(DeviceCase *c, const u32 *tokens, u32 cols)
{
    u32 examples, longest;
    const u32 *offsets = case_offsets(c, tokens, &examples, &longest);
    c->args.average = (struct average_args){.x = case_floats(c, (size_t)offsets[examples] * cols),
                                            .offsets = offsets,
                                            .y = case_floats(c, (size_t)examples * cols),
                                            .examples = examples,
                                            .cols = cols};
    c->note = arena_printf(&c->arena, "rows=%u longest=%u", offsets[examples], longest);
}

static const u32 average_cols[] = {0, 1, 33, 96, 768};

static void tested_average(DeviceCases *cases)
{
    foreach (of, attention_tested)
        foreach (cols, average_cols) CASE(average, of->tokens, *cols);
}

static void make_average_grad(DeviceCase *c, const u32 *tokens, u32 cols)
{
    u32 examples, longest;
    const u32 *offsets = case_offsets(c, tokens, &examples, &longest);
    c->args.average_grad = (struct average_grad_args){.dy = case_floats(c, (size_t)examples * cols),
                                                      .offsets = offsets,
                                                      .dx = case_floats(c, (size_t)offsets[examples] * cols),
                                                      .examples = examples,
                                                      .cols = cols};
    c->note = arena_printf(&c->arena, "rows=%u longest=%u", offsets[examples], longest);
}

static void tested_average_grad(DeviceCases *cases)
{
    foreach (of, attention_tested)
        foreach (cols, average_cols) CASE(average_grad, of->tokens, *cols);
}
