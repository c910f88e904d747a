#ifndef KEVFS_STORE_LOST_H
#define KEVFS_STORE_LOST_H

#include <stddef.h>
#include <stdint.h>

#include "kevfs/store/record.h"

struct kev_table;

/**
 * What is kept for the logs of changes that the journal lost: kev_changes_keep_lost() says what, and how
 * much. Of a first sync that is all there is, so each costs eight bytes; and only once a revision goes that
 * may be among them a table is made that says which are. All zero is an empty one that keeps nothing. The
 * journal's lock protects it.
 */
struct kev_lost {
	uint64_t max;              /**< of replaced; 0: nothing is kept */
	uint64_t replaced;         /**< bytes that nobody else has */
	struct kev_table *events;  /**< of the records; NULL: none of them was replaced or deleted yet */
	struct kev_record **items; /**< references */
	size_t first, count, room; /**< items[first] to items[first + count - 1] */
	uint64_t missing;          /**< for which there was no room, or no memory */
};

void kev_lost_fini(struct kev_lost *lost);

/**
 * A change is lost: keep what the logs need of it.
 * @param occurrence  what it tells; NULL: nothing
 * @param old         the revision that the store let go of by it, or NULL
 */
void kev_lost_keep(
	struct kev_lost *lost, const struct kev_occurrence *occurrence, const struct kev_event *old);

/** Take all of them, and with them what lost has. @param out  new: kev_records_free(). @return how many */
size_t kev_lost_take(struct kev_lost *lost, struct kev_record ***out);

#endif
