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

#define READ(at, floats) range_add(r, at, floats, false)
#define WRITE(at, floats) range_add(r, at, floats, true)
#define TO_THE_END UINT64_MAX /* rows are picked by an index that only the device knows */

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

static void gemm_ranges(const struct gemm_args *a, Ranges *r)
{
    const uint64_t c = range_blocks_apart(range_matrix(a->m, a->n, a->ldc), a->more, a->stride_c);
    const uint64_t x = a->ta ? range_matrix(a->k, a->m, a->lda) : range_matrix(a->m, a->k, a->lda);
    const uint64_t y = a->tb ? range_matrix(a->n, a->k, a->ldb) : range_matrix(a->k, a->n, a->ldb);
    READ(a->a, range_blocks_apart(x, a->more, a->stride_a));
    READ(a->b, range_blocks_apart(y, a->more, a->stride_b));
    READ(a->bias, a->n);
    WRITE(a->c, a->parts > 1 ? (uint64_t)a->parts * (a->more + 1) * a->m * a->n : c);
    WRITE(a->gelu, c);
}
static void gelu_ranges(const struct gelu_args *a, Ranges *r) { READ(a->x, a->n), WRITE(a->y, a->n); }
static void gelu_grad_ranges(const struct gelu_grad_args *a, Ranges *r)
{
    READ(a->x, a->n), READ(a->dy, a->n), WRITE(a->dx, a->n);
}
static void tanh_ranges(const struct tanh_args *a, Ranges *r) { READ(a->x, a->n), WRITE(a->y, a->n); }
static void relu_ranges(const struct relu_args *a, Ranges *r) { READ(a->x, a->n), WRITE(a->y, a->n); }
static void relu_grad_ranges(const struct relu_grad_args *a, Ranges *r)
{
    READ(a->y, a->n), READ(a->dy, a->n), WRITE(a->dx, a->n);
}
static void tanh_grad_ranges(const struct tanh_grad_args *a, Ranges *r)
{
    READ(a->y, a->n), READ(a->dy, a->n), WRITE(a->dx, a->n);
}
static void layernorm_ranges(const struct layernorm_args *a, Ranges *r)
{
    const uint64_t all = (uint64_t)a->rows * a->cols;
    WRITE(a->x, all), READ(a->residual, all), READ(a->gamma, a->cols), READ(a->beta, a->cols);
    WRITE(a->y, all), WRITE(a->mean, a->rows), WRITE(a->rstd, a->rows);
}
static void layernorm_dx_ranges(const struct layernorm_dx_args *a, Ranges *r)
{
    const uint64_t all = (uint64_t)a->rows * a->cols;
    READ(a->x, all), READ(a->gamma, a->cols), READ(a->mean, a->rows), READ(a->rstd, a->rows), READ(a->dy, all);
    WRITE(a->dsum, all), WRITE(a->dx, all);
}
static void layernorm_dw_ranges(const struct layernorm_dw_args *a, Ranges *r)
{
    const uint64_t all = (uint64_t)a->rows * a->cols;
    READ(a->x, all), READ(a->mean, a->rows), READ(a->rstd, a->rows), READ(a->dy, all);
    WRITE(a->dgamma, a->cols), WRITE(a->dbeta, a->cols);
}
static void column_sum_ranges(const struct column_sum_args *a, Ranges *r)
{
    READ(a->x, range_matrix(a->rows, a->cols, a->ld)), WRITE(a->y, a->cols);
}
static void attention_ranges(const struct attention_args *a, Ranges *r)
{
    READ(a->q, TO_THE_END), READ(a->kv, TO_THE_END), READ(a->offsets, (uint64_t)a->examples + 1);
    WRITE(a->context, TO_THE_END), WRITE(a->lse, TO_THE_END);
}
static void attention_grad_ranges(const struct attention_grad_args *a, Ranges *r)
{
    READ(a->q, TO_THE_END), READ(a->kv, TO_THE_END), READ(a->offsets, (uint64_t)a->examples + 1),
        READ(a->context, TO_THE_END);
    READ(a->lse, TO_THE_END), READ(a->dcontext, TO_THE_END), WRITE(a->dq, TO_THE_END), WRITE(a->dkv, TO_THE_END);
    WRITE(a->weights, TO_THE_END);
}
static void embed_ranges(const struct embed_args *a, Ranges *r)
{
    READ(a->word, TO_THE_END), READ(a->position, TO_THE_END), READ(a->type, TO_THE_END);
    READ(a->ids, a->rows), READ(a->positions, a->rows), READ(a->types, a->rows),
        WRITE(a->y, (uint64_t)a->rows * a->cols);
}
static void embed_grad_ranges(const struct embed_grad_args *a, Ranges *r)
{
    READ(a->dy, TO_THE_END), READ(a->row, a->unique), READ(a->starts, (uint64_t)a->unique + 1),
        READ(a->order, TO_THE_END);
    WRITE(a->dtable, TO_THE_END);
}
static void gather_rows_ranges(const struct gather_rows_args *a, Ranges *r)
{
    READ(a->x, TO_THE_END), READ(a->index, a->rows), WRITE(a->y, (uint64_t)a->rows * a->cols);
}
static void scatter_rows_ranges(const struct scatter_rows_args *a, Ranges *r)
{
    READ(a->x, (uint64_t)a->rows * a->cols), READ(a->index, a->rows), WRITE(a->y, TO_THE_END);
}
static void dropout_ranges(const struct dropout_args *a, Ranges *r)
{
    READ(a->x, (uint64_t)a->rows * a->cols), WRITE(a->y, (uint64_t)a->rows * a->cols);
}
static void axpby_ranges(const struct axpby_args *a, Ranges *r)
{
    READ(a->x, a->n), READ(a->scale, 1), WRITE(a->y, a->n);
}
static void sign_ranges(const struct sign_args *a, Ranges *r) { READ(a->x, a->n), WRITE(a->y, a->n); }
static void copy_ranges(const struct copy_args *a, Ranges *r) { READ(a->x, a->n), WRITE(a->y, a->n); }
static void fill_ranges(const struct fill_args *a, Ranges *r) { WRITE(a->x, a->n); }
static void zero_rows_ranges(const struct zero_rows_args *a, Ranges *r)
{
    READ(a->row, a->rows), WRITE(a->x, TO_THE_END);
}
static void cross_entropy_ranges(const struct cross_entropy_args *a, Ranges *r)
{
    const uint64_t all = (uint64_t)a->rows * a->classes;
    READ(a->logits, all), READ(a->labels, a->rows), WRITE(a->loss, a->rows), WRITE(a->dlogits, all);
}
static void distill_ranges(const struct distill_args *a, Ranges *r)
{
    const uint64_t all = (uint64_t)a->rows * a->classes;
    READ(a->logits, all), READ(a->teacher, all), WRITE(a->loss, a->rows), WRITE(a->dlogits, all);
}
static void mse_ranges(const struct mse_args *a, Ranges *r)
{
    const uint64_t all = (uint64_t)a->rows * a->classes;
    READ(a->logits, all), READ(a->target, all), WRITE(a->loss, a->rows), WRITE(a->dlogits, all);
}
static uint64_t range_blocks(uint64_t n, uint64_t block) { return block ? (n + block - 1) / block : 0; }
static void dot_ranges(const struct dot_args *a, Ranges *r)
{
    READ(a->x, a->row ? TO_THE_END : a->n), READ(a->y, a->row ? TO_THE_END : a->n);
    READ(a->row, range_blocks(a->n, a->block)), WRITE(a->part, range_blocks(a->n, a->block));
}
static void clip_ranges(const struct clip_args *a, Ranges *r) { READ(a->part, a->parts), WRITE(a->result, 2); }
static void projection_ranges(const struct projection_args *a, Ranges *r)
{
    READ(a->g_r, a->parts), READ(a->r_r, a->parts), WRITE(a->result, 2);
}
static void quadratic_penalty_ranges(const struct quadratic_penalty_args *a, Ranges *r)
{
    READ(a->w, a->n), READ(a->anchor, a->n), READ(a->importance, a->n), WRITE(a->g, a->n);
    WRITE(a->part, range_blocks(a->n, a->block));
}
static void path_integral_ranges(const struct path_integral_args *a, Ranges *r)
{
    READ(a->g, a->n), READ(a->w, a->n), WRITE(a->before, a->n), WRITE(a->path, a->n);
}
static void consolidate_ranges(const struct consolidate_args *a, Ranges *r)
{
    READ(a->path, a->n), READ(a->w, a->n), READ(a->anchor, a->n), WRITE(a->importance, a->n);
}
static void gemm_importance_ranges(const struct gemm_importance_args *a, Ranges *r)
{
    READ(a->a, range_matrix(a->rows, a->m, a->lda)), READ(a->b, range_matrix(a->rows, a->n, a->ldb));
    READ(a->offsets, (uint64_t)a->examples + 1), WRITE(a->c, range_matrix(a->m, a->n, a->ldc));
}
static void column_importance_ranges(const struct column_importance_args *a, Ranges *r)
{
    READ(a->dy, range_matrix(a->rows, a->cols, a->ld)), READ(a->x, (uint64_t)a->rows * a->cols);
    READ(a->mean, a->rows), READ(a->rstd, a->rows), READ(a->offsets, (uint64_t)a->examples + 1);
    WRITE(a->gamma, a->cols), WRITE(a->beta, a->cols);
}
static void embed_importance_ranges(const struct embed_importance_args *a, Ranges *r)
{
    READ(a->dy, (uint64_t)a->rows * a->cols), READ(a->row, a->unique), READ(a->starts, (uint64_t)a->unique + 1);
    READ(a->order, TO_THE_END), READ(a->offsets, (uint64_t)a->examples + 1), WRITE(a->table, TO_THE_END);
}
static void lora_down_ranges(const struct lora_down_args *a, Ranges *r)
{
    const uint64_t more = a->targets - 1, weights = (uint64_t)a->r * a->cols;
    if (!a->targets) return;
    READ(a->x, (uint64_t)a->rows * a->cols), READ(a->a, range_blocks_apart(weights, more, a->next));
    WRITE(a->low, (uint64_t)a->targets * a->rows * a->r);
}
static void lora_dx_ranges(const struct lora_dx_args *a, Ranges *r)
{
    const uint64_t more = a->targets - 1, weights = (uint64_t)a->r * a->cols;
    if (!a->targets) return;
    READ(a->dlow, (uint64_t)a->targets * a->rows * a->r), READ(a->a, range_blocks_apart(weights, more, a->next));
    WRITE(a->dx, (uint64_t)a->rows * a->cols);
}
static void lora_dw_ranges(const struct lora_dw_args *a, Ranges *r)
{
    const uint64_t more = a->targets - 1, weights = (uint64_t)a->r * a->cols;
    if (!a->targets) return;
    READ(a->x, (uint64_t)a->rows * a->cols);
    READ(a->dy, range_blocks_apart(range_matrix(a->rows, a->cols, a->lddy), more, a->next_dy));
    READ(a->low, (uint64_t)a->targets * a->rows * a->r), READ(a->dlow, (uint64_t)a->targets * a->rows * a->r);
    WRITE(a->da, range_blocks_apart(weights, more, a->next)), WRITE(a->db, range_blocks_apart(weights, more, a->next));
}
static void adamw_ranges(const struct adamw_args *a, Ranges *r)
{
    WRITE(a->w, a->n), READ(a->g, a->n), WRITE(a->m, a->n), WRITE(a->v, a->n), READ(a->scale, 1);
}
static void adamw_rows_ranges(const struct adamw_rows_args *a, Ranges *r)
{
    const uint64_t all = (uint64_t)a->rows * a->cols;
    WRITE(a->w, all), READ(a->g, all), WRITE(a->m, all), WRITE(a->v, all), READ(a->scale, 1), READ(a->stamp, a->rows);
}
static void wake_rows_ranges(const struct wake_rows_args *a, Ranges *r)
{
    WRITE(a->w, TO_THE_END), WRITE(a->stamp, TO_THE_END), READ(a->row, a->rows), READ(a->factors, a->step);
}

#undef READ
#undef WRITE
#undef TO_THE_END

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
