#include "report.h"

#include <math.h>
#include <string.h>

/* The accuracy matrix of each method as a heat map, or that of another metric: rows are "after training task i",
 * columns are tasks. */

typedef struct MatrixLayout {
    int columns, rows;               /* of panels */
    float panel_width, panel_height; /* from one panel to the next */
    float cell_width, cell_height;   /* 0: the labels leave no room */
    float left, top;                 /* row labels left of the first panels; title and column labels above each */
    float title_size, label_size, value_size; /* value_size 0: no numbers in the cells */
    bool whole;                               /* whole percents in the cells, for want of room */
    bool numbered;                            /* tasks are called 1, 2, 3 and listed below the title */
} MatrixLayout;

enum { MATRIX_GAP = 34 }; /* between panels */

static const char *matrix_label(Arena *arena, const Results *r, const MatrixLayout *l, int task, bool row)
{
    const char *name = l->numbered ? arena_printf(arena, "%d", task + 1) : r->tasks[task].name;
    return row && r->task_count <= 6 ? arena_printf(arena, "after %s", name) : name;
}

static float matrix_widest_label(Canvas *canvas, const Results *r, const MatrixLayout *l, bool row)
{
    float widest = 0;
    for (int j = 0; j < r->task_count; j++)
        widest = fmaxf(widest, canvas_text_width(canvas, matrix_label(canvas->arena, r, l, j, row), l->label_size));
    return widest;
}

static MatrixLayout matrix_try(Canvas *canvas, const Results *r, float height, int columns, bool numbered,
                               float label_size)
{
    MatrixLayout l = {.columns = columns,
                      .rows = (int)ceil_div((size_t)r->method_count, (size_t)columns),
                      .numbered = numbered,
                      .label_size = label_size};
    l.panel_height = height / (float)l.rows;
    l.title_size = canvas_clamp(l.panel_height * 0.12f, 16, 36);
    l.left = matrix_widest_label(canvas, r, &l, true) + 14;
    l.top = l.title_size * 1.4f + l.label_size * 1.6f;
    l.panel_width = ((float)canvas->width - 2 * CHART_MARGIN - l.left + MATRIX_GAP) / (float)columns;
    l.cell_width = (l.panel_width - MATRIX_GAP) / (float)r->task_count;
    l.cell_height = (l.panel_height - l.top - 14) / (float)r->task_count;
    l.cell_width = fminf(l.cell_width, l.cell_height * 1.7f);
    l.cell_height = fminf(l.cell_height, l.cell_width);
    if (matrix_widest_label(canvas, r, &l, false) > l.cell_width - 8 || l.cell_height * 0.8f < l.label_size)
        l.cell_width = l.cell_height = 0;
    return l;
}

static float matrix_value_size(Canvas *canvas, const MatrixLayout *l, const char *widest)
{
    return floorf(fminf(
        fminf(l->cell_height * 0.62f, l->cell_width * 0.78f / (canvas_text_width(canvas, widest, 100) / 100)), 44));
}

/* Large cells, with large labels, with names rather than numbers: in this order of importance, roughly. names: whether
 * names may be tried. */
static MatrixLayout matrix_best(Canvas *canvas, const Results *r, float height, bool names)
{
    MatrixLayout best = {.numbered = true};
    float best_merit = -1;
    const int most = least_int(r->method_count, 12);
    for (int numbered = !names; numbered < 2; numbered++)
        for (int columns = 1; columns <= most; columns++)
            for (float size = 28; size >= (numbered ? 10 : 17); size -= 1) {
                const MatrixLayout l = matrix_try(canvas, r, height, columns, numbered, size);
                const float merit = fminf(l.cell_height, 200) * sqrtf(l.cell_width * size) * (numbered ? 0.45f : 1);
                if (merit <= best_merit) continue;
                best = l;
                best_merit = merit;
            }
    best.value_size = matrix_value_size(canvas, &best, "88.8");
    best.whole = best.value_size < 18;
    if (best.whole) best.value_size = matrix_value_size(canvas, &best, "88");
    if (best.value_size < 9) best.value_size = 0;
    return best;
}

static void matrix_draw_cell(Canvas *canvas, const Results *r, const MatrixLayout *l, int method, int after, int task,
                             Box box)
{
    const Score score = metric_score(r, r->metric, method, after, task);
    canvas_rect(canvas, box, COLOUR_GRID, 1);
    const Box inner = {box.x0 + 1.5f, box.y0 + 1.5f, box.x1 - 1.5f, box.y1 - 1.5f};
    if (inner.x1 <= inner.x0) return;
    if (!score.seeds) {
        canvas_rect(canvas, inner, COLOUR_BAND, 1);
        return;
    }
    const Colour fill = heat_colour(fmax(0, score.mean)), ink = heat_ink(fill);
    canvas_rect(canvas, inner, fill, 1);
    const bool missed = verdict_missed(r, method, task);
    if (missed)
        canvas_hatch(canvas, inner, COLOUR_ORANGE, canvas_clamp(l->cell_height * 0.25f, 9, 26),
                     canvas_clamp(l->cell_height * 0.04f, 1.5f, 4));
    if (l->value_size <= 0) return;
    const char *text =
        l->whole ? format_decimal(canvas->arena, 100 * score.mean, 0) : format_cell(canvas->arena, score.mean);
    const float size = canvas_fit(canvas, text, 0.92f * (inner.x1 - inner.x0), 7, l->value_size), /* "100" is wider */
        x = (box.x0 + box.x1) / 2, y = (box.y0 + box.y1) / 2 + size * 0.365f,
                half = canvas_text_width(canvas, text, size) / 2;
    if (missed)
        canvas_rect(
            canvas,
            (Box){fmaxf(x - half - 5, inner.x0), y - size * 0.86f, fminf(x + half + 5, inner.x1), y + size * 0.14f},
            fill, 1);
    canvas_text(canvas, x, y, ALIGN_CENTRE, text, size, ink);
}

/* x, y: the corner of the panel's title. */
static void matrix_draw_panel(Canvas *canvas, const Results *r, const MatrixLayout *l, int method, float left, float y)
{
    const float top = y + l->top, width = l->panel_width - MATRIX_GAP + 20;
    const float size = canvas_fit(canvas, r->methods[method], width, 13, l->title_size);
    canvas_text(canvas, left, y + l->title_size, ALIGN_LEFT, canvas_shorten(canvas, r->methods[method], size, width),
                size, COLOUR_TEXT);
    for (int j = 0; j < r->task_count; j++) {
        const float middle = left + ((float)j + 0.5f) * l->cell_width;
        canvas_text(canvas, middle, top - l->label_size * 0.5f, ALIGN_CENTRE,
                    matrix_label(canvas->arena, r, l, j, false), l->label_size, COLOUR_SOFT);
        if (method % l->columns == 0)
            canvas_text(canvas, left - 12, top + ((float)j + 0.5f) * l->cell_height + l->label_size * 0.36f,
                        ALIGN_RIGHT, matrix_label(canvas->arena, r, l, j, true), l->label_size, COLOUR_SOFT);
    }
    for (int i = 0; i < r->task_count; i++)
        for (int j = 0; j < r->task_count; j++) {
            const float cx = left + (float)j * l->cell_width, cy = top + (float)i * l->cell_height;
            matrix_draw_cell(canvas, r, l, method, i, j, (Box){cx, cy, cx + l->cell_width, cy + l->cell_height});
        }
}

static float matrix_draw_legend(Canvas *canvas, const Results *r, float y)
{
    bool missed = false;
    for (int m = 0; m < r->method_count; m++)
        for (int j = 0; j < r->task_count; j++) missed = missed || verdict_missed(r, m, j);
    static const char words[] = "task that was not learned";
    const bool mcc = r->metric == METRIC_MCC;
    float x = heat_draw_scale(canvas, CHART_MARGIN, y, mcc ? "0" : "0%", mcc ? "100" : "100%") + 50;
    if (missed) {
        const Swatch swatch = {.kind = SWATCH_HATCHED, .colour = COLOUR_ORANGE};
        const bool fits = x + 50 + canvas_text_width(canvas, words, 25) < (float)(canvas->width - CHART_MARGIN);
        if (!fits) x = CHART_MARGIN, y += 40; /* on a line of its own */
        chart_draw_swatch(canvas, &swatch, x, y + 40);
        canvas_text(canvas, x + 50, y + 39, ALIGN_LEFT, words, 25, COLOUR_TEXT);
    }
    return y + 60;
}

static const char *matrix_title(Arena *arena, const Results *r)
{
    static const char *const what[METRICS] = {"Accuracy", "Macro-F1", "MCC"}, *const unit[METRICS] = {"%", "%",
                                                                                                      "× 100"};
    return arena_printf(arena, "%s on each task (columns) after each training (rows), %s", what[r->metric],
                        unit[r->metric]);
}

/* A correlation is no share of anything. */
static const char *matrix_value(Arena *arena, const Results *r, double value)
{
    return r->metric == METRIC_MCC ? format_share(arena, value) : format_percent(arena, value);
}

static void matrix_tell(Arena *arena, const Results *r, Canvas *canvas)
{
    const int last = r->task_count - 1;
    const char *alt = "";
    int best = -1, worst = -1;
    double most = 0, least = 0;
    for (int m = 0; m < r->method_count; m++) {
        double sum = 0;
        bool whole = true;
        alt = text_join(arena, alt, "; ", arena_printf(arena, "%s:", r->methods[m]));
        for (int i = 0; i <= last; i++)
            for (int j = 0; j <= i; j++) {
                const Score score = metric_score(r, r->metric, m, i, j);
                if (score.seeds)
                    alt = arena_printf(arena, "%s %s%s%s %s", alt, r->tasks[j].name, i > j ? " after " : "",
                                       i > j ? r->tasks[i].name : "", format_cell(arena, score.mean));
                if (i == last) sum += score.mean / r->task_count;
                whole = whole && (i < last || score.seeds);
            }
        if (!whole) continue;
        if (best < 0 || sum > most) best = m, most = sum;
        if (worst < 0 || sum < least) worst = m, least = sum;
    }
    canvas->alt = arena_printf(arena, "%s.", alt);
    if (best < 0) return;
    canvas->see =
        arena_printf(arena,
                     "The last row is where each method ends: on average over all tasks between %s (%s) and "
                     "%s (%s). Down a column: what became of a task.",
                     matrix_value(arena, r, least), r->methods[worst], matrix_value(arena, r, most), r->methods[best]);
}

/* The height that the panels need. Large text leaves less room beside each other: cells that hold "88.8" all the same.
 */
static int matrix_least(const Results *r)
{
    if (r->look.narrow) return 380 + 270 * (int)ceil_div((size_t)r->method_count, 2);
    if (r->look.text <= LOOK_TEXT) return 0;
    const int across = least_int(r->task_count, 8), columns = 900 / (66 * across + MATRIX_GAP),
              rows = (int)ceil_div((size_t)r->method_count, (size_t)(columns > 1 ? columns : 1));
    return 340 + rows * (52 * r->task_count + 110);
}

static bool chart_matrix(Arena *arena, const Results *r, Str font, Canvas *canvas, Err *err)
{
    const char *subtitle = chart_setting(arena, r), *names = "";
    if (verdict_most_seeds(r) > 1) subtitle = arena_printf(arena, "%s; mean over seeds", subtitle);
    if (!chart_open(canvas, arena, r, matrix_least(r), font, err)) return false;
    float y = chart_title(canvas, matrix_title(arena, r), subtitle);
    y = matrix_draw_legend(canvas, r, y);
    MatrixLayout layout = matrix_best(canvas, r, (float)canvas->height - 40 - y, true);
    if (layout.numbered) { /* the names of the tasks take some of the room */
        for (int j = 0; j < r->task_count; j++)
            names = text_join(arena, names, ", ", arena_printf(arena, "%d %s", j + 1, r->tasks[j].name));
        y = chart_paragraph(canvas, names, y, 2, 20, 24, COLOUR_SOFT, false);
        layout = matrix_best(canvas, r, (float)canvas->height - 40 - y, false);
    }
    if (layout.cell_height <= 0) { /* hundreds of methods */
        canvas_text(canvas, CHART_MARGIN, y + 60, ALIGN_LEFT,
                    "too many methods or tasks for a picture: see summary.json", 30, COLOUR_TEXT);
        return true;
    }
    /* What the panels leave free is shared out, so that the whole stands in the middle. */
    const float wide = layout.cell_width * (float)r->task_count + MATRIX_GAP,
                high = layout.top + layout.cell_height * (float)r->task_count + 14;
    const float spare_x = (layout.panel_width - wide) / 2;
    layout.panel_height = fminf(layout.panel_height, high + MATRIX_GAP); /* no taller than what stands in it */
    for (int m = 0; m < r->method_count; m++) {
        const int column = m % layout.columns, row = m / layout.columns;
        const float x = CHART_MARGIN + layout.left + (layout.columns > 1 ? spare_x : spare_x * 0.5f) +
                        (float)column * (layout.panel_width - spare_x * 0.5f);
        matrix_draw_panel(canvas, r, &layout, m, x, y + 14 + (float)row * layout.panel_height);
    }
    canvas_crop(canvas, y + 14 + (float)layout.rows * layout.panel_height + CHART_MARGIN / 2);
    matrix_tell(arena, r, canvas);
    return true;
}
