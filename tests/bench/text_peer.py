"""Rows a second of Hugging Face's fast tokenizer and of its pipeline; the peer of text.sh.

    text_peer.py prepare ENCODER FOLDER     writes a classifier of 3 classes with new weights, and its tokenizer
    text_peer.py tokenize FOLDER FILE       ids of every line (or pair of texts with a tab between), as text
    text_peer.py predict FOLDER FILE        probabilities of every line, batches of 32, padded to the longest row

Reading the file and loading the model are not timed.
"""
import os, sys, time
import torch, transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

what, folder, path = sys.argv[1:]
transformers.logging.set_verbosity_error()
torch.set_num_threads(len(os.sched_getaffinity(0)))
if what == "prepare":
    torch.manual_seed(1)
    AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3).save_pretrained(path)
    AutoTokenizer.from_pretrained(folder).save_pretrained(path)
    sys.exit()
tokenizer = AutoTokenizer.from_pretrained(folder)
with open(path, encoding="utf-8") as file:
    rows = [line.rstrip("\n").split("\t") for line in file]
pairs = len(rows[0]) == 2
if what == "tokenize":
    begun = time.perf_counter()
    ids = tokenizer(*zip(*rows), truncation=True, max_length=128)["input_ids"] if pairs else \
        tokenizer([row[0] for row in rows], truncation=True, max_length=128)["input_ids"]
    text = "".join(" ".join(map(str, row)) + "\n" for row in ids)
    seconds = time.perf_counter() - begun
else:
    ask = pipeline("text-classification", model=folder, tokenizer=tokenizer, device="cpu", top_k=None)
    given = [{"text": row[0], "text_pair": row[1]} for row in rows] if pairs else [row[0] for row in rows]
    ask(given[:64], batch_size=32)
    begun = time.perf_counter()
    answers = ask(given, batch_size=32, truncation=True, max_length=128)
    seconds = time.perf_counter() - begun
    assert len(answers) == len(rows)
print(f"{len(rows) / seconds:.1f}")
