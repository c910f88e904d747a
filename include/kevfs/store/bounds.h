#ifndef KEVFS_STORE_BOUNDS_H
#define KEVFS_STORE_BOUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/event/event.h"

/** How many events there may be at most. Both limits hold that are not 0. */
struct kev_bounds {
	uint64_t count;
	uint64_t bytes; /**< sum of kev_event_size() */
};

static inline bool kev_bounds_any(const struct kev_bounds *bounds)
{
	return bounds->count || bounds->bytes;
}

/** By how much two clocks may differ that nobody has set wrong. */
#define KEV_BOUNDS_SKEW (600 * KEV_NS_PER_SEC)

/**
 * From when an event counts: when the server wrote to it last (kev_event_written), if that is not in the
 * future. Who creates or updates an Event can have it say anything, so that one from the future would never
 * be the oldest. What a watch brings was written now. A list brings it each time anew, so now is no answer
 * there, but for clocks that differ by KEV_BOUNDS_SKEW: there it is when the server created it, which nobody
 * else can say.
 * @param listed  it comes from a list, or an archive
 * @param now  ns since the epoch
 */
int64_t kev_bounds_age(const struct kev_event *event, bool listed, int64_t now);

/** An event, and what kev_bounds_age() said of it when it came. */
struct kev_aged {
	struct kev_event *event;
	int64_t age; /**< ns since the epoch */
};

/**
 * Events, the oldest first: the one of the lowest kev_bounds_age(). That is the order in which the server
 * forgets them. Of those of one second the one that was seen last the longest ago; then by name. So the order
 * is one of the events alone, but for those from the future: which of them fit follows from what there is,
 * not from the order in which it came.
 *
 * A heap; each event knows its place (kev_event_place), so an event is in one of them at most. Used by one
 * thread at a time; the caller's lock protects it. Holds no references.
 */
struct kev_oldest {
	struct kev_aged *events;
	size_t count, room;
};

void kev_oldest_init(struct kev_oldest *oldest);
void kev_oldest_fini(struct kev_oldest *oldest);

/** Make sure that one kev_oldest_add() cannot fail. @return 0 or -ENOMEM */
int kev_oldest_reserve(struct kev_oldest *oldest) KEV_MUST_USE;

/** Add an event, after kev_oldest_reserve() or kev_oldest_remove(). */
void kev_oldest_add(struct kev_oldest *oldest, struct kev_aged aged);

/** Remove an event that is in it. */
void kev_oldest_remove(struct kev_oldest *oldest, struct kev_event *event);

/** @return borrowed; NULL: there is none */
struct kev_event *kev_oldest_first(const struct kev_oldest *oldest);

/** Would it be the first, if it were in it: the oldest of all? */
bool kev_oldest_would_be_first(const struct kev_oldest *oldest, struct kev_aged aged);

/** Is one older than another? */
bool kev_oldest_is_before(struct kev_aged one, struct kev_aged other);

#endif
