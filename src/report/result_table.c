#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The results as a table, and on a terminal. */

enum { TABLE_COLUMNS = 80, TABLE_MAX_CELLS = 8, TABLE_NAME_COLUMNS = 13, TABLE_LEAST_COLUMNS = 10 };

typedef struct TableStyle {
    Medium medium; /* UTF-8 or ASCII */
    bool colour;
    int columns; /* of the terminal, at most TABLE_COLUMNS */
} TableStyle;

typedef struct TableRow {
    const char *cells[TABLE_MAX_CELLS]; /* NULL: empty */
    const char *remark;                 /* all that can be said, for Markdown */
    Verdict verdict;                    /* of the last cell: its colour */
} TableRow;

/* The first column is flush left, and so is the last when it holds words; the others flush right. */
typedef struct TableGrid {
    Arena *arena;
    const char *head[2][TABLE_MAX_CELLS]; /* two lines */
    int columns;
    bool words; /* the last column holds verdicts */
    DYN(TableRow) rows;
    TableRow majority; /* below a rule */
} TableGrid;

/* ---- cells ---- */

/* "78.7 [74–83]", with a star when the task was not learned. */
static const char *table_score(Arena *arena, const Score *score, bool missed)
{
    if (!score->seeds) return "-";
    return arena_printf(arena, "%s%s %s", format_cell(arena, score->mean), missed ? "*" : "",
                        isnan(score->interval.low) ? "" : format_interval(arena, score->interval));
}

/* in: the change in the table's metric. */
static const char *table_change(Arena *arena, const Change *change, const Score *in)
{
    if (!in->seeds) return "-";
    const char *points = format_points(arena, in->mean);
    return change->verdict == VERDICT_NOT_LEARNED ? arena_printf(arena, "(%s)", points) : points;
}

static const char *table_mean(Arena *arena, const Score *mean)
{
    if (!mean->seeds) return "-";
    if (mean->seeds == 1) return format_cell(arena, mean->mean);
    return arena_printf(arena, "%s ±%s", format_cell(arena, mean->mean), format_half_width(arena, mean->interval));
}

/* ---- the grids ---- */

static void table_head(TableGrid *grid, const char *first, const char *second)
{
    ASSERT(grid->columns < TABLE_MAX_CELLS);
    grid->head[0][grid->columns] = first;
    grid->head[1][grid->columns++] = second;
}

static const char *table_task(Arena *arena, const Results *r, int task)
{
    return text_shorten(arena, r->tasks[task].name, TABLE_NAME_COLUMNS);
}

/* What the colour of a method's verdict follows. */
static Verdict table_verdict(const Results *r, int method)
{
    const Verdict verdict = r->task_count > 1 ? verdict_change(r, method, 0).verdict : VERDICT_NOT_SHOWN;
    if (verdict == VERDICT_FORGOT) return verdict;
    for (int j = 0; j < r->task_count; j++)
        if (verdict_missed(r, method, j)) return VERDICT_NOT_LEARNED;
    return verdict;
}

static void table_start_rows(const Results *r, TableGrid *grid)
{
    Arena *arena = grid->arena;
    for (int m = 0; m < r->method_count; m++)
        *dyn_push(arena, &grid->rows) =
            (TableRow){.cells = {r->methods[m]}, .remark = verdict_remark(arena, r, m), .verdict = table_verdict(r, m)};
    grid->majority.cells[0] = "majority";
}

/* The last column: what can be said in few words. */
static void table_add_words(const Results *r, TableGrid *grid)
{
    table_head(grid, "verdict", "");
    grid->words = true;
    for (int m = 0; m < r->method_count; m++)
        grid->rows.at[m].cells[grid->columns - 1] = verdict_short(grid->arena, r, m);
}

/* What always answering the most frequent class reaches. */
static const char *table_majority(Arena *arena, const Results *r, int task)
{
    return format_cell(arena, metric_of_majority(r, r->metric, task));
}

/* One or two tasks: every number with its interval. */
static void table_grid_short(const Results *r, TableGrid *grid)
{
    Arena *arena = grid->arena;
    static const int after[] = {0, 1, 1}, task[] = {0, 1, 0};
    static const char *const when[] = {"when learned", "when learned", "at the end"};
    const int numbers = r->task_count == 1 ? 1 : 3;
    table_head(grid, "method", "");
    for (int c = 0; c < numbers; c++) table_head(grid, table_task(arena, r, task[c]), when[c]);
    if (r->task_count > 1) table_head(grid, "change", "");
    table_start_rows(r, grid);
    for (int c = 0; c < numbers; c++) grid->majority.cells[1 + c] = table_majority(arena, r, task[c]);
    for (int m = 0; m < r->method_count; m++) {
        const char **cells = grid->rows.at[m].cells;
        for (int c = 0; c < numbers; c++) {
            const Score score = metric_score(r, r->metric, m, after[c], task[c]);
            cells[1 + c] = table_score(arena, &score, after[c] == task[c] && verdict_missed(r, m, task[c]));
        }
        if (r->task_count == 1) continue;
        const Change change = verdict_change(r, m, 0);
        const Score in = metric_change(r, r->metric, m, 0);
        cells[1 + numbers] = table_change(arena, &change, &in);
    }
    table_add_words(r, grid);
}

/* Three and more tasks: a line for each method. */
static void table_grid_chain(const Results *r, TableGrid *grid)
{
    Arena *arena = grid->arena;
    const char *what = r->metric == METRIC_ACCURACY ? "accuracy" : r->metric == METRIC_MCC ? "MCC" : "macro-F1";
    const struct {
        const char *first, *second;
        size_t measure;
    } columns[] = {
        {"average", what, MATRIX_AVERAGE},
        {"learning", what, MATRIX_LEARNING},
        {"forgetting", "first-last", MATRIX_FIRST_LAST},
    };
    bool ceiling = false;
    for (int m = 0; m < r->method_count && r->metric == METRIC_ACCURACY; m++)
        ceiling = ceiling || figure_over_seeds(r, m, figure_intransigence).count;
    table_head(grid, "method", "");
    for (size_t c = 0; c < COUNT(columns); c++) table_head(grid, columns[c].first, columns[c].second);
    if (ceiling) table_head(grid, "below", load_kind_name(r, METHOD_CEILING));
    table_head(grid, "tasks", "learned");
    table_start_rows(r, grid);
    double majority = 0;
    for (int j = 0; j < r->task_count; j++) majority += metric_of_majority(r, r->metric, j) / r->task_count;
    grid->majority.cells[1] = grid->majority.cells[2] = format_cell(arena, majority);
    for (int m = 0; m < r->method_count; m++) {
        const char **cells = grid->rows.at[m].cells;
        int at = 1, learned = 0;
        for (size_t c = 0; c < COUNT(columns); c++) {
            const Score mean = metric_measure(r, r->metric, m, columns[c].measure);
            cells[at++] = table_mean(arena, &mean);
        }
        const MeanOver below = figure_over_seeds(r, m, figure_intransigence);
        if (ceiling) cells[at++] = below.count ? format_points(arena, below.mean) : "-";
        for (int j = 0; j < r->task_count; j++) {
            int seeds;
            learned += verdict_learned(r, m, j, &seeds) == seeds && seeds > 0;
        }
        const int trained = verdict_trained(r, m);
        cells[at] = trained ? arena_printf(arena, "%d of %d", learned, trained) : "-";
    }
    table_add_words(r, grid);
}

static void table_grid(const Results *r, TableGrid *grid)
{
    if (r->task_count <= 2)
        table_grid_short(r, grid);
    else
        table_grid_chain(r, grid);
}

enum { TABLE_TASKS = 5 }; /* that fit side by side */

/* Tasks of a chain from `from` on: right after their own training > at the end, for each method. */
static void table_grid_tasks(const Results *r, int from, TableGrid *grid)
{
    Arena *arena = grid->arena;
    const int last = r->task_count - 1, to = least_int(from + TABLE_TASKS, r->task_count);
    table_head(grid, "method", "");
    for (int j = from; j < to; j++)
        table_head(grid, text_shorten(arena, r->tasks[j].name, 12), j == last ? "" : "own→last");
    table_start_rows(r, grid);
    for (int m = 0; m < r->method_count; m++) {
        for (int j = from; j < to; j++) {
            const Score own = metric_score(r, r->metric, m, j, j), end = metric_score(r, r->metric, m, last, j);
            const char *first = own.seeds ? format_cell(arena, own.mean) : "-";
            const char *second = j == last || !own.seeds
                                     ? ""
                                     : arena_printf(arena, "→%s", end.seeds ? format_cell(arena, end.mean) : "-");
            grid->rows.at[m].cells[1 + j - from] =
                arena_printf(arena, "%s%s%s", first, second, verdict_missed(r, m, j) ? "*" : " ");
        }
    }
    for (int j = from; j < to; j++)
        grid->majority.cells[1 + j - from] = arena_printf(arena, "%s ", table_majority(arena, r, j));
}

/* ---- on a terminal ---- */

static const char *table_colour(TableStyle style, Verdict verdict)
{
    if (!style.colour) return "";
    if (verdict == VERDICT_FORGOT) return "\033[31m";
    return verdict == VERDICT_NOT_LEARNED || verdict == VERDICT_UNCLEAR ? "\033[33m" : "\033[2m";
}

/* Trailing spaces are left out. */
static void table_print_row(FILE *out, TableStyle style, const TableGrid *grid, const TableRow *row, const int *widths,
                            bool bold, bool method)
{
    int columns = grid->columns;
    while (columns > 1 && (!row->cells[columns - 1] || !*row->cells[columns - 1])) columns--;
    for (int c = 0; c < columns; c++) {
        const char *text = text_for(grid->arena, style.medium, row->cells[c] ? row->cells[c] : "");
        const int gap = widths[c] - text_width(text);
        if (c == 0) {
            const bool own_line = gap < 0; /* a long name stands alone above its numbers */
            fprintf(out, "%s%s%s%*s", bold && style.colour ? "\033[1m" : "", text,
                    bold && style.colour ? "\033[0m" : "", own_line ? 0 : gap, "");
            if (own_line) fprintf(out, "\n%*s", widths[0], "");
        } else if (grid->words && c == grid->columns - 1) {
            fprintf(out, "  %s%s%s", method ? table_colour(style, row->verdict) : "", text,
                    method && style.colour ? "\033[0m" : "");
        } else {
            size_t size = strlen(text);
            while (c == columns - 1 && size && text[size - 1] == ' ') size--;
            fprintf(out, "  %*s%.*s", gap, "", (int)size, text);
        }
    }
    fputc('\n', out);
}

static void table_print_rule(FILE *out, TableStyle style, const TableGrid *grid, int width)
{
    const char *sign = text_for(grid->arena, style.medium, "─");
    for (int i = 0; i < width; i++) fputs(sign, out);
    fputc('\n', out);
}

static void table_widen(TableStyle style, const TableGrid *grid, const char *const *cells, int *widths)
{
    for (int c = 0; c < grid->columns; c++) {
        const int width = cells[c] ? text_width(text_for(grid->arena, style.medium, cells[c])) : 0;
        if (width > widths[c]) widths[c] = width;
    }
}

/* A paragraph. */
static void table_paragraph(FILE *out, TableStyle style, const char *text, int indent)
{
    Arena scratch = {0};
    text_wrap(out, text_for(&scratch, style.medium, text), 0, indent, style.columns);
    fputc('\n', out);
    arena_free(&scratch);
}

/* On a terminal that is too narrow for the grid: a paragraph for each row. */
static void table_print_list(FILE *out, TableStyle style, const TableGrid *grid, const TableRow *row)
{
    Arena *arena = grid->arena;
    const char *text = "";
    for (int c = 1; c < grid->columns; c++)
        if (row->cells[c] && *row->cells[c])
            text =
                text_join(arena, text, ", ",
                          grid->words && c == grid->columns - 1
                              ? row->cells[c]
                              : arena_printf(arena, "%s %s", text_join(arena, grid->head[0][c], " ", grid->head[1][c]),
                                             row->cells[c]));
    table_paragraph(out, style, arena_printf(arena, "%s: %s", row->cells[0], text), 2);
}

static void table_print_grid(FILE *out, TableStyle style, const TableGrid *grid)
{
    int widths[TABLE_MAX_CELLS] = {0}, total = 0;
    for (int h = 0; h < 2; h++) table_widen(style, grid, grid->head[h], widths);
    for (size_t i = 0; i < grid->rows.count; i++) table_widen(style, grid, grid->rows.at[i].cells, widths);
    table_widen(style, grid, grid->majority.cells, widths);
    for (int c = 1; c < grid->columns; c++) total += 2 + widths[c];
    if (total + least_int(widths[0], TABLE_LEAST_COLUMNS) > style.columns) {
        for (size_t i = 0; i < grid->rows.count; i++) table_print_list(out, style, grid, &grid->rows.at[i]);
        table_print_list(out, style, grid, &grid->majority);
        return;
    }
    if (total + widths[0] > style.columns) widths[0] = style.columns - total;
    if (widths[0] < TABLE_LEAST_COLUMNS) widths[0] = TABLE_LEAST_COLUMNS;
    total += widths[0];
    for (int h = 0; h < 2; h++) {
        TableRow head = {0};
        memcpy(head.cells, grid->head[h], sizeof head.cells);
        table_print_row(out, style, grid, &head, widths, h == 0, false);
    }
    table_print_rule(out, style, grid, total);
    for (size_t i = 0; i < grid->rows.count; i++)
        table_print_row(out, style, grid, &grid->rows.at[i], widths, true, true);
    table_print_rule(out, style, grid, total);
    table_print_row(out, style, grid, &grid->majority, widths, false, false);
}

static const char *table_seeds(Arena *arena, const Results *r)
{
    const char *list = "";
    int count = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        bool seen = false;
        for (size_t k = 0; k < i; k++) seen = seen || r->runs.at[k].seed == r->runs.at[i].seed;
        if (seen) continue;
        list = text_join(arena, list, ", ", arena_printf(arena, "%u", r->runs.at[i].seed));
        if (++count > 12) return arena_printf(arena, "%d seeds", verdict_most_seeds(r));
    }
    return count ? arena_printf(arena, "%s %s", plural((uint64_t)count, "seed", "seeds"), list) : "no seed yet";
}

/* Model, seeds and preset in a line. */
static const char *table_setting(Arena *arena, const Results *r)
{
    const char *text = text_join(arena, r->model, ", ", table_seeds(arena, r));
    if (*r->preset) text = arena_printf(arena, "%s, preset %s", text, r->preset);
    const char *epochs = load_common_setting(r, "epochs");
    if (epochs) text = arena_printf(arena, "%s, %s epoch%s", text, epochs, strcmp(epochs, "1") == 0 ? "" : "s");
    if (r->shared_first) text = arena_printf(arena, "%s, first task shared", text);
    return r->finished ? text : arena_printf(arena, "%s: UNFINISHED", text);
}

/* What stands beside numbers that are not accuracies. */
static const char table_metric_note[] =
    "what is learned, forgotten and tested is decided by accuracy, whose tests are exact";

/* "3 seeds"; where a method has fewer, "up to 3 seeds, those that each method has". */
static const char *table_over(Arena *arena, const Results *r, int seeds)
{
    bool fewer = false;
    for (int m = 0; m < r->method_count; m++)
        for (int j = 0; j < r->task_count; j++)
            fewer = fewer || verdict_score(r, m, j, j).seeds < seeds ||
                    verdict_score(r, m, r->task_count - 1, j).seeds < seeds;
    return fewer ? arena_printf(arena, "up to %d seeds, those that each method has", seeds)
                 : arena_printf(arena, "%d seeds", seeds);
}

static const char *table_legend(Arena *arena, const Results *r)
{
    const int seeds = verdict_most_seeds(r);
    const bool chain = r->task_count > 2, accuracy = r->metric == METRIC_ACCURACY;
    const char *what = arena_printf(arena, "%s%s%s", metric_words[r->metric].title, metric_words[r->metric].unit,
                                    chain ? ", after the last task unless another is named" : "");
    const char *rows = accuracy ? "Wilson" : "bootstrap over rows",
               *over = accuracy ? "Student's t" : "Student's t and bootstrap over rows", *legend = what;
    if (seeds > 1)
        legend = chain ? arena_printf(arena, "%s; mean ±95%% t interval over %s", what, table_over(arena, r, seeds))
                       : arena_printf(arena, "%s, mean over %s, in brackets its 95%% interval (%s)", what,
                                      table_over(arena, r, seeds), over);
    else if (!chain)
        legend = arena_printf(arena, "%s, in brackets the 95%% interval (%s)", what, rows);
    return accuracy ? legend : arena_printf(arena, "%s; %s", legend, table_metric_note);
}

/* What differs from the preset; NULL: nothing, or it is not recorded. */
static const char *table_beside(Arena *arena, const Results *r)
{
    const char *beside = load_beside_preset(arena, r);
    return *beside ? arena_printf(arena, "settings beside the default: %s", beside) : NULL;
}

/* What a star means, when there is one; NULL: there is none. */
static const char *table_star(const Results *r)
{
    for (int m = 0; m < r->method_count; m++)
        for (int j = 0; j < r->task_count; j++)
            if (verdict_missed(r, m, j)) return "* not learned: the 95% interval does not lie above the majority class";
    return NULL;
}

/* What can be said, before the table: in plain words, or as the tests say it. */
static void table_print_words(Arena *arena, const Results *r, FILE *out, TableStyle style)
{
    const char *sentences[VERDICT_SENTENCES + PLAIN_SENTENCES];
    int count = r->expert ? 0 : plain_sentences(arena, r, sentences);
    if (!count) count = verdict_sentences(arena, r, sentences);
    for (int i = 0; i < count; i++)
        if (r->expert || sentences[i] != r->acquaintance)
            table_paragraph(out, style, sentences[i], 0); /* the page has it */
    if (count) fputc('\n', out);
}

/* A command stands in a line of its own, uncut, to be copied. */
static void table_print_advice(Arena *arena, const Results *r, FILE *out, TableStyle style)
{
    const AdviceList advice = report_advice(arena, r);
    if (!advice.count) table_paragraph(out, style, "Nothing: what was compared is decided.", 0);
    for (size_t i = 0; i < advice.count; i++) {
        const Advice *a = &advice.at[i];
        table_paragraph(out, style, arena_printf(arena, "- %s", a->sentence), 2);
        if (a->command) fprintf(out, "    %s\n", text_for(arena, style.medium, a->command));
    }
}

static void table_print(const Results *r, FILE *out, TableStyle style)
{
    Arena arena = {0};
    TableGrid grid = {.arena = &arena};
    table_paragraph(out, style, table_setting(&arena, r), 2);
    for (int j = 0; j < r->task_count && (r->expert || r->task_count != 2); j++) { /* the default fits 24 lines */
        const ResultTask *t = &r->tasks[j];
        const char *line =
            arena_printf(&arena, "task %d %s: %u classes, %s rows to train, %s to evaluate", j + 1, t->name, t->classes,
                         format_count(&arena, t->train_rows), format_count(&arena, t->eval_rows));
        table_paragraph(out, style, line, 2);
    }
    fputc('\n', out);
    table_print_words(&arena, r, out, style);
    table_grid(r, &grid);
    table_print_grid(out, style, &grid);
    table_paragraph(out, style, table_legend(&arena, r), 0);
    for (int from = 0; r->task_count > 2 && from < r->task_count; from += TABLE_TASKS) {
        TableGrid tasks = {.arena = &arena};
        table_grid_tasks(r, from, &tasks);
        fputc('\n', out);
        table_print_grid(out, style, &tasks);
    }
    if (table_star(r)) table_paragraph(out, style, table_star(r), 2);
    const char *beside = table_beside(&arena, r);
    if (beside) table_paragraph(out, style, beside, 2);
    if (r->folder && report_advice(&arena, r).count) /* itself it would push the verdict out of 24 lines */
        table_paragraph(out, style,
                        arena_printf(&arena, "What to do next: lethe report --next %s", shell_word(&arena, r->folder)),
                        2);
    else
        fputc('\n', out);
    arena_free(&arena);
}

static TableStyle table_style(FILE *out)
{
    const char *no_colour = getenv("NO_COLOR");
    return (TableStyle){.medium = medium_of_terminal(),
                        .columns = least_int(terminal_columns(out), TABLE_COLUMNS),
                        .colour = terminal_has_colours(out) && !(no_colour && *no_colour)};
}

bool report_table(const Results *results, FILE *out)
{
    table_print(results, out, table_style(out));
    return true;
}

bool report_next(const Results *results, FILE *out)
{
    Arena arena = {0};
    table_print_advice(&arena, results, out, table_style(out));
    arena_free(&arena);
    return true;
}
