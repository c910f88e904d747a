#ifndef KEVFS_STORE_WALL_H
#define KEVFS_STORE_WALL_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/base/clock.h"

/**
 * The wall clock, as far as it is believed when something is let go for its age. It may be wrong, and be set;
 * what is deleted by it does not come back when it is set right. The rule:
 *
 * - What went in this process is as old as boottime says, whatever the wall clock does.
 * - What an earlier process has kept has marks of the wall clock only: it is as old as those say while the
 *   wall clock is believed, and in any case as old as the time for which it has been here.
 * - A revision that was superseded, also in this process, has nothing but its mark on the disk: no age while
 *   the wall clock is not believed.
 * - The wall clock is believed when both clocks have gone on alike, but for some seconds, for ten minutes:
 *   since they were first looked at, and since the wall clock was last set, in either direction. Where less
 *   is kept, for as long as that: what is older than the last step is then overdue by any clock.
 *
 * Used by one thread at a time; all 0 at first.
 */
struct kev_wall {
	int64_t ahead; /* of kev_moment.monotonic, ns */
	int64_t since; /* by that, ns: as long as that */
	bool seen;
};

/**
 * Look at both clocks.
 * @param age  what is kept for so long is to be let go, ns
 * @return ns until the wall clock is believed if it is not set; 0: it is
 */
int64_t kev_wall_wait(struct kev_wall *wall, struct kev_moment now, int64_t age);

#endif
