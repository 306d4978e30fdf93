/* Finding devices, and opening and closing one. */

static uint32_t vulkan_compute_family(VkPhysicalDevice physical)
{
    VkQueueFamilyProperties families[32];
    uint32_t count = COUNT(families);
    vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
    for (uint32_t i = 0; i < count; i++)
        if (families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) return i;
    return UINT32_MAX;
}

static bool vulkan_extends(const VkExtensionProperties *extensions, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(extensions[i].extensionName, name) == 0) return true;
    return false;
}

/* The specification wants it enabled where a device has it; its header keeps the name for beta versions. */
#define VULKAN_PORTABILITY_SUBSET "VK_KHR_portability_subset"

static void vulkan_describe(VkPhysicalDevice physical, VulkanInfo *info)
{
    VkExtensionProperties extensions[512];
    uint32_t count = COUNT(extensions);
    vkEnumerateDeviceExtensionProperties(physical, NULL, &count, extensions);
    VkPhysicalDeviceShaderSMBuiltinsPropertiesNV nvidia = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV};
    VkPhysicalDeviceShaderCorePropertiesAMD amd = {.sType =
                                                       VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_AMD};
    VkPhysicalDeviceMaintenance3Properties limits = {.sType =
                                                         VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
    if (vulkan_extends(extensions, count, VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME)) limits.pNext = &nvidia;
    if (vulkan_extends(extensions, count, VK_AMD_SHADER_CORE_PROPERTIES_EXTENSION_NAME)) limits.pNext = &amd;
    VkPhysicalDeviceDriverProperties driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
                                               .pNext = &limits};
    VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    VkPhysicalDeviceVulkan12Features features12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    VkPhysicalDeviceProperties plain;
    *info = (VulkanInfo){0};
    info->portability_subset = vulkan_extends(extensions, count, VULKAN_PORTABILITY_SUBSET);
    vkGetPhysicalDeviceProperties(physical, &plain);
    const bool version = plain.apiVersion >= VK_API_VERSION_1_2;
    if (version) {
        properties.pNext = &driver;
        features.pNext = &features12;
        vkGetPhysicalDeviceProperties2(physical, &properties);
        vkGetPhysicalDeviceFeatures2(physical, &features);
    }
    static const char *const kinds[] = {"other", "integrated", "discrete", "virtual", "software"};
    snprintf(info->name, sizeof info->name, "%s", plain.deviceName);
    snprintf(info->driver, sizeof info->driver, "%s%s%s", driver.driverName, driver.driverInfo[0] ? " " : "",
             driver.driverInfo);
    snprintf(info->kind, sizeof info->kind, "%s", kinds[plain.deviceType < COUNT(kinds) ? plain.deviceType : 0]);
    info->software = plain.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    info->largest_bytes = limits.maxMemoryAllocationSize;
    info->processors =
        nvidia.shaderSMCount + amd.shaderEngineCount * amd.shaderArraysPerEngineCount * amd.computeUnitsPerShaderArray;
    info->group_threads = plain.limits.maxComputeWorkGroupInvocations;
    info->group_bytes = plain.limits.maxComputeSharedMemorySize;
    if (!version)
        snprintf(info->missing, sizeof info->missing, "Vulkan %u.%u, but 1.2 is needed; a newer driver may have it",
                 VK_API_VERSION_MAJOR(plain.apiVersion), VK_API_VERSION_MINOR(plain.apiVersion));
    else if (!features12.bufferDeviceAddress)
        snprintf(info->missing, sizeof info->missing,
                 "the feature bufferDeviceAddress is missing; a newer driver may have it");
    else if (vulkan_compute_family(physical) == UINT32_MAX)
        snprintf(info->missing, sizeof info->missing, "it has no compute queue");
    else if (plain.limits.maxComputeWorkGroupInvocations < GROUP_LEAST_THREADS ||
             plain.limits.maxComputeSharedMemorySize < GROUP_LEAST_BYTES)
        snprintf(info->missing, sizeof info->missing,
                 "its workgroups have at most %u threads and %u bytes of shared memory; %d and %d are needed",
                 plain.limits.maxComputeWorkGroupInvocations, plain.limits.maxComputeSharedMemorySize,
                 GROUP_LEAST_THREADS, GROUP_LEAST_BYTES);

    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 memory = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    if (vulkan_extends(extensions, count, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME)) memory.pNext = &budget;
    vkGetPhysicalDeviceMemoryProperties2(physical, &memory);
    const VkPhysicalDeviceMemoryProperties *heaps = &memory.memoryProperties;
    for (uint32_t i = 0; i < heaps->memoryHeapCount; i++) {
        if (!(heaps->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) ||
            heaps->memoryHeaps[i].size < info->memory_bytes)
            continue;
        info->memory_bytes = heaps->memoryHeaps[i].size;
        if (memory.pNext)
            info->free_bytes =
                budget.heapBudget[i] > budget.heapUsage[i] ? budget.heapBudget[i] - budget.heapUsage[i] : 0;
    }
}

static bool vulkan_is_loaded;

bool vulkan_loaded(void) { return vulkan_is_loaded; }

/* A driver that leaves something of Vulkan out, as MoltenVK on Metal does, is shown only to those who ask for it. */
static VkResult vulkan_make_instance(VkInstance *instance)
{
    const char *const portability[] = {VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME};
    VkExtensionProperties extensions[256];
    uint32_t count = COUNT(extensions);
    if (vkEnumerateInstanceExtensionProperties(NULL, &count, extensions) < 0) count = 0;
    const bool asks = vulkan_extends(extensions, count, portability[0]);
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .pApplicationName = "lethe", .apiVersion = VK_API_VERSION_1_2};
    const VkInstanceCreateInfo create = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .flags = asks ? VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR : 0,
        .pApplicationInfo = &application,
        .enabledExtensionCount = asks,
        .ppEnabledExtensionNames = portability,
    };
    return vkCreateInstance(&create, NULL, instance);
}

/* The loader, an instance, and its devices: none when there is no loader or driver, and `why` says so. The instance
 * stays for as long as the process runs: drivers are slow to load, and leave memory behind when they are unloaded. */
static uint32_t vulkan_devices(VkPhysicalDevice devices[VULKAN_MOST_DEVICES], char why[256])
{
    static VkInstance instance;
    if (!vulkan_is_loaded) {
        const char *missing;
        const SysCall call = sys_vulkan(&missing);
        if (!call) {
            snprintf(why, 256, "%s", missing);
            return 0;
        }
        volkInitializeCustom((PFN_vkGetInstanceProcAddr)call);
        vulkan_is_loaded = true;
    }
    if (!instance) {
        const VkResult result = vulkan_make_instance(&instance);
        if (result != VK_SUCCESS) {
            instance = VK_NULL_HANDLE;
            snprintf(why, 256, "the Vulkan loader found no driver that works (%s)", vulkan_result(result));
            return 0;
        }
        volkLoadInstanceOnly(instance);
    }
    uint32_t count = VULKAN_MOST_DEVICES;
    snprintf(why, 256, "Vulkan has no device here");
    return vkEnumeratePhysicalDevices(instance, &count, devices) < 0 ? 0 : count;
}

int vulkan_list(VulkanInfo info[VULKAN_MOST_DEVICES], char why[256])
{
    VkPhysicalDevice devices[VULKAN_MOST_DEVICES];
    const uint32_t count = vulkan_devices(devices, why);
    for (uint32_t i = 0; i < count; i++) vulkan_describe(devices[i], &info[i]);
    return (int)count;
}

static bool vulkan_open_device(Vulkan *vk)
{
    const float priority = 1;
    vk->family = vulkan_compute_family(vk->physical);
    const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                           .queueFamilyIndex = vk->family,
                                           .queueCount = 1,
                                           .pQueuePriorities = &priority};
    const VkPhysicalDeviceVulkan12Features features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                                                       .bufferDeviceAddress = VK_TRUE};
    const char *const subset[] = {VULKAN_PORTABILITY_SUBSET};
    const VkDeviceCreateInfo create = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                       .pNext = &features,
                                       .enabledExtensionCount = vk->info.portability_subset,
                                       .ppEnabledExtensionNames = subset,
                                       .queueCreateInfoCount = 1,
                                       .pQueueCreateInfos = &queue};
    if (!vulkan_good(vk, vkCreateDevice(vk->physical, &create, NULL, &vk->device), "opening the device")) return false;
    volkLoadDeviceTable(&vk->call, vk->device);
    vk->call.vkGetDeviceQueue(vk->device, vk->family, 0, &vk->queue);
    vkGetPhysicalDeviceMemoryProperties(vk->physical, &vk->memory);
    vkGetPhysicalDeviceProperties(vk->physical, &vk->properties);
    VkQueueFamilyProperties families[32];
    uint32_t count = COUNT(families);
    vkGetPhysicalDeviceQueueFamilyProperties(vk->physical, &count, families);
    vk->tuning = tuning_of(&vk->properties, vk->info.processors);
    if (families[vk->family].timestampValidBits == 64)
        vk->tick_seconds = (double)vk->properties.limits.timestampPeriod * 1e-9;
    return true;
}

static bool vulkan_open_slots(Vulkan *vk)
{
    const VkCommandPoolCreateInfo create = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                            .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT |
                                                     VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
                                            .queueFamilyIndex = vk->family};
    if (!vulkan_good(vk, vk->call.vkCreateCommandPool(vk->device, &create, NULL, &vk->pool), "a command pool"))
        return false;
    for (int i = 0; i < VULKAN_SLOTS; i++) {
        VulkanSlot *slot = &vk->slots[i];
        const VkCommandBufferAllocateInfo commands = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = vk->pool, .commandBufferCount = 1};
        const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
        const VkQueryPoolCreateInfo times = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                             .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                             .queryCount = 2 + VULKAN_MARKS};
        if (!vulkan_good(vk, vk->call.vkAllocateCommandBuffers(vk->device, &commands, &slot->commands),
                         "a command buffer") ||
            !vulkan_good(vk, vk->call.vkCreateFence(vk->device, &fence, NULL, &slot->fence), "a fence") ||
            !vulkan_good(vk, vk->call.vkCreateQueryPool(vk->device, &times, NULL, &slot->times), "timestamps") ||
            !vulkan_good(vk, block_open(vk, &slot->staging, VULKAN_STAGING_BYTES, false, &slot->host),
                         "staging memory"))
            return false;
    }
    return vulkan_good(vk, block_open(vk, &vk->readback, VULKAN_STAGING_BYTES, true, &vk->readback_host),
                       "staging memory");
}

static bool vulkan_open_shaders(Vulkan *vk)
{
    const VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0, 128};
    const VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                               .pushConstantRangeCount = 1,
                                               .pPushConstantRanges = &range};
    if (!vulkan_good(vk, vk->call.vkCreatePipelineLayout(vk->device, &layout, NULL, &vk->layout), "a pipeline layout"))
        return false;
    for (int op = 0; op < OP_COUNT; op++) {
        const VkShaderModuleCreateInfo module = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                                 .codeSize = *vulkan_shaders[op].size,
                                                 .pCode = (const uint32_t *)(const void *)vulkan_shaders[op].at};
        if (!vulkan_good(vk, vk->call.vkCreateShaderModule(vk->device, &module, NULL, &vk->modules[op]), op_names[op]))
            return false;
    }
    return pipeline_cache_open(vk);
}

bool vulkan_open(int number, Vulkan **out, Err *err)
{
    VkPhysicalDevice devices[VULKAN_MOST_DEVICES];
    char why[256];
    const uint32_t count = vulkan_devices(devices, why);
    Arena arena = {0};
    Vulkan *vk = arena_new(&arena, Vulkan, 1);
    vk->arena = arena;
    bool ok = true;
    if (!count)
        ok = fail(err, "%s; --device cpu needs none", why);
    else if (number >= (int)count)
        ok = fail(err, "there is no GPU %d: Vulkan has %u %s here (lethe devices lists them)", number, count,
                  plural(count, "device", "devices"));
    if (ok) {
        vk->physical = devices[number];
        vulkan_describe(vk->physical, &vk->info);
        if (vk->info.missing[0]) ok = fail(err, "%s: %s", vk->info.name, vk->info.missing);
    }
    vk->submit_work = 2e9; /* until the first have been timed */
    vk->separate = getenv("LETHE_VULKAN_SEPARATE") != NULL;
    ok = ok && ((vulkan_open_device(vk) && vulkan_open_slots(vk) && vulkan_open_shaders(vk)) || vulkan_ok(vk, err));
    if (!ok) {
        vulkan_close(vk);
        return false;
    }
    *out = vk;
    return true;
}

void vulkan_close(Vulkan *vk)
{
    if (vk->device) {
        vulkan_free(vk, &vk->scratch);
        vk->call.vkDeviceWaitIdle(vk->device);
        pipeline_cache_keep(vk);
        for (int i = 0; i < vk->pipeline_count; i++)
            vk->call.vkDestroyPipeline(vk->device, vk->pipelines[i].pipeline, NULL);
        for (int op = 0; op < OP_COUNT; op++) vk->call.vkDestroyShaderModule(vk->device, vk->modules[op], NULL);
        for (int i = 0; i < VULKAN_SLOTS; i++) {
            vk->call.vkDestroyFence(vk->device, vk->slots[i].fence, NULL);
            vk->call.vkDestroyQueryPool(vk->device, vk->slots[i].times, NULL);
            block_close(vk, &vk->slots[i].staging);
        }
        block_close(vk, &vk->readback);
        vk->call.vkDestroyCommandPool(vk->device, vk->pool, NULL);
        vk->call.vkDestroyPipelineLayout(vk->device, vk->layout, NULL);
        vk->call.vkDestroyPipelineCache(vk->device, vk->cache, NULL);
        vk->call.vkDestroyDevice(vk->device, NULL);
    }
    Arena arena = vk->arena;
    arena_free(&arena);
}

const VulkanInfo *vulkan_info(const Vulkan *vk) { return &vk->info; }
