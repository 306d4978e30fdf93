/* rows: what is put into a pipe or a file comes out row by row, whatever pieces it arrives in. */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

/* Rows that have every kind of place in them at which a piece may end. */
static const char *const rows_kinds[] = {
    "a good film",
    "na\u00efve \u4e2d\u6587 \U0001f44d",
    "",
    "\xff\xfe not UTF-8 \xe4\xb8",
    "text\tpair",
    "\t",
    "cr \r within",
    " ",
    "one",
    "\xe2\x80\xa8 a separator",
};

typedef struct RowFeed {
    Str text;       /* what is written */
    size_t rows;    /* that it holds */
    int ends[2];    /* of the pipe */
    size_t piece;   /* bytes of a write at most; 0: any up to 70,000 */
    unsigned pause; /* microseconds between writes */
    pthread_t thread;
} RowFeed;

/* Row i and its end: LF or CRLF; the last one may have none. */
static RowFeed rows_feed(Arena *arena, size_t bytes, bool ended)
{
    enum { LONGEST = 64 };
    char *text = arena_new(arena, char, bytes + LONGEST);
    RowFeed feed = {.piece = 1};
    size_t used = 0;
    while (used < bytes) {
        const char *row = rows_kinds[feed.rows % COUNT(rows_kinds)];
        used += (size_t)snprintf(text + used, LONGEST, "%s%s", row, feed.rows % 3 ? "\n" : "\r\n");
        feed.rows++;
    }
    if (!ended && used) used -= text[used - 2] == '\r' ? 2 : 1;
    if (!ended && feed.rows && !*rows_kinds[(feed.rows - 1) % COUNT(rows_kinds)]) feed.rows--; /* nothing is no row */
    feed.text = (Str){text, used};
    return feed;
}

static void *rows_write(void *context)
{
    RowFeed *feed = context;
    enum { STREAM = 0x726f7773, MOST = 70000 };
    uint32_t turn = 0;
    for (size_t at = 0, size; at < feed->text.size; at += size) {
        size = feed->piece ? feed->piece : 1 + (size_t)(random_uniform(STREAM, 0, turn++) * MOST);
        if (size > feed->text.size - at) size = feed->text.size - at;
        if (sys_write(feed->ends[1], feed->text.at + at, size)) abort();
        if (feed->pause) usleep(feed->pause);
    }
    close(feed->ends[1]);
    return NULL;
}

static void rows_same(const RowFeed *feed, const Example *row, size_t i)
{
    const char *wanted = rows_kinds[i % COUNT(rows_kinds)], *tab = strchr(wanted, '\t');
    const Str text = {wanted, tab ? (size_t)(tab - wanted) : strlen(wanted)};
    if (i >= feed->rows || !str_equal(row->text, text) || (row->pair.at != NULL) != (tab != NULL) ||
        (tab && !str_equal(row->pair, str(tab + 1))))
        fail_msg("row %zu of %zu: \"%s\"", i + 1, feed->rows, str_show(row->text));
}

/* Takes rows as commands do, which wait only when they have nothing to do. */
static void rows_take(RowReader *r, const RowFeed *feed, bool *waits)
{
    Err err = {0};
    Example row;
    RowState at = ROW_READ;
    size_t rows = 0;
    for (bool wait = true; at != ROW_ENDED; wait = at == ROW_NOT_YET) {
        if (!rows_next(r, wait, &row, &at, &err)) fail_msg("%s", err.text);
        if (at == ROW_READ) rows_same(feed, &row, rows++);
        if (at == ROW_NOT_YET && wait) fail_msg("row %zu: not awaited", rows + 1);
        *waits = *waits || at == ROW_NOT_YET;
    }
    assert_int_equal(rows, feed->rows);
    assert_int_equal(r->rows, feed->rows);
}

static void rows_reader(RowReader *r)
{
    Err err = {0};
    tmp_write("rows", S(""));
    if (!rows_open(r, tmp_path("rows"), false, &err)) fail_msg("%s", err.text);
}

static void rows_through_pipe(RowFeed *feed)
{
    RowReader r;
    bool waits = false;
    rows_reader(&r);
    assert_int_equal(pipe(feed->ends), 0);
    assert_int_equal(dup2(feed->ends[0], (int)r.file), r.file);
    close(feed->ends[0]);
    assert_int_equal(pthread_create(&feed->thread, NULL, rows_write, feed), 0);
    rows_take(&r, feed, &waits);
    pthread_join(feed->thread, NULL);
    assert_true(waits || !feed->pause);
    rows_close(&r);
}

static void test_rows_of_all_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 100, 4095, 4096, 65535, 65536, 65537, 1 << 20, 10 << 20};
    (void)state;
    for (size_t i = 0; i < 2 * COUNT(sizes); i++) {
        Arena arena = {0};
        Err err = {0};
        RowReader r;
        bool waits = false;
        RowFeed feed = rows_feed(&arena, sizes[i / 2], i % 2);
        feed.piece = sizes[i / 2] > 5000 ? 0 : 1;
        rows_through_pipe(&feed);
        tmp_write("rows", feed.text);
        if (!rows_open(&r, tmp_path("rows"), false, &err)) fail_msg("%s", err.text);
        rows_take(&r, &feed, &waits);
        rows_close(&r);
        arena_free(&arena);
    }
}

/* All before a place has arrived and been taken before the rest comes: within a character, between CR and LF, within a
 * byte order mark. */
static void test_rows_split_at_every_place(void **state)
{
    (void)state;
    for (int ended = 0; ended < 2; ended++) {
        Arena arena = {0};
        const RowFeed feed = rows_feed(&arena, 300, ended);
        const Str text = str(arena_printf(&arena, "\xef\xbb\xbf%.*s", (int)feed.text.size, feed.text.at));
        for (size_t place = 0; place <= text.size; place++) {
            RowReader r;
            Example row;
            Err err = {0};
            RowState at;
            int ends[2];
            size_t rows = 0;
            rows_reader(&r);
            assert_int_equal(pipe(ends), 0);
            assert_int_equal(dup2(ends[0], (int)r.file), r.file);
            close(ends[0]);
            assert_int_equal(sys_write(ends[1], text.at, place), 0);
            while (rows_next(&r, false, &row, &at, &err) && at == ROW_READ) rows_same(&feed, &row, rows++);
            assert_int_equal(at, ROW_NOT_YET);
            assert_int_equal(sys_write(ends[1], text.at + place, text.size - place), 0);
            close(ends[1]);
            while (rows_next(&r, true, &row, &at, &err) && at == ROW_READ) rows_same(&feed, &row, rows++);
            if (err.code || at != ROW_ENDED || rows != feed.rows)
                fail_msg("split at %zu: %zu of %zu rows %s", place, rows, feed.rows, err.text);
            rows_close(&r);
        }
        arena_free(&arena);
    }
}

static volatile sig_atomic_t rows_alarms;
static void rows_alarm(int signal_number)
{
    (void)signal_number;
    rows_alarms++;
}

/* A producer that is slow, and signals that interrupt each call meanwhile. */
static void test_rows_and_signals(void **state)
{
    (void)state;
    Arena arena = {0};
    RowFeed feed = rows_feed(&arena, 1500, false);
    feed.piece = 7;
    feed.pause = 1000;
    struct sigaction old, action = {.sa_handler = rows_alarm}; /* no SA_RESTART */
    const struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    rows_alarms = 0;
    assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    rows_through_pipe(&feed);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &old, NULL);
    assert_true(rows_alarms > 10);
    arena_free(&arena);
}

static const struct CMUnitTest rows_tests[] = {
    cmocka_unit_test(test_rows_of_all_sizes),
    cmocka_unit_test(test_rows_split_at_every_place),
    cmocka_unit_test(test_rows_and_signals),
};
