/* strategies: what they compute against short, independent references in double precision. */

static void near(double got, double wanted, const char *what)
{
    if (!(fabs(got - wanted) <= 1e-5 * fabs(wanted))) fail_msg("%s: got %.9g, wanted %.9g", what, got, wanted);
}

static double quadratic(const float *w, const float *anchor, const float *importance, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double away = (double)w[i] - (double)anchor[i];
        sum += (importance ? (double)importance[i] : 1) * away * away;
    }
    return sum;
}

static void test_quadratic_penalties(void **state)
{
    (void)state;
    Lab l;
    size_t n;
    lab_open(&l, "ewc", 0);
    n = l.t.model.encoder.floats;
    const Ewc *ewc = l.own;
    near(lab_penalty(&l), 1000.0 / 2 * quadratic(l.t.weights.encoder, ewc->anchor, ewc->fisher, n), "ewc");
    set_option(&l.values, "ewc-form", 1);
    near(lab_penalty(&l), 1000.0 * quadratic(l.t.weights.encoder, ewc->anchor, ewc->fisher, n), "ewc, notebook");
    lab_close(&l);
    lab_open(&l, "mas", 0);
    const Mas *mas = l.own;
    near(lab_penalty(&l), quadratic(l.t.weights.encoder, mas->anchor, mas->omega, n), "mas");
    lab_close(&l);
    lab_open(&l, "si", 0);
    const Si *si = l.own;
    near(lab_penalty(&l), 0.1 * quadratic(l.t.weights.encoder, si->anchor, si->importance, n), "si");
    lab_close(&l);
    lab_open(&l, "l2sp", 0);
    const L2sp *l2sp = l.own;
    near(lab_penalty(&l), 0.01 / 2 * quadratic(l.t.weights.encoder, l2sp->start, NULL, n), "l2sp");
    for (size_t i = 0; i < n; i++) { /* the pre-trained weights, not those of a later task */
        const float pretrained = 0.3f * random_normal(1, 1, i);
        assert_memory_equal(&pretrained, &l2sp->start[i], sizeof pretrained);
    }
    lab_close(&l);
}

/* EWC goes on online: F <- gamma F + F_new; MAS adds up. */
static void test_importances_of_two_tasks(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        Lab l;
        Err err = {0};
        lab_open(&l, which ? "mas" : "ewc", 0);
        const size_t n = l.t.model.encoder.floats;
        double *expected = arena_new(&l.arena, double, n);
        const double gamma = which ? 1 : 0.25;
        tiny_fill(l.t.weights.encoder, n, 1); /* back to the beginning */
        void *own = arena_alloc(&l.arena, 1, l.strategy->own_bytes);
        set_option(&l.values, "ewc-gamma", 0.25);
        *(Own *)own = *(Own *)l.own;
        for (uint32_t i = 0; i < LAB_TASK; i++) {
            Training t;
            lab_move(&l, i);
            const Moment at = lab_moment(&l, &t, i);
            const Weights out = {.encoder = device_f32(&l.memory, n)};
            assert_true(importance(&l.t.device, which ? MAS : FISHER_EXACT, t.model, NULL, t.head, &t.weights, t.train,
                                   t.train->rows, 3, t.seed, &out, &err));
            for (size_t k = 0; k < n; k++) expected[k] = gamma * expected[k] + (double)out.encoder[k];
            assert_true(l.strategy->end(own, &at, &err));
            shelf_clear(&l.shelf);
        }
        const float *got = which ? ((Mas *)own)->omega : ((Ewc *)own)->fisher;
        double wrong = 0, all = 0;
        for (size_t k = 0; k < n; k++) {
            wrong += pow((double)got[k] - expected[k], 2);
            all += expected[k] * expected[k];
        }
        assert_true(sqrt(wrong / all) < 1e-6);
        assert_memory_equal(which ? ((Mas *)own)->anchor : ((Ewc *)own)->anchor, l.t.weights.encoder,
                            n * sizeof(float));
        lab_close(&l);
    }
}

/* Logits of one row, without dropout. */
static const float *lab_logits(Lab *l, const Split *split, uint32_t row, const Head *head, f32p head_w)
{
    Err err = {0};
    float *z = arena_new(&l->arena, float, head->classes);
    assert_true(train_logits(&l->t.device, &l->training, head, head_w, split, &row, 1, NULL, z, &err));
    return z;
}

static double log_softmax(const float *z, uint32_t classes, uint32_t c, double temperature)
{
    double sum = 0;
    for (uint32_t k = 0; k < classes; k++) sum += exp((double)z[k] / temperature);
    return (double)z[c] / temperature - log(sum);
}

static double lab_cross_entropy(Lab *l, const Buffer *buffer, uint32_t stream)
{
    const Draw d = buffer_draw(&l->arena, buffer, 42, stream + LAB_TASK, LAB_STEP, LAB_COUNT);
    double sum = 0;
    for (uint32_t i = 0; i < d.count; i++) {
        const EarlierTask *e = &l->earlier[buffer->row[d.index[i]].task];
        const float *z = lab_logits(l, e->train, d.row[i], e->head, e->head_w);
        sum -= log_softmax(z, e->head->classes, e->train->labels[d.row[i]], 1);
    }
    return sum / d.count;
}

static void test_replay_and_derpp_against_a_reference(void **state)
{
    (void)state;
    Lab l;
    lab_open(&l, "replay", 0);
    near(lab_penalty(&l), lab_cross_entropy(&l, &((Replay *)l.own)->buffer, 0x72706c79), "replay");
    lab_close(&l);

    lab_open(&l, "der++", 0);
    const Derpp *der = l.own;
    assert_int_equal(der->buffer.count, 4); /* half of two tasks' four rows */
    set_option(&l.values, "der-alpha", 0.7);
    const Draw d = buffer_draw(&l.arena, &der->buffer, 42, 0x6465726c + LAB_TASK, LAB_STEP, LAB_COUNT);
    double squares = 0;
    for (uint32_t i = 0; i < d.count; i++) {
        const EarlierTask *e = &l.earlier[der->buffer.row[d.index[i]].task];
        const float *z = lab_logits(&l, e->train, d.row[i], e->head, e->head_w);
        for (uint32_t c = 0; c < e->head->classes; c++)
            squares += pow((double)z[c] - (double)der->logits[d.index[i]][c], 2) / e->head->classes;
    }
    near(lab_penalty(&l), 0.7 * squares / d.count + 0.5 * lab_cross_entropy(&l, &der->buffer, 0x64657263), "der++");
    /* what is stored is what the model of the task's end says: for the second task, before the last move */
    lab_move(&l, 9); /* the same numbers again, taken off */
    for (size_t i = 0; i < l.t.model.encoder.floats; i++) l.t.weights.encoder[i] -= 0.2f * random_normal(3, 9, i);
    for (uint32_t i = 2; i < 4; i++) {
        const float *z = lab_logits(&l, &l.split[1], der->buffer.row[i].row, l.earlier[1].head, l.earlier[1].head_w);
        for (int c = 0; c < 3; c++) assert_true(fabs((double)z[c] - (double)der->logits[i][c]) < 1e-5);
    }
    lab_close(&l);
}

static void test_distillation_against_a_reference(void **state)
{
    (void)state;
    Lab l;
    lab_open(&l, "lwf", 0);
    const Lwf *lwf = l.own;
    double sum = 0;
    for (uint32_t task = 0; task < LAB_TASK; task++)
        for (uint32_t i = 0; i < LAB_COUNT; i++) {
            const EarlierTask *e = &l.earlier[task];
            const uint32_t classes = e->head->classes;
            const float *new = lab_logits(&l, &l.t.split, lab_rows[i], e->head, e->head_w);
            const float *old = lwf->teacher[task] + lab_rows[i] * classes;
            for (uint32_t c = 0; c < classes; c++) {
                const double p = log_softmax(old, classes, c, 2);
                sum += 4 * exp(p) * (p - log_softmax(new, classes, c, 2)) / LAB_COUNT;
            }
        }
    near(lab_penalty(&l), sum, "lwf");
    lab_close(&l);
}

static void test_agem_against_a_reference(void **state)
{
    (void)state;
    for (int against = 0; against < 2; against++) {
        Lab l;
        lab_open(&l, "agem", 0);
        const size_t n = l.t.model.encoder.floats;
        const Buffer *buffer = &((Agem *)l.own)->buffer;
        const Draw d = buffer_draw(&l.arena, buffer, 42, 0x6167656d + LAB_TASK, LAB_STEP, LAB_COUNT);
        double *reference = arena_new(&l.arena, double, n), dot = 0, square = 0;
        for (uint32_t i = 0; i < d.count; i++) { /* one backward pass a row, straight through the model */
            const EarlierTask *e = &l.earlier[buffer->row[d.index[i]].task];
            const Weights weights = {.encoder = l.t.weights.encoder, .head = e->head_w},
                          grads = {.encoder = l.t.grads.encoder};
            Batch batch;
            DeviceBatch on_device;
            float loss;
            const BatchBuffer room = batch_buffer(&l.memory, 15, 1);
            batch_pack(&l.arena, e->train, &d.row[i], 1, l.t.model.config.position_base, &batch);
            device_batch_write(&l.t.device, &room, &l.arena, &batch, &on_device);
            memset(grads.encoder, 0, n * sizeof(float));
            f32p z = model_forward(l.t.workspace, &weights, e->head, &on_device, &(PassOptions){0});
            RUN(&l.t.device, cross_entropy, .logits = z, .labels = on_device.labels, .loss = &loss,
                .dlogits = workspace_dlogits(l.t.workspace), .rows = 1, .classes = e->head->classes, .scale = 1);
            model_backward(l.t.workspace, &weights, &grads, e->head, &on_device, &(PassOptions){0});
            for (size_t k = 0; k < n; k++) reference[k] += (double)grads.encoder[k] / d.count;
        }
        float *before = arena_new(&l.arena, float, n), *g = l.run.state.g;
        for (size_t k = 0; k < n; k++) {
            g[k] = before[k] = 0.01f * random_normal(8, 1, k) + (against ? -1 : 1) * (float)reference[k];
            dot += (double)g[k] * reference[k];
            square += reference[k] * reference[k];
        }
        assert_true(against ? dot < 0 : dot > 0);
        agem_project(l.own, &l.run.state);
        double wrong = 0, all = 0;
        for (size_t k = 0; k < n; k++) {
            const double expected = (double)before[k] - (against ? dot / square * reference[k] : 0);
            wrong += pow((double)g[k] - expected, 2);
            all += expected * expected;
        }
        if (against) assert_true(sqrt(wrong / all) < 1e-5);
        if (!against) assert_memory_equal(g, before, n * sizeof(float));
        lab_close(&l);
    }
}

/* Merging changes where the numbers are, not what the model says; and it takes away the adapter's own part. */
static void test_o_lora_merges(void **state)
{
    (void)state;
    Lab l;
    Err err = {0};
    lab_open(&l, "o-lora", 0);
    const OLora *o = l.own;
    const Lora *lora = &l.t.lora;
    const uint32_t h = 12, r = lora->r, others = 2 * r;
    assert_int_equal(o->kept, 2);
    double sum = 0;
    for (int i = 0; i < 6; i++) /* two layers, three targets */
        for (uint32_t a = 0; a < r; a++)
            for (uint32_t b = 0; b < others; b++) {
                double product = 0;
                for (uint32_t k = 0; k < h; k++)
                    product += (double)l.t.weights.adapter[lora->a[i / 3][i % 3] + a * h + k] *
                               (double)o->earlier[i / 3 * LORA_TARGETS + i % 3][b * h + k];
                sum += 0.5 * product * product;
            }
    near(lab_penalty(&l), sum, "o-lora");
    float before[3], after[3];
    const uint32_t row = 2;
    assert_true(
        train_logits(&l.t.device, &l.training, &l.t.head, l.t.weights.head, &l.t.split, &row, 1, NULL, before, &err));
    l.run.terms = NULL; /* as when a training begins */
    assert_true(o_lora_begin(l.own, &l.run.state, &err));
    assert_true(
        train_logits(&l.t.device, &l.training, &l.t.head, l.t.weights.head, &l.t.split, &row, 1, NULL, after, &err));
    for (int c = 0; c < 3; c++) assert_true(fabs((double)before[c] - (double)after[c]) < 1e-5);
    for (int i = 0; i < 6; i++) /* a fresh adapter: B is 0 */
        for (uint32_t k = 0; k < h * r; k++) assert_true(l.t.weights.adapter[lora->b[i / 3][i % 3] + k] == 0);
    lab_close(&l);
}

/* Rows of the word table that only a further pass uses have a gradient too: the same training, to the bit, whether the
 * table sleeps or is trained whole. */
static void test_words_of_further_passes(void **state)
{
    (void)state;
    Lab l[2];
    for (int dense = 0; dense < 2; dense++) {
        Err err = {0};
        lab_open(&l[dense], "replay", 0.1f);
        double losses[16], *at = losses;
        TrainHooks hooks = l[dense].strategy->hooks;
        hooks.dense = dense;
        l[dense].hook.hooks = &hooks;
        l[dense].training.hyper.batch_size = 1; /* so that the row that is replayed is another one */
        assert_true(train_task(&l[dense].t.device, &l[dense].training,
                               &(TrainObserver){&at, tiny_on_step, tiny_on_eval, NULL}, NULL, &err));
    }
    assert_memory_equal(l[0].t.weights.encoder, l[1].t.weights.encoder, l[0].t.model.encoder.floats * sizeof(float));
    lab_close(&l[0]);
    lab_close(&l[1]);
}

/* ---- SI: the path of a whole training ---- */

typedef struct Watcher {
    float *g, *before;
    double *path;
} Watcher;
static void watcher_gradient(void *own, TrainState *t)
{
    Watcher *w = own;
    memcpy(w->g, t->g, t->layout->floats * sizeof *w->g);
    memcpy(w->before, t->w, t->layout->floats * sizeof *w->before);
}
static void watcher_moved(void *own, TrainState *t)
{
    Watcher *w = own;
    for (size_t i = 0; i < t->layout->floats; i++)
        w->path[i] -= (double)w->g[i] * ((double)t->w[i] - (double)w->before[i]);
}

static void test_si_against_a_reference(void **state)
{
    (void)state;
    static const TrainHooks watcher_hooks = {.gradient = watcher_gradient, .moved = watcher_moved};
    float *path[2];
    TinyModel t[2];
    for (int dense = 0; dense < 2; dense++) { /* whether the word table sleeps changes nothing */
        Err err = {0};
        tiny_open(&t[dense], "plain", &family_bert, false, 0.2f);
        Training training = tiny_training(&t[dense]);
        const size_t n = t[dense].model.encoder.floats;
        Arena *arena = &t[dense].arena;
        double losses[16], *at_loss = losses, xi = 0.1;
        Watcher watcher = {arena_new(arena, float, n), arena_new(arena, float, n), arena_new(arena, double, n)};
        Si si = {.base = {(double[]){0.1, xi}, arena, &t[dense].memory}};
        TrainHooks watch = strategy_si.watch;
        watch.dense = dense;
        const TrainHook hooks[] = {{&watch, &si}, {&watcher_hooks, &watcher}};
        training.hooks = hooks;
        training.hook_count = 2;
        Shelf shelf = {.memory = {.device = &t[dense].device}};
        Moment at = {.device = &t[dense].device,
                     .training = &training,
                     .layout = &t[dense].model.encoder,
                     .w = t[dense].weights.encoder,
                     .more = true,
                     .shelf = &shelf};
        float *start = arena_new(arena, float, n);
        memcpy(start, at.w, n * sizeof *start);
        assert_true(si_start(&si, &at, &err));
        assert_true(train_task(&t[dense].device, &training,
                               &(TrainObserver){&at_loss, tiny_on_step, tiny_on_eval, NULL}, NULL, &err));
        assert_true(si_watched(&si, &at, &err) && si_end(&si, &at, &err));
        path[dense] = si.path;
        double wrong = 0, all = 0, wrong_omega = 0, all_omega = 0;
        for (size_t i = 0; i < n; i++) {
            const double moved = (double)at.w[i] - (double)start[i], omega = watcher.path[i] / (moved * moved + xi);
            wrong += pow((double)si.path[i] - watcher.path[i], 2);
            all += watcher.path[i] * watcher.path[i];
            wrong_omega += pow((double)si.importance[i] - omega, 2);
            all_omega += omega * omega;
        }
        assert_true(all > 0 && sqrt(wrong / all) < 1e-5 && sqrt(wrong_omega / all_omega) < 1e-5);
        assert_memory_equal(si.anchor, at.w, n * sizeof(float));
        shelf_clear(&shelf);
    }
    assert_memory_equal(path[0], path[1], t[0].model.encoder.floats * sizeof(float));
    tiny_close(&t[0]);
    tiny_close(&t[1]);
}
