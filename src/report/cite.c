#include "report.h"

#include <string.h>

/* BibTeX: lethe's own entry, those of methods by their strategies' rows, and those of what every run is made with. */

static const Citation cite_adamw = {
    .key = "loshchilov2019adamw",
    .type = "inproceedings",
    .author = "Loshchilov, Ilya and Hutter, Frank",
    .title = "Decoupled Weight Decay Regularization",
    .booktitle = "International Conference on Learning Representations",
    .year = "2019",
    .arxiv = "1711.05101",
};
static const Citation cite_calibration = {
    .key = "guo2017calibration",
    .type = "inproceedings",
    .author = "Guo, Chuan and Pleiss, Geoff and Sun, Yu and Weinberger, Kilian Q.",
    .title = "On Calibration of Modern Neural Networks",
    .booktitle = "International Conference on Machine Learning",
    .year = "2017",
    .arxiv = "1706.04599",
};
static const Citation cite_mcnemar = {
    .key = "mcnemar1947",
    .type = "article",
    .author = "McNemar, Quinn",
    .title = "Note on the sampling error of the difference between correlated proportions or percentages",
    .journal = "Psychometrika",
    .volume = "12",
    .number = "2",
    .pages = "153--157",
    .year = "1947",
    .doi = "10.1007/BF02295996",
};

static void cite_field(FILE *out, const char *name, const char *value)
{
    if (value) fprintf(out, ",\n  %s = {%s}", name, value);
}

static void cite_print(FILE *out, const Citation *c)
{
    fprintf(out, "@%s{%s", c->type, c->key);
    cite_field(out, "author", c->author);
    cite_field(out, "title", c->title);
    cite_field(out, "journal", c->journal);
    cite_field(out, "booktitle", c->booktitle);
    cite_field(out, "volume", c->volume);
    cite_field(out, "number", c->number);
    cite_field(out, "pages", c->pages);
    cite_field(out, "year", c->year);
    cite_field(out, "doi", c->doi);
    cite_field(out, "eprint", c->arxiv);
    if (c->arxiv) cite_field(out, "archiveprefix", "arXiv");
    fprintf(out, "\n}\n");
}

/* lethe itself. version: of the results, or of this program. */
static void cite_print_lethe(FILE *out, const char *version)
{
    fprintf(
        out,
        "@software{lethe,\n  author = {{lethe contributors}},\n  title = {{lethe}: what a text encoder forgets when "
        "it is fine-tuned on one task after another},\n  version = {%s},\n  year = {2026}\n}\n",
        version);
}

/* Publications, each once. */
typedef DYN(const Citation *) Citations;

static void cite_add(Arena *arena, Citations *list, const Citation *c)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i]->key, c->key) == 0) return;
    *dyn_push(arena, list) = c;
}

/* Those of a method's strategies; false: the name is of another version. */
static bool cite_add_method(Arena *arena, Citations *list, const char *name, Err *err)
{
    Method method;
    if (!method_parse(arena, str(name), &method, err)) return false;
    for (int i = 0; i < method.component_count; i++) cite_add(arena, list, method.component[i]->citation);
    return true;
}

/* "\cite{a,b}" of a method; "": the name is of another version. */
static const char *cite_keys(Arena *arena, const char *name)
{
    Citations list = {0};
    Err unknown = {0};
    const char *keys = "";
    if (!cite_add_method(arena, &list, name, &unknown)) return "";
    for (size_t i = 0; i < list.count; i++) keys = text_join(arena, keys, ",", list.at[i]->key);
    return arena_printf(arena, "\\cite{%s}", keys);
}

void cite_results(const Results *r, FILE *out)
{
    Arena arena = {0};
    Citations list = {0};
    Err unknown = {0};
    cite_add(&arena, &list, &cite_adamw);
    cite_add(&arena, &list, &cite_mcnemar);
    cite_add(&arena, &list, &cite_calibration);
    for (int m = 0; m < r->method_count; m++) cite_add_method(&arena, &list, r->method_info[m].base, &unknown);
    cite_print_lethe(out, *r->version ? text_for(&arena, MEDIUM_LATEX, r->version) : LETHE_VERSION);
    for (size_t i = 0; i < list.count; i++) {
        fprintf(out, "\n");
        cite_print(out, list.at[i]);
    }
    arena_free(&arena);
}

bool cite_methods(const char *names, FILE *out, Err *err)
{
    Arena arena = {0};
    Citations list = {0};
    bool ok = true;
    for (Str rest = names ? str(names) : (Str){0}, item; ok && list_next(&rest, &item);) {
        const char *name = str_equal(item, S("all")) ? method_all(&arena) : arena_copy(&arena, item.at, item.size);
        for (Str all = str(name), one; ok && list_next(&all, &one);)
            ok = cite_add_method(&arena, &list, arena_copy(&arena, one.at, one.size), err);
    }
    if (ok) cite_print_lethe(out, LETHE_VERSION);
    for (size_t i = 0; ok && i < list.count; i++) {
        fprintf(out, "\n");
        cite_print(out, list.at[i]);
    }
    arena_free(&arena);
    return ok;
}
