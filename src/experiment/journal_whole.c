#include "experiment.h"

#include <string.h>

/* Before a run goes on beside what OUT holds: what is there is whole. Nothing is trained beside a damaged file, since
 * no report could read the two together. */

/* The first line of results.jsonl that is no event; 0: none. The last one may be cut short. */
static size_t whole_damaged_line(Str all)
{
    size_t number = 0;
    for (Str line; journal_line(&all, &line);) {
        number++;
        json_t *event = journal_parse(line);
        const bool named = json_is_string(json_object_get(event, "event"));
        json_decref(event);
        if (!named) return number;
    }
    return 0;
}

/* The lines of each finished method and seed in predictions.tsv: {"seed/method": number}. */
static json_t *whole_count(const Journal *journal, Str all)
{
    json_t *count = json_object();
    for (Str line; journal_line(&all, &line);) {
        JournalKey key;
        if (!journal_predictor(line, &key) || !json_object_get(journal->finished, key.text)) continue;
        json_object_set_new(count, key.text, json_integer(json_integer_value(json_object_get(count, key.text)) + 1));
    }
    return count;
}

/* Every method writes as many predictions as every other, before it is said to be finished. */
static bool whole_predictions(Journal *journal, Arena *arena, const char *path, Err *err)
{
    Str all = {0};
    const char *name, *fewest = NULL, *most = NULL;
    json_t *value;
    if (file_exists(path) && !file_read(arena, path, UINT32_MAX, &all, err)) return false;
    json_t *count = whole_count(journal, all);
    json_object_foreach(journal->finished, name, value)
    {
        const json_int_t lines = json_integer_value(json_object_get(count, name));
        if (!fewest || lines < json_integer_value(json_object_get(count, fewest))) fewest = name;
        if (!most || lines > json_integer_value(json_object_get(count, most))) most = name;
    }
    const json_int_t few = fewest ? json_integer_value(json_object_get(count, fewest)) : 1,
                     many = most ? json_integer_value(json_object_get(count, most)) : 1;
    const char *method = fewest ? strchr(fewest, '/') : NULL;
    const bool ok = (few > 0 && few == many) ||
                    fail(err,
                         "%s holds %s of the predictions of %s (seed %.*s): it was changed or removed; bring it back, "
                         "choose another "
                         "folder with --out or start anew with --force",
                         path, few ? arena_printf(arena, "%lld of %lld", (long long)few, (long long)many) : "none",
                         method + 1, (int)(method - fewest), fewest);
    json_decref(count);
    return ok;
}

static bool journal_is_whole(Journal *journal, Err *err)
{
    Str all = {0};
    Arena arena = {0};
    const char *results = journal_path(journal, "results.jsonl");
    bool ok = file_exists(results) ? file_read(&arena, results, UINT32_MAX, &all, err) : true;
    const size_t damaged = ok ? whole_damaged_line(all) : 0;
    if (damaged)
        ok = fail(err,
                  "%s: line %zu is no event: the file was damaged; bring it back, choose another folder with --out or "
                  "start anew with --force",
                  results, damaged);
    ok = ok && whole_predictions(journal, &arena, journal_path(journal, "predictions.tsv"), err);
    arena_free(&arena);
    return ok;
}
