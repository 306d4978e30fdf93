/* Matrix products. Our own and no library: at the shapes of a training step they are as fast as BLIS or faster (1.0 to
 * 1.7 times, 1.14 on average, on two Zen 4 cores; ./build.sh bench ops prints both side by side), they give the same
 * bits for any number of threads, bias, GELU and sums go along, and attention is made of the same tiles.
 *
 * A tile of ROWS x PANEL numbers of c stays in registers while k runs; b comes in panels of PANEL
 * columns, packed where it does not lie so already. Each number of c is summed in the order of k, in blocks that
 * depend on k alone: how the work is cut into items cannot change a bit. */

#define PANEL (VECTORS * LANES)

/* c[rows][cols] = out(a b) for one tile. rows and vectors are constants to the compiler; the last vector of a row of c
 * may be cut short by cols. */
INLINE void V(tile)(const int rows, const int vectors, size_t cols, size_t k, const CpuLeft *left,
                    const CpuRight *right, const CpuOutput *out)
{
    const f32 *a = left->at, *b = right->at;
    const size_t a_row = left->row, a_k = left->k, b_k = right->k;
    V(f32) sum[ROWS][VECTORS];
    foreach (r, rows)
        foreach (v, vectors) sum[r][v] = V(splat)(0);
    for (size_t l = 0; l < k; l++, a += a_k, b += b_k) {
        V(f32) row[VECTORS];
        foreach (v, vectors) row[v] = V(load)(b + v * LANES);
        foreach (r, rows) {
            const V(f32) factor = V(factor)(a + r * a_row);
            foreach (v, vectors) sum[r][v] = V(fma)(factor, row[v], sum[r][v]);
        }
    }

    const size_t ldc = out->ldc;
    if (out->power)
        foreach (r, rows)
            foreach (v, vectors) sum[r][v] = V(power_of)(sum[r][v], out->power);
    foreach (r, rows)
        foreach (v, vectors) sum[r][v] *= out->alpha;
    if (cols == (size_t)vectors * LANES) {
        if (out->bias)
            foreach (r, rows)
                foreach (v, vectors) sum[r][v] += V(load)(out->bias + v * LANES);
        if (out->add)
            foreach (r, rows)
                foreach (v, vectors) sum[r][v] += V(load)(out->c + r * ldc + v * LANES);
        foreach (r, rows)
            foreach (v, vectors) V(store)(out->c + r * ldc + v * LANES, sum[r][v]);
    } else {
        f32 lanes[ROWS][PANEL];
        foreach (r, rows)
            foreach (v, vectors) V(store)(lanes[r] + v * LANES, sum[r][v]);
        for (int r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++) {
                f32 *to = out->c + r * ldc + c;
                *to = lanes[r][c] + (out->bias ? out->bias[c] : 0) + (out->add ? *to : 0);
            }
    }
}

typedef void V(Tile)(size_t cols, size_t k, const CpuLeft *left, const CpuRight *right, const CpuOutput *out);

/* V(tiles)[rows - 1][vectors - 1]: one function for each size of a tile. */
#if VECTORS == 3
#define SIZES(rows) SIZE(rows, 1) SIZE(rows, 2) SIZE(rows, 3)
#else
#define SIZES(rows) SIZE(rows, 1) SIZE(rows, 2)
#endif
#if ROWS == 8
#define ALL_SIZES SIZES(1) SIZES(2) SIZES(3) SIZES(4) SIZES(5) SIZES(6) SIZES(7) SIZES(8)
#else
#define ALL_SIZES SIZES(1) SIZES(2) SIZES(3) SIZES(4) SIZES(5) SIZES(6)
#endif
#define SIZE(rows, vectors)                                                                                   \
    static void V(tile_##rows##_##vectors)(size_t cols, size_t k, const CpuLeft *left, const CpuRight *right, \
                                           const CpuOutput *out)                                              \
    {                                                                                                         \
        V(tile)(rows, vectors, cols, k, left, right, out);                                                    \
    }
ALL_SIZES
#undef SIZE
#define SIZE(rows, vectors) [rows - 1][vectors - 1] = V(tile_##rows##_##vectors),
static V(Tile) *const V(tiles)[ROWS][VECTORS] = {ALL_SIZES};
#undef SIZE
#undef SIZES
#undef ALL_SIZES

/* c[rows][cols] = out(a b), tile by tile. */
static void V(product)(size_t rows, size_t cols, size_t k, const CpuLeft *left, const CpuRight *right,
                       const CpuOutput *out)
{
    for (size_t i = 0; i < rows; i += ROWS)
        for (size_t j = 0; j < cols; j += PANEL) {
            const size_t tall = least_size(rows - i, ROWS), wide = least_size(cols - j, PANEL);
            const CpuLeft a = {left->at + i / ROWS * left->panel, left->row, left->k, 0};
            const CpuRight b = {right->at + j / PANEL * right->panel, right->k, 0};
            const CpuOutput c = {.c = out->c + i * out->ldc + j,
                                 .bias = out->bias ? out->bias + j : NULL,
                                 .ldc = out->ldc,
                                 .alpha = out->alpha,
                                 .add = out->add,
                                 .power = out->power};
            V(tiles)[tall - 1][(wide - 1) / LANES](wide, k, &a, &b, &c);
            for (size_t r = 0; out->gelu && r < tall; r++)
                for (size_t l = 0; l < wide; l += LANES) {
                    const V(f32) x = V(load_part)(c.c + r * out->ldc + l, wide - l);
                    V(store_part)(out->gelu + (i + r) * out->ldc + j + l, V(gelu_of)(x), wide - l);
                }
        }
}

/* ---- gemm ---- */

/* What an item packs at a time, for the second-level cache: GEMM_K x GEMM_COLS of b, GEMM_ROWS x GEMM_K of a. */
enum { V(GEMM_K) = 384, V(GEMM_COLS) = 192, V(GEMM_ROWS) = 192 };

typedef struct V(Gemm) {
    const struct gemm_args *args;
    size_t rows, cols;       /* of one item */
    size_t col_items, items; /* of one product */
    size_t k;                /* of one block */
} V(Gemm);

/* packed[l][c] = op(b)[k0 + l][col + c], l < k, c < cols <= PANEL, filled up with 0 to whole vectors. */
static void V(gemm_pack)(const struct gemm_args *g, size_t k0, size_t k, size_t col, size_t cols, f32 *packed)
{
    if (g->tb) {
        V(transpose_matrix)(g->b + col * g->ldb + k0, g->ldb, k, cols, packed, PANEL);
        return;
    }
    const f32 *from = g->b + k0 * g->ldb + col;
    for (size_t l = 0; l < k; l++, from += g->ldb, packed += PANEL)
        for (size_t c = 0; c < cols; c += LANES) V(store)(packed + c, V(load_part)(from + c, cols - c));
}

/* a[k][rows], packed in panels of ROWS rows. */
static CpuLeft V(gemm_pack_rows)(const f32 *a, size_t lda, size_t rows, size_t k, f32 *packed)
{
    for (size_t l = 0; l < k; l++, a += lda)
        for (size_t r = 0; r < rows; r += ROWS) {
            f32 *to = packed + r * k + l * ROWS;
            if (rows - r >= ROWS)
                memcpy(to, a + r, ROWS * sizeof *a);
            else
                memcpy(to, a + r, (rows - r) * sizeof *a);
        }
    return (CpuLeft){packed, 1, ROWS, ROWS * k};
}

static void V(gemm_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const V(Gemm) *work = context;
    const size_t product = item / work->items;
    struct gemm_args one = *work->args;
    const struct gemm_args *g = &one;
    one.a += product * one.stride_a;
    one.b += product * one.stride_b;
    one.c += product * one.stride_c;
    if (one.gelu) one.gelu += product * one.stride_c;
    item %= work->items;
    _Alignas(64) f32 packed_a[V(GEMM_K) * V(GEMM_ROWS)], packed_b[V(GEMM_K) * V(GEMM_COLS)];
    const size_t row = item / work->col_items * work->rows, rows = least_size(g->m - row, work->rows);
    const size_t begin = item % work->col_items * work->cols, end = least_size(g->n, begin + work->cols);
    size_t k0 = 0;
    do {
        const size_t k = least_size(g->k - k0, work->k);
        const bool first = k0 == 0, last = k0 + k == g->k;
        const CpuLeft a = g->ta ? V(gemm_pack_rows)(g->a + k0 * g->lda + row, g->lda, rows, k, packed_a)
                                : (CpuLeft){g->a + row * g->lda + k0, g->lda, 1, ROWS * g->lda};
        for (size_t col = begin; col < end; col += V(GEMM_COLS)) {
            const size_t cols = least_size(end - col, V(GEMM_COLS)), at = row * g->ldc + col;
            const CpuRight b = {packed_b, PANEL, PANEL * k};
            const CpuOutput c = {.c = g->c + at,
                                 .gelu = last && g->gelu ? g->gelu + at : NULL,
                                 .bias = first && g->bias ? g->bias + col : NULL,
                                 .ldc = g->ldc,
                                 .alpha = g->alpha,
                                 .add = !first || g->accumulate};
            for (size_t p = 0; p < cols; p += PANEL)
                V(gemm_pack)(g, k0, k, col + p, least_size(cols - p, PANEL), packed_b + p * k);
            V(product)(rows, cols, k, &a, &b, &c);
        }
        k0 += k;
    } while (k0 < g->k);
}

/* The least multiple of `unit` that `count` such pieces of `whole` need, but at most `most`. */
INLINE size_t V(piece)(size_t whole, size_t count, size_t unit, size_t most)
{
    return least_size(ceil_div(ceil_div(whole, count), unit) * unit, most);
}

static void V(gemm)(const void *args)
{
    const struct gemm_args *g = args;
    if (g->m == 0 || g->n == 0) return;
    V(Gemm) work = {.args = g};
    const size_t blocks = ceil_div(g->k, V(GEMM_K));
    work.k = blocks ? V(piece)(g->k, blocks, LANES, V(GEMM_K)) : 0;
    /* About two items for each thread, so that a slow thread costs little. An item packs its columns of b, so that
     * items of the same columns do so again: columns are divided first. But an item that packs rows of a, too, should
     * use them for many columns. */
    const size_t products = (size_t)g->more + 1;
    const size_t items =
        (double)products * g->m * g->n * g->k > 3e4 ? ceil_div(2 * (size_t)threads_count(), products) : 1;
    if (g->ta) {
        work.rows = V(piece)(g->m, items, ROWS, V(GEMM_ROWS));
        work.cols = V(piece)(g->n, ceil_div(items, ceil_div(g->m, work.rows)), PANEL, SIZE_MAX);
    } else {
        work.cols = V(piece)(g->n, items, PANEL, V(GEMM_COLS));
        work.rows = V(piece)(g->m, ceil_div(items, ceil_div(g->n, work.cols)), ROWS, SIZE_MAX);
    }
    work.col_items = ceil_div(g->n, work.cols);
    work.items = work.col_items * ceil_div(g->m, work.rows);
    parallel(work.items * products, V(gemm_item), &work);
}

/* ---- gemm_importance: products of each example's rows, which the tiles raise to the power on their way to c ---- */

typedef struct V(GemmImportance) {
    const struct gemm_importance_args *args;
    size_t rows, cols, col_items; /* of c; as in gemm */
} V(GemmImportance);

/* a and b from row `from` on, k <= GEMM_K rows: columns row .. and col .. of them. */
static void V(gemm_importance_pack)(const struct gemm_importance_args *g, size_t from, size_t k, size_t row,
                                    size_t rows, size_t col, size_t cols, f32 *packed_a, f32 *packed_b)
{
    V(gemm_pack_rows)(g->a + from * g->lda + row, g->lda, rows, k, packed_a);
    for (size_t p = 0; p < cols; p += PANEL) V(gemm_pack)
    (&(struct gemm_args){.b = g->b, .ldb = g->ldb}, from, k, col + p, least_size(cols - p, PANEL), packed_b + p * k);
}

static void V(gemm_importance_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const V(GemmImportance) *work = context;
    const struct gemm_importance_args *g = work->args;
    _Alignas(64) f32 packed_a[V(GEMM_K) * V(GEMM_ROWS)], packed_b[V(GEMM_K) * V(GEMM_COLS)];
    _Alignas(64) f32 sum[V(GEMM_ROWS) * V(GEMM_COLS)]; /* of one long example */
    const size_t row = item / work->col_items * work->rows, rows = least_size(g->m - row, work->rows);
    const size_t col = item % work->col_items * work->cols, cols = least_size(g->n - col, work->cols);
    f32 *c = g->c + row * g->ldc + col;
    for (u32 first = 0, next; first < g->examples; first = next) { /* as many examples as can be packed at once */
        const size_t begin = g->offsets[first];
        next = first + 1;
        while (next < g->examples && g->offsets[next + 1] - begin <= V(GEMM_K)) next++;
        const size_t k = g->offsets[next] - begin;
        if (k > V(GEMM_K)) {
            for (size_t k0 = 0; k0 < k; k0 += V(GEMM_K)) {
                const size_t part = least_size(k - k0, V(GEMM_K));
                V(gemm_importance_pack)(g, begin + k0, part, row, rows, col, cols, packed_a, packed_b);
                V(product)
                (rows, cols, part, &(CpuLeft){packed_a, 1, ROWS, ROWS * part},
                 &(CpuRight){packed_b, PANEL, PANEL * part},
                 &(CpuOutput){.c = sum, .ldc = V(GEMM_COLS), .alpha = 1, .add = k0 > 0});
            }
            for (size_t i = 0; i < rows; i++)
                for (size_t j = 0; j < cols; j += LANES) {
                    f32 *to = c + i * g->ldc + j;
                    const V(f32) more = V(power_of)(V(load)(sum + i * V(GEMM_COLS) + j), g->power) * g->scale;
                    V(store_part)(to, V(load_part)(to, cols - j) + more, cols - j);
                }
            continue;
        }
        V(gemm_importance_pack)(g, begin, k, row, rows, col, cols, packed_a, packed_b);
        for (size_t i = 0; i < rows; i += ROWS)
            for (size_t j = 0; j < cols; j += PANEL) /* a tile of c stays in the first-level cache for all examples */
                for (u32 e = first; e < next; e++) {
                    const size_t at = g->offsets[e] - begin;
                    const CpuLeft a = {packed_a + i * k + at * ROWS, 1, ROWS, 0};
                    const CpuRight b = {packed_b + j * k + at * PANEL, PANEL, 0};
                    const CpuOutput out = {
                        .c = c + i * g->ldc + j, .ldc = g->ldc, .alpha = g->scale, .add = true, .power = g->power};
                    V(product)
                    (least_size(rows - i, ROWS), least_size(cols - j, PANEL), g->offsets[e + 1] - g->offsets[e], &a, &b,
                     &out);
                }
    }
}

static void V(gemm_importance)(const void *args)
{
    const struct gemm_importance_args *g = args;
    if (g->m == 0 || g->n == 0) return;
    V(GemmImportance) work = {.args = g};
    const size_t items = (double)g->m * g->n * g->rows > 3e4 ? 2 * (size_t)threads_count() : 1;
    work.rows = V(piece)(g->m, items, ROWS, V(GEMM_ROWS));
    work.cols = V(piece)(g->n, ceil_div(items, ceil_div(g->m, work.rows)), PANEL, V(GEMM_COLS));
    work.col_items = ceil_div(g->n, work.cols);
    parallel(work.col_items * ceil_div(g->m, work.rows), V(gemm_importance_item), &work);
}
