/* The op list: every computation that an engine must offer, declared once for C and GLSL.
 *
 * An op is data: a row in OPS, an argument struct NAME_args (at most OP_ARGS_MOST bytes: they are push constants), a
 * plain C version, and a test row. Matrices are row-major; ld* is the distance between rows in elements. in_ is only
 * read, out_ only written, io_ both; no two written ranges of one op overlap, and an input overlaps an output only where
 * the op says "in place". Empty sizes are legal and do nothing (a sum over nothing is 0).
 *
 * Dropout: element (row, col) of a site is kept when word col % 4 of Philox4x32-10 with counter {col / 4, row, step,
 * site} and key {seed, DROPOUT_KEY + head} is at least drop * 2^32; kept values are scaled by 1 / (1 - drop). drop = 0
 * switches it off; drop < 1. head is 0 except in attention. The mask is recomputed in the backward pass, not stored. */
#ifndef LETHE_OPS_H
#define LETHE_OPS_H

#ifdef VULKAN /* defined by glslang */
#extension GL_EXT_buffer_reference : require
layout(buffer_reference, std430, buffer_reference_align = 4) buffer f32p { float v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer u32p { uint v[]; };
#define u32 uint
#define f32 float
#else
#include <stdint.h>
typedef float *f32p; /* host pointer (CPU engine) or device address */
typedef uint32_t *u32p;
typedef uint32_t u32;
typedef float f32;
#endif
#define in_f32 f32p
#define out_f32 f32p
#define io_f32 f32p
#define in_u32 u32p
#define io_u32 u32p

#define OP_ARGS_MOST 120 /* of the 128 bytes of push constants that Vulkan promises; the engine adds 8 of its own */
#define DROPOUT_KEY 0x6c657468u
#define ROW_AWAKE 0xffffffffu /* stamp of a table row that has had a gradient: see wake_rows */

#define OPS(X)                                                                                                         \
    X(gemm) X(gelu) X(gelu_grad) X(tanh) X(tanh_grad) X(relu) X(relu_grad) X(layernorm) X(layernorm_dx) X(layernorm_dw) X(column_sum)       \
    X(attention) X(attention_grad) X(embed) X(embed_grad) X(gather_rows) X(scatter_rows) X(dropout) X(axpby) X(copy)   \
    X(fill) X(zero_rows) X(cross_entropy) X(distill) X(mse) X(dot) X(clip) X(projection) X(quadratic_penalty)           \
    X(path_integral) X(consolidate) X(gemm_importance) X(column_importance) X(embed_importance)                        \
    X(lora_down) X(lora_dx) X(lora_dw) X(adamw) X(adamw_rows) X(wake_rows) X(sign)

/* c[m][n] = alpha * op(a) op(b) + bias[n] + (accumulate ? c : 0); op(a) is [m][k]: a[m][k], or a[k][m] when ta;
 * op(b) is [k][n]: b[k][n], or b[n][k] when tb. bias may be null. gelu may be null, else gelu[m][n] (row distance ldc)
 * also receives the exact GELU of c. k = 0 gives bias + c. more: so many further products of the same shape, whose a, b
 * and c (and gelu) lie stride_a, stride_b and stride_c elements behind those of the one before. parts: 0, but for what
 * the Vulkan engine hands to its shader: k is cut into so many, c is [parts][more + 1][m][n], and its sum over parts is c. */
struct gemm_args {
    in_f32 a, b, bias;
    io_f32 c;
    out_f32 gelu;
    u32 m, n, k, lda, ldb, ldc, ta, tb, accumulate;
    f32 alpha;
    u32 more, stride_a, stride_b, stride_c, parts;
};
/* y = 0.5 x (1 + erf(x / sqrt 2)); in place allowed. */
struct gelu_args { in_f32 x; out_f32 y; u32 n; };
/* dx = dy * gelu'(x); in place on dy allowed. */
struct gelu_grad_args { in_f32 x, dy; out_f32 dx; u32 n; };
struct tanh_args { in_f32 x; out_f32 y; u32 n; };            /* in place allowed */
struct tanh_grad_args { in_f32 y, dy; out_f32 dx; u32 n; }; /* dx = dy * (1 - y^2); in place on dy allowed */
struct relu_args { in_f32 x; out_f32 y; u32 n; };            /* y = max(x, 0), NaN for NaN; in place allowed */
struct relu_grad_args { in_f32 y, dy; out_f32 dx; u32 n; }; /* dx = y > 0 ? dy : 0; in place on dy allowed */

/* x <- residual + dropout(x) (residual may be null: then 0), kept for the backward pass; y = LayerNorm(x) over the
 * cols, biased variance: (x - mean) * rstd * gamma + beta. mean, rstd: [rows]. All [rows][cols], contiguous. */
struct layernorm_args {
    io_f32 x;
    in_f32 residual, gamma, beta;
    out_f32 y, mean, rstd;
    u32 rows, cols;
    f32 eps, drop;
    u32 seed, step, site;
};
/* dsum: gradient with respect to x as layernorm left it (so also of residual); dx: with respect to x as it came in,
 * that is dsum through the dropout mask. dx may be null (then drop is ignored). In place dsum = dy allowed. */
struct layernorm_dx_args {
    in_f32 x, gamma, mean, rstd, dy;
    out_f32 dsum, dx;
    u32 rows, cols;
    f32 drop;
    u32 seed, step, site;
};
/* dgamma[c] = sum over rows of dy * (x - mean) * rstd, dbeta[c] = sum over rows of dy. */
struct layernorm_dw_args { in_f32 x, mean, rstd, dy; out_f32 dgamma, dbeta; u32 rows, cols; };
struct column_sum_args { in_f32 x; out_f32 y; u32 rows, cols, ld; }; /* y[c] = sum over rows of x[r][c] */

/* Self-attention over packed examples. Example e owns the tokens offsets[e] .. offsets[e + 1] - 1. kv[token] holds the
 * keys in columns 0 .. heads * size - 1 and the values in the heads * size columns behind them (row distance ldkv);
 * head h owns columns h * size .. . q (row distance ldq) and context (contiguous) have one row for each token, or, when
 * first_only, one row for each example, which stands for its first token. p = softmax(scale * q k^T) over the tokens of
 * the example; context = dropout(p) v. lse: [query rows][heads], log of the sum of exp, for the backward pass. The
 * context of an example without tokens is 0. Dropout's row is the query's token index, col the key's index within its
 * example. longest: the most tokens of one example. */
struct attention_args {
    in_f32 q, kv;
    out_f32 context, lse;
    in_u32 offsets;
    u32 examples, heads, size, ldq, ldkv, first_only, longest;
    f32 scale, drop;
    u32 seed, step, site;
};
/* dq and dkv have the shapes and row distances of q and kv and are written whole (rows of the given examples).
 * weights: where the Vulkan engine keeps what its two passes share; null in calls. */
struct attention_grad_args {
    in_f32 q, kv, context, lse, dcontext;
    out_f32 dq, dkv, weights;
    in_u32 offsets;
    u32 examples, heads, size, ldq, ldkv, first_only, longest;
    f32 scale, drop;
    u32 seed, step, site;
};

/* y[t] = word[ids[t]] + position[positions[t]] + type[types[t]], t < rows; type may be null: then without it. */
struct embed_args { in_f32 word, position, type; in_u32 ids, positions, types; out_f32 y; u32 rows, cols; };
/* dtable[row[u]] = sum over j in [starts[u], starts[u + 1]) of dy[order[j]], u < unique; rows named once each. */
struct embed_grad_args { in_f32 dy; in_u32 row, starts, order; out_f32 dtable; u32 unique, cols; };
struct gather_rows_args { in_f32 x; in_u32 index; out_f32 y; u32 rows, cols, ldx; };  /* y[i] = x[index[i]] */
struct scatter_rows_args { in_f32 x; in_u32 index; io_f32 y; u32 rows, cols, ldy; }; /* y[index[i]] += x[i]; distinct */
/* y = dropout(x), [rows][cols]; its own backward pass; in place allowed. */
struct dropout_args { in_f32 x; out_f32 y; u32 rows, cols; f32 drop; u32 seed, step, site; };
/* y = alpha x + beta y, with alpha scaled by scale[0] first (scale may be null: 1). */
struct axpby_args { in_f32 x, scale; io_f32 y; u32 n; f32 alpha, beta; };
struct copy_args { in_f32 x; out_f32 y; u32 n; };
struct sign_args { in_f32 x; out_f32 y; u32 n; }; /* y = -1, 0 or 1 */
struct fill_args { out_f32 x; u32 n; f32 value; };
struct zero_rows_args { out_f32 x; in_u32 row; u32 rows, cols; }; /* x[row[i]] = 0 */

/* loss[r] = -log softmax(logits[r])[labels[r]]; dlogits = (softmax - onehot) * scale, unless dlogits is null. */
struct cross_entropy_args { in_f32 logits; in_u32 labels; out_f32 loss, dlogits; u32 rows, classes; f32 scale; };

/* Distillation (Hinton et al. 2015, arXiv:1503.02531): with p = softmax(teacher / T), q = softmax(logits / T),
 * T = temperature: loss[r] = T^2 KL(p || q); dlogits (accumulate ? += : =) scale * T * (q - p). */
struct distill_args { in_f32 logits, teacher; out_f32 loss; io_f32 dlogits; u32 rows, classes, accumulate; f32 temperature, scale; };
/* loss[r] = mean over the classes of (logits - target)^2; dlogits (accumulate ? += : =) scale * its gradient. */
struct mse_args { in_f32 logits, target; out_f32 loss; io_f32 dlogits; u32 rows, classes, accumulate; f32 scale; };

/* part[i] = sum of x * y over the i-th block of `block` elements (the last may be shorter), i < ceil(n / block); with
 * `row` not null, over row row[i] of both, `block` elements wide, i < n / block. x and y may be the same. */
struct dot_args { in_f32 x, y; in_u32 row; out_f32 part; u32 n, block; };
/* norm = sqrt(sum of part); out[0] = min(1, max_norm / (norm + 1e-6)), out[1] = norm. */
struct clip_args { in_f32 part; out_f32 result; u32 parts; f32 max_norm; };
/* What takes g to its nearest neighbour that does not oppose r (A-GEM: Chaudhry et al. 2019, arXiv:1812.00420):
 * result[0] = -min(0, g.r) / r.r, or 0 when r is 0, of which axpby adds so much of r to g; result[1] = g.r. g_r, r_r:
 * the partial sums of g.r and r.r that dot leaves. */
struct projection_args { in_f32 g_r, r_r; out_f32 result; u32 parts; };

/* The penalty strength / 2 * sum of importance (w - anchor)^2 that EWC, SI, MAS and L2-SP share (importance may be null:
 * 1): g += its gradient; part[i] = sum of importance (w - anchor)^2 over the i-th block of `block` elements. */
struct quadratic_penalty_args { in_f32 w, anchor, importance; io_f32 g; out_f32 part; u32 n, block; f32 strength; };
/* SI's path integral (Zenke et al. 2017, arXiv:1703.04200): path -= g * (w - before), then before = w. */
struct path_integral_args { in_f32 g, w; io_f32 before, path; u32 n; };
/* SI at the end of a task: importance += path / ((w - anchor)^2 + damping). */
struct consolidate_args { in_f32 path, w, anchor; io_f32 importance; u32 n; f32 damping; };

/* Importance by example: what gradients become when each example's own gradient is raised to a power before they are
 * added up: scale * sum over examples of |gradient|^power, power 1 (MAS: Aljundi et al. 2018, arXiv:1711.09601) or 2
 * (Fisher information). Example e owns the rows offsets[e] .. offsets[e + 1] - 1 of `rows` rows. All add to what is there. */
/* Of a linear layer's weights: c[m][n] += scale * sum over e of |sum over the rows r of e of a[r][m] b[r][n]|^power. */
struct gemm_importance_args {
    in_f32 a, b;
    io_f32 c;
    in_u32 offsets;
    u32 examples, rows, m, n, lda, ldb, ldc, power;
    f32 scale;
};
/* Of layernorm_dw's gamma and beta; with x and gamma null of a bias alone (beta). dy has row distance ld, x cols. */
struct column_importance_args {
    in_f32 dy, x, mean, rstd;
    io_f32 gamma, beta;
    in_u32 offsets;
    u32 examples, rows, cols, ld, power;
    f32 scale;
};
/* Of embed_grad's table; order is ascending for each u. */
struct embed_importance_args {
    in_f32 dy;
    in_u32 row, starts, order, offsets;
    io_f32 table;
    u32 unique, examples, rows, cols, power;
    f32 scale;
};

/* LoRA (Hu et al. 2021, arXiv:2106.09685) of `targets` linear layers that read the same x [rows][cols], each through a
 * dropout of its own, which is applied on the way. Target t has its A [r][cols] (and da, db) `next` elements behind
 * those of the one before, low and dlow in [targets][rows][r], and the dropout site site + t * next_site. What is left
 * of LoRA are plain products: gemm's. */
/* low_t = dropout_t(x) A_t^T */
struct lora_down_args {
    in_f32 x, a;
    out_f32 low;
    u32 rows, cols, r, targets, next;
    f32 drop;
    u32 seed, step, site, next_site;
};
/* dx [rows][cols] += sum over t of dropout_t(dlow_t A_t) */
struct lora_dx_args {
    in_f32 dlow, a;
    io_f32 dx;
    u32 rows, cols, r, targets, next;
    f32 drop;
    u32 seed, step, site, next_site;
};
/* da_t [r][cols] = dlow_t^T dropout_t(x); db_t [cols][r] = alpha dy_t^T low_t, dy_t: [rows][cols] at dy + t * next_dy,
 * row distance lddy. */
struct lora_dw_args {
    in_f32 x, dy, low, dlow;
    out_f32 da, db;
    u32 rows, cols, r, targets, next, lddy, next_dy;
    f32 alpha, drop;
    u32 seed, step, site, next_site;
};

/* AdamW as torch.optim.AdamW, with g scaled by scale[0] first (scale may be null: 1):
 *   w *= shrink;  m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2;
 *   w -= lr / fix1 * m / (sqrt(v) / fix2 + eps),  where fix1 = 1 - beta1^t, fix2 = sqrt(1 - beta2^t),
 * shrink = 1 - lr * decay, rounded once on the host (adamw_shrink in device.h), so that every engine decays alike. */
struct adamw_args { io_f32 w; in_f32 g; io_f32 m, v; in_f32 scale; u32 n; f32 lr, beta1, beta2, eps, shrink, fix1, fix2; };
/* The same for the rows of a table whose stamp is ROW_AWAKE; the other rows never had a gradient, so all that AdamW
 * does to them is decay, which wake_rows makes up for later. */
struct adamw_rows_args {
    io_f32 w; in_f32 g; io_f32 m, v; in_f32 scale; in_u32 stamp;
    u32 rows, cols; f32 lr, beta1, beta2, eps, shrink, fix1, fix2;
};
/* For rows row[i], i < rows (row null: rows 0 .. rows - 1) whose stamp is not ROW_AWAKE: w *= factors[k] for k = stamp
 * .. step - 1, in this order: with factors[k] = adamw_shrink of step k, bit for bit what adamw would have done. Then
 * stamp = awake ? ROW_AWAKE : step. */
struct wake_rows_args { io_f32 w; io_u32 stamp; in_u32 row; in_f32 factors; u32 rows, cols, step, awake; };

#endif
