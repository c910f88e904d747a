#ifndef KEVFS_TREE_ACCESS_H
#define KEVFS_TREE_ACCESS_H

#include <stdbool.h>

#include "kevfs/tree/edit.h"

/**
 * Namespaces that may not be seen (kev_store_restrict()): what they hold nobody knows, so /<namespace> and
 * /.kevfs/namespaces/<namespace>, and all directories below them, say EACCES to LOOKUP and READDIR. Modes
 * would not do: root passes them. That there is such a namespace is known, so it stays listed, and has
 * attributes.
 *
 * Neither answer is one that the kernel keeps. But what it had from before goes stale: the namespace's name
 * in its two parents, by which the kernel drops all names below, also those of which it knows that they are
 * not there; and the listings. Where a namespace is bind mounted, nothing leads there from above, so what
 * stands in its directory is named as well. (Who stands further down keeps the names that he has looked up,
 * and a name there that meant nothing may go on to say ENOENT.)
 *
 * All is under the tree's lock.
 */
struct kev_tree;

/** Only namespaces that are permitted may be seen; or (false) all, and none is permitted by name any more. */
void kev_access_restrict(struct kev_tree *tree, bool restricted);

/** @param name  the namespace's. @return 0 or -ENOMEM */
int kev_access_permit(struct kev_edit *edit, struct kev_str name, bool permitted) KEV_MUST_USE;

/** Of a resync: no namespace was permitted yet; those that were not are so no more, and that is how it is. */
void kev_access_unmark(struct kev_tree *tree);
void kev_access_sweep(struct kev_tree *tree, bool restricted);

/** How far the telling is. All zero: at its beginning. */
struct kev_access_told {
	uint64_t namespace_, current, resource; /**< cookies */
};

/**
 * Say what went stale by all that, as far as the tree's batch has room. Between two calls the lock may be let
 * go.
 * @return whether there is more
 */
bool kev_access_tell(struct kev_edit *edit, struct kev_access_told *told);

#endif
