#include "report.h"

#include <ctype.h>
#include <string.h>

/* The words of the page that not everybody knows, explained where they stand: a word leads to its entry, and pointing
 * at it, or reaching it with the keyboard, shows what the entry says. Paper has the list. */

typedef struct GlossaryTerm {
    const char *id, *name;
    const char *forms; /* as the page writes it, apart by '|', the longest first */
    const char *about;
    const char *file; /* of built-in data: explained only where a task is trained on it; NULL: always */
} GlossaryTerm;

static const GlossaryTerm glossary[] = {
    {"majority", "majority class", "most frequent class|most frequent answer|majority class",
     "The class that most evaluation rows have. Always answering it takes no learning; a method that is not above its "
     "rate has learned nothing.",
     NULL},
    {"interval", "interval", "95% intervals|95% interval|90% interval|intervals|interval",
     "The accuracy on these rows is a sample of the accuracy on all rows of the kind. The interval is what the sample "
     "leaves open: made like this again and again, 95 (90) of 100 intervals hold the true value. Four times the rows "
     "make it half as wide.",
     NULL},
    {"wilson", "Wilson interval", "Wilson intervals|Wilson interval|Wilson",
     "The interval of a share, such as 77 right of 100 (Wilson 1927). It stays between 0 and 100%.", NULL},
    {"p", "p", "p below|p ≥|p ≤|p =|p <",
     "How often chance alone would make a difference at least as large as the one that was found. Below 0.05 it is "
     "said that chance does not explain it; above that nothing is proved, neither way.",
     NULL},
    {"mcnemar", "McNemar test", "McNemar tests|McNemar test|McNemar",
     "Compares two evaluations of the same rows by those that changed: rows lost against rows won (McNemar 1947).",
     NULL},
    {"signflip", "sign-flip test", "sign-flip tests|sign-flip test",
     "McNemar's test for several seeds: a row counts once, by its sum over the seeds, so that rows that all seeds "
     "agree "
     "on are not counted several times.",
     NULL},
    {"t", "Student's t", "Student's t|t interval|t test",
     "The interval and the test for a mean over few values, here over seeds (Student 1908).", NULL},
    {"holm", "Holm's correction", "Holm's correction|Holm",
     "Of twenty tests one falls below 0.05 by chance alone. The correction raises each p by the number of tests that "
     "are made together (Holm 1979).",
     NULL},
    {"seed", "seed", "seeds|seed",
     "The number that all chance of a training follows from: the order of the rows, the start of the heads, dropout. "
     "Another seed is the same experiment with other luck.",
     NULL},
    {"matched", "learned equally well",
     "learned equally well|learn equally well|learned every task equally well|matched learning|match margin|matched",
     "Who learned less has less to forget. Two methods are compared in what they keep only when it is shown that, "
     "right after each training, their accuracies are no further apart than the margin.",
     NULL},
    {"floor", "floor", "the floor",
     "What heads alone reach while the encoder stays as it was: a method below it would better not train the encoder.",
     NULL},
    {"ceiling", "ceiling", "the ceiling",
     "What training on all tasks together reaches: a bound to measure others by, and no way to learn one task after "
     "another.",
     NULL},
    {"front", "front", "On the front|on the front",
     "Methods of which no other is better both at learning and at keeping (the Pareto front).", NULL},
    {"encoder", "encoder", "encoder's|encoder",
     "The part of the model that turns a text into numbers; all tasks share it. A head of each task turns the numbers "
     "into an answer.",
     NULL},
    {"head", "head", "old head|heads|head",
     "The small last part of the model, one for each task, that turns the encoder's numbers into one of the task's "
     "classes.",
     NULL},
    {"adapter", "adapter (LoRA)", "LoRA adapter|adapters|adapter|LoRA",
     "Small matrices beside the encoder's own, which stay as they are: the adapter alone is trained (Hu et al. 2021).",
     NULL},
    {"finetuning", "fine-tuning", "full fine-tuning|fine-tuning",
     "Training on from weights that were trained on other texts before; full: all weights change.", NULL},
    {"pretraining", "pre-training", "pre-training|pretrained encoder|pretrained",
     "The training on a great many texts that the encoder went through before this experiment.", NULL},
    {"probe", "probe", "probes|probe",
     "A fresh head, trained on the encoder's states as they are: it shows whether the encoder still holds what a task "
     "needs, whatever became of the old head.",
     NULL},
    {"cka", "CKA", "debiased CKA|CKA",
     "How alike two sets of states are, whatever way they are turned: 1 is unchanged, 0 unrelated (centred kernel "
     "alignment; Kornblith et al. 2019).",
     NULL},
    {"loss", "loss", "mean loss|loss",
     "What training makes small: minus the logarithm of the probability given to the true class, mean over rows. "
     "0.69 is a guess between two classes, 1.10 between three.",
     NULL},
    {"epoch", "epoch", "epochs|epoch", "One pass through all training rows.", NULL},
    {"step", "step", "steps|step", "One change of the weights, by one batch of rows.", NULL},
    {"nli", "nli", "nli",
     "Natural language inference: of two sentences, does the second follow from the first (entailment), contradict it, "
     "or neither (neutral).",
     "nli_train.tsv"},
    {"sentiment", "sentiment", "sentiment", "Whether a short text, such as a review, is for or against.",
     "sentiment_train.tsv"},
};

/* Which entries a section, and the page, have used. */
typedef struct GlossaryUse {
    bool section[COUNT(glossary)], page[COUNT(glossary)];
} GlossaryUse;

static bool glossary_applies(const Results *r, const GlossaryTerm *term)
{
    for (int j = 0; term->file && r && j < r->task_count; j++)
        if (strcmp(r->tasks[j].name, term->name) == 0 && strcmp(r->tasks[j].train, term->file) == 0) return true;
    return !term->file;
}

static bool glossary_ends(char c) { return !isalnum((unsigned char)c) && c != '-' && c != '_' && (c & 0x80) == 0; }

/* The bytes of the form of a term that `text` begins with, 0: of none. A form that ends in a sign is a whole word. */
static size_t glossary_match(const GlossaryTerm *term, const char *text)
{
    for (const char *form = term->forms; *form;) {
        const size_t size = strcspn(form, "|");
        const bool word = isalnum((unsigned char)form[size - 1]);
        if (strncmp(text, form, size) == 0 && (!word || glossary_ends(text[size]))) return size;
        form += size + (form[size] == '|');
    }
    return 0;
}

/* The longest term at this place that the section has not explained yet; *size: of its form. NULL: none. A term that
 * it has explained hides shorter ones. */
static const GlossaryTerm *glossary_find(const Results *r, const GlossaryUse *use, const char *text, size_t *size)
{
    const GlossaryTerm *found = NULL;
    *size = 0;
    for (size_t i = 0; i < COUNT(glossary); i++) {
        const size_t of = glossary_applies(r, &glossary[i]) ? glossary_match(&glossary[i], text) : 0;
        if (of <= *size) continue;
        *size = of;
        found = &glossary[i];
    }
    return found && use->section[found - glossary] ? NULL : found;
}
