/* What each op reads and writes: the barriers follow from it. A range may be larger than what is touched, never
 * smaller. */

typedef struct Range {
    uintptr_t begin, end; /* end UINTPTR_MAX: as far as its memory goes */
    bool write;
} Range;

enum { RANGES_MOST = 12 };
typedef struct Ranges {
    Range at[RANGES_MOST];
    int count;
} Ranges;

static void range_add(Ranges *r, const void *at, uint64_t floats, bool write)
{
    if (!at || !floats) return;
    ASSERT(r->count < RANGES_MOST);
    const uintptr_t begin = (uintptr_t)at, bytes = (uintptr_t)floats * 4;
    r->at[r->count++] = (Range){begin, floats == UINT64_MAX ? UINTPTR_MAX : begin + bytes, write};
}

/* TOUCH(x, floats): the op reaches so many floats from its argument x on. Whether it writes there, the type says that
 * ops.h gives to x: inputs are pointers to const. */
#define TOUCH(x, floats) \
    range_add(r, a->x, floats, _Generic(a->x, const f32 * : false, const u32 * : false, f32 * : true, u32 * : true))
#define TO_THE_END UINT64_MAX /* rows are picked by an index that only the device knows */
#define RANGES(op) static void op##_ranges(const struct op##_args *a, Ranges *r)

/* Floats from the first to the last of a matrix whose rows are ld apart. */
static uint64_t range_matrix(uint64_t rows, uint64_t cols, uint64_t ld)
{
    return rows && cols ? (rows - 1) * ld + cols : 0;
}

/* The same from the first of `more` + 1 such blocks of floats, `stride` apart, to the last. */
static uint64_t range_blocks_apart(uint64_t floats, uint64_t more, uint64_t stride)
{
    return floats ? more * stride + floats : 0;
}

RANGES(gemm)
{
    const uint64_t c = range_blocks_apart(range_matrix(a->m, a->n, a->ldc), a->more, a->stride_c);
    const uint64_t x = a->ta ? range_matrix(a->k, a->m, a->lda) : range_matrix(a->m, a->k, a->lda);
    const uint64_t y = a->tb ? range_matrix(a->n, a->k, a->ldb) : range_matrix(a->k, a->n, a->ldb);
    TOUCH(a, range_blocks_apart(x, a->more, a->stride_a));
    TOUCH(b, range_blocks_apart(y, a->more, a->stride_b));
    TOUCH(bias, a->n);
    TOUCH(c, c);
    TOUCH(gelu, c);
}
RANGES(gelu) { TOUCH(x, a->n), TOUCH(y, a->n); }
RANGES(gelu_grad) { TOUCH(x, a->n), TOUCH(dy, a->n), TOUCH(dx, a->n); }
RANGES(geglu) { TOUCH(x, 2 * (uint64_t)a->rows * a->cols), TOUCH(y, (uint64_t)a->rows * a->cols); }
RANGES(geglu_grad)
{
    const uint64_t all = (uint64_t)a->rows * a->cols;
    TOUCH(x, 2 * all), TOUCH(dy, all), TOUCH(dx, 2 * all);
}
RANGES(tanh) { TOUCH(x, a->n), TOUCH(y, a->n); }
RANGES(tanh_grad) { TOUCH(y, a->n), TOUCH(dy, a->n), TOUCH(dx, a->n); }
RANGES(relu) { TOUCH(x, a->n), TOUCH(y, a->n); }
RANGES(relu_grad) { TOUCH(y, a->n), TOUCH(dy, a->n), TOUCH(dx, a->n); }
RANGES(layernorm)
{
    const uint64_t all = (uint64_t)a->rows * a->cols;
    TOUCH(x, all), TOUCH(residual, all), TOUCH(gamma, a->cols), TOUCH(beta, a->cols);
    TOUCH(y, all), TOUCH(mean, a->rows), TOUCH(rstd, a->rows);
}
RANGES(layernorm_dx)
{
    const uint64_t all = (uint64_t)a->rows * a->cols;
    TOUCH(x, all), TOUCH(gamma, a->cols), TOUCH(mean, a->rows), TOUCH(rstd, a->rows), TOUCH(dy, all);
    TOUCH(dsum, all), TOUCH(dx, all);
}
RANGES(layernorm_dw)
{
    const uint64_t all = (uint64_t)a->rows * a->cols;
    TOUCH(x, all), TOUCH(mean, a->rows), TOUCH(rstd, a->rows), TOUCH(dy, all);
    TOUCH(dgamma, a->cols), TOUCH(dbeta, a->cols);
}
RANGES(column_sum) { TOUCH(x, range_matrix(a->rows, a->cols, a->ld)), TOUCH(y, a->cols); }
RANGES(attention)
{
    TOUCH(q, TO_THE_END), TOUCH(kv, TO_THE_END), TOUCH(offsets, (uint64_t)a->examples + 1);
    TOUCH(context, TO_THE_END), TOUCH(lse, TO_THE_END);
}
RANGES(attention_grad)
{
    TOUCH(q, TO_THE_END), TOUCH(kv, TO_THE_END), TOUCH(offsets, (uint64_t)a->examples + 1), TOUCH(context, TO_THE_END);
    TOUCH(lse, TO_THE_END), TOUCH(dcontext, TO_THE_END), TOUCH(dq, TO_THE_END), TOUCH(dkv, TO_THE_END);
}
RANGES(relative_bias)
{
    TOUCH(a, TO_THE_END), TOUCH(b, TO_THE_END), TOUCH(bucket, 2 * (uint64_t)a->reach - 1);
    TOUCH(offsets, (uint64_t)a->examples + 1), TOUCH(bias, TO_THE_END);
}
RANGES(relative_bias_grad)
{
    TOUCH(dbias, TO_THE_END), TOUCH(span, 2 * ((uint64_t)a->base + a->buckets));
    TOUCH(offsets, (uint64_t)a->examples + 1), TOUCH(da, TO_THE_END), TOUCH(db, TO_THE_END);
}
RANGES(relative_attention)
{
    TOUCH(qkv, TO_THE_END), TOUCH(bias, TO_THE_END), TOUCH(offsets, (uint64_t)a->examples + 1);
    TOUCH(context, TO_THE_END), TOUCH(lse, TO_THE_END);
}
RANGES(relative_attention_grad)
{
    TOUCH(qkv, TO_THE_END), TOUCH(bias, TO_THE_END), TOUCH(offsets, (uint64_t)a->examples + 1);
    TOUCH(context, TO_THE_END), TOUCH(lse, TO_THE_END), TOUCH(dcontext, TO_THE_END), TOUCH(dqkv, TO_THE_END);
    TOUCH(dbias, TO_THE_END);
}
RANGES(attention_local)
{
    TOUCH(q, TO_THE_END), TOUCH(kv, TO_THE_END), TOUCH(offsets, (uint64_t)a->examples + 1);
    TOUCH(context, TO_THE_END), TOUCH(lse, TO_THE_END);
}
RANGES(attention_local_grad)
{
    TOUCH(q, TO_THE_END), TOUCH(kv, TO_THE_END), TOUCH(offsets, (uint64_t)a->examples + 1), TOUCH(context, TO_THE_END);
    TOUCH(lse, TO_THE_END), TOUCH(dcontext, TO_THE_END), TOUCH(dq, TO_THE_END), TOUCH(dkv, TO_THE_END);
}
RANGES(rope)
{
    TOUCH(x, range_matrix(a->rows, (uint64_t)a->heads * a->head_dim, a->ld)), TOUCH(table, TO_THE_END);
    TOUCH(positions, a->rows);
}
RANGES(average)
{
    TOUCH(x, TO_THE_END), TOUCH(offsets, (uint64_t)a->examples + 1), TOUCH(y, (uint64_t)a->examples * a->cols);
}
RANGES(average_grad)
{
    TOUCH(dy, (uint64_t)a->examples * a->cols), TOUCH(offsets, (uint64_t)a->examples + 1), TOUCH(dx, TO_THE_END);
}
RANGES(embed)
{
    TOUCH(word, TO_THE_END), TOUCH(position, TO_THE_END), TOUCH(type, TO_THE_END);
    TOUCH(ids, a->rows), TOUCH(positions, a->rows), TOUCH(types, a->rows), TOUCH(y, (uint64_t)a->rows * a->cols);
}
RANGES(embed_grad)
{
    TOUCH(dy, TO_THE_END), TOUCH(row, a->unique), TOUCH(starts, (uint64_t)a->unique + 1), TOUCH(order, TO_THE_END);
    TOUCH(dtable, TO_THE_END);
}
RANGES(gather_rows) { TOUCH(x, TO_THE_END), TOUCH(index, a->rows), TOUCH(y, (uint64_t)a->rows * a->cols); }
RANGES(scatter_rows) { TOUCH(x, (uint64_t)a->rows * a->cols), TOUCH(index, a->rows), TOUCH(y, TO_THE_END); }
RANGES(dropout) { TOUCH(x, (uint64_t)a->rows * a->cols), TOUCH(y, (uint64_t)a->rows * a->cols); }
RANGES(axpby) { TOUCH(x, a->n), TOUCH(scale, 1), TOUCH(y, a->n); }
RANGES(sign) { TOUCH(x, a->n), TOUCH(y, a->n); }
RANGES(copy) { TOUCH(x, a->n), TOUCH(y, a->n); }
RANGES(fill) { TOUCH(x, a->n); }
RANGES(zero_rows) { TOUCH(row, a->rows), TOUCH(x, TO_THE_END); }
RANGES(cross_entropy)
{
    const uint64_t all = (uint64_t)a->rows * a->classes;
    TOUCH(logits, all), TOUCH(labels, a->rows), TOUCH(loss, a->rows), TOUCH(dlogits, all);
}
RANGES(distill)
{
    const uint64_t all = (uint64_t)a->rows * a->classes;
    TOUCH(logits, all), TOUCH(teacher, all), TOUCH(loss, a->rows), TOUCH(dlogits, all);
}
RANGES(mse)
{
    const uint64_t all = (uint64_t)a->rows * a->classes;
    TOUCH(logits, all), TOUCH(target, all), TOUCH(loss, a->rows), TOUCH(dlogits, all);
}
static uint64_t range_blocks(uint64_t n, uint64_t block) { return block ? ceil_div(n, block) : 0; }
RANGES(dot)
{
    TOUCH(x, a->row ? TO_THE_END : a->n), TOUCH(y, a->row ? TO_THE_END : a->n);
    TOUCH(row, range_blocks(a->n, a->block)), TOUCH(part, range_blocks(a->n, a->block));
}
RANGES(clip) { TOUCH(part, a->parts), TOUCH(result, 2); }
RANGES(projection) { TOUCH(g_r, a->parts), TOUCH(r_r, a->parts), TOUCH(result, 2); }
RANGES(quadratic_penalty)
{
    TOUCH(w, a->n), TOUCH(anchor, a->n), TOUCH(importance, a->n), TOUCH(g, a->n);
    TOUCH(part, range_blocks(a->n, a->block));
}
RANGES(path_integral) { TOUCH(g, a->n), TOUCH(w, a->n), TOUCH(before, a->n), TOUCH(path, a->n); }
RANGES(consolidate) { TOUCH(path, a->n), TOUCH(w, a->n), TOUCH(anchor, a->n), TOUCH(importance, a->n); }
RANGES(gemm_importance)
{
    TOUCH(a, range_matrix(a->rows, a->m, a->lda)), TOUCH(b, range_matrix(a->rows, a->n, a->ldb));
    TOUCH(offsets, (uint64_t)a->examples + 1), TOUCH(c, range_matrix(a->m, a->n, a->ldc));
}
RANGES(column_importance)
{
    TOUCH(dy, range_matrix(a->rows, a->cols, a->ld)), TOUCH(x, (uint64_t)a->rows * a->cols);
    TOUCH(mean, a->rows), TOUCH(rstd, a->rows), TOUCH(offsets, (uint64_t)a->examples + 1);
    TOUCH(gamma, a->cols), TOUCH(beta, a->cols);
}
RANGES(embed_importance)
{
    TOUCH(dy, (uint64_t)a->rows * a->cols), TOUCH(row, a->unique), TOUCH(starts, (uint64_t)a->unique + 1);
    TOUCH(order, TO_THE_END), TOUCH(offsets, (uint64_t)a->examples + 1), TOUCH(table, TO_THE_END);
}
RANGES(lora_down)
{
    const uint64_t more = a->targets - 1, weights = (uint64_t)a->r * a->cols;
    if (!a->targets) return;
    TOUCH(x, (uint64_t)a->rows * a->cols), TOUCH(a, range_blocks_apart(weights, more, a->next));
    TOUCH(low, (uint64_t)a->targets * a->rows * a->r);
}
RANGES(lora_dx)
{
    const uint64_t more = a->targets - 1, weights = (uint64_t)a->r * a->cols;
    if (!a->targets) return;
    TOUCH(dlow, (uint64_t)a->targets * a->rows * a->r), TOUCH(a, range_blocks_apart(weights, more, a->next));
    TOUCH(dx, (uint64_t)a->rows * a->cols);
}
RANGES(lora_dw)
{
    const uint64_t more = a->targets - 1, of_a = (uint64_t)a->r * a->cols, of_b = (uint64_t)a->r * a->wide;
    if (!a->targets) return;
    TOUCH(x, (uint64_t)a->rows * a->cols);
    TOUCH(dy, range_blocks_apart(range_matrix(a->rows, a->wide, a->lddy), more, a->next_dy));
    TOUCH(low, (uint64_t)a->targets * a->rows * a->r), TOUCH(dlow, (uint64_t)a->targets * a->rows * a->r);
    TOUCH(da, range_blocks_apart(of_a, more, a->next)), TOUCH(db, range_blocks_apart(of_b, more, a->next));
}
RANGES(adamw) { TOUCH(w, a->n), TOUCH(g, a->n), TOUCH(m, a->n), TOUCH(v, a->n), TOUCH(scale, 1); }
RANGES(adamw_rows)
{
    const uint64_t all = (uint64_t)a->rows * a->cols;
    TOUCH(w, all), TOUCH(g, all), TOUCH(m, all), TOUCH(v, all), TOUCH(scale, 1), TOUCH(stamp, a->rows);
}
RANGES(wake_rows) { TOUCH(w, TO_THE_END), TOUCH(stamp, TO_THE_END), TOUCH(row, a->rows), TOUCH(factors, a->step); }

#undef TOUCH
#undef RANGES

static void op_ranges(Op op, const void *args, Ranges *r)
{
    r->count = 0;
    switch (op) {
#define X(name) \
    case OP_##name: name##_ranges(args, r); break;
        OPS(X)
#undef X
    case OP_COUNT: break;
    }
}

/* ---- What the engine adds to an op ---- */

/* To the arguments of some ops, for their shaders. */
typedef union VulkanOwn {
    u32 k_parts;  /* gemm: see product.comp */
    f32p weights; /* attention_grad and its like: see attention.comp */
} VulkanOwn;

/* What a shader is given: Arguments in common.glsl. */
typedef struct VulkanPush {
    _Alignas(8) unsigned char args[OP_ARGS_MOST]; /* as the caller of the op has filled them */
    VulkanOwn own;
    uint32_t first_group, all_groups;
} VulkanPush;
_Static_assert(sizeof(VulkanPush) == 128, "Vulkan promises 128 bytes of push constants");

/* What one dispatch of an op reads and writes. */
static void pass_ranges(Op op, const void *args, VulkanOwn own, Ranges *r)
{
    op_ranges(op, args, r);
    if (op == OP_gemm && own.k_parts > 1) {
        const struct gemm_args *a = args;
        range_add(r, a->c, (uint64_t)own.k_parts * (a->more + 1) * a->m * a->n, true);
    }
    if (op == OP_attention_grad || op == OP_attention_local_grad || op == OP_relative_attention_grad)
        range_add(r, own.weights, TO_THE_END, true);
}

#undef TO_THE_END
