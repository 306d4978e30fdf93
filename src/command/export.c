#include "command.h"

/* lethe export: a trained model as Hugging Face's libraries and PEFT read it. */

static const Option export_options[] = {
    {"task", OPTION_TEXT, 0, 0, "NAME", "the task whose head is wanted", TO(source.task)},
    PREDICT_METHOD,
    PREDICT_SEED,
    {"to", OPTION_TEXT, 0, 0, "DIR", "a new or empty folder", TO(to)},
    {"model", OPTION_TEXT, 0, 0, "DIR", "where the run's own --model lies now, when it has moved", TO(source.model)},
};
#undef TO
#undef PREDICT_METHOD
#undef PREDICT_SEED

bool command_export(int argc, char **argv, Err *err)
{
    Arena arena = {0};
    PredictOptions options = {0};
    OptionRows rows = {0};
    Classifier classifier = {0};
    json_t *given = json_object();
    int rest = 0;
    option_rows_add(&rows, export_options, COUNT(export_options));
    bool ok =
        options_parse(&rows, argc, argv, 1, given, &rest, err) && predict_read(&arena, &rows, given, &options, err);
    const char *to = options.to;
    if (ok && !rest) ok = fail_usage(err, "name the folder of a run; see lethe help export");
    if (ok && (!to || !options.source.task))
        ok = fail_usage(err, "--task NAME and --to DIR are needed; see lethe help export");
    options.source.run = argv[1];
    ok = ok && classifier_open(&arena, &options.source, &classifier, err) && classifier_export(&classifier, to, err);
    if (ok)
        printf("%s/ holds %s; lethe predict --%s %s labels rows with it\n", to,
               classifier.adapted ? "a PEFT adapter" : "a Hugging Face model folder",
               classifier.adapted ? "adapter" : "model", to);
    classifier_close(&classifier);
    json_decref(given);
    arena_free(&arena);
    return ok;
}
