"""A model of roberta-base's shape with random weights: random_roberta.py FOLDER [VOCABULARY]. Speed does not depend on weights.
VOCABULARY: a folder with vocab.json and merges.txt, which are copied to the model folder."""
import shutil, sys
import torch
from transformers import RobertaConfig, RobertaForSequenceClassification

torch.manual_seed(1)
RobertaForSequenceClassification(RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1,
                                               layer_norm_eps=1e-5)).save_pretrained(sys.argv[1])
for name in ("vocab.json", "merges.txt") if len(sys.argv) > 2 else ():
    shutil.copy(f"{sys.argv[2]}/{name}", sys.argv[1])
