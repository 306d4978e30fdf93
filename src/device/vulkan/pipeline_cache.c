/* Compiled pipelines, kept in the user's cache folder for the next start. The file's name says for which driver and
 * which shaders it is; its first 64 bytes are the sha256 of the rest, which begins with Vulkan's own header. Drivers
 * trust what they are given: a file that is damaged or another device's is left alone and later written anew. */

enum { PIPELINE_CACHE_MOST_BYTES = 64 << 20, PIPELINE_CACHE_HEAD = 64 };

static const char *pipeline_cache_path(Vulkan *vk)
{
    Arena scratch = {0};
    DYN(char) key = {0};
    char hex[65];
    const VkPhysicalDeviceProperties *p = &vk->properties;
    const uint32_t numbers[] = {p->vendorID, p->deviceID, p->driverVersion};
    const struct {
        const void *at;
        size_t size;
    } parts[] = {{numbers, sizeof numbers},
                 {p->pipelineCacheUUID, sizeof p->pipelineCacheUUID},
                 {vk->info.driver, strlen(vk->info.driver)}};
    for (size_t i = 0; i < COUNT(parts); i++)
        for (size_t k = 0; k < parts[i].size; k++) *dyn_push(&scratch, &key) = ((const char *)parts[i].at)[k];
    for (int op = 0; op < OP_COUNT; op++)
        for (uint64_t i = 0; i < *vulkan_shaders[op].size; i++) *dyn_push(&scratch, &key) = vulkan_shaders[op].at[i];
    sha256_hex((Str){key.at, key.count}, hex);
    const char *folder = cache_folder(&vk->arena);
    arena_free(&scratch);
    return folder ? arena_printf(&vk->arena, "%s/pipelines-%.32s", folder, hex) : NULL;
}

/* What follows the hash when it is right and made by this device, else nothing. */
static Str pipeline_cache_checked(const VkPhysicalDeviceProperties *device, Str file)
{
    char hex[65];
    VkPipelineCacheHeaderVersionOne head;
    if (file.size < PIPELINE_CACHE_HEAD + sizeof head) return (Str){0};
    const Str body = {file.at + PIPELINE_CACHE_HEAD, file.size - PIPELINE_CACHE_HEAD};
    memcpy(&head, body.at, sizeof head);
    sha256_hex(body, hex);
    const bool whole = memcmp(hex, file.at, PIPELINE_CACHE_HEAD) == 0;
    const bool ours = head.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE && head.vendorID == device->vendorID &&
                      head.deviceID == device->deviceID &&
                      memcmp(head.pipelineCacheUUID, device->pipelineCacheUUID, VK_UUID_SIZE) == 0;
    return whole && ours ? body : (Str){0};
}

static bool pipeline_cache_open(Vulkan *vk)
{
    Arena scratch = {0};
    Err ignored = {0};
    Str file, body = {0};
    vk->cache_path = pipeline_cache_path(vk);
    if (vk->cache_path && file_read(&scratch, vk->cache_path, PIPELINE_CACHE_MOST_BYTES, &file, &ignored))
        body = pipeline_cache_checked(&vk->properties, file);
    VkPipelineCacheCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO, .initialDataSize = body.size, .pInitialData = body.at};
    VkResult result = vk->call.vkCreatePipelineCache(vk->device, &create, NULL, &vk->cache);
    if (result != VK_SUCCESS && body.size) { /* a driver that will not have it: then without */
        create.initialDataSize = body.size = 0;
        result = vk->call.vkCreatePipelineCache(vk->device, &create, NULL, &vk->cache);
    }
    vk->cache_bytes = body.size;
    arena_free(&scratch);
    return vulkan_good(vk, result, "the pipeline cache");
}

/* Writes it when it has grown. That it cannot be written costs time at the next start, nothing else. */
static void pipeline_cache_keep(Vulkan *vk)
{
    size_t size = 0;
    Err ignored = {0};
    if (!vk->cache_path || !vk->cache || vk->failure.code) return;
    if (vk->call.vkGetPipelineCacheData(vk->device, vk->cache, &size, NULL) != VK_SUCCESS || size <= vk->cache_bytes ||
        size > PIPELINE_CACHE_MOST_BYTES)
        return;
    Arena scratch = {0};
    char *bytes = arena_new(&scratch, char, PIPELINE_CACHE_HEAD + size), hex[65];
    if (vk->call.vkGetPipelineCacheData(vk->device, vk->cache, &size, bytes + PIPELINE_CACHE_HEAD) == VK_SUCCESS) {
        sha256_hex((Str){bytes + PIPELINE_CACHE_HEAD, size}, hex);
        memcpy(bytes, hex, PIPELINE_CACHE_HEAD);
        file_write(vk->cache_path, (Str){bytes, PIPELINE_CACHE_HEAD + size}, &ignored);
    }
    arena_free(&scratch);
}
