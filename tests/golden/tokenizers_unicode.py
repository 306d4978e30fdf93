"""Makes src/text/unicode_table.c: what Hugging Face's fast tokenizers take every code point for, asked of the tokenizers
package itself. Its parts rest on Unicode tables of different ages (punctuation and accents: Unicode 8; letters and
digits: 16), so no single version of a Unicode library agrees with it.
usage: python3 tests/golden/tokenizers_unicode.py > src/text/unicode_table.c   (needs the package tokenizers)"""
import tokenizers
from tokenizers import normalizers, pre_tokenizers

BITS = ["LETTER", "NUMBER", "PUNCTUATION", "ACCENT", "CONTROL", "COMBINES", "DECOMPOSES", "WORD", "MARK"]
clean = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
strip = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
nfd, marks = normalizers.NFD(), normalizers.StripAccents()
bert, gpt2, words = pre_tokenizers.BertPreTokenizer(), pre_tokenizers.ByteLevel(add_prefix_space=False), pre_tokenizers.Whitespace()

def pieces(pre_tokenizer, text): return [text[a:b] for _, (a, b) in pre_tokenizer.pre_tokenize_str(text)]

def bits(code):
    c, out = chr(code), set()
    if pieces(gpt2, "a" + c) == ["a" + c]: out.add("LETTER")
    if pieces(gpt2, "1" + c) == ["1" + c]: out.add("NUMBER")
    if pieces(bert, "a" + c + "a") == ["a", c, "a"]: out.add("PUNCTUATION")
    if strip.normalize_str(c) == "" and nfd.normalize_str(c) == c: out.add("ACCENT")
    if clean.normalize_str(c) == "": out.add("CONTROL")
    # behind a mark of class 240, the highest, every other mark of a class above 0 moves forward; 240 is U+0345 alone
    if code == 0x345 or nfd.normalize_str("a\u0345" + c) == "a" + c + "\u0345": out.add("COMBINES")
    if code > 0xFFFF and nfd.normalize_str(c) != c: out.add("DECOMPOSES")
    if pieces(words, "a" + c) == ["a" + c]: out.add("WORD")
    if marks.normalize_str(c) == "": out.add("MARK")
    return sum(1 << BITS.index(b) for b in out)

# What decides where a cluster (UAX 29) ends, asked of a character map that makes one X of every cluster below six bytes and of every character of a longer one.
# Of characters of four bytes only what can matter to clusters below six bytes is asked.
CLUSTER_BITS = ["ATTACHES", "STANDS_ALONE", "PREPENDS", "PICTURE", "CONSONANT", "LINKER", "INSIDE", "COMPATIBLE"]
compat = normalizers.NFKD()

def map_of_first_bytes(target):
    """A Precompiled map (a double array as SentencePiece writes it) whose keys are all single bytes that begin a character: each becomes `target`."""
    units = [0] * 1024; units[0] = (512 << 10)  # the root: its children lie at 512 ^ byte
    for byte in [*range(1, 0x80), *range(0xC2, 0xF5)]:
        at = 512 ^ byte; leaf = 256 ^ byte       # the leaf of a child lies at offset 768 from it: 512 ^ 768 = 256
        units[at] = (768 << 10) | 1 << 8 | byte; units[leaf] = 1 << 31
    blob = b"".join(u.to_bytes(4, "little") for u in units)
    return normalizers.Precompiled(len(blob).to_bytes(4, "little") + blob + target.encode() + b"\0")
clusters = map_of_first_bytes("X")
def count(text): return len(clusters.normalize_str(text))

def cluster_bits(code):
    c, out = chr(code), set()
    if count("a" + c) == 1: out.add("ATTACHES")
    if len(c.encode()) < 4 and count(c + "\u0301") == 2 and code not in (10, 13): out.add("STANDS_ALONE")
    if code != 13 and count(c + "a") == 1: out.add("PREPENDS")
    if "ATTACHES" not in out and count("\xa9\u200d" + c) == 3: out.add("PICTURE")
    if "ATTACHES" not in out and count(c + "\u094d\u0915\u0301") == 4: out.add("CONSONANT")
    if "ATTACHES" in out and count("\u0915" + c + "\u0915\u0301") == 4: out.add("LINKER")
    if "ATTACHES" in out and count("\u0915\u094d" + c + "\u0915\u0301") == 5: out.add("INSIDE")
    if compat.normalize_str(c) != c: out.add("COMPATIBLE")
    return sum(1 << CLUSTER_BITS.index(b) for b in out)

def table(bits_of, width):
    entries, before = [], 0
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000: continue # surrogates: never in a text
        now = bits_of(code)
        if now != before or not entries: entries.append(code << width | now)
        before = now
    return entries

def show(name, prefix, names, entries):
    print(f"""enum {{
    {(',' + chr(10) + '    ').join(f'{prefix}_{b} = {1 << i}' for i, b in enumerate(names))},
    {prefix}_SHIFT = {len(names)}
}};
static const uint32_t {name}[] = {{""")
    for i in range(0, len(entries), 10): print("    " + ", ".join(f"{e:#x}" for e in entries[i:i + 10]) + ",")
    print("};")

print(f"""/* Made by tests/golden/tokenizers_unicode.py from tokenizers {tokenizers.__version__}; do not edit.
 * (first code point << UNICODE_SHIFT) | bits of all code points from there up to the next entry. */""")
show("unicode_table", "UNICODE", BITS, table(bits, len(BITS)))
print("""/* The same for where a cluster (UAX 29) ends, and for compatibility decompositions. */""")
show("cluster_table", "CLUSTER", CLUSTER_BITS, table(cluster_bits, len(CLUSTER_BITS)))
