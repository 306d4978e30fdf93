/* interchange_command: run, predict and export as a user meets them, on tiny models that Hugging Face's libraries and
 * PEFT have written, with their answers (tests/golden/interchange.py). */

#define HF "tests/golden/interchange/"
#define PREDICT "lethe predict --device cpu --threads 1 --jsonl --logits "
#define ROWS T "interchange/rows.jsonl"
#define SINGLES T "interchange/singles.jsonl" /* those of them that are no pairs */
#define W T "interchange/"                    /* where it works */

static const char *interchange_kinds[] = {"bert",  "roberta", "distilbert", "xlm-roberta", "electra",
                                          "mpnet", "deberta", "albert",     "modernbert"};

/* rows.jsonl: the rows of answers.json; three.tsv: a task of three classes; old: the BERT with an old file's names. */
static json_t *interchange_begin(void)
{
    Err err = {0};
    Arena arena = {0};
    Str text;
    json_t *answers, *row;
    size_t i;
    expect(sh("mkdir -p " T "interchange; cd " T "interchange; [ -e old ] || { cp -r ../../../" HF
              "bert old; cp -f ../../../" HF
              "bert-old/model.safetensors old/; }; { echo 'sentence\tlabel'; for i in 0 1 2 3 4 5 6 7; do printf "
              "'a bad film %%s\\tno\\nthe film %%s\\tperhaps\\na good one %%s\\tyes\\n' $i $i $i; done; } >three.tsv"),
           0, "");
    if (!file_read(&arena, HF "answers.json", 1 << 20, &text, &err) ||
        !json_parse(text, HF "answers.json", &answers, &err))
        fail_msg("%s", err.text);
    FILE *file = fopen(ROWS, "w");
    json_array_foreach(json_object_get(answers, "rows"), i, row)
    {
        json_t *line = json_object();
        json_object_set(line, "text", json_array_get(row, 0));
        if (json_array_size(row) > 1) json_object_set(line, "pair", json_array_get(row, 1));
        json_dumpf(line, file, JSON_COMPACT);
        fputc('\n', file);
        json_decref(line);
    }
    fclose(file);
    expect(sh("grep -v '\"pair\"' " ROWS " >" SINGLES), 0, "");
    arena_free(&arena);
    return answers;
}

/* The logits that predict printed against HF's. */
static void interchange_compare(const Outcome *o, const json_t *wanted)
{
    expect(o, 0, "");
    const char *line = o->out;
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const char *end = strchr(line, '\n'), *name;
        assert_non_null(end);
        json_t *got = json_loadb(line, (size_t)(end - line), 0, NULL), *value;
        size_t c = 0, best = 0;
        const json_t *logits = json_array_get(wanted, i);
        assert_int_equal(json_object_size(json_object_get(got, "logits")), json_array_size(logits));
        json_object_foreach(json_object_get(got, "logits"), name, value)
        {
            const double x = json_number_value(json_array_get(logits, c));
            if (fabs(json_real_value(value) - x) > 1e-5)
                fail_msg("row %zu: %g, HF has %g", i, json_real_value(value), x);
            if (x > json_number_value(json_array_get(logits, best))) best = c;
            c++;
        }
        static const char *const names[] = {"no", "perhaps", "yes"};
        assert_string_equal(json_string_value(json_object_get(got, "label")), names[best]);
        json_decref(got);
        line = end + 1;
    }
    assert_string_equal(line, "");
}

static void test_answers_of_hf_and_peft(void **state)
{
    (void)state;
    json_t *answers = interchange_begin();
    for (size_t k = 0; k < COUNT(interchange_kinds); k++) {
        const char *kind = interchange_kinds[k];
        char adapter[32];
        snprintf(adapter, sizeof adapter, "%s-lora", kind);
        interchange_compare(sh(PREDICT "--model " HF "%s " ROWS, kind), json_object_get(answers, kind));
        interchange_compare(sh(PREDICT "--model " HF "%s --adapter " HF "%s " ROWS, kind, adapter),
                            json_object_get(answers, adapter));
    }
    interchange_compare(sh(PREDICT "--model " HF "modernbert --adapter " HF "modernbert-plain-lora " ROWS),
                        json_object_get(answers, "modernbert-plain-lora"));
    interchange_compare(sh(PREDICT "--model " T "interchange/old " ROWS), json_object_get(answers, "bert"));
    interchange_compare(sh("rm -rf " W "shards; cp -r " HF "bert " W "shards; rm " W "shards/model.safetensors; cp " HF
                           "bert-shards/* " W "shards; " PREDICT "--model " W "shards " ROWS),
                        json_object_get(answers, "bert"));
    json_decref(answers);
}

/* Names, shapes and order of magnitude of a file's tensors are those of HF's or PEFT's own. */
static void interchange_same_tensors(const char *ours, const char *theirs)
{
    Arena arena = {0};
    Err err = {0};
    Safetensors a, b;
    if (!safetensors_open(&arena, ours, &a, &err) || !safetensors_open(&arena, theirs, &b, &err))
        fail_msg("%s", err.text);
    assert_int_equal(a.count, b.count);
    for (size_t i = 0; i < a.count; i++) {
        assert_string_equal(a.tensors[i].name, b.tensors[i].name);
        assert_int_equal(a.tensors[i].type, b.tensors[i].type);
        assert_int_equal(a.tensors[i].rank, b.tensors[i].rank);
        for (int d = 0; d < a.tensors[i].rank; d++) assert_int_equal(a.tensors[i].shape[d], b.tensors[i].shape[d]);
    }
    safetensors_close(&a);
    safetensors_close(&b);
    arena_free(&arena);
}

#define SMALL_RUN                                                                                                      \
    "lethe run --quiet --device cpu --threads 1 --epochs 1 --max-length 20 --learning-rate 1e-2 --lora-learning-rate " \
    "1e-2 --task first=" T "interchange/three.tsv," T "interchange/three.tsv --task second=" T                         \
    "interchange/three.tsv," T "interchange/three.tsv "

/* The same bits from a run's own model, from its export, and row by row; tensors are named as HF and PEFT name them. */
static void interchange_round(const char *kind, const char *lora)
{
    static const char *const methods[] = {"full", "lora", "lora-seq"};
    expect(sh("rm -rf " W "out " W "to-*; " SMALL_RUN "--method full,lora,lora-seq %s --model " HF "%s --out " W "out",
              lora, kind),
           0, "");
    for (size_t m = 0; m < COUNT(methods); m++) {
        char from[200];
        snprintf(from, sizeof from, m ? "--model " HF "%s --adapter" : "--model", kind);
        expect(sh("for t in first second; do d=" W "to-%s-$t; lethe export " W
                  "out --task $t --method %s --to $d >/dev/null && " PREDICT "--run " W
                  "out --task $t --method %s " SINGLES " >" W "own && " PREDICT "%s $d " SINGLES " | cmp - " W
                  "own || exit 9; done; "
                  "while read -r row; do printf '%%s\\n' \"$row\" | " PREDICT "%s $d; done <" SINGLES " | cmp - " W
                  "own",
                  methods[m], methods[m], methods[m], from, from),
               0, "");
    }
    char ours[200], theirs[200];
    snprintf(theirs, sizeof theirs, HF "%s/model.safetensors", kind);
    interchange_same_tensors(W "to-full-first/model.safetensors", theirs);
    snprintf(theirs, sizeof theirs, HF "%s-lora/adapter_model.safetensors", kind);
    snprintf(ours, sizeof ours, W "to-lora-second/adapter_model.safetensors");
    interchange_same_tensors(ours, theirs);
    /* the adapter belongs to the user's folder, which is not copied */
    assert_false(exists(W "to-lora-first/base"));
    expect(sh("grep -q '\"base_model_name_or_path\": \"/.*/%s\"' " W "to-lora-first/adapter_config.json", kind), 0, "");
}

static void test_exports_answer_as_the_run_does(void **state)
{
    (void)state;
    json_decref(interchange_begin());
    interchange_round("roberta", "--lora-r 2 --lora-targets query,value");
    interchange_round("bert", "--lora-r 4");
    interchange_round("distilbert", "--lora-r 4");
    interchange_round("xlm-roberta", "--lora-r 4");
    interchange_round("electra", "--lora-r 4");
    interchange_round("mpnet", "--lora-r 4");
    interchange_round("deberta", "--lora-r 4");
    interchange_round("albert", "--lora-r 4");
    interchange_round("modernbert", "--lora-r 4");
}

/* What a run predicted last is what its kept model predicts, whatever the method trains. */
static void test_kept_models_are_those_of_the_end(void **state)
{
    (void)state;
    json_decref(interchange_begin());
    expect(sh("rm -rf " W "out; " SMALL_RUN "--model " HF "bert --out " W
              "out --method full,lora,lora-seq,frozen,joint,o-lora,wise-ft,ewc+replay"),
           0, "");
    expect(sh("tail -n +2 " W "three.tsv | cut -f1 >" W "texts; n=0; for m in $(ls " W
              "out/models | grep -v encoder); do for k in 1 2; do "
              "[ $k = 1 ] && t=first || t=second; awk -F'\\t' -v m=$m -v k=$k '$1 == m && $3 == 2 && $4 == k {print "
              "$8}' " W "out/predictions.tsv >" W "then; build/lethe predict --device cpu --threads 1 --logits --run " W
              "out --method $m --task $t " W
              "texts | sed 's/.*\"logits\":{\"no\":\\([^,]*\\),\"perhaps\":\\([^,]*\\),\"yes\":\\([^}]*\\)}}/\\1 \\2 "
              "\\3/' | paste -d' ' - " W
              "then | awk '{for (i = 1; i <= 3; i++) {d = $i - $(i + 3); if (d > 2e-6 || d < -2e-6) bad = 1}; rows++} "
              "END {exit bad || rows != 24}' || { echo $m $t is another; exit 9; }; n=$((n + 1)); done; done; [ $n = "
              "16 ]"),
           0, "");
}

/* Nobody waits for the end of the input; Ctrl-C while waiting is code 130; a reader that goes away is no error. */
static void test_predict_streams(void **state)
{
    (void)state;
    json_decref(interchange_begin());
    const Outcome *o =
        sh("cd " W "; rm -f to from; mkfifo to from; timeout --foreground 100 ../../lethe predict --device cpu --model "
           "../../../" HF "bert <to >from 2>err & p=$!; exec 3>to 4<from; echo the film >&3; read -r a <&4; printf "
           "'good\\n\\377\\001\\n' >&3; "
           "read -r b <&4; read -r c <&4; echo \"$a\" | cut -c1-9; kill -INT $p; wait $p; echo $?; cat err");
    assert_string_equal(o->out, "{\"label\":\n130\nlethe: interrupted\n");
    o = sh("yes 'a good film' | head -n 5000 >" W "many; trap '' PIPE; { build/lethe predict --device cpu --model " HF
           "bert " W "many; echo code $? >&2; } | head -n 1 | cut -c1-9");
    assert_string_equal(o->out, "{\"label\":\n");
    assert_string_equal(o->err, "code 0\n");
    /* what came before a bad row is answered */
    o = sh(
        "printf '{\"text\": \"a\"}\\n{\"text\": \"b\"}\\nx\\n' | build/lethe predict --device cpu --jsonl --model " HF
        "bert");
    expect(o, 1, "stdin, line 3: not valid JSON");
    assert_int_equal(strstr(o->out, "\n")[1], '{');
    expect(sh("head -c 3000000 /dev/zero | build/lethe predict --device cpu --model " HF "bert"), 1,
           "stdin, line 1: longer than 1048576 bytes");
    expect(sh("echo a | build/lethe predict --device cpu --model " HF "bert >/dev/full"), 1,
           "writing to stdout failed");
    /* all rows are what the first one is, unless --pairs says what they are */
    o = sh("printf 'a\nb\tc\n' | build/lethe predict --device cpu --model " HF "bert");
    expect(o, 1, "stdin, line 2: a pair (it has a tab), but the rows before it are single texts");
    assert_int_equal(lines_of(o->out), 1);
    expect(sh("echo a | build/lethe predict --device cpu --pairs yes --model " HF "bert"), 1,
           "stdin, line 1: a single text, but --pairs yes wants pairs");
    expect(sh("printf 'sentence\tlabel\na\t1\n' | build/lethe predict --device cpu --model " HF "bert"), 1,
           "stdin, line 1: the header of a table, it seems");
}

static void test_wrong_models(void **state)
{
    (void)state;
    json_decref(interchange_begin());
#define WRONG(code, message, ...) expect(sh(__VA_ARGS__), code, message)
    WRONG(2, "which model? --run OUT --task NAME, or --model DIR", "lethe predict");
    WRONG(2, "--run needs --task NAME", "lethe predict --run x");
    WRONG(2, "--adapter goes with --model, not with --run", "lethe predict --run x --task a --adapter y");
    WRONG(2, "--task goes with --run", "lethe predict --model x --task a");
    WRONG(1, "no-run: there is no such folder", "lethe predict --run no-run --task a");
    WRONG(2, "--max-length 100: this model takes at most 40 tokens",
          "lethe predict --max-length 100 --model " HF "bert");
    WRONG(1, "--model no-model: there is no such folder", "lethe predict --model no-model");
    WRONG(2, "bert-lora holds no base/: name the model folder", "lethe predict --adapter " HF "bert-lora");
    WRONG(1, "\"base_model.model.classifier.bias\" is of no use to lethe",
          "lethe predict --model " HF "roberta --adapter " HF "bert-lora");
#define BROKEN(message, change)                                                                        \
    expect(sh("rm -rf " W "x; cp -r " HF "bert " W "x; cp " HF "bert-lora/* " W "x; d=" W "x; " change \
              "; lethe predict --device cpu "                                                          \
              "--model " W "x --adapter " W "x <" ROWS),                                               \
           1, message)
    BROKEN("\"use_dora\" is true", "sed -i 's/\"use_dora\": false/\"use_dora\": true/' $d/adapter_config.json");
    BROKEN("has shape [4, 16], but config.json asks for [5, 16]",
           "sed -i 's/\"r\": 4/\"r\": 5/' $d/adapter_config.json");
    BROKEN("target_modules does not name \"bert.encoder.layer.0.attention.self.key\"",
           "sed -i 's/^  \"key\",$//' $d/adapter_config.json");
    BROKEN("the file is cut off", "truncate -s -4 $d/adapter_model.safetensors");
    BROKEN("adapter_model.safetensors: the file does not exist", "rm $d/adapter_model.safetensors");
    BROKEN("model-00002-of-00002.safetensors: the file does not exist",
           "rm $d/model.safetensors; cp " HF "bert-shards/*1-of-* " HF "bert-shards/*.json $d");
    BROKEN("the weights are in pytorch_model.bin, which lethe does not read",
           "rm $d/model.safetensors; touch $d/pytorch_model.bin");
    BROKEN("the pooler's weights are missing",
           "sed -i 's/bert.pooler.dense.weight/bert.poolee.dense.weight/' $d/model.safetensors");
#define BROKEN_MODEL(message, change)                                                                               \
    expect(sh("rm -rf " W "x; cp -r " HF "bert " W "x; d=" W "x; " change "; lethe predict --device cpu --model " W \
              "x <" ROWS),                                                                                          \
           1, message)
    BROKEN_MODEL("no classification head (\"classifier.weight\") in it",
                 "sed -i 's/\"classifier.weight\"/\"classifies.weight\"/' $d/model.safetensors");
    BROKEN_MODEL("two classes have the name \"no\"", "sed -i 's/\"1\": \"perhaps\"/\"1\": \"no\"/' $d/config.json");
    BROKEN_MODEL("has shape [3, 16], but config.json asks for [2, 16]",
                 "sed -i 's/\"1\": \"perhaps\",/\"1\": \"yes\"/; /\"2\": \"yes\"/d' $d/config.json");
}

static void test_what_a_run_keeps(void **state)
{
    (void)state;
    json_decref(interchange_begin());
#define KEEP_RUN \
    "rm -rf " W "out; rm -rf " W "copy; cp -r " HF "bert " W "copy; " SMALL_RUN "--model " W "copy --out " W "out "
#define FILES \
    "find " W "out/models -type f 2>/dev/null | sed 's|.*/models/||' | grep -v '^encoder/' | sort | tr '\\n' ' '"
    expect(sh(KEEP_RUN "--method full,lora --max-steps 2"), 0, "");
    assert_string_equal(
        sh(FILES)->out,
        "full/encoder.safetensors full/first/head.safetensors full/model.json full/second/head.safetensors "
        "lora/first/adapter_config.json lora/first/adapter_model.safetensors lora/model.json "
        "lora/second/adapter_config.json lora/second/adapter_model.safetensors ");
    WRONG(2, "--task x: not a task of this run, which has first, second", "lethe predict --run " W "out --task x");
    WRONG(1, "keeps no trained model of ewc", "lethe predict --run " W "out --task first --method ewc");
    WRONG(1, "is no folder of a run; name OUT, or OUT/after/TASK",
          "lethe predict --run " W "copy --task a --method full");
    WRONG(2, "--method ../full: not the name of a method",
          "lethe predict --run " W "out --task first --method ../full");
    WRONG(1, "full is of seed 1, not of 7", "lethe predict --run " W "out --task first --seed 7");
    /* an adapter needs the very model; a whole encoder does not */
    expect(sh("mv " W "copy " W "moved; echo a | build/lethe predict --device cpu --run " W "out --task first"), 0, "");
    WRONG(1, "copy: the model that this run began with is not there: say with --model where it lies now",
          "lethe predict --device cpu --run " W "out --task first --method lora");
    expect(sh("echo a | build/lethe predict --device cpu --run " W "out --task first --method lora --model " W "moved"),
           0, "");
    WRONG(1, "old: not the model that the run began with",
          "lethe predict --run " W "out --task first --method lora --model " W "old");
    WRONG(1, "lies there already; an empty or a new folder is needed",
          "mkdir -p " W "full; touch " W "full/x; lethe export " W "out --task first --to " W "full");
    WRONG(1, "cannot be written: File too large",
          "trap '' XFSZ; ulimit -f 8; rm -rf " W "none; lethe export " W "out --task first --to " W "none");
    assert_string_equal(sh("ls -d " W "none*; true")->out, "");
    /* what a run of another configuration has left goes */
    expect(sh("mv " W "moved " W "copy; " SMALL_RUN "--force --method full,lora --seeds 1,2 --max-steps 2 --model " W
              "copy --out " W "out"),
           0, "");
    assert_string_equal(
        sh(FILES)->out,
        "lora-seed1/first/adapter_config.json lora-seed1/first/adapter_model.safetensors lora-seed1/model.json "
        "lora-seed1/second/adapter_config.json lora-seed1/second/adapter_model.safetensors "
        "lora-seed2/first/adapter_config.json lora-seed2/first/adapter_model.safetensors lora-seed2/model.json "
        "lora-seed2/second/adapter_config.json lora-seed2/second/adapter_model.safetensors ");
    WRONG(2, "keeps lora with several seeds: choose with --seed", "lethe predict --run " W "out --task first");
    WRONG(1, "keeps no model of lora with seed 3", "lethe predict --run " W "out --task first --seed 3");
    expect(sh("echo a | build/lethe predict --device cpu --run " W "out --task first --seed 2"), 0, "");
    expect(sh(KEEP_RUN "--method lora --max-steps 2 --keep-models none"), 0, "");
    assert_string_equal(sh(FILES)->out, "");
    WRONG(1, "keeps no trained models; lethe run --keep-models all keeps them",
          "lethe predict --run " W "out --task first");
    expect(sh("lethe run --keep-models some"), 2, "--keep-models some: there are all, adapters and none");
}

/* ---- tables in, tables out ---- */

#define TABLES "lethe predict --device cpu --threads 1 --model " HF "bert "
static void tables_begin(void)
{
    json_decref(interchange_begin());
    expect(sh("cd " W "; rm -rf x.* y.* z.*; { echo 'premise,hypothesis,label'; for i in 0 1 2 3; do printf '\"a bad, "
              "film %%s\",film,no\nthe film %%s,\"a \"\"good\"\" film\",yes\n' $i $i; done; } >pairs.csv; printf "
              "'{\"text\": \"a\"}\\n{\"text\": \"c\", \"pair\": \"d\"}\\n' >mixed; printf '{\"text\": \"a\\\\tb\"}\\n' "
              ">tab.jsonl; printf old >z.tsv; printf old >z.csv"),
           0, "");
}

static void expect_out(const Outcome *o, int rows, const char *head, const char *said)
{
    expect(o, 0, said);
    if (lines_of(o->out) != rows || strncmp(o->out, head, strlen(head)) != 0) fail_msg("%s%s", o->out, o->err);
}

static void test_predict_reads_tables(void **state)
{
    (void)state;
    tables_begin();
    expect_out(sh(TABLES W "three.tsv"), 24, "{\"label\":\"", "of 24 rows are labelled as in the file\n");
    expect_out(sh(TABLES "--with row,text,pair,label " W "pairs.csv"), 8,
               "{\"row\":1,\"text\":\"a bad, film 0\",\"pair\":\"film\",\"gold_label\":\"no\",\"label\":\"",
               "of 8 rows");
    expect_out(sh(TABLES "--with text " W "pairs.csv,text=hypothesis"), 8, "{\"text\":\"film\",\"label\":\"",
               "of 8 rows");
    expect_out(sh("printf 'sentence\\tlabel\\na\\t0\\nb\\t2\\nc\\t1\\n' >" W "x.tsv; " TABLES W "x.tsv"), 3, "{",
               "x.tsv: the labels are taken as the numbers of the model's classes: 0 is no, 1 is perhaps, ...\n");
    const Outcome *o =
        sh("printf 'sentence\\tlabel\\na\\tno\\nb\\tmaybe\\nc\\tYES\\nd\\t-\\n' >" W "x.tsv; " TABLES W "x.tsv");
    expect_out(o, 4, "{", "x.tsv: 1 label is no class of the model (the first, line 3: maybe) and is not counted\n");
    assert_non_null(strstr(o->err, " of 2 rows are labelled"));
    /* a table without labels: no figure is given */
    o = sh("printf 'text\\na\\n' >" W "x.csv; " TABLES W "x.csv");
    expect_out(o, 1, "{", "");
    assert_string_equal(o->err, "");
    expect(sh(TABLES "--pairs yes " W "three.tsv"), 1,
           "the rows are single texts (column sentence), but --pairs yes wants pairs; ");
    expect(sh(TABLES "--pairs no " W "pairs.csv"), 1,
           "the rows are pairs (columns premise and hypothesis), but --pairs no wants single texts; ");
    expect(sh("printf 'a\\tb\\n' | build/" TABLES "--pairs no"), 0, ""); /* there a tab is text */
    expect(sh("echo a | build/" TABLES "--pairs yes"), 1, "stdin, line 1: a single text, but --pairs yes wants pairs");
    expect(sh(TABLES W "none.tsv"), 1, "none.tsv: the file does not exist");
    expect(sh(TABLES "--pairs both " W "three.tsv"), 2, "--pairs both: there are auto, no and yes");
}

/* The task of a run says what its rows are. */
static void test_predict_wants_what_was_trained(void **state)
{
    (void)state;
    tables_begin();
    expect(sh("rm -rf " W "two; lethe run --quiet --device cpu --threads 1 --epochs 1 --max-steps 1 --max-length 20 "
              "--method full --model " HF "bert --out " W "two --task single=" W "three.tsv,20%% --task pair=" W
              "pairs.csv,25%%"),
           0, "");
#define TWO "lethe predict --device cpu --threads 1 --run " W "two --task "
    expect_out(sh(TWO "single " W "three.tsv"), 24, "{", "");
    expect_out(sh(TWO "pair " W "pairs.csv"), 8, "{", "");
    expect_out(sh("echo 'a\tb' | build/" TWO "pair"), 1, "{", "");
    expect(sh(TWO "single " W "pairs.csv"), 1,
           "the rows are pairs (columns premise and hypothesis), but task single has single texts; ");
    expect(sh(TWO "pair " W "three.tsv"), 1, "the rows are single texts (column sentence), but task pair has pairs; ");
    expect(sh("printf 'a\\nb\tc\\n' | build/" TWO "single"), 1,
           "stdin, line 2: a pair, but task single has single texts");
    expect(sh("echo a | build/" TWO "pair"), 1, "stdin, line 1: a single text, but task pair has pairs, text<TAB>text");
    expect(sh(TWO "pair --jsonl " W "mixed"), 1, "mixed, line 1: a single text, but task pair has pairs");
    expect(sh(TWO "pair --pairs no " W "pairs.csv"), 2, "--pairs no: the rows of task pair are pairs");
}

/* --to: whole, and read back as it was; what the format cannot hold leaves the old file alone. */
static void test_predict_writes_tables(void **state)
{
    static const char *const forms[] = {"csv", "tsv", "jsonl"};
    char own[8192];
    (void)state;
    tables_begin();
    for (size_t i = 0; i < COUNT(forms); i++) {
        expect_out(sh(TABLES "--with row,label --to " W "x.%s " W "pairs.csv", forms[i]), 1, W "x.", "of 8 rows");
        snprintf(own, sizeof own, "%s", sh(TABLES "--with text,pair,label " W "pairs.csv")->out);
        assert_string_equal(sh(TABLES "--with text,pair,label " W "x.%s,label=gold_label", forms[i])->out, own);
        expect_out(sh(TABLES "--to " W "y.%s " W "three.tsv; wc -l <" W "y.%s", forms[i], forms[i]), 2, W "y.", "");
        expect_out(sh(TABLES W "y.%s", forms[i]), 24, "{", "24 of 24 rows are labelled as in the file\n");
    }
    assert_string_equal(sh("head -n 1 " W "x.csv; head -n 1 " W "y.tsv; wc -l <" W "y.csv")->out,
                        "row,text,pair,label,probability,gold_label\ntext\tlabel\tprobability\n25\n");
    expect(sh(TABLES "--to " W "z.tsv " W "tab.jsonl"), 1,
           "tab.jsonl, line 1: a tab or a line break in the text, which TSV cannot hold; --to FILE.csv or .jsonl can");
    expect(sh(TABLES "--jsonl --to " W "z.csv " W "mixed"), 1,
           "mixed, line 2: a pair among single texts; --to FILE.jsonl holds both");
    expect_out(sh(TABLES "--jsonl --to " W "z.jsonl " W "mixed"), 1, W "z.jsonl: 2 rows labelled\n", "");
    expect(sh(TABLES "--to " W "y.csv " W "y.csv"), 2, "this is the file that the rows come from; choose another name");
    expect(sh(TABLES "--to " W "y.tsv <" W "y.tsv"), 2,
           "this is the file that the rows come from; choose another name");
    expect(sh("mkdir " W "x.d.csv; " TABLES "--to " W "x.d.csv " W "three.tsv"), 1,
           "this is a folder, a file is needed");
    expect(sh(TABLES "--to " W "z.txt " W "three.tsv"), 2, "the name must end in .csv, .tsv or .jsonl");
    expect(sh(TABLES "--logits --to " W "z.csv " W "three.tsv"), 2, "--logits are written to .jsonl, not to ");
    expect(sh(TABLES "--to " W "no/z.csv " W "three.tsv"), 1, "no/z.csv: cannot be written: No such file or directory");
    expect(sh("{ printf 'sentence\\nfine\\n'; head -c 2000000 /dev/zero | tr '\\0' x; } >" W "x.long; " TABLES "--to " W
              "z.csv " W "x.long"),
           1, "x.long, line 3: ");
    expect(sh("trap '' XFSZ; yes 'a good film' | head -n 3000 >" W "many; ulimit -f 8; " TABLES "--to " W "z.csv " W
              "many"),
           1, "writing the table failed: File too large");
    assert_string_equal(sh("cat " W "z.tsv " W "z.csv; ls " W " | grep -c '^z\\.'")->out, "oldold3\n");
}

static const struct CMUnitTest interchange_command_tests[] = {
    cmocka_unit_test(test_answers_of_hf_and_peft),
    cmocka_unit_test(test_exports_answer_as_the_run_does),
    cmocka_unit_test(test_kept_models_are_those_of_the_end),
    cmocka_unit_test(test_predict_streams),
    cmocka_unit_test(test_wrong_models),
    cmocka_unit_test(test_what_a_run_keeps),
    cmocka_unit_test(test_predict_reads_tables),
    cmocka_unit_test(test_predict_wants_what_was_trained),
    cmocka_unit_test(test_predict_writes_tables),
};
