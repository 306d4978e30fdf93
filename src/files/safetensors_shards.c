#include "files.h"

#include <stdlib.h>
#include <string.h>

/* A model in several files. Only the index is new: each file is a safetensors file like any other. */

enum { SHARDS_INDEX_LIMIT_BYTES = 1 << 26, SHARDS_MOST = 1000 };

/* What an index says: which files there are, and in which of them each tensor lies. */
typedef struct ShardIndex {
    const char **files; /* by name */
    size_t file_count;
    const char **names;
    size_t *places; /* [tensor_count]: of files */
    size_t tensor_count;
} ShardIndex;

/* The file must lie beside the index: a name with a folder in it could lead anywhere. */
static bool shard_name_is_plain(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!sys_name_may_have(*c)) return false;
    return *name != '.' && str_ends(str(name), S(".safetensors"));
}

static int shard_name_order(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool shard_index_read(Arena *arena, const json_t *map, const char *what, ShardIndex *index, Err *err)
{
    const char *name;
    const json_t *file;
    const size_t most = json_object_size(map);
    if (!json_is_object(map) || !most) return fail(err, "%s: \"weight_map\" is missing; is this an index?", what);
    *index = (ShardIndex){.files = arena_new(arena, const char *, most),
                          .names = arena_new(arena, const char *, most),
                          .places = arena_new(arena, size_t, most)};
    json_object_foreach((json_t *)map, name, file)
    {
        const char *text = json_string_value(file);
        if (!text || !shard_name_is_plain(text))
            return fail(err, "%s: tensor \"%s\" lies in \"%s\", which is not a .safetensors file beside the index",
                        what, str_show(str(name)), text ? str_show(str(text)) : "");
        index->files[index->tensor_count] = arena_copy(arena, text, strlen(text));
        index->names[index->tensor_count++] = arena_copy(arena, name, strlen(name));
    }
    const char **of_tensor = arena_new(arena, const char *, most);
    memcpy(of_tensor, index->files, most * sizeof *of_tensor);
    qsort(index->files, most, sizeof *index->files, shard_name_order);
    for (size_t i = 0; i < most; i++)
        if (!i || strcmp(index->files[index->file_count - 1], index->files[i]) != 0)
            index->files[index->file_count++] = index->files[i];
    if (index->file_count > SHARDS_MOST)
        return fail(err, "%s: names %zu files; at most %d are read", what, index->file_count, SHARDS_MOST);
    for (size_t i = 0; i < most; i++)
        index->places[i] = (size_t)((const char **)bsearch(&of_tensor[i], index->files, index->file_count,
                                                           sizeof *index->files, shard_name_order) -
                                    index->files);
    return true;
}

static bool shard_index_parse(Arena *arena, Str json, const char *what, ShardIndex *index, Err *err)
{
    json_t *object = NULL;
    if (!json_parse_object(json, what, &object, err)) return false;
    const bool ok = shard_index_read(arena, json_object_get(object, "weight_map"), what, index, err);
    json_decref(object);
    return ok;
}

/* Each tensor from the file that the index names. */
static bool shards_gather(Arena *arena, const ShardIndex *index, Safetensors *out, Err *err)
{
    out->tensors = arena_new(arena, Tensor, index->tensor_count);
    for (size_t i = 0; i < index->tensor_count; i++) {
        const Safetensors *shard = &out->shards[index->places[i]];
        const Tensor *tensor = safetensors_find(shard, index->names[i]);
        if (!tensor)
            return fail(err, "%s: tensor \"%s\" is missing, which %s says is there", shard->path,
                        str_show(str(index->names[i])), out->path);
        out->tensors[out->count++] = *tensor;
    }
    qsort(out->tensors, out->count, sizeof *out->tensors, tensor_by_name);
    return true;
}

bool safetensors_open_shards(Arena *arena, const char *index_path, Safetensors *out, Err *err)
{
    Str json;
    ShardIndex index;
    *out = (Safetensors){.path = index_path};
    if (!file_read(arena, index_path, SHARDS_INDEX_LIMIT_BYTES, &json, err) ||
        !shard_index_parse(arena, json, index_path, &index, err))
        return false;
    int folder = (int)strlen(index_path); /* the size of its path, with the separator */
    while (folder && !sys_is_separator(index_path[folder - 1])) folder--;
    out->shards = arena_new(arena, Safetensors, index.file_count);
    bool ok = true;
    for (; ok && out->shard_count < index.file_count; out->shard_count++)
        ok = safetensors_open(arena, arena_printf(arena, "%.*s%s", folder, index_path, index.files[out->shard_count]),
                              &out->shards[out->shard_count], err);
    ok = ok && shards_gather(arena, &index, out, err);
    if (!ok) safetensors_close(out);
    return ok;
}

void safetensors_sha256(const Safetensors *file, char hex[65])
{
    Arena scratch = {0};
    char *all = arena_new(&scratch, char, file->shard_count * 64 + 1);
    for (size_t i = 0; i < file->shard_count; i++) {
        sha256_hex(file->shards[i].bytes, hex);
        memcpy(all + i * 64, hex, 64);
    }
    sha256_hex(file->shard_count ? (Str){all, file->shard_count * 64} : file->bytes, hex);
    arena_free(&scratch);
}
