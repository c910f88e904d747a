#include "kevfs/base/clock.h"

#include <stddef.h>
#include <time.h>

#include "kevfs/base/defs.h"

static int64_t now(clockid_t id)
{
	struct timespec ts;

	/* Cannot fail: these clocks exist on every Linux. */
	clock_gettime(id, &ts);
	return ts.tv_sec * KEV_NS_PER_SEC + ts.tv_nsec;
}

static int64_t system_realtime(void *context)
{
	(void)context;
	return now(CLOCK_REALTIME);
}

static int64_t system_monotonic(void *context)
{
	(void)context;
	return now(CLOCK_MONOTONIC);
}

static int64_t system_boottime(void *context)
{
	(void)context;
	return now(CLOCK_BOOTTIME);
}

const struct kev_clock *kev_clock_system(void)
{
	static const struct kev_clock clock = {system_realtime, system_monotonic, system_boottime, NULL};

	return &clock;
}
