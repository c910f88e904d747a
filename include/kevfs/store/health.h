#ifndef KEVFS_STORE_HEALTH_H
#define KEVFS_STORE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "kevfs/base/clock.h"
#include "kevfs/base/defs.h"
#include "kevfs/base/error.h"
#include "kevfs/store/store.h"

/**
 * What is known of how true the store is: written by the watches, read by anybody. From any thread; waits for
 * nothing but its own lock, which is a leaf.
 *
 * A server ends each watch after some minutes, and the next one begins at once. That is no reason to call
 * anything stale: a watch counts as connected for KEV_HEALTH_GRACE after it ended, unless it is known not to
 * work.
 */
struct kev_health;

#define KEV_HEALTH_GRACE (2 * KEV_NS_PER_SEC)

/** How many kinds there are: enum kev_scope_kind. */
#define KEV_HEALTH_KINDS (KEV_SCOPE_NAMESPACES + 1)

/** @param clock  borrowed. @return new: not synced, and no watches; or NULL on ENOMEM */
struct kev_health *kev_health_create(const struct kev_clock *clock);
void kev_health_destroy(struct kev_health *health);

/** The store is complete for the first time. Of a file that is all there is to say: nothing else comes. */
void kev_health_synced(struct kev_health *health);

/** There is one more watch of that kind, and it is not connected. One kind may have several: one a namespace.
 */
void kev_health_add(struct kev_health *health, enum kev_scope_kind kind);

/** A watch that was not has become connected: what it said first is in the store. */
void kev_health_connected(struct kev_health *health, enum kev_scope_kind kind);

/** One that was is so no more. */
void kev_health_ended(struct kev_health *health, enum kev_scope_kind kind);

/** A watch of that kind does not work. @param why  what kev_error holds: one line, escaped */
void kev_health_failed(struct kev_health *health, enum kev_scope_kind kind, const struct kev_error *why);

/** A list begins, for a watch that is not connected. @param again  it is not the first */
void kev_health_listing(struct kev_health *health, enum kev_scope_kind kind, bool again);

/** How the watches of one kind are. */
struct kev_health_watch {
	unsigned count;         /**< how many there are to be; 0: this kind is not watched */
	bool connected;         /**< all of them */
	int64_t since;          /**< since when it is as connected says, ns since the epoch */
	uint64_t reconnects;    /**< a watch began anew */
	uint64_t relists;       /**< a list began anew */
	struct kev_error error; /**< why one failed last; an empty text where none ever did */
	int64_t error_time;     /**< ns since the epoch */
};

struct kev_health_state {
	int64_t started; /**< when this began, ns since the epoch */
	bool synced;
	bool stale; /**< kev_health_stale() */
	/** Since when both are as they are, ns since the epoch. */
	int64_t since;
	struct kev_health_watch watches[KEV_HEALTH_KINDS];
};

void kev_health_get(struct kev_health *health, struct kev_health_state *out);

/** Can there be Events that are not in the store: is it not synced, or is a watch of Events not connected? */
bool kev_health_stale(struct kev_health *health);

#endif
