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
#elif defined OP_square_sum
void main()
{
    for EACH_GROUP(i, (a.n + a.block - 1) / a.block) {
        const uint from = IS_NULL(a.row) ? i * a.block : a.row.v[i] * a.block, count = min(a.block, a.n - i * a.block);
        float sum = 0;
        for EACH_LANE(j, count) sum += a.x.v[from + j] * a.x.v[from + j];
        sum = group_sum(vec2(sum)).x;
        if (gl_LocalInvocationIndex == 0) a.part.v[i] = sum;
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
