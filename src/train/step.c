/* A training in memory, and one step of it. */
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

uint32_t train_epoch_steps(const Hyper *hyper, uint32_t rows)
{
    return (uint32_t)(((uint64_t)rows + hyper->batch_size - 1) / hyper->batch_size);
}

uint32_t train_steps(const Hyper *hyper, uint32_t rows)
{
    uint64_t all = (uint64_t)train_epoch_steps(hyper, rows) * hyper->epochs;
    return hyper->max_steps && hyper->max_steps < all ? hyper->max_steps : (uint32_t)all;
}

uint32_t train_total_steps(const Training *t)
{
    uint64_t all = train_steps(&t->hyper, t->train->rows);
    for (uint32_t i = 0; i < t->task && t->joint; i++) all += train_steps(&t->hyper, t->earlier[i].train->rows);
    return t->hyper.max_steps && t->hyper.max_steps < all ? t->hyper.max_steps : (uint32_t)all;
}

size_t train_trainable(const Training *t)
{
    return (t->train_encoder ? t->model->encoder.floats : 0) + (t->lora ? t->lora->layout.floats : 0) +
           t->head->layout.floats;
}

/* ---- a running training ---- */

/* A task that this training passes through: the new one, or an earlier one. */
typedef struct TaskPart {
    const Head *head;
    f32p head_w;
    const Split *train, *choose;
    Params *params;                   /* of its head */
    f32p train_states, choose_states; /* when the encoder is not trained: see split_states */
    uint32_t losses;                  /* where the losses of its rows begin */
} TaskPart;

/* An array on the device that a snapshot holds. */
typedef struct Piece {
    const char *name;
    TensorType type;
    size_t count;
    void *at;
} Piece;

typedef struct Term {
    uint32_t pending, at, count;
    double scale;
} Term;

typedef struct Run {
    TrainState state; /* what hooks see; the first member */
    const TrainObserver *observer;
    Arena arena;
    DeviceArena memory;
    Workspace *ws;
    BatchBuffer buffer;
    TaskPart
        *parts; /* [task + 1], of which the last is the new task; of the others only when they are passed through */
    uint32_t first_part; /* trained on: parts first_part .. task */
    Params *params;      /* [params_count]: encoder or adapter first, then heads, the new one first */
    int params_count;
    Params *shared; /* the encoder's or the adapter's; null: only a head is trained */
    f32p clip;      /* [steps][2]: scale and norm */
    f32p part;      /* partial sums of squares; those of the table's rows are 0 between steps */
    f32p losses;    /* [rows of one epoch]: loss of every example, part after part, in the order of training */
    f32p factors;   /* [steps]: what decay alone does to a weight in a step */
    Touched touched;
    uint32_t *touched_rows, *touched_in; /* host: the rows; by row: 1 + the last step that touched it */
    u32p index;                          /* [batch]: rows whose states are gathered */
    f32p states;                         /* [batch][H] */
    /* the current pass: the step's own, or a further one */
    DeviceBatch pass;
    PassOptions pass_options;
    uint32_t pass_part;
    Weights more;   /* the gradient of a further pass, or of a further head */
    bool answered;  /* the gradient of the states holds something that a further head's is to be added to */
    f32p more_rows; /* [tokens][E]: its rows of the word table */
    /* steps whose losses have not been read back */
    struct {
        uint32_t step, epoch, first, rows, tokens;
    } pending[TRAIN_READ_STEPS];
    int pending_count;
    double pending_since;
    /* how far it has come */
    uint32_t epoch;    /* the current one */
    uint32_t looked;   /* of training->looks */
    double lowest;     /* loss of the best epoch so far */
    TrainKept kept_at; /* when its weights were */
    bool best_is_kept; /* in params[].best; else the current weights are the best */
    bool ended;        /* the weights are final */
    DYN(Piece) kept;   /* arrays of hooks */
    f32p terms;        /* [TRAIN_READ_STEPS][term_capacity] */
    uint32_t term_capacity, term_used;
    DYN(Term) term;
} Run;

/* Calls one of the hooks of every strategy. */
#define EACH_HOOK(run, which)                                                 \
    for (int h = 0; h < (run)->state.training->hook_count; h++) {             \
        const TrainHook *hook = &(run)->state.training->hooks[h];             \
        if (hook->hooks->which) hook->hooks->which(hook->own, &(run)->state); \
    }

static bool training_is_dense(const Training *t)
{
    for (int i = 0; i < t->hook_count; i++)
        if (t->hooks[i].hooks->dense) return true;
    return false;
}

/* Whether hooks go through earlier heads; passes: with passes of their own. */
static bool training_hooks_go_back(const Training *t, bool passes)
{
    for (int i = 0; i < t->hook_count && t->task > 0; i++) {
        const TrainHooks *hooks = t->hooks[i].hooks;
        if (hooks->earlier && (!passes || hooks->add || hooks->project)) return true;
    }
    return false;
}

/* Whether a hook wants the gradient of the task's own loss, where others add losses of the same batch to it: then each
 * has a backward pass of its own. */
static bool training_backward_is_apart(const Training *t)
{
    bool gradient = false, answer = false;
    for (int i = 0; i < t->hook_count; i++) {
        gradient |= t->hooks[i].hooks->gradient != NULL;
        answer |= t->hooks[i].hooks->answer != NULL;
    }
    return gradient && answer;
}

/* Whether the gradient of more than one pass is added up. */
static bool training_has_passes(const Training *t)
{
    return training_hooks_go_back(t, true) || (t->task > 0 && training_backward_is_apart(t));
}

bool train_comes_again(const Training *t, uint32_t task)
{
    bool again = t->earlier[task].head_w == t->weights.head;
    for (uint32_t i = task + 1; i < t->task; i++) again = again || t->earlier[i].head_w == t->earlier[task].head_w;
    return again;
}

/* Whether one of several epochs is chosen. */
static bool training_chooses(const Training *t) { return t->choose && t->hyper.epochs > 1; }

/* Whether batches or passes of this training go through earlier tasks. */
static bool training_goes_back(const Training *t) { return t->joint || training_hooks_go_back(t, false); }

/* The most tokens and classes of a batch or pass, and the most tokens of one example. */
static uint32_t training_most_tokens(const Training *t, uint32_t *longest, uint32_t *classes)
{
    uint32_t most = split_most_tokens(t->train, least_u32(t->hyper.batch_size, t->train->rows));
    *longest = split_most_tokens(t->train, 1);
    *classes = t->head->classes;
    for (uint32_t i = 0; i < t->task && training_goes_back(t); i++) {
        const Split *split = t->earlier[i].train;
        const uint32_t tokens = split_most_tokens(split, least_u32(t->hyper.batch_size, split->rows));
        const uint32_t one = split_most_tokens(split, 1);
        if (tokens > most) most = tokens;
        if (one > *longest) *longest = one;
        if (t->earlier[i].head->classes > *classes) *classes = t->earlier[i].head->classes;
    }
    return most;
}

static double run_rate(const Run *run, uint32_t step) /* step from 0 */
{
    return (double)run->state.training->hyper.learning_rate * (double)(run->state.steps - step) /
           (double)run->state.steps;
}

static void run_open_params(Run *run)
{
    const Training *t = run->state.training;
    const bool keep_best = training_chooses(t);
    const float decay = t->hyper.weight_decay;
    DeviceArena *memory = &run->memory;
    run->params = arena_new(&run->arena, Params, t->task + 2);
    if (t->train_encoder)
        run->params[0] =
            params_new(memory, &t->model->encoder, t->weights.encoder, keep_best, training_is_dense(t), decay);
    else if (t->lora)
        run->params[0] = params_new(memory, &t->lora->layout, t->weights.adapter, keep_best, false, decay);
    if (t->train_encoder || t->lora) run->shared = &run->params[run->params_count++];
    for (uint32_t i = t->task + 1; i-- > 0;) { /* the new task's head first */
        TaskPart *part = &run->parts[i];
        if (!part->head) continue;
        for (uint32_t k = i + 1; k <= t->task && !part->params; k++) /* a task that comes again has one head */
            if (run->parts[k].head_w == part->head_w) part->params = run->parts[k].params;
        if (part->params) continue;
        /* A head that only trains along is moved by its own loss alone: without one it stays as it is, to the bit. */
        part->params = &run->params[run->params_count++];
        *part->params =
            params_new(memory, &part->head->layout, part->head_w, keep_best, false, i >= run->first_part ? decay : 0);
    }
    if (!run->shared) return;
    run->shared->moves = true;
    run->state.layout = run->shared->layout;
    run->state.w = run->shared->w;
    run->state.g = run->shared->g;
}

static bool run_open(Run *run, Err *err)
{
    const Training *t = run->state.training;
    const uint32_t last = t->task, h = t->model->config.hidden, batch = t->hyper.batch_size;
    DeviceArena *memory = &run->memory;
    Device *device = run->state.device;
    uint32_t classes, longest, rows = 0, examples = 0;
    const uint32_t tokens = training_most_tokens(t, &longest, &classes);
    run->first_part = t->joint ? 0 : last;
    run->parts = arena_new(&run->arena, TaskPart, last + 1);
    for (uint32_t i = 0; i < last && training_goes_back(t); i++)
        run->parts[i] = (TaskPart){.head = t->earlier[i].head,
                                   .head_w = t->earlier[i].head_w,
                                   .train = t->earlier[i].train,
                                   .choose = t->choose ? t->earlier[i].choose : NULL};
    run->parts[last] = (TaskPart){.head = t->head, .head_w = t->weights.head, .train = t->train, .choose = t->choose};
    for (uint32_t i = run->first_part; i <= last; i++) {
        run->parts[i].losses = rows;
        rows += run->parts[i].train->rows;
    }
    for (uint32_t i = 0; i <= last; i++)
        if (run->parts[i].head) examples = run->parts[i].train->rows > examples ? run->parts[i].train->rows : examples;
    examples = least_u32(examples, batch);

    run->state.steps = train_total_steps(t);
    run->ws = workspace_new(&run->arena, memory, t->model, t->lora, tokens, examples, longest, classes, true);
    run->buffer = batch_buffer(memory, tokens, examples);
    run_open_params(run);
    run->losses = device_f32(memory, rows);
    run->clip = device_f32(memory, 2 * (size_t)run->state.steps);
    size_t parts = 0;
    for (int i = 0; i < run->params_count; i++) parts += run->params[i].layout->table_rows + run->params[i].parts;
    run->part = device_f32(memory, parts);
    run->factors = device_f32(memory, run->state.steps);
    float *factors = arena_new(&run->arena, float, run->state.steps);
    for (uint32_t k = 0; k < run->state.steps; k++)
        factors[k] = adamw_shrink((float)run_rate(run, k), t->hyper.weight_decay);
    device_write(device, run->factors, factors, run->state.steps * sizeof *factors);
    if (run->shared && run->shared->stamp) {
        const uint32_t table = run->shared->layout->table_rows;
        run->touched.row = device_u32(memory, table);
        run->touched.part = device_f32(memory, table);
        run->touched_rows = arena_new(&run->arena, uint32_t, table);
        run->touched_in = arena_new(&run->arena, uint32_t, table);
    }
    if (!run->shared) {
        run->index = device_u32(memory, examples);
        run->states = device_f32(memory, (size_t)examples * h);
        for (uint32_t i = run->first_part; i <= last; i++) {
            TaskPart *part = &run->parts[i];
            if (i == last) {
                part->train_states = t->train_states;
                part->choose_states = t->choose_states;
            }
            if ((!part->train_states && !split_states(device, memory, t->model, NULL, &t->weights, part->train,
                                                      t->hyper.eval_batch_size, &part->train_states, err)) ||
                (part->choose && !part->choose_states &&
                 !split_states(device, memory, t->model, NULL, &t->weights, part->choose, t->hyper.eval_batch_size,
                               &part->choose_states, err)))
                return false;
        }
    }
    for (int i = 0; i < t->hook_count; i++)
        if (t->hooks[i].hooks->begin && !t->hooks[i].hooks->begin(t->hooks[i].own, &run->state, err)) return false;
    run->terms = device_f32(memory, TRAIN_READ_STEPS * (size_t)run->term_capacity);
    if (training_hooks_go_back(t, false)) {
        size_t floats = 0;
        for (uint32_t i = 0; i < last; i++)
            if (t->earlier[i].head->layout.floats > floats) floats = t->earlier[i].head->layout.floats;
        run->more.head = device_f32(memory, floats);
    }
    if (training_has_passes(t)) {
        if (t->train_encoder) run->more.encoder = device_f32(memory, t->model->encoder.floats);
        if (t->lora) run->more.adapter = device_f32(memory, t->lora->layout.floats);
        run->more_rows = device_f32(memory, (size_t)tokens * t->model->config.embedding);
    }
    return true;
}

/* Makes up for the decay that rows of the word table without a gradient have missed. */
static void run_wake(Run *run, const DeviceRows *rows)
{
    const Params *p = run->shared;
    if (!p || !p->stamp) return;
    RUN(run->state.device, wake_rows, .w = p->w, .stamp = p->stamp, .row = rows ? rows->row : NULL,
        .factors = run->factors, .rows = rows ? rows->unique : p->layout->table_rows, .cols = p->layout->table_cols,
        .step = p->updates, .awake = rows != NULL);
}

/* Rows of the word table that a pass of this step goes through. */
static void run_touch(Run *run, const RowIndex *word)
{
    for (uint32_t i = 0; i < word->unique && run->touched_in; i++)
        if (run->touched_in[word->row[i]] != run->state.step + 1) {
            run->touched_in[word->row[i]] = run->state.step + 1;
            run->touched_rows[run->touched.count++] = word->row[i];
        }
}

/* Puts a batch on the device and has its rows of the word table ready. */
static void run_batch(Run *run, const Split *split, const uint32_t *rows, uint32_t count, DeviceBatch *out)
{
    Arena scratch = {0};
    Batch batch;
    batch_pack(&scratch, split, rows, count, run->state.training->model->config.position_base, &batch);
    device_batch_write(run->state.device, &run->buffer, &scratch, &batch, out);
    run_touch(run, &batch.word);
    arena_free(&scratch);
    run_wake(run, &out->word);
}

static bool run_flush(Run *run, Err *err)
{
    const int count = run->pending_count;
    Device *device = run->state.device;
    if (!count) return true;
    float values[4096], clip[2 * TRAIN_READ_STEPS];
    double loss[TRAIN_READ_STEPS] = {0}, penalty[TRAIN_READ_STEPS];
    const uint32_t first_step = run->pending[0].step;
    device_read(device, clip, run->clip + 2 * (size_t)first_step, 2 * sizeof(float) * (size_t)count);
    const double seconds = (clock_seconds() - run->pending_since) / count;
    run->pending_count = 0;
    if (!device_ok(device, err)) return false;
    for (int i = 0; i < count; i++) {
        penalty[i] = NAN;
        for (uint32_t at = 0, rows = run->pending[i].rows; at < rows; at += COUNT(values)) {
            const uint32_t n = least_u32(COUNT(values), rows - at);
            device_read(device, values, run->losses + run->pending[i].first + at, n * sizeof *values);
            for (uint32_t j = 0; j < n; j++) loss[i] += (double)values[j];
        }
    }
    for (size_t k = 0; k < run->term.count; k++) {
        const Term *term = &run->term.at[k];
        double sum = 0;
        for (uint32_t at = 0; at < term->count; at += COUNT(values)) {
            const uint32_t n = least_u32(COUNT(values), term->count - at);
            device_read(device, values, run->terms + term->at + at, n * sizeof *values);
            for (uint32_t j = 0; j < n; j++) sum += (double)values[j];
        }
        penalty[term->pending] = (isnan(penalty[term->pending]) ? 0 : penalty[term->pending]) + term->scale * sum;
    }
    run->term.count = 0;
    for (int i = 0; i < count; i++) {
        StepRecord record = {.step = run->pending[i].step + 1,
                             .epoch = run->pending[i].epoch,
                             .loss = loss[i] / run->pending[i].rows,
                             .penalty = penalty[i],
                             .grad_norm = (double)clip[2 * i + 1],
                             .learning_rate = run_rate(run, run->pending[i].step),
                             .tokens = run->pending[i].tokens,
                             .seconds = seconds};
        if (!isfinite(record.loss) || !isfinite(record.grad_norm))
            return fail(err,
                        "training diverged: at step %u the loss is %g and the gradient norm %g; try a lower learning "
                        "rate than %g",
                        record.step, record.loss, record.grad_norm, (double)run->state.training->hyper.learning_rate);
        if (!run->observer->step(run->observer->context, &record, err)) return false;
    }
    return true;
}

/* Adds the gradient of a further pass, which run->more holds, to g. */
static void run_add_more(Run *run, f32p g)
{
    Device *device = run->state.device;
    const Layout *layout = run->state.layout;
    const size_t table = params_table(layout);
    f32p more = run->more.encoder ? run->more.encoder : run->more.adapter;
    if (table) {
        const DeviceRows *word = &run->pass.word;
        const u32 cols = layout->table_cols;
        RUN(device, gather_rows, .x = more, .index = word->row, .y = run->more_rows, .rows = word->unique, .cols = cols,
            .ldx = cols);
        RUN(device, scatter_rows, .x = run->more_rows, .index = word->row, .y = g, .rows = word->unique, .cols = cols,
            .ldy = cols);
    }
    floats_axpby(device, more + table, NULL, g + table, layout->floats - table, 1, 1);
}

/* The backward pass of the step's own loss and of those that hooks add to the same states. */
static void run_backward(Run *run, const TaskPart *part, const Weights *weights)
{
    const Training *t = run->state.training;
    const Weights grads = {t->train_encoder ? run->state.g : NULL, t->lora ? run->state.g : NULL, part->params->g};
    const bool apart = training_backward_is_apart(t);
    model_head_backward(run->ws, weights, &grads, part->head, &run->pass, &run->pass_options, false);
    run->answered = !apart; /* the first answer then adds to what the step's own loss has left */
    if (apart) {
        model_encoder_backward(run->ws, weights, &grads, &run->pass, &run->pass_options);
        EACH_HOOK(run, gradient)
        EACH_HOOK(run, answer)
        if (!run->answered) return;
        model_encoder_backward(run->ws, weights, &run->more, &run->pass, &run->pass_options);
        run_add_more(run, run->state.g);
    } else {
        EACH_HOOK(run, answer)
        model_encoder_backward(run->ws, weights, &grads, &run->pass, &run->pass_options);
        EACH_HOOK(run, gradient)
    }
}

/* The pass that a step makes anyway, through a part's head: its rows' losses, to losses[first ..], times scale, and
 * what hooks have to say of the same states. Leaves the gradients. */
static void run_pass(Run *run, const TaskPart *part, uint32_t first, float scale)
{
    const Training *t = run->state.training;
    Device *device = run->state.device;
    const uint32_t *rows = run->state.rows, count = run->state.count;
    DeviceBatch *batch = &run->pass;
    PassOptions *options = &run->pass_options;
    run_batch(run, part->train, rows, count, batch);
    *options = (PassOptions){.dropout = true, .seed = t->seed, .step = (t->task << 24) + run->state.step};
    if (part->train_states) {
        const uint32_t h = t->model->config.hidden;
        device_write(device, run->index, rows, count * sizeof *rows);
        RUN(device, gather_rows, .x = part->train_states, .index = run->index, .y = run->states, .rows = count,
            .cols = h, .ldx = h);
        options->states = run->states;
    }
    const Weights weights = {t->weights.encoder, t->weights.adapter, part->head_w};
    f32p logits = model_forward(run->ws, &weights, part->head, batch, options);
    RUN(device, cross_entropy, .logits = logits, .labels = batch->labels, .loss = run->losses + first,
        .dlogits = workspace_dlogits(run->ws), .rows = count, .classes = part->head->classes, .scale = scale);
    run_backward(run, part, &weights);
}

/* Rows rows[0 .. count - 1] of a part; the first's loss goes to losses[first]. */
static void run_step(Run *run, uint32_t epoch, const TaskPart *part, const uint32_t *rows, uint32_t count,
                     uint32_t first)
{
    Device *device = run->state.device;
    run->state.rows = rows;
    run->state.count = count;
    run->touched.count = run->term_used = 0;
    for (int i = run->shared ? 1 : 0; i < run->params_count; i++) { /* a head that no row goes through is not trained */
        Params *head = &run->params[i];
        head->moves = head == part->params;
        if (!head->moves) floats_fill(device, head->g, head->layout->floats, 0);
    }
    run_pass(run, part, first, 1 / (float)count);
    run->pending[run->pending_count].tokens = run->pass.tokens;

    EACH_HOOK(run, add)
    EACH_HOOK(run, project)

    uint32_t parts = 0;
    if (run->touched.row) device_write(device, run->touched.row, run->touched_rows, run->touched.count * sizeof(u32));
    for (int i = 0; i < run->params_count; i++)
        parts += params_squares(device, &run->params[i], &run->touched, run->part + parts);
    f32p clip = run->clip + 2 * (size_t)run->state.step;
    RUN(device, clip, .part = run->part, .result = clip, .parts = parts, .max_norm = (float)train_fixed.clip_norm);
    if (run->touched.row)
        RUN(device, zero_rows, .x = run->part, .row = run->touched.row, .rows = run->touched.count, .cols = 1);
    for (int i = 0; i < run->params_count; i++)
        params_step(device, &run->params[i], (float)run_rate(run, run->state.step), clip, &run->touched);
    EACH_HOOK(run, moved)

    run->pending[run->pending_count].step = run->state.step;
    run->pending[run->pending_count].epoch = epoch;
    run->pending[run->pending_count].first = first;
    run->pending[run->pending_count++].rows = count;
    run->state.step++;
}
