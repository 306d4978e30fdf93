/* Attention to near tokens: as attention.c, but a block of queries meets only the blocks of keys that lie near it.
 * Where a key is too far its score is LOCAL_FAR: so little that its probability is 0 beside any other's, and that what
 * a block of such keys alone has added is multiplied by 0 when the first near one comes. */

#define LOCAL_FAR (-1e30f)
enum { V(NEAR_KEYS) = 64 }; /* of a block: smaller than in attention.c, since the ends of a window are blocks in part */

/* One block of queries of one head of one example. */
typedef struct V(Near) {
    u32 head, example, first, tokens;
    size_t column, begin, queries; /* begin: the block's first token within the example */
    size_t from, to;               /* the keys that some of them see */
    CpuSite site;
} V(Near);

/* The keys from `begin - window` to `end + window`, end exclusive, as far as there are any. */
INLINE void V(near_range)(size_t begin, size_t end, size_t window, size_t tokens, size_t *from, size_t *to)
{
    *from = begin > window ? begin - window : 0;
    *to = tokens - end > window ? end + window : tokens;
}

/* item: example, head, and the block of `rows` tokens within the example. False when there is none. */
INLINE bool V(near_block)(const struct attention_local_args *a, size_t item, size_t rows, V(Near) * s)
{
    const size_t blocks = ceil_div(a->longest, rows), pair = item / blocks;
    *s = (V(Near)){.head = (u32)(pair % a->heads), .example = (u32)(pair / a->heads), .begin = item % blocks * rows};
    s->first = a->offsets[s->example];
    s->tokens = a->offsets[s->example + 1] - s->first;
    s->column = (size_t)s->head * a->head_dim;
    ASSERT(s->tokens <= a->longest);
    if (s->begin >= s->tokens) return false;
    if (a->drop > 0) s->site = cpu_site(a->drop, a->seed, s->head, a->step, a->site);
    s->queries = least_size(s->tokens - s->begin, rows);
    V(near_range)(s->begin, s->begin + s->queries, a->window, s->tokens, &s->from, &s->to);
    return true;
}

/* p: the scores of `rows` queries from token i on with `count` keys from j on, `ld` apart. */
INLINE void V(near_mask)(f32 *p, size_t ld, size_t rows, size_t i, size_t j, size_t count, size_t window)
{
    for (size_t r = 0; r < rows; r++, i++, p += ld) {
        const size_t from = i > window + j ? least_size(i - window - j, count) : 0;
        const size_t to = i + window + 1 > j ? least_size(i + window + 1 - j, count) : 0;
        for (size_t c = 0; c < from; c++) p[c] = LOCAL_FAR;
        for (size_t c = to; c < count; c++) p[c] = LOCAL_FAR;
    }
}

/* Whether one of the queries i .. i + rows - 1 sees one of the keys j .. j + count - 1. */
INLINE bool V(near_meet)(size_t i, size_t rows, size_t j, size_t count, size_t window)
{
    return i <= j + count - 1 + window && j <= i + rows - 1 + window;
}

static void V(attention_local_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct attention_local_args *a = context;
    const size_t size = a->head_dim, ldc = a->heads * size, panel = VECTORS * LANES;
    V(Near) s;
    if (!V(near_block)(a, item, V(QUERIES), &s)) return;
    const f32 *q = a->q + (s.first + s.begin) * a->ldq + s.column;
    f32 *out = a->context + (s.first + s.begin) * ldc + s.column;

    _Alignas(64) f32 keys[V(SIZE) * V(NEAR_KEYS)], p[ROWS * V(NEAR_KEYS)], keep[ROWS * V(NEAR_KEYS) + 2 * LANES];
    f32 largest[V(QUERIES)], sum[V(QUERIES)];
    bool met[V(QUERIES)] = {false}; /* by the first of ROWS queries */
    for (size_t i = 0; i < s.queries; i++) largest[i] = LOCAL_FAR, sum[i] = 0;
    for (size_t j = s.from / 4 * 4; j < s.to; j += V(NEAR_KEYS)) { /* dropout comes for four keys at a time */
        const size_t count = least_size(s.to - j, V(NEAR_KEYS));
        const f32 *k = a->kv + (s.first + j) * a->ldkv + s.column;
        const CpuRight kt = {keys, V(NEAR_KEYS), panel}, v = {k + (size_t)a->heads * size, a->ldkv, panel};
        V(transpose_matrix)(k, a->ldkv, size, count, keys, V(NEAR_KEYS));
        for (size_t i = 0; i < s.queries; i += ROWS) {
            const size_t rows = least_size(s.queries - i, ROWS), width = ceil_div(count, LANES) * LANES;
            const CpuLeft qi = {q + i * a->ldq, a->ldq, 1, 0}, pi = {p, V(NEAR_KEYS), 1, 0};
            f32 *to = out + i * ldc;
            if (!V(near_meet)(s.begin + i, rows, j, count, a->window)) continue;
            V(product)(rows, width, size, &qi, &kt, &(CpuOutput){.c = p, .ldc = V(NEAR_KEYS), .alpha = a->scale});
            V(near_mask)(p, V(NEAR_KEYS), rows, s.begin + i, j, count, a->window);
            if (a->drop > 0) V(keep_block)(&s.site, (u32)(s.first + s.begin + i), (u32)rows, (u32)j, (u32)count, keep);
            for (size_t r = 0; r < rows; r++) {
                const f32 *row_keep = a->drop > 0 ? keep + r * (ceil_div(count, 4) * 4) : NULL;
                f32 earlier = V(softmax_row)(p + r * V(NEAR_KEYS), row_keep, count, &largest[i + r], &sum[i + r]);
                if (met[i]) V(scale_row)(to + r * ldc, size, earlier);
            }
            V(product)(rows, size, count, &pi, &v, &(CpuOutput){.c = to, .ldc = ldc, .alpha = 1, .add = met[i]});
            met[i] = true;
        }
    }
    for (size_t i = 0; i < s.queries; i++) {
        V(scale_row)(out + i * ldc, size, 1 / sum[i]);
        a->lse[(s.first + s.begin + i) * a->heads + s.head] = (f32)(largest[i] + math_log(sum[i]));
    }
}

static void V(attention_local)(const void *args)
{
    const struct attention_local_args *a = args;
    if (a->head_dim % LANES || a->head_dim > V(SIZE)) {
        plain_attention_local(a);
        return;
    }
    parallel(a->examples * ceil_div(a->longest, V(QUERIES)) * a->heads, V(attention_local_item),
             (void *)(uintptr_t)args);
}

/* ---- Backward: an item is a head of an example, which walks over its keys as attention_grad does ---- */

static void V(attention_local_grad_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct attention_local_grad_args *a = context;
    const u32 head = (u32)(item % a->heads), example = (u32)(item / a->heads);
    const size_t first = a->offsets[example], tokens = a->offsets[example + 1] - first;
    const size_t size = a->head_dim, ldc = a->heads * size, panel = VECTORS * LANES, column = head * size;
    const CpuSite site = cpu_site(a->drop, a->seed, head, a->step, a->site);
    _Alignas(64) f32 keys[V(SIZE) * V(NEAR_KEYS)], values[V(SIZE) * V(NEAR_KEYS)];
    _Alignas(64) f32 p[V(QUERIES) * V(NEAR_KEYS)], ds[V(QUERIES) * V(NEAR_KEYS)], keep[ROWS * V(NEAR_KEYS) + 2 * LANES];
    ASSERT(tokens <= a->longest);
    for (size_t i = 0; i < tokens; i++)
        for (size_t c = 0; c < size; c += LANES) V(store)(a->dq + (first + i) * a->ldq + column + c, V(splat)(0));

    for (size_t j = 0; j < tokens; j += V(NEAR_KEYS)) {
        const size_t count = least_size(tokens - j, V(NEAR_KEYS)), width = ceil_div(count, LANES) * LANES;
        const size_t k_at = (first + j) * a->ldkv + column, v_at = k_at + (size_t)a->heads * size;
        const CpuRight k = {a->kv + k_at, a->ldkv, panel}, kt = {keys, V(NEAR_KEYS), panel},
                       vt = {values, V(NEAR_KEYS), panel};
        size_t from, to;
        V(near_range)(j, j + count, a->window, tokens, &from, &to);
        V(transpose_matrix)(a->kv + k_at, a->ldkv, size, count, keys, V(NEAR_KEYS));
        V(transpose_matrix)(a->kv + v_at, a->ldkv, size, count, values, V(NEAR_KEYS));
        for (size_t begin = from; begin < to; begin += V(QUERIES)) {
            const size_t queries = least_size(to - begin, V(QUERIES));
            const size_t q_at = (first + begin) * a->ldq + column, c_at = (first + begin) * ldc + column;
            for (size_t i = 0; i < queries; i += ROWS) {
                const size_t rows = least_size(queries - i, ROWS);
                const CpuLeft qi = {a->q + q_at + i * a->ldq, a->ldq, 1, 0};
                const CpuLeft dci = {a->dcontext + c_at + i * ldc, ldc, 1, 0};
                f32 *pi = p + i * V(NEAR_KEYS), *dsi = ds + i * V(NEAR_KEYS), *dqi = a->dq + q_at + i * a->ldq;
                V(product)(rows, width, size, &qi, &kt, &(CpuOutput){.c = pi, .ldc = V(NEAR_KEYS), .alpha = a->scale});
                V(near_mask)(pi, V(NEAR_KEYS), rows, begin + i, j, count, a->window);
                V(product)(rows, width, size, &dci, &vt, &(CpuOutput){.c = dsi, .ldc = V(NEAR_KEYS), .alpha = 1});
                if (a->drop > 0) V(keep_block)(&site, (u32)(first + begin + i), (u32)rows, (u32)j, (u32)count, keep);
                for (size_t r = 0; r < rows; r++) {
                    const f32 *row_keep = a->drop > 0 ? keep + r * (ceil_div(count, 4) * 4) : NULL;
                    const f32 shared = V(inner)(dci.at + r * ldc, a->context + c_at + (i + r) * ldc, size);
                    const f32 lse = a->lse[(first + begin + i + r) * a->heads + head];
                    V(softmax_row_grad)
                    (pi + r * V(NEAR_KEYS), dsi + r * V(NEAR_KEYS), row_keep, count, lse, shared, a->scale);
                }
                const CpuOutput dq = {.c = dqi, .ldc = a->ldq, .alpha = 1, .add = true};
                V(product)(rows, size, count, &(CpuLeft){dsi, V(NEAR_KEYS), 1, 0}, &k, &dq);
            }
            const CpuRight q = {a->q + q_at, a->ldq, panel}, dc = {a->dcontext + c_at, ldc, panel};
            const CpuOutput dk = {.c = a->dkv + k_at, .ldc = a->ldkv, .alpha = 1, .add = begin > from};
            const CpuOutput dv = {.c = a->dkv + v_at, .ldc = a->ldkv, .alpha = 1, .add = begin > from};
            V(product)(count, size, queries, &(CpuLeft){ds, 1, V(NEAR_KEYS), ROWS}, &q, &dk);
            V(product)(count, size, queries, &(CpuLeft){p, 1, V(NEAR_KEYS), ROWS}, &dc, &dv);
        }
    }
}

static void V(attention_local_grad)(const void *args)
{
    const struct attention_local_grad_args *a = args;
    if (a->head_dim % LANES || a->head_dim > V(SIZE)) {
        plain_attention_local_grad(a);
        return;
    }
    parallel((size_t)a->examples * a->heads, V(attention_local_grad_item), (void *)(uintptr_t)args);
}
#undef LOCAL_FAR
