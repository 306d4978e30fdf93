#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A training's state in a file: an archive of the arrays that change while it trains, with the rest of it among the
 * metadata. Everything else, begin makes again. A training that has ended keeps no more than what it leaves behind. */

static const char store_format[] = "lethe training 1";

/* What a file of this state holds, in order. */
static Piece *run_pieces(const Run *run, Arena *arena, bool ended, bool best, size_t *count)
{
    enum { OF_PARAMS = 5 };
    Piece *pieces = arena_new(arena, Piece, (size_t)run->params_count * OF_PARAMS + run->kept.count), *next = pieces;
    for (int i = 0; i < run->params_count; i++) {
        const Params *p = &run->params[i];
        const size_t floats = p->layout->floats;
        const struct {
            const char *name;
            void *at;
            size_t count;
            TensorType type;
            bool wanted;
        } arrays[OF_PARAMS] = {
            {"weights", p->w, floats, TENSOR_F32, true},
            {"first moments", p->m, floats, TENSOR_F32, !ended},
            {"second moments", p->v, floats, TENSOR_F32, !ended},
            {"stamps", p->stamp, p->layout->table_rows, TENSOR_U32, !ended && p->stamp != NULL},
            {"best weights", p->best, floats, TENSOR_F32, !ended && best},
        };
        for (size_t k = 0; k < OF_PARAMS; k++)
            if (arrays[k].wanted)
                *next++ = (Piece){arena_printf(arena, "%d: %s", i, arrays[k].name), arrays[k].type, arrays[k].count,
                                  arrays[k].at};
    }
    for (size_t i = 0; i < run->kept.count; i++) *next++ = run->kept.at[i];
    *count = (size_t)(next - pieces);
    return pieces;
}

typedef struct StoreMove {
    Device *device;
    const Piece *pieces;
    size_t count;
} StoreMove;

static const Piece *store_find(const StoreMove *move, const char *name)
{
    for (size_t i = 0; i < move->count; i++)
        if (strcmp(move->pieces[i].name, name) == 0) return &move->pieces[i];
    return NULL; /* what a hook kept that is not there now */
}

static void store_fill(void *context, const Tensor *tensor, uint64_t at, void *bytes, size_t size)
{
    const StoreMove *move = context;
    device_read(move->device, bytes, (char *)store_find(move, tensor->name)->at + at, size);
}

static void store_take(void *context, const Tensor *tensor, uint64_t at, void *bytes, size_t size)
{
    const StoreMove *move = context;
    const Piece *piece = store_find(move, tensor->name);
    if (piece) device_write(move->device, (char *)piece->at + at, bytes, size);
}

static json_t *store_progress(const Run *run)
{
    json_t *updates = json_array();
    for (int i = 0; i < run->params_count; i++) json_array_append_new(updates, json_integer(run->params[i].updates));
    json_t *progress = json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:o, s:o}", "step", (json_int_t)run->state.step,
                                 "epoch", (json_int_t)run->epoch, "looked", (json_int_t)run->looked, "kept_epoch",
                                 (json_int_t)run->kept_at.epoch, "kept_step", (json_int_t)run->kept_at.step,
                                 "best_is_kept", run->best_is_kept, "ended", run->ended, "updates", updates, "recorded",
                                 run->state.training->store->recorded(run->state.training->store->context));
    if (isfinite(run->lowest)) json_object_set_new(progress, "lowest", json_real(run->lowest));
    return progress;
}

/* Writes the training's state. All steps so far have been reported. */
static bool run_store_now(Run *run, Err *err)
{
    const TrainStore *store = run->state.training->store;
    const double begun = clock_seconds();
    Arena arena = {0};
    StoreMove move = {.device = run->state.device};
    move.pieces = run_pieces(run, &arena, run->ended, run->best_is_kept, &move.count);
    Tensor *tensors = arena_new(&arena, Tensor, move.count);
    for (size_t i = 0; i < move.count; i++)
        tensors[i] = (Tensor){.name = move.pieces[i].name,
                              .type = move.pieces[i].type,
                              .rank = 1,
                              .shape = {move.pieces[i].count},
                              .count = move.pieces[i].count};
    json_t *progress = store_progress(run);
    char *text = json_dumps(progress, JSON_COMPACT);
    json_t *metadata =
        json_pack("{s:s, s:s, s:s}", "format", store_format, "identity", store->identity, "progress", text);
    free(text);
    json_decref(progress);
    const bool ok = archive_write(store->path, metadata, tensors, move.count, store_fill, &move, err) &&
                    device_ok(move.device, err);
    arena_free(&arena);
    if (ok) store->written(store->context, run->ended, clock_seconds() - begun);
    return ok;
}

static bool run_store(Run *run, Err *err)
{
    const TrainStore *store = run->state.training->store;
    return !store || !store->due(store->context, run->ended) || run_store_now(run, err);
}

/* Ctrl-C: ends the training, which goes on from here. */
static bool run_interrupted(Run *run, Err *err)
{
    return run_flush(run, err) && (!run->state.training->store || run_store_now(run, err)) && fail_interrupted(err);
}

/* ---- going on ---- */

static bool store_get(const json_t *progress, const char *what, const char *key, uint32_t high, uint32_t *value,
                      Err *err)
{
    int64_t number = 0;
    const bool ok = json_get_int(progress, what, key, 0, high, &number, err);
    *value = (uint32_t)number;
    return ok;
}

static bool store_read_progress(Run *run, const json_t *progress, const char *what, Err *err)
{
    const Training *t = run->state.training;
    const json_t *updates = json_object_get(progress, "updates"), *recorded = json_object_get(progress, "recorded"),
                 *item;
    size_t i;
    if (!store_get(progress, what, "step", run->state.steps, &run->state.step, err) ||
        !store_get(progress, what, "epoch", t->hyper.epochs, &run->epoch, err) ||
        !store_get(progress, what, "looked", t->looks ? t->looks->count : 0, &run->looked, err) ||
        !store_get(progress, what, "kept_epoch", t->hyper.epochs, &run->kept_at.epoch, err) ||
        !store_get(progress, what, "kept_step", run->state.steps, &run->kept_at.step, err))
        return false;
    run->best_is_kept = json_is_true(json_object_get(progress, "best_is_kept")) && training_chooses(t);
    run->ended = json_is_true(json_object_get(progress, "ended"));
    if (json_object_get(progress, "lowest") &&
        !json_get_double(progress, what, "lowest", 0, INFINITY, &run->lowest, err))
        return false;
    bool ok = json_array_size(updates) == (size_t)run->params_count && json_is_array(recorded);
    json_array_foreach(updates, i, item)
    {
        if (!ok) break;
        ok = json_is_integer(item) && json_integer_value(item) >= 0 && json_integer_value(item) <= run->state.step;
        run->params[i].updates = (uint32_t)json_integer_value(item);
    }
    json_array_foreach(recorded, i, item)
    {
        json_t *event = json_loadb(json_string_value(item), json_string_length(item), 0, NULL);
        ok = ok && json_is_string(json_object_get(event, "event"));
        json_decref(event);
    }
    return ok || fail(err, "%s: its progress does not fit this training", what);
}

/* Whether the archive holds this training, and every piece of it in its size. */
static bool store_check(Run *run, Arena *arena, const Archive *archive, StoreMove *move, json_t **progress, Err *err)
{
    const char *what = run->state.training->store->path,
               *format = json_string_value(json_object_get(archive->metadata, "format")),
               *identity = json_string_value(json_object_get(archive->metadata, "identity")),
               *text = json_string_value(json_object_get(archive->metadata, "progress"));
    if (!format || strcmp(format, store_format) != 0 || !identity || !text ||
        strcmp(identity, run->state.training->store->identity) != 0)
        return fail(err, "%s: of another version, device or configuration", what);
    if (!json_parse_object(str(text), what, progress, err) || !store_read_progress(run, *progress, what, err))
        return false;
    move->pieces = run_pieces(run, arena, run->ended, run->best_is_kept, &move->count);
    for (size_t i = 0; i < move->count; i++) {
        const Piece *piece = &move->pieces[i];
        const Tensor *tensor = safetensors_find(&archive->file, piece->name);
        if (!tensor || tensor->type != piece->type || tensor->count != piece->count)
            return fail(err, "%s: \"%s\" is missing or has another size", what, piece->name);
    }
    return true;
}

static void run_begin_anew(Run *run)
{
    run->state.step = run->epoch = run->looked = 0;
    run->lowest = INFINITY;
    run->kept_at = (TrainKept){0};
    run->best_is_kept = run->ended = false;
    for (int i = 0; i < run->params_count; i++) run->params[i].updates = 0;
}

/* Goes on from the state that is stored, if there is one. */
static bool run_restore(Run *run, Err *err)
{
    const TrainStore *store = run->state.training->store;
    if (!store || !file_exists(store->path)) return true;
    Arena arena = {0};
    Archive archive = {0};
    Err why = {0};
    json_t *progress = NULL;
    StoreMove move = {.device = run->state.device};
    bool ok = true, usable = archive_open(&arena, store->path, &archive, &why) &&
                             store_check(run, &arena, &archive, &move, &progress, &why);
    if (usable) {
        ok = archive_read(&archive, store_take, &move, err) && device_ok(move.device, err) &&
             store->replay(store->context, json_object_get(progress, "recorded"), run->state.step, err);
    } else {
        fprintf(stderr, "%s; this training begins anew\n", why.text);
        run_begin_anew(run);
    }
    json_decref(progress);
    archive_close(&archive);
    arena_free(&arena);
    return ok;
}

uint64_t train_store_bytes(const Training *t, bool ended)
{
    uint64_t floats = train_trainable(t);
    for (uint32_t i = 0; i < t->task && training_goes_back(t); i++) floats += t->earlier[i].head->layout.floats;
    return floats * (ended ? 1 : training_chooses(t) ? 4 : 3) * sizeof(float);
}
