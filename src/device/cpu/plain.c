/* The plain versions: each op as its formula reads in ops.h, on one thread, sums in double. They are the oracle for
 * every faster version. The tests include this file a second time with f32 = double, for finite differences. */
#include "../device.h"
#include <math.h>

#ifndef PLAIN
#define PLAIN(name) plain_##name
#define PLAIN_ARGS(op) struct op##_args
#endif
#ifndef RELATIVE_ATTENTION
/* What attention and attention_grad share with the op x on relative positions. */
#define RELATIVE_ATTENTION(x)                                                                                       \
    .q = (x)->qkv, .kv = (x)->qkv + (x)->heads * (x)->head_dim, .offsets = (x)->offsets, .examples = (x)->examples, \
    .heads = (x)->heads, .head_dim = (x)->head_dim, .ldq = (x)->ld, .ldkv = (x)->ld, .first_only = (x)->first_only, \
    .longest = (x)->longest, .scale = (x)->scale, .drop = (x)->drop, .seed = (x)->seed, .step = (x)->step,          \
    .site = (x)->site
#endif

/* ---- Dropout ---- */

/* A site's mask for one head. keep(row, col) is 0 or 1 / (1 - drop). */
typedef struct PLAIN(Mask) {
    u32 key[2], step, site;
    double threshold;
    f32 scale;
} PLAIN(Mask);

static PLAIN(Mask) PLAIN(mask)(f32 drop, u32 seed, u32 head, u32 step, u32 site)
{
    ASSERT(drop >= 0 && drop < 1);
    return (PLAIN(Mask)){.key = {seed, DROPOUT_KEY + head},
                         .step = step,
                         .site = site,
                         .threshold = (double)drop * 4294967296.0,
                         .scale = (f32)(1.0 / (1.0 - (double)drop))};
}

static f32 PLAIN(keep)(const PLAIN(Mask) * mask, u32 row, u32 col)
{
    if (mask->threshold == 0) return 1;
    u32 words[4];
    philox4x32((u32[4]){col / 4, row, mask->step, mask->site}, mask->key, words);
    return words[col % 4] >= mask->threshold ? mask->scale : 0;
}

static void PLAIN(dropout)(const void *args)
{
    const PLAIN_ARGS(dropout) *a = args;
    PLAIN(Mask) mask = PLAIN(mask)(a->drop, a->seed, 0, a->step, a->site);
    for (u32 r = 0; r < a->rows; r++)
        for (u32 c = 0; c < a->cols; c++) {
            size_t i = (size_t)r * a->cols + c;
            a->y[i] = a->x[i] * PLAIN(keep)(&mask, r, c);
        }
}

/* ---- Matrix product and activations ---- */

static double PLAIN(gelu_of)(double x) { return 0.5 * x * (1 + math_erf(x * M_SQRT1_2)); }

static double PLAIN(gelu_slope)(double x)
{
    const double density = math_exp(-0.5 * x * x) * (M_SQRT1_2 * 0.5 * M_2_SQRTPI);
    return 0.5 * (1 + math_erf(x * M_SQRT1_2)) + x * density;
}

/* By tanh. sqrt(2 / pi) = M_2_SQRTPI * M_SQRT1_2. */
static double PLAIN(gelu_tanh_of)(double x)
{
    return 0.5 * x * (1 + math_tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x)));
}

static double PLAIN(gelu_tanh_slope)(double x)
{
    const double scale = M_2_SQRTPI * M_SQRT1_2, t = math_tanh(scale * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * scale * (1 + 3 * 0.044715 * x * x);
}

static void PLAIN(gemm)(const void *args)
{
    const PLAIN_ARGS(gemm) *g = args;
    for (size_t p = 0; p <= g->more; p++) {
        const f32 *x = g->a + p * g->stride_a, *y = g->b + p * g->stride_b;
        for (u32 i = 0; i < g->m; i++)
            for (u32 j = 0; j < g->n; j++) {
                double sum = 0;
                for (u32 l = 0; l < g->k; l++) {
                    double a = g->ta ? x[(size_t)l * g->lda + i] : x[(size_t)i * g->lda + l];
                    double b = g->tb ? y[(size_t)j * g->ldb + l] : y[(size_t)l * g->ldb + j];
                    sum += a * b;
                }
                size_t at = p * g->stride_c + (size_t)i * g->ldc + j;
                double c = g->k ? g->alpha * sum : 0;
                if (g->bias) c += g->bias[j];
                if (g->accumulate) c += g->c[at];
                g->c[at] = (f32)c;
                if (g->gelu) g->gelu[at] = (f32)PLAIN(gelu_of)(c);
            }
    }
}

static void PLAIN(gelu)(const void *args)
{
    const PLAIN_ARGS(gelu) *a = args;
    for (u32 i = 0; i < a->n; i++) a->y[i] = (f32)(a->by_tanh ? PLAIN(gelu_tanh_of)(a->x[i]) : PLAIN(gelu_of)(a->x[i]));
}

static void PLAIN(gelu_grad)(const void *args)
{
    const PLAIN_ARGS(gelu_grad) *a = args;
    for (u32 i = 0; i < a->n; i++)
        a->dx[i] = (f32)(a->dy[i] * (a->by_tanh ? PLAIN(gelu_tanh_slope)(a->x[i]) : PLAIN(gelu_slope)(a->x[i])));
}

static void PLAIN(geglu)(const void *args)
{
    const PLAIN_ARGS(geglu) *a = args;
    for (u32 r = 0; r < a->rows; r++)
        for (u32 c = 0; c < a->cols; c++) {
            const f32 *x = a->x + 2 * (size_t)r * a->cols + c;
            a->y[(size_t)r * a->cols + c] = (f32)(PLAIN(gelu_of)(x[0]) * x[a->cols]);
        }
}

static void PLAIN(geglu_grad)(const void *args)
{
    const PLAIN_ARGS(geglu_grad) *a = args;
    for (u32 r = 0; r < a->rows; r++)
        for (u32 c = 0; c < a->cols; c++) {
            const size_t at = 2 * (size_t)r * a->cols + c;
            const double x = a->x[at], gate = a->x[at + a->cols], dy = a->dy[(size_t)r * a->cols + c];
            a->dx[at] = (f32)(dy * PLAIN(gelu_slope)(x) * gate);
            a->dx[at + a->cols] = (f32)(dy * PLAIN(gelu_of)(x));
        }
}

static void PLAIN(tanh)(const void *args)
{
    const PLAIN_ARGS(tanh) *a = args;
    for (u32 i = 0; i < a->n; i++) a->y[i] = (f32)math_tanh(a->x[i]);
}

static void PLAIN(tanh_grad)(const void *args)
{
    const PLAIN_ARGS(tanh_grad) *a = args;
    for (u32 i = 0; i < a->n; i++) a->dx[i] = (f32)(a->dy[i] * (1 - (double)a->y[i] * a->y[i]));
}

static void PLAIN(relu)(const void *args)
{
    const PLAIN_ARGS(relu) *a = args;
    for (u32 i = 0; i < a->n; i++) a->y[i] = a->x[i] < 0 ? 0 : a->x[i];
}

static void PLAIN(relu_grad)(const void *args)
{
    const PLAIN_ARGS(relu_grad) *a = args;
    for (u32 i = 0; i < a->n; i++) a->dx[i] = a->y[i] <= 0 ? 0 : a->dy[i];
}

/* ---- LoRA ---- */

static void PLAIN(lora_down)(const void *args)
{
    const PLAIN_ARGS(lora_down) *l = args;
    Arena scratch = {0};
    double *dropped = arena_new(&scratch, double, l->cols); /* a row of dropout_t(x) */
    for (u32 t = 0; t < l->targets; t++) {
        const PLAIN(Mask) mask = PLAIN(mask)(l->drop, l->seed, 0, l->step, l->site + t * l->next_site);
        const f32 *a = l->a + (size_t)t * l->next;
        for (u32 i = 0; i < l->rows; i++) {
            for (u32 c = 0; c < l->cols; c++) dropped[c] = l->x[(size_t)i * l->cols + c] * PLAIN(keep)(&mask, i, c);
            for (u32 j = 0; j < l->r; j++) {
                double sum = 0;
                for (u32 c = 0; c < l->cols; c++) sum += dropped[c] * a[(size_t)j * l->cols + c];
                l->low[((size_t)t * l->rows + i) * l->r + j] = (f32)sum;
            }
        }
    }
    arena_free(&scratch);
}

static void PLAIN(lora_dx)(const void *args)
{
    const PLAIN_ARGS(lora_dx) *l = args;
    for (u32 i = 0; i < l->rows; i++)
        for (u32 c = 0; c < l->cols; c++) {
            double total = l->dx[(size_t)i * l->cols + c];
            for (u32 t = 0; t < l->targets; t++) {
                const PLAIN(Mask) mask = PLAIN(mask)(l->drop, l->seed, 0, l->step, l->site + t * l->next_site);
                const f32 *a = l->a + (size_t)t * l->next, *dlow = l->dlow + ((size_t)t * l->rows + i) * l->r;
                double sum = 0;
                for (u32 j = 0; j < l->r; j++) sum += (double)dlow[j] * a[(size_t)j * l->cols + c];
                total += sum * PLAIN(keep)(&mask, i, c);
            }
            l->dx[(size_t)i * l->cols + c] = (f32)total;
        }
}

static void PLAIN(lora_dw)(const void *args)
{
    const PLAIN_ARGS(lora_dw) *l = args;
    Arena scratch = {0};
    double *dropped = arena_new(&scratch, double, l->rows); /* a column of dropout_t(x) */
    for (u32 t = 0; t < l->targets; t++) {
        const PLAIN(Mask) mask = PLAIN(mask)(l->drop, l->seed, 0, l->step, l->site + t * l->next_site);
        const f32 *low = l->low + (size_t)t * l->rows * l->r, *dlow = l->dlow + (size_t)t * l->rows * l->r;
        const f32 *dy = l->dy + (size_t)t * l->next_dy;
        f32 *da = l->da + (size_t)t * l->next, *db = l->db + (size_t)t * l->next;
        for (u32 c = 0; c < l->cols; c++) {
            for (u32 i = 0; i < l->rows; i++) dropped[i] = l->x[(size_t)i * l->cols + c] * PLAIN(keep)(&mask, i, c);
            for (u32 j = 0; j < l->r; j++) {
                double sum = 0;
                for (u32 i = 0; i < l->rows; i++) sum += dlow[(size_t)i * l->r + j] * dropped[i];
                da[(size_t)j * l->cols + c] = (f32)sum;
            }
        }
        for (u32 c = 0; c < l->wide; c++) {
            for (u32 j = 0; j < l->r; j++) {
                double sum = 0;
                for (u32 i = 0; i < l->rows; i++)
                    sum += (double)dy[(size_t)i * l->lddy + c] * low[(size_t)i * l->r + j];
                db[(size_t)c * l->r + j] = (f32)(l->alpha * sum);
            }
        }
    }
    arena_free(&scratch);
}

/* ---- LayerNorm and sums over rows ---- */

static void PLAIN(layernorm)(const void *args)
{
    const PLAIN_ARGS(layernorm) *a = args;
    PLAIN(Mask) mask = PLAIN(mask)(a->drop, a->seed, 0, a->step, a->site);
    for (u32 r = 0; r < a->rows && a->cols; r++) {
        f32 *x = a->x + (size_t)r * a->cols, *y = a->y + (size_t)r * a->cols;
        double mean = 0, variance = 0;
        for (u32 c = 0; c < a->cols; c++) {
            x[c] *= PLAIN(keep)(&mask, r, c);
            if (a->residual) x[c] += a->residual[(size_t)r * a->cols + c];
            mean += x[c];
        }
        mean /= a->cols;
        for (u32 c = 0; c < a->cols; c++) variance += (x[c] - mean) * (x[c] - mean);
        double rstd = 1 / sqrt(variance / a->cols + a->eps);
        for (u32 c = 0; c < a->cols; c++) y[c] = (f32)((x[c] - mean) * rstd * a->gamma[c] + a->beta[c]);
        a->mean[r] = (f32)mean;
        a->rstd[r] = (f32)rstd;
    }
}

static void PLAIN(layernorm_dx)(const void *args)
{
    const PLAIN_ARGS(layernorm_dx) *a = args;
    PLAIN(Mask) mask = PLAIN(mask)(a->dx ? a->drop : 0, a->seed, 0, a->step, a->site);
    for (u32 r = 0; r < a->rows; r++) {
        size_t row = (size_t)r * a->cols;
        double mean = a->mean[r], rstd = a->rstd[r], sum = 0, sum_normal = 0;
        for (u32 c = 0; c < a->cols; c++) {
            double d = (double)a->dy[row + c] * a->gamma[c];
            sum += d;
            sum_normal += d * (a->x[row + c] - mean) * rstd;
        }
        for (u32 c = 0; c < a->cols; c++) {
            double d = (double)a->dy[row + c] * a->gamma[c], normal = (a->x[row + c] - mean) * rstd;
            f32 dsum = (f32)(rstd * (d - sum / a->cols - normal * sum_normal / a->cols));
            a->dsum[row + c] = dsum;
            if (a->dx) a->dx[row + c] = dsum * PLAIN(keep)(&mask, r, c);
        }
    }
}

static void PLAIN(layernorm_dw)(const void *args)
{
    const PLAIN_ARGS(layernorm_dw) *a = args;
    for (u32 c = 0; c < a->cols; c++) {
        double dgamma = 0, dbeta = 0;
        for (u32 r = 0; r < a->rows; r++) {
            double dy = a->dy[(size_t)r * a->cols + c];
            dgamma += dy * ((double)a->x[(size_t)r * a->cols + c] - a->mean[r]) * a->rstd[r];
            dbeta += dy;
        }
        a->dgamma[c] = (f32)dgamma;
        a->dbeta[c] = (f32)dbeta;
    }
}

static void PLAIN(column_sum)(const void *args)
{
    const PLAIN_ARGS(column_sum) *a = args;
    for (u32 c = 0; c < a->cols; c++) {
        double sum = 0;
        for (u32 r = 0; r < a->rows; r++) sum += a->x[(size_t)r * a->ld + c];
        a->y[c] = (f32)sum;
    }
}

/* ---- Attention ---- */

static double PLAIN(inner)(const f32 *x, const f32 *y, u32 n)
{
    double sum = 0;
    for (u32 i = 0; i < n; i++) sum += (double)x[i] * y[i];
    return sum;
}

/* Where relative_bias's term of query token t and key j is. */
static size_t PLAIN(bias_at)(u32 heads, u32 longest, u32 t, u32 h, u32 j)
{
    return ((size_t)t * heads + h) * longest + j;
}

/* bias: relative_attention's, whose queries stand with the keys of their token; else null. */
static void PLAIN(attend)(const PLAIN_ARGS(attention) * a, const f32 *bias)
{
    const u32 width = a->heads * a->head_dim;
    Arena scratch = {0};
    double *p = arena_new(&scratch, double, a->longest); /* a row of probabilities, after dropout */
    for (u32 h = 0; h < a->heads; h++)
        for (u32 e = 0; e < a->examples; e++) {
            const PLAIN(Mask) mask = PLAIN(mask)(a->drop, a->seed, h, a->step, a->site);
            const u32 first = a->offsets[e], tokens = a->offsets[e + 1] - first;
            const u32 queries = a->first_only ? 1 : tokens, row = a->first_only ? e : first;
            ASSERT(tokens <= a->longest);
            const f32 *k = a->kv + (size_t)first * a->ldkv + h * a->head_dim, *v = k + width;
            const f32 *q = a->q + (size_t)(bias ? first : row) * a->ldq + h * a->head_dim;
            f32 *context = a->context + (size_t)row * width + h * a->head_dim;
            for (u32 i = 0; i < queries; i++, q += a->ldq, context += width) {
                double largest = -INFINITY, sum = 0;
                for (u32 j = 0; j < tokens; j++) {
                    p[j] = a->scale * PLAIN(inner)(q, k + (size_t)j * a->ldkv, a->head_dim) +
                           (bias ? bias[PLAIN(bias_at)(a->heads, a->longest, first + i, h, j)] : 0);
                    largest = fmax(largest, p[j]);
                }
                for (u32 j = 0; j < tokens; j++) sum += math_exp(p[j] - largest);
                const double lse = largest + math_log(sum);
                for (u32 j = 0; j < tokens; j++) p[j] = math_exp(p[j] - lse) * PLAIN(keep)(&mask, first + i, j);
                for (u32 s = 0; s < a->head_dim; s++) {
                    double c = 0;
                    for (u32 j = 0; j < tokens; j++) c += p[j] * v[(size_t)j * a->ldkv + s];
                    context[s] = (f32)c;
                }
                a->lse[(size_t)(row + i) * a->heads + h] = (f32)lse;
            }
        }
    arena_free(&scratch);
}

static void PLAIN(attention)(const void *args) { PLAIN(attend)(args, NULL); }

/* With p the probabilities, keep the mask and o the context:
 *   dv_j = sum_i p_ij keep_ij do_i;  ds_ij = scale p_ij (keep_ij do_i . v_j - do_i . o_i);
 *   dq_i = sum_j ds_ij k_j;  dk_j = sum_i ds_ij q_i;  dbias_ij = ds_ij / scale. */
static void PLAIN(attend_grad)(const PLAIN_ARGS(attention_grad) * a, const f32 *bias, f32 *dbias)
{
    const u32 width = a->heads * a->head_dim;
    Arena scratch = {0};
    double *p = arena_new(&scratch, double, (size_t)a->longest * a->longest); /* p keep: [queries][tokens] */
    double *ds = arena_new(&scratch, double, (size_t)a->longest * a->longest);
    for (u32 h = 0; h < a->heads; h++)
        for (u32 e = 0; e < a->examples; e++) {
            const PLAIN(Mask) mask = PLAIN(mask)(a->drop, a->seed, h, a->step, a->site);
            const u32 first = a->offsets[e], tokens = a->offsets[e + 1] - first;
            const u32 queries = a->first_only ? 1 : tokens, row = a->first_only ? e : first;
            ASSERT(tokens <= a->longest);
            const f32 *k = a->kv + (size_t)first * a->ldkv + h * a->head_dim, *v = k + width;
            const size_t q_row = bias ? first : row;
            const f32 *q = a->q + q_row * a->ldq + h * a->head_dim;
            const f32 *context = a->context + (size_t)row * width + h * a->head_dim;
            const f32 *dcontext = a->dcontext + (size_t)row * width + h * a->head_dim;
            f32 *dq = a->dq + q_row * a->ldq + h * a->head_dim;
            f32 *dk = a->dkv + (size_t)first * a->ldkv + h * a->head_dim, *dv = dk + width;
            for (u32 i = 0; i < queries; i++) {
                const f32 *dout = dcontext + (size_t)i * width;
                const double lse = a->lse[(size_t)(row + i) * a->heads + h];
                const double shared = PLAIN(inner)(dout, context + (size_t)i * width, a->head_dim);
                for (u32 j = 0; j < tokens; j++) {
                    const size_t at = PLAIN(bias_at)(a->heads, a->longest, first + i, h, j);
                    const double score =
                        a->scale * PLAIN(inner)(q + (size_t)i * a->ldq, k + (size_t)j * a->ldkv, a->head_dim) +
                        (bias ? bias[at] : 0);
                    const double dp = PLAIN(inner)(dout, v + (size_t)j * a->ldkv, a->head_dim);
                    const double prob = math_exp(score - lse), keep = PLAIN(keep)(&mask, first + i, j);
                    p[(size_t)i * tokens + j] = prob * keep;
                    ds[(size_t)i * tokens + j] = a->scale * prob * (keep * dp - shared);
                    if (dbias) dbias[at] = (f32)(prob * (keep * dp - shared));
                }
            }
            for (u32 s = 0; s < a->head_dim; s++) {
                for (u32 i = 0; i < queries && (tokens || !bias); i++) {
                    double sum = 0;
                    for (u32 j = 0; j < tokens; j++) sum += ds[(size_t)i * tokens + j] * k[(size_t)j * a->ldkv + s];
                    dq[(size_t)i * a->ldq + s] = (f32)sum;
                }
                for (u32 j = 0; j < tokens; j++) {
                    double sum_k = 0, sum_v = 0;
                    for (u32 i = 0; i < queries; i++) {
                        sum_k += ds[(size_t)i * tokens + j] * q[(size_t)i * a->ldq + s];
                        sum_v += p[(size_t)i * tokens + j] * dcontext[(size_t)i * width + s];
                    }
                    dk[(size_t)j * a->ldkv + s] = (f32)sum_k;
                    dv[(size_t)j * a->ldkv + s] = (f32)sum_v;
                }
            }
        }
    arena_free(&scratch);
}

static void PLAIN(attention_grad)(const void *args) { PLAIN(attend_grad)(args, NULL, NULL); }

/* ---- Relative positions ---- */

static void PLAIN(relative_attention)(const void *args)
{
    const PLAIN_ARGS(relative_attention) *a = args;
    PLAIN(attend)
    (&(PLAIN_ARGS(attention)){RELATIVE_ATTENTION(a), .context = a->context, .lse = a->lse}, a->bias);
}

static void PLAIN(relative_attention_grad)(const void *args)
{
    const PLAIN_ARGS(relative_attention_grad) *a = args;
    PLAIN(attend_grad)
    (&(PLAIN_ARGS(attention_grad)){RELATIVE_ATTENTION(a), .context = a->context, .lse = a->lse, .dcontext = a->dcontext,
                                   .dq = a->dqkv, .dkv = a->dqkv + a->heads * a->head_dim},
     a->bias, a->dbias);
}

static void PLAIN(relative_bias)(const void *args)
{
    const PLAIN_ARGS(relative_bias) *a = args;
    for (u32 e = 0; e < a->examples; e++) {
        const u32 first = a->offsets[e], tokens = a->offsets[e + 1] - first;
        for (u32 h = 0; h < a->heads; h++)
            for (u32 i = 0; i < tokens; i++)
                for (u32 j = 0; j < tokens; j++) {
                    const size_t of =
                        (size_t)h * a->next_head + (size_t)(a->bucket[i + a->reach - 1 - j] - a->base) * a->next_bucket;
                    const f32 of_key = a->b ? a->b[(size_t)(first + j) * a->heads * a->buckets + of] : 0;
                    a->bias[PLAIN(bias_at)(a->heads, a->longest, first + i, h, j)] =
                        a->a[(size_t)(first + i) * a->lda + of] + of_key;
                }
    }
}

/* The sum of dbias over the keys (or, of_key, queries) of a token that stand at a bucket's distances. */
static double PLAIN(relative_sum)(const PLAIN_ARGS(relative_bias_grad) * a, u32 e, u32 h, u32 bucket, u32 token,
                                  bool of_key)
{
    const u32 first = a->offsets[e], tokens = a->offsets[e + 1] - first;
    double sum = 0;
    for (u32 d = a->span[2 * bucket]; d < a->span[2 * bucket + 1]; d++) { /* the distance is d - reach + 1 */
        const u32 other = of_key ? token + d - (a->reach - 1) : token + a->reach - 1 - d;
        if (other < tokens)
            sum += a->dbias[PLAIN(bias_at)(a->heads, a->longest, first + (of_key ? other : token), h,
                                           of_key ? token : other)];
    }
    return sum;
}

static void PLAIN(relative_bias_grad)(const void *args)
{
    const PLAIN_ARGS(relative_bias_grad) *a = args;
    for (u32 e = 0; e < a->examples; e++)
        for (u32 h = 0; h < a->heads; h++)
            for (u32 b = 0; b < a->buckets; b++) {
                const u32 first = a->offsets[e], tokens = a->offsets[e + 1] - first;
                const size_t row = (size_t)a->heads * a->buckets,
                             of = (size_t)h * a->next_head + (size_t)b * a->next_bucket;
                double all = a->by_example && a->accumulate ? a->da[e * row + of] : 0;
                for (u32 i = 0; i < tokens; i++) {
                    const double sum = PLAIN(relative_sum)(a, e, h, b + a->base, i, false);
                    f32 *da = a->da + (first + i) * row + of;
                    all += sum;
                    if (!a->by_example) *da = (f32)((a->accumulate ? *da : 0) + sum);
                    if (a->db) a->db[(first + i) * row + of] = (f32)PLAIN(relative_sum)(a, e, h, b + a->base, i, true);
                }
                if (a->by_example) a->da[e * row + of] = (f32)all;
            }
}
#include "plain_local.c"

/* ---- Tables and rows ---- */

static void PLAIN(embed)(const void *args)
{
    const PLAIN_ARGS(embed) *a = args;
    for (u32 t = 0; t < a->rows; t++)
        for (u32 c = 0; c < a->cols; c++)
            a->y[(size_t)t * a->cols + c] = a->word[(size_t)a->ids[t] * a->cols + c] +
                                            (a->position ? a->position[(size_t)a->positions[t] * a->cols + c] : 0) +
                                            (a->type ? a->type[(size_t)a->types[t] * a->cols + c] : 0);
}

static void PLAIN(embed_grad)(const void *args)
{
    const PLAIN_ARGS(embed_grad) *a = args;
    for (u32 u = 0; u < a->unique; u++)
        for (u32 c = 0; c < a->cols; c++) {
            double sum = 0;
            for (u32 j = a->starts[u]; j < a->starts[u + 1]; j++) sum += a->dy[(size_t)a->order[j] * a->cols + c];
            a->dtable[(size_t)a->row[u] * a->cols + c] = (f32)sum;
        }
}

static void PLAIN(gather_rows)(const void *args)
{
    const PLAIN_ARGS(gather_rows) *a = args;
    for (u32 i = 0; i < a->rows; i++)
        for (u32 c = 0; c < a->cols; c++) a->y[(size_t)i * a->cols + c] = a->x[(size_t)a->index[i] * a->ldx + c];
}

static void PLAIN(scatter_rows)(const void *args)
{
    const PLAIN_ARGS(scatter_rows) *a = args;
    for (u32 i = 0; i < a->rows; i++)
        for (u32 c = 0; c < a->cols; c++) a->y[(size_t)a->index[i] * a->ldy + c] += a->x[(size_t)i * a->cols + c];
}

static void PLAIN(zero_rows)(const void *args)
{
    const PLAIN_ARGS(zero_rows) *a = args;
    for (u32 i = 0; i < a->rows; i++)
        for (u32 c = 0; c < a->cols; c++) a->x[(size_t)a->row[i] * a->cols + c] = 0;
}

/* ---- Vectors ---- */

static void PLAIN(axpby)(const void *args)
{
    const PLAIN_ARGS(axpby) *a = args;
    const double alpha = (double)a->alpha * (a->scale ? a->scale[0] : 1);
    for (u32 i = 0; i < a->n; i++) a->y[i] = (f32)(alpha * a->x[i] + (double)a->beta * a->y[i]);
}

static void PLAIN(sign)(const void *args)
{
    const PLAIN_ARGS(sign) *a = args;
    for (u32 i = 0; i < a->n; i++) a->y[i] = (f32)((a->x[i] > 0) - (a->x[i] < 0));
}

static void PLAIN(copy)(const void *args)
{
    const PLAIN_ARGS(copy) *a = args;
    for (u32 i = 0; i < a->n; i++) a->y[i] = a->x[i];
}

static void PLAIN(fill)(const void *args)
{
    const PLAIN_ARGS(fill) *a = args;
    for (u32 i = 0; i < a->n; i++) a->x[i] = a->value;
}

/* ---- Loss ---- */

/* log softmax(z / temperature)[c] = z[c] / temperature - what this returns. */
static double PLAIN(log_sum_exp)(const f32 *z, u32 classes, double temperature)
{
    double largest = z[0], sum = 0;
    for (u32 c = 0; c < classes; c++) largest = fmax(largest, z[c]);
    for (u32 c = 0; c < classes; c++) sum += math_exp((z[c] - largest) / temperature);
    return largest / temperature + math_log(sum);
}

static void PLAIN(cross_entropy)(const void *args)
{
    const PLAIN_ARGS(cross_entropy) *a = args;
    for (u32 r = 0; r < a->rows; r++) {
        const f32 *logits = a->logits + (size_t)r * a->classes;
        ASSERT(a->labels[r] < a->classes);
        const double lse = PLAIN(log_sum_exp)(logits, a->classes, 1);
        a->loss[r] = (f32)(lse - logits[a->labels[r]]);
        for (u32 c = 0; c < a->classes && a->dlogits; c++)
            a->dlogits[(size_t)r * a->classes + c] =
                (f32)((math_exp(logits[c] - lse) - (c == a->labels[r])) * a->scale);
    }
}

static void PLAIN(distill)(const void *args)
{
    const PLAIN_ARGS(distill) *a = args;
    const double t = a->temperature;
    for (u32 r = 0; r < a->rows; r++) {
        const f32 *student = a->logits + (size_t)r * a->classes, *teacher = a->teacher + (size_t)r * a->classes;
        const double lse_q = PLAIN(log_sum_exp)(student, a->classes, t);
        const double lse_p = PLAIN(log_sum_exp)(teacher, a->classes, t);
        double divergence = 0;
        for (u32 c = 0; c < a->classes; c++) {
            const double log_p = teacher[c] / t - lse_p, log_q = student[c] / t - lse_q;
            f32 *d = &a->dlogits[(size_t)r * a->classes + c];
            divergence += math_exp(log_p) * (log_p - log_q);
            *d = (f32)((a->accumulate ? *d : 0) + a->scale * t * (math_exp(log_q) - math_exp(log_p)));
        }
        a->loss[r] = (f32)(t * t * divergence);
    }
}

static void PLAIN(mse)(const void *args)
{
    const PLAIN_ARGS(mse) *a = args;
    for (u32 r = 0; r < a->rows; r++) {
        double sum = 0;
        for (u32 c = 0; c < a->classes; c++) {
            const size_t i = (size_t)r * a->classes + c;
            const double difference = (double)a->logits[i] - a->target[i];
            sum += difference * difference;
            a->dlogits[i] = (f32)((a->accumulate ? a->dlogits[i] : 0) + (double)a->scale * 2 / a->classes * difference);
        }
        a->loss[r] = (f32)(sum / a->classes);
    }
}

/* ---- Gradient norm and penalties ---- */

static void PLAIN(dot)(const void *args)
{
    const PLAIN_ARGS(dot) *a = args;
    for (u32 start = 0, i = 0; start < a->n; start += a->block, i++) {
        const u32 count = a->n - start < a->block ? a->n - start : a->block;
        const size_t from = a->row ? (size_t)a->row[i] * a->block : start;
        a->part[i] = (f32)PLAIN(inner)(a->x + from, a->y + from, count);
        if (a->n - start <= a->block) break; /* start may not wrap around */
    }
}

static void PLAIN(clip)(const void *args)
{
    const PLAIN_ARGS(clip) *a = args;
    double sum = 0;
    for (u32 i = 0; i < a->parts; i++) sum += a->part[i];
    const double norm = sqrt(sum), factor = a->max_norm / (norm + 1e-6);
    a->result[0] = (f32)(factor >= 1 ? 1 : factor); /* NaN stays NaN */
    a->result[1] = (f32)norm;
}

static void PLAIN(projection)(const void *args)
{
    const PLAIN_ARGS(projection) *a = args;
    double g_r = 0, r_r = 0;
    for (u32 i = 0; i < a->parts; i++) g_r += a->g_r[i], r_r += a->r_r[i];
    a->result[0] = (f32)(g_r >= 0 || r_r == 0 ? 0 : -g_r / r_r); /* NaN stays NaN */
    a->result[1] = (f32)g_r;
}

static void PLAIN(quadratic_penalty)(const void *args)
{
    const PLAIN_ARGS(quadratic_penalty) *a = args;
    for (u32 start = 0, i = 0; start < a->n; start += a->block, i++) {
        const u32 count = a->n - start < a->block ? a->n - start : a->block;
        double sum = 0;
        for (u32 j = start; j < start + count; j++) {
            const double away = (double)a->w[j] - a->anchor[j], pull = away * (a->importance ? a->importance[j] : 1);
            a->g[j] = (f32)(a->g[j] + a->strength * pull);
            sum += pull * away;
        }
        a->part[i] = (f32)sum;
        if (a->n - start <= a->block) break;
    }
}

static void PLAIN(path_integral)(const void *args)
{
    const PLAIN_ARGS(path_integral) *a = args;
    for (u32 i = 0; i < a->n; i++) {
        a->path[i] = (f32)(a->path[i] - (double)a->g[i] * ((double)a->w[i] - a->before[i]));
        a->before[i] = a->w[i];
    }
}

static void PLAIN(consolidate)(const void *args)
{
    const PLAIN_ARGS(consolidate) *a = args;
    for (u32 i = 0; i < a->n; i++) {
        const double moved = (double)a->w[i] - a->anchor[i];
        a->importance[i] = (f32)(a->importance[i] + a->path[i] / (moved * moved + a->damping));
    }
}

/* ---- Importance by example ---- */

static double PLAIN(power_of)(double x, u32 power) { return power == 1 ? fabs(x) : x * x; }

static void PLAIN(gemm_importance)(const void *args)
{
    const PLAIN_ARGS(gemm_importance) *a = args;
    for (u32 i = 0; i < a->m; i++)
        for (u32 j = 0; j < a->n; j++) {
            double total = 0;
            for (u32 e = 0; e < a->examples; e++) {
                double sum = 0;
                for (u32 r = a->offsets[e]; r < a->offsets[e + 1]; r++)
                    sum += (double)a->a[(size_t)r * a->lda + i] * a->b[(size_t)r * a->ldb + j];
                total += PLAIN(power_of)(sum, a->power);
            }
            a->c[(size_t)i * a->ldc + j] = (f32)(a->c[(size_t)i * a->ldc + j] + a->scale * total);
        }
}

static void PLAIN(column_importance)(const void *args)
{
    const PLAIN_ARGS(column_importance) *a = args;
    for (u32 c = 0; c < a->cols; c++) {
        double gamma = 0, beta = 0;
        for (u32 e = 0; e < a->examples; e++) {
            double dgamma = 0, dbeta = 0;
            for (u32 r = a->offsets[e]; r < a->offsets[e + 1]; r++) {
                const double dy = a->dy[(size_t)r * a->ld + c];
                if (a->x) dgamma += dy * ((double)a->x[(size_t)r * a->cols + c] - a->mean[r]) * a->rstd[r];
                dbeta += dy;
            }
            gamma += PLAIN(power_of)(dgamma, a->power);
            beta += PLAIN(power_of)(dbeta, a->power);
        }
        if (a->x) a->gamma[c] = (f32)(a->gamma[c] + a->scale * gamma);
        a->beta[c] = (f32)(a->beta[c] + a->scale * beta);
    }
}

static void PLAIN(embed_importance)(const void *args)
{
    const PLAIN_ARGS(embed_importance) *a = args;
    for (u32 u = 0; u < a->unique; u++)
        for (u32 c = 0; c < a->cols; c++) {
            f32 *to = &a->table[(size_t)a->row[u] * a->cols + c];
            double total = 0;
            for (u32 e = 0; e < a->examples; e++) {
                double sum = 0;
                for (u32 j = a->starts[u]; j < a->starts[u + 1]; j++)
                    if (a->order[j] >= a->offsets[e] && a->order[j] < a->offsets[e + 1])
                        sum += a->dy[(size_t)a->order[j] * a->cols + c];
                total += PLAIN(power_of)(sum, a->power);
            }
            *to = (f32)(*to + a->scale * total);
        }
}

/* ---- AdamW ---- */

static void PLAIN(adamw)(const void *args)
{
    const PLAIN_ARGS(adamw) *a = args;
    const double scale = a->scale ? a->scale[0] : 1;
    for (u32 i = 0; i < a->n; i++) {
        const double g = a->g[i] * scale;
        const double m = a->m[i] + (1 - (double)a->beta1) * (g - a->m[i]);
        const double v = (double)a->beta2 * a->v[i] + (1 - (double)a->beta2) * g * g;
        const f32 decayed = a->w[i] * a->shrink; /* rounded here: wake_rows does the same */
        a->w[i] = (f32)(decayed - (double)a->lr / a->fix1 * m / (sqrt(v) / a->fix2 + a->eps));
        a->m[i] = (f32)m;
        a->v[i] = (f32)v;
    }
}

static void PLAIN(adamw_rows)(const void *args)
{
    const PLAIN_ARGS(adamw_rows) *a = args;
    for (u32 r = 0; r < a->rows; r++) {
        if (a->stamp[r] != ROW_AWAKE) continue;
        const size_t at = (size_t)r * a->cols;
        PLAIN(adamw)
        (&(PLAIN_ARGS(adamw)){.w = a->w + at,
                              .g = a->g + at,
                              .m = a->m + at,
                              .v = a->v + at,
                              .scale = a->scale,
                              .n = a->cols,
                              .lr = a->lr,
                              .beta1 = a->beta1,
                              .beta2 = a->beta2,
                              .eps = a->eps,
                              .shrink = a->shrink,
                              .fix1 = a->fix1,
                              .fix2 = a->fix2});
    }
}

static void PLAIN(wake_rows)(const void *args)
{
    const PLAIN_ARGS(wake_rows) *a = args;
    for (u32 i = 0; i < a->rows; i++) {
        const u32 r = a->row ? a->row[i] : i;
        if (a->stamp[r] == ROW_AWAKE) continue;
        for (u32 c = 0; c < a->cols; c++)
            for (u32 k = a->stamp[r]; k < a->step; k++) a->w[(size_t)r * a->cols + c] *= a->factors[k];
        a->stamp[r] = a->awake ? ROW_AWAKE : a->step;
    }
}

static void (*const PLAIN(ops)[OP_COUNT])(const void *args) = {
#define X(op) [OP_##op] = PLAIN(op),
    OPS(X)
#undef X
};
