#include "report.h"

#include <math.h>
#include <string.h>

/* The events of a run, one function each. */

/* A task's number (from 1), with the name beside it where there is one. */
static bool load_task_number(Loader *l, const json_t *event, uint32_t low, uint32_t high, uint32_t *task, Err *err)
{
    if (!load_count(l, event, "task", low, high, task, err)) return false;
    const char *name = json_string_value(json_object_get(event, "name")), *wanted = l->out->tasks[*task - 1].name;
    return !name || strcmp(name, wanted) == 0 ||
           fail(err, "%s: task %u is called %s, not %s", l->what, *task, wanted, str_show(str(name)));
}

/* "rows" and "correct"; rows: at most those of the task. */
static bool load_share(Loader *l, const json_t *event, uint32_t task, ResultShare *share, Err *err)
{
    return load_count(l, event, "rows", 1, l->out->tasks[task - 1].eval_rows, &share->rows, err) &&
           load_count(l, event, "correct", 0, share->rows, &share->correct, err);
}

/* What is known of task `task` after `after` in the run that the event belongs to; NULL: the event does not make sense.
 * newest: `task` may be that of `after` itself. */
static ResultOld *load_old_of(Loader *l, const json_t *event, bool newest, uint32_t *after, uint32_t *task,
                              ResultRun **run, Err *err)
{
    const uint32_t tasks = (uint32_t)l->out->task_count;
    *run = load_run_of(l, event, err);
    if (!*run || !load_count(l, event, "after_task", 2, tasks, after, err) ||
        !load_task_number(l, event, 1, *after - !newest, task, err))
        return NULL;
    ResultOld **place = &(*run)->old[(*after - 1) * tasks + *task - 1];
    if (!*place) *place = arena_new(l->arena, ResultOld, 1);
    return *place;
}

/* An entry of a list of shares: 0 to 1, but for rounding. */
static bool load_share_number(Loader *l, const json_t *value, const char *key, double *share, Err *err)
{
    const double x = json_number_value(value);
    *share = fmin(1, fmax(0, x));
    return (json_is_number(value) && fabs(x - *share) < 0.001) ||
           fail(err, "%s: \"%s\" must hold numbers from 0 to 1", l->what, key);
}

static bool load_step_event(Loader *l, const json_t *event, Err *err)
{
    ResultStep step = {.penalty = NAN};
    uint32_t task;
    ResultRun *run = load_run_of(l, event, err);
    if (!run || !load_task_number(l, event, 1, (uint32_t)l->out->task_count, &task, err) ||
        !load_count(l, event, "step", 1, UINT32_MAX, &step.step, err) ||
        !json_get_double(event, l->what, "loss", -1e9, 1e9, &step.loss, err))
        return false;
    if (json_object_get(event, "penalty") &&
        !json_get_double(event, l->what, "penalty", -1e30, 1e30, &step.penalty, err))
        return false;
    ResultCurve *curve = &run->curves[task - 1];
    if (curve->count && step.step <= curve->at[curve->count - 1].step)
        return fail(err, "%s: step %u follows step %u of the same training", l->what, step.step,
                    curve->at[curve->count - 1].step);
    *dyn_push(l->arena, curve) = step;
    return true;
}

/* ---- final evaluations ---- */

/* "right", when an evaluation has it: as many marks as right rows. */
static bool load_right(Loader *l, const json_t *event, Evaluation *cell, Err *err)
{
    const json_t *value = json_object_get(event, "right");
    if (!value) return true;
    const Str hex = {json_string_value(value), json_string_length(value)};
    const bool fits = hex.at && hex.size == rows_right_digits(cell->rows); /* before so many rows are believed */
    bool *right = arena_new(l->arena, bool, fits ? cell->rows : 1);
    uint32_t set = 0;
    if (!fits || !rows_right_parse(hex, cell->rows, right))
        return fail(err, "%s: \"right\" must hold %zu hexadecimal digits for %u rows", l->what,
                    rows_right_digits(cell->rows), cell->rows);
    for (uint32_t r = 0; r < cell->rows; r++) set += right[r];
    if (set != cell->correct)
        return fail(err, "%s: \"right\" marks %u rows, but \"correct\" is %u", l->what, set, cell->correct);
    cell->right = right;
    return true;
}

/* "predictions" and "confidence", when an evaluation has them: they lead to the rows that are right. */
static bool load_predictions(Loader *l, const json_t *event, const ResultTask *task, Evaluation *cell, Err *err)
{
    uint32_t *prediction, *steps, correct = 0;
    if (!load_values(l, event, "predictions", cell->rows, task->classes - 1, &prediction, err) ||
        !load_values(l, event, "confidence", cell->rows, CONFIDENCE_STEPS, &steps, err))
        return false;
    cell->prediction = prediction;
    if (steps) {
        float *confidence = arena_new(l->arena, float, cell->rows);
        for (uint32_t r = 0; r < cell->rows; r++) confidence[r] = (float)((double)steps[r] / CONFIDENCE_STEPS);
        cell->confidence = confidence;
    }
    if (!prediction || !task->labels) return true;
    bool *right = arena_new(l->arena, bool, cell->rows);
    for (uint32_t r = 0; r < cell->rows; r++) {
        right[r] = prediction[r] == task->labels[r];
        correct += right[r];
        if (cell->right && cell->right[r] != right[r])
            return fail(err, "%s: row %u: \"right\" and \"predictions\" do not agree", l->what, r + 1);
    }
    if (correct != cell->correct)
        return fail(err, "%s: \"predictions\" make %u rows right, but \"correct\" is %u", l->what, correct,
                    cell->correct);
    cell->right = right;
    return true;
}

/* "lost" and "gained", when an evaluation has them: they must lead from the first count to this one. */
static bool load_paired(Loader *l, const json_t *event, const Evaluation *own, Evaluation *cell, Err *err)
{
    if (!json_object_get(event, "lost") && !json_object_get(event, "gained")) return true;
    if (!load_count(l, event, "lost", 0, cell->rows, &cell->lost, err) ||
        !load_count(l, event, "gained", 0, cell->rows, &cell->gained, err))
        return false;
    cell->paired = own->rows != 0;
    if (cell->paired && (int64_t)own->correct - cell->lost + cell->gained != cell->correct)
        return fail(err, "%s: \"lost\" and \"gained\" do not lead from %u to %u correct rows", l->what, own->correct,
                    cell->correct);
    return true;
}

/* Bitmaps, lost and gained say the same; a row that changed sides changed its prediction. */
static bool load_agrees(Loader *l, const json_t *event, const Evaluation *own, Evaluation *cell, Err *err)
{
    if (own->right && cell->right) {
        const Disagreement d = measure_disagreement(own->right, cell->right, cell->rows);
        if (cell->paired && (d.first != cell->lost || d.second != cell->gained))
            return fail(err, "%s: \"lost\" is %u and \"gained\" %u, but \"right\" says %u and %u", l->what, cell->lost,
                        cell->gained, d.first, d.second);
        cell->paired = true;
        cell->lost = d.first;
        cell->gained = d.second;
    }
    if (!json_object_get(event, "changed")) return true;
    cell->has_changed = true;
    const uint32_t least = cell->paired ? cell->lost + cell->gained : 0;
    if (!load_count(l, event, "changed", least, cell->rows, &cell->changed, err)) return false;
    if (!own->prediction || !cell->prediction) return true;
    const uint32_t changed = measure_changed(own->prediction, cell->prediction, cell->rows);
    return changed == cell->changed ||
           fail(err, "%s: \"changed\" is %u, but \"predictions\" says %u", l->what, cell->changed, changed);
}

static bool load_eval_event(Loader *l, const json_t *event, Err *err)
{
    ResultShare share;
    uint32_t task, after;
    const uint32_t tasks = (uint32_t)l->out->task_count;
    const json_t *final = json_object_get(event, "final"), *known = json_object_get(event, "accuracy");
    ResultRun *run = load_run_of(l, event, err);
    if (!run || !load_count(l, event, "after_task", 1, tasks, &after, err) ||
        !load_task_number(l, event, 1, tasks, &task, err) || !load_share(l, event, task, &share, err))
        return false;
    if (known && !(fabs(json_number_value(known) - (double)share.correct / share.rows) < 1e-4))
        return fail(err, "%s: \"accuracy\" is not \"correct\" divided by \"rows\"", l->what);
    if (!json_is_boolean(final)) return fail(err, "%s: \"final\" must be true or false", l->what);
    if (!json_is_true(final)) return true;
    Evaluation cell = {.rows = share.rows, .correct = share.correct},
               *place = &run->matrix[(after - 1) * tasks + task - 1];
    const Evaluation *own = &run->matrix[(task - 1) * tasks + task - 1];
    if (cell.rows != l->out->tasks[task - 1].eval_rows)
        return fail(err, "%s: \"rows\" is %u, but task %u has %u evaluation rows", l->what, cell.rows, task,
                    l->out->tasks[task - 1].eval_rows);
    if (place->rows) return fail(err, "%s: a second final evaluation of task %u after task %u", l->what, task, after);
    if (!load_right(l, event, &cell, err) || !load_predictions(l, event, &l->out->tasks[task - 1], &cell, err))
        return false;
    if (after > task && (!load_paired(l, event, own, &cell, err) || !load_agrees(l, event, own, &cell, err)))
        return false;
    *place = cell;
    return true;
}

/* ---- beside the evaluations ---- */

/* Which rows of task `task` were looked at, and which of these were right. */
static bool load_look(Loader *l, const json_t *event, uint32_t task, const ResultShare *share, Look *look, Err *err)
{
    const uint32_t rows = l->out->tasks[task - 1].eval_rows;
    const json_t *looked = json_object_get(event, "looked"), *marks = json_object_get(event, "right");
    const Str of_hex = {json_string_value(looked), json_string_length(looked)},
              right_hex = {json_string_value(marks), json_string_length(marks)};
    const bool fit = of_hex.at && right_hex.at && of_hex.size == rows_right_digits(rows);
    bool *of = arena_new(l->arena, bool, fit ? rows : 1), *right = arena_new(l->arena, bool, fit ? rows : 1);
    uint32_t count = 0, correct = 0;
    if (!fit || !rows_right_parse(of_hex, rows, of) || !rows_right_parse(right_hex, rows, right))
        return fail(err, "%s: \"looked\" and \"right\" must hold %zu hexadecimal digits for %u rows", l->what,
                    rows_right_digits(rows), rows);
    for (uint32_t r = 0; r < rows; r++) {
        count += of[r];
        correct += right[r];
        if (right[r] && !of[r]) return fail(err, "%s: \"right\" marks row %u, \"looked\" does not", l->what, r + 1);
    }
    if (count != share->rows || correct != share->correct)
        return fail(err, "%s: \"looked\" marks %u rows and \"right\" %u, but \"rows\" is %u and \"correct\" %u",
                    l->what, count, correct, share->rows, share->correct);
    *look = (Look){of, right};
    return true;
}

static bool load_curve_event(Loader *l, const json_t *event, Err *err)
{
    ResultShare share;
    ResultPoint point;
    ResultRun *run;
    uint32_t after, task;
    ResultOld *old = load_old_of(l, event, false, &after, &task, &run, err);
    if (!old || !load_share(l, event, task, &share, err) ||
        !load_count(l, event, "step", 1, UINT32_MAX, &point.step, err))
        return false;
    point.rows = share.rows;
    point.correct = share.correct;
    const ResultPoint *last = old->curve.count ? &old->curve.at[old->curve.count - 1] : NULL;
    if (last && point.step <= last->step)
        return fail(err, "%s: step %u follows step %u of the same curve", l->what, point.step, last->step);
    if (last && point.rows != last->rows)
        return fail(err, "%s: %u rows, but the curve began with %u", l->what, point.rows, last->rows);
    if (!load_look(l, event, task, &share, &point.look, err)) return false;
    *dyn_push(l->arena, &old->curve) = point;
    return true;
}

static bool load_probe_event(Loader *l, const json_t *event, Err *err)
{
    Evaluation cell = {0};
    ResultShare share;
    uint32_t after, task;
    const uint32_t tasks = (uint32_t)l->out->task_count;
    ResultRun *run = load_run_of(l, event, err);
    if (!run || !load_count(l, event, "after_task", 0, tasks, &after, err) ||
        !load_task_number(l, event, 1, tasks, &task, err) || !load_share(l, event, task, &share, err))
        return false;
    cell.rows = share.rows;
    cell.correct = share.correct;
    ResultShare *place = &run->probe[after * tasks + task - 1];
    if (place->rows) return fail(err, "%s: a second \"probe\" of task %u after task %u", l->what, task, after);
    *place = share;
    return load_right(l, event, &cell, err);
}

/* At most 1, but for rounding; below 0 as far as an estimator without bias may come out there. */
static bool load_cka(Loader *l, const json_t *value, double *cka, Err *err)
{
    *cka = fmin(1, json_number_value(value));
    return (json_is_number(value) && *cka >= -1 && json_number_value(value) < 1.001) ||
           fail(err, "%s: \"cka\" must hold numbers from -1 to 1", l->what);
}

static bool load_drift_event(Loader *l, const json_t *event, Err *err)
{
    size_t count, values;
    ResultRun *run;
    uint32_t after, task;
    ResultOld *old = load_old_of(l, event, false, &after, &task, &run, err);
    if (!old || !load_count(l, event, "rows", 1, l->out->tasks[task - 1].eval_rows, &old->drift_rows, err) ||
        !load_list(l, event, "layers", LOAD_MAX_NAMES, &count, err) ||
        !load_list(l, event, "cka", LOAD_MAX_NAMES, &values, err))
        return false;
    const json_t *errors = json_object_get(event, "error"); /* may be missing */
    if (errors && json_array_size(errors) != count)
        return fail(err, "%s: \"error\" must be a list of %zu entries", l->what, count);
    if (count != values) return fail(err, "%s: %zu layers, but %zu values of \"cka\"", l->what, count, values);
    if (old->layer_count) return fail(err, "%s: a second \"drift\" of task %u after task %u", l->what, task, after);
    old->layers = arena_new(l->arena, const char *, count);
    old->cka = arena_new(l->arena, double, count);
    old->cka_error = arena_new(l->arena, double, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *cka = json_array_get(json_object_get(event, "cka"), i);
        old->layers[i] = load_name(l, json_array_get(json_object_get(event, "layers"), i), "a layer", err);
        const json_t *error = json_array_get(errors, i);
        old->cka[i] = old->cka_error[i] = NAN;
        if (json_is_number(error) && !(json_number_value(error) >= 0 && json_number_value(error) < 1e6))
            return fail(err, "%s: \"error\" must hold numbers from 0", l->what);
        if (json_is_number(error)) old->cka_error[i] = json_number_value(error);
        if (!old->layers[i]) return false;
        if (json_is_null(cka)) continue;
        if (!load_cka(l, cka, &old->cka[i], err)) return false;
    }
    old->layer_count = (int)count;
    return true;
}

static bool load_swap_event(Loader *l, const json_t *event, Err *err)
{
    ResultSwap swap;
    ResultShare share;
    ResultRun *run;
    uint32_t after, task;
    ResultOld *old = load_old_of(l, event, false, &after, &task, &run, err);
    if (!old || !load_share(l, event, task, &share, err) ||
        !load_count(l, event, "correct_without", 0, share.rows, &swap.correct_without, err) ||
        !(swap.block = load_name(l, json_object_get(event, "block"), "\"block\"", err)) ||
        !load_look(l, event, task, &share, &swap.look, err))
        return false;
    swap.rows = share.rows;
    swap.correct = share.correct;
    for (size_t i = 0; i < old->swaps.count; i++)
        if (strcmp(old->swaps.at[i].block, swap.block) == 0)
            return fail(err, "%s: a second \"swap\" of %s", l->what, swap.block);
    if (old->swaps.count == LOAD_MAX_NAMES)
        return fail(err, "%s: more than %d parts of an encoder", l->what, LOAD_MAX_NAMES);
    *dyn_push(l->arena, &old->swaps) = swap;
    return true;
}

static bool load_interpolation_event(Loader *l, const json_t *event, Err *err)
{
    ResultInterpolation interpolation;
    ResultShare share;
    ResultRun *run;
    uint32_t after, task;
    ResultOld *old = load_old_of(l, event, true, &after, &task, &run, err);
    if (!old || !load_share(l, event, task, &share, err) ||
        !json_get_double(event, l->what, "alpha", 0, 1, &interpolation.alpha, err))
        return false;
    interpolation.rows = share.rows;
    interpolation.correct = share.correct;
    if (old->interpolation.count && interpolation.alpha <= old->interpolation.at[old->interpolation.count - 1].alpha)
        return fail(err, "%s: alpha %g follows alpha %g of the same interpolation", l->what, interpolation.alpha,
                    old->interpolation.at[old->interpolation.count - 1].alpha);
    *dyn_push(l->arena, &old->interpolation) = interpolation;
    return true;
}

/* ---- the words of rows, and which were lost or won back ---- */

static bool load_text_event(Loader *l, const json_t *event, Err *err)
{
    ResultText text = {.line = l->line};
    uint32_t number;
    if (!load_task_number(l, event, 1, (uint32_t)l->out->task_count, &number, err)) return false;
    ResultTask *task = &l->out->tasks[number - 1];
    const json_t *first = json_object_get(event, "text"), *second = json_object_get(event, "pair");
    if (!load_count(l, event, "row", 1, task->eval_rows, &text.row, err) ||
        !load_count(l, event, "label", 0, task->classes - 1, &text.label, err))
        return false;
    if (task->labels && task->labels[text.row - 1] != text.label)
        return fail(err, "%s: \"label\" is %u, but \"labels\" says %u", l->what, text.label,
                    task->labels[text.row - 1]);
    if (!json_is_string(first) || (second && !json_is_string(second)) || json_string_length(first) > LOAD_MAX_TEXT ||
        json_string_length(second) > LOAD_MAX_TEXT)
        return fail(err, "%s: \"text\" and \"pair\" must be texts of at most %d bytes", l->what, LOAD_MAX_TEXT);
    text.text = load_text(l, first);
    text.pair = second ? load_text(l, second) : NULL;
    *dyn_push(l->arena, &task->texts) = text;
    return true;
}

/* An entry of "lost" or "won": [row, p_before, p_after, prediction]. */
static bool load_changed_row(Loader *l, const json_t *entry, const ResultTask *task, ResultChanged *row, Err *err)
{
    const json_t *number = json_array_get(entry, 0), *class = json_array_get(entry, 3);
    if (json_array_size(entry) != 4 || !json_is_integer(number) || !json_is_integer(class))
        return fail(err, "%s: an entry of \"rows\" must be [row, p_before, p_after, prediction]", l->what);
    if (json_integer_value(number) < 1 || json_integer_value(number) > task->eval_rows)
        return fail(err, "%s: task %s has no row %lld", l->what, task->name, (long long)json_integer_value(number));
    if (json_integer_value(class) < 0 || json_integer_value(class) >= task->classes)
        return fail(err, "%s: task %s has no class %lld", l->what, task->name, (long long)json_integer_value(class));
    row->row = (uint32_t)json_integer_value(number);
    row->prediction = (uint32_t)json_integer_value(class);
    return load_share_number(l, json_array_get(entry, 1), "rows", &row->before, err) &&
           load_share_number(l, json_array_get(entry, 2), "rows", &row->after, err);
}

static bool load_changes(Loader *l, const json_t *event, bool won, Err *err)
{
    enum { MOST = 5000 };
    ResultRun *run;
    uint32_t after, task;
    const uint32_t tasks = (uint32_t)l->out->task_count;
    const char *kind = won ? "won" : "lost";
    const json_t *rows = json_object_get(event, "rows");
    ResultOld *old = load_old_of(l, event, false, &after, &task, &run, err);
    if (!old) return false;
    ResultChanges *changes = won ? &old->won : &old->lost;
    if (changes->known) return fail(err, "%s: a second \"%s\" of task %u after task %u", l->what, kind, task, after);
    if (!json_is_array(rows) || json_array_size(rows) > MOST)
        return fail(err, "%s: \"rows\" must be a list of at most %d entries", l->what, MOST);
    const Evaluation *own = &run->matrix[(task - 1) * tasks + task - 1],
                     *last = &run->matrix[(after - 1) * tasks + task - 1], *wrong = won ? own : last;
    changes->known = true;
    changes->count = (int)json_array_size(rows);
    changes->at = arena_new(l->arena, ResultChanged, json_array_size(rows));
    for (int i = 0; i < changes->count; i++) {
        ResultChanged *row = &changes->at[i];
        if (!load_changed_row(l, json_array_get(rows, (size_t)i), &l->out->tasks[task - 1], row, err)) return false;
        for (int k = 0; k < i; k++)
            if (changes->at[k].row == row->row) return fail(err, "%s: row %u is named twice", l->what, row->row);
        if (own->right && last->right && (own->right[row->row - 1] == won || last->right[row->row - 1] != won))
            return fail(err, "%s: row %u was not %s, says \"right\"", l->what, row->row, kind);
        if (wrong->prediction && wrong->prediction[row->row - 1] != row->prediction)
            return fail(err, "%s: row %u is said to be of class %u, but \"predictions\" says %u", l->what, row->row,
                        row->prediction, wrong->prediction[row->row - 1]);
    }
    return true;
}

static bool load_lost_event(Loader *l, const json_t *event, Err *err) { return load_changes(l, event, false, err); }
static bool load_won_event(Loader *l, const json_t *event, Err *err) { return load_changes(l, event, true, err); }

/* ---- the end of a method, and of the run ---- */

static bool load_method_event(Loader *l, const json_t *event, Err *err)
{
    int64_t trainable;
    ResultRun *run = load_run_of(l, event, err);
    if (!run || !json_get_int(event, l->what, "trainable", 0, INT64_MAX, &trainable, err) ||
        !json_get_double(event, l->what, "seconds", 0, 1e12, &run->seconds, err))
        return false;
    if (run->finished) return fail(err, "%s: a second \"method\" event of the same method and seed", l->what);
    run->trainable = (uint64_t)trainable;
    run->finished = true;
    return true;
}

static bool load_done_event(Loader *l, const json_t *event, Err *err)
{
    int64_t peak;
    if (!json_get_double(event, l->what, "seconds", 0, 1e12, &l->out->seconds, err) ||
        !json_get_int(event, l->what, "peak_bytes", 0, INT64_MAX, &peak, err))
        return false;
    l->out->peak_bytes = (uint64_t)peak;
    l->done = true;
    return true;
}
