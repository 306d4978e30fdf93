/* Matrix products. A tile of ROWS x PANEL numbers of c stays in registers while k runs; b comes in panels of PANEL
 * columns, packed where it does not lie so already. Each number of c is summed in the order of k, in blocks that
 * depend on k alone: how the work is cut into items cannot change a bit. */

#define PANEL (VECTORS * LANES)

/* c[rows][cols] = out(a b), where a[r][l] is at a + r * a_row + l * a_k, and b has k rows of whole vectors, b_k apart.
 * rows and vectors are constants to the compiler; the last vector of a row of c may be cut short by cols. */
INLINE void V(tile)(const int rows, const int vectors, size_t cols, const f32 *a, size_t a_row, size_t a_k,
                    const f32 *b, size_t b_k, size_t k, const Output *out)
{
    V(f32) sum[8][3];
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = (V(f32)){0};
    for (size_t l = 0; l < k; l++, a += a_k, b += b_k) {
        V(f32) row[3];
        UNROLL for (int v = 0; v < vectors; v++) row[v] = V(load)(b + v * LANES);
        UNROLL for (int r = 0; r < rows; r++)
        {
            const V(f32) factor = V(splat)(a[r * a_row]);
            UNROLL for (int v = 0; v < vectors; v++) sum[r][v] += factor * row[v];
        }
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < vectors; v++)
    {
        const size_t at = r * out->ldc + v * LANES, left = v < vectors - 1 ? LANES : cols - v * LANES;
        V(f32) x = sum[r][v] * out->alpha;
        if (out->bias) x += V(load_part)(out->bias + v * LANES, left);
        if (out->add) x += V(load_part)(out->c + at, left);
        V(store_part)(out->c + at, x, left);
    }
}

typedef void V(Tile)(size_t cols, const f32 *a, size_t a_row, size_t a_k, const f32 *b, size_t b_k, size_t k,
                     const Output *out);
#define TILE(rows, vectors)                                                                                   \
    static void V(tile_##rows##_##vectors)(size_t cols, const f32 *a, size_t a_row, size_t a_k, const f32 *b, \
                                           size_t b_k, size_t k, const Output *out)                           \
    {                                                                                                         \
        V(tile)(rows, vectors, cols, a, a_row, a_k, b, b_k, k, out);                                          \
    }
#define TILES(rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3)
TILES(1)
TILES(2) TILES(3) TILES(4) TILES(5) TILES(6) TILES(7) TILES(8)
#undef TILES
#undef TILE
#define TILES(rows)                                                \
    {                                                              \
        V(tile_##rows##_1), V(tile_##rows##_2), V(tile_##rows##_3) \
    }
    static V(Tile) *const
    V(tiles)[8][3] = {TILES(1), TILES(2), TILES(3), TILES(4), TILES(5), TILES(6), TILES(7), TILES(8)};
#undef TILES

/* c[rows][cols] = out(a b), tile by tile; panels of b lie b_panel apart. */
static void V(product)(size_t rows, size_t cols, const f32 *a, size_t a_row, size_t a_k, const f32 *b, size_t b_k,
                       size_t b_panel, size_t k, Output out)
{
    for (size_t i = 0; i < rows; i += ROWS)
        for (size_t j = 0; j < cols; j += PANEL) {
            const size_t tall = least(rows - i, ROWS), wide = least(cols - j, PANEL);
            Output part = out;
            part.c += i * out.ldc + j;
            if (out.bias) part.bias += j;
            V(tiles)
            [tall - 1][(wide - 1) / LANES](wide, a + i * a_row, a_row, a_k, b + j / PANEL * b_panel, b_k, k, &part);
            for (size_t r = 0; out.gelu && r < tall; r++)
                for (size_t c = 0; c < wide; c += LANES) {
                    const V(f32) x = V(load_part)(part.c + r * out.ldc + c, wide - c);
                    V(store_part)(out.gelu + (i + r) * out.ldc + j + c, V(gelu_of)(x), wide - c);
                }
        }
}

/* ---- gemm ---- */

enum { V(GEMM_COLS) = 192, V(GEMM_K) = 384 }; /* of b packed at a time: 288 KiB, for the second-level cache */

typedef struct V(Gemm) {
    const struct gemm_args *args;
    size_t rows, cols; /* of one item */
    size_t col_items;
    size_t k; /* of one block */
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

static void V(gemm_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const V(Gemm) *work = context;
    const struct gemm_args *g = work->args;
    _Alignas(64) f32 packed[V(GEMM_K) * V(GEMM_COLS)];
    const size_t row = item / work->col_items * work->rows, rows = least(g->m - row, work->rows);
    const size_t col = item % work->col_items * work->cols, cols = least(g->n - col, work->cols);
    const size_t at = row * g->ldc + col;
    size_t k0 = 0;
    do {
        const size_t k = least(g->k - k0, work->k);
        const bool first = k0 == 0, last = k0 + k == g->k;
        for (size_t c = 0; c < cols; c += PANEL)
            V(gemm_pack)(g, k0, k, col + c, least(cols - c, PANEL), packed + c * k);
        V(product)
        (rows, cols, g->ta ? g->a + k0 * g->lda + row : g->a + row * g->lda + k0, g->ta ? 1 : g->lda,
         g->ta ? g->lda : 1, packed, PANEL, PANEL * k, k,
         (Output){.c = g->c + at,
                  .gelu = last && g->gelu ? g->gelu + at : NULL,
                  .bias = first && g->bias ? g->bias + col : NULL,
                  .ldc = g->ldc,
                  .alpha = g->alpha,
                  .add = !first || g->accumulate});
        k0 += k;
    } while (k0 < g->k);
}

static void V(gemm)(const void *args)
{
    const struct gemm_args *g = args;
    if (g->m == 0 || g->n == 0) return;
    V(Gemm) work = {.args = g, .rows = g->m, .cols = V(GEMM_COLS)};
    const size_t blocks = parts(g->k, V(GEMM_K));
    work.k = blocks ? parts(parts(g->k, blocks), LANES) * LANES : 0;
    /* About two items for each thread, so that a slow thread costs little. Columns are divided first: an item packs its
     * columns of b, so dividing rows makes several items pack the same. */
    const size_t panels = parts(g->n, PANEL), wanted = 2 * (size_t)threads_count();
    if ((double)g->m * g->n * g->k > 3e4) {
        work.cols = PANEL * least(parts(panels, wanted), V(GEMM_COLS) / PANEL);
        work.rows = parts(parts(g->m, parts(wanted, parts(g->n, work.cols))), ROWS) * ROWS;
    }
    work.col_items = parts(g->n, work.cols);
    parallel(work.col_items * parts(g->m, work.rows), V(gemm_item), &work);
}

#undef PANEL
