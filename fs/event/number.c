#include "kevfs/event/number.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/base/num.h"
#include "kevfs/event/json.h"

/* 17 significant digits tell every double from every other. */
#define DIGITS_MAX 17

/* So many digits survive a way through a normal double: no two decimals of that length mean the same one. */
#define DIGITS_SAFE DBL_DIG

/* As long as a whole text: it can be one number. */
#define NUMBER_MAX KEV_JSON_TEXT_MAX

/* 0.d1d2d3... * 10^point */
struct decimal {
	char digits[DIGITS_MAX + 1];
	int count;
	int point;
};

/* An integer without point and exponent that an int64 holds: printed as it stands. */
static bool is_int64(struct kev_str raw)
{
	size_t sign = raw.len > 0 && raw.data[0] == '-';
	struct kev_str digits = {raw.data + sign, raw.len - sign};
	uint64_t value;

	return kev_num_parse_u64(digits, (uint64_t)INT64_MAX + sign, &value) == 0;
}

/* The count digits nearest to value, which is positive, and the power of ten. */
static void round_to(double value, int count, struct decimal *out)
{
	char text[DIGITS_MAX + 16]; /* d.ddde-308 */
	const char *exponent;
	int power = 0;

	snprintf(text, sizeof(text), "%.*e", count - 1, value);
	out->digits[0] = text[0];
	if (count > 1)
		memcpy(out->digits + 1, text + 2, (size_t)count - 1);
	out->digits[count] = '\0';
	out->count = count;
	exponent = text + (count > 1 ? count + 1 : 1) + 2; /* behind "e-" */
	for (const char *p = exponent; *p; p++)
		power = power * 10 + (*p - '0');
	out->point = (exponent[-1] == '-' ? -power : power) + 1;
}

static bool gives_back(const struct decimal *decimal, double value)
{
	char text[DIGITS_MAX + 16];

	snprintf(text, sizeof(text), "0.%se%d", decimal->digits, decimal->point);
	return strtod(text, NULL) == value;
}

/* The next larger decimal of the same length; a carry out of all nines adds no digit. */
static void step_up(struct decimal *decimal)
{
	int i = decimal->count - 1;

	while (i >= 0 && decimal->digits[i] == '9')
		decimal->digits[i--] = '0';
	if (i >= 0) {
		decimal->digits[i]++;
	} else {
		decimal->digits[0] = '1';
		decimal->point++;
	}
}

/* The shortest digits that give value back, which is positive and finite. */
static void shortest(double value, struct decimal *out)
{
	int exponent;
	bool power_of_two = frexp(value, &exponent) == 0.5;
	int count = value >= DBL_MIN && !power_of_two ? DIGITS_SAFE : 1;

	for (; count < DIGITS_MAX; count++) {
		round_to(value, count, out);
		if (gives_back(out, value))
			break;
		/* Below a power of two the doubles are twice as close: what is nearest may mean the one
		 * below, while the next decimal above, a little farther, means this one. */
		if (power_of_two) {
			step_up(out);
			if (gives_back(out, value))
				break;
		}
	}
	if (count == DIGITS_MAX)
		round_to(value, count, out);
	while (out->count > 1 && out->digits[out->count - 1] == '0')
		out->count--;
}

static void append_decimal(struct kev_buf *out, const struct decimal *decimal)
{
	size_t count = (size_t)decimal->count;

	if (decimal->point < -5 || decimal->point > 21) {
		kev_buf_append_char(out, decimal->digits[0]);
		if (count > 1) {
			kev_buf_append_char(out, '.');
			kev_buf_append(out, decimal->digits + 1, count - 1);
		}
		kev_buf_printf(out, "e%+d", decimal->point - 1);
	} else if (decimal->point <= 0) {
		kev_buf_append_c(out, "0.");
		kev_buf_append_fill(out, '0', (size_t)-decimal->point);
		kev_buf_append(out, decimal->digits, count);
	} else if (decimal->point >= decimal->count) {
		kev_buf_append(out, decimal->digits, count);
		kev_buf_append_fill(out, '0', (size_t)(decimal->point - decimal->count));
	} else {
		kev_buf_append(out, decimal->digits, (size_t)decimal->point);
		kev_buf_append_char(out, '.');
		kev_buf_append(out, decimal->digits + decimal->point, count - (size_t)decimal->point);
	}
}

static int append_double(struct kev_buf *out, const char *text)
{
	double value = strtod(text, NULL);
	struct decimal decimal;

	if (isinf(value))
		return -EINVAL;
	if (signbit(value))
		kev_buf_append_char(out, '-');
	if (value == 0)
		return kev_buf_append_char(out, '0');
	shortest(fabs(value), &decimal);
	append_decimal(out, &decimal);
	return out->error;
}

int kev_number_append(struct kev_buf *out, struct kev_str raw)
{
	KEV_CLEANUP(buf_fini) struct kev_buf text;
	const char *c_text;
	locale_t c_locale, before;
	int r;

	kev_buf_init(&text, NUMBER_MAX);
	if (is_int64(raw))
		return kev_str_eq(raw, KEV_STR("-0")) ? kev_buf_append_char(out, '0')
						      : kev_buf_append_str(out, raw);
	kev_buf_append_str(&text, raw);
	c_text = text.error ? NULL : kev_buf_cstr(&text);
	/* strtod and printf know no other way: the point is the thread's locale's. In glibc "C" is static. */
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c_text || !c_locale) {
		if (c_locale)
			freelocale(c_locale);
		return -ENOMEM;
	}
	before = uselocale(c_locale);
	r = append_double(out, c_text);
	uselocale(before);
	freelocale(c_locale);
	return r;
}
