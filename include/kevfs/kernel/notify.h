#ifndef KEVFS_KERNEL_NOTIFY_H
#define KEVFS_KERNEL_NOTIFY_H

#include <stdbool.h>

#include "kevfs/kernel/ops.h"
#include "kevfs/store/changes.h"
#include "kevfs/tree/tree.h"

/**
 * The thread that carries changes from the journal into the tree, and then has the kernel told what it must
 * forget: the only caller of fuse_lowlevel_notify_*, by itself and in the threads of senders.h.
 *
 * Deadlock rules (see also fuse_lowlevel_notify_inval_entry()): a notification may wait in the kernel for an
 * operation that another FUSE thread is answering, so none of these threads holds a lock while it sends one,
 * and no operation ever waits for them.
 */
struct kev_notify;

struct kev_notify_config {
	struct fuse_session *session;  /**< borrowed */
	struct kev_tree *tree;         /**< borrowed */
	struct kev_changes *changes;   /**< borrowed; closed by kev_notify_stop() */
	struct kev_ops *ops;           /**< borrowed */
	struct kev_meter *meter;       /**< told what is done; borrowed; NULL: nobody is */
	struct kev_health *health;     /**< borrowed */
	const struct kev_clock *clock; /**< borrowed */
	bool delayed; /**< wait for kev_notify_synced() before the first change is carried over */
};

/**
 * kev_tree_follow(), and the log is told of what is missing in the logs. Also before there is a mount.
 * @param stale  may be NULL, then
 */
int kev_notify_follow(struct kev_tree *tree, struct kev_changes *changes, kev_tree_stale_fn *stale,
	void *context) KEV_MUST_USE;

/** @return new, or NULL on ENOMEM */
struct kev_notify *kev_notify_create(const struct kev_notify_config *config);

/** Start the thread, all signals blocked in it. @return 0 or -errno */
int kev_notify_start(struct kev_notify *notify) KEV_MUST_USE;

/** The first sync is complete: fill the tree, release the parked requests, go on. Any thread, once. */
void kev_notify_synced(struct kev_notify *notify);

/**
 * Send nothing more and end the threads. Call it while the session's threads still answer: a notification
 * under way may wait for them.
 * @return true if they have ended; false if one is held in the kernel after about timeout_ms (a local reader
 * can bring that about), or the tree is being changed still.
 */
bool kev_notify_stop(struct kev_notify *notify, int timeout_ms);

/**
 * The same when nobody answers any more, after the unmount: waits for the thread that changes the tree as
 * long as it takes. That is not long: it gives up, and no reader holds it but in what the unmount ends.
 * @return false if a thread that sends is held still. Such a one uses nothing afterwards but this and the
 * session.
 */
bool kev_notify_end(struct kev_notify *notify, int timeout_ms);

/** After that has said false: it is left to itself. Nothing else may be called afterwards. */
void kev_notify_abandon(struct kev_notify *notify);

/** Stop it if it runs; waits for the threads, for as long as they are held. */
void kev_notify_destroy(struct kev_notify *notify);

#endif
