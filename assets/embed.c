/* What build.sh left in build/assets, as one object: the list that src/assets.h declares. Compiled apart from lethe,
 * from the root of the sources. */
#include "../src/assets.h"

#define FILES(X)                                  \
    X(encoder, "encoder.safetensors.zst")         \
    X(config, "config.json.zst")                  \
    X(vocab, "vocab.txt.zst")                     \
    X(sentiment_train, "sentiment_train.tsv.zst") \
    X(sentiment_eval, "sentiment_eval.tsv.zst")   \
    X(nli_train, "nli_train.tsv.zst")             \
    X(nli_eval, "nli_eval.tsv.zst")               \
    X(font, "DejaVuSans.ttf.zst")                 \
    X(licenses, "licenses.txt.zst")

#define EMBED(id, file)                                 \
    extern const char asset_##id[], asset_##id##_end[]; \
    __asm__(".section .rodata\n"                        \
            ".balign 64\n"                              \
            "asset_" #id ":\n"                          \
            ".incbin \"build/assets/" file "\"\n"       \
            "asset_" #id "_end:\n"                      \
            ".byte 0\n"                                 \
            ".previous\n");
FILES(EMBED)

#define ROW(id, file) {file, asset_##id, asset_##id##_end},
const Asset assets[] = {FILES(ROW){0}};
