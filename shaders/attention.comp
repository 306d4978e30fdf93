#version 460
/* OP_attention and OP_attention_grad. A workgroup takes a tile of T rows (queries, or in KEYS_PASS keys) of one head of
 * one example and walks over tiles of the other side, so that no score is ever stored in memory: forward with running
 * maxima and sums (Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135), backward with
 * probabilities that are computed again from lse. Four threads share a row: for scores they divide the columns, for all
 * else the vectors of four numbers along D. */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(local_size_x_id = 0) in; /* 4 T */
layout(constant_id = 1) const uint T = 16; /* a power of 2 */
layout(constant_id = 2) const uint D = 32; /* a.size */
layout(constant_id = 3) const bool KEYS_PASS = false; /* backward: dkv instead of dq */
layout(constant_id = 4) const bool ALIGNED = false; /* all rows begin at multiples of 16 bytes, heads in them, too */

/* A thread has row MINE of a tile, of it vectors PART + 4 s (0 behind D), and of its scores columns PART + 4 c. */
#define MINE (gl_LocalInvocationIndex / 4)
#define PART (gl_LocalInvocationIndex % 4)
const uint VECTORS = (D + 15) / 16, COLUMNS = (T + 3) / 4;
#define EACH_VECTOR(s) [[unroll]] for (uint s = 0; s < VECTORS; s++)
#define EACH_COLUMN(c) [[unroll]] for (uint c = 0; c < COLUMNS; c++)

/* How far rows lie apart, in vectors and, for scores, in numbers. Odd, so that neighbours lie in different banks. */
const uint ROW = 4 * VECTORS + 1, LT = T + 1;
const uint Q = 0, K = T * ROW, V = 2 * T * ROW, DC = 3 * T * ROW; /* the tiles; DC: the gradient of the context */
#ifdef OP_attention
shared vec4 tiles[3 * T * ROW];
#else
shared vec4 tiles[4 * T * ROW];
#endif
shared float p[T * LT], parts[4 * T];

float sum_parts() { return parts[4 * MINE] + parts[4 * MINE + 1] + parts[4 * MINE + 2] + parts[4 * MINE + 3]; }

/* Vector v of the D numbers that begin at `from`. Where rows are not aligned, which only unusual sizes of heads make
 * them, the thread that has the vector reads its numbers one by one: slower, but simple. */
vec4 fetch(f32p x, uint from, uint v, bool exists)
{
    vec4 four = vec4(0);
    if (!exists || 4 * v >= D) return four;
    if (ALIGNED) return f32x4p(x).v[from / 4 + v];
    for (uint r = 0; r < 4 && 4 * v + r < D; r++) four[r] = x.v[from + 4 * v + r];
    return four;
}

/* These two: the thread's part of a row of D numbers, which begins at x.v[from]. */
void load(uint tile, f32p x, uint from, bool exists)
{
    EACH_VECTOR(s) tiles[tile + MINE * ROW + PART + 4 * s] = fetch(x, from, PART + 4 * s, exists);
}

void store(f32p x, uint from, vec4 row[VECTORS])
{
    EACH_VECTOR(s) {
        const uint v = PART + 4 * s;
        if (ALIGNED && 4 * v < D) f32x4p(x).v[from / 4 + v] = row[s];
        for (uint r = 0; r < 4 && 4 * v + r < D && !ALIGNED; r++) x.v[from + 4 * v + r] = row[s][r];
    }
}

/* The thread's row of tile x times its columns, rows of tile y: each vector of x is read once for all of them. */
void multiply(uint x, uint y, out float products[COLUMNS])
{
    vec4 sum[COLUMNS];
    EACH_COLUMN(c) sum[c] = vec4(0);
    for (uint s = 0; s < (D + 3) / 4; s++) {
        const vec4 row = tiles[x + MINE * ROW + s];
        EACH_COLUMN(c) sum[c] += row * tiles[y + (PART % T + 4 * c) * ROW + s];
    }
    EACH_COLUMN(c) products[c] = (sum[c].x + sum[c].y) + (sum[c].z + sum[c].w);
}

/* Adds the first `count` numbers of the thread's row of f, each times its row of a tile. */
#define ADD(sum, f, tile, count)                                                   \
    for (uint j_ = 0; j_ < (count); j_++) {                                        \
        const float f_ = f[MINE * LT + j_];                                        \
        EACH_VECTOR(s_) sum[s_] += f_ * tiles[(tile) + j_ * ROW + PART + 4 * s_];  \
    }

struct Place {
    uint head, example, begin;        /* begin: first row of the tile, within the example */
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

/* Where lse of the example's first query lies. */
uint lse_of(Place at) { return at.head * (a.first_only != 0 ? a.examples : a.offsets.v[a.examples]) + at.row; }

void load_keys(Place at, uint begin)
{
    const uint from = (at.first + begin + MINE) * a.ldkv + at.head * D;
    const bool exists = begin + MINE < at.tokens;
    load(K, a.kv, from, exists);
    load(V, a.kv, from + a.heads * D, exists);
}

/* p = dropout's factors for a tile of scores. They come for four keys at a time, whichever side the rows of p are. */
void load_keep(Place at, uint query0, uint key0)
{
    for (uint x = gl_LocalInvocationIndex; x < T * COLUMNS; x += 4 * T) {
        const uint query = x / COLUMNS, four = (key0 / 4 + x % COLUMNS) * 4;
        if (query0 + query >= at.queries) break;
        const vec4 keep = drop_keep4(a.drop, a.seed, at.head, a.step, a.site, at.first + query0 + query, four);
        for (uint key = max(four, key0); key < min(four + 4, key0 + T); key++)
            p[KEYS_PASS ? (key - key0) * LT + query : query * LT + key - key0] = keep[key - four];
    }
}

#ifdef OP_attention
void tile(Place at)
{
    const uint query = at.begin + MINE;
    const bool exists = query < at.queries;
    vec4 context[VECTORS];
    float score[COLUMNS], largest = uintBitsToFloat(0xff800000u), sum = 0;
    EACH_VECTOR(s) context[s] = vec4(0);
    load(Q, a.q, (at.row + query) * a.ldq + at.head * D, exists);
    for (uint k0 = 0; k0 < at.tokens; k0 += T) {
        const uint cols = min(T, at.tokens - k0);
        barrier();
        load_keys(at, k0);
        load_keep(at, at.begin, k0);
        barrier();
        float now = largest;
        if (exists) multiply(Q, K, score);
        EACH_COLUMN(c) {
            score[c] *= a.scale;
            if (PART + 4 * c < cols && !(score[c] <= now)) now = score[c];
        }
        parts[gl_LocalInvocationIndex] = now;
        barrier();
        for (uint other = 0; other < 4; other++)
            if (!(parts[4 * MINE + other] <= now)) now = parts[4 * MINE + other];
        const float shrink = exp_of(largest - now);
        largest = now;
        sum *= shrink;
        EACH_COLUMN(c)
            if (PART + 4 * c < cols) {
                const float e = exp_of(score[c] - now);
                sum += e;
                p[MINE * LT + PART + 4 * c] *= e;
            }
        barrier();
        EACH_VECTOR(s) context[s] *= shrink;
        if (exists) ADD(context, p, V, cols)
    }
    parts[gl_LocalInvocationIndex] = sum;
    barrier();
    sum = sum_parts();
    EACH_VECTOR(s) context[s] = at.tokens > 0 ? context[s] / sum : vec4(0);
    if (exists) {
        store(a.context, (at.row + query) * a.ldc + at.head * D, context);
        if (PART == 0) a.lse.v[lse_of(at) + query] = largest + log(sum);
    }
    barrier();
}

#else
shared float lse[T], delta[T], ds[T * LT];

/* A tile of queries: q, the gradient of the context, lse and delta = dcontext . context, which is in parts at first. */
void load_queries(Place at, uint begin)
{
    const uint query = begin + MINE, row = at.row + query, from = row * a.ldc + at.head * D;
    const bool exists = query < at.queries;
    load(Q, a.q, row * a.ldq + at.head * D, exists);
    load(DC, a.dcontext, from, exists);
    float sum = 0;
    EACH_VECTOR(s) sum += dot(tiles[DC + MINE * ROW + PART + 4 * s], fetch(a.context, from, PART + 4 * s, exists));
    parts[gl_LocalInvocationIndex] = sum;
    if (PART == 0 && exists) lse[MINE] = a.lse.v[lse_of(at) + query];
}

void queries_tile(Place at)
{
    const uint query = at.begin + MINE;
    const bool exists = query < at.queries;
    vec4 dq[VECTORS];
    float score[COLUMNS], dp[COLUMNS];
    EACH_VECTOR(s) dq[s] = vec4(0);
    load_queries(at, at.begin);
    barrier();
    if (PART == 0) delta[MINE] = sum_parts();
    for (uint k0 = 0; k0 < at.tokens; k0 += T) {
        const uint cols = min(T, at.tokens - k0);
        barrier();
        load_keys(at, k0);
        load_keep(at, at.begin, k0);
        barrier();
        if (exists) {
            multiply(Q, K, score);
            multiply(DC, V, dp);
            EACH_COLUMN(c) {
                const uint at_p = MINE * LT + PART + 4 * c;
                if (PART + 4 * c < cols)
                    ds[at_p] = a.scale * exp_of(a.scale * score[c] - lse[MINE]) * (p[at_p] * dp[c] - delta[MINE]);
            }
        }
        barrier();
        if (exists) ADD(dq, ds, K, cols)
    }
    if (exists) store(a.dq, (at.row + query) * a.ldq + at.head * D, dq);
    barrier();
}

void keys_tile(Place at)
{
    const uint key = at.begin + MINE, from = (at.first + key) * a.ldkv + at.head * D;
    const bool exists = key < at.tokens;
    vec4 dk[VECTORS], dv[VECTORS];
    float score[COLUMNS], dp[COLUMNS];
    EACH_VECTOR(s) dk[s] = dv[s] = vec4(0);
    load_keys(at, at.begin);
    for (uint i0 = 0; i0 < at.queries; i0 += T) {
        const uint rows = min(T, at.queries - i0);
        barrier();
        load_queries(at, i0);
        load_keep(at, i0, at.begin);
        barrier();
        if (PART == 0) delta[MINE] = sum_parts();
        barrier();
        if (exists) {
            multiply(K, Q, score);
            multiply(V, DC, dp);
            EACH_COLUMN(c) {
                const uint i = PART + 4 * c, at_p = MINE * LT + i;
                if (i < rows) {
                    const float prob = exp_of(a.scale * score[c] - lse[i]), keep = p[at_p];
                    p[at_p] = prob * keep;
                    ds[at_p] = a.scale * prob * (keep * dp[c] - delta[i]);
                }
            }
        }
        barrier();
        if (exists) {
            ADD(dk, ds, Q, rows)
            ADD(dv, p, DC, rows)
        }
    }
    if (exists) {
        store(a.dkv, from, dk);
        store(a.dkv, from + a.heads * D, dv);
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
