#include "model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* LoRA adapters as PEFT (0.21) saves them: adapter_config.json and adapter_model.safetensors. */

#define PEFT_STEM "base_model.model."

/* Whether PEFT puts an adapter on a module for this entry of target_modules: it is the module's name, or the end of it
 * after a dot. */
static bool peft_entry_matches(const char *entry, Str module)
{
    const size_t size = strlen(entry);
    if (!size || size > module.size || memcmp(module.at + module.size - size, entry, size) != 0) return false;
    return size == module.size || module.at[module.size - size - 1] == '.';
}

/* The module that a tensor of the file adapts ("bert.encoder.layer.0.attention.self.query"); empty: none. */
static Str peft_module(const Tensor *tensor)
{
    const char *end = strstr(tensor->name, ".lora_");
    if (!end || strncmp(tensor->name, PEFT_STEM, strlen(PEFT_STEM)) != 0) return (Str){0};
    return (Str){tensor->name + strlen(PEFT_STEM), (size_t)(end - tensor->name) - strlen(PEFT_STEM)};
}

/* Whether an entry names a linear layer of the head ("out_proj", "classifier.dense"): PEFT leaves it out where
 * modules_to_save names the head, as it must, and names it nonetheless. */
static bool peft_names_head(const Family *family, const char *entry)
{
    const FamilyHead *head = &family->head;
    return (head->dense && peft_entry_matches(entry, str(head->dense))) || peft_entry_matches(entry, str(head->out));
}

/* A list of names. A text is "all-linear" or a pattern: then the tensors alone decide. */
static bool peft_check_targets(const json_t *targets, const char *what, const Family *family, Lora *lora, Err *err)
{
    size_t i;
    json_t *item;
    char known[FAMILY_TEXT];
    json_array_foreach(targets, i, item)
    {
        const char *name = json_string_value(item);
        const uint32_t bits = name ? family_named(family, str(name)) : 0;
        lora->targets |= bits;
        if (!bits && !(name && peft_names_head(family, name)))
            return fail(err, "%s: target_modules holds \"%s\"; lethe's adapters sit on %s only", what,
                        name ? str_show(str(name)) : "", family_targets_text(family, known));
    }
    return json_array_size(targets) || json_string_length(targets) ||
           fail(err, "%s: \"target_modules\" is neither a list of names nor a text", what);
}

/* Whether each adapted module is one that the list names, and each that it names is adapted: PEFT leaves out the
 * tensors of any other. */
static bool peft_match_targets(const json_t *list, const char *what, const Family *family, const Safetensors *file,
                               uint32_t found, Err *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        if (family_named(family, str(json_string_value(item))) & ~found)
            return fail(err, "%s: target_modules names \"%s\", for which %s has no tensors", what,
                        str_show(str(json_string_value(item))), file->path);
    }
    for (size_t t = 0; t < file->count && json_is_array(list); t++) {
        const Str module = peft_module(&file->tensors[t]);
        bool named = !module.size;
        json_array_foreach(list, i, item) { named = named || peft_entry_matches(json_string_value(item), module); }
        if (!named)
            return fail(err, "%s: target_modules does not name \"%s\", for which %s has tensors", what,
                        str_show(module), file->path);
    }
    return true;
}

static bool peft_read_targets(const json_t *targets, const char *what, const Family *family, const Safetensors *file,
                              Lora *lora, Err *err)
{
    char known[FAMILY_TEXT];
    family_targets_text(family, known);
    lora->targets = 0;
    for (size_t i = 0; i < file->count; i++) {
        const Str module = peft_module(&file->tensors[i]);
        const uint32_t bits = family_named(family, module);
        if (module.size && !bits)
            return fail(err, "%s: an adapter sits on \"%s\"; lethe's adapters sit on %s only", file->path,
                        str_show(module), known);
        lora->targets |= bits;
    }
    if (!lora->targets) return fail(err, "%s: no adapter on %s in it", file->path, known);
    return peft_match_targets(targets, what, family, file, lora->targets, err);
}

/* Whether the file has tensors of each module that the config says is trained beside the adapter ("classifier"). PEFT
 * knows "score", the head of other families, from its own list. */
static bool peft_check_saved(const json_t *saved, const char *what, const Safetensors *file, Err *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(saved, i, item)
    {
        const char *name = json_string_value(item);
        bool found = name && strcmp(name, "score") == 0;
        if (!name) return fail(err, "%s: \"modules_to_save\" holds what is no text", what);
        for (size_t t = 0; t < file->count && !found; t++) {
            const char *at = strstr(file->tensors[t].name, name);
            found = at && at > file->tensors[t].name && at[-1] == '.' && at[strlen(name)] == '.';
        }
        if (!found)
            return fail(err, "%s: modules_to_save names \"%s\", for which %s has no tensors", what, str_show(str(name)),
                        file->path);
    }
    return true;
}

/* file: NULL when the targets are not wanted. */
static bool peft_read(const json_t *o, const char *what, const Family *family, const Safetensors *file, Lora *lora,
                      Err *err)
{
    const char *type = json_string_value(json_object_get(o, "peft_type"));
    int64_t r = 0;
    double alpha = 0, drop = 0;
    if (!type || strcmp(type, "LORA") != 0)
        return fail(err, "%s: peft_type \"%s\" is not supported; only \"LORA\" is", what,
                    type ? str_show(str(type)) : "");
    if (!keys_check(&adapter_keys, o, what, err) || !json_get_int(o, what, "r", 1, 1024, &r, err) ||
        !json_get_double(o, what, "lora_alpha", 1e-6, 1e6, &alpha, err) ||
        (json_object_get(o, "lora_dropout") && !json_get_double(o, what, "lora_dropout", 0, 0.999, &drop, err)))
        return false;
    /* rsLoRA scales by alpha / sqrt(r) (Kalajdzievski 2023, arXiv:2312.03732), lethe by alpha / r. */
    if (json_is_true(json_object_get(o, "use_rslora"))) alpha *= sqrt((double)r);
    *lora = (Lora){.r = (uint32_t)r, .alpha = (float)alpha, .drop = (float)drop};
    const json_t *targets = json_object_get(o, "target_modules");
    return peft_check_targets(targets, what, family, lora, err) &&
           (!file || (peft_read_targets(targets, what, family, file, lora, err) &&
                      peft_check_saved(json_object_get(o, "modules_to_save"), what, file, err)));
}

bool peft_config_parse(Str json, const char *what, const Family *family, const Safetensors *file, Lora *lora, Err *err)
{
    json_t *object = NULL;
    if (!json_parse_object(json, what, &object, err)) return false;
    const bool ok = peft_read(object, what, family, file, lora, err);
    json_decref(object);
    return ok;
}

/* The shortest decimal that reads as this float: 0.1, not 0.100000001. */
static double peft_decimal(float x)
{
    char text[32];
    for (int digits = 6; snprintf(text, sizeof text, "%.*g", digits, (double)x), strtof(text, NULL) != x; digits++)
        ;
    return strtod(text, NULL);
}

/* The names of the head's modules, as PEFT's modules_to_save has them: the outermost ones. */
static json_t *peft_head_modules(const FamilyHead *head)
{
    const char *const modules[] = {head->dense, head->out};
    json_t *names = json_array();
    for (size_t i = 0; i < COUNT(modules); i++) {
        if (!modules[i]) continue;
        json_t *name = json_stringn(modules[i], strcspn(modules[i], "."));
        if (json_equal(name, json_array_get(names, 0)))
            json_decref(name);
        else
            json_array_append_new(names, name);
    }
    return names;
}

/* The targets' names; when PEFT takes those for more than they are (BERT's output.dense alone), the modules' full ones.
 */
static json_t *peft_target_names(const Family *family, const Lora *lora)
{
    json_t *names = json_array(), *modules = json_array();
    uint32_t named = 0;
    for (int t = 0; t < LORA_TARGETS; t++) {
        if (!(lora->targets >> t & 1)) continue;
        named |= family_named(family, str(family_target(family, t)));
        json_array_append_new(names, json_string(family_target(family, t)));
    }
    for (int i = 0; i < lora->layout.count; i += 2) { /* A, B, A, B, ... */
        const char *name = lora->layout.views[i].name;
        json_array_append_new(modules,
                              json_sprintf("%s%.*s", family->prefix, (int)(strstr(name, ".lora_") - name), name));
    }
    const bool exact = named == lora->targets || !lora->layout.count;
    json_decref(exact ? modules : names);
    return exact ? names : modules;
}

json_t *peft_config(const Family *family, const Lora *lora, const char *base)
{
    json_t *targets = peft_target_names(family, lora);
    return json_pack("{s:s, s:s, s:s?, s:b, s:I, s:f, s:f, s:s, s:o, s:o}", "peft_type", "LORA", "task_type", "SEQ_CLS",
                     "base_model_name_or_path", base, "inference_mode", 1, "r", (json_int_t)lora->r, "lora_alpha",
                     peft_decimal(lora->alpha), "lora_dropout", peft_decimal(lora->drop), "bias", "none",
                     "target_modules", targets, "modules_to_save", peft_head_modules(&family->head));
}

uint32_t peft_classes(const Safetensors *file, const Family *family)
{
    char name[256];
    snprintf(name, sizeof name, PEFT_STEM "%s.weight", family->head.out);
    const Tensor *out = safetensors_find(file, name);
    return out && out->rank == 2 && out->shape[0] <= UINT32_MAX ? (uint32_t)out->shape[0] : 0;
}

/* How many of a layout's tensors a file holds. */
static size_t peft_count(const Layout *layout, const Safetensors *file)
{
    size_t count = 0;
    for (int i = 0; i < layout->count; i++) count += pretrained_find(file, PEFT_STEM, layout->views[i].name) != NULL;
    return count;
}

static const char *peft_unknown(const Lora *lora, const Head *head, const Safetensors *file)
{
    const Layout *const layouts[] = {&lora->layout, &head->layout};
    for (size_t t = 0; t < file->count; t++) {
        bool known = false;
        for (size_t l = 0; l < COUNT(layouts) && !known; l++)
            for (int i = 0; i < layouts[l]->count && !known; i++)
                known = pretrained_find(file, PEFT_STEM, layouts[l]->views[i].name) == &file->tensors[t];
        if (!known) return file->tensors[t].name;
    }
    return NULL;
}

bool peft_load(const Family *family, const Lora *lora, const Head *head, const Safetensors *file, bool begun,
               float *adapter, float *head_w, bool *has_head, Err *err)
{
    char known[FAMILY_TEXT];
    Layout wanted = head->layout; /* of the head: all, or its last layer's views */
    Arena scratch = {0};
    const size_t of_head = peft_count(&wanted, file);
    *has_head = of_head > 0;
    if (begun && of_head < (size_t)wanted.count) {
        wanted.views = arena_new(&scratch, View, (size_t)head->layout.count);
        wanted.count = 0;
        for (int i = 0; i < head->layout.count; i++)
            if (head_view_is_last(family, &head->layout.views[i])) wanted.views[wanted.count++] = head->layout.views[i];
        if (of_head != (size_t)wanted.count) wanted = head->layout;
    }
    const bool loaded = layout_load(&lora->layout, file, PEFT_STEM, adapter, err) &&
                        (!of_head || layout_load(&wanted, file, PEFT_STEM, head_w, err));
    arena_free(&scratch);
    if (!loaded) return false;
    if ((size_t)lora->layout.count + of_head == file->count) return true;
    return fail(err, "%s: tensor \"%s\" is of no use to lethe, whose adapters sit on %s only", file->path,
                str_show(str(peft_unknown(lora, head, file))), family_targets_text(family, known));
}

bool peft_write(const char *path, const Family *family, const Lora *lora, const Head *head, float *adapter,
                float *head_w, Err *err)
{
    Arena arena = {0};
    const size_t count = (size_t)lora->layout.count, all = count + (size_t)head->layout.count;
    Tensor *tensors = arena_new(&arena, Tensor, all);
    const char *stem = arena_printf(&arena, PEFT_STEM "%s", family->prefix);
    layout_tensors(&arena, &lora->layout, stem, adapter, tensors);
    layout_tensors(&arena, &head->layout, PEFT_STEM, head_w, tensors + count);
    const bool ok = safetensors_write(path, tensors, all, err);
    arena_free(&arena);
    return ok;
}
