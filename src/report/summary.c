#include "report.h"

#include <math.h>
#include <stdlib.h>

/* summary.json: what the table shows, for programs. */

static json_t *summary_tasks(const Results *r)
{
    json_t *tasks = json_array();
    for (int j = 0; j < r->task_count; j++) {
        const ResultTask *t = &r->tasks[j];
        json_array_append_new(tasks, json_pack("{s:s, s:I, s:I, s:I, s:f, s:s, s:s}", "name", t->name, "classes",
                                               (json_int_t)t->classes, "train_rows", (json_int_t)t->train_rows,
                                               "eval_rows", (json_int_t)t->eval_rows, "majority_rate", t->majority_rate,
                                               "train", t->train, "eval", t->eval));
    }
    return tasks;
}

typedef json_t *SummaryCell(const Evaluation *cell);
static json_t *summary_accuracy(const Evaluation *cell)
{
    return cell->rows ? json_real(verdict_share(cell)) : json_null();
}
static json_t *summary_wilson(const Evaluation *cell)
{
    return cell->rows ? summary_interval(measure_wilson(cell->correct, cell->rows)) : json_null();
}

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
        json_array_append_new(learned, verdict_cell(r, run, j, j)->rows ? json_boolean(verdict_run_learned(r, run, j))
                                                                        : json_null());
    return learned;
}

/* The run alone, so that a verdict over seeds and that of one seed come from the same rules. */
static Results summary_only(const Results *r, ResultRun *run)
{
    Results only = *r;
    only.runs.at = run;
    only.runs.count = only.runs.capacity = 1;
    only.seed_count = 1;
    only.comparison = NULL;
    return only;
}

/* The measures of one run, by name; null: not known. */
static json_t *summary_figures(Arena *arena, const Results *r, const ResultRun *run)
{
    json_t *measures = json_object();
    for (size_t i = 0; i < COUNT(figures); i++)
        json_object_set_new(measures, figures[i].name, summary_number(figures[i].of(arena, r, run)));
    return measures;
}

static json_t *summary_share(const ResultShare *share)
{
    return share->rows ? json_real((double)share->correct / share->rows) : json_null();
}

/* [i][task]: a probe on the pretrained encoder (i = 0) and after i tasks; null: not recorded. */
static json_t *summary_probes(const Results *r, const ResultRun *run)
{
    json_t *probes = json_array();
    for (int i = 0; i <= r->task_count; i++) {
        json_t *row = json_array();
        for (int j = 0; j < r->task_count; j++)
            json_array_append_new(row, summary_share(&run->probe[i * r->task_count + j]));
        json_array_append_new(probes, row);
    }
    return probes;
}

/* An old task's curve, drift, swaps and interpolation after a later task; NULL: nothing is known of it. */
static json_t *summary_old(Arena *arena, const Results *r, const ResultRun *run, int after, int task)
{
    const ResultOld *old = run->old[after * r->task_count + task];
    Dip dip;
    if (!old) return NULL;
    json_t *entry = json_pack("{s:s, s:s}", "task", r->tasks[task].name, "after", r->tasks[after].name);
    if (figure_dip_of(arena, r, run, after, task, &dip))
        json_object_set_new(entry, "dip",
                            json_pack("{s:b, s:f, s:f, s:f, s:f, s:o}", "shown", dip.look >= 0, "start", dip.start,
                                      "lowest", dip.lowest, "end", dip.end, "p", dip.p, "step",
                                      dip.look < 0 ? json_null() : json_integer(old->curve.at[dip.look].step)));
    json_t *drift = json_object(), *swap = json_object(), *interpolation = json_array();
    for (int i = 0; i < old->layer_count; i++) json_object_set_new(drift, old->layers[i], summary_number(old->cka[i]));
    for (size_t i = 0; i < old->swaps.count; i++) {
        const ResultSwap *s = &old->swaps.at[i];
        json_object_set_new(swap, s->block, json_real(figure_swap_returns(s)));
    }
    for (size_t i = 0; i < old->interpolation.count; i++) {
        const ResultInterpolation *s = &old->interpolation.at[i];
        json_array_append_new(interpolation,
                              json_pack("{s:f, s:f}", "alpha", s->alpha, "accuracy", (double)s->correct / s->rows));
    }
    json_object_set_new(entry, "drift_cka", drift);
    json_object_set_new(entry, "swap_returns", swap);
    json_object_set_new(entry, "interpolation", interpolation);
    return entry;
}

static json_t *summary_olds(Arena *arena, const Results *r, const ResultRun *run)
{
    json_t *olds = json_array();
    for (int i = 1; i < r->task_count; i++)
        for (int j = 0; j <= i; j++) {
            json_t *entry = summary_old(arena, r, run, i, j);
            if (entry) json_array_append_new(olds, entry);
        }
    return olds;
}

/* What became of an earlier task in one run. */
static json_t *summary_change(const Results *only, const ResultRun *run, int task)
{
    const Change change = verdict_change(only, run->method, task);
    const Evaluation *last = verdict_cell(only, run, only->task_count - 1, task);
    json_t *entry = json_pack("{s:s, s:s}", "task", only->tasks[task].name, "verdict", verdict_words[change.verdict]);
    if (change.seeds) {
        json_object_set_new(entry, "change", json_real(change.mean));
        json_object_set_new(entry, "mcnemar_p", summary_interval(change.p));
        json_object_set_new(entry, "lost", last->paired ? json_integer(last->lost) : json_null());
        json_object_set_new(entry, "gained", last->paired ? json_integer(last->gained) : json_null());
        json_object_set_new(entry, "churn", summary_number(figure_churn_of(only, run, task)));
        json_object_set_new(entry, "probe_recovery", summary_number(figure_recovery_of(only, run, task)));
        json_object_set_new(entry, "representation_lost", summary_number(figure_lost_of(only, run, task)));
    }
    return entry;
}

static json_t *summary_run(Arena *arena, const Results *r, ResultRun *run)
{
    const Results only = summary_only(r, run);
    json_t *changes = json_array();
    for (int j = 0; j < r->task_count - 1; j++) json_array_append_new(changes, summary_change(&only, run, j));
    return json_pack("{s:s, s:I, s:s, s:b, s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "method",
                     r->methods[run->method], "seed", (json_int_t)run->seed, "kind",
                     load_kinds[verdict_kind(r, run->method)], "finished", run->finished, "trainable",
                     (json_int_t)run->trainable, "seconds", run->seconds, "matrix",
                     summary_matrix(r, run, summary_accuracy), "intervals", summary_matrix(r, run, summary_wilson),
                     "probes", summary_probes(r, run), "learned", summary_learned(r, run), "measures",
                     summary_figures(arena, r, run), "changes", changes, "old_tasks", summary_olds(arena, r, run),
                     "verdict", verdict_remark(arena, &only, run->method));
}

/* A measure over the seeds that have it. */
static json_t *summary_mean(const MeanOver *mean)
{
    return json_pack("{s:i, s:o, s:o}", "seeds", mean->count, "mean", mean->count ? json_real(mean->mean) : json_null(),
                     "interval", mean->count > 1 ? summary_interval(mean->interval) : json_null());
}

static json_t *summary_blocks(Arena *arena, const Results *r, int method, bool swap)
{
    const FigureBlocks blocks = figure_blocks(arena, r, method, swap);
    json_t *means = json_object();
    for (size_t i = 0; i < blocks.count; i++) {
        const int count = (int)blocks.at[i].values.count;
        const MeanOver mean = count ? measure_mean(blocks.at[i].values.at, count) : (MeanOver){0};
        json_t *entry = summary_mean(&mean);
        if (count)
            json_object_set_new(entry, "rows_interval", summary_interval(figure_block_interval(&blocks.at[i], swap)));
        if (swap) json_object_set_new(entry, "p", summary_number(figure_block_p(&blocks.at[i])));
        json_object_set_new(means, blocks.at[i].name, entry);
    }
    return means;
}

/* All settings that change a method's results. */
static json_t *summary_settings(const ResultMethodInfo *info)
{
    json_t *settings = json_object();
    for (int i = 0; i < info->setting_count; i++)
        json_object_set_new(settings, info->settings[i].name, json_string(info->settings[i].value));
    return settings;
}

/* A method over its seeds: mean and 95% t interval of every cell and every measure. */
static json_t *summary_over_seeds(Arena *arena, const Results *r, int method)
{
    json_t *mean = json_array(), *intervals = json_array(), *changes = json_array(), *measures = json_object();
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
        json_array_append_new(changes, json_pack("{s:s, s:s, s:o, s:o, s:o}", "task", r->tasks[j].name, "verdict",
                                                 verdict_words[change.verdict], "change",
                                                 change.seeds ? json_real(change.mean) : json_null(), "interval",
                                                 change.seeds ? summary_interval(change.interval) : json_null(), "p",
                                                 change.seeds ? summary_interval(change.p) : json_null()));
    }
    for (size_t i = 0; i < COUNT(figures); i++) {
        const MeanOver over = figure_over_seeds(r, method, figures[i].of);
        json_object_set_new(measures, figures[i].name, summary_mean(&over));
    }
    verdict_learned(r, method, 0, &seeds);
    return json_pack("{s:s, s:o, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s}", "method", r->methods[method],
                     "settings", summary_settings(&r->method_info[method]), "kind", load_kinds[verdict_kind(r, method)],
                     "seeds", seeds, "matrix", mean, "intervals", intervals, "measures", measures, "changes", changes,
                     "drift_cka", summary_blocks(arena, r, method, false), "swap_returns",
                     summary_blocks(arena, r, method, true), "short", verdict_short(arena, r, method), "verdict",
                     verdict_remark(arena, r, method));
}

/* How two methods learned each task. */
static json_t *summary_matches(const Results *r, const Pair *pair)
{
    static const char *const states[] = {[MATCH_EQUAL] = "matched",
                                         [MATCH_MORE] = "learned more",
                                         [MATCH_TOO_FEW] = "too few rows",
                                         [MATCH_UNKNOWN] = "not recorded"};
    json_t *tasks = json_array();
    for (int j = 0; j < r->task_count; j++) {
        const Match *m = &pair->tasks[j];
        const bool known = m->state != MATCH_UNKNOWN;
        const int more = m->state != MATCH_MORE ? -1 : m->difference > 0 ? pair->a : pair->b;
        json_array_append_new(tasks,
                              json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:s?}", "task", r->tasks[j].name, "state",
                                        states[m->state], "difference", known ? json_real(m->difference) : json_null(),
                                        "interval_90", known ? summary_interval(m->close) : json_null(), "interval",
                                        known ? summary_interval(m->interval) : json_null(), "p", summary_number(m->p),
                                        "learned_more", more < 0 ? NULL : r->methods[more]));
    }
    return tasks;
}

/* Every two methods in where they end. */
static json_t *summary_ends(const Results *r, const Comparison *c)
{
    json_t *ends = json_array();
    for (int i = 0; i < c->end_count; i++) {
        const End *e = &c->ends[i];
        const int higher = compare_higher(e);
        json_array_append_new(ends, json_pack("{s:[s, s], s:i, s:f, s:o, s:o, s:o, s:s?}", "methods", r->methods[e->a],
                                              r->methods[e->b], "seeds", e->seeds, "difference", e->difference,
                                              "interval", summary_interval(e->interval), "p", summary_number(e->p),
                                              "holm_p", summary_number(e->adjusted), "ends_higher",
                                              higher < 0 ? NULL : r->methods[higher]));
    }
    return ends;
}

/* Every two methods that could be ranked, in what they keep, and every two in where they end. */
static json_t *summary_comparison(Arena *arena, const Results *r)
{
    static const char *const states[] = {[PAIR_COMPARED] = "matched",
                                         [PAIR_UNMATCHED] = "learned unequally",
                                         [PAIR_TOO_FEW] = "too few rows",
                                         [PAIR_UNKNOWN] = "not recorded"};
    const Comparison c = compare_methods(arena, r);
    const int leader = compare_leader(r, &c);
    json_t *pairs = json_array();
    for (int i = 0; i < c.pair_count; i++) {
        const Pair *p = &c.pairs[i];
        const int winner = compare_winner(p);
        json_array_append_new(pairs, json_pack("{s:[s, s], s:s, s:i, s:o, s:f, s:o, s:o, s:o, s:s?}", "methods",
                                               r->methods[p->a], r->methods[p->b], "state", states[p->state], "seeds",
                                               p->seeds, "learning", summary_matches(r, p), "difference", p->left,
                                               "interval", summary_interval(p->interval), "p", summary_number(p->p),
                                               "holm_p", summary_number(p->adjusted), "keeps_more",
                                               winner < 0 ? NULL : r->methods[winner]));
    }
    return json_pack("{s:f, s:s, s:s?, s:i, s:o, s:s, s:i, s:o}", "match_margin", 100 * compare_margin(r), "family",
                     "what matched pairs keep of the first task", "leader", leader < 0 ? NULL : r->methods[leader],
                     "tests", c.compared, "pairs", pairs, "ends_family", "average accuracy of every pair at the end",
                     "ends_tests", c.tested, "ends", summary_ends(r, &c));
}

/* Of each earlier task: rows (from 1) that all methods forgot which can be ranked. */
static json_t *summary_forgotten(Arena *arena, const Results *r)
{
    json_t *tasks = json_array();
    for (int j = 0; j < r->task_count - 1; j++) {
        const Forgotten f = report_forgotten(arena, r, -1, j);
        json_t *rows = json_array();
        for (int i = 0; i < f.by_all; i++) json_array_append_new(rows, json_integer(f.rows[i].row));
        json_array_append_new(tasks,
                              json_pack("{s:s, s:i, s:i, s:i, s:o}", "task", r->tasks[j].name, "methods", f.methods,
                                        "runs", f.runs, "rows_by_any", f.row_count, "rows_by_all", rows));
    }
    return tasks;
}

static json_t *summary_sweeps(Arena *arena, const Results *r); /* chart_sweep.c */

/* What to do next: "kind", "sentence", "command" (null: none), "number" of rows or seeds (null: none). */
static json_t *summary_advice(Arena *arena, const Results *r)
{
    static const char *const kinds[] = {[ADVICE_GO_ON] = "unfinished",  [ADVICE_LEARN] = "not learned",
                                        [ADVICE_ROWS] = "too few rows", [ADVICE_SEEDS] = "too few seeds",
                                        [ADVICE_MATCH] = "not matched", [ADVICE_MATCH_ROWS] = "too few rows to match"};
    const AdviceList advice = report_advice(arena, r);
    json_t *list = json_array();
    for (size_t i = 0; i < advice.count; i++) {
        const Advice *a = &advice.at[i];
        json_array_append_new(list, json_pack("{s:s, s:s?, s:s?, s:o, s:s, s:s?}", "kind", kinds[a->kind], "method",
                                              a->method < 0 ? NULL : r->methods[a->method], "task",
                                              a->task < 0 ? NULL : r->tasks[a->task].name, "number",
                                              a->number ? json_integer(a->number) : json_null(), "sentence",
                                              a->sentence, "command", a->command));
    }
    return list;
}

/* The text of summary.json, in the arena. */
static Str summary_text(Arena *arena, const Results *r)
{
    json_t *methods = json_array(), *over = json_array(), *words = json_array(), *plain = json_array();
    for (size_t i = 0; i < r->runs.count; i++) json_array_append_new(methods, summary_run(arena, r, &r->runs.at[i]));
    for (int m = 0; m < r->method_count; m++) json_array_append_new(over, summary_over_seeds(arena, r, m));
    const char *sentences[VERDICT_SENTENCES];
    const int count = verdict_sentences(arena, r, sentences);
    for (int i = 0; i < count; i++) json_array_append_new(words, json_string(sentences[i]));
    const int plain_count = plain_sentences(arena, r, sentences);
    for (int i = 0; i < plain_count; i++) json_array_append_new(plain, json_string(sentences[i]));
    json_t *rules = json_array();
    for (size_t i = 0; i < COUNT(verdict_rules); i++) json_array_append_new(rules, json_string(verdict_rules[i]));
    json_t *summary =
        json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:f, s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o}", "version",
                  r->version, "finished", r->finished, "model", r->model, "acquaintance", r->acquaintance, "preset",
                  r->preset, "device", r->device, "seconds", r->seconds, "peak_bytes", (json_int_t)r->peak_bytes,
                  "tasks", summary_tasks(r), "methods", methods, "over_seeds", over, "comparison",
                  summary_comparison(arena, r), "forgotten", summary_forgotten(arena, r), "headline",
                  verdict_headline(arena, r), "plain", plain, "sentences", words, "rules", rules);
    ASSERT(summary);
    json_object_set_new(summary, "cells", summary_cells(arena, r));
    json_object_set_new(summary, "cells_over_seeds", summary_cells_over_seeds(arena, r));
    json_object_set_new(summary, "measures", summary_measures(r));
    json_object_set_new(summary, "next", summary_advice(arena, r));
    json_object_set_new(summary, "sweeps", summary_sweeps(arena, r));
    char *text = json_dumps(summary, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    ASSERT(text);
    const Str out = {arena_printf(arena, "%s\n", text), strlen(text) + 1};
    free(text);
    json_decref(summary);
    return out;
}
