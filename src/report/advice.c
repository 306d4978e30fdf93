#include "report.h"

#include <math.h>
#include <string.h>

/* What to do next: what would decide what is not decided, as a sentence and, for the folder of one run, as a command.
 * What can be added goes on beside the run; other rows, rates and epochs are a run of their own beside it. */

typedef enum AdviceKind {
    ADVICE_GO_ON,      /* it is unfinished */
    ADVICE_LEARN,      /* a task was not learned */
    ADVICE_ROWS,       /* too few rows to decide whether a task was forgotten */
    ADVICE_SEEDS,      /* one seed, or too few to decide */
    ADVICE_MATCH,      /* one method learned more than another */
    ADVICE_MATCH_ROWS, /* too few rows to tell whether both learned equally */
} AdviceKind;

typedef struct Advice {
    AdviceKind kind;
    int method, other, task;        /* that it speaks of; -1: of none in particular */
    uint32_t number;                /* of rows or seeds that would decide; 0: none is named */
    const char *sentence, *command; /* command NULL: there is none to copy */
} Advice;

enum { ADVICE_TIMES = 20, ADVICE_MOST_SEEDS = 30 };
typedef struct AdviceList {
    Advice *at;
    size_t count, capacity;
} AdviceList;

/* "lethe run --config OUT/config.json" and what follows; `folder`: what a new folder's name ends with, NULL: the run's
 * own. NULL: the results are of several folders. */
static const char *advice_command(Arena *arena, const Results *r, const char *options, const char *folder)
{
    if (!r->folder) return NULL;
    const char *config = shell_word(arena, arena_printf(arena, "%s/config.json", r->folder));
    const char *text = text_join(arena, arena_printf(arena, "lethe run --config %s", config), " ", options);
    const char *out = folder ? arena_printf(arena, "%s-%s", r->folder, folder) : r->folder;
    return arena_printf(arena, "%s --out %s", text, shell_word(arena, out));
}

/* A number of rows in two digits, upwards: 1,340 is 1,400. */
static uint32_t advice_round(double rows)
{
    double unit = 1;
    while (rows / unit > 99) unit *= 10;
    return (uint32_t)(ceil(rows / unit) * unit);
}

/* Mean over rows of the squared difference; NAN: it is not known which rows changed. */
static double advice_square(const Differences *d)
{
    double square = 0;
    if (!d->sums) return d->seeds == 1 && d->paired ? ((double)d->lost + d->gained) / d->rows : NAN;
    for (uint32_t k = 0; k < d->rows; k++) square += (double)d->sums[k] * d->sums[k];
    return square / d->seeds / d->seeds / d->rows;
}

/* Own training against the end, of one method's task. */
static Differences advice_change(Arena *arena, const Results *r, int method, int task)
{
    Differences d = differences_new(arena, r->tasks[task].eval_rows, r->runs.count);
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        const Evaluation *own = verdict_cell(r, run, task, task), *last = verdict_cell(r, run, r->task_count - 1, task);
        if (run->method == method && own->rows && last->rows) differences_add(arena, &d, own, last);
    }
    return d;
}

/* Whether the rows of a task are few in number, and the run's settings can be changed by --eval-rows. */
static const char *advice_eval_rows(Arena *arena, const Results *r, int task, uint32_t rows, const char **beyond)
{
    const ResultTask *t = &r->tasks[task];
    *beyond = "";
    if (t->eval_file_rows && rows > t->eval_file_rows) {
        const bool hardly = t->eval_file_rows < t->eval_rows + t->eval_rows / 2; /* then it decides no more than now */
        *beyond = t->eval_file_rows > t->eval_rows ? arena_printf(arena, "; its file has %s%s", hardly ? "only " : "",
                                                                  format_count(arena, t->eval_file_rows))
                                                   : "; its file has no more";
        if (hardly) return NULL;
        return advice_command(arena, r, "--eval-rows 0", "all-rows");
    }
    return advice_command(arena, r, arena_printf(arena, "--eval-rows %u", rows), arena_printf(arena, "rows%u", rows));
}

/* ---- not learned ---- */

/* The epochs of a task, its own or those of all; NULL: not known. */
static const char *advice_epochs(Arena *arena, const Results *r, int task)
{
    const char *own = load_common_setting(r, arena_printf(arena, "%s:epochs", r->tasks[task].name));
    return own ? own : load_common_setting(r, "epochs");
}

static void advice_learn(Arena *arena, const Results *r, AdviceList *out)
{
    for (int j = 0; j < r->task_count; j++) {
        const char **names = arena_new(arena, const char *, (size_t)r->method_count);
        int count = 0, first = -1;
        for (int m = 0; m < r->method_count; m++)
            if (verdict_kind(r, m) != METHOD_FLOOR && verdict_missed(r, m, j)) {
                if (first < 0) first = m;
                names[count++] = r->methods[m];
            }
        if (!count) continue;
        int64_t number = 0;
        const char *epochs = advice_epochs(arena, r, j), *task = r->tasks[j].name,
                   *who = count > 3 ? arena_printf(arena, "%d methods", count) : format_list(arena, names, count);
        Advice *a = dyn_push(arena, out);
        *a = (Advice){.kind = ADVICE_LEARN, .method = first, .other = -1, .task = j};
        a->sentence = arena_printf(
            arena,
            "%s %s not learned by %s%s: more epochs, more rows to train on or another rate may "
            "teach it.",
            task, "was", who,
            epochs ? arena_printf(arena, " in %s epoch%s", epochs, strcmp(epochs, "1") == 0 ? "" : "s") : "");
        if (epochs && parse_int(str(epochs), 1, 5000, &number))
            a->command =
                advice_command(arena, r, arena_printf(arena, "--task-option %s:epochs=%d", task, 2 * (int)number),
                               arena_printf(arena, "%s-epochs%d", task, 2 * (int)number));
    }
}

/* ---- not decided ---- */

static bool advice_is_open(Verdict verdict) { return verdict == VERDICT_NOT_SHOWN || verdict == VERDICT_UNCLEAR; }

/* Of a task, the method whose change the fewest rows more would show. */
static void advice_rows(Arena *arena, const Results *r, int task, AdviceList *out)
{
    const uint32_t rows = r->tasks[task].eval_rows;
    double least = ADVICE_TIMES * (double)rows, change = 0;
    int method = -1;
    for (int m = 0; m < r->method_count; m++) {
        const Change c = verdict_change(r, m, task);
        if (verdict_kind(r, m) != METHOD_ORDINARY || !advice_is_open(c.verdict)) continue;
        Arena scratch = {0};
        const Differences d = advice_change(&scratch, r, m, task);
        const double mean = differences_mean(&d), need = measure_rows_to_show(mean, advice_square(&d), d.seeds);
        if (need > rows && need < least) least = need, method = m, change = mean;
        arena_free(&scratch);
    }
    if (method < 0) return;
    const char *beyond;
    Advice *a = dyn_push(arena, out);
    *a = (Advice){.kind = ADVICE_ROWS, .method = method, .other = -1, .task = task, .number = advice_round(least)};
    a->command = advice_eval_rows(arena, r, task, a->number, &beyond);
    a->sentence = arena_printf(
        arena,
        "%s rows are too few for the change of %s on %s (%s points): were it so large in truth, about %s would show it "
        "in four of five tries%s.",
        format_count(arena, rows), r->methods[method], r->tasks[task].name, format_points(arena, change),
        format_count(arena, a->number), beyond);
}

/* ---- seeds ---- */

/* The run's seeds and the next ones, `count` in all: "1,2,3". */
static const char *advice_seeds_list(Arena *arena, const Results *r, int count)
{
    const char *list = "";
    uint32_t highest = 0;
    int there = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        const uint32_t seed = r->runs.at[i].seed;
        bool known = false;
        for (size_t k = 0; k < i; k++) known = known || r->runs.at[k].seed == seed;
        if (known) continue;
        list = text_join(arena, list, ",", arena_printf(arena, "%u", seed));
        if (seed > highest) highest = seed;
        there++;
    }
    for (; there < count && highest < UINT32_MAX; there++)
        list = text_join(arena, list, ",", arena_printf(arena, "%u", ++highest));
    return list;
}

/* Rows that decide, over seeds that do not: of all such changes the one that takes the fewest seeds. */
static void advice_more_seeds(Arena *arena, const Results *r, AdviceList *out)
{
    int least = ADVICE_MOST_SEEDS + 1, method = -1, task = -1, seeds = 0;
    for (int j = 0; j < r->task_count - 1; j++)
        for (int m = 0; m < r->method_count; m++) {
            const Change c = verdict_change(r, m, j);
            if (c.verdict != VERDICT_UNCLEAR || c.seeds < 2 || c.p.high >= TEST_LEVEL) continue;
            Arena scratch = {0};
            const Differences d = advice_change(&scratch, r, m, j);
            const int need = measure_seeds_to_show(d.values, d.seeds, ADVICE_MOST_SEEDS);
            if (need > c.seeds && need < least) least = need, method = m, task = j, seeds = c.seeds;
            arena_free(&scratch);
        }
    if (method < 0) return;
    *dyn_push(arena, out) = (Advice){
        .kind = ADVICE_SEEDS,
        .method = method,
        .other = -1,
        .task = task,
        .number = (uint32_t)least,
        .sentence = arena_printf(arena,
                                 "%d seeds are too few for the change of %s on %s, which these rows show: were it as "
                                 "large and as spread in truth, about %d would show it in four of five tries.",
                                 seeds, r->methods[method], r->tasks[task].name, least),
        .command =
            advice_command(arena, r, arena_printf(arena, "--seeds %s", advice_seeds_list(arena, r, least)), NULL)};
}

static void advice_seeds(Arena *arena, const Results *r, AdviceList *out)
{
    enum { FEW = 3 };
    if (verdict_most_seeds(r) > 1) {
        advice_more_seeds(arena, r, out);
        return;
    }
    *dyn_push(arena, out) = (Advice){
        .kind = ADVICE_SEEDS,
        .method = -1,
        .other = -1,
        .task = -1,
        .number = FEW,
        .sentence = "One seed shows what one training did: with two more the intervals are over seeds, too.",
        .command = advice_command(arena, r, arena_printf(arena, "--seeds %s", advice_seeds_list(arena, r, FEW)), NULL)};
}

/* ---- not matched ---- */

/* The first task that two methods learned unequally. */
static void advice_unmatched(Arena *arena, const Results *r, const Pair *pair, AdviceList *out)
{
    int j = 0;
    while (pair->tasks[j].state != MATCH_MORE) j++;
    const Match *m = &pair->tasks[j];
    const int less = m->difference < 0 ? pair->a : pair->b, more = m->difference < 0 ? pair->b : pair->a;
    const ResultSetting *adapter = load_setting(&r->method_info[less], "lora-learning-rate");
    const ResultSetting *rate = adapter ? adapter : load_setting(&r->method_info[less], "learning-rate");
    double value;
    Advice *a = dyn_push(arena, out);
    *a = (Advice){.kind = ADVICE_MATCH, .method = less, .other = more, .task = j};
    a->sentence = arena_printf(arena,
                               "%s learned %s less than %s, so what they keep cannot be compared: let it learn longer "
                               "or at another rate, then join the folders with lethe report.",
                               r->methods[less], r->tasks[j].name, r->methods[more]);
    if (rate && parse_double(str(rate->value), &value))
        a->command = advice_command(arena, r,
                                    arena_printf(arena, "--method %s --%s %s", r->method_info[less].asked, rate->name,
                                                 format_short(arena, 2 * value)),
                                    arena_printf(arena, "%s-rate", r->method_info[less].base));
}

/* Rows with which it would be decided whether both learned a task equally; INFINITY: not known. */
static double advice_match_rows(const Results *r, const Pair *pair, int task)
{
    Arena scratch = {0};
    const Differences d = compare_differences(&scratch, r, pair->a, pair->b, task, false);
    const double mean = differences_mean(&d), square = advice_square(&d), margin = compare_margin(r);
    const double need =
        fabs(mean) < margin ? measure_rows_to_match(mean, square, margin) : measure_rows_to_show(mean, square, d.seeds);
    arena_free(&scratch);
    return isnan(need) ? INFINITY : need;
}

static void advice_few_to_match(Arena *arena, const Results *r, const Comparison *c, AdviceList *out)
{
    const Pair *best = NULL;
    double least = INFINITY;
    int task = 0;
    for (int i = 0; i < c->pair_count; i++)
        for (int j = 0; j < r->task_count; j++) {
            if (c->pairs[i].state != PAIR_TOO_FEW || c->pairs[i].tasks[j].state != MATCH_TOO_FEW) continue;
            const double rows = r->tasks[j].eval_rows, need = advice_match_rows(r, &c->pairs[i], j);
            if (need > rows && need < ADVICE_TIMES * rows && need < least) least = need, task = j, best = &c->pairs[i];
        }
    if (!best) return;
    const char *beyond;
    Advice *a = dyn_push(arena, out);
    *a = (Advice){
        .kind = ADVICE_MATCH_ROWS, .method = best->a, .other = best->b, .task = task, .number = advice_round(least)};
    a->command = advice_eval_rows(arena, r, task, a->number, &beyond);
    a->sentence = arena_printf(arena,
                               "%s rows are too few to tell whether %s and %s learned %s equally well: about %s would "
                               "decide it in four of five tries%s.",
                               format_count(arena, r->tasks[task].eval_rows), r->methods[best->a], r->methods[best->b],
                               r->tasks[task].name, format_count(arena, a->number), beyond);
}

/* ---- all ---- */

static AdviceList advice_find(Arena *arena, const Results *r)
{
    AdviceList out = {0};
    if (!r->runs.count) return out;
    if (!r->finished) {
        *dyn_push(arena, &out) = (Advice){.kind = ADVICE_GO_ON,
                                          .method = -1,
                                          .other = -1,
                                          .task = -1,
                                          .sentence = "The run is unfinished: it goes on where it was.",
                                          .command = advice_command(arena, r, "", NULL)};
        return out;
    }
    advice_learn(arena, r, &out);
    for (int j = 0; j < r->task_count - 1; j++) advice_rows(arena, r, j, &out);
    const Comparison c = compare_methods(arena, r);
    for (int i = 0; i < c.pair_count; i++)
        if (c.pairs[i].state == PAIR_UNMATCHED) {
            advice_unmatched(arena, r, &c.pairs[i], &out);
            break;
        }
    advice_few_to_match(arena, r, &c, &out);
    advice_seeds(arena, r, &out);
    return out;
}

/* What report_judge found; of results that nobody has judged it is found now. */
static AdviceList report_advice(Arena *arena, const Results *r)
{
    return r->advice ? *r->advice : advice_find(arena, r);
}
