/* Which device "auto" takes. */
#ifndef LETHE_CHOOSE_H
#define LETHE_CHOOSE_H

enum { CHOSE_CPU = -1 };

typedef struct DeviceChoice {
    int number;    /* of vulkan_list, or CHOSE_CPU */
    char why[160]; /* for people */
} DeviceChoice;

/* The fastest by a short trial, which is remembered for the next time; returns its number. Software devices do not take
 * part: they run on the same processor. choice may be NULL. */
int choose_fastest(int threads, DeviceChoice *choice);

#endif
