"""Makes tests/golden/tokenizers_grid.json and compares lethe with AutoTokenizer: settings of a folder's files in combinations, the same rows through each.
usage: python3 tests/golden/tokenizers_grid.py make        writes the file, whose checksums are AutoTokenizer's; of cases that it has it keeps them
       python3 tests/golden/tokenizers_grid.py make again  makes all checksums again
       python3 tests/golden/tokenizers_grid.py check LETHE the rows of every folder through `LETHE tokenize`, id by id
A folder is a base (tests/golden/tokenizers/NAME) and patches: {"FILE": null (none) | text | merge patch of JSON (RFC 7386)}.
tokenizers_grid.json: "rows": the seed and number of rows; "cases": [{"base", "patch", "length", "sum"}]; sum null: AutoTokenizer does not load it; "same": how many lethe takes, and
gives the same ids, written by check;
FNV-1a over each row's ids as 4 bytes and types as 1. tests/tokenizer_golden_test.c makes the same rows and folders and compares the sums."""
import copy, itertools, json, os, shutil, subprocess, sys, tempfile
os.environ["HF_HUB_OFFLINE"] = "1"; os.environ["TOKENIZERS_PARALLELISM"] = "false"; os.environ["TRANSFORMERS_VERBOSITY"] = "error"
sys.path.pop(0)
import logging; logging.disable(logging.CRITICAL)
from transformers import AutoTokenizer

HERE = os.path.dirname(os.path.abspath(__file__)); BASE = os.path.join(HERE, "tokenizers"); FILE = os.path.join(HERE, "tokenizers_grid.json")
ROWS = 500

# ---- rows: pieces in an order drawn by splitmix64, as the C test draws it ----
PIECES = ["a", "the film", " ", "  ", "\t", "\n", "Good", "GOOD", "caf\u00e9", "cafe\u0301", "\u00c9T\u00c9", "\u4e2d\u6587", "\u6620", "\u0130", "\u00df", "\ufb01", "\u200d", "\u00a0", "\u2028", "\ufffd", "\U0001f44d",
    "\u0e01\u0e33", "\u0645\u064e", "e\u0323\u0302", "\uac01", "\u1112\u1161", "[MASK]", "[SEP]", "[CLS]", "[PAD]", "[UNK]", "<mask>", "<s>", "</s>", "<pad>", "<unk>", "[mask]", "<E1>", "<e1>", "yes", "yesterday", "New York", "new york",
    "\u00c9t\u00e9X", "{gap}", "don't", "we'll", ".", ",", "!?", "-", "_", "##ing", "123", "4.5", "\u0661\u0662", "x" * 30, "antidisestablishment", "\x01", "\x07", "\u00ad", "is", "not", "good", "bad", "it"]
def splitmix(state):
    while True:
        state = (state + 0x9E3779B97F4A7C15) & (2**64 - 1); z = state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & (2**64 - 1); z = (z ^ z >> 27) * 0x94D049BB133111EB & (2**64 - 1); yield z ^ z >> 31
def rows():
    draw = splitmix(17)
    def text(): return "".join(PIECES[next(draw) % len(PIECES)] + (" " if next(draw) % 3 == 0 else "") for _ in range(1 + next(draw) % 14))
    out = []
    for i in range(ROWS):
        a = text(); b = text() if next(draw) % 2 else None
        out.append((a, b))
    return out
def fnv(data, value=0xcbf29ce484222325):
    for byte in data: value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return value

# ---- folders ----
def merge(target, patch):
    if not isinstance(patch, dict): return copy.deepcopy(patch)
    out = dict(target) if isinstance(target, dict) else {}
    for k, v in patch.items():
        if v is None: out.pop(k, None)
        else: out[k] = merge(out.get(k), v)
    return {k: None if v == "NULL" else v for k, v in out.items()} # merge patches cannot say null: "NULL" stands for it
def folder(case, to):
    os.makedirs(to, exist_ok=True)
    source = os.path.join(BASE, case["base"])
    for f in sorted(set(os.listdir(source)) | set(case["patch"])):
        path = os.path.join(source, f); patch = case["patch"].get(f, {})
        if patch is None: continue
        if isinstance(patch, str): data = patch
        else:
            data = open(path, encoding="utf-8").read() if os.path.exists(path) else "{}"
            if patch: data = json.dumps(merge(json.loads(data), patch), ensure_ascii=False)
        with open(os.path.join(to, f), "w", encoding="utf-8", newline="") as out: out.write(data)

def hf_rows(d, texts, length):
    t = AutoTokenizer.from_pretrained(d); out = []
    for a, b in texts:
        e = t(a, truncation=True, max_length=length) if b is None else t(a, b, truncation=True, max_length=length)
        ids = e["input_ids"]; out.append((ids, e.get("token_type_ids", [0] * len(ids))))
    return out
def checksum(result):
    value = fnv(b"")
    for ids, types in result: value = fnv(b"".join(i.to_bytes(4, "little") for i in ids) + bytes(types), value)
    return f"{value:016x}"

BERT, ROBERTA = {"model_type": "bert"}, {"model_type": "roberta"}
def tok(content, **k): return {"content": content, "lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True, **k}
def combos():
    def case(base, length=32, **files): return {"base": base, "length": length, "patch": {k.replace("__", "."): v for k, v in files.items()}}
    bert_config = [{}, {"do_lower_case": False}, {"strip_accents": False}, {"do_lower_case": False, "strip_accents": True}, {"tokenize_chinese_chars": False}, {"do_lower_case": False, "tokenize_chinese_chars": False}]
    # vocab.txt and tokenizer.json; class from either file; every normalizer setting; cut at either side
    for base, cfg, cls, side in itertools.product(["bert", "bert-json"], bert_config, [None, "BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast"], [None, "left"]):
        t = {**cfg, **({"tokenizer_class": cls} if cls else {}), **({"truncation_side": side} if side else {})}
        yield case(base, 12 if side else 32, config__json=BERT, tokenizer_config__json=t)
    for base, space, cls, side in itertools.product(["roberta", "roberta-json"], [None, False, True], [None, "RobertaTokenizer", "RobertaTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"], [None, "left"]):
        t = {**({"add_prefix_space": space} if space is not None else {}), **({"tokenizer_class": cls} if cls else {}), **({"truncation_side": side} if side else {})}
        yield case(base, 12 if side else 32, config__json=ROBERTA, tokenizer_config__json=t)
    # added tokens: attributes, in each of the places where they may stand
    attributes = [{}, {"lstrip": True}, {"rstrip": True}, {"lstrip": True, "rstrip": True}, {"single_word": True}, {"normalized": True}, {"normalized": True, "special": False}, {"normalized": True, "single_word": True, "rstrip": True}, {"special": False}]
    for base, config in (("bert", BERT), ("roberta", ROBERTA)):
        n = BERT_COUNT if base == "bert" else ROBERTA_COUNT
        mask = ("[MASK]", 4) if base == "bert" else ("<mask>", 4)
        for a, content in itertools.product(attributes, ["<E1>", "yes", "New York", "\u00c9t\u00e9X"]):
            known = KNOWN[base].get(content)
            yield case(base, config__json=config, tokenizer_config__json={"added_tokens_decoder": {str(n if known is None else known): tok(content, **a)}})
        for a in attributes:
            yield case(base, config__json=config, special_tokens_map__json={"mask_token": {k: v for k, v in tok(mask[0], **a).items() if k != "special"}})
            yield case(base, config__json=config, tokenizer_config__json={"mask_token": {"__type": "AddedToken", **tok(mask[0], **a)}})
            yield case(base, config__json=config, tokenizer_config__json={"added_tokens_decoder": {"4": tok(mask[0], **a)}})
            yield case(base, config__json=config, added_tokens__json={"<E1>": n}, special_tokens_map__json={"pad_token": {k: v for k, v in tok("<E1>", **a).items() if k != "special"}})
        for extra in (["<E1>"], ["<E1>", "New York"], ["yes"], [{"__type": "AddedToken", **tok("yes", single_word=True)}], [tok("<E1>")], []):
            yield case(base, config__json=config, tokenizer_config__json={"additional_special_tokens": extra})
            yield case(base, config__json=config, tokenizer_config__json={"extra_special_tokens": extra})
            yield case(base, config__json=config, special_tokens_map__json={"additional_special_tokens": extra})
        yield case(base, config__json=config, added_tokens__json={"<E1>": n, "new york": n + 1})
        yield case(base, config__json=config, added_tokens__json={"<E1>": n + 5})
        yield case(base, config__json=config, added_tokens__json={"<E1>": n}, tokenizer_config__json={"added_tokens_decoder": {"4": tok(mask[0])}})
        for name, value in (("cls_token", "good"), ("sep_token", "."), ("unk_token", "a"), ("pad_token", "<E1>"), ("mask_token", "yes"), ("cls_token", "<E1>"), ("pad_token", "NULL"), ("mask_token", "NULL"), ("cls_token", "NULL"), ("unk_token", "NULL"), ("bos_token", "good"), ("eos_token", "NULL")):
            yield case(base, config__json=config, tokenizer_config__json={name: value})
            yield case(base, config__json=config, special_tokens_map__json={name: value})
            yield case(base + "-json", config__json=config, tokenizer_config__json={name: value, "tokenizer_class": "PreTrainedTokenizerFast"})
        for names in (["input_ids", "attention_mask"], ["input_ids", "token_type_ids", "attention_mask"]):
            yield case(base, config__json=config, tokenizer_config__json={"model_input_names": names})
            yield case(base + "-json", config__json=config, tokenizer_config__json={"model_input_names": names, "tokenizer_class": "PreTrainedTokenizerFast"})
    # tokenizer.json's parts, for the class that rebuilds them and the one that does not
    parts = [{"post_processor": "NULL"}, {"normalizer": "NULL"}, {"pre_tokenizer": "NULL"}, {"added_tokens": []}, {"truncation": {"direction": "Left", "max_length": 8, "strategy": "LongestFirst", "stride": 0}},
        {"padding": {"strategy": {"Fixed": 20}, "direction": "Right", "pad_to_multiple_of": "NULL", "pad_id": 0, "pad_type_id": 0, "pad_token": "<E1>"}}, {"added_tokens": [{"id": 5, **tok("yes")}]}, {"added_tokens": [{"id": 9999, **tok("<E1>")}]}]
    bert_parts = [{"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]}}, {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Sequence", "normalizers": [{"type": "Lowercase"}]}]}}, {"normalizer": {"type": "Sequence", "normalizers": []}},
        {"normalizer": {"type": "BertNormalizer", "clean_text": False, "handle_chinese_chars": True, "strip_accents": "NULL", "lowercase": False}}, {"normalizer": {"type": "NFKC"}}, {"pre_tokenizer": {"type": "Whitespace"}}, {"pre_tokenizer": {"type": "WhitespaceSplit"}},
        {"model": {"max_input_chars_per_word": 5}}, {"model": {"unk_token": "a"}}, {"model": {"continuing_subword_prefix": "@@"}}, {"model": {"vocab": {"good": "NULL"}}}, {"model": {"vocab": {"good": 2000}}}]
    roberta_parts = [{"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}}, {"normalizer": {"type": "NFC"}}, {"model": {"fuse_unk": False}}, {"model": {"unk_token": "NULL"}}, {"model": {"ignore_merges": True}},
        {"post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": False}}]
    for base, config, own, cls in (("bert-json", BERT, bert_parts, "BertTokenizer"), ("words-json", BERT, bert_parts, "BertTokenizer"), ("roberta-json", ROBERTA, roberta_parts, "RobertaTokenizer")):
        for part, c in itertools.product(parts + own, [cls, "PreTrainedTokenizerFast"]):
            yield case(base, config__json=config, tokenizer_config__json={"tokenizer_class": c}, tokenizer__json=part)
    # files that do not belong together, other classes, keys that do nothing or are refused
    for cls in ("BertTokenizer", "RobertaTokenizer", "BertJapaneseTokenizer", "DistilBertTokenizer", "XLMRobertaTokenizer", "PreTrainedTokenizer", "CustomTokenizer"):
        for base, config in (("bert", ROBERTA), ("bert-json", ROBERTA), ("roberta", BERT), ("roberta-json", BERT)):
            yield case(base, config__json=config, tokenizer_config__json={"tokenizer_class": cls})
        yield case("bert", config__json={**BERT, "tokenizer_class": cls}); yield case("bert", config__json={**BERT, "tokenizer_class": cls}, tokenizer_config__json={"tokenizer_class": "BertTokenizer"})
    for t in ({"do_basic_tokenize": False}, {"never_split": ["yes"]}, {"clean_up_tokenization_spaces": True}, {"padding_side": "left"}, {"model_max_length": 5}, {"max_len": 9}, {"split_special_tokens": True}, {"strip_accents": True, "do_lower_case": "NULL"}, {"errors": "strict"}, {"trim_offsets": False},
              {"stride": 2}, {"max_length": 4}, {"truncation_strategy": "only_first"}, {"image_token": "yes"}, {"my_note": "hello"}, {"use_fast": False}, {"add_bos_token": True}, {"clean_text": False}, {"wordpieces_prefix": "@@"}, {"init_inputs": []}):
        for base, config in (("bert", BERT), ("roberta", ROBERTA), ("bert-json", BERT)): yield case(base, config__json=config, tokenizer_config__json=t)
    for text in ("\n".join(VOCAB + ["good", "yes"]) + "\n", "\n".join(VOCAB) + "\n\n\n", "\r\n".join(VOCAB) + "\r\n", "\n".join(v + "  " for v in VOCAB), "\n".join(VOCAB[1:]) + "\n", "\n".join(VOCAB[:4] + VOCAB[5:]) + "\n", "\ufeff" + "\n".join(VOCAB)):
        yield case("bert", config__json=BERT, vocab__txt=text)

    # Unigram: classes, their settings, the parts of tokenizer.json
    unigram = {"model_type": "xlm-roberta"}
    classes = ("XLMRobertaTokenizer", "XLMRobertaTokenizerFast", "CamembertTokenizer", "AlbertTokenizer", "DebertaV2Tokenizer", "PreTrainedTokenizerFast")
    own = [{}, {"add_prefix_space": False}, {"do_lower_case": False}, {"do_lower_case": True}, {"keep_accents": True, "do_lower_case": False}, {"truncation_side": "left"}, {"model_input_names": ["input_ids", "token_type_ids"]}, {"mask_token": "<mask>"},
        {"mask_token": {"__type": "AddedToken", **tok("<mask>", lstrip=True)}}, {"extra_special_tokens": ["yes"]}, {"additional_special_tokens": []}, {"unk_token": "a"}, {"split_by_punct": True}, {"sp_model_kwargs": {}}]
    for cls, t in itertools.product(classes, own):
        yield case("xlmr", 12 if "truncation_side" in t else 32, config__json=unigram, tokenizer_config__json={"tokenizer_class": cls, "mask_token": None, **t})
    for cls, base in itertools.product(classes, ("xlmr", "unigram-json")): yield case(base, config__json=unigram, tokenizer_config__json={"tokenizer_class": cls, **({k: None for k in ("bos_token", "eos_token", "sep_token", "cls_token", "unk_token", "pad_token", "mask_token")} if cls[0] in "AD" else {})})
    mark = {"type": "Metaspace", "replacement": "\u2581"}
    steps = lambda *x: {"normalizer": {"type": "Sequence", "normalizers": list(x)}}
    def replace(content, **pattern): return {"type": "Replace", "pattern": pattern, "content": content}
    parts = [{"normalizer": n} for n in ("NULL", {"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Nmt"}, {"type": "Lowercase"}, {"type": "StripAccents"}, {"type": "Strip", "strip_left": True, "strip_right": False}, {"type": "Strip", "strip_left": False, "strip_right": True}, {"type": "Prepend", "prepend": "_"}, {"type": "ByteLevel"}, {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": "NULL", "lowercase": True})]
    parts += [steps({"type": "Nmt"}, {"type": "NFKC"}, replace(" ", Regex=" {2,}")), steps(replace("a", String="e"), replace("", String="t")), steps(replace("x", String="")), steps(replace(" ", Regex="\\s{2,}|[\\n\\r\\t]")), steps(replace(" ", Regex="[a-z]"))]
    parts += [{"pre_tokenizer": p} for p in ("NULL", mark, {**mark, "prepend_scheme": "always", "split": True}, {**mark, "prepend_scheme": "always", "split": False}, {**mark, "prepend_scheme": "never", "split": True}, {**mark, "prepend_scheme": "first", "split": True}, {**mark, "add_prefix_space": True}, {**mark, "add_prefix_space": False}, {**mark, "add_prefix_space": True, "prepend_scheme": "never"}, {**mark, "add_prefix_space": False, "prepend_scheme": "first"}, {**mark, "add_prefix_space": False, "prepend_scheme": "never"}, {**mark, "replacement": "_", "str_rep": "_"}, {**mark, "prepend_scheme": "sometimes"}, {**mark, "replacement": "ab"})]
    parts += [{"pre_tokenizer": {"type": "Sequence", "pretokenizers": p}} for p in ([], [mark], [{"type": "WhitespaceSplit"}], [{"type": "WhitespaceSplit"}, {**mark, "prepend_scheme": "first"}], [{"type": "Whitespace"}, mark], [{"type": "BertPreTokenizer"}, mark], [mark, {"type": "WhitespaceSplit"}], [{"type": "Punctuation", "behavior": "Isolated"}, mark], [mark, mark])]
    parts += [{"model": m} for m in ({"unk_id": "NULL"}, {"unk_id": 8}, {"unk_id": 99999}, {"byte_fallback": True}, {"byte_fallback": "NULL"}, {"type": "NULL"}, {"vocab": []}, {"type": "BPE"}, {"type": "WordLevel"})]
    parts += [{"post_processor": "NULL"}, {"post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": False}}, {"post_processor": {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}}, {"added_tokens": []}]
    for part, base in itertools.product(parts, ("xlmr", "unigram-json")): yield case(base, config__json=unigram, tokenizer_config__json={"tokenizer_class": "PreTrainedTokenizerFast", "mask_token": None}, tokenizer__json=part)
    for part in ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}]}}, {"post_processor": "NULL"}): yield case("xlmr", config__json=unigram, tokenizer__json=part)
    for cls in (None, "MPNetTokenizer", "MPNetTokenizerFast", "ElectraTokenizer"):
        for t in ({}, {"do_lower_case": False}, {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]"}, {"cls_token": "[CLS]", "sep_token": "[SEP]", "strip_accents": False, "truncation_side": "left"}):
            for base in ("bert", "bert-json"): yield case(base, 12 if len(t) == 4 else 32, config__json={"model_type": "mpnet" if cls is None else "bert"}, tokenizer_config__json={**t, **({"tokenizer_class": cls} if cls else {})})

VOCAB = open(f"{BASE}/bert/vocab.txt", encoding="utf-8").read().split("\n")[:-1]
ROBERTA_VOCAB = json.load(open(f"{BASE}/roberta/vocab.json", encoding="utf-8"))
BERT_COUNT, ROBERTA_COUNT = len(VOCAB), len(ROBERTA_VOCAB)
KNOWN = {"bert": {v: i for i, v in enumerate(VOCAB)}, "roberta": ROBERTA_VOCAB}

def make(again):
    texts, cases, loaded, known = rows(), [], 0, {}
    def name(c): return json.dumps({k: c[k] for k in ("base", "length", "patch")}, sort_keys=True)
    if not again: known = {name(c): c["sum"] for c in json.load(open(FILE, encoding="utf-8"))["cases"]}
    for c in combos():
        if name(c) in known: c["sum"] = known[name(c)]; cases.append(c); loaded += c["sum"] is not None; continue
        with tempfile.TemporaryDirectory() as d:
            folder(c, d)
            try: c["sum"] = checksum(hf_rows(d, texts, c["length"])); loaded += 1
            except Exception: c["sum"] = None
        cases.append(c)
    with open(FILE, "w", encoding="utf-8", newline="\n") as f:
        f.write('{"rows": [\n' + ",\n".join(json.dumps([a, b]) for a, b in texts) + '],\n"cases": [\n' + ",\n".join(json.dumps(c, sort_keys=True) for c in cases) + "]}\n")
    print(f"{len(cases)} folders, {loaded} that AutoTokenizer loads")

def check(lethe):
    g = json.load(open(FILE, encoding="utf-8")); same = refused = 0; bad = []
    with tempfile.TemporaryDirectory() as d:
        rows_file = f"{d}/rows.jsonl"
        with open(rows_file, "w", encoding="utf-8") as f:
            for a, b in g["rows"]: f.write(json.dumps({"text": a} if b is None else {"text": a, "pair": b}) + "\n")
        for n, c in enumerate(g["cases"]):
            folder(c, f"{d}/{n}")
            p = subprocess.run([lethe, "tokenize", "--model", f"{d}/{n}", "--jsonl", "--max-length", str(c["length"]), rows_file], capture_output=True)
            if p.returncode: refused += 1; c["said"] = p.stderr.decode().strip().replace(f"{d}/{n}/", ""); print(f"refused {n} hf={'loads' if c['sum'] else 'fails'} {c['said'][:150]}") if os.environ.get("VERBOSE") else 0; continue
            try: want = [ids for ids, _ in hf_rows(f"{d}/{n}", g["rows"], c["length"])]
            except Exception as e: bad.append((n, c, f"transformers does not load it: {str(e)[:80]}")); continue
            got = [[int(x) for x in line.split()] for line in p.stdout.decode().split("\n")[:-1]]
            wrong = [i for i in range(len(want)) if i >= len(got) or got[i] != want[i]]
            if wrong: bad.append((n, c, f"row {wrong[0]} {g['rows'][wrong[0]]!r}: {got[wrong[0]] if wrong[0] < len(got) else None} against {want[wrong[0]]} ({len(wrong)} rows)"))
            else: same += 1
            shutil.rmtree(f"{d}/{n}")
    for n, c, why in bad: print("DIFFERS", n, c["base"], {k: v if len(str(v)) < 300 else "..." for k, v in c["patch"].items()}, why[:400])
    print(f"{len(g['cases'])} folders: {same} the same ids, {refused} refused by name, {len(bad)} differ")
    if not bad:
        text = open(FILE, encoding="utf-8").read(); head, rest = text.split("\n", 1)
        open(FILE, "w", encoding="utf-8", newline="\n").write(f'{{"same": {same}, "rows": [\n{rest}')
    sys.exit(bool(bad))
if sys.argv[1] == "make": make("again" in sys.argv)
else: check(os.path.abspath(sys.argv[2]))
