#ifndef KEVFS_STORE_CHANGES_H
#define KEVFS_STORE_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/str.h"
#include "kevfs/event/event.h"
#include "kevfs/store/record.h"

/** What one change was. */
enum kev_change_kind {
	KEV_CHANGE_EVENT,     /**< old and event say which: created (no old), updated, deleted (no event) */
	KEV_CHANGE_POD,       /**< a pod came to be, or ended (present) */
	KEV_CHANGE_NAMESPACE, /**< a namespace came to be, or ended */
	KEV_CHANGE_GONE, /**< the server no longer has event, which is retained (gone); or has it again */
	/** Events of the namespace name may be seen (present), or not. Without a name: all may, or only those
	 * that were named (kev_store_restrict()). */
	KEV_CHANGE_ACCESS,
};

/** One change, in the order in which the store made them. Owns its references and strings. */
struct kev_change {
	enum kev_change_kind kind;
	struct kev_event *old;   /**< the revision that went, or NULL */
	struct kev_event *event; /**< the revision that came, or NULL; the one that is GONE */
	char *namespace_;        /**< of a pod; NUL-terminated, owned */
	char *name;              /**< of a pod, a namespace or ACCESS; NUL-terminated, owned */
	int64_t created;         /**< creationTimestamp of that pod or namespace, ns; 0 unknown */
	bool present;            /**< that pod or namespace is there now; of ACCESS: it may be seen */
	int64_t gone; /**< of GONE: when it was missed, realtime ns; 0: it is there again. Of an EVENT that
			 was deleted: it had been gone since; 0: it was there */
	enum kev_object_state object; /**< of GONE: whether its involved object was there then */
	int64_t when;                 /**< realtime ns at which the store made the change */
};

/** @param out  its event is borrowed from the change. @return whether the change is of an event, and tells
 * anything */
bool kev_change_occurrence(const struct kev_change *change, struct kev_occurrence *out);

/** Release what a change owns. */
void kev_change_fini(struct kev_change *change);

/**
 * A bounded journal with one reader. When the reader falls too far behind, the journal drops everything and
 * says "resync": the reader then compares its whole picture with the store (kev_store_walk).
 */
struct kev_changes;

/** @param max  changes kept; @return new, or NULL on ENOMEM. A new journal says "resync". */
struct kev_changes *kev_changes_create(size_t max);
void kev_changes_destroy(struct kev_changes *changes);

/**
 * It is also full with so many bytes of revisions that were replaced or deleted: those nobody else holds.
 * Call it before anything is appended; by itself only the number counts.
 */
void kev_changes_limit_bytes(struct kev_changes *changes, uint64_t max);

/** Append one change. Takes what it owns (on overflow, or without memory, too: the reader is then told to
 * resync). */
void kev_changes_append(struct kev_changes *changes, struct kev_change *change /* taken */);

/** A change could not be recorded at all: the reader is told to resync. */
void kev_changes_lose(struct kev_changes *changes);

/**
 * Take at most max changes, waiting for one.
 * @param out         array of max; the caller owns the changes taken
 * @param timeout_ms  -1 waits for ever, 0 not at all
 * @param resync      set to true where the reader must resync first; the journal is then empty, and what is
 * appended from now on comes after the resync
 * @return changes taken; 0 at the timeout, at a resync, or when the journal was closed
 */
size_t kev_changes_take(
	struct kev_changes *changes, struct kev_change *out, size_t max, int timeout_ms, bool *resync);

/**
 * What the logs tell of changes that the journal could not hold is kept apart, in order, up to so many bytes
 * of those that have been replaced or deleted since (the others are the store's anyway). An event is told by
 * its address: what was appended as event is what replaces or ends as old. Call it before anything is
 * appended.
 * @param max  0: none are kept, as it is by itself
 */
void kev_changes_keep_lost(struct kev_changes *changes, uint64_t max);

/**
 * Take these, right after a take that said "resync": they belong before the changes that follow.
 * @param out      new: release it with kev_records_free(); NULL where there are none
 * @param missing  how many are not among them, for want of room or memory
 * @return how many there are
 */
size_t kev_changes_take_lost(struct kev_changes *changes, struct kev_record ***out, uint64_t *missing);

/** Nothing will be appended any more: a take no longer waits, but what is there can still be taken. */
void kev_changes_finish(struct kev_changes *changes);

/** Wake the reader for good: every later take returns at once, with nothing. */
void kev_changes_close(struct kev_changes *changes);
bool kev_changes_closed(struct kev_changes *changes);

#endif
