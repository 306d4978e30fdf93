#include "report.h"

#include <string.h>

/* All rows that were lost or won back, with a filter by method that needs no script: the choice of a radio button hides
 * what follows it, by rules of the style sheet. */

enum {
    HTML_CHANGES_ROWS = 2000,        /* of a task, at most; what the page can hold may be less: */
    HTML_CHANGES_BYTES = 600 * 1024, /* of all tasks */
    HTML_CHANGES_FILTERS = 100       /* methods with a button of their own */
};

static int html_filters(const Results *r) { return least_int(r->method_count, HTML_CHANGES_FILTERS); }

/* Rows and entries carry m0, m1, ... for methods and l, w for lost and won back; a row also m0l, m0w, .... */
static void html_changes_style(Html *h, const Results *r)
{
    if (r->task_count < 2) return;
    html_raw(h, ".fl:checked~.scroll .r:not(.l),.fl:checked~.scroll .e:not(.l),.fw:checked~.scroll .r:not(.w),"
                ".fw:checked~.scroll .e:not(.w){display:none}\n");
    for (int m = 0; m < html_filters(r); m++)
        markup_put(&h->out,
                   ".f%d:checked~.scroll .r:not(.m%d),.f%d:checked~.scroll .e:not(.m%d),"
                   ".f%d:checked~.fl:checked~.scroll .r:not(.m%dl),.f%d:checked~.fw:checked~.scroll .r:not(.m%dw)"
                   "{display:none}\n",
                   m, m, m, m, m, m, m, m);
}

/* A button of a group: `group` names it within its task. */
static void html_choice(Html *h, int task, char group, int number, const char *class, const char *label, bool checked)
{
    markup_put(&h->out, "<input type=\"radio\" name=\"%c%d\" id=\"%c%d-%d\" class=\"%s\"%s/><label for=\"%c%d-%d\">",
               group, task, group, task, number, class, checked ? " checked=\"checked\"" : "", group, task, number);
    html_text(h, label);
    html_raw(h, "</label>\n");
}

static void html_changes_filter(Html *h, const Results *r, int task, const TaskChanges *all)
{
    html_raw(h, "<span class=\"by\">Method:</span>\n");
    html_choice(h, task, 'm', 0, "fa", "all", true);
    for (int m = 0; m < html_filters(r); m++)
        if (all->runs[m]) html_choice(h, task, 'm', m + 1, arena_printf(h->arena, "f%d", m), r->methods[m], false);
    html_raw(h, "<br/><span class=\"by\">Rows:</span>\n");
    html_choice(h, task, 'k', 0, "fb", "lost and won back", true);
    html_choice(h, task, 'k', 1, "fl", "lost", false);
    html_choice(h, task, 'k', 2, "fw", "won back", false);
}

/* "full lost it: negative, 0.97 → positive, 0.07"; with several seeds in how many. */
static void html_changes_entry(Html *h, const Results *r, const ResultTask *t, const ChangedRow *row,
                               const RowOfMethod *of, int kind, int runs)
{
    const RowFate *fate = &of->fate[kind];
    const char *label = row->text ? task_class(h->arena, t, row->text->label) : "the true class",
               *wrong = fate->known ? task_class(h->arena, t, fate->answer) : "another";
    markup_put(&h->out, "<p class=\"e m%d %c\">", of->method, "lw"[kind]);
    html_text(h, arena_printf(h->arena, "%s %s it%s: %s → %s", r->methods[of->method], changes_kinds[kind],
                              runs > 1 ? arena_printf(h->arena, " with %d of %d seeds", fate->count, runs) : "",
                              kind ? wrong : label, kind ? label : wrong));
    if (fate->known)
        html_text(h, arena_printf(h->arena, "; %s → %s", format_decimal(h->arena, fate->before, 2),
                                  format_decimal(h->arena, fate->after, 2)));
    html_raw(h, "</p>");
}

static void html_changes_row(Html *h, const Results *r, const ResultTask *t, const ChangedRow *row,
                             const TaskChanges *all)
{
    html_raw(h, "<tr class=\"r");
    for (int kind = 0; kind < 2; kind++)
        if (row->count[kind]) markup_put(&h->out, " %c", "lw"[kind]);
    for (size_t i = 0; i < row->by.count; i++) {
        const RowOfMethod *of = &row->by.at[i];
        markup_put(&h->out, " m%d", of->method);
        for (int kind = 0; kind < 2; kind++)
            if (of->fate[kind].count) markup_put(&h->out, " m%d%c", of->method, "lw"[kind]);
    }
    html_raw(h, "\">");
    html_tag(h, "th", " scope=\"row\"", arena_printf(h->arena, "%u", row->row));
    html_forgotten_text(h, row->text);
    html_tag(h, "td", "", row->text ? task_class(h->arena, t, row->text->label) : "–");
    html_raw(h, "<td class=\"words\">");
    for (size_t i = 0; i < row->by.count; i++)
        for (int kind = 0; kind < 2; kind++)
            if (row->by.at[i].fate[kind].count)
                html_changes_entry(h, r, t, row, &row->by.at[i], kind, all->runs[row->by.at[i].method]);
    html_raw(h, "</td></tr>\n");
}

/* Rows until the page's share of bytes is used up. Returns how many. */
static int html_changes_rows(Html *h, const Results *r, int task, const TaskChanges *all)
{
    const size_t begun = h->out.text.count, share = HTML_CHANGES_BYTES / (size_t)(r->task_count - 1);
    int shown = 0;
    for (; shown < all->row_count && h->out.text.count - begun < share; shown++)
        html_changes_row(h, r, &r->tasks[task], &all->rows[shown], all);
    return shown;
}

/* Of an earlier task: closed, as it is long. */
static void html_changes(Html *h, const Results *r, int task)
{
    const TaskChanges all = changes_of_task(h->arena, r, task, HTML_CHANGES_ROWS);
    if (!all.total) return;
    const char *name = r->tasks[task].name, *count = format_counted(h->arena, (uint64_t)all.total, "row", "rows");
    html_raw(h, "<details class=\"changes\">");
    html_tag(h, "summary", "",
             arena_printf(h->arena, "All %s of %s that any method lost or won back, by method", count, name));
    html_changes_filter(h, r, task, &all);
    html_table(h, "forgotten", arena_printf(h->arena, "Rows of %s, those lost by most first", name));
    html_raw(h, "<thead><tr>");
    html_column(h, "row", false);
    html_column(h, "text", true);
    html_column(h, "true class", false);
    html_column(h, "answers then → now; probability of the true class then → now", true);
    html_raw(h, "</tr></thead>\n<tbody>\n");
    const int shown = html_changes_rows(h, r, task, &all);
    html_raw(h, "</tbody>\n");
    html_table_end(h);
    const char *all_of_them =
        "Each of them, for each method and seed, with its text: " CHANGES_FILE " beside this page.";
    html_tag(h, "p", " class=\"soft\"",
             shown < all.total ? arena_printf(h->arena, "Shown are the first %s of %s. %s",
                                              format_count(h->arena, (uint64_t)shown), count, all_of_them)
                               : all_of_them);
    html_raw(h, "</details>\n");
}

/* Those that most methods forgot, and then all. */
static void html_forgotten_of_task(Html *h, const Results *r, int task, const Forgotten *forgotten)
{
    const char *name = r->tasks[task].name;
    html_tag(h, "h3", "", arena_printf(h->arena, "Forgotten of %s", name));
    const char *by_all = verdict_forgotten(h->arena, r, task);
    if (by_all) html_explained(h, "p", by_all);
    const int count = least_int(forgotten->row_count, HTML_ROWS);
    if (count)
        html_forgotten_rows(h, &r->tasks[task], forgotten->rows, count, forgotten->runs,
                            arena_printf(h->arena, "Rows of %s forgotten by most methods: %d of %d", name, count,
                                         forgotten->row_count));
    html_changes(h, r, task);
}

/* Whether any run records what it lost or won back of a task. */
static bool html_has_changes(Html *h, const Results *r, int task)
{
    return changes_of_task(h->arena, r, task, 0).total > 0;
}

static void html_write_forgotten(Html *h, const Results *r)
{
    bool begun = false;
    for (int j = 0; j < r->task_count - 1; j++) {
        const Forgotten forgotten = report_forgotten(h->arena, r, -1, j);
        if (!html_has_changes(h, r, j)) continue;
        if (!begun) {
            html_section(h, "forgotten", "Forgotten examples");
            html_raw(h, "<p>Lost, or forgotten: right just after the task’s own training, wrong after the last task. "
                        "Won back: the other way round.</p>\n");
        }
        begun = true;
        html_forgotten_of_task(h, r, j, &forgotten);
    }
    if (begun) html_section_end(h);
}

/* ---- what the tasks look like ---- */

/* Two rows of a task: the first whose words are recorded, and the first of another class. */
static int html_examples_of(const ResultTask *t, const ResultText *out[2])
{
    int count = 0;
    for (size_t i = 0; i < t->texts.count && count < 2; i++)
        if (!count || t->texts.at[i].label != out[0]->label) out[count++] = &t->texts.at[i];
    return count;
}

static void html_write_examples(Html *h, const Results *r)
{
    bool any = false;
    const ResultText *rows[2];
    for (int j = 0; j < r->task_count; j++) any = any || html_examples_of(&r->tasks[j], rows);
    if (!any) return;
    html_section(h, "tasks", "What was to be learned");
    html_raw(h, "<dl>\n");
    for (int j = 0; j < r->task_count; j++) {
        const ResultTask *t = &r->tasks[j];
        const int count = html_examples_of(t, rows);
        html_explained(h, "dt", arena_printf(h->arena, r->task_count > 1 ? "%s, task %d" : "%s", t->name, j + 1));
        html_raw(h, "<dd>");
        html_text(h, arena_printf(h->arena, "%u classes; %s to train, %s to evaluate. ", t->classes,
                                  format_counted(h->arena, t->train_rows, "row", "rows"),
                                  format_count(h->arena, t->eval_rows)));
        for (int i = 0; i < count; i++) {
            html_raw(h, i ? "<br/>" : count > 1 ? "Two of them:<br/>" : "One of them:<br/>");
            html_quoted(h, text_shorten(h->arena, rows[i]->text, HTML_TEXT_COLUMNS));
            if (rows[i]->pair) {
                html_raw(h, " – ");
                html_quoted(h, text_shorten(h->arena, rows[i]->pair, HTML_TEXT_COLUMNS));
            }
            html_raw(h, ": ");
            html_tag(h, "b", "", task_class(h->arena, t, rows[i]->label));
        }
        html_raw(h, "</dd>\n");
    }
    html_raw(h, "</dl>\n");
    html_section_end(h);
}

/* ---- the words ---- */

/* Those that the page has used. */
static void html_write_glossary(Html *h)
{
    html_raw(h, "<section id=\"words\" aria-labelledby=\"words-title\">\n<h2 id=\"words-title\">Words</h2>\n<dl>\n");
    for (size_t i = 0; i < COUNT(glossary); i++) {
        if (!h->use.page[i]) continue;
        html_tag(h, "dt", arena_printf(h->arena, " id=\"term-%s\"", glossary[i].id), glossary[i].name);
        html_tag(h, "dd", "", glossary[i].about);
    }
    html_raw(h, "</dl>\n");
    html_section_end(h);
}
