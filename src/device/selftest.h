/* Whether a device computes what it should, and how fast: by the cases of cases.c. */
#ifndef LETHE_SELFTEST_H
#define LETHE_SELFTEST_H

#include "device.h"

/* Compares every `stride`-th tested case of an op with the plain version. Adds how many there were to *cases, raises
 * *worst to their largest normalised mean squared error. The first case that is wrong fails, with its variables. */
bool device_selftest(Device *device, Op op, int stride, int *cases, double *worst, Err *err);

/* A few small cases: a driver that computes nonsense is found before it trains a model. device_open asks for it. */
bool device_quick_check(Device *device, Err *err);

/* Prints milliseconds, GFLOPS and GB/s of each timed case of the op of this name; NULL: of all ops. */
bool perf_ops(Device *device, const char *name, Err *err);

#endif
