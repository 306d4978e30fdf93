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

const char *family_target(const Family *family, int t)
{
    const char *module = family->modules->projection[t], *dot = module ? strrchr(module, '.') : NULL;
    return dot ? dot + 1 : module;
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
    int count = 0;
    while (count < LORA_TARGETS && family_target(family, count)) count++;
    for (int t = 0; t < count; t++) family_list(text, t, count, "", family_target(family, t));
    return text;
}
