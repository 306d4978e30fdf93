#include "state.h"

#include <stdlib.h>
#include <string.h>

/* OUT/snapshots: the trainings of methods that are not finished, one file each, so that a run that was cut off goes on
 * within a method. Everything computes the same bits again, so nothing but trainings is kept: the current one, those
 * of the current method that have ended, and those that later methods share. What comes between them is done again.
 *
 * A snapshot may cost a fiftieth of the time: how soon the next one comes follows from what others have taken. */

enum { SNAPSHOT_SPACING = 50, SNAPSHOT_LARGE_BYTES = 16 << 20 }; /* what small ones take says nothing of others */

/* The first method that makes the training of `task` which `method` goes through: its name stands for it. */
static const Method *snapshot_owner(const Experiment *x, const Method *method, int task)
{
    for (int i = 0; i < x->plan->method_count; i++)
        if (x->plan->methods[i] == method || training_is_shared(x->plan->methods[i], method, task))
            return x->plan->methods[i];
    ASSERT(!"a method of the plan");
    return NULL;
}

static const char *snapshot_name(Arena *arena, const Method *owner, uint32_t seed, int task)
{
    return arena_printf(arena, "%s-seed%u-task%d.safetensors.zst", owner->name, seed, task + 1);
}

static bool snapshot_is_wanted(const Experiment *x, const char *name)
{
    const Plan *plan = x->plan;
    Arena scratch = {0};
    bool wanted = false;
    for (int s = 0; s < plan->seed_count && !wanted; s++)
        for (int m = 0; m < plan->method_count && !wanted; m++) {
            const Method *method = plan->methods[m];
            if (journal_is_finished(&x->journal, method->name, plan->seeds[s])) continue;
            for (int task = 0; task < plan->task_count && !wanted; task++)
                wanted =
                    strcmp(name, snapshot_name(&scratch, snapshot_owner(x, method, task), plan->seeds[s], task)) == 0;
        }
    arena_free(&scratch);
    return wanted;
}

/* Whether a name is one of snapshot_name, or of a temporary file for one. */
static bool snapshot_is_ours(const char *name)
{
    return strstr(name, "-seed") && strstr(name, "-task") && strstr(name, ".safetensors.zst");
}

/* Removes what no unfinished method wants (or all), temporary files included, and the folder when nothing is left. */
static void snapshot_tidy(const Experiment *x, bool all)
{
    Arena arena = {0};
    const char *path = x->snapshots.path;
    SysError ignored;
    SysFolder *folder = sys_folder_open(path, &ignored);
    for (const char *name; (name = sys_folder_next(folder));)
        if (snapshot_is_ours(name) && (all || !snapshot_is_wanted(x, name)))
            sys_remove(arena_printf(&arena, "%s/%s", path, name));
    sys_folder_close(folder);
    arena_free(&arena);
    sys_folder_remove(path);
}

/* ---- what train_task asks and reports ---- */

static bool snapshot_due(void *context, bool ended)
{
    const MethodRun *m = context;
    const SnapshotFolder *folder = &m->x->snapshots;
    const Snapshots *c = &m->snapshots;
    const uint32_t spacing = m->x->plan->snapshot_seconds;
    const double since = clock_seconds() - folder->last, least = ended ? 0 : spacing;
    if (spacing == 0 || (ended && c->stored)) return true; /* what has ended takes less room */
    return since >= least && since >= SNAPSHOT_SPACING * folder->byte_cost * (double)c->bytes[ended];
}

static void snapshot_written(void *context, bool ended, double seconds)
{
    MethodRun *m = context;
    SnapshotFolder *folder = &m->x->snapshots;
    Snapshots *c = &m->snapshots;
    if (c->bytes[ended] >= SNAPSHOT_LARGE_BYTES) folder->byte_cost = seconds / (double)c->bytes[ended];
    c->stored = true;
    c->spent += seconds;
    folder->last = clock_seconds();
}

static json_t *snapshot_recorded(void *context)
{
    const MethodRun *m = context;
    return json_incref(m->recording);
}

static bool snapshot_replay(void *context, const json_t *recorded, uint32_t step, Err *err)
{
    MethodRun *m = context;
    Snapshots *c = &m->snapshots;
    size_t i;
    const json_t *line;
    c->went_on = c->stored = true;
    c->step = step;
    json_array_foreach(recorded, i, line)
    {
        json_t *event = recorded_event(line);
        const bool eval = strcmp(json_string_value(json_object_get(event, "event")), "eval") == 0;
        const double loss = json_number_value(json_object_get(event, "loss"));
        if (c->owner == m->method) c->seconds += json_number_value(json_object_get(event, "seconds"));
        /* an epoch that was better than those to come; its predictions are not known any more */
        if (eval && json_integer_value(json_object_get(event, "task")) == m->task + 1 && loss < m->lowest)
            m->lowest = loss;
        json_decref(event);
    }
    return emit_again(m, recorded, err);
}

/* Said once, where something new begins. */
static void snapshot_say(MethodRun *m)
{
    Snapshots *c = &m->snapshots;
    if (c->went_on && !m->x->plan->quiet)
        fprintf(stderr, "goes on: %s, task %d, step %u of %u\n", m->method->name, m->task + 1, c->step, c->steps);
    c->went_on = false;
}

/* Has a training of the current method kept in its file. */
static bool snapshot_attach(MethodRun *m, Training *t, Err *err)
{
    const SnapshotFolder *folder = &m->x->snapshots;
    Snapshots *c = &m->snapshots;
    if (!folder->path) return true;
    c->owner = snapshot_owner(m->x, m->method, m->task);
    c->stored = false;
    c->step = 0;
    c->steps = train_total_steps(t);
    c->bytes[false] = train_store_bytes(t, false);
    c->bytes[true] = train_store_bytes(t, true);
    const char *name = snapshot_name(&m->arena, c->owner, m->seed, m->task);
    c->store = (TrainStore){.path = arena_printf(&m->arena, "%s/%s", folder->path, name),
                            .identity = arena_printf(&m->arena, "%s %s", folder->identity, name),
                            .context = m,
                            .due = snapshot_due,
                            .written = snapshot_written,
                            .recorded = snapshot_recorded,
                            .replay = snapshot_replay};
    t->store = &c->store;
    return folder_make(folder->path, err);
}

/* The run begins, or goes on. */
static void snapshot_begin(Experiment *x, const json_t *config)
{
    SnapshotFolder *c = &x->snapshots;
    Arena scratch = {0};
    char *identity = json_dumps(json_object_get(config, "identity"), JSON_COMPACT | JSON_SORT_KEYS);
    sha256_hex(str(arena_printf(&scratch, "%s %s %s", LETHE_VERSION, x->device.engine, identity)), c->identity);
    free(identity);
    arena_free(&scratch);
    c->path = arena_printf(&x->arena, "%s/snapshots", x->plan->out);
    c->last = clock_seconds();
    snapshot_tidy(x, x->plan->force);
}

/* ---- the room they take ---- */

/* Floats that hooks keep of a training, at most: strategies of all methods may look on. */
static size_t snapshot_kept_floats(const Experiment *x, const Training *t)
{
    size_t arrays = 0;
    for (int m = 0; m < x->plan->method_count; m++)
        for (int p = 0; p < x->plan->methods[m]->component_count; p++)
            arrays += (size_t)x->plan->methods[m]->component[p]->kept;
    return arrays * (t->train_encoder ? t->model->encoder.floats : t->lora ? t->lora->layout.floats : 0);
}

/* Bytes of snapshots, at most, while a method runs: of its trainings and of those that later ones share. */
static uint64_t snapshot_method_bytes(const Experiment *x, int at)
{
    const Plan *plan = x->plan;
    uint64_t bytes = 0, working = 0;
    for (int task = 0; task < plan->task_count; task++)
        for (int o = 0; o <= at; o++) {
            bool wanted = false;
            for (int m = at; m < plan->method_count; m++)
                wanted = wanted || snapshot_owner(x, plan->methods[m], task) == plan->methods[o];
            if (!wanted) continue;
            const Training t = training_of(x, plan->methods[o], 0, task);
            const uint64_t ended = train_store_bytes(&t, true), more = train_store_bytes(&t, false) - ended;
            bytes += ended + snapshot_kept_floats(x, &t) * sizeof(float);
            if (o == at && more > working) working = more;
        }
    return bytes + working;
}

static uint64_t snapshot_bytes(const Experiment *x)
{
    uint64_t most = 0;
    for (int m = 0; m < x->plan->method_count; m++) {
        const uint64_t bytes = snapshot_method_bytes(x, m);
        if (bytes > most) most = bytes;
    }
    return most;
}
