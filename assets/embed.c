/* What build.sh left in build/assets, as one object: the list that src/assets.h declares. Compiled apart from lethe,
 * from the root of the sources. */
#include "../src/assets.h"

#ifndef LICENSES /* a release has its own: other libraries, another C library */
#define LICENSES "build/assets/licenses.txt.zst"
#endif
#define FILES(X)                                  \
    X(encoder, "encoder.safetensors.zst")         \
    X(config, "config.json.zst")                  \
    X(vocab, "vocab.txt.zst")                     \
    X(sentiment_train, "sentiment_train.tsv.zst") \
    X(sentiment_eval, "sentiment_eval.tsv.zst")   \
    X(nli_train, "nli_train.tsv.zst")             \
    X(nli_eval, "nli_eval.tsv.zst")               \
    X(font, "DejaVuSans.ttf.zst")

#define EMBED(id, file) EMBED_FILE(asset_##id, "build/assets/" file)
FILES(EMBED)
EMBED_FILE(asset_licenses, LICENSES)

#define ROW(id, file) {file, EMBEDDED(asset_##id)},
const Asset assets[] = {FILES(ROW){"licenses.txt.zst", EMBEDDED(asset_licenses)}, {0}};
