#include "model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* LoRA adapters as PEFT (0.21) saves them: adapter_config.json and adapter_model.safetensors. */

static const char *const peft_targets[] = {"query", "key", "value"}; /* bit t of Lora.targets */
#define PEFT_STEM "base_model.model."

/* Present and neither null, false nor empty. */
static bool peft_is_set(const json_t *value)
{
    if (!value || json_is_null(value) || json_is_false(value)) return false;
    if (json_is_array(value)) return json_array_size(value) > 0;
    return !json_is_object(value) || json_object_size(value) > 0;
}

/* Whatever changes what an adapter computes, and lethe does not compute: refused by name. Switches of future versions
 * begin with "use_". */
static bool peft_is_plain(const json_t *o, const char *what, Err *err)
{
    static const char *const foreign[] = {"rank_pattern",
                                          "alpha_pattern",
                                          "layers_to_transform",
                                          "layer_replication",
                                          "exclude_modules",
                                          "fan_in_fan_out",
                                          "lora_bias",
                                          "megatron_config",
                                          "target_parameters",
                                          "trainable_token_indices",
                                          "alora_invocation_tokens"};
    for (size_t i = 0; i < COUNT(foreign); i++)
        if (peft_is_set(json_object_get(o, foreign[i])))
            return fail(err, "%s: \"%s\" is set, which lethe's adapters do not have", what, foreign[i]);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)o, key, value)
    {
        if (strncmp(key, "use_", 4) == 0 && strcmp(key, "use_rslora") != 0 && peft_is_set(value))
            return fail(err, "%s: \"%s\" is set, which lethe's adapters do not have", what, str_show(str(key)));
    }
    const json_t *bias = json_object_get(o, "bias");
    const char *trained = json_string_value(bias);
    return !bias || (trained && strcmp(trained, "none") == 0) ||
           fail(err, "%s: \"bias\" is not \"none\": lethe's adapters leave biases as they are", what);
}

static bool peft_read_targets(const json_t *list, const char *what, Lora *lora, Err *err)
{
    size_t i;
    json_t *item;
    lora->targets = 0;
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(item);
        size_t t = 0;
        while (name && t < COUNT(peft_targets) && strcmp(peft_targets[t], name) != 0) t++;
        if (!name || t == COUNT(peft_targets))
            return fail(err, "%s: target_modules holds \"%s\"; lethe's adapters sit on query, key and value only", what,
                        name ? str_show(str(name)) : "");
        lora->targets |= 1u << t;
    }
    return lora->targets ||
           fail(err, "%s: \"target_modules\" is not a list of some of \"query\", \"key\" and \"value\"", what);
}

static bool peft_read(const json_t *o, const char *what, Lora *lora, Err *err)
{
    const char *type = json_string_value(json_object_get(o, "peft_type"));
    int64_t r = 0;
    double alpha = 0, drop = 0;
    if (!type || strcmp(type, "LORA") != 0)
        return fail(err, "%s: peft_type \"%s\" is not supported; only \"LORA\" is", what,
                    type ? str_show(str(type)) : "");
    if (!peft_is_plain(o, what, err) || !json_get_int(o, what, "r", 1, 1024, &r, err) ||
        !json_get_double(o, what, "lora_alpha", 1e-6, 1e6, &alpha, err) ||
        (json_object_get(o, "lora_dropout") && !json_get_double(o, what, "lora_dropout", 0, 0.999, &drop, err)))
        return false;
    /* rsLoRA scales by alpha / sqrt(r) (Kalajdzievski 2023, arXiv:2312.03732), lethe by alpha / r. */
    if (json_is_true(json_object_get(o, "use_rslora"))) alpha *= sqrt((double)r);
    *lora = (Lora){.r = (uint32_t)r, .alpha = (float)alpha, .drop = (float)drop};
    return peft_read_targets(json_object_get(o, "target_modules"), what, lora, err);
}

bool peft_config_parse(Str json, const char *what, Lora *lora, Err *err)
{
    json_t *object = NULL;
    if (!json_parse_object(json, what, &object, err)) return false;
    const bool ok = peft_read(object, what, lora, err);
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

json_t *peft_config(const Lora *lora, const char *base)
{
    json_t *targets = json_array();
    for (size_t t = 0; t < COUNT(peft_targets); t++)
        if (lora->targets >> t & 1) json_array_append_new(targets, json_string(peft_targets[t]));
    return json_pack("{s:s, s:s, s:s?, s:b, s:I, s:f, s:f, s:s, s:o, s:[s]}", "peft_type", "LORA", "task_type",
                     "SEQ_CLS", "base_model_name_or_path", base, "inference_mode", 1, "r", (json_int_t)lora->r,
                     "lora_alpha", peft_decimal(lora->alpha), "lora_dropout", peft_decimal(lora->drop), "bias", "none",
                     "target_modules", targets, "modules_to_save", "classifier");
}

uint32_t peft_classes(const Safetensors *file, Family family)
{
    const Tensor *out = safetensors_find(file, family == FAMILY_BERT ? PEFT_STEM "classifier.weight"
                                                                     : PEFT_STEM "classifier.out_proj.weight");
    return out && out->rank == 2 && out->shape[0] <= UINT32_MAX ? (uint32_t)out->shape[0] : 0;
}

/* How many of a layout's tensors a file holds. */
static size_t peft_count(const Layout *layout, const Safetensors *file)
{
    size_t count = 0;
    char found[256];
    for (int i = 0; i < layout->count; i++)
        count += checkpoint_find(file, PEFT_STEM, layout->views[i].name, found) != NULL;
    return count;
}

static const char *peft_unknown(const Lora *lora, const Head *head, const Safetensors *file)
{
    const Layout *const layouts[] = {&lora->layout, &head->layout};
    char found[256];
    for (size_t t = 0; t < file->count; t++) {
        bool known = false;
        for (size_t l = 0; l < COUNT(layouts) && !known; l++)
            for (int i = 0; i < layouts[l]->count && !known; i++)
                known = checkpoint_find(file, PEFT_STEM, layouts[l]->views[i].name, found) == &file->tensors[t];
        if (!known) return file->tensors[t].name;
    }
    return NULL;
}

bool peft_load(const Lora *lora, const Head *head, const Safetensors *file, float *adapter, float *head_w,
               bool *has_head, Err *err)
{
    const size_t of_head = peft_count(&head->layout, file);
    *has_head = of_head > 0;
    if (!layout_load(&lora->layout, file, PEFT_STEM, adapter, err) ||
        (of_head && !layout_load(&head->layout, file, PEFT_STEM, head_w, err)))
        return false;
    if ((size_t)lora->layout.count + of_head == file->count) return true;
    return fail(err, "%s: tensor \"%s\" is of no use to lethe, whose adapters sit on query, key and value only",
                file->path, str_show(str(peft_unknown(lora, head, file))));
}

bool peft_write(const char *path, Family family, const Lora *lora, const Head *head, float *adapter, float *head_w,
                Err *err)
{
    Arena arena = {0};
    const size_t count = (size_t)lora->layout.count, all = count + (size_t)head->layout.count;
    Tensor *tensors = arena_new(&arena, Tensor, all);
    const char *stem = arena_printf(&arena, PEFT_STEM "%s.", family_name(family));
    layout_tensors(&arena, &lora->layout, stem, adapter, tensors);
    layout_tensors(&arena, &head->layout, PEFT_STEM, head_w, tensors + count);
    const bool ok = safetensors_write(path, tensors, all, err);
    arena_free(&arena);
    return ok;
}
