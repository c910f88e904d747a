#include "kevfs/event/revision.h"

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
