/* The op list: every computation that an engine must offer, declared once for C and GLSL.
 *
 * An op is data: a name in OPS and its arguments, ARGS(name) .. END, which become struct name_args (at most
 * OP_ARGS_MOST bytes: they are push constants). Matrices are row-major; ld* is the distance between rows in elements.
 * What in_ points at is only read, out_ only written, io_ both. over_f32(y, x) is an out_ that may be x itself: the op
 * then works in place. Else no range that is written overlaps another one of the op. Empty sizes are legal and do
 * nothing (a sum over nothing is 0).
 *
 * To add an op:
 *  1. Here: its name in OPS, its formula and its arguments.
 *  2. src/device/cpu/plain.c: the formula in plain C, which all else is compared with. A fast version, if it needs one,
 *     stands in the file of src/device/cpu that has its family.
 *  3. shaders/: a branch for OP_name in the .comp of its family. src/device/vulkan/grids.c: how many workgroups;
 *     ranges.c: how far it reaches from each pointer.
 *  4. src/device/cases.c says how to add its test cases: names, self-test, guards and speed follow from them.
 *  5. An op that takes indices: check.c. One with a gradient: tests/device_gradients.c.
 * The compiler names each of 1 to 4 that is missing, but for the sizes that are timed.
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
#else
#include <stdint.h>
typedef float *f32p; /* host pointer (CPU engine) or device address */
typedef uint32_t *u32p;
typedef uint32_t u32;
typedef float f32;
#endif

#define OP_ARGS_MOST 112 /* of the 128 bytes of push constants that Vulkan promises; the rest is the engine's own */
#define DROPOUT_KEY 0x6c657468u
#define ROW_AWAKE 0xffffffffu /* stamp of a table row that has had a gradient: see wake_rows */

#define OPS(X)                                                                                                         \
    X(gemm) X(gelu) X(gelu_grad) X(tanh) X(tanh_grad) X(relu) X(relu_grad) X(layernorm) X(layernorm_dx)                \
    X(layernorm_dw) X(column_sum)                                                                                      \
    X(attention) X(attention_grad) X(embed) X(embed_grad) X(gather_rows) X(scatter_rows) X(dropout) X(axpby) X(copy)   \
    X(fill) X(zero_rows) X(cross_entropy) X(distill) X(mse) X(dot) X(clip) X(projection) X(quadratic_penalty)          \
    X(path_integral) X(consolidate) X(gemm_importance) X(column_importance) X(embed_importance)                        \
    X(lora_down) X(lora_dx) X(lora_dw) X(adamw) X(adamw_rows) X(wake_rows) X(sign)                                     \
    X(geglu) X(geglu_grad) X(rope) X(attention_local) X(attention_local_grad) X(average) X(average_grad)               \
    X(relative_bias) X(relative_bias_grad) X(relative_attention) X(relative_attention_grad)
#endif

/* What the words of the list below stand for: here structs. Who defines ARGS and its kin and includes this file once
 * more gets something else of the same list: device.c makes a table of it. */
#ifndef ARGS
#define ARGS(op) struct op##_args {
#ifdef VULKAN
#define in_f32(name) f32p name;
#define in_u32(name) u32p name;
#define u32(name) uint name;
#define f32(name) float name;
#else
#define in_f32(name) const f32 *name; /* so that the compiler keeps an op from writing to an input */
#define in_u32(name) const u32 *name;
#define u32(name) u32 name;
#define f32(name) f32 name;
#endif
#define out_f32(name) f32p name;
#define over_f32(name, input) f32p name;
#define io_f32(name) f32p name;
#define io_u32(name) u32p name;
#define END };
#endif

/* c[m][n] = alpha * op(a) op(b) + bias[n] + (accumulate ? c : 0); op(a) is [m][k]: a[m][k], or a[k][m] when ta;
 * op(b) is [k][n]: b[k][n], or b[n][k] when tb. bias may be null. gelu may be null, else gelu[m][n] (row distance ldc)
 * also receives the exact GELU of c. k = 0 gives bias + c. more: so many further products of the same shape, whose a, b
 * and c (and gelu) lie stride_a, stride_b and stride_c elements after those of the one before. */
ARGS(gemm)
    in_f32(a) in_f32(b) in_f32(bias)
    io_f32(c)
    out_f32(gelu)
    u32(m) u32(n) u32(k) u32(lda) u32(ldb) u32(ldc) u32(ta) u32(tb) u32(accumulate)
    f32(alpha)
    u32(more) u32(stride_a) u32(stride_b) u32(stride_c)
END

/* y = 0.5 x (1 + erf(x / sqrt 2)); by_tanh: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) (Hendrycks and Gimpel
 * 2016, arXiv:1606.08415). */
ARGS(gelu) in_f32(x) over_f32(y, x) u32(n) u32(by_tanh) END
/* dx = dy * gelu'(x). */
ARGS(gelu_grad) in_f32(x) in_f32(dy) over_f32(dx, dy) u32(n) u32(by_tanh) END
/* A gated GELU (Shazeer 2020, arXiv:2002.05202): y[r][c] = gelu(x[r][c]) x[r][cols + c], the exact GELU; x is
 * [rows][2 cols], y [rows][cols]. */
ARGS(geglu) in_f32(x) out_f32(y) u32(rows) u32(cols) END
/* dx[r][c] = dy[r][c] gelu'(x[r][c]) x[r][cols + c], dx[r][cols + c] = dy[r][c] gelu(x[r][c]). */
ARGS(geglu_grad) in_f32(x) in_f32(dy) out_f32(dx) u32(rows) u32(cols) END
/* y = tanh(x). */
ARGS(tanh) in_f32(x) over_f32(y, x) u32(n) END
/* dx = dy * (1 - y^2). */
ARGS(tanh_grad) in_f32(y) in_f32(dy) over_f32(dx, dy) u32(n) END
/* y = max(x, 0), NaN for NaN. */
ARGS(relu) in_f32(x) over_f32(y, x) u32(n) END
/* dx = y > 0 ? dy : 0. */
ARGS(relu_grad) in_f32(y) in_f32(dy) over_f32(dx, dy) u32(n) END

/* x <- residual + dropout(x) (residual may be null: then 0), kept for the backward pass; y = LayerNorm(x) over the
 * cols, biased variance: (x - mean) * rstd * gamma + beta. mean, rstd: [rows]. All [rows][cols], contiguous. */
ARGS(layernorm)
    io_f32(x)
    in_f32(residual) in_f32(gamma) in_f32(beta)
    out_f32(y) out_f32(mean) out_f32(rstd)
    u32(rows) u32(cols)
    f32(eps) f32(drop)
    u32(seed) u32(step) u32(site)
END
/* dsum: gradient with respect to x as layernorm left it (so also of residual); dx: with respect to x as it came in,
 * that is dsum through the dropout mask. dx may be null (then drop is ignored). */
ARGS(layernorm_dx)
    in_f32(x) in_f32(gamma) in_f32(mean) in_f32(rstd) in_f32(dy)
    over_f32(dsum, dy) out_f32(dx)
    u32(rows) u32(cols)
    f32(drop)
    u32(seed) u32(step) u32(site)
END
/* dgamma[c] = sum over rows of dy * (x - mean) * rstd, dbeta[c] = sum over rows of dy. */
ARGS(layernorm_dw) in_f32(x) in_f32(mean) in_f32(rstd) in_f32(dy) out_f32(dgamma) out_f32(dbeta) u32(rows) u32(cols) END
ARGS(column_sum) in_f32(x) out_f32(y) u32(rows) u32(cols) u32(ld) END /* y[c] = sum over rows of x[r][c] */

/* Self-attention over packed examples. Example e owns the tokens offsets[e] .. offsets[e + 1] - 1. kv[token] holds the
 * keys in columns 0 .. heads * head_dim - 1 and the values in the heads * head_dim columns after them (row distance ldkv);
 * head h owns columns h * head_dim .. . q (row distance ldq) and context (contiguous) have one row for each token, or, when
 * first_only, one row for each example, which stands for its first token. p = softmax(scale * q k^T) over the tokens of
 * the example; context = dropout(p) v. lse: [query rows][heads], log of the sum of exp, for the backward pass. The
 * context of an example without tokens is 0. Dropout's row is the query's token index, col the key's index within its
 * example. longest: the most tokens of one example. */
ARGS(attention)
    in_f32(q) in_f32(kv)
    out_f32(context) out_f32(lse)
    in_u32(offsets)
    u32(examples) u32(heads) u32(head_dim) u32(ldq) u32(ldkv) u32(first_only) u32(longest)
    f32(scale) f32(drop)
    u32(seed) u32(step) u32(site)
END
/* dq and dkv have the shapes and row distances of q and kv and are written whole (rows of the given examples). */
ARGS(attention_grad)
    in_f32(q) in_f32(kv) in_f32(context) in_f32(lse) in_f32(dcontext)
    out_f32(dq) out_f32(dkv)
    in_u32(offsets)
    u32(examples) u32(heads) u32(head_dim) u32(ldq) u32(ldkv) u32(first_only) u32(longest)
    f32(scale) f32(drop)
    u32(seed) u32(step) u32(site)
END

/* Relative positions: a term of each score that depends on how far the query i stands after the key j, by buckets of
 * such distances. bucket[d + reach - 1] is the bucket of distance d, -reach < d < reach; from `base` on, `buckets` of
 * them count from 0. bias[first + i][h][j] = a[i, h, bucket of i - j] + b[j, h, bucket of i - j] (b may be null: then
 * without it), i, j < the tokens of the example that begins at `first`; rows [heads][longest], and what lies beyond an
 * example's tokens is left alone. a[row, h, bucket] lies at row * lda + h * next_head + bucket * next_bucket, row the
 * token, and b likewise with rows heads * buckets apart. lda 0: all tokens have one row (T5's bias: Raffel et al. 2020,
 * arXiv:1910.10683). */
ARGS(relative_bias)
    in_f32(a) in_f32(b)
    in_u32(bucket) in_u32(offsets)
    out_f32(bias)
    u32(examples) u32(heads) u32(longest) u32(buckets) u32(base) u32(reach) u32(lda) u32(next_head) u32(next_bucket)
END
/* da[first + i, h, bucket] (accumulate ? += : =) the sum of dbias over the keys at its distances; by_example: da[e, h,
 * bucket], the sum over the queries of example e, too. db[first + j, h, bucket] = the sum over the queries (may be
 * null). Rows of both are heads * buckets apart. by_example: db must be null. Bucket b has the distances span[2 b] - reach + 1 .. span[2 b + 1] -
 * reach. */
ARGS(relative_bias_grad)
    in_f32(dbias)
    in_u32(span) in_u32(offsets)
    io_f32(da)
    out_f32(db)
    u32(examples) u32(heads) u32(longest) u32(buckets) u32(base) u32(reach) u32(by_example) u32(accumulate)
    u32(next_head) u32(next_bucket)
END
/* attention with p = softmax(scale * q k^T + bias), bias as above. qkv[token] (row distance ld) holds queries, keys and
 * values, heads * head_dim columns each. context and lse have attention's rows. */
ARGS(relative_attention)
    in_f32(qkv) in_f32(bias)
    out_f32(context) out_f32(lse)
    in_u32(offsets)
    u32(examples) u32(heads) u32(head_dim) u32(ld) u32(first_only) u32(longest)
    f32(scale) f32(drop)
    u32(seed) u32(step) u32(site)
END
/* dqkv and dbias (may be null) are written as attention_grad's outputs; with first_only the queries' columns of dqkv
 * and the rows of dbias are left alone but for the first tokens'. */
ARGS(relative_attention_grad)
    in_f32(qkv) in_f32(bias) in_f32(context) in_f32(lse) in_f32(dcontext)
    out_f32(dqkv) out_f32(dbias)
    in_u32(offsets)
    u32(examples) u32(heads) u32(head_dim) u32(ld) u32(first_only) u32(longest)
    f32(scale) f32(drop)
    u32(seed) u32(step) u32(site)
END

/* attention and attention_grad of all tokens of each example to those that lie at most `window` away from them: the
 * other keys do not count (but a number that is not finite may reach tokens beyond the window). What that takes grows
 * with the tokens times the window. */
ARGS(attention_local)
    in_f32(q) in_f32(kv)
    out_f32(context) out_f32(lse)
    in_u32(offsets)
    u32(examples) u32(heads) u32(head_dim) u32(ldq) u32(ldkv) u32(window) u32(longest)
    f32(scale) f32(drop)
    u32(seed) u32(step) u32(site)
END
ARGS(attention_local_grad)
    in_f32(q) in_f32(kv) in_f32(context) in_f32(lse) in_f32(dcontext)
    out_f32(dq) out_f32(dkv)
    in_u32(offsets)
    u32(examples) u32(heads) u32(head_dim) u32(ldq) u32(ldkv) u32(window) u32(longest)
    f32(scale) f32(drop)
    u32(seed) u32(step) u32(site)
END
/* Positions that turn (RoPE: Su et al. 2021, arXiv:2104.09864), in place: in each of `heads` neighbouring heads of row
 * r, whose numbers i and head_dim / 2 + i are a pair (u, v), i < head_dim / 2: (u, v) <- (u cos - v sin, v cos + u sin)
 * with cos = table[positions[r]][i], sin = table[positions[r]][head_dim / 2 + i]. back: the other way round, which takes
 * the gradient of what came out to that of what went in. table has head_dim columns; head_dim is even; x has row
 * distance ld. */
ARGS(rope)
    io_f32(x)
    in_f32(table)
    in_u32(positions)
    u32(rows) u32(heads) u32(head_dim) u32(ld) u32(back)
END
/* y[e] = mean of the rows offsets[e] .. offsets[e + 1] - 1 of x; of none: 0. */
ARGS(average) in_f32(x) in_u32(offsets) out_f32(y) u32(examples) u32(cols) END
/* dx[r] = dy[e] / number of e's rows, for each of these rows r. */
ARGS(average_grad) in_f32(dy) in_u32(offsets) out_f32(dx) u32(examples) u32(cols) END

/* y[t] = word[ids[t]] + position[positions[t]] + type[types[t]], t < rows; position and type may be null: then without
 * it. */
ARGS(embed)
    in_f32(word) in_f32(position) in_f32(type)
    in_u32(ids) in_u32(positions) in_u32(types)
    out_f32(y)
    u32(rows) u32(cols)
END
/* dtable[row[u]] = sum over j in [starts[u], starts[u + 1]) of dy[order[j]], u < unique; rows named once each. */
ARGS(embed_grad) in_f32(dy) in_u32(row) in_u32(starts) in_u32(order) out_f32(dtable) u32(unique) u32(cols) END
/* y[i] = x[index[i]] */
ARGS(gather_rows) in_f32(x) in_u32(index) out_f32(y) u32(rows) u32(cols) u32(ldx) END
/* y[index[i]] += x[i]; rows named once each */
ARGS(scatter_rows) in_f32(x) in_u32(index) io_f32(y) u32(rows) u32(cols) u32(ldy) END
/* y = dropout(x), [rows][cols]; its own backward pass. */
ARGS(dropout) in_f32(x) over_f32(y, x) u32(rows) u32(cols) f32(drop) u32(seed) u32(step) u32(site) END
/* y = alpha x + beta y, with alpha scaled by scale[0] first (scale may be null: 1). */
ARGS(axpby) in_f32(x) in_f32(scale) io_f32(y) u32(n) f32(alpha) f32(beta) END
ARGS(copy) in_f32(x) out_f32(y) u32(n) END
ARGS(sign) in_f32(x) out_f32(y) u32(n) END /* y = -1, 0 or 1 */
ARGS(fill) out_f32(x) u32(n) f32(value) END
ARGS(zero_rows) out_f32(x) in_u32(row) u32(rows) u32(cols) END /* x[row[i]] = 0 */

/* loss[r] = -log softmax(logits[r])[labels[r]]; dlogits = (softmax - onehot) * scale, unless dlogits is null. */
ARGS(cross_entropy) in_f32(logits) in_u32(labels) out_f32(loss) out_f32(dlogits) u32(rows) u32(classes) f32(scale) END

/* Distillation (Hinton et al. 2015, arXiv:1503.02531): with p = softmax(teacher / T), q = softmax(logits / T),
 * T = temperature: loss[r] = T^2 KL(p || q); dlogits (accumulate ? += : =) scale * T * (q - p). */
ARGS(distill)
    in_f32(logits) in_f32(teacher) out_f32(loss) io_f32(dlogits)
    u32(rows) u32(classes) u32(accumulate) f32(temperature) f32(scale)
END
/* loss[r] = mean over the classes of (logits - target)^2; dlogits (accumulate ? += : =) scale * its gradient. */
ARGS(mse)
    in_f32(logits) in_f32(target) out_f32(loss) io_f32(dlogits)
    u32(rows) u32(classes) u32(accumulate) f32(scale)
END

/* part[i] = sum of x * y over the i-th block of `block` elements (the last may be shorter), i < ceil(n / block); with
 * `row` not null, over row row[i] of both, `block` elements wide, i < n / block. x and y may be the same. */
ARGS(dot) in_f32(x) in_f32(y) in_u32(row) out_f32(part) u32(n) u32(block) END
/* norm = sqrt(sum of part); out[0] = min(1, max_norm / (norm + 1e-6)), out[1] = norm. */
ARGS(clip) in_f32(part) out_f32(result) u32(parts) f32(max_norm) END
/* What takes g to its nearest neighbour that does not oppose r (A-GEM: Chaudhry et al. 2019, arXiv:1812.00420):
 * result[0] = -min(0, g.r) / r.r, or 0 when r is 0, of which axpby adds so much of r to g; result[1] = g.r. g_r, r_r:
 * the partial sums of g.r and r.r that dot leaves. */
ARGS(projection) in_f32(g_r) in_f32(r_r) out_f32(result) u32(parts) END

/* The penalty strength / 2 * sum of importance (w - anchor)^2 that EWC, SI, MAS and L2-SP share (importance may be
 * null: 1): g += its gradient; part[i] = sum of importance (w - anchor)^2 over the i-th block of `block` elements. */
ARGS(quadratic_penalty)
    in_f32(w) in_f32(anchor) in_f32(importance) io_f32(g) out_f32(part) u32(n) u32(block) f32(strength)
END
/* SI's path integral (Zenke et al. 2017, arXiv:1703.04200): path -= g * (w - before), then before = w. */
ARGS(path_integral) in_f32(g) in_f32(w) io_f32(before) io_f32(path) u32(n) END
/* SI at the end of a task: importance += path / ((w - anchor)^2 + damping). */
ARGS(consolidate) in_f32(path) in_f32(w) in_f32(anchor) io_f32(importance) u32(n) f32(damping) END

/* Importance by example: what gradients become when each example's own gradient is raised to a power before they are
 * added up: scale * sum over examples of |gradient|^power, power 1 (MAS: Aljundi et al. 2018, arXiv:1711.09601) or 2
 * (Fisher information). Example e owns the rows offsets[e] .. offsets[e + 1] - 1 of `rows` rows. All add to what is
 * there. */
/* Of a linear layer's weights: c[m][n] += scale * sum over e of |sum over the rows r of e of a[r][m] b[r][n]|^power. */
ARGS(gemm_importance)
    in_f32(a) in_f32(b)
    io_f32(c)
    in_u32(offsets)
    u32(examples) u32(rows) u32(m) u32(n) u32(lda) u32(ldb) u32(ldc) u32(power)
    f32(scale)
END
/* Of layernorm_dw's gamma and beta; with x and gamma null of a bias alone (beta). dy has row distance ld, x cols. */
ARGS(column_importance)
    in_f32(dy) in_f32(x) in_f32(mean) in_f32(rstd)
    io_f32(gamma) io_f32(beta)
    in_u32(offsets)
    u32(examples) u32(rows) u32(cols) u32(ld) u32(power)
    f32(scale)
END
/* Of embed_grad's table; order is ascending for each u. */
ARGS(embed_importance)
    in_f32(dy)
    in_u32(row) in_u32(starts) in_u32(order) in_u32(offsets)
    io_f32(table)
    u32(unique) u32(examples) u32(rows) u32(cols) u32(power)
    f32(scale)
END

/* LoRA (Hu et al. 2021, arXiv:2106.09685) of `targets` linear layers that read the same x [rows][cols], each through a
 * dropout of its own, which is applied on the way. Target t has its A [r][cols] (and da, db) `next` elements after
 * those of the one before, low and dlow in [targets][rows][r], and the dropout site site + t * next_site. What is left
 * of LoRA are plain products: gemm's. */
/* low_t = dropout_t(x) A_t^T */
ARGS(lora_down)
    in_f32(x) in_f32(a)
    out_f32(low)
    u32(rows) u32(cols) u32(r) u32(targets) u32(next)
    f32(drop)
    u32(seed) u32(step) u32(site) u32(next_site)
END
/* dx [rows][cols] += sum over t of dropout_t(dlow_t A_t) */
ARGS(lora_dx)
    in_f32(dlow) in_f32(a)
    io_f32(dx)
    u32(rows) u32(cols) u32(r) u32(targets) u32(next)
    f32(drop)
    u32(seed) u32(step) u32(site) u32(next_site)
END
/* da_t [r][cols] = dlow_t^T dropout_t(x); db_t [wide][r] = alpha dy_t^T low_t, dy_t: [rows][wide] at dy + t * next_dy,
 * row distance lddy. */
ARGS(lora_dw)
    in_f32(x) in_f32(dy) in_f32(low) in_f32(dlow)
    out_f32(da) out_f32(db)
    u32(rows) u32(cols) u32(wide) u32(r) u32(targets) u32(next) u32(lddy) u32(next_dy)
    f32(alpha) f32(drop)
    u32(seed) u32(step) u32(site) u32(next_site)
END

/* AdamW as torch.optim.AdamW, with g scaled by scale[0] first (scale may be null: 1):
 *   w *= shrink;  m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2;
 *   w -= lr / fix1 * m / (sqrt(v) / fix2 + eps),  where fix1 = 1 - beta1^t, fix2 = sqrt(1 - beta2^t),
 * shrink = 1 - lr * decay, rounded once on the host (adamw_shrink in device.h), so that every engine decays alike. */
ARGS(adamw)
    io_f32(w) in_f32(g) io_f32(m) io_f32(v) in_f32(scale)
    u32(n) f32(lr) f32(beta1) f32(beta2) f32(eps) f32(shrink) f32(fix1) f32(fix2)
END
/* The same for the rows of a table whose stamp is ROW_AWAKE; the other rows never had a gradient, so all that AdamW
 * does to them is decay, which wake_rows makes up for later. */
ARGS(adamw_rows)
    io_f32(w) in_f32(g) io_f32(m) io_f32(v) in_f32(scale) in_u32(stamp)
    u32(rows) u32(cols) f32(lr) f32(beta1) f32(beta2) f32(eps) f32(shrink) f32(fix1) f32(fix2)
END
/* For rows row[i], i < rows (row null: rows 0 .. rows - 1) whose stamp is not ROW_AWAKE: w *= factors[k] for k = stamp
 * .. step - 1, in this order: with factors[k] = adamw_shrink of step k, bit for bit what adamw would have done. Then
 * stamp = awake ? ROW_AWAKE : step. */
ARGS(wake_rows) io_f32(w) io_u32(stamp) in_u32(row) in_f32(factors) u32(rows) u32(cols) u32(step) u32(awake) END

#undef ARGS
#undef in_f32
#undef in_u32
#undef out_f32
#undef over_f32
#undef io_f32
#undef io_u32
#undef u32
#undef f32
#undef END
