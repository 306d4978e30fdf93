#!/usr/bin/env bash
# ./build.sh bench: seconds a training step, lethe beside Hugging Face on the same machine in the same run. The peer is
# ../shared/reference/notebook.py with real SST-2 and MNLI rows; PyTorch is looked for in $LETHE_PEER_PYTHON, or python3.
# Without peer or data, lethe alone is timed, on its built-in data.
#   ./build.sh bench ops [THREADS [WORD]]   each op alone, and matrix products beside BLIS
#   ./build.sh bench importance [DEVICE [ROWS [TASK]]]   exact Fisher information beside one backward pass an example
#   ./build.sh bench gpu [DEVICE]           ops and steps on a GPU beside PyTorch with CUDA on the same card
#   ./build.sh bench text                   tokenize and predict, in rows a second
#   ./build.sh bench serve [ROUNDS [STEPS]] lethe serve: what a run loses with the page open, how late events are, answers
#   ./build.sh bench release [ROUNDS]       the programs of ./build.sh release beside build/lethe, the Windows one under Wine
#   ./build.sh bench rates                  how the default learning rates were chosen
set -euo pipefail
cd "$(dirname "$0")/../.."
case ${1:-steps} in
steps) ;;
rates) exec tests/bench/rates.sh ;;
text) exec tests/bench/text.sh ;;
serve) exec python3 tests/bench/serve.py "${@:2}" ;;
release) exec tests/bench/release.sh "${@:2}" ;;
gpu) exec tests/bench/gpu.sh "${@:2}" ;;
*) echo "bench: no word '$1'; there are ops, importance, gpu, text, serve, release, rates, verdicts, and none: whole steps beside Hugging Face" >&2; exit 1 ;;
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
    [ -e $big/model.safetensors ] || "$python" tests/bench/random_roberta.py $big $data/tokenizers/roberta-base 2>/dev/null
    ours roberta --model $big "${sst2[@]}" --method full --max-steps 24
    theirs roberta random-roberta-base full 1
    compare roberta roberta-base
    if [ -e build/mpnet-base/model.safetensors ]; then # ./build.sh encoder mpnet-base
        ours mpnet --model build/mpnet-base "${sst2[@]}" --method full --max-steps 24
        theirs mpnet build/mpnet-base full 1
        compare mpnet mpnet-base
    fi
else
    echo "no PyTorch with transformers and peft in $python: no ratios; LETHE_PEER_PYTHON=... names another interpreter"
fi
