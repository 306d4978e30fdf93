/* composition: what a method consists of has no order, and what it computes does not depend on what ran before it.
 * Every pair of strategies that go together, and some triples: named either way round, alone, before and after every
 * other method, and killed and resumed, they leave the same bits in events, predictions and kept models. Uses
 * resume_test.c's model and rows. */

enum { COMPOSITION_MOST = 128, COMPOSITION_BLOCK = 128, COMPOSITION_TRIPLES = 12 };

typedef struct Composed {
    const char *name, *turned; /* a+b and b+a; turned NULL: it has one part */
    char alone[65];            /* what it leaves, by itself */
    long renames;              /* that run's, of which snapshots are most */
} Composed;

typedef struct Compositions {
    Arena arena;
    Composed at[COMPOSITION_MOST];
    int count;
} Compositions;

#define COMPOSITION_RUN                                                                                            \
    "run --threads 1 --epochs 2 --batch-size 4 --keep-models all --task a=" R "rows.tsv," R "rows.tsv --task b=" R \
    "other.tsv," R "rows.tsv --task c=" R "rows.tsv," R "other.tsv" RESUME_MODEL

/* ---- what a method leaves, as one sum ---- */

typedef struct Leavings {
    Arena arena;
    DYN(char) text;
} Leavings;

static void leavings_add(Leavings *l, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) *dyn_push(&l->arena, &l->text) = bytes[i];
}

/* An event or model.json, but for the method's name as the user wrote it and for wall times. */
static void leavings_add_json(Leavings *l, json_t *object)
{
    static const char *const passing[] = {"method", "seconds", "curve_seconds", "diagnostics_seconds",
                                          "snapshot_seconds"};
    for (size_t i = 0; i < COUNT(passing); i++) json_object_del(object, passing[i]);
    char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
    leavings_add(l, text, strlen(text));
    free(text);
}

static void leavings_of_events(Leavings *l, const char *out, const char *method)
{
    Arena arena = {0};
    Err err = {0};
    Str text;
    assert_true(file_read(&arena, arena_printf(&arena, "%s/results.jsonl", out), 1 << 28, &text, &err));
    for (Str line; journal_line(&text, &line);) {
        json_t *event = json_loadb(line.at, line.size, 0, NULL);
        const char *owner = json_string_value(json_object_get(event, "method"));
        if (owner && strcmp(owner, method) == 0) leavings_add_json(l, event);
        json_decref(event);
    }
    arena_free(&arena);
}

static void leavings_of_predictions(Leavings *l, const char *out, const char *method)
{
    Arena arena = {0};
    Err err = {0};
    Str text;
    const size_t size = strlen(method);
    assert_true(file_read(&arena, arena_printf(&arena, "%s/predictions.tsv", out), 1 << 28, &text, &err));
    for (Str line; journal_line(&text, &line);)
        if (line.size > size && memcmp(line.at, method, size) == 0 && line.at[size] == '\t')
            leavings_add(l, line.at + size, line.size - size);
    arena_free(&arena);
}

static void leavings_of_model(Leavings *l, const char *out, const char *method)
{
    static const char *const files[] = {"encoder.safetensors",         "a/head.safetensors",
                                        "b/head.safetensors",          "c/head.safetensors",
                                        "a/adapter_model.safetensors", "b/adapter_model.safetensors",
                                        "c/adapter_model.safetensors", "a/adapter_config.json"};
    Arena arena = {0};
    Err err = {0};
    Str bytes;
    int found = 0;
    for (size_t i = 0; i < COUNT(files); i++) {
        const char *path = arena_printf(&arena, "%s/models/%s/%s", out, method, files[i]);
        if (!exists(path)) continue;
        assert_true(file_read(&arena, path, 1 << 28, &bytes, &err));
        leavings_add(l, bytes.at, bytes.size);
        found++;
    }
    assert_true(found >= 3);
    assert_true(file_read(&arena, arena_printf(&arena, "%s/models/%s/model.json", out, method), 1 << 20, &bytes, &err));
    json_t *description = json_loadb(bytes.at, bytes.size, 0, NULL);
    leavings_add_json(l, description);
    json_decref(description);
    arena_free(&arena);
}

static void leavings_sum(const char *out, const char *method, char sum[65])
{
    Leavings l = {0};
    leavings_of_events(&l, out, method);
    assert_true(l.text.count > 1000);
    leavings_of_predictions(&l, out, method);
    leavings_of_model(&l, out, method);
    sha256_hex((Str){l.text.at, l.text.count}, sum);
    arena_free(&l.arena);
}

static void expect_leavings(const char *out, const char *method, const char *alone, const char *how)
{
    char sum[65];
    leavings_sum(out, method, sum);
    if (strcmp(sum, alone) != 0) fail_msg("%s, %s, leaves other bits than by itself", method, how);
}

/* ---- the methods ---- */

static const char *composition_name(Arena *arena, const int *strategy, int parts, bool turned)
{
    char *name = "";
    for (int i = 0; i < parts; i++)
        name =
            arena_printf(arena, "%s%s%s", name, i ? "+" : "", strategies[strategy[turned ? parts - 1 - i : i]]->name);
    return name;
}

static void composition_add(Compositions *c, const int *strategy, int parts)
{
    Method method;
    Err err = {0};
    const char *name = composition_name(&c->arena, strategy, parts, false);
    if (!method_parse(&c->arena, str(name), &method, &err)) return; /* they do not go together */
    assert_true(c->count < COMPOSITION_MOST);
    c->at[c->count++] =
        (Composed){.name = name, .turned = parts > 1 ? composition_name(&c->arena, strategy, parts, true) : NULL};
}

static void composition_list(Compositions *c)
{
    enum { STREAM = 0x7472697a };
    for (int a = 0; a < strategy_count; a++) composition_add(c, &a, 1);
    for (int a = 0; a < strategy_count; a++)
        for (int b = a + 1; b < strategy_count; b++) composition_add(c, (const int[]){a, b}, 2);
    const int pairs = c->count;
    for (uint32_t draw = 0; c->count < pairs + COMPOSITION_TRIPLES; draw++) {
        uint32_t order[STRATEGY_MAX];
        random_order(1, STREAM + draw, (uint32_t)strategy_count, order);
        composition_add(c, (const int[]){(int)order[0], (int)order[1], (int)order[2]}, 3);
    }
}

static void composition_run(const char *methods, const char *out)
{
    static char line[4096];
    sh("rm -rf %s", out);
    assert_true(snprintf(line, sizeof line, COMPOSITION_RUN "--method %s --out %s", methods, out) < (int)sizeof line);
    fine(child_run, line);
}

static void composition_alone(Compositions *c)
{
    for (int i = 0; i < c->count; i++) {
        composition_run(c->at[i].name, R "alone");
        c->at[i].renames = faults->count[FAULT_RENAME];
        leavings_sum(R "alone", c->at[i].name, c->at[i].alone);
    }
}

/* ---- tests ---- */

static Compositions compositions;

static void test_a_method_has_no_order(void **state)
{
    (void)state;
    resume_files();
    composition_list(&compositions);
    composition_alone(&compositions);
    for (int i = 0; i < compositions.count; i++) {
        const Composed *m = &compositions.at[i];
        if (!m->turned) continue;
        composition_run(m->turned, R "turned");
        expect_leavings(R "turned", m->turned, m->alone, "the parts the other way round");
    }
    print_message("%d methods\n", compositions.count);
}

/* The name that a method has among others: the parts the other way round. */
static const char *composed_name(const Composed *m) { return m->turned ? m->turned : m->name; }

/* The methods of two blocks, of which the first stands in front; back: each from its end. */
static const char *composition_block(Arena *arena, const Compositions *c, int first, int second, bool back)
{
    char *list = "";
    const int block[2] = {first, second};
    for (int k = 0; k < (first == second ? 1 : 2); k++)
        for (int i = 0; i < COMPOSITION_BLOCK; i++) {
            const int at = block[k] * COMPOSITION_BLOCK + (back ? COMPOSITION_BLOCK - 1 - i : i);
            if (at < c->count) list = arena_printf(arena, "%s%s%s", list, *list ? "," : "", composed_name(&c->at[at]));
        }
    return list;
}

/* Every method runs before, and after, every other one. */
static void test_a_method_does_not_depend_on_the_others(void **state)
{
    const Compositions *c = &compositions;
    const int blocks = (c->count + COMPOSITION_BLOCK - 1) / COMPOSITION_BLOCK;
    (void)state;
    assert_true(c->count > 0);
    for (int first = 0; first < blocks; first++)
        for (int second = 0; second < blocks; second++)
            for (int back = 0; back < (first == second ? 2 : 1); back++) {
                Arena arena = {0};
                const char *list = composition_block(&arena, c, first, second, back);
                composition_run(list, R "among");
                for (int i = 0; i < c->count; i++)
                    if (i / COMPOSITION_BLOCK == first || i / COMPOSITION_BLOCK == second)
                        expect_leavings(R "among", composed_name(&c->at[i]), c->at[i].alone, list);
                arena_free(&arena);
            }
}

/* Killed at a moment of its own, and resumed. */
static void test_a_composed_method_resumes(void **state)
{
    const Compositions *c = &compositions;
    int resumed = 0;
    (void)state;
    assert_true(c->count > 0);
    for (int i = 0; i < c->count; i++) {
        static char line[4096];
        snprintf(line, sizeof line, COMPOSITION_RUN "--method %s --out " R "cut", c->at[i].name);
        sh("rm -rf " R "cut");
        const long at = (long)((0.2 + 0.6 * (double)random_uniform(3, 5, (uint64_t)i)) * (double)c->at[i].renames);
        const Child *killed = child(child_run, line, FAULT_RENAME, at, FAULT_KILL);
        if (killed->code != 0 && killed->code != -SIGKILL) fail_msg("%s: exit %d: %s", line, killed->code, killed->err);
        resumed += strstr(fine(child_run, line)->err, "goes on: ") != NULL;
        expect_leavings(R "cut", c->at[i].name, c->at[i].alone, "killed and resumed");
    }
    print_message("%d of %d went on within a training\n", resumed, c->count);
    assert_true(resumed > c->count / 2);
    arena_free(&compositions.arena);
    compositions = (Compositions){0};
}

static const struct CMUnitTest composition_tests[] = {
    cmocka_unit_test(test_a_method_has_no_order),
    cmocka_unit_test(test_a_method_does_not_depend_on_the_others),
    cmocka_unit_test(test_a_composed_method_resumes),
};
