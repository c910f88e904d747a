#include "../test.h"

#include <errno.h>
#include <time.h>

#include "kevfs/event/timestamp.h"
#include "scanned.h"

#define UNTOUCHED 42

static void test_parse_valid(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01T00:00:00.000000001Z", 1},
		{"2026-11-23T00:00:00Z", 1795392000000000000},
		{"2026-11-23T01:02:03Z", 1795395723000000000},
		{"2024-02-29T23:59:59.123456Z", 1709251199123456000},
		{"2000-02-29T00:00:00Z", 951782400000000000},
		{"2100-03-01T00:00:00Z", 4107542400000000000},
		{"2261-12-31T23:59:59.999999999Z", 9214646399999999999},
		/* digits behind the ninth are dropped, missing ones are zero */
		{"1970-01-01T00:00:01.5Z", 1500000000},
		{"1970-01-01T00:00:01.1234567899999999999999999Z", 1123456789},
		{"1970-01-01T00:00:01.0000000000000000000000000000000000000000009Z", 1000000000},
		/* offsets; only the instant must be in range */
		{"1970-01-01T01:00:00+01:00", 0},
		{"1969-12-31T23:00:00-01:00", 0},
		{"1970-01-01T00:00:00-00:00", 0},
		{"1970-01-01T23:59:00+23:59", 0},
		{"2262-01-01T00:00:00+00:01", 9214646340000000000},
		{"2026-11-23T05:30:00.25+05:30", 1795392000250000000},
		/* RFC 3339 allows both cases */
		{"1970-01-01t00:00:01z", 1000000000},
	};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++) {
		int64_t ns = UNTOUCHED;

		if (kev_timestamp_parse(kev_str_c(cases[i].text), &ns) || ns != cases[i].ns)
			fail_msg("%s: %lld", cases[i].text, (long long)ns);
	}
}

static void assert_refused(struct kev_str text, int expected)
{
	int64_t ns = UNTOUCHED;
	int r = kev_timestamp_parse(text, &ns);

	if (r != expected || ns != UNTOUCHED)
		fail_msg("%.*s: %d, %lld", (int)text.len, text.data ? text.data : "", r, (long long)ns);
}

static void test_parse_out_of_range(void **state)
{
	static const char *const cases[] = {"0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
		"1969-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00+00:01", "2262-01-01T00:00:00Z",
		"2261-12-31T23:59:59-00:01", "2262-04-11T23:47:16.854775808Z", "9999-12-31T23:59:59Z",
		"9999-12-31T23:59:59.999999999-23:59"};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++)
		assert_refused(kev_str_c(cases[i]), -ERANGE);
}

static void test_parse_invalid(void **state)
{
	static const char *const cases[] = {"", "Z", "2026", "2026-11-23", "2026-11-23T00:00:00",
		"2026-11-23T00:00Z", "2026-11-23 00:00:00Z", " 2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z ",
		"2026-11-23T00:00:00ZZ", "2026-11-23T00:00:00.Z", "2026-11-23T00:00:00,5Z",
		"2026-11-23T00:00:00.5.5Z", "2026-00-23T00:00:00Z", "2026-13-23T00:00:00Z",
		"2026-11-00T00:00:00Z", "2026-11-31T00:00:00Z", "2026-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z", "2024-02-30T00:00:00Z", "2026-11-23T24:00:00Z",
		"2026-11-23T00:60:00Z", "2026-11-23T00:00:61Z", "2016-12-31T23:59:60Z",
		"2026-11-23T00:00:00+24:00", "2026-11-23T00:00:00+00:60", "2026-11-23T00:00:00+0000",
		"2026-11-23T00:00:00+00", "2026-11-23T00:00:00+", "2026-11-23T00:00:00+00:0",
		"+2026-11-23T00:00:00Z", "-026-11-23T00:00:00Z", "20261-11-23T00:00:00Z",
		"2026-1-23T00:00:00Z", "2026-11-23T0:00:00Z", "2026-11-23T00:00:0xZ",
		"2026-11-23T00:00:00.xZ", "null", "9999-99-99T99:99:99Z"};

	(void)state;
	for (size_t i = 0; i < KEV_ARRAY_LEN(cases); i++)
		assert_refused(kev_str_c(cases[i]), -EINVAL);
	assert_refused((struct kev_str){NULL, 0}, -EINVAL);
	assert_refused(KEV_STR("2026-11-23T00:00:00Z\0"), -EINVAL);
	assert_refused(KEV_STR("2026-11-23T00:00:00\0"), -EINVAL);
}

/* Each day from 1970 to 2261, against libc's calendar. */
static void test_format_every_day(void **state)
{
	(void)state;
	for (time_t seconds = 0; seconds < 9214646400; seconds += 86400) {
		time_t moment = seconds + seconds / 86400 * 7919 % 86400;
		char text[KEV_TIMESTAMP_SIZE], expected[KEV_TIMESTAMP_SIZE];
		struct tm tm;
		int64_t back;

		assert_non_null(gmtime_r(&moment, &tm));
		assert_int_equal(
			strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.000000007Z", &tm), 30);
		kev_timestamp_format(moment * KEV_NS_PER_SEC + 7, text);
		assert_string_equal(text, expected);
		assert_int_equal(kev_timestamp_parse(kev_str_c(text), &back), 0);
		assert_int_equal(back, moment * KEV_NS_PER_SEC + 7);
	}
}

static void test_format_limits(void **state)
{
	char text[KEV_TIMESTAMP_SIZE];

	(void)state;
	kev_timestamp_format(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000000000Z");
	kev_timestamp_format(INT64_MAX, text);
	assert_string_equal(text, "2262-04-11T23:47:16.854775807Z");
}

static void test_get(void **state)
{
	struct kev_json *json = scanned(KEV_STR("{\"t\":\"1970-01-01T00:00:01Z\",\"e\":\"1970-01-01\\u0054"
						"00:00:02Z\",\"n\":null,\"i\":7,\"x\":\"\",\"y\":"
						"\"0001-01-01T00:00:00Z\",\"z\":\"\\n\"}"));
	int64_t ns = UNTOUCHED;

	(void)state;
	assert_int_equal(kev_timestamp_get(json, kev_json_get(json, 0, "n"), &ns), -EINVAL);
	assert_int_equal(kev_timestamp_get(json, kev_json_get(json, 0, "i"), &ns), -EINVAL);
	assert_int_equal(kev_timestamp_get(json, kev_json_get(json, 0, "x"), &ns), -EINVAL);
	assert_int_equal(kev_timestamp_get(json, kev_json_get(json, 0, "z"), &ns), -EINVAL);
	assert_int_equal(kev_timestamp_get(json, kev_json_get(json, 0, "y"), &ns), -ERANGE);
	assert_int_equal(kev_timestamp_get(json, KEV_JSON_NONE, &ns), -EINVAL);
	assert_int_equal(kev_timestamp_get(json, 0, &ns), -EINVAL);
	assert_int_equal(ns, UNTOUCHED);
	assert_int_equal(kev_timestamp_get(json, kev_json_get(json, 0, "t"), &ns), 0);
	assert_int_equal(ns, KEV_NS_PER_SEC);
	assert_int_equal(kev_timestamp_get(json, kev_json_get(json, 0, "e"), &ns), 0);
	assert_int_equal(ns, 2 * KEV_NS_PER_SEC);
	kev_json_destroy(json);
}

/* An escape makes no difference, however many digits there are: what is printed has none, and is read again.
 */
static void test_get_escaped_fraction(void **state)
{
	static const char *const ends[] = {
		"\\u005a", "+00:\\u0030\\u0030", "-23:59\\u002b", "\\u005a0", "\\u002e5Z"};
	static const char *const plain[] = {"Z", "+00:00", "-23:59+", "Z0", ".5Z"};

	(void)state;
	for (size_t digits = 0; digits <= 100; digits++) {
		for (size_t i = 0; i < KEV_ARRAY_LEN(ends); i++) {
			const char *const variants[] = {ends[i], plain[i]};
			int64_t ns[2] = {UNTOUCHED, UNTOUCHED};
			int r[2];

			for (size_t variant = 0; variant < 2; variant++) {
				struct kev_json *json;
				struct kev_buf text;

				kev_buf_init(&text, 200);
				kev_buf_append_c(&text, "\"1970-01-01T00:00:01.");
				kev_buf_append_fill(&text, '7', digits);
				kev_buf_append_c(&text, variants[variant]);
				kev_buf_append_char(&text, '"');
				json = scanned(kev_buf_str(&text));
				r[variant] = kev_timestamp_get(json, 0, &ns[variant]);
				kev_json_destroy(json);
				kev_buf_fini(&text);
			}
			assert_int_equal(r[0], digits && i < 2 ? 0 : -EINVAL);
			assert_int_equal(r[0], r[1]);
			assert_true(ns[0] == ns[1]);
		}
	}
}

static void test_get_not_ascii(void **state)
{
	/* U+0131 is 0x31 in its last byte, as '1' is. */
	struct kev_json *json = scanned(KEV_STR("\"1970-01-01T00:00:0\\u0131Z\""));
	int64_t ns = UNTOUCHED;

	(void)state;
	assert_int_equal(kev_timestamp_get(json, 0, &ns), -EINVAL);
	assert_int_equal(ns, UNTOUCHED);
	kev_json_destroy(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_valid),
		cmocka_unit_test(test_parse_out_of_range),
		cmocka_unit_test(test_parse_invalid),
		cmocka_unit_test(test_format_every_day),
		cmocka_unit_test(test_format_limits),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_get_escaped_fraction),
		cmocka_unit_test(test_get_not_ascii),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
