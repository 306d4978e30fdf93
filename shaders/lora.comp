#version 460
/* OP_lora_*: products with a side of only r numbers, with dropout applied to the other on the way. Four neighbouring
 * columns, which share one call of Philox, are taken together. What threads have summed apart is added up in a fixed
 * order. */
#define GROUP 128
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

/* Target t's mask. */
vec4 keep4(uint t, uint row, uint c) { return drop_keep4(a.drop, a.seed, 0, a.step, a.site + t * a.next_site, row, c); }

#if defined OP_lora_down
/* A workgroup has ROWS rows and RANKS of the r numbers of each; LANES threads share a row's columns. */
#define LANES 16
#define RANKS 8
#define ROWS (GROUP / LANES)
shared float parts[RANKS][GROUP];

void tile(uint t, uint row0, uint j0)
{
    const uint thread = gl_LocalInvocationIndex, row = row0 + thread / LANES, ranks = min(RANKS, a.r - j0);
    float sum[RANKS];
    [[unroll]] for (uint j = 0; j < RANKS; j++) sum[j] = 0;
    for (uint c = 4 * (thread % LANES); c < a.cols && row < a.rows; c += 4 * LANES) {
        const vec4 x = load4(a.x, row * a.cols, c, a.cols) * keep4(t, row, c);
        [[unroll]] for (uint j = 0; j < RANKS; j++)
            if (j < ranks) sum[j] += dot(x, load4(a.a, t * a.next + (j0 + j) * a.cols, c, a.cols));
    }
    barrier();
    [[unroll]] for (uint j = 0; j < RANKS; j++) parts[j][thread] = sum[j];
    barrier();
    for EACH_LANE(i, ROWS * RANKS) {
        const uint j = i % RANKS, r = i / RANKS;
        if (j >= ranks || row0 + r >= a.rows) continue;
        float total = 0;
        for (uint lane = 0; lane < LANES; lane++) total += parts[j][r * LANES + lane];
        a.low.v[(t * a.rows + row0 + r) * a.r + j0 + j] = total;
    }
}

void main()
{
    const uint high = (a.rows + ROWS - 1) / ROWS, wide = (a.r + RANKS - 1) / RANKS;
    for EACH_GROUP(i, a.targets * wide * high)
        tile(i / (wide * high), i % high * ROWS, i / high % wide * RANKS);
}
#elif defined OP_lora_dx
void main()
{
    const uint fours = (a.cols + 3) / 4;
    for EACH_ELEMENT(i, a.rows * fours) {
        const uint row = i / fours, c = i % fours * 4;
        vec4 total = load4(a.dx, row * a.cols, c, a.cols);
        for (uint t = 0; t < a.targets; t++) {
            vec4 sum = vec4(0);
            for (uint j = 0; j < a.r; j++)
                sum += a.dlow.v[(t * a.rows + row) * a.r + j] * load4(a.a, t * a.next + j * a.cols, c, a.cols);
            total += sum * keep4(t, row, c);
        }
        store4(a.dx, row * a.cols, c, a.cols, total);
    }
}
#elif defined OP_lora_dw
/* A workgroup has COLUMNS columns of x or dy, of which there are `most`, and RANKS of the r numbers; LANES threads
 * share the rows. */
#define COLUMNS 32
#define LANES (GROUP * 4 / COLUMNS)
#define RANKS 8
shared vec4 parts[RANKS][GROUP];

void tile(uint t, uint c0, uint j0, bool of_b)
{
    const uint thread = gl_LocalInvocationIndex, c = c0 + 4 * (thread % (COLUMNS / 4)), ranks = min(RANKS, a.r - j0);
    const uint most = of_b ? a.wide : a.cols;
    vec4 sum[RANKS];
    [[unroll]] for (uint j = 0; j < RANKS; j++) sum[j] = vec4(0);
    for (uint row = thread / (COLUMNS / 4); row < a.rows && c < most; row += LANES) {
        const vec4 x = of_b ? load4(a.dy, t * a.next_dy + row * a.lddy, c, a.wide)
                            : load4(a.x, row * a.cols, c, a.cols) * keep4(t, row, c);
        const uint narrow = (t * a.rows + row) * a.r + j0;
        [[unroll]] for (uint j = 0; j < RANKS; j++)
            if (j < ranks) sum[j] += x * (of_b ? a.low.v[narrow + j] : a.dlow.v[narrow + j]);
    }
    barrier();
    [[unroll]] for (uint j = 0; j < RANKS; j++) parts[j][thread] = sum[j];
    barrier();
    for EACH_LANE(i, COLUMNS * RANKS) {
        const uint column = of_b ? i / RANKS : i % COLUMNS, j = of_b ? i % RANKS : i / COLUMNS;
        if (j >= ranks || c0 + column >= most) continue;
        float total = 0;
        for (uint lane = 0; lane < LANES; lane++) total += parts[j][lane * (COLUMNS / 4) + column / 4][column % 4];
        if (of_b) a.db.v[t * a.next + (c0 + column) * a.r + j0 + j] = a.alpha * total;
        else a.da.v[t * a.next + (j0 + j) * a.cols + c0 + column] = total;
    }
}

void main()
{
    const uint high = (a.r + RANKS - 1) / RANKS, of_a = (a.cols + COLUMNS - 1) / COLUMNS,
               of_b = (a.wide + COLUMNS - 1) / COLUMNS, first_b = a.targets * high * of_a;
    for EACH_GROUP(i, first_b + a.targets * high * of_b) {
        const bool b = i >= first_b;
        const uint k = b ? i - first_b : i, across = b ? of_b : of_a;
        tile(k / (across * high), k % across * COLUMNS, k / across % high * RANKS, b);
    }
}
#endif
