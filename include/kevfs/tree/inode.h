#ifndef KEVFS_TREE_INODE_H
#define KEVFS_TREE_INODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kevfs/base/defs.h"
#include "kevfs/tree/role.h"

/**
 * The node numbers that the kernel knows, and what they stand for.
 *
 * Identity. The kernel asks by number, for as long as it likes after it has been given one, and tells with
 * FORGET when it will not any more. Between the two the number means one and the same thing:
 *
 * - It is a counter, not a pointer: a thing that dies and another that is born at its address must not share
 *   a number, since the kernel keeps the first one's pages, attributes and dentries under it.
 * - It is made when a thing is given out for the first time (LOOKUP, READDIRPLUS) and dies with the last
 *   FORGET; only then may the thing die (role->hold, role->drop). So a record exists for what the kernel
 *   knows, and nothing of the million others.
 * - A revision of an event is a thing of its own: what the kernel caches under a file's number (content,
 * size, times) never changes, so it can be neither torn nor stale, nor need it ever be invalidated. What goes
 *   stale is only the *name*, in every directory where the kernel may have looked it up.
 * - A directory's number stays while the kernel knows it, through all changes of what it holds, through its
 *   end, and through its return: the thing itself lives on, empty and listed nowhere, while there is a number
 *   for it, and when a namespace, resource or object of that name comes again, it is that same thing. This is
 *   right because a directory's identity *is* its path: a process that stands in it finds what is there now,
 *   as it would after a `cd "$PWD"`; and the kernel has at most one dentry for a directory's inode, which it
 *   moves to where the inode is found again.
 *
 * Lookup counts. Each entry given out counts one, before the reply is sent; a reply that fails is undone with
 * a FORGET of our own. So "count > 0" means: the kernel knows it, or a reply that says so is on its way. A
 * change must therefore name every directory with a count, and the kernel may answer ENOENT to that in two
 * cases that cannot be told apart from here: it has forgotten (and the FORGET is queued), which is fine, or
 * the reply is on its way and will bring attributes from before the change, to stay for ever.
 *
 * - For ENTRY the kernel itself sees to it (up to Linux 6.18): inval_entry takes the parent's lock, which
 *   LOOKUP and READDIRPLUS in that parent hold until their reply is taken in. Nothing in flight survives it.
 * - For LISTING and ATTR whoever notifies repeats what was answered with ENOENT for as long as the tree knows
 *   the node (kev_tree_getattr). Once the inode is there, the kernel's own attribute versions reject every
 *   reply that was under way when the notification came. The alternative, an ENTRY in the parent as a barrier
 *   before each, would make every update of an event wait for the readers of the directory above its object
 *   (150,000 pods, listed by anyone), which the repetition does not.
 *
 * All functions are called under the tree's lock.
 */
struct kev_inodes;
struct kev_inode;

/** @param root  gets KEV_TREE_ROOT, for ever. @return new, or NULL on ENOMEM */
struct kev_inodes *kev_inodes_create(struct kev_place root);

/** Drops every place. */
void kev_inodes_destroy(struct kev_inodes *inodes);

/** @return NULL where the kernel does not know it */
struct kev_inode *kev_inodes_find(const struct kev_inodes *inodes, uint64_t node);
struct kev_inode *kev_inodes_find_place(const struct kev_inodes *inodes, struct kev_place place);

/** Give out a place once: its lookup count rises by one, from 0 where it had no number. @return 0 or -ENOMEM
 */
int kev_inodes_take(struct kev_inodes *inodes, struct kev_place place, uint64_t *node) KEV_MUST_USE;

/** The kernel forgets count lookups of a node (all, if it has fewer). Unknown nodes are ignored, and so is
 * the root. May drop the place. */
void kev_inodes_forget(struct kev_inodes *inodes, uint64_t node, uint64_t count);

uint64_t kev_inode_node(const struct kev_inode *inode);
struct kev_place kev_inode_place(const struct kev_inode *inode);

/** How many are known, the root among them. */
size_t kev_inodes_count(const struct kev_inodes *inodes);

#endif
