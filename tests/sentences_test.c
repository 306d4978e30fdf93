/* Every sentence of a report against the table's numbers: hundreds of random result sets, the degenerate ones too. */
#include "random_results.h"

/* ---- what each kind of sentence claims ---- */

/* Names exactly the methods whose verdict on the first task it is, each with its change as the table prints it. */
static const char *sentence_of_verdict(Arena *arena, const Results *r, const char *text, Verdict verdict, bool all)
{
    for (int m = 0; m < r->method_count; m++) {
        const Change c = verdict_change(r, m, 0);
        const bool is = c.verdict == verdict && (!all || verdict_learned_all(r, m));
        if (sentence_names(text, r->methods[m]) != is) return r->methods[m];
        const Score in = {c.seeds, c.mean, c.interval};
        const char *printed = table_change(arena, &c, &in);
        if (is && (verdict == VERDICT_FORGOT || verdict == VERDICT_GAINED) &&
            !strstr(text, arena_printf(arena, " %s points with %s", printed + 1, r->methods[m])))
            return printed;
        if (is && verdict == VERDICT_FORGOT && *printed != '-') return printed;
        const bool several = strstr(text, " points with ") != NULL;
        const char *possible = arena_printf(arena, " %.1f points%s%s", fmax(0, -100 * c.interval.low),
                                            several ? " with " : " possible", several ? r->methods[m] : "");
        if (is && verdict == VERDICT_NOT_SHOWN && !strstr(text, possible)) return r->methods[m];
    }
    return NULL;
}

static const char *sentence_of_kind(const Results *r, const char *text, MethodKind kind)
{
    for (int m = 0; m < r->method_count; m++)
        if (sentence_names(text, r->methods[m]) && r->method_info[m].kind != kind && !r->method_info[m].one_adapter)
            return r->methods[m];
    return NULL;
}

/* Who leads is ordinary, learned all, and has more of the first task left than all that are named before ";". */
static const char *sentence_of_leader(Arena *arena, const Results *r, const char *text)
{
    const int last = r->task_count - 1;
    const char *less = strstr(text, "more than with "), *end = less ? strpbrk(less, ";(") : NULL;
    if (!less || !end) return "no loser";
    const char *losers = arena_printf(arena, "%.*s", (int)(end - less), less);
    for (int m = 0; m < r->method_count; m++) {
        if (strncmp(text + strlen("At matched learning "), r->methods[m], strlen(r->methods[m])) != 0) continue;
        const double left = verdict_score(r, m, last, 0).mean;
        if (!verdict_can_be_ranked(r, m)) return r->methods[m];
        if (!strstr(text, arena_printf(arena, "leads: %.1f%%", 100 * left))) return "its accuracy";
        for (int k = 0; k < r->method_count; k++) {
            if (!sentence_names(losers, r->methods[k])) continue;
            const double theirs = verdict_score(r, k, last, 0).mean;
            if (!verdict_can_be_ranked(r, k) || theirs >= left) return r->methods[k];
            for (int j = 0; j < r->task_count; j++) /* no further apart in what they learned than the margin */
                if (fabs(verdict_score(r, m, j, j).mean - verdict_score(r, k, j, j).mean) > compare_margin(r))
                    return r->methods[k];
        }
        return NULL;
    }
    return "no leader";
}

static const char *sentence_of_ends(Arena *arena, const Results *r, const char *text)
{
    for (const char *p = text; (p = strstr(p, " above ")); p++) {
        const char *end = strpbrk(p, ";("), *start = p;
        while (start > text && strncmp(start, ": ", 2) != 0 && strncmp(start, "; ", 2) != 0) start--;
        const char *winner = arena_printf(arena, "%.*s", (int)(p - start), start),
                   *losers = arena_printf(arena, "%.*s", (int)(end - p), p);
        for (int m = 0; m < r->method_count; m++) {
            if (!sentence_names(winner, r->methods[m])) continue;
            if (!strstr(winner, arena_printf(arena, "(%.1f%%)", 100 * verdict_end(r, m)))) return winner;
            for (int k = 0; k < r->method_count; k++)
                if (sentence_names(losers, r->methods[k]) && verdict_end(r, k) >= verdict_end(r, m)) return losers;
        }
    }
    return NULL;
}

/* Names the methods whose epoch the reported rows chose, or none where it is so of all. */
static const char *sentence_of_choice(const Results *r, const char *text)
{
    const bool all = strstr(text, "was kept (--") != NULL;
    for (int m = 0; m < r->method_count; m++) {
        const bool chosen = strcmp(r->method_info[m].settings->value, "eval") == 0;
        if (sentence_names(text, r->methods[m]) != (chosen && !all) || (all && !chosen)) return r->methods[m];
    }
    return NULL;
}

/* "3.9 points either way": no accuracy of the first task is known to less, and one to no more. */
static const char *sentence_of_noise(Arena *arena, const Results *r, const char *text)
{
    double widest = 0;
    for (int m = 0; m < r->method_count; m++)
        for (int i = 0; i < r->task_count; i++) {
            const Interval of = verdict_score(r, m, i, 0).interval;
            widest = fmax(widest, 50 * (of.high - of.low));
        }
    return strstr(text, arena_printf(arena, " known to %.1f points either way", widest)) ? NULL : "its interval";
}

/* NULL: the sentence agrees with the table; else what does not. A sentence of no known kind is wrong, too. */
static const char *sentence_wrong(Arena *arena, const Results *r, const char *text)
{
    static const char *const others[] = {"This run is unfinished",
                                         "The intervals are 95%",
                                         "No ranking is possible",
                                         "Against it, ",
                                         "Against the ceiling of the same settings, ",
                                         "No row of ",
                                         "No method leads.",
                                         "Every method that was run learned "};
    if (strstr(text, "did not forget") || strstr(text, "nan") || strstr(text, "  ")) return "its words";
    if (strncmp(text, "Training ", 9) == 0 && strstr(text, " cost "))
        return sentence_of_verdict(arena, r, text, VERDICT_FORGOT, false);
    if (strncmp(text, "Training ", 9) == 0 && strstr(text, " helped "))
        return sentence_of_verdict(arena, r, text, VERDICT_GAINED, false);
    if (strncmp(text, "No drop on ", 11) == 0) return sentence_of_verdict(arena, r, text, VERDICT_NOT_SHOWN, true);
    if (strstr(text, "it is not decided whether")) return sentence_of_verdict(arena, r, text, VERDICT_UNCLEAR, false);
    if (strstr(text, "re-learned it")) return sentence_of_verdict(arena, r, text, VERDICT_RELEARNED, false);
    if (strstr(text, " cannot forget: what ")) return sentence_of_kind(r, text, METHOD_SEPARATE);
    if (strstr(text, " is the floor: ")) return sentence_of_kind(r, text, METHOD_FLOOR);
    if (strstr(text, " is the ceiling, ")) return sentence_of_kind(r, text, METHOD_CEILING);
    if (strstr(text, "made after the fact")) {
        const bool many = strstr(text, " and ") != NULL && strstr(text, " and ") < strstr(text, " average");
        if (!strstr(text, many ? " average the" : " averages the")) return "averages";
        return sentence_of_kind(r, text, METHOD_AFTER);
    }
    if (strncmp(text, "At matched learning ", 20) == 0) return sentence_of_leader(arena, r, text);
    if (strncmp(text, "In where they end", 17) == 0) return sentence_of_ends(arena, r, text);
    if (strstr(text, "it is not recorded which rows were right")) return NULL;
    if (strstr(text, "learn") && strstr(text, "every task equally well")) {
        const char *margin = arena_printf(arena, "within %g points", 100 * compare_margin(r));
        return strstr(text, margin) ? NULL : "its margin";
    }
    if (strstr(text, " had the very same rows right as full")) return NULL;
    if (strstr(text, " did not learn ") || strstr(text, "method learned ")) {
        for (int m = 0; m < r->method_count; m++)
            for (int j = 0, missed = 0; j < r->task_count; j++) {
                missed += verdict_missed(r, m, j);
                if (j == r->task_count - 1 && !missed && sentence_names(text, r->methods[m])) return r->methods[m];
            }
        return NULL;
    }
    if (strstr(text, " forgotten by ")) return NULL;
    if (strncmp(text, "This is one seed", 16) == 0) return sentence_of_noise(arena, r, text);
    if (strncmp(text, "The evaluation rows also chose", 30) == 0) return sentence_of_choice(r, text);
    for (size_t i = 0; i < COUNT(others); i++)
        if (strncmp(text, others[i], strlen(others[i])) == 0) return NULL;
    return "its kind";
}

/* What must be there, and in few words, beside the sentences. */
static void sentence_check_table(Arena *arena, const Results *r, uint32_t number, const char *all)
{
    const char *headline = verdict_headline(arena, r);
    int forgot = 0;
    for (int m = 0; m < r->method_count && r->task_count > 1; m++) {
        const Verdict verdict = verdict_change(r, m, 0).verdict;
        const char *remark = verdict_remark(arena, r, m), *brief = verdict_short(arena, r, m);
        forgot += verdict == VERDICT_FORGOT;
        if (r->task_count == 2 && (strcmp(brief, "forgot") == 0) != (verdict == VERDICT_FORGOT) &&
            strcmp(brief, "unfinished") != 0)
            fail_msg("set %u, %s: %s beside %s", number, r->methods[m], brief, verdict_words[verdict]);
        if (r->task_count == 2 && (strstr(remark, "forgot: ") != NULL) != (verdict == VERDICT_FORGOT))
            fail_msg("set %u, %s: \"%s\" beside %s", number, r->methods[m], remark, verdict_words[verdict]);
        if (r->task_count == 2 && strstr(remark, "no drop shown") && strstr(remark, "forgot: "))
            fail_msg("set %u, %s: \"%s\"", number, r->methods[m], remark);
        if (strstr(brief, "forgot 0")) fail_msg("set %u: %s", number, brief);
    }
    const bool drops = strncmp(headline, "Training ", 9) == 0;
    if (r->task_count > 1 && drops != (forgot > 0))
        fail_msg("set %u: \"%s\" with %d that forgot", number, headline, forgot);
    if (r->task_count > 1 && (strstr(all, " cost ") != NULL) != (forgot > 0))
        fail_msg("set %u: %d forgot, and the sentences say\n%s", number, forgot, all);
    if (!strstr(table_text(arena, r), "1,234,567 rows")) fail_msg("set %u: 1,234,567 is missing", number);
}

/* A name replaced by another, and a number by the next: how many of these lies are seen. */
static void sentence_lies(Arena *arena, const Results *r, const char *text, int *made, int *seen)
{
    for (int a = 0; a < r->method_count; a++)
        for (int b = 0; b < r->method_count; b++) {
            const char *at = strstr(text, r->methods[a]);
            if (a == b || !at || strstr(text, r->methods[b])) continue;
            const char *lie =
                arena_printf(arena, "%.*s%s%s", (int)(at - text), text, r->methods[b], at + strlen(r->methods[a]));
            ++*made;
            *seen += sentence_wrong(arena, r, lie) != NULL;
        }
    for (const char *p = text; (p = strstr(p, " points with ")); p++) {
        char *lie = arena_printf(arena, "%s", text);
        lie[p - text - 1] = p[-1] == '9' ? '0' : (char)(p[-1] + 1);
        ++*made;
        *seen += sentence_wrong(arena, r, lie) != NULL;
    }
}

/* "had 77 right", "lost 81 of 500 rows and won 31 others": the numbers of the table, by another way. */
static const char *plain_wrong_numbers(Arena *arena, const Results *r, const char *text, int method)
{
    const int last = r->task_count - 1;
    double own = 0, end = 0, lost = 0, won = 0;
    int seeds = 0;
    bool paired = true, learned = true;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        const Evaluation *before = &run->matrix[0], *after = &run->matrix[last * r->task_count];
        if (run->method != method || !before->rows || !after->rows) continue;
        seeds++;
        own += 100.0 * before->correct / before->rows;
        end += 100.0 * after->correct / after->rows;
        paired = paired && after->paired;
        lost += after->lost;
        won += after->gained;
    }
    if (!seeds) return "no seed";
    for (int j = 1; j <= last; j++) learned = learned && !verdict_missed(r, method, j);
#define WHOLE(sum) (int)floor((sum) / seeds + 0.5 + 1e-9)
    const char *right = arena_printf(arena, " had %d right just after ", WHOLE(own)),
               *now = arena_printf(arena, " and %d %s ", WHOLE(end),
                                   learned ? "once it had learned" : "after being trained on"),
               *rows = arena_printf(arena, " lost %d of ", WHOLE(lost)),
               *others = arena_printf(arena, WHOLE(won) == 1 ? " won %d other." : " won %d others.", WHOLE(won));
#undef WHOLE
    if (!strstr(text, right) || !strstr(text, now)) return right;
    if (paired != (strstr(text, " lost ") != NULL)) return "what it lost";
    return !paired || (strstr(text, rows) && strstr(text, others)) ? NULL : rows;
}

/* A method that the table shows above the leader is named beside it, and no other is. */
static const char *plain_wrong_above(const Results *r, const Comparison *c, const char *text, int leader)
{
    const double left = verdict_score(r, leader, r->task_count - 1, 0).mean;
    for (int i = 0; i < c->method_count; i++) {
        const int m = c->methods[i];
        const bool above = verdict_score(r, m, r->task_count - 1, 0).mean > left;
        if (m != leader && above != sentence_names(text, r->methods[m])) return r->methods[m];
    }
    return NULL;
}

/* NULL: the plain sentence agrees with the table. */
static const char *plain_wrong(Arena *arena, const Results *r, const char *text)
{
    static const struct {
        const char *words;
        Verdict verdict;
    } verdicts[] = {{": a drop so large is not chance.", VERDICT_FORGOT},
                    {" on the way and learned it again.", VERDICT_RELEARNED},
                    {", and that is not chance.", VERDICT_GAINED},
                    {" is not decided.", VERDICT_UNCLEAR},
                    {" a change so small may be chance.", VERDICT_NOT_SHOWN},
                    {" cannot forget ", VERDICT_BY_CONSTRUCTION}};
    if (strstr(text, "nan") || strstr(text, "  ")) return "its words";
    if (strcmp(text, verdict_unfinished) == 0) return r->finished ? "unfinished" : NULL;
    if (strstr(text, " right just after "))
        for (int m = 0; m < r->method_count; m++)
            if (sentence_names(text, r->methods[m])) return plain_wrong_numbers(arena, r, text, m);
    for (size_t i = 0; i < COUNT(verdicts); i++)
        for (int m = 0; m < r->method_count && strstr(text, verdicts[i].words); m++) {
            const bool named = sentence_names(text, r->methods[m]) || strstr(text, " methods ");
            if (verdict_change(r, m, 0).verdict == verdicts[i].verdict && !named) return r->methods[m];
            if (verdict_change(r, m, 0).verdict != verdicts[i].verdict && sentence_names(text, r->methods[m]))
                return r->methods[m];
        }
    for (size_t i = 0; i < COUNT(verdicts); i++)
        if (strstr(text, verdicts[i].words)) return NULL;
    if (strstr(text, " did not learn ") || strstr(text, "method learned ")) return sentence_wrong(arena, r, text);
    if (strncmp(text, "This is one seed", 16) == 0) return r->seed_count == 1 || !r->finished ? NULL : "seeds";
    const Comparison c = compare_methods(arena, r);
    const int leader = compare_leader(r, &c);
    if (strstr(text, " keeps most of "))
        return leader >= 0 && sentence_names(text, r->methods[leader]) ? plain_wrong_above(r, &c, text, leader)
                                                                       : "leader";
    if (strncmp(text, "No method is shown to keep more", 31) == 0)
        return leader < 0 && c.compared > 1 ? NULL : "leader";
    if (strncmp(text, "Of methods that learn equally", 29) == 0) return leader < 0 && c.compared ? NULL : "compared";
    if (strncmp(text, "Which method keeps more", 23) == 0) return c.compared ? "compared" : NULL;
    return "its kind";
}

/* Three of four sets record what was lost and gained, as runs do. */
static void plain_record(Results *r, uint32_t number)
{
    for (size_t i = 0; i < r->runs.count && number % 4; i++) {
        const Evaluation *own = &r->runs.at[i].matrix[0];
        Evaluation *end = &r->runs.at[i].matrix[(r->task_count - 1) * r->task_count];
        if (r->task_count < 2 || !own->right || !end->right) continue;
        const Disagreement sides = measure_disagreement(own->right, end->right, end->rows);
        end->paired = true;
        end->lost = sides.first;
        end->gained = sides.second;
    }
}

static void test_plain_words_agree_with_the_table(void **state)
{
    (void)state;
    int checked = 0, counted = 0; /* counted: what was lost and won */
    for (uint32_t number = 0; number < 400; number++) {
        Arena arena = {0};
        Results r = sentence_results(&arena, number);
        const char *sentences[PLAIN_SENTENCES];
        plain_record(&r, number);
        const int count = plain_sentences(&arena, &r, sentences);
        for (int i = 0; i < count; i++) {
            const char *wrong = plain_wrong(&arena, &r, sentences[i]);
            counted += strstr(sentences[i], " lost ") != NULL;
            if (wrong)
                fail_msg("set %u: %s is wrong in \"%s\"\n%s", number, wrong, sentences[i], table_text(&arena, &r));
        }
        checked += count;
        arena_free(&arena);
    }
    assert_true(checked > 1000 && counted > 100);
}

static void test_every_sentence_agrees_with_the_table(void **state)
{
    (void)state;
    int made = 0, seen = 0, checked = 0;
    for (uint32_t number = 0; number < 400; number++) {
        Arena arena = {0};
        const Results r = sentence_results(&arena, number);
        const char *sentences[VERDICT_SENTENCES], *all = "";
        const int count = verdict_sentences(&arena, &r, sentences);
        for (int i = 0; i < count; i++) {
            const char *wrong = sentence_wrong(&arena, &r, sentences[i]);
            if (wrong)
                fail_msg("set %u: %s is wrong in \"%s\"\n%s", number, wrong, sentences[i], table_text(&arena, &r));
            if (strncmp(sentences[i], "Training ", 9) == 0 || strncmp(sentences[i], "No drop on ", 11) == 0)
                sentence_lies(&arena, &r, sentences[i], &made, &seen);
            all = arena_printf(&arena, "%s%s\n", all, sentences[i]);
            checked++;
        }
        sentence_check_table(&arena, &r, number, all);
        arena_free(&arena);
    }
    assert_true(checked > 1500 && made > 200);
    assert_int_equal(seen, made); /* the checker sees every sentence that is made wrong on purpose */
}

/* ---- what to do next ---- */

/* In how many of 200 runs of so many rows McNemar's test shows the change that the method has, as if it were true. */
static double advice_power(const Results *r, int method, int task, uint32_t rows)
{
    enum { DRAWS = 200 };
    const int tasks = r->task_count;
    const ResultRun *run = compare_run(r, method, 1);
    const Evaluation *own = &run->matrix[task * tasks + task], *end = &run->matrix[(tasks - 1) * tasks + task];
    const Disagreement d = measure_disagreement(own->right, end->right, own->rows);
    const double lost = (double)d.first / own->rows, changed = (double)(d.first + d.second) / own->rows;
    int shown = 0;
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        uint64_t losses = 0, gains = 0;
        for (uint32_t k = 0; k < rows; k++) {
            const double x = (double)random_uniform(99, draw, k);
            losses += x < lost;
            gains += x >= lost && x < changed;
        }
        shown += measure_mcnemar(losses, gains) < 0.05 && (losses > gains) == (d.first > d.second);
    }
    return (double)shown / DRAWS;
}

/* The command is one that lethe takes, with the run's own config.json. */
static const char *advice_wrong_command(Arena *arena, const char *command)
{
    char *argv[32], *words = arena_printf(arena, "%s", command), *rest = words;
    int argc = 0;
    Err err = {0};
    for (char *word; (word = strtok_r(rest, " ", &rest)) && argc < 31;) argv[argc++] = word;
    argv[argc] = NULL;
    if (argc < 6 || strcmp(argv[0], "lethe") != 0 || strcmp(argv[1], "run") != 0) return "no run";
    if (strcmp(argv[2], "--config") != 0 || strcmp(argv[3], "the/out/config.json") != 0) return "its config";
    json_t *options = json_object();
    const bool fine = run_parse(argc - 1, argv + 1, NULL, 0, options, &err);
    const bool beside = strncmp(option_text(options, "out") ? option_text(options, "out") : "", "the/out", 7) == 0;
    json_decref(options);
    return !fine ? arena_printf(arena, "%s", err.text) : beside ? NULL : "its folder";
}

/* NULL: the advice is what the table asks for. */
static const char *advice_wrong(Arena *arena, const Results *r, const Advice *a)
{
    const Comparison c = compare_methods(arena, r);
    const uint32_t rows = a->task < 0 ? 0 : r->tasks[a->task].eval_rows;
    if (strstr(a->sentence, "nan") || strstr(a->sentence, "  ") || strstr(a->sentence, "inf")) return "its words";
    if (a->method >= 0 && !strstr(a->sentence, " methods") && !sentence_names(a->sentence, r->methods[a->method]))
        return "its method";
    if (a->number && a->task >= 0 && !strstr(a->sentence, format_count(arena, a->number))) return "its number";
    switch (a->kind) {
    case ADVICE_GO_ON: return r->finished ? "finished" : NULL;
    case ADVICE_LEARN: return verdict_missed(r, a->method, a->task) ? NULL : "learned";
    case ADVICE_ROWS: {
        const Change change = verdict_change(r, a->method, a->task);
        const Verdict v = change.verdict;
        if (v != VERDICT_NOT_SHOWN && v != VERDICT_UNCLEAR) return verdict_words[v];
        if (!strstr(a->sentence, arena_printf(arena, "(%s points)", format_points(arena, change.mean))))
            return "its change";
        if (a->number <= rows || a->number > 21 * rows) return "its rows";
        if (change.seeds > 1 || rows < 100 || a->number > 3000) return NULL; /* draws take time */
        const double power = advice_power(r, a->method, a->task, a->number);
        return power > 0.7 && power < 0.92 ? NULL : arena_printf(arena, "power %g", power);
    }
    case ADVICE_SEEDS:
        if (a->method < 0) return verdict_most_seeds(r) == 1 ? NULL : "seeds";
        return verdict_change(r, a->method, a->task).verdict == VERDICT_UNCLEAR && (int)a->number > r->seed_count
                   ? NULL
                   : "decided";
    case ADVICE_MATCH:
        return verdict_score(r, a->method, a->task, a->task).mean < verdict_score(r, a->other, a->task, a->task).mean
                   ? NULL
                   : "learned more";
    case ADVICE_MATCH_ROWS:
        for (int i = 0; i < c.pair_count; i++)
            if (c.pairs[i].a == a->method && c.pairs[i].b == a->other)
                return c.pairs[i].state == PAIR_TOO_FEW && a->number > rows ? NULL : "decided";
        return "no pair";
    }
    return "its kind";
}

static void test_what_to_do_next_follows_the_verdict(void **state)
{
    int said[ADVICE_MATCH_ROWS + 1] = {0};
    (void)state;
    for (uint32_t number = 0; number < 400; number++) {
        Arena arena = {0};
        Results r = sentence_results(&arena, number);
        if (number % 2) r.folder = "the/out";
        for (int m = 0; m < r.method_count; m++) r.method_info[m].asked = r.methods[m];
        for (int j = 0; j < r.task_count; j++) r.tasks[j].eval_file_rows = number % 3 ? 0 : 700;
        const AdviceList advice = report_advice(&arena, &r);
        int unlearned = 0, tasks = 0;
        for (size_t i = 0; i < advice.count; i++) {
            const Advice *a = &advice.at[i];
            const char *wrong = advice_wrong(&arena, &r, a);
            if (!wrong && a->command) wrong = r.folder ? advice_wrong_command(&arena, a->command) : "a folder";
            if (!wrong && a->number > 700 && !(number % 3) && a->kind == ADVICE_ROWS) {
                const uint32_t rows = r.tasks[a->task].eval_rows;
                const char *beyond = rows >= 700             ? "; its file has no more."
                                     : rows + rows / 2 > 700 ? "; its file has only 700."
                                                             : "; its file has 700.";
                if (!strstr(a->sentence, beyond)) wrong = "rows beyond the file";
                if (rows + rows / 2 > 700 && a->command) wrong = "a command that changes next to nothing";
            }
            if (wrong)
                fail_msg("set %u: %s is wrong in \"%s\" (%s)\n%s", number, wrong, a->sentence,
                         a->command ? a->command : "", table_text(&arena, &r));
            said[a->kind]++;
            unlearned += a->kind == ADVICE_LEARN;
        }
        for (int j = 0; j < r.task_count; j++) {
            bool missed = false;
            for (int m = 0; m < r.method_count; m++)
                missed = missed || (verdict_kind(&r, m) != METHOD_FLOOR && verdict_missed(&r, m, j));
            tasks += missed;
        }
        if (r.finished && tasks != unlearned) fail_msg("set %u: %d of %d tasks not learned", number, unlearned, tasks);
        if (!r.finished && advice.count != 1) fail_msg("set %u: unfinished, and %zu sentences", number, advice.count);
        arena_free(&arena);
    }
    for (size_t k = 0; k < COUNT(said); k++)
        if (!said[k]) fail_msg("advice %zu is never given", k);
}

/* Student's t test of so many values of the same mean and spread: shown in about four of five tries. */
static void test_seeds_that_would_decide(void **state)
{
    enum { DRAWS = 400 };
    static const double values[][5] = {{-0.06, 0.01, -0.04, 0.02, -0.05}, {0.03, 0.01, 0.04, -0.02, 0.0}};
    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        const int need = measure_seeds_to_show(values[i], 5, 100);
        double mean = 0, squares = 0, sample[100];
        int shown = 0;
        for (int k = 0; k < 5; k++) mean += values[i][k] / 5;
        for (int k = 0; k < 5; k++) squares += (values[i][k] - mean) * (values[i][k] - mean) / 4;
        assert_true(need > 5);
        for (uint32_t draw = 0; draw < DRAWS; draw++) {
            for (int n = 0; n < need; n++) {
                double sum = -6; /* of twelve uniform numbers: as good as normal */
                for (uint64_t u = 0; u < 12; u++) sum += (double)random_uniform(5, draw, (uint64_t)n * 12 + u);
                sample[n] = mean + sum * sqrt(squares);
            }
            shown += measure_t_test(sample, need) < 0.05;
        }
        if (shown < 0.7 * DRAWS || shown > 0.9 * DRAWS) fail_msg("%d seeds: %d of %d", need, shown, DRAWS);
    }
    assert_int_equal(measure_seeds_to_show((const double[]){0.1, -0.1}, 2, 100), 0);
}

/* ---- how often it says what is not so: a short form of ./build.sh bench verdicts, the same draws each time ---- */

static void test_false_alarms_and_detection(void **state)
{
    (void)state;
    enum { DRAWS = 200, MOST = 18 }; /* of 200 at a true 5% more than 18 come in one of 500 */
    static const struct {
        uint32_t rows;
        int seeds;
        double correlation;
    } cases[] = {{500, 1, 0}, {200, 3, 0.5}, {500, 5, 0.15}, {200, 10, 0.5}, {200, 20, 0.5}, {200, 20, 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Simulation even = {cases[i].rows, cases[i].seeds, cases[i].correlation, 0.25, 0};
        Simulation apart = even;
        double keeps, ends, matched, none;
        apart.drop = 0.05;
        simulate_pairs(&even, SIMULATE_KEEPS, DRAWS, &keeps, &ends, &none);
        simulate_pairs(&apart, SIMULATE_LEARNING, DRAWS, &none, &none, &matched);
        const double forgot = simulate_forgot(&even, DRAWS);
        if (forgot * DRAWS > MOST / 2.0 + 4 || keeps * DRAWS > MOST || ends * DRAWS > MOST || matched * DRAWS > MOST)
            fail_msg("%u rows, %d seeds, correlation %g: forgot %g, keeps more %g, ends higher %g, matched %g",
                     cases[i].rows, cases[i].seeds, cases[i].correlation, forgot, keeps, ends, matched);
    }
    const Simulation sure = {500, 1, 0, 0.25, 0.1};
    assert_true(simulate_forgot(&sure, DRAWS) >= 0.9);
}

/* ---- the chart of swaps ---- */

enum { SWAP_PARTS = 8, SWAP_DRAWS = 200 };

/* The first task's rows at the end with a part put back: a tenth of the rows change, and `returns` more are right. */
static ResultSwap swap_made(Arena *arena, const Evaluation *end, uint32_t draw, int seed, double returns)
{
    static const char *const parts[SWAP_PARTS] = {"embeddings", "layer 1", "layer 2", "layer 3",
                                                  "layer 4",    "layer 5", "layer 6", "pooler"};
    const double lost = (0.1 - returns) / 2 / SIMULATE_ACCURACY, gained = (0.1 + returns) / 2 / (1 - SIMULATE_ACCURACY);
    bool *all = arena_new(arena, bool, end->rows), *with = arena_new(arena, bool, end->rows);
    ResultSwap swap = {parts[draw % SWAP_PARTS], end->rows, 0, end->correct, {all, with}};
    for (uint32_t k = 0; k < end->rows; k++) {
        const uint32_t counter[4] = {k, draw, (uint32_t)seed, 1}, common[4] = {k, draw, 0, 2}, key[2] = {2026, 12};
        uint32_t own[4], row[4];
        philox4x32(counter, key, own);
        philox4x32(common, key, row);
        const double x = (own[0] % 3 ? own[1] : row[1]) / 4294967296.0; /* a third of the seeds do as the row does */
        all[k] = true;
        with[k] = end->right[k] ? x >= lost : x < gained;
        swap.correct += with[k];
    }
    return swap;
}

/* In how many draws the chart marks any part as more than chance explains. */
static int swaps_with_a_star(uint32_t rows, int seeds, double returns)
{
    const Simulation s = {rows, seeds, 0.15, 0.25, 0};
    int stars = 0;
    for (uint32_t number = 0; number < SWAP_DRAWS; number++) {
        Arena arena = {0};
        const Results r = simulate(&arena, &s, SIMULATE_FORGETS, number);
        for (size_t i = 0; i < r.runs.count; i++) {
            ResultRun *run = &r.runs.at[i];
            run->old[2] = arena_new(&arena, ResultOld, 1);
            for (uint32_t k = 0; k < SWAP_PARTS; k++)
                *dyn_push(&arena, &run->old[2]->swaps) =
                    swap_made(&arena, &run->matrix[2], number * SWAP_PARTS + k, (int)i, k == 3 ? returns : 0);
        }
        const LayerTable t = layers_collect(&arena, &r, true);
        stars += layers_count_sure(&t) > 0;
        arena_free(&arena);
    }
    return stars;
}

static void test_swaps_by_chance_have_no_star(void **state)
{
    (void)state;
    static const int seeds[] = {1, 3};
    for (size_t i = 0; i < COUNT(seeds); i++) {
        const int by_chance = swaps_with_a_star(200, seeds[i], 0), real = swaps_with_a_star(200, seeds[i], 0.1);
        if (by_chance > 18 || real < SWAP_DRAWS * 9 / 10) /* of 200 at a true 5% more than 18 come in one of 500 */
            fail_msg("%d seeds, %d draws: a star by chance in %d, for 10 points in %d", seeds[i], SWAP_DRAWS, by_chance,
                     real);
    }
}

static const struct CMUnitTest sentences_tests[] = {
    cmocka_unit_test(test_swaps_by_chance_have_no_star),
    cmocka_unit_test(test_every_sentence_agrees_with_the_table),
    cmocka_unit_test(test_what_to_do_next_follows_the_verdict),
    cmocka_unit_test(test_seeds_that_would_decide),
    cmocka_unit_test(test_plain_words_agree_with_the_table),
    cmocka_unit_test(test_false_alarms_and_detection),
};
