#version 460
/* Sums down the columns of a matrix: a workgroup takes COLUMNS neighbouring vectors of four columns, and each of its
 * LANES rows of threads every LANES-th row. */
#define GROUP 256
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(constant_id = 1) const uint COLUMNS = 16; /* a power of 2 */
const uint LANES = GROUP / COLUMNS, FEW = LANES < 16 ? LANES : 16;
#define LANE (gl_LocalInvocationIndex / COLUMNS)
#define COLUMN (gl_LocalInvocationIndex % COLUMNS)
shared vec4 sums[GROUP];

/* For all threads of lane 0: the sum over the lanes, in a fixed order. */
vec4 sum_lanes(vec4 sum)
{
    if (LANES == 1) return sum;
    barrier();
    sums[gl_LocalInvocationIndex] = sum;
    barrier();
    if (LANE < FEW) {
        for (uint lane = LANE + FEW; lane < LANES; lane += FEW) sum += sums[lane * COLUMNS + COLUMN];
        sums[gl_LocalInvocationIndex] = sum;
    }
    barrier();
    if (LANE == 0)
        [[unroll]] for (uint lane = 1; lane < FEW; lane++) sum += sums[lane * COLUMNS + COLUMN];
    return sum;
}

/* r from `from` on, step by step. Eight steps are laid out, so that their reads are on the way together. */
#define EACH_ROW(r, from, to, step) \
    for (uint from_##r = from; from_##r < (to); from_##r += 8 * (step)) \
        [[unroll]] for (uint k_##r = 0, r = from_##r; k_##r < 8; k_##r++, r += step) if (r < (to))

void main()
{
    const uint wide = (a.cols + 4 * COLUMNS - 1) / (4 * COLUMNS);
#ifdef OP_embed_grad
    for EACH_GROUP(i, a.unique * wide) {
        const uint u = i / wide, c = 4 * (i % wide * COLUMNS + COLUMN), to = c < a.cols ? a.starts.v[u + 1] : 0;
        vec4 sum = vec4(0);
        EACH_ROW(j, a.starts.v[u] + LANE, to, LANES) sum += load4(a.dy, a.order.v[j] * a.cols, c, a.cols);
        sum = sum_lanes(sum);
        if (LANE == 0 && c < a.cols) store4(a.dtable, a.row.v[u] * a.cols, c, a.cols, sum);
    }
#elif defined OP_average
    for EACH_GROUP(i, a.examples * wide) {
        const uint e = i / wide, c = 4 * (i % wide * COLUMNS + COLUMN), to = c < a.cols ? a.offsets.v[e + 1] : 0;
        vec4 sum = vec4(0);
        EACH_ROW(r, a.offsets.v[e] + LANE, to, LANES) sum += load4(a.x, r * a.cols, c, a.cols);
        sum = sum_lanes(sum) / float(max(a.offsets.v[e + 1] - a.offsets.v[e], 1));
        if (LANE == 0 && c < a.cols) store4(a.y, e * a.cols, c, a.cols, sum);
    }
#else
    for EACH_GROUP(i, wide) {
        const uint c = 4 * (i * COLUMNS + COLUMN);
        const bool mine = c < a.cols;
        vec4 sum = vec4(0), sum_x = vec4(0); /* of what is summed, and of it times the normalised x */
#ifdef OP_column_sum
        EACH_ROW(r, LANE, mine ? a.rows : 0, LANES) sum += load4(a.x, r * a.ld, c, a.cols);
#elif defined OP_layernorm_dw
        EACH_ROW(r, LANE, mine ? a.rows : 0, LANES) {
            const vec4 dy = load4(a.dy, r * a.cols, c, a.cols);
            sum += dy;
            sum_x += dy * (load4(a.x, r * a.cols, c, a.cols) - a.mean.v[r]) * a.rstd.v[r];
        }
#elif defined OP_column_importance /* every LANES-th example instead */
        for (uint e = LANE; e < a.examples && mine; e += LANES) {
            vec4 of_beta = vec4(0), of_gamma = vec4(0);
            const uint end = a.offsets.v[e + 1];
            EACH_ROW(r, a.offsets.v[e], end, 1) {
                const vec4 dy = load4(a.dy, r * a.ld, c, a.cols);
                of_beta += dy;
                if (!IS_NULL(a.x))
                    of_gamma += dy * (load4(a.x, r * a.cols, c, a.cols) - a.mean.v[r]) * a.rstd.v[r];
            }
            sum += a.power == 1 ? abs(of_beta) : of_beta * of_beta;
            sum_x += a.power == 1 ? abs(of_gamma) : of_gamma * of_gamma;
        }
#endif
        sum = sum_lanes(sum);
#ifndef OP_column_sum
        sum_x = sum_lanes(sum_x);
#endif
        if (LANE > 0 || !mine) continue;
#ifdef OP_column_sum
        store4(a.y, 0, c, a.cols, sum);
#elif defined OP_layernorm_dw
        store4(a.dgamma, 0, c, a.cols, sum_x);
        store4(a.dbeta, 0, c, a.cols, sum);
#elif defined OP_column_importance
        if (!IS_NULL(a.x)) store4(a.gamma, 0, c, a.cols, load4(a.gamma, 0, c, a.cols) + a.scale * sum_x);
        store4(a.beta, 0, c, a.cols, load4(a.beta, 0, c, a.cols) + a.scale * sum);
#endif
    }
#endif
}
