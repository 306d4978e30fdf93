#include "command.h"

#include <string.h>
#include <unistd.h>

/* Help texts in as many columns as there are, at most 80. */

static int help_columns(void)
{
    enum { MOST = 80 };
    return least_int(terminal_columns(STDOUT_FILENO), MOST);
}

/* Prints the words of a text after `blanks` blanks at `column`, and goes on in lines that begin at `indent`; returns
 * the column behind the last word. A line break of the text is a blank. */
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
