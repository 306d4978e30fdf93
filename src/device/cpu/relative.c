/* Relative positions: one thread has a head of an example. These are tables looked up by distance, so there are no
 * vectors to be had; each sum has the order of the distances, whatever the number of threads. */

static void V(relative_bias_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct relative_bias_args *a = context;
    const size_t h = item % a->heads, e = item / a->heads, first = a->offsets[e], row = (size_t)a->heads * a->buckets;
    const u32 tokens = a->offsets[e + 1] - a->offsets[e];
    const u32 *zero = a->bucket + a->reach - 1; /* of distance 0 */
    for (u32 i = 0; i < tokens; i++) {
        const f32 *of_query = a->a + (first + i) * a->lda + h * a->next_head;
        const f32 *of_key = a->b ? a->b + first * row + h * a->next_head : NULL;
        f32 *bias = a->bias + V(bias_at)(a->heads, a->longest, first + i, (u32)h);
        for (u32 j = 0; j < tokens; j++) {
            const size_t at = (size_t)(zero[(ptrdiff_t)i - j] - a->base) * a->next_bucket;
            bias[j] = of_key ? of_query[at] + of_key[j * row + at] : of_query[at];
        }
    }
}

static void V(relative_bias)(const void *args)
{
    const struct relative_bias_args *a = args;
    parallel((size_t)a->examples * a->heads, V(relative_bias_item), (void *)(uintptr_t)args);
}

/* The keys (or queries) at a bucket's distances from a token: from *begin to before the end, which it returns. */
INLINE u32 V(relative_reach)(const struct relative_bias_grad_args *a, u32 bucket, u32 token, u32 tokens, bool queries,
                             u32 *begin)
{
    const ptrdiff_t zero = (ptrdiff_t)a->reach - 1, low = (ptrdiff_t)a->span[2 * bucket] - zero,
                    high = (ptrdiff_t)a->span[2 * bucket + 1] - zero - 1; /* distances, both included */
    ptrdiff_t from = queries ? token + low : token - high, to = (queries ? token + high : token - low) + 1;
    if (from < 0) from = 0;
    if (to > (ptrdiff_t)tokens) to = tokens;
    *begin = (u32)from;
    return to > from ? (u32)to : (u32)from;
}

static void V(relative_bias_grad_item)(void *context, size_t item, int thread)
{
    (void)thread;
    const struct relative_bias_grad_args *a = context;
    const size_t h = item % a->heads, e = item / a->heads, first = a->offsets[e], row = (size_t)a->heads * a->buckets;
    const size_t next_query = (size_t)a->heads * a->longest;
    const u32 tokens = a->offsets[e + 1] - a->offsets[e];
    const f32 *dbias = a->dbias + V(bias_at)(a->heads, a->longest, first, (u32)h);
    for (u32 b = 0; b < a->buckets; b++) {
        const size_t of = h * a->next_head + (size_t)b * a->next_bucket;
        double all = 0;
        u32 from;
        for (u32 i = 0; i < tokens; i++) {
            f32 sum = 0;
            u32 end = V(relative_reach)(a, b + a->base, i, tokens, false, &from);
            for (u32 j = from; j < end; j++) sum += dbias[i * next_query + j];
            f32 *da = a->da + (first + i) * row + of;
            if (a->by_example)
                all += (double)sum;
            else
                *da = a->accumulate ? *da + sum : sum;
            if (!a->db) continue;
            sum = 0;
            end = V(relative_reach)(a, b + a->base, i, tokens, true, &from);
            for (u32 j = from; j < end; j++) sum += dbias[j * next_query + i];
            a->db[(first + i) * row + of] = sum;
        }
        f32 *of_example = a->da + e * row + of;
        if (a->by_example) *of_example = a->accumulate ? *of_example + (f32)all : (f32)all;
    }
}

static void V(relative_bias_grad)(const void *args)
{
    const struct relative_bias_grad_args *a = args;
    parallel((size_t)a->examples * a->heads, V(relative_bias_grad_item), (void *)(uintptr_t)args);
}
