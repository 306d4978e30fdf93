#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What became of each evaluation row: right or wrong, the same answer as before or another, forgotten or not. */

enum { CHANGED_MOST_ROWS = 5000, TEXT_MOST_BYTES = 1000 };

static Predictions predictions_of(Arena *arena, const EvalRecord *r, const Split *split)
{
    Arena scratch = {0};
    double *p = arena_new(&scratch, double, r->classes);
    Predictions a = {.right = arena_new(arena, bool, r->rows),
                     .answer = arena_new(arena, uint32_t, r->rows),
                     .p = arena_new(arena, double, r->rows),
                     .sure = arena_new(arena, double, r->rows)};
    for (uint32_t i = 0; i < r->rows; i++) {
        a.answer[i] = r->prediction[i];
        a.right[i] = r->prediction[i] == split->labels[i];
        softmax(r->logits + (size_t)i * r->classes, r->classes, p);
        a.p[i] = p[split->labels[i]];
        a.sure[i] = p[r->prediction[i]];
    }
    arena_free(&scratch);
    return a;
}

/* A whole number for each row as an event keeps it. */
static json_t *rows_values_json(const uint32_t *values, uint32_t rows, uint32_t most)
{
    Arena scratch = {0};
    const uint32_t width = rows_values_width(most);
    char *hex = arena_new(&scratch, char, (size_t)rows *width + 1);
    rows_values_print(values, rows, width, hex);
    json_t *text = json_string(hex);
    arena_free(&scratch);
    return text;
}

/* How sure each answer is, in steps of 1 / CONFIDENCE_STEPS. */
static json_t *confidence_json(const double *sure, uint32_t rows)
{
    Arena scratch = {0};
    uint32_t *steps = arena_new(&scratch, uint32_t, rows);
    for (uint32_t i = 0; i < rows; i++) steps[i] = (uint32_t)floor(sure[i] * CONFIDENCE_STEPS + 0.5);
    json_t *text = rows_values_json(steps, rows, CONFIDENCE_STEPS);
    arena_free(&scratch);
    return text;
}

/* A final evaluation: which rows are right, what is said of each and how surely and, once another task has been trained
 * since, how many rows changed sides or prediction since the task's own training. */
static json_t *final_event(const MethodRun *m, const EvalRecord *r, int task)
{
    const Predictions *before = &m->tasks[task].learned, *now = &m->tasks[task].latest;
    json_t *event = eval_event(m, r, task, true);
    Arena scratch = {0};
    char *hex = arena_new(&scratch, char, rows_right_digits(r->rows) + 1);
    rows_right_print(now->right, r->rows, hex);
    json_object_set_new(event, "right", json_string(hex));
    json_object_set_new(event, "predictions", rows_values_json(now->answer, r->rows, r->classes - 1));
    json_object_set_new(event, "confidence", confidence_json(now->sure, r->rows));
    arena_free(&scratch);
    if (task == m->task) return event;
    const Disagreement sides = measure_disagreement(before->right, now->right, r->rows);
    const uint32_t changed = measure_changed(before->answer, now->answer, r->rows);
    json_object_set_new(event, "lost", json_integer(sides.first));
    json_object_set_new(event, "gained", json_integer(sides.second));
    json_object_set_new(event, "changed", json_integer(changed));
    return event;
}

/* ---- rows lost and won back ---- */

static bool emit_text(Experiment *x, int task, uint32_t row, Err *err)
{
    if (journal_knows_text(&x->journal, (uint32_t)task, row)) return true;
    const Split *split = &x->tasks[task].data.eval;
    const Str text = utf8_cut(split->text[row], TEXT_MOST_BYTES), pair = utf8_cut(split->pair[row], TEXT_MOST_BYTES);
    json_t *event = json_pack("{s:s, s:i, s:I, s:I, s:s%}", "event", "text", "task", task + 1, "row",
                              (json_int_t)row + 1, "label", (json_int_t)split->labels[row], "text", text.at, text.size);
    if (pair.at) json_object_set_new(event, "pair", json_stringn(pair.at, pair.size));
    return journal_event(&x->journal, event, err);
}

typedef struct RankedRow {
    uint32_t row;
    double change; /* of the probability of the true label: how far it fell, or rose */
} RankedRow;

static int changed_compare(const void *a, const void *b) /* the largest change first */
{
    const RankedRow *x = a, *y = b;
    if (x->change != y->change) return x->change < y->change ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The rows that the last training made the method lose, or win back, with their words. */
static bool emit_changed(MethodRun *m, int task, bool won, Err *err)
{
    const TaskState *state = &m->x->tasks[task];
    const Predictions *before = &m->tasks[task].learned, *now = &m->tasks[task].latest;
    const uint32_t *wrong = won ? before->answer : now->answer;
    Arena scratch = {0};
    DYN(RankedRow) changed = {0};
    for (uint32_t r = 0; r < state->data.eval.rows; r++)
        if (before->right[r] != won && now->right[r] == won)
            *dyn_push(&scratch, &changed) = (RankedRow){r, won ? now->p[r] - before->p[r] : before->p[r] - now->p[r]};
    if (changed.count) qsort(changed.at, changed.count, sizeof *changed.at, changed_compare);
    json_t *rows = json_array();
    bool ok = true;
    for (size_t i = 0; i < changed.count && i < CHANGED_MOST_ROWS && ok; i++) {
        const uint32_t r = changed.at[i].row;
        ok = emit_text(m->x, task, r, err);
        json_array_append_new(
            rows, json_pack("[I, f, f, I]", (json_int_t)r + 1, before->p[r], now->p[r], (json_int_t)wrong[r]));
    }
    arena_free(&scratch);
    if (!ok) {
        json_decref(rows);
        return false;
    }
    return emit(m,
                json_pack("{s:s, s:i, s:i, s:s, s:o}", "event", won ? "won" : "lost", "after_task", m->task + 1, "task",
                          task + 1, "name", state->data.name, "rows", rows),
                err);
}

/* After the last training, for every earlier task. */
static bool emit_changes(MethodRun *m, int task, Err *err)
{
    if (task == m->task || m->task + 1 < m->x->plan->task_count) return true;
    return emit_changed(m, task, false, err) && emit_changed(m, task, true, err);
}

/* Two rows of each task for the head of the report: the first, and the first of another class. */
static bool emit_examples(Experiment *x, Err *err)
{
    for (int j = 0; j < x->plan->task_count; j++) {
        const Split *eval = &x->tasks[j].data.eval;
        uint32_t other = 1;
        while (other < eval->rows && eval->labels[other] == eval->labels[0]) other++;
        if (!emit_text(x, j, 0, err) || (other < eval->rows && !emit_text(x, j, other, err))) return false;
    }
    return true;
}

/* A final evaluation of a task, and what it has cost rows that were right. */
static bool emit_final(MethodRun *m, int task, const EvalRecord *r, Err *err)
{
    TaskProgress *progress = &m->tasks[task];
    progress->latest = predictions_of(&m->arena, r, &m->x->tasks[task].data.eval);
    if (task == m->task) progress->learned = progress->latest;
    return emit(m, final_event(m, r, task), err) && emit_changes(m, task, err);
}
