/* Trials: what a device is and what it can do. A driver that crashes takes its process with it: so each trial runs in
 * a process of its own, this program started again with the word TRIAL_WORD, which no user needs to know. */
#ifndef LETHE_TRIAL_H
#define LETHE_TRIAL_H

#include "device.h"
#include "vulkan/vulkan.h"

#define TRIAL_WORD "device-trial"
/* Does what the command line `TRIAL_WORD NAME DEVICE THREADS` asks for, answers to whoever started it, and ends the
 * process. Returns when that is no such line. Every program that opens devices calls it first. */
void trial_answer(int argc, char **argv);

#define DEVICE_CRASHED "its driver crashed (%s); a newer one may work, --device cpu needs none"

typedef struct DeviceList {
    VulkanInfo info[VULKAN_MOST_DEVICES];
    int count;
    char why[256]; /* there is none */
} DeviceList;
void devices_list(DeviceList *list);

/* What a device can do, as `lethe devices` shows it. */
typedef struct DeviceSpeed {
    double gflops; /* a matrix product of a training step's shape */
    double gbps;   /* copying */
} DeviceSpeed;

typedef struct DeviceTrial {
    char name[256];
    uint64_t memory_bytes;
    DeviceSpeed speed;
    Err err; /* why it cannot be used */
} DeviceTrial;
void device_try(const char *what, int threads, DeviceTrial *trial); /* what, threads: as device_open has them */

typedef struct DeviceTest {
    char name[256];
    int cases;
    double worst, opened_seconds; /* worst: normalised mean squared error */
    Err err;                      /* of the first case that is wrong, or why it cannot be used */
} DeviceTest;
void device_test(const char *what, DeviceTest *test); /* every case of every op */

#endif
