# What the scripts of tests/release share. Each of them prints a line a check: ok NAME, FAILED NAME: why, or
# skipped NAME: why; what commands said lies in $WORK/log.
# shellcheck shell=bash

# check NAME COMMAND...: ok when it succeeds
check() {
    local name=$1
    shift
    echo "---- $name: $*" >>"$WORK/log"
    if ("$@") >"$WORK/said" 2>&1 </dev/null; then echo "ok $name"; else echo "FAILED $name: $(tail -n 1 "$WORK/said" | cut -c1-100)"; fi
    cat "$WORK/said" >>"$WORK/log"
}

# A short run of a tiny encoder, and what it predicts; in the folder of MODEL, OUT and texts.txt.
SHORT_RUN=(run --quiet --device cpu --threads 1 --model MODEL --max-length 16 --epochs 2 --train-rows 24 --eval-rows 24
    --batch-size 8 --method "full,lora-seq+replay" --out OUT)
short_folder() { # short_folder FOLDER: makes it
    rm -rf "$1"
    mkdir -p "$1"
    cp -r tests/golden/interchange/bert "$1/MODEL"
    printf 'a good film\na bad film\n\303\251t\303\251\n' >"$1/texts.txt"
}
short_predict=(predict --device cpu --threads 1 --run OUT --task sentiment --method full texts.txt)

short_results() { # short_results FOLDER: what the run computed, without times and names
    (cd "$1" && cat OUT/predictions.tsv answers.txt OUT/models/*.safetensors OUT/models/*/*.safetensors 2>/dev/null | sha256sum
        sed -E 's/"([a-z_]*seconds|peak_bytes|memory_bytes)": ?[0-9.e+-]+/"\1":0/g' OUT/results.jsonl | grep -v '"event": *"run"')
}
