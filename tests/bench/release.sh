#!/usr/bin/env bash
# ./build.sh bench release [ROUNDS]: seconds a training step of the release's programs beside those of build/lethe, in turns.
# Ratios are medians over rounds of what both took in the same round; above 1 the release is slower. build/release comes
# from ./build.sh release; the Windows program runs under Wine where that is installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-5} work=$PWD/build/bench release=$PWD/build/release
linux=$release/linux-$(uname -m)/lethe windows=$release/windows-x86_64/lethe.exe
mkdir -p "$work"
[ -x "$linux" ] || { echo "bench: no $linux; ./build.sh release makes it" >&2; exit 1; }
wine=$(command -v wine64 || command -v wine || ls /usr/lib/wine/wine64 2>/dev/null || true)
export WINEPREFIX=${WINEPREFIX:-$work/wine} WINEDEBUG=-all
[ -z "$wine" ] || [ ! -e "$windows" ] || "$wine" "$windows" --version >/dev/null 2>&1 # Wine's folder is made

steps() { # steps CAP PROGRAM COMMAND...: "CAP TASK METHOD PROGRAM SECONDS" lines
    local cap=$1 name=$2
    shift 2
    LETHE_CPU=$cap "$@" bench --device cpu --max-steps 24 --method full,lora 2>/dev/null | tr -d '\r' |
        awk -v cap="${cap:-all}" -v name="$name" '$1 == "step" {print cap, $2, $3, name, $4}'
}
for _ in $(seq "$rounds"); do
    for cap in '' avx2; do
        steps "$cap" gcc build/lethe
        steps "$cap" linux "$linux"
        [ -z "$wine" ] || [ ! -e "$windows" ] || steps "$cap" windows "$wine" "$windows"
    done
done >"$work/release.steps"
awk '
    function middle(list,   n, i, j, t, x) {
        n = split(list, x, " ")
        for (i = 2; i <= n; i++) for (j = i; j > 1 && x[j] + 0 < x[j - 1] + 0; j--) {t = x[j]; x[j] = x[j - 1]; x[j - 1] = t}
        return n % 2 ? x[(n + 1) / 2] : (x[n / 2] + x[n / 2 + 1]) / 2
    }
    {
        key = $1 " " $2 " " $3
        if (!(key in seen)) {seen[key] = 1; order[++keys] = key}
        if ($4 == "gcc") base[key] = $5
        else ratios[key, $4] = ratios[key, $4] " " $5 / base[key]
        times[key, $4] = times[key, $4] " " $5
    }
    END {
        printf "%-10s %-10s %-6s %12s %14s %16s\n", "processor", "task", "method", "gcc, ms", "release", "Windows (Wine)"
        for (k = 1; k <= keys; k++) {
            split(order[k], part, " ")
            printf "%-10s %-10s %-6s %12.2f %14.3f", part[1], part[2], part[3], 1000 * middle(times[order[k], "gcc"]), middle(ratios[order[k], "linux"])
            if ((order[k], "windows") in ratios) printf " %16.3f", middle(ratios[order[k], "windows"])
            print ""
        }
    }' "$work/release.steps"
