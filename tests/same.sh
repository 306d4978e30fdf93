#!/usr/bin/env bash
# ./build.sh same COMMIT: whether today's program computes what the one of COMMIT did, to the bit. Both make the same
# small runs: every method, several seeds, three tasks, a run that is killed and goes on, imported and exported models,
# both engines. Compared are the events (times aside), predictions, kept models, exported folders, tables and charts;
# a file that differs is named, and both lie in build/same to look at. Words that were changed on purpose show up, too.
set -euo pipefail
cd "$(dirname "$0")/.."
commit=${1:?a commit to compare with} now=$PWD/build/lethe work=$PWD/build/same
mkdir -p "$work"
then=$work/lethe-$(git rev-parse --short "$commit")
if [ ! -x "$then" ]; then
    rm -rf "$work/source"
    git worktree prune
    git worktree add --quiet --detach "$work/source" "$commit"
    mkdir -p "$work/source/build"
    cp -a build/compiler build/encoder "$work/source/build/" 2>/dev/null || true # what was fetched once
    (cd "$work/source" && ./build.sh >/dev/null)
    mv "$work/source/build/lethe" "$then"
    git worktree remove --force "$work/source"
fi
rows=(--train-rows 24 --eval-rows 30 --epochs 1 --batch-size 8 --max-length 32 --threads 1 --quiet)
tiny=(--model ../tiny-bert)
three=("${tiny[@]}" --task "feel=sentiment.tsv,sentiment_eval.tsv" --task "topic=topic.tsv,20%" --task "nli=nli.tsv,nli_eval.tsv")

tokenizers() { # for the tiny models, which come without
    { printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' {a..z} {0..9} '##'{a..z} '##'{0..9} . , '!' "'" - the team bank storm good bad film; } >tiny-bert/vocab.txt
    printf '#version: 0.2\nt h\nth e\n\304\240 the\ni n\n' >tiny-roberta/merges.txt
    awk 'BEGIN {
        printf "{\"<s>\": 0, \"<pad>\": 1, \"</s>\": 2, \"<unk>\": 3, \"<mask>\": 4"
        for (i = 33; i < 127; i++) printf ", \"%s%c\": %d", i == 34 || i == 92 ? "\\" : "", i, n++ + 5
        printf ", \"\304\240\": %d, \"th\": %d, \"the\": %d, \"\304\240the\": %d, \"in\": %d}\n", n + 5, n + 6, n + 7, n + 8, n + 9
    }' >tiny-roberta/vocab.json
}
topics() { # a third task, of words alone
    local i
    printf 'text\tlabel\n'
    for i in $(seq 150); do
        case $((i % 3)) in
        0) printf 'the team won match %d of the season\tsport\n' "$i" ;;
        1) printf 'the bank raised its rate by %d points\tmoney\n' "$i" ;;
        2) printf 'the storm brought %d hours of rain\tweather\n' "$i" ;;
        esac
    done
}
runs() { # runs LETHE: all of them, below the current folder
    local lethe=$1 name seed
    run() { name=$1; shift; "$lethe" run "${rows[@]}" --device cpu --out "$name" "$@" >"$name.said" 2>&1 ||
        { echo "same: run $name of $lethe:"; cat "$name.said"; return 1; }; }
    run default
    run notebook --preset notebook --method full,lora,ewc
    run all "${tiny[@]}" --method all
    run all-roberta --model ../tiny-roberta --method all
    run seeds "${tiny[@]}" --seeds 1,2,3 --method full,lora-seq --no-diagnostics
    run models "${tiny[@]}" --seeds 4,5 --method full,lora-seq --keep-models all --no-diagnostics
    run pairs "${tiny[@]}" --method ewc+replay,si+lwf,wise-ft+ewc,lora-seq+ewc+replay
    run turned "${tiny[@]}" --method lwf+si,replay+ewc,full,ewc+wise-ft
    run three "${three[@]}" --method full,ewc,si,mas,o-lora,der++,agem,lwf
    run three-more "${three[@]}" --method lora-seq,wise-ft,replay+o-lora,joint,l2sp --seed 7
    run three-roberta "${three[@]:2}" --model ../tiny-roberta --method all --seed 3
    run epochs "${tiny[@]}" --epochs 3 --keep-epoch held-out --method full,lora
    run chosen "${tiny[@]}" --epochs 3 --keep-epoch eval --row-order hf --method full,ewc,joint,wise-ft
    run options "${tiny[@]}" --method ewc,si,mas --ewc-lambda 50 --ewc-fisher empirical --si-c 0.5 --weight-decay 0 --learning-rate 1e-3
    run wise-end "${tiny[@]}" --method wise-ft,full --wise-ft-alpha 1
    run wise-start "${tiny[@]}" --method full,wise-ft --wise-ft-alpha 0
    run targets "${tiny[@]}" --method lora,lora-seq,o-lora --lora-targets query,value --lora-r 4 --o-lora-form authors
    run tiny-bert "${tiny[@]}" --method full,lora,ewc,lwf
    run tiny-roberta --model ../tiny-roberta --method full,lora,mas,frozen
    run killed-whole "${tiny[@]}" --epochs 20 --snapshot-seconds 0 --method full,ewc
    ("$lethe" run "${rows[@]}" "${tiny[@]}" --device cpu --epochs 20 --snapshot-seconds 0 --method full,ewc --out killed >/dev/null 2>&1 & sleep 1; kill -9 $!) 2>/dev/null || true
    run killed "${tiny[@]}" --epochs 20 --snapshot-seconds 0 --method full,ewc
    sed -i '/^goes on/d' killed.said
    "$lethe" export default --task nli --method full --to exported >/dev/null
    "$lethe" export default --task sentiment --method lora --to exported-lora >/dev/null
    "$lethe" export tiny-roberta --task sentiment --method full --to exported-roberta >/dev/null
    "$lethe" export tiny-bert --task nli --method lora --to exported-bert-lora >/dev/null
    run imported --model exported --method full,lora
    run imported-roberta --model exported-roberta --method full
    for name in exported exported-roberta; do "$lethe" predict --model $name nli_eval.tsv >"$name.answers" 2>&1 || true; done
    cut -f2 sentiment_eval.tsv | tail -n +2 >texts.txt
    "$lethe" predict --run default --task sentiment --method full texts.txt >default.answers
    "$lethe" predict --adapter exported-lora texts.txt >lora.answers
    "$lethe" predict --run all --task sentiment --method o-lora texts.txt >o-lora.answers
    "$lethe" tokenize texts.txt >texts.ids
    "$lethe" report --out joined seeds models >joined.said 2>&1
    for seed in 1 2; do run "rate-$seed" --method full --learning-rate "${seed}e-4" --no-diagnostics; done
    "$lethe" report --out rates rate-1 rate-2 >rates.said 2>&1
    "$lethe" plan --for parallel --seeds 1,2 --method full,ewc --grid learning-rate=2e-5,5e-5 >plan.said 2>&1
    "$lethe" run --dry-run --method all --device cpu --threads 1 --out nothing >dry.said 2>&1
    if "$lethe" devices 2>/dev/null | grep -q '^gpu'; then
        "$lethe" run "${rows[@]}" "${tiny[@]}" --device gpu --method full,lora,ewc,der++ --out gpu-bert >gpu-bert.said 2>&1
        "$lethe" run "${rows[@]}" --model ../tiny-roberta --device gpu --method full,o-lora,lwf --out gpu-roberta >gpu-roberta.said 2>&1
    fi
}
side() { # side NAME LETHE
    rm -rf "${work:?}/$1"
    mkdir -p "$work/$1"
    cp assets/sentiment_train.tsv "$work/$1/sentiment.tsv"
    cp assets/nli_train.tsv "$work/$1/nli.tsv"
    cp assets/sentiment_eval.tsv assets/nli_eval.tsv "$work/$1/"
    topics >"$work/$1/topic.tsv"
    (cd "$work/$1" && runs "$2")
    # times, memory, the program's and the folder's own names are no results
    sed -i "s#$2#lethe#g" "$work/$1"/*.said
    find "$work/$1" -name '*.said' -exec sed -i -E 's/[0-9.]+ (s|min|h|MB|GB)\b/N \1/g' {} +
    find "$work/$1" \( -name results.jsonl -o -name summary.json -o -name config.json \) -exec sed -i -E \
        "s/\"([a-z_]*seconds|peak_bytes)\": ?[0-9.e+-]+/\"\1\":0/g; s#$work/$1#.#g" {} +
    find "$work/$1" \( -name model.json -o -name adapter_config.json -o -name joined.json \) -exec sed -i "s#$work/$1#.#g" {} +
    find "$work/$1" \( -name table.md -o -name report.html \) -exec sed -i -E 's/[0-9.]+ (s|min|h|MB|GB)\b/N \1/g' {} +
}
rm -rf "$work"/tiny-*
cp -r tests/golden/tiny-bert tests/golden/tiny-roberta "$work/"
(cd "$work" && tokenizers)
[ -e "$work/then/done-$(basename "$then")" ] || { side then "$then"; : >"$work/then/done-$(basename "$then")"; }
side now "$now"
: >"$work/now/done-$(basename "$then")"
count=$(find "$work/now" -type f | wc -l) differ=0
while read -r line; do
    echo "differs: $line"
    differ=$((differ + 1))
done < <(diff -rq "$work/then" "$work/now")
echo "same: $count files of $(find "$work/now" -name results.jsonl | wc -l) runs, $differ differ from those of $commit"
[ "$differ" = 0 ]
