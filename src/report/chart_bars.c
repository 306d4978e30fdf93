#include "report.h"

#include <math.h>
#include <string.h>

/* The picture of the experiment: the first task's accuracy right after its own training and at the end, by method. Bars
 * stand upright while their labels fit, and lie on their side when there are many methods or long names. */

enum {
    BARS_MAX_NOTE_LINES = 4,
    BARS_ROW = 48,      /* least height of a method on its side, */
    BARS_HIGHEST = 110, /* most, */
    BARS_STACKED = 106, /* and with its name above the bars, on a narrow picture; */
    BARS_NAME = 42      /* of which the name takes so much */
};

typedef struct Bar {
    Score score;
    bool hatched;
    Colour colour;
} Bar;

typedef struct BarGroup {
    const char *name, *note;
    Colour note_colour;
    Bar bars[2];
} BarGroup;

typedef struct BarChart {
    Canvas *canvas;
    const Results *results;
    BarGroup *groups;
    int group_count, bar_count; /* bar_count: in each group, 1 or 2 */
    Box plot;                   /* 0 to 100% and all groups */
    bool sideways, stacked;     /* stacked: sideways, with names above the bars */
    float name_size, value_size, note_size;
    double majority;
} BarChart;

/* ---- what to show ---- */

static const char *bars_note_of_change(Arena *arena, const Results *r, int method, const Change *change)
{
    /* a real minus is no place to break a line */
    const char *points = format_minus(arena, format_points(arena, change->mean));
    switch (change->verdict) {
    case VERDICT_FORGOT: return arena_printf(arena, "forgot: %s", points);
    case VERDICT_RELEARNED: return arena_printf(arena, "%s: re-learned", points);
    case VERDICT_CEILING: return "ceiling";
    case VERDICT_GAINED: return arena_printf(arena, "gained: %s", points);
    case VERDICT_NOT_SHOWN:
        return change->mean == 0 ? "no drop shown" : arena_printf(arena, "%s: no drop shown", points);
    case VERDICT_UNCLEAR: return arena_printf(arena, "%s: not decided", points);
    case VERDICT_BY_CONSTRUCTION:
        return r->method_info[method].kind == METHOD_FLOOR ? "cannot forget: floor" : "cannot forget: own weights";
    default: return r->task_count > 1 ? "not finished yet" : "";
    }
}

static Change bars_change(const Results *r, int method, int task)
{
    return task < r->task_count - 1 ? verdict_change(r, method, task) : (Change){0};
}

static bool bars_changed(const Change *change)
{
    return change->verdict == VERDICT_FORGOT || change->verdict == VERDICT_GAINED;
}

/* Nothing that came after the task was learned. */
static bool bars_no_later(Arena *arena, const Results *r, int method, int task)
{
    const int later = r->task_count - 1 - task;
    int missed;
    verdict_missed_list(arena, r, method, task + 1, &missed);
    return later > 0 && missed == later;
}

/* Which bars of a task, right after its training and at the end, say nothing of forgetting: those of a method that did
 * not learn it, or nothing after it. */
static void bars_hatched(Arena *arena, const Results *r, int method, int task, bool hatched[2])
{
    const Change change = bars_change(r, method, task);
    hatched[0] = verdict_missed(r, method, task);
    hatched[1] = hatched[0] || (bars_no_later(arena, r, method, task) && !bars_changed(&change));
}

/* What the bars alone would not show. */
static void bars_annotate(Arena *arena, const Results *r, int method, BarGroup *group)
{
    const Change change = bars_change(r, method, 0);
    int missed;
    bool hatched[2];
    const char *names = verdict_missed_list(arena, r, method, 0, &missed);
    const bool first = verdict_missed(r, method, 0), no_later = bars_no_later(arena, r, method, 0),
               changed = bars_changed(&change);
    bars_hatched(arena, r, method, 0, hatched);
    group->note_colour = COLOUR_SOFT;
    for (int i = 0; i < 2; i++) group->bars[i].hatched = hatched[i];
    if (change.verdict == VERDICT_FORGOT) group->note_colour = COLOUR_ALARM;
    group->note = bars_note_of_change(arena, r, method, &change);
    if (!first && !no_later) return;
    group->note_colour = COLOUR_ALARM;
    const char *miss = missed <= 2 ? arena_printf(arena, "did not learn %s", names)
                                   : arena_printf(arena, "did not learn %d of %d tasks", missed, r->task_count);
    group->note = changed ? arena_printf(arena, "%s; %s", group->note, miss) : miss;
}

static BarChart bars_collect(Arena *arena, const Results *r, Canvas *canvas)
{
    BarChart chart = {
        .canvas = canvas, .results = r, .group_count = r->method_count, .bar_count = r->task_count > 1 ? 2 : 1};
    chart.groups = arena_new(arena, BarGroup, (size_t)r->method_count);
    chart.majority = r->tasks[0].majority_rate;
    for (int m = 0; m < r->method_count; m++) {
        BarGroup *group = &chart.groups[m];
        group->name = r->methods[m];
        group->bars[0] = (Bar){.score = verdict_score(r, m, 0, 0), .colour = COLOUR_BLUE};
        if (chart.bar_count > 1)
            group->bars[1] = (Bar){.score = verdict_score(r, m, r->task_count - 1, 0), .colour = COLOUR_ORANGE};
        bars_annotate(arena, r, m, group);
    }
    return chart;
}

static const char *bars_value(Arena *arena, const Bar *bar, bool sign)
{
    return sign ? format_percent(arena, bar->score.mean) : format_share(arena, bar->score.mean);
}

/* ---- geometry ---- */

/* A share as a place on the value axis. */
static float bars_place(const BarChart *chart, double share)
{
    const Box p = chart->plot;
    return chart->sideways ? p.x0 + (float)share * (p.x1 - p.x0) : p.y1 - (float)share * (p.y1 - p.y0);
}

static float bars_group_extent(const BarChart *chart)
{
    const Box p = chart->plot;
    return (chart->sideways ? p.y1 - p.y0 : p.x1 - p.x0) / (float)chart->group_count;
}

static float bars_thickness(const BarChart *chart)
{
    const float extent = chart->stacked ? BARS_STACKED - BARS_NAME + 12 : bars_group_extent(chart);
    const float thickness = extent * (chart->bar_count == 1 ? 0.5f : 0.37f);
    return !chart->sideways && thickness > 170 ? 170 : thickness;
}

/* The middle of a bar, along the axis of the methods. */
static float bars_middle(const BarChart *chart, int group, int bar)
{
    const Box p = chart->plot;
    const float extent = bars_group_extent(chart), name = chart->stacked ? BARS_NAME - 8 : 0,
                middle = (chart->sideways ? p.y0 : p.x0) + extent * (float)group + (extent + name) / 2;
    return chart->bar_count == 1 ? middle
                                 : middle + ((float)bar - 0.5f) * (bars_thickness(chart) + (chart->sideways ? 1 : 4));
}

/* ---- drawing ---- */

static void bars_draw_axis(const BarChart *chart)
{
    Canvas *canvas = chart->canvas;
    const Box p = chart->plot;
    for (int g = 1; g < chart->group_count && chart->sideways; g += 2) {
        const float top = p.y0 + bars_group_extent(chart) * (float)g;
        canvas_rect(canvas, (Box){0, top, (float)canvas->width, top + bars_group_extent(chart)}, COLOUR_BAND, 1);
    }
    const float room = chart->sideways ? (p.x1 - p.x0) / 5 : 100;
    const int step = room > canvas_text_width(canvas, "100%", 24) + 12 ? 20 : 50;
    for (int percent = 0; percent <= 100; percent += step) {
        const float at = bars_place(chart, percent / 100.0);
        const char *text = format_percents(canvas->arena, percent / 100.0, 0);
        const Colour colour = percent ? COLOUR_GRID : COLOUR_SOFT;
        if (chart->sideways) {
            canvas_rect(canvas, (Box){at - 1, p.y0, at + 1, p.y1}, colour, 1);
            canvas_text(canvas, at, p.y1 + 34, ALIGN_CENTRE, text, 24, COLOUR_SOFT);
        } else {
            canvas_rect(canvas, (Box){p.x0, at - 1, p.x1, at + 1}, colour, 1);
            canvas_text(canvas, p.x0 - 14, at + 9, ALIGN_RIGHT, text, 25, COLOUR_SOFT);
        }
    }
}

static void bars_draw_bar(const BarChart *chart, const Bar *bar, float middle)
{
    Canvas *canvas = chart->canvas;
    if (!bar->score.seeds) return;
    const float half = bars_thickness(chart) / 2, zero = bars_place(chart, 0), end = bars_place(chart, bar->score.mean);
    const Box box = chart->sideways ? (Box){zero, middle - half, end, middle + half}
                                    : (Box){middle - half, end, middle + half, zero};
    if (bar->hatched) {
        const float edge = 3;
        canvas_rect(canvas, box, bar->colour, 1);
        if (box.x1 - box.x0 > 2 * edge && box.y1 - box.y0 > 2 * edge) {
            const Box inner = {box.x0 + edge, box.y0 + edge, box.x1 - edge, box.y1 - edge};
            canvas_rect(canvas, inner, COLOUR_WHITE, 1);
            canvas_hatch(canvas, inner, bar->colour, 20, 5);
        }
    } else {
        canvas_rect(canvas, box, bar->colour, 1);
    }
    canvas_mark(canvas, MARK_BAR, box, "");
}

static void bars_draw_whisker(const BarChart *chart, const Bar *bar, float middle)
{
    Canvas *canvas = chart->canvas;
    if (!bar->score.seeds) return;
    const float low = bars_place(chart, bar->score.interval.low), high = bars_place(chart, bar->score.interval.high);
    const float cap = canvas_clamp(bars_thickness(chart) * 0.14f, 3, 14), width = chart->sideways ? 2.5f : 4;
    const float ends[] = {low, high};
    for (int halo = 1; halo >= 0; halo--) { /* first wider and white: to be seen on dark bars */
        const Colour colour = halo ? COLOUR_WHITE : COLOUR_TEXT;
        const float pen = halo ? width + 3 : width;
        if (chart->sideways)
            canvas_line(canvas, low, middle, high, middle, pen, colour);
        else
            canvas_line(canvas, middle, low, middle, high, pen, colour);
        for (int i = 0; i < 2; i++) {
            if (chart->sideways)
                canvas_line(canvas, ends[i], middle - cap, ends[i], middle + cap, pen, colour);
            else
                canvas_line(canvas, middle - cap, ends[i], middle + cap, ends[i], pen, colour);
        }
    }
    canvas_mark(canvas, MARK_WHISKER,
                chart->sideways ? (Box){low, middle - cap, high, middle + cap}
                                : (Box){middle - cap, high, middle + cap, low},
                "");
}

/* Beside a bar that reaches 100%, on its side. */
static float bars_value_room(const BarChart *chart)
{
    return 30 + canvas_text_width(chart->canvas, "100.0", chart->value_size);
}

/* The value stands beyond the whisker, on a white plate that hides grid and majority line. */
static void bars_draw_value(const BarChart *chart, const Bar *bar, float middle, bool on_band)
{
    Canvas *canvas = chart->canvas;
    if (!bar->score.seeds) return;
    const char *text = bars_value(canvas->arena, bar, !chart->sideways);
    const float size = chart->value_size, width = canvas_text_width(canvas, text, size),
                end = bars_place(chart, bar->score.interval.high);
    const float x = chart->sideways ? end + 12 : middle - width / 2,
                y = chart->sideways ? middle + size * 0.365f : end - 14;
    canvas_rect(canvas, (Box){x - 3, y - size * 0.8f, x + width + 3, y + size * 0.08f},
                on_band ? COLOUR_BAND : COLOUR_WHITE, 0.9f);
    canvas_text(canvas, x, y, ALIGN_LEFT, text, size, COLOUR_TEXT);
}

static void bars_draw_majority(const BarChart *chart)
{
    Canvas *canvas = chart->canvas;
    const Box p = chart->plot;
    const float at = bars_place(chart, chart->majority);
    if (chart->sideways) {
        const char *text =
            arena_printf(canvas->arena, "majority class %s", format_percent(canvas->arena, chart->majority));
        const float half = canvas_text_width(canvas, text, 24) / 2;
        canvas_line(canvas, at, p.y0 - 8, at, p.y1, 5, COLOUR_WHITE);
        canvas_dashed(canvas, at, p.y0 - 8, at, p.y1, 3, COLOUR_BLACK);
        canvas_text(canvas, canvas_clamp(at, p.x0 + half, p.x1 - half), p.y0 - 18, ALIGN_CENTRE, text, 24, COLOUR_TEXT);
        return;
    }
    canvas_line(canvas, p.x0, at, p.x1 + 8, at, 5, COLOUR_WHITE);
    canvas_dashed(canvas, p.x0, at, p.x1 + 8, at, 3, COLOUR_BLACK);
    const char *lines[] = {"majority", "class", format_percent(canvas->arena, chart->majority)};
    const float top = canvas_clamp(at - 26, p.y0 + 10, p.y1 - 62);
    for (int i = 0; i < 3; i++)
        canvas_text(canvas, p.x1 + 18, top + 30 * (float)i, ALIGN_LEFT, lines[i], 25, COLOUR_TEXT);
}

static void bars_draw_lines(Canvas *canvas, const char *const *lines, int count, float x, float *y, float size,
                            Colour colour)
{
    for (int i = 0; i < count; i++) {
        *y += size * 1.2f;
        canvas_text(canvas, x, *y, ALIGN_CENTRE, lines[i], size, colour);
    }
}

/* Name and note above the bars, one at either end. */
static void bars_draw_name_above(const BarChart *chart, const BarGroup *group, int index)
{
    Canvas *canvas = chart->canvas;
    const float left = CHART_MARGIN, right = (float)canvas->width - CHART_MARGIN / 2.0f,
                y = chart->plot.y0 + bars_group_extent(chart) * (float)index + BARS_NAME - 10;
    const float note = canvas_fit(canvas, group->note, (right - left) * 0.62f, 16, chart->note_size),
                note_width = fminf(canvas_text_width(canvas, group->note, note), (right - left) * 0.62f),
                room = right - left - note_width - 20;
    const float name = canvas_fit(canvas, group->name, room, 16, chart->name_size);
    canvas_text(canvas, left, y, ALIGN_LEFT, canvas_shorten(canvas, group->name, name, room), name, COLOUR_TEXT);
    canvas_text(canvas, right, y, ALIGN_RIGHT, canvas_shorten(canvas, group->note, note, note_width + 1), note,
                group->note_colour);
}

static void bars_draw_name(const BarChart *chart, const BarGroup *group, int index)
{
    Canvas *canvas = chart->canvas;
    const float extent = bars_group_extent(chart);
    if (chart->stacked) {
        bars_draw_name_above(chart, group, index);
        return;
    }
    if (chart->sideways) {
        const float middle = chart->plot.y0 + extent * ((float)index + 0.5f), right = chart->plot.x0 - 16,
                    width = right - CHART_MARGIN / 2;
        const float size = canvas_fit(canvas, group->name, width, 14, chart->name_size);
        canvas_text(canvas, right, middle + size * 0.36f, ALIGN_RIGHT, canvas_shorten(canvas, group->name, size, width),
                    size, COLOUR_TEXT);
        const float left = chart->plot.x1 + bars_value_room(chart),
                    room = (float)canvas->width - CHART_MARGIN / 2 - left;
        const float small = canvas_fit(canvas, group->note, room, 12, chart->note_size);
        canvas_text(canvas, left, middle + small * 0.36f, ALIGN_LEFT, canvas_shorten(canvas, group->note, small, room),
                    small, group->note_colour);
        return;
    }
    const char *lines[BARS_MAX_NOTE_LINES];
    const float x = chart->plot.x0 + extent * ((float)index + 0.5f);
    float y = chart->plot.y1 + 8;
    bars_draw_lines(canvas, lines, canvas_balance(canvas, group->name, chart->name_size, extent - 16, lines, 2), x, &y,
                    chart->name_size, COLOUR_TEXT);
    y += 4;
    if (!group->note) return;
    bars_draw_lines(canvas, lines,
                    canvas_balance(canvas, group->note, chart->note_size, extent - 16, lines, BARS_MAX_NOTE_LINES), x,
                    &y, chart->note_size, group->note_colour);
}

/* ---- layout ---- */

/* Upright when values, names and notes can be read that way; says how much room the names need below. */
static bool bars_fit_upright(BarChart *chart, float *below)
{
    Canvas *canvas = chart->canvas;
    const char *lines[BARS_MAX_NOTE_LINES];
    const float extent = bars_group_extent(chart), width = extent - 16,
                value_width = chart->bar_count == 1 ? width : bars_thickness(chart);
    chart->value_size = 34;
    chart->name_size = 34;
    chart->note_size = 25;
    for (int g = 0; g < chart->group_count; g++)
        for (int b = 0; b < chart->bar_count; b++)
            if (chart->groups[g].bars[b].score.seeds)
                chart->value_size = canvas_fit(canvas, bars_value(canvas->arena, &chart->groups[g].bars[b], true),
                                               value_width, 10, chart->value_size);
    for (;; chart->name_size -= 1, chart->note_size -= 0.5f) {
        int name_lines = 0, note_lines = 0;
        for (int g = 0; g < chart->group_count; g++) {
            const int names =
                canvas_break(canvas, chart->groups[g].name, chart->name_size, width, BREAK_INSIDE, lines, 2);
            const int notes = canvas_break(canvas, chart->groups[g].note, chart->note_size, width, BREAK_INSIDE, lines,
                                           BARS_MAX_NOTE_LINES);
            name_lines = names > name_lines ? names : name_lines;
            note_lines = notes > note_lines ? notes : note_lines;
        }
        *below = 24 + 1.2f * ((float)name_lines * chart->name_size + (float)note_lines * chart->note_size);
        if (name_lines <= 2 && note_lines <= BARS_MAX_NOTE_LINES) break;
        if (chart->name_size < 25) return false;
    }
    return chart->value_size >= 23;
}

static void bars_layout_sideways(BarChart *chart, float top)
{
    Canvas *canvas = chart->canvas;
    float names = 0, notes = 0;
    chart->sideways = true;
    chart->plot = (Box){0, top + 50, 0, (float)canvas->height - 60};
    chart->plot.y1 = fminf(chart->plot.y1, chart->plot.y0 + (float)(BARS_HIGHEST * chart->group_count));
    const float extent = bars_group_extent(chart);
    chart->name_size = canvas_clamp(extent * 0.58f, 20, 34);
    chart->note_size = canvas_clamp(extent * 0.5f, 18, 26);
    chart->value_size = canvas_clamp(extent * 0.4f, 16, 30);
    for (int g = 0; g < chart->group_count; g++) {
        names = fmaxf(names, canvas_text_width(canvas, chart->groups[g].name, chart->name_size));
        notes = fmaxf(notes, canvas_text_width(canvas, chart->groups[g].note, chart->note_size));
    }
    chart->plot.x0 = CHART_MARGIN / 2 + 16 + canvas_clamp(names + 4, 120, 380);
    const float most = (float)canvas->width * 0.29f; /* of names, and of notes */
    chart->plot.x0 = fminf(chart->plot.x0, CHART_MARGIN / 2 + 16 + most);
    chart->plot.x1 =
        (float)canvas->width - CHART_MARGIN / 2 - bars_value_room(chart) - canvas_clamp(notes + 4, 120, most);
}

static void bars_layout_stacked(BarChart *chart, float top)
{
    chart->sideways = chart->stacked = true;
    chart->name_size = 28;
    chart->note_size = chart->value_size = 24;
    chart->plot =
        (Box){CHART_MARGIN, top + 50, (float)chart->canvas->width - CHART_MARGIN / 2.0f - bars_value_room(chart),
              top + 50 + (float)(BARS_STACKED * chart->group_count)};
}

static float bars_draw_legend(const BarChart *chart, float y)
{
    const Results *r = chart->results;
    Arena *arena = chart->canvas->arena;
    const char *task = r->tasks[0].name;
    Swatch swatches[3];
    int count = 0;
    bool hatched = false;
    for (int g = 0; g < chart->group_count; g++)
        hatched =
            hatched || chart->groups[g].bars[0].hatched || (chart->bar_count > 1 && chart->groups[g].bars[1].hatched);
    swatches[count++] = (Swatch){
        .kind = SWATCH_FILLED, .colour = COLOUR_BLUE, .text = arena_printf(arena, "%s right after training it", task)};
    if (chart->bar_count > 1)
        swatches[count++] =
            (Swatch){.kind = SWATCH_FILLED,
                     .colour = COLOUR_ORANGE,
                     .text = arena_printf(arena, "%s after training %s", task, verdict_later(arena, r))};
    if (hatched)
        swatches[count++] = (Swatch){
            .kind = SWATCH_HATCHED, .colour = COLOUR_SOFT, .text = "did not learn: shows no forgetting either way"};
    return chart_legend(chart->canvas, swatches, count, y);
}

static void bars_tell(Arena *arena, const BarChart *chart, const char *headline)
{
    const char *alt = "";
    for (int g = 0; g < chart->group_count; g++) {
        const BarGroup *group = &chart->groups[g];
        if (!group->bars[0].score.seeds) continue;
        const char *before = format_percent(arena, group->bars[0].score.mean);
        alt = text_join(arena, alt, "; ", arena_printf(arena, "%s %s", group->name, before));
        if (chart->bar_count > 1 && group->bars[1].score.seeds)
            alt = arena_printf(arena, "%s before, %s after", alt, format_percent(arena, group->bars[1].score.mean));
        if (*group->note) alt = arena_printf(arena, "%s (%s)", alt, group->note);
    }
    chart->canvas->see = arena_printf(arena, "%s. Always answering the most frequent class would reach %s.", headline,
                                      format_percent(arena, chart->majority));
    chart->canvas->alt = arena_printf(arena, "%s: %s.", chart->results->tasks[0].name, alt);
}

/* The canvas as it was drawn stays in *canvas, for tests. */
static bool chart_before_after(Arena *arena, const Results *r, Str font, Canvas *canvas, Err *err)
{
    float below;
    const int least = r->look.narrow ? 560 + r->method_count * BARS_STACKED : 280 + r->method_count * BARS_ROW;
    const char *subtitle = arena_printf(arena, "%s; %s", chart_setting(arena, r), chart_whiskers(r));
    if (!chart_open(canvas, arena, r, r->look.narrow || r->method_count > 6 ? least : 0, font, err)) return false;
    const char *headline = verdict_headline(arena, r);
    float y = chart_title(canvas, headline, subtitle);
    BarChart chart = bars_collect(arena, r, canvas);
    y = bars_draw_legend(&chart, y);
    chart.plot = (Box){CHART_MARGIN + 85, y + 62, (float)canvas->width - 185, 0};
    if (chart_is_narrow(canvas))
        bars_layout_stacked(&chart, y);
    else if (chart.group_count > 1 && bars_fit_upright(&chart, &below))
        chart.plot.y1 = (float)canvas->height - 16 - below;
    else
        bars_layout_sideways(&chart, y);
    if (chart.sideways) canvas_crop(canvas, chart.plot.y1 + 60);
    bars_draw_axis(&chart);
    for (int g = 0; g < chart.group_count; g++)
        for (int b = 0; b < chart.bar_count; b++)
            bars_draw_bar(&chart, &chart.groups[g].bars[b], bars_middle(&chart, g, b));
    bars_draw_majority(&chart);
    for (int g = 0; g < chart.group_count; g++) {
        for (int b = 0; b < chart.bar_count; b++) {
            bars_draw_whisker(&chart, &chart.groups[g].bars[b], bars_middle(&chart, g, b));
            bars_draw_value(&chart, &chart.groups[g].bars[b], bars_middle(&chart, g, b), chart.sideways && g % 2);
        }
        bars_draw_name(&chart, &chart.groups[g], g);
    }
    bars_tell(arena, &chart, headline);
    return true;
}
