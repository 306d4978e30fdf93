/* How fast ops are at the sizes of training: the cases of cases.c from DEVICE_PERF on. */

static double gemm_flops(const struct gemm_args *g) { return 2.0 * g->m * g->n * g->k * (g->more + 1); }

static double perf_flops(const DeviceCase *c)
{
    if (c->op == OP_gemm) return gemm_flops(&c->args.gemm);
    if (c->op == OP_gemm_importance)
        return 2.0 * c->args.gemm_importance.m * c->args.gemm_importance.n * c->args.gemm_importance.rows;
    if (c->op != OP_attention && c->op != OP_attention_grad) return 0;
    const bool forward = c->op == OP_attention;
    const struct attention_args *f = &c->args.attention;
    const struct attention_grad_args *b = &c->args.attention_grad;
    const u32 *offsets = forward ? f->offsets : b->offsets, examples = forward ? f->examples : b->examples;
    const double width = forward ? (double)f->heads * f->size : (double)b->heads * b->size;
    double pairs = 0;
    for (u32 e = 0; e < examples; e++) pairs += pow((double)(offsets[e + 1] - offsets[e]), 2);
    return (forward ? 4 : 10) * pairs * width; /* two products forward, five backward */
}

/* Every number that is read or written counts once each, though caches may hold it. */
static double perf_bytes(const DeviceCase *c)
{
    double bytes = 0;
    for (int b = 0; b < c->count; b++)
        bytes += 4.0 * (double)c->buffers[b].count * (c->buffers[b].read + c->buffers[b].written);
    return bytes;
}

static void perf_label(const DeviceCase *c, char label[32])
{
    size_t most = 0;
    for (int b = 0; b < c->count; b++) most = c->buffers[b].count > most ? c->buffers[b].count : most;
    if (c->op == OP_gemm)
        snprintf(label, 32, "%u x %u x %u %c%c", c->args.gemm.m, c->args.gemm.n, c->args.gemm.k,
                 c->args.gemm.ta ? 'T' : 'N', c->args.gemm.tb ? 'T' : 'N');
    else if (c->op == OP_attention)
        snprintf(label, 32, "%u of %u, %u heads of %u", c->args.attention.examples, c->args.attention.longest,
                 c->args.attention.heads, c->args.attention.size);
    else if (c->op == OP_attention_grad)
        snprintf(label, 32, "%u of %u, %u heads of %u", c->args.attention_grad.examples, c->args.attention_grad.longest,
                 c->args.attention_grad.heads, c->args.attention_grad.size);
    else
        snprintf(label, 32, "%zu", most);
}

/* Prints a line for each timed case of the ops of which `word` is the name; NULL: of all. */
static bool perf_ops(Device *device, const char *word, Err *err)
{
    printf("%s\n\n%-18s %-24s %10s %10s %8s\n", device->name, "op", "size", "ms", "GFLOPS", "GB/s");
    for (int op = 0; op < OP_COUNT; op++) {
        const bool list = op == OP_gemm || op == OP_attention || op == OP_attention_grad;
        DeviceCase c;
        if (word && strcmp(word, op_names[op]) != 0) continue;
        for (int i = 0; (i == 0 || list) && device_case_build(&c, (Op)op, DEVICE_PERF + i); i++) {
            DeviceCaseCopy copy;
            char label[32];
            device_case_upload(device, &c, 0, &copy);
            const double seconds = speed_seconds(device, (Op)op, copy.args, copy.buffers[0]);
            perf_label(&c, label);
            const double flops = perf_flops(&c);
            const bool ok = device_ok(device, err);
            if (ok)
                printf("%-18s %-24s %10s %10s %8s\n", op_names[op], label, format_decimal(&c.arena, seconds * 1e3, 3),
                       flops > 0 ? format_decimal(&c.arena, flops / seconds * 1e-9, 1) : "",
                       format_decimal(&c.arena, perf_bytes(&c) / seconds * 1e-9, 1));
            fflush(stdout);
            device_arena_free(&copy.memory);
            arena_free(&c.arena);
            if (!ok) return false;
            if (interrupted()) return fail_interrupted(err);
        }
    }
    return true;
}

/* ---- What the ops of a training cost ---- */

static void profile_add(Device *device, Op op, const void *args, double seconds)
{
    OpTimes *times = device->profile;
    times->calls[op]++;
    if (!device->vulkan) times->seconds[op] += seconds; /* a GPU has only been told of it */
    if (op == OP_gemm) times->flops += gemm_flops(args);
}

void device_profile(Device *device, OpTimes *times)
{
    device->profile = times;
    if (device->vulkan) vulkan_profile(device->vulkan, times ? times->seconds : NULL);
}
