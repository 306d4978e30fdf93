#include "saved.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

/* config.json and the tokenizer of c->folder. */
static bool classifier_read_folder(Arena *arena, Classifier *c, Err *err)
{
    ModelConfig config;
    Str text;
    const char *path = arena_printf(arena, "%s/config.json", c->folder);
    if (!folder_need("model", c->folder, err) || !file_read(arena, path, CONFIG_LIMIT_BYTES, &text, err) ||
        !model_config_parse(text, path, &config, err) || !json_parse_object(text, path, &c->config, err) ||
        !tokenizer_load(arena, c->folder, &c->tokenizer, err) ||
        !source_fit_tokenizer(c->tokenizer, &config, c->folder, err))
        return false;
    model_layout(arena, &config, &c->model);
    return true;
}

/* Room for the head's and the adapter's weights. */
static void classifier_layouts(Arena *arena, Classifier *c)
{
    head_layout(arena, &c->model.config, c->labels.classes, &c->head);
    c->head_w = arena_new(&c->weights, float, c->head.layout.floats);
    if (!c->adapted) return;
    lora_layout(arena, &c->model.config, &c->lora);
    c->adapter = arena_new(&c->weights, float, c->lora.layout.floats);
}

static bool classifier_read_encoder(Classifier *c, const Safetensors *file, uint32_t seed, bool *fresh_pooler, Err *err)
{
    c->encoder = arena_new(&c->weights, float, c->model.encoder.floats);
    return model_load_encoder(&c->model, file, seed, c->encoder, fresh_pooler, err);
}

/* Opens adapter_model.safetensors, and reads adapter_config.json by it. */
static bool classifier_read_lora(Arena *arena, Classifier *c, const char *folder, Safetensors *file, Err *err)
{
    Str text;
    const char *path = arena_printf(arena, "%s/adapter_config.json", folder);
    const char *weights = arena_printf(arena, "%s/adapter_model.safetensors", folder);
    c->adapted = true;
    if (!file_read(arena, path, CONFIG_LIMIT_BYTES, &text, err)) return false;
    if (!file_exists(weights) && file_exists(arena_printf(arena, "%s/adapter_model.bin", folder)))
        return fail(err,
                    "%s: the weights are in adapter_model.bin, which lethe does not read; in Python, "
                    "model.save_pretrained(FOLDER) of PEFT writes adapter_model.safetensors",
                    folder);
    return safetensors_open(arena, weights, file, err) &&
           peft_config_parse(text, path, c->model.config.family, file, &c->lora, err);
}

/* The encoder that the run began with: the very same weights, or none. */
static bool classifier_read_pretrained(Classifier *c, const ModelSource *source, const KeptModel *kept, Err *err)
{
    char sha256[65];
    bool fresh_pooler = false;
    Arena scratch = {0};
    Safetensors file = {0};
    bool ok = source_sha256(source, sha256, err);
    if (ok && strcmp(sha256, kept->sha256) != 0)
        ok = source->folder ? fail(err, "%s: not the model that the run began with: its weights have changed since",
                                   source->folder)
                            : fail(err, "the run began with another built-in encoder than this program's");
    ok = ok && source_weights(&scratch, source, &file, err) &&
         classifier_read_encoder(c, &file, kept->seed, &fresh_pooler, err);
    if (ok && !fresh_pooler) c->base = source->folder;
    safetensors_close(&file);
    arena_free(&scratch);
    return ok;
}

static bool classifier_of_run(Arena *arena, const ClassifierSource *source, Classifier *c, Err *err)
{
    KeptModel kept;
    Str text;
    bool has_head = true;
    Safetensors file = {0};
    const char *method = kept_find(arena, source, err);
    if (!method) return false;
    const char *path = arena_printf(arena, "%s/model.json", method);
    if (!file_read(arena, path, CONFIG_LIMIT_BYTES, &text, err) ||
        !kept_parse(arena, text, path, source->task, &kept, err))
        return false;
    if (source->seed >= 0 && source->seed != kept.seed)
        return fail(err, "%s is of seed %u, not of %lld", method, kept.seed, (long long)source->seed);
    c->folder = arena_printf(arena, "%s/models/encoder", source->run);
    c->labels = kept.labels;
    c->pairs = kept.pairs;
    c->max_length = kept.max_length;
    const char *task = arena_printf(arena, "%s/%s", method, source->task);
    if (!classifier_read_folder(arena, c, err)) return false;
    bool ok = !file_exists(arena_printf(arena, "%s/adapter_config.json", task)) ||
              classifier_read_lora(arena, c, task, &file, err);
    if (ok) classifier_layouts(arena, c);
    if (ok && c->adapted)
        ok = peft_load(c->model.config.family, &c->lora, &c->head, &file, false, c->adapter, c->head_w, &has_head, err);
    else if (ok)
        ok = safetensors_open(arena, arena_printf(arena, "%s/head.safetensors", task), &file, err) &&
             layout_load(&c->head.layout, &file, "", c->head_w, err);
    if (ok && !has_head) ok = fail(err, "%s: the head is missing", file.path);
    safetensors_close(&file);
    if (!ok || source->without_encoder) return ok;
    if (kept.own_encoder) {
        c->encoder = arena_new(&c->weights, float, c->model.encoder.floats);
        ok = safetensors_open(arena, arena_printf(arena, "%s/encoder.safetensors", method), &file, err) &&
             layout_load(&c->model.encoder, &file, "", c->encoder, err);
        safetensors_close(&file);
        return ok;
    }
    ModelSource pretrained = source->embedded;
    if (kept.pretrained) pretrained.folder = source->model ? source->model : kept.pretrained;
    if (kept.pretrained && !source->model && sys_kind(kept.pretrained) != SYS_FOLDER)
        return fail(err, "%s: the model that this run began with is not there: say with --model where it lies now",
                    kept.pretrained);
    return classifier_read_pretrained(c, &pretrained, &kept, err);
}

/* The classes: named in the adapter's labels.json or in the base's config.json; of an adapter with a head of another
 * number of classes than its base's, unnamed. */
static bool classifier_read_labels(Arena *arena, Classifier *c, const char *adapter, const Safetensors *adapter_file,
                                   Err *err)
{
    Str text;
    const char *path = arena_printf(arena, "%s/labels.json", adapter ? adapter : c->folder);
    const bool own = adapter && file_exists(path);
    if (!own) path = arena_printf(arena, "%s/config.json", c->folder);
    if (!file_read(arena, path, CONFIG_LIMIT_BYTES, &text, err) || !labels_parse(arena, text, path, &c->labels, err))
        return false;
    const uint32_t classes = peft_classes(adapter_file, c->model.config.family);
    if (own || !classes || classes == c->labels.classes) return true;
    if (classes < 2 || classes > TASK_MAX_CLASSES)
        return fail(err, "%s: a head of %u classes; 2 to %d are possible", adapter_file->path, classes,
                    TASK_MAX_CLASSES);
    c->labels = labels_unnamed(arena, classes);
    return true;
}

/* The base of an adapter, or a classifier by itself: the encoder, and the head when the adapter has none. */
static bool classifier_read_base(Arena *arena, Classifier *c, bool has_head, Err *err)
{
    Safetensors file = {0};
    bool fresh_pooler = false;
    bool ok = source_weights(arena, &(ModelSource){.folder = c->folder}, &file, err) &&
              classifier_read_encoder(c, &file, 0, &fresh_pooler, err);
    if (ok && fresh_pooler)
        ok = fail(err, "%s: the pooler's weights are missing, without which nothing can be predicted", file.path);
    if (ok && !has_head && !safetensors_find(&file, c->head.layout.views[0].name))
        ok = fail(err, "%s: no classification head (\"%s\") in it: a fine-tuned model is needed, or --adapter",
                  file.path, c->head.layout.views[0].name);
    ok = ok && (has_head || layout_load(&c->head.layout, &file, "", c->head_w, err));
    safetensors_close(&file);
    return ok;
}

/* Of a family whose encoders come with the head's dense layer and LayerNorm: *begun, whether the base has them, and the
 * head then, too. */
static bool classifier_begin_head(Arena *arena, Classifier *c, bool *begun, Err *err)
{
    Safetensors file = {0};
    if (!c->model.config.family->head.norm) return true;
    if (!source_weights(arena, &(ModelSource){.folder = c->folder}, &file, err)) return false;
    *begun = true;
    for (int i = 0; i < c->head.layout.count; i++) {
        const View *view = &c->head.layout.views[i];
        *begun = *begun && (head_view_is_last(c->model.config.family, view) || safetensors_find(&file, view->name));
    }
    (void)model_load_head(&c->model, &c->head, &file, c->head_w);
    safetensors_close(&file);
    return true;
}

static bool classifier_of_folders(Arena *arena, const ClassifierSource *source, Classifier *c, Err *err)
{
    const char *adapter = source->adapter;
    Safetensors file = {0};
    bool has_head = false;
    c->folder = c->base = source->model ? source->model : arena_printf(arena, "%s/base", adapter);
    if (!source->model && !file_exists(c->folder))
        return fail_usage(err, "%s holds no base/: name the model folder that the adapter belongs to with --model",
                          adapter);
    if (!classifier_read_folder(arena, c, err) || !tokenizer_max_length(c->folder, &c->max_length, err)) return false;
    if (!adapter) {
        if (!classifier_read_labels(arena, c, NULL, &file, err)) return false;
        classifier_layouts(arena, c);
        return classifier_read_base(arena, c, false, err);
    }
    uint32_t own_length = 0;
    bool ok = classifier_read_lora(arena, c, adapter, &file, err) && tokenizer_max_length(adapter, &own_length, err) &&
              classifier_read_labels(arena, c, adapter, &file, err);
    if (own_length) c->max_length = own_length;
    if (ok) classifier_layouts(arena, c);
    bool begun = false;
    ok = ok && classifier_begin_head(arena, c, &begun, err) &&
         peft_load(c->model.config.family, &c->lora, &c->head, &file, begun, c->adapter, c->head_w, &has_head, err);
    safetensors_close(&file);
    return ok && classifier_read_base(arena, c, has_head, err);
}

bool classifier_open(Arena *arena, const ClassifierSource *source, Classifier *c, Err *err)
{
    *c = (Classifier){0};
    if (!(source->run ? classifier_of_run(arena, source, c, err) : classifier_of_folders(arena, source, c, err)))
        return false;
    const uint32_t most = source_most_tokens(&c->model.config), least = tokenizer_least_length(c->tokenizer);
    if (!c->max_length || c->max_length > most) c->max_length = most;
    return c->max_length >= least ||
           fail(err, "%s: rows of %u tokens are too short for the %u special ones", c->folder, c->max_length, least);
}

void classifier_close(Classifier *c)
{
    json_decref(c->config);
    c->config = NULL;
    arena_free(&c->weights);
}

/* ---- writing ---- */

static bool export_tokenizer(const Classifier *c, const char *folder, Err *err)
{
    return folder_make(folder, err) && tokenizer_files_copy(c->folder, folder, err) &&
           tokenizer_config_write(folder, c->tokenizer, c->max_length, err);
}

static bool export_json(const char *path, json_t *value, Err *err)
{
    const bool ok = json_write(path, value, err);
    json_decref(value);
    return ok;
}

/* A model folder with or without the head. */
static bool export_pretrained(Arena *arena, const Classifier *c, const char *folder, bool head, Err *err)
{
    const Family *family = c->model.config.family;
    const size_t count = (size_t)c->model.encoder.count, all = count + (size_t)c->head.layout.count;
    Tensor *tensors = arena_new(arena, Tensor, all);
    layout_tensors(arena, &c->model.encoder, family->prefix, c->encoder, tensors);
    layout_tensors(arena, &c->head.layout, "", c->head_w, tensors + count);
    return export_tokenizer(c, folder, err) &&
           export_json(arena_printf(arena, "%s/config.json", folder), labels_config(c->config, family, &c->labels),
                       err) &&
           safetensors_write(arena_printf(arena, "%s/model.safetensors", folder), tensors, head ? all : count, err);
}

/* target: where the folder will lie in the end. No config.json beside the adapter: transformers would then look for the
 * whole model there. */
static bool export_adapter(Arena *arena, const Classifier *c, const char *folder, const char *target, Err *err)
{
    char path[SYS_PATH_BYTES];
    const bool known =
        (c->base && !sys_path_real(c->base, path)) || !sys_path_whole(arena_printf(arena, "%s/base", target), path);
    const char *name = known ? path : NULL;
    return export_tokenizer(c, folder, err) &&
           export_json(arena_printf(arena, "%s/labels.json", folder), labels_json(&c->labels), err) &&
           export_json(arena_printf(arena, "%s/adapter_config.json", folder),
                       peft_config(c->model.config.family, &c->lora, name), err) &&
           peft_write(arena_printf(arena, "%s/adapter_model.safetensors", folder), c->model.config.family, &c->lora,
                      &c->head, c->adapter, c->head_w, err) &&
           (c->base || export_pretrained(arena, c, arena_printf(arena, "%s/base", folder), false, err));
}

static bool export_target_is_free(const char *folder, Err *err)
{
    SysError error;
    SysFolder *there = sys_folder_open(folder, &error);
    if (!there && error == sys_missing) return true;
    const bool is_empty = there && !sys_folder_next(there);
    sys_folder_close(there);
    if (!there && sys_kind(folder) == SYS_NOTHING) return fail(err, "%s: %s", folder, sys_error_text(error));
    return is_empty || fail(err, "%s: lies there already; an empty or a new folder is needed", folder);
}

/* The folder in which an export is made, while it is: running out of memory ends the program. */
static const char *export_draft;
static void export_drop(void)
{
    if (export_draft) kept_remove(export_draft);
    export_draft = NULL;
}

bool classifier_export(const Classifier *c, const char *folder, Err *err)
{
    Arena arena = {0};
    size_t size = strlen(folder);
    while (size > 1 && sys_is_separator(folder[size - 1])) size--;
    const char *target = arena_copy(&arena, folder, size);
    const char *temporary = arena_printf(&arena, "%s.%u.tmp", target, sys_process_id());
    bool ok = export_target_is_free(target, err);
    if (ok) {
        export_draft = temporary;
        (void)atexit(export_drop);
        ok = c->adapted ? export_adapter(&arena, c, temporary, target, err)
                        : export_pretrained(&arena, c, temporary, true, err);
        const SysError error = ok ? sys_folder_move(temporary, target) : 0;
        if (error) ok = fail(err, "%s: cannot be made: %s", target, sys_error_text(error));
        if (ok) export_draft = NULL;
        export_drop();
    }
    arena_free(&arena);
    return ok;
}
