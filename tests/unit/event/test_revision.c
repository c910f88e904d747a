#include "../test.h"

#include "kevfs/event/revision.h"

#define SECOND 1000000000

static void test_ns_of_numbers(void **state)
{
	(void)state;
	assert_int_equal(kev_revision_ns(KEV_STR("7")), 7);
	assert_int_equal(kev_revision_ns(KEV_STR("0")), 0);
	assert_int_equal(kev_revision_ns(KEV_STR("999999999")), 999999999);
	assert_int_equal(kev_revision_ns(KEV_STR("1000000000")), 0);
	assert_int_equal(kev_revision_ns(KEV_STR("1234567890123")), 567890123);
	/* More digits than any integer has. */
	assert_int_equal(kev_revision_ns(KEV_STR("123456789012345678901234567890000000042")), 42);
}

/* A resourceVersion is opaque: other servers than the API server's own may say anything. */
static void test_ns_of_other_text(void **state)
{
	static const char *const texts[] = {"", "a", "b", "7a", "a7", "-7", "+7", " 7", "7.0", "0x7"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int64_t ns = kev_revision_ns(kev_str_c(texts[i]));

		assert_in_range(ns, 0, SECOND - 1);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(ns, kev_revision_ns(kev_str_c(texts[j])));
	}
	/* The next process says the same: this number is for ever. */
	assert_int_equal(kev_revision_ns(KEV_STR("a7")), 0x258c1210);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ns_of_numbers),
		cmocka_unit_test(test_ns_of_other_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
