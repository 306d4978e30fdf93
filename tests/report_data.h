/* Results to test with: files that look like those of real runs, and constructed runs of given numbers. */

/* ---- Made-up results.jsonl files that look like those of real runs: any number of tasks, methods and seeds, with
 * every kind of event. The same bytes each time. A row is easy or hard to learn and easy or hard to keep for all
 * methods alike, so that methods forget the same rows more often than chance would have it. */

enum { MADE_ROWS = 300, MADE_STEPS = 60, MADE_TASKS = 5, MADE_METHODS = 15, MADE_LAYERS = 3 };

typedef struct Made {
    int tasks, methods, seeds; /* the first so many of the tables below; seeds 1, 2, ... */
    bool bare;                 /* only what the first version wrote: steps and evaluations */
    int cut;                   /* leave out so many methods at the end, half of the one before them, and "done" */
    int first_method;          /* the methods from this one on: a part of a grid */
    uint32_t first_seed;       /* 0: 1 */
} Made;

static const struct {
    const char *name, *classes;
    int class_count;
    double majority, learn; /* learn: accuracy right after training */
    bool pairs;
} made_tasks[MADE_TASKS] = {
    {"sentiment", "\"negative\",\"positive\"", 2, 0.5, 0.78, false},
    {"nli", "\"entailment\",\"neutral\",\"contradiction\"", 3, 0.34, 0.6, true},
    {"trec", "\"ABBR\",\"DESC\",\"ENTY\",\"HUM\",\"LOC\",\"NUM\"", 6, 0.276, 0.9, false},
    {"subj", "\"objective\",\"subjective\"", 2, 0.5, 0.93, false},
    {"sst2", "\"negative\",\"positive\"", 2, 0.509, 0.82, false},
};

static const struct {
    const char *name, *kind, *about;
    double learn, forget; /* learn: times the task's; forget: share of the right rows lost with each later task */
    uint32_t trainable;
} made_methods[MADE_METHODS] = {
    {"full", "method", "the whole encoder, task after task", 1, 0.3, 22713986},
    {"lora", "separate", "a LoRA adapter and a head for each task; the encoder never changes", 0.97, 0, 111362},
    {"lora-seq", "method", "one LoRA adapter, trained on task after task", 0.97, 0.22, 111362},
    {"ewc", "method", "full, held near the old weights where they mattered", 0.98, 0.16, 22713986},
    {"replay", "method", "full, with rows of earlier tasks in every batch", 1, 0.05, 22713986},
    {"lwf", "method", "full, keeping the old head's answers on new rows", 0.99, 0.12, 22713986},
    {"l2sp", "method", "full, held near the pretrained encoder", 0.96, 0.2, 22713986},
    {"si", "method", "full, held where the path cost most", 0.98, 0.24, 22713986},
    {"mas", "method", "full, held where outputs are sensitive", 0.55, 0.03, 22713986},
    {"der++", "method", "replay of rows and of logits", 1, 0.06, 22713986},
    {"agem", "method", "full, never against the gradient of stored rows", 1, 0.15, 22713986},
    {"o-lora", "method", "an adapter a task, orthogonal to the earlier", 0.95, 0.1, 111362},
    {"joint", "ceiling", "all tasks seen so far together", 1.02, 0, 22713986},
    {"frozen", "floor", "only the heads are trained", 0.8, 0, 1154},
    {"wise-ft", "after", "the mean of the weights before and after", 0.95, 0.08, 22713986},
};

/* A number in [0, 1) for a place; the same for the same place. */
static double made_random(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint32_t counter[4] = {a, b, c, d}, key[2] = {20, 26};
    uint32_t out[4];
    philox4x32(counter, key, out);
    return out[0] / 4294967296.0;
}

/* right[after][row] of one task, for after >= task; in percent of its own certainty `sure`. */
static void made_rows(int task, int method, uint32_t seed, int tasks, uint8_t right[MADE_TASKS][MADE_ROWS])
{
    const bool shared =
        task == 0 && made_methods[method].trainable == made_methods[0].trainable; /* trained once for these */
    const double learn =
        fmax(made_tasks[task].learn * (shared ? 1 : made_methods[method].learn), made_tasks[task].majority);
    for (uint32_t r = 0; r < MADE_ROWS; r++) {
        const double ease = made_random(r, (uint32_t)task, 0, 0), hold = made_random(r, (uint32_t)task, 1, 0);
        const uint32_t place = seed * 100 + (shared ? 0 : (uint32_t)method);
        const bool alike = made_random(r, (uint32_t)task, place, 2) < 0.85; /* else a row goes its own way */
        right[task][r] = (alike ? ease : made_random(r, (uint32_t)task, place, 3)) < learn;
        for (int after = task + 1; after < tasks; after++) {
            const bool before = right[after - 1][r];
            const double chance = made_random(r, (uint32_t)task, seed * 100 + (uint32_t)method, 4 + (uint32_t)after);
            const double forget = made_methods[method].forget * 2 * hold;
            right[after][r] = before ? chance >= forget : chance < made_methods[method].forget * 0.3;
        }
    }
}

static uint32_t made_count(const uint8_t *right, uint32_t rows)
{
    uint32_t count = 0;
    for (uint32_t r = 0; r < rows; r++) count += right[r];
    return count;
}

static void made_hex(FILE *f, const uint8_t *marks)
{
    for (int r = 0; r < MADE_ROWS; r += 4)
        fprintf(f, "%x", marks[r] << 3 | marks[r + 1] << 2 | marks[r + 2] << 1 | marks[r + 3]);
}

/* The true class of a row (from 0): each as often as the others. What is wrong is said to be of the next class. */
static uint32_t made_label(int task, uint32_t row) { return row % (uint32_t)made_tasks[task].class_count; }

static void made_predictions(FILE *f, int task, uint32_t seed, const uint8_t *right)
{
    fprintf(f, ",\"predictions\":\"");
    for (uint32_t r = 0; r < MADE_ROWS; r++)
        fprintf(f, "%x",
                right[r] ? made_label(task, r) : (made_label(task, r) + 1) % (uint32_t)made_tasks[task].class_count);
    fprintf(f, "\",\"confidence\":\"");
    for (uint32_t r = 0; r < MADE_ROWS; r++)
        fprintf(f, "%03x", (uint32_t)(CONFIDENCE_STEPS * (0.5 + 0.5 * made_random(r, (uint32_t)task, seed, 70))));
    fprintf(f, "\"");
}

static void made_eval(FILE *f, const Made *made, int method, uint32_t seed, int after, int task, const uint8_t *own,
                      const uint8_t *now)
{
    const uint32_t correct = made_count(now, MADE_ROWS);
    uint32_t lost = 0, gained = 0;
    fprintf(f,
            "{\"event\":\"eval\",\"method\":\"%s\",\"seed\":%u,\"after_task\":%d,\"task\":%d,\"name\":\"%s\","
            "\"epoch\":2,\"step\":%d,\"rows\":%d,\"correct\":%u,\"accuracy\":%.9g,\"loss\":%.4f,\"final\":true",
            made_methods[method].name, seed, after + 1, task + 1, made_tasks[task].name, MADE_STEPS, MADE_ROWS, correct,
            (double)correct / MADE_ROWS, 1.3 - (double)correct / MADE_ROWS);
    for (int r = 0; r < MADE_ROWS; r++) {
        lost += own[r] && !now[r];
        gained += !own[r] && now[r];
    }
    if (after > task) fprintf(f, ",\"lost\":%u,\"gained\":%u", lost, gained);
    if (!made->bare) {
        fprintf(f, ",\"right\":\"");
        made_hex(f, now);
        fprintf(f, "\"");
        made_predictions(f, task, seed, now);
        if (after > task) fprintf(f, ",\"changed\":%u", lost + gained);
    }
    fprintf(f, "}\n");
}

static void made_steps(FILE *f, const Made *made, int method, uint32_t seed, int task)
{
    for (int step = 1; step <= MADE_STEPS; step += 1) {
        const double t = (double)step / MADE_STEPS,
                     noise = made_random((uint32_t)step, (uint32_t)task, seed, (uint32_t)(100 + method));
        const double start = log(made_tasks[task].class_count);
        fprintf(
            f,
            "{\"event\":\"step\",\"method\":\"%s\",\"seed\":%u,\"task\":%d,\"name\":\"%s\",\"step\":%d,\"epoch\":%d,"
            "\"loss\":%.7f,\"grad_norm\":1.5,\"learning_rate\":0.0001,\"tokens\":300,\"seconds\":0.05",
            made_methods[method].name, seed, task + 1, made_tasks[task].name, step, 3 * (step - 1) / MADE_STEPS,
            start * (1 - (made_tasks[task].learn * made_methods[method].learn - 0.1) * t) + 0.2 * (noise - 0.5));
        if (!made->bare && task > 0 && strcmp(made_methods[method].name, "ewc") == 0)
            fprintf(f, ",\"penalty\":%.7f", 0.02 * t);
        fprintf(f, "}\n");
    }
}

/* Looks at the first rows of an old task while `after` trains: from what was right before to what is right then, and a
 * dip on the way that is partly made good. */
static void made_curves(FILE *f, int method, uint32_t seed, int after, int task, const uint8_t *before,
                        const uint8_t *now)
{
    enum { ROWS = 100 };
    for (int step = 6; step < MADE_STEPS; step += 6) {
        const double t = (double)step / MADE_STEPS, dip = made_methods[method].forget * 0.8 * t * (1 - t) * (1 - t) * 3;
        uint8_t of[MADE_ROWS] = {0}, right[MADE_ROWS] = {0};
        for (uint32_t r = 0; r < ROWS; r++) {
            of[r] = 1;
            right[r] = (made_random(r, (uint32_t)task, seed, 60) < t ? now[r] : before[r]) &&
                       made_random(r, (uint32_t)task, seed, 61) >= dip;
        }
        fprintf(f,
                "{\"event\":\"curve\",\"method\":\"%s\",\"seed\":%u,\"after_task\":%d,\"task\":%d,\"name\":\"%s\","
                "\"step\":%d,\"rows\":%d,\"correct\":%u,\"looked\":\"",
                made_methods[method].name, seed, after + 1, task + 1, made_tasks[task].name, step, ROWS,
                made_count(right, MADE_ROWS));
        made_hex(f, of);
        fprintf(f, "\",\"right\":\"");
        made_hex(f, right);
        fprintf(f, "\"}\n");
    }
}

static void made_share(FILE *f, const char *event, int method, uint32_t seed, int after_task, int task,
                       const char *more, uint32_t correct)
{
    fprintf(
        f,
        "{\"event\":\"%s\",\"method\":\"%s\",\"seed\":%u,\"after_task\":%d,\"task\":%d,\"name\":\"%s\",%s\"rows\":%d,"
        "\"correct\":%u}\n",
        event, made_methods[method].name, seed, after_task, task + 1, made_tasks[task].name, more, MADE_ROWS, correct);
}

static const char *made_part(Arena *arena, int part)
{
    if (part == 0) return "embeddings";
    return part > MADE_LAYERS ? "pooler" : arena_printf(arena, "layer %d", part);
}

/* Part `part` put back: of the rows that were lost, some are right again. */
static void made_swap(Arena *arena, FILE *f, int method, uint32_t seed, int last, int task, int part,
                      const uint8_t *own, const uint8_t *now)
{
    static const double back[] = {0.02, 0.1, 0.3, 0.5, 0.15};
    bool of[MADE_ROWS], right[MADE_ROWS];
    char looked[MADE_ROWS / 4 + 2], marks[MADE_ROWS / 4 + 2];
    uint32_t correct = 0;
    for (uint32_t r = 0; r < MADE_ROWS; r++) {
        of[r] = true;
        right[r] = now[r] || (own[r] && made_random(r, (uint32_t)task, seed, 70 + (uint32_t)part) < back[part]);
        correct += right[r];
    }
    rows_right_print(of, MADE_ROWS, looked);
    rows_right_print(right, MADE_ROWS, marks);
    made_share(f, "swap", method, seed, last + 1, task,
               arena_printf(arena, "\"block\":\"%s\",\"correct_without\":%u,\"looked\":\"%s\",\"right\":\"%s\",",
                            made_part(arena, part), made_count(now, MADE_ROWS), looked, marks),
               correct);
}

/* Where in the encoder an old task was lost: drift, swap, interpolation and probe after the last task. */
static void made_places(Arena *arena, FILE *f, int method, uint32_t seed, int last, int task, const uint8_t *own_right,
                        const uint8_t *now_right)
{
    const uint32_t own = made_count(own_right, MADE_ROWS), now = made_count(now_right, MADE_ROWS);
    const double loss = (double)own - now;
    fprintf(f,
            "{\"event\":\"drift\",\"method\":\"%s\",\"seed\":%u,\"after_task\":%d,\"task\":%d,\"name\":\"%s\",\"rows\":"
            "100,\"layers\":[",
            made_methods[method].name, seed, last + 1, task + 1, made_tasks[task].name);
    for (int p = 0; p <= MADE_LAYERS; p++) fprintf(f, "%s\"%s\"", p ? "," : "", made_part(arena, p));
    fprintf(f, "],\"cka\":[");
    for (int p = 0; p <= MADE_LAYERS; p++)
        fprintf(f, "%s%.6f", p ? "," : "", 1 - made_methods[method].forget * 0.5 * p);
    fprintf(f, "],\"error\":[");
    for (int p = 0; p <= MADE_LAYERS; p++) fprintf(f, "%s%.3f", p ? "," : "", 0.01 * p);
    fprintf(f, "]}\n");
    for (int p = 0; p <= MADE_LAYERS + 1; p++) made_swap(arena, f, method, seed, last, task, p, own_right, now_right);
    made_share(f, "probe", method, seed, last + 1, task, "", (uint32_t)(now + fmax(0, loss) * 0.4));
    for (int a = 0; a <= 10 && strcmp(made_methods[method].name, "wise-ft") == 0; a++)
        made_share(f, "interpolation", method, seed, last + 1, task, arena_printf(arena, "\"alpha\":%g,", a / 10.0),
                   (uint32_t)(own - loss * a * a / 100));
}

static const char *made_text(Arena *arena, int task, uint32_t row)
{
    static const char *const who[] = {"The film",
                                      "This caf\u00e9",
                                      "My sister\u2019s phone",
                                      "A \\\"classic\\\" novel",
                                      "The <b>hotel</b> & bar",
                                      "\u6771\u4eac's museum"};
    static const char *const what[] = {
        "was a delight",       "never gets going",         "costs too much for what it is",
        "surprised everybody", "fell apart within a week", "is worth the long way"};
    static const char *const how[] = {
        ".", ", sadly.", ", and I would go again!",
        (" | if you like that sort of thing, which nobody I know does, and which I did not expect to like either; but "
         "there it is, all the same, and I keep coming back to it.")};
    const uint32_t n = row * 7 + (uint32_t)task;
    return arena_printf(arena, "%s %s%s", who[n % 6], what[n / 6 % 6], how[n / 36 % 4]);
}

/* Which rows were lost, or won back, with the texts that no earlier event has told. */
static void made_changes(Arena *arena, FILE *f, int method, uint32_t seed, int last, int task, const uint8_t *own,
                         const uint8_t *now, bool won, uint8_t *told)
{
    const uint32_t classes = (uint32_t)made_tasks[task].class_count;
    for (uint32_t r = 0; r < MADE_ROWS; r++) {
        if (own[r] == won || now[r] != won || told[r]) continue;
        told[r] = 1;
        const char *pair =
            made_tasks[task].pairs ? arena_printf(arena, ",\"pair\":\"%s\"", made_text(arena, task, r + 1)) : "";
        fprintf(f, "{\"event\":\"text\",\"task\":%d,\"row\":%u,\"label\":%u,\"text\":\"%s\"%s}\n", task + 1, r + 1,
                made_label(task, r), made_text(arena, task, r), pair);
    }
    fprintf(f,
            "{\"event\":\"%s\",\"method\":\"%s\",\"seed\":%u,\"after_task\":%d,\"task\":%d,\"name\":\"%s\",\"rows\":[",
            won ? "won" : "lost", made_methods[method].name, seed, last + 1, task + 1, made_tasks[task].name);
    for (uint32_t r = 0, count = 0; r < MADE_ROWS; r++) {
        if (own[r] == won || now[r] != won) continue;
        const double high = 0.95 - 0.4 * made_random(r, (uint32_t)task, seed, 50),
                     low = 0.45 * made_random(r, (uint32_t)task, seed, 51);
        fprintf(f, "%s[%u,%.4f,%.4f,%u]", count++ ? "," : "", r + 1, won ? low : high, won ? high : low,
                (made_label(task, r) + 1) % classes);
    }
    fprintf(f, "]}\n");
}

static void made_run_event(FILE *f, const Made *made)
{
    fprintf(f, "{\"event\":\"run\",\"version\":\"0.1\",\"tasks\":[");
    for (int j = 0; j < made->tasks; j++) {
        fprintf(f,
                "%s{\"name\":\"%s\",\"classes\":%d,\"class_names\":[%s],\"train_rows\":1000,\"eval_rows\":%d,"
                "\"majority_rate\":%g,\"train\":\"%s_train.tsv\",\"eval\":\"%s_eval.tsv\","
                "\"train_sha256\":\"1a\",\"eval_sha256\":\"2b\"",
                j ? "," : "", made_tasks[j].name, made_tasks[j].class_count, made_tasks[j].classes, MADE_ROWS,
                made_tasks[j].majority, made_tasks[j].name, made_tasks[j].name);
        if (!made->bare) fprintf(f, ",\"labels\":\"");
        for (uint32_t r = 0; r < MADE_ROWS && !made->bare; r++) fprintf(f, "%x", made_label(j, r));
        fprintf(f, made->bare ? "}" : "\"}");
    }
    fprintf(f, "],\"methods\":[");
    for (int m = made->first_method; m < made->first_method + made->methods; m++)
        fprintf(f, "%s\"%s\"", m > made->first_method ? "," : "", made_methods[m].name);
    fprintf(f, "],\"seeds\":[");
    for (int s = 0; s < made->seeds; s++)
        fprintf(f, "%s%u", s ? "," : "", (made->first_seed ? made->first_seed : 1) + (uint32_t)s);
    fprintf(f, "],\"preset\":\"default\",\"device\":\"CPU\",\"threads\":2,\"model\":{\"name\":\"MiniLM-L6, built in\"");
    if (!made->bare) {
        fprintf(
            f,
            ",\"acquaintance\":\"MiniLM-L6's pre-training saw natural-language-inference pairs, so nli is not "
            "wholly new to it.\",\"family\":\"bert\",\"layers\":6,\"hidden\":384,\"parameters\":22713216},"
            "\"shared_first\":true,\"training\":{\"optimizer\":\"AdamW\",\"beta1\":0.9,"
            "\"beta2\":0.999,\"epsilon\":1e-08,\"schedule\":\"linear to 0\",\"warmup_steps\":0,\"clip_norm\":1,"
            "\"hidden_dropout\":0.1,\"attention_dropout\":0.1},\"settings\":{\"epochs\":\"3\",\"eval-rows\":\"300\"},"
            "\"beside_preset\":[\"epochs\",\"ewc-lambda\"],\"method_info\":[");
        for (int m = made->first_method; m < made->first_method + made->methods; m++)
            fprintf(f,
                    "%s{\"method\":\"%s\",\"kind\":\"%s\",\"about\":\"%s\",\"cite\":\"Author et al. 2020\","
                    "\"options\":{\"%s\":\"%s\"}}",
                    m > made->first_method ? "," : "", made_methods[m].name, made_methods[m].kind,
                    made_methods[m].about,
                    strcmp(made_methods[m].name, "ewc") == 0 ? "ewc-lambda"
                    : made_methods[m].trainable < 1000000    ? "lora-learning-rate"
                                                             : "learning-rate",
                    strcmp(made_methods[m].name, "ewc") == 0 ? "100" : "5e-5");
        fprintf(f, "]}\n");
    } else {
        fprintf(f, "}}\n");
    }
}

/* One method with one seed; `half`: stops after the second task's training. */
static void made_run(Arena *arena, FILE *f, const Made *made, int method, uint32_t seed, bool half,
                     uint8_t told[MADE_TASKS][MADE_ROWS])
{
    static uint8_t right[MADE_TASKS][MADE_TASKS][MADE_ROWS]; /* [task][after][row] */
    const int last = made->tasks - 1;
    for (int j = 0; j < made->tasks; j++) {
        made_rows(j, method, seed, made->tasks, right[j]);
        if (!made->bare && j > 0)
            made_share(f, "probe", method, seed, 0, j, "", (uint32_t)(MADE_ROWS * made_tasks[j].majority) - 5);
    }
    for (int i = 0; i <= last; i++) {
        if (!made->bare && i > 0)
            made_share(f, "probe", method, seed, i, i, "", (uint32_t)(MADE_ROWS * made_tasks[i].majority) + 3);
        for (int j = 0; j < i && !made->bare; j++) made_curves(f, method, seed, i, j, right[j][i - 1], right[j][i]);
        made_steps(f, made, method, seed, i);
        if (half && i == 1) return;
        for (int j = 0; j <= i; j++) made_eval(f, made, method, seed, i, j, right[j][j], right[j][i]);
        if (!made->bare && i < last)
            made_share(f, "probe", method, seed, i + 1, i, "", made_count(right[i][i], MADE_ROWS) + 2);
    }
    for (int j = 0; j < last && !made->bare; j++) {
        made_places(arena, f, method, seed, last, j, right[j][j], right[j][last]);
        for (int won = 0; won < 2; won++)
            made_changes(arena, f, method, seed, last, j, right[j][j], right[j][last], won, told[j]);
    }
    fprintf(f, "{\"event\":\"method\",\"method\":\"%s\",\"seed\":%u,\"trainable\":%u,\"seconds\":%.1f}\n",
            made_methods[method].name, seed, made_methods[method].trainable, 20.0 + method);
}

/* The text of a results.jsonl, in the arena. */
static Str made_results(Arena *arena, const Made *made)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    uint8_t told[MADE_TASKS][MADE_ROWS] = {0};
    const int end = made->first_method + made->methods - made->cut;
    made_run_event(f, made);
    for (int s = 0; s < made->seeds; s++)
        for (int m = made->first_method; m < end; m++)
            made_run(arena, f, made, m, (made->first_seed ? made->first_seed : 1) + (uint32_t)s,
                     made->cut && m == end - 1, told);
    if (!made->cut) fprintf(f, "{\"event\":\"done\",\"seconds\":600,\"peak_bytes\":478248960}\n");
    fclose(f);
    const Str lines = {arena_copy(arena, text, size), size};
    free(text);
    return lines;
}

/* The files of the tests, for people and charts to look at: build/test-tmp/made-NAME/results.jsonl. */
static const struct {
    const char *name;
    Made made;
} made_files[] = {
    {"made-3", {.tasks = 2, .methods = 3, .seeds = 1}},
    {"made-15", {.tasks = 2, .methods = 15, .seeds = 3}},
    {"made-chain", {.tasks = 5, .methods = 14, .seeds = 1}},
    {"made-bare", {.tasks = 2, .methods = 5, .seeds = 2, .bare = true}},
    {"made-unfinished", {.tasks = 3, .methods = 6, .seeds = 1, .cut = 3}},
};

/* Writes one of them; returns its folder. */
static const char *made_write(size_t i)
{
    Arena arena = {0};
    Err err = {0};
    const char *folder = tmp_path(made_files[i].name);
    if (!folder_make(folder, &err)) fail_msg("%s", err.text);
    tmp_write(arena_printf(&arena, "%s/results.jsonl", made_files[i].name), made_results(&arena, &made_files[i].made));
    arena_free(&arena);
    return folder;
}

/* Makes the methods from the second on one with so many values of an option; "" from then on none. */
static void made_sweep(Arena *arena, Results *r, int first, const char *base, const char *option,
                         const char *const *values)
{
    for (int m = 0; m < r->method_count; m++) {
        ResultMethodInfo *info = &r->method_info[m];
        if (m < first || !values[m - first]) {
            if (m >= first) break;
            continue;
        }
        info->settings = arena_new(arena, ResultSetting, 1);
        info->settings[0] = (ResultSetting){option, values[m - first], true};
        info->setting_count = 1;
        info->base = base;
        info->kind = METHOD_ORDINARY;
        r->methods[m] = arena_printf(arena, "%s (%s %s)", base, option, values[m - first]);
    }
}

/* ---- Constructed runs: two tasks, given numbers ---- */

/* One method's numbers of right rows: on task 1 when learned and at the end, on task 2. Which rows: the first ones; of
 * task 1 the first of them are lost, and those behind them gained. */
typedef struct Story {
    const char *method;
    int first, kept, second;
    int lost, gained; /* -1: not told, nor which rows are right */
} Story;

enum { STORY_ROWS = 200 };

static const char *story_kind(const char *method)
{
    for (int m = 0; m < MADE_METHODS; m++)
        if (strcmp(made_methods[m].name, method) == 0) return made_methods[m].kind;
    return "method";
}

/* Rows [from, to) are right. */
static void story_right(FILE *f, int from, int to)
{
    bool right[STORY_ROWS];
    char hex[STORY_ROWS / 4 + 1];
    for (int r = 0; r < STORY_ROWS; r++) right[r] = r >= from && r < to;
    rows_right_print(right, STORY_ROWS, hex);
    fprintf(f, ",\"right\":\"%s\"", hex);
}

/* The lines of a run of two tasks: a with 2 classes (50%), b with 3 (34%). */
static Str story_lines(Arena *arena, const Story *stories, int count, const char *seeds, bool done)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    fprintf(f,
            "{\"event\":\"run\",\"version\":\"0\",\"tasks\":[{\"name\":\"a\",\"classes\":2,\"train_rows\":9,\"eval_"
            "rows\":%d,\"majority_rate\":0.5,\"train\":\"t\",\"eval\":\"e\"},"
            "{\"name\":\"b\",\"classes\":3,\"train_rows\":9,\"eval_rows\":%d,\"majority_rate\":0.34,\"train\":\"t\","
            "\"eval\":\"e\"}],\"seeds\":[%s],\"preset\":\"default\","
            "\"model\":{\"name\":\"m\"},\"methods\":[",
            STORY_ROWS, STORY_ROWS, seeds);
    for (int i = 0; i < count; i++)
        if (!i || strcmp(stories[i].method, stories[i - 1].method) != 0)
            fprintf(f, "%s\"%s\"", i ? "," : "", stories[i].method);
    fprintf(f, "],\"method_info\":[");
    for (int i = 0; i < count; i++)
        if (!i || strcmp(stories[i].method, stories[i - 1].method) != 0)
            fprintf(f, "%s{\"method\":\"%s\",\"kind\":\"%s\"}", i ? "," : "", stories[i].method,
                    story_kind(stories[i].method));
    fprintf(f, "]}\n");
    for (int i = 0, seed = 0; i < count; i++) {
        const Story *s = &stories[i];
        seed = i && strcmp(s->method, stories[i - 1].method) == 0 ? seed + 1 : 1;
        const struct {
            int after, task, correct;
        } evals[] = {{1, 1, s->first}, {2, 1, s->kept}, {2, 2, s->second}};
        fprintf(f,
                "{\"event\":\"step\",\"method\":\"%s\",\"seed\":%d,\"task\":1,\"name\":\"a\",\"step\":1,\"epoch\":0,"
                "\"loss\":0.7}\n",
                s->method, seed);
        for (size_t k = 0; k < COUNT(evals); k++) {
            fprintf(f,
                    "{\"event\":\"eval\",\"method\":\"%s\",\"seed\":%d,\"after_task\":%d,\"task\":%d,\"name\":\"%c\","
                    "\"rows\":%d,\"correct\":%d,\"accuracy\":%.3f,\"loss\":0.5,\"final\":true",
                    s->method, seed, evals[k].after, evals[k].task, "ab"[evals[k].task - 1], STORY_ROWS,
                    evals[k].correct, evals[k].correct / (double)STORY_ROWS);
            if (k == 1 && s->lost >= 0) fprintf(f, ",\"lost\":%d,\"gained\":%d", s->lost, s->gained);
            if (s->lost >= 0) story_right(f, k == 1 ? s->lost : 0, k == 1 ? s->first + s->gained : evals[k].correct);
            fprintf(f, "}\n");
        }
        fprintf(f, "{\"event\":\"method\",\"method\":\"%s\",\"seed\":%d,\"trainable\":10,\"seconds\":1.5}\n", s->method,
                seed);
    }
    if (done) fprintf(f, "{\"event\":\"done\",\"seconds\":3,\"peak_bytes\":1000}\n");
    fclose(f);
    const Str lines = {arena_copy(arena, text, size), size};
    free(text);
    return lines;
}

static const Results *story_results(Arena *arena, const Story *stories, int count, const char *seeds)
{
    Results *results = arena_new(arena, Results, 1);
    Err err = {0};
    if (!report_parse(arena, story_lines(arena, stories, count, seeds, true), "r.jsonl", results, &err))
        fail_msg("%s", err.text);
    return results;
}

/* What `print` writes. */
static const char *printed(Arena *arena, const Results *results, void (*print)(const Results *, FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    print(results, f);
    fclose(f);
    const char *copy = arena_copy(arena, text, size);
    free(text);
    return copy;
}

static void print_table(const Results *results, FILE *f)
{
    Results expert = *results;
    expert.expert = true; /* all that can be said */
    report_table(&expert, f);
}
static const char *table_text(Arena *arena, const Results *results) { return printed(arena, results, print_table); }
static const char *markdown_text(Arena *arena, const Results *results)
{
    return printed(arena, results, markdown_write);
}
