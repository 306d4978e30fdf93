#include "report.h"

#include <math.h>
#include <string.h>

/* Where in the encoder it happens, as tables of shades, methods by parts of the encoder:
 *   drift  how alike each layer's first-token states are right after the first task and at the end (debiased CKA;
 * Kornblith et al. 2019, arXiv:1905.00414); swap   how much accuracy on the first task returns when one part alone is
 * put back to what it was. */

enum { LAYERS_MOST = 64, LAYERS_ROW = 40, LAYERS_NARROW = 124, LAYERS_NAME = 44, LAYERS_HIGHEST = 160 };
#define LAYERS_NOTHING 0.0005 /* less is printed as 0 */

typedef struct LayerRow {
    int method;
    int seeds[LAYERS_MOST];                     /* 0: not recorded */
    Interval interval[LAYERS_MOST];             /* 95%; NAN: not recorded */
    double values[LAYERS_MOST], p[LAYERS_MOST]; /* p: swap, after Holm's correction over the table; NAN: not recorded */
} LayerRow;

typedef struct LayerTable {
    const char *blocks[LAYERS_MOST]; /* columns */
    int block_count;
    LayerRow *rows;
    int row_count;
} LayerTable;

static int layers_block(LayerTable *t, const char *name)
{
    for (int i = 0; i < t->block_count; i++)
        if (strcmp(t->blocks[i], name) == 0) return i;
    if (t->block_count == LAYERS_MOST) return -1;
    t->blocks[t->block_count] = name;
    return t->block_count++;
}

/* Holm's correction over all cells with a p. */
static void layers_correct(Arena *arena, LayerTable *t)
{
    const size_t most = (size_t)t->row_count * LAYERS_MOST;
    double *p = arena_new(arena, double, most), *adjusted = arena_new(arena, double, most), **of;
    int count = 0;
    of = arena_new(arena, double *, most);
    for (int i = 0; i < t->row_count; i++)
        for (int k = 0; k < t->block_count; k++) {
            double *own = &t->rows[i].p[k];
            if (!t->rows[i].seeds[k] || isnan(*own)) continue;
            p[count] = *own;
            of[count++] = own;
        }
    measure_holm(p, count, adjusted);
    for (int i = 0; i < count; i++) *of[i] = adjusted[i];
}

/* The columns: those of the method with most of them, in the encoder's order, and whatever others have. */
static void layers_columns(Arena *arena, const Results *r, bool swap, LayerTable *t)
{
    FigureBlocks most = {0};
    for (int m = 0; m < r->method_count; m++) {
        const FigureBlocks blocks = figure_blocks(arena, r, m, swap);
        if (blocks.count > most.count) most = blocks;
    }
    for (size_t k = 0; k < most.count; k++) layers_block(t, most.at[k].name);
}

static LayerTable layers_collect(Arena *arena, const Results *r, bool swap)
{
    LayerTable t = {.rows = arena_new(arena, LayerRow, (size_t)r->method_count)};
    layers_columns(arena, r, swap, &t);
    for (int m = 0; m < r->method_count; m++) {
        const FigureBlocks blocks = figure_blocks(arena, r, m, swap);
        LayerRow *row = &t.rows[t.row_count];
        bool known = false;
        row->method = m;
        for (size_t k = 0; k < blocks.count; k++) {
            const int i = layers_block(&t, blocks.at[k].name);
            if (i < 0 || !blocks.at[k].values.count) continue;
            known = true;
            row->seeds[i] = (int)blocks.at[k].values.count;
            row->values[i] = measure_mean(blocks.at[k].values.at, row->seeds[i]).mean;
            row->p[i] = figure_block_p(&blocks.at[k]);
            row->interval[i] = figure_block_interval(&blocks.at[k], swap);
        }
        t.row_count += known;
    }
    layers_correct(arena, &t);
    return t;
}

static bool layers_shown(const Results *r, bool swap)
{
    Arena scratch = {0};
    bool shown = false;
    for (int m = 0; m < r->method_count && !shown; m++) {
        const FigureBlocks blocks = figure_blocks(&scratch, r, m, swap);
        for (size_t k = 0; k < blocks.count; k++) shown = shown || blocks.at[k].values.count;
    }
    arena_free(&scratch);
    return shown;
}
static bool drift_shown(const Results *r) { return layers_shown(r, false); }
static bool swap_shown(const Results *r) { return layers_shown(r, true); }

/* ---- drawing ---- */

/* "layer 3" where there is room, "3" where there is not. */
static const char *layers_short(const char *block)
{
    if (strncmp(block, "layer ", 6) == 0) return block + 6;
    if (strncmp(block, "layers ", 7) == 0) return block + 7;
    if (strcmp(block, "final norm") == 0) return "norm";
    return strcmp(block, "embeddings") == 0 ? "emb." : strcmp(block, "pooler") == 0 ? "pool." : block;
}

static void layers_draw_heads(Canvas *canvas, const LayerTable *t, Box area, float cell)
{
    float size = 25;
    bool brief = false;
    for (int k = 0; k < t->block_count; k++) brief = brief || canvas_fit(canvas, t->blocks[k], cell - 8, 1, 25) < 19;
    for (int k = 0; k < t->block_count; k++)
        size = fminf(size, canvas_fit(canvas, brief ? layers_short(t->blocks[k]) : t->blocks[k], cell - 6, 10, 25));
    for (int k = 0; k < t->block_count; k++) {
        const char *text = brief ? layers_short(t->blocks[k]) : t->blocks[k];
        canvas_text(canvas, area.x0 + ((float)k + 0.5f) * cell, area.y0 - 14, ALIGN_CENTRE,
                    canvas_shorten(canvas, text, size, cell - 4), size, COLOUR_SOFT);
    }
}

/* More than chance explains. Drift has no test. */
static bool layers_sure(const LayerRow *row, int block) { return row->p[block] < TEST_LEVEL; }

/* "0.93"; of a swap "+4.5", with a star where it is more than chance explains. */
static const char *layers_value(Arena *arena, const LayerRow *row, int block, bool swap)
{
    if (!swap) return format_decimal(arena, row->values[block], 2);
    const char *points = format_minus(arena, format_points(arena, row->values[block]));
    if (strcmp(points, "0.0") == 0) return "0";
    return layers_sure(row, block) ? arena_printf(arena, "%s*", points) : points;
}

/* Left of its cells; on a narrow picture above them. */
static void layers_draw_name(Canvas *canvas, const char *name, Box area, float top, float height, float size)
{
    const bool narrow = chart_is_narrow(canvas);
    const float room = narrow ? area.x1 - area.x0 : area.x0 - 16 - CHART_MARGIN;
    const float fit = canvas_fit(canvas, name, room, 14, size);
    canvas_text(canvas, narrow ? area.x0 : area.x0 - 16,
                narrow ? top + LAYERS_NAME - 12 : top + height / 2 + fit * 0.36f, narrow ? ALIGN_LEFT : ALIGN_RIGHT,
                canvas_shorten(canvas, name, fit, room), fit, COLOUR_TEXT);
}

/* "−2 to +11" below "+4.5"; "0.29 to 0.41" below "0.35"; "": not recorded. */
static const char *layers_interval(Arena *arena, const LayerRow *row, int block, bool swap)
{
    const Interval of = row->interval[block];
    if (isnan(of.low) || isnan(of.high)) return "";
    if (!swap)
        return arena_printf(arena, "%s to %s", format_decimal(arena, of.low, 2), format_decimal(arena, of.high, 2));
    return arena_printf(arena, "%s to %s", format_minus(arena, format_decimal(arena, 100 * of.low, 0)),
                        format_minus(arena, format_decimal(arena, 100 * of.high, 0)));
}

/* A number, and what the rows leave open where there is room for it. */
static void layers_draw_value(Canvas *canvas, const LayerRow *row, int block, bool swap, Box cell, float size,
                              Colour fill)
{
    const char *interval = layers_interval(canvas->arena, row, block, swap);
    const float x = (cell.x0 + cell.x1) / 2, y = (cell.y0 + cell.y1) / 2,
                small = fminf(size * 0.7f, canvas_fit(canvas, interval, cell.x1 - cell.x0 - 8, 8, 24));
    const bool both = *interval && small >= 14 && size + small * 1.5f < cell.y1 - cell.y0;
    const Colour ink = heat_ink(fill);
    canvas_text(canvas, x, y + size * (both ? 0.1f : 0.365f), ALIGN_CENTRE,
                layers_value(canvas->arena, row, block, swap), size, ink);
    if (both) canvas_text(canvas, x, y + size * 0.1f + small * 1.35f, ALIGN_CENTRE, interval, small, ink);
}

/* most: the value that has the darkest shade. */
static void layers_draw_table(Canvas *canvas, const Results *r, const LayerTable *t, Box area, double most, bool swap)
{
    const float width = (area.x1 - area.x0) / (float)t->block_count, height = (area.y1 - area.y0) / (float)t->row_count;
    const bool narrow = chart_is_narrow(canvas);
    const float name_size = canvas_clamp(height * 0.5f, 19, narrow ? 28 : 32),
                deep = narrow ? height - LAYERS_NAME : height; /* of a cell */
    const float size =
        floorf(fminf(fminf(deep * 0.5f, 36), width * 0.8f / (canvas_text_width(canvas, "+88.8*", 100) / 100)));
    layers_draw_heads(canvas, t, area, width);
    for (int i = 0; i < t->row_count; i++) {
        const LayerRow *row = &t->rows[i];
        const float top = area.y0 + (float)i * height, y = narrow ? top + LAYERS_NAME : top;
        layers_draw_name(canvas, r->methods[row->method], area, top, height, name_size);
        for (int k = 0; k < t->block_count; k++) {
            const Box cell = {area.x0 + (float)k * width + 1.5f, y + 1.5f, area.x0 + (float)(k + 1) * width - 1.5f,
                              y + deep - 1.5f};
            if (!row->seeds[k]) {
                canvas_rect(canvas, cell, COLOUR_BAND, 1);
                continue;
            }
            const Colour fill = heat_colour((swap ? row->values[k] : 1 - row->values[k]) / most);
            canvas_rect(canvas, cell, fill, 1);
            if (size >= 9) layers_draw_value(canvas, row, k, swap, cell, size, fill);
        }
    }
}

/* How much of the table's swaps chance does not explain. */
static int layers_count_sure(const LayerTable *t)
{
    int count = 0;
    for (int i = 0; i < t->row_count; i++)
        for (int k = 0; k < t->block_count; k++) count += t->rows[i].seeds[k] && layers_sure(&t->rows[i], k);
    return count;
}

/* The cell that stands out: the largest value of a swap, the smallest of a drift. */
static void layers_extreme(const LayerTable *t, bool swap, int *row, int *block)
{
    *row = *block = -1;
    for (int i = 0; i < t->row_count; i++)
        for (int k = 0; k < t->block_count; k++) {
            if (!t->rows[i].seeds[k]) continue;
            const double value = swap ? t->rows[i].values[k] : -t->rows[i].values[k];
            if (*row >= 0 && value <= (swap ? t->rows[*row].values[*block] : -t->rows[*row].values[*block])) continue;
            *row = i;
            *block = k;
        }
}

/* Of how many rows the chart is: the fewest of any run. */
static uint32_t layers_rows_of(const Results *r, bool swap)
{
    uint32_t rows = 0;
    for (size_t i = 0; i < r->runs.count && r->task_count > 1; i++) {
        const ResultOld *old = r->runs.at[i].old[(r->task_count - 1) * r->task_count];
        const uint32_t own = !old ? 0 : !swap ? old->drift_rows : old->swaps.count ? old->swaps.at[0].rows : 0;
        if (own && (!rows || own < rows)) rows = own;
    }
    return rows;
}

/* "layer 4 of full" */
static const char *layers_where(Arena *arena, const Results *r, const LayerTable *t, int row, int block)
{
    return arena_printf(arena, "%s of %s", t->blocks[block], r->methods[t->rows[row].method]);
}

/* The largest return that chance does not explain; nothing is said of one that it may explain. */
static const char *layers_see_swap(Arena *arena, const Results *r, const LayerTable *t)
{
    int row = -1, block = -1, cells = 0, tested = 0, fell = 0;
    for (int i = 0; i < t->row_count; i++)
        for (int k = 0; k < t->block_count; k++) {
            const LayerRow *of = &t->rows[i];
            if (!of->seeds[k]) continue;
            cells++;
            tested += !isnan(of->p[k]);
            if (!layers_sure(of, k)) continue;
            fell += of->values[k] < 0;
            if (of->values[k] > 0 && (row < 0 || of->values[k] > t->rows[row].values[block])) row = i, block = k;
        }
    const char *task = r->tasks[0].name,
               *family = arena_printf(arena, "sign-flip tests on the rows, %s", verdict_family(arena, tested, "cells"));
    if (!tested)
        return arena_printf(arena, "Which rows of %s returned is not recorded, so that chance may explain all of it.",
                            task);
    const char *others =
        fell ? arena_printf(arena, " With %d other parts put back it is beyond chance worse.", fell) : "";
    if (fell == 1) others = " With another part put back it is beyond chance worse.";
    if (row < 0)
        return arena_printf(arena, "That any of the %d parts, put back alone, returns rows of %s is not shown (%s).%s",
                            cells, task, family, others);
    return arena_printf(arena,
                        "Putting back %s returns most of %s, %s points, more than chance explains (%s; %s). A star "
                        "marks the %d that chance does not explain.%s",
                        layers_where(arena, r, t, row, block), task, format_share(arena, t->rows[row].values[block]),
                        format_p(arena, t->rows[row].p[block]), family, layers_count_sure(t), others);
}

/* Where the states are least what they were, and whether others may be so, too. */
static const char *layers_see_drift(Arena *arena, const Results *r, const LayerTable *t)
{
    int row, block, near = 0;
    layers_extreme(t, false, &row, &block);
    const LayerRow *of = &t->rows[row];
    const Interval lowest = of->interval[block];
    const char *least =
        arena_printf(arena, "Farthest from where %s left it is %s: CKA %s", r->tasks[0].name,
                     layers_where(arena, r, t, row, block), format_decimal(arena, of->values[block], 2));
    if (isnan(lowest.low))
        return arena_printf(arena, "%s, where 1 is unchanged; how sure that is, is not recorded.", least);
    if (lowest.high >= 1)
        return arena_printf(arena,
                            "No layer is shown to have moved from where %s left it: the 95%% interval of the "
                            "lowest CKA, %s, reaches 1, which is unchanged.",
                            r->tasks[0].name, format_decimal(arena, of->values[block], 2));
    for (int i = 0; i < t->row_count; i++)
        for (int k = 0; k < t->block_count; k++)
            near += t->rows[i].seeds[k] && (i != row || k != block) && t->rows[i].interval[k].low <= lowest.high;
    return arena_printf(arena, "%s (%s), where 1 is unchanged.%s", least, layers_interval(arena, of, block, false),
                        near ? arena_printf(arena,
                                            " The intervals of %d other%s reach as low: which is farthest is "
                                            "not sure.",
                                            near, near > 1 ? "s" : "")
                             : "");
}

static void layers_tell(Arena *arena, const Results *r, const LayerTable *t, bool swap, Canvas *canvas)
{
    const char *alt = "";
    canvas->see = swap ? layers_see_swap(arena, r, t) : layers_see_drift(arena, r, t);
    for (int i = 0; i < t->row_count; i++) {
        alt = text_join(arena, alt, "; ", arena_printf(arena, "%s:", r->methods[t->rows[i].method]));
        for (int k = 0; k < t->block_count; k++) {
            if (!t->rows[i].seeds[k]) continue;
            const char *interval = layers_interval(arena, &t->rows[i], k, swap);
            alt = arena_printf(arena, "%s%s %s %s", alt, k ? "," : "", t->blocks[k],
                               layers_value(arena, &t->rows[i], k, swap));
            if (*interval) alt = arena_printf(arena, "%s (%s)", alt, interval);
        }
    }
    canvas->alt = arena_printf(arena, "%s%s.", swap ? "Points returned. " : "CKA. ", alt);
}

static bool layers_draw(Arena *arena, const Results *r, Str font, Canvas *canvas, bool swap, Err *err)
{
    LayerTable t = layers_collect(arena, r, swap);
    int row, block;
    float names = 0;
    const char *task = r->tasks[0].name, *over = verdict_most_seeds(r) > 1 ? "; mean over seeds" : "";
    const char *title = swap ? arena_printf(arena, "Which part of the encoder, put back, returns %s", task)
                             : arena_printf(arena, "How far each layer moved from %s", task);
    const char *subtitle =
        swap ? arena_printf(
                   arena,
                   "points on %u rows of %s with only that part back in its state right after %s%s; below: 95%% "
                   "interval; *: more than chance explains",
                   layers_rows_of(r, true), task, task, over)
             : arena_printf(arena,
                            "debiased CKA of first-token states of %u rows of %s, right after it and after %s; 1: "
                            "unchanged%s; below: 95%% interval",
                            layers_rows_of(r, false), task, verdict_later(arena, r), over);
    const int least = r->look.narrow ? 440 + t.row_count * LAYERS_NARROW : 200 + t.row_count * LAYERS_ROW;
    if (!chart_open(canvas, arena, r, least, font, err)) return false;
    const float y = chart_title(canvas, title, subtitle);
    layers_extreme(&t, swap, &row, &block);
    const double value = t.rows[row].values[block], most = fmax(swap ? value : 1 - value, swap ? 0.01 : 0.05);
    if (swap && value < LAYERS_NOTHING)
        canvas_text(canvas, CHART_MARGIN, y + 39, ALIGN_LEFT, "no part returns anything", 25, COLOUR_TEXT);
    else if (swap)
        heat_draw_scale(canvas, CHART_MARGIN, y, "nothing returns",
                        arena_printf(arena, "%s points return", format_share(arena, most)));
    else
        heat_draw_scale(canvas, CHART_MARGIN, y, "unchanged",
                        arena_printf(arena, "CKA %s", format_decimal(arena, 1 - most, 2)));
    for (int i = 0; i < t.row_count; i++)
        names = fmaxf(names, canvas_text_width(canvas, r->methods[t.rows[i].method], 32));
    const bool narrow = chart_is_narrow(canvas);
    Box area = {narrow ? CHART_MARGIN : CHART_MARGIN + canvas_clamp(names, 100, 330) + 16, y + 112,
                (float)(canvas->width - CHART_MARGIN), (float)canvas->height - 40};
    area.y1 = fminf(area.y1, area.y0 + (float)(narrow ? LAYERS_NARROW : LAYERS_HIGHEST) * (float)t.row_count);
    layers_draw_table(canvas, r, &t, area, most, swap);
    canvas_crop(canvas, area.y1 + CHART_MARGIN);
    layers_tell(arena, r, &t, swap, canvas);
    return true;
}

static bool chart_drift(Arena *arena, const Results *r, Str font, Canvas *canvas, Err *err)
{
    return layers_draw(arena, r, font, canvas, false, err);
}
static bool chart_swap(Arena *arena, const Results *r, Str font, Canvas *canvas, Err *err)
{
    return layers_draw(arena, r, font, canvas, true, err);
}
