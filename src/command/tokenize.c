#include "command.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* lethe tokenize --model DIR [--max-length N] [--jsonl] [FILE|-]: one row a line, ids separated by spaces. */

typedef struct TokenizeLines {
    const Tokenizer *tokenizer;
    uint32_t max_length;
    bool jsonl;
    const char *what;
} TokenizeLines;

static bool tokenize_line(const TokenizeLines *t, Str line, uint64_t number, uint32_t *ids, uint8_t *types, Err *err)
{
    Arena scratch = {0};
    Str text = line, pair = {0};
    json_t *object = NULL;
    if (t->jsonl) {
        const char *what = arena_printf(&scratch, "%s, line %llu", t->what, (unsigned long long)number);
        if (!json_parse(line, what, &object, err)) {
            arena_free(&scratch);
            return false;
        }
        const json_t *a = json_object_get(object, "text"), *b = json_object_get(object, "pair");
        if (!json_is_string(a) || (b && !json_is_string(b) && !json_is_null(b))) {
            json_decref(object);
            arena_free(&scratch);
            return fail(
                err, "%s, line %llu: an object {\"text\": \"...\"} or {\"text\": \"...\", \"pair\": \"...\"} is needed",
                t->what, (unsigned long long)number);
        }
        text = (Str){json_string_value(a), json_string_length(a)};
        if (json_is_string(b)) pair = (Str){json_string_value(b), json_string_length(b)};
    } else {
        const char *tab = line.size ? memchr(line.at, '\t', line.size) : NULL;
        if (tab) {
            text.size = (size_t)(tab - line.at);
            pair = (Str){tab + 1, line.size - text.size - 1};
        }
    }
    const uint32_t count = tokenizer_encode(t->tokenizer, &scratch, text, pair, t->max_length, ids, types);
    for (uint32_t i = 0; i < count; i++) printf(i ? " %u" : "%u", ids[i]);
    putchar('\n');
    json_decref(object);
    arena_free(&scratch);
    return true;
}

static bool tokenize_stream(const TokenizeLines *t, FILE *in, Err *err)
{
    Arena arena = {0};
    uint32_t *ids = arena_new(&arena, uint32_t, t->max_length);
    uint8_t *types = arena_new(&arena, uint8_t, t->max_length);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    bool ok = true;
    for (uint64_t number = 1; ok && (size = getline(&line, &capacity, in)) >= 0; number++) {
        if (size && line[size - 1] == '\n') size--;
        if (size && line[size - 1] == '\r') size--;
        ok = tokenize_line(t, (Str){line, (size_t)size}, number, ids, types, err);
        if (interrupted()) ok = fail_interrupted(err);
    }
    if (ok && ferror(in)) ok = fail(err, "%s: reading failed", t->what);
    if (ok && (fflush(stdout) != 0 || ferror(stdout))) ok = fail(err, "writing to stdout failed");
    free(line);
    arena_free(&arena);
    return ok;
}

bool command_tokenize(int argc, char **argv, Err *err)
{
    static const struct option longs[] = {{"model", required_argument, NULL, 'm'},
                                          {"max-length", required_argument, NULL, 'l'},
                                          {"jsonl", no_argument, NULL, 'j'},
                                          {0}};
    Arena arena = {0};
    ModelSource source = {0};
    TokenizeLines t = {.max_length = 128};
    int64_t length;
    opterr = 0;
    optind = 1;
    for (int code; (code = getopt_long(argc, argv, ":", longs, NULL)) != -1;) {
        if (code == 'm')
            source.folder = optarg;
        else if (code == 'j')
            t.jsonl = true;
        else if (code == 'l' && parse_int(str(optarg), 8, 1000000, &length))
            t.max_length = (uint32_t)length;
        else if (code == 'l')
            return fail_usage(err, "--max-length %s: a whole number from 8 to 1000000 is needed",
                              str_show(str(optarg)));
        else
            return fail_usage(err, "%s: unknown option, or its value is missing; see lethe help tokenize",
                              str_show(str(argv[optind - 1])));
    }
    if (argc - optind > 1) return fail_usage(err, "%s: only one FILE can be read", str_show(str(argv[optind + 1])));
    const char *path = optind < argc ? argv[optind] : "-";
    const bool from_stdin = strcmp(path, "-") == 0;
    t.what = from_stdin ? "stdin" : path;
    Tokenizer *tokenizer = NULL;
    bool ok = (source.folder || asset_expand(&arena, "vocab.txt", &source.vocab, err)) &&
              model_source_tokenizer(&arena, &source, &tokenizer, err);
    t.tokenizer = tokenizer;
    FILE *in = !ok ? NULL : from_stdin ? stdin : fopen(path, "r");
    if (ok && !in) ok = fail(err, "%s: %s", path, strerror(errno));
    ok = ok && tokenize_stream(&t, in, err);
    if (in && !from_stdin) fclose(in);
    arena_free(&arena);
    return ok;
}
