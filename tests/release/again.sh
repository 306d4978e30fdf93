#!/usr/bin/env bash
# again.sh RELEASE WORK: the same commit is built once more, in another folder with its own compiler cache: the same bytes.
set -euo pipefail
cd "$(dirname "$0")/../.."
RELEASE=$(realpath "$1") WORK=$(mkdir -p "$2" && cd "$2" && pwd)
source tests/release/common.sh
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

build_again() { # of the same files; what was fetched is checked against its lock again
    local to=$WORK/a-folder-of-another-name
    rm -rf "$to"
    mkdir -p "$to/build/release"
    git ls-files -z | tar --null -T - -cf - | tar -xf - -C "$to"
    cp -a build/encoder "$to/build/"
    cp -al "$RELEASE/tools" "$to/build/release/"
    mkdir "$to/build/release/sources"
    find "$RELEASE/sources" -maxdepth 1 -type f ! -name '*.row' -exec cp -t "$to/build/release/sources" {} +
    (cd "$to" && unset ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR && LETHE_COMMIT=$(<"$RELEASE/commit") ./build.sh release)
}
same_bytes() {
    local wrong
    wrong=$(cd "$WORK/a-folder-of-another-name/build/release" && sha256sum -c "$RELEASE/SHA256SUMS" 2>&1 | grep -v ': OK$' || true)
    [ -z "$wrong" ] || { echo "${wrong//$'\n'/; }"; return 1; }
}
: >"$WORK/log"
check 'built again in another folder' build_again
check 'every file has the same bytes' same_bytes
