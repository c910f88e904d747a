#include "kevfs/base/text.h"

#include <stdbool.h>

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The range of the second byte is what excludes overlong forms, surrogates and what lies over U+10FFFF (RFC
 * 3629 section 4). */
static bool second_byte_fits(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return is_continuation(second);
	}
}

size_t kev_text_decode_utf8(struct kev_str s, uint32_t *codepoint)
{
	const unsigned char *p = (const unsigned char *)s.data;
	uint32_t value;
	size_t len;

	if (p[0] < 0x80) {
		len = 1;
		value = p[0];
	} else if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
		value = p[0] & 0x1fU;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		len = 3;
		value = p[0] & 0x0fU;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		value = p[0] & 0x07U;
	} else {
		return 0;
	}
	if (len > s.len || (len > 1 && !second_byte_fits(p[0], p[1])))
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (!is_continuation(p[i]))
			return 0;
		value = value << 6 | (p[i] & 0x3fU);
	}
	if (codepoint)
		*codepoint = value;
	return len;
}

size_t kev_text_encode_utf8(uint32_t codepoint, char out[4])
{
	if (codepoint < 0x80) {
		out[0] = (char)codepoint;
		return 1;
	}
	if (codepoint < 0x800) {
		out[0] = (char)(0xc0 | codepoint >> 6);
		out[1] = (char)(0x80 | (codepoint & 0x3f));
		return 2;
	}
	if (codepoint < 0x10000) {
		out[0] = (char)(0xe0 | codepoint >> 12);
		out[1] = (char)(0x80 | (codepoint >> 6 & 0x3f));
		out[2] = (char)(0x80 | (codepoint & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | codepoint >> 18);
	out[1] = (char)(0x80 | (codepoint >> 12 & 0x3f));
	out[2] = (char)(0x80 | (codepoint >> 6 & 0x3f));
	out[3] = (char)(0x80 | (codepoint & 0x3f));
	return 4;
}

void kev_text_lower(struct kev_buf *buf, size_t start)
{
	for (size_t i = start; i < buf->len; i++) {
		if (buf->data[i] >= 'A' && buf->data[i] <= 'Z')
			buf->data[i] = (char)(buf->data[i] - 'A' + 'a');
	}
}

/* Bidirectional controls reorder what a terminal shows around them: they are as good as a cursor movement. */
static bool moves_text(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void kev_text_append_escaped(struct kev_buf *buf, struct kev_str s)
{
	while (s.len > 0) {
		uint32_t c = 0;
		size_t len = kev_text_decode_utf8(s, &c);
		size_t take = len ? len : 1;

		if (len && !moves_text(c)) {
			kev_buf_append(buf, s.data, len);
		} else {
			for (size_t i = 0; i < take; i++)
				kev_buf_printf(buf, "\\x%02x", (unsigned char)s.data[i]);
		}
		s.data += take;
		s.len -= take;
	}
}
