/* How an op becomes dispatches: which variant of its shader, how many workgroups, and how much work that is. */

enum { SPEC_MOST = 9 }; /* specialisation constants of a shader; constant_id i is spec[i] */

typedef struct Grid {
    uint32_t x, y; /* workgroups; none: nothing to do */
    uint32_t spec[SPEC_MOST];
    int spec_count;
    double work; /* floating-point operations, or four for each number that is moved, whichever is more */
} Grid;

enum { GRID_MOST = 65535 }; /* workgroups in a dimension: all that Vulkan promises; shaders stride over the rest */

static uint32_t grid_parts(uint64_t whole, uint32_t part)
{
    const uint64_t parts = (whole + part - 1) / part;
    return parts < GRID_MOST ? (uint32_t)parts : GRID_MOST;
}

static Grid grid_of(uint64_t items, uint32_t each, double work)
{
    return (Grid){.x = grid_parts(items, each), .y = 1, .work = work};
}
static Grid grid_elements(uint64_t n) { return grid_of(n, 256, 4.0 * (double)n); }
static Grid grid_rows(uint64_t rows, uint64_t cols)
{
    return grid_of(cols ? rows : 0, 1, 8.0 * (double)rows * (double)cols);
}
static Grid grid_columns(uint64_t rows, uint64_t cols) { return grid_of(cols, 32, 8.0 * (double)rows * (double)cols); }

static Grid gemm_grid(const struct gemm_args *a)
{
    /* BM BN BK TM TN; what fits the narrow matrices of LoRA and the heads, and a square tile for all others */
    static const uint32_t tiles[][5] = {{64, 8, 16, 2, 1}, {8, 64, 16, 1, 2}, {64, 64, 16, 4, 4}};
    const uint32_t *t = a->n <= 8 ? tiles[0] : a->m <= 8 ? tiles[1] : tiles[2];
    const bool vectors = a->lda % 4 == 0 && a->ldb % 4 == 0 && ((uintptr_t)a->a | (uintptr_t)a->b) % 16 == 0;
    return (Grid){.x = grid_parts(a->n, t[1]),
                  .y = grid_parts(a->m, t[0]),
                  .spec = {t[0] / t[3] * (t[1] / t[4]), t[0], t[1], t[2], t[3], t[4], a->ta, a->tb, vectors},
                  .spec_count = 9,
                  .work = 2.0 * a->m * a->n * a->k};
}

static Grid gemm_importance_grid(const struct gemm_importance_args *a)
{
    return (Grid){.x = grid_parts(a->n, 64), .y = grid_parts(a->m, 64), .work = 2.0 * a->m * a->n * a->rows};
}

/* The rows from `row` on, at most `rows` of them. */
static struct gemm_args gemm_part(const struct gemm_args *a, uint32_t row, uint32_t rows)
{
    struct gemm_args part = *a;
    part.m = a->m - row < rows ? a->m - row : rows;
    part.a = a->a + (a->ta ? (size_t)row : (size_t)row * a->lda);
    part.c = a->c + (size_t)row * a->ldc;
    if (a->gelu) part.gelu = a->gelu + (size_t)row * a->ldc;
    return part;
}

/* The tile of the attention shaders: as large as 32 KiB of shared memory allow, which every device has. */
static uint32_t attention_tile(uint32_t size, bool backward)
{
    uint32_t t = 32;
    while (t > 1 && 4 * (4 * t * (size + 1) + (backward ? 2 : 1) * t * (t + 1) + 8 * t) > 32768) t /= 2;
    return t;
}

static Grid attention_grid_of(uint32_t examples, uint32_t heads, uint32_t size, uint32_t rows, uint32_t longest,
                              bool backward, bool keys)
{
    const uint32_t t = attention_tile(size, backward);
    const double pairs = (double)examples * heads * rows * longest;
    return (Grid){.x = size ? grid_parts((uint64_t)((rows + t - 1) / t) * heads * examples, 1) : 0,
                  .y = 1,
                  .spec = {4 * t, t, size, keys},
                  .spec_count = 4,
                  .work = (backward ? 6.0 : 4.0) * pairs * size};
}
static Grid attention_grid(const struct attention_args *a)
{
    return attention_grid_of(a->examples, a->heads, a->size, a->first_only ? 1 : a->longest, a->longest, false, false);
}
static Grid attention_grad_grid(const struct attention_grad_args *a)
{
    return attention_grid_of(a->examples, a->heads, a->size, a->first_only ? 1 : a->longest, a->longest, true, false);
}
/* The second pass over the same arguments. */
static Grid attention_keys_grid(const struct attention_grad_args *a)
{
    return attention_grid_of(a->examples, a->heads, a->size, a->longest, a->longest, true, true);
}

static Grid gelu_grid(const struct gelu_args *a) { return grid_elements(a->n); }
static Grid gelu_grad_grid(const struct gelu_grad_args *a) { return grid_elements(a->n); }
static Grid tanh_grid(const struct tanh_args *a) { return grid_elements(a->n); }
static Grid tanh_grad_grid(const struct tanh_grad_args *a) { return grid_elements(a->n); }
static Grid axpby_grid(const struct axpby_args *a) { return grid_elements(a->n); }
static Grid copy_grid(const struct copy_args *a) { return grid_elements(a->n); }
static Grid fill_grid(const struct fill_args *a) { return grid_elements(a->n); }
static Grid path_integral_grid(const struct path_integral_args *a) { return grid_elements(a->n); }
static Grid consolidate_grid(const struct consolidate_args *a) { return grid_elements(a->n); }
static Grid adamw_grid(const struct adamw_args *a) { return grid_elements(a->n); }
static Grid dropout_grid(const struct dropout_args *a) { return grid_elements((uint64_t)a->rows * a->cols); }
static Grid layernorm_grid(const struct layernorm_args *a) { return grid_rows(a->rows, a->cols); }
static Grid layernorm_dx_grid(const struct layernorm_dx_args *a) { return grid_rows(a->rows, a->cols); }
static Grid layernorm_dw_grid(const struct layernorm_dw_args *a) { return grid_columns(a->rows, a->cols); }
static Grid column_sum_grid(const struct column_sum_args *a) { return grid_columns(a->rows, a->cols); }
static Grid column_importance_grid(const struct column_importance_args *a) { return grid_columns(a->rows, a->cols); }
static Grid embed_grid(const struct embed_args *a) { return grid_rows(a->rows, a->cols); }
static Grid embed_grad_grid(const struct embed_grad_args *a) { return grid_rows(a->unique, a->cols); }
static Grid embed_importance_grid(const struct embed_importance_args *a) { return grid_rows(a->unique, a->cols); }
static Grid gather_rows_grid(const struct gather_rows_args *a) { return grid_rows(a->rows, a->cols); }
static Grid scatter_rows_grid(const struct scatter_rows_args *a) { return grid_rows(a->rows, a->cols); }
static Grid zero_rows_grid(const struct zero_rows_args *a) { return grid_rows(a->rows, a->cols); }
static Grid adamw_rows_grid(const struct adamw_rows_args *a) { return grid_rows(a->rows, a->cols); }
static Grid wake_rows_grid(const struct wake_rows_args *a) { return grid_of(a->rows, 1, 8.0 * a->rows * a->cols); }
static Grid cross_entropy_grid(const struct cross_entropy_args *a) { return grid_rows(a->rows, a->classes); }
static Grid distill_grid(const struct distill_args *a) { return grid_rows(a->rows, a->classes); }
static Grid mse_grid(const struct mse_args *a) { return grid_rows(a->rows, a->classes); }
static Grid grid_blocks(uint64_t n, uint32_t block) { return grid_of(n, block ? block : 1, 4.0 * (double)n); }
static Grid dot_grid(const struct dot_args *a) { return grid_blocks(a->n, a->block); }
static Grid quadratic_penalty_grid(const struct quadratic_penalty_args *a) { return grid_blocks(a->n, a->block); }
static Grid projection_grid(const struct projection_args *a) { return grid_of(1, 1, 4.0 * a->parts); }
static Grid clip_grid(const struct clip_args *a) { return grid_of(1, 1, 4.0 * a->parts); }

static Grid op_grid(Op op, const void *args)
{
    switch (op) {
#define X(name) \
    case OP_##name: return name##_grid(args);
        OPS(X)
#undef X
    case OP_COUNT: break;
    }
    return (Grid){0};
}
