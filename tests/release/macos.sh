#!/usr/bin/env bash
# macos.sh PROGRAM WORK CPU: what can be said of a macOS program without running it. CPU: arm64 or x86_64.
set -euo pipefail
cd "$(dirname "$0")/../.."
PROGRAM=$(realpath "$1") WORK=$(mkdir -p "$2" && cd "$2" && pwd)
source tests/release/common.sh
macho() { python3 tests/release/macho.py "$1" "$PROGRAM" "${@:2}"; }
: >"$WORK/log"
check "Mach-O program for $3" macho cpu "$3"
check 'runs from macOS 11.0 on' macho minimum 11.0
check 'needs no library but libSystem' macho libraries
if [ "$3" = arm64 ]; then check 'ad-hoc signature, with the right hashes' macho signature; fi
check 'imports only what libSystem of macOS 11 has' macho imports tests/release/macos11.txt
echo 'skipped run: no Mac here'
