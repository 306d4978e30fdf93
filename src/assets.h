/* assets: the files inside the binary; assets/embed.c lists them. */
#ifndef LETHE_ASSETS_H
#define LETHE_ASSETS_H

#include "platform/embed.h"

typedef struct Asset {
    const char *name; /* those that end in .zst are compressed */
    Embedded file;
} Asset;
extern const Asset assets[]; /* ends with a NULL name */

#endif
