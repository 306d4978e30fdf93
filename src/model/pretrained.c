#include "model.h"

#include <math.h>
#include <string.h>

enum { MODEL_MAX_DIMENSION = 1 << 24, MODEL_MAX_LAYERS = 1000 };

static bool config_dimension(const json_t *object, const char *what, const char *key, int64_t high, uint32_t *out,
                             Err *err)
{
    int64_t value = 0;
    if (!json_object_get(object, key))
        return fail(err, "%s: \"%s\" is missing; is this the config.json of an encoder?", what, key);
    if (!json_get_int(object, what, key, 1, high, &value, err)) return false;
    *out = (uint32_t)value;
    return true;
}

/* A probability that may be absent or null, or the family has none (key NULL): then *out keeps its value. */
static bool config_drop(const json_t *object, const char *what, const char *key, float *out, Err *err)
{
    double value = (double)*out;
    const json_t *entry = key ? json_object_get(object, key) : NULL;
    if (!entry || json_is_null(entry)) return true;
    if (!json_get_double(object, what, key, 0, 0.999, &value, err)) return false;
    *out = (float)value;
    return true;
}

/* Whether pos_att_type names both terms of disentangled attention, and no other: as a list, or "p2c|c2p". */
static bool config_terms(const json_t *value)
{
    const char *text = json_string_value(value), *first = json_string_value(json_array_get(value, 0)),
               *second = json_string_value(json_array_get(value, 1));
    if (text) return strcmp(text, "p2c|c2p") == 0 || strcmp(text, "c2p|p2c") == 0;
    return json_array_size(value) == 2 && first && second &&
           ((strcmp(first, "p2c") == 0 && strcmp(second, "c2p") == 0) ||
            (strcmp(first, "c2p") == 0 && strcmp(second, "p2c") == 0));
}

/* The table of relative positions, and how far it reaches. */
static bool config_relative(const json_t *o, const char *what, ModelConfig *c, Err *err)
{
    const FamilyRelative *relative = c->family->relative;
    int64_t buckets = relative->usual_buckets, reach = relative->usual_reach;
    if (relative->reach && json_object_get(o, relative->reach) &&
        !json_get_int(o, what, relative->reach, -1, 1 << 20, &reach, err))
        return false;
    if (reach < 1) reach = c->positions;
    if (relative->terms && !config_terms(json_object_get(o, relative->terms)))
        return fail(err, "%s: \"%s\" must name both \"p2c\" and \"c2p\"", what, relative->terms);
    if (relative->buckets) {
        if (!json_get_int(o, what, relative->buckets, 2, 1 << 20, &buckets, err)) return false;
        if (buckets / 2 + 1 >= reach)
            return fail(err, "%s: \"%s\" %lld is too large for a reach of %lld positions", what, relative->buckets,
                        (long long)buckets, (long long)reach);
        buckets *= 2; /* on either side */
    }
    c->buckets = (uint32_t)buckets;
    c->reach = (uint32_t)reach;
    return true;
}

/* Layers 0, n, 2n, ... of a list of kinds are of kind[0] and no others: *every = n. */
static bool config_kinds(const json_t *list, const char *what, const FamilyRotary *key, uint32_t layers,
                         uint32_t *every, Err *err)
{
    size_t i;
    json_t *item;
    if (json_array_size(list) != layers)
        return fail(err, "%s: \"%s\" has %zu entries, but there are %u layers", what, key->kinds, json_array_size(list),
                    layers);
    *every = layers;
    for (uint32_t l = layers; l-- > 1;)
        if (json_is_string(json_array_get(list, l)) &&
            strcmp(json_string_value(json_array_get(list, l)), key->kind[0]) == 0)
            *every = l;
    json_array_foreach(list, i, item)
    {
        const char *kind = json_string_value(item);
        if (!kind || strcmp(kind, key->kind[i % *every != 0]) != 0)
            return fail(err,
                        "%s: \"%s\" is \"%s\" at layer %zu: lethe knows \"%s\" for every n-th layer from the first on "
                        "and \"%s\" for all others",
                        what, key->kinds, kind ? str_show(str(kind)) : "", i, key->kind[0], key->kind[1]);
    }
    return true;
}

/* The base of positions of kind k, by the newer or the older key. */
static bool config_base(const json_t *o, const char *what, const FamilyRotary *key, int k, double *base, Err *err)
{
    const json_t *all = json_object_get(o, key->parameters), *own = json_object_get(all, key->kind[k]);
    const json_t *type = json_object_get(own, "rope_type"), *old = json_object_get(o, key->base[k]);
    const char *name = key->base[k], *entry;
    json_t *value;
    *base = key->usual_base[k];
    if (own && !json_is_object(own))
        return fail(err, "%s: \"%s\" in \"%s\" must be an object", what, key->kind[k], key->parameters);
    json_object_foreach((json_t *)own, entry, value)
    {
        const bool known = strcmp(entry, "rope_theta") == 0 || strcmp(entry, "rope_type") == 0;
        if (!known && !json_is_null(value))
            return fail(err, "%s: \"%s\" in \"%s\" is set, which lethe does not support", what, str_show(str(entry)),
                        key->parameters);
    }
    if (type && (!json_is_string(type) || strcmp(json_string_value(type), "default") != 0))
        return fail(err, "%s: a \"rope_type\" in \"%s\" is not \"default\", the only one that is supported", what,
                    key->parameters);
    const json_t *from = own && json_object_get(own, "rope_theta") ? own : o;
    if (from == own) name = "rope_theta";
    if (from == o && (!old || json_is_null(old))) return true;
    return json_get_double(from, what, name, 1, 1e12, base, err);
}

static bool config_rotary(const json_t *o, const char *what, const FamilyRotary *key, ModelConfig *c, Err *err)
{
    const json_t *kinds = json_object_get(o, key->kinds);
    uint32_t window = key->usual_window;
    c->every = key->usual_every;
    if ((c->hidden / c->heads) % 2)
        return fail(err, "%s: heads of %u numbers are odd: their positions cannot turn", what, c->hidden / c->heads);
    if ((json_object_get(o, key->window) && !config_dimension(o, what, key->window, 1 << 20, &window, err)) ||
        (json_object_get(o, key->every) && !config_dimension(o, what, key->every, MODEL_MAX_LAYERS, &c->every, err)) ||
        (json_array_size(kinds) && !config_kinds(kinds, what, key, c->layers, &c->every, err)) ||
        !config_base(o, what, key, 0, &c->rotary_base[0], err) ||
        !config_base(o, what, key, 1, &c->rotary_base[1], err))
        return false;
    c->window = window / 2;
    return true;
}

static bool config_read(const json_t *o, const char *what, ModelConfig *c, Err *err)
{
    const char *type = json_string_value(json_object_get(o, "model_type"));
    char types[FAMILY_TEXT];
    if (!type) return fail(err, "%s: \"model_type\" is missing; %s are supported", what, family_types_text(types));
    const Family *family = family_find(type);
    if (!family)
        return fail(err, "%s: model_type \"%s\" is not supported; %s are", what, str_show(str(type)),
                    family_types_text(types));
    const FamilyConfig *key = family->config;
    if (!keys_check(&key->keys, o, what, err)) return false;
    *c = (ModelConfig){.family = family, .types = family->types, .eps = family->eps};
    if (!config_dimension(o, what, key->layers, MODEL_MAX_LAYERS, &c->layers, err) ||
        !config_dimension(o, what, key->hidden, 65536, &c->hidden, err) ||
        !config_dimension(o, what, key->heads, 65536, &c->heads, err) ||
        !config_dimension(o, what, key->inner, 1 << 20, &c->inner, err) ||
        !config_dimension(o, what, "vocab_size", MODEL_MAX_DIMENSION, &c->vocab, err) ||
        !config_dimension(o, what, "max_position_embeddings", 1 << 20, &c->positions, err))
        return false;
    for (size_t i = 0; i < COUNT(key->needed) && key->needed[i]; i++) {
        const json_t *needed = json_object_get(o, key->needed[i]);
        if (!needed || json_is_null(needed))
            return fail(err, "%s: \"%s\" is missing; without it this is no %s that lethe supports", what,
                        key->needed[i], family->title);
    }
    if (key->types && json_object_get(o, key->types)) {
        int64_t rows = 0;
        if (!json_get_int(o, what, key->types, family->types ? 1 : 0, 65536, &rows, err)) return false;
        c->types = (uint32_t)rows;
    }
    c->embedding = family->embedding ? family->embedding : c->hidden;
    if (key->embedding && json_object_get(o, key->embedding) &&
        !config_dimension(o, what, key->embedding, 65536, &c->embedding, err))
        return false;
    if (key->shared && json_object_get(o, key->shared) &&
        !config_dimension(o, what, key->shared, MODEL_MAX_LAYERS, &c->shared, err))
        return false;
    if (key->shared && !c->shared) c->shared = 1;
    if (c->shared > c->layers)
        return fail(err, "%s: %s %u is above %s %u", what, key->shared, c->shared, key->layers, c->layers);
    const char *activation = key->activation ? json_string_value(json_object_get(o, key->activation)) : NULL;
    c->gelu_tanh =
        activation ? strncmp(activation, "gelu_", 5) == 0 && strcmp(activation, "gelu_python") != 0 : family->gelu_tanh;
    const char *pooling = key->pooling ? json_string_value(json_object_get(o, key->pooling)) : NULL;
    c->mean = pooling && strcmp(pooling, "mean") == 0;
    if (c->hidden % c->heads)
        return fail(err, "%s: %s %u is not a multiple of %s %u", what, key->hidden, c->hidden, key->heads, c->heads);
    if ((uint64_t)c->vocab * c->embedding > UINT32_MAX || 2 * (uint64_t)c->inner * c->hidden > UINT32_MAX)
        return fail(err, "%s: the model has a matrix of over 4,294,967,295 values, which lethe does not support", what);
    if (family->positions == POSITIONS_AFTER_PAD) {
        int64_t pad = family->pad;
        if (json_object_get(o, "pad_token_id") &&
            !json_get_int(o, what, "pad_token_id", 0, c->positions - 2, &pad, err))
            return false;
        c->position_base = (uint32_t)pad + 1;
    }
    if (c->positions <= c->position_base + 2)
        return fail(err, "%s: max_position_embeddings %u is too small", what, c->positions);
    if (family->relative && !config_relative(o, what, c, err)) return false;
    double eps = (double)c->eps;
    if (key->eps && json_object_get(o, key->eps) && !json_get_double(o, what, key->eps, 0, 1, &eps, err)) return false;
    c->eps = (float)eps;
    if (key->rotary && !config_rotary(o, what, key->rotary, c, err)) return false;
    c->hidden_drop = c->attention_drop = family->no_drop ? 0 : 0.1f;
    if (!config_drop(o, what, key->inner_drop, &c->inner_drop, err) ||
        !config_drop(o, what, key->hidden_drop, &c->hidden_drop, err) ||
        !config_drop(o, what, key->attention_drop, &c->attention_drop, err))
        return false;
    c->classifier_drop = family->classifier_drop < 0 ? c->hidden_drop : family->classifier_drop;
    if (!config_drop(o, what, key->first_drop, &c->first_drop, err)) return false;
    return config_drop(o, what, key->classifier_drop, &c->classifier_drop, err);
}

bool model_config_parse(Str json, const char *what, ModelConfig *config, Err *err)
{
    json_t *object = NULL;
    if (!json_parse_object(json, what, &object, err)) return false;
    const bool ok = config_read(object, what, config, err);
    json_decref(object);
    return ok;
}

/* The name of a view's tensor in way 0, 1, ...: without prefix or with that of a family, each once more with gamma and
 * beta as in old files. All names begin with `stem`. *exists: false when this view has no such name. Returns false when
 * all ways have been. */
static bool pretrained_spelling(const char *stem, const char *name, int way, char found[256], bool *exists)
{
    const char *prefix = way < 2 ? "" : family_prefix(way / 2 - 1);
    if (!prefix) return false;
    snprintf(found, 256, "%s%s%s", stem, prefix, name);
    char *norm = strstr(found, "LayerNorm.");
    if (way % 2 && norm)
        snprintf(norm, 256 - (size_t)(norm - found), "LayerNorm.%s",
                 str_ends(str(name), S(".weight")) ? "gamma" : "beta");
    *exists = !(way % 2) || norm;
    return true;
}

/* The next tensor of a view under any of the names in use, from spelling *way on; NULL: there is none left. */
static const Tensor *pretrained_next(const Safetensors *file, const char *stem, const char *name, int *way)
{
    char found[256];
    bool exists;
    while (pretrained_spelling(stem, name, *way, found, &exists)) {
        const Tensor *tensor = exists ? safetensors_find(file, found) : NULL;
        ++*way;
        if (tensor) return tensor;
    }
    return NULL;
}

static const Tensor *pretrained_find(const Safetensors *file, const char *stem, const char *name)
{
    int way = 0;
    return pretrained_next(file, stem, name, &way);
}

static bool pretrained_shape(const Tensor *tensor, const View *view)
{
    if (view->rows == 1 && tensor->rank == 1) return tensor->shape[0] == view->cols;
    return tensor->rank == 2 && tensor->shape[0] == view->rows && tensor->shape[1] == view->cols;
}

static bool pretrained_finite(const float *x, size_t n)
{
    float sum = 0; /* x * 0 is 0 unless x is infinite or NaN */
    for (size_t i = 0; i < n; i++) sum += x[i] * 0;
    return sum == 0;
}

/* Fails on two tensors for one weight, too: which of them counts, nobody has said. *there: false when there is none. */
static bool pretrained_read(const Safetensors *file, const char *stem, const View *view, float *w, bool *there,
                            Err *err)
{
    int way = 0;
    const Tensor *tensor = pretrained_next(file, stem, view->name, &way);
    *there = tensor != NULL;
    if (!tensor) return true;
    const Tensor *second = pretrained_next(file, stem, view->name, &way);
    if (second)
        return fail(err, "%s: \"%s\" and \"%s\" are two tensors for one weight; take out the one that is not meant",
                    file->path, tensor->name, second->name);
    char shape[128] = "";
    for (int i = 0, used = 0; i < tensor->rank && used < 100; i++)
        used += snprintf(shape + used, sizeof shape - (size_t)used, "%s%llu", i ? ", " : "",
                         (unsigned long long)tensor->shape[i]);
    if (!pretrained_shape(tensor, view))
        return view->rows == 1 ? fail(err, "%s: tensor \"%s\" has shape [%s], but config.json asks for [%u]",
                                      file->path, tensor->name, shape, view->cols)
                               : fail(err, "%s: tensor \"%s\" has shape [%s], but config.json asks for [%u, %u]",
                                      file->path, tensor->name, shape, view->rows, view->cols);
    if (!tensor_is_float(tensor))
        return fail(err, "%s: tensor \"%s\" is not of type F64, F32, F16 or BF16", file->path, tensor->name);
    tensor_to_f32(tensor, w + view->at);
    if (!pretrained_finite(w + view->at, (size_t)view->rows * view->cols))
        return fail(err, "%s: tensor \"%s\" holds NaN or infinity; the file is damaged", file->path, tensor->name);
    return true;
}

bool model_load_encoder(const Model *model, const Safetensors *file, uint64_t seed, float *w, bool *fresh_pooler,
                        Err *err)
{
    *fresh_pooler = false;
    for (int i = 0; i < model->encoder.count; i++) {
        const View *view = &model->encoder.views[i];
        bool there;
        if (!pretrained_read(file, "", view, w, &there, err)) return false;
        if (there) continue;
        if (view->block > model->config.layers &&
            model->config.family->modules->pooler) { /* the pooler: an encoder that was trained as such has none */
            *fresh_pooler = true;
            for (size_t j = view->at; j < view->at + (size_t)view->rows * view->cols; j++)
                w[j] = view->rows == 1 ? 0 : 0.02f * random_normal(seed, 0x706f6f6c, j);
        } else {
            char prefixes[FAMILY_TEXT];
            return fail(
                err,
                "%s: tensor \"%s\" is missing (also with the prefixes %s); is this a pretrained %s model that fits "
                "its config.json?",
                file->path, view->name, family_prefixes_text(prefixes), model->config.family->title);
        }
    }
    return true;
}

bool layout_load(const Layout *layout, const Safetensors *file, const char *stem, float *w, Err *err)
{
    for (int i = 0; i < layout->count; i++) {
        const View *view = &layout->views[i];
        bool there;
        if (!pretrained_read(file, stem, view, w, &there, err)) return false;
        if (!there) return fail(err, "%s: tensor \"%s%s\" is missing", file->path, stem, view->name);
    }
    return true;
}

void layout_tensors(Arena *arena, const Layout *layout, const char *stem, float *w, Tensor *out)
{
    for (int i = 0; i < layout->count; i++) {
        const View *view = &layout->views[i];
        const bool vector = view->at >= layout->decay_floats && view->rows == 1; /* biases and LayerNorms */
        out[i] = (Tensor){.name = arena_printf(arena, "%s%s", stem, view->name), .type = TENSOR_F32};
        out[i].rank = vector ? 1 : 2;
        out[i].shape[0] = vector ? view->cols : view->rows;
        out[i].shape[1] = view->cols;
        out[i].count = (uint64_t)view->rows * view->cols;
        out[i].data = (const uint8_t *)(w + view->at);
    }
}

bool head_view_is_last(const Family *family, const View *view)
{
    return strncmp(view->name, family->head.out, strlen(family->head.out)) == 0;
}

bool model_load_head(const Model *model, const Head *head, const Safetensors *file, float *w)
{
    const Family *family = model->config.family;
    Arena scratch = {0};
    float *read = arena_new(&scratch, float, head->layout.floats);
    bool whole = true;
    for (int i = 0; i < head->layout.count; i++) {
        const View *view = &head->layout.views[i];
        const Tensor *tensor = safetensors_find(file, view->name);
        const size_t floats = (size_t)view->rows * view->cols;
        bool there = tensor && pretrained_shape(tensor, view) && tensor_is_float(tensor);
        if (there) {
            tensor_to_f32(tensor, read + view->at);
            there = pretrained_finite(read + view->at, floats);
        }
        whole = whole && there;
        if (there && family->head.norm && !head_view_is_last(family, view))
            memcpy(w + view->at, read + view->at, floats * sizeof *w);
    }
    if (whole) memcpy(w, read, head->layout.floats * sizeof *w);
    arena_free(&scratch);
    return whole;
}
