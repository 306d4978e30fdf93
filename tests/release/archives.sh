#!/usr/bin/env bash
# archives.sh RELEASE WORK: what is published is whole: sums, archives, sizes, man page, completions, the SPDX document.
set -euo pipefail
cd "$(dirname "$0")/../.."
RELEASE=$(realpath "$1") WORK=$(mkdir -p "$2" && cd "$2" && pwd)
source tests/release/common.sh
sums() { (cd "$RELEASE" && sha256sum -c --quiet SHA256SUMS && [ "$(printf '%s\n' lethe-* | sort)" = "$(sed 's/.*  //' SHA256SUMS | sort)" ]); }
held() { # held ARCHIVE: all that belongs in it, and the program alone is executable
    local folder=$WORK/opened name
    rm -rf "$folder"
    mkdir -p "$folder"
    case $1 in *.zip) python3 -m zipfile -e "$1" "$folder" ;; *) tar -xf "$1" -C "$folder" ;; esac
    cd "$folder"/lethe-*
    for name in LICENSE README.md licenses.txt lethe.1 lethe.bash _lethe lethe.fish lethe.ps1; do [ -s "$name" ] || { echo "no $name"; return 1; }; done
    for name in lethe lethe.exe; do [ ! -e $name ] || [ "$(stat -c %s $name)" -le 64000000 ] || { echo "$name is too large"; return 1; }; done
    [[ $1 != *.tar.gz ]] || { [ -x lethe ] && [ "$(find . -type f -executable)" = ./lethe ]; }
    bash -n lethe.bash
    ! command -v man >/dev/null || [ -z "$(MANWIDTH=80 man --warnings -l lethe.1 2>&1 >/dev/null)" ]
}
spdx() { # every file that is published is named with its sum
    python3 - "$RELEASE" <<'END'
import hashlib, json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
(document,) = folder.glob("*.spdx.json")
spdx = json.loads(document.read_text())
names = {p["SPDXID"] for p in spdx["packages"]} | {"SPDXRef-DOCUMENT"}
assert all(r[k] in names for r in spdx["relationships"] for k in ("spdxElementId", "relatedSpdxElement"))
sums = {p.get("packageFileName"): p["checksums"][0]["checksumValue"] for p in spdx["packages"] if "checksums" in p}
for file in folder.glob("lethe-*"):
    assert file == document or sums[file.name] == hashlib.sha256(file.read_bytes()).hexdigest(), file
END
}
: >"$WORK/log"
check 'SHA256SUMS' sums
for archive in "$RELEASE"/lethe-*.{tar.gz,zip}; do
    [ ! -e "$archive" ] || check "all inside ${archive##*/}" held "$archive"
done
check 'SPDX document names each file' spdx
