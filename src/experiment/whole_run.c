#include "state.h"

/* A run from its plan to its last event. */

static bool experiment_open(Experiment *x, Err *err)
{
    const Plan *plan = x->plan;
    Tokenizer *tokenizer = NULL;
    ModelConfig config;
    x->model_name = plan->model.name;
    outlook_say(x, "opens the device");
    if (!device_open(&x->device, plan->device, plan->threads, err)) return false;
    x->memory.device = &x->device;
    outlook_say(x, "reads the model and the tasks");
    if (!source_config(&x->arena, &plan->model, &config, err) ||
        !model_source_tokenizer(&x->arena, &plan->model, &tokenizer, err))
        return false;
    if (!source_fit_tokenizer(tokenizer, &config, plan->model.name, err)) return false;
    if (tokenizer_note(tokenizer)) outlook_said(x);
    if (tokenizer_note(tokenizer) && !plan->quiet)
        fprintf(stderr, "%s: %s\n", plan->model.name, tokenizer_note(tokenizer));
    if (plan->max_length > source_most_tokens(&config))
        return fail_usage(err, "--max-length %u: this model takes at most %u tokens", plan->max_length,
                          source_most_tokens(&config));
    model_layout(&x->arena, &config, &x->model);
    x->lora =
        (Lora){.r = plan->lora_r, .targets = plan->lora_targets, .alpha = plan->lora_alpha, .drop = plan->lora_drop};
    if (x->lora.targets & ~model_linear(&config) && x->lora.targets != family_linear(config.family))
        return fail_usage(
            err, "--lora-targets %s: this model has no such linear layer: its embeddings are as wide as its states",
            family_target(config.family, TARGET_PROJECT));
    lora_layout(&x->arena, &config, &x->lora);
    if (!experiment_tasks(x, tokenizer, err) || !check_steps(x, err) || !check_memory(x, err) ||
        !source_sha256(&plan->model, x->model_sha256, err) || !run_check_repeated(x, err))
        return false;

    x->encoder = device_f32(&x->memory, x->model.encoder.floats);
    x->shared_adapter = device_f32(&x->memory, x->lora.layout.floats);
    for (int i = 0; i < plan->task_count; i++) {
        const TaskState *first = plan->tasks[i].again ? &x->tasks[plan->tasks[i].again - 1] : NULL;
        x->tasks[i].head_w = first ? first->head_w : device_f32(&x->memory, x->tasks[i].head.layout.floats);
        x->tasks[i].adapter_w = first ? first->adapter_w : device_f32(&x->memory, x->lora.layout.floats);
        x->earlier[i].head_w = x->tasks[i].head_w;
    }
    return experiment_weights(x, plan->seeds[0],
                              err); /* before anything is written: a damaged model leaves nothing behind */
}

/* The last event. What finished methods took when they were trained counts, whichever process did it. */
static bool run_end(Experiment *x, Err *err)
{
    Journal *journal = &x->journal;
    const int64_t peak = (int64_t)memory_peak_bytes();
    return journal_event(journal,
                         json_pack("{s:s, s:f, s:I}", "event", "done", "seconds",
                                   journal->seconds + clock_seconds() - x->started, "peak_bytes",
                                   (json_int_t)(peak > journal->peak_bytes ? peak : journal->peak_bytes)),
                         err);
}

static bool run_everything(Experiment *x, const json_t *options, Err *err)
{
    const Plan *plan = x->plan;
    bool done = false, fresh = true;
    json_t *config = run_config(x, options), *run = run_event(x);
    bool ok = journal_open(&x->journal, plan, config, run, &done, &fresh, err);
    if (ok) snapshot_begin(x, config);
    json_decref(config);
    if (ok && done) {
        json_decref(run);
        if (!plan->quiet) fprintf(stderr, "%s holds this very run, finished; --force would do it again\n", plan->out);
        models_say_missing(x);
        return true;
    }
    if (ok && !fresh && !x->journal.described && !plan->quiet)
        fprintf(stderr, "%s goes on beside what is there: %zu of %d (each a method with a seed) are finished\n",
                plan->out, json_object_size(x->journal.finished), plan->method_count * plan->seed_count);
    ok = ok && models_begin(x, fresh, err);
    if (ok && !fresh) models_say_missing(x);
    if (ok && fresh) ok = journal_event(&x->journal, json_incref(run), err) && emit_examples(x, err);
    json_decref(run);
    outlook_begin(x);
    for (int s = 0; s < plan->seed_count && ok; s++)
        for (int m = 0; m < plan->method_count && ok; m++)
            if (!journal_is_finished(&x->journal, plan->methods[m]->name, plan->seeds[s]))
                ok = run_method(x, plan->methods[m], plan->seeds[s], err);
    if (ok) snapshot_tidy(x, false);
    return ok && journal_in_order(&x->journal, plan, err) && run_end(x, err);
}

static void experiment_close(Experiment *x)
{
    journal_close(&x->journal);
    for (int i = 0; i < SHARED_MAX_TASKS; i++) shared_clear(&x->shared[i]);
    evaluations_forget(x, true);
    device_arena_free(&x->memory);
    arena_free(&x->arena);
    device_close(&x->device);
}

bool experiment_run(const Plan *plan, const json_t *options, Err *err)
{
    Experiment *x = &(Experiment){.plan = plan, .started = clock_seconds(), .journal.log = LOG_CLOSED};
    bool ok = experiment_open(x, err);
    outlook_said(x);
    if (ok && plan->dry_run && plan->json) {
        ok = print_plan_json(x, err);
    } else if (ok && plan->dry_run) {
        print_plan(x);
        ok = print_time(x, err);
    } else if (ok) {
        ok = run_everything(x, options, err);
    }
    experiment_close(x);
    return ok;
}
