#include "command.h"

#include <string.h>

/* An embedded file as it lies in the binary; its name must be one of the list. */
static Str asset_bytes(const char *name)
{
    for (const Asset *asset = assets; asset->name; asset++)
        if (strcmp(asset->name, name) == 0) return (Str){asset->file.at, *asset->file.size};
    ASSERT(!"every asset that is asked for is embedded");
    return (Str){0};
}

/* An embedded file, expanded: embedded as NAME.zst. */
static bool asset_expand(Arena *arena, const char *name, Str *out, Err *err)
{
    enum { ASSET_LIMIT_BYTES = 1 << 28 };
    char packed[64];
    snprintf(packed, sizeof packed, "%s.zst", name);
    return zstd_expand(arena, asset_bytes(packed), ASSET_LIMIT_BYTES, packed, out, err);
}

/* The built-in encoder. */
static bool asset_model(Arena *arena, ModelSource *source, Err *err)
{
    *source = (ModelSource){.name = "MiniLM-L6, built in", .weights = asset_bytes("encoder.safetensors.zst")};
    return asset_expand(arena, "config.json", &source->config, err) &&
           asset_expand(arena, "vocab.txt", &source->vocab, err);
}
