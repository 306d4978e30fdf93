#version 460
/* Ops on whole rows of tables: a workgroup takes a row, its threads the columns. */
#define GROUP 128
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

void main()
{
#if defined OP_embed
    for EACH_GROUP(t, a.rows) {
        const uint word = a.ids.v[t] * a.cols, position = a.positions.v[t] * a.cols, type = a.types.v[t] * a.cols;
        for EACH_LANE(c, a.cols) {
            precise const float sum = a.word.v[word + c] + a.position.v[position + c] + a.type.v[type + c];
            a.y.v[t * a.cols + c] = sum;
        }
    }
#elif defined OP_embed_grad
    for EACH_GROUP(u, a.unique) {
        const uint row = a.row.v[u] * a.cols, from = a.starts.v[u], to = a.starts.v[u + 1];
        for EACH_LANE(c, a.cols) {
            float sum = 0;
            for (uint j = from; j < to; j++) sum += a.dy.v[a.order.v[j] * a.cols + c];
            a.dtable.v[row + c] = sum;
        }
    }
#elif defined OP_embed_importance
    for EACH_GROUP(u, a.unique) {
        const uint row = a.row.v[u] * a.cols, from = a.starts.v[u], to = a.starts.v[u + 1];
        for EACH_LANE(c, a.cols) {
            float total = 0, sum = 0; /* of all examples so far; of this one */
            uint end = 0, e = 0;      /* end: of this example's tokens */
            for (uint j = from; j <= to; j++) {
                const uint token = j < to ? a.order.v[j] : a.rows;
                if (token >= end) {
                    total += a.power == 1 ? abs(sum) : sum * sum;
                    sum = 0;
                    while (token >= end && e < a.examples) end = a.offsets.v[++e];
                }
                if (j < to) sum += a.dy.v[token * a.cols + c];
            }
            a.table.v[row + c] += a.scale * total;
        }
    }
#elif defined OP_gather_rows
    for EACH_GROUP(i, a.rows)
        for EACH_LANE(c, a.cols) a.y.v[i * a.cols + c] = a.x.v[a.index.v[i] * a.ldx + c];
#elif defined OP_scatter_rows
    for EACH_GROUP(i, a.rows)
        for EACH_LANE(c, a.cols) a.y.v[a.index.v[i] * a.ldy + c] += a.x.v[i * a.cols + c];
#elif defined OP_zero_rows
    for EACH_GROUP(i, a.rows)
        for EACH_LANE(c, a.cols) a.x.v[a.row.v[i] * a.cols + c] = 0;
#elif defined OP_adamw_rows
    const float scale = IS_NULL(a.scale) ? 1 : a.scale.v[0];
    for EACH_GROUP(r, a.rows) {
        if (a.stamp.v[r] != ROW_AWAKE) continue;
        for EACH_LANE(c, a.cols) {
            const uint i = r * a.cols + c;
            const float g = a.g.v[i] * scale;
            const float m = a.m.v[i] + (1 - a.beta1) * (g - a.m.v[i]);
            const float v = a.beta2 * a.v.v[i] + (1 - a.beta2) * g * g;
            precise const float decayed = a.w.v[i] * a.shrink;
            a.w.v[i] = decayed - a.lr / a.fix1 * m / (sqrt(v) / a.fix2 + a.eps);
            a.m.v[i] = m;
            a.v.v[i] = v;
        }
    }
#elif defined OP_wake_rows
    for EACH_GROUP(i, a.rows) {
        const uint r = IS_NULL(a.row) ? i : a.row.v[i], from = a.stamp.v[r];
        barrier(); /* all threads have read the stamp */
        if (from == ROW_AWAKE) continue;
        for EACH_LANE(c, a.cols) {
            precise float w = a.w.v[r * a.cols + c];
            for (uint k = from; k < a.step; k++) w *= a.factors.v[k];
            a.w.v[r * a.cols + c] = w;
        }
        if (gl_LocalInvocationIndex == 0) a.stamp.v[r] = a.awake != 0 ? ROW_AWAKE : a.step;
    }
#endif
}
