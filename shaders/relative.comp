#version 460
/* Relative positions: OP_relative_bias and OP_relative_bias_grad. A workgroup has a token's row of one head, and its
 * threads the keys, or the buckets; of sums by example a bucket of one head, and its threads the queries. Each sum is
 * one thread's, in a fixed order; that of a workgroup too. */
#extension GL_GOOGLE_include_directive : require
#define GROUP 64
#include "common.glsl"

/* Where relative_bias's term of query token t and key j is. */
uint bias_at(uint t, uint h, uint j) { return (t * a.heads + h) * a.longest + j; }

#ifdef OP_relative_bias
void main()
{
    for EACH_GROUP(item, a.examples * a.longest * a.heads) {
        const uint h = item % a.heads, i = item / a.heads % a.longest, e = item / a.heads / a.longest;
        const uint first = a.offsets.v[e], tokens = a.offsets.v[e + 1] - first;
        if (i >= tokens) continue;
        for EACH_LANE(j, tokens) {
            const uint of = h * a.next_head + (a.bucket.v[i + a.reach - 1 - j] - a.base) * a.next_bucket;
            const float key = optional(a.b, IS_NULL(a.b) ? 0 : (first + j) * a.heads * a.buckets + of, a.a, 0);
            a.bias.v[bias_at(first + i, h, j)] = a.a.v[(first + i) * a.lda + of] + key;
        }
    }
}
#else
/* The distances of a bucket are d - reach + 1, from d = x to before d = y. */
uvec2 span_of(uint bucket) { return uvec2(a.span.v[2 * (bucket + a.base)], a.span.v[2 * (bucket + a.base) + 1]); }

/* The sum over the keys of query i that a bucket has. Keys before the first one wrap around to beyond the last. */
float sum_of_keys(uint first, uint tokens, uint h, uvec2 span, uint i)
{
    float sum = 0;
    for (uint d = span.x; d < span.y; d++) {
        const uint j = i + a.reach - 1 - d;
        if (j < tokens) sum += a.dbias.v[bias_at(first + i, h, j)];
    }
    return sum;
}

float sum_of_queries(uint first, uint tokens, uint h, uvec2 span, uint j)
{
    float sum = 0;
    for (uint d = span.x; d < span.y; d++) {
        const uint i = j + d - (a.reach - 1);
        if (i < tokens) sum += a.dbias.v[bias_at(first + i, h, j)];
    }
    return sum;
}

void main()
{
    const uint row = a.heads * a.buckets, all = a.by_example != 0 ? a.buckets : a.longest;
    for EACH_GROUP(item, a.examples * all * a.heads) {
        const uint h = item % a.heads, which = item / a.heads % all, e = item / a.heads / all;
        const uint first = a.offsets.v[e], tokens = a.offsets.v[e + 1] - first;
        if (a.by_example != 0) {
            const uvec2 span = span_of(which);
            const uint to = e * row + h * a.next_head + which * a.next_bucket;
            float sum = 0;
            for EACH_LANE(i, tokens) sum += sum_of_keys(first, tokens, h, span, i);
            sum = group_sum(vec2(sum, 0)).x;
            if (gl_LocalInvocationIndex == 0) a.da.v[to] = (a.accumulate != 0 ? a.da.v[to] : 0) + sum;
            barrier();
        } else if (which < tokens) {
            for EACH_LANE(b, a.buckets) {
                const uvec2 span = span_of(b);
                const uint to = (first + which) * row + h * a.next_head + b * a.next_bucket;
                a.da.v[to] = (a.accumulate != 0 ? a.da.v[to] : 0) + sum_of_keys(first, tokens, h, span, which);
                if (!IS_NULL(a.db)) a.db.v[to] = sum_of_queries(first, tokens, h, span, which);
            }
        }
    }
}
#endif
