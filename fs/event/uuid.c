#include "uuid.h"

#include <stddef.h>

/* A digit's value, in two bits more: of what is no digit these are set. */
#define NO_DIGIT 0x30U

static unsigned hex_digit(char c)
{
	/* No branches: the digits of a uuid are in no order that could be foreseen. */
	unsigned decimal = (unsigned)c - '0', letter = (unsigned)c - 'a';

	return decimal < 10 ? decimal : letter < 6 ? letter + 10 : NO_DIGIT;
}

/* Is there a dash in front of that byte's digits? */
static bool is_behind_dash(size_t byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

bool uuid_parse(struct kev_str s, unsigned char out[UUID_SIZE])
{
	const char *p = s.data;
	unsigned wrong = 0;

	if (s.len != UUID_LEN)
		return false;
	for (size_t i = 0; i < UUID_SIZE; i++, p += 2) {
		unsigned high, low;

		if (is_behind_dash(i) && *p++ != '-')
			return false;
		high = hex_digit(p[0]);
		low = hex_digit(p[1]);
		wrong |= high | low;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return !(wrong & NO_DIGIT);
}

void uuid_print(const unsigned char uuid[UUID_SIZE], char out[UUID_LEN])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < UUID_SIZE; i++, out += 2) {
		if (is_behind_dash(i))
			*out++ = '-';
		out[0] = digits[uuid[i] >> 4];
		out[1] = digits[uuid[i] & 15];
	}
}
