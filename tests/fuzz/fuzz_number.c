/*
 * Any JSON number: what is printed is a JSON number again, means the same double, is printed the same a
 * second time, and no shorter one means it.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kevfs/event/json.h"
#include "kevfs/event/number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_number(struct kev_json *json, struct kev_str text)
{
	return kev_json_scan(json, text, NULL) == 0 && kev_json_is(json, 0, KEV_JSON_NUMBER) &&
	       kev_json_raw(json, 0).len == text.len;
}

/* Significant digits of a decimal. */
static int digits_of(const char *text)
{
	int digits = 0, zeros = 0;

	for (; *text && *text != 'e'; text++) {
		if (*text == '0' && digits)
			zeros++;
		else if (*text >= '1' && *text <= '9')
			digits += zeros + 1, zeros = 0;
	}
	return digits;
}

static void check_shortest(const char *printed, double value)
{
	int digits = digits_of(printed);
	char shorter[64];

	check(digits <= 17, "more digits than any double needs");
	if (digits < 2)
		return;
	snprintf(shorter, sizeof(shorter), "%.*e", digits - 2, value);
	check(strtod(shorter, NULL) != value, "a shorter one would do");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kev_str raw = {(const char *)data, size};
	struct kev_json *json = kev_json_create();
	struct kev_buf text, first, second;
	double value;
	int r;

	check(json != NULL, "no memory");
	kev_buf_init(&text, size + 1);
	kev_buf_init(&first, size + 100);
	kev_buf_init(&second, size + 100);
	if (size < 4096 && is_number(json, raw)) {
		check(kev_buf_append_str(&text, raw) == 0 && kev_buf_cstr(&text), "no memory");
		value = strtod(text.data, NULL);
		r = kev_number_append(&first, raw);
		check(r == 0 || (r == -EINVAL && isinf(value)), "a number refused");
	} else {
		r = -EINVAL;
	}
	if (r == 0) {
		check(is_number(json, kev_buf_str(&first)), "no number");
		check(kev_number_append(&second, kev_buf_str(&first)) == 0, "the second time it is refused");
		/* -0.0 prints -0, which is an integer, and prints 0. */
		check(kev_str_eq(kev_buf_str(&first), kev_buf_str(&second)) ||
				kev_str_eq(kev_buf_str(&first), KEV_STR("-0")),
			"printed twice it differs");
		check(kev_buf_cstr(&first) && strtod(first.data, NULL) == value, "another number");
		if (memchr(raw.data, '.', size) || memchr(raw.data, 'e', size) || memchr(raw.data, 'E', size))
			check_shortest(first.data, value);
	}
	kev_buf_fini(&text);
	kev_buf_fini(&first);
	kev_buf_fini(&second);
	kev_json_destroy(json);
	return 0;
}
