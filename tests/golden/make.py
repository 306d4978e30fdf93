"""Makes the numbers that golden_test.c holds lethe against, with Hugging Face transformers and PEFT in fp32 on the CPU.

usage: make.py MINILM_DIR [CASE...]     (the folder of all-MiniLM-L6-v2; ./build.sh golden calls this; all cases, or those named: minilm, roberta, ...)

Writes beside this file:
  tiny-NAME/   (roberta, distilbert, electra, mpnet, deberta, albert, modernbert, modernbert-mean) a random model of each (config.json, model.safetensors F32, with a head of 3 classes)
  tiny-bert/             a random BERT in an old file's clothes: "bert." prefix, LayerNorm.gamma and beta, F16
  tiny-NAME-lora/, minilm-lora/   PEFT adapters as PEFT saves them, B not zero
  minilm-head.safetensors            a head of 3 classes for MiniLM
  tiny-NAME-all/, tiny-bert-all/  adapters on all-linear, the head whole (see all_linear.py)
  CASE_full.json and CASE_lora.json for minilm and each NAME, and CASE_all.json for bert and each NAME, with the rows of CASE_full.json:
    rows: [{"ids", "types", "label"}]; dropout is 0 everywhere
    logits: of rows 0..7; gradients: {HF name: [norm, sum, first element]} of the first training batch, before clipping
    order: rows in the order in which Trainer took them; steps: [[loss, grad_norm, learning_rate], ...]
    logits_after: of rows 0..7 after all steps; decayed, undecayed: parameter counts; hyperparameters
"""
import csv, json, os, shutil, sys, tempfile
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from safetensors.torch import save_file
from transformers import (AlbertConfig, AlbertForSequenceClassification, AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification,
                          DebertaV2Config, DebertaV2ForSequenceClassification, DistilBertConfig,
                          DistilBertForSequenceClassification, ElectraConfig,
                          ElectraForSequenceClassification, ModernBertConfig,
                          ModernBertForSequenceClassification, MPNetConfig, MPNetForSequenceClassification, RobertaConfig,
                          RobertaForSequenceClassification, Trainer, TrainingArguments, set_seed)

HERE = os.path.dirname(os.path.abspath(__file__))
MINILM = sys.argv[1]
CLASSES, EPOCHS, BATCH, SEED = 3, 7, 16, 42
NO_DROPOUT = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout=0.0)


def number(x):
    return float("%.9g" % x)


def text_rows():
    """Single texts and pairs from lethe's own data, mixed, as MiniLM's tokens."""
    tok = AutoTokenizer.from_pretrained(MINILM)
    def column(name):
        with open(f"{HERE}/../../assets/{name}", encoding="utf-8") as f:
            return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    rows = []
    for i, (s, n) in enumerate(zip(column("sentiment_train.tsv")[:50], column("nli_train.tsv"))):
        rows.append(tok(s["sentence"], truncation=True, max_length=40))
        rows.append(tok(n["premise"], n["hypothesis"], truncation=True, max_length=40))
    return [dict(ids=r["input_ids"], types=r["token_type_ids"], label=i * 7 % 3) for i, r in enumerate(rows)]


def random_rows(vocab):
    g = torch.Generator().manual_seed(7)
    rows = []
    for i in range(100):
        n = int(torch.randint(1, 30, (1,), generator=g))
        ids = [0] + torch.randint(3, vocab, (n,), generator=g).tolist() + [2]
        rows.append(dict(ids=ids, types=[0] * len(ids), label=i * 7 % 3))
    return rows


class Rows(torch.utils.data.Dataset):
    def __init__(self, rows):
        self.rows, self.taken = rows, []
    def __len__(self):
        return len(self.rows)
    def __getitem__(self, i):
        self.taken.append(i)
        return self.rows[i]


def collate(pad, types=True):
    def run(rows):
        n = max(len(r["ids"]) for r in rows)
        fill = lambda key, value: torch.tensor([r[key] + [value] * (n - len(r[key])) for r in rows])
        mask = torch.tensor([[1] * len(r["ids"]) + [0] * (n - len(r["ids"])) for r in rows])
        return dict(input_ids=fill("ids", pad), attention_mask=mask, labels=torch.tensor([r["label"] for r in rows]),
                    **(dict(token_type_ids=fill("types", 0)) if types else {}))
    return run


class Recorder(Trainer):
    """Keeps every step's loss; the norm comes from the log, the rate too."""
    steps = None
    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.steps.append([number(loss.item())])
        return loss
    def log(self, logs, *args, **kwargs):
        if "grad_norm" in logs:
            self.steps[-1] += [number(logs["grad_norm"]), number(logs["learning_rate"])]
        super().log(logs, *args, **kwargs)


def plain_name(name):
    for cut in ("base_model.model.", ".default", ".modules_to_save"):
        name = name.replace(cut, "")
    return name


def case(name, model, rows, pad, rate, rows_of=None):
    run = collate(pad, model.config.model_type not in ("distilbert", "mpnet", "modernbert"))
    first = run(rows[:8])
    labels = first.pop("labels")
    model.eval()
    with torch.no_grad():
        logits = model(**first).logits
    data = Rows(rows)
    args = TrainingArguments(output_dir=tempfile.mkdtemp(), per_device_train_batch_size=BATCH, num_train_epochs=EPOCHS,
                             learning_rate=rate, weight_decay=0.01, seed=SEED, use_cpu=True, report_to=[], logging_steps=1,
                             save_strategy="no", eval_strategy="no", disable_tqdm=True, remove_unused_columns=False)
    trainer = Recorder(model=model, args=args, train_dataset=data, data_collator=run)
    trainer.steps = []
    # the gradient of the first batch, before training: the sampler's order is known from a first look
    order = list(torch.randperm(len(rows), generator=torch.Generator().manual_seed(SEED)))[:BATCH]
    batch = run([rows[i] for i in order])
    model.zero_grad()
    model(**batch).loss.backward()
    gradients = {plain_name(n): [number(p.grad.norm()), number(p.grad.sum()), number(p.grad.flatten()[0])]
                 for n, p in model.named_parameters() if p.requires_grad}
    model.zero_grad()
    trainer.create_optimizer()
    counts = [sum(p.numel() for p in g["params"]) for g in trainer.optimizer.param_groups]
    decays = [g["weight_decay"] for g in trainer.optimizer.param_groups]
    trainer.optimizer = None
    trainer.train()
    model.eval()
    with torch.no_grad():
        after = model(**first).logits
    out = dict(**(dict(rows_of=rows_of) if rows_of else dict(rows=rows)), classes=CLASSES, learning_rate=rate, weight_decay=0.01, epochs=EPOCHS, batch_size=BATCH, seed=SEED,
               logits=[[number(x) for x in r] for r in logits.tolist()], gradients=gradients, order=data.taken,
               steps=trainer.steps, logits_after=[[number(x) for x in r] for r in after.tolist()],
               decayed=sum(c for c, d in zip(counts, decays) if d), undecayed=sum(c for c, d in zip(counts, decays) if not d))
    with open(f"{HERE}/{name}.json", "w") as f:
        text = json.dumps(out, separators=(",", ":"))
        f.write(text.replace('},{"ids"', '},\n{"ids"').replace(',"', ',\n"', 0) + "\n")
    print(name, "first loss", out["steps"][0], "last", out["steps"][-1], len(out["steps"]), "steps")


def adapter(model, folder, r, targets=("query", "key", "value"), saved=None):
    """A PEFT model with B not zero, saved, and loaded again from its files."""
    torch.manual_seed(3)
    peft = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, r=r, lora_alpha=2 * r, lora_dropout=0.0,
                                            target_modules=targets if targets == "all-linear" else list(targets), modules_to_save=saved))
    for n, p in peft.named_parameters():
        if "lora_B" in n:
            p.data.normal_(0, 0.02)
    shutil.rmtree(f"{HERE}/{folder}", ignore_errors=True)
    peft.save_pretrained(f"{HERE}/{folder}")
    os.path.exists(f"{HERE}/{folder}/README.md") and os.remove(f"{HERE}/{folder}/README.md")
    config = json.load(open(f"{HERE}/{folder}/adapter_config.json"))
    config["base_model_name_or_path"] = None
    config["target_modules"].sort()
    json.dump(config, open(f"{HERE}/{folder}/adapter_config.json", "w"), indent=1)
    return peft


def tiny_bert():
    set_seed(5)
    config = BertConfig(vocab_size=200, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                        max_position_embeddings=40, num_labels=CLASSES, **NO_DROPOUT)
    model = BertForSequenceClassification(config).eval().half().float()
    folder = f"{HERE}/tiny-bert"
    os.makedirs(folder, exist_ok=True)
    old = {k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v.half().contiguous()
           for k, v in model.state_dict().items()}
    save_file(old, f"{folder}/model.safetensors")
    config.save_pretrained(folder)
    rows = [dict(ids=[101 % 200] + [3 + 11 * i % 190, 50, 60 + i] + [102], types=[0, 0, 1, 1, 1], label=0) for i in range(4)]
    batch = collate(0)(rows)
    batch.pop("labels")
    with torch.no_grad():
        logits = model(**batch).logits
    json.dump(dict(rows=rows, classes=CLASSES, logits=[[number(x) for x in r] for r in logits.tolist()]),
              open(f"{HERE}/tiny_bert.json", "w"))


def minilm():
    set_seed(SEED)
    model = BertForSequenceClassification.from_pretrained(MINILM, num_labels=CLASSES, **NO_DROPOUT)
    torch.manual_seed(9)
    model.classifier.weight.data.normal_(0, 0.02)
    model.classifier.bias.data.zero_()
    return model


def roberta():
    set_seed(5)
    config = RobertaConfig(vocab_size=300, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96,
                           max_position_embeddings=66, type_vocab_size=1, layer_norm_eps=1e-5, num_labels=CLASSES,
                           initializer_range=0.1, **NO_DROPOUT)
    return RobertaForSequenceClassification(config)


def distilbert():
    set_seed(5)
    config = DistilBertConfig(vocab_size=300, dim=48, n_layers=3, n_heads=4, hidden_dim=96, max_position_embeddings=64,
                              num_labels=CLASSES, initializer_range=0.1, sinusoidal_pos_embds=True, pad_token_id=1, dropout=0.0,
                              attention_dropout=0.0, seq_classif_dropout=0.0)
    return DistilBertForSequenceClassification(config)


def electra():
    set_seed(5)
    config = ElectraConfig(vocab_size=300, embedding_size=24, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96,
                           max_position_embeddings=64, num_labels=CLASSES, initializer_range=0.1, pad_token_id=1, **NO_DROPOUT)
    return ElectraForSequenceClassification(config)


def mpnet():
    set_seed(5)
    config = MPNetConfig(vocab_size=300, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96,
                         max_position_embeddings=66, layer_norm_eps=1e-5, num_labels=CLASSES, initializer_range=0.1, **NO_DROPOUT)
    model = MPNetForSequenceClassification(config)
    model.mpnet.encoder.relative_attention_bias.weight.data.normal_(0, 0.5)
    return model


def deberta():
    """Buckets so few that distances share them, and words that occur more than once are near and far."""
    set_seed(5)
    config = DebertaV2Config(vocab_size=300, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96,
                             max_position_embeddings=64, num_labels=CLASSES, initializer_range=0.1, pad_token_id=1, relative_attention=True,
                             position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type=["p2c", "c2p"],
                             position_biased_input=False, max_relative_positions=24, cls_dropout=0.0, **NO_DROPOUT)
    return DebertaV2ForSequenceClassification(config)


def albert():
    set_seed(5)
    config = AlbertConfig(vocab_size=300, embedding_size=24, hidden_size=48, num_hidden_layers=4, num_attention_heads=4, intermediate_size=96,
                          max_position_embeddings=64, num_labels=CLASSES, initializer_range=0.1, pad_token_id=1, num_hidden_groups=2,
                          hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout_prob=0.0)
    return AlbertForSequenceClassification(config)


def modernbert(pooling, layers):
    """A window of 4 tokens to either side: most texts are longer. Four layers end in one that sees all tokens, three in one that does not."""
    set_seed(5)
    config = ModernBertConfig(vocab_size=300, hidden_size=48, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=72,
                              max_position_embeddings=64, num_labels=CLASSES, initializer_range=0.1, pad_token_id=1, cls_token_id=0,
                              bos_token_id=0, eos_token_id=2, sep_token_id=2, local_attention=8, classifier_pooling=pooling)
    model = ModernBertForSequenceClassification(config)
    for n, p in model.named_parameters():  # all LayerNorms begin with ones
        if n.endswith("norm.weight"):
            p.data.normal_(1, 0.2)
    return model


def second_halves(rows):
    """The same rows as pairs: the second half of each is of type 1."""
    return [dict(r, types=[int(2 * i >= len(r["ids"])) for i in range(len(r["ids"]))]) for r in rows]


torch.use_deterministic_algorithms(True)
ids = random_rows(300)
NAMES = ("query", "key", "value")
TINY = {"roberta": (roberta, ids, NAMES), "distilbert": (distilbert, ids, ("q_lin", "k_lin", "v_lin")),
        "electra": (electra, second_halves(ids), NAMES), "mpnet": (mpnet, ids, ("q", "k", "v")),
        "deberta": (deberta, ids, ("query_proj", "key_proj", "value_proj")), "albert": (albert, second_halves(ids), NAMES),
        "modernbert": (lambda: modernbert("cls", 4), ids, ("Wqkv",)),
        "modernbert-mean": (lambda: modernbert("mean", 3), ids, ("Wqkv",))}
# Modules of the head that PEFT would leave as they are, and not save.
SAVED = {"deberta": ["pooler"], "modernbert": ["head", "classifier"], "modernbert-mean": ["head", "classifier"]}
# ... or, named as linear layers, would give an adapter.
WHOLE = dict(SAVED, distilbert=["pre_classifier", "classifier"])


def all_linear(name, rows, pad):
    model = AutoModelForSequenceClassification.from_pretrained(f"{HERE}/tiny-{name}", dtype=torch.float32)
    short = name.replace("-", "_")
    case(f"{short}_all", adapter(model, f"tiny-{name}-all", 2, "all-linear", WHOLE.get(name)), rows, pad, 5e-3, None if name == "bert" else f"{short}_full.json")


wanted = sys.argv[2:] or ["bert", "minilm", *TINY, "all"]
if "bert" in wanted:
    tiny_bert()
if "minilm" in wanted:
    words = text_rows()
    m = minilm()
    save_file({k: v.contiguous() for k, v in m.state_dict().items() if k.startswith("classifier")}, f"{HERE}/minilm-head.safetensors")
    case("minilm_full", m, words, 0, 5e-5)
    case("minilm_lora", adapter(minilm(), "minilm-lora", 2), words, 0, 1e-3)
for name, (make, rows, targets) in TINY.items():
    if name in wanted:
        tiny = make()
        tiny.save_pretrained(f"{HERE}/tiny-{name}")
        case(f"{name}_full".replace("-", "_"), tiny, rows, 1, 1e-3)
        again = type(tiny).from_pretrained(f"{HERE}/tiny-{name}")
        case(f"{name}_lora".replace("-", "_"), adapter(again, f"tiny-{name}-lora", 4, targets, SAVED.get(name)), rows, 1, 5e-3)
for name, rows, pad in [("bert", second_halves(random_rows(200)), 0), *((n, t[1], 1) for n, t in TINY.items())]:
    if "all" in wanted or f"{name}-all" in wanted:
        all_linear(name, rows, pad)
