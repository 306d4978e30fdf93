/* The tests of the platform room as a program for Windows, with what only Windows has. Compiled with a compiler for
 * Windows and cmocka's sources, and run under Wine:
 *   cc -std=gnu11 -D_GNU_SOURCE -I FOLDER_OF_CMOCKA_H tests/windows_test.c cmocka.c -o windows_test.exe */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* cmocka's macro; base has a function of this name */

#include "../src/platform/platform.h"
#include "../src/platform/platform.c"
#include "../src/base/base.h"
#include "../src/base/base.c"

#undef fail_msg
#define fail_msg(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

#include "platform_test.c"

static void test_names_that_windows_changes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"ab:c",     "a*",          "a?",   "a|b",     "a<b",    "a\"b",    "\x01",
                                      "a.",       "a ",          "a./b", "nul",     "Con",    "AUX.txt", "com1",
                                      "LPT9.x.y", "COM\xc2\xb9", "prn ", "x/NUL/y", "CONIN$", "\xff"};
    static const char *const good[] = {"a.b", "a b", "...b", "com", "com10", "console", "null", "\xc3\xa4", "a+b=c,d"};
    char whole[SYS_PATH_BYTES];
    SysFile file;
    SysInfo info;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (sys_path_whole(bad[i], whole) != ERROR_INVALID_NAME) fail_msg("\"%s\" is taken", bad[i]);
        assert_int_equal(sys_open(bad[i], SYS_WRITE, &file), ERROR_INVALID_NAME);
        assert_int_equal(sys_info(bad[i], &info), ERROR_INVALID_NAME);
    }
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(sys_path_whole(good[i], whole), 0);
        assert_true(sys_name_is_usable(good[i]) && str_ends(str(whole), str(good[i])));
    }
    assert_false(sys_name_is_usable("con") || sys_name_is_usable("a.") || sys_name_is_usable("a:b"));
    assert_int_equal(sys_info("", &info), sys_missing);
}

static void test_paths_have_drives_and_backslashes(void **state)
{
    (void)state;
    static const struct {
        const char *path, *whole;
        size_t root;
    } paths[] = {{"C:\\a\\b", "C:/a/b", 3},
                 {"c:/a/../b/", "c:/b", 3},
                 {"C:\\", "C:/", 3},
                 {"\\\\server\\share\\a", "//server/share/a", 15},
                 {"//server/share", "//server/share", 14},
                 {"\\\\?\\C:\\a", "C:/a", 7}};
    char whole[SYS_PATH_BYTES], failed[SYS_PATH_BYTES];
    for (size_t i = 0; i < COUNT(paths); i++) {
        assert_int_equal(sys_path_whole(paths[i].path, whole), 0);
        assert_string_equal(whole, paths[i].whole);
        assert_int_equal(path_root(paths[i].path), paths[i].root);
    }
    assert_true(sys_is_separator('/') && sys_is_separator('\\'));
    assert_int_equal(sys_folder_make("C:\\", failed), 0);
    fresh_folder();
    assert_int_equal(sys_folder_make("build\\test-tmp\\platform\\a\\b", failed), 0);
    assert_int_equal(sys_kind(P "a/b"), SYS_FOLDER);
}

static void test_names_are_utf8_and_paths_long(void **state)
{
    (void)state;
    char path[1200], failed[SYS_PATH_BYTES], real[SYS_PATH_BYTES];
    int size = snprintf(path, sizeof path, "%s", P "\xc3\xa4 \xe4\xb8\xad \xf0\x9f\x99\x82");
    SysError error;
    fresh_folder();
    while (size < 1000) size += snprintf(path + size, sizeof path - (size_t)size, "/%080d", size);
    assert_int_equal(sys_folder_make(path, failed), 0);
    snprintf(path + size, sizeof path - (size_t)size, "/file");
    put(path, "text");
    expect_text(path, "text");
    assert_int_equal(sys_path_real(path, real), 0);
    assert_true(str_ends(str(real), str(path)));
    SysFolder *folder = sys_folder_open(P, &error);
    assert_string_equal(sys_folder_next(folder), "\xc3\xa4 \xe4\xb8\xad \xf0\x9f\x99\x82");
    assert_null(sys_folder_next(folder));
    sys_folder_close(folder);
}

/* As a virus scanner does: others may read and write what it has open, and not replace it. */
static HANDLE scanner_open(const wchar_t *path)
{
    return CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
}

static void scanner_close(void *context)
{
    Sleep(300);
    CloseHandle(context);
}

static void test_a_file_is_replaced_while_others_hold_it(void **state)
{
    (void)state;
    static const wchar_t name[] = L"build\\test-tmp\\platform\\name";
    SysFile file;
    SysThread scanner;
    fresh_folder();
    put(P "name", "old");
    HANDLE held = scanner_open(name);
    assert_true(held != INVALID_HANDLE_VALUE);
    assert_int_equal(sys_open(P "name.tmp", SYS_WRITE, &file), 0);
    assert_int_equal(sys_write(file, "new", 3), 0);
    assert_true(sys_thread_start(&scanner, scanner_close, held));
    assert_int_equal(sys_publish(file, P "name.tmp", P "name"), 0);
    sys_thread_join(&scanner);
    expect_text(P "name", "new");

    held = scanner_open(name); /* for good: one clear line, and the old file stays */
    assert_int_equal(sys_open(P "name.tmp", SYS_WRITE, &file), 0);
    const double begun = clock_seconds();
    const SysError error = sys_publish(file, P "name.tmp", P "name");
    assert_int_equal(error, ERROR_SHARING_VIOLATION);
    assert_true(clock_seconds() - begun > 1);
    assert_non_null(strstr(sys_error_text(error), "another program has this file open"));
    assert_int_equal(sys_kind(P "name.tmp"), SYS_NOTHING);
    expect_text(P "name", "new");
    CloseHandle(held);
}

static void close_console(void *context) { *(bool *)context = interrupt_handle(CTRL_CLOSE_EVENT); }

static void test_closing_the_window_waits_for_the_end(void **state)
{
    (void)state;
    static SysThread system_thread; /* it ends with the process */
    static bool returned;
    assert_false(interrupted());
    assert_true(sys_thread_start(&system_thread, close_console, &returned));
    while (!interrupted()) sys_thread_yield();
    assert_int_equal(WaitForSingleObject((HANDLE)system_thread.handle, 100), WAIT_TIMEOUT);
    assert_false(returned);
    interrupt_flag = 0;
}

static void test_errors_have_english_texts(void **state)
{
    (void)state;
    assert_string_equal(sys_error_text(sys_missing), "No such file or directory");
    const char *text = sys_error_text(ERROR_SEEK); /* of Windows itself, as part of a line */
    assert_true(*text && !strpbrk(text, "\r\n") && text[strlen(text) - 1] != '.');
    assert_string_equal(sys_error_text(0x1fffffff), "Windows error 536870911");
}

static void test_windows_places(void **state)
{
    (void)state;
    char cache[SYS_PATH_BYTES];
    SetEnvironmentVariableW(L"LOCALAPPDATA", L"C:\\L\u00e4");
    SetEnvironmentVariableW(L"USERPROFILE", L"C:\\Me");
    assert_true(sys_cache_folder(cache));
    assert_string_equal(cache, "C:/L\xc3\xa4/lethe/cache");
    SetEnvironmentVariableW(L"LOCALAPPDATA", NULL);
    assert_true(sys_cache_folder(cache));
    assert_string_equal(cache, "C:/Me/AppData/Local/lethe/cache");
    assert_string_equal(sys_home(), "C:/Me");
    SetEnvironmentVariableW(L"USERPROFILE", NULL);
    assert_null(sys_home());
    assert_false(sys_cache_folder(cache));
}

static const struct CMUnitTest windows_tests[] = {
    cmocka_unit_test(test_names_that_windows_changes_are_refused),
    cmocka_unit_test(test_paths_have_drives_and_backslashes),
    cmocka_unit_test(test_names_are_utf8_and_paths_long),
    cmocka_unit_test(test_a_file_is_replaced_while_others_hold_it),
    cmocka_unit_test(test_closing_the_window_waits_for_the_end),
    cmocka_unit_test(test_errors_have_english_texts),
    cmocka_unit_test(test_windows_places),
};

int main(int argc, char **argv)
{
    sys_start();
    argv = sys_arguments(&argc, argv);
    if (argc > 1 && strcmp(argv[1], PLATFORM_CHILD) == 0) return platform_child(argc, argv);
    int failed = cmocka_run_group_tests_name("platform", platform_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("windows", windows_tests, NULL, NULL);
    return failed != 0;
}
