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
 * a FORGET of our own. So "count > 0" means: the kernel knows it, or a reply that says so is on its way, and
 * a change must name every node with a count. The reply on its way is the danger: it carries names and
 * attributes from before the change, which the kernel would keep for ever, and to a notification about an
 * inode that it does not know yet (or, as memory is short, does not know any more) it says ENOENT and forgets
 * it.
 *
 * - For names the kernel sees to it: inval_entry takes the directory's lock, which LOOKUP and READDIRPLUS
 * hold until their reply is taken in. Nothing in flight survives it.
 * - For the attributes of a directory, an inval_entry in its parent does the same, of any name, also of one
 * that never was. So where the number was given out since the last change (in flight, for all we know),
 * LISTING and ATTR are preceded by an ENTRY of KEV_STALE_BARRIER in the parent. In the usual storm of changes
 * nobody looks the same directories up between two of them, and nothing is preceded by anything.
 * - What is found in /.kevfs is preceded by nothing: whoever lists that directory and does not go on would
 * keep everybody from the status. Of what a reply says there the kernel keeps nothing that could be old
 * (role->unkept).
 * - A file's attributes never change, and GETATTR is no danger: its inode is known, and the kernel rejects
 * what was under way when a notification came.
 *
 * From Linux 6.19 on inval_entry of a name that is not cached does not take the lock any more. There it
 * helps, for attributes, to repeat what is answered with ENOENT for as long as the tree knows the node.
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

/**
 * Give out a place once: its lookup count rises by one, from 0 where it had no number.
 * @param parent  the directory in which it was found; of several the last is remembered
 * @return 0 or -ENOMEM
 */
int kev_inodes_take(
	struct kev_inodes *inodes, struct kev_place place, uint64_t parent, uint64_t *node) KEV_MUST_USE;

/** The kernel forgets count lookups of a node (all, if it has fewer). Unknown nodes are ignored, and so is
 * the root. May drop the place. */
void kev_inodes_forget(struct kev_inodes *inodes, uint64_t node, uint64_t count);

uint64_t kev_inode_node(const struct kev_inode *inode);
struct kev_place kev_inode_place(const struct kev_inode *inode);

/** The directory in which it was found last, which need not be known any more. */
uint64_t kev_inode_parent(const struct kev_inode *inode);

/** Of a file: has the kernel its content, as far as is known? It may let go of it without a word. */
bool kev_inode_is_read(const struct kev_inodes *inodes, const struct kev_inode *inode);
void kev_inode_set_read(const struct kev_inodes *inodes, struct kev_inode *inode);

/** It has asked again for what it had: of no file it is known any more whether the kernel has its content. */
void kev_inodes_let_go(struct kev_inodes *inodes);

/** Was it given out since kev_inode_landed(), so that a reply with its attributes may be on its way? */
bool kev_inode_in_flight(const struct kev_inode *inode);
void kev_inode_landed(struct kev_inode *inode);

/** How far a walk through all of them is. All zero: at its beginning. */
struct kev_inodes_walk {
	size_t position;
	uint64_t resizes;
};

/**
 * Go through all of them, in no order. Nothing may change between two calls unless kev_inodes_may_pause()
 * says so; then what is known from the first call to the last is given all the same, perhaps more than once.
 * @return NULL at the end
 */
const struct kev_inode *kev_inodes_next(const struct kev_inodes *inodes, struct kev_inodes_walk *walk);

/** May things change before the next call? It is so every few of them. */
bool kev_inodes_may_pause(const struct kev_inodes *inodes, const struct kev_inodes_walk *walk);

/** How many are known, the root among them. */
size_t kev_inodes_count(const struct kev_inodes *inodes);

#endif
