/* Each sentence under a picture against what the picture shows: hundreds of random result sets, with curves, swaps,
 * drift, interpolations and losses, whose numbers are computed here by another way. */
#include "random_results.h"

enum { CAPTION_SETS = 300, CAPTION_PARTS = 8, CAPTION_LAYERS = 6, CAPTION_STEPS = 9, CAPTION_LOOKS = 4 };

static const char *const caption_parts[CAPTION_PARTS] = {"embeddings", "layer 1", "layer 2", "layer 3",
                                                         "layer 4",    "layer 5", "layer 6", "pooler"};

static const char *const caption_values[] = {"1", "20", "300", "4000", NULL};

static double caption_random(uint32_t number, uint32_t a, uint32_t b)
{
    const uint32_t counter[4] = {number, a, b, 0}, key[2] = {20, 26};
    uint32_t out[4];
    philox4x32(counter, key, out);
    return out[0] / 4294967296.0;
}

static Look caption_look(Arena *arena, const bool *from, const bool *to, uint32_t rows, uint32_t draw, double turns)
{
    bool *of = arena_new(arena, bool, rows), *right = arena_new(arena, bool, rows);
    for (uint32_t k = 0; k < rows; k++) {
        of[k] = true;
        right[k] = caption_random(draw, k, 1) < turns ? to && to[k] : from[k];
    }
    return (Look){of, right};
}

static uint32_t caption_count(const bool *right, uint32_t rows)
{
    uint32_t count = 0;
    for (uint32_t k = 0; k < rows; k++) count += right[k];
    return count;
}

static ResultOld *caption_old(Arena *arena, const Results *r, ResultRun *run, int after, int task)
{
    ResultOld **place = &run->old[after * r->task_count + task];
    if (!*place) *place = arena_new(arena, ResultOld, 1);
    return *place;
}

/* Looks on the way, some of which lie far below both ends. */
static void caption_add_curve(Arena *arena, const Results *r, ResultRun *run, uint32_t number, int after)
{
    const Evaluation *own = &run->matrix[(after - 1) * r->task_count], *now = &run->matrix[after * r->task_count];
    ResultOld *old = caption_old(arena, r, run, after, 0);
    const bool dips = caption_random(number, (uint32_t)run->method, 9) < 0.4;
    for (uint32_t k = 0; k < CAPTION_LOOKS; k++) {
        const uint32_t draw = number * 1000 + (uint32_t)run->method * 100 + run->seed * 10 + k;
        const Look look = caption_look(arena, own->right, dips && k == 1 ? NULL : now->right, own->rows, draw, 0.3);
        *dyn_push(arena, &old->curve) = (ResultPoint){2 * k + 1, own->rows, caption_count(look.right, own->rows), look};
    }
}

/* Parts put back: most of them by chance, sometimes one that returns what was lost. */
static void caption_add_places(Arena *arena, const Results *r, ResultRun *run, uint32_t number)
{
    const int last = r->task_count - 1;
    const Evaluation *own = &run->matrix[0], *now = &run->matrix[last * r->task_count];
    ResultOld *old = caption_old(arena, r, run, last, 0);
    const uint32_t draw = number * 100 + (uint32_t)run->method * 10;
    const bool real = caption_random(number, (uint32_t)run->method, 5) < 0.3;
    for (uint32_t p = 0; p < CAPTION_PARTS; p++) {
        const Look look = caption_look(arena, now->right, own->right, now->rows, draw + p, real && p == 3 ? 0.9 : 0.02);
        *dyn_push(arena, &old->swaps) =
            (ResultSwap){caption_parts[p], now->rows, caption_count(look.right, now->rows), now->correct, look};
    }
    old->layer_count = CAPTION_LAYERS;
    old->drift_rows = now->rows;
    old->layers = (const char **)arena_copy(arena, caption_parts + 1, CAPTION_LAYERS * sizeof *caption_parts);
    old->cka = arena_new(arena, double, CAPTION_LAYERS);
    old->cka_error = arena_new(arena, double, CAPTION_LAYERS);
    for (uint32_t k = 0; k < CAPTION_LAYERS; k++) {
        old->cka[k] = 1 - 0.6 * caption_random(draw, k, 2 + run->seed);
        old->cka_error[k] = number % 5 ? 0.1 * caption_random(draw, k, 3) : NAN;
    }
}

static void caption_add_interpolation(Arena *arena, const Results *r, ResultRun *run, uint32_t number)
{
    const int last = r->task_count - 1;
    for (int j = 0; j <= last; j++)
        for (uint32_t k = 0; k <= 10; k++) {
            const Evaluation *cell = &run->matrix[last * r->task_count + j];
            const double share = caption_random(number, (uint32_t)(run->method * 100 + j * 20) + k, run->seed);
            *dyn_push(arena, &caption_old(arena, r, run, last, j)->interpolation) =
                (ResultInterpolation){k / 10.0, cell->rows, (uint32_t)(share * cell->rows)};
        }
}

/* A set with the events that pictures are drawn from, where the rows that they need are recorded. */
static Results caption_results(Arena *arena, uint32_t number)
{
    Results r = sentence_results(arena, number);
    const int last = r.task_count - 1;
    if (number % 3 && r.method_count >= 3) made_sweep(arena, &r, 1, "ewc", "ewc-lambda", caption_values);
    for (size_t i = 0; i < r.runs.count; i++) {
        ResultRun *run = &r.runs.at[i];
        for (int j = 0; j <= last; j++)
            for (uint32_t s = 0; s < CAPTION_STEPS; s++) {
                const double start = caption_random(number, (uint32_t)j, 7) < 0.7 ? log(2) : 1.4,
                             slope = caption_random(number, (uint32_t)(run->method * 8 + j), 8);
                *dyn_push(arena, &run->curves[j]) = (ResultStep){s + 1, start * (1 - slope * s / CAPTION_STEPS), NAN};
            }
        if (!last || !run->matrix[0].right || !run->matrix[last * r.task_count].right) continue;
        for (int after = 1; after <= last; after++) caption_add_curve(arena, &r, run, number, after);
        caption_add_places(arena, &r, run, number);
        if (run->method % 2) caption_add_interpolation(arena, &r, run, number);
    }
    return r;
}

/* ---- what each caption claims ---- */

static bool caption_has(const char *text, const char *what) { return strstr(text, what) != NULL; }

/* A method's accuracy, mean over its seeds; -1: not known. */
static double caption_mean(const Results *r, int method, int after, int task)
{
    double sum = 0;
    int seeds = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        const Evaluation *cell = &r->runs.at[i].matrix[after * r->task_count + task];
        if (r->runs.at[i].method != method || !cell->rows) continue;
        sum += (double)cell->correct / cell->rows;
        seeds++;
    }
    return seeds ? sum / seeds : -1;
}

/* Whether the text goes on with this number after `before`, whichever way its last digit was rounded. */
static bool caption_number(const char *text, const char *before, double value, double last_digit)
{
    const char *at = strstr(text, before);
    return at && fabs(strtod(at + strlen(before), NULL) - value) < 0.51 * last_digit;
}

static const char *caption_of_bars(Arena *arena, const Results *r, const char *see)
{
    const char *all = arena_printf(arena, "%s. Always answering the most frequent class would reach %.1f%%.",
                                   verdict_headline(arena, r), 100 * r->tasks[0].majority_rate);
    return strcmp(see, all) == 0 ? NULL : "its words";
}

/* Learned and kept, as the plane has them: mean over the runs that are whole. false: none is. */
static bool caption_place(const Results *r, int method, double *learned, double *kept)
{
    const int last = r->task_count - 1;
    int seeds = 0;
    *learned = *kept = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultRun *run = &r->runs.at[i];
        if (run->method != method || !run->matrix[last * r->task_count].rows) continue;
        seeds++;
        for (int j = 0; j < last; j++) {
            const Evaluation *own = &run->matrix[(j + 1) * (r->task_count + 1)],
                             *end = &run->matrix[last * r->task_count + j];
            *learned += (double)own->correct / own->rows / last;
            *kept += (double)end->correct / end->rows / last;
        }
    }
    *learned /= fmax(seeds, 1);
    *kept /= fmax(seeds, 1);
    return seeds > 0;
}

static bool caption_trains_one_model(const Results *r, int method)
{
    return r->method_info[method].kind == METHOD_ORDINARY || r->method_info[method].kind == METHOD_AFTER;
}

/* Whether no other of the methods that count has as much of both and more of one. */
static bool caption_front(const Results *r, int method, bool (*counts)(const Results *r, int method))
{
    double learned, kept, x, y;
    bool front = counts(r, method) && caption_place(r, method, &learned, &kept);
    for (int k = 0; k < r->method_count && front; k++)
        if (counts(r, k) && caption_place(r, k, &x, &y))
            front = !(x > learned - 1e-9 && y > kept - 1e-9 && fmax(x - learned, y - kept) > 1e-9);
    return front;
}

static const char *caption_of_plane(Arena *arena, const Results *r, const char *see)
{
    (void)arena;
    for (int m = 0; m < r->method_count; m++)
        if (sentence_names(see, r->methods[m]) != caption_front(r, m, caption_trains_one_model)) return r->methods[m];
    return NULL;
}

static bool caption_in_sweep(const Results *r, int method)
{
    return strstr(r->methods[method], "ewc (ewc-lambda ") != NULL;
}

static const char *caption_of_sweep(Arena *arena, const Results *r, const char *see)
{
    const char *front[COUNT(caption_values)];
    int count = 0;
    for (int m = 1; m < r->method_count; m++)
        if (caption_front(r, m, caption_in_sweep)) front[count++] = caption_values[m - 1];
    return strstr(see, arena_printf(arena, "of both: ewc-lambda %s.", format_list(arena, front, count))) ? NULL
                                                                                                         : "the front";
}

static const char *caption_of_matrix(Arena *arena, const Results *r, const char *see)
{
    const int last = r->task_count - 1;
    double least = 2, most = -1;
    double *ends = arena_new(arena, double, (size_t)r->method_count);
    for (int m = 0; m < r->method_count; m++) {
        bool whole = true;
        for (int j = 0; j <= last; j++) {
            ends[m] += caption_mean(r, m, last, j) / r->task_count;
            whole = whole && caption_mean(r, m, last, j) >= 0;
        }
        if (!whole) ends[m] = -1;
        if (whole && ends[m] < least) least = ends[m];
        if (whole && ends[m] > most) most = ends[m];
    }
    for (int m = 0; m < r->method_count; m++) {
        const char *low = arena_printf(arena, "between %.1f%% (%s) and", 100 * least, r->methods[m]),
                   *high = arena_printf(arena, " and %.1f%% (%s). Down", 100 * most, r->methods[m]);
        if (caption_has(see, arena_printf(arena, "(%s) and", r->methods[m])) &&
            (!caption_has(see, low) || fabs(ends[m] - least) > 1e-9))
            return low;
        if (caption_has(see, arena_printf(arena, "(%s). Down", r->methods[m])) &&
            (!caption_has(see, high) || fabs(ends[m] - most) > 1e-9))
            return high;
    }
    return NULL;
}

/* Whether every seed of a method shows a look below both ends in the training of a later task. */
static bool caption_dips(const Results *r, int method)
{
    for (int after = 1; after < r->task_count; after++) {
        int seeds = 0, dips = 0;
        for (size_t i = 0; i < r->runs.count; i++) {
            const ResultRun *run = &r->runs.at[i];
            const ResultOld *old = run->old[after * r->task_count];
            const Evaluation *before = &run->matrix[(after - 1) * r->task_count],
                             *end = &run->matrix[after * r->task_count];
            Look looks[CAPTION_LOOKS];
            if (run->method != method || !old || !old->curve.count) continue;
            for (size_t k = 0; k < old->curve.count; k++) looks[k] = old->curve.at[k].look;
            seeds++;
            dips += measure_dip(looks, (int)old->curve.count, before->right, end->right, before->rows).look >= 0;
        }
        if (seeds && dips == seeds) return true;
    }
    return false;
}

static const char *caption_of_curve(Arena *arena, const Results *r, const char *see)
{
    const int last = r->task_count - 1;
    double lowest = 2;
    for (int m = 0; m < r->method_count; m++)
        for (size_t i = 0; i < r->runs.count; i++)
            if (r->runs.at[i].method == m && r->runs.at[i].old[last * r->task_count])
                lowest = fmin(lowest, caption_mean(r, m, last, 0));
    for (int m = 0; m < r->method_count; m++) {
        const char *name = r->methods[m], *ends = arena_printf(arena, "lowest with %s: ", name);
        if (caption_has(see, ends) &&
            (fabs(caption_mean(r, m, last, 0) - lowest) > 1e-6 || !caption_number(see, ends, 100 * lowest, 0.1) ||
             !caption_number(see, "%, from ", 100 * caption_mean(r, m, 0, 0), 0.1)))
            return name;
        if (caption_has(see, arena_printf(arena, "points with %s", name)) != caption_dips(r, m))
            return arena_printf(arena, "the dip of %s", name);
        if (caption_dips(r, m) && caption_has(see, "No look between")) return name;
    }
    return NULL;
}

static const char *caption_of_interpolation(Arena *arena, const Results *r, const char *see)
{
    const int last = r->task_count - 1;
    double best = -1, end = 0, at = 0;
    int method = -1;
    for (int m = 0; m < r->method_count; m++)
        for (uint32_t k = 0; k <= 10; k++) {
            double sum = 0, new = 0;
            int seeds = 0;
            for (size_t i = 0; i < r->runs.count; i++) {
                const ResultRun *run = &r->runs.at[i];
                if (run->method != m || !run->old[last * r->task_count] ||
                    !run->old[last * r->task_count]->interpolation.count)
                    continue;
                seeds++;
                for (int j = 0; j <= last; j++) {
                    const ResultOld *old = run->old[last * r->task_count + j];
                    sum += (double)old->interpolation.at[k].correct / old->interpolation.at[k].rows / r->task_count;
                    new += (double)old->interpolation.at[10].correct / old->interpolation.at[10].rows / r->task_count;
                }
            }
            if (!seeds || sum / seeds <= best + 1e-6) continue;
            best = sum / seeds, end = new / seeds, at = k / 10.0, method = m;
        }
    if (best - end < 0.0004) return NULL;
    const char *start = at > 0 ? arena_printf(arena, "%s, %g of the way", r->methods[method], at)
                               : arena_printf(arena, "%s, with the old weights,", r->methods[method]);
    if (strncmp(see, start, strlen(start)) != 0) return start;
    const char *gain = strstr(see, "%, ");
    return caption_number(see, "best average: ", 100 * best, 0.1) && gain &&
                   caption_number(gain, "%, ", 100 * (best - end), 0.1)
               ? NULL
               : "its numbers";
}

/* Mean over seeds and 95% interval of a layer's CKA. false: not recorded. */
static bool caption_cka(const Results *r, int method, int deep, double *mean, Interval *interval)
{
    double values[20], error = 0;
    int seeds = 0;
    for (size_t i = 0; i < r->runs.count; i++) {
        const ResultOld *old = r->runs.at[i].old[(r->task_count - 1) * r->task_count];
        if (r->runs.at[i].method != method || !old || !old->layer_count) continue;
        values[seeds++] = old->cka[deep];
        error += old->cka_error[deep];
    }
    if (!seeds) return false;
    *mean = measure_mean(values, seeds).mean;
    const double half = 1.959963985 * error / seeds;
    *interval = isnan(half) ? (Interval){NAN, NAN}
                            : measure_over_seeds(values, seeds, (Interval){*mean - half, *mean + half}, 0.95);
    return true;
}

static const char *caption_of_drift(Arena *arena, const Results *r, const char *see)
{
    double least = 2, mean;
    Interval of = {0}, lowest = {0};
    int method = -1, deep = -1, near = 0;
    for (int m = 0; m < r->method_count; m++)
        for (int k = 0; k < CAPTION_LAYERS; k++)
            if (caption_cka(r, m, k, &mean, &of) && mean < least) least = mean, lowest = of, method = m, deep = k;
    for (int m = 0; m < r->method_count; m++)
        for (int k = 0; k < CAPTION_LAYERS; k++)
            near += caption_cka(r, m, k, &mean, &of) && (m != method || k != deep) &&
                    fmax(-1, of.low) <= fmin(1, lowest.high);
    const char *where =
        arena_printf(arena, "is %s of %s: CKA %.2f", caption_parts[deep + 1], r->methods[method], least);
    const bool moved = !(lowest.high >= 1);
    if (caption_has(see, "No layer is shown to have moved") == moved) return "whether it moved";
    if (moved && !caption_has(see, where)) return where;
    if (isnan(lowest.high) != caption_has(see, "is not recorded")) return "what is recorded";
    const char *reach = arena_printf(arena, "The intervals of %d other", near);
    return moved && !isnan(lowest.high) && caption_has(see, reach) != (near > 0) ? reach : NULL;
}

/* By the stars and signs that the picture shows. */
static const char *caption_of_swap(Arena *arena, const Results *r, const Canvas *canvas, const char *see)
{
    int stars = 0, up = 0;
    double most = 0;
    (void)r;
    for (size_t i = 0; i < canvas->marks.count; i++) {
        const char *text = canvas->marks.at[i].text;
        const size_t size = strlen(text);
        if (canvas->marks.at[i].kind != MARK_TEXT || !size || text[size - 1] != '*') continue;
        stars++;
        up += *text == '+';
        if (*text == '+') most = fmax(most, strtod(text + 1, NULL));
    }
    if (caption_has(see, "is not shown (") != (up == 0)) return "its stars";
    if (!up) return NULL;
    if (!caption_has(see, arena_printf(arena, ", %.1f points, more than", most))) return "the largest star";
    return caption_has(see, arena_printf(arena, "marks the %d that", stars)) ? NULL : "how many stars";
}

static double caption_loss(const Results *r, int method, int task, size_t step)
{
    double sum = 0;
    int seeds = 0;
    for (size_t i = 0; i < r->runs.count; i++)
        if (r->runs.at[i].method == method) sum += r->runs.at[i].curves[task].at[step].loss, seeds++;
    return sum / seeds;
}

static const char *caption_of_loss(Arena *arena, const Results *r, const char *see)
{
    for (int j = 0; j < r->task_count; j++) {
        double least = 1e9, most = 0;
        bool untrained = true, any = false;
        for (int m = 0; m < r->method_count; m++) {
            const double end = caption_loss(r, m, j, CAPTION_STEPS - 1), start = caption_loss(r, m, j, 0);
            least = fmin(least, end);
            most = fmax(most, end);
            if (r->method_info[m].kind == METHOD_CEILING) continue;
            any = true;
            untrained = untrained && fabs(start - log(r->tasks[j].classes)) <= 0.15;
        }
        const char *name = r->tasks[j].name, *same = arena_printf(arena, "on %s ", name),
                   *apart = arena_printf(arena, "on %s between ", name);
        const char *at = strstr(see, apart);
        if (!at && !(caption_number(see, same, least, 0.01) && most - least < 0.006)) return same;
        if (at && !caption_number(at, apart, least, 0.01)) return apart;
        const char *part = at ? arena_printf(arena, "%.*s", (int)strcspn(at, ";"), at) : "",
                   *high = strstr(part, ") and ");
        if (at && (!high || !caption_number(high, ") and ", most, 0.01))) return part;
        for (int m = 0; m < r->method_count && at; m++) { /* who is named has that loss */
            const double end = caption_loss(r, m, j, CAPTION_STEPS - 1);
            const char *low_name = arena_printf(arena, "(%s) and", r->methods[m]),
                       *high_name = arena_printf(arena, "(%s)", r->methods[m]);
            if ((caption_has(part, low_name) && end > least + 1e-6) ||
                (caption_has(high + 5, high_name) && end < most - 1e-6))
                return r->methods[m];
        }
        const char *start =
            arena_printf(arena, "%.2f with the %u classes of %s", log(r->tasks[j].classes), r->tasks[j].classes, name);
        if (caption_has(see, start) != (any && untrained)) return start;
    }
    return NULL;
}

/* NULL: the picture bears the caption out. */
static const char *caption_wrong(Arena *arena, const Results *r, const char *file, const Canvas *canvas,
                                 const char *see)
{
    if (caption_has(see, "nan") || caption_has(see, "  ") || caption_has(see, "did not forget")) return "its words";
    if (strcmp(file, "before_after") == 0) return caption_of_bars(arena, r, see);
    if (strcmp(file, "plane") == 0) return *see ? caption_of_plane(arena, r, see) : NULL;
    if (strcmp(file, "sweep") == 0) return caption_of_sweep(arena, r, see);
    if (strcmp(file, "matrix") == 0) return *see ? caption_of_matrix(arena, r, see) : NULL;
    if (strcmp(file, "curve") == 0) return caption_of_curve(arena, r, see);
    if (strcmp(file, "interpolation") == 0) return caption_of_interpolation(arena, r, see);
    if (strcmp(file, "drift") == 0) return caption_of_drift(arena, r, see);
    if (strcmp(file, "swap") == 0) return caption_of_swap(arena, r, canvas, see);
    return strcmp(file, "loss") == 0 ? caption_of_loss(arena, r, see) : "a picture that nobody checks";
}

/* The caption with another method's name, where only one of the two is in it: such a lie must be seen. */
static void caption_lies(Arena *arena, const Results *r, const char *file, const Canvas *canvas, int *made, int *seen)
{
    static const char *const checked[] = {"plane", "curve", "drift", "before_after"};
    bool is = false;
    for (size_t i = 0; i < COUNT(checked); i++) is = is || strcmp(file, checked[i]) == 0;
    for (int a = 0; a < r->method_count && is; a++)
        for (int b = 0; b < r->method_count; b++) {
            const char *at = strstr(canvas->see, r->methods[a]);
            if (a == b || !at || strstr(canvas->see, r->methods[b])) continue;
            if (strcmp(file, "curve") == 0 &&
                caption_mean(r, a, r->task_count - 1, 0) == caption_mean(r, b, r->task_count - 1, 0))
                continue; /* either ends lowest */
            const char *lie = arena_printf(arena, "%.*s%s%s", (int)(at - canvas->see), canvas->see, r->methods[b],
                                           at + strlen(r->methods[a]));
            ++*made;
            *seen += caption_wrong(arena, r, file, canvas, lie) != NULL;
        }
}

static void test_no_picture_denies_its_caption(void **state)
{
    (void)state;
    Arena outer = {0};
    const Str font = charts_font(&outer);
    int checked[COUNT(report_charts)] = {0}, made = 0, seen = 0;
    for (uint32_t number = 0; number < CAPTION_SETS; number++) {
        Arena arena = {0};
        Results r = caption_results(&arena, number);
        r.look.narrow = true; /* its pixels cost nothing, its caption is the same */
        for (size_t i = 0; i < COUNT(report_charts); i++) {
            Canvas canvas;
            Err err = {0};
            if (report_charts[i].shown && !report_charts[i].shown(&r)) continue;
            if (!report_charts[i].draw(&arena, &r, font, &canvas, &err)) fail_msg("set %u: %s", number, err.text);
            const char *file = report_charts[i].file, *wrong = caption_wrong(&arena, &r, file, &canvas, canvas.see);
            if (wrong) fail_msg("set %u, %s: %s is wrong in \"%s\"", number, file, wrong, canvas.see);
            caption_lies(&arena, &r, file, &canvas, &made, &seen);
            checked[i]++;
        }
        arena_free(&arena);
    }
    for (size_t i = 0; i < COUNT(checked); i++)
        if (checked[i] < CAPTION_SETS / 4) fail_msg("%s: %d captions only", report_charts[i].file, checked[i]);
    assert_true(made > 300);
    assert_int_equal(seen, made);
    arena_free(&outer);
}

static const struct CMUnitTest captions_tests[] = {
    cmocka_unit_test(test_no_picture_denies_its_caption),
};
