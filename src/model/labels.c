#include "model.h"

#include <string.h>

/* The classes of a classifier: "id2label" of Hugging Face's config.json. */

bool labels_distinct(const Labels *labels, const char *what, Err *err)
{
    json_t *seen = json_object();
    bool ok = true;
    for (uint32_t c = 0; c < labels->classes && ok; c++) {
        if (json_object_get(seen, labels->names[c]))
            ok = fail(err, "%s: two classes have the name \"%s\"", what, str_show(str(labels->names[c])));
        json_object_set_new(seen, labels->names[c], json_true());
    }
    json_decref(seen);
    return ok;
}

Labels labels_unnamed(Arena *arena, uint32_t classes)
{
    const char **names = arena_new(arena, const char *, classes);
    for (uint32_t c = 0; c < classes; c++) names[c] = arena_printf(arena, "LABEL_%u", c);
    return (Labels){classes, names};
}

static bool labels_names(Arena *arena, const json_t *id2label, const char *what, uint32_t classes, Labels *out,
                         Err *err)
{
    const char **names = arena_new(arena, const char *, classes);
    *out = (Labels){classes, names};
    for (uint32_t c = 0; c < classes; c++) {
        char key[16];
        snprintf(key, sizeof key, "%u", c);
        const json_t *name = json_object_get(id2label, key);
        if (json_is_integer(name)) /* transformers takes them as they are */
            names[c] = arena_printf(arena, "%lld", (long long)json_integer_value(name));
        else if (json_is_string(name))
            names[c] = arena_copy(arena, json_string_value(name), json_string_length(name));
        else
            return fail(err, "%s: \"id2label\" has no name for class %u of %u", what, c, classes);
    }
    return labels_distinct(out, what, err);
}

static bool labels_read(Arena *arena, const json_t *o, const char *what, Labels *out, Err *err)
{
    const json_t *problem = json_object_get(o, "problem_type"), *id2label = json_object_get(o, "id2label");
    const char *type = json_string_value(problem);
    int64_t classes = 2;
    if (problem && !json_is_null(problem) && (!type || strcmp(type, "single_label_classification") != 0))
        return fail(err, "%s: problem_type \"%s\" is not supported; only \"single_label_classification\" is", what,
                    type ? str_show(str(type)) : "");
    if (json_is_null(id2label)) id2label = NULL;
    if (id2label && !json_is_object(id2label)) return fail(err, "%s: \"id2label\" is not an object", what);
    if (id2label)
        classes = (int64_t)json_object_size(id2label);
    else if (json_object_get(o, "num_labels") &&
             !json_get_int(o, what, "num_labels", 0, TASK_MAX_CLASSES, &classes, err))
        return false;
    if (classes < 2 || classes > TASK_MAX_CLASSES)
        return fail(err, "%s: a classifier of %lld classes; 2 to %d are possible", what, (long long)classes,
                    TASK_MAX_CLASSES);
    if (id2label) return labels_names(arena, id2label, what, (uint32_t)classes, out, err);
    *out = labels_unnamed(arena, (uint32_t)classes);
    return true;
}

bool labels_parse(Arena *arena, Str json, const char *what, Labels *out, Err *err)
{
    json_t *object = NULL;
    *out = (Labels){0};
    if (!json_parse_object(json, what, &object, err)) return false;
    const bool ok = labels_read(arena, object, what, out, err);
    json_decref(object);
    return ok;
}

json_t *labels_json(const Labels *labels)
{
    json_t *id2label = json_object();
    for (uint32_t c = 0; c < labels->classes; c++) {
        char key[16];
        snprintf(key, sizeof key, "%u", c);
        json_object_set_new(id2label, key, json_string(labels->names[c]));
    }
    return json_pack("{s:o}", "id2label", id2label);
}

json_t *labels_config(const json_t *encoder, const Family *family, const Labels *labels)
{
    /* What was true of the encoder's own file, and is not of this one. */
    static const char *const stale[] = {"_name_or_path", "transformers_version", "num_labels", "dtype",
                                        "quantization_config"};
    json_t *config = json_deep_copy(encoder), *names = labels_json(labels), *label2id = json_object();
    for (size_t i = 0; i < COUNT(stale); i++) json_object_del(config, stale[i]);
    for (uint32_t c = 0; c < labels->classes; c++) json_object_set_new(label2id, labels->names[c], json_integer(c));
    json_object_set_new(config, "architectures", json_pack("[s]", family->classifier));
    json_object_set_new(config, "problem_type", json_string("single_label_classification"));
    json_object_set_new(config, "torch_dtype", json_string("float32")); /* the name that all versions understand */
    json_object_update(config, names);
    json_object_set_new(config, "label2id", label2id);
    json_decref(names);
    return config;
}
