#include "report.h"

#include <math.h>
#include <string.h>

/* A run as a page shows it while it goes on: the same numbers, tests and sentences as the report's, as JSON. */

enum { LIVE_POINTS = 300 }; /* of a curve at most: more are not seen */

static const char *const live_colours[] = {"blue", "orange", "green", "vermillion", "purple", "black"};

static json_t *live_number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

/* ---- bars ---- */

static void live_bar(json_t *bars, int task, const char *moment, double accuracy, Interval interval, uint32_t rows,
                     int seeds, bool hatched)
{
    json_array_append_new(bars, json_pack("{s:i, s:s, s:f, s:o, s:o, s:I, s:i, s:b}", "task", task + 1, "moment",
                                          moment, "accuracy", accuracy, "low", live_number(interval.low), "high",
                                          live_number(interval.high), "rows", (json_int_t)rows, "seeds", seeds,
                                          "hatched", hatched));
}

static void live_score(json_t *bars, const Results *r, int method, int after, int task, const char *moment,
                       bool hatched)
{
    const Score score = verdict_score(r, method, after, task);
    if (score.seeds)
        live_bar(bars, task, moment, score.mean, score.interval, r->tasks[task].eval_rows, score.seeds, hatched);
}

/* The latest look at an old task, while a later one trains. */
static void live_during(json_t *bars, const Results *r, int method, int task)
{
    for (size_t i = r->runs.count; i-- > 0;) {
        const ResultRun *run = &r->runs.at[i];
        if (run->method != method || run->finished) continue;
        for (int after = r->task_count - 1; after > task; after--) {
            const Evaluation *cell = verdict_cell(r, run, after, task);
            const ResultOld *old = run->old[after * r->task_count + task];
            if (cell->rows) {
                live_bar(bars, task, "during", verdict_share(cell), measure_wilson(cell->correct, cell->rows),
                         cell->rows, 1, false);
                return;
            }
            if (!old || !old->curve.count) continue;
            const ResultPoint *p = &old->curve.at[old->curve.count - 1];
            live_bar(bars, task, "during", (double)p->correct / p->rows, measure_wilson(p->correct, p->rows), p->rows,
                     1, false);
            return;
        }
    }
}

/* finished: by some seed; before, nothing is said of what was not learned. */
static json_t *live_bars(Arena *arena, const Results *r, int method, bool finished)
{
    json_t *bars = json_array();
    for (int j = 0; j < r->task_count; j++) {
        const int last = r->task_count - 1;
        bool hatched[2] = {false, false};
        if (finished) bars_hatched(arena, r, method, j, hatched);
        live_score(bars, r, method, j, j, "after itself", hatched[0]);
        if (j < last && verdict_score(r, method, last, j).seeds)
            live_score(bars, r, method, last, j, "at the end", hatched[1]);
        else if (j < last)
            live_during(bars, r, method, j);
    }
    return bars;
}

/* ---- curves ---- */

/* Whether a run's curve counts: the finished ones, or while there is none the one that grows. */
static bool live_counts(const Results *r, const ResultRun *run, int method, int after, int task, bool finished)
{
    const ResultOld *old = run->old[after * r->task_count + task];
    return run->method == method && old && old->curve.count &&
           (verdict_cell(r, run, after, task)->rows > 0) == finished;
}

static void live_curve_of(json_t *curve, const Results *r, int method, int after, int task)
{
    bool finished = false;
    size_t looks = 0;
    for (size_t i = 0; i < r->runs.count; i++)
        finished = finished || live_counts(r, &r->runs.at[i], method, after, task, true);
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        if (!live_counts(r, run, method, after, task, finished)) continue;
        const size_t count = run->old[after * r->task_count + task]->curve.count;
        if (count > looks) looks = count;
    }
    for (size_t k = 0; k < looks; k += looks / LIVE_POINTS + 1) {
        double sum = 0;
        int seeds = 0;
        uint32_t rows = 0, step = 0;
        for (size_t i = 0; i < r->runs.count; i++) {
            const ResultRun *run = &r->runs.at[i];
            if (!live_counts(r, run, method, after, task, finished)) continue;
            const ResultOld *old = run->old[after * r->task_count + task];
            if (k >= old->curve.count) continue;
            sum += (double)old->curve.at[k].correct / old->curve.at[k].rows;
            rows = old->curve.at[k].rows;
            step = old->curve.at[k].step;
            seeds++;
        }
        const double accuracy = sum / seeds;
        const Interval interval = measure_wilson_share(accuracy, rows);
        json_array_append_new(curve, json_pack("{s:i, s:i, s:I, s:f, s:f, s:f, s:I}", "task", task + 1, "after_task",
                                               after + 1, "step", (json_int_t)step, "accuracy", accuracy, "low",
                                               interval.low, "high", interval.high, "rows", (json_int_t)rows));
    }
}

static json_t *live_curve(const Results *r, int method)
{
    json_t *curve = json_array();
    for (int task = 0; task < r->task_count; task++)
        for (int after = task + 1; after < r->task_count; after++) live_curve_of(curve, r, method, after, task);
    return curve;
}

/* Smoothed as in the report's chart. */
static json_t *live_loss(Arena *arena, const Results *r, int method)
{
    json_t *loss = json_array();
    for (int j = 0; j < r->task_count; j++) {
        size_t count;
        const double *values = loss_mean_of_seeds(arena, r, method, j, &count);
        const size_t reach = count / 40 > LOSS_REACH ? LOSS_REACH : count / 40;
        const LossLine line = loss_smooth(arena, values, count, reach, 0, 1);
        for (size_t i = 0; i < count; i += count / LIVE_POINTS + 1)
            json_array_append_new(loss, json_pack("{s:i, s:I, s:f}", "task", j + 1, "step", (json_int_t)i + 1, "loss",
                                                  (double)line.points[2 * i + 1]));
    }
    return loss;
}

/* ---- methods and tasks ---- */

static json_t *live_method(Arena *arena, const Results *r, int method)
{
    const ResultMethodInfo *info = &r->method_info[method];
    int finished = 0, begun = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        if (r->runs.at[i].method != method) continue;
        begun++;
        finished += r->runs.at[i].finished;
    }
    BarGroup group = {0};
    bars_annotate(arena, r, method, &group);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:o, s:o, s:o, s:s, s:s, s:b}", "name", r->methods[method],
                     "label", r->methods[method], "about", info->about, "kind", load_kinds[info->kind], "colour",
                     live_colours[method % (int)COUNT(live_colours)], "seeds_done", finished, "seeds", r->seed_count,
                     "bars", live_bars(arena, r, method, finished > 0), "curve", live_curve(r, method), "loss",
                     live_loss(arena, r, method), "state",
                     finished >= r->seed_count ? "finished"
                     : begun                   ? "at work"
                                               : "waiting",
                     "note", finished ? group.note : "", "alarm", finished && group.note_colour.r == COLOUR_ALARM.r);
}

/* Steps of a task's training by the methods that have ended one; 0: not known yet. */
static size_t live_steps(const Results *r, int task)
{
    size_t steps = 0;
    for (size_t i = 0; i < r->runs.count; i++)
        if (verdict_cell(r, &r->runs.at[i], task, task)->rows && r->runs.at[i].curves[task].count > steps &&
            r->method_info[r->runs.at[i].method].kind != METHOD_CEILING)
            steps = r->runs.at[i].curves[task].count;
    return steps;
}

static json_t *live_task(const Results *r, int task)
{
    const ResultTask *t = &r->tasks[task];
    json_t *names = json_array();
    for (uint32_t c = 0; t->class_names && c < t->classes; c++)
        json_array_append_new(names, json_string(t->class_names[c]));
    json_t *o = json_pack("{s:s, s:i, s:I, s:o, s:I, s:I, s:f, s:b}", "name", t->name, "number", task + 1, "classes",
                          (json_int_t)t->classes, "class_names", names, "train_rows", (json_int_t)t->train_rows,
                          "eval_rows", (json_int_t)t->eval_rows, "majority", t->majority_rate, "pair",
                          t->texts.count && t->texts.at[0].pair != NULL);
    const size_t steps = live_steps(r, task);
    if (steps) json_object_set_new(o, "steps", json_integer((json_int_t)steps));
    return o;
}

/* ---- what can be said ---- */

/* Not before some method has been seen at both ends of the first task, or at its end when there is one task. */
static bool live_is_sayable(const Results *r)
{
    for (int m = 0; m < r->method_count; m++)
        if (r->task_count > 1 ? verdict_change(r, m, 0).seeds > 0 : verdict_score(r, m, 0, 0).seeds > 0) return true;
    return false;
}

static json_t *live_sentences(const char *const *sentences, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++) json_array_append_new(list, json_string(sentences[i]));
    return list;
}

static json_t *live_verdict(Arena *arena, const Results *r)
{
    const char *plain[PLAIN_SENTENCES], *detailed[VERDICT_SENTENCES];
    static const char *const early[] = {"Too early to say."};
    const bool sayable = live_is_sayable(r);
    const int detailed_count = sayable ? verdict_sentences(arena, r, detailed) : 0;
    int plain_count = sayable ? plain_sentences(arena, r, plain) : 0;
    const char *const *shown = sayable ? plain : early;
    if (sayable && !plain_count) shown = detailed, plain_count = least_int(1, detailed_count);
    if (!sayable) plain_count = 1;
    return json_pack("{s:b, s:o, s:o}", "sayable", sayable, "plain", live_sentences(shown, plain_count), "detailed",
                     live_sentences(detailed, detailed_count));
}

static json_t *live_table(Arena *arena, const Results *r)
{
    TableGrid grid = {.arena = arena};
    json_t *head = json_array(), *rows = json_array();
    table_grid(r, &grid);
    for (int c = 0; c < grid.columns; c++)
        json_array_append_new(head, json_string(text_join(arena, grid.head[0][c], ", ", grid.head[1][c])));
    for (size_t i = 0; i <= grid.rows.count; i++) {
        const TableRow *row = i < grid.rows.count ? &grid.rows.at[i] : &grid.majority;
        json_t *cells = json_array();
        for (int c = 0; c < grid.columns; c++)
            json_array_append_new(cells, json_string(row->cells[c] ? row->cells[c] : ""));
        json_array_append_new(rows, cells);
    }
    return json_pack("{s:o, s:o, s:s}", "head", head, "rows", rows, "legend", table_legend(arena, r));
}

static json_t *live_advice(Arena *arena, const Results *r)
{
    json_t *list = json_array();
    const AdviceList advice = report_advice(arena, r);
    for (size_t i = 0; i < advice.count && live_is_sayable(r); i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s?}", "sentence", advice.at[i].sentence, "command", advice.at[i].command));
    return list;
}

static json_t *live_charts(const Results *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < COUNT(report_charts) && live_is_sayable(r); i++)
        if (!report_charts[i].shown || report_charts[i].shown(r))
            json_array_append_new(
                list, json_pack("{s:s, s:s}", "name", report_charts[i].file, "title", report_charts[i].name));
    return list;
}

/* The results with all that is computed of them in an arena of its own: a file that grows changes it. */
static Results live_copy(Arena *arena, const Results *r)
{
    Results own = *r;
    own.arena = arena;
    own.comparison = NULL;
    report_judge(arena, &own);
    return own;
}

static void live_forget(const Results *r)
{
    const size_t cells = (size_t)r->task_count * (size_t)r->task_count;
    for (size_t i = 0; i < r->runs.count; i++) memset(r->runs.at[i].draws, 0, cells * sizeof *r->runs.at[i].draws);
}

json_t *report_view(const Results *results)
{
    Arena arena = {0};
    const Results own = live_copy(&arena, results), *r = &own;
    json_t *tasks = json_array(), *methods = json_array();
    for (int j = 0; j < r->task_count; j++) json_array_append_new(tasks, live_task(r, j));
    for (int m = 0; m < r->method_count; m++) json_array_append_new(methods, live_method(&arena, r, m));
    json_t *view = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "tasks", tasks, "methods", methods, "verdict",
                             live_verdict(&arena, r), "table", live_table(&arena, r), "advice", live_advice(&arena, r),
                             "charts", live_charts(r), "finished", r->finished);
    if (live_is_sayable(r)) json_object_set_new(view, "headline", json_string(verdict_headline(&arena, r)));
    live_forget(results);
    arena_free(&arena);
    return view;
}

bool report_svg(Arena *arena, const Results *results, const char *name, bool narrow, Str font, Str *svg, Err *err)
{
    Arena scratch = {0};
    Results own = live_copy(&scratch, results);
    bool found = false, ok = false;
    own.look.narrow = narrow;
    for (size_t i = 0; i < COUNT(report_charts) && !found; i++) {
        Canvas canvas;
        if (strcmp(report_charts[i].file, name) != 0 || (report_charts[i].shown && !report_charts[i].shown(&own)))
            continue;
        found = true;
        ok = report_charts[i].draw(&scratch, &own, font, &canvas, err);
        if (ok) *svg = svg_file(arena, markup_str(&canvas.svg), canvas.width, canvas.height, canvas.title, canvas.alt);
    }
    live_forget(results);
    arena_free(&scratch);
    return found ? ok : fail_usage(err, "%s: there is no such chart of this run", str_show(str(name)));
}

/* ---- rows ---- */

/* Of a method's first run that has both; NULL: there is none. */
static const ResultRun *live_run(const Results *r, int method, int task, const Evaluation **own, const Evaluation **now)
{
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        *own = verdict_cell(r, run, task, task);
        if (run->method != method || !(*own)->rows) continue;
        *now = *own;
        for (int after = task + 1; after < r->task_count; after++)
            if (verdict_cell(r, run, after, task)->rows) *now = verdict_cell(r, run, after, task);
        return run;
    }
    return NULL;
}

static json_t *live_answer(const Evaluation *e, uint32_t row)
{
    if (!e->prediction || row >= e->rows) return json_null();
    return json_pack("{s:i, s:o}", "class", (int)e->prediction[row], "probability",
                     e->confidence ? live_number((double)e->confidence[row]) : json_null());
}

/* 0: lost, 1: won, 2: neither. */
static int live_fate(const Evaluation *own, const Evaluation *now, uint32_t row)
{
    if (!own->right || !now->right || row >= own->rows || row >= now->rows || own->right[row] == now->right[row])
        return 2;
    return now->right[row];
}

json_t *report_rows(const Results *r, int task, int method, ReportRows which, size_t from, size_t most)
{
    const ResultTask *t = &r->tasks[task];
    const Evaluation *own = NULL, *now = NULL;
    json_t *rows = json_array(), *names = json_array();
    size_t count = 0;
    const ResultRun *run = live_run(r, method, task, &own, &now);
    for (uint32_t c = 0; c < t->classes && t->class_names; c++)
        json_array_append_new(names, json_string(t->class_names[c]));
    for (int fate = 0; fate < 3 && run; fate++) {
        if (which != REPORT_ROWS_ALL && fate != (int)which) continue;
        for (size_t i = 0; i < t->texts.count; i++) {
            const ResultText *text = &t->texts.at[i];
            if (live_fate(own, now, text->row - 1) != fate || count++ < from || json_array_size(rows) >= most) continue;
            json_array_append_new(rows, json_pack("{s:I, s:s, s:s?, s:I, s:o, s:o}", "row", (json_int_t)text->row,
                                                  "text", text->text, "text_b", text->pair, "label",
                                                  (json_int_t)text->label, "before", live_answer(own, text->row - 1),
                                                  "after", live_answer(now, text->row - 1)));
        }
    }
    return json_pack("{s:o, s:I, s:o, s:b}", "rows", rows, "count", (json_int_t)count, "class_names", names, "pair",
                     t->texts.count && t->texts.at[0].pair != NULL);
}
