# ./build.sh release: the program for every laptop, in build/release. Read by build.sh, whose functions it uses.
# zig's C compiler (release/tools.lock) makes it for all systems, from the sources of the libraries that
# release/libraries.lock pins, with the same assets and shaders as build/lethe. The same commit gives the same bytes.
#   build/release/sources  what was fetched, and unpacked      build/release/tools  the compiler
#   build/release/NAME     what was made for one system        build/release/*      what is published
# shellcheck shell=bash disable=SC2154

zig=$release/tools/ziglang/zig
packages_release_test=(debootstrap qemu-user-static libc6-arm64-cross python3-venv man-db wine64 xvfb xauth curl mesa-vulkan-drivers libvulkan1)
packages_release=(python3 python3-pip ca-certificates xz-utils git)
# name, target of the compiler, platform tag of the wheel
release_targets=(
    "linux-x86_64 x86_64-linux-gnu.2.17 manylinux_2_17_x86_64.manylinux2014_x86_64"
    "linux-aarch64 aarch64-linux-gnu.2.17 manylinux_2_17_aarch64.manylinux2014_aarch64"
    "windows-x86_64 x86_64-windows-gnu win_amd64"
    "macos-arm64 aarch64-macos.11.0 macosx_11_0_arm64"
    "macos-x86_64 x86_64-macos.11.0 macosx_11_0_x86_64"
)

# ---- the compiler and the libraries ----

release_tools() {
    local version
    version=$(sed -n 's/^ziglang==\([^ ]*\).*/\1/p' release/tools.lock)
    [ "$(cat $release/tools/version 2>/dev/null)" != "$version" ] || return 0
    say "fetching zig $version from PyPI (100 MB)"
    rm -rf $release/tools $release/tools.part
    mkdir -p $release/tools.part
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        -d $release/tools.part -r release/tools.lock >&2 || die "pip could not fetch ziglang $version"
    python3 -m zipfile -e $release/tools.part/ziglang-*.whl $release/tools.part
    rm $release/tools.part/*.whl
    chmod +x $release/tools.part/ziglang/zig
    echo "$version" >$release/tools.part/version
    mv $release/tools.part $release/tools
}

release_headers() { # the headers of all libraries, in one folder
    local inc=$release/include
    rm -rf $inc.part
    mkdir -p $inc.part/stb
    cp "$(place stb stb_truetype.h)"/stb_{truetype,image_write}.h $inc.part/stb/
    cp "$(place volk volk.h)"/volk.[hc] "$(place utf8proc utf8proc.h)/utf8proc.h" $inc.part/
    cp -r "$(dirname "$(place vulkan-headers vulkan_core.h)")"/{vulkan,vk_video} $inc.part/
    cp "$(place zstd zstd_errors.h)"/zstd{,_errors}.h "$(place jansson jansson.h)/jansson.h" $inc.part/
    sed -e 's/@json_inline@/inline/' -e 's/@json_have_[a-z_]*@/1/' -e 's/@json_parser_max_depth@/2048/' \
        "$(place jansson jansson_config.h.in)/jansson_config.h.in" >$inc.part/jansson_config.h
    civetweb_files $inc.part
    echo '#include <stdint.h>' >$inc.part/jansson_private_config.h # the rest of it is release_libraries' options
    if diff -rq $inc.part $inc >/dev/null 2>&1; then rm -rf $inc.part; else rm -rf $inc; mv $inc.part $inc; fi # as old as it is when nothing is new
}

# ---- one system ----

same_file() { # same_file FILE TEXT: writes it unless it holds that already, so that it is as old as what it says
    [ "$(cat "$1" 2>/dev/null)" = "$2" ] || echo "$2" >"$1"
}

release_licenses() { # release_licenses TARGET: the notices of all that is in its program
    local zig_folder=$release/tools/ziglang name
    licenses_own
    for name in jansson utf8proc zstd civetweb stb volk vulkan-headers; do
        heading "$(release_about "$name")"
        find "$release/sources/$name" \( -iname 'LICENSE*' -o -name copyright \) ! -name '*.spdx' ! -path '*/debian/*' -type f |
            sort | awk -F/ 'NR == 1 || NF < least {least = NF; first = $0} END {print first}' | xargs -d '\n' cat
    done
    heading "DejaVu fonts, Bitstream Vera and Arev licences"
    cat /usr/share/doc/fonts-dejavu-core/copyright 2>/dev/null || echo "See the package fonts-dejavu-core or its source."
    heading "zig's compiler-rt, MIT"
    cat $zig_folder/LICENSE
    case $1 in
    *-linux-*)
        heading "The GNU C library's start-up code, LGPL 2.1 or later with an exception for programs that are linked with it"
        sed -n '2,/gnu.org\/licenses/p' $zig_folder/lib/libc/glibc/sysdeps/x86_64/start-2.33.S ;;
    *-windows-*)
        heading "mingw-w64's runtime"
        cat $zig_folder/lib/libc/mingw/COPYING ;;
    esac
}
release_about() { # release_about LIBRARY: name, version and licence
    local version licence
    version=$(cut -d' ' -f2 "$release/sources/$1.row")
    case $1 in
    jansson) licence=MIT ;;
    utf8proc) licence='MIT, with data from the Unicode Character Database' ;;
    zstd) licence='BSD 3-clause' ;;
    civetweb) licence=MIT ;;
    stb) licence='stb_image_write and stb_truetype, public domain or MIT' ;;
    volk) licence=MIT ;;
    vulkan-headers) licence='Apache 2.0 or MIT' ;;
    esac
    echo "$1 $version, $licence"
}

release_object() { # release_object OBJECT SOURCE OPTION...: compiles what is newer than its object
    local object=$1 source=$2
    shift 2
    if newer "$object" "$source" "$out/options" "$release"/{include,tools/version,sources/*.row}; then
        produce "$object" "$zig" cc -target "$target" "$@" -c "$source"
    fi
}

release_libraries() { # into $out/lib
    local source folder object
    local quiet=(-w -O2 -g0 "-ffile-prefix-map=$PWD=." -I"$release/include" -DUTF8PROC_STATIC)
    local jansson=(-DHAVE_STDINT_H=1 -DHAVE_SYS_TYPES_H=1 -DHAVE_ATOMIC_BUILTINS=1)
    [[ $target == *-windows-* ]] || jansson+=(-DHAVE_{UNISTD,FCNTL,SCHED,SYS_STAT,SYS_TIME}_H=1 -DHAVE_{OPEN,CLOSE,READ,GETTIMEOFDAY,GETPID,SCHED_YIELD}=1)
    folder=$(place zstd zstd.h)
    local files=("$(place jansson jansson.h)"/*.c "$(place utf8proc utf8proc.h)/utf8proc.c")
    if [ -e "$folder/zstd.c" ]; then files+=("$folder/zstd.c"); else files+=("$folder"/{common,compress,decompress}/*.c); fi
    mkdir -p "$out/lib"
    for source in "${files[@]}"; do
        object=${source#"$release/sources/"}
        release_object "$out/lib/${object//\//_}.o" "$source" "${quiet[@]}" "${jansson[@]}" -DZSTD_DISABLE_ASM
    done
}

release_program() { # release_program NAME TARGET: $release/NAME/lethe, or lethe.exe
    local name=$1 target=$2 out=$release/$1 flag options=() own=() last=() program=lethe objects
    mkdir -p "$out"
    for flag in "${flags[@]}"; do # build.sh's, but those of gcc alone and of its own processor
        case $flag in -g1 | -march=* | -mtune=* | --param=* | -Ibuild/*) ;; *) options+=("$flag") ;; esac
    done
    options+=(-O2 -g0 "-ffile-prefix-map=$PWD=." -I"$release/include" -DUTF8PROC_STATIC)
    # v2's processors halve loads of 32 bytes; those for which the AVX2 code is made do not
    case $target in x86_64-*) own=(-march=x86_64_v2-slow_unaligned_mem_32) ;; esac
    case $target in
    *-linux-*) own+=("${fortify[@]}") last=(-lm -ldl -Wl,--build-id=none) ;;
    *-windows-*) program=lethe.exe last=(-lpsapi -lws2_32 -lshell32 -Wl,--stack,8388608) ;;
    *-macos*) own+=(-Wunguarded-availability) ;; # what came after the version that the target names
    esac
    same_file "$out/options" "$target ${options[*]} ${own[*]} $(declare -f release_libraries)"
    release_libraries
    about_facts "$out" "$target" "zig $(cat $release/tools/version), $("$zig" cc --version | sed 's/ (.*)//; q')" "$release/include/stb"
    if newer "$out/about.o" "$out/about_facts.h" src/about.[ch] "$out/options" $release/include; then
        produce "$out/about.o" "$zig" cc -target "$target" "${options[@]}" -I"$out" -c src/about.c
    fi
    release_object "$out/vendor.o" src/vendor.c "${options[@]}" -w
    release_object "$out/vendor_http.o" src/vendor_http.c "${options[@]}" -w
    release_object "$out/baseline.o" src/platform/baseline.c "${options[@]}"
    release_licenses "$target" >"$out/licenses.txt.part"
    cmp -s "$out/licenses.txt.part" "$out/licenses.txt" || { cp "$out/licenses.txt.part" "$out/licenses.txt"; zstd -q -f -19 "$out/licenses.txt"; }
    rm "$out/licenses.txt.part"
    if newer "$out/assets.o" build/assets "$out/licenses.txt.zst" assets/embed.c src/platform/embed.h "$out/options"; then
        produce "$out/assets.o" "$zig" cc -target "$target" "${options[@]}" "-DLICENSES=\"$out/licenses.txt.zst\"" -c assets/embed.c
    fi
    if newer "$out/shaders.o" build/shaders.o src/device/vulkan/shaders.c src/platform/embed.h "$out/options"; then
        produce "$out/shaders.o" "$zig" cc -target "$target" "${options[@]}" -c src/device/vulkan/shaders.c
    fi
    if newer "$out/main.o" main.c src docs/lesson.md shaders "$out/options" $release/{include,tools/version}; then
        say "compiling lethe for $name"
        produce "$out/main.o" "$zig" cc -target "$target" "${options[@]}" "${own[@]}" -c main.c
    fi
    objects=("$out"/*.o "$out"/lib/*.o)
    if newer "$out/$program" "${objects[@]}" "$out/options"; then
        produce "$out/$program" "$zig" cc -target "$target" -s -pthread "${objects[@]}" "${last[@]}"
        [ "$(stat -c %s "$out/$program")" -le 64000000 ] || { rm "$out/$program"; die "$out/$program is larger than 64 MB"; }
    fi
}

# ---- what is published ----

# What is inside each archive, and where it is from: the SPDX document's facts, as pack.py reads them.
release_facts() { # release_facts VERSION ARCHIVE...
    local version=$1 archive id name row library licence zig_version encoder font=build/assets/DejaVuSans.ttf.zst
    shift
    zig_version=$(cat $release/tools/version)
    package() { local IFS=$'\t'; echo "package"$'\t'"$*"; }
    relation() { printf 'relation\t%s\t%s\t%s\n' "$@"; }
    package lethe lethe "$version" MIT "commit $(commit)" APPLICATION LICENSE
    while read -r library licence; do
        row=$(cat "$release/sources/$library.row")
        read -r _ name kind sum what <<<"$row"
        package "$library" "$library" "$name" "$licence" "$kind $what" LIBRARY "$sum"
    done <<'END'
jansson MIT
utf8proc MIT AND Unicode-DFS-2015
zstd BSD-3-Clause
civetweb MIT
stb MIT OR Unlicense
volk MIT
vulkan-headers Apache-2.0 OR MIT
END
    encoder=$(awk '$1 == "package" {name = $2} $1 == "version" {print name "==" $2}' assets/encoder.lock)
    package encoder all-MiniLM-L6-v2 "${encoder##*==}" Apache-2.0 "pypi $encoder; stored in half precision" FILE \
        "$(awk '$2 == "model.safetensors" {print $3}' assets/encoder.lock)"
    package data lethe-data "$version" CC0-1.0 "assets/*.tsv of lethe's sources" FILE assets/nli_train.tsv
    package font DejaVuSans "$(dpkg-query -W -f '${Version}' fonts-dejavu-core 2>/dev/null || echo unknown)" \
        "Bitstream-Vera AND LicenseRef-DejaVu" "Debian's package fonts-dejavu-core" FILE "$font"
    package zig zig "$zig_version" MIT "pypi ziglang==$zig_version" APPLICATION ''
    package compiler-rt zig-compiler-rt "$zig_version" MIT "pypi ziglang==$zig_version" LIBRARY ''
    package glibc-startup glibc-start-up-code "as in zig $zig_version" LicenseRef-glibc-startup "pypi ziglang==$zig_version" LIBRARY ''
    package mingw-w64 mingw-w64-runtime "as in zig $zig_version" LicenseRef-mingw-w64 "pypi ziglang==$zig_version" LIBRARY ''
    sed -n '2,/gnu.org\/licenses/p' $release/tools/ziglang/lib/libc/glibc/sysdeps/x86_64/start-2.33.S >$release/glibc-startup.txt
    printf 'licence\t%s\t%s\t%s\n' LicenseRef-glibc-startup "LGPL 2.1 or later with the exception of glibc's start-up code" \
        $release/glibc-startup.txt LicenseRef-mingw-w64 "mingw-w64's runtime" $release/tools/ziglang/lib/libc/mingw/COPYING \
        LicenseRef-DejaVu "DejaVu fonts" /usr/share/doc/fonts-dejavu-core/copyright
    relation zig BUILD_TOOL_OF lethe
    for archive in "$@"; do
        id=archive-${archive##*"lethe-$version-"}
        id=${id//_/-}
        package "$id" "${archive##*/}" "$version" NOASSERTION "made by ./build.sh release" ARCHIVE "$archive"
        relation "$id" CONTAINS lethe
        for library in jansson utf8proc zstd civetweb stb volk vulkan-headers compiler-rt; do relation "$id" STATIC_LINK "$library"; done
        for library in encoder data font; do relation "$id" CONTAINS "$library"; done
        case $archive in
        *linux*) relation "$id" STATIC_LINK glibc-startup ;;
        *win*) relation "$id" STATIC_LINK mingw-w64 ;;
        esac
    done
}

release_publish() { # release_publish NAME TAG: the archive and the wheel of one system
    local name=$1 tag=$2 program=lethe kind=tar.gz out=$release/$1 texts=$release/texts
    case $name in windows-*) program=lethe.exe kind=zip ;; esac
    python3 release/pack.py archive "$release/lethe-$version-$name.$kind" "lethe-$version-$name" "$out/$program" LICENSE README.md \
        "$out/licenses.txt" $texts/*
    python3 release/pack.py wheel "$release/lethe-$version-py3-none-$tag.whl" "py3-none-${tag//./.py3-none-}" "$version" \
        "$out/$program" README.md LICENSE "$out/licenses.txt"
}

release_texts() { # the man page and the completions: what the program of this machine prints
    local texts=$release/texts lethe
    lethe=$release/linux-$(uname -m)/lethe
    [ -x "$lethe" ] || { build; lethe=build/lethe; }
    rm -rf $texts
    mkdir -p $texts
    "$lethe" manual >$texts/lethe.1
    "$lethe" completion bash >$texts/lethe.bash
    "$lethe" completion zsh >$texts/_lethe
    "$lethe" completion fish >$texts/lethe.fish
    "$lethe" completion powershell >$texts/lethe.ps1
}

# ---- all of them ----

release_build() {
    need "${packages_release[@]}"
    toolchain
    civetweb
    assets
    shaders
    mkdir -p $release/sources
    export ZIG_GLOBAL_CACHE_DIR=${ZIG_GLOBAL_CACHE_DIR:-$PWD/$release/cache} LC_ALL=C.UTF-8
    export ZIG_LOCAL_CACHE_DIR=$ZIG_GLOBAL_CACHE_DIR
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 315532800)}
    export SOURCE_DATE_EPOCH
    release_tools
    local library row version
    version=$(sed -n 's/^#define LETHE_VERSION "\(.*\)"/\1/p' main.c)
    for library in $(awk '/^[a-z]/ && !seen[$1]++ {print $1}' release/libraries.lock); do release_library "$library"; done
    release_headers
    rm -f $release/lethe-* $release/SHA256SUMS
    commit >$release/commit
    rm -f $release/*/made
    for row in "${release_targets[@]}"; do # a compiler is at work on one processor: as many as there are
        # shellcheck disable=SC2086
        set -- $row
        [[ $1 == ${RELEASE_ONLY:-*} ]] || continue
        while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do sleep 0.2; done
        { release_program "$1" "$2" && : >"$release/$1/made"; } &
    done
    wait
    for row in "${release_targets[@]}"; do
        [[ ${row%% *} != ${RELEASE_ONLY:-*} ]] || [ -e "$release/${row%% *}/made" ] || die "the program for ${row%% *} could not be made"
    done
    release_texts
    for row in "${release_targets[@]}"; do
        # shellcheck disable=SC2086
        set -- $row
        [[ $1 != ${RELEASE_ONLY:-*} ]] || release_publish "$1" "$3"
    done
    release_facts "$version" $release/lethe-"$version"-* >$release/facts.tsv
    python3 release/pack.py spdx "$release/lethe-$version.spdx.json" $release/facts.tsv
    (cd $release && sha256sum lethe-* >SHA256SUMS)
    say "$release: $(wc -l <$release/SHA256SUMS) files and SHA256SUMS"
}

release() { # release [test]
    case ${1:-} in
    '') release_build ;;
    test)
        need "${packages_release_test[@]}"
        build
        release_build
        exec tests/release/release.sh 9>&- ;;
    *) die "no word 'release $1'; there is release, and release test" ;;
    esac
}
