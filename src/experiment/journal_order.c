#include "experiment.h"

#include <string.h>

/* A run that was added to leaves the files of a run that was made at once: seed by seed, and in each method by method.
 * The words of a row stand before the first event that speaks of it. */

/* What one method with one seed wrote. */
typedef struct OrderBlock {
    char key[sizeof(JournalKey)];
    DYN(Str) lines;
} OrderBlock;

typedef struct Order {
    Arena arena;
    OrderBlock *block; /* [count] in the order of the run */
    int count, last;   /* last: whose line was the latest */
    bool begun;        /* a method's line was there */
    json_t *texts;     /* "task/row" to the place in `text` */
    DYN(Str) text;
    DYN(Str) out;
} Order;

static OrderBlock *order_block(Order *o, const char *key)
{
    for (int i = 0; i < o->count; i++) {
        const int at = (o->last + i) % o->count;
        if (strcmp(o->block[at].key, key) == 0) return &o->block[o->last = at];
    }
    return NULL;
}

static void order_plan(Order *o, const Plan *plan)
{
    o->count = plan->seed_count * plan->method_count;
    o->block = arena_new(&o->arena, OrderBlock, (size_t)o->count);
    for (int s = 0; s < plan->seed_count; s++)
        for (int m = 0; m < plan->method_count; m++)
            memcpy(o->block[s * plan->method_count + m].key, journal_key(plan->methods[m]->name, plan->seeds[s]).text,
                   sizeof(JournalKey));
}

static void order_text_key(char key[48], json_int_t task, json_int_t row)
{
    snprintf(key, 48, "%lld/%lld", (long long)task, (long long)row);
}

static void order_line(Order *o, Str line)
{
    char key[48];
    JournalKey owner;
    const Str whole = {line.at, line.size + 1}; /* with its end */
    json_t *event = journal_parse(line);
    const char *name = json_string_value(json_object_get(event, "event"));
    if (name && strcmp(name, "text") == 0 && o->begun) {
        order_text_key(key, json_integer_value(json_object_get(event, "task")),
                       json_integer_value(json_object_get(event, "row")));
        json_object_set_new(o->texts, key, json_integer((json_int_t)o->text.count));
        *dyn_push(&o->arena, &o->text) = whole;
    } else if (event && journal_owner(event, &owner)) {
        OrderBlock *block = order_block(o, owner.text);
        o->begun = true;
        if (block) *dyn_push(&o->arena, &block->lines) = whole;
    } else {
        *dyn_push(&o->arena, &o->out) = whole; /* the run event, and the rows that show what the tasks are */
    }
    json_decref(event);
}

/* The words of the rows that an event lists, where none before it did. */
static void order_texts_of(Order *o, Str line)
{
    char key[48];
    size_t i;
    const json_t *row;
    if (!o->text.count) return;
    json_t *event = journal_parse((Str){line.at, line.size - 1});
    json_array_foreach(json_object_get(event, "rows"), i, row)
    {
        order_text_key(key, json_integer_value(json_object_get(event, "task")),
                       json_integer_value(json_array_get(row, 0)));
        const json_t *place = json_object_get(o->texts, key);
        if (place) *dyn_push(&o->arena, &o->out) = o->text.at[json_integer_value(place)];
        json_object_del(o->texts, key);
    }
    json_decref(event);
}

/* The lines of results.jsonl in their order, in o->out. */
static void order_events(Order *o, Str all)
{
    o->texts = json_object();
    for (Str line; journal_line(&all, &line);) order_line(o, line);
    for (int b = 0; b < o->count; b++)
        for (size_t i = 0; i < o->block[b].lines.count; i++) {
            const Str line = o->block[b].lines.at[i];
            order_texts_of(o, line);
            *dyn_push(&o->arena, &o->out) = line;
        }
    json_decref(o->texts);
}

/* The same of predictions.tsv. */
static void order_predictions(Order *o, Str all)
{
    for (Str line; journal_line(&all, &line);) {
        JournalKey key;
        OrderBlock *block = journal_predictor(line, &key) ? order_block(o, key.text) : NULL;
        const Str whole = {line.at, line.size + 1};
        if (block)
            *dyn_push(&o->arena, &block->lines) = whole;
        else if (!o->out.count)
            *dyn_push(&o->arena, &o->out) = whole; /* the header */
    }
    for (int b = 0; b < o->count; b++)
        for (size_t i = 0; i < o->block[b].lines.count; i++) *dyn_push(&o->arena, &o->out) = o->block[b].lines.at[i];
}

static bool order_file(const Plan *plan, const char *path, void (*arrange)(Order *o, Str all), Err *err)
{
    Str all;
    Order o = {0};
    bool ok = file_read(&o.arena, path, UINT32_MAX, &all, err);
    if (ok) {
        order_plan(&o, plan);
        arrange(&o, all);
        ok = file_write_parts(path, o.out.at, o.out.count, err);
    }
    arena_free(&o.arena);
    return ok;
}

/* The methods that were finished before stand in the order in which the run makes them. */
static bool order_holds(const Journal *journal, const Plan *plan)
{
    for (size_t i = 0; i < journal->order.count; i++) {
        const size_t seed = i / (size_t)plan->method_count, method = i % (size_t)plan->method_count;
        if (seed >= (size_t)plan->seed_count ||
            strcmp(journal->order.at[i].text, journal_key(plan->methods[method]->name, plan->seeds[seed]).text) != 0)
            return false;
    }
    return true;
}

/* Every method is finished; the log stays open. */
static bool journal_in_order(Journal *journal, const Plan *plan, Err *err)
{
    const char *results = journal_path(journal, "results.jsonl");
    return order_holds(journal, plan) ||
           (log_close(&journal->log, err) && order_file(plan, results, order_events, err) &&
            order_file(plan, journal_path(journal, "predictions.tsv"), order_predictions, err) &&
            log_open(&journal->log, results, err));
}
