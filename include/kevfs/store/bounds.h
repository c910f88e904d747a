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

/**
 * Events, the oldest first: the one to which the server wrote last the longest ago (kev_event_written). That
 * is the order in which the server forgets them, and nobody who creates one can choose his place in it. Of
 * those of one second the one that was seen last the longest ago; then by name. So the order is one of the
 * events alone: which of them fit follows from what there is, not from the order in which it came.
 *
 * A heap; each event knows its place (kev_event_place), so an event is in one of them at most. Used by one
 * thread at a time; the caller's lock protects it. Holds no references.
 */
struct kev_oldest {
	struct kev_event **events;
	size_t count, room;
};

void kev_oldest_init(struct kev_oldest *oldest);
void kev_oldest_fini(struct kev_oldest *oldest);

/** Make sure that one kev_oldest_add() cannot fail. @return 0 or -ENOMEM */
int kev_oldest_reserve(struct kev_oldest *oldest) KEV_MUST_USE;

/** Add an event, after kev_oldest_reserve() or kev_oldest_remove(). */
void kev_oldest_add(struct kev_oldest *oldest, struct kev_event *event);

/** Remove an event that is in it. */
void kev_oldest_remove(struct kev_oldest *oldest, struct kev_event *event);

/** @return borrowed; NULL: there is none */
struct kev_event *kev_oldest_first(const struct kev_oldest *oldest);

/** Is one older than another? */
bool kev_oldest_is_before(const struct kev_event *one, const struct kev_event *other);

#endif
