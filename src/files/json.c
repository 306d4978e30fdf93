#include "files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *json_memory(size_t size) { return memory_need(NULL, size); }

void json_start(void) { json_set_alloc_funcs(json_memory, free); }

static bool json_parse_as(Str text, const char *what, size_t flags, json_t **out, Err *err)
{
    json_error_t problem;
    *out = json_loadb(text.at, text.size, flags | JSON_REJECT_DUPLICATES, &problem);
    if (*out) return true;
    if (text.size == 0) return fail(err, "%s: empty, JSON is needed", what);
    return fail(err, "%s: not valid JSON at line %d, column %d: %s", what, problem.line, problem.column,
                str_show(str(problem.text)));
}

bool json_parse(Str text, const char *what, json_t **out, Err *err) { return json_parse_as(text, what, 0, out, err); }

static bool json_parse_object_as(Str text, const char *what, size_t flags, json_t **out, Err *err)
{
    if (!json_parse_as(text, what, flags, out, err)) return false;
    if (json_is_object(*out)) return true;
    json_decref(*out);
    *out = NULL;
    return fail(err, "%s: not a JSON object", what);
}

bool json_parse_object(Str text, const char *what, json_t **out, Err *err)
{
    return json_parse_object_as(text, what, 0, out, err);
}

/* A copy in which whole reals within 2^53 are the integers that they were. */
static json_t *json_with_integers(json_t *value)
{
    const double x = json_real_value(value); /* 0 of what is no real */
    size_t i;
    const char *key;
    json_t *item, *copy;
    if (json_is_real(value))
        return fabs(x) < 0x1p53 && trunc(x) == x ? json_integer((json_int_t)x) : json_incref(value);
    if (!json_is_array(value) && !json_is_object(value)) return json_incref(value);
    copy = json_is_array(value) ? json_array() : json_object();
    json_array_foreach(value, i, item) { json_array_append_new(copy, json_with_integers(item)); }
    json_object_foreach(value, key, item) { json_object_set_new(copy, key, json_with_integers(item)); }
    return copy;
}

bool json_parse_wide(Str text, const char *what, json_t **out, Err *err)
{
    if (!json_parse_object_as(text, what, JSON_DECODE_INT_AS_REAL, out, err)) return false;
    json_t *reals = *out;
    *out = json_with_integers(reals);
    json_decref(reals);
    return true;
}

bool json_write(const char *path, const json_t *value, Err *err)
{
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    ASSERT(text);
    const Str parts[] = {str(text), S("\n")};
    const bool ok = file_write_parts(path, parts, COUNT(parts), err);
    free(text);
    return ok;
}

bool json_get_int(const json_t *object, const char *what, const char *key, int64_t low, int64_t high, int64_t *value,
                  Err *err)
{
    const json_t *entry = json_object_get(object, key);
    if (!entry) return fail(err, "%s: \"%s\" is missing", what, key);
    if (!json_is_integer(entry)) return fail(err, "%s: \"%s\" must be a whole number", what, key);
    int64_t n = json_integer_value(entry);
    if (n < low || n > high)
        return fail(err, "%s: \"%s\" is %lld, outside %lld to %lld", what, key, (long long)n, (long long)low,
                    (long long)high);
    *value = n;
    return true;
}

bool json_get_double(const json_t *object, const char *what, const char *key, double low, double high, double *value,
                     Err *err)
{
    const json_t *entry = json_object_get(object, key);
    if (!entry) return fail(err, "%s: \"%s\" is missing", what, key);
    if (!json_is_number(entry)) return fail(err, "%s: \"%s\" must be a number", what, key);
    double x = json_number_value(entry);
    if (!(x >= low && x <= high)) return fail(err, "%s: \"%s\" is %g, outside %g to %g", what, key, x, low, high);
    *value = x;
    return true;
}
