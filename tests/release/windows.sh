#!/usr/bin/env bash
# What the Windows program does, seen from outside, under Wine:  windows.sh LETHE.EXE WORK_FOLDER HELPER.EXE LINUX_LETHE
# HELPER.EXE is windows_helper.c, compiled; LINUX_LETHE is the release's program for this machine. Where one is missing,
# Ctrl-C and held files, or what both programs must agree in, are skipped, without xvfb-run Vulkan is, and where nothing
# can be mounted the full disk is. A line for each check: 'ok', 'FAILED' or 'skipped'; exit status 1 when
# one failed.
set -uo pipefail
# One display for all: Wine's own processes outlive a program, and keep what the first one had.
[ -n "${DISPLAY:-}" ] || ! command -v xvfb-run >/dev/null || exec xvfb-run -a "$0" "$@"
root=$(cd "$(dirname "$0")/../.." && pwd)
lethe=$(realpath "$1") work=$(mkdir -p "$2" && cd "$2" && pwd)
helper=$([ ! -e "${3:-}" ] || realpath "$3") linux=$([ ! -x "${4:-}" ] || realpath "$4")
wine=$(command -v wine64 || command -v wine || echo /usr/lib/wine/wine64)
export WINEPREFIX=${WINEPREFIX:-$work/prefix} WINEDEBUG=-all
failed=0 out='' err='' code=0
rm -rf "$work/run" # the prefix stays
mkdir -p "$work/run" && cd "$work/run" || exit 1

check() { # check NAME CONDITION...: its line
    local name=$1
    shift
    if "$@"; then
        echo "ok      $name"
    else
        echo "FAILED  $name (exit $code)"
        printf '%s\n%s\n' "$out" "$err" | head -n 8 | sed 's/^/        | /'
        failed=1
    fi
}
skip() { echo "skipped $1: $2"; }
exe() { timeout "${LIMIT:-300}" "$wine" "$@"; }
try() { # try WORD...: lethe with these, into out, err and code
    exe "$lethe" "$@" >out 2>err </dev/null
    code=$?
    out=$(cat out) err=$(cat err)
}
is() { [ "$code" = "$1" ] && [[ "$out$err" == *"$2"* ]]; }                            # is CODE TEXT
one_line() { [ "$code" = "$1" ] && [ "$(wc -l <err)" = 1 ] && [[ "$err" == "lethe: "*"$2"* ]]; } # one_line CODE TEXT
no_cr() { ! grep -q $'\r' "$1"; }

# ---- data: a tiny encoder, rows whose file has a space and no ASCII in its name ----

cp -r "$root/tests/golden/interchange/bert" model
rows() { # rows FILE COUNT SHIFT MORE
    local i
    printf 'sentence\tlabel\n' >"$1"
    for ((i = 0; i < $2; i++)); do
        printf "%s film$4 number %s\t%d\n" "$([ $(((i + $3) % 3)) = 0 ] && echo a bad || echo a good)" \
            "$([ $((i % 5)) = 0 ] && echo film good || echo a)" $(((i + $3) % 3 != 0)) >>"$1"
    done
}
mkdir 'Zoë 中'
rows 'Zoë 中/a rows.tsv' 60 0 ''
rows eval.tsv 20 2 ' film'
base=(run --device cpu --threads 1 --model model --max-length 16 --batch-size 2 --snapshot-seconds 0 --no-diagnostics
    --task 'a=Zoë 中\a rows.tsv,eval.tsv' --task 'b=Zoë 中/a rows.tsv,eval.tsv' --method full,si,lora-seq)
events() { # events OUT: results.jsonl without what times and machines differ in
    sed 's/,"[a-z_]*seconds":[^,}]*//g; s/,"peak_bytes":[0-9]*//; s/,"threads":[0-9]*//' "$1/results.jsonl"
}
same_run() { # same_run OUT OUT
    cmp <(events "$1") <(events "$2") && cmp "$1/predictions.tsv" "$2/predictions.tsv" && diff -r "$1/models" "$2/models"
}

# ---- words of the command line, the console ----

try --version
check "--version" is 0 "lethe "
try help run
check "help" is 0 "--snapshot-seconds"
check "lines end in LF alone" no_cr out
try predict --run 'nothing/ä' --task a
check "non-ASCII in messages" one_line 1 'nothing/ä'
try run --task 'con=a.tsv,b.tsv'
check "a task that Windows takes for a device" one_line 2 "no folder can have this task's name"
try run --task "a=Zoë 中/a rows.tsv,eval.tsv" --model model --max-length 16 --out 'out:put'
check "a folder's name that Windows refuses" one_line 1 "Windows allows no such name"

# ---- a run ----

try "${base[@]}" --epochs 2 --out 'whole ö\run'
check "a run; spaces, non-ASCII, backslashes" is 0 "full"
check "its table ends lines in LF alone" no_cr out
check "its events do, too" no_cr 'whole ö/run/results.jsonl'
table=$out
try report 'whole ö/run'
check "report gives the same table" test "$(grep '^[a-z-]* .*%\|^[a-z-]* .*\]' <<<"$out")" = "$(grep '^[a-z-]* .*%\|^[a-z-]* .*\]' <<<"$table")"
try run --config 'whole ö/run/config.json' --out again --quiet
check "again from its config.json: the same bits" same_run 'whole ö/run' again
cp -r again second
try report 'whole ö/*'
check "report of OUT/*, which no shell expands" is 0 "full"
long=$(printf '/%0100d' 1 2 3)
try "${base[@]}" --epochs 1 --quiet --method full --out "long$long"
check "an OUT of more than 300 characters" test -s "long$long/report.html"

until_snapshot() { # until_snapshot OUT COMMAND...: killed after its first snapshot
    local out=$1 i
    shift
    "$@" --out "$out" >/dev/null 2>&1 </dev/null &
    for ((i = 0; i < 1200; i++)); do
        compgen -G "$out/snapshots/*.zst" >/dev/null && break
        sleep 0.05
    done
    kill -9 $!
    wait $! 2>/dev/null
}

# ---- beside the Linux program ----

native() { "$linux" "$@" >out 2>err </dev/null; code=$? out=$(cat out) err=$(cat err); }
without_run() { # without_run OUT: its events without the one that names system and program
    events "$1" | grep -v '"event":"run"'
}
same_numbers() { # same_numbers OUT OUT
    [ -s "$1/predictions.tsv" ] && cmp <(without_run "$1") <(without_run "$2") && cmp "$1/predictions.tsv" "$2/predictions.tsv"
}
if [ -n "$linux" ]; then
    both=(run --device cpu --threads 1 --model model --max-length 16 --batch-size 2 --epochs 2 --snapshot-seconds 0
        --method full,si,lora-seq+replay --keep-models all --quiet)
    try "${both[@]}" --train-rows 40 --eval-rows 24 --out by-windows
    native "${both[@]}" --train-rows 40 --eval-rows 24 --out by-linux
    check "the same bits as the Linux program, diagnostics and all" same_numbers by-windows by-linux
    check "the same models" diff -r -I '"folder": ' by-windows/models by-linux/models # where the pretrained one lies
    until_snapshot moved-1 "$wine" "$lethe" "${both[@]}" --train-rows 40 --eval-rows 24
    check "killed under Windows" test ! -e moved-1/summary.json
    native "${both[@]}" --train-rows 40 --eval-rows 24 --out moved-1
    check "goes on under Linux to the same bits" same_numbers by-linux moved-1
    until_snapshot moved-2 "$linux" "${both[@]}" --train-rows 40 --eval-rows 24
    check "killed under Linux" test ! -e moved-2/summary.json
    try "${both[@]}" --train-rows 40 --eval-rows 24 --out moved-2
    check "goes on under Windows to the same bits" same_numbers by-linux moved-2
    native report by-windows
    table=$out
    try report by-windows
    check "both report the same" test -n "$table" -a "$table" = "$out"
    printf 'a good film\nein sch\xc3\xb6ner Film\n' >texts.txt
    native predict --device cpu --threads 1 --run by-windows --model model --task sentiment --method lora-seq+replay texts.txt
    answers=$out
    try predict --device cpu --threads 1 --run by-linux --model model --task sentiment --method lora-seq+replay texts.txt
    check "each predicts by the other's models" test -n "$answers" -a "$answers" = "$out"
    native export by-windows --task sentiment --method full --to exported-1
    try export by-linux --task sentiment --method full --to exported-2
    check "each exports the other's models" diff -r exported-1 exported-2
    "$linux" run --threads 1 --quiet --out default-linux >linux.table 2>/dev/null </dev/null &
    LIMIT=5400 try run --threads 1 --quiet --out default-windows
    wait
    check "the default experiment: the same table" cmp linux.table out
    check "and the same bits" same_numbers default-windows default-linux
else
    skip "what the Linux program does" "it is not there"
fi

# ---- killed, twice at once, interrupted ----

"$wine" "$lethe" "${base[@]}" --epochs 2 --quiet --out killed >/dev/null 2>&1 </dev/null &
for ((i = 0; i < 600; i++)); do
    compgen -G 'killed/snapshots/*.zst' >/dev/null && break
    sleep 0.05
done
try "${base[@]}" --epochs 2 --quiet --out killed
check "two processes on one OUT" one_line 1 "killed"
kill -9 $!
wait $! 2>/dev/null
check "it was killed in between" test ! -e killed/summary.json
try "${base[@]}" --epochs 2 --out killed
check "a killed run goes on" is 0 "goes on"
check "to the same bits" same_run 'whole ö/run' killed
if [ -n "$helper" ]; then
    exe "$helper" until interrupted/snapshots 100 "$lethe" "${base[@]}" --epochs 2 --out interrupted >out 2>err </dev/null
    code=$? out=$(cat out) err=$(cat err) # which go to the helper's console
    check "Ctrl-C ends it" test $code = 130
    check "with a snapshot" test -n "$(compgen -G 'interrupted/snapshots/*.zst')"
    try "${base[@]}" --epochs 2 --out interrupted
    check "an interrupted run goes on to the same bits" same_run 'whole ö/run' interrupted
    exe "$helper" hold again/table.md "$lethe" report again >out 2>err </dev/null
    code=$? out=$(cat out) err=$(cat err)
    check "a file that another program holds: one line" one_line 1 "another program has this file open"
    check "it is what it was" cmp -s again/table.md second/table.md
    check "and nothing half-written lies beside it" test -z "$(find again -name '*.tmp')"
else
    skip "Ctrl-C, files that others hold" "no helper"
fi

# ---- pipes ----

answers=$(printf 'a good film\r\nein sch\xc3\xb6ner Film\n' | exe "$lethe" predict --device cpu --run again --task a --method full 2>err)
code=$? out=$answers err=$(cat err)
check "predict from a pipe" test "$(grep -c '^{"label": *"[01]".*}$' <<<"$answers")" = 2
mkfifo rows
exe "$lethe" predict --device cpu --run again --task a --method full <rows >answers 2>err &
exec 8>rows
printf 'a bad film\n' >&8
for ((i = 0; i < 600; i++)); do [ -s answers ] && break; sleep 0.05; done
check "a row is answered as it comes" test "$(wc -l <answers)" = 1
printf 'a good film\n' >&8
exec 8>&-
wait $!
code=$?
check "until the pipe ends" test "$code $(wc -l <answers)" = "0 2"
exe "$lethe" help run 2>err </dev/null | head -c 1 >out
err=$(cat err) out=''
check "a pipe that nobody reads any more: silence" test ! -s err
yes 'a good film' | head -n 2000 | exe "$lethe" predict --device cpu --run again --task a --method full 2>err | head -n 1 >out
code=${PIPESTATUS[2]} err=$(cat err)
check "so does predict" test "$code" = 0 -a "$(wc -l <out)" = 1

# ---- export ----

try export again --task a --method full --to 'exp ört'
check "export" test -s 'exp ört/model.safetensors'
answers=$(printf 'a good film\n' | exe "$lethe" predict --device cpu --run again --task a --method full 2>/dev/null)
exported=$(printf 'a good film\n' | exe "$lethe" predict --device cpu --model 'exp ört' 2>/dev/null)
check "predicts the same" test -n "$answers" -a "$answers" = "$exported"
try export again --task a --method lora-seq --to 'adapter'
check "an adapter with its base" test -s adapter/adapter_model.safetensors

# ---- serve: the page, its refusals, a run that it starts, a model that answers ----

"$wine" "$lethe" serve --no-browser >serve.out 2>serve.err </dev/null &
serving=$!
address='' folder='{}'
for ((i = 0; i < 600; i++)); do
    address=$(grep -o 'http://127[^ ]*/' serve.out | head -n 1)
    [ -z "$address" ] || break
    sleep 0.1
done
token=${address%/} token=${token##*/}
ask() { # ask PATH [CURL OPTION...]: into out and, the status, code
    code=$(curl -s -m 120 -o answer -w '%{http_code}' "${@:2}" "$address$1" 2>err)
    out=$(tr -d '\r' <answer) err=$(cat err serve.err)
}
posted() { ask "$1" -H "X-Lethe-Token: $token" -d "$2"; }
field() { # field EXPRESSION: of the JSON in out, as Python has it
    python3 -c 'import json, sys; print(eval(sys.argv[1], {"o": json.load(sys.stdin)}))' "$1" <<<"$out" 2>/dev/null
}
if command -v curl >/dev/null; then
    ask ''
    check "serve: its page" is 200 "<html"
    ask api/folders -H 'Host: evil.example'
    check "serve: another host is refused" test "$code" = 403
    address=${address/$token/00000000000000000000000000000000} ask api/folders
    check "serve: so is a wrong token" test "$code" = 403
    posted api/run '{"tasks":[{"builtin":"sentiment"},{"builtin":"nli"}],"model":"model","methods":["full"],"out":"served",
        "options":{"epochs":"1","train-rows":"40","eval-rows":"20","max-length":"16","batch-size":"4","device":"cpu","threads":"1"}}'
    check "serve: starts a run" test "$code" = 200
    folder=$(field 'o["id"]')
    for ((i = 0; i < 600; i++)); do
        ask api/folders
        [[ $(field "[f['state'] for f in o if str(f['id']) == '$folder'][0]") != finished ]] || break
        sleep 0.2
    done
    check "serve: sees it end" test -s served/report.html
    ask "api/view?folder=$folder"
    check "serve: shows it" test "$code $(field 'o["finished"], len(o["methods"])')" = "200 (True, 1)"
    ask "api/states?folder=$folder"
    posted api/ask "{\"folder\":\"$folder\",\"task\":\"sentiment\",\"text\":\"a good film\"}"
    check "serve: each kept model answers" test "$code $(field 'len(o["answers"])')" = "200 2"
else
    skip "serve" "no curl"
fi
kill -9 $serving
wait $serving 2>/dev/null

# ---- disks ----

try "${base[@]}" --epochs 1 --out /proc/lethe
check "a folder in which nothing can be made" one_line 1 "/proc/lethe"
mkdir full
if mount -t tmpfs -o size=64k tmpfs full 2>/dev/null; then
    try report again --out full/report
    check "a full disk" one_line 1 "No space left on device"
    check "leaves nothing half-written" test -z "$(find full -name '*.tmp')"
    mount -o remount,ro full
    try "${base[@]}" --epochs 1 --quiet --out full/other
    check "a read-only disk" one_line 1 "full/other"
    umount full
else
    skip "a full and a read-only disk" "nothing can be mounted here"
fi

# ---- devices ----

if [ -n "${DISPLAY:-}" ] && compgen -G '/usr/share/vulkan/icd.d/lvp_icd*' >/dev/null; then
    LIMIT=1500 try selftest
    check "selftest on the CPU and on Vulkan (lavapipe)" is 0 "llvmpipe"
    try "${base[@]}" --device gpu --epochs 1 --method full --quiet --out vulkan
    check "a run on Vulkan" test -s vulkan/report.html
else
    skip "Vulkan" "no xvfb-run, or no lavapipe"
    LIMIT=1500 try selftest
    check "selftest on the CPU" is 0 ""
fi
exit $failed
