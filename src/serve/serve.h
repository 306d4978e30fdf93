/* serve: runs in a browser. An HTTP server for one user and, when asked to, a room of viewers: it reads OUT folders,
 * starts and stops `lethe run` as processes of their own, and lets models that runs keep answer. docs/serve.md has
 * every address and says what is safe and why. */
#ifndef LETHE_SERVE_H
#define LETHE_SERVE_H

#include "../experiment/experiment.h"
#include "../report/report.h"

/* A task inside the binary. */
typedef struct ServeData {
    const char *name, *what;
    uint32_t classes, train_rows, eval_rows;
} ServeData;

/* What the layer above knows. */
typedef struct ServePlan {
    const char *const *folders; /* [folder_count] OUT, or folders that hold some; none: those of the current folder */
    int folder_count;
    const char *const *files; /* [file_count] folders from which data and models may be read, beside the current one */
    int file_count;
    const char *listen; /* an address of this machine at which a room looks on; NULL: none */
    int port;           /* 0: a free one */
    bool browser;       /* is opened */
    const ServeData *data;
    int data_count;
    ModelSource embedded; /* the built-in encoder */
    Str font;
} ServePlan;

/* Serves until Ctrl-C. Runs that it has started go on. */
bool serve_run(const ServePlan *plan, Err *err);

#endif
