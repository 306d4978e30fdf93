#include "command.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* lethe predict: labels rows with a trained model, as they come. */

enum { PREDICT_BATCH_ROWS = 32 };
#define GOLD_NONE UINT32_MAX

/* What predict and export are asked for. */
typedef struct PredictOptions {
    ClassifierSource source;
    uint32_t seed, with, max_length, threads; /* max_length 0: as in training */
    unsigned pairs;                           /* a PairKind */
    bool jsonl, logits;
    const char *to, *device;
} PredictOptions;

static const char *const predict_pair_kinds[] = {
    [PAIRS_UNKNOWN] = "auto", [PAIRS_NO] = "no", [PAIRS_YES] = "yes", NULL};

#define TO(field) .target = offsetof(PredictOptions, field)
#define PREDICT_METHOD                                                               \
    {                                                                                \
        "method", OPTION_TEXT, 0, 0, "NAME", "the method that trained it",           \
            .default_words = "full, or the only one that is kept", TO(source.method) \
    }
#define PREDICT_SEED                                                                          \
    {                                                                                         \
        "seed", OPTION_INT, 0, OPTION_SEED_HIGH, "N", "of a run with several seeds", TO(seed) \
    }
static const Option predict_options[] = {
    {"run", OPTION_TEXT, 0, 0, "OUT", "the folder of a run: a model that it keeps", TO(source.run)},
    {"task", OPTION_TEXT, 0, 0, "NAME", "the task whose labels are wanted", TO(source.task)},
    PREDICT_METHOD,
    PREDICT_SEED,
    {"model", OPTION_TEXT, 0, 0, "DIR",
     "a Hugging Face folder of a classifier, or the base of --adapter; beside\n--run: where the run's own --model lies "
     "now",
     TO(source.model)},
    {"adapter", OPTION_TEXT, 0, 0, "DIR", "a PEFT folder (LoRA); without --model its base is DIR/base",
     TO(source.adapter)},
    {"jsonl", OPTION_FLAG, 0, 0, NULL, "rows are JSON lines {\"text\": \"...\", \"pair\": \"...\"}", TO(jsonl)},
    {"pairs", OPTION_CHOICE, 0, 0, "KIND",
     "yes: rows are pairs of texts; no: single texts, in which a tab is text; auto:\nas the model's task or the file's "
     "columns say, else as the first row is",
     .default_value = "auto", .choices = predict_pair_kinds, TO(pairs)},
    {"with", OPTION_CHOICES, 0, 0, "LIST", "answers carry, too: row (its number), text, pair, label (the file's own)",
     .choices = labelled_withs, TO(with)},
    {"to", OPTION_TEXT, 0, 0, "FILE",
     "a table of rows and answers, .csv, .tsv or .jsonl: whole, or not at all\n(in place of lines on stdout)", TO(to)},
    {"logits", OPTION_FLAG, 0, 0, NULL, "the logits, too", TO(logits)},
    {"max-length", OPTION_INT, 8, 100000, "N", "tokens a row at most; longer rows are cut",
     .default_words = "as in training", .unit = "tokens", TO(max_length)},
    OPTION_DEVICE(offsetof(PredictOptions, device)),
    OPTION_THREADS("threads of the CPU engine", offsetof(PredictOptions, threads)),
};

/* A classifier on a device, and the rows that have come for it. */
typedef struct Predictor {
    const Classifier *classifier;
    Device device;
    DeviceArena memory;
    Weights weights;
    uint32_t max_length;
    Split split;
    Arena texts; /* of the rows that have come */
    Example rows[PREDICT_BATCH_ROWS];
    uint64_t answered;
    Labelled to;
    /* [rows of a table]: the class that the file itself names, or GOLD_NONE; NULL without a column of labels */
    const uint32_t *gold;
    uint32_t gold_rows, right;
} Predictor;

static f32p predictor_upload(Predictor *p, const float *w, size_t floats)
{
    f32p on_device = device_f32(&p->memory, floats);
    device_write(&p->device, on_device, w, floats * sizeof *w);
    return on_device;
}

static bool predictor_open(Arena *arena, Predictor *p, Classifier *c, const char *device, int threads, Err *err)
{
    p->classifier = c;
    if (!device_open(&p->device, device, threads, err)) return false;
    p->memory.device = &p->device;
    p->weights.encoder = predictor_upload(p, c->encoder, c->model.encoder.floats);
    p->weights.head = predictor_upload(p, c->head_w, c->head.layout.floats);
    if (c->adapted) p->weights.adapter = predictor_upload(p, c->adapter, c->lora.layout.floats);
    arena_free(&c->weights);
    p->split.labels = arena_new(arena, uint32_t, PREDICT_BATCH_ROWS); /* unknown: all 0 */
    p->split.starts = arena_new(arena, uint64_t, PREDICT_BATCH_ROWS + 1);
    p->split.ids = arena_new(arena, uint32_t, (size_t)PREDICT_BATCH_ROWS * p->max_length);
    p->split.types = arena_new(arena, uint8_t, (size_t)PREDICT_BATCH_ROWS * p->max_length);
    return device_ok(&p->device, err);
}

static Str predictor_keep(Predictor *p, Str text)
{
    return text.at ? (Str){arena_copy(&p->texts, text.at, text.size), text.size} : text;
}

static void predictor_add(Predictor *p, const Example *row)
{
    Split *s = &p->split;
    const uint64_t at = s->starts[s->rows];
    Example *kept = &p->rows[s->rows];
    *kept =
        (Example){predictor_keep(p, row->text), predictor_keep(p, row->pair), predictor_keep(p, row->label), row->line};
    const uint32_t tokens = tokenizer_encode(p->classifier->tokenizer, &p->texts, row->text, row->pair, p->max_length,
                                             s->ids + at, s->types + at);
    s->starts[++s->rows] = at + tokens;
}

static bool predictor_print(Predictor *p, Arena *scratch, const float *logits, uint32_t prediction, const Example *row,
                            const char *what, Err *err)
{
    const uint32_t classes = p->classifier->labels.classes;
    double *z = arena_new(scratch, double, classes), *share = arena_new(scratch, double, classes);
    for (uint32_t c = 0; c < classes; c++) z[c] = (double)logits[c];
    softmax(logits, classes, share);
    if (p->gold && p->gold[p->answered] != GOLD_NONE) {
        p->gold_rows++;
        p->right += p->gold[p->answered] == prediction;
    }
    const Answer answer = {row, ++p->answered, prediction, z, share};
    return labelled_add(&p->to, scratch, &answer, what, err);
}

/* Answers the rows that have come. */
static bool predictor_answer(Predictor *p, const char *what, Err *err)
{
    const Classifier *c = p->classifier;
    Arena scratch = {0};
    EvalRecord record;
    bool ok = evaluate(&p->device, &scratch, &c->model, c->adapted ? &c->lora : NULL, &c->head, &p->weights, &p->split,
                       PREDICT_BATCH_ROWS, &record, err);
    for (uint32_t i = 0; i < record.rows && ok; i++)
        ok = predictor_print(p, &scratch, record.logits + (size_t)i * record.classes, record.prediction[i], &p->rows[i],
                             what, err);
    p->split.rows = 0;
    arena_free(&scratch);
    arena_clear(&p->texts);
    return ok && output_flush(&p->to.out, err);
}

/* A row is answered as soon as nothing more has arrived: nobody waits for the end of the input. */
static bool predictor_run(Predictor *p, RowReader *reader, Err *err)
{
    Progress progress;
    RowState state;
    bool ok = true;
    progress_begin(&progress, !p->to.path || !reader->is_table || !terminal_is(stderr), reader->table.row_count,
                   "predict");
    while (ok && !p->to.out.gone) {
        Err second = {0}; /* what came before a bad row is answered all the same */
        Example row;
        ok = rows_next(reader, p->split.rows == 0, &row, &state, err);
        if (ok && state == ROW_READ) predictor_add(p, &row);
        if (ok && reader->assumed) {
            fprintf(stderr, "%s: the first row has a tab, so all rows are taken as pairs\n", reader->what);
            reader->assumed = false;
        }
        if (!p->split.rows) break;
        if ((!ok || state != ROW_READ || p->split.rows == PREDICT_BATCH_ROWS) &&
            !predictor_answer(p, reader->what, ok ? err : &second))
            ok = false;
        progress_step(&progress, p->answered, "%s", "");
    }
    progress_end(&progress);
    return ok;
}

static void predictor_close(Predictor *p)
{
    arena_free(&p->texts);
    device_arena_free(&p->memory);
    device_close(&p->device);
}

/* ---- the file's own labels ---- */

/* The class of that name; numbers are the same however they are spelled, names in any case. */
static uint32_t gold_named(const Labels *labels, Str label)
{
    double number, other;
    const bool is_number = parse_double(label, &number) && fabs(number) < 0x1p53; /* beyond, doubles merge them */
    for (uint32_t c = 0; c < labels->classes; c++)
        if (str_equal(label, str(labels->names[c])) || labels_same_number(label, str(labels->names[c]))) return c;
    for (uint32_t c = 0; c < labels->classes; c++)
        if (str_equal_as(label, str(labels->names[c])) ||
            (is_number && parse_double(str(labels->names[c]), &other) && number == other))
            return c;
    return GOLD_NONE;
}

static uint32_t gold_numbered(const Labels *labels, Str label)
{
    double number;
    const bool is_class =
        parse_double(label, &number) && number >= 0 && number < labels->classes && number == (double)(uint32_t)number;
    return is_class ? (uint32_t)number : GOLD_NONE;
}

static bool gold_is_missing(Str label)
{
    return !label.size || str_equal(label, S("-")) || str_equal(label, S("-1")) || str_equal(label, S("-1.0"));
}

/* The classes that a table names, by name; when no name fits and all are numbers of classes, by number. "-" and -1 are
 * rows without a label unless the model has a class of that name. Says what was assumed. */
static void predictor_gold(Arena *arena, Predictor *p, const ExampleFile *table)
{
    const Labels *labels = &p->classifier->labels;
    uint64_t given = 0, named = 0, numbered = 0;
    const Example *odd = NULL;
    if (!table->label_column) return;
    uint32_t *gold = arena_new(arena, uint32_t, table->row_count);
    for (size_t i = 0; i < table->row_count; i++) {
        const Str label = table->rows[i].label;
        gold[i] = gold_named(labels, label);
        if (gold[i] == GOLD_NONE && gold_is_missing(label)) continue;
        given++;
        named += gold[i] != GOLD_NONE;
        numbered += gold_numbered(labels, label) != GOLD_NONE;
        if (gold[i] == GOLD_NONE && !odd) odd = &table->rows[i];
    }
    if (!given) return;
    if (!named && numbered == given) {
        for (size_t i = 0; i < table->row_count; i++) gold[i] = gold_numbered(labels, table->rows[i].label);
        fprintf(stderr, "%s: the labels are taken as the numbers of the model's classes: 0 is %s, 1 is %s%s\n",
                table->path, labels->names[0], labels->names[1], labels->classes > 2 ? ", ..." : "");
    } else if (odd) {
        fprintf(stderr, "%s: %s no class of the model (the first, line %llu: %s) and %s not counted\n", table->path,
                format_counted(arena, given - named, "label is", "labels are"), (unsigned long long)odd->line,
                str_show(odd->label), plural(given - named, "is", "are"));
    }
    const uint64_t missing = table->row_count - given;
    if (missing)
        fprintf(stderr, "%s: %s no label and %s not counted in the accuracy\n", table->path,
                format_counted(arena, missing, "row has", "rows have"), plural(missing, "is", "are"));
    p->gold = gold;
}

static void predictor_accuracy(const Predictor *p)
{
    if (!p->gold_rows) return;
    Arena scratch = {0};
    const Interval interval = measure_wilson(p->right, p->gold_rows);
    fprintf(stderr, "accuracy %s%% (95%% interval %s to %s): %s of %s rows are labelled as in the file\n",
            format_decimal(&scratch, 100.0 * p->right / p->gold_rows, 1), format_share(&scratch, interval.low),
            format_percent(&scratch, interval.high), format_count(&scratch, p->right),
            format_count(&scratch, p->gold_rows));
    arena_free(&scratch);
}

/* ---- the command ---- */

/* The options that are given, and which classifier they ask for. Texts live as long as `given`. */
static bool predict_read(Arena *arena, const OptionRows *rows, const json_t *given, PredictOptions *out, Err *err)
{
    *out = (PredictOptions){0};
    if (!options_set(rows, given, out, arena, err)) return false;
    out->source.seed = json_object_get(given, "seed") ? (int64_t)out->seed : -1;
    return asset_model(arena, &out->source.embedded, err);
}

static bool predict_check(const json_t *given, const ClassifierSource *source, Err *err)
{
    static const char *const of_runs[] = {"task", "method", "seed"};
    if (source->run && !source->task) return fail_usage(err, "--run needs --task NAME: whose labels are wanted");
    if (source->run && source->adapter) return fail_usage(err, "--adapter goes with --model, not with --run");
    if (!source->run && !source->model && !source->adapter)
        return fail_usage(err, "which model? --run OUT --task NAME, or --model DIR; see lethe help predict");
    for (size_t i = 0; i < COUNT(of_runs); i++)
        if (!source->run && option_text(given, of_runs[i])) return fail_usage(err, "--%s goes with --run", of_runs[i]);
    return true;
}

/* --pairs, and what the model's task says. */
static bool predict_pairs(const PredictOptions *options, const Classifier *c, RowReader *reader, Err *err)
{
    const PairKind kind = (PairKind)options->pairs;
    if (kind != PAIRS_UNKNOWN && c->pairs != PAIRS_UNKNOWN && kind != c->pairs)
        return fail_usage(err, "--pairs %s: the rows of task %s are %s", predict_pair_kinds[kind], options->source.task,
                          c->pairs == PAIRS_YES ? "pairs" : "single texts");
    if (kind == PAIRS_UNKNOWN && c->pairs != PAIRS_UNKNOWN)
        return rows_expect(reader, c->pairs, arena_printf(&reader->arena, "task %s has", options->source.task), err);
    return rows_expect(reader, kind, NULL, err);
}

static bool predict_open(Arena *arena, const PredictOptions *options, RowReader *reader, Predictor *p, Classifier *c,
                         Err *err)
{
    const uint32_t length = options->max_length;
    if (!labelled_read(options->to, options->with, options->logits, &p->to, err) ||
        (p->to.path && !labelled_check(p->to.path, reader->file, reader->is_table ? reader->what : NULL, err)) ||
        !classifier_open(arena, &options->source, c, err) || !predict_pairs(options, c, reader, err))
        return false;
    const uint32_t most = source_most_tokens(&c->model.config);
    if (length > most) return fail_usage(err, "--max-length %u: this model takes at most %u tokens", length, most);
    if (length && length < tokenizer_least_length(c->tokenizer))
        return fail_usage(err, "--max-length %u: too short for the special tokens", length);
    if (tokenizer_note(c->tokenizer)) fprintf(stderr, "%s: %s\n", c->folder, tokenizer_note(c->tokenizer));
    p->max_length = length ? length : c->max_length;
    return labelled_open(&p->to, &c->labels, err) &&
           predictor_open(arena, p, c, options->device, (int)options->threads, err);
}

bool command_predict(int argc, char **argv, Err *err)
{
    Arena arena = {0};
    RowReader reader = {.file = SYS_NO_FILE};
    Classifier classifier = {0};
    Predictor *predictor = arena_new(&arena, Predictor, 1);
    PredictOptions options;
    OptionRows rows = {0};
    json_t *given = json_object();
    int rest = 0;
    option_rows_add(&rows, predict_options, COUNT(predict_options));
    bool ok =
        options_parse(&rows, argc, argv, 1, given, &rest, err) && predict_read(&arena, &rows, given, &options, err) &&
        rows_open(&reader, rest ? argv[1] : NULL, options.jsonl, err) && predict_check(given, &options.source, err) &&
        predict_open(&arena, &options, &reader, predictor, &classifier, err);
    if (ok) {
        predictor_gold(&arena, predictor, &reader.table);
        rows_prompt(&reader);
        ok = predictor_run(predictor, &reader, err);
    }
    ok = labelled_close(&predictor->to, ok, err) && ok;
    if (ok) {
        rows_note(&reader);
        predictor_accuracy(predictor);
    }
    predictor_close(predictor);
    classifier_close(&classifier);
    rows_close(&reader);
    json_decref(given);
    arena_free(&arena);
    return ok;
}
