#!/usr/bin/env bash
# ./build.sh golden: makes the numbers in tests/golden again, with pinned versions of Hugging Face's libraries in a
# virtual environment outside the repository.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=${XDG_CACHE_HOME:-$HOME/.cache}/lethe/golden-venv
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q -r tests/golden/requirements.txt
fi
[ -e build/encoder/model.safetensors ] || ./build.sh build
"$venv/bin/python" tests/golden/make.py build/encoder
if [ -d ../shared/data/tokenizers ]; then
    "$venv/bin/python" tests/golden/tokenizers.py ../shared/data assets/nli_train.tsv assets/sentiment_train.tsv
else
    echo "golden.sh: tests/golden/tokenizers.txt stays as it is: the data it is made from are not here" >&2
fi
