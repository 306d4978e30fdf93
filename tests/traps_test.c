/* traps: files that look well and would be read as something else, through the command line. The BERT of
 * tests/golden/interchange, whose classes are no, perhaps and yes, is the model. */

#define TRAP T "traps/"
#define TRAP_PREDICT "lethe predict --device cpu --threads 1 --model "

/* A copy of the model in TRAP x, changed by a shell line in which $d is its folder. */
static void trap_model(const char *change)
{
    expect(sh("rm -rf " TRAP "x; mkdir -p " TRAP "; cp -r " HF "bert " TRAP "x; d=" TRAP "x; %s", change), 0, "");
}

/* -1 and - are a class where the model has one; rows without a label are counted. */
static void test_labels_of_minus_one(void **state)
{
    (void)state;
    trap_model("sed -i 's/\"0\": \"no\"/\"0\": \"-1\"/; s/\"no\": 0/\"-1\": 0/' $d/config.json; printf "
               "'text,label\\na film,-1\\na good one,perhaps\\na bad one,-\\n,yes\\n' >$d/x.csv");
    const Outcome *o = sh(TRAP_PREDICT TRAP "x --with label " TRAP "x/x.csv");
    expect(o, 0, "of 3 rows are labelled as in the file");
    expect(o, 0, "x.csv: 1 row has no label and is not counted in the accuracy\n");
    o = sh(TRAP_PREDICT HF "bert --with label " TRAP "x/x.csv");
    expect(o, 0, "of 2 rows are labelled as in the file");
    expect(o, 0, "x.csv: 2 rows have no label and are not counted in the accuracy\n");
}

static const struct CMUnitTest traps_tests[] = {
    cmocka_unit_test(test_labels_of_minus_one),
};
