#include "report.h"

#include <stdio.h>
#include <string.h>

/* table.md: what the terminal shows, and what can be said of each method, which rows were forgotten, and the rules; the
 * charts follow. */

enum { MARKDOWN_ROWS = 5, MARKDOWN_TEXT_COLUMNS = 160 };

static const char *markdown_safe(Arena *arena, const char *text) { return text_for(arena, MEDIUM_MARKDOWN, text); }

static void markdown_row(FILE *out, const TableGrid *grid, const TableRow *row)
{
    fputc('|', out);
    for (int c = 0; c < grid->columns; c++)
        fprintf(out, " %s |", row->cells[c] ? markdown_safe(grid->arena, row->cells[c]) : "");
    fprintf(out, " %s |", row->remark ? markdown_safe(grid->arena, row->remark) : "");
    fputc('\n', out);
}

static void markdown_grid(FILE *out, const TableGrid *grid)
{
    TableRow head = {.remark = "what can be said"};
    for (int c = 0; c < grid->columns; c++)
        head.cells[c] = text_join(grid->arena, grid->head[0][c], " ", grid->head[1][c]);
    markdown_row(out, grid, &head);
    fputs("|---|", out);
    for (int c = 1; c < grid->columns; c++) fputs(grid->words && c == grid->columns - 1 ? "---|" : "---:|", out);
    fputs("---|\n", out);
    for (size_t i = 0; i < grid->rows.count; i++) markdown_row(out, grid, &grid->rows.at[i]);
    markdown_row(out, grid, &grid->majority);
}

static void markdown_tables(Arena *arena, const Results *r, FILE *out)
{
    TableGrid grid = {.arena = arena};
    table_grid(r, &grid);
    markdown_grid(out, &grid);
    fprintf(out, "\nIn the table: %s.\n\n", markdown_safe(arena, table_legend(arena, r)));
    if (r->task_count > 2) paper_markdown(arena, r, out);
    if (r->task_count <= 2 && table_star(r)) fprintf(out, "%s\n\n", markdown_safe(arena, table_star(r)));
    const char *beside = table_beside(arena, r);
    if (beside) fprintf(out, "%s\n\n", markdown_safe(arena, beside));
}

/* ---- forgotten examples ---- */

/* A row's words, its label, how sure its method was then and now, and what it says now. */
static void markdown_forgotten_row(Arena *arena, const ResultTask *task, const ForgottenRow *row, FILE *out)
{
    const ResultText *text = row->text;
    const char *words = text ? text->text : "",
               *pair = text && text->pair ? arena_printf(arena, " / %s", text->pair) : "";
    fprintf(out, "| %u | %s | %s |", row->row,
            markdown_safe(arena, text_shorten(arena, arena_printf(arena, "%s%s", words, pair), MARKDOWN_TEXT_COLUMNS)),
            text ? markdown_safe(arena, task_class(arena, task, text->label)) : "");
    if (row->recorded)
        fprintf(out, " %s | %s |\n", forgotten_fall(arena, row),
                markdown_safe(arena, task_class(arena, task, row->prediction)));
    else
        fprintf(out, " | |\n");
}

static void markdown_forgotten_rows(Arena *arena, const ResultTask *task, const ForgottenRow *rows, int count,
                                    FILE *out)
{
    fprintf(out, "| row | text | label | its probability, then and now | now said to be |\n|---:|---|---|---:|---|\n");
    for (int i = 0; i < count; i++) markdown_forgotten_row(arena, task, &rows[i], out);
    fputc('\n', out);
}

static void markdown_forgotten_by_method(Arena *arena, const Results *r, int method, int task, FILE *out)
{
    const Forgotten f = report_forgotten(arena, r, method, task);
    if (!f.row_count) return;
    const ForgottenRow *worst = &f.rows[0];
    fprintf(out, "- %s: %s", markdown_safe(arena, r->methods[method]), verdict_forgotten_by_one(arena, &f));
    if (worst->recorded)
        fprintf(out, "; furthest: row %u%s%s%s, %s", worst->row, worst->text ? ", \"" : "",
                worst->text ? markdown_safe(arena, text_shorten(arena, worst->text->text, MARKDOWN_TEXT_COLUMNS / 2))
                            : "",
                worst->text ? "\"" : "", forgotten_fall(arena, worst));
    fputc('\n', out);
}

/* Of each earlier task: the rows that all methods forgot, and how many each. */
static void markdown_forgotten(Arena *arena, const Results *r, FILE *out)
{
    bool begun = false;
    for (int j = 0; j < r->task_count - 1; j++) {
        const Forgotten all = report_forgotten(arena, r, -1, j);
        const char *task = markdown_safe(arena, r->tasks[j].name);
        if (!all.row_count) continue;
        if (!begun)
            fprintf(
                out,
                "## Forgotten examples\n\nRight just after the task's own training, wrong after the last task.\n\n");
        begun = true;
        const int count = least_int(all.by_all, MARKDOWN_ROWS);
        if (all.methods > 1)
            fprintf(out, "%s%s\n\n", markdown_safe(arena, verdict_forgotten_by_all(arena, r, j, &all)),
                    all.by_all > count ? "; those that fell furthest:"
                    : count            ? ":"
                                       : ".");
        if (all.methods > 1 && count) markdown_forgotten_rows(arena, &r->tasks[j], all.rows, count, out);
        fprintf(out, "Rows of %s that each forgot:\n\n", task);
        for (int m = 0; m < r->method_count; m++) markdown_forgotten_by_method(arena, r, m, j, out);
        fputc('\n', out);
    }
}

/* What each method does, where the run says it. */
static void markdown_methods(Arena *arena, const Results *r, FILE *out)
{
    bool begun = false;
    for (int m = 0; m < r->method_count; m++) {
        const ResultMethodInfo *info = &r->method_info[m];
        if (!*info->about) continue;
        if (!begun) fprintf(out, "## The methods\n\n");
        begun = true;
        const char *cite = *info->cite ? arena_printf(arena, " (%s)", info->cite) : "";
        fprintf(out, "- %s: %s%s\n", markdown_safe(arena, r->methods[m]), markdown_safe(arena, info->about),
                markdown_safe(arena, cite));
    }
    if (begun) fputc('\n', out);
}

static void markdown_advice(Arena *arena, const Results *r, FILE *out)
{
    const AdviceList advice = report_advice(arena, r);
    if (advice.count) fprintf(out, "## What to do next\n\n");
    for (size_t i = 0; i < advice.count; i++) {
        fprintf(out, "- %s\n", markdown_safe(arena, advice.at[i].sentence));
        if (advice.at[i].command) fprintf(out, "\n      %s\n\n", advice.at[i].command);
    }
    if (advice.count) fputc('\n', out);
}

static void markdown_write(const Results *r, FILE *out)
{
    Arena arena = {0};
    const char *sentences[VERDICT_SENTENCES];
    const int count = verdict_sentences(&arena, r, sentences);
    fprintf(out, "# %s\n\n%s\n\n", markdown_safe(&arena, verdict_headline(&arena, r)),
            markdown_safe(&arena, table_setting(&arena, r)));
    for (int j = 0; j < r->task_count; j++) {
        const ResultTask *t = &r->tasks[j];
        fprintf(out, "%d. %s: %u classes, %s rows to train, %s to evaluate, majority class %s\n", j + 1,
                markdown_safe(&arena, t->name), t->classes, format_count(&arena, t->train_rows),
                format_count(&arena, t->eval_rows), format_percent(&arena, t->majority_rate));
    }
    fputc('\n', out);
    const char *plain[PLAIN_SENTENCES];
    const int plain_count = r->expert ? 0 : plain_sentences(&arena, r, plain);
    for (int i = 0; i < plain_count; i++) fprintf(out, "- %s\n", markdown_safe(&arena, plain[i]));
    if (plain_count) fprintf(out, "\n## In detail\n\n");
    for (int i = 0; i < count; i++) fprintf(out, "- %s\n", markdown_safe(&arena, sentences[i]));
    fputc('\n', out);
    markdown_advice(&arena, r, out);
    markdown_tables(&arena, r, out);
    markdown_forgotten(&arena, r, out);
    markdown_methods(&arena, r, out);
    fprintf(out, "## The rules\n\n");
    for (size_t i = 0; i < COUNT(verdict_rules); i++) fprintf(out, "- %s\n", markdown_safe(&arena, verdict_rules[i]));
    arena_free(&arena);
}
