#ifndef KEVFS_TREE_SIBLINGS_H
#define KEVFS_TREE_SIBLINGS_H

#include <stddef.h>
#include <stdint.h>

#include "kevfs/event/event.h"
#include "kevfs/tree/tree.h"

/**
 * Who reads one file of a directory mostly reads the next ones, too. They are named here, for the kernel to
 * be given them unasked: few at first, and more the more of them were read one behind the other, as readahead
 * has it for the pages of a file; and none for one that is read here or there out of many.
 */

/** A file that the kernel knows, and whose content it has not got, as far as is known. */
struct kev_sibling {
	uint64_t node;
	struct kev_event *event; /**< a reference */
};

/** So many at most. */
#define KEV_SIBLINGS_MAX 64

/** A longer file comes when it is asked for. */
#define KEV_SIBLING_SIZE_MAX 16384

/**
 * Which files follow one that is read from its beginning, in the order of the directory in which it was found
 * last. They count as read from now on.
 * @param node  what is read. Nothing follows what is no event, or has left its directory
 * @param out   room for KEV_SIBLINGS_MAX
 * @return how many there are
 */
size_t kev_tree_siblings(struct kev_tree *tree, uint64_t node, struct kev_sibling *out);

#endif
