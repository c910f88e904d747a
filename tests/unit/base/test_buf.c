#include "../test.h"

#include <errno.h>
#include <stdlib.h>

#include "kevfs/base/buf.h"

static void test_append_grows_to_cap(void **state)
{
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 1000);
	for (int i = 0; i < 100; i++)
		assert_int_equal(kev_buf_append_c(&buf, "0123456789"), 0);
	assert_int_equal(buf.len, 1000);
	assert_memory_equal(buf.data + 990, "0123456789", 10);
	kev_buf_fini(&buf);
}

static void test_append_over_cap_is_sticky(void **state)
{
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 4);
	assert_int_equal(kev_buf_append_c(&buf, "abc"), 0);
	assert_int_equal(kev_buf_append_c(&buf, "de"), -EMSGSIZE);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("abc"));
	assert_int_equal(kev_buf_append_char(&buf, 'd'), -EMSGSIZE);
	assert_int_equal(kev_buf_printf(&buf, "%d", 1), -EMSGSIZE);
	assert_int_equal(buf.error, -EMSGSIZE);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("abc"));
	kev_buf_clear(&buf);
	assert_int_equal(kev_buf_append_c(&buf, "wxyz"), 0);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("wxyz"));
	kev_buf_fini(&buf);
}

static void test_append_length_overflow(void **state)
{
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, SIZE_MAX);
	assert_int_equal(kev_buf_append_char(&buf, 'x'), 0);
	assert_int_equal(kev_buf_reserve(&buf, SIZE_MAX), -EMSGSIZE);
	assert_int_equal(buf.len, 1);
	kev_buf_fini(&buf);
}

static void test_append_nothing_allocates_nothing(void **state)
{
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 10);
	assert_int_equal(kev_buf_append(&buf, NULL, 0), 0);
	assert_int_equal(kev_buf_append_fill(&buf, ' ', 0), 0);
	assert_null(buf.data);
	kev_buf_fini(&buf);
}

static void test_cstr_of_full_buffer(void **state)
{
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 64);
	assert_string_equal(kev_buf_cstr(&buf), "");
	assert_int_equal(kev_buf_append_fill(&buf, 'x', 64), 0);
	assert_int_equal(strlen(kev_buf_cstr(&buf)), 64);
	assert_int_equal(buf.len, 64);
	kev_buf_fini(&buf);
}

static void test_consume(void **state)
{
	struct kev_buf buf;

	(void)state;
	kev_buf_init(&buf, 64);
	kev_buf_append_c(&buf, "abcdef");
	kev_buf_consume(&buf, 2);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("cdef"));
	kev_buf_consume(&buf, 100);
	assert_int_equal(buf.len, 0);
	kev_buf_wipe(&buf);
	assert_null(buf.data);
	assert_int_equal(buf.max, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_grows_to_cap),
		cmocka_unit_test(test_append_over_cap_is_sticky),
		cmocka_unit_test(test_append_length_overflow),
		cmocka_unit_test(test_append_nothing_allocates_nothing),
		cmocka_unit_test(test_cstr_of_full_buffer),
		cmocka_unit_test(test_consume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
