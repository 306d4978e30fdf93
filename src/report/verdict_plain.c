#include "report.h"

#include <math.h>
#include <string.h>

/* What can be said of all methods together in plain words, with counts of rows: before the tests, which follow. */

enum { PLAIN_METHODS = 3, PLAIN_SENTENCES = 20 }; /* of so many methods each has its sentence */

/* A half counts up, whatever the bits of the sum: "77" of 100. */
static const char *plain_whole(Arena *arena, double x) { return format_decimal(arena, floor(x + 0.5 + 1e-9), 0); }

/* Rows that a method lost and won between a task's own training and the end, mean over its seeds. */
typedef struct PlainRows {
    double lost, won;
    int seeds; /* that record it */
} PlainRows;

static PlainRows plain_rows(const Results *r, int method, int task)
{
    PlainRows rows = {0};
    for (size_t i = 0; i < r->runs.count; i++) {
        const Evaluation *end = verdict_cell(r, &r->runs.at[i], r->task_count - 1, task);
        if (r->runs.at[i].method != method || !end->rows || !end->paired) continue;
        rows.lost += end->lost;
        rows.won += end->gained;
        rows.seeds++;
    }
    if (rows.seeds) {
        rows.lost /= rows.seeds;
        rows.won /= rows.seeds;
    }
    return rows;
}

/* "It lost 81 of 500 rows and won 31 others."; "": not recorded with every seed. */
static const char *plain_lost(Arena *arena, const Results *r, int method, int task, int seeds)
{
    const PlainRows rows = plain_rows(r, method, task);
    if (rows.seeds < seeds) return "";
    const char *won = plain_whole(arena, rows.won);
    return arena_printf(arena, " %s lost %s of %s rows and won %s %s.", seeds > 1 ? "On average it" : "It",
                        plain_whole(arena, rows.lost), format_count(arena, r->tasks[task].eval_rows), won,
                        strcmp(won, "1") == 0 ? "other" : "others");
}

/* The first task with a method that learned it, from its own training to the end. */
static const char *plain_method(Arena *arena, const Results *r, int method)
{
    const Change change = verdict_change(r, method, 0);
    const char *over = change.seeds > 1 ? arena_printf(arena, ", on average over %d seeds,", change.seeds) : "",
               *own = plain_whole(arena, 100 * verdict_score(r, method, 0, 0).mean),
               *end = plain_whole(arena, 100 * verdict_score(r, method, r->task_count - 1, 0).mean);
    bool learned = true; /* all later tasks */
    for (int j = 1; j < r->task_count; j++) learned = learned && !verdict_missed(r, method, j);
    return arena_printf(arena, "Of 100 rows of %s, %s had %s right just after learning it%s and %s %s %s.%s",
                        r->tasks[0].name, r->methods[method], own, over, end,
                        learned ? "once it had learned" : "after being trained on", verdict_later(arena, r),
                        plain_lost(arena, r, method, 0, change.seeds));
}

/* The methods that have a sentence each: those that learned the task and can forget it; of many the first, and those
 * that dropped most and least. */
static int plain_choose(const Results *r, int *methods)
{
    int count = 0, most = -1, least = -1, first = -1;
    for (int m = 0; m < r->method_count; m++) {
        const Change change = verdict_change(r, m, 0);
        if (verdict_kind(r, m) != METHOD_ORDINARY || change.verdict == VERDICT_UNFINISHED ||
            change.verdict == VERDICT_NOT_LEARNED)
            continue;
        if (count++ < PLAIN_METHODS) methods[count - 1] = m;
        if (first < 0) first = m;
        if (most < 0 || change.mean < verdict_change(r, most, 0).mean) most = m;
        if (least < 0 || change.mean > verdict_change(r, least, 0).mean) least = m;
    }
    if (count <= PLAIN_METHODS) return count;
    const int chosen[] = {first, most, least};
    count = 0;
    for (size_t i = 0; i < COUNT(chosen); i++) {
        bool known = chosen[i] < 0;
        for (int k = 0; k < count; k++) known = known || methods[k] == chosen[i];
        if (!known) methods[count++] = chosen[i];
    }
    return count;
}

/* The verdicts on the first task: before, names, between, task, after. */
static int plain_verdicts(Arena *arena, const Results *r, const char **out)
{
    static const struct {
        Verdict verdict;
        const char *before, *between, *after, *after_many;
    } words[] = {
        {VERDICT_FORGOT, "", " forgot ", ": a drop so large is not chance.", NULL},
        {VERDICT_RELEARNED, "", " forgot ", " on the way and learned it again.", NULL},
        {VERDICT_GAINED, "", " got better at ", ", and that is not chance.", NULL},
        {VERDICT_UNCLEAR, "Whether ", " forgot ", " is not decided.", NULL},
        {VERDICT_NOT_SHOWN, "That ", " forgot ", " is not shown: a change so small may be chance.", NULL},
        {VERDICT_BY_CONSTRUCTION, "", " cannot forget ", ": what it learned of it is not trained again.",
         ": what they learned of it is not trained again."},
    };
    int count = 0;
    for (size_t i = 0; i < COUNT(words); i++) {
        const VerdictNames names = verdict_group(arena, r, 0, words[i].verdict);
        if (!names.count) continue;
        out[count++] = arena_printf(arena, "%s%s%s%s%s", words[i].before, verdict_counted(arena, &names),
                                    words[i].between, r->tasks[0].name,
                                    names.count > 1 && words[i].after_many ? words[i].after_many : words[i].after);
    }
    return count;
}

/* "; a and b, which end higher, are not shown to": the table beside it shows them above the leader. "": none does. */
static const char *plain_above(Arena *arena, const Results *r, const Comparison *c, int leader)
{
    const char **names = arena_new(arena, const char *, (size_t)c->method_count);
    const int last = r->task_count - 1;
    int count = 0;
    for (int i = 0; i < c->method_count; i++)
        if (verdict_score(r, c->methods[i], last, 0).mean > verdict_score(r, leader, last, 0).mean)
            names[count++] = r->methods[c->methods[i]];
    if (!count) return "";
    return count == 1
               ? arena_printf(arena, "; %s, which ends higher, is not shown to", names[0])
               : arena_printf(arena, "; %s, which end higher, are not shown to", format_list(arena, names, count));
}

/* Which keeps more; NULL: there are not two to compare. */
static const char *plain_ranking(Arena *arena, const Results *r)
{
    const Comparison c = compare_methods(arena, r);
    const int leader = compare_leader(r, &c);
    if (c.method_count < 2) return NULL;
    if (leader >= 0)
        return arena_printf(arena, "%s keeps most of %s among the methods that are shown to learn as well%s.",
                            r->methods[leader], r->tasks[0].name, plain_above(arena, r, &c, leader));
    if (compare_different(&c))
        return arena_printf(arena, "No method is shown to keep more of %s than all others that learn as well.",
                            r->tasks[0].name);
    if (c.compared)
        return arena_printf(arena, "Of methods that learn equally well none is shown to keep more of %s.",
                            r->tasks[0].name);
    return arena_printf(arena, "Which method keeps more of %s cannot be said: no two are shown to learn equally well.",
                        r->tasks[0].name);
}

/* `out` has room for PLAIN_SENTENCES. */
static int plain_sentences(Arena *arena, const Results *r, const char **out)
{
    int methods[PLAIN_METHODS], count = 0;
    if (r->task_count == 1 || !r->runs.count) return 0; /* one task: the sentence that there is is plain */
    if (!r->finished) out[count++] = verdict_unfinished;
    const int chosen = plain_choose(r, methods);
    for (int i = 0; i < chosen; i++) out[count++] = plain_method(arena, r, methods[i]);
    count += plain_verdicts(arena, r, out + count);
    for (int j = 0; j < r->task_count && count < PLAIN_SENTENCES - 3; j++) {
        const char *missed = verdict_who_missed(arena, r, j, true);
        if (missed)
            out[count++] = arena_printf(arena, "%s: always giving the most frequent answer has %s of 100 rows right.",
                                        missed, plain_whole(arena, 100 * r->tasks[j].majority_rate));
    }
    const char *ranking = plain_ranking(arena, r);
    if (ranking) out[count++] = ranking;
    if (*r->acquaintance) out[count++] = r->acquaintance;
    if (verdict_most_seeds(r) == 1) out[count++] = "This is one seed; another may show something else.";
    ASSERT(count <= PLAIN_SENTENCES);
    return count;
}
