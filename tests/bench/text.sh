#!/usr/bin/env bash
# ./build.sh bench text: rows a second of lethe tokenize and lethe predict beside Hugging Face's fast tokenizer and its
# pipeline, on the same machine in the same run, with real rows. lethe's time holds its start, the reading of the
# file and the loading of the model; the peer's does not. Each is timed three times; the middle one counts.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=../shared/data python=${LETHE_PEER_PYTHON:-python3} work=build/bench/text model=build/bench/text/model
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=true
mkdir -p $work
[ -e $data/SST-2/train.tsv ] || data=
if [ -n "$data" ]; then
    tail -n +2 $data/SST-2/train.tsv | cut -f1 >$work/texts.txt
    tail -n +2 $data/MNLI/dev_matched.tsv | cut -f1,2 | tr -d '\r' >$work/pairs.txt
else
    echo "no real data beside the checkout: the built-in rows instead"
    for i in $(seq 20); do tail -n +2 assets/sentiment_train.tsv | cut -f1; done >$work/texts.txt
    for i in $(seq 3); do tail -n +2 assets/nli_train.tsv | cut -f1,2; done >$work/pairs.txt
fi
head -n 1000 $work/pairs.txt >$work/some.txt

middle() { sort -g | sed -n 2p; }
ours() { # ours FILE ARGUMENTS: rows a second
    local i begun ended file=$1
    shift
    for i in 1 2 3; do
        begun=$(date +%s.%N)
        build/lethe "$@" --model $model "$file" >$work/out
        ended=$(date +%s.%N)
        [ "$(wc -l <$work/out)" = "$(wc -l <"$file")" ] || { echo "bench: rows are missing" >&2; exit 1; }
        awk -v rows="$(wc -l <"$file")" -v a="$begun" -v b="$ended" 'BEGIN {printf "%.1f\n", rows / (b - a)}'
    done | middle
}
theirs() { for _ in 1 2 3; do "$python" tests/bench/text_peer.py "$1" $model "$2" 2>/dev/null; done | middle; }

if ! "$python" -c 'import torch, transformers' 2>/dev/null; then
    model=build/encoder
    printf '%-9s %-6s lethe %9s rows/s\n' tokenize texts "$(ours $work/texts.txt tokenize)" tokenize pairs "$(ours $work/pairs.txt tokenize)"
    echo "no PyTorch with transformers in $python: no ratios; LETHE_PEER_PYTHON=... names another interpreter"
    exit
fi
[ -e $model/model.safetensors ] || "$python" tests/bench/text_peer.py prepare build/encoder $model 2>/dev/null
compare() { # compare WORD FILE ROWS ARGUMENTS
    local own peer word=$1 file=$work/$2.txt what=$3
    shift 3
    own=$(ours "$file" "$word" "$@") peer=$(theirs "$word" "$file")
    awk -v word="$word" -v rows="$(wc -l <"$file") $what" -v own="$own" -v peer="$peer" 'BEGIN {
        printf "%-9s %-12s peer %9.1f rows/s  lethe %9.1f rows/s  %5.1f times as fast\n", word, rows, peer, own, own / peer}'
}
compare tokenize texts texts
compare tokenize pairs pairs
compare predict some pairs --device cpu --pairs yes
