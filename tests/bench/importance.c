/* Speed of exact Fisher information, examples kept apart within batches, beside the ways that need a backward pass for
 * each example; the embedded encoder on the embedded task `nli` or `sentiment`.
 *
 *     importance [DEVICE [ROWS [TASK]]]
 *
 * With LETHE_PEER_PYTHON set, importance_peer.py says what the same costs in PyTorch.
 *
 * One by one: forward and backward for each example and class, and the squares of all gradients added up, as libraries
 * do it. By row: one forward pass an example, and squares of only those rows of the word table that the example uses.
 * All ways must agree to 1e-5. */
#define main lethe_main
#include "../../main.c"
#undef main

typedef struct Bench {
    Arena arena;
    Device device;
    DeviceArena memory;
    Model model;
    TaskData data;
    Head head;
    Weights weights;
    uint32_t rows;
} Bench;

static bool bench_open(Bench *b, const char *device, const char *task, Err *err)
{
    Str config, vocab, bytes, weights;
    ModelConfig model;
    Tokenizer *tokenizer;
    ExampleFile train, eval;
    Safetensors file;
    bool fresh;
    char train_name[64], eval_name[64];
    snprintf(train_name, sizeof train_name, "%s_train.tsv", task);
    snprintf(eval_name, sizeof eval_name, "%s_eval.tsv", task);
    if (!device_open(&b->device, device, 0, err) || !asset_expand(&b->arena, "config.json", &config, err) ||
        !asset_expand(&b->arena, "vocab.txt", &vocab, err) ||
        !asset_expand(&b->arena, "encoder.safetensors", &weights, err) ||
        !model_config_parse(config, "config.json", &model, err) ||
        !tokenizer_from_vocab(&b->arena, vocab, true, "vocab.txt", &tokenizer, err) ||
        !asset_expand(&b->arena, train_name, &bytes, err) ||
        !examples_parse(&b->arena, bytes, train_name, NULL, true, &train, err) ||
        !asset_expand(&b->arena, eval_name, &bytes, err) ||
        !examples_parse(&b->arena, bytes, eval_name, NULL, true, &eval, err) ||
        !task_data_load(&b->arena, tokenizer, task, &train, &eval, 0, 0, false, 128, &b->data, err) ||
        !safetensors_parse(&b->arena, weights, "the encoder", &file, err))
        return false;
    b->memory.device = &b->device;
    model_layout(&b->arena, &model, &b->model);
    head_layout(&b->arena, &model, b->data.classes, &b->head);
    float *w = arena_new(&b->arena, float, b->model.encoder.floats);
    float *h = arena_new(&b->arena, float, b->head.layout.floats);
    if (!model_load_encoder(&b->model, &file, 1, w, &fresh, err)) return false;
    head_initialise(&b->head, 1, 1, h);
    b->weights.encoder = device_f32(&b->memory, b->model.encoder.floats);
    b->weights.head = device_f32(&b->memory, b->head.layout.floats);
    device_write(&b->device, b->weights.encoder, w, b->model.encoder.floats * sizeof *w);
    device_write(&b->device, b->weights.head, h, b->head.layout.floats * sizeof *h);
    return true;
}

/* to += scale * g^2: one example, each of whose "tokens" is a flat array. */
static void bench_squares(Bench *b, u32p one, f32p g, f32p to, size_t n, float scale)
{
    RUN(&b->device, column_importance, .dy = g, .beta = to, .offsets = one, .examples = 1, .rows = 1, .cols = (u32)n,
        .ld = (u32)n, .power = 2, .scale = scale);
}

/* by_row: see above. Returns seconds an example. */
static double bench_naive(Bench *b, uint32_t rows, bool by_row, f32p out)
{
    Arena own = {0};
    DeviceArena memory = {.device = &b->device};
    const size_t n = b->model.encoder.floats, h = b->model.config.hidden, table = b->model.config.vocab * h;
    const uint32_t tokens = b->data.train.longest, classes = b->head.classes;
    Workspace *ws = workspace_new(&own, &memory, &b->model, NULL, tokens, 1, tokens, classes, true);
    const BatchBuffer buffer = batch_buffer(&memory, tokens, 1);
    const Weights grads = {.encoder = device_f32(&memory, n)};
    const u32p one = device_u32(&memory, 2);
    float logits[TASK_MAX_CLASSES], dlogits[TASK_MAX_CLASSES];
    double p[TASK_MAX_CLASSES];
    device_write(&b->device, one, (uint32_t[]){0, 1}, 2 * sizeof(uint32_t));
    RUN(&b->device, fill, .x = out, .n = (u32)n);
    device_read(&b->device, logits, out, sizeof *logits); /* all is done */
    const double start = clock_seconds();
    for (uint32_t r = 0; r < rows; r++) {
        Arena scratch = {0};
        Batch batch;
        DeviceBatch on_device;
        batch_pack(&scratch, &b->data.train, &r, 1, b->model.config.position_base, &batch);
        device_batch_write(&b->device, &buffer, &scratch, &batch, &on_device);
        for (uint32_t c = 0; c < classes; c++) {
            if (!by_row || c == 0)
                device_read(&b->device, logits, model_forward(ws, &b->weights, &b->head, &on_device, &(PassOptions){0}),
                            classes * sizeof *logits);
            softmax(logits, classes, p);
            for (uint32_t k = 0; k < classes; k++) dlogits[k] = (float)(p[k] - (k == c));
            device_write(&b->device, workspace_dlogits(ws), dlogits, classes * sizeof *dlogits);
            model_backward(ws, &b->weights, &grads, &b->head, &on_device, &(PassOptions){0});
            const float scale = (float)p[c] / (float)rows;
            for (uint32_t u = 0; u < batch.word.unique && by_row; u++)
                bench_squares(b, one, grads.encoder + batch.word.row[u] * h, out + batch.word.row[u] * h, h, scale);
            const size_t from = by_row ? table : 0;
            bench_squares(b, one, grads.encoder + from, out + from, n - from, scale);
            RUN(&b->device, zero_rows, .x = grads.encoder, .row = on_device.word.row, .rows = batch.word.unique,
                .cols = (u32)h);
        }
        arena_free(&scratch);
    }
    device_read(&b->device, logits, out, sizeof *logits);
    const double seconds = (clock_seconds() - start) / rows;
    device_arena_free(&memory);
    arena_free(&own);
    return seconds;
}

static double bench_error(Bench *b, f32p x, f32p y)
{
    const size_t n = b->model.encoder.floats;
    Arena scratch = {0};
    float *at[2] = {arena_new(&scratch, float, n), arena_new(&scratch, float, n)};
    device_read(&b->device, at[0], x, n * sizeof(float));
    device_read(&b->device, at[1], y, n * sizeof(float));
    double wrong = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        wrong += ((double)at[0][i] - at[1][i]) * ((double)at[0][i] - at[1][i]);
        all += (double)at[0][i] * at[0][i];
    }
    arena_free(&scratch);
    return sqrt(wrong / all);
}

static bool bench_run(Bench *b, Err *err)
{
    const size_t n = b->model.encoder.floats;
    const Weights fast = {.encoder = device_f32(&b->memory, n)};
    f32p slow[2] = {device_f32(&b->memory, n), device_f32(&b->memory, n)};
    if (!b->rows || b->rows > b->data.train.rows) b->rows = b->data.train.rows;
    double best[3] = {1e9, 1e9, 1e9};
    for (int turn = 0; turn < 3; turn++) { /* in turn, so that they meet the same load; the best of each */
        const double start = clock_seconds();
        if (!importance(&b->device, FISHER_EXACT, &b->model, NULL, &b->head, &b->weights, &b->data.train, b->rows, 16,
                        1, &fast, err))
            return false;
        float done;
        device_read(&b->device, &done, fast.encoder, sizeof done);
        best[0] = fmin(best[0], (clock_seconds() - start) / b->rows);
        for (int by_row = 0; by_row < 2; by_row++)
            best[1 + by_row] = fmin(best[1 + by_row], bench_naive(b, b->rows, by_row, slow[by_row]));
    }
    if (!device_ok(&b->device, err)) return false;
    printf("%s, %s: %u rows of %.1f tokens, %u classes\n", b->device.name, b->data.name, b->rows,
           (double)b->data.train.starts[b->rows] / b->rows, b->data.classes);
    printf("exact Fisher, batches of 16   %8.3f ms a row\n", best[0] * 1e3);
    static const char *const names[] = {"one by one", "by row"};
    for (int i = 0; i < 2; i++)
        printf("%-29s %8.3f ms a row  %5.1f times as long  (differs by %.1e)\n", names[i], best[1 + i] * 1e3,
               best[1 + i] / best[0], bench_error(b, fast.encoder, slow[i]));
    return true;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], TRIAL_WORD) == 0) return lethe_main(argc, argv);
    Bench b = {.rows = argc > 2 ? (uint32_t)atoi(argv[2]) : 64};
    Err err = {0};
    const bool ok = bench_open(&b, argc > 1 ? argv[1] : "cpu", argc > 3 ? argv[3] : "nli", &err) && bench_run(&b, &err);
    if (!ok) fprintf(stderr, "importance: %s\n", err.text);
    return !ok;
}
