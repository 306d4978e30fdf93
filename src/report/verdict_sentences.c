#include "report.h"

#include <math.h>
#include <string.h>

/* What the rules of verdict.c say of all methods together: sentences, and a headline. */

enum { VERDICT_SENTENCES = 24, VERDICT_NAMES = 6 }; /* names: so many methods are named, of more the number is given */

static const char verdict_unfinished[] = "This run is unfinished; what is missing is shown as \"-\".";

typedef DYN(const char *) VerdictNames;

static void verdict_add(Arena *arena, VerdictNames *names, const char *name) { *dyn_push(arena, names) = name; }

static const char *verdict_named(Arena *arena, const VerdictNames *names)
{
    return format_list(arena, names->at, (int)names->count);
}

/* "a, b and c", or "9 methods". */
static const char *verdict_counted(Arena *arena, const VerdictNames *names)
{
    return names->count <= VERDICT_NAMES ? verdict_named(arena, names)
                                         : arena_printf(arena, "%zu methods", names->count);
}

static VerdictNames verdict_group(Arena *arena, const Results *r, int task, Verdict verdict)
{
    VerdictNames group = {0};
    for (int m = 0; m < r->method_count; m++)
        if (verdict_change(r, m, task).verdict == verdict) verdict_add(arena, &group, r->methods[m]);
    return group;
}

/* "a and b did not learn nli", of many the number, "no method learned nli" of all; NULL: every method that was trained
 * on it learned it. */
static const char *verdict_who_missed(Arena *arena, const Results *r, int task, bool starts)
{
    VerdictNames names = {0};
    bool any = false; /* learned, with any seed */
    for (int m = 0; m < r->method_count; m++) {
        int seeds;
        const int learned = verdict_learned(r, m, task, &seeds);
        any = any || learned;
        if (learned == seeds) continue;
        const char *name = r->methods[m];
        verdict_add(arena, &names,
                    learned ? arena_printf(arena, "%s (with %d of %d seeds)", name, seeds - learned, seeds) : name);
    }
    const char *what = r->tasks[task].name;
    if (!names.count) return NULL;
    if (!any && names.count > 1) return arena_printf(arena, "%s method learned %s", starts ? "No" : "no", what);
    return arena_printf(arena, "%s did not learn %s", verdict_counted(arena, &names), what);
}

/* "nli" for two tasks, "4 more tasks" for five, "1 more task and 1 again" for A, B, A. */
static const char *verdict_later(Arena *arena, const Results *r)
{
    int again = 0;
    for (int j = 0; j < r->task_count; j++) again += r->tasks[j].again;
    const int fresh = r->task_count - 1 - again;
    if (r->task_count == 2) return r->tasks[1].name;
    const char *more = fresh ? arena_printf(arena, "%d more %s", fresh, plural((uint64_t)fresh, "task", "tasks")) : "";
    return text_join(arena, more, " and ", again ? arena_printf(arena, "%d again", again) : "");
}

/* ---- what training the later tasks did to the first ---- */

/* The methods with a verdict on the first task, sorted by its change, the largest drop first. */
static int verdict_sorted(const Results *r, Verdict verdict, int *methods)
{
    int count = 0;
    for (int m = 0; m < r->method_count; m++) {
        const Change change = verdict_change(r, m, 0);
        if (change.verdict != verdict) continue;
        int place = count++;
        for (; place > 0 && verdict_change(r, methods[place - 1], 0).mean > change.mean; place--)
            methods[place] = methods[place - 1];
        methods[place] = m;
    }
    return count;
}

/* "23.0 points with full and 15.3 points with lora-seq", or of many the ends. */
static const char *verdict_points_list(Arena *arena, const Results *r, const int *methods, int count)
{
    VerdictNames names = {0};
    if (count > VERDICT_NAMES) {
        const int first = methods[0], last = methods[count - 1];
        return arena_printf(arena, "with %d methods, from %s points (%s) to %s points (%s)", count,
                            format_share(arena, fabs(verdict_change(r, last, 0).mean)), r->methods[last],
                            format_share(arena, fabs(verdict_change(r, first, 0).mean)), r->methods[first]);
    }
    for (int i = 0; i < count; i++)
        verdict_add(arena, &names,
                    arena_printf(arena, "%s points with %s",
                                 format_share(arena, fabs(verdict_change(r, methods[i], 0).mean)),
                                 r->methods[methods[i]]));
    return verdict_named(arena, &names);
}

/* The methods that learned enough to have cause to forget, and show no drop; NULL: there is none. */
static const char *verdict_sentence_not_shown(Arena *arena, const Results *r)
{
    VerdictNames names = {0}, possible = {0};
    double most = 0;
    for (int m = 0; m < r->method_count; m++) {
        const Change change = verdict_change(r, m, 0);
        if (!verdict_learned_all(r, m) || change.verdict != VERDICT_NOT_SHOWN) continue;
        most = fmax(most, verdict_possible(&change));
        verdict_add(arena, &names, r->methods[m]);
        verdict_add(
            arena, &possible,
            arena_printf(arena, "%s points with %s", format_share(arena, verdict_possible(&change)), r->methods[m]));
    }
    if (!names.count) return NULL;
    return arena_printf(arena, "No drop on %s is shown for %s; the interval leaves one of %s possible.",
                        r->tasks[0].name, verdict_counted(arena, &names),
                        names.count > VERDICT_NAMES ? arena_printf(arena, "up to %s points", format_share(arena, most))
                        : names.count == 1          ? arena_printf(arena, "%s points", format_share(arena, most))
                                                    : verdict_named(arena, &possible));
}

static int verdict_sentences_of_change(Arena *arena, const Results *r, const char **out)
{
    int count = 0, *methods = arena_new(arena, int, (size_t)r->method_count);
    const char *task = r->tasks[0].name, *later = verdict_later(arena, r);
    const int forgot = verdict_sorted(r, VERDICT_FORGOT, methods);
    if (forgot)
        out[count++] = arena_printf(arena, "Training %s cost %s more than chance explains: %s.", later, task,
                                    verdict_points_list(arena, r, methods, forgot));
    const int gained = verdict_sorted(r, VERDICT_GAINED, methods);
    if (gained)
        out[count++] = arena_printf(arena, "Training %s helped %s more than chance explains: %s.", later, task,
                                    verdict_points_list(arena, r, methods, gained));
    const VerdictNames relearned = verdict_group(arena, r, 0, VERDICT_RELEARNED);
    if (relearned.count)
        out[count++] = arena_printf(arena, "%s forgot %s on the way and re-learned it: at the end no drop is shown.",
                                    verdict_counted(arena, &relearned), task);
    const char *kept = verdict_sentence_not_shown(arena, r);
    if (kept) out[count++] = kept;
    const VerdictNames unclear = verdict_group(arena, r, 0, VERDICT_UNCLEAR);
    if (unclear.count)
        out[count++] = arena_printf(arena, "For %s it is not decided whether the change on %s is chance.",
                                    verdict_counted(arena, &unclear), task);
    return count;
}

/* Whether two runs have the very same rows right in every evaluation after the first training. */
static bool verdict_same_rows(const Results *r, const ResultRun *a, const ResultRun *b)
{
    for (int i = 1; i < r->task_count; i++)
        for (int j = 0; j <= i; j++) {
            const Evaluation *x = &a->matrix[i * r->task_count + j], *y = &b->matrix[i * r->task_count + j];
            if (!x->right || !y->right || x->rows != y->rows ||
                memcmp(x->right, y->right, x->rows * sizeof *x->right) != 0)
                return false;
        }
    return true;
}

/* Whether a method has, with every seed, done what plain training does. */
static bool verdict_did_nothing(const Results *r, int method, int plain)
{
    int same = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        if (r->runs.at[i].method != method) continue;
        bool found = false;
        for (size_t k = 0; k < r->runs.count && !found; k++)
            found = r->runs.at[k].method == plain && r->runs.at[k].seed == r->runs.at[i].seed &&
                    verdict_same_rows(r, &r->runs.at[i], &r->runs.at[k]);
        if (!found) return false;
        same++;
    }
    return same > 0;
}

/* A strategy that is too weak looks like a result; NULL: there is none. */
static const char *verdict_idle(Arena *arena, const Results *r)
{
    VerdictNames idle = {0};
    const char *plain = "";
    for (int m = 0; m < r->method_count; m++) {
        const int full = load_find_full(r, m);
        if (full < 0 || m == full || verdict_kind(r, m) != METHOD_ORDINARY || !verdict_did_nothing(r, m, full))
            continue;
        verdict_add(arena, &idle, r->methods[m]);
        plain = r->method_info[full].base;
    }
    if (!idle.count) return NULL;
    return arena_printf(arena, "%s had the very same rows right as %s: at %s strength %s held nothing back.",
                        verdict_counted(arena, &idle), plain, plural(idle.count, "its", "their"),
                        plural(idle.count, "it", "they"));
}

/* ---- ranking ---- */

/* Over which tests Holm's correction runs. */
static const char *verdict_family(Arena *arena, int tests, const char *what)
{
    return tests == 1 ? "one pair, so no correction" : arena_printf(arena, "Holm's correction over %d %s", tests, what);
}

/* What few seeds can show. */
static const char *verdict_few_seeds(Arena *arena, const Comparison *c)
{
    int seeds = 0;
    for (int i = 0; i < c->pair_count; i++)
        if (c->pairs[i].seeds > seeds) seeds = c->pairs[i].seeds;
    return seeds > 1 && seeds < 5
               ? arena_printf(arena, " With %d seeds only large and steady differences can be detected.", seeds)
               : "";
}

/* "within 5 points" */
static const char *verdict_margin_words(Arena *arena, const Results *r)
{
    return arena_printf(arena, "within %s points", format_short(arena, round(1e4 * compare_margin(r)) / 100));
}

/* "nli more by full than by ewc (0.8 to 9.1 points)" */
static const char *verdict_learned_more(Arena *arena, const Results *r, const Pair *pair, int task)
{
    const Match *m = &pair->tasks[task];
    const bool a = m->difference > 0;
    return arena_printf(arena, "%s more by %s than by %s (%s to %s points)", r->tasks[task].name,
                        r->methods[a ? pair->a : pair->b], r->methods[a ? pair->b : pair->a],
                        format_share(arena, a ? m->interval.low : -m->interval.high),
                        format_share(arena, a ? m->interval.high : -m->interval.low));
}

static const char *verdict_pairs(Arena *arena, int count)
{
    return format_counted(arena, (uint64_t)count, "pair", "pairs");
}

enum { VERDICT_MORE = 3 }; /* so many differences in learning are named */

/* Adds what one of an unmatched pair learned more than the other, up to `most` names. */
static void verdict_add_more(Arena *arena, const Results *r, const Pair *pair, size_t most, VerdictNames *names)
{
    for (int j = 0; j < r->task_count && names->count < most; j++)
        if (pair->tasks[j].state == MATCH_MORE) verdict_add(arena, names, verdict_learned_more(arena, r, pair, j));
}

/* Whether the only pair learned equally well. */
static const char *verdict_matching_one(Arena *arena, const Results *r, const Pair *pair)
{
    const char *a = r->methods[pair->a], *b = r->methods[pair->b], *within = verdict_margin_words(arena, r);
    switch (pair->state) {
    case PAIR_COMPARED: return arena_printf(arena, "%s and %s learned every task equally well (%s).", a, b, within);
    case PAIR_TOO_FEW:
        return arena_printf(arena,
                            "There are too few rows to decide whether %s and %s learned every task equally well (%s).",
                            a, b, within);
    case PAIR_UNKNOWN: return arena_printf(arena, "Of %s and %s it is not recorded which rows were right.", a, b);
    default: break;
    }
    VerdictNames more = {0};
    verdict_add_more(arena, r, pair, (size_t)r->task_count, &more);
    return arena_printf(arena, "%s and %s did not learn every task equally well (%s): %s.", a, b, within,
                        verdict_named(arena, &more));
}

/* Which of the pairs that could be ranked learned equally well. At least one pair. */
static const char *verdict_matching(Arena *arena, const Results *r, const Comparison *c)
{
    VerdictNames more = {0};
    int unmatched = 0, too_few = 0, unknown = 0;
    if (c->pair_count == 1) return verdict_matching_one(arena, r, &c->pairs[0]);
    for (int i = 0; i < c->pair_count; i++) {
        const Pair *pair = &c->pairs[i];
        too_few += pair->state == PAIR_TOO_FEW;
        unknown += pair->state == PAIR_UNKNOWN;
        unmatched += pair->state == PAIR_UNMATCHED;
        if (pair->state == PAIR_UNMATCHED) verdict_add_more(arena, r, pair, VERDICT_MORE, &more);
    }
    const char *text = arena_printf(
        arena, "Of %s of methods %s learned every task equally well (%s)", verdict_pairs(arena, c->pair_count),
        c->compared ? format_count(arena, (uint64_t)c->compared) : "none", verdict_margin_words(arena, r));
    if (unmatched)
        text = arena_printf(arena, "%s; in %d one method learned more: %s%s", text, unmatched,
                            verdict_named(arena, &more), more.count == VERDICT_MORE ? ", among others" : "");
    if (too_few)
        text = arena_printf(arena, "%s; in %d there are too few rows to decide whether both learned equally", text,
                            too_few);
    if (unknown) text = arena_printf(arena, "%s; of %d it is not recorded which rows were right", text, unknown);
    return arena_printf(arena, "%s.", text);
}

static const char *verdict_leads(Arena *arena, const Results *r, const Comparison *c, int leader)
{
    VerdictNames less = {0}, even = {0}, unmatched = {0};
    for (int i = 0; i < c->pair_count; i++) {
        const Pair *pair = &c->pairs[i];
        if (pair->a != leader && pair->b != leader) continue;
        VerdictNames *group = pair->state != PAIR_COMPARED     ? &unmatched
                              : compare_winner(pair) == leader ? &less
                                                               : &even;
        verdict_add(arena, group, r->methods[pair->a == leader ? pair->b : pair->a]);
    }
    const Score left = verdict_score(r, leader, r->task_count - 1, 0);
    const char *text = arena_printf(
        arena, "At matched learning %s leads: %s of %s is right at the end, beyond chance more than with %s",
        r->methods[leader], format_percent(arena, left.mean), r->tasks[0].name, verdict_counted(arena, &less));
    if (even.count) text = arena_printf(arena, "%s; not distinguished from %s", text, verdict_counted(arena, &even));
    if (unmatched.count)
        text = arena_printf(arena, "%s; not compared with %s, of which it is not shown that %s learned equally well",
                            text, verdict_counted(arena, &unmatched), plural(unmatched.count, "it", "they"));
    return arena_printf(arena, "%s (%s).%s", text, verdict_family(arena, c->compared, "matched pairs"),
                        verdict_few_seeds(arena, c));
}

static const char *verdict_no_ranking(Arena *arena, const Results *r, const Comparison *c)
{
    double least = 1;
    int unknown = 0;
    for (int i = 0; i < c->pair_count; i++) {
        unknown += c->pairs[i].state == PAIR_UNKNOWN;
        if (c->pairs[i].state != PAIR_COMPARED) continue;
        least = fmin(least, c->pairs[i].adjusted);
    }
    if (!r->finished && c->method_count < 2)
        return "No ranking is possible yet: fewer than two methods that can be ranked are finished.";
    if (c->method_count == 0) return "No ranking is possible: no method that can be ranked learned every task.";
    if (c->method_count == 1)
        return arena_printf(arena,
                            "No ranking is possible: of the methods that can be ranked only %s learned every task.",
                            r->methods[c->methods[0]]);
    if (!c->compared && unknown == c->pair_count)
        return "No ranking is possible: the results do not record which rows each method had right.";
    if (!c->compared)
        return arena_printf(arena,
                            "No ranking is possible: of no two of the %d methods that learned every task it is shown "
                            "that they learned equally well, so what they kept is not compared.",
                            c->method_count);
    const char *text = arena_printf(
        arena,
        "No ranking is possible: of %s of methods that learned equally well none differs beyond chance in what "
        "is left of %s (smallest %s; %s)",
        verdict_pairs(arena, c->compared), r->tasks[0].name, format_p(arena, least),
        verdict_family(arena, c->compared, "matched pairs"));
    return arena_printf(arena, "%s.%s", text, verdict_few_seeds(arena, c));
}

/* Some pairs differ, but no method stands out. */
static const char *verdict_no_leader(Arena *arena, const Results *r, const Comparison *c, int different)
{
    VerdictNames names = {0};
    for (int i = 0; i < c->pair_count && names.count < VERDICT_NAMES; i++) {
        const int winner = compare_winner(&c->pairs[i]),
                  loser = winner == c->pairs[i].a ? c->pairs[i].b : c->pairs[i].a;
        if (winner >= 0)
            verdict_add(arena, &names,
                        arena_printf(arena, "with %s than with %s", r->methods[winner], r->methods[loser]));
    }
    return arena_printf(
        arena, "No method leads. At matched learning %d of %s %s beyond chance (%s): more of %s is left %s%s.%s",
        different, verdict_pairs(arena, c->compared), plural((uint64_t)different, "differs", "differ"),
        verdict_family(arena, c->compared, "matched pairs"), r->tasks[0].name, verdict_named(arena, &names),
        (size_t)different > names.count ? ", among others" : "", verdict_few_seeds(arena, c));
}

static const char *verdict_ranking(Arena *arena, const Results *r, const Comparison *c)
{
    const int leader = compare_leader(r, c), different = compare_different(c);
    if (!different) return verdict_no_ranking(arena, r, c);
    return leader < 0 ? verdict_no_leader(arena, r, c, different) : verdict_leads(arena, r, c, leader);
}

/* ---- where methods end ---- */

/* Mean over a method's seeds of the average accuracy at the end. */
static double verdict_end(const Results *r, int method)
{
    double sum = 0;
    for (int j = 0; j < r->task_count; j++) sum += verdict_score(r, method, r->task_count - 1, j).mean;
    return sum / r->task_count;
}

/* Of the methods that end above others the highest, at most so many are named. */
enum { VERDICT_ENDS = 3 };

/* NULL: no two methods can be compared. */
static const char *verdict_ends(Arena *arena, const Results *r, const Comparison *c)
{
    VerdictNames parts = {0};
    bool *named = arena_new(arena, bool, (size_t)r->method_count);
    double least = 1;
    int winners = 0;
    if (!c->tested) return NULL;
    for (int i = 0; i < c->end_count; i++)
        if (c->ends[i].adjusted < least) least = c->ends[i].adjusted;
    for (;;) {
        int best = -1;
        VerdictNames below = {0};
        for (int i = 0; i < c->end_count; i++) {
            const int m = compare_higher(&c->ends[i]);
            if (m >= 0 && !named[m] && (best < 0 || verdict_end(r, m) > verdict_end(r, best))) best = m;
        }
        if (best < 0) break;
        named[best] = true;
        if (++winners > VERDICT_ENDS) continue;
        for (int i = 0; i < c->end_count; i++)
            if (compare_higher(&c->ends[i]) == best)
                verdict_add(arena, &below, r->methods[c->ends[i].a == best ? c->ends[i].b : c->ends[i].a]);
        verdict_add(arena, &parts,
                    arena_printf(arena, "%s (%s) above %s", r->methods[best],
                                 format_percent(arena, verdict_end(r, best)), verdict_counted(arena, &below)));
    }
    const char *pairs = verdict_family(arena, c->tested, "pairs in where they end");
    if (!winners)
        return arena_printf(arena,
                            "In where they end, the average accuracy over all tasks, no two methods differ beyond "
                            "chance (smallest %s; %s).",
                            format_p(arena, least), pairs);
    const char *list = "";
    for (size_t i = 0; i < parts.count; i++) list = text_join(arena, list, "; ", parts.at[i]);
    return arena_printf(arena, "In where they end, the average accuracy over all tasks, beyond chance: %s%s (%s).",
                        list, winners > VERDICT_ENDS ? "; and others" : "", pairs);
}

/* ---- what cannot be ranked, and what was not learned ---- */

/* "81.7% on sentiment and 59.7% on nli", of more than two tasks "75.1% on average": accuracies at the end. */
static const char *verdict_reach(Arena *arena, const Results *r, int method)
{
    const int last = r->task_count - 1;
    if (r->task_count > 2)
        return arena_printf(arena, "%s on average",
                            format_percent(arena, figure_over_seeds(r, method, figure_average_accuracy).mean));
    return arena_printf(arena, "%s on %s and %s on %s", format_percent(arena, verdict_score(r, method, last, 0).mean),
                        r->tasks[0].name, format_percent(arena, verdict_score(r, method, last, 1).mean),
                        r->tasks[1].name);
}

/* How far the others stay below the ceiling right after training; NULL: not known, or a ceiling learned too little. */
static const char *verdict_intransigence(Arena *arena, const Results *r)
{
    int ceilings = 0;
    for (int m = 0; m < r->method_count; m++) {
        if (verdict_kind(r, m) != METHOD_CEILING) continue;
        if (!verdict_learned_all(r, m)) return NULL;
        ceilings++;
    }
    const char *ceiling = ceilings > 1 ? "the ceiling of the same settings" : "it";
    int closest = -1, farthest = -1;
    double low = 0, high = 0;
    for (int m = 0; m < r->method_count; m++) {
        const MeanOver x = figure_over_seeds(r, m, figure_intransigence);
        if (!x.count || verdict_kind(r, m) != METHOD_ORDINARY) continue;
        if (closest < 0 || x.mean < low) low = x.mean, closest = m;
        if (farthest < 0 || x.mean > high) high = x.mean, farthest = m;
    }
    const char *later = r->task_count == 2 ? r->tasks[1].name : "the later tasks";
    if (closest < 0) return NULL;
    if (closest == farthest)
        return arena_printf(arena, "Against %s, %s is at %s points on %s right after training.", ceiling,
                            r->methods[closest], format_points(arena, -low), later);
    return arena_printf(
        arena, "Against %s, on %s right after training, the others are between %s (%s) and %s points (%s).", ceiling,
        later, format_points(arena, -high), r->methods[farthest], format_points(arena, -low), r->methods[closest]);
}

static int verdict_sentences_of_kinds(Arena *arena, const Results *r, const char **out)
{
    VerdictNames separate = {0}, after = {0};
    const char *fair = "";
    int count = 0, floor = -1, ceiling = -1;
    for (int m = 0; m < r->method_count; m++) {
        const Verdict verdict = verdict_change(r, m, 0).verdict;
        if (r->method_info[m].one_adapter && strcmp(r->methods[m], r->method_info[m].base) == 0)
            fair = arena_printf(arena, "; %s, one adapter for all tasks, is the fair comparison", r->methods[m]);
        if (verdict == VERDICT_UNFINISHED) continue;
        if (verdict_kind(r, m) == METHOD_SEPARATE && verdict == VERDICT_BY_CONSTRUCTION)
            verdict_add(arena, &separate, r->methods[m]);
        if (verdict_kind(r, m) == METHOD_AFTER) verdict_add(arena, &after, r->methods[m]);
        if (verdict_kind(r, m) == METHOD_FLOOR && floor < 0) floor = m;
        if (verdict_kind(r, m) == METHOD_CEILING && ceiling < 0) ceiling = m;
    }
    if (separate.count)
        out[count++] =
            arena_printf(arena,
                         "%s cannot forget: what %s learned of %s is kept apart and never trained again, so a change "
                         "of zero is no achievement%s.",
                         verdict_named(arena, &separate), plural(separate.count, "it", "they"), r->tasks[0].name, fair);
    if (floor >= 0)
        out[count++] = arena_printf(
            arena, "%s is the floor: its encoder is never trained%s; heads alone reach %s.", r->methods[floor],
            verdict_change(r, floor, 0).verdict == VERDICT_BY_CONSTRUCTION ? ", so it cannot forget" : "",
            verdict_reach(arena, r, floor));
    if (ceiling >= 0) {
        out[count++] = arena_printf(
            arena,
            "%s is the ceiling, not a way to learn one task after another: trained on all together it reaches %s.",
            r->methods[ceiling], verdict_reach(arena, r, ceiling));
        const char *below = verdict_intransigence(arena, r);
        if (below) out[count++] = below;
    }
    if (after.count)
        out[count++] = arena_printf(
            arena, "%s average%s the weights before and after a training: made after the fact, %s not ranked.",
            verdict_named(arena, &after), plural(after.count, "s", ""), plural(after.count, "it is", "they are"));
    return count;
}

static int verdict_sentences_of_learning(Arena *arena, const Results *r, const char **out)
{
    int count = 0;
    const char *first = verdict_who_missed(arena, r, 0, true), *parts = "";
    if (first)
        out[count++] = arena_printf(
            arena,
            "%s (not surely above %s, the rate of always answering the most frequent class): where nothing "
            "was learned, nothing can be seen to be forgotten.",
            first, format_percent(arena, r->tasks[0].majority_rate));
    for (int j = 1; j < r->task_count; j++) {
        const char *missed = verdict_who_missed(arena, r, j, !*parts);
        if (missed) parts = text_join(arena, parts, "; ", missed);
    }
    if (*parts)
        out[count++] = arena_printf(arena, "%s: what is kept beside a task that was not learned proves little.", parts);
    return count;
}

static const char *verdict_sentence_of_one_task(Arena *arena, const Results *r)
{
    const char *missed = verdict_who_missed(arena, r, 0, true);
    if (missed)
        return arena_printf(
            arena, "%s: the interval does not lie above %s, the rate of always answering the most frequent class.",
            missed, format_percent(arena, r->tasks[0].majority_rate));
    return arena_printf(arena, "Every method that was run learned %s; one task alone says nothing about forgetting.",
                        r->tasks[0].name);
}

/* ---- how far to trust it ---- */

static int verdict_most_seeds(const Results *r)
{
    int most = 0;
    for (int m = 0; m < r->method_count; m++) {
        const Score score = verdict_score(r, m, 0, 0);
        if (score.seeds > most) most = score.seeds;
    }
    return most;
}

/* Half the width of the widest interval that the table shows of the first task. */
static double verdict_widest(const Results *r)
{
    double widest = 0;
    for (int m = 0; m < r->method_count; m++)
        for (int after = 0; after < r->task_count; after++) {
            const Score score = verdict_score(r, m, after, 0);
            if (score.seeds) widest = fmax(widest, (score.interval.high - score.interval.low) / 2);
        }
    return widest;
}

/* The scale of the noise. */
static const char *verdict_noise(Arena *arena, const Results *r)
{
    const int seeds = verdict_most_seeds(r);
    if (seeds > 1)
        return arena_printf(
            arena,
            "The intervals are 95%% t intervals over %d seeds, never narrower than a single evaluation of these rows "
            "leaves open: all seeds are evaluated on the same ones.",
            seeds);
    const uint32_t rows = r->tasks[0].eval_rows;
    return arena_printf(arena,
                        "This is one seed and %s: each accuracy on %s is known to %s points either way at most, and "
                        "another seed may show something else.",
                        format_counted(arena, rows, "evaluation row", "evaluation rows"), r->tasks[0].name,
                        format_share(arena, verdict_widest(r)));
}

/* Which rows chose the epoch, where it is those that are reported; NULL: others did, or it is not recorded. */
static const char *verdict_chosen(Arena *arena, const Results *r)
{
    VerdictNames names = {0};
    for (int m = 0; m < r->method_count; m++) {
        const ResultSetting *kept = load_setting(&r->method_info[m], "keep-epoch");
        if (kept && strcmp(kept->value, "eval") == 0) verdict_add(arena, &names, r->methods[m]);
    }
    if (!names.count) return NULL;
    return arena_printf(
        arena,
        "The evaluation rows also chose the epoch that was kept%s (--keep-epoch eval): each accuracy "
        "right after a training is that of the best epoch on these rows, and a little too high.",
        (int)names.count == r->method_count ? "" : arena_printf(arena, " of %s", verdict_counted(arena, &names)));
}

/* ---- forgotten rows: forgotten by a method means with more than half of its seeds, everywhere ---- */

/* "both full and ewc", "all of a, b and c", "all 9 methods that can forget": those whose forgotten rows are counted. */
static const char *verdict_forgetters(Arena *arena, const Results *r, int task, const Forgotten *f)
{
    VerdictNames names = {0};
    if (f->methods > VERDICT_NAMES) return arena_printf(arena, "all %d methods that can forget", f->methods);
    for (int m = 0; m < r->method_count; m++)
        if (verdict_can_be_ranked(r, m) && report_forgotten(arena, r, m, task).methods)
            verdict_add(arena, &names, r->methods[m]);
    return arena_printf(arena, "%s %s", f->methods == 2 ? "both" : "all of", verdict_named(arena, &names));
}

/* "5 rows of a were forgotten by both full and ewc, with most of their seeds"; at least two methods. */
static const char *verdict_forgotten_by_all(Arena *arena, const Results *r, int task, const Forgotten *f)
{
    const char *rows = f->by_all ? format_counted(arena, (uint64_t)f->by_all, "row", "rows") : "No row";
    return arena_printf(arena, "%s of %s %s forgotten by %s%s", rows, r->tasks[task].name,
                        f->by_all > 1 ? "were" : "was", verdict_forgetters(arena, r, task, f),
                        f->runs > f->methods ? ", with most of their seeds" : "");
}

/* "40 rows", of several seeds "40 rows with any of 3 seeds, 12 with most of them": what one method forgot. */
static const char *verdict_forgotten_by_one(Arena *arena, const Forgotten *f)
{
    const char *rows = format_counted(arena, (uint64_t)f->row_count, "row", "rows");
    return f->runs > 1 ? arena_printf(arena, "%s with any of %d seeds, %s with most of them", rows, f->runs,
                                      format_count(arena, (uint64_t)f->by_all))
                       : rows;
}

/* Which rows of a task all methods forgot; NULL: not recorded, or there is no such thing. */
static const char *verdict_forgotten(Arena *arena, const Results *r, int task)
{
    const Forgotten f = report_forgotten(arena, r, -1, task);
    if (f.methods < 2 || !f.row_count) return NULL;
    return arena_printf(arena, "%s; %s by at least one of them%s.", verdict_forgotten_by_all(arena, r, task, &f),
                        format_count(arena, (uint64_t)f.row_count), f.runs > f.methods ? ", with any seed" : "");
}

/* What can be said of the whole run, plainly: `out` has room for VERDICT_SENTENCES. */
static int verdict_sentences(Arena *arena, const Results *r, const char **out)
{
    int count = 0;
    if (!r->finished) out[count++] = verdict_unfinished;
    if (!r->runs.count) return count;
    if (r->task_count == 1) {
        out[count++] = verdict_sentence_of_one_task(arena, r);
    } else {
        count += verdict_sentences_of_change(arena, r, out + count);
        const char *idle = verdict_idle(arena, r);
        if (idle) out[count++] = idle;
        if (r->method_count > 1) {
            const Comparison c = compare_methods(arena, r);
            const char *ends = verdict_ends(arena, r, &c);
            out[count++] = verdict_ranking(arena, r, &c);
            if (c.pair_count) out[count++] = verdict_matching(arena, r, &c);
            if (ends) out[count++] = ends;
        }
        count += verdict_sentences_of_learning(arena, r, out + count);
        count += verdict_sentences_of_kinds(arena, r, out + count);
        const char *forgotten = verdict_forgotten(arena, r, 0);
        if (forgotten) out[count++] = forgotten;
    }
    const char *chosen = verdict_chosen(arena, r);
    if (chosen) out[count++] = chosen;
    if (*r->acquaintance) out[count++] = r->acquaintance;
    out[count++] = verdict_noise(arena, r);
    ASSERT(count <= VERDICT_SENTENCES);
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

static const char *verdict_headline_of_drops(Arena *arena, const Results *r, const int *forgot, int count, int able)
{
    const char *task = r->tasks[0].name, *later = verdict_later(arena, r);
    const char *most = format_share(arena, -verdict_change(r, forgot[0], 0).mean);
    const char *text =
        arena_printf(arena, "Training %s cost %s points on %s with %s", later, most, task, r->methods[forgot[0]]);
    if (count == 1) return text;
    if (count == 2)
        return arena_printf(arena, "%s, %s with %s", text, format_share(arena, -verdict_change(r, forgot[1], 0).mean),
                            r->methods[forgot[1]]);
    return arena_printf(arena, "Training %s made %d of %d methods forget %s: most with %s, %s points", later, count,
                        able, task, r->methods[forgot[0]], most);
}

static const char *verdict_headline(Arena *arena, const Results *r)
{
    const char *task = r->tasks[0].name, *later = verdict_later(arena, r);
    int judged = 0, able = 0, tests = 0, unclear = 0, *forgot = arena_new(arena, int, (size_t)r->method_count);
    if (r->task_count == 1) {
        const bool missed = verdict_who_missed(arena, r, 0, true) != NULL;
        return missed ? arena_printf(arena, "Not every method learned %s", task)
                      : arena_printf(arena, "Accuracy on %s", task);
    }
    for (int m = 0; m < r->method_count; m++) {
        const Change change = verdict_change(r, m, 0);
        const Verdict verdict = change.verdict;
        if (verdict == VERDICT_UNFINISHED) continue;
        judged++;
        able += verdict != VERDICT_NOT_LEARNED && verdict != VERDICT_BY_CONSTRUCTION && verdict != VERDICT_CEILING;
        tests += verdict_is_test(r, m);
        unclear += verdict == VERDICT_UNCLEAR && change.mean < 0;
    }
    const int count = verdict_sorted(r, VERDICT_FORGOT, forgot);
    if (!judged) return arena_printf(arena, "Accuracy on %s, before %s", task, later);
    if (count) return verdict_headline_of_drops(arena, r, forgot, count, able);
    if (!tests)
        return r->task_count == 2
                   ? arena_printf(arena, "No method learned both %s and %s: forgetting cannot be judged", task, later)
                   : arena_printf(arena, "No method learned %s and a later task: forgetting cannot be judged", task);
    if (unclear) return arena_printf(arena, "After %s it is not decided whether %s was forgotten", later, task);
    return arena_printf(arena, "After %s no drop on %s is shown", later, task);
}
