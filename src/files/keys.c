#include "files.h"

#include <string.h>

/* The keys of JSON files that other programs write, by allow-list. */

const FileKey *keys_find(const FileKeys *keys, const char *name)
{
    for (; keys; keys = keys->also)
        for (size_t i = 0; i < keys->count; i++)
            if (strcmp(keys->at[i].name, name) == 0) return &keys->at[i];
    return NULL;
}

/* null, false, "", or a list or object of nothing else. */
static bool key_is_empty(const json_t *value)
{
    size_t i;
    const char *key;
    json_t *item;
    json_array_foreach(value, i, item) if (!key_is_empty(item)) return false;
    json_object_foreach((json_t *)value, key, item) if (!key_is_empty(item)) return false;
    return json_is_array(value) || json_is_object(value) || json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && !json_string_length(value));
}

/* Whether `text`, JSON's own text of a value, is one of the words of `list`. */
static bool key_is_listed(const char *text, const char *list)
{
    const size_t size = strlen(text);
    for (const char *at = list; (at = strstr(at, text)); at++)
        if ((at == list || at[-1] == ' ') && (at[size] == ' ' || !at[size])) return size > 0;
    return false;
}

static bool key_passes(const FileKeys *keys, const FileKey *key, const json_t *value, const char *text)
{
    if (!key) return key_is_empty(value) || (keys->unknown_text_passes && json_is_string(value));
    switch (key->rule) {
    case KEY_APPLIED:
    case KEY_HARMLESS: return true;
    case KEY_ONLY: return json_is_null(value) || key_is_listed(text, key->only);
    case KEY_EMPTY: return key_is_empty(value);
    }
    return false;
}

static unsigned key_type(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_TRUE:
    case JSON_FALSE: return TYPE_FLAG;
    case JSON_INTEGER: return TYPE_WHOLE | TYPE_NUMBER;
    case JSON_REAL: return TYPE_NUMBER;
    case JSON_STRING: return TYPE_TEXT;
    case JSON_ARRAY: return TYPE_LIST;
    case JSON_OBJECT: return TYPE_OBJECT;
    case JSON_NULL: return TYPE_NULL;
    }
    return 0;
}

static bool key_fail_type(const FileKey *key, const char *what, Err *err)
{
    static const char *const names[] = {"true or false", "a whole number", "a number",
                                        "a text",        "a list",         "an object"}; /* in the order of TYPE_* */
    const char *said[COUNT(names)] = {""};
    size_t count = 0;
    for (size_t i = 0; i < COUNT(names); i++)
        if (key->types >> i & 1) said[count++] = names[i];
    return fail(err, "%s: \"%s\" must be %s%s%s", what, key->name, said[0], count > 1 ? " or " : "",
                count > 1 ? said[1] : "");
}

bool keys_check(const FileKeys *keys, const json_t *object, const char *what, Err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        const FileKey *key = keys_find(keys, name);
        if (key && key->types && !(key->types & key_type(value))) return key_fail_type(key, what, err);
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS), shown[64];
        const bool passes = key_passes(keys, key, value, text);
        snprintf(shown, sizeof shown, "%s%s", str_show((Str){text, strnlen(text, 40)}),
                 text[strnlen(text, 40)] ? "..." : "");
        free(text);
        if (passes) continue;
        if (key && key->rule == KEY_ONLY)
            return fail(err, "%s: \"%s\" is %s, which lethe does not support; it may be: %s", what, name, shown,
                        key->only);
        return fail(err,
                    key ? "%s: \"%s\" is set (%s), which lethe does not support"
                        : "%s: \"%s\" is set (%s), a key that lethe does not know; take it out if it does not matter",
                    what, str_show(str(name)), shown);
    }
    return true;
}
