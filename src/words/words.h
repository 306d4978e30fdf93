/* words: numbers and words for people, each kind in one place. The table, the charts, Markdown, HTML and the messages
 * of commands call these, and format nothing themselves; what programs read (JSON, predictions) is not made here.
 *
 * A text is UTF-8 and is made once; text_for then fits it to its medium: a terminal without UTF-8, Markdown, HTML.
 * Texts live in the arena. Decimals have a '.' whatever the locale says, since lethe never sets LC_NUMERIC. */
#ifndef LETHE_WORDS_H
#define LETHE_WORDS_H

#include "../measures/measures.h"

/* ---- Numbers ---- A number that is not known (NAN) is "–"; none is ever "-0.0". */
const char *format_count(Arena *arena, uint64_t count);               /* "1000", "10,000", "1,234,567" */
const char *format_decimal(Arena *arena, double x, int digits);       /* after the point: "0.93", "12" */
const char *format_short(Arena *arena, double x);                     /* six digits at most: "5e-05", "0.25", "1000" */
const char *format_exponent(Arena *arena, double x);                  /* two digits: "3.2e-08" */
const char *format_minus(Arena *arena, const char *number);           /* with a real minus, where it begins with '-' */
const char *format_duration(Arena *arena, double seconds);            /* "0.4 s", "33 s", "5 min 33 s", "2 h 5 min" */
const char *format_megabytes(Arena *arena, double bytes, int digits); /* "91.3 MB", of 10^6 bytes */
const char *format_gigabytes(Arena *arena, double bytes, int digits); /* "1.4 GB", of 10^9 bytes */

/* ---- Shares and their differences: 1 is 100%, or 100 points ---- */
const char *format_share(Arena *arena, double share);                /* in percent or points: "81.7", "100.0" */
const char *format_percent(Arena *arena, double share);              /* "81.7%" */
const char *format_percents(Arena *arena, double share, int digits); /* after the point: "60%" */
const char *format_cell(Arena *arena, double share);                 /* of a table: "81.7", "100" */
const char *format_interval(Arena *arena, Interval interval);        /* "[74–83]", in whole percents; "[-5, 8]" */
const char *format_half_width(Arena *arena, Interval interval);      /* half of high - low: "3.4" */
const char *format_points(Arena *arena, double difference);          /* "-23.0", "0.0", "+1.5" */
const char *format_range(Arena *arena, Interval interval);           /* "-27.3 to -4.6 points" */

/* ---- Probabilities of tests: below TEST_LEVEL cut after four digits, not rounded up to it ---- */
const char *format_p(Arena *arena, double p); /* "p < 0.0001", "p = 0.031", "p = 0.24" */
/* Of a p of which only the lowest and the highest value are known one end: "p ≤ 0.031", "p ≥ 0.060". */
const char *format_p_bound(Arena *arena, Interval p, bool at_most);

/* ---- Words ---- */
const char *plural(uint64_t count, const char *one, const char *many);                       /* either, by the count */
const char *format_counted(Arena *arena, uint64_t count, const char *one, const char *many); /* "1 row", "20 rows" */
const char *format_list(Arena *arena, const char *const *items, int count); /* "", "a", "a and b", "a, b and c" */
/* "a, b": both with the separator between them, or the one that is not empty. Lists grow by it. */
const char *text_join(Arena *arena, const char *a, const char *separator, const char *b);

/* ---- Media ---- */
typedef enum Medium {
    MEDIUM_UTF8,     /* a picture, or a terminal that shows UTF-8 */
    MEDIUM_ASCII,    /* any other terminal: "-" for "–", ">" for "→" */
    MEDIUM_MARKDOWN, /* as it is, where Markdown would take its signs for markup */
    MEDIUM_LATEX,    /* as text outside of math; what pdflatex has no letter for stays for the reader to replace */
    MEDIUM_HTML,     /* as text, or as the value of an attribute in quotes; what may not stand there is U+FFFD */
} Medium;
Medium medium_of_terminal(void); /* UTF-8 or ASCII, by the locale */
const char *text_for(Arena *arena, Medium medium, const char *text);
int text_width(const char *text);                       /* columns: code points */
const char *shell_word(Arena *arena, const char *word); /* as a POSIX shell takes it for this one word */
/* The first `columns` code points, the last of them "…" when something is cut. */
const char *text_shorten(Arena *arena, const char *text, int columns);
/* Prints the words of a text from `column` on, and goes on in lines that begin at `indent`, none longer than `columns`
 * unless a word is; returns the column after the last word. White space is a blank. */
int text_wrap(FILE *out, const char *text, int column, int indent, int columns);

/* ---- Progress on stderr ----
 * On a terminal one line that redraws itself; otherwise a line now and then. Quiet: nothing. */
typedef struct Progress {
    char label[64];
    uint64_t total, done;
    double started, shown; /* seconds by clock_seconds; shown: when the line was last drawn */
    double left;           /* seconds to the end of what the line is part of; negative: of this alone, by its rate */
    bool quiet, terminal, drawn;
} Progress;
void progress_begin(Progress *progress, bool quiet, uint64_t total, const char *label_format, ...) PRINTF(4, 5);
/* `note` may be empty; it follows the bar (a loss, an accuracy). */
void progress_step(Progress *progress, uint64_t done, const char *note_format, ...) PRINTF(3, 4);
/* Says what is being done where there are no steps to count. */
void progress_say(Progress *progress, const char *format, ...) PRINTF(2, 3);
/* How long all of it takes, of which this is a part: seconds; NAN: not known yet. */
void progress_leave(Progress *progress, double seconds);
/* Removes the bar from a terminal; prints nothing. */
void progress_end(Progress *progress);
/* Columns of the terminal that a stream goes to: what COLUMNS says, else the terminal's own; 80 when unknown. */
int terminal_columns(FILE *stream);

#endif
