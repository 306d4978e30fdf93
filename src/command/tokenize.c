#include "command.h"

/* lethe tokenize: one row a line, ids separated by spaces. */

static const Option tokenize_options[] = {
    {"model", OPTION_TEXT, 0, 0, "DIR", "a Hugging Face folder with a tokenizer [the built-in one]"},
    {"max-length", OPTION_INT, 8, 1000000, "N", "tokens a row at most; longer rows are cut [128]"},
    {"jsonl", OPTION_FLAG, 0, 0, NULL, "rows are JSON lines {\"text\": \"...\", \"pair\": \"...\"}"},
};

static bool tokenize_rows(const Tokenizer *tokenizer, uint32_t max_length, RowReader *reader, Err *err)
{
    Output output = output_open();
    Arena arena = {0};
    uint32_t *ids = arena_new(&arena, uint32_t, max_length);
    uint8_t *types = arena_new(&arena, uint8_t, max_length);
    bool ok = true;
    RowState state = ROW_READ;
    while (ok && !output.gone && state != ROW_ENDED) {
        Err second = {0}; /* what came before a bad row is printed all the same */
        Arena scratch = {0};
        Example row;
        ok = rows_next(reader, output.text.count == 0, &row, &state, err);
        const bool got = ok && state == ROW_READ;
        const uint32_t count =
            got ? tokenizer_encode(tokenizer, &scratch, row.text, row.pair, max_length, ids, types) : 0;
        for (uint32_t i = 0; i < count; i++) output_text(&output, arena_printf(&scratch, i ? " %u" : "%u", ids[i]));
        if (got) output_text(&output, "\n");
        arena_free(&scratch);
        if ((!got || output.text.count > 1 << 16) && !output_flush(&output, ok ? err : &second)) ok = false;
        if (ok && interrupted()) ok = fail_interrupted(err);
    }
    arena_free(&arena);
    return ok;
}

bool command_tokenize(int argc, char **argv, Err *err)
{
    Arena arena = {0};
    RowReader reader = {.fd = -1};
    ModelSource source = {0};
    Tokenizer *tokenizer = NULL;
    int64_t length = 128;
    json_t *options = json_object();
    bool ok = options_parse(tokenize_options, COUNT(tokenize_options), argc, argv, 1, options, err) &&
              option_whole(tokenize_options, COUNT(tokenize_options), options, "max-length", &length, err);
    source.folder = option_text(options, "model");
    const char *path = ok && optind < argc ? argv[optind] : NULL;
    ok = ok && (source.folder || asset_expand(&arena, "vocab.txt", &source.vocab, err)) &&
         model_source_tokenizer(&arena, &source, &tokenizer, err) &&
         rows_open(&reader, path, json_object_get(options, "jsonl") != NULL, err) &&
         tokenize_rows(tokenizer, (uint32_t)length, &reader, err);
    rows_close(&reader);
    json_decref(options);
    arena_free(&arena);
    return ok;
}
