#include "../test.h"

#include "kevfs/base/error.h"

static void test_set_escapes(void **state)
{
	struct kev_error error;

	(void)state;
	kev_error_set(&error, "no context '%s'", "a\x1b[2J\nb\xff\xc2\x85");
	assert_string_equal(error.text, "no context 'a\\x1b[2J\\x0ab\\xff\\xc2\\x85'");
}

static void test_set_cuts_between_characters(void **state)
{
	struct kev_error error;
	char text[3001];

	(void)state;
	for (size_t i = 0; i < 3000; i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	text[3000] = '\0';
	kev_error_set(&error, "x%s", text);
	/* 1020 bytes are left for text: the x and 339 whole euro signs */
	assert_int_equal(strlen(error.text), 1 + 339 * 3 + 3);
	assert_string_equal(error.text + strlen(error.text) - 6, "\xe2\x82\xac...");
}

/* Around the size of the struct: the last text that fits stands whole. */
static void test_set_at_the_edge(void **state)
{
	struct kev_error error;
	char text[1100];

	(void)state;
	for (size_t len = 1000; len < sizeof(text); len++) {
		memset(text, 'a', len);
		text[len] = '\0';
		kev_error_set(&error, "%s", text);
		if (len < sizeof(error.text)) {
			assert_string_equal(error.text, text);
		} else {
			assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
			assert_string_equal(error.text + sizeof(error.text) - 5, "a...");
		}
	}
}

static void test_set_null_is_ignored(void **state)
{
	(void)state;
	kev_error_set(NULL, "%s", "x");
	kev_error_prefix(NULL, "%s", "x");
}

static void test_prefix(void **state)
{
	struct kev_error error;

	(void)state;
	kev_error_set(&error, "no such file");
	kev_error_prefix(&error, "%s:%d", "config", 3);
	assert_string_equal(error.text, "config:3: no such file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_escapes),
		cmocka_unit_test(test_set_cuts_between_characters),
		cmocka_unit_test(test_set_at_the_edge),
		cmocka_unit_test(test_set_null_is_ignored),
		cmocka_unit_test(test_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
