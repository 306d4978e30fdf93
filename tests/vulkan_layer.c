/* A layer of our own between the engine and the driver, for the tests. It watches every command as it is recorded, from
 * the driver's side: what a dispatch reads and writes follows from its push constants alone, and two that need an order
 * must have a barrier between them (the validation layers cannot see memory behind addresses). And it lets chosen calls
 * fail, leaves commands out, and shows the device as another kind. */

typedef struct LayerBuffer {
    VkBuffer buffer;
    uintptr_t begin, end; /* end 0: it has no address */
    size_t size;
} LayerBuffer;

typedef struct LayerModule {
    VkShaderModule module;
    Op op;
} LayerModule;

typedef struct LayerPipeline {
    VkPipeline pipeline;
    Op op;
} LayerPipeline;

typedef struct LayerTouch {
    Range range;
    const char *name;
} LayerTouch;

static struct {
    /* What goes wrong. */
    const char *fail_call; /* this function fails ... */
    int fail_at;           /* ... at such a call from now on (from 1) and ever after */
    int fail_behind;       /* ... but not before so many dispatches */
    VkResult fail_with;
    int calls, fails;     /* of fail_call: so far, and those that failed */
    int skip_op;          /* whose dispatches do nothing; -1: none */
    int skip_barrier;     /* counts down; at 1 a barrier is left out */
    bool as_discrete_gpu; /* how software devices are shown */
    /* What was seen. */
    int hazards, submits, dispatches;
    char first_hazard[256];

    Arena arena;
    DYN(LayerBuffer) buffers;
    DYN(LayerModule) modules;
    DYN(LayerPipeline) pipelines;
    DYN(LayerTouch) pending; /* since the last barrier */
    size_t bound;
    unsigned char push[128];
    PFN_vkGetInstanceProcAddr instance_call;
    PFN_vkGetDeviceProcAddr device_call;
} layer = {.skip_op = -1};

static bool layer_fails(const char *call)
{
    if (!layer.fail_call || strcmp(layer.fail_call, call) != 0 || layer.dispatches < layer.fail_behind ||
        ++layer.calls < layer.fail_at)
        return false;
    layer.fails++;
    return true;
}

/* ---- Hazards ---- */

/* "To the end" means of the buffer. */
static Range layer_range(Range range)
{
    for (size_t b = layer.buffers.count; b-- > 0 && range.end == UINTPTR_MAX;)
        if (range.begin >= layer.buffers.at[b].begin && range.begin < layer.buffers.at[b].end)
            range.end = layer.buffers.at[b].end;
    return range;
}

static void layer_touch(const char *name, Range range)
{
    for (size_t i = 0; i < layer.pending.count; i++) {
        if (!range_conflicts(&range, &layer.pending.at[i].range)) continue;
        if (!layer.hazards++)
            snprintf(layer.first_hazard, sizeof layer.first_hazard, "no barrier between %s, which %s, and %s, which %s",
                     layer.pending.at[i].name, layer.pending.at[i].range.write ? "writes" : "reads", name,
                     range.write ? "writes" : "reads");
    }
}

/* One command's ranges: they may overlap each other. */
static void layer_command(const char *name, const Ranges *ranges)
{
    for (int i = 0; i < ranges->count; i++) layer_touch(name, layer_range(ranges->at[i]));
    for (int i = 0; i < ranges->count; i++)
        *dyn_push(&layer.arena, &layer.pending) = (LayerTouch){layer_range(ranges->at[i]), name};
}

static void layer_transfer(const char *name, VkBuffer buffer, uint64_t offset, uint64_t size, bool write)
{
    for (size_t b = layer.buffers.count; b-- > 0;) {
        if (layer.buffers.at[b].buffer != buffer) continue;
        const uintptr_t begin = layer.buffers.at[b].begin + offset;
        const uint64_t bytes = size == VK_WHOLE_SIZE ? layer.buffers.at[b].size - offset : size;
        if (layer.buffers.at[b].end) layer_command(name, &(Ranges){.at = {{begin, begin + bytes, write}}, .count = 1});
        return;
    }
}

static PFN_vkCmdBindPipeline real_vkCmdBindPipeline;
static void VKAPI_CALL layer_vkCmdBindPipeline(VkCommandBuffer c, VkPipelineBindPoint point, VkPipeline pipeline)
{
    for (size_t i = 0; i < layer.pipelines.count; i++)
        if (layer.pipelines.at[i].pipeline == pipeline) layer.bound = i; /* the newest of this name */
    real_vkCmdBindPipeline(c, point, pipeline);
}

static PFN_vkCmdPushConstants real_vkCmdPushConstants;
static void VKAPI_CALL layer_vkCmdPushConstants(VkCommandBuffer c, VkPipelineLayout layout, VkShaderStageFlags stages,
                                                uint32_t offset, uint32_t size, const void *values)
{
    memcpy(layer.push + offset, values, size);
    real_vkCmdPushConstants(c, layout, stages, offset, size, values);
}

static PFN_vkCmdDispatch real_vkCmdDispatch;
static void VKAPI_CALL layer_vkCmdDispatch(VkCommandBuffer c, uint32_t x, uint32_t y, uint32_t z)
{
    const Op op = layer.pipelines.at[layer.bound].op;
    static VulkanPush last;
    static Op last_op = OP_COUNT;
    VulkanPush push;
    memcpy(&push, layer.push, sizeof push);
    layer.dispatches++;
    /* Dispatches of the same op with the same arguments are pieces of one: they write different places. */
    const bool again =
        op == last_op && memcmp(&last, &push, offsetof(VulkanPush, first_group)) == 0 && layer.pending.count;
    const bool piece = again && push.first_group > 0;
    last_op = op;
    last = push;
    if (!piece) {
        Ranges ranges;
        pass_ranges(op, push.args, push.own, &ranges);
        layer_command(op_names[op], &ranges);
    }
    if ((int)op != layer.skip_op) real_vkCmdDispatch(c, x, y, z);
}

static PFN_vkCmdCopyBuffer real_vkCmdCopyBuffer;
static void VKAPI_CALL layer_vkCmdCopyBuffer(VkCommandBuffer c, VkBuffer from, VkBuffer to, uint32_t count,
                                             const VkBufferCopy *regions)
{
    for (uint32_t i = 0; i < count; i++) {
        layer_transfer("a read by the host", from, regions[i].srcOffset, regions[i].size, false);
        layer_transfer("a write by the host", to, regions[i].dstOffset, regions[i].size, true);
    }
    real_vkCmdCopyBuffer(c, from, to, count, regions);
}

static PFN_vkCmdFillBuffer real_vkCmdFillBuffer;
static void VKAPI_CALL layer_vkCmdFillBuffer(VkCommandBuffer c, VkBuffer to, VkDeviceSize offset, VkDeviceSize size,
                                             uint32_t value)
{
    layer_transfer("the zeroing of new memory", to, offset, size, true);
    real_vkCmdFillBuffer(c, to, offset, size, value);
}

static PFN_vkCmdPipelineBarrier real_vkCmdPipelineBarrier;
static void VKAPI_CALL layer_vkCmdPipelineBarrier(VkCommandBuffer c, VkPipelineStageFlags before,
                                                  VkPipelineStageFlags after, VkDependencyFlags flags, uint32_t count,
                                                  const VkMemoryBarrier *memory, uint32_t buffer_count,
                                                  const VkBufferMemoryBarrier *buffers, uint32_t image_count,
                                                  const VkImageMemoryBarrier *images)
{
    const VkPipelineStageFlags all = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkAccessFlags writes = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    const VkAccessFlags any = writes | VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
    const bool whole = (before & all) == all && (after & all) == all && count == 1 &&
                       (memory->srcAccessMask & writes) == writes && (memory->dstAccessMask & any) == any;
    if (whole && layer.skip_barrier > 0 && layer.skip_barrier-- == 1) return;
    if (whole) layer.pending.count = 0;
    real_vkCmdPipelineBarrier(c, before, after, flags, count, memory, buffer_count, buffers, image_count, images);
}

/* ---- Objects, so that commands can be understood ---- */

static PFN_vkCreateBuffer real_vkCreateBuffer;
static VkResult VKAPI_CALL layer_vkCreateBuffer(VkDevice d, const VkBufferCreateInfo *info,
                                                const VkAllocationCallbacks *a, VkBuffer *buffer)
{
    if (layer_fails("vkCreateBuffer")) return layer.fail_with;
    const VkResult result = real_vkCreateBuffer(d, info, a, buffer);
    *dyn_push(&layer.arena, &layer.buffers) = (LayerBuffer){.buffer = *buffer, .size = info->size};
    return result;
}

static PFN_vkGetBufferDeviceAddress real_vkGetBufferDeviceAddress;
static VkDeviceAddress VKAPI_CALL layer_vkGetBufferDeviceAddress(VkDevice d, const VkBufferDeviceAddressInfo *info)
{
    const VkDeviceAddress address = real_vkGetBufferDeviceAddress(d, info);
    for (size_t b = 0; b < layer.buffers.count; b++)
        if (layer.buffers.at[b].buffer == info->buffer) {
            layer.buffers.at[b].begin = (uintptr_t)address;
            layer.buffers.at[b].end = (uintptr_t)address + layer.buffers.at[b].size;
        }
    return address;
}

static PFN_vkDestroyBuffer real_vkDestroyBuffer;
static void VKAPI_CALL layer_vkDestroyBuffer(VkDevice d, VkBuffer buffer, const VkAllocationCallbacks *a)
{
    for (size_t b = 0; b < layer.buffers.count; b++) {
        if (layer.buffers.at[b].buffer != buffer) continue;
        size_t kept = 0; /* what is given back was waited for */
        for (size_t i = 0; i < layer.pending.count; i++)
            if (layer.pending.at[i].range.begin < layer.buffers.at[b].begin ||
                layer.pending.at[i].range.begin >= layer.buffers.at[b].end)
                layer.pending.at[kept++] = layer.pending.at[i];
        layer.pending.count = kept;
        layer.buffers.at[b--] = layer.buffers.at[--layer.buffers.count];
    }
    real_vkDestroyBuffer(d, buffer, a);
}

static PFN_vkCreateShaderModule real_vkCreateShaderModule;
static VkResult VKAPI_CALL layer_vkCreateShaderModule(VkDevice d, const VkShaderModuleCreateInfo *info,
                                                      const VkAllocationCallbacks *a, VkShaderModule *module)
{
    if (layer_fails("vkCreateShaderModule")) return layer.fail_with;
    const VkResult result = real_vkCreateShaderModule(d, info, a, module);
    for (int op = 0; op < OP_COUNT; op++)
        if ((const void *)info->pCode == (const void *)vulkan_shaders[op].at)
            *dyn_push(&layer.arena, &layer.modules) = (LayerModule){*module, (Op)op};
    return result;
}

static PFN_vkCreateComputePipelines real_vkCreateComputePipelines;
static VkResult VKAPI_CALL layer_vkCreateComputePipelines(VkDevice d, VkPipelineCache cache, uint32_t count,
                                                          const VkComputePipelineCreateInfo *info,
                                                          const VkAllocationCallbacks *a, VkPipeline *pipelines)
{
    if (layer_fails("vkCreateComputePipelines")) return layer.fail_with;
    const VkResult result = real_vkCreateComputePipelines(d, cache, count, info, a, pipelines);
    LayerPipeline made = {.pipeline = *pipelines};
    for (size_t i = 0; i < layer.modules.count; i++)
        if (layer.modules.at[i].module == info->stage.module) made.op = layer.modules.at[i].op;
    *dyn_push(&layer.arena, &layer.pipelines) = made;
    return result;
}

static PFN_vkQueueSubmit real_vkQueueSubmit;
static VkResult VKAPI_CALL layer_vkQueueSubmit(VkQueue queue, uint32_t count, const VkSubmitInfo *submits,
                                               VkFence fence)
{
    layer.submits++;
    return layer_fails("vkQueueSubmit") ? layer.fail_with : real_vkQueueSubmit(queue, count, submits, fence);
}

static PFN_vkWaitForFences real_vkWaitForFences;
static VkResult VKAPI_CALL layer_vkWaitForFences(VkDevice d, uint32_t count, const VkFence *fences, VkBool32 all,
                                                 uint64_t timeout)
{
    const VkResult result = real_vkWaitForFences(d, count, fences, all, timeout); /* a lost device works no more */
    return layer_fails("vkWaitForFences") ? layer.fail_with : result;
}

static PFN_vkGetPhysicalDeviceProperties real_vkGetPhysicalDeviceProperties;
static void VKAPI_CALL layer_vkGetPhysicalDeviceProperties(VkPhysicalDevice d, VkPhysicalDeviceProperties *properties)
{
    real_vkGetPhysicalDeviceProperties(d, properties);
    if (layer.as_discrete_gpu) properties->deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
}

/* ---- Calls that only may fail ---- */

#define CALLBACKS const VkAllocationCallbacks *callbacks
#define MAY_FAIL(X)                                                                                                    \
    X(vkCreateDevice, (VkPhysicalDevice d, const VkDeviceCreateInfo *i, CALLBACKS, VkDevice *o), (d, i, callbacks, o)) \
    X(vkAllocateMemory, (VkDevice d, const VkMemoryAllocateInfo *i, CALLBACKS, VkDeviceMemory *o),                     \
      (d, i, callbacks, o))                                                                                            \
    X(vkBindBufferMemory, (VkDevice d, VkBuffer b, VkDeviceMemory m, VkDeviceSize o), (d, b, m, o))                    \
    X(vkMapMemory, (VkDevice d, VkDeviceMemory m, VkDeviceSize o, VkDeviceSize s, VkMemoryMapFlags f, void **p),       \
      (d, m, o, s, f, p))                                                                                              \
    X(vkCreateCommandPool, (VkDevice d, const VkCommandPoolCreateInfo *i, CALLBACKS, VkCommandPool *o),                \
      (d, i, callbacks, o))                                                                                            \
    X(vkAllocateCommandBuffers, (VkDevice d, const VkCommandBufferAllocateInfo *i, VkCommandBuffer *o), (d, i, o))     \
    X(vkCreateFence, (VkDevice d, const VkFenceCreateInfo *i, CALLBACKS, VkFence *o), (d, i, callbacks, o))            \
    X(vkCreateQueryPool, (VkDevice d, const VkQueryPoolCreateInfo *i, CALLBACKS, VkQueryPool *o),                      \
      (d, i, callbacks, o))                                                                                            \
    X(vkCreatePipelineLayout, (VkDevice d, const VkPipelineLayoutCreateInfo *i, CALLBACKS, VkPipelineLayout *o),       \
      (d, i, callbacks, o))                                                                                            \
    X(vkCreatePipelineCache, (VkDevice d, const VkPipelineCacheCreateInfo *i, CALLBACKS, VkPipelineCache *o),          \
      (d, i, callbacks, o))                                                                                            \
    X(vkResetFences, (VkDevice d, uint32_t n, const VkFence *f), (d, n, f))                                            \
    X(vkBeginCommandBuffer, (VkCommandBuffer c, const VkCommandBufferBeginInfo *i), (c, i))                            \
    X(vkEndCommandBuffer, (VkCommandBuffer c), (c))
#define X(name, parameters, arguments)                                       \
    static PFN_##name real_##name;                                           \
    static VkResult VKAPI_CALL layer_##name parameters                       \
    {                                                                        \
        return layer_fails(#name) ? layer.fail_with : real_##name arguments; \
    }
MAY_FAIL(X)
#undef X

static const char *const layer_may_fail[] = {"vkCreateBuffer", "vkCreateShaderModule", "vkCreateComputePipelines",
                                             "vkQueueSubmit",  "vkWaitForFences",
#define X(name, parameters, arguments) #name,
                                             MAY_FAIL(X)
#undef X
};

/* ---- The way in ---- */

#define WATCHED(X)                                                                           \
    X(vkCmdBindPipeline)                                                                     \
    X(vkCmdPushConstants)                                                                    \
    X(vkCmdDispatch)                                                                         \
    X(vkCmdCopyBuffer)                                                                       \
    X(vkCmdFillBuffer)                                                                       \
    X(vkCmdPipelineBarrier)                                                                  \
    X(vkCreateBuffer) X(vkGetBufferDeviceAddress) X(vkDestroyBuffer) X(vkCreateShaderModule) \
        X(vkCreateComputePipelines) X(vkQueueSubmit) X(vkWaitForFences) X(vkGetPhysicalDeviceProperties)

static PFN_vkVoidFunction layer_replace(const char *name, PFN_vkVoidFunction real)
{
    if (!real) return real;
#define X(call, ...)                             \
    if (strcmp(name, #call) == 0) {              \
        real_##call = (PFN_##call)real;          \
        return (PFN_vkVoidFunction)layer_##call; \
    }
    WATCHED(X)
    MAY_FAIL(X)
#undef X
    return real;
}

static PFN_vkVoidFunction VKAPI_CALL layer_device_call(VkDevice device, const char *name)
{
    return layer_replace(name, layer.device_call(device, name));
}

static PFN_vkVoidFunction VKAPI_CALL layer_instance_call(VkInstance instance, const char *name)
{
    PFN_vkVoidFunction real = layer.instance_call(instance, name);
    if (strcmp(name, "vkGetDeviceProcAddr") == 0 && real) {
        layer.device_call = (PFN_vkGetDeviceProcAddr)real;
        return (PFN_vkVoidFunction)layer_device_call;
    }
    return layer_replace(name, real);
}

/* From now on every device is seen through the layer. */
static void layer_install(void)
{
    VulkanInfo info[VULKAN_MOST_DEVICES];
    char why[256];
    if (layer.instance_call) return;
    if (!vulkan_list(info, why)) fail_msg("%s", why);
    layer.instance_call = vkGetInstanceProcAddr;
    vkGetInstanceProcAddr = layer_instance_call;
    volkLoadInstanceOnly(volkGetLoadedInstance());
}

static void layer_fail(const char *call, int at, VkResult with)
{
    layer.fail_call = call;
    layer.fail_at = at;
    layer.fail_with = with;
    layer.calls = layer.fails = layer.fail_behind = 0;
}

static void layer_expect_no_hazard(void)
{
    if (layer.hazards) fail_msg("%d hazards, the first: %s", layer.hazards, layer.first_hazard);
}

/* What `--device gpu` takes: one for all tests, since opening it compiles shaders, which takes a processor seconds. */
static Device vulkan_device;

static void vulkan_test_end(void) { device_close(&vulkan_device); }

static Device *vulkan_test_device(void)
{
    Err err = {0};
    layer_install();
    if (!vulkan_device.vulkan) {
        if (!device_open(&vulkan_device, "gpu", 0, &err)) fail_msg("%s", err.text);
        atexit(vulkan_test_end); /* validation layers have threads of their own, which end with the device */
    }
    return &vulkan_device;
}
