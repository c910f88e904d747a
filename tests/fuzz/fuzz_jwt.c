/* Any bytes as a token: what it is said to say is within bounds, and what is no JWT leaves everything as it
 * was. */
#include <errno.h>
#include <stdint.h>

#include "check.h"

#include "kevfs/cluster/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_time(int64_t seconds)
{
	return seconds >= 0 && seconds <= 253402300799;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kev_jwt jwt = {-1, -2}, again = {-3, -4};
	struct kev_str token = {(const char *)data, size};
	int r = kev_jwt_read(token, &jwt);

	check(r == 0 || r == -EINVAL, "the result");
	if (r) {
		check(jwt.from == -1 && jwt.until == -2, "untouched");
		return 0;
	}
	check(is_time(jwt.from) && is_time(jwt.until), "times");
	check(kev_jwt_read(token, &again) == 0 && again.from == jwt.from && again.until == jwt.until,
		"the same");
	return 0;
}
