#include "report.h"

#include <math.h>
#include <string.h>

/* The parts of report.html. All text of others goes through html_text, which lets nothing break out. */

typedef struct Html {
    Arena *arena;
    Markup out;
    const Results *results; /* whose words are explained */
    GlossaryUse use;
} Html;

/* Markup of our own. */
static void html_raw(Html *h, const char *markup) { markup_bytes(&h->out, markup, strlen(markup)); }
static void html_text(Html *h, const char *text) { markup_text(&h->out, text); }

/* A command to copy. A narrow page breaks it at spaces, and nowhere within "--out". */
static void html_command(Html *h, const char *command)
{
    html_raw(h, "<pre tabindex=\"0\"><code>");
    for (const char *word = command; *word;) {
        const size_t size = strcspn(word, " ");
        html_raw(h, "<span>");
        html_text(h, arena_printf(h->arena, "%.*s", (int)size, word));
        html_raw(h, word[size] ? "</span> " : "</span>");
        word += size + (word[size] == ' ');
    }
    html_raw(h, "</code></pre>\n");
}

/* <tag attributes>text</tag>; attributes: markup of our own, with a space before it, or "". */
static void html_tag(Html *h, const char *tag, const char *attributes, const char *text)
{
    markup_put(&h->out, "<%s%s>", tag, attributes);
    html_text(h, text);
    markup_put(&h->out, "</%s>\n", tag);
}

/* A sentence in which the words that need it are explained, each once in a section. */
static void html_words(Html *h, const char *text)
{
    const char *from = text;
    bool starts = true; /* at the beginning of a word */
    while (*text) {
        size_t size = 0;
        const GlossaryTerm *term = starts ? glossary_find(h->results, &h->use, text, &size) : NULL;
        if (term) {
            html_text(h, arena_printf(h->arena, "%.*s", (int)(text - from), from));
            markup_put(&h->out, "<a class=\"term\" href=\"#term-%s\">", term->id);
            html_text(h, arena_printf(h->arena, "%.*s", (int)size, text));
            html_raw(h, "<span class=\"tip\" aria-hidden=\"true\">");
            html_text(h, term->about);
            html_raw(h, "</span></a>");
            h->use.section[term - glossary] = h->use.page[term - glossary] = true;
            from = text + size;
        }
        text += size ? size : 1;
        starts = glossary_ends(text[-1]);
    }
    html_text(h, from);
}

static void html_explained(Html *h, const char *tag, const char *text)
{
    markup_put(&h->out, "<%s>", tag);
    html_words(h, text);
    markup_put(&h->out, "</%s>\n", tag);
}

/* Words of others within a sentence, whichever way they run. */
static void html_quoted(Html *h, const char *text)
{
    html_raw(h, "“<bdi>");
    html_text(h, text);
    html_raw(h, "</bdi>”");
}

static void html_section(Html *h, const char *id, const char *title)
{
    memset(h->use.section, 0, sizeof h->use.section);
    markup_put(&h->out, "<section id=\"%s\" aria-labelledby=\"%s-title\">\n<h2 id=\"%s-title\">%s</h2>\n", id, id, id,
               title);
}
static void html_section_end(Html *h) { html_raw(h, "</section>\n"); }

/* What may be wider than the page: it scrolls by itself, with the keyboard, too. */
static void html_scroll(Html *h, const char *label)
{
    html_raw(h, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"");
    html_text(h, label);
    html_raw(h, "\">\n");
}
static void html_scroll_end(Html *h) { html_raw(h, "</div>\n"); }

/* ---- tables ---- */

static void html_table(Html *h, const char *class, const char *caption)
{
    html_scroll(h, caption);
    markup_put(&h->out, "<table class=\"%s\">\n", class);
    html_tag(h, "caption", "", caption);
}
static void html_table_end(Html *h)
{
    html_raw(h, "</table>\n");
    html_scroll_end(h);
}

static void html_column(Html *h, const char *name, bool words)
{
    html_tag(h, "th", words ? " scope=\"col\" class=\"words\"" : " scope=\"col\"", name);
}

/* A cell that names its column where the screen is too narrow for a table. class: "" for none. */
static void html_cell(Html *h, const char *class, const char *column, const char *text)
{
    html_raw(h, "<td");
    if (*class) markup_put(&h->out, " class=\"%s\"", class);
    html_raw(h, " data-column=\"");
    html_text(h, column);
    html_raw(h, "\">");
    html_text(h, text);
    html_raw(h, "</td>\n");
}

static void html_grid_row(Html *h, const TableGrid *grid, const TableRow *row)
{
    html_raw(h, "<tr>");
    html_tag(h, "th", " scope=\"row\"", row->cells[0] ? row->cells[0] : "");
    for (int c = 1; c < grid->columns; c++) {
        const bool words = grid->words && c == grid->columns - 1,
                   forgot = words && row->verdict == VERDICT_FORGOT && row->remark;
        html_cell(h,
                  forgot  ? "words forgot"
                  : words ? "words"
                          : "",
                  text_join(h->arena, grid->head[0][c], " ", grid->head[1][c]), row->cells[c] ? row->cells[c] : "");
    }
    html_raw(h, "</tr>\n");
}

/* As on the terminal: methods, with the majority class at the foot. */
static void html_grid(Html *h, const TableGrid *grid, const char *caption)
{
    html_table(h, "results", caption);
    html_raw(h, "<thead><tr>");
    for (int c = 0; c < grid->columns; c++) {
        html_column(h, text_join(h->arena, grid->head[0][c], " ", grid->head[1][c]),
                    grid->words && c == grid->columns - 1);
    }
    html_raw(h, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < grid->rows.count; i++) html_grid_row(h, grid, &grid->rows.at[i]);
    html_raw(h, "</tbody>\n<tfoot>\n");
    html_grid_row(h, grid, &grid->majority);
    html_raw(h, "</tfoot>\n");
    html_table_end(h);
}

/* ---- measures ---- */

static const char *html_points(Arena *arena, const MeanOver *mean)
{
    if (!mean->count) return "–";
    const char *value = format_minus(arena, format_decimal(arena, round(1000 * mean->mean) / 10, 1));
    if (mean->count == 1) return value;
    return arena_printf(arena, "%s ± %s", value, format_half_width(arena, mean->interval));
}

static bool html_measure_known(const Results *r, int figure)
{
    for (int m = 0; m < r->method_count; m++)
        if (figure_over_seeds(r, m, figures[figure].of).count) return true;
    return false;
}

static void html_write_measures(Html *h, const Results *r)
{
    int known[COUNT(figures)], count = 0;
    for (int f = 0; f < (int)COUNT(figures); f++)
        if (html_measure_known(r, f)) known[count++] = f;
    if (!count) return;
    html_section(h, "measures", "Measures");
    html_table(h, "measures",
               verdict_most_seeds(r) > 1 ? "In % and points; mean ± 95% t interval over seeds" : "In % and points");
    html_raw(h, "<thead><tr>");
    html_column(h, "method", false);
    for (int i = 0; i < count; i++) html_column(h, figures[known[i]].title, false);
    html_raw(h, "</tr></thead>\n<tbody>\n");
    for (int m = 0; m < r->method_count; m++) {
        html_raw(h, "<tr>");
        html_tag(h, "th", " scope=\"row\"", r->methods[m]);
        for (int i = 0; i < count; i++) {
            const MeanOver mean = figure_over_seeds(r, m, figures[known[i]].of);
            html_cell(h, "", figures[known[i]].title, html_points(h->arena, &mean));
        }
        html_raw(h, "</tr>\n");
    }
    html_raw(h, "</tbody>\n");
    html_table_end(h);
    html_raw(h, "<dl>\n");
    for (int i = 0; i < count; i++) {
        html_tag(h, "dt", "", figures[known[i]].title);
        html_explained(h, "dd", figures[known[i]].about);
    }
    html_raw(h, "</dl>\n");
    html_section_end(h);
}

/* ---- forgotten examples ---- */

enum { HTML_ROWS = 8, HTML_TEXT_COLUMNS = 300 };

static void html_forgotten_text(Html *h, const ResultText *text)
{
    html_raw(h, "<td class=\"words text\">");
    if (text) html_tag(h, "bdi", "", text_shorten(h->arena, text->text, HTML_TEXT_COLUMNS));
    if (text && text->pair) {
        html_raw(h, "<br/>→ ");
        html_tag(h, "bdi", "", text_shorten(h->arena, text->pair, HTML_TEXT_COLUMNS));
    }
    html_raw(h, "</td>");
}

/* runs: how many could have forgotten a row; 1: not shown. */
static void html_forgotten_rows(Html *h, const ResultTask *task, const ForgottenRow *rows, int count, int runs,
                                const char *caption)
{
    html_table(h, "forgotten", caption);
    html_raw(h, "<thead><tr>");
    html_column(h, "row", false);
    html_column(h, "text", true);
    html_column(h, "true class", false);
    html_column(h, "its probability: then → now", false);
    html_column(h, "now said to be", false);
    if (runs > 1) html_column(h, "forgotten in", false);
    html_raw(h, "</tr></thead>\n<tbody>\n");
    for (int i = 0; i < count; i++) {
        const ForgottenRow *row = &rows[i];
        html_raw(h, "<tr>");
        html_tag(h, "th", " scope=\"row\"", arena_printf(h->arena, "%u", row->row));
        html_forgotten_text(h, row->text);
        html_cell(h, "", "true class", row->text ? task_class(h->arena, task, row->text->label) : "–");
        html_cell(h, "", "its probability: then → now", row->recorded ? forgotten_fall(h->arena, row) : "–");
        html_cell(h, "", "now said to be", row->recorded ? task_class(h->arena, task, row->prediction) : "–");
        if (runs > 1) html_cell(h, "", "forgotten in", arena_printf(h->arena, "%d of %d", row->runs, runs));
        html_raw(h, "</tr>\n");
    }
    html_raw(h, "</tbody>\n");
    html_table_end(h);
}
