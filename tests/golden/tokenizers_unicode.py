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

entries, before = [], 0
for code in range(0x110000):
    if 0xD800 <= code < 0xE000: continue # surrogates: never in a text
    now = bits(code)
    if now != before: entries.append(code << len(BITS) | now)
    before = now
print(f"""/* Made by tests/golden/tokenizers_unicode.py from tokenizers {tokenizers.__version__}; do not edit.
 * (first code point << UNICODE_SHIFT) | bits of all code points from there up to the next entry. */
enum {{
    {(',' + chr(10) + '    ').join(f'UNICODE_{b} = {1 << i}' for i, b in enumerate(BITS))},
    UNICODE_SHIFT = {len(BITS)}
}};
static const uint32_t unicode_table[] = {{""")
for i in range(0, len(entries), 10): print("    " + ", ".join(f"{e:#x}" for e in entries[i:i + 10]) + ",")
print("};")
