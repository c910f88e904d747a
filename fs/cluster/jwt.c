#include "kevfs/cluster/jwt.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "kevfs/base/buf.h"
#include "kevfs/cluster/answer.h"

/* The end of the year 9999, the last one that can be written. */
#define TIME_MAX 253402300799LL

static int digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Base64url (RFC 4648 section 5), without padding. @return 0, -EINVAL or -ENOMEM */
static int decode(struct kev_str text, struct kev_buf *out)
{
	unsigned bits = 0, count = 0;

	for (size_t i = 0; i < text.len; i++) {
		int value = digit(text.data[i]);

		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (unsigned)value;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		kev_buf_append_char(out, (char)(bits >> count));
		bits &= (1U << count) - 1;
	}
	/* One digit alone is less than a byte; what is left over of others holds nothing. */
	if (count == 6 || bits)
		return -EINVAL;
	return out->error ? -ENOMEM : 0;
}

/* What stands between the first two dots. */
static bool find_claims(struct kev_str token, struct kev_str *out)
{
	const char *first = token.len ? memchr(token.data, '.', token.len) : NULL, *second;
	size_t left;

	if (!first)
		return false;
	left = token.len - (size_t)(first + 1 - token.data);
	second = left ? memchr(first + 1, '.', left) : NULL;
	if (!second)
		return false;
	*out = (struct kev_str){first + 1, (size_t)(second - first - 1)};
	return true;
}

/* A NumericDate may have a fraction, which does not matter. What makes no sense is not said. */
static int64_t date(const json_t *claims, const char *name)
{
	const json_t *value = json_object_get(claims, name);
	double number = json_number_value(value);

	return number > 0 && number <= (double)TIME_MAX ? (int64_t)number : 0;
}

int kev_jwt_read(struct kev_str token, struct kev_jwt *out)
{
	KEV_CLEANUP(answer_decrefp) json_t *claims = NULL;
	struct kev_str text;
	struct kev_buf plain;
	int r;

	if (token.len > KEV_JWT_MAX || !find_claims(token, &text))
		return -EINVAL;
	kev_buf_init(&plain, KEV_JWT_MAX);
	/* A text that grows is copied, and only the last copy is wiped. */
	if (kev_buf_reserve(&plain, text.len))
		return -ENOMEM;
	r = decode(text, &plain);
	if (!r)
		r = kev_answer_parse(kev_buf_str(&plain), &claims);
	kev_buf_wipe(&plain);
	if (r)
		return r;
	*out = (struct kev_jwt){.from = date(claims, "nbf"), .until = date(claims, "exp")};
	return 0;
}
