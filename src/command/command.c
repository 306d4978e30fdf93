#include "command.h"

#include <string.h>

#include "assets.c"
#include "help.c"
#include "row_reader.c"
#include "devices.c"
#include "labelled.c"
#include "predict.c"
#include "export.c"
#include "cite.c"
#include "licenses.c"
#include "report_command.c"
#include "repeat.c"
#include "run.c"
#include "plan.c"
#include "serve.c"
#include "tokenize.c"
#include "completion.c"
#include "manual.c"

static bool command_help(int argc, char **argv, Err *err);
static bool command_version(int argc, char **argv, Err *err);

const Command commands[] = {
    {"run", command_run, "train the tasks in order with every method and compare them",
     "usage: lethe run [options]\n\n"
     "Trains the encoder on the first task, then on the second, and so on, once with each method; evaluates every "
     "task\n"
     "again after each; writes the table, the charts and all numbers to OUT/. Without options: MiniLM-L6 on the two "
     "data\n"
     "sets that are built in. Interrupted or killed, it goes on from OUT/snapshots when called again, on the same "
     "kind\n"
     "of device and to the same results, to the bit.\n\n"
     "A table file has a header naming its columns: text in sentence, text or question; pairs in sentence1/sentence2,\n"
     "premise/hypothesis or question/sentence; the label in label or gold_label: numbers or names, in any case; "
     "GLUE's\n"
     "own files work as they are. --dry-run shows what is read; docs/data.md lists all names and formats. TSV has no\n"
     "quoting (as in GLUE), CSV has; JSON is one object a line or one array. Rows labelled '-' or -1 are skipped.\n\n"
     "options:\n",
     NULL, 0, true},
    {"predict", command_predict, "label new rows with a trained model",
     "usage: lethe predict --run OUT --task NAME [options] [FILE|-]\n"
     "       lethe predict --model DIR [--adapter DIR] [options] [FILE|-]\n\n"
     "Reads one row a line, text or text<TAB>text for a pair, or a table named .tsv, .csv or .jsonl as lethe run "
     "does,\n"
     "and answers each as it comes with one JSON line:\n"
     "{\"label\": \"...\", \"probabilities\": {\"...\": 0.9, ...}}. The model is one that a run keeps (as it is after "
     "the\n"
     "last task), a Hugging Face folder, or a PEFT adapter (LoRA on linear layers of the encoder) on top of one.\n\n"
     "options:\n",
     predict_options, COUNT(predict_options), false},
    {"export", command_export, "a trained model for Hugging Face's libraries and PEFT",
     "usage: lethe export OUT --task NAME [--method NAME] [--seed N] --to DIR\n\n"
     "Writes what AutoModelForSequenceClassification.from_pretrained(DIR) loads; of a method with an adapter, what\n"
     "PeftModel.from_pretrained(base, DIR) loads, and the base into DIR/base when it is no model folder of "
     "yours.\n\n"
     "options:\n",
     export_options, COUNT(export_options), false},
    {"tokenize", command_tokenize, "text to token ids, one row a line",
     "usage: lethe tokenize [options] [FILE|-]\n\n"
     "Prints the ids of each row, special tokens included, separated by spaces. A row is a line of text, or\n"
     "text<TAB>text for a pair; tables named .tsv, .csv or .jsonl are read as lethe run reads them.\n\n"
     "options:\n",
     tokenize_options, COUNT(tokenize_options), false},
    {"report", command_report, "table and charts again, from results.jsonl",
     "usage: lethe report [--out DIR] OUT...\n\n"
     "Prints the table of a run and writes OUT/report.html, table.md, summary.json and charts/ again. Several folders "
     "of\n"
     "the same tasks, data and model are joined: other seeds of a method to mean and 95% interval, other values of\n"
     "an option to a method each, as in \"ewc (ewc-lambda 100)\". What is joined is written to DIR, or nowhere "
     "without --out.\n\n"
     "For papers: --latex writes tables.tex, setup.tex and references.bib, --csv tables.csv, --svg the charts as SVG\n"
     "beside the PNG files.\n\n"
     "options:\n",
     report_options, COUNT(report_options), false},
    {"serve", command_serve, "runs in the browser: set up, watch, ask the models",
     "usage: lethe serve [options] [OUT...]\n\n"
     "Serves a page on 127.0.0.1 and opens it in the browser: set up and start runs, watch them as they happen, ask "
     "the\n"
     "models that they keep, go through the lesson. OUT: folders of runs, or folders that hold some; without them "
     "those\n"
     "of the current folder. Runs are processes of their own: they go on when the page is closed, or the server ends.\n"
     "A double click on the program does this, too.\n\n"
     "options:\n",
     serve_options, COUNT(serve_options), false},
    {"cite", command_cite, "BibTeX of lethe and of methods, or of a run",
     "usage: lethe cite [METHODS|OUT]\n\n"
     "Prints lethe's own entry and the publication of each of the methods, named with commas between (full,ewc+replay, "
     "or\n"
     "all), or of those of a run; of a run also what its tests and its training rest on.\n",
     NULL, 0, false},
    {"plan", command_plan, "a run as independent jobs, for GNU parallel or Slurm",
     "usage: lethe plan --for parallel|slurm [--grid OPTION=VALUE,VALUE,...]... [options of run]\n\n"
     "Takes a run apart: one job for each method, each seed and each value of the options that --grid names. Every "
     "job\n"
     "has a folder of its own below OUT, knows nothing of the others and goes on when it is started again.\n"
     "Trained encoders are not kept unless --keep-models all says so.\n\n"
     "  lethe plan --for parallel --seeds 1,2,3 --out grid | parallel -j 4\n"
     "  lethe plan --for slurm --seeds 1,2,3 --out grid >jobs.sh && sbatch --cpus-per-task=2 jobs.sh\n"
     "  lethe report grid/*                 when they have ended: all jobs of one configuration together\n\n"
     "options, beside those of run:\n",
     plan_options, COUNT(plan_options), true},
    {"devices", command_devices, "what can run here",
     "usage: lethe devices\n\nLists what can run here, with measured speed, and says which one --device auto takes, "
     "and why. The environment\n"
     "variable LETHE_DEVICE (cpu, gpu, gpu:N) decides instead of auto; LETHE_CPU (avx512, avx2, v2) names an older\n"
     "instruction set for the CPU than the best it has.\n",
     NULL, 0, false},
    {"bench", command_bench, "speed of the engine on this machine",
     "usage: lethe bench [step] [options of run]\n"
     "       lethe bench ops|gemm [--device NAME] [--threads N]\n\n"
     "step: times 40 training steps (--max-steps) of each method on each task, and says which ops the time goes to.\n"
     "ops: GFLOPS and GB/s of every op on a device, at sizes of training; gemm: of matrix products alone.\n",
     NULL, 0, true},
    {"selftest", command_selftest, "every op on every device against the plain CPU version",
     "usage: lethe selftest\n\nRuns every op at many odd sizes on every device and compares with the plain CPU "
     "version; "
     "prints the worst\nnormalised mean squared error of each device. Exit code 1 when a device is wrong.\n",
     NULL, 0, false},
    {"licenses", command_licenses, "the notices of everything inside this program", "usage: lethe licenses\n", NULL, 0,
     false},
    {"completion", command_completion, "what a shell needs to complete command lines",
     "usage: lethe completion bash|zsh|fish|powershell\n\n"
     "Prints a script for the shell:\n\n"
     "  bash        lethe completion bash >~/.local/share/bash-completion/completions/lethe\n"
     "  zsh         lethe completion zsh >FOLDER/_lethe, a folder of $fpath\n"
     "  fish        lethe completion fish >~/.config/fish/completions/lethe.fish\n"
     "  PowerShell  lethe completion powershell >>$PROFILE\n",
     NULL, 0, false},
    {"manual", command_manual, "the man page, lethe(1), as man reads it", "usage: lethe manual >lethe.1\n", NULL, 0,
     false},
    {"help", command_help, "this text, or the text of a command",
     "usage: lethe help [COMMAND]\n       lethe COMMAND --help\n       lethe help model        the encoders that "
     "--model takes\n",
     NULL, 0, false},
    {"version", command_version, "the version of this program", "usage: lethe version\n", NULL, 0, false},
    {0},
};

void command_rows(const Command *command, OptionRows *rows)
{
    *rows = (OptionRows){0};
    option_rows_add(rows, command->options, command->option_count);
    for (size_t i = 0; command->takes_run && i < run_options()->count; i++)
        option_rows_add(rows, run_options()->at[i], 1);
}

static const Command *command_find(const char *name, Err *err)
{
    Nearest near = nearest_to(str(name));
    for (const Command *c = commands; c->name; c++) {
        if (strcmp(c->name, name) == 0) return c;
        nearest_offer(&near, c->name);
    }
    const char *hint = nearest_hint(&near, "");
    fail_usage(err, "%s: unknown command%s", str_show(str(name)), *hint ? hint : "; see lethe help");
    return NULL;
}

static void command_print_help(const Command *about)
{
    help_text(about->help);
    if (about->run == command_run)
        run_options_print();
    else
        options_print(about->options, about->option_count);
}

/* What --model takes, by the rows of the families. */
static void command_help_model(void)
{
    char targets[FAMILY_TEXT];
    help_text(
        "What --model DIR takes: the folder of an encoder as Hugging Face's transformers saves it, of one of these "
        "families (model_type in config.json):\n\n");
    for (int f = 0; f < family_count; f++) {
        const Family *family = family_rows[f];
        printf("  %-12s", family->type);
        help_wrap(family->title, 1, 14, 15);
        printf("\n");
        help_wrap("tokenizer", 15, 0, 17);
        help_wrap(family->tokenizer, 1, 24, 17);
        printf("\n");
        help_wrap("adapters on", 15, 0, 17);
        help_wrap(family_targets_text(family, targets), 1, 26, 17);
        printf("\n");
    }
    help_text(
        "\nIt needs config.json, model.safetensors (or its shards; also .zst) and the tokenizer: tokenizer.json; of a "
        "BertTokenizer vocab.txt will do, of a RobertaTokenizer vocab.json with merges.txt. The tokenizer's class is "
        "what tokenizer_config.json says, so that a BERT may have XLM-RoBERTa's. Python saves such a folder in two "
        "lines:\n\n"
        "  from transformers import AutoModel, AutoTokenizer\n"
        "  [c.from_pretrained(\"NAME\").save_pretrained(\"DIR\") for c in (AutoModel, AutoTokenizer)]\n\n"
        "What stays out is refused by name: decoders, encoder-decoders, other families, code of the folder's own, "
        "quantized weights, .bin pickles, sentencepiece.bpe.model and spiece.model without a tokenizer.json, heads "
        "for anything but one class a row. docs/model-folders.md lists every key of the folder's files.\n");
}

static bool command_help(int argc, char **argv, Err *err)
{
    if (argc == 2 && strcmp(argv[1], "model") == 0) {
        command_help_model();
        return true;
    }
    const Command *about = argc > 1 ? command_find(argv[1], err) : NULL;
    if (err->code) return false;
    if (argc > 2) return fail_usage(err, "%s: unexpected argument; see lethe help help", str_show(str(argv[2])));
    if (about) {
        command_print_help(about);
        return true;
    }
    help_text("lethe " LETHE_VERSION
              ": fine-tunes a text encoder on one task after another and shows what it forgets.\n\n"
              "usage: lethe [COMMAND] [options]        without a command: run\n\n");
    for (const Command *c = commands; c->name; c++) {
        printf("  %-10s", c->name);
        help_wrap(c->about, 1, 12, 13);
        printf("\n");
    }
    help_text("\nlethe help COMMAND says more, lethe help model which encoders --model takes.\n");
    return true;
}

static bool command_version(int argc, char **argv, Err *err)
{
    if (argc > 1) return fail_usage(err, "%s: unexpected argument; see lethe help version", str_show(str(argv[1])));
    printf("lethe %s\n%s", LETHE_VERSION, about_build);
    return true;
}

static bool command_asks_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) return true;
    return false;
}

/* argv[0] is a command's name, or the program's: then lethe --epochs 1 is lethe run --epochs 1. */
static bool command_start(int argc, char **argv, Err *err)
{
    static const char *const versions[] = {"-v", "-V", "--version"};
    const char *first = argc > 1 ? argv[1] : sys_started_by_click() ? "serve" : "run";
    trial_answer(argc, argv);
    for (size_t i = 0; i < COUNT(versions); i++)
        if (strcmp(first, versions[i]) == 0) first = "version";
    const bool asked = strcmp(first, "-h") == 0 || strcmp(first, "--help") == 0;
    if (asked) first = "help";
    const bool named = argc > 1 && (asked || !option_begins(argv[1]) || strcmp(first, "version") == 0);
    const Command *command = command_find(named || argc < 2 ? first : "run", err);
    if (!command) return false;
    if (named) argc--, argv++;
    argv[0] = (char *)command->name;
    if (!asked && command_asks_help(argc, argv)) {
        command_print_help(command);
        return true;
    }
    return command->run(argc, argv, err);
}

bool command_dispatch(int argc, char **argv, Err *err)
{
    static char name[] = "lethe", *alone[] = {name, NULL};
    const bool ok = argc ? command_start(argc, argv, err) : command_start(1, alone, err);
    const SysError error = ok ? sys_stream_flush(stdout) : 0;
    return error ? fail(err, "writing to stdout failed: %s", sys_error_text(error)) : ok;
}
