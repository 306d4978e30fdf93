#include "files.h"

#include <string.h>

bool json_parse(Str text, const char *what, json_t **out, Err *err)
{
    json_error_t problem;
    *out = json_loadb(text.at, text.size, JSON_REJECT_DUPLICATES, &problem);
    if (*out) return true;
    if (text.size == 0) return fail(err, "%s: empty, JSON is needed", what);
    return fail(err, "%s: not valid JSON at line %d, column %d: %s", what, problem.line, problem.column,
                str_show(str(problem.text)));
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
