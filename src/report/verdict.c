#include "report.h"

#include <math.h>
#include <string.h>

/* What can be said of each method, by fixed rules:
 *   learned a task      with every seed, the Wilson interval right after its training lies above the majority-class rate;
 *   forgot a task       learned it, and the drop by the end is more than chance explains: exact McNemar p < 0.05 with one
 *                       seed (when it is not known which rows changed: whichever they were), a 95% t interval below
 *                       zero with more;
 *   neither             the change is within what chance does, or cannot be told from counts alone;
 *   by construction     the method cannot forget, whatever it learned. */

static const double VERDICT_P = 0.05;

typedef enum Verdict {
    VERDICT_UNFINISHED,
    VERDICT_NOT_LEARNED,    /* with no seed, or only with some */
    VERDICT_BY_CONSTRUCTION,
    VERDICT_FORGOT,
    VERDICT_GAINED,
    VERDICT_WITHIN_CHANCE,
    VERDICT_UNCLEAR,
    VERDICT_KINDS
} Verdict;

static const char *const verdict_words[VERDICT_KINDS] = {
    "unfinished", "did not learn", "cannot forget", "forgot", "gained", "no change beyond chance", "not decided",
};

/* Methods whose earlier tasks cannot change. */
static const struct {
    const char *method, *why;
} verdict_constructions[] = {
    {"lora", "own adapter per task: no forgetting by construction"},
    {"frozen", "the encoder is never trained: no forgetting by construction"},
};

/* An accuracy over the seeds that have it. */
typedef struct Score {
    int seeds; /* 0: not known */
    double mean;
    Interval interval; /* one seed: Wilson; more: t over seeds, cut to [0, 1] */
} Score;

/* What became of a task between its own training and the last one. */
typedef struct Change {
    Verdict verdict;
    int seeds, learned; /* with both evaluations; of these, learned the task */
    double mean;        /* last minus own */
    Interval interval;  /* seeds > 1: t over seeds, not cut */
    Interval p;         /* seeds == 1: exact McNemar, lowest and highest possible */
} Change;

static const ResultCell *verdict_cell(const Results *r, const ResultRun *run, int after, int task)
{
    return &run->matrix[after * r->task_count + task];
}

static double verdict_share(const ResultCell *cell) { return (double)cell->correct / cell->rows; }

static bool verdict_run_learned(const Results *r, const ResultRun *run, int task)
{
    const ResultCell *own = verdict_cell(r, run, task, task);
    return own->rows && measure_learned(own->correct, own->rows, r->tasks[task].majority_rate);
}

static Score verdict_score(const Results *r, int method, int after, int task)
{
    Arena scratch = {0};
    double *values = arena_new(&scratch, double, r->runs.count + 1);
    Score score = {0};
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultCell *cell = verdict_cell(r, &r->runs.at[i], after, task);
        if (r->runs.at[i].method != method || !cell->rows) continue;
        score.interval = measure_wilson(cell->correct, cell->rows);
        values[score.seeds++] = verdict_share(cell);
    }
    if (score.seeds > 0) {
        const MeanOver mean = measure_mean(values, score.seeds);
        score.mean = mean.mean;
        if (score.seeds > 1) score.interval = (Interval){fmax(0, mean.interval.low), fmin(1, mean.interval.high)};
    }
    arena_free(&scratch);
    return score;
}

/* With how many of the seeds that were trained on it a method learned a task. */
static int verdict_learned(const Results *r, int method, int task, int *seeds)
{
    int learned = 0;
    *seeds = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        if (run->method != method || !verdict_cell(r, run, task, task)->rows) continue;
        ++*seeds;
        learned += verdict_run_learned(r, run, task);
    }
    return learned;
}

/* Trained on the task, and did not learn it with every seed. */
static bool verdict_missed(const Results *r, int method, int task)
{
    int seeds;
    return verdict_learned(r, method, task, &seeds) < seeds;
}

static const char *verdict_construction(const Results *r, int method)
{
    for (size_t i = 0; i < COUNT(verdict_constructions); i++)
        if (strcmp(verdict_constructions[i].method, r->methods[method]) == 0) return verdict_constructions[i].why;
    return NULL;
}

static Verdict verdict_of_change(const Results *r, int method, const Change *c)
{
    if (!c->seeds) return VERDICT_UNFINISHED;
    if (c->learned < c->seeds) return VERDICT_NOT_LEARNED;
    if (verdict_construction(r, method) && c->mean == 0) return VERDICT_BY_CONSTRUCTION;
    if (c->seeds > 1) {
        if (c->interval.high < 0) return VERDICT_FORGOT;
        return c->interval.low > 0 ? VERDICT_GAINED : VERDICT_WITHIN_CHANCE;
    }
    if (c->p.high < VERDICT_P) return c->mean < 0 ? VERDICT_FORGOT : VERDICT_GAINED;
    return c->p.low >= VERDICT_P ? VERDICT_WITHIN_CHANCE : VERDICT_UNCLEAR;
}

static Change verdict_change(const Results *r, int method, int task)
{
    Arena scratch = {0};
    double *values = arena_new(&scratch, double, r->runs.count + 1);
    Change change = {0};
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        const ResultCell *own = verdict_cell(r, run, task, task), *last = verdict_cell(r, run, r->task_count - 1, task);
        if (run->method != method || !own->rows || !last->rows) continue;
        change.learned += verdict_run_learned(r, run, task);
        values[change.seeds++] = ((double)last->correct - (double)own->correct) / own->rows;
        if (last->paired)
            change.p.low = change.p.high = measure_mcnemar(last->lost, last->gained);
        else
            change.p = measure_mcnemar_bounds(own->correct, last->correct, own->rows);
    }
    if (change.seeds > 0) {
        const MeanOver mean = measure_mean(values, change.seeds);
        change.mean = mean.mean;
        change.interval = mean.interval;
    }
    arena_free(&scratch);
    change.verdict = verdict_of_change(r, method, &change);
    return change;
}

/* ---- words ---- */

/* "a, b and c"; adds the last item itself. */
static const char *verdict_list(Arena *arena, const char *const *items, int count)
{
    const char *text = count ? items[0] : "";
    for (int i = 1; i < count; i++) text = arena_printf(arena, "%s%s%s", text, i == count - 1 ? " and " : ", ", items[i]);
    return text;
}

static const char *verdict_p(Arena *arena, double p)
{
    if (p < 0.0001) return "p < 0.0001";
    return arena_printf(arena, p < 0.01 ? "p = %.4f" : "p = %.2f", p);
}

static const char *verdict_drop_sure(Arena *arena, const Change *c)
{
    const char *way = c->mean < 0 ? "drop" : "gain";
    if (c->seeds > 1)
        return arena_printf(arena, "the %s is there over %d seeds (%+.1f to %+.1f points)", way, c->seeds, 100 * c->interval.low,
                            100 * c->interval.high);
    const bool exact = c->p.low == c->p.high;
    if (exact || c->p.high < 0.0001) return arena_printf(arena, "the %s is more than chance explains (%s)", way, verdict_p(arena, c->p.high));
    return arena_printf(arena, "the %s is more than chance explains (p ≤ %.*f)", way, c->p.high < 0.01 ? 4 : 2, c->p.high);
}

/* One earlier task of a method, without naming the task. */
static const char *verdict_change_words(Arena *arena, const Results *r, int method, const Change *c)
{
    const char *way = c->mean < 0 ? "drop" : "gain";
    switch (c->verdict) {
    case VERDICT_BY_CONSTRUCTION: return verdict_construction(r, method);
    case VERDICT_FORGOT: return arena_printf(arena, "forgot: %s", verdict_drop_sure(arena, c));
    case VERDICT_GAINED: return arena_printf(arena, "gained: %s", verdict_drop_sure(arena, c));
    case VERDICT_UNCLEAR:
        return arena_printf(arena, "not decided: the %s may be chance or not, depending on which rows changed (p %.*f to %.2f)", way,
                            c->p.low < 0.01 ? 4 : 2, c->p.low, c->p.high);
    case VERDICT_WITHIN_CHANCE:
        if (c->seeds > 1)
            return arena_printf(arena, "no change beyond chance over %d seeds (%+.1f to %+.1f points)", c->seeds, 100 * c->interval.low,
                                100 * c->interval.high);
        if (c->mean == 0) return "no change";
        return arena_printf(arena, "no change beyond chance (p %s %.2f)", c->p.low == c->p.high ? "=" : "≥", c->p.low);
    default: return "";
    }
}

/* The tasks from `first` on that a method was trained on and did not learn: "a and b", with seeds when only some did. */
static const char *verdict_missed_list(Arena *arena, const Results *r, int method, int first, int *count)
{
    const char **names = arena_new(arena, const char *, (size_t)r->task_count + 1);
    *count = 0;
    for (int j = first; j < r->task_count; j++) {
        int seeds;
        const int learned = verdict_learned(r, method, j, &seeds);
        if (learned == seeds) continue;
        const char *name = r->tasks[j].name;
        names[(*count)++] = learned ? arena_printf(arena, "%s with %d of %d seeds", name, seeds - learned, seeds) : name;
    }
    return verdict_list(arena, names, *count);
}

static const char *verdict_join(Arena *arena, const char *a, const char *b)
{
    return *a && *b ? arena_printf(arena, "%s; %s", a, b) : *a ? a : b;
}

/* The earlier tasks of a method that share a verdict, by name. */
static const char *verdict_tasks_with(Arena *arena, const Results *r, int method, Verdict verdict, int *count)
{
    const char **names = arena_new(arena, const char *, (size_t)r->task_count);
    *count = 0;
    for (int j = 0; j < r->task_count - 1; j++)
        if (verdict_change(r, method, j).verdict == verdict) names[(*count)++] = r->tasks[j].name;
    return verdict_list(arena, names, *count);
}

/* Earlier tasks of a chain of three or more. */
static const char *verdict_chain_words(Arena *arena, const Results *r, int method)
{
    static const struct {
        Verdict verdict;
        const char *format;
    } parts[] = {
        {VERDICT_FORGOT, "forgot %s (more than chance explains)"},
        {VERDICT_GAINED, "gained on %s"},
        {VERDICT_UNCLEAR, "not decided on %s (depends on which rows changed)"},
        {VERDICT_WITHIN_CHANCE, "no change beyond chance on %s"},
    };
    const char *text = "";
    int count;
    for (size_t i = 0; i < COUNT(parts); i++) {
        const char *names = verdict_tasks_with(arena, r, method, parts[i].verdict, &count);
        const size_t hole = (size_t)(strstr(parts[i].format, "%s") - parts[i].format);
        if (count) text = verdict_join(arena, text, arena_printf(arena, "%.*s%s%s", (int)hole, parts[i].format, names, parts[i].format + hole + 2));
    }
    verdict_tasks_with(arena, r, method, VERDICT_BY_CONSTRUCTION, &count);
    return count ? verdict_join(arena, text, verdict_construction(r, method)) : text;
}

/* All that can be said of one method, in a line. */
static const char *verdict_remark(Arena *arena, const Results *r, int method)
{
    int missed, trained = 0, of_first;
    for (int j = 0; j < r->task_count; j++) {
        int seeds;
        verdict_learned(r, method, j, &seeds);
        trained += seeds > 0;
    }
    if (!trained) return "not run yet";
    verdict_learned(r, method, 0, &of_first);
    const char *names = verdict_missed_list(arena, r, method, 0, &missed);
    const char *text = missed ? arena_printf(arena, "did not learn %s", names) : "";
    const bool first_missed = verdict_missed(r, method, 0);
    if (first_missed && r->task_count > 1) text = arena_printf(arena, "%s: %s says nothing about forgetting", text, r->task_count == 2 ? "its change" : "a change there");
    if (r->task_count == 2) {
        const Change change = verdict_change(r, method, 0);
        if (missed && (change.verdict == VERDICT_WITHIN_CHANCE || change.verdict == VERDICT_UNCLEAR))
            text = arena_printf(arena, "%s, so it had little cause to forget", text);
        if (change.verdict == VERDICT_NOT_LEARNED && verdict_construction(r, method) && change.mean == 0) 
            text = verdict_join(arena, text, verdict_construction(r, method));
        else
            text = verdict_join(arena, verdict_change_words(arena, r, method, &change), text);
    }
    if (r->task_count > 2) text = verdict_join(arena, verdict_chain_words(arena, r, method), text);
    if (r->task_count == 1 && !missed) text = arena_printf(arena, "learned %s", r->tasks[0].name);
    if (trained < r->task_count) text = verdict_join(arena, text, "not finished yet");
    if (of_first && of_first < r->seed_count) text = verdict_join(arena, text, arena_printf(arena, "%d of %d seeds so far", of_first, r->seed_count));
    return text;
}

/* ---- sentences over all methods ---- */

typedef struct VerdictGroup {
    const char **names; /* methods, with points where that is wanted */
    int count;
} VerdictGroup;

static VerdictGroup verdict_group(Arena *arena, const Results *r, int task, Verdict verdict, bool points)
{
    VerdictGroup group = {arena_new(arena, const char *, (size_t)r->method_count), 0};
    for (int m = 0; m < r->method_count; m++) {
        const Change change = verdict_change(r, m, task);
        if (change.verdict != verdict) continue;
        const char *name = r->methods[m];
        group.names[group.count++] = points ? arena_printf(arena, "%.1f points with %s", 100 * fabs(change.mean), name) : name;
    }
    return group;
}

static VerdictGroup verdict_missed_group(Arena *arena, const Results *r, int task)
{
    VerdictGroup group = {arena_new(arena, const char *, (size_t)r->method_count), 0};
    for (int m = 0; m < r->method_count; m++) {
        int seeds;
        const int learned = verdict_learned(r, m, task, &seeds);
        if (learned == seeds) continue;
        const char *name = r->methods[m];
        group.names[group.count++] = learned ? arena_printf(arena, "%s (with %d of %d seeds)", name, seeds - learned, seeds) : name;
    }
    return group;
}

/* "nli" for two tasks, "4 more tasks" for five. */
static const char *verdict_later(Arena *arena, const Results *r)
{
    return r->task_count == 2 ? r->tasks[1].name : arena_printf(arena, "%d more tasks", r->task_count - 1);
}

static const char *verdict_rows(Arena *arena, uint32_t rows)
{
    return rows < 10000 ? arena_printf(arena, "%u", rows) : arena_printf(arena, "%u,%03u", rows / 1000, rows % 1000);
}

/* How far an accuracy of 80% is from its own limits: the scale of the noise. */
static const char *verdict_noise(Arena *arena, const Results *r)
{
    int most = 0;
    for (int m = 0; m < r->method_count; m++) {
        const Score score = verdict_score(r, m, 0, 0);
        if (score.seeds > most) most = score.seeds;
    }
    if (most > 1)
        return arena_printf(arena,
                            "The intervals are 95%% t intervals over %d seeds; all seeds are evaluated on the same rows, so they tell how "
                            "training varies, not how another sample of rows would look.",
                            most);
    const uint32_t rows = r->tasks[0].eval_rows;
    const double p = 0.8, half = 100 * 1.96 * sqrt(p * (1 - p) / rows);
    return arena_printf(arena,
                        "This is one seed and %s evaluation rows: an accuracy near 80%% is known to about %.1f points either way; methods "
                        "that lie closer together are not told apart.",
                        verdict_rows(arena, rows), half);
}

enum { VERDICT_SENTENCES = 6 };

static int verdict_sentences_of_one_task(Arena *arena, const Results *r, const char **out)
{
    int count = 0;
    const VerdictGroup missed = verdict_missed_group(arena, r, 0);
    const char *task = r->tasks[0].name;
    if (missed.count)
        out[count++] = arena_printf(arena, "%s did not learn %s: the interval does not lie above %.1f%%, the rate of always answering the "
                                           "most frequent class.",
                                    verdict_list(arena, missed.names, missed.count), task, 100 * r->tasks[0].majority_rate);
    else
        out[count++] = arena_printf(arena, "Every method that was run learned %s; one task alone says nothing about forgetting.", task);
    return count;
}

/* What training the later tasks did to the first. */
static int verdict_sentences_of_change(Arena *arena, const Results *r, const char **out)
{
    int count = 0;
    const char *task = r->tasks[0].name, *later = verdict_later(arena, r);
    const VerdictGroup forgot = verdict_group(arena, r, 0, VERDICT_FORGOT, true), gained = verdict_group(arena, r, 0, VERDICT_GAINED, true);
    const VerdictGroup chance = verdict_group(arena, r, 0, VERDICT_WITHIN_CHANCE, false);
    const VerdictGroup unclear = verdict_group(arena, r, 0, VERDICT_UNCLEAR, false);
    const VerdictGroup built = verdict_group(arena, r, 0, VERDICT_BY_CONSTRUCTION, false);
    if (forgot.count)
        out[count++] = arena_printf(arena, "Training %s cost %s more than chance explains: %s.", later, task,
                                    verdict_list(arena, forgot.names, forgot.count));
    if (gained.count)
        out[count++] = arena_printf(arena, "Training %s helped %s more than chance explains: %s.", later, task,
                                    verdict_list(arena, gained.names, gained.count));
    if (chance.count || unclear.count) {
        const char *a = chance.count ? arena_printf(arena, "For %s the change on %s is within what chance does", verdict_list(arena, chance.names, chance.count), task) : "";
        const char *b = unclear.count ? arena_printf(arena, "%sor %s the counts alone do not decide whether the change on %s is chance", chance.count ? "f" : "F",
                                                     verdict_list(arena, unclear.names, unclear.count), task)
                                      : "";
        out[count++] = arena_printf(arena, "%s.", verdict_join(arena, a, b));
    }
    if (built.count)
        out[count++] = arena_printf(arena, "%s cannot forget: what it learned of %s is kept apart and never trained again, so its zero is no "
                                           "achievement%s.",
                                    verdict_list(arena, built.names, built.count), task,
                                    load_find_method(r, "lora-seq") >= 0 ? "; lora-seq, one adapter for all tasks, is the fair comparison" : "");
    return count;
}

static int verdict_sentences_of_learning(Arena *arena, const Results *r, const char **out)
{
    int count = 0;
    const VerdictGroup first = verdict_missed_group(arena, r, 0);
    if (first.count)
        out[count++] = arena_printf(arena, "%s did not learn %s (not surely above %.1f%%, the rate of always answering the most frequent "
                                           "class): where nothing was learned, nothing can be seen to be forgotten.",
                                    verdict_list(arena, first.names, first.count), r->tasks[0].name, 100 * r->tasks[0].majority_rate);
    const char *parts = "";
    for (int j = 1; j < r->task_count; j++) {
        const VerdictGroup missed = verdict_missed_group(arena, r, j);
        if (missed.count)
            parts = verdict_join(arena, parts, arena_printf(arena, "%s did not learn %s", verdict_list(arena, missed.names, missed.count), r->tasks[j].name));
    }
    if (*parts) out[count++] = arena_printf(arena, "%s: what is kept beside a task that was not learned proves little.", parts);
    return count;
}

/* What can be said of the whole run, plainly: `out` has room for VERDICT_SENTENCES. */
static int verdict_sentences(Arena *arena, const Results *r, const char **out)
{
    int count = 0;
    if (!r->finished) out[count++] = "This run is unfinished; what is missing is shown as \"-\".";
    if (!r->runs.count) return count;
    if (r->task_count == 1) {
        count += verdict_sentences_of_one_task(arena, r, out + count);
    } else {
        const char *all[8];
        int n = verdict_sentences_of_change(arena, r, all);
        n += verdict_sentences_of_learning(arena, r, all + n);
        for (int i = 0; i < n && count < VERDICT_SENTENCES - 1; i++) out[count++] = all[i];
    }
    out[count++] = verdict_noise(arena, r);
    return count;
}

/* ---- the headline of the picture ---- */

/* Learned the first task and at least one later one: what happened to the first says something. */
static bool verdict_is_test(const Results *r, int method)
{
    int seeds;
    if (verdict_missed(r, method, 0)) return false;
    for (int j = 1; j < r->task_count; j++)
        if (verdict_learned(r, method, j, &seeds) && !verdict_missed(r, method, j)) return true;
    return false;
}

static const char *verdict_headline_of_drops(Arena *arena, const Results *r, const int *forgot, int count, int judged)
{
    const char *task = r->tasks[0].name, *later = verdict_later(arena, r);
    const double most = -100 * verdict_change(r, forgot[0], 0).mean;
    const char *text = arena_printf(arena, "Training %s cost %s %.1f points on %s", later, r->methods[forgot[0]], most, task);
    if (count == 1) return text;
    if (count == 2)
        return arena_printf(arena, "%s, %s %.1f", text, r->methods[forgot[1]], -100 * verdict_change(r, forgot[1], 0).mean);
    return arena_printf(arena, "Training %s made %d of %d methods forget %s: %s most, %.1f points", later, count, judged, task, r->methods[forgot[0]], most);
}

static const char *verdict_headline(Arena *arena, const Results *r)
{
    const char *task = r->tasks[0].name, *later = verdict_later(arena, r);
    int judged = 0, tests = 0, unclear = 0, count = 0, *forgot = arena_new(arena, int, (size_t)r->method_count);
    if (r->task_count == 1) {
        const bool missed = verdict_missed_group(arena, r, 0).count > 0;
        return missed ? arena_printf(arena, "Not every method learned %s", task) : arena_printf(arena, "Accuracy on %s", task);
    }
    for (int m = 0; m < r->method_count; m++) {
        const Change change = verdict_change(r, m, 0);
        if (change.verdict == VERDICT_UNFINISHED) continue;
        judged++;
        tests += verdict_is_test(r, m);
        unclear += change.verdict == VERDICT_UNCLEAR;
        if (change.verdict != VERDICT_FORGOT) continue;
        int place = count++; /* sorted, the largest drop first */
        for (; place > 0 && verdict_change(r, forgot[place - 1], 0).mean > change.mean; place--) forgot[place] = forgot[place - 1];
        forgot[place] = m;
    }
    if (!judged) return arena_printf(arena, "Accuracy on %s, before %s", task, later);
    if (count) return verdict_headline_of_drops(arena, r, forgot, count, judged);
    if (!tests)
        return r->task_count == 2 ? arena_printf(arena, "No method learned both %s and %s: forgetting cannot be judged", task, later)
                                  : arena_printf(arena, "No method learned %s and a later task: forgetting cannot be judged", task);
    if (unclear) return arena_printf(arena, "After %s no method has surely forgotten %s", later, task);
    return arena_printf(arena, "No method that learned lost more of %s than chance explains", task);
}

/* ---- whole-matrix measures over seeds ---- */

/* The accuracies of one run, NAN where not known. */
static double *verdict_matrix(Arena *arena, const Results *r, const ResultRun *run)
{
    const int cells = r->task_count * r->task_count;
    double *matrix = arena_new(arena, double, (size_t)cells);
    for (int i = 0; i < cells; i++) matrix[i] = run->matrix[i].rows ? verdict_share(&run->matrix[i]) : NAN;
    return matrix;
}

typedef double VerdictMeasure(const double *matrix, int tasks);
static double verdict_forgetting(const double *matrix, int tasks) { return measure_forgetting(matrix, tasks, FORGETTING_FIRST_LAST); }

/* A measure of the whole matrix over the seeds that have it; count 0: none has. */
static MeanOver verdict_over_seeds(const Results *r, int method, VerdictMeasure *measure)
{
    Arena scratch = {0};
    double *values = arena_new(&scratch, double, r->runs.count + 1);
    int count = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        if (r->runs.at[i].method != method) continue;
        const double value = measure(verdict_matrix(&scratch, r, &r->runs.at[i]), r->task_count);
        if (!isnan(value)) values[count++] = value;
    }
    const MeanOver mean = count ? measure_mean(values, count) : (MeanOver){0};
    arena_free(&scratch);
    return mean;
}
