#include "report.h"

#include <math.h>
#include <stdlib.h>

/* summary.json: what the table shows, for programs. */

static json_t *summary_number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static json_t *summary_interval(Interval interval) { return json_pack("[o, o]", summary_number(interval.low), summary_number(interval.high)); }

static json_t *summary_tasks(const Results *r)
{
    json_t *tasks = json_array();
    for (int j = 0; j < r->task_count; j++) {
        const ResultTask *t = &r->tasks[j];
        json_array_append_new(tasks, json_pack("{s:s, s:I, s:I, s:I, s:f, s:s, s:s}", "name", t->name, "classes", (json_int_t)t->classes, "train_rows",
                                               (json_int_t)t->train_rows, "eval_rows", (json_int_t)t->eval_rows, "majority_rate", t->majority_rate,
                                               "train", t->train, "eval", t->eval));
    }
    return tasks;
}

typedef json_t *SummaryCell(const ResultCell *cell);
static json_t *summary_accuracy(const ResultCell *cell) { return cell->rows ? json_real(verdict_share(cell)) : json_null(); }
static json_t *summary_wilson(const ResultCell *cell) { return cell->rows ? summary_interval(measure_wilson(cell->correct, cell->rows)) : json_null(); }

static json_t *summary_matrix(const Results *r, const ResultRun *run, SummaryCell *of)
{
    json_t *matrix = json_array();
    for (int i = 0; i < r->task_count; i++) {
        json_t *row = json_array();
        for (int j = 0; j < r->task_count; j++) json_array_append_new(row, of(verdict_cell(r, run, i, j)));
        json_array_append_new(matrix, row);
    }
    return matrix;
}

/* true, false, or null when the task has not been trained. */
static json_t *summary_learned(const Results *r, const ResultRun *run)
{
    json_t *learned = json_array();
    for (int j = 0; j < r->task_count; j++)
        json_array_append_new(learned, verdict_cell(r, run, j, j)->rows ? json_boolean(verdict_run_learned(r, run, j)) : json_null());
    return learned;
}

/* The run alone, so that a verdict over seeds and that of one seed come from the same rules. */
static Results summary_only(const Results *r, ResultRun *run)
{
    Results only = *r;
    only.runs.at = run;
    only.runs.count = only.runs.capacity = 1;
    only.seed_count = 1;
    return only;
}

static json_t *summary_run(Arena *arena, const Results *r, ResultRun *run)
{
    const int tasks = r->task_count;
    const double *matrix = verdict_matrix(arena, r, run);
    const Results only = summary_only(r, run);
    json_t *changes = json_array();
    for (int j = 0; j < tasks - 1; j++) {
        const Change change = verdict_change(&only, run->method, j);
        json_t *entry = json_pack("{s:s, s:s}", "task", r->tasks[j].name, "verdict", verdict_words[change.verdict]);
        if (change.seeds) {
            json_object_set_new(entry, "change", json_real(change.mean));
            json_object_set_new(entry, "mcnemar_p", summary_interval(change.p));
        }
        json_array_append_new(changes, entry);
    }
    json_t *forgetting = json_pack("{s:o, s:o, s:o}", "first_last", summary_number(measure_forgetting(matrix, tasks, FORGETTING_FIRST_LAST)),
                                   "max_before_last", summary_number(measure_forgetting(matrix, tasks, FORGETTING_MAX_BEFORE_LAST)),
                                   "max_including_last", summary_number(measure_forgetting(matrix, tasks, FORGETTING_MAX_INCLUDING_LAST)));
    return json_pack("{s:s, s:I, s:b, s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "method", r->methods[run->method], "seed",
                     (json_int_t)run->seed, "finished", run->finished, "trainable", (json_int_t)run->trainable, "seconds", run->seconds, "matrix",
                     summary_matrix(r, run, summary_accuracy), "intervals", summary_matrix(r, run, summary_wilson), "learned",
                     summary_learned(r, run), "average_accuracy", summary_number(measure_average_accuracy(matrix, tasks)), "learning_accuracy",
                     summary_number(measure_learning_accuracy(matrix, tasks)), "backward_transfer",
                     summary_number(measure_backward_transfer(matrix, tasks)), "forgetting", forgetting, "changes", changes, "verdict",
                     verdict_remark(arena, &only, run->method));
}

/* A method over its seeds: mean and 95% t interval of every cell. */
static json_t *summary_over_seeds(Arena *arena, const Results *r, int method)
{
    json_t *mean = json_array(), *intervals = json_array(), *changes = json_array();
    int seeds;
    for (int i = 0; i < r->task_count; i++) {
        json_t *mean_row = json_array(), *interval_row = json_array();
        for (int j = 0; j < r->task_count; j++) {
            const Score score = verdict_score(r, method, i, j);
            json_array_append_new(mean_row, score.seeds ? json_real(score.mean) : json_null());
            json_array_append_new(interval_row, score.seeds > 1 ? summary_interval(score.interval) : json_null());
        }
        json_array_append_new(mean, mean_row);
        json_array_append_new(intervals, interval_row);
    }
    for (int j = 0; j < r->task_count - 1; j++) {
        const Change change = verdict_change(r, method, j);
        json_array_append_new(changes, json_pack("{s:s, s:s, s:o, s:o}", "task", r->tasks[j].name, "verdict", verdict_words[change.verdict], "change",
                                                 change.seeds ? json_real(change.mean) : json_null(), "interval",
                                                 change.seeds > 1 ? summary_interval(change.interval) : json_null()));
    }
    verdict_learned(r, method, 0, &seeds);
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:s}", "method", r->methods[method], "seeds", seeds, "matrix", mean, "intervals", intervals, "changes",
                     changes, "verdict", verdict_remark(arena, r, method));
}

/* The text of summary.json, in the arena. */
static Str summary_text(Arena *arena, const Results *r)
{
    json_t *methods = json_array(), *over = json_array(), *words = json_array();
    for (size_t i = 0; i < r->runs.count; i++) json_array_append_new(methods, summary_run(arena, r, &r->runs.at[i]));
    for (int m = 0; m < r->method_count; m++) json_array_append_new(over, summary_over_seeds(arena, r, m));
    const char *sentences[VERDICT_SENTENCES];
    const int count = verdict_sentences(arena, r, sentences);
    for (int i = 0; i < count; i++) json_array_append_new(words, json_string(sentences[i]));
    json_t *summary = json_pack("{s:s, s:b, s:s, s:s, s:s, s:f, s:I, s:o, s:o, s:o, s:s, s:o}", "version", r->version, "finished", r->finished, "model",
                                r->model, "preset", r->preset, "device", r->device, "seconds", r->seconds, "peak_bytes", (json_int_t)r->peak_bytes,
                                "tasks", summary_tasks(r), "methods", methods, "over_seeds", over, "headline", verdict_headline(arena, r), "sentences",
                                words);
    ASSERT(summary);
    char *text = json_dumps(summary, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    ASSERT(text);
    const Str out = {arena_printf(arena, "%s\n", text), strlen(text) + 1};
    free(text);
    json_decref(summary);
    return out;
}
