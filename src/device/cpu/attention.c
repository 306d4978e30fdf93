/* Attention, a block of queries against a block of keys at a time, so that no score ever leaves the cache: the softmax
 * over several blocks of keys is put together as in FlashAttention (Dao et al. 2022). */

enum { V(QUERIES) = 64, V(KEYS) = 128, V(SIZE) = 128 }; /* of one block; SIZE: of a head at most */

/* One (head, example) of either op: where its rows are. */
typedef struct V(Span) {
    u32 head, example, first, tokens, queries;
    size_t row, q_row, column; /* first query row, also that of q; the head's first column */
    CpuSite site;
} V(Span);

/* relative: queries stand with the keys of their token. */
INLINE V(Span) V(span)(const struct attention_args *a, bool relative, size_t item)
{
    V(Span) s = {.head = (u32)(item % a->heads), .example = (u32)(item / a->heads)};
    s.first = a->offsets[s.example];
    s.tokens = a->offsets[s.example + 1] - s.first;
    s.queries = a->first_only ? 1 : s.tokens;
    s.row = a->first_only ? s.example : s.first;
    s.q_row = relative ? s.first : s.row;
    s.column = (size_t)s.head * a->head_dim;
    if (a->drop > 0) s.site = cpu_site(a->drop, a->seed, s.head, a->step, a->site);
    ASSERT(s.tokens <= a->longest);
    return s;
}

/* Softmax over some more scores of one query: p <- keep * exp(p - largest), with the largest and sum so far brought up
 * to date. Returns what the earlier part of the context must be multiplied by. p is filled up to whole vectors. */
INLINE f32 V(softmax_row)(f32 *p, const f32 *keep, size_t count, f32 *largest, f32 *sum)
{
    V(f32) top = V(splat)(*largest), total = V(splat)(0);
    for (size_t j = 0; j < count; j += LANES) top = V(max)(V(limit)(V(load)(p + j), count - j, -INFINITY), top);
    const f32 now = V(largest)(top), earlier = V(exp)(V(splat)(*largest - now))[0];
    for (size_t j = 0; j < count; j += LANES) {
        const V(f32) e = V(limit)(V(exp)(V(load)(p + j) - now), count - j, 0);
        total += e;
        V(store)(p + j, keep ? e * V(load)(keep + j) : e);
    }
    *sum = V(fma)(V(splat)(*sum), V(splat)(earlier), V(splat)(V(sum)(total)))[0];
    *largest = now;
    return earlier;
}

INLINE void V(scale_row)(f32 *x, size_t count, f32 factor)
{
    for (size_t i = 0; i < count; i += LANES) V(store)(x + i, V(load)(x + i) * factor);
}

/* Where relative_bias's terms of query token t are. */
INLINE size_t V(bias_at)(u32 heads, u32 longest, size_t t, u32 h) { return (t * heads + h) * longest; }

/* p [j] += a row of relative_bias's terms. */
INLINE void V(add_row)(f32 *p, const f32 *terms, size_t count)
{
    for (size_t j = 0; j < count; j += LANES) V(store)(p + j, V(load)(p + j) + V(load_part)(terms + j, count - j));
}

/* bias: relative_attention's, or null. */
INLINE void V(attend)(const struct attention_args *a, const f32 *bias, size_t item)
{
    const size_t blocks = a->first_only ? 1 : ceil_div(a->longest, V(QUERIES)), size = a->head_dim,
                 ldc = a->heads * size;
    const V(Span) s = V(span)(a, bias != NULL, item / blocks);
    const size_t begin = item % blocks * V(QUERIES);
    if (begin >= s.queries) return;
    const size_t queries = least_size(s.queries - begin, V(QUERIES));
    const f32 *q = a->q + (s.q_row + begin) * a->ldq + s.column;
    f32 *out = a->context + (s.row + begin) * ldc + s.column;

    _Alignas(64) f32 keys[V(SIZE) * V(KEYS)], p[ROWS * V(KEYS)], keep[ROWS * V(KEYS) + 2 * LANES];
    f32 largest[V(QUERIES)], sum[V(QUERIES)];
    const size_t panel = VECTORS * LANES;
    for (size_t i = 0; i < queries; i++) {
        largest[i] = -INFINITY, sum[i] = 0;
        for (size_t c = 0; c < size && s.tokens == 0; c++) out[i * ldc + c] = 0;
    }
    for (size_t j = 0; j < s.tokens; j += V(KEYS)) {
        const size_t count = least_size(s.tokens - j, V(KEYS));
        const f32 *k = a->kv + (s.first + j) * a->ldkv + s.column;
        const CpuRight kt = {keys, V(KEYS), panel}, v = {k + (size_t)a->heads * size, a->ldkv, panel};
        V(transpose_matrix)(k, a->ldkv, size, count, keys, V(KEYS));
        for (size_t i = 0; i < queries; i += ROWS) {
            const size_t rows = least_size(queries - i, ROWS), width = ceil_div(count, LANES) * LANES;
            const CpuLeft qi = {q + i * a->ldq, a->ldq, 1, 0}, pi = {p, V(KEYS), 1, 0};
            f32 *to = out + i * ldc;
            V(product)(rows, width, size, &qi, &kt, &(CpuOutput){.c = p, .ldc = V(KEYS), .alpha = a->scale});
            if (a->drop > 0) V(keep_block)(&s.site, (u32)(s.first + begin + i), (u32)rows, (u32)j, (u32)count, keep);
            for (size_t r = 0; r < rows; r++) {
                const f32 *row_keep = a->drop > 0 ? keep + r * (ceil_div(count, 4) * 4) : NULL;
                if (bias) V(add_row)
                (p + r * V(KEYS), bias + V(bias_at)(a->heads, a->longest, s.first + begin + i + r, s.head) + j, count);
                f32 earlier = V(softmax_row)(p + r * V(KEYS), row_keep, count, &largest[i + r], &sum[i + r]);
                if (j > 0) V(scale_row)(to + r * ldc, size, earlier);
            }
            V(product)(rows, size, count, &pi, &v, &(CpuOutput){.c = to, .ldc = ldc, .alpha = 1, .add = j > 0});
        }
    }
    for (size_t i = 0; i < queries; i++) {
        if (s.tokens) V(scale_row)(out + i * ldc, size, 1 / sum[i]);
        a->lse[(s.row + begin + i) * a->heads + s.head] = (f32)(largest[i] + math_log(sum[i]));
    }
}

static void V(attention_item)(void *context, size_t item, int thread)
{
    (void)thread;
    V(attend)(context, NULL, item);
}

static void V(attention)(const void *args)
{
    const struct attention_args *a = args;
    if (a->head_dim % LANES || a->head_dim > V(SIZE)) {
        plain_attention(a);
        return;
    }
    const size_t blocks = a->first_only ? 1 : ceil_div(a->longest, V(QUERIES));
    parallel(a->examples * blocks * a->heads, V(attention_item), (void *)(uintptr_t)args);
}

static void V(relative_attention_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct relative_attention_args *a = context;
    const struct attention_args as = {RELATIVE_ATTENTION(a), .context = a->context, .lse = a->lse};
    V(attend)(&as, a->bias, item);
}

static void V(relative_attention)(const void *args)
{
    const struct relative_attention_args *a = args;
    if (a->head_dim % LANES || a->head_dim > V(SIZE)) {
        plain_relative_attention(a);
        return;
    }
    const size_t blocks = a->first_only ? 1 : ceil_div(a->longest, V(QUERIES));
    parallel(a->examples * blocks * a->heads, V(relative_attention_item), (void *)(uintptr_t)args);
}

/* ---- Backward ---- */

/* For one query: p, its scores, becomes keep * exp(p - lse), the probabilities after dropout; ds, its gradients of
 * the probabilities after dropout, becomes the gradient of the scores. */
INLINE void V(softmax_row_grad)(f32 *p, f32 *ds, const f32 *keep, size_t count, f32 lse, f32 shared, f32 scale)
{
    for (size_t j = 0; j < count; j += LANES) {
        const V(f32) e = V(exp)(V(load)(p + j) - lse), dp = V(load)(ds + j);
        const V(f32) kept = keep ? V(load)(keep + j) : V(splat)(1);
        V(store)(p + j, e * kept);
        V(store)(ds + j, e * (dp * kept - shared) * scale);
    }
}

INLINE f32 V(inner)(const f32 *x, const f32 *y, size_t count)
{
    V(f32) sum = V(splat)(0);
    for (size_t i = 0; i < count; i += LANES) sum = V(fma)(V(load)(x + i), V(load)(y + i), sum);
    return V(sum)(sum);
}

/* x [j] = terms [j] for whole vectors, and no further. */
INLINE void V(copy_row)(f32 *x, const f32 *terms, size_t count)
{
    for (size_t j = 0; j < count; j += LANES) V(store_part)(x + j, V(load)(terms + j), count - j);
}

/* bias, dbias: relative_attention_grad's, or null; with a bias ds is not scaled, but the products of it are. */
INLINE void V(attend_grad)(const struct attention_grad_args *a, const f32 *bias, f32 *dbias, size_t item)
{
    const f32 scale = bias ? 1 : a->scale, scale_after = bias ? a->scale : 1;
    const V(Span) s = V(span)(&(struct attention_args){.offsets = a->offsets,
                                                       .examples = a->examples,
                                                       .heads = a->heads,
                                                       .head_dim = a->head_dim,
                                                       .first_only = a->first_only,
                                                       .longest = a->longest,
                                                       .drop = a->drop,
                                                       .seed = a->seed,
                                                       .step = a->step,
                                                       .site = a->site},
                              bias != NULL, item);
    const size_t size = a->head_dim, ldc = a->heads * size, panel = VECTORS * LANES;
    _Alignas(64) f32 keys[V(SIZE) * V(KEYS)], values[V(SIZE) * V(KEYS)];
    _Alignas(64) f32 p[V(QUERIES) * V(KEYS)], ds[V(QUERIES) * V(KEYS)], keep[ROWS * V(KEYS) + 2 * LANES];
    for (size_t c = 0; c < size && s.tokens == 0 && s.queries && !bias; c++) a->dq[s.row * a->ldq + s.column + c] = 0;

    for (size_t j = 0; j < s.tokens; j += V(KEYS)) {
        const size_t count = least_size(s.tokens - j, V(KEYS)), width = ceil_div(count, LANES) * LANES;
        const size_t k_at = (s.first + j) * a->ldkv + s.column, v_at = k_at + (size_t)a->heads * size;
        const CpuRight k = {a->kv + k_at, a->ldkv, panel}, kt = {keys, V(KEYS), panel}, vt = {values, V(KEYS), panel};
        V(transpose_matrix)(a->kv + k_at, a->ldkv, size, count, keys, V(KEYS));
        V(transpose_matrix)(a->kv + v_at, a->ldkv, size, count, values, V(KEYS));
        for (size_t begin = 0; begin < s.queries; begin += V(QUERIES)) {
            const size_t queries = least_size(s.queries - begin, V(QUERIES));
            const size_t q_at = (s.q_row + begin) * a->ldq + s.column, c_at = (s.row + begin) * ldc + s.column;
            for (size_t i = 0; i < queries; i += ROWS) {
                const size_t rows = least_size(queries - i, ROWS);
                const CpuLeft qi = {a->q + q_at + i * a->ldq, a->ldq, 1, 0};
                const CpuLeft dci = {a->dcontext + c_at + i * ldc, ldc, 1, 0};
                f32 *pi = p + i * V(KEYS), *dsi = ds + i * V(KEYS), *dqi = a->dq + q_at + i * a->ldq;
                V(product)(rows, width, size, &qi, &kt, &(CpuOutput){.c = pi, .ldc = V(KEYS), .alpha = a->scale});
                V(product)(rows, width, size, &dci, &vt, &(CpuOutput){.c = dsi, .ldc = V(KEYS), .alpha = 1});
                if (a->drop > 0)
                    V(keep_block)(&s.site, (u32)(s.first + begin + i), (u32)rows, (u32)j, (u32)count, keep);
                for (size_t r = 0; r < rows; r++) {
                    const f32 *row_keep = a->drop > 0 ? keep + r * (ceil_div(count, 4) * 4) : NULL;
                    const f32 shared = V(inner)(dci.at + r * ldc, a->context + c_at + (i + r) * ldc, size);
                    const f32 lse = a->lse[(s.row + begin + i + r) * a->heads + s.head];
                    const size_t bias_at = V(bias_at)(a->heads, a->longest, s.first + begin + i + r, s.head) + j;
                    if (bias) V(add_row)(pi + r * V(KEYS), bias + bias_at, count);
                    V(softmax_row_grad)(pi + r * V(KEYS), dsi + r * V(KEYS), row_keep, count, lse, shared, scale);
                    if (dbias) V(copy_row)(dbias + bias_at, dsi + r * V(KEYS), count);
                }
                const CpuOutput dq = {.c = dqi, .ldc = a->ldq, .alpha = scale_after, .add = j > 0};
                V(product)(rows, size, count, &(CpuLeft){dsi, V(KEYS), 1, 0}, &k, &dq);
            }
            const CpuRight q = {a->q + q_at, a->ldq, panel}, dc = {a->dcontext + c_at, ldc, panel};
            const CpuOutput dk = {.c = a->dkv + k_at, .ldc = a->ldkv, .alpha = scale_after, .add = begin > 0};
            const CpuOutput dv = {.c = a->dkv + v_at, .ldc = a->ldkv, .alpha = 1, .add = begin > 0};
            V(product)(count, size, queries, &(CpuLeft){ds, 1, V(KEYS), ROWS}, &q, &dk);
            V(product)(count, size, queries, &(CpuLeft){p, 1, V(KEYS), ROWS}, &dc, &dv);
        }
    }
}

static void V(attention_grad_item)(void *context, size_t item, int thread)
{
    (void)thread;
    V(attend_grad)(context, NULL, NULL, item);
}

static void V(attention_grad)(const void *args)
{
    const struct attention_grad_args *a = args;
    if (a->head_dim % LANES || a->head_dim > V(SIZE)) {
        plain_attention_grad(a);
        return;
    }
    parallel((size_t)a->examples * a->heads, V(attention_grad_item), (void *)(uintptr_t)args);
}

static void V(relative_attention_grad_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct relative_attention_grad_args *a = context;
    const struct attention_grad_args as = {RELATIVE_ATTENTION(a), .context = a->context,
                                           .lse = a->lse,         .dcontext = a->dcontext,
                                           .dq = a->dqkv,         .dkv = a->dqkv + (size_t)a->heads * a->head_dim};
    V(attend_grad)(&as, a->bias, a->dbias, item);
}

static void V(relative_attention_grad)(const void *args)
{
    const struct relative_attention_grad_args *a = args;
    if (a->head_dim % LANES || a->head_dim > V(SIZE)) {
        plain_relative_attention_grad(a);
        return;
    }
    parallel((size_t)a->examples * a->heads, V(relative_attention_grad_item), (void *)(uintptr_t)args);
}
