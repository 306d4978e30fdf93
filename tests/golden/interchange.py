"""Holds lethe's exports and imports against the real Hugging Face transformers and PEFT, fp32 on the CPU.

usage: interchange.py make [KIND...] writes (all, or again those named) interchange/ beside this file: a tiny BERT, RoBERTa and DistilBERT classifier with their
                                     tokenizers as save_pretrained writes them, the BERT again with the names of old files
                                     and in several files, an adapter for each as PEFT saves it, and answers.json, the logits of a few rows
       interchange.py check LETHE    trains with build/lethe on these and on the built-in encoder, exports every method and task,
                                     loads each export with transformers or PEFT, and compares all logits: to 1e-5
"""
import json, os, shutil, subprocess, sys, tempfile
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import torch
import transformers
from peft import AutoPeftModelForSequenceClassification, LoraConfig, PeftModel, TaskType, get_peft_model
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (AlbertConfig, AlbertTokenizer, AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, BertConfig,
                          BertTokenizer, DebertaV2Config, DebertaV2Tokenizer, DistilBertConfig, DistilBertTokenizer, ElectraConfig,
                          ModernBertConfig, MPNetConfig, MPNetTokenizer, PreTrainedTokenizerFast, RobertaConfig, RobertaTokenizer,
                          XLMRobertaConfig, set_seed)

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = f"{HERE}/interchange"
ROWS = [("the film was not good",), ("a good film", "the film was bad"), ("",), ("na\u00efve caf\u00e9 \u2014 \U0001f642 \u4e2d\u6587",),
        ("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen", "eighteen"),
        ("tabs are pairs", ""), ("in the end , the and of to a in that it is was for on with he as his they be at one have this",)]
SINGLES, PAIRS = ([row for row in ROWS if len(row) == count] for count in (1, 2))
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.use_deterministic_algorithms(True)


def logits(model, tokenizer, rows):
    model.eval()
    with torch.no_grad():
        # in lists: a pair with an empty second text is then a pair
        return [model(**tokenizer(*[[text] for text in row], truncation=True, return_tensors="pt")).logits[0].tolist() for row in rows]


def adapter(model, folder, **options):
    torch.manual_seed(3)
    peft = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, lora_dropout=0.1, **options))
    for name, p in peft.named_parameters():
        if "lora_B" in name or "modules_to_save" in name:
            p.data.normal_(0, 0.3)
    shutil.rmtree(folder, ignore_errors=True)
    peft.save_pretrained(folder)
    os.remove(f"{folder}/README.md")
    path = f"{folder}/adapter_config.json"
    config = json.load(open(path))
    config["base_model_name_or_path"] = None
    config["target_modules"].sort()
    json.dump(config, open(path, "w"), indent=1)
    return peft


def pieces(path):
    """A Unigram vocabulary; its unknown token is [UNK], with the score by which DebertaV2Tokenizer finds it."""
    vocab = [tuple(p) for p in json.load(open(path))["model"]["vocab"]]
    return [("[UNK]", 0.0) if p == "<unk>" else (p, s) for p, s in vocab if p != "[UNK]"]


def albert_tokenizer():
    """Pieces of the small XLM-RoBERTa tokenizer, with ALBERT's special tokens before them."""
    pieces = json.load(open(f"{HERE}/tokenizers/xlmr/tokenizer.json"))["model"]["vocab"]
    own = [["<pad>", 0.0], ["<unk>", 0.0], ["[CLS]", 0.0], ["[SEP]", 0.0], ["[MASK]", 0.0]]
    pieces = own + [p for p in pieces if not p[0].startswith("<")]
    return AlbertTokenizer(vocab=[tuple(p) for p in pieces], model_max_length=24), len(pieces)


def modernbert_tokenizer():
    """As ModernBERT's: NFC, byte-level BPE, one token before and after each text."""
    folder = f"{HERE}/tokenizers/roberta"
    tok = Tokenizer(models.BPE.from_file(f"{folder}/vocab.json", f"{folder}/merges.txt"))
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> $B </s>",
                                                       special_tokens=[(t, tok.token_to_id(t)) for t in ("<s>", "</s>")])
    return PreTrainedTokenizerFast(tokenizer_object=tok, model_max_length=24, model_input_names=["input_ids", "attention_mask"],
                                   cls_token="<s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>", mask_token="<mask>")


def make(wanted):
    if not wanted:
        shutil.rmtree(FOLDER, ignore_errors=True)
    sizes = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, initializer_range=0.5)
    kinds = {"bert": (BertConfig(vocab_size=900, max_position_embeddings=40, **sizes),
                      BertTokenizer(f"{HERE}/tokenizers/bert/vocab.txt", model_max_length=24)),
             "roberta": (RobertaConfig(vocab_size=800, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5, **sizes),
                         RobertaTokenizer(f"{HERE}/tokenizers/roberta/vocab.json", f"{HERE}/tokenizers/roberta/merges.txt",
                                          model_max_length=24)),
             "distilbert": (DistilBertConfig(vocab_size=900, max_position_embeddings=40, dim=16, n_layers=2, n_heads=2, hidden_dim=32,
                                             initializer_range=0.3),
                            DistilBertTokenizer(f"{HERE}/tokenizers/bert/vocab.txt", model_max_length=24)),
             "xlm-roberta": (XLMRobertaConfig(vocab_size=720, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5, **sizes),
                             AutoTokenizer.from_pretrained(f"{HERE}/tokenizers/xlmr", model_max_length=24)),
             "albert": (AlbertConfig(vocab_size=albert_tokenizer()[1], max_position_embeddings=40, embedding_size=8, num_hidden_groups=1,
                                     hidden_dropout_prob=0.1, **dict(sizes, num_hidden_layers=3, initializer_range=0.3)),
                        albert_tokenizer()[0]),
             "modernbert": (ModernBertConfig(vocab_size=800, max_position_embeddings=40, local_attention=8, classifier_pooling="mean",
                                             pad_token_id=1, bos_token_id=0, cls_token_id=0, eos_token_id=2, sep_token_id=2,
                                             **dict(sizes, num_hidden_layers=3, initializer_range=0.3)), modernbert_tokenizer()),
             "electra": (ElectraConfig(vocab_size=900, max_position_embeddings=40, embedding_size=8, **sizes),
                         BertTokenizer(f"{HERE}/tokenizers/bert/vocab.txt", model_max_length=24)),
             "mpnet": (MPNetConfig(vocab_size=910, max_position_embeddings=42, **{**sizes, "initializer_range": 0.3}),
                       MPNetTokenizer(f"{HERE}/tokenizers/bert/vocab.txt", model_max_length=24)),
             "deberta": (DebertaV2Config(vocab_size=720, max_position_embeddings=40, relative_attention=True, position_buckets=8,
                                         norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type="p2c|c2p", position_biased_input=False,
                                         **sizes),
                         DebertaV2Tokenizer(pieces(f"{HERE}/tokenizers/xlmr/tokenizer.json"), model_max_length=24))}
    answers = {"rows": ROWS} if not wanted else json.load(open(f"{FOLDER}/answers.json"))
    for kind, (config, tokenizer) in kinds.items():
        if wanted and kind not in wanted:
            continue
        set_seed(5)
        config.id2label = {0: "no", 1: "perhaps", 2: "yes"}
        config.label2id = {v: k for k, v in config.id2label.items()}
        model = AutoModelForSequenceClassification.from_config(config)
        model.save_pretrained(f"{FOLDER}/{kind}")
        tokenizer.save_pretrained(f"{FOLDER}/{kind}")
        tokenizer = AutoTokenizer.from_pretrained(f"{FOLDER}/{kind}")
        answers[kind] = logits(model, tokenizer, ROWS)
        if kind == "bert":
            os.makedirs(f"{FOLDER}/bert-old")
            save_file({k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v.contiguous()
                       for k, v in model.state_dict().items()}, f"{FOLDER}/bert-old/model.safetensors")
            model.save_pretrained(f"{FOLDER}/bert-shards", max_shard_size="40KB")
            os.remove(f"{FOLDER}/bert-shards/config.json")
        options = dict(r=4, lora_alpha=8, target_modules=["query", "key", "value"])
        if kind == "roberta":
            options = dict(r=2, lora_alpha=3, target_modules=["query", "value"], use_rslora=True)
        if kind == "distilbert":
            options = dict(r=4, lora_alpha=8, target_modules=["q_lin", "k_lin", "v_lin"])
        if kind == "mpnet":
            options = dict(r=4, lora_alpha=8, target_modules=["q", "k", "v"])
        if kind == "deberta":
            options = dict(r=4, lora_alpha=8, target_modules=["query_proj", "key_proj", "value_proj"], modules_to_save=["pooler"])
        if kind == "modernbert":
            options = dict(r=4, lora_alpha=8, target_modules=["Wqkv"], modules_to_save=["head", "classifier"])
        answers[f"{kind}-lora"] = logits(adapter(model, f"{FOLDER}/{kind}-lora", **options), tokenizer, ROWS)
        if kind == "modernbert": # as PEFT saves it unless asked: of the head the last layer alone
            model = AutoModelForSequenceClassification.from_pretrained(f"{FOLDER}/{kind}")
            plain = adapter(model, f"{FOLDER}/{kind}-plain-lora", r=2, lora_alpha=4, target_modules=["Wqkv"])
            answers[f"{kind}-plain-lora"] = logits(plain, tokenizer, ROWS)
    with open(f"{FOLDER}/answers.json", "w") as f: # a row of numbers a line
        f.write(json.dumps(answers).replace("], [", "],\n[").replace(']], "', ']],\n"') + "\n")


def run(lethe, *args, text=None):
    done = subprocess.run([lethe, *args], input=text, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"lethe {' '.join(args)}: {done.stderr}")
    return done.stdout


def compare(name, model, tokenizer, answers, rows):
    worst = 0
    for answer, wanted in zip(answers, logits(model, tokenizer, rows), strict=True):
        got = json.loads(answer)
        names = [model.config.id2label[i] for i in range(len(wanted))]
        assert list(got["logits"]) == names and got["label"] == names[wanted.index(max(wanted))], (name, answer, wanted)
        worst = max(worst, max(abs(a - b) for a, b in zip(got["logits"].values(), wanted)))
    print(f"{name:44} largest difference of {len(rows)} rows' logits: {worst:.1e}")
    assert worst < 1e-5, name


def check_run(lethe, work, name, options, tasks):
    """Trains, then exports and compares every task of every method."""
    out = f"{work}/{name}"
    run(lethe, "run", "--quiet", "--epochs", "1", "--method", "full,lora,lora-seq", "--out", out, *options)
    for method in sorted(os.listdir(f"{out}/models")):
        if method == "encoder":
            continue
        for task, rows in tasks.items():
            folder = f"{work}/{name}-{method}-{task}"
            run(lethe, "export", out, "--task", task, "--method", method, "--to", folder)
            text = "".join(json.dumps(dict(zip(("text", "pair"), row))) + "\n" for row in rows)
            flags = ["--device", "cpu", "--logits", "--jsonl"]
            answers = run(lethe, "predict", "--run", out, "--task", task, "--method", method, *flags, text=text)
            tokenizer = AutoTokenizer.from_pretrained(folder)
            where, again = ["--model", folder], f"{folder}-again"
            if os.path.exists(f"{folder}/adapter_config.json"):
                base = json.load(open(f"{folder}/adapter_config.json"))["base_model_name_or_path"]
                labels = {int(k): v for k, v in json.load(open(f"{folder}/labels.json"))["id2label"].items()}
                config = AutoConfig.from_pretrained(base, id2label=labels, label2id={v: k for k, v in labels.items()})
                model = PeftModel.from_pretrained(AutoModelForSequenceClassification.from_pretrained(base, config=config), folder)
                where = ["--model", base, "--adapter", folder]
                if base == f"{folder}/base": # PEFT's and transformers' own ways from the adapter alone
                    for cls in (AutoPeftModelForSequenceClassification, AutoModelForSequenceClassification):
                        compare(f"{name} {method} {task} {cls.__name__[4:9]}", cls.from_pretrained(folder), tokenizer,
                                answers.splitlines(), rows)
                shutil.copytree(folder, again, ignore=shutil.ignore_patterns("adapter_*"))
                model.save_pretrained(again)
                reimported = ["--model", base, "--adapter", again]
            else:
                model = AutoModelForSequenceClassification.from_pretrained(folder)
                model.save_pretrained(again)
                tokenizer.save_pretrained(again)
                reimported = ["--model", again]
            compare(f"{name} {method} {task}", model, tokenizer, answers.splitlines(), rows)
            for source in (where, reimported): # the same bits from the export, and from what HF makes of it
                assert run(lethe, "predict", *source, *flags, text=text) == answers, source


def check(lethe):
    work = tempfile.mkdtemp()
    films = [(w, k) for k, w in enumerate(["bad", "new", "good"]) for _ in range(20)]
    with open(f"{work}/singles.tsv", "w") as f:
        f.write("sentence\tlabel\n" + "".join(f"a {w} film\t{k}\n" for w, k in films))
    with open(f"{work}/pairs.tsv", "w") as f:
        f.write("sentence1\tsentence2\tlabel\n" + "".join(f"a film\tit is {w}\t{k}\n" for w, k in films))
    options = ["--max-length", "24", "--learning-rate", "1e-2", "--lora-learning-rate", "1e-2"]
    rows = {"singles": SINGLES, "pairs": PAIRS}
    for kind in rows:
        options += ["--task", f"{kind}={work}/{kind}.tsv,{work}/{kind}.tsv"]
    for family in ("bert", "roberta", "distilbert", "xlm-roberta", "electra", "mpnet", "deberta", "albert", "modernbert"):
        targets = ["--lora-targets", "query,value"] if family == "roberta" else []
        check_run(lethe, work, family, ["--model", f"{FOLDER}/{family}", *options, *targets], rows)
    check_run(lethe, work, "builtin", ["--max-steps", "10", "--eval-rows", "40"], {"sentiment": SINGLES, "nli": PAIRS})
    shutil.rmtree(work)


make(sys.argv[2:]) if sys.argv[1] == "make" else check(sys.argv[2])
