#include "../test.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kevfs/event/number.h"

static void assert_number(const char *raw, const char *expected)
{
	struct kev_buf buf;

	kev_buf_init(&buf, 100);
	assert_int_equal(kev_number_append(&buf, kev_str_c(raw)), 0);
	if (strcmp(kev_buf_cstr(&buf), expected) != 0)
		fail_msg("%s gives %s, not %s", raw, buf.data, expected);
	kev_buf_fini(&buf);
}

/* What kubectl prints of far more numbers stands in print/, for test_print. */
static void test_append_integers(void **state)
{
	(void)state;
	assert_number("0", "0");
	assert_number("-0", "0");
	assert_number("-1", "-1");
	assert_number("9223372036854775807", "9223372036854775807");
	assert_number("-9223372036854775808", "-9223372036854775808");
	assert_number("9223372036854775808", "9223372036854776000");
	assert_number("-9223372036854775809", "-9223372036854776000");
	assert_number("18446744073709551617", "18446744073709552000");
}

static void test_append_doubles(void **state)
{
	(void)state;
	assert_number("-0.0", "-0");
	assert_number("1.0", "1");
	assert_number("0.1", "0.1");
	assert_number("1e2", "100");
	assert_number("123.456e1", "1234.56");
	assert_number("0.000001", "0.000001");
	assert_number("0.0000001", "1e-7");
	assert_number("1.25e-10", "1.25e-10");
	assert_number("1e20", "100000000000000000000");
	assert_number("1e21", "1e+21");
	assert_number("5e-324", "5e-324");
	assert_number("1e-400", "0");
	assert_number("1.7976931348623157e308", "1.7976931348623157e+308");
}

/* At a power of two the nearest short decimal can mean the double below: the one above it is the shortest. */
static void test_append_powers_of_two(void **state)
{
	(void)state;
	assert_number("5.684341886080801486968994140625e-14", "5.684341886080802e-14");
	for (int e = -1074; e < 1024; e++) {
		double value = ldexp(1, e);
		struct kev_buf buf;
		char text[64];

		snprintf(text, sizeof(text), "%.25e", value);
		kev_buf_init(&buf, 100);
		assert_int_equal(kev_number_append(&buf, kev_str_c(text)), 0);
		assert_true(strtod(kev_buf_cstr(&buf), NULL) == value);
		kev_buf_fini(&buf);
	}
}

static void assert_refused(const char *raw, size_t cap, int expected)
{
	struct kev_buf buf;

	kev_buf_init(&buf, cap);
	kev_buf_append_c(&buf, "x");
	assert_int_equal(kev_number_append(&buf, kev_str_c(raw)), expected);
	assert_str_equal(kev_buf_str(&buf), KEV_STR("x"));
	kev_buf_fini(&buf);
}

static void test_append_refused(void **state)
{
	char *digits = malloc(400);

	(void)state;
	assert_non_null(digits);
	memset(digits, '9', 399);
	digits[399] = '\0';
	assert_refused("1e400", 100, -EINVAL);
	assert_refused("-1e309", 100, -EINVAL);
	assert_refused("1.7976931348623159e308", 100, -EINVAL);
	assert_refused(digits, 1000, -EINVAL);
	assert_refused("1234567", 7, -EMSGSIZE);
	free(digits);
}

static void test_append_long(void **state)
{
	size_t len = 1000000;
	char *digits = malloc(len + 1);

	(void)state;
	assert_non_null(digits);
	memset(digits, '3', len);
	digits[0] = '0';
	digits[1] = '.';
	digits[len] = '\0';
	assert_number(digits, "0.3333333333333333");
	free(digits);
}

static void test_append_in_a_locale_with_a_comma(void **state)
{
	static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "es_ES.UTF-8", "ru_RU.UTF-8"};
	const char *found = NULL;

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(names) && !found; i++)
		found = setlocale(LC_ALL, names[i]);
	if (!found) {
		print_message("no locale with a decimal comma is installed\n");
		skip();
	}
	assert_int_equal(localeconv()->decimal_point[0], ',');
	assert_number("1.5", "1.5");
	assert_number("0.30000000000000004", "0.30000000000000004");
	assert_number("1.25e-10", "1.25e-10");
	/* and the thread's own is as before */
	assert_int_equal(localeconv()->decimal_point[0], ',');
	setlocale(LC_ALL, "C");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_integers),
		cmocka_unit_test(test_append_doubles),
		cmocka_unit_test(test_append_powers_of_two),
		cmocka_unit_test(test_append_refused),
		cmocka_unit_test(test_append_long),
		cmocka_unit_test(test_append_in_a_locale_with_a_comma),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
