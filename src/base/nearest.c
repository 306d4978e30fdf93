#include "base.h"

#include <string.h>

/* Did you mean? The edit distance of Damerau and Levenshtein, restricted to neighbours: letters put in, left out,
 * replaced, or two that have changed places, each counts 1. */

static char nearest_fold(char c) { return c == '_' ? '-' : ascii_lower(c); }

/* Capitals and small letters are the same, '_' and '-' as well. Both words at most NEAREST_MOST_BYTES long. */
static int nearest_distance(Str a, Str b)
{
    int rows[3][NEAREST_MOST_BYTES + 1];
    int *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t k = 0; k <= b.size; k++) last[k] = (int)k;
    for (size_t i = 1; i <= a.size; i++) {
        const char x = nearest_fold(a.at[i - 1]);
        row[0] = (int)i;
        for (size_t k = 1; k <= b.size; k++) {
            const char y = nearest_fold(b.at[k - 1]);
            row[k] = least_int(least_int(last[k], row[k - 1]) + 1, last[k - 1] + (x != y));
            if (i > 1 && k > 1 && x == nearest_fold(b.at[k - 2]) && y == nearest_fold(a.at[i - 2]))
                row[k] = least_int(row[k], before[k - 2] + 1);
        }
        int *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b.size];
}

Nearest nearest_to(Str word) { return (Nearest){.word = word}; }

void nearest_offer(Nearest *nearest, const char *name)
{
    enum { START_BYTES = 3 }; /* the start of a name is as near as one wrong letter */
    const Str word = nearest->word, other = str(name);
    if (!word.size || word.size > NEAREST_MOST_BYTES || other.size > NEAREST_MOST_BYTES) return;
    const size_t longer = word.size > other.size ? word.size : other.size;
    int distance = nearest_distance(word, other);
    if (distance > 1 && word.size >= START_BYTES && word.size < other.size &&
        nearest_distance(word, (Str){name, word.size}) == 0)
        distance = 1;
    if (distance > (int)(longer < 6 ? longer / 3 : (longer + 2) / 4)) return;
    if (nearest->name && nearest->distance <= distance) return;
    nearest->name = name;
    nearest->distance = distance;
}

const char *nearest_hint(Nearest *nearest, const char *before)
{
    nearest->hint[0] = 0;
    if (nearest->name) snprintf(nearest->hint, sizeof nearest->hint, "; did you mean %s%s?", before, nearest->name);
    return nearest->hint;
}
