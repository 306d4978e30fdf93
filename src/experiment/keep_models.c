#include "state.h"

#include <stdlib.h>
#include <string.h>

/* What a run keeps of its trained models, and the room that takes on the disk. */

static float *models_read(Experiment *x, Arena *arena, f32p from, const Layout *layout)
{
    float *w = arena_new(arena, float, layout->floats);
    device_read(&x->device, w, from, layout->floats * sizeof *w);
    return w;
}

/* out: OUT, or a folder of an epoch's. */
static const char *models_folder(const Experiment *x, Arena *arena, const char *out, const Method *method,
                                 uint32_t seed)
{
    return x->plan->seed_count > 1 ? arena_printf(arena, "%s/models/%s-seed%u", out, method->name, seed)
                                   : arena_printf(arena, "%s/models/%s", out, method->name);
}

/* The current method as it is, with the heads of the first `tasks` tasks, as predict and export want it. */
static bool models_write(MethodRun *m, const char *out, int tasks, Err *err)
{
    const Plan *plan = m->x->plan;
    char pretrained[SYS_PATH_BYTES];
    const SysError error = plan->model.folder ? sys_path_real(plan->model.folder, pretrained) : 0;
    if (error) return fail(err, "%s: %s", plan->model.folder, sys_error_text(error));
    Arena arena = {0};
    KeptTask *kept_tasks = arena_new(&arena, KeptTask, (size_t)tasks);
    int count = 0;
    for (int i = 0; i < tasks; i++) {
        const Training t = training_of(m->x, m->method, m->seed, i);
        const TaskData *data = &m->x->tasks[i].data;
        if (plan->tasks[i].again) continue; /* its head is that of the task that it is */
        KeptTask *task = &kept_tasks[count++];
        *task =
            (KeptTask){.name = data->name, .labels = {data->classes, data->class_names}, .pairs = data->train.any_pair};
        task->head = t.head;
        task->head_w = models_read(m->x, &arena, t.weights.head, &t.head->layout);
        task->lora = t.lora;
        if (t.lora) task->adapter = models_read(m->x, &arena, t.weights.adapter, &t.lora->layout);
    }
    const bool own_encoder = m->method->changes_encoder;
    const Kept kept = {.method = m->method->name,
                       .seed = m->seed,
                       .after_task = (uint32_t)tasks,
                       .max_length = plan->max_length,
                       .pretrained = plan->model.folder ? pretrained : NULL,
                       .sha256 = m->x->model_sha256,
                       .model = &m->x->model,
                       .encoder = own_encoder ? models_read(m->x, &arena, m->x->encoder, &m->x->model.encoder) : NULL,
                       .tasks = kept_tasks,
                       .task_count = count};
    const bool ok =
        device_ok(&m->x->device, err) && kept_write(models_folder(m->x, &arena, out, m->method, m->seed), &kept, err);
    arena_free(&arena);
    return ok;
}

static bool models_are_kept(const Plan *plan, const Method *method)
{
    return plan->keep == KEEP_ALL || (plan->keep == KEEP_ADAPTERS && !method->changes_encoder);
}

/* The current method, finished. */
static bool models_keep(MethodRun *m, Err *err)
{
    const Plan *plan = m->x->plan;
    return !models_are_kept(plan, m->method) || models_write(m, plan->out, plan->task_count, err);
}

/* out: OUT/after/TASK or OUT/epochs/TASK-epochN, which has what predict and export want of OUT. */
static bool models_write_apart(MethodRun *m, const char *out, Err *err)
{
    Arena arena = {0};
    remove_temporaries(arena_printf(&arena, "%s/models/encoder", out)); /* of a process that was killed here */
    const bool ok = kept_write_encoder(out, &m->x->plan->model, err) && models_write(m, out, m->task + 1, err);
    arena_free(&arena);
    return ok;
}

/* ---- --keep-each-task: OUT/after/TASK ---- */

static const char *models_after(const Experiment *x, Arena *arena, int task)
{
    return arena_printf(arena, "%s/after/%s", x->plan->out, x->tasks[task].data.name);
}

/* After a task's training: the last one's are those of OUT itself. */
static bool models_keep_task(MethodRun *m, Err *err)
{
    const Plan *plan = m->x->plan;
    Arena arena = {0};
    const bool kept = plan->keep_each_task && m->task + 1 < plan->task_count && models_are_kept(plan, m->method),
               ok = !kept || models_write_apart(m, models_after(m->x, &arena, m->task), err);
    arena_free(&arena);
    return ok;
}

/* ---- --keep-each-epoch: OUT/epochs/TASK-epochN ---- */

static const char *models_epoch(const Experiment *x, Arena *arena, int task, uint32_t epoch)
{
    return arena_printf(arena, "%s/epochs/%s-epoch%u", x->plan->out, x->tasks[task].data.name, epoch + 1);
}

/* After an epoch of the current training. One that methods share is kept under the first of them. */
static bool models_keep_epoch(void *context, uint32_t epoch, Err *err)
{
    MethodRun *m = context;
    Arena arena = {0};
    const bool ok = models_write_apart(m, models_epoch(m->x, &arena, m->task, epoch), err);
    arena_free(&arena);
    return ok;
}

/* Says what is asked for and was not kept when finished methods were trained. */
static void models_say_missing(const Experiment *x)
{
    Arena arena = {0};
    const Plan *plan = x->plan;
    const char *missing = "";
    for (int s = 0; s < plan->seed_count; s++)
        for (int m = 0; m < plan->method_count; m++) {
            const Method *method = plan->methods[m];
            if (!journal_is_finished(&x->journal, method->name, plan->seeds[s])) continue;
            if (models_are_kept(plan, method) &&
                !file_exists(models_folder(x, &arena, plan->out, method, plan->seeds[s])))
                missing = "--keep-models";
            if (models_are_kept(plan, method) && plan->keep_each_task && plan->task_count > 1 && !*missing &&
                !file_exists(models_folder(x, &arena, models_after(x, &arena, 0), method, plan->seeds[s])))
                missing = "--keep-each-task";
        }
    if (plan->keep_each_epoch && json_object_size(x->journal.finished) && !file_exists(models_epoch(x, &arena, 0, 0)))
        missing = "--keep-each-epoch";
    if (*missing && !plan->quiet)
        fprintf(stderr,
                "%s: models that %s asks for are not there: they are kept while a method is trained, and --force "
                "trains it again\n",
                plan->out, missing);
    arena_free(&arena);
}

static uint64_t models_floats(const Experiment *x, const Method *method, int tasks)
{
    uint64_t floats = method->changes_encoder ? x->model.encoder.floats : 0;
    for (int i = 0; i < tasks; i++) {
        const Training t = training_of(x, method, 0, i);
        floats += t.head->layout.floats + (t.lora ? t.lora->layout.floats : 0);
    }
    return floats;
}

/* Bytes that the whole run will keep. */
static uint64_t models_bytes(const Experiment *x)
{
    const Plan *plan = x->plan;
    uint64_t floats = 0;
    for (int m = 0; m < plan->method_count; m++) {
        if (!models_are_kept(plan, plan->methods[m])) continue;
        floats += models_floats(x, plan->methods[m], plan->task_count);
        for (int i = 1; i < plan->task_count && plan->keep_each_task; i++)
            floats += models_floats(x, plan->methods[m], i);
    }
    for (int m = 0; m < plan->method_count && plan->keep_each_epoch; m++)
        for (int i = 0; i < plan->task_count; i++)
            floats += hyper_of(plan, i).epochs * models_floats(x, plan->methods[m], i + 1);
    return floats * sizeof(float) * (uint64_t)plan->seed_count;
}

/* With a second seed, the models of the first are named after theirs. */
static bool models_rename_in(const Experiment *x, Arena *arena, const char *out, Err *err)
{
    const Plan *plan = x->plan;
    bool ok = true;
    for (int m = 0; m < plan->method_count; m++) {
        const char *from = arena_printf(arena, "%s/models/%s", out, plan->methods[m]->name);
        for (int s = 0; s < plan->seed_count && sys_kind(from) == SYS_FOLDER && ok; s++) {
            if (!journal_is_finished(&x->journal, plan->methods[m]->name, plan->seeds[s])) continue;
            const SysError error =
                sys_folder_move(from, models_folder(x, arena, out, plan->methods[m], plan->seeds[s]));
            ok = !error || fail(err, "%s: cannot be renamed: %s", from, sys_error_text(error));
        }
    }
    return ok;
}

static bool models_rename(const Experiment *x, Err *err)
{
    const Plan *plan = x->plan;
    if (plan->seed_count < 2) return true;
    Arena arena = {0};
    bool ok = models_rename_in(x, &arena, plan->out, err);
    for (int i = 0; i < plan->task_count && ok; i++) {
        const char *after = models_after(x, &arena, i);
        ok = !file_exists(after) || models_rename_in(x, &arena, after, err);
        for (uint32_t e = 0; e < hyper_of(plan, i).epochs && ok; e++) {
            Arena scratch = {0};
            const char *out = models_epoch(x, &scratch, i, e);
            ok = !file_exists(out) || models_rename_in(x, &scratch, out, err);
            arena_free(&scratch);
        }
    }
    arena_free(&arena);
    return ok;
}

/* Before anything is trained: the encoder's files, and whether there is room. fresh: models of another run that lie
 * there go. */
static bool models_begin(const Experiment *x, bool fresh, Err *err)
{
    Arena arena = {0};
    uint64_t room;
    const uint64_t need = models_bytes(x) + snapshot_bytes(x);
    if (fresh) kept_remove(arena_printf(&arena, "%s/models", x->plan->out));
    if (fresh) kept_remove(arena_printf(&arena, "%s/after", x->plan->out));
    if (fresh) kept_remove(arena_printf(&arena, "%s/epochs", x->plan->out));
    if (!models_rename(x, err)) {
        arena_free(&arena);
        return false;
    }
    const bool full = fresh && !file_exists(x->snapshots.path) && sys_disk_free(x->plan->out, &room) && room < need;
    if (full)
        fail(err,
             "%s: the trained models and snapshots need %s there, but %s are free; --keep-models adapters or none "
             "keeps less",
             x->plan->out, format_megabytes(&arena, (double)need, 1), format_megabytes(&arena, (double)room, 1));
    arena_free(&arena);
    if (full) return false;
    if (x->plan->keep == KEEP_NONE) return true;
    return kept_write_encoder(x->plan->out, &x->plan->model, err);
}

static void models_print(const Experiment *x)
{
    static const char *const kept[] = {"every method's", "of methods that leave the encoder as it was", "none"};
    Arena arena = {0};
    printf("disk     %s for the trained models (--keep-models: %s)\n",
           format_gigabytes(&arena, (double)models_bytes(x), 2), kept[x->plan->keep]);
    printf("         %s for snapshots at most, while it runs (--snapshot-seconds %u)\n",
           format_gigabytes(&arena, (double)snapshot_bytes(x), 2), x->plan->snapshot_seconds);
    arena_free(&arena);
}
