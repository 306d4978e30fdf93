#include "device.h"

/* Ranges of the indices that ops take, for tests and debug builds (LETHE_CHECK_INDICES); releases leave it out. Each op
 * is checked before it runs, on both engines: that it works in place only where it may, and whether what it is asked to
 * pick lies in the memory that device_f32 gave. A GPU's memory cannot be looked into without waiting for it, so what is
 * written to a device_u32 there is kept on the host, too. Indices into a model's tables, which lie in one piece of
 * memory, are checked by batch_problem (model.h) as well, in releases, too, for it costs nothing there. */
#ifdef LETHE_CHECK_INDICES

typedef struct CheckMemory {
    const DeviceArena *arena; /* NULL: free */
    uintptr_t begin, end;
    u32 *host; /* what a GPU's words are; NULL: not known */
} CheckMemory;

enum { CHECK_PIECES = 4096 };
static CheckMemory check_known[CHECK_PIECES];
static int check_pieces;

/* After a failure a GPU's memory is one place that stands for all, and nothing runs. */
static bool check_failed(const Device *device) { return device->vulkan && device->vulkan->failure.code; }

static void check_drop(int i)
{
    free(check_known[i].host);
    check_known[i] = check_known[--check_pieces];
}

/* Memory that an arena has taken, and where it is on a GPU. */
static void check_take(const DeviceArena *arena, const void *at, size_t count, bool words)
{
    const uintptr_t begin = (uintptr_t)at, end = begin + count * sizeof(u32);
    if (!at) return;
    for (int i = check_pieces - 1; i >= 0; i--) /* what was given back without a word */
        if (check_known[i].begin < end && begin < check_known[i].end) check_drop(i);
    if (check_pieces == CHECK_PIECES) return;
    check_known[check_pieces++] =
        (CheckMemory){arena, begin, end, words ? calloc(count ? count : 1, sizeof(u32)) : NULL};
}

static void check_free(const DeviceArena *arena)
{
    for (int i = check_pieces - 1; i >= 0; i--)
        if (check_known[i].arena == arena) check_drop(i);
}

static const CheckMemory *check_find(const void *at)
{
    for (int i = check_pieces - 1; i >= 0; i--)
        if (check_known[i].begin <= (uintptr_t)at && (uintptr_t)at < check_known[i].end) return &check_known[i];
    return NULL;
}

static void check_write(const void *to, const void *from, size_t bytes)
{
    const CheckMemory *memory = bytes ? check_find(to) : NULL;
    ASSERT(!memory || bytes <= memory->end - (uintptr_t)to);
    if (memory && memory->host) memcpy((char *)memory->host + ((uintptr_t)to - memory->begin), from, bytes);
}

/* How many floats there are from `at` on; of memory that nothing is known of, any. */
static uint64_t check_room(const void *at)
{
    const CheckMemory *memory = check_find(at);
    return memory ? (memory->end - (uintptr_t)at) / sizeof(u32) : UINT64_MAX;
}

/* How many rows of `cols` floats, `ld` apart, there are from `at` on. */
static uint64_t check_rows_from(const void *at, u32 cols, u32 ld)
{
    const uint64_t floats = check_room(at);
    if (!at || !ld || floats == UINT64_MAX) return UINT64_MAX;
    return floats < cols ? 0 : (floats - cols) / ld + 1;
}

/* Words as the host can read them: false when it cannot. n: how many are wanted; too few are said to be none. */
static bool check_words(const u32 **words, uint64_t n, const char **problem)
{
    const CheckMemory *memory = check_find(*words);
    if (memory && check_room(*words) < n) *problem = "more than its memory holds";
    if (*problem || !memory) return !*problem;
    const DeviceArena *arena = memory->arena;
    if (!arena->device->vulkan) return true;
    *words = memory->host ? memory->host + ((uintptr_t)*words - memory->begin) / sizeof(u32) : NULL;
    return *words != NULL;
}

/* starts[0 .. n]: ascending, each stretch at most `longest` (0: any), and all below `limit`. */
static const char *check_starts(const u32 *starts, u32 n, u32 longest, uint64_t limit)
{
    const char *problem = NULL;
    if (!n || !check_words(&starts, (uint64_t)n + 1, &problem)) return problem;
    for (u32 i = 0; i < n; i++)
        if (starts[i + 1] < starts[i] || (longest && starts[i + 1] - starts[i] > longest)) return "not ascending";
    return starts[n] <= limit ? NULL : "beyond the last";
}

static u32 check_last(const u32 *starts, u32 n)
{
    const char *problem = NULL;
    return check_words(&starts, (uint64_t)n + 1, &problem) ? starts[n] : 0;
}

static const char *check_below(const u32 *index, u32 n, uint64_t limit)
{
    const char *problem = NULL;
    if (!n || !check_words(&index, n, &problem)) return problem;
    for (u32 i = 0; i < n; i++)
        if (index[i] >= limit) return "beyond the last";
    return NULL;
}

/* Each named once; they ascend, but for tests'. */
static const char *check_rows(const u32 *row, u32 n, uint64_t limit)
{
    const char *problem = check_below(row, n, limit);
    if (problem || !n || !check_words(&row, n, &problem)) return problem;
    for (u32 i = 1; i < n; i++) {
        if (row[i] > row[i - 1]) continue;
        for (u32 k = 0; k < i; k++)
            if (row[k] == row[i]) return "named twice";
    }
    return NULL;
}

/* What is wrong becomes "OP: WHAT: problem". */
typedef struct Check {
    const char *what, *problem;
} Check;

static void check_add(Check *check, const char *what, const char *problem)
{
    if (check->problem || !problem) return;
    check->what = what;
    check->problem = problem;
}

static void check_attention(Check *c, const struct attention_args *a)
{
    const uint64_t rows = check_rows_from(a->kv, 2 * a->heads * a->head_dim, a->ldkv),
                   queries = a->first_only ? UINT64_MAX : check_rows_from(a->q, a->heads * a->head_dim, a->ldq);
    check_add(c, "offsets", check_starts(a->offsets, a->examples, a->longest, least_size(rows, queries)));
}

static void check_attention_grad(Check *c, const struct attention_grad_args *a)
{
    const uint64_t rows = check_rows_from(a->dkv, 2 * a->heads * a->head_dim, a->ldkv),
                   queries = a->first_only ? UINT64_MAX : check_rows_from(a->dq, a->heads * a->head_dim, a->ldq);
    check_add(c, "offsets", check_starts(a->offsets, a->examples, a->longest, least_size(rows, queries)));
}

static void check_relative_attention(Check *c, const struct relative_attention_args *a)
{
    const uint64_t rows = check_rows_from(a->qkv, 3 * a->heads * a->head_dim, a->ld);
    check_add(c, "offsets", check_starts(a->offsets, a->examples, a->longest, rows));
}

static void check_relative_attention_grad(Check *c, const struct relative_attention_grad_args *a)
{
    const uint64_t rows = check_rows_from(a->dqkv, 3 * a->heads * a->head_dim, a->ld);
    check_add(c, "offsets", check_starts(a->offsets, a->examples, a->longest, rows));
}

static void check_relative_bias(Check *c, const struct relative_bias_args *a)
{
    const uint64_t rows = check_rows_from(a->bias, a->heads * a->longest, a->heads * a->longest);
    check_add(c, "offsets", check_starts(a->offsets, a->examples, a->longest, rows));
    check_add(c, "longest", a->longest <= a->reach ? NULL : "beyond the last");
    if (c->problem || !a->longest) return;
    const u32 *bucket = a->bucket + a->reach - a->longest; /* those of the distances in question */
    const char *problem = NULL;
    if (check_words(&bucket, 2 * (uint64_t)a->longest - 1, &problem))
        for (u32 i = 0; i < 2 * a->longest - 1; i++)
            if (bucket[i] < a->base || bucket[i] - a->base >= a->buckets) problem = "beyond the last";
    check_add(c, "bucket", problem);
}

static void check_relative_bias_grad(Check *c, const struct relative_bias_grad_args *a)
{
    const uint64_t rows = check_rows_from(a->dbias, a->heads * a->longest, a->heads * a->longest);
    check_add(c, "offsets", check_starts(a->offsets, a->examples, a->longest, rows));
    check_add(c, "span", check_below(a->span + 2 * a->base, 2 * a->buckets, 2 * (uint64_t)a->reach));
}

static void check_attention_local(Check *c, const struct attention_local_args *a)
{
    const uint64_t rows = least_size(check_rows_from(a->kv, 2 * a->heads * a->head_dim, a->ldkv),
                                     check_rows_from(a->q, a->heads * a->head_dim, a->ldq));
    check_add(c, "offsets", check_starts(a->offsets, a->examples, a->longest, rows));
}

static void check_attention_local_grad(Check *c, const struct attention_local_grad_args *a)
{
    const uint64_t rows = least_size(check_rows_from(a->dkv, 2 * a->heads * a->head_dim, a->ldkv),
                                     check_rows_from(a->dq, a->heads * a->head_dim, a->ldq));
    check_add(c, "offsets", check_starts(a->offsets, a->examples, a->longest, rows));
}

static void check_embed(Check *c, const struct embed_args *a)
{
    check_add(c, "ids", check_below(a->ids, a->rows, check_rows_from(a->word, a->cols, a->cols)));
    if (a->position)
        check_add(c, "positions", check_below(a->positions, a->rows, check_rows_from(a->position, a->cols, a->cols)));
    if (a->type) check_add(c, "types", check_below(a->types, a->rows, check_rows_from(a->type, a->cols, a->cols)));
}

static void check_embed_grad(Check *c, const struct embed_grad_args *a)
{
    check_add(c, "row", check_rows(a->row, a->unique, check_rows_from(a->dtable, a->cols, a->cols)));
    check_add(c, "starts", check_starts(a->starts, a->unique, 0, UINT64_MAX));
    if (c->problem) return;
    const u32 rows = check_last(a->starts, a->unique);
    check_add(c, "order", check_below(a->order, rows, least_size(rows, check_rows_from(a->dy, a->cols, a->cols))));
}

static void check_embed_importance(Check *c, const struct embed_importance_args *a)
{
    check_add(c, "row", check_rows(a->row, a->unique, check_rows_from(a->table, a->cols, a->cols)));
    check_add(c, "starts", check_starts(a->starts, a->unique, 0, UINT64_MAX));
    check_add(c, "offsets", check_starts(a->offsets, a->examples, 0, UINT64_MAX));
    if (c->problem) return;
    const uint64_t rows = least_size(a->rows, check_rows_from(a->dy, a->cols, a->cols));
    check_add(c, "order", check_below(a->order, check_last(a->starts, a->unique), rows));
}

static void check_wake_rows(Check *c, const struct wake_rows_args *a)
{
    const uint64_t limit = least_size(check_rows_from(a->w, a->cols, a->cols), check_room(a->stamp));
    if (a->row)
        check_add(c, "row", check_rows(a->row, a->rows, limit));
    else
        check_add(c, "rows", a->rows <= limit ? NULL : "beyond the last");
    check_add(c, "factors", a->step <= check_room(a->factors) ? NULL : "fewer than steps");
    const u32 *stamp = a->stamp;
    const CheckMemory *memory = check_find(stamp);
    if (c->problem || (memory && memory->arena->device->vulkan)) return; /* ops write it there */
    for (u32 i = 0; i < a->rows; i++) {
        const u32 at = stamp[a->row ? a->row[i] : i];
        check_add(c, "stamp", at == ROW_AWAKE || at <= a->step ? NULL : "later than the step");
    }
}

static void check_dot(Check *c, const struct dot_args *a)
{
    if (!a->row || !a->block) return;
    const uint64_t limit =
        least_size(check_rows_from(a->x, a->block, a->block), check_rows_from(a->y, a->block, a->block));
    check_add(c, "row", check_below(a->row, a->n / a->block, limit));
}

/* The ops that take an index, each with its check. */
static void check_op(Check *c, Op op, const void *args)
{
#define OF(name) const struct name##_args *a = args
    if (op == OP_attention) check_attention(c, args);
    if (op == OP_attention_grad) check_attention_grad(c, args);
    if (op == OP_relative_attention) check_relative_attention(c, args);
    if (op == OP_relative_attention_grad) check_relative_attention_grad(c, args);
    if (op == OP_relative_bias) check_relative_bias(c, args);
    if (op == OP_relative_bias_grad) check_relative_bias_grad(c, args);
    if (op == OP_attention_local) check_attention_local(c, args);
    if (op == OP_attention_local_grad) check_attention_local_grad(c, args);
    if (op == OP_embed) check_embed(c, args);
    if (op == OP_embed_grad) check_embed_grad(c, args);
    if (op == OP_embed_importance) check_embed_importance(c, args);
    if (op == OP_wake_rows) check_wake_rows(c, args);
    if (op == OP_dot) check_dot(c, args);
    if (op == OP_cross_entropy) {
        OF(cross_entropy);
        check_add(c, "labels", check_below(a->labels, a->rows, a->classes));
    }
    if (op == OP_rope) {
        OF(rope);
        check_add(c, "positions",
                  check_below(a->positions, a->rows, check_rows_from(a->table, a->head_dim, a->head_dim)));
    }
    if (op == OP_average) {
        OF(average);
        check_add(c, "offsets", check_starts(a->offsets, a->examples, 0, check_rows_from(a->x, a->cols, a->cols)));
    }
    if (op == OP_average_grad) {
        OF(average_grad);
        check_add(c, "offsets", check_starts(a->offsets, a->examples, 0, check_rows_from(a->dx, a->cols, a->cols)));
    }
    if (op == OP_gather_rows) {
        OF(gather_rows);
        check_add(c, "index", check_below(a->index, a->rows, check_rows_from(a->x, a->cols, a->ldx)));
    }
    if (op == OP_scatter_rows) {
        OF(scatter_rows);
        check_add(c, "index", check_rows(a->index, a->rows, check_rows_from(a->y, a->cols, a->ldy)));
    }
    if (op == OP_zero_rows) {
        OF(zero_rows);
        check_add(c, "row", check_below(a->row, a->rows, check_rows_from(a->x, a->cols, a->cols)));
    }
    if (op == OP_adamw_rows) {
        OF(adamw_rows);
        const uint64_t limit = least_size(check_rows_from(a->w, a->cols, a->cols), check_room(a->stamp));
        check_add(c, "rows", a->rows <= limit ? NULL : "beyond the last");
    }
    if (op == OP_gemm_importance) {
        OF(gemm_importance);
        check_add(c, "offsets", check_starts(a->offsets, a->examples, 0, a->rows));
    }
    if (op == OP_column_importance) {
        OF(column_importance);
        check_add(c, "offsets", check_starts(a->offsets, a->examples, 0, a->rows));
    }
#undef OF
}

/* Two arguments that begin at the same place, one of which is written: only where ops.h says so. */
static void check_overlap(Check *c, Op op, const void *args)
{
    for (const OpArg *b = op_args(op); b->name; b++)
        for (const OpArg *a = op_args(op); a != b; a++) {
            if (!a->pointer || !b->pointer || !op_pointer(a, args) || op_pointer(a, args) != op_pointer(b, args))
                continue;
            if ((!a->written && !b->written) || (b->over && strcmp(b->over, a->name) == 0)) continue;
            check_add(c, b->name, "in place of another argument");
        }
}

const char *op_index_problem(Op op, const void *args)
{
    static char text[128];
    Check check = {0};
    check_overlap(&check, op, args);
    check_op(&check, op, args);
    if (!check.problem) return NULL;
    snprintf(text, sizeof text, "%s: %s: %s", op_names[op], check.what, check.problem);
    return text;
}
#endif
