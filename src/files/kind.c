#include "files.h"

#include <string.h>

/* What a file is, when it is not what its name promises: the downloads, exports and containers that people hand over in
 * place of a table or a model. One table for all files that are opened. */

typedef struct FileMagic {
    const char *bytes;
    size_t size;
    const char *what;
    bool word; /* somebody's text may begin so: then bytes that no text has must follow */
} FileMagic;

#define MAGIC(literal, what)                      \
    {                                             \
        literal, sizeof(literal) - 1, what, false \
    }
#define MAGIC_WORD(literal, what)                \
    {                                            \
        literal, sizeof(literal) - 1, what, true \
    }
static const FileMagic file_magics[] = {
    MAGIC("version https://git-lfs.github.com/spec/",
          "a Git LFS pointer, not the file itself; run \"git lfs pull\" in its folder, or download the file again"),
    MAGIC("\x1f\x8b\x08", "gzip data; unpack it first (gunzip)"),
    MAGIC("\xfd"
          "7zXZ\0",
          "xz data; unpack it first (unxz)"),
    MAGIC("7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    MAGIC("Rar!\x1a\x07", "a rar archive; unpack it first"),
    MAGIC_WORD("PAR1", "a Parquet file; in Python, pandas.read_parquet(FILE).to_csv(NAME, index=False) writes a table"),
    MAGIC_WORD("ARROW1", "an Arrow file; in Python, save it as CSV or JSON lines"),
    MAGIC_WORD("FEA1", "a Feather file; in Python, save it as CSV or JSON lines"),
    MAGIC("\x89HDF\r\n\x1a\n", "an HDF5 file, which lethe does not read"),
    MAGIC("\x93NUMPY", "a NumPy array, which lethe does not read"),
    MAGIC("SQLite format 3\0", "an SQLite database; export the table as CSV"),
    MAGIC_WORD("GGUF", "a GGUF model, which lethe does not read; the original Hugging Face folder is needed"),
    MAGIC("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file; save the table as CSV (UTF-8)"),
};
#undef MAGIC
#undef MAGIC_WORD

/* Whether the beginning of a file holds what no text does: control characters, or what is not UTF-8. */
static bool bytes_are_no_text(Str bytes)
{
    enum { SAMPLE = 1024, LONGEST_CHARACTER = 4 };
    for (size_t i = 0, n; i < bytes.size && i < SAMPLE; i += n) {
        n = utf8_length(bytes.at + i, bytes.size - i);
        if (!n) return bytes.size - i >= LONGEST_CHARACTER; /* not one that is cut off */
        if ((uint8_t)bytes.at[i] < ' ' && !(bytes.at[i] && strchr("\t\n\r\f", bytes.at[i]))) return true;
    }
    return false;
}

static bool bytes_hold(Str bytes, size_t most, Str wanted)
{
    if (bytes.size > most) bytes.size = most;
    return str_holds(bytes, wanted);
}

static bool bytes_begin(Str bytes, Str start)
{
    return bytes.size >= start.size && str_equal_as((Str){bytes.at, start.size}, start);
}

/* "%PDF-1.7", and nothing after it in its line. */
static bool bytes_are_pdf(Str bytes)
{
    if (bytes.size < 8 || memcmp(bytes.at, "%PDF-", 5) != 0 || bytes.at[6] != '.') return false;
    return bytes.size == 8 || bytes.at[8] == '\n' || bytes.at[8] == '\r';
}

/* Whether a tag begins the text and nothing but tags follow it: "<html> is a tag" is somebody's text. */
static bool bytes_are_page(Str text)
{
    static const char *const starts[] = {"<!doctype html", "<html", "<head"};
    bool start = false;
    for (size_t i = 0; i < COUNT(starts); i++) start = start || bytes_begin(text, str(starts[i]));
    const char *end = start ? memchr(text.at, '>', text.size) : NULL;
    if (!end) return false;
    const Str rest = str_trim((Str){end + 1, text.size - (size_t)(end + 1 - text.at)});
    return !rest.size || rest.at[0] == '<';
}

static const char *kind_of_zip(Str bytes)
{
    if (bytes_hold(bytes, 4096, S("data.pkl")))
        return "a PyTorch pickle, which can run any code when it is read; in Python, save_pretrained writes "
               "model.safetensors";
    if (bytes_hold(bytes, 4096, S("xl/")) || bytes_hold(bytes, 4096, S("[Content_Types].xml")))
        return "an Excel workbook; save the sheet as CSV (UTF-8)";
    return "a zip archive; unpack it first";
}

/* UTF-16 and UTF-32, by their byte order mark, or by where the 0 bytes of ASCII lie. */
static const char *kind_of_wide_text(Str bytes)
{
    static const char utf16[] = "UTF-16 text; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)",
                      utf32[] = "UTF-32 text; convert it to UTF-8 (iconv -f UTF-32 -t UTF-8)";
    enum { SAMPLE = 1024 };
    const size_t size = least_size(bytes.size, SAMPLE) / 4 * 4;
    size_t zeros[4] = {0}, plain = 0;
    if (bytes.size >= 4 && (memcmp(bytes.at, "\xff\xfe\0", 4) == 0 || memcmp(bytes.at, "\0\0\xfe\xff", 4) == 0))
        return utf32;
    if (bytes.size >= 2 && (memcmp(bytes.at, "\xff\xfe", 2) == 0 || memcmp(bytes.at, "\xfe\xff", 2) == 0)) return utf16;
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)bytes.at[i];
        zeros[i % 4] += !c;
        plain += (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\r' || c == '\t';
    }
    const size_t fours = size / 4, all = zeros[0] + zeros[1] + zeros[2] + zeros[3];
    if (all < 2 || all + plain < size * 9 / 10) return NULL;
    if (all >= fours * 3 && (!zeros[0] || !zeros[3])) return utf32;
    if (zeros[1] + zeros[3] >= fours && !zeros[0] && !zeros[2]) return utf16;
    if (zeros[0] + zeros[2] >= fours && !zeros[1] && !zeros[3]) return utf16;
    return NULL;
}

const char *file_kind(Str bytes)
{
    Str text = bytes;
    /* The length of a safetensors header may look like any of them. */
    if (bytes.size > 8 && bytes.at[8] == '{' && memcmp(bytes.at + 4, "\0\0\0", 4) == 0) return NULL;
    for (size_t i = 0; i < COUNT(file_magics); i++)
        if (bytes.size >= file_magics[i].size && memcmp(bytes.at, file_magics[i].bytes, file_magics[i].size) == 0 &&
            (!file_magics[i].word || bytes_are_no_text(bytes)))
            return file_magics[i].what;
    if (bytes_are_pdf(bytes)) return "a PDF document; a text file is needed";
    if (bytes.size >= 4 && memcmp(bytes.at, "PK\3\4", 4) == 0) return kind_of_zip(bytes);
    if (bytes.size >= 10 && memcmp(bytes.at, "BZh", 3) == 0 && memcmp(bytes.at + 4, "1AY&SY", 6) == 0)
        return "bzip2 data; unpack it first (bunzip2)";
    if (bytes.size >= 3 && bytes.at[0] == '\x80' && bytes.at[1] >= 2 && bytes.at[1] <= 5 && bytes.at[2])
        return "a Python pickle, which can run any code when it is read; in Python, save what it holds as CSV, JSON "
               "lines or safetensors";
    if (bytes_begin(text, S("\xef\xbb\xbf"))) text = (Str){text.at + 3, text.size - 3};
    while (text.size && strchr(" \t\r\n", text.at[0]) && text.at[0]) text = (Str){text.at + 1, text.size - 1};
    if (bytes_are_page(text))
        return "an HTML page, not the file: the download gave a page for browsers; fetch the file itself";
    if (bytes_begin(text, S("<?xml version"))) return "an XML file, which lethe does not read";
    return kind_of_wide_text(bytes);
}

static bool file_kind_check(Str bytes, const char *path, Err *err)
{
    const char *kind = file_kind(bytes);
    return !kind || fail(err, "%s: this is %s", str_show(str(path)), kind);
}

bool folder_need(const char *option, const char *path, Err *err)
{
    SysInfo info;
    const SysError error = sys_info(path, &info);
    if (!error)
        return info.kind == SYS_FOLDER ||
               fail(err, "--%s %s: this is a file; the folder it lies in is needed", option, str_show(str(path)));
    if (error != sys_missing) return fail(err, "--%s %s: %s", option, str_show(str(path)), sys_error_text(error));
    return fail(err,
                "--%s %s: there is no such folder; a model folder on this machine is needed, since lethe loads "
                "nothing from the network (\"hf download NAME --local-dir FOLDER\" brings one)",
                option, str_show(str(path)));
}
