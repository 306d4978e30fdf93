#include "command.h"

#include <string.h>

/* Help texts in as many columns as there are, at most 80. */

static int help_columns(void)
{
    enum { MOST = 80 };
    return least_int(terminal_columns(stdout), MOST);
}

/* Prints the words of a text after `blanks` blanks at `column`, and goes on in lines that begin at `indent`; returns
 * the column after the last word. A line break of the text is a blank. */
static int help_wrap(const char *text, int blanks, int column, int indent)
{
    column += printf("%*s", blanks, "");
    return text_wrap(stdout, text, column, indent, help_columns());
}

/* One line of a help text that begins with blanks, as it stands where there is room. */
static void help_line(const char *line, size_t size)
{
    char text[512];
    const int blanks = (int)strspn(line, " ");
    if ((int)size <= help_columns() || size >= sizeof text) {
        printf("%.*s\n", (int)size, line);
        return;
    }
    snprintf(text, sizeof text, "%.*s", (int)size, line);
    help_wrap(text, blanks, 0, blanks + 4);
    printf("\n");
}

/* A help text: lines that begin with blanks, "usage:" and "options" stand for themselves, the others are paragraphs. */
static void help_text(const char *text)
{
    int column = 0;
    while (*text) {
        const size_t size = strcspn(text, "\n");
        const bool own = !size || text[0] == ' ' || strncmp(text, "usage:", 6) == 0;
        if (own && column) printf("\n"), column = 0;
        if (own) {
            help_line(text, size);
        } else {
            char line[512];
            snprintf(line, sizeof line, "%.*s", (int)size, text);
            const bool follows = column && column + 1 + (int)strcspn(line, " ") > help_columns();
            if (follows) printf("\n");
            column = help_wrap(line, column && !follows, follows ? 0 : column, 0);
        }
        text += size + (text[size] == '\n');
    }
    if (column) printf("\n");
}

/* ---- options ---- */

static void option_print(const Option *row, const char *about)
{
    enum { COLUMN = 28, NARROW = 60 }; /* where what it does stands, and on what it gets lines of its own */
    char head[80];
    const bool narrow = help_columns() < NARROW;
    const int indent = narrow ? 6 : COLUMN;
    const int size = snprintf(head, sizeof head, "--%s%s%s", row->name, row->argument ? " " : "",
                              row->argument ? row->argument : "");
    int column = help_wrap(head, 2, 0, 4);
    if (narrow || size > COLUMN - 3) printf("\n"), column = 0;
    help_wrap(about, indent - column, column, indent);
    printf("\n");
}

static void options_print(const Option *table, size_t count)
{
    Arena arena = {0};
    for (size_t i = 0; i < count; i++) option_print(&table[i], option_about(&arena, &table[i]));
    arena_free(&arena);
}

/* The options of a run, then each method with its own. */
static void run_options_print(void)
{
    enum { METHOD_INDENT = 12 };
    Arena arena = {0};
    options_print(run_rows, COUNT(run_rows));
    printf("\nMethods, and their options:\n");
    for (int s = 0; s < strategy_count; s++) {
        const Strategy *strategy = strategies[s];
        const int size = printf("  %-9s", strategy->name);
        help_wrap(arena_printf(&arena, "%s (%s)", strategy->about, strategy->cite), 1, size, METHOD_INDENT);
        if (strategy->departs) {
            printf("\n%*s", METHOD_INDENT, "");
            help_wrap(strategy->departs, 0, METHOD_INDENT, METHOD_INDENT);
        }
        printf("\n");
        for (int k = 0; k < strategy->option_count; k++) {
            const Option *row = &strategy->options[k];
            const char *about = option_about(&arena, row);
            for (int i = 0; row->choices && row->choices[i]; i++)
                about = arena_printf(&arena, "%s%s%s", about, i ? ", " : "\none of ", row->choices[i]);
            option_print(row, about);
        }
    }
    help_text("\nMethods that go together are joined with +, as in ewc+replay,lora-seq+replay.\n");
    arena_free(&arena);
}
