#include "command.h"

#include <stddef.h>
#include <string.h>

/* lethe serve: runs in the browser. */

typedef struct ServeOptions {
    const char *listen;
    uint32_t port;
    bool no_browser;
} ServeOptions;

static const Option serve_options[] = {
    {"port", OPTION_INT, 1024, 65535, "N", "the port on 127.0.0.1", .default_words = "a free one",
     .target = offsetof(ServeOptions, port)},
    {"listen", OPTION_TEXT, 0, 0, "ADDRESS",
     "an address of this machine at which a room looks on, behind a code of six\ndigits; it can change nothing",
     .target = offsetof(ServeOptions, listen)},
    {"files", OPTION_LIST, 0, 0, "DIR",
     "a folder from which the page may read data and models, beside the current\none; repeat for each",
     .passing = true},
    {"no-browser", OPTION_FLAG, 0, 0, NULL, "print the address, open no browser",
     .target = offsetof(ServeOptions, no_browser)},
};

/* What a built-in task holds. */
static bool serve_data(Arena *arena, const char *name, ServeData *data, Err *err)
{
    TaskSource task = {0};
    ExampleFile train, eval;
    *data =
        (ServeData){.name = name,
                    .what = strcmp(name, "nli") == 0
                                ? "Pairs of sentences: the second follows from the first, contradicts it, or neither."
                                : "Lines from reviews: positive or negative."};
    if (!run_embedded_task(&task, arena, name, err) ||
        !examples_parse(arena, task.train_bytes, task.train, NULL, true, &train, err) ||
        !examples_parse(arena, task.eval_bytes, task.eval, NULL, true, &eval, err))
        return false;
    data->train_rows = (uint32_t)train.row_count;
    data->eval_rows = (uint32_t)eval.row_count;
    for (size_t i = 0; i < eval.row_count; i++) {
        bool known = false;
        for (size_t k = 0; k < i && !known; k++) known = str_equal(eval.rows[i].label, eval.rows[k].label);
        data->classes += !known;
    }
    return true;
}

/* An address, in digits: others would have to be looked up. 0.0.0.0 is none that a browser can name. */
static bool serve_check_listen(const char *listen, Err *err)
{
    if (!listen) return true;
    const bool digits = listen[strspn(listen, "0123456789.")] == 0 && strchr(listen, '.') && strlen(listen) < 16,
               longer =
                   listen[strspn(listen, "0123456789abcdefABCDEF:")] == 0 && strchr(listen, ':') && strlen(listen) < 40;
    return ((digits || longer) && strcmp(listen, "0.0.0.0") != 0 && strcmp(listen, "::") != 0) ||
           fail_usage(err,
                      "--listen %s: the address of this machine in the room's network is needed, as in 192.168.1.20",
                      str_show(str(listen)));
}

bool command_serve(int argc, char **argv, Err *err)
{
    Arena arena = {0};
    json_t *given = json_object();
    OptionRows rows = {0};
    ServeOptions options = {0};
    ServeData data[COUNT(run_built_in)];
    int count = 0;
    option_rows_add(&rows, serve_options, COUNT(serve_options));
    bool ok = options_parse(&rows, argc, argv, argc, given, &count, err) &&
              options_set(&rows, given, &options, &arena, err) && serve_check_listen(options.listen, err);
    for (int i = 1; i <= count && ok; i++)
        if (sys_kind(argv[i]) == SYS_FILE)
            ok = fail_usage(err, "%s: this is a file; the folder of a run is needed", argv[i]);
    for (size_t i = 0; i < COUNT(run_built_in) && ok; i++) ok = serve_data(&arena, run_built_in[i], &data[i], err);
    const json_t *files = json_object_get(given, "files");
    ServePlan plan = {.folders = (const char *const *)(argv + 1),
                      .folder_count = count,
                      .files = report_given(&arena, given, "files"),
                      .file_count = (int)json_array_size(files),
                      .listen = options.listen,
                      .port = (int)options.port,
                      .browser = !options.no_browser,
                      .data = data,
                      .data_count = COUNT(data)};
    ok = ok && asset_model(&arena, &plan.embedded, err) && asset_expand(&arena, "DejaVuSans.ttf", &plan.font, err) &&
         serve_run(&plan, err);
    json_decref(given);
    arena_free(&arena);
    return ok;
}
