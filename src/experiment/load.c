#include "state.h"

/* Where the run begins: tasks, tokenizer and pretrained encoder, and the weights that every method starts from. */

static bool experiment_examples(Arena *arena, const TaskSource *source, ExampleFile files[2], Err *err)
{
    if (source->train_bytes.at)
        return examples_parse(arena, source->train_bytes, source->train, NULL, true, &files[0], err) &&
               examples_parse(arena, source->eval_bytes, source->eval, NULL, true, &files[1], err);
    if (source->percent > 0) {
        ExampleFile all;
        return examples_read(arena, source->train, &source->columns, true, &all, err) &&
               examples_split(arena, &all, source->percent, &files[0], &files[1], err);
    }
    return examples_read(arena, source->train, &source->columns, true, &files[0], err) &&
           examples_read(arena, source->eval, &source->columns, true, &files[1], err);
}

/* The rows by which an epoch is chosen; those that are held out are trained on no more. */
static bool choose_rows(Experiment *x, TaskState *state, Err *err)
{
    if (x->plan->keep_epoch == KEEP_EPOCH_EVAL) state->choose = &state->data.eval;
    if (x->plan->keep_epoch != KEEP_EPOCH_HELD_OUT) return true;
    const Split all = state->data.train;
    if (all.rows < 20)
        return fail(err, "task %s: a tenth of %u training rows is too few to choose an epoch by; use --keep-epoch last",
                    state->data.name, all.rows);
    split_hold_out(&x->arena, &all, &state->data.train, &state->held_out);
    state->choose = &state->held_out;
    return true;
}

/* The first rows of a task's files, not rows drawn at random: so does the preset notebook, and the built-in data. */
static bool experiment_takes_first(const Plan *plan, const TaskSource *source)
{
    return plan->first_rows || source->train_bytes.at;
}

/* A task that comes again: its rows, its head and what chooses its epoch are those that it had. */
static void experiment_task_again(Experiment *x, int task)
{
    const TaskState *first = &x->tasks[x->plan->tasks[task].again - 1];
    TaskState *state = &x->tasks[task];
    *state = *first;
    state->data.name = x->plan->tasks[task].name;
    x->earlier[task] = (EarlierTask){.head = &first->head, .train = &first->data.train, .choose = first->choose};
}

static bool experiment_tasks(Experiment *x, const Tokenizer *tokenizer, Err *err)
{
    const Plan *plan = x->plan;
    for (int i = 0; i < plan->task_count; i++) {
        const TaskSource *source = &plan->tasks[i];
        TaskData *data = &x->tasks[i].data;
        ExampleFile files[2];
        if (source->again) {
            experiment_task_again(x, i);
            continue;
        }
        /* the built-in data lies in the order of a draw already */
        if (!experiment_examples(&x->arena, source, files, err) ||
            !task_data_load(&x->arena, tokenizer, source->name, &files[0], &files[1],
                            (uint32_t)plan_task_value(plan, i, "train-rows"),
                            (uint32_t)plan_task_value(plan, i, "eval-rows"), experiment_takes_first(plan, source),
                            plan->max_length, data, err))
            return false;
        for (size_t k = 0; k < data->warnings.count && !plan->quiet; k++)
            fprintf(stderr, "lethe: task %s: %s\n", data->name, data->warnings.at[k]);
        TaskState *state = &x->tasks[i];
        if (!choose_rows(x, state, err)) return false;
        head_layout(&x->arena, &x->model.config, state->data.classes, &state->head);
        state->head_start = arena_new(&x->arena, float, state->head.layout.floats);
        state->order = arena_new(&x->arena, uint32_t, state->data.eval.rows);
        random_permutation(0, state->data.eval.rows, state->order);
        x->earlier[i] = (EarlierTask){.head = &state->head, .train = &state->data.train, .choose = state->choose};
    }
    return true;
}

/* The pretrained weights on the device again, and the heads of the tasks as they start. */
static bool experiment_weights(Experiment *x, uint32_t seed, Err *err)
{
    Arena scratch = {0};
    Safetensors file = {0};
    bool ok = source_weights(&scratch, &x->plan->model, &file, err);
    if (x->fresh_pooler) x->encoder_is_base = false; /* it depends on the seed */
    if (ok && !x->encoder_is_base) {
        float *w = arena_new(&scratch, float, x->model.encoder.floats);
        ok = model_load_encoder(&x->model, &file, seed, w, &x->fresh_pooler, err);
        if (ok) device_write(&x->device, x->encoder, w, x->model.encoder.floats * sizeof *w);
        x->encoder_is_base = ok;
    }
    if (ok && (!x->base || x->base_seed != seed)) x->base = ++x->weights_made;
    x->base_seed = seed;
    for (int i = 0; i < x->plan->task_count && ok; i++) {
        if (x->plan->tasks[i].again) continue;
        const Head *head = &x->tasks[i].head;
        float *w = x->tasks[i].head_start;
        head_initialise(head, seed, 0x68656164 + (uint64_t)i, w); /* what the file does not have */
        (void)model_load_head(&x->model, head, &file, w);
        device_write(&x->device, x->tasks[i].head_w, w, head->layout.floats * sizeof *w);
    }
    safetensors_close(&file);
    arena_free(&scratch);
    return ok;
}

static void start_adapter(Experiment *x, f32p adapter, uint32_t seed, int task)
{
    Arena scratch = {0};
    float *w = arena_new(&scratch, float, x->lora.layout.floats);
    lora_initialise(&x->lora, seed, LORA_STREAM + (uint64_t)task, w);
    device_write(&x->device, adapter, w, x->lora.layout.floats * sizeof *w);
    arena_free(&scratch);
}
