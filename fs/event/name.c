#include "kevfs/event/name.h"

#include <errno.h>

#include "kevfs/base/num.h"

/* Today's nanoseconds have 16 hex digits, the first from 1 to 7: an int64 that is not negative. */
#define SUFFIX_DIGITS 16

int kev_name_decode_time(struct kev_str name, int64_t created, int64_t *out)
{
	int64_t latest = INT64_MAX;
	const char *suffix;
	uint64_t value;

	/* A suffix of exactly 16 digits, without a dot, behind the last dot: no search. */
	if (name.len < SUFFIX_DIGITS + 2)
		return -EINVAL;
	suffix = name.data + name.len - SUFFIX_DIGITS;
	if (suffix[-1] != '.' || suffix[0] == '0')
		return -EINVAL;
	if (kev_num_parse_hex((struct kev_str){suffix, SUFFIX_DIGITS}, INT64_MAX, &value))
		return -EINVAL;
	if (created != KEV_NAME_NO_CREATION && __builtin_add_overflow(created, KEV_NAME_TIME_AHEAD, &latest))
		latest = INT64_MAX;
	if ((int64_t)value < KEV_NAME_TIME_MIN || (int64_t)value > latest)
		return -EINVAL;
	*out = (int64_t)value;
	return 0;
}
