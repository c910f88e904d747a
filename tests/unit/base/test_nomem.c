/* Every allocation of the room fails in turn. */
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../nomem.h"
#include "kevfs/base/buf.h"
#include "kevfs/base/error.h"
#include "kevfs/base/log.h"
#include "kevfs/base/text.h"

/* A run of appends, of which one fails: what stands before it stays, and nothing comes behind. */
static int append_action(void *context)
{
	static const char expected[] = "0123456789\\x1b[31m 42 ------------------------------------------"
				       "----------------------------------------------------------------";
	KEV_CLEANUP(buf_fini) struct kev_buf buf;

	(void)context;
	kev_buf_init(&buf, 1000);
	kev_buf_append_c(&buf, "0123456789");
	kev_text_append_escaped(&buf, KEV_STR("\x1b[31m"));
	kev_buf_printf(&buf, " %d ", 42);
	kev_buf_append_fill(&buf, '-', 106);
	assert_true(buf.len <= sizeof(expected) - 1);
	if (buf.len)
		assert_memory_equal(buf.data, expected, buf.len);
	if (!buf.error)
		assert_int_equal(buf.len, sizeof(expected) - 1);
	return buf.error;
}

static void test_append(void **state)
{
	(void)state;
	assert_in_range(nomem_fail_each(append_action, NULL), 4, 10);
}

/* The content is not touched, and it works the next time. */
static int cstr_action(void *context)
{
	KEV_CLEANUP(buf_fini) struct kev_buf buf;
	const char *s;

	(void)context;
	kev_buf_init(&buf, 64);
	if (kev_buf_append_fill(&buf, 'x', 64))
		return buf.error;
	s = kev_buf_cstr(&buf);
	assert_int_equal(buf.len, 64);
	if (!s)
		assert_non_null(kev_buf_cstr(&buf));
	assert_int_equal(strlen(buf.data), 64);
	return s ? 0 : -ENOMEM;
}

static void test_cstr(void **state)
{
	(void)state;
	assert_int_equal(nomem_fail_each(cstr_action, NULL), 2);
}

/* There is always a text. */
static int error_action(void *context)
{
	struct kev_error error = {"old"};

	(void)context;
	kev_error_set(&error, "%s is \x1b wrong", "this");
	if (strcmp(error.text, "out of memory") == 0)
		return -ENOMEM;
	assert_string_equal(error.text, "this is \\x1b wrong");
	return 0;
}

static int prefix_action(void *context)
{
	struct kev_error error = {"wrong"};

	(void)context;
	kev_error_prefix(&error, "line %d", 7);
	if (strcmp(error.text, "line 7: wrong") == 0)
		return 0;
	/* Without the prefix, it is true all the same. */
	assert_true(strcmp(error.text, "wrong") == 0 || strcmp(error.text, "out of memory") == 0);
	return -ENOMEM;
}

static void test_error(void **state)
{
	(void)state;
	assert_in_range(nomem_fail_each(error_action, NULL), 2, 5);
	assert_in_range(nomem_fail_each(prefix_action, NULL), 3, 5);
}

/* A line is whole, or cut, but never without its end: the next one would be taken for a part of it. */
static int log_action(void *context)
{
	static const char whole[] = "kevfs: warning: a \\x1b that is escaped\n";
	const int *ends = context;
	char text[200];
	ssize_t len;

	kev_log_warning("a \x1b that is %s", "escaped");
	len = read(ends[0], text, sizeof(text));
	if (len < 0) {
		assert_int_equal(errno, EAGAIN);
		return -ENOMEM;
	}
	assert_true(len > 0 && memchr(text, '\n', (size_t)len) == text + len - 1);
	if ((size_t)len < sizeof(whole) - 1)
		return -ENOMEM;
	assert_int_equal(len, sizeof(whole) - 1);
	assert_memory_equal(text, whole, sizeof(whole) - 1);
	return 0;
}

static void test_log(void **state)
{
	int ends[2], stderr_before = dup(STDERR_FILENO);
	size_t count;

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	count = nomem_fail_each(log_action, ends);
	assert_true(dup2(stderr_before, STDERR_FILENO) >= 0);
	close(stderr_before);
	close(ends[0]);
	close(ends[1]);
	assert_in_range(count, 4, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_cstr),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
