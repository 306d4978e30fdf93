"""Exact Fisher information the naive way, in PyTorch: one forward pass a row, one backward pass a row and class, and
the squares of all gradients added up; the peer of importance.c.

    importance_peer.py [DEVICE [ROWS [TASK]]]      the device is always the CPU
"""
import csv, os, statistics, sys, time
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

count, task = int((sys.argv[2:] or ["64"])[0]), (sys.argv[3:] or ["nli"])[0]
folder, path = "build/encoder", f"assets/{task}_train.tsv"
torch.set_num_threads(len(os.sched_getaffinity(0)))
torch.set_flush_denormal(True)  # squares of small gradients would take a hundred times as long
with open(path, encoding="utf-8") as file:
    rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
label = next(key for key in rows[0] if key in ("label", "gold_label"))
texts = [key for key in rows[0] if key in ("sentence", "text", "sentence1", "sentence2", "premise", "hypothesis")]
classes = len({row[label] for row in rows})
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=classes, dtype=torch.float32).eval()
fisher = [torch.zeros_like(p) for p in model.parameters()]
seconds = []
for row in rows[:count]:
    batch = tokenizer(*(row[key] for key in texts), truncation=True, max_length=128, return_tensors="pt")
    begun = time.perf_counter()
    log_p = torch.log_softmax(model(**batch).logits[0], -1)
    for c in range(classes):
        model.zero_grad(set_to_none=True)
        log_p[c].backward(retain_graph=c + 1 < classes)
        share = log_p[c].exp().item()
        for total, p in zip(fisher, model.parameters()):
            if p.grad is not None:
                total.addcmul_(p.grad, p.grad, value=share / count)
    seconds.append(time.perf_counter() - begun)
print(f"{'one by one, in PyTorch':29s} {1e3 * statistics.median(seconds):8.3f} ms a row (median)")
