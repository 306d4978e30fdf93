/* device: the two engines that run ops, on the CPU and through Vulkan. The CPU engine's plain versions are the oracle
 * for all others.
 *
 * Pointers of type f32p and u32p that come from device_f32 and device_u32 belong to the device: only ops, device_write
 * and device_read may touch what they point at. Ops take effect in the order in which they are given; nothing waits for
 * them except device_read. */
#ifndef LETHE_DEVICE_H
#define LETHE_DEVICE_H

#include "../base/base.h"
#include "../../shaders/ops.h"

typedef enum Op {
#define X(op) OP_##op,
    OPS(X)
#undef X
        OP_COUNT
} Op;

typedef struct Device {
    char name[256];                       /* for people and for results.jsonl */
    char engine[256];                     /* its name without what does not change a bit of the results */
    void (*const *ops)(const void *args); /* the CPU engine's table; null on a GPU */
    struct Vulkan *vulkan;                /* null on the CPU */
    struct OpTimes *profile;              /* see device_profile */
} Device;

/* what: "auto", "cpu", "gpu", "gpu:N"; "plain" is the CPU engine's plain versions, for tests. threads: 0 chooses. */
bool device_open(Device *device, const char *what, int threads, Err *err);
void device_close(Device *device);
/* A GPU can fail at any time. From then on nothing is computed and device_read gives zeros: to be asked before results
 * are used. */
bool device_ok(Device *device, Err *err);

/* Bytes that can still be taken from the device. */
uint64_t device_memory_bytes(const Device *device);
/* Whether memory that is never touched costs nothing: so it is on the CPU. */
bool device_memory_is_lazy(const Device *device);

/* Memory of one lifetime on a device; zeroed, 256-byte aligned. A zeroed DeviceArena is empty and ready. */
typedef struct DeviceArena {
    Device *device;
    Arena host;
    struct VulkanBlock *blocks;
} DeviceArena;
f32p device_f32(DeviceArena *arena, size_t count);
u32p device_u32(DeviceArena *arena, size_t count);
void device_arena_free(DeviceArena *arena);

void device_write(Device *device, void *to, const void *from, size_t bytes); /* to: device memory */
void device_read(Device *device, void *to, const void *from, size_t bytes);  /* from: device memory */

void device_run(Device *device, Op op, const void *args);
#ifdef LETHE_CHECK_INDICES
/* What is out of range among an op's indices, or overlaps, or NULL: see check.c. The text lives until the next call. */
const char *op_index_problem(Op op, const void *args);
#endif
/* RUN(device, gelu, .x = x, .y = y, .n = n): fields not named are 0. */
#define RUN(device, op, ...) device_run((device), OP_##op, &(struct op##_args){__VA_ARGS__})

extern const char *const op_names[OP_COUNT];

/* What ops.h says of one argument of an op. */
typedef struct OpArg {
    const char *name;
    uint8_t offset;     /* in the op's struct */
    bool pointer;       /* to device memory; else a number itself */
    bool whole;         /* u32, else f32 */
    bool read, written; /* what it points at */
    const char *over;   /* the input that it may be, too; NULL: none */
} OpArg;
/* In the order of ops.h; the last one has no name. */
const OpArg *op_args(Op op);
void *op_pointer(const OpArg *arg, const void *args); /* the value of one that is a pointer */
/* "gemm m=16 n=1 k=256 ... bias=null", for people: the op, its numbers, and the pointers that are null or the same as
 * one before them ("y=x"). */
enum { OP_TEXT = 400 };
void op_text(Op op, const void *args, char text[OP_TEXT]);

/* What ops have cost; a GPU's seconds are by its own clock, 0 where it has none. */
typedef struct OpTimes {
    double seconds[OP_COUNT], flops; /* flops: floating-point operations of the products */
    uint64_t calls[OP_COUNT];
} OpTimes;
/* From now on all ops add to `times`; NULL ends that. Waits for what was given before. */
void device_profile(Device *device, OpTimes *times);

/* What AdamW's decay multiplies a weight by: 1 - lr * decay, rounded once. wake_rows' factors must come from here. */
float adamw_shrink(float lr, float decay);

#endif
