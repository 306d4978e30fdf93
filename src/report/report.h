/* report: the table, the numbers and the charts of a run, drawn from its results.jsonl alone. */
#ifndef LETHE_REPORT_H
#define LETHE_REPORT_H

#include "../experiment/measures.h"
#include "../files/files.h"

typedef struct ResultTask {
    const char *name, *train, *eval; /* the two files, or names of embedded data */
    uint32_t classes, train_rows, eval_rows;
    double majority_rate; /* of the evaluation rows, 0 to 1 */
} ResultTask;

/* A final evaluation. rows == 0: not evaluated (yet). */
typedef struct ResultCell {
    uint32_t rows, correct;
    bool paired;           /* lost and gained are known */
    uint32_t lost, gained; /* rows right after the task's own training and wrong now; the other way round */
} ResultCell;

typedef struct ResultStep {
    uint32_t step; /* from 1, within the task */
    double loss;
} ResultStep;
typedef DYN(ResultStep) ResultCurve;

/* One method with one seed. */
typedef struct ResultRun {
    int method;
    uint32_t seed;
    bool finished;
    uint64_t trainable; /* parameters; 0 until finished */
    double seconds;
    ResultCell *matrix;  /* [after task][task] */
    ResultCurve *curves; /* [task] training loss */
} ResultRun;

typedef struct Results {
    const char *version, *preset, *device, *model; /* model: its name */
    ResultTask *tasks;
    const char **methods;
    int task_count, method_count, seed_count; /* seed_count: planned, of all folders together */
    DYN(ResultRun) runs;                      /* in order of methods, then seeds */
    bool finished;                            /* every folder holds a finished run */
    double seconds;                           /* of all folders; 0 when not finished */
    uint64_t peak_bytes;                      /* the highest of all folders */
    uint32_t epochs, batch_size;              /* 0: not told */
    double learning_rate, lora_learning_rate; /* 0: not told */
} Results;

/* Reads FOLDER/results.jsonl of each folder. Several must be the same experiment with different seeds. A last line cut
 * short is passed over, and so are events of unknown kind; anything else that does not make sense is an error that names
 * file and line. *out lives in the arena. */
bool report_load(Arena *arena, const char *const *folders, int folder_count, Results *out, Err *err);
/* The same from memory: one file's text; `what` names it in errors. */
bool report_parse(Arena *arena, Str text, const char *what, Results *out, Err *err);

/* The results table and what can be said, 80 columns wide. Box drawing when the locale is UTF-8, colour on a terminal
 * unless NO_COLOR is set. Always true, so that it can stand in a chain; ferror(out) tells whether writing went well. */
bool report_table(const Results *results, FILE *out);

/* Writes out_dir/table.md, out_dir/summary.json and out_dir/charts/ (before_after.png, loss.png, matrix.png). font: a
 * TrueType file. */
bool report_write(const Results *results, const char *out_dir, Str font, Err *err);

#endif
