#include "report.h"

#include <langinfo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The results as a table: on a terminal and as Markdown. */

enum { TABLE_COLUMNS = 80, TABLE_MAX_CELLS = 8, TABLE_NAME_COLUMNS = 16 };

typedef struct TableStyle {
    bool utf8, colour;
} TableStyle;

typedef struct TableRow {
    const char *cells[TABLE_MAX_CELLS]; /* NULL: empty */
    const char *remark;                 /* under the row, or in a last column; NULL: none */
    Verdict verdict;                    /* of the remark: its colour */
} TableRow;

/* The first column is flush left, the others flush right. */
typedef struct TableGrid {
    Arena *arena;
    const char *head[2][TABLE_MAX_CELLS]; /* two lines */
    int columns;
    DYN(TableRow) rows;
    TableRow majority; /* below a rule */
} TableGrid;

/* ---- text ---- */

static int table_width(const char *text)
{
    int width = 0;
    for (; *text; text++) width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* The first `columns` characters, the last of them "…" when something is cut. */
static const char *table_shorten(Arena *arena, const char *text, int columns)
{
    if (table_width(text) <= columns) return text;
    int width = 0;
    const char *end = text;
    for (; *end; end++) {
        const bool starts = ((unsigned char)*end & 0xc0) != 0x80;
        if (starts && width == columns - 1) break;
        width += starts;
    }
    return arena_printf(arena, "%.*s…", (int)(end - text), text);
}

/* For terminals without UTF-8. */
static const char *table_ascii(Arena *arena, const char *text)
{
    static const struct {
        const char *from, *to;
    } signs[] = {{"–", "-"}, {"→", ">"}, {"…", "~"}, {"≤", "<="}, {"≥", ">="}, {"±", "+-"}, {"─", "-"}};
    char *out = arena_new(arena, char, strlen(text) + 1), *to = out;
    while (*text) {
        size_t skip = 1;
        const char *put = NULL;
        for (size_t i = 0; i < COUNT(signs); i++)
            if (strncmp(text, signs[i].from, strlen(signs[i].from)) == 0) {
                put = signs[i].to;
                skip = strlen(signs[i].from);
            }
        if (put)
            to = stpcpy(to, put);
        else if ((unsigned char)*text < 128)
            *to++ = *text;
        else if (((unsigned char)*text & 0xc0) != 0x80)
            *to++ = '?';
        text += skip;
    }
    return out;
}

static const char *table_styled(Arena *arena, TableStyle style, const char *text) { return style.utf8 ? text : table_ascii(arena, text); }

/* Breaks at spaces; the first line starts behind `first` columns that are already there, the others behind `indent`. */
static void table_wrap(FILE *out, const char *text, int first, int indent)
{
    int column = first;
    bool start = true;
    while (*text) {
        const size_t size = strcspn(text, " ");
        int width = 0;
        for (size_t i = 0; i < size; i++) width += ((unsigned char)text[i] & 0xc0) != 0x80;
        if (!start && column + 1 + width > TABLE_COLUMNS) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            start = true;
        }
        fprintf(out, "%s%.*s", start ? "" : " ", (int)size, text);
        column += width + !start;
        start = false;
        text += size;
        while (*text == ' ') text++;
    }
    fputc('\n', out);
}

/* ---- numbers ---- */

static const char *table_percent(Arena *arena, double share)
{
    return share >= 0.99995 ? "100" : arena_printf(arena, "%.1f", 100 * share);
}

static const char *table_score(Arena *arena, const Score *score)
{
    if (!score->seeds) return "-";
    return arena_printf(arena, "%s [%s–%s]", table_percent(arena, score->mean), table_percent(arena, score->interval.low),
                        table_percent(arena, score->interval.high));
}

static const char *table_points(Arena *arena, double difference)
{
    const double points = round(1000 * difference) / 10;
    return points == 0 ? "0.0" : arena_printf(arena, "%+.1f", points);
}

static const char *table_change(Arena *arena, const Change *change)
{
    if (!change->seeds) return "-";
    const char *points = table_points(arena, change->mean);
    return change->verdict == VERDICT_NOT_LEARNED ? arena_printf(arena, "(%s)", points) : points;
}

static const char *table_mean(Arena *arena, const MeanOver *mean)
{
    if (!mean->count) return "-";
    if (mean->count == 1) return table_percent(arena, mean->mean);
    return arena_printf(arena, "%s ± %.1f", table_percent(arena, mean->mean), 50 * (mean->interval.high - mean->interval.low));
}

/* ---- the grids ---- */

static void table_head(TableGrid *grid, const char *first, const char *second)
{
    ASSERT(grid->columns < TABLE_MAX_CELLS);
    grid->head[0][grid->columns] = first;
    grid->head[1][grid->columns++] = second;
}

static const char *table_task(Arena *arena, const Results *r, int task) { return table_shorten(arena, r->tasks[task].name, TABLE_NAME_COLUMNS); }

static const char *table_after(Arena *arena, const Results *r, int task) { return arena_printf(arena, "after %s", table_shorten(arena, r->tasks[task].name, TABLE_NAME_COLUMNS - 6)); }

static void table_start_rows(const Results *r, TableGrid *grid)
{
    Arena *arena = grid->arena;
    for (int m = 0; m < r->method_count; m++) {
        TableRow *row = dyn_push(arena, &grid->rows);
        *row = (TableRow){.cells = {r->methods[m]}, .remark = verdict_remark(arena, r, m), .verdict = VERDICT_WITHIN_CHANCE};
        if (r->task_count > 1) row->verdict = verdict_change(r, m, 0).verdict;
        if (verdict_missed(r, m, 0)) row->verdict = VERDICT_NOT_LEARNED;
    }
    grid->majority.cells[0] = "majority class";
}

/* One or two tasks: every number with its interval. */
static void table_grid_short(const Results *r, TableGrid *grid)
{
    Arena *arena = grid->arena;
    static const int after[] = {0, 1, 1}, task[] = {0, 1, 0};
    const int numbers = r->task_count == 1 ? 1 : 3;
    table_head(grid, "method", "");
    for (int c = 0; c < numbers; c++) table_head(grid, table_task(arena, r, task[c]), table_after(arena, r, after[c]));
    if (r->task_count > 1) table_head(grid, "change", "");
    table_start_rows(r, grid);
    for (int c = 0; c < numbers; c++) grid->majority.cells[1 + c] = table_percent(arena, r->tasks[task[c]].majority_rate);
    for (int m = 0; m < r->method_count; m++) {
        const char **cells = grid->rows.at[m].cells;
        for (int c = 0; c < numbers; c++) {
            const Score score = verdict_score(r, m, after[c], task[c]);
            cells[1 + c] = table_score(arena, &score);
        }
        if (r->task_count == 1) continue;
        const Change change = verdict_change(r, m, 0);
        cells[1 + numbers] = table_change(arena, &change);
    }
}

/* Three and more tasks: a line for each method. */
static void table_grid_chain(const Results *r, TableGrid *grid)
{
    Arena *arena = grid->arena;
    table_head(grid, "method", "");
    table_head(grid, "average", "accuracy");
    table_head(grid, "right after", "own training");
    table_head(grid, "forgetting", "first-last");
    table_head(grid, "tasks", "learned");
    table_start_rows(r, grid);
    double majority = 0;
    for (int j = 0; j < r->task_count; j++) majority += r->tasks[j].majority_rate / r->task_count;
    grid->majority.cells[1] = grid->majority.cells[2] = table_percent(arena, majority);
    for (int m = 0; m < r->method_count; m++) {
        const MeanOver average = verdict_over_seeds(r, m, measure_average_accuracy), own = verdict_over_seeds(r, m, measure_learning_accuracy),
                       lost = verdict_over_seeds(r, m, verdict_forgetting);
        int learned = 0, trained = 0;
        for (int j = 0; j < r->task_count; j++) {
            int seeds;
            learned += verdict_learned(r, m, j, &seeds) == seeds && seeds > 0;
            trained += seeds > 0;
        }
        const char **cells = grid->rows.at[m].cells;
        cells[1] = table_mean(arena, &average);
        cells[2] = table_mean(arena, &own);
        cells[3] = table_mean(arena, &lost);
        cells[4] = trained ? arena_printf(arena, "%d of %d", learned, trained) : "-";
    }
}

/* Tasks [from, to) of a chain: right after their own training > at the end, for each method. */
static void table_grid_tasks(const Results *r, int from, int to, TableGrid *grid)
{
    Arena *arena = grid->arena;
    const int last = r->task_count - 1;
    table_head(grid, "method", "");
    for (int j = from; j < to; j++) table_head(grid, table_shorten(arena, r->tasks[j].name, 12), j == last ? "" : "own→last");
    table_start_rows(r, grid);
    for (int m = 0; m < r->method_count; m++) {
        grid->rows.at[m].remark = NULL;
        for (int j = from; j < to; j++) {
            const Score own = verdict_score(r, m, j, j), end = verdict_score(r, m, last, j);
            const char *first = own.seeds ? table_percent(arena, own.mean) : "-";
            const char *second = j == last ? "" : arena_printf(arena, "→%s", end.seeds ? table_percent(arena, end.mean) : "-");
            grid->rows.at[m].cells[1 + j - from] = arena_printf(arena, "%s%s%s", first, second, verdict_missed(r, m, j) ? "*" : " ");
        }
    }
    for (int j = from; j < to; j++) grid->majority.cells[1 + j - from] = arena_printf(arena, "%s ", table_percent(arena, r->tasks[j].majority_rate));
}

/* ---- on a terminal ---- */

/* Trailing spaces are left out. */
static void table_print_row(FILE *out, TableStyle style, Arena *arena, const TableGrid *grid, const char *const *cells, const int *widths, bool bold)
{
    int columns = grid->columns;
    while (columns > 1 && (!cells[columns - 1] || !*cells[columns - 1])) columns--;
    for (int c = 0; c < columns; c++) {
        const char *text = table_styled(arena, style, cells[c] ? cells[c] : "");
        const int gap = widths[c] - table_width(text);
        if (c == 0) {
            const bool own_line = gap < 0; /* a long name stands alone above its numbers */
            fprintf(out, "%s%s%s%*s", bold && style.colour ? "\033[1m" : "", text, bold && style.colour ? "\033[0m" : "", own_line ? 0 : gap, "");
            if (own_line) fprintf(out, "\n%*s", widths[0], "");
        } else {
            fprintf(out, "  %*s%s", gap, "", text);
        }
    }
    fputc('\n', out);
}

static void table_print_rule(FILE *out, TableStyle style, int width)
{
    for (int i = 0; i < width; i++) fputs(style.utf8 ? "─" : "-", out);
    fputc('\n', out);
}

static void table_widen(TableStyle style, const TableGrid *grid, const char *const *cells, int *widths)
{
    for (int c = 0; c < grid->columns; c++) {
        const int width = cells[c] ? table_width(table_styled(grid->arena, style, cells[c])) : 0;
        if (width > widths[c]) widths[c] = width;
    }
}

static const char *table_colour(TableStyle style, Verdict verdict)
{
    if (!style.colour) return "";
    return verdict == VERDICT_FORGOT ? "\033[31m" : verdict == VERDICT_NOT_LEARNED || verdict == VERDICT_UNCLEAR ? "\033[33m" : "\033[2m";
}

static void table_print_grid(FILE *out, TableStyle style, const TableGrid *grid)
{
    int widths[TABLE_MAX_CELLS] = {0}, total = 0;
    Arena *arena = grid->arena;
    for (int h = 0; h < 2; h++) table_widen(style, grid, grid->head[h], widths);
    for (size_t i = 0; i < grid->rows.count; i++) table_widen(style, grid, grid->rows.at[i].cells, widths);
    table_widen(style, grid, grid->majority.cells, widths);
    for (int c = 1; c < grid->columns; c++) total += 2 + widths[c];
    if (total + widths[0] > TABLE_COLUMNS) widths[0] = TABLE_COLUMNS - total;
    if (widths[0] < 14) widths[0] = 14;
    total += widths[0];
    table_print_row(out, style, arena, grid, grid->head[0], widths, true);
    table_print_row(out, style, arena, grid, grid->head[1], widths, false);
    table_print_rule(out, style, total);
    for (size_t i = 0; i < grid->rows.count; i++) {
        const TableRow *row = &grid->rows.at[i];
        table_print_row(out, style, arena, grid, row->cells, widths, true);
        if (!row->remark || !*row->remark) continue;
        fprintf(out, "  %s", table_colour(style, row->verdict));
        table_wrap(out, table_styled(arena, style, row->remark), 2, 2);
        if (style.colour) fputs("\033[0m", out);
    }
    table_print_rule(out, style, total);
    table_print_row(out, style, arena, grid, grid->majority.cells, widths, false);
}

static int table_most_seeds(const Results *r)
{
    int most = 0;
    for (int m = 0; m < r->method_count; m++) {
        const Score score = verdict_score(r, m, 0, 0);
        if (score.seeds > most) most = score.seeds;
    }
    return most;
}

static const char *table_seeds(Arena *arena, const Results *r)
{
    const char *list = "";
    int count = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        bool seen = false;
        for (size_t k = 0; k < i; k++) seen = seen || r->runs.at[k].seed == r->runs.at[i].seed;
        if (seen) continue;
        list = arena_printf(arena, "%s%s%u", list, count ? ", " : "", r->runs.at[i].seed);
        if (++count > 12) return arena_printf(arena, "%d seeds", table_most_seeds(r));
    }
    return count ? arena_printf(arena, "seed%s %s", count > 1 ? "s" : "", list) : "no seed yet";
}

/* Model, seeds and preset in a line. */
static const char *table_setting(Arena *arena, const Results *r)
{
    const char *text = *r->model ? arena_printf(arena, "%s, ", r->model) : "";
    text = arena_printf(arena, "%s%s", text, table_seeds(arena, r));
    if (*r->preset) text = arena_printf(arena, "%s, preset %s", text, r->preset);
    if (r->epochs) text = arena_printf(arena, "%s, %u epochs", text, r->epochs);
    return r->finished ? text : arena_printf(arena, "%s: UNFINISHED", text);
}

static const char *table_legend(Arena *arena, const Results *r)
{
    const int seeds = table_most_seeds(r);
    if (r->task_count <= 2 && seeds <= 1) return "accuracy in %, in brackets the 95% interval (Wilson)";
    if (r->task_count <= 2) return arena_printf(arena, "accuracy in %%, mean over %d seeds, in brackets its 95%% interval (Student's t)", seeds);
    return seeds <= 1 ? "accuracy in %, after the last task unless another is named"
                      : arena_printf(arena, "accuracy in %%, after the last task unless another is named; mean ± 95%% t interval over %d seeds", seeds);
}

static void table_print(const Results *r, FILE *out, TableStyle style)
{
    Arena arena = {0};
    TableGrid grid = {.arena = &arena};
    table_wrap(out, table_styled(&arena, style, table_setting(&arena, r)), 0, 2);
    for (int j = 0; j < r->task_count; j++) {
        const ResultTask *t = &r->tasks[j];
        const char *line = arena_printf(&arena, "task %d %s: %u classes, %s rows to train, %s to evaluate", j + 1, t->name,
                                        t->classes, verdict_rows(&arena, t->train_rows), verdict_rows(&arena, t->eval_rows));
        table_wrap(out, table_styled(&arena, style, line), 0, 2);
    }
    fputc('\n', out);
    if (r->task_count <= 2)
        table_grid_short(r, &grid);
    else
        table_grid_chain(r, &grid);
    table_print_grid(out, style, &grid);
    table_wrap(out, table_styled(&arena, style, table_legend(&arena, r)), 0, 0);
    for (int from = 0; r->task_count > 2 && from < r->task_count; from += 5) {
        TableGrid tasks = {.arena = &arena};
        table_grid_tasks(r, from, from + 5 < r->task_count ? from + 5 : r->task_count, &tasks);
        fputc('\n', out);
        table_print_grid(out, style, &tasks);
    }
    if (r->task_count > 2) fputs("* did not learn the task: the interval does not lie above the majority class\n", out);
    const char *sentences[VERDICT_SENTENCES];
    const int count = verdict_sentences(&arena, r, sentences);
    if (count) fputc('\n', out);
    for (int i = 0; i < count; i++) table_wrap(out, table_styled(&arena, style, sentences[i]), 0, 0);
    arena_free(&arena);
}

bool report_table(const Results *results, FILE *out)
{
    const char *no_colour = getenv("NO_COLOR");
    const TableStyle style = {.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
                              .colour = isatty(fileno(out)) && !(no_colour && *no_colour)};
    table_print(results, out, style);
    return true;
}

/* ---- Markdown ---- */

static const char *table_escape(Arena *arena, const char *text)
{
    char *out = arena_new(arena, char, 2 * strlen(text) + 1), *to = out;
    for (; *text; text++) {
        if (strchr("\\`*_[]<>|#", *text)) *to++ = '\\';
        *to++ = *text;
    }
    return out;
}

static void table_markdown_row(FILE *out, const TableGrid *grid, const TableRow *row, bool remarks)
{
    fputc('|', out);
    for (int c = 0; c < grid->columns; c++) fprintf(out, " %s |", row->cells[c] ? table_escape(grid->arena, row->cells[c]) : "");
    if (remarks) fprintf(out, " %s |", row->remark ? table_escape(grid->arena, row->remark) : "");
    fputc('\n', out);
}

static void table_markdown_grid(FILE *out, const TableGrid *grid, bool remarks)
{
    TableRow head = {.remark = "what can be said"};
    for (int c = 0; c < grid->columns; c++)
        head.cells[c] = arena_printf(grid->arena, "%s%s%s", grid->head[0][c], *grid->head[1][c] ? " " : "", grid->head[1][c]);
    table_markdown_row(out, grid, &head, remarks);
    fputs("|---|", out);
    for (int c = 1; c < grid->columns; c++) fputs("---:|", out);
    fputs(remarks ? "---|\n" : "\n", out);
    for (size_t i = 0; i < grid->rows.count; i++) table_markdown_row(out, grid, &grid->rows.at[i], remarks);
    table_markdown_row(out, grid, &grid->majority, remarks);
}

static void table_markdown(const Results *r, FILE *out)
{
    Arena arena = {0};
    TableGrid grid = {.arena = &arena};
    fprintf(out, "# %s\n\n%s\n\n", table_escape(&arena, verdict_headline(&arena, r)), table_escape(&arena, table_setting(&arena, r)));
    for (int j = 0; j < r->task_count; j++) {
        const ResultTask *t = &r->tasks[j];
        fprintf(out, "%d. %s: %u classes, %s rows to train, %s to evaluate, majority class %.1f%%\n", j + 1, table_escape(&arena, t->name),
                t->classes, verdict_rows(&arena, t->train_rows), verdict_rows(&arena, t->eval_rows), 100 * t->majority_rate);
    }
    fputc('\n', out);
    if (r->task_count <= 2)
        table_grid_short(r, &grid);
    else
        table_grid_chain(r, &grid);
    table_markdown_grid(out, &grid, true);
    fprintf(out, "\nIn the table: %s.\n\n", table_legend(&arena, r));
    for (int from = 0; r->task_count > 2 && from < r->task_count; from += 5) {
        TableGrid tasks = {.arena = &arena};
        table_grid_tasks(r, from, from + 5 < r->task_count ? from + 5 : r->task_count, &tasks);
        table_markdown_grid(out, &tasks, false);
        fputs(from + 5 < r->task_count ? "\n" : "\n\\* did not learn the task: the interval does not lie above the majority class\n\n", out);
    }
    const char *sentences[VERDICT_SENTENCES];
    const int count = verdict_sentences(&arena, r, sentences);
    for (int i = 0; i < count; i++) fprintf(out, "%s\n", table_escape(&arena, sentences[i]));
    fprintf(out, "\n![accuracy on the first task before and after the others](charts/before_after.png)\n"
                 "![accuracy on every task after every task](charts/matrix.png)\n"
                 "![training loss](charts/loss.png)\n");
    arena_free(&arena);
}
