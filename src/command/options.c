#include "command.h"

#include <getopt.h>
#include <string.h>

/* Command lines: a table of options, and what was given as a JSON object {option: value}, whose values are texts, true
 * for flags, and lists of texts for options that may be repeated. */

static const Option *option_find(const Option *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    return NULL;
}

static bool options_add(const Option *option, const char *text, json_t *options, Err *err)
{
    json_t *value = option->kind == OPTION_FLAG ? json_true() : json_string(text);
    if (!value) return fail_usage(err, "--%s %s: the value is not UTF-8", option->name, str_show(str(text)));
    if (option->kind != OPTION_LIST) return json_object_set_new(options, option->name, value) == 0;
    json_t *list = json_object_get(options, option->name);
    if (!list) json_object_set_new(options, option->name, list = json_array());
    return json_array_append_new(list, value) == 0;
}

/* Further arguments, at most `most_rest` of them, are left at argv[optind]. */
static bool options_parse(const Option *table, size_t count, int argc, char **argv, int most_rest, json_t *options,
                          Err *err)
{
    Arena arena = {0};
    struct option *longs = arena_new(&arena, struct option, count + 1);
    bool ok = true;
    for (size_t i = 0; i < count; i++)
        longs[i] =
            (struct option){table[i].name, table[i].kind == OPTION_FLAG ? no_argument : required_argument, NULL, 0};
    opterr = 0;
    optind = 1;
    for (int at, code; ok && (code = getopt_long(argc, argv, ":", longs, &at)) != -1;) {
        const bool apart = code == 0 && optarg && optarg == argv[optind - 1]; /* the value is an argument of its own */
        const char *given = argv[optind - 1 - apart];
        const size_t size = strcspn(given, "=");
        if (code == ':')
            ok = fail_usage(err, "%s: a value is missing; see lethe help %s", given, argv[0]);
        else if (code != 0)
            ok = fail_usage(err, "%s: unknown option; see lethe help %s", str_show(str(given)), argv[0]);
        else if (size != strlen("--") + strlen(table[at].name)) /* or --for would be --force */
            ok =
                fail_usage(err, "%s: unknown option; did you mean --%s?", str_show((Str){given, size}), table[at].name);
        else
            ok = options_add(&table[at], optarg, options, err);
    }
    if (ok && argc - optind > most_rest)
        ok = fail_usage(err, "%s: unexpected argument; see lethe help %s", str_show(str(argv[optind + most_rest])),
                        argv[0]);
    arena_free(&arena);
    return ok;
}

/* The text given for an option, NULL when there is none; it lives as long as `options`. */
static const char *option_text(const json_t *options, const char *name)
{
    return json_string_value(json_object_get(options, name));
}

/* The number of an OPTION_INT (*whole) or an OPTION_REAL (*real). */
static bool option_number(const Option *option, const char *value, int64_t *whole, double *real, Err *err)
{
    if (option->kind == OPTION_INT)
        return parse_int(str(value), (int64_t)option->low, (int64_t)option->high, whole) ||
               fail_usage(err, "--%s %s: a whole number from %.0f to %.0f is needed", option->name,
                          str_show(str(value)), option->low, option->high);
    return (parse_double(str(value), real) && *real >= option->low && *real <= option->high) ||
           fail_usage(err, "--%s %s: a number from %g to %g is needed", option->name, str_show(str(value)), option->low,
                      option->high);
}

/* As option_number, of an option that may not have been given: then *whole keeps its value. */
static bool option_whole(const Option *table, size_t count, const json_t *options, const char *name, int64_t *whole,
                         Err *err)
{
    const char *value = option_text(options, name);
    return !value || option_number(option_find(table, count, name), value, whole, NULL, err);
}

static void option_print(const char *name, const char *argument, const char *about)
{
    char head[64];
    snprintf(head, sizeof head, "--%s %s", name, argument ? argument : "");
    printf("  %-26s", head);
    for (bool first = true; about; first = false) {
        const char *end = strchr(about, '\n');
        if (!first || strlen(head) > 25) printf("%s%28s", first ? "\n" : "", "");
        printf("%.*s\n", end ? (int)(end - about) : (int)strlen(about), about);
        about = end ? end + 1 : NULL;
    }
}

static void options_print(const Option *table, size_t count)
{
    for (size_t i = 0; i < count; i++) option_print(table[i].name, table[i].argument, table[i].about);
}
