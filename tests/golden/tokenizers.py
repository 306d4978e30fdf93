"""Makes tests/golden/tokenizers.txt and the small tokenizers in tests/golden/tokenizers/, all with Hugging Face's fast tokenizers.
usage: python3 tests/golden/tokenizers.py DATA TEXT...   (needs transformers)
DATA: folder with tokenizers/{bert-base-uncased,roberta-base} and the data sets; TEXT: files to train the small vocabularies on, such
as assets/nli_train.tsv. Lines of tokenizers.txt:
  string N MAX_LENGTH TEXT PAIR         bytes as hex; PAIR '-': none; an empty text is '.'
  ids TOKENIZER N IDS | TYPES           what string N becomes
  rows TOKENIZER FILE MAX_LENGTH ROWS IDS CHECKSUM   all rows of a file: FNV-1a over its ids as 4 bytes and types, see `rows_line`
  unicode WHAT CHECKSUM                 FNV-1a over what every code point becomes, see `unicode_lines`"""
import csv, json, os, random, sys, unicodedata
os.environ["HF_HUB_OFFLINE"] = "1"; os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.pop(0) # this file has the name of the package
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, BertTokenizerFast, RobertaTokenizerFast

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizers")
DATA, TEXTS = sys.argv[1], sys.argv[2:]

STRINGS = [ # text or (text, pair), with a max_length where it matters
    "", " ", "   ", "\n", "\t\r\n", "a", "Hello world", "Hello world ", " Hello  world", "hello, world!", "The film is not bad at all; it is good.",
    "don't can't I'm you're they'll we've he'd it's", "DON'T I'M YOU'RE 'S 'Ll", "' 's ' s '' 'st 'res", "rock'n'roll", "o'clock-ish", "a'b'c",
    "123456789", "3.14159", "1,000,000", "12:30pm", "2nd", "x1y2z3", "\u00bd \u00b2 \u2167 \u0661\u0662\u0663", "$5.99 \u20ac10 \u00a320", "100% + 5 = ?",
    "state-of-the-art", "e.g. i.e. etc.", "...", "!!!???", "--- *** ___", "~`^|<>=+$", "(a) [b] {c}", "a_b_c", "http://example.com/a?b=c&d=e#f", "me@example.com",
    "caf\u00e9", "cafe\u0301", "na\u00efve r\u00e9sum\u00e9", "\u00c5ngstr\u00f6m \u212b A\u030a", "Vi\u1ec7t Nam \u1ec7 e\u0323\u0302 e\u0302\u0323", "a\u0345\u0301\u0327b", "a\u0315\u0300\u05ae\u0300\u0300\u0062",
    "I\u0307 \u0130stanbul \u0131s\u0131k \u0130", "stra\u00dfe STRASSE \u1e9e", "\u039f\u0394\u039f\u03a3 \u03a3", "\u1f80 \u1fb3 \ufb01 \ufb00", "\u01c5 \u01c4", "\u24b6\u24d0 \u2160\u2170", "\ua7cb \ua7dc \u1c89",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440", "\u0439 \u0438\u0306", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0650\u0633\u0652\u0645\u0650", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0915\u094d\u0937\u093f", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u0f71\u0f72\u0f74 \u0f73",
    "\u4e2d\u6587 and English\u6df7\u5408", "\u65e5\u672c\u8a9e\u30ab\u309a \u30ac", "\u3400\u4dbf \U00020000 \U0002b81f \U0002b820 \U0002f800 \uf900", "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab", "\u3001\u3002\u300c\u300d\uff01\uff21\uff41",
    "\U0001f44d\U0001f3fd", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\u263a\ufe0f \u2764", "good \U0001f600 bad \U0001f612",
    "\u00a0nbsp\u00a0\u00a0here", "\u2028\u2029\u0085 x \u3000 y", "zero\u200bwidth\ufeff\u00ad", "a\x00b\x01c\x7fd", "\x0b\x0c", "\ufffd \uffff \ue000 \U000f0000", "\u0378 \U000e0001", "tab\tand\nnewline  two   three",
    "  \n  x", "x \n\n y", " \t a", "a \u00a0b", "\u2003\u2003em",
    "<s>", "</s>", "a<s>b", "<s> a </s>", "<mask>", "a <mask> b", "a  <mask>  b", "<mask><mask>", "<unk><pad>", "<S>", "< s>", "[CLS]", "a[SEP]b", "[SEP] [sep] [Sep]", "[MASK].", "[UNK] [PAD]", "[ SEP]", "[SEP", "##ing", "# #", "[unused0]", "[CLS]\u0301",
    "yes yesterday yes! _yes yes", "Dr. Who dr. who DR. WHO", "a {gap} b{gap}c", "l'\u00c9T\u00c9 \u00e9t\u00e9 ete",
    "x" * 100, "y" * 101, "\u00e9" * 100, "\u00e9" * 101, "ab" * 60, "supercalifragilisticexpialidocious", "antidisestablishmentarianism unaffable", "aaaaaaaaaaaaaaaaaaaaaaaa", "the the the the",
    b"\xff", b"a\xc3", b"\xc3(", b"\xe2\x82", b"\xe2\x82 \xe2\x28\xa1", b"\xf0\x90\x80", b"\xf0\x9f\x98 x", b"\xf4\x90\x80\x80", b"\xed\xa0\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\x80\xbf\xfe", b"ok \xf0\x90\x90\x80\xf0\x90\x90",
    ("A man plays.", "Nobody plays."), ("", "b"), ("a", " "), ("", " "), ("Well <s> now", "then </s>"), ("[SEP]", "[CLS]"), (b"\xff", b"\xfe\xfe"), ("caf\u00e9", "\u4e2d\u6587"),
    ("a b c d e f g h i j", None, 2), ("a b c d e f g h i j", None, 3), ("a b c d e f g h i j", None, 7), ("unaffable unaffable", None, 4),
] + [(a, b, n) for n in (4, 5, 6, 7, 8, 9) for a, b in (("a b c d e f", "g h i j k l"), ("a b c d e f g h i", "x y"), ("x", "a b c d e f g h"), ("a b c d", "e f g"), ("a b c", "d e f g"))]

def as_bytes(s): return s if s is None or isinstance(s, bytes) else s.encode()
def string(s):
    text, pair, length = (s, None, 64) if not isinstance(s, tuple) else (*s, 64) if len(s) == 2 else s
    return as_bytes(text), as_bytes(pair), length
STRINGS = [string(s) for s in STRINGS]
def decode(b): return None if b is None else b.decode("utf-8", errors="replace")

def fnv(data, value=0xcbf29ce484222325):
    for byte in data: value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return value

# ---- small tokenizers ----

def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="\n") as f: f.write(text)

def corpus():
    for path in TEXTS: yield from open(path, encoding="utf-8").read().lower().split("\n")
    for _ in range(4): yield from (decode(t) for t, _, _ in STRINGS)

def small_bert():
    if os.path.exists(f"{HERE}/bert/vocab.txt"): # made once: the trainer breaks ties at random
        return open(f"{HERE}/bert/vocab.txt", encoding="utf-8").read().split("\n")[:-1]
    t = Tokenizer(models.WordPiece(unk_token="[UNK]")); t.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(corpus(), trainers.WordPieceTrainer(vocab_size=900, special_tokens=special, show_progress=False, min_frequency=3))
    vocab = [token for token, _ in sorted(t.get_vocab().items(), key=lambda x: x[1])]
    write(f"{HERE}/bert/vocab.txt", "\n".join(vocab) + "\n")
    return vocab

def json_file(name, tokenizer):
    write(f"{HERE}/{name}/tokenizer.json", json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")) + "\n")
    return tokenizer

def small_bert_json(vocab):
    t = Tokenizer(models.WordPiece({v: i for i, v in enumerate(vocab)}, unk_token="[UNK]", max_input_chars_per_word=12))
    t.normalizer = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=None, lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    t.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in vocab[:5]])
    t.add_tokens([AddedToken("yes", single_word=True, normalized=False), AddedToken("Dr. Who", normalized=True), AddedToken("{gap}", lstrip=True, rstrip=True, normalized=False), AddedToken("\u00c9T\u00c9", normalized=True)])
    return json_file("bert-json", t)

def small_words_json(vocab):
    t = Tokenizer(models.WordPiece({v: i for i, v in enumerate(vocab)}, unk_token="[UNK]"))
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()])
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return json_file("words-json", t)

def small_roberta():
    t = Tokenizer(models.BPE()); t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    t.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=800, special_tokens=special, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    model = json.loads(t.to_str())["model"]
    write(f"{HERE}/roberta/vocab.json", json.dumps(model["vocab"], ensure_ascii=False, separators=(",", ":")) + "\n")
    write(f"{HERE}/roberta/merges.txt", "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in model["merges"]))
    return model

def small_roberta_json(model):
    dropped = [c for c in "zZ9\u00e9" if not any(c in m[0] + m[1] for m in model["merges"])] # bytes without a token
    tokens = [t for t in model["vocab"] if t not in dropped]
    t = Tokenizer(models.BPE({v: i for i, v in enumerate(tokens)}, [tuple(m) for m in model["merges"]], unk_token="<unk>", fuse_unk=True))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])])
    t.add_special_tokens([AddedToken(s, lstrip=s == "<mask>", normalized=True, special=True) for s in tokens[:5]])
    return json_file("roberta-json", t)

def double_array(table, more=()):
    """SentencePiece's character map of {text: text}: a trie over bytes as a double array (darts-clone's units), and the replacements. more: keys that become X, too."""
    texts, where = b"", {}
    for value in table.values():
        if value not in where: where[value] = len(texts); texts += value.encode() + b"\0"
    trie = {}
    for key, value in table.items():
        node = trie
        for byte in key.encode(): node = node.setdefault(byte, {})
        node[None] = where[value]
    for key in more: trie.setdefault(key[0], {})[None] = where["X"]
    units, used = {0: 0}, set()
    def place(node, at): # its children lie at base ^ byte, a value at base
        labels = [0 if k is None else k for k in node]
        base = next(b for b in range(1, 1 << 20) if b not in used and all((b ^ k) not in units for k in labels) and (b ^ at) < 1 << 21)
        used.add(base); units[at] |= (base ^ at) << 10
        for k in labels: units[base ^ k] = k
        for k, child in node.items():
            if k is None: units[at] |= 1 << 8; units[base] = child | 1 << 31
            else: place(child, base ^ k)
    place(trie, 0)
    blob = b"".join(units.get(i, 0).to_bytes(4, "little") for i in range((max(units) | 255) + 1))
    return len(blob).to_bytes(4, "little") + blob + texts

def small_map():
    """Like SentencePiece's nmt_nfkc, for the characters that STRINGS and the grid's rows have."""
    known = {c for t, p, _ in STRINGS for c in decode(t) + decode(p or b"")} | set("\u00e0\u00e9\uff9e\u30ab\u1161\u0958\u0958\u0e33\ufb01\u00a0\u00ad")
    table = {c: unicodedata.normalize("NFKC", c) for c in sorted(known) if unicodedata.normalize("NFKC", c) != c}
    table.update({unicodedata.normalize("NFD", c): c for c in sorted(known | set("\u00e0\u00e8\u00fc\u00c9")) if len(unicodedata.normalize("NFD", c)) > 1 and unicodedata.normalize("NFC", c) == c})
    table.update({c: "" for c in "\x01\x07\x7f\u200b\ufeff"}); table.update({c: " " for c in "\t\n\r\u00a0\u3000\u2028"})
    return table

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"]
def small_unigram():
    t = Tokenizer(models.Unigram()); t.normalizer = normalizers.Precompiled(double_array(small_map()))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    t.train_from_iterator(corpus(), trainers.UnigramTrainer(vocab_size=700, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False, max_piece_length=12))
    scores = json.loads(open(f"{HERE}/xlmr/tokenizer.json", encoding="utf-8").read() if os.path.exists(f"{HERE}/xlmr/tokenizer.json") else t.to_str())["model"]["vocab"] # made once
    vocab = [(v, float("%.7g" % x)) for v, x in scores if "\0" not in v] # jansson takes no U+0000; seven digits: what is left of ties does not hang on a compiler
    t.model = models.Unigram(vocab, 3, False)
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    t.add_special_tokens([AddedToken(s, lstrip=s == "<mask>", normalized=False, special=True) for s in SPECIAL[:4] + ["<mask>"]])
    json_file("xlmr", t)
    config = dict(tokenizer_class="XLMRobertaTokenizer", bos_token="<s>", eos_token="</s>", sep_token="</s>", cls_token="<s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>")
    write(f"{HERE}/xlmr/tokenizer_config.json", json.dumps(config, indent=2) + "\n")
    return vocab, AutoTokenizer.from_pretrained(f"{HERE}/xlmr")

def small_unigram_json(vocab):
    """All that tokenizer.json can say of a Unigram tokenizer, with tokens for bytes; two bytes have none."""
    bytes_ = [(f"<0x{i:02X}>", -20.0) for i in range(256) if i not in (0xF0, 0xCC)]
    t = Tokenizer(models.Unigram(vocab + [("the", -3.5), ("ab", -30.0), ("ab", -4.0)] + bytes_, 3, True))
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " "), normalizers.Replace("''", '"'), normalizers.Strip(False, True), normalizers.Prepend("\u2581")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=True)
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 2)])
    t.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in SPECIAL[:4]])
    t.add_tokens([AddedToken("yes", single_word=True, normalized=True), AddedToken("{gap}", lstrip=True, rstrip=True, normalized=False)])
    return json_file("unigram-json", t)

# ---- lines ----

def encode(tokenizer, text, pair, length):
    t = getattr(tokenizer, "_tokenizer", tokenizer); t.no_padding(); t.enable_truncation(length)
    e = t.encode(text) if pair is None else t.encode(text, pair)
    return e.ids, e.type_ids

def least(tokenizer): return getattr(tokenizer, "_tokenizer", tokenizer).num_special_tokens_to_add(True)

def ids_lines(name, tokenizer):
    for n, (text, pair, length) in enumerate(STRINGS):
        if pair is not None and length < least(tokenizer): continue
        ids, types = encode(tokenizer, decode(text), decode(pair), length)
        yield f"ids {name} {n} {' '.join(map(str, ids))} | {''.join(map(str, types))}"

def rows_line(name, tokenizer, file, length):
    with open(f"{DATA}/{file}", encoding="utf-8") as f: rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    value, total = fnv(b""), 0
    for r in rows:
        ids, types = encode(tokenizer, *((r["sentence"], None) if "sentence" in r else (r["sentence1"], r["sentence2"])), length)
        value = fnv(b"".join(i.to_bytes(4, "little") for i in ids) + bytes(types), value); total += len(ids)
    return f"rows {name} {file} {length} {len(rows)} {total} {value:016x}"

def unicode_lines():
    codes = [c for c in (*range(0xD800), *range(0xE000, 0x32000), *range(0xE0000, 0xE0200), *range(0xF0000, 0xF0010))]
    bert = normalizers.BertNormalizer
    for name, normalizer in (("lower", bert()), ("cased", bert(lowercase=False)), ("marks", normalizers.Sequence([normalizers.Lowercase(), normalizers.StripAccents()])),
            ("nfc", normalizers.NFC()), ("nfkc", normalizers.NFKC()), ("nfkd", normalizers.NFKD()), ("nmt", normalizers.Nmt()), ("spaces", normalizers.Replace(Regex("\\s{2,}|[\n\r\t]"), " "))):
        value = fnv(b"")
        for c in map(chr, codes): value = fnv(normalizer.normalize_str(f"a{c}\u0301{c}\u0327b \u0345{c}").encode() + b"\xff", value)
        yield f"unicode {name} {value:016x}"
    value = fnv(b"") # a map that makes one X of each cluster below six bytes, one of each character of a longer one: where clusters end
    clusters = normalizers.Precompiled(double_array({bytes([b]).decode("latin-1"): "X" for b in range(1, 128)}, [bytes([b]) for b in range(0xC2, 0xF5)]))
    for c in map(chr, codes): value = fnv(clusters.normalize_str(f"a{c}\u0301{c}a\xa9\u200d{c}\u0915\u094d{c}\u0301\u1100{c}\u0301{c}\u11a8\u0301\u0915{c}\u0915\u0301\r{c}\n").encode() + b"\xff", value)
    yield f"unicode clusters {value:016x}"
    for name, splitter in (("bert", pre_tokenizers.BertPreTokenizer()), ("class", pre_tokenizers.Whitespace()), ("gpt2", pre_tokenizers.ByteLevel(add_prefix_space=False))):
        value = fnv(b"")
        for c in map(chr, codes):
            text = f"a{c}1 {c}2{c}{c}!{c}"
            value = fnv(b"".join(text[i:j].encode() + b"\xff" for _, (i, j) in splitter.pre_tokenize_str(text)), value)
        yield f"unicode {name} {value:016x}"

def main():
    vocab, model = small_bert(), small_roberta()
    small = {"bert": BertTokenizerFast(vocab=f"{HERE}/bert/vocab.txt"), "bert-cased": BertTokenizerFast(vocab=f"{HERE}/bert/vocab.txt", do_lower_case=False),
             "bert-json": small_bert_json(vocab), "words-json": small_words_json(vocab),
             "roberta": RobertaTokenizerFast(vocab=f"{HERE}/roberta/vocab.json", merges=f"{HERE}/roberta/merges.txt"), "roberta-json": small_roberta_json(model)}
    scored, small["xlmr"] = small_unigram(); small["unigram-json"] = small_unigram_json(scored)
    folder = f"{DATA}/tokenizers"
    large = {"bert-base-uncased": BertTokenizerFast(vocab=f"{folder}/bert-base-uncased/vocab.txt"),
             "roberta-base": RobertaTokenizerFast(vocab=f"{folder}/roberta-base/vocab.json", merges=f"{folder}/roberta-base/merges.txt"),
             "roberta-base-json": Tokenizer.from_file(f"{folder}/roberta-base/tokenizer.json")}
    lines = ["# made by tests/golden/tokenizers.py; do not edit"]
    for n, (text, pair, length) in enumerate(STRINGS):
        lines.append(f"string {n} {length} {text.hex() or '.'} {'-' if pair is None else pair.hex() or '.'}")
    for name, tokenizer in {**small, **large}.items(): lines += ids_lines(name, tokenizer)
    for name in ("bert-base-uncased", "roberta-base"):
        for length in (128, 32):
            for file in ("SST-2/train.tsv", "SST-2/dev.tsv", "MNLI/train_sample.tsv", "MNLI/dev_matched.tsv", "TREC/train.tsv", "TREC/test.tsv", "Subj/train.tsv", "Subj/test.tsv"):
                lines.append(rows_line(name, large[name], file, length))
    lines += unicode_lines()
    write(f"{HERE}.txt", "\n".join(lines) + "\n")
main()
