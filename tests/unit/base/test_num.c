#include "../test.h"

#include <errno.h>

#include "kevfs/base/num.h"

static const struct {
	const char *text;
	uint64_t max;
	int result;
	uint64_t value;
} decimal[] = {
	{"0", 0, 0, 0},
	{"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
	{"18446744073709551616", UINT64_MAX, -ERANGE, 0},
	{"99999999999999999999999", UINT64_MAX, -ERANGE, 0},
	{"0000000000000000000000007", 9, 0, 7},
	{"10", 9, -ERANGE, 0},
	{"", 9, -EINVAL, 0},
	{"-1", 9, -EINVAL, 0},
	{"+1", 9, -EINVAL, 0},
	{" 1", 9, -EINVAL, 0},
	{"1 ", 9, -EINVAL, 0},
	{"1a", 9, -EINVAL, 0},
	{"0x1", 9, -EINVAL, 0},
	{"99999999999999999999999x", 9, -EINVAL, 0},
};

static void test_parse_u64_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(decimal); i++) {
		uint64_t out = 4711;

		assert_int_equal(kev_num_parse_u64(kev_str_c(decimal[i].text), decimal[i].max, &out),
			decimal[i].result);
		assert_true(out == (decimal[i].result ? 4711 : decimal[i].value));
	}
}

static void test_parse_hex_and_octal(void **state)
{
	uint64_t out = 4711;

	(void)state;
	assert_int_equal(kev_num_parse_hex(KEV_STR("18ead12a14b3bd3f"), UINT64_MAX, &out), 0);
	assert_true(out == 0x18ead12a14b3bd3f);
	assert_int_equal(kev_num_parse_hex(KEV_STR("18EA"), UINT64_MAX, &out), -EINVAL);
	assert_int_equal(kev_num_parse_octal(KEV_STR("8"), 0777, &out), -EINVAL);
	assert_true(out == 0x18ead12a14b3bd3f);
	assert_int_equal(kev_num_parse_octal(KEV_STR("0022"), 0777, &out), 0);
	assert_int_equal(out, 022);
	assert_int_equal(kev_num_parse_octal(KEV_STR("1000"), 0777, &out), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_u64_table),
		cmocka_unit_test(test_parse_hex_and_octal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
