#version 460
/* OP_attention and OP_attention_grad. A workgroup takes a tile of T rows (queries, or in KEYS_PASS keys) of one head of one
 * example and walks over tiles of the other side, so that no score is ever stored: forward with running maxima and sums
 * (Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135), backward with probabilities that
 * are computed again from lse. Four threads share a row: for scores they divide the columns, for sums the D dimensions. */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(local_size_x_id = 0) in; /* 4 T */
layout(constant_id = 1) const uint T = 16;
layout(constant_id = 2) const uint D = 32; /* a.size */
layout(constant_id = 3) const bool KEYS_PASS = false; /* backward: dkv instead of dq */

const uint LD = D + 1, LT = T + 1, PER_THREAD = (D + 3) / 4;
shared float rows_a[T * LD], rows_b[T * LD], cols_a[T * LD], cols_b[T * LD];
shared float p[T * LT];

/* to[i] = from[row0 + i], columns col .. col + D - 1, or 0 from `count` rows on. */
#define LOAD_TILE(to, from, row0, ld, col, count)                             \
    for (uint x_ = gl_LocalInvocationIndex; x_ < T * D; x_ += 4 * T) {         \
        const uint i_ = x_ / D, s_ = x_ % D;                                   \
        to[i_ * LD + s_] = i_ < (count) ? from.v[((row0) + i_) * (ld) + (col) + s_] : 0; \
    }
#define DOT(sum, x, i, y, j)                                            \
    float sum = 0;                                                      \
    for (uint s_ = 0; s_ < D; s_++) sum += x[(i) * LD + s_] * y[(j) * LD + s_]

struct Place {
    uint head, example, begin;      /* begin: first row of the tile, within the example */
    uint first, tokens, queries, row; /* first: the example's first token; row: its first row of q */
};

bool place_of(uint item, uint tiles, out Place at)
{
    at.begin = item % tiles * T;
    at.head = item / tiles % a.heads;
    at.example = item / tiles / a.heads;
    at.first = a.offsets.v[at.example];
    at.tokens = a.offsets.v[at.example + 1] - at.first;
    at.queries = a.first_only != 0 ? 1 : at.tokens;
    at.row = a.first_only != 0 ? at.example : at.first;
    return at.begin < (KEYS_PASS ? at.tokens : at.queries);
}

float keep_of(Place at, uint query, uint key)
{
    return drop_keep(a.drop, a.seed, at.head, a.step, a.site, at.first + query, key);
}

#ifdef OP_attention
shared float part_sum[T * 4];

void tile(Place at)
{
    const uint t = gl_LocalInvocationIndex, i = t / 4, part = t % 4, width = a.heads * D, head = at.head * D;
    const uint rows = min(T, at.queries - at.begin);
    float context[PER_THREAD], largest = uintBitsToFloat(0xff800000u), sum = 0;
    for (uint j = 0; j < PER_THREAD; j++) context[j] = 0;
    LOAD_TILE(rows_a, a.q, at.row + at.begin, a.ldq, head, rows)
    for (uint k0 = 0; k0 < at.tokens; k0 += T) {
        const uint cols = min(T, at.tokens - k0);
        barrier();
        LOAD_TILE(cols_a, a.kv, at.first + k0, a.ldkv, head, cols)
        LOAD_TILE(cols_b, a.kv, at.first + k0, a.ldkv, width + head, cols)
        barrier();
        for (uint j = part; j < cols; j += 4) {
            DOT(score, rows_a, i, cols_a, j);
            p[i * LT + j] = a.scale * score;
        }
        barrier();
        float now = largest;
        for (uint j = 0; j < cols; j++)
            if (!(p[i * LT + j] <= now)) now = p[i * LT + j];
        const float shrink = exp_of(largest - now);
        largest = now;
        sum *= shrink;
        barrier();
        for (uint j = part; j < cols; j += 4) {
            const float e = exp_of(p[i * LT + j] - now);
            sum += e;
            p[i * LT + j] = i < rows ? e * keep_of(at, at.begin + i, k0 + j) : 0;
        }
        barrier();
        for (uint s = 0; s < PER_THREAD; s++) {
            float c = context[s] * shrink;
            for (uint j = 0; j < cols && part + 4 * s < D; j++) c += p[i * LT + j] * cols_b[j * LD + part + 4 * s];
            context[s] = c;
        }
    }
    part_sum[t] = sum;
    barrier();
    sum = part_sum[4 * i] + part_sum[4 * i + 1] + part_sum[4 * i + 2] + part_sum[4 * i + 3];
    if (i < rows) {
        const uint row = at.row + at.begin + i;
        for (uint s = part, j = 0; s < D; s += 4, j++)
            a.context.v[row * a.ldc + head + s] = at.tokens > 0 ? context[j] / sum : 0;
        if (part == 0)
            a.lse.v[at.head * (a.first_only != 0 ? a.examples : a.offsets.v[a.examples]) + row] = largest + log(sum);
    }
    barrier();
}

#else
shared float lse[T], delta[T], parts[T * 4], ds[T * LT];

/* Loads a tile of queries: q, the gradient of the context, lse and delta = dcontext . context. */
#define LOAD_QUERIES(to_q, to_d, begin, count)                                                                \
    {                                                                                                         \
        const uint row0_ = at.row + (begin), head_ = at.head * D;                                            \
        LOAD_TILE(to_q, a.q, row0_, a.ldq, head_, count)                                                      \
        LOAD_TILE(to_d, a.dcontext, row0_, a.ldc, head_, count)                                               \
        const uint i2_ = gl_LocalInvocationIndex / 4, part_ = gl_LocalInvocationIndex % 4;                    \
        float sum_ = 0;                                                                                       \
        for (uint s_ = part_; s_ < D && i2_ < (count); s_ += 4)                                               \
            sum_ += a.dcontext.v[(row0_ + i2_) * a.ldc + head_ + s_] * a.context.v[(row0_ + i2_) * a.ldc + head_ + s_]; \
        parts[gl_LocalInvocationIndex] = sum_;                                                                \
        if (part_ == 0 && i2_ < (count))                                                                      \
            lse[i2_] = a.lse.v[at.head * (a.first_only != 0 ? a.examples : a.offsets.v[a.examples]) + row0_ + i2_]; \
    }
#define SUM_DELTA                                                                                             \
    if (gl_LocalInvocationIndex % 4 == 0) {                                                                   \
        const uint t_ = gl_LocalInvocationIndex;                                                              \
        delta[t_ / 4] = parts[t_] + parts[t_ + 1] + parts[t_ + 2] + parts[t_ + 3];                            \
    }

void queries_tile(Place at)
{
    const uint t = gl_LocalInvocationIndex, i = t / 4, part = t % 4, width = a.heads * D, head = at.head * D;
    const uint rows = min(T, at.queries - at.begin);
    float dq[PER_THREAD];
    for (uint j = 0; j < PER_THREAD; j++) dq[j] = 0;
    LOAD_QUERIES(rows_a, rows_b, at.begin, rows)
    barrier();
    SUM_DELTA
    for (uint k0 = 0; k0 < at.tokens; k0 += T) {
        const uint cols = min(T, at.tokens - k0);
        barrier();
        LOAD_TILE(cols_a, a.kv, at.first + k0, a.ldkv, head, cols)
        LOAD_TILE(cols_b, a.kv, at.first + k0, a.ldkv, width + head, cols)
        barrier();
        for (uint j = part; j < cols && i < rows; j += 4) {
            DOT(score, rows_a, i, cols_a, j);
            DOT(dp, rows_b, i, cols_b, j);
            ds[i * LT + j] = a.scale * exp_of(a.scale * score - lse[i]) * (keep_of(at, at.begin + i, k0 + j) * dp - delta[i]);
        }
        barrier();
        for (uint s = 0; s < PER_THREAD; s++)
            for (uint j = 0; j < cols && i < rows && part + 4 * s < D; j++) dq[s] += ds[i * LT + j] * cols_a[j * LD + part + 4 * s];
    }
    for (uint s = part, j = 0; s < D && i < rows; s += 4, j++) a.dq.v[(at.row + at.begin + i) * a.ldq + head + s] = dq[j];
    barrier();
}

void keys_tile(Place at)
{
    const uint t = gl_LocalInvocationIndex, j = t / 4, part = t % 4, width = a.heads * D, head = at.head * D;
    const uint keys = min(T, at.tokens - at.begin);
    float dk[PER_THREAD], dv[PER_THREAD];
    for (uint s = 0; s < PER_THREAD; s++) dk[s] = dv[s] = 0;
    LOAD_TILE(cols_a, a.kv, at.first + at.begin, a.ldkv, head, keys)
    LOAD_TILE(cols_b, a.kv, at.first + at.begin, a.ldkv, width + head, keys)
    for (uint i0 = 0; i0 < at.queries; i0 += T) {
        const uint rows = min(T, at.queries - i0);
        barrier();
        LOAD_QUERIES(rows_a, rows_b, i0, rows)
        barrier();
        SUM_DELTA
        barrier();
        for (uint i = part; i < rows && j < keys; i += 4) {
            DOT(score, rows_a, i, cols_a, j);
            DOT(dp, rows_b, i, cols_b, j);
            const float prob = exp_of(a.scale * score - lse[i]), keep = keep_of(at, i0 + i, at.begin + j);
            p[j * LT + i] = prob * keep;
            ds[j * LT + i] = a.scale * prob * (keep * dp - delta[i]);
        }
        barrier();
        for (uint s = 0; s < PER_THREAD; s++)
            for (uint i = 0; i < rows && j < keys && part + 4 * s < D; i++) {
                dk[s] += ds[j * LT + i] * rows_a[i * LD + part + 4 * s];
                dv[s] += p[j * LT + i] * rows_b[i * LD + part + 4 * s];
            }
    }
    for (uint s = part, x = 0; s < D && j < keys; s += 4, x++) {
        const uint row = (at.first + at.begin + j) * a.ldkv + head + s;
        a.dkv.v[row] = dk[x];
        a.dkv.v[row + width] = dv[x];
    }
    barrier();
}

void tile(Place at)
{
    if (KEYS_PASS) keys_tile(at);
    else queries_tile(at);
}
#endif

void main()
{
    const uint longest = a.first_only != 0 && !KEYS_PASS ? 1 : a.longest, tiles = (longest + T - 1) / T;
    for EACH_GROUP(item, tiles * a.heads * a.examples) {
        Place at;
        if (place_of(item, tiles, at)) tile(at);
    }
}
