#include "report.h"

#include <math.h>

/* Parts of report.html that papers ask for: metrics beside accuracy, confusion matrices class by class, and the setup
 * as a paragraph. All of it is folded. */

/* Of more tasks than HTML_ALL_TASKS the page has the first and the last evaluation; summary.json has all. */
enum { HTML_CONFUSION_CLASSES = 12, HTML_LISTED_CLASSES = 100, HTML_ALL_TASKS = 3 };

static const char *html_score(Arena *arena, Score score)
{
    if (!score.seeds) return "–";
    const char *value = format_cell(arena, score.mean);
    return isnan(score.interval.low) ? value
                                     : arena_printf(arena, "%s %s", value, format_interval(arena, score.interval));
}

/* A cell's calibration over the seeds that record it, and what the method expects of itself: the mean confidence. */
static MeanOver html_calibration(Arena *arena, const Results *r, int method, int after, int task, double *sure)
{
    double *errors = arena_new(arena, double, r->runs.count + 1);
    int count = 0;
    *sure = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        const Evaluation *cell = verdict_cell(r, &r->runs.at[i], after, task);
        CalibrationBin bins[CALIBRATION_BINS];
        if (r->runs.at[i].method != method || !cell->confidence || !cell->right) continue;
        errors[count++] = measure_calibration(cell->confidence, cell->right, cell->rows, bins);
        for (int b = 0; b < CALIBRATION_BINS; b++) *sure += bins[b].confidence * bins[b].rows / cell->rows;
    }
    if (count) *sure /= count;
    return count ? measure_mean(errors, count) : (MeanOver){0};
}

static void html_metrics_row(Html *h, const Results *r, int method, int after, int task)
{
    double sure;
    const MeanOver error = html_calibration(h->arena, r, method, after, task, &sure);
    html_raw(h, "<tr>");
    html_tag(h, "th", " scope=\"row\"", r->methods[method]);
    html_tag(h, "td", " class=\"words\"",
             after == task ? r->tasks[task].name
                           : arena_printf(h->arena, "%s after %s", r->tasks[task].name, r->tasks[after].name));
    for (int m = 0; m < METRICS; m++)
        html_tag(h, "td", "", html_score(h->arena, metric_score(r, (Metric)m, method, after, task)));
    html_tag(h, "td", "", error.count ? format_cell(h->arena, sure) : "–");
    html_tag(h, "td", "", error.count ? format_cell(h->arena, error.mean) : "–");
    html_raw(h, "</tr>\n");
}

static void html_metrics(Html *h, const Results *r)
{
    static const char *const columns[] = {"method", "task", "accuracy", "macro-F1", "MCC × 100", "expected", "ECE"};
    html_raw(h, "<details><summary>Accuracy, macro-F1, MCC and calibration of every evaluation</summary>\n");
    html_table(h, "metrics",
               verdict_most_seeds(r) > 1 ? "In %, means over seeds; in brackets the 95% interval"
                                         : "In %; in brackets the 95% interval");
    html_raw(h, "<thead><tr>");
    for (size_t c = 0; c < COUNT(columns); c++) html_column(h, columns[c], c == 1);
    html_raw(h, "</tr></thead>\n<tbody>\n");
    for (int m = 0; m < r->method_count; m++)
        for (int after = 0; after < r->task_count; after++)
            for (int task = 0; task <= after; task++)
                if (metric_score(r, METRIC_ACCURACY, m, after, task).seeds) html_metrics_row(h, r, m, after, task);
    html_raw(h, "</tbody>\n");
    html_table_end(h);
    html_raw(h, "<dl>\n<dt>macro-F1</dt>\n<dd>mean of the classes’ F1, each class alike, however rare it is.</dd>\n"
                "<dt>MCC</dt>\n<dd>Matthews’ correlation of true and predicted classes: 100 is right throughout, 0 no "
                "better than answers that know nothing of the row.</dd>\n"
                "<dt>expected</dt>\n<dd>the accuracy that the model expects of itself: the mean probability of its "
                "answers.</dd>\n"
                "<dt>ECE</dt>\n<dd>expected calibration error: how far accuracy lies from expectation, on average over "
                "15 bins of equal width by confidence (Guo et al. 2017); 0 is calibrated.</dd>\n"
                "</dl>\n<p>Intervals of accuracies are Wilson’s, of macro-F1 and MCC percentile bootstraps over the "
                "rows (1,000 draws); over seeds Student’s t, never narrower than these. What is learned and "
                "forgotten is decided by accuracy, whose tests are exact.</p>\n</details>\n");
}

/* Labels and predictions of all seeds of a method, one set of rows after the other; NULL: not recorded. */
static uint32_t *html_said(Arena *arena, const Results *r, int method, int after, int task, uint32_t **labels,
                           uint32_t *rows)
{
    const uint32_t each = r->tasks[task].eval_rows;
    uint32_t *said = NULL, count = 0;
    for (size_t i = 0; i < r->runs.count; i++)
        count += r->runs.at[i].method == method && metric_is_known(r, &r->runs.at[i], after, task);
    *rows = 0;
    if (!count || each > UINT32_MAX / count) return NULL;
    said = arena_new(arena, uint32_t, (size_t)each * count);
    *labels = arena_new(arena, uint32_t, (size_t)each * count);
    for (size_t i = 0; i < r->runs.count; i++) {
        if (r->runs.at[i].method != method || !metric_is_known(r, &r->runs.at[i], after, task)) continue;
        memcpy(said + *rows, verdict_cell(r, &r->runs.at[i], after, task)->prediction, each * sizeof *said);
        memcpy(*labels + *rows, r->tasks[task].labels, each * sizeof **labels);
        *rows += each;
    }
    return said;
}

static const char *html_class_share(Arena *arena, double share)
{
    return isnan(share) ? "–" : format_cell(arena, share);
}

/* A row for each class: what its rows are said to be, and how well it is found. */
static void html_confusion(Html *h, const Results *r, int method, int after, int task)
{
    Arena *arena = h->arena;
    const ResultTask *t = &r->tasks[task];
    uint32_t rows, *labels = NULL;
    const uint32_t *said = html_said(arena, r, method, after, task, &labels, &rows);
    if (!said) return;
    const bool pairs = t->classes <= HTML_CONFUSION_CLASSES;
    const ClassScore *scores = measure_classes(arena, labels, said, rows, t->classes);
    const uint32_t *counts = pairs ? measure_confusion(arena, labels, said, rows, t->classes) : NULL;
    const char *when =
        after == task ? "right after its training" : arena_printf(arena, "after %s", r->tasks[after].name);
    html_table(
        h, "confusion",
        arena_printf(arena, "%s %s%s", t->name, when, rows > t->eval_rows ? ", rows of all seeds together" : ""));
    html_raw(h, "<thead><tr>");
    html_column(h, "true class", false);
    for (uint32_t c = 0; c < t->classes && pairs; c++)
        html_column(h, arena_printf(arena, "said: %s", task_class(arena, t, c)), false);
    static const char *const columns[] = {"rows", "precision", "recall", "F1"};
    for (size_t c = 0; c < COUNT(columns); c++) html_column(h, columns[c], false);
    html_raw(h, "</tr></thead>\n<tbody>\n");
    for (uint32_t i = 0; i < t->classes; i++) {
        html_raw(h, "<tr>");
        html_tag(h, "th", " scope=\"row\"", task_class(arena, t, i));
        for (uint32_t j = 0; j < t->classes && pairs; j++)
            html_tag(h, "td", i == j ? " class=\"same\"" : "", format_count(arena, counts[i * t->classes + j]));
        html_tag(h, "td", "", format_count(arena, scores[i].rows));
        html_tag(h, "td", "", html_class_share(arena, scores[i].precision));
        html_tag(h, "td", "", html_class_share(arena, scores[i].recall));
        html_tag(h, "td", "", html_class_share(arena, scores[i].f1));
        html_raw(h, "</tr>\n");
    }
    html_raw(h, "</tbody>\n");
    html_table_end(h);
}

/* Whether some evaluation of a method records what was predicted, of a task whose classes can be listed. */
static bool html_has_classes(const Results *r, int method)
{
    for (size_t i = 0; i < r->runs.count; i++)
        for (int j = 0; j < r->task_count; j++)
            if (r->runs.at[i].method == method && metric_is_known(r, &r->runs.at[i], j, j) &&
                r->tasks[j].classes <= HTML_LISTED_CLASSES)
                return true;
    return false;
}

/* The class that a method finds least often of its own rows, right after the task's training. */
static const char *html_weakest(Arena *arena, const Results *r, int method, int task)
{
    const ResultTask *t = &r->tasks[task];
    uint32_t rows, *labels = NULL, weakest = 0;
    const uint32_t *said = html_said(arena, r, method, task, task, &labels, &rows);
    if (!said || t->classes > HTML_LISTED_CLASSES) return "";
    const ClassScore *scores = measure_classes(arena, labels, said, rows, t->classes);
    for (uint32_t c = 1; c < t->classes; c++)
        if (scores[c].rows && (!scores[weakest].rows || scores[c].recall < scores[weakest].recall)) weakest = c;
    if (!scores[weakest].rows) return "";
    return arena_printf(arena, "of %s, %s has its own label in %s of %s rows", t->name, task_class(arena, t, weakest),
                        format_count(arena, scores[weakest].right), format_count(arena, scores[weakest].rows));
}

static void html_classes_of_method(Html *h, const Results *r, int method)
{
    const char *weakest = "";
    for (int j = 0; j < r->task_count && r->task_count <= 3; j++)
        weakest = text_join(h->arena, weakest, "; ", html_weakest(h->arena, r, method, j));
    html_raw(h, "<details>");
    html_tag(h, "summary", "", text_join(h->arena, r->methods[method], ": ", weakest));
    const int last = r->task_count - 1;
    for (int task = 0; task <= last; task++)
        for (int after = task; after <= last; after++)
            if (r->tasks[task].classes <= HTML_LISTED_CLASSES &&
                (last < HTML_ALL_TASKS || after == task || after == last))
                html_confusion(h, r, method, after, task);
    html_raw(h, "</details>\n");
}

static bool html_has_any_classes(const Results *r)
{
    for (int m = 0; m < r->method_count; m++)
        if (html_has_classes(r, m)) return true;
    return false;
}

/* What accuracy hides. */
static void html_write_classes(Html *h, const Results *r)
{
    if (!html_has_any_classes(r)) return;
    html_section(h, "classes", "Class by class");
    html_metrics(h, r);
    html_raw(h, "<h3>What the rows of each class are said to be</h3>\n<p>Precision: of the rows said to be of a class, "
                "those that are. Recall: of the rows of a class, those that are found. F1: both in one number. All in "
                "%.</p>\n");
    for (int m = 0; m < r->method_count; m++)
        if (html_has_classes(r, m)) html_classes_of_method(h, r, m);
    html_section_end(h);
}

/* The setup, as a paragraph to copy. */
static void html_write_setup(Html *h, const Results *r)
{
    const char *sentences[SETUP_SENTENCES];
    const int count = setup_sentences(h->arena, r, sentences);
    if (!count) return;
    html_raw(h, "<details><summary>The setup as a paragraph, for a paper</summary>\n<p>");
    for (int i = 0; i < count; i++) {
        html_text(h, sentences[i]);
        html_raw(h, "\n");
    }
    html_raw(h, "</p>\n<p>The same with citations, and the tables, as LaTeX:</p>\n");
    html_command(h, "lethe report --latex .");
    html_raw(h, "</details>\n");
}
