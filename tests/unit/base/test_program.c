#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kevfs/base/program.h"

/* A directory with two others in it, of which the second holds a program, and the first a file of that name.
 */
struct site {
	char directory[64], first[80], second[80], program[96];
};

static void make_file(const char *directory, mode_t mode)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/tool", directory);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int setup(void **state)
{
	struct site *site = calloc(1, sizeof(*site));

	assert_non_null(site);
	strcpy(site->directory, "/tmp/kevfs-program-XXXXXX");
	assert_non_null(mkdtemp(site->directory));
	snprintf(site->first, sizeof(site->first), "%s/first", site->directory);
	snprintf(site->second, sizeof(site->second), "%s/second", site->directory);
	snprintf(site->program, sizeof(site->program), "%s/tool", site->second);
	assert_int_equal(mkdir(site->first, 0700), 0);
	assert_int_equal(mkdir(site->second, 0700), 0);
	make_file(site->first, 0600);
	make_file(site->second, 0700);
	*state = site;
	return 0;
}

static int teardown(void **state)
{
	struct site *site = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/tool", site->first);
	unlink(path);
	unlink(site->program);
	rmdir(site->first);
	rmdir(site->second);
	rmdir(site->directory);
	free(site);
	return 0;
}

static void test_find(void **state)
{
	struct site *site = *state;
	char path[300], out[PATH_MAX] = "untouched";

	snprintf(path, sizeof(path), "%s:%s", site->first, site->directory);
	assert_int_equal(kev_program_find("tool", path, out), -ENOENT);
	assert_int_equal(kev_program_find("tool", "", out), -ENOENT);
	assert_int_equal(kev_program_find("tool", NULL, out), -ENOENT);
	assert_string_equal(out, "untouched");
	/* Not the one that may not be executed. */
	snprintf(path, sizeof(path), "/no/such:%s:%s:/bin", site->first, site->second);
	assert_int_equal(kev_program_find("tool", path, out), 0);
	assert_string_equal(out, site->program);
}

static void test_find_nothing_relative(void **state)
{
	struct site *site = *state;
	char out[PATH_MAX], *before = getcwd(NULL, 0), path[300];

	assert_non_null(before);
	assert_int_equal(chdir(site->second), 0);
	assert_int_equal(kev_program_find("tool", ".:::../second:second", out), -ENOENT);
	snprintf(path, sizeof(path), ":.:%s", site->second);
	assert_int_equal(kev_program_find("tool", path, out), 0);
	assert_string_equal(out, site->program);
	assert_int_equal(chdir(before), 0);
	free(before);
}

static void test_find_too_long(void **state)
{
	struct site *site = *state;
	char *path = malloc(2 * PATH_MAX), out[PATH_MAX];

	assert_non_null(path);
	memset(path, '/', 2 * PATH_MAX);
	snprintf(path + PATH_MAX - 2, 200, ":%s", site->second);
	assert_int_equal(kev_program_find("tool", path, out), 0);
	assert_string_equal(out, site->program);
	free(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_find),
		TEST(test_find_nothing_relative),
		TEST(test_find_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
