#include "../test.h"

#include <errno.h>
#include <stdbool.h>

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

static void test_goes_back(void **state)
{
	static const struct {
		const char *from, *to;
		bool back;
	} rows[] = {{"10", "9", true}, {"10", "10", false}, {"10", "11", false}, {"9", "10", false},
		{"10", "1", true}, {"18446744073709551616", "18446744073709551615", true},
		{"18446744073709551615", "18446744073709551616", false},
		{"123456789012345678901234567890", "99", true},
		/* What has no order. */
		{"", "9", false}, {"10", "", false}, {"abc", "9", false}, {"10", "abc", false},
		{"010", "9", false}, {"10", "09", false}, {"10", "0", false}, {"10", "-1", false},
		{"10", "9 ", false}, {"b", "a", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (kev_revision_goes_back(kev_str_c(rows[i].from), kev_str_c(rows[i].to)) != rows[i].back)
			fail_msg("\"%s\" \"%s\"", rows[i].from, rows[i].to);
	}
}

static void test_append_before(void **state)
{
	static const char *const rows[][2] = {{"2", "1"}, {"10", "9"}, {"11", "10"}, {"1000", "999"},
		{"2000", "1999"}, {"18446744073709551616", "18446744073709551615"},
		{"100000000000000000000000000000", "99999999999999999999999999999"}};
	static const char *const none[] = {"", "0", "1", "01", "-1", "a", "1a", " 2"};
	struct kev_buf out;

	(void)state;
	kev_buf_init(&out, 40);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		kev_buf_clear(&out);
		kev_buf_append_c(&out, "rv=");
		assert_int_equal(kev_revision_append_before(kev_str_c(rows[i][0]), &out), 0);
		assert_non_null(kev_buf_cstr(&out));
		assert_string_equal(out.data + 3, rows[i][1]);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		kev_buf_clear(&out);
		assert_int_equal(kev_revision_append_before(kev_str_c(none[i]), &out), -EINVAL);
		assert_int_equal(out.len, 0);
	}
	kev_buf_clear(&out);
	kev_buf_append_c(&out, "1234567890123456789012345678901234567");
	assert_int_equal(kev_revision_append_before(KEV_STR("1000"), &out), -EMSGSIZE);
	kev_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ns_of_numbers),
		cmocka_unit_test(test_ns_of_other_text),
		cmocka_unit_test(test_goes_back),
		cmocka_unit_test(test_append_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
