#include "command.h"

#include <string.h>

/* lethe manual: lethe(1) in the language of man, from the texts and rows that help prints. */

/* A text as roff takes it: nothing of it is a command, and a dash stays a dash. */
static void manual_text(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (i == 0 && (text[i] == '.' || text[i] == '\'')) printf("\\&");
        if (text[i] == '\\')
            printf("\\e");
        else if (text[i] == '-')
            printf("\\-");
        else if (text[i] == '\n')
            printf(" ");
        else
            putchar(text[i]);
    }
}

/* A text in bold ('B') or italics ('I'). */
static void manual_styled(char style, const char *text)
{
    printf("\\f%c", style);
    manual_text(text, strlen(text));
    printf("\\fR");
}

/* A help text up to its options: what begins with a blank or "usage:" stands as it is, the rest is paragraphs. */
static void manual_help(const char *text)
{
    bool as_it_is = false;
    for (size_t size; *text; text += size + (text[size] == '\n')) {
        size = strcspn(text, "\n");
        if (strncmp(text, "options", 7) == 0 && text[size - 1] == ':') continue;
        const bool own = size && (text[0] == ' ' || strncmp(text, "usage:", 6) == 0);
        if (own != as_it_is) printf(own ? ".PP\n.nf\n" : ".fi\n");
        as_it_is = own;
        if (!size) {
            printf(".PP\n");
            continue;
        }
        manual_text(text, size);
        printf("\n");
    }
    if (as_it_is) printf(".fi\n");
}

static void manual_option(const Option *row, Arena *arena)
{
    const char *about = option_about(arena, row);
    printf(".TP\n");
    manual_styled('B', arena_printf(arena, "--%s", row->name));
    if (row->argument) {
        printf(" ");
        manual_styled('I', row->argument);
    }
    printf("\n");
    for (int i = 0; row->choices && row->choices[i]; i++)
        about = arena_printf(arena, "%s%s%s", about, i ? ", " : "; one of ", row->choices[i]);
    manual_text(about, strlen(about));
    printf("\n");
}

static void manual_methods(Arena *arena)
{
    printf(".SH METHODS\nMethods that go together are joined with +, as in ewc+replay,lora\\-seq+replay.\n");
    for (int s = 0; s < strategy_count; s++) {
        const Strategy *strategy = strategies[s];
        const char *about = text_join(arena, arena_printf(arena, "%s (%s)", strategy->about, strategy->cite), ". ",
                                      strategy->departs ? strategy->departs : "");
        printf(".TP\n");
        manual_styled('B', strategy->name);
        printf("\n");
        manual_text(about, strlen(about));
        printf("\n");
    }
}

bool command_manual(int argc, char **argv, Err *err)
{
    if (argc > 1) return fail_usage(err, "%s: unexpected argument; see lethe help manual", str_show(str(argv[1])));
    Arena arena = {0};
    printf(".\\\" Printed by: lethe manual\n"
           ".TH LETHE 1 \"\" \"lethe " LETHE_VERSION "\" \"User Commands\"\n"
           ".SH NAME\nlethe \\- fine\\-tunes a text encoder on one task after another and shows what it forgets\n"
           ".SH SYNOPSIS\n.B lethe\n[\\fICOMMAND\\fR] [\\fIOPTIONS\\fR]\n"
           ".SH DESCRIPTION\nWithout a command: run.\n.SH COMMANDS\n");
    for (const Command *c = commands; c->name; c++) {
        printf(".SS %s\n", c->name);
        manual_text(c->about, strlen(c->about));
        printf(".\n.PP\n");
        manual_help(c->help);
        OptionRows rows = {0};
        if (c->run == command_run)
            command_rows(c, &rows);
        else
            option_rows_add(&rows, c->options, c->option_count);
        for (size_t i = 0; i < rows.count; i++) manual_option(rows.at[i], &arena);
        if (c->takes_run && c->run != command_run) printf(".PP\nThe options of run are taken, too.\n");
    }
    manual_methods(&arena);
    printf(".SH EXIT STATUS\n0: done. 1: it failed, and one line says why. 2: wrong usage. 130: interrupted.\n");
    arena_free(&arena);
    return true;
}
