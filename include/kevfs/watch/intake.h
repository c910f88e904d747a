#ifndef KEVFS_WATCH_INTAKE_H
#define KEVFS_WATCH_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/event/event.h"
#include "kevfs/store/store.h"

/**
 * The way of all events into the store. A path never changes while mounted, so an event of a kind that is not
 * known may be put only when API discovery was asked about it: until then it is held here, and everything
 * behind it, in order. What is held is bounded: over the bound, everything is let through as it is.
 *
 * Without memory something of what is let through is lost, and it may be anybody's: kev_intake_take_lost().
 *
 * Used by the feed's thread only.
 */
struct kev_intake;

/** What is held at most: operations, and bytes of events. */
#define KEV_INTAKE_HELD_MAX 10000U
#define KEV_INTAKE_HELD_BYTES_MAX (64U << 20)

/**
 * An event's kind is not known to the store's kinds.
 * @return true: hold it, kev_intake_release() will follow; false: there is nobody to ask
 */
typedef bool kev_intake_ask_fn(void *context);

/** store is borrowed, must outlive it. @return new, or NULL on ENOMEM */
struct kev_intake *kev_intake_create(struct kev_store *store, kev_intake_ask_fn *ask, void *context);

/** What is held is lost. */
void kev_intake_destroy(struct kev_intake *intake);

/** The first sync is over: from now on whatever is put is KEV_ORIGIN_LIVE or KEV_ORIGIN_RELIST, and unknown
 * kinds are asked for. */
void kev_intake_go_live(struct kev_intake *intake);

/* Each does what the store's function of that name does, now or when it is its turn.
 * @return 0, or -ENOMEM: it is this that is lost */

/** @param listed  it comes from a list: before kev_intake_go_live() that means KEV_ORIGIN_FIRST_SYNC, then
 * KEV_ORIGIN_RELIST */
int kev_intake_put(
	struct kev_intake *intake, struct kev_event *event /* taken in any case */, bool listed) KEV_MUST_USE;
int kev_intake_delete(struct kev_intake *intake, struct kev_str namespace_, struct kev_str name) KEV_MUST_USE;

/** Relists of one place, one after the other. All zero: none yet. */
struct kev_intake_relist {
	uint32_t begun; /**< as the store has it; set when it is its turn */
	unsigned held;  /**< ends that wait for their turn: until then the store lacks something that was
			   listed */
};

/** @param relist  borrowed until the kev_intake_relist_end() that uses it was done */
int kev_intake_relist_begin(struct kev_intake *intake, struct kev_intake_relist *relist) KEV_MUST_USE;
int kev_intake_relist_end(
	struct kev_intake *intake, struct kev_str namespace_, struct kev_intake_relist *relist) KEV_MUST_USE;

/** Is anything held? */
bool kev_intake_holding(const struct kev_intake *intake);

/** Let everything through that is held. */
void kev_intake_release(struct kev_intake *intake);

/** Was anything lost that had been held? Then everybody lists anew. Says so once. */
bool kev_intake_take_lost(struct kev_intake *intake) KEV_MUST_USE;

#endif
