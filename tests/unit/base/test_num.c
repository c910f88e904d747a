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

static const struct {
	const char *text;
	unsigned places;
	uint64_t max;
	int result;
	uint64_t value;
} points[] = {
	{"10", 3, 100000, 0, 10000},
	{"0.5", 3, 100000, 0, 500},
	{"0.500", 3, 100000, 0, 500},
	{"007.25", 2, 100000, 0, 725},
	{"1", 0, 9, 0, 1},
	{"100", 3, 100000, 0, 100000},
	{"100.001", 3, 100000, -ERANGE, 0},
	{"101", 3, 100000, -ERANGE, 0},
	{"18446744073709551615", 6, UINT64_MAX, -ERANGE, 0},
	{"18.446744073709551615", 18, UINT64_MAX, 0, UINT64_MAX},
	{"18.446744073709551616", 18, UINT64_MAX, -ERANGE, 0},
	{"0.0000000000000000001", 18, UINT64_MAX, -EINVAL, 0},
	{"0.9", 1, 8, -ERANGE, 0},
	{"", 3, 9, -EINVAL, 0},
	{".", 3, 9, -EINVAL, 0},
	{".5", 3, 9, -EINVAL, 0},
	{"1.", 3, 9, -EINVAL, 0},
	{"1.5", 0, 9, -EINVAL, 0},
	{"0.0005", 3, 9, -EINVAL, 0},
	{"1.2.3", 3, 99999, -EINVAL, 0},
	{"-1", 3, 9, -EINVAL, 0},
	{"1e3", 3, 9, -EINVAL, 0},
	{"1.-1", 3, 9999, -EINVAL, 0},
	{"inf", 3, 9, -EINVAL, 0},
	{"1,5", 3, 9999, -EINVAL, 0},
};

static void test_parse_decimal_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(points); i++) {
		uint64_t out = 4711;

		assert_int_equal(kev_num_parse_decimal(
					 kev_str_c(points[i].text), points[i].places, points[i].max, &out),
			points[i].result);
		assert_true(out == (points[i].result ? 4711 : points[i].value));
	}
}

static void test_parse_canonical(void **state)
{
	static const char *const none[] = {
		"", "00", "01", "-1", "+1", " 1", "1 ", "1a", "1234567890123456789"};
	uint64_t out = 4711;

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(none); i++)
		assert_false(kev_num_parse_canonical(kev_str_c(none[i]), &out));
	assert_true(out == 4711);
	assert_true(kev_num_parse_canonical(KEV_STR("0"), &out) && out == 0);
	assert_true(
		kev_num_parse_canonical(KEV_STR("999999999999999999"), &out) && out == 999999999999999999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_u64_table),
		cmocka_unit_test(test_parse_hex_and_octal),
		cmocka_unit_test(test_parse_decimal_table),
		cmocka_unit_test(test_parse_canonical),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
