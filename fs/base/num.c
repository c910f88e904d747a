#include "kevfs/base/num.h"

#include <errno.h>

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return 16; /* a digit of no base */
}

static int parse(struct kev_str s, unsigned base, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0)
		return -EINVAL;
	/* Syntax first: "9x" is no number, however large what stands before the x. */
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned)digit_value(s.data[i]) >= base)
			return -EINVAL;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (__builtin_mul_overflow(value, base, &value) ||
			__builtin_add_overflow(value, (unsigned)digit_value(s.data[i]), &value) ||
			value > max)
			return -ERANGE;
	}
	*out = value;
	return 0;
}

int kev_num_parse_u64(struct kev_str s, uint64_t max, uint64_t *out)
{
	return parse(s, 10, max, out);
}

bool kev_num_parse_canonical(struct kev_str s, uint64_t *out)
{
	return s.len > 0 && s.len <= KEV_NUM_CANONICAL_DIGITS && (s.data[0] != '0' || s.len == 1) &&
	       kev_num_parse_u64(s, UINT64_MAX, out) == 0;
}

int kev_num_parse_hex(struct kev_str s, uint64_t max, uint64_t *out)
{
	return parse(s, 16, max, out);
}

int kev_num_parse_octal(struct kev_str s, uint64_t max, uint64_t *out)
{
	return parse(s, 8, max, out);
}

int kev_num_parse_decimal(struct kev_str s, unsigned places, uint64_t max, uint64_t *out)
{
	const char *point = s.len ? memchr(s.data, '.', s.len) : NULL;
	struct kev_str whole_text = {s.data, point ? (size_t)(point - s.data) : s.len};
	size_t digits = point ? s.len - whole_text.len - 1 : 0;
	uint64_t whole, fraction = 0, unit = 1;
	int r = 0;

	if (digits > places)
		return -EINVAL;
	for (unsigned i = 0; i < places; i++)
		unit *= 10;
	if (point)
		r = kev_num_parse_u64((struct kev_str){point + 1, digits}, unit, &fraction);
	if (!r)
		r = kev_num_parse_u64(whole_text, max / unit, &whole);
	if (r)
		return r;
	for (size_t i = digits; i < places; i++)
		fraction *= 10;
	if (fraction > max - whole * unit)
		return -ERANGE;
	*out = whole * unit + fraction;
	return 0;
}
