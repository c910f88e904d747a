#include "kevfs/store/wall.h"

#include "kevfs/base/defs.h"

/* For so long the clocks agree before the wall clock is believed. */
#define TRIAL_NS (600 * KEV_NS_PER_SEC)

/* A leap second is none, nor what is set right at once by a daemon that keeps the time. */
#define STEP_NS (5 * KEV_NS_PER_SEC)

int64_t kev_wall_wait(struct kev_wall *wall, struct kev_moment now, int64_t age)
{
	int64_t ahead = now.real - now.monotonic, step = ahead - wall->ahead;
	int64_t left = age < TRIAL_NS ? age : TRIAL_NS;

	if (!wall->seen || step > STEP_NS || step < -STEP_NS)
		*wall = (struct kev_wall){ahead, now.monotonic, true};
	left -= now.monotonic - wall->since;
	return left > 0 ? left : 0;
}
