#!/usr/bin/env bash
# linux.sh PROGRAM WORK: the Linux x86-64 program in chroots of old systems and on old processors. Needs root for chroots.
set -euo pipefail
cd "$(dirname "$0")/../.."
PROGRAM=$(realpath "$1") WORK=$(mkdir -p "$2" && cd "$2" && pwd)
source tests/release/common.sh

symbols() { # no symbol of a newer C library, and no other library than its own
    local newest others
    newest=$(readelf -V "$PROGRAM" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -n 1)
    echo "the newest symbol is of glibc $newest"
    [ "$(printf '%s\n' "$newest" 2.17 | sort -V | tail -n 1)" = 2.17 ] || return 1
    others=$(readelf -d "$PROGRAM" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -Ev '^(libc|libm|libdl|libpthread|ld-linux.*)\.so\.' || true)
    [ -z "$others" ] || { echo "it needs $others"; return 1; }
}

short_run() { # short_run FOLDER COMMAND...: a run and a prediction there, of the program that COMMAND starts
    local folder=$1
    shift
    (cd "$folder" && "$@" "${SHORT_RUN[@]}" && "$@" "${short_predict[@]}" >answers.txt)
}

same_bits() { # of two folders
    diff <(short_results "$1") <(short_results "$2")
}

system() { # system SUITE: a chroot of it, once
    local root=$WORK/$1 mirror
    [ ! -e "$root/made" ] || return 0
    for mirror in $(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u); do
        rm -rf "$root"
        if debootstrap --variant=minbase "$1" "$root" "$mirror" >"$WORK/debootstrap.log" 2>&1; then
            : >"$root/made"
            return 0
        fi
    done
    tail -n 1 "$WORK/debootstrap.log"
    return 1
}

had() { # had SUITE: whether a mirror of this machine has it
    local mirror
    for mirror in $(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u); do
        ! /usr/lib/apt/apt-helper download-file "${mirror%/}/dists/$1/Release" "$WORK/Release" >/dev/null 2>&1 || return 0
    done
    return 1
}

in_system() { # in_system SUITE: the short run there
    local root=$WORK/$1
    rm -rf "$root/short"
    short_folder "$root/short"
    cp "$PROGRAM" "$root/short/lethe"
    chroot "$root" sh -c 'cd /short && exec "$@"' sh ./lethe "${SHORT_RUN[@]}" &&
        chroot "$root" sh -c 'cd /short && exec "$@"' sh ./lethe "${short_predict[@]}" >"$root/short/answers.txt"
}

old_processor() { # Core 2 lacks SSE4.2 and POPCNT: one line, exit code 1
    local code=0
    qemu-x86_64-static -cpu core2duo "$PROGRAM" --version >"$WORK/old.out" 2>"$WORK/old.err" || code=$?
    cat "$WORK/old.err"
    [ $code = 1 ] && [ ! -s "$WORK/old.out" ] && [ "$(wc -l <"$WORK/old.err")" = 1 ] && grep -q 'too old' "$WORK/old.err"
}

: >"$WORK/log"
check 'symbols of glibc 2.17 at most, no other library' symbols
short_folder "$WORK/here"
short_folder "$WORK/gcc"
check 'short run' short_run "$WORK/here" "$PROGRAM"
check 'short run of build/lethe' short_run "$WORK/gcc" "$PWD/build/lethe"
check 'both give the same bits' same_bits "$WORK/here" "$WORK/gcc"
suites=()
for suite in wheezy jessie stretch buster bullseye bionic focal jammy; do # the oldest that is there, and Debian 11
    if [ ${#suites[@]} = 0 ] || [ $suite = bullseye ]; then ! had $suite || suites+=($suite); fi
done
[ ${#suites[@]} != 0 ] || echo "FAILED old systems: no mirror has one"
for suite in "${suites[@]}"; do
    check "chroot of $suite made" system "$suite"
    check "$suite: short run" in_system "$suite"
    check "$suite: the same bits" same_bits "$WORK/here" "$WORK/$suite/short"
done
short_folder "$WORK/nehalem"
check 'processor Nehalem (qemu): short run' short_run "$WORK/nehalem" qemu-x86_64-static -cpu Nehalem "$PROGRAM"
check 'processor Core 2 (qemu): one line' old_processor
