/* options: an option of the command line is one row. Parsing, help, presets, config.json, `lethe plan`, the identity of
 * a run and the page read that row; nothing else says its name, range, choices or default. */
#ifndef LETHE_OPTIONS_H
#define LETHE_OPTIONS_H

#include "../files/files.h"

/* What a value is, and as what it is stored in the row's target. */
typedef enum OptionType {
    OPTION_TEXT,    /* const char *: a name, a path; or what the row's `read` takes apart */
    OPTION_LIST,    /* as OPTION_TEXT, given once for each item; stored by `read` alone */
    OPTION_INT,     /* uint32_t: a whole number */
    OPTION_REAL,    /* float */
    OPTION_CHOICE,  /* unsigned: the place of the value in `choices` */
    OPTION_CHOICES, /* uint32_t: a bit for each of the choices that a comma-separated list names */
    OPTION_FLAG,    /* bool; takes no value */
} OptionType;

/* What another value changes in the results of a run. All but CHANGES_NOTHING is part of the run's identity. */
typedef enum OptionChanges {
    CHANGES_NOTHING,
    CHANGES_RUN,       /* what the run consists of: its tasks, model, methods, seeds, preset and events */
    CHANGES_EVALUATED, /* which rows are evaluated; reports compare those by their data */
    CHANGES_ALL,       /* every method */
    CHANGES_ENCODER,   /* methods that train the encoder at the common rate */
    CHANGES_ADAPTER,   /* methods with an adapter */
    CHANGES_OWN,       /* methods with the strategy whose option it is */
} OptionChanges;

typedef struct Option Option;
/* Takes a value apart into `target`, the struct of the command's values. */
typedef bool OptionRead(const Option *row, void *target, Arena *arena, const char *value, Err *err);

struct Option {
    const char *name; /* without "--" */
    OptionType type;
    double low, high;     /* of numbers: both are accepted, nothing beyond */
    const char *argument; /* what help calls the value; null: a flag */
    /* One line for help; a line break is a blank. "{}" stands for the default, which otherwise follows in brackets. */
    const char *about;
    /* What the program does when nothing is given, as the command line takes it. Null: it takes no value for that. */
    const char *default_value;
    const char *large_value;    /* the same for encoders from LARGE_HIDDEN on; null: as others */
    const char *notebook_value; /* the same with --preset notebook; null: as default_value */
    const char *default_words;  /* for people, where the values do not say it; "": help does not say it */
    const char *const *choices; /* NULL after the last */
    const uint32_t *bits;       /* of OPTION_CHOICES: what each choice stands for; null: a bit of its own */
    const char *unit;           /* of a number, what it counts; what choices are called; null: it has none */
    const char *title;          /* under which the page shows the value at its head; null: it does not */
    OptionChanges changes;
    bool passing;  /* steers this call only: config.json does not keep it */
    bool by_task;  /* a number that one task may have for itself: --task-option */
    size_t target; /* place of the value in the struct of the command's values */
    OptionRead *read;
};

enum { LARGE_HIDDEN = 768, OPTION_ROWS_MOST = 128 };

/* The rows that a command takes, in the order of its help. */
typedef struct OptionRows {
    const Option *at[OPTION_ROWS_MOST];
    size_t count;
} OptionRows;
void option_rows_add(OptionRows *rows, const Option *table, size_t count);
const Option *option_find(const OptionRows *rows, const char *name); /* null: there is none */

/* Reads argv[1] .. argv[argc - 1] into `given`, an empty JSON object: the name of an option to its text, true for
 * flags, a list of texts for OPTION_LIST. "--name value" and "--name=value"; order is free, "--" ends the options, the
 * last of two values counts. Values are not looked into. Further arguments, at most `most_rest` of them, move to
 * argv[1] .. argv[*rest]; rest may be null when there are none. argv[0] names the command in errors. Exit code 2. */
bool options_parse(const OptionRows *rows, int argc, char **argv, int most_rest, json_t *given, int *rest, Err *err);
/* Whether a word of the command line begins an option. "-", which is stdin, does not. */
bool option_begins(const char *word);
/* The text given for an option, null when there is none; it lives as long as `given`. */
const char *option_text(const json_t *given, const char *name);

/* A value as a number: a choice as its place, choices as their bits, a flag as 1. Not for texts. Fails with exit code
 * 2, names the option and says what is needed. */
bool option_number(const Option *row, const char *value, double *number, Err *err);
/* Stores a value in target + row->target, or leaves it to row->read. Texts are not copied. */
bool option_set(const Option *row, void *target, Arena *arena, const char *value, Err *err);
double option_get(const Option *row, const void *target); /* as option_number */
/* A number as the command line takes it, in the shortest decimal form that gives the same float (single) or double. */
const char *option_show(Arena *arena, const Option *row, double number, bool single);

/* Stores the defaults of all rows, then what was given, in its order; no OPTION_LIST. */
bool options_set(const OptionRows *rows, const json_t *given, void *target, Arena *arena, Err *err);

typedef struct OptionPreset {
    bool notebook, large; /* large: the encoder's hidden size is at least LARGE_HIDDEN */
} OptionPreset;
/* The row's default as the command line takes it; null: none. */
const char *option_default(const Option *row, OptionPreset preset);
/* "5e-5, from hidden size 768 on 3e-5; notebook 3e-5"; "": nothing to say. */
const char *option_default_words(Arena *arena, const Option *row);
/* row->about with its default. */
const char *option_about(Arena *arena, const Option *row);

/* ---- rows that several commands have ---- */
#define OPTION_DEVICE(target_)                                                                                   \
    {                                                                                                            \
        "device", OPTION_TEXT, 0, 0, "NAME", "auto, cpu, gpu, gpu:N", .default_value = "auto", .target = target_ \
    }
#define OPTION_THREADS(about_, target_)                                                                   \
    {                                                                                                     \
        "threads", OPTION_INT, 1, 256, "N", about_, .default_words = "one a processor", .target = target_ \
    }
/* Matched learning, of reports: in points. Not given, a report goes by what its run was given. */
#define MATCH_MARGIN_POINTS 5
#define OPTION_WORDS_OF(number) #number
#define OPTION_WORDS(number) OPTION_WORDS_OF(number)
#define OPTION_MATCH_MARGIN(about_, target_)                                                                         \
    {                                                                                                                \
        "match-margin", OPTION_REAL, 0.1, 100, "POINTS", about_,                                                     \
            .unit = "points", .passing = true, .default_words = OPTION_WORDS(MATCH_MARGIN_POINTS), .target = target_ \
    }
/* How a report speaks: the place of the value is whether it speaks as an expert does. */
extern const char *const option_words_choices[];
#define OPTION_WORDS_CHOICE(target_)                                                                      \
    {                                                                                                     \
        "words", OPTION_CHOICE, 0, 0, "WHICH",                                                            \
            "of the report: plain, with the tests after them, or expert: the tests alone",                \
            .default_value = "plain", .choices = option_words_choices, .passing = true, .target = target_ \
    }
/* 100,000 below the largest number of 32 bits, so that seed + epoch is one, too. */
#define OPTION_SEED_HIGH 4294867295.0

/* Cuts the next item off a comma-separated list; false at its end. */
bool list_next(Str *rest, Str *item);

#endif
