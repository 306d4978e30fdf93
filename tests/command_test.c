/* command: the program as a user meets it: build/lethe in a process of its own. Whatever is wrong with the input: one
 * line on stderr, exit code 1 or 2, and nothing left in OUT. */
#include "faults/children.h"

typedef struct Outcome {
    int code;
    char out[1 << 16], err[1 << 13];
} Outcome;

/* Runs a shell line in which "lethe" is the program. */
static const Outcome *sh(const char *format, ...) PRINTF(1, 2);
static const Outcome *sh(const char *format, ...)
{
    static Outcome o;
    char line[4096], all[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    tmp_path("");
    snprintf(all, sizeof all,
             "lethe() { build/lethe \"$@\"; }; { %s ; } >build/test-tmp/out 2>build/test-tmp/err </dev/null", line);
    const int status = system(all);
    o.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    slurp("build/test-tmp/out", o.out, sizeof o.out);
    slurp("build/test-tmp/err", o.err, sizeof o.err);
    return &o;
}

static bool exists(const char *path) { return access(path, F_OK) == 0; }

static void expect(const Outcome *o, int code, const char *message)
{
    if (o->code != code || !strstr(o->err, message))
        fail_msg("exit %d: %s\nwanted exit %d: %s", o->code, o->err, code, message);
    if (code != 0) {
        assert_true(strncmp(o->err, "lethe: ", 7) == 0);
        assert_ptr_equal(strchr(o->err, '\n'), o->err + strlen(o->err) - 1); /* one line */
    }
}

/* A run that must fail before OUT holds anything. */
#define BAD(code, message, ...)                                                               \
    do {                                                                                      \
        sh("rm -rf build/test-tmp/bad");                                                      \
        expect(sh("lethe run --quiet --out build/test-tmp/bad " __VA_ARGS__), code, message); \
        assert_true(rmdir("build/test-tmp/bad") == 0 || !exists("build/test-tmp/bad"));       \
    } while (0)

static void test_wrong_usage(void **state)
{
    (void)state;
    expect(sh("lethe fly"), 2, "lethe: fly: unknown command; see lethe help");
    BAD(2, "--epochs 0: a whole number from 1 to 10000 is needed", "--epochs 0");
    BAD(2, "--epochs many: a whole number", "--epochs many");
    BAD(2, "--batch-size -1: a whole number", "--batch-size -1");
    BAD(2, "--learning-rate nan: a number", "--learning-rate nan");
    BAD(2, "--learning-rate 0: a number", "--learning-rate 0");
    BAD(2, "--lora-dropout 1: a number", "--lora-dropout 1");
    BAD(2, "--max-length 4: a whole number", "--max-length 4");
    BAD(2, "--max-length 4000: this model takes at most 512 tokens", "--max-length 4000");
    BAD(2, "--method sgd: unknown method", "--method full,sgd");
    BAD(2, "--method: full is named twice", "--method full,full");
    BAD(2, "--seeds 1,x: a seed is a whole number", "--seeds 1,x");
    BAD(2, "--preset fast: there are default and notebook", "--preset fast");
    BAD(2, "--task a: write NAME=TRAIN,EVAL", "--task a");
    BAD(2, "--task a/b=x,y: a task's name has", "--task a/b=x,y");
    BAD(2, "two tasks have this name", "--task a=x.tsv,y.tsv --task a=x.tsv,y.tsv");
    BAD(2, "--lora-targets dense: targets are", "--lora-targets query,dense");
    BAD(2, "--colour: unknown option", "--colour");
    BAD(2, "--for: unknown option; did you mean --force?", "--for");
    BAD(2, "--epoch: unknown option; did you mean --epochs?", "--epoch 1");
    BAD(2, "--epoch: unknown option; did you mean --epochs?", "--epoch=1");
    BAD(2, "--epochs: a value is missing", "--epochs");
    BAD(2, "extra: unexpected argument", "extra");
    BAD(2, "--device tpu: unknown device", "--device tpu");
    BAD(1, "there is no GPU 15: Vulkan has", "--device gpu:15");
    setenv("VK_DRIVER_FILES", "/dev/null", true);
    BAD(1, "--device gpu: the Vulkan loader found no driver that works", "--device gpu");
    unsetenv("VK_DRIVER_FILES");
    BAD(2, "--threads 0: a whole number from 1 to 256", "--threads 0");
    BAD(2, "--eval-batch-size 9999: a whole number from 1 to 4096", "--eval-batch-size 9999");
    BAD(2, "--train-rows -1: a whole number", "--train-rows -1");
    BAD(2, "--max-steps 1e3: a whole number", "--max-steps 1e3");
    BAD(2, "--weight-decay -1: a number from 0 to 10", "--weight-decay -1");
    BAD(2, "--lora-learning-rate 1000: a number", "--lora-learning-rate 1000");
    BAD(2, "--lora-r 0: a whole number from 1 to 1024", "--lora-r 0");
    BAD(2, "--lora-alpha 0: a number", "--lora-alpha 0");
    BAD(2, "--seeds: seed 1 is named twice", "--seeds 1,1");
    BAD(2, "--seed -1: a seed is a whole number from 0", "--seed -1");
    BAD(1, "no-config.json: the file does not exist", "--config no-config.json");
    BAD(1, "tiny-bert/config.json: \"options\" is missing; is this a config.json that lethe wrote?",
        "--config tests/golden/tiny-bert/config.json");
    expect(sh("lethe bench ops --device"), 2, "--device: a value is missing");
    expect(sh("lethe bench gemm --threads 0"), 2, "--threads 0: a whole number from 1 to 256 is needed");
    expect(sh("lethe bench ops fly"), 2, "fly: unexpected argument");
    expect(sh("lethe run --out ''"), 2, "--out: the value is empty");
}

/* good.tsv: 40 rows of two classes; used as the other half of tasks with one bad file. */
static void write_good(void)
{
    char text[4096];
    size_t used = (size_t)snprintf(text, sizeof text, "sentence\tlabel\n");
    for (int i = 0; i < 40; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s film number %d\t%d\n", i % 2 ? "a good" : "a bad",
                                 i, i % 2);
    tmp_write("good.tsv", (Str){text, used});
}

#define T "build/test-tmp/"
static void test_bad_data(void **state)
{
    (void)state;
    write_good();
    BAD(1, "no-such.tsv: the file does not exist", "--task a=no-such.tsv," T "good.tsv");
    BAD(1, "tests: this is a folder", "--task a=tests," T "good.tsv");
    tmp_write("empty.tsv", S(""));
    BAD(1, "empty.tsv: the file is empty", "--task a=" T "good.tsv," T "empty.tsv");
    tmp_write("header.tsv", S("sentence\tlabel\n"));
    BAD(1, "header.tsv: only a header, no rows", "--task a=" T "header.tsv," T "good.tsv");
    tmp_write("row-cut.tsv", S("sentence\tlabel\nx\t1\ny"));
    BAD(1, "row-cut.tsv, line 3: 1 columns, but the header has 2", "--task a=" T "row-cut.tsv," T "good.tsv");
    tmp_write("object-cut.jsonl", S("{\"text\": \"x\", \"label\": 1}\n{\"text\": \"y\", \"la"));
    BAD(1, "object-cut.jsonl, line 2: not a JSON object", "--task a=" T "good.tsv," T "object-cut.jsonl");
    tmp_write("columns.tsv", S("words\tlabel\nx\t1\n"));
    BAD(1, "columns.tsv: no text column", "--task a=" T "columns.tsv," T "good.tsv");
    tmp_write("unlabelled.tsv", S("sentence\tlabel\nx\t\n"));
    BAD(1, "unlabelled.tsv, line 2: the row has no label", "--task a=" T "good.tsv," T "unlabelled.tsv");
    tmp_write("latin1.tsv", S("sentence\tlabel\nna\xefve\t1\n"));
    BAD(1, "latin1.tsv, line 2: not valid UTF-8", "--task a=" T "latin1.tsv," T "good.tsv");
    tmp_write("range.tsv", S("sentence\tlabel\nx\t0\ny\t7\n"));
    BAD(1, "range.tsv, line 3: the label 7 does not occur in", "--task a=" T "good.tsv," T "range.tsv");
    tmp_write("one.tsv", S("sentence\tlabel\nx\t0\ny\t0\n"));
    BAD(1, "one.tsv", "--task a=" T "one.tsv," T "good.tsv");
    tmp_write("mixed.tsv", S("sentence\tlabel\nx\t0\ny\tgood\n"));
    BAD(1, "mixed.tsv", "--task a=" T "mixed.tsv," T "good.tsv");
    sh("zstd -qf build/test-tmp/good.tsv -o build/test-tmp/cut.tsv.zst; truncate -s 60 build/test-tmp/cut.tsv.zst");
    BAD(1, "cut.tsv.zst: the zstd data is cut off", "--task a=" T "cut.tsv.zst," T "good.tsv");
    sh("{ printf 'sentence\\tlabel\\n'; head -c 2000000 /dev/zero | tr '\\0' x; } >build/test-tmp/huge.tsv");
    BAD(1, "huge.tsv, line 2: longer than", "--task a=" T "huge.tsv," T "good.tsv");
}

/* A copy of the tiny golden model with a vocabulary that fits, to be broken in one place. */
static void fresh_model(void)
{
    sh("rm -rf build/test-tmp/model; cp -r tests/golden/tiny-bert build/test-tmp/model; chmod -R u+w "
       "build/test-tmp/model; "
       "{ printf '[PAD]\\n[UNK]\\n[CLS]\\n[SEP]\\n[MASK]\\n'; for w in a good bad film number; do echo $w; done; } "
       ">build/test-tmp/model/vocab.txt");
}

#define MODEL_RUN \
    "--model build/test-tmp/model --max-length 32 --method full --epochs 1 --task a=" T "good.tsv," T "good.tsv "
static void test_bad_models(void **state)
{
    (void)state;
    write_good();
    fresh_model();
    expect(sh("rm -rf build/test-tmp/fine; lethe run --quiet --out build/test-tmp/fine " MODEL_RUN), 0, "");
    BAD(1, "--model no-model: there is no such folder; a model folder on this machine is needed", "--model no-model");
    BAD(1, "good.tsv: this is a file; the folder it lies in is needed", "--model " T "good.tsv");
    fresh_model();
    sh("rm build/test-tmp/model/vocab.txt");
    BAD(1, "build/test-tmp/model", MODEL_RUN);
    fresh_model();
    sh("rm build/test-tmp/model/model.safetensors");
    BAD(1, "model.safetensors: the file does not exist", MODEL_RUN);
    fresh_model();
    sh("truncate -s -100 build/test-tmp/model/model.safetensors");
    BAD(1, "the file is cut off, or its header lies", MODEL_RUN);
    fresh_model();
    sh("printf '\\377\\377\\377\\377\\377' | dd of=build/test-tmp/model/model.safetensors conv=notrunc status=none");
    BAD(1, "the header claims", MODEL_RUN);
    fresh_model();
    sh("sed -i 's/bert.pooler.dense.weight/bert.poolee.dense.weight/; s/query.weight/quare.weight/' "
       "build/test-tmp/model/model.safetensors");
    BAD(1, "query.weight\" is missing", MODEL_RUN);
    fresh_model();
    sh("sed -i 's/\"intermediate_size\": 64/\"intermediate_size\": 96/' build/test-tmp/model/config.json");
    BAD(1, "has shape [64, 32], but config.json asks for [96, 32]", MODEL_RUN);
    fresh_model();
    sh("sed -i 's/\"shape\":\\[200,32\\]/\"shape\":[900,32]/' build/test-tmp/model/model.safetensors");
    BAD(1, "has 12800 bytes of data, but its shape asks for 57600", MODEL_RUN);
    fresh_model();
    sh("sed -i 's/\"data_offsets\":\\[64,128\\]/\"data_offsets\":[60,124]/' build/test-tmp/model/model.safetensors");
    BAD(1, "LayerNorm.gamma\" overlaps another; the file is damaged", MODEL_RUN);
    fresh_model(); /* F16 NaN in the last tensor's data */
    sh("f=build/test-tmp/model/model.safetensors; printf '\\377\\177' | dd of=$f bs=1 seek=$(($(stat -c %%s $f) - "
       "6400)) conv=notrunc status=none");
    BAD(1, "holds NaN or infinity; the file is damaged", MODEL_RUN);
    fresh_model();
    sh("for i in $(seq 300); do echo w$i; done >>build/test-tmp/model/vocab.txt");
    BAD(1, "the tokenizer has 310 tokens, but config.json's vocab_size is 200", MODEL_RUN);
    fresh_model();
    sh("sed -i '/CLS/d' build/test-tmp/model/vocab.txt");
    BAD(1, "vocab.txt: the token \"[CLS]\" is missing", MODEL_RUN);
    fresh_model();
    sh("sed -i 's/\"model_type\": \"bert\"/\"model_type\": \"gpt2\"/' build/test-tmp/model/config.json");
    BAD(1, "model_type \"gpt2\" is not supported", MODEL_RUN);
    fresh_model();
    sh("echo '{' >build/test-tmp/model/config.json");
    BAD(1, "config.json: not valid JSON at line 2", MODEL_RUN);
}

/* What is said of other people's files, by the program as a whole. */
static void test_tasks_of_all_kinds(void **state)
{
    (void)state;
    write_good();
    fresh_model();
#define DRY "lethe run --dry-run --device cpu --method frozen --model build/test-tmp/model --max-length 16 "
    sh("mkdir -p 'build/test-tmp/a,b'; cp build/test-tmp/good.tsv 'build/test-tmp/a,b/x=y.tsv'");
    const Outcome *o = sh(DRY "--task 't=build/test-tmp/a\\,b/x=y.tsv,25%%'");
    expect(o, 0, "");
    if (!strstr(o->out, "  train    30 of 30 rows\n") ||
        !strstr(o->out, "columns: text \"sentence\", label \"label\"\n") ||
        !strstr(o->out, "line 2: \"a bad film number 0\"\n") || !strstr(o->out, "  evaluate 10 of 10 rows\n"))
        fail_msg("%s%s", o->out, o->err);
    o = sh(DRY "--train-rows 10 --task t=" T "good.tsv," T "good.tsv,text=SENTENCE,label=label");
    expect(o, 0,
           "lethe: task t: " T "good.tsv and " T "good.tsv are the same file: 10 of 40 rows to evaluate are trained");
    if (!strstr(o->out, "  train    10 of 40 rows, drawn at random\n")) fail_msg("%s", o->out);
    o = sh("export HOME=$PWD/build/test-tmp; " DRY "--task 't=~/good.tsv,~/good.tsv'");
    expect(o, 0, "test-tmp/good.tsv are the same file");
    tmp_write("chinese.csv", S("text,label\na,\xe4\xb8\xad\nb,x\n"));
    o = sh("LC_ALL=C.UTF-8 " DRY "--task t=" T "chinese.csv," T "chinese.csv");
    if (!strstr(o->out, "\"\xe4\xb8\xad\" 1")) fail_msg("%s", o->out);
    o = sh("LC_ALL=C " DRY "--task t=" T "chinese.csv," T "chinese.csv");
    if (!strstr(o->out, "\"\\xe4\\xb8\\xad\" 1")) fail_msg("%s", o->out);
    BAD(2, "is one file too many", "--task a=x.tsv,y.tsv,z.tsv");
    BAD(2, "is one file too many", "--task a=x.tsv,text=b,z.tsv");
    BAD(2, "text= is given twice", "--task a=x.tsv,y.tsv,text=b,text=c");
    BAD(2, "label= needs a column's name", "--task a=x.tsv,y.tsv,label=");
    BAD(2, "from 0.1% to 90% of a file's rows", "--task a=x.tsv,99%%");
    BAD(2, "write NAME=TRAIN,EVAL", "--task a=x.tsv");
    BAD(1, "no column \"words\" (text=); the columns here are: sentence, label",
        "--task a=" T "good.tsv,20%%,text=words");
    tmp_write("lfs.csv", S("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"));
    BAD(1, "lfs.csv: this is a Git LFS pointer", "--task a=" T "lfs.csv," T "good.tsv");
    fresh_model();
    sh("printf '<!DOCTYPE html>\\n' >build/test-tmp/model/vocab.txt");
    BAD(1, "vocab.txt: this is an HTML page", MODEL_RUN);
    fresh_model();
    sh("printf 'version https://git-lfs.github.com/spec/v1\\n' >build/test-tmp/model/model.safetensors");
    BAD(1, "model.safetensors: this is a Git LFS pointer", MODEL_RUN);
#undef DRY
}

static void test_no_permission(void **state)
{
    (void)state;
    const char *mortal = ""; /* root may read and write anywhere, unless its capabilities are taken away */
    if (geteuid() == 0) {
        if (sh("setpriv --bounding-set=-all true")->code != 0) skip();
        mortal = "setpriv --bounding-set=-all";
    }
    write_good();
    sh("mkdir -p build/test-tmp/closed; chmod a-w build/test-tmp/closed");
    expect(sh("%s build/lethe run --quiet --out build/test-tmp/closed", mortal), 1,
           "closed: cannot be written: Permission denied");
    expect(sh("%s build/lethe run --quiet --out build/test-tmp/closed/x", mortal), 1,
           "closed/x: cannot be made: Permission denied");
    tmp_write("secret.tsv", S("sentence\tlabel\nx\t1\n"));
    sh("chmod a-r build/test-tmp/secret.tsv; rm -rf build/test-tmp/bad");
    expect(sh("%s build/lethe run --quiet --out build/test-tmp/bad --task a=" T "secret.tsv," T "good.tsv", mortal), 1,
           "secret.tsv: Permission denied");
    assert_false(exists("build/test-tmp/bad"));
}

static void test_no_space(void **state)
{
    (void)state;
    write_good();
    tmp_write("file", S("x"));
    expect(sh("lethe run --quiet --out build/test-tmp/file"), 1,
           "build/test-tmp/file: this is a file, a folder is needed");
    expect(sh("lethe run --quiet --out build/test-tmp/file/deeper"), 1, "cannot be made: Not a directory");
    /* files may not grow beyond 4 blocks */
    fresh_model();
    sh("rm -rf build/test-tmp/small");
    expect(sh("trap '' XFSZ; ulimit -f 4; lethe run --quiet --out build/test-tmp/small " MODEL_RUN), 1,
           "cannot be written: File too large");
    expect(sh("lethe run --quiet --out build/test-tmp/small " MODEL_RUN), 0,
           ""); /* and goes on when there is space again */
    /* a file system of 64 kB, where one can be made: said before training. One that is full later: resume_test.c */
    if (sh("unshare -rm mount -t tmpfs none tests")->code != 0) return;
    expect(sh("rm -rf build/test-tmp/tmpfs; mkdir build/test-tmp/tmpfs; unshare -rm sh -c 'mount -t tmpfs -o size=64k "
              "none "
              "build/test-tmp/tmpfs; exec build/lethe run --quiet --out build/test-tmp/tmpfs/out " MODEL_RUN "'"),
           1, "the trained models and snapshots need");
}

static void test_too_little_memory_is_said_before_training(void **state)
{
    (void)state;
    sh("rm -rf build/test-tmp/memory");
    expect(sh("ulimit -v 400000; lethe run --quiet --method full --threads 1 --out build/test-tmp/memory"), 1,
           "GB of memory, but ");
    assert_false(exists("build/test-tmp/memory/results.jsonl"));
}

/* Ctrl-C: exit code 130, and the same command goes on from what was finished, to the same results. */
static void test_interrupt_and_resume(void **state)
{
    (void)state;
    write_good();
    fresh_model();
#define LONG_RUN                                                                                                   \
    "run --quiet --model build/test-tmp/model --max-length 32 --method lora,full,lora-seq --epochs 40 --task a=" T \
    "good.tsv," T "good.tsv "
    sh("rm -rf build/test-tmp/stop build/test-tmp/whole");
    expect(sh("lethe " LONG_RUN "--out build/test-tmp/whole"), 0, "");
    /* interrupted as soon as the first method is finished */
    const Outcome *o = sh("build/lethe " LONG_RUN "--out build/test-tmp/stop & p=$!; "
                          "until grep -q '\"event\":\"method\"' build/test-tmp/stop/results.jsonl 2>/dev/null; do "
                          "sleep 0.01; done; kill -INT $p; wait $p");
    if (o->code != 0) expect(o, 130, "interrupted");
    expect(sh("lethe " LONG_RUN "--out build/test-tmp/stop"), 0, "");
    expect(sh("for d in stop whole; do sed 's/,\"[a-z_]*seconds\":[^,}]*//g; s/,\"peak_bytes\":[0-9]*//; "
              "/\"event\":\"done\"/d' build/test-tmp/$d/results.jsonl >build/test-tmp/$d.events; done; "
              "cmp build/test-tmp/stop.events build/test-tmp/whole.events && cmp build/test-tmp/stop/predictions.tsv "
              "build/test-tmp/whole/predictions.tsv"),
           0, "");
    /* a finished run is left alone; another configuration is refused */
    expect(sh("lethe run --quiet --model build/test-tmp/model --max-length 32 --epochs 1 --out build/test-tmp/whole"),
           1, "holds a run of another configuration");
    expect(sh("cp build/test-tmp/whole/results.jsonl build/test-tmp/before; lethe " LONG_RUN
              "--out build/test-tmp/whole && cmp build/test-tmp/before build/test-tmp/whole/results.jsonl"),
           0, "");
}

/* Trainings of real shapes; all else that a run does: resume_test.c. */
static void test_results_do_not_depend_on_threads(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads *= 2)
        expect(
            sh("rm -rf build/test-tmp/t%d; lethe run --quiet --no-diagnostics --epochs 1 --max-steps 3 --train-rows 48 "
               "--eval-rows 20 --threads %d --out build/test-tmp/t%d",
               threads, threads, threads),
            0, "");
    expect(sh("cmp build/test-tmp/t1/predictions.tsv build/test-tmp/t2/predictions.tsv && cmp "
              "build/test-tmp/t1/predictions.tsv build/test-tmp/t4/predictions.tsv"),
           0, "");
}

static void test_config_repeats_a_run(void **state)
{
    (void)state;
    write_good();
    fresh_model();
    expect(sh("rm -rf build/test-tmp/c1 build/test-tmp/c2; lethe run --quiet --learning-rate 1e-3 --seeds 3,4 --out "
              "build/test-tmp/c1 " MODEL_RUN),
           0, "");
    expect(sh("lethe run --quiet --config build/test-tmp/c1/config.json --out build/test-tmp/c2 && cmp "
              "build/test-tmp/c1/predictions.tsv build/test-tmp/c2/predictions.tsv"),
           0, "");
}

/* Two strengths of a strategy, one seed each, are two methods, not two seeds of one; plain training has its two seeds.
 */
static void test_report_joins_a_sweep(void **state)
{
    (void)state;
    write_good();
    fresh_model();
    expect(sh("cd build/test-tmp; rm -rf s1 s2 joined; cd ../..; for s in 1 2; do lethe run --quiet "
              "--seed $s --ewc-lambda $((s * 500)) --out build/test-tmp/s$s " MODEL_RUN
              " --method full,ewc || exit 3; done"),
           0, "");
    const Outcome *o = sh("cd build/test-tmp; ../lethe report --out joined s1 s2");
    if (o->code || !strstr(o->out, "ewc (ewc-lambda 500)") || !strstr(o->out, "ewc (ewc-lambda 1000)") ||
        !strstr(o->out, "\nfull ") || !strstr(o->out, "settings beside the default: "))
        fail_msg("exit %d: %s%s", o->code, o->err, o->out);
    expect(sh("grep -q 'settings beside the default' build/test-tmp/joined/table.md && grep -q 'settings beside the "
              "default' build/test-tmp/joined/report.html && grep -q '\"ewc-lambda\": \"500\"' "
              "build/test-tmp/joined/summary.json"),
           0, "");
    /* a default given by name is the same run; what would change it is refused */
    expect(sh("lethe run --seeds 1 --ewc-lambda 5e2 --ewc-gamma 1 --out build/test-tmp/s1 " MODEL_RUN
              " --method full,ewc"),
           0, "holds this very run, finished");
    expect(sh("lethe run --quiet --seed 1 --ewc-lambda 500 --out build/test-tmp/s1 " MODEL_RUN
              " --method full,ewc --epochs 2"),
           1, "--epochs 1 there, 2 here");
}

/* Folders of the same experiment are joined, and the report of all of them goes where --out says. */
static void test_report_joins_folders(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    for (int i = 0; i < 3; i++) {
        const char *folder = arena_printf(&arena, "part-%d", i);
        const Made made = {
            .tasks = 2, .methods = 2, .first_method = 2 * (i / 2), .seeds = 1, .first_seed = i == 1 ? 2 : 1};
        if (!folder_make(tmp_path(folder), &err)) fail_msg("%s", err.text);
        tmp_write(arena_printf(&arena, "%s/results.jsonl", folder), made_results(&arena, &made));
    }
    sh("rm -rf build/test-tmp/joined");
    const Outcome *o = sh("cd build/test-tmp; ../lethe report --out joined part-0 part-1 part-2");
    if (o->code || !strstr(o->out, "ewc ") || !strstr(o->out, "seeds 1, 2"))
        fail_msg("exit %d: %s%s", o->code, o->err, o->out);
    assert_true(exists("build/test-tmp/joined/table.md") && exists("build/test-tmp/joined/charts/before_after.png"));
    assert_false(exists("build/test-tmp/part-0/table.md"));
    /* a joined folder stands for what it joins: alone, with another, and where a run is in two of them */
    sh("rm -rf build/test-tmp/two build/test-tmp/again");
    o = sh("cd build/test-tmp; ../lethe report --out two part-0 part-1 && ../lethe report two && ../lethe report --out "
           "again two part-2 && cmp again/table.md joined/table.md && cmp again/summary.json joined/summary.json && "
           "../lethe report --out two two again && cmp two/table.md joined/table.md");
    if (o->code) fail_msg("exit %d: %s%s", o->code, o->err, o->out);
    sh("cd build/test-tmp; sed -i 's/part-2/part-4/' two/joined.json");
    expect(sh("cd build/test-tmp; ../lethe report two"), 1, "part-4, which it joins, holds no results.jsonl any more");
    sh("cd build/test-tmp; echo '{}' >two/joined.json");
    expect(sh("cd build/test-tmp; ../lethe report two"), 1, "two/joined.json: \"folders\" must be a list of 1 to");
    expect(sh("cd build/test-tmp; ../lethe report part-0 part-0"), 1,
           "method full with seed 1 is also in another of the folders");
    expect(sh("cd build/test-tmp; ../lethe report --out part-1 part-0"), 1, "part-1 holds a run of its own");
    expect(sh("lethe report --out"), 2, "--out: a value is missing; see lethe help report");
    expect(sh("cd build/test-tmp; ../lethe report --csv part-0 part-1"), 2, "name a folder for them with --out");
    expect(sh("cd build/test-tmp; ../lethe report --metric f1 part-0"), 2, "there are accuracy, macro-f1 and mcc");
    o = sh("cd build/test-tmp; ../lethe report --metric macro-f1 --latex --csv --svg --out joined part-0 part-1");
    if (o->code || !strstr(o->out, "macro-F1 in %")) fail_msg("exit %d: %s%s", o->code, o->err, o->out);
    expect(sh("cd build/test-tmp/joined; grep -q 'Macro-F1 in' tables.tex && grep -q paragraph setup.tex && grep -q "
              "hu2022lora references.bib && grep -q macro_f1 tables.csv && ls charts/matrix.svg >/dev/null"),
           0, "");
    /* what was written before predictions were recorded has accuracies alone */
    expect(sh("cd build/test-tmp; sed 's/\"predictions\"/\"x\"/' part-0/results.jsonl >old.jsonl; mkdir -p old; mv "
              "old.jsonl old/results.jsonl; ../lethe report --metric mcc old"),
           1, "do not record what was predicted; run again, or use --metric accuracy");
    o = sh("cd build/test-tmp; ../lethe cite part-0");
    if (o->code || !strstr(o->out, "@software{lethe,") || !strstr(o->out, "{mccloskey1989catastrophic,"))
        fail_msg("exit %d: %s%s", o->code, o->err, o->out);
    sh("cd build/test-tmp; ../lethe report --out cited part-0 >out");
    assert_true(exists("build/test-tmp/cited/joined.json") && sh("lethe cite build/test-tmp/cited")->code == 0);
    expect(sh("lethe cite ewk"), 2, "unknown method 'ewk'; did you mean ewc?");
    expect(sh("lethe cite build/no-run"), 1, "build/no-run: no such folder");
    arena_free(&arena);
}

/* --for and --grid stand among the options of lethe run, written in either way. */
static void test_plan_takes_a_run_apart(void **state)
{
    (void)state;
    const Outcome *o = sh("lethe plan --grid=epochs=1,2 --seeds 1,2 --for parallel --method full --out 'o u'");
    const char *line = o->out;
    assert_int_equal(o->code, 0);
    for (int job = 0; job < 4; job++) {
        char wanted[160];
        const int epochs = 1 + job / 2, seed = 1 + job % 2;
        snprintf(wanted, sizeof wanted,
                 "/build/lethe run --method full --out 'o u/epochs=%d,method=full,seed=%d' --keep-models adapters "
                 "--seed %d --epochs %d\n",
                 epochs, seed, seed, epochs);
        const char *end = strchr(line, '\n');
        if (!end || !str_ends((Str){line, (size_t)(end + 1 - line)}, str(wanted))) fail_msg("%s%s", o->err, line);
        line = end + 1;
    }
    assert_int_equal(*line, 0);
    /* an option varies for the methods that it is an option of */
    o = sh("lethe plan --for parallel --method full,ewc,replay --seeds 1,2 --grid ewc-lambda=1,2,3 --grid "
           "replay-fraction=0.1,0.2 --out grid");
    assert_int_equal(lines_of(o->out), 2 * (1 + 3 + 2));
    assert_non_null(strstr(o->out, " --out grid/method=full,seed=1 "));
    assert_non_null(strstr(o->out, " --out grid/ewc-lambda=3,method=ewc,seed=2 "));
    assert_null(strstr(o->out, "ewc-lambda=1,replay"));
    o = sh("lethe plan --for slurm --method full,lora --grid learning-rate=1e-5,2e-5 --grid epochs=1,2");
    assert_non_null(strstr(o->out, "--array=0-5\n"));
    o = sh("lethe plan --for=slurm --method full,lora");
    assert_int_equal(o->code, 0);
    assert_non_null(strstr(o->out, "#SBATCH --array=0-1\n"));
    expect(sh("lethe plan --seeds 1,2"), 2, "--for parallel or --for slurm is needed");
    expect(sh("lethe plan --for pbs"), 2, "--for pbs: there are parallel and slurm");
    expect(sh("lethe plan --for parallel --grid"), 2, "--grid: a value is missing; see lethe help plan");
    expect(sh("lethe plan --for parallel --grid for=x"), 2, "for is not an option of lethe run that a grid can vary");
    expect(sh("lethe plan --for parallel --grid epochs=1 --grid epochs=2"), 2, "epochs is named twice");
    expect(sh("lethe plan --for parallel --grid epochs=1,0"), 2, "--epochs 0: a whole number from 1 to 10000");
    expect(sh("lethe run --grid epochs=1"), 2, "--grid: unknown option; see lethe help run");
    expect(sh("lethe bench gemm --threads 0"), 2, "--threads 0: a whole number from 1 to 256");
    expect(sh("lethe bench gemm --epochs 1"), 2, "--epochs: unknown option; see lethe help bench");
    expect(sh("lethe bench --config build/test-tmp/none.json"), 1, "build/test-tmp/none.json");
    expect(sh("lethe bench step --grid epochs=1"), 2, "--grid: unknown option; see lethe help bench");
}

/* Rows in are rows out, from files and from pipes, in whatever pieces they arrive. */
static void test_no_row_is_lost(void **state)
{
    static const char *const feeds[] = {
        "yes 'a good film' | head -20000",
        "(yes 'a bad film' | head -9999; sleep 0.2; yes 'a good film' | head -10000; printf 'the last')",
        "(for i in $(seq 40); do yes 'one two three four' | head -500; sleep 0.01; done)",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(feeds); i++) {
        const Outcome *o = sh("%s | lethe tokenize | wc -l", feeds[i]);
        if (o->code != 0 || atoi(o->out) != 20000) fail_msg("%s: %s%s", feeds[i], o->out, o->err);
    }
    const Outcome *o =
        sh("printf '' | lethe tokenize | wc -l; (echo one; sleep 0.3; echo two) | lethe tokenize | wc -l");
    assert_string_equal(o->out, "0\n2\n");
}

static void test_the_other_commands(void **state)
{
    (void)state;
    const Outcome *o = sh("lethe --version");
    assert_int_equal(o->code, 0);
    static const char *const facts[] = {"lethe " LETHE_VERSION "\ncommit: ",
                                        "\ntarget: ",
                                        "\ncompiler: ",
                                        "\nlibraries: jansson ",
                                        ", utf8proc ",
                                        ", zstd ",
                                        ", stb_image_write 1",
                                        ", stb_truetype 1",
                                        ", volk ",
                                        ", Vulkan headers "};
    const char *at = o->out;
    for (size_t i = 0; i < COUNT(facts); i++) { /* each has a value, and they come in this order */
        const char *next = strstr(at, facts[i]);
        if (!next || (i > 0 && next == at)) fail_msg("%s: no '%s'", o->out, facts[i]);
        at = next + strlen(facts[i]);
    }
    assert_true(*at >= '0' && *at <= '9');
    o = sh("lethe help run");
    assert_non_null(strstr(o->out, "--learning-rate"));
    for (const char *line = o->out; *line;) { /* fits a terminal of 80 columns, or nearly: option texts up to 118 */
        const char *end = strchr(line, '\n');
        assert_true(end - line <= 118);
        line = end + 1;
    }
    o = sh("lethe help model");
    expect(o, 0, "");
    for (int f = 0; f < family_count; f++) { /* each family is named, with its tokenizer */
        assert_non_null(strstr(o->out, family_rows[f]->type));
        assert_non_null(strstr(o->out, family_rows[f]->tokenizer));
    }
    o = sh("lethe licenses");
    assert_int_equal(o->code, 0);
    assert_non_null(strstr(o->out, "Apache License"));
    assert_non_null(strstr(o->out, "MIT License"));
    o = sh("printf 'hello world\\nhello\\tworld\\n\\n' | build/lethe tokenize");
    assert_int_equal(o->code, 0);
    o = sh("printf 'hello world\\nhello\\tworld\\n' >build/test-tmp/rows; lethe tokenize build/test-tmp/rows");
    assert_string_equal(o->out, "101 7592 2088 102\n101 7592 102 2088 102\n");
    o = sh("printf '{\"text\": \"hello\", \"pair\": \"world\"}\\n' >build/test-tmp/rows; lethe tokenize --jsonl "
           "build/test-tmp/rows");
    assert_string_equal(o->out, "101 7592 102 2088 102\n");
    expect(sh("printf 'x\\n' >build/test-tmp/rows; lethe tokenize --jsonl build/test-tmp/rows"), 1,
           "rows, line 1: not valid JSON");
    expect(sh("lethe report"), 2, "name the folder of a run");
    expect(sh("lethe report build/no-run"), 1, "build/no-run");
    expect(sh("lethe help fly"), 2, "fly: unknown command");
    expect(sh("lethe help >/dev/full"), 1, "writing to stdout failed");
}

/* The binary stands alone: only the C library and its parts are loaded. */
static void test_the_binary_stands_alone(void **state)
{
    (void)state;
    const Outcome *o =
        sh("ldd build/lethe | grep -vE 'linux-vdso|libc\\.so|libm\\.so|libdl\\.so|libpthread\\.so|ld-linux'; true");
    assert_string_equal(o->out, "");
    struct stat st;
    assert_int_equal(stat("build/lethe", &st), 0);
    assert_true(st.st_size <= 64 << 20);
}

/* The program as it is handed on, with its own optimisation: what is right under sanitizers need not be right there. */
static void test_the_program_tests_itself(void **state)
{
    (void)state;
    const Outcome *o = sh("VK_DRIVER_FILES=/dev/null VK_ICD_FILENAMES=/dev/null lethe selftest");
    expect(o, 0, "");
    if (!strstr(o->out, "cpu     CPU (") || !strstr(o->out, " ops right, worst")) fail_msg("%s", o->out);
}

/* A Vulkan driver that crashes as soon as it is loaded. */
static void test_a_driver_crashes(void **state)
{
    (void)state;
    expect(sh("echo 'void __attribute__((constructor)) crash(void) { *(volatile int *)8 = 0; }' |"
              " ${CC:-gcc} -shared -fPIC -x c -o build/test-tmp/crash.so - &&"
              " echo '{\"file_format_version\": \"1.0.0\", \"ICD\": {\"library_path\": \"./crash.so\","
              " \"api_version\": \"1.2.0\"}}' >build/test-tmp/crash.json"),
           0, "");
#define CRASHING "export VK_DRIVER_FILES=build/test-tmp/crash.json VK_ICD_FILENAMES=build/test-tmp/crash.json; "
    const Outcome *o = sh(CRASHING "lethe devices");
    expect(o, 0, "");
    if (!strstr(o->out, "no gpu  a Vulkan driver crashed when it was loaded (Segmentation fault)") ||
        !strstr(o->out, "--device auto takes cpu"))
        fail_msg("%s", o->out);
    expect(sh(CRASHING "lethe run --dry-run --device auto --out build/test-tmp/bad"), 0, "");
    expect(sh(CRASHING "lethe run --device gpu --out build/test-tmp/bad"), 1,
           "--device gpu: a Vulkan driver crashed when it was loaded (Segmentation fault); use --device cpu");
    expect(sh(CRASHING "lethe run --device gpu:0 --out build/test-tmp/bad"), 1,
           "gpu:0: its driver crashed (as it was opened); a newer one may work, --device cpu needs none");
#undef CRASHING
    /* One that prints: nothing of it is seen where it is only tried. */
    expect(
        sh("echo '#include <unistd.h>\nvoid __attribute__((constructor)) speak(void) { (void)!write(1, \"noise\", 5); "
           "(void)!write(2, \"noise\", 5); }' | ${CC:-gcc} -shared -fPIC -x c -o build/test-tmp/noise.so - && "
           "sed s/crash/noise/ build/test-tmp/crash.json >build/test-tmp/noise.json"),
        0, "");
    o = sh(
        "export VK_DRIVER_FILES=build/test-tmp/noise.json VK_ICD_FILENAMES=build/test-tmp/noise.json; lethe devices");
    expect(o, 0, "");
    if (!strstr(o->out, "no gpu") || strstr(o->out, "noise")) fail_msg("%s", o->out);
    assert_false(exists("build/test-tmp/bad"));
}

static const struct CMUnitTest command_tests[] = {
    cmocka_unit_test(test_wrong_usage),
    cmocka_unit_test(test_bad_data),
    cmocka_unit_test(test_bad_models),
    cmocka_unit_test(test_tasks_of_all_kinds),
    cmocka_unit_test(test_no_permission),
    cmocka_unit_test(test_no_space),
    cmocka_unit_test(test_too_little_memory_is_said_before_training),
    cmocka_unit_test(test_interrupt_and_resume),
    cmocka_unit_test(test_results_do_not_depend_on_threads),
    cmocka_unit_test(test_config_repeats_a_run),
    cmocka_unit_test(test_report_joins_folders),
    cmocka_unit_test(test_report_joins_a_sweep),
    cmocka_unit_test(test_plan_takes_a_run_apart),
    cmocka_unit_test(test_no_row_is_lost),
    cmocka_unit_test(test_the_other_commands),
    cmocka_unit_test(test_the_program_tests_itself),
    cmocka_unit_test(test_a_driver_crashes),
    cmocka_unit_test(test_the_binary_stands_alone),
};
