#include "../test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "kevfs/base/num.h"
#include "kevfs/event/name.h"
#include "kevfs/event/timestamp.h"

/* 2026-11-23T00:00:00Z, as the vectors' first line says. */
#define CREATED 1795392000000000000LL

#define UNTOUCHED 42

static struct kev_str next_field(struct kev_str *line)
{
	const char *tab = memchr(line->data, '\t', line->len);
	struct kev_str field = {line->data, tab ? (size_t)(tab - line->data) : line->len};

	line->data += field.len + (tab ? 1 : 0);
	line->len -= field.len + (tab ? 1 : 0);
	return field;
}

static void check_vector(struct kev_str line)
{
	struct kev_str name = next_field(&line), ns = next_field(&line), text = next_field(&line);
	char formatted[KEV_TIMESTAMP_SIZE];
	int64_t time = UNTOUCHED;
	uint64_t expected;
	int r = kev_name_decode_time(name, CREATED, &time);

	if (kev_str_eq(ns, KEV_STR("-"))) {
		if (r != -EINVAL || time != UNTOUCHED)
			fail_msg("%.*s: %d, %lld", (int)name.len, name.data, r, (long long)time);
		return;
	}
	assert_int_equal(kev_num_parse_u64(ns, INT64_MAX, &expected), 0);
	if (r || time != (int64_t)expected)
		fail_msg("%.*s: %d, %lld", (int)name.len, name.data, r, (long long)time);
	kev_timestamp_format(time, formatted);
	assert_str_equal(text, kev_str_c(formatted));
}

static void test_decode_time_vectors(void **state)
{
	FILE *file = fopen(KEVFS_VECTORS "/event-names.tsv", "r");
	char *line = NULL;
	size_t room = 0, count = 0;
	ssize_t len;

	(void)state;
	assert_non_null(file);
	while ((len = getline(&line, &room, file)) > 0) {
		if (line[0] == '#')
			continue;
		if (line[len - 1] == '\n')
			len--;
		check_vector((struct kev_str){line, (size_t)len});
		count++;
	}
	assert_true(count >= 29);
	free(line);
	fclose(file);
}

static void assert_time(struct kev_str name, int64_t created, int64_t expected)
{
	int64_t time = UNTOUCHED;

	assert_int_equal(kev_name_decode_time(name, created, &time), 0);
	assert_int_equal(time, expected);
}

static void assert_no_time(struct kev_str name, int64_t created)
{
	int64_t time = UNTOUCHED;

	assert_int_equal(kev_name_decode_time(name, created, &time), -EINVAL);
	assert_int_equal(time, UNTOUCHED);
}

static void test_decode_time_upper_bound(void **state)
{
	const struct kev_str name = KEV_STR("a.17f82d400041d81f");
	const int64_t time = 0x17f82d400041d81f;

	(void)state;
	assert_time(name, time, time);
	assert_time(name, time - KEV_NAME_TIME_AHEAD, time);
	assert_no_time(name, time - KEV_NAME_TIME_AHEAD - 1);
	assert_no_time(name, 0);
	assert_no_time(name, -1);
	assert_no_time(name, INT64_MIN + 1);
	/* The bound itself does not fit an int64. */
	assert_time(name, INT64_MAX, time);
	assert_time(KEV_STR("a.7fffffffffffffff"), INT64_MAX, INT64_MAX);
	assert_time(KEV_STR("a.7fffffffffffffff"), INT64_MAX - KEV_NAME_TIME_AHEAD, INT64_MAX);
	assert_no_time(KEV_STR("a.7fffffffffffffff"), INT64_MAX - KEV_NAME_TIME_AHEAD - 1);
}

static void test_decode_time_without_creation(void **state)
{
	(void)state;
	assert_time(KEV_STR("a.7fffffffffffffff"), KEV_NAME_NO_CREATION, INT64_MAX);
	assert_time(KEV_STR("a.1374f336a28d0000"), KEV_NAME_NO_CREATION, KEV_NAME_TIME_MIN);
	assert_no_time(KEV_STR("a.1374f336a28cffff"), KEV_NAME_NO_CREATION);
	assert_no_time(KEV_STR("a.8000000000000000"), KEV_NAME_NO_CREATION);
}

static void test_decode_time_other_bytes(void **state)
{
	(void)state;
	assert_no_time((struct kev_str){NULL, 0}, KEV_NAME_NO_CREATION);
	assert_no_time(KEV_STR("."), KEV_NAME_NO_CREATION);
	assert_no_time(KEV_STR("a.17f82d400041d81f\0"), KEV_NAME_NO_CREATION);
	assert_no_time(KEV_STR("a.17f82d400041d81f\n"), KEV_NAME_NO_CREATION);
	assert_no_time(KEV_STR("a.+7f82d400041d81f"), KEV_NAME_NO_CREATION);
	assert_no_time(KEV_STR("a. 7f82d400041d81f"), KEV_NAME_NO_CREATION);
	assert_no_time(KEV_STR("a.0x17f82d400041d8"), KEV_NAME_NO_CREATION);
	assert_no_time(KEV_STR("a.17f82d40004.d81f"), KEV_NAME_NO_CREATION);
	assert_time(KEV_STR("\0.17f82d400041d81f"), KEV_NAME_NO_CREATION, 0x17f82d400041d81f);
	assert_time(KEV_STR("\xff.17f82d400041d81f"), KEV_NAME_NO_CREATION, 0x17f82d400041d81f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode_time_vectors),
		cmocka_unit_test(test_decode_time_upper_bound),
		cmocka_unit_test(test_decode_time_without_creation),
		cmocka_unit_test(test_decode_time_other_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
