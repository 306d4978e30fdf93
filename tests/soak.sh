#!/usr/bin/env bash
# A long training of a tiny encoder on each engine: memory must not grow but by what is kept of a step, and the engines must stay together.
#   ./build.sh soak [STEPS [VULKAN_STEPS]]      10,000 steps on the CPU, 1,000 on the first Vulkan device; 0: none
set -euo pipefail
cd "$(dirname "$0")/.."
steps=${1:-10000} vulkan_steps=${2:-1000}
lethe=${LETHE:-build/lethe}
out=build/soak
most_growth=400 # bytes a step: its event is kept, for the snapshot and for methods that share the training
most_apart=2  # percent, of the mean loss of a hundred steps

train() { # train NAME DEVICE STEPS: its losses in $out/NAME/results.jsonl, "step kB" a line in $out/NAME.memory
    local results=$out/$1/results.jsonl pid kb
    "$lethe" run --quiet --force --device "$2" --threads 1 --model tests/golden/interchange/bert --method full \
        --task soak=assets/sentiment_train.tsv,assets/sentiment_eval.tsv --eval-rows 64 --max-length 32 \
        --learning-rate 1e-4 --epochs $(($3 / 63 + 1)) --max-steps "$3" --no-diagnostics --keep-models none --out "$out/$1" >"$out/$1.log" 2>&1 &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        kb=$(awk '/^VmRSS/ {print $2}' /proc/$pid/status 2>/dev/null || true)
        # what is read of a process that is just ending is nothing
        [ -z "$kb" ] || [ ! -e "$results" ] || echo "$(grep -c '"event":"step"' "$results" || true) $kb"
        sleep 0.5
    done >"$out/$1.memory"
    wait $pid || { cat "$out/$1.log"; exit 1; }
}

# memory NAME: the resident memory at five moments behind the first evaluation, at step 63; fails when it grew
memory() {
    awk -v name="$1" -v most=$most_growth '
        $1 > 0 {n++; step[n] = $1; kb[n] = $2}
        END {
            last = step[n]
            for (i = 1; i <= n; i++) if (step[i] >= last / 10 && step[i] > 63 && step[i] < last) {if (!first) first = i; end = i}
            if (end <= first) {print name ": too short to tell"; exit 1}
            printf "%s: %d steps; resident memory in MB at step", name, last
            for (k = 0; k <= 4; k++) {i = int(first + k * (end - first) / 4); printf "%s %d: %.1f", k ? "," : "", step[i], kb[i] / 1024}
            growth = 1024 * (kb[end] - kb[first]) / (step[end] - step[first])
            printf "; growth %.0f bytes a step\n", growth
            exit growth > most
        }' "$out/$1.memory" || { echo "soak: the memory of $1 grows" >&2; return 1; }
}

losses() { sed -n 's/^{"event":"step",.*"step":\([0-9]*\),.*"loss":\([^,]*\),.*/\1 \2/p' "$out/$1/results.jsonl"; }

apart() { # apart A B: the largest difference of a step's loss, and of the mean of a hundred steps
    join <(losses "$1" | sort -k1,1) <(losses "$2" | sort -k1,1) | sort -n | awk -v most=$most_apart '
        {
            d = $2 - $3; d = d < 0 ? -d : d
            if (d > worst) worst = d
            if (NR <= 100 && d > early) early = d
            a += $2; b += $3
            if (NR % 100 == 0) {m = 100 * (a > b ? a - b : b - a) / a; if (m > mean) mean = m; a = b = 0}
        }
        END {
            printf "%d steps on both engines: losses differ by at most %.1e in the first 100 steps, %.1e in all; their means over 100 steps by %.2f%%\n", NR, early, worst, mean
            exit NR < 100 || early > 1e-3 || mean > most
        }' || { echo "soak: the engines drift apart" >&2; return 1; }
}

mkdir -p $out
failed=0
if [ "$steps" -gt 0 ]; then
    train cpu cpu "$steps"
    memory cpu || failed=1
fi
if [ "$vulkan_steps" -gt 0 ]; then
    train gpu gpu "$vulkan_steps"
    memory gpu || failed=1
    train cpu-short cpu "$vulkan_steps" # the learning rate falls over a whole training: only equal lengths compare
    apart cpu-short gpu || failed=1
fi
exit $failed
