/* command: one file for each subcommand. */
#ifndef LETHE_COMMAND_H
#define LETHE_COMMAND_H

#include "../assets.h"
#include "../report/report.h"

typedef enum OptionKind { OPTION_TEXT, OPTION_LIST, OPTION_INT, OPTION_REAL, OPTION_FLAG } OptionKind;

typedef struct Option {
    const char *name;
    OptionKind kind;
    double low, high;             /* of numbers */
    const char *argument, *about; /* for the help text */
} Option;

typedef struct Command {
    const char *name;
    bool (*run)(int argc, char **argv, Err *err); /* argv[0] is the command's name */
    const char *about;                            /* one line */
    const char *help;                             /* the text of `lethe help NAME` */
    const Option *options;                        /* printed behind it */
    size_t option_count;
} Command;

extern const Command commands[]; /* ends with a NULL name */
bool command_dispatch(int argc, char **argv, Err *err);

#endif
