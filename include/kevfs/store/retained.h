#ifndef KEVFS_STORE_RETAINED_H
#define KEVFS_STORE_RETAINED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/event/event.h"
#include "kevfs/store/wall.h"

/** How much is kept of what the server no longer has. All limits hold that are not 0; without any, nothing is
 * kept. */
struct kev_retain {
	int64_t age;    /**< ns since it went */
	uint64_t bytes; /**< sum of kev_event_size() */
	uint64_t count; /**< events */
};

/** Is anything kept at all? */
static inline bool kev_retain_any(const struct kev_retain *retain)
{
	return retain->age || retain->bytes || retain->count;
}

/**
 * The events that are marked as gone (kev_event_gone), in the order in which they went. An event leaves this
 * order from its midst when it is there again: its place then stays, empty, for a while. Used by one thread
 * at a time; the caller's lock protects it.
 *
 * How old each is, kev_wall says. Marks increase; so what was added is behind what was restored, which was
 * before, and the first in the order is the oldest by either clock.
 */
struct kev_retained {
	struct kev_retained_place *places;
	size_t first, count, room; /* of places: the oldest, how many (also empty ones), how many fit */
	size_t live;               /* of count, those that are not empty */
	uint64_t bytes;            /* of those */
	int64_t last;              /* the latest mark given */
	int64_t restored;          /* the latest of those that were restored */
	struct kev_wall wall;
	bool unsorted; /* some were not added in their order */
};

/** One place in the order. */
struct kev_retained_place {
	struct kev_event *event; /**< a reference */
	int64_t gone;            /**< its mark; where the event's differs, the place is empty */
	int64_t added;           /**< monotonic ns */
};

void kev_retained_init(struct kev_retained *retained);

/** Drop the references. The events keep their marks. */
void kev_retained_fini(struct kev_retained *retained);

/**
 * An event is found to be gone: mark it with now, or a little later where needed, so that marks increase.
 * Takes a reference of its own.
 * @return 0, or -ENOMEM with nothing changed
 */
int kev_retained_add(
	struct kev_retained *retained, struct kev_event *event, struct kev_moment now) KEV_MUST_USE;

/** The same for one that went at a known time, in any order: what an archive holds. Before any is added. */
int kev_retained_restore(struct kev_retained *retained, struct kev_event *event, int64_t gone,
	struct kev_moment now) KEV_MUST_USE;

/** It is there again, has another revision, or ceases to be retained: take its mark away. */
void kev_retained_remove(struct kev_retained *retained, struct kev_event *event);

/** The one that went first, if a limit is passed. @return borrowed until it is removed, or NULL */
struct kev_event *kev_retained_overdue(
	struct kev_retained *retained, const struct kev_retain *limits, struct kev_moment now);

/** @return ns from now until the next passes its age; INT64_MAX where none will */
int64_t kev_retained_wait(
	struct kev_retained *retained, const struct kev_retain *limits, struct kev_moment now);

#endif
