/* Ops on the rows of matrices: LayerNorm, sums over rows, tables, dropout. */

/* Calls `item` for blocks of rows of about 16,384 elements together. */
typedef struct V(Rows) {
    const void *args;
    size_t rows, block;
    void (*row)(const void *args, size_t row);
} V(Rows);

static void V(rows_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const V(Rows) *work = context;
    for (size_t r = item * work->block; r < least_size(work->rows, (item + 1) * work->block); r++)
        work->row(work->args, r);
}

static void V(each_row)(const void *args, size_t rows, size_t cols, void (*row)(const void *args, size_t row))
{
    if (cols == 0) return;
    V(Rows) work = {.args = args, .rows = rows, .block = ceil_div(8192, cols), .row = row};
    parallel(ceil_div(rows, work.block), V(rows_item), &work);
}

/* ---- LayerNorm ---- */

static void V(layernorm_row)(const void *args, size_t r)
{
    const struct layernorm_args *a = args;
    const size_t cols = a->cols;
    f32 *x = a->x + r * cols, *y = a->y + r * cols;
    const f32 *residual = a->residual ? a->residual + r * cols : NULL;
    const CpuSite site = cpu_site(a->drop, a->seed, 0, a->step, a->site);
    V(f32) sum[2] = {{0}}, square[2] = {{0}};
    for (size_t c = 0; c < cols; c += 2 * LANES) {
        V(f32) keep[2];
        V(keep_row)(&site, (u32)r, (u32)c, keep);
        foreach (h, 2) {
            const size_t at = c + h * LANES;
            if (at >= cols) break;
            V(f32) value = V(load_part)(x + at, cols - at) * keep[h];
            if (residual) value += V(load_part)(residual + at, cols - at);
            if (residual || a->drop > 0) V(store_part)(x + at, value, cols - at);
            sum[h] += value;
        }
    }
    const f32 mean = V(sum)(sum[0] + sum[1]) / (f32)cols;
    for (size_t c = 0; c < cols; c += 2 * LANES)
        foreach (h, 2) {
            const size_t at = c + h * LANES;
            if (at >= cols) break;
            const V(f32) d = V(limit)(V(load_part)(x + at, cols - at) - mean, cols - at, 0);
            square[h] = V(fma)(d, d, square[h]);
        }
    const f32 rstd = 1 / sqrtf(V(sum)(square[0] + square[1]) / (f32)cols + a->eps);
    for (size_t c = 0; c < cols; c += LANES) {
        const V(f32) normal = (V(load_part)(x + c, cols - c) - mean) * rstd;
        const V(f32) gamma = V(load_part)(a->gamma + c, cols - c), beta = V(load_part)(a->beta + c, cols - c);
        V(store_part)(y + c, V(fma)(normal, gamma, beta), cols - c);
    }
    a->mean[r] = mean;
    a->rstd[r] = rstd;
}

static void V(layernorm)(const void *args)
{
    const struct layernorm_args *a = args;
    V(each_row)(a, a->rows, a->cols, V(layernorm_row));
}

static void V(layernorm_dx_row)(const void *args, size_t r)
{
    const struct layernorm_dx_args *a = args;
    const size_t cols = a->cols, row = r * cols;
    const f32 mean = a->mean[r], rstd = a->rstd[r];
    const f32 *x = a->x + row, *dy = a->dy + row;
    V(f32) sum[2] = {{0}}, sum_normal[2] = {{0}};
    for (size_t c = 0; c < cols; c += 2 * LANES)
        foreach (h, 2) {
            const size_t at = c + h * LANES;
            if (at >= cols) break;
            const V(f32) d = V(load_part)(dy + at, cols - at) * V(load_part)(a->gamma + at, cols - at);
            sum[h] += d;
            sum_normal[h] = V(fma)(d, V(load_part)(x + at, cols - at) - mean, sum_normal[h]);
        }
    const f32 mean_d = V(sum)(sum[0] + sum[1]) / (f32)cols;
    const f32 mean_normal = V(sum)(sum_normal[0] + sum_normal[1]) * rstd / (f32)cols;
    const CpuSite site = cpu_site(a->dx ? a->drop : 0, a->seed, 0, a->step, a->site);
    for (size_t c = 0; c < cols; c += 2 * LANES) {
        V(f32) keep[2];
        V(keep_row)(&site, (u32)r, (u32)c, keep);
        foreach (h, 2) {
            const size_t at = c + h * LANES;
            if (at >= cols) break;
            const V(f32) dyc = V(load_part)(dy + at, cols - at), gamma = V(load_part)(a->gamma + at, cols - at);
            const V(f32) normal = (V(load_part)(x + at, cols - at) - mean) * rstd;
            const V(f32) d = V(fma)(dyc, gamma, V(splat)(-mean_d));
            const V(f32) dsum = rstd * V(fnma)(normal, V(splat)(mean_normal), d);
            V(store_part)(a->dsum + row + at, dsum, cols - at);
            if (a->dx) V(store_part)(a->dx + row + at, dsum * keep[h], cols - at);
        }
    }
}

static void V(layernorm_dx)(const void *args)
{
    const struct layernorm_dx_args *a = args;
    V(each_row)(a, a->rows, a->cols, V(layernorm_dx_row));
}

/* ---- Sums over rows: two vectors of columns at a time, in blocks of 32 rows, so that rounding errors stay small ----
 */

enum { V(SUM_COLS) = 2 * LANES, V(SUM_ROWS) = 32 };

static void V(column_sum_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct column_sum_args *a = context;
    for (size_t c = item * V(SUM_COLS); c < least_size(a->cols, (item + 1) * V(SUM_COLS)); c += LANES) {
        const size_t left = a->cols - c;
        V(f32) total = V(splat)(0);
        for (size_t r = 0; r < a->rows;) {
            V(f32) sum = V(splat)(0);
            for (size_t end = least_size(a->rows, r + V(SUM_ROWS)); r < end; r++)
                sum += V(load_part)(a->x + r * a->ld + c, left);
            total += sum;
        }
        V(store_part)(a->y + c, total, left);
    }
}

static void V(column_sum)(const void *args)
{
    const struct column_sum_args *a = args;
    parallel(ceil_div(a->cols, V(SUM_COLS)), V(column_sum_item), (void *)(uintptr_t)args);
}

static void V(layernorm_dw_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct layernorm_dw_args *a = context;
    for (size_t c = item * V(SUM_COLS); c < least_size(a->cols, (item + 1) * V(SUM_COLS)); c += LANES) {
        const size_t left = a->cols - c;
        V(f32) dgamma = V(splat)(0), dbeta = V(splat)(0);
        for (size_t r = 0; r < a->rows;) {
            V(f32) sum = V(splat)(0), sum_normal = V(splat)(0);
            for (size_t end = least_size(a->rows, r + V(SUM_ROWS)); r < end; r++) {
                const V(f32) dy = V(load_part)(a->dy + r * a->cols + c, left);
                const V(f32) normal = (V(load_part)(a->x + r * a->cols + c, left) - a->mean[r]) * a->rstd[r];
                sum += dy;
                sum_normal = V(fma)(dy, normal, sum_normal);
            }
            dbeta += sum;
            dgamma += sum_normal;
        }
        V(store_part)(a->dgamma + c, dgamma, left);
        V(store_part)(a->dbeta + c, dbeta, left);
    }
}

static void V(layernorm_dw)(const void *args)
{
    const struct layernorm_dw_args *a = args;
    parallel(ceil_div(a->cols, V(SUM_COLS)), V(layernorm_dw_item), (void *)(uintptr_t)args);
}

/* An item has the more columns the fewer rows there are. */
static size_t V(importance_cols)(const struct column_importance_args *a)
{
    return ceil_div(ceil_div(8192, a->rows + 1), LANES) * LANES;
}

static void V(column_importance_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct column_importance_args *a = context;
    const size_t cols = V(importance_cols)(a);
    for (size_t c = item * cols; c < least_size(a->cols, (item + 1) * cols); c += LANES) {
        const size_t left = a->cols - c;
        V(f32) gamma = V(splat)(0), beta = V(splat)(0);
        for (size_t e = 0; e < a->examples; e++) {
            V(f32) dgamma = V(splat)(0), dbeta = V(splat)(0);
            for (size_t r = a->offsets[e]; r < a->offsets[e + 1]; r++) {
                const V(f32) dy = V(load_part)(a->dy + r * a->ld + c, left);
                if (a->x) {
                    const V(f32) normal = (V(load_part)(a->x + r * a->cols + c, left) - a->mean[r]) * a->rstd[r];
                    dgamma = V(fma)(dy, normal, dgamma);
                }
                dbeta += dy;
            }
            gamma += V(power_of)(dgamma, a->power);
            beta += V(power_of)(dbeta, a->power);
        }
        const V(f32) scale = V(splat)(a->scale);
        if (a->x) V(store_part)(a->gamma + c, V(fma)(gamma, scale, V(load_part)(a->gamma + c, left)), left);
        V(store_part)(a->beta + c, V(fma)(beta, scale, V(load_part)(a->beta + c, left)), left);
    }
}

static void V(column_importance)(const void *args)
{
    const struct column_importance_args *a = args;
    parallel(ceil_div(a->cols, V(importance_cols)(a)), V(column_importance_item), (void *)(uintptr_t)args);
}

/* ---- Dropout ---- */

static void V(dropout_row)(const void *args, size_t r)
{
    const struct dropout_args *a = args;
    const size_t cols = a->cols;
    const f32 *x = a->x + r * cols;
    f32 *y = a->y + r * cols;
    const CpuSite site = cpu_site(a->drop, a->seed, 0, a->step, a->site);
    for (size_t c = 0; c < cols; c += 2 * LANES) {
        V(f32) keep[2];
        V(keep_row)(&site, (u32)r, (u32)c, keep);
        foreach (h, 2) {
            const size_t at = c + h * LANES;
            if (at >= cols) break;
            V(store_part)(y + at, V(load_part)(x + at, cols - at) * keep[h], cols - at);
        }
    }
}

static void V(dropout)(const void *args)
{
    const struct dropout_args *a = args;
    V(each_row)(a, a->rows, a->cols, V(dropout_row));
}

/* ---- Tables ---- */

static void V(embed_row)(const void *args, size_t t)
{
    const struct embed_args *a = args;
    const size_t cols = a->cols;
    const f32 *word = a->word + a->ids[t] * cols;
    const f32 *position = a->position ? a->position + a->positions[t] * cols : NULL;
    const f32 *type = a->type ? a->type + a->types[t] * cols : NULL;
    for (size_t c = 0; c < cols; c += LANES) {
        const size_t left = cols - c;
        V(f32) sum = V(load_part)(word + c, left);
        if (position) sum += V(load_part)(position + c, left);
        if (type) sum += V(load_part)(type + c, left);
        V(store_part)(a->y + t * cols + c, sum, left);
    }
}

static void V(embed)(const void *args)
{
    const struct embed_args *a = args;
    V(each_row)(a, a->rows, a->cols, V(embed_row));
}

static void V(embed_grad_row)(const void *args, size_t u)
{
    const struct embed_grad_args *a = args;
    for (size_t c = 0; c < a->cols; c += LANES) {
        V(f32) sum = V(splat)(0);
        for (size_t j = a->starts[u]; j < a->starts[u + 1]; j++)
            sum += V(load_part)(a->dy + (size_t)a->order[j] * a->cols + c, a->cols - c);
        V(store_part)(a->dtable + (size_t)a->row[u] * a->cols + c, sum, a->cols - c);
    }
}

static void V(embed_grad)(const void *args)
{
    const struct embed_grad_args *a = args;
    V(each_row)(a, a->unique, a->cols, V(embed_grad_row));
}

static void V(embed_importance_row)(const void *args, size_t u)
{
    const struct embed_importance_args *a = args;
    f32 *to = a->table + (size_t)a->row[u] * a->cols;
    for (size_t c = 0; c < a->cols; c += LANES) {
        const size_t left = a->cols - c;
        V(f32) total = V(splat)(0), sum = V(splat)(0); /* of all examples so far; of this one */
        u32 end = 0;                                   /* of this example's tokens */
        for (size_t j = a->starts[u], e = 0; j < a->starts[u + 1]; j++) {
            const u32 token = a->order[j];
            if (token >= end) {
                total += V(power_of)(sum, a->power);
                sum = V(splat)(0);
                while (token >= end) end = a->offsets[++e];
            }
            sum += V(load_part)(a->dy + (size_t)token * a->cols + c, left);
        }
        total += V(power_of)(sum, a->power);
        V(store_part)(to + c, V(fma)(total, V(splat)(a->scale), V(load_part)(to + c, left)), left);
    }
}

static void V(embed_importance)(const void *args)
{
    const struct embed_importance_args *a = args;
    V(each_row)(a, a->unique, a->cols, V(embed_importance_row));
}

static void V(gather_row)(const void *args, size_t i)
{
    const struct gather_rows_args *a = args;
    memcpy(a->y + i * a->cols, a->x + (size_t)a->index[i] * a->ldx, a->cols * sizeof *a->y);
}

static void V(gather_rows)(const void *args)
{
    const struct gather_rows_args *a = args;
    V(each_row)(a, a->rows, a->cols, V(gather_row));
}

static void V(scatter_row)(const void *args, size_t i)
{
    const struct scatter_rows_args *a = args;
    f32 *y = a->y + (size_t)a->index[i] * a->ldy;
    for (size_t c = 0; c < a->cols; c += LANES) {
        const size_t left = a->cols - c;
        V(store_part)(y + c, V(load_part)(y + c, left) + V(load_part)(a->x + i * a->cols + c, left), left);
    }
}

static void V(scatter_rows)(const void *args)
{
    const struct scatter_rows_args *a = args;
    V(each_row)(a, a->rows, a->cols, V(scatter_row));
}

static void V(zero_row)(const void *args, size_t i)
{
    const struct zero_rows_args *a = args;
    memset(a->x + (size_t)a->row[i] * a->cols, 0, a->cols * sizeof *a->x);
}

static void V(zero_rows)(const void *args)
{
    const struct zero_rows_args *a = args;
    V(each_row)(a, a->rows, a->cols, V(zero_row));
}

/* ---- Gated GELU, turned positions, means of examples ---- */

static void V(geglu_row)(const void *args, size_t r)
{
    const struct geglu_args *a = args;
    const f32 *x = a->x + 2 * r * a->cols, *gate = x + a->cols;
    for (size_t c = 0; c < a->cols; c += LANES) {
        const size_t left = a->cols - c;
        const V(f32) y = V(gelu_of)(V(load_part)(x + c, left)) * V(load_part)(gate + c, left);
        V(store_part)(a->y + r * a->cols + c, y, left);
    }
}

static void V(geglu)(const void *args)
{
    const struct geglu_args *a = args;
    V(each_row)(a, a->rows, a->cols, V(geglu_row));
}

static void V(geglu_grad_row)(const void *args, size_t r)
{
    const struct geglu_grad_args *a = args;
    const f32 *from = a->x + 2 * r * a->cols;
    f32 *to = a->dx + 2 * r * a->cols;
    for (size_t c = 0; c < a->cols; c += LANES) {
        V(f32) density;
        const size_t left = a->cols - c;
        const V(f32) x = V(load_part)(from + c, left), gate = V(load_part)(from + a->cols + c, left);
        const V(f32) dy = V(load_part)(a->dy + r * a->cols + c, left), share = V(normal)(x, &density);
        V(store_part)(to + c, dy * gate * V(fma)(x, density, share), left);
        V(store_part)(to + a->cols + c, dy * x * share, left);
    }
}

static void V(geglu_grad)(const void *args)
{
    const struct geglu_grad_args *a = args;
    V(each_row)(a, a->rows, a->cols, V(geglu_grad_row));
}

static void V(rope_row)(const void *args, size_t r)
{
    const struct rope_args *a = args;
    const size_t half = a->head_dim / 2;
    const f32 *turn = a->table + (size_t)a->positions[r] * a->head_dim;
    for (size_t h = 0; h < a->heads; h++) {
        f32 *x = a->x + r * a->ld + h * a->head_dim;
        for (size_t i = 0; i < half; i += LANES) {
            const size_t left = half - i;
            const V(f32) u = V(load_part)(x + i, left), v = V(load_part)(x + half + i, left);
            const V(f32) cosine = V(load_part)(turn + i, left), sine = V(load_part)(turn + half + i, left);
            const V(f32) turned = a->back ? -sine : sine;
            V(store_part)(x + i, V(fnma)(v, turned, u * cosine), left);
            V(store_part)(x + half + i, V(fma)(u, turned, v * cosine), left);
        }
    }
}

static void V(rope)(const void *args)
{
    const struct rope_args *a = args;
    V(each_row)(a, a->rows, (size_t)a->heads * a->head_dim, V(rope_row));
}

static void V(average_row)(const void *args, size_t e)
{
    const struct average_args *a = args;
    const size_t rows = a->offsets[e + 1] - a->offsets[e];
    for (size_t c = 0; c < a->cols; c += LANES) {
        V(f32) total = V(splat)(0);
        for (size_t r = a->offsets[e]; r < a->offsets[e + 1];) { /* in blocks, as other sums over rows */
            V(f32) sum = V(splat)(0);
            for (size_t end = least_size(a->offsets[e + 1], r + V(SUM_ROWS)); r < end; r++)
                sum += V(load_part)(a->x + r * a->cols + c, a->cols - c);
            total += sum;
        }
        V(store_part)(a->y + e * a->cols + c, rows ? total / (f32)rows : total, a->cols - c);
    }
}

static void V(average)(const void *args)
{
    const struct average_args *a = args;
    V(each_row)(a, a->examples, a->cols, V(average_row));
}

static void V(average_grad_row)(const void *args, size_t e)
{
    const struct average_grad_args *a = args;
    const size_t rows = a->offsets[e + 1] - a->offsets[e];
    for (size_t c = 0; c < a->cols && rows; c += LANES) {
        const V(f32) share = V(load_part)(a->dy + e * a->cols + c, a->cols - c) / (f32)rows;
        for (size_t r = a->offsets[e]; r < a->offsets[e + 1]; r++)
            V(store_part)(a->dx + r * a->cols + c, share, a->cols - c);
    }
}

static void V(average_grad)(const void *args)
{
    const struct average_grad_args *a = args;
    V(each_row)(a, a->examples, a->cols, V(average_grad_row));
}
