"""An independent reference of strategies and of compositions, in double precision with PyTorch's autograd, for
strategy_golden_test.c. Written from the papers and from their definitions in docs/methods.md, not from lethe's code.

usage: strategies.py        (./build.sh golden strategies calls this); writes strategies.json beside this file

Three tasks on tiny-bert, dropout 0, order of rows as Hugging Face's, the last epoch kept. Buffers hold a quarter of 24
rows of each task, at most 12 in all, which is the batch: every draw is the whole buffer.
"""
import json, math, os, sys
import torch
import torch.nn.functional as nf
from safetensors.torch import load_file

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
TASKS, CLASSES, ROWS, EVAL, BATCH, EPOCHS, SEED = 3, 3, 24, 6, 12, 3, 42
RATE, LORA_RATE, DECAY, R, ALPHA = 2e-3, 1e-2, 0.1, 4, 8
CONFIG = json.load(open(f"{HERE}/tiny-bert/config.json"))
H, HEADS, LAYERS = CONFIG["hidden_size"], CONFIG["num_attention_heads"], CONFIG["num_hidden_layers"]
FISHER, FORM = ["exact", "sampled", "empirical", "batched"], ["paper", "notebook"]

# ---- lethe's counter-based generator: where new weights start, and which rows a reservoir keeps ----


def philox(seed, stream, index):
    m = 0xFFFFFFFF
    c, k = [index & m, index >> 32, stream & m, stream >> 32], [seed & m, seed >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q & m, (p >> 32) ^ c[3] ^ k[1], p & m]
        k = [(k[0] + 0x9E3779B9) & m, (k[1] + 0xBB67AE85) & m]
    return c


def uniform(stream, index):
    return (philox(SEED, stream, index)[0] >> 8) * 2.0 ** -24


def normal(stream, index):
    w = philox(SEED, stream, index)
    return math.sqrt(-2 * math.log((w[0] + 1) * 2.0 ** -32)) * math.cos(2 * math.pi * w[1] * 2.0 ** -32)


def reservoir(task, share):
    kept = list(range(share))
    for r in range(share, ROWS):
        place = int(uniform(0x72657376 + task, r) * (r + 1))
        if place < share:
            kept[place] = r
    return [(task, r) for r in kept]


# ---- data and model ----


def table(task, rows, shift):
    """Texts and labels; a fifth of the labels follow no word, so that losses stay away from 0."""
    out = []
    for r in range(shift, shift + rows):
        label = r * 7 % CLASSES if r % 5 else (r + task) % CLASSES
        words = [10 * task + r * 7 % CLASSES, 40 + r % 11, 60 + r * r % 13] + ([90, 91] if r % 3 == 0 else [])
        out.append((words, label))
    return out


def text(rows):
    return "sentence\tlabel\n" + "".join(" ".join(f"w{w}" for w in words) + f"\t{y}\n" for words, y in rows)


TRAIN = [table(t, ROWS, 0) for t in range(TASKS)]
TEST = [table(t, EVAL, 100) for t in range(TASKS)]


def pretrained():
    out = {}
    for name, w in load_file(f"{HERE}/tiny-bert/model.safetensors").items():
        name = name.removeprefix("bert.").replace("LayerNorm.gamma", "LayerNorm.weight")
        out[name.replace("LayerNorm.beta", "LayerNorm.bias")] = w.double()
    head = {k: out.pop(k) for k in list(out) if k.startswith("classifier")}
    return {k: v for k, v in out.items() if "position_ids" not in k and not k.startswith("cls.")}, head


BASE, HEAD = pretrained()


def new_head(task):
    if HEAD:
        return {k: v.clone() for k, v in HEAD.items()}
    w = torch.tensor([0.02 * normal(0x68656164 + task, i) for i in range(CLASSES * H)]).float().double()
    return {"classifier.weight": w.view(CLASSES, H), "classifier.bias": torch.zeros(CLASSES)}


def new_adapter(task):
    out, at = {}, 0
    for l in range(LAYERS):
        for q in ("query", "key", "value"):
            a = [(2 * uniform(0x6C6F7261 + task, at + i) - 1) / math.sqrt(H) for i in range(R * H)]
            out[f"{l}.{q}.A"] = torch.tensor(a).float().double().view(R, H)
            out[f"{l}.{q}.B"] = torch.zeros(H, R)
            at += 2 * R * H
    return out


def merged(encoder, adapter):
    out = dict(encoder)
    for l in range(LAYERS):
        for q in ("query", "key", "value"):
            name = f"encoder.layer.{l}.attention.self.{q}.weight"
            out[name] = out[name] + ALPHA / R * adapter[f"{l}.{q}.B"] @ adapter[f"{l}.{q}.A"]
    return out


def features(p, rows):
    """The pooled state of rows (words, label)."""
    ids = [[2] + [5 + w for w in words] + [3] for words, _ in rows]
    n = max(map(len, ids))
    mask = torch.tensor([[0.0] * len(i) + [-math.inf] * (n - len(i)) for i in ids])[:, None, None, :]
    ids = torch.tensor([i + [0] * (n - len(i)) for i in ids])
    norm = lambda x, s: nf.layer_norm(x, (H,), p[s + ".weight"], p[s + ".bias"], CONFIG["layer_norm_eps"])
    line = lambda x, s: x @ p[s + ".weight"].T + p[s + ".bias"]
    e = "embeddings."
    x = p[e + "word_embeddings.weight"][ids] + p[e + "position_embeddings.weight"][:n]
    x = norm(x + p[e + "token_type_embeddings.weight"][0], e + "LayerNorm")
    split = lambda x: x.view(len(rows), n, HEADS, H // HEADS).transpose(1, 2)
    for l in range(LAYERS):
        s = f"encoder.layer.{l}."
        q, k, v = (split(line(x, s + "attention.self." + w)) for w in ("query", "key", "value"))
        c = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(H // HEADS) + mask, -1) @ v
        c = c.transpose(1, 2).reshape(len(rows), n, H)
        x = norm(x + line(c, s + "attention.output.dense"), s + "attention.output.LayerNorm")
        y = line(nf.gelu(line(x, s + "intermediate.dense")), s + "output.dense")
        x = norm(x + y, s + "output.LayerNorm")
    return torch.tanh(line(x[:, 0], "pooler.dense"))


def order(epoch, count=ROWS):
    return torch.randperm(count, generator=torch.Generator().manual_seed(SEED + epoch)).tolist()


def labels(rows):
    return torch.tensor([y for _, y in rows])


# ---- a method at work ----


class Method:
    def __init__(self, name, options):
        self.parts, self.o = set(name.replace("der++", "derpp").split("+")), options
        self.lora = bool(self.parts & {"lora", "lora-seq", "o-lora"})
        self.fresh = bool(self.parts & {"lora", "o-lora"})
        self.frozen, self.joint = "frozen" in self.parts, "joint" in self.parts
        self.encoder = {k: v.clone() for k, v in BASE.items()}
        self.heads = [new_head(t) for t in range(TASKS)]
        self.adapter, self.adapters = None, []
        self.fisher, self.mas, self.omega, self.path = {}, {}, {}, {}
        self.buffer, self.stored = [], {}
        self.steps, self.logits = [], []

    def has(self, part):
        return part in self.parts

    def get(self, option, standard):
        return self.o.get(option, standard)

    def shared(self):
        return self.adapter if self.lora else {} if self.frozen else self.encoder

    def logits_of(self, shared, head, rows):
        p = merged(self.encoder, shared) if self.lora else shared if shared else self.encoder
        return features(p, rows) @ head["classifier.weight"].T + head["classifier.bias"]

    def outputs(self, shared, heads, entries):
        """Logits of rows (task, row) of earlier tasks, each through its own head."""
        out = {}
        for t in sorted({t for t, _ in entries}):
            mine = [r for s, r in entries if s == t]
            z = self.logits_of(shared, heads[t], [TRAIN[t][r] for r in mine])
            out.update({(t, r): z[i] for i, r in enumerate(mine)})
        return torch.stack([out[e] for e in entries])

    def buffer_ce(self, shared, heads):
        return nf.cross_entropy(self.outputs(shared, heads, self.buffer),
                                torch.tensor([TRAIN[t][r][1] for t, r in self.buffer]))

    def hold(self, shared, importance, anchor, scale):
        return scale * sum((importance[k] * (shared[k] - anchor[k]) ** 2).sum() for k in shared)

    def own_loss(self, task, shared, heads, rows):
        """What the method adds to the task's loss; None when it adds nothing that is a loss."""
        terms = []
        if self.has("ewc"):
            half = 0.5 if self.get("ewc-form", "paper") == "paper" else 1
            terms.append(self.hold(shared, self.fisher, self.star, half * self.get("ewc-lambda", 1000)))
        if self.has("si"):
            terms.append(self.hold(shared, self.omega, self.star, self.get("si-c", 0.1)))
        if self.has("mas"):
            terms.append(self.hold(shared, self.mas, self.star, self.get("mas-lambda", 1)))
        if self.has("l2sp"):
            one = {k: torch.ones_like(v) for k, v in shared.items()}
            terms.append(self.hold(shared, one, self.origin, self.get("l2sp-alpha", 0.01) / 2))
        if self.has("lwf"):
            T, kl = self.get("lwf-temperature", 2), 0
            for t in range(task):
                with torch.no_grad():
                    old = torch.softmax(self.logits_of(self.star, self.old_heads[t], rows) / T, 1)
                new = torch.log_softmax(self.logits_of(shared, heads[t], rows) / T, 1)
                kl = kl + (old * (old.log() - new)).sum() / len(rows)
            terms.append(self.get("lwf-alpha", 1) * T * T * kl)
        if self.has("replay"):
            terms.append(self.buffer_ce(shared, heads))
        if self.has("derpp"):
            z = self.outputs(shared, heads, self.buffer)
            mse = ((z - torch.stack([self.stored[e] for e in self.buffer])) ** 2).mean()
            terms.append(self.get("der-alpha", 0.5) * mse + self.get("der-beta", 0.5) * self.buffer_ce(shared, heads))
        if self.has("o-lora"):
            squares = sum(((old[k] @ shared[k].T) ** 2).sum() for old in self.adapters for k in shared if k[-1] == "A")
            terms.append(self.get("o-lora-lambda", 0.5) * squares)
        return sum(terms) if terms else None

    def train(self, task):
        if self.lora and (task == 0 or self.fresh):
            self.adapter = new_adapter(task)
        if self.joint: # from the pretrained encoder, with new heads, on the rows of all tasks so far
            self.encoder = {k: v.clone() for k, v in BASE.items()}
            self.heads = [new_head(t) for t in range(TASKS)]
        shared = self.shared()
        if task == 0:
            self.origin = {k: v.clone() for k, v in shared.items()}
        self.star = {k: v.clone() for k, v in shared.items()}
        self.old_heads = [{k: v.clone() for k, v in h.items()} for h in self.heads]
        self.path = {k: torch.zeros_like(v) for k, v in shared.items()}
        earlier = task > 0 and self.parts & {"lwf", "replay", "derpp"}
        trained = list(range(task + 1)) if earlier or self.joint else [task]
        params = list(shared.values()) + [v for t in trained for v in self.heads[t].values()]
        names = list(shared) + [k for t in trained for k in self.heads[t]]
        # a head of an earlier task is moved by the losses that go through it alone: it is not decayed, unless its task
        # is trained again
        owners = [task] * len(shared) + [t for t in trained for _ in self.heads[t]]
        decays = [not (k.endswith(".bias") or "LayerNorm" in k) and (t == task or self.joint)
                  for k, t in zip(names, owners)]
        for p in params:
            p.requires_grad_(True)
        m, v = [torch.zeros_like(p) for p in params], [torch.zeros_like(p) for p in params]
        updates = [0] * len(params)
        per_epoch = (ROWS + BATCH - 1) // BATCH * (task + 1 if self.joint else 1)
        total, step = per_epoch * EPOCHS, 0
        rate = self.get("frozen-learning-rate", 1e-2) if self.frozen else LORA_RATE if self.lora else RATE
        grads = lambda loss: [torch.zeros_like(p) if g is None else g for p, g in
                              zip(params, torch.autograd.grad(loss, params, allow_unused=True))]
        for epoch in range(EPOCHS):
            for of, batch in self.batches(task, epoch):
                rows = [TRAIN[of][r] for r in batch]
                loss = nf.cross_entropy(self.logits_of(shared, self.heads[of], rows), labels(rows))
                g_task = grads(loss)
                own = self.own_loss(task, shared, self.heads, rows) if task else None
                g = [a + b for a, b in zip(g_task, grads(own))] if own is not None else list(g_task)
                if self.has("agem") and task:
                    ref = grads(self.buffer_ce(shared, self.heads))[:len(shared)]
                    dot = sum((a * b).sum() for a, b in zip(g, ref))
                    if dot < 0:
                        share = dot / sum((b * b).sum() for b in ref)
                        g[:len(shared)] = [a - share * b for a, b in zip(g, ref)]
                norm = torch.sqrt(sum((a * a).sum() for a in g)).item()
                scale, lr = min(1, 1 / (norm + 1e-6)), rate * (total - step) / total
                step += 1
                with torch.no_grad():
                    before = [p.clone() for p in params]
                    for i, p in enumerate(params):
                        if self.joint and i >= len(shared) and owners[i] != of:
                            continue # another task's head: no gradient, so the optimizer passes it by
                        updates[i] += 1
                        if decays[i]:
                            p -= lr * DECAY * p
                        d = scale * g[i]
                        m[i] = 0.9 * m[i] + 0.1 * d
                        v[i] = 0.999 * v[i] + 0.001 * d * d
                        p -= lr * (m[i] / (1 - 0.9 ** updates[i])) / ((v[i] / (1 - 0.999 ** updates[i])).sqrt() + 1e-8)
                    for i, k in enumerate(shared):
                        self.path[k] -= g_task[i] * (params[i] - before[i])
                self.steps.append([loss.item(), None if own is None else own.item(), norm])
        for p in params:
            p.requires_grad_(False)

    def batches(self, task, epoch):
        """(task, rows) of each step of an epoch; jointly: a batch is of one task, the batches of all are shuffled."""
        rows = order(epoch)
        out = [(t, rows[at:at + BATCH]) for t in range(0 if self.joint else task, task + 1) for at in range(0, ROWS, BATCH)]
        return [out[i] for i in order(epoch, len(out))] if task and self.joint else out

    def squares(self, loss):
        return {k: g ** 2 for k, g in zip(self.shared(), torch.autograd.grad(loss, list(self.shared().values()),
                                                                           retain_graph=True))}

    def fisher_of(self, task):
        kind, shared = self.get("ewc-fisher", "exact"), self.shared()
        out = {k: torch.zeros_like(v) for k, v in shared.items()}
        size = BATCH if kind == "batched" else 1
        for at in range(0, ROWS, size):
            rows = TRAIN[task][at:at + size]
            logp = torch.log_softmax(self.logits_of(shared, self.heads[task], rows), 1)
            if kind == "exact":
                found = [(logp[0, c].exp().item(), self.squares(logp[0, c])) for c in range(CLASSES)]
            else:
                found = [(1, self.squares(nf.nll_loss(logp, labels(rows))))]
            for weight, squares in found:
                for k in out:
                    out[k] += weight * squares[k] / (ROWS / size)
        return out

    def mas_of(self, task):
        shared = self.shared()
        out = {k: torch.zeros_like(v) for k, v in shared.items()}
        for row in TRAIN[task]:
            z = self.logits_of(shared, self.heads[task], [row])
            for k, g in zip(shared, torch.autograd.grad((z ** 2).sum(), list(shared.values()))):
                out[k] += g.abs() / ROWS
        return out

    def end(self, task):
        shared = self.shared()
        if self.has("wise-ft") and task:
            a = self.get("wise-ft-alpha", 0.5)
            for k in shared:
                shared[k].copy_((1 - a) * self.star[k] + a * shared[k])
        add = lambda old, new, gamma=1: {k: new[k] + gamma * old.get(k, 0) for k in new}
        for p in shared.values():
            p.requires_grad_(True)
        if self.has("ewc"):
            self.fisher = add(self.fisher, self.fisher_of(task), self.get("ewc-gamma", 1))
        if self.has("mas"):
            self.mas = add(self.mas, self.mas_of(task))
        for p in shared.values():
            p.requires_grad_(False)
        if self.has("si"):
            # what the path has lowered the loss by, for how far the task took the weight that training goes on from
            new = {k: self.path[k] / ((shared[k] - self.star[k]) ** 2 + self.get("si-xi", 0.1)) for k in shared}
            self.omega = add(self.omega, new)
        if self.parts & {"replay", "derpp", "agem"}:
            mine = reservoir(task, ROWS // 4)
            if self.has("derpp"):
                z = self.outputs(shared, self.heads, mine)
                self.stored.update({e: z[i] for i, e in enumerate(mine)})
            self.buffer += mine
        adapters = self.adapters + [self.adapter]
        for t in range(task + 1):
            z = self.logits_of(adapters[t] if self.has("lora") else shared, self.heads[t], TEST[t])
            self.logits.append([[number(x) for x in row] for row in z.tolist()])
        if self.fresh:
            self.adapters.append(self.adapter)
        if self.has("o-lora"):
            self.encoder, self.adapter = merged(self.encoder, self.adapter), None


def number(x):
    return float("%.7g" % x)


CASES = [(name, {}) for name in (
    "full lora lora-seq o-lora si mas agem wise-ft joint frozen ewc+wise-ft mas+wise-ft si+wise-ft ewc+si lora-seq+ewc "
    "lora-seq+wise-ft agem+ewc").split()]
CASES += [(name, {}) for name in (
    "l2sp lwf replay der++ si+lwf der+++wise-ft ewc+replay lwf+replay l2sp+mas lora-seq+replay "
    "lora-seq+ewc+replay o-lora+replay o-lora+lwf lwf+ewc+wise-ft").split()]
CASES += [("ewc", {"ewc-fisher": k, "ewc-form": f}) for k in ("exact", "empirical", "batched") for f in FORM]
CASES += [("ewc", {"ewc-gamma": 0.5})]
STRONG = {"si-c": 2000, "l2sp-alpha": 0.5, "wise-ft-alpha": 0.4, "ewc-lambda": 1e5, "mas-lambda": 100, "lwf-alpha": 20}


def main():
    out = dict(train=[text(t) for t in TRAIN], eval=[text(t) for t in TEST], epochs=EPOCHS, batch=BATCH, seed=SEED,
               rate=RATE, lora_rate=LORA_RATE, decay=DECAY, r=R, alpha=ALPHA, cases=[])
    named = [(name, {}) for name in sys.argv[1:]]
    for name, options in named or CASES:
        options = {**STRONG, **options}
        method = Method(name, options)
        for task in range(TASKS):
            method.train(task)
            method.end(task)
        options = {k: (FISHER + FORM).index(v) % 4 if isinstance(v, str) else v for k, v in options.items()}
        steps = [[None if x is None else number(x) for x in s] for s in method.steps]
        out["cases"].append(dict(method=name, options=options, steps=steps, logits=method.logits))
        print(name, *(steps if named else steps[-1:]), sep="\n    ", flush=True)
    if named:
        return
    with open(f"{HERE}/strategies.json", "w") as f:
        json.dump({**out, "cases": None}, f)
        f.seek(f.tell() - len("null}"))
        f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in out["cases"]) + "]}\n")
        f.truncate()


main()
