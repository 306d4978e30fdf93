#include "report.h"

#include <math.h>
#include <string.h>

/* What a run event says of how the run was made, for people and papers: all of it may be missing. */

/* A number that is missing or strange is NAN. */
static double load_fact(const json_t *object, const char *key, double high)
{
    const json_t *value = json_object_get(object, key);
    const double x = json_number_value(value);
    return json_is_number(value) && x >= 0 && x <= high ? x : NAN;
}

static void load_task_facts(Loader *l, const json_t *entry, ResultTask *task)
{
    task->train_sha256 = load_text(l, json_object_get(entry, "train_sha256"));
    task->eval_sha256 = load_text(l, json_object_get(entry, "eval_sha256"));
    task->how_drawn = load_text(l, json_object_get(entry, "rows"));
    task->train_file_rows = load_fact(entry, "train_file_rows", 1e12);
    task->split_percent = load_fact(entry, "split_percent", 100);
    task->again = json_is_integer(json_object_get(entry, "again"));
    task->tokens_per_row = load_fact(entry, "tokens_per_row", 1e9);
}

static void load_setup(Loader *l)
{
    ResultSetup *s = &l->out->setup;
    const json_t *model = json_object_get(l->run, "model"), *training = json_object_get(l->run, "training");
    size_t i;
    const json_t *seed;
    s->family = load_text(l, json_object_get(model, "family"));
    s->model_sha256 = load_text(l, json_object_get(model, "sha256"));
    s->layers = load_fact(model, "layers", 1e6);
    s->hidden = load_fact(model, "hidden", 1e6);
    s->parameters = load_fact(model, "parameters", 1e15);
    s->optimizer = load_text(l, json_object_get(training, "optimizer"));
    s->schedule = load_text(l, json_object_get(training, "schedule"));
    s->beta1 = load_fact(training, "beta1", 1);
    s->beta2 = load_fact(training, "beta2", 1);
    s->epsilon = load_fact(training, "epsilon", 1);
    s->clip_norm = load_fact(training, "clip_norm", 1e12);
    s->warmup_steps = load_fact(training, "warmup_steps", 1e12);
    s->hidden_dropout = load_fact(training, "hidden_dropout", 1);
    s->attention_dropout = load_fact(training, "attention_dropout", 1);
    s->threads = load_fact(l->run, "threads", 1e6);
    json_array_foreach(json_object_get(l->run, "seeds"), i, seed)
    {
        *dyn_push(l->arena, &s->seeds) = (uint32_t)json_integer_value(seed);
    }
}
