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

int kev_num_parse_hex(struct kev_str s, uint64_t max, uint64_t *out)
{
	return parse(s, 16, max, out);
}

int kev_num_parse_octal(struct kev_str s, uint64_t max, uint64_t *out)
{
	return parse(s, 8, max, out);
}
