#include "kevfs/event/revision.h"

#include <errno.h>
#include <string.h>

#include "kevfs/base/defs.h"
#include "kevfs/base/hash.h"
#include "kevfs/base/num.h"

/* Digits of a second's nanoseconds. */
#define DIGITS 9

int64_t kev_revision_ns(struct kev_str resource_version)
{
	/* Not a random key: the next mount must say the same. */
	static const struct kev_hash_key fixed = {0, 0};
	struct kev_str digits = resource_version;
	uint64_t value;

	if (digits.len > DIGITS) {
		digits.data += digits.len - DIGITS;
		digits.len = DIGITS;
	}
	for (size_t i = 0; i < resource_version.len; i++) {
		if (resource_version.data[i] < '0' || resource_version.data[i] > '9')
			digits.len = 0;
	}
	if (kev_num_parse_u64(digits, UINT64_MAX, &value) != 0)
		value = kev_hash_sip13(&fixed, resource_version.data, resource_version.len);
	return (int64_t)(value % KEV_NS_PER_SEC);
}

static bool is_decimal(struct kev_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < (i ? '0' : '1') || s.data[i] > '9')
			return false;
	}
	return s.len > 0;
}

bool kev_revision_goes_back(struct kev_str from, struct kev_str to)
{
	if (!is_decimal(from) || !is_decimal(to))
		return false;
	if (from.len != to.len)
		return to.len < from.len;
	return memcmp(to.data, from.data, to.len) < 0;
}

int kev_revision_append_before(struct kev_str resource_version, struct kev_buf *out)
{
	size_t at = out->len, last = resource_version.len;
	int r;

	if (!is_decimal(resource_version) || kev_str_eq(resource_version, KEV_STR("1")))
		return -EINVAL;
	r = kev_buf_append_str(out, resource_version);
	if (r)
		return r;
	while (out->data[at + --last] == '0')
		out->data[at + last] = '9';
	out->data[at + last]--;
	/* "1000" is "0999" now. */
	if (out->data[at] == '0') {
		memmove(out->data + at, out->data + at + 1, resource_version.len - 1);
		out->len--;
	}
	return 0;
}
