/* glue: the layouts of GLUE's and SuperGLUE's own files, with rows of our own: which columns are read, and what is
 * refused by name. docs/data.md lists them. */

typedef struct GlueCase {
    const char *set, *file, *bytes;
    const char *text, *pair, *label;    /* columns; text NULL: refused, and `first` is said */
    const char *first, *second, *class; /* of the last row; second NULL: single texts */
    size_t rows, skipped;
} GlueCase;

#define MNLI_PARSES "sentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_parse\t"
#define MNLI_HEAD "index\tpromptID\tpairID\tgenre\t" MNLI_PARSES "sentence1\tsentence2\tlabel1\t"
#define MNLI_ROW "0\t3\t3e\tfiction\t( a b )\t( c d )\t(ROOT (S a b))\t(ROOT (S c d))\t"
#define STS_HEAD "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\t"
#define STS_ROW "0\tmain\tMSRvid\t2012\t1\tnone\tnone\tA plane flies.\tA plane is taking off.\t"

static const GlueCase glue_cases[] = {
    {"CoLA", "train.tsv", "gj04\t1\t\tThe dog barks.\ngj04\t0\t*\tDog the \"barks.\n", "sentence", NULL, "label",
     "Dog the \"barks.", NULL, "0", 2, 0},
    {"CoLA", "test.tsv", "index\tsentence\n0\tThe dog barks.\n", NULL, NULL, NULL,
     "no label column (label or gold_label); the columns here are: index, sentence; is it a test file", NULL, NULL, 0,
     0},
    {"SST-2", "dev.tsv", "sentence\tlabel\na fine \"film \t1\na bore\t0\n", "sentence", NULL, "label", "a bore", NULL,
     "0", 2, 0},
    {"SST-2", "test.tsv", "index\tsentence\n0\ta fine film\n", NULL, NULL, NULL, "is it a test file", NULL, NULL, 0, 0},
    {"MRPC", "train.tsv",
     "\xef\xbb\xbfQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t11\t12\tHe said \"no.\tHe refused.\r\n"
     "0\t13\t14\tIt rose.\tIt fell.\r\n",
     "#1 String", "#2 String", "Quality", "It rose.", "It fell.", "0", 2, 0},
    {"MRPC", "test.tsv", "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\ta\tb\n", NULL, NULL, NULL,
     "is it a test file", NULL, NULL, 0, 0},
    {"QQP", "train.tsv",
     "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tWhy?\tHow?\t0\n1\t3\t4\tcut off\n2\t5\t6\tWho?\tWho "
     "is it?\t1\n",
     "question1", "question2", "is_duplicate", "Who?", "Who is it?", "1", 2, 1},
    {"QQP", "test.tsv", "id\tquestion1\tquestion2\n0\tWhy?\tHow?\n", NULL, NULL, NULL, "is it a test file", NULL, NULL,
     0, 0},
    {"MNLI", "train.tsv", MNLI_HEAD "gold_label\n" MNLI_ROW "a b\tc d\tneutral\tneutral\n", "sentence1", "sentence2",
     "gold_label", "a b", "c d", "neutral", 1, 0},
    {"MNLI", "dev_matched.tsv",
     MNLI_HEAD "label2\tlabel3\tlabel4\tlabel5\tgold_label\n" MNLI_ROW
               "x\ty\tneutral\tneutral\tneutral\tneutral\tneutral\t-\n" MNLI_ROW
               "a b\tc d\tneutral\tentailment\tentailment\tentailment\tneutral\tentailment\n",
     "sentence1", "sentence2", "gold_label", "a b", "c d", "entailment", 1, 1},
    {"MNLI", "test_mismatched.tsv",
     "index\tpromptID\tpairID\tgenre\t" MNLI_PARSES "sentence1\tsentence2\n" MNLI_ROW "a\tb\n", NULL, NULL, NULL,
     "is it a test file", NULL, NULL, 0, 0},
    {"SNLI", "snli_1.0_dev.tsv",
     "gold_label\t" MNLI_PARSES "sentence1\tsentence2\tcaptionID\tpairID\tlabel1\tlabel2\n-\tp\tp\tp\tp\tx\ty\tc\t1\t"
     "neutral\tneutral\nneutral\tp\tp\tp\tp\ta b\tc d\tc\t2\tneutral\t\n",
     "sentence1", "sentence2", "gold_label", "a b", "c d", "neutral", 1, 1},
    {"QNLI", "dev.tsv", "index\tquestion\tsentence\tlabel\n0\tWho came?\tAnn came.\tentailment\n", "question",
     "sentence", "label", "Who came?", "Ann came.", "entailment", 1, 0},
    {"RTE", "train.tsv", "index\tsentence1\tsentence2\tlabel\n0\tNo \"one came.\tAnn came.\tnot_entailment\n",
     "sentence1", "sentence2", "label", "No \"one came.", "Ann came.", "not_entailment", 1, 0},
    {"WNLI", "train.tsv",
     "index\tsentence1\tsentence2\tlabel\n0\tI stuck a pin through a carrot. When I pulled it out, it had a hole.\tThe "
     "carrot had a hole.\t1\n1\tAnn called Bea, but she was out.\tAnn was out.\t0\n",
     "sentence1", "sentence2", "label", "Ann called Bea, but she was out.", "Ann was out.", "0", 2, 0},
    {"WNLI", "test.tsv", "index\tsentence1\tsentence2\n0\ta\tb\n", NULL, NULL, NULL, "is it a test file", NULL, NULL, 0,
     0},
    {"STS-B", "train.tsv", STS_HEAD "score\n" STS_ROW "5.000\n", NULL, NULL, NULL, "regression", NULL, NULL, 0, 0},
    {"AX", "diagnostic.tsv", "index\tsentence1\tsentence2\n0\ta\tb\n", NULL, NULL, NULL, "no label column", NULL, NULL,
     0, 0},
    {"AX", "diagnostic-full.tsv",
     "Lexical Semantics\tLogic\tDomain\tPremise\tHypothesis\tLabel\n\tx\tNews\ta\tb\tneutral\n", "Premise",
     "Hypothesis", "Label", "a", "b", "neutral", 1, 0},
    {"BoolQ", "train.jsonl",
     "{\"question\": \"is it\", \"passage\": \"It is.\", \"idx\": 0, \"label\": true}\n{\"question\": \"was it\", "
     "\"passage\": \"No.\", \"idx\": 1, \"label\": false}\n",
     "question", "passage", "label", "was it", "No.", "false", 2, 0},
    {"CB", "val.jsonl", "{\"premise\": \"a\", \"hypothesis\": \"b\", \"label\": \"contradiction\", \"idx\": 0}\n",
     "premise", "hypothesis", "label", "a", "b", "contradiction", 1, 0},
    {"RTE of SuperGLUE", "val.jsonl",
     "{\"premise\": \"a\", \"hypothesis\": \"b\", \"label\": \"not_entailment\", \"idx\": 0}\n", "premise",
     "hypothesis", "label", "a", "b", "not_entailment", 1, 0},
    {"COPA", "val.jsonl",
     "{\"premise\": \"a\", \"choice1\": \"b\", \"choice2\": \"c\", \"question\": \"cause\", \"label\": 0, \"idx\": "
     "0}\n",
     NULL, NULL, NULL, "COPA", NULL, NULL, 0, 0},
    {"WiC", "val.jsonl",
     "{\"word\": \"board\", \"sentence1\": \"a board\", \"sentence2\": \"board it\", \"idx\": 0, \"label\": false, "
     "\"start1\": 2, \"start2\": 0, \"end1\": 7, \"end2\": 5, \"version\": 1.1}\n",
     NULL, NULL, NULL, "WiC", NULL, NULL, 0, 0},
    {"WSC", "val.jsonl",
     "{\"text\": \"Bea saw her.\", \"target\": {\"span2_index\": 2, \"span1_index\": 0, \"span1_text\": \"Bea\", "
     "\"span2_text\": \"her\"}, \"idx\": 0, \"label\": false}\n",
     NULL, NULL, NULL, "WSC", NULL, NULL, 0, 0},
    /* as Hugging Face's datasets writes them */
    {"WNLI", "wnli.csv", "sentence1,sentence2,label,idx\n\"a, b\",c,1,0\n\"d \"\"e\"\"\",f,0,1\n", "sentence1",
     "sentence2", "label", "d \"e\"", "f", "0", 2, 0},
    {"CoLA", "cola.jsonl", "{\"sentence\": \"a b\", \"label\": 1, \"idx\": 0}\n", "sentence", NULL, "label", "a b",
     NULL, "1", 1, 0},
};

static void glue_check(const GlueCase *c)
{
    Arena arena = {0};
    Err err = {0};
    ExampleFile file;
    const bool ok = examples_parse(&arena, str(c->bytes), c->file, NULL, true, &file, &err);
    if (ok != (c->text != NULL) || (!ok && !strstr(err.text, c->first)))
        fail_msg("%s: %s", c->set, ok ? "it is read" : err.text);
    if (ok) {
        const Example *last = &file.rows[file.row_count - 1];
        if (strcmp(file.text_column, c->text) != 0 || strcmp(file.label_column, c->label) != 0 ||
            file.pairs != (c->pair != NULL) || (c->pair && strcmp(file.pair_column, c->pair) != 0))
            fail_msg("%s: columns %s, %s, %s", c->set, file.text_column, file.pairs ? file.pair_column : "",
                     file.label_column);
        if (file.row_count != c->rows || file.skipped_rows != c->skipped || file.unread)
            fail_msg("%s: %zu rows, %llu skipped, not read: %s", c->set, file.row_count,
                     (unsigned long long)file.skipped_rows, file.unread ? file.unread : "nothing");
        if (!str_equal(last->text, str(c->first)) || !str_equal(last->label, str(c->class)) ||
            (c->second && !str_equal(last->pair, str(c->second))))
            fail_msg("%s: \"%s\", %s", c->set, str_show(last->text), str_show(last->label));
    }
    arena_free(&arena);
}

static void test_every_layout(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(glue_cases); i++) glue_check(&glue_cases[i]);
}

/* Two columns that predict --to writes. */
static void test_labelled_pairs_are_pairs(void **state)
{
    (void)state;
    const GlueCase own = {
        "--to", "x.csv", "row,text,pair,label,probability\n1,a,b,yes,0.9\n", "text", "pair", "label", "a", "b", "yes",
        1,      0};
    const GlueCase hf = {"HF",
                         "x.jsonl",
                         "{\"text\": \"a\", \"text_pair\": \"b\", \"label\": 1}\n",
                         "text",
                         "text_pair",
                         "label",
                         "a",
                         "b",
                         "1",
                         1,
                         0};
    glue_check(&own);
    glue_check(&hf);
}

static const struct CMUnitTest glue_tests[] = {
    cmocka_unit_test(test_every_layout),
    cmocka_unit_test(test_labelled_pairs_are_pairs),
};
