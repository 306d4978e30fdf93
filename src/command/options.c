#include "command.h"

#include <string.h>

/* Command lines: a table of options, and what was given as a JSON object {option: value}, whose values are texts, true
 * for flags, and lists of texts for options that may be repeated. */

static const Option *option_find(const Option *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

/* An option is given once: of two values one would be ignored without a word. */
static bool options_add(const Option *option, const char *text, json_t *options, Err *err)
{
    json_t *value = option->kind == OPTION_FLAG ? json_true() : json_string(text);
    if (!value) return fail_usage(err, "--%s %s: the value is not UTF-8", option->name, str_show(str(text)));
    if (option->kind != OPTION_LIST) return json_object_set_new(options, option->name, value) == 0; /* the last wins */
    json_t *list = json_object_get(options, option->name);
    if (!list) json_object_set_new(options, option->name, list = json_array());
    return json_array_append_new(list, value) == 0;
}

/* "-", which is stdin, is no option; the dashes that word processors make of "--" begin one. */
static bool option_begins(const char *word)
{
    static const char *const dashes[] = {"\xe2\x80\x92", "\xe2\x80\x93", "\xe2\x80\x94", "\xe2\x88\x92"};
    for (size_t i = 0; i < COUNT(dashes); i++)
        if (strncmp(word, dashes[i], 3) == 0) return true;
    return word[0] == '-' && word[1];
}

/* Whatever it is that `word` is not: which option may be meant. */
static bool fail_option(const Option *table, size_t count, const char *word, const char *what, const char *command,
                        Err *err)
{
    size_t start = 0;
    while (word[start] == '-' || (uint8_t)word[start] >= 0x80) start++;
    const Str whole = {word, strcspn(word, "=")}, name = {word + start, whole.size > start ? whole.size - start : 0};
    Nearest near = nearest_to(name);
    for (size_t i = 0; i < count; i++) nearest_offer(&near, table[i].name);
    if (!start && near.distance) near.name = NULL; /* "epochs=3" and "epochs" mean --epochs; other words anything */
    const char *hint = nearest_hint(&near, "--");
    if (*hint) return fail_usage(err, "%s: %s%s", str_show(start ? whole : str(word)), what, hint);
    return fail_usage(err, "%s: %s; see lethe help %s", str_show(start ? whole : str(word)), what, command);
}

/* Reads the option at argv[*at] and moves behind it. */
static bool options_take(const Option *table, size_t count, int argc, char **argv, int *at, json_t *options, Err *err)
{
    char name[64];
    const char *word = argv[(*at)++], *equals = strchr(word, '=');
    const size_t size = strcspn(word, "=");
    snprintf(name, sizeof name, "%.*s", (int)size, word);
    const Option *option =
        size < sizeof name && strncmp(name, "--", 2) == 0 ? option_find(table, count, name + 2) : NULL;
    if (!option) return fail_option(table, count, word, "unknown option", argv[0], err);
    if (option->kind == OPTION_FLAG)
        return equals ? fail_usage(err, "%s: --%s takes no value", str_show(str(word)), option->name)
                      : options_add(option, "", options, err);
    const char *value = equals ? equals + 1 : *at < argc ? argv[*at] : NULL;
    if (!value) return fail_usage(err, "%s: a value is missing; see lethe help %s", word, argv[0]);
    if (!equals && strncmp(value, "--", 2) == 0)
        return fail_usage(err, "%s: a value is missing before %s; one that begins so is written %s=%s", word,
                          str_show(str(value)), word, str_show(str(value)));
    if (!equals) ++*at;
    if (!*value) return fail_usage(err, "--%s: the value is empty", option->name);
    return options_add(option, value, options, err);
}

/* Further arguments, at most `most_rest` of them, move to argv[1] .. argv[*rest]; "--" ends the options. rest may be
 * NULL when there are none. */
static bool options_parse(const Option *table, size_t count, int argc, char **argv, int most_rest, json_t *options,
                          int *rest, Err *err)
{
    bool open = true;
    int kept = 0;
    for (int i = 1; i < argc;) {
        char *word = argv[i];
        if (open && strcmp(word, "--") == 0) {
            open = false;
            i++;
        } else if (open && option_begins(word)) {
            if (!options_take(table, count, argc, argv, &i, options, err)) return false;
        } else if (kept == most_rest) {
            return fail_option(table, count, word, "unexpected argument", argv[0], err);
        } else {
            argv[++kept] = word;
            i++;
        }
    }
    if (rest) *rest = kept;
    return true;
}

/* The text given for an option, NULL when there is none; it lives as long as `options`. */
static const char *option_text(const json_t *options, const char *name)
{
    return json_string_value(json_object_get(options, name));
}

/* The number of an OPTION_INT (*whole) or an OPTION_REAL (*real). A number in another spelling is told from no number.
 */
static bool option_number(const Option *option, const char *value, int64_t *whole, double *real, Err *err)
{
    int64_t any;
    double any_real;
    const bool digits = strpbrk(value, "0123456789") != NULL;
    if (option->kind == OPTION_INT)
        return parse_int(str(value), (int64_t)option->low, (int64_t)option->high, whole) ||
               fail_usage(err, "--%s %s: a whole number from %.0f to %.0f is needed%s", option->name,
                          str_show(str(value)), option->low, option->high,
                          digits && !parse_int(str(value), INT64_MIN, INT64_MAX, &any) ? ", in digits alone, as in 1000"
                                                                                       : "");
    return (parse_double(str(value), real) && *real >= option->low && *real <= option->high) ||
           fail_usage(err, "--%s %s: a number from %g to %g is needed%s", option->name, str_show(str(value)),
                      option->low, option->high,
                      digits && !parse_double(str(value), &any_real) ? ", as in 0.01 or 1e-2" : "");
}

/* As option_number, of an option that may not have been given: then *whole keeps its value. */
static bool option_whole(const Option *table, size_t count, const json_t *options, const char *name, int64_t *whole,
                         Err *err)
{
    const char *value = option_text(options, name);
    return !value || option_number(option_find(table, count, name), value, whole, NULL, err);
}

/* Cuts the next item off a comma-separated list; false at its end. */
static bool list_next(Str *rest, Str *item)
{
    if (!rest->at) return false;
    const char *comma = rest->size ? memchr(rest->at, ',', rest->size) : NULL;
    item->at = rest->at;
    item->size = comma ? (size_t)(comma - rest->at) : rest->size;
    *rest = comma ? (Str){comma + 1, rest->size - item->size - 1} : (Str){0};
    return true;
}

/* *choice: which of the names (NULL behind the last) the value is. */
static bool option_choice(const char *option, const char *const *names, const char *value, int *choice, Err *err)
{
    Arena scratch = {0};
    Nearest near = nearest_to(str(value));
    for (*choice = 0; names[*choice]; ++*choice) {
        if (strcmp(names[*choice], value) == 0) return true;
        nearest_offer(&near, names[*choice]);
    }
    fail_usage(err, "--%s %s: there are %s%s", option, str_show(str(value)), format_list(&scratch, names, *choice),
               nearest_hint(&near, ""));
    arena_free(&scratch);
    return false;
}

static void option_print(const char *name, const char *argument, const char *about)
{
    enum { COLUMN = 28, NARROW = 60 }; /* where what it does stands, and on what it gets lines of its own */
    char head[80];
    const bool narrow = help_columns() < NARROW;
    const int indent = narrow ? 6 : COLUMN;
    const int size = snprintf(head, sizeof head, "--%s%s%s", name, argument ? " " : "", argument ? argument : "");
    int column = help_wrap(head, 2, 0, 4);
    if (!about || narrow || size > COLUMN - 3) printf("\n"), column = 0;
    if (about) help_wrap(about, indent - column, column, indent), printf("\n");
}

static void options_print(const Option *table, size_t count)
{
    for (size_t i = 0; i < count; i++) option_print(table[i].name, table[i].argument, table[i].about);
}
