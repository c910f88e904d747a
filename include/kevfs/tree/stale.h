#ifndef KEVFS_TREE_STALE_H
#define KEVFS_TREE_STALE_H

#include <stdbool.h>

#include "kevfs/tree/inode.h"

/**
 * What went stale, collected under the tree's lock while it changes, and delivered without it: a notification
 * may wait in the kernel for an operation that waits for the lock.
 *
 * A batch holds several changes. Since all of them are made before the first of its notifications is sent, a
 * directory's listing and attributes need be named once a batch.
 */
struct kev_stale_batch;

/** A batch holds so many, and one change adds at most that many: a move of the last event of the last object
 * of a resource, from three groups to three others that are new, is 70 or so. */
#define KEV_STALE_BATCH_MAX 256
#define KEV_STALE_CHANGE_MAX 96

/** @return new and empty, or NULL on ENOMEM */
struct kev_stale_batch *kev_stale_batch_create(void);
void kev_stale_batch_destroy(struct kev_stale_batch *batch);

/** Has it no room for one change more? */
bool kev_stale_batch_full(const struct kev_stale_batch *batch);

/** What the name means in that directory. */
void kev_stale_entry(struct kev_stale_batch *batch, struct kev_inodes *inodes, struct kev_place directory,
	struct kev_str name);

/** The directory's listing, and so its attributes; behind a barrier if these may be in flight. */
void kev_stale_listing(struct kev_stale_batch *batch, struct kev_inodes *inodes, struct kev_place directory);

/** The directory's attributes alone; likewise. */
void kev_stale_attr(struct kev_stale_batch *batch, struct kev_inodes *inodes, struct kev_place directory);

/** What the kernel keeps of a file's content from offset on. */
void kev_stale_tail(
	struct kev_stale_batch *batch, struct kev_inodes *inodes, struct kev_place file, uint64_t offset);

/** That a file is so long now, and its attributes; behind a barrier if these may be in flight. */
void kev_stale_size(
	struct kev_stale_batch *batch, struct kev_inodes *inodes, struct kev_place file, uint64_t size);

/** Deliver all, in order, and empty the batch. Without the lock. @param stale  NULL: nobody wants to know */
void kev_stale_deliver(struct kev_stale_batch *batch, kev_tree_stale_fn *stale, void *context);

#endif
