#include "report.h"

#include <stdlib.h>
#include <string.h>

/* What a report is asked for: order and names of methods, and how its pictures look. */

/* The rest of "NAME=rest" when the name is as long as that; NULL: there is no '='. */
static const char *look_assignment(const char *text, size_t *name)
{
    *name = strcspn(text, "=");
    return text[*name] ? text + *name + 1 : NULL;
}

static int look_method(const Results *r, Str name)
{
    for (int m = 0; m < r->method_count; m++)
        if (str_equal(str(r->methods[m]), name)) return m;
    return -1;
}

static bool look_no_method(Arena *arena, const Results *r, const char *option, Str name, Err *err)
{
    return fail_usage(err, "--%s: no method of this report is called %s; there are %s", option, str_show(name),
                      format_list(arena, r->methods, r->method_count));
}

bool report_rename(Arena *arena, Results *r, const char *assignment, Err *err)
{
    size_t size;
    const char *name = look_assignment(assignment, &size);
    if (!name || !size) return fail_usage(err, "--rename %s: METHOD=NAME is needed", str_show(str(assignment)));
    const int method = look_method(r, (Str){assignment, size});
    if (method < 0) return look_no_method(arena, r, "rename", (Str){assignment, size}, err);
    bool plain = *name && strlen(name) <= LOAD_MAX_NAME;
    for (const char *p = name; *p && plain; p++) plain = !load_control(p);
    if (!plain)
        return fail_usage(err, "--rename %s: a name has 1 to %d bytes, and no control characters",
                          str_show(str(assignment)), LOAD_MAX_NAME);
    const int other = look_method(r, str(name));
    if (other >= 0 && other != method)
        return fail_usage(err, "--rename %s: another method is called so", str_show(str(assignment)));
    r->methods[method] = arena_printf(arena, "%s", name);
    return true;
}

/* place[m]: where method m of now will stand. */
static void look_permute(Arena *arena, Results *r, const int *place)
{
    const size_t count = (size_t)r->method_count;
    const char **names = arena_new(arena, const char *, count);
    ResultMethodInfo *info = arena_new(arena, ResultMethodInfo, count);
    for (size_t m = 0; m < count; m++) {
        names[place[m]] = r->methods[m];
        info[place[m]] = r->method_info[m];
    }
    r->methods = names;
    r->method_info = info;
    for (size_t i = 0; i < r->runs.count; i++) r->runs.at[i].method = place[r->runs.at[i].method];
    if (r->runs.count) qsort(r->runs.at, r->runs.count, sizeof *r->runs.at, load_compare_runs);
}

bool report_order(Arena *arena, Results *r, const char *list, Err *err)
{
    int *place = arena_new(arena, int, (size_t)r->method_count), next = 0;
    for (int m = 0; m < r->method_count; m++) place[m] = -1;
    for (Str rest = str(list), name; list_next(&rest, &name);) {
        const int method = look_method(r, name);
        if (method < 0) return look_no_method(arena, r, "order", name, err);
        if (place[method] >= 0) return fail_usage(err, "--order names %s twice", str_show(name));
        place[method] = next++;
    }
    for (int m = 0; m < r->method_count; m++)
        if (place[m] < 0) place[m] = next++;
    look_permute(arena, r, place);
    return true;
}

/* "#0072b2" */
static bool look_colour(Str text, uint32_t *colour)
{
    *colour = 0;
    if (text.size != 7 || text.at[0] != '#') return false;
    for (size_t i = 1; i < text.size; i++) {
        const char c = text.at[i], *digits = "0123456789abcdef", lower = c >= 'A' && c <= 'F' ? (char)(c + 32) : c;
        const char *digit = lower ? strchr(digits, lower) : NULL;
        if (!digit) return false;
        *colour = 16 * *colour + (uint32_t)(digit - digits);
    }
    return true;
}

bool look_colours(ReportLook *look, const char *list, Err *err)
{
    look->colour_count = 0;
    for (Str rest = str(list), item; list_next(&rest, &item); look->colour_count++) {
        if (look->colour_count == LOOK_COLOURS)
            return fail_usage(err, "--chart-colours: there are %d at most", LOOK_COLOURS);
        if (!look_colour(item, &look->colours[look->colour_count]))
            return fail_usage(err, "--chart-colours: %s is no colour such as #0072b2", str_show(item));
    }
    return true;
}
