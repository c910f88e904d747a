#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kevfs/cluster/file.h"

/* Each test has a directory of its own, and stands in it. */
static int enter(void **state)
{
	char *directory = strdup("/tmp/kevfs-test-XXXXXX");

	*state = directory;
	return directory && mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	unlink("file");
	unlink("fifo");
	if (chdir("/") < 0 || rmdir(*state) < 0)
		return -1;
	free(*state);
	return 0;
}

static void write_file(const char *text, size_t len)
{
	int fd = open("file", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static void test_read_replaces_content(void **state)
{
	struct kev_buf buf;

	(void)state;
	write_file("hello\0x", 7);
	kev_buf_init(&buf, 100);
	kev_buf_append_c(&buf, "before");
	assert_int_equal(kev_file_read("file", KEV_FILE_REGULAR, &buf), 0);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("hello\0x"));
	assert_int_equal(buf.max, 100);
	write_file("", 0);
	assert_int_equal(kev_file_read("file", KEV_FILE_ANY, &buf), 0);
	assert_int_equal(buf.len, 0);
	kev_buf_wipe(&buf);
}

static void test_read_cap(void **state)
{
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 5);
	kev_buf_append_c(&buf, "old");
	write_file("123456", 6);
	assert_int_equal(kev_file_read("file", KEV_FILE_REGULAR, &buf), -EFBIG);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("old"));
	assert_int_equal(buf.error, 0);
	write_file("12345", 5);
	assert_int_equal(kev_file_read("file", KEV_FILE_REGULAR, &buf), 0);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("12345"));
	kev_buf_wipe(&buf);
}

/* A file without a size, and without an end. */
static void test_read_endless(void **state)
{
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 100000);
	assert_int_equal(kev_file_read("/dev/zero", KEV_FILE_ANY, &buf), -EFBIG);
	assert_int_equal(kev_file_read("/proc/self/status", KEV_FILE_REGULAR, &buf), 0);
	assert_true(kev_str_starts(kev_buf_str(&buf), KEV_STR("Name:")));
	kev_buf_wipe(&buf);
}

static void test_read_kinds(void **state)
{
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 100);
	kev_buf_append_c(&buf, "old");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	/* Does not wait for a writer. */
	assert_int_equal(kev_file_read("fifo", KEV_FILE_REGULAR, &buf), -EOPNOTSUPP);
	assert_int_equal(kev_file_read("/dev/null", KEV_FILE_REGULAR, &buf), -EOPNOTSUPP);
	assert_int_equal(kev_file_read(".", KEV_FILE_ANY, &buf), -EISDIR);
	assert_int_equal(kev_file_read("missing", KEV_FILE_ANY, &buf), -ENOENT);
	assert_int_equal(kev_file_read("", KEV_FILE_ANY, &buf), -ENOENT);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("old"));
	assert_int_equal(kev_file_read("/dev/null", KEV_FILE_ANY, &buf), 0);
	assert_int_equal(buf.len, 0);
	kev_buf_wipe(&buf);
}

static void test_join(void **state)
{
	static const struct {
		const char *directory, *path, *result;
	} cases[] = {
		{"/a", "b", "/a/b"},
		{"/a/", "b/../c", "/a/c"},
		{"/a/b", "../../../c", "/c"},
		{"/", "a", "/a"},
		{"", "a", "/a"},
		{"/a", "..", "/"},
		{"/a", "./b//c", "/a/b/c"},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		char *path = NULL;

		assert_int_equal(kev_file_join(cases[i].directory, kev_str_c(cases[i].path), &path), 0);
		assert_string_equal(path, cases[i].result);
		free(path);
	}
}

static void test_join_too_long(void **state)
{
	char *text = calloc(1, 70000), *path = NULL;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', 69999);
	assert_int_equal(kev_file_join("/", kev_str_c(text), &path), -ENAMETOOLONG);
	assert_null(path);
	free(text);
}

static void test_directory(void **state)
{
	char *directory = NULL, *expected = NULL;

	assert_int_equal(kev_file_directory("/a/b/c", &directory), 0);
	assert_string_equal(directory, "/a/b");
	free(directory);
	assert_int_equal(kev_file_directory("/c", &directory), 0);
	assert_string_equal(directory, "/");
	free(directory);
	assert_int_equal(kev_file_directory("c", &directory), 0);
	assert_string_equal(directory, *state);
	free(directory);
	assert_int_equal(kev_file_directory("a/../b/c", &directory), 0);
	assert_true(asprintf(&expected, "%s/b", (char *)*state) > 0);
	assert_string_equal(directory, expected);
	free(expected);
	free(directory);
}

static void test_trim(void **state)
{
	(void)state;
	assert_str_equal(kev_file_trim(KEV_STR(" \t\r\n\v\fa b\n\n")), KEV_STR("a b"));
	assert_str_equal(kev_file_trim(KEV_STR("a")), KEV_STR("a"));
	assert_int_equal(kev_file_trim(KEV_STR(" \n")).len, 0);
	assert_int_equal(kev_file_trim((struct kev_str){NULL, 0}).len, 0);
	/* A NUL is no space: it must stay, to be refused. */
	assert_str_equal(kev_file_trim(KEV_STR("a\0")), KEV_STR("a\0"));
}

static void test_shown(void **state)
{
	char path[202];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[200] = '\0';
	assert_string_equal(kev_file_shown(path), path);
	path[200] = 'a';
	path[201] = '\0';
	assert_string_equal(kev_file_shown(path), "(too long to be shown)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read_replaces_content, enter, leave),
		cmocka_unit_test_setup_teardown(test_read_cap, enter, leave),
		cmocka_unit_test_setup_teardown(test_read_endless, enter, leave),
		cmocka_unit_test_setup_teardown(test_read_kinds, enter, leave),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_join_too_long),
		cmocka_unit_test_setup_teardown(test_directory, enter, leave),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
