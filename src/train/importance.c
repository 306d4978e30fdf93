/* How much each parameter matters: Fisher information and MAS, by backward passes over whole batches that keep the
 * examples apart. Where layers share weights the ops of importance cannot do that: they see one layer at a time, and an
 * example's gradients must be added up over the layers before they are raised to the power. Then each example has a
 * pass of its own, whose gradient is raised as a whole. */

enum { IMPORTANCE_STREAM = 0x666973 }; /* of random numbers: labels drawn for FISHER_SAMPLED */

/* Exact Fisher information takes one backward pass less than there are classes. In the logits z it is diag(p) - p p^T,
 * of rank classes - 1; with its Cholesky factor L, the sum over c of p(c | x) (d log p(c | x) / d w)^2 is the sum over
 * the columns l of L of (l . dz / d w)^2. Column k belongs to the choice between class k and those after it:
 * L[k][k] = sqrt(p[k] after / left), L[j][k] = -p[j] sqrt(p[k] / (left after)) for j > k, where after is the sum of
 * p[j] over j > k, left = p[k] + after. */
static void importance_fisher_column(const double *p, uint32_t classes, uint32_t k, float *column)
{
    double after = 0;
    for (uint32_t j = k + 1; j < classes; j++) after += p[j];
    const double left = p[k] + after, share = after > 0 ? sqrt(p[k] / (left * after)) : 0;
    for (uint32_t j = 0; j < classes; j++) column[j] = (float)(j < k ? 0 : j == k ? after * share : -p[j] * share);
}

static uint32_t importance_draw(const double *p, uint32_t classes, double uniform)
{
    uint32_t c = 0;
    for (double sum = p[0]; c + 1 < classes && uniform >= sum; sum += p[c]) c++;
    return c;
}

typedef struct ImportanceRun {
    Device *device;
    ImportanceKind kind;
    const Head *head;
    const Weights *weights, *out;
    const Split *split;
    uint32_t seed;
    Workspace *ws;
    BatchBuffer buffer;
    u32p groups; /* two arrays of offsets, and what shared rows need */
    uint32_t size;
    float scale;
    Weights apart; /* layers share weights: the gradient of one group; else null */
    u32p one;      /* {0, 1} */
    /* on the host, for one batch */
    float *logits, *dlogits; /* [size][classes] */
    double *p;               /* [classes] */
    uint32_t *index;         /* [size + 1] */
} ImportanceRun;

/* What the backward pass number `pass` starts from for one row, whose logits are z. */
static void importance_dlogits(ImportanceRun *run, const float *z, uint32_t row, uint32_t pass, float *dlogits)
{
    const uint32_t classes = run->head->classes;
    double *p = run->p;
    uint32_t label = run->split->labels[row];
    softmax(z, classes, p);
    switch (run->kind) {
    case FISHER_EXACT: importance_fisher_column(p, classes, pass, dlogits); break;
    case FISHER_SAMPLED:
        label = importance_draw(p, classes, (double)random_uniform(run->seed, IMPORTANCE_STREAM, row));
        /* fall through */
    case FISHER_EMPIRICAL:
    case FISHER_BATCHED:
        for (uint32_t c = 0; c < classes; c++) dlogits[c] = (float)(p[c] - (c == label));
        break;
    case MAS:
        for (uint32_t c = 0; c < classes; c++) dlogits[c] = 2 * z[c];
        break;
    }
}

/* to += scale |g|^power */
static void importance_raise(const ImportanceRun *run, f32p g, f32p to, size_t floats, u32 power)
{
    for (size_t at = 0; g && at < floats; at += OP_CHUNK)
        RUN(run->device, column_importance, .dy = g + at, .beta = to + at, .offsets = run->one, .examples = 1,
            .rows = 1, .cols = op_chunk(floats - at), .ld = op_chunk(floats - at), .power = power, .scale = run->scale);
}

/* The backward pass of one group by itself. */
static void importance_backward_apart(ImportanceRun *run, const Model *model, const Lora *lora,
                                      const DeviceBatch *batch, u32 power)
{
    const Weights *g = &run->apart;
    model_backward(run->ws, run->weights, g, run->head, batch, &(PassOptions){0});
    importance_raise(run, g->encoder, run->out->encoder, model->encoder.floats, power);
    importance_raise(run, g->adapter, run->out->adapter, lora ? lora->layout.floats : 0, power);
    importance_raise(run, g->head, run->out->head, run->head->layout.floats, power);
    if (g->encoder)
        RUN(run->device, zero_rows, .x = g->encoder, .row = batch->word.row, .rows = batch->word.unique,
            .cols = model->encoder.table_cols);
}

/* Rows first .. first + count - 1 of the split. */
static void importance_batch(ImportanceRun *run, const Model *model, const Lora *lora, uint32_t first, uint32_t count)
{
    Device *device = run->device;
    const uint32_t classes = run->head->classes;
    const bool batched = run->kind == FISHER_BATCHED;
    Arena scratch = {0};
    Batch batch;
    DeviceBatch on_device;
    for (uint32_t i = 0; i < count; i++) run->index[i] = first + i;
    batch_pack(&scratch, run->split, run->index, count, model->config.position_base, &batch);
    device_batch_write(device, &run->buffer, &scratch, &batch, &on_device);

    /* Groups of one example each, or one of all. */
    Importance groups = {.groups = batched ? 1 : count,
                         .power = run->kind == MAS ? 1 : 2,
                         .tokens = run->groups,
                         .examples = run->groups + run->size + 1,
                         .scale = run->scale};
    for (uint32_t i = 0; i <= groups.groups; i++) run->index[i] = batched ? i * count : i;
    device_write(device, groups.examples, run->index, (groups.groups + 1) * sizeof *run->index);
    if (batched)
        device_write(device, groups.tokens, (uint32_t[]){0, batch.tokens}, 2 * sizeof(uint32_t));
    else
        groups.tokens = on_device.offsets;

    const uint32_t shared = model_shared_rows(&model->config, batch.longest);
    if (shared) {
        const uint32_t more[] = {0, batch.tokens + shared, 0, shared, 0, 1};
        ASSERT(groups.groups == 1);
        groups.inputs = groups.examples + run->size + 1;
        groups.shared = groups.inputs + 2;
        groups.one = groups.inputs + 4;
        device_write(device, groups.inputs, more, sizeof more);
    }

    const bool apart = model_shares(&model->config);
    const PassOptions options = {.importance = apart ? NULL : &groups};
    f32p logits = model_forward(run->ws, run->weights, run->head, &on_device, &options);
    device_read(device, run->logits, logits, (size_t)count * classes * sizeof(float));
    for (uint32_t pass = 0; pass < (run->kind == FISHER_EXACT ? classes - 1 : 1); pass++) {
        for (uint32_t r = 0; r < count; r++)
            importance_dlogits(run, run->logits + (size_t)r * classes, first + r, pass,
                               run->dlogits + (size_t)r * classes);
        for (uint32_t i = 0; i < count * classes && batched; i++) run->dlogits[i] /= (float)count;
        device_write(device, workspace_dlogits(run->ws), run->dlogits, (size_t)count * classes * sizeof(float));
        if (apart)
            importance_backward_apart(run, model, lora, &on_device, groups.power);
        else
            model_backward(run->ws, run->weights, run->out, run->head, &on_device, &options);
    }
    arena_free(&scratch);
}

bool importance(Device *device, ImportanceKind kind, const Model *model, const Lora *lora, const Head *head,
                const Weights *weights, const Split *split, uint32_t rows, uint32_t batch_size, uint32_t seed,
                const Weights *out, Err *err)
{
    ASSERT(rows && rows <= split->rows && batch_size);
    /* Examples that share rows of the layers' inputs, or layers their weights, go one by one. */
    const bool apart = model_shares(&model->config);
    const bool one = kind != FISHER_BATCHED && (apart || model_shared_rows(&model->config, 1));
    const uint32_t size = least_u32(one ? 1 : batch_size, rows), tokens = split_most_tokens(split, size);
    const uint32_t classes = head->classes;
    ImportanceRun run = {.device = device, .kind = kind, .head = head, .weights = weights, .out = out};
    Arena own = {0};
    DeviceArena memory = {.device = device};
    run.split = split;
    run.seed = seed;
    run.size = size;
    run.scale = 1 / (float)(kind == FISHER_BATCHED ? ceil_div(rows, size) : rows);
    run.ws = workspace_new(&own, &memory, model, lora, tokens, size, split_most_tokens(split, 1), classes, true);
    run.buffer = batch_buffer(&memory, tokens, size);
    run.groups = device_u32(&memory, 2 * ((size_t)size + 1) + 6);
    run.logits = arena_new(&own, float, (size_t)size *classes);
    run.dlogits = arena_new(&own, float, (size_t)size *classes);
    run.p = arena_new(&own, double, classes);
    run.index = arena_new(&own, uint32_t, (size_t)size + 1);
    if (apart) {
        run.one = device_u32(&memory, 2);
        device_write(device, run.one, (uint32_t[]){0, 1}, 2 * sizeof(uint32_t));
        if (out->encoder) run.apart.encoder = device_f32(&memory, model->encoder.floats);
        if (out->adapter) run.apart.adapter = device_f32(&memory, lora->layout.floats);
        if (out->head) run.apart.head = device_f32(&memory, head->layout.floats);
        if (out->encoder) floats_fill(device, run.apart.encoder, model->encoder.floats, 0);
    }
    if (out->encoder) floats_fill(device, out->encoder, model->encoder.floats, 0);
    if (out->adapter) floats_fill(device, out->adapter, lora->layout.floats, 0);
    if (out->head) floats_fill(device, out->head, head->layout.floats, 0);
    bool ok = true;
    for (uint32_t at = 0; ok && at < rows; at += size) {
        importance_batch(&run, model, lora, at, least_u32(size, rows - at));
        ok = device_ok(device, err);
        if (ok && interrupted()) ok = fail_interrupted(err);
    }
    device_arena_free(&memory);
    arena_free(&own);
    return ok;
}
