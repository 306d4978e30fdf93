#include "report.h"

#include <math.h>
#include <string.h>

/* Tables for papers, as LaTeX (booktabs), CSV and Markdown: a row for each method, in each cell a number of the chosen
 * metric with its interval. One or two tasks are one table; of more there is one right after the tasks' own training
 * and one at the end. */

typedef struct PaperColumn {
    const char *head;      /* of a paper: "sentiment after nli" */
    int after, task;       /* of a cell; task -1: none */
    int from;              /* of a change, after this task; -1: none */
    int measure;           /* of matrix_measures; -1: none */
    bool difference, mark; /* points; marked with a star where the task was not learned */
} PaperColumn;

typedef struct PaperTable {
    const char *caption, *label;
    DYN(PaperColumn) columns;
} PaperTable;
enum { PAPER_TABLES = 2 };

static void paper_add(Arena *arena, PaperTable *table, PaperColumn column)
{
    *dyn_push(arena, &table->columns) = column;
}

static void paper_add_cell(Arena *arena, PaperTable *table, const Results *r, int after, int task)
{
    const char *name = r->tasks[task].name;
    paper_add(
        arena, table,
        (PaperColumn){.head = after == task ? name : arena_printf(arena, "%s after %s", name, r->tasks[after].name),
                      .after = after,
                      .task = task,
                      .from = -1,
                      .measure = -1,
                      .mark = after == task});
}

static void paper_add_measure(Arena *arena, PaperTable *table, const char *head, int measure)
{
    paper_add(arena, table,
              (PaperColumn){.head = head,
                            .task = -1,
                            .from = -1,
                            .measure = measure,
                            .difference = measure == MATRIX_FIRST_LAST || measure == MATRIX_BACKWARD});
}

/* Returns how many tables there are. */
static int paper_tables(Arena *arena, const Results *r, PaperTable tables[PAPER_TABLES])
{
    const int last = r->task_count - 1;
    const char *what = metric_words[r->metric].title;
    memset(tables, 0, PAPER_TABLES * sizeof *tables);
    PaperTable *own = &tables[0], *end = last < 2 ? own : &tables[1];
    for (int j = 0; j <= last; j++) paper_add_cell(arena, own, r, j, j);
    if (last >= 2) paper_add_measure(arena, own, "mean", MATRIX_LEARNING);
    for (int j = 0; j <= last - (last < 2); j++) paper_add_cell(arena, end, r, last, j);
    if (last == 1)
        paper_add(arena, own,
                  (PaperColumn){.head = "change", .after = 1, .task = 0, .from = 0, .measure = -1, .difference = true});
    if (last >= 1) paper_add_measure(arena, end, last < 2 ? "mean at the end" : "mean", MATRIX_AVERAGE);
    if (last >= 2) paper_add_measure(arena, end, "forgetting", MATRIX_FIRST_LAST);
    own->label = last < 2 ? "lethe" : "lethe-learned";
    end->label = last < 2 ? "lethe" : "lethe-end";
    const char *upper = r->metric == METRIC_ACCURACY ? "Accuracy" : r->metric == METRIC_MACRO_F1 ? "Macro-F1" : what;
    own->caption = last < 2 ? arena_printf(arena, "%s%s of each method", upper, metric_words[r->metric].unit)
                            : arena_printf(arena, "%s%s on each task right after its own training", upper,
                                           metric_words[r->metric].unit);
    if (last >= 2)
        end->caption = arena_printf(arena,
                                    "%s%s on each task after the last one, and forgetting (mean of right after "
                                    "the task's own training minus the end)",
                                    upper, metric_words[r->metric].unit);
    return last < 2 ? 1 : 2;
}

static Score paper_score(const Results *r, int method, const PaperColumn *c)
{
    if (c->measure >= 0) return metric_measure(r, r->metric, method, (size_t)c->measure);
    if (c->from >= 0) return metric_change(r, r->metric, method, c->task);
    return metric_score(r, r->metric, method, c->after, c->task);
}

/* "76.4 ± 2.1" over seeds, "75.0 [69–80]" of one; "–": not known. */
static const char *paper_cell(Arena *arena, const Results *r, int method, const PaperColumn *c)
{
    const Score score = paper_score(r, method, c);
    if (!score.seeds) return "–";
    const char *value =
        c->difference ? format_minus(arena, format_points(arena, score.mean)) : format_cell(arena, score.mean);
    if (c->mark && verdict_missed(r, method, c->task)) value = arena_printf(arena, "%s*", value);
    if (isnan(score.interval.low)) return value;
    if (score.seeds > 1) return arena_printf(arena, "%s ± %s", value, format_half_width(arena, score.interval));
    return arena_printf(arena, "%s %s", value, format_interval(arena, score.interval));
}

/* What always answering the most frequent class reaches; "": of no cell. */
static const char *paper_majority(Arena *arena, const Results *r, const PaperColumn *c)
{
    if (c->task < 0 || c->from >= 0) return "";
    const double share = metric_of_majority(r, r->metric, c->task);
    return isnan(share) ? "" : format_cell(arena, share);
}

/* What the numbers in brackets, or after the ±, and the star are. */
static const char *paper_note(Arena *arena, const Results *r)
{
    const int seeds = verdict_most_seeds(r);
    const bool accuracy = r->metric == METRIC_ACCURACY;
    const char *note =
        seeds > 1 ? arena_printf(arena,
                                 "Mean over %d seeds ± half of its 95%% interval: Student's t, never narrower than %s "
                                 "the rows",
                                 seeds, accuracy ? "the binomial noise of" : "a bootstrap over")
                  : arena_printf(arena, "In brackets the 95%% interval: %s",
                                 accuracy ? "Wilson's, of a change by paired rows (Bonett and Price 2012)"
                                          : "percentile bootstrap over rows, 1,000 draws");
    if (!accuracy) note = text_join(arena, note, "; ", table_metric_note);
    if (table_star(r)) note = text_join(arena, note, "; ", table_star(r));
    return arena_printf(arena, "%s.", note);
}

/* ---- Markdown ---- */

static void paper_markdown_table(Arena *arena, const Results *r, const PaperTable *table, FILE *out)
{
    fprintf(out, "%s:\n\n| method |", text_for(arena, MEDIUM_MARKDOWN, table->caption));
    for (size_t c = 0; c < table->columns.count; c++)
        fprintf(out, " %s |", text_for(arena, MEDIUM_MARKDOWN, table->columns.at[c].head));
    fprintf(out, "\n|---|");
    for (size_t c = 0; c < table->columns.count; c++) fprintf(out, "---:|");
    fprintf(out, "\n");
    for (int m = 0; m < r->method_count; m++) {
        fprintf(out, "| %s |", text_for(arena, MEDIUM_MARKDOWN, r->methods[m]));
        for (size_t c = 0; c < table->columns.count; c++)
            fprintf(out, " %s |", text_for(arena, MEDIUM_MARKDOWN, paper_cell(arena, r, m, &table->columns.at[c])));
        fprintf(out, "\n");
    }
    fprintf(out, "| majority |");
    for (size_t c = 0; c < table->columns.count; c++)
        fprintf(out, " %s |", paper_majority(arena, r, &table->columns.at[c]));
    fprintf(out, "\n\n");
}

/* For table.md: the tables with an interval in each cell. */
static void paper_markdown(Arena *arena, const Results *r, FILE *out)
{
    PaperTable tables[PAPER_TABLES];
    const int count = paper_tables(arena, r, tables);
    for (int i = 0; i < count; i++) paper_markdown_table(arena, r, &tables[i], out);
    fprintf(out, "%s\n\n", text_for(arena, MEDIUM_MARKDOWN, paper_note(arena, r)));
}

/* ---- LaTeX ---- */

static const char *paper_tex(Arena *arena, const char *text) { return text_for(arena, MEDIUM_LATEX, text); }

static void paper_latex_table(Arena *arena, const Results *r, const PaperTable *table, FILE *out)
{
    fprintf(out,
            "\\begin{table}\n  \\centering\n  \\small\n  \\caption{%s. %s}\n  \\label{tab:%s}\n  "
            "\\begin{tabular}{@{}l",
            paper_tex(arena, table->caption), paper_tex(arena, paper_note(arena, r)), table->label);
    for (size_t c = 0; c < table->columns.count; c++) fprintf(out, "r");
    fprintf(out, "@{}}\n    \\toprule\n    method");
    for (size_t c = 0; c < table->columns.count; c++)
        fprintf(out, " & %s", paper_tex(arena, table->columns.at[c].head));
    fprintf(out, " \\\\\n    \\midrule\n");
    for (int m = 0; m < r->method_count; m++) {
        fprintf(out, "    %s", paper_tex(arena, r->methods[m]));
        for (size_t c = 0; c < table->columns.count; c++)
            fprintf(out, " & %s", paper_tex(arena, paper_cell(arena, r, m, &table->columns.at[c])));
        fprintf(out, " \\\\\n");
    }
    fprintf(out, "    \\midrule\n    majority class");
    for (size_t c = 0; c < table->columns.count; c++)
        fprintf(out, " & %s", paper_majority(arena, r, &table->columns.at[c]));
    fprintf(out, " \\\\\n    \\bottomrule\n  \\end{tabular}\n\\end{table}\n");
}

/* What TeX prints of the methods' publications, in the order of the methods: "full \cite{...}, ewc \cite{...}". */
static const char *paper_latex_citations(Arena *arena, const Results *r)
{
    const char *list = "";
    for (int m = 0; m < r->method_count; m++) {
        bool said = false;
        for (int k = 0; k < m; k++) said = said || strcmp(r->method_info[k].base, r->method_info[m].base) == 0;
        const char *keys = said ? "" : cite_keys(arena, r->method_info[m].base);
        const char *base = r->method_info[m].base; /* without values of its own, unless --rename gave it a name */
        const char *shown = strncmp(r->methods[m], base, strlen(base)) == 0 ? base : r->methods[m];
        if (*keys) list = text_join(arena, list, ", ", arena_printf(arena, "%s~%s", paper_tex(arena, shown), keys));
    }
    return list;
}

static void paper_latex_tables(const Results *r, FILE *out)
{
    Arena arena = {0};
    PaperTable tables[PAPER_TABLES];
    const int count = paper_tables(&arena, r, tables);
    fprintf(out, "%% Written by lethe report --latex: \\input this file; it needs \\usepackage{booktabs}.\n%s",
            r->finished ? "" : "% The run is not finished.\n");
    for (int i = 0; i < count; i++) paper_latex_table(&arena, r, &tables[i], out);
    arena_free(&arena);
}

static void paper_latex_setup(const Results *r, FILE *out)
{
    Arena arena = {0};
    const char *sentences[SETUP_SENTENCES];
    const int count = setup_sentences(&arena, r, sentences);
    fprintf(out, "%% Written by lethe report --latex, from the run event alone: \\input this file; the keys stand in "
                 "references.bib.\n\\paragraph{Setup.}\n");
    for (int i = 0; i < count; i++) fprintf(out, "%s\n", paper_tex(&arena, sentences[i]));
    const char *cited = paper_latex_citations(&arena, r);
    if (*cited) fprintf(out, "The methods are those of %s.\n", cited);
    fprintf(out,
            "Whether a task was forgotten is decided by exact tests on the same rows~\\cite{%s}; all was computed "
            "with lethe~\\cite{lethe}.\n",
            cite_mcnemar.key);
    arena_free(&arena);
}

/* ---- CSV (RFC 4180) ---- */

/* A text that a spreadsheet takes for one: in quotes, and never for a formula. */
static void paper_csv_text(FILE *out, const char *text)
{
    fputc('"', out);
    if (strchr("=+-@", *text) && *text) fputc('\'', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void paper_csv_number(FILE *out, double x)
{
    fputc(',', out);
    if (!isnan(x)) fprintf(out, "%.9g", x);
}

/* The last task right after its training is the last task at the end: one column. */
static bool paper_csv_repeats(const PaperTable *tables, int table, const PaperColumn *column)
{
    for (int t = 0; t < table && column->task >= 0 && column->from < 0; t++)
        for (size_t c = 0; c < tables[t].columns.count; c++) {
            const PaperColumn *other = &tables[t].columns.at[c];
            if (other->from < 0 && other->task == column->task && other->after == column->after) return true;
        }
    return false;
}
static void paper_csv_row(const Results *r, int method, const PaperTable *tables, int count, FILE *out)
{
    int seeds = 0;
    for (size_t i = 0; i < r->runs.count; i++) seeds += r->runs.at[i].method == method;
    paper_csv_text(out, r->methods[method]);
    fprintf(out, ",%s,%d", metric_words[r->metric].name, seeds);
    for (int t = 0; t < count; t++)
        for (size_t c = 0; c < tables[t].columns.count; c++) {
            if (paper_csv_repeats(tables, t, &tables[t].columns.at[c])) continue;
            const Score score = paper_score(r, method, &tables[t].columns.at[c]);
            paper_csv_number(out, score.seeds ? score.mean : NAN);
            paper_csv_number(out, score.seeds ? score.interval.low : NAN);
            paper_csv_number(out, score.seeds ? score.interval.high : NAN);
        }
    fprintf(out, "\r\n");
}

static void paper_csv(const Results *r, FILE *out)
{
    Arena arena = {0};
    PaperTable tables[PAPER_TABLES];
    const int count = paper_tables(&arena, r, tables);
    fprintf(out, "\"method\",\"metric\",\"seeds\"");
    for (int t = 0; t < count; t++)
        for (size_t c = 0; c < tables[t].columns.count; c++) {
            const PaperColumn *column = &tables[t].columns.at[c];
            if (paper_csv_repeats(tables, t, column)) continue;
            const char *head =
                column->measure < 0 ? column->head : arena_printf(&arena, "%s", matrix_measures[column->measure].name);
            static const char *const ends[] = {"", " low", " high"};
            for (size_t e = 0; e < COUNT(ends); e++) {
                fputc(',', out);
                paper_csv_text(out, arena_printf(&arena, "%s%s", head, ends[e]));
            }
        }
    fprintf(out, "\r\n");
    for (int m = 0; m < r->method_count; m++) paper_csv_row(r, m, tables, count, out);
    arena_free(&arena);
}
