#include "command.h"

#include <stddef.h>
#include <string.h>

/* lethe tokenize: one row a line, ids separated by spaces. */

typedef struct TokenizeOptions {
    const char *model;            /* NULL: the built-in tokenizer */
    uint32_t max_length, threads; /* threads 0: one a processor */
    bool jsonl;
} TokenizeOptions;

#define TO(field) .target = offsetof(TokenizeOptions, field)
static const Option tokenize_options[] = {
    {"model", OPTION_TEXT, 0, 0, "DIR", "a Hugging Face folder with a tokenizer", .default_words = "the built-in one",
     TO(model)},
    {"max-length", OPTION_INT, 8, 1000000, "N", "tokens a row at most; longer rows are cut", .default_value = "128",
     .unit = "tokens", TO(max_length)},
    {"jsonl", OPTION_FLAG, 0, 0, NULL, "rows are JSON lines {\"text\": \"...\", \"pair\": \"...\"}", TO(jsonl)},
    OPTION_THREADS("threads", offsetof(TokenizeOptions, threads)),
};
#undef TO

/* Rows are gathered while they are there, tokenised on all threads, and printed in their order. */
enum { TOKENIZE_ROWS = 4096, TOKENIZE_BYTES = 1 << 20, TOKENIZE_SHARE = 32 };

typedef struct TokenizeShare { /* TOKENIZE_SHARE rows of a batch, as one thread prints them */
    Arena arena, scratch;
    Output out;
} TokenizeShare;

typedef struct TokenizeBatch {
    const Tokenizer *tokenizer;
    uint32_t max_length;
    Arena arena; /* the rows' texts */
    Example rows[TOKENIZE_ROWS];
    size_t count, bytes;
    TokenizeShare shares[TOKENIZE_ROWS / TOKENIZE_SHARE];
} TokenizeBatch;

static void tokenize_print(Output *out, const uint32_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char text[12], *at = text + sizeof text;
        uint32_t id = ids[i];
        do *--at = (char)('0' + id % 10);
        while (id /= 10);
        if (i) *--at = ' ';
        output_bytes(out, at, (size_t)(text + sizeof text - at));
    }
    output_bytes(out, "\n", 1);
}

static void tokenize_share(void *context, size_t item, int thread)
{
    TokenizeBatch *batch = context;
    TokenizeShare *share = &batch->shares[item];
    (void)thread;
    arena_clear(&share->arena);
    uint32_t *ids = arena_new(&share->arena, uint32_t, batch->max_length);
    uint8_t *types = arena_new(&share->arena, uint8_t, batch->max_length);
    for (size_t i = item * TOKENIZE_SHARE; i < (item + 1) * TOKENIZE_SHARE && i < batch->count; i++) {
        const Example *row = &batch->rows[i];
        const uint32_t count =
            tokenizer_encode(batch->tokenizer, &share->scratch, row->text, row->pair, batch->max_length, ids, types);
        tokenize_print(&share->out, ids, count);
        arena_clear(&share->scratch);
    }
}

static Str tokenize_keep(TokenizeBatch *batch, Str text)
{
    batch->bytes += text.size;
    return text.at ? (Str){arena_copy(&batch->arena, text.at, text.size), text.size} : text;
}

/* Prints the rows that have been gathered. */
static bool tokenize_flush(TokenizeBatch *batch, Output *output, Err *err)
{
    const size_t shares = ceil_div(batch->count, TOKENIZE_SHARE);
    bool ok = true;
    parallel(shares, tokenize_share, batch);
    for (size_t i = 0; i < shares; i++) {
        TokenizeShare *share = &batch->shares[i];
        if (ok && !output->gone) {
            output_bytes(output, share->out.text.at, share->out.text.count);
            ok = (output->text.count < 1 << 18 && i + 1 < shares) || output_flush(output, err);
        }
        share->out.text.count = 0;
    }
    batch->count = batch->bytes = 0;
    arena_clear(&batch->arena);
    return ok;
}

static bool tokenize_rows(TokenizeBatch *batch, RowReader *reader, Err *err)
{
    Output output = output_open();
    RowState state = ROW_READ;
    bool ok = true;
    while (ok && !output.gone && state != ROW_ENDED) {
        Err second = {0}; /* what came before a bad row is printed all the same */
        Example row;
        ok = rows_next(reader, batch->count == 0, &row, &state, err);
        if (ok && state == ROW_READ)
            batch->rows[batch->count++] =
                (Example){.text = tokenize_keep(batch, row.text), .pair = tokenize_keep(batch, row.pair)};
        const bool full = batch->count == TOKENIZE_ROWS || batch->bytes >= TOKENIZE_BYTES;
        if (batch->count && (!ok || state != ROW_READ || full) && !tokenize_flush(batch, &output, ok ? err : &second))
            ok = false;
        if (ok && interrupted()) ok = fail_interrupted(err);
    }
    output_close(&output);
    return ok;
}

static void tokenize_close(TokenizeBatch *batch)
{
    for (size_t i = 0; i < COUNT(batch->shares); i++) {
        arena_free(&batch->shares[i].arena);
        arena_free(&batch->shares[i].scratch);
        output_close(&batch->shares[i].out);
    }
    arena_free(&batch->arena);
}

bool command_tokenize(int argc, char **argv, Err *err)
{
    Arena arena = {0};
    RowReader reader = {.file = SYS_NO_FILE};
    ModelSource source = {0};
    Tokenizer *tokenizer = NULL;
    TokenizeBatch *batch = arena_new(&arena, TokenizeBatch, 1);
    TokenizeOptions options = {0};
    OptionRows rows = {0};
    int rest = 0;
    json_t *given = json_object();
    option_rows_add(&rows, tokenize_options, COUNT(tokenize_options));
    bool ok =
        options_parse(&rows, argc, argv, 1, given, &rest, err) && options_set(&rows, given, &options, &arena, err);
    source.folder = options.model;
    ok = ok && (source.folder || asset_expand(&arena, "vocab.txt", &source.vocab, err)) &&
         model_source_tokenizer(&arena, &source, &tokenizer, err) &&
         rows_open(&reader, rest ? argv[1] : NULL, options.jsonl, err);
    if (ok) {
        rows_prompt(&reader);
        *batch = (TokenizeBatch){.tokenizer = tokenizer, .max_length = options.max_length};
        threads_start(options.threads ? (int)options.threads : processors_available());
        ok = tokenize_rows(batch, &reader, err);
        threads_stop();
    }
    if (ok) rows_note(&reader);
    tokenize_close(batch);
    rows_close(&reader);
    json_decref(given);
    arena_free(&arena);
    return ok;
}
