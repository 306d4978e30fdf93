#include "report.h"

#include <math.h>
#include <string.h>

/* How a run was made, in sentences for people and papers, from its run event alone. What is not recorded is not said.
 */

enum { SETUP_SENTENCES = 64 };

typedef struct Setup {
    Arena *arena;
    const Results *r;
    const char **sentences; /* [SETUP_SENTENCES] */
    int count;
    DYN(const char *) named; /* settings that a sentence has named */
} Setup;

static void setup_say(Setup *s, const char *sentence)
{
    ASSERT(s->count < SETUP_SENTENCES);
    if (*sentence) s->sentences[s->count++] = sentence;
}

/* The value of a setting that all methods have alike; NULL: there is none. */
static const char *setup_common(const Results *r, const char *name)
{
    const char *value = NULL;
    for (int m = 0; m < r->method_count; m++) {
        const ResultSetting *own = load_setting(&r->method_info[m], name);
        if (!own || (value && strcmp(own->value, value) != 0)) return NULL;
        value = own->value;
    }
    return value;
}

/* The same, named from now on; "": there is none. */
static const char *setup_take(Setup *s, const char *name)
{
    const char *value = setup_common(s->r, name);
    if (!value) return "";
    *dyn_push(s->arena, &s->named) = name;
    return value;
}

/* "before VALUE after", or "" when there is no value. */
static const char *setup_around(Arena *arena, const char *before, const char *value, const char *after)
{
    return *value ? arena_printf(arena, "%s%s%s", before, value, after) : "";
}

static const char *setup_number(Arena *arena, const char *before, double value, const char *after)
{
    return isnan(value) ? "" : arena_printf(arena, "%s%s%s", before, format_short(arena, value), after);
}

static void setup_say_model(Setup *s)
{
    Arena *arena = s->arena;
    const ResultSetup *f = &s->r->setup;
    const char *facts = setup_around(arena, "", f->family, "");
    facts = text_join(arena, facts, ", ", setup_number(arena, "", f->layers, " layers"));
    facts = text_join(arena, facts, ", ", setup_number(arena, "hidden size ", f->hidden, ""));
    if (!isnan(f->parameters))
        facts = text_join(arena, facts, ", ",
                          arena_printf(arena, "%s parameters", format_count(arena, (uint64_t)f->parameters)));
    facts = text_join(arena, facts, ", ", setup_around(arena, "sha256 of its weights ", f->model_sha256, ""));
    if (*s->r->model)
        setup_say(s, arena_printf(arena, "The encoder is %s%s.", s->r->model, setup_around(arena, " (", facts, ")")));
    setup_say(s, s->r->acquaintance);
}

/* "1,000 of 4,000 training rows (FILE, sha256 1a2b)" */
static const char *setup_rows(Arena *arena, uint32_t rows, double of, const char *what, const char *file,
                              const char *sha256)
{
    const char *source = text_join(arena, file, ", ", setup_around(arena, "sha256 ", sha256, ""));
    const char *all = isnan(of) || of <= rows ? "" : arena_printf(arena, " of %s", format_count(arena, (uint64_t)of));
    return arena_printf(arena, "%s%s %s rows%s", format_count(arena, rows), all, what,
                        setup_around(arena, " (", source, ")"));
}

static void setup_say_tasks(Setup *s)
{
    Arena *arena = s->arena;
    const Results *r = s->r;
    if (r->task_count > 1)
        setup_say(s, arena_printf(arena, "It is fine-tuned on %d tasks, one after another.", r->task_count));
    for (int j = 0; j < r->task_count; j++) {
        const ResultTask *t = &r->tasks[j];
        const bool split = !isnan(t->split_percent);
        const char *how = strncmp(t->how_drawn, "drawn", 5) == 0       ? ", drawn at random"
                          : strncmp(t->how_drawn, "the first", 9) == 0 ? ", the first of their file"
                                                                       : "";
        const char *apart = split ? arena_printf(arena, ", %s%% of one file set aside to evaluate",
                                                 format_short(arena, t->split_percent))
                                  : "";
        setup_say(s, arena_printf(
                         arena,
                         "Task %d is %s: %u classes, %s and %s%s%s; the most frequent class is %s of "
                         "the evaluation rows%s.",
                         j + 1, t->name, t->classes,
                         setup_rows(arena, t->train_rows, t->train_file_rows, "training", t->train, t->train_sha256),
                         setup_rows(arena, t->eval_rows, t->eval_file_rows ? t->eval_file_rows : NAN, "evaluation",
                                    t->eval, t->eval_sha256),
                         how, apart, format_percent(arena, t->majority_rate),
                         isnan(t->tokens_per_row) ? ""
                                                  : arena_printf(arena, ", and a training row has %s tokens on average",
                                                                 format_decimal(arena, t->tokens_per_row, 1))));
    }
    *dyn_push(arena, &s->named) = "train-rows"; /* said of each task */
    *dyn_push(arena, &s->named) = "eval-rows";
}

/* "by AdamW (beta1 0.9, ...)" */
static const char *setup_optimizer(Setup *s)
{
    Arena *arena = s->arena;
    const ResultSetup *f = &s->r->setup;
    const char *facts = setup_number(arena, "beta1 ", f->beta1, "");
    facts = text_join(arena, facts, ", ", setup_number(arena, "beta2 ", f->beta2, ""));
    facts = text_join(arena, facts, ", ", setup_number(arena, "epsilon ", f->epsilon, ""));
    const char *decay = setup_take(s, "weight-decay");
    facts = text_join(arena, facts, ", ",
                      setup_around(arena, "decoupled weight decay ", decay, ", none on biases and LayerNorm"));
    return *f->optimizer ? arena_printf(arena, "%s%s", f->optimizer, setup_around(arena, " (", facts, ")")) : "";
}

static void setup_say_training(Setup *s)
{
    Arena *arena = s->arena;
    const ResultSetup *f = &s->r->setup;
    const char *epochs = setup_take(s, "epochs"), *batch = setup_take(s, "batch-size"), *optimizer = setup_optimizer(s),
               *length = setup_take(s, "max-length"), *steps = setup_take(s, "max-steps");
    const char *text = setup_around(arena, "has ", epochs, strcmp(epochs, "1") == 0 ? " epoch" : " epochs");
    text = text_join(arena, text, ", ", setup_around(arena, "batches of ", batch, " rows"));
    text =
        text_join(arena, text, ", ", setup_around(arena, "at most ", strcmp(steps, "0") == 0 ? "" : steps, " steps"));
    if (*text) setup_say(s, arena_printf(arena, "Each training %s.", text));
    setup_say(s, setup_around(arena, "Rows are cut after ", length, " tokens."));
    if (*optimizer)
        setup_say(s, arena_printf(arena,
                                  "The mean cross-entropy of a batch is minimised by %s; the optimiser starts afresh "
                                  "with each task.",
                                  optimizer));
    if (*f->schedule)
        setup_say(s, arena_printf(arena, "The schedule of the learning rate is %s%s.", f->schedule,
                                  f->warmup_steps > 0 ? arena_printf(arena, " after %s steps of warm-up",
                                                                     format_short(arena, f->warmup_steps))
                                                      : ", without warm-up"));
    setup_say(s, setup_number(arena, "The norm of the gradient is clipped at ", f->clip_norm, "."));
    if (!isnan(f->hidden_dropout))
        setup_say(s, arena_printf(arena, "Dropout is %s%s.", format_short(arena, f->hidden_dropout),
                                  setup_number(arena, ", of attention probabilities ", f->attention_dropout, "")));
}

static void setup_say_choices(Setup *s)
{
    static const struct {
        const char *value, *sentence;
    } epochs[] = {{"last", "The weights of the last epoch are kept."},
                  {"held-out", "The weights of the epoch with the lowest loss on a held-out tenth of the training rows "
                               "are kept."},
                  {"eval", "The weights of the epoch with the lowest loss on the evaluation rows are kept: these rows "
                           "also choose."}},
      orders[] = {{"independent", "The order of rows is drawn from seed, task and epoch."},
                  {"hf", "The order of rows is drawn from seed + epoch, as Hugging Face's Trainer does."}};
    const char *epoch = setup_take(s, "keep-epoch"), *order = setup_take(s, "row-order");
    for (size_t i = 0; i < COUNT(epochs); i++)
        if (strcmp(epochs[i].value, epoch) == 0) setup_say(s, epochs[i].sentence);
    for (size_t i = 0; i < COUNT(orders); i++)
        if (strcmp(orders[i].value, order) == 0) setup_say(s, orders[i].sentence);
    Arena *arena = s->arena;
    DYN(const char *) seeds = {0};
    for (size_t i = 0; i < s->r->setup.seeds.count; i++)
        *dyn_push(arena, &seeds) = arena_printf(arena, "%u", s->r->setup.seeds.at[i]);
    if (seeds.count)
        setup_say(s, arena_printf(arena,
                                  "Every method is trained with %s %s, which %s the order of rows, dropout and new "
                                  "weights; all are evaluated on the same rows.",
                                  plural(seeds.count, "seed", "seeds"), format_list(arena, seeds.at, (int)seeds.count),
                                  plural(seeds.count, "decides", "decide")));
    if (s->r->shared_first) setup_say(s, "Methods that train the first task alike share that training.");
}

static bool setup_is_named(const Setup *s, const char *name)
{
    for (size_t i = 0; i < s->named.count; i++)
        if (strcmp(s->named.at[i], name) == 0) return true;
    return false;
}

/* What is set for one method, and what all have in common and no sentence has named. */
static void setup_say_settings(Setup *s)
{
    Arena *arena = s->arena;
    const Results *r = s->r;
    const char *rest = "";
    for (int m = 0; m < r->method_count; m++) {
        const ResultMethodInfo *info = &r->method_info[m];
        const char *own = "";
        for (int k = 0; k < info->setting_count; k++) {
            const ResultSetting *set = &info->settings[k];
            const char *text = arena_printf(arena, "%s %s", set->name, set->value);
            if (r->method_count > 1 && setup_common(r, set->name)) {
                if (m == 0 && !setup_is_named(s, set->name)) rest = text_join(arena, rest, ", ", text);
            } else if (!setup_is_named(s, set->name))
                own = text_join(arena, own, ", ", text);
        }
        if (!*info->about && !*own) continue;
        setup_say(s, arena_printf(arena, "%s%s%s%s.", r->methods[m], *info->about ? ": " : "", info->about,
                                  setup_around(arena, " (", own, ")")));
    }
    if (*rest) setup_say(s, arena_printf(arena, "Further settings of all methods: %s.", rest));
}

static void setup_say_machine(Setup *s)
{
    Arena *arena = s->arena;
    const Results *r = s->r;
    const char *text = setup_around(arena, "lethe ", r->version, "");
    text = text_join(arena, text, " on ", r->device);
    if (*text) setup_say(s, arena_printf(arena, "All numbers come from %s.", text));
}

/* The sentences of the setup, at most SETUP_SENTENCES; returns their number. Results of more than SETUP_MOST methods
 * or tasks are described without them. */
static int setup_sentences(Arena *arena, const Results *r, const char **sentences)
{
    enum { SETUP_MOST = 20 };
    Setup s = {.arena = arena, .r = r, .sentences = sentences};
    setup_say_model(&s);
    if (r->task_count <= SETUP_MOST) setup_say_tasks(&s);
    setup_say_training(&s);
    setup_say_choices(&s);
    if (r->method_count <= SETUP_MOST) setup_say_settings(&s);
    setup_say_machine(&s);
    return s.count;
}
