/* The engine: memory, recorded commands, and the ops they run. */
#include "vulkan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <volk.h>

/* ---- What the engine holds ---- */

/* A buffer with memory of its own, from which allocations are cut in order. */
struct VulkanBlock {
    VulkanBlock *next_in_list, *next; /* of its arena; of all */
    VkBuffer buffer;
    VkDeviceMemory memory;
    uintptr_t address;
    size_t size, used;
};

/* One command buffer of a ring. While the device works on one, the next is recorded. */
enum { VULKAN_SLOTS = 4, VULKAN_STAGING_BYTES = 4 << 20, VULKAN_IN_FLIGHT = 128, VULKAN_PIPELINES = 1024 };
enum { VULKAN_MARKS = 510 }; /* dispatches of a submission that can be timed; see vulkan_profile */
typedef struct VulkanSlot {
    VkCommandBuffer commands;
    VkFence fence;
    VkQueryPool times;
    VulkanBlock staging;
    char *host; /* of the staging buffer */
    size_t staged;
    double work;
    int marks; /* timed dispatches, and their ops */
    Op marked[VULKAN_MARKS];
    bool recording, submitted;
} VulkanSlot;

typedef struct VulkanPipeline {
    Op op;
    uint32_t spec[SPEC_MOST];
    VkPipeline pipeline;
} VulkanPipeline;

struct Vulkan {
    Arena arena;
    VulkanInfo info;
    Err failure;
    VkPhysicalDevice physical;
    VkDevice device;
    struct VolkDeviceTable call;
    VkQueue queue;
    uint32_t family;
    VkPhysicalDeviceMemoryProperties memory;
    VkPhysicalDeviceProperties properties;
    VkCommandPool pool;
    VkPipelineLayout layout;
    VkPipelineCache cache;
    const char *cache_path; /* NULL: it is not kept */
    size_t cache_bytes;     /* as it was read */
    VkShaderModule modules[OP_COUNT];
    VulkanPipeline pipelines[VULKAN_PIPELINES];
    int pipeline_count;
    VulkanBlock *blocks;
    VulkanSlot slots[VULKAN_SLOTS];
    int slot;
    VulkanBlock readback;
    char *readback_host;
    Range in_flight[VULKAN_IN_FLIGHT]; /* since the last barrier */
    int in_flight_count;
    VulkanBlock *scratch; /* a ring; see vulkan_scratch */
    f32p scratch_at;
    size_t scratch_floats, scratch_used;
    Tuning tuning;
    double tick_seconds; /* of a timestamp; 0: there are none */
    double submit_work;  /* how much work goes into one submission */
    bool separate;       /* a buffer for each allocation: for the validation layers */
    double *profile;     /* seconds of each op; NULL: dispatches are not timed */
};

/* ---- Errors ---- */

static const char *vulkan_result(VkResult result)
{
    switch ((int)result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY: return "out of host memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: return "out of device memory";
    case VK_ERROR_DEVICE_LOST: return "the device was lost (driver reset, or taken away)";
    case VK_ERROR_INITIALIZATION_FAILED: return "initialisation failed";
    case VK_ERROR_INCOMPATIBLE_DRIVER: return "no driver";
    default: return "an error of the driver";
    }
}

/* Keeps the first failure. */
static bool vulkan_good(Vulkan *vk, VkResult result, const char *what)
{
    if (result == VK_SUCCESS) return true;
    if (!vk->failure.code)
        fail(&vk->failure,
             "%s: %s: %s (VkResult %d); results so far are on disk; use --device cpu to run without a GPU",
             vk->info.name, what, vulkan_result(result), (int)result);
    return false;
}

bool vulkan_ok(Vulkan *vk, Err *err)
{
    if (!vk->failure.code) return true;
    return fail(err, "%s", vk->failure.text);
}

/* ---- Submissions ---- */

/* How much work goes into a submission: what takes about 30 ms, since watchdogs reset a device after 2 s. A short one
 * says nothing of the device's speed, mostly of what every submission costs; but a full one that was short says that
 * more can go into it. */
static void slot_learn(Vulkan *vk, double work, double seconds)
{
    const double most = seconds > 0.005 ? work / seconds * 0.03 : work > 0.5 * vk->submit_work ? INFINITY : 0;
    if (most > 0) vk->submit_work = fmin(most, 2 * vk->submit_work);
}

static bool slot_wait(Vulkan *vk, VulkanSlot *slot)
{
    if (!slot->submitted) return true;
    slot->submitted = false;
    if (!vulkan_good(vk, vk->call.vkWaitForFences(vk->device, 1, &slot->fence, VK_TRUE, UINT64_MAX),
                     "waiting for the device"))
        return false;
    uint64_t times[2 + VULKAN_MARKS]; /* its begin, its end, the end of each dispatch that was marked */
    const uint32_t count = 2 + (uint32_t)slot->marks;
    if (vk->tick_seconds == 0 ||
        vk->call.vkGetQueryPoolResults(vk->device, slot->times, 0, count, count * sizeof *times, times, sizeof *times,
                                       VK_QUERY_RESULT_64_BIT) != VK_SUCCESS)
        return true;
    slot_learn(vk, slot->work, times[1] > times[0] ? (double)(times[1] - times[0]) * vk->tick_seconds : 0);
    for (int i = 0; i < slot->marks; i++) {
        const uint64_t before = times[i ? 1 + i : 0], after = times[2 + i];
        if (after > before) vk->profile[slot->marked[i]] += (double)(after - before) * vk->tick_seconds;
    }
    return true;
}

/* The slot that is being recorded. NULL after a failure. */
static VulkanSlot *slot_open(Vulkan *vk)
{
    VulkanSlot *slot = &vk->slots[vk->slot];
    if (vk->failure.code) return NULL;
    if (slot->recording) return slot;
    if (!slot_wait(vk, slot)) return NULL;
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                            .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    if (!vulkan_good(vk, vk->call.vkResetFences(vk->device, 1, &slot->fence), "resetting a fence") ||
        !vulkan_good(vk, vk->call.vkBeginCommandBuffer(slot->commands, &begin), "recording"))
        return NULL;
    if (vk->tick_seconds > 0) {
        vk->call.vkCmdResetQueryPool(slot->commands, slot->times, 0, vk->profile ? 2 + VULKAN_MARKS : 2);
        vk->call.vkCmdWriteTimestamp(slot->commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, slot->times, 0);
    }
    slot->recording = true;
    slot->staged = 0;
    slot->work = 0;
    slot->marks = 0;
    return slot;
}

static void slot_submit(Vulkan *vk)
{
    VulkanSlot *slot = &vk->slots[vk->slot];
    if (!slot->recording || vk->failure.code) return;
    if (vk->tick_seconds > 0)
        vk->call.vkCmdWriteTimestamp(slot->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, slot->times, 1);
    slot->recording = false;
    const VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &slot->commands};
    if (!vulkan_good(vk, vk->call.vkEndCommandBuffer(slot->commands), "recording") ||
        !vulkan_good(vk, vk->call.vkQueueSubmit(vk->queue, 1, &submit, slot->fence), "submitting work"))
        return;
    slot->submitted = true;
    vk->slot = (vk->slot + 1) % VULKAN_SLOTS;
}

static void vulkan_finish(Vulkan *vk)
{
    slot_submit(vk);
    for (int i = 0; i < VULKAN_SLOTS; i++) slot_wait(vk, &vk->slots[i]);
}

/* Keeps for which op the device has worked since the mark before; slot: the op's dispatch was its latest command. */
static void slot_mark(Vulkan *vk, VulkanSlot *slot, Op op)
{
    if (!vk->profile || vk->tick_seconds == 0) return;
    vk->call.vkCmdWriteTimestamp(slot->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, slot->times,
                                 2 + (uint32_t)slot->marks);
    slot->marked[slot->marks++] = op;
    if (slot->marks == VULKAN_MARKS) slot_submit(vk);
}

void vulkan_profile(Vulkan *vk, double seconds[OP_COUNT])
{
    vulkan_finish(vk);
    vk->profile = seconds;
}

/* ---- Barriers ---- */

static void vulkan_barrier(Vulkan *vk, VulkanSlot *slot)
{
    const VkMemoryBarrier memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                    .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
                                    .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                                                     VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT};
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    vk->call.vkCmdPipelineBarrier(slot->commands, stages, stages, 0, 1, &memory, 0, NULL, 0, NULL);
    vk->in_flight_count = 0;
}

static VulkanBlock *vulkan_find(Vulkan *vk, const void *address)
{
    const uintptr_t at = (uintptr_t)address;
    for (VulkanBlock *b = vk->blocks; b; b = b->next)
        if (at >= b->address && at < b->address + b->size) return b;
    return NULL;
}

static bool range_conflicts(const Range *a, const Range *b)
{
    return (a->write || b->write) && a->begin < b->end && b->begin < a->end;
}

/* Orders what is recorded next, which touches these ranges, after what it must not overtake. NULL after a failure,
 * else the slot that is being recorded. */
static VulkanSlot *vulkan_order(Vulkan *vk, Ranges *ranges)
{
    VulkanSlot *slot = slot_open(vk);
    if (!slot) return NULL;
    bool conflict = vk->in_flight_count + ranges->count > VULKAN_IN_FLIGHT;
    for (int i = 0; i < ranges->count; i++) {
        Range *range = &ranges->at[i];
        const VulkanBlock *block = vulkan_find(vk, (void *)range->begin);
        ASSERT(block); /* memory that is no longer there */
        if (range->end == UINTPTR_MAX) range->end = block->address + block->size;
        ASSERT(range->end <= block->address + block->size);
        for (int k = 0; k < vk->in_flight_count && !conflict; k++) conflict = range_conflicts(range, &vk->in_flight[k]);
    }
    if (conflict) vulkan_barrier(vk, slot);
    for (int i = 0; i < ranges->count; i++) vk->in_flight[vk->in_flight_count++] = ranges->at[i];
    return slot;
}

/* ---- Memory ---- */

static bool memory_type(const Vulkan *vk, uint32_t allowed, VkMemoryPropertyFlags wanted, uint32_t *type)
{
    for (*type = 0; *type < vk->memory.memoryTypeCount; ++*type)
        if (allowed >> *type & 1 && (vk->memory.memoryTypes[*type].propertyFlags & wanted) == wanted) return true;
    return false;
}

static void block_close(Vulkan *vk, VulkanBlock *block)
{
    vk->call.vkDestroyBuffer(vk->device, block->buffer, NULL);
    vk->call.vkFreeMemory(vk->device, block->memory, NULL);
    *block = (VulkanBlock){0}; /* closing it again does nothing */
}

/* host: NULL for memory of the device alone, or receives where the host sees it. */
static VkResult block_open(Vulkan *vk, VulkanBlock *block, size_t size, bool cached, char **host)
{
    const VkMemoryPropertyFlags visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const VkBufferCreateInfo buffer = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                 (host ? 0 : VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT)};
    *block = (VulkanBlock){.size = size};
    VkResult result = vk->call.vkCreateBuffer(vk->device, &buffer, NULL, &block->buffer);
    if (result != VK_SUCCESS) return result;
    VkMemoryRequirements need;
    vk->call.vkGetBufferMemoryRequirements(vk->device, block->buffer, &need);
    const VkMemoryAllocateFlagsInfo flags = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                             .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
    VkMemoryAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .pNext = host ? NULL : &flags, .allocationSize = need.size};
    uint32_t *type = &allocate.memoryTypeIndex;
    if (host ? !(cached && memory_type(vk, need.memoryTypeBits, visible | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, type)) &&
                   !memory_type(vk, need.memoryTypeBits, visible, type)
             : !memory_type(vk, need.memoryTypeBits, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, type))
        result = VK_ERROR_FEATURE_NOT_PRESENT;
    if (result == VK_SUCCESS) result = vk->call.vkAllocateMemory(vk->device, &allocate, NULL, &block->memory);
    if (result == VK_SUCCESS) result = vk->call.vkBindBufferMemory(vk->device, block->buffer, block->memory, 0);
    if (result == VK_SUCCESS && host)
        result = vk->call.vkMapMemory(vk->device, block->memory, 0, VK_WHOLE_SIZE, 0, (void **)host);
    if (result != VK_SUCCESS) {
        block_close(vk, block);
        return result;
    }
    const VkBufferDeviceAddressInfo address = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
                                               .buffer = block->buffer};
    if (!host) block->address = (uintptr_t)vk->call.vkGetBufferDeviceAddress(vk->device, &address);
    return VK_SUCCESS;
}

/* A list's first block is small, and each is twice as large as the one before, up to a limit: all of it is zeroed, and
 * the self-test's lists are short. */
enum { VULKAN_BLOCK_LEAST_BYTES = 1 << 20, VULKAN_BLOCK_MOST_BYTES = 32 << 20, VULKAN_ALIGN = 256 };

static size_t block_bytes(const VulkanBlock *last)
{
    if (!last) return VULKAN_BLOCK_LEAST_BYTES;
    return last->size < VULKAN_BLOCK_MOST_BYTES / 2 ? 2 * last->size : VULKAN_BLOCK_MOST_BYTES;
}

void *vulkan_alloc(Vulkan *vk, VulkanBlock **list, size_t bytes)
{
    static char nowhere[VULKAN_ALIGN]; /* stands for memory after a failure: nothing runs any more */
    VulkanBlock *block = *list;
    const size_t size =
        (bytes + VULKAN_ALIGN) / VULKAN_ALIGN * VULKAN_ALIGN; /* at least one byte more: no two are neighbours */
    if (vk->failure.code) return nowhere;
    if (!block || vk->separate || block->size - block->used < size) {
        const size_t usual = block_bytes(block), whole = size > usual || vk->separate ? size : usual;
        block = memory_need(NULL, sizeof *block);
        const VkResult result =
            whole > vk->info.largest_bytes ? VK_ERROR_OUT_OF_DEVICE_MEMORY : block_open(vk, block, whole, false, NULL);
        if (result != VK_SUCCESS) {
            free(block);
            Arena arena = {0};
            fail(&vk->failure,
                 "%s: no room for %s more (%s); a smaller --batch-size or --max-length, LoRA, or --device cpu needs "
                 "less",
                 vk->info.name, format_gigabytes(&arena, (double)whole, 2), vulkan_result(result));
            arena_free(&arena);
            return nowhere;
        }
        block->next_in_list = *list;
        block->next = vk->blocks;
        *list = vk->blocks = block;
        Ranges ranges = {.at = {{block->address, block->address + block->size, true}}, .count = 1};
        VulkanSlot *slot = vulkan_order(vk, &ranges);
        if (!slot) return nowhere;
        vk->call.vkCmdFillBuffer(slot->commands, block->buffer, 0, VK_WHOLE_SIZE, 0);
    }
    void *at = (void *)(block->address + block->used);
    block->used += size;
    return at;
}

void vulkan_free(Vulkan *vk, VulkanBlock **list)
{
    if (*list) vulkan_finish(vk);
    for (VulkanBlock *block = *list, *next; block; block = next) {
        VulkanBlock **link = &vk->blocks;
        int kept = 0;
        for (int i = 0; i < vk->in_flight_count; i++) /* other memory's writes are done, but may still be in a cache */
            if (vulkan_find(vk, (void *)vk->in_flight[i].begin) != block) vk->in_flight[kept++] = vk->in_flight[i];
        vk->in_flight_count = kept;
        next = block->next_in_list;
        while (*link != block) link = &(*link)->next;
        *link = block->next;
        block_close(vk, block);
        free(block);
    }
    *list = NULL;
}

void vulkan_write(Vulkan *vk, const void *to, const void *from, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        VulkanSlot *slot = slot_open(vk);
        if (!slot) return;
        if (slot->staged == VULKAN_STAGING_BYTES) {
            slot_submit(vk);
            continue;
        }
        const size_t room = VULKAN_STAGING_BYTES - slot->staged, part = bytes - done < room ? bytes - done : room;
        const uintptr_t at = (uintptr_t)to + done;
        Ranges ranges = {.at = {{at, at + part, true}}, .count = 1};
        vulkan_order(vk, &ranges);
        const VulkanBlock *block = vulkan_find(vk, (void *)at);
        memcpy(slot->host + slot->staged, (const char *)from + done, part);
        const VkBufferCopy copy = {slot->staged, at - block->address, part};
        vk->call.vkCmdCopyBuffer(slot->commands, slot->staging.buffer, block->buffer, 1, &copy);
        slot->staged += least_size(ceil_div(part, 16) * 16, room);
        done += part;
    }
}

void vulkan_read(Vulkan *vk, void *to, const void *from, size_t bytes)
{
    for (size_t done = 0, part; done < bytes; done += part) {
        const uintptr_t at = (uintptr_t)from + done;
        part = bytes - done < VULKAN_STAGING_BYTES ? bytes - done : VULKAN_STAGING_BYTES;
        Ranges ranges = {.at = {{at, at + part, false}}, .count = 1};
        VulkanSlot *slot = vulkan_order(vk, &ranges);
        memset((char *)to + done, 0, part);
        if (!slot) continue;
        const VulkanBlock *block = vulkan_find(vk, (void *)at);
        const VkBufferCopy copy = {at - block->address, 0, part};
        vk->call.vkCmdCopyBuffer(slot->commands, block->buffer, vk->readback.buffer, 1, &copy);
        const VkMemoryBarrier memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
                                        .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
        vk->call.vkCmdPipelineBarrier(slot->commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
                                      &memory, 0, NULL, 0, NULL);
        vulkan_finish(vk);
        if (!vk->failure.code) memcpy((char *)to + done, vk->readback_host, part);
    }
}

/* ---- Ops ---- */

static VkPipeline vulkan_pipeline(Vulkan *vk, Op op, const Grid *grid)
{
    for (int i = 0; i < vk->pipeline_count; i++)
        if (vk->pipelines[i].op == op && memcmp(vk->pipelines[i].spec, grid->spec, sizeof grid->spec) == 0)
            return vk->pipelines[i].pipeline;
    VulkanPipeline *new = &vk->pipelines[vk->pipeline_count];
    if (vk->pipeline_count == VULKAN_PIPELINES)
        return vulkan_good(vk, VK_ERROR_UNKNOWN, "too many pipelines"), VK_NULL_HANDLE;
    VkSpecializationMapEntry entries[SPEC_MOST];
    for (uint32_t i = 0; i < SPEC_MOST; i++) entries[i] = (VkSpecializationMapEntry){i, 4 * i, 4};
    const VkSpecializationInfo special = {grid->spec_count, entries, sizeof grid->spec, grid->spec};
    const VkComputePipelineCreateInfo create = {.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
                                                .layout = vk->layout,
                                                .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                                                          .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                                                          .module = vk->modules[op],
                                                          .pName = "main",
                                                          .pSpecializationInfo = grid->spec_count ? &special : NULL}};
    *new = (VulkanPipeline){.op = op};
    memcpy(new->spec, grid->spec, sizeof new->spec);
    if (!vulkan_good(vk, vk->call.vkCreateComputePipelines(vk->device, vk->cache, 1, &create, NULL, &new->pipeline),
                     op_names[op]))
        return VK_NULL_HANDLE;
    vk->pipeline_count++;
    return new->pipeline;
}

static const uint32_t vulkan_args_bytes[OP_COUNT] = {
#define X(op) sizeof(struct op##_args),
    OPS(X)
#undef X
};

/* Records the workgroups of one op, in as many dispatches and submissions as keep each short. */
static void vulkan_dispatch(Vulkan *vk, Op op, const void *args, VulkanOwn own, const Grid *grid)
{
    VulkanPush push = {.own = own, .all_groups = grid->groups};
    memcpy(push.args, args, vulkan_args_bytes[op]);
    const double pieces = ceil(grid->work / vk->submit_work);
    const uint32_t count = pieces > 1 ? (uint32_t)ceil(grid->groups / pieces) : grid->groups;
    for (uint32_t rest = grid->groups, now; rest > 0; rest -= now, push.first_group += now) {
        now = rest < count ? rest : count;
        const double work = grid->work * now / grid->groups;
        VulkanSlot *slot = slot_open(vk);
        if (slot && slot->work > 0 && slot->work + work > vk->submit_work) {
            slot_submit(vk);
            slot = slot_open(vk);
        }
        const VkPipeline pipeline = slot ? vulkan_pipeline(vk, op, grid) : VK_NULL_HANDLE;
        if (!pipeline) return;
        vk->call.vkCmdBindPipeline(slot->commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
        vk->call.vkCmdPushConstants(slot->commands, vk->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof push, &push);
        vk->call.vkCmdDispatch(slot->commands, now, 1, 1);
        slot->work += work;
        slot_mark(vk, slot, op);
    }
}

/* Memory for what one op leaves to the next; twice as much, where that is not too much, lets two of them go on at once.
 */
static f32p vulkan_scratch(Vulkan *vk, size_t floats)
{
    const size_t need = ceil_div(floats, 64) * 64, wanted = 2 * need * sizeof(f32);
    size_t bytes = vk->scratch_floats * sizeof(f32);
    if (bytes < need * sizeof(f32) || (bytes < wanted && bytes < SCRATCH_BYTES)) {
        for (bytes = 1 << 20; bytes < wanted && bytes < SCRATCH_BYTES; bytes *= 2) {
        }
        if (bytes < need * sizeof(f32)) bytes = need * sizeof(f32);
        vulkan_free(vk, &vk->scratch);
        vk->scratch_at = vulkan_alloc(vk, &vk->scratch, bytes);
        vk->scratch_floats = bytes / sizeof(f32);
        vk->scratch_used = 0;
    }
    if (vk->scratch_used + need > vk->scratch_floats) vk->scratch_used = 0;
    vk->scratch_used += need;
    return vk->scratch_at + vk->scratch_used - need;
}

/* One of an op's dispatches, after what it must not overtake. */
static void vulkan_pass(Vulkan *vk, Op op, const void *args, VulkanOwn own, const Grid *grid)
{
    Ranges ranges;
    pass_ranges(op, args, own, &ranges);
    if (vulkan_order(vk, &ranges)) vulkan_dispatch(vk, op, args, own, grid);
}

/* Products whose k is cut into parts: each part is a product of its own in scratch memory, and then they are added up,
 * in their order. */
static void vulkan_run_gemm(Vulkan *vk, const struct gemm_args *a, const Grid *grid)
{
    const size_t numbers = ((size_t)a->more + 1) * a->m * a->n;
    struct gemm_args product = *a;
    if (grid->parts > 1) product.c = vulkan_scratch(vk, grid->parts * numbers);
    vulkan_pass(vk, OP_gemm, &product, (VulkanOwn){.k_parts = grid->parts}, grid);
    if (grid->parts > 1)
        vulkan_run(vk, OP_column_sum,
                   &(struct column_sum_args){
                       .x = product.c, .y = a->c, .rows = grid->parts, .cols = (u32)numbers, .ld = (u32)numbers});
}

/* How many of the examples are taken at a time: as many as have room for their weights, in rounds of one size. */
static uint32_t attention_round(uint32_t examples, size_t floats)
{
    const size_t fit = floats ? SCRATCH_BYTES / sizeof(f32) / floats : examples;
    const uint32_t most = fit ? (uint32_t)(fit < examples ? fit : examples) : 1;
    const uint32_t rounds = (examples + most - 1) / most;
    return (examples + rounds - 1) / rounds;
}

static void vulkan_run_attention_grad(Vulkan *vk, const struct attention_grad_args *a)
{
    const size_t floats = attention_weights(a->heads, a->longest, a->first_only);
    const uint32_t each = attention_round(a->examples, floats);
    for (uint32_t e = 0; e < a->examples; e += each) {
        const size_t rows = a->first_only ? e : 0; /* else offsets say where an example's rows are */
        const size_t width = (size_t)a->heads * a->head_dim;
        struct attention_grad_args part = *a;
        part.offsets += e;
        part.examples = a->examples - e < each ? a->examples - e : each;
        part.q += rows * a->ldq, part.dq += rows * a->ldq;
        part.context += rows * width, part.dcontext += rows * width, part.lse += rows * a->heads;
        const VulkanOwn own = {.weights = vulkan_scratch(vk, part.examples * floats)};
        for (int keys = 0; keys < 2; keys++) {
            const Grid grid = attention_pass_grid(&part, keys, &vk->tuning);
            vulkan_pass(vk, OP_attention_grad, &part, own, &grid);
        }
    }
}

static void vulkan_run_relative_attention_grad(Vulkan *vk, const struct relative_attention_grad_args *a)
{
    const size_t floats = attention_weights(a->heads, a->longest, a->first_only);
    const uint32_t each = attention_round(a->examples, floats);
    for (uint32_t e = 0; e < a->examples; e += each) {
        const size_t rows = a->first_only ? e : 0, width = (size_t)a->heads * a->head_dim;
        struct relative_attention_grad_args part = *a;
        part.offsets += e;
        part.examples = a->examples - e < each ? a->examples - e : each;
        part.context += rows * width, part.dcontext += rows * width, part.lse += rows * a->heads;
        const VulkanOwn own = {.weights = vulkan_scratch(vk, part.examples * floats)};
        for (int keys = 0; keys < 2; keys++) {
            const Grid grid = relative_attention_pass_grid(&part, keys, &vk->tuning);
            vulkan_pass(vk, OP_relative_attention_grad, &part, own, &grid);
        }
    }
}

static void vulkan_run_local_grad(Vulkan *vk, const struct attention_local_grad_args *a)
{
    const size_t floats = local_weights(a), fit = floats ? SCRATCH_BYTES / sizeof(f32) / floats : a->examples;
    const uint32_t most = fit ? (uint32_t)(fit < a->examples ? fit : a->examples) : 1;
    const uint32_t rounds = (a->examples + most - 1) / most, each = (a->examples + rounds - 1) / rounds;
    for (uint32_t e = 0; e < a->examples; e += each) {
        struct attention_local_grad_args part = *a;
        part.offsets += e;
        part.examples = a->examples - e < each ? a->examples - e : each;
        const VulkanOwn own = {.weights = vulkan_scratch(vk, part.examples * floats)};
        for (int keys = 0; keys < 2; keys++) {
            const Grid grid = local_pass_grid(&part, keys, &vk->tuning);
            vulkan_pass(vk, OP_attention_local_grad, &part, own, &grid);
        }
    }
}

void vulkan_run(Vulkan *vk, Op op, const void *args)
{
    const Grid grid = op_grid(op, args, &vk->tuning);
    if (!grid.groups) return;
    if (op == OP_gemm)
        vulkan_run_gemm(vk, args, &grid);
    else if (op == OP_attention_grad)
        vulkan_run_attention_grad(vk, args);
    else if (op == OP_relative_attention_grad)
        vulkan_run_relative_attention_grad(vk, args);
    else if (op == OP_attention_local_grad)
        vulkan_run_local_grad(vk, args);
    else
        vulkan_pass(vk, op, args, (VulkanOwn){0}, &grid);
}
