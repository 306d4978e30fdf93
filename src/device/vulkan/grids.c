/* How an op becomes workgroups: which variant of its shader, how many, and how much work that is. */
#include "vulkan.h"

#include <volk.h>

enum { SPEC_MOST = 10 }; /* specialisation constants of a shader; constant_id i is spec[i] */

typedef struct Grid {
    uint32_t groups; /* workgroups; none: nothing to do */
    uint32_t spec[SPEC_MOST];
    uint32_t spec_count;
    uint32_t parts; /* gemm: the shader leaves so many products to be added up; see vulkan_run_gemm */
    double work;    /* floating-point operations, or four for each number that is moved, whichever is more */
} Grid;

/* What a thread has, and so the blocks of a product that it computes. */
typedef enum Registers {
    REGISTERS_FEW,  /* 4 x 4 numbers: a processor, or a GPU of which nothing is known */
    REGISTERS_SOME, /* 8 x 4: Intel's, whose compiler puts larger blocks into memory (Mesa 22.3, Skylake to Arc) */
    REGISTERS_MANY  /* up to 8 x 8 */
} Registers;

/* What is chosen by the kind of device, not by the op. The shaders are the same for all. */
typedef struct Tuning {
    uint32_t processors; /* what has fewer workgroups than these, or little more, is cut further */
    Registers registers;
    uint32_t shared_bytes; /* shared memory that a workgroup may take */
} Tuning;

enum {
    GROUP_LEAST_THREADS = 256, /* what a device must allow for a workgroup ... */
    GROUP_LEAST_BYTES = 32768, /* ... threads, and bytes of shared memory; all that are known do */
    GROUP_MOST_BYTES = 49152,  /* more in one workgroup leaves too few of them at a time */
    ATTENTION_TILE = 32,       /* rows of a tile of the attention shaders */
    PARTS_BYTES = 32 << 20,    /* the most that the parts of one product take */
    SCRATCH_BYTES = 128 << 20, /* the most for such things, and for attention's weights if those of one example fit */
};

static Registers registers_of(VkPhysicalDeviceType type, uint32_t vendor)
{
    enum { AMD = 0x1002, NVIDIA = 0x10de, INTEL = 0x8086 }; /* PCI's numbers, as Vulkan has them */
    if (type == VK_PHYSICAL_DEVICE_TYPE_CPU) return REGISTERS_FEW;
    if (vendor == INTEL) return REGISTERS_SOME;
    return vendor == AMD || vendor == NVIDIA || type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU ? REGISTERS_MANY
                                                                                             : REGISTERS_FEW;
}

/* processors: 0 where the driver does not say. */
static Tuning tuning_of(const VkPhysicalDeviceProperties *properties, uint32_t processors)
{
    const VkPhysicalDeviceType type = properties->deviceType;
    const uint32_t most = properties->limits.maxComputeSharedMemorySize;
    Tuning tuning = {processors, registers_of(type, properties->vendorID),
                     most < GROUP_MOST_BYTES ? most : GROUP_MOST_BYTES};
    if (type == VK_PHYSICAL_DEVICE_TYPE_CPU) {
        tuning.processors = 8;
        tuning.shared_bytes = GROUP_LEAST_BYTES;
    } else if (!processors) {
        const bool large = type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU || type == VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU;
        tuning.processors = large ? 64 : 16;
    }
    return tuning;
}

enum { GRID_MOST = 65535 }; /* workgroups of a dispatch: all that Vulkan promises; shaders stride over the rest */

static uint32_t grid_parts(uint64_t whole, uint32_t part)
{
    const uint64_t parts = ceil_div(whole, part);
    return parts < GRID_MOST ? (uint32_t)parts : GRID_MOST;
}

static Grid grid_of(uint64_t items, uint32_t each, double work)
{
    return (Grid){.groups = grid_parts(items, each), .work = work};
}
/* Whether vectors of four numbers can be taken from a matrix at multiples of 16 bytes. ld: or several, or-ed. */
static bool grid_aligned(const f32 *at, uint32_t ld) { return ld % 4 == 0 && (uintptr_t)at % 16 == 0; }

/* ALIGNED of common.glsl, for rows of `cols` numbers. at: addresses, or-ed, and ld, too. */
static uint32_t grid_vectors(uintptr_t at, uint32_t ld, uint64_t cols)
{
    return at % 16 || ld % 4 ? 0 : cols % 4 ? 1 : 2;
}
#define AT(pointer) (uintptr_t)(pointer)

/* For ops whose elements form no rows, as in elementwise.comp. AdamW moves seven numbers for each element, no other op
 * more. */
static Grid grid_elements(uint64_t n, uint32_t vectors)
{
    enum { GROUP = 256, FLIGHT = 2 };
    return (Grid){.groups = grid_parts(n, 4 * GROUP * FLIGHT),
                  .spec = {vectors, GROUP, FLIGHT},
                  .spec_count = 3,
                  .work = 28.0 * (double)n};
}

/* As in rows.comp: a workgroup takes one of `count` rows or blocks, and each of its threads several vectors. */
static Grid grid_rows(uint64_t count, uint64_t cols, uint32_t vectors)
{
    const uint32_t group = cols <= 1024 ? 64 : 256, each = grid_parts(cols, 4 * group);
    return (Grid){.groups = cols ? grid_parts(count, 1) : 0,
                  .spec = {vectors, group, each < 4 ? each : 4},
                  .spec_count = 3,
                  .work = 28.0 * (double)count * (double)cols};
}

/* As in elementwise.comp, of rows. What has few registers has no use for several vectors in flight. */
static Grid grid_taken_rows(uint64_t rows, uint64_t cols, uint32_t vectors, const Tuning *tuning)
{
    Grid grid = grid_rows(rows, cols, vectors);
    if (tuning->registers == REGISTERS_FEW) grid.spec[2] = 1;
    return grid;
}

static uint64_t grid_blocks(uint32_t n, uint32_t block) { return block ? ceil_div(n, block) : 0; }

/* As in columns.comp, for `count` matrices of so many rows (0: only the device knows). As many columns side by side as
 * leave enough workgroups, and no lane without a row; 32 bytes is the least that memory moves. */
static Grid grid_columns(uint64_t count, uint64_t rows, uint32_t cols, uint32_t vectors, const Tuning *tuning)
{
    const uint64_t fours = ((uint64_t)cols + 3) / 4;
    const uint32_t most = rows ? 256 : 64;
    uint32_t columns = 2;
    while (columns < most && columns < fours &&
           ((rows && 256 / columns > rows) || count * grid_parts(fours, 2 * columns) >= tuning->processors))
        columns *= 2;
    return (Grid){.groups = grid_parts(count * grid_parts(fours, columns), 1),
                  .spec = {vectors, columns},
                  .spec_count = 2,
                  .work = 8.0 * (double)count * (double)(rows ? rows : 4) * cols};
}

/* How c is cut: a workgroup computes bm x bn of it, a thread tm x tn, from slices bk deep. What a processor reaches of
 * its peak, measured on an NVIDIA H200: full of such workgroups, and alone with one, which cannot hide how long memory
 * takes. */
typedef struct Tile {
    uint32_t bm, bn, bk, tm, tn;
    double full, alone;
} Tile;

/* What a product takes, in multiplications of one processor: as many rounds as the processors need for its workgroups;
 * parts are also written, read and added, at 64 multiplications a number, by an op of its own, which starts late. */
static double gemm_cost(const struct gemm_args *a, const Tile *t, uint32_t parts, const Tuning *tuning)
{
    const uint64_t products = (uint64_t)a->more + 1;
    const double groups = (double)(parts * products * grid_parts(a->m, t->bm) * grid_parts(a->n, t->bn));
    const double rounds = fmax(1, ceil(groups / tuning->processors)), speed = t->full - (t->full - t->alone) / rounds;
    const double product = rounds * t->bm * t->bn * ceil((double)a->k / parts) / speed;
    return parts == 1 ? product : product + 128.0 * parts * (double)(products * a->m * a->n) / tuning->processors + 1e6;
}

/* A function for each op; most need not know the kind of device. */
#define GRID(op) static Grid op##_grid(const struct op##_args *a, __attribute__((unused)) const Tuning *tuning)

GRID(gemm)
{
    /* For narrow matrices, LoRA's and the heads'; for few registers; for others, of which the first needs fewest. */
    static const Tile tall = {128, 8, 8, 4, 4, 0.10, 0.10}, wide = {8, 128, 8, 4, 4, 0.10, 0.10};
    static const Tile square = {64, 64, 16, 4, 4, 0.48, 0.46};
    static const Tile large[] = {
        {64, 64, 8, 8, 4, 0.61, 0.40}, {64, 128, 8, 8, 8, 0.68, 0.55}, {64, 64, 16, 8, 4, 0.57, 0.54}};
    const bool few = tuning->registers == REGISTERS_FEW, many = tuning->registers == REGISTERS_MANY;
    const Tile *tiles = a->n <= 8 ? &tall : a->m <= 8 ? &wide : few ? &square : large, *t = tiles;
    const uint64_t products = (uint64_t)a->more + 1, numbers = products * a->m * a->n;
    const bool dense = a->ldc == a->n && (!a->more || a->stride_c == (uint64_t)a->m * a->n);
    uint32_t parts = 1, most = 1;
    if (!a->bias && !a->gelu && !a->accumulate && dense)
        while (most < 16 && a->k / (most + 1) >= 64 && (most + 1) * numbers * sizeof(f32) <= PARTS_BYTES) most++;
    double least = INFINITY;
    for (size_t i = 0; i < (tiles == large && many ? COUNT(large) : 1); i++)
        for (uint32_t p = 1; p <= most; p++) {
            const double cost = gemm_cost(a, &tiles[i], p, tuning);
            if (cost >= least) continue;
            least = cost;
            t = &tiles[i];
            parts = p;
        }
    return (Grid){
        .groups = grid_parts(parts * products * grid_parts(a->m, t->bm) * grid_parts(a->n, t->bn), 1),
        .spec = {t->bm / t->tm * (t->bn / t->tn), t->bm, t->bn, t->bk, t->tm, t->tn, a->ta, a->tb,
                 grid_aligned(a->a, a->lda | a->stride_a | (a->ta ? a->m : a->k)) &&
                     grid_aligned(a->b, a->ldb | a->stride_b | (a->tb ? a->k : a->n)),
                 parts > 1 ? a->n % 4 == 0 : grid_aligned(a->c, a->ldc | a->stride_c) && (uintptr_t)a->gelu % 16 == 0},
        .spec_count = 10,
        .parts = parts,
        .work = 2.0 * (double)numbers * a->k + 8.0 * parts * (double)numbers};
}

GRID(gemm_importance)
{
    return grid_of((uint64_t)grid_parts(a->n, 64) * grid_parts(a->m, 64), 1, 2.0 * a->m * a->n * a->rows);
}

/* LoRA's shaders: as in lora.comp. Beside the products there is the dropout, for each target. */
static Grid grid_lora(uint64_t groups, bool aligned, uint64_t targets, uint64_t rows, uint64_t cols, uint64_t r)
{
    return (Grid){.groups = grid_parts(groups, 1),
                  .spec = {aligned ? 2 : 0},
                  .spec_count = 1,
                  .work = (28.0 + 2.0 * (double)r) * (double)targets * (double)rows * (double)cols};
}
GRID(lora_down)
{
    return grid_lora((uint64_t)a->targets * grid_parts(a->rows, 8) * grid_parts(a->r, 8),
                     grid_aligned(a->x, a->cols | a->next) && grid_aligned(a->a, a->cols), a->targets, a->rows, a->cols,
                     a->r);
}
GRID(lora_dx)
{
    return grid_lora(grid_parts((uint64_t)a->rows * ((a->cols + 3) / 4), 128),
                     grid_aligned(a->dx, a->cols | a->next) && grid_aligned(a->a, a->cols), a->targets, a->rows,
                     a->cols, a->r);
}
GRID(lora_dw)
{
    return grid_lora((uint64_t)a->targets * (grid_parts(a->cols, 32) + grid_parts(a->wide, 32)) * grid_parts(a->r, 8),
                     grid_aligned(a->x, a->cols) && grid_aligned(a->dy, a->lddy | a->next_dy), a->targets, a->rows,
                     ((uint64_t)a->cols + a->wide) / 2, 2 * (uint64_t)a->r);
}

/* The slices of the attention shaders, so few that so many tiles of attention.comp fit into shared memory. */
static uint32_t attention_slices(uint32_t size, uint32_t tiles, const Tuning *tuning)
{
    const uint32_t t = ATTENTION_TILE, side = t / 4;
    uint32_t slices = 1;
    while (16 * (tiles * t * (side * grid_parts(size, slices * t) + 1) + (t + side) * (side + 1)) >
           tuning->shared_bytes)
        slices++;
    return slices;
}

/* shared_tiles: that a workgroup holds beside each other; work: for each number of a head. */
static Grid attention_grid_of(uint64_t tiles, uint32_t size, uint32_t shared_tiles, bool keys, bool aligned,
                              double work, const Tuning *tuning)
{
    const uint32_t t = ATTENTION_TILE;
    const uint32_t vectors = grid_parts(size, attention_slices(size, shared_tiles, tuning) * t);
    return (Grid){.groups = size ? grid_parts(grid_parts(size, vectors * t) * tiles, 1) : 0,
                  .spec = {t * t / 16, t, size, vectors, keys, aligned},
                  .spec_count = 6,
                  .work = work * size};
}

/* Tiles of so many rows of all heads of all examples. */
static uint64_t attention_tiles(uint32_t examples, uint32_t heads, uint32_t rows)
{
    return (uint64_t)grid_parts(rows, ATTENTION_TILE) * heads * examples;
}

GRID(attention)
{
    const bool aligned =
        grid_aligned(a->q, a->head_dim | a->ldq) && grid_aligned(a->kv, a->ldkv) && grid_aligned(a->context, 0);
    const uint32_t rows = a->first_only ? 1 : a->longest;
    return attention_grid_of(attention_tiles(a->examples, a->heads, rows), a->head_dim, 2, false, aligned,
                             4.0 * a->examples * a->heads * rows * a->longest, tuning);
}

/* Two passes: dq and the weights of all other sums, then those sums, dk and dv. */
static Grid attention_pass_grid(const struct attention_grad_args *a, bool keys, const Tuning *tuning)
{
    const bool aligned = grid_aligned(a->q, a->head_dim | a->ldq) && grid_aligned(a->kv, a->ldkv) &&
                         grid_aligned(a->context, 0) && grid_aligned(a->dcontext, 0) && grid_aligned(a->dq, 0) &&
                         grid_aligned(a->dkv, 0);
    const uint32_t rows = a->first_only ? 1 : a->longest;
    const uint64_t tiles = attention_tiles(a->examples, a->heads, keys ? a->longest : rows);
    const double pairs = (double)a->examples * a->heads * rows * a->longest;
    return keys ? attention_grid_of(2 * tiles, a->head_dim, 1, true, aligned, 4 * pairs, tuning)
                : attention_grid_of(tiles, a->head_dim, 3, false, aligned, 6 * pairs, tuning);
}
GRID(attention_grad) { return attention_pass_grid(a, false, tuning); }

/* The floats of one example's weights. */
static size_t attention_weights(uint32_t heads, uint32_t longest, bool first_only)
{
    const size_t keys = grid_parts(longest, ATTENTION_TILE), queries = first_only ? 1 : keys;
    return 2 * ATTENTION_TILE * ATTENTION_TILE * heads * queries * keys;
}

/* As attention's, of the same shader. */
GRID(relative_attention)
{
    const struct attention_args as = {RELATIVE_ATTENTION(a), .context = a->context};
    return attention_grid(&as, tuning);
}
static Grid relative_attention_pass_grid(const struct relative_attention_grad_args *a, bool keys, const Tuning *tuning)
{
    const struct attention_grad_args as = {RELATIVE_ATTENTION(a), .context = a->context, .dcontext = a->dcontext,
                                           .dq = a->dqkv, .dkv = a->dqkv};
    return attention_pass_grid(&as, keys, tuning);
}
GRID(relative_attention_grad) { return relative_attention_pass_grid(a, false, tuning); }

/* As in relative.comp: a workgroup takes a token's row of one head, the bias of all keys or the sums of all buckets;
 * summed by example, a bucket of one head. longest stands for the tokens, which only the device knows. */
GRID(relative_bias)
{
    const uint64_t rows = (uint64_t)a->examples * a->longest * a->heads;
    return grid_of(rows, 1, 16.0 * (double)rows * a->longest);
}
GRID(relative_bias_grad)
{
    const uint64_t pairs = (uint64_t)a->examples * a->heads * (a->by_example ? a->buckets : a->longest);
    return grid_of(pairs, 1, 16.0 * (double)a->examples * a->heads * a->longest * a->longest);
}

GRID(attention_local)
{
    const bool aligned =
        grid_aligned(a->q, a->head_dim | a->ldq) && grid_aligned(a->kv, a->ldkv) && grid_aligned(a->context, 0);
    const double pairs = (double)a->examples * a->heads * a->longest * (2.0 * a->window + 1);
    return attention_grid_of(attention_tiles(a->examples, a->heads, a->longest), a->head_dim, 2, false, aligned,
                             4 * pairs, tuning);
}

/* As attention_pass_grid. */
static Grid local_pass_grid(const struct attention_local_grad_args *a, bool keys, const Tuning *tuning)
{
    const bool aligned = grid_aligned(a->q, a->head_dim | a->ldq) && grid_aligned(a->kv, a->ldkv) &&
                         grid_aligned(a->context, 0) && grid_aligned(a->dcontext, 0) && grid_aligned(a->dq, 0) &&
                         grid_aligned(a->dkv, 0);
    const uint64_t tiles = attention_tiles(a->examples, a->heads, a->longest);
    const double pairs = (double)a->examples * a->heads * a->longest * (2.0 * a->window + 1);
    return keys ? attention_grid_of(2 * tiles, a->head_dim, 1, true, aligned, 4 * pairs, tuning)
                : attention_grid_of(tiles, a->head_dim, 3, false, aligned, 6 * pairs, tuning);
}
GRID(attention_local_grad) { return local_pass_grid(a, false, tuning); }

/* As attention_weights: for each tile of queries the tiles of keys that it meets. */
static size_t local_weights(const struct attention_local_grad_args *a)
{
    const size_t queries = grid_parts(a->longest, ATTENTION_TILE),
                 keys = 2 * (size_t)grid_parts(a->window, ATTENTION_TILE) + 1;
    return 2 * ATTENTION_TILE * ATTENTION_TILE * a->heads * queries * keys;
}

/* As in tables.comp. */
static Grid grid_table(uint64_t rows, uint64_t cols, uint32_t vectors)
{
    return (Grid){
        .groups = grid_parts(rows, 1), .spec = {vectors}, .spec_count = 1, .work = 28.0 * (double)rows * (double)cols};
}
GRID(rope) { return grid_table(a->rows, (uint64_t)a->heads * a->head_dim, 0); }
GRID(average)
{
    return grid_columns(a->examples, 0, a->cols, grid_vectors(AT(a->x) | AT(a->y), a->cols, a->cols), tuning);
}
GRID(average_grad) { return grid_table(a->examples, a->cols, grid_vectors(AT(a->dy) | AT(a->dx), a->cols, a->cols)); }
GRID(geglu) { return grid_taken_rows(a->rows, a->cols, grid_vectors(AT(a->x) | AT(a->y), a->cols, a->cols), tuning); }
GRID(geglu_grad)
{
    return grid_taken_rows(a->rows, a->cols, grid_vectors(AT(a->x) | AT(a->dy) | AT(a->dx), a->cols, a->cols), tuning);
}
GRID(gelu) { return grid_elements(a->n, grid_vectors(AT(a->x) | AT(a->y), 0, a->n)); }
GRID(gelu_grad) { return grid_elements(a->n, grid_vectors(AT(a->x) | AT(a->dy) | AT(a->dx), 0, a->n)); }
GRID(tanh) { return grid_elements(a->n, grid_vectors(AT(a->x) | AT(a->y), 0, a->n)); }
GRID(tanh_grad) { return grid_elements(a->n, grid_vectors(AT(a->y) | AT(a->dy) | AT(a->dx), 0, a->n)); }
GRID(relu) { return grid_elements(a->n, grid_vectors(AT(a->x) | AT(a->y), 0, a->n)); }
GRID(relu_grad) { return grid_elements(a->n, grid_vectors(AT(a->y) | AT(a->dy) | AT(a->dx), 0, a->n)); }
GRID(axpby) { return grid_elements(a->n, grid_vectors(AT(a->x) | AT(a->y), 0, a->n)); }
GRID(copy) { return grid_elements(a->n, grid_vectors(AT(a->x) | AT(a->y), 0, a->n)); }
GRID(sign) { return grid_elements(a->n, grid_vectors(AT(a->x) | AT(a->y), 0, a->n)); }
GRID(fill) { return grid_elements(a->n, grid_vectors(AT(a->x), 0, a->n)); }
GRID(path_integral)
{
    return grid_elements(a->n, grid_vectors(AT(a->g) | AT(a->w) | AT(a->before) | AT(a->path), 0, a->n));
}
GRID(consolidate)
{
    return grid_elements(a->n, grid_vectors(AT(a->path) | AT(a->w) | AT(a->anchor) | AT(a->importance), 0, a->n));
}
GRID(adamw) { return grid_elements(a->n, grid_vectors(AT(a->w) | AT(a->g) | AT(a->m) | AT(a->v), 0, a->n)); }
GRID(dropout) { return grid_taken_rows(a->rows, a->cols, grid_vectors(AT(a->x) | AT(a->y), a->cols, a->cols), tuning); }
GRID(embed)
{
    const uintptr_t at = AT(a->word) | AT(a->position) | AT(a->type) | AT(a->y);
    return grid_taken_rows(a->rows, a->cols, grid_vectors(at, a->cols, a->cols), tuning);
}
GRID(gather_rows)
{
    return grid_taken_rows(a->rows, a->cols, grid_vectors(AT(a->x) | AT(a->y), a->cols | a->ldx, a->cols), tuning);
}
GRID(scatter_rows)
{
    return grid_taken_rows(a->rows, a->cols, grid_vectors(AT(a->x) | AT(a->y), a->cols | a->ldy, a->cols), tuning);
}
GRID(zero_rows) { return grid_taken_rows(a->rows, a->cols, grid_vectors(AT(a->x), a->cols, a->cols), tuning); }
GRID(adamw_rows)
{
    const uintptr_t at = AT(a->w) | AT(a->g) | AT(a->m) | AT(a->v);
    return grid_taken_rows(a->rows, a->cols, grid_vectors(at, a->cols, a->cols), tuning);
}
GRID(layernorm)
{
    const uintptr_t at = AT(a->x) | AT(a->residual) | AT(a->gamma) | AT(a->beta) | AT(a->y);
    return grid_rows(a->rows, a->cols, grid_vectors(at, a->cols, a->cols));
}
GRID(layernorm_dx)
{
    const uintptr_t at = AT(a->x) | AT(a->gamma) | AT(a->dy) | AT(a->dsum) | AT(a->dx);
    return grid_rows(a->rows, a->cols, grid_vectors(at, a->cols, a->cols));
}
GRID(cross_entropy) { return grid_rows(a->rows, a->classes, 0); }
GRID(distill) { return grid_rows(a->rows, a->classes, 0); }
GRID(mse) { return grid_rows(a->rows, a->classes, 0); }
GRID(dot)
{
    return grid_rows(grid_blocks(a->n, a->block), a->block, grid_vectors(AT(a->x) | AT(a->y), a->block, a->n));
}
GRID(quadratic_penalty)
{
    const uintptr_t at = AT(a->w) | AT(a->anchor) | AT(a->importance) | AT(a->g);
    return grid_rows(grid_blocks(a->n, a->block), a->block, grid_vectors(at, a->block, a->n));
}
GRID(projection) { return grid_rows(1, a->parts ? a->parts : 1, grid_vectors(AT(a->g_r) | AT(a->r_r), 0, a->parts)); }
GRID(clip) { return grid_rows(1, a->parts ? a->parts : 1, grid_vectors(AT(a->part), 0, a->parts)); }
GRID(embed_importance)
{
    return grid_table(a->unique, a->cols, grid_vectors(AT(a->dy) | AT(a->table), a->cols, a->cols));
}
GRID(wake_rows) { return grid_table(a->rows, a->cols, grid_vectors(AT(a->w), a->cols, a->cols)); }
GRID(layernorm_dw)
{
    const uintptr_t at = AT(a->x) | AT(a->dy) | AT(a->dgamma) | AT(a->dbeta);
    return grid_columns(1, a->rows, a->cols, grid_vectors(at, a->cols, a->cols), tuning);
}
GRID(column_sum)
{
    return grid_columns(1, a->rows, a->cols, grid_vectors(AT(a->x) | AT(a->y), a->ld, a->cols), tuning);
}
GRID(column_importance)
{
    const uintptr_t at = AT(a->dy) | AT(a->x) | AT(a->gamma) | AT(a->beta);
    return grid_columns(1, a->rows, a->cols, grid_vectors(at, a->ld | a->cols, a->cols), tuning);
}
GRID(embed_grad)
{
    return grid_columns(a->unique, 0, a->cols, grid_vectors(AT(a->dy) | AT(a->dtable), a->cols, a->cols), tuning);
}

static Grid op_grid(Op op, const void *args, const Tuning *tuning)
{
    switch (op) {
#define X(name) \
    case OP_##name: return name##_grid(args, tuning);
        OPS(X)
#undef X
    case OP_COUNT: break;
    }
    return (Grid){0};
}
