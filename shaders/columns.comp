#version 460
/* Sums down the columns of a matrix: a workgroup takes COLUMNS neighbouring columns, and each of its LANES rows of threads
 * every LANES-th row. */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

#define COLUMNS 32
#define LANES 8
layout(local_size_x = COLUMNS, local_size_y = LANES) in;
shared vec2 sums[LANES][COLUMNS];

void main()
{
    const uint lane = gl_LocalInvocationID.y;
    for (uint block = gl_WorkGroupID.x; block < (a.cols + COLUMNS - 1) / COLUMNS; block += gl_NumWorkGroups.x) {
        const uint c = block * COLUMNS + gl_LocalInvocationID.x;
        vec2 sum = vec2(0);
#ifdef OP_column_importance /* every LANES-th example instead */
        for (uint e = lane; e < a.examples && c < a.cols; e += LANES) {
            vec2 gradient = vec2(0);
            for (uint r = a.offsets.v[e]; r < a.offsets.v[e + 1]; r++) {
                const float dy = a.dy.v[r * a.ld + c];
                gradient.y += dy;
                if (!IS_NULL(a.x)) gradient.x += dy * (a.x.v[r * a.cols + c] - a.mean.v[r]) * a.rstd.v[r];
            }
            sum += a.power == 1 ? abs(gradient) : gradient * gradient;
        }
#else
        for (uint r = lane; r < a.rows && c < a.cols; r += LANES)
#endif
#ifdef OP_layernorm_dw
        {
            const float dy = a.dy.v[r * a.cols + c];
            sum += vec2(dy * (a.x.v[r * a.cols + c] - a.mean.v[r]) * a.rstd.v[r], dy);
        }
#elif defined OP_column_sum
            sum.x += a.x.v[r * a.ld + c];
#endif
        barrier();
        sums[lane][gl_LocalInvocationID.x] = sum;
        for (uint half_size = LANES / 2; half_size > 0; half_size /= 2) {
            barrier();
            if (lane < half_size) sums[lane][gl_LocalInvocationID.x] += sums[lane + half_size][gl_LocalInvocationID.x];
        }
        if (lane == 0 && c < a.cols) {
            sum = sums[0][gl_LocalInvocationID.x];
#ifdef OP_layernorm_dw
            a.dgamma.v[c] = sum.x;
            a.dbeta.v[c] = sum.y;
#elif defined OP_column_importance
            if (!IS_NULL(a.x)) a.gamma.v[c] += a.scale * sum.x;
            a.beta.v[c] += a.scale * sum.y;
#elif defined OP_column_sum
            a.y.v[c] = sum.x;
#endif
        }
    }
}
