/* papers: metrics beside accuracy, and what a report writes for papers and programs: summary.json as its page in docs
 * describes it, tables as LaTeX and CSV, the setup, BibTeX, pictures as SVG. */

static void papers_results(Arena *arena, Results *r, const Made *made)
{
    Err err = {0};
    if (!report_parse(arena, made_results(arena, made), "r.jsonl", r, &err)) fail_msg("%s", err.text);
}

static json_t *papers_summary(Arena *arena, const Results *r)
{
    json_t *summary = NULL;
    Err err = {0};
    if (!json_parse(summary_text(arena, r), "summary.json", &summary, &err)) fail_msg("%s", err.text);
    return summary;
}

static double papers_number(const json_t *record, const char *key)
{
    const json_t *value = json_object_get(record, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* ---- docs/summary.md describes summary.json ---- */

typedef struct SchemaField {
    const char *path, *types;
    bool seen;
} SchemaField;
typedef DYN(SchemaField) Schema;

/* Its tables: | `path`, `path` | types | meaning | */
static void schema_read(Arena *arena, Schema *schema)
{
    Str text;
    Err err = {0};
    if (!file_read(arena, "docs/summary.md", 1 << 20, &text, &err)) fail_msg("%s", err.text);
    for (const char *line = text.at; line && line < text.at + text.size; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "| `", 3) != 0) continue;
        const char *bar = strchr(line + 2, '|'), *end = strchr(bar + 1, '|');
        const char *types = arena_copy(arena, bar + 1, (size_t)(end - bar - 1));
        DYN(const char *) paths = {0};
        for (const char *at = strchr(line, '`'); at && at < bar;) {
            const char *close = strchr(at + 1, '`');
            *dyn_push(arena, &paths) = arena_copy(arena, at + 1, (size_t)(close - at - 1));
            at = strchr(close + 1, '`');
        }
        const char *comma = strchr(types, ',');
        for (size_t i = 0; i < paths.count; i++) {
            /* "real, integer" of two fields are one each; "real, null" is what any of them may be */
            const bool each = comma && !strstr(types, "null") && paths.count == 2;
            const char *own = !each ? types : i ? comma + 1 : arena_copy(arena, types, (size_t)(comma - types));
            *dyn_push(arena, schema) = (SchemaField){paths.at[i], own, false};
        }
    }
}

/* Whether a path is what a documented one says; '*' stands for one name. */
static bool schema_matches(const char *documented, const char *path)
{
    while (*documented && *path) {
        if (*documented == '*') {
            documented++;
            while (*path && *path != '.' && *path != '[') path++; /* names of layers and options have neither */
        } else if (*documented++ != *path++) {
            return false;
        }
    }
    return !*documented && !*path;
}

static void schema_leaf(Schema *schema, const char *path, const char *type)
{
    bool found = false;
    for (size_t i = 0; i < schema->count; i++) {
        SchemaField *f = &schema->at[i];
        if (!schema_matches(f->path, path)) continue;
        f->seen = found = true;
        if (!strstr(f->types, type)) fail_msg("docs/summary.md: %s is %s, but%s there", path, type, f->types);
    }
    if (!found) fail_msg("summary.json has %s, docs/summary.md does not", path);
}

static void schema_walk(Arena *arena, Schema *schema, const json_t *value, const char *path)
{
    size_t i;
    const char *key;
    json_t *entry;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, entry)
            schema_walk(arena, schema, entry, *path ? arena_printf(arena, "%s.%s", path, key) : key);
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, entry) schema_walk(arena, schema, entry, arena_printf(arena, "%s[]", path));
    } else {
        schema_leaf(schema, path,
                    json_is_string(value)    ? "text"
                    : json_is_integer(value) ? "integer"
                    : json_is_real(value)    ? "real"
                    : json_is_null(value)    ? "null"
                                             : "boolean");
    }
}

static void test_summary_is_as_documented(void **state)
{
    (void)state;
    static const Made made[] = {{.tasks = 2, .methods = 15, .seeds = 2},
                                {.tasks = 3, .methods = 3, .seeds = 1, .cut = 1},
                                {.tasks = 2, .methods = 2, .seeds = 1, .bare = true},
                                {.tasks = 2, .methods = 4, .seeds = 1}};
    static const char *const lambdas[] = {"1", "10", "100", NULL};
    Arena arena = {0};
    Schema schema = {0};
    schema_read(&arena, &schema);
    assert_in_range(schema.count, 100, 300);
    for (size_t i = 0; i < COUNT(made); i++) {
        Results r;
        papers_results(&arena, &r, &made[i]);
        if (made[i].methods == 4) made_sweep(&arena, &r, 1, "ewc", "ewc-lambda", lambdas);
        json_t *summary = papers_summary(&arena, &r);
        schema_walk(&arena, &schema, summary, "");
        json_decref(summary);
    }
    for (size_t i = 0; i < schema.count; i++)
        if (!schema.at[i].seen) fail_msg("docs/summary.md has %s, summary.json never", schema.at[i].path);
    arena_free(&arena);
}

/* ---- the numbers ---- */

static const json_t *papers_record(const json_t *list, const char *method, int64_t seed, int64_t after, int64_t task)
{
    size_t i;
    const json_t *record;
    json_array_foreach(list, i, record)
    {
        if (strcmp(json_string_value(json_object_get(record, "method")), method) == 0 &&
            (seed < 0 || json_integer_value(json_object_get(record, "seed")) == seed) &&
            json_integer_value(json_object_get(record, "after_number")) == after &&
            json_integer_value(json_object_get(record, "task_number")) == task)
            return record;
    }
    fail_msg("no record of %s", method);
    return NULL;
}

/* Of a made-up run: labels go round, and what is wrong is said to be of the next class. */
static void test_cells(void **state)
{
    (void)state;
    const Made made = {.tasks = 2, .methods = 3, .seeds = 2};
    Arena arena = {0};
    Results r;
    papers_results(&arena, &r, &made);
    json_t *summary = papers_summary(&arena, &r);
    const json_t *cells = json_object_get(summary, "cells"), *over = json_object_get(summary, "cells_over_seeds");
    assert_int_equal(json_array_size(cells), 3 * 2 * 3);
    assert_int_equal(json_array_size(over), 3 * 3);
    double sum = 0;
    for (int64_t seed = 1; seed <= 2; seed++) {
        const json_t *cell = papers_record(cells, "full", seed, 2, 2);
        const Evaluation *e = &r.runs.at[seed - 1].matrix[3];
        uint32_t right[3] = {0};
        double f1 = 0;
        for (uint32_t k = 0; k < MADE_ROWS; k++) right[k % 3] += e->right[k];
        for (uint32_t c = 0; c < 3; c++) {
            const uint32_t wrong = 100 - right[(c + 2) % 3]; /* of the class before */
            const json_t *class = json_array_get(json_object_get(cell, "classes"), c),
                         *row = json_array_get(json_object_get(cell, "confusion"), c);
            f1 += 2.0 * right[c] / (100 + right[c] + wrong) / 3;
            assert_int_equal(json_integer_value(json_object_get(class, "predicted")), right[c] + wrong);
            assert_int_equal(json_integer_value(json_array_get(row, c)), right[c]);
            assert_int_equal(json_integer_value(json_array_get(row, (c + 1) % 3)), 100 - right[c]);
            assert_true(fabs(papers_number(class, "recall") - right[c] / 100.0) < 1e-8);
        }
        assert_true(fabs(papers_number(cell, "macro_f1") - f1) < 1e-8);
        assert_true(papers_number(cell, "macro_f1_low") < f1 && f1 < papers_number(cell, "macro_f1_high"));
        assert_true(fabs(papers_number(cell, "mean_confidence") - 0.75) < 0.03); /* evenly from 0.5 to 1 */
        assert_true(papers_number(cell, "ece") > 0);
        sum += f1;
    }
    const json_t *mean = papers_record(over, "full", -1, 2, 2);
    assert_true(fabs(papers_number(mean, "macro_f1") - sum / 2) < 1e-8);
    /* over seeds never narrower than what the rows allow */
    assert_true(papers_number(mean, "macro_f1_high") - papers_number(mean, "macro_f1_low") > 0.08);
    json_decref(summary);
    arena_free(&arena);
}

static const json_t *papers_measure(const json_t *summary, const char *method, const char *metric, const char *measure)
{
    size_t i;
    const json_t *m;
    json_array_foreach(json_object_get(summary, "measures"), i, m)
    {
        if (strcmp(json_string_value(json_object_get(m, "method")), method) == 0 &&
            strcmp(json_string_value(json_object_get(m, "metric")), metric) == 0 &&
            strcmp(json_string_value(json_object_get(m, "measure")), measure) == 0)
            return m;
    }
    fail_msg("no %s of %s", measure, method);
    return NULL;
}

/* Forgetting in macro-F1 is made of the cells; one seed has a bootstrap's interval, but of a maximum. */
static void test_measures_in_a_metric(void **state)
{
    (void)state;
    const Made made = {.tasks = 3, .methods = 2, .seeds = 1};
    Arena arena = {0};
    Results r;
    papers_results(&arena, &r, &made);
    json_t *summary = papers_summary(&arena, &r);
    const json_t *cells = json_object_get(summary, "cells");
    double change[2];
    for (int j = 0; j < 2; j++)
        change[j] = papers_number(papers_record(cells, "full", 1, 3, j + 1), "macro_f1") -
                    papers_number(papers_record(cells, "full", 1, j + 1, j + 1), "macro_f1");
    const json_t *first_last = papers_measure(summary, "full", "macro_f1", "forgetting_first_last"),
                 *of_one = papers_measure(summary, "full", "macro_f1", "change"),
                 *max = papers_measure(summary, "full", "macro_f1", "forgetting_max_before_last"),
                 *separate = papers_measure(summary, "lora", "macro_f1", "change");
    const double forgot = -(change[0] + change[1]) / 2;
    assert_true(fabs(papers_number(first_last, "mean") - forgot) < 1e-8);
    assert_true(papers_number(first_last, "low") < forgot && forgot < papers_number(first_last, "high"));
    assert_true(papers_number(first_last, "low") > 0.1); /* full forgets much */
    assert_true(fabs(papers_number(of_one, "mean") - change[0]) < 1e-8);
    assert_true(!isnan(papers_number(max, "mean")) && isnan(papers_number(max, "low")));
    /* not one row of lora changed: that says nothing of other rows */
    assert_true(papers_number(separate, "mean") == 0 && isnan(papers_number(separate, "low")));
    assert_true(isnan(papers_number(papers_measure(summary, "full", "accuracy", "average"), "low")));
    json_decref(summary);
    arena_free(&arena);
}

/* ---- tables ---- */

static void test_tables_in_a_metric(void **state)
{
    (void)state;
    static const Made made[] = {{.tasks = 2, .methods = 3, .seeds = 1}, {.tasks = 4, .methods = 14, .seeds = 2}};
    for (size_t i = 0; i < COUNT(made); i++)
        for (int m = METRIC_MACRO_F1; m < METRICS; m++) {
            Arena arena = {0};
            Results r;
            papers_results(&arena, &r, &made[i]);
            const char *before = table_text(&arena, &r);
            r.metric = (Metric)m;
            const char *text = table_text(&arena, &r), *markdown = markdown_text(&arena, &r);
            expect_80_columns(text);
            assert_null(strstr(text, "nan"));
            if (!strstr(text, m == METRIC_MCC ? "Matthews correlation (MCC), times 100" : "macro-F1 in %"))
                fail_msg("%s", text);
            const char *const words[] = {"decided by accuracy", "whose tests are exact"};
            for (size_t k = 0; k < COUNT(words); k++) assert_non_null(strstr(markdown, words[k]));
            const char *verdict = strstr(text, "\nfull"); /* another number, the same verdict */
            assert_true(strcmp(text, before) != 0);
            assert_non_null(strstr(verdict, "forgot"));
            if (i == 0) /* the majority class has no correlation, and half of 0.67 */
                assert_non_null(strstr(strstr(text, "\nmajority"), m == METRIC_MCC ? " 0.0 " : "33.3"));
            arena_free(&arena);
        }
}

static int papers_count(const char *text, const char *end, char sign)
{
    int count = 0;
    for (; text < end; text++) count += *text == sign && text[-1] != '\\';
    return count;
}

/* Names of others: signs of TeX, quotes and a formula. */
static void papers_hostile(Arena *arena, Results *r)
{
    const Made made = {.tasks = 2, .methods = 4, .seeds = 2};
    static const char *const from[] = {"\"full\"", "\"lora\"", "sentiment"}, *const to[] = {"\"50%_of & {all}\"",
                                                                                            "\"=SUM(A1) \\\"x\\\", y\"",
                                                                                            "a_b#1"};
    Err err = {0};
    Str text = made_results(arena, &made);
    for (size_t i = 0; i < COUNT(from); i++)
        while (strstr(text.at, from[i])) text = load_replaced(arena, text, from[i], to[i]);
    if (!report_parse(arena, text, "r.jsonl", r, &err)) fail_msg("%s", err.text);
}

static void test_latex(void **state)
{
    (void)state;
    Arena arena = {0};
    Results r;
    papers_hostile(&arena, &r);
    const char *text = printed(&arena, &r, paper_latex_tables);
    static const char *const parts[] = {"\\toprule",
                                        "\\bottomrule",
                                        "50\\%\\_of \\& \\{all\\} & ",
                                        "=SUM(A1) ``x'', y & ",
                                        "& a\\_b\\#1 after nli &",
                                        " $\\pm$ ",
                                        "& $-$",
                                        "Mean over 2 seeds $\\pm$ half of its 95\\% interval"};
    expect_parts(text, parts, COUNT(parts));
    int columns = 0;
    for (const char *line = text; (line = strstr(line, "\n    ")); line++) { /* as many cells in each row */
        const char *end = strchr(line + 1, '\n');
        if (strncmp(end - 2, "\\\\", 2) != 0) continue;
        const int cells = papers_count(line, end, '&');
        if (columns && cells != columns) fail_msg("%d and %d cells in\n%s", columns, cells, text);
        columns = cells;
    }
    assert_int_equal(columns, 5); /* two own, one at the end, change, mean */
    assert_int_equal(papers_count(text, text + strlen(text), '{'), papers_count(text, text + strlen(text), '}'));
    const Made chain = {.tasks = 4, .methods = 3, .seeds = 1}; /* two tables */
    papers_results(&arena, &r, &chain);
    text = printed(&arena, &r, paper_latex_tables);
    static const char *const of_chain[] = {"\\label{tab:lethe-learned}", "\\label{tab:lethe-end}", "{[}", "--",
                                           "& sentiment after subj & nli after subj & trec after subj & subj & mean"};
    expect_parts(text, of_chain, COUNT(of_chain));
    arena_free(&arena);
}

/* Fields of a line of CSV, quotes taken away; returns the next line. */
static const char *papers_csv_line(Arena *arena, const char *at, const char **fields, int *count)
{
    *count = 0;
    for (bool more = true; more; at++) {
        char *field = arena_alloc(arena, 1, strlen(at) + 1), *to = field;
        const bool quoted = *at == '"';
        for (at += quoted; quoted ? *at != '"' || at[1] == '"' : *at != ',' && *at != '\r'; at++)
            if (*at != '"' || *++at == '"') *to++ = *at;
        at += quoted;
        fields[(*count)++] = field;
        assert_true(*at == ',' || *at == '\r');
        more = *at == ',';
    }
    assert_int_equal(*at, '\n');
    return at + 1;
}

static void test_csv(void **state)
{
    (void)state;
    Arena arena = {0};
    Results r;
    papers_hostile(&arena, &r);
    const char *fields[64], *at = printed(&arena, &r, paper_csv);
    int columns, count;
    at = papers_csv_line(&arena, at, fields, &columns);
    assert_int_equal(columns, 3 + 3 * 5);
    assert_string_equal(fields[3], "a_b#1");
    assert_string_equal(fields[9], "a_b#1 after nli");
    assert_string_equal(fields[10], "a_b#1 after nli low");
    assert_string_equal(fields[15], "average");
    for (int m = 0; m < 4; m++) {
        at = papers_csv_line(&arena, at, fields, &count);
        assert_int_equal(count, columns);
        if (m == 1) assert_string_equal(fields[0], "'=SUM(A1) \"x\", y"); /* no formula */
        assert_string_equal(fields[2], "2");
        const Score score = verdict_score(&r, m, 0, 0);
        assert_true(fabs(atof(fields[3]) - score.mean) < 1e-8 && fabs(atof(fields[5]) - score.interval.high) < 1e-8);
    }
    assert_int_equal(*at, 0);
    /* of a chain, which is two tables elsewhere: each column once */
    papers_results(&arena, &r, &(Made){.tasks = 3, .methods = 2, .seeds = 1});
    at = papers_csv_line(&arena, printed(&arena, &r, paper_csv), fields, &columns);
    for (int a = 0; a < columns; a++)
        for (int b = 0; b < a; b++) assert_string_not_equal(fields[a], fields[b]);
    papers_csv_line(&arena, at, fields, &count);
    assert_int_equal(count, columns);
    assert_string_equal(verdict_later(&arena, &r), "2 more tasks");
    r.tasks[2].again = true;
    assert_string_equal(verdict_later(&arena, &r), "1 more task and 1 again");
    arena_free(&arena);
}

/* ---- the setup ---- */

/* Every setting of a run with all methods is named, by its value or by a sentence of its own. */
static void test_setup(void **state)
{
    (void)state;
    Arena arena = {0};
    Plan plan;
    Err err = {0};
    const Made made = {.tasks = 2, .methods = 4, .seeds = 2};
    assert_true(plan_defaults(&plan, &arena, (OptionPreset){0}, NULL, &err));
    json_t *beside = json_array(), *common = plan_settings_of(&plan, NULL, beside);
    Method ewc;
    assert_true(method_parse(&arena, S("ewc"), &ewc, &err));
    json_t *own = plan_settings_of(&plan, &ewc, beside);
    char *common_text = json_dumps(common, 0), *own_text = json_dumps(own, 0);
    Str text = made_results(&arena, &made);
    text = load_replaced(&arena, text, "\"settings\":{\"epochs\":\"3\",\"eval-rows\":\"300\"}",
                         arena_printf(&arena, "\"settings\":%s", common_text));
    text = load_replaced(&arena, text, "\"options\":{\"ewc-lambda\":\"100\"}",
                         arena_printf(&arena, "\"options\":%s", own_text));
    Results r;
    if (!report_parse(&arena, text, "r.jsonl", &r, &err)) fail_msg("%s", err.text);
    const char *sentences[SETUP_SENTENCES], *all = "";
    const int count = setup_sentences(&arena, &r, sentences);
    for (int i = 0; i < count; i++) all = text_join(&arena, all, " ", sentences[i]);
    static const char *const parts[] = {
        "The encoder is MiniLM-L6, built in (bert, 6 layers, hidden size 384, 22,713,216 parameters).",
        "AdamW (beta1 0.9, beta2 0.999, epsilon 1e-08, decoupled weight decay 0.01",
        "The schedule of the learning rate is linear to 0, without warm-up.",
        "The norm of the gradient is clipped at 1.",
        "Dropout is 0.1",
        "has 5 epochs, batches of 16 rows",
        "Rows are cut after 128 tokens",
        "The weights of the last epoch are kept.",
        "drawn from seed, task and epoch",
        "seeds 1 and 2",
        "2 classes, 1000 training rows (sentiment_train.tsv, sha256 1a) and 300 evaluation rows",
        "lethe 0.1 on CPU"};
    expect_parts(all, parts, COUNT(parts));
    const char *name;
    json_t *value;
    json_object_foreach(own, name, value)
    {
        const char *named = arena_printf(&arena, "%s %s", name, json_string_value(value));
        if (!strstr(all, named)) fail_msg("the setup does not name %s:\n%s", named, all);
    }
    json_object_foreach(common, name, value)
    {
        static const char *const said[] = {"epochs",    "batch-size", "max-length", "max-steps", "weight-decay",
                                           "row-order", "keep-epoch", "train-rows", "eval-rows"};
        bool sentence = false;
        for (size_t i = 0; i < COUNT(said); i++) sentence = sentence || strcmp(said[i], name) == 0;
        const char *named = arena_printf(&arena, "%s %s", name, json_string_value(value));
        if (!sentence && !strstr(all, named)) fail_msg("the setup does not name %s:\n%s", named, all);
    }
    free(common_text);
    free(own_text);
    json_decref(common);
    json_decref(own);
    json_decref(beside);
    const Made bare = {.tasks = 1, .methods = 1, .seeds = 1, .bare = true}; /* what is not recorded is not said */
    papers_results(&arena, &r, &bare);
    const int few = setup_sentences(&arena, &r, sentences);
    for (int i = 0; i < few; i++)
        if (strstr(sentences[i], "AdamW") || strstr(sentences[i], "nan") || strstr(sentences[i], "()"))
            fail_msg("%s", sentences[i]);
    arena_free(&arena);
}

/* ---- BibTeX ---- */

static void print_all_methods(const Results *r, FILE *f)
{
    Err err = {0};
    (void)r;
    assert_true(cite_methods("all,ewc+replay", f, &err));
}

static void print_unknown_method(const Results *r, FILE *f)
{
    Err err = {0};
    (void)r;
    assert_false(cite_methods("full,ewk", f, &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_non_null(strstr(err.text, "did you mean ewc"));
}

/* Every strategy names a publication, and each is printed once; the year is the one of the short form or later. */
static void test_citations(void **state)
{
    (void)state;
    Arena arena = {0};
    Results r;
    const char *all = printed(&arena, NULL, print_all_methods);
    for (int s = 0; s < strategy_count; s++) {
        const Citation *c = strategies[s]->citation;
        if (!c) fail_msg("%s has no publication", strategies[s]->name);
        assert_true(c->key && c->type && c->author && c->title && c->year && (c->doi || c->arxiv));
        const char *entry = strstr(all, arena_printf(&arena, "{%s,", c->key));
        if (!entry || strstr(entry + 1, arena_printf(&arena, "{%s,", c->key))) fail_msg("%s: %s", c->key, all);
        if (c->arxiv && !strstr(strategies[s]->cite, c->arxiv))
            assert_non_null(strstr(strategies[s]->cite, c->doi)); /* the same work as the short form's */
        const char first = strategies[s]->cite[0];
        assert_int_equal(first, c->author[0]);
    }
    assert_true(strncmp(all, "@software{lethe,", 16) == 0);
    assert_int_equal(papers_count(all, all + strlen(all), '{'), papers_count(all, all + strlen(all), '}'));
    assert_string_equal(printed(&arena, NULL, print_unknown_method), "");
    const Made made = {.tasks = 2, .methods = 3, .seeds = 1};
    papers_results(&arena, &r, &made);
    const char *own = printed(&arena, &r, cite_results), *setup = printed(&arena, &r, paper_latex_setup);
    static const char *const parts[] = {"{mccloskey1989catastrophic,", "{hu2022lora,", "{mcnemar1947,"};
    expect_parts(own, parts, COUNT(parts));
    assert_null(strstr(own, "kirkpatrick"));
    assert_non_null(strstr(setup, "full~\\cite{mccloskey1989catastrophic}, lora~\\cite{hu2022lora}"));
    Err err = {0};
    assert_true(report_rename(&arena, &r, "lora=Adapter", &err));
    setup = printed(&arena, &r, paper_latex_setup);
    assert_non_null(strstr(setup, "full~\\cite{mccloskey1989catastrophic}, Adapter~\\cite{hu2022lora}"));
    arena_free(&arena);
}

/* ---- files ---- */

static void test_files_for_papers(void **state)
{
    (void)state;
    static const char *const names[] = {"tables.tex", "setup.tex", "references.bib", "tables.csv", "charts/matrix.svg"};
    Arena arena = {0};
    Err err = {0};
    Results r;
    Str svg = {0};
    const Made made = {.tasks = 2, .methods = 2, .seeds = 1};
    papers_results(&arena, &r, &made);
    for (int turn = 0; turn < 2; turn++) {
        const char *folder = arena_printf(&arena, "%s", tmp_path(turn ? "papers-asked" : "papers"));
        r.files = turn ? REPORT_SVG | REPORT_LATEX | REPORT_CSV : 0;
        r.metric = turn ? METRIC_MCC : METRIC_ACCURACY;
        if (!report_write(&r, folder, report_font(&arena), &err)) fail_msg("%s", err.text);
        for (size_t i = 0; i < COUNT(names); i++)
            if (file_exists(arena_printf(&arena, "%s/%s", folder, names[i])) != turn) fail_msg("%s", names[i]);
        if (turn && !file_read(&arena, arena_printf(&arena, "%s/charts/matrix.svg", folder), 1 << 20, &svg, &err))
            fail_msg("%s", err.text);
    }
    const char *text = arena_copy(&arena, svg.at, svg.size);
    static const char *const parts[] = {"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1600\"",
                                        "<title>MCC on each task", "<rect width=\"1600\"", "fill=\"#1e1e1e\"",
                                        "</svg>\n"};
    expect_parts(text, parts, COUNT(parts));
    assert_null(strstr(text, "var(")); /* what places it in a paper knows no variables */
    arena_free(&arena);
}

/* The converter for TensorBoard stays as short as docs/papers.md says. */
static void test_converter_is_short(void **state)
{
    (void)state;
    Arena arena = {0};
    Err err = {0};
    Str text;
    int lines = 0;
    if (!file_read(&arena, "docs/to_tensorboard.py", 1 << 16, &text, &err)) fail_msg("%s", err.text);
    for (size_t i = 0; i < text.size; i++) lines += text.at[i] == '\n';
    assert_in_range(lines, 10, 50);
    arena_free(&arena);
}

static const struct CMUnitTest papers_tests[] = {
    cmocka_unit_test(test_summary_is_as_documented),
    cmocka_unit_test(test_cells),
    cmocka_unit_test(test_measures_in_a_metric),
    cmocka_unit_test(test_tables_in_a_metric),
    cmocka_unit_test(test_latex),
    cmocka_unit_test(test_csv),
    cmocka_unit_test(test_setup),
    cmocka_unit_test(test_citations),
    cmocka_unit_test(test_files_for_papers),
    cmocka_unit_test(test_converter_is_short),
};
