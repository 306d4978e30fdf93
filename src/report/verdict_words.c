#include "report.h"

#include <math.h>
#include <string.h>

/* What the rules of verdict.c say of one method, in words. */

/* The largest drop that the interval leaves possible. */
static double verdict_possible(const Change *c) { return fmax(0, -c->interval.low); }

static const char *verdict_drop_sure(Arena *arena, const Change *c)
{
    const char *way = c->mean < 0 ? "drop" : "gain", *p = format_p_bound(arena, c->p, true);
    if (c->seeds > 1)
        return arena_printf(arena, "the %s is there over %d seeds and on the rows (%s, %s)", way, c->seeds,
                            format_range(arena, c->interval), p);
    return arena_printf(arena, "the %s is more than chance explains (%s)", way, p);
}

static const char *verdict_not_shown(Arena *arena, const Change *c)
{
    const char *over = c->seeds > 1 ? arena_printf(arena, " over %d seeds", c->seeds) : "";
    return arena_printf(arena, "no drop shown%s (%s); one of %s points is possible", over,
                        format_p_bound(arena, c->p, false), format_share(arena, verdict_possible(c)));
}

static const char *verdict_unclear(Arena *arena, const Change *c)
{
    const char *way = c->mean < 0 ? "drop" : "gain", *range = format_range(arena, c->interval);
    if (c->p.low != c->p.high && c->p.high >= TEST_LEVEL)
        return arena_printf(arena, "not decided: the %s may be chance or not, depending on which rows changed (%s, %s)",
                            way, format_p_bound(arena, c->p, false), range);
    if (c->p.high < TEST_LEVEL)
        return arena_printf(arena,
                            "not decided: on these rows the %s is more than chance (%s), but not over %d seeds (%s)",
                            way, format_p_bound(arena, c->p, true), c->seeds, range);
    return arena_printf(arena, "not decided: over %d seeds there is a %s (%s), but on these rows it may be chance (%s)",
                        c->seeds, way, range, format_p_bound(arena, c->p, false));
}

/* One earlier task of a method, without naming the task. */
static const char *verdict_change_words(Arena *arena, const Results *r, int method, const Change *c)
{
    switch (c->verdict) {
    case VERDICT_BY_CONSTRUCTION: return verdict_construction(r, method);
    case VERDICT_CEILING: return "trained on all tasks together: the ceiling";
    case VERDICT_FORGOT: return arena_printf(arena, "forgot: %s", verdict_drop_sure(arena, c));
    case VERDICT_GAINED: return arena_printf(arena, "gained: %s", verdict_drop_sure(arena, c));
    case VERDICT_RELEARNED:
        return arena_printf(arena, "forgot on the way, down to %s, and re-learned: at the end %s",
                            format_percent(arena, c->lowest), verdict_not_shown(arena, c));
    case VERDICT_UNCLEAR: return verdict_unclear(arena, c);
    case VERDICT_NOT_SHOWN: return verdict_not_shown(arena, c);
    default: return "";
    }
}

/* The tasks from `first` on that a method was trained on and did not learn: "a and b", with seeds when only some did.
 */
static const char *verdict_missed_list(Arena *arena, const Results *r, int method, int first, int *count)
{
    const char **names = arena_new(arena, const char *, (size_t)r->task_count + 1);
    *count = 0;
    for (int j = first; j < r->task_count; j++) {
        int seeds;
        const int learned = verdict_learned(r, method, j, &seeds);
        if (learned == seeds) continue;
        const char *name = r->tasks[j].name;
        names[(*count)++] =
            learned ? arena_printf(arena, "%s with %d of %d seeds", name, seeds - learned, seeds) : name;
    }
    return format_list(arena, names, *count);
}

/* The earlier tasks of a method that share a verdict, by name; where no drop is shown, with the largest possible. */
static const char *verdict_tasks_with(Arena *arena, const Results *r, int method, Verdict verdict, int *count)
{
    const char **names = arena_new(arena, const char *, (size_t)r->task_count);
    *count = 0;
    for (int j = 0; j < r->task_count - 1; j++) {
        const Change change = verdict_change(r, method, j);
        if (change.verdict != verdict) continue;
        names[(*count)++] = verdict == VERDICT_NOT_SHOWN
                                ? arena_printf(arena, "%s (one of %s points is possible)", r->tasks[j].name,
                                               format_share(arena, verdict_possible(&change)))
                                : r->tasks[j].name;
    }
    return format_list(arena, names, *count);
}

/* Earlier tasks of a chain of three or more. */
static const char *verdict_chain_words(Arena *arena, const Results *r, int method)
{
    static const struct {
        Verdict verdict;
        const char *before, *after; /* the tasks' names */
    } parts[] = {
        {VERDICT_FORGOT, "forgot ", " (more than chance explains)"},
        {VERDICT_RELEARNED, "forgot and re-learned ", ""},
        {VERDICT_GAINED, "gained on ", ""},
        {VERDICT_UNCLEAR, "not decided on ", " (rows and seeds do not agree, or are not recorded)"},
        {VERDICT_NOT_SHOWN, "no drop shown on ", ""},
    };
    const char *text = "";
    int count;
    for (size_t i = 0; i < COUNT(parts); i++) {
        const char *names = verdict_tasks_with(arena, r, method, parts[i].verdict, &count);
        if (count)
            text = text_join(arena, text, "; ", arena_printf(arena, "%s%s%s", parts[i].before, names, parts[i].after));
    }
    verdict_tasks_with(arena, r, method, VERDICT_BY_CONSTRUCTION, &count);
    if (count) text = text_join(arena, text, "; ", verdict_construction(r, method));
    verdict_tasks_with(arena, r, method, VERDICT_CEILING, &count);
    return count ? text_join(arena, text, "; ", "trained on all tasks together: the ceiling") : text;
}

/* How many tasks a method was trained on, with any seed. */
static int verdict_trained(const Results *r, int method)
{
    int trained = 0;
    for (int j = 0; j < r->task_count; j++) {
        int seeds;
        verdict_learned(r, method, j, &seeds);
        trained += seeds > 0;
    }
    return trained;
}

/* All that can be said of one method, in a line. */
static const char *verdict_remark(Arena *arena, const Results *r, int method)
{
    int missed, of_first;
    const int trained = verdict_trained(r, method);
    if (!trained) return "not run yet";
    verdict_learned(r, method, 0, &of_first);
    const char *names = verdict_missed_list(arena, r, method, 0, &missed);
    const char *text = missed ? arena_printf(arena, "did not learn %s", names) : "";
    if (verdict_missed(r, method, 0) && r->task_count > 1)
        text = arena_printf(arena, "%s: %s says nothing about forgetting", text,
                            r->task_count == 2 ? "its change" : "a change there");
    if (r->task_count == 2) {
        const Change change = verdict_change(r, method, 0);
        if (missed && (change.verdict == VERDICT_NOT_SHOWN || change.verdict == VERDICT_UNCLEAR))
            text = arena_printf(arena, "%s, so it had little cause to forget", text);
        if (change.verdict == VERDICT_NOT_LEARNED && verdict_construction(r, method) && change.mean == 0)
            text = text_join(arena, text, "; ", verdict_construction(r, method));
        else
            text = text_join(arena, verdict_change_words(arena, r, method, &change), "; ", text);
    }
    if (r->task_count > 2) text = text_join(arena, verdict_chain_words(arena, r, method), "; ", text);
    if (!missed && trained == r->task_count) {
        const char *learned = r->task_count == 1   ? r->tasks[0].name
                              : r->task_count == 2 ? "both"
                                                   : arena_printf(arena, "all %d", trained);
        text = text_join(arena, arena_printf(arena, "learned %s", learned), "; ", text);
    }
    if (verdict_kind(r, method) == METHOD_AFTER) text = text_join(arena, text, "; ", "weights averaged after the fact");
    if (trained < r->task_count) text = text_join(arena, text, "; ", "not finished yet");
    if (of_first && of_first < r->seed_count)
        text = text_join(arena, text, "; ", arena_printf(arena, "%d of %d seeds so far", of_first, r->seed_count));
    return text;
}

/* ---- the same in few words, for a column ---- */

/* How many earlier tasks share a verdict. */
static int verdict_count(const Results *r, int method, Verdict verdict)
{
    int count = 0;
    for (int j = 0; j < r->task_count - 1; j++) count += verdict_change(r, method, j).verdict == verdict;
    return count;
}

static const char *verdict_short_chain(Arena *arena, const Results *r, int method)
{
    const int forgot = verdict_count(r, method, VERDICT_FORGOT);
    const int judged = r->task_count - 1 - verdict_count(r, method, VERDICT_NOT_LEARNED) -
                       verdict_count(r, method, VERDICT_UNFINISHED);
    if (!judged) return verdict_count(r, method, VERDICT_NOT_LEARNED) ? "not learned" : "unfinished";
    if (verdict_count(r, method, VERDICT_CEILING)) return "ceiling";
    if (verdict_count(r, method, VERDICT_BY_CONSTRUCTION) == judged)
        return verdict_kind(r, method) == METHOD_FLOOR ? "floor" : "cannot forget";
    return arena_printf(arena, forgot ? "forgot %d of %d" : "%d of %d shown", forgot, judged);
}

/* At most 13 columns. A method that missed a later task is not praised for what it kept. */
static const char *verdict_short(Arena *arena, const Results *r, int method)
{
    static const char *const words[VERDICT_KINDS] = {
        [VERDICT_UNFINISHED] = "unfinished",
        [VERDICT_NOT_LEARNED] = "not learned",
        [VERDICT_CEILING] = "ceiling",
        [VERDICT_FORGOT] = "forgot",
        [VERDICT_RELEARNED] = "re-learned",
        [VERDICT_GAINED] = "gained",
        [VERDICT_UNCLEAR] = "not decided",
        [VERDICT_NOT_SHOWN] = "no drop shown",
        [VERDICT_BY_CONSTRUCTION] = "cannot forget",
    };
    int missed;
    verdict_missed_list(arena, r, method, 0, &missed);
    if (verdict_trained(r, method) < r->task_count) return "unfinished";
    if (r->task_count == 1) return missed ? "not learned" : "learned";
    if (r->task_count > 2) return verdict_short_chain(arena, r, method);
    const Verdict verdict = verdict_change(r, method, 0).verdict;
    if (missed && verdict != VERDICT_FORGOT) return "not learned";
    if (verdict == VERDICT_BY_CONSTRUCTION && verdict_kind(r, method) == METHOD_FLOOR) return "floor";
    return words[verdict];
}
