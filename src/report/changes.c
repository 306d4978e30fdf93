#include "report.h"

#include <stdlib.h>
#include <string.h>

/* Every row that was lost or won back between a task's own training and the end: by method, for the page, and run by
 * run, for lost_and_won.tsv. Runs that did not learn the task, or do not record which rows were right, are left out. */

#define CHANGES_FILE "lost_and_won.tsv"

/* What became of a row with a method, over the seeds in which it was lost, or won back. */
typedef struct RowFate {
    int count, known;     /* seeds; of these record the numbers below */
    double before, after; /* probability of the true class, then and now: mean */
    uint32_t answer;      /* the wrong one, by the last of them: now, or then */
} RowFate;
typedef struct RowOfMethod {
    int method;
    RowFate fate[2]; /* lost, won back */
} RowOfMethod;

typedef struct ChangedRow {
    uint32_t row;           /* from 1 */
    int count[2];           /* runs in which it was lost, won back */
    DYN(RowOfMethod) by;    /* methods with which it was either, in their order */
    const ResultText *text; /* NULL: not recorded */
} ChangedRow;

typedef struct TaskChanges {
    ChangedRow *rows;     /* [row_count] lost by most runs first, then won back by most */
    int row_count, total; /* total: that changed in any run */
    int *runs;            /* [method] that record it */
} TaskChanges;

static const char *const changes_kinds[2] = {"lost", "won back"};

static int changes_compare(const void *a, const void *b)
{
    const ChangedRow *x = a, *y = b;
    for (int k = 0; k < 2; k++)
        if (x->count[k] != y->count[k]) return x->count[k] > y->count[k] ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* 0: lost, 1: won back, -1: neither. */
static int changes_kind(const bool *own, const bool *now, uint32_t row) { return own[row] == now[row] ? -1 : now[row]; }

/* How often each row (from 0) was lost and won back; NULL: no run records it. */
static ChangedRow *changes_count(Arena *arena, const Results *r, int task, TaskChanges *all)
{
    const uint32_t rows = r->tasks[task].eval_rows;
    ChangedRow *counted = NULL;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        if (!forgotten_tells(r, run, task)) continue;
        if (!counted) counted = arena_new(arena, ChangedRow, rows); /* so many bits were read */
        all->runs[run->method]++;
        const bool *own = verdict_cell(r, run, task, task)->right,
                   *now = verdict_cell(r, run, r->task_count - 1, task)->right;
        for (uint32_t k = 0; k < rows; k++) {
            const int kind = changes_kind(own, now, k);
            counted[k].row = k + 1;
            if (kind >= 0) counted[k].count[kind]++;
        }
    }
    return counted;
}

static RowFate *changes_fate(Arena *arena, ChangedRow *row, int method, int kind)
{
    if (!row->by.count || row->by.at[row->by.count - 1].method != method) /* runs are in the order of methods */
        *dyn_push(arena, &row->by) = (RowOfMethod){.method = method};
    return &row->by.at[row->by.count - 1].fate[kind];
}

/* Adds a run to the rows that are kept; place: [eval_rows] of each row among them, -1: it is not. */
static void changes_add_run(Arena *arena, const Results *r, const ResultRun *run, int task, const int *place,
                            ChangedRow *kept)
{
    const int last = r->task_count - 1;
    const ResultOld *old = run->old[last * r->task_count + task];
    const bool *own = verdict_cell(r, run, task, task)->right, *now = verdict_cell(r, run, last, task)->right;
    for (uint32_t k = 0; k < r->tasks[task].eval_rows; k++) {
        const int kind = changes_kind(own, now, k);
        if (kind >= 0 && place[k] >= 0) changes_fate(arena, &kept[place[k]], run->method, kind)->count++;
    }
    for (int kind = 0; kind < 2 && old; kind++) {
        const ResultChanges *changes = kind ? &old->won : &old->lost;
        for (int i = 0; i < changes->count; i++) {
            const ResultChanged *row = &changes->at[i];
            if (place[row->row - 1] < 0 || changes_kind(own, now, row->row - 1) != kind) continue;
            RowFate *fate = changes_fate(arena, &kept[place[row->row - 1]], run->method, kind);
            fate->before += (row->before - fate->before) / ++fate->known;
            fate->after += (row->after - fate->after) / fate->known;
            fate->answer = row->prediction;
        }
    }
}

/* Of an earlier task (from 0); at most `most` rows with what became of them. */
static TaskChanges changes_of_task(Arena *arena, const Results *r, int task, int most)
{
    TaskChanges all = {.runs = arena_new(arena, int, (size_t)r->method_count)};
    ChangedRow *rows = changes_count(arena, r, task, &all);
    const uint32_t count = r->tasks[task].eval_rows;
    for (uint32_t k = 0; rows && k < count; k++)
        if (rows[k].count[0] || rows[k].count[1]) rows[all.total++] = rows[k];
    if (!all.total) return all;
    qsort(rows, (size_t)all.total, sizeof *rows, changes_compare);
    all.rows = rows;
    all.row_count = least_int(all.total, most);
    int *place = arena_new(arena, int, count);
    for (uint32_t k = 0; k < count; k++) place[k] = -1;
    for (int i = 0; i < all.row_count; i++) {
        rows[i].text = result_text(&r->tasks[task], rows[i].row);
        place[rows[i].row - 1] = i;
    }
    for (size_t i = 0; i < r->runs.count; i++)
        if (forgotten_tells(r, &r->runs.at[i], task)) changes_add_run(arena, r, &r->runs.at[i], task, place, rows);
    return all;
}

/* ---- all of them, as a file ---- */

static void changes_put_row(FILE *out, Arena *arena, const Results *r, const ResultRun *run, int task, uint32_t row,
                            int kind, const ResultChanged *known)
{
    const ResultTask *t = &r->tasks[task];
    const ResultText *text = result_text(t, row);
    const char *label = text ? task_class(arena, t, text->label) : "", *wrong = "", *before = "", *after = "";
    if (known) {
        wrong = task_class(arena, t, known->prediction);
        before = format_decimal(arena, known->before, 4);
        after = format_decimal(arena, known->after, 4);
    }
    fprintf(out, "%s\t%u\t%s\t%u\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t->name, row, r->methods[run->method], run->seed,
            changes_kinds[kind], label, kind ? wrong : label, kind ? label : wrong, before, after,
            text ? text->text : "", text && text->pair ? text->pair : "");
}

static void changes_put_run(FILE *out, const Results *r, const ResultRun *run, int task)
{
    Arena arena = {0};
    const int last = r->task_count - 1;
    const ResultOld *old = run->old[last * r->task_count + task];
    const bool *own = verdict_cell(r, run, task, task)->right, *now = verdict_cell(r, run, last, task)->right;
    const uint32_t rows = r->tasks[task].eval_rows;
    const ResultChanged **known = arena_new(&arena, const ResultChanged *, rows);
    for (int kind = 0; kind < 2 && old; kind++) {
        const ResultChanges *changes = kind ? &old->won : &old->lost;
        for (int i = 0; i < changes->count; i++)
            if (changes_kind(own, now, changes->at[i].row - 1) == kind) known[changes->at[i].row - 1] = &changes->at[i];
    }
    for (uint32_t k = 0; k < rows; k++) {
        const int kind = changes_kind(own, now, k);
        if (kind >= 0) changes_put_row(out, &arena, r, run, task, k + 1, kind, known[k]);
    }
    arena_free(&arena);
}

/* A line for each row that a run lost or won back: in the order of tasks, methods, seeds and rows. */
static void changes_write(const Results *r, FILE *out)
{
    fprintf(out, "task\trow\tmethod\tseed\tchange\ttrue_class\tanswer_then\tanswer_now\tprobability_then\t"
                 "probability_now\ttext\tpair\n");
    for (int j = 0; j < r->task_count - 1; j++)
        for (size_t i = 0; i < r->runs.count; i++)
            if (forgotten_tells(r, &r->runs.at[i], j)) changes_put_run(out, r, &r->runs.at[i], j);
}
