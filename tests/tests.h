/* What several test files use. */
#include <sys/stat.h>

/* cmocka's fail_msg uses its macro `fail`, whose name base needs. */
#undef fail_msg
#define fail_msg(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

/* build/test-tmp/NAME, as a path that lives until the next few calls. */
static const char *tmp_path(const char *name)
{
    static char ring[8][512];
    static unsigned turn;
    mkdir("build", 0777);
    mkdir("build/test-tmp", 0777);
    char *path = ring[turn++ % COUNT(ring)];
    snprintf(path, sizeof ring[0], "build/test-tmp/%s", name);
    return path;
}

static void tmp_write(const char *name, Str bytes)
{
    FILE *file = fopen(tmp_path(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.at, 1, bytes.size, file), bytes.size);
    assert_int_equal(fclose(file), 0);
}

/* ./build.sh check has every single call fail once, where the tests by themselves try a sample. */
static bool every_failure(void) { return getenv("LETHE_EVERY_FAILURE") != NULL; }

/* Real data, beside the checkout on machines that have it; tests that need it skip without it. */
#define SHARED_DATA "../shared/data"
static bool have_shared_data(void)
{
    struct stat st;
    return stat(SHARED_DATA "/SST-2/train.tsv", &st) == 0;
}
