#include "command.h"

/* lethe export: a trained model as Hugging Face's libraries and PEFT read it. */

static const Option export_options[] = {
    {"task", OPTION_TEXT, 0, 0, "NAME", "the task whose head is wanted"},
    {"method", OPTION_TEXT, 0, 0, "NAME", "the method that trained it [full, or the only one that is kept]"},
    {"seed", OPTION_INT, 0, 4294867295, "N", "of a run with several seeds"},
    {"to", OPTION_TEXT, 0, 0, "DIR", "a new or empty folder"},
    {"model", OPTION_TEXT, 0, 0, "DIR", "where the run's own --model lies now, when it has moved"},
};

bool command_export(int argc, char **argv, Err *err)
{
    Arena arena = {0};
    ClassifierSource source;
    Classifier classifier = {0};
    json_t *options = json_object();
    int rest = 0;
    bool ok = options_parse(export_options, COUNT(export_options), argc, argv, 1, options, &rest, err);
    const char *to = option_text(options, "to");
    if (ok && !rest) ok = fail_usage(err, "name the folder of a run; see lethe help export");
    if (ok && (!to || !*to || !option_text(options, "task")))
        ok = fail_usage(err, "--task NAME and --to DIR are needed; see lethe help export");
    ok = ok && predict_source(&arena, options, argv[1], &source, err) &&
         classifier_open(&arena, &source, &classifier, err) && classifier_export(&classifier, to, err);
    if (ok)
        printf("%s/ holds %s; lethe predict --%s %s labels rows with it\n", to,
               classifier.adapted ? "a PEFT adapter" : "a Hugging Face checkpoint",
               classifier.adapted ? "adapter" : "model", to);
    classifier_close(&classifier);
    json_decref(options);
    arena_free(&arena);
    return ok;
}
