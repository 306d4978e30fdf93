#!/usr/bin/env bash
# ./build.sh bench: seconds a training step, lethe beside Hugging Face on the same machine in the same run. The peer is
# ../shared/reference/notebook.py with real SST-2 and MNLI rows; PyTorch is looked for in $LETHE_PEER_PYTHON, or python3.
# Without peer or data, lethe alone is timed, on its built-in data.
#   ./build.sh bench ops [THREADS [WORD]]   each op alone, and matrix products beside BLIS
#   ./build.sh bench importance [DEVICE [ROWS [TASK]]]   exact Fisher information beside one backward pass an example
#   ./build.sh bench rates                  how the default learning rates were chosen
set -euo pipefail
cd "$(dirname "$0")/../.."
program() { # program NAME OPTION...: build/bench/NAME from tests/bench/NAME.c and what lethe is made of
    local name=$1 march=()
    shift
    mkdir -p build/bench
    [ "$(uname -m)" != x86_64 ] || march=(-march=x86-64-v2)
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O2 "${march[@]}" -fopenmp-simd -ffp-contract=fast -w -pthread -o build/bench/"$name" \
        tests/bench/"$name".c build/vendor.o build/assets.o build/shaders.o "$@" -ljansson -lutf8proc -lzstd -lm -ldl
}
case ${1:-steps} in
steps) ;;
rates) exec tests/bench/rates.sh ;;
ops)
    shift
    blis=/usr/lib/$(uname -m)-linux-gnu/blis-serial/libblis.a
    program ops -DWITH_BLIS -I/usr/include/"$(uname -m)"-linux-gnu/blis-serial "$blis"
    exec build/bench/ops "$@"
    ;;
importance)
    shift
    program importance
    exec build/bench/importance "$@"
    ;;
*) echo "bench: no word '$1'; there are ops, importance, rates, and none: whole steps beside Hugging Face" >&2; exit 1 ;;
esac
data=../shared/data peer=../shared/reference/notebook.py python=${LETHE_PEER_PYTHON:-python3} steps=${STEPS:-10}
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
work=build/bench
mkdir -p $work

sst2=(--task "sst2=$data/SST-2/train.tsv,$data/SST-2/dev.tsv")
mnli=(--task "mnli=$data/MNLI/train_sample.tsv,$data/MNLI/dev_matched.tsv")
[ -e $data/SST-2/train.tsv ] || { sst2=() mnli=(); echo "no real data in $data: lethe's own data instead"; }

ours() { # ours NAME ARGUMENTS...: "TASK METHOD SECONDS" to NAME.ours
    local name=$1; shift
    build/lethe bench --device cpu --preset notebook --max-steps 48 "$@" >$work/"$name".log
    grep -A1 '^step' $work/"$name".log | grep -v '^--' || true
    grep '^peak' $work/"$name".log
    awk '$1 == "step" {print $2, $3, $4}' $work/"$name".log >$work/"$name".ours
}
theirs() { # theirs NAME MODEL WHAT TASKS: "TASK METHOD PAD SECONDS" to NAME.theirs
    local pad
    : >$work/"$1".theirs
    for pad in max longest; do
        "$python" $peer "$2" $data --steps "$steps" --pad $pad --what "$3" --tasks "$4" 2>/dev/null |
            sed -nE "s/^(full|lora)_task([12]) .*'median_step_s': ([0-9.]+).*/\2 \1 $pad \3/p" | sed 's/^1/sst2/; s/^2/mnli/' >>$work/"$1".theirs
    done
}
compare() { # compare NAME TITLE
    awk -v title="$2" 'NR == FNR {ours[$1 " " $2] = $3; next} ($1 " " $2) in ours {
        printf "%-10s %-5s %-5s %-8s peer %7.3f s  lethe %7.3f s  %5.1f times as fast\n", title, $1, $2, $3, $4, ours[$1 " " $2], $4 / ours[$1 " " $2]}' \
        $work/"$1".ours $work/"$1".theirs
}

ours minilm "${sst2[@]}" "${mnli[@]}" --method full,lora
if [ -e $peer ] && "$python" -c 'import torch, transformers, peft' 2>/dev/null; then
    theirs minilm build/encoder full,lora 2
    ours minilm "${sst2[@]}" "${mnli[@]}" --method full,lora # again: before and after the peer, against drift
    compare minilm MiniLM-L6
    big=$work/roberta-base
    if [ ! -e $big/model.safetensors ]; then
        "$python" - $big 2>/dev/null <<'PY'
import sys, torch
from transformers import RobertaConfig, RobertaForSequenceClassification
torch.manual_seed(1)
RobertaForSequenceClassification(RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1,
                                               layer_norm_eps=1e-5)).save_pretrained(sys.argv[1])
PY
        cp $data/tokenizers/roberta-base/{vocab.json,merges.txt} $big/
    fi
    ours roberta --model $big "${sst2[@]}" --method full --max-steps 24
    theirs roberta random-roberta-base full 1
    compare roberta roberta-base
else
    echo "no PyTorch with transformers and peft in $python: no ratios; LETHE_PEER_PYTHON=... names another interpreter"
fi
