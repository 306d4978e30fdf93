"""PyTorch on the GPU, fp32 with TF32 off: gpu_peer.py ENCODER ROBERTA DATA. Seconds a training step as lethe makes it (AdamW, clipping,
linear schedule), on real SST-2 and MNLI rows, padded to 128 tokens and to the longest row of a batch; cuBLAS at the sizes of `lethe bench
gemm`, and a plain copy. The encoders are built from their config.json: speed does not depend on weights."""
import csv, os, sys, time
os.environ["HF_HUB_OFFLINE"], os.environ["TOKENIZERS_PARALLELISM"] = "1", "false"
import torch
from peft import LoraConfig, TaskType, get_peft_model
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, RobertaTokenizerFast

torch.backends.cuda.matmul.allow_tf32 = False
encoder, roberta, data = sys.argv[1:]


def seconds(run, count, turns=4):
    """The best of a few measurements of `count` runs, after a warm-up that brings the clocks up."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < 0.5: run()
    best = float("inf")
    for _ in range(turns):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(count): run()
        torch.cuda.synchronize()
        best = min(best, (time.perf_counter() - start) / count)
    return best


def ops():
    print(torch.cuda.get_device_name(0), "PyTorch", torch.__version__)
    x = torch.randn(32_000_000, device="cuda")
    y = torch.empty_like(x)
    print(f"copy of 32000000: {8e-9 * x.numel() / seconds(lambda: y.copy_(x), 20):.0f} GB/s")
    for tokens, hidden, inner in (640, 384, 1536), (640, 768, 3072), (2048, 768, 3072), (8192, 768, 3072):
        for m, n, k, ta, tb in (tokens, inner, hidden, 0, 1), (tokens, hidden, inner, 0, 0), (hidden, inner, tokens, 1, 0):
            a = torch.randn((k, m) if ta else (m, k), device="cuda")
            b = torch.randn((n, k) if tb else (k, n), device="cuda")
            c = torch.empty(m, n, device="cuda")
            s = seconds(lambda: torch.mm(a.t() if ta else a, b.t() if tb else b, out=c), 20)
            print(f"cuBLAS {m} x {n} x {k} {'NT'[ta]}{'NT'[tb]}: {2e-9 * m * n * k / s:.0f} GFLOPS")


def rows(path, columns):
    with open(f"{data}/{path}", encoding="utf-8") as file:
        lines = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [[line[c] for c in columns] for _, line in zip(range(1000), lines)]


def step_seconds(folder, ids, pad, batch, width, lora):
    torch.manual_seed(1)
    config = AutoConfig.from_pretrained(folder, num_labels=3)
    model = AutoModelForSequenceClassification.from_config(config).cuda().train()
    if lora:
        model = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, r=8, lora_alpha=16, lora_dropout=0.1,
                                                 target_modules=["query", "key", "value"]))
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=3e-5, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: max(0.0, 1 - i / 1000))
    at = 0

    def step():
        nonlocal at
        some = [ids[(at + i) % len(ids)] for i in range(batch)]
        at += batch
        wide = width or max(map(len, some))
        words = torch.tensor([r + [pad] * (wide - len(r)) for r in some])
        mask = torch.tensor([[1] * len(r) + [0] * (wide - len(r)) for r in some])
        labels = torch.zeros(batch, dtype=torch.long)
        model(input_ids=words.cuda(), attention_mask=mask.cuda(), labels=labels.cuda()).loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()

    return seconds(step, 10)


ops()
tasks = {"sst2": rows("SST-2/train.tsv", ["sentence"]), "mnli": rows("MNLI/train_sample.tsv", ["sentence1", "sentence2"])}
for name, folder in ("MiniLM-L6", encoder), ("roberta-base", roberta):
    tokenizer = AutoTokenizer.from_pretrained(folder) if folder == encoder else \
        RobertaTokenizerFast(vocab=f"{folder}/vocab.json", merges=f"{folder}/merges.txt")
    for task, texts in tasks.items():
        ids = [tokenizer(*t, truncation=True, max_length=128)["input_ids"] for t in texts]
        for method in "full", "lora":
            for batch in 16, 64:
                for pad, width in ("max", 128), ("longest", 0):
                    s = step_seconds(folder, ids, tokenizer.pad_token_id, batch, width, method == "lora")
                    print(f"step {name} {task} {method} {batch} {pad} {s:.4f}", flush=True)
