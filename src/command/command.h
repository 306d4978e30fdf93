/* command: one file for each subcommand. */
#ifndef LETHE_COMMAND_H
#define LETHE_COMMAND_H

#include "../about.h"
#include "../assets.h"
#include "../report/report.h"
#include "../serve/serve.h"

typedef struct Command {
    const char *name;
    bool (*run)(int argc, char **argv, Err *err); /* argv[0] is the command's name */
    const char *about;                            /* one line */
    const char *help;                             /* the text of `lethe help NAME` */
    const Option *options;                        /* of its own, printed after it */
    size_t option_count;
    bool takes_run; /* the options of a run, too */
} Command;

extern const Command commands[]; /* ends with a NULL name */
/* All rows that a command takes, its own first. */
void command_rows(const Command *command, OptionRows *rows);
bool command_dispatch(int argc, char **argv, Err *err);

#endif
