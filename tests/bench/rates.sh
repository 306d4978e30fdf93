#!/usr/bin/env bash
# ./build.sh bench rates: how the default learning rates were chosen. Trains both tasks of the built-in data, and of real
# SST-2 and MNLI where they lie beside the checkout, at each rate with each of $SEEDS (1,2,3), and prints what was learned:
# the mean accuracy on a task right after it was trained. What is forgotten plays no part in the choice.
# Runs that are finished in build/bench/rates are not repeated.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=../shared/data work=build/bench/rates
mkdir -p $work

builtin=()
real=(--task "sst2=$data/SST-2/train.tsv,$data/SST-2/dev.tsv" --task "mnli=$data/MNLI/train_sample.tsv,$data/MNLI/dev_matched.tsv")
sets=(builtin)
[ ! -e $data/SST-2/train.tsv ] || sets+=(real)

try() { # try SET METHOD OPTION RATE
    local -n tasks=$1
    build/lethe run --quiet --no-diagnostics --keep-models none --seeds "${SEEDS:-1,2,3}" --method "$2" "$3" "$4" "${tasks[@]}" --out "$work/$1-$2-$4" >/dev/null
}
for set in "${sets[@]}"; do
    for rate in 2e-5 5e-5 1e-4; do try "$set" full --learning-rate $rate; done
    for rate in 1e-3 2e-3 4e-3; do try "$set" lora-seq --lora-learning-rate $rate; done
done
python3 - $work "${sets[@]}" <<'PY'
import glob, json, os, re, sys
work, sets = sys.argv[1], sys.argv[2:]
print("%-8s %-9s %5s  task 1 and task 2 when learned; task 1 at the end (means over seeds, %%)" % ("data", "method", "rate"))
rows = []
for path in glob.glob(f"{work}/*/summary.json"):
    data, method, rate = re.match("([a-z]+)-(full|lora-seq)-(.+)$", os.path.basename(os.path.dirname(path))).groups()
    matrices = [run["matrix"] for run in json.load(open(path))["methods"]]
    mean = lambda i, j: 100 * sum(m[i][j] for m in matrices) / len(matrices)
    if data in sets: rows.append((data, method, float(rate), rate, mean(0, 0), mean(1, 1), mean(1, 0)))
for data, method, _, rate, first, second, kept in sorted(rows):
    print("%-8s %-9s %5s  %5.1f %5.1f; %5.1f" % (data, method, rate, first, second, kept))
PY
