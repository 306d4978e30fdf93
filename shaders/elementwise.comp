#version 460
/* Ops that take each number by itself, in vectors of four, also of rows that an index names. A thread takes FLIGHT
 * vectors and has read them all before it writes the first: many reads at a time keep memory busy, and no compiler can
 * move a read before a write that might be to the same place. */
#define GROUP_ID 1
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(constant_id = 2) const uint FLIGHT = 2;
const uint TILE = 4 * GROUP * FLIGHT; /* numbers that a workgroup takes at a time */

#if defined OP_dropout || defined OP_embed || defined OP_gather_rows || defined OP_scatter_rows || \
    defined OP_zero_rows || defined OP_adamw_rows || defined OP_geglu || defined OP_geglu_grad
#define BY_ROW
#define COLS a.cols
#else /* all numbers are one row */
#define COLS a.n
#endif

/* The vector from column c on of row r of a matrix whose rows are `ld` apart; COLS apart, at (r, c). */
vec4 get(f32p x, uint r, uint ld, uint c) { return load4(x, r * ld, c, COLS); }
vec4 get(f32p x, uvec2 at) { return get(x, at.x, COLS, at.y); }
void put(f32p x, uint r, uint ld, uint c, vec4 four) { store4(x, r * ld, c, COLS, four); }
void put(f32p x, uvec2 at, vec4 four) { put(x, at.x, COLS, at.y, four); }

#if defined OP_adamw || defined OP_adamw_rows || defined OP_axpby
#ifdef OP_axpby
#define OTHER a.y
#else
#define OTHER a.w
#endif
float scale() { return optional(a.scale, 0, OTHER, 1); }
#endif

/* What an op takes from memory for a vector, and what it does with it. */
#if defined OP_gelu || defined OP_gelu_grad
/* GELU by tanh: x times this, x s(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3), s(y) = 1 / (1 + exp(-y)). */
float gelu_tanh(float x, out float slope)
{
    const float twice = x * 1.59576912 * (0.044715 * x * x + 1);
    const float e = exp_of(-abs(twice)), near = 1 / (1 + e), far = e * near;
    slope = near * far * 1.59576912 * (0.134145 * x * x + 1);
    return twice > 0 ? near : far;
}
#endif
#if defined OP_gelu_grad || defined OP_geglu_grad
float slope_of(float x)
{
    float density;
    const float normal = normal_of(x, density);
    return normal + x * density;
}
#endif
#if defined OP_gelu
struct Taken { vec4 x; };
Taken take(uvec2 at) { return Taken(get(a.x, at)); }
float result(float x)
{
    float slope;
    return a.by_tanh != 0 ? x * gelu_tanh(x, slope) : gelu_of(x);
}
void give(uvec2 at, Taken n) { put(a.y, at, vec4(result(n.x.x), result(n.x.y), result(n.x.z), result(n.x.w))); }
#elif defined OP_gelu_grad
struct Taken { vec4 x, dy; };
Taken take(uvec2 at) { return Taken(get(a.x, at), get(a.dy, at)); }
float slope(float x)
{
    float density;
    if (a.by_tanh == 0) return slope_of(x);
    const float share = gelu_tanh(x, density);
    return share + x * density;
}
void give(uvec2 at, Taken n)
{
    put(a.dx, at, n.dy * vec4(slope(n.x.x), slope(n.x.y), slope(n.x.z), slope(n.x.w)));
}
#elif defined OP_geglu
struct Taken { vec4 x, gate; };
Taken take(uvec2 at) { return Taken(get(a.x, at.x, 2 * COLS, at.y), get(a.x, 2 * at.x + 1, COLS, at.y)); }
void give(uvec2 at, Taken n)
{
    put(a.y, at, n.gate * vec4(gelu_of(n.x.x), gelu_of(n.x.y), gelu_of(n.x.z), gelu_of(n.x.w)));
}
#elif defined OP_geglu_grad
struct Taken { vec4 x, gate, dy; };
Taken take(uvec2 at)
{
    return Taken(get(a.x, at.x, 2 * COLS, at.y), get(a.x, 2 * at.x + 1, COLS, at.y), get(a.dy, at));
}
void give(uvec2 at, Taken n)
{
    const vec4 slope = vec4(slope_of(n.x.x), slope_of(n.x.y), slope_of(n.x.z), slope_of(n.x.w));
    put(a.dx, at.x, 2 * COLS, at.y, n.dy * n.gate * slope);
    put(a.dx, 2 * at.x + 1, COLS, at.y, n.dy * vec4(gelu_of(n.x.x), gelu_of(n.x.y), gelu_of(n.x.z), gelu_of(n.x.w)));
}
#elif defined OP_tanh
struct Taken { vec4 x; };
Taken take(uvec2 at) { return Taken(get(a.x, at)); }
float tanh_of(float x)
{
    const float y = x * x;
    if (abs(x) < 0.3) /* where 1 - small difference would lose digits: the Taylor series */
        return x * (1 + y * (-1.0 / 3 + y * (2.0 / 15 + y * (-17.0 / 315 + y * 62.0 / 2835))));
    const float e = exp_of(-2 * abs(x));
    return sign(x) * (1 - e) / (1 + e);
}
void give(uvec2 at, Taken n) { put(a.y, at, vec4(tanh_of(n.x.x), tanh_of(n.x.y), tanh_of(n.x.z), tanh_of(n.x.w))); }
#elif defined OP_tanh_grad
struct Taken { vec4 y, dy; };
Taken take(uvec2 at) { return Taken(get(a.y, at), get(a.dy, at)); }
void give(uvec2 at, Taken n) { put(a.dx, at, n.dy * (1 - n.y * n.y)); }
#elif defined OP_relu
struct Taken { vec4 x; };
Taken take(uvec2 at) { return Taken(get(a.x, at)); }
void give(uvec2 at, Taken n) { put(a.y, at, mix(n.x, vec4(0), lessThan(n.x, vec4(0)))); }
#elif defined OP_relu_grad
struct Taken { vec4 y, dy; };
Taken take(uvec2 at) { return Taken(get(a.y, at), get(a.dy, at)); }
void give(uvec2 at, Taken n) { put(a.dx, at, mix(n.dy, vec4(0), lessThanEqual(n.y, vec4(0)))); }
#elif defined OP_axpby
struct Taken { vec4 x, y; };
Taken take(uvec2 at) { return Taken(get(a.x, at), get(a.y, at)); }
void give(uvec2 at, Taken n) { put(a.y, at, a.alpha * scale() * n.x + a.beta * n.y); }
#elif defined OP_copy
struct Taken { vec4 x; };
Taken take(uvec2 at) { return Taken(get(a.x, at)); }
void give(uvec2 at, Taken n) { put(a.y, at, n.x); }
#elif defined OP_sign
struct Taken { vec4 x; };
Taken take(uvec2 at) { return Taken(get(a.x, at)); }
void give(uvec2 at, Taken n) { put(a.y, at, sign(n.x)); }
#elif defined OP_fill
struct Taken { vec4 x; };
Taken take(uvec2 at) { return Taken(vec4(a.value)); }
void give(uvec2 at, Taken n) { put(a.x, at, n.x); }
#elif defined OP_path_integral
struct Taken { vec4 g, w, before, path; };
Taken take(uvec2 at) { return Taken(get(a.g, at), get(a.w, at), get(a.before, at), get(a.path, at)); }
void give(uvec2 at, Taken n)
{
    put(a.path, at, n.path - n.g * (n.w - n.before));
    put(a.before, at, n.w);
}
#elif defined OP_consolidate
struct Taken { vec4 path, w, anchor, importance; };
Taken take(uvec2 at) { return Taken(get(a.path, at), get(a.w, at), get(a.anchor, at), get(a.importance, at)); }
void give(uvec2 at, Taken n)
{
    const vec4 moved = n.w - n.anchor;
    put(a.importance, at, n.importance + n.path / (moved * moved + a.damping));
}
#elif defined OP_adamw || defined OP_adamw_rows
struct Taken { vec4 w, g, m, v; };
Taken take(uvec2 at) { return Taken(get(a.w, at), get(a.g, at), get(a.m, at), get(a.v, at)); }
void give(uvec2 at, Taken n)
{
    const vec4 g = n.g * scale(), m = n.m + (1 - a.beta1) * (g - n.m), v = a.beta2 * n.v + (1 - a.beta2) * g * g;
    precise const vec4 decayed = n.w * a.shrink; /* rounded here, as wake_rows does */
    put(a.w, at, decayed - a.lr / a.fix1 * m / (sqrt(v) / a.fix2 + a.eps));
    put(a.m, at, m);
    put(a.v, at, v);
}
#elif defined OP_dropout
struct Taken { vec4 x; };
Taken take(uvec2 at) { return Taken(get(a.x, at)); }
void give(uvec2 at, Taken n) { put(a.y, at, n.x * drop_keep4(a.drop, a.seed, 0, a.step, a.site, at.x, at.y)); }
#elif defined OP_embed
struct Taken { vec4 sum; };
Taken take(uvec2 at)
{
    const vec4 word = get(a.word, uvec2(a.ids.v[at.x], at.y));
    const uint place = IS_NULL(a.position) ? 0 : a.positions.v[at.x];
    const vec4 position = get(f32p(READABLE(a.position, a.word)), uvec2(place, at.y));
    const uint row = IS_NULL(a.type) ? 0 : a.types.v[at.x]; /* of a table that is there; see READABLE */
    const vec4 type = get(f32p(READABLE(a.type, a.word)), uvec2(row, at.y));
    precise const vec4 sum =
        word + (IS_NULL(a.position) ? vec4(0) : position) + (IS_NULL(a.type) ? vec4(0) : type);
    return Taken(sum);
}
void give(uvec2 at, Taken n) { put(a.y, at, n.sum); }
#elif defined OP_gather_rows
struct Taken { vec4 x; };
Taken take(uvec2 at) { return Taken(get(a.x, a.index.v[at.x], a.ldx, at.y)); }
void give(uvec2 at, Taken n) { put(a.y, at, n.x); }
#elif defined OP_scatter_rows
struct Taken { vec4 x, y; };
Taken take(uvec2 at) { return Taken(get(a.x, at), get(a.y, a.index.v[at.x], a.ldy, at.y)); }
void give(uvec2 at, Taken n) { put(a.y, a.index.v[at.x], a.ldy, at.y, n.y + n.x); }
#elif defined OP_zero_rows
struct Taken { uint row; };
Taken take(uvec2 at) { return Taken(a.row.v[at.x]); }
void give(uvec2 at, Taken n) { put(a.x, uvec2(n.row, at.y), vec4(0)); }
#endif

void tile(uint r, uint from)
{
    Taken taken[FLIGHT];
    [[unroll]] for (uint k = 0, c = from + 4 * gl_LocalInvocationIndex; k < FLIGHT; k++, c += 4 * GROUP)
        if (c < COLS) taken[k] = take(uvec2(r, c));
    [[unroll]] for (uint k = 0, c = from + 4 * gl_LocalInvocationIndex; k < FLIGHT; k++, c += 4 * GROUP)
        if (c < COLS) give(uvec2(r, c), taken[k]);
}

void main()
{
#ifdef BY_ROW
    for EACH_GROUP(r, a.rows) {
#ifdef OP_adamw_rows
        if (a.stamp.v[r] != ROW_AWAKE) continue;
#endif
        for (uint c = 0; c < a.cols; c += TILE) tile(r, c);
    }
#else
    for EACH_GROUP(i, (a.n + TILE - 1) / TILE) tile(0, i * TILE);
#endif
}
