#include "report.h"

#include <stdlib.h>

/* Which rows were forgotten: right just after the task's own training and wrong after the last task. */

/* Does the run record which rows of a task it forgot, having learned it? */
static bool forgotten_tells(const Results *r, const ResultRun *run, int task)
{
    return verdict_run_learned(r, run, task) && verdict_cell(r, run, task, task)->right &&
           verdict_cell(r, run, r->task_count - 1, task)->right;
}

static void forgotten_add(const Results *r, const ResultRun *run, int task, ForgottenRow *rows)
{
    const int last = r->task_count - 1;
    const ResultOld *old = run->old[last * r->task_count + task];
    const bool *own = verdict_cell(r, run, task, task)->right, *now = verdict_cell(r, run, last, task)->right;
    for (uint32_t k = 0; k < r->tasks[task].eval_rows; k++) rows[k].runs += own[k] && !now[k];
    for (int i = 0; old && i < old->lost.count; i++) {
        const ResultChanged *lost = &old->lost.at[i];
        ForgottenRow *row = &rows[lost->row - 1];
        row->before += lost->before;
        row->after += lost->after;
        row->prediction = lost->prediction;
        row->recorded++;
    }
}

/* Adds the runs of a method. */
static void forgotten_add_method(Arena *arena, const Results *r, int method, int task, Forgotten *f)
{
    const uint32_t rows = r->tasks[task].eval_rows;
    int *earlier = NULL, runs = 0; /* earlier: of each row, runs of other methods that forgot it */
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        if (run->method != method || !forgotten_tells(r, run, task)) continue;
        if (!f->rows) f->rows = arena_new(arena, ForgottenRow, rows); /* so many bits were read */
        if (!earlier) {
            earlier = arena_new(arena, int, rows);
            for (uint32_t k = 0; k < rows; k++) earlier[k] = f->rows[k].runs;
        }
        forgotten_add(r, run, task, f->rows);
        runs++;
    }
    for (uint32_t k = 0; earlier && k < rows; k++) f->rows[k].methods += 2 * (f->rows[k].runs - earlier[k]) > runs;
    f->methods += runs > 0;
    f->runs += runs;
}

/* As the header says. */
static int forgotten_compare(const void *a, const void *b)
{
    const ForgottenRow *x = a, *y = b;
    const double drop_x = x->before - x->after, drop_y = y->before - y->after;
    if (x->methods != y->methods) return x->methods > y->methods ? -1 : 1;
    if (x->runs != y->runs) return x->runs > y->runs ? -1 : 1;
    if (drop_x != drop_y) return drop_x > drop_y ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

Forgotten report_forgotten(Arena *arena, const Results *r, int method, int task)
{
    ASSERT(task >= 0 && task < r->task_count - 1);
    const ResultTask *t = &r->tasks[task];
    Forgotten f = {0};
    for (int m = 0; m < r->method_count; m++)
        if (method < 0 ? verdict_can_be_ranked(r, m) : m == method) forgotten_add_method(arena, r, m, task, &f);
    for (uint32_t k = 0; f.rows && k < t->eval_rows; k++) {
        ForgottenRow row = f.rows[k];
        if (!row.runs) continue;
        row.row = k + 1;
        row.text = result_text(t, row.row);
        if (row.recorded) {
            row.before /= row.recorded;
            row.after /= row.recorded;
        }
        f.by_all += row.methods == f.methods;
        f.rows[f.row_count++] = row;
    }
    if (f.row_count) qsort(f.rows, (size_t)f.row_count, sizeof *f.rows, forgotten_compare);
    return f;
}

/* The probability of a row's true class, then and now: "0.91 → 0.12". */
static const char *forgotten_fall(Arena *arena, const ForgottenRow *row)
{
    return arena_printf(arena, "%s → %s", format_decimal(arena, row->before, 2), format_decimal(arena, row->after, 2));
}

/* What a class is called. */
static const char *task_class(Arena *arena, const ResultTask *task, uint32_t label)
{
    return task->class_names && label < task->classes ? task->class_names[label]
                                                      : arena_printf(arena, "class %u", label);
}
