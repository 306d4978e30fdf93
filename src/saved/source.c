#include "saved.h"

#include <string.h>

/* A pretrained model: an HF folder, or files inside the binary. */

enum { FILE_LIMIT_BYTES = 1 << 30, CONFIG_LIMIT_BYTES = 1 << 24 };

static bool source_config(Arena *arena, const ModelSource *source, ModelConfig *config, Err *err)
{
    if (!source->folder) return model_config_parse(source->config, "the embedded config.json", config, err);
    Str json;
    const char *path = arena_printf(arena, "%s/config.json", source->folder);
    return folder_need("model", source->folder, err) && file_read(arena, path, CONFIG_LIMIT_BYTES, &json, err) &&
           model_config_parse(json, path, config, err);
}

bool model_source_tokenizer(Arena *arena, const ModelSource *source, Tokenizer **out, Err *err)
{
    return source->folder ? tokenizer_load(arena, source->folder, out, err)
                          : tokenizer_from_vocab(arena, source->vocab, true, "the embedded vocab.txt", out, err);
}

static bool source_weights(Arena *arena, const ModelSource *source, Safetensors *file, Err *err)
{
    if (!source->folder) {
        Str bytes;
        return zstd_expand(arena, source->weights, FILE_LIMIT_BYTES, "the embedded encoder", &bytes, err) &&
               safetensors_parse(arena, bytes, "the embedded encoder", file, err);
    }
    const char *plain = arena_printf(arena, "%s/model.safetensors", source->folder);
    const char *packed = arena_printf(arena, "%s.zst", plain);
    if (file_exists(plain)) return safetensors_open(arena, plain, file, err);
    if (file_exists(packed)) return safetensors_open(arena, packed, file, err);
    const char *index = arena_printf(arena, "%s.index.json", plain);
    if (file_exists(index)) return safetensors_open_shards(arena, index, file, err);
    if (file_exists(arena_printf(arena, "%s/pytorch_model.bin", source->folder)))
        return fail(err,
                    "%s: the weights are in pytorch_model.bin, which lethe does not read; in Python, "
                    "model.save_pretrained(FOLDER) writes model.safetensors",
                    source->folder);
    return fail(err, "%s: the file does not exist", plain);
}

/* Of the weights, expanded. */
static bool source_sha256(const ModelSource *source, char hex[65], Err *err)
{
    if (!source->folder) {
        sha256_hex(source->weights, hex);
        return true;
    }
    Arena scratch = {0};
    Safetensors file = {0};
    const bool ok = source_weights(&scratch, source, &file, err);
    if (ok) safetensors_sha256(&file, hex);
    safetensors_close(&file);
    arena_free(&scratch);
    return ok;
}

/* Where tokenizer and model meet: ids, types and positions against the model's tables, once. */
static bool source_fit_tokenizer(Tokenizer *tokenizer, const ModelConfig *config, const char *name, Err *err)
{
    return tokenizer_fit(tokenizer, name, config->vocab, config->types, err);
}

/* Tokens a row that a model can take. */
static uint32_t source_most_tokens(const ModelConfig *config) { return config->positions - config->position_base; }
