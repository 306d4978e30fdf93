#version 460
/* Ops that sum along a row or a block: a workgroup for each. */
#define GROUP 128
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

#if defined OP_layernorm
void main()
{
    for EACH_GROUP(r, a.rows) {
        const uint row = r * a.cols;
        float sum = 0;
        for EACH_LANE(c, a.cols) {
            float x = a.x.v[row + c] * drop_keep(a.drop, a.seed, 0, a.step, a.site, r, c);
            if (!IS_NULL(a.residual)) x += a.residual.v[row + c];
            a.x.v[row + c] = x;
            sum += x;
        }
        const float mean = group_sum(vec2(sum)).x / a.cols;
        float squares = 0;
        for EACH_LANE(c, a.cols) {
            const float d = a.x.v[row + c] - mean;
            squares += d * d;
        }
        const float rstd = 1 / sqrt(group_sum(vec2(squares)).x / a.cols + a.eps);
        for EACH_LANE(c, a.cols)
            a.y.v[row + c] = (a.x.v[row + c] - mean) * rstd * a.gamma.v[c] + a.beta.v[c];
        if (gl_LocalInvocationIndex == 0 && a.cols > 0) {
            a.mean.v[r] = mean;
            a.rstd.v[r] = rstd;
        }
    }
}
#elif defined OP_layernorm_dx
void main()
{
    for EACH_GROUP(r, a.rows) {
        const uint row = r * a.cols;
        const float mean = a.mean.v[r], rstd = a.rstd.v[r];
        vec2 sums = vec2(0);
        for EACH_LANE(c, a.cols) {
            const float d = a.dy.v[row + c] * a.gamma.v[c];
            sums += vec2(d, d * (a.x.v[row + c] - mean) * rstd);
        }
        sums = group_sum(sums) / a.cols;
        for EACH_LANE(c, a.cols) {
            const float d = a.dy.v[row + c] * a.gamma.v[c], normal = (a.x.v[row + c] - mean) * rstd;
            const float dsum = rstd * (d - sums.x - normal * sums.y);
            a.dsum.v[row + c] = dsum;
            if (!IS_NULL(a.dx)) a.dx.v[row + c] = dsum * drop_keep(a.drop, a.seed, 0, a.step, a.site, r, c);
        }
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
        const uint from = IS_NULL(a.row) ? i * a.block : a.row.v[i] * a.block, count = min(a.block, a.n - i * a.block);
        float sum = 0;
        for EACH_LANE(j, count) sum += a.x.v[from + j] * a.y.v[from + j];
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
        for EACH_LANE(j, count) {
            const float away = a.w.v[from + j] - a.anchor.v[from + j];
            const float pull = IS_NULL(a.importance) ? away : away * a.importance.v[from + j];
            a.g.v[from + j] += a.strength * pull;
            sum += pull * away;
        }
        sum = group_sum(vec2(sum)).x;
        if (gl_LocalInvocationIndex == 0) a.part.v[i] = sum;
    }
}
#elif defined OP_projection
void main()
{
    if (gl_WorkGroupID.x > 0) return;
    vec2 sum = vec2(0);
    for EACH_LANE(i, a.parts) sum += vec2(a.g_r.v[i], a.r_r.v[i]);
    sum = group_sum(sum);
    if (gl_LocalInvocationIndex == 0) {
        a.result.v[0] = sum.x >= 0 || sum.y == 0 ? 0 : -sum.x / sum.y; /* NaN stays NaN */
        a.result.v[1] = sum.x;
    }
}
#elif defined OP_clip
void main()
{
    if (gl_WorkGroupID.x > 0) return;
    float sum = 0;
    for EACH_LANE(i, a.parts) sum += a.part.v[i];
    const float norm = sqrt(group_sum(vec2(sum)).x), factor = a.max_norm / (norm + 1e-6);
    if (gl_LocalInvocationIndex == 0) {
        a.result.v[0] = factor >= 1 ? 1 : factor; /* NaN stays NaN */
        a.result.v[1] = norm;
    }
}
#endif
