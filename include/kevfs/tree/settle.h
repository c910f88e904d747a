#ifndef KEVFS_TREE_SETTLE_H
#define KEVFS_TREE_SETTLE_H

struct kev_tree;

/**
 * The first resync is complete: from now on the directories' times say when their membership changed. Until
 * now nobody saw a change, so the times come from what the cluster says of its things, and are the same in
 * every mount of the same state: a namespace's link and what stands above it, creationTimestamp; a directory
 * of events, the latest ctime in it; a resource, the latest time of its objects; a namespace, the latest of
 * its own and its resources'. Under the tree's lock; adds to the tree's batch.
 */
void kev_settle(struct kev_tree *tree);

#endif
