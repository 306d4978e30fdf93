#!/usr/bin/env bash
# aarch64.sh PROGRAM WORK: the Linux ARM64 program under qemu, with Debian's C library for ARM64.
set -euo pipefail
cd "$(dirname "$0")/../.."
PROGRAM=$(realpath "$1") WORK=$(mkdir -p "$2" && cd "$2" && pwd)
source tests/release/common.sh
lethe=(qemu-aarch64-static -L /usr/aarch64-linux-gnu "$PROGRAM")
export QEMU_LD_PREFIX=/usr/aarch64-linux-gnu VK_DRIVER_FILES=/dev/null

# lethe starts itself again to try a device. qemu hands that to the kernel, which must know what to do with ARM programs:
# for as long as this script runs, where nothing has told it.
binfmt=/proc/sys/fs/binfmt_misc
undo=()
trap 'for last in "${undo[@]}"; do eval "$last"; done' EXIT
if [ ! -e $binfmt/register ] && mount -t binfmt_misc binfmt_misc $binfmt 2>/dev/null; then undo+=("umount $binfmt"); fi
if ! grep -qs '^interpreter.*aarch64' $binfmt/*aarch64* && [ -w $binfmt/register ]; then
    printf '%s' ':lethe-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00' \
        ':\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff' \
        ":$(command -v qemu-aarch64-static):" >$binfmt/register
    undo=("echo -1 >$binfmt/lethe-aarch64" "${undo[@]}")
fi

symbols() {
    local newest
    newest=$(readelf -V "$PROGRAM" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -n 1)
    echo "the newest symbol is of glibc $newest"
    [ "$(printf '%s\n' "$newest" 2.17 | sort -V | tail -n 1)" = 2.17 ]
}
version() { "${lethe[@]}" --version | grep -q 'target: aarch64-linux-gnu.2.17'; }
selftest() { "${lethe[@]}" selftest; }
short_run() { (cd "$1" && "${lethe[@]}" "${SHORT_RUN[@]}" "${@:2}" && "${lethe[@]}" "${short_predict[@]}" >answers.txt); }

resume() { # killed in the middle, it goes on to the same results
    local more=(--epochs 6 --snapshot-seconds 0) started
    short_folder "$WORK/whole"
    short_folder "$WORK/killed"
    short_run "$WORK/whole" "${more[@]}"
    (cd "$WORK/killed" && exec "${lethe[@]}" "${SHORT_RUN[@]}" "${more[@]}") &
    started=$!
    for _ in $(seq 600); do [ ! -e "$WORK/killed/OUT/snapshots" ] || break; sleep 0.2; done
    sleep 1
    kill -9 $started
    wait $started 2>/dev/null || true
    [ -e "$WORK/killed/OUT/snapshots" ] || { echo "it ended before it was killed"; return 1; }
    short_run "$WORK/killed" "${more[@]}"
    diff <(short_results "$WORK/whole") <(short_results "$WORK/killed")
}

agrees() { # with the x86-64 program: every logit within 1e-3
    short_folder "$WORK/x86"
    (cd "$WORK/x86" && "$OLDPWD/build/lethe" "${SHORT_RUN[@]}")
    paste "$WORK/x86/OUT/predictions.tsv" "$WORK/here/OUT/predictions.tsv" | awk -F'\t' '
        FNR > 1 {for (i = 1; i <= NF / 2; i++) {d = $i - $(i + NF / 2); if (d < 0) d = -d; if (d > worst) worst = d}}
        END {print "largest difference", worst + 0; exit !(FNR > 1 && worst < 1e-3)}'
}

moved() { # a run of the ARM program is read by the x86-64 one, and the other way round
    build/lethe report "$WORK/here/OUT" && (cd "$WORK/x86" && "${lethe[@]}" "${short_predict[@]}" && "${lethe[@]}" report OUT)
}

: >"$WORK/log"
check 'symbols of glibc 2.17 at most' symbols
check 'version' version
check 'selftest' selftest
short_folder "$WORK/here"
check 'short run' short_run "$WORK/here"
check 'numbers agree with x86-64' agrees
check 'folders move between ARM64 and x86-64' moved
check 'killed and resumed: the same bits' resume
