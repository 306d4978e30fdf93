#!/usr/bin/env bash
# wheels.sh WHEEL WORK: a wheel for this machine is installed into a fresh environment, without an index, and run.
set -euo pipefail
cd "$(dirname "$0")/../.."
WHEEL=$(realpath "$1") WORK=$(mkdir -p "$2" && cd "$2" && pwd)
source tests/release/common.sh
install() {
    rm -rf "$WORK/venv"
    python3 -m venv "$WORK/venv"
    "$WORK/venv/bin/python" -m pip install --disable-pip-version-check --no-index "$WHEEL"
}
runs() { [ "$("$WORK/venv/bin/lethe" --version | head -n 1)" = "lethe $(sed -n 's/^#define LETHE_VERSION "\(.*\)"/\1/p' main.c)" ]; }
notices() { find "$WORK"/venv/lib -path "*/lethe-*.dist-info/*" -name NOTICES.txt -size +1k | grep -q .; }
removes() { "$WORK/venv/bin/python" -m pip uninstall --disable-pip-version-check -y lethe && [ ! -e "$WORK/venv/bin/lethe" ]; }
: >"$WORK/log"
check 'pip installs it into a fresh environment' install
check 'lethe runs from there' runs
check 'its notices are there' notices
check 'pip removes it' removes
