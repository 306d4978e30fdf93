#!/usr/bin/env bash
# ./build.sh bench gpu [DEVICE]: ops and seconds a training step on a GPU ("gpu" unless named), beside PyTorch with CUDA in
# $LETHE_PEER_PYTHON, or python3, on the same card in the same run. Needs ../shared/data, as bench.sh does.
set -euo pipefail
cd "$(dirname "$0")/../.."
device=${1:-gpu} data=../shared/data python=${LETHE_PEER_PYTHON:-python3} work=build/bench
mkdir -p $work
[ -e $data/SST-2/train.tsv ] || { echo "bench gpu: no SST-2 and MNLI in $data" >&2; exit 1; }
"$python" -c 'import torch, transformers, peft; assert torch.cuda.is_available()' 2>/dev/null ||
    { echo "bench gpu: no PyTorch with CUDA, transformers and peft in $python; LETHE_PEER_PYTHON=... names another" >&2; exit 1; }
[ -e $work/roberta-base/model.safetensors ] || "$python" tests/bench/random_roberta.py $work/roberta-base $data/tokenizers/roberta-base

ours() { # ours NAME OPTION...: "NAME TASK METHOD BATCH SECONDS" a step
    local name=$1 batch
    shift
    for batch in 16 64; do
        build/lethe bench --device "$device" --preset notebook --max-steps 48 --batch-size $batch --method full,lora "$@" \
            --task "sst2=$data/SST-2/train.tsv,$data/SST-2/dev.tsv" \
            --task "mnli=$data/MNLI/train_sample.tsv,$data/MNLI/dev_matched.tsv" |
            awk -v name="$name" -v batch=$batch '$1 == "step" {print name, $2, $3, batch, $4}'
    done
}
build/lethe bench ops --device "$device"
{ ours MiniLM-L6; ours roberta-base --model $work/roberta-base; } >$work/gpu.ours
"$python" tests/bench/gpu_peer.py build/encoder $work/roberta-base $data 2>/dev/null | tee $work/gpu.theirs | grep -v '^step'
awk 'NR == FNR {ours[$1 " " $2 " " $3 " " $4] = $5; next}
     $1 == "step" {key = $2 " " $3 " " $4 " " $5
         printf "%-12s %-5s %-5s batches of %-3s peer, padded to %-8s %7.4f s  lethe %7.4f s  %5.1f times as fast\n",
             $2, $3, $4, $5, $6, $7, ours[key], $7 / ours[key]}' $work/gpu.ours $work/gpu.theirs
