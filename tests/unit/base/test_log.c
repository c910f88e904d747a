#include "../test.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "kevfs/base/log.h"

static char captured[16384];

/* Log one line with stderr turned into a pipe. @return what was written */
static const char *capture(enum kev_log_level level, const char *text)
{
	int saved = dup(STDERR_FILENO), ends[2];
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	kev_log(level, "%s", text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(ends[0], captured, sizeof(captured) - 1);
	close(ends[0]);
	assert_true(n >= 0);
	captured[n] = '\0';
	return captured;
}

static void test_log_escapes_and_is_one_line(void **state)
{
	(void)state;
	assert_string_equal(capture(KEV_LOG_ERROR, "a\nb\x1b]0;t\x07"), "kevfs: a\\x0ab\\x1b]0;t\\x07\n");
	assert_string_equal(capture(KEV_LOG_WARNING, "w"), "kevfs: warning: w\n");
}

static void test_log_level(void **state)
{
	(void)state;
	assert_string_equal(capture(KEV_LOG_INFO, "i"), "");
	kev_log_set_level(KEV_LOG_DEBUG);
	assert_string_equal(capture(KEV_LOG_DEBUG, "d"), "kevfs: debug: d\n");
	kev_log_set_level(KEV_LOG_WARNING);
}

static void test_log_cuts_long_lines(void **state)
{
	static char text[10000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	assert_int_equal(strlen(capture(KEV_LOG_ERROR, text)), strlen("kevfs: \n") + 4096);
}

static void test_parse_level(void **state)
{
	enum kev_log_level level = KEV_LOG_INFO;

	(void)state;
	assert_int_equal(kev_log_parse_level("verbose", &level), -EINVAL);
	assert_int_equal(level, KEV_LOG_INFO);
	assert_int_equal(kev_log_parse_level("error", &level), 0);
	assert_int_equal(level, KEV_LOG_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_escapes_and_is_one_line),
		cmocka_unit_test(test_log_level),
		cmocka_unit_test(test_log_cuts_long_lines),
		cmocka_unit_test(test_parse_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
