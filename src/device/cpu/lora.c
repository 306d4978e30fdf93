/* LoRA's narrow products, with dropout applied to the wide matrix on the way: a block of it at a time, which stays in
 * the cache and goes into the tiles of product.c. As there, how the work is cut into items cannot change a bit. */

enum { V(LORA_ROWS) = 2 * ROWS }; /* of a block */

typedef struct V(Lora) {
    const void *args;
    size_t rows, cols, col_items; /* of one item, whichever it is cut by */
} V(Lora);

/* out[r][c] = dropout(x)[row + r][col + c], r < rows, c < cols. col: a multiple of 4; width: the distance between out's
 * rows, a multiple of 4, at least cols; 2 * LANES floats after out's end may be written. */
static void V(lora_dropped)(const CpuSite *site, const f32 *x, size_t ldx, size_t row, size_t rows, size_t col,
                            size_t cols, size_t width, f32 *out)
{
    V(keep_block)(site, (u32)row, (u32)rows, (u32)col, (u32)width, out);
    x += row * ldx + col;
    for (size_t r = 0; r < rows; r++, x += ldx, out += width)
        for (size_t c = 0; c < cols; c += LANES)
            V(store_part)(out + c, V(load)(out + c) * V(load_part)(x + c, cols - c), cols - c);
}

/* op(b)[k0 ..][col ..] in panels; see gemm_pack. */
static CpuRight V(lora_pack)(const f32 *b, size_t ldb, bool tb, size_t k0, size_t k, size_t col, size_t cols,
                             f32 *packed)
{
    const struct gemm_args g = {.b = (f32 *)(uintptr_t)b, .ldb = (u32)ldb, .tb = tb};
    for (size_t p = 0; p < cols; p += PANEL)
        V(gemm_pack)(&g, k0, k, col + p, least_size(cols - p, PANEL), packed + p * k);
    return (CpuRight){packed, PANEL, PANEL * k};
}

static void V(lora_down_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const V(Lora) *work = context;
    const struct lora_down_args *l = work->args;
    _Alignas(64) f32 packed[V(GEMM_K) * V(GEMM_COLS)], dropped[V(LORA_ROWS) * V(GEMM_K) + 2 * LANES];
    const size_t begin = item * work->rows, end = least_size(l->rows, begin + work->rows);
    for (u32 t = 0; t < l->targets; t++) {
        const CpuSite site = cpu_site(l->drop, l->seed, 0, l->step, l->site + t * l->next_site);
        const f32 *a = l->a + (size_t)t * l->next;
        f32 *low = l->low + (size_t)t * l->rows * l->r;
        for (size_t j = 0; j < l->r; j += V(GEMM_COLS)) {
            const size_t ranks = least_size(l->r - j, V(GEMM_COLS));
            size_t k0 = 0;
            do {
                const size_t k = least_size(l->cols - k0, V(GEMM_K)), width = (k + 3) / 4 * 4;
                const CpuRight right = V(lora_pack)(a, l->cols, true, k0, k, j, ranks, packed);
                for (size_t i = begin; i < end; i += V(LORA_ROWS)) {
                    const size_t rows = least_size(end - i, V(LORA_ROWS));
                    CpuLeft left = {l->x + i * l->cols + k0, l->cols, 1, ROWS * (size_t)l->cols};
                    if (site.threshold) {
                        V(lora_dropped)(&site, l->x, l->cols, i, rows, k0, k, width, dropped);
                        left = (CpuLeft){dropped, width, 1, ROWS * width};
                    }
                    V(product)
                    (rows, ranks, k, &left, &right,
                     &(CpuOutput){.c = low + i * l->r + j, .ldc = l->r, .alpha = 1, .add = k0 > 0});
                }
                k0 += k;
            } while (k0 < l->cols);
        }
    }
}

static void V(lora_down)(const void *args)
{
    const struct lora_down_args *l = args;
    V(Lora) work = {.args = l, .rows = V(piece)(l->rows, 2 * (size_t)threads_count(), ROWS, SIZE_MAX)};
    if (l->rows && l->r) parallel(ceil_div(l->rows, work.rows), V(lora_down_item), &work);
}

static void V(lora_dx_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const V(Lora) *work = context;
    const struct lora_dx_args *l = work->args;
    _Alignas(64) f32 packed[V(GEMM_K) * V(GEMM_COLS)];
    _Alignas(64) f32 sum[V(LORA_ROWS) * V(GEMM_COLS)], keep[V(LORA_ROWS) * V(GEMM_COLS) + 2 * LANES];
    const size_t begin = item * work->rows, end = least_size(l->rows, begin + work->rows);
    for (size_t col = 0; col < l->cols; col += V(GEMM_COLS)) {
        const size_t cols = least_size(l->cols - col, V(GEMM_COLS)), width = (cols + 3) / 4 * 4;
        for (u32 t = 0; t < l->targets; t++) {
            const CpuSite site = cpu_site(l->drop, l->seed, 0, l->step, l->site + t * l->next_site);
            const f32 *a = l->a + (size_t)t * l->next, *dlow = l->dlow + (size_t)t * l->rows * l->r;
            for (size_t k0 = 0, k; k0 < l->r; k0 += k) {
                k = least_size(l->r - k0, V(GEMM_K));
                const CpuRight right = V(lora_pack)(a, l->cols, false, k0, k, col, cols, packed);
                for (size_t i = begin; i < end; i += V(LORA_ROWS)) {
                    const size_t rows = least_size(end - i, V(LORA_ROWS));
                    const CpuLeft left = {dlow + i * l->r + k0, l->r, 1, ROWS * (size_t)l->r};
                    f32 *dx = l->dx + i * l->cols + col;
                    if (!site.threshold) {
                        V(product)
                        (rows, cols, k, &left, &right, &(CpuOutput){.c = dx, .ldc = l->cols, .alpha = 1, .add = true});
                        continue;
                    }
                    V(product)(rows, cols, k, &left, &right, &(CpuOutput){.c = sum, .ldc = V(GEMM_COLS), .alpha = 1});
                    V(keep_block)(&site, (u32)i, (u32)rows, (u32)col, (u32)cols, keep);
                    for (size_t r = 0; r < rows; r++, dx += l->cols)
                        for (size_t c = 0; c < cols; c += LANES) {
                            const V(f32) more = V(load)(sum + r * V(GEMM_COLS) + c) * V(load)(keep + r * width + c);
                            V(store_part)(dx + c, V(load_part)(dx + c, cols - c) + more, cols - c);
                        }
                }
            }
        }
    }
}

static void V(lora_dx)(const void *args)
{
    const struct lora_dx_args *l = args;
    V(Lora) work = {.args = l, .rows = V(piece)(l->rows, 2 * (size_t)threads_count(), ROWS, SIZE_MAX)};
    if (l->rows) parallel(ceil_div(l->rows, work.rows), V(lora_dx_item), &work);
}

/* Of one target, the gradient of A's columns. */
static void V(lora_da_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const V(Lora) *work = context;
    const struct lora_dw_args *l = work->args;
    _Alignas(64) f32 packed_a[V(GEMM_K) * V(GEMM_ROWS)], packed_b[V(GEMM_K) * V(GEMM_COLS) + 2 * LANES];
    const u32 t = (u32)(item / work->col_items);
    const CpuSite site = cpu_site(l->drop, l->seed, 0, l->step, l->site + t * l->next_site);
    const size_t col = item % work->col_items * work->cols, cols = least_size(l->cols - col, work->cols);
    const f32 *dlow = l->dlow + (size_t)t * l->rows * l->r;
    f32 *da = l->da + (size_t)t * l->next + col;
    size_t k0 = 0;
    do {
        const size_t k = least_size(l->rows - k0, V(GEMM_K));
        CpuRight right = {packed_b, PANEL, PANEL * k};
        if (!site.threshold) right = V(lora_pack)(l->x, l->cols, false, k0, k, col, cols, packed_b);
        for (size_t p = 0; p < cols && site.threshold; p += PANEL)
            V(lora_dropped)(&site, l->x, l->cols, k0, k, col + p, least_size(cols - p, PANEL), PANEL, packed_b + p * k);
        for (size_t j = 0; j < l->r; j += V(GEMM_ROWS)) {
            const size_t ranks = least_size(l->r - j, V(GEMM_ROWS));
            const CpuLeft left = V(gemm_pack_rows)(dlow + k0 * l->r + j, l->r, ranks, k, packed_a);
            V(product)
            (ranks, cols, k, &left, &right,
             &(CpuOutput){.c = da + j * l->cols, .ldc = l->cols, .alpha = 1, .add = k0 > 0});
        }
        k0 += k;
    } while (k0 < l->rows);
}

static void V(lora_dw)(const void *args)
{
    const struct lora_dw_args *l = args;
    if (!l->targets || !l->r) return;
    V(gemm)
    (&(struct gemm_args){.a = l->dy,
                         .b = l->low,
                         .c = l->db,
                         .m = l->wide,
                         .n = l->r,
                         .k = l->rows,
                         .lda = l->lddy,
                         .ldb = l->r,
                         .ldc = l->r,
                         .ta = 1,
                         .alpha = l->alpha,
                         .more = l->targets - 1,
                         .stride_a = l->next_dy,
                         .stride_b = l->rows * l->r,
                         .stride_c = l->next});
    if (!l->cols) return;
    V(Lora) work = {.args = l};
    work.cols = V(piece)(l->cols, ceil_div(2 * (size_t)threads_count(), l->targets), PANEL, V(GEMM_COLS));
    work.col_items = ceil_div(l->cols, work.cols);
    parallel(work.col_items * l->targets, V(lora_da_item), &work);
}
