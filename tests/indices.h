/* Indices that point beyond a device's memory are seen before an op runs: on the CPU engine and on Vulkan. */

typedef struct Indices {
    Device *device;
    DeviceArena memory;
} Indices;

static u32p indices_words(Indices *x, const u32 *words, size_t count)
{
    u32p at = device_u32(&x->memory, count);
    device_write(x->device, at, words, count * sizeof *words);
    return at;
}
#define INDICES(x, ...) indices_words(x, (const u32[]){__VA_ARGS__}, sizeof((const u32[]){__VA_ARGS__}) / sizeof(u32))

static void indices_want(Op op, const void *args, const char *wanted)
{
    const char *problem = op_index_problem(op, args);
    if (wanted ? !problem || strcmp(problem, wanted) != 0 : problem != NULL)
        fail_msg("%s: %s", op_names[op], problem ? problem : "nothing was seen");
}
/* GOOD(op, ...): nothing is wrong; BAD_INDEX("...", op, ...): that. */
#define GOOD(op, ...) indices_want(OP_##op, &(struct op##_args){__VA_ARGS__}, NULL)
#define BAD_INDEX(wanted, op, ...) indices_want(OP_##op, &(struct op##_args){__VA_ARGS__}, wanted)

static void indices_of_rows(Indices *x)
{
    enum { TABLE_ROWS = 10, COLS = 4 };
    f32p table = device_f32(&x->memory, TABLE_ROWS * COLS), out = device_f32(&x->memory, 64);
    u32p last = INDICES(x, 0, 9, 3), beyond = INDICES(x, 0, 10, 3), twice = INDICES(x, 1, 9, 1);
    u32p up = INDICES(x, 0, 3, 9), up_beyond = INDICES(x, 0, 3, 10), stamp = INDICES(x, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    GOOD(gather_rows, .x = table, .index = last, .y = out, .rows = 3, .cols = COLS, .ldx = COLS);
    GOOD(gather_rows, .x = table, .index = twice, .y = out, .rows = 3, .cols = COLS, .ldx = COLS);
    BAD_INDEX("gather_rows: index: beyond the last", gather_rows, .x = table, .index = beyond, .y = out, .rows = 3,
              .cols = COLS, .ldx = COLS);
    BAD_INDEX("gather_rows: index: beyond the last", gather_rows, .x = table + COLS, .index = last, .y = out, .rows = 3,
              .cols = COLS, .ldx = COLS);
    BAD_INDEX("gather_rows: index: more than its memory holds", gather_rows, .x = table, .index = last, .y = out,
              .rows = 4, .cols = COLS, .ldx = COLS);
    GOOD(scatter_rows, .x = out, .index = last, .y = table, .rows = 3, .cols = COLS, .ldy = COLS);
    BAD_INDEX("scatter_rows: index: beyond the last", scatter_rows, .x = out, .index = beyond, .y = table, .rows = 3,
              .cols = COLS, .ldy = COLS);
    BAD_INDEX("scatter_rows: index: named twice", scatter_rows, .x = out, .index = twice, .y = table, .rows = 3,
              .cols = COLS, .ldy = COLS);
    GOOD(zero_rows, .x = table, .row = last, .rows = 3, .cols = COLS);
    BAD_INDEX("zero_rows: row: beyond the last", zero_rows, .x = table, .row = beyond, .rows = 3, .cols = COLS);
    GOOD(dot, .x = table, .y = table, .row = up, .part = out, .n = 3 * COLS, .block = COLS);
    BAD_INDEX("dot: row: beyond the last", dot, .x = table, .y = table, .row = up_beyond, .part = out, .n = 3 * COLS,
              .block = COLS);
    GOOD(gelu, .x = table, .y = table, .n = COLS);
    GOOD(layernorm_dx, .x = out, .dy = table, .dsum = table, .rows = 1, .cols = COLS);
    BAD_INDEX("copy: y: in place of another argument", copy, .x = table, .y = table, .n = COLS);
    BAD_INDEX("gelu_grad: dx: in place of another argument", gelu_grad, .x = table, .dy = out, .dx = table, .n = COLS);
    f32p factors = device_f32(&x->memory, 7);
    GOOD(wake_rows, .w = table, .stamp = stamp, .row = up, .factors = factors, .rows = 3, .cols = COLS, .step = 7);
    GOOD(wake_rows, .w = table, .stamp = stamp, .factors = factors, .rows = TABLE_ROWS, .cols = COLS, .step = 7);
    BAD_INDEX("wake_rows: row: beyond the last", wake_rows, .w = table, .stamp = stamp, .row = up_beyond,
              .factors = factors, .rows = 3, .cols = COLS, .step = 7);
    BAD_INDEX("wake_rows: row: named twice", wake_rows, .w = table, .stamp = stamp, .row = twice, .factors = factors,
              .rows = 3, .cols = COLS, .step = 7);
    BAD_INDEX("wake_rows: rows: beyond the last", wake_rows, .w = table, .stamp = stamp, .factors = factors,
              .rows = TABLE_ROWS + 1, .cols = COLS, .step = 7);
    BAD_INDEX("wake_rows: factors: fewer than steps", wake_rows, .w = table, .stamp = stamp, .row = up,
              .factors = factors, .rows = 3, .cols = COLS, .step = 8);
    GOOD(adamw_rows, .w = table, .stamp = stamp, .rows = TABLE_ROWS, .cols = COLS);
    BAD_INDEX("adamw_rows: rows: beyond the last", adamw_rows, .w = table, .stamp = stamp, .rows = TABLE_ROWS + 1,
              .cols = COLS);
}

static void indices_of_models(Indices *x)
{
    enum { WORDS = 10, POSITIONS = 8, TYPES = 2, COLS = 4 };
    f32p word = device_f32(&x->memory, WORDS * COLS), position = device_f32(&x->memory, POSITIONS * COLS),
         type = device_f32(&x->memory, TYPES * COLS), y = device_f32(&x->memory, 5 * COLS);
    u32p small = INDICES(x, 0, 1, 1, 0, 1), two = INDICES(x, 0, 1, 2, 0, 1), eight = INDICES(x, 0, 1, 8, 0, 1),
         ten = INDICES(x, 0, 1, 10, 0, 1), labels = INDICES(x, 2, 0), offsets = INDICES(x, 0, 3, 5),
         back = INDICES(x, 0, 3, 2), far = INDICES(x, 0, 3, 6), order = INDICES(x, 0, 1, 4, 2, 3),
         wrong = INDICES(x, 0, 1, 5, 2, 3), row = INDICES(x, 1, 9), row_beyond = INDICES(x, 1, 10);
#define EMBED .word = word, .position = position, .type = type, .y = y, .rows = 5, .cols = COLS
    GOOD(embed, EMBED, .ids = eight, .positions = two, .types = small);
    BAD_INDEX("embed: ids: beyond the last", embed, EMBED, .ids = ten, .positions = small, .types = small);
    BAD_INDEX("embed: positions: beyond the last", embed, EMBED, .ids = small, .positions = eight, .types = small);
    BAD_INDEX("embed: types: beyond the last", embed, EMBED, .ids = small, .positions = small, .types = two);
    GOOD(cross_entropy, .labels = labels, .rows = 2, .classes = 3);
    BAD_INDEX("cross_entropy: labels: beyond the last", cross_entropy, .labels = labels, .rows = 2, .classes = 2);
#define EMBED_GRAD .dy = y, .dtable = word, .unique = 2, .cols = COLS
    GOOD(embed_grad, EMBED_GRAD, .row = row, .starts = offsets, .order = order);
    BAD_INDEX("embed_grad: row: beyond the last", embed_grad, EMBED_GRAD, .row = row_beyond, .starts = offsets,
              .order = order);
    BAD_INDEX("embed_grad: starts: not ascending", embed_grad, EMBED_GRAD, .row = row, .starts = back, .order = order);
    BAD_INDEX("embed_grad: order: beyond the last", embed_grad, EMBED_GRAD, .row = row, .starts = offsets,
              .order = wrong);
#define EMBED_IMPORTANCE \
    .dy = y, .table = word, .unique = 2, .cols = COLS, .rows = 5, .examples = 2, .offsets = offsets, .power = 1
    GOOD(embed_importance, EMBED_IMPORTANCE, .row = row, .starts = offsets, .order = order);
    BAD_INDEX("embed_importance: row: beyond the last", embed_importance, EMBED_IMPORTANCE, .row = row_beyond,
              .starts = offsets, .order = order);
    BAD_INDEX("embed_importance: order: beyond the last", embed_importance, EMBED_IMPORTANCE, .row = row,
              .starts = offsets, .order = wrong);
    f32p kv = device_f32(&x->memory, 5 * 2 * COLS), q = device_f32(&x->memory, 5 * COLS),
         dkv = device_f32(&x->memory, 5 * 2 * COLS), dq = device_f32(&x->memory, 5 * COLS);
#define ATTENTION \
    .q = q, .kv = kv, .examples = 2, .heads = 1, .head_dim = COLS, .ldq = COLS, .ldkv = 2 * COLS, .longest = 3
    GOOD(attention, ATTENTION, .offsets = offsets);
    BAD_INDEX("attention: offsets: not ascending", attention, ATTENTION, .offsets = back);
    BAD_INDEX("attention: offsets: beyond the last", attention, ATTENTION, .offsets = far);
    GOOD(attention_grad, ATTENTION, .dq = dq, .dkv = dkv, .offsets = offsets);
    BAD_INDEX("attention_grad: offsets: not ascending", attention_grad, ATTENTION, .dq = dq, .dkv = dkv,
              .offsets = back);
    BAD_INDEX("attention_grad: offsets: beyond the last", attention_grad, ATTENTION, .dq = dq, .dkv = dkv,
              .offsets = far);
#define LOCAL .q = q, .kv = kv, .examples = 2, .heads = 1, .head_dim = COLS, .ldq = COLS, .ldkv = 2 * COLS, .longest = 3
    GOOD(attention_local, LOCAL, .offsets = offsets);
    BAD_INDEX("attention_local: offsets: not ascending", attention_local, LOCAL, .offsets = back);
    BAD_INDEX("attention_local: offsets: beyond the last", attention_local, LOCAL, .offsets = far);
    GOOD(attention_local_grad, LOCAL, .dq = dq, .dkv = dkv, .offsets = offsets);
    BAD_INDEX("attention_local_grad: offsets: beyond the last", attention_local_grad, LOCAL, .dq = dq, .dkv = dkv,
              .offsets = far);
    GOOD(rope, .x = q, .table = word, .positions = row, .rows = 2, .heads = 1, .head_dim = COLS, .ld = COLS);
    BAD_INDEX("rope: positions: beyond the last", rope, .x = q, .table = word, .positions = row_beyond, .rows = 2,
              .heads = 1, .head_dim = COLS, .ld = COLS);
    GOOD(average, .x = q, .offsets = offsets, .y = y, .examples = 2, .cols = COLS);
    BAD_INDEX("average: offsets: beyond the last", average, .x = q, .offsets = far, .y = y, .examples = 2,
              .cols = COLS);
    BAD_INDEX("average_grad: offsets: not ascending", average_grad, .dy = y, .offsets = back, .dx = q, .examples = 2,
              .cols = COLS);
    BAD_INDEX("gemm_importance: offsets: beyond the last", gemm_importance, .offsets = offsets, .examples = 2,
              .rows = 4);
    BAD_INDEX("column_importance: offsets: not ascending", column_importance, .offsets = back, .examples = 2,
              .rows = 9);
    f32p qkv = device_f32(&x->memory, 5 * 3 * COLS), dqkv = device_f32(&x->memory, 5 * 3 * COLS),
         bias = device_f32(&x->memory, 5 * 3);
#define RELATIVE .qkv = qkv, .examples = 2, .heads = 1, .head_dim = COLS, .ld = 3 * COLS, .longest = 3
    GOOD(relative_attention, RELATIVE, .offsets = offsets);
    BAD_INDEX("relative_attention: offsets: beyond the last", relative_attention, RELATIVE, .offsets = far);
    GOOD(relative_attention_grad, RELATIVE, .dqkv = dqkv, .offsets = offsets);
    BAD_INDEX("relative_attention_grad: offsets: not ascending", relative_attention_grad, RELATIVE, .dqkv = dqkv,
              .offsets = back);
    const u32p bucket = indices_words(x, (u32[]){2, 2, 3, 4, 4}, 5), span = indices_words(x, (u32[]){0, 2, 2, 5}, 4);
#define BIAS .examples = 2, .heads = 1, .longest = 3, .reach = 3
    GOOD(relative_bias, BIAS, .bias = bias, .bucket = bucket, .offsets = offsets, .base = 2, .buckets = 3);
    BAD_INDEX("relative_bias: bucket: beyond the last", relative_bias, BIAS, .bias = bias, .bucket = bucket,
              .offsets = offsets, .base = 2, .buckets = 2);
    BAD_INDEX("relative_bias: bucket: beyond the last", relative_bias, BIAS, .bias = bias, .bucket = bucket,
              .offsets = offsets, .base = 3, .buckets = 3);
    BAD_INDEX("relative_bias: offsets: beyond the last", relative_bias, BIAS, .bias = bias, .bucket = bucket,
              .offsets = far, .base = 2, .buckets = 3);
    GOOD(relative_bias_grad, BIAS, .dbias = bias, .span = span, .offsets = offsets, .buckets = 2);
    BAD_INDEX("relative_bias_grad: span: beyond the last", relative_bias_grad, .examples = 2, .heads = 1, .longest = 3,
              .reach = 2, .dbias = bias, .span = span, .offsets = offsets, .buckets = 2);
#undef RELATIVE
#undef BIAS
#undef EMBED
#undef EMBED_GRAD
#undef EMBED_IMPORTANCE
#undef ATTENTION
#undef LOCAL
}

static void indices_expect(Device *device)
{
    Indices x = {device, {.device = device}};
    indices_of_rows(&x);
    indices_of_models(&x);
    device_arena_free(&x.memory);
}
