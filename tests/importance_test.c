/* Importance: against one backward pass an example through the ordinary model_backward, and against difference
 * quotients of a second, slow implementation of the encoder in double precision. Uses model_test.c's tiny models. */

enum { TINY_ROWS = 4, TINY_CLASSES = 3, TINY_BATCH = 3, TINY_SEED = 11 }; /* the last batch has one row */
static const ImportanceKind importance_kinds[] = {FISHER_EXACT, FISHER_SAMPLED, FISHER_EMPIRICAL, FISHER_BATCHED, MAS};

/* Which arrays are asked for: all of them, or, with LoRA, the adapter alone. */
static Weights tiny_importance(TinyModel *t, ImportanceKind kind)
{
    Err err = {0};
    Weights out = {.encoder = t->with_lora ? NULL : device_f32(&t->memory, t->model.encoder.floats),
                   .adapter = t->with_lora ? device_f32(&t->memory, t->lora.layout.floats) : NULL,
                   .head = device_f32(&t->memory, t->head.layout.floats)};
    out.head[0] = 123; /* what was there is not added to */
    assert_true(importance(&t->device, kind, &t->model, t->with_lora ? &t->lora : NULL, &t->head, &t->weights,
                           &t->split, TINY_ROWS, TINY_BATCH, TINY_SEED, &out, &err));
    return out;
}

/* |got - expected| / |expected|; what is 0 must be 0. Gradients that cancel (a key's bias) leave what rounding leaves.
 */
static double importance_error(const float *got, const double *expected, size_t n)
{
    double wrong = 0, all = 0, largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, expected[i]);
    for (size_t i = 0; i < n; i++) {
        assert_true(expected[i] != 0 || (double)got[i] <= 1e-12 * largest);
        wrong += ((double)got[i] - expected[i]) * ((double)got[i] - expected[i]);
        all += expected[i] * expected[i];
    }
    return sqrt(wrong / all);
}

/* ---- The slow way through the model: one example and class at a time ---- */

typedef struct SlowImportance {
    double *encoder, *adapter, *head;
} SlowImportance;

static void slow_add(double *to, f32p g, size_t n, double weight, bool square)
{
    for (size_t i = 0; i < n; i++) to[i] += weight * (square ? (double)g[i] * (double)g[i] : fabs((double)g[i]));
}

/* Backward from these logits' gradients, then every gradient to its power, times the weight. */
static void slow_backward(TinyModel *t, const DeviceBatch *batch, const float *dlogits, double weight, bool square,
                          SlowImportance *slow)
{
    const Layout *encoder = &t->model.encoder;
    memset(t->grads.encoder, 0, encoder->floats * sizeof(float)); /* the word table's other rows */
    memcpy(workspace_dlogits(t->workspace), dlogits, batch->examples * TINY_CLASSES * sizeof *dlogits);
    model_backward(t->workspace, &t->weights, &t->grads, &t->head, batch, &(PassOptions){0});
    slow_add(slow->encoder, t->grads.encoder, encoder->floats, weight, square);
    if (t->with_lora) slow_add(slow->adapter, t->grads.adapter, t->lora.layout.floats, weight, square);
    slow_add(slow->head, t->grads.head, t->head.layout.floats, weight, square);
}

/* Rows first .. first + count - 1, forward. */
static const float *slow_forward(TinyModel *t, uint32_t first, uint32_t count, DeviceBatch *on_device)
{
    Batch batch;
    uint32_t rows[TINY_ROWS];
    for (uint32_t i = 0; i < count; i++) rows[i] = first + i;
    batch_pack(&t->arena, &t->split, rows, count, t->model.config.position_base, &batch);
    const BatchBuffer buffer = batch_buffer(&t->memory, batch.tokens, batch.examples);
    device_batch_write(&t->device, &buffer, &t->arena, &batch, on_device);
    return model_forward(t->workspace, &t->weights, &t->head, on_device, &(PassOptions){0});
}

static void softmax3(const float *z, double p[TINY_CLASSES])
{
    double sum = 0;
    for (int c = 0; c < TINY_CLASSES; c++) sum += p[c] = exp((double)z[c]);
    for (int c = 0; c < TINY_CLASSES; c++) p[c] /= sum;
}

/* The label that FISHER_SAMPLED draws for a row. */
static int sampled_label(uint32_t row, const double p[TINY_CLASSES])
{
    const double u = (double)random_uniform(TINY_SEED, IMPORTANCE_STREAM, row);
    return u < p[0] ? 0 : u < p[0] + p[1] ? 1 : 2;
}

static SlowImportance slow_importance(TinyModel *t, ImportanceKind kind)
{
    SlowImportance slow = {arena_new(&t->arena, double, t->model.encoder.floats),
                           arena_new(&t->arena, double, t->lora.layout.floats),
                           arena_new(&t->arena, double, t->head.layout.floats)};
    DeviceBatch batch;
    for (uint32_t first = 0; kind == FISHER_BATCHED && first < TINY_ROWS; first += TINY_BATCH) {
        const uint32_t count = first + TINY_BATCH <= TINY_ROWS ? TINY_BATCH : TINY_ROWS - first;
        const float *logits = slow_forward(t, first, count, &batch);
        float dlogits[TINY_BATCH * TINY_CLASSES], loss[TINY_BATCH];
        RUN(&t->device, cross_entropy, .logits = (f32p)(uintptr_t)logits, .labels = batch.labels, .loss = loss,
            .dlogits = dlogits, .rows = count, .classes = TINY_CLASSES, .scale = 1 / (float)count);
        slow_backward(t, &batch, dlogits, 0.5, true, &slow); /* two batches */
    }
    for (uint32_t r = 0; kind != FISHER_BATCHED && r < TINY_ROWS; r++) {
        const float *z = slow_forward(t, r, 1, &batch);
        double p[TINY_CLASSES];
        softmax3(z, p);
        for (int c = 0; c < TINY_CLASSES; c++) {
            float dlogits[TINY_CLASSES];
            if (kind == FISHER_SAMPLED && c != sampled_label(r, p)) continue;
            if (kind == FISHER_EMPIRICAL && c != (int)tiny_labels[r]) continue;
            if (kind == MAS && c != 0) continue;
            for (int k = 0; k < TINY_CLASSES; k++) dlogits[k] = kind == MAS ? 2 * z[k] : (float)((k == c) - p[k]);
            slow_backward(t, &batch, dlogits, (kind == FISHER_EXACT ? p[c] : 1) / TINY_ROWS, kind != MAS, &slow);
        }
    }
    return slow;
}

static void test_importance_equals_a_loop_over_examples(void **state)
{
    (void)state;
    for (int f = 0; f < family_count; f++)
        for (int with_lora = 0; with_lora < 3; with_lora++) /* 2: on all linear layers */
            for (size_t k = 0; k < COUNT(importance_kinds) * tiny_variants(family_rows[f]); k++) {
                TinyModel t; /* with a dropout that must be off */
                const Family *family = family_rows[f];
                tiny_open_targets(&t, "cpu", family,
                                  !with_lora       ? 0
                                  : with_lora == 1 ? family->lora_targets
                                                   : family_linear(family),
                                  0.1f, (uint32_t)(k / COUNT(importance_kinds)));
                const ImportanceKind kind = importance_kinds[k % COUNT(importance_kinds)];
                const Weights out = tiny_importance(&t, kind);
                const SlowImportance slow = slow_importance(&t, kind);
                if (with_lora)
                    assert_true(importance_error(out.adapter, slow.adapter, t.lora.layout.floats) < 1e-5);
                else
                    assert_true(importance_error(out.encoder, slow.encoder, t.model.encoder.floats) < 1e-5);
                assert_true(importance_error(out.head, slow.head, t.head.layout.floats) < 1e-5);
                tiny_close(&t);
            }
}

/* Kinds that do not depend on batches give the same for any batch size; the batched one does not. */
static void test_importance_and_batch_size(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(importance_kinds); k++) {
        TinyModel t;
        Err err = {0};
        tiny_open(&t, "cpu", &family_bert, false, 0);
        const size_t n = t.model.encoder.floats;
        double *expected = arena_new(&t.arena, double, n);
        const Weights three = tiny_importance(&t, importance_kinds[k]);
        for (size_t i = 0; i < n; i++) expected[i] = (double)three.encoder[i];
        assert_true(importance(&t.device, importance_kinds[k], &t.model, NULL, &t.head, &t.weights, &t.split, TINY_ROWS,
                               1, TINY_SEED, &three, &err));
        assert_int_equal(importance_error(three.encoder, expected, n) < 1e-5, importance_kinds[k] != FISHER_BATCHED);
        tiny_close(&t);
    }
}

/* ---- The encoder once more, in double precision, one row at a time ---- */

enum { REF_TOKENS = 8, REF_WIDE = 40 }; /* room: tokens of a row; the widest layer, 2 I */
typedef double RefRows[REF_TOKENS][REF_WIDE];

typedef struct Reference {
    const TinyModel *t;
    double *encoder, *adapter, *head; /* the weights, widened */
} Reference;

static double *reference_widen(Arena *arena, const float *w, size_t n)
{
    double *wide = arena_new(arena, double, n);
    for (size_t i = 0; i < n; i++) wide[i] = (double)w[i];
    return wide;
}

/* y = scale * x w^T + b, added to y when b is null; w [out][in]. */
static void reference_linear(const double *x, size_t in, const double *w, const double *b, size_t out, double scale,
                             double *y)
{
    for (size_t o = 0; o < out; o++) {
        double sum = 0;
        for (size_t i = 0; i < in; i++) sum += w[o * in + i] * x[i];
        y[o] = scale * sum + (b ? b[o] : y[o]);
    }
}

/* The same without b and what was in y. */
static void reference_plain(const double *x, size_t in, const double *w, size_t out, double *y)
{
    for (size_t o = 0; o < out; o++) y[o] = 0;
    reference_linear(x, in, w, NULL, out, 1, y);
}

static double reference_gelu(const Reference *ref, double x)
{
    if (!ref->t->model.config.gelu_tanh) return 0.5 * x * (1 + erf(x * M_SQRT1_2));
    return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * pow(x, 3))));
}

/* x [h] = LayerNorm(x + residual). */
static void reference_norm(const Reference *ref, double *x, const double *residual, const double *gamma, size_t h)
{
    double mean = 0, variance = 0;
    for (size_t i = 0; i < h; i++) mean += (x[i] += residual ? residual[i] : 0) / (double)h;
    for (size_t i = 0; i < h; i++) variance += (x[i] - mean) * (x[i] - mean) / (double)h;
    for (size_t i = 0; i < h; i++)
        x[i] = (x[i] - mean) / sqrt(variance + (double)ref->t->model.config.eps) * gamma[i] +
               (ref->t->model.config.family->norm_first ? 0 : gamma[h + i]);
}

/* y [3H] = a layer's queries, keys and values of one row x. */
static void reference_qkv(const Reference *ref, uint32_t l, const double *x, double *y)
{
    const TinyModel *t = ref->t;
    const size_t h = t->model.config.hidden;
    const LayerAt *at = &t->model.layer[l];
    reference_linear(x, h, ref->encoder + at->qkv_w, ref->encoder + at->qkv_b, 3 * h, 1, y);
    for (int k = 0; k < 3 && t->with_lora; k++) {
        double low[REF_WIDE] = {0};
        reference_linear(x, h, ref->adapter + t->lora.a[l][k], NULL, t->lora.r, 1, low);
        reference_linear(low, t->lora.r, ref->adapter + t->lora.b[l][k], NULL, h, (double)t->lora.alpha / t->lora.r,
                         y + (size_t)k * h);
    }
}

/* What the distance of query i and key j adds to q k of one head, before and after it is scaled. */
static double reference_relative(const Reference *ref, uint32_t l, RefRows qkv, size_t i, size_t j, size_t head,
                                 double *after)
{
    const Model *m = &ref->t->model;
    const size_t h = m->config.hidden, size = h / m->config.heads;
    const FamilyRelative *relative = m->config.family->relative;
    *after = 0;
    if (!relative) return 0;
    const double *row = ref->encoder + m->relative;
    const uint32_t bucket = relative_bucket(&m->config, (int64_t)i - (int64_t)j);
    if (!relative->disentangled) {
        *after = row[bucket * m->config.heads + head / size];
        return 0;
    }
    double x[REF_WIDE], y[REF_WIDE], sum = 0;
    memcpy(x, row + bucket * h, h * sizeof *x);
    reference_norm(ref, x, NULL, ref->encoder + m->relative_norm, h);
    reference_qkv(ref, l, x, y);
    for (size_t s = head; s < head + size; s++) sum += qkv[i][s] * y[h + s] + qkv[j][h + s] * y[s];
    return sum;
}

/* window: tokens farther away do not count. */
static void reference_attention(const Reference *ref, uint32_t l, RefRows qkv, size_t tokens, size_t window,
                                RefRows context)
{
    const size_t h = ref->t->model.config.hidden, heads = ref->t->model.config.heads, size = h / heads;
    const FamilyRelative *relative = ref->t->model.config.family->relative;
    const double scale = 1 / sqrt((double)size * (relative && relative->disentangled ? 3 : 1));
    for (size_t head = 0; head < h; head += size)
        for (size_t i = 0; i < tokens; i++) {
            double p[REF_TOKENS], sum = 0;
            for (size_t j = 0; j < tokens; j++) {
                double after, score = reference_relative(ref, l, qkv, i, j, head, &after);
                for (size_t s = head; s < head + size; s++) score += qkv[i][s] * qkv[j][h + s];
                sum += p[j] = (i > j ? i - j : j - i) > window ? 0 : exp(score * scale + after);
            }
            for (size_t s = head; s < head + size; s++) {
                context[i][s] = 0;
                for (size_t j = 0; j < tokens; j++) context[i][s] += p[j] / sum * qkv[j][2 * h + s];
            }
        }
}

static void reference_layer(const Reference *ref, uint32_t l, size_t tokens, RefRows x)
{
    const TinyModel *t = ref->t;
    const size_t h = t->model.config.hidden, inner = t->model.config.inner;
    const LayerAt *at = &t->model.layer[l];
    const double *w = ref->encoder;
    RefRows qkv, context, up;
    for (size_t i = 0; i < tokens; i++) reference_qkv(ref, l, x[i], qkv[i]);
    reference_attention(ref, l, qkv, tokens, tokens, context);
    for (size_t i = 0; i < tokens; i++) {
        double out[REF_WIDE];
        reference_linear(context[i], h, w + at->context_w, w + at->context_b, h, 1, out);
        reference_norm(ref, out, x[i], w + at->norm1, h);
        reference_linear(out, h, w + at->up_w, w + at->up_b, inner, 1, up[i]);
        for (size_t k = 0; k < inner; k++) up[i][k] = reference_gelu(ref, up[i][k]);
        reference_linear(up[i], inner, w + at->down_w, w + at->down_b, h, 1, x[i]);
        reference_norm(ref, x[i], out, w + at->norm2, h);
    }
}

/* Queries and keys, turned by their positions: each pair of numbers is a complex one. */
static void reference_turn(const ModelConfig *c, size_t tokens, double base, RefRows qkv)
{
    const size_t size = c->hidden / c->heads;
    for (size_t i = 0; i < tokens; i++)
        for (size_t at = 0; at < 2 * (size_t)c->hidden; at++) {
            if (at % size >= size / 2) continue;
            const double angle = (double)i * pow(base, -2.0 * (double)(at % size) / (double)size);
            const double u = qkv[i][at], v = qkv[i][at + size / 2];
            qkv[i][at] = u * cos(angle) - v * sin(angle);
            qkv[i][at + size / 2] = v * cos(angle) + u * sin(angle);
        }
}

/* A layer that normalises first; x: what it reads, then what the next one does. */
static void reference_norm_first(const Reference *ref, uint32_t l, size_t tokens, RefRows x, RefRows stream)
{
    const TinyModel *t = ref->t;
    const ModelConfig *c = &t->model.config;
    const size_t h = c->hidden, inner = c->inner;
    const bool local = l % c->every;
    const LayerAt *at = &t->model.layer[l];
    const double *w = ref->encoder;
    RefRows qkv, context;
    for (size_t i = 0; i < tokens; i++) {
        double low[REF_WIDE] = {0};
        reference_plain(x[i], h, w + at->qkv_w, 3 * h, qkv[i]);
        if (!t->with_lora) continue;
        reference_linear(x[i], h, ref->adapter + t->lora.a[l][0], NULL, t->lora.r, 1, low);
        reference_linear(low, t->lora.r, ref->adapter + t->lora.b[l][0], NULL, 3 * h, (double)t->lora.alpha / t->lora.r,
                         qkv[i]);
    }
    reference_turn(c, tokens, c->rotary_base[local], qkv);
    reference_attention(ref, l, qkv, tokens, local ? c->window : tokens, context);
    for (size_t i = 0; i < tokens; i++) {
        double out[REF_WIDE], up[REF_WIDE];
        reference_linear(context[i], h, w + at->context_w, NULL, h, 1, stream[i]);
        memcpy(out, stream[i], h * sizeof *out);
        reference_norm(ref, out, NULL, w + at->norm1, h);
        reference_plain(out, h, w + at->up_w, 2 * inner, up);
        for (size_t k = 0; k < inner; k++) up[k] = reference_gelu(ref, up[k]) * up[inner + k];
        reference_linear(up, inner, w + at->down_w, NULL, h, 1, stream[i]);
        memcpy(x[i], stream[i], h * sizeof *out);
        reference_norm(ref, x[i], NULL, w + at->norm2, h);
    }
}

/* What the head reads becomes what its last layer reads. */
static void reference_head(const Reference *ref, double *dense)
{
    const Model *m = &ref->t->model;
    const size_t h = m->config.hidden;
    for (size_t s = 0; s < h; s++) switch (m->config.family->head.activation) {
        case ACTIVATION_TANH: dense[s] = tanh(dense[s]); break;
        case ACTIVATION_RELU: dense[s] = fmax(dense[s], 0); break;
        case ACTIVATION_GELU: dense[s] *= 0.5 * (1 + erf(dense[s] * M_SQRT1_2)); break;
        }
    if (m->config.family->head.norm) reference_norm(ref, dense, NULL, ref->head + ref->t->head.norm, h);
}

static void reference_logits(const Reference *ref, uint32_t row, double z[TINY_CLASSES])
{
    const TinyModel *t = ref->t;
    const Model *m = &t->model;
    const size_t h = m->config.hidden, e = m->config.embedding, first = tiny_starts[row];
    const size_t tokens = tiny_starts[row + 1] - first;
    const bool pooler = !m->config.family->head.dense;
    const double *w = ref->encoder;
    RefRows x, stream;
    size_t next = m->config.position_base;
    for (size_t i = 0; i < tokens; i++) { /* RoBERTa's pad token has a position of its own */
        const size_t word = tiny_ids[first + i];
        const size_t position = m->config.position_base && word == m->config.position_base - 1 ? word : next++;
        const size_t type = t->split.types[first + i];
        double sum[REF_WIDE];
        for (size_t s = 0; s < e; s++)
            sum[s] = w[m->word + word * e + s] +
                     (m->config.family->modules->position ? w[m->position + position * e + s] : 0) +
                     (m->config.types ? w[m->type + type * e + s] : 0);
        reference_norm(ref, sum, NULL, w + m->norm, e);
        if (m->config.family->project_always || e != h)
            reference_linear(sum, e, w + m->project_w, w + m->project_b, h, 1, x[i]);
        for (size_t s = 0; s < h && e == h; s++) x[i][s] = sum[s];
    }
    memcpy(stream, x, sizeof stream);
    for (uint32_t l = 0; l < m->config.layers; l++)
        if (m->config.family->norm_first)
            reference_norm_first(ref, l, tokens, x, stream);
        else
            reference_layer(ref, l, tokens, x);
    for (size_t i = 1; i < tokens && m->config.mean; i++)
        for (size_t s = 0; s < h; s++) x[0][s] += x[i][s];
    for (size_t s = 0; s < h && m->config.mean; s++) x[0][s] /= (double)tokens;
    double dense[REF_WIDE];
    if (m->config.family->head.norm)
        reference_plain(x[0], h, ref->head + t->head.dense_w, h, dense);
    else
        reference_linear(x[0], h, pooler ? w + m->pooler_w : ref->head + t->head.dense_w,
                         pooler ? w + m->pooler_b : ref->head + t->head.dense_b, h, 1, dense);
    reference_head(ref, dense);
    reference_linear(dense, h, ref->head + t->head.out_w, ref->head + t->head.out_b, TINY_CLASSES, 1, z);
}

static double reference_log_p(const double z[TINY_CLASSES], int c)
{
    double sum = 0;
    for (int k = 0; k < TINY_CLASSES; k++) sum += exp(z[k]);
    return z[c] - log(sum);
}

/* Importance of the weight at w, one of ref's, by difference quotients. */
static double reference_importance(const Reference *ref, ImportanceKind kind, double *w)
{
    const double step = 1e-5, old = *w;
    double total = 0, batch = 0;
    for (uint32_t row = 0; row < TINY_ROWS; row++) {
        double z[TINY_CLASSES], up[TINY_CLASSES], down[TINY_CLASSES], p[TINY_CLASSES], slope[TINY_CLASSES], squares = 0;
        reference_logits(ref, row, z);
        *w = old + step;
        reference_logits(ref, row, up);
        *w = old - step;
        reference_logits(ref, row, down);
        *w = old;
        for (int c = 0; c < TINY_CLASSES; c++) {
            p[c] = exp(reference_log_p(z, c));
            slope[c] = (reference_log_p(up, c) - reference_log_p(down, c)) / (2 * step);
            squares += (up[c] * up[c] - down[c] * down[c]) / (2 * step);
        }
        const double of_label = slope[tiny_labels[row]], drawn = slope[sampled_label(row, p)];
        batch += of_label;
        if ((row + 1) % TINY_BATCH == 0 || row + 1 == TINY_ROWS) {
            const double mean = batch / (row % TINY_BATCH + 1);
            if (kind == FISHER_BATCHED) total += mean * mean * TINY_ROWS / 2; /* two batches */
            batch = 0;
        }
        if (kind == FISHER_EXACT)
            for (int c = 0; c < TINY_CLASSES; c++) total += p[c] * slope[c] * slope[c];
        if (kind == FISHER_SAMPLED) total += drawn * drawn;
        if (kind == FISHER_EMPIRICAL) total += of_label * of_label;
        if (kind == MAS) total += fabs(squares);
    }
    return total / TINY_ROWS;
}

/* Every stride-th weight of one array. */
static void reference_check(const Reference *ref, ImportanceKind kind, double *w, const float *got, size_t n,
                            size_t stride)
{
    double largest = 0, worst = 0;
    for (size_t i = 0; i < n; i += stride) {
        const double expected = reference_importance(ref, kind, w + i);
        largest = fmax(largest, expected);
        worst = fmax(worst, fabs((double)got[i] - expected));
    }
    assert_true(largest > 1e-6);
    if (!(worst <= 1e-5 * largest))
        fail_msg("kind %d: an importance is %.3g of the largest off", kind, worst / largest);
}

static void test_importance_by_finite_differences(void **state)
{
    (void)state;
    for (int f = 0; f < family_count; f++)
        for (uint32_t v = 0; v < 2 * tiny_variants(family_rows[f]) && !family_repeats(f); v++) {
            const bool with_lora = v % 2;
            TinyModel t;
            tiny_open_variant(&t, "cpu", family_rows[f], with_lora, 0, v / 2);
            const size_t sizes[] = {t.model.encoder.floats, t.lora.layout.floats, t.head.layout.floats};
            const Reference ref = {&t, reference_widen(&t.arena, t.weights.encoder, sizes[0]),
                                   with_lora ? reference_widen(&t.arena, t.weights.adapter, sizes[1]) : NULL,
                                   reference_widen(&t.arena, t.weights.head, sizes[2])};
            double z[TINY_CLASSES];
            const float *logits = model_forward(t.workspace, &t.weights, &t.head, &t.batch, &(PassOptions){0});
            for (uint32_t row = 0; row < TINY_ROWS; row++) { /* the two encoders agree */
                reference_logits(&ref, row, z);
                for (int c = 0; c < TINY_CLASSES; c++)
                    assert_true(fabs((double)logits[row * TINY_CLASSES + (uint32_t)c] - z[c]) < 1e-5);
            }
            for (size_t k = 0; k < COUNT(importance_kinds); k++) {
                const Weights out = tiny_importance(&t, importance_kinds[k]);
                if (with_lora)
                    reference_check(&ref, importance_kinds[k], ref.adapter, out.adapter, sizes[1], 3);
                else
                    reference_check(&ref, importance_kinds[k], ref.encoder, out.encoder, sizes[0], 23);
                reference_check(&ref, importance_kinds[k], ref.head, out.head, sizes[2], 5);
            }
            tiny_close(&t);
        }
}

static const struct CMUnitTest importance_tests[] = {
    cmocka_unit_test(test_importance_equals_a_loop_over_examples),
    cmocka_unit_test(test_importance_and_batch_size),
    cmocka_unit_test(test_importance_by_finite_differences),
};
