/* The world fails at one call of the system: in a child process that the test program forks, which runs lethe.
 *
 * Seen are the program's own calls, and libc's for memory; not those that libc makes for its streams. */
#ifndef LETHE_FAULTS_H
#define LETHE_FAULTS_H

#include <stdatomic.h>
#include <stdbool.h>

typedef enum FaultKind {
    FAULT_ALLOC, /* malloc, calloc, realloc, mmap */
    FAULT_WRITE,
    FAULT_FSYNC,
    FAULT_RENAME,
    FAULT_OPEN,
    FAULT_UNLINK,
    FAULT_FLOCK,
    FAULT_MKDIR,
    FAULT_READ,
    FAULT_CLOSE,
    FAULT_KINDS,
    FAULT_ANY = FAULT_KINDS
} FaultKind;

typedef enum FaultAction {
    FAULT_NONE,  /* calls are counted */
    FAULT_FAIL,  /* the call fails */
    FAULT_STUCK, /* so do all later ones of the kind: a disk that stays full */
    FAULT_HALF,  /* a write gets half through, and then as stuck */
    FAULT_KILL,  /* SIGKILL in front of the call */
    FAULT_TEAR,  /* SIGKILL, when it is a write in the middle of it */
} FaultAction;

typedef struct Faults {
    FaultKind kind;
    long at; /* from 1 */
    FaultAction action;
    _Atomic bool stuck;
    _Atomic long all, count[FAULT_KINDS]; /* calls so far */
} Faults;

/* In memory that parent and child share; made by faults_plan, which sets what is to happen and the counts to 0. */
extern Faults *faults;
void faults_plan(FaultKind kind, long at, FaultAction action);
/* From now on, in this process. */
void faults_begin(void);

#endif
