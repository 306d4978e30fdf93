/* files: whole files, zstd, safetensors, tables (TSV, CSV, JSONL), JSON, sha256. Everything that is read may be
 * hostile: sizes are checked before they are used, and every failure names the file and the place in it. */
#ifndef LETHE_FILES_H
#define LETHE_FILES_H

#include <jansson.h>

#include "../base/base.h"

/* ---- whole files ---- */

/* The file's bytes (a 0 byte after them), expanded when the name ends in .zst; at most limit_bytes of either. An empty
 * file is legal. */
bool file_read(Arena *arena, const char *path, size_t limit_bytes, Str *bytes, Err *err);
/* What the bytes are when they are none of the formats that lethe reads, and what to do ("gzip data; unpack it first");
 * NULL: nothing is known against them. file_read, and every file that is mapped, refuses such a file by this. */
const char *file_kind(Str bytes);
bool file_exists(const char *path); /* or a folder, or whatever has this name */
/* Whether there is such a folder; the error of --option says how a model folder is brought. */
bool folder_need(const char *option, const char *path, Err *err);
/* Appears whole or not at all: temporary name, fsync, rename. */
bool file_write(const char *path, Str bytes, Err *err);
bool file_write_parts(const char *path, const Str *parts, size_t count, Err *err); /* one file of the parts in a row */
bool folder_make(const char *path, Err *err); /* with its parents; fine when it exists */
/* Where small files that only save time may lie, made when it is not there. NULL: nowhere. */
const char *cache_folder(Arena *arena);

/* Removes what a process that was killed has left of files it was writing; other files and folders stay. */
void remove_temporaries(const char *path);

/* A file that only one process holds at a time. The system gives it back when that process ends, however it ends. */
typedef struct FileLock {
    SysFile file;
    const char *path; /* kept, not copied; null: not held */
} FileLock;
/* *free: whether it was; then it is held. Where the file system knows no locks, everything is free. */
bool lock_take(FileLock *lock, const char *path, bool *free, Err *err);
void lock_release(FileLock *lock); /* and removes the file; one that is not held is fine */

/* A file that grows by whole lines or blocks, each handed to the system at once. */
typedef struct Log {
    SysFile file;
    const char *path; /* kept, not copied */
} Log;
#define LOG_CLOSED ((Log){.file = SYS_NO_FILE})
bool log_open(Log *log, const char *path, Err *err); /* appends; creates the file when there is none */
/* Adds a newline when `line` does not end in one. Fails when the file has been moved or removed meanwhile. */
bool log_append(Log *log, Str line, Err *err);
bool log_close(Log *log, Err *err); /* fsync; a closed log is fine */

/* ---- zstd ---- */

/* All frames of `compressed`, at most limit_bytes expanded. `what` names the data in errors. */
bool zstd_expand(Arena *arena, Str compressed, size_t limit_bytes, const char *what, Str *out, Err *err);

/* ---- sha256 (FIPS 180-4) ---- */
void sha256_hex(Str bytes, char hex[65]);

/* ---- JSON, over jansson ---- */

void json_start(void); /* once, before all else: jansson takes its memory with memory_need */

/* `what` names the text in errors, which also give line and column. The caller owns *out. */
bool json_parse(Str text, const char *what, json_t **out, Err *err);
bool json_parse_object(Str text, const char *what, json_t **out, Err *err); /* it must be an object */
/* An object in which whole numbers beyond 64 bits are legal: they become reals. */
bool json_parse_wide(Str text, const char *what, json_t **out, Err *err);
/* One row of JSON lines, as tables have them: \u0000 is text, half a surrogate pair U+FFFD, a number the text that it
 * is written as. */
bool json_row_parse(Arena *arena, Str line, const char *what, json_t **out, Err *err);
/* object[key], which must be there, of that type, and within [low, high]. */
bool json_get_int(const json_t *object, const char *what, const char *key, int64_t low, int64_t high, int64_t *value,
                  Err *err);
bool json_get_double(const json_t *object, const char *what, const char *key, double low, double high, double *value,
                     Err *err);
bool json_write(const char *path, const json_t *value, Err *err); /* as file_write, indented, a newline at the end */

/* ---- the keys of other programs' JSON files ---- */

typedef enum KeyRule {
    KEY_APPLIED,  /* read and followed, or refused where it is read */
    KEY_HARMLESS, /* changes nothing that lethe computes */
    KEY_ONLY,     /* null or one of the listed values; anything else is refused by name */
    KEY_EMPTY,    /* null, false, empty text, or lists and objects of these; anything else is refused by name */
} KeyRule;
/* What a value may be: bits, so that a key may have several. A whole number is a number, too. */
enum {
    TYPE_FLAG = 1,
    TYPE_WHOLE = 2,
    TYPE_NUMBER = 4,
    TYPE_TEXT = 8,
    TYPE_LIST = 16,
    TYPE_OBJECT = 32,
    TYPE_NULL = 64,
};
typedef struct FileKey {
    const char *name;
    KeyRule rule;
    unsigned types;   /* TYPE_*; of all that is read; 0: any */
    const char *only; /* of KEY_ONLY: the values as JSON, a space between them */
} FileKey;
/* All keys of one file that are known. Unknown ones are refused by name unless they are as empty as KEY_EMPTY asks for.
 */
typedef struct FileKeys {
    const char *file;
    const FileKey *at;
    size_t count;
    bool unknown_text_passes;    /* a note that somebody has left */
    const struct FileKeys *also; /* further keys of the same file, looked up after these; NULL: none */
} FileKeys;
const FileKey *keys_find(const FileKeys *keys, const char *name); /* NULL: unknown */
/* Fails on the first key whose value is not of its type, or is refused by its rule. */
bool keys_check(const FileKeys *keys, const json_t *object, const char *what, Err *err);

/* ---- safetensors ---- */

enum { TENSOR_MAX_RANK = 8 };
typedef enum TensorType { TENSOR_F32, TENSOR_F16, TENSOR_BF16, TENSOR_F64, TENSOR_U32, TENSOR_OTHER } TensorType;
enum { TENSOR_WORD_BYTES = 4 }; /* an element of what lethe writes: F32 or U32 */
typedef struct Tensor {
    const char *name;
    TensorType type;
    int rank;
    uint64_t shape[TENSOR_MAX_RANK], count;
    const uint8_t *data; /* little-endian, possibly unaligned */
    uint64_t begin, end; /* in the data section */
} Tensor;
typedef struct Safetensors {
    const char *path; /* for errors */
    Str bytes;        /* the whole file */
    Tensor *tensors;  /* by name */
    size_t count;
    void *map;                  /* when the file is mapped: its address */
    struct Safetensors *shards; /* when several files make up the model: these, in the order of their names */
    size_t shard_count;
} Safetensors;

/* Opens a file (mapped, or expanded when its name ends in .zst). safetensors_close gives the mapping back. */
bool safetensors_open(Arena *arena, const char *path, Safetensors *out, Err *err);
bool safetensors_parse(Arena *arena, Str bytes, const char *what, Safetensors *out, Err *err);
/* Opens a model of several files by its index, model.safetensors.index.json, as HF's save_pretrained writes it:
 * {"weight_map": {tensor: file}}. The files lie beside the index; tensors that the index does not name are left out. */
bool safetensors_open_shards(Arena *arena, const char *index_path, Safetensors *out, Err *err);
/* Of the file's bytes; of several files: of their hashes in hex, one after the other. */
void safetensors_sha256(const Safetensors *file, char hex[65]);
void safetensors_close(Safetensors *file);
const Tensor *safetensors_find(const Safetensors *file, const char *name); /* NULL when there is none */
/* Writes F32 and U32 tensors as a safetensors file that Hugging Face's libraries take ("format": "pt"), in the order
 * given; `data` points at count elements, `begin` and `end` are not looked at. As file_write: whole or not at all. */
bool safetensors_write(const char *path, const Tensor *tensors, size_t count, Err *err);
bool tensor_is_float(const Tensor *tensor); /* F64, F32, F16 or BF16: tensor_to_f32 can read it */
void tensor_to_f32(const Tensor *tensor, float *out);

/* ---- archives: a safetensors file as one zstd frame with a checksum ----
 * Written and read piece by piece: the data never stands in memory as a whole. */

typedef struct Archive {
    Safetensors file;       /* what its header says; the tensors' `data` is null */
    json_t *metadata;       /* an object */
    const Tensor *in_order; /* [file.count], as they lie in the file */
    uint64_t data_at;       /* of the expanded bytes: where the data begins */
    Str packed;             /* mapped, or the caller's */
} Archive;

/* Moves `size` bytes of a tensor's data, from byte `at` of it on: fills `bytes`, or takes them. */
typedef void ArchiveMove(void *context, const Tensor *tensor, uint64_t at, void *bytes, size_t size);

/* Writes F32 and U32 tensors whose data comes from `fill`, in the order given, and `metadata`, an object of texts whose
 * reference it takes over. As file_write: whole or not at all. */
bool archive_write(const char *path, json_t *metadata, const Tensor *tensors, size_t count, ArchiveMove *fill,
                   void *context, Err *err);
/* Reads the file once from its beginning to its end: when this succeeds, all of it is sound. */
bool archive_open(Arena *arena, const char *path, Archive *out, Err *err);
bool archive_parse(Arena *arena, Str packed, const char *what, Archive *out, Err *err); /* `packed` must outlive it */
bool archive_read(const Archive *archive, ArchiveMove *take, void *context, Err *err);  /* all tensors, in order */
void archive_close(Archive *archive);

/* ---- tables ---- */

typedef struct Table {
    const char *path;
    const char *layout; /* of a file without a header that is known by its rows ("CoLA"); else NULL */
    Str *columns;
    size_t column_count;
    Str *cells; /* [row_count][column_count]; a missing JSONL key has at == NULL */
    size_t row_count;
    uint64_t *lines;   /* [row_count]: line of the file on which the row begins, from 1 */
    uint64_t cut_rows; /* of QQP, whose own file has rows that end early: those left out */
} Table;
/* What a file's name says that it holds; ".zst" at its end and capitals say nothing. */
typedef enum TableFormat { TABLE_NONE, TABLE_TSV, TABLE_CSV, TABLE_JSON } TableFormat;
TableFormat table_format(Str name);
/* `name` decides on the format by its ending, in any case (.tsv; .csv, whose header says whether comma, semicolon or
 * tab separates; .jsonl, .ndjson, .json: an object a line, or one array of objects; each also with .zst after it), and
 * names the data in errors. Lines end with LF, CRLF or CR alone. */
bool table_parse(Arena *arena, Str bytes, const char *name, Table *out, Err *err);

typedef struct Example {
    Str text, pair, label; /* pair.at == NULL: a single text; label.at == NULL: none */
    uint64_t line;
} Example;
/* Columns by name; NULL: found by themselves. */
typedef struct ColumnNames {
    const char *text, *pair, *label;
} ColumnNames;
typedef struct ExampleFile {
    const char *path;
    const char *text_column, *pair_column, *label_column; /* what was read; NULL: none */
    const char *unread;                                   /* "a, b": columns that look like text; NULL: none */
    const char *layout;                                   /* as in Table */
    Example *rows;
    size_t row_count;
    uint64_t skipped_rows; /* labelled '-' or -1, and the cut rows of QQP */
    uint64_t minus_rows;   /* those of them that are labelled -1 */
    uint64_t cut_rows;     /* those of them that are cut */
    bool pairs;
    char sha256[65]; /* of the file as it lies on the disk (embedded data: as given) */
} ExampleFile;
/* Finds the text and label columns as described in docs/data.md; labels lose the white space around them. */
bool examples_read(Arena *arena, const char *path, const ColumnNames *names, bool need_labels, ExampleFile *out,
                   Err *err);
bool examples_parse(Arena *arena, Str bytes, const char *name, const ColumnNames *names, bool need_labels,
                    ExampleFile *out, Err *err);
/* Splits a file in two by a draw that depends on its number of rows alone: round(percent of the rows) into *eval, at
 * least one in each; both in the file's order. */
bool examples_split(Arena *arena, const ExampleFile *all, double percent, ExampleFile *train, ExampleFile *eval,
                    Err *err);

#endif
