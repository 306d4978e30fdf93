#include "experiment.h"

#include <stdlib.h>
#include <string.h>

/* A method with a seed, in journal->finished. */
typedef struct JournalKey {
    char text[256];
} JournalKey;

/* The run's diary: events go to OUT/results.jsonl as they happen; the predictions of a method go to OUT/predictions.tsv
 * when it is finished. What an interrupted method left behind is dropped when the run goes on. */
typedef struct Journal {
    const char *out;
    FileLock lock; /* OUT/lock: one run at a time */
    Log log;
    bool echo; /* events on stdout, too */
    Arena arena;
    json_t *finished;      /* {"seed/method": true} */
    DYN(JournalKey) order; /* the same, in the order of the file as it was found */
    json_t *texts_known;   /* {"task/row": true}: rows whose text is there */
    size_t texts, kept;    /* text events that finished methods left, and how many of them have been kept so far */
    bool described;        /* the run event in results.jsonl is that of this plan */
    double seconds;        /* that the finished methods took */
    int64_t peak_bytes;    /* of the run that was finished here; 0: none was */
    json_t *margin;        /* its match_margin, or null */
} Journal;

static const char *journal_path(Journal *journal, const char *name)
{
    return arena_printf(&journal->arena, "%s/%s", journal->out, name);
}

/* Takes over the reference to `event`. */
static bool journal_event(Journal *journal, json_t *event, Err *err)
{
    ASSERT(event);
    char *line = json_dumps(event, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    json_decref(event);
    ASSERT(line);
    bool ok = log_append(&journal->log, str(line), err);
    if (journal->echo) {
        printf("%s\n", line);
        sys_stream_flush(stdout); /* a failure counts at the end */
    }
    free(line);
    return ok;
}

static JournalKey journal_key(const char *method, uint32_t seed)
{
    JournalKey key;
    snprintf(key.text, sizeof key.text, "%u/%s", seed, method);
    return key;
}

static bool journal_is_finished(const Journal *journal, const char *method, uint32_t seed)
{
    return json_object_get(journal->finished, journal_key(method, seed).text) != NULL;
}

static void journal_finish(Journal *journal, const char *method, uint32_t seed)
{
    json_object_set_new(journal->finished, journal_key(method, seed).text, json_true());
}

/* Whether the text of an evaluation row (task and row from 0) is there; from now on it is. */
static bool journal_knows_text(Journal *journal, uint32_t task, uint32_t row)
{
    char key[32];
    snprintf(key, sizeof key, "%u/%u", task + 1, row + 1);
    if (json_object_get(journal->texts_known, key)) return true;
    json_object_set_new(journal->texts_known, key, json_true());
    return false;
}

/* The method and seed that a line of predictions.tsv begins with, as a key of journal->finished; false: none. */
static bool journal_predictor(Str line, JournalKey *key)
{
    const char *tab = memchr(line.at, '\t', line.size);
    const char *second = tab ? memchr(tab + 1, '\t', line.size - (size_t)(tab + 1 - line.at)) : NULL;
    int64_t seed;
    char name[sizeof key->text];
    const size_t size = tab ? (size_t)(tab - line.at) : sizeof name;
    if (!second || size >= sizeof name || !parse_int((Str){tab + 1, (size_t)(second - tab - 1)}, 0, UINT32_MAX, &seed))
        return false;
    memcpy(name, line.at, size);
    name[size] = 0;
    *key = journal_key(name, (uint32_t)seed);
    return true;
}

static bool journal_keeps_prediction(Journal *journal, Str line)
{
    JournalKey key;
    return journal_predictor(line, &key) && json_object_get(journal->finished, key.text);
}

/* Takes the next whole line off `rest`, without its end; false when none is left: an incomplete last line is none. */
static bool journal_line(Str *rest, Str *line)
{
    const char *end = rest->size ? memchr(rest->at, '\n', rest->size) : NULL;
    if (!end) return false;
    *line = (Str){rest->at, (size_t)(end - rest->at)};
    *rest = (Str){end + 1, rest->size - line->size - 1};
    return true;
}

/* The lines of `all` that `keep` wants; with a header the first one, too. */
static Str journal_kept(Journal *journal, Arena *arena, Str all, bool header, bool (*keep)(Journal *, Str))
{
    char *kept = arena_new(arena, char, all.size + 1);
    size_t size = 0;
    for (Str rest = all, line; journal_line(&rest, &line);) {
        if (!(header && line.at == all.at) && !keep(journal, line)) continue;
        memcpy(kept + size, line.at, line.size + 1);
        size += line.size + 1;
    }
    return (Str){kept, size};
}

/* Cuts a file to the lines that `keep` wants, after `first`. */
static bool journal_filter(Journal *journal, const char *path, Str first, bool header, bool (*keep)(Journal *, Str),
                           Err *err)
{
    Str all;
    Arena arena = {0};
    if (!file_exists(path)) return true;
    bool ok = file_read(&arena, path, UINT32_MAX, &all, err);
    if (ok) {
        const Str parts[] = {first, journal_kept(journal, &arena, all, header, keep)};
        ok = file_write_parts(path, parts, COUNT(parts), err);
    }
    arena_free(&arena);
    return ok;
}

static json_t *journal_parse(Str line)
{
    json_t *event = json_loadb(line.at, line.size, 0, NULL);
    if (json_is_object(event)) return event;
    json_decref(event);
    return NULL;
}

/* Whether an event is of one method and seed, and of which. */
static bool journal_owner(const json_t *event, JournalKey *key)
{
    const char *method = json_string_value(json_object_get(event, "method"));
    const json_int_t seed = json_integer_value(json_object_get(event, "seed"));
    if (!method || seed < 0 || seed > UINT32_MAX) return false;
    *key = journal_key(method, (uint32_t)seed);
    return true;
}

static bool journal_keeps_event(Journal *journal, Str line)
{
    json_t *event = journal_parse(line);
    const char *name = json_string_value(json_object_get(event, "event"));
    JournalKey key;
    bool keep = false;
    if (name && strcmp(name, "text") == 0) {
        /* Texts belong to no method: those that stand before the end of a finished one are its own, or older. */
        keep = journal->kept++ < journal->texts;
        if (keep)
            journal_knows_text(journal, (uint32_t)json_integer_value(json_object_get(event, "task")) - 1,
                               (uint32_t)json_integer_value(json_object_get(event, "row")) - 1);
    } else if (name && strcmp(name, "run") == 0)
        keep = journal->described && json_object_size(journal->finished) > 0; /* else it comes again */
    else if (name)
        keep = journal_owner(event, &key) && json_object_get(journal->finished, key.text);
    json_decref(event);
    return keep;
}

/* Whether a run event speaks of the methods and seeds of another one. */
static bool journal_describes(const json_t *event, const json_t *run)
{
    static const char *const keys[] = {"methods", "method_info", "seeds"};
    bool same = true;
    for (size_t i = 0; i < COUNT(keys); i++)
        same = same && json_equal(json_object_get(event, keys[i]), json_object_get(run, keys[i]));
    return same;
}

/* What an earlier run left in results.jsonl: which methods it finished, with which texts, and whether all is done. */
static void journal_survey(Journal *journal, Str all, const json_t *run, bool *done)
{
    size_t texts = 0;
    JournalKey key;
    for (Str line; journal_line(&all, &line);) {
        json_t *event = journal_parse(line);
        const char *name = json_string_value(json_object_get(event, "event"));
        if (name && strcmp(name, "run") == 0) {
            journal->described = journal_describes(event, run);
            json_decref(journal->margin);
            journal->margin = json_incref(json_object_get(event, "match_margin"));
        }
        if (name && strcmp(name, "done") == 0) {
            *done = true;
            journal->peak_bytes = json_integer_value(json_object_get(event, "peak_bytes"));
        }
        if (name && strcmp(name, "text") == 0) texts++;
        if (name && strcmp(name, "method") == 0 && journal_owner(event, &key)) {
            json_object_set_new(journal->finished, key.text, json_true());
            *dyn_push(&journal->arena, &journal->order) = key;
            journal->seconds += json_number_value(json_object_get(event, "seconds"));
            journal->texts = texts;
        }
        json_decref(event);
    }
}

static bool journal_read(Journal *journal, const json_t *run, bool *done, Err *err)
{
    Str all;
    Arena arena = {0};
    const char *path = journal_path(journal, "results.jsonl");
    *done = false;
    if (!file_exists(path)) return true;
    const bool ok = file_read(&arena, path, UINT32_MAX, &all, err);
    if (ok) journal_survey(journal, all, run, done);
    arena_free(&arena);
    return ok;
}

static void journal_remove(Journal *journal)
{
    sys_remove(journal_path(journal, "results.jsonl"));
    sys_remove(journal_path(journal, "predictions.tsv"));
    json_object_clear(journal->finished);
    journal->order.count = 0;
    journal->texts = 0;
    journal->seconds = 0;
    journal->peak_bytes = 0;
}

static bool hash_differs(const json_t *then, const json_t *now)
{
    return json_is_string(then) && json_is_string(now) && !json_equal(then, now);
}

/* "tr.csv is not the file that it was for task a": the first file or model that differs between two identities of runs
 * (see run_identity) whose plan is this one; NULL: none does. */
static const char *journal_changed_file(Arena *arena, const Plan *plan, const json_t *then, const json_t *now)
{
    const json_t *tasks = json_object_get(now, "tasks"), *old = json_object_get(then, "tasks");
    for (int i = 0; i < plan->task_count; i++) {
        const json_t *a = json_array_get(old, (size_t)i), *b = json_array_get(tasks, (size_t)i);
        if (!json_equal(json_array_get(a, 0), json_array_get(b, 0))) continue; /* another task */
        const bool train = hash_differs(json_array_get(a, 1), json_array_get(b, 1));
        if (train || hash_differs(json_array_get(a, 2), json_array_get(b, 2)))
            return arena_printf(
                arena, "%s is not the file that it was for task %s",
                str_show(str(train || plan->tasks[i].percent > 0 ? plan->tasks[i].train : plan->tasks[i].eval)),
                plan->tasks[i].name);
    }
    if (hash_differs(json_object_get(then, "model_sha256"), json_object_get(now, "model_sha256")))
        return arena_printf(arena, "the weights of %s are not those that they were", str_show(str(plan->model.name)));
    return NULL;
}

/* Whether all entries of one list are in another. */
static bool journal_has_all(const json_t *list, const json_t *entries)
{
    size_t i, k;
    const json_t *wanted, *entry;
    json_array_foreach(entries, i, wanted)
    {
        bool found = false;
        json_array_foreach(list, k, entry) { found = found || json_equal(entry, wanted); }
        if (!found) return false;
    }
    return json_is_array(entries);
}

/* Whether a run is another one's, or that one with further methods and seeds. */
static bool journal_holds(const json_t *then, const json_t *now)
{
    static const char *const keys[] = {"methods", "seeds"};
    json_t *a = json_copy((json_t *)then), *b = json_copy((json_t *)now);
    bool holds = a != NULL;
    for (size_t i = 0; i < COUNT(keys); i++) {
        holds = holds && journal_has_all(json_object_get(b, keys[i]), json_object_get(a, keys[i]));
        json_object_del(a, keys[i]);
        json_object_del(b, keys[i]);
    }
    holds = holds && json_equal(a, b);
    json_decref(a);
    json_decref(b);
    return holds;
}

/* *same: the run that OUT holds is this one or becomes it. *engine: on which one that run was begun, when it was
 * another; *changed: as of journal_changed_file. */
static bool journal_same_config(Journal *journal, const Plan *plan, const char *path, const json_t *config,
                                bool *exists, bool *same, const char **engine, const char **changed, Err *err)
{
    Arena arena = {0};
    Str text;
    *exists = file_exists(path);
    *same = false;
    *engine = *changed = NULL;
    if (!*exists) return true;
    if (!file_read(&arena, path, 1 << 24, &text, err)) return false;
    json_t *old = journal_parse(text);
    *same = old && journal_holds(json_object_get(old, "identity"), json_object_get(config, "identity"));
    *changed = journal_changed_file(&journal->arena, plan, json_object_get(old, "identity"),
                                    json_object_get(config, "identity"));
    const json_t *before = json_object_get(old, "engine");
    if (json_is_string(before) && !json_equal(before, json_object_get(config, "engine")))
        *engine = arena_copy(&journal->arena, json_string_value(before), json_string_length(before));
    json_decref(old);
    arena_free(&arena);
    return true;
}

/* The folder, for this process alone and without what killed ones have left. */
static bool journal_take_folder(Journal *journal, Err *err)
{
    static const char *const folders[] = {"", "charts", "models/encoder"};
    bool free = false;
    if (!folder_make(journal->out, err) || !lock_take(&journal->lock, journal_path(journal, "lock"), &free, err))
        return false;
    if (!free)
        return fail(err, "%s: another lethe is running in this folder; wait for it or choose another with --out",
                    journal->out);
    for (size_t i = 0; i < COUNT(folders); i++) remove_temporaries(journal_path(journal, folders[i]));
    return true;
}

/* What is there is cut to what was finished, and the run event becomes that of this plan. */
static bool journal_cut(Journal *journal, json_t *run, bool fresh, Err *err)
{
    const char *results = journal_path(journal, "results.jsonl");
    char *line = NULL;
    Str first = {0};
    if (!fresh && !journal->described) {
        if (journal->margin && !json_object_get(run, "match_margin"))
            json_object_set(run, "match_margin", journal->margin);
        line = json_dumps(run, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
        first = str(arena_printf(&journal->arena, "%s\n", line));
        if (journal->echo) printf("%s\n", line);
        free(line);
    }
    return journal_filter(journal, results, first, false, journal_keeps_event, err) &&
           journal_filter(journal, journal_path(journal, "predictions.tsv"), (Str){0}, true, journal_keeps_prediction,
                          err);
}

static bool journal_is_whole(Journal *journal, Err *err); /* journal_whole.c */

/* Prepares OUT. run: the run event of the plan. *done: a finished run of the same configuration lies there and nothing
 * is to be done; *fresh: nothing of the same configuration was there, and the run event is yet to be written. */
static bool journal_open(Journal *journal, const Plan *plan, json_t *config, json_t *run, bool *done, bool *fresh,
                         Err *err)
{
    *journal = (Journal){.out = plan->out,
                         .echo = plan->json,
                         .log = LOG_CLOSED,
                         .finished = json_object(),
                         .texts_known = json_object()};
    const char *engine, *changed;
    bool exists, same;
    if (!journal_take_folder(journal, err)) return false;
    const char *path = journal_path(journal, "config.json");
    if (!journal_same_config(journal, plan, path, config, &exists, &same, &engine, &changed, err) ||
        !journal_read(journal, run, done, err))
        return false;
    if (exists && !same && !plan->force)
        return fail(err,
                    "%s holds a run of another configuration%s%s; choose another folder with --out or start anew with "
                    "--force",
                    plan->out, changed ? ": " : "", changed ? changed : "");
    if (!exists && !plan->force && file_exists(journal_path(journal, "results.jsonl")))
        return fail(err,
                    "%s holds a results.jsonl without its config.json; choose another folder with --out or start anew "
                    "with --force",
                    plan->out);
    if (*done && same && journal->described && !plan->force) return true;
    *done = false;
    if (engine && !plan->force && json_object_size(journal->finished))
        return fail(err,
                    "%s was begun on %s and would go on on %s, which computes other last digits: go on where it was "
                    "begun or start anew with --force",
                    plan->out, engine, json_string_value(json_object_get(config, "engine")));
    if (plan->force || !same) journal_remove(journal);
    if (!journal_is_whole(journal, err)) return false;
    *fresh = json_object_size(journal->finished) == 0;
    /* config.json after it: an addition that is killed between the two is none yet, and the next one begins it again */
    return journal_cut(journal, run, *fresh, err) && json_write(path, config, err) &&
           log_open(&journal->log, journal_path(journal, "results.jsonl"), err);
}

static void journal_close(Journal *journal)
{
    Err ignored = {0};
    log_close(&journal->log, &ignored);
    json_decref(journal->finished);
    json_decref(journal->texts_known);
    json_decref(journal->margin);
    lock_release(&journal->lock);
    journal->finished = journal->texts_known = journal->margin = NULL;
    arena_free(&journal->arena);
}

/* Appends a finished method's predictions. */
static bool journal_predictions(Journal *journal, Str lines, Err *err)
{
    Log file = LOG_CLOSED;
    const char *path = journal_path(journal, "predictions.tsv");
    SysInfo info;
    const bool fresh = sys_info(path, &info) || !info.size; /* empty: its header could not be written */
    bool ok = log_open(&file, path, err);
    if (ok && fresh) ok = log_append(&file, S("method\tseed\tafter_task\ttask\trow\tlabel\tprediction\tlogits"), err);
    if (ok && lines.size) ok = log_append(&file, lines, err);
    return log_close(&file, err) && ok;
}
