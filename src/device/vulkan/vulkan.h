/* The Vulkan engine: the same ops as compute shaders, on any GPU with Vulkan 1.2 and buffer device addresses. */
#ifndef LETHE_VULKAN_H
#define LETHE_VULKAN_H

#include "../../platform/embed.h"
#include "../../files/files.h"
#include "../device.h"

enum { VULKAN_MOST_DEVICES = 16 };
/* What the engine takes beside what is asked of it: scratch and staging memory, and the unused ends of a few blocks. */
enum { VULKAN_OWN_BYTES = 224 << 20 };

typedef struct VulkanInfo {
    char name[256], driver[256], kind[24]; /* kind: discrete, integrated, virtual, software */
    bool portability_subset;               /* its driver leaves something of Vulkan out, as MoltenVK does */
    char missing[128];                     /* why it cannot be used; empty: it can */
    uint64_t memory_bytes, free_bytes;     /* device-local heap; free_bytes 0: the driver does not say */
    uint64_t largest_bytes;                /* of one allocation */
    uint32_t group_threads, group_bytes;   /* the most of a workgroup: threads, shared memory */
    uint32_t processors; /* NVIDIA: streaming multiprocessors; AMD: compute units; 0: the driver does not say */
    bool software;
} VulkanInfo;

/* The devices that the Vulkan loader knows, in its order; returns how many. Without a loader 0, and `why` says so. */
int vulkan_list(VulkanInfo info[VULKAN_MOST_DEVICES], char why[256]);
/* Whether this process has loaded Vulkan, and so drivers and the threads that they start. */
bool vulkan_loaded(void);

extern const Embedded vulkan_shaders[OP_COUNT]; /* SPIR-V; see shaders.c */

typedef struct Vulkan Vulkan;
typedef struct VulkanBlock VulkanBlock;

bool vulkan_open(int number, Vulkan **out, Err *err); /* number: place in vulkan_list */
void vulkan_close(Vulkan *vk);
const VulkanInfo *vulkan_info(const Vulkan *vk);

/* Memory comes in blocks that belong to a list. Failures are kept: see vulkan_ok. */
void *vulkan_alloc(Vulkan *vk, VulkanBlock **list, size_t bytes);
void vulkan_free(Vulkan *vk, VulkanBlock **list);
void vulkan_write(Vulkan *vk, const void *to, const void *from, size_t bytes);
void vulkan_read(Vulkan *vk, void *to, const void *from, size_t bytes);
void vulkan_run(Vulkan *vk, Op op, const void *args);
/* From now on seconds[op] grows by what the device takes for each op, by its own clock; NULL ends that. */
void vulkan_profile(Vulkan *vk, double seconds[OP_COUNT]);
/* False after the first failure (device lost, out of memory); nothing is computed from then on. */
bool vulkan_ok(Vulkan *vk, Err *err);

#endif
