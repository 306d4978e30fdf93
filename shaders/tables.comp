#version 460
/* Ops on whole rows of tables: a workgroup takes a row, its threads the columns, mostly four at a time. */
#define GROUP 128
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

void main()
{
#if defined OP_embed_importance
    for EACH_GROUP(u, a.unique) {
        const uint row = a.row.v[u] * a.cols, from = a.starts.v[u], to = a.starts.v[u + 1];
        for EACH_LANE(v, (a.cols + 3) / 4) {
            const uint c = 4 * v;
            vec4 total = vec4(0), sum = vec4(0); /* of all examples so far; of this one */
            uint end = 0, e = 0;                 /* end: of this example's tokens */
            for (uint j = from; j <= to; j++) {
                const uint token = j < to ? a.order.v[j] : a.rows;
                if (token >= end) {
                    total += a.power == 1 ? abs(sum) : sum * sum;
                    sum = vec4(0);
                    while (token >= end && e < a.examples) end = a.offsets.v[++e];
                }
                if (j < to) sum += load4(a.dy, token * a.cols, c, a.cols);
            }
            store4(a.table, row, c, a.cols, load4(a.table, row, c, a.cols) + a.scale * total);
        }
    }
#elif defined OP_wake_rows
    for EACH_GROUP(i, a.rows) {
        const uint r = optional(a.row, min(i, a.rows - 1), a.stamp, i), from = a.stamp.v[r];
        barrier(); /* all threads have read the stamp */
        if (from == ROW_AWAKE) continue;
        for EACH_LANE(v, (a.cols + 3) / 4) {
            const uint c = 4 * v;
            precise vec4 w = load4(a.w, r * a.cols, c, a.cols);
            for (uint k = min(from, a.step); k < a.step; k++) w *= a.factors.v[k];
            store4(a.w, r * a.cols, c, a.cols, w);
        }
        if (gl_LocalInvocationIndex == 0) a.stamp.v[r] = a.awake != 0 ? ROW_AWAKE : a.step;
    }
#elif defined OP_rope
    const uint half_dim = a.head_dim / 2;
    for EACH_GROUP(r, a.rows) {
        const uint turn = a.positions.v[r] * a.head_dim;
        for EACH_LANE(n, a.heads * half_dim) {
            const uint i = n % half_dim, at = r * a.ld + n / half_dim * a.head_dim + i;
            const float u = a.x.v[at], v = a.x.v[at + half_dim];
            const float c = a.table.v[turn + i], s = a.table.v[turn + half_dim + i] * (a.back != 0 ? -1 : 1);
            a.x.v[at] = u * c - v * s;
            a.x.v[at + half_dim] = v * c + u * s;
        }
    }
#elif defined OP_average_grad
    for EACH_GROUP(e, a.examples) {
        const uint from = a.offsets.v[e], to = a.offsets.v[e + 1];
        for EACH_LANE(v, (a.cols + 3) / 4) {
            const uint c = 4 * v;
            const vec4 share = load4(a.dy, e * a.cols, c, a.cols) / float(max(to - from, 1));
            for (uint r = from; r < to; r++) store4(a.dx, r * a.cols, c, a.cols, share);
        }
    }
#endif
}
