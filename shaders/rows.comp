#version 460
/* Ops that sum along a row or a block: a workgroup for each. */
#define GROUP_ID 1
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

float sum_of(vec4 x) { return dot(x, vec4(1)); }

#if defined OP_layernorm || defined OP_layernorm_dx
/* A thread keeps so many vectors of a row in registers, and has read them all before it waits for any; what lies after
 * them, of rows that are longer than those of any model, it reads in each pass again. */
layout(constant_id = 2) const uint KEPT = 1;
#define EACH_KEPT(k, c) \
    [[unroll]] for (uint k = 0, c = 4 * gl_LocalInvocationIndex; k < KEPT; k++, c += 4 * GROUP) if (c < a.cols)
#define EACH_OTHER(c) (uint c = 4 * (KEPT * GROUP + gl_LocalInvocationIndex); c < a.cols; c += 4 * GROUP)
#endif

#if defined OP_layernorm
/* What x becomes, and is from then on in memory, too. */
vec4 arrive(uint r, uint c, vec4 x, vec4 residual)
{
    if (a.drop == 0 && IS_NULL(a.residual)) return x;
    x = x * drop_keep4(a.drop, a.seed, 0, a.step, a.site, r, c) + residual;
    store4(a.x, r * a.cols, c, a.cols, x);
    return x;
}

vec4 residual_at(uint row, uint c) { return IS_NULL(a.residual) ? vec4(0) : load4(a.residual, row, c, a.cols); }

/* The squares of d, which is nothing after the row's end. */
float squares_of(vec4 d, uint c)
{
    if (ALIGNED != 2) d = mix(vec4(0), d, lessThan(c + uvec4(0, 1, 2, 3), uvec4(a.cols)));
    return dot(d, d);
}

void main()
{
    for EACH_GROUP(r, a.rows) {
        const uint row = r * a.cols;
        vec4 x[KEPT], residual[KEPT], gamma[KEPT], beta[KEPT];
        EACH_KEPT(k, c) {
            x[k] = load4(a.x, row, c, a.cols);
            residual[k] = residual_at(row, c);
            gamma[k] = load4(a.gamma, 0, c, a.cols);
            beta[k] = load4(a.beta, 0, c, a.cols);
        }
        float sum = 0, squares = 0;
        EACH_KEPT(k, c) sum += sum_of(x[k] = arrive(r, c, x[k], residual[k]));
        for EACH_OTHER(c) sum += sum_of(arrive(r, c, load4(a.x, row, c, a.cols), residual_at(row, c)));
        const float mean = group_sum(vec2(sum)).x / a.cols;
        EACH_KEPT(k, c) squares += squares_of(x[k] - mean, c);
        for EACH_OTHER(c) squares += squares_of(load4(a.x, row, c, a.cols) - mean, c);
        const float rstd = 1 / sqrt(group_sum(vec2(squares)).x / a.cols + a.eps);
        EACH_KEPT(k, c) store4(a.y, row, c, a.cols, (x[k] - mean) * rstd * gamma[k] + beta[k]);
        for EACH_OTHER(c)
            store4(a.y, row, c, a.cols,
                   (load4(a.x, row, c, a.cols) - mean) * rstd * load4(a.gamma, 0, c, a.cols) +
                       load4(a.beta, 0, c, a.cols));
        if (gl_LocalInvocationIndex == 0 && a.cols > 0) {
            a.mean.v[r] = mean;
            a.rstd.v[r] = rstd;
        }
    }
}
#elif defined OP_layernorm_dx
vec4 d_at(uint row, uint c) { return load4(a.dy, row, c, a.cols) * load4(a.gamma, 0, c, a.cols); }
vec4 normal_at(uint row, uint c, float mean, float rstd) { return (load4(a.x, row, c, a.cols) - mean) * rstd; }
vec2 sums_of(vec4 d, vec4 normal) { return vec2(sum_of(d), dot(d, normal)); }

void leave(uint r, uint c, vec4 dsum)
{
    store4(a.dsum, r * a.cols, c, a.cols, dsum);
    if (!IS_NULL(a.dx))
        store4(a.dx, r * a.cols, c, a.cols, dsum * drop_keep4(a.drop, a.seed, 0, a.step, a.site, r, c));
}

void main()
{
    for EACH_GROUP(r, a.rows) {
        const uint row = r * a.cols;
        const float mean = a.mean.v[r], rstd = a.rstd.v[r];
        vec4 d[KEPT], normal[KEPT];
        vec2 sums = vec2(0);
        EACH_KEPT(k, c) {
            d[k] = d_at(row, c);
            normal[k] = normal_at(row, c, mean, rstd);
            sums += sums_of(d[k], normal[k]);
        }
        for EACH_OTHER(c) sums += sums_of(d_at(row, c), normal_at(row, c, mean, rstd));
        sums = group_sum(sums) / a.cols;
        EACH_KEPT(k, c) leave(r, c, rstd * (d[k] - sums.x - normal[k] * sums.y));
        for EACH_OTHER(c)
            leave(r, c, rstd * (d_at(row, c) - sums.x - normal_at(row, c, mean, rstd) * sums.y));
    }
}
#elif defined OP_cross_entropy
void main()
{
    for EACH_GROUP(r, a.rows) {
        const uint row = r * a.classes, label = a.labels.v[r];
        float largest = -3.4e38, sum = 0;
        for EACH_LANE(c, a.classes) {
            const float z = a.logits.v[row + c];
            if (!(z <= largest)) largest = z;
        }
        largest = group_largest(largest);
        for EACH_LANE(c, a.classes) sum += exp_of(a.logits.v[row + c] - largest);
        const float lse = log(group_sum(vec2(sum)).x); /* beyond `largest` */
        if (gl_LocalInvocationIndex == 0) a.loss.v[r] = lse - (a.logits.v[row + label] - largest);
        if (IS_NULL(a.dlogits)) continue;
        for EACH_LANE(c, a.classes)
            a.dlogits.v[row + c] = (exp_of(a.logits.v[row + c] - largest - lse) - (c == label ? 1 : 0)) * a.scale;
    }
}
#elif defined OP_distill
/* (sum over the classes of exp((z - largest) / temperature), largest) */
vec2 softmax_of(f32p z, uint row)
{
    float largest = -3.4e38, sum = 0;
    for EACH_LANE(c, a.classes)
        if (!(z.v[row + c] <= largest)) largest = z.v[row + c];
    largest = group_largest(largest);
    for EACH_LANE(c, a.classes) sum += exp_of((z.v[row + c] - largest) / a.temperature);
    return vec2(group_sum(vec2(sum)).x, largest);
}

void main()
{
    for EACH_GROUP(r, a.rows) {
        const uint row = r * a.classes;
        const vec2 student = softmax_of(a.logits, row), teacher = softmax_of(a.teacher, row);
        float divergence = 0;
        for EACH_LANE(c, a.classes) {
            const float log_q = (a.logits.v[row + c] - student.y) / a.temperature - log(student.x);
            const float log_p = (a.teacher.v[row + c] - teacher.y) / a.temperature - log(teacher.x);
            const float d = a.scale * a.temperature * (exp_of(log_q) - exp_of(log_p));
            divergence += exp_of(log_p) * (log_p - log_q);
            a.dlogits.v[row + c] = a.accumulate != 0 ? a.dlogits.v[row + c] + d : d;
        }
        divergence = group_sum(vec2(divergence)).x;
        if (gl_LocalInvocationIndex == 0) a.loss.v[r] = a.temperature * a.temperature * divergence;
    }
}
#elif defined OP_mse
void main()
{
    for EACH_GROUP(r, a.rows) {
        const uint row = r * a.classes;
        float sum = 0;
        for EACH_LANE(c, a.classes) {
            const float difference = a.logits.v[row + c] - a.target.v[row + c], d = a.scale * 2 / a.classes * difference;
            sum += difference * difference;
            a.dlogits.v[row + c] = a.accumulate != 0 ? a.dlogits.v[row + c] + d : d;
        }
        sum = group_sum(vec2(sum)).x;
        if (gl_LocalInvocationIndex == 0) a.loss.v[r] = sum / a.classes;
    }
}
#elif defined OP_dot
void main()
{
    for EACH_GROUP(i, (a.n + a.block - 1) / a.block) {
        const uint from = optional(a.row, i, u32p(uvec2(a.x)), i) * a.block, count = min(a.block, a.n - i * a.block);
        float sum = 0;
        for EACH_FOUR(j, count) sum += dot(load4(a.x, from, j, count), load4(a.y, from, j, count));
        sum = group_sum(vec2(sum)).x;
        if (gl_LocalInvocationIndex == 0) a.part.v[i] = sum;
    }
}
#elif defined OP_quadratic_penalty
void main()
{
    for EACH_GROUP(i, (a.n + a.block - 1) / a.block) {
        const uint from = i * a.block, count = min(a.block, a.n - from);
        float sum = 0;
        for EACH_FOUR(j, count) {
            const vec4 g = load4(a.g, from, j, count);
            const vec4 away = load4(a.w, from, j, count) - load4(a.anchor, from, j, count);
            const vec4 pull = IS_NULL(a.importance) ? away : away * load4(a.importance, from, j, count);
            store4(a.g, from, j, count, g + a.strength * pull);
            sum += dot(pull, away);
        }
        sum = group_sum(vec2(sum)).x;
        if (gl_LocalInvocationIndex == 0) a.part.v[i] = sum;
    }
}
#elif defined OP_projection
void main()
{
    vec2 sum = vec2(0);
    for EACH_FOUR(i, a.parts) {
        sum.x += sum_of(load4(a.g_r, 0, i, a.parts));
        sum.y += sum_of(load4(a.r_r, 0, i, a.parts));
    }
    sum = group_sum(sum);
    if (gl_LocalInvocationIndex == 0) {
        a.result.v[0] = sum.x >= 0 || sum.y == 0 ? 0 : -sum.x / sum.y; /* NaN stays NaN */
        a.result.v[1] = sum.x;
    }
}
#elif defined OP_clip
void main()
{
    float sum = 0;
    for EACH_FOUR(i, a.parts) sum += sum_of(load4(a.part, 0, i, a.parts));
    const float norm = sqrt(group_sum(vec2(sum)).x), factor = a.max_norm / (norm + 1e-6);
    if (gl_LocalInvocationIndex == 0) {
        a.result.v[0] = factor >= 1 ? 1 : factor; /* NaN stays NaN */
        a.result.v[1] = norm;
    }
}
#endif
