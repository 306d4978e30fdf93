#include "command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* lethe predict: labels rows with a trained model, as they come. */

enum { PREDICT_BATCH_ROWS = 32 };

static const Option predict_options[] = {
    {"run", OPTION_TEXT, 0, 0, "OUT", "the folder of a run: a model that it keeps"},
    {"task", OPTION_TEXT, 0, 0, "NAME", "the task whose labels are wanted"},
    {"method", OPTION_TEXT, 0, 0, "NAME", "the method that trained it [full, or the only one that is kept]"},
    {"seed", OPTION_INT, 0, 4294867295, "N", "of a run with several seeds"},
    {"model", OPTION_TEXT, 0, 0, "DIR",
     "a Hugging Face folder of a classifier, or the base of --adapter; beside\n--run: where the run's own --model lies "
     "now"},
    {"adapter", OPTION_TEXT, 0, 0, "DIR", "a PEFT folder (LoRA); without --model its base is DIR/base"},
    {"jsonl", OPTION_FLAG, 0, 0, NULL, "rows are JSON lines {\"text\": \"...\", \"pair\": \"...\"}"},
    {"logits", OPTION_FLAG, 0, 0, NULL, "the logits, too"},
    {"max-length", OPTION_INT, 8, 100000, "N", "tokens a row at most; longer rows are cut [as in training]"},
    {"device", OPTION_TEXT, 0, 0, "NAME", "auto, cpu, gpu, gpu:N [auto]"},
    {"threads", OPTION_INT, 1, 256, "N", "threads of the CPU engine [one a processor]"},
};

/* A classifier on a device, and the rows that have come for it. */
typedef struct Predictor {
    const Classifier *classifier;
    Device device;
    DeviceArena memory;
    Weights weights;
    uint32_t max_length;
    Split split;
    bool logits;
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

static void predictor_add(Predictor *p, const Example *row)
{
    Arena scratch = {0};
    Split *s = &p->split;
    const uint64_t at = s->starts[s->rows];
    const uint32_t tokens = tokenizer_encode(p->classifier->tokenizer, &scratch, row->text, row->pair, p->max_length,
                                             s->ids + at, s->types + at);
    s->starts[++s->rows] = at + tokens;
    arena_free(&scratch);
}

static json_t *predictor_by_name(const Labels *labels, const double *values)
{
    json_t *object = json_object();
    for (uint32_t c = 0; c < labels->classes; c++) json_object_set_new(object, labels->names[c], json_real(values[c]));
    return object;
}

/* One line for a row. */
static void predictor_print(const Predictor *p, const float *logits, uint32_t prediction, Output *output)
{
    const Labels *labels = &p->classifier->labels;
    Arena scratch = {0};
    double *z = arena_new(&scratch, double, labels->classes), *share = arena_new(&scratch, double, labels->classes);
    double sum = 0;
    for (uint32_t c = 0; c < labels->classes; c++) {
        z[c] = (double)logits[c];
        sum += share[c] = exp(z[c] - (double)logits[prediction]);
    }
    for (uint32_t c = 0; c < labels->classes; c++) share[c] /= sum;
    json_t *line =
        json_pack("{s:s, s:o}", "label", labels->names[prediction], "probabilities", predictor_by_name(labels, share));
    if (p->logits) json_object_set_new(line, "logits", predictor_by_name(labels, z));
    char *text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    ASSERT(text);
    output_text(output, text);
    output_text(output, "\n");
    free(text);
    json_decref(line);
    arena_free(&scratch);
}

/* Answers the rows that have come. */
static bool predictor_answer(Predictor *p, Output *output, Err *err)
{
    const Classifier *c = p->classifier;
    Arena scratch = {0};
    EvalRecord record;
    bool ok = evaluate(&p->device, &scratch, &c->model, c->adapted ? &c->lora : NULL, &c->head, &p->weights, &p->split,
                       PREDICT_BATCH_ROWS, &record, err);
    for (uint32_t i = 0; i < record.rows && ok; i++)
        predictor_print(p, record.logits + (size_t)i * record.classes, record.prediction[i], output);
    p->split.rows = 0;
    arena_free(&scratch);
    return ok && output_flush(output, err);
}

/* A row is answered as soon as nothing more has arrived: nobody waits for the end of the input. */
static bool predictor_run(Predictor *p, RowReader *reader, Err *err)
{
    Output output = output_open();
    bool ok = true;
    while (ok && !output.gone) {
        Err second = {0}; /* what came before a bad row is answered all the same */
        Example row;
        RowState state = ROW_NOT_YET;
        ok = rows_next(reader, p->split.rows == 0, &row, &state, err);
        const bool got = ok && state == ROW_READ;
        if (got) predictor_add(p, &row);
        if (!p->split.rows) break;
        if ((!got || p->split.rows == PREDICT_BATCH_ROWS) && !predictor_answer(p, &output, ok ? err : &second))
            ok = false;
    }
    return ok;
}

static void predictor_close(Predictor *p)
{
    device_arena_free(&p->memory);
    device_close(&p->device);
}

/* ---- the command ---- */

/* Which classifier predict and export are asked for. */
static bool predict_source(Arena *arena, const json_t *options, const char *run, ClassifierSource *source, Err *err)
{
    ModelSource embedded;
    *source = (ClassifierSource){.run = run, .seed = -1};
    source->task = option_text(options, "task");
    source->method = option_text(options, "method");
    source->model = option_text(options, "model");
    source->adapter = option_text(options, "adapter");
    if (!option_whole(predict_options, COUNT(predict_options), options, "seed", &source->seed, err) ||
        !asset_model(arena, &embedded, err))
        return false;
    source->embedded = embedded;
    return true;
}

static bool predict_check(const json_t *options, Err *err)
{
    static const char *const of_runs[] = {"task", "method", "seed"};
    const bool run = option_text(options, "run");
    if (run && !option_text(options, "task"))
        return fail_usage(err, "--run needs --task NAME: whose labels are wanted");
    if (run && option_text(options, "adapter")) return fail_usage(err, "--adapter goes with --model, not with --run");
    if (!run && !option_text(options, "model") && !option_text(options, "adapter"))
        return fail_usage(err, "which model? --run OUT --task NAME, or --model DIR; see lethe help predict");
    for (size_t i = 0; i < COUNT(of_runs); i++)
        if (!run && option_text(options, of_runs[i])) return fail_usage(err, "--%s goes with --run", of_runs[i]);
    return true;
}

static bool predict_open(Arena *arena, const json_t *options, Predictor *p, Classifier *c, Err *err)
{
    ClassifierSource source;
    int64_t length = 0, threads = 0;
    const char *device = option_text(options, "device");
    if (!predict_check(options, err) || !predict_source(arena, options, option_text(options, "run"), &source, err) ||
        !option_whole(predict_options, COUNT(predict_options), options, "max-length", &length, err) ||
        !option_whole(predict_options, COUNT(predict_options), options, "threads", &threads, err) ||
        !classifier_open(arena, &source, c, err))
        return false;
    const uint32_t most = source_most_tokens(&c->model.config);
    if (length > most) return fail_usage(err, "--max-length %d: this model takes at most %u tokens", (int)length, most);
    if (length && length < tokenizer_least_length(c->tokenizer))
        return fail_usage(err, "--max-length %d: too short for the special tokens", (int)length);
    if (tokenizer_note(c->tokenizer)) fprintf(stderr, "%s: %s\n", c->folder, tokenizer_note(c->tokenizer));
    p->max_length = length ? (uint32_t)length : c->max_length;
    p->logits = json_object_get(options, "logits") != NULL;
    return predictor_open(arena, p, c, device ? device : "auto", (int)threads, err);
}

bool command_predict(int argc, char **argv, Err *err)
{
    Arena arena = {0};
    RowReader reader = {.fd = -1};
    Classifier classifier = {0};
    Predictor predictor = {0};
    json_t *options = json_object();
    bool ok = options_parse(predict_options, COUNT(predict_options), argc, argv, 1, options, err);
    const char *path = ok && optind < argc ? argv[optind] : NULL;
    ok = ok && rows_open(&reader, path, json_object_get(options, "jsonl") != NULL, err) &&
         predict_open(&arena, options, &predictor, &classifier, err) && predictor_run(&predictor, &reader, err);
    predictor_close(&predictor);
    classifier_close(&classifier);
    rows_close(&reader);
    json_decref(options);
    arena_free(&arena);
    return ok;
}
