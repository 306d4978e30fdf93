/* family: what differs between the encoder families of Hugging Face's transformers, as data: one row and one file each.
 *
 * text, model and experiment follow the rows; no other file asks which family it has. To add one: family_NAME.c with
 * its row, its name in `family_rows` (family.c), its own keys in docs/model-folders.md, its goldens (tests/golden).
 *
 * What all rows share is written out in src/model/encoder.c: the embeddings are summed and normalised; in each layer
 * query, key and value are linear layers of their own, LayerNorm follows each residual sum, the activation is the exact
 * GELU, every linear layer has a bias; the first token's state goes to the head. A family that departs from this gets a
 * field here, which says how, and a branch there; one whose layers normalise first has src/model/norm_first.c. */
#ifndef LETHE_FAMILY_H
#define LETHE_FAMILY_H

#include "../base/base.h"
#include "../files/files.h"

/* The linear layers on which an adapter may sit: all there are but the head's. UP and DOWN: before and after the
 * activation. PROJECT: from the embeddings to the hidden states; it and the pooler are there once. */
enum {
    TARGET_QUERY,
    TARGET_KEY,
    TARGET_VALUE,
    TARGET_CONTEXT,
    TARGET_UP,
    TARGET_DOWN,
    TARGET_PROJECT,
    TARGET_POOLER,
    LORA_TARGETS,
    LORA_PROJECTIONS = TARGET_CONTEXT
};
/* As bits. */
enum {
    LORA_QUERY = 1 << TARGET_QUERY,
    LORA_KEY = 1 << TARGET_KEY,
    LORA_VALUE = 1 << TARGET_VALUE,
    LORA_CONTEXT = 1 << TARGET_CONTEXT,
    LORA_UP = 1 << TARGET_UP,
    LORA_DOWN = 1 << TARGET_DOWN,
    LORA_PROJECT = 1 << TARGET_PROJECT,
    LORA_POOLER = 1 << TARGET_POOLER,
    LORA_ATTENTION = LORA_QUERY | LORA_KEY | LORA_VALUE, /* what an adapter sits on unless an option says otherwise */
    LORA_LAYER = LORA_ATTENTION | LORA_CONTEXT | LORA_UP | LORA_DOWN
};

/* A term of the attention's scores that depends on how far the query stands after the key, by buckets of distances:
 * those near 0 have one each, those farther off one for ever more distances. */
typedef struct FamilyRelative {
    /* Made of queries and keys, by embeddings of the buckets that pass through the same linear layers (He et al. 2021,
     * arXiv:2006.03654); else a number for each head (T5, arXiv:1910.10683). */
    bool disentangled;
    const char *terms;                   /* of disentangled attention: key that must name both */
    const char *buckets, *reach;         /* keys of config.json, or NULL */
    uint32_t usual_buckets, usual_reach; /* of a family without such keys; 0: as many as there are positions */
} FamilyRelative;

/* Keys of positions that turn queries and keys, and of attention to near tokens alone. Of two: those of the layers that
 * attend to all tokens, then of the others. */
typedef struct FamilyRotary {
    const char *window;     /* tokens that a query sees, half of them on either side of it */
    const char *every;      /* layers 0, n, 2n, ... see all tokens */
    const char *kinds;      /* a list of `kind`, one for each layer: instead of `every` */
    const char *parameters; /* an object of objects by `kind` with rope_theta: instead of `base` */
    const char *base[2], *kind[2];
    uint32_t usual_window, usual_every; /* when config.json does not say */
    double usual_base[2];
} FamilyRotary;

/* The family's own keys of config.json, and which of them is which setting. All families share vocab_size,
 * max_position_embeddings and pad_token_id. */
typedef struct FamilyConfig {
    FileKeys keys;                               /* with those that all families share after them (`also`) */
    const char *layers, *hidden, *heads, *inner; /* needed in the file */
    const char *types;      /* from here on a key may be absent: Family has the defaults; NULL: no such key */
    const char *embedding;  /* columns of the tables of embeddings; NULL: as hidden */
    const char *shared;     /* how many layers have weights of their own; NULL: all */
    const char *eps;        /* of LayerNorm */
    const char *activation; /* which GELU; NULL: as `gelu_tanh` says */
    const char *hidden_drop, *attention_drop, *classifier_drop;
    const char *needed[6];      /* keys that must be there: without them transformers computes what lethe does not */
    const char *first_drop;     /* before the head's dense layer, 0 when it is absent; NULL: as classifier_drop */
    const char *inner_drop;     /* of what the activation gives; NULL: none */
    const FamilyRotary *rotary; /* NULL: positions have a table */
    const char *pooling;        /* "mean": of all states of a text; NULL, or "cls": the first token's state */
} FamilyConfig;

/* Names of the encoder's modules in a model file: a tensor's name is the module's with ".weight" or ".bias" after it.
 */
typedef struct FamilyModules {
    const char *word, *position, *type; /* the tables of embeddings; position or type NULL: there is none */
    const char *norm;                   /* LayerNorm of their sum */
    const char *project;                /* linear layer from it to the hidden states, when they are wider or narrower */
    const char *layer;                  /* before a layer's number; after it a '.', and one of: */
    const char *projection[LORA_PROJECTIONS]; /* query, key, value; when the last two are NULL the first is all three
                                                 in one */
    const char *context;                      /* the attention's output projection */
    const char *up, *down;                    /* the linear layers before and after the activation */
    const char *norm1, *norm2;                /* LayerNorm after the attention and after `down`; see norm_first */
    const char *relative, *relative_norm;     /* the table of FamilyRelative, and the LayerNorm of its rows */
    const char *before; /* of norm_first: LayerNorm before the attention; the first layer has none */
    const char *pooler; /* dense layer on the first token's state; NULL: the head has it */
} FamilyModules;

typedef enum FamilyActivation { ACTIVATION_TANH, ACTIVATION_RELU, ACTIVATION_GELU } FamilyActivation;

/* The head of a classifier: perhaps dropout, dense layer, activation, dropout, linear layer to the classes. */
typedef struct FamilyHead {
    const char *dense; /* module in the classifier; NULL: the encoder's pooler is this layer */
    const char *norm;  /* LayerNorm after the activation, without a bias as `dense` then is; NULL: none. Encoders that
                          were trained to guess words have both */
    const char *out;   /* module of the last layer */
    FamilyActivation activation;
    bool drop_first; /* dropout before the dense layer, too */
} FamilyHead;

typedef enum FamilyPositions {
    POSITIONS_FROM_ZERO,
    POSITIONS_AFTER_PAD, /* from pad_token_id + 1; a pad token in a text keeps position pad_token_id, uncounted */
} FamilyPositions;

typedef struct Family {
    const char *type;       /* model_type in config.json */
    const char *title;      /* for people: "RoBERTa" */
    const char *prefix;     /* before the encoder's names in a classifier's file, with its '.' */
    const char *classifier; /* the classifier's class: "architectures" in an exported config.json */
    const char *tokenizer;  /* the tokenizer's class when no file names one */
    const FamilyConfig *config;
    const FamilyModules *modules;
    FamilyHead head;
    FamilyPositions positions;
    const FamilyRelative *relative; /* NULL: no term of the distance */
    bool norm_first;       /* LayerNorm before the attention and before `up` (norm1), and a last one after all layers
                              (norm2); positions by FamilyRotary, a gated activation, no biases */
    bool project_always;   /* the linear layer after the embeddings is there when they are as wide as the states, too */
    bool gelu_tanh;        /* GELU by tanh unless config.json says otherwise */
    bool no_drop;          /* where config.json says nothing of it there is no dropout; else 0.1 */
    bool no_drop_down;     /* none between `down` and the residual sum */
    bool drop_context;     /* dropout between the attention's output projection and the residual sum */
    uint32_t pad;          /* pad_token_id when config.json has none */
    uint32_t types;        /* token types when config.json says none; 0: the family has none */
    uint32_t embedding;    /* of a family with such a key, when config.json says none */
    float eps;             /* of LayerNorm when config.json says none */
    float classifier_drop; /* of the head when config.json says none; below 0: as hidden_drop */
    uint32_t lora_targets; /* LORA_* bits of an adapter when no option names them */
} Family;
extern const Family *const family_rows[]; /* first the built-in encoder's */
extern const int family_count;

const Family *family_find(const char *type); /* by model_type; NULL: none of them */
/* The module of target t ("attention.self.query"), t < LORA_TARGETS; NULL: the family has none. */
const char *family_module(const Family *family, int t);
/* Its name: the shortest end of the module's that no other target's ends in ("query"), else all of it. NULL: none. */
const char *family_target(const Family *family, int t);
/* The targets that a family has, as bits: what PEFT calls all-linear. */
uint32_t family_linear(const Family *family);
/* The targets whose modules a name of PEFT's target_modules stands for, as bits: it is a module's name, its end after a
 * dot, or, as "encoder.layer.0.attention.self.query", the name of one layer's with more before it. */
uint32_t family_named(const Family *family, Str name);
/* The i-th of the distinct prefixes of all families; NULL: there are no more. Models are found under any. */
const char *family_prefix(int i);

/* Lists for people, written to `text`, which is returned. */
enum { FAMILY_TEXT = 512 };
const char *family_types_text(char text[FAMILY_TEXT]);                         /* "bert" and "roberta", in quotes */
const char *family_prefixes_text(char text[FAMILY_TEXT]);                      /* "bert." and "roberta.", in quotes */
const char *family_targets_text(const Family *family, char text[FAMILY_TEXT]); /* query, key and value */

#endif
