/* What is fuzzed: a function for each parser. It takes any bytes, and must neither crash nor hang nor use more memory
 * than its limits allow; where it accepts the bytes, what it made of them is used, too. */

#include <sys/mman.h>
#include <unistd.h>

typedef void FuzzTarget(Arena *arena, Str bytes, Err *err);

/* Wrong usage is a right answer here. */
static void fuzz_usage(Err *err)
{
    if (err->code != EXIT_USAGE) return;
    ASSERT(err->text[0] && !strchr(err->text, '\n'));
    *err = (Err){0};
}

static void fuzz_zstd(Arena *arena, Str bytes, Err *err)
{
    Str out;
    if (zstd_expand(arena, bytes, 1 << 20, "fuzz.zst", &out, err)) ASSERT(out.size <= 1 << 20);
}

static void fuzz_safetensors(Arena *arena, Str bytes, Err *err)
{
    Safetensors file;
    if (!safetensors_parse(arena, bytes, "fuzz.safetensors", &file, err)) return;
    for (size_t i = 0; i < file.count; i++) {
        ASSERT(safetensors_find(&file, file.tensors[i].name) != NULL);
        if (tensor_is_float(&file.tensors[i]))
            tensor_to_f32(&file.tensors[i], arena_new(arena, float, file.tensors[i].count));
    }
}

static void fuzz_model_config(Arena *arena, Str bytes, Err *err)
{
    ModelConfig config;
    Model model;
    if (model_config_parse(bytes, "config.json", &config, err) && config.layers < 100)
        model_layout(arena, &config, &model);
}

/* The first byte chooses the format. */
static void fuzz_table(Arena *arena, Str bytes, Err *err)
{
    static const char *const names[] = {"fuzz.tsv", "fuzz.csv", "fuzz.jsonl", "fuzz.json"};
    ExampleFile file, train, eval;
    if (!bytes.size) return;
    const uint8_t choice = (uint8_t)bytes.at[0];
    const char *name = names[choice % COUNT(names)];
    if (!examples_parse(arena, (Str){bytes.at + 1, bytes.size - 1}, name, NULL, true, &file, err)) return;
    Tokenizer *tokenizer;
    TaskData task;
    ASSERT(tokenizer_from_vocab(arena, S("[UNK]\n[CLS]\n[SEP]\na\n##a\n"), true, "vocab.txt", &tokenizer, err));
    train = eval = file;
    if (choice & 0x80 && !examples_split(arena, &file, 30, &train, &eval, err)) return;
    ASSERT(choice < 0x80 || train.row_count + eval.row_count == file.row_count);
    if (!task_data_load(arena, tokenizer, "fuzz", &train, &eval, choice & 0x40 ? 3 : 0, 0, choice & 0x20, 16, &task,
                        err))
        return;
    for (uint32_t i = 0; i < task.train.rows; i++) ASSERT(task.train.labels[i] < task.classes);
    for (size_t i = 0; i < task.warnings.count; i++) ASSERT(!strchr(task.warnings.at[i], '\n'));
}

/* A seed begins as a safetensors file does, since file_read would refuse it for what it is. */
static void fuzz_file_kind(Arena *arena, Str bytes, Err *err)
{
    enum { START = 9 };
    (void)arena;
    if (bytes.size >= START) file_kind_check((Str){bytes.at + START, bytes.size - START}, "fuzz.csv", err);
}

/* The value of --task. */
static void fuzz_task_option(Arena *arena, Str bytes, Err *err)
{
    TaskSource task;
    if (task_parse(arena, arena_copy(arena, bytes.at, bytes.size), &task, err))
        ASSERT(task.train[0] && task.eval[0] && task.percent >= 0 && task.percent <= 90);
    fuzz_usage(err);
}

/* Encodes texts that the fuzzer knows nothing of, and checks what every tokenizer promises. */
static void fuzz_encode(Arena *arena, const Tokenizer *tokenizer, Str text, uint32_t max_length)
{
    const Str pairs[] = {{0}, S("a\xcc\x81 B[SEP] <mask>\xff \xe4\xb8\xad")};
    if (max_length < tokenizer_least_length(tokenizer)) max_length = tokenizer_least_length(tokenizer);
    uint32_t *ids = arena_new(arena, uint32_t, max_length);
    uint8_t *types = arena_new(arena, uint8_t, max_length);
    for (size_t i = 0; i < COUNT(pairs); i++) {
        const uint32_t count = tokenizer_encode(tokenizer, arena, text, pairs[i], max_length, ids, types);
        ASSERT(count <= max_length);
        for (uint32_t k = 0; k < count; k++)
            ASSERT(ids[k] < tokenizer_vocab_size(tokenizer) && types[k] < tokenizer_type_count(tokenizer));
    }
}

static const Str fuzz_text = S("Hello world, it's a [MASK] test \xf0\x9f\x91\x8d\xe2\x80\x8d 123 </s>");

static void fuzz_vocab(Arena *arena, Str bytes, Err *err)
{
    Tokenizer *tokenizer;
    if (tokenizer_from_vocab(arena, bytes, true, "vocab.txt", &tokenizer, err))
        fuzz_encode(arena, tokenizer, fuzz_text, 32);
}

static void fuzz_tokenizer_json(Arena *arena, Str bytes, Err *err)
{
    Tokenizer *tokenizer;
    if (tokenizer_from_json(arena, bytes, "tokenizer.json", &tokenizer, err))
        fuzz_encode(arena, tokenizer, fuzz_text, 32);
}

/* SentencePiece's character map, and what it makes of a text. */
static void fuzz_character_map(Arena *arena, Str bytes, Err *err)
{
    Normalizer normalizer = {{{.kind = NORMAL_MAP}}, 1};
    if (!charmap_read(arena, bytes, "tokenizer.json", &normalizer.steps[0].map, err)) return;
    const Str text = unicode_repair(arena, bytes); /* characters that nobody has thought of, too */
    ASSERT(!unicode_count_errors(normalize(&normalizer, arena, text)));
    ASSERT(!unicode_count_errors(normalize(&normalizer, arena, fuzz_text)));
}

/* vocab.json, a 0 byte, merges.txt */
static void fuzz_merges(Arena *arena, Str bytes, Err *err)
{
    TokenizerSettings settings = settings_defaults(CLASS_ROBERTA);
    settings.prefix_space = true;
    const char *zero = bytes.size ? memchr(bytes.at, 0, bytes.size) : NULL;
    if (!zero) return;
    const Str vocab = {bytes.at, (size_t)(zero - bytes.at)}, merges = {zero + 1, bytes.size - vocab.size - 1};
    Tokenizer *tokenizer;
    if (tokenizer_roberta_files(arena, vocab, merges, &settings, "vocab.json", "merges.txt", &tokenizer, err))
        fuzz_encode(arena, tokenizer, fuzz_text, 32);
}

/* tokenizer_config.json, config.json, special_tokens_map.json, added_tokens.json and tokenizer.json, a 0 byte between
 * them; an empty one is not there. */
static void fuzz_tokenizer_settings(Arena *arena, Str bytes, Err *err)
{
    static const char *const names[SETTINGS_FILES] = {"tokenizer_config.json", "config.json", "special_tokens_map.json",
                                                      "added_tokens.json", "tokenizer.json"};
    SettingsFile files[SETTINGS_FILES] = {0};
    TokenizerSettings settings;
    Tokenizer *tokenizer;
    bool ok = true;
    for (size_t i = 0; i < COUNT(files) && ok; i++) {
        const char *zero = bytes.size ? memchr(bytes.at, 0, bytes.size) : NULL;
        const Str own = {bytes.at, zero ? (size_t)(zero - bytes.at) : bytes.size};
        files[i].path = names[i];
        if (own.size) ok = json_parse_wide(own, names[i], &files[i].root, err);
        bytes = zero ? (Str){zero + 1, bytes.size - own.size - 1} : (Str){0};
    }
    ok = ok && settings_resolve(arena, files, CLASS_BERT, &settings, err);
    for (size_t i = 0; i < COUNT(files); i++) json_decref(files[i].root);
    if (ok && settings.class == CLASS_BERT &&
        tokenizer_bert_lines(arena, S("[UNK]\n[CLS]\n[SEP]\na\n##a\nyes\n"), &settings, "vocab.txt", &tokenizer, err)) {
        fuzz_encode(arena, tokenizer, fuzz_text, 32);
        if (tokenizer_fit(tokenizer, "model", 7, 1, err)) {
            ASSERT(tokenizer_vocab_size(tokenizer) <= 7 && tokenizer_type_count(tokenizer) == 1);
            fuzz_encode(arena, tokenizer, fuzz_text, 32);
        }
    }
}

/* The first byte: which tokenizer, and the max_length. */
static void fuzz_tokenize(Arena *arena, Str bytes, Err *err)
{
    static Arena forever;
    static Tokenizer *tokenizers[6];
    static const char *const folders[] = {"bert-json", "words-json", "roberta", "roberta-json", "xlmr", "unigram-json"};
    for (size_t i = 0; i < COUNT(folders) && !tokenizers[i]; i++)
        ASSERT(tokenizer_load(&forever, arena_printf(&forever, "tests/golden/tokenizers/%s", folders[i]),
                              &tokenizers[i], err));
    if (!bytes.size) return;
    const uint8_t first = (uint8_t)bytes.at[0];
    fuzz_encode(arena, tokenizers[first % COUNT(tokenizers)], (Str){bytes.at + 1, bytes.size - 1}, first / 2);
}

static void fuzz_results(Arena *arena, Str bytes, Err *err)
{
    static FILE *nowhere;
    Results results;
    if (!nowhere) nowhere = fopen("/dev/null", "w");
    if (!report_parse(arena, bytes, "results.jsonl", &results, err)) return;
    report_table(&results, nowhere);
    markdown_write(&results, nowhere);
    summary_text(arena, &results);
    html_page(arena, &results, &(HtmlCharts){0});
    results.metric = METRIC_MCC;
    report_table(&results, nowhere);
    paper_latex_tables(&results, nowhere);
    paper_latex_setup(&results, nowhere);
    paper_csv(&results, nowhere);
    cite_results(&results, nowhere);
}

/* Order, names, titles and colours, a line each, for a report of three methods. */
static void fuzz_look(Arena *arena, Str bytes, Err *err)
{
    static const char *const given[] = {"full", "lora", "lora-seq"};
    Results r = {.method_count = COUNT(given)};
    r.methods = (const char **)arena_copy(arena, given, sizeof given);
    r.method_info = arena_new(arena, ResultMethodInfo, COUNT(given));
    for (Str rest = bytes; rest.size;) {
        const char *end = memchr(rest.at, '\n', rest.size);
        const size_t size = end ? (size_t)(end - rest.at) : rest.size;
        const char *text = arena_copy(arena, rest.at + (size > 0), size - (size > 0));
        const char kind = size ? *rest.at : 0;
        if (kind == 'o') report_order(arena, &r, text, err);
        if (kind == 'n') report_rename(arena, &r, text, err);
        if (kind == 'c') look_colours(&r.look, text, err);
        if (kind == 't') look_title(text, err);
        for (int m = 0; m < r.method_count; m++) ASSERT(r.methods[m] && *r.methods[m]);
        fuzz_usage(err);
        rest = end ? (Str){end + 1, rest.size - size - 1} : (Str){0};
    }
}

static void fuzz_joined(Arena *arena, Str bytes, Err *err)
{
    FolderList folders = {0};
    if (joined_parse(arena, bytes, "joined.json", &folders, err)) ASSERT(folders.count > 0);
}

/* A method's name gives the method again. */
static void fuzz_method(Arena *arena, Str bytes, Err *err)
{
    Method method, again;
    StrategyValues values;
    strategy_defaults(&values);
    if (!bytes.size || memchr(bytes.at, 0, bytes.size)) return;
    if (!method_parse(arena, bytes, &method, err)) {
        fuzz_usage(err);
        return;
    }
    ASSERT(strlen(method.name) <= METHOD_MAX_NAME);
    ASSERT(method_parse(arena, str(method.name), &again, err) && method_same(&method, &again, &values));
    ASSERT(strcmp(method.name, again.name) == 0);
}

static void fuzz_task_value(Arena *arena, Str bytes, Err *err)
{
    Plan *plan = arena_new(arena, Plan, 1);
    const Option *row = option_find(run_options(), "task-option");
    if (option_set(row, plan, arena, arena_copy(arena, bytes.at, bytes.size), err))
        ASSERT(plan->task_value_count == 1 && plan->task_value[0].value >= plan->task_value[0].row->low &&
               plan->task_value[0].value <= plan->task_value[0].row->high);
    fuzz_usage(err);
}

/* What is put in order is no more than what there was. */
static void fuzz_order(Str bytes, void (*read)(Order *o, Str all))
{
    static const Method full = {.name = "full"}, ewc = {.name = "ewc"};
    const Plan plan = {.methods = {&full, &ewc}, .method_count = 2, .seeds = {1, 42}, .seed_count = 2};
    Order order = {0};
    size_t size = 0;
    order_plan(&order, &plan);
    read(&order, bytes);
    for (size_t i = 0; i < order.out.count; i++) size += order.out.at[i].size;
    ASSERT(size <= bytes.size);
    arena_free(&order.arena);
}

/* What a run that goes on takes from an interrupted one: results.jsonl, a 0 byte, predictions.tsv. */
static void fuzz_journal(Arena *arena, Str bytes, Err *err)
{
    Journal journal = {.finished = json_object(), .texts_known = json_object()};
    const char *zero = bytes.size ? memchr(bytes.at, 0, bytes.size) : NULL;
    const Str events = {bytes.at, zero ? (size_t)(zero - bytes.at) : bytes.size};
    const Str lines = zero ? (Str){zero + 1, bytes.size - events.size - 1} : (Str){0};
    bool done = false;
    (void)err;
    journal_survey(&journal, events, NULL, &done);
    const Str kept = journal_kept(&journal, arena, events, false, journal_keeps_event);
    ASSERT(kept.size <= events.size && journal.texts <= events.size);
    ASSERT(journal_kept(&journal, arena, lines, true, journal_keeps_prediction).size <= lines.size);
    journal.kept = 0; /* what was kept once is kept again */
    ASSERT(journal_kept(&journal, arena, kept, false, journal_keeps_event).size == kept.size);
    fuzz_order(events, order_events);
    fuzz_order(lines, order_predictions);
    json_decref(journal.margin);
    json_decref(journal.finished);
    json_decref(journal.texts_known);
    arena_free(&journal.arena);
}

/* ---- what Hugging Face's libraries, PEFT and lethe itself save of a trained model ---- */

static void fuzz_adapter_config(Arena *arena, Str bytes, Err *err)
{
    Lora lora, again;
    if (!peft_config_parse(bytes, "adapter_config.json", &family_bert, NULL, &lora, err)) return;
    ASSERT(lora.r >= 1 && lora.r <= 1024 && lora.targets < 1u << LORA_TARGETS && lora.drop < 1);
    if (!lora.targets) return; /* the tensors tell */
    json_t *config = peft_config(&family_bert, &lora, NULL);
    char *text = json_dumps(config, JSON_REAL_PRECISION(9));
    const char *copy = arena_copy(arena, text, strlen(text));
    free(text);
    json_decref(config);
    /* an alpha at the edge of what is possible may be rounded beyond it */
    if (lora.alpha > 1e-5f && lora.alpha < 9e5f && lora.drop < 0.99f)
        ASSERT(peft_config_parse(str(copy), "adapter_config.json", &family_bert, NULL, &again, err) &&
               again.alpha == lora.alpha && again.drop == lora.drop &&
               (again.targets & lora.targets) ==
                   lora.targets); /* output.dense alone has no name: see peft_target_names */
}

static void fuzz_adapter(Arena *arena, Str bytes, Err *err)
{
    static const ModelConfig config = {.family = &family_bert,
                                       .layers = 1,
                                       .hidden = 4,
                                       .embedding = 4,
                                       .heads = 1,
                                       .inner = 4,
                                       .vocab = 4,
                                       .positions = 8,
                                       .types = 2};
    Lora lora = {.r = 1, .targets = LORA_QUERY | LORA_VALUE, .alpha = 1};
    Head head;
    Safetensors file;
    bool has_head;
    if (!safetensors_parse(arena, bytes, "adapter_model.safetensors", &file, err)) return;
    head_layout(arena, &config, 2, &head);
    lora_layout(arena, &config, &lora);
    float *adapter = arena_new(arena, float, lora.layout.floats), *head_w = arena_new(arena, float, head.layout.floats);
    peft_classes(&file, &family_bert);
    if (peft_load(&family_bert, &lora, &head, &file, false, adapter, head_w, &has_head, err))
        ASSERT(file.count == (size_t)lora.layout.count + (has_head ? (size_t)head.layout.count : 0));
}

static void fuzz_labels(Arena *arena, Str bytes, Err *err)
{
    Labels labels;
    if (!labels_parse(arena, bytes, "config.json", &labels, err)) return;
    ASSERT(labels.classes >= 2 && labels.classes <= TASK_MAX_CLASSES);
    json_t *encoder = json_object(), *config = labels_config(encoder, &family_bert, &labels);
    ASSERT(json_object_size(json_object_get(config, "label2id")) == labels.classes);
    json_decref(encoder);
    json_decref(config);
}

static void fuzz_kept(Arena *arena, Str bytes, Err *err)
{
    KeptModel kept;
    if (kept_parse(arena, bytes, "model.json", "a", &kept, err))
        ASSERT(kept.labels.classes >= 2 && strlen(kept.sha256) == 64);
    fuzz_usage(err); /* no task "a" */
}

static void fuzz_tokenizer_config(Arena *arena, Str bytes, Err *err)
{
    TokenizerSettings settings;
    if (tokenizer_config_parse(arena, bytes, "tokenizer_config.json", &settings, err)) ASSERT(settings.max_length >= 0);
}

/* The first byte: JSON lines or not. What rows_open would make for each input, a large buffer, is made once. */
static void fuzz_rows(Arena *arena, Str bytes, Err *err)
{
    static char buffer[ROW_MOST_BYTES + 2];
    static int fd = -1;
    (void)arena;
    if (!bytes.size) return;
    if (fd < 0) fd = memfd_create("rows", MFD_CLOEXEC);
    ASSERT(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 && !sys_write(fd, bytes.at + 1, bytes.size - 1) &&
           lseek(fd, 0, SEEK_SET) == 0);
    RowReader reader = {.file = fd, .what = "rows", .jsonl = bytes.at[0] & 1, .bytes = buffer};
    if (!rows_expect(&reader, (PairKind)((uint8_t)bytes.at[0] >> 1 & 3) % 3, bytes.at[0] & 8 ? "the model takes" : NULL,
                     err))
        return;
    Example row;
    RowState state = ROW_READ;
    uint64_t rows = 0;
    while (state == ROW_READ && rows_next(&reader, true, &row, &state, err)) {
        ASSERT(state != ROW_NOT_YET && (state == ROW_ENDED || row.text.at || !row.text.size));
        rows += state == ROW_READ;
    }
    ASSERT(rows == reader.rows && rows <= bytes.size);
    arena_free(&reader.row);
}

static void fuzz_shards(Arena *arena, Str bytes, Err *err)
{
    ShardIndex index;
    if (!shard_index_parse(arena, bytes, "model.safetensors.index.json", &index, err)) return;
    ASSERT(index.file_count >= 1 && index.file_count <= SHARDS_MOST && index.file_count <= index.tensor_count);
    for (size_t i = 0; i < index.tensor_count; i++) ASSERT(index.places[i] < index.file_count);
    for (size_t i = 0; i < index.file_count; i++) ASSERT(!strchr(index.files[i], '/') && index.files[i][0] != '.');
}

/* The first byte: whether the hash in front is made right, since no fuzzer will find one that is. */
static void fuzz_pipeline_cache(Arena *arena, Str bytes, Err *err)
{
    static const VkPhysicalDeviceProperties device = {.vendorID = 0x10005, .deviceID = 0, .pipelineCacheUUID = "lethe"};
    (void)err;
    if (!bytes.size) return;
    const bool hashed = bytes.at[0] & 1;
    const Str rest = {bytes.at + 1, bytes.size - 1};
    Str file = rest, body;
    if (hashed) {
        char *copy = arena_new(arena, char, PIPELINE_CACHE_HEAD + rest.size + 1);
        sha256_hex(rest, copy);
        memcpy(copy + PIPELINE_CACHE_HEAD, rest.at, rest.size);
        file = (Str){copy, PIPELINE_CACHE_HEAD + rest.size};
    }
    body = pipeline_cache_checked(&device, file);
    ASSERT(!body.size || (body.size >= sizeof(VkPipelineCacheHeaderVersionOne) &&
                          memcmp(body.at + 16, device.pipelineCacheUUID, VK_UUID_SIZE) == 0));
}

/* ---- what a user writes ---- */

static void fuzz_check_plan(const Plan *plan)
{
    ASSERT(plan->task_count <= PLAN_MAX_TASKS && plan->seed_count >= 0 && plan->seed_count <= PLAN_MAX_SEEDS);
    ASSERT(plan->method_count >= 0 && plan->method_count <= PLAN_MAX_METHODS && plan->lora_targets < 8);
    for (int i = 0; i < plan->task_count; i++) ASSERT(plan->tasks[i].name[0] && !strchr(plan->tasks[i].name, '/'));
}

/* OUT/config.json, as `lethe run --config` takes it */
static void fuzz_run_config(Arena *arena, Str bytes, Err *err)
{
    Plan *plan = arena_new(arena, Plan, 1);
    plan->family = &family_bert;
    json_t *options = json_object();
    const char *repeats = NULL;
    strategy_defaults(&plan->values);
    if (run_merge_config(bytes, "config.json", options, arena, &repeats, err) && run_set_all(plan, arena, options, err))
        fuzz_check_plan(plan);
    json_decref(options);
    fuzz_usage(err);
}

/* Lines of OPTION=VALUE; an option of lethe run, or "grid" of lethe plan. */
static void fuzz_options(Arena *arena, Str bytes, Err *err)
{
    Plan *plan = arena_new(arena, Plan, 1);
    plan->family = &family_bert;
    JobGrid grid = {.arena = arena};
    strategy_defaults(&plan->values);
    bool ok = true;
    char *rest = arena_copy(arena, bytes.at, bytes.size);
    for (char *line; ok && (line = strsep(&rest, "\n"));) {
        char *value = line;
        const char *name = strsep(&value, "=");
        if (!value) continue;
        if (strcmp(name, "grid") == 0)
            ok = plan_add_axis(&grid, value, err);
        else if (option_find(run_options(), name))
            ok = run_set(plan, arena, name, value, err);
    }
    fuzz_check_plan(plan);
    ASSERT(grid.axis_count <= PLAN_MAX_AXES - 2);
    for (int i = 0; i < grid.axis_count; i++)
        for (int k = 0; k < grid.axes[i].count; k++) ASSERT(grid.axes[i].values[k][0]);
    fuzz_usage(err);
}

/* A zstd frame of one block that holds the bytes as they are (RFC 8878): to compress them would take most of the time.
 */
static Str fuzz_frame(Arena *arena, Str bytes)
{
    const bool large = bytes.size > 255;
    const size_t told = large ? bytes.size - 256 : bytes.size, block = bytes.size << 3 | 1;
    ASSERT(told <= UINT16_MAX);
    const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, large ? 0x60 : 0x20, (uint8_t)told, (uint8_t)(told >> 8)};
    const uint8_t before[] = {(uint8_t)block, (uint8_t)(block >> 8), (uint8_t)(block >> 16)};
    const size_t heads = large ? sizeof head : sizeof head - 1, start = heads + sizeof before;
    char *frame = arena_new(arena, char, start + bytes.size);
    memcpy(frame, head, heads);
    memcpy(frame + heads, before, sizeof before);
    memcpy(frame + start, bytes.at, bytes.size);
    return (Str){frame, start + bytes.size};
}

/* The first byte: a file as it is, or what it expands to. */
static void fuzz_snapshot(Arena *arena, Str bytes, Err *err)
{
    static const Layout layout = {.table_rows = 2, .table_cols = 2, .decay_floats = 5, .floats = 6};
    static const TrainStore store = {.path = "fuzz.safetensors.zst", .identity = "fuzz"};
    const Training training = {.hyper.epochs = 2, .store = &store};
    Device device = {0};
    Archive archive;
    if (!bytes.size) return;
    Str packed = {bytes.at + 1, bytes.size - 1};
    if (bytes.at[0] & 1 && packed.size < UINT16_MAX) packed = fuzz_frame(arena, packed);
    if (!archive_parse(arena, packed, "fuzz.safetensors.zst", &archive, err)) return;
    Params params = {.layout = &layout};
    f32p *arrays[] = {&params.w, &params.m, &params.v, &params.best};
    for (size_t i = 0; i < COUNT(arrays); i++) *arrays[i] = arena_new(arena, float, layout.floats);
    params.stamp = arena_new(arena, uint32_t, layout.table_rows);
    Run run = {.state = {.device = &device, .training = &training, .steps = 9}, .params = &params, .params_count = 1};
    StoreMove move = {.device = &device};
    json_t *progress = NULL;
    if (store_check(&run, arena, &archive, &move, &progress, err)) {
        ASSERT(archive_read(&archive, store_take, &move, err));
        ASSERT(run.state.step <= 9 && params.updates <= run.state.step && run.epoch <= 2);
    }
    json_decref(progress);
    archive_close(&archive);
}

/* ---- the command line, and what it writes ---- */

/* Cuts the next piece off what stands before `end`; false when nothing is left. */
static bool fuzz_piece(Str *rest, char end, Str *piece)
{
    if (!rest->at) return false;
    const char *at = rest->size ? memchr(rest->at, end, rest->size) : NULL;
    *piece = (Str){rest->at, at ? (size_t)(at - rest->at) : rest->size};
    *rest = at ? (Str){at + 1, rest->size - piece->size - 1} : (Str){0};
    return true;
}

/* Lines: a word, and the names that it may be. */
static void fuzz_nearest(Arena *arena, Str bytes, Err *err)
{
    Str word, name;
    (void)err;
    if (!fuzz_piece(&bytes, '\n', &word)) return;
    Nearest near = nearest_to(word);
    while (fuzz_piece(&bytes, '\n', &name)) {
        const char *copy = arena_copy(arena, name.at, name.size), *best = near.name;
        const int before = near.distance;
        nearest_offer(&near, copy);
        ASSERT(!best || (near.name && (near.name == best || near.distance < before)));
        name = str(copy);
        if (near.name == copy) ASSERT(near.distance >= 0 && near.distance * 3 <= NEAREST_MOST_BYTES);
        if (word.size > NEAREST_MOST_BYTES || name.size > NEAREST_MOST_BYTES) {
            ASSERT(near.name != copy);
            continue;
        }
        const int distance = nearest_distance(word, name),
                  longer = (int)(word.size > name.size ? word.size : name.size);
        ASSERT(distance == nearest_distance(name, word) && distance <= longer);
        ASSERT(distance >= longer - (int)(word.size < name.size ? word.size : name.size));
        if (word.size && str_equal(word, name)) ASSERT(near.name && near.distance == 0);
    }
    const char *hint = nearest_hint(&near, "--");
    ASSERT(near.name ? str_ends(str(hint), S("?")) && strstr(hint, near.name) : !*hint);
}

/* Lines: the words behind lethe predict; or, after "run", "plan" and so on, behind that command. */
static void fuzz_arguments(Arena *arena, Str bytes, Err *err)
{
    enum { MOST_WORDS = 64 };
    char *words[MOST_WORDS + 1] = {0};
    int count = 0, rest = 0;
    Str piece;
    while (count < MOST_WORDS && fuzz_piece(&bytes, '\n', &piece))
        words[count++] = arena_copy(arena, piece.at, piece.size);
    if (!count) return;
    OptionRows rows = {0};
    for (const Command *c = commands; c->name; c++)
        if (strcmp(c->name, words[0]) == 0) command_rows(c, &rows);
    if (!rows.count) option_rows_add(&rows, predict_options, COUNT(predict_options));
    json_t *options = json_object(), *value;
    const char *name;
    command_asks_help(count, words);
    const bool ok = options_parse(&rows, count, words, 2, options, &rest, err);
    ASSERT(ok == !err->code && rest >= 0 && rest <= 2 && rest < count);
    json_object_foreach(options, name, value)
    {
        const Option *row = option_find(&rows, name);
        double number;
        ASSERT(row && json_typeof(value) == (row->type == OPTION_LIST   ? JSON_ARRAY
                                             : row->type == OPTION_FLAG ? JSON_TRUE
                                                                        : JSON_STRING));
        if (!ok || row->type == OPTION_LIST || row->type == OPTION_TEXT) continue;
        if (!option_number(row, json_string_value(value), &number, err)) break;
        if (row->type == OPTION_INT || row->type == OPTION_REAL) ASSERT(number >= row->low && number <= row->high);
        Arena scratch = {0};
        double again;
        Err none = {0};
        if (row->type != OPTION_FLAG)
            ASSERT(option_number(row, option_show(&scratch, row, number, false), &again, &none) && again == number);
        arena_free(&scratch);
    }
    json_decref(options);
    fuzz_usage(err);
}

/* The rows of fuzz_labelled, as they must come back. */
static void fuzz_read_labelled(Arena *arena, const Labelled *l, const Answer *answers, size_t count, bool gold)
{
    static const char *const names[] = {"fuzz.jsonl", "fuzz.csv", "fuzz.tsv"};
    const ColumnNames columns = {.label = gold ? "gold_label" : "label"};
    Err err = {0};
    ExampleFile file;
    const Str table = {l->out.text.at, l->out.text.count};
    if (!examples_parse(arena, table, names[l->form], &columns, false, &file, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    ASSERT(file.row_count == count && file.pairs == l->pairs);
    for (size_t i = 0; i < count; i++) {
        const Example *row = answers[i].row;
        ASSERT(str_equal(file.rows[i].text, unicode_repair(arena, row->text)));
        ASSERT(!l->pairs || str_equal(file.rows[i].pair, unicode_repair(arena, row->pair)));
        const Str label = gold ? unicode_repair(arena, row->label) : str(l->labels->names[answers[i].label]);
        ASSERT(str_equal(file.rows[i].label, str_trim(label)));
    }
}

/* What predict --to writes is read back as the same rows. The first byte: the format, the columns, pairs; the pieces
 * between bytes 0x1e: two names of classes, then text, pair and label of each row. */
static void fuzz_labelled(Arena *arena, Str bytes, Err *err)
{
    enum { MOST_ROWS = 32 };
    static const double shares[] = {0.1, 0.9};
    const char *names[2];
    Str pieces[3];
    if (!bytes.size) return;
    const uint8_t choice = (uint8_t)bytes.at[0];
    const bool gold = choice & 8;
    Labels labels = {2, names};
    Labelled l = {.path = "fuzz", .form = (LabelledForm)(choice % 4 % 3), .labels = &labels};
    l.with = WITH_TEXT | WITH_PAIR | (choice & 4 ? WITH_ROW : 0) | (gold ? WITH_LABEL : 0);
    l.logits = choice & 16;
    bytes = (Str){bytes.at + 1, bytes.size - 1};
    for (int i = 0; i < 2; i++) {
        if (!fuzz_piece(&bytes, 0x1e, &pieces[0])) return;
        const Str name = unicode_repair(arena, pieces[0]); /* as JSON's parser lets it through */
        names[i] = arena_copy(arena, name.at, strnlen(name.at ? name.at : "", name.size));
    }
    if (!*names[0] || !*names[1] || strcmp(names[0], names[1]) == 0) return;
    Answer answers[MOST_ROWS];
    size_t count = 0;
    bool ok = true;
    while (ok && count < MOST_ROWS && fuzz_piece(&bytes, 0x1e, &pieces[0]) && fuzz_piece(&bytes, 0x1e, &pieces[1]) &&
           fuzz_piece(&bytes, 0x1e, &pieces[2])) {
        Example *row = arena_new(arena, Example, 1);
        *row = (Example){pieces[0], choice & 32 ? pieces[1] : (Str){0}, pieces[2], count + 1};
        if (row->label.size) row->label.size = strnlen(row->label.at, row->label.size); /* the reader takes no other */
        if (!gold) row->label = (Str){0};
        answers[count] = (Answer){row, count + 1, pieces[1].size % 2, shares, shares};
        ok = labelled_add(&l, arena, &answers[count++], "fuzz", err);
    }
    l.pairs = choice & 32;
    if (ok && count) fuzz_read_labelled(arena, &l, answers, count, gold);
    output_close(&l.out);
}

#include "serve.h"

static const struct {
    const char *name;
    FuzzTarget *run;
} fuzz_targets[] = {
    {"zstd", fuzz_zstd},
    {"safetensors", fuzz_safetensors},
    {"model_config", fuzz_model_config},
    {"table", fuzz_table},
    {"file_kind", fuzz_file_kind},
    {"task_option", fuzz_task_option},
    {"vocab", fuzz_vocab},
    {"tokenizer_json", fuzz_tokenizer_json},
    {"character_map", fuzz_character_map},
    {"merges", fuzz_merges},
    {"tokenize", fuzz_tokenize},
    {"results", fuzz_results},
    {"look", fuzz_look},
    {"journal", fuzz_journal},
    {"joined", fuzz_joined},
    {"method", fuzz_method},
    {"task_value", fuzz_task_value},
    {"adapter_config", fuzz_adapter_config},
    {"adapter", fuzz_adapter},
    {"labels", fuzz_labels},
    {"kept", fuzz_kept},
    {"tokenizer_config", fuzz_tokenizer_config},
    {"tokenizer_settings", fuzz_tokenizer_settings},
    {"rows", fuzz_rows},
    {"snapshot", fuzz_snapshot},
    {"shards", fuzz_shards},
    {"pipeline_cache", fuzz_pipeline_cache},
    {"run_config", fuzz_run_config},
    {"options", fuzz_options},
    {"nearest", fuzz_nearest},
    {"arguments", fuzz_arguments},
    {"labelled", fuzz_labelled},
    {"serve", fuzz_serve},
    {"live", fuzz_live},
};

static void fuzz_one(FuzzTarget *run, Str bytes)
{
    Arena arena = {0};
    Err err = {0};
    run(&arena, bytes, &err);
    ASSERT(err.code == 0 || (err.code == EXIT_WORLD && err.text[0] && !strchr(err.text, '\n')));
    arena_free(&arena);
}
