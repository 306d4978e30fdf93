#version 460
/* OP_attention and OP_attention_grad; OP_relative_attention and OP_relative_attention_grad, which have a term more in
 * each score and queries, keys and values in one matrix; OP_attention_local and OP_attention_local_grad. A workgroup
 * takes a tile of T queries of one head of one example and walks over
 * tiles of T keys: forward with running maxima and sums (Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022,
 * arXiv:2205.14135), so that no score is ever stored in memory; backward with probabilities that are computed again
 * from lse. What the gradients of keys and values are weighed with, backward leaves in weights, and a second pass
 * (KEYS_PASS) only multiplies, a tile of keys in a workgroup: that is five products of a tile instead of seven without
 * an atomic sum. Reading shared memory is what bounds it, so a thread computes blocks: of a tile of scores 4 rows x 4
 * columns, of the sums that they weigh 4 rows x VECTORS vectors of four numbers. Heads too large for shared memory are
 * cut along D: for its scores a workgroup goes through all slices, of the sums it has one. Local attention walks over
 * the tiles within its window alone. */
#extension GL_GOOGLE_include_directive : require
#if defined OP_attention_local || defined OP_attention_local_grad
#define LOCAL
#endif
#if defined OP_attention || defined OP_attention_local || defined OP_relative_attention
#define FORWARD
#endif
#if defined OP_relative_attention || defined OP_relative_attention_grad
#define RELATIVE
#endif
#ifndef FORWARD
#define ENGINE_OWN f32p weights /* where the first pass leaves what the second multiplies with: see weights_of */
#endif
#include "common.glsl"

layout(local_size_x_id = 0) in; /* SIDE * SIDE */
layout(constant_id = 1) const uint T = 32; /* a multiple of 8 */
layout(constant_id = 2) const uint D = 32; /* a.head_dim */
layout(constant_id = 3) const uint VECTORS = 1; /* a slice is VECTORS * SIDE vectors wide */
layout(constant_id = 4) const bool KEYS_PASS = false; /* backward: dkv, after dq */
layout(constant_id = 5) const bool ALIGNED = false; /* all rows begin at multiples of 16 bytes, heads in them, too */

/* A thread has rows 4 ROW .. + 3 and columns 4 COLUMN .. + 3 of a tile of scores. Of the sums it has, and of what lies
 * along D it moves, the same rows and vectors COLUMN + SIDE s: what is neighbours in memory goes to neighbours. */
const uint SIDE = T / 4;
#define ROW (gl_LocalInvocationIndex / SIDE)
#define COLUMN (gl_LocalInvocationIndex % SIDE)
#define EACH_OF_4(i) [[unroll]] for (uint i = 0; i < 4; i++)
#define EACH_VECTOR(s) [[unroll]] for (uint s = 0; s < VECTORS; s++)
#define CLEAR(sum) EACH_OF_4(i_) EACH_VECTOR(s_) sum[i_ * VECTORS + s_] = vec4(0);

/* Vectors of a slice, of a whole row; slices. */
const uint WIDTH = VECTORS * SIDE, ALL = (D + 3) / 4, SLICES = (ALL + WIDTH - 1) / WIDTH;

/* How far rows lie apart in a tile, and columns in p. Odd, and row or column 4 x + i lies at i SIDE + x, so that what
 * neighbours read lies in different banks. */
const uint APART = WIDTH + 1, APART_P = SIDE + 1;
#ifdef FORWARD
const uint OTHER = 0, MINE = T * APART;
shared vec4 tiles[2 * T * APART];
#else
const uint OTHER = 0, MINE = T * APART, MINE_2 = 2 * T * APART;
shared vec4 tiles[(KEYS_PASS ? 1 : 3) * T * APART];
#endif
shared vec4 p[T * APART_P]; /* weights: [column][row / 4] */
shared vec4 parts[SIDE * APART_P]; /* of sums or maxima over rows: [ROW][COLUMN] */

struct Place {
    uint head, example, slice, begin; /* begin: first row of the tile, within the example */
    uint first, tokens, queries, row; /* first: the example's first token; row: its first row of q */
};

/* Tiles of T keys of the longest example, of T queries. */
#define KEY_TILES ((a.longest + T - 1) / T)
#ifdef LOCAL
#define FIRST_ONLY false
#else
#define FIRST_ONLY (a.first_only != 0)
#endif
#define QUERY_TILES (FIRST_ONLY ? 1 : KEY_TILES)

bool place_of(uint item, uint tiles, out Place at)
{
    at.slice = item % SLICES;
    at.begin = item / SLICES % tiles * T;
    at.head = item / SLICES / tiles % a.heads;
    at.example = item / SLICES / tiles / a.heads;
    at.first = a.offsets.v[at.example];
    at.tokens = a.offsets.v[at.example + 1] - at.first;
    at.queries = FIRST_ONLY ? 1 : at.tokens;
    at.row = FIRST_ONLY ? at.example : at.first;
    return at.begin < (KEYS_PASS ? at.tokens : at.queries);
}

/* Of the other side, `count` rows, those that a tile meets: from `met_from`, a multiple of T, to `met_to`, exclusive. And
 * which of the queries `query` .. + 3 a key counts for. A row of scores begins with LEAST as its largest: less than any,
 * but finite where a tile may hold no key that counts, so that what such a tile has made is multiplied by 0 later. */
#ifdef LOCAL
#define LEAST -1e30
uint met_from(Place at) { return at.begin > a.window ? (at.begin - a.window) / T * T : 0; }
uint met_to(Place at, uint count) { return min(count, at.begin + T + a.window); }
bvec4 counts(Place at, uint query, uint key)
{
    const uvec4 queries = query + uvec4(0, 1, 2, 3);
    if (key >= at.tokens) return bvec4(false);
    return lessThanEqual(max(queries, uvec4(key)) - min(queries, uvec4(key)), uvec4(a.window));
}
#define WHERE_COUNTS(key, x, other) mix(other, x, counts(at, at.begin + 4 * ROW, key))
#else
#define LEAST uintBitsToFloat(0xff800000u)
uint met_from(Place at) { return 0; }
uint met_to(Place at, uint count) { return count; }
#define WHERE_COUNTS(key, x, other) ((key) < at.tokens ? (x) : (other))
#endif

/* Where lse of a query lies. */
uint lse_of(Place at, uint query) { return (at.row + query) * a.heads + at.head; }

/* Vector v of the D numbers that begin at `from`. Where rows are not aligned, which only unusual sizes of heads make
 * them, its numbers move one by one: slower, but simple. */
vec4 fetch(f32p x, uint from, uint v, bool exists)
{
    vec4 four = vec4(0);
    if (!exists || v >= ALL) return four;
    if (ALIGNED) return f32x4p(x).v[from / 4 + v];
    from += 4 * v;
    if (D % 4 == 0) return vec4(x.v[from], x.v[from + 1], x.v[from + 2], x.v[from + 3]);
    EACH_OF_4(r) if (4 * v + r < D) four[r] = x.v[from + r];
    return four;
}

void store(f32p x, uint from, uint v, vec4 four)
{
    if (v >= ALL) return;
    if (ALIGNED) f32x4p(x).v[from / 4 + v] = four;
    else EACH_OF_4(r) if (D % 4 == 0 || 4 * v + r < D) x.v[from + 4 * v + r] = four[r];
}

/* The thread's part of rows `begin` .. of x, of which there are `count`, the first at `from`: into registers early,
 * put into a tile when that is free. Macros: arrays that are handed to functions may end in slow memory. */
#define FETCH(x, from, ld, count, begin, slice)                                              \
    EACH_OF_4(i_) EACH_VECTOR(s_) {                                                          \
        const uint row_ = (begin) + 4 * ROW + i_, v_ = (slice) * WIDTH + COLUMN + s_ * SIDE; \
        next[i_ * VECTORS + s_] = fetch(x, (from) + row_ * (ld), v_, row_ < (count));        \
    }
#define PUT(tile)                 \
    EACH_OF_4(i_) EACH_VECTOR(s_) \
        tiles[(tile) + (i_ * SIDE + ROW) * APART + COLUMN + s_ * SIDE] = next[i_ * VECTORS + s_];
#define STORE(x, from, ld, count, begin, sum)                                                              \
    EACH_OF_4(i_) EACH_VECTOR(s_) {                                                                        \
        const uint row_ = (begin) + 4 * ROW + i_;                                                          \
        if (row_ < (count))                                                                                \
            store(x, (from) + row_ * (ld), at.slice * WIDTH + COLUMN + s_ * SIDE, sum[i_ * VECTORS + s_]); \
    }

/* Where the head's rows of the example begin. */
#define LDC (a.heads * D)
#define FROM_C (at.row * LDC + at.head * D)
#ifdef RELATIVE
#define Q a.qkv
#define KV a.qkv
#define DQ a.dqkv
#define DKV a.dqkv
#define LDQ a.ld
#define LDKV a.ld
#define FROM_Q (at.first * a.ld + at.head * D)
#define FROM_K (FROM_Q + LDC)
#define ROWS_Q min(at.queries, at.tokens) /* an example without tokens has a row of context, but none here */
#else
#define Q a.q
#define KV a.kv
#define DQ a.dq
#define DKV a.dkv
#define LDQ a.ldq
#define LDKV a.ldkv
#define FROM_Q (at.row * a.ldq + at.head * D)
#define FROM_K (at.first * a.ldkv + at.head * D)
#define ROWS_Q at.queries
#endif
#define FROM_V (FROM_K + LDC)
#define FETCH_Q(begin, slice) FETCH(Q, FROM_Q, LDQ, ROWS_Q, begin, slice)
#define FETCH_K(begin, slice) FETCH(KV, FROM_K, LDKV, at.tokens, begin, slice)
#define FETCH_V(begin, slice) FETCH(KV, FROM_V, LDKV, at.tokens, begin, slice)

#ifdef RELATIVE
/* Where the terms of a query are. */
uint bias_of(Place at, uint query) { return ((at.first + query) * a.heads + at.head) * a.longest; }

/* Those of a key and the four queries from `query` on. */
vec4 bias4(Place at, uint query, uint key)
{
    vec4 four = vec4(0);
    EACH_OF_4(i) if (key < at.tokens && query + i < at.queries) four[i] = a.bias.v[bias_of(at, query + i) + key];
    return four;
}
#define BIAS(key) bias4(at, at.begin + 4 * ROW, key)
#endif

/* sum[column][row] += the thread's rows of tile x times its columns, rows of tile y. */
#define MULTIPLY(sum, x, y)                                                                     \
    for (uint v_ = 0; v_ < (SLICES > 1 ? WIDTH : ALL); v_++) {                                  \
        vec4 x_[4];                                                                             \
        EACH_OF_4(i_) x_[i_] = tiles[(x) + (i_ * SIDE + ROW) * APART + v_];                     \
        EACH_OF_4(j_) {                                                                         \
            const vec4 y_ = tiles[(y) + (j_ * SIDE + COLUMN) * APART + v_];                     \
            EACH_OF_4(d_) sum[j_] += y_[d_] * vec4(x_[0][d_], x_[1][d_], x_[2][d_], x_[3][d_]); \
        }                                                                                       \
    }

/* sum = the products of rows `begin` .. of one side, in tile x, and `begin_y` .. of the other. Those pass through
 * OTHER: slices FIRST, which was fetched before, to at.slice, which stays. While that is multiplied, `then` fetches. */
#define FIRST ((at.slice + 1) % SLICES)
#define SCORES(sum, x, FETCH_X, begin, FETCH_Y, begin_y, then)          \
    EACH_OF_4(j_) sum[j_] = vec4(0);                                    \
    for (uint n_ = 1; n_ <= SLICES; n_++) {                             \
        barrier();                                                      \
        PUT(OTHER)                                                      \
        if (SLICES > 1) {                                               \
            FETCH_X(begin, (at.slice + n_) % SLICES)                    \
            PUT(x)                                                      \
        }                                                               \
        barrier();                                                      \
        if (n_ < SLICES) FETCH_Y(begin_y, (at.slice + n_ + 1) % SLICES) \
        else then                                                       \
        if (exists) MULTIPLY(sum, x, OTHER)                             \
    }

/* Adds the first `count` rows of OTHER, each times its column of p; those that make them a multiple of 4 are 0. */
#define ADD(sum, count)                                                               \
    for (uint x_ = 0; 4 * x_ < (count); x_++)                                         \
        EACH_OF_4(j_) {                                                               \
            const vec4 p_ = p[(j_ * SIDE + x_) * APART_P + ROW];                      \
            EACH_VECTOR(s_) {                                                         \
                const vec4 y_ = tiles[(j_ * SIDE + x_) * APART + COLUMN + s_ * SIDE]; \
                EACH_OF_4(i_) sum[i_ * VECTORS + s_] += p_[i_] * y_;                  \
            }                                                                         \
        }

vec4 sum_parts(uint row)
{
    vec4 sum = vec4(0);
    for (uint c = 0; c < SIDE; c++) sum += parts[row * APART_P + c];
    return sum;
}

/* Dropout's factors [column][row] for the thread's scores. They come for four keys of a query at a time. */
mat4 keep_of(Place at, uint query, uint key)
{
    mat4 keep;
    EACH_OF_4(i) keep[i] = drop_keep4(a.drop, a.seed, at.head, a.step, a.site, at.first + query + i, key);
    return transpose(keep);
}

vec4 exp_of(vec4 x) { return vec4(exp_of(x.x), exp_of(x.y), exp_of(x.z), exp_of(x.w)); }

/* The larger ones. NaN counts as larger than all: the sum of exponentials then carries it on. */
vec4 larger(vec4 x, vec4 y) { return mix(x, y, lessThanEqual(x, y)); }

#ifdef FORWARD
void tile(Place at)
{
    const bool exists = at.begin + 4 * ROW < at.queries;
    vec4 context[4 * VECTORS], next[4 * VECTORS], score[4];
    vec4 largest = vec4(LEAST), sum = vec4(0);
    CLEAR(context)
    if (SLICES == 1) {
        FETCH_Q(at.begin, 0)
        PUT(MINE)
    }
    FETCH_K(met_from(at), FIRST)
    for (uint k0 = met_from(at); k0 < met_to(at, at.tokens); k0 += T) {
        const uint key = k0 + 4 * COLUMN;
        vec4 now = largest;
        SCORES(score, MINE, FETCH_Q, at.begin, FETCH_K, k0, FETCH_V(k0, at.slice))
        EACH_OF_4(j) {
            score[j] *= a.scale;
#ifdef RELATIVE
            score[j] += BIAS(key + j);
#endif
            now = WHERE_COUNTS(key + j, larger(score[j], now), now);
        }
        parts[ROW * APART_P + COLUMN] = now;
        barrier();
        PUT(OTHER)
        for (uint c = 0; c < SIDE; c++) now = larger(parts[ROW * APART_P + c], now);
        const vec4 shrink = exp_of(largest - now);
        const mat4 keep = keep_of(at, at.begin + 4 * ROW, key);
        largest = now;
        sum *= shrink;
        EACH_OF_4(j) {
            const vec4 e = WHERE_COUNTS(key + j, exp_of(score[j] - now), vec4(0));
            sum += e;
            p[(j * SIDE + COLUMN) * APART_P + ROW] = keep[j] * e;
        }
        EACH_OF_4(i) EACH_VECTOR(s) context[i * VECTORS + s] *= shrink[i];
        barrier();
        FETCH_K(k0 + T, FIRST)
        if (exists) ADD(context, min(T, at.tokens - k0))
    }
    parts[ROW * APART_P + COLUMN] = sum;
    barrier();
    sum = sum_parts(ROW);
    EACH_OF_4(i) {
        EACH_VECTOR(s) context[i * VECTORS + s] *= at.tokens > 0 ? 1 / sum[i] : 0;
        if (COLUMN == 0 && at.slice == 0 && at.begin + 4 * ROW + i < at.queries)
            a.lse.v[lse_of(at, at.begin + 4 * ROW + i)] = largest[i] + log(sum[i]);
    }
    STORE(a.context, FROM_C, LDC, at.queries, at.begin, context)
    barrier();
}

#else
#define FETCH_DC(begin, slice) FETCH(a.dcontext, FROM_C, LDC, at.queries, begin, slice)

/* Where in weights, in vectors, the weights of a tile lie, [key][query / 4]: first those that make dv of dcontext, then
 * those that make dk of the queries. */
const uint TILE = T * SIDE;
uint weights_of(Place at, uint query_tile, uint key_tile)
{
#ifdef LOCAL /* key tiles from the query tile's own less `side` to it plus `side` */
    const uint side = (a.window + T - 1) / T, tile = (at.example * a.heads + at.head) * QUERY_TILES + query_tile;
    return (tile * (2 * side + 1) + key_tile + side - query_tile) * 2 * TILE;
#endif
    return (((at.example * a.heads + at.head) * QUERY_TILES + query_tile) * KEY_TILES + key_tile) * 2 * TILE;
}

/* Leaves delta = dcontext . context of the tile's queries in parts. */
void find_delta(Place at)
{
    vec4 delta = vec4(0);
    for (uint v = COLUMN; v < ALL; v += SIDE)
        EACH_OF_4(i) {
            const uint query = at.begin + 4 * ROW + i, from = FROM_C + query * LDC;
            const bool exists = query < at.queries;
            delta[i] += dot(fetch(a.dcontext, from, v, exists), fetch(a.context, from, v, exists));
        }
    parts[ROW * APART_P + COLUMN] = delta;
}

void queries_tile(Place at)
{
    const bool exists = at.begin + 4 * ROW < at.queries;
    /* Queries that there are not have weights of 0: what 0 times a key makes is no number when the key is none. */
    const bvec4 there = lessThan(at.begin + 4 * ROW + uvec4(0, 1, 2, 3), uvec4(at.queries));
    vec4 dq[4 * VECTORS], next[4 * VECTORS], score[4], dp[4], lse = vec4(0);
    EACH_OF_4(i) if (at.begin + 4 * ROW + i < at.queries) lse[i] = a.lse.v[lse_of(at, at.begin + 4 * ROW + i)];
    CLEAR(dq)
    find_delta(at);
    if (SLICES == 1) {
        FETCH_Q(at.begin, 0)
        PUT(MINE)
        FETCH_DC(at.begin, 0)
        PUT(MINE_2)
    }
    barrier();
    const vec4 delta = sum_parts(ROW);
    FETCH_V(met_from(at), FIRST)
    for (uint k0 = met_from(at); k0 < met_to(at, at.tokens); k0 += T) {
        const uint key = k0 + 4 * COLUMN;
        SCORES(dp, MINE_2, FETCH_DC, at.begin, FETCH_V, k0, FETCH_K(k0, FIRST))
        SCORES(score, MINE, FETCH_Q, at.begin, FETCH_K, k0, FETCH_V(k0 + T, FIRST))
        const mat4 keep = keep_of(at, at.begin + 4 * ROW, key);
        const uint to = weights_of(at, at.begin / T, k0 / T) + 4 * COLUMN * SIDE + ROW;
        EACH_OF_4(j) {
#ifdef RELATIVE
            const vec4 prob = exp_of(a.scale * score[j] + BIAS(key + j) - lse);
            if (at.slice == 0 && key + j < at.tokens && !IS_NULL(a.dbias))
                EACH_OF_4(i) if (at.begin + 4 * ROW + i < at.queries)
                    a.dbias.v[bias_of(at, at.begin + 4 * ROW + i) + key + j] =
                        prob[i] * (keep[j][i] * dp[j][i] - delta[i]);
#else
            const vec4 prob = exp_of(a.scale * score[j] - lse);
#endif
            const vec4 kept = mix(vec4(0), WHERE_COUNTS(key + j, keep[j] * prob, vec4(0)), there);
            const vec4 ds = mix(vec4(0), WHERE_COUNTS(key + j, a.scale * prob * (keep[j] * dp[j] - delta), vec4(0)), there);
            p[(j * SIDE + COLUMN) * APART_P + ROW] = ds;
            if (at.slice == 0) {
                f32x4p(weights).v[to + j * SIDE] = kept;
                f32x4p(weights).v[to + j * SIDE + TILE] = ds;
            }
        }
        barrier();
        if (exists) ADD(dq, min(T, at.tokens - k0))
    }
    STORE(DQ, FROM_Q, LDQ, ROWS_Q, at.begin, dq)
    barrier();
}

#define FETCH_WEIGHED(query)                                                                                         \
    if ((query) < met_to(at, at.queries)) {                                                                                      \
        const uint from_ =                                                                                           \
            weights_of(at, (query) / T, at.begin / T) + (values ? 0 : TILE) + 4 * ROW * SIDE + COLUMN;               \
        EACH_OF_4(i_) weight[i_] = f32x4p(weights).v[from_ + i_ * SIDE];                                             \
        if (values) FETCH_DC(query, at.slice)                                                                        \
        else FETCH_Q(query, at.slice)                                                                                \
    }

/* dv, a sum of rows of dcontext, or dk, one of queries. Behind the last query all of them are 0. */
void keys_tile(Place at, bool values)
{
    const bool exists = at.begin + 4 * ROW < at.tokens;
    vec4 sum[4 * VECTORS], next[4 * VECTORS];
    mat4 weight;
    CLEAR(sum)
    FETCH_WEIGHED(met_from(at))
    for (uint i0 = met_from(at); i0 < met_to(at, at.queries); i0 += T) {
        barrier();
        PUT(OTHER)
        weight = transpose(weight);
        EACH_OF_4(j) p[(j * SIDE + COLUMN) * APART_P + ROW] = weight[j];
        barrier();
        FETCH_WEIGHED(i0 + T)
        if (exists) ADD(sum, min(T, at.queries - i0))
    }
    STORE(DKV, (values ? FROM_V : FROM_K), LDKV, at.tokens, at.begin, sum)
}

#endif

void main()
{
    const uint tiles = KEYS_PASS ? KEY_TILES : QUERY_TILES, passes = KEYS_PASS ? 2 : 1;
    for EACH_GROUP(item, passes * SLICES * tiles * a.heads * a.examples) {
        Place at;
        if (!place_of(item / passes, tiles, at)) continue;
#ifdef FORWARD
        tile(at);
#else
        if (KEYS_PASS) keys_tile(at, item % 2 == 0);
        else queries_tile(at);
#endif
    }
}
