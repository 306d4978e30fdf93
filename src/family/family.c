#include "family.h"

#include <string.h>

#include "family_keys.c"

#include "family_bert.c"
#include "family_distilbert.c"
#include "family_roberta.c"
#include "family_xlm_roberta.c"
#include "family_electra.c"
#include "family_mpnet.c"
#include "family_deberta_v2.c"
#include "family_albert.c"
#include "family_modernbert.c"

const Family *const family_rows[] = {&family_bert,      &family_roberta,   &family_distilbert, &family_xlm_roberta,
                                     &family_camembert, &family_electra,   &family_mpnet,      &family_deberta_v2,
                                     &family_albert,    &family_modernbert};
const int family_count = COUNT(family_rows);

const Family *family_find(const char *type)
{
    for (int i = 0; i < family_count; i++)
        if (strcmp(family_rows[i]->type, type) == 0) return family_rows[i];
    return NULL;
}

const char *family_module(const Family *family, int t)
{
    const FamilyModules *m = family->modules;
    const char *const modules[LORA_TARGETS] = {
        [TARGET_QUERY] = m->projection[0],
        [TARGET_KEY] = m->projection[1],
        [TARGET_VALUE] = m->projection[2],
        [TARGET_CONTEXT] = m->context,
        [TARGET_UP] = m->up,
        [TARGET_DOWN] = m->down,
        [TARGET_PROJECT] = m->project,
        [TARGET_POOLER] = m->pooler,
    };
    return modules[t];
}

uint32_t family_linear(const Family *family)
{
    uint32_t all = 0;
    for (int t = 0; t < LORA_TARGETS; t++) all |= family_module(family, t) ? 1u << t : 0;
    return all;
}

/* Whether a module's name is `end`, or ends in it after a dot. */
static bool name_ends_in(Str name, Str end)
{
    if (!end.size || end.size > name.size || memcmp(name.at + name.size - end.size, end.at, end.size) != 0)
        return false;
    return end.size == name.size || name.at[name.size - end.size - 1] == '.';
}

uint32_t family_named(const Family *family, Str name)
{
    uint32_t named = 0, longest = 0;
    size_t most = 0;
    for (int t = 0; t < LORA_TARGETS; t++) {
        const char *module = family_module(family, t);
        if (!module) continue;
        if (name_ends_in(str(module), name)) named |= 1u << t;
        if (strlen(module) <= most || !name_ends_in(name, str(module))) continue;
        most = strlen(module);
        longest = 1u << t;
    }
    return named ? named : longest;
}

const char *family_target(const Family *family, int t)
{
    const char *module = family_module(family, t), *name = module ? module + strlen(module) : NULL;
    while (name && name > module) {
        while (--name > module && name[-1] != '.') continue;
        if (family_named(family, str(name)) == 1u << t) break;
    }
    return name;
}

const char *family_prefix(int i)
{
    for (int f = 0; f < family_count; f++) {
        bool known = false;
        for (int k = 0; k < f; k++) known = known || strcmp(family_rows[k]->prefix, family_rows[f]->prefix) == 0;
        if (!known && i-- == 0) return family_rows[f]->prefix;
    }
    return NULL;
}

/* Adds name i of `count` to a list: commas, and "and" before the last. */
static void family_list(char text[FAMILY_TEXT], int i, int count, const char *quote, const char *name)
{
    const size_t used = i ? strlen(text) : 0;
    snprintf(text + used, FAMILY_TEXT - used, "%s%s%s%s", !i ? "" : i + 1 < count ? ", " : " and ", quote, name, quote);
}

const char *family_types_text(char text[FAMILY_TEXT])
{
    for (int i = 0; i < family_count; i++) family_list(text, i, family_count, "\"", family_rows[i]->type);
    return text;
}

const char *family_prefixes_text(char text[FAMILY_TEXT])
{
    int count = 0;
    while (family_prefix(count)) count++;
    for (int i = 0; i < count; i++) family_list(text, i, count, "\"", family_prefix(i));
    return text;
}

const char *family_targets_text(const Family *family, char text[FAMILY_TEXT])
{
    const uint32_t all = family_linear(family);
    int i = 0;
    for (int t = 0; t < LORA_TARGETS; t++)
        if (all >> t & 1) family_list(text, i++, __builtin_popcount(all), "", family_target(family, t));
    return text;
}
