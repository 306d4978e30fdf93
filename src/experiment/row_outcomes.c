#include "experiment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What became of each evaluation row: right or wrong, the same answer as before or another, forgotten or not. */

enum { LOST_MOST_ROWS = 200, TEXT_MOST_BYTES = 1000 };

static Predictions predictions_of(Arena *arena, const EvalRecord *r, const Split *split)
{
    Arena scratch = {0};
    double *p = arena_new(&scratch, double, r->classes);
    Predictions a = {.right = arena_new(arena, bool, r->rows),
                 .prediction = arena_new(arena, uint32_t, r->rows),
                 .p = arena_new(arena, double, r->rows)};
    for (uint32_t i = 0; i < r->rows; i++) {
        a.prediction[i] = r->prediction[i];
        a.right[i] = r->prediction[i] == split->labels[i];
        softmax(r->logits + (size_t)i * r->classes, r->classes, p);
        a.p[i] = p[split->labels[i]];
    }
    arena_free(&scratch);
    return a;
}

/* A final evaluation: which rows are right and, once another task has been trained since, how many rows changed sides
 * or prediction since the task's own training. */
static json_t *final_event(const Experiment *x, const EvalRecord *r, int task)
{
    const TaskState *state = &x->tasks[task];
    const Predictions *before = &state->learned, *now = &state->latest;
    json_t *event = eval_event(x, r, task, true);
    Arena scratch = {0};
    char *hex = arena_new(&scratch, char, rows_right_digits(r->rows) + 1);
    rows_right_print(now->right, r->rows, hex);
    json_object_set_new(event, "right", json_string(hex));
    arena_free(&scratch);
    if (task == x->task) return event;
    const Disagreement sides = measure_disagreement(before->right, now->right, r->rows);
    const uint32_t changed = measure_changed(before->prediction, now->prediction, r->rows);
    json_object_set_new(event, "lost", json_integer(sides.first));
    json_object_set_new(event, "gained", json_integer(sides.second));
    json_object_set_new(event, "changed", json_integer(changed));
    return event;
}

/* ---- forgotten rows ---- */

static bool tell_text(Experiment *x, int task, uint32_t row, Err *err)
{
    if (journal_knows_text(&x->journal, (uint32_t)task, row)) return true;
    const Split *split = &x->tasks[task].data.eval;
    const Str text = utf8_cut(split->text[row], TEXT_MOST_BYTES), pair = utf8_cut(split->pair[row], TEXT_MOST_BYTES);
    json_t *event = json_pack("{s:s, s:i, s:I, s:I, s:s%}", "event", "text", "task", task + 1, "row",
                              (json_int_t)row + 1, "label", (json_int_t)split->labels[row], "text", text.at, text.size);
    if (pair.at) json_object_set_new(event, "pair", json_stringn(pair.at, pair.size));
    return journal_event(&x->journal, event, err);
}

typedef struct LostRow {
    uint32_t row;
    double drop; /* of the probability of the true label */
} LostRow;

static int lost_compare(const void *a, const void *b) /* the largest drop first */
{
    const LostRow *x = a, *y = b;
    if (x->drop != y->drop) return x->drop < y->drop ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The rows that the last training made the method forget, with their words. */
static bool tell_lost(Experiment *x, int task, Err *err)
{
    if (task == x->task || x->task + 1 < x->plan->task_count) return true;
    const TaskState *state = &x->tasks[task];
    const Predictions *before = &state->learned, *now = &state->latest;
    Arena scratch = {0};
    DYN(LostRow) lost = {0};
    for (uint32_t r = 0; r < state->data.eval.rows; r++)
        if (before->right[r] && !now->right[r]) *dyn_push(&scratch, &lost) = (LostRow){r, before->p[r] - now->p[r]};
    if (lost.count) qsort(lost.at, lost.count, sizeof *lost.at, lost_compare);
    json_t *rows = json_array();
    bool ok = true;
    for (size_t i = 0; i < lost.count && i < LOST_MOST_ROWS && ok; i++) {
        const uint32_t r = lost.at[i].row;
        ok = tell_text(x, task, r, err);
        json_array_append_new(rows, json_pack("[I, f, f, I]", (json_int_t)r + 1, before->p[r], now->p[r],
                                              (json_int_t)now->prediction[r]));
    }
    arena_free(&scratch);
    if (!ok) {
        json_decref(rows);
        return false;
    }
    return emit(x,
                json_pack("{s:s, s:i, s:i, s:s, s:o}", "event", "lost", "after_task", x->task + 1, "task", task + 1,
                          "name", state->data.name, "rows", rows),
                err);
}

/* A final evaluation of a task, and what it has cost rows that were right. */
static bool tell_final(Experiment *x, int task, const EvalRecord *r, Err *err)
{
    TaskState *state = &x->tasks[task];
    state->latest = predictions_of(&x->method_arena, r, &state->data.eval);
    if (task == x->task) state->learned = state->latest;
    return emit(x, final_event(x, r, task), err) && tell_lost(x, task, err);
}
