/* How fast ops are at the sizes of training. */

enum { TIMED_LENGTH = 32000000 }; /* more than any cache holds, and so are the rows */
static const CaseShape timed_shape = {16384, 768}, timed_logits = {32, 3};

static void timed_cases(DeviceCases *cases)
{
    static const u32 products[][6] = {/* m n k ta tb more: MiniLM, RoBERTa, 640 tokens; 2048; a card's; LoRA; a head */
                                      {640, 1536, 384, 0, 1},  {640, 384, 1536, 0, 0},  {384, 1536, 640, 1, 0},
                                      {640, 3072, 768, 0, 1},  {640, 768, 3072, 0, 0},  {768, 3072, 640, 1, 0},
                                      {2048, 3072, 768, 0, 1}, {2048, 768, 3072, 0, 0}, {768, 3072, 2048, 1, 0},
                                      {8192, 3072, 768, 0, 1}, {8192, 768, 3072, 0, 0}, {768, 3072, 8192, 1, 0},
                                      {640, 768, 8, 0, 1, 2},  {640, 8, 768, 0, 0, 2},  {16, 768, 768, 0, 1}};
    static const CaseAttention heads[] = {
        {12, 32, {40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40}},
        {12, 64, {128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128}},
        {12, 64, {512, 512, CASE_NO_MORE}},
    };
    static const CaseAttention far_apart[] = {
        {12, 64, {128, 128, 128, 128, CASE_NO_MORE}}, {12, 64, {512, CASE_NO_MORE}}, {12, 64, {2048, CASE_NO_MORE}}};
    const u32 *tokens = heads[1].tokens;
    CaseLora lora = lora_case(640, 768, 8, 3, false);
    lora.drop = 0.3f;
    foreach (p, products) CASE(gemm, (*p)[0], (*p)[1], (*p)[2], (*p)[3], (*p)[4], (*p)[5], false);
    CASE(gelu, TIMED_LENGTH, false, false);
    CASE(gelu, TIMED_LENGTH, false, true);
    CASE(gelu_grad, TIMED_LENGTH, false, false);
    CASE(gelu_grad, TIMED_LENGTH, false, true);
    CASE(geglu, timed_shape);
    CASE(geglu_grad, timed_shape);
    CASE(tanh, TIMED_LENGTH, false);
    CASE(tanh_grad, TIMED_LENGTH, false);
    CASE(relu, TIMED_LENGTH, false);
    CASE(relu_grad, TIMED_LENGTH, false);
    CASE(layernorm, timed_shape, false, 0);
    CASE(layernorm_dx, timed_shape, false, false, 0.1f);
    CASE(layernorm_dw, timed_shape);
    CASE(column_sum, timed_shape, 0);
    foreach (of, heads) CASE(attention, of, false, 0.1f, false);
    foreach (of, heads) CASE(attention_grad, of, false, 0.1f, false);
    foreach (of, heads) CASE(relative_bias, of, false);
    foreach (of, heads) CASE(relative_bias_grad, of, false, false);
    foreach (of, heads) CASE(relative_attention, of, false, 0.1f, false);
    foreach (of, heads) CASE(relative_attention_grad, of, false, 0.1f, false);
    foreach (of, far_apart) CASE(attention_local, of, 64, 0, false);
    foreach (of, far_apart) CASE(attention_local_grad, of, 64, 0, false);
    CASE(rope, 2048, 24, 64, 0, false);
    CASE(average, tokens, 768);
    CASE(average_grad, tokens, 768);
    CASE(embed, timed_shape, true, true);
    CASE(embed_grad, timed_shape);
    CASE(gather_rows, timed_shape);
    CASE(scatter_rows, timed_shape);
    CASE(dropout, timed_shape, false, 0.3f);
    CASE(axpby, TIMED_LENGTH, false, 0.7f);
    CASE(copy, TIMED_LENGTH);
    CASE(fill, TIMED_LENGTH);
    CASE(zero_rows, timed_shape);
    CASE(cross_entropy, timed_logits, false);
    CASE(distill, timed_logits, false, 0.7f);
    CASE(mse, timed_logits, false);
    CASE(dot, 8000000, 16384, false, false);
    CASE(clip, 8192, 1e6f); /* of 134 million gradients */
    CASE(projection, 8192, -2);
    CASE(quadratic_penalty, 8000000, 16384, false);
    CASE(path_integral, TIMED_LENGTH);
    CASE(consolidate, TIMED_LENGTH);
    CASE(gemm_importance, tokens, 768, 768, 0, 1);
    CASE(column_importance, tokens, 768, 768, false, 2);
    CASE(embed_importance, tokens, 768, 2);
    CASE(lora_down, lora);
    CASE(lora_dx, lora);
    CASE(lora_dw, lora);
    CASE(adamw, TIMED_LENGTH, false);
    CASE(adamw_rows, timed_shape, false);
    CASE(wake_rows, timed_shape, false, false);
    CASE(sign, TIMED_LENGTH);
}

static double gemm_flops(const struct gemm_args *g) { return 2.0 * g->m * g->n * g->k * (g->more + 1); }

/* Of a query and a key of one example. */
static double perf_pairs(const u32 *offsets, u32 examples)
{
    double pairs = 0;
    for (u32 e = 0; e < examples; e++) pairs += math_power((double)(offsets[e + 1] - offsets[e]), 2);
    return pairs;
}

static double perf_flops(const DeviceCase *c)
{
    if (c->op == OP_gemm) return gemm_flops(&c->args.gemm);
    if (c->op == OP_gemm_importance)
        return 2.0 * c->args.gemm_importance.m * c->args.gemm_importance.n * c->args.gemm_importance.rows;
    switch (c->op) { /* two products forward, five backward */
#define PAIRS(op) perf_pairs(c->args.op.offsets, c->args.op.examples) * c->args.op.heads * c->args.op.head_dim
    case OP_attention: return 4 * PAIRS(attention);
    case OP_attention_grad: return 10 * PAIRS(attention_grad);
    case OP_relative_attention: return 4 * PAIRS(relative_attention);
    case OP_relative_attention_grad: return 10 * PAIRS(relative_attention_grad);
#undef PAIRS
    default: return 0;
    }
}

/* Every number that is read or written counts once each, though caches may hold it. */
static double perf_bytes(const DeviceCase *c)
{
    double bytes = 0;
    for (int b = 0; b < c->count; b++)
        bytes += 4.0 * (double)c->buffers[b].count * (c->buffers[b].read + c->buffers[b].written);
    return bytes;
}

bool perf_ops(Device *device, const char *name, Err *err)
{
    Op only = 0;
    while (only < OP_COUNT && !(name && strcmp(name, op_names[only]) == 0)) only++;
    printf("%s\n\n%10s %10s %8s  %s\n", device->name, "ms", "GFLOPS", "GB/s", "op");
    DeviceCase c;
    for (int i = 0; case_of_op(&c, timed_cases, only, i); i++) {
        DeviceCaseCopy copy;
        case_upload(device, &c, &copy);
        const double seconds = speed_seconds(device, c.op, copy.args, copy.buffers[0]);
        const double flops = perf_flops(&c);
        const bool ok = device_ok(device, err);
        if (ok)
            printf("%10s %10s %8s  %s\n", format_decimal(&c.arena, seconds * 1e3, 3),
                   flops > 0 ? format_decimal(&c.arena, flops / seconds * 1e-9, 1) : "",
                   format_decimal(&c.arena, perf_bytes(&c) / seconds * 1e-9, 1), case_text(&c));
        sys_stream_flush(stdout); /* a failure counts at the end */
        device_arena_free(&copy.memory);
        arena_free(&c.arena);
        if (!ok) return false;
        if (interrupted()) return fail_interrupted(err);
    }
    return true;
}

/* ---- What the ops of a training cost ---- */

static void profile_add(Device *device, Op op, const void *args, double seconds)
{
    OpTimes *times = device->profile;
    times->calls[op]++;
    if (!device->vulkan) times->seconds[op] += seconds; /* a GPU has only queued it */
    if (op == OP_gemm) times->flops += gemm_flops(args);
}

void device_profile(Device *device, OpTimes *times)
{
    device->profile = times;
    if (device->vulkan) vulkan_profile(device->vulkan, times ? times->seconds : NULL);
}
