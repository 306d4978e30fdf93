/* The plain versions of what encoders with turned positions and local attention have of their own. No include guard: a
 * part of plain.c. */

/* Of token i of `tokens`, the keys that count: begin .. end - 1. */
static void PLAIN(near)(u32 i, u32 tokens, u32 window, u32 *begin, u32 *end)
{
    *begin = i > window ? i - window : 0;
    *end = tokens - i > window ? i + window + 1 : tokens;
}

static void PLAIN(attention_local)(const void *args)
{
    const PLAIN_ARGS(attention_local) *a = args;
    const u32 width = a->heads * a->head_dim;
    Arena scratch = {0};
    double *p = arena_new(&scratch, double, a->longest); /* a row of probabilities, after dropout */
    for (u32 h = 0; h < a->heads; h++)
        for (u32 e = 0; e < a->examples; e++) {
            const PLAIN(Mask) mask = PLAIN(mask)(a->drop, a->seed, h, a->step, a->site);
            const u32 first = a->offsets[e], tokens = a->offsets[e + 1] - first;
            ASSERT(tokens <= a->longest);
            const f32 *k = a->kv + (size_t)first * a->ldkv + h * a->head_dim, *v = k + width;
            for (u32 i = 0; i < tokens; i++) {
                const f32 *q = a->q + (size_t)(first + i) * a->ldq + h * a->head_dim;
                double largest = -INFINITY, sum = 0;
                u32 begin, end;
                PLAIN(near)(i, tokens, a->window, &begin, &end);
                for (u32 j = begin; j < end; j++) {
                    p[j] = a->scale * PLAIN(inner)(q, k + (size_t)j * a->ldkv, a->head_dim);
                    largest = fmax(largest, p[j]);
                }
                for (u32 j = begin; j < end; j++) sum += math_exp(p[j] - largest);
                const double lse = largest + math_log(sum);
                for (u32 j = begin; j < end; j++) p[j] = math_exp(p[j] - lse) * PLAIN(keep)(&mask, first + i, j);
                for (u32 s = 0; s < a->head_dim; s++) {
                    double c = 0;
                    for (u32 j = begin; j < end; j++) c += p[j] * v[(size_t)j * a->ldkv + s];
                    a->context[(size_t)(first + i) * width + h * a->head_dim + s] = (f32)c;
                }
                a->lse[(size_t)(first + i) * a->heads + h] = (f32)lse;
            }
        }
    arena_free(&scratch);
}

/* As attention_grad; sums of keys are kept apart until all queries have added to them. */
static void PLAIN(attention_local_grad)(const void *args)
{
    const PLAIN_ARGS(attention_local_grad) *a = args;
    const u32 width = a->heads * a->head_dim, size = a->head_dim;
    Arena scratch = {0};
    double *dk = arena_new(&scratch, double, (size_t)a->longest *size), *dq = arena_new(&scratch, double, size);
    double *dv = arena_new(&scratch, double, (size_t)a->longest *size);
    for (u32 h = 0; h < a->heads; h++)
        for (u32 e = 0; e < a->examples; e++) {
            const PLAIN(Mask) mask = PLAIN(mask)(a->drop, a->seed, h, a->step, a->site);
            const u32 first = a->offsets[e], tokens = a->offsets[e + 1] - first;
            const f32 *k = a->kv + (size_t)first * a->ldkv + h * size, *v = k + width;
            ASSERT(tokens <= a->longest);
            for (size_t i = 0; i < (size_t)tokens * size; i++) dk[i] = dv[i] = 0;
            for (u32 i = 0; i < tokens; i++) {
                const size_t row = first + i;
                const f32 *q = a->q + row * a->ldq + h * size, *dout = a->dcontext + row * width + h * size;
                const double lse = a->lse[row * a->heads + h],
                             shared = PLAIN(inner)(dout, a->context + row * width + h * size, size);
                u32 begin, end;
                PLAIN(near)(i, tokens, a->window, &begin, &end);
                for (u32 s = 0; s < size; s++) dq[s] = 0;
                for (u32 j = begin; j < end; j++) {
                    const f32 *kj = k + (size_t)j * a->ldkv, *vj = v + (size_t)j * a->ldkv;
                    const double prob = math_exp(a->scale * PLAIN(inner)(q, kj, size) - lse);
                    const double keep = PLAIN(keep)(&mask, first + i, j);
                    const double ds = a->scale * prob * (keep * PLAIN(inner)(dout, vj, size) - shared);
                    for (u32 s = 0; s < size; s++) {
                        dq[s] += ds * kj[s];
                        dk[(size_t)j * size + s] += ds * q[s];
                        dv[(size_t)j * size + s] += prob * keep * dout[s];
                    }
                }
                for (u32 s = 0; s < size; s++) a->dq[row * a->ldq + h * size + s] = (f32)dq[s];
            }
            for (u32 j = 0; j < tokens; j++)
                for (u32 s = 0; s < size; s++) {
                    f32 *to = a->dkv + (size_t)(first + j) * a->ldkv + h * size + s;
                    to[0] = (f32)dk[(size_t)j * size + s];
                    to[width] = (f32)dv[(size_t)j * size + s];
                }
        }
    arena_free(&scratch);
}

static void PLAIN(rope)(const void *args)
{
    const PLAIN_ARGS(rope) *a = args;
    const u32 half = a->head_dim / 2;
    for (u32 r = 0; r < a->rows; r++)
        for (u32 h = 0; h < a->heads; h++)
            for (u32 i = 0; i < half; i++) {
                f32 *x = a->x + (size_t)r * a->ld + h * a->head_dim + i;
                const f32 *turn = a->table + (size_t)a->positions[r] * a->head_dim + i;
                const double u = x[0], v = x[half], c = turn[0], s = a->back ? -turn[half] : turn[half];
                x[0] = (f32)(u * c - v * s);
                x[half] = (f32)(v * c + u * s);
            }
}

static void PLAIN(average)(const void *args)
{
    const PLAIN_ARGS(average) *a = args;
    for (u32 e = 0; e < a->examples; e++)
        for (u32 c = 0; c < a->cols; c++) {
            const u32 rows = a->offsets[e + 1] - a->offsets[e];
            double sum = 0;
            for (u32 r = a->offsets[e]; r < a->offsets[e + 1]; r++) sum += a->x[(size_t)r * a->cols + c];
            a->y[(size_t)e * a->cols + c] = (f32)(rows ? sum / rows : 0);
        }
}

static void PLAIN(average_grad)(const void *args)
{
    const PLAIN_ARGS(average_grad) *a = args;
    for (u32 e = 0; e < a->examples; e++)
        for (u32 r = a->offsets[e]; r < a->offsets[e + 1]; r++)
            for (u32 c = 0; c < a->cols; c++)
                a->dx[(size_t)r * a->cols + c] =
                    (f32)(a->dy[(size_t)e * a->cols + c] / (double)(a->offsets[e + 1] - a->offsets[e]));
}
