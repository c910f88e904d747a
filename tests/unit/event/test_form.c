#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/event/form.h"

static void assert_forms(const char *const *texts, enum kev_form form)
{
	for (; *texts; texts++) {
		size_t len = strlen(*texts);
		/* Exactly as large, so that AddressSanitizer sees a read past its end. */
		char *copy = malloc(len ? len : 1);
		enum kev_form guess;

		assert_non_null(copy);
		memcpy(copy, *texts, len);
		guess = kev_form_guess((struct kev_str){copy, len});
		free(copy);
		if (guess != form)
			fail_msg("%s is taken for %d", *texts, guess);
	}
}

static void test_guess_list(void **state)
{
	static const char *const texts[] = {
		"{\"kind\":\"EventList\",\"apiVersion\":\"v1\",\"metadata\":{\"kind\":\"Event\"},\"items\":[",
		"{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n        {\n            \"kind\": "
		"\"Event\"",
		"{\"metadata\":{\"type\":\"x\",\"object\":7},\"items\":null}",
		"{\"kind\":\"List\"",
		/* What says nothing. */
		"",
		" ",
		"{",
		"{}",
		"{\"",
		"{\"kind\"",
		"{\"kind\":",
		"{\"kind\":\"Ev",
		"{\"kind\":\"Status\",\"message\":\"object\"}",
		"{\"metadata\":{\"name\":\"a\"}}",
		"{\"a\":[\"]\",{\"items\":[]}],\"b\":\"\\\",\\\"object\\\":\",\"c\":1e5}",
		"[{\"type\":\"ADDED\",\"object\":{}}]",
		"null",
		"}",
		"x{\"kind\":\"Event\"}",
		"{\"\\u006bind\":\"Event\"}",
		NULL,
	};

	(void)state;
	assert_forms(texts, KEV_FORM_LIST);
	assert_int_equal(kev_form_guess((struct kev_str){NULL, 0}), KEV_FORM_LIST);
}

static void test_guess_recording(void **state)
{
	static const char *const texts[] = {
		"{\"type\":\"ADDED\",\"object\":{\"kind\":\"Event\"}}",
		" \n\t{\n    \"object\": {\n        \"apiVersion\": \"v1\",",
		"{\"object\":",
		"{\"type\" : \"BOOKMARK\"",
		"{\"type\":\"ADDED\"}",
		"{\"type\":7,\"object\":{}}",
		"{\"type\":[\"Normal\",{\"a\":\"]\"}],\"object\":{}}",
		NULL,
	};

	(void)state;
	assert_forms(texts, KEV_FORM_RECORDING);
}

static void test_guess_events(void **state)
{
	static const char *const texts[] = {
		"{\"apiVersion\":\"v1\",\"count\":1,\"eventTime\":null,\"involvedObject\":{",
		"{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"metadata\":{",
		"{\n    \"apiVersion\": \"v1\",\n    \"kind\": \"Event\",\n    \"metadata\": {\"items\": "
		"1}\n}\n",
		"{\"metadata\":{\"name\":\"a\"},\"kind\" :\t\"Event\"}{\"items\":[]}",
		/* An Event's own type is none of a watch. */
		"{\"type\":\"Normal\",\"metadata\":{\"name\":\"a\"},\"involvedObject\":{}}",
		"{\"type\":\"Warning\",\"kind\":\"Event\"}",
		NULL,
	};

	(void)state;
	assert_forms(texts, KEV_FORM_EVENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guess_list),
		cmocka_unit_test(test_guess_recording),
		cmocka_unit_test(test_guess_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
