#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "unicode.c"
#include "normalizer.c"
#include "vocab.c"
#include "wordpiece.c"
#include "bpe.c"
#include "unigram.c"
#include "tokenizer.c"
#include "tokenizer_build.c"
#include "tokenizer_keys.c"
#include "tokenizer_added.c"
#include "tokenizer_settings.c"
#include "tokenizer_parts.c"
#include "tokenizer_json.c"
#include "tokenizer_files.c"
#include "classes.c"
#include "dataset.c"
#include "batch.c"
