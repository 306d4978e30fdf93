#!/usr/bin/env bash
# ./build.sh release test: what can be tested of a release on one Linux machine. A script of this folder for each system
# prints a line a check; the table of all is printed last. Everything lies in build/release-test.
#   RELEASE_ONLY=PATTERN    only targets whose name matches, as in linux-*
set -euo pipefail
cd "$(dirname "$0")/../.."
release=build/release work=$PWD/build/release-test table=$PWD/build/release-test/table
version=$(sed -n 's/^#define LETHE_VERSION "\(.*\)"/\1/p' main.c)
mkdir -p "$work"
: >"$table"

row() { printf '%s\t%s\t%s\t%s\n' "$@" >>"$table"; }
suite() { # suite TARGET SCRIPT ARGUMENT...: a row for each line ok, FAILED or skipped that it prints
    local target=$1 script=tests/release/$2 line result from=$SECONDS
    shift 2
    # shellcheck disable=SC2254
    case $target in ${RELEASE_ONLY:-*}) ;; *) return 0 ;; esac
    if [ ! -e "$script" ]; then row "$target" "$script is not there" FAILED 0; return; fi
    while read -r line; do
        echo "$target: $line" >&2
        read -r result line <<<"$line"
        case $result in ok | FAILED | skipped) row "$target" "$line" "$result" $((SECONDS - from)) ;; esac
        from=$SECONDS
    done < <(bash "$script" "$@" 2>"$work/$target.errors" </dev/null || echo "ended $script: exit code $?")
    # a script that failed without a failed check
    if [ "${result:-}" = ended ] && ! grep -q "^$target"$'\t.*\tFAILED\t' "$table"; then
        row "$target" "$line, $(tail -n 1 "$work/$target.errors" | cut -c1-80)" FAILED 0
    fi
}
program() { # program NAME: the program out of its archive, which is what people get
    local name=$1 folder=$work/$1/program
    rm -rf "$folder"
    mkdir -p "$folder"
    if [ -e "$release/lethe-$version-$name.zip" ]; then
        python3 -m zipfile -e "$release/lethe-$version-$name.zip" "$folder"
    elif [ -e "$release/lethe-$version-$name.tar.gz" ]; then
        tar -xf "$release/lethe-$version-$name.tar.gz" -C "$folder"
    fi
    echo "$folder/lethe-$version-$name/lethe$(case $name in windows-*) echo .exe ;; esac)"
}

suite archives archives.sh $release "$work/archives"
suite linux-x86_64 linux.sh "$(program linux-x86_64)" "$work/linux-x86_64"
for wheel in "$release"/*manylinux*_"$(uname -m)".whl; do suite wheels wheels.sh "$wheel" "$work/wheels"; done
suite linux-aarch64 aarch64.sh "$(program linux-aarch64)" "$work/linux-aarch64"
helper=$work/helper.exe
ZIG_GLOBAL_CACHE_DIR=${ZIG_GLOBAL_CACHE_DIR:-$PWD/$release/cache} $release/tools/ziglang/zig cc -target x86_64-windows-gnu -O2 \
    tests/release/windows_helper.c -o "$helper" -luser32 || rm -f "$helper"
suite windows-x86_64 windows.sh "$(program windows-x86_64)" "$work/windows-x86_64" "$helper" "$(program linux-x86_64)"
suite macos-arm64 macos.sh "$(program macos-arm64)" "$work/macos-arm64" arm64
suite macos-x86_64 macos.sh "$(program macos-x86_64)" "$work/macos-x86_64" x86_64
suite same-bytes again.sh $release "$work/again"

echo
{ printf 'target\tcheck\tresult\tseconds\n' && cat "$table"; } | awk -F'\t' '
    {for (i = 1; i <= 4; i++) {cell[NR, i] = $i; if (length($i) > wide[i]) wide[i] = length($i)}}
    END {for (r = 1; r <= NR; r++) printf "%-" wide[1] "s  %-" wide[2] "s  %-" wide[3] "s  %7s\n", cell[r, 1], cell[r, 2], cell[r, 3], cell[r, 4]}'
count() { cut -f3 "$table" | grep -cx "$1" || true; }
echo "$(count ok) passed, $(count FAILED) failed, $(count skipped) skipped"
[ "$(count FAILED)" = 0 ] && [ "$(count ok)" != 0 ]
