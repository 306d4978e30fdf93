/* text: tokenizers, rows of text as token ids, and batches of them.
 *
 * Ids agree with Hugging Face's fast tokenizers (tokenizers 0.23) for byte-level BPE (RoBERTa) and WordPiece (BERT).
 * Any bytes are legal text: what is not UTF-8 becomes U+FFFD, one for each maximal subpart (as Python's
 * errors="replace"). */
#ifndef LETHE_TEXT_H
#define LETHE_TEXT_H

#include "../base/base.h"
#include "../family/family.h"
#include "../files/files.h"

/* ---- Tokenizers ---- */

typedef struct Tokenizer Tokenizer;

/* The tokenizer of an HF model folder, as AutoTokenizer of transformers 5 makes it of tokenizer.json, or vocab.txt
 * (BERT), or vocab.json with merges.txt (RoBERTa); tokenizer_config.json, special_tokens_map.json, added_tokens.json
 * and config.json. docs/model-folders.md says what each key does. Fails, by name, on what would give other ids, and on
 * vocabularies that contradict themselves. */
bool tokenizer_load(Arena *arena, const char *folder, Tokenizer **out, Err *err);
/* A BERT tokenizer from the text of a vocab.txt; `what` names it in errors. */
bool tokenizer_from_vocab(Arena *arena, Str vocab, bool lower_case, const char *what, Tokenizer **out, Err *err);
/* From the text of a tokenizer.json, as it stands. */
bool tokenizer_from_json(Arena *arena, Str json, const char *what, Tokenizer **out, Err *err);

/* "model_max_length" of the folder's tokenizer_config.json: tokens a row, special ones included; 0 when it says none.
 */
bool tokenizer_max_length(const char *folder, uint32_t *length, Err *err);
/* Copies the files of a model folder that make its tokenizer, in lethe or in HF's libraries. */
bool tokenizer_files_copy(const char *from, const char *to, Err *err);
/* Sets "model_max_length" in the folder's tokenizer_config.json, which is made when there is none. */
bool tokenizer_config_write(const char *folder, const Tokenizer *tokenizer, uint32_t max_length, Err *err);

uint32_t tokenizer_vocab_size(const Tokenizer *tokenizer); /* every id is below it */
uint32_t tokenizer_type_count(const Tokenizer *tokenizer); /* 2 when pairs have types 0 and 1, else 1 */
/* Fits a tokenizer to a model's tables, of `vocab` ids and `types` token types; afterwards it gives none beyond them. A
 * model of one type, or of none (types 0), gets type 0 throughout; special tokens that are after the vocabulary though
 * no file says so, and after the table, are no longer found in texts. Fails when other ids or types are beyond the
 * tables; `name` is the model's in errors. */
bool tokenizer_fit(Tokenizer *tokenizer, const char *name, uint32_t vocab, uint32_t types, Err *err);
const char *tokenizer_note(const Tokenizer *tokenizer); /* a sentence on what tokenizer_fit changed, or NULL */
/* The most special tokens around a text or pair (RoBERTa 4, BERT 3): max_length must not be below it. */
uint32_t tokenizer_least_length(const Tokenizer *tokenizer);
/* Ids and segments (types, 0 or 1) of a text, or of a pair of texts when pair.at is not NULL, with the special tokens
 * around them: single [CLS] A [SEP] or <s> A </s>; pair [CLS] A [SEP] B [SEP] or <s> A </s> </s> B </s>. Cut at the
 * tail to max_length tokens in all; of a pair the longer text first, and an odd last token goes to the longer one (the
 * second when equal), as HF's "longest_first". ids and types: [max_length]. Returns the number of tokens. */
uint32_t tokenizer_encode(const Tokenizer *tokenizer, Arena *scratch, Str text, Str pair, uint32_t max_length,
                          uint32_t *ids, uint8_t *types);

/* ---- Tokenised rows ---- */

typedef struct Split {
    uint32_t rows;
    uint32_t *labels;    /* [rows] */
    uint64_t *starts;    /* [rows + 1]: row r owns the tokens starts[r] .. starts[r + 1] - 1 */
    uint32_t *ids;       /* [starts[rows]] */
    uint8_t *types;      /* [starts[rows]] */
    Str *text, *pair;    /* [rows]; pair[r].at == NULL: a single text */
    uint64_t *lines;     /* [rows]: line of the file, from 1 */
    uint64_t skipped;    /* rows of the whole file without a label */
    uint32_t file_rows;  /* rows of the whole file with a label, of which `rows` are taken */
    const char *columns; /* those read, for people */
    ColumnNames read;    /* and their names; NULL: none */
    uint32_t longest;    /* tokens of the longest row */
    bool any_pair;
} Split;

enum { TASK_MAX_CLASSES = 1000 };

typedef struct TaskData {
    const char *name;
    uint32_t classes;
    const char **class_names; /* [classes]; of numbers the shortest spelling */
    Split train, eval;
    char train_sha256[65], eval_sha256[65]; /* of the files */
    uint64_t common_rows;                   /* of eval: those whose text (or pair) is also in train */
    DYN(const char *) warnings;             /* what the user may not have meant, a line each */
} TaskData;

/* Whether both are decimal numbers, of any number of digits, and the same one: 4 and 4.0. */
bool labels_same_number(Str a, Str b);

/* Tokenises train_rows and eval_rows rows (0: all). They are drawn at random, the same rows whatever the seed and the
 * other tasks, and stay in the file's order; first_rows: the file's first rows instead. The classes are the labels of
 * the whole train file: numbers in ascending order, or names in bytewise order, except that entailment, neutral and
 * contradiction are 0, 1 and 2. Fails on numbers and names mixed, on negative numbers, on what looks like a regression,
 * on a single class in the file or among the rows taken to train, on more than TASK_MAX_CLASSES, on a label of the eval
 * file that the train file does not have, and when one file has pairs and the other has not. Texts stay where `train`
 * and `eval` have them. */
bool task_data_load(Arena *arena, const Tokenizer *tokenizer, const char *name, const ExampleFile *train,
                    const ExampleFile *eval, uint32_t train_rows, uint32_t eval_rows, bool first_rows,
                    uint32_t max_length, TaskData *out, Err *err);
/* [classes]: rows of each. */
uint32_t *split_class_counts(Arena *arena, const Split *split, uint32_t classes);
/* The rows rows[0 .. count - 1] of a split, in this order, as a split of their own. */
void split_subset(Arena *arena, const Split *split, const uint32_t *rows, uint32_t count, Split *out);
/* A tenth of the rows (at least one) to choose an epoch or a rate by, and the rest: the same for every seed and method.
 * split->rows >= 2. */
void split_hold_out(Arena *arena, const Split *split, Split *rest, Split *held);
/* Share of the most frequent label, in [0, 1]: the accuracy of always answering with it. */
double split_majority_rate(const Split *split, uint32_t classes);

/* ---- Packed batches ---- */

/* Which tokens use which row of an embedding table, so that each row's gradient is one sum in a fixed order. Row row[u]
 * is used by the tokens order[starts[u]] .. order[starts[u + 1] - 1], ascending. */
typedef struct RowIndex {
    uint32_t unique;
    uint32_t *row;    /* [unique], ascending */
    uint32_t *starts; /* [unique + 1] */
    uint32_t *order;  /* [tokens] */
} RowIndex;

/* Examples one after another, without padding. */
typedef struct Batch {
    uint32_t examples, tokens;
    uint32_t longest;                  /* tokens of the longest example */
    uint32_t *ids, *positions, *types; /* [tokens] */
    uint32_t *offsets;                 /* [examples + 1]: example e owns the tokens offsets[e] .. offsets[e + 1] - 1 */
    uint32_t *first;                   /* [examples]: its first token */
    uint32_t *labels;                  /* [examples] */
    RowIndex word, position, type;     /* by id, by position, by segment */
} Batch;

/* The rows rows[0 .. count - 1] of a split, in this order. position_base: position of an example's first token: BERT 0,
 * RoBERTa 2, the id of its pad token + 1; tokens of this id have the position of that number and are not counted. */
void batch_pack(Arena *arena, const Split *split, const uint32_t *rows, uint32_t count, uint32_t position_base,
                Batch *out);

#endif
