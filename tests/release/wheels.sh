#!/usr/bin/env bash
# wheels.sh WHEEL WORK: a wheel for this machine is installed into a fresh environment by pip and by uvx, without an index, and run.
set -euo pipefail
cd "$(dirname "$0")/../.."
WHEEL=$(realpath "$1") WORK=$(mkdir -p "$2" && cd "$2" && pwd)
source tests/release/common.sh
install() {
    rm -rf "$WORK/venv"
    python3 -m venv "$WORK/venv"
    "$WORK/venv/bin/python" -m pip install --disable-pip-version-check --no-index "$WHEEL"
}
is_it() { [ "$1" = "lethe $(sed -n 's/^#define LETHE_VERSION "\(.*\)"/\1/p' main.c)" ]; }
runs() { is_it "$("$WORK/venv/bin/lethe" --version | head -n 1)"; }
uv() { # into an environment of its own: where there is no Python at all people have nothing but this
    rm -rf "$WORK/uv"
    python3 -m venv "$WORK/uv"
    "$WORK/uv/bin/python" -m pip install -q --disable-pip-version-check --only-binary=:all: --require-hashes -r tests/release/uv.lock
}
uvx() { is_it "$(UV_CACHE_DIR=$WORK/uv/cache "$WORK/uv/bin/uvx" --offline --from "$WHEEL" lethe --version | head -n 1)"; }
notices() { find "$WORK"/venv/lib -path "*/lethe-*.dist-info/*" -name NOTICES.txt -size +1k | grep -q .; }
removes() { "$WORK/venv/bin/python" -m pip uninstall --disable-pip-version-check -y lethe && [ ! -e "$WORK/venv/bin/lethe" ]; }
: >"$WORK/log"
check 'pip installs it into a fresh environment' install
check 'lethe runs from there' runs
check 'its notices are there' notices
check 'pip removes it' removes
check 'uv, as uv.lock has it' uv
check 'uvx runs it' uvx
