#include "report.h"

#include <math.h>
#include <string.h>

/* Stability against plasticity: a point for each method. To the right: it learned the later tasks better; up: it kept
 * more of the earlier ones. Methods that no other beats on both lie on the front; those that cannot forget by
 * construction, the ceiling and the floor are marks to measure the others by, and not on it. */

typedef struct PlanePoint {
    int method;
    MeanOver learned, kept; /* intervals: over seeds, or of one seed over rows */
    bool ranked, front;
    const char *says; /* in place of its name; NULL: its name */
    Box label;        /* its text */
} PlanePoint;

typedef struct PlaneChart {
    Canvas *canvas;
    const Results *results;
    PlanePoint *points;
    int count;
    double x_low, x_high, y_low, y_high, step;
    Box plot;
    const float *front; /* [front_count] x, y: the front as steps; what lies left of it and below it is beaten */
    int front_count;
} PlaneChart;

enum { PLANE_LABEL = 25, PLANE_RADIUS = 11 };
#define PLANE_EQUAL 1e-9 /* means that differ by less are the same: sums in another order */

/* ---- what to show ---- */

static double plane_learned(Arena *arena, const Results *r, const ResultRun *run)
{
    const double *matrix = figure_matrix(arena, r, run);
    double sum = 0;
    for (int j = 1; j < r->task_count; j++) sum += matrix[j * r->task_count + j];
    return sum / (r->task_count - 1);
}

static double plane_kept(Arena *arena, const Results *r, const ResultRun *run)
{
    const double *matrix = figure_matrix(arena, r, run);
    double sum = 0;
    for (int j = 0; j < r->task_count - 1; j++) sum += matrix[(r->task_count - 1) * r->task_count + j];
    return sum / (r->task_count - 1);
}

/* One seed: how far the mean of accuracies on so many rows is from sure. */
static void plane_widen(const Results *r, int from, int to, MeanOver *mean)
{
    double rows = 0;
    if (mean->count != 1) return;
    for (int j = from; j < to; j++) rows += r->tasks[j].eval_rows;
    if (rows > UINT32_MAX) rows = UINT32_MAX;
    mean->interval = measure_wilson((uint32_t)lrint(mean->mean * rows), (uint32_t)rows);
}

static void plane_points(Arena *arena, const Results *r, PlaneChart *chart)
{
    chart->points = arena_new(arena, PlanePoint, (size_t)r->method_count);
    for (int m = 0; m < r->method_count; m++) {
        const MethodKind kind = r->method_info[m].kind;
        PlanePoint point = {.method = m,
                            .learned = figure_over_seeds(r, m, plane_learned),
                            .kept = figure_over_seeds(r, m, plane_kept)};
        if (!point.learned.count || !point.kept.count) continue;
        point.ranked = kind == METHOD_ORDINARY || kind == METHOD_AFTER;
        plane_widen(r, 1, r->task_count, &point.learned);
        plane_widen(r, 0, r->task_count - 1, &point.kept);
        chart->points[chart->count++] = point;
    }
}

static void plane_mark_front(PlaneChart *chart)
{
    for (int i = 0; i < chart->count; i++) {
        PlanePoint *p = &chart->points[i];
        p->front = p->ranked;
        for (int k = 0; k < chart->count && p->front; k++) {
            const PlanePoint *q = &chart->points[k];
            const double learned = q->learned.mean - p->learned.mean, kept = q->kept.mean - p->kept.mean;
            if (q->ranked && learned > -PLANE_EQUAL && kept > -PLANE_EQUAL && fmax(learned, kept) > PLANE_EQUAL)
                p->front = false;
        }
    }
}

static bool plane_shown(const Results *r)
{
    for (int m = 0; m < r->method_count && r->task_count > 1; m++)
        if (figure_over_seeds(r, m, plane_learned).count && figure_over_seeds(r, m, plane_kept).count) return true;
    return false;
}

static const char *plane_name(Arena *arena, const Results *r, const PlanePoint *p)
{
    static const char *const roles[METHOD_KINDS] = {
        [METHOD_SEPARATE] = " (separate weights)", [METHOD_FLOOR] = " (floor)", [METHOD_CEILING] = " (ceiling)"};
    const char *role = roles[r->method_info[p->method].kind];
    if (p->says) return p->says;
    return role ? arena_printf(arena, "%s%s", r->methods[p->method], role) : r->methods[p->method];
}

/* ---- axes ---- */

static float plane_x(const PlaneChart *c, double x)
{
    return c->plot.x0 + (float)fmin(fmax((x - c->x_low) / (c->x_high - c->x_low), 0), 1) * (c->plot.x1 - c->plot.x0);
}
static float plane_y(const PlaneChart *c, double y)
{
    return c->plot.y1 - (float)fmin(fmax((y - c->y_low) / (c->y_high - c->y_low), 0), 1) * (c->plot.y1 - c->plot.y0);
}

/* Room for the points and for most of their whiskers: a seed or two must not squeeze all the others. */
static void plane_range(const PlaneChart *c, bool kept, double step, double *low, double *high)
{
    *low = 1;
    *high = 0;
    for (int i = 0; i < c->count; i++) {
        const MeanOver *m = kept ? &c->points[i].kept : &c->points[i].learned;
        *low = fmin(*low, fmax(m->interval.low, m->mean - 0.05));
        *high = fmax(*high, fmin(m->interval.high, m->mean + 0.05));
    }
    *low = fmax(0, floor((*low - 0.002) / step) * step);
    *high = fmin(1, ceil((*high + 0.002) / step) * step);
}

static void plane_axes(PlaneChart *c)
{
    for (c->step = 0.02; c->step < 0.3; c->step = c->step < 0.03 ? 0.05 : 2 * c->step) {
        plane_range(c, false, c->step, &c->x_low, &c->x_high);
        plane_range(c, true, c->step, &c->y_low, &c->y_high);
        if (fmax(c->x_high - c->x_low, c->y_high - c->y_low) / c->step <= 8.5) break;
    }
}

/* What an axis shows. */
static void plane_axis_name(Canvas *canvas, float x, float y, Align align, const char *before, const char *name,
                            const char *after, float room)
{
    float size = 27;
    const char *text = chart_around(canvas, before, name, after, room, 20, &size);
    canvas_text(canvas, x, y, align, text, size, COLOUR_TEXT);
}

static void plane_draw_axes(const PlaneChart *c)
{
    Canvas *canvas = c->canvas;
    const Results *r = c->results;
    const Box p = c->plot;
    for (int i = 0; c->x_low + i * c->step <= c->x_high + 1e-9; i++) {
        const float x = plane_x(c, c->x_low + i * c->step);
        canvas_rect(canvas, (Box){x - 1, p.y0, x + 1, p.y1}, COLOUR_GRID, 1);
        canvas_text(canvas, x, p.y1 + 36, ALIGN_CENTRE, format_percents(canvas->arena, c->x_low + i * c->step, 0), 25,
                    COLOUR_SOFT);
    }
    for (int i = 0; c->y_low + i * c->step <= c->y_high + 1e-9; i++) {
        const float y = plane_y(c, c->y_low + i * c->step);
        canvas_rect(canvas, (Box){p.x0, y - 1, p.x1, y + 1}, COLOUR_GRID, 1);
        canvas_text(canvas, p.x0 - 12, y + 9, ALIGN_RIGHT, format_percents(canvas->arena, c->y_low + i * c->step, 0),
                    25, COLOUR_SOFT);
    }
    const bool two = r->task_count == 2;
    plane_axis_name(canvas, p.x1, p.y1 + 76, ALIGN_RIGHT, "plasticity: ", two ? r->tasks[1].name : "later tasks",
                    two ? " right after training it →" : " right after training each →", p.x1 - CHART_MARGIN);
    plane_axis_name(canvas, CHART_MARGIN, p.y0 - 32, ALIGN_LEFT,
                    "↑ stability: ", two ? r->tasks[0].name : "earlier tasks", " at the end", p.x1 - CHART_MARGIN);
}

/* ---- the front ---- */

/* The methods on it, from left to right. */
static int plane_front(const PlaneChart *c, const PlanePoint **front)
{
    int count = 0;
    for (int i = 0; i < c->count; i++) {
        if (!c->points[i].front) continue;
        int place = count++;
        for (; place > 0 && front[place - 1]->learned.mean > c->points[i].learned.mean; place--)
            front[place] = front[place - 1];
        front[place] = &c->points[i];
    }
    return count;
}

static void plane_lay_front(PlaneChart *c)
{
    Arena *arena = c->canvas->arena;
    const PlanePoint **front = arena_new(arena, const PlanePoint *, (size_t)c->count + 1);
    const int count = plane_front(c, front);
    float *steps = arena_new(arena, float, 4 * (size_t)count + 4), *to = steps;
    for (int i = 0; i < count; i++) {
        const float x = plane_x(c, front[i]->learned.mean), y = plane_y(c, front[i]->kept.mean);
        if (!i) *to++ = c->plot.x0, *to++ = y;
        *to++ = x, *to++ = y;
        *to++ = x, *to++ = i + 1 < count ? plane_y(c, front[i + 1]->kept.mean) : c->plot.y1;
    }
    c->front = steps;
    c->front_count = (int)(to - steps) / 2;
}

/* ---- labels ---- */

static bool plane_meets(Box a, Box b) { return a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1; }

/* How bad it is to put a label there: its way from the point, and what it would cover. Negative: impossible. */
static float plane_cost(const PlaneChart *c, int label, Box box)
{
    const PlanePoint *own = &c->points[label];
    const float px = plane_x(c, own->learned.mean), py = plane_y(c, own->kept.mean);
    const float dx = fmaxf(fmaxf(box.x0 - px, px - box.x1), 0), dy = fmaxf(fmaxf(box.y0 - py, py - box.y1), 0);
    float cost = canvas_length(dx, dy) + (dx == 0 ? 4 : 0) + (box.x1 < px ? 6 : 0);
    for (int i = 0; i < c->count; i++) {
        const PlanePoint *p = &c->points[i];
        const float x = plane_x(c, p->learned.mean), y = plane_y(c, p->kept.mean), reach = PLANE_RADIUS + 5;
        if (i < label && plane_meets(box, p->label)) return -1;
        if (plane_meets(box, (Box){x - reach, y - reach, x + reach, y + reach})) return -1;
        const Box across = {plane_x(c, p->learned.interval.low), y - 3, plane_x(c, p->learned.interval.high), y + 3};
        const Box upright = {x - 3, plane_y(c, p->kept.interval.high), x + 3, plane_y(c, p->kept.interval.low)};
        cost += plane_meets(box, across) ? 45 : 0;
        cost += plane_meets(box, upright) ? 45 : 0;
    }
    for (int i = 0; i + 1 < c->front_count; i++) { /* steps to the right and down */
        const float *f = c->front + 2 * i;
        cost += plane_meets(box, (Box){f[0] - 3, f[1] - 3, f[2] + 3, f[3] + 3}) ? 60 : 0;
    }
    return cost;
}

/* Each label in the best free place that is left; in what order the points come does not matter much. */
static void plane_place_labels(PlaneChart *c)
{
    Canvas *canvas = c->canvas;
    for (int i = 0; i < c->count; i++) {
        PlanePoint *p = &c->points[i];
        const float width = canvas_text_width(canvas, plane_name(canvas->arena, c->results, p), PLANE_LABEL) + 12,
                    height = PLANE_LABEL * 1.25f;
        float best = INFINITY;
        for (float y = c->plot.y0; y + height <= c->plot.y1; y += 6)
            for (float x = c->plot.x0; x + width <= c->plot.x1; x += 6) {
                const Box box = {x, y, x + width, y + height};
                const float cost = plane_cost(c, i, box);
                if (cost < 0 || cost >= best) continue;
                best = cost;
                p->label = box;
            }
    }
}

/* ---- drawing ---- */

static Colour plane_colour(const PlanePoint *p)
{
    return p->front ? COLOUR_BLUE : p->ranked ? COLOUR_ORANGE : COLOUR_SOFT;
}

static void plane_draw_whiskers(const PlaneChart *c, const PlanePoint *p)
{
    const float x = plane_x(c, p->learned.mean), y = plane_y(c, p->kept.mean);
    const float left = plane_x(c, p->learned.interval.low), right = plane_x(c, p->learned.interval.high);
    const float low = plane_y(c, p->kept.interval.low), high = plane_y(c, p->kept.interval.high);
    canvas_rect(c->canvas, (Box){left, y - 1.5f, right, y + 1.5f}, plane_colour(p), 0.45f);
    canvas_rect(c->canvas, (Box){x - 1.5f, high, x + 1.5f, low}, plane_colour(p), 0.45f);
}

/* On the front: a disc. Behind it: a ring. A mark to measure by: a square. */
static void plane_draw_mark(Canvas *canvas, float x, float y, bool ranked, bool front)
{
    const float reach = PLANE_RADIUS;
    if (!ranked) {
        canvas_rect(canvas, (Box){x - reach, y - reach, x + reach, y + reach}, COLOUR_SOFT, 1);
        canvas_rect(canvas, (Box){x - reach + 4, y - reach + 4, x + reach - 4, y + reach - 4}, COLOUR_WHITE, 1);
        return;
    }
    canvas_disc(canvas, x, y, reach + 2, COLOUR_WHITE);
    canvas_disc(canvas, x, y, reach, front ? COLOUR_BLUE : COLOUR_ORANGE);
    if (!front) canvas_disc(canvas, x, y, reach - 5, COLOUR_WHITE);
}

static void plane_draw_label(const PlaneChart *c, const PlanePoint *p)
{
    Canvas *canvas = c->canvas;
    const float x = plane_x(c, p->learned.mean), y = plane_y(c, p->kept.mean);
    const Box b = p->label;
    if (b.x1 <= b.x0) return; /* no room left: hundreds of methods */
    const float tx = canvas_clamp(x, b.x0 + 4, b.x1 - 4), ty = canvas_clamp(y, b.y0 + 4, b.y1 - 4),
                way = canvas_length(tx - x, ty - y);
    if (way > PLANE_RADIUS + 16)
        canvas_line(canvas, x + (tx - x) * (PLANE_RADIUS + 3) / way, y + (ty - y) * (PLANE_RADIUS + 3) / way, tx, ty, 2,
                    COLOUR_PALE);
    canvas_rect(canvas, b, COLOUR_WHITE, 0.85f);
    canvas_write_text(canvas, b.x0 + 6, b.y0 + PLANE_LABEL * 0.95f, ALIGN_LEFT,
                      plane_name(canvas->arena, c->results, p), PLANE_LABEL, p->ranked ? COLOUR_TEXT : COLOUR_SOFT,
                      p->front);
}

static float plane_draw_legend(Canvas *canvas, const PlaneChart *c, float y)
{
    const struct {
        const char *text;
        bool ranked, front;
    } entries[] = {{"on the front: no other disc or ring is better at both", true, true},
                   {"behind it", true, false},
                   {"for reference", false, false}};
    float x = CHART_MARGIN + 14;
    y += 40;
    for (size_t i = 0; i < COUNT(entries); i++) {
        bool used = false;
        for (int k = 0; k < c->count; k++)
            used = used || (c->points[k].ranked == entries[i].ranked && c->points[k].front == entries[i].front);
        if (!used) continue;
        const float width = 24 + canvas_text_width(canvas, entries[i].text, 25);
        if (x > CHART_MARGIN + 14 && x + width > (float)canvas->width - CHART_MARGIN) x = CHART_MARGIN + 14, y += 40;
        plane_draw_mark(canvas, x, y - 9, entries[i].ranked, entries[i].front);
        canvas_text(canvas, x + 24, y, ALIGN_LEFT, entries[i].text, 25, COLOUR_TEXT);
        x += width + 52;
    }
    return y + 14;
}

static void plane_tell(Arena *arena, const Results *r, const PlaneChart *c, Canvas *canvas)
{
    const PlanePoint **front = arena_new(arena, const PlanePoint *, (size_t)c->count + 1);
    const int count = plane_front(c, front);
    const char **names = arena_new(arena, const char *, (size_t)count + 1), *alt = "";
    for (int i = 0; i < count; i++) names[i] = r->methods[front[i]->method];
    for (int i = 0; i < c->count; i++)
        alt = text_join(arena, alt, "; ",
                        arena_printf(arena, "%s learned %s, kept %s", plane_name(arena, r, &c->points[i]),
                                     format_percent(arena, c->points[i].learned.mean),
                                     format_percent(arena, c->points[i].kept.mean)));
    const char *marks = r->method_count > count ? " Where whiskers overlap, the order is not sure." : "";
    canvas->see =
        count ? arena_printf(arena, "On the front, among the methods that train one model on task after task: %s.%s",
                             format_list(arena, names, count), marks)
              : "";
    canvas->alt = arena_printf(arena, "%s.", alt);
}

/* The plane with its points: all but what joins and names them. `chart` has its points. */
static bool plane_open(PlaneChart *chart, Arena *arena, const char *title, Str font, Err *err)
{
    Canvas *canvas = chart->canvas;
    const Results *r = chart->results;
    if (!chart_open(canvas, arena, r, r->look.narrow ? 900 : 0, font, err)) return false;
    float y = chart_title(canvas, title, arena_printf(arena, "%s; %s", chart_setting(arena, r), chart_whiskers(r)));
    y = plane_draw_legend(canvas, chart, y);
    chart->plot =
        (Box){CHART_MARGIN + 75, y + 78, (float)canvas->width - CHART_MARGIN - 20, (float)canvas->height - 100};
    plane_axes(chart);
    plane_lay_front(chart);
    plane_place_labels(chart);
    plane_draw_axes(chart);
    for (int i = 0; i < chart->count; i++) plane_draw_whiskers(chart, &chart->points[i]);
    return true;
}

/* The front, names and marks. */
static void plane_draw_points(const PlaneChart *chart)
{
    Canvas *canvas = chart->canvas;
    canvas_polyline(canvas, chart->front, (size_t)chart->front_count, 3, COLOUR_BLUE, (Dash){10, 18, 0});
    for (int i = 0; i < chart->count; i++) plane_draw_label(chart, &chart->points[i]);
    for (int i = 0; i < chart->count; i++) {
        const PlanePoint *p = &chart->points[i];
        plane_draw_mark(canvas, plane_x(chart, p->learned.mean), plane_y(chart, p->kept.mean), p->ranked, p->front);
    }
}

static bool chart_plane(Arena *arena, const Results *r, Str font, Canvas *canvas, Err *err)
{
    PlaneChart chart = {.canvas = canvas, .results = r};
    const char *title = r->task_count == 2
                            ? arena_printf(arena, "Who learns %s and keeps %s", r->tasks[1].name, r->tasks[0].name)
                            : "Who learns the later tasks and keeps the earlier ones";
    plane_points(arena, r, &chart);
    plane_mark_front(&chart);
    if (!plane_open(&chart, arena, title, font, err)) return false;
    plane_draw_points(&chart);
    plane_tell(arena, r, &chart, canvas);
    return true;
}
