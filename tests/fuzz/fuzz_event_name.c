/* Any bytes as an event's name: a time is found exactly where Go's "%v.%x" could have put it. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevfs/event/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Is there a value within the bounds whose "%x" stands behind the last dot? By trying to print it. */
static bool expect(const char *name, size_t len, int64_t created, int64_t *out)
{
	char suffix[17] = "", printed[17];
	uint64_t value;

	if (len < 18 || name[len - 17] != '.')
		return false;
	memcpy(suffix, name + len - 16, 16);
	if (strspn(suffix, "0123456789abcdef") != 16)
		return false;
	value = strtoull(suffix, NULL, 16);
	snprintf(printed, sizeof(printed), "%" PRIx64, value);
	if (strcmp(printed, suffix) != 0 || value > INT64_MAX)
		return false;
	*out = (int64_t)value;
	return *out >= KEV_NAME_TIME_MIN &&
	       (created == KEV_NAME_NO_CREATION || created > INT64_MAX - KEV_NAME_TIME_AHEAD ||
		       *out <= created + KEV_NAME_TIME_AHEAD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The first eight bytes are the creation, as a little-endian integer. */
	int64_t created = KEV_NAME_NO_CREATION, time = -42, expected = -42;
	const char *name = (const char *)data + 8;
	int r;

	if (size < 8)
		return 0;
	memcpy(&created, data, 8);
	size -= 8;
	r = kev_name_decode_time((struct kev_str){name, size}, created, &time);
	if (expect(name, size, created, &expected) != (r == 0))
		abort();
	if (r ? r != -EINVAL || time != -42 : time != expected)
		abort();
	return 0;
}
