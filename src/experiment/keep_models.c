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

static const char *models_folder(const Experiment *x, Arena *arena, const Method *method, uint32_t seed)
{
    return x->plan->seed_count > 1 ? arena_printf(arena, "%s/models/%s-seed%u", x->plan->out, method->name, seed)
                                   : arena_printf(arena, "%s/models/%s", x->plan->out, method->name);
}

/* The current method, finished, as predict and export want it. */
static bool models_keep(MethodRun *m, Err *err)
{
    const Plan *plan = m->x->plan;
    const bool own_encoder = m->method->changes_encoder;
    if (plan->keep == KEEP_NONE || (plan->keep == KEEP_ADAPTERS && own_encoder)) return true;
    char pretrained[SYS_PATH_BYTES];
    const SysError error = plan->model.folder ? sys_path_real(plan->model.folder, pretrained) : 0;
    if (error) return fail(err, "%s: %s", plan->model.folder, sys_error_text(error));
    Arena arena = {0};
    KeptTask *tasks = arena_new(&arena, KeptTask, (size_t)plan->task_count);
    for (int i = 0; i < plan->task_count; i++) {
        const Training t = training_of(m->x, m->method, m->seed, i);
        const TaskData *data = &m->x->tasks[i].data;
        tasks[i] =
            (KeptTask){.name = data->name, .labels = {data->classes, data->class_names}, .pairs = data->train.any_pair};
        tasks[i].head = t.head;
        tasks[i].head_w = models_read(m->x, &arena, t.weights.head, &t.head->layout);
        tasks[i].lora = t.lora;
        if (t.lora) tasks[i].adapter = models_read(m->x, &arena, t.weights.adapter, &t.lora->layout);
    }
    const Kept kept = {.method = m->method->name,
                       .seed = m->seed,
                       .max_length = plan->max_length,
                       .pretrained = plan->model.folder ? pretrained : NULL,
                       .sha256 = m->x->model_sha256,
                       .model = &m->x->model,
                       .encoder = own_encoder ? models_read(m->x, &arena, m->x->encoder, &m->x->model.encoder) : NULL,
                       .tasks = tasks,
                       .task_count = plan->task_count};
    const bool ok =
        device_ok(&m->x->device, err) && kept_write(models_folder(m->x, &arena, m->method, m->seed), &kept, err);
    arena_free(&arena);
    return ok;
}

/* Bytes that the whole run will keep. */
static uint64_t models_bytes(const Experiment *x)
{
    const Plan *plan = x->plan;
    uint64_t floats = 0;
    for (int m = 0; m < plan->method_count && plan->keep != KEEP_NONE; m++) {
        const bool own_encoder = plan->methods[m]->changes_encoder;
        if (plan->keep == KEEP_ADAPTERS && own_encoder) continue;
        if (own_encoder) floats += x->model.encoder.floats;
        for (int i = 0; i < plan->task_count; i++) {
            const Training t = training_of(x, plan->methods[m], 0, i);
            floats += t.head->layout.floats + (t.lora ? t.lora->layout.floats : 0);
        }
    }
    return floats * sizeof(float) * (uint64_t)plan->seed_count;
}

/* With a second seed, the models of the first are named after theirs. */
static bool models_rename(const Experiment *x, Err *err)
{
    const Plan *plan = x->plan;
    Arena arena = {0};
    bool ok = true;
    for (int m = 0; m < plan->method_count && plan->seed_count > 1; m++) {
        const char *from = arena_printf(&arena, "%s/models/%s", plan->out, plan->methods[m]->name);
        for (int s = 0; s < plan->seed_count && sys_kind(from) == SYS_FOLDER && ok; s++) {
            if (!journal_is_finished(&x->journal, plan->methods[m]->name, plan->seeds[s])) continue;
            const SysError error = sys_folder_move(from, models_folder(x, &arena, plan->methods[m], plan->seeds[s]));
            ok = !error || fail(err, "%s: cannot be renamed: %s", from, sys_error_text(error));
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
