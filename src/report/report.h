/* report: the table, the numbers and the charts of a run, drawn from its results.jsonl alone. */
#ifndef LETHE_REPORT_H
#define LETHE_REPORT_H

#include "../files/files.h"
#include "../strategy/strategy.h"
#include "../words/words.h"

/* The words of an evaluation row that an event names. */
typedef struct ResultText {
    uint32_t row;            /* from 1, as in predictions.tsv */
    uint32_t label;          /* index of the true class */
    const char *text, *pair; /* UTF-8 without control characters; pair NULL: a single text */
    size_t line;             /* of results.jsonl, for errors */
} ResultText;

typedef struct ResultTask {
    const char *name, *train, *eval; /* the two files, or names of embedded data */
    uint32_t classes, train_rows, eval_rows;
    uint32_t eval_file_rows;  /* labelled rows of `eval`; 0: not recorded */
    double majority_rate;     /* of the evaluation rows, 0 to 1 */
    const char **class_names; /* [classes]; NULL: not recorded */
    const uint32_t *labels;   /* [eval_rows] the true classes; NULL: not recorded */
    DYN(ResultText) texts;    /* by row */
    /* for people; not recorded: "" and NAN */
    const char *train_sha256, *eval_sha256, *how_drawn;
    double train_file_rows, split_percent, tokens_per_row;
    bool again; /* an earlier task comes again */
} ResultTask;

/* How all trainings were made, beside their settings. Not recorded: "" and NAN. */
typedef struct ResultSetup {
    const char *family, *model_sha256, *optimizer, *schedule;
    double layers, hidden, parameters, beta1, beta2, epsilon, clip_norm, warmup_steps, hidden_dropout,
        attention_dropout, threads;
    DYN(uint32_t) seeds; /* planned, of all folders, in the order they are named */
} ResultSetup;

/* What a method can be compared with. */
typedef enum MethodKind {
    METHOD_ORDINARY, /* can forget, and can be ranked */
    METHOD_SEPARATE, /* weights of its own for each task: cannot forget, by construction */
    METHOD_FLOOR,    /* the encoder is never trained: what a fresh head alone can do; cannot forget either */
    METHOD_CEILING, /* trains on all tasks seen so far at once: the upper bound, not a way to learn one after another */
    METHOD_AFTER,   /* averages weights after the fact */
    METHOD_KINDS
} MethodKind;

/* An option that changes results, as the run resolved it. */
typedef struct ResultSetting {
    const char *name, *value; /* as the command line takes them */
    bool beside;              /* differs from the preset's default */
} ResultSetting;

typedef struct ResultMethodInfo {
    MethodKind kind;
    const char *base;  /* the method's name without the settings that set it apart from others of the name */
    const char *asked; /* as its run was asked for it: "ewc@ewc-lambda=100" */
    /* By strategy's account of that name; of a name that it does not know, neither is true. */
    bool full; /* plain training of the whole encoder, task after task: what others are there to improve on */
    bool
        one_adapter; /* plain training of one adapter, task after task: what separate adapters are to be held against */
    ResultSetting *settings; /* [setting_count] its own first, then those of all methods; not recorded: none */
    int setting_count;
    const char *about, *cite; /* for people; "": not recorded */
} ResultMethodInfo;

/* A number of right rows. rows == 0: not evaluated (yet). */
typedef struct ResultShare {
    uint32_t rows, correct;
} ResultShare;

typedef struct ResultStep {
    uint32_t step; /* from 1, within the task */
    double loss;
    double penalty; /* the strategy's own term; NAN: none */
} ResultStep;
typedef DYN(ResultStep) ResultCurve;

/* A look at a fixed subset of an old task's rows while a later task trains. */
typedef struct ResultPoint {
    uint32_t step; /* from 1; ascending */
    uint32_t rows, correct;
    Look look; /* of the task's evaluation rows */
} ResultPoint;

/* Only this block of the encoder put back to its state right after the task's own training. */
typedef struct ResultSwap {
    const char *block; /* "embeddings", "layer 1", ..., "pooler" */
    uint32_t rows, correct, correct_without;
    Look look; /* of the task's evaluation rows */
} ResultSwap;

/* (1 - alpha) * weights before + alpha * weights after. */
typedef struct ResultInterpolation {
    double alpha; /* 0 to 1, ascending */
    uint32_t rows, correct;
} ResultInterpolation;

/* A row that was right just after the task's own training and is wrong now (lost), or the other way round (won). */
typedef struct ResultChanged {
    uint32_t row;         /* from 1 */
    double before, after; /* probability of the true class, then and now */
    uint32_t prediction;  /* the wrong answer: of a lost row the one given now, of one won back the one given then */
} ResultChanged;

/* [count], the largest change first; not necessarily all that there are. */
typedef struct ResultChanges {
    ResultChanged *at;
    int count;
    bool known;
} ResultChanges;

/* What is known of an old task after a later one, beside its evaluation. */
typedef struct ResultOld {
    DYN(ResultPoint) curve; /* while the later task trains */
    DYN(ResultSwap) swaps;  /* in the encoder's order */
    DYN(ResultInterpolation) interpolation;
    const char **layers; /* of cka: "embeddings", "layer 1", ... */
    double *cka_error;   /* [layer_count] its standard error; NAN: not recorded, or not defined */
    double *cka;     /* [layer_count] debiased CKA of the first token's states then and now, to 1; NAN: not defined */
    int layer_count; /* 0: no drift recorded */
    uint32_t drift_rows;
    ResultChanges lost, won;
} ResultOld;

/* One method with one seed. */
typedef struct ResultRun {
    int method;
    uint32_t seed;
    bool finished;
    uint64_t trainable; /* parameters; 0 until finished */
    double seconds;
    Evaluation *matrix;  /* [after task][task] */
    ResultCurve *curves; /* [task] training loss */
    ResultOld **old; /* [after task][task]; NULL: nothing is known. task < after task; of the interpolation also task ==
                        after task */
    double **draws;  /* [after task][task]: see metrics.c */
    ResultShare *probe; /* [i][task]: a head fitted on the states of the pretrained encoder (i = 0), or after i tasks */
} ResultRun;

/* How pictures look: what a report may be asked for, so that a figure needs no editing afterwards. */
enum { LOOK_COLOURS = 5, LOOK_TEXT = 25 };
typedef struct ReportLook {
    float text;        /* size of the ordinary text in a picture 1600 wide; 0: LOOK_TEXT */
    bool narrow;       /* for a telephone: a picture of its own, not the wide one made small */
    float pixels;      /* of a narrow picture, for one of its own; 0: next to none, since it is shown as SVG alone */
    const char *title; /* of the picture in place of its own, "": none; NULL: its own */
    const char *const *titles; /* NAME=TEXT of pictures by the names of their files, or of all; NULL after the last;
                                  NULL: none is given */
    uint32_t colours[LOOK_COLOURS]; /* 0xRRGGBB in place of blue, orange, green, vermillion, purple */
    int colour_count;               /* so many of them are given */
} ReportLook;

/* Files that a report writes only when it is asked to. */
typedef enum ReportFile {
    REPORT_SVG = 1,   /* charts/NAME.svg beside each picture */
    REPORT_LATEX = 2, /* tables.tex, setup.tex, references.bib */
    REPORT_CSV = 4,   /* tables.csv */
} ReportFile;

typedef struct Results {
    Arena *arena;                                  /* where all of it lives, and what is computed once and kept */
    const char *version, *preset, *device, *model; /* model: its name */
    const char *folder;                            /* of the run; NULL: several runs, or not read from a folder */
    const char *acquaintance; /* what the encoder's pre-training has seen of the data, a sentence; "": not recorded */
    bool shared_first;        /* task 1 was trained once for all methods that train it alike */
    ResultTask *tasks;
    const char **methods;                     /* names */
    ResultMethodInfo *method_info;            /* of each of them */
    int task_count, method_count, seed_count; /* seed_count: planned, of all folders together */
    DYN(ResultRun) runs;                      /* in order of methods, then seeds */
    bool finished;                            /* every folder holds a finished run */
    double seconds;                           /* of all folders; 0 when not finished */
    uint64_t peak_bytes;                      /* the highest of all folders */
    bool expert;                              /* --words expert: the tests alone, without the plain words before them */
    Metric metric;  /* --metric: what the table's numbers are; tests and verdicts are of accuracy, whatever it is */
    unsigned files; /* further files that report_write writes, of ReportFile */
    ResultSetup setup;
    double match_margin; /* of matched learning, a share; 0: the default, 0.05. As the run had it; a report may have
                            another */
    ReportLook look;
    /* by report_judge, for all that is written of them; NULL: not judged yet */
    const struct Comparison *comparison;
    const struct AdviceList *advice;
    const struct SweepList *sweeps;
} Results;

/* Reads FOLDER/results.jsonl of each folder. Several must have the same tasks, data and model, and no method twice with
 * the same settings and seed. What differs in other settings becomes methods of their own, "ewc (ewc-lambda 100)". A
 * last line cut short is passed over, and so are events of unknown kind; anything else that does not make sense is an
 * error that names file and line. *out lives in the arena. */
bool report_load(Arena *arena, const char *const *folders, int folder_count, Results *out, Err *err);
/* The same from memory: one file's text; `what` names it in errors. */
bool report_parse(Arena *arena, Str text, const char *what, Results *out, Err *err);
/* The same as a run goes on: whole lines as they come, and after each time what they have come to; NULL: they do not
 * make sense, or there is no "run" yet. What it says lives in the arena until the next time. */
typedef struct ReportReader ReportReader;
ReportReader *report_reader_open(Arena *arena, const char *what);
const Results *report_reader_take(ReportReader *reader, Str lines, Err *err);
void report_reader_close(ReportReader *reader);
/* The folders of the runs that `given` names: a joined folder (see report_write_joined) stands for those that it joins,
 * each once. */
bool report_folders(Arena *arena, const char *const *given, int count, const char *const **folders, int *folder_count,
                    Err *err);
/* Whether the folder holds the results of a run; whether it holds those, or names folders that do. */
bool report_has_run(Arena *arena, const char *folder);
bool report_is_folder(Arena *arena, const char *folder);

/* Writes out_dir/joined.json, by which the folder can be named where those are that it joins. */
bool report_write_joined(const char *out_dir, const char *const *folders, int count, Err *err);

/* Calls a method otherwise, METHOD=NAME, in all that is reported. Exit code 2. */
bool report_rename(Arena *arena, Results *results, const char *assignment, Err *err);
/* Puts the methods of a list first, in its order; the others follow in theirs. Exit code 2. */
bool report_order(Arena *arena, Results *results, const char *list, Err *err);
/* "#0072b2,#e69f00": in place of the palette's first so many colours. Exit code 2. */
bool look_colours(ReportLook *look, const char *list, Err *err);
/* CHART=TEXT, CHART the name of a picture's file or "all": checks it for ReportLook.titles. Exit code 2. */
bool look_title(const char *assignment, Err *err);

/* Compares the methods, finds sweeps and what to do next, once for table, page and summary; after the match margin, the
 * order and the names are set. Lives in the arena of the results. */
void report_judge(Arena *arena, Results *results);

/* The words of a row (from 1); NULL: not recorded. */
const ResultText *result_text(const ResultTask *task, uint32_t row);

/* A row that was right just after its task's own training and is wrong after the last task. */
typedef struct ForgottenRow {
    uint32_t row;           /* from 1 */
    int methods, runs;      /* that forgot it; a method: with more than half of its seeds */
    int recorded;           /* runs that record the numbers below */
    double before, after;   /* probability of the true class, then and now: mean over `recorded` */
    uint32_t prediction;    /* the class said now, by the last of them */
    const ResultText *text; /* NULL: not recorded */
} ForgottenRow;
typedef struct Forgotten {
    int methods, runs; /* that record which rows they forgot */
    ForgottenRow *
        rows; /* [row_count] by any run; forgotten by most methods first, then by most runs, then by the largest drop */
    int row_count;
    int by_all; /* the first `by_all` rows were forgotten by every method */
} Forgotten;
/* The rows of an earlier task (from 0) that a method forgot; method -1: that the methods forgot which can be ranked.
 * Runs that did not learn the task, or do not record which rows were right, are left out. */
Forgotten report_forgotten(Arena *arena, const Results *results, int method, int task);

/* The results table and what can be said, 80 columns wide. Box drawing when the locale is UTF-8, colour on a terminal
 * unless NO_COLOR is set. Always true, so that it can stand in a chain; ferror(out) says whether writing succeeded. */
bool report_table(const Results *results, FILE *out);

/* What to do next, as sentences and, for the folder of one run, as commands. Always true, as report_table is. */
bool report_next(const Results *results, FILE *out);

/* Writes out_dir/table.md, out_dir/summary.json, of two and more tasks out_dir/lost_and_won.tsv, out_dir/report.html
 * and out_dir/charts/: before_after.png and matrix.png, and of plane, curve, interpolation, drift, swap and loss.png
 * those whose events were recorded. The page holds all charts, and needs nothing else; beside them what results->files
 * names. font: a TrueType file. */
bool report_write(const Results *results, const char *out_dir, Str font, Err *err);

/* What the PNG pictures say in place of names, a sentence; "": their font has all letters. */
const char *report_letters(Arena *arena, const Results *results, Str font);

/* What a page shows of a run, finished or not: tasks, methods with their bars, curves and losses, what can be said, the
 * table, names of charts; docs/serve.md has every field. The caller owns it. */
json_t *report_view(const Results *results);
/* A chart by its name, as an SVG file that lives in the arena; exit code 2: there is none of this name. */
bool report_svg(Arena *arena, const Results *results, const char *name, bool narrow, Str font, Str *svg, Err *err);
/* Rows of a task (from 0) as a method answered them right after the task's own training and by its last evaluation, of
 * its first seed: lost, won back, or all whose words are recorded, lost ones first; from `from` on, at most `most`. */
typedef enum ReportRows { REPORT_ROWS_LOST, REPORT_ROWS_WON, REPORT_ROWS_ALL } ReportRows;
json_t *report_rows(const Results *results, int task, int method, ReportRows which, size_t from, size_t most);

/* BibTeX: lethe's own entry, and those of the methods of the results, or of the names in a list ("ewc+replay,full", or
 * "all"; NULL: none). Unknown names: exit code 2, and nothing is printed. */
void cite_results(const Results *results, FILE *out);
bool cite_methods(const char *names, FILE *out, Err *err);

#endif
