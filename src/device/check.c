#include "device.h"

/* Ranges of the indices that ops take, for tests and debug builds (LETHE_CHECK_INDICES); releases leave it out. What
 * the arguments themselves tell is checked before each op on the CPU engine. Indices into a model's tables are checked
 * by batch_problem (model.h) for both engines, in releases, too, for it costs nothing there. */
#ifdef LETHE_CHECK_INDICES

/* starts[0 .. n]: ascending, each stretch at most `longest` (0: any). */
static bool check_starts(const u32 *starts, u32 n, u32 longest)
{
    for (u32 i = 0; i < n; i++)
        if (starts[i + 1] < starts[i] || (longest && starts[i + 1] - starts[i] > longest)) return false;
    return true;
}

/* Ascending, so that each row is named once. */
static bool check_rows(const u32 *row, u32 n)
{
    for (u32 i = 1; i < n; i++)
        if (row[i] <= row[i - 1]) return false;
    return true;
}

static bool check_below(const u32 *index, u32 n, u32 limit)
{
    for (u32 i = 0; i < n; i++)
        if (index[i] >= limit) return false;
    return true;
}

const char *op_index_problem(Op op, const void *args)
{
    if (op == OP_attention) {
        const struct attention_args *a = args;
        return check_starts(a->offsets, a->examples, a->longest) ? NULL : "attention: offsets";
    }
    if (op == OP_attention_grad) {
        const struct attention_grad_args *a = args;
        return check_starts(a->offsets, a->examples, a->longest) ? NULL : "attention_grad: offsets";
    }
    if (op == OP_cross_entropy) {
        const struct cross_entropy_args *a = args;
        return check_below(a->labels, a->rows, a->classes) ? NULL : "cross_entropy: labels";
    }
    if (op == OP_embed_grad) {
        const struct embed_grad_args *a = args;
        if (!check_rows(a->row, a->unique)) return "embed_grad: row";
        if (!check_starts(a->starts, a->unique, 0)) return "embed_grad: starts";
        return check_below(a->order, a->starts[a->unique], a->starts[a->unique]) ? NULL : "embed_grad: order";
    }
    if (op == OP_embed_importance) {
        const struct embed_importance_args *a = args;
        if (!check_rows(a->row, a->unique)) return "embed_importance: row";
        if (!check_starts(a->starts, a->unique, 0)) return "embed_importance: starts";
        if (!check_starts(a->offsets, a->examples, 0)) return "embed_importance: offsets";
        return check_below(a->order, a->starts[a->unique], a->rows) ? NULL : "embed_importance: order";
    }
    if (op == OP_gemm_importance) {
        const struct gemm_importance_args *a = args;
        return check_starts(a->offsets, a->examples, 0) && a->offsets[a->examples] <= a->rows
                   ? NULL
                   : "gemm_importance: offsets";
    }
    if (op == OP_column_importance) {
        const struct column_importance_args *a = args;
        return check_starts(a->offsets, a->examples, 0) && a->offsets[a->examples] <= a->rows
                   ? NULL
                   : "column_importance: offsets";
    }
    return NULL;
}
#endif
