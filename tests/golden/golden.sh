#!/usr/bin/env bash
# With pinned versions of Hugging Face's libraries, in a virtual environment outside the repository:
#   ./build.sh golden                makes the numbers in tests/golden again, then checks as below
#   ./build.sh golden interchange    checks that transformers and PEFT load what lethe exports, and the other way round
#   ./build.sh golden strategies     makes tests/golden/strategies.json again, the reference of all strategies
#   ./build.sh golden tokenizers     compares lethe's ids with AutoTokenizer's over a grid of the settings of a folder's files
#   LETHE_GOLDEN_VENV=FOLDER         another virtual environment that has the libraries
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=${LETHE_GOLDEN_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/lethe/golden-venv}
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q -r tests/golden/requirements.txt
fi
python() { "$venv/bin/python" -P "$@"; } # -P: tokenizers.py is not to hide the library of that name
case ${1:-all} in
all)
    [ -e build/encoder/model.safetensors ] || ./build.sh build
    python tests/golden/make.py build/encoder
    python tests/golden/interchange.py make
    python tests/golden/strategies.py
    if [ -d ../shared/data/tokenizers ]; then
        python tests/golden/tokenizers.py ../shared/data assets/nli_train.tsv assets/sentiment_train.tsv
    else
        echo "golden.sh: tests/golden/tokenizers.txt stays as it is: the data it is made from are not here" >&2
    fi ;;
interchange) ;;
strategies)
    python tests/golden/strategies.py
    exit ;;
tokenizers)
    python tests/golden/tokenizers_grid.py make
    exec "$venv/bin/python" -P tests/golden/tokenizers_grid.py check build/lethe ;;
*) echo "golden.sh: no word '$1'; there are interchange, strategies and tokenizers" >&2; exit 1 ;;
esac
python tests/golden/interchange.py check build/lethe
