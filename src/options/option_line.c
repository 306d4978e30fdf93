#include "options.h"

#include <string.h>

/* Command lines: which options were given, and with which texts. */

void option_rows_add(OptionRows *rows, const Option *table, size_t count)
{
    ASSERT(rows->count + count <= OPTION_ROWS_MOST);
    for (size_t i = 0; i < count; i++) rows->at[rows->count++] = &table[i];
}

const Option *option_find(const OptionRows *rows, const char *name)
{
    for (size_t i = 0; i < rows->count; i++)
        if (strcmp(rows->at[i]->name, name) == 0) return rows->at[i];
    return NULL;
}

static bool option_add(const Option *option, const char *text, json_t *given, Err *err)
{
    json_t *value = option->type == OPTION_FLAG ? json_true() : json_string(text);
    if (!value) return fail_usage(err, "--%s %s: the value is not UTF-8", option->name, str_show(str(text)));
    if (option->type != OPTION_LIST) return json_object_set_new(given, option->name, value) == 0; /* the last wins */
    json_t *list = json_object_get(given, option->name);
    if (!list) json_object_set_new(given, option->name, list = json_array());
    return json_array_append_new(list, value) == 0;
}

/* "-", which is stdin, is no option; the dashes that word processors make of "--" begin one. */
bool option_begins(const char *word)
{
    static const char *const dashes[] = {"\xe2\x80\x92", "\xe2\x80\x93", "\xe2\x80\x94", "\xe2\x88\x92"};
    for (size_t i = 0; i < COUNT(dashes); i++)
        if (strncmp(word, dashes[i], 3) == 0) return true;
    return word[0] == '-' && word[1];
}

/* Whatever it is that `word` is not: which option may be meant. */
static bool fail_option(const OptionRows *rows, const char *word, const char *what, const char *command, Err *err)
{
    size_t start = 0;
    while (word[start] == '-' || (uint8_t)word[start] >= 0x80) start++;
    const Str whole = {word, strcspn(word, "=")}, name = {word + start, whole.size > start ? whole.size - start : 0};
    Nearest near = nearest_to(name);
    for (size_t i = 0; i < rows->count; i++) nearest_offer(&near, rows->at[i]->name);
    if (!start && near.distance) near.name = NULL; /* "epochs=3" and "epochs" mean --epochs; other words anything */
    const char *hint = nearest_hint(&near, "--");
    if (*hint) return fail_usage(err, "%s: %s%s", str_show(start ? whole : str(word)), what, hint);
    return fail_usage(err, "%s: %s; see lethe help %s", str_show(start ? whole : str(word)), what, command);
}

/* Reads the option at argv[*at] and moves after it. */
static bool option_take(const OptionRows *rows, int argc, char **argv, int *at, json_t *given, Err *err)
{
    char name[64];
    const char *word = argv[(*at)++], *equals = strchr(word, '=');
    const size_t size = strcspn(word, "=");
    snprintf(name, sizeof name, "%.*s", (int)size, word);
    const Option *option = size < sizeof name && strncmp(name, "--", 2) == 0 ? option_find(rows, name + 2) : NULL;
    if (!option) return fail_option(rows, word, "unknown option", argv[0], err);
    if (option->type == OPTION_FLAG)
        return equals ? fail_usage(err, "%s: --%s takes no value", str_show(str(word)), option->name)
                      : option_add(option, "", given, err);
    const char *value = equals ? equals + 1 : *at < argc ? argv[*at] : NULL;
    if (!value) return fail_usage(err, "%s: a value is missing; see lethe help %s", word, argv[0]);
    if (!equals && strncmp(value, "--", 2) == 0)
        return fail_usage(err, "%s: a value is missing before %s; one that begins so is written %s=%s", word,
                          str_show(str(value)), word, str_show(str(value)));
    if (!equals) ++*at;
    if (!*value) return fail_usage(err, "--%s: the value is empty", option->name);
    return option_add(option, value, given, err);
}

bool options_parse(const OptionRows *rows, int argc, char **argv, int most_rest, json_t *given, int *rest, Err *err)
{
    bool open = true;
    int kept = 0;
    for (int i = 1; i < argc;) {
        char *word = argv[i];
        if (open && strcmp(word, "--") == 0) {
            open = false;
            i++;
        } else if (open && option_begins(word)) {
            if (!option_take(rows, argc, argv, &i, given, err)) return false;
        } else if (kept == most_rest) {
            return fail_option(rows, word, "unexpected argument", argv[0], err);
        } else {
            argv[++kept] = word;
            i++;
        }
    }
    if (rest) *rest = kept;
    return true;
}

const char *option_text(const json_t *given, const char *name)
{
    return json_string_value(json_object_get(given, name));
}
