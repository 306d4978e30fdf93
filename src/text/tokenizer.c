#include "text.h"

#include <string.h>

/* A tokenizer: tokens that are looked for in the text itself, a model for what lies between them, and the special
 * tokens around the result. */

/* ---- What it is made of ---- */

/* A token found as it is ("[SEP]", "<mask>"), before the text is split into words (HF's AddedToken). */
typedef struct AddedToken {
    Str text;
    uint32_t id;
    bool single_word;    /* not next to a word character */
    bool lstrip, rstrip; /* swallows the white space on that side */
    bool appended;       /* after the vocabulary, without a file that gives it an id */
} AddedToken;

typedef struct AddedTokens {
    AddedToken *at; /* longer ones first */
    size_t count;
    bool begins[256]; /* with this byte */
} AddedTokens;

/* The special tokens around a text: a list of ids and places for the texts. */
enum { TEMPLATE_MAX_PARTS = 32 };
typedef enum PartKind { PART_TOKEN, PART_TEXT, PART_PAIR } PartKind;
typedef struct TemplatePart {
    PartKind kind;
    uint32_t id; /* of PART_TOKEN */
    uint8_t type;
} TemplatePart;
typedef struct Template {
    TemplatePart parts[TEMPLATE_MAX_PARTS];
    uint32_t count, tokens; /* tokens: how many parts are PART_TOKEN */
} Template;

typedef enum TokenizerKind { TOKENIZER_WORDPIECE, TOKENIZER_BPE, TOKENIZER_UNIGRAM } TokenizerKind;

struct Tokenizer {
    TokenizerKind kind;
    uint32_t vocab_size, model_size; /* every id is below it; and every id that the vocabulary has */
    Normalizer normalizer;
    WordPiece wordpiece;
    Bpe bpe;
    Unigram unigram;
    AddedTokens raw, normalized; /* found in the text as it comes, and in the normalised text */
    Template single, pair;
    bool types;         /* the model is given them, else it takes all tokens as of type 0 */
    bool types_dropped; /* it has one type only */
    bool cut_left;      /* rows that are too long lose their beginning */
    const char *class;  /* transformers' name of it, without Fast */
};

uint32_t tokenizer_vocab_size(const Tokenizer *tokenizer) { return tokenizer->vocab_size; }

uint32_t tokenizer_least_length(const Tokenizer *tokenizer)
{
    const uint32_t single = tokenizer->single.tokens, pair = tokenizer->pair.tokens;
    return single > pair ? single : pair;
}

uint32_t tokenizer_type_count(const Tokenizer *tokenizer)
{
    uint32_t highest = 0;
    if (!tokenizer->types) return 1;
    for (const Template *p = &tokenizer->single; p; p = p == &tokenizer->single ? &tokenizer->pair : NULL)
        for (uint32_t i = 0; i < p->count; i++)
            if (p->parts[i].type > highest) highest = p->parts[i].type;
    return highest + 1;
}

bool tokenizer_fit(Tokenizer *t, const char *name, uint32_t vocab, uint32_t types, Err *err)
{
    uint32_t size = 0;
    AddedTokens *const lists[] = {&t->raw, &t->normalized};
    for (size_t l = 0; l < COUNT(lists) && t->vocab_size > vocab; l++) {
        size_t kept = 0;
        for (size_t i = 0; i < lists[l]->count; i++)
            if (!lists[l]->at[i].appended || lists[l]->at[i].id < vocab) lists[l]->at[kept++] = lists[l]->at[i];
        lists[l]->count = kept;
        for (size_t i = 0; i < kept; i++)
            if (lists[l]->at[i].id >= size) size = lists[l]->at[i].id + 1;
    }
    if (t->vocab_size > vocab) t->vocab_size = size > t->model_size ? size : t->model_size;
    if (t->vocab_size > vocab)
        return fail(err,
                    "%s: the tokenizer has %u tokens, but config.json's vocab_size is %u; the files do not belong "
                    "together",
                    name, t->vocab_size, vocab);
    if (!types) t->types = false;
    if (!types || tokenizer_type_count(t) <= types) return true;
    if (types > 1)
        return fail(err, "%s: the tokenizer gives %u token types, but config.json's type_vocab_size is %u", name,
                    tokenizer_type_count(t), types);
    t->types = false;
    t->types_dropped = true;
    return true;
}

const char *tokenizer_note(const Tokenizer *t)
{
    return t->types_dropped ? "the tokenizer marks a pair's second text by token type 1, but the model has one type "
                              "(config.json's type_vocab_size): all tokens are of type 0"
                            : NULL;
}

static void template_add(Template *template, PartKind kind, uint32_t id, uint8_t type)
{
    ASSERT(template->count < TEMPLATE_MAX_PARTS);
    template->parts[template->count++] = (TemplatePart){kind, id, type};
    template->tokens += kind == PART_TOKEN;
}

/* first A last, and first A last [last] B last; types of the pair: second_type for what follows A's last. */
static void template_usual(Tokenizer *t, uint32_t first, uint32_t last, bool last_twice, uint8_t second_type)
{
    t->single = t->pair = (Template){0};
    for (Template *p = &t->single;; p = &t->pair) {
        template_add(p, PART_TOKEN, first, 0);
        template_add(p, PART_TEXT, 0, 0);
        template_add(p, PART_TOKEN, last, 0);
        if (p == &t->pair) break;
    }
    if (last_twice) template_add(&t->pair, PART_TOKEN, last, second_type);
    template_add(&t->pair, PART_PAIR, 0, second_type);
    template_add(&t->pair, PART_TOKEN, last, second_type);
}

/* ---- Added tokens ---- */

static int added_longer_first(const void *a, const void *b)
{
    const AddedToken *x = a, *y = b;
    if (x->text.size != y->text.size) return x->text.size > y->text.size ? -1 : 1;
    return str_compare(x->text, y->text);
}

/* To be called when all tokens are in place. */
static void added_prepare(AddedTokens *tokens)
{
    qsort(tokens->at, tokens->count, sizeof *tokens->at, added_longer_first);
    for (size_t i = 0; i < tokens->count; i++) tokens->begins[(uint8_t)tokens->at[i].text.at[0]] = true;
}

static const AddedToken *added_match(const AddedTokens *tokens, Str text, size_t at)
{
    if (!tokens->begins[(uint8_t)text.at[at]]) return NULL;
    for (size_t i = 0; i < tokens->count; i++) {
        const Str token = tokens->at[i].text;
        if (token.size <= text.size - at && memcmp(text.at + at, token.at, token.size) == 0) return &tokens->at[i];
    }
    return NULL;
}

static bool added_touches_word(Str text, size_t begin, size_t end)
{
    if (begin && unicode_bits(unicode_previous(text, &begin)) & UNICODE_WORD) return true;
    return end < text.size && unicode_bits(unicode_next(text, &end)) & UNICODE_WORD;
}

/* A stretch of text up to and including the next added token. */
typedef struct AddedSplit {
    Str before;
    const AddedToken *token; /* NULL at the end of the text */
} AddedSplit;

typedef struct AddedScan {
    size_t at;    /* where the search goes on */
    size_t taken; /* how far the text belongs to earlier splits */
} AddedScan;

static AddedSplit added_next(const AddedTokens *tokens, Str text, AddedScan *scan)
{
    while (scan->at < text.size) {
        const AddedToken *token = added_match(tokens, text, scan->at);
        if (!token) {
            scan->at++;
            continue;
        }
        size_t begin = scan->at, end = begin + token->text.size;
        scan->at = end;
        if (token->single_word && added_touches_word(text, begin, end)) continue;
        for (size_t p = begin; token->lstrip && p > scan->taken && unicode_is_space(unicode_previous(text, &p));)
            begin = p;
        for (size_t p = end; token->rstrip && p < text.size && unicode_is_space(unicode_next(text, &p));) end = p;
        const size_t from = scan->taken;
        scan->taken = end;
        return (AddedSplit){{text.at + from, begin > from ? begin - from : 0}, token};
    }
    const size_t from = scan->taken;
    scan->taken = text.size;
    return (AddedSplit){{text.at + from, text.size - from}, NULL};
}

/* ---- Encoding ---- */

typedef struct Encoder {
    const Tokenizer *tokenizer;
    Arena *scratch;
    uint64_t *hashes; /* WordPiece's */
    BpeWork bpe;
    UnigramWork unigram;
    Ids ids;
} Encoder;

/* at_start: nothing of the text stands before it. */
static void encoder_model(Encoder *e, Str text, bool at_start)
{
    const Tokenizer *t = e->tokenizer;
    switch (t->kind) {
    case TOKENIZER_WORDPIECE: wordpiece_encode(&t->wordpiece, e->scratch, text, e->hashes, &e->ids); return;
    case TOKENIZER_BPE: bpe_encode(&t->bpe, e->scratch, text, &e->bpe, &e->ids); return;
    case TOKENIZER_UNIGRAM: unigram_encode(&t->unigram, e->scratch, text, at_start, &e->unigram, &e->ids); return;
    }
}

/* Everything but the special tokens around it. */
static Ids encoder_text(Encoder *e, Str text)
{
    const Tokenizer *t = e->tokenizer;
    e->ids = (Ids){0};
    text = unicode_repair(e->scratch, text);
    for (AddedScan outer = {0}; outer.taken < text.size;) {
        const AddedSplit split = added_next(&t->raw, text, &outer);
        const Str normal = normalize(&t->normalizer, e->scratch, split.before);
        for (AddedScan inner = {0}; inner.taken < normal.size;) {
            const AddedSplit part = added_next(&t->normalized, normal, &inner);
            encoder_model(e, part.before, split.before.at == text.at && part.before.at == normal.at);
            if (part.token) *dyn_push(e->scratch, &e->ids) = part.token->id;
        }
        if (split.token) *dyn_push(e->scratch, &e->ids) = split.token->id;
    }
    return e->ids;
}

/* HF's "longest_first": at most `room` tokens in both together. */
static void truncate_pair(size_t room, size_t *text, size_t *pair)
{
    if (*text + *pair <= room) return;
    const bool text_longer = *text > *pair;
    size_t *shorter = text_longer ? pair : text, *longer = text_longer ? text : pair;
    if (*shorter > room / 2) *shorter = room / 2;
    *longer = room - *shorter;
}

uint32_t tokenizer_encode(const Tokenizer *t, Arena *scratch, Str text, Str pair, uint32_t max_length, uint32_t *ids,
                          uint8_t *types)
{
    const Template *template = pair.at ? &t->pair : &t->single;
    ASSERT(max_length >= template->tokens);
    Encoder encoder = {.tokenizer = t, .scratch = scratch};
    encoder.hashes = arena_new(scratch, uint64_t, wordpiece_longest_token(&t->wordpiece) + 1);
    const Ids a = encoder_text(&encoder, text), b = pair.at ? encoder_text(&encoder, pair) : (Ids){0};
    const size_t room = max_length - template->tokens;
    size_t a_size = a.count, b_size = b.count;
    if (pair.at)
        truncate_pair(room, &a_size, &b_size);
    else if (a_size > room)
        a_size = room;
    uint32_t count = 0;
    for (uint32_t i = 0; i < template->count; i++) {
        const TemplatePart *part = &template->parts[i];
        const Ids *own = part->kind == PART_TEXT ? &a : &b;
        const size_t size = part->kind == PART_TOKEN ? 1 : part->kind == PART_TEXT ? a_size : b_size;
        const uint32_t *from = part->kind == PART_TOKEN ? &part->id : own->at;
        if (part->kind != PART_TOKEN && t->cut_left && own->count) from += own->count - size;
        for (size_t k = 0; k < size; k++, count++) ids[count] = from[k], types[count] = t->types ? part->type : 0;
    }
    return count;
}
