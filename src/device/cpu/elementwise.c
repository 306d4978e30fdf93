/* Ops on vectors of any length, in chunks of fixed size. */

enum { V(CHUNK) = 16384 };

/* The op runs its statements for each vector: its first index is i, of which `left` elements exist. */
#define ELEMENTWISE(op, ...)                                                       \
    static void V(op##_item)(void *context, size_t item, int thread)               \
    {                                                                              \
        (void)thread;                                                              \
        const struct op##_args *a = context;                                       \
        const size_t end = least_size(a->n, (item + 1) * V(CHUNK));                \
        for (size_t i = item * V(CHUNK); i < end; i += LANES) {                    \
            const size_t left = end - i;                                           \
            __VA_ARGS__                                                            \
        }                                                                          \
    }                                                                              \
    static void V(op)(const void *args)                                            \
    {                                                                              \
        const struct op##_args *a = args;                                          \
        parallel(ceil_div(a->n, V(CHUNK)), V(op##_item), (void *)(uintptr_t)args); \
    }

ELEMENTWISE(gelu, {
    V(f32) slope;
    const V(f32) x = V(load_part)(a->x + i, left);
    V(store_part)(a->y + i, a->by_tanh ? x * V(gelu_tanh)(x, &slope) : V(gelu_of)(x), left);
})

ELEMENTWISE(gelu_grad, {
    V(f32) slope;
    const V(f32) x = V(load_part)(a->x + i, left), share = a->by_tanh ? V(gelu_tanh)(x, &slope) : V(normal)(x, &slope);
    V(store_part)(a->dx + i, V(load_part)(a->dy + i, left) * V(fma)(x, slope, share), left);
})

ELEMENTWISE(tanh, V(store_part)(a->y + i, V(tanh_of)(V(load_part)(a->x + i, left)), left);)

ELEMENTWISE(tanh_grad, {
    const V(f32) y = V(load_part)(a->y + i, left);
    V(store_part)(a->dx + i, V(load_part)(a->dy + i, left) * V(fnma)(y, y, V(splat)(1)), left);
})

ELEMENTWISE(relu, {
    const V(f32) x = V(load_part)(a->x + i, left);
    V(store_part)(a->y + i, V(select)(x < 0, V(splat)(0), x), left);
})

ELEMENTWISE(relu_grad, {
    const V(i32) off = V(load_part)(a->y + i, left) <= 0;
    V(store_part)(a->dx + i, V(select)(off, V(splat)(0), V(load_part)(a->dy + i, left)), left);
})

ELEMENTWISE(axpby, {
    const V(f32) y = V(load_part)(a->y + i, left) * a->beta, x = V(load_part)(a->x + i, left);
    V(store_part)(a->y + i, V(fma)(x, V(splat)(a->alpha * (a->scale ? a->scale[0] : 1)), y), left);
})

ELEMENTWISE(copy, V(store_part)(a->y + i, V(load_part)(a->x + i, left), left);)

ELEMENTWISE(fill, V(store_part)(a->x + i, V(splat)(a->value), left);)

ELEMENTWISE(path_integral, {
    const V(f32) w = V(load_part)(a->w + i, left), moved = w - V(load_part)(a->before + i, left);
    V(store_part)(a->path + i, V(fnma)(V(load_part)(a->g + i, left), moved, V(load_part)(a->path + i, left)), left);
    V(store_part)(a->before + i, w, left);
})

ELEMENTWISE(consolidate, {
    const V(f32) moved = V(load_part)(a->w + i, left) - V(load_part)(a->anchor + i, left);
    const V(f32) more = V(load_part)(a->path + i, left) / V(fma)(moved, moved, V(splat)(a->damping));
    V(store_part)(a->importance + i, V(load_part)(a->importance + i, left) + more, left);
})

/* ---- AdamW ---- */

INLINE void V(adamw_range)(const struct adamw_args *a, size_t begin, size_t end)
{
    const f32 shrink = a->shrink, rate = a->lr / a->fix1, fix2 = 1 / a->fix2;
    const f32 scale = a->scale ? a->scale[0] : 1, keep1 = 1 - a->beta1, keep2 = 1 - a->beta2;
    for (size_t i = begin; i < end; i += LANES) {
        const size_t left = end - i;
        const V(f32) g = V(load_part)(a->g + i, left) * scale;
        V(f32) m = V(load_part)(a->m + i, left), v = V(load_part)(a->v + i, left);
        m = V(fma)(V(splat)(keep1), g - m, m);
        v = V(fma)(V(splat)(a->beta2), v, keep2 * g * g);
        const V(f32) away = rate * m / V(fma)(V(sqrt)(v), V(splat)(fix2), V(splat)(a->eps));
        V(store_part)(a->w + i, V(fma)(V(load_part)(a->w + i, left), V(splat)(shrink), -away), left);
        V(store_part)(a->m + i, m, left);
        V(store_part)(a->v + i, v, left);
    }
}

static void V(adamw_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct adamw_args *a = context;
    V(adamw_range)(a, item * V(CHUNK), least_size(a->n, (item + 1) * V(CHUNK)));
}

static void V(adamw)(const void *args)
{
    const struct adamw_args *a = args;
    parallel(ceil_div(a->n, V(CHUNK)), V(adamw_item), (void *)(uintptr_t)args);
}

static void V(adamw_rows_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct adamw_rows_args *a = context;
    const struct adamw_args all = {.w = a->w,
                                   .g = a->g,
                                   .m = a->m,
                                   .v = a->v,
                                   .scale = a->scale,
                                   .lr = a->lr,
                                   .beta1 = a->beta1,
                                   .beta2 = a->beta2,
                                   .eps = a->eps,
                                   .shrink = a->shrink,
                                   .fix1 = a->fix1,
                                   .fix2 = a->fix2};
    for (size_t r = item * 64; r < least_size(a->rows, (item + 1) * 64); r++)
        if (a->stamp[r] == ROW_AWAKE) V(adamw_range)(&all, r * a->cols, (r + 1) * a->cols);
}

static void V(adamw_rows)(const void *args)
{
    const struct adamw_rows_args *a = args;
    parallel(ceil_div(a->rows, 64), V(adamw_rows_item), (void *)(uintptr_t)args);
}

static void V(wake_rows_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct wake_rows_args *a = context;
    for (size_t i = item * 16; i < least_size(a->rows, (item + 1) * 16); i++) {
        const size_t r = a->row ? a->row[i] : i;
        if (a->stamp[r] == ROW_AWAKE) continue;
        f32 *w = a->w + r * a->cols;
        for (size_t c = 0; c < a->cols; c += 4 * LANES) { /* four vectors at a time hide the multiplier's latency */
            V(f32) x[4] = {{0}};
            foreach (v, 4)
                if (c + v * LANES < a->cols) x[v] = V(load_part)(w + c + v * LANES, a->cols - c - v * LANES);
            for (u32 k = a->stamp[r]; k < a->step; k++)
                foreach (v, 4) x[v] *= a->factors[k];
            foreach (v, 4)
                if (c + v * LANES < a->cols) V(store_part)(w + c + v * LANES, x[v], a->cols - c - v * LANES);
        }
        a->stamp[r] = a->awake ? ROW_AWAKE : a->step;
    }
}

static void V(wake_rows)(const void *args)
{
    const struct wake_rows_args *a = args;
    parallel(ceil_div(a->rows, 16), V(wake_rows_item), (void *)(uintptr_t)args);
}

/* ---- Partial sums: an item is a block ---- */

static void V(dot_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct dot_args *a = context;
    const size_t start = item * a->block, count = least_size(a->n - start, a->block);
    const size_t from = a->row ? (size_t)a->row[item] * a->block : start;
    const f32 *x = a->x + from, *y = a->y + from;
    V(f32) sum[4] = {{0}};
    size_t i = 0;
    for (; i + 4 * LANES <= count; i += 4 * LANES)
        foreach (v, 4) sum[v] = V(fma)(V(load)(x + i + v * LANES), V(load)(y + i + v * LANES), sum[v]);
    for (; i < count; i += LANES)
        sum[0] = V(fma)(V(load_part)(x + i, count - i), V(load_part)(y + i, count - i), sum[0]);
    a->part[item] = V(sum)((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

static void V(dot)(const void *args)
{
    const struct dot_args *a = args;
    if (a->n) parallel(ceil_div(a->n, a->block), V(dot_item), (void *)(uintptr_t)args);
}

/* A vector of the penalty's gradient; returns `sum` with its part of the penalty's value. */
INLINE V(f32) V(pull)(const struct quadratic_penalty_args *a, size_t i, size_t left, V(f32) sum)
{
    const V(f32) away = V(load_part)(a->w + i, left) - V(load_part)(a->anchor + i, left);
    const V(f32) pull = a->importance ? away * V(load_part)(a->importance + i, left) : away;
    V(store_part)(a->g + i, V(fma)(pull, V(splat)(a->strength), V(load_part)(a->g + i, left)), left);
    return V(fma)(pull, away, sum);
}

static void V(quadratic_penalty_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct quadratic_penalty_args *a = context;
    const size_t end = least_size(a->n, (item + 1) * a->block);
    V(f32) sum[4] = {{0}};
    size_t i = item * a->block;
    for (; i + 4 * LANES <= end; i += 4 * LANES)
        foreach (v, 4) sum[v] = V(pull)(a, i + v * LANES, LANES, sum[v]);
    for (; i < end; i += LANES) sum[0] = V(pull)(a, i, end - i, sum[0]);
    a->part[item] = V(sum)((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

static void V(quadratic_penalty)(const void *args)
{
    const struct quadratic_penalty_args *a = args;
    if (a->n) parallel(ceil_div(a->n, a->block), V(quadratic_penalty_item), (void *)(uintptr_t)args);
}

#undef ELEMENTWISE
