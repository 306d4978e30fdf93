#!/usr/bin/env bash
# ./build.sh grid: jobs of `lethe plan` under the real GNU parallel and under a Slurm of one node that is started here for
# the purpose (root only). Both must leave the same numbers as one run of everything.
set -euo pipefail
work=$(mktemp -d)
started=()
finish() {
    [ ${#started[@]} = 0 ] || kill "${started[@]}" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

rows() { # rows NAME COUNT: a table of two classes
    awk -v n="$2" 'BEGIN {print "sentence\tlabel"; for (i = 0; i < n; i++) print (i % 2 ? "a good" : "a bad") " film number " i "\t" i % 2}' >"$work/$1"
}
rows train.tsv 32
rows eval.tsv 20
run=(--model "$work/model" --task "one=$work/train.tsv,$work/eval.tsv" --task "two=$work/train.tsv,$work/eval.tsv"
    --method full,lora --seeds 1,2 --epochs 1 --max-length 16 --quiet --device cpu --threads 1)
cp -r tests/golden/tiny-bert "$work/model"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' a good bad film number {0..9} '##'{0..9} >"$work/model/vocab.txt"

matrices() { # matrices FOLDER...: the accuracy matrix of every method and seed
    build/lethe report "$@" >"$work/table"
    sed -n 's/.*"event":"eval","method":"\([^"]*\)","seed":\([0-9]*\).*"after_task":\([0-9]*\),"task":\([0-9]*\).*"correct":\([0-9]*\).*"final":true.*/\1 \2 \3 \4 \5/p' \
        "${@/%//results.jsonl}" | sort
}

build/lethe run "${run[@]}" --out "$work/whole" >/dev/null
matrices "$work/whole" >"$work/expected"
[ -s "$work/expected" ] || { echo "grid: the whole run left no numbers"; exit 1; }

compare() { # compare NAME
    matrices "$work/$1"/* >"$work/$1.got"
    diff "$work/expected" "$work/$1.got" >/dev/null || { echo "grid: $1's numbers are not those of one run"; exit 1; }
    echo "grid: $1: $(ls "$work/$1" | wc -l) jobs, the same numbers as one run"
}

build/lethe plan --for parallel "${run[@]}" --out "$work/parallel" | parallel --will-cite -j 2
compare parallel
build/lethe plan --for parallel "${run[@]}" --grid learning-rate=1e-4,1e-3 --out "$work/sweep" | parallel --will-cite -j 2
build/lethe report "$work/sweep"/* >"$work/table"
for line in 'full (learning-rate 0.0001)' 'full (learning-rate 0.001)' 'lora '; do
    grep -qF "$line" "$work/table" || { echo "grid: no line '$line' in the report of a sweep"; exit 1; }
done
echo "grid: a sweep of learning rates: one method a value"

if [ "$(id -u)" != 0 ]; then
    echo "grid: slurm skipped: starting one takes root"
    exit 0
fi
chmod 755 "$work"
mkdir "$work/munge" "$work/state" "$work/spool"
dd if=/dev/urandom of="$work/munge/key" bs=1024 count=1 2>/dev/null
chmod 400 "$work/munge/key"
chown -R munge "$work/munge"
runuser -u munge -- munged --foreground --key-file="$work/munge/key" --socket="$work/munge/socket" \
    --pid-file="$work/munge/pid" --seed-file="$work/munge/seed" --log-file="$work/munge/log" >/dev/null 2>&1 &
started+=($!)
node=$(hostname -s)
cat >"$work/slurm.conf" <<CONF
ClusterName=lethe
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ReturnToService=2
SelectType=select/cons_tres
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$work/slurm.conf
wait_for() { # wait_for SECONDS COMMAND...
    local i
    for ((i = 0; i < $1 * 5; i++)); do
        if "${@:2}" >/dev/null 2>&1; then return 0; fi
        sleep 0.2
    done
    echo "grid: slurm: '${*:2}' never came true"
    tail -n 5 "$work"/slurm*.log
    exit 1
}
wait_for 20 test -S "$work/munge/socket"
slurmctld -D >/dev/null 2>&1 &
started+=($!)
slurmd -D >/dev/null 2>&1 &
started+=($!)
wait_for 30 sh -c "sinfo -h -o %T | grep -q idle"
build/lethe plan --for slurm "${run[@]}" --out "$work/slurm" >"$work/jobs.sh"
sbatch --wait --output="$work/job-%a.log" "$work/jobs.sh" >/dev/null || { cat "$work"/job-*.log; exit 1; }
compare slurm
