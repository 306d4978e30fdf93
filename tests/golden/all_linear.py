"""Which linear layers PEFT's target_modules="all-linear" means in a classifier of each family, from the tiny models beside this file.

usage: all_linear.py [NAME...]     (of tiny-NAME; all)

A line for each: the modules with an adapter, layer numbers as N, then how many weights adapters have with r 4, and the names that PEFT saves.
The head is trained whole: modules_to_save names its modules, as the adapters that lethe writes do.
"""
import glob, os, re, sys
os.environ["HF_HUB_OFFLINE"] = "1"
from peft import LoraConfig, TaskType, get_peft_model
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForSequenceClassification

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD = {"distilbert": ["pre_classifier", "classifier"], "deberta-v2": ["pooler", "classifier"], "modernbert": ["head", "classifier"]}


def all_linear(name, saved):
    model = AutoModelForSequenceClassification.from_pretrained(f"{HERE}/tiny-{name}", num_labels=3)
    saved = HEAD.get(model.config.model_type) if saved else None
    peft = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, r=4, target_modules="all-linear", modules_to_save=saved))
    modules = [re.sub(r"\.\d+\.(?!0\.)", ".N.", n).removeprefix("base_model.model.") for n, m in peft.named_modules() if isinstance(m, LoraLayer)]
    weights = sum(p.numel() for n, p in peft.named_parameters() if "lora_" in n)
    return list(dict.fromkeys(modules)), weights, sorted(peft.peft_config["default"].target_modules)


for name in sys.argv[1:] or sorted(os.path.basename(f)[5:] for f in glob.glob(f"{HERE}/tiny-*") if not f.endswith("-lora") and os.path.isdir(f)):
    for saved in (False, True):
        try:
            modules, weights, names = all_linear(name, saved)
            print(f"{name}, {'head whole' if saved else 'as it is'}: {' '.join(modules)}; {weights} weights; saved as {' '.join(names[:7])}{' ...' if len(names) > 7 else ''}")
        except TypeError as error:
            print(f"{name}, {'head whole' if saved else 'as it is'}: PEFT fails: {error}")
